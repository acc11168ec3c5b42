/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The copper PHY, over MDIO (IEEE 802.3 clause 45), and the link. Autonegotiation takes seconds;
 * nothing here waits for it. The MAC tells by an interrupt when the link changes.
 */
#include "x540.h"
#include <errno.h>

#define MDIO_US      10000
#define UNBIND_PAUSE 200000

/* MDIO-manageable devices (802.3, table 45-1) and their registers. */
enum {
    PMA = 1,
    PMA_ID1 = 2,
    PMA_ID2 = 3,

    AN = 7,
    AN_CONTROL = 0x00,
    AN_CONTROL_RESTART = 1 << 9,
    AN_CONTROL_ENABLE = 1 << 12,
    AN_STATUS = 0x01,
    AN_STATUS_LINK = 1 << 2,
    AN_STATUS_COMPLETE = 1 << 5,
    AN_ADVERTISE = 0x10,
    AN_ADVERTISE_100_FULL = 1 << 8,
    AN_10G = 0x20, /* 10GBASE-T control */
    AN_10G_FULL = 1 << 12,
    AN_VENDOR = 0xc400, /* this PHY's: speeds without a standard register */
    AN_VENDOR_1G_FULL = 1 << 15,

    VENDOR1 = 30,
    VENDOR1_CONTROL = 0,
    VENDOR1_CONTROL_LOW_POWER = 1 << 11,
};

static bool mdio(const struct x540 *x, uint32_t op, uint32_t dev, uint32_t reg)
{
    uint32_t cmd = X540_MSCA_MDICMD;

    cmd = weir_field_set(cmd, X540_MSCA_MDIADD, reg);
    cmd = weir_field_set(cmd, X540_MSCA_DEVADD, dev);
    cmd = weir_field_set(cmd, X540_MSCA_PHYADD, x->phy);
    cmd = weir_field_set(cmd, X540_MSCA_OPCODE, op);
    cmd = weir_field_set(cmd, X540_MSCA_STCODE, X540_MDIO_CLAUSE_45);
    x540_write(x, X540_MSCA, cmd);
    return x540_wait(x, X540_MSCA, X540_MSCA_MDICMD, 0, MDIO_US);
}

static bool mdio_read(const struct x540 *x, uint32_t dev, uint32_t reg, uint16_t *out)
{
    if (!mdio(x, X540_MDIO_ADDRESS, dev, reg) || !mdio(x, X540_MDIO_READ, dev, reg))
        return false;
    *out = (uint16_t)weir_field_get(x540_read(x, X540_MSRWD), X540_MSRWD_MDIRDDATA);
    return true;
}

static bool mdio_write(const struct x540 *x, uint32_t dev, uint32_t reg, uint16_t value)
{
    if (!mdio(x, X540_MDIO_ADDRESS, dev, reg))
        return false;
    x540_write(x, X540_MSRWD, value);
    return mdio(x, X540_MDIO_WRITE, dev, reg);
}

/* Set bits where they are not set. *changed: they were not. */
static bool mdio_set(const struct x540 *x, uint32_t dev, uint32_t reg, uint16_t bits, bool *changed)
{
    uint16_t was;

    if (!mdio_read(x, dev, reg, &was))
        return false;
    if ((was & bits) == bits)
        return true;
    *changed = true;
    return mdio_write(x, dev, reg, was | bits);
}

static bool find(struct x540 *x)
{
    for (x->phy = 0; x->phy < 32; x->phy++) {
        uint16_t id1 = 0, id2 = 0;
        if (mdio_read(x, PMA, PMA_ID1, &id1) && mdio_read(x, PMA, PMA_ID2, &id2) && id1 != 0xffff &&
            (id1 || id2))
            return true;
        if (weir_device_lost(x->device))
            break;
    }
    x->phy = 0;
    return false;
}

static bool wake(const struct x540 *x)
{
    uint16_t control;

    if (!mdio_read(x, VENDOR1, VENDOR1_CONTROL, &control))
        return false;
    return !(control & VENDOR1_CONTROL_LOW_POWER) ||
           mdio_write(x, VENDOR1, VENDOR1_CONTROL,
                      (uint16_t)(control & ~VENDOR1_CONTROL_LOW_POWER));
}

/* Offer all speeds. A link that was negotiated with the same offers is left alone: a new
 * negotiation would cost seconds. */
static bool negotiate(const struct x540 *x)
{
    uint16_t control, status;
    bool changed = false;

    if (!mdio_set(x, AN, AN_10G, AN_10G_FULL, &changed) ||
        !mdio_set(x, AN, AN_VENDOR, AN_VENDOR_1G_FULL, &changed) ||
        !mdio_set(x, AN, AN_ADVERTISE, AN_ADVERTISE_100_FULL, &changed) ||
        !mdio_read(x, AN, AN_CONTROL, &control) || !mdio_read(x, AN, AN_STATUS, &status) ||
        !mdio_read(x, AN, AN_STATUS, &status)) /* the link bit latches low: the second is now */
        return false;
    if (!changed && control & AN_CONTROL_ENABLE && status & AN_STATUS_COMPLETE &&
        status & AN_STATUS_LINK)
        return true;
    return mdio_write(x, AN, AN_CONTROL, control | AN_CONTROL_ENABLE | AN_CONTROL_RESTART);
}

int x540_phy_start(struct x540 *x, struct weir_error *e)
{
    uint32_t mask = x->lan ? X540_SW_FW_SYNC_SW_PHY1 : X540_SW_FW_SYNC_SW_PHY0;
    int ret = x540_lock(x, mask, e);
    bool found, ok;

    if (ret)
        return ret;
    found = find(x);
    if (!found && !weir_device_lost(x->device)) {
        /* Seen right after the kernel's driver let go of the device. */
        x540_pause(UNBIND_PAUSE);
        found = find(x);
    }
    ok = found && wake(x) && negotiate(x);
    x540_unlock(x, mask);
    if (weir_device_lost(x->device))
        return x540_fail_lost(x, "start the link of", e);
    if (!found)
        return weir_fail(e, -EIO, "x540-phy",
                         "start the link of the X540\nno PHY answers over MDIO\nreset the "
                         "device, or power-cycle it");
    if (!ok)
        return weir_fail(e, -EIO, "x540-phy",
                         "start the link of the X540\nthe PHY at MDIO address %u stopped "
                         "answering\nreset the device, or power-cycle it",
                         x->phy);
    return 0;
}

void x540_link(struct weir_net *n, struct weir_link *out)
{
    uint32_t links = x540_read(x540_of(n), X540_LINKS);

    if (!(links & X540_LINKS_LINK_UP))
        return;
    out->up = true;
    out->full_duplex = true; /* the X540 knows no other */
    switch (weir_field_get(links, X540_LINKS_LINK_SPEED)) {
    case X540_LINK_SPEED_10G:
        out->mbps = 10000;
        break;
    case X540_LINK_SPEED_1G:
        out->mbps = 1000;
        break;
    case X540_LINK_SPEED_100M:
        out->mbps = 100;
        break;
    default:
        out->mbps = 0;
    }
}
