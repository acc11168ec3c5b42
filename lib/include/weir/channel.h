/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Channels: a DMA device that copies memory.
 *
 * Copies are queued and end in the order they were queued, each with a status. Source and
 * destination are I/O virtual addresses. A device that reaches less than the others (QEMU's edu: 28
 * bits) needs an arena of its own: a copy outside its reach is refused here, by name, as the device
 * would cut the address and copy something else.
 *
 * @code
 * struct weir_arena *low = weir_arena_new(w, &(struct weir_arena_options){
 *     .size = sizeof(struct weir_arena_options), .bytes = 1 << 20, .iova_bits = 28}, &err);
 * struct weir_channel *ch = weir_channel_open(w, "model:edu",
 *     &(struct weir_channel_options){.size = sizeof(struct weir_channel_options), .arena = low},
 * &err); struct weir_dma a, b; struct weir_copy_done done; weir_dma_alloc(low, 4096, 0, &a, &err);
 * weir_dma_alloc(low, 4096, 0, &b, &err);
 * weir_channel_copy(ch, b.iova, a.iova, 4096, 1, &err);
 * while (weir_channel_poll(ch, &done, 1) == 0)
 *     weir_models_step(w, 32);   // a model in this process works only when it is stepped
 * ... done.cookie is 1; if done.status is 0, b.va holds what a.va held ...
 * weir_channel_close(ch);
 * @endcode
 *
 * To sleep instead, open it with use_interrupt:
 * @code
 * struct pollfd fd = {.fd = weir_channel_fd(channel), .events = POLLIN};
 * while (weir_channel_poll(channel, &done, 1) == 0)
 *     if (weir_channel_arm(channel, &err) == 0)
 *         poll(&fd, 1, 1000);    // a device that hangs does not signal: look once in a while
 * @endcode
 *
 * A device that is lost or makes no progress for timeout_ms ends all its copies with an error; one
 * that hangs is kept off the bus from then on. So is one that weir_device_reset() was called for.
 * weir_channel_recover() starts over.
 *
 * When the host wants the device back (WEIR_EVENT_REQUEST) give it with
 * weir_device_release(weir_channel_device()): copies end with -ENODEV, and weir_channel_recover()
 * takes it again after WEIR_EVENT_RETURNED.
 *
 * Threads: one at a time.
 */
#ifndef WEIR_CHANNEL_H
#define WEIR_CHANNEL_H

#include <weir/types.h>

WEIR_BEGIN_DECLS

/** Options of a channel; zero means the default for every member but size. */
struct weir_channel_options {
    size_t size; /**< sizeof(struct weir_channel_options) */
    /** Where the caller's buffers are: mapped into the device's space while the channel is open.
     *  NULL: the caller maps what it copies (weir_arena_map(), weir_space_map()). */
    struct weir_arena *arena;
    unsigned depth;      /**< most copies that are queued or not fetched; default 64 */
    unsigned timeout_ms; /**< longest time without progress; default 5000 */
    bool use_interrupt;  /**< weir_channel_fd() tells when to poll */
};

/**
 * Open the device called @a name, find the driver that claims it, map the arena and start it.
 *
 * Fails with the device's errors; -ENODEV ("no-driver") when no registered driver claims it as a
 * DMA device; -ERANGE ("channel-width") when the device cannot reach all of the arena, naming the
 * width to make it with; -ENOTSUP ("no-interrupts"); -EINVAL for options out of range.
 */
struct weir_channel *weir_channel_open(struct weir *w, const char *name,
                                       const struct weir_channel_options *opt,
                                       struct weir_error *e);

/** As weir_channel_open() on a device the caller opened; the channel takes it over. */
struct weir_channel *weir_channel_new(struct weir_device *d, const struct weir_channel_options *opt,
                                      struct weir_error *e);

/** Take the device off the bus, unmap and close, the device too. Copies under way are cut short.
 *  NULL is fine. */
void weir_channel_close(struct weir_channel *ch);

struct weir_channel_info {
    const char *device; /**< name of the device */
    const char *driver; /**< "edu" */
    uint32_t max_len;   /**< most bytes of one copy */
    uint32_t align;     /**< addresses and lengths are multiples of this; 1: any will do */
    unsigned iova_bits; /**< it reaches addresses below 2^iova_bits */
    unsigned depth;
    unsigned queued;       /**< copies not done */
    unsigned done;         /**< copies done and not fetched by weir_channel_poll() */
    const char *interrupt; /**< "MSI-X", "MSI", "INTx"; "none" if it is polled */
    bool lost;             /**< the device is */
    bool stuck;            /**< it made no progress or was reset; copies are refused */
};

void weir_channel_info(const struct weir_channel *ch, struct weir_channel_info *info);

/** The device below. */
struct weir_device *weir_channel_device(const struct weir_channel *ch);

/**
 * Queue a copy of @a len bytes from @a src to @a dst. Both must stay mapped, and the source as it
 * is, until the copy is done. Neither may overlap the other.
 *
 * @param cookie the caller's, given back in struct weir_copy_done
 * @return 0; -EAGAIN ("channel-full"): fetch some that are done and try again; -ERANGE
 *         ("channel-width"): an address the device cannot reach; -EINVAL ("channel-length",
 *         "channel-align", "channel-overlap"); -ENODEV ("device-lost"); -EIO ("channel-stuck")
 */
int weir_channel_copy(struct weir_channel *ch, weir_iova_t dst, weir_iova_t src, size_t len,
                      uint64_t cookie, struct weir_error *e);

/** A copy that ended. */
struct weir_copy_done {
    uint64_t cookie; /**< as given to weir_channel_copy() */
    /** 0: copied, as far as the device can tell (edu does not tell of memory that is not mapped);
     *  -ENODEV: the device was lost; -EIO: it was reset; -ETIMEDOUT: it made no progress;
     *  -ECANCELED: nor did the copy before it; else what the driver found wrong. */
    int status;
};

/**
 * Let the driver do what is due and fetch up to @a n copies that are done, oldest first. Never
 * blocks. Nothing moves without it: one interrupt may be for a part of a copy.
 * @return how many
 */
unsigned weir_channel_poll(struct weir_channel *ch, struct weir_copy_done *done, unsigned n);

/** A descriptor to wait on after weir_channel_arm(), or -1 without use_interrupt. The channel's:
 *  only poll it. Losses are noticed by weir_events(): wait on weir_event_fd(), too. */
int weir_channel_fd(const struct weir_channel *ch);

/**
 * Make ready to sleep: acknowledge the interrupts there were, and look once more.
 * @return 0: the descriptor becomes readable when weir_channel_poll() has something to do; 1: it
 *         has now, do not sleep; -ENOTSUP without use_interrupt
 */
int weir_channel_arm(struct weir_channel *ch, struct weir_error *e);

/** After WEIR_EVENT_RETURNED for its device, or when it is stuck: reopen the device if it was lost
 *  and start over. Copies that were queued have ended with an error. May be called again when it
 *  failed. -EINVAL ("channel-works") if there is no need. */
int weir_channel_recover(struct weir_channel *ch, struct weir_error *e);

WEIR_END_DECLS

#endif
