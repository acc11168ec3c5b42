/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The port layer, on a device and a driver that exist only here: what it asks of a driver, in what
 * order, and what it refuses.
 */
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

static int model_create(struct weir_model *m, struct weir_error *e)
{
    (void)m;
    (void)e;
    return 0;
}

static void model_destroy(struct weir_model *m)
{
    (void)m;
}

static uint64_t model_read(struct weir_model *m, unsigned bar, uint64_t off, unsigned width)
{
    (void)bar;
    (void)width;
    return off == REG_LINK ? device_link : off == REG_MASTER ? weir_model_bus_master(m) : 0;
}

static void model_write(struct weir_model *m, unsigned bar, uint64_t off, unsigned width,
                        uint64_t value)
{
    (void)bar;
    (void)width;
    (void)value;
    if (off == REG_RAISE)
        weir_model_raise(m, 0);
}

static unsigned model_step(struct weir_model *m, unsigned budget)
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

static unsigned fake_rx(struct weir_rxq *q, struct weir_pkt **pkts, unsigned n)
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

static unsigned fake_tx(struct weir_txq *q, struct weir_pkt **pkts, unsigned n)
{
    struct fake_txq *t = (struct fake_txq *)q;
    unsigned i;
    for (i = 0; i < n && t->n < 64; i++)
        t->held[t->n++] = pkts[i];
    t->base.stats.packets += i;
    return i;
}

static unsigned fake_reclaim(struct weir_txq *q)
{
    struct fake_txq *t = (struct fake_txq *)q;
    unsigned n = t->n;
    weir_pkt_free_bulk(t->base.cache, t->held, n);
    t->n = 0;
    return n;
}

static void fake_close(struct weir_net *n)
{
    CALL("close(master %u) ", weir_read32(n->device, 0, REG_MASTER));
    for (unsigned i = 0; i < n->opt.rx_queues; i++)
        free(n->rxq[i]);
    for (unsigned i = 0; i < n->opt.tx_queues; i++)
        free(n->txq[i]);
}

static int fake_open(struct weir_net *n, struct weir_error *e)
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

static int fake_start(struct weir_net *n, struct weir_error *e)
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

static void fake_stop(struct weir_net *n)
{
    CALL("stop ");
    for (unsigned i = 0; i < n->opt.tx_queues; i++)
        fake_reclaim(n->txq[i]);
}

static void fake_link(struct weir_net *n, struct weir_link *out)
{
    uint32_t mbps = weir_read32(n->device, 0, REG_LINK);
    out->up = mbps;
    out->mbps = mbps;
    out->full_duplex = true;
}

static void fake_irq(struct weir_net *n)
{
    (void)n;
    CALL("irq ");
}

static int fake_promiscuous(struct weir_net *n, bool on, struct weir_error *e)
{
    (void)n;
    (void)e;
    CALL("promiscuous(%d) ", on);
    return 0;
}

static int fake_mac(struct weir_net *n, const uint8_t mac[6], struct weir_error *e)
{
    (void)n;
    (void)e;
    CALL("mac(%x) ", mac[5]);
    return 0;
}

static int fake_rss(struct weir_net *n, const uint8_t *key, const uint8_t *reta,
                    struct weir_error *e)
{
    (void)n;
    (void)e;
    CALL("rss(%d,%d) ", key ? key[0] : -1, reta ? reta[0] : -1);
    return 0;
}

static void fake_stats(struct weir_net *n, struct weir_port_stats *sum)
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

static int setup(void **state)
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

static int teardown(void **state)
{
    (void)state;
    weir_free(w);
    return 0;
}

static struct weir_port_options options(void)
{
    return (struct weir_port_options){.size = sizeof(struct weir_port_options), .pool = pool};
}

static struct weir_port *open_port(const char *name, const struct weir_port_options *o)
{
    struct weir_error e;
    struct weir_port *p = weir_port_open(w, name, o, &e);
    if (!p)
        weir_error_print(&e, stderr);
    assert_non_null(p);
    return p;
}

static struct weir_port *open_default(void)
{
    struct weir_port_options o = options();
    return open_port("model:fake", &o);
}

static uint32_t available(void)
{
    uint32_t n;
    weir_pktpool_count(pool, NULL, &n);
    return n;
}

static unsigned spaces(void)
{
    struct weir_arena_info info;
    weir_arena_info(arena, &info);
    return info.spaces;
}

static void defaults_are_put_in(void **state)
{
    struct weir_port *p = open_default();
    struct weir_port_info info;
    (void)state;
    weir_port_info(p, &info);
    assert_string_equal(info.device, "model:fake");
    assert_string_equal(info.driver, "fake");
    assert_string_equal(info.rx_path, "none");
    assert_int_equal(info.rx_queues, 1);
    assert_int_equal(info.tx_queues, 1);
    assert_int_equal(info.rx_ring, 256); /* 512 is more than this driver can */
    assert_int_equal(info.mtu, 1500);
    assert_int_equal(info.max_mtu, 9000);
    assert_int_equal(info.max_rx_queues, 4);
    assert_int_equal(info.mac[5], 9);
    assert_false(info.started);
    assert_ptr_equal(weir_port_rxq(p, 0), p->net.rxq[0]);
    assert_null(weir_port_rxq(p, 1));
    assert_null(weir_port_txq(p, 1));
    assert_int_equal(p->net.opt.rss_key[0], 0x6d); /* Microsoft's */
    assert_memory_equal(p->net.opt.mac, info.mac, 6);
    weir_port_close(p);
}

static void refuse(struct weir_port_options o, const char *code, const char *limit)
{
    struct weir_error e = {0};
    assert_null(weir_port_open(w, "model:fake", &o, &e));
    if (strcmp(e.code, code) || !strstr(e.why, limit))
        weir_error_print(&e, stderr);
    assert_string_equal(e.code, code);
    assert_int_equal(e.err, -EINVAL);
    assert_non_null(strstr(e.why, limit));
    assert_string_not_equal(e.fix, "");
    assert_string_equal(calls, ""); /* the driver was not bothered */
    assert_int_equal(spaces(), 0);
}

static void options_are_checked_against_the_driver(void **state)
{
    struct weir_port_options o;
    (void)state;
#define REFUSE(member, value, code, limit)                                                         \
    o = options();                                                                                 \
    o.member = value;                                                                              \
    refuse(o, code, limit)
    REFUSE(size, 8, "options-size", "8");
    REFUSE(pool, NULL, "port-pool", "pool");
    REFUSE(rx_queues, 5, "port-queues", "at most 4 and 2");
    REFUSE(tx_queues, 3, "port-queues", "at most 4 and 2");
    REFUSE(rx_ring, 31, "port-ring", "receive ring of 31");
    REFUSE(rx_ring, 257, "port-ring", "32 to 256");
    REFUSE(tx_ring, 36, "port-ring", "multiples of 8");
    REFUSE(tx_ring, 264, "port-ring", "transmit ring of 264");
    REFUSE(mtu, 99, "port-mtu", "100 to 9000");
    REFUSE(mtu, 9001, "port-mtu", "100 to 9000");
    REFUSE(mac[0], 3, "port-mac", "03:00");

    struct weir_pktpool_options po = {.size = sizeof po, .packets = 300, .data_room = 1536};
    struct weir_pktpool *odd = weir_pktpool_new(arena, &po, NULL);
    REFUSE(pool, odd, "port-room", "multiples of 1024");
    po.data_room = 8192;
    struct weir_pktpool *wide = weir_pktpool_new(arena, &po, NULL);
    REFUSE(pool, wide, "port-room", "1024 to 4096");
    po.data_room = 1024;
    struct weir_pktpool *small = weir_pktpool_new(arena, &po, NULL);
    o = options();
    o.pool = small;
    o.rx_queues = 2;
    refuse(o, "port-pool", "take 512");
    assert_int_equal(weir_pktpool_free(odd, NULL), 0);
    assert_int_equal(weir_pktpool_free(wide, NULL), 0);
    assert_int_equal(weir_pktpool_free(small, NULL), 0);
    assert_null(weir_port_open(w, "model:fake", NULL, NULL));
}

static void a_device_without_driver_is_told(void **state)
{
    struct weir_port_options o = options();
    struct weir_error e;
    (void)state;
    assert_null(weir_port_open(w, "model:orphan", &o, &e));
    assert_int_equal(e.err, -ENODEV);
    assert_string_equal(e.code, "no-driver");
    assert_non_null(strstr(e.why, "1234:0002"));
    assert_non_null(strstr(e.why, "fake"));
    assert_null(weir_port_open(w, "model:nonsense", &o, &e));
    assert_string_equal(e.code, "model-name");

    struct weir *empty = weir_new(NULL, NULL);
    weir_model_register(empty, &fake_model, NULL);
    assert_null(weir_port_open(empty, "model:fake", &o, &e));
    assert_string_equal(e.code, "no-driver");
    assert_non_null(strstr(e.fix, "weir_register_builtin"));
    weir_free(empty);
}

static void the_latest_driver_is_asked_first(void **state)
{
    static struct weir_driver other;
    struct weir_port_info info;
    (void)state;
    other = fake_driver;
    other.name = "other";
    assert_int_equal(weir_driver_register(w, &other, NULL), 0);
    struct weir_port *p = open_default();
    weir_port_info(p, &info);
    assert_string_equal(info.driver, "other");
    weir_port_close(p);
}

static void a_failed_open_leaves_nothing(void **state)
{
    struct weir_port_options o = options();
    struct weir_error e;
    (void)state;
    fail_open = -EIO;
    assert_null(weir_port_open(w, "model:fake", &o, &e));
    assert_string_equal(e.code, "fake");
    assert_string_equal(calls, "open ");
    assert_int_equal(spaces(), 0);
    /* A device the caller opened stays the caller's, and can be tried again. */
    struct weir_device *d = weir_device_open(w, "model:fake", NULL, NULL);
    assert_null(weir_port_new(d, &o, &e));
    fail_open = 0;
    struct weir_port *p = weir_port_new(d, &o, &e);
    assert_non_null(p);
    assert_ptr_equal(weir_port_device(p), d);
    assert_null(weir_port_new(d, &o, &e));
    assert_string_equal(e.code, "device-busy");
    weir_port_close(p);
}

static void start_and_stop(void **state)
{
    struct weir_port *p = open_default();
    struct weir_rxq *rx = weir_port_rxq(p, 0);
    struct weir_txq *tx = weir_port_txq(p, 0);
    struct weir_pkt *pkts[32];
    struct weir_error e;
    (void)state;
    assert_int_equal(weir_rx_burst(rx, pkts, 32), 0); /* stopped: nothing, and no crash */
    assert_int_equal(weir_tx_burst(tx, pkts, 32), 0);
    assert_int_equal(weir_port_stop(p, &e), 0);
    for (int i = 0; i < 50; i++) {
        calls[0] = '\0';
        assert_int_equal(weir_port_start(p, &e), 0);
        assert_int_equal(weir_port_start(p, &e), -EALREADY);
        assert_int_equal(weir_rx_burst(rx, pkts, 32), 32);
        assert_int_equal(weir_tx_burst(tx, pkts, 32), 32);
        assert_int_equal(weir_port_stop(p, &e), 0);
        assert_int_equal(weir_port_stop(p, &e), 0);
        assert_string_equal(calls, "start stop ");
        assert_int_equal(available(), PACKETS); /* nothing stays behind in queues or caches */
        assert_int_equal(weir_rx_burst(rx, pkts, 32), 0);
    }
    weir_port_close(p);
}

static void a_failed_start_is_undone(void **state)
{
    struct weir_port *p = open_default();
    struct weir_error e;
    (void)state;
    fail_start = -ETIMEDOUT;
    assert_int_equal(weir_port_start(p, &e), -ETIMEDOUT);
    assert_string_equal(calls, "open start stop ");
    assert_int_equal(available(), PACKETS);
    fail_start = 0;
    assert_int_equal(weir_port_start(p, &e), 0);
    weir_port_close(p);
}

static void teardown_has_its_order(void **state)
{
    struct weir_port *p = open_default();
    (void)state;
    assert_int_equal(weir_port_start(p, NULL), 0);
    assert_int_equal(weir_read32(weir_port_device(p), 0, REG_MASTER), 1);
    assert_int_equal(spaces(), 1);
    weir_port_close(p);
    /* Queues first, then bus mastering, then rings; the arena is out of the space by the end. */
    assert_string_equal(calls, "open start stop close(master 0) ");
    assert_int_equal(spaces(), 0);
    assert_int_equal(available(), PACKETS);
    assert_int_equal(weir_pktpool_free(pool, NULL), 0);
}

static void the_instance_closes_what_is_open(void **state)
{
    struct weir_pkt *pkts[8];
    (void)state;
    struct weir_port *p = open_default();
    open_default();
    assert_int_equal(weir_port_start(p, NULL), 0);
    assert_int_equal(weir_rx_burst(weir_port_rxq(p, 0), pkts, 8), 8);
    weir_free(w);
    w = NULL;
    assert_non_null(strstr(calls, "stop close(master 0) close(master 0) "));
}

static void ports_share_pool_and_space(void **state)
{
    struct weir_port_options o = options();
    struct weir_device_info info;
    struct weir_pkt *pkts[16];
    (void)state;
    /* Two spaces, one arena: what one port received the other can send. */
    struct weir_port *a = open_default(), *b = open_default();
    assert_int_equal(spaces(), 2);
    weir_port_start(a, NULL);
    weir_port_start(b, NULL);
    assert_int_equal(weir_rx_burst(weir_port_rxq(a, 0), pkts, 16), 16);
    assert_int_equal(weir_tx_burst(weir_port_txq(b, 0), pkts, 16), 16);
    weir_port_close(b);
    assert_int_equal(spaces(), 1);

    /* One space: the mapping stays until the last port in it closes. */
    weir_device_info(weir_port_device(a), &info);
    struct weir_device *d =
        weir_device_open(w, "model:fake",
                         &(struct weir_device_options){.size = sizeof(struct weir_device_options),
                                                       .space = info.space},
                         NULL);
    assert_non_null(d);
    struct weir_port *c = weir_port_new(d, &o, NULL);
    assert_int_equal(spaces(), 1);
    weir_port_close(a);
    assert_int_equal(spaces(), 1);
    weir_port_close(c);
    assert_int_equal(spaces(), 0);
    assert_int_equal(available(), PACKETS);
}

static void link_changes_are_events(void **state)
{
    struct weir_port *p = open_default();
    struct weir_device *d = weir_port_device(p);
    struct weir_event ev[4];
    struct weir_link link;
    (void)state;
    device_link = 1000;
    weir_port_start(p, NULL);
    assert_int_equal(weir_events(w, ev, 4), 1); /* it was up already */
    assert_int_equal(ev[0].type, WEIR_EVENT_LINK);
    assert_true(ev[0].link_up);
    assert_ptr_equal(ev[0].port, p);
    assert_ptr_equal(ev[0].device, d);
    weir_port_link(p, &link);
    assert_true(link.up);
    assert_int_equal(link.mbps, 1000);

    calls[0] = '\0';
    weir_write32(d, 0, REG_RAISE, 1); /* an interrupt, and nothing changed */
    assert_int_equal(weir_events(w, ev, 4), 0);
    assert_string_equal(calls, "irq ");
    device_link = 0;
    assert_int_equal(weir_events(w, ev, 4), 0); /* not asked without an interrupt */
    weir_write32(d, 0, REG_RAISE, 1);
    assert_int_equal(weir_events(w, ev, 4), 1);
    assert_false(ev[0].link_up);
    weir_port_link(p, &link);
    assert_false(link.up);
    assert_int_equal(link.mbps, 0);
    device_link = 10000;
    weir_write32(d, 0, REG_RAISE, 1);
    assert_int_equal(weir_events(w, ev, 4), 1);
    device_link = 100; /* another speed */
    weir_write32(d, 0, REG_RAISE, 1);
    assert_int_equal(weir_events(w, ev, 4), 1);

    weir_port_stop(p, NULL);
    calls[0] = '\0';
    weir_write32(d, 0, REG_RAISE, 1);
    assert_int_equal(weir_events(w, ev, 4), 0);
    assert_string_equal(calls, ""); /* not while stopped */
    weir_port_close(p);
}

static void a_closed_port_leaves_no_event(void **state)
{
    struct weir_event ev;
    (void)state;
    struct weir_port *p = open_default();
    device_link = 1000;
    weir_port_start(p, NULL);
    weir_port_close(p);
    assert_int_equal(weir_events(w, &ev, 1), 0);
}

static void a_device_without_interrupts_works(void **state)
{
    struct weir_port_options o = options();
    struct weir_event ev;
    (void)state;
    struct weir_port *p = open_port("model:quiet", &o);
    assert_int_equal(weir_port_start(p, NULL), 0);
    assert_string_equal(calls, "open start (no irq) ");
    assert_int_equal(weir_events(w, &ev, 1), 0);
    weir_port_close(p);
}

static void the_link_can_be_waited_for(void **state)
{
    struct weir_port_options o = options();
    struct weir_port_info info;
    struct timespec a, b;
    (void)state;
    o.link_wait_ms = 20;
    struct weir_port *p = open_port("model:fake", &o);
    clock_gettime(CLOCK_MONOTONIC, &a);
    assert_int_equal(weir_port_start(p, NULL), 0); /* no link is no error */
    clock_gettime(CLOCK_MONOTONIC, &b);
    assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 >= 19);
    weir_port_info(p, &info);
    assert_true(info.started);
    weir_port_close(p);
}

static void queues_take_caches(void **state)
{
    struct weir_port *p = open_default();
    struct weir_pktcache *mine = weir_pktcache_new(pool, NULL);
    struct weir_pktpool *other = weir_pktpool_new(
        arena,
        &(struct weir_pktpool_options){.size = sizeof(struct weir_pktpool_options), .packets = 8},
        NULL);
    struct weir_pktcache *others = weir_pktcache_new(other, NULL);
    struct weir_rxq *rx = weir_port_rxq(p, 0);
    struct weir_txq *tx = weir_port_txq(p, 0);
    struct weir_pkt *pkts[8];
    struct weir_error e;
    (void)state;
    assert_int_equal(weir_rxq_set_cache(rx, others, &e), -EINVAL);
    assert_string_equal(e.code, "queue-cache");
    assert_int_equal(weir_rxq_set_cache(rx, mine, &e), 0);
    assert_int_equal(weir_txq_set_cache(tx, mine, &e), 0);
    assert_int_equal(weir_port_start(p, &e), 0);
    assert_int_equal(weir_rxq_set_cache(rx, NULL, &e), -EBUSY);
    assert_int_equal(weir_rx_burst(rx, pkts, 8), 8);
    assert_int_equal(weir_tx_burst(tx, pkts, 8), 8);
    assert_int_equal(weir_txq_reclaim(tx), 8);
    assert_true(mine->n >= 8);
    weir_port_stop(p, NULL);
    assert_int_equal(weir_rxq_set_cache(rx, NULL, &e), 0); /* its own again */
    assert_int_equal(weir_port_start(p, &e), 0);
    assert_int_equal(weir_rx_burst(rx, pkts, 8), 8);
    assert_int_equal(weir_tx_burst(tx, pkts, 8), 8);
    weir_port_close(p);
    weir_pktcache_free(mine);
    weir_pktcache_free(others);
    assert_int_equal(available(), PACKETS);
}

static void settings_go_to_the_driver(void **state)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x55}, multicast[6] = {1}, none[6];
    struct weir_port_options o = options();
    uint8_t reta[8] = {1, 0, 1}, key[WEIR_RSS_KEY_LEN] = {42};
    struct weir_port_info info;
    struct weir_error e;
    (void)state;
    o.rx_queues = 2;
    struct weir_port *p = open_port("model:fake", &o);
    calls[0] = '\0';
    assert_int_equal(weir_port_set_promiscuous(p, true, &e), 0);
    assert_int_equal(weir_port_set_mac(p, mac, &e), 0);
    assert_int_equal(weir_port_set_rss(p, NULL, reta, 8, &e), 0);
    assert_int_equal(weir_port_set_rss(p, key, NULL, 0, &e), 0);
    assert_string_equal(calls, "promiscuous(1) mac(55) rss(-1,1) rss(42,-1) ");
    weir_port_info(p, &info);
    assert_true(info.promiscuous);
    assert_memory_equal(info.mac, mac, 6);
    assert_int_equal(p->net.opt.rss_key[0], 42);
    assert_int_equal(weir_port_set_mac(p, multicast, &e), -EINVAL);
    assert_int_equal(weir_port_set_mac(p, none, &e), -EINVAL);
    assert_string_equal(e.code, "port-mac");
    assert_int_equal(weir_port_set_rss(p, NULL, reta, 7, &e), -EINVAL);
    reta[5] = 2; /* no such queue */
    assert_int_equal(weir_port_set_rss(p, NULL, reta, 8, &e), -EINVAL);
    assert_string_equal(e.code, "port-rss");
    assert_non_null(strstr(e.why, "entry 5"));
    weir_port_info(p, &info);
    assert_memory_equal(info.mac, mac, 6);
    weir_port_close(p);
}

static void statistics_are_summed_and_reset(void **state)
{
    struct weir_port *p = open_default();
    struct weir_port_stats s;
    struct weir_queue_stats qs;
    static struct weir_pkt *pkts[PACKETS];
    unsigned n = 0, got;
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(weir_port_stats(p, &s, NULL), 0);
    assert_true(s.rx_packets == 5 * 0xffffffffull);
    assert_int_equal(s.tx_bytes, 50);
    weir_port_start(p, NULL);
    while ((got = weir_rx_burst(weir_port_rxq(p, 0), &pkts[n], 32)))
        n += got;
    assert_int_equal(n, PACKETS);
    weir_port_stats(p, &s, NULL);
    assert_int_equal(s.rx_no_buffer, 1);
    weir_rxq_stats(weir_port_rxq(p, 0), &qs);
    assert_int_equal(qs.packets, PACKETS);
    weir_port_stats_reset(p, NULL);
    weir_port_stats(p, &s, NULL);
    assert_int_equal(s.rx_no_buffer, 0);
    assert_true(s.rx_packets == 0xffffffffull);
    assert_int_equal(weir_tx_burst(weir_port_txq(p, 0), pkts, 3), 3);
    weir_txq_stats(weir_port_txq(p, 0), &qs);
    assert_int_equal(qs.packets, 3);
    struct weir_pktcache *c = weir_pktcache_new(pool, NULL);
    weir_pkt_free_bulk(c, pkts + 3, n - 3);
    weir_pktcache_free(c);
    weir_port_close(p);
}

/* A device that can be lost and come back, over the model's. */
static int back; /* what reopen says */
static struct weir_device_ops losable;

static int losable_reopen(struct weir_device *d, struct weir_error *e)
{
    (void)d;
    return back ? weir_fail(e, back, "not-yet", "reopen\nas told") : 0;
}

static bool losable_returned(struct weir_device *d)
{
    (void)d;
    return false;
}

static void make_losable(struct weir_port *p)
{
    losable = *p->device->ops;
    losable.reopen = losable_reopen;
    losable.returned = losable_returned;
    p->device->ops = &losable;
}

static void a_lost_device_goes_silent_and_comes_back(void **state)
{
    struct weir_port *p = open_default();
    struct weir_rxq *rx = weir_port_rxq(p, 0);
    struct weir_txq *tx = weir_port_txq(p, 0);
    struct weir_pkt *pkts[16];
    struct weir_port_info info;
    struct weir_event ev[4];
    struct weir_link link;
    struct weir_error e;
    (void)state;
    make_losable(p);
    assert_int_equal(weir_port_recover(p, &e), -EINVAL);
    assert_string_equal(e.code, "device-not-lost");
    device_link = 1000;
    weir_port_start(p, NULL);
    weir_events(w, ev, 4);
    assert_int_equal(weir_rx_burst(rx, pkts, 16), 16);
    assert_int_equal(weir_tx_burst(tx, pkts, 8), 8);
    weir_device_set_lost(p->device, "as told");
    assert_int_equal(weir_rx_burst(rx, pkts, 8), 0);
    assert_int_equal(weir_tx_burst(tx, pkts + 8, 8), 0);
    assert_int_equal(weir_events(w, ev, 4), 1);
    assert_int_equal(ev[0].type, WEIR_EVENT_LOST);
    assert_ptr_equal(ev[0].port, p);
    weir_port_link(p, &link);
    assert_false(link.up);
    weir_port_info(p, &info);
    assert_true(info.lost);
    assert_int_equal(weir_port_set_promiscuous(p, true, &e), -ENODEV);
    assert_string_equal(e.code, "device-lost");

    calls[0] = '\0';
    back = -ECONNREFUSED; /* not yet, after all: the packets are back nonetheless */
    assert_int_equal(weir_port_recover(p, &e), -ECONNREFUSED);
    assert_string_equal(calls, "stop ");
    assert_int_equal(available() + 8, PACKETS);
    assert_int_equal(weir_rx_burst(rx, pkts, 8), 0);
    assert_int_equal(weir_port_start(p, &e), -ENODEV);
    back = 0;
    assert_int_equal(weir_port_recover(p, &e), 0);
    assert_string_equal(calls, "stop start ");
    assert_int_equal(weir_rx_burst(rx, pkts, 8), 8);
    assert_int_equal(weir_events(w, ev, 4), 1);
    assert_int_equal(ev[0].type, WEIR_EVENT_LINK); /* up again */
    assert_true(ev[0].link_up);
    calls[0] = '\0';
    weir_write32(p->device, 0, REG_RAISE, 1); /* the interrupt was set up anew */
    weir_events(w, ev, 4);
    assert_string_equal(calls, "irq ");
    struct weir_pktcache *c = weir_pktcache_new(pool, NULL);
    weir_pkt_free_bulk(c, pkts, 16);
    weir_pktcache_free(c);
    weir_port_close(p);
    assert_int_equal(available(), PACKETS);
}

static void recovering_a_stopped_port_leaves_it_stopped(void **state)
{
    struct weir_port *p = open_default();
    (void)state;
    make_losable(p);
    back = 0;
    weir_device_set_lost(p->device, "as told");
    calls[0] = '\0';
    assert_int_equal(weir_port_recover(p, NULL), 0);
    assert_string_equal(calls, "");
    weir_device_set_lost(p->device, "as told");
    weir_port_close(p); /* a lost one closes too */
}

static void a_loss_while_starting_is_noticed(void **state)
{
    struct weir_port *p = open_default();
    struct weir_pkt *pkt;
    struct weir_error e;
    (void)state;
    lose_in_start = true;
    assert_int_equal(weir_port_start(p, &e), -ENODEV);
    assert_string_equal(e.code, "device-lost");
    assert_int_equal(weir_rx_burst(weir_port_rxq(p, 0), &pkt, 1), 0);
    assert_int_equal(available(), PACKETS);
    weir_port_close(p);
}

static void packets_are_checked_before_sending(void **state)
{
    struct weir_port *p = open_default();
    struct weir_txq *tx = weir_port_txq(p, 0);
    struct weir_pktcache *c = weir_pktcache_new(pool, NULL);
    static const uint8_t zero[9000];
    struct weir_error e;
    (void)state;
    struct weir_pkt *k = weir_pkt_from(c, zero, 1518);
    assert_int_equal(weir_tx_check(tx, k, &e), 0);
    weir_pkt_set_len(k, 1519);
    assert_int_equal(weir_tx_check(tx, k, &e), -EMSGSIZE);
    assert_string_equal(e.code, "tx-too-long");
    assert_non_null(strstr(e.why, "1519"));
    assert_non_null(strstr(e.why, "1500"));
    weir_pkt_set_len(k, 13);
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    assert_string_equal(e.code, "tx-too-short");
    weir_pkt_set_len(k, 60);
    k->off = k->room - 59;
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    assert_string_equal(e.code, "tx-chain");
    k->off = WEIR_PKT_HEADROOM;
    k->total = 61;
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    assert_string_equal(e.code, "tx-chain");
    k->total = 60;
    k->n_segs = 2;
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    k->n_segs = 0;
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    k->n_segs = 33;
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    k->n_segs = 1;
    k->next = k; /* a ring: the check must end */
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    k->next = NULL;
    assert_int_equal(weir_tx_check(tx, k, &e), 0);
    weir_pkt_free(c, k);

    k = weir_pkt_from(c, zero, 60);
    k->next = weir_pkt_from(c, zero, 40);
    k->n_segs = 2;
    k->total = 100;
    assert_int_equal(weir_tx_check(tx, k, &e), 0);
    k->next->len = 0;
    k->total = 60;
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL); /* an empty segment */
    weir_pkt_free(c, k);
    weir_pktcache_free(c);
    weir_port_close(p);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_put_in),
        TEST(options_are_checked_against_the_driver),
        TEST(a_device_without_driver_is_told),
        TEST(the_latest_driver_is_asked_first),
        TEST(a_failed_open_leaves_nothing),
        TEST(start_and_stop),
        TEST(a_failed_start_is_undone),
        TEST(teardown_has_its_order),
        TEST(the_instance_closes_what_is_open),
        TEST(ports_share_pool_and_space),
        TEST(link_changes_are_events),
        TEST(a_closed_port_leaves_no_event),
        TEST(a_device_without_interrupts_works),
        TEST(the_link_can_be_waited_for),
        TEST(queues_take_caches),
        TEST(settings_go_to_the_driver),
        TEST(statistics_are_summed_and_reset),
        TEST(a_lost_device_goes_silent_and_comes_back),
        TEST(recovering_a_stopped_port_leaves_it_stopped),
        TEST(a_loss_while_starting_is_noticed),
        TEST(packets_are_checked_before_sending),
    };
    return cmocka_run_group_tests_name("port", tests, NULL, NULL);
}
