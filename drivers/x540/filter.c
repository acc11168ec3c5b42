/* SPDX-License-Identifier: BSD-3-Clause */
/* Which frames are received, and by which queue: addresses, promiscuity, RSS. */
#include "x540.h"

void x540_write_mac(const struct x540 *x, const uint8_t mac[6])
{
    uint32_t low =
        (uint32_t)mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24;
    uint32_t high = (uint32_t)mac[4] | (uint32_t)mac[5] << 8;

    /* RAH holds the valid bit: never valid with half an address. */
    x540_write(x, X540_RAH, 0);
    x540_write(x, X540_RAL, low);
    x540_write(x, X540_RAH, high | X540_RAH_AV);
}

bool x540_read_mac(const struct x540 *x, uint8_t mac[6])
{
    uint32_t low = x540_read(x, X540_RAL), high = x540_read(x, X540_RAH);

    for (unsigned i = 0; i < 4; i++)
        mac[i] = (uint8_t)(low >> 8 * i);
    mac[4] = (uint8_t)high;
    mac[5] = (uint8_t)(high >> 8);
    return high & X540_RAH_AV && !(mac[0] & 1) && (low || high & X540_RAH_ADDR);
}

void x540_write_promiscuous(const struct x540 *x, bool promiscuous, bool all_multicast)
{
    uint32_t set = X540_FCTRL_BAM;

    if (promiscuous)
        set |= X540_FCTRL_UPE | X540_FCTRL_MPE;
    if (all_multicast)
        set |= X540_FCTRL_MPE;
    x540_change(x, X540_FCTRL, X540_FCTRL_SBP | X540_FCTRL_UPE | X540_FCTRL_MPE, set);
}

/* 4.6.7: what reset leaves undefined. */
void x540_clear_filters(const struct x540 *x)
{
    for (uint32_t i = 1; i < 128; i++)
        x540_write(x, X540_RAH + 8 * i, 0);
    for (uint32_t i = 0; i < 128; i++)
        x540_write(x, X540_MTA + 4 * i, 0);
    x540_change(x, X540_MCSTCTRL, X540_MCSTCTRL_MFE, 0);
    x540_change(x, X540_VLNCTRL, X540_VLNCTRL_VFE, 0);
}

/* 7.1, receive-side scaling: over at most 16 queues, as an entry has four bits. */
void x540_write_rss(const struct x540 *x, const uint8_t *key, const uint8_t *reta)
{
    for (uint32_t i = 0; i < WEIR_RSS_KEY_LEN / 4; i++)
        x540_write(x, X540_RSSRK + 4 * i,
                   (uint32_t)key[4 * i] | (uint32_t)key[4 * i + 1] << 8 |
                       (uint32_t)key[4 * i + 2] << 16 | (uint32_t)key[4 * i + 3] << 24);
    for (uint32_t i = 0; i < X540_RETA_SIZE / 4; i++)
        x540_write(x, X540_RETA + 4 * i,
                   (uint32_t)reta[4 * i] | (uint32_t)reta[4 * i + 1] << 8 |
                       (uint32_t)reta[4 * i + 2] << 16 | (uint32_t)reta[4 * i + 3] << 24);
}
