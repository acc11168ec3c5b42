/* SPDX-License-Identifier: BSD-3-Clause */
/* Ring registers of the receive and transmit queues (8.2.3.8, 8.2.3.9), and reaching descriptors.
 */
#include "xm.h"
#include <errno.h>

/* Offsets within a queue's 64 bytes. */
enum {
    BAL = 0x00,
    BAH = 0x04,
    LEN = 0x08,
    HEAD = 0x10,
    SRRCTL = 0x14,
    TAIL = 0x18,
    DCTL = 0x28,
};

/* Which queue's register an offset is. */
static bool decode(uint32_t off, bool *tx, unsigned *q, unsigned *reg)
{
    *reg = off & 0x3f;
    if (off >= X540_RDBAL && off < X540_RDBAL + 0x40 * 64) {
        *tx = false;
        *q = (off - X540_RDBAL) / 0x40;
    } else if (off >= X540_RDBAL_64 && off < X540_RDBAL_64 + 0x40 * 64) {
        *tx = false;
        *q = 64 + (off - X540_RDBAL_64) / 0x40;
    } else if (off >= X540_TDBAL && off < X540_TDBAL + 0x40 * X540_TX_QUEUES) {
        *tx = true;
        *q = (off - X540_TDBAL) / 0x40;
    } else {
        return false;
    }
    return true;
}

static uint32_t base_reg(bool tx, unsigned q)
{
    return tx ? x540_txq(X540_TDBAL, q) : x540_rxq(X540_RDBAL, q);
}

static struct xm_ring *ring_of(struct xm *x, bool tx, unsigned q)
{
    return tx ? &x->txq[q].ring : &x->rxq[q].ring;
}

static void warn(struct xm *x, struct xm_ring *r, bool tx, unsigned q, const char *what,
                 uint32_t value)
{
    if (r->warned)
        return;
    r->warned = true;
    weir_log(x->weir, WEIR_LOG_WARNING, "x540", "%s queue %u: %s (%u, ring of %u descriptors)",
             tx ? "transmit" : "receive", q, what, value, r->count);
}

/* Take over base and length; the datasheet lets software change them while the queue is off. */
static void set_up(struct xm *x, struct xm_ring *r, bool tx, unsigned q)
{
    uint32_t at = base_reg(tx, q);
    r->base =
        ((uint64_t)weir_xm_get(x, at + BAH) << 32 | weir_xm_get(x, at + BAL)) & ~(uint64_t)0x7f;
    r->count = (weir_xm_get(x, at + LEN) & 0xfff80) / 16;
    r->map_step = 0;
}

static void set_control(struct xm *x, bool tx, unsigned q, uint32_t value)
{
    struct xm_ring *r = ring_of(x, tx, q);
    bool on = value & (tx ? X540_TXDCTL_ENABLE : X540_RXDCTL_ENABLE);

    if (on && !r->enabled) {
        set_up(x, r, tx, q);
        r->stopped = r->warned = false;
        r->head = 0;
        if (tx)
            x->txq[q].resume = 0;
        if (!r->count)
            warn(x, r, tx, q, "enabled with a ring of no length", 0);
        else if (r->tail >= r->count) {
            warn(x, r, tx, q, "enabled with a tail behind the ring", r->tail);
            r->tail = 0;
        }
    }
    r->enabled = on && r->count;
    if (tx) {
        if (on && r->tail != r->head)
            x->tx_work[q / 64] |= (uint64_t)1 << (q % 64);
        return;
    }
    x->rx_blocked = false;
    x->rxq[q].strip_vlan = value & X540_RXDCTL_VME;
    x->rxq[q].max_len = value & X540_RXDCTL_RLPML_EN ? weir_field_get(value, X540_RXDCTL_RLPML) : 0;
}

static void set_srrctl(struct xm *x, unsigned q, uint32_t value)
{
    struct xm_rxq *rq = &x->rxq[q];
    unsigned type = weir_field_get(value, X540_SRRCTL_DESCTYPE);
    uint32_t units = weir_field_get(value, X540_SRRCTL_BSIZEPACKET);

    rq->buffer = (units ? units : 2) * X540_SRRCTL_PACKET_UNIT;
    rq->drop = value & X540_SRRCTL_DROP_EN;
    rq->legacy = type == X540_DESCTYPE_LEGACY;
    x->rx_blocked = false;
    if (type > X540_DESCTYPE_ADV_ONE_BUFFER)
        warn(x, &rq->ring, false, q, "header split is not modelled: one buffer is used; DESCTYPE",
             type);
}

static void set_tail(struct xm *x, bool tx, unsigned q, uint32_t value)
{
    struct xm_ring *r = ring_of(x, tx, q);

    value &= 0xffff;
    x->reg[base_reg(tx, q) / 4 + TAIL / 4] = value;
    if (r->enabled && value >= r->count) {
        warn(x, r, tx, q, "the tail written lies behind the ring's end and is ignored", value);
        return;
    }
    r->tail = value;
    if (tx)
        x->tx_work[q / 64] |= (uint64_t)1 << (q % 64);
    else
        x->rx_blocked = false;
}

uint32_t weir_xm_queue_read(struct xm *x, uint32_t off, bool *known)
{
    bool tx;
    unsigned q, reg;

    *known = decode(off, &tx, &q, &reg);
    if (!*known)
        return 0;
    if (reg == HEAD)
        return ring_of(x, tx, q)->head;
    return weir_xm_get(x, off);
}

bool weir_xm_queue_write(struct xm *x, uint32_t off, uint32_t value)
{
    bool tx;
    unsigned q, reg;

    if (!decode(off, &tx, &q, &reg))
        return false;
    struct xm_ring *r = ring_of(x, tx, q);
    switch (reg) {
    case TAIL:
        set_tail(x, tx, q, value);
        return true;
    case HEAD: /* read-only; stock drivers write zero before they enable the queue */
        if (!r->enabled)
            r->head = 0;
        return true;
    case DCTL:
        value &= ~(tx ? X540_TXDCTL_SWFLSH : X540_RXDCTL_SWFLSH); /* done at once */
        x->reg[off / 4] = value;
        set_control(x, tx, q, value);
        return true;
    case SRRCTL:
        x->reg[off / 4] = value;
        if (!tx)
            set_srrctl(x, q, value);
        return true;
    case BAL:
    case BAH:
    case LEN:
        if (r->enabled)
            warn(x, r, tx, q,
                 "ring base or length written while enabled: it counts from the next "
                 "enabling; register",
                 reg);
        /* Rings are aligned to 128 bytes, and as long as a multiple of that (8.2 receive DMA). */
        x->reg[off / 4] = reg == BAL ? value & ~0x7fu : reg == LEN ? value & 0xfff80u : value;
        return true;
    default:
        x->reg[off / 4] = value;
        return true;
    }
}

void weir_xm_queue_reset(struct xm *x)
{
    memset(x->txq, 0, sizeof(x->txq));
    memset(x->rxq, 0, sizeof(x->rxq));
    memset(x->tx_work, 0, sizeof(x->tx_work));
    memset(x->qde, 0, sizeof(x->qde));
    x->tx_next = 0;
    x->tx_retry = 0;
    x->rx_blocked = false;
    for (unsigned q = 0; q < X540_RX_QUEUES; q++) {
        x->reg[x540_rxq(X540_SRRCTL, q) / 4] = 0x00000402; /* 2 KiB, header 256 bytes */
        set_srrctl(x, q, 0x00000402);
    }
}

void weir_xm_failed(struct xm *x, struct xm_ring *r, int err, const struct weir_dma_who *who)
{
    if (err == -EAGAIN) {
        x->dma_later = true;
        return;
    }
    r->stopped = true;
    weir_log(x->weir, WEIR_LOG_WARNING, "x540",
             "%s queue %u stops at descriptor %u, until it is enabled anew", who->queue,
             who->queue_index, who->descriptor);
}

/* The ring's memory for direct access in this step, or NULL. */
static uint8_t *ring_map(struct xm *x, struct xm_ring *r)
{
    if (r->map_step != x->step) {
        struct weir_siommu *s = weir_model_siommu(x->model);
        size_t len = (size_t)r->count * 16;
        r->map = weir_siommu_ptr(s, r->base, len, true);
        if (r->map && !weir_siommu_ptr(s, r->base, len, false))
            r->map = NULL; /* the device may write but not read it */
        r->map_step = x->step;
    }
    return r->map;
}

bool weir_xm_desc_get(struct xm *x, struct xm_ring *r, uint32_t i, uint64_t out[2],
                      const struct weir_dma_who *who)
{
    uint8_t *map = ring_map(x, r);
    uint64_t le[2];
    int err = 0;

    if (map) {
        const uint64_t *at = (const uint64_t *)(const void *)(map + 16 * (size_t)i);
        le[0] = WEIR_READ_ONCE(at[0]);
        le[1] = WEIR_READ_ONCE(at[1]);
        weir_xm_touch(x, r->base + 16 * (uint64_t)i, 16, who);
    } else {
        err = weir_model_dma_read(x->model, r->base + 16 * (uint64_t)i, le, 16, who);
    }
    if (err) {
        weir_xm_failed(x, r, err, who);
        return false;
    }
    out[0] = weir_le64(le[0]);
    out[1] = weir_le64(le[1]);
    return true;
}

bool weir_xm_desc_put(struct xm *x, struct xm_ring *r, uint32_t i, const uint64_t in[2],
                      const struct weir_dma_who *who)
{
    uint8_t *map = ring_map(x, r);
    uint64_t le[2] = {weir_le64(in[0]), weir_le64(in[1])};

    if (map) {
        uint64_t *at = (uint64_t *)(void *)(map + 16 * (size_t)i);
        WEIR_WRITE_ONCE(at[0], le[0]);
        weir_wmb(); /* the half with DD last */
        WEIR_WRITE_ONCE(at[1], le[1]);
        weir_xm_touch(x, r->base + 16 * (uint64_t)i, 16, who);
        return true;
    }
    int err = weir_model_dma_write(x->model, r->base + 16 * (uint64_t)i, le, 16, who);
    if (err)
        weir_xm_failed(x, r, err, who);
    return !err;
}

bool weir_xm_done(struct xm *x, struct xm_ring *r, uint32_t i, bool legacy,
                  const struct weir_dma_who *who)
{
    uint8_t *map = ring_map(x, r);
    /* Only a legacy descriptor keeps what is beside its status, the tag among it (7.2.3.2.3,
     * 7.2.3.2.4). */
    uint32_t status = weir_le32(X540_TXD_STA_DD);

    if (map) {
        uint8_t *to = map + 16 * (size_t)i + 12;
        if (legacy)
            WEIR_WRITE_ONCE(*to, X540_TXD_STA_DD);
        else
            WEIR_WRITE_ONCE(*(uint32_t *)(void *)to, status);
        weir_xm_touch(x, r->base + 16 * (uint64_t)i + 12, legacy ? 1 : 4, who);
        return true;
    }
    int err = weir_model_dma_write(x->model, r->base + 16 * (uint64_t)i + 12, &status,
                                   legacy ? 1 : 4, who);
    if (err)
        weir_xm_failed(x, r, err, who);
    return !err;
}
