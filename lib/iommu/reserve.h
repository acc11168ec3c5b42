/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What may be given out as IOVA at all. An arena keeps the range it may grow to, in every space of
 * its instance, for as long as it lives.
 */
#ifndef WEIR_IOMMU_RESERVE_H
#define WEIR_IOMMU_RESERVE_H

#include "lib/core/instance.h"
#include "lib/iommu/iova.h"

/* What no arena of the instance keeps, without the ranges that are best left alone: the first 1 MiB
 * and where x86 takes a write as an interrupt message. 0 or -ENOMEM. */
int weir_iova_free_set(const struct weir *w, struct weir_iova_set *set);

/* Keep in set what is usable in s and not mapped. 0 or -ENOMEM. */
int weir_space_free_ranges(const struct weir_space *s, struct weir_iova_set *set);

/* All of [first, last] usable in s? Else -EINVAL, "map-range"; what: what was being done. */
int weir_space_check_range(const struct weir_space *s, uint64_t first, uint64_t last,
                           const char *what, struct weir_error *e);

#endif
