/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/iommu/place.h"
#include "lib/iommu/backend.h"
#include "lib/iommu/reserve.h"
#include "lib/mem/physical.h"

#include <errno.h>
#include <stdlib.h>
#include <weir/superpage.h>

#define X86_PAGES ((uint64_t)1 << 12 | (uint64_t)1 << 21 | (uint64_t)1 << 30)
#define MAX_PAGES 65536 /* whose physical addresses are asked for */

uint64_t weir_place_pages(struct weir_space *const *spaces, unsigned n)
{
    uint64_t sizes = X86_PAGES;

    for (unsigned i = 0; i < n; i++) {
        struct weir_space_info info;

        weir_space_info(spaces[i], &info);
        sizes |= info.page_sizes;
    }
    return sizes;
}

uint64_t weir_place_align(uint64_t sizes, uint64_t len, uint64_t page)
{
    sizes &= UINT64_MAX >> __builtin_clzll(len);
    return sizes > page ? (uint64_t)1 << (63 - __builtin_clzll(sizes)) : page;
}

int weir_place_find(const struct weir *w, struct weir_space *const *spaces, unsigned n,
                    const struct weir_place *p, uint64_t *iova)
{
    uint64_t max = p->iova_bits < 64 ? ((uint64_t)1 << p->iova_bits) - 1 : UINT64_MAX;
    struct weir_iova_set set = {0};
    bool found = false;
    int r = weir_iova_free_set(w, &set);

    for (unsigned i = 0; i < n && r == 0; i++)
        r = weir_space_free_ranges(spaces[i], &set);
    for (uint64_t align = p->align; r == 0 && !found && align >= p->page; align >>= 1)
        found = weir_iova_set_find(&set, p->len, align, p->offset & (align - 1), 0, max, iova);
    weir_iova_set_clear(&set);
    return r < 0 || found ? r : -ENOSPC;
}

bool weir_place_physical(const void *va, uint64_t len, uint64_t page, uint64_t sizes,
                         uint64_t *align, uint64_t *offset)
{
    struct weir_superpage_request q = {.size = sizeof(q),
                                       .va = (uintptr_t)va,
                                       .len = len,
                                       .page = page,
                                       .n_at = (size_t)(len / page),
                                       .iommu_pages = sizes,
                                       .any_iova = true};
    struct weir_superpage_plan plan;
    uint64_t *at;
    bool ok = true;

    /* Nothing of the IOMMU's is larger than these pages and fits. */
    if (weir_place_align(sizes, len, page) == page || q.n_at > MAX_PAGES)
        return false;
    at = calloc(q.n_at, sizeof(*at));
    for (size_t i = 0; ok && at && i < q.n_at; i++)
        ok = weir_physical((const uint8_t *)va + i * page, &at[i], NULL) == 0;
    q.at = at;
    ok = ok && at && weir_superpage_plan(&q, &plan, NULL) == 0 && plan.align > page;
    free(at);
    if (ok) {
        *align = plan.align;
        *offset = plan.offset;
    }
    return ok;
}
