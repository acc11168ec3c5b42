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
            ch->progress_at = weir_now_ns();
        ch->ops->copy(&ch->copier, &slot(ch, ch->n_done + ch->n_begun)->copy);
        ch->n_begun++;
    }
}

static void advance(struct weir_channel *ch)
{
    if (!ch->n_begun) /* then nothing waits either */
        return;
    int ended = weir_device_lost(ch->device) ? 0 : ch->ops->poll(&ch->copier);

    /* Last, as it may be lost while answering, with all ones. */
    if (weir_device_lost(ch->device)) {
        weir_channel_fail(ch, -ENODEV);
        return;
    }
    if (ended < 0)
        end(ch, ended);
    for (; ended > 0 && ch->n_begun; ended--)
        end(ch, 0);
    if (ch->progress != ch->copier.progress) {
        ch->progress = ch->copier.progress;
        ch->progress_at = weir_now_ns();
    } else if (ch->n_begun && weir_now_ns() - ch->progress_at > ch->timeout_ns) {
        give_up(ch);
        return;
    }
    feed(ch);
}

static int refuse_width(const struct weir_channel *ch, const char *which, weir_iova_t iova,
                        size_t len, struct weir_error *e)
{
    const struct weir_dma_limits *l = &ch->ops->limits;

    return weir_fail(e, -ERANGE, "channel-width",
                     "copy %zu bytes on %s\nthe %s at IOVA %#llx is out of the device's reach: "
                     "driver %s has %u address bits, up to %#llx\n"
                     "use buffers of an arena made with weir_arena_options.iova_bits = %u",
                     len, ch->device->name, which, (unsigned long long)iova.addr, ch->driver->name,
                     l->iova_bits, (unsigned long long)weir_channel_last(l), l->iova_bits);
}

static int check(const struct weir_channel *ch, weir_iova_t dst, weir_iova_t src, size_t len,
                 struct weir_error *e)
{
    const struct weir_dma_limits *l = &ch->ops->limits;
    const char *name = ch->device->name;

    if (weir_device_lost(ch->device))
        return weir_fail(e, -ENODEV, "device-lost",
                         "copy %zu bytes on %s\nthe device is lost\n"
                         "wait for WEIR_EVENT_RETURNED, then call weir_channel_recover()",
                         len, name);
    if (ch->stuck)
        return weir_fail(e, -EIO, "channel-stuck",
                         "copy %zu bytes on %s\nthe device hangs and is kept off the bus\n"
                         "call weir_channel_recover(), or close the channel",
                         len, name);
    if (!len || len > l->max_len)
        return weir_fail(e, -EINVAL, "channel-length",
                         "copy %zu bytes on %s\ndriver %s copies 1 to %u bytes at once\n"
                         "split longer copies; there is no empty one",
                         len, name, ch->driver->name, l->max_len);
    if (!weir_channel_reaches(l, src.addr, len))
        return refuse_width(ch, "source", src, len, e);
    if (!weir_channel_reaches(l, dst.addr, len))
        return refuse_width(ch, "destination", dst, len, e);
    if ((src.addr | dst.addr | len) & (l->align - 1))
        return weir_fail(e, -EINVAL, "channel-align",
                         "copy %zu bytes on %s\nfrom %#llx to %#llx: addresses and length are to "
                         "be multiples of %u\nalign the buffers and round the length up",
                         len, name, (unsigned long long)src.addr, (unsigned long long)dst.addr,
                         l->align);
    if (src.addr - dst.addr < len || dst.addr - src.addr < len)
        return weir_fail(e, -EINVAL, "channel-overlap",
                         "copy %zu bytes on %s\nfrom %#llx to %#llx: the two overlap, and devices "
                         "copy in pieces\ncopy through a third buffer",
                         len, name, (unsigned long long)src.addr, (unsigned long long)dst.addr);
    if (ch->n == ch->depth)
        return weir_fail(e, -EAGAIN, "channel-full",
                         "copy %zu bytes on %s\nall %u places of its queue are taken\n"
                         "fetch copies that are done with weir_channel_poll() and try again",
                         len, name, ch->depth);
    return 0;
}

int weir_channel_copy(struct weir_channel *ch, weir_iova_t dst, weir_iova_t src, size_t len,
                      uint64_t cookie, struct weir_error *e)
{
    int ret = check(ch, dst, src, len, e);

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
