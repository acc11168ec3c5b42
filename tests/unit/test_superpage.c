/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Superpage plans: worked examples whose answers are known, and random ones against a page-table
 * builder that is too simple to be wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/error.h>
#include <weir/superpage.h>

#define K(n) ((uint64_t)(n) << 10)
#define M(n) ((uint64_t)(n) << 20)
#define G(n) ((uint64_t)(n) << 30)
#define X86  (K(4) | M(2) | G(1))

#define REQUEST(...)                                                                               \
    (struct weir_superpage_request)                                                                \
    {                                                                                              \
        .size = sizeof(struct weir_superpage_request), __VA_ARGS__                                 \
    }
#define AT(...)                                                                                    \
    .at = (const uint64_t[]){__VA_ARGS__},                                                         \
    .n_at = sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)

static struct weir_superpage_plan plan_of(struct weir_superpage_request r)
{
    struct weir_superpage_plan plan;
    struct weir_error e;

    if (weir_superpage_plan(&r, &plan, &e)) {
        weir_error_print(&e, stderr);
        fail();
    }
    return plan;
}

static const char *refused(struct weir_superpage_request r)
{
    struct weir_superpage_plan plan;
    struct weir_error e = {0};

    assert_int_equal(weir_superpage_plan(&r, &plan, &e), -EINVAL);
    assert_int_equal(e.err, -EINVAL);
    assert_true(e.what[0] && e.why[0] && e.fix[0]);
    return e.code;
}

static uint64_t leaves(const struct weir_superpage_plan *p, uint64_t size)
{
    return p->leaves[__builtin_ctzll(size)];
}

#define WHY(plan, bits) assert_int_equal((plan).why, bits)

/* "2M page mapped to 256 8k page": an IOMMU of 4 KiB, 8 KiB and 4 MiB pages, a hugepage of 2 MiB.
 */
static void example_256(void **state)
{
    struct weir_superpage_plan p;

    (void)state;
    p = plan_of(
        REQUEST(.len = M(2), .page = M(2), .any_iova = true, .iommu_pages = K(4) | K(8) | M(4)));
    assert_int_equal(p.entries, 256);
    assert_int_equal(leaves(&p, K(8)), 256);
    assert_int_equal(p.align, K(8));
    WHY(p, WEIR_WHY_LENGTH | WEIR_WHY_BACKING_PAGE);
    assert_int_equal(p.short_of[0], M(4));

    p = plan_of(REQUEST(.len = M(2), .page = M(2), .any_iova = true, .iommu_pages = K(8)));
    assert_int_equal(p.entries, 256);
    WHY(p, 0); /* there is no larger page */

    /* "4k huge page mapped to one 4k super page, 16k huge page mapped to two 8k pages" */
    p = plan_of(
        REQUEST(.len = K(4), .page = K(4), .any_iova = true, .iommu_pages = K(4) | K(8) | M(4)));
    assert_int_equal(p.entries, 1);
    assert_int_equal(leaves(&p, K(4)), 1);
    p = plan_of(
        REQUEST(.len = K(16), .page = K(16), .any_iova = true, .iommu_pages = K(4) | K(8) | M(4)));
    assert_int_equal(p.entries, 2);
    assert_int_equal(leaves(&p, K(8)), 2);
}

/* "4 huge pages of 2M, out of 4 two happen to be contiguous: 3 entries; 4M page and 2M page" */
static void example_3_of_4(void **state)
{
    struct weir_superpage_plan p;

    (void)state;
    p = plan_of(REQUEST(.len = M(8), .page = M(2), .any_iova = true, .iommu_pages = M(2) | M(4),
                        AT(M(100), M(40), M(42), M(60))));
    assert_int_equal(p.entries, 3);
    assert_int_equal(leaves(&p, M(4)), 1);
    assert_int_equal(leaves(&p, M(2)), 2);
    assert_int_equal(p.align, M(4));
    assert_int_equal(p.offset, M(2)); /* the pair is to start on 4 MiB */
    WHY(p, WEIR_WHY_DISCONTIGUOUS);
    assert_int_equal(p.short_of[4], M(4));

    /* The pair is not 4 MiB-aligned. */
    p = plan_of(REQUEST(.len = M(8), .page = M(2), .any_iova = true, .iommu_pages = M(2) | M(4),
                        AT(M(100), M(42), M(44), M(60))));
    assert_int_equal(p.entries, 4);
    WHY(p, WEIR_WHY_DISCONTIGUOUS);

    /* It is, but the IOVA is not congruent. */
    p = plan_of(REQUEST(.len = M(8), .page = M(2), .iova = M(64), .iommu_pages = M(2) | M(4),
                        AT(M(100), M(40), M(42), M(60))));
    assert_int_equal(p.entries, 4);
    assert_int_equal(p.best, 3);
    assert_int_equal(p.align, M(4));
    assert_int_equal(p.offset, M(2));
    WHY(p, WEIR_WHY_IOVA_ALIGNMENT | WEIR_WHY_DISCONTIGUOUS);

    /* Nothing is known of where they are. */
    p = plan_of(REQUEST(.len = M(8), .page = M(2), .any_iova = true, .iommu_pages = M(2) | M(4)));
    assert_int_equal(p.entries, 4);
    WHY(p, WEIR_WHY_BACKING_PAGE);
}

/* "2 contiguous 4k hugepages will use an 8k iommu superpage" */
static void example_1_of_2(void **state)
{
    struct weir_superpage_plan p;

    (void)state;
    p = plan_of(REQUEST(.len = K(8), .page = K(4), .any_iova = true, .iommu_pages = K(4) | K(8),
                        AT(K(16), K(20))));
    assert_int_equal(p.entries, 1);
    assert_int_equal(p.align, K(8));
    assert_int_equal(p.offset, 0);
    WHY(p, 0);
    p = plan_of(REQUEST(.len = K(8), .page = K(4), .any_iova = true, .iommu_pages = K(4) | K(8),
                        AT(K(20), K(24))));
    assert_int_equal(p.entries, 2);
    WHY(p, WEIR_WHY_DISCONTIGUOUS);
    /* An IOMMU of 8 KiB pages alone cannot hold them. */
    assert_string_equal(refused(REQUEST(.len = K(8), .page = K(4), .any_iova = true,
                                        .iommu_pages = K(8), AT(K(20), K(24)))),
                        "superpage-unaligned");
}

static void arenas(void **state)
{
    struct weir_superpage_plan p;

    (void)state;
    p = plan_of(REQUEST(.len = G(16), .page = M(2), .any_iova = true, .iommu_pages = X86));
    assert_int_equal(p.entries, 8192);
    assert_int_equal(leaves(&p, M(2)), 8192);
    assert_int_equal(p.align, M(2));
    WHY(p, WEIR_WHY_BACKING_PAGE);
    assert_int_equal(p.short_of[3], G(1));
    p = plan_of(REQUEST(.len = G(16), .page = G(1), .any_iova = true, .iommu_pages = X86));
    assert_int_equal(p.entries, 16);
    WHY(p, 0);
    p = plan_of(REQUEST(.len = G(16), .page = K(4), .any_iova = true, .iommu_pages = X86));
    assert_int_equal(p.entries, G(16) / K(4));
    WHY(p, WEIR_WHY_BACKING_PAGE);
    /* AMD-Vi has every power of two. */
    p = plan_of(REQUEST(.len = M(64), .page = M(2), .any_iova = true, .iommu_pages = -K(4)));
    assert_int_equal(p.entries, 32);
    WHY(p, WEIR_WHY_BACKING_PAGE);
    p = plan_of(REQUEST(.len = M(6), .page = G(1), .any_iova = true, .iommu_pages = -K(4)));
    assert_int_equal(p.entries, 2);
    WHY(p, WEIR_WHY_LENGTH);
    /* As long as there are addresses. */
    p = plan_of(
        REQUEST(.len = UINT64_C(1) << 63, .page = K(4), .any_iova = true, .iommu_pages = X86));
    assert_int_equal(p.entries, UINT64_C(1) << 51);
}

/* Each way to fall short, and nothing but it. */
static void reasons(void **state)
{
    struct weir_superpage_plan p;

    (void)state;
    p = plan_of(REQUEST(.len = M(1), .page = M(2), .any_iova = true, .iommu_pages = K(4) | M(2)));
    assert_int_equal(p.entries, 256);
    WHY(p, WEIR_WHY_LENGTH);
    p = plan_of(REQUEST(.len = M(3), .page = M(2), .any_iova = true, .iommu_pages = K(4) | M(2)));
    assert_int_equal(p.entries, 1 + 256);
    WHY(p, WEIR_WHY_LENGTH);
    p = plan_of(REQUEST(.len = M(4), .page = M(2), .iova = K(4), .iommu_pages = K(4) | M(2)));
    assert_int_equal(p.entries, 1024);
    assert_int_equal(p.best, 2);
    assert_int_equal(p.align, M(2));
    assert_int_equal(p.offset, 0);
    WHY(p, WEIR_WHY_IOVA_ALIGNMENT);
    assert_int_equal(p.short_of[1], M(2));
    /* Congruent, but it begins and ends inside a hugepage. */
    p = plan_of(REQUEST(.va = G(4) + K(4), .len = M(4), .iova = M(2) + K(4), .page = M(2),
                        .iommu_pages = K(4) | M(2)));
    assert_int_equal(p.entries, 511 + 1 + 1);
    WHY(p, WEIR_WHY_VA_ALIGNMENT);
    /* The IOVA is aligned and the memory is not. */
    p = plan_of(REQUEST(.va = G(4) + K(4), .len = M(4), .iova = M(2), .page = M(2),
                        .iommu_pages = K(4) | M(2)));
    assert_int_equal(p.entries, 1024);
    assert_int_equal(p.best, 513);
    assert_int_equal(p.offset, K(4));
    WHY(p, WEIR_WHY_VA_ALIGNMENT);
    p = plan_of(REQUEST(.len = M(4), .page = K(4), .any_iova = true, .iommu_pages = K(4) | M(2)));
    WHY(p, WEIR_WHY_BACKING_PAGE);
    p = plan_of(REQUEST(.len = K(16), .page = K(4), .any_iova = true, .iommu_pages = K(4) | K(8),
                        AT(0, K(4), K(12), K(16))));
    assert_int_equal(p.entries, 3);
    WHY(p, WEIR_WHY_DISCONTIGUOUS);
    /* A run that goes on to the end of the memory: the memory ends too early. */
    p = plan_of(REQUEST(.len = K(12), .page = K(4), .any_iova = true, .iommu_pages = K(4) | K(8),
                        AT(0, K(4), K(8))));
    assert_int_equal(p.entries, 2);
    WHY(p, WEIR_WHY_LENGTH);
    p = plan_of(REQUEST(.len = M(4), .page = M(2), .any_iova = true, .iommu_pages = K(4) | M(2),
                        .base_pages_only = true));
    assert_int_equal(p.entries, 1024);
    assert_int_equal(p.best, 1024);
    WHY(p, WEIR_WHY_DISABLED);
    assert_int_equal(p.short_of[5], M(2));
    /* Nor does a kernel map more at once than the pages there are. */
    p = plan_of(REQUEST(.len = K(4), .page = K(1), .any_iova = true, .iommu_pages = K(1) | K(2),
                        .base_pages_only = true, AT(0, K(1), K(2), K(3))));
    assert_int_equal(p.entries, 4);
    assert_int_equal(p.short_of[5], K(2));
    /* Where it makes no difference it is not the reason. */
    p = plan_of(REQUEST(.len = K(8), .page = K(4), .any_iova = true, .iommu_pages = K(4) | M(2),
                        .base_pages_only = true));
    WHY(p, WEIR_WHY_LENGTH | WEIR_WHY_BACKING_PAGE);
    /* 3 MiB from 1 MiB into a hugepage: below 2^22 there is one place, and it is not congruent. */
    p = plan_of(REQUEST(.va = M(1), .len = M(4), .page = M(2), .any_iova = true, .iova_bits = 22,
                        .iommu_pages = K(4) | M(2)));
    assert_int_equal(p.iova, 0);
    assert_int_equal(p.entries, 1024);
    assert_true(p.why & WEIR_WHY_WIDTH);
    assert_int_equal(p.short_of[6], M(2));
    p = plan_of(REQUEST(.va = M(1), .len = M(4), .page = M(2), .any_iova = true, .iova_bits = 23,
                        .iommu_pages = K(4) | M(2)));
    assert_int_equal(p.iova, M(1));
    assert_int_equal(p.entries, 256 + 1 + 256);
    assert_false(p.why & WEIR_WHY_WIDTH);

    /* Two runs; the one place below 2^23 suits the shorter. What is kept out is another 2 MiB. */
    uint64_t at[2048];

    for (unsigned i = 0; i < 2048; i++)
        at[i] = i < 512 ? G(1) + i * K(4) : G(2) + K(4) + i * K(4);
    p = plan_of(REQUEST(.len = M(8), .page = K(4), .any_iova = true, .iova_bits = 23,
                        .iommu_pages = K(4) | M(2), .at = at, .n_at = 2048));
    assert_int_equal(p.entries, 1 + 1536);
    assert_true(p.why & WEIR_WHY_WIDTH);
    assert_int_equal(p.short_of[6], M(2));

    for (unsigned i = 0; i < WEIR_N_WHY; i++)
        assert_non_null(weir_superpage_why_name(1u << i));
    assert_string_equal(weir_superpage_why_name(WEIR_WHY_IOVA_ALIGNMENT), "iova-alignment");
    assert_string_equal(weir_superpage_why_name(WEIR_WHY_WIDTH), "width");
    assert_null(weir_superpage_why_name(0));
    assert_null(weir_superpage_why_name(3));
    assert_null(weir_superpage_why_name(1u << WEIR_N_WHY));
}

static void refusals(void **state)
{
    struct weir_superpage_request r = REQUEST(.len = M(2), .page = M(2), .iommu_pages = X86);
    struct weir_superpage_plan plan;

    (void)state;
    r.size--;
    assert_string_equal(refused(r), "superpage-request");
    assert_int_equal(weir_superpage_plan(&r, &plan, NULL), -EINVAL);
    assert_string_equal(refused(REQUEST(.page = K(4), .iommu_pages = X86)), "superpage-request");
    assert_string_equal(refused(REQUEST(.len = K(4), .iommu_pages = X86)), "superpage-request");
    assert_string_equal(refused(REQUEST(.len = K(4), .page = K(12), .iommu_pages = X86)),
                        "superpage-request");
    assert_string_equal(refused(REQUEST(.len = K(4), .page = K(4))), "superpage-request");
    assert_string_equal(
        refused(REQUEST(.va = -K(4), .len = K(8), .page = K(4), .iommu_pages = X86)),
        "superpage-request");
    assert_string_equal(
        refused(REQUEST(.len = K(4), .page = K(4), .iommu_pages = X86, .iova_bits = 65)),
        "superpage-request");
    assert_string_equal(refused(REQUEST(.len = K(4), .page = K(4), .iommu_pages = X86,
                                        .base_pages_only = true, .base_page = 5)),
                        "superpage-request");
    /* Too few, misaligned, beyond the end. */
    assert_string_equal(refused(REQUEST(.len = K(8), .page = K(4), .iommu_pages = X86, AT(0))),
                        "superpage-request");
    assert_string_equal(
        refused(REQUEST(.va = K(2), .len = K(4), .page = K(4), .iommu_pages = X86, AT(0))),
        "superpage-request");
    assert_string_equal(refused(REQUEST(.len = K(4), .page = K(4), .iommu_pages = X86, AT(K(2)))),
                        "superpage-request");
    assert_string_equal(refused(REQUEST(.len = K(4), .page = K(4), .iommu_pages = X86, AT(-K(4)))),
                        "superpage-request");
    assert_string_equal(refused(REQUEST(.len = K(8), .page = K(4), .iommu_pages = X86,
                                        .iova = M(256) - K(4), .iova_bits = 28)),
                        "superpage-width");
    assert_string_equal(
        refused(REQUEST(.len = K(8), .page = K(4), .iommu_pages = X86, .iova = -K(4))),
        "superpage-width");
    assert_string_equal(refused(REQUEST(.len = M(512), .page = M(2), .iommu_pages = X86,
                                        .any_iova = true, .iova_bits = 28)),
                        "superpage-width");
    assert_string_equal(refused(REQUEST(.len = K(2), .page = K(4), .iommu_pages = X86)),
                        "superpage-unaligned");
    assert_string_equal(
        refused(REQUEST(.len = K(4), .iova = K(2), .page = K(4), .iommu_pages = X86)),
        "superpage-unaligned");
    assert_string_equal(refused(REQUEST(.va = K(2), .len = K(4), .page = K(4), .iommu_pages = X86)),
                        "superpage-unaligned");
    assert_string_equal(
        refused(REQUEST(.len = K(4), .page = K(4), .iommu_pages = M(2), .any_iova = true)),
        "superpage-unaligned");
    assert_string_equal(refused(REQUEST(.len = M(2), .page = M(2), .iommu_pages = K(8),
                                        .any_iova = true, .base_pages_only = true)),
                        "superpage-unaligned");
}

/* Many lone pages, each congruent to another IOVA, do not hide the run that counts. */
static void many_runs(void **state)
{
    enum { LONE = 100, LONG = 512 };
    uint64_t at[LONE + LONG];
    struct weir_superpage_plan p;

    (void)state;
    for (unsigned i = 0; i < LONE; i++)
        at[i] = G(8) + i * M(1) + i * K(8);
    for (unsigned i = 0; i < LONG; i++)
        at[LONE + i] = G(4) + i * K(4);
    p = plan_of(REQUEST(.len = sizeof(at) / sizeof(*at) * K(4), .page = K(4), .any_iova = true,
                        .iommu_pages = K(4) | M(1), .at = at, .n_at = LONE + LONG));
    assert_int_equal(leaves(&p, M(1)), 2);
    assert_int_equal(leaves(&p, K(4)), LONE);
    assert_int_equal(p.offset, M(1) - LONE * K(4));
}

/* --- Random layouts --- */

static uint64_t seed = 1;

static uint64_t rnd(uint64_t n)
{
    /* xorshift64* */
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (seed * 0x2545f4914f6cdd1du >> 8) % n;
}

#define GRANULES 256

/*
 * The page table by its definition: a granule is in the largest page of the mask whose aligned
 * block of IOVA is mapped whole, to one aligned block of physical memory. Where physical addresses
 * are not known, memory is contiguous within a backing page only. @granule: the mask's smallest.
 */
static bool brute(const struct weir_superpage_request *r, uint64_t iova, uint64_t granule,
                  uint64_t *counts, uint64_t *entries)
{
    static uint64_t pa[GRANULES];
    uint64_t n = r->len / granule;

    if ((r->len | iova) & (granule - 1))
        return false;
    memset(counts, 0, 64 * sizeof(*counts));
    for (uint64_t g = 0; g < n; g++) {
        uint64_t in_first = (r->va & (r->page - 1)) + g * granule, i = in_first / r->page;

        /* Unknown: far apart, and aligned to more than any page. */
        pa[g] = (r->at ? r->at[i] : (2 * i + 1) << 40) + in_first % r->page;
        if (pa[g] & (granule - 1))
            return false;
        /* A granule may be several backing pages. */
        for (uint64_t b = 1; r->at && b * r->page < granule; b++) {
            if (r->at[i + b] != r->at[i] + b * r->page)
                return false;
        }
        if (!r->at && r->page < granule)
            return false;
    }
    for (uint64_t g = 0; g < n; g++) {
        uint64_t best = granule;

        for (unsigned bit = 0; bit < 40; bit++) {
            uint64_t size = UINT64_C(1) << bit, first, last;

            if (!(r->iommu_pages & size) || size < granule)
                continue;
            /* Granules of the block around g; below 0 wraps to beyond n. */
            first = g - ((iova + g * granule) & (size - 1)) / granule;
            last = first + size / granule - 1;
            if (first > g || last >= n || pa[first] & (size - 1))
                continue;
            while (last > first && pa[last] == pa[first] + (last - first) * granule)
                last--;
            if (last == first)
                best = size;
        }
        counts[__builtin_ctzll(best)] += granule;
    }
    *entries = 0;
    for (unsigned bit = 0; bit < 64; bit++) {
        assert_int_equal(counts[bit] & ((UINT64_C(1) << bit) - 1), 0);
        counts[bit] >>= bit;
        *entries += counts[bit];
    }
    return true;
}

static void random_layouts(void **state)
{
    unsigned mapped = 0, mixed = 0, gained = 0, refused_runs = 0;

    (void)state;
    for (unsigned run = 0; run < 20000; run++) {
        struct weir_superpage_request r = REQUEST(.page = K(1) << rnd(6));
        uint64_t at[GRANULES * 2], mask = 0, granule, counts[64], entries;
        struct weir_superpage_plan plan;
        unsigned n_at;
        int ret;

        while (!mask) {
            for (unsigned bit = 10; bit < 18; bit++)
                mask |= rnd(3) == 0 ? UINT64_C(1) << bit : 0;
        }
        granule = mask & -mask;
        r.iommu_pages = mask;
        r.va = rnd(2) ? 0 : rnd(64) << 10;
        r.len = (1 + rnd(128)) << 10;
        r.iova = rnd(2) ? rnd(256) * granule : rnd(256) << 10;
        n_at = (unsigned)(((r.va & (r.page - 1)) + r.len - 1) / r.page + 1);
        assert_true(n_at <= GRANULES * 2);
        at[0] = rnd(64) * r.page;
        for (unsigned i = 1; i < n_at; i++)
            at[i] = rnd(4) ? at[i - 1] + r.page : rnd(64) * r.page;
        if (rnd(4)) {
            r.at = at;
            r.n_at = n_at;
        }

        ret = weir_superpage_plan(&r, &plan, NULL);
        assert_int_equal(ret == 0, brute(&r, r.iova, granule, counts, &entries));
        if (ret == 0) {
            assert_int_equal(plan.entries, entries);
            assert_memory_equal(plan.leaves, counts, sizeof(counts));
            assert_true(plan.best <= plan.entries);
            mapped++;
            mixed += entries > 1 && counts[__builtin_ctzll(granule)] < entries;
            gained += plan.best < plan.entries;
        } else {
            refused_runs++;
        }
        /* What keeps leaves small is said, and only if one could be larger. */
        if (ret == 0 && entries * (UINT64_C(1) << (63 - __builtin_clzll(mask))) == r.len)
            assert_int_equal(plan.why, 0);
        else if (ret == 0)
            assert_int_not_equal(plan.why, 0);

        /* Of all IOVAs none makes fewer entries than the one chosen. */
        uint64_t least = UINT64_MAX, modulo = UINT64_C(1) << (63 - __builtin_clzll(mask));

        for (uint64_t iova = 0; iova < modulo; iova += K(1)) {
            if (brute(&r, iova, granule, counts, &entries) && entries < least)
                least = entries;
        }
        r.any_iova = true;
        ret = weir_superpage_plan(&r, &plan, NULL);
        assert_int_equal(ret == 0, least != UINT64_MAX);
        if (ret == 0) {
            assert_int_equal(plan.entries, least);
            assert_int_equal(plan.best, least);
            assert_true(brute(&r, plan.iova, granule, counts, &entries));
            assert_int_equal(entries, least);
            /* Anything congruent is as good. */
            assert_int_equal(plan.iova & (plan.align - 1), plan.offset);
            assert_true(brute(&r, plan.offset + 3 * plan.align, granule, counts, &entries));
            assert_int_equal(entries, least);
        }
    }
    print_message("%u mapped, %u of them in pages of several sizes, %u with an IOVA that costs, "
                  "%u that cannot be\n",
                  mapped, mixed, gained, refused_runs);
    assert_true(mapped > 2000 && mixed > 500 && gained > 500 && refused_runs > 500);
}

/* Base pages only, and a narrow address, at random: what they may and may not change. */
static void random_limits(void **state)
{
    unsigned narrow = 0, disabled = 0;

    (void)state;
    for (unsigned run = 0; run < 5000; run++) {
        struct weir_superpage_request r =
            REQUEST(.page = K(4) << rnd(6), .any_iova = true, .base_pages_only = rnd(2),
                    .iommu_pages = K(4) | rnd(64) << 13);
        struct weir_superpage_plan plan, bounded;

        r.va = rnd(32) * K(4);
        r.len = (1 + rnd(64)) * K(4);
        assert_int_equal(weir_superpage_plan(&r, &plan, NULL), 0);
        if (r.base_pages_only) {
            assert_int_equal(plan.entries, r.len / K(4));
            disabled += (plan.why & WEIR_WHY_DISABLED) != 0;
        }
        /* The narrowest address that holds it. */
        r.iova_bits = (unsigned)(64 - __builtin_clzll(r.len - 1));
        assert_int_equal(weir_superpage_plan(&r, &bounded, NULL), 0);
        assert_true(bounded.iova + r.len <= UINT64_C(1) << r.iova_bits);
        assert_true(bounded.entries >= plan.entries);
        if (!r.base_pages_only)
            assert_int_equal((bounded.why & WEIR_WHY_WIDTH) != 0, bounded.entries > plan.entries);
        narrow += bounded.entries > plan.entries;
    }
    assert_true(narrow > 100 && disabled > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_256),    cmocka_unit_test(example_3_of_4),
        cmocka_unit_test(example_1_of_2), cmocka_unit_test(arenas),
        cmocka_unit_test(reasons),        cmocka_unit_test(refusals),
        cmocka_unit_test(many_runs),      cmocka_unit_test(random_layouts),
        cmocka_unit_test(random_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
