/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/iommu/backend.h"

#include <errno.h>
#include <string.h>

/* What a VT-d unit offers: 48 bits but for the window that x86 takes as interrupt messages (Intel
 * SDM volume 3, 11.11.1), and superpages of both sizes. */
static const struct weir_iova_range usable[] = {
    {0, 0xfedfffff},
    {0xfef00000, ((uint64_t)1 << 48) - 1},
};
#define PAGE_SIZES ((uint64_t)1 << 12 | (uint64_t)1 << 21 | (uint64_t)1 << 30)

static int software_map(struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova,
                        unsigned prot, struct weir_error *e)
{
    int r = weir_siommu_map(weir_space_priv(s), mem, iova.addr, prot);

    /* The book knows of no overlap, so it is there because the book is being replayed. */
    if (r == 0 || r == -EEXIST)
        return 0;
    return weir_fail(e, r, r == -ENOMEM ? "no-memory" : "map-refused",
                     "map %zu bytes at IOVA %#llx in a software space\n%s", mem->len,
                     (unsigned long long)iova.addr, strerror(-r));
}

static int software_unmap(struct weir_space *s, weir_iova_t iova, size_t len, struct weir_error *e)
{
    int r = weir_siommu_unmap(weir_space_priv(s), iova.addr, len, NULL, NULL);

    if (r == 0)
        return 0;
    return weir_fail(e, r, "unmap-refused",
                     "unmap %zu bytes at IOVA %#llx from a software space\n%s", len,
                     (unsigned long long)iova.addr, strerror(-r));
}

static void software_free(struct weir_space *s)
{
    weir_siommu_free(weir_space_priv(s));
}

static const struct weir_space_ops software = {
    .kind = "software",
    .map = software_map,
    .unmap = software_unmap,
    .free = software_free,
};

struct weir_space *weir_space_software(struct weir *w, struct weir_error *e)
{
    struct weir_siommu *iommu = weir_siommu_new(e);
    struct weir_space *s;

    if (!iommu)
        return NULL;
    s = weir_space_make(w, &software, iommu, PAGE_SIZES, usable, sizeof(usable) / sizeof(*usable),
                        UINT64_MAX, e);
    if (!s)
        weir_siommu_free(iommu);
    return s;
}

struct weir_siommu *weir_space_siommu(const struct weir_space *s)
{
    return weir_space_ops(s) == &software ? weir_space_priv(s) : NULL;
}
