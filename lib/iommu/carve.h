/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Carving buffers out of an arena: which of its bytes, counted from its start, are allocated. All
 * of it is private memory; the arena itself, which devices and peers can write, holds none.
 */
#ifndef WEIR_IOMMU_CARVE_H
#define WEIR_IOMMU_CARVE_H

#include "lib/iommu/iova.h"

/* A buffer takes whole cache lines, so that no two share one. */
struct weir_carved {
    uint64_t offset, len; /* len as asked for */
};

struct weir_carve {
    struct weir_iova_set free;
    struct weir_carved *used; /* sorted */
    size_t n_used, cap_used;
    uint64_t bytes; /* allocated */
};

void weir_carve_clear(struct weir_carve *c);
/* [offset, offset + len) is there from now on. 0 or -ENOMEM. */
int weir_carve_grow(struct weir_carve *c, uint64_t offset, uint64_t len);
/* It goes. -EBUSY if any of it is allocated. */
int weir_carve_shrink(struct weir_carve *c, uint64_t offset, uint64_t len);
/* First fit within [first, last]. -ENOSPC if there is none, -ENOMEM. */
int weir_carve_alloc(struct weir_carve *c, uint64_t len, uint64_t align, uint64_t first,
                     uint64_t last, uint64_t *offset);
/* -ENOENT if no buffer of that length was given out there. */
int weir_carve_free(struct weir_carve *c, uint64_t offset, uint64_t len);
/* Longest free piece within [first, last], bytes. */
uint64_t weir_carve_longest(const struct weir_carve *c, uint64_t first, uint64_t last);

#endif
