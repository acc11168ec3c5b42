/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Packets: one cache line of private metadata for each data buffer in an arena.
 *
 * The metadata array is ordinary memory that no device and no peer process can write; the arena
 * holds packet bytes only. A buffer's IOVA is known from creation. Buffers lie an odd number of
 * cache lines apart, so that headers spread over all cache sets.
 *
 * A pool hands packets out through caches. A cache is an explicit handle that one thread uses
 * without locks; it trades packets with the pool in bulk.
 *
 * @code
 * struct weir_pktpool *pool = weir_pktpool_new(mem, &(struct weir_pktpool_options){
 *     .size = sizeof(struct weir_pktpool_options), .packets = 4096}, &err);
 * struct weir_pktcache *cache = weir_pktcache_new(pool, &err);
 * struct weir_pkt *p = weir_pkt_alloc(cache);
 * if (p) {
 *     memcpy(weir_pkt_data(p), frame, len);
 *     weir_pkt_set_len(p, len);
 *     if (weir_tx_burst(tx, &p, 1) == 0)
 *         weir_pkt_free(cache, p);
 * }
 * @endcode
 */
#ifndef WEIR_PKT_H
#define WEIR_PKT_H

#include <weir/types.h>

WEIR_BEGIN_DECLS

/**
 * What a receiver found out about a packet, and what a sender asks for, in weir_pkt.flags. The
 * numbers of the former are those of the X540's descriptors where it has one: no table look-up.
 */
enum weir_pkt_flags {
    WEIR_PKT_L4_BAD = 1u << 1, /**< TCP/UDP checksum checked and wrong */
    WEIR_PKT_L3_BAD = 1u << 2, /**< IPv4 header checksum checked and wrong */
    WEIR_PKT_VLAN = 1u << 3,   /**< vlan holds a tag that was stripped */
    WEIR_PKT_HASH = 1u << 4,   /**< hash holds the RSS hash */
    WEIR_PKT_L4_OK = 1u << 5,  /**< checked and right */
    WEIR_PKT_L3_OK = 1u << 6,
    WEIR_PKT_IPV4 = 1u << 8,
    WEIR_PKT_IPV6 = 1u << 10,
    WEIR_PKT_TCP = 1u << 12,
    WEIR_PKT_UDP = 1u << 13,
    WEIR_PKT_SCTP = 1u << 14,
    WEIR_PKT_MULTICAST = 1u << 15, /**< to a group address, if the device says so (X540: no) */

    WEIR_PKT_TX_VLAN = 1u << 16,   /**< insert a VLAN tag: vlan */
    WEIR_PKT_TX_L3_SUM = 1u << 17, /**< fill in the IPv4 header checksum: l2_len, l3_len */
    /** Fill in the TCP or UDP checksum: l2_len, l3_len, and of the flags above the one that names
     *  the protocol, WEIR_PKT_TCP or WEIR_PKT_UDP, and WEIR_PKT_IPV4 with an IPv4 header. The
     *  checksum field holds the sum over the pseudo-header, not complemented (weir_pseudo_sum()).
     */
    WEIR_PKT_TX_L4_SUM = 1u << 18,
    WEIR_PKT_TX_ALL = WEIR_PKT_TX_VLAN | WEIR_PKT_TX_L3_SUM | WEIR_PKT_TX_L4_SUM,
};

/**
 * One segment of a packet. Fields that describe the whole packet (total, flags, hash, vlan, n_segs,
 * queue, user) count in the first segment only. Drivers write bytes 32-63 with two 16-byte stores.
 */
struct weir_pkt {
    uint8_t *buf;          /**< start of the buffer; data is at buf + off */
    weir_iova_t iova;      /**< of buf */
    struct weir_pkt *next; /**< following segment, or NULL */
    struct weir_pktpool *pool;

    uint32_t flags; /**< enum weir_pkt_flags */
    uint32_t total; /**< bytes in all segments, without CRC */
    union {
        uint32_t hash; /**< received: RSS hash, if WEIR_PKT_HASH */
        struct {
            uint8_t
                l2_len; /**< to be sent: bytes of the Ethernet header, without an inserted tag */
            uint8_t l3_len; /**< to be sent: bytes of the IP header */
        };
    };
    uint16_t vlan; /**< tag control information, host order, if WEIR_PKT_VLAN or _TX_VLAN */
    uint16_t len;  /**< bytes in this segment */

    uint16_t off;   /**< headroom: bytes of buf before the data */
    uint16_t room;  /**< size of buf */
    uint8_t n_segs; /**< segments in the packet, at least 1 */
    uint8_t refs;   /**< references; the buffer returns to its pool at the last free. Who holds one
                       may add one (__atomic_add_fetch()), in each segment of a chain, and then
                       nobody writes to the packet */
    uint16_t queue; /**< receive queue it came from */
    uint64_t user;  /**< the application's */
} __attribute__((aligned(WEIR_CACHE_LINE)));

/** Headroom of a fresh packet, bytes. */
#define WEIR_PKT_HEADROOM 128

/** Longest chain a packet may be. */
#define WEIR_PKT_MAX_SEGS 32

static inline uint8_t *weir_pkt_data(const struct weir_pkt *p)
{
    return p->buf + p->off;
}

static inline weir_iova_t weir_pkt_iova(const struct weir_pkt *p)
{
    return weir_iova_add(p->iova, p->off);
}

/** Bytes that a single segment can hold behind its headroom. */
static inline uint32_t weir_pkt_tailroom(const struct weir_pkt *p)
{
    return (uint32_t)p->room - p->off - p->len;
}

/** Set the length of a one-segment packet. @a len must fit behind the headroom. */
static inline void weir_pkt_set_len(struct weir_pkt *p, uint16_t len)
{
    p->len = len;
    p->total = len;
}

struct weir_pktpool_options {
    size_t size;        /**< sizeof(struct weir_pktpool_options) */
    const char *name;   /**< for messages; default "pool" */
    uint32_t packets;   /**< number of buffers. Required. */
    uint32_t data_room; /**< bytes of data a buffer holds behind its headroom; default 2048.
                           Multiple of 1024 for the X540 (SRRCTL.BSIZEPACKET); at most 16 KiB */
};

/** Bytes of arena that a pool with these options takes, for sizing one. */
uint64_t weir_pktpool_bytes(const struct weir_pktpool_options *opt);

/**
 * Carve a pool out of an arena. The arena must outlive it.
 * @return NULL with @a e: -ENOSPC if the arena is too small (the need is named), -EINVAL
 */
struct weir_pktpool *weir_pktpool_new(struct weir_arena *a, const struct weir_pktpool_options *opt,
                                      struct weir_error *e);

/** Free a pool. -EBUSY, naming how many, if packets are still out. NULL is fine. */
int weir_pktpool_free(struct weir_pktpool *pool, struct weir_error *e);

struct weir_arena *weir_pktpool_arena(const struct weir_pktpool *pool);

/** Buffers in total, and how many are in the pool now (not in caches, queues or hands). */
void weir_pktpool_count(struct weir_pktpool *pool, uint32_t *total, uint32_t *available);

/** Data room of each buffer, bytes. */
uint32_t weir_pktpool_data_room(const struct weir_pktpool *pool);

/** Make a cache. One thread at a time may use it. Any thread may make one. */
struct weir_pktcache *weir_pktcache_new(struct weir_pktpool *pool, struct weir_error *e);

/** Return its packets to the pool and free it. NULL is fine. */
void weir_pktcache_free(struct weir_pktcache *cache);

/** A fresh one-segment packet (headroom WEIR_PKT_HEADROOM, length 0), or NULL if the pool is empty.
 */
struct weir_pkt *weir_pkt_alloc(struct weir_pktcache *cache);

/** Take @a n fresh packets, all or none. @return @a n or 0 */
unsigned weir_pkt_alloc_bulk(struct weir_pktcache *cache, struct weir_pkt **pkts, unsigned n);

/** Drop a reference to a packet with all its segments. Packets of another pool find their way home.
 */
void weir_pkt_free(struct weir_pktcache *cache, struct weir_pkt *p);

/** weir_pkt_free() for @a n packets. */
void weir_pkt_free_bulk(struct weir_pktcache *cache, struct weir_pkt **pkts, unsigned n);

/** Copy @a len bytes of a possibly chained packet from @a off. @return bytes copied */
uint32_t weir_pkt_read(const struct weir_pkt *p, uint32_t off, void *out, uint32_t len);

/**
 * The sum over an IP packet's pseudo-header, not complemented, in host order: what a checksum field
 * holds, big-endian, when the device is to fill in the checksum (WEIR_PKT_TX_L4_SUM).
 *
 * @param ip its header, IPv4 or IPv6, with 20 or 40 bytes at least
 * @param protocol of the transport header: 6 TCP, 17 UDP
 * @param len bytes of the transport header and what follows it
 */
uint16_t weir_pseudo_sum(const void *ip, uint8_t protocol, uint32_t len);

/**
 * Make a packet, chained as needed, holding a copy of @a len bytes.
 * @return NULL if the pool is empty or the chain would be too long
 */
struct weir_pkt *weir_pkt_from(struct weir_pktcache *cache, const void *data, uint32_t len);

WEIR_END_DECLS

#endif
