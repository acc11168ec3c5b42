/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Ports: a network device and its queues.
 *
 * @code
 * struct weir_port *port = weir_port_open(w, "vfio-user:/run/x540.sock",
 *     &(struct weir_port_options){.size = sizeof(struct weir_port_options), .pool = pool}, &err);
 * weir_port_start(port, &err);
 * struct weir_rxq *rx = weir_port_rxq(port, 0);
 * struct weir_txq *tx = weir_port_txq(port, 0);
 * struct weir_pkt *pkts[32];
 * unsigned n = weir_rx_burst(rx, pkts, 32);
 * unsigned sent = weir_tx_burst(tx, pkts, n);
 * @endcode
 *
 * Threads: a queue belongs to one thread at a time, and different queues of a port may be used at
 * once. Everything else follows the instance's rule. weir_port_stop(), weir_port_recover() and
 * weir_port_close() require that no thread is inside a burst of that port.
 */
#ifndef WEIR_PORT_H
#define WEIR_PORT_H

#include <weir/types.h>

WEIR_BEGIN_DECLS

/** Length of the RSS key, bytes. */
#define WEIR_RSS_KEY_LEN 40

struct weir_port_options {
    size_t size; /**< sizeof(struct weir_port_options) */
    /** Receive buffers, and the arena for rings. Required. As many packets as all rings have
     *  descriptors, plus what the application holds, and a quarter more for caches. */
    struct weir_pktpool *pool;
    unsigned rx_queues, tx_queues; /**< default 1 */
    unsigned rx_ring,
        tx_ring;      /**< descriptors in each; default 512. The driver says what it can. */
    uint32_t mtu;     /**< default 1500; above what a buffer holds, packets are chained */
    bool promiscuous; /**< receive frames for other addresses too */
    bool all_multicast;
    bool vlan_strip;        /**< take VLAN tags out of received frames into weir_pkt.vlan */
    uint8_t mac[6];         /**< address to use; all zero: the device's own */
    const uint8_t *rss_key; /**< WEIR_RSS_KEY_LEN bytes; NULL: the Microsoft key */
    unsigned link_wait_ms;  /**< how long weir_port_start() waits for the link; default 0, no
                                 wait: it comes as an event */
    unsigned simd_bits;     /**< widest vector registers the data path may use: 128, 256 or 512;
                                 default 0: what pays on this CPU; 1: none. For comparisons. */
};

/**
 * Open the device called @a name, find the driver that claims it, map the pool's arena for it and
 * configure it. Started with weir_port_start().
 *
 * Fails with the device's errors; -ENODEV ("no-driver") naming vendor and device when no registered
 * driver claims it; -EINVAL for options the device refuses ("port-queues", "port-ring",
 * "port-mtu"), naming the limits.
 */
struct weir_port *weir_port_open(struct weir *w, const char *name,
                                 const struct weir_port_options *opt, struct weir_error *e);

/** As weir_port_open() on a device the caller opened; the port takes it over. */
struct weir_port *weir_port_new(struct weir_device *d, const struct weir_port_options *opt,
                                struct weir_error *e);

/** Stop, quiesce and close, the device too. NULL is fine. */
void weir_port_close(struct weir_port *p);

/** Start receiving and sending. */
int weir_port_start(struct weir_port *p, struct weir_error *e);

/** Stop all queues; buffers go back to the pool. May be started again. */
int weir_port_stop(struct weir_port *p, struct weir_error *e);

/** After WEIR_EVENT_REQUEST: stop, and give the device back to the host; see weir_device_release().
 *  When it returns weir_port_recover() starts the port again, if it was started. */
int weir_port_release(struct weir_port *p, struct weir_error *e);

/** May be called again when it failed after the device was open: it goes on from there.
 *
 *  After WEIR_EVENT_RETURNED: reopen the device and set the port up as it was, started if it was.
 *  Queue pointers stay valid; packets in flight at the loss are back in their pool. */
int weir_port_recover(struct weir_port *p, struct weir_error *e);

struct weir_port_info {
    const char *device;  /**< name of the device */
    const char *driver;  /**< "x540" */
    const char *rx_path; /**< which receive path was chosen: "scalar", "scattered", "avx2",
                              "avx2 scattered", ... */
    const char *tx_path; /**< which transmit path: "scalar", "avx2", ... */
    unsigned rx_queues, tx_queues, rx_ring, tx_ring;
    unsigned max_rx_queues, max_tx_queues;
    uint32_t mtu, max_mtu;
    uint8_t mac[6];
    bool promiscuous, started, lost;
};

void weir_port_info(const struct weir_port *p, struct weir_port_info *info);

/** The device below. */
struct weir_device *weir_port_device(const struct weir_port *p);

struct weir_link {
    bool up;
    unsigned mbps; /**< 0 when down */
    bool full_duplex;
};

/** The link now. A lost device's link is down. */
void weir_port_link(struct weir_port *p, struct weir_link *link);

/** Receive everything, or only what is addressed to the port. */
int weir_port_set_promiscuous(struct weir_port *p, bool on, struct weir_error *e);

/** Change the address. Multicast and all-zero are -EINVAL. */
int weir_port_set_mac(struct weir_port *p, const uint8_t mac[6], struct weir_error *e);

/** Set RSS key and redirection table while running; NULL leaves one as it is.
 *  @param reta queue numbers; @a n_reta must be the device's table size */
int weir_port_set_rss(struct weir_port *p, const uint8_t *key, const uint8_t *reta, unsigned n_reta,
                      struct weir_error *e);

/** Counters since opening or the last reset. Bytes are of frames without CRC. */
struct weir_port_stats {
    uint64_t rx_packets, rx_bytes; /**< good frames received by the device */
    uint64_t tx_packets, tx_bytes; /**< good frames sent */
    uint64_t rx_missed;            /**< dropped by the device for want of descriptors */
    uint64_t rx_errors;            /**< frames with errors (CRC, length) */
    uint64_t rx_no_buffer;         /**< times the pool had no buffer to refill with */
    uint64_t rx_bad_descriptor;    /**< completions refused for nonsense in them */
};

/** Read the counters. Exact once traffic has stopped. A lost device gives the last values read.
 *  Devices count in 32 bits: at 10 Gb/s ask at least every four minutes, or a wrap goes unseen. */
int weir_port_stats(struct weir_port *p, struct weir_port_stats *out, struct weir_error *e);

int weir_port_stats_reset(struct weir_port *p, struct weir_error *e);

/** Software counters of one queue, kept by its bursts. */
struct weir_queue_stats {
    uint64_t packets, bytes;
    uint64_t dropped; /**< received completions refused, or packets refused for sending */
};

/** Receive queue @a n, or NULL if there is none. */
struct weir_rxq *weir_port_rxq(struct weir_port *p, unsigned n);

/** Transmit queue @a n, or NULL if there is none. */
struct weir_txq *weir_port_txq(struct weir_port *p, unsigned n);

/** Let a queue use @a cache for its buffers, shared with whatever else the same thread does.
 *  By default a queue has a cache of its own. Only while the port is stopped. */
int weir_rxq_set_cache(struct weir_rxq *q, struct weir_pktcache *cache, struct weir_error *e);
int weir_txq_set_cache(struct weir_txq *q, struct weir_pktcache *cache, struct weir_error *e);

void weir_rxq_stats(const struct weir_rxq *q, struct weir_queue_stats *out);
void weir_txq_stats(const struct weir_txq *q, struct weir_queue_stats *out);

/** Only the first member is public: a burst is one indirect call. */
struct weir_rxq {
    unsigned (*burst)(struct weir_rxq *q, struct weir_pkt **pkts, unsigned n);
};

struct weir_txq {
    unsigned (*burst)(struct weir_txq *q, struct weir_pkt **pkts, unsigned n);
};

/** Receive up to @a n packets. They are the caller's. @return how many, 0 when there are none */
static inline unsigned weir_rx_burst(struct weir_rxq *q, struct weir_pkt **pkts, unsigned n)
{
    return q->burst(q, pkts, n);
}

/**
 * Queue up to @a n packets for sending. Those taken belong to the queue, the rest stay the
 * caller's. A packet longer than the MTU allows, or a broken chain, is freed, counted in the
 * queue's statistics as dropped, and counts as taken.
 * @return how many were taken; fewer than @a n when the ring is full
 */
static inline unsigned weir_tx_burst(struct weir_txq *q, struct weir_pkt **pkts, unsigned n)
{
    return q->burst(q, pkts, n);
}

/**
 * Say why weir_tx_burst() would refuse a packet: longer than the MTU allows ("tx-too-long"),
 * shorter than a header, a chain that is too long or whose lengths do not add up ("tx-chain").
 */
int weir_tx_check(const struct weir_txq *q, const struct weir_pkt *pkt, struct weir_error *e);

/** Hand sent buffers back to their cache now instead of when the ring next needs room. */
unsigned weir_txq_reclaim(struct weir_txq *q);

WEIR_END_DECLS

#endif
