/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Driver for the Intel Ethernet Controller X540 (10GBASE-T), physical functions. This file opens
 * and closes; each other file is one part of the device.
 */
#include "x540.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/driver/builtin.h>

#define MIN_BAR0 0x20000

static void x540_close(struct weir_net *n)
{
    struct x540 *x = x540_of(n);

    for (unsigned i = 0; i < n->opt.rx_queues; i++)
        x540_rxq_free(n->rxq[i]);
    for (unsigned i = 0; i < n->opt.tx_queues; i++)
        x540_txq_free(n->txq[i]);
    free(x);
    n->priv = NULL;
}

static int make_queues(struct weir_net *n, struct weir_error *e)
{
    for (unsigned i = 0; i < n->opt.rx_queues; i++) {
        n->rxq[i] = x540_rxq_new(n, i, e);
        if (!n->rxq[i])
            return -ENOMEM;
    }
    for (unsigned i = 0; i < n->opt.tx_queues; i++) {
        n->txq[i] = x540_txq_new(n, i, e);
        if (!n->txq[i])
            return -ENOMEM;
    }
    return 0;
}

static int find_mac(struct weir_net *n, struct weir_error *e)
{
    static const uint8_t none[6];
    uint8_t mac[6];

    /* The reset loaded it from the NVM. */
    if (!x540_read_mac(x540_of(n), mac)) {
        if (weir_device_lost(n->device))
            return x540_fail_lost(x540_of(n), "read the address of", e);
        if (!memcmp(n->mac, none, 6))
            return weir_fail(e, -EIO, "x540-mac",
                             "open an X540\nits NVM holds no valid address: "
                             "%02x:%02x:%02x:%02x:%02x:%02x\nset weir_port_options.mac",
                             mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    }
    if (!memcmp(n->mac, none, 6))
        memcpy(n->mac, mac, 6);
    return 0;
}

static int x540_open(struct weir_net *n, struct weir_error *e)
{
    struct x540 *x = calloc(1, sizeof(*x));
    unsigned spread = n->opt.rx_queues < 16 ? n->opt.rx_queues : 16;
    struct weir_region bar;
    int ret;

    if (!x)
        return weir_fail(e, -ENOMEM, "no-memory", "open an X540\nout of memory");
    x->net = n;
    x->device = n->device;
    n->priv = x;
    for (unsigned i = 0; i < X540_RETA_SIZE; i++)
        x->reta[i] = (uint8_t)(i % spread);
    ret = weir_device_region(n->device, WEIR_REGION_BAR0, &bar);
    if (ret || bar.size < MIN_BAR0)
        ret = weir_fail(e, -EIO, "x540-bar",
                        "open an X540\nits BAR0 has %#llx bytes, the registers take %#x\n"
                        "this is no X540, or a broken model of one",
                        (unsigned long long)(ret ? 0 : bar.size), MIN_BAR0);
    if (!ret)
        ret = x540_reset(x, e);
    if (!ret)
        ret = x540_nvm_check(x, e);
    if (!ret)
        ret = find_mac(n, e);
    if (!ret)
        ret = make_queues(n, e);
    n->rx_path = x540_rx_path(n);
    n->tx_path = x540_tx_path(n);
    if (ret)
        x540_close(n);
    return ret;
}

/* 4.6.6: the cause is cleared by reading it, and again by writing should GPIE.OCD keep it. */
static void x540_irq(struct weir_net *n)
{
    const struct x540 *x = x540_of(n);

    x540_write(x, X540_EICR, x540_read(x, X540_EICR));
}

static int x540_set_promiscuous(struct weir_net *n, bool on, struct weir_error *e)
{
    (void)e;
    x540_write_promiscuous(x540_of(n), on, n->opt.all_multicast);
    return 0;
}

static int x540_set_mac(struct weir_net *n, const uint8_t mac[6], struct weir_error *e)
{
    (void)e;
    x540_write_mac(x540_of(n), mac);
    return 0;
}

static int x540_set_rss(struct weir_net *n, const uint8_t *key, const uint8_t *reta,
                        struct weir_error *e)
{
    struct x540 *x = x540_of(n);

    for (unsigned i = 0; reta && i < X540_RETA_SIZE; i++)
        if (reta[i] > 15)
            return weir_fail(e, -EINVAL, "port-rss",
                             "set the RSS table of an X540\nentry %u names queue %u; the table "
                             "has 4-bit entries\nname queues from 0 to 15",
                             i, reta[i]);
    if (reta)
        memcpy(x->reta, reta, sizeof(x->reta));
    x540_write_rss(x, key ? key : n->opt.rss_key, x->reta);
    return 0;
}

static const struct weir_pci_id ids[] = {
    {0x8086, 0x1528}, /* X540-T2, X540-AT2 */
    {0x8086, 0x1560}, /* X540-T1, X540-AT1 */
    {0, 0},
};

static const struct weir_net_ops net_ops = {
    .limits =
        {
            .max_rx_queues = X540_RX_QUEUES,
            .max_tx_queues = 64, /* more only with DCB or VT (7.2) */
            .min_ring = 64,
            .max_ring = 4096,
            .ring_multiple = 8, /* RDLEN and TDLEN count in 128 bytes */
            .min_mtu = 68,
            .max_mtu = X540_MAX_FRAME - X540_L2_EXTRA - 4,
            .data_room_multiple = X540_SRRCTL_PACKET_UNIT,
            .min_data_room = 1024,
            .max_data_room = 16384,
            .reta_size = X540_RETA_SIZE,
        },
    .open = x540_open,
    .close = x540_close,
    .start = x540_start,
    .stop = x540_stop,
    .link = x540_link,
    .irq = x540_irq,
    .set_promiscuous = x540_set_promiscuous,
    .set_mac = x540_set_mac,
    .set_rss = x540_set_rss,
    .stats = x540_stats,
};

const struct weir_driver weir_x540_driver = {
    .name = "x540",
    .ids = ids,
    .device_class = WEIR_CLASS_NET,
    .net = &net_ops,
    .regs = &x540_regs,
};
