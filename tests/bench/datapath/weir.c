/* SPDX-License-Identifier: BSD-3-Clause */
/* Weir's X540 driver, as an application uses it: one cache for the thread, two queues. */
#include "fake.h"
#include "lib/device/backend.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/driver/builtin.h>

struct app {
    struct weir_rxq *rx;
    struct weir_txq *tx;
    struct weir_pktcache *cache;
    struct weir_port *port;
};

#define DATA(i) weir_pkt_data(pkts[i])

static __attribute__((noinline)) unsigned forward(struct rig_subject *s, unsigned burst,
                                                  enum rig_touch touch)
{
    const struct app *a = s->priv;
    struct weir_pkt *pkts[RIG_MAX_BURST];
    unsigned n = weir_rx_burst(a->rx, pkts, RIG_ASK(burst)), sent;

    RIG_TOUCH(s, touch, n, DATA);
    sent = weir_tx_burst(a->tx, pkts, n);
    if (__builtin_expect(sent < n, 0))
        weir_pkt_free_bulk(a->cache, pkts + sent, n - sent);
    return sent;
}

/* mixed: what every other packet's flags differ in. */
static inline __attribute__((always_inline)) unsigned
offload_any(struct rig_subject *s, unsigned burst, enum rig_touch touch, uint32_t mixed)
{
    const struct app *a = s->priv;
    struct weir_pkt *pkts[RIG_MAX_BURST];
    unsigned n = weir_rx_burst(a->rx, pkts, RIG_ASK(burst)), sent;

    RIG_TOUCH(s, touch, n, DATA);
    for (unsigned i = 0; i < n; i++) {
        struct weir_pkt *p = pkts[i];
        p->flags |= WEIR_PKT_TX_VLAN | WEIR_PKT_TX_L3_SUM | WEIR_PKT_TX_L4_SUM;
        if (i & 1)
            p->flags ^= mixed;
        p->l2_len = 14;
        p->l3_len = 20;
        p->vlan = RIG_TAG;
    }
    sent = weir_tx_burst(a->tx, pkts, n);
    if (__builtin_expect(sent < n, 0))
        weir_pkt_free_bulk(a->cache, pkts + sent, n - sent);
    return sent;
}

static __attribute__((noinline)) unsigned offload(struct rig_subject *s, unsigned burst,
                                                  enum rig_touch touch)
{
    return offload_any(s, burst, touch, 0);
}

static __attribute__((noinline)) unsigned mixed(struct rig_subject *s, unsigned burst,
                                                enum rig_touch touch)
{
    return offload_any(s, burst, touch, WEIR_PKT_UDP ^ WEIR_PKT_TCP);
}

static __attribute__((noinline)) unsigned rx(struct rig_subject *s, unsigned burst,
                                             enum rig_touch touch)
{
    const struct app *a = s->priv;
    struct weir_pkt *pkts[RIG_MAX_BURST];
    unsigned n = weir_rx_burst(a->rx, pkts, RIG_ASK(burst));

    RIG_TOUCH(s, touch, n, DATA);
    if (n)
        weir_pkt_free_bulk(a->cache, pkts, n);
    return n;
}

static __attribute__((noinline)) unsigned tx(struct rig_subject *s, unsigned burst,
                                             enum rig_touch touch)
{
    const struct app *a = s->priv;
    struct weir_pkt *pkts[RIG_MAX_BURST];
    unsigned sent;

    if (weir_pkt_alloc_bulk(a->cache, pkts, burst) != burst)
        return 0;
    for (unsigned i = 0; i < burst; i++)
        weir_pkt_set_len(pkts[i], 60);
    RIG_TOUCH(s, touch, burst, DATA);
    sent = weir_tx_burst(a->tx, pkts, burst);
    if (__builtin_expect(sent < burst, 0))
        weir_pkt_free_bulk(a->cache, pkts + sent, burst - sent);
    return sent;
}

static __attribute__((noinline)) unsigned idle(struct rig_subject *s, unsigned times,
                                               enum rig_touch touch)
{
    const struct app *a = s->priv;
    struct weir_pkt *pkts[RIG_MAX_BURST];
    unsigned n = 0;

    (void)touch;
    for (unsigned i = 0; i < times; i++)
        n += weir_rx_burst(a->rx, pkts, 32);
    return n;
}

static unsigned check(struct rig_subject *s, unsigned burst, struct rig_seen *seen)
{
    const struct app *a = s->priv;
    struct weir_pkt *pkts[RIG_MAX_BURST];
    unsigned n = weir_rx_burst(a->rx, pkts, RIG_ASK(burst));

    for (unsigned i = 0; i < n; i++) {
        const struct weir_pkt *p = pkts[i];
        seen[i] = (struct rig_seen){
            .data = weir_pkt_data(p),
            .len = p->total,
            .segs = p->n_segs,
            .hash = p->hash,
            .vlan = p->vlan,
            .has_hash = p->flags & WEIR_PKT_HASH,
            .has_vlan = p->flags & WEIR_PKT_VLAN,
            .ipv4 = p->flags & WEIR_PKT_IPV4,
            .ipv6 = p->flags & WEIR_PKT_IPV6,
            .tcp = p->flags & WEIR_PKT_TCP,
            .udp = p->flags & WEIR_PKT_UDP,
            .l3_ok = p->flags & WEIR_PKT_L3_OK,
            .l3_bad = p->flags & WEIR_PKT_L3_BAD,
            .l4_ok = p->flags & WEIR_PKT_L4_OK,
            .l4_bad = p->flags & WEIR_PKT_L4_BAD,
        };
    }
    return weir_tx_burst(a->tx, pkts, n);
}

/* What is asked for decides the path; the width of vectors is limited to compare them. */
static const struct {
    bool full;
    unsigned simd_bits;
} kinds[] = {{false, 0},   {true, 0},   {false, 1},   {true, 1},
             {false, 128}, {true, 128}, {false, 256}, {true, 256}};

static bool open_port(struct app *a, struct weir *w, struct fake *f, bool full, unsigned bits,
                      struct weir_error *e)
{
    const struct weir_pktpool_options po = {.size = sizeof po, .packets = RIG_PACKETS};
    const struct weir_arena_options ao = {.size = sizeof ao,
                                          .bytes = weir_pktpool_bytes(&po) + (1u << 20)};
    struct weir_port_options o = {.size = sizeof o,
                                  .rx_ring = RIG_RING,
                                  .tx_ring = RIG_RING,
                                  .mtu = full ? 9000 : RIG_MTU,
                                  .vlan_strip = true,
                                  .simd_bits = bits};
    struct weir_arena *arena = weir_arena_new(w, &ao, e);
    struct weir_arena_info info;

    o.pool = arena ? weir_pktpool_new(arena, &po, e) : NULL;
    a->port = o.pool ? weir_port_new(f->model, &o, e) : NULL;
    if (!a->port || !(a->cache = weir_pktcache_new(o.pool, e)))
        return false;
    a->rx = weir_port_rxq(a->port, 0);
    a->tx = weir_port_txq(a->port, 0);
    if (weir_rxq_set_cache(a->rx, a->cache, e) || weir_txq_set_cache(a->tx, a->cache, e) ||
        weir_port_start(a->port, e))
        return false;
    weir_arena_info(arena, &info);
    fake_attach(f, (uint64_t)(uintptr_t)info.va - info.iova.addr);
    return true;
}

bool weir_subject(unsigned i, struct rig_subject *s, const struct rig_device *d, char version[64],
                  char why[256])
{
    static const char *usual; /* path */
    static struct app apps[sizeof(kinds) / sizeof(kinds[0])];
    struct app *a;
    struct weir_port_info info;
    struct weir_error e = {0};

    why[0] = 0;
    version[0] = 0;
    if (i >= sizeof(kinds) / sizeof(kinds[0]))
        return false;
    a = &apps[i];
    *s = (struct rig_subject){.driver = "weir",
                              .describes = true,
                              .full = kinds[i].full,
                              .fake = d->fake,
                              .priv = a,
                              .forward = forward,
                              .offload = kinds[i].full ? offload : NULL,
                              .mixed = kinds[i].full ? mixed : NULL,
                              .rx = rx,
                              .tx = tx,
                              .idle = idle,
                              .check = check};
    if (!open_port(a, d->fake->model->weir, d->fake, kinds[i].full, kinds[i].simd_bits, &e)) {
        snprintf(why, 256, "%.100s: %.150s", e.what, e.why);
        return false;
    }
    weir_port_info(a->port, &info);
    if (kinds[i].simd_bits > 1 && info.rx_path == usual)
        return false; /* from here on it would be the first one again */
    if (!i)
        usual = info.rx_path;
    snprintf(s->path, sizeof(s->path), "%s", info.rx_path);
    return true;
}
