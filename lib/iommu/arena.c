/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/iommu/arena.h"
#include "lib/iommu/backend.h"
#include "lib/iommu/pages.h"
#include "lib/iommu/place.h"
#include "lib/iommu/reserve.h"
#include "lib/mem/hugepage.h"
#include "lib/mem/node.h"
#include "lib/mem/physical.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

static int no_memory(struct weir_error *e, const char *what, const char *name)
{
    return weir_fail(e, -ENOMEM, "no-memory", "%s arena %s\nout of memory", what, name);
}

/* Range of the arena that a segment takes, in bytes from its start. */
static uint64_t offset_of(const struct weir_arena *a, const struct weir_segment *s)
{
    return (uint64_t)(s->va - a->va);
}

/* The runs of a segment are [first, *end). */
static unsigned runs_of(const struct weir_arena *a, const struct weir_segment *s, unsigned *end)
{
    uint64_t offset = offset_of(a, s);
    unsigned first = 0;

    while (first < a->n_runs && a->runs[first].offset < offset)
        first++;
    *end = first;
    while (*end < a->n_runs && a->runs[*end].offset < offset + s->len)
        ++*end;
    return first;
}

/* Take runs from number end - 1 down to first out of the space; 0, or the first failure. */
static int unmap_runs(struct weir_arena *a, unsigned first, unsigned end, struct weir_space *space,
                      struct weir_error *e)
{
    int r = 0;

    while (end-- > first) {
        const struct weir_run *run = &a->runs[end];
        int ret = weir_space_unmap(space, weir_iova(run->iova), run->len, r == 0 ? e : NULL);

        r = r == 0 ? ret : r;
    }
    return r;
}

/* As unmap_runs() of a segment, where there is no way back. */
static void pull_segment(struct weir_arena *a, const struct weir_segment *s,
                         struct weir_space *space)
{
    struct weir_error err;
    unsigned end, first = runs_of(a, s, &end);

    if (unmap_runs(a, first, end, space, &err) < 0)
        weir_log(a->weir, WEIR_LOG_ERROR, "arena", "%s: %s: %s", a->name, err.what, err.why);
}

static int map_segment(struct weir_arena *a, const struct weir_segment *s, struct weir_space *space,
                       unsigned prot, struct weir_error *e)
{
    unsigned end, first = runs_of(a, s, &end);
    struct weir_error ignored;

    for (unsigned i = first; i < end; i++) {
        const struct weir_run *run = &a->runs[i];
        struct weir_mem mem = {
            .va = a->va + run->offset,
            .len = run->len,
            .fd = a->physical ? -1 : s->fd, /* sorted pages do not lie in the file's order */
            .offset = run->offset - offset_of(a, s),
            .page = s->page,
            .name = a->name,
        };
        int r = weir_space_map(space, &mem, weir_iova(run->iova), prot, e);

        if (r < 0) {
            unmap_runs(a, first, i, space, &ignored);
            return r;
        }
    }
    return 0;
}

static int add_run(struct weir_arena *a, uint64_t offset, uint64_t len, uint64_t iova)
{
    struct weir_run *last = a->n_runs ? &a->runs[a->n_runs - 1] : NULL;

    if (a->n_runs == a->cap_runs) {
        unsigned cap = a->cap_runs ? a->cap_runs * 2 : 4;
        struct weir_run *runs = realloc(a->runs, cap * sizeof(*runs));

        if (!runs)
            return -ENOMEM;
        a->runs = runs;
        a->cap_runs = cap;
        last = a->n_runs ? &a->runs[a->n_runs - 1] : NULL;
    }
    if (a->physical && last && last->offset + last->len == offset &&
        last->iova + last->len == iova && offset != a->bytes) {
        last->len += len;
        return 0;
    }
    a->runs[a->n_runs++] = (struct weir_run){offset, len, iova};
    return 0;
}

/* Divide a new segment, the one that is not counted in bytes yet, into runs. */
static int add_runs(struct weir_arena *a, const struct weir_segment *s, struct weir_error *e)
{
    uint64_t offset = offset_of(a, s), n = s->len / s->page, *addresses;
    int r;

    if (!a->physical)
        return add_run(a, offset, s->len, a->iova + offset) ? no_memory(e, "grow", a->name) : 0;
    addresses = calloc(n, sizeof(*addresses));
    if (!addresses)
        return no_memory(e, "grow", a->name);
    r = weir_segment_sort(s, s->page, addresses, e);
    for (uint64_t i = 0; i < n && r == 0; i++)
        if (add_run(a, offset + i * s->page, s->page, addresses[i]))
            r = no_memory(e, "grow", a->name);
    free(addresses);
    return r;
}

static void drop_runs(struct weir_arena *a, const struct weir_segment *s)
{
    while (a->n_runs && a->runs[a->n_runs - 1].offset >= offset_of(a, s))
        a->n_runs--;
}

/* Back the next len bytes with pages of one size. */
static int add_segment(struct weir_arena *a, uint64_t len, uint64_t page, struct weir_error *e)
{
    struct weir_backing backing = {.name = a->name, .page = page, .node = a->node};
    struct weir_segment *s;
    unsigned mapped = 0;
    int r;

    if (a->n_segments == a->cap_segments) {
        unsigned cap = a->cap_segments ? a->cap_segments * 2 : 4;

        s = realloc(a->segments, cap * sizeof(*s));
        if (!s)
            return no_memory(e, "grow", a->name);
        a->segments = s;
        a->cap_segments = cap;
    }
    s = &a->segments[a->n_segments];
    r = weir_segment_make(s, &backing, a->va + a->bytes, len, e);
    if (r < 0)
        return r;
    r = add_runs(a, s, e);
    while (mapped < a->n_spaces && r == 0) {
        r = map_segment(a, s, a->spaces[mapped].space, a->spaces[mapped].prot, e);
        mapped += r == 0;
    }
    if (r == 0 && weir_carve_grow(&a->carve, a->bytes, len) < 0)
        r = no_memory(e, "grow", a->name);
    if (r < 0) {
        while (mapped)
            pull_segment(a, s, a->spaces[--mapped].space);
        drop_runs(a, s);
        weir_segment_drop(s);
        return r;
    }
    a->n_segments++;
    a->bytes += len;
    return 0;
}

/* The last segment, of which nothing is allocated any more, goes. */
static void drop_segment(struct weir_arena *a)
{
    struct weir_segment *s = &a->segments[a->n_segments - 1];

    for (unsigned i = 0; i < a->n_spaces; i++)
        pull_segment(a, s, a->spaces[i].space);
    a->bytes -= s->len;
    a->n_segments--;
    drop_runs(a, s);
    weir_segment_drop(s);
}

/* Back the next bytes, all of them or none; of mixed pages, each size is a segment. */
static int add_segments(struct weir_arena *a, uint64_t bytes, struct weir_error *e)
{
    unsigned before = a->n_segments;
    int r = 0;

    while (bytes && r == 0) {
        uint64_t page = a->page, len = bytes;

        if (a->mixed)
            len = weir_pages_next(a, a->bytes, bytes, &page);
        r = add_segment(a, len, page, e);
        bytes -= len;
    }
    while (r < 0 && a->n_segments > before) {
        struct weir_segment *s = &a->segments[a->n_segments - 1];

        weir_carve_shrink(&a->carve, offset_of(a, s), s->len); /* takes no memory: it is the end */
        drop_segment(a);
    }
    return r;
}

/* Choose an IOVA range that is free in all the spaces it will be mapped into. */
static int choose_iova(struct weir_arena *a, const struct weir_arena_options *opt,
                       unsigned iova_bits, struct weir_error *e)
{
    struct weir_place p = {
        .len = a->max_bytes, .align = a->align, .page = a->page, .iova_bits = iova_bits};
    int r = weir_place_find(a->weir, opt->spaces, opt->n_spaces, &p, &a->iova);
    char bytes[32], align[32];

    if (r == -ENOMEM)
        return no_memory(e, "make", a->name);
    if (r < 0)
        return weir_fail(
            e, -ENOSPC, "arena-no-iova",
            "make arena %s\nno IOVA range of %s aligned to %s is free below 2^%u in "
            "all of its %u spaces\n"
            "ask for less max_bytes or smaller pages, free other arenas, or give wider "
            "devices (iova_bits) an arena of their own",
            a->name, weir_size_text(a->max_bytes, bytes, sizeof(bytes)),
            weir_size_text(a->page, align, sizeof(align)), iova_bits, opt->n_spaces);
    return 0;
}

/* Hugepages may lie in a row and make up the IOMMU's next larger page, at an IOVA that suits. */
static void improve_iova(struct weir_arena *a, const struct weir_arena_options *opt,
                         unsigned iova_bits)
{
    const struct weir_segment *s = &a->segments[0];
    struct weir_place p = {.len = a->max_bytes, .iova_bits = iova_bits};
    uint64_t iova;

    if (s->page == weir_base_page() || /* those move */
        !weir_place_physical(s->va, s->len, s->page, a->sizes, &p.align, &p.offset) ||
        (a->iova & (p.align - 1)) == p.offset)
        return;
    p.page = p.align;
    if (weir_place_find(a->weir, opt->spaces, opt->n_spaces, &p, &iova) < 0)
        return;
    for (unsigned i = 0; i < a->n_runs; i++)
        a->runs[i].iova += iova - a->iova;
    a->iova = iova;
}

static uint64_t round_up(uint64_t n, uint64_t page)
{
    return (n + page - 1) & ~(page - 1);
}

/* Reserve addresses of both kinds and back the first segment, all with one page size. */
static int back(struct weir_arena *a, const struct weir_arena_options *opt, uint64_t page,
                unsigned iova_bits, struct weir_error *e)
{
    uint64_t bytes = round_up(opt->bytes, page);
    int r;

    a->page = page;
    a->max_bytes = round_up(opt->max_bytes > opt->bytes ? opt->max_bytes : opt->bytes, page);
    /* An IOMMU uses its superpages only where address and IOVA are both aligned to them. */
    a->align = a->physical ? page : weir_place_align(a->sizes, a->max_bytes, page);
    r = a->physical ? 0 : choose_iova(a, opt, iova_bits, e);
    if (r < 0)
        return r;
    r = weir_mem_reserve(a->max_bytes, a->align, &a->va, e);
    if (r < 0)
        return r;
    r = add_segments(a, bytes, e);
    if (r < 0) {
        weir_mem_release(a->va, a->max_bytes);
        return r;
    }
    if (!a->physical)
        improve_iova(a, opt, iova_bits);
    /* What buffers can be aligned to. */
    a->align |= a->iova;
    a->align &= -a->align;
    if (a->segments[0].page == weir_base_page() &&
        (a->mixed ? a->bytes >= 2 * MIB : opt->page != a->page))
        weir_pages_warn(a, opt->bytes);
    return 0;
}

/* Try hugepages from the largest size that makes sense, then base pages. */
static int back_with_best(struct weir_arena *a, const struct weir_arena_options *opt,
                          unsigned iova_bits, struct weir_error *e)
{
    uint64_t sizes[WEIR_MAX_PAGE_SIZES], base = weir_base_page();
    unsigned n = weir_hugepage_sizes(sizes, WEIR_MAX_PAGE_SIZES);
    int r;

    for (unsigned i = 0; i < n; i++) {
        struct weir_hugepages pool;
        struct weir_error err;

        /* At most half of a page that is larger than 2 MiB may go to waste. */
        if (sizes[i] > 2 * MIB && opt->bytes < sizes[i] / 2)
            continue;
        if (opt->bytes > UINT64_MAX - sizes[i] || opt->max_bytes > UINT64_MAX - sizes[i] ||
            weir_hugepage_pool("/sys", sizes[i], a->node, &pool) < 0 ||
            pool.available < round_up(opt->bytes, sizes[i]) / sizes[i])
            continue;
        r = back(a, opt, sizes[i], iova_bits, &err);
        if (r == 0)
            return 0;
        /* Somebody was faster, a control group forbids it, or the IOVA is too narrow. */
        weir_log(a->weir, WEIR_LOG_INFO, "arena", "%s: %s: %s", a->name, err.what, err.why);
    }
    if (a->physical)
        return weir_pages_none(a, e);
    return back(a, opt, base, iova_bits, e);
}

static int check_options(const struct weir *w, const struct weir_arena_options *opt,
                         const char *name, struct weir_error *e)
{
    uint64_t page = opt->page > WEIR_MIXED_PAGES ? opt->page : weir_base_page();

    if (opt->bytes == 0)
        return weir_fail(e, -EINVAL, "arena-size",
                         "make arena %s\nbytes is 0\nsay how much memory to back", name);
    if (opt->max_bytes && opt->max_bytes < opt->bytes)
        return weir_fail(e, -EINVAL, "arena-size",
                         "make arena %s\nmax_bytes (%" PRIu64 ") is less than bytes (%" PRIu64
                         ")\nleave max_bytes 0 if it need not grow",
                         name, opt->max_bytes, opt->bytes);
    if (opt->page > WEIR_MIXED_PAGES) {
        int r = weir_pages_check(opt->page, name, e);

        if (r < 0)
            return r;
    }
    if (opt->bytes > INT64_MAX - page || opt->max_bytes > INT64_MAX - page)
        return weir_fail(e, -EINVAL, "arena-size",
                         "make arena %s\nno address space holds %" PRIu64 " bytes", name,
                         opt->max_bytes > opt->bytes ? opt->max_bytes : opt->bytes);
    if (opt->iova_bits > 64)
        return weir_fail(e, -EINVAL, "arena-iova-bits",
                         "make arena %s\niova_bits is %u\nan address has 64 bits at most", name,
                         opt->iova_bits);
    if (opt->node != WEIR_ANY_NODE && (opt->node < 0 || !weir_node_usable(opt->node - 1)))
        return weir_fail(e, -EINVAL, "arena-node",
                         "make arena %s\nthere is no NUMA node %d that this process may use\n"
                         "use WEIR_ANY_NODE, or WEIR_NODE(n) with n of: grep Mems_allowed_list "
                         "/proc/self/status",
                         name, opt->node > 0 ? opt->node - 1 : opt->node);
    for (unsigned i = 0; i < opt->n_spaces; i++) {
        if (!opt->spaces || !opt->spaces[i] || weir_space_instance(opt->spaces[i]) != w)
            return weir_fail(e, -EINVAL, "arena-instance",
                             "make arena %s\nspaces[%u] is not a space of this instance", name, i);
    }
    return 0;
}

static void object_free(struct weir_object *o)
{
    weir_arena_free((struct weir_arena *)((char *)o - offsetof(struct weir_arena, object)));
}

struct weir_arena *weir_arena_new(struct weir *w, const struct weir_arena_options *opt,
                                  struct weir_error *e)
{
    const char *name = opt->name ? opt->name : "arena";
    unsigned iova_bits = opt->iova_bits ? opt->iova_bits : 39;
    struct weir_arena *a;
    int r;

    if (opt->size != sizeof(*opt)) {
        weir_fail(e, -EINVAL, "options-size",
                  "make an arena\nweir_arena_options.size is %zu, this library expects %zu\n"
                  "set it to sizeof(struct weir_arena_options) and build against the library's "
                  "headers",
                  opt->size, sizeof(*opt));
        return NULL;
    }
    a = calloc(1, sizeof(*a));
    if (!a) {
        no_memory(e, "make", "");
        return NULL;
    }
    weir_printable(a->name, sizeof(a->name), name, strlen(name));
    a->weir = w;
    a->node = opt->node > 0 ? opt->node - 1 : -1;
    r = check_options(w, opt, a->name, e);
    for (unsigned i = 0; i < opt->n_spaces && r == 0; i++)
        a->physical |= weir_space_is_physical(opt->spaces[i]);
    if (r == 0 && a->physical && opt->page == weir_base_page())
        r = weir_pages_none(a, e);
    if (r == 0) {
        a->sizes = weir_place_pages(opt->spaces, opt->n_spaces);
        a->mixed = opt->page == WEIR_MIXED_PAGES && !a->physical;
        r = a->mixed                       ? back(a, opt, weir_base_page(), iova_bits, e)
            : opt->page > WEIR_MIXED_PAGES ? back(a, opt, opt->page, iova_bits, e)
                                           : back_with_best(a, opt, iova_bits, e);
    }
    if (r < 0) {
        weir_carve_clear(&a->carve);
        free(a->segments);
        free(a->runs);
        free(a);
        return NULL;
    }
    weir_object_add(w, &a->object, WEIR_RANK_ARENA, object_free);
    weir_log(w, WEIR_LOG_DEBUG, "arena",
             "%s: %" PRIu64 " bytes (at most %" PRIu64 ") in pages of %" PRIu64
             " at %p, IOVA %#" PRIx64,
             a->name, a->bytes, a->max_bytes, a->page, (void *)a->va, a->iova);
    return a;
}

void weir_arena_free(struct weir_arena *a)
{
    if (!a)
        return;
    weir_object_remove(&a->object);
    for (unsigned i = 0; i < a->n_spaces; i++) {
        for (unsigned j = 0; j < a->n_segments; j++)
            pull_segment(a, &a->segments[j], a->spaces[i].space);
        weir_space_remove_arena(a->spaces[i].space, a);
    }
    for (unsigned j = 0; j < a->n_segments; j++)
        close(a->segments[j].fd);
    weir_mem_release(a->va, a->max_bytes);
    weir_carve_clear(&a->carve);
    free(a->segments);
    free(a->runs);
    free(a->spaces);
    free(a);
}

int weir_arena_grow(struct weir_arena *a, uint64_t bytes, struct weir_error *e)
{
    uint64_t left = a->max_bytes - a->bytes;

    if (bytes == 0)
        return weir_fail(e, -EINVAL, "arena-size", "grow arena %s\nby 0 bytes\nsay by how many",
                         a->name);
    if (bytes > left)
        return weir_fail(e, -ENOSPC, "arena-max",
                         "grow arena %s by %" PRIu64 " bytes\nit has %" PRIu64
                         " and was made for %" PRIu64 " at most\ngive it a larger max_bytes",
                         a->name, bytes, a->bytes, a->max_bytes);
    /* What is left is whole pages, so rounding up does not leave it. */
    return add_segments(a, round_up(bytes, a->page), e);
}

int weir_arena_shrink(struct weir_arena *a, struct weir_error *e)
{
    struct weir_segment *s = &a->segments[a->n_segments - 1];
    uint64_t offset = offset_of(a, s);
    int r;

    if (a->n_segments == 1)
        return weir_fail(e, -EBUSY, "arena-last-segment",
                         "shrink arena %s\nit has one segment only\nfree the arena instead",
                         a->name);
    r = weir_carve_shrink(&a->carve, offset, s->len);
    if (r == -EBUSY)
        return weir_fail(e, r, "arena-busy",
                         "shrink arena %s\nbuffers in its last segment, %" PRIu64
                         " bytes from offset %" PRIu64 ", are allocated\nfree them first",
                         a->name, s->len, offset);
    if (r < 0)
        return no_memory(e, "shrink", a->name);
    drop_segment(a);
    return 0;
}

void weir_arena_info(const struct weir_arena *a, struct weir_arena_info *info)
{
    *info = (struct weir_arena_info){
        .name = a->name,
        .va = a->va,
        .iova = weir_iova(a->physical ? a->runs[0].iova : a->iova),
        .bytes = a->bytes,
        .max_bytes = a->max_bytes,
        .used = a->carve.bytes,
        .page = a->segments[0].page,
        .node = a->node,
        .segments = a->n_segments,
        .spaces = a->n_spaces,
    };
}

int weir_arena_map(struct weir_arena *a, struct weir_space *space, unsigned prot,
                   struct weir_error *e)
{
    unsigned done = 0;
    char what[120];
    int r;

    snprintf(what, sizeof(what), "map arena %s into a %s space", a->name,
             weir_space_ops(space)->kind);
    for (unsigned i = 0; i < a->n_spaces; i++) {
        if (a->spaces[i].space != space)
            continue;
        if (a->spaces[i].prot == prot)
            return 0;
        return weir_fail(e, -EEXIST, "arena-rights",
                         "%s with rights %u\nit is mapped there with rights %u\nunmap it first",
                         what, prot, a->spaces[i].prot);
    }
    /* IOVA is kept free for an arena within its own instance. */
    if (weir_space_instance(space) != a->weir)
        return weir_fail(e, -EINVAL, "arena-instance",
                         "%s\nthe space is of another instance\nmake both from one", what);
    r = a->physical ? 0
                    : weir_space_check_range(space, a->iova, a->iova + a->max_bytes - 1, what, e);
    if (r < 0)
        return r;
    if (a->n_spaces == a->cap_spaces) {
        unsigned cap = a->cap_spaces ? a->cap_spaces * 2 : 4;
        struct weir_arena_space *spaces = realloc(a->spaces, cap * sizeof(*spaces));

        if (!spaces)
            return no_memory(e, "map", a->name);
        a->spaces = spaces;
        a->cap_spaces = cap;
    }
    r = weir_space_add_arena(space, a, e);
    if (r < 0)
        return r;
    while (done < a->n_segments && r == 0) {
        r = map_segment(a, &a->segments[done], space, prot, e);
        done += r == 0;
    }
    if (r < 0) {
        while (done)
            pull_segment(a, &a->segments[--done], space);
        weir_space_remove_arena(space, a);
        return r;
    }
    a->spaces[a->n_spaces++] = (struct weir_arena_space){space, prot};
    return 0;
}

int weir_arena_unmap(struct weir_arena *a, struct weir_space *space, struct weir_error *e)
{
    int r = 0;

    for (unsigned i = 0; i < a->n_spaces; i++) {
        if (a->spaces[i].space != space)
            continue;
        r = unmap_runs(a, 0, a->n_runs, space, e);
        weir_space_remove_arena(space, a);
        weir_arena_space_gone(a, space);
        return r;
    }
    return weir_fail(e, -ENOENT, "arena-not-mapped",
                     "unmap arena %s from a %s space\n"
                     "it is not mapped there",
                     a->name, weir_space_ops(space)->kind);
}

void weir_arena_space_gone(struct weir_arena *a, struct weir_space *s)
{
    for (unsigned i = 0; i < a->n_spaces; i++) {
        if (a->spaces[i].space == s) {
            a->spaces[i] = a->spaces[--a->n_spaces];
            return;
        }
    }
}

/* What nobody has used is zero as it came; make the rest so. */
static void clear(struct weir_arena *a, uint64_t offset, size_t len)
{
    struct weir_segment *s = a->segments;
    uint64_t at;

    while (offset >= offset_of(a, s) + s->len)
        s++;
    at = offset - offset_of(a, s);
    if (at < s->fresh)
        memset(s->va + at, 0, len < s->fresh - at ? len : s->fresh - at);
    if (at + len > s->fresh)
        s->fresh = at + len;
}

/* The IOVA of what lies at offset, which is backed. */
static weir_iova_t iova_at(const struct weir_arena *a, uint64_t offset)
{
    const struct weir_run *run = a->runs;

    if (!a->physical)
        return weir_iova(a->iova + offset);
    while (offset >= run->offset + run->len)
        run++;
    return weir_iova(run->iova + (offset - run->offset));
}

int weir_dma_alloc(struct weir_arena *a, size_t len, size_t align, struct weir_dma *out,
                   struct weir_error *e)
{
    uint64_t longest = 0, offset = 0;
    int r = -ENOSPC;

    if (align < WEIR_CACHE_LINE && (align & (align - 1)) == 0)
        align = WEIR_CACHE_LINE;
    if (len == 0 || align & (align - 1) || align > a->align)
        return weir_fail(e, -EINVAL, "dma-options",
                         "allocate %zu bytes aligned to %zu from arena %s\n"
                         "the length must not be 0, the alignment a power of two, at most the "
                         "arena's, %" PRIu64,
                         len, align, a->name, a->align);
    /*
     * A buffer lies in one run: a run is one mapping of a space, and what a device reads must not
     * depend on how two of them meet; and shrinking knows whom it concerns.
     */
    for (unsigned i = 0; i < a->n_runs && r == -ENOSPC; i++) {
        uint64_t first = a->runs[i].offset, last = first + a->runs[i].len - 1, free;

        r = weir_carve_alloc(&a->carve, len, align, first, last, &offset);
        if (r == 0)
            clear(a, offset, len);
        free = weir_carve_longest(&a->carve, first, last);
        longest = free > longest ? free : longest;
    }
    if (r == -ENOSPC) {
        char command[120] = "give the arena more bytes";

        if (a->bytes < a->max_bytes)
            snprintf(command, sizeof(command),
                     "weir_arena_grow(): it may grow by %" PRIu64 " bytes",
                     a->max_bytes - a->bytes);
        return weir_fail(e, r, "dma-no-space",
                         "allocate %zu bytes aligned to %zu from arena %s\n"
                         "%" PRIu64 " of its %" PRIu64
                         " bytes are allocated, and the longest free contiguous piece is %" PRIu64
                         "\n%s",
                         len, align, a->name, a->carve.bytes, a->bytes, longest, command);
    }
    if (r < 0)
        return no_memory(e, "allocate from", a->name);
    *out = (struct weir_dma){
        .va = a->va + offset,
        .iova = iova_at(a, offset),
        .len = len,
    };
    return 0;
}

int weir_arena_mem(const struct weir_arena *a, const struct weir_dma *dma, struct weir_mem *mem,
                   struct weir_error *e)
{
    uint64_t offset = (uint64_t)((uintptr_t)dma->va - (uintptr_t)a->va);

    for (const struct weir_segment *s = a->segments; s < a->segments + a->n_segments; s++) {
        uint64_t at = offset - offset_of(a, s);

        if (offset < offset_of(a, s) || at >= s->len || dma->len > s->len - at)
            continue;
        *mem = (struct weir_mem){.va = dma->va,
                                 .len = dma->len,
                                 .fd = a->physical ? -1 : s->fd,
                                 .offset = at,
                                 .page = s->page,
                                 .name = a->name};
        return 0;
    }
    return weir_fail(e, -EINVAL, "arena-not-of-it",
                     "look for the memory of a buffer in arena %s\n%zu bytes at %p are not in it",
                     a->name, dma->len, dma->va);
}

void weir_dma_free(struct weir_arena *a, struct weir_dma *dma)
{
    uint64_t offset = (uint64_t)((uintptr_t)dma->va - (uintptr_t)a->va);

    if (!dma->va)
        return;
    if ((uintptr_t)dma->va < (uintptr_t)a->va || offset >= a->bytes ||
        dma->iova.addr != iova_at(a, offset).addr ||
        weir_carve_free(&a->carve, offset, dma->len) < 0) {
        weir_log(a->weir, WEIR_LOG_ERROR, "arena",
                 "%s: %zu bytes at %p, IOVA %#" PRIx64
                 ", are not a buffer of this arena, or were freed before; ignored",
                 a->name, dma->len, dma->va, dma->iova.addr);
        return;
    }
    *dma = (struct weir_dma){0};
}
