/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/iommu/reserve.h"
#include "lib/iommu/arena.h"

int weir_iova_free_set(const struct weir *w, struct weir_iova_set *set)
{
    /* Firmware and legacy devices claim pieces of the first 1 MiB (RMRRs, the VGA window). */
    int r = weir_iova_set_add(set, 1 << 20, UINT64_MAX);

    /* Writes there are interrupt messages (Intel SDM volume 3, 11.11.1). */
    if (r == 0)
        r = weir_iova_set_remove(set, 0xfee00000, 0xfeefffff);
    for (const struct weir_object *o = w->objects.next; o != &w->objects && r == 0; o = o->next) {
        const struct weir_arena *a;

        if (o->rank != WEIR_RANK_ARENA)
            continue;
        a = (const struct weir_arena *)((const char *)o - offsetof(struct weir_arena, object));
        for (unsigned i = 0; a->physical && i < a->n_runs && r == 0; i++)
            r = weir_iova_set_remove(set, a->runs[i].iova, a->runs[i].iova + a->runs[i].len - 1);
        if (!a->physical)
            r = weir_iova_set_remove(set, a->iova, a->iova + a->max_bytes - 1);
    }
    return r;
}
