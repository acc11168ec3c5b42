/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <weir/error.h>
#include <weir/superpage.h>

/* Congruences that are tried when an IOVA is to be chosen: those of the longest runs. */
#define MAX_CANDIDATES 64

static bool is_power(uint64_t n)
{
    return n && !(n & (n - 1));
}

/* The bits of mask that are sizes of at most n bytes, n > 0. */
static uint64_t at_most(uint64_t mask, uint64_t n)
{
    return mask & (UINT64_MAX >> __builtin_clzll(n));
}

static uint64_t largest(uint64_t mask)
{
    return mask ? (uint64_t)1 << (63 - __builtin_clzll(mask)) : 0;
}

static uint64_t smallest(uint64_t mask)
{
    return mask & -mask;
}

/* The sizes of mask that divide n. */
static uint64_t dividing(uint64_t mask, uint64_t n)
{
    return n ? mask & (n ^ (n - 1)) : mask;
}

/* A physically contiguous stretch of the memory: [off, off + len) of it lies at pa. Where the
 * physical address is not known, pa is the virtual one: they agree as far as a page goes. */
struct run {
    uint64_t off, len, pa;
};

static uint64_t page_offset(const struct weir_superpage_request *r, uint64_t off)
{
    return (r->va + off) & (r->page - 1);
}

/* The run that starts at off. */
static struct run run_at(const struct weir_superpage_request *r, uint64_t off)
{
    struct run run = {.off = off, .len = r->page - page_offset(r, off), .pa = r->va + off};

    if (r->at) {
        size_t i = (size_t)(((r->va & (r->page - 1)) + off) / r->page);

        run.pa = r->at[i] + page_offset(r, off);
        while (run.len < r->len - off && r->at[i + 1] == r->at[i] + r->page) {
            run.len += r->page;
            i++;
        }
    }
    if (run.len > r->len - off)
        run.len = r->len - off;
    return run;
}

/* Why the leaf at off, in run, is not one of n bytes, the IOMMU's next larger page. */
static unsigned why_not(const struct weir_superpage_request *r, uint64_t iova,
                        const struct run *run, uint64_t off, uint64_t n)
{
    unsigned why = r->len < n ? WEIR_WHY_LENGTH : 0;
    uint64_t pa = run->pa + (off - run->off), before = pa & (n - 1);

    if (n > r->page && !r->at)
        return why | WEIR_WHY_BACKING_PAGE;
    /* The aligned block of n around it: does the memory hold all of it, does the run? */
    if (n > r->page) {
        if (before > off - run->off)
            return why | WEIR_WHY_DISCONTIGUOUS;
        if (n - before > run->off + run->len - off)
            return why | (run->len == r->len && r->len & (n - 1) ? WEIR_WHY_LENGTH
                                                                 : WEIR_WHY_DISCONTIGUOUS);
        return why | WEIR_WHY_IOVA_ALIGNMENT;
    }
    if (before > off)
        return why | WEIR_WHY_VA_ALIGNMENT;
    if (n - before > r->len - off)
        return why |
               (r->va & (n - 1) && !(r->len & (n - 1)) ? WEIR_WHY_VA_ALIGNMENT : WEIR_WHY_LENGTH);
    return why |
           (r->va & (n - 1) && !(iova & (n - 1)) ? WEIR_WHY_VA_ALIGNMENT : WEIR_WHY_IOVA_ALIGNMENT);
}

static void note(struct weir_superpage_plan *plan, unsigned why, uint64_t n)
{
    plan->why |= why;
    for (unsigned i = 0; i < WEIR_N_WHY; i++) {
        if (why & 1u << i && (plan->short_of[i] == 0 || n < plan->short_of[i]))
            plan->short_of[i] = n;
    }
}

/* Map a run times over, as iommu_map() does. False if it cannot be. */
static bool map_run(const struct weir_superpage_request *r, uint64_t start, const struct run *run,
                    uint64_t times, struct weir_superpage_plan *plan)
{
    uint64_t iova = start + run->off, pa = run->pa, len = run->len, off = run->off;

    while (len) {
        uint64_t s = largest(dividing(at_most(r->iommu_pages, len), iova | pa));
        uint64_t bytes = s ? len & ~(s - 1) : 0, n;

        if (!s)
            return false;
        n = smallest(r->iommu_pages & ~(s | (s - 1)));
        if (n) {
            /* Up to where the next larger page fits, if it ever does. */
            uint64_t to = -pa & (n - 1);

            if (((iova ^ pa) & (n - 1)) == 0 && to < len && n <= len - to)
                bytes = to;
            note(plan, why_not(r, start, run, off, n) | why_not(r, start, run, off + bytes - s, n),
                 n);
        }
        plan->leaves[__builtin_ctzll(s)] += bytes / s * times;
        plan->entries += bytes / s * times;
        iova += bytes;
        pa += bytes;
        off += bytes;
        len -= bytes;
    }
    return true;
}

/* Plan for one IOVA. */
static bool plan_at(const struct weir_superpage_request *r, uint64_t iova,
                    struct weir_superpage_plan *plan)
{
    *plan = (struct weir_superpage_plan){.iova = iova};
    for (uint64_t off = 0; off < r->len;) {
        struct run run = run_at(r, off);
        uint64_t times = 1;

        /* Of pages that nothing is known of, one is like the other, but for the ends. */
        if (!r->at && off && run.len == r->page)
            times = (r->len - off) / r->page;
        if (!map_run(r, iova, &run, times, plan))
            return false;
        off += run.len * times;
    }
    return true;
}

/* What the IOVA has to be modulo the IOMMU's largest useful page for the fewest entries: that of
 * one of the runs, because a run gains by an IOVA only as far as it is congruent to it. */
static unsigned candidates(const struct weir_superpage_request *r, uint64_t modulo, uint64_t *out)
{
    uint64_t bytes[MAX_CANDIDATES];
    unsigned n = 0;

    for (uint64_t off = 0; off < r->len;) {
        struct run run = run_at(r, off);
        uint64_t c = (run.pa - run.off) & (modulo - 1);
        unsigned i = 0, least = 0;

        while (i < n && out[i] != c) {
            least = bytes[i] < bytes[least] ? i : least;
            i++;
        }
        if (i < n) {
            bytes[i] += run.len;
        } else if (n < MAX_CANDIDATES || bytes[least] < run.len) {
            i = n < MAX_CANDIDATES ? n++ : least;
            out[i] = c;
            bytes[i] = run.len;
        }
        if (!r->at)
            break;
        off += run.len;
    }
    return n;
}

/* The lowest IOVA within max that makes the fewest entries. False if none can be mapped. */
static bool choose(const struct weir_superpage_request *r, uint64_t max,
                   struct weir_superpage_plan *plan)
{
    uint64_t sizes = r->at ? r->iommu_pages : at_most(r->iommu_pages, r->page);
    uint64_t modulo = largest(at_most(sizes, r->len)), c[MAX_CANDIDATES];
    uint64_t unbounded = UINT64_MAX;
    bool found = false;
    unsigned n;

    if (!modulo)
        modulo = r->page; /* congruent is all that it need be to be refused for what it is */
    n = candidates(r, modulo, c);
    for (unsigned i = 0; i < n; i++) {
        struct weir_superpage_plan p;
        uint64_t m = modulo;

        if (plan_at(r, c[i], &p) && p.entries < unbounded)
            unbounded = p.entries;
        while (m > 1 && ((c[i] & (m - 1)) > max || r->len - 1 > max - (c[i] & (m - 1))))
            m >>= 1;
        if (!plan_at(r, c[i] & (m - 1), &p))
            continue;
        if (!found || p.entries < plan->entries ||
            (p.entries == plan->entries && p.iova < plan->iova))
            *plan = p;
        found = true;
    }
    if (!found)
        return false;
    for (unsigned i = 0; i < 64; i++) {
        if (plan->leaves[i])
            plan->align = (uint64_t)1 << i;
    }
    plan->offset = plan->iova & (plan->align - 1);
    plan->best = plan->entries;
    if (plan->entries > unbounded) {
        uint64_t larger = smallest(r->iommu_pages & ~(plan->align | (plan->align - 1)));

        /* If none is, it is more of the largest that another IOVA would make. */
        note(plan, WEIR_WHY_WIDTH, larger ? larger : plan->align);
    }
    return true;
}

static int check_request(const struct weir_superpage_request *r, struct weir_error *e)
{
    const char *why = NULL;

    if (r->size != sizeof(*r))
        why = "size is not sizeof(struct weir_superpage_request)";
    else if (!r->len || r->len - 1 > UINT64_MAX - r->va)
        why = "the length is 0, or the memory goes beyond 2^64";
    else if (!is_power(r->page) || (r->base_page && !is_power(r->base_page)))
        why = "a page size is not a power of two";
    else if (!r->iommu_pages)
        why = "the IOMMU has no page sizes";
    else if (r->iova_bits > 64)
        why = "an address has 64 bits at most";
    else if (r->at && r->n_at <= ((r->va & (r->page - 1)) + (r->len - 1)) / r->page)
        why = "the memory has more pages than physical addresses were given";
    for (size_t i = 0; r->at && !why && i < r->n_at; i++) {
        if (r->at[i] & (r->page - 1) || r->at[i] > UINT64_MAX - r->page)
            why = "a physical address is not a multiple of the page size, or beyond 2^64";
    }
    if (why)
        return weir_fail(e, -EINVAL, "superpage-request",
                         "plan a mapping of %" PRIu64 " bytes\n%s\n"
                         "see weir/superpage.h, or weir help superpages",
                         r->len, why);
    return 0;
}

/* With larger pages disabled the kernel maps its own pages one by one. */
static bool plan_base(const struct weir_superpage_request *r, struct weir_superpage_plan *plan)
{
    struct weir_superpage_plan free = *plan;
    struct weir_superpage_request base = *r;
    uint64_t page = r->base_page ? r->base_page : 4096;

    /* As if nothing were known of memory in base pages. */
    base.at = NULL;
    if (page > r->page)
        page = r->page;
    base.page = page;
    if (!plan_at(&base, plan->iova, plan))
        return false;
    plan->align = free.align;
    plan->offset = free.offset;
    plan->best = free.best;
    plan->why = free.why;
    memcpy(plan->short_of, free.short_of, sizeof(free.short_of));
    if (plan->entries > free.entries) {
        note(plan, WEIR_WHY_DISABLED, smallest(r->iommu_pages & ~(page | (page - 1))));
        plan->best = plan->entries;
        plan->align = smallest(r->iommu_pages);
        plan->offset &= plan->align - 1;
    }
    return true;
}

int weir_superpage_plan(const struct weir_superpage_request *r, struct weir_superpage_plan *plan,
                        struct weir_error *e)
{
    uint64_t max =
        r->iova_bits && r->iova_bits < 64 ? ((uint64_t)1 << r->iova_bits) - 1 : UINT64_MAX;
    struct weir_superpage_plan best = {0};
    int ret = check_request(r, e);
    bool ok;

    if (ret < 0)
        return ret;
    if (r->len - 1 > max || (!r->any_iova && (r->iova > max || r->len - 1 > max - r->iova)))
        return weir_fail(e, -EINVAL, "superpage-width",
                         "plan a mapping of %" PRIu64 " bytes\nit does not end below 2^%u, the "
                         "address width, from IOVA %#" PRIx64
                         "\nmap less, or at a lower IOVA; for a narrow device that is the device's "
                         "own width",
                         r->len, r->iova_bits ? r->iova_bits : 64, r->any_iova ? 0 : r->iova);
    ok = choose(r, max, &best);
    if (r->any_iova || !ok) {
        *plan = best;
    } else {
        ok = plan_at(r, r->iova, plan);
        plan->align = best.align;
        plan->offset = best.offset;
        plan->best = best.best;
    }
    if (ok && r->base_pages_only)
        ok = plan_base(r, plan);
    if (!ok)
        return weir_fail(e, -EINVAL, "superpage-unaligned",
                         "plan a mapping of %" PRIu64 " bytes\nnot every piece of it is, by IOVA, "
                         "physical address and length, a multiple of the IOMMU's smallest page, "
                         "%" PRIu64 " bytes\nalign all of them; where the kernel's pages are "
                         "smaller, only contiguous ones can be mapped",
                         r->len, smallest(r->iommu_pages));
    return 0;
}

const char *weir_superpage_why_name(unsigned why)
{
    static const char names[WEIR_N_WHY][16] = {
        "length",        "iova-alignment", "va-alignment", "backing-page",
        "discontiguous", "disabled",       "width",
    };

    return is_power(why) && why < 1u << WEIR_N_WHY ? names[__builtin_ctz(why)] : NULL;
}
