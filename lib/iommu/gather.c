/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/iommu/backend.h"
#include "lib/iommu/place.h"
#include "lib/mem/hugepage.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <weir/gather.h>
#include <weir/superpage.h>

/* Does b continue a, in memory and in the file behind it? */
static bool follows(const struct weir_mem *a, const struct weir_mem *b)
{
    return (const uint8_t *)a->va + a->len == b->va && a->fd == b->fd && a->page == b->page &&
           (a->fd < 0 || a->offset + a->len == b->offset);
}

/* The next mapping from piece *i on, widened to whole pages; *i moves behind it. */
static struct weir_mem next(const struct weir_mem *pieces, unsigned n, uint64_t page, unsigned *i)
{
    struct weir_mem m = pieces[*i];
    uint64_t head = (uintptr_t)m.va & (page - 1);

    while (++*i < n && follows(&m, &pieces[*i]))
        m.len += pieces[*i].len;
    m.va = (uint8_t *)m.va - head;
    m.len += head;
    if (m.fd >= 0)
        m.offset -= head;
    m.len = (m.len + page - 1) & ~(page - 1);
    return m;
}

/* Do the pieces make up whole pages? *len: how much IOVA they take. */
static bool fit(const struct weir_mem *pieces, unsigned n, uint64_t page, uint64_t *len)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < n; i++) {
        const struct weir_mem *m = &pieces[i];
        uint64_t first = (uintptr_t)m->va, end = first + m->len;
        bool joined = i && follows(&pieces[i - 1], m);
        bool joins = i + 1 < n && follows(m, &pieces[i + 1]);

        if (m->len == 0 || end < first || m->len > UINT64_MAX / 2 - total ||
            (m->fd >= 0 && m->offset < (first & (page - 1))) ||
            (i && !joined && first & (page - 1)) || (i + 1 < n && !joins && end & (page - 1)))
            return false;
        total += m->len;
    }
    total += (uintptr_t)pieces[0].va & (page - 1);
    *len = (total + page - 1) & ~(page - 1);
    return true;
}

/* What the start should be congruent to for the longest of the mappings. */
static void congruent(const struct weir_mem *pieces, unsigned n, uint64_t sizes,
                      struct weir_place *p)
{
    uint64_t at = 0, longest = 0;

    for (unsigned i = 0; i < n;) {
        struct weir_mem m = next(pieces, n, p->page, &i);
        struct weir_superpage_request q = {.size = sizeof(q),
                                           .va = (uintptr_t)m.va,
                                           .len = m.len,
                                           .page = m.page ? m.page : weir_base_page(),
                                           .iommu_pages = sizes,
                                           .any_iova = true};
        struct weir_superpage_plan plan;

        if (m.len > longest && weir_superpage_plan(&q, &plan, NULL) == 0 && plan.align > p->page) {
            p->align = plan.align;
            p->offset = plan.offset - at;
        }
        longest = m.len > longest ? m.len : longest;
        at += m.len;
    }
}

int weir_dma_gather(struct weir_space *s, const struct weir_mem *pieces, unsigned n,
                    unsigned iova_bits, unsigned prot, struct weir_gathered *out,
                    struct weir_error *e)
{
    struct weir_place p = {.iova_bits = iova_bits};
    struct weir_space_info info;
    uint64_t iova, at;
    size_t len = 0;
    int r;

    weir_space_info(s, &info);
    if (weir_space_is_physical(s))
        return weir_fail(e, -ENOTSUP, "gather-no-iommu",
                         "gather %u pieces of memory\nwithout an IOMMU memory is where it is\n"
                         "copy them into one buffer, or turn the IOMMU on",
                         n);
    p.page = p.align = info.page_sizes & -info.page_sizes;
    if (n == 0 || iova_bits == 0 || iova_bits > 64 || !fit(pieces, n, p.page, &p.len))
        return weir_fail(e, -EINVAL, "gather-pieces",
                         "gather %u pieces of memory in a %s space\none is empty, begins or ends "
                         "inside a page of %" PRIu64
                         " bytes next to another, or the width is not 1 to 64 bits\n"
                         "only the first may begin and the last may end inside a page",
                         n, info.kind, p.page);
    congruent(pieces, n, info.page_sizes, &p);
    r = weir_place_find(weir_space_instance(s), &s, 1, &p, &iova);
    if (r < 0)
        return weir_fail(e, r, r == -ENOMEM ? "no-memory" : "space-no-iova",
                         "gather %" PRIu64 " bytes in a %s space\n%s below 2^%u\n"
                         "unmap something, or gather less",
                         p.len, info.kind,
                         r == -ENOMEM ? "out of memory" : "no free usable range is that large",
                         iova_bits);
    *out = (struct weir_gathered){
        .iova = weir_iova(iova + ((uintptr_t)pieces[0].va & (p.page - 1))), .space = s};
    for (unsigned i = 0; i < n; i++)
        len += pieces[i].len;
    at = iova;
    for (unsigned i = 0; i < n;) {
        struct weir_mem m = next(pieces, n, p.page, &i);

        if (!m.name)
            m.name = "gathered";
        r = weir_space_map(s, &m, weir_iova(at), prot, e);
        if (r < 0) {
            out->len = at - iova;
            weir_dma_ungather(out, NULL);
            return r;
        }
        at += m.len;
        out->maps++;
    }
    out->len = len;
    return 0;
}

int weir_dma_ungather(struct weir_gathered *g, struct weir_error *e)
{
    struct weir_iova_range at;
    int r = 0;

    while (g->len &&
           weir_space_mapping_in(g->space, g->iova.addr, g->iova.addr + g->len - 1, &at)) {
        int ret = weir_space_unmap(g->space, weir_iova(at.first), at.last - at.first + 1,
                                   r == 0 ? e : NULL);

        r = r == 0 ? ret : r;
    }
    *g = (struct weir_gathered){0};
    return r;
}
