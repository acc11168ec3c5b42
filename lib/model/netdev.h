/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of a kernel network interface, followed through rtnetlink: flags, index, MTU, whether
 * it is still there, and its counters.
 */
#ifndef WEIR_MODEL_NETDEV_H
#define WEIR_MODEL_NETDEV_H

#include <linux/if_link.h>
#include <net/if.h>
#include <weir/error.h>

struct weir_netdev {
    int nl; /* polls readable when something changed */
    char name[IF_NAMESIZE];
    int index;      /* 0: gone */
    unsigned flags; /* IFF_* */
    unsigned type;  /* ARPHRD_* */
    uint32_t mtu;
    unsigned changes; /* times the index changed: the interface went, or another of its name came */
    uint64_t read_at;
    uint32_t seq, port;
    struct rtnl_link_stats64 stats; /* as of the last weir_netdev_query() */
};

/* Follow the interface of that name in the network namespace of the caller. -ENODEV ("wire-no-
 * interface") if there is none. */
int weir_netdev_open(struct weir_netdev *d, const char *name, struct weir_error *e);
void weir_netdev_close(struct weir_netdev *d);

/* Take in what changed. Cheap to call often: it looks at most every millisecond. */
void weir_netdev_poll(struct weir_netdev *d);

/* Ask for everything anew. 0 or -errno. */
int weir_netdev_query(struct weir_netdev *d);

#endif
