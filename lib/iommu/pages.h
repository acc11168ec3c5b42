/* SPDX-License-Identifier: BSD-3-Clause */
/* Which pages an arena is made of: those asked for, the best that the pools have, or several. */
#ifndef WEIR_IOMMU_PAGES_H
#define WEIR_IOMMU_PAGES_H

#include "lib/iommu/arena.h"

/* Has the machine pages of that size? -EINVAL, "arena-page". */
int weir_pages_check(uint64_t page, const char *name, struct weir_error *e);

/* Base pages instead of hugepages work, but cost. Say how much and what would help. */
void weir_pages_warn(const struct weir_arena *a, uint64_t bytes);

/* -ENOMEM, "arena-no-hugepages", for devices without an IOMMU. */
int weir_pages_none(const struct weir_arena *a, struct weir_error *e);

/*
 * The next piece of a mixed arena of which `at` bytes are backed and left are to be: the largest
 * page that fits into it, divides at, and that the pool has, and how many bytes of those. What
 * is left is at least one of the smallest page.
 */
uint64_t weir_pages_next(const struct weir_arena *a, uint64_t at, uint64_t left, uint64_t *page);

#endif
