/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving (datasheet 7.1). Which packet lies in which descriptor is known from private memory;
 * from a descriptor come lengths and flags alone, each checked. At most the descriptors that the
 * device was given are looked at, so nothing it writes makes a burst loop.
 */
#include "x540.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* weir_pkt's second half is put together in registers and stored 16 bytes at a time. */
_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "descriptors are read as little-endian words");
_Static_assert(offsetof(struct weir_pkt, flags) == 32 && offsetof(struct weir_pkt, len) == 46 &&
                   offsetof(struct weir_pkt, off) == 48 && offsetof(struct weir_pkt, user) == 56,
               "the layout of packet metadata");

/* Bits of the second word of a written-back descriptor, as the device writes it. */
#define DD       ((uint64_t)1)
#define EOP      ((uint64_t)2)
#define RXE      ((uint64_t)1 << 29)
#define L4E      ((uint32_t)1 << 30)
#define IPE      ((uint32_t)1 << 31)
#define RSSTYPES 15u /* RSSTYPE */

/* Flags that have the numbers of the descriptor's bits, or are shifted there together. */
#define TYPES (WEIR_PKT_IPV4 | WEIR_PKT_IPV6 | WEIR_PKT_TCP | WEIR_PKT_UDP | WEIR_PKT_SCTP)
#define SUMS  (WEIR_PKT_L4_OK | WEIR_PKT_L3_OK)
_Static_assert(WEIR_PKT_VLAN == 1u << 3 && WEIR_PKT_L4_OK == 1u << 5 && WEIR_PKT_L3_OK == 1u << 6,
               "VP, L4CS and IPCS of the status are flags");
_Static_assert(WEIR_PKT_IPV4 == X540_PKTTYPE_IPV4 << 4 << 4 &&
                   WEIR_PKT_IPV6 == X540_PKTTYPE_IPV6 << 4 << 4 &&
                   WEIR_PKT_TCP == X540_PKTTYPE_TCP << 4 << 4 &&
                   WEIR_PKT_UDP == X540_PKTTYPE_UDP << 4 << 4 &&
                   WEIR_PKT_SCTP == X540_PKTTYPE_SCTP << 4 << 4,
               "PKTTYPE, shifted by four, is flags");
_Static_assert(WEIR_PKT_L4_OK >> 4 == WEIR_PKT_L4_BAD && WEIR_PKT_L3_OK >> 4 == WEIR_PKT_L3_BAD,
               "right and wrong are four bits apart");

static inline void ring_tail(const struct x540_rxq *q, uint32_t value)
{
    weir_wmb();
    if (q->tail)
        *q->tail = value;
    else
        weir_write32(q->base.net->device, WEIR_REGION_BAR0, q->tail_reg, value);
}

/* Buffers for the empty descriptors, all or some. */
static struct weir_pkt **take(struct x540_rxq *q, uint32_t *n)
{
    static const uint32_t fewer[] = {X540_BATCH, 1};
    struct weir_pkt **p = weir_pktcache_take(q->base.cache, *n);

    for (unsigned i = 0; !p && i < 2; i++) {
        /* Single buffers only for a ring that would run dry otherwise. */
        if (fewer[i] >= *n || (fewer[i] == 1 && q->posted >= X540_BATCH))
            continue;
        *n = fewer[i];
        p = weir_pktcache_take(q->base.cache, *n);
    }
    return p;
}

/* Fill empty descriptors, one write of the tail for all. */
__attribute__((noinline)) void x540_rx_refill(struct x540_rxq *q)
{
    uint32_t n = q->count - 1 - q->posted, want, at = q->next + q->posted;
    struct weir_pkt **p;

    if (at >= q->count)
        at -= q->count;
    if (n > WEIR_PKTCACHE_SIZE / 2)
        n = WEIR_PKTCACHE_SIZE / 2;
    want = n;
    p = take(q, &n);
    if (!p || n < want)
        q->base.no_buffer++;
    if (!p)
        return;
    q->posted += n;
    while (n) {
        /* Up to the ring's end. */
        uint32_t k = q->count - at < n ? q->count - at : n;
        struct x540_rx_desc *d = &q->descs[at], *end = d + k;
        struct weir_pkt **slot = &q->slots[at];
        n -= k;
        at += k;
        /* The second half: no header buffer; and clears DD. */
#define PUT(i)                                                                                     \
    (*(x540_vec *)d[i].qw = (x540_vec){p[i]->iova.addr, 0} + (x540_vec){WEIR_PKT_HEADROOM, 0})
        for (; end - d >= 4; d += 4, slot += 4, p += 4) {
            memcpy(slot, p, 4 * sizeof(*slot));
            PUT(0);
            PUT(1);
            PUT(2);
            PUT(3);
        }
        for (; d < end; d++) {
            PUT(0);
            *slot++ = *p++;
        }
#undef PUT
        if (at == q->count)
            at = 0;
    }
    ring_tail(q, at);
}

/*
 * Metadata of a packet, from its last descriptor. keep: the bits of the status that are flags;
 * rest: what does not depend on the packet, the bytes from off on.
 */
static inline void describe(struct weir_pkt *p, uint64_t qw0, uint64_t qw1, uint32_t keep,
                            uint32_t total, uint64_t len, uint64_t rest)
{
    uint32_t info = (uint32_t)qw0, status = (uint32_t)qw1, flags = status & keep;

    _Static_assert(WEIR_PKT_HASH == RSSTYPES + 1, "a carry out of RSSTYPE is HASH");
    if (__builtin_expect(status & (L4E | IPE), 0)) {
        uint32_t wrong = flags & status >> 25 & SUMS; /* L4E, IPE below L4CS, IPCS */
        flags ^= wrong | wrong >> 4;
    }
    if (__builtin_expect(info & X540_PKTTYPE_ETQF << 4, 0))
        info &= RSSTYPES;
    flags |= (info << 4 & TYPES) | (((info & RSSTYPES) + RSSTYPES) & WEIR_PKT_HASH);
    *(x540_vec *)&p->flags =
        (x540_vec){flags | (uint64_t)total << 32, qw0 >> 32 | qw1 >> 48 << 32 | len << 48};
    *(x540_vec *)&p->off = (x540_vec){rest, 0};
}

static __attribute__((noinline)) void refuse(struct x540_rxq *q, struct weir_pkt *p)
{
    q->base.bad_descriptor++;
    q->base.stats.dropped++;
    weir_pktcache_give(q->base.cache, p);
}

/* Every frame fits one buffer. */
static unsigned some_whole(struct x540_rxq *q, struct weir_pkt **pkts, unsigned n)
{
    /* Copies: as far as the compiler knows, a store to a packet may change the queue. */
    struct x540_rx_desc *descs = q->descs;
    struct weir_pkt **slots = q->slots;
    const uint32_t count = q->count, room = q->room, keep = q->keep;
    const uint64_t rest = q->rest;
    uint32_t at = q->next;
    unsigned seen = 0, got = 0;
    uint64_t bytes = 0;

    if (n > q->posted)
        n = q->posted;
    while (seen < n) {
        struct x540_rx_desc *d = &descs[at];
        uint64_t qw1 = WEIR_READ_ONCE(d->qw[1]), qw0;
        struct weir_pkt *p;
        uint32_t len;

        if (!(qw1 & DD))
            break;
        weir_rmb(); /* the rest of the descriptor and the data are as new as DD */
        qw0 = WEIR_READ_ONCE(d->qw[0]);
        p = slots[at];
        if (++at == count)
            at = 0;
        seen++;
        len = (uint32_t)(qw1 >> 32) & 0xffff;
        if (__builtin_expect((qw1 & (EOP | RXE)) != EOP || len - 1 >= room, 0)) {
            refuse(q, p);
            continue;
        }
        describe(p, qw0, qw1, keep, len, len, rest);
        bytes += len;
        pkts[got++] = p;
    }
    q->next = at;
    q->posted -= seen;
    q->base.stats.packets += got;
    q->base.stats.bytes += bytes;
    return got;
}

/* Give up the packet under way; what comes up to its end is dropped too. */
static __attribute__((noinline)) void refuse_chain(struct x540_rxq *q, bool ended)
{
    refuse(q, q->head);
    q->head = q->last = NULL;
    q->skip = !ended;
}

/* Frames may take several buffers. */
static unsigned some_scattered(struct x540_rxq *q, struct weir_pkt **pkts, unsigned n)
{
    uint32_t at = q->next, room = q->room, posted = q->posted, seen = 0;
    unsigned got = 0;
    uint64_t bytes = 0;

    while (got < n && seen < posted) {
        struct x540_rx_desc *d = &q->descs[at];
        uint64_t qw1 = WEIR_READ_ONCE(d->qw[1]), qw0;
        struct weir_pkt *p;
        uint32_t len;
        bool end;

        if (!(qw1 & DD))
            break;
        weir_rmb();
        qw0 = WEIR_READ_ONCE(d->qw[0]);
        p = q->slots[at];
        if (++at == q->count)
            at = 0;
        seen++;
        end = qw1 & EOP;
        if (__builtin_expect(q->skip, 0)) {
            weir_pktcache_give(q->base.cache, p);
            q->skip = !end;
            continue;
        }
        len = (uint32_t)(qw1 >> 32) & 0xffff;
        if (!q->head) {
            q->head = p;
            q->segs = 1;
            q->total = len;
        } else {
            q->last->next = p;
            q->segs++;
            q->total += len;
        }
        q->last = p;
        p->off = WEIR_PKT_HEADROOM;
        p->len = (uint16_t)len;
        if (__builtin_expect(len - 1 >= room || q->total > q->max_frame || qw1 & RXE ||
                                 (q->segs == WEIR_PKT_MAX_SEGS && !end),
                             0)) {
            refuse_chain(q, end);
            continue;
        }
        if (!end)
            continue;
        p = q->head;
        q->head = NULL;
        describe(p, qw0, qw1, q->keep, q->total, p->len, q->rest + ((uint64_t)(q->segs - 1) << 32));
        bytes += q->total;
        pkts[got++] = p;
    }
    q->next = at;
    q->posted -= seen;
    q->base.stats.packets += got;
    q->base.stats.bytes += bytes;
    return got;
}

unsigned x540_rx_some(struct x540_rxq *q, struct weir_pkt **pkts, unsigned n)
{
    return q->scattered ? some_scattered(q, pkts, n) : some_whole(q, pkts, n);
}

static unsigned burst_scalar(struct weir_rxq *rxq, struct weir_pkt **pkts, unsigned n)
{
    struct x540_rxq *q = (struct x540_rxq *)rxq;
    unsigned got = 0;

    if (WEIR_READ_ONCE(q->descs[q->next].qw[1]) & DD)
        got = x540_rx_some(q, pkts, n);
    if (q->posted <= q->low)
        x540_rx_refill(q);
    return got;
}

static uint32_t max_frame(const struct weir_net *n)
{
    /* Below an MTU of 1500 the MAC still takes standard frames. */
    return (n->opt.mtu > 1500 ? n->opt.mtu : 1500) + X540_L2_EXTRA;
}

bool x540_rx_scattered(const struct weir_net *n)
{
    return max_frame(n) > weir_pktpool_data_room(n->pool);
}

const char *x540_rx_path(const struct weir_net *n)
{
    const struct x540_simd *simd = x540_simd(n->opt.simd_bits);
    bool scattered = x540_rx_scattered(n);

    if (simd)
        return scattered ? simd->rx_scattered : simd->rx;
    return scattered ? "scattered" : "scalar";
}

struct weir_rxq *x540_rxq_new(struct weir_net *n, unsigned index, struct weir_error *e)
{
    struct x540_rxq *q = x540_alloc(sizeof(*q));

    if (!q) {
        weir_fail(e, -ENOMEM, "no-memory", "make a receive queue\nout of memory");
        return NULL;
    }
    q->base.net = n;
    q->base.index = index;
    q->count = n->opt.rx_ring;
    /* The SIMD paths look ahead beyond the end. */
    q->slots = x540_alloc((q->count + X540_AHEAD + 4) * sizeof(*q->slots));
    if (!q->slots) {
        weir_fail(e, -ENOMEM, "no-memory", "make a receive queue\nout of memory");
        x540_rxq_free(&q->base.pub);
        return NULL;
    }
    if (weir_ring_alloc(n->arena, q->count, sizeof(*q->descs), 128, &q->ring, e)) {
        x540_rxq_free(&q->base.pub);
        return NULL;
    }
    q->descs = q->ring.mem.va;
    q->tail_reg = x540_rxq(X540_RDT, index);
    return &q->base.pub;
}

void x540_rxq_free(struct weir_rxq *rxq)
{
    struct x540_rxq *q = (struct x540_rxq *)rxq;

    if (!q)
        return;
    weir_ring_free(&q->ring);
    free(q->slots);
    free(q);
}

/* 4.6.7: the queue's registers. It is enabled last, by the caller. */
void x540_rxq_program(struct x540 *x, struct x540_rxq *q)
{
    const struct weir_net *n = x->net;
    uint32_t i = q->base.index, srrctl = 0, batch;
    uint64_t iova = q->ring.mem.iova.addr;

    q->room = weir_pktpool_data_room(n->pool);
    q->max_frame = max_frame(n);
    q->keep = SUMS | (n->opt.vlan_strip ? WEIR_PKT_VLAN : 0u);
    q->scattered = x540_rx_scattered(n);
    q->tail = x540_doorbell(x, q->tail_reg);
    /* A doorbell that is a message costs microseconds: ring it less. */
    batch = q->tail ? X540_BATCH : q->count / 4;
    if (batch > 4 * X540_BATCH)
        batch = 4 * X540_BATCH;
    if (batch < X540_BATCH)
        batch = X540_BATCH;
    q->low = q->count - 1 - batch;
    q->rest = WEIR_PKT_HEADROOM | (uint64_t)(WEIR_PKT_HEADROOM + q->room) << 16 | 1ull << 32 |
              1ull << 40 | (uint64_t)i << 48;
    q->next = q->posted = 0;
    q->skip = false;
    memset(q->descs, 0, q->ring.mem.len);

    x540_write(x, x540_rxq(X540_RDBAL, i), (uint32_t)iova);
    x540_write(x, x540_rxq(X540_RDBAH, i), (uint32_t)(iova >> 32));
    x540_write(x, x540_rxq(X540_RDLEN, i), q->count * (uint32_t)sizeof(*q->descs));
    srrctl = weir_field_set(srrctl, X540_SRRCTL_BSIZEPACKET, q->room / X540_SRRCTL_PACKET_UNIT);
    srrctl = weir_field_set(srrctl, X540_SRRCTL_DESCTYPE, X540_DESCTYPE_ADV_ONE_BUFFER);
    if (n->opt.rx_queues > 1)
        srrctl |= X540_SRRCTL_DROP_EN; /* a full queue must not hold up the others */
    x540_write(x, x540_rxq(X540_SRRCTL, i), srrctl);
    x540_write(x, x540_rxq(X540_RSCCTL, i), 0);
    /* Write-backs must not overtake the data they speak of. */
    x540_write(x, x540_rxq(X540_DCA_RXCTRL, i), X540_DCA_RXCTRL_DESC_RRO_EN);
    x540_write(x, x540_rxq(X540_RDT, i), 0);
}

void x540_rxq_start(struct x540_rxq *q)
{
    const struct x540_simd *simd;

    /* Several times, as a take gives half a cache at most; fewer than all buffers will do. */
    for (uint32_t before = ~0u; q->posted < q->count - 1 && q->posted != before;) {
        before = q->posted;
        x540_rx_refill(q);
    }
    if (q->posted < q->count - 1)
        weir_log(q->base.net->weir, WEIR_LOG_WARNING, "x540",
                 "receive queue %u starts with %u of %u buffers: the pool is empty", q->base.index,
                 q->posted, q->count - 1);
    simd = x540_simd(q->base.net->opt.simd_bits);
    q->base.pub.burst = simd ? simd->rx_burst : burst_scalar;
}

void x540_rxq_drop(struct x540_rxq *q)
{
    if (q->head)
        weir_pkt_free(q->base.cache, q->head);
    q->head = q->last = NULL;
    while (q->posted) {
        weir_pktcache_give(q->base.cache, q->slots[q->next]);
        q->posted--;
        if (++q->next == q->count)
            q->next = 0;
    }
}
