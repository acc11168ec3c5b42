/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The translation cache of the software IOMMU: which leaves were used last, and what was counted.
 * It holds no translation; siommu.c asks it with the leaf that an access falls into.
 */
#ifndef WEIR_IOMMU_IOTLB_H
#define WEIR_IOMMU_IOTLB_H

#include <weir/driver/siommu.h>

struct weir_iotlb;

struct weir_iotlb *weir_iotlb_new(const struct weir_iotlb_options *opt, struct weir_error *e);
void weir_iotlb_free(struct weir_iotlb *t);
/* Its page sizes, as a mask. */
uint64_t weir_iotlb_pages(const struct weir_iotlb *t);
/* An access to the leaf of that size at base, a multiple of it. Any thread. */
void weir_iotlb_access(struct weir_iotlb *t, uint64_t base, uint64_t size,
                       const struct weir_dma_who *who);
/* Leaves in [first, last] are gone. */
void weir_iotlb_invalidate(struct weir_iotlb *t, uint64_t first, uint64_t last);
/* All but leaves[]. */
void weir_iotlb_read(struct weir_iotlb *t, struct weir_iotlb_stats *out);

#endif
