/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of the edu driver stand on: an instance, an arena that the device reaches, two
 * buffers, and copies that are verified to the byte, with what lies around them.
 */
#ifndef WEIR_TESTS_MODEL_EDU_RIG_H
#define WEIR_TESTS_MODEL_EDU_RIG_H

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include <weir/driver/builtin.h>
#include <weir/weir.h>

#define RIG_SECONDS 20    /* a deadline for what must happen */
#define ROOM        65536 /* of each buffer */

struct rig {
    struct weir *w;
    struct weir_arena *arena;
    struct weir_dma src, dst;
    unsigned wakeups; /* by the descriptor */
};

static inline uint64_t rig_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static inline void rig_log(void *user, enum weir_log_level level, const char *part,
                           const char *text)
{
    (void)user;
    if (getenv("WEIR_TEST_LOG"))
        weir_log_stdio(NULL, level, part, text);
}

static inline void rig_init(struct rig *r)
{
    const struct weir_options wo = {.size = sizeof wo, .log = rig_log, .log_level = WEIR_LOG_DEBUG};
    const struct weir_arena_options ao = {
        .size = sizeof ao, .name = "low", .page = 4096, .bytes = 4 * ROOM, .iova_bits = 28};
    struct weir_error e;

    *r = (struct rig){.w = weir_new(&wo, &e)};
    assert_non_null(r->w);
    assert_int_equal(weir_register_builtin(r->w, &e), 0);
    r->arena = weir_arena_new(r->w, &ao, &e);
    assert_non_null(r->arena);
    assert_int_equal(weir_dma_alloc(r->arena, ROOM, 4096, &r->src, &e), 0);
    assert_int_equal(weir_dma_alloc(r->arena, ROOM, 4096, &r->dst, &e), 0);
    for (unsigned i = 0; i < ROOM; i++)
        ((uint8_t *)r->src.va)[i] = (uint8_t)(i * 131 + (i >> 8) * 17 + 5);
}

static inline struct weir_channel *rig_open(struct rig *r, const char *name, bool interrupt)
{
    const struct weir_channel_options o = {
        .size = sizeof o, .arena = r->arena, .use_interrupt = interrupt};
    struct weir_error e;
    struct weir_channel *ch = weir_channel_open(r->w, name, &o, &e);

    if (!ch)
        weir_error_print(&e, stderr);
    assert_non_null(ch);
    return ch;
}

static inline struct weir_model *rig_model(const struct weir_channel *ch)
{
    struct weir_device_info info;
    weir_device_info(weir_channel_device(ch), &info);
    return info.model;
}

/* Wait for the next copy that is done; with an interrupt sleep in between, for ever if none comes:
 * the time that poll() may take is the deadline. */
static inline struct weir_copy_done rig_next(struct rig *r, struct weir_channel *ch)
{
    struct pollfd fd = {.fd = weir_channel_fd(ch), .events = POLLIN};
    uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;
    struct weir_copy_done done;
    struct weir_error e;

    while (!weir_channel_poll(ch, &done, 1)) {
        assert_true(rig_now_ms() < end);
        if (fd.fd < 0) {
            weir_models_step(r->w, 32);
            continue;
        }
        int now = weir_channel_arm(ch, &e);
        assert_true(now >= 0);
        weir_models_step(r->w, 32);
        if (now)
            continue;
        assert_int_equal(poll(&fd, 1, RIG_SECONDS * 1000), 1);
        r->wakeups++;
    }
    return done;
}

static inline void rig_done(struct rig *r, struct weir_channel *ch, uint64_t cookie)
{
    struct weir_copy_done done = rig_next(r, ch);
    assert_int_equal(done.status, 0);
    assert_int_equal(done.cookie, cookie);
}

/* Copy, and verify every byte of both buffers. */
static inline void rig_copy(struct rig *r, struct weir_channel *ch, uint32_t to, uint32_t from,
                            uint32_t len)
{
    static uint8_t want[ROOM], src[ROOM];
    struct weir_error e;

    assert_true(to + len <= ROOM && from + len <= ROOM);
    memcpy(src, r->src.va, ROOM);
    memset(r->dst.va, 0xa5, ROOM);
    memset(want, 0xa5, ROOM);
    memcpy(want + to, src + from, len);
    if (weir_channel_copy(ch, weir_iova_add(r->dst.iova, to), weir_iova_add(r->src.iova, from), len,
                          len, &e)) {
        weir_error_print(&e, stderr);
        fail();
    }
    rig_done(r, ch, len);
    assert_memory_equal(r->dst.va, want, ROOM);
    assert_memory_equal(r->src.va, src, ROOM);
}

static inline void rig_free(struct rig *r)
{
    weir_free(r->w);
}

#endif
