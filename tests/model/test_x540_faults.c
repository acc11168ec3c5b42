/* SPDX-License-Identifier: BSD-3-Clause */
/* The X540 driver when things go wrong: a device that lies, stalls, breaks or is lost. */
#include "x540_rig.h"
#include "drivers/x540/x540.h"
#include "lib/device/backend.h"

static uint8_t frame[32768];

static struct x540_rxq *rxq(struct weir_port *p)
{
    return (struct x540_rxq *)weir_port_rxq(p, 0);
}

static struct x540_txq *txq(struct weir_port *p)
{
    return (struct x540_txq *)weir_port_txq(p, 0);
}

/* Write back the descriptor i places after the next one, as a device might. */
static void complete(struct x540_rxq *q, uint32_t i, uint32_t len, uint32_t status)
{
    struct x540_rx_desc *d = &q->descs[(q->next + i) % q->count];
    d->qw[0] = 0;
    d->qw[1] = status | (uint64_t)len << 32;
}

#define GOOD (X540_RXD_STAT_DD | X540_RXD_STAT_EOP)

static uint64_t bad(struct weir_port *p)
{
    struct weir_port_stats s;
    weir_port_stats(p, &s, NULL);
    return s.rx_bad_descriptor;
}

static void nonsense_is_dropped_and_counted(void **state)
{
    static const struct {
        uint32_t len, status;
    } lies[] = {
        {0, GOOD},
        {2049, GOOD},
        {65535, GOOD},
        {60, X540_RXD_STAT_DD}, /* no end, where every frame fits one buffer */
        {60, GOOD | X540_RXD_ERR_RXE},
    };
    struct rig r;
    struct weir_pkt *k[600];
    struct weir_queue_stats qs;
    (void)state;
    rig_init(&r);
    struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", NULL);
    for (unsigned i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        complete(rxq(p), 0, lies[i].len, lies[i].status);
        complete(rxq(p), 1, 60 + i, GOOD); /* what comes behind is not harmed */
        assert_int_equal(weir_rx_burst(weir_port_rxq(p, 0), k, 32), 1);
        assert_int_equal(k[0]->total, 60 + i);
        rig_free(&r, k[0]);
        assert_int_equal(bad(p), i + 1);
    }
    weir_rxq_stats(weir_port_rxq(p, 0), &qs);
    assert_int_equal(qs.dropped, 5);
    assert_int_equal(qs.packets, 5);

    /* Not more than asked for, and not one more than the device was given. */
    for (uint32_t i = 0; i < rxq(p)->count; i++)
        complete(rxq(p), i, 100, GOOD);
    uint32_t posted = rxq(p)->posted;
    assert_int_equal(weir_rx_burst(weir_port_rxq(p, 0), k, 0), 0);
    assert_int_equal(weir_rx_burst(weir_port_rxq(p, 0), k, 7), 7);
    weir_pkt_free_bulk(r.cache, k, 7);
    assert_int_equal(weir_rx_burst(weir_port_rxq(p, 0), k, 600), posted - 7);
    for (unsigned i = 0; i + 7 < posted; i++)
        for (unsigned j = 0; j < i; j++)
            assert_ptr_not_equal(k[i], k[j]);
    weir_pkt_free_bulk(r.cache, k, posted - 7);
    rig_close(p);
    rig_done(&r);
}

static void chains_without_end_are_dropped(void **state)
{
    struct rig r;
    struct weir_pkt *k[64];
    (void)state;
    rig_init(&r);
    struct weir_port_options o = rig_options(&r);
    o.mtu = 9000;
    struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", &o);
    struct x540_rxq *q = rxq(p);
    uint64_t refused = 0;

    /* All of the ring, and again: too long at the fifth, dropped up to an end that never comes. */
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < q->posted; i++)
            complete(q, i, 2048, X540_RXD_STAT_DD);
        assert_int_equal(weir_rx_burst(&q->base.pub, k, 64), 0);
        assert_true(q->posted >= 256); /* the buffers went round */
    }
    assert_int_equal(bad(p), ++refused);
    complete(q, 0, 100, GOOD); /* its end */
    complete(q, 1, 200, GOOD); /* the next one is whole */
    assert_int_equal(weir_rx_burst(&q->base.pub, k, 64), 1);
    assert_int_equal(k[0]->total, 200);
    rig_free(&r, k[0]);

    /* More segments than a packet may have, though short. */
    for (uint32_t i = 0; i < 40; i++)
        complete(q, i, 1, X540_RXD_STAT_DD);
    complete(q, 40, 1, GOOD);
    complete(q, 41, 99, GOOD);
    assert_int_equal(weir_rx_burst(&q->base.pub, k, 64), 1);
    assert_int_equal(k[0]->total, 99);
    assert_int_equal(bad(p), ++refused);
    rig_free(&r, k[0]);

    /* As many as it may have. */
    for (uint32_t i = 0; i < 31; i++)
        complete(q, i, 2, X540_RXD_STAT_DD);
    complete(q, 31, 2, GOOD);
    assert_int_equal(weir_rx_burst(&q->base.pub, k, 64), 1);
    assert_int_equal(k[0]->n_segs, 32);
    assert_int_equal(k[0]->total, 64);
    rig_free(&r, k[0]);

    /* Lengths that are none, at the start, in the middle and at the end. */
    for (unsigned at = 0; at < 3; at++)
        for (unsigned zero = 0; zero < 2; zero++) {
            for (unsigned i = 0; i < 3; i++)
                complete(q, i, i == at ? (zero ? 0 : 2049) : 500, i == 2 ? GOOD : X540_RXD_STAT_DD);
            complete(q, 3, 77, GOOD);
            assert_int_equal(weir_rx_burst(&q->base.pub, k, 64), 1);
            assert_int_equal(k[0]->total, 77);
            assert_int_equal(bad(p), ++refused);
            rig_free(&r, k[0]);
        }
    /* A chain under way when the port stops is not lost. */
    complete(q, 0, 2048, X540_RXD_STAT_DD);
    assert_int_equal(weir_rx_burst(&q->base.pub, k, 64), 0);
    rig_close(p);
    rig_done(&r);
}

static void completions_are_trusted_for_what_was_sent_only(void **state)
{
    struct rig r;
    struct weir_pkt *k[10];
    (void)state;
    rig_init(&r);
    struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", NULL);
    struct x540_txq *q = txq(p);
    for (int round = 0; round < 200; round++) { /* several times around the ring */
        for (uint32_t i = 0; i < q->count; i++)
            q->descs[i].wb.status = X540_TXD_STA_DD;
        assert_int_equal(weir_txq_reclaim(&q->base.pub), 0);
        for (unsigned i = 0; i < 10; i++)
            k[i] = weir_pkt_from(r.cache, frame, 100);
        assert_int_equal(weir_tx_burst(&q->base.pub, k, 10), 10);
        assert_int_equal(weir_txq_reclaim(&q->base.pub), 0); /* not done yet */
        for (uint32_t i = 0; i < q->count; i++)
            q->descs[i].wb.status = X540_TXD_STA_DD;
        assert_int_equal(weir_txq_reclaim(&q->base.pub), 10);
        assert_int_equal(weir_txq_reclaim(&q->base.pub), 0);
    }
    rig_close(p);
    rig_done(&r);
}

/* Rings full of noise, in any state. Sanitizers watch; every buffer must be accounted for. */
static void noise(uint32_t mtu, bool step)
{
    struct rig r;
    struct weir_port_options o;
    struct weir_pkt *k[64];

    rig_init(&r);
    o = rig_options(&r);
    o.mtu = mtu;
    o.rx_ring = o.tx_ring = 64;
    struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", &o);
    srand(mtu + step);
    for (int round = 0; round < 20000; round++) {
        struct x540_rxq *rq = rxq(p);
        struct x540_txq *tq = txq(p);
        for (unsigned i = (unsigned)rand() % 8; i; i--) {
            uint64_t *d = rand() & 1 ? rq->descs[(unsigned)rand() % 64].qw
                                     : tq->descs[(unsigned)rand() % 64].qw;
            uint64_t noisy = (uint64_t)(uint32_t)rand() << 33 ^ (uint64_t)(uint32_t)rand();
            d[rand() & 1] = rand() & 1 ? noisy : GOOD | (uint64_t)(rand() % 3000) << 32;
        }
        unsigned n = weir_rx_burst(&rq->base.pub, k, (unsigned)rand() % 64);
        for (unsigned i = 0; i < n; i++)
            assert_true(k[i]->total > 0 && k[i]->total <= 9018 && k[i]->n_segs <= 32);
        unsigned sent = weir_tx_burst(&tq->base.pub, k, n);
        weir_pkt_free_bulk(r.cache, k + sent, n - sent);
        if (rand() % 4 == 0)
            weir_txq_reclaim(&tq->base.pub);
        if (step && rand() % 16 == 0)
            weir_models_step(r.w, 16);
        if (rand() % 4000 == 0) {
            weir_port_stop(p, NULL);
            assert_int_equal(weir_port_start(p, NULL), 0);
        }
    }
    weir_port_close(p);
    rig_done(&r);
}

static void noise_in_the_rings_is_survived(void **state)
{
    (void)state;
    noise(1500, false);
    noise(9000, false);
    noise(1500, true);
    noise(9000, true);
}

static void a_stalled_transmitter_blocks_nothing(void **state)
{
    struct rig r;
    struct weir_pkt *k;
    unsigned taken = 0;
    uint32_t left;
    (void)state;
    rig_init(&r);
    struct weir_port *p = rig_up(&r, "model:x540?wire=loopback&stall=tx", NULL);
    uint64_t start = rig_now_ms();
    for (;;) {
        k = weir_pkt_from(r.cache, frame, 100);
        assert_non_null(k);
        if (!weir_tx_burst(weir_port_txq(p, 0), &k, 1))
            break;
        taken++;
        weir_models_step(r.w, 16);
    }
    assert_int_equal(taken, 511); /* the ring but one */
    for (int i = 0; i < 10000; i++)
        assert_int_equal(weir_tx_burst(weir_port_txq(p, 0), &k, 1), 0);
    rig_free(&r, k);
    assert_int_equal(weir_txq_reclaim(weir_port_txq(p, 0)), 0);
    assert_int_equal(weir_port_stop(p, NULL), 0);
    assert_true(rig_now_ms() - start < 5000);
    weir_pktcache_free(r.cache);
    weir_pktpool_count(r.pool, NULL, &left);
    assert_int_equal(left, r.packets);
    r.cache = weir_pktcache_new(r.pool, NULL);
    rig_start(&r, p);
    k = weir_pkt_from(r.cache, frame, 100);
    assert_int_equal(weir_tx_burst(weir_port_txq(p, 0), &k, 1), 1);
    rig_close(p);
    rig_done(&r);
}

static void an_empty_pool_loses_nothing_but_time(void **state)
{
    enum { FRAMES = 5000 };
    struct rig r;
    struct weir_port_stats s;
    static struct weir_pkt *held[1024];
    unsigned n = 0, total = 0;
    (void)state;
    rig_init_room(&r, 700, 2048);
    struct weir_port_options o = rig_options(&r);
    o.promiscuous = true;
    struct weir_port *p = rig_up(&r, "model:x540?wire=gen:size=60,count=5000", &o);
    while (total < FRAMES) {
        /* Keep all packets until there are none, then give them back. */
        uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;
        for (int quiet = 0; quiet < 3 && total + n < FRAMES;) {
            unsigned got = weir_rx_burst(weir_port_rxq(p, 0), held + n, 32);
            n += got;
            quiet = got || weir_models_step(r.w, 32) ? 0 : quiet + 1;
            assert_true(rig_now_ms() < end);
        }
        assert_true(n > 0);
        for (unsigned i = 0; i < n; i++) {
            const uint8_t *d = weir_pkt_data(held[i]) + 50; /* the number in the flow */
            assert_int_equal((uint32_t)d[6] << 8 | d[7], total + i);
        }
        total += n;
        weir_pkt_free_bulk(r.cache, held, n);
        n = 0;
    }
    weir_port_stats(p, &s, NULL);
    assert_int_equal(s.rx_packets, FRAMES);
    assert_int_equal(s.rx_missed, 0);
    assert_true(s.rx_no_buffer > 0);
    rig_close(p);
    rig_done(&r);
}

static void a_port_starts_with_what_the_pool_has(void **state)
{
    struct rig r;
    struct weir_pkt *held[600];
    uint8_t mac[6];
    (void)state;
    rig_init_room(&r, 600, 2048);
    struct weir_port *p = rig_open(&r, "model:x540?wire=loopback", NULL);
    assert_int_equal(weir_pkt_alloc_bulk(r.cache, held, 500), 500);
    rig_start(&r, p);
    rig_mac(p, mac);
    assert_in_range(rxq(p)->posted, 40, 100);
    weir_pkt_free_bulk(r.cache, held, 500);
    weir_pktcache_free(r.cache); /* to the pool */
    r.cache = weir_pktcache_new(r.pool, NULL);
    rig_frame(frame, 100, mac, 0x88b5, 1);
    for (int i = 0; i < 1000; i++) {
        rig_send(&r, p, 0, frame, 100);
        struct weir_pkt *k = rig_recv(&r, p, 0);
        assert_non_null(k);
        rig_free(&r, k);
    }
    assert_true(rxq(p)->posted > 300); /* it caught up */
    rig_close(p);
    rig_done(&r);
}

static unsigned link_events(struct rig *r, struct weir_port *p, bool up)
{
    struct weir_event ev[8];
    unsigned n = weir_events(r->w, ev, 8), hits = 0;
    for (unsigned i = 0; i < n; i++)
        hits += ev[i].type == WEIR_EVENT_LINK && ev[i].port == p && ev[i].link_up == up;
    return hits;
}

static void the_link_goes_down_and_up_under_load(void **state)
{
    struct rig r;
    struct weir_port *a, *b;
    struct weir_pkt *k[32];
    uint8_t mac[6];
    (void)state;
    rig_init(&r);
    rig_pair(&r, &a, NULL, &b, NULL);
    rig_mac(b, mac);
    rig_frame(frame, 500, mac, 0x88b5, 1);
    link_events(&r, a, true);
    for (int round = 0; round < 6; round++) {
        bool up = round & 1;
        for (int i = 0; i < 300; i++) {
            k[0] = weir_pkt_from(r.cache, frame, 500);
            assert_non_null(k[0]);
            if (!weir_tx_burst(weir_port_txq(a, 0), k, 1))
                rig_free(&r, k[0]); /* dropped, not waited for */
            weir_models_step(r.w, 8);
            weir_pkt_free_bulk(r.cache, k, weir_rx_burst(weir_port_rxq(b, 0), k, 32));
        }
        weir_model_set_link(rig_model(a), up);
        rig_link(&r, a, up);
        rig_link(&r, b, up); /* both ends see it */
        assert_int_equal(link_events(&r, a, up), 1);
    }
    /* Up: all that was held back goes, and the next frame arrives. */
    for (uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;;) {
        rig_settle(&r);
        unsigned n = weir_rx_burst(weir_port_rxq(b, 0), k, 32);
        if (!n)
            break;
        weir_pkt_free_bulk(r.cache, k, n);
        assert_true(rig_now_ms() < end);
    }
    rig_frame(frame, 501, mac, 0x88b5, 2);
    rig_send(&r, a, 0, frame, 501);
    k[0] = rig_recv(&r, b, 0);
    assert_non_null(k[0]);
    rig_check(k[0], frame, 501);
    rig_free(&r, k[0]);
    rig_close(a);
    rig_close(b);
    rig_done(&r);
}

/* A device with one broken register: reads give (value & keep) | force, writes may be lost. */
static struct {
    uint32_t reg, keep, force;
    bool deaf;
} broken;
static struct weir_device_ops broken_ops;
static const struct weir_device_ops *sound_ops;

static bool is_broken(unsigned region, uint64_t off)
{
    return region == WEIR_REGION_BAR0 && off == broken.reg;
}

static int broken_read(struct weir_device *d, unsigned region, uint64_t off, void *buf, size_t len,
                       struct weir_error *e)
{
    int ret = sound_ops->read(d, region, off, buf, len, e);
    uint32_t v;
    if (!ret && is_broken(region, off) && len == 4) {
        memcpy(&v, buf, 4);
        v = (v & broken.keep) | broken.force;
        memcpy(buf, &v, 4);
    }
    return ret;
}

static int broken_write(struct weir_device *d, unsigned region, uint64_t off, const void *buf,
                        size_t len, bool posted, struct weir_error *e)
{
    if (is_broken(region, off) && broken.deaf)
        return 0;
    return sound_ops->write(d, region, off, buf, len, posted, e);
}

static struct weir_device *open_broken(struct rig *r)
{
    struct weir_device *d = weir_device_open(r->w, "model:x540?wire=loopback", NULL, NULL);
    assert_non_null(d);
    sound_ops = d->ops;
    broken_ops = *d->ops;
    broken_ops.read = broken_read;
    broken_ops.write = broken_write;
    d->ops = &broken_ops;
    return d;
}

static void a_broken_device_is_told_part_by_part(void **state)
{
    static const struct {
        uint32_t reg, keep, force;
        const char *code;
    } parts[] = {
        {X540_CTRL, ~0u, 1u << 26, "x540-reset"},
        {X540_CTRL, 0, ~0u, "x540-reset"}, /* all ones, and not lost */
        {X540_EEC, 0, 0, "x540-nvm-auto-read"},
        {X540_RDRXCTL, 0, 0, "x540-dma-init"},
        {X540_EERD, 0, 0, "x540-nvm-read"},
        {X540_EERD, 0xffff, 0xabcd0000, "x540-nvm-checksum"},
        {X540_EERD, 0, 0x00100002, "x540-nvm-checksum"}, /* sections that point at themselves */
        {X540_RAH, 0xffff, 0, "x540-mac"},
        {X540_SWSM, 0, 1, "x540-semaphore"},
        {X540_MSRWD, 0, ~0u, "x540-phy"},
        {X540_MSRWD, 0, 0, "x540-phy"},
        {X540_MSCA, 0, 1u << 30, "x540-phy"},
        {X540_RXDCTL, 0, 0, "x540-queue"},
        {X540_TXDCTL, 0, 0, "x540-queue"},
    };
    struct rig r;
    struct weir_port_options o;
    uint32_t left;
    (void)state;
    rig_init(&r);
    o = rig_options(&r);
    for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct weir_device *d = open_broken(&r);
        struct weir_error e = {.code = "none"};
        uint64_t start = rig_now_ms();
        broken.reg = parts[i].reg;
        broken.keep = parts[i].keep;
        broken.force = parts[i].force;
        broken.deaf = false;
        struct weir_port *p = weir_port_new(d, &o, &e);
        if (p)
            assert_true(weir_port_start(p, &e) < 0);
        if (strcmp(e.code, parts[i].code))
            print_error("register %#x: %s\n", parts[i].reg, e.code);
        assert_string_equal(e.code, parts[i].code);
        assert_true(e.why[0] && e.fix[0]);
        assert_true(rig_now_ms() - start < 8000);
        if (p)
            weir_port_close(p);
        else
            weir_device_close(d);
        weir_pktpool_count(r.pool, NULL, &left);
        assert_int_equal(left, r.packets);
    }
    rig_done(&r);
}

static void queues_that_do_not_stop_give_up_their_buffers(void **state)
{
    static const uint32_t regs[] = {X540_RXDCTL, X540_TXDCTL, X540_STATUS};
    struct rig r;
    uint32_t left;
    (void)state;
    for (unsigned i = 0; i < sizeof regs / sizeof regs[0]; i++) {
        rig_init(&r);
        struct weir_port_options o = rig_options(&r);
        struct weir_device *d = open_broken(&r);
        broken.reg = ~0u;
        struct weir_port *p = weir_port_new(d, &o, NULL);
        assert_non_null(p);
        rig_start(&r, p);
        struct weir_pkt *k = weir_pkt_from(r.cache, frame, 100);
        assert_int_equal(weir_tx_burst(weir_port_txq(p, 0), &k, 1), 1);
        broken.reg = regs[i];
        broken.keep = ~0u;
        broken.force = regs[i] == X540_STATUS ? X540_STATUS_PCIE_MASTER_ENABLE : 0;
        broken.deaf = true;
        assert_int_equal(weir_port_stop(p, NULL), 0);
        weir_pktcache_free(r.cache);
        weir_pktpool_count(r.pool, NULL, &left);
        assert_int_equal(left, r.packets);
        r.cache = weir_pktcache_new(r.pool, NULL);
        /* Whatever it wants to do, it cannot reach memory. */
        assert_int_equal(weir_config_read(d, 4, 2) & 4, 0);
        weir_models_step(r.w, 64);
        broken.reg = ~0u;
        rig_start(&r, p); /* and a sound one starts again */
        rig_close(p);
        rig_done(&r);
    }
}

static void semaphores_of_the_dead_are_taken_over(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    struct weir_port_options o = rig_options(&r);
    struct weir_device *d = weir_device_open(r.w, "model:x540?wire=loopback", NULL, NULL);
    assert_non_null(d);
    weir_read32(d, 0, X540_SWSM); /* takes SMBI */
    weir_write32(d, 0, X540_SW_FW_SYNC, X540_SW_FW_SYNC_SW_PHY0);
    struct weir_port *p = weir_port_new(d, &o, NULL);
    assert_non_null(p);
    rig_start(&r, p);
    assert_int_equal(weir_read32(d, 0, X540_SW_FW_SYNC) & X540_SW_FW_SYNC_SW_PHY0, 0);
    rig_close(p);
    rig_done(&r);
}

static void any_kind_of_interrupt_will_do(void **state)
{
    struct rig r;
    struct weir_port *p;
    (void)state;
    for (unsigned missing = 0; missing <= 3; missing++) { /* MSI-X, then MSI, then INTx */
        static const unsigned kinds[3] = {WEIR_IRQ_MSIX, WEIR_IRQ_MSI, WEIR_IRQ_INTX};
        rig_init(&r);
        struct weir_port_options o = rig_options(&r);
        struct weir_device *d = weir_device_open(r.w, "model:x540?wire=loopback", NULL, NULL);
        assert_non_null(d);
        for (unsigned i = 0; i < missing; i++)
            d->irqs[kinds[i]] = 0;
        p = weir_port_new(d, &o, NULL);
        assert_non_null(p);
        rig_start(&r, p);
        link_events(&r, p, true);
        for (int round = 0; round < 6; round++) {
            bool up = round & 1;
            weir_model_set_link(d->model, up);
            rig_link(&r, p, up);
            assert_int_equal(link_events(&r, p, up), missing < 3);
        }
        rig_close(p);
        rig_done(&r);
    }
}

static void a_lost_device_costs_no_packet(void **state)
{
    struct rig r;
    struct weir_pkt *k[32];
    struct weir_port_stats s, t;
    uint8_t mac[6];
    (void)state;
    rig_init(&r);
    struct weir_port *p = rig_up(&r, "model:x540?wire=loopback", NULL);
    rig_mac(p, mac);
    rig_frame(frame, 100, mac, 0x88b5, 1);
    for (int i = 0; i < 100; i++)
        rig_send(&r, p, 0, frame, 100);
    weir_models_step(r.w, 50);
    weir_port_stats(p, &s, NULL);
    assert_true(s.tx_packets > 0);
    weir_device_set_lost(weir_port_device(p), "as told");
    assert_int_equal(weir_rx_burst(weir_port_rxq(p, 0), k, 32), 0);
    k[0] = weir_pkt_from(r.cache, frame, 100);
    assert_int_equal(weir_tx_burst(weir_port_txq(p, 0), k, 1), 0);
    rig_free(&r, k[0]);
    weir_port_stats(p, &t, NULL);
    assert_memory_equal(&s, &t, sizeof s); /* the last values read, not all ones */
    weir_port_close(p);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nonsense_is_dropped_and_counted),
        cmocka_unit_test(chains_without_end_are_dropped),
        cmocka_unit_test(completions_are_trusted_for_what_was_sent_only),
        cmocka_unit_test(noise_in_the_rings_is_survived),
        cmocka_unit_test(a_stalled_transmitter_blocks_nothing),
        cmocka_unit_test(an_empty_pool_loses_nothing_but_time),
        cmocka_unit_test(a_port_starts_with_what_the_pool_has),
        cmocka_unit_test(the_link_goes_down_and_up_under_load),
        cmocka_unit_test(a_broken_device_is_told_part_by_part),
        cmocka_unit_test(queues_that_do_not_stop_give_up_their_buffers),
        cmocka_unit_test(semaphores_of_the_dead_are_taken_over),
        cmocka_unit_test(any_kind_of_interrupt_will_do),
        cmocka_unit_test(a_lost_device_costs_no_packet),
    };
    return cmocka_run_group_tests_name("x540_faults", tests, NULL, NULL);
}
