/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients of a served model that speak the protocol by hand, wrongly, or not at all. */
#include "vfu_server_case.h"

#include <sys/un.h>

static int raw_client(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static int agreed_client(void)
{
    uint8_t body[512];
    struct wire_msg m;
    int fd = raw_client();

    wire_send(fd, 1, WEIR_VFU_VERSION, 0, body, wire_version(body, 0, 0, WIRE_QEMU_JSON));
    wire_recv(fd, &m);
    assert_int_equal(m.h.flags, WEIR_VFU_REPLY);
    return fd;
}

static void raw_write(int fd, uint32_t region, uint64_t off, uint64_t value, uint32_t count)
{
    struct {
        struct weir_vfu_region_access a;
        uint64_t value;
    } b = {{off, region, count}, value};
    struct wire_msg m;

    wire_send(fd, 1, WEIR_VFU_REGION_WRITE, 0, &b, sizeof(b.a) + count);
    wire_recv(fd, &m);
    assert_int_equal(m.h.flags, WEIR_VFU_REPLY);
}

static void raw_irq(int fd, uint32_t action, int event)
{
    struct weir_vfu_irq_set set = {20, VFIO_IRQ_SET_DATA_EVENTFD | action, 0, 0, 1};
    struct wire_msg m;

    wire_send_fds(fd, 1, WEIR_VFU_SET_IRQS, 0, &set, sizeof(set), &event, event >= 0);
    wire_recv(fd, &m);
    assert_int_equal(m.h.flags, WEIR_VFU_REPLY);
}

static void wait_signal(int event)
{
    struct pollfd p = {.fd = event, .events = POLLIN};
    uint64_t count;

    assert_int_equal(poll(&p, 1, WIRE_PATIENCE_MS), 1);
    assert_int_equal(read(event, &count, sizeof(count)), sizeof(count));
    assert_int_equal(count, 1);
}

/* INTx masks itself; a client may leave an eventfd that unmasks it, blocking or not. */
static void unmask_by_eventfd(void **state)
{
    struct served *s = serve_thread("toy");
    int fd = agreed_client(), trigger = eventfd(0, EFD_CLOEXEC), unmask = eventfd(0, EFD_CLOEXEC);
    uint64_t one = 1;

    (void)state;
    raw_write(fd, 7, 4, 2, 2); /* memory decoding */
    raw_irq(fd, VFIO_IRQ_SET_ACTION_TRIGGER, trigger);
    raw_irq(fd, VFIO_IRQ_SET_ACTION_UNMASK, unmask);
    raw_write(fd, 0, SCRATCH, 0x1717, 8);
    wait_signal(trigger);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(wire_quiet(trigger));
        assert_int_equal(write(unmask, &one, sizeof(one)), sizeof(one));
        wait_signal(trigger); /* the level is still there */
    }
    raw_write(fd, 0, SCRATCH, 0, 8);
    assert_int_equal(write(unmask, &one, sizeof(one)), sizeof(one));
    /* Taken away, it means nothing any more. */
    struct pollfd p = {.fd = unmask, .events = POLLIN};
    UNTIL(poll(&p, 1, 0) == 0);
    raw_irq(fd, VFIO_IRQ_SET_ACTION_UNMASK, -1);
    raw_write(fd, 0, SCRATCH, 0x1717, 8);
    wait_signal(trigger);
    assert_int_equal(write(unmask, &one, sizeof(one)), sizeof(one));
    raw_write(fd, 0, SRC, 1, 8);
    assert_true(wire_quiet(trigger));
    close(fd);
    close(trigger);
    close(unmask);
    unserve(s);
}

/* Hostile clients, one after another; the model steps on and the next client is served. */
static void hostile_clients(void **state)
{
    static const uint8_t garbage[4096] = {0x16, 0x03, 0x01, 0x02};
    struct served *s = serve_thread("toy");
    const struct {
        struct weir_vfu_header h;
        struct weir_vfu_device_info info;
    } h = {{1, WEIR_VFU_DEVICE_GET_INFO, 32, 0, 0}, {16, 0, 0, 0}};
    struct wire_msg m;

    (void)state;
    unsigned fds = wire_count_fds();
    for (unsigned round = 0; round < 40; round++) {
        int fd = round % 8 < 3 ? raw_client() : agreed_client();
        unsigned steps = atomic_load(&s->toy->steps);
        switch (round % 8) {
        case 0: /* says nothing and goes */
            break;
        case 1: /* speaks something else */
            wire_raw(fd, garbage, sizeof(garbage), NULL, 0);
            assert_int_equal(wire_recv_ms(fd, &m, WIRE_PATIENCE_MS), 0);
            break;
        case 2: /* dies in its first message */
            wire_raw(fd, &h, 11, NULL, 0);
            break;
        case 3: /* stalls in a message: the wake is what makes an idle server step */
            wire_raw(fd, &h, 20, NULL, 0);
            for (unsigned i = 0; i < 20; i++)
                weir_server_wake(s->s);
            UNTIL(atomic_load(&s->toy->steps) >= steps + 3 || (weir_server_wake(s->s), false));
            break;
        case 4: /* floods with what needs no reply */
            for (unsigned i = 0; i < 20000; i++)
                wire_send(fd, 1, WEIR_VFU_DEVICE_RESET, WEIR_VFU_NO_REPLY, NULL, 0);
            break;
        case 5: /* asks for much and reads nothing */
            for (unsigned i = 0; i < 100; i++) {
                struct weir_vfu_region_access a = {0, 0, 0x1000};
                wire_send(fd, 1, WEIR_VFU_REGION_READ, 0, &a, sizeof(a));
            }
            break;
        case 6: /* sends descriptors with everything */
            for (unsigned i = 0; i < 100; i++) {
                int many[17];
                for (unsigned k = 0; k < 17; k++)
                    many[k] = fd;
                wire_send_fds(fd, 1, WEIR_VFU_DEVICE_RESET, WEIR_VFU_NO_REPLY, NULL, 0, many, 17);
            }
            break;
        default: /* answers what nobody asked */
            wire_send(fd, 1, WEIR_VFU_DMA_READ, WEIR_VFU_REPLY, NULL, 0);
            assert_int_equal(wire_recv_ms(fd, &m, WIRE_PATIENCE_MS), 0);
        }
        close(fd);
        /* It may take a moment until the server sees the end of the last one, not more. */
        struct weir_device *d = NULL;
        UNTIL((d = open_it_with(10000, NULL)) != NULL);
        assert_int_equal(get(d, ID), 0x70790000);
        weir_device_close(d);
    }
    unserve(s);
    /* but for the server's own: listener and wake, and what an instance has */
    assert_true(wire_count_fds() < fds);
}

/* Memory that a client truncates under a running model */
static void memory_truncated_under_way(void **state)
{
    struct served *s = serve_thread("toy");
    struct weir_device *d = open_it();
    int fd = wire_memfd(0x10000, 0);
    uint8_t *va = map_memfd(d, fd, 0x10000, 0x100000, true);

    (void)state;
    assert_int_equal(copy(d, 0x10f000, 0x100000, 16), 1);
    munmap(va, 0x10000);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(copy(d, 0x10f000, 0x100000, 16), 0);
    assert_int_equal(copy(d, 0x100000, 0x10f000, 16), 0);
    assert_int_equal(get(d, ID), 0x70790000);
    weir_device_close(d);
    unserve(s);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unmask_by_eventfd, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_clients, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_truncated_under_way, setup, teardown),
    };
    return cmocka_run_group_tests_name("vfu_server_hostile", tests, NULL, NULL);
}
