/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The software IOMMU through which every model does its DMA.
 *
 * It holds the mappings of one address space as the model sees them: filled by the space of an
 * in-process device, or by a vfio-user client's messages. An access outside a mapping, against its
 * rights, or to one that was removed is refused and reported, never done.
 *
 * @code
 * const struct weir_dma_who who = {.queue = "tx", .queue_index = 0, .descriptor = 7};
 * if (weir_siommu_read(siommu, iova.addr, buffer, 16, &who) != 0)
 *     return -EFAULT; // refused, and reported as queue tx 0, descriptor 7
 * @endcode
 *
 * Threads: mapping and unmapping take a write lock; weir_siommu_lock() takes the read lock that
 * every access needs. The model kit holds it while a model steps, so an unmap returns only when no
 * access through it is under way.
 */
#ifndef WEIR_DRIVER_SIOMMU_H
#define WEIR_DRIVER_SIOMMU_H

#include <weir/arena.h>
#include <weir/model.h>
#include <weir/space.h>
#include <weir/types.h>

WEIR_BEGIN_DECLS

struct weir_siommu;

/** On whose behalf an access is made, for the report of a fault. */
struct weir_dma_who {
    const char *queue; /**< static text, e.g. "tx" */
    unsigned queue_index;
    unsigned descriptor;
};

/** How to reach memory that is not mapped in this process. Returns 0 or -errno; -EAGAIN if a read
 *  cannot be made now and should be tried again later. @a len 0: wait until the writes before have
 *  been made, or -EAGAIN. */
typedef int weir_siommu_remote_fn(void *user, uint64_t iova, void *buf, size_t len, bool write);

/** Called on each refused access, with the read lock held. */
typedef void weir_siommu_fault_fn(void *user, const struct weir_dma_fault *fault);

struct weir_siommu *weir_siommu_new(struct weir_error *e);
void weir_siommu_free(struct weir_siommu *s);
void weir_siommu_on_fault(struct weir_siommu *s, weir_siommu_fault_fn *fn, void *user);
/** Serve mappings that have neither address nor descriptor by @a fn. */
void weir_siommu_set_remote(struct weir_siommu *s, weir_siommu_remote_fn *fn, void *user);

/**
 * Add a mapping. @a mem->va non-NULL: memory of this process, which stays valid until unmap. Else
 * mem->fd >= 0: accesses go by pread/pwrite on it (the descriptor is the caller's and must stay
 * open until unmap). Else accesses go to the remote function.
 * @return -EEXIST on overlap, -EINVAL on zero length or wrap-around, -ENOMEM
 */
int weir_siommu_map(struct weir_siommu *s, const struct weir_mem *mem, uint64_t iova,
                    unsigned prot);

/**
 * Remove every mapping that lies wholly within [iova, iova + len). One that only partly does is
 * left alone and makes the call -EINVAL with nothing removed. Nothing there is success; so is
 * len 0. From 0, UINT64_MAX bytes are everything.
 * @param removed called for each mapping removed, for unmapping memory, with the write lock held;
 *                may be NULL
 */
int weir_siommu_unmap(struct weir_siommu *s, uint64_t iova, uint64_t len,
                      void (*removed)(void *user, const struct weir_mem *mem), void *user);

void weir_siommu_lock(struct weir_siommu *s);
void weir_siommu_unlock(struct weir_siommu *s);

/**
 * The address of [iova, iova + len) if it lies in one mapping of this process's memory that allows
 * the access, else NULL: the caller then uses weir_siommu_read()/write(), which report faults.
 * Valid until weir_siommu_unlock().
 */
void *weir_siommu_ptr(struct weir_siommu *s, uint64_t iova, size_t len, bool write);

/** Copy from memory. May cross mappings. @return 0; -EFAULT after reporting a refused access;
 *  -EAGAIN if memory of another process cannot be reached now: leave the work for a later step;
 *  -errno of a transport. On failure @a buf is zeroed. */
int weir_siommu_read(struct weir_siommu *s, uint64_t iova, void *buf, size_t len,
                     const struct weir_dma_who *who);

/** Copy to memory, all or nothing as far as faults go. */
int weir_siommu_write(struct weir_siommu *s, uint64_t iova, const void *buf, size_t len,
                      const struct weir_dma_who *who);

/** Wait until all writes have been made: some of those to another process's memory may be under way
 *  still. @return 0, -EAGAIN if that cannot be waited for now, -errno of a transport */
int weir_siommu_settle(struct weir_siommu *s);

/** Faults so far, and the last one. */
uint64_t weir_siommu_faults(struct weir_siommu *s, struct weir_dma_fault *last);

/** The translation cache that is modelled. */
struct weir_iotlb_options {
    unsigned entries; /**< 1 to 4096 */
    unsigned ways;    /**< divides entries; 0: fully associative */
    uint64_t pages;   /**< bit n: pages of 2^n bytes; at most WEIR_IOTLB_PAGES of them */
    unsigned bits;    /**< of an IOVA: a walk reads one entry for each 9 of them above the leaf's */
};

/**
 * Count translations from now on, in a cache of the shape @a opt, which starts empty. NULL: count
 * no more. The leaves are the largest pages that each mapping allows (weir/superpage.h): what is
 * mapped of this process's memory is physically contiguous as far as one backing page goes; what a
 * client maps in one piece that is exactly a page of the IOMMU is one leaf, because that is how a
 * guest's IOMMU is passed on.
 * @return -EINVAL ("iotlb-options"), -ENOMEM
 */
int weir_siommu_set_iotlb(struct weir_siommu *s, const struct weir_iotlb_options *opt,
                          struct weir_error *e);

/** Is there one? With the read lock held. */
bool weir_siommu_has_iotlb(const struct weir_siommu *s);

/** Count an access that was made through weir_siommu_ptr(). weir_siommu_read() and write() count
 *  themselves. With the read lock held. @a who may be NULL. */
void weir_siommu_touch(struct weir_siommu *s, uint64_t iova, size_t len,
                       const struct weir_dma_who *who);

/** The counters; @a out may be NULL. @return false if there is no IOTLB */
bool weir_siommu_iotlb(struct weir_siommu *s, struct weir_iotlb_stats *out);

/** Number of mappings and bytes mapped. */
void weir_siommu_count(struct weir_siommu *s, uint64_t *maps, uint64_t *bytes);

WEIR_END_DECLS

#endif
