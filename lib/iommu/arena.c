/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/iommu/arena.h"
#include "lib/iommu/backend.h"

void weir_arena_space_gone(struct weir_arena *a, struct weir_space *s)
{
    for (unsigned i = 0; i < a->n_spaces; i++) {
        if (a->spaces[i].space == s) {
            a->spaces[i] = a->spaces[--a->n_spaces];
            return;
        }
    }
}
