/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics (datasheet 8.2). The device's counters clear when read and are 32 and 36 bits
 * wide: at 14.88 million frames a second one wraps after 288 seconds, so they want to be asked for
 * more often than every four minutes.
 */
#include "x540.h"

/* Low half first: reading the high one completes the access. */
static uint64_t read36(const struct x540 *x, uint32_t low, uint32_t high)
{
    uint64_t value = x540_read(x, low);

    return value | (uint64_t)(x540_read(x, high) & 0xf) << 32;
}

void x540_stats_collect(struct x540 *x)
{
    /* Received: what was DMAed to the host, of all queues, as RQSMR maps all to index 0 after a
     * reset. GPRC and GORC also count what was dropped after the MAC for want of descriptors. */
    static const uint32_t errors[] = {X540_CRCERRS, X540_RLEC, X540_RUC,
                                      X540_RFC,     X540_ROC,  X540_RJC};
    struct weir_port_stats s = {0};

    if (weir_device_lost(x->device))
        return;
    s.rx_packets = x540_read(x, X540_QPRC);
    s.rx_bytes = read36(x, X540_QBRC_L, X540_QBRC_H); /* the CRC was stripped before */
    s.tx_packets = x540_read(x, X540_GPTC);
    s.tx_bytes = read36(x, X540_GOTCL, X540_GOTCH);
    s.rx_missed = x540_read(x, X540_RXMPC) + (uint64_t)x540_read(x, X540_QPRDC);
    for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        s.rx_errors += x540_read(x, errors[i]);
    if (weir_device_lost(x->device))
        return; /* some of it is all ones */
    x->pending.rx_packets += s.rx_packets;
    x->pending.rx_bytes += s.rx_bytes;
    x->pending.tx_packets += s.tx_packets;
    x->pending.tx_bytes += s.tx_bytes - 4 * s.tx_packets; /* without CRC */
    x->pending.rx_missed += s.rx_missed;
    x->pending.rx_errors += s.rx_errors;
}

/* 4.6.5: forget what was counted so far. */
void x540_stats_clear(struct x540 *x)
{
    struct weir_port_stats keep = x->pending;

    x540_stats_collect(x);
    x->pending = keep;
}

void x540_stats(struct weir_net *n, struct weir_port_stats *sum)
{
    struct x540 *x = x540_of(n);

    x540_stats_collect(x);
    sum->rx_packets += x->pending.rx_packets;
    sum->rx_bytes += x->pending.rx_bytes;
    sum->tx_packets += x->pending.tx_packets;
    sum->tx_bytes += x->pending.tx_bytes;
    sum->rx_missed += x->pending.rx_missed;
    sum->rx_errors += x->pending.rx_errors;
    x->pending = (struct weir_port_stats){0};
}
