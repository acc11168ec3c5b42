/* SPDX-License-Identifier: BSD-3-Clause */
/* The queue of a channel: what is refused, what the driver is given, and how copies end. */
#include "lib/dma/channel.h"
#include "lib/core/clock.h"
#include "lib/device/backend.h"
#include <errno.h>
#include <unistd.h>

bool weir_channel_reaches(const struct weir_dma_limits *l, uint64_t iova, uint64_t len)
{
    uint64_t last = iova + (len - 1);

    return last >= iova && last <= weir_channel_last(l);
}

static struct weir_slot *slot(const struct weir_channel *ch, unsigned i)
{
    return &ch->slots[(ch->first + i) % ch->depth];
}

/* The oldest that the driver has is done. */
static void end(struct weir_channel *ch, int status)
{
    slot(ch, ch->n_done++)->done.status = status;
    ch->n_begun--;
}

void weir_channel_fail(struct weir_channel *ch, int status)
{
    while (ch->n_begun)
        end(ch, status);
    while (ch->n_done < ch->n)
        slot(ch, ch->n_done++)->done.status = status == -ETIMEDOUT ? -ECANCELED : status;
}

/* The device hangs, and may still write to memory that its user will soon take for free. */
static void give_up(struct weir_channel *ch)
{
    weir_log(ch->device->weir, WEIR_LOG_ERROR, "channel",
             "%s made no progress with a copy for %llu ms: it is kept off the bus, and %u copies "
             "end with an error",
             ch->device->name, (unsigned long long)(ch->timeout_ns / 1000000), ch->n - ch->n_done);
    ch->stuck = true;
    weir_channel_halt(ch);
    weir_channel_fail(ch, -ETIMEDOUT);
}

/* Give the driver what it can take. */
static void feed(struct weir_channel *ch)
{
    while (ch->n_begun < ch->ops->limits.in_flight && ch->n_done + ch->n_begun < ch->n) {
        if (!ch->n_begun) /* the device did nothing because there was nothing to do */
            ch->waits_since = 0;
        ch->ops->copy(&ch->copier, &slot(ch, ch->n_done + ch->n_begun)->copy);
        ch->n_begun++;
    }
}

static void advance(struct weir_channel *ch)
{
    if (!ch->n_begun) /* then nothing waits either */
        return;
    int ended = weir_device_lost(ch->device) || ch->stuck ? 0 : ch->ops->poll(&ch->copier);

    /* Last, as it may be lost while answering, with all ones. */
    if (weir_device_lost(ch->device) || ch->stuck) {
        weir_channel_fail(ch, weir_device_lost(ch->device) ? -ENODEV : -EIO);
        return;
    }
    if (ended < 0)
        end(ch, ended);
    for (int i = 0; i < ended && ch->n_begun; i++)
        end(ch, 0);
    if (ended || ch->progress != ch->copier.progress) {
        ch->progress = ch->copier.progress;
        ch->waits_since = 0;
    } else if (!ch->waits_since) {
        /* Time counts from being looked at, not while the application does other things. */
        ch->waits_since = weir_now_ns();
    } else if (weir_now_ns() - ch->waits_since > ch->timeout_ns) {
        give_up(ch);
        return;
    }
    feed(ch);
}

/* What check() looks at. */
struct asked {
    const struct weir_channel *ch;
    uint64_t dst, src;
    size_t len;
};

static int refuse(const struct asked *a, struct weir_error *e, int err, const char *code,
                  const char *why, const char *fix)
{
    const struct weir_dma_limits *l = &a->ch->ops->limits;

    return weir_fail(e, err, code,
                     "copy %zu bytes from IOVA %#llx to %#llx on %s\n%s (driver %s takes 1 to %u "
                     "bytes, in multiples of %u, with %u address bits)\n%s",
                     a->len, (unsigned long long)a->src, (unsigned long long)a->dst,
                     a->ch->device->name, why, a->ch->driver->name, l->max_len, l->align,
                     l->iova_bits, fix);
}

static int check(const struct asked *a, struct weir_error *e)
{
    const struct weir_channel *ch = a->ch;
    const struct weir_dma_limits *l = &ch->ops->limits;

    if (weir_device_lost(ch->device))
        return refuse(a, e, -ENODEV, "device-lost", "the device is lost",
                      "wait for WEIR_EVENT_RETURNED, then call weir_channel_recover()");
    if (ch->stuck)
        return refuse(a, e, -EIO, "channel-stuck",
                      "the device hung or was reset, and is kept off the bus",
                      "call weir_channel_recover(), or close the channel");
    if (!a->len || a->len > l->max_len)
        return refuse(a, e, -EINVAL, "channel-length", "the device has no copies of that length",
                      "split what is too long");
    if (!weir_channel_reaches(l, a->src, a->len) || !weir_channel_reaches(l, a->dst, a->len))
        return refuse(a, e, -ERANGE, "channel-width",
                      weir_channel_reaches(l, a->src, a->len)
                          ? "the device cannot reach all of the destination"
                          : "the device cannot reach all of the source",
                      "use buffers of an arena that was made with "
                      "weir_arena_options.iova_bits of the device's width");
    if ((a->src | a->dst | a->len) & (l->align - 1))
        return refuse(a, e, -EINVAL, "channel-align", "that is not aligned",
                      "align the buffers and round the length up");
    if (a->src - a->dst < a->len || a->dst - a->src < a->len)
        return refuse(a, e, -EINVAL, "channel-overlap",
                      "the two overlap, and devices copy in pieces", "copy through a third buffer");
    if (ch->n == ch->depth)
        return refuse(a, e, -EAGAIN, "channel-full", "its queue is full",
                      "fetch copies that are done with weir_channel_poll() and try again");
    return 0;
}

int weir_channel_copy(struct weir_channel *ch, weir_iova_t dst, weir_iova_t src, size_t len,
                      uint64_t cookie, struct weir_error *e)
{
    int ret = check(&(struct asked){ch, dst.addr, src.addr, len}, e);

    if (ret)
        return ret;
    *slot(ch, ch->n++) = (struct weir_slot){
        .copy = {.dst = dst, .src = src, .len = (uint32_t)len},
        .done = {.cookie = cookie},
    };
    feed(ch);
    return 0;
}

unsigned weir_channel_poll(struct weir_channel *ch, struct weir_copy_done *done, unsigned n)
{
    unsigned got = 0;

    advance(ch);
    for (; got < n && ch->n_done; got++) {
        done[got] = slot(ch, 0)->done;
        ch->first = (ch->first + 1) % ch->depth;
        ch->n_done--;
        ch->n--;
    }
    return got;
}

int weir_channel_fd(const struct weir_channel *ch)
{
    return ch->fd;
}

int weir_channel_arm(struct weir_channel *ch, struct weir_error *e)
{
    uint64_t count;

    if (ch->fd < 0)
        return weir_fail(e, -ENOTSUP, "channel-polled",
                         "arm the interrupt of the channel on %s\nit was opened without\n"
                         "set weir_channel_options.use_interrupt",
                         ch->device->name);
    (void)!read(ch->fd, &count, sizeof(count));
    if (!weir_device_lost(ch->device) && !ch->stuck) {
        /* In this order: what the device says after the acknowledgement signals anew, and what it
         * said before is seen by looking. */
        ch->ops->irq(&ch->copier);
        weir_device_irq_unmask(ch->device, ch->irq_kind, NULL);
    }
    advance(ch);
    return ch->n_done > 0;
}
