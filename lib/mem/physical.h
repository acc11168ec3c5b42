/* SPDX-License-Identifier: BSD-3-Clause */
/* Where memory lies physically: Documentation/admin-guide/mm/pagemap.rst. */
#ifndef WEIR_MEM_PHYSICAL_H
#define WEIR_MEM_PHYSICAL_H

#include "lib/mem/segment.h"

/* The physical address behind va, which must be present. -EPERM, "physical-hidden", without
 * CAP_SYS_ADMIN. */
int weir_physical(const void *va, uint64_t *out, struct weir_error *e);

/*
 * Map the segment's pages in the order in which they lie physically. The kernel hands hugepages out
 * in the order of its free list, which is rarely that. addresses: one for each page, filled.
 */
int weir_segment_sort(const struct weir_segment *s, uint64_t page, uint64_t *addresses,
                      struct weir_error *e);

#endif
