/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets, pools, caches and descriptor rings. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <weir/driver/pktcache.h>
#include <weir/driver/ring.h>
#include <weir/weir.h>

static struct weir *w;
static struct weir_arena *arena;

static int setup(void **state)
{
    struct weir_error e;
    (void)state;
    w = weir_new(NULL, &e);
    if (!w)
        return -1;
    arena = weir_arena_new(w,
                           &(struct weir_arena_options){.size = sizeof(struct weir_arena_options),
                                                        .bytes = 16 << 20,
                                                        .page = 4096},
                           &e);
    if (!arena)
        weir_error_print(&e, stderr);
    return arena ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    weir_free(w);
    return 0;
}

static struct weir_pktpool *make_pool(uint32_t packets, uint32_t room)
{
    struct weir_error e;
    struct weir_pktpool *pool = weir_pktpool_new(
        arena,
        &(struct weir_pktpool_options){
            .size = sizeof(struct weir_pktpool_options), .packets = packets, .data_room = room},
        &e);
    if (!pool)
        weir_error_print(&e, stderr);
    assert_non_null(pool);
    return pool;
}

static uint32_t available(struct weir_pktpool *pool)
{
    uint32_t n;
    weir_pktpool_count(pool, NULL, &n);
    return n;
}

static void buffers_are_apart_and_inside(void **state)
{
    enum { N = 100 };
    struct weir_arena_info info;
    (void)state;
    weir_arena_info(arena, &info);
    for (uint32_t room = 1024; room <= 4096; room += 1024) {
        struct weir_pktpool *pool = make_pool(N, room);
        struct weir_pktcache *c = weir_pktcache_new(pool, NULL);
        struct weir_pkt *p[N];
        assert_int_equal(weir_pkt_alloc_bulk(c, p, N), N);
        ptrdiff_t stride = p[1]->buf - p[0]->buf;
        assert_int_equal(stride % WEIR_CACHE_LINE, 0);
        assert_int_equal(stride / WEIR_CACHE_LINE % 2, 1); /* an odd number of lines */
        assert_true(stride >= WEIR_PKT_HEADROOM + (ptrdiff_t)room);
        for (unsigned i = 0; i < N; i++) {
            assert_int_equal((uintptr_t)p[i] % WEIR_CACHE_LINE, 0);
            assert_int_equal((uintptr_t)p[i]->buf % WEIR_CACHE_LINE, 0);
            assert_int_equal(p[i]->room, WEIR_PKT_HEADROOM + room);
            assert_true(p[i]->buf >= (uint8_t *)info.va);
            assert_true(p[i]->buf + p[i]->room <= (uint8_t *)info.va + info.bytes);
            assert_int_equal(p[i]->iova.addr - info.iova.addr,
                             (uint64_t)(p[i]->buf - (uint8_t *)info.va));
            /* The metadata is not where a device could write. */
            assert_true((uint8_t *)p[i] < (uint8_t *)info.va ||
                        (uint8_t *)p[i] >= (uint8_t *)info.va + info.max_bytes);
            memset(p[i]->buf, (int)i, p[i]->room);
        }
        for (unsigned i = 0; i < N; i++)
            for (unsigned k = 0; k < p[i]->room; k++)
                assert_int_equal(p[i]->buf[k], i);
        weir_pkt_free_bulk(c, p, N);
        weir_pktcache_free(c);
        assert_int_equal(available(pool), N);
        assert_int_equal(weir_pktpool_free(pool, NULL), 0);
    }
    struct weir_arena_info after;
    weir_arena_info(arena, &after);
    assert_int_equal(after.used, info.used);
}

static void fresh_packets_are_fresh(void **state)
{
    struct weir_pktpool *pool = make_pool(64, 0);
    struct weir_pktcache *c = weir_pktcache_new(pool, NULL);
    (void)state;
    assert_int_equal(weir_pktpool_data_room(pool), 2048);
    for (int i = 0; i < 200; i++) {
        struct weir_pkt *p = weir_pkt_alloc(c);
        assert_non_null(p);
        assert_int_equal(p->off, WEIR_PKT_HEADROOM);
        assert_int_equal(p->len, 0);
        assert_int_equal(p->total, 0);
        assert_int_equal(p->flags, 0);
        assert_int_equal(p->user, 0);
        assert_int_equal(p->n_segs, 1);
        assert_int_equal(p->refs, 1);
        assert_null(p->next);
        assert_int_equal(weir_pkt_tailroom(p), 2048);
        p->off = 3;
        p->flags = ~0u;
        p->user = 5;
        p->n_segs = 9;
        weir_pkt_set_len(p, 77);
        weir_pkt_free(c, p);
    }
    weir_pktcache_free(c);
    assert_int_equal(weir_pktpool_free(pool, NULL), 0);
}

static void nothing_is_lost_or_handed_out_twice(void **state)
{
    enum { N = 1500 };
    struct weir_pktpool *pool = make_pool(N, 1024);
    struct weir_pktcache *a = weir_pktcache_new(pool, NULL), *b = weir_pktcache_new(pool, NULL);
    static struct weir_pkt *held[N + 1];
    unsigned n = 0;
    (void)state;
    srand(7);
    for (int round = 0; round < 20000; round++) {
        struct weir_pktcache *c = rand() & 1 ? a : b;
        unsigned k = (unsigned)rand() % 300;
        if (rand() & 1) {
            if (k > N - n)
                k = N - n;
            unsigned got = weir_pkt_alloc_bulk(c, &held[n], k);
            assert_true(got == 0 || got == k);
            for (unsigned i = n; i < n + got; i++) {
                assert_int_equal(held[i]->user, 0); /* nobody else has it */
                held[i]->user = 1;
            }
            n += got;
        } else {
            if (k > n)
                k = n;
            for (unsigned i = n - k; i < n; i++)
                held[i]->user = 0;
            weir_pkt_free_bulk(c, &held[n - k], k);
            n -= k;
        }
    }
    for (unsigned i = 0; i < n; i++)
        held[i]->user = 0;
    weir_pkt_free_bulk(a, held, n);
    weir_pktcache_free(a);
    weir_pktcache_free(b);
    assert_int_equal(available(pool), N);
    assert_int_equal(weir_pktpool_free(pool, NULL), 0);
}

static void all_of_a_pool_can_be_had(void **state)
{
    enum { N = 700 };
    struct weir_pktpool *pool = make_pool(N, 1024);
    struct weir_pktcache *c = weir_pktcache_new(pool, NULL);
    static struct weir_pkt *p[N + 1];
    (void)state;
    assert_int_equal(weir_pkt_alloc_bulk(c, p, N + 1), 0);
    assert_int_equal(weir_pkt_alloc_bulk(c, p, N), N);
    assert_null(weir_pkt_alloc(c));
    assert_int_equal(weir_pkt_alloc_bulk(c, p, 0), 0);
    weir_pkt_free(c, p[0]);
    p[0] = weir_pkt_alloc(c);
    assert_non_null(p[0]);
    weir_pkt_free_bulk(c, p, N);
    weir_pktcache_free(c);
    assert_int_equal(weir_pktpool_free(pool, NULL), 0);
}

static void an_idle_cache_leaves_a_small_pool_to_others(void **state)
{
    enum { N = 256 };
    struct weir_pktpool *pool = make_pool(N, 1024);
    struct weir_pktcache *a = weir_pktcache_new(pool, NULL), *b = weir_pktcache_new(pool, NULL);
    struct weir_pkt *p[N];
    (void)state;
    assert_int_equal(weir_pkt_alloc_bulk(a, p, N), N);
    weir_pkt_free_bulk(a, p, N); /* a now keeps some */
    assert_true(available(pool) >= N * 3 / 4);
    assert_int_equal(weir_pkt_alloc_bulk(b, p, N * 3 / 4), N * 3 / 4);
    weir_pkt_free_bulk(b, p, N * 3 / 4);
    weir_pktcache_free(a);
    weir_pktcache_free(b);
    assert_int_equal(weir_pktpool_free(pool, NULL), 0);
}

static void chains_are_made_read_and_freed(void **state)
{
    enum { ROOM = 1024 };
    struct weir_pktpool *pool = make_pool(100, ROOM);
    struct weir_pktcache *c = weir_pktcache_new(pool, NULL);
    static uint8_t in[WEIR_PKT_MAX_SEGS * ROOM + 1], out[sizeof in];
    static const uint32_t lens[] = {0, 1, 60, ROOM - 1, ROOM, ROOM + 1, 9000, sizeof in - 1};
    (void)state;
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t k = 0; k < sizeof lens / sizeof lens[0]; k++) {
        struct weir_pkt *p = weir_pkt_from(c, in, lens[k]);
        uint32_t sum = 0, n = 0;
        assert_non_null(p);
        assert_int_equal(p->total, lens[k]);
        for (const struct weir_pkt *s = p; s; s = s->next) {
            sum += s->len;
            n++;
        }
        assert_int_equal(sum, lens[k]);
        assert_int_equal(n, p->n_segs);
        assert_int_equal(n, lens[k] ? (lens[k] + ROOM - 1) / ROOM : 1);
        memset(out, 0xee, sizeof out);
        assert_int_equal(weir_pkt_read(p, 0, out, sizeof out), lens[k]);
        assert_memory_equal(out, in, lens[k]);
        assert_int_equal(out[lens[k]], 0xee);
        if (lens[k] > 10) {
            assert_int_equal(weir_pkt_read(p, lens[k] - 10, out, 5), 5);
            assert_memory_equal(out, in + lens[k] - 10, 5);
        }
        assert_int_equal(weir_pkt_read(p, lens[k], out, 5), 0);
        weir_pkt_free(c, p);
    }
    assert_null(weir_pkt_from(c, in, sizeof in)); /* one segment too many */
    weir_pktcache_free(c);
    assert_int_equal(available(pool), 100);

    struct weir_pktpool *small = make_pool(4, ROOM);
    c = weir_pktcache_new(small, NULL);
    assert_null(weir_pkt_from(c, in, 5 * ROOM)); /* more than there are */
    weir_pktcache_free(c);
    assert_int_equal(available(small), 4);
    assert_int_equal(weir_pktpool_free(small, NULL), 0);
    assert_int_equal(weir_pktpool_free(pool, NULL), 0);
}

static void packets_find_their_way_home(void **state)
{
    struct weir_pktpool *one = make_pool(32, 1024), *two = make_pool(32, 1024);
    struct weir_pktcache *c1 = weir_pktcache_new(one, NULL), *c2 = weir_pktcache_new(two, NULL);
    (void)state;
    struct weir_pkt *p = weir_pkt_alloc(c1), *q = weir_pkt_alloc(c2);
    weir_pkt_free(c2, p); /* given to the wrong cache */
    /* A chain over both. */
    p = weir_pkt_alloc(c1);
    p->next = q;
    p->n_segs = 2;
    weir_pkt_free(c1, p);
    weir_pktcache_free(c1);
    weir_pktcache_free(c2);
    assert_int_equal(available(one), 32);
    assert_int_equal(available(two), 32);
    assert_int_equal(weir_pktpool_free(one, NULL), 0);
    assert_int_equal(weir_pktpool_free(two, NULL), 0);
}

static void shared_packets_stay_until_the_last_free(void **state)
{
    struct weir_pktpool *pool = make_pool(8, 1024);
    struct weir_pktcache *c = weir_pktcache_new(pool, NULL);
    struct weir_pkt *p[8];
    (void)state;
    assert_int_equal(weir_pkt_alloc_bulk(c, p, 8), 8);
    p[0]->refs = 2;
    weir_pkt_free(c, p[0]);
    assert_null(weir_pkt_alloc(c));
    assert_int_equal(p[0]->refs, 1);
    weir_pkt_free(c, p[0]);
    assert_ptr_equal(weir_pkt_alloc(c), p[0]);
    weir_pkt_free_bulk(c, p, 8);
    weir_pktcache_free(c);
    assert_int_equal(weir_pktpool_free(pool, NULL), 0);
}

static void a_pool_in_use_is_not_freed(void **state)
{
    struct weir_pktpool *pool = make_pool(40, 1024);
    struct weir_pktcache *c = weir_pktcache_new(pool, NULL);
    struct weir_pkt *p = weir_pkt_alloc(c);
    struct weir_error e;
    (void)state;
    assert_int_equal(weir_pktpool_free(pool, &e), -EBUSY);
    assert_string_equal(e.code, "pool-busy");
    weir_pkt_free(c, p);
    assert_int_equal(weir_pktpool_free(pool, &e), -EBUSY); /* the cache is still there */
    weir_pktcache_free(c);
    assert_int_equal(weir_pktpool_free(pool, &e), 0);
    assert_int_equal(weir_pktpool_free(NULL, &e), 0);
}

static void bad_options_are_told(void **state)
{
    struct weir_pktpool_options o = {.size = sizeof o};
    struct weir_error e;
    (void)state;
    assert_null(weir_pktpool_new(arena, &o, &e)); /* no packets */
    assert_string_equal(e.code, "pool-packets");
    o.packets = 1;
    o.data_room = 63;
    assert_null(weir_pktpool_new(arena, &o, &e));
    assert_string_equal(e.code, "pool-room");
    o.data_room = 16385;
    assert_null(weir_pktpool_new(arena, &o, &e));
    assert_string_equal(e.code, "pool-room");
    o.data_room = 0;
    o.size = 4;
    assert_null(weir_pktpool_new(arena, &o, &e));
    assert_string_equal(e.code, "options-size");
    assert_null(weir_pktpool_new(arena, NULL, &e));

    o = (struct weir_pktpool_options){.size = sizeof o, .packets = 1 << 20};
    assert_int_equal(weir_pktpool_bytes(&o), (uint64_t)2240 << 20);
    assert_null(weir_pktpool_new(arena, &o, &e));
    assert_int_equal(e.err, -ENOSPC);
    assert_string_equal(e.code, "pool-arena");
    assert_non_null(strstr(e.why, "2348810240")); /* the need */
}

static void the_instance_takes_pools_and_caches_along(void **state)
{
    struct weir_pktpool *pool = make_pool(40, 1024);
    struct weir_pktcache *c = weir_pktcache_new(pool, NULL);
    (void)state;
    assert_non_null(weir_pktcache_new(pool, NULL));
    assert_non_null(weir_pkt_alloc(c));
    /* teardown: weir_free(); a leak is for the sanitizer to see */
}

struct worker {
    struct weir_pktpool *pool;
    unsigned seed;
    bool ok;
};

static void *work(void *arg)
{
    struct worker *me = arg;
    struct weir_pktcache *c = weir_pktcache_new(me->pool, NULL);
    struct weir_pkt *p[64];
    me->ok = c != NULL;
    for (int i = 0; me->ok && i < 20000; i++) {
        unsigned n = (unsigned)rand_r(&me->seed) % 64;
        if (!weir_pkt_alloc_bulk(c, p, n))
            continue;
        for (unsigned k = 0; k < n; k++)
            p[k]->user = me->seed;
        for (unsigned k = 0; k < n; k++)
            me->ok = me->ok && p[k]->user == me->seed;
        weir_pkt_free_bulk(c, p, n);
    }
    weir_pktcache_free(c);
    return NULL;
}

static void threads_share_a_pool(void **state)
{
    struct weir_pktpool *pool = make_pool(200, 1024);
    struct worker me[3];
    pthread_t t[3];
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        me[i] = (struct worker){.pool = pool, .seed = i + 1};
        assert_int_equal(pthread_create(&t[i], NULL, work, &me[i]), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(t[i], NULL);
        assert_true(me[i].ok);
    }
    assert_int_equal(available(pool), 200);
    assert_int_equal(weir_pktpool_free(pool, NULL), 0);
}

static void rings_are_aligned_and_zero(void **state)
{
    struct weir_ring r;
    struct weir_error e;
    (void)state;
    assert_int_equal(weir_ring_alloc(arena, 512, 16, 128, &r, &e), 0);
    assert_int_equal(r.mem.len, 8192);
    assert_int_equal(r.mem.iova.addr % 128, 0);
    for (size_t i = 0; i < r.mem.len; i++)
        assert_int_equal(((uint8_t *)r.mem.va)[i], 0);
    memset(r.mem.va, 0xff, r.mem.len);
    weir_ring_free(&r);
    weir_ring_free(&r); /* a zeroed one is fine */
    assert_int_equal(weir_ring_alloc(arena, 0, 16, 128, &r, &e), -EINVAL);
    assert_int_equal(weir_ring_alloc(arena, 1u << 31, 1u << 31, 128, &r, &e), -ENOSPC);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Sums by hand. */
static void pseudo_headers_are_summed(void **state)
{
    uint8_t six[40] = {0x60, 0, 0, 0, 0, 8, 17, 64}, four[20] = {0x45, 0, 0, 28};
    (void)state;

    six[8] = 0xfe;
    six[9] = 0x80; /* fe80::1 */
    six[23] = 1;
    six[24] = 0xff;
    six[25] = 0x02; /* ff02::fb */
    six[39] = 0xfb;
    /* 0xfe80 + 1 + 0xff02 + 0xfb + 17 + 8 = 0x1fe97, folded */
    assert_int_equal(weir_pseudo_sum(six, 17, 8), 0xfe98);
    memcpy(four + 12, "\x0a\x01\x02\x03\x0a\x04\x05\x06", 8);
    /* 0x0a01 + 0x0203 + 0x0a04 + 0x0506 + 6 + 0xffff = 0x11b13, folded */
    assert_int_equal(weir_pseudo_sum(four, 6, 0xffff), 0x1b14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pseudo_headers_are_summed),
        TEST(buffers_are_apart_and_inside),
        TEST(fresh_packets_are_fresh),
        TEST(nothing_is_lost_or_handed_out_twice),
        TEST(all_of_a_pool_can_be_had),
        TEST(an_idle_cache_leaves_a_small_pool_to_others),
        TEST(chains_are_made_read_and_freed),
        TEST(packets_find_their_way_home),
        TEST(shared_packets_stay_until_the_last_free),
        TEST(a_pool_in_use_is_not_freed),
        TEST(bad_options_are_told),
        TEST(the_instance_takes_pools_and_caches_along),
        TEST(threads_share_a_pool),
        TEST(rings_are_aligned_and_zero),
    };
    return cmocka_run_group_tests_name("pkt", tests, NULL, NULL);
}
