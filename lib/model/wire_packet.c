/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An interface of the kernel by AF_PACKET (packet(7)): what it receives is received, what is sent
 * leaves through it. With PACKET_VNET_HDR the kernel leaves segmentation and checksums to us, and
 * we segmentation to it.
 */
#include "lib/core/clock.h"
#include "lib/core/instance.h"
#include "lib/model/checksum.h"
#include "lib/model/coalesce.h"
#include "lib/model/netdev.h"
#include "lib/model/wires.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING /* Linux 4.20 */
#define PACKET_IGNORE_OUTGOING 23
#endif

#define MESSAGES 64
/* Messages received at once while super-frames come: what they hold should stay in the L2 cache
 * until it is read again. */
#define SUPER_MESSAGES 4
/* For a VLAN tag that is put back, and a multiple of a cache line. */
#define HEADROOM 64
/* An IP packet of 65535 bytes, Ethernet and VLAN headers. */
#define FRAME_BYTES (65536 + 256)
/* An odd number of cache lines, so that headers spread over the cache's sets. */
#define STRIDE (HEADROOM + FRAME_BYTES + (HEADROOM + FRAME_BYTES + 64) % 128)

/* Room for what comes while the reader does not run: 20 ms of 10 Gbit/s in frames of MTU size. */
#define RECEIVE_BUFFER (32 * 1024 * 1024)
/* Less than the 1000 frames that a receiving CPU's backlog takes (net.core.netdev_max_backlog), so
 * that the sender is told to wait before frames are lost. */
#define SEND_BUFFER (1024 * 1024)
#define RETRY_NS    100000

struct packet {
    struct weir *w;
    int fd, epoll;
    struct weir_netdev dev;
    unsigned changes; /* of dev, when the socket was bound */
    bool sees_own;    /* the kernel cannot leave own transmissions out */
    bool told_size, told_other;
    struct weir_offload offload;
    unsigned got, next; /* messages received, and how many of them were taken apart */
    bool supers;        /* the last messages held super-frames */
    uint64_t dropped, kernel_dropped;
    uint8_t *memory;
    struct mmsghdr rx[MESSAGES];
    struct rx_part {
        struct virtio_net_hdr vh;
        struct sockaddr_ll from;
        struct iovec iov[2];
        char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))] __attribute__((aligned(8)));
    } part[MESSAGES];
    struct mmsghdr tx[WEIR_TX_MESSAGES];
    struct weir_tx_batch batch;
};

static uint8_t *buffer(const struct packet *p, unsigned i)
{
    return p->memory + (size_t)i * STRIDE + HEADROOM;
}

static int fail(struct weir_error *e, const char *name, const char *call)
{
    int err = -errno;

    if (err == -EPERM || err == -EACCES)
        return weir_fail(e, err, "packet-permission",
                         "open interface %s\n%s: %s: this needs CAP_NET_RAW\nrun as root, or "
                         "`sudo setcap cap_net_raw,cap_net_admin+ep PROGRAM`",
                         name, call, strerror(-err));
    return weir_fail(e, err, "packet-open", "open interface %s\n%s: %s", name, call,
                     strerror(-err));
}

/* Receive from and send through the interface of that index. */
static int bind_to(struct packet *p)
{
    struct sockaddr_ll addr = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = p->dev.index};
    struct packet_mreq all = {.mr_ifindex = p->dev.index, .mr_type = PACKET_MR_PROMISC};

    p->changes = p->dev.changes;
    if (bind(p->fd, (const struct sockaddr *)&addr, sizeof addr))
        return -errno;
    return setsockopt(p->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) ? -errno : 0;
}

static void set_buffer(int fd, int force, int plain, int bytes)
{
    /* Above the limit (net.core.rmem_max, wmem_max) only with CAP_NET_ADMIN. */
    if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof bytes))
        setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);
}

static int attach(struct packet *p, const char *name, struct weir_error *e)
{
    int one = 1, err = weir_netdev_open(&p->dev, name, e);

    if (err)
        return err;
    if (p->dev.type != ARPHRD_ETHER && p->dev.type != ARPHRD_LOOPBACK)
        return weir_fail(e, -EINVAL, "packet-not-ethernet",
                         "open interface %s\nits frames have no Ethernet header (ARPHRD type "
                         "%u)\nuse an Ethernet interface",
                         name, p->dev.type);
    /* No protocol until it is bound: nothing comes in before everything is set. */
    p->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->fd < 0)
        return fail(e, name, "AF_PACKET socket");
    if (setsockopt(p->fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one))
        return fail(e, name, "PACKET_VNET_HDR");
    if (setsockopt(p->fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one))
        return fail(e, name, "PACKET_AUXDATA");
    /* Not PACKET_QDISC_BYPASS: it saves nothing that shows, and with it tcpdump on the interface
     * does not see what is sent. */
    p->sees_own = setsockopt(p->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) != 0;
    set_buffer(p->fd, SO_RCVBUFFORCE, SO_RCVBUF, RECEIVE_BUFFER / 2); /* the kernel doubles it */
    set_buffer(p->fd, SO_SNDBUFFORCE, SO_SNDBUF, SEND_BUFFER / 2);
    if (bind_to(p))
        return fail(e, name, "bind");
    if (!(p->dev.flags & IFF_UP))
        weir_log(p->w, WEIR_LOG_WARNING, "wire",
                 "interface %s is down, and so is the link: sudo ip link set %s up", name, name);
    return 0;
}

static int watch(struct packet *p, struct weir_error *e)
{
    struct epoll_event frames = {.events = EPOLLIN}, changes = {.events = EPOLLIN};

    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll < 0 || epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->fd, &frames) ||
        epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->dev.nl, &changes))
        return weir_fail(e, -errno, "no-descriptors",
                         "open a packet wire\nepoll: %s\nraise the limit on open files: ulimit -n",
                         strerror(errno));
    return 0;
}

/* Buffers are touched by the frames that come, not before. */
static int make_buffers(struct packet *p, bool gro, struct weir_error *e)
{
    void *m = mmap(NULL, (size_t)MESSAGES * STRIDE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (m == MAP_FAILED || weir_tx_batch_init(&p->batch, gro)) {
        if (m != MAP_FAILED)
            munmap(m, (size_t)MESSAGES * STRIDE);
        return weir_fail(e, -ENOMEM, "no-memory", "open a packet wire\nout of memory");
    }
    p->memory = m;
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct rx_part *part = &p->part[i];
        part->iov[0] = (struct iovec){&part->vh, sizeof part->vh};
        part->iov[1] = (struct iovec){buffer(p, i), FRAME_BYTES};
        p->rx[i].msg_hdr =
            (struct msghdr){.msg_iov = part->iov, .msg_iovlen = 2, .msg_control = part->control};
    }
    return 0;
}

/* Follow the interface; take one of the same name that came back. */
static void follow(struct packet *p)
{
    int err;

    weir_netdev_poll(&p->dev);
    if (p->dev.changes == p->changes)
        return;
    p->changes = p->dev.changes;
    if (!p->dev.index) {
        weir_log(p->w, WEIR_LOG_WARNING, "wire", "interface %s is gone", p->dev.name);
        return;
    }
    err = bind_to(p);
    if (err)
        weir_log(p->w, WEIR_LOG_ERROR, "wire", "interface %s is back, but: bind: %s", p->dev.name,
                 strerror(-err));
    else
        weir_log(p->w, WEIR_LOG_INFO, "wire", "interface %s is back", p->dev.name);
}

static void tell_other(struct packet *p, const char *call, int err)
{
    if (!p->told_other)
        weir_log(p->w, WEIR_LOG_WARNING, "wire", "interface %s: %s: %s (told once)", p->dev.name,
                 call, strerror(err));
    p->told_other = true;
}

static bool receive(struct packet *p)
{
    unsigned max = p->supers ? SUPER_MESSAGES : MESSAGES;
    int n;

    for (unsigned i = 0; i < max; i++) {
        struct msghdr *m = &p->rx[i].msg_hdr;
        m->msg_controllen = sizeof p->part[i].control;
        m->msg_name = p->sees_own ? &p->part[i].from : NULL;
        m->msg_namelen = p->sees_own ? sizeof p->part[i].from : 0;
    }
    p->got = p->next = 0;
    p->supers = false;
    for (unsigned tries = 0; tries < MESSAGES; tries++) {
        n = recvmmsg(p->fd, p->rx, max, MSG_DONTWAIT, NULL);
        if (n > 0) {
            p->got = (unsigned)n;
            return true;
        }
        if (errno == EAGAIN) {
            follow(p);
            return false;
        }
        /* EINVAL: a kind of super-frame that no virtio_net_hdr describes; it is lost. ENETDOWN: the
         * interface went down; there may be frames from before. */
        if (errno == EINVAL)
            p->dropped++;
        else if (errno != EINTR && errno != ENETDOWN)
            tell_other(p, "recvmmsg", errno);
    }
    return false;
}

/* The kernel keeps the outermost VLAN tag beside the frame: put it back.
 * @return how many bytes further ahead the frame starts */
static uint32_t restore_tag(struct msghdr *m, uint8_t *data, uint32_t len)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    struct tpacket_auxdata aux;

    if (!c || c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
        c->cmsg_len < CMSG_LEN(sizeof aux) || len < 2 * ETH_ALEN)
        return 0;
    memcpy(&aux, CMSG_DATA(c), sizeof aux);
    if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
        return 0;
    memmove(data - 4, data, 2 * ETH_ALEN);
    weir_put_be16(data + 8,
                  aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETHERTYPE_VLAN);
    weir_put_be16(data + 10, aux.tp_vlan_tci);
    return 4;
}

static void take_apart(struct packet *p, unsigned i)
{
    struct msghdr *m = &p->rx[i].msg_hdr;
    struct rx_part *part = &p->part[i];
    uint32_t len = p->rx[i].msg_len, tag;

    if (p->sees_own && part->from.sll_pkttype == PACKET_OUTGOING)
        return;
    if (len < sizeof part->vh || (m->msg_flags & MSG_TRUNC)) {
        p->dropped++;
        return;
    }
    len -= (uint32_t)sizeof part->vh;
    tag = restore_tag(m, buffer(p, i), len);
    part->vh.csum_start = (uint16_t)(part->vh.csum_start + tag);
    p->supers |= part->vh.gso_type != VIRTIO_NET_HDR_GSO_NONE;
    if (weir_offload_begin(&p->offload, &part->vh, buffer(p, i) - tag, len + tag))
        p->dropped++;
}

static void send_batch(struct packet *p)
{
    struct weir_tx_batch *b = &p->batch;
    bool was_down = false;
    int n;

    if (weir_tx_batch_empty(b))
        return;
    follow(p);
    /* Without carrier the kernel drops what it is given and says nothing. */
    if (!(p->dev.flags & IFF_RUNNING)) {
        weir_tx_batch_drop(b, b->messages - b->first);
        return;
    }
    for (unsigned i = b->first; i < b->messages; i++) {
        const struct weir_tx_message *m = &b->message[i];
        p->tx[i].msg_hdr = (struct msghdr){.msg_iov = &b->iov[m->iov], .msg_iovlen = m->iovs};
    }
    while (!weir_tx_batch_empty(b)) {
        n = sendmmsg(p->fd, p->tx + b->first, b->messages - b->first, MSG_DONTWAIT);
        if (n > 0) {
            weir_tx_batch_sent(b, (unsigned)n);
            continue;
        }
        switch (errno) {
        case EINTR:
            break;
        case EAGAIN: /* the send buffer is full */
            weir_tx_batch_keep(b);
            return;
        case ENETDOWN:
            /* It may tell of a time that is over: the socket keeps it until somebody asks. */
            if (!was_down) {
                was_down = true;
                break;
            }
            /* fall through */
        case ENXIO:
        case ENODEV:
            weir_tx_batch_drop(b, b->messages - b->first);
            break;
        case EMSGSIZE:
            if (!p->told_size)
                weir_log(p->w, WEIR_LOG_WARNING, "wire",
                         "interface %s: a frame of %u bytes is longer than its MTU of %u allows "
                         "(told once): sudo ip link set %s mtu N",
                         p->dev.name, b->message[b->first].bytes, p->dev.mtu, p->dev.name);
            p->told_size = true;
            weir_tx_batch_drop(b, 1);
            break;
        case EINVAL:
        case EOPNOTSUPP:
            if (weir_tx_batch_refuse(b))
                weir_log(p->w, WEIR_LOG_WARNING, "wire",
                         "interface %s takes no super-frames: segments are not joined any more",
                         p->dev.name);
            break;
        default:
            tell_other(p, "sendmmsg", errno);
            /* fall through */
        case ENOBUFS: /* the interface's queue, or the backlog of the CPU behind a veth, is full */
            weir_tx_batch_drop(b, 1);
            break;
        }
    }
}

static void packet_close(void *priv)
{
    struct packet *p = priv;

    if (p->batch.kept)
        send_batch(p);
    if (p->epoll >= 0)
        close(p->epoll);
    if (p->fd >= 0)
        close(p->fd);
    weir_netdev_close(&p->dev);
    if (p->memory)
        munmap(p->memory, (size_t)MESSAGES * STRIDE);
    weir_tx_batch_destroy(&p->batch);
    free(p);
}

static int packet_open(struct weir *w, const char *args, void **priv, struct weir_error *e)
{
    char *name = NULL;
    bool gro = false;
    const struct weir_arg table[] = {
        {"INTERFACE", WEIR_ARG_NAME, &name, 0, IFNAMSIZ - 1},
        {"gro", WEIR_ARG_FLAG, &gro, 0, 0},
    };
    int err = weir_args_parse("packet", args, table, 2, e);
    struct packet *p;

    if (err) {
        free(name);
        return err;
    }
    p = calloc(1, sizeof *p);
    if (!p) {
        free(name);
        return weir_fail(e, -ENOMEM, "no-memory", "open a packet wire\nout of memory");
    }
    p->w = w;
    p->fd = p->epoll = p->dev.nl = -1;
    err = make_buffers(p, gro, e);
    if (!err)
        err = attach(p, name, e);
    if (!err)
        err = watch(p, e);
    free(name);
    if (err) {
        packet_close(p);
        return err;
    }
    *priv = p;
    return 0;
}

static bool packet_rx(void *priv, struct weir_frame *frame)
{
    struct packet *p = priv;

    if (p->batch.kept)
        send_batch(p);
    while (!weir_offload_next(&p->offload, frame)) {
        if (p->next == p->got && !receive(p))
            return false;
        take_apart(p, p->next++);
    }
    return true;
}

static bool packet_tx(void *priv, const struct iovec *iov, unsigned n, uint32_t len)
{
    struct packet *p = priv;

    if (weir_tx_batch_add(&p->batch, iov, n, len))
        return true;
    send_batch(p);
    return weir_tx_batch_add(&p->batch, iov, n, len);
}

static void packet_flush(void *priv)
{
    send_batch(priv);
}

static uint64_t packet_deadline(void *priv)
{
    const struct packet *p = priv;

    if (p->offload.data || p->next < p->got)
        return 0;
    return p->batch.kept ? weir_now_ns() + RETRY_NS : UINT64_MAX;
}

static int packet_fd(void *priv)
{
    return ((struct packet *)priv)->epoll;
}

static bool packet_link(void *priv)
{
    struct packet *p = priv;

    follow(p);
    return p->dev.flags & IFF_RUNNING;
}

static void packet_stats(void *priv, struct weir_model_stats *sum)
{
    struct packet *p = priv;
    struct tpacket_stats now; /* since they were read last */
    socklen_t len = sizeof now;

    if (!getsockopt(p->fd, SOL_PACKET, PACKET_STATISTICS, &now, &len))
        p->kernel_dropped += now.tp_drops;
    sum->rx_dropped += p->dropped + p->kernel_dropped;
    sum->rx_super += p->offload.supers;
    sum->rx_super_frames += p->offload.super_frames;
    sum->rx_super_bytes += p->offload.super_bytes;
    weir_tx_batch_stats(&p->batch, sum);
}

const struct weir_wire_ops weir_wire_packet = {
    .kind = "packet",
    .help = "INTERFACE[,gro]",
    .open = packet_open,
    .close = packet_close,
    .rx = packet_rx,
    .tx = packet_tx,
    .flush = packet_flush,
    .deadline = packet_deadline,
    .fd = packet_fd,
    .link = packet_link,
    .stats = packet_stats,
    .live = true,
};
