/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening a device on a server that is not ours: what it may answer, and when it may go. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../unit/vfu_wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/un.h>
#include <weir/weir.h>

/* A server by the book, but for what a case changes. Messages are counted from 0, VERSION. */
struct script {
    int die_at, stall_at; /* that message is not answered; -1: none */
    const char *json;
    uint32_t info_flags, regions, irqs;
    uint64_t config_size;
    uint32_t vectors;
    uint32_t config_id;
    int map_fd; /* for BAR 0; -1: none */
    uint64_t map_offset;
    uint32_t map_flags;
    int map_error; /* of DMA_MAP */
};

struct server {
    struct script s;
    int listener;
    pthread_t thread;
    atomic_uint messages, map_fds, irq_fds, irq_messages, maps, unmaps;
};

static struct server server;
static char folder[64], path[96], name[128];
static struct weir *w;

static const struct script by_the_book = {
    .die_at = -1,
    .stall_at = -1,
    .json = WIRE_QEMU_JSON,
    .info_flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
    .regions = 9,
    .irqs = 5,
    .config_size = 256,
    .vectors = 20,
    .config_id = 0x56781234,
    .map_fd = -1,
    .map_flags = VFIO_REGION_INFO_FLAG_MMAP,
};

static void answer_one(struct server *v, int fd, const struct weir_vfu_header *h, uint8_t *body,
                       size_t len)
{
    const struct script *s = &v->s;
    struct weir_vfu_region_info *region = (void *)body;
    struct weir_vfu_irq_info *irq = (void *)body;
    struct weir_vfu_device_info *info = (void *)body;
    struct weir_vfu_region_access *access = (void *)body;
    struct weir_vfu_header error = {h->id, h->command, sizeof(error),
                                    WEIR_VFU_REPLY | WEIR_VFU_ERROR, (uint32_t)s->map_error};
    bool with_fd = false;
    uint32_t value = 0;

    switch (h->command) {
    case WEIR_VFU_VERSION:
        len = wire_version(body, 0, 0, s->json);
        break;
    case WEIR_VFU_DEVICE_GET_INFO:
        *info = (struct weir_vfu_device_info){16, s->info_flags, s->regions, s->irqs};
        break;
    case WEIR_VFU_REGION_INFO:
        region->flags = 0;
        region->size = 0;
        if (region->index == 7 || region->index == 0) {
            region->size = region->index ? s->config_size : 0x2000;
            region->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        }
        if (region->index == 0 && s->map_fd >= 0) {
            with_fd = true;
            region->flags |= s->map_flags;
            region->offset = s->map_offset;
        }
        break;
    case WEIR_VFU_IRQ_INFO:
        irq->count = irq->index == 2 ? s->vectors : 0;
        break;
    case WEIR_VFU_SET_IRQS:
        atomic_fetch_add(&v->irq_messages, 1);
        len = 0;
        break;
    case WEIR_VFU_REGION_READ:
        if (access->region == 7 && access->offset == 0)
            value = s->config_id;
        len = sizeof(*access) + access->count;
        memset(body + sizeof(*access), 0, access->count);
        memcpy(body + sizeof(*access), &value, access->count < 4 ? access->count : 4);
        break;
    case WEIR_VFU_REGION_WRITE:
        len = sizeof(*access);
        break;
    case WEIR_VFU_DMA_MAP:
        if (s->map_error) {
            wire_raw(fd, &error, sizeof(error), NULL, 0);
            return;
        }
        atomic_fetch_add(&v->maps, 1);
        len = 0;
        break;
    case WEIR_VFU_DMA_UNMAP:
        atomic_fetch_add(&v->unmaps, 1);
        break;
    default:
        len = 0;
    }
    wire_send_fds(fd, h->id, h->command, WEIR_VFU_REPLY, body, len, &s->map_fd, with_fd);
}

/* One client, and when it has gone the next. */
static void *serve(void *arg)
{
    static _Alignas(8) uint8_t body[WEIR_VFU_MAX_MESSAGE];
    struct server *v = arg;
    struct weir_vfu_header h;

    for (;;) {
        int fd = accept(v->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        atomic_store(&v->messages, 0);
        for (;;) {
            int fds[WEIR_VFU_MAX_FDS];
            unsigned n_fds = 0;
            if (wire_exactly(fd, &h, sizeof(h), fds, &n_fds, WIRE_PATIENCE_MS) != 1)
                break;
            size_t len = h.size - sizeof(h);
            if (len && wire_exactly(fd, body, len, fds, &n_fds, WIRE_PATIENCE_MS) != 1)
                break;
            for (unsigned i = 0; i < n_fds; i++)
                close(fds[i]);
            if (h.command == WEIR_VFU_DMA_MAP)
                atomic_fetch_add(&v->map_fds, n_fds);
            if (h.command == WEIR_VFU_SET_IRQS)
                atomic_fetch_add(&v->irq_fds, n_fds);
            int number = (int)atomic_fetch_add(&v->messages, 1);
            if (number == v->s.die_at)
                break;
            if (number != v->s.stall_at && !(h.flags & WEIR_VFU_NO_REPLY))
                answer_one(v, fd, &h, body, len);
        }
        close(fd);
    }
}

static void start(const struct script *s)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    memset(&server, 0, sizeof(server));
    server.s = *s;
    server.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    unlink(path);
    assert_int_equal(bind(server.listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(server.listener, 8), 0);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, &server), 0);
}

static void stop(void)
{
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listener);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/weir-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s", folder);
    snprintf(name, sizeof(name), "vfio-user:%s", path);
    w = weir_new(NULL, NULL);
    assert_non_null(w);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_free(w);
    unlink(path);
    return rmdir(folder);
}

static struct weir_device *open_with(unsigned timeout_ms, struct weir_error *e)
{
    return weir_device_open(
        w, name,
        &(struct weir_device_options){.size = sizeof(struct weir_device_options),
                                      .timeout_ms = timeout_ms},
        e);
}

static void what_makes_no_device(void **state)
{
    static const struct {
        struct script s;
        int err;
        const char *code, *why;
    } cases[] = {
        {{.info_flags = VFIO_DEVICE_FLAGS_RESET}, -EPROTO, "vfio-user-protocol", "no PCI device"},
        {{.regions = 7}, -EPROTO, "vfio-user-protocol", "7 regions"},
        {{.config_size = 63}, -EPROTO, "vfio-user-protocol", "63 bytes"},
        {{.vectors = 2049}, -EPROTO, "vfio-user-protocol", "2049 vectors"},
        {{.config_id = 0xffffffff}, -ENODEV, "device-gone", "0xffff"},
    };

    (void)state;
    unsigned fds = wire_count_fds();
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct script s = by_the_book;
        struct weir_error e = {0};
        s.info_flags = cases[i].s.info_flags ? cases[i].s.info_flags : s.info_flags;
        s.regions = cases[i].s.regions ? cases[i].s.regions : s.regions;
        s.config_size = cases[i].s.config_size ? cases[i].s.config_size : s.config_size;
        s.vectors = cases[i].s.vectors ? cases[i].s.vectors : s.vectors;
        s.config_id = cases[i].s.config_id ? cases[i].s.config_id : s.config_id;
        start(&s);
        assert_null(open_with(10000, &e));
        stop();
        if (e.err != cases[i].err || strcmp(e.code, cases[i].code) != 0 ||
            !strstr(e.why, cases[i].why))
            fail_msg("got %d %s '%s: %s'", e.err, e.code, e.what, e.why);
    }
    /* More than there is a number for is more than we look at. */
    struct script s = by_the_book;
    s.regions = s.irqs = UINT32_MAX;
    start(&s);
    struct weir_device *d = open_with(10000, NULL);
    assert_non_null(d);
    weir_device_close(d);
    stop();
    assert_int_equal(wire_count_fds(), fds);
}

/* It goes, or falls silent, at each message in turn. */
static void gone_at_each_message(void **state)
{
    unsigned fds = wire_count_fds(), at;

    (void)state;
    for (unsigned silent = 0; silent < 2; silent++) {
        for (at = 0; at < 100; at++) {
            struct script s = by_the_book;
            struct weir_error e = {0};
            *(silent ? &s.stall_at : &s.die_at) = (int)at;
            start(&s);
            uint64_t from = weir_now_ns();
            struct weir_device *d = open_with(silent ? 50 : 10000, &e);
            assert_true(weir_now_ns() - from < 5000000000u);
            unsigned messages = atomic_load(&server.messages);
            if (d)
                weir_device_close(d);
            stop();
            if (d) {
                assert_in_range(messages, 10, at);
                break;
            }
            if (e.err != (silent ? -ETIMEDOUT : -ECONNRESET))
                fail_msg("at message %u: %d %s '%s: %s'", at, e.err, e.code, e.what, e.why);
        }
        assert_in_range(at, 15, 99);
    }
    assert_int_equal(wire_count_fds(), fds);
}

/* Registers are mapped only if they cannot be taken away. */
static void mapped_registers(void **state)
{
    static const struct {
        unsigned seals;
        size_t size;
        uint32_t flags;
        bool mapped;
    } cases[] = {
        {F_SEAL_SHRINK, 0x4000, VFIO_REGION_INFO_FLAG_MMAP, true},
        {0, 0x4000, VFIO_REGION_INFO_FLAG_MMAP, false},
        {F_SEAL_SHRINK, 0x2000, VFIO_REGION_INFO_FLAG_MMAP, false}, /* too short */
        {F_SEAL_SHRINK, 0x4000, 0, false},
        {F_SEAL_SHRINK, 0x4000, VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS, false},
    };

    (void)state;
    unsigned fds = wire_count_fds();
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct script s = by_the_book;
        struct weir_region r;
        s.map_fd = wire_memfd(cases[i].size, cases[i].seals);
        s.map_offset = 0x1000;
        s.map_flags = cases[i].flags;
        start(&s);
        struct weir_device *d = open_with(10000, NULL);
        assert_non_null(d);
        weir_device_region(d, 0, &r);
        assert_int_equal(r.map != NULL, cases[i].mapped);
        uint32_t value = 0;
        if (r.map) {
            assert_int_equal(r.map_size, 0x2000);
            weir_write32(d, 0, 0x10, 0xabcd);
            assert_int_equal(pread(s.map_fd, &value, 4, 0x1010), 4);
            assert_int_equal(value, 0xabcd);
            assert_int_equal(weir_read32(d, 0, 0x10), 0xabcd);
        } else {
            assert_int_equal(weir_read32(d, 0, 0x10), 0); /* by message */
        }
        weir_device_close(d);
        stop();
        close(s.map_fd);
    }
    assert_int_equal(wire_count_fds(), fds);
}

/* A driver keeps pointers to mapped registers: they outlive the server and show the next one's. */
static void mapped_registers_of_a_server_that_returns(void **state)
{
    struct script s = by_the_book;
    struct weir_region r, again;
    struct weir_event ev;

    (void)state;
    s.map_fd = wire_memfd(0x2000, F_SEAL_SHRINK);
    start(&s);
    struct weir_device *d = open_with(10000, NULL);
    weir_device_region(d, 0, &r);
    assert_non_null(r.map);
    for (unsigned round = 0; round < 3; round++) {
        r.map[0x20] = 1;
        server.s.die_at = (int)atomic_load(&server.messages); /* at the next message */
        weir_config_read(d, 0, 4);
        assert_true(weir_device_lost(d));
        assert_int_equal(r.map[0x20], 1);
        stop();
        close(s.map_fd);
        assert_int_equal(r.map[0x20], 1);
        /* the last time with something that cannot be mapped */
        s.map_fd = wire_memfd(0x2000, round < 2 ? F_SEAL_SHRINK : 0);
        start(&s);
        while (weir_events(w, &ev, 1) != 1 || ev.type != WEIR_EVENT_RETURNED)
            poll(NULL, 0, 1);
        assert_int_equal(weir_device_reopen(d, NULL), 0);
        weir_device_region(d, 0, &again);
        if (round == 2)
            break;
        assert_ptr_equal(again.map, r.map);
        assert_int_equal(r.map[0x20], 0);
    }
    assert_null(again.map);
    assert_int_equal(r.map[0x20], 1); /* a stale pointer hurts nobody */
    weir_device_close(d);
    stop();
    close(s.map_fd);
}

static void maps_and_interrupts(const char *json, unsigned map_fds, unsigned irq_messages)
{
    struct script s = by_the_book;
    struct weir_device_info info;
    struct weir_error e = {0};
    int fd = wire_memfd(0x2000, F_SEAL_SHRINK), events[20];
    void *va = mmap(NULL, 0x2000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct weir_mem mem = {.va = va, .len = 0x2000, .fd = fd, .name = "test"};

    s.json = json;
    start(&s);
    struct weir_device *d = open_with(10000, NULL);
    assert_non_null(d);
    weir_device_info(d, &info);
    assert_int_equal(weir_space_map(info.space, &mem, weir_iova(0x10000), WEIR_PROT_RW, &e), 0);
    assert_int_equal(atomic_load(&server.maps), 1);
    assert_int_equal(atomic_load(&server.map_fds), map_fds);
    /* A server that refuses: nothing is in the book. */
    server.s.map_error = ENOMEM;
    assert_int_equal(weir_space_map(info.space, &mem, weir_iova(0x20000), WEIR_PROT_RW, &e),
                     -ENOMEM);
    assert_string_equal(e.code, "vfio-user-refused");
    server.s.map_error = 0;
    assert_int_equal(weir_space_map(info.space, &mem, weir_iova(0x20000), WEIR_PROT_RW, &e), 0);
    assert_int_equal(weir_space_unmap(info.space, weir_iova(0x20000), 0x2000, &e), 0);
    assert_int_equal(atomic_load(&server.unmaps), 1);

    for (unsigned i = 0; i < 20; i++)
        events[i] = i == 5 ? -1 : eventfd(0, EFD_CLOEXEC);
    atomic_store(&server.irq_messages, 0);
    int r = weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 20, events, &e);
    assert_int_equal(r, irq_messages ? 0 : -ENOTSUP);
    assert_int_equal(atomic_load(&server.irq_messages), irq_messages);
    assert_int_equal(atomic_load(&server.irq_fds), irq_messages ? 19 : 0);
    for (unsigned i = 0; i < 20; i++)
        if (events[i] >= 0)
            close(events[i]);

    /* Gone: maps come and go in the book alone. */
    server.s.die_at = (int)atomic_load(&server.messages);
    weir_config_read(d, 0, 4);
    assert_true(weir_device_lost(d));
    assert_int_equal(weir_space_unmap(info.space, weir_iova(0x10000), 0x2000, &e), 0);
    assert_int_equal(weir_space_map(info.space, &mem, weir_iova(0x10000), WEIR_PROT_RW, &e), 0);
    weir_device_close(d);
    stop();
    munmap(va, 0x2000);
    close(fd);
}

static void limits_of_the_server(void **state)
{
    (void)state;
    /* 0 to 4, a gap, 6 to 19 */
    maps_and_interrupts(WIRE_QEMU_JSON, 1, 3);
    maps_and_interrupts("{\"capabilities\":{\"max_msg_fds\":4}}", 1, 2 + 1 + 4);
    maps_and_interrupts("{}", 1, 5 + 1 + 14);
    maps_and_interrupts(NULL, 1, 5 + 1 + 14);
    maps_and_interrupts("{\"capabilities\":{\"max_msg_fds\":0}}", 0, 0);
}

static void long_accesses_go_in_pieces(void **state)
{
    struct script s = by_the_book;
    static uint8_t buf[0x2000];

    (void)state;
    s.json = "{\"capabilities\":{\"max_data_xfer_size\":1000}}";
    start(&s);
    struct weir_device *d = open_with(10000, NULL);
    unsigned before = atomic_load(&server.messages);
    assert_int_equal(weir_region_read(d, 0, 0, buf, sizeof(buf), NULL), 0);
    assert_int_equal(atomic_load(&server.messages) - before, 9);
    assert_int_equal(weir_region_write(d, 0, 0, buf, sizeof(buf), NULL), 0);
    assert_int_equal(atomic_load(&server.messages) - before, 18);
    weir_device_close(d);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_makes_no_device, setup, teardown),
        cmocka_unit_test_setup_teardown(gone_at_each_message, setup, teardown),
        cmocka_unit_test_setup_teardown(mapped_registers, setup, teardown),
        cmocka_unit_test_setup_teardown(mapped_registers_of_a_server_that_returns, setup, teardown),
        cmocka_unit_test_setup_teardown(limits_of_the_server, setup, teardown),
        cmocka_unit_test_setup_teardown(long_accesses_go_in_pieces, setup, teardown),
    };
    return cmocka_run_group_tests_name("vfu_device", tests, NULL, NULL);
}
