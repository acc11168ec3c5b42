/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The channel layer on a driver that does what the test says: the queue, what is refused, time,
 * loss, the interrupt, and the order of teardown. Time stands still unless a test moves it.
 */
#include "fake_port.h"
#include "lib/dma/channel.h"
#include <poll.h>
#include <time.h>

static uint64_t now_ns;

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    if (!now_ns)
        return __real_clock_gettime(id, t);
    t->tv_sec = (time_t)(now_ns / 1000000000u);
    t->tv_nsec = (long)(now_ns % 1000000000u);
    return 0;
}

/* The driver: it takes copies, and ends as many as `answer` says (or fails one) when asked. */
static struct weir_copy begun[4096];
static unsigned n_begun;
static int answer;
static bool moved; /* and whether a part of a copy was done */
static bool lose_in_poll, reset_in_start;

static int dma_open(struct weir_copier *c, struct weir_error *e)
{
    CALL("open(master %u) ", weir_read32(c->device, 0, REG_MASTER));
    return fail_open ? weir_fail(e, fail_open, "fake", "open\nas told") : 0;
}

static void dma_close(struct weir_copier *c)
{
    CALL("close(master %u) ", weir_read32(c->device, 0, REG_MASTER));
}

static int dma_start(struct weir_copier *c, struct weir_error *e)
{
    CALL("start ");
    if (reset_in_start)
        assert_int_equal(weir_device_reset(c->device, NULL), 0);
    return fail_start ? weir_fail(e, fail_start, "fake", "start\nas told")
                      : weir_device_bus_master(c->device, true, e);
}

static void dma_stop(struct weir_copier *c)
{
    (void)c;
    CALL("stop ");
}

static void dma_copy(struct weir_copier *c, const struct weir_copy *copy)
{
    (void)c;
    begun[n_begun++ % 4096] = *copy;
}

static int dma_poll(struct weir_copier *c)
{
    int now = answer;
    if (lose_in_poll)
        weir_device_set_lost(c->device, "as told");
    answer = 0;
    c->progress += moved;
    moved = false;
    return now;
}

static void dma_irq(struct weir_copier *c)
{
    (void)c;
    CALL("irq ");
}

static struct weir_dma_ops dma; /* limits change from test to test */
static const struct weir_pci_id dma_ids[] = {{0x1234, 2}, {0, 0}};
static const struct weir_driver dma_driver = {
    .name = "fake-dma", .ids = dma_ids, .device_class = WEIR_CLASS_DMA, .dma = &dma};
#define NAME "model:orphan"

static int dma_setup(void **state)
{
    n_begun = 0;
    answer = 0;
    lose_in_poll = moved = reset_in_start = false;
    now_ns = 0;
    dma = (struct weir_dma_ops){
        .limits = {.iova_bits = 39, .max_len = 4096, .align = 1, .in_flight = 2},
        .open = dma_open,
        .close = dma_close,
        .start = dma_start,
        .stop = dma_stop,
        .copy = dma_copy,
        .poll = dma_poll,
        .irq = dma_irq,
    };
    return setup(state) ? -1 : weir_driver_register(w, &dma_driver, NULL);
}

#define OPTIONS(...)                                                                               \
    (&(struct weir_channel_options){.size = sizeof(struct weir_channel_options), __VA_ARGS__})

static struct weir_channel *open_channel(const struct weir_channel_options *o)
{
    struct weir_error e;
    struct weir_channel *ch = weir_channel_open(w, NAME, o, &e);
    if (!ch)
        weir_error_print(&e, stderr);
    assert_non_null(ch);
    return ch;
}

static int copy(struct weir_channel *ch, uint64_t cookie)
{
    return weir_channel_copy(ch, weir_iova(0x200000), weir_iova(0x100000), 64, cookie, NULL);
}

/* The next copy that is done has this cookie and status. */
static void expect(struct weir_channel *ch, uint64_t cookie, int status)
{
    struct weir_copy_done done = {.cookie = 999, .status = 999};
    assert_int_equal(weir_channel_poll(ch, &done, 1), 1);
    assert_int_equal(done.cookie, cookie);
    assert_int_equal(done.status, status);
}

static void expect_none(struct weir_channel *ch)
{
    struct weir_copy_done done;
    assert_int_equal(weir_channel_poll(ch, &done, 1), 0);
}

static unsigned mapped(void)
{
    struct weir_arena_info info;
    weir_arena_info(arena, &info);
    return info.spaces;
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void defaults_are_put_in(void **state)
{
    struct weir_channel *ch = open_channel(OPTIONS(.arena = arena));
    struct weir_channel_info info;
    (void)state;
    weir_channel_info(ch, &info);
    assert_string_equal(info.device, NAME);
    assert_string_equal(info.driver, "fake-dma");
    assert_string_equal(info.interrupt, "none");
    assert_int_equal(info.depth, 64);
    assert_int_equal(info.max_len, 4096);
    assert_int_equal(info.align, 1);
    assert_int_equal(info.iova_bits, 39);
    assert_int_equal(info.queued + info.done, 0);
    assert_false(info.lost || info.stuck);
    assert_int_equal(weir_channel_fd(ch), -1);
    assert_int_equal(mapped(), 1);
    weir_channel_close(ch);
    weir_channel_close(NULL);
}

static void bad_options_are_refused(void **state)
{
    struct weir_error e = {0};
    const struct weir_channel_options o = {.size = 8};
    (void)state;
    assert_null(weir_channel_open(w, NAME, &o, &e));
    assert_string_equal(e.code, "options-size");
    assert_null(weir_channel_open(w, NAME, NULL, &e));
    assert_string_equal(e.code, "options-size");
    assert_null(weir_channel_open(w, NAME, OPTIONS(.depth = 65537), &e));
    assert_non_null(strstr(e.why, "depth 65537, the limit is 65536"));
    assert_string_equal(calls, "");
    assert_null(weir_channel_open(w, "model:nonsense", OPTIONS(.depth = 1), &e));
    assert_string_equal(e.code, "model-name");
}

static void drivers_are_found_by_class(void **state)
{
    struct weir_port_options po = options();
    struct weir_error e;
    (void)state;
    assert_null(weir_channel_open(w, "model:fake", OPTIONS(.depth = 1), &e));
    assert_string_equal(e.code, "no-driver");
    assert_int_equal(e.err, -ENODEV);
    assert_non_null(strstr(e.why, "DMA device 1234:0001"));
    assert_null(weir_port_open(w, NAME, &po, &e));
    assert_string_equal(e.code, "no-driver");
    assert_non_null(strstr(e.why, "network device 1234:0002"));
    assert_string_equal(calls, "");
    /* Neither class without its functions. */
    static const struct weir_driver empty = {
        .name = "empty", .ids = dma_ids, .device_class = WEIR_CLASS_DMA, .net = &fake_ops};
    assert_int_equal(weir_driver_register(w, &empty, &e), 0);
    static const struct weir_driver other = {
        .name = "other", .ids = dma_ids, .device_class = WEIR_CLASS_NET, .dma = &dma};
    assert_int_equal(weir_driver_register(w, &other, &e), 0);
    struct weir_channel *ch = open_channel(OPTIONS(.depth = 1));
    struct weir_channel_info info;
    weir_channel_info(ch, &info);
    assert_string_equal(info.driver, "fake-dma");
    weir_channel_close(ch);
}

static void a_device_has_one_user(void **state)
{
    struct weir_port_options po = options();
    struct weir_channel *ch = open_channel(OPTIONS(.depth = 1));
    struct weir_error e;
    (void)state;
    struct weir_device *d = weir_channel_device(ch);
    assert_null(weir_channel_new(d, OPTIONS(.depth = 1), &e));
    assert_string_equal(e.code, "device-busy");
    assert_null(weir_port_new(d, &po, &e));
    assert_string_equal(e.code, "device-busy");
    weir_channel_close(ch);
    struct weir_port *p = open_default();
    assert_null(weir_channel_new(weir_port_device(p), OPTIONS(.depth = 1), &e));
    assert_string_equal(e.code, "device-busy");
    weir_port_close(p);
}

static void a_failed_open_leaves_nothing(void **state)
{
    struct weir_channel_options o = *OPTIONS(.arena = arena, .use_interrupt = true);
    struct weir_device *d = weir_device_open(w, NAME, NULL, NULL);
    struct weir_error e;
    (void)state;
    fail_open = -EIO;
    assert_null(weir_channel_new(d, &o, &e));
    assert_string_equal(e.code, "fake");
    assert_string_equal(calls, "open(master 0) ");
    assert_int_equal(mapped(), 0);
    fail_open = 0;
    fail_start = -EIO;
    calls[0] = '\0';
    assert_null(weir_channel_new(d, &o, &e));
    assert_string_equal(calls, "open(master 0) start stop close(master 0) ");
    assert_int_equal(mapped(), 0);
    fail_start = 0;
    /* No interrupts: known only at the end. */
    unsigned had = d->irqs[WEIR_IRQ_MSIX];
    d->irqs[WEIR_IRQ_MSIX] = 0;
    calls[0] = '\0';
    assert_null(weir_channel_new(d, &o, &e));
    assert_string_equal(e.code, "no-interrupts");
    assert_string_equal(calls, "open(master 0) start stop close(master 0) ");
    d->irqs[WEIR_IRQ_MSIX] = had;
    /* It stayed the caller's, and can be tried again. */
    struct weir_channel *ch = weir_channel_new(d, &o, &e);
    assert_non_null(ch);
    assert_ptr_equal(weir_channel_device(ch), d);
    weir_channel_close(ch);
}

static void teardown_has_its_order(void **state)
{
    (void)state;
    weir_channel_close(open_channel(OPTIONS(.arena = arena)));
    assert_string_equal(calls, "open(master 0) start stop close(master 0) ");
    assert_int_equal(mapped(), 0);
    calls[0] = '\0';
    struct weir_channel *ch = open_channel(OPTIONS(.arena = arena, .use_interrupt = true));
    assert_int_equal(copy(ch, 1), 0);
    weir_free(w);
    w = NULL;
    assert_string_equal(calls, "open(master 0) start stop close(master 0) ");
}

static void an_arena_is_unmapped_with_its_last_user(void **state)
{
    struct weir_port_options po = options();
    struct weir_device_info info;
    (void)state;
    /* A port and two channels in one space. */
    struct weir_port *p = open_default();
    weir_device_info(weir_port_device(p), &info);
    const struct weir_device_options in = {.size = sizeof in, .space = info.space};
    struct weir_channel *a =
        weir_channel_new(weir_device_open(w, NAME, &in, NULL), OPTIONS(.arena = arena), NULL);
    struct weir_channel *b =
        weir_channel_new(weir_device_open(w, NAME, &in, NULL), OPTIONS(.arena = arena), NULL);
    struct weir_channel *none =
        weir_channel_new(weir_device_open(w, NAME, &in, NULL), OPTIONS(.depth = 1), NULL);
    assert_true(a && b && none);
    assert_int_equal(mapped(), 1);
    /* Keep the space: the port's device made it, and its last device takes it along. */
    weir_port_close(p);
    assert_int_equal(mapped(), 1);
    weir_channel_close(none);
    assert_int_equal(mapped(), 1);
    weir_channel_close(a);
    assert_int_equal(mapped(), 1);
    p = weir_port_new(weir_device_open(w, "model:fake", &in, NULL), &po, NULL);
    assert_non_null(p);
    weir_channel_close(b);
    assert_int_equal(mapped(), 1);
    /* Users in another space, or of another arena, do not count. */
    struct weir_device *last = weir_device_open(w, NAME, &in, NULL);
    struct weir_arena *second =
        weir_arena_new(w,
                       &(struct weir_arena_options){
                           .size = sizeof(struct weir_arena_options), .bytes = 4096, .page = 4096},
                       NULL);
    struct weir_channel *elsewhere = open_channel(OPTIONS(.arena = arena));
    struct weir_channel *apart =
        weir_channel_new(weir_device_open(w, NAME, &in, NULL), OPTIONS(.arena = second), NULL);
    assert_non_null(apart);
    assert_int_equal(mapped(), 2);
    weir_port_close(p);
    assert_int_equal(mapped(), 1);
    weir_channel_close(elsewhere);
    assert_int_equal(mapped(), 0);
    weir_channel_close(apart);
    /* What the application mapped stays mapped. */
    assert_int_equal(weir_arena_map(arena, info.space, WEIR_PROT_RW, NULL), 0);
    a = weir_channel_new(weir_device_open(w, NAME, &in, NULL), OPTIONS(.arena = arena), NULL);
    weir_channel_close(a);
    assert_int_equal(mapped(), 1);
    assert_int_equal(weir_arena_unmap(arena, info.space, NULL), 0);
    weir_device_close(last);
}

static void copies_end_in_order(void **state)
{
    struct weir_channel *ch = open_channel(OPTIONS(.depth = 8));
    struct weir_channel_info info;
    (void)state;
    expect_none(ch);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(weir_channel_copy(ch, weir_iova(0x10000 * i), weir_iova(0x500000 + i),
                                           100 + i, 10 + i, NULL),
                         0);
    assert_int_equal(n_begun, 2); /* as many as the driver takes at once */
    expect_none(ch);
    answer = 1;
    expect(ch, 10, 0);
    assert_int_equal(n_begun, 3);
    answer = -EREMOTEIO;
    expect(ch, 11, -EREMOTEIO); /* and only that one */
    assert_int_equal(n_begun, 4);
    answer = 2;
    expect(ch, 12, 0);
    weir_channel_info(ch, &info);
    assert_int_equal(info.done, 1);
    assert_int_equal(info.queued, 1);
    expect(ch, 13, 0);
    expect_none(ch);
    answer = 1;
    expect(ch, 14, 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(begun[i].dst.addr, 0x10000 * i);
        assert_int_equal(begun[i].src.addr, 0x500000 + i);
        assert_int_equal(begun[i].len, 100 + i);
    }
    /* A driver that claims more than it was given. */
    assert_int_equal(copy(ch, 1), 0);
    answer = 1000;
    expect(ch, 1, 0);
    expect_none(ch);
    weir_channel_close(ch);
}

static void a_full_queue_says_so(void **state)
{
    struct weir_channel *ch = open_channel(OPTIONS(.depth = 3));
    struct weir_copy_done done[8];
    struct weir_error e;
    uint64_t in = 0, out = 0;
    uint32_t seed = 7;
    (void)state;
    /* Any mixture of queueing, ending and fetching. */
    for (unsigned i = 0; i < 20000; i++) {
        seed = seed * 1664525 + 1013904223;
        switch (seed >> 30) {
        case 0:
        case 1: {
            int ret = weir_channel_copy(ch, weir_iova(0), weir_iova(4096), 1, in, &e);
            assert_int_equal(ret, in - out < 3 ? 0 : -EAGAIN);
            if (ret)
                assert_string_equal(e.code, "channel-full");
            in += ret == 0;
            break;
        }
        case 2:
            answer = (int)(seed >> 28 & 3);
            break;
        default: {
            unsigned want = seed >> 28 & 3;
            unsigned n = weir_channel_poll(ch, done, want);
            assert_true(n <= want && n <= in - out);
            for (unsigned k = 0; k < n; k++) {
                assert_int_equal(done[k].cookie, out++);
                assert_int_equal(done[k].status, 0);
            }
        }
        }
        assert_true(n_begun <= in && in - n_begun <= 3);
    }
    assert_true(out > 2000); /* it moved */
    weir_channel_close(ch);
}

static void refuse(struct weir_channel *ch, uint64_t dst, uint64_t src, size_t len, int err,
                   const char *code)
{
    struct weir_error e = {.code = "nothing"};
    unsigned before = n_begun;
    int ret = weir_channel_copy(ch, weir_iova(dst), weir_iova(src), len, 0, &e);
    if (ret != err || strcmp(e.code, code))
        weir_error_print(&e, stderr);
    assert_int_equal(ret, err);
    assert_string_equal(e.code, code);
    assert_string_not_equal(e.fix, "");
    assert_int_equal(n_begun, before); /* the driver did not hear of it */
    assert_int_equal(weir_channel_copy(ch, weir_iova(dst), weir_iova(src), len, 0, NULL), err);
}

static void bad_copies_are_refused(void **state)
{
    struct weir_channel *ch = open_channel(OPTIONS(.depth = 64));
    struct weir_error e;
    (void)state;
    refuse(ch, 0, 4096, 0, -EINVAL, "channel-length");
    refuse(ch, 0, 8192, 4097, -EINVAL, "channel-length");
    refuse(ch, 0, 8192, SIZE_MAX, -EINVAL, "channel-length");
    assert_int_equal(weir_channel_copy(ch, weir_iova(0), weir_iova(4096), 4096, 0, NULL), 0);
    /* One byte in common, at either end; none. */
    refuse(ch, 0x1000, 0x103f, 64, -EINVAL, "channel-overlap");
    refuse(ch, 0x103f, 0x1000, 64, -EINVAL, "channel-overlap");
    refuse(ch, 0x1000, 0x1000, 1, -EINVAL, "channel-overlap");
    assert_int_equal(weir_channel_copy(ch, weir_iova(0x1000), weir_iova(0x1040), 64, 0, NULL), 0);
    assert_int_equal(weir_channel_copy(ch, weir_iova(0x1040), weir_iova(0x1000), 64, 0, NULL), 0);
    /* The last byte that it reaches, and the one behind. */
    const uint64_t top = (uint64_t)1 << 39;
    assert_int_equal(weir_channel_copy(ch, weir_iova(top - 64), weir_iova(0), 64, 0, NULL), 0);
    assert_int_equal(weir_channel_copy(ch, weir_iova(0), weir_iova(top - 64), 64, 0, NULL), 0);
    refuse(ch, top - 63, 0, 64, -ERANGE, "channel-width");
    refuse(ch, 0, top - 63, 64, -ERANGE, "channel-width");
    refuse(ch, UINT64_MAX - 10, 0, 64, -ERANGE, "channel-width");
    refuse(ch, 0, (uint64_t)1 << 63, 64, -ERANGE, "channel-width");
    weir_channel_copy(ch, weir_iova(0), weir_iova(top), 64, 0, &e);
    assert_non_null(strstr(e.why, "39 address bits"));
    assert_non_null(strstr(e.why, "source"));
    assert_non_null(strstr(e.fix, "iova_bits"));
    weir_channel_copy(ch, weir_iova(top), weir_iova(0), 64, 0, &e);
    assert_non_null(strstr(e.why, "destination"));
    dma.limits.align = 16;
    refuse(ch, 8, 0x1000, 64, -EINVAL, "channel-align");
    refuse(ch, 0x1000, 8, 64, -EINVAL, "channel-align");
    refuse(ch, 0x1000, 0x2000, 24, -EINVAL, "channel-align");
    assert_int_equal(weir_channel_copy(ch, weir_iova(16), weir_iova(0x1000), 48, 0, NULL), 0);
    /* A device that reaches all there is. */
    dma.limits.align = 1;
    dma.limits.iova_bits = 64;
    assert_int_equal(weir_channel_copy(ch, weir_iova(UINT64_MAX - 63), weir_iova(0), 64, 0, NULL),
                     0);
    refuse(ch, UINT64_MAX - 62, 0, 64, -ERANGE, "channel-width");
    weir_channel_close(ch);
}

static void an_arena_out_of_reach_is_refused(void **state)
{
    struct weir_arena_info info;
    struct weir_error e;
    (void)state;
    weir_arena_info(arena, &info);
    unsigned bits = 64 - (unsigned)__builtin_clzll(info.iova.addr + info.max_bytes - 1);
    dma.limits.iova_bits = bits;
    weir_channel_close(open_channel(OPTIONS(.arena = arena)));
    calls[0] = '\0';
    dma.limits.iova_bits = bits - 1;
    assert_null(weir_channel_open(w, NAME, OPTIONS(.arena = arena), &e));
    assert_string_equal(e.code, "channel-width");
    assert_int_equal(e.err, -ERANGE);
    char want[32];
    snprintf(want, sizeof want, "iova_bits = %u", bits - 1);
    assert_non_null(strstr(e.fix, want));
    assert_string_equal(calls, "");
    assert_int_equal(mapped(), 0);
    /* What it may grow to counts. */
    struct weir_arena *growing =
        weir_arena_new(w,
                       &(struct weir_arena_options){.size = sizeof(struct weir_arena_options),
                                                    .bytes = 4096,
                                                    .max_bytes = 64 << 20,
                                                    .page = 4096},
                       NULL);
    assert_non_null(growing);
    weir_arena_info(growing, &info);
    for (bits = 39; info.iova.addr + info.max_bytes - 1 < (uint64_t)1 << bits; bits--)
        ;
    dma.limits.iova_bits = bits;
    if (info.iova.addr + info.bytes - 1 >= (uint64_t)1 << bits)
        fail_msg("its beginning is out of reach, too: %#llx", (unsigned long long)info.iova.addr);
    assert_null(weir_channel_open(w, NAME, OPTIONS(.arena = growing), &e));
    assert_string_equal(e.code, "channel-width");
}

static void a_device_that_hangs_is_given_up(void **state)
{
    struct weir_channel *ch = open_channel(OPTIONS(.arena = arena, .timeout_ms = 100));
    struct weir_device *d = weir_channel_device(ch);
    struct weir_channel_info info;
    struct weir_error e;
    (void)state;
    now_ns = 5000000000u;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(copy(ch, i), 0);
    now_ns += 1000000000; /* nobody looked: the time counts from here */
    expect_none(ch);
    now_ns += 100000000;
    expect_none(ch);
    answer = 1; /* shows that it works: the time counts anew */
    now_ns += 1000000;
    expect(ch, 0, 0);
    expect_none(ch);
    now_ns += 100000001;
    moved = true; /* so does a part of a copy */
    expect_none(ch);
    expect_none(ch);
    now_ns += 100000000;
    expect_none(ch);
    assert_int_equal(weir_read32(d, 0, REG_MASTER), 1);
    calls[0] = '\0';
    now_ns += 1;
    expect(ch, 1, -ETIMEDOUT);
    assert_string_equal(calls, "stop ");
    assert_int_equal(weir_read32(d, 0, REG_MASTER), 0);
    weir_channel_info(ch, &info);
    assert_true(info.stuck);
    refuse(ch, 0, 4096, 64, -EIO, "channel-stuck");
    expect(ch, 2, -ETIMEDOUT); /* the driver had it, too */
    expect(ch, 3, -ECANCELED);
    expect_none(ch);
    /* It starts over, once it can. */
    fail_start = -ETIMEDOUT;
    assert_int_equal(weir_channel_recover(ch, &e), -ETIMEDOUT);
    refuse(ch, 0, 4096, 64, -EIO, "channel-stuck");
    assert_int_equal(weir_read32(d, 0, REG_MASTER), 0);
    fail_start = 0;
    assert_int_equal(weir_channel_recover(ch, &e), 0);
    assert_int_equal(weir_read32(d, 0, REG_MASTER), 1);
    assert_int_equal(weir_channel_recover(ch, &e), -EINVAL);
    assert_string_equal(e.code, "channel-works");
    now_ns += 1000000000; /* idle for long, which is no hang */
    expect_none(ch);
    assert_int_equal(copy(ch, 7), 0);
    expect_none(ch);
    answer = 1;
    now_ns += 1000000000; /* done at last, when it was looked at again */
    expect(ch, 7, 0);
    weir_channel_close(ch);
}

static int comes_back(struct weir_device *d, struct weir_error *e)
{
    (void)d;
    (void)e;
    return 0;
}

/* What the reset found under way is not done, whatever the device says behind it. */
static void a_reset_ends_copies(void **state)
{
    struct weir_channel *ch = open_channel(OPTIONS(.arena = arena, .use_interrupt = true));
    struct weir_device *d = weir_channel_device(ch);
    struct weir_error e;
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(copy(ch, i), 0);
    assert_int_equal(weir_channel_arm(ch, &e), 0);
    assert_int_equal(weir_device_reset(d, &e), 0);
    assert_true(readable(weir_channel_fd(ch))); /* who sleeps is woken */
    unsigned had = n_begun;
    refuse(ch, 0, 4096, 64, -EIO, "channel-stuck");
    answer = 2;
    for (unsigned i = 0; i < 3; i++)
        expect(ch, i, -EIO);
    expect_none(ch);
    assert_int_equal(n_begun, had);
    assert_int_equal(weir_read32(d, 0, REG_MASTER), 0);
    answer = 0;
    assert_int_equal(weir_channel_recover(ch, &e), 0);
    assert_int_equal(weir_read32(d, 0, REG_MASTER), 1);
    assert_int_equal(copy(ch, 7), 0);
    answer = 1;
    expect(ch, 7, 0);
    weir_channel_close(ch);
    /* A driver that resets it to start it works. */
    reset_in_start = true;
    ch = open_channel(OPTIONS(.depth = 1));
    assert_int_equal(copy(ch, 8), 0);
    answer = 1;
    expect(ch, 8, 0);
    weir_channel_close(ch);
}

static void a_lost_device_ends_its_copies(void **state)
{
    struct weir_channel *ch = open_channel(OPTIONS(.use_interrupt = true));
    struct weir_channel_info info;
    struct weir_error e;
    struct weir_event ev;
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(copy(ch, i), 0);
    answer = 1;
    expect(ch, 0, 0);
    assert_int_equal(weir_channel_arm(ch, &e), 0);
    assert_false(readable(weir_channel_fd(ch)));
    weir_device_set_lost(weir_channel_device(ch), "as told");
    assert_true(readable(weir_channel_fd(ch))); /* who sleeps is woken */
    assert_int_equal(weir_events(w, &ev, 1), 1);
    assert_int_equal(ev.type, WEIR_EVENT_LOST);
    assert_ptr_equal(ev.device, weir_channel_device(ch));
    refuse(ch, 0, 4096, 64, -ENODEV, "device-lost");
    assert_int_equal(weir_channel_arm(ch, &e), 1);
    expect(ch, 1, -ENODEV);
    expect(ch, 2, -ENODEV);
    expect(ch, 3, -ENODEV);
    expect_none(ch);
    weir_channel_info(ch, &info);
    assert_true(info.lost);
    assert_true(weir_channel_recover(ch, &e) < 0); /* a model in this process does not return */
    assert_string_equal(e.code, "device-gone");
    weir_channel_close(ch);

    /* One that does return, and then fails to start. */
    ch = open_channel(OPTIONS(.depth = 1));
    struct weir_device *d = weir_channel_device(ch);
    struct weir_device_ops returning = *d->ops;
    returning.reopen = comes_back;
    d->ops = &returning;
    assert_int_equal(copy(ch, 4), 0);
    weir_device_set_lost(d, "as told");
    fail_start = -EIO;
    assert_int_equal(weir_channel_recover(ch, &e), -EIO);
    assert_false(weir_device_lost(d));
    refuse(ch, 0, 4096, 64, -EIO, "channel-stuck");
    expect(ch, 4, -ENODEV);
    fail_start = 0;
    assert_int_equal(weir_channel_recover(ch, &e), 0);
    assert_int_equal(copy(ch, 5), 0);
    weir_channel_close(ch);

    /* While it is asked: what it then says counts for nothing. */
    ch = open_channel(OPTIONS(.arena = arena));
    assert_int_equal(copy(ch, 5), 0);
    answer = 1;
    lose_in_poll = true;
    expect(ch, 5, -ENODEV);
    weir_channel_close(ch);
    assert_int_equal(mapped(), 0);
}

static void interrupts_wake(void **state)
{
    struct weir_channel *ch = open_channel(OPTIONS(.use_interrupt = true));
    struct weir_channel_info info;
    struct weir_error e;
    int fd = weir_channel_fd(ch);
    (void)state;
    weir_channel_info(ch, &info);
    assert_string_equal(info.interrupt, "MSI-X");
    assert_true(fd >= 0);
    assert_int_equal(copy(ch, 1), 0);
    calls[0] = '\0';
    assert_int_equal(weir_channel_arm(ch, &e), 0);
    assert_string_equal(calls, "irq ");
    assert_false(readable(fd));
    weir_write32(weir_channel_device(ch), 0, REG_RAISE, 1);
    assert_true(readable(fd));
    /* Nothing came of it; arming takes it back. */
    expect_none(ch);
    assert_int_equal(weir_channel_arm(ch, &e), 0);
    assert_false(readable(fd));
    /* What was done before arming is not slept over. */
    answer = 1;
    assert_int_equal(weir_channel_arm(ch, &e), 1);
    assert_int_equal(weir_channel_arm(ch, &e), 1);
    expect(ch, 1, 0);
    assert_int_equal(weir_channel_arm(ch, &e), 0);
    weir_channel_close(ch);
    ch = open_channel(OPTIONS(.depth = 1));
    assert_int_equal(weir_channel_arm(ch, &e), -ENOTSUP);
    assert_string_equal(e.code, "channel-polled");
    weir_channel_close(ch);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, dma_setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(defaults_are_put_in),
        CASE(bad_options_are_refused),
        CASE(drivers_are_found_by_class),
        CASE(a_device_has_one_user),
        CASE(a_failed_open_leaves_nothing),
        CASE(teardown_has_its_order),
        CASE(an_arena_is_unmapped_with_its_last_user),
        CASE(copies_end_in_order),
        CASE(a_full_queue_says_so),
        CASE(bad_copies_are_refused),
        CASE(an_arena_out_of_reach_is_refused),
        CASE(a_device_that_hangs_is_given_up),
        CASE(a_reset_ends_copies),
        CASE(a_lost_device_ends_its_copies),
        CASE(interrupts_wake),
    };
    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
