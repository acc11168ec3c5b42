/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The register file of BAR0: routed by the shared table (hw/x540/regs.h), so that a register that
 * nobody cares for still behaves as declared. Registers with a will of their own are the cases
 * below.
 */
#include "xm.h"
#include <errno.h>
#include <time.h>

enum xm_kind {
    KIND_NONE, /* nothing there: reads zero */
    KIND_RW,
    KIND_RO,
    KIND_WO,
    KIND_W1C,
    KIND_STAT,
    KIND_QUEUE,
    KIND_IRQ,
    KIND_SPECIAL,
};

static const struct {
    uint32_t off, count;
    enum xm_kind kind;
} routes[] = {
    {X540_CTRL, 1, KIND_SPECIAL},     {X540_STATUS, 1, KIND_SPECIAL},
    {X540_FRTIMER, 1, KIND_SPECIAL},  {X540_EICR, 1, KIND_IRQ},
    {X540_EICS, 1, KIND_IRQ},         {X540_EIMS, 1, KIND_IRQ},
    {X540_EIMC, 1, KIND_IRQ},         {X540_EICS_EX, 2, KIND_IRQ},
    {X540_EIMS_EX, 2, KIND_IRQ},      {X540_EIMC_EX, 2, KIND_IRQ},
    {X540_PFQDE, 1, KIND_SPECIAL},    {X540_RXCTRL, 1, KIND_SPECIAL},
    {X540_RDRXCTL, 1, KIND_SPECIAL},  {X540_RXMEMWRAP, 1, KIND_SPECIAL},
    {X540_MSCA, 1, KIND_SPECIAL},     {X540_MSRWD, 1, KIND_SPECIAL},
    {X540_LINKS, 1, KIND_SPECIAL},    {X540_RSSRK, 10, KIND_SPECIAL},
    {X540_RAL, 256, KIND_SPECIAL},    {X540_IPSTXIDX, 1, KIND_SPECIAL},
    {X540_IPSRXIDX, 1, KIND_SPECIAL}, {X540_FDIRCTRL, 1, KIND_SPECIAL},
    {X540_FDIRCMD, 1, KIND_SPECIAL},  {X540_EEC, 1, KIND_SPECIAL},
    {X540_EERD, 1, KIND_SPECIAL},     {X540_EEWR, 1, KIND_SPECIAL},
    {X540_SWSM, 1, KIND_SPECIAL},     {X540_SW_FW_SYNC, 1, KIND_SPECIAL},
    {X540_DMATXCTL, 1, KIND_SPECIAL},
};

static bool is_queue_reg(const char *name)
{
    static const char *const names[] = {"RDBAL", "RDBAH",  "RDLEN", "RDH",   "SRRCTL",
                                        "RDT",   "RXDCTL", "TDBAL", "TDBAH", "TDLEN",
                                        "TDH",   "TDT",    "TXDCTL"};
    size_t len = strcspn(name, "_");
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == len && strncmp(name, names[i], len) == 0)
            return true;
    return false;
}

static enum xm_kind kind_of(const struct weir_reg *r)
{
    if (is_queue_reg(r->name))
        return KIND_QUEUE;
    switch (r->access) {
    case WEIR_REG_RO:
        return KIND_RO;
    case WEIR_REG_WO:
        return KIND_WO;
    case WEIR_REG_RC:
        return KIND_STAT;
    case WEIR_REG_W1C:
        return KIND_W1C;
    default:
        return KIND_RW;
    }
}

/* The row that an _ALIAS row repeats. */
static const struct weir_reg *original(const struct weir_reg *r)
{
    size_t len = strlen(r->name);
    if (len < 6 || strcmp(r->name + len - 6, "_ALIAS") != 0)
        return r;
    for (unsigned i = 0; i < x540_regs.n_regs; i++) {
        const struct weir_reg *o = &x540_regs.regs[i];
        if (strlen(o->name) == len - 6 && strncmp(o->name, r->name, len - 6) == 0)
            return o;
    }
    return r;
}

int weir_xm_reg_init(struct xm *x, struct weir_error *e)
{
    for (unsigned i = 0; i < XM_REG_BYTES / 4; i++)
        x->canon[i] = (uint16_t)i;
    for (unsigned i = 0; i < x540_regs.n_regs; i++) {
        const struct weir_reg *r = &x540_regs.regs[i], *o = original(r);
        for (uint32_t k = 0; k < r->count; k++) {
            uint32_t off = r->offset + k * r->stride;
            if (off >= XM_REG_BYTES || o->offset + k * o->stride >= XM_REG_BYTES)
                return weir_fail(e, -EINVAL, "model-table",
                                 "make an x540 model\nthe register table has %s at %#x, the model "
                                 "ends at %#x",
                                 r->name, off, XM_REG_BYTES);
            x->kind[off / 4] = (uint8_t)kind_of(o);
            x->canon[off / 4] = (uint16_t)((o->offset + k * o->stride) / 4);
        }
    }
    for (unsigned i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        for (uint32_t k = 0; k < routes[i].count; k++)
            x->kind[routes[i].off / 4 + k] = (uint8_t)routes[i].kind;
    return 0;
}

static void set(struct xm *x, uint32_t off, uint32_t value)
{
    x->reg[off / 4] = value;
}

/* Values after a reset, where they are not zero (chapter 8.2). */
void weir_xm_reg_reset(struct xm *x)
{
    uint32_t swsm = weir_xm_get(x, X540_SWSM), sync = weir_xm_get(x, X540_SW_FW_SYNC);

    memset(x->reg, 0, sizeof(x->reg));
    /* Shared with the other functions and firmware: a software reset leaves them. */
    set(x, X540_SWSM, swsm);
    set(x, X540_SW_FW_SYNC, sync);

    set(x, X540_RDRXCTL, X540_RDRXCTL_DMAIDONE);
    set(x, X540_RXPBSIZE, X540_RX_BUFFER_KIB << 10);
    set(x, X540_TXPBSIZE, X540_TX_BUFFER_KIB << 10);
    set(x, X540_HLREG0,
        X540_HLREG0_TXCRCEN | X540_HLREG0_RXCRCSTRP | X540_HLREG0_TXPADEN |
            X540_HLREG0_RXLNGTHERREN);
    set(x, X540_MAXFRS, 1518u << 16);
    set(x, X540_VLNCTRL, 0x8100);
    set(x, X540_DMATXCTL, 0x8100u << 16);
    set(x, X540_DTXTCPFLGL, 0x0f760ff6);
    set(x, X540_DTXTCPFLGH, 0x00000f7f);
    /* Ready; and off for good, as fuses can have it: there is no security engine behind it. */
    set(x, X540_SECTXSTAT, X540_SECTXSTAT_SECTX_RDY | X540_SECTXSTAT_SECTX_OFF_DIS);
    set(x, X540_SECRXSTAT, X540_SECRXSTAT_SECRX_RDY | X540_SECRXSTAT_SECRX_OFF_DIS);
    set(x, X540_EEC, X540_EEC_PRES | X540_EEC_AUTO_RD | weir_field_set(0, X540_EEC_SIZE, 6));
    set(x, X540_EEMNGCTL, X540_EEMNGCTL_CFG_DONE0 | X540_EEMNGCTL_CFG_DONE1);
    set(x, X540_FWSM, X540_FWSM_FW_VAL);
    set(x, X540_FACTPS, X540_FACTPS_LAN0_VALID);
    /* What the NVM reloads */
    set(x, X540_RAL,
        (uint32_t)x->mac[0] | (uint32_t)x->mac[1] << 8 | (uint32_t)x->mac[2] << 16 |
            (uint32_t)x->mac[3] << 24);
    set(x, X540_RAH, (uint32_t)x->mac[4] | (uint32_t)x->mac[5] << 8 | X540_RAH_AV);
    x->addresses_stale = x->rss_stale = true;
}

void weir_xm_soft_reset(struct xm *x)
{
    weir_xm_reg_reset(x);
    weir_xm_queue_reset(x);
    weir_xm_stats_reset(x);
    weir_xm_irq_reset(x);
    weir_xm_fifo_clear(&x->fifo);
}

static uint32_t special_read(struct xm *x, uint32_t off)
{
    uint32_t value = weir_xm_get(x, off);
    struct timespec t;

    switch (off) {
    case X540_STATUS:
        if (!(weir_xm_get(x, X540_CTRL) & X540_CTRL_PCIE_MASTER_DISABLE))
            value |= X540_STATUS_PCIE_MASTER_ENABLE;
        if (weir_xm_link_up(x))
            value |= X540_STATUS_LINKUP;
        return value;
    case X540_FRTIMER: /* microseconds */
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint32_t)((uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000);
    case X540_RXMEMWRAP: /* every packet buffer but the first is always empty */
        return 0x88888880 | (x->fifo.used ? 0 : X540_RXMEMWRAP_TC0EMPTY);
    case X540_LINKS:
        return weir_xm_links(x);
    case X540_SWSM: /* reading takes the semaphore: who reads 0 has it */
        set(x, off, value | X540_SWSM_SMBI);
        return value;
    case X540_SW_FW_SYNC:
        set(x, off, value | X540_SW_FW_SYNC_REGSMP);
        return value;
    case X540_PFQDE: {
        unsigned q = weir_field_get(value, X540_PFQDE_QUEUE_IDX);
        return weir_field_set(value, X540_PFQDE_QDE, (uint32_t)x->qde[q / 8] >> (q % 8));
    }
    default:
        return value;
    }
}

static void write_ctrl(struct xm *x, uint32_t value)
{
    if (value & (X540_CTRL_RST | X540_CTRL_LRST))
        weir_xm_soft_reset(x); /* done at once: the bits clear themselves */
    else
        set(x, X540_CTRL, value);
}

static void write_pfqde(struct xm *x, uint32_t value)
{
    unsigned q = weir_field_get(value, X540_PFQDE_QUEUE_IDX);
    uint8_t bit = (uint8_t)(1u << (q % 8));

    if (value & X540_PFQDE_WE)
        x->qde[q / 8] =
            (uint8_t)(value & X540_PFQDE_QDE ? x->qde[q / 8] | bit : x->qde[q / 8] & ~bit);
    set(x, X540_PFQDE, value & ~(X540_PFQDE_WE | X540_PFQDE_RE));
    x->rx_blocked = false;
}

static void special_write(struct xm *x, uint32_t off, uint32_t value)
{
    switch (off) {
    case X540_CTRL:
        write_ctrl(x, value);
        return;
    case X540_STATUS:
    case X540_FRTIMER:
    case X540_RXMEMWRAP:
    case X540_LINKS:
        return; /* read-only */
    case X540_PFQDE:
        write_pfqde(x, value);
        return;
    case X540_RXCTRL:
        x->rx_blocked = false;
        break;
    case X540_DMATXCTL: /* enabling it lets queues go that have work already */
        if (value & ~weir_xm_get(x, off) & X540_DMATXCTL_TE)
            memset(x->tx_work, 0xff, sizeof(x->tx_work));
        break;
    case X540_RDRXCTL:
        value |= X540_RDRXCTL_DMAIDONE;
        break;
    case X540_MSCA:
        weir_xm_msca(x, value);
        return;
    case X540_MSRWD: /* the read half is the PHY's */
        value = weir_field_set(weir_xm_get(x, off), X540_MSRWD_MDIWRDATA, value);
        break;
    case X540_IPSTXIDX:
    case X540_IPSRXIDX: /* the commands complete at once */
        value &= ~(X540_IPSTXIDX_READ | X540_IPSTXIDX_WRITE);
        break;
    case X540_FDIRCTRL: /* the tables are cleared at once */
        if (value & X540_FDIRCTRL_PBALLOC)
            value |= X540_FDIRCTRL_INIT_DONE;
        break;
    case X540_FDIRCMD:
        value &= ~(X540_FDIRCMD_CMD | X540_FDIRCMD_CLEARHT);
        break;
    case X540_EEC:
        weir_xm_eec(x, value);
        return;
    case X540_EERD:
        weir_xm_eerd(x, value);
        return;
    case X540_EEWR:
        weir_xm_eewr(x, value);
        return;
    default:
        if (off >= X540_RSSRK && off < X540_RSSRK + 40)
            x->rss_stale = true;
        else if (off >= X540_RAL && off < X540_RAL + 8 * 128) {
            x->addresses_stale = true;
            if (off & 4) /* RAH: the address and AV; the pools of the 82598 are reserved */
                value &= 0xffffu | X540_RAH_AV;
        }
        break;
    }
    set(x, off, value);
}

static uint32_t read_reg(struct xm *x, uint32_t off)
{
    uint32_t value = 0;
    bool known;

    if (off >= XM_REG_BYTES)
        return 0;
    off = 4u * x->canon[off / 4];
    switch ((enum xm_kind)x->kind[off / 4]) {
    case KIND_RW:
    case KIND_RO:
    case KIND_W1C:
        return weir_xm_get(x, off);
    case KIND_STAT:
        weir_xm_stat_read(x, off, &value);
        return value;
    case KIND_QUEUE:
        return weir_xm_queue_read(x, off, &known);
    case KIND_IRQ:
        return weir_xm_irq_read(x, off);
    case KIND_SPECIAL:
        return special_read(x, off);
    case KIND_NONE:
    case KIND_WO:
        break;
    }
    return 0;
}

static void write_reg(struct xm *x, uint32_t off, uint32_t value)
{
    if (off >= XM_REG_BYTES)
        return;
    off = 4u * x->canon[off / 4];
    switch ((enum xm_kind)x->kind[off / 4]) {
    case KIND_RW:
    case KIND_WO:
        set(x, off, value);
        break;
    case KIND_W1C:
        x->reg[off / 4] &= ~value;
        break;
    case KIND_QUEUE:
        weir_xm_queue_write(x, off, value);
        break;
    case KIND_IRQ:
        weir_xm_irq_write(x, off, value);
        break;
    case KIND_SPECIAL:
        special_write(x, off, value);
        break;
    case KIND_NONE:
    case KIND_RO:
    case KIND_STAT:
        break;
    }
}

/* Registers are 32 bits wide (8.1.1). Narrower reads take their part; narrower writes are dropped,
 * as the device does. */
uint64_t weir_xm_read(struct weir_model *m, unsigned bar, uint64_t off, unsigned width)
{
    struct xm *x = weir_model_priv(m);
    uint32_t at = (uint32_t)off;

    if (bar != 0)
        return 0;
    if (width == 8)
        return read_reg(x, at) | (uint64_t)read_reg(x, at + 4) << 32;
    return read_reg(x, at & ~3u) >> (8 * (at & 3)) & (UINT32_MAX >> (32 - 8 * width));
}

void weir_xm_write(struct weir_model *m, unsigned bar, uint64_t off, unsigned width, uint64_t value)
{
    struct xm *x = weir_model_priv(m);

    if (bar != 0 || width < 4)
        return;
    write_reg(x, (uint32_t)off, (uint32_t)value);
    if (width == 8)
        write_reg(x, (uint32_t)off + 4, (uint32_t)(value >> 32));
}
