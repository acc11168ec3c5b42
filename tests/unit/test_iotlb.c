/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The software IOMMU's translation cache: against a list that is too simple to be wrong, and where
 * its wall stands. Memory that is only counted is never touched, so it need not exist.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/driver/siommu.h>
#include <weir/error.h>

#define K(n)  ((uint64_t)(n) << 10)
#define M(n)  ((uint64_t)(n) << 20)
#define G(n)  ((uint64_t)(n) << 30)
#define X86   (K(4) | M(2) | G(1))
#define THERE ((void *)(uintptr_t)G(1024)) /* aligned to all of them */

static uint64_t seed;

static uint64_t rnd(uint64_t n)
{
    /* xorshift64* */
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (seed * 0x2545f4914f6cdd1du >> 8) % n;
}

static struct weir_siommu *with(unsigned entries, unsigned ways, uint64_t pages)
{
    const struct weir_iotlb_options opt = {
        .entries = entries, .ways = ways, .pages = pages, .bits = 48};
    struct weir_siommu *s = weir_siommu_new(NULL);

    assert_non_null(s);
    assert_int_equal(weir_siommu_set_iotlb(s, &opt, NULL), 0);
    seed = 1;
    return s;
}

static void map(struct weir_siommu *s, uint64_t iova, void *va, uint64_t len, uint64_t page)
{
    const struct weir_mem mem = {.va = va, .len = len, .fd = -1, .page = page, .name = "memory"};

    assert_int_equal(weir_siommu_map(s, &mem, iova, WEIR_PROT_RW), 0);
}

static struct weir_iotlb_stats stats_of(struct weir_siommu *s)
{
    struct weir_iotlb_stats out;

    assert_true(weir_siommu_iotlb(s, &out));
    return out;
}

static uint64_t sum(const uint64_t n[WEIR_IOTLB_PAGES])
{
    uint64_t total = 0;

    for (unsigned i = 0; i < WEIR_IOTLB_PAGES; i++)
        total += n[i];
    return total;
}

#define ACCESSES 1000000

/* Random 64-byte accesses over 256 MiB. @return misses */
static struct weir_iotlb_stats random_accesses(unsigned entries, uint64_t page)
{
    struct weir_siommu *s = with(entries, 0, X86);
    struct weir_iotlb_stats out;

    map(s, G(1), THERE, G(1), page);
    weir_siommu_lock(s);
    for (unsigned i = 0; i < ACCESSES; i++)
        weir_siommu_touch(s, G(1) + rnd(M(256) / 64) * 64, 64, NULL);
    weir_siommu_unlock(s);
    out = stats_of(s);
    assert_int_equal(sum(out.total.hits) + sum(out.total.misses), ACCESSES);
    weir_siommu_free(s);
    return out;
}

static void wall(void **state)
{
    struct weir_iotlb_stats out;

    (void)state;
    out = random_accesses(64, K(4));
    assert_true(out.total.misses[0] > ACCESSES / 100 * 95);
    assert_int_equal(sum(out.total.misses), out.total.misses[0]);
    assert_int_equal(out.total.reads, out.total.misses[0] * 4);
    assert_int_equal(out.leaves[0], G(1) / K(4));
    out = random_accesses(64, G(1));
    assert_int_equal(out.total.misses[2], 1);
    assert_true(sum(out.total.misses) < ACCESSES / 100);
    assert_int_equal(out.total.reads, 2);
    assert_int_equal(out.leaves[2], 1);

    /* 128 pages of 2 MiB: if they fit, each misses once; if not, an access hits if its page is
     * among the last used, of which the cache holds entries of 128. */
    out = random_accesses(128, M(2));
    assert_int_equal(out.total.misses[1], 128);
    assert_int_equal(sum(out.total.misses), 128);
    assert_int_equal(out.total.reads, 128 * 3);
    assert_int_equal(out.leaves[1], 512);
    for (unsigned entries = 16; entries < 128; entries *= 2) {
        double expected = ACCESSES * (1 - entries / 128.0);

        out = random_accesses(entries, M(2));
        assert_true((double)out.total.misses[1] > expected * 0.99);
        assert_true((double)out.total.misses[1] < expected * 1.01);
    }
}

/* Over and over the same pages in turn: what fits hits, one page more and nothing does. */
static void in_turn(void **state)
{
    (void)state;
    for (unsigned entries = 1; entries <= 4096; entries *= 4) {
        for (unsigned more = 0; more < 2; more++) {
            struct weir_siommu *s = with(entries, 0, X86);
            uint64_t pages = entries + more, rounds = 5;

            map(s, 0, THERE, G(16), M(2));
            weir_siommu_lock(s);
            for (uint64_t i = 0; i < rounds * pages; i++)
                weir_siommu_touch(s, i % pages * M(2) + K(4), 64, NULL);
            weir_siommu_unlock(s);
            assert_int_equal(sum(stats_of(s).total.misses), more ? rounds * pages : pages);
            weir_siommu_free(s);
        }
    }
}

/* The cache as a list of sets, each with what was used last in front. */
struct list {
    unsigned sets, ways;
    uint64_t page[64][64];
};

static bool list_hit(struct list *l, uint64_t page)
{
    uint64_t *set = l->page[(page - 1) % l->sets], out = page;
    bool hit = false;

    for (unsigned i = 0; i < l->ways && !hit; i++) {
        uint64_t was = set[i];

        set[i] = out;
        hit = was == page;
        out = was;
    }
    return hit;
}

static void shapes(void **state)
{
    static struct list l;

    (void)state;
    for (unsigned ways = 1; ways <= 16; ways *= 2) {
        for (unsigned sets = 1; sets <= 33; sets += 8) {
            struct weir_siommu *s = with(ways * sets, ways, K(4));
            uint64_t hits = 0, misses = 0;
            struct weir_iotlb_stats out;

            memset(&l, 0, sizeof(l));
            l.sets = sets;
            l.ways = ways;
            map(s, 0, THERE, M(4), K(4));
            weir_siommu_lock(s);
            for (unsigned i = 0; i < 20000; i++) {
                uint64_t page = rnd(2) ? rnd(1024) : rnd(24);
                bool hit = list_hit(&l, page + 1);

                weir_siommu_touch(s, page * K(4), 1, NULL);
                hits += hit;
                misses += !hit;
                if (i % 1000)
                    continue;
                out = stats_of(s);
                assert_int_equal(sum(out.total.hits), hits);
                assert_int_equal(sum(out.total.misses), misses);
            }
            weir_siommu_unlock(s);
            assert_true(hits > 0 && misses > 0);
            out = stats_of(s);
            assert_int_equal(out.entries, ways * sets);
            assert_int_equal(out.ways, ways);
            weir_siommu_free(s);
        }
    }
}

static uint64_t misses_after(struct weir_siommu *s, uint64_t iova, size_t len)
{
    uint64_t before = sum(stats_of(s).total.misses);

    weir_siommu_lock(s);
    weir_siommu_touch(s, iova, len, NULL);
    weir_siommu_unlock(s);
    return sum(stats_of(s).total.misses) - before;
}

/* Which leaf an access falls into. */
static void leaves(void **state)
{
    struct weir_siommu *s = with(64, 0, X86);
    struct weir_iotlb_stats out;

    (void)state;
    /* An IOVA that is not congruent: 4 KiB pages. */
    map(s, M(64) + K(4), THERE, M(4), M(2));
    assert_int_equal(misses_after(s, M(66), 64), 1);
    assert_int_equal(misses_after(s, M(66) + K(4), 64), 1);
    out = stats_of(s);
    assert_int_equal(out.total.misses[0], 2);
    assert_int_equal(out.leaves[0], 1024);
    assert_int_equal(weir_siommu_unmap(s, 0, UINT64_MAX, NULL, NULL), 0);

    /* Head and tail in 4 KiB pages, a hugepage between. */
    map(s, M(64) + K(4), (char *)THERE + K(4), M(4), M(2));
    assert_int_equal(misses_after(s, M(64) + K(4), 64), 1);
    assert_int_equal(misses_after(s, M(64) + K(8), 64), 1);
    assert_int_equal(misses_after(s, M(66), 64), 1);
    assert_int_equal(misses_after(s, M(67), 64), 0);
    assert_int_equal(misses_after(s, M(68), 64), 1);
    out = stats_of(s);
    assert_int_equal(out.leaves[0], 512);
    assert_int_equal(out.leaves[1], 1);
    assert_int_equal(out.total.misses[1], 1);

    /* An access counts once for each page. */
    assert_int_equal(misses_after(s, M(64) + K(12) - 1, 1), 0);
    assert_int_equal(misses_after(s, M(64) + K(20) - 1, 2), 2);
    assert_int_equal(misses_after(s, M(64) + K(32), K(32)), 8);
    assert_int_equal(misses_after(s, M(64), 0), 0);
    /* Where nothing is mapped nothing is translated. */
    assert_int_equal(misses_after(s, M(1), 64), 0);

    /* What is unmapped is forgotten, and only that. */
    map(s, G(1), THERE, G(1), G(1));
    assert_int_equal(misses_after(s, G(1) + M(500), 64), 1);
    assert_int_equal(weir_siommu_unmap(s, M(64), M(8), NULL, NULL), 0);
    map(s, M(64) + K(4), (char *)THERE + K(4), M(4), M(2));
    assert_int_equal(misses_after(s, G(1) + M(700), 64), 0);
    assert_int_equal(misses_after(s, M(66), 64), 1);
    /* Counting anew starts with an empty cache. */
    assert_int_equal(
        weir_siommu_set_iotlb(
            s, &(struct weir_iotlb_options){.entries = 8, .pages = K(64) | M(1), .bits = 39}, NULL),
        0);
    assert_int_equal(misses_after(s, G(1), 64), 1);
    out = stats_of(s);
    assert_int_equal(out.n_pages, 2);
    assert_int_equal(out.page[1], M(1));
    assert_int_equal(out.total.misses[1], 1);
    assert_int_equal(out.total.reads, 3); /* 19 bits above 1 MiB */
    assert_int_equal(weir_siommu_set_iotlb(s, NULL, NULL), 0);
    assert_false(weir_siommu_iotlb(s, &out));
    assert_false(weir_siommu_has_iotlb(s));
    weir_siommu_touch(s, G(1), 64, NULL);
    weir_siommu_free(s);
}

static int nowhere(void *user, uint64_t iova, void *buf, size_t len, bool write)
{
    (void)user;
    (void)iova;
    (void)buf;
    (void)len;
    (void)write;
    return 0;
}

/* What a client maps as one page is one, whatever is behind it here; else its file tells. */
static void of_a_client(void **state)
{
    struct weir_siommu *s = with(64, 0, X86);
    struct weir_mem mem = {.len = M(2), .fd = -1};
    struct weir_iotlb_stats out;

    (void)state;
    weir_siommu_set_remote(s, nowhere, NULL);
    assert_int_equal(weir_siommu_map(s, &mem, M(2), WEIR_PROT_RW), 0);
    mem.va = (char *)THERE + K(4); /* where it lies here, of no account */
    mem.page = K(4);
    mem.offset = M(1);
    assert_int_equal(weir_siommu_map(s, &mem, M(4), WEIR_PROT_RW), 0);
    mem.len = M(4);
    mem.page = M(2);
    mem.offset = M(2);
    assert_int_equal(weir_siommu_map(s, &mem, M(6), WEIR_PROT_RW), 0);
    assert_int_equal(misses_after(s, M(2) + 5, 1), 1);
    assert_int_equal(misses_after(s, M(4) - 5, 1), 0);
    assert_int_equal(misses_after(s, M(4), K(64)), 1);
    assert_int_equal(misses_after(s, M(6), K(64)), 1);
    mem.offset = M(1); /* not congruent to the IOVA */
    assert_int_equal(weir_siommu_map(s, &mem, M(10), WEIR_PROT_RW), 0);
    assert_int_equal(misses_after(s, M(10), K(64)), 16);
    mem = (struct weir_mem){.len = M(4), .fd = -1};
    assert_int_equal(weir_siommu_map(s, &mem, M(14), WEIR_PROT_RW), 0);
    assert_int_equal(misses_after(s, M(14), K(64)), 16); /* nothing is known of it */
    out = stats_of(s);
    assert_int_equal(out.total.misses[1], 3);
    assert_int_equal(out.leaves[1], 4);
    assert_int_equal(out.leaves[0], 2 * M(4) / K(4));
    weir_siommu_free(s);
}

static int later(void *user, uint64_t iova, void *buf, size_t len, bool write)
{
    unsigned *left = user;

    (void)iova;
    (void)buf;
    (void)len;
    (void)write;
    return *left && (*left)-- ? -EAGAIN : 0;
}

/* How often a model had to ask for another process's memory makes no difference to the count. */
static void tried_again(void **state)
{
    struct weir_siommu *s = with(64, 0, X86);
    struct weir_mem mem = {.len = M(2), .fd = -1};
    struct weir_iotlb_stats out;
    unsigned left = 3;
    uint8_t bytes[64];

    (void)state;
    weir_siommu_set_remote(s, later, &left);
    assert_int_equal(weir_siommu_map(s, &mem, M(2), WEIR_PROT_RW), 0);
    weir_siommu_lock(s);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(weir_siommu_read(s, M(2), bytes, 64, NULL), i < 3 ? -EAGAIN : 0);
    assert_int_equal(weir_siommu_write(s, M(2), bytes, 64, NULL), 0);
    weir_siommu_unlock(s);
    out = stats_of(s);
    assert_int_equal(sum(out.total.misses), 1);
    assert_int_equal(sum(out.total.hits), 1);
    weir_siommu_free(s);
}

/* Each queue's own, the accesses that copy, and none for what was refused. */
static void queues(void **state)
{
    static uint8_t buf[8192] __attribute__((aligned(4096)));
    struct weir_siommu *s = with(64, 0, X86);
    struct weir_dma_who who = {.queue = "rx"};
    struct weir_iotlb_stats out;
    uint8_t bytes[64];

    (void)state;
    map(s, 0x10000, buf, sizeof(buf), K(4));
    weir_siommu_lock(s);
    assert_int_equal(weir_siommu_read(s, 0x10000, bytes, 64, &who), 0);
    assert_int_equal(weir_siommu_read(s, 0x10fff, bytes, 2, &who), 0);
    who.queue_index = 7;
    assert_int_equal(weir_siommu_write(s, 0x11000, bytes, 64, &who), 0);
    assert_int_equal(weir_siommu_write(s, 0x12000, bytes, 64, &who), -EFAULT);
    assert_int_equal(weir_siommu_write(s, 0x11fff, bytes, 2, &who), -EFAULT);
    assert_int_equal(weir_siommu_write(s, 0x11fff, bytes, 0, &who), 0);
    who.queue = "tx";
    assert_non_null(weir_siommu_ptr(s, 0x10000, 64, false));
    weir_siommu_touch(s, 0x10000, 64, &who);
    weir_siommu_touch(s, 0x10000, 64, NULL);
    weir_siommu_unlock(s);
    out = stats_of(s);
    assert_int_equal(out.n_queues, 4);
    assert_string_equal(out.queue[0].queue, "rx");
    assert_int_equal(out.queue[0].queue_index, 0);
    assert_int_equal(out.queue[0].hits[0], 1);
    assert_int_equal(out.queue[0].misses[0], 2);
    assert_int_equal(out.queue[0].reads, 8);
    assert_int_equal(out.queue[1].queue_index, 7);
    assert_int_equal(out.queue[1].hits[0], 1);
    assert_int_equal(out.queue[1].misses[0], 0);
    assert_string_equal(out.queue[2].queue, "tx");
    assert_int_equal(out.queue[2].hits[0], 1);
    assert_null(out.queue[3].queue);
    assert_int_equal(out.queue[3].hits[0], 1);
    assert_int_equal(out.total.hits[0] + out.total.misses[0], 6);

    /* More queues than are told apart: in the total all the same. */
    weir_siommu_lock(s);
    for (who.queue_index = 0; who.queue_index < 100; who.queue_index++)
        weir_siommu_touch(s, 0x10000, 64, &who);
    weir_siommu_unlock(s);
    out = stats_of(s);
    assert_int_equal(out.n_queues, WEIR_IOTLB_QUEUES);
    assert_int_equal(out.total.hits[0] + out.total.misses[0], 106);
    weir_siommu_free(s);
}

static void refusals(void **state)
{
    const struct weir_iotlb_options bad[] = {
        {.entries = 0, .pages = X86, .bits = 48},
        {.entries = 4097, .pages = X86, .bits = 48},
        {.entries = 64, .ways = 5, .pages = X86, .bits = 48},
        {.entries = 64, .ways = 128, .pages = X86, .bits = 48},
        {.entries = 64, .bits = 48},
        {.entries = 64, .pages = 0x1ff000, .bits = 48},
        {.entries = 64, .pages = X86},
        {.entries = 64, .pages = X86, .bits = 65},
    };
    struct weir_siommu *s = weir_siommu_new(NULL);

    (void)state;
    assert_non_null(s);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct weir_error e;

        assert_int_equal(weir_siommu_set_iotlb(s, &bad[i], &e), -EINVAL);
        assert_string_equal(e.code, "iotlb-options");
        assert_false(weir_siommu_has_iotlb(s));
    }
    weir_siommu_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wall),     cmocka_unit_test(in_turn),     cmocka_unit_test(shapes),
        cmocka_unit_test(leaves),   cmocka_unit_test(of_a_client), cmocka_unit_test(queues),
        cmocka_unit_test(refusals), cmocka_unit_test(tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
