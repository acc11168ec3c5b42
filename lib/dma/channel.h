/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of a channel. Its queue is a ring of slots: from first on n_done that ended and were
 * not fetched, then n_begun that the driver has, then those that wait for it, n in all.
 */
#ifndef WEIR_DMA_CHANNEL_H
#define WEIR_DMA_CHANNEL_H

#include "lib/device/user.h"
#include <stdatomic.h>

struct weir_slot {
    struct weir_copy copy;
    struct weir_copy_done done;
};

struct weir_channel {
    struct weir_user user; /* first */
    struct weir_device *device;
    const struct weir_driver *driver;
    const struct weir_dma_ops *ops;
    struct weir_copier copier;
    bool opened;       /* the driver's open() succeeded */
    atomic_bool stuck; /* no progress, reset, or a recovery failed half-way: off the bus */
    int fd;            /* of the interrupt, or -1 */
    enum weir_irq_index irq_kind;
    struct weir_slot *slots;
    unsigned depth, first, n, n_done, n_begun;
    uint64_t timeout_ns;
    uint64_t progress;    /* the driver's count as seen last */
    uint64_t waits_since; /* when it was first seen to stand still; 0: it was not */
};

/* The highest address that the device can put on the bus. */
static inline uint64_t weir_channel_last(const struct weir_dma_limits *l)
{
    return UINT64_MAX >> (64 - l->iova_bits);
}

/* Can the device put all of these addresses on the bus? */
bool weir_channel_reaches(const struct weir_dma_limits *l, uint64_t iova, uint64_t len);

/* Off the bus, nothing in flight. */
void weir_channel_halt(struct weir_channel *ch);

/* All copies that are not done end with an error: status, or -ECANCELED for those not begun if it
 * is -ETIMEDOUT. */
void weir_channel_fail(struct weir_channel *ch, int status);

#endif
