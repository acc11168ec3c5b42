/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames on their way to a kernel interface, gathered until the flush, each with the virtio_net_hdr
 * that a TAP or packet socket wants before it.
 *
 * With gro, a TCP segment that directly continues the frame before it is joined with that one to a
 * super-frame: the kernel then handles one packet where there were many. Frames are joined only
 * when cutting the super-frame again, as the kernel would, gives back the very same bytes (what
 * Linux does in net/ipv4/tcp_offload.c, tcp_gso_segment()): same headers but for sequence number,
 * IPv4 ID counting up, and PSH or FIN on the last; equal sizes but for a shorter last one; exact
 * checksums.
 */
#ifndef WEIR_MODEL_COALESCE_H
#define WEIR_MODEL_COALESCE_H

#include "lib/model/offload.h"
#include <sys/uio.h>

#define WEIR_TX_MESSAGES 64
#define WEIR_TX_IOVECS   2048
/* Bytes after which a batch is full, so that one that must be kept fits in memory of its own. */
#define WEIR_TX_BYTES (256u * 1024)

struct weir_tx_message {
    struct virtio_net_hdr vh;
    unsigned iov, iovs;                /* where its pieces are; the first is vh */
    unsigned frames;                   /* more than 1: a super-frame */
    uint32_t bytes;                    /* that the kernel gets, without vh */
    uint32_t frame_bytes;              /* of the frames on the wire */
    uint8_t hdr[WEIR_OFFLOAD_MAX_HDR]; /* a super-frame's headers */
};

struct weir_tx_batch {
    bool gro;
    bool kept; /* the frames were copied: nothing refers to their senders' memory */
    unsigned first, messages, iovs;
    uint32_t bytes;
    /* What the last message needs the next frame to be, in order to join. */
    struct {
        bool open;
        struct weir_headers h;
        uint32_t mss, seq;
        uint16_t id;
        const uint8_t *hdr; /* of its last frame */
    } flow;
    struct weir_tx_message message[WEIR_TX_MESSAGES];
    struct iovec iov[WEIR_TX_IOVECS];
    uint8_t *memory; /* for kept frames */
    /* Counted for ever. */
    uint64_t supers, super_frames, super_bytes, dropped, dropped_bytes;
};

int weir_tx_batch_init(struct weir_tx_batch *b, bool gro);
void weir_tx_batch_destroy(struct weir_tx_batch *b);

/* Add a frame of len bytes. false: it is full, send first. */
bool weir_tx_batch_add(struct weir_tx_batch *b, const struct iovec *iov, unsigned n, uint32_t len);

/* The messages [first, messages) are yet to be sent. Each is sent or dropped, in order. */
static inline bool weir_tx_batch_empty(const struct weir_tx_batch *b)
{
    return b->first == b->messages;
}
void weir_tx_batch_sent(struct weir_tx_batch *b, unsigned n);
void weir_tx_batch_drop(struct weir_tx_batch *b, unsigned n);

/* The kernel called the first message invalid. Drop it; if it is a super-frame, join no more: the
 * next would fare no better. @return true if that is new */
bool weir_tx_batch_refuse(struct weir_tx_batch *b);

/* Copy what could not be sent yet, so that the senders' memory is free. */
void weir_tx_batch_keep(struct weir_tx_batch *b);

void weir_tx_batch_stats(const struct weir_tx_batch *b, struct weir_model_stats *sum);

#endif
