/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics (8.2.3.23). 32-bit counters live in the register file, 36-bit byte counters beside it;
 * reading clears both. Bytes count from the destination address to the CRC inclusive, except per
 * queue, where they are what moved to or from host memory.
 */
#include "xm.h"

static const struct {
    uint32_t low, high;
    enum xm_wide_index wide;
} pairs[] = {
    {X540_GORCL, X540_GORCH, XM_GORC},       {X540_GOTCL, X540_GOTCH, XM_GOTC},
    {X540_TORL, X540_TORH, XM_TOR},          {X540_RXDGBCL, X540_RXDGBCH, XM_RXDGBC},
    {X540_TXDGBCL, X540_TXDGBCH, XM_TXDGBC}, {X540_RXNFGBCL, X540_RXNFGBCH, XM_RXNFGBC},
};

static struct xm_wide *find(struct xm *x, uint32_t off, bool *high)
{
    for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (off == pairs[i].low || off == pairs[i].high) {
            *high = off == pairs[i].high;
            return &x->wide[pairs[i].wide];
        }
    }
    for (unsigned i = 0; i < 16; i++) {
        if (off == X540_QBRC_L + 0x40 * i || off == X540_QBRC_H + 0x40 * i) {
            *high = off != X540_QBRC_L + 0x40 * i;
            return &x->wide[XM_QBRC + i];
        }
        if (off == X540_QBTC_L + 8 * i || off == X540_QBTC_H + 8 * i) {
            *high = off != X540_QBTC_L + 8 * i;
            return &x->wide[XM_QBTC + i];
        }
    }
    return NULL;
}

/*
 * Frames that the wire lost because nobody took them in time never met the packet buffer, but are
 * what RXMPC is about. GPRC counts them too: the device counts a good frame before it finds no room
 * for it, which stock drivers know and subtract RXMPC.
 */
void weir_xm_count_missed(struct xm *x)
{
    struct weir_model_stats s = {0};

    if (!x->wire)
        return;
    weir_wire_stats(x->wire, &s);
    uint32_t n = (uint32_t)(s.rx_dropped - x->missed_base);
    x->missed_base = s.rx_dropped;
    if (x->rx_on && x->wire_up) {
        x->reg[X540_RXMPC / 4] += n;
        x->reg[X540_GPRC / 4] += n;
    }
}

bool weir_xm_stat_read(struct xm *x, uint32_t off, uint32_t *value)
{
    bool high = false;
    struct xm_wide *w = find(x, off, &high);

    if (w && high) {
        *value = w->latched;
        w->latched = 0;
        return true;
    }
    if (w) {
        *value = (uint32_t)w->value;
        w->latched = (uint32_t)(w->value >> 32) & 0xf;
        w->value = 0;
        return true;
    }
    if (off == X540_RXMPC || off == X540_GPRC)
        weir_xm_count_missed(x);
    *value = x->reg[off / 4];
    x->reg[off / 4] = 0;
    return true;
}

void weir_xm_stats_reset(struct xm *x)
{
    memset(x->wide, 0, sizeof(x->wide));
    x->rx_on = false;
    weir_xm_count_missed(x);
}

static unsigned bucket(uint32_t len)
{
    return len <= 64 ? 0 : len < 128 ? 1 : len < 256 ? 2 : len < 512 ? 3 : len < 1024 ? 4 : 5;
}

static bool is_broadcast(const uint8_t *dest)
{
    return (dest[0] & dest[1] & dest[2] & dest[3] & dest[4] & dest[5]) == 0xff;
}

void weir_xm_count_rx_any(struct xm *x, uint32_t len)
{
    x->reg[X540_TPR / 4]++;
    x->wide[XM_TOR].value += len + XM_CRC;
}

void weir_xm_count_rx_good(struct xm *x, const uint8_t *dest, uint32_t len)
{
    len += XM_CRC;
    x->reg[X540_GPRC / 4]++;
    x->wide[XM_GORC].value += len;
    x->reg[X540_PRC64 / 4 + bucket(len)]++;
    if (is_broadcast(dest))
        x->reg[X540_BPRC / 4]++;
    else if (dest[0] & 1)
        x->reg[X540_MPRC / 4]++;
}

/* Statistics index of a queue: RQSMR and TQSM hold four to a register. */
static unsigned map(const struct xm *x, uint32_t base, unsigned q)
{
    return weir_xm_get(x, base + q / 4 * 4) >> (q % 4 * 8) & 0xf;
}

void weir_xm_count_rx_queue(struct xm *x, unsigned q, uint32_t bytes)
{
    unsigned s = map(x, X540_RQSMR, q);
    x->reg[X540_QPRC / 4 + 0x10 * s]++;
    x->wide[XM_QBRC + s].value += bytes;
    x->reg[X540_RXDGPC / 4]++;
    x->wide[XM_RXDGBC].value += bytes;
}

void weir_xm_count_rx_drop(struct xm *x, unsigned q)
{
    x->reg[X540_QPRDC / 4 + 0x10 * map(x, X540_RQSMR, q)]++;
}

void weir_xm_count_tx(struct xm *x, unsigned q, const uint8_t *dest, uint32_t len)
{
    unsigned s = map(x, X540_TQSM, q);
    uint32_t wire = (len < XM_MIN_FRAME ? XM_MIN_FRAME : len) + XM_CRC;

    x->reg[X540_TPT / 4]++;
    x->reg[X540_GPTC / 4]++;
    x->wide[XM_GOTC].value += wire;
    x->reg[X540_PTC64 / 4 + bucket(wire)]++;
    if (is_broadcast(dest))
        x->reg[X540_BPTC / 4]++;
    else if (dest[0] & 1)
        x->reg[X540_MPTC / 4]++;
    x->reg[X540_QPTC / 4 + 0x10 * s]++;
    x->wide[XM_QBTC + s].value += len;
    x->reg[X540_TXDGPC / 4]++;
    x->wide[XM_TXDGBC].value += len;
}
