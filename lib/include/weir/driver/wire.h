/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Wires: what a model's frames travel on.
 *
 * A wire carries Ethernet frames without CRC. Whatever is behind it (a TAP interface, a file,
 * another model), a frame on the wire is at least 60 bytes: shorter ones are padded with zeroes in
 * both directions, as a MAC does. Frames keep their order.
 *
 * A model's step drains the transmit rings with weir_wire_tx() for each frame, then
 * weir_wire_flush(), and only then completes descriptors: the wire refers to the frames' memory
 * until the flush. It receives with weir_wire_rx() while it has room for frames.
 *
 * @code
 * struct iovec piece = {.iov_base = buffer, .iov_len = 64};
 * struct weir_frame f;
 * weir_wire_tx(wire, &piece, 1, 64);
 * weir_wire_flush(wire);
 * while (weir_wire_rx(wire, &f))
 *     memcpy(buffer, f.data, f.len);
 * @endcode
 *
 * Kinds are built in (loopback, cable, tap, packet, pcap, gen) and may be added:
 * weir_wire_register().
 */
#ifndef WEIR_DRIVER_WIRE_H
#define WEIR_DRIVER_WIRE_H

#include <sys/uio.h>
#include <weir/model.h>
#include <weir/types.h>

WEIR_BEGIN_DECLS

/** Longest frame on a wire, without CRC: the X540's MAXFRS limit. */
#define WEIR_WIRE_MAX_FRAME 15872
#define WEIR_WIRE_MIN_FRAME 60
/** Most pieces of one frame in weir_wire_tx(). */
#define WEIR_WIRE_MAX_PIECES 64

/** A frame that arrived; valid until the next call on the wire. */
struct weir_frame {
    const uint8_t *data;
    uint32_t len;
};

/** Open "KIND:ARGUMENTS". @a name: for messages. */
struct weir_wire *weir_wire_open(struct weir *w, const char *spec, struct weir_error *e);
void weir_wire_close(struct weir_wire *wire);

/** Next frame, or false. */
bool weir_wire_rx(struct weir_wire *wire, struct weir_frame *frame);

/** Forget what has arrived, as a receiver does that was off: for when it is switched on. Only wires
 *  to something that sends whether or not anybody listens (tap, packet) lose frames by this; the
 *  others hold theirs back until they are taken. */
void weir_wire_discard(struct weir_wire *wire);

/** Send the frame made of @a n pieces, @a len bytes in all. The bytes must stay until the flush,
 * the array @a iov only for the call. @return false if the wire can take no more for now and the
 * frame should be offered again, in its turn, after a flush; a frame that is lost for good (link
 * down, peer full, longer than WEIR_WIRE_MAX_FRAME) is counted and true. */
bool weir_wire_tx(struct weir_wire *wire, const struct iovec *iov, unsigned n, uint32_t len);
void weir_wire_flush(struct weir_wire *wire);

/** When weir_wire_rx(), or weir_wire_tx() after it returned false, is worth calling again:
 *  CLOCK_MONOTONIC ns, 0 for now, UINT64_MAX when only the descriptor tells. */
uint64_t weir_wire_deadline(struct weir_wire *wire);

/** A descriptor that polls readable when frames may have arrived or the link may have changed, or
 *  -1. Call weir_wire_rx() until it returns false before polling. */
int weir_wire_fd(const struct weir_wire *wire);

/** Link as the wire sees it (both ends plugged, interface up). */
bool weir_wire_link(struct weir_wire *wire);
/** Plug or pull this end. */
void weir_wire_set_link(struct weir_wire *wire, bool up);

/** Add this wire's counters to @a sum. */
void weir_wire_stats(const struct weir_wire *wire, struct weir_model_stats *sum);

/** A kind of wire. The core pads, checks lengths, keeps link state and counts. */
struct weir_wire_ops {
    const char *kind;
    const char *help; /**< what the arguments are, for messages */
    /** @a args is the text behind "KIND:"; set *priv. */
    int (*open)(struct weir *w, const char *args, void **priv, struct weir_error *e);
    void (*close)(void *priv);
    bool (*rx)(void *priv, struct weir_frame *frame);
    /** At least WEIR_WIRE_MIN_FRAME bytes in at most WEIR_WIRE_MAX_PIECES + 1 pieces. */
    bool (*tx)(void *priv, const struct iovec *iov, unsigned n, uint32_t len);
    void (*flush)(void *priv);             /**< may be NULL */
    uint64_t (*deadline)(void *priv);      /**< may be NULL */
    int (*fd)(void *priv);                 /**< may be NULL */
    bool (*link)(void *priv);              /**< carrier of what is behind it; may be NULL: always */
    void (*set_link)(void *priv, bool up); /**< this end was plugged or pulled; may be NULL */
    void (*stats)(void *priv,
                  struct weir_model_stats *sum); /**< what only the kind knows: supers, drops */
    bool live; /**< frames come also while nobody takes them, and then are not worth keeping */
};

/** Add a kind of wire. The struct must outlive the instance. */
int weir_wire_register(struct weir *w, const struct weir_wire_ops *ops, struct weir_error *e);

/** Kind number @a n: the built-in ones, then those registered, the latest first; NULL past the
 * last.
 */
const struct weir_wire_ops *weir_wire_at(const struct weir *w, unsigned n);

WEIR_END_DECLS

#endif
