/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Superpages: what a DMA mapping costs the IOMMU, before it is made.
 *
 * An IOMMU translates in pages of a few sizes, VT-d in 4 KiB, 2 MiB and 1 GiB. Each leaf of its
 * page table that a device touches takes an entry of the IOTLB. VFIO type1 and iommufd pin the
 * memory of a mapping, cut it where it is not physically contiguous, and give each run to the IOMMU
 * driver, which takes at each step the largest page that fits into what is left of the run and
 * divides both the IOVA and the physical address (Linux drivers/vfio/vfio_iommu_type1.c,
 * vfio_pin_map_dma(); drivers/iommu/iommu.c, iommu_pgsize()). A plan says which pages that makes,
 * which IOVA makes the most of the memory, and why they are not larger.
 *
 * @code
 * struct weir_superpage_request r = {
 *     .size = sizeof(r), .len = 64 << 20, .page = 2 << 20, .any_iova = true,
 *     .iommu_pages = 1ull << 12 | 1ull << 21 | 1ull << 30};
 * struct weir_superpage_plan plan;
 * if (weir_superpage_plan(&r, &plan, &err) == 0)
 *     printf("%llu entries\n", (unsigned long long)plan.entries);  // 32
 * @endcode
 *
 * Threads: any; nothing is kept.
 */
#ifndef WEIR_SUPERPAGE_H
#define WEIR_SUPERPAGE_H

#include <weir/types.h>

WEIR_BEGIN_DECLS

/** Why a leaf is smaller than the IOMMU's next larger page; bits, as several may hold. */
enum weir_superpage_why {
    WEIR_WHY_LENGTH = 1 << 0,         /**< the mapping is shorter, or not a whole number of them */
    WEIR_WHY_IOVA_ALIGNMENT = 1 << 1, /**< the IOVA and the physical address differ modulo it */
    WEIR_WHY_VA_ALIGNMENT = 1 << 2,   /**< the memory starts or ends inside one of its own pages */
    WEIR_WHY_BACKING_PAGE = 1 << 3,   /**< the pages behind the memory are smaller, and what lies
                                           next to each is not known */
    WEIR_WHY_DISCONTIGUOUS = 1 << 4,  /**< no aligned physical block of that size is behind it */
    WEIR_WHY_DISABLED = 1 << 5,       /**< the kernel was told to map base pages only */
    WEIR_WHY_WIDTH = 1 << 6,          /**< no IOVA that would suit is within the address width */
    WEIR_N_WHY = 7,
};

/** A piece of memory and an IOMMU; zero is the default of every member but size, len, page and
 *  iommu_pages. */
struct weir_superpage_request {
    size_t size;          /**< sizeof(struct weir_superpage_request) */
    uint64_t va, len;     /**< the memory, bytes */
    uint64_t iova;        /**< where it is to be mapped */
    bool any_iova;        /**< choose one instead */
    uint64_t page;        /**< size of the pages behind the memory; a power of two. The address and
                               the physical address are the same modulo it. */
    const uint64_t *at;   /**< physical address of each of these pages, beginning with the one that
                               holds va; NULL: not known, and none is taken to follow another */
    size_t n_at;          /**< how many; all that [va, va + len) touches */
    uint64_t iommu_pages; /**< bit n: the IOMMU has pages of 2^n bytes. Any mask. */
    unsigned iova_bits;   /**< address width of IOMMU and device; 0: 64 */
    bool base_pages_only; /**< vfio_iommu_type1.disable_hugepages=1, or iommufd's
                               IOMMU_OPTION_HUGE_PAGES 0 */
    uint64_t base_page;   /**< the kernel's page size; default 4096 */
};

struct weir_superpage_plan {
    uint64_t iova;       /**< as asked for, or the lowest that suits */
    uint64_t entries;    /**< leaves of the page table, and IOTLB entries if all are used */
    uint64_t leaves[64]; /**< leaves[n]: of 2^n bytes */
    uint64_t align;      /**< an IOVA that is offset modulo align makes the fewest entries ... */
    uint64_t offset;
    uint64_t best; /**< ... namely this many */
    unsigned why;  /**< enum weir_superpage_why: all that keeps leaves from being larger */
    uint64_t short_of[WEIR_N_WHY]; /**< for bit n of why: the smallest page that it keeps out */
};

/**
 * Plan a mapping. Without physical addresses, the plan counts on nothing but the backing pages: the
 * kernel merges neighbours that happen to be contiguous, so it may do better, never worse.
 * @return -EINVAL with code "superpage-request" for a request that makes no sense,
 *         "superpage-unaligned" for a mapping that the IOMMU cannot hold at all, "superpage-width"
 *         for one outside the address width
 */
int weir_superpage_plan(const struct weir_superpage_request *r, struct weir_superpage_plan *plan,
                        struct weir_error *e);

/** Stable name of a bit of enum weir_superpage_why, such as "iova-alignment"; NULL if it is none.
 */
const char *weir_superpage_why_name(unsigned why);

WEIR_END_DECLS

#endif
