/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A TAP interface of the kernel (Documentation/networking/tuntap.rst). With a virtio_net_hdr before
 * each frame the kernel may leave segmentation and checksums to us, and we segmentation to it.
 */
#include "lib/core/instance.h"
#include "lib/model/coalesce.h"
#include "lib/model/netdev.h"
#include "lib/model/wires.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TUN_F_USO4 /* Linux 6.2 and later headers */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* An IP packet of 65535 bytes, Ethernet and VLAN headers. */
#define FRAME_BYTES (65536 + 256)

struct tap {
    struct weir *w;
    int fd, epoll;
    bool lost;  /* the interface was deleted: the descriptor is good for nothing */
    bool moved; /* it went to another network namespace, where it cannot be followed */
    struct weir_netdev dev;
    struct weir_offload offload;
    uint64_t rx_dropped;
    uint64_t kernel_dropped; /* the interface's own count of frames that found its queue full */
    uint64_t kernel_dropped_before;
    struct weir_tx_batch batch;
    uint8_t frame[FRAME_BYTES];
};

static int fail(struct weir_error *e, int err, const char *name, const char *call)
{
    switch (err) {
    case -EPERM:
    case -EACCES:
        return weir_fail(e, err, "tap-permission",
                         "attach to TAP interface %s\n%s: %s: this needs CAP_NET_ADMIN, or an "
                         "interface that is yours, and access to /dev/net/tun\nsudo ip tuntap add "
                         "%s mode tap user $USER && sudo ip link set %s up && sudo chmod 666 "
                         "/dev/net/tun",
                         name, call, strerror(-err), name, name);
    case -EBUSY:
        return weir_fail(e, err, "tap-busy",
                         "attach to TAP interface %s\nanother process or another wire holds it\n"
                         "find who: sudo grep -lw 'iff:.*%s' /proc/[0-9]*/fdinfo/*; or use "
                         "another name",
                         name, name);
    case -EINVAL:
        return weir_fail(e, err, "tap-kind",
                         "attach to TAP interface %s\n%s: %s: the interface of that name is not a "
                         "single-queue TAP interface\n`ip -d link show %s` shows its kind; use "
                         "another name",
                         name, call, strerror(-err), name);
    case -ENOENT:
    case -ENODEV:
    case -ENXIO:
        return weir_fail(e, err, "tap-no-driver",
                         "attach to TAP interface %s\n%s: %s: the kernel's tun driver is not "
                         "there\nsudo modprobe tun (in a container: --device /dev/net/tun)",
                         name, call, strerror(-err));
    default:
        return weir_fail(e, err, "tap-open", "attach to TAP interface %s\n%s: %s", name, call,
                         strerror(-err));
    }
}

/* What the kernel may leave to us. UDP segmentation is refused by kernels before 6.2. */
static int set_offload(int fd)
{
    unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

    if (!ioctl(fd, TUNSETOFFLOAD, (unsigned long)(tcp | TUN_F_USO4 | TUN_F_USO6)))
        return 0;
    return ioctl(fd, TUNSETOFFLOAD, (unsigned long)tcp) ? -errno : 0;
}

static int bring_up(const char *name)
{
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;
    struct ifreq r = {0};

    if (s < 0)
        return -errno;
    memcpy(r.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
    if (ioctl(s, SIOCGIFFLAGS, &r)) {
        err = -errno;
    } else {
        r.ifr_flags |= IFF_UP;
        if (ioctl(s, SIOCSIFFLAGS, &r))
            err = -errno;
    }
    close(s);
    return err;
}

static int attach(struct tap *t, const char *name, struct weir_error *e)
{
    bool exists = if_nametoindex(name) != 0;
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int hdr = sizeof(struct virtio_net_hdr), err;

    t->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (t->fd < 0)
        return fail(e, -errno, name, "open /dev/net/tun");
    memcpy(r.ifr_name, name, strlen(name));
    if (ioctl(t->fd, TUNSETIFF, &r))
        return fail(e, -errno, name, "TUNSETIFF");
    if (ioctl(t->fd, TUNSETVNETHDRSZ, &hdr))
        return fail(e, -errno, name, "TUNSETVNETHDRSZ");
    err = set_offload(t->fd);
    if (err)
        return fail(e, err, name, "TUNSETOFFLOAD");
    name = r.ifr_name; /* "tap%d" gets a number */
    if (!exists) {
        err = bring_up(name);
        if (err)
            return fail(e, err, name, "SIOCSIFFLAGS");
    }
    err = weir_netdev_open(&t->dev, name, e);
    if (!err && !(t->dev.flags & IFF_UP))
        weir_log(t->w, WEIR_LOG_WARNING, "wire",
                 "interface %s is down, and so is the link: sudo ip link set %s up", name, name);
    return err;
}

static int watch(struct tap *t, struct weir_error *e)
{
    struct epoll_event frames = {.events = EPOLLIN}, changes = {.events = EPOLLIN};

    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (t->epoll < 0 || epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->fd, &frames) ||
        epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->dev.nl, &changes))
        return weir_fail(e, -errno, "no-descriptors",
                         "open a TAP wire\nepoll: %s\nraise the limit on open files: ulimit -n",
                         strerror(errno));
    t->kernel_dropped_before = t->kernel_dropped = t->dev.stats.tx_dropped;
    return 0;
}

static void tap_close(void *priv)
{
    struct tap *t = priv;

    if (t->epoll >= 0)
        close(t->epoll);
    if (t->fd >= 0)
        close(t->fd);
    weir_netdev_close(&t->dev);
    weir_tx_batch_destroy(&t->batch);
    free(t);
}

static int tap_open(struct weir *w, const char *args, void **priv, struct weir_error *e)
{
    char *name = NULL;
    bool gro = false;
    const struct weir_arg table[] = {
        {"NAME", WEIR_ARG_NAME, &name, 0, IFNAMSIZ - 1},
        {"gro", WEIR_ARG_FLAG, &gro, 0, 0},
    };
    int err = weir_args_parse("tap", args, table, 2, e);
    struct tap *t;

    if (err) {
        free(name);
        return err;
    }
    t = calloc(1, sizeof *t);
    if (!t) {
        free(name);
        return weir_fail(e, -ENOMEM, "no-memory", "open a TAP wire\nout of memory");
    }
    t->w = w;
    t->fd = t->epoll = t->dev.nl = -1;
    if (weir_tx_batch_init(&t->batch, gro))
        err = weir_fail(e, -ENOMEM, "no-memory", "open a TAP wire\nout of memory");
    else
        err = attach(t, name, e);
    if (!err)
        err = watch(t, e);
    free(name);
    if (err) {
        tap_close(t);
        return err;
    }
    *priv = t;
    return 0;
}

/* The interface was deleted under us. Its descriptor would poll as an error for ever. */
static void lose(struct tap *t)
{
    if (t->lost)
        return;
    t->lost = true;
    epoll_ctl(t->epoll, EPOLL_CTL_DEL, t->fd, NULL);
    epoll_ctl(t->epoll, EPOLL_CTL_DEL, t->dev.nl, NULL);
    weir_log(t->w, WEIR_LOG_ERROR, "wire",
             "TAP interface %s was deleted; open the wire again to make it anew", t->dev.name);
}

static void follow(struct tap *t)
{
    struct ifreq r;

    if (t->lost || t->moved)
        return;
    weir_netdev_poll(&t->dev);
    if (!t->dev.changes)
        return;
    if (ioctl(t->fd, TUNGETIFF, &r)) {
        lose(t);
        return;
    }
    t->moved = true;
    epoll_ctl(t->epoll, EPOLL_CTL_DEL, t->dev.nl, NULL);
    weir_log(t->w, WEIR_LOG_INFO, "wire",
             "TAP interface %s went to another network namespace; its link counts as up",
             t->dev.name);
}

static bool tap_rx(void *priv, struct weir_frame *frame)
{
    struct tap *t = priv;
    struct virtio_net_hdr vh;
    struct iovec iov[2] = {{&vh, sizeof vh}, {t->frame, sizeof t->frame}};
    ssize_t n;

    while (!weir_offload_next(&t->offload, frame)) {
        if (t->lost)
            return false;
        n = readv(t->fd, iov, 2);
        if (n < (ssize_t)sizeof vh) {
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0 && errno == EBADFD)
                lose(t);
            follow(t);
            return false;
        }
        n -= (ssize_t)sizeof vh;
        if (n > FRAME_BYTES || weir_offload_begin(&t->offload, &vh, t->frame, (uint32_t)n))
            t->rx_dropped++;
    }
    return true;
}

static void tap_flush(void *priv)
{
    struct tap *t = priv;
    struct weir_tx_batch *b = &t->batch;

    while (!weir_tx_batch_empty(b)) {
        const struct weir_tx_message *m = &b->message[b->first];
        if (t->lost) {
            weir_tx_batch_drop(b, b->messages - b->first);
        } else if (writev(t->fd, &b->iov[m->iov], (int)m->iovs) >= 0) {
            weir_tx_batch_sent(b, 1);
        } else if (errno == EBADFD) {
            lose(t);
        } else if (errno == EINVAL) {
            if (weir_tx_batch_refuse(b))
                weir_log(t->w, WEIR_LOG_WARNING, "wire",
                         "interface %s takes no super-frames: segments are not joined any more",
                         t->dev.name);
        } else if (errno != EINTR) {
            weir_tx_batch_drop(b, 1);
        }
    }
}

static bool tap_tx(void *priv, const struct iovec *iov, unsigned n, uint32_t len)
{
    struct tap *t = priv;

    if (weir_tx_batch_add(&t->batch, iov, n, len))
        return true;
    tap_flush(t);
    return weir_tx_batch_add(&t->batch, iov, n, len);
}

static uint64_t tap_deadline(void *priv)
{
    const struct tap *t = priv;

    return t->offload.data ? 0 : UINT64_MAX;
}

static int tap_fd(void *priv)
{
    return ((struct tap *)priv)->epoll;
}

static bool tap_link(void *priv)
{
    struct tap *t = priv;

    follow(t);
    return !t->lost && (t->moved || (t->dev.flags & IFF_UP));
}

static void tap_set_link(void *priv, bool up)
{
    struct tap *t = priv;
    int carrier = up;

    /* The kernel's side sees the cable too. Kernels before 5.0 cannot; then ours alone does. */
    if (!t->lost && ioctl(t->fd, TUNSETCARRIER, &carrier))
        weir_log(t->w, WEIR_LOG_DEBUG, "wire", "TUNSETCARRIER on %s: %s", t->dev.name,
                 strerror(errno));
}

static void tap_stats(void *priv, struct weir_model_stats *sum)
{
    struct tap *t = priv;

    if (!t->lost && !t->moved && !weir_netdev_query(&t->dev) && !t->dev.changes)
        t->kernel_dropped = t->dev.stats.tx_dropped;
    sum->rx_dropped += t->rx_dropped + t->kernel_dropped - t->kernel_dropped_before;
    sum->rx_super += t->offload.supers;
    sum->rx_super_frames += t->offload.super_frames;
    sum->rx_super_bytes += t->offload.super_bytes;
    weir_tx_batch_stats(&t->batch, sum);
}

const struct weir_wire_ops weir_wire_tap = {
    .kind = "tap",
    .help = "NAME[,gro]",
    .open = tap_open,
    .close = tap_close,
    .rx = tap_rx,
    .tx = tap_tx,
    .flush = tap_flush,
    .deadline = tap_deadline,
    .fd = tap_fd,
    .link = tap_link,
    .set_link = tap_set_link,
    .stats = tap_stats,
    .live = true,
};
