/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Writing a driver: what it declares and what a port gives it.
 *
 * A driver is a `struct weir_driver` registered by an explicit call; it may live outside the tree
 * and needs nothing but public headers. This interface is versioned with the library, not stable.
 *
 * A network driver's life: open() allocates queues and rings; start() resets and initialises the
 * device from any state, fills the rings and sets each queue's burst; stop() quiesces it and takes
 * every buffer back, also after a start() that failed; close() frees. After a lost device came
 * back, start() is called again. While a port is stopped, and from the moment its device is lost,
 * the bursts are the port's own and do nothing.
 *
 * A DMA device's driver has the same life: open(), start(), stop(), close(), start() again after a
 * loss. In between copy() begins copies and poll() ends them.
 *
 * @code
 * static const struct weir_pci_id ids[] = {{0x8086, 0x1528}, {0, 0}};
 * const struct weir_driver my_driver = {
 *     .name = "mine", .ids = ids, .device_class = WEIR_CLASS_NET, .net = &my_net_ops};
 * weir_driver_register(w, &my_driver, &err);
 * @endcode
 */
#ifndef WEIR_DRIVER_DRIVER_H
#define WEIR_DRIVER_DRIVER_H

#include <weir/device.h>
#include <weir/driver/regs.h>
#include <weir/error.h>
#include <weir/pkt.h>
#include <weir/port.h>
#include <weir/weir.h>

WEIR_BEGIN_DECLS

struct weir_net;

struct weir_pci_id {
    uint16_t vendor, device;
};

enum weir_device_class { WEIR_CLASS_NET, WEIR_CLASS_DMA, WEIR_CLASS_BLK };

/** What a network device can do; the port checks options against it before open(). */
struct weir_net_limits {
    unsigned max_rx_queues, max_tx_queues;
    unsigned min_ring, max_ring, ring_multiple;
    uint32_t min_mtu, max_mtu;
    uint32_t data_room_multiple; /**< buffers must hold a multiple of this many bytes */
    uint32_t min_data_room, max_data_room;
    unsigned reta_size;
};

/** A network driver. Calls that may fail return 0 or -errno with @a e filled. */
struct weir_net_ops {
    struct weir_net_limits limits;
    int (*open)(struct weir_net *n, struct weir_error *e);
    void (*close)(struct weir_net *n);
    int (*start)(struct weir_net *n, struct weir_error *e);
    /** Must succeed in taking buffers back even from a lost or hung device. */
    void (*stop)(struct weir_net *n);
    void (*link)(struct weir_net *n, struct weir_link *out);
    /** Runs in weir_events() when an eventfd from weir_net_irq() fired: acknowledge and re-arm. The
     *  port then compares the link. */
    void (*irq)(struct weir_net *n);
    int (*set_promiscuous)(struct weir_net *n, bool on, struct weir_error *e);
    int (*set_mac)(struct weir_net *n, const uint8_t mac[6], struct weir_error *e);
    int (*set_rss)(struct weir_net *n, const uint8_t *key, const uint8_t *reta,
                   struct weir_error *e);
    /** Add what the device counted since the last call to @a sum. */
    void (*stats)(struct weir_net *n, struct weir_port_stats *sum);
};

/** What a driver and its port share. Made by the port before open(). */
struct weir_net {
    struct weir *weir;
    struct weir_port *port;
    struct weir_device *device;
    struct weir_arena *arena;     /**< for rings */
    struct weir_pktpool *pool;    /**< for receive buffers */
    struct weir_port_options opt; /**< complete: no zero stands for a default any more; follows
                                       set_promiscuous and set_mac */
    struct weir_rxq **rxq;        /**< opt.rx_queues pointers, filled by open() */
    struct weir_txq **txq;
    uint8_t mac[6];                /**< filled by open(): the address in use */
    const char *rx_path, *tx_path; /**< filled by open(); static strings */
    void *priv;                    /**< the driver's */
};

/** First member of a driver's receive queue. */
struct weir_rxq_base {
    struct weir_rxq pub;
    struct weir_pktcache *cache;        /**< set by the port before start() */
    struct weir_queue_stats stats;      /**< written by the burst alone */
    uint64_t no_buffer, bad_descriptor; /**< see struct weir_port_stats */
    struct weir_net *net;
    unsigned index;
    bool own_cache;
};

/** First member of a driver's transmit queue. */
struct weir_txq_base {
    struct weir_txq pub;
    unsigned (*reclaim)(struct weir_txq *q); /**< weir_txq_reclaim() */
    struct weir_pktcache *cache;
    struct weir_queue_stats stats;
    uint32_t max_frame; /**< longest frame without CRC, set by the driver */
    uint32_t can;       /**< WEIR_PKT_TX_* that it does, set by the driver; the rest is refused */
    struct weir_net *net;
    unsigned index;
    bool own_cache;
};

/** Ask for an interrupt vector whose eventfd wakes weir_events(), which calls ops->irq(). The port
 *  owns the eventfd and calls weir_device_irq_set() for vector 0 of MSI-X, MSI or INTx, whichever
 * the device has. @return 0, or -ENOTSUP when the device has no interrupts */
int weir_net_irq(struct weir_net *n, struct weir_error *e);

struct weir_copier;

/** What a DMA device can do; the channel checks copies against it before the driver sees them. */
struct weir_dma_limits {
    unsigned iova_bits; /**< width of the addresses it puts on the bus */
    uint32_t max_len;   /**< most bytes of one copy */
    uint32_t align;     /**< of addresses and lengths, a power of two; 1: any will do */
    unsigned in_flight; /**< copies that the driver takes before the first is done */
};

/** One copy, within the limits; source and destination do not overlap. */
struct weir_copy {
    weir_iova_t dst, src;
    uint32_t len;
};

/** A driver of a DMA device. The channel keeps the queue, and turns bus mastering off when it is
 *  done with the device or the device with it. */
struct weir_dma_ops {
    struct weir_dma_limits limits;
    /** Allocate; say if this is no such device. */
    int (*open)(struct weir_copier *c, struct weir_error *e);
    void (*close)(struct weir_copier *c);
    /** From any state to ready, nothing in flight; turns bus mastering on. */
    int (*start)(struct weir_copier *c, struct weir_error *e);
    /** Forget what is in flight, even of a lost or hung device. */
    void (*stop)(struct weir_copier *c);
    /** Begin a copy: only if fewer than in_flight are under way. */
    void (*copy)(struct weir_copier *c, const struct weir_copy *copy);
    /** Do what is due; called only while a copy is under way. Copies end in the order they were
     *  begun.
     *  @return how many did well since the last call, or -errno: the oldest failed */
    int (*poll)(struct weir_copier *c);
    /** Acknowledge the interrupt in the device. */
    void (*irq)(struct weir_copier *c);
};

/** What a driver of a DMA device and its channel share. Made by the channel before open(). */
struct weir_copier {
    struct weir *weir;
    struct weir_device *device;
    bool interrupt;    /**< copies are to raise vector 0 as poll() gets something to do */
    uint64_t progress; /**< the driver counts here parts of copies that were done: a device that
                            does none of anything for too long is given up */
    void *priv;        /**< the driver's */
};

struct weir_driver {
    const char *name;
    const struct weir_pci_id *ids; /**< ended by {0, 0} */
    enum weir_device_class device_class;
    const struct weir_net_ops *net;    /**< for WEIR_CLASS_NET */
    const struct weir_dma_ops *dma;    /**< for WEIR_CLASS_DMA */
    const struct weir_reg_table *regs; /**< registers of BAR 0, for `weir regs`; may be NULL */
};

/** Add a driver to an instance; later ones are asked first. The struct must outlive it. */
int weir_driver_register(struct weir *w, const struct weir_driver *driver, struct weir_error *e);

/** Registered driver number @a n, counted from the one asked first; NULL past the last. */
const struct weir_driver *weir_driver_at(const struct weir *w, unsigned n);

/** Write a line to the instance's log, printf-style. @a part: who speaks, e.g. "x540". */
void weir_log(struct weir *w, enum weir_log_level level, const char *part, const char *fmt, ...)
    WEIR_PRINTF(4, 5);

WEIR_END_DECLS

#endif
