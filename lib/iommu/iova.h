/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets of I/O virtual addresses: sorted, disjoint, inclusive ranges over 0 to 2^64-1. One holds
 * what a space can use, another what is taken. Adding and removing ranges and finding aligned holes
 * is all that IOVA allocation is.
 */
#ifndef WEIR_IOMMU_IOVA_H
#define WEIR_IOMMU_IOVA_H

#include <weir/types.h>

struct weir_iova_set {
    struct weir_iova_range *r;
    unsigned n, cap;
};

void weir_iova_set_clear(struct weir_iova_set *s); /* empty it and free its memory */
int weir_iova_set_copy(struct weir_iova_set *dst, const struct weir_iova_set *src);
/* Room for n ranges: until it has more, changing it needs no memory. 0 or -ENOMEM. */
int weir_iova_set_reserve(struct weir_iova_set *s, size_t n);
/* Add [first, last]; joins neighbours. 0 or -ENOMEM. */
int weir_iova_set_add(struct weir_iova_set *s, uint64_t first, uint64_t last);
/* Remove [first, last], which need not be in the set. 0 or -ENOMEM (a split needs room). */
int weir_iova_set_remove(struct weir_iova_set *s, uint64_t first, uint64_t last);
/* Keep only what is in other too. */
int weir_iova_set_intersect(struct weir_iova_set *s, const struct weir_iova_set *other);
/* All of [first, last] in the set? */
bool weir_iova_set_contains(const struct weir_iova_set *s, uint64_t first, uint64_t last);
/* Any of [first, last] in the set? The range it meets first goes to *hit if not NULL. */
bool weir_iova_set_overlaps(const struct weir_iova_set *s, uint64_t first, uint64_t last,
                            struct weir_iova_range *hit);
/*
 * Lowest address a in the set, a >= min, a % align == offset, [a, a + len - 1] in the set and not
 * above max. align is a power of two. False if there is none.
 */
bool weir_iova_set_find(const struct weir_iova_set *s, uint64_t len, uint64_t align,
                        uint64_t offset, uint64_t min, uint64_t max, uint64_t *out);

#endif
