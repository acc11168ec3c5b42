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
#define MIN_FRAME 17u

#define CMD                                                                                        \
    ((uint64_t)X540_DTYP_DATA << 20 | (uint64_t)1 << 29 /* DEXT */ | (uint64_t)1 << 25 /* IFCS */)
#define EOP ((uint64_t)1 << 24)
#define RS  ((uint64_t)1 << 27)

static inline void ring_tail(const struct x540_txq *q, uint32_t value)
{
    weir_wmb();
    if (q->tail)
        *q->tail = value;
    else
        weir_write32(q->base.net->device, WEIR_REGION_BAR0, q->tail_reg, value);
}

/* Free packets of the oldest n descriptors. */
static void release(struct x540_txq *q, uint32_t n)
{
    uint32_t at = q->next >= q->used ? q->next - q->used : q->next + q->count - q->used;

    q->used -= n;
    while (n--) {
        struct weir_pkt *p = q->slots[at];
        if (p)
            weir_pktcache_give(q->base.cache, p);
        if (++at == q->count)
            at = 0;
    }
}

unsigned x540_tx_reclaim(struct weir_txq *txq)
{
    struct x540_txq *q = (struct x540_txq *)txq;
    unsigned done = 0;

    while (q->n_marks) {
        uint32_t oldest = q->next >= q->used ? q->next - q->used : q->next + q->count - q->used;
        uint32_t mark = q->marks[q->first_mark];
        uint32_t n = (mark >= oldest ? mark - oldest : mark + q->count - oldest) + 1;

        if (!(weir_le32(WEIR_READ_ONCE(q->descs[mark].wb.status)) & X540_TXD_STA_DD))
            break;
        if (++q->first_mark == q->count)
            q->first_mark = 0;
        q->n_marks--;
        release(q, n);
        done += n;
    }
    return done;
}

/* Write one descriptor. Returns its second word, for asking a completion afterwards. */
static inline uint64_t put(struct x540_txq *q, uint64_t iova, uint32_t len, uint32_t total,
                           uint64_t cmd, struct weir_pkt *ends)
{
    struct x540_tx_desc *d = &q->descs[q->next];
    uint64_t qw1 = len | CMD | cmd | (uint64_t)total << (32 + 14);

    d->qw[0] = weir_le64(iova);
    d->qw[1] = weir_le64(qw1);
    q->slots[q->next] = ends;
    if (++q->next == q->count)
        q->next = 0;
    return qw1;
}

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

/* One frame that takes the whole pipeline from one buffer? */
static inline bool is_plain(const struct x540_txq *q, const struct weir_pkt *p)
{
    return !p->next && p->n_segs == 1 && p->len == p->total &&
           p->total - MIN_FRAME <= q->base.max_frame - MIN_FRAME &&
           (uint32_t)p->off + p->len <= p->room;
}

static inline void mark(struct x540_txq *q, uint32_t at)
{
    uint32_t i = q->first_mark + q->n_marks;

    q->marks[i >= q->count ? i - q->count : i] = (uint16_t)at;
    q->n_marks++;
    q->unmarked = 0;
}

static unsigned burst(struct weir_txq *txq, struct weir_pkt **pkts, unsigned n)
{
    struct x540_txq *q = (struct x540_txq *)txq;
    uint32_t capacity = q->count - 1;
    uint64_t bytes = 0, last = 0;
    unsigned i, sent = 0;

    if (q->used >= 2 * X540_BATCH)
        x540_tx_reclaim(txq);
    for (i = 0; i < n; i++) {
        struct weir_pkt *p = pkts[i];
        uint32_t pad = 0, segs = 1;
        uint64_t rs;

        if (__builtin_expect(!is_plain(q, p), 0)) {
            int ret = examine(q, p);
            if (ret < 0) {
                refuse(q, p);
                continue;
            }
            pad = (uint32_t)ret;
            segs = p->n_segs;
        }
        if (__builtin_expect(q->used + segs > capacity, 0)) {
            x540_tx_reclaim(txq);
            if (q->used + segs > capacity)
                break;
        }
        q->used += segs;
        q->unmarked += segs;
        rs = q->unmarked >= X540_BATCH ? RS : 0;
        if (__builtin_expect(segs == 1, 1)) {
            last = put(q, p->iova.addr + p->off, p->len + pad, p->total + pad, EOP | rs, p);
        } else {
            const struct weir_pkt *s = p;
            for (; s->next; s = s->next)
                put(q, s->iova.addr + s->off, s->len, p->total + pad, 0, NULL);
            last = put(q, s->iova.addr + s->off, s->len + pad, p->total + pad, EOP | rs, p);
        }
        if (rs)
            mark(q, (q->next ? q->next : q->count) - 1);
        bytes += p->total;
        sent++;
    }
    if (!sent)
        return i;
    if (q->unmarked) {
        uint32_t at = (q->next ? q->next : q->count) - 1;
        q->descs[at].qw[1] = weir_le64(last | RS);
        mark(q, at);
    }
    q->base.stats.packets += sent;
    q->base.stats.bytes += bytes;
    ring_tail(q, q->next);
    return i;
}

struct weir_txq *x540_txq_new(struct weir_net *n, unsigned index, struct weir_error *e)
{
    struct x540_txq *q = aligned_alloc(WEIR_CACHE_LINE, sizeof(*q));

    if (!q) {
        weir_fail(e, -ENOMEM, "no-memory", "make a transmit queue\nout of memory");
        return NULL;
    }
    memset(q, 0, sizeof(*q));
    q->base.net = n;
    q->base.index = index;
    q->base.reclaim = x540_tx_reclaim;
    q->base.max_frame = n->opt.mtu + X540_L2_EXTRA;
    q->count = n->opt.tx_ring;
    q->slots = calloc(q->count, sizeof(*q->slots));
    q->marks = calloc(q->count, sizeof(*q->marks));
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
    q->next = q->used = q->unmarked = q->first_mark = q->n_marks = 0;
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
    q->base.pub.burst = burst;
}

void x540_txq_drop(struct x540_txq *q)
{
    release(q, q->used);
    q->unmarked = q->first_mark = q->n_marks = 0;
}
