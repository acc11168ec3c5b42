/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The X540 driver's paths against each other and against what the datasheet says a descriptor
 * means: scalar, and each width of vectors that this CPU has. Here received descriptors, chosen at
 * random, the bad ones among them; rings are as small as they can be, so that they wrap.
 * test_x540_paths_tx.c is about sending.
 */
#include "x540_paths_case.h"

/* ---- Receiving ---- */

/* A written-back descriptor and what it means. */
struct wb {
    uint32_t info, hash, status;
    uint16_t len, vlan;
};

static struct wb random_wb(uint32_t room, bool scattered)
{
    struct wb w = {.hash = rnd(~0u), .vlan = (uint16_t)rnd(65536)};

    w.info = rnd(1 << 15); /* RSSTYPE, PKTTYPE up to its ETQF bit */
    if (rnd(16) == 0)
        w.info |= X540_PKTTYPE_ETQF << 4;
    w.info |= rnd(1 << 10) << 21;
    w.status = X540_RXD_STAT_DD | X540_RXD_STAT_EOP;
    w.status |= rnd(1 << 17) << 2;
    w.len = (uint16_t)(1 + rnd(room));
    switch (rnd(12)) {
    case 0: /* a wrong checksum, or two */
        w.status |= rnd(4) << 30;
        break;
    case 1:
        w.status |= X540_RXD_ERR_RXE;
        break;
    case 2:
        w.len = (uint16_t)(rnd(2) ? 0 : room + 1 + rnd(65535 - room));
        break;
    case 3:
        w.status &= ~X540_RXD_STAT_EOP;
        if (scattered)
            w.len = (uint16_t)room;
        break;
    case 4:
        w.len = (uint16_t)room;
        break;
    case 5: /* errors that are none of this path's business */
        w.status |= rnd(1 << 9) << 20;
        break;
    }
    return w;
}

static uint32_t meaning(const struct wb *w, bool strip)
{
    uint32_t flags = 0, type = w->info >> 4;

    if (w->status & X540_RXD_STAT_VP && strip)
        flags |= WEIR_PKT_VLAN;
    if (w->info & X540_RXD_INFO_RSSTYPE)
        flags |= WEIR_PKT_HASH;
    if (w->status & X540_RXD_STAT_L4CS)
        flags |= w->status & X540_RXD_ERR_L4E ? WEIR_PKT_L4_BAD : WEIR_PKT_L4_OK;
    if (w->status & X540_RXD_STAT_IPCS)
        flags |= w->status & X540_RXD_ERR_IPE ? WEIR_PKT_L3_BAD : WEIR_PKT_L3_OK;
    if (type & X540_PKTTYPE_ETQF)
        return flags;
    flags |= type & X540_PKTTYPE_IPV4 ? WEIR_PKT_IPV4 : 0u;
    flags |= type & X540_PKTTYPE_IPV6 ? WEIR_PKT_IPV6 : 0u;
    flags |= type & X540_PKTTYPE_TCP ? WEIR_PKT_TCP : 0u;
    flags |= type & X540_PKTTYPE_UDP ? WEIR_PKT_UDP : 0u;
    flags |= type & X540_PKTTYPE_SCTP ? WEIR_PKT_SCTP : 0u;
    return flags;
}

/* What the driver should make of a stream of descriptors, packet by packet. */
struct expect {
    struct wb last; /* of the descriptor that ends it */
    uint32_t total, segs, first_len;
    struct weir_pkt *first;
};

static struct expect want[4096];
static unsigned n_want, n_got;
static uint64_t n_bad;

static struct {
    struct weir_pkt *first;
    uint32_t total, segs, first_len;
    bool skip;
} chain;

static void expect(const struct wb *w, struct weir_pkt *p, uint32_t room, uint32_t max,
                   bool scattered)
{
    bool end = w->status & X540_RXD_STAT_EOP, ok = w->len >= 1 && w->len <= room;

    ok &= !(w->status & X540_RXD_ERR_RXE);
    if (!scattered && (!ok || !end)) {
        n_bad++;
        return;
    }
    if (chain.skip) {
        chain.skip = !end;
        return;
    }
    if (!chain.segs++) {
        chain.first = p;
        chain.first_len = w->len;
    }
    chain.total += w->len;
    if (scattered && (!ok || chain.total > max || (chain.segs == WEIR_PKT_MAX_SEGS && !end))) {
        n_bad++;
        memset(&chain, 0, sizeof chain);
        chain.skip = !end;
        return;
    }
    if (!end)
        return;
    assert_true(n_want < 4096);
    want[n_want++] = (struct expect){*w, chain.total, chain.segs, chain.first_len, chain.first};
    memset(&chain, 0, sizeof chain);
}

static void compare(const struct weir_pkt *p, bool strip)
{
    assert_true(n_got < n_want);
    const struct expect *x = &want[n_got++];
    uint32_t flags = meaning(&x->last, strip);

    assert_ptr_equal(p, x->first);
    assert_int_equal(p->flags, flags);
    assert_int_equal(p->total, x->total);
    assert_int_equal(p->len, x->first_len);
    assert_int_equal(p->n_segs, x->segs);
    assert_int_equal(p->hash, x->last.hash);
    if (flags & WEIR_PKT_VLAN)
        assert_int_equal(p->vlan, x->last.vlan);
    assert_int_equal(p->off, WEIR_PKT_HEADROOM);
    assert_int_equal(p->room, WEIR_PKT_HEADROOM + 2048);
    assert_int_equal(p->refs, 1);
    assert_int_equal(p->queue, 0);
    assert_int_equal(p->user, 0);
}

static void receive_random(unsigned width, uint32_t ring, bool scattered, bool strip)
{
    struct rig r;
    struct weir_pkt *k[160];
    struct weir_port_stats ps;
    struct weir_queue_stats qs;
    uint64_t packets = 0, bytes = 0;

    rig_init(&r);
    struct weir_port_options o = rig_options(&r);
    o.simd_bits = width;
    o.rx_ring = ring;
    o.vlan_strip = strip;
    o.mtu = scattered ? 9000 : 1500;
    struct weir_port *port = rig_up(&r, "model:x540?wire=loopback", &o);
    struct x540_rxq *q = (struct x540_rxq *)weir_port_rxq(port, 0);
    uint32_t done = 0; /* completed from q->next on and not seen yet */
    seed = 7 + ring;
    n_want = n_got = 0;
    n_bad = 0;
    memset(&chain, 0, sizeof chain);
    for (unsigned round = 0; round < ROUNDS; round++) {
        /* Mostly what is usual, so that whole groups are. */
        bool wild = rnd(4) == 0;
        for (uint32_t n = round < ROUNDS - 100 ? rnd(48) : 0; n && done < q->posted; n--, done++) {
            uint32_t at = (q->next + done) % q->count;
            struct wb w = random_wb(2048, scattered);
            if (!wild && rnd(8)) {
                w.status = X540_RXD_STAT_DD | X540_RXD_STAT_EOP | (w.status & 0x68);
                w.info &= 0x7fff;
                w.len = (uint16_t)(rnd(64) ? 60 + rnd(1455) : 2047 + rnd(3)); /* one too long */
            }
            q->descs[at].wb = (struct x540_rx_wb){w.info, w.hash, w.status, w.len, w.vlan};
            expect(&w, q->slots[at], 2048, q->max_frame, scattered);
        }
        uint32_t before = q->next, saw;
        unsigned most = rnd(64), got = weir_rx_burst(&q->base.pub, k, most);
        assert_true(got <= most);
        saw = (q->next + q->count - before) % q->count;
        assert_true(saw <= done);
        if (done && most)
            assert_true(saw);
        done -= saw;
        for (unsigned i = 0; i < got; i++) {
            compare(k[i], strip);
            packets++;
            bytes += k[i]->total;
            /* An application leaves its marks. */
            k[i]->off += 2;
            k[i]->flags = ~0u;
            k[i]->user = 1;
            if (k[i]->n_segs == 1)
                k[i]->n_segs = 9;
            rig_free(&r, k[i]);
        }
        if (n_got == n_want)
            n_got = n_want = 0;
    }
    assert_int_equal(done, 0);
    weir_rxq_stats(&q->base.pub, &qs);
    weir_port_stats(port, &ps, NULL);
    assert_int_equal(qs.packets, packets);
    assert_int_equal(qs.bytes, bytes);
    assert_int_equal(ps.rx_bad_descriptor, n_bad);
    assert_true(packets > ROUNDS * 10 && n_bad > 100);
    rig_close(port);
    rig_done(&r);
}

static void any_descriptor_is_read_alike(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N_WIDTHS; i++)
        if (has(widths[i])) {
            receive_random(widths[i], 64, false, true);
            receive_random(widths[i], 72, false, false);
            receive_random(widths[i], 512, false, true);
            receive_random(widths[i], 72, true, true);
            receive_random(widths[i], 256, true, false);
        }
}

/* ---- Both, with hardly any packets ---- */

static void a_dry_pool_costs_no_packet(void **state)
{
    static const uint8_t to[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint8_t f[64];
    (void)state;

    rig_frame(f, sizeof f, to, 0x88b5, 1);
    for (unsigned i = 0; i < N_WIDTHS; i++) {
        struct rig r;
        struct weir_pkt *k[64], *held[600];
        struct weir_port_stats s;
        unsigned n_held = 0, seen = 0;
        if (!has(widths[i]))
            continue;
        rig_init_room(&r, 600, 2048);
        struct weir_port_options o = rig_options(&r);
        o.simd_bits = widths[i];
        o.rx_ring = 256;
        struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", &o);
        while (n_held < 300 && (held[n_held] = weir_pkt_alloc(r.cache)))
            n_held++;
        for (unsigned round = 0; round < 400; round++) {
            unsigned n = weir_rx_burst(weir_port_rxq(p, 0), k, 32), m = 0;
            seen += n;
            weir_pkt_free_bulk(r.cache, k, n);
            while (m < 32 && (k[m] = weir_pkt_from(r.cache, f, sizeof f)))
                m++;
            n = weir_tx_burst(weir_port_txq(p, 0), k, m);
            weir_pkt_free_bulk(r.cache, k + n, m - n);
            weir_models_step(r.w, 64);
            if (round == 200)
                weir_pkt_free_bulk(r.cache, held, n_held);
        }
        weir_port_stats(p, &s, NULL);
        assert_true(seen > 1000);
        rig_close(p);
        rig_done(&r);
    }
}

/* ---- Several queues ---- */

struct range {
    uintptr_t first, last; /* cache lines */
    unsigned owner;
};

static struct range lines(const void *p, size_t bytes, unsigned owner)
{
    uintptr_t at = (uintptr_t)p;

    assert_int_equal(at % WEIR_CACHE_LINE, 0);
    return (struct range){at / WEIR_CACHE_LINE, (at + bytes - 1) / WEIR_CACHE_LINE, owner};
}

/* Threads with a queue each write to no line that another one's queue uses. */
static void queues_share_no_cache_line(void **state)
{
    struct range all[64];
    unsigned n = 0;
    struct rig r;
    (void)state;

    rig_init(&r);
    struct weir_port_options o = rig_options(&r);
    o.rx_queues = o.tx_queues = 4;
    o.rx_ring = o.tx_ring = 72;
    struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", &o);
    for (unsigned i = 0; i < 4; i++) {
        struct x540_rxq *rx = (struct x540_rxq *)weir_port_rxq(p, i);
        struct x540_txq *tx = (struct x540_txq *)weir_port_txq(p, i);
        all[n++] = lines(rx, sizeof *rx, 2 * i);
        all[n++] = lines(rx->slots, rx->count * sizeof *rx->slots, 2 * i);
        all[n++] = lines(rx->descs, rx->count * sizeof *rx->descs, 2 * i);
        all[n++] = lines(rx->base.cache, sizeof *rx->base.cache, 2 * i);
        all[n++] = lines(tx, sizeof *tx, 2 * i + 1);
        all[n++] = lines(tx->slots, tx->count * sizeof *tx->slots, 2 * i + 1);
        all[n++] = lines(tx->marks, tx->count * sizeof *tx->marks, 2 * i + 1);
        all[n++] = lines(tx->descs, tx->count * sizeof *tx->descs, 2 * i + 1);
        all[n++] = lines(tx->base.cache, sizeof *tx->base.cache, 2 * i + 1);
    }
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = 0; j < i; j++)
            if (all[i].owner != all[j].owner)
                assert_true(all[i].last < all[j].first || all[j].last < all[i].first);
    rig_close(p);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_descriptor_is_read_alike),
        cmocka_unit_test(a_dry_pool_costs_no_packet),
        cmocka_unit_test(queues_share_no_cache_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
