/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The copper PHY behind MDIO, and the link. The wire has a carrier or not; the speed is the fastest
 * that is advertised, as the far end can do them all. Registers are those of IEEE 802.3 clause 45.
 */
#include "xm.h"
#include <linux/mdio.h>
#include <time.h>

/* Of the PHY's vendor: 1 Gb/s is advertised here, not in a standard register. */
enum {
    AN_VENDOR_ADVERTISE = 0xc400,
    AN_VENDOR_STATUS = 0xc800,
    EXTENDED_NEXT_PAGE = 0x1000,
    VENDOR_1G_FULL = 0x8000,
    VENDOR_1G_NEXT_PAGE = 0x4000,
    VENDOR1_LOW_POWER = 0x0800,
    VENDOR1_FIRMWARE = 0x20,
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool weir_xm_link_up(const struct xm *x)
{
    return x->linked;
}

/* LINKS as the MAC reports it. */
uint32_t weir_xm_links(const struct xm *x)
{
    if (weir_xm_get(x, X540_MACC) & X540_MACC_FLU)
        return X540_LINKS_LINK_UP | weir_field_set(0, X540_LINKS_LINK_SPEED, X540_LINK_SPEED_10G);
    if (!x->linked)
        return 0;
    return X540_LINKS_LINK_UP | weir_field_set(0, X540_LINKS_LINK_SPEED, x->speed);
}

static unsigned best_speed(const struct xm *x)
{
    if (x->low_power)
        return 0;
    if (x->advertise_10g & MDIO_AN_10GBT_CTRL_ADV10G)
        return X540_LINK_SPEED_10G;
    if (x->advertise_vendor & VENDOR_1G_FULL)
        return X540_LINK_SPEED_1G;
    return x->advertise & ADVERTISE_100FULL ? X540_LINK_SPEED_100M : 0;
}

static void update(struct xm *x, bool bounced)
{
    bool up = x->wire_up && x->speed && !x->link_at;
    if (up != x->linked || (bounced && up)) {
        x->linked = up;
        weir_xm_cause(x, X540_EICR_LSC);
    }
}

static void negotiate(struct xm *x)
{
    bool was_up = x->linked;
    x->speed = best_speed(x);
    x->link_at = x->autoneg_ns && x->wire_up ? now_ns() + x->autoneg_ns : 0;
    update(x, was_up);
}

void weir_xm_wire_link(struct xm *x, bool up)
{
    if (up == x->wire_up)
        return;
    weir_xm_count_missed(x); /* what gets lost while the cable is out never came */
    x->wire_up = up;
    negotiate(x);
}

void weir_xm_phy_step(struct xm *x)
{
    if (x->link_at && now_ns() >= x->link_at) {
        x->link_at = 0;
        update(x, false);
    }
}

void weir_xm_phy_reset(struct xm *x)
{
    x->advertise = ADVERTISE_CSMA | ADVERTISE_100HALF | ADVERTISE_100FULL | ADVERTISE_PAUSE_CAP |
                   ADVERTISE_PAUSE_ASYM | EXTENDED_NEXT_PAGE;
    x->advertise_10g = MDIO_AN_10GBT_CTRL_ADV10G;
    x->advertise_vendor = VENDOR_1G_FULL | VENDOR_1G_NEXT_PAGE;
    x->low_power = false;
    memset(x->mdio_address, 0, sizeof(x->mdio_address));
    negotiate(x);
}

static uint16_t read_an(const struct xm *x, unsigned reg)
{
    bool up = x->linked;
    switch (reg) {
    case MDIO_CTRL1:
        return MDIO_AN_CTRL1_ENABLE | MDIO_AN_CTRL1_XNP;
    case MDIO_STAT1:
        return (uint16_t)(MDIO_AN_STAT1_ABLE | (up ? MDIO_STAT1_LSTATUS | MDIO_AN_STAT1_COMPLETE |
                                                         MDIO_AN_STAT1_PAGE | MDIO_AN_STAT1_LPABLE
                                                   : 0));
    case MDIO_AN_ADVERTISE:
        return x->advertise;
    case MDIO_AN_LPA:
        return up ? LPA_100FULL | LPA_100HALF | LPA_LPACK | ADVERTISE_CSMA : 0;
    case MDIO_AN_10GBT_CTRL:
        return x->advertise_10g;
    case MDIO_AN_10GBT_STAT:
        return up ? MDIO_AN_10GBT_STAT_LP10G | MDIO_AN_10GBT_STAT_REMOK | MDIO_AN_10GBT_STAT_LOCOK
                  : 0;
    case AN_VENDOR_ADVERTISE:
        return x->advertise_vendor;
    case AN_VENDOR_STATUS: /* speed in bits 2:1, full duplex in bit 0 */
        return up ? (uint16_t)(x->speed << 1 | 1) : 0;
    default:
        return 0;
    }
}

static uint16_t mdio_read(const struct xm *x, unsigned phy, unsigned dev, unsigned reg)
{
    const uint16_t up = x->linked ? MDIO_STAT1_LSTATUS : 0;

    if (phy != 0 || (dev != MDIO_MMD_PMAPMD && dev != MDIO_MMD_PCS && dev != MDIO_MMD_PHYXS &&
                     dev != MDIO_MMD_AN && dev != MDIO_MMD_VEND1))
        return 0xffff; /* nobody drives the data line */
    switch (reg) {
    case MDIO_DEVID1:
        return 0x0154;
    case MDIO_DEVID2:
        return 0x0200;
    case MDIO_DEVS1:
        return MDIO_DEVS_PMAPMD | MDIO_DEVS_PCS | MDIO_DEVS_PHYXS | MDIO_DEVS_AN;
    case MDIO_DEVS2:
        return (uint16_t)(MDIO_DEVS_VEND1 >> 16);
    default:
        break;
    }
    if (dev == MDIO_MMD_AN)
        return read_an(x, reg);
    if (dev == MDIO_MMD_VEND1)
        return reg == MDIO_CTRL1         ? (x->low_power ? VENDOR1_LOW_POWER : 0)
               : reg == VENDOR1_FIRMWARE ? 0x0100
                                         : 0;
    switch (reg) {
    case MDIO_CTRL1:
        return MDIO_CTRL1_SPEED10G;
    case MDIO_STAT1:
        return MDIO_STAT1_LPOWERABLE | up;
    case MDIO_STAT2:
        return MDIO_STAT2_DEVPRST_VAL;
    default:
        break;
    }
    if (dev == MDIO_MMD_PMAPMD) {
        if (reg == MDIO_SPEED)
            return MDIO_SPEED_10G | MDIO_PMA_SPEED_1000 | MDIO_PMA_SPEED_100;
        if (reg == MDIO_CTRL2)
            return MDIO_PMA_CTRL2_10GBT;
        if (reg == MDIO_PMA_EXTABLE)
            return MDIO_PMA_EXTABLE_10GBT | MDIO_PMA_EXTABLE_1000BT | MDIO_PMA_EXTABLE_100BTX;
    } else if (reg == MDIO_SPEED) {
        return MDIO_SPEED_10G;
    }
    return 0;
}

static void mdio_write(struct xm *x, unsigned phy, unsigned dev, unsigned reg, uint16_t value)
{
    if (phy != 0)
        return;
    if (reg == MDIO_CTRL1) {
        if (dev == MDIO_MMD_VEND1) {
            bool was = x->low_power;
            x->low_power = value & VENDOR1_LOW_POWER;
            if (was != x->low_power)
                negotiate(x);
        } else if (value & MDIO_CTRL1_RESET) {
            weir_xm_phy_reset(x);
        } else if (dev == MDIO_MMD_AN && value & MDIO_AN_CTRL1_RESTART) {
            negotiate(x);
        }
    } else if (dev == MDIO_MMD_AN) {
        if (reg == MDIO_AN_ADVERTISE)
            x->advertise = value;
        else if (reg == MDIO_AN_10GBT_CTRL)
            x->advertise_10g = value;
        else if (reg == AN_VENDOR_ADVERTISE)
            x->advertise_vendor = value;
    }
}

/* MDIO command (8.2, MSCA): an address cycle, then a read or write of what it addressed. */
void weir_xm_msca(struct xm *x, uint32_t value)
{
    unsigned phy = weir_field_get(value, X540_MSCA_PHYADD);
    unsigned dev = weir_field_get(value, X540_MSCA_DEVADD);
    uint32_t *data = &x->reg[X540_MSRWD / 4];

    x->reg[X540_MSCA / 4] = value & ~X540_MSCA_MDICMD; /* done at once */
    if (!(value & X540_MSCA_MDICMD))
        return;
    if (weir_field_get(value, X540_MSCA_STCODE) != X540_MDIO_CLAUSE_45) {
        *data = weir_field_set(*data, X540_MSRWD_MDIRDDATA, 0xffff);
        return;
    }
    switch (weir_field_get(value, X540_MSCA_OPCODE)) {
    case X540_MDIO_ADDRESS:
        x->mdio_address[dev] = (uint16_t)weir_field_get(value, X540_MSCA_MDIADD);
        break;
    case X540_MDIO_WRITE:
        mdio_write(x, phy, dev, x->mdio_address[dev],
                   (uint16_t)weir_field_get(*data, X540_MSRWD_MDIWRDATA));
        break;
    default: /* read, and read with increment */
        *data = weir_field_set(*data, X540_MSRWD_MDIRDDATA,
                               mdio_read(x, phy, dev, x->mdio_address[dev]));
        if (weir_field_get(value, X540_MSCA_OPCODE) == X540_MDIO_READ_INCREMENT)
            x->mdio_address[dev]++;
        break;
    }
}
