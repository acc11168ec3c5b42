/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/model/netdev.h"
#include "lib/core/clock.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_EVERY_NS 1000000

/* A link message with statistics of every kind is some KiB; the kernel cuts none below 8 KiB. */
#define MESSAGE_BYTES 32768

static void gone(struct weir_netdev *d)
{
    if (d->index)
        d->changes++;
    d->index = 0;
    d->flags = 0;
}

static void take_link(struct weir_netdev *d, const struct nlmsghdr *h)
{
    const struct ifinfomsg *info = NLMSG_DATA(h);
    const struct rtattr *a = IFLA_RTA(info), *name = NULL, *mtu = NULL, *stats = NULL;
    unsigned len = h->nlmsg_len - (unsigned)NLMSG_LENGTH(sizeof *info);

    for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        if (a->rta_type == IFLA_IFNAME)
            name = a;
        else if (a->rta_type == IFLA_MTU && RTA_PAYLOAD(a) >= sizeof d->mtu)
            mtu = a;
        else if (a->rta_type == IFLA_STATS64)
            stats = a;
    }
    if (h->nlmsg_type == RTM_DELLINK) {
        /* A bridge tells of a port that leaves it with the same message, of family AF_BRIDGE. */
        if (info->ifi_index == d->index && info->ifi_family == AF_UNSPEC)
            gone(d);
        return;
    }
    if (info->ifi_family != AF_UNSPEC)
        return;
    if (!d->index && name && RTA_PAYLOAD(name) <= sizeof d->name &&
        !strncmp(RTA_DATA(name), d->name, RTA_PAYLOAD(name))) {
        d->index = info->ifi_index;
        d->changes++;
    }
    if (info->ifi_index != d->index)
        return;
    d->flags = info->ifi_flags;
    d->type = info->ifi_type;
    if (mtu)
        memcpy(&d->mtu, RTA_DATA(mtu), sizeof d->mtu);
    if (stats) {
        size_t n = RTA_PAYLOAD(stats);
        memset(&d->stats, 0, sizeof d->stats);
        memcpy(&d->stats, RTA_DATA(stats), n < sizeof d->stats ? n : sizeof d->stats);
    }
}

/* Read what is there. @return the error that answers request seq, 1 if its answer was read, or
 * -EAGAIN when there is nothing more; -ENOBUFS when messages were lost. */
static int drain(struct weir_netdev *d, uint32_t seq)
{
    uint8_t buf[MESSAGE_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
    const struct nlmsghdr *h;
    ssize_t got;

    for (;;) {
        got = recv(d->nl, buf, sizeof buf, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        unsigned len = (unsigned)got;
        for (h = (const void *)buf; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
            const struct nlmsgerr *err = NLMSG_DATA(h);
            bool answer = seq && h->nlmsg_seq == seq && h->nlmsg_pid == d->port;
            if (h->nlmsg_type == NLMSG_ERROR && h->nlmsg_len >= NLMSG_LENGTH(sizeof err->error)) {
                if (answer)
                    return err->error;
            } else if ((h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK) &&
                       h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg))) {
                take_link(d, h);
                if (answer)
                    return 1;
            }
        }
    }
}

int weir_netdev_query(struct weir_netdev *d)
{
    struct {
        struct nlmsghdr h;
        struct ifinfomsg info;
        struct rtattr a;
        char name[IF_NAMESIZE];
    } req = {.h = {.nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST}};
    int err = -ENOBUFS;

    req.h.nlmsg_len = sizeof req.h + sizeof req.info;
    req.info.ifi_index = d->index;
    if (!d->index) {
        req.a = (struct rtattr){.rta_len = RTA_LENGTH(sizeof req.name), .rta_type = IFLA_IFNAME};
        memcpy(req.name, d->name, sizeof req.name);
        req.h.nlmsg_len = sizeof req;
    }
    for (unsigned tries = 0; err == -ENOBUFS && tries < 8; tries++) {
        d->seq = d->seq + 1 ? d->seq + 1 : 1; /* 0 stands for none */
        req.h.nlmsg_seq = d->seq;
        if (send(d->nl, &req, req.h.nlmsg_len, MSG_DONTWAIT) < 0)
            return -errno;
        /* The kernel answers while it takes the request: the answer is in the queue now. */
        err = drain(d, d->seq);
    }
    if (err == -ENODEV)
        gone(d);
    return err > 0 ? 0 : err;
}

void weir_netdev_poll(struct weir_netdev *d)
{
    uint64_t now = weir_now_ns();

    if (now - d->read_at < READ_EVERY_NS)
        return;
    d->read_at = now;
    if (drain(d, 0) == -ENOBUFS)
        weir_netdev_query(d);
}

int weir_netdev_open(struct weir_netdev *d, const char *name, struct weir_error *e)
{
    struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    socklen_t len = sizeof addr;
    char shown[IF_NAMESIZE];
    int err;

    memset(d, 0, sizeof *d);
    weir_printable(shown, sizeof shown, name, strlen(name));
    d->nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (d->nl < 0 || bind(d->nl, (const struct sockaddr *)&addr, sizeof addr) ||
        getsockname(d->nl, (struct sockaddr *)&addr, &len)) {
        err = -errno;
        weir_netdev_close(d);
        return weir_fail(e, err, "wire-netlink",
                         "follow the state of interface %s\nrtnetlink socket: %s\n"
                         "a sandbox may forbid AF_NETLINK (systemd: RestrictAddressFamilies=)",
                         shown, strerror(-err));
    }
    d->port = addr.nl_pid;
    strncpy(d->name, name, sizeof d->name - 1);
    err = weir_netdev_query(d);
    if (err) {
        weir_netdev_close(d);
        if (err != -ENODEV)
            return weir_fail(e, err, "wire-netlink", "look up interface %s\nrtnetlink: %s", shown,
                             strerror(-err));
        return weir_fail(e, err, "wire-no-interface",
                         "look up interface %s\nthere is no such interface in this network "
                         "namespace\n`ip link` lists those that there are",
                         shown);
    }
    d->changes = 0;
    return 0;
}

void weir_netdev_close(struct weir_netdev *d)
{
    if (d->nl >= 0)
        close(d->nl);
    d->nl = -1;
}
