/* SPDX-License-Identifier: BSD-3-Clause */
/* The X540 driver with many queues: RSS, order within a flow, threads. */
#include "x540_rig.h"
#include <pthread.h>
#include <stdatomic.h>

static uint8_t frame[2048];

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

struct vector {
    uint8_t src[16], dst[16];
    uint16_t sport, dport;
    uint32_t hash_ip, hash_ports;
};

/* The verification suite of RSS hashes, "Verifying the RSS hash calculation" (Microsoft). */
static const struct vector ipv4[] = {
    {{66, 9, 149, 187}, {161, 142, 100, 80}, 2794, 1766, 0x323e8fc2, 0x51ccc178},
    {{199, 92, 111, 2}, {65, 69, 140, 83}, 14230, 4739, 0xd718262a, 0xc626b0ea},
    {{24, 19, 198, 95}, {12, 22, 207, 184}, 12898, 38024, 0xd2d0a5de, 0x5c2b394a},
    {{38, 27, 205, 30}, {209, 142, 163, 6}, 48228, 2217, 0x82989176, 0xafc7327f},
    {{153, 39, 163, 191}, {202, 188, 127, 2}, 44251, 1303, 0x5d1809c5, 0x10e828a2},
};
static const struct vector ipv6[] = {
    {{0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 7},
     {0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x00, 0x03, 0, 0, 0, 0, 0, 0, 0, 1},
     2794,
     1766,
     0x2cc18cd5,
     0x40207d3d},
    {{0x3f, 0xfe, 0x05, 0x01, 0x00, 0x08, 0, 0, 0x02, 0x60, 0x97, 0xff, 0xfe, 0x40, 0xef, 0xab},
     {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
     14230,
     4739,
     0x0f0c461c,
     0xdde51bbf},
    {{0x3f, 0xfe, 0x19, 0x00, 0x45, 0x45, 0x00, 0x03, 0x02, 0x00, 0xf8, 0xff, 0xfe, 0x21, 0x67,
      0xcf},
     {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x02, 0x00, 0xf8, 0xff, 0xfe, 0x21, 0x67, 0xcf},
     44251,
     38024,
     0x4b61e985,
     0x02d1feef},
};

/* protocol: 6 TCP, 17 UDP, 253 for experiments (RFC 3692). Returns its length. */
static uint32_t make(const struct vector *v, bool six, uint8_t protocol, const uint8_t mac[6])
{
    uint32_t l4 = six ? 54 : 34;

    rig_frame(frame, 120, mac, six ? 0x86dd : 0x0800, 1);
    memset(frame + 14, 0, l4 - 14);
    if (six) {
        frame[14] = 0x60;
        put16(frame + 18, 120 - l4);
        frame[20] = protocol;
        frame[21] = 64;
        memcpy(frame + 22, v->src, 16);
        memcpy(frame + 38, v->dst, 16);
    } else {
        frame[14] = 0x45;
        put16(frame + 16, 120 - 14);
        frame[22] = 64;
        frame[23] = protocol;
        memcpy(frame + 26, v->src, 4);
        memcpy(frame + 30, v->dst, 4);
    }
    put16(frame + l4, v->sport);
    put16(frame + l4 + 2, v->dport);
    if (protocol == 17)
        put16(frame + l4 + 4, 120 - l4);
    else
        frame[l4 + 12] = 0x50;
    return 120;
}

/* The queue that the packet came in by; its hash must be that, and the queue the table's. */
static unsigned check_hash(struct rig *r, struct weir_port *p, uint32_t len, uint32_t hash,
                           const uint8_t *reta)
{
    struct weir_pkt *k = NULL;
    unsigned q;

    rig_send(r, p, 0, frame, len);
    rig_settle(r);
    for (q = 0; q < 4 && !k; q++)
        if (!weir_rx_burst(weir_port_rxq(p, q), &k, 1))
            k = NULL;
    assert_non_null(k);
    q--;
    assert_true(k->flags & WEIR_PKT_HASH);
    assert_int_equal(k->hash, hash);
    assert_int_equal(k->queue, q);
    assert_int_equal(q, reta[hash % 128]);
    rig_free(r, k);
    return q;
}

static void published_hashes_match(void **state)
{
    struct rig r;
    uint8_t mac[6], reta[128];
    (void)state;
    rig_init(&r);
    struct weir_port_options o = rig_options(&r);
    o.rx_queues = 4;
    struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", &o);
    rig_mac(p, mac);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 128; i++)
            reta[i] = (uint8_t)(round ? 3 - i / 32 : i % 4);
        if (round) /* another table, while running */
            assert_int_equal(weir_port_set_rss(p, NULL, reta, 128, NULL), 0);
        for (size_t i = 0; i < sizeof ipv4 / sizeof ipv4[0]; i++) {
            check_hash(&r, p, make(&ipv4[i], false, 6, mac), ipv4[i].hash_ports, reta);
            check_hash(&r, p, make(&ipv4[i], false, 17, mac), ipv4[i].hash_ports, reta);
            check_hash(&r, p, make(&ipv4[i], false, 253, mac), ipv4[i].hash_ip, reta);
        }
        for (size_t i = 0; i < sizeof ipv6 / sizeof ipv6[0]; i++) {
            check_hash(&r, p, make(&ipv6[i], true, 6, mac), ipv6[i].hash_ports, reta);
            check_hash(&r, p, make(&ipv6[i], true, 17, mac), ipv6[i].hash_ports, reta);
            check_hash(&r, p, make(&ipv6[i], true, 253, mac), ipv6[i].hash_ip, reta);
        }
    }
    /* Table and key outlive a stop; a key of zeroes hashes everything to zero. */
    static const uint8_t zero[WEIR_RSS_KEY_LEN];
    assert_int_equal(weir_port_set_rss(p, zero, NULL, 0, NULL), 0);
    weir_port_stop(p, NULL);
    rig_start(&r, p);
    assert_int_equal(check_hash(&r, p, make(&ipv4[0], false, 6, mac), 0, reta), 3);
    /* What has no hash goes to queue 0. */
    struct weir_pkt *k;
    rig_frame(frame, 100, mac, 0x88b5, 1);
    rig_send(&r, p, 0, frame, 100);
    k = rig_recv(&r, p, 0);
    assert_non_null(k);
    assert_false(k->flags & WEIR_PKT_HASH);
    rig_free(&r, k);

    struct weir_error e;
    reta[9] = 4;
    assert_int_equal(weir_port_set_rss(p, NULL, reta, 128, &e), -EINVAL);
    assert_non_null(strstr(e.why, "entry 9"));
    rig_close(p);
    rig_done(&r);
}

static void all_queues_work(void **state)
{
    struct rig r;
    uint8_t mac[6];
    (void)state;
    rig_init_room(&r, 16384, 1024);
    struct weir_port_options o = rig_options(&r);
    o.rx_queues = 128;
    o.tx_queues = 64;
    o.rx_ring = o.tx_ring = 64;
    struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", &o);
    rig_mac(p, mac);
    for (unsigned q = 0; q < 64; q++) {
        for (unsigned i = 0; i < 100; i++) {
            rig_frame(frame, 200, mac, 0x88b5, q + i);
            rig_send(&r, p, q, frame, 200);
            struct weir_pkt *k = rig_recv(&r, p, 0);
            assert_non_null(k);
            rig_check(k, frame, 200);
            rig_free(&r, k);
        }
    }
    /* RSS reaches 16. */
    unsigned seen = 0;
    for (uint32_t flow = 0; flow < 1000; flow++) {
        struct vector v = ipv4[0];
        struct weir_pkt *k;
        v.sport = (uint16_t)flow;
        rig_send(&r, p, flow % 64, frame, make(&v, false, 17, mac));
        rig_settle(&r);
        for (unsigned q = 0; q < 128; q++)
            while (weir_rx_burst(weir_port_rxq(p, q), &k, 1)) {
                assert_in_range(q, 0, 15);
                seen |= 1u << q;
                rig_free(&r, k);
            }
    }
    assert_int_equal(seen, 0xffff);
    rig_close(p);
    rig_done(&r);
}

/* Offsets in a generated frame: its flow and its number in the flow (see the gen wire). */
enum { GEN_FLOW = 46, GEN_SEQ = 50, FLOWS = 64, FRAMES = 40000 };

/* What a receiver keeps of the flows it has seen. */
struct flows {
    uint64_t frames;
    unsigned queue[FLOWS]; /* 1 + the queue it came in by */
    uint64_t next[FLOWS];
    bool bad;
};

static void note(struct flows *f, const struct weir_pkt *k, unsigned q)
{
    const uint8_t *data = weir_pkt_data(k);
    uint32_t flow = get32(data + GEN_FLOW);
    uint64_t seq = (uint64_t)get32(data + GEN_SEQ) << 32 | get32(data + GEN_SEQ + 4);

    if (flow >= FLOWS || (f->queue[flow] && f->queue[flow] != q + 1) || seq < f->next[flow] ||
        k->queue != q || !(k->flags & WEIR_PKT_HASH)) {
        f->bad = true;
        return;
    }
    f->queue[flow] = q + 1;
    f->next[flow] = seq + 1; /* some may have been lost: those are counted elsewhere */
    f->frames++;
}

static void judge(const struct flows *f, unsigned n_flows)
{
    unsigned used = 0, flows = 0;
    assert_false(f->bad);
    assert_int_equal(f->frames, FRAMES);
    for (unsigned i = 0; i < FLOWS; i++) {
        if (!f->queue[i])
            continue;
        flows++;
        used |= 1u << (f->queue[i] - 1);
        assert_int_equal(f->next[i], FRAMES / FLOWS);
    }
    assert_int_equal(flows, n_flows);
    assert_true(n_flows < FLOWS || used == 0xf);
}

static struct weir_port *open_generator(struct rig *r)
{
    struct weir_port_options o;
    char name[96];
    rig_init(r);
    o = rig_options(r);
    o.rx_queues = o.tx_queues = 4;
    o.rx_ring = 256;
    o.promiscuous = true;
    /* No rate: as many as are taken, so none is lost and none is early. */
    snprintf(name, sizeof name, "model:x540?wire=gen:size=64-600,count=%d,flows=%d", FRAMES, FLOWS);
    return rig_open(r, name, &o);
}

static void no_drops(struct weir_port *p)
{
    struct weir_port_stats s;
    weir_port_stats(p, &s, NULL);
    assert_int_equal(s.rx_packets, FRAMES);
    assert_int_equal(s.rx_missed, 0);
    assert_int_equal(s.rx_bad_descriptor, 0);
}

static void flows_stay_in_order(void **state)
{
    struct rig r;
    struct flows f = {0};
    (void)state;
    struct weir_port *p = open_generator(&r);
    uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;
    rig_start(&r, p);
    while (f.frames < FRAMES && !f.bad) {
        struct weir_pkt *k[32];
        assert_true(rig_now_ms() < end);
        weir_models_step(r.w, 64);
        for (unsigned q = 0; q < 4; q++) {
            unsigned n = weir_rx_burst(weir_port_rxq(p, q), k, 32);
            for (unsigned i = 0; i < n; i++)
                note(&f, k[i], q);
            weir_pkt_free_bulk(r.cache, k, n);
        }
    }
    judge(&f, FLOWS);
    no_drops(p);
    rig_close(p);
    rig_done(&r);
}

/* Two threads with two queues each, and one that steps the model. */
struct worker {
    struct weir_port *port;
    struct weir_pktcache *cache;
    unsigned first; /* queues first and first + 1 */
    atomic_ulong *total;
    atomic_bool *stop;
    struct flows flows;
};

static void *receive(void *arg)
{
    struct worker *me = arg;
    uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;

    while (!atomic_load(me->stop) && !me->flows.bad && rig_now_ms() < end) {
        for (unsigned q = me->first; q < me->first + 2; q++) {
            struct weir_pkt *k[32];
            unsigned n = weir_rx_burst(weir_port_rxq(me->port, q), k, 32);
            for (unsigned i = 0; i < n; i++)
                note(&me->flows, k[i], q);
            /* Send them on, as a forwarder would; what does not fit is dropped. */
            unsigned sent = weir_tx_burst(weir_port_txq(me->port, q), k, n);
            weir_pkt_free_bulk(me->cache, k + sent, n - sent);
            atomic_fetch_add(me->total, n);
        }
    }
    return NULL;
}

struct stepper {
    struct weir *w;
    atomic_bool *stop;
};

static void *step(void *arg)
{
    struct stepper *s = arg;
    while (!atomic_load(s->stop))
        if (!weir_models_step(s->w, 64))
            sched_yield();
    return NULL;
}

static void two_threads_with_two_queues_each(void **state)
{
    struct rig r;
    struct worker w[2];
    pthread_t t[3];
    atomic_ulong total = 0;
    atomic_bool stop = false;
    (void)state;
    struct weir_port *p = open_generator(&r);
    struct stepper s = {r.w, &stop};
    for (unsigned i = 0; i < 2; i++) {
        memset(&w[i], 0, sizeof w[i]);
        w[i].port = p;
        w[i].first = 2 * i;
        w[i].total = &total;
        w[i].stop = &stop;
        w[i].cache = weir_pktcache_new(r.pool, NULL);
        /* One cache for all that a thread does. */
        for (unsigned q = 2 * i; q < 2 * i + 2; q++) {
            assert_int_equal(weir_rxq_set_cache(weir_port_rxq(p, q), w[i].cache, NULL), 0);
            assert_int_equal(weir_txq_set_cache(weir_port_txq(p, q), w[i].cache, NULL), 0);
        }
    }
    assert_int_equal(weir_port_start(p, NULL), 0);
    assert_int_equal(pthread_create(&t[2], NULL, step, &s), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&t[i], NULL, receive, &w[i]), 0);
    uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;
    /* DROP_EN is set with several queues: a slow thread loses frames, and they are counted. */
    struct weir_port_stats st = {0};
    while (atomic_load(&total) + st.rx_missed < FRAMES && rig_now_ms() < end) {
        struct timespec pause = {.tv_nsec = 2000000};
        nanosleep(&pause, NULL);
        weir_port_stats(p, &st, NULL);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    weir_port_stats(p, &st, NULL);
    assert_int_equal(st.rx_packets + st.rx_missed, FRAMES);
    assert_int_equal(st.rx_packets, atomic_load(&total));
    assert_int_equal(w[0].flows.frames + w[1].flows.frames, st.rx_packets);
    assert_true(w[0].flows.frames > 0 && w[1].flows.frames > 0);
    for (unsigned i = 0; i < 2; i++)
        assert_false(w[i].flows.bad);
    for (unsigned i = 0; i < FLOWS; i++)
        assert_true(!w[0].flows.queue[i] != !w[1].flows.queue[i]); /* one thread's alone */
    rig_no_faults(p);
    weir_port_stop(p, NULL);
    for (unsigned i = 0; i < 2; i++) {
        weir_rxq_set_cache(weir_port_rxq(p, 2 * i), NULL, NULL);
        weir_rxq_set_cache(weir_port_rxq(p, 2 * i + 1), NULL, NULL);
        weir_txq_set_cache(weir_port_txq(p, 2 * i), NULL, NULL);
        weir_txq_set_cache(weir_port_txq(p, 2 * i + 1), NULL, NULL);
        weir_pktcache_free(w[i].cache);
    }
    weir_port_close(p);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_hashes_match),
        cmocka_unit_test(all_queues_work),
        cmocka_unit_test(flows_stay_in_order),
        cmocka_unit_test(two_threads_with_two_queues_each),
    };
    return cmocka_run_group_tests_name("x540_queues", tests, NULL, NULL);
}
