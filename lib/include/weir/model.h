/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Device models: software devices, run in this process or served to others.
 *
 * A model is described by a spec, `NAME?key=value&key=value`:
 *
 * | spec | is |
 * |---|---|
 * | `x540?wire=loopback` | an X540 whose transmitted frames come back |
 * | `x540?wire=cable:c0` | one end of a cable; this instance's other `cable:c0` is the other |
 * | `x540?wire=tap:tap0` | on a TAP interface, made if there is none |
 * | `x540?wire=packet:veth1` | on an existing interface, by AF_PACKET |
 * | `x540?wire=packet:veth1,gro` | adjacent TCP segments of a flow go to the kernel joined |
 * | `x540?wire=pcap:in=a.pcap,out=b.pcap` | frames from one capture file, to another |
 * | `x540?wire=gen:size=60,rate=14.88M` | generated frames at a pace; what is sent is counted |
 *
 * Each takes `iotlb=` too, see weir_model_iotlb().
 *
 * Opening the device `model:SPEC` makes the model and a device on it in one go. Register accesses
 * only latch state; a model does DMA, moves frames and raises interrupts in weir_model_step()
 * alone, which somebody must call: the application (weir_models_step()), a thread it lends, or a
 * server's loop.
 *
 * @code
 * struct weir_model *m = weir_model_new(w, "x540?wire=tap:tap0", &err);
 * struct weir_server *s = weir_server_new(m, "/run/x540.sock", &err);
 * while (!stop)
 *     weir_server_run(s, 1000, &err);   // sleeps while there is nothing to do
 * weir_server_free(s);
 * weir_model_free(m);
 * @endcode
 *
 * Threads: weir_model_step() may run in another thread than the one that uses the device.
 */
#ifndef WEIR_MODEL_H
#define WEIR_MODEL_H

#include <weir/types.h>

WEIR_BEGIN_DECLS

struct weir_server;

/** Make a model from a spec. -ENOENT ("model-name") lists the registered models; -EINVAL
 *  ("model-param") names the key. */
struct weir_model *weir_model_new(struct weir *w, const char *spec, struct weir_error *e);

/** Free a model that neither a device nor a server uses. NULL is fine. */
void weir_model_free(struct weir_model *m);

/**
 * Let the model work: fetch descriptors, move frames, write back, raise interrupts.
 * @param budget about how many frames at most in each direction
 * @return frames moved; 0 when there was nothing to do
 */
unsigned weir_model_step(struct weir_model *m, unsigned budget);

/** weir_model_step() on every model of the instance that no server runs. @return sum */
unsigned weir_models_step(struct weir *w, unsigned budget);

/** Plug the cable in or pull it. Pulled, the wire loses what is sent and delivers nothing. */
void weir_model_set_link(struct weir_model *m, bool up);

/**
 * What the wire and the DMA checker counted.
 *
 * A kernel interface counts a super-frame as one packet, and knows nothing of padding. Of the
 * interface behind a tap or packet wire, what came in is rx_frames - rx_super_frames + rx_super
 * packets and rx_bytes - rx_pad_bytes - rx_super_bytes bytes, if nothing was dropped; what went out
 * is tx_frames - tx_dropped - tx_super_frames + tx_super packets and tx_bytes - tx_dropped_bytes -
 * tx_super_bytes bytes.
 */
struct weir_model_stats {
    uint64_t rx_frames,
        rx_bytes; /**< frames the wire delivered to the model, padded, without CRC */
    uint64_t tx_frames, tx_bytes; /**< frames the model gave to the wire, padded, without CRC */
    uint64_t rx_pad_bytes;        /**< bytes added to frames shorter than 60 */
    uint64_t rx_super;            /**< super-frames received from the kernel and cut into frames */
    uint64_t rx_super_frames;     /**< frames that came out of them */
    uint64_t rx_super_bytes;      /**< header bytes that cutting added */
    uint64_t rx_dropped;          /**< lost before the model saw them (kernel queue, paced wire) */
    uint64_t tx_super; /**< super-frames that adjacent frames were joined to (option "gro") */
    uint64_t tx_super_frames; /**< frames that went into them */
    uint64_t tx_super_bytes;  /**< header bytes that joining saved */
    uint64_t tx_dropped;      /**< of tx_frames: refused by what is behind the wire, or link down */
    uint64_t tx_dropped_bytes; /**< of tx_bytes: theirs */
    uint64_t gen_good;    /**< gen wire with "verify": frames that came back as they were sent */
    uint64_t gen_missing; /**< sequence numbers skipped */
    uint64_t gen_late;    /**< frames that came late or twice */
    uint64_t gen_bad;     /**< damaged frames, and frames that are not the generator's */
    uint64_t dma_faults;  /**< accesses the software IOMMU refused */
};

void weir_model_stats(struct weir_model *m, struct weir_model_stats *out);

#define WEIR_IOTLB_PAGES  8  /**< page sizes that an IOTLB model has at most */
#define WEIR_IOTLB_QUEUES 64 /**< queues that are counted one by one; others only in the total */

/** Translations, by page size. Each miss is a walk of the page table. */
struct weir_iotlb_count {
    const char *queue; /**< "rx", "tx", ...; static; NULL: of no queue */
    unsigned queue_index;
    uint64_t hits[WEIR_IOTLB_PAGES], misses[WEIR_IOTLB_PAGES];
    uint64_t reads; /**< page-table entries that the walks read */
};

/** What the software IOMMU's translation cache counted; see weir_model_iotlb(). */
struct weir_iotlb_stats {
    unsigned entries, ways;
    unsigned n_pages;
    uint64_t page[WEIR_IOTLB_PAGES];   /**< page sizes, ascending */
    uint64_t leaves[WEIR_IOTLB_PAGES]; /**< of the page table, now: what is mapped */
    struct weir_iotlb_count total;
    unsigned n_queues;
    struct weir_iotlb_count queue[WEIR_IOTLB_QUEUES]; /**< in the order of their first access */
};

/**
 * The counters of the IOTLB, if the model's spec asked for one with `iotlb=`: `on`, a number of
 * entries, or `entries=64,ways=4,pages=4K+2M+1G,bits=48`. It is a cache of the software IOMMU that
 * only counts: what is translated and refused does not depend on it. An access counts once for each
 * page that it touches. Devices that share an address space share it; the first one's is used.
 *
 * The default, 64 entries, is what Neugebauer et al., "Understanding PCIe performance for end host
 * networking" (SIGCOMM 2018), infer for Intel Xeons from where throughput falls. Replacement is
 * least recently used and the default fully associative, which vendors do not publish.
 * @return false if there is none
 */
bool weir_model_iotlb(struct weir_model *m, struct weir_iotlb_stats *out);

/** A refused access. */
struct weir_dma_fault {
    uint64_t iova, len;
    bool write;
    const char *reason;   /**< "unmapped", "read-only", "write-only", "freed"; static */
    const char *queue;    /**< what the model was doing, e.g. "rx"; static; NULL if not a queue */
    unsigned queue_index; /**< which queue */
    unsigned descriptor;  /**< which descriptor */
    char mapping[64];     /**< name of the mapping that is or was there; may be empty */
};

/** The last fault. @return false if there was none. Also logged as a warning when it happens. */
bool weir_model_last_fault(struct weir_model *m, struct weir_dma_fault *out);

/**
 * Serve a model over vfio-user on a UNIX socket. One client at a time; a further one is refused
 * with EBUSY; when the client goes, the model is reset and the next may come. A stale socket file
 * that nobody listens on is replaced.
 */
struct weir_server *weir_server_new(struct weir_model *m, const char *path, struct weir_error *e);

/** Disconnect the client and remove the socket. The model stays. NULL is fine. */
void weir_server_free(struct weir_server *s);

/**
 * Serve messages and step the model; sleep while there is nothing to do, at most @a timeout_ms
 * (-1: for ever), or until weir_server_wake().
 * @return 0, or -errno when the server cannot go on
 */
int weir_server_run(struct weir_server *s, int timeout_ms, struct weir_error *e);

/** Make weir_server_run() return soon. Any thread, and signal handlers. */
void weir_server_wake(struct weir_server *s);

WEIR_END_DECLS

#endif
