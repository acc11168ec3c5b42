/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts: VFIO_DEVICE_SET_IRQS (drivers/vfio/pci/vfio_pci_intrs.c). */
#include "lib/device/vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

int weir_vfio_irqs(struct weir_vfio *v, const struct vfio_device_info *info, unsigned *out,
                   struct weir_error *e)
{
    for (uint32_t i = 0; i < info->num_irqs && i < WEIR_N_IRQS; i++) {
        struct vfio_irq_info irq = {.argsz = sizeof(irq), .index = i};

        out[i] = 0;
        if (ioctl(v->fd, VFIO_DEVICE_GET_IRQ_INFO, &irq)) {
            if (errno == EINVAL) /* ERR and REQ of what has none */
                continue;
            return weir_fail(e, -errno, "vfio-irq",
                             "open device %s\nVFIO_DEVICE_GET_IRQ_INFO of kind %u: %s",
                             v->dev->name, i, strerror(errno));
        }
        if (!(irq.flags & VFIO_IRQ_INFO_EVENTFD) || irq.count > WEIR_VFIO_MAX_VECTORS)
            continue;
        v->noresize[i] = irq.flags & VFIO_IRQ_INFO_NORESIZE;
        out[i] = irq.count;
    }
    return 0;
}

static int set(const struct weir_vfio *v, unsigned kind, unsigned start, unsigned count,
               const int *fds)
{
    size_t size = sizeof(struct vfio_irq_set) + count * sizeof(*fds);
    struct vfio_irq_set *m = calloc(1, size);
    int r;

    if (!m)
        return -ENOMEM;
    m->argsz = (uint32_t)size;
    m->flags =
        VFIO_IRQ_SET_ACTION_TRIGGER | (count ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
    m->index = kind;
    m->start = start;
    m->count = count;
    if (count)
        memcpy(m->data, fds, count * sizeof(*fds));
    r = ioctl(v->fd, VFIO_DEVICE_SET_IRQS, m);
    /* What is positive is how many vectors there would be. */
    r = r < 0 ? -errno : r > 0 ? -ENOSPC : 0;
    free(m);
    return r;
}

static void forget(struct weir_vfio *v)
{
    for (unsigned i = 0; i < v->n_vectors; i++)
        if (v->vectors[i] >= 0)
            close(v->vectors[i]);
    free(v->vectors);
    v->vectors = NULL;
    v->n_vectors = 0;
    v->irq_kind = -1;
}

static int off(struct weir_vfio *v, unsigned kind)
{
    int r = 0;

    if (v->irq_kind == (int)kind) {
        r = set(v, kind, 0, 0, NULL);
        forget(v);
    }
    return r;
}

static int fail(const struct weir_vfio *v, int r, struct weir_error *e)
{
    return weir_fail(e, r, "vfio-irq", "set interrupts of %s\nVFIO_DEVICE_SET_IRQS: %s%s",
                     v->dev->name, strerror(-r),
                     r == -ENOSPC ? "\nthe host has not that many vectors left: use fewer" : "");
}

/* Remember the descriptors, for a kernel that has to be told of all of them again. */
static int remember(struct weir_vfio *v, unsigned start, unsigned count, const int *fds)
{
    unsigned n = start + count;

    if (n > v->n_vectors) {
        int *vectors = realloc(v->vectors, n * sizeof(*vectors));

        if (!vectors)
            return -ENOMEM;
        v->vectors = vectors;
        while (v->n_vectors < n)
            vectors[v->n_vectors++] = -1;
    }
    for (unsigned i = 0; i < count; i++) {
        int fd = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

        if (fds[i] >= 0 && fd < 0)
            return -errno;
        if (v->vectors[start + i] >= 0)
            close(v->vectors[start + i]);
        v->vectors[start + i] = fd;
    }
    return 0;
}

int weir_vfio_irq_set(struct weir_device *d, enum weir_irq_index kind, unsigned start,
                      unsigned count, const int *fds, struct weir_error *e)
{
    struct weir_vfio *v = weir_vfio_of(d);
    bool grows, on;
    int r;

    if (kind > WEIR_IRQ_MSIX || !count) {
        r = off(v, kind);
        return r ? fail(v, r, e) : 0;
    }
    if (v->irq_kind >= 0 && v->irq_kind != (int)kind)
        return weir_fail(e, -EBUSY, "device-irq-kind",
                         "set interrupts of %s\nanother kind is on, and a function has one at a "
                         "time\ndisable it first: weir_device_irq_set() with count 0",
                         d->name);
    on = v->irq_kind == (int)kind;
    grows = on && start + count > v->n_vectors;
    v->irq_kind = (int)kind;
    r = remember(v, start, count, fds);
    if (!r && grows && v->noresize[kind]) {
        r = set(v, kind, 0, 0, NULL);
        on = false;
    }
    if (!r)
        r = on ? set(v, kind, start, count, fds) : set(v, kind, 0, v->n_vectors, v->vectors);
    if (!r)
        return 0;
    /* Neither the kernel nor we know which of them are on: none. */
    off(v, kind);
    return fail(v, r, e);
}

int weir_vfio_unmask_intx(struct weir_device *d, struct weir_error *e)
{
    struct vfio_irq_set m = {
        .argsz = sizeof(m),
        .flags = VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_DATA_NONE,
        .index = VFIO_PCI_INTX_IRQ_INDEX,
        .count = 1,
    };
    struct weir_vfio *v = weir_vfio_of(d);

    if (v->irq_kind != WEIR_IRQ_INTX || ioctl(v->fd, VFIO_DEVICE_SET_IRQS, &m) == 0)
        return 0;
    return fail(v, -errno, e);
}

static void signalled(struct weir_watch *watch, uint32_t epoll_events)
{
    struct weir_vfio_signal *s =
        (struct weir_vfio_signal *)((char *)watch - offsetof(struct weir_vfio_signal, watch));
    struct weir_event ev = {.type = s->event, .device = s->dev, .port = s->dev->port};
    uint64_t n;

    (void)epoll_events;
    if (read(watch->fd, &n, sizeof(n)) != sizeof(n))
        return;
    weir_log(s->dev->weir, WEIR_LOG_WARNING, "vfio", "%s: %s", s->dev->name,
             s->event == WEIR_EVENT_REQUEST ? "the host wants the device back"
                                            : "the device reported an uncorrectable error");
    weir_post(s->dev->weir, &ev);
    if (s->event == WEIR_EVENT_DEVICE_ERROR)
        weir_vfio_probe(s->dev);
}

static int signal_on(struct weir_vfio *v, struct weir_vfio_signal *s, unsigned kind,
                     enum weir_event_type event, struct weir_error *e)
{
    int fd, r;

    if (!v->dev->irqs[kind])
        return 0;
    s->dev = v->dev;
    s->event = event;
    s->watch.ready = signalled;
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return weir_fail(e, -errno, "no-descriptors",
                         "open device %s\neventfd: %s\nraise the limit of open files (ulimit -n)",
                         v->dev->name, strerror(errno));
    r = weir_watch_add(v->dev->weir, &s->watch, fd, false, e);
    if (r) {
        close(fd);
        return r;
    }
    r = set(v, kind, 0, 1, &fd);
    return r ? fail(v, r, e) : 0;
}

int weir_vfio_signals(struct weir_vfio *v, struct weir_error *e)
{
    int r = signal_on(v, &v->request, WEIR_IRQ_REQ, WEIR_EVENT_REQUEST, e);

    return r ? r : signal_on(v, &v->error, WEIR_IRQ_ERR, WEIR_EVENT_DEVICE_ERROR, e);
}

static void signal_off(struct weir_vfio *v, struct weir_vfio_signal *s)
{
    int fd = s->watch.fd;

    weir_watch_remove(v->dev->weir, &s->watch);
    if (fd >= 0)
        close(fd);
}

void weir_vfio_irq_free(struct weir_vfio *v)
{
    signal_off(v, &v->request);
    signal_off(v, &v->error);
    forget(v);
}
