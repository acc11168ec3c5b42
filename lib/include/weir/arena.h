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
 * Threads: one at a time.
 */
#ifndef WEIR_ARENA_H
#define WEIR_ARENA_H

#include <weir/types.h>

WEIR_BEGIN_DECLS

/** Options of an arena; zero means the default for every member but size. */
struct weir_arena_options {
    size_t size;        /**< sizeof(struct weir_arena_options) */
    const char *name;   /**< for messages; default "arena" */
    uint64_t bytes;     /**< memory to back at once; rounded up to whole pages. Required. */
    uint64_t max_bytes; /**< what it may grow to; default bytes */
    uint64_t page;      /**< backing page size: 4 KiB, 2 MiB, 1 GiB; 0 picks the largest hugepage of
                             which the pool has enough, else 4 KiB with a warning */
    int node; /**< WEIR_NODE(n): NUMA node n holds all of it; WEIR_ANY_NODE, 0: the caller's own as
                   far as it goes */
    unsigned iova_bits; /**< width of the narrowest device that will use it; default 39, what every
                             VT-d and X540 can address */
    struct weir_space *const *spaces; /**< spaces it will be mapped into: their usable ranges are
                                           intersected. Others may be added later if they fit. */
    unsigned n_spaces;
};

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

/** Add a segment of at least @a bytes, mapped into every space the arena is in. -ENOSPC beyond
 *  max_bytes. */
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
    uint64_t page;      /**< backing page size */
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

/** Give a buffer back; @a dma is cleared. */
void weir_dma_free(struct weir_arena *a, struct weir_dma *dma);

WEIR_END_DECLS

#endif
