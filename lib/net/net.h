/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of packet pools and ports.
 */
#ifndef WEIR_NET_NET_H
#define WEIR_NET_NET_H

#include "lib/core/instance.h"
#include "lib/device/user.h"
#include <pthread.h>
#include <weir/driver/driver.h>
#include <weir/driver/pktcache.h>

/*
 * A pool: buffers in the arena, metadata in private memory, and a stack of the packets that no
 * cache has. The stack is touched under the lock, in bulk.
 */
struct weir_pktpool {
    struct weir_object object;
    struct weir_arena *arena;
    struct weir_dma *pieces; /* the buffers */
    unsigned n_pieces;
    char *name;
    uint32_t packets, data_room;
    unsigned high; /* of its caches */
    struct weir_pkt *meta;
    pthread_mutex_t lock;
    struct weir_pkt **stack;
    uint32_t available;
    struct cache *caches; /* list, so that weir_free() leaves none behind */
};

struct weir_port {
    struct weir_user user; /* first */
    struct weir *weir;
    struct weir_device *device;
    const struct weir_driver *driver;
    const struct weir_net_ops *ops;
    struct weir_net net;
    uint8_t rss_key[WEIR_RSS_KEY_LEN];
    bool opened;           /* the driver's open() succeeded */
    bool started;          /* the driver's start() succeeded, its stop() was not called yet */
    bool restart;          /* recovery is to start it */
    struct weir_watch irq; /* eventfd of vector 0; fd -1 until asked for */
    enum weir_irq_index irq_kind;
    struct weir_link link; /* as told last */
    struct weir_port_stats stats;
    uint64_t no_buffer, bad_descriptor; /* of all queues, at the last reset of the statistics */
};

/* Fill out from opt: defaults put in, everything checked against what the driver can. */
int weir_port_resolve(const struct weir_net_limits *limits, const char *driver,
                      const struct weir_port_options *opt, struct weir_port_options *out,
                      struct weir_error *e);

/* Compare the link with what was told last; post an event if it changed. */
void weir_port_check_link(struct weir_port *p);
/* Let go of the interrupt. */
void weir_port_irq_release(struct weir_port *p);

/* What bursts of a stopped or lost port do: nothing. */
unsigned weir_rx_burst_none(struct weir_rxq *q, struct weir_pkt **pkts, unsigned n);
unsigned weir_tx_burst_none(struct weir_txq *q, struct weir_pkt **pkts, unsigned n);
/* Make all bursts do nothing; any thread. */
void weir_port_silence(struct weir_port *p);

/* Caches of the queues that use their own. */
int weir_port_make_caches(struct weir_port *p, struct weir_error *e);
void weir_port_spill_caches(struct weir_port *p);
void weir_port_free_caches(struct weir_port *p);

static inline struct weir_rxq_base *weir_rxq_base(const struct weir_rxq *q)
{
    return (struct weir_rxq_base *)(uintptr_t)q; /* pub is the first member */
}

static inline struct weir_txq_base *weir_txq_base(const struct weir_txq *q)
{
    return (struct weir_txq_base *)(uintptr_t)q;
}

#endif
