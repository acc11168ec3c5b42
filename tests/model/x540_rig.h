/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of the X540 driver stand on: an instance, a pool, ports on models in this process,
 * stepped by hand.
 */
#ifndef WEIR_TESTS_MODEL_X540_RIG_H
#define WEIR_TESTS_MODEL_X540_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include <weir/driver/builtin.h>
#include <weir/weir.h>

#define RIG_SECONDS 20 /* a deadline for what must happen */

struct rig {
    struct weir *w;
    struct weir_arena *arena;
    struct weir_pktpool *pool;
    struct weir_pktcache *cache;
    uint32_t packets;
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
    if (getenv("WEIR_TEST_LOG") || level == WEIR_LOG_ERROR)
        weir_log_stdio(NULL, level, part, text);
}

static inline void rig_init_room(struct rig *r, uint32_t packets, uint32_t room)
{
    const struct weir_options wo = {.size = sizeof wo, .log = rig_log, .log_level = WEIR_LOG_DEBUG};
    const struct weir_pktpool_options po = {
        .size = sizeof po, .packets = packets, .data_room = room};
    const struct weir_arena_options ao = {
        .size = sizeof ao, .page = 4096, .bytes = weir_pktpool_bytes(&po) + (8u << 20)};
    struct weir_error e;

    r->packets = packets;
    r->w = weir_new(&wo, &e);
    assert_non_null(r->w);
    if (weir_register_builtin(r->w, &e)) {
        weir_error_print(&e, stderr);
        fail();
    }
    r->arena = weir_arena_new(r->w, &ao, &e);
    if (!r->arena)
        weir_error_print(&e, stderr);
    assert_non_null(r->arena);
    r->pool = weir_pktpool_new(r->arena, &po, &e);
    assert_non_null(r->pool);
    r->cache = weir_pktcache_new(r->pool, &e);
    assert_non_null(r->cache);
}

static inline void rig_init(struct rig *r)
{
    rig_init_room(r, 4096, 2048);
}

static inline struct weir_port_options rig_options(const struct rig *r)
{
    return (struct weir_port_options){.size = sizeof(struct weir_port_options), .pool = r->pool};
}

static inline struct weir_port *rig_open(struct rig *r, const char *name,
                                         const struct weir_port_options *o)
{
    struct weir_port_options plain = rig_options(r);
    struct weir_error e;
    struct weir_port *p = weir_port_open(r->w, name, o ? o : &plain, &e);

    if (!p)
        weir_error_print(&e, stderr);
    assert_non_null(p);
    return p;
}

static inline struct weir_model *rig_model(struct weir_port *p)
{
    struct weir_device_info info;
    weir_device_info(weir_port_device(p), &info);
    return info.model;
}

/* Step until the link is up, or down. */
static inline void rig_link(struct rig *r, struct weir_port *p, bool up)
{
    uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;
    struct weir_link link;

    for (;;) {
        weir_models_step(r->w, 64);
        weir_port_link(p, &link);
        if (link.up == up)
            return;
        assert_true(rig_now_ms() < end);
    }
}

static inline void rig_start(struct rig *r, struct weir_port *p)
{
    struct weir_error e;

    if (weir_port_start(p, &e)) {
        weir_error_print(&e, stderr);
        fail();
    }
    rig_link(r, p, true);
}

static inline struct weir_port *rig_up(struct rig *r, const char *name,
                                       const struct weir_port_options *o)
{
    struct weir_port *p = rig_open(r, name, o);
    rig_start(r, p);
    return p;
}

/* Two ports on a cable, which has no link before both ends are plugged in. */
static inline void rig_pair(struct rig *r, struct weir_port **a, const struct weir_port_options *oa,
                            struct weir_port **b, const struct weir_port_options *ob)
{
    *a = rig_open(r, "model:x540?wire=cable:c&mac=02:00:00:00:00:aa", oa);
    *b = rig_open(r, "model:x540?wire=cable:c&mac=02:00:00:00:00:bb", ob);
    rig_start(r, *a);
    rig_start(r, *b);
}

/* Step until nothing moves any more. */
static inline void rig_settle(struct rig *r)
{
    uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;
    while (weir_models_step(r->w, 256))
        assert_true(rig_now_ms() < end);
}

/* Send copies of a frame, stepping while the ring is full. */
static inline void rig_send(struct rig *r, struct weir_port *p, unsigned q, const void *data,
                            uint32_t len)
{
    uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;
    struct weir_pkt *k = weir_pkt_from(r->cache, data, len);

    assert_non_null(k);
    while (!weir_tx_burst(weir_port_txq(p, q), &k, 1)) {
        weir_models_step(r->w, 64);
        assert_true(rig_now_ms() < end);
    }
}

/* Receive one packet within the deadline. */
static inline struct weir_pkt *rig_recv(struct rig *r, struct weir_port *p, unsigned q)
{
    uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;
    struct weir_pkt *k;

    while (!weir_rx_burst(weir_port_rxq(p, q), &k, 1)) {
        weir_models_step(r->w, 64);
        if (rig_now_ms() >= end)
            return NULL;
    }
    return k;
}

/* Nothing arrives: not after everything stood still. */
static inline void rig_no_recv(struct rig *r, struct weir_port *p)
{
    struct weir_port_info info;
    struct weir_pkt *k;

    weir_port_info(p, &info);
    rig_settle(r);
    for (unsigned q = 0; q < info.rx_queues; q++)
        assert_int_equal(weir_rx_burst(weir_port_rxq(p, q), &k, 1), 0);
}

static inline void rig_free(struct rig *r, struct weir_pkt *k)
{
    weir_pkt_free(r->cache, k);
}

/* Every byte of the packet. */
static inline void rig_check(const struct weir_pkt *k, const void *data, uint32_t len)
{
    static uint8_t got[32768];
    uint32_t sum = 0;
    unsigned n = 0;

    assert_int_equal(k->total, len);
    for (const struct weir_pkt *s = k; s; s = s->next) {
        sum += s->len;
        n++;
    }
    assert_int_equal(sum, len);
    assert_int_equal(n, k->n_segs);
    assert_int_equal(weir_pkt_read(k, 0, got, sizeof got), len);
    assert_memory_equal(got, data, len);
}

/* No DMA of the device was refused. */
static inline void rig_no_faults(struct weir_port *p)
{
    struct weir_model_stats s;
    struct weir_dma_fault f;

    weir_model_stats(rig_model(p), &s);
    if (s.dma_faults && weir_model_last_fault(rig_model(p), &f))
        print_error("%s %llu at %#llx: %s (%s %u desc %u)\n", f.write ? "write" : "read",
                    (unsigned long long)f.len, (unsigned long long)f.iova, f.reason,
                    f.queue ? f.queue : "", f.queue_index, f.descriptor);
    assert_int_equal(s.dma_faults, 0);
}

static inline void rig_close(struct weir_port *p)
{
    rig_no_faults(p);
    weir_port_close(p);
}

/* Everything is back where it came from. */
static inline void rig_done(struct rig *r)
{
    struct weir_error e;
    uint32_t available;

    weir_pktcache_free(r->cache);
    weir_pktpool_count(r->pool, NULL, &available);
    assert_int_equal(available, r->packets);
    assert_int_equal(weir_pktpool_free(r->pool, &e), 0);
    weir_free(r->w);
}

/* An Ethernet header, then bytes that differ. */
static inline void rig_frame(uint8_t *f, uint32_t len, const uint8_t dst[6], uint16_t type,
                             uint32_t seed)
{
    static const uint8_t src[6] = {2, 1, 2, 3, 4, 5};

    for (uint32_t i = 14; i < len; i++)
        f[i] = (uint8_t)((i * 31 + seed * 17 + (i >> 8)) & 0xff);
    memcpy(f, dst, 6);
    memcpy(f + 6, src, 6);
    f[12] = (uint8_t)(type >> 8);
    f[13] = (uint8_t)type;
}

static inline void rig_mac(struct weir_port *p, uint8_t mac[6])
{
    struct weir_port_info info;
    weir_port_info(p, &info);
    memcpy(mac, info.mac, 6);
}

#endif
