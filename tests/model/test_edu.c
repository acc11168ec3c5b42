/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The edu driver on its model, and on devices that lie: copies polled and by both kinds of
 * interrupt, addresses it cannot reach, and what happens when the device does not do its part.
 */
#include "edu_rig.h"
#include "lib/device/backend.h"
#include <unistd.h>
#include <weir/driver/model.h>

static unsigned skew_s; /* how far the clock was put forward */

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    int ret = __real_clock_gettime(id, t);
    t->tv_sec += skew_s;
    return ret;
}

/* Around the driver's pieces, the device's buffer, pages and cache lines. */
static const uint32_t lengths[] = {1,    2,    3,    4,    63,   64,   65,    4031,  4032, 4033,
                                   4095, 4096, 4097, 8063, 8064, 8065, 12096, 12097, 50000};
enum { N_LENGTHS = sizeof lengths / sizeof *lengths, PIECE = 4032 };

static unsigned transfers(uint32_t len)
{
    return 2 * ((len + PIECE - 1) / PIECE);
}

static void no_faults(struct weir_channel *ch)
{
    struct weir_model_stats s;
    weir_model_stats(rig_model(ch), &s);
    assert_int_equal(s.dma_faults, 0);
}

static void copies_polled(void **state)
{
    struct weir_channel_info info;
    struct rig r;
    (void)state;
    rig_init(&r);
    struct weir_channel *ch = rig_open(&r, "model:edu", false);
    weir_channel_info(ch, &info);
    assert_string_equal(info.driver, "edu");
    assert_string_equal(info.interrupt, "none");
    assert_int_equal(info.iova_bits, 28);
    for (unsigned i = 0; i < N_LENGTHS; i++) {
        rig_copy(&r, ch, 0, 0, lengths[i]);
        rig_copy(&r, ch, 13, 4093, lengths[i]);
        rig_copy(&r, ch, ROOM - lengths[i], ROOM - lengths[i], lengths[i]);
    }
    assert_int_equal(weir_read32(weir_channel_device(ch), 0, 0x24), 0); /* no interrupt either */
    no_faults(ch);
    weir_channel_close(ch);
    rig_free(&r);
}

static void copies_by_interrupt(void **state)
{
    (void)state;
    for (int msi = 1; msi >= 0; msi--) {
        struct weir_channel_info info;
        struct rig r;
        rig_init(&r);
        struct weir_device *d = weir_device_open(r.w, "model:edu", NULL, NULL);
        assert_non_null(d);
        if (!msi)
            d->irqs[WEIR_IRQ_MSI] = 0;
        struct weir_channel *ch = weir_channel_new(
            d,
            &(struct weir_channel_options){.size = sizeof(struct weir_channel_options),
                                           .arena = r.arena,
                                           .use_interrupt = true},
            NULL);
        assert_non_null(ch);
        weir_channel_info(ch, &info);
        assert_string_equal(info.interrupt, msi ? "MSI" : "INTx");
        unsigned want = 0;
        for (unsigned i = 0; i < N_LENGTHS; i++) {
            rig_copy(&r, ch, 7, 3, lengths[i]);
            want += transfers(lengths[i]);
            assert_int_equal(r.wakeups, want); /* one for each transfer, none for nothing */
        }
        /* All acknowledged. */
        assert_int_equal(weir_channel_arm(ch, NULL), 0);
        assert_int_equal(weir_read32(d, 0, 0x24), 0);
        no_faults(ch);
        weir_channel_close(ch);
        rig_free(&r);
    }
}

static void a_queue_full_of_copies(void **state)
{
    struct weir_error e;
    struct rig r;
    (void)state;
    for (int interrupt = 0; interrupt <= 1; interrupt++) {
        rig_init(&r);
        struct weir_channel *ch = rig_open(&r, "model:edu", interrupt);
        /* Chained: each reads what the one before it wrote, so that order matters. */
        const uint32_t len = 900;
        memset(r.dst.va, 0, ROOM);
        assert_int_equal(weir_channel_copy(ch, r.dst.iova, r.src.iova, len, 0, &e), 0);
        for (unsigned i = 1; i < 64; i++)
            assert_int_equal(weir_channel_copy(ch, weir_iova_add(r.dst.iova, i * len),
                                               weir_iova_add(r.dst.iova, (i - 1) * len), len, i,
                                               &e),
                             0);
        assert_int_equal(weir_channel_copy(ch, r.dst.iova, r.src.iova, 1, 64, &e), -EAGAIN);
        rig_done(&r, ch, 0);
        assert_int_equal(weir_channel_copy(ch, weir_iova_add(r.dst.iova, 64 * len),
                                           weir_iova_add(r.dst.iova, 63 * len), len, 64, &e),
                         0);
        for (unsigned i = 1; i <= 64; i++)
            rig_done(&r, ch, i);
        for (unsigned i = 0; i <= 64; i++)
            assert_memory_equal((uint8_t *)r.dst.va + i * len, r.src.va, len);
        no_faults(ch);
        weir_channel_close(ch);
        rig_free(&r);
    }
}

static void the_longest_copy(void **state)
{
    const struct weir_arena_options ao = {
        .size = sizeof ao, .page = 4096, .bytes = 2 << 20, .iova_bits = 28};
    struct weir_channel_info info;
    struct weir_dma a, b;
    struct rig r;
    (void)state;
    rig_init(&r);
    r.arena = weir_arena_new(r.w, &ao, NULL);
    struct weir_channel *ch = rig_open(&r, "model:edu", false);
    weir_channel_info(ch, &info);
    assert_int_equal(info.max_len, 1 << 20);
    weir_dma_alloc(r.arena, info.max_len, 4096, &a, NULL);
    weir_dma_alloc(r.arena, info.max_len, 4096, &b, NULL);
    for (unsigned i = 0; i < info.max_len; i++)
        ((uint8_t *)a.va)[i] = (uint8_t)(i ^ i >> 9 ^ i >> 17);
    assert_int_equal(weir_channel_copy(ch, b.iova, a.iova, info.max_len, 1, NULL), 0);
    rig_done(&r, ch, 1);
    assert_memory_equal(a.va, b.va, info.max_len);
    no_faults(ch);
    weir_channel_close(ch);
    rig_free(&r);
}

/* The IOVA allocator gives out low addresses first; with those taken, an arena of default width
 * lies beyond 28 bits. */
static void high_addresses_are_refused_and_never_cut(void **state)
{
    struct weir_arena_options ao = {
        .size = sizeof ao, .page = 4096, .bytes = 4096, .max_bytes = (256 << 20) - (2 << 20)};
    const uint64_t reach = (uint64_t)1 << 28;
    struct weir_arena_info info;
    struct weir_error e = {0};
    struct weir_model_stats s;
    struct rig r;
    (void)state;
    rig_init(&r);
    uint8_t low[256];
    memcpy(low, r.src.va, sizeof low);
    ao.name = "filler";
    struct weir_arena *filler = weir_arena_new(r.w, &ao, NULL);
    assert_non_null(filler);
    ao.name = "high";
    ao.max_bytes = 2 << 20;
    struct weir_arena *high = weir_arena_new(r.w, &ao, NULL);
    weir_arena_info(high, &info);
    assert_true(info.iova.addr >= reach);

    const struct weir_channel_options with_high = {.size = sizeof with_high, .arena = high};
    assert_null(weir_channel_open(r.w, "model:edu", &with_high, &e));
    assert_int_equal(e.err, -ERANGE);
    assert_string_equal(e.code, "channel-width");
    assert_non_null(strstr(e.why, "28 address bits"));
    assert_non_null(strstr(e.fix, "iova_bits = 28"));
    weir_arena_info(high, &info);
    assert_int_equal(info.spaces, 0);

    /* Mapped by hand, it is in the device's space and still out of its reach. */
    struct weir_channel *ch = rig_open(&r, "model:edu", false);
    struct weir_device_info di;
    struct weir_dma b;
    weir_device_info(weir_channel_device(ch), &di);
    assert_int_equal(weir_arena_map(high, di.space, WEIR_PROT_RW, &e), 0);
    assert_int_equal(weir_dma_alloc(high, 4096, 0, &b, &e), 0);
    assert_int_equal(weir_channel_copy(ch, b.iova, r.src.iova, 64, 0, &e), -ERANGE);
    assert_int_equal(weir_channel_copy(ch, r.dst.iova, b.iova, 64, 0, &e), -ERANGE);
    assert_non_null(strstr(e.why, "28 address bits"));
    assert_int_equal(weir_channel_copy(ch, weir_iova(reach - 63), r.src.iova, 64, 0, &e), -ERANGE);
    weir_models_step(r.w, 32);
    assert_memory_equal(r.src.va, low, sizeof low);
    weir_model_stats(di.model, &s);
    assert_int_equal(s.dma_faults, 0); /* the device never saw any of it */
    /* An arena that is told the width gets what is left below. */
    ao.name = "narrow";
    ao.max_bytes = 0;
    ao.iova_bits = 28;
    struct weir_arena *narrow = weir_arena_new(r.w, &ao, &e);
    assert_non_null(narrow);
    weir_arena_info(narrow, &info);
    assert_true(info.iova.addr + info.max_bytes <= reach);
    weir_channel_close(ch);
    /* And none if nothing is. */
    ao.bytes = 2 << 20;
    assert_null(weir_arena_new(r.w, &ao, &e));
    assert_string_equal(e.code, "arena-no-iova");
    assert_non_null(strstr(e.why, "2^28"));
    rig_free(&r);
}

/* The device does not tell of memory it cannot reach; the model does. */
static void memory_that_is_not_mapped(void **state)
{
    struct weir_device_info di;
    struct weir_dma_fault f;
    struct rig r;
    (void)state;
    rig_init(&r);
    struct weir_channel *ch = rig_open(&r, "model:edu", false);
    weir_device_info(weir_channel_device(ch), &di);
    rig_copy(&r, ch, 0, 0, 5000);
    /* Pulled from under it, in the midst of a copy. */
    memset(r.dst.va, 0xa5, ROOM);
    assert_int_equal(weir_channel_copy(ch, r.dst.iova, r.src.iova, 5000, 1, NULL), 0);
    weir_models_step(r.w, 32);
    struct weir_copy_done none;
    assert_int_equal(weir_channel_poll(ch, &none, 1), 0);
    assert_int_equal(weir_arena_unmap(r.arena, di.space, NULL), 0);
    rig_done(&r, ch, 1);
    for (unsigned i = 0; i < ROOM; i++)
        assert_int_equal(((uint8_t *)r.dst.va)[i], 0xa5);
    assert_true(weir_model_last_fault(di.model, &f));
    assert_true(f.write);
    assert_int_equal(f.iova, r.dst.iova.addr + PIECE);
    assert_string_equal(f.mapping, "low"); /* what was there */
    assert_int_equal(weir_arena_map(r.arena, di.space, WEIR_PROT_RW, NULL), 0);
    rig_copy(&r, ch, 0, 0, 5000);
    weir_channel_close(ch);
    rig_free(&r);
}

/* Only standing still for too long is a failure, not being slow. */
static void a_device_that_is_slow(void **state)
{
    const uint32_t minute = 60;
    struct weir_copy_done done;
    struct weir_error e;
    struct rig r;
    (void)state;
    rig_init(&r);
    const struct weir_channel_options o = {
        .size = sizeof o, .arena = r.arena, .timeout_ms = 100 * minute * 1000};
    struct weir_channel *ch = weir_channel_open(r.w, "model:edu", &o, &e);
    assert_non_null(ch);
    assert_int_equal(weir_channel_copy(ch, r.dst.iova, r.src.iova, 9000, 7, &e), 0);
    for (unsigned i = 0; i < transfers(9000); i++) {
        assert_int_equal(weir_channel_poll(ch, &done, 1), 0);
        skew_s += 90 * minute;
        assert_int_equal(weir_channel_poll(ch, &done, 1), 0);
        weir_models_step(r.w, 32);
    }
    assert_int_equal(weir_channel_poll(ch, &done, 1), 1);
    assert_int_equal(done.status, 0);
    assert_int_equal(weir_channel_copy(ch, r.dst.iova, r.src.iova, 9000, 7, &e), 0);
    assert_int_equal(weir_channel_poll(ch, &done, 1), 0);
    skew_s += 101 * minute;
    assert_int_equal(weir_channel_poll(ch, &done, 1), 1);
    assert_int_equal(done.status, -ETIMEDOUT);
    weir_channel_close(ch);
    rig_free(&r);
}

static void a_device_that_hangs(void **state)
{
    struct weir_error e;
    struct rig r;
    (void)state;
    rig_init(&r);
    const struct weir_channel_options o = {.size = sizeof o, .arena = r.arena, .timeout_ms = 20};
    struct weir_channel *ch = weir_channel_open(r.w, "model:edu?stall=on", &o, &e);
    assert_non_null(ch);
    assert_int_equal(weir_channel_copy(ch, r.dst.iova, r.src.iova, 64, 1, &e), 0);
    assert_int_equal(weir_channel_copy(ch, r.dst.iova, r.src.iova, 64, 2, &e), 0);
    struct weir_copy_done done = rig_next(&r, ch);
    assert_int_equal(done.cookie, 1);
    assert_int_equal(done.status, -ETIMEDOUT);
    done = rig_next(&r, ch);
    assert_int_equal(done.cookie, 2);
    assert_int_equal(done.status, -ECANCELED);
    assert_int_equal(weir_channel_copy(ch, r.dst.iova, r.src.iova, 64, 3, &e), -EIO);
    /* Off the bus: whatever it does later does not reach memory. */
    assert_int_equal(weir_config_read(weir_channel_device(ch), 4, 2) & 4, 0);
    memset(r.dst.va, 0xa5, ROOM);
    assert_int_equal(weir_model_set(rig_model(ch), "stall", "off", NULL), 0);
    weir_models_step(r.w, 32);
    assert_int_equal(((uint8_t *)r.dst.va)[0], 0xa5);
    if (weir_channel_recover(ch, &e)) {
        weir_error_print(&e, stderr);
        fail();
    }
    rig_copy(&r, ch, 0, 0, 5000);
    /* Closed with a copy under way, and by the instance. */
    assert_int_equal(weir_model_set(rig_model(ch), "stall", "on", NULL), 0);
    assert_int_equal(weir_channel_copy(ch, r.dst.iova, r.src.iova, 64, 1, &e), 0);
    weir_channel_close(ch);
    ch = rig_open(&r, "model:edu?stall=on", true);
    assert_int_equal(weir_channel_copy(ch, r.dst.iova, r.src.iova, 64, 1, &e), 0);
    rig_free(&r);
}

/* A transfer that a former owner left behind must not meet the memory of the next. */
static void a_transfer_left_behind(void **state)
{
    struct weir_error e;
    struct rig r;
    (void)state;
    rig_init(&r);
    const struct weir_channel_options o = {.size = sizeof o, .arena = r.arena};
    struct weir_device *d = weir_device_open(r.w, "model:edu?stall=on", NULL, NULL);
    assert_non_null(d);
    weir_write32(d, 0, 0x80, 0x40000);
    weir_write32(d, 0, 0x88, (uint32_t)r.dst.iova.addr);
    weir_write32(d, 0, 0x90, 4095);
    weir_write32(d, 0, 0x60, 0xff00); /* and interrupts */
    weir_write32(d, 0, 0x98, 3);
    memset(r.dst.va, 0xa5, ROOM);
    struct weir_channel *ch = weir_channel_new(d, &o, &e); /* waits, then resets the model */
    if (!ch)
        weir_error_print(&e, stderr);
    assert_non_null(ch);
    assert_int_equal(weir_model_set(rig_model(ch), "stall", "off", NULL), 0);
    weir_models_step(r.w, 32);
    for (unsigned i = 0; i < ROOM; i++)
        assert_int_equal(((uint8_t *)r.dst.va)[i], 0xa5);
    assert_int_equal(weir_read32(d, 0, 0x24), 0);
    rig_copy(&r, ch, 0, 0, 5000);
    weir_channel_close(ch);
    /* Interrupts alone. */
    d = weir_device_open(r.w, "model:edu", NULL, NULL);
    weir_write32(d, 0, 0x60, 0xff00);
    weir_write32(d, 0, 0x20, 0x80);
    ch = weir_channel_new(d, &o, &e);
    assert_non_null(ch);
    assert_int_equal(weir_read32(d, 0, 0x24) | weir_read32(d, 0, 0x20), 0);
    weir_channel_close(ch);
    rig_free(&r);
}

/* Devices that only claim to be one. */
static uint32_t liar_id, liar_mask, liar_cmd;

static int liar_create(struct weir_model *m, struct weir_error *e)
{
    (void)m, (void)e;
    return 0;
}

static void liar_nothing(struct weir_model *m)
{
    (void)m;
}

static uint32_t liar_live;

static uint64_t liar_read(struct weir_model *m, unsigned bar, uint64_t off, unsigned width)
{
    (void)m, (void)bar, (void)width;
    return off == 0 ? liar_id : off == 4 ? liar_live ^ liar_mask : off == 0x98 ? liar_cmd : 0;
}

static void liar_write(struct weir_model *m, unsigned bar, uint64_t off, unsigned width, uint64_t v)
{
    (void)m, (void)bar, (void)width;
    if (off == 4)
        liar_live = (uint32_t)v;
}

static unsigned liar_step(struct weir_model *m, unsigned budget)
{
    (void)m, (void)budget;
    return 0;
}

#define LIAR(NAME, SIZE)                                                                           \
    {                                                                                              \
        .name = NAME, .params = "", .help = "",                                                    \
        .pci = {.vendor = 0x1234, .device = 0x11e8, .bars = {{.size = (SIZE)}}},                   \
        .create = liar_create, .destroy = liar_nothing, .reset = liar_nothing, .read = liar_read,  \
        .write = liar_write, .step = liar_step                                                     \
    }
static const struct weir_model_ops liar = LIAR("liar", 1 << 20), small_liar = LIAR("small", 4096);

static void refuses(struct rig *r, const char *name, const char *code)
{
    const struct weir_channel_options o = {.size = sizeof o, .arena = r->arena};
    struct weir_error e;
    assert_null(weir_channel_open(r->w, name, &o, &e));
    if (strcmp(e.code, code))
        weir_error_print(&e, stderr);
    assert_string_equal(e.code, code);
    assert_string_not_equal(e.fix, "");
}

static void devices_that_lie(void **state)
{
    struct weir_copy_done done[4];
    struct weir_error e;
    struct rig r;
    (void)state;
    rig_init(&r);
    weir_model_register(r.w, &liar, NULL);
    weir_model_register(r.w, &small_liar, NULL);
    liar_id = 0x010000ed;
    liar_mask = UINT32_MAX;
    liar_cmd = 0;
    refuses(&r, "model:small", "edu-identity");
    liar_id = 0x010000ee;
    refuses(&r, "model:liar", "edu-identity");
    liar_id = UINT32_MAX;
    refuses(&r, "model:liar", "edu-identity");
    liar_id = 0x010000ed;
    liar_mask = 0;
    refuses(&r, "model:liar", "edu-identity");
    liar_mask = UINT32_MAX;
    liar_cmd = UINT32_MAX; /* for ever busy: no reset helps */
    refuses(&r, "model:liar", "edu-busy");
    /* For ever done, which only the data shows. */
    liar_cmd = UINT32_MAX - 1;
    struct weir_channel *ch = rig_open(&r, "model:liar", false);
    assert_int_equal(weir_channel_copy(ch, r.dst.iova, r.src.iova, 50000, 1, &e), 0);
    for (unsigned i = 1; i < transfers(50000); i++)
        assert_int_equal(weir_channel_poll(ch, done, 4), 0);
    assert_int_equal(weir_channel_poll(ch, done, 4), 1);
    assert_int_equal(weir_channel_poll(ch, done, 4), 0);
    weir_channel_close(ch);
    /* No interrupts. */
    const struct weir_channel_options o = {.size = sizeof o, .use_interrupt = true};
    assert_null(weir_channel_open(r.w, "model:liar", &o, &e));
    assert_string_equal(e.code, "no-interrupts");
    rig_free(&r);
}

/* Opened and closed again and again, nothing is left. */
static void a_hundred_times(void **state)
{
    struct weir_arena_info info;
    struct rig r;
    (void)state;
    rig_init(&r);
    int before = dup(0);
    for (unsigned i = 0; i < 100; i++) {
        struct weir_channel *ch = rig_open(&r, "model:edu", i & 1);
        rig_copy(&r, ch, i, 2 * i, 1 + 41 * i);
        weir_channel_close(ch);
    }
    int after = dup(0);
    assert_int_equal(after, before + 1);
    close(before);
    close(after);
    weir_arena_info(r.arena, &info);
    assert_int_equal(info.spaces, 0);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_polled),
        cmocka_unit_test(copies_by_interrupt),
        cmocka_unit_test(a_queue_full_of_copies),
        cmocka_unit_test(the_longest_copy),
        cmocka_unit_test(high_addresses_are_refused_and_never_cut),
        cmocka_unit_test(memory_that_is_not_mapped),
        cmocka_unit_test(a_device_that_is_slow),
        cmocka_unit_test(a_device_that_hangs),
        cmocka_unit_test(a_transfer_left_behind),
        cmocka_unit_test(devices_that_lie),
        cmocka_unit_test(a_hundred_times),
    };
    return cmocka_run_group_tests_name("edu", tests, NULL, NULL);
}
