/* SPDX-License-Identifier: BSD-3-Clause */
/* The X540 driver on the X540 model, one queue each way. */
#include "x540_rig.h"

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static uint8_t frame[32768];

static void bring_up(void **state)
{
    struct rig r;
    struct weir_port_info info;
    struct weir_device_info dev;
    struct weir_event ev[4];
    struct weir_link link;
    (void)state;
    rig_init(&r);
    struct weir_port *p =
        rig_open(&r, "model:x540?wire=loopback&mac=02:11:22:33:44:55&autoneg=50", NULL);
    weir_device_info(weir_port_device(p), &dev);
    assert_int_equal(dev.vendor, 0x8086);
    assert_int_equal(dev.device, 0x1528);
    weir_port_info(p, &info);
    assert_string_equal(info.driver, "x540");
    assert_memory_equal(info.mac, "\x02\x11\x22\x33\x44\x55", 6);
    assert_int_equal(info.max_rx_queues, 128);
    assert_int_equal(info.max_tx_queues, 64);
    assert_int_equal(info.rx_ring, 512);
    assert_int_equal(info.max_mtu, 15850);

    /* Negotiating takes its time, and nobody waits for it. */
    uint64_t start = rig_now_ms();
    assert_int_equal(weir_port_start(p, NULL), 0);
    weir_port_link(p, &link);
    assert_false(link.up);
    assert_int_equal(weir_events(r.w, ev, 4), 0);
    while (!weir_events(r.w, ev, 4)) {
        weir_models_step(r.w, 64);
        assert_true(rig_now_ms() < start + RIG_SECONDS * 1000);
    }
    assert_true(rig_now_ms() - start >= 45);
    assert_int_equal(ev[0].type, WEIR_EVENT_LINK);
    assert_ptr_equal(ev[0].port, p);
    assert_true(ev[0].link_up);
    weir_port_link(p, &link);
    assert_true(link.up);
    assert_int_equal(link.mbps, 10000);
    assert_true(link.full_duplex);
    weir_port_info(p, &info);
    assert_true(info.started);
    assert_non_null(info.rx_path); /* which one depends on the CPU: see test_x540_paths.c */
    assert_string_equal(info.rx_path, info.tx_path);
    rig_close(p);
    rig_done(&r);
}

static void every_size_comes_back_as_it_was(void **state)
{
    struct rig r;
    uint8_t mac[6];
    (void)state;
    rig_init(&r);
    struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", NULL);
    rig_mac(p, mac);
    for (uint32_t len = 60; len <= 1514; len++) {
        rig_frame(frame, len, mac, 0x88b5, len);
        rig_send(&r, p, 0, frame, len);
        struct weir_pkt *k = rig_recv(&r, p, 0);
        assert_non_null(k);
        rig_check(k, frame, len);
        assert_int_equal(k->n_segs, 1);
        assert_int_equal(k->off, WEIR_PKT_HEADROOM);
        assert_int_equal(k->queue, 0);
        assert_int_equal(k->flags & (WEIR_PKT_VLAN | WEIR_PKT_IPV4 | WEIR_PKT_L3_BAD), 0);
        rig_free(&r, k);
    }
    /* With a tag it may be four longer. */
    rig_frame(frame, 1518, mac, 0x8100, 1);
    rig_send(&r, p, 0, frame, 1518);
    struct weir_pkt *k = rig_recv(&r, p, 0);
    assert_non_null(k);
    rig_check(k, frame, 1518);
    rig_free(&r, k);
    rig_close(p);
    rig_done(&r);
}

static void short_frames_are_padded(void **state)
{
    struct rig r;
    uint8_t mac[6];
    (void)state;
    rig_init(&r);
    struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", NULL);
    rig_mac(p, mac);
    for (uint32_t len = 14; len < 60; len++) {
        rig_frame(frame, len, mac, 0x88b5, len);
        rig_send(&r, p, 0, frame, len);
        struct weir_pkt *k = rig_recv(&r, p, 0);
        assert_non_null(k);
        memset(frame + len, 0, 60 - len);
        rig_check(k, frame, 60);
        rig_free(&r, k);
    }
    rig_close(p);
    rig_done(&r);
}

/* Over every shape of buffer that matters: chained, and just not. */
static void long_frames(uint32_t room, uint32_t mtu, bool scattered)
{
    struct rig r;
    struct weir_port_info info;
    uint8_t mac[6];

    rig_init_room(&r, 2048, room);
    struct weir_port_options o = rig_options(&r);
    o.mtu = mtu;
    struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", &o);
    rig_mac(p, mac);
    weir_port_info(p, &info);
    assert_int_equal(strstr(info.rx_path, "scattered") != NULL, scattered);
    uint32_t lens[] = {60,       room - 1, room, room + 1, 2 * room - 1, 2 * room, 2 * room + 1,
                       4 * room, 1514,     9000, 9014,     mtu + 13,     mtu + 14};
    for (unsigned i = 0; i < 3 * sizeof lens / sizeof lens[0]; i++) {
        uint32_t len = lens[i % (sizeof lens / sizeof lens[0])];
        if (len < 60 || len > mtu + 14)
            continue;
        rig_frame(frame, len, mac, 0x88b5, i);
        rig_send(&r, p, 0, frame, len);
        struct weir_pkt *k = rig_recv(&r, p, 0);
        assert_non_null(k);
        rig_check(k, frame, len);
        assert_int_equal(k->n_segs, (len + room - 1) / room);
        for (struct weir_pkt *s = k; s; s = s->next)
            assert_true(s->off == WEIR_PKT_HEADROOM && s->len <= room);
        rig_free(&r, k);
    }
    /* The longest with a tag. */
    rig_frame(frame, mtu + 18, mac, 0x8100, 3);
    rig_send(&r, p, 0, frame, mtu + 18);
    struct weir_pkt *k = rig_recv(&r, p, 0);
    assert_non_null(k);
    rig_check(k, frame, mtu + 18);
    rig_free(&r, k);
    rig_close(p);
    rig_done(&r);
}

static void jumbo_frames_cross_in_chained_buffers(void **state)
{
    (void)state;
    long_frames(2048, 9000, true);
    long_frames(2048, 15850, true);
    long_frames(1024, 1500, true);
    long_frames(1024, 600, true); /* the MAC takes standard frames all the same */
    long_frames(1024, 15850, true);
    long_frames(16384, 15850, false);
    long_frames(2048, 2030, false);
    long_frames(2048, 2031, true);
}

static void chains_of_any_shape_are_sent(void **state)
{
    struct rig r;
    uint8_t mac[6];
    (void)state;
    rig_init(&r);
    struct weir_port_options o = rig_options(&r);
    o.mtu = 9000;
    o.tx_ring = 64;
    struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", &o);
    rig_mac(p, mac);
    srand(3);
    for (int round = 0; round < 500; round++) {
        unsigned n = 1 + (unsigned)rand() % WEIR_PKT_MAX_SEGS;
        struct weir_pkt *head = NULL, *last = NULL;
        uint32_t total = 0;
        static uint8_t seg[1024];
        for (unsigned i = 0; i < n; i++) {
            /* All in all a header at least, and few bytes in some segments. */
            uint16_t len =
                (uint16_t)(i == 0 ? 14 + rand() % 200 : 1 + rand() % (rand() & 1 ? 280 : 4));
            struct weir_pkt *k = weir_pkt_alloc(r.cache);
            assert_non_null(k);
            k->off = (uint16_t)(rand() % 200);
            rig_frame(seg, 1024, mac, 0x88b5, (uint32_t)round);
            memcpy(weir_pkt_data(k), seg, len);
            if (i)
                memset(weir_pkt_data(k), round + (int)i, len);
            k->len = len;
            memcpy(frame + total, weir_pkt_data(k), len);
            total += len;
            if (last)
                last->next = k;
            else
                head = k;
            last = k;
        }
        assert_non_null(head);
        head->total = total;
        head->n_segs = (uint8_t)n;
        uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;
        while (!weir_tx_burst(weir_port_txq(p, 0), &head, 1)) {
            weir_models_step(r.w, 64);
            assert_true(rig_now_ms() < end);
        }
        if (total < 60) {
            memset(frame + total, 0, 60 - total);
            total = 60;
        }
        struct weir_pkt *k = rig_recv(&r, p, 0);
        assert_non_null(k);
        rig_check(k, frame, total);
        rig_free(&r, k);
    }
    rig_close(p);
    rig_done(&r);
}

static void frames_longer_than_the_mtu_are_refused(void **state)
{
    struct rig r;
    uint8_t mac[6];
    struct weir_queue_stats qs;
    struct weir_port_stats s;
    struct weir_error e;
    (void)state;
    rig_init(&r);
    struct weir_port_options o = rig_options(&r);
    struct weir_port *a, *b;
    o.mtu = 9000;
    rig_pair(&r, &a, NULL, &b, &o);
    struct weir_txq *tx = weir_port_txq(a, 0);
    rig_mac(b, mac);
    rig_frame(frame, 9014, mac, 0x88b5, 1);

    struct weir_pkt *k = weir_pkt_from(r.cache, frame, 1519);
    assert_int_equal(weir_tx_check(tx, k, &e), -EMSGSIZE);
    assert_string_equal(e.code, "tx-too-long");
    assert_non_null(strstr(e.why, "1519"));
    assert_non_null(strstr(e.why, "1500"));
    /* Taken and counted, as the caller could not do anything with it; the others go. */
    struct weir_pkt *three[3] = {weir_pkt_from(r.cache, frame, 100), k,
                                 weir_pkt_from(r.cache, frame, 200)};
    assert_int_equal(weir_tx_burst(tx, three, 3), 3);
    weir_txq_stats(tx, &qs);
    assert_int_equal(qs.dropped, 1);
    assert_int_equal(qs.packets, 2);
    assert_int_equal(qs.bytes, 300);
    k = rig_recv(&r, b, 0);
    rig_check(k, frame, 100);
    rig_free(&r, k);
    k = rig_recv(&r, b, 0);
    rig_check(k, frame, 200);
    rig_free(&r, k);
    rig_no_recv(&r, b);

    /* A chain that lies about itself. */
    k = weir_pkt_from(r.cache, frame, 100);
    k->n_segs = 2;
    assert_int_equal(weir_tx_burst(tx, &k, 1), 1);
    k = weir_pkt_from(r.cache, frame, 100);
    k->total = 90;
    assert_int_equal(weir_tx_burst(tx, &k, 1), 1);
    k = weir_pkt_from(r.cache, frame, 13);
    assert_int_equal(weir_tx_burst(tx, &k, 1), 1);
    k = weir_pkt_from(r.cache, frame, 100);
    k->off = k->room;
    assert_int_equal(weir_tx_burst(tx, &k, 1), 1);
    weir_txq_stats(tx, &qs);
    assert_int_equal(qs.dropped, 5);
    rig_no_recv(&r, b);

    /* The other way: the MAC refuses what it was not told to take. */
    rig_mac(a, mac);
    rig_frame(frame, 9014, mac, 0x88b5, 2);
    rig_send(&r, b, 0, frame, 1515);
    rig_no_recv(&r, a);
    assert_int_equal(weir_port_stats(a, &s, NULL), 0);
    assert_int_equal(s.rx_errors, 1);
    assert_int_equal(s.rx_packets, 0);
    rig_close(a);
    rig_close(b);
    rig_done(&r);
}

static void refuse(struct rig *r, const struct weir_port_options *o, const char *code,
                   const char *limits)
{
    struct weir_error e = {0};
    assert_null(weir_port_open(r->w, "model:x540?wire=loopback", o, &e));
    assert_string_equal(e.code, code);
    if (!strstr(e.why, limits))
        weir_error_print(&e, stderr);
    assert_non_null(strstr(e.why, limits));
}

static void what_the_device_cannot_is_told(void **state)
{
    struct rig r;
    struct weir_port_options o;
    (void)state;
    rig_init(&r);
#define REFUSE(member, value, code, limits)                                                        \
    o = rig_options(&r);                                                                           \
    o.member = value;                                                                              \
    refuse(&r, &o, code, limits)
    REFUSE(rx_queues, 129, "port-queues", "at most 128 and 64");
    REFUSE(tx_queues, 65, "port-queues", "at most 128 and 64");
    REFUSE(rx_ring, 56, "port-ring", "64 to 4096");
    REFUSE(rx_ring, 4104, "port-ring", "64 to 4096");
    REFUSE(tx_ring, 100, "port-ring", "multiples of 8");
    REFUSE(mtu, 67, "port-mtu", "68 to 15850");
    REFUSE(mtu, 15851, "port-mtu", "68 to 15850");
    REFUSE(pool, NULL, "port-pool", "pool");
    REFUSE(rx_queues, 9, "port-pool", "take 4608");
    struct weir_pktpool_options po = {.size = sizeof po, .packets = 600, .data_room = 1536};
    struct weir_pktpool *odd = weir_pktpool_new(r.arena, &po, NULL);
    REFUSE(pool, odd, "port-room", "multiples of 1024");
    assert_int_equal(weir_pktpool_free(odd, NULL), 0);

    struct weir_error e;
    o = rig_options(&r);
    assert_null(weir_port_open(r.w, "model:x540?wire=loopback&nvm=bad", &o, &e));
    assert_string_equal(e.code, "x540-nvm-checksum");
    rig_done(&r);
}

/* Send from one port of a cable; does it arrive at the other? */
static bool arrives(struct rig *r, struct weir_port *from, struct weir_port *to,
                    const uint8_t dst[6])
{
    struct weir_pkt *k;
    rig_frame(frame, 100, dst, 0x88b5, dst[5]);
    rig_send(r, from, 0, frame, 100);
    rig_settle(r);
    if (!weir_rx_burst(weir_port_rxq(to, 0), &k, 1))
        return false;
    rig_check(k, frame, 100);
    rig_free(r, k);
    return true;
}

static void only_what_is_asked_for_is_received(void **state)
{
    static const uint8_t other[6] = {2, 9, 9, 9, 9, 9}, multicast[6] = {1, 0, 0x5e, 0, 0, 7};
    static const uint8_t mine[6] = {2, 0, 0, 0, 0xab, 0xcd};
    struct rig r;
    struct weir_port_info info;
    uint8_t mac[6];
    (void)state;
    rig_init(&r);
    struct weir_port_options o = rig_options(&r);
    struct weir_port *a, *b;
    rig_pair(&r, &a, NULL, &b, NULL);
    rig_mac(b, mac);
    assert_true(arrives(&r, a, b, mac));
    assert_true(arrives(&r, a, b, broadcast));
    assert_false(arrives(&r, a, b, other));
    assert_false(arrives(&r, a, b, multicast));

    assert_int_equal(weir_port_set_promiscuous(b, true, NULL), 0);
    assert_true(arrives(&r, a, b, mac));
    assert_true(arrives(&r, a, b, other));
    assert_true(arrives(&r, a, b, multicast));
    assert_int_equal(weir_port_set_promiscuous(b, false, NULL), 0);
    assert_false(arrives(&r, a, b, other));

    assert_int_equal(weir_port_set_mac(b, mine, NULL), 0);
    assert_true(arrives(&r, a, b, mine));
    assert_false(arrives(&r, a, b, mac));
    /* Settings outlive a stop. */
    weir_port_set_promiscuous(b, true, NULL);
    weir_port_stop(b, NULL);
    rig_start(&r, b);
    weir_port_info(b, &info);
    assert_memory_equal(info.mac, mine, 6);
    assert_true(info.promiscuous);
    assert_true(arrives(&r, a, b, mine));
    assert_true(arrives(&r, a, b, other));
    weir_port_set_promiscuous(b, false, NULL);
    assert_true(arrives(&r, a, b, mine));
    assert_false(arrives(&r, a, b, mac));
    rig_close(b);

    o.all_multicast = true;
    memcpy(o.mac, mine, 6);
    b = rig_up(&r, "model:x540?wire=cable:c", &o);
    rig_link(&r, a, true);
    assert_true(arrives(&r, a, b, mine));
    assert_true(arrives(&r, a, b, multicast));
    assert_false(arrives(&r, a, b, mac));
    assert_false(arrives(&r, a, b, other));
    rig_close(a);
    rig_close(b);
    rig_done(&r);
}

static void tags_are_stripped_if_asked(void **state)
{
    struct rig r;
    uint8_t mac[6];
    struct weir_pkt *k;
    (void)state;
    for (int mtu = 1500; mtu <= 9000; mtu += 7500) {
        rig_init(&r);
        struct weir_port_options o = rig_options(&r);
        o.mtu = (uint32_t)mtu;
        o.vlan_strip = true;
        struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", &o);
        rig_mac(p, mac);
        rig_frame(frame, 200, mac, 0x8100, 1);
        frame[14] = 0x61; /* priority 3, VLAN 0x123 */
        frame[15] = 0x23;
        rig_send(&r, p, 0, frame, 200);
        k = rig_recv(&r, p, 0);
        assert_non_null(k);
        assert_true(k->flags & WEIR_PKT_VLAN);
        assert_int_equal(k->vlan, 0x6123);
        memmove(frame + 12, frame + 16, 184);
        rig_check(k, frame, 196);
        rig_free(&r, k);
        rig_frame(frame, 200, mac, 0x88b5, 1); /* not tagged */
        rig_send(&r, p, 0, frame, 200);
        k = rig_recv(&r, p, 0);
        assert_false(k->flags & WEIR_PKT_VLAN);
        assert_int_equal(k->vlan, 0);
        rig_check(k, frame, 200);
        rig_free(&r, k);
        rig_close(p);

        p = rig_up(&r, "model:x540?wire=loopback", NULL);
        rig_frame(frame, 200, mac, 0x8100, 1);
        rig_send(&r, p, 0, frame, 200);
        k = rig_recv(&r, p, 0);
        assert_false(k->flags & WEIR_PKT_VLAN);
        rig_check(k, frame, 200);
        rig_free(&r, k);
        rig_close(p);
        rig_done(&r);
    }
}

static uint16_t sum16(const uint8_t *p, uint32_t len, uint32_t sum)
{
    for (uint32_t i = 0; i < len; i++)
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* An IPv4 packet of so many bytes, with the right checksums. */
static void make_ipv4(uint8_t *f, uint32_t len, const uint8_t mac[6], uint8_t protocol)
{
    uint32_t l4 = len - 34, at = protocol == 6 ? 16 : 6;
    uint16_t sum;

    rig_frame(f, len, mac, 0x0800, 5);
    memset(f + 14, 0, 20);
    f[14] = 0x45;
    f[16] = (uint8_t)((len - 14) >> 8);
    f[17] = (uint8_t)(len - 14);
    f[22] = 64;
    f[23] = protocol;
    memcpy(f + 26, "\x0a\x01\x02\x03\x0a\x04\x05\x06", 8);
    sum = sum16(f + 14, 20, 0);
    f[24] = (uint8_t)(sum >> 8);
    f[25] = (uint8_t)sum;
    f[38] = (uint8_t)(l4 >> 8); /* UDP length; in TCP any number will do */
    f[39] = (uint8_t)l4;
    f[46] = 0x50; /* TCP: a header of 20 bytes; in UDP data */
    f[34 + at] = f[35 + at] = 0;
    sum = sum16(f + 34, l4, (uint32_t)protocol + l4 + 0x0a01 + 0x0203 + 0x0a04 + 0x0506);
    f[34 + at] = (uint8_t)(sum >> 8);
    f[35 + at] = (uint8_t)sum;
}

static uint32_t flags_of(struct rig *r, struct weir_port *p, uint32_t len)
{
    rig_send(r, p, 0, frame, len);
    struct weir_pkt *k = rig_recv(r, p, 0);
    assert_non_null(k);
    rig_check(k, frame, len);
    uint32_t flags = k->flags;
    rig_free(r, k);
    return flags;
}

static void metadata_says_what_the_device_found(void **state)
{
    struct rig r;
    uint8_t mac[6];
    (void)state;
    rig_init(&r);
    struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", NULL);
    rig_mac(p, mac);
    make_ipv4(frame, 100, mac, 17);
    assert_int_equal(flags_of(&r, p, 100), WEIR_PKT_IPV4 | WEIR_PKT_UDP | WEIR_PKT_L3_OK |
                                               WEIR_PKT_L4_OK | WEIR_PKT_HASH);
    frame[60] ^= 1;
    assert_int_equal(flags_of(&r, p, 100), WEIR_PKT_IPV4 | WEIR_PKT_UDP | WEIR_PKT_L3_OK |
                                               WEIR_PKT_L4_BAD | WEIR_PKT_HASH);
    make_ipv4(frame, 100, mac, 6);
    assert_int_equal(flags_of(&r, p, 100), WEIR_PKT_IPV4 | WEIR_PKT_TCP | WEIR_PKT_L3_OK |
                                               WEIR_PKT_L4_OK | WEIR_PKT_HASH);
    frame[25] ^= 1; /* the header's checksum */
    assert_int_equal(flags_of(&r, p, 100) & (WEIR_PKT_L3_OK | WEIR_PKT_L3_BAD), WEIR_PKT_L3_BAD);
    rig_frame(frame, 100, mac, 0x88b5, 1);
    assert_int_equal(flags_of(&r, p, 100), 0);
    rig_close(p);
    rig_done(&r);
}

static void statistics_are_exact(void **state)
{
    struct rig r;
    struct weir_port *p[2];
    uint64_t packets[2] = {0, 0}, bytes[2] = {0, 0};
    (void)state;
    rig_init(&r);
    struct weir_port_options o = rig_options(&r);
    o.mtu = 9000;
    rig_pair(&r, &p[0], &o, &p[1], &o);
    srand(11);
    for (int i = 0; i < 6000; i++) {
        unsigned from = (unsigned)rand() & 1, to = !from;
        uint32_t len = 60 + (uint32_t)rand() % (i % 10 ? 1455 : 8955);
        struct weir_pkt *k[32];
        uint8_t mac[6];
        rig_mac(p[to], mac);
        rig_frame(frame, len, mac, 0x88b5, (uint32_t)i);
        rig_send(&r, p[from], 0, frame, len);
        packets[from]++;
        bytes[from] += len;
        if (i % 16 == 15) {
            rig_settle(&r);
            for (unsigned q = 0; q < 2; q++)
                weir_pkt_free_bulk(r.cache, k, weir_rx_burst(weir_port_rxq(p[q], 0), k, 32));
        }
        if (i % 1000 == 500) { /* a stop in between loses no count */
            rig_settle(&r);
            for (unsigned q = 0; q < 2; q++)
                weir_pkt_free_bulk(r.cache, k, weir_rx_burst(weir_port_rxq(p[q], 0), k, 32));
            weir_port_stop(p[0], NULL);
            rig_start(&r, p[0]);
        }
    }
    rig_settle(&r);
    struct weir_pkt *k[64];
    for (unsigned q = 0; q < 2; q++)
        weir_pkt_free_bulk(r.cache, k, weir_rx_burst(weir_port_rxq(p[q], 0), k, 64));
    for (unsigned q = 0; q < 2; q++) {
        struct weir_port_stats s;
        struct weir_queue_stats rx, tx;
        struct weir_model_stats m;
        assert_int_equal(weir_port_stats(p[q], &s, NULL), 0);
        weir_rxq_stats(weir_port_rxq(p[q], 0), &rx);
        weir_txq_stats(weir_port_txq(p[q], 0), &tx);
        weir_model_stats(rig_model(p[q]), &m);
        assert_int_equal(s.tx_packets, packets[q]);
        assert_int_equal(s.tx_bytes, bytes[q]);
        assert_int_equal(s.rx_packets, packets[!q]);
        assert_int_equal(s.rx_bytes, bytes[!q]);
        assert_int_equal(s.rx_missed + s.rx_errors + s.rx_no_buffer + s.rx_bad_descriptor, 0);
        assert_int_equal(m.tx_frames, packets[q]);
        assert_int_equal(m.tx_bytes, bytes[q]);
        assert_int_equal(m.rx_frames, packets[!q]);
        assert_int_equal(m.rx_bytes, bytes[!q]);
        assert_int_equal(rx.packets, packets[!q]);
        assert_int_equal(rx.bytes, bytes[!q]);
        assert_int_equal(tx.packets, packets[q]);
        assert_int_equal(tx.bytes, bytes[q]);
        assert_int_equal(weir_port_stats_reset(p[q], NULL), 0);
        weir_port_stats(p[q], &s, NULL);
        assert_int_equal(s.tx_packets + s.rx_packets + s.rx_bytes + s.tx_bytes, 0);
    }
    rig_close(p[0]);
    rig_close(p[1]);
    rig_done(&r);
}

static void stopping_and_starting_leaks_nothing(void **state)
{
    struct rig r;
    uint8_t mac[6];
    (void)state;
    rig_init(&r);
    struct weir_port_options o = rig_options(&r);
    o.mtu = 9000;
    struct weir_port *p = rig_open(&r, "model:x540?wire=loopback", &o);
    rig_mac(p, mac);
    rig_frame(frame, 9000, mac, 0x88b5, 1);
    for (unsigned i = 0; i < 50; i++) {
        uint32_t available, held;
        rig_start(&r, p);
        /* Leave it in the midst of things: some sent, some received, some fetched. */
        for (unsigned k = 0; k < i; k++)
            rig_send(&r, p, 0, frame, k % 3 ? 80 : 9000);
        weir_models_step(r.w, i);
        struct weir_pkt *got[64];
        weir_pkt_free_bulk(r.cache, got, weir_rx_burst(weir_port_rxq(p, 0), got, i / 2));
        assert_int_equal(weir_port_stop(p, NULL), 0);
        weir_pktpool_count(r.pool, NULL, &available);
        /* What is not in the pool is in the test's own cache. */
        weir_pktcache_free(r.cache);
        weir_pktpool_count(r.pool, NULL, &held);
        assert_int_equal(held, r.packets);
        assert_true(available <= held);
        r.cache = weir_pktcache_new(r.pool, NULL);
    }
    /* And it still works. */
    rig_start(&r, p);
    rig_settle(&r); /* what the wire still held */
    struct weir_pkt *k[64];
    while (weir_rx_burst(weir_port_rxq(p, 0), k, 1))
        rig_free(&r, k[0]);
    rig_send(&r, p, 0, frame, 9000);
    k[0] = rig_recv(&r, p, 0);
    rig_check(k[0], frame, 9000);
    rig_free(&r, k[0]);
    rig_close(p);
    rig_done(&r);
}

static void a_second_port_can_share_everything(void **state)
{
    struct rig r;
    uint8_t mac[6];
    (void)state;
    rig_init(&r);
    struct weir_port_options o = rig_options(&r);
    o.promiscuous = true;
    /* a -- b, and c -- d: what b receives goes out of c, unchanged and uncopied. */
    struct weir_port *a, *b;
    rig_pair(&r, &a, &o, &b, &o);
    struct weir_port *c = rig_open(&r, "model:x540?wire=cable:2", &o);
    struct weir_port *d = rig_open(&r, "model:x540?wire=cable:2", &o);
    rig_start(&r, c);
    rig_start(&r, d);
    rig_mac(d, mac);
    for (uint32_t len = 60; len <= 1514; len += 7) {
        rig_frame(frame, len, mac, 0x88b5, len);
        rig_send(&r, a, 0, frame, len);
        struct weir_pkt *k = rig_recv(&r, b, 0);
        assert_non_null(k);
        assert_int_equal(weir_tx_burst(weir_port_txq(c, 0), &k, 1), 1);
        k = rig_recv(&r, d, 0);
        assert_non_null(k);
        rig_check(k, frame, len);
        rig_free(&r, k);
    }
    rig_close(a);
    rig_close(b);
    rig_close(c);
    rig_close(d);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bring_up),
        cmocka_unit_test(every_size_comes_back_as_it_was),
        cmocka_unit_test(short_frames_are_padded),
        cmocka_unit_test(jumbo_frames_cross_in_chained_buffers),
        cmocka_unit_test(chains_of_any_shape_are_sent),
        cmocka_unit_test(frames_longer_than_the_mtu_are_refused),
        cmocka_unit_test(what_the_device_cannot_is_told),
        cmocka_unit_test(only_what_is_asked_for_is_received),
        cmocka_unit_test(tags_are_stripped_if_asked),
        cmocka_unit_test(metadata_says_what_the_device_found),
        cmocka_unit_test(statistics_are_exact),
        cmocka_unit_test(stopping_and_starting_leaks_nothing),
        cmocka_unit_test(a_second_port_can_share_everything),
    };
    return cmocka_run_group_tests_name("x540_driver", tests, NULL, NULL);
}
