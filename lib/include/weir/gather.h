/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Gathering: buffers that lie scattered, at one contiguous range of IOVA.
 *
 * A device without scatter-gather takes one address and one length. The IOMMU makes up for it: it
 * maps page after page of memory, from wherever they are, next to each other.
 *
 * @code
 * struct weir_dma head, body;
 * struct weir_mem pieces[2];
 * struct weir_gathered g;
 * weir_dma_alloc(mem, 4096, 4096, &head, &err);
 * weir_dma_alloc(mem, 65536, 4096, &body, &err);
 * weir_arena_mem(mem, &head, &pieces[0], &err);
 * weir_arena_mem(mem, &body, &pieces[1], &err);
 * weir_dma_gather(space, pieces, 2, 39, WEIR_PROT_READ, &g, &err);
 * ... g.iova and g.len for the device ...
 * weir_dma_ungather(&g, &err);
 * @endcode
 *
 * Threads: one at a time, as all of a space.
 */
#ifndef WEIR_GATHER_H
#define WEIR_GATHER_H

#include <weir/arena.h>
#include <weir/space.h>

WEIR_BEGIN_DECLS

struct weir_gathered {
    weir_iova_t iova;         /**< of the first byte of the first piece */
    size_t len;               /**< all of them together */
    unsigned maps;            /**< how many mappings it takes */
    struct weir_space *space; /**< where */
};

/**
 * Map pieces of memory one behind the other.
 *
 * The first may begin and the last may end inside a page of the space's smallest size, of which the
 * device then reaches the rest, too; all else is whole pages. Pieces that follow each other in
 * memory (and file) are one mapping. The IOVA is congruent to the longest of them, so that the
 * IOMMU's larger pages fit there if they do anywhere. Memory that an arena has mapped already is
 * mapped a second time, and counts twice against the limit on locked memory.
 *
 * Until weir_dma_ungather() the pieces must stay where they are: neither freed nor shrunk away, nor
 * the space closed with its last device. Nobody looks after that, and one of two copies of @a out
 * takes out whatever is in its place after the other.
 *
 * @param iova_bits width of the device, 1 to 64
 * @param prot      enum weir_prot
 * @return -EINVAL "gather-pieces" for pieces that do not fit together, -ENOTSUP "gather-no-iommu"
 *         without an IOMMU, -ENOSPC "space-no-iova", and as weir_space_map(); nothing is then
 *         mapped
 */
int weir_dma_gather(struct weir_space *s, const struct weir_mem *pieces, unsigned n,
                    unsigned iova_bits, unsigned prot, struct weir_gathered *out,
                    struct weir_error *e);

/** Unmap them; @a g is cleared. Devices must not use it any more. */
int weir_dma_ungather(struct weir_gathered *g, struct weir_error *e);

WEIR_END_DECLS

#endif
