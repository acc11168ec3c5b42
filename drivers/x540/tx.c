/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sending (datasheet 7.2). A completion is asked for (RS) every X540_BATCH descriptors and at the
 * end of a burst; of what the device writes back, DD in those descriptors is all that is looked at,
 * in the order they were submitted.
 */
#include "x540.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Shorter frames must not be given to the device; they are padded here. */
#define MIN_FRAME X540_MIN_FRAME

/* Pieces of metadata are read 8 or 2 bytes at a time. */
_Static_assert(offsetof(struct weir_pkt, vlan) == offsetof(struct weir_pkt, hash) + 4 &&
                   offsetof(struct weir_pkt, refs) == offsetof(struct weir_pkt, n_segs) + 1,
               "the layout of packet metadata");

#define CMD                                                                                        \
    ((uint64_t)X540_DTYP_DATA << 20 | (uint64_t)1 << 29 /* DEXT */ | (uint64_t)1 << 25 /* IFCS */)
#define EOP ((uint64_t)1 << 24)
#define VLE ((uint64_t)1 << 30)

#define SUMS      (WEIR_PKT_TX_L3_SUM | WEIR_PKT_TX_L4_SUM)
#define PROTOCOLS (WEIR_PKT_IPV4 | WEIR_PKT_TCP | WEIR_PKT_UDP) /* the kind of L4 checksum */

static void ring_tail(const struct x540_txq *q, uint32_t value)
{
    weir_wmb();
    if (q->tail)
        *q->tail = value;
    else
        weir_write32(q->base.net->device, WEIR_REGION_BAR0, q->tail_reg, value);
}

static inline uint32_t oldest(const struct x540_txq *q)
{
    return q->next >= q->used ? q->next - q->used : q->next + q->count - q->used;
}

/* Free packets of the oldest n descriptors, whatever they are. */
static __attribute__((noinline)) void release(struct x540_txq *q, uint32_t n)
{
    uint32_t at = oldest(q);

    q->used -= n;
    while (n--) {
        struct weir_pkt *p = q->slots[at];
        if (p)
            weir_pktcache_give(q->base.cache, p);
        if (++at == q->count)
            at = 0;
    }
}

/* The same of descriptors that hold a plain packet of the cache's pool each. */
static __attribute__((noinline)) void release_plain(struct x540_txq *q, uint32_t n)
{
    while (n) {
        uint32_t at = oldest(q), k = n < X540_BATCH ? n : X540_BATCH;
        if (k > q->count - at)
            k = q->count - at;
        weir_pktcache_give_bulk(q->base.cache, &q->slots[at], k);
        q->used -= k;
        n -= k;
    }
}

unsigned x540_tx_reclaim(struct weir_txq *txq)
{
    struct x540_txq *q = (struct x540_txq *)txq;
    uint32_t from = oldest(q), plain = 0, done = 0;

    while (q->n_marks) {
        uint32_t mark = q->marks[q->first_mark], at = mark & ~X540_MARK_ODD;
        uint32_t n = (at >= from ? at - from : at + q->count - from) + 1;

        if (!(weir_le32(WEIR_READ_ONCE(q->descs[at].wb.status)) & X540_TXD_STA_DD))
            break;
        if (++q->first_mark == q->count)
            q->first_mark = 0;
        q->n_marks--;
        done += n;
        from = at + 1 == q->count ? 0 : at + 1;
        if (mark & X540_MARK_ODD) {
            release_plain(q, plain);
            plain = 0;
            release(q, n);
        } else {
            plain += n;
        }
    }
    release_plain(q, plain);
    return done;
}

void x540_tx_ring(struct x540_txq *q)
{
    if (q->unmarked)
        x540_tx_mark(q);
    ring_tail(q, q->next);
}

static inline void put(struct x540_txq *q, uint64_t qw0, uint64_t qw1, struct weir_pkt *ends)
{
    struct x540_tx_desc *d = &q->descs[q->next];

    d->qw[0] = weir_le64(qw0);
    d->qw[1] = weir_le64(qw1);
    q->slots[q->next] = ends;
    if (++q->next == q->count)
        q->next = 0;
    q->used++;
    q->unmarked++;
}

/* ---- Offloads ---- */

/* 8 bytes of a packet's metadata. */
static inline uint64_t word(const void *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

/* Does a packet want what those do? */
static inline bool wants(const struct weir_pkt *p, const struct x540_tx_alike *a)
{
    return !(((p->flags & (uint32_t)a->mask1[1]) ^ (uint32_t)a->want1[1]) |
             ((word(&p->hash) & a->mask2[0]) ^ a->want2[0]));
}

/* Which of alike a packet is like in that; X540_ALIKE: none. */
static inline unsigned find(const struct x540_txq *q, const struct weir_pkt *p)
{
    unsigned i = 0;

    while (i < X540_ALIKE && !wants(p, &q->alike[i]))
        i++;
    return i;
}

static inline void set_like(struct x540_txq *q, unsigned like)
{
    q->like = like;
    if (like)
        q->recent = like;
}

/* Number i of alike are packets that want what p does; none: NULL. */
static __attribute__((cold)) void set_alike(struct x540_txq *q, unsigned i,
                                            const struct weir_pkt *p)
{
    struct x540_tx_alike *a = &q->alike[i];
    uint32_t flags = p ? p->flags : 0, mask = WEIR_PKT_TX_ALL, least = MIN_FRAME;
    uint64_t cmd = CMD | EOP, mask2 = 0;

    if (flags & WEIR_PKT_TX_VLAN) {
        cmd |= VLE;
        mask2 |= (uint64_t)0xffff << 32;
    }
    if (flags & SUMS) {
        mask2 |= 0xffff;
        least = (uint32_t)p->l2_len + p->l3_len;
    }
    if (flags & WEIR_PKT_TX_L3_SUM)
        cmd |= (uint64_t)X540_TXD_POPTS_IXSM << 32;
    if (flags & WEIR_PKT_TX_L4_SUM) {
        cmd |= (uint64_t)X540_TXD_POPTS_TXSM << 32;
        mask |= PROTOCOLS;
        least += flags & WEIR_PKT_TCP ? 20 : 8;
    }
    if (i)
        cmd |= (uint64_t)weir_field_set(0, X540_TXD_IDX, i - 1) << 32;
    a->mask1 = (x540_vec){~0ull, mask | ~0ull << 32};
    a->want1 = (x540_vec){(uint64_t)(uintptr_t)q->pool, flags & mask};
    a->mask2 = (x540_vec){mask2, 0xffffull << 32};
    a->want2 = (x540_vec){p ? word(&p->hash) & mask2 : 0, 0x0101ull << 32}; /* n_segs, refs */
    a->cmd = (x540_vec){0, cmd};
    a->least = (x540_vec){0, least};
}

/* 7.2, advanced context descriptor: what packets with its number want, until the next one. */
static __attribute__((cold)) void put_context(struct x540_txq *q, unsigned number,
                                              const struct weir_pkt *p)
{
    uint32_t lens = 0, type = 0, flags = p->flags;

    lens = weir_field_set(lens, X540_CTXD_IPLEN, flags & SUMS ? p->l3_len : 0);
    lens = weir_field_set(lens, X540_CTXD_MACLEN, flags & SUMS ? p->l2_len : 14);
    lens = weir_field_set(lens, X540_CTXD_VLAN, flags & WEIR_PKT_TX_VLAN ? p->vlan : 0);
    type = weir_field_set(type, X540_TXD_DTYP, X540_DTYP_CONTEXT) | X540_TXD_CMD_DEXT;
    if (flags & (WEIR_PKT_IPV4 | WEIR_PKT_TX_L3_SUM))
        type |= X540_CTXD_TUCMD_IPV4;
    type = weir_field_set(type, X540_CTXD_TUCMD_L4T,
                          !(flags & WEIR_PKT_TX_L4_SUM) ? X540_L4T_NONE
                          : flags & WEIR_PKT_TCP        ? X540_L4T_TCP
                                                        : X540_L4T_UDP);
    put(q, lens, type | (uint64_t)weir_field_set(0, X540_CTXD_IDX, number) << 32, NULL);
    q->odd = X540_MARK_ODD;
}

/* ---- Packets ---- */

/*
 * What is not a plain packet: chains, which are checked whole, runts, and what must be refused.
 * Returns the bytes of its last descriptor beyond len (padding), or -1 to refuse.
 */
static __attribute__((noinline)) int examine(struct x540_txq *q, struct weir_pkt *p)
{
    struct weir_pkt *last = p;
    uint32_t pad;

    if (weir_tx_check(&q->base.pub, p, NULL))
        return -1;
    if (p->total >= MIN_FRAME)
        return 0;
    while (last->next)
        last = last->next;
    pad = MIN_FRAME - p->total;
    if (weir_pkt_tailroom(last) < pad)
        return -1;
    memset(weir_pkt_data(last) + last->len, 0, pad);
    return (int)pad;
}

static __attribute__((noinline)) void refuse(struct x540_txq *q, struct weir_pkt *p)
{
    q->base.stats.dropped++;
    weir_pkt_free(q->base.cache, p);
}

/*
 * Packets of one buffer that are like one of alike, up to the first that is something else, to the
 * ring's end, or to where a completion is asked for. Returns how many. plain: they want nothing.
 */
static inline __attribute__((always_inline)) uint32_t
put_run(struct x540_txq *q, struct weir_pkt *const *pkts, uint32_t n, bool plain)
{
    const struct x540_tx_alike *a = &q->alike[q->like];
    const uint32_t at = q->next, most = q->base.max_frame - MIN_FRAME;
    struct x540_tx_desc *d = &q->descs[at];
    struct weir_pkt **slot = &q->slots[at];
    const struct weir_pktpool *pool = q->pool;
    uint64_t odd = 0, bytes = 0;
    uint32_t i;

    if (n > q->count - at)
        n = q->count - at;
    if (n > q->count - 1 - q->used)
        n = q->count - 1 - q->used;
    if (n > X540_BATCH - q->unmarked)
        n = X540_BATCH - q->unmarked;
    for (i = 0; i < n; i++) {
        struct weir_pkt *p = pkts[i];
        uint64_t len = p->len;
        uint16_t alone; /* n_segs, refs */
        if (plain ? (p->flags & WEIR_PKT_TX_ALL) != 0 : !wants(p, a)) {
            unsigned like = plain ? X540_ALIKE : find(q, p);
            if (like == X540_ALIKE)
                break;
            set_like(q, like);
            a = &q->alike[like];
        }
        memcpy(&alone, &p->n_segs, sizeof(alone));
        if (__builtin_expect(p->next || alone != 0x0101 || len != p->total ||
                                 len - MIN_FRAME > most || p->off + len > p->room ||
                                 (!plain && len < a->least[1]),
                             0))
            break;
        odd |= (uintptr_t)p->pool ^ (uintptr_t)pool;
        d[i].qw[0] = weir_le64(p->iova.addr + p->off);
        d[i].qw[1] = weir_le64((plain ? CMD + EOP : a->cmd[1]) + len + (len << (32 + 14)));
        slot[i] = p;
        bytes += len;
    }
    if (odd)
        q->odd = X540_MARK_ODD;
    q->next = at + i == q->count ? 0 : at + i;
    q->used += i;
    q->unmarked += i;
    q->base.stats.packets += i;
    q->base.stats.bytes += bytes;
    return i;
}

static __attribute__((noinline)) uint32_t put_plain(struct x540_txq *q,
                                                    struct weir_pkt *const *pkts, uint32_t n)
{
    return put_run(q, pkts, n, true);
}

static __attribute__((noinline)) uint32_t put_alike(struct x540_txq *q,
                                                    struct weir_pkt *const *pkts, uint32_t n)
{
    return put_run(q, pkts, n, false);
}

/* One packet of any kind. False: there is no room for it. */
static __attribute__((noinline)) bool put_any(struct x540_txq *q, struct weir_pkt *p)
{
    uint32_t capacity = q->count - 1, pad, need;
    unsigned like;
    uint64_t qw1;
    int ret = examine(q, p);

    if (ret < 0) {
        refuse(q, p);
        return true;
    }
    pad = (uint32_t)ret;
    like = find(q, p);
    need = p->n_segs + (uint32_t)(like == X540_ALIKE);
    if (q->used + need > capacity) {
        x540_tx_reclaim(&q->base.pub);
        if (q->used + need > capacity)
            return false;
    }
    if (like == X540_ALIKE) {
        like = 3 - q->recent; /* the other context */
        put_context(q, like - 1, p);
        set_alike(q, like, p);
    }
    set_like(q, like);
    if (need != 1 || p->pool != q->pool || __atomic_load_n(&p->refs, __ATOMIC_ACQUIRE) != 1)
        q->odd = X540_MARK_ODD;
    qw1 = q->alike[like].cmd[1] | (uint64_t)(p->total + pad) << (32 + 14);
    q->base.stats.packets++;
    q->base.stats.bytes += p->total;
    for (const struct weir_pkt *s = p; s; s = s->next)
        put(q, s->iova.addr + s->off, s->next ? (qw1 & ~EOP) | s->len : qw1 | (s->len + pad),
            s->next ? NULL : p);
    return true;
}

unsigned x540_tx_some(struct x540_txq *q, struct weir_pkt **pkts, unsigned n)
{
    unsigned i = 0;

    while (i < n) {
        uint32_t k = q->like ? 0 : put_plain(q, pkts + i, n - i);
        if (!k)
            k = put_alike(q, pkts + i, n - i);
        if (!k) {
            if (!put_any(q, pkts[i]))
                break;
            k = 1;
        }
        i += k;
        if (q->unmarked >= X540_BATCH)
            x540_tx_mark(q);
    }
    return i;
}

static unsigned burst_scalar(struct weir_txq *txq, struct weir_pkt **pkts, unsigned n)
{
    struct x540_txq *q = (struct x540_txq *)txq;
    uint32_t start = q->next;

    if (q->used >= X540_BATCH)
        x540_tx_reclaim(txq);
    n = x540_tx_some(q, pkts, n);
    if (q->next != start)
        x540_tx_ring(q);
    return n;
}

const char *x540_tx_path(const struct weir_net *n)
{
    const struct x540_simd *simd = x540_simd(n->opt.simd_bits);

    return simd ? simd->tx : "scalar";
}

struct weir_txq *x540_txq_new(struct weir_net *n, unsigned index, struct weir_error *e)
{
    struct x540_txq *q = x540_alloc(sizeof(*q));

    if (!q) {
        weir_fail(e, -ENOMEM, "no-memory", "make a transmit queue\nout of memory");
        return NULL;
    }
    q->base.net = n;
    q->base.index = index;
    q->base.reclaim = x540_tx_reclaim;
    q->base.max_frame = n->opt.mtu + X540_L2_EXTRA;
    q->base.can = WEIR_PKT_TX_ALL;
    q->count = n->opt.tx_ring;
    q->slots = x540_alloc(q->count * sizeof(*q->slots));
    q->marks = x540_alloc(q->count * sizeof(*q->marks));
    if (!q->slots || !q->marks) {
        weir_fail(e, -ENOMEM, "no-memory", "make a transmit queue\nout of memory");
        x540_txq_free(&q->base.pub);
        return NULL;
    }
    if (weir_ring_alloc(n->arena, q->count, sizeof(*q->descs), 128, &q->ring, e)) {
        x540_txq_free(&q->base.pub);
        return NULL;
    }
    q->descs = q->ring.mem.va;
    q->tail_reg = x540_txq(X540_TDT, index);
    return &q->base.pub;
}

void x540_txq_free(struct weir_txq *txq)
{
    struct x540_txq *q = (struct x540_txq *)txq;

    if (!q)
        return;
    weir_ring_free(&q->ring);
    free(q->marks);
    free(q->slots);
    free(q);
}

/* 4.6.8: the queue's registers. It is enabled last, by the caller. */
void x540_txq_program(struct x540 *x, struct x540_txq *q)
{
    uint32_t i = q->base.index, txdctl = 0;
    uint64_t iova = q->ring.mem.iova.addr;

    q->tail = x540_doorbell(x, q->tail_reg);
    q->next = q->used = q->unmarked = q->first_mark = q->n_marks = q->odd = 0;
    memset(q->descs, 0, q->ring.mem.len);

    x540_write(x, x540_txq(X540_TDBAL, i), (uint32_t)iova);
    x540_write(x, x540_txq(X540_TDBAH, i), (uint32_t)(iova >> 32));
    x540_write(x, x540_txq(X540_TDLEN, i), q->count * (uint32_t)sizeof(*q->descs));
    x540_write(x, x540_txq(X540_TDWBAL, i), 0); /* completions in the descriptors */
    x540_write(x, x540_txq(X540_DCA_TXCTRL, i), X540_DCA_TXCTRL_DESC_RRO_EN);
    x540_write(x, x540_txq(X540_TDT, i), 0);
    /* Fetch ahead when fewer than 36 are on chip and 8 can be had. WTHRESH above 0 would want RS
     * in every descriptor. */
    txdctl = weir_field_set(txdctl, X540_TXDCTL_PTHRESH, 36);
    txdctl = weir_field_set(txdctl, X540_TXDCTL_HTHRESH, 8);
    x540_write(x, x540_txq(X540_TXDCTL, i), txdctl);
}

void x540_txq_start(struct x540_txq *q)
{
    const struct x540_simd *simd = x540_simd(q->base.net->opt.simd_bits);

    q->pool = q->base.cache->pool;
    q->room = (uint16_t)(WEIR_PKT_HEADROOM + weir_pktpool_data_room(q->pool));
    /* The device has no context yet: no packet is like that. */
    memset(q->alike, 0, sizeof(q->alike));
    q->alike[1].want1[1] = q->alike[2].want1[1] = 1;
    set_alike(q, 0, NULL);
    q->like = 0;
    q->recent = 2;
    q->base.pub.burst = simd ? simd->tx_burst : burst_scalar;
}

void x540_txq_drop(struct x540_txq *q)
{
    release(q, q->used);
    q->unmarked = q->first_mark = q->n_marks = q->odd = 0;
}
