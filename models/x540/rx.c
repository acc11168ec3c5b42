/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receive path (7.1): from the wire, or the packet buffer, to the memory that descriptors name.
 * A frame goes straight from the wire to host memory when its queue has descriptors. Otherwise it
 * waits in the packet buffer, those behind it too, whatever their queue (unless SRRCTL.DROP_EN says
 * drop); when that is full nothing is taken from the wire any more.
 */
#include "sum.h"
#include "xm.h"

enum outcome { DELIVERED, DROPPED, WAITS, LATER };

/* The frame as it goes to memory: without a stripped tag, with the CRC unless it is stripped. */
struct image {
    const struct xm_packet *p;
    bool untag, crc;
    uint32_t len;
    uint8_t crc_bytes[XM_CRC];
};

static uint32_t crc32(const uint8_t *data, uint32_t len)
{
    uint32_t crc = UINT32_MAX;
    for (uint32_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0); /* IEEE 802.3, reflected */
    }
    return ~crc;
}

void weir_xm_crc(const uint8_t *data, uint32_t len, uint8_t out[XM_CRC])
{
    uint32_t crc = crc32(data, len);
    for (unsigned i = 0; i < XM_CRC; i++)
        out[i] = (uint8_t)(crc >> (8 * i));
}

/* Copy n bytes of the image from off. */
static void image_copy(const struct image *m, uint32_t off, uint8_t *to, uint32_t n)
{
    const struct xm_packet *p = m->p;
    uint32_t body = m->len - (m->crc ? XM_CRC : 0);

    if (m->untag && off < 12) {
        uint32_t part = n < 12 - off ? n : 12 - off;
        memcpy(to, p->data + off, part);
        to += part;
        off += part;
        n -= part;
    }
    if (off < body) {
        uint32_t part = n < body - off ? n : body - off;
        memcpy(to, p->data + off + (m->untag ? 4 : 0), part);
        to += part;
        off += part;
        n -= part;
    }
    if (n)
        memcpy(to, m->crc_bytes + (off - body), n);
}

static bool put_data(struct xm *x, struct xm_ring *r, const struct image *m, uint32_t off,
                     uint32_t n, uint64_t iova, const struct weir_dma_who *who)
{
    uint8_t *to = weir_siommu_ptr(weir_model_siommu(x->model), iova, n, true);
    if (to) {
        image_copy(m, off, to, n);
        weir_xm_touch(x, iova, n, who);
        return true;
    }
    image_copy(m, off, x->rx_bounce, n);
    int err = weir_model_dma_write(x->model, iova, x->rx_bounce, n, who);
    if (err)
        weir_xm_failed(x, r, err, who);
    return !err;
}

static unsigned choose_queue(const struct xm *x, const struct xm_packet *p)
{
    if (!p->rsstype)
        return 0;
    unsigned entry = p->hash & 0x7f;
    return weir_xm_get(x, X540_RETA + entry / 4 * 4) >> (entry % 4 * 8) & 0xf;
}

/* The descriptor as written back, by format. */
static void write_back(const struct xm *x, const struct xm_rxq *q, const struct image *m,
                       const uint64_t read[2], uint32_t n, bool last, uint64_t out[2])
{
    const struct xm_packet *p = m->p;
    uint32_t status = X540_RXD_STAT_DD;

    if (last) {
        status |= X540_RXD_STAT_EOP | p->status;
        if (p->tagged)
            status |= X540_RXD_STAT_VP;
        if (p->inexact)
            status |= X540_RXD_STAT_PIF;
    }
    uint64_t vlan = last && m->untag ? p->vlan : 0;
    if (q->legacy) {
        /* The low status byte has the same meaning in both formats. */
        uint64_t errors = (status & X540_RXD_ERR_IPE ? X540_RXD_LEGACY_ERR_IPE : 0) |
                          (status & X540_RXD_ERR_L4E ? X540_RXD_LEGACY_ERR_L4E : 0);
        out[0] = read[0];
        out[1] = n | (uint64_t)(status & 0xff) << 32 | errors << 40 | vlan << 48;
        return;
    }
    uint32_t info = (uint32_t)p->rsstype | (uint32_t)p->pkttype << 4;
    /* Either the hash or the fragment checksum, which is not modelled (RXCSUM.PCSD). */
    uint64_t rss = weir_xm_get(x, X540_RXCSUM) & X540_RXCSUM_PCSD ? p->hash : 0;
    out[0] = info | rss << 32;
    out[1] = status | (uint64_t)n << 32 | vlan << 48;
}

static bool drops(const struct xm *x, unsigned q)
{
    return x->rxq[q].drop || x->qde[q / 8] >> (q % 8) & 1;
}

static enum outcome deliver(struct xm *x, struct xm_packet *p)
{
    weir_xm_parse(x, p);

    unsigned index = choose_queue(x, p);
    struct xm_rxq *q = &x->rxq[index];
    struct xm_ring *r = &q->ring;
    bool strip_crc = weir_xm_get(x, X540_HLREG0) & X540_HLREG0_RXCRCSTRP ||
                     weir_xm_get(x, X540_RDRXCTL) & X540_RDRXCTL_CRCSTRIP;
    struct image m = {.p = p, .untag = q->strip_vlan && p->tagged, .crc = !strip_crc};
    m.len = p->len - (m.untag ? 4 : 0) + (m.crc ? XM_CRC : 0);

    uint32_t n = (m.len + q->buffer - 1) / q->buffer;
    if (!r->enabled || r->stopped || n >= r->count ||
        (q->max_len && p->len + XM_CRC > q->max_len)) {
        weir_xm_count_rx_drop(x, index);
        return DROPPED;
    }
    uint32_t have = r->tail >= r->head ? r->tail - r->head : r->count - r->head + r->tail;
    if (have < n) {
        if (!drops(x, index))
            return WAITS;
        weir_xm_count_rx_drop(x, index);
        return DROPPED;
    }
    if (m.crc)
        weir_xm_crc(p->data, p->len, m.crc_bytes);

    struct weir_dma_who who = {.queue = "rx", .queue_index = index};
    uint64_t desc[XM_MAX_PIECES][2];
    uint32_t i = r->head, off = 0;
    if (n > XM_MAX_PIECES) {
        weir_xm_count_rx_drop(x, index);
        return DROPPED;
    }
    /* All data first: a refused access then leaves no descriptor done. */
    for (uint32_t k = 0; k < n; k++, off += q->buffer) {
        uint32_t part = m.len - off < q->buffer ? m.len - off : q->buffer;
        who.descriptor = i;
        if (!weir_xm_desc_get(x, r, i, desc[k], &who) ||
            !put_data(x, r, &m, off, part, q->legacy ? desc[k][0] : desc[k][0] & ~(uint64_t)1,
                      &who))
            return x->dma_later ? LATER : DROPPED;
        i = i + 1 == r->count ? 0 : i + 1;
    }
    weir_wmb();
    i = r->head;
    off = 0;
    for (uint32_t k = 0; k < n; k++, off += q->buffer) {
        uint32_t part = m.len - off < q->buffer ? m.len - off : q->buffer;
        uint64_t done[2];
        write_back(x, q, &m, desc[k], part, k + 1 == n, done);
        who.descriptor = i;
        if (!weir_xm_desc_put(x, r, i, done, &who))
            return DROPPED;
        i = i + 1 == r->count ? 0 : i + 1;
    }
    r->head = i;
    if (p->status & (X540_RXD_ERR_IPE | X540_RXD_ERR_L4E))
        weir_xm_count(x, X540_XEC);
    weir_xm_count_rx_queue(x, index, m.len);
    x->rx_cause[index / 64] |= (uint64_t)1 << (index % 64);
    return DELIVERED;
}

static void look(const struct xm *x, struct xm_packet *p, const uint8_t *data, uint32_t len)
{
    p->data = data;
    p->len = len;
    p->tagged =
        xm_be16(data + 12) == weir_field_get(weir_xm_get(x, X540_VLNCTRL), X540_VLNCTRL_VET);
    p->vlan = p->tagged ? xm_be16(data + 14) : 0;
}

/* The MAC: counts, length (8.2.3.22.9, HLREG0 and MAXFRS; a tag may come on top) and filters. */
static bool mac_passes(struct xm *x, struct xm_packet *p)
{
    uint32_t max = weir_xm_get(x, X540_HLREG0) & X540_HLREG0_JUMBOEN
                       ? weir_field_get(weir_xm_get(x, X540_MAXFRS), X540_MAXFRS_MFS)
                       : 1518;

    weir_xm_count_rx_any(x, p->len);
    if (p->len + XM_CRC > max + (p->tagged ? 4 : 0)) {
        weir_xm_count(x, X540_ROC);
        return false;
    }
    weir_xm_count(x, X540_RXNFGPC);
    x->wide[XM_RXNFGBC].value += p->len + XM_CRC;
    if (!weir_xm_filter(x, p))
        return false;
    weir_xm_count_rx_good(x, p->data, p->len);
    return true;
}

/* Reception is on; without it the MAC takes nothing in (8.2 receive DMA, RXCTRL.RXEN). */
static bool enabled(const struct xm *x)
{
    return weir_xm_get(x, X540_RXCTRL) & X540_RXCTRL_RXEN &&
           !(weir_xm_get(x, X540_SECRXCTRL) & X540_SECRXCTRL_RX_DIS);
}

static bool receives(const struct xm *x)
{
    return enabled(x) && !x->stall_rx && weir_xm_dma(x);
}

/* What came while reception was off is lost, and no miss: RXMPC is about frames that the packet
 * buffer had no room for. */
static void follow_enable(struct xm *x)
{
    bool on = enabled(x);

    if (on == x->rx_on)
        return;
    if (on && x->wire)
        weir_wire_discard(x->wire);
    weir_xm_count_missed(x);
    x->rx_on = on;
}

static bool loops_back(const struct xm *x)
{
    return weir_xm_get(x, X540_HLREG0) & X540_HLREG0_LPBK;
}

bool weir_xm_rx_wants(const struct xm *x)
{
    return x->wire && receives(x) && !loops_back(x) &&
           weir_xm_fifo_room(&x->fifo, WEIR_WIRE_MAX_FRAME);
}

bool weir_xm_rx_pending(const struct xm *x)
{
    return x->fifo.used && !x->rx_blocked && receives(x);
}

void weir_xm_rx_loopback(struct xm *x, const uint8_t *data, uint32_t len)
{
    struct xm_packet p;

    if (!receives(x))
        return; /* lost, as there is nobody who would take it */
    look(x, &p, data, len);
    /* What the buffer has no room for has been counted as good all the same, see stats.c. */
    if (mac_passes(x, &p) && !weir_xm_fifo_put(&x->fifo, data, len))
        weir_xm_count(x, X540_RXMPC);
}

unsigned weir_xm_rx_step(struct xm *x, unsigned budget)
{
    unsigned moved = 0;
    struct weir_frame frame;
    struct xm_packet p;
    const uint8_t *data;
    uint32_t len;

    follow_enable(x);
    if (!receives(x) || x->dma_later)
        return 0;
    while (moved < budget && !x->rx_blocked && (data = weir_xm_fifo_peek(&x->fifo, &len))) {
        look(x, &p, data, len);
        weir_xm_filter(x, &p); /* passed when it came in; this is for p.inexact */
        enum outcome what = deliver(x, &p);
        if (what == LATER)
            return moved;
        if (what == WAITS) {
            x->rx_blocked = true;
        } else {
            weir_xm_fifo_pop(&x->fifo);
            moved++;
        }
    }
    while (moved < budget && !x->dma_later && weir_xm_rx_wants(x) &&
           weir_wire_rx(x->wire, &frame)) {
        moved++;
        if (frame.len < XM_MIN_FRAME || frame.len > WEIR_WIRE_MAX_FRAME)
            continue; /* wires pad and check */
        look(x, &p, frame.data, frame.len);
        if (!mac_passes(x, &p))
            continue;
        enum outcome what = x->fifo.used ? WAITS : deliver(x, &p);
        if (what != WAITS && what != LATER)
            continue;
        weir_xm_fifo_put(&x->fifo, frame.data, frame.len);
        x->rx_blocked = what == WAITS;
    }
    return moved;
}
