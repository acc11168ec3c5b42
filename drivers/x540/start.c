/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting and stopping: datasheet 4.6.4 to 4.6.8, and back. */
#include "x540.h"
#include <errno.h>

#define QUEUE_US  10000
#define SECRX_US  10000
#define DRAIN_US  10000
#define SETTLE_US 100
#define TX_BUFFER (160u << 10)
#define TX_FRAME  16u /* KiB that must be free before a packet is fetched: the longest */

static struct x540_rxq *rxq(const struct weir_net *n, unsigned i)
{
    return (struct x540_rxq *)n->rxq[i];
}

static struct x540_txq *txq(const struct weir_net *n, unsigned i)
{
    return (struct x540_txq *)n->txq[i];
}

static int fail_queue(const struct x540 *x, const char *which, unsigned i, struct weir_error *e)
{
    if (weir_device_lost(x->device))
        return x540_fail_lost(x, "start queues of", e);
    return weir_fail(e, -ETIMEDOUT, "x540-queue",
                     "start the X540\n%s queue %u did not come up within %d ms\npower-cycle the "
                     "device; if it is a model, see what it logs",
                     which, i, QUEUE_US / 1000);
}

/* One traffic class has all of the packet buffers (4.6.11: neither DCB nor VT). */
static void init_buffers(const struct x540 *x)
{
    x540_write(x, X540_RXPBSIZE, (uint32_t)X540_RX_BUFFER_KIB << 10);
    x540_write(x, X540_TXPBSIZE, TX_BUFFER);
    x540_write(x, X540_TXPBTHRESH, X540_TX_BUFFER_KIB - TX_FRAME);
    for (uint32_t i = 1; i < X540_PACKET_BUFFERS; i++) {
        x540_write(x, X540_RXPBSIZE + 4 * i, 0);
        x540_write(x, X540_TXPBSIZE + 4 * i, 0);
        x540_write(x, X540_TXPBTHRESH + 4 * i, 0);
    }
}

/* The MAC: CRC and padding both ways, the longest frame. MFS counts the CRC and not the VLAN tag.
 */
static void init_mac(const struct x540 *x)
{
    uint32_t mtu = x->net->opt.mtu;
    uint32_t set = X540_HLREG0_TXCRCEN | X540_HLREG0_RXCRCSTRP | X540_HLREG0_TXPADEN;

    if (mtu > 1500)
        set |= X540_HLREG0_JUMBOEN;
    x540_change(x, X540_HLREG0, X540_HLREG0_JUMBOEN | X540_HLREG0_LPBK | X540_HLREG0_RXPADSTRIPEN,
                set);
    x540_write(x, X540_MAXFRS,
               weir_field_set(0, X540_MAXFRS_MFS, (mtu > 1500 ? mtu : 1500) + 14 + 4));
}

/* 4.6.7 Receive initialization, up to the queues. */
static void init_rx(const struct x540 *x)
{
    const struct weir_net *n = x->net;

    x540_change(x, X540_RXCTRL, X540_RXCTRL_RXEN, 0);
    x540_write_mac(x, n->mac);
    x540_clear_filters(x);
    x540_write_promiscuous(x, n->opt.promiscuous, n->opt.all_multicast);
    x540_change(x, X540_CTRL_EXT, 0, X540_CTRL_EXT_NS_DIS);
    /* RSCACKC and FCOE_WRFIX have to be set, RSCFRSTSIZE has to be 0 (8.2, RDRXCTL). */
    x540_change(x, X540_RDRXCTL, X540_RDRXCTL_RSCFRSTSIZE,
                X540_RDRXCTL_CRCSTRIP | X540_RDRXCTL_RSCACKC | X540_RDRXCTL_FCOE_WRFIX);
    x540_change(x, X540_RXCSUM, X540_RXCSUM_IPPCSE, X540_RXCSUM_PCSD);
    x540_write_rss(x, n->opt.rss_key, x->reta);
    x540_write(x, X540_MRQC,
               weir_field_set(0, X540_MRQC_MRQE, X540_MRQE_RSS) | X540_MRQC_RSS_IPV4 |
                   X540_MRQC_RSS_IPV4_TCP | X540_MRQC_RSS_IPV4_UDP | X540_MRQC_RSS_IPV6 |
                   X540_MRQC_RSS_IPV6_TCP | X540_MRQC_RSS_IPV6_UDP);
    for (unsigned i = 0; i < n->opt.rx_queues; i++)
        x540_rxq_program((struct x540 *)(uintptr_t)x, rxq(n, i));
    if (n->opt.rx_queues > 16)
        weir_log(n->weir, WEIR_LOG_WARNING, "x540",
                 "RSS reaches the first 16 of %u receive queues: its table has 4-bit entries",
                 n->opt.rx_queues);
}

/* 4.6.7: enable the queues, give them buffers, then open the MAC's way in. */
static int enable_rx(const struct x540 *x, struct weir_error *e)
{
    const struct weir_net *n = x->net;
    uint32_t rxdctl = X540_RXDCTL_ENABLE | (n->opt.vlan_strip ? X540_RXDCTL_VME : 0);

    for (unsigned i = 0; i < n->opt.rx_queues; i++)
        x540_write(x, x540_rxq(X540_RXDCTL, i), rxdctl);
    for (unsigned i = 0; i < n->opt.rx_queues; i++) {
        if (!x540_wait(x, x540_rxq(X540_RXDCTL, i), X540_RXDCTL_ENABLE, X540_RXDCTL_ENABLE,
                       QUEUE_US))
            return fail_queue(x, "receive", i, e);
        x540_rxq_start(rxq(n, i));
    }
    /* The security block sits in the way and must be still meanwhile, used or not. */
    x540_change(x, X540_SECRXCTRL, 0, X540_SECRXCTRL_RX_DIS);
    if (!x540_wait(x, X540_SECRXSTAT, X540_SECRXSTAT_SECRX_RDY, X540_SECRXSTAT_SECRX_RDY, SECRX_US))
        weir_log(n->weir, WEIR_LOG_DEBUG, "x540", "SECRXSTAT.SECRX_RDY did not come");
    x540_change(x, X540_RXCTRL, 0, X540_RXCTRL_RXEN);
    x540_change(x, X540_SECRXCTRL, X540_SECRXCTRL_RX_DIS, 0);
    return 0;
}

/* 4.6.8 Transmit initialization. */
static int init_tx(struct x540 *x, struct weir_error *e)
{
    const struct weir_net *n = x->net;

    x540_write(x, X540_DTXMXSZRQ, X540_DTXMXSZRQ_MAX_BYTES_NUM_REQ);
    /* MTQC may change only while the arbiter rests. */
    x540_change(x, X540_RTTDCS, 0, X540_RTTDCS_ARBDIS);
    x540_write(x, X540_MTQC, weir_field_set(0, X540_MTQC_NUM_TC_OR_Q, X540_MTQC_64Q));
    x540_change(x, X540_RTTDCS, X540_RTTDCS_ARBDIS, 0);
    for (unsigned i = 0; i < n->opt.tx_queues; i++)
        x540_txq_program(x, txq(n, i));
    x540_change(x, X540_DMATXCTL, 0, X540_DMATXCTL_TE);
    for (unsigned i = 0; i < n->opt.tx_queues; i++)
        x540_change(x, x540_txq(X540_TXDCTL, i), 0, X540_TXDCTL_ENABLE);
    for (unsigned i = 0; i < n->opt.tx_queues; i++) {
        if (!x540_wait(x, x540_txq(X540_TXDCTL, i), X540_TXDCTL_ENABLE, X540_TXDCTL_ENABLE,
                       QUEUE_US))
            return fail_queue(x, "transmit", i, e);
        x540_txq_start(txq(n, i));
    }
    return 0;
}

/* 4.6.6 Interrupts: link changes, on vector 0. */
static int init_interrupts(const struct x540 *x, struct weir_error *e)
{
    int ret = weir_net_irq(x->net, e);

    if (ret == -ENOTSUP) {
        weir_log(x->net->weir, WEIR_LOG_DEBUG, "x540",
                 "no interrupts: link changes are seen when asked for");
        return 0;
    }
    if (ret)
        return ret;
    if (weir_device_irqs(x->device, WEIR_IRQ_MSIX)) {
        x540_write(x, X540_GPIE, X540_GPIE_MULTIPLE_MSIX | X540_GPIE_PBA_SUPPORT);
        x540_write(x, X540_IVAR_MISC,
                   X540_IVAR_MISC_INT_ALLOC_VAL1 | weir_field_set(0, X540_IVAR_MISC_INT_ALLOC1, 0));
    } else {
        x540_write(x, X540_GPIE, 0);
    }
    x540_write(x, X540_EIAC, 0);
    x540_write(x, X540_EIAM, 0);
    x540_read(x, X540_EICR); /* what was pending is history */
    x540_write(x, X540_EIMS, X540_EIMS_LSC);
    return 0;
}

int x540_start(struct weir_net *n, struct weir_error *e)
{
    struct x540 *x = x540_of(n);
    int ret = x->fresh ? 0 : x540_reset(x, e);

    if (ret)
        return ret;
    x->fresh = false;
    ret = x540_phy_start(x, e); /* 4.6.4 */
    if (ret)
        return ret;
    x540_stats_clear(x); /* 4.6.5 */
    init_buffers(x);
    init_mac(x);
    init_rx(x);
    ret = weir_device_bus_master(x->device, true, e);
    if (!ret)
        ret = enable_rx(x, e);
    if (!ret)
        ret = init_tx(x, e);
    if (!ret)
        ret = init_interrupts(x, e);
    if (ret)
        return ret;
    x540_change(x, X540_CTRL_EXT, 0, X540_CTRL_EXT_DRV_LOAD); /* firmware: a driver is here */
    return 0;
}

/* Let what was given to the device go out, for as long as it makes progress. */
static void drain(const struct x540 *x)
{
    const struct weir_net *n = x->net;
    uint64_t now = x540_now_us(), end = now + 10 * DRAIN_US, idle = now + DRAIN_US;

    while (now < end && now < idle) {
        bool waiting = false, progress = false;
        for (unsigned i = 0; i < n->opt.tx_queues; i++) {
            progress |= x540_tx_reclaim(n->txq[i]) > 0;
            waiting |= txq(n, i)->used > 0;
        }
        if (!waiting)
            return;
        x540_pause(SETTLE_US);
        now = x540_now_us();
        if (progress)
            idle = now + DRAIN_US;
    }
}

/* 4.6.7.1, 4.6.8.1: disable the queues. False if one does not obey. */
static bool disable_queues(const struct x540 *x)
{
    const struct weir_net *n = x->net;
    uint64_t end = x540_now_us() + QUEUE_US;
    bool ok = true;

    x540_change(x, X540_RXCTRL, X540_RXCTRL_RXEN, 0);
    for (unsigned i = 0; i < n->opt.rx_queues; i++)
        x540_change(x, x540_rxq(X540_RXDCTL, i), X540_RXDCTL_ENABLE, 0);
    for (unsigned i = 0; i < n->opt.tx_queues; i++)
        x540_change(x, x540_txq(X540_TXDCTL, i), X540_TXDCTL_ENABLE, 0);
    x540_change(x, X540_DMATXCTL, X540_DMATXCTL_TE, 0);
    for (unsigned i = 0; i < n->opt.rx_queues; i++)
        ok &= x540_wait_until(x, x540_rxq(X540_RXDCTL, i), X540_RXDCTL_ENABLE, 0, end);
    for (unsigned i = 0; i < n->opt.tx_queues; i++)
        ok &= x540_wait_until(x, x540_txq(X540_TXDCTL, i), X540_TXDCTL_ENABLE, 0, end);
    x540_pause(SETTLE_US); /* 4.6.7.1: write-backs may still be on their way */
    return ok;
}

/*
 * No DMA after this. A device that does not stop when asked nicely is reset; one that ignores even
 * that has its bus mastering taken away, as every device has in the end.
 */
static void quiesce(struct x540 *x)
{
    bool ok;

    x540_write(x, X540_EIMC, ~0u);
    drain(x);
    ok = disable_queues(x);
    x540_stats_collect(x);
    x540_change(x, X540_CTRL_EXT, X540_CTRL_EXT_DRV_LOAD, 0);
    ok &= x540_master_disable(x);
    if (!ok && !weir_device_lost(x->device)) {
        weir_log(x->net->weir, WEIR_LOG_WARNING, "x540", "the device did not stop: resetting it");
        x540_change(x, X540_CTRL, 0, X540_CTRL_RST | X540_CTRL_LRST);
    }
    weir_device_bus_master(x->device, false, NULL);
}

void x540_stop(struct weir_net *n)
{
    struct x540 *x = x540_of(n);

    if (!weir_device_lost(x->device))
        quiesce(x);
    x->fresh = false;
    for (unsigned i = 0; i < n->opt.rx_queues; i++)
        x540_rxq_drop(rxq(n, i));
    for (unsigned i = 0; i < n->opt.tx_queues; i++)
        x540_txq_drop(txq(n, i));
}
