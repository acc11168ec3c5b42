/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Descriptor-ring memory for one queue, in an arena.
 *
 * @code
 * struct weir_ring ring;
 * weir_ring_alloc(net->arena, 512, 16, 128, &ring, &err);
 * base_low = (uint32_t)ring.mem.iova.addr;
 * @endcode
 */
#ifndef WEIR_DRIVER_RING_H
#define WEIR_DRIVER_RING_H

#include <weir/arena.h>
#include <weir/types.h>

WEIR_BEGIN_DECLS

/** A ring's memory. Its content is shared with the device: trust nothing read from it. */
struct weir_ring {
    struct weir_arena *arena;
    struct weir_dma mem; /**< mem.va: the descriptors */
    uint32_t count;      /**< descriptors */
    uint32_t desc_size;  /**< bytes of each */
};

/** Allocate a zeroed ring of @a count descriptors of @a desc_size bytes, aligned to @a align. */
int weir_ring_alloc(struct weir_arena *a, uint32_t count, uint32_t desc_size, size_t align,
                    struct weir_ring *out, struct weir_error *e);

/** Free a ring's memory; a zeroed ring is fine. */
void weir_ring_free(struct weir_ring *r);

WEIR_END_DECLS

#endif
