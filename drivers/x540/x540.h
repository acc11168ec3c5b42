/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The X540 driver's own state. "4.6.7" and the like are sections of the Intel Ethernet Controller
 * X540 Datasheet (order 333168).
 */
#ifndef WEIR_DRIVERS_X540_X540_H
#define WEIR_DRIVERS_X540_X540_H

#include "hw/x540/desc.h"
#include "hw/x540/regs.h"
#include <weir/driver/driver.h>
#include <weir/driver/pktcache.h>
#include <weir/driver/ring.h>
#include <weir/io.h>

#define X540_RETA_SIZE 128

/* Header, VLAN tag. The MTU counts neither; the CRC is the device's. */
#define X540_L2_EXTRA 18

/* Shorter frames are padded before the device is given them (7.2, PAYLEN). */
#define X540_MIN_FRAME 17u

/* Refill receive rings and ask for transmit completions in groups of this many. */
#define X540_BATCH 32

/* Receiving, the metadata of the packet so many places on is asked for. */
#define X540_AHEAD 8

/* Constants of the SIMD paths, one lane each; and the scalar paths'. */
typedef uint64_t x540_vec __attribute__((vector_size(16), may_alias));

struct x540_rxq {
    struct weir_rxq_base base; /* first */

    struct x540_rx_desc *descs __attribute__((aligned(WEIR_CACHE_LINE)));
    struct weir_pkt **slots; /* which packet is in which descriptor */
    uint32_t count;          /* descriptors */
    uint32_t next;           /* where the device completes next */
    uint32_t posted;         /* descriptors from next on that the device owns */
    uint32_t low;            /* refill when no more than this many are posted */
    uint32_t room;           /* bytes the device may write to a buffer */
    uint32_t keep;           /* bits of a descriptor's status that are flags of the packet */
    volatile uint32_t *tail; /* doorbell, or NULL: weir_write32() */
    uint64_t rest;           /* a packet's metadata from off on, with one segment */

    /* The scattered path: a packet whose end has not arrived. */
    struct weir_pkt *head, *last;
    uint32_t segs, total;
    uint32_t max_frame;
    bool skip; /* dropping up to the end of a bad one */
    bool scattered;

    uint32_t tail_reg;
    struct weir_ring ring;
};

/* What packets have in common that want the same of the device. */
struct x540_tx_alike {
    x540_vec mask1, want1; /* of weir_pkt: pool, flags, total */
    x540_vec mask2, want2; /* hash or header lengths, vlan, len, off, room, n_segs, refs, queue */
    x540_vec cmd;          /* second half of a descriptor, less lengths */
    x540_vec least;        /* second half: bytes that a packet has at least */
};

/* Nothing; and what the device's two contexts say. */
#define X540_ALIKE 3

struct x540_txq {
    struct weir_txq_base base; /* first */

    struct x540_tx_desc *descs __attribute__((aligned(WEIR_CACHE_LINE)));
    struct weir_pkt **slots; /* the packet that ends in a descriptor, else NULL */
    uint32_t *marks;         /* descriptors whose completion was asked for, oldest at first_mark */
    uint32_t count;          /* descriptors */
    uint32_t next;           /* to be written next */
    uint32_t used;           /* written and not reclaimed, ending at next */
    uint32_t unmarked;       /* written since completion was asked for last */
    uint32_t first_mark, n_marks;
    uint32_t odd;    /* X540_MARK_ODD if what is unmarked has to be looked at when reclaimed */
    uint32_t like;   /* which of alike the last packet was like */
    uint32_t recent; /* which of the contexts' was used last */
    uint16_t room;   /* off + len of a packet of the cache's pool is at most this */
    volatile uint32_t *tail;
    struct weir_pktpool *pool; /* of the queue's cache */

    struct x540_tx_alike alike[X540_ALIKE];

    uint32_t tail_reg;
    struct weir_ring ring;
};

/* In marks: the descriptors up to this one hold something else than one plain packet of the
 * queue's own pool each. */
#define X540_MARK_ODD 0x80000000u

struct x540 {
    struct weir_net *net;
    struct weir_device *device;
    unsigned lan; /* which of the controller's two ports */
    bool fresh;   /* reset and untouched since */
    uint32_t phy; /* MDIO address */
    uint16_t nvm_words;
    uint8_t reta[X540_RETA_SIZE];
    struct weir_port_stats pending; /* counted by the device, not yet asked for by the port */
};

static inline struct x540 *x540_of(const struct weir_net *n)
{
    return n->priv;
}

static inline uint32_t x540_read(const struct x540 *x, uint32_t reg)
{
    return weir_read32(x->device, WEIR_REGION_BAR0, reg);
}

static inline void x540_write(const struct x540 *x, uint32_t reg, uint32_t value)
{
    weir_write32(x->device, WEIR_REGION_BAR0, reg, value);
}

static inline void x540_change(const struct x540 *x, uint32_t reg, uint32_t clear, uint32_t set)
{
    x540_write(x, reg, (x540_read(x, reg) & ~clear) | set);
}

/* The mapped register, or NULL. */
volatile uint32_t *x540_doorbell(const struct x540 *x, uint32_t reg);

/* Read reg until (value & mask) == want, at most about us microseconds. False: it did not come, or
 * the device is lost. */
bool x540_wait(const struct x540 *x, uint32_t reg, uint32_t mask, uint32_t want, uint64_t us);
/* The same, until x540_now_us() says end. */
bool x540_wait_until(const struct x540 *x, uint32_t reg, uint32_t mask, uint32_t want,
                     uint64_t end);
void x540_pause(uint64_t us);
uint64_t x540_now_us(void);

/* Zeroed memory in cache lines of its own, so that no two queues write to one; free(). */
void *x540_alloc(size_t bytes);

/* weir_fail() for a device that was lost in the middle of something; doing says of what. */
int x540_fail_lost(const struct x540 *x, const char *doing, struct weir_error *e);

/* sem.c. mask: X540_SW_FW_SYNC_SW_*. */
int x540_lock(const struct x540 *x, uint32_t mask, struct weir_error *e);
void x540_unlock(const struct x540 *x, uint32_t mask);

/* nvm.c */
int x540_nvm_check(struct x540 *x, struct weir_error *e);

/* phy.c */
int x540_phy_start(struct x540 *x, struct weir_error *e);
void x540_link(struct weir_net *n, struct weir_link *out);

/* reset.c */
int x540_reset(struct x540 *x, struct weir_error *e);
bool x540_master_disable(const struct x540 *x);

/* start.c */
int x540_start(struct weir_net *n, struct weir_error *e);
void x540_stop(struct weir_net *n);

/* filter.c */
void x540_write_mac(const struct x540 *x, const uint8_t mac[6]);
bool x540_read_mac(const struct x540 *x, uint8_t mac[6]);
void x540_write_promiscuous(const struct x540 *x, bool promiscuous, bool all_multicast);
void x540_clear_filters(const struct x540 *x);
void x540_write_rss(const struct x540 *x, const uint8_t *key, const uint8_t *reta);

/* stats.c */
void x540_stats_collect(struct x540 *x);
void x540_stats_clear(struct x540 *x);
void x540_stats(struct weir_net *n, struct weir_port_stats *sum);

/* rx.c */
struct weir_rxq *x540_rxq_new(struct weir_net *n, unsigned index, struct weir_error *e);
void x540_rxq_free(struct weir_rxq *q);
bool x540_rx_scattered(const struct weir_net *n);
void x540_rxq_program(struct x540 *x, struct x540_rxq *q);
void x540_rxq_start(struct x540_rxq *q); /* enabled by now: give it buffers */
void x540_rxq_drop(struct x540_rxq *q);  /* take all buffers back */
const char *x540_rx_path(const struct weir_net *n);
void x540_rx_refill(struct x540_rxq *q);
/* Take up to n completed descriptors, whatever is in them. Returns the packets. */
unsigned x540_rx_some(struct x540_rxq *q, struct weir_pkt **pkts, unsigned n);

/* tx.c */
struct weir_txq *x540_txq_new(struct weir_net *n, unsigned index, struct weir_error *e);
void x540_txq_free(struct weir_txq *q);
void x540_txq_program(struct x540 *x, struct x540_txq *q);
void x540_txq_start(struct x540_txq *q);
const char *x540_tx_path(const struct weir_net *n);
unsigned x540_tx_reclaim(struct weir_txq *q);
/* Write descriptors for up to n packets, whatever they are; fewer when the ring is full. Returns
 * how many were sent or refused. */
unsigned x540_tx_some(struct x540_txq *q, struct weir_pkt **pkts, unsigned n);
/* The end of a burst: ask for its completion, tell the device. */
void x540_tx_ring(struct x540_txq *q);
void x540_txq_drop(struct x540_txq *q);

/* Ask for the completion (RS) of what was written since it was asked for last. */
static inline void x540_tx_mark(struct x540_txq *q)
{
    uint32_t at = (q->next ? q->next : q->count) - 1, i = q->first_mark + q->n_marks;

    q->descs[at].qw[1] |= weir_le64(UINT64_C(1) << 27);
    q->marks[i >= q->count ? i - q->count : i] = at | q->odd;
    q->n_marks++;
    q->unmarked = q->odd = 0;
}

/* simd.c: bursts for this CPU with vectors of at most that many bits, or NULL. */
typedef unsigned x540_rx_fn(struct weir_rxq *q, struct weir_pkt **pkts, unsigned n);
typedef unsigned x540_tx_fn(struct weir_txq *q, struct weir_pkt **pkts, unsigned n);
struct x540_simd {
    const char *rx, *rx_scattered, *tx; /* names */
    x540_rx_fn *rx_burst;
    x540_tx_fn *tx_burst;
};
const struct x540_simd *x540_simd(unsigned bits);

#endif
