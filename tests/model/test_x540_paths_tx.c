/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending by each of the X540 driver's paths: packets chosen at random, the bad ones among them,
 * and what the datasheet says of short frames, headers and contexts. */
#include "x540_paths_case.h"

static uint8_t sent[64][2048];
static uint32_t sent_len[64];
static unsigned n_sent;

static uint32_t sum(const uint8_t *p, uint32_t len, uint32_t s)
{
    for (uint32_t i = 0; i < len; i++)
        s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return s;
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* A frame with IPv4 and UDP or TCP headers. finish: with the checksums that flags ask for, and
 * the tag; else as it is given to the driver. Returns its length. */
static uint32_t make(uint8_t *f, uint32_t len, uint32_t flags, uint16_t vlan, uint32_t n,
                     bool finish)
{
    static const uint8_t to[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    bool tcp = flags & WEIR_PKT_TCP;
    uint32_t l4 = len - 34, at = 34 + (tcp ? 16u : 6u), pseudo;

    rig_frame(f, len, to, 0x0800, n);
    memset(f + 14, 0, 20);
    f[14] = 0x45;
    put16(f + 16, len - 14);
    f[22] = 64;
    f[23] = tcp ? 6 : 17;
    memcpy(f + 26, "\x0a\x01\x02\x03\x0a\x04\x05\x06", 8);
    if (tcp)
        f[46] = 0x50;
    else
        put16(f + 38, l4);
    pseudo = sum(f + 26, 8, f[23] + l4);
    assert_int_equal(weir_pseudo_sum(f + 14, f[23], l4), pseudo);
    if (flags & WEIR_PKT_TX_L4_SUM) {
        put16(f + at, finish ? 0 : pseudo);
        if (finish)
            put16(f + at, ~sum(f + 34, l4, pseudo));
    }
    if (flags & WEIR_PKT_TX_L3_SUM && finish)
        put16(f + 24, ~sum(f + 14, 20, 0));
    if (flags & WEIR_PKT_TX_VLAN && finish) {
        memmove(f + 16, f + 12, len - 12);
        put16(f + 12, 0x8100);
        put16(f + 14, vlan);
        len += 4;
    }
    return len;
}

/* Cut a packet in up to four pieces. */
static struct weir_pkt *pieces(struct weir_pktcache *cache, const uint8_t *f, uint32_t len)
{
    struct weir_pkt *head = NULL, *last = NULL;
    unsigned n = 2 + rnd(3);

    for (unsigned i = 0; i < n; i++) {
        struct weir_pkt *s = weir_pkt_alloc(cache);
        uint32_t k = i + 1 < n ? len / n : len - (n - 1) * (len / n), at = i * (len / n);
        assert_non_null(s);
        memcpy(weir_pkt_data(s), f + at, k);
        s->len = (uint16_t)k;
        if (last)
            last->next = s;
        else
            head = s;
        last = s;
    }
    assert_non_null(head);
    head->total = len;
    head->n_segs = (uint8_t)n;
    return head;
}

static void send_random(unsigned width, uint32_t ring)
{
    struct rig r;
    struct weir_pktpool *other;
    struct weir_pktcache *other_cache;
    struct weir_queue_stats qs;
    struct weir_error e;
    uint64_t good = 0, bytes = 0, refused = 0;
    static uint8_t f[2048];

    rig_init(&r);
    const struct weir_pktpool_options po = {.size = sizeof po, .packets = 512};
    other = weir_pktpool_new(r.arena, &po, &e);
    assert_non_null(other);
    other_cache = weir_pktcache_new(other, &e);
    assert_non_null(other_cache);
    struct weir_port_options o = rig_options(&r);
    o.simd_bits = width;
    o.tx_ring = ring;
    o.rx_ring = 512;
    o.promiscuous = true;
    struct weir_port *port = rig_up(&r, "model:x540?wire=loopback", &o);
    struct weir_txq *tx = weir_port_txq(port, 0);
    seed = 99 + ring;
    uint32_t like = 0;
    for (unsigned round = 0; round < ROUNDS / 4; round++) {
        struct weir_pkt *k[48], *twice[48];
        unsigned n = rnd(40), n_twice = 0;
        bool wild = rnd(3) == 0;
        n_sent = 0;
        /* What is asked for stays the same for a while. */
        if (rnd(3) == 0)
            like = rnd(8) << 16 | (rnd(2) ? WEIR_PKT_TCP : WEIR_PKT_UDP) | WEIR_PKT_IPV4;
        for (unsigned i = 0; i < n; i++) {
            uint32_t flags =
                wild && rnd(4) == 0 ? rnd(8) << 16 | WEIR_PKT_IPV4 | WEIR_PKT_UDP : like;
            uint32_t len = 60 + rnd(wild ? 1455 : 200);
            uint16_t vlan = (uint16_t)(wild ? rnd(4) : 5);
            unsigned odd = wild ? rnd(16) : 15;
            struct weir_pktcache *cache = odd == 0 ? other_cache : r.cache;
            struct weir_pkt *p;
            bool bad = false;
            make(f, len, flags, vlan, n + i, false);
            if (odd == 1) {
                p = pieces(cache, f, len);
            } else {
                p = weir_pkt_alloc(cache);
                assert_non_null(p);
                if (odd == 2)
                    p->off = (uint16_t)rnd(WEIR_PKT_HEADROOM);
                memcpy(weir_pkt_data(p), f, len);
                weir_pkt_set_len(p, (uint16_t)len);
            }
            p->flags = flags;
            p->l2_len = 14;
            p->l3_len = 20;
            p->vlan = vlan;
            switch (odd) {
            case 3: /* too long for the buffer */
                p->off = (uint16_t)(p->room - len + 1);
                bad = true;
                break;
            case 4:
                p->total = len + 1;
                bad = true;
                break;
            case 5: /* too long for the MTU */
                weir_pkt_set_len(p, 1519);
                bad = true;
                break;
            case 6:
                p->n_segs = 2;
                bad = true;
                break;
            case 7: /* headers that cannot be */
                p->l3_len = 16;
                bad = flags & (WEIR_PKT_TX_L3_SUM | WEIR_PKT_TX_L4_SUM);
                break;
            case 9: /* claims to be whole */
                p->next = weir_pkt_from(r.cache, f, 60);
                assert_non_null(p->next);
                bad = true;
                break;
            case 8: /* held by somebody else, too */
                p->refs = 2;
                twice[n_twice++] = p;
                break;
            }
            k[i] = p;
            if (odd == 10) { /* too short for the device: the driver pads */
                p->flags = flags = 0;
                weir_pkt_set_len(p, (uint16_t)(14 + rnd(4)));
            }
            if (!bad)
                bytes += p->total;
            if (bad)
                refused++;
            else if (odd == 10)
                memset(sent[n_sent], 0, 60), memcpy(sent[n_sent], f, p->len),
                    sent_len[n_sent++] = 60;
            else
                sent_len[n_sent] = make(sent[n_sent], len, flags, vlan, n + i, true), n_sent++;
        }
        /* In bursts that need not be whole. */
        unsigned done = 0, next = 0;
        uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;
        while (done < n || next < n_sent) {
            struct weir_pkt *p;
            if (done < n)
                done += weir_tx_burst(tx, k + done, n - done);
            weir_models_step(r.w, 64);
            while (weir_rx_burst(weir_port_rxq(port, 0), &p, 1)) {
                assert_true(next < n_sent);
                rig_check(p, sent[next], sent_len[next]);
                rig_free(&r, p);
                next++;
            }
            assert_true(rig_now_ms() < end);
        }
        good += n_sent;
        weir_txq_reclaim(tx);
        for (unsigned i = 0; i < n_twice; i++) {
            assert_int_equal(twice[i]->refs, 1);
            rig_free(&r, twice[i]);
        }
    }
    rig_no_recv(&r, port);
    weir_txq_stats(tx, &qs);
    assert_int_equal(qs.packets, good);
    assert_int_equal(qs.bytes, bytes);
    assert_int_equal(qs.dropped, refused);
    assert_true(good > ROUNDS && refused > 100);
    /* All of it comes back, of whatever pool. */
    weir_txq_reclaim(tx);
    assert_int_equal(((struct x540_txq *)tx)->used, 0);
    rig_close(port);
    weir_pktcache_free(other_cache);
    uint32_t available;
    weir_pktpool_count(other, NULL, &available);
    assert_int_equal(available, 512);
    assert_int_equal(weir_pktpool_free(other, &e), 0);
    rig_done(&r);
}

static void any_packet_is_sent_alike(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N_WIDTHS; i++)
        if (has(widths[i])) {
            send_random(widths[i], 64);
            send_random(widths[i], 72);
            send_random(widths[i], 512);
        }
}

/* 7.2: PAYLEN is at least 17. The model pads shorter frames, the device need not. */
static void short_frames_are_padded_by_every_path(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N_WIDTHS; i++) {
        struct rig r;
        struct weir_pkt *k[8];
        uint8_t f[17];
        if (!has(widths[i]))
            continue;
        rig_init(&r);
        struct weir_port_options o = rig_options(&r);
        o.simd_bits = widths[i];
        struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", &o);
        struct x540_txq *q = (struct x540_txq *)weir_port_txq(p, 0);
        memset(f, 0xff, sizeof f);
        for (unsigned n = 0; n < 8; n++)
            assert_non_null(k[n] = weir_pkt_from(r.cache, f, 14 + n / 2));
        assert_int_equal(weir_tx_burst(&q->base.pub, k, 8), 8);
        for (unsigned n = 0; n < 8; n++) {
            uint32_t len = weir_field_get(q->descs[n].read.cmd_type_len, X540_TXD_DTALEN);
            assert_int_equal(len, 17);
            assert_int_equal(weir_field_get(q->descs[n].read.olinfo_status, X540_TXD_PAYLEN), 17);
            for (uint32_t at = 14 + n / 2; at < 17; at++)
                assert_int_equal(weir_pkt_data(k[n])[at], 0);
        }
        rig_settle(&r);
        rig_close(p);
        rig_done(&r);
    }
}

/* Checksums of headers that a packet is too short for: refused whatever came before it. */
static void headers_have_to_be_there(void **state)
{
    enum { GOOD = 16, SHORT = 12 };
    static const uint32_t wishes[] = {
        WEIR_PKT_TX_L4_SUM | WEIR_PKT_IPV4 | WEIR_PKT_UDP, /* 42 bytes of headers */
        WEIR_PKT_TX_L4_SUM | WEIR_PKT_IPV4 | WEIR_PKT_TCP, /* 54 */
        WEIR_PKT_TX_L3_SUM,                                /* 34 */
    };
    static const uint32_t least[] = {42, 54, 34};
    uint8_t f[64] = {0};
    (void)state;

    for (unsigned i = 0; i < 3 * N_WIDTHS; i++) {
        struct rig r;
        struct weir_pkt *k[GOOD + SHORT];
        struct weir_queue_stats s;
        uint32_t wish = wishes[i % 3], enough = least[i % 3];
        if (!has(widths[i / 3]))
            continue;
        rig_init(&r);
        struct weir_port_options o = rig_options(&r);
        o.simd_bits = widths[i / 3];
        struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", &o);
        for (unsigned n = 0; n < GOOD + SHORT; n++) {
            assert_non_null(k[n] = weir_pkt_from(r.cache, f, n < GOOD ? enough : enough - 1));
            k[n]->flags = wish;
            k[n]->l2_len = 14;
            k[n]->l3_len = 20;
        }
        assert_int_equal(weir_tx_burst(weir_port_txq(p, 0), k, GOOD + SHORT), GOOD + SHORT);
        weir_txq_stats(weir_port_txq(p, 0), &s);
        assert_int_equal(s.packets, GOOD);
        assert_int_equal(s.dropped, SHORT);
        rig_settle(&r);
        rig_close(p);
        rig_done(&r);
    }
}

static unsigned contexts(const struct x540_txq *q, uint32_t from)
{
    unsigned n = 0;

    for (; from != q->next; from = (from + 1) % q->count)
        n += weir_field_get(q->descs[from].read.cmd_type_len, X540_TXD_DTYP) == X540_DTYP_CONTEXT;
    return n;
}

/* Packets of two kinds take a context each, once, however they are mixed; a third takes the place
 * of the one that was of no use for longest. */
static void two_wishes_take_two_contexts(void **state)
{
    static const struct {
        const char *tags; /* one each, "-" for none */
        unsigned contexts;
    } rounds[] = {{"aaaaaaaa", 1},
                  {"bbbbbbbb", 1},
                  {"ababababbabaabab", 0},
                  {"aaaa----bbbb-a-b", 0},
                  {"a---c", 1},
                  {"acacacaccccca", 0},
                  {"---b", 1},
                  {"abab", 0},
                  {"cdcdcdcd", 2},
                  {"baba", 2}};
    enum { N_ROUNDS = sizeof rounds / sizeof rounds[0] };
    uint8_t f[60] = {0};
    (void)state;

    for (unsigned i = 0; i < N_WIDTHS; i++) {
        struct rig r;
        if (!has(widths[i]))
            continue;
        rig_init(&r);
        struct weir_port_options o = rig_options(&r);
        o.simd_bits = widths[i];
        o.promiscuous = true;
        struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", &o);
        struct x540_txq *q = (struct x540_txq *)weir_port_txq(p, 0);
        for (unsigned n = 0; n < 2 * N_ROUNDS; n++) {
            const char *tags = rounds[n % N_ROUNDS].tags;
            unsigned len = (unsigned)strlen(tags);
            struct weir_pkt *k[16];
            uint32_t from = q->next;
            for (unsigned j = 0; j < len; j++) {
                assert_non_null(k[j] = weir_pkt_from(r.cache, f, sizeof f));
                k[j]->flags = tags[j] == '-' ? 0 : WEIR_PKT_TX_VLAN;
                k[j]->vlan = (uint16_t)tags[j];
            }
            assert_int_equal(weir_tx_burst(&q->base.pub, k, len), len);
            assert_int_equal(contexts(q, from), rounds[n % N_ROUNDS].contexts);
            for (unsigned j = 0; j < len; j++) {
                struct weir_pkt *got = rig_recv(&r, p, 0);
                assert_non_null(got);
                assert_int_equal(got->total, tags[j] == '-' ? 60 : 64);
                if (tags[j] != '-')
                    assert_int_equal(weir_pkt_data(got)[15], tags[j]);
                rig_free(&r, got);
            }
            if (n == N_ROUNDS - 1) { /* started again, the device knows no context */
                weir_port_stop(p, NULL);
                rig_start(&r, p);
            }
        }
        rig_close(p);
        rig_done(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_packet_is_sent_alike),
        cmocka_unit_test(short_frames_are_padded_by_every_path),
        cmocka_unit_test(headers_have_to_be_there),
        cmocka_unit_test(two_wishes_take_two_contexts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
