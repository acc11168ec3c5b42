/* SPDX-License-Identifier: BSD-3-Clause */
/* A port or a channel on a PCI function: what it maps, and what the host's wish to have the
 * function back means to it. The driver is that of fake_port.h, which knows 1234:0001. */
#include "fake_vfio.h"

#include "fake_port.h"

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#define A  "0000:01:00.0"
#define A2 "0000:01:00.1"
#define B  "0000:02:00.0"

#define N_FILES 1024

static struct weir_error e;
static struct fake_function *f;
static bool before[N_FILES]; /* descriptors that were open */

static int end(void **state)
{
    teardown(state);
    return fake_teardown(state);
}

static struct weir_port *started(const char *name)
{
    struct weir_port_options o = options();
    struct weir_port *p = open_port(name, &o);

    assert_int_equal(weir_port_start(p, &e), 0);
    return p;
}

static uint16_t command(void)
{
    uint16_t v;

    fake_peek(f, WEIR_REGION_CONFIG, PCI_COMMAND, &v, sizeof(v));
    return v;
}

/* The pool's arena is one segment: one mapping, of all of it, for reading and writing. */
static void test_maps(void **state)
{
    struct weir_port *p = started(A);
    struct weir_arena_info a;

    (void)state;
    weir_arena_info(arena, &a);
    assert_int_equal(fake.maps, 1);
    assert_int_equal(fake.containers[0].n_maps, 1);
    assert_int_equal(fake.containers[0].maps[0].iova, a.iova.addr);
    assert_int_equal(fake.containers[0].maps[0].size, a.bytes);
    assert_int_equal(fake.containers[0].maps[0].prot, WEIR_PROT_RW);
    assert_int_equal(command(), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    assert_int_equal(f->irq_type, WEIR_IRQ_MSIX);
    weir_port_close(p);
    assert_int_equal(fake_open_files(), 0);
    assert_int_equal(spaces(), 0);
    assert_int_equal(command(), PCI_COMMAND_MEMORY);
}

/* The host asks, gets it, and gives it back; the queues are the same. */
static void release(const char *name)
{
    struct weir_port *p = started(name);
    struct weir_rxq *q = weir_port_rxq(p, 0);
    struct weir_pkt *pkts[4];
    struct weir_event ev;

    fake_raise(f, WEIR_IRQ_REQ, 0);
    ev = fake_event(w, true);
    assert_int_equal(ev.type, WEIR_EVENT_REQUEST);
    assert_ptr_equal(ev.port, p);
    assert_int_equal(weir_port_release(p, &e), 0);
    assert_int_equal(command(), PCI_COMMAND_MEMORY);
    assert_int_equal(f->opens, 0);
    assert_int_equal(fake_open_files(), 1);
    assert_int_equal(weir_rx_burst(q, pkts, 4), 0);
    assert_int_equal(weir_port_release(p, &e), 0); /* once more does nothing */
    fake_bind(f, "ixgbe");
    assert_int_equal(weir_port_recover(p, &e), -ENODEV);
    fake_failed(&e, -ENODEV, "device-driver");
    fake_bind(f, "vfio-pci");
    for (;;) { /* the fake says when; see test_vfio_return.c for how the library finds out */
        fake.later_ns += 3000000000u;
        ev = fake_event(w, true);
        if (ev.type == WEIR_EVENT_RETURNED)
            break;
        assert_int_not_equal((int)ev.type, -1);
    }
    assert_ptr_equal(ev.port, p);
    assert_int_equal(weir_port_recover(p, &e), 0);
    assert_ptr_equal(weir_port_rxq(p, 0), q);
    assert_int_equal(weir_rx_burst(q, pkts, 4), 4);
    weir_pkt_free_bulk(((struct weir_rxq_base *)q)->cache, pkts, 4);
    assert_int_equal(command(), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    assert_int_equal(f->irq_type, WEIR_IRQ_MSIX);
    weir_port_close(p);
    assert_int_equal(fake_open_files(), 0);
}

static void test_release_type1(void **state)
{
    (void)state;
    release(A);
    assert_int_equal(fake.maps, 2); /* the container forgot */
}

static void test_release_iommufd(void **state)
{
    (void)state;
    fake_cdevs();
    release(A);
    assert_int_equal(fake.maps, 1);
}

/* A reset of the bus takes the rings of each port on it: their bursts do nothing from then on, they
 * are told, and recover. So it is with one that fails, as it found them quiet. */
static void test_hot_reset(void **state)
{
    struct fake_function *f2 = fake_add(A2, 2);
    struct weir_port *p[2] = {started(A), started(A2)};
    struct weir_device *d = fake_open_device(w, B, NULL);
    struct weir_pkt *pkts[4];

    (void)state;
    for (int err = 0; err <= EBUSY; err += EBUSY) {
        fake_fail(err ? VFIO_DEVICE_PCI_HOT_RESET : 0, err, 0);
        assert_int_equal(weir_device_hot_reset(weir_port_device(p[0]), &e), -err);
        fake_fail(0, 0, 0); /* a MAP has the same number */
        assert_int_equal(f2->hot_resets, 1);
        for (unsigned i = 0; i < 2; i++) {
            struct weir_event ev = fake_event(w, true);

            assert_int_equal(ev.type, WEIR_EVENT_LOST);
            assert_true(ev.port == p[0] || ev.port == p[1]);
            assert_int_equal(weir_rx_burst(weir_port_rxq(p[i], 0), pkts, 4), 0);
        }
        assert_int_equal(f->irq_type, -1);
        assert_int_equal(f2->irq_type, -1);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(weir_port_recover(p[i], &e), 0);
            assert_int_equal(weir_rx_burst(weir_port_rxq(p[i], 0), pkts, 4), 4);
            weir_pkt_free_bulk(((struct weir_rxq_base *)weir_port_rxq(p[i], 0))->cache, pkts, 4);
        }
        assert_int_equal(f->irq_type, WEIR_IRQ_MSIX);
        assert_int_equal(f2->irq_type, WEIR_IRQ_MSIX);
    }
    assert_false(weir_device_lost(d)); /* on another bus */
    /* One that is refused before anything happened takes nothing. */
    fake_add("0000:01:00.2", 4);
    assert_int_equal(weir_device_hot_reset(weir_port_device(p[0]), &e), -EPERM);
    assert_int_equal(weir_rx_burst(weir_port_rxq(p[0], 0), pkts, 4), 4);
    weir_pkt_free_bulk(((struct weir_rxq_base *)weir_port_rxq(p[0], 0))->cache, pkts, 4);
}

/* ---- a channel on it ---- */

static unsigned n_begun;
static int answer;

static int dma_open(struct weir_copier *c, struct weir_error *err)
{
    (void)c;
    (void)err;
    return 0;
}

static void dma_nothing(struct weir_copier *c)
{
    (void)c;
}

static int dma_start(struct weir_copier *c, struct weir_error *err)
{
    return weir_device_bus_master(c->device, true, err);
}

static void dma_copy(struct weir_copier *c, const struct weir_copy *copy)
{
    (void)c;
    (void)copy;
    n_begun++;
}

static int dma_poll(struct weir_copier *c)
{
    (void)c;
    return answer;
}

static const struct weir_dma_ops dma_ops = {
    .limits = {.iova_bits = 64, .max_len = 4096, .align = 1, .in_flight = 1},
    .open = dma_open,
    .close = dma_nothing,
    .start = dma_start,
    .stop = dma_nothing,
    .copy = dma_copy,
    .poll = dma_poll,
    .irq = dma_nothing,
};
static const struct weir_pci_id dma_ids[] = {{0x1234, 1}, {0, 0}};
static const struct weir_driver dma_driver = {
    .name = "fake-dma", .ids = dma_ids, .device_class = WEIR_CLASS_DMA, .dma = &dma_ops};

static int begin(void **state)
{
    int r = fake_setup(state);

    f = fake_add(A, 1);
    fake_add(B, 3);
    for (int fd = 0; fd < N_FILES; fd++)
        before[fd] = fcntl(fd, F_GETFD) >= 0;
    return r || setup(state) ? -1 : weir_driver_register(w, &dma_driver, NULL);
}

static struct weir_channel *channel(const char *name)
{
    struct weir_channel_options o = {.size = sizeof(o), .arena = arena, .use_interrupt = true};
    struct weir_channel *ch;

    ch = weir_channel_open(w, name, &o, &e);
    assert_non_null(ch);
    return ch;
}

static int copy(struct weir_channel *ch, uint64_t cookie)
{
    return weir_channel_copy(ch, weir_iova(0x200000), weir_iova(0x100000), 64, cookie, &e);
}

static void copied(struct weir_channel *ch, uint64_t cookie, int status)
{
    struct weir_copy_done done;

    assert_int_equal(weir_channel_poll(ch, &done, 1), 1);
    assert_int_equal(done.cookie, cookie);
    assert_int_equal(done.status, status);
}

/* Given back with copies under way, and taken again. */
static void release_channel(unsigned maps)
{
    struct weir_channel *ch = channel(A);
    struct weir_device *d = weir_channel_device(ch);
    struct weir_event ev;

    n_begun = 0;
    answer = 0;
    assert_int_equal(copy(ch, 1), 0);
    assert_int_equal(copy(ch, 2), 0);
    fake_raise(f, WEIR_IRQ_REQ, 0);
    ev = fake_event(w, true);
    assert_int_equal(ev.type, WEIR_EVENT_REQUEST);
    assert_ptr_equal(ev.device, d);
    assert_int_equal(weir_device_release(d, &e), 0);
    assert_int_equal(f->opens, 0);
    assert_int_equal(command(), PCI_COMMAND_MEMORY);
    answer = 1;
    copied(ch, 1, -ENODEV);
    copied(ch, 2, -ENODEV);
    assert_int_equal(n_begun, 1);
    assert_int_equal(copy(ch, 3), -ENODEV);
    fake_bind(f, "ixgbe");
    assert_int_equal(weir_channel_recover(ch, &e), -ENODEV);
    fake_failed(&e, -ENODEV, "device-driver");
    fake_bind(f, "vfio-pci");
    assert_int_equal(weir_channel_recover(ch, &e), 0);
    assert_int_equal(f->irq_type, WEIR_IRQ_MSIX);
    assert_int_equal(command(), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    assert_int_equal(fake.maps, maps);
    assert_int_equal(copy(ch, 4), 0);
    copied(ch, 4, 0);
    weir_channel_close(ch);
    assert_int_equal(fake_open_files(), 0);
}

static void test_channel_type1(void **state)
{
    (void)state;
    release_channel(2);
}

static void test_channel_iommufd(void **state)
{
    (void)state;
    fake_cdevs();
    release_channel(1);
}

/* Whatever the library has open is closed in what the application executes. */
static void test_close_on_exec(void **state)
{
    unsigned seen = 0;

    (void)state;
    for (int way = 0; way < 2; way++) {
        struct weir_port *p = started(A);
        struct weir_channel *ch = channel(B);

        for (int fd = 0; fd < N_FILES; fd++) {
            int flags = fcntl(fd, F_GETFD);

            if (flags < 0 || before[fd])
                continue;
            seen++;
            if (!(flags & FD_CLOEXEC))
                fail_msg("descriptor %d stays open over exec()", fd);
        }
        weir_channel_close(ch);
        weir_port_close(p);
        fake_cdevs();
    }
    assert_true(seen > 20); /* of instance, arena, containers, groups, devices, interrupts */
}

/* The function alone is reset while its port is stopped: it is set up anew with the next start,
 * the interrupt, too. */
static void test_reset(void **state)
{
    struct weir_port *p = started(A);

    (void)state;
    assert_int_equal(weir_port_stop(p, &e), 0);
    assert_int_equal(weir_device_reset(weir_port_device(p), &e), 0);
    assert_int_equal(f->irq_type, -1);
    assert_int_equal(weir_port_start(p, &e), 0);
    assert_int_equal(f->irq_type, WEIR_IRQ_MSIX);
    assert_int_equal(command(), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    weir_port_close(p);
    assert_int_equal(f->irq_type, -1);
}

/* An arena that the device cannot reach is refused when the port is opened, by name. */
static void test_narrow(void **state)
{
    struct weir_port_options o = options();
    struct weir_arena_info a;

    (void)state;
    weir_arena_info(arena, &a);
    fake_reserve(fake_group(1), a.iova.addr, a.iova.addr + 0xfff, "reserved");
    assert_null(weir_port_open(w, A, &o, &e));
    assert_int_equal(e.err, -EINVAL);
    assert_string_equal(e.code, "map-range");
    assert_int_equal(fake_open_files(), 0);
    assert_int_equal(fake.maps, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_maps),          CASE(test_release_type1),   CASE(test_release_iommufd),
        CASE(test_hot_reset),     CASE(test_reset),           CASE(test_narrow),
        CASE(test_channel_type1), CASE(test_channel_iommufd), CASE(test_close_on_exec),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
