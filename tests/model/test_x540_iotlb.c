/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an X540 that forwards asks of the IOTLB: 2048 buffers on each ring, mapped in pages of 4 KiB
 * and of 2 MiB. Frames that come back over a loopback are sent again.
 */
#include "x540_rig.h"

#define RING   2048
#define FRAMES 1024 /* on their way */
#define ROUNDS 200

static uint64_t sum(const uint64_t n[WEIR_IOTLB_PAGES])
{
    uint64_t total = 0;

    for (unsigned i = 0; i < WEIR_IOTLB_PAGES; i++)
        total += n[i];
    return total;
}

struct seen {
    uint64_t frames;
    struct weir_iotlb_stats tlb;
};

static const struct weir_iotlb_count *queue(const struct seen *s, const char *name)
{
    for (unsigned i = 0; i < s->tlb.n_queues; i++) {
        if (strcmp(s->tlb.queue[i].queue, name) == 0)
            return &s->tlb.queue[i];
    }
    fail_msg("no queue %s", name);
    return NULL;
}

/* False if there are no such pages. */
static bool forward(uint64_t page, const char *iotlb, struct seen *out)
{
    const struct weir_options wo = {.size = sizeof wo, .log = rig_log, .log_level = WEIR_LOG_DEBUG};
    const struct weir_pktpool_options po = {.size = sizeof po, .packets = 3 * RING};
    const struct weir_arena_options ao = {
        .size = sizeof ao, .page = page, .bytes = weir_pktpool_bytes(&po) + (2u << 20)};
    struct weir_error e;
    struct rig r = {.packets = po.packets, .w = weir_new(&wo, &e)};
    static const uint8_t to[6] = {2, 0, 0, 0, 0, 1};
    uint8_t frame[60];
    char name[120];

    assert_non_null(r.w);
    assert_int_equal(weir_register_builtin(r.w, &e), 0);
    r.arena = weir_arena_new(r.w, &ao, &e);
    if (!r.arena) {
        weir_error_print(&e, stderr);
        weir_free(r.w);
        return false;
    }
    r.pool = weir_pktpool_new(r.arena, &po, &e);
    assert_non_null(r.pool);
    r.cache = weir_pktcache_new(r.pool, &e);
    assert_non_null(r.cache);

    snprintf(name, sizeof name, "model:x540?wire=loopback&mac=02:00:00:00:00:01%s%s",
             iotlb ? "&iotlb=" : "", iotlb ? iotlb : "");
    struct weir_port_options o = rig_options(&r);
    o.rx_ring = o.tx_ring = RING;
    struct weir_port *p = rig_up(&r, name, &o);

    rig_frame(frame, sizeof frame, to, 0x88b5, 1);
    for (unsigned i = 0; i < FRAMES; i++)
        rig_send(&r, p, 0, frame, sizeof frame);
    for (unsigned n = 0; n < ROUNDS * FRAMES;) {
        struct weir_pkt *k[32];
        unsigned got = weir_rx_burst(weir_port_rxq(p, 0), k, 32), sent = 0;

        while (sent < got) {
            sent += weir_tx_burst(weir_port_txq(p, 0), k + sent, got - sent);
            if (sent < got)
                weir_models_step(r.w, 64);
        }
        n += got;
        out->frames = n;
        weir_models_step(r.w, 64);
    }
    if (iotlb)
        assert_true(weir_model_iotlb(rig_model(p), &out->tlb));
    else
        assert_false(weir_model_iotlb(rig_model(p), &out->tlb));
    /* They are taken out again before everything is put away. */
    uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;
    for (unsigned left = FRAMES; left;) {
        struct weir_pkt *k = NULL;

        weir_models_step(r.w, 64);
        if (weir_rx_burst(weir_port_rxq(p, 0), &k, 1)) {
            rig_free(&r, k);
            left--;
        }
        assert_true(rig_now_ms() < end);
    }
    rig_close(p);
    rig_done(&r);
    return true;
}

static void wall(void **state)
{
    struct seen small, large;

    (void)state;
    assert_true(forward(4096, "on", &small));
    if (!forward(2u << 20, "on", &large)) {
        print_message("no hugepages of 2 MiB to be had\n");
        skip();
    }
    print_message("misses for each frame in 4 KiB pages, received %.3f, sent %.3f\n",
                  (double)sum(queue(&small, "rx")->misses) / (double)small.frames,
                  (double)sum(queue(&small, "tx")->misses) / (double)small.frames);
    print_message("misses for each frame, 64 entries: %.3f in 4 KiB pages, %.6f in 2 MiB pages\n",
                  (double)sum(small.tlb.total.misses) / (double)small.frames,
                  (double)sum(large.tlb.total.misses) / (double)large.frames);
    /* The buffers of a ring lie in more than a thousand 4 KiB pages, of which 64 are kept: each is
     * gone when its turn comes again. At most two buffers share a page, so that of two frames that
     * arrive one misses at least, and so where they leave, a thousand frames later. */
    assert_true(sum(queue(&small, "rx")->misses) >= small.frames / 2);
    assert_true(sum(queue(&small, "tx")->misses) >= small.frames / 2);
    assert_true(small.tlb.leaves[0] > 3 * RING / 2);
    /* All of the memory is in fewer hugepages than there are entries: each misses once. */
    assert_true(large.tlb.leaves[1] < 64);
    assert_int_equal(large.tlb.leaves[0], 0);
    assert_true(sum(large.tlb.total.misses) <= large.tlb.leaves[1]);
    assert_int_equal(large.tlb.total.misses[0] + large.tlb.total.misses[2], 0);
    assert_true(sum(large.tlb.total.hits) > 4 * large.frames);
}

/* The same frames, the same counts. */
static void again(void **state)
{
    struct seen a, b;

    (void)state;
    assert_true(forward(4096, "256,ways=8", &a));
    assert_true(forward(4096, "256,ways=8", &b));
    assert_int_equal(a.frames, b.frames);
    assert_int_equal(sum(a.tlb.total.hits), sum(b.tlb.total.hits));
    assert_int_equal(sum(a.tlb.total.misses), sum(b.tlb.total.misses));
    assert_int_equal(a.tlb.total.reads, b.tlb.total.reads);
    assert_true(forward(4096, NULL, &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wall),
        cmocka_unit_test(again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
