/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The floor: a bare descriptor loop. It moves buffers between two rings and a stack with what that
 * takes and nothing else: no metadata, no checks of lengths, no chains, no statistics, one pool.
 */
#include "fake.h"
#include "lib/device/backend.h"
#include "hw/x540/regs.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/io.h>

#define STRIDE 2240 /* as a pool has it: an odd number of cache lines */
#define MASK   (RIG_RING - 1)
#define BATCH  32

#define TX_CMD                                                                                     \
    ((uint64_t)X540_DTYP_DATA << 20 | (uint64_t)1 << 29 | (uint64_t)1 << 25 | (uint64_t)1 << 24)
#define RS ((uint64_t)1 << 27)

struct buf {
    uint8_t *data;
    uint64_t iova;
    uint32_t len;
};

struct bare {
    volatile uint32_t *rdt, *tdt;
    struct x540_rx_desc *rx;
    struct x540_tx_desc *tx;
    uint32_t rx_next, rx_empty, tx_next, tx_used, n_free;
    struct buf *rx_slots[RIG_RING], *tx_slots[RIG_RING], *free[RIG_PACKETS];
    struct buf bufs[RIG_PACKETS];
};

/* Descriptors up to the ring's end. */
static inline uint32_t run(uint32_t at, uint32_t n)
{
    return n < RIG_RING - at ? n : RIG_RING - at;
}

static void refill(struct bare *b)
{
    while (b->rx_empty) {
        uint32_t at = (b->rx_next - b->rx_empty) & MASK, n = run(at, b->rx_empty);
        struct buf **from = &b->free[b->n_free - n], **slot = &b->rx_slots[at];
        b->n_free -= n;
        b->rx_empty -= n;
        for (struct x540_rx_desc *d = &b->rx[at], *end = d + n; d < end; d++) {
            struct buf *p = *slot++ = *from++;
            d->qw[0] = p->iova;
            d->qw[1] = 0;
        }
    }
    weir_wmb();
    *b->rdt = (b->rx_next - 1) & MASK;
}

static __attribute__((noinline)) unsigned rx_burst(struct bare *b, struct buf **out, unsigned n)
{
    unsigned got = 0, k;

    while (got < n) {
        uint32_t at = b->rx_next, most = run(at, n - got);
        const struct x540_rx_desc *d = &b->rx[at];
        struct buf **slot = &b->rx_slots[at];
        for (k = 0; k < most; k++, d++) {
            struct buf *p = slot[k];
            uint64_t qw1 = WEIR_READ_ONCE(d->qw[1]);
            if (!(qw1 & 1))
                break;
            p->len = (uint16_t)(qw1 >> 32);
            *out++ = p;
        }
        got += k;
        b->rx_next = (at + k) & MASK;
        if (k < most)
            break;
    }
    b->rx_empty += got;
    if (b->rx_empty >= BATCH)
        refill(b);
    return got;
}

static void reclaim(struct bare *b)
{
    while (b->tx_used >= BATCH) {
        uint32_t from = (b->tx_next - b->tx_used) & ~(BATCH - 1) & MASK;
        if (!(WEIR_READ_ONCE(b->tx[from + BATCH - 1].wb.status) & X540_TXD_STA_DD))
            break;
        memcpy(&b->free[b->n_free], &b->tx_slots[from], BATCH * sizeof(b->free[0]));
        b->n_free += BATCH;
        b->tx_used -= BATCH;
    }
}

static __attribute__((noinline)) unsigned tx_burst(struct bare *b, struct buf **in, unsigned n)
{
    unsigned left = n;

    reclaim(b);
    while (left) {
        uint32_t at = b->tx_next, k = run(at, left);
        struct buf **slot = &b->tx_slots[at];
        for (uint32_t i = 0; i < k; i++) {
            struct buf *p = *slot++ = *in++;
            uint64_t rs = ((at + i) & (BATCH - 1)) == BATCH - 1 ? RS : 0;
            b->tx[at + i].qw[0] = p->iova;
            b->tx[at + i].qw[1] = p->len * ((1ull << 46) + 1) + (TX_CMD | rs);
        }
        left -= k;
        b->tx_used += k;
        b->tx_next = (at + k) & MASK;
    }
    weir_wmb();
    *b->tdt = b->tx_next;
    return n;
}

#define DATA(i) bufs[i]->data

static __attribute__((noinline)) unsigned forward(struct rig_subject *s, unsigned burst,
                                                  enum rig_touch touch)
{
    struct bare *b = s->priv;
    struct buf *bufs[RIG_MAX_BURST];
    unsigned n = rx_burst(b, bufs, RIG_ASK(burst));

    RIG_TOUCH(s, touch, n, DATA);
    return n ? tx_burst(b, bufs, n) : 0;
}

static __attribute__((noinline)) unsigned rx(struct rig_subject *s, unsigned burst,
                                             enum rig_touch touch)
{
    struct bare *b = s->priv;
    struct buf *bufs[RIG_MAX_BURST];
    unsigned n = rx_burst(b, bufs, RIG_ASK(burst));

    RIG_TOUCH(s, touch, n, DATA);
    for (unsigned i = 0; i < n; i++)
        b->free[b->n_free++] = bufs[i];
    return n;
}

static __attribute__((noinline)) unsigned tx(struct rig_subject *s, unsigned burst,
                                             enum rig_touch touch)
{
    struct bare *b = s->priv;
    struct buf *bufs[RIG_MAX_BURST];

    for (unsigned i = 0; i < burst; i++) {
        bufs[i] = b->free[--b->n_free];
        bufs[i]->len = 60;
    }
    RIG_TOUCH(s, touch, burst, DATA);
    return tx_burst(b, bufs, burst);
}

static __attribute__((noinline)) unsigned idle(struct rig_subject *s, unsigned times,
                                               enum rig_touch touch)
{
    struct bare *b = s->priv;
    struct buf *bufs[RIG_MAX_BURST];
    unsigned n = 0;

    (void)touch;
    for (unsigned i = 0; i < times; i++)
        n += rx_burst(b, bufs, 32);
    return n;
}

static unsigned check(struct rig_subject *s, unsigned burst, struct rig_seen *seen)
{
    struct bare *b = s->priv;
    struct buf *bufs[RIG_MAX_BURST];
    unsigned n = rx_burst(b, bufs, RIG_ASK(burst));

    for (unsigned i = 0; i < n; i++)
        seen[i] = (struct rig_seen){.data = bufs[i]->data, .len = bufs[i]->len, .segs = 1};
    return n ? tx_burst(b, bufs, n) : 0;
}

bool floor_subject(unsigned i, struct rig_subject *s, const struct rig_device *d, char version[64],
                   char why[256])
{
    const struct weir_arena_options ao = {.size = sizeof ao,
                                          .bytes = (uint64_t)RIG_PACKETS * STRIDE + (1u << 20)};
    struct fake *f = d->fake;
    static struct bare only __attribute__((aligned(64)));
    struct bare *b = &only;
    struct weir_dma rings, data;
    struct weir_error e = {0};
    struct weir_arena *arena;

    version[0] = why[0] = 0;
    if (i)
        return false;
    arena = weir_arena_new(f->model->weir, &ao, &e);
    if (!arena || weir_dma_alloc(arena, RIG_RING * 32, 4096, &rings, &e) ||
        weir_dma_alloc(arena, (uint64_t)RIG_PACKETS * STRIDE, 64, &data, &e)) {
        snprintf(why, 256, "%.100s: %.150s", e.what, e.why);
        return false;
    }
    b->rx = rings.va;
    b->tx = (struct x540_tx_desc *)(b->rx + RIG_RING);
    for (uint32_t k = 0; k < RIG_PACKETS; k++) {
        b->bufs[k].data = (uint8_t *)data.va + k * STRIDE + 128;
        b->bufs[k].iova = data.iova.addr + k * STRIDE + 128;
        b->free[b->n_free++] = &b->bufs[k];
    }
    b->rx_next = 0;
    b->rx_empty = 0;
    for (uint32_t k = 0; k < RIG_RING - 1; k++) {
        b->rx_slots[k] = b->free[--b->n_free];
        b->rx[k].qw[0] = b->rx_slots[k]->iova;
    }
    b->rx_empty = 1; /* one descriptor stays empty: a full ring is not an empty one */
    /* No driver runs here, so nothing needs registers that behave. */
    fake_mode(f, FAKE_PLAIN);
    f->iova_to_va = (uint64_t)(uintptr_t)rings.va - rings.iova.addr;
    f->rx = b->rx;
    f->tx = b->tx;
    f->rx_count = f->tx_count = RIG_RING;
    f->rx_head = f->tx_head = 0;
    f->rdt = X540_RDT;
    f->tdt = X540_TDT;
    b->rdt = (volatile uint32_t *)(volatile void *)(d->bar + X540_RDT);
    b->tdt = (volatile uint32_t *)(volatile void *)(d->bar + X540_TDT);
    *b->rdt = RIG_RING - 1;
    *b->tdt = 0;
    *s = (struct rig_subject){.driver = "floor",
                              .path = "bare descriptor loop",
                              .fake = f,
                              .priv = b,
                              .forward = forward,
                              .rx = rx,
                              .tx = tx,
                              .idle = idle,
                              .check = check};
    return true;
}
