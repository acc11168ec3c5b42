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

#define CMD                                                                                        \
    ((uint64_t)X540_DTYP_DATA << 20 | (uint64_t)1 << 29 /* DEXT */ | (uint64_t)1 << 25 /* IFCS */)
#define EOP ((uint64_t)1 << 24)
#define VLE ((uint64_t)1 << 30)

#define SUMS (WEIR_PKT_TX_L3_SUM | WEIR_PKT_TX_L4_SUM)

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
static inline void release_plain(struct x540_txq *q, uint32_t n)
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

/* The constant part of a data descriptor's second half. */
static inline uint64_t tx_cmd(uint32_t tx)
{
    uint64_t cmd = CMD | EOP;

    if (tx & WEIR_PKT_TX_VLAN)
        cmd |= VLE;
    if (tx & WEIR_PKT_TX_L3_SUM)
        cmd |= (uint64_t)1 << (32 + 8); /* POPTS.IXSM */
    if (tx & WEIR_PKT_TX_L4_SUM)
        cmd |= (uint64_t)1 << (32 + 9); /* POPTS.TXSM */
    return cmd;
}

/* The flags of a packet that a context depends on. */
static inline uint32_t context_flags(uint32_t flags)
{
    return flags & (WEIR_PKT_TX_ALL | (flags & WEIR_PKT_TX_L4_SUM ? X540_TX_PROTOCOLS : 0));
}

static inline uint32_t context_headers(const struct weir_pkt *p)
{
    return p->flags & SUMS ? p->l2_len | (uint32_t)p->l3_len << 8 : 14;
}

static inline uint16_t context_tag(const struct weir_pkt *p)
{
    return p->flags & WEIR_PKT_TX_VLAN ? p->vlan : 0;
}

/* Does the device's context say what this packet wants? */
static inline bool context_fits(const struct x540_txq *q, const struct weir_pkt *p)
{
    return q->context == context_flags(p->flags) && q->headers == context_headers(p) &&
           q->tag == context_tag(p);
}

/* 7.2, advanced context descriptor: what packets after it want, until the next one. */
static void put_context(struct x540_txq *q, const struct weir_pkt *p)
{
    uint32_t flags = context_flags(p->flags), headers = context_headers(p);
    uint32_t lens = 0, type = 0;

    lens = weir_field_set(lens, X540_CTXD_IPLEN, headers >> 8);
    lens = weir_field_set(lens, X540_CTXD_MACLEN, headers & 0xff);
    lens = weir_field_set(lens, X540_CTXD_VLAN, context_tag(p));
    type = weir_field_set(type, X540_TXD_DTYP, X540_DTYP_CONTEXT) | X540_TXD_CMD_DEXT;
    if (flags & (WEIR_PKT_IPV4 | WEIR_PKT_TX_L3_SUM))
        type |= X540_CTXD_TUCMD_IPV4;
    type = weir_field_set(type, X540_CTXD_TUCMD_L4T,
                          flags & WEIR_PKT_TCP   ? X540_L4T_TCP
                          : flags & WEIR_PKT_UDP ? X540_L4T_UDP
                                                 : X540_L4T_NONE);
    put(q, lens, type, NULL);
    q->odd = X540_MARK_ODD;
    q->context = flags;
    q->headers = headers;
    q->tag = context_tag(p);
}

/* Expect more packets like this one. */
static __attribute__((noinline)) void set_alike(struct x540_txq *q, uint32_t tx)
{
    struct x540_tx_alike *a = &q->alike;
    uint32_t flags = tx ? q->context : 0;
    uint32_t mask = WEIR_PKT_TX_ALL | (tx & WEIR_PKT_TX_L4_SUM ? X540_TX_PROTOCOLS : 0);
    uint64_t mask2 = 0, want2 = 0;

    if (tx & SUMS) {
        mask2 |= 0xffff;
        want2 |= q->headers;
    }
    if (tx & WEIR_PKT_TX_VLAN) {
        mask2 |= (uint64_t)0xffff << 32;
        want2 |= (uint64_t)q->tag << 32;
    }
    q->alike_tx = tx;
    a->mask1 = (x540_vec){~0ull, mask | ~0ull << 32};
    a->want1 = (x540_vec){(uint64_t)(uintptr_t)q->pool, flags};
    a->mask2 = (x540_vec){mask2, 0xffffull << 32};
    a->want2 = (x540_vec){want2, 0x0101ull << 32}; /* n_segs, refs */
    a->cmd = (x540_vec){0, tx_cmd(tx)};
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
 * Packets of one buffer to which nothing is to be done, up to the first that is something else, to
 * the ring's end, or to where a completion is asked for. Returns how many.
 */
static uint32_t put_plain(struct x540_txq *q, struct weir_pkt *const *pkts, uint32_t n)
{
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
        if (__builtin_expect(p->next || p->flags & WEIR_PKT_TX_ALL || p->n_segs != 1 ||
                                 len != p->total || len - MIN_FRAME > most ||
                                 p->off + len > p->room,
                             0))
            break;
        odd |= ((uintptr_t)p->pool ^ (uintptr_t)pool) | (p->refs ^ 1u);
        d[i].qw[0] = weir_le64(p->iova.addr + p->off);
        d[i].qw[1] = weir_le64(CMD + EOP + len + (len << (32 + 14)));
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

/* One packet of any kind. False: there is no room for it. */
static __attribute__((noinline)) bool put_any(struct x540_txq *q, struct weir_pkt *p)
{
    uint32_t capacity = q->count - 1, pad, need, tx = p->flags & WEIR_PKT_TX_ALL;
    bool fresh;
    uint64_t qw1;
    int ret = examine(q, p);

    if (ret < 0) {
        refuse(q, p);
        return true;
    }
    pad = (uint32_t)ret;
    fresh = tx && !context_fits(q, p);
    need = p->n_segs + (uint32_t)fresh;
    if (q->used + need > capacity) {
        x540_tx_reclaim(&q->base.pub);
        if (q->used + need > capacity)
            return false;
    }
    if (fresh)
        put_context(q, p);
    if (fresh || q->alike_tx != tx)
        set_alike(q, tx);
    if (need != 1 || p->pool != q->pool || __atomic_load_n(&p->refs, __ATOMIC_ACQUIRE) != 1)
        q->odd = X540_MARK_ODD;
    qw1 = tx_cmd(tx) | (uint64_t)(p->total + pad) << (32 + 14);
    q->base.stats.packets++;
    q->base.stats.bytes += p->total;
    for (const struct weir_pkt *s = p; s; s = s->next) {
        if (s->next)
            put(q, s->iova.addr + s->off, (qw1 & ~EOP) | s->len, NULL);
        else
            put(q, s->iova.addr + s->off, qw1 | (s->len + pad), p);
    }
    return true;
}

unsigned x540_tx_some(struct x540_txq *q, struct weir_pkt **pkts, unsigned n)
{
    unsigned i = 0;

    while (i < n) {
        uint32_t k = put_plain(q, pkts + i, n - i);
        i += k;
        if (!k) {
            if (!put_any(q, pkts[i]))
                break;
            i++;
        } else if (q->alike_tx) {
            set_alike(q, 0);
        }
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
    q->context = 0;
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
    set_alike(q, 0);
    q->base.pub.burst = simd ? simd->tx_burst : burst_scalar;
}

void x540_txq_drop(struct x540_txq *q)
{
    release(q, q->used);
    q->unmarked = q->first_mark = q->n_marks = q->odd = 0;
}
