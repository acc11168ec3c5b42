/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of an arena: segments of memory (lib/mem), what of them is allocated (carve.h), and
 * the spaces that they are mapped into.
 */
#ifndef WEIR_IOMMU_ARENA_H
#define WEIR_IOMMU_ARENA_H

#include "lib/core/instance.h"
#include "lib/iommu/carve.h"
#include "lib/mem/segment.h"
#include <weir/arena.h>

struct weir_arena_space {
    struct weir_space *space;
    unsigned prot;
};

/* A piece that is contiguous for devices: a segment, or where IOVAs are physical addresses as much
 * of one as is contiguous physically. Each is one mapping of a space. */
struct weir_run {
    uint64_t offset, len; /* in the arena */
    uint64_t iova;
};

struct weir_arena {
    struct weir_object object;
    struct weir *weir;
    char name[64];
    uint8_t *va;
    uint64_t iova;
    uint64_t bytes;     /* backed */
    uint64_t max_bytes; /* reserved */
    uint64_t page;      /* of all of it; the smallest, if mixed */
    bool mixed;         /* each segment has pages of its own */
    uint64_t sizes;     /* of IOMMU pages that IOVAs are chosen for */
    uint64_t align;     /* of va and iova */
    bool physical;      /* IOVAs are physical addresses, iova is 0 */
    int node;           /* bound to it; -1 if not */
    struct weir_segment *segments;
    unsigned n_segments, cap_segments;
    struct weir_run *runs; /* by offset */
    unsigned n_runs, cap_runs;
    struct weir_arena_space *spaces;
    unsigned n_spaces, cap_spaces;
    struct weir_carve carve;
};

#endif
