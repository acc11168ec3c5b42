/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/vfio-user/request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *weir_vfu_command_name(unsigned command)
{
    static const char *const names[] = {
        [WEIR_VFU_VERSION] = "VERSION",
        [WEIR_VFU_DMA_MAP] = "DMA_MAP",
        [WEIR_VFU_DMA_UNMAP] = "DMA_UNMAP",
        [WEIR_VFU_DEVICE_GET_INFO] = "DEVICE_GET_INFO",
        [WEIR_VFU_REGION_INFO] = "DEVICE_GET_REGION_INFO",
        [WEIR_VFU_REGION_IO_FDS] = "DEVICE_GET_REGION_IO_FDS",
        [WEIR_VFU_IRQ_INFO] = "DEVICE_GET_IRQ_INFO",
        [WEIR_VFU_SET_IRQS] = "DEVICE_SET_IRQS",
        [WEIR_VFU_REGION_READ] = "REGION_READ",
        [WEIR_VFU_REGION_WRITE] = "REGION_WRITE",
        [WEIR_VFU_DMA_READ] = "DMA_READ",
        [WEIR_VFU_DMA_WRITE] = "DMA_WRITE",
        [WEIR_VFU_DEVICE_RESET] = "DEVICE_RESET",
        [WEIR_VFU_DIRTY_PAGES] = "DIRTY_PAGES",
        [WEIR_VFU_REGION_WRITE_MULTI] = "REGION_WRITE_MULTI",
        [WEIR_VFU_DEVICE_FEATURE] = "DEVICE_FEATURE",
        [WEIR_VFU_MIG_DATA_READ] = "MIG_DATA_READ",
        [WEIR_VFU_MIG_DATA_WRITE] = "MIG_DATA_WRITE",
    };
    const char *name =
        command < sizeof(names) / sizeof(names[0]) ? names[command] : (const char *)NULL;
    return name ? name : "unknown";
}

/* Copy the fixed part of a request, whose whole body has `more` bytes behind it. */
static bool take(const struct weir_vfu_msg *msg, void *to, size_t size, size_t more)
{
    if (msg->len != size + more)
        return false;
    memcpy(to, msg->body, size);
    return true;
}

static void answer(struct weir_vfu_reply *reply, const void *from, size_t size)
{
    memcpy(reply->fixed, from, size);
    reply->fixed_len = size;
}

static int version(struct weir_vfu_requests *q, struct weir_vfu_msg *msg,
                   struct weir_vfu_reply *reply)
{
    struct weir_vfu_caps peer;

    int r = weir_vfu_version_parse(msg->body, msg->len, &peer, reply->why, sizeof(reply->why));
    if (r)
        return r;
    if (peer.major != WEIR_VFU_MAJOR) {
        snprintf(reply->why, sizeof(reply->why), "it speaks version %u.%u, not %d.%d", peer.major,
                 peer.minor, WEIR_VFU_MAJOR, WEIR_VFU_MINOR);
        return -EPROTONOSUPPORT;
    }
    if (!peer.max_data)
        return -EINVAL;
    if (peer.max_data > WEIR_VFU_MAX_DATA)
        peer.max_data = WEIR_VFU_MAX_DATA;
    /* A subset of what the client named, in a text no longer than its own: what QEMU expects. */
    struct weir_vfu_caps ours = {
        .major = WEIR_VFU_MAJOR,
        .minor = WEIR_VFU_MINOR,
        .text = peer.text,
        .named = peer.named,
        .max_fds = WEIR_VFU_MAX_FDS,
        .max_data = WEIR_VFU_MAX_DATA,
        .max_maps = WEIR_VFU_MAX_MAPS,
        .pgsizes = peer.pgsizes & ~(uint64_t)(WEIR_VFU_PAGE - 1),
        .write_multi = peer.write_multi,
    };
    if (!ours.pgsizes)
        ours.pgsizes = WEIR_VFU_PAGE;
    size_t room = msg->len < sizeof(reply->fixed) ? msg->len : sizeof(reply->fixed);
    for (;;) {
        reply->fixed_len = weir_vfu_version_format(&ours, reply->fixed, room);
        if (reply->fixed_len)
            break;
        if (ours.named)
            ours.named &= ours.named - 1;
        else
            ours.text = false;
    }
    q->peer = peer;
    q->open = true;
    return 0;
}

static int dma_map(struct weir_vfu_requests *q, struct weir_vfu_msg *msg,
                   struct weir_vfu_reply *reply)
{
    const uint32_t rights = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
    struct weir_vfu_dma_map m;
    int none = -1;

    if (!take(msg, &m, sizeof(m), 0) || m.argsz < sizeof(m) || msg->n_fds > 1)
        return -EINVAL;
    bool fd = msg->n_fds == 1;
    /* A range up to 2^64 is refused too: its end has no number. */
    if (!(m.flags & rights) || (m.flags & ~rights) || !m.size || m.iova + m.size <= m.iova ||
        ((m.iova | m.size | (fd ? m.offset : 0)) & (WEIR_VFU_PAGE - 1)) ||
        (fd && (m.offset > INT64_MAX || m.size > INT64_MAX - m.offset))) {
        snprintf(reply->why, sizeof(reply->why), "IOVA %#llx, %#llx bytes, offset %#llx, flags %#x",
                 (unsigned long long)m.iova, (unsigned long long)m.size,
                 (unsigned long long)m.offset, m.flags);
        return -EINVAL;
    }
    return q->ops->dma_map(q->user, m.iova, m.size, m.flags, fd ? &msg->fds[0] : &none,
                           fd ? m.offset : 0);
}

static int dma_unmap(struct weir_vfu_requests *q, struct weir_vfu_msg *msg,
                     struct weir_vfu_reply *reply)
{
    struct weir_vfu_dma_unmap m;
    uint64_t size;

    if (!take(msg, &m, sizeof(m), 0) || m.argsz < sizeof(m))
        return -EINVAL;
    if (m.flags & ~(uint32_t)VFIO_DMA_UNMAP_FLAG_ALL)
        return -ENOTSUP;
    if (m.flags) {
        if (m.iova || m.size)
            return -EINVAL;
        size = UINT64_MAX;
    } else {
        if (!m.size || m.iova + (m.size - 1) < m.iova)
            return -EINVAL;
        /* Nothing is mapped at the last byte of all, see dma_map(). */
        size = m.iova + m.size ? m.size : m.size - 1;
    }
    int r = q->ops->dma_unmap(q->user, m.iova, size);
    m.argsz = sizeof(m);
    answer(reply, &m, sizeof(m));
    return r;
}

static int device_info(struct weir_vfu_requests *q, struct weir_vfu_msg *msg,
                       struct weir_vfu_reply *reply)
{
    struct weir_vfu_device_info m;

    if (!take(msg, &m, sizeof(m), 0) || m.argsz < sizeof(m))
        return -EINVAL;
    m = (struct weir_vfu_device_info){
        .argsz = sizeof(m),
        .flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI,
        .num_regions = q->ops->num_regions,
        .num_irqs = q->ops->num_irqs,
    };
    answer(reply, &m, sizeof(m));
    return 0;
}

static int region_info(struct weir_vfu_requests *q, struct weir_vfu_msg *msg,
                       struct weir_vfu_reply *reply)
{
    struct weir_vfu_region region = {.fd = -1};
    struct weir_vfu_region_info m;

    if (!take(msg, &m, sizeof(m), 0) || m.argsz < sizeof(m) || m.index >= q->ops->num_regions)
        return -EINVAL;
    q->ops->region(q->user, m.index, &region);
    bool room = m.argsz - sizeof(m) >= region.caps_len;
    m = (struct weir_vfu_region_info){
        .argsz = (uint32_t)sizeof(m) + region.caps_len,
        .flags = region.flags | (region.caps_len ? VFIO_REGION_INFO_FLAG_CAPS : 0),
        .index = m.index,
        .cap_offset = region.caps_len ? sizeof(m) : 0,
        .size = region.size,
        .offset = region.fd >= 0 ? region.offset : 0,
    };
    answer(reply, &m, sizeof(m));
    /* QEMU asks again with the size it learns here, and wants the descriptor then. */
    if (!room)
        return 0;
    reply->data = (void *)(uintptr_t)region.caps;
    reply->data_len = region.caps_len;
    if (q->peer.max_fds)
        reply->fd = region.fd;
    return 0;
}

static int irq_info(struct weir_vfu_requests *q, struct weir_vfu_msg *msg,
                    struct weir_vfu_reply *reply)
{
    struct weir_vfu_irq_info m;

    if (!take(msg, &m, sizeof(m), 0) || m.argsz < sizeof(m) || m.index >= q->ops->num_irqs)
        return -EINVAL;
    /* As the kernel's vfio-pci has it. */
    m.argsz = sizeof(m);
    m.flags = VFIO_IRQ_INFO_EVENTFD;
    m.flags |= m.index == VFIO_PCI_INTX_IRQ_INDEX
                   ? VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED
                   : VFIO_IRQ_INFO_NORESIZE;
    m.count = q->ops->irqs(q->user, m.index);
    answer(reply, &m, sizeof(m));
    return 0;
}

/* Only these are written to, so that a pipe or a file cannot hold the server up. */
static bool is_eventfd(int fd)
{
    static const char want[] = "anon_inode:[eventfd]";
    char path[32], link[sizeof(want)];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, link, sizeof(link));
    return n == sizeof(want) - 1 && memcmp(link, want, sizeof(want) - 1) == 0;
}

static int irq_one(struct weir_vfu_requests *q, const struct weir_vfu_irq_set *m, unsigned start,
                   unsigned count)
{
    if (m->flags & VFIO_IRQ_SET_ACTION_TRIGGER)
        return q->ops->irq_trigger(q->user, m->index, start, count);
    return q->ops->irq_mask(q->user, m->index, start, count, m->flags & VFIO_IRQ_SET_ACTION_MASK);
}

static int irq_eventfd(struct weir_vfu_requests *q, const struct weir_vfu_irq_set *m,
                       struct weir_vfu_msg *msg)
{
    int none = -1;

    if (msg->n_fds && msg->n_fds != m->count)
        return -EINVAL;
    for (unsigned i = 0; i < msg->n_fds; i++)
        if (!is_eventfd(msg->fds[i]))
            return -EINVAL;
    if (m->flags & VFIO_IRQ_SET_ACTION_TRIGGER)
        return q->ops->irq_set(q->user, m->index, m->start, m->count, msg->n_fds ? msg->fds : NULL);
    /* As in the kernel: a descriptor to unmask by exists for INTx alone. */
    if (!(m->flags & VFIO_IRQ_SET_ACTION_UNMASK) || m->index != VFIO_PCI_INTX_IRQ_INDEX)
        return -ENOTTY;
    return q->ops->irq_unmask_fd(q->user, msg->n_fds ? &msg->fds[0] : &none);
}

static bool one_bit(uint32_t v)
{
    return v && !(v & (v - 1));
}

#define IRQ_SET_FLAGS ((uint32_t)(VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK))

static int set_irqs(struct weir_vfu_requests *q, struct weir_vfu_msg *msg,
                    struct weir_vfu_reply *reply)
{
    struct weir_vfu_irq_set m;
    uint32_t data;

    if (msg->len < sizeof(m))
        return -EINVAL;
    memcpy(&m, msg->body, sizeof(m));
    data = m.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
    size_t bools = data == VFIO_IRQ_SET_DATA_BOOL ? m.count : 0;
    if (!one_bit(data) || !one_bit(m.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) ||
        (m.flags & ~IRQ_SET_FLAGS) || msg->len - sizeof(m) != bools || m.argsz < msg->len ||
        m.index >= q->ops->num_irqs || (msg->n_fds && data != VFIO_IRQ_SET_DATA_EVENTFD))
        return -EINVAL;
    unsigned have = q->ops->irqs(q->user, m.index);
    if (m.start > have || m.count > have - m.start) {
        snprintf(reply->why, sizeof(reply->why), "vectors %u to %llu of kind %u, which has %u",
                 m.start, (unsigned long long)m.start + m.count, m.index, have);
        return -EINVAL;
    }
    if (!m.count) {
        if (m.start || data != VFIO_IRQ_SET_DATA_NONE || !(m.flags & VFIO_IRQ_SET_ACTION_TRIGGER))
            return -EINVAL;
        return q->ops->irq_set(q->user, m.index, 0, 0, NULL);
    }
    if (data == VFIO_IRQ_SET_DATA_EVENTFD)
        return irq_eventfd(q, &m, msg);
    if (data == VFIO_IRQ_SET_DATA_NONE)
        return irq_one(q, &m, m.start, m.count);
    for (unsigned i = 0; i < m.count; i++) {
        int r = msg->body[sizeof(m) + i] ? irq_one(q, &m, m.start + i, 1) : 0;
        if (r)
            return r;
    }
    return 0;
}

static int region_read(struct weir_vfu_requests *q, struct weir_vfu_msg *msg,
                       struct weir_vfu_reply *reply)
{
    struct weir_vfu_region_access m;

    if (!take(msg, &m, sizeof(m), 0) || m.region >= q->ops->num_regions || !m.count)
        return -EINVAL;
    if (m.count > WEIR_VFU_MAX_DATA)
        return -E2BIG;
    answer(reply, &m, sizeof(m));
    if (m.count <= sizeof(reply->fixed) - sizeof(m)) {
        reply->fixed_len += m.count;
        return q->ops->read(q->user, m.region, m.offset, reply->fixed + sizeof(m), m.count);
    }
    reply->data = reply->to_free = malloc(m.count);
    reply->data_len = m.count;
    if (!reply->data)
        return -ENOMEM;
    return q->ops->read(q->user, m.region, m.offset, reply->data, m.count);
}

static int region_write(struct weir_vfu_requests *q, struct weir_vfu_msg *msg,
                        struct weir_vfu_reply *reply)
{
    struct weir_vfu_region_access m;

    if (msg->len < sizeof(m) || !take(msg, &m, sizeof(m), msg->len - sizeof(m)) ||
        msg->len - sizeof(m) != m.count || m.region >= q->ops->num_regions || !m.count)
        return -EINVAL;
    if (m.count > WEIR_VFU_MAX_DATA)
        return -E2BIG;
    answer(reply, &m, sizeof(m));
    return q->ops->write(q->user, m.region, m.offset, msg->body + sizeof(m), m.count);
}

static int region_write_multi(struct weir_vfu_requests *q, struct weir_vfu_msg *msg,
                              struct weir_vfu_reply *reply)
{
    struct weir_vfu_write_one one;
    uint64_t count, done;
    size_t room = msg->len - sizeof(count);

    if (msg->len < sizeof(count) || room % sizeof(one))
        return -EINVAL;
    memcpy(&count, msg->body, sizeof(count));
    if (!count || count != room / sizeof(one))
        return -EINVAL;
    for (done = 0; done < count; done++) {
        memcpy(&one, msg->body + sizeof(count) + done * sizeof(one), sizeof(one));
        if (one.region >= q->ops->num_regions || !one.count || one.count > sizeof(one.data))
            return -EINVAL;
        int r = q->ops->write(q->user, one.region, one.offset, one.data, one.count);
        if (r)
            return r;
    }
    answer(reply, &done, sizeof(done));
    return 0;
}

int weir_vfu_request(struct weir_vfu_requests *q, struct weir_vfu_msg *msg,
                     struct weir_vfu_reply *reply)
{
    unsigned command = msg->h.command;
    bool first = command == WEIR_VFU_VERSION;

    if (first == q->open || (first && (msg->h.flags & WEIR_VFU_NO_REPLY))) {
        snprintf(reply->why, sizeof(reply->why), "%s",
                 q->open ? "the version is agreed on already" : "VERSION comes first");
        return -EPROTO;
    }
    if (msg->too_many_fds)
        return -EMFILE;
    if (msg->n_fds && command != WEIR_VFU_DMA_MAP && command != WEIR_VFU_SET_IRQS)
        return -EINVAL;
    switch (command) {
    case WEIR_VFU_VERSION:
        return version(q, msg, reply);
    case WEIR_VFU_DMA_MAP:
        return dma_map(q, msg, reply);
    case WEIR_VFU_DMA_UNMAP:
        return dma_unmap(q, msg, reply);
    case WEIR_VFU_DEVICE_GET_INFO:
        return device_info(q, msg, reply);
    case WEIR_VFU_REGION_INFO:
        return region_info(q, msg, reply);
    case WEIR_VFU_IRQ_INFO:
        return irq_info(q, msg, reply);
    case WEIR_VFU_SET_IRQS:
        return set_irqs(q, msg, reply);
    case WEIR_VFU_REGION_READ:
        return region_read(q, msg, reply);
    case WEIR_VFU_REGION_WRITE:
        return region_write(q, msg, reply);
    case WEIR_VFU_REGION_WRITE_MULTI:
        return region_write_multi(q, msg, reply);
    case WEIR_VFU_DEVICE_RESET:
        if (msg->len)
            return -EINVAL;
        q->ops->reset(q->user);
        return 0;
    case WEIR_VFU_DMA_READ: /* go the other way */
    case WEIR_VFU_DMA_WRITE:
        return -EINVAL;
    default:
        return -ENOTSUP;
    }
}
