/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bounded byte queue of frames between one producer and one consumer, who may be different
 * threads. Lock-free: each side writes its own position only. A frame is read where it lies.
 */
#ifndef WEIR_MODEL_FRAMERING_H
#define WEIR_MODEL_FRAMERING_H

#include <sys/uio.h>
#include <weir/driver/wire.h>

struct weir_framering {
    uint8_t *mem;
    uint64_t size; /* power of two */
    struct {
        uint64_t head;      /* bytes ever put */
        uint64_t tail_seen; /* of the consumer's tail, so that its line is read rarely */
    } put;
    uint8_t gap[WEIR_CACHE_LINE]; /* each side writes lines of its own */
    struct {
        uint64_t tail; /* bytes ever released */
        uint64_t lent; /* bytes of the frame that the consumer still looks at */
    } take;
};

/* size: a power of two, at least twice the longest frame. -ENOMEM. */
int weir_framering_init(struct weir_framering *r, size_t size);
void weir_framering_destroy(struct weir_framering *r);

/* Producer: copy a frame in, or false when there is no room. */
bool weir_framering_put(struct weir_framering *r, const struct iovec *iov, unsigned n,
                        uint32_t len);

/* Consumer: release the frame taken before; take the next one, or false. */
bool weir_framering_take(struct weir_framering *r, struct weir_frame *frame);

/* Consumer: is there a frame to take? */
bool weir_framering_ready(const struct weir_framering *r);

#endif
