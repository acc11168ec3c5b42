/* SPDX-License-Identifier: BSD-3-Clause */
/* The X540 model's registers: reset values, NVM, semaphores, PHY and link, interrupts, parameters.
 */
#include "x540_case.h"

static void has_its_identity(void **state)
{
    struct bench *b = *state;
    struct weir_device_info info;
    struct weir_region r;

    weir_device_info(b->d, &info);
    assert_int_equal(info.vendor, 0x8086);
    assert_int_equal(info.device, 0x1528);
    assert_int_equal(info.class_code, 0x020000);
    weir_device_region(b->d, WEIR_REGION_BAR0, &r);
    assert_int_equal(r.size, 2 << 20);
    weir_device_region(b->d, WEIR_REGION_BAR4, &r);
    assert_int_equal(r.size, 16 << 10);
    assert_int_equal(weir_config_read(b->d, 0x10, 4) & 0xf, 0xc);
    assert_int_equal(weir_config_read(b->d, 0x20, 4) & 0xf, 0xc);
    assert_int_equal(weir_config_cap(b->d, 0x01), 0x40);
    assert_int_equal(weir_config_cap(b->d, 0x11), 0x70);
    assert_int_equal(weir_config_cap(b->d, 0x10), 0xa0);
    assert_int_equal(weir_device_irqs(b->d, WEIR_IRQ_MSIX), 64);
    assert_int_equal(weir_config_read(b->d, 0x74, 4), 4);
    assert_int_equal(weir_config_read(b->d, 0x78, 4), 0x2000 | 4);
    assert_int_equal(get(b, 0x1ffffc), 0);
    assert_int_equal(get(b, 0x0c), 0); /* no register there */
}

static void has_reset_values(void **state)
{
    struct bench *b = *state;

    for (unsigned pass = 0; pass < 2; pass++) {
        assert_int_equal(get(b, X540_CTRL), 0);
        assert_true(get(b, X540_STATUS) & X540_STATUS_PCIE_MASTER_ENABLE);
        assert_int_equal(get(b, X540_EEC) & 0x7f00, 0x300 | 6 << 11);
        assert_true(get(b, X540_FWSM) & X540_FWSM_FW_VAL);
        assert_true(get(b, X540_RDRXCTL) & X540_RDRXCTL_DMAIDONE);
        assert_true(get(b, X540_SECRXSTAT) & 1);
        assert_true(get(b, X540_SECTXSTAT) & 1);
        assert_int_equal(get(b, X540_RAL), 0x00000002);
        assert_int_equal(get(b, X540_RAH), 0x80000100);
        assert_int_equal(get(b, X540_RAL_ALIAS), 0x00000002);
        assert_int_equal(get(b, X540_RAL + 8), 0);
        assert_int_equal(get(b, X540_MAXFRS), 1518 << 16);
        assert_int_equal(get(b, X540_VLNCTRL), 0x8100);
        assert_int_equal(get(b, X540_RXPBSIZE), 384 << 10);
        assert_int_equal(get(b, X540_LINKS), 0x70000000);
        assert_int_equal(get(b, x540_rxq(X540_SRRCTL, 127)), 0x402);
        assert_int_equal(get(b, X540_EIMS), 0);
        assert_int_equal(get(b, X540_HLREG0) & 3, 3);
        /* Dirt, which CTRL.RST cleans up: it clears itself, also by its other address. */
        set(b, X540_RAL, 0x12345678);
        set(b, X540_RAH, 0);
        set(b, X540_RAL + 8, 5);
        set(b, X540_MAXFRS, 9000 << 16);
        set(b, X540_EIMS, 0xffffffff);
        set(b, X540_RXCTRL, 1);
        set(b, x540_rxq(X540_SRRCTL, 127), 0x1234);
        set(b, X540_VFTA + 4, 7);
        assert_int_equal(get(b, X540_RAL), 0x12345678);
        set(b, pass ? X540_CTRL : X540_CTRL_ALIAS, X540_CTRL_RST);
        assert_int_equal(get(b, X540_RXCTRL), 0);
        assert_int_equal(get(b, X540_VFTA + 4), 0);
    }
    set(b, X540_CTRL, X540_CTRL_PCIE_MASTER_DISABLE);
    assert_int_equal(get(b, X540_CTRL), X540_CTRL_PCIE_MASTER_DISABLE);
    assert_false(get(b, X540_STATUS) & X540_STATUS_PCIE_MASTER_ENABLE);
    set(b, X540_CTRL, X540_CTRL_RST | X540_CTRL_LRST);
    assert_int_equal(get(b, X540_CTRL), 0);
    assert_true(get(b, X540_STATUS) & X540_STATUS_PCIE_MASTER_ENABLE);
}

static void follows_the_table(void **state)
{
    struct bench *b = *state;
    uint32_t index;

    /* Aliases are one register. */
    set(b, X540_RAL_ALIAS + 8 * 3, 0x11223344);
    assert_int_equal(get(b, X540_RAL + 8 * 3), 0x11223344);
    set(b, X540_RETA_ALIAS + 4 * 31, 0x01020304);
    assert_int_equal(get(b, X540_RETA + 4 * 31), 0x01020304);
    set(b, X540_SRRCTL_ALIAS + 4 * 15, 3);
    assert_int_equal(get(b, x540_rxq(X540_SRRCTL, 15)), 3);
    set(b, X540_MRQC_ALIAS, 1);
    assert_int_equal(get(b, X540_MRQC), 1);
    /* Read-only registers stay; every writable one keeps something. */
    uint32_t fwsm = get(b, X540_FWSM);
    set(b, X540_FWSM, 0);
    assert_int_equal(get(b, X540_FWSM), fwsm);
    set(b, X540_STATUS, 0xffffffff);
    assert_false(get(b, X540_STATUS) & X540_STATUS_IOV_ACTIVE);
    set(b, X540_LINKS, 0);
    assert_int_equal(get(b, X540_LINKS), 0x70000000);
    set(b, X540_GPRC, 77); /* statistics cannot be written */
    assert_int_equal(get(b, X540_GPRC), 0);

    const struct weir_reg *r = weir_reg_find(&x540_regs, X540_RAH + 8 * 5, &index);
    assert_string_equal(r->name, "RAH");
    assert_int_equal(index, 5);
    r = weir_reg_find(&x540_regs, x540_rxq(X540_RXDCTL, 70) + 3, &index);
    assert_string_equal(r->name, "RXDCTL_64");
    assert_int_equal(index, 6);
    assert_null(weir_reg_find(&x540_regs, 0x0c, &index));
    assert_null(weir_reg_find(&x540_regs, 0x1fffff, NULL));
}

/* What stock drivers' register tests write and expect (ethtool -t). */
static void keeps_reserved_bits_zero(void **state)
{
    struct bench *b = *state;
    static const struct {
        uint32_t reg, mask;
    } rows[] = {
        {X540_RDBAL, 0xffffff80}, {X540_RDBAH, 0xffffffff}, {X540_RDLEN, 0xfff80},
        {X540_TDBAL, 0xffffff80}, {X540_TDBAH, 0xffffffff}, {X540_TDLEN, 0xfff80},
        {X540_RAL, 0xffffffff},   {X540_RAH, 0x8000ffff},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set(b, rows[i].reg, 0xffffffff);
        assert_int_equal(get(b, rows[i].reg), rows[i].mask);
        set(b, rows[i].reg, 0x5a5a5a5a);
        assert_int_equal(get(b, rows[i].reg), 0x5a5a5a5a & rows[i].mask);
    }
}

/* 32-bit registers; narrower reads see their part, two of them fit one 64-bit access. */
static void takes_access_widths(void **state)
{
    struct bench *b = *state;
    uint64_t both = 0xffff334455667788; /* reserved bits of RAH read as 0 */
    uint16_t half = 0;
    uint8_t byte = 0x99;

    assert_int_equal(weir_region_write(b->d, 0, X540_RAL + 16, &both, 8, NULL), 0);
    assert_int_equal(get(b, X540_RAL + 16), 0x55667788);
    assert_int_equal(get(b, X540_RAH + 16), 0x80003344);
    assert_int_equal(weir_region_read(b->d, 0, X540_RAL + 18, &half, 2, NULL), 0);
    assert_int_equal(half, 0x5566);
    assert_int_equal(weir_region_write(b->d, 0, X540_RAL + 16, &byte, 1, NULL), 0);
    assert_int_equal(get(b, X540_RAL + 16), 0x55667788);
}

static uint16_t nvm(struct bench *b, uint32_t word)
{
    set(b, X540_EERD, word << 2 | X540_EERD_START);
    uint32_t v = get(b, X540_EERD);
    assert_true(v & X540_EERD_DONE);
    return (uint16_t)(v >> 16);
}

/* Sum of the words and the sections that pointers 3 and 6 to 14 lead to (6.2, NVM checksum). */
static uint16_t nvm_sum(struct bench *b)
{
    uint16_t sum = 0;
    for (uint32_t i = 0; i <= 0x3f; i++)
        sum = (uint16_t)(sum + nvm(b, i));
    for (uint32_t p = 3; p < 0xf; p++) {
        uint16_t at = nvm(b, p);
        if (p == 4 || p == 5 || at == 0 || at == 0xffff)
            continue;
        uint16_t len = nvm(b, at);
        for (uint32_t i = 1; len != 0xffff && i <= len; i++)
            sum = (uint16_t)(sum + nvm(b, at + i));
    }
    return sum;
}

static void has_an_nvm(void **state)
{
    struct bench *b = *state;

    assert_int_equal(nvm_sum(b), 0xbaba);
    uint32_t core = nvm(b, 9);
    assert_int_equal(nvm(b, core + 1), 0x0002); /* the address, two bytes to a word */
    assert_int_equal(nvm(b, core + 3), 0x0100);
    assert_int_equal(nvm(b, 0x27), 0xffff);
    assert_int_equal(nvm(b, 4095), 0xffff);
    assert_int_equal(nvm(b, 4096), 0xffff); /* behind the end */
    set(b, X540_EEWR, 0x1234u << 16 | 0x100 << 2 | X540_EEWR_START);
    assert_true(get(b, X540_EEWR) & X540_EEWR_DONE);
    assert_int_equal(nvm(b, 0x100), 0x1234);
    set(b, X540_EEC, get(b, X540_EEC) | X540_EEC_FLUPD);
    assert_true(get(b, X540_EEC) & X540_EEC_FLUDONE);
    assert_false(get(b, X540_EEC) & X540_EEC_FLUPD);

    struct bench *bad = bench_new("model:x540?nvm=bad");
    assert_int_not_equal(nvm_sum(bad), 0xbaba);
    assert_int_equal(get(bad, X540_LINKS), 0); /* no wire, no link */
    bench_free(bad);
}

static void has_semaphores(void **state)
{
    struct bench *b = *state;

    assert_int_equal(get(b, X540_SWSM) & X540_SWSM_SMBI, 0); /* got it */
    assert_int_equal(get(b, X540_SWSM) & X540_SWSM_SMBI, 1); /* taken */
    assert_int_equal(get(b, X540_SW_FW_SYNC) & X540_SW_FW_SYNC_REGSMP, 0);
    uint32_t v = get(b, X540_SW_FW_SYNC);
    assert_true(v & X540_SW_FW_SYNC_REGSMP);
    set(b, X540_SW_FW_SYNC, (v | X540_SW_FW_SYNC_SW_PHY0) & ~X540_SW_FW_SYNC_REGSMP);
    set(b, X540_SWSM, 0);
    assert_int_equal(get(b, X540_SW_FW_SYNC), X540_SW_FW_SYNC_SW_PHY0);
    assert_int_equal(get(b, X540_SWSM), 0);
    /* They belong to all functions: a software reset leaves them, a function-level one does not. */
    set(b, X540_CTRL, X540_CTRL_RST);
    assert_true(get(b, X540_SW_FW_SYNC) & X540_SW_FW_SYNC_SW_PHY0);
    assert_int_equal(weir_device_reset(b->d, NULL), 0);
    assert_int_equal(get(b, X540_SW_FW_SYNC), 0);
    assert_int_equal(get(b, X540_SWSM), 0);
}

static uint16_t mdio(struct bench *b, uint32_t phy, uint32_t dev, uint32_t reg, int write)
{
    uint32_t at = X540_MSCA_MDICMD | phy << 21 | dev << 16 | reg;
    set(b, X540_MSCA, at);
    assert_false(get(b, X540_MSCA) & X540_MSCA_MDICMD);
    if (write >= 0)
        set(b, X540_MSRWD, (uint32_t)write);
    set(b, X540_MSCA, at | (write >= 0 ? 1u : 3u) << 26);
    assert_false(get(b, X540_MSCA) & X540_MSCA_MDICMD);
    return (uint16_t)(get(b, X540_MSRWD) >> 16);
}

static void has_a_phy(void **state)
{
    struct bench *b = *state;

    assert_int_equal(mdio(b, 0, 1, 2, -1), 0x0154);
    assert_int_equal(mdio(b, 0, 1, 3, -1), 0x0200);
    assert_int_equal(mdio(b, 0, 1, 8, -1) & 0xc000, 0x8000); /* present */
    assert_int_equal(mdio(b, 0, 1, 4, -1) & 0x31, 0x31);     /* 10G, 1G, 100M */
    assert_int_equal(mdio(b, 0, 7, 1, -1) & 0x24, 0x24);     /* negotiated, link */
    assert_int_equal(mdio(b, 0, 1, 5, -1) & 0x9a, 0x9a);     /* PMA, PCS, PHY XS, AN */
    assert_int_equal(mdio(b, 0, 1, 6, -1), 0x4000);          /* and the vendor's */
    assert_int_equal(mdio(b, 0, 1, 1, -1) & 4, 4);
    assert_int_equal(mdio(b, 0, 1, 7, -1), 9);                /* 10GBASE-T */
    assert_int_equal(mdio(b, 0, 7, 16, -1) & 0x0d01, 0x0d01); /* pause both ways, 100BASE-TX */
    assert_int_equal(mdio(b, 0, 7, 19, -1) & 0x4000, 0x4000);
    assert_int_equal(mdio(b, 0, 7, 33, -1) & 0x3800, 0x3800); /* the far end does 10G, both agree */
    assert_int_equal(mdio(b, 0, 7, 0xc400, -1) & 0x8000, 0x8000);
    assert_int_equal(mdio(b, 0, 7, 0xc800, -1), 7);
    assert_int_equal(mdio(b, 0, 3, 4, -1), 1);
    assert_int_equal(mdio(b, 0, 30, 0x20, -1), 0x0100);
    assert_int_equal(mdio(b, 1, 1, 2, -1), 0xffff);
    assert_int_equal(mdio(b, 0, 2, 2, -1), 0xffff);
    /* Advertise less, restart: the link comes back slower. */
    get(b, X540_EICR);
    mdio(b, 0, 7, 32, 0);
    assert_int_equal(mdio(b, 0, 7, 32, -1), 0);
    assert_int_equal(get(b, X540_LINKS), 0x70000000);
    mdio(b, 0, 7, 0, 0x3200);
    assert_int_equal(get(b, X540_LINKS), 0x60000000);
    assert_true(get(b, X540_EICR) & X540_EICR_LSC);
    assert_int_equal(mdio(b, 0, 7, 0, -1) & 0x200, 0); /* clears itself */
    mdio(b, 0, 7, 0xc400, 0);
    mdio(b, 0, 7, 0, 0x3200);
    assert_int_equal(get(b, X540_LINKS), 0x50000000);
    mdio(b, 0, 7, 16, 0x0001);
    mdio(b, 0, 7, 0, 0x3200);
    assert_int_equal(get(b, X540_LINKS), 0); /* nothing in common */
    assert_int_equal(mdio(b, 0, 7, 1, -1) & 0x24, 0);
    /* A MAC reset leaves the PHY as it is, a PHY reset does not. */
    set(b, X540_CTRL, X540_CTRL_RST);
    assert_int_equal(get(b, X540_LINKS), 0);
    mdio(b, 0, 1, 0, 0x8000);
    assert_int_equal(get(b, X540_LINKS), 0x70000000);
    /* Low power */
    mdio(b, 0, 30, 0, 0x0800);
    assert_int_equal(mdio(b, 0, 30, 0, -1), 0x0800);
    assert_int_equal(get(b, X540_LINKS), 0);
    set(b, X540_MACC, X540_MACC_FLU); /* the MAC may be told that it is up all the same */
    assert_int_equal(get(b, X540_LINKS), 0x70000000);
    set(b, X540_MACC, 0);
    mdio(b, 0, 30, 0, 0);
    assert_int_equal(get(b, X540_LINKS), 0x70000000);
}

static void follows_the_link(void **state)
{
    struct bench *b = *state;

    get(b, X540_EICR);
    b->wire.link = false;
    weir_model_step(b->m, 1);
    assert_int_equal(get(b, X540_LINKS), 0);
    assert_int_equal(get(b, X540_EICR), X540_EICR_LSC);
    assert_int_equal(get(b, X540_EICR), 0); /* cleared by reading */
    b->wire.link = true;
    weir_model_step(b->m, 1);
    assert_int_equal(get(b, X540_LINKS), 0x70000000);
    assert_true(get(b, X540_EICR) & X540_EICR_LSC);
    weir_model_set_link(b->m, false);
    assert_int_equal(get(b, X540_LINKS), 0);
    set(b, X540_CTRL, X540_CTRL_RST);
    assert_int_equal(get(b, X540_LINKS), 0);
    assert_int_equal(weir_device_reset(b->d, NULL), 0);
    assert_int_equal(get(b, X540_LINKS), 0);
    weir_model_set_link(b->m, true);
    assert_int_equal(get(b, X540_LINKS), 0x70000000);
}

static void takes_time_to_negotiate(void **state)
{
    struct bench *b = bench_new("model:x540?wire=bench:&autoneg=60000");
    (void)state;

    assert_int_equal(get(b, X540_LINKS), 0);
    weir_model_step(b->m, 1);
    assert_int_equal(get(b, X540_LINKS), 0);
    bench_free(b);

    b = bench_new("model:x540?wire=bench:&autoneg=20");
    for (unsigned i = 0; i < 5000 && !get(b, X540_LINKS); i++) {
        weir_model_step(b->m, 1);
        usleep(1000);
    }
    assert_int_equal(get(b, X540_LINKS), 0x70000000);
    assert_true(get(b, X540_EICR) & X540_EICR_LSC);
    bench_free(b);
}

static uint64_t take(int fd)
{
    uint64_t n = 0;
    return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* Vectors 0, 1 and 20 for queue 0's receive and transmit, and for the rest. */
static void msix_on(struct bench *b, int fds[21])
{
    for (unsigned i = 0; i < 21; i++)
        fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_int_equal(weir_device_irq_set(b->d, WEIR_IRQ_MSIX, 0, 21, fds, NULL), 0);
    set(b, X540_GPIE,
        X540_GPIE_MULTIPLE_MSIX | X540_GPIE_PBA_SUPPORT | X540_GPIE_OCD | X540_GPIE_EIAME);
    set(b, x540_ivar(0), 0x80 | (0x80 | 1) << 8);
    set(b, X540_IVAR_MISC, (0x80 | 20) << 8);
    get(b, X540_EICR); /* the link came up */
    set(b, X540_EIAC, 0xffff);
    set(b, X540_EIAM_EX, 0xffffffff);
    set(b, X540_EIAM_EX + 4, 0xffffffff);
}

static void interrupts_by_msix(void **state)
{
    struct bench *b = *state;
    uint8_t frame[64];
    int fds[21];

    msix_on(b, fds);
    rx_on(b, 0, 2, 0);
    tx_on(b, 0);
    promiscuous(b);
    make_frame(frame, "02:00:00:00:00:01", 0x88b5, 60);

    /* Raised while masked: nothing, until it is unmasked. */
    arrives(b, frame, 60);
    run(b);
    assert_int_equal(take(fds[0]), 0);
    set(b, X540_EIMS_EX, 1);
    assert_int_equal(take(fds[0]), 1);
    /* Auto-masked and auto-cleared when it fired */
    assert_int_equal(get(b, X540_EIMS_EX), 0);
    assert_int_equal(get(b, X540_EICS), 0);
    arrives(b, frame, 60);
    run(b);
    assert_int_equal(take(fds[0]), 0);
    set(b, X540_EIMS_EX, 3);
    assert_int_equal(take(fds[0]), 1);
    set(b, X540_EIMS_EX, 1); /* nothing new: nothing */
    assert_int_equal(take(fds[0]), 0);
    assert_int_equal(get(b, X540_EIMS) & 0xffff, 3); /* the same bits */

    post(b, 0, frame, 60, 0, 0);
    doorbell(b, 0);
    run(b);
    assert_int_equal(take(fds[1]), 1);
    assert_int_equal(take(fds[0]), 0);

    /* Link changes go to the other vector, masked by their own bit, cleared by reading. */
    weir_model_set_link(b->m, false);
    assert_int_equal(take(fds[20]), 0);
    set(b, X540_EIMS, X540_EIMS_LSC);
    assert_int_equal(take(fds[20]), 1);
    assert_int_equal(get(b, X540_EICR) & X540_EICR_LSC, X540_EICR_LSC);
    assert_int_equal(get(b, X540_EICR) & X540_EICR_LSC, 0);
    weir_model_set_link(b->m, true);
    assert_int_equal(take(fds[20]), 1);
    set(b, X540_EICR, X540_EICR_LSC); /* or by writing ones */
    assert_int_equal(get(b, X540_EICR) & X540_EICR_LSC, 0);

    /* By software: queue vectors by EICS and EICS_EX, high ones too */
    set(b, X540_EIMC_EX, 0xffffffff);
    set(b, X540_EICS_EX, 1u << 19);
    assert_int_equal(take(fds[19]), 0);
    set(b, X540_EIMS_EX, 1u << 19);
    assert_int_equal(take(fds[19]), 1);
    set(b, X540_EIMS, 1);
    set(b, X540_EICS, 1);
    assert_int_equal(take(fds[0]), 1);
    /* With OCD, queue causes are not lost to a read of EICR. */
    set(b, X540_EICS, 1);
    assert_int_equal(get(b, X540_EICR) & 1, 1);
    set(b, X540_EIMS, 1);
    assert_int_equal(take(fds[0]), 1);

    /* A reset masks everything. */
    set(b, X540_EIMS, 0xffffffff);
    set(b, X540_CTRL, X540_CTRL_RST);
    assert_int_equal(get(b, X540_EIMS), 0);
    for (unsigned i = 0; i < 21; i++)
        close(fds[i]);
}

static void interrupts_by_intx(void **state)
{
    struct bench *b = *state;
    uint8_t frame[64];
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    assert_int_equal(weir_device_irq_set(b->d, WEIR_IRQ_INTX, 0, 1, &fd, NULL), 0);
    rx_on(b, 0, 2, 0);
    promiscuous(b);
    make_frame(frame, "02:00:00:00:00:01", 0x88b5, 60);
    set(b, x540_ivar(0), 0x80); /* to bit 0 of EICR */
    get(b, X540_EICR);          /* the link came up */
    set(b, X540_EIAM, 0xffff);
    set(b, X540_EIMS, 1 | X540_EIMS_LSC);
    arrives(b, frame, 60);
    run(b);
    assert_int_equal(take(fd), 1);
    assert_true(weir_config_read(b->d, 6, 2) & 8); /* asserted until the cause is read */
    assert_int_equal(get(b, X540_EICR), 1);
    assert_false(weir_config_read(b->d, 6, 2) & 8);
    assert_int_equal(get(b, X540_EIMS), X540_EIMS_LSC); /* reading auto-masked the queue */
    arrives(b, frame, 60);
    run(b);
    assert_false(weir_config_read(b->d, 6, 2) & 8);
    set(b, X540_EIMS, 1);
    assert_true(weir_config_read(b->d, 6, 2) & 8);
    set(b, X540_EIMC, 1);
    assert_false(weir_config_read(b->d, 6, 2) & 8);
    close(fd);
}

static void interrupts_by_msi(void **state)
{
    struct bench *b = *state;
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    assert_int_equal(weir_device_irq_set(b->d, WEIR_IRQ_MSI, 0, 1, &fd, NULL), 0);
    set(b, X540_EIMS, X540_EIMS_LSC);
    assert_int_equal(take(fd), 1); /* the link came up before it was unmasked */
    assert_int_equal(get(b, X540_EICR), X540_EICR_LSC);
    weir_model_set_link(b->m, false);
    assert_int_equal(take(fd), 1);
    assert_int_equal(get(b, X540_EICR), X540_EICR_LSC);
    weir_model_set_link(b->m, true);
    assert_int_equal(take(fd), 1);
    close(fd);
}

static void completes_commands(void **state)
{
    struct bench *b = *state;

    set(b, X540_IPSTXIDX, X540_IPSTXIDX_WRITE | 8);
    assert_int_equal(get(b, X540_IPSTXIDX), 8);
    set(b, X540_IPSRXIDX, X540_IPSRXIDX_WRITE | 8);
    assert_int_equal(get(b, X540_IPSRXIDX), 8);
    set(b, X540_FDIRCTRL, 1);
    assert_true(get(b, X540_FDIRCTRL) & X540_FDIRCTRL_INIT_DONE);
    set(b, X540_FDIRCMD, 0x8000 | X540_FDIR_ADD);
    assert_int_equal(get(b, X540_FDIRCMD) & X540_FDIRCMD_CMD, 0);
    set(b, x540_rxq(X540_RXDCTL, 5), X540_RXDCTL_SWFLSH);
    assert_int_equal(get(b, x540_rxq(X540_RXDCTL, 5)), 0);
    set(b, x540_txq(X540_TXDCTL, 5), X540_TXDCTL_SWFLSH);
    assert_int_equal(get(b, x540_txq(X540_TXDCTL, 5)), 0);
    set(b, x540_txq(X540_TXDCTL, 100), X540_TXDCTL_ENABLE | 32);
    assert_int_equal(get(b, x540_txq(X540_TXDCTL, 100)), X540_TXDCTL_ENABLE | 32);
    set(b, X540_RDRXCTL, X540_RDRXCTL_CRCSTRIP);
    assert_int_equal(get(b, X540_RDRXCTL), X540_RDRXCTL_CRCSTRIP | X540_RDRXCTL_DMAIDONE);
    assert_int_equal(get(b, X540_RXMEMWRAP), 0x88888888); /* all packet buffers empty */
    set(b, X540_PFQDE, X540_PFQDE_WE | X540_PFQDE_QDE | 9u << 8);
    set(b, X540_PFQDE, 8u << 8);
    assert_false(get(b, X540_PFQDE) & X540_PFQDE_QDE);
    set(b, X540_PFQDE, 9u << 8);
    assert_int_equal(get(b, X540_PFQDE), X540_PFQDE_QDE | 9u << 8);
    set(b, X540_EEC, X540_EEC_REQ);
    assert_true(get(b, X540_EEC) & X540_EEC_GNT);
    uint32_t t = get(b, X540_FRTIMER);
    for (unsigned i = 0; i < 1000000 && get(b, X540_FRTIMER) == t; i++)
        ;
    assert_int_not_equal(get(b, X540_FRTIMER), t);
}

static void refuses_bad_parameters(void **state)
{
    struct bench *b = *state;
    static const char *const bad[] = {
        "model:x540?mac=1",
        "model:x540?mac=01:00:00:00:00:01",
        "model:x540?mac=00:00:00:00:00:00",
        "model:x540?mac=02:00:00:00:00:01:02",
        "model:x540?mac=02:00:00:00:00:0g",
        "model:x540?nvm=ugly",
        "model:x540?stall=yes",
        "model:x540?autoneg=-1",
        "model:x540?autoneg=70000",
        "model:x540?autoneg=1s",
        "model:x540?speed=1",
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct weir_error e = {0};
        assert_null(weir_device_open(b->w, bad[i], NULL, &e));
        if (!e.code || strcmp(e.code, "model-param") != 0 || !e.fix[0])
            fail_msg("%s: %s", bad[i], e.why);
    }
    struct weir_error e;
    assert_int_equal(weir_model_set(b->m, "stall", "sideways", &e), -EINVAL);
    assert_int_equal(weir_model_set(b->m, "mac", "02:00:00:00:00:02", &e), -EINVAL);
}

static void addresses_differ(void **state)
{
    struct bench *b = *state;
    struct weir_device *one = weir_device_open(b->w, "model:x540?wire=cable:a", NULL, NULL);
    struct weir_device *two = weir_device_open(b->w, "model:x540?wire=cable:b", NULL, NULL);
    assert_non_null(one);
    assert_non_null(two);
    assert_int_not_equal(weir_read32(one, 0, X540_RAL) ^ weir_read32(two, 0, X540_RAL), 0);
    assert_int_equal(weir_read32(one, 0, X540_RAL) & 3, 2); /* locally administered, unicast */
    weir_device_close(one);
    weir_device_close(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
        CASE(has_its_identity),         CASE(has_reset_values),
        CASE(follows_the_table),        CASE(takes_access_widths),
        CASE(keeps_reserved_bits_zero), CASE(has_an_nvm),
        CASE(has_semaphores),           CASE(has_a_phy),
        CASE(follows_the_link),         CASE(takes_time_to_negotiate),
        CASE(interrupts_by_msix),       CASE(interrupts_by_intx),
        CASE(interrupts_by_msi),        CASE(completes_commands),
        CASE(refuses_bad_parameters),   CASE(addresses_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
