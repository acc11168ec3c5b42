/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Channels from opening to closing: the device is off the bus before its memory leaves the IOMMU.
 * The queue is in queue.c.
 */
#include "lib/dma/channel.h"
#include "lib/device/backend.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define DEFAULT_DEPTH      64
#define MAX_DEPTH          65536
#define DEFAULT_TIMEOUT_MS 5000

/* Any thread may notice a loss; who sleeps on the descriptor is woken. */
static void on_lost(struct weir_device *d)
{
    if (d->channel->fd >= 0)
        (void)!write(d->channel->fd, &(uint64_t){1}, sizeof(uint64_t));
}

/* It forgets what it was doing, and is left off the bus. */
static void on_reset(struct weir_device *d)
{
    d->channel->stuck = true;
    on_lost(d);
}

static void object_free(struct weir_object *o)
{
    weir_channel_close((struct weir_channel *)o); /* user, and in it object, come first */
}

/* Ready for copies, from any state. */
static int start(struct weir_channel *ch, struct weir_error *e)
{
    int ret = ch->ops->start(&ch->copier, e);

    if (!ret && ch->fd >= 0)
        ret = weir_user_irq(ch->device, ch->fd, &ch->irq_kind, e);
    if (!ret)
        ch->stuck = false; /* also if the driver reset it */
    return ret;
}

void weir_channel_halt(struct weir_channel *ch)
{
    ch->ops->stop(&ch->copier);
    weir_device_bus_master(ch->device, false, NULL);
}

/* Free a channel, whatever of it exists; the device stays. */
static void release(struct weir_channel *ch)
{
    struct weir_device *d = ch->device;

    if (ch->opened) {
        weir_channel_halt(ch);
        ch->ops->close(&ch->copier);
    }
    if (ch->fd >= 0)
        weir_device_irq_set(d, ch->irq_kind, 0, 0, NULL, NULL);
    weir_user_unmap(&ch->user);
    d->on_lost = d->on_reset = NULL;
    d->channel = NULL;
    weir_object_remove(&ch->user.object);
    if (ch->fd >= 0)
        close(ch->fd);
    free(ch->slots);
    free(ch);
}

static int check_width(const struct weir_device *d, const struct weir_arena *arena,
                       const struct weir_driver *driver, struct weir_error *e)
{
    const struct weir_dma_limits *l = &driver->dma->limits;
    struct weir_arena_info info;

    weir_arena_info(arena, &info);
    if (weir_channel_reaches(l, info.iova.addr, info.max_bytes))
        return 0;
    return weir_fail(e, -ERANGE, "channel-width",
                     "open a channel on %s with arena %s\nthe arena has IOVA [%#llx, %#llx], and "
                     "the device (driver %s) %u address bits\n"
                     "give it an arena of its own, made with weir_arena_options.iova_bits = %u",
                     d->name, info.name, (unsigned long long)info.iova.addr,
                     (unsigned long long)(info.iova.addr + info.max_bytes - 1), driver->name,
                     l->iova_bits, l->iova_bits);
}

static void no_resources(const struct weir_device *d, struct weir_error *e)
{
    weir_fail(e, -errno, errno == ENOMEM ? "no-memory" : "no-descriptors",
              "open a channel on %s\n%s\nraise the limit that is in the way", d->name,
              strerror(errno));
}

struct weir_channel *weir_channel_new(struct weir_device *d, const struct weir_channel_options *opt,
                                      struct weir_error *e)
{
    const struct weir_driver *driver;
    struct weir_channel *ch;

    if (!opt || opt->size != sizeof(*opt) || opt->depth > MAX_DEPTH) {
        weir_fail(e, -EINVAL, "options-size",
                  "open a channel on %s\nits options have size %zu, this library expects %zu; and "
                  "depth %u, the limit is %u\nset .size = sizeof(struct weir_channel_options)",
                  d->name, opt ? opt->size : 0, sizeof(*opt), opt ? opt->depth : 0, MAX_DEPTH);
        return NULL;
    }
    if (d->channel || d->port) {
        weir_fail(e, -EBUSY, "device-busy",
                  "open a channel on %s\na %s uses it already\nclose that first", d->name,
                  d->port ? "port" : "channel");
        return NULL;
    }
    driver = weir_user_driver(d, WEIR_CLASS_DMA, "a channel", e);
    if (!driver || (opt->arena && check_width(d, opt->arena, driver, e)))
        return NULL;

    ch = calloc(1, sizeof(*ch));
    if (!ch) {
        no_resources(d, e);
        return NULL;
    }
    ch->device = d;
    ch->driver = driver;
    ch->ops = driver->dma;
    ch->depth = opt->depth ? opt->depth : DEFAULT_DEPTH;
    ch->slots = calloc(ch->depth, sizeof(*ch->slots));
    ch->timeout_ns = (opt->timeout_ms ? opt->timeout_ms : DEFAULT_TIMEOUT_MS) * UINT64_C(1000000);
    ch->fd = opt->use_interrupt ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    ch->user.arena = opt->arena;
    ch->user.space = d->space;
    ch->copier =
        (struct weir_copier){.weir = d->weir, .device = d, .interrupt = opt->use_interrupt};
    d->channel = ch;
    d->on_lost = on_lost;
    d->on_reset = on_reset;
    if (!ch->slots || (opt->use_interrupt && ch->fd < 0))
        no_resources(d, e);
    else if (!ch->user.arena || !weir_user_map(&ch->user, e))
        ch->opened = ch->ops->open(&ch->copier, e) == 0;
    if (!ch->opened || start(ch, e)) {
        release(ch);
        return NULL;
    }
    weir_object_add(d->weir, &ch->user.object, WEIR_RANK_PORT, object_free);
    return ch;
}

struct weir_channel *weir_channel_open(struct weir *w, const char *name,
                                       const struct weir_channel_options *opt, struct weir_error *e)
{
    struct weir_device *d = weir_device_open(w, name, NULL, e);
    struct weir_channel *ch = d ? weir_channel_new(d, opt, e) : NULL;

    if (!ch)
        weir_device_close(d);
    return ch;
}

void weir_channel_close(struct weir_channel *ch)
{
    struct weir_device *d;

    if (!ch)
        return;
    d = ch->device;
    release(ch);
    weir_device_close(d);
}

void weir_channel_info(const struct weir_channel *ch, struct weir_channel_info *info)
{
    static const char *const kinds[] = {"INTx", "MSI", "MSI-X"};
    const struct weir_dma_limits *l = &ch->ops->limits;

    *info = (struct weir_channel_info){
        .device = ch->device->name,
        .driver = ch->driver->name,
        .max_len = l->max_len,
        .align = l->align,
        .iova_bits = l->iova_bits,
        .depth = ch->depth,
        .queued = ch->n - ch->n_done,
        .done = ch->n_done,
        .interrupt = ch->fd >= 0 ? kinds[ch->irq_kind] : "none",
        .lost = weir_device_lost(ch->device),
        .stuck = ch->stuck,
    };
}

struct weir_device *weir_channel_device(const struct weir_channel *ch)
{
    return ch->device;
}

int weir_channel_recover(struct weir_channel *ch, struct weir_error *e)
{
    bool lost = weir_device_lost(ch->device);
    int ret = 0;

    if (!lost && !ch->stuck)
        return weir_fail(
            e, -EINVAL, "channel-works",
            "recover the channel on %s\nits device is neither lost nor stuck nor reset\n"
            "call this after WEIR_EVENT_RETURNED, or when copies end with -ETIMEDOUT",
            ch->device->name);
    weir_channel_fail(ch, -ENODEV); /* unless it was noticed before */
    weir_channel_halt(ch);
    ch->stuck = true; /* until all of this succeeded */
    if (lost)
        ret = weir_device_reopen(ch->device, e);
    return ret ? ret : start(ch, e);
}
