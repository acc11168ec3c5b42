/* SPDX-License-Identifier: BSD-3-Clause */
/* The port layer: what it asks of a driver and in what order, link, loss and return. */
#include "fake_port.h"

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

static void what_cannot_be_given_back_goes_on(void **state)
{
    struct weir_port *p = open_default();
    struct weir_pkt *pkt;
    struct weir_error e;
    (void)state;
    assert_int_equal(weir_port_start(p, NULL), 0);
    calls[0] = '\0';
    assert_int_equal(weir_port_release(p, &e), -ENOTSUP);
    assert_string_equal(e.code, "device-release");
    assert_string_equal(calls, "");
    assert_int_equal(weir_rx_burst(weir_port_rxq(p, 0), &pkt, 1), 1);
    weir_pkt_free_bulk(((struct weir_rxq_base *)weir_port_rxq(p, 0))->cache, &pkt, 1);
    weir_port_close(p);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        TEST(a_lost_device_goes_silent_and_comes_back),
        TEST(recovering_a_stopped_port_leaves_it_stopped),
        TEST(a_loss_while_starting_is_noticed),
        TEST(what_cannot_be_given_back_goes_on),
    };
    return cmocka_run_group_tests_name("port_life", tests, NULL, NULL);
}
