/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver and a model that live outside the tree: compiled against the installed headers alone,
 * linked with the shared library alone, by every compiler flag of an outside program. The device,
 * a network card of one register file with a mailbox in each direction, exists only here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <weir/driver/driver.h>
#include <weir/driver/model.h>
#include <weir/driver/pktcache.h>
#include <weir/driver/ring.h>

enum { TX_LOW = 0, TX_HIGH = 4, TX_GO = 8, RX_LOW = 16, RX_HIGH = 20, RX_LEN = 24, ROOM = 1024 };

/* The model: what is sent comes back when there is somewhere to put it. */
struct box {
    uint32_t reg[8];
    uint8_t data[ROOM];
    uint32_t len; /* waiting to be received */
};

static int box_create(struct weir_model *m, struct weir_error *e)
{
    struct box *b = calloc(1, sizeof *b);
    if (!b)
        return weir_fail(e, -ENOMEM, "no-memory", "make a mailbox\nout of memory");
    weir_model_set_priv(m, b);
    return 0;
}

static void box_destroy(struct weir_model *m)
{
    free(weir_model_priv(m));
}

static void box_reset(struct weir_model *m)
{
    memset(weir_model_priv(m), 0, sizeof(struct box));
}

static uint64_t box_read(struct weir_model *m, unsigned bar, uint64_t off, unsigned width)
{
    const struct box *b = weir_model_priv(m);
    return bar == 0 && width == 4 && off < sizeof b->reg ? b->reg[off / 4] : 0;
}

static void box_write(struct weir_model *m, unsigned bar, uint64_t off, unsigned width, uint64_t v)
{
    struct box *b = weir_model_priv(m);
    if (bar == 0 && width == 4 && off < sizeof b->reg)
        b->reg[off / 4] = (uint32_t)v;
}

static unsigned box_step(struct weir_model *m, unsigned budget)
{
    static const struct weir_dma_who tx = {.queue = "tx"}, rx = {.queue = "rx"};
    struct box *b = weir_model_priv(m);
    uint64_t from = (uint64_t)b->reg[TX_HIGH / 4] << 32 | b->reg[TX_LOW / 4];
    uint64_t to = (uint64_t)b->reg[RX_HIGH / 4] << 32 | b->reg[RX_LOW / 4];
    unsigned moved = 0;

    if (!budget || !weir_model_bus_master(m))
        return 0;
    if (b->reg[TX_GO / 4] && b->reg[TX_GO / 4] <= ROOM && !b->len) {
        if (!weir_model_dma_read(m, from, b->data, b->reg[TX_GO / 4], &tx)) {
            b->len = b->reg[TX_GO / 4];
            moved++;
        }
        b->reg[TX_GO / 4] = 0;
    }
    if (b->len && to && !b->reg[RX_LEN / 4]) {
        if (!weir_model_dma_write(m, to, b->data, b->len, &rx)) {
            b->reg[RX_LEN / 4] = b->len;
            moved++;
        }
        b->len = 0;
    }
    return moved;
}

static const struct weir_model_ops box_model = {
    .name = "box",
    .params = "",
    .help = "",
    .pci = {.vendor = 0xbeef, .device = 1, .class_code = 0x020000, .bars = {[0] = {.size = 4096}}},
    .create = box_create,
    .destroy = box_destroy,
    .reset = box_reset,
    .read = box_read,
    .write = box_write,
    .step = box_step,
};

/* The driver. */
struct rx {
    struct weir_rxq_base base;
    struct weir_pkt *posted;
};

struct tx {
    struct weir_txq_base base;
    struct weir_pkt *sent;
};

static void write_reg(struct weir_net *n, uint32_t reg, uint32_t v)
{
    weir_write32(n->device, WEIR_REGION_BAR0, reg, v);
}

static void post(struct rx *q)
{
    struct weir_pkt **p = q->posted ? NULL : weir_pktcache_take(q->base.cache, 1);
    if (!p)
        return;
    q->posted = *p;
    q->posted->off = WEIR_PKT_HEADROOM;
    write_reg(q->base.net, RX_LEN, 0);
    write_reg(q->base.net, RX_LOW, (uint32_t)weir_pkt_iova(*p).addr);
    write_reg(q->base.net, RX_HIGH, (uint32_t)(weir_pkt_iova(*p).addr >> 32));
}

static unsigned rx_burst(struct weir_rxq *rxq, struct weir_pkt **pkts, unsigned n)
{
    struct rx *q = (struct rx *)rxq;
    uint32_t len = n && q->posted ? weir_read32(q->base.net->device, WEIR_REGION_BAR0, RX_LEN) : 0;
    unsigned got = 0;
    if (len && len <= ROOM) {
        write_reg(q->base.net, RX_LOW, 0);
        write_reg(q->base.net, RX_HIGH, 0);
        weir_pkt_set_len(q->posted, (uint16_t)len);
        pkts[got++] = q->posted;
        q->posted = NULL;
        q->base.stats.packets++;
    }
    post(q);
    return got;
}

static unsigned reclaim(struct weir_txq *txq)
{
    struct tx *q = (struct tx *)txq;
    if (!q->sent || weir_read32(q->base.net->device, WEIR_REGION_BAR0, TX_GO))
        return 0;
    weir_pktcache_give(q->base.cache, q->sent);
    q->sent = NULL;
    return 1;
}

static unsigned tx_burst(struct weir_txq *txq, struct weir_pkt **pkts, unsigned n)
{
    struct tx *q = (struct tx *)txq;
    reclaim(txq);
    if (!n || q->sent)
        return 0;
    if (weir_tx_check(txq, pkts[0], NULL)) {
        q->base.stats.dropped++;
        weir_pkt_free(q->base.cache, pkts[0]);
        return 1;
    }
    q->sent = pkts[0];
    weir_wmb();
    write_reg(q->base.net, TX_LOW, (uint32_t)weir_pkt_iova(pkts[0]).addr);
    write_reg(q->base.net, TX_HIGH, (uint32_t)(weir_pkt_iova(pkts[0]).addr >> 32));
    write_reg(q->base.net, TX_GO, pkts[0]->total);
    q->base.stats.packets++;
    return 1;
}

static void net_close(struct weir_net *n)
{
    free(n->rxq[0]);
    free(n->txq[0]);
}

static int net_open(struct weir_net *n, struct weir_error *e)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
    struct rx *rx = calloc(1, sizeof *rx);
    struct tx *tx = calloc(1, sizeof *tx);
    if (!rx || !tx) {
        free(rx);
        free(tx);
        return weir_fail(e, -ENOMEM, "no-memory", "open a mailbox\nout of memory");
    }
    rx->base.net = tx->base.net = n;
    tx->base.reclaim = reclaim;
    tx->base.max_frame = ROOM;
    n->rxq[0] = &rx->base.pub;
    n->txq[0] = &tx->base.pub;
    memcpy(n->mac, mac, 6);
    return 0;
}

static int net_start(struct weir_net *n, struct weir_error *e)
{
    int ret = weir_device_bus_master(n->device, true, e);
    if (ret)
        return ret;
    post((struct rx *)n->rxq[0]);
    n->rxq[0]->burst = rx_burst;
    n->txq[0]->burst = tx_burst;
    n->rx_path = n->tx_path = "mailbox";
    weir_log(n->weir, WEIR_LOG_INFO, "mailbox", "started");
    return 0;
}

static void net_stop(struct weir_net *n)
{
    struct rx *rx = (struct rx *)n->rxq[0];
    struct tx *tx = (struct tx *)n->txq[0];
    weir_device_bus_master(n->device, false, NULL);
    if (rx->posted)
        weir_pktcache_give(rx->base.cache, rx->posted);
    if (tx->sent)
        weir_pktcache_give(tx->base.cache, tx->sent);
    rx->posted = tx->sent = NULL;
}

static void net_link(struct weir_net *n, struct weir_link *out)
{
    (void)n;
    out->up = true;
    out->mbps = 10;
}

static int net_refuse(struct weir_net *n, bool on, struct weir_error *e)
{
    (void)n;
    (void)on;
    return weir_fail(e, -ENOTSUP, "mailbox", "set promiscuous mode\na mailbox has no filter");
}

static int net_set_mac(struct weir_net *n, const uint8_t mac[6], struct weir_error *e)
{
    (void)mac;
    return net_refuse(n, true, e);
}

static void net_stats(struct weir_net *n, struct weir_port_stats *sum)
{
    (void)n;
    (void)sum;
}

static const struct weir_pci_id ids[] = {{0xbeef, 1}, {0, 0}};
static const struct weir_net_ops net_ops = {
    .limits = {.max_rx_queues = 1,
               .max_tx_queues = 1,
               .min_ring = 1,
               .max_ring = 1,
               .min_mtu = 64,
               .max_mtu = 1000,
               .min_data_room = ROOM,
               .max_data_room = 16384},
    .open = net_open,
    .close = net_close,
    .start = net_start,
    .stop = net_stop,
    .link = net_link,
    .set_promiscuous = net_refuse,
    .set_mac = net_set_mac,
    .stats = net_stats,
};
static const struct weir_driver box_driver = {
    .name = "mailbox", .ids = ids, .device_class = WEIR_CLASS_NET, .net = &net_ops};

static void a_driver_and_a_model_from_outside(void **state)
{
    static uint8_t frame[300], back[300];
    struct weir_error e;
    struct weir_port_info info;
    struct weir_pkt *p;
    uint32_t available;
    (void)state;
    struct weir *w = weir_new(NULL, &e);
    assert_non_null(w);
    assert_int_equal(weir_driver_register(w, &box_driver, &e), 0);
    assert_int_equal(weir_model_register(w, &box_model, &e), 0);
    assert_int_equal(weir_model_register(w, &box_model, &e), -EEXIST);
    struct weir_arena *arena = weir_arena_new(
        w,
        &(struct weir_arena_options){
            .size = sizeof(struct weir_arena_options), .bytes = 1 << 20, .page = 4096},
        &e);
    assert_non_null(arena);
    struct weir_pktpool *pool = weir_pktpool_new(
        arena,
        &(struct weir_pktpool_options){.size = sizeof(struct weir_pktpool_options), .packets = 64},
        &e);
    assert_non_null(pool);
    struct weir_pktcache *cache = weir_pktcache_new(pool, &e);
    struct weir_port *port = weir_port_open(
        w, "model:box",
        &(struct weir_port_options){.size = sizeof(struct weir_port_options), .pool = pool}, &e);
    if (!port)
        weir_error_print(&e, stderr);
    assert_non_null(port);
    weir_port_info(port, &info);
    assert_string_equal(info.driver, "mailbox");
    assert_int_equal(info.mtu, 1000);
    assert_int_equal(weir_port_start(port, &e), 0);
    assert_int_equal(weir_port_set_promiscuous(port, true, &e), -ENOTSUP);
    for (uint32_t len = 14; len <= sizeof frame; len++) {
        memset(frame, (int)len, sizeof frame);
        p = weir_pkt_from(cache, frame, len);
        assert_int_equal(weir_tx_burst(weir_port_txq(port, 0), &p, 1), 1);
        assert_int_equal(weir_models_step(w, 16), 2);
        assert_int_equal(weir_rx_burst(weir_port_rxq(port, 0), &p, 1), 1);
        assert_int_equal(weir_pkt_read(p, 0, back, sizeof back), len);
        assert_memory_equal(frame, back, len);
        weir_pkt_free(cache, p);
    }
    weir_port_close(port);
    weir_pktcache_free(cache);
    weir_pktpool_count(pool, NULL, &available);
    assert_int_equal(available, 64);
    weir_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_driver_and_a_model_from_outside)};
    return cmocka_run_group_tests_name("outoftree", tests, NULL, NULL);
}
