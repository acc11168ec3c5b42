/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network device and its driver that exist only for the tests of the port layer, and a stage: an
 * instance, an arena, a pool.
 */
#ifndef WEIR_TESTS_UNIT_FAKE_PORT_H
#define WEIR_TESTS_UNIT_FAKE_PORT_H

#include "lib/device/backend.h"
#include "lib/net/net.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The device: a link register, and a doorbell that raises vector 0. */
enum { REG_LINK = 0, REG_RAISE = 4, REG_MASTER = 8 };

static uint32_t device_link; /* Mb/s, 0: down */

static inline int model_create(struct weir_model *m, struct weir_error *e)
{
    (void)m;
    (void)e;
    return 0;
}

static inline void model_destroy(struct weir_model *m)
{
    (void)m;
}

static inline uint64_t model_read(struct weir_model *m, unsigned bar, uint64_t off, unsigned width)
{
    (void)bar;
    (void)width;
    return off == REG_LINK ? device_link : off == REG_MASTER ? weir_model_bus_master(m) : 0;
}

static inline void model_write(struct weir_model *m, unsigned bar, uint64_t off, unsigned width,
                               uint64_t value)
{
    (void)bar;
    (void)width;
    (void)value;
    if (off == REG_RAISE)
        weir_model_raise(m, 0);
}

static inline unsigned model_step(struct weir_model *m, unsigned budget)
{
    (void)m;
    (void)budget;
    return 0;
}

#define MODEL(NAME, DEVICE, MSIX)                                                                  \
    {                                                                                              \
        .name = NAME, .params = "", .help = "", .wires = 0,                                        \
        .pci = {.vendor = 0x1234,                                                                  \
                .device = (DEVICE),                                                                \
                .class_code = 0x020000,                                                            \
                .bars = {[0] = {.size = 4096}, [2] = {.size = 4096}},                              \
                .msix_cap = (MSIX) ? 0x70 : 0,                                                     \
                .msix_bar = 2,                                                                     \
                .msix_vectors = (MSIX),                                                            \
                .msix_table = 0,                                                                   \
                .msix_pba = 2048},                                                                 \
        .create = model_create, .destroy = model_destroy, .reset = model_destroy,                  \
        .read = model_read, .write = model_write, .step = model_step                               \
    }

static const struct weir_model_ops fake_model = MODEL("fake", 1, 1);
static const struct weir_model_ops quiet_model = MODEL("quiet", 1, 0);
static const struct weir_model_ops orphan_model = MODEL("orphan", 2, 1);

/* The driver: its receive queues hand out whatever the pool has, its transmit queues keep packets
 * until stopped. It writes down what it is asked to do. */
static char calls[512];
static int fail_open, fail_start;
static bool lose_in_start;

#define CALL(...) snprintf(calls + strlen(calls), sizeof calls - strlen(calls), __VA_ARGS__)

struct fake_txq {
    struct weir_txq_base base;
    struct weir_pkt *held[64];
    unsigned n;
};

static inline unsigned fake_rx(struct weir_rxq *q, struct weir_pkt **pkts, unsigned n)
{
    struct weir_rxq_base *b = (struct weir_rxq_base *)q;
    struct weir_pkt **p = weir_pktcache_take(b->cache, n);
    if (!p) {
        b->no_buffer++;
        return 0;
    }
    memcpy(pkts, p, n * sizeof *p);
    b->stats.packets += n;
    return n;
}

static inline unsigned fake_tx(struct weir_txq *q, struct weir_pkt **pkts, unsigned n)
{
    struct fake_txq *t = (struct fake_txq *)q;
    unsigned i;
    for (i = 0; i < n && t->n < 64; i++)
        t->held[t->n++] = pkts[i];
    t->base.stats.packets += i;
    return i;
}

static inline unsigned fake_reclaim(struct weir_txq *q)
{
    struct fake_txq *t = (struct fake_txq *)q;
    unsigned n = t->n;
    weir_pkt_free_bulk(t->base.cache, t->held, n);
    t->n = 0;
    return n;
}

static inline void fake_close(struct weir_net *n)
{
    CALL("close(master %u) ", weir_read32(n->device, 0, REG_MASTER));
    for (unsigned i = 0; i < n->opt.rx_queues; i++)
        free(n->rxq[i]);
    for (unsigned i = 0; i < n->opt.tx_queues; i++)
        free(n->txq[i]);
}

static inline int fake_open(struct weir_net *n, struct weir_error *e)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9}, none[6];
    CALL("open ");
    if (fail_open)
        return weir_fail(e, fail_open, "fake", "open\nas told");
    for (unsigned i = 0; i < n->opt.rx_queues; i++) {
        struct weir_rxq_base *b = calloc(1, sizeof *b);
        b->net = n;
        b->index = i;
        n->rxq[i] = &b->pub;
    }
    for (unsigned i = 0; i < n->opt.tx_queues; i++) {
        struct fake_txq *t = calloc(1, sizeof *t);
        t->base.net = n;
        t->base.index = i;
        t->base.max_frame = n->opt.mtu + 18;
        t->base.reclaim = fake_reclaim;
        n->txq[i] = &t->base.pub;
    }
    if (!memcmp(n->mac, none, 6))
        memcpy(n->mac, mac, 6);
    return 0;
}

static inline int fake_start(struct weir_net *n, struct weir_error *e)
{
    int ret;
    CALL("start ");
    if (fail_start)
        return weir_fail(e, fail_start, "fake", "start\nas told");
    ret = weir_device_bus_master(n->device, true, e);
    if (ret)
        return ret;
    ret = weir_net_irq(n, e);
    if (ret == -ENOTSUP)
        CALL("(no irq) ");
    else if (ret)
        return ret;
    if (lose_in_start)
        weir_device_set_lost(n->device, "as told");
    for (unsigned i = 0; i < n->opt.rx_queues; i++) {
        assert_non_null(((struct weir_rxq_base *)n->rxq[i])->cache);
        n->rxq[i]->burst = fake_rx;
    }
    for (unsigned i = 0; i < n->opt.tx_queues; i++) {
        assert_non_null(((struct weir_txq_base *)n->txq[i])->cache);
        n->txq[i]->burst = fake_tx;
    }
    n->rx_path = n->tx_path = "fake";
    return 0;
}

static inline void fake_stop(struct weir_net *n)
{
    CALL("stop ");
    for (unsigned i = 0; i < n->opt.tx_queues; i++)
        fake_reclaim(n->txq[i]);
}

static inline void fake_link(struct weir_net *n, struct weir_link *out)
{
    uint32_t mbps = weir_read32(n->device, 0, REG_LINK);
    out->up = mbps;
    out->mbps = mbps;
    out->full_duplex = true;
}

static inline void fake_irq(struct weir_net *n)
{
    (void)n;
    CALL("irq ");
}

static inline int fake_promiscuous(struct weir_net *n, bool on, struct weir_error *e)
{
    (void)n;
    (void)e;
    CALL("promiscuous(%d) ", on);
    return 0;
}

static inline int fake_mac(struct weir_net *n, const uint8_t mac[6], struct weir_error *e)
{
    (void)n;
    (void)e;
    CALL("mac(%x) ", mac[5]);
    return 0;
}

static inline int fake_rss(struct weir_net *n, const uint8_t *key, const uint8_t *reta,
                           struct weir_error *e)
{
    (void)n;
    (void)e;
    CALL("rss(%d,%d) ", key ? key[0] : -1, reta ? reta[0] : -1);
    return 0;
}

static inline void fake_stats(struct weir_net *n, struct weir_port_stats *sum)
{
    (void)n;
    sum->rx_packets += 0xffffffff; /* as a 32-bit counter may give each time */
    sum->tx_bytes += 10;
}

static const struct weir_pci_id fake_ids[] = {{0x4321, 9}, {0x1234, 1}, {0, 0}};
static const struct weir_net_ops fake_ops = {
    .limits = {.max_rx_queues = 4,
               .max_tx_queues = 2,
               .min_ring = 32,
               .max_ring = 256,
               .ring_multiple = 8,
               .min_mtu = 100,
               .max_mtu = 9000,
               .data_room_multiple = 1024,
               .min_data_room = 1024,
               .max_data_room = 4096,
               .reta_size = 8},
    .open = fake_open,
    .close = fake_close,
    .start = fake_start,
    .stop = fake_stop,
    .link = fake_link,
    .irq = fake_irq,
    .set_promiscuous = fake_promiscuous,
    .set_mac = fake_mac,
    .set_rss = fake_rss,
    .stats = fake_stats,
};
static const struct weir_driver fake_driver = {
    .name = "fake", .ids = fake_ids, .device_class = WEIR_CLASS_NET, .net = &fake_ops};

/* The stage. */
enum { PACKETS = 2048 };
static struct weir *w;
static struct weir_arena *arena;
static struct weir_pktpool *pool;

static inline int setup(void **state)
{
    (void)state;
    calls[0] = '\0';
    fail_open = fail_start = 0;
    lose_in_start = false;
    device_link = 0;
    w = weir_new(NULL, NULL);
    arena = weir_arena_new(w,
                           &(struct weir_arena_options){.size = sizeof(struct weir_arena_options),
                                                        .bytes = 16 << 20,
                                                        .page = 4096},
                           NULL);
    pool = weir_pktpool_new(arena,
                            &(struct weir_pktpool_options){
                                .size = sizeof(struct weir_pktpool_options), .packets = PACKETS},
                            NULL);
    weir_model_register(w, &fake_model, NULL);
    weir_model_register(w, &quiet_model, NULL);
    weir_model_register(w, &orphan_model, NULL);
    return pool && weir_driver_register(w, &fake_driver, NULL) == 0 ? 0 : -1;
}

static inline int teardown(void **state)
{
    (void)state;
    weir_free(w);
    return 0;
}

static inline struct weir_port_options options(void)
{
    return (struct weir_port_options){.size = sizeof(struct weir_port_options), .pool = pool};
}

static inline struct weir_port *open_port(const char *name, const struct weir_port_options *o)
{
    struct weir_error e;
    struct weir_port *p = weir_port_open(w, name, o, &e);
    if (!p)
        weir_error_print(&e, stderr);
    assert_non_null(p);
    return p;
}

static inline struct weir_port *open_default(void)
{
    struct weir_port_options o = options();
    return open_port("model:fake", &o);
}

static inline uint32_t available(void)
{
    uint32_t n;
    weir_pktpool_count(pool, NULL, &n);
    return n;
}

static inline unsigned spaces(void)
{
    struct weir_arena_info info;
    weir_arena_info(arena, &info);
    return info.spaces;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
