/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Arenas: memory for DMA.
 *
 * An arena is a range of hugepage-backed memory that has one I/O virtual address in every space it
 * is mapped into. Its virtual and IOVA ranges are reserved up front for @a max_bytes; memory comes
 * and goes in whole segments. A segment is a memfd sealed against shrinking (a peer can map it
 * without fear of SIGBUS; nothing is left behind after SIGKILL), populated before use so that a
 * shortage is an error here and never a signal later.
 *
 * @code
 * struct weir_arena *mem = weir_arena_new(w, &(struct weir_arena_options){
 *     .size = sizeof(struct weir_arena_options), .bytes = 64 << 20}, &err);
 * struct weir_dma ring;
 * weir_dma_alloc(mem, 8192, 128, &ring, &err);
 * weir_arena_map(mem, space, WEIR_PROT_RW, &err);
 * ... ring.va for the CPU, ring.iova for the device ...
 * weir_dma_free(mem, &ring);
 * weir_arena_free(mem);
 * @endcode
 *
 * Its IOVA is chosen so that the IOMMU's superpages fit: a multiple of the largest page that any of
 * the spaces has, or that an x86 machine has (4 KiB, 2 MiB, 1 GiB), and that the arena is as long
 * as; so is its address. Where such a range is not free, of the next smaller that is, down to the
 * backing page. If hugepages can be seen to make up a larger page of the IOMMU (physical addresses
 * are shown to root only), the IOVA is congruent to them instead (weir/superpage.h).
 *
 * Rule of mapping: one MAP for each segment, however large. VFIO takes no mapping apart, so what
 * can go by itself, a segment, is mapped by itself; nothing smaller is. A growth is one segment,
 * and one for each page size in an arena of mixed pages. A container allows 65535 mappings
 * (dma_entry_limit): an arena that grows often does so in large steps. Without an IOMMU it is one
 * for each piece that is contiguous physically, into which buffers fit. What is mapped into a space
 * already is not mapped again, whoever asks: all devices in the space share it.
 *
 * Threads: one at a time.
 */
#ifndef WEIR_ARENA_H
#define WEIR_ARENA_H

#include <weir/space.h>
#include <weir/types.h>

WEIR_BEGIN_DECLS

/** Options of an arena; zero means the default for every member but size. */
struct weir_arena_options {
    size_t size;        /**< sizeof(struct weir_arena_options) */
    const char *name;   /**< for messages; default "arena" */
    uint64_t bytes;     /**< memory to back at once; rounded up to whole pages. Required. */
    uint64_t max_bytes; /**< what it may grow to; default bytes */
    uint64_t page;      /**< backing page size: 4 KiB, 2 MiB, 1 GiB; 0 picks the largest hugepage of
                             which the pool has enough, else 4 KiB with a warning;
                             WEIR_MIXED_PAGES: the largest first, as many as the pool has and the
                             length takes, then the next smaller, so that nothing is rounded up.
                             Without an IOMMU that is as 0. */
    int node; /**< WEIR_NODE(n): NUMA node n holds all of it; WEIR_ANY_NODE, 0: the caller's own as
                   far as it goes */
    unsigned iova_bits; /**< width of the narrowest device that will use it; default 39, what every
                             VT-d and X540 can address */
    struct weir_space *const *spaces; /**< spaces it will be mapped into: their usable ranges are
                                           intersected. Others may be added later if they fit. */
    unsigned n_spaces;
};

/** For weir_arena_options.page. */
#define WEIR_MIXED_PAGES 1

#define WEIR_ANY_NODE 0
#define WEIR_NODE(n)  ((n) + 1)

/**
 * Reserve ranges and back the first segment.
 *
 * Fails with -ENOMEM (code "arena-no-hugepages" when the pool is short, naming pool, node, need
 * and the command that grows it; "arena-populate" when a cgroup or node limit stopped it),
 * -ENOSPC ("arena-no-iova") when no IOVA range fits, -EINVAL for options out of range.
 */
struct weir_arena *weir_arena_new(struct weir *w, const struct weir_arena_options *opt,
                                  struct weir_error *e);

/** Unmap it from every space and free it. Buffers carved from it are gone. NULL is fine. */
void weir_arena_free(struct weir_arena *a);

/** Add a segment of at least @a bytes (of mixed pages, one for each size that it takes), mapped
 *  into every space the arena is in. -ENOSPC beyond max_bytes. */
int weir_arena_grow(struct weir_arena *a, uint64_t bytes, struct weir_error *e);

/** Drop the last segment; -EBUSY if buffers in it are allocated or it is the only one. */
int weir_arena_shrink(struct weir_arena *a, struct weir_error *e);

struct weir_arena_info {
    const char *name;
    void *va;           /**< start of the reserved range */
    weir_iova_t iova;   /**< its address in every space */
    uint64_t bytes;     /**< backed now */
    uint64_t max_bytes; /**< reserved */
    uint64_t used;      /**< allocated to buffers */
    uint64_t page;      /**< backing page size; the largest of mixed ones */
    int node;           /**< -1 if not bound */
    unsigned segments;
    unsigned spaces; /**< number of spaces it is mapped into */
};

void weir_arena_info(const struct weir_arena *a, struct weir_arena_info *info);

enum weir_prot {
    WEIR_PROT_READ = 1,  /**< the device may read */
    WEIR_PROT_WRITE = 2, /**< the device may write */
    WEIR_PROT_RW = 3,
};

/** Map all segments, now and as it grows, into @a space at the arena's IOVA. Mapping twice with
 *  the same rights is fine. Fails if the range is not usable there (see weir_space_map()). */
int weir_arena_map(struct weir_arena *a, struct weir_space *space, unsigned prot,
                   struct weir_error *e);

/** Undo weir_arena_map(). Devices in @a space must not use the arena any more. */
int weir_arena_unmap(struct weir_arena *a, struct weir_space *space, struct weir_error *e);

/**
 * Allocate a zeroed buffer that is contiguous for CPU and device.
 * @param align power of two, at most the arena's alignment; 0 for a cache line
 */
int weir_dma_alloc(struct weir_arena *a, size_t len, size_t align, struct weir_dma *out,
                   struct weir_error *e);

/** The memory behind a buffer, as weir_space_map() and weir_dma_gather() take it. @a mem is good as
 *  long as the buffer. -EINVAL if it is not of this arena. */
int weir_arena_mem(const struct weir_arena *a, const struct weir_dma *dma, struct weir_mem *mem,
                   struct weir_error *e);

/** Give a buffer back; @a dma is cleared. */
void weir_dma_free(struct weir_arena *a, struct weir_dma *dma);

WEIR_END_DECLS

#endif
