/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices served over vfio-user, "vfio-user:PATH", and the spaces they live in. */
#include "lib/device/backend.h"
#include "lib/vfio-user/client.h"
#include "lib/vfio-user/memory.h"
#include "lib/vfio-user/probe.h"
#include "lib/vfio-user/socket.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_VECTORS 2048 /* MSI-X has no more (PCI 3.0, 6.8.2.3) */

/* What the server may reach by messages. The space's book says the same, and more. */
struct window {
    uint64_t first, last;
    uint8_t *va;
    unsigned prot;
};

/* What the server says of the device. */
struct shape {
    struct weir_region regions[WEIR_N_REGIONS];
    unsigned irqs[WEIR_N_IRQS];
    bool can_reset;
};

struct vfu {
    unsigned refs;           /* the device and the space */
    struct weir_device *dev; /* NULL once it is closed */
    struct weir_vfu_client *client;
    struct weir_watch watch;
    struct weir_vfu_probe probe; /* while the device is lost */
    char *path;
    /* Registers that are mapped. The pointers stay good until the device is closed, whatever
     * becomes of the server: drivers keep them. */
    struct mapped {
        struct weir_vfu_memory mem; /* va NULL: none */
        uint64_t offset, size;
    } mapped[WEIR_N_REGIONS];
    atomic_bool any_mapped;
    bool can_reset;
    struct window *windows; /* sorted; changed under weir_vfu_client_lock() */
    size_t n_windows, cap_windows;
};

static void unref(struct vfu *v)
{
    if (--v->refs)
        return;
    weir_vfu_client_free(v->client);
    for (unsigned i = 0; i < WEIR_N_REGIONS; i++) {
        struct mapped *m = &v->mapped[i];
        if (m->mem.va)
            weir_vfu_memory_unmap(m->mem.va, m->offset, m->size, m->mem.page);
    }
    free(v->windows);
    free(v->path);
    free(v);
}

static void disconnect(struct vfu *v, const char *why)
{
    /* In this order: once halted, no other thread touches the watch. */
    weir_vfu_client_halt(v->client, why);
    weir_watch_remove(v->dev->weir, &v->watch);
    weir_vfu_client_stop(v->client);
}

/* Pass on the result of a call; a dead client is a lost device. */
static int result(struct weir_device *d, int r)
{
    struct vfu *v = d->priv;
    char why[200];

    if (r && weir_vfu_client_dead(v->client)) {
        weir_vfu_client_why(v->client, why, sizeof(why));
        weir_device_set_lost(d, why);
    }
    return r;
}

static void ready(struct weir_watch *watch, uint32_t epoll_events)
{
    struct vfu *v = (struct vfu *)((char *)watch - offsetof(struct vfu, watch));

    (void)epoll_events;
    weir_vfu_client_ready(v->client);
    if (weir_vfu_client_dead(v->client)) {
        result(v->dev, -ENODEV);
        disconnect(v, "");
    }
}

/* First window that ends at or above iova. */
static size_t search(const struct vfu *v, uint64_t iova)
{
    size_t low = 0, high = v->n_windows;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (v->windows[mid].last < iova)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void *dma(void *user, uint64_t iova, size_t len, bool write)
{
    struct vfu *v = user;
    size_t at = search(v, iova);
    const struct window *w = &v->windows[at];

    if (at == v->n_windows || iova < w->first || len - 1 > w->last - iova ||
        !(w->prot & (write ? WEIR_PROT_WRITE : WEIR_PROT_READ)))
        return NULL;
    return w->va + (iova - w->first);
}

static void want_out(void *user, bool on)
{
    struct vfu *v = user;

    if (v->watch.fd >= 0)
        weir_watch_mod(v->dev->weir, &v->watch, on);
}

static const struct weir_vfu_client_ops client_ops = {.dma = dma, .want_out = want_out};

static int add_window(struct vfu *v, const struct weir_mem *mem, uint64_t iova, unsigned prot,
                      struct weir_error *e)
{
    int r = 0;

    weir_vfu_client_lock(v->client);
    if (v->n_windows == v->cap_windows) {
        size_t cap = v->cap_windows ? v->cap_windows * 2 : 16;
        struct window *windows = realloc(v->windows, cap * sizeof(*windows));
        if (windows) {
            v->windows = windows;
            v->cap_windows = cap;
        } else {
            r = weir_fail(e, -ENOMEM, "no-memory", "map memory for a device\nout of memory\n");
        }
    }
    if (!r) {
        struct window *w = &v->windows[search(v, iova)];
        memmove(w + 1, w, (size_t)(v->windows + v->n_windows - w) * sizeof(*w));
        *w = (struct window){iova, iova + (mem->len - 1), mem->va, prot};
        v->n_windows++;
    }
    weir_vfu_client_unlock(v->client);
    return r;
}

static void remove_window(struct vfu *v, uint64_t iova)
{
    weir_vfu_client_lock(v->client);
    size_t at = search(v, iova);
    if (at < v->n_windows && v->windows[at].first == iova) {
        v->n_windows--;
        memmove(v->windows + at, v->windows + at + 1, (v->n_windows - at) * sizeof(*v->windows));
    }
    weir_vfu_client_unlock(v->client);
}

static int space_map(struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova,
                     unsigned prot, struct weir_error *e)
{
    struct vfu *v = weir_space_priv(s);
    char what[96];

    /* Known before the server is told, which may use it before we hear its answer. */
    int r = add_window(v, mem, iova.addr, prot, e);
    /* While the device is lost the space's book alone is kept: weir_space_replay() tells a server
     * that comes back. */
    if (r || !v->dev || weir_vfu_client_dead(v->client))
        return r;
    bool fd = mem->fd >= 0 && weir_vfu_client_peer(v->client)->max_fds;
    struct weir_vfu_dma_map m = {
        .argsz = sizeof(m),
        .flags = (prot & WEIR_PROT_READ ? VFIO_DMA_MAP_FLAG_READ : 0u) |
                 (prot & WEIR_PROT_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0u),
        .offset = fd ? mem->offset : 0,
        .iova = iova.addr,
        .size = mem->len,
    };
    snprintf(what, sizeof(what), "map %#zx bytes at IOVA %#" PRIx64 " for the device", mem->len,
             iova.addr);
    struct weir_vfu_call call = {
        .what = what,
        .command = WEIR_VFU_DMA_MAP,
        .body = {{&m, sizeof(m)}},
        .fds = &mem->fd,
        .n_fds = fd,
    };
    r = result(v->dev, weir_vfu_client_call(v->client, &call, e));
    if (r)
        remove_window(v, iova.addr);
    return r;
}

static int space_unmap(struct weir_space *s, weir_iova_t iova, size_t len, struct weir_error *e)
{
    struct vfu *v = weir_space_priv(s);
    struct weir_vfu_dma_unmap m = {.argsz = sizeof(m), .iova = iova.addr, .size = len};
    struct weir_vfu_call call = {
        .what = "unmap memory",
        .command = WEIR_VFU_DMA_UNMAP,
        .body = {{&m, sizeof(m)}},
    };
    int r = 0;

    if (v->dev && !weir_vfu_client_dead(v->client)) {
        r = result(v->dev, weir_vfu_client_call(v->client, &call, e));
        /* A server that is gone has nothing mapped. */
        if (r && weir_vfu_client_dead(v->client))
            r = 0;
    }
    remove_window(v, iova.addr);
    return r;
}

static void space_free(struct weir_space *s)
{
    unref(weir_space_priv(s));
}

static const struct weir_space_ops space_ops = {
    .kind = "vfio-user",
    .map = space_map,
    .unmap = space_unmap,
    .free = space_free,
};

/* Map the registers of a region, if the server's descriptor can be trusted with that; else they are
 * reached by messages. */
static void map_region(struct vfu *v, unsigned i, const struct weir_vfu_region_info *info, int fd,
                       struct weir_region *region)
{
    struct mapped *m = &v->mapped[i];
    int prot = (region->readable ? PROT_READ : 0) | (region->writable ? PROT_WRITE : 0);
    int r;

    if (m->mem.va)
        r = m->size == info->size && m->offset == info->offset
                ? weir_vfu_memory_replace(fd, info->offset, info->size, prot, &m->mem)
                : -EINVAL;
    else
        r = weir_vfu_memory_map(fd, info->offset, info->size, prot, &m->mem);
    if (r) {
        weir_log(v->dev->weir, WEIR_LOG_DEBUG, "vfio-user",
                 "%s: region %u is not mapped (%s): its accesses are messages", v->dev->name, i,
                 strerror(-r));
        return;
    }
    m->offset = info->offset;
    m->size = info->size;
    region->map = m->mem.va;
    region->map_size = info->size;
    atomic_store(&v->any_mapped, true);
}

static int ask_region(struct vfu *v, unsigned i, struct weir_region *region, struct weir_error *e)
{
    struct weir_vfu_region_info info = {.argsz = sizeof(info), .index = i};
    char what[48];
    int fd;

    snprintf(what, sizeof(what), "ask for the size of region %u", i);
    struct weir_vfu_call call = {
        .what = what,
        .command = WEIR_VFU_REGION_INFO,
        .body = {{&info, sizeof(info)}},
        .reply = &info,
        .reply_len = sizeof(info),
        .fd = &fd,
    };
    int r = weir_vfu_client_call(v->client, &call, e);
    if (r)
        return r;
    *region = (struct weir_region){
        .size = info.size,
        .readable = info.flags & VFIO_REGION_INFO_FLAG_READ,
        .writable = info.flags & VFIO_REGION_INFO_FLAG_WRITE,
    };
    /* With capabilities it may be that only parts of it can be mapped. */
    /* Drivers write through the pointer, so it has to allow that. */
    if (fd >= 0 && info.size && (info.flags & VFIO_REGION_INFO_FLAG_MMAP) && region->readable &&
        region->writable && info.offset % WEIR_VFU_PAGE == 0 &&
        !(info.flags & VFIO_REGION_INFO_FLAG_CAPS))
        map_region(v, i, &info, fd, region);
    if (fd >= 0)
        close(fd);
    return 0;
}

static int ask_irqs(struct vfu *v, unsigned i, unsigned *count, struct weir_error *e)
{
    static const char what[] = "ask for the number of interrupts";
    struct weir_vfu_irq_info info = {.argsz = sizeof(info), .index = i};
    struct weir_vfu_call call = {
        .what = what,
        .command = WEIR_VFU_IRQ_INFO,
        .body = {{&info, sizeof(info)}},
        .reply = &info,
        .reply_len = sizeof(info),
    };
    int r = weir_vfu_client_call(v->client, &call, e);
    if (r)
        return r;
    if (info.count > MAX_VECTORS)
        return weir_vfu_client_nonsense(v->client, what, e, "it claims %u vectors of kind %u",
                                        info.count, i);
    *count = info.count;
    return 0;
}

static int ask_shape(struct vfu *v, struct shape *shape, struct weir_error *e)
{
    static const char what[] = "ask for the shape";
    struct weir_vfu_device_info info = {.argsz = sizeof(info)};
    struct weir_vfu_call call = {
        .what = what,
        .command = WEIR_VFU_DEVICE_GET_INFO,
        .body = {{&info, sizeof(info)}},
        .reply = &info,
        .reply_len = sizeof(info),
    };

    *shape = (struct shape){0};
    atomic_store(&v->any_mapped, false);
    int r = weir_vfu_client_call(v->client, &call, e);
    if (r)
        return r;
    if (!(info.flags & VFIO_DEVICE_FLAGS_PCI) || info.num_regions <= WEIR_REGION_CONFIG)
        return weir_vfu_client_nonsense(v->client, what, e,
                                        "it is no PCI device (flags %#x, %u regions)", info.flags,
                                        info.num_regions);
    shape->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
    for (unsigned i = 0; !r && i < info.num_regions && i < WEIR_N_REGIONS; i++)
        r = ask_region(v, i, &shape->regions[i], e);
    for (unsigned i = 0; !r && i < info.num_irqs && i < WEIR_N_IRQS; i++)
        r = ask_irqs(v, i, &shape->irqs[i], e);
    const struct weir_region *config = &shape->regions[WEIR_REGION_CONFIG];
    if (!r && (config->size < 64 || !config->readable))
        return weir_vfu_client_nonsense(
            v->client, what, e, "its configuration space has %" PRIu64 " bytes", config->size);
    return r;
}

static void take_shape(struct weir_device *d, const struct shape *shape)
{
    struct vfu *v = d->priv;

    for (unsigned i = 0; i < WEIR_N_REGIONS; i++) {
        const struct weir_region *now = &shape->regions[i], *was = &d->regions[i];
        /* Not written to without need: after a reopening other threads look at it. */
        if (now->size != was->size || now->readable != was->readable ||
            now->writable != was->writable || now->map != was->map ||
            now->map_size != was->map_size)
            d->regions[i] = *now;
    }
    memcpy(d->irqs, shape->irqs, sizeof(d->irqs));
    v->can_reset = shape->can_reset;
}

/* Connect, agree, ask; with the watch in place at the end. */
static int connect_to(struct vfu *v, struct shape *shape, struct weir_error *e)
{
    struct weir_device *d = v->dev;

    int fd = weir_vfu_connect(v->path, d->timeout_ms, e);
    if (fd < 0)
        return fd;
    int r = weir_vfu_client_start(v->client, fd, e);
    if (r)
        return r;
    r = ask_shape(v, shape, e);
    if (!r)
        r = weir_watch_add(d->weir, &v->watch, fd, false, e);
    if (r)
        weir_vfu_client_stop(v->client);
    return r;
}

static int make_space(struct weir_device *d, struct weir_error *e)
{
    /* All but the last page: the end of what would lie there has no number. */
    static const struct weir_iova_range all = {0, UINT64_MAX - WEIR_VFU_PAGE};
    struct vfu *v = d->priv;
    const struct weir_vfu_caps *peer = weir_vfu_client_peer(v->client);

    d->space = weir_space_make(d->weir, &space_ops, v, peer->pgsizes, &all, 1, peer->max_maps, e);
    if (!d->space)
        return -ENOMEM;
    weir_space_own(d->space);
    v->refs++;
    return 0;
}

static int open_device(struct weir_device *d, const char *rest,
                       const struct weir_device_options *opt, struct weir_error *e)
{
    struct shape shape;

    if (opt->space)
        return weir_fail(e, -EINVAL, "device-space",
                         "open device %s\nits server keeps a map of its own, which no other device "
                         "can share\nleave .space NULL, and map the same arena into the spaces of "
                         "both",
                         d->name);
    struct vfu *v = calloc(1, sizeof(*v));
    if (v) {
        v->refs = 1;
        v->dev = d;
        v->watch = (struct weir_watch){.fd = -1, .ready = ready};
        v->probe.fd = -1;
        v->path = strdup(rest);
        v->client = weir_vfu_client_new(d->name, d->timeout_ms, &client_ops, v);
    }
    if (!v || !v->path || !v->client) {
        if (v)
            unref(v);
        return weir_fail(e, -ENOMEM, "no-memory", "open device %s\nout of memory\n", d->name);
    }
    d->priv = v;
    int r = connect_to(v, &shape, e);
    if (!r) {
        r = make_space(d, e);
        if (r)
            disconnect(v, "");
    }
    if (r) {
        d->priv = NULL;
        unref(v);
        return r;
    }
    take_shape(d, &shape);
    return 0;
}

static void close_device(struct weir_device *d)
{
    struct vfu *v = d->priv;

    weir_vfu_probe_end(&v->probe);
    disconnect(v, "it was closed");
    v->dev = NULL;
    d->priv = NULL;
    unref(v);
}

static int reopen_device(struct weir_device *d, struct weir_error *e)
{
    struct vfu *v = d->priv;
    struct shape shape;

    weir_vfu_probe_end(&v->probe);
    disconnect(v, "it was lost");
    v->n_windows = 0; /* weir_space_replay() brings them back */
    int r = connect_to(v, &shape, e);
    if (r)
        return r;
    for (unsigned i = 0; i < WEIR_N_REGIONS; i++) {
        if (shape.regions[i].size == d->regions[i].size)
            continue;
        disconnect(v, "another device came back");
        return weir_fail(e, -ENXIO, "device-changed",
                         "open %s again\nanother device came back: its region %u has %" PRIu64
                         " bytes, not %" PRIu64 "\nclose it and open it anew",
                         d->name, i, shape.regions[i].size, d->regions[i].size);
    }
    take_shape(d, &shape);
    return 0;
}

static bool returned(struct weir_device *d)
{
    struct vfu *v = d->priv;

    /* Left over from a reopening that failed later on. */
    if (!weir_vfu_client_dead(v->client))
        disconnect(v, "it is another device");
    return weir_vfu_probe(&v->probe, v->path);
}

/* How much of len goes in one message. Every server takes a register's 8 bytes. */
static size_t piece(struct vfu *v, size_t len)
{
    if (len <= 8)
        return len;
    uint64_t max = weir_vfu_client_peer(v->client)->max_data;
    return len < max ? len : (size_t)max;
}

static int read_region(struct weir_device *d, unsigned region, uint64_t off, void *buf, size_t len,
                       struct weir_error *e)
{
    struct vfu *v = d->priv;
    uint8_t *to = buf;
    char what[32];

    snprintf(what, sizeof(what), "read region %u", region);
    while (len) {
        size_t n = piece(v, len);
        struct weir_vfu_region_access access = {off, region, (uint32_t)n}, answer = {0};
        struct weir_vfu_call call = {
            .what = what,
            .command = WEIR_VFU_REGION_READ,
            .body = {{&access, sizeof(access)}},
            .reply = &answer,
            .reply_len = sizeof(answer),
            .data = to,
            .data_len = n,
        };
        int r = weir_vfu_client_call(v->client, &call, e);
        if (!r && answer.count != n)
            r = weir_vfu_client_nonsense(
                v->client, what, e, "an answer has %u bytes, asked for were %zu", answer.count, n);
        if (r)
            return result(d, r);
        to += n;
        off += n;
        len -= n;
    }
    return 0;
}

static int write_region(struct weir_device *d, unsigned region, uint64_t off, const void *buf,
                        size_t len, bool posted, struct weir_error *e)
{
    struct vfu *v = d->priv;
    const uint8_t *from = buf;
    char what[32];

    /* A mapped access would overtake a posted write that is still in the socket. */
    if (posted && len <= 8 && !atomic_load_explicit(&v->any_mapped, memory_order_relaxed))
        return result(d, weir_vfu_client_post(v->client, region, off, buf, len));
    snprintf(what, sizeof(what), "write region %u", region);
    while (len) {
        size_t n = piece(v, len);
        struct weir_vfu_region_access access = {off, region, (uint32_t)n};
        struct weir_vfu_call call = {
            .what = what,
            .command = WEIR_VFU_REGION_WRITE,
            .body = {{&access, sizeof(access)}, {(void *)(uintptr_t)from, n}},
        };
        int r = weir_vfu_client_call(v->client, &call, e);
        if (r)
            return result(d, r);
        from += n;
        off += n;
        len -= n;
    }
    return 0;
}

/* How many of fds[0..n) are of one sort, descriptors or -1. */
static unsigned run_length(const int *fds, unsigned n, unsigned max_fds)
{
    unsigned i = 1;

    if (fds[0] >= 0 && n > max_fds)
        n = max_fds;
    while (i < n && (fds[i] >= 0) == (fds[0] >= 0))
        i++;
    return i;
}

static int set_irqs(struct weir_device *d, enum weir_irq_index kind, unsigned start, unsigned count,
                    const int *fds, struct weir_error *e)
{
    struct vfu *v = d->priv;
    unsigned max_fds = (unsigned)weir_vfu_client_peer(v->client)->max_fds, done = 0;

    do {
        unsigned n = count ? run_length(fds + done, count - done, max_fds) : 0;
        bool give = n && fds[done] >= 0;
        if (give && !max_fds)
            return weir_fail(e, -ENOTSUP, "vfio-user-no-fds",
                             "set interrupts of %s\nits server takes no descriptors\n"
                             "poll the device instead",
                             d->name);
        struct weir_vfu_irq_set m = {
            .argsz = sizeof(m),
            .flags = (n ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE) |
                     VFIO_IRQ_SET_ACTION_TRIGGER,
            .index = kind,
            .start = start + done,
            .count = n,
        };
        struct weir_vfu_call call = {
            .what = "set interrupts",
            .command = WEIR_VFU_SET_IRQS,
            .body = {{&m, sizeof(m)}},
            .fds = give ? fds + done : NULL,
            .n_fds = give ? n : 0,
        };
        int r = weir_vfu_client_call(v->client, &call, e);
        if (r)
            return result(d, r);
        done += n;
    } while (done < count);
    return 0;
}

static int unmask_intx(struct weir_device *d, struct weir_error *e)
{
    struct vfu *v = d->priv;
    struct weir_vfu_irq_set m = {
        .argsz = sizeof(m),
        .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
        .index = VFIO_PCI_INTX_IRQ_INDEX,
        .count = 1,
    };
    struct weir_vfu_call call = {
        .what = "unmask INTx", .command = WEIR_VFU_SET_IRQS, .body = {{&m, sizeof(m)}}};

    return result(d, weir_vfu_client_call(v->client, &call, e));
}

static int reset_device(struct weir_device *d, struct weir_error *e)
{
    struct vfu *v = d->priv;
    struct weir_vfu_call call = {.what = "reset", .command = WEIR_VFU_DEVICE_RESET};

    if (!v->can_reset)
        return weir_fail(e, -ENOTSUP, "vfio-user-no-reset",
                         "reset %s\nits server offers no reset\nrestart the server", d->name);
    return result(d, weir_vfu_client_call(v->client, &call, e));
}

const struct weir_device_ops weir_device_vfio_user = {
    .name = "vfio-user",
    .prefix = "vfio-user:",
    .replay = true,
    .open = open_device,
    .close = close_device,
    .reopen = reopen_device,
    .returned = returned,
    .read = read_region,
    .write = write_region,
    .irq_set = set_irqs,
    .unmask_intx = unmask_intx,
    .reset = reset_device,
};
