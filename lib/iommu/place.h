/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where memory goes in IOVA. Pages of an IOMMU are used only where IOVA and physical address are
 * congruent modulo their size (weir/superpage.h), so that is what a range is chosen by. Of the
 * physical address the virtual one is known to be congruent modulo the page behind it; more is
 * known where /proc/self/pagemap may be read.
 */
#ifndef WEIR_IOMMU_PLACE_H
#define WEIR_IOMMU_PLACE_H

#include "lib/core/instance.h"
#include <weir/space.h>

/* What is wanted of a range of IOVA. */
struct weir_place {
    uint64_t len;
    uint64_t align, offset; /* offset modulo align makes the fewest entries */
    uint64_t page;          /* the least that has to divide it, at most align */
    unsigned iova_bits;     /* 1 to 64 */
};

/* What sizes of IOMMU pages are worth aligning to: those of the spaces, and what an x86 machine
 * has, for spaces that come later or do not know theirs before a device is in them. */
uint64_t weir_place_pages(struct weir_space *const *spaces, unsigned n);

/* The largest of the sizes that fits into len; page if that is larger. */
uint64_t weir_place_align(uint64_t sizes, uint64_t len, uint64_t page);

/*
 * The lowest range that is free in the instance and in all the spaces. One that is aligned to less,
 * down to page, is better than none. 0, -ENOSPC, -ENOMEM; says nothing.
 */
int weir_place_find(const struct weir *w, struct weir_space *const *spaces, unsigned n,
                    const struct weir_place *p, uint64_t *iova);

/*
 * What the IOVA of memory in hugepages, which is populated, should be congruent to, by the
 * physical addresses of its pages. 0 if these are not to be had, or would change nothing.
 */
bool weir_place_physical(const void *va, uint64_t len, uint64_t page, uint64_t sizes,
                         uint64_t *align, uint64_t *offset);

#endif
