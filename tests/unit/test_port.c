/* SPDX-License-Identifier: BSD-3-Clause */
/* The port layer: options, settings, statistics, what it refuses. */
#include "fake_port.h"

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

    /* What a device does not do, and what it cannot do without knowing the headers. */
    struct weir_txq_base *b = (struct weir_txq_base *)tx;
    k->flags = WEIR_PKT_TX_VLAN;
    b->can = WEIR_PKT_TX_L3_SUM;
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    assert_string_equal(e.code, "tx-offload");
    b->can = WEIR_PKT_TX_ALL;
    assert_int_equal(weir_tx_check(tx, k, &e), 0);
    k->flags = WEIR_PKT_TX_L3_SUM;
    k->l2_len = 14;
    k->l3_len = 20;
    assert_int_equal(weir_tx_check(tx, k, &e), 0);
    k->l2_len = 13;
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    k->l2_len = 128;
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    k->l2_len = 14;
    k->l3_len = 19;
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    k->l3_len = 47; /* beyond the packet's end */
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    k->l3_len = 46;
    assert_int_equal(weir_tx_check(tx, k, &e), 0);
    k->flags = WEIR_PKT_TX_L4_SUM | WEIR_PKT_IPV4 | WEIR_PKT_UDP;
    k->l3_len = 39;
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    k->l3_len = 38;
    assert_int_equal(weir_tx_check(tx, k, &e), 0);
    k->flags = WEIR_PKT_TX_L4_SUM | WEIR_PKT_IPV4 | WEIR_PKT_TCP;
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    k->l3_len = 24;
    assert_int_equal(weir_tx_check(tx, k, &e), 0);
    k->flags = WEIR_PKT_TX_L4_SUM | WEIR_PKT_IPV6 | WEIR_PKT_TCP; /* its header is longer */
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    k->flags = WEIR_PKT_TX_L4_SUM | WEIR_PKT_IPV4;
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
    k->flags = WEIR_PKT_TX_L4_SUM | WEIR_PKT_IPV4 | WEIR_PKT_TCP | WEIR_PKT_UDP;
    assert_int_equal(weir_tx_check(tx, k, &e), -EINVAL);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_put_in),
        TEST(options_are_checked_against_the_driver),
        TEST(a_device_without_driver_is_told),
        TEST(the_latest_driver_is_asked_first),
        TEST(queues_take_caches),
        TEST(settings_go_to_the_driver),
        TEST(statistics_are_summed_and_reset),
        TEST(packets_are_checked_before_sending),
    };
    return cmocka_run_group_tests_name("port", tests, NULL, NULL);
}
