/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The X540 driver over a socket: the same port on a model that a thread with an instance of its own
 * serves. The model goes away under traffic, and comes back.
 */
#include "x540_rig.h"
#include "lib/device/backend.h"
#include "remote.h"
#include <poll.h>

/* The first event of a type, within the deadline. */
static struct weir_event await(struct rig *r, enum weir_event_type type)
{
    uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;
    struct pollfd fd = {.fd = weir_event_fd(r->w), .events = POLLIN};
    struct weir_event ev;
    for (;;) {
        while (weir_events(r->w, &ev, 1))
            if (ev.type == type)
                return ev;
        assert_true(rig_now_ms() < end);
        poll(&fd, 1, 10);
    }
}

static struct weir_pkt *receive(struct weir_port *p)
{
    uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;
    struct weir_pkt *k;
    while (!weir_rx_burst(weir_port_rxq(p, 0), &k, 1))
        if (rig_now_ms() >= end)
            return NULL;
    return k;
}

static void the_model_goes_away_and_comes_back(void **state)
{
    static uint8_t frame[2048];
    struct remote me = {0};
    struct rig r;
    struct weir_port_stats s;
    struct weir_event ev;
    uint8_t mac[6];
    (void)state;
    rig_init(&r);
    remote_up(&me, "x540?wire=loopback&mac=02:00:00:00:00:05");
    struct weir_port *p = rig_open(&r, me.name, NULL);
    assert_int_equal(weir_port_start(p, NULL), 0);
    rig_mac(p, mac);
    assert_int_equal(mac[5], 5);
    uint64_t before = 0;
    for (int round = 0; round < 3; round++) {
        ev = await(&r, WEIR_EVENT_LINK);
        assert_true(ev.link_up);
        assert_ptr_equal(ev.port, p);
        for (uint32_t len = 60; len <= 1514; len += 11) {
            rig_frame(frame, len, mac, 0x88b5, len);
            rig_send(&r, p, 0, frame, len);
            struct weir_pkt *k = receive(p);
            assert_non_null(k);
            rig_check(k, frame, len);
            rig_free(&r, k);
        }
        weir_port_stats(p, &s, NULL);
        assert_int_equal(s.rx_packets, before + 133);
        assert_int_equal(s.tx_packets, before + 133);
        before += 133;

        /* In the midst of things. */
        struct weir_pkt *k[32];
        for (int i = 0; i < 100; i++) {
            k[0] = weir_pkt_from(r.cache, frame, 1000);
            if (!weir_tx_burst(weir_port_txq(p, 0), k, 1))
                rig_free(&r, k[0]);
        }
        remote_down(&me);
        ev = await(&r, WEIR_EVENT_LOST);
        assert_ptr_equal(ev.port, p);
        assert_int_equal(weir_rx_burst(weir_port_rxq(p, 0), k, 32), 0);
        k[0] = weir_pkt_from(r.cache, frame, 100);
        assert_int_equal(weir_tx_burst(weir_port_txq(p, 0), k, 1), 0);
        rig_free(&r, k[0]);
        struct weir_error e;
        assert_true(weir_port_recover(p, &e) < 0); /* nobody is there */
        remote_up(&me, "x540?wire=loopback&mac=02:00:00:00:00:05");
        await(&r, WEIR_EVENT_RETURNED);
        if (weir_port_recover(p, &e)) {
            weir_error_print(&e, stderr);
            fail();
        }
        weir_port_stats_reset(p, NULL);
        before = 0;
    }
    weir_port_close(p);
    /* The next client finds it at once. */
    p = rig_open(&r, me.name, NULL);
    assert_int_equal(weir_port_start(p, NULL), 0);
    weir_port_close(p);
    remote_down(&me);
    rig_done(&r);
}

static void links_are_told_by_every_kind_of_interrupt(void **state)
{
    static const unsigned kinds[2] = {WEIR_IRQ_MSIX, WEIR_IRQ_MSI};
    struct remote me = {0};
    (void)state;
    remote_up(&me, "x540?wire=loopback");
    for (unsigned missing = 0; missing <= 2; missing++) {
        struct rig r;
        rig_init(&r);
        struct weir_port_options o = rig_options(&r);
        struct weir_device *d = weir_device_open(r.w, me.name, NULL, NULL);
        assert_non_null(d);
        for (unsigned i = 0; i < missing; i++)
            d->irqs[kinds[i]] = 0;
        struct weir_port *p = weir_port_new(d, &o, NULL);
        assert_non_null(p);
        assert_int_equal(weir_port_start(p, NULL), 0);
        assert_true(await(&r, WEIR_EVENT_LINK).link_up);
        for (int round = 0; round < 4; round++) {
            bool up = round & 1;
            weir_model_set_link(me.m, up);
            assert_int_equal(await(&r, WEIR_EVENT_LINK).link_up, up);
        }
        weir_port_close(p);
        rig_done(&r);
    }
    remote_down(&me);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_goes_away_and_comes_back),
        cmocka_unit_test(links_are_told_by_every_kind_of_interrupt),
    };
    return cmocka_run_group_tests_name("x540_remote", tests, NULL, NULL);
}
