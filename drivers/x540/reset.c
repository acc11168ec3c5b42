/* SPDX-License-Identifier: BSD-3-Clause */
/* From any state to the state after power-on: datasheet 4.6.3, up to the link. */
#include "x540.h"
#include <errno.h>

#define MASTER_US    100000
#define RESET_US     1000000
#define AFTER_RESET  10000 /* 4.6.3.2: at least 10 ms before the device is touched */
#define AUTO_READ_US 500000
#define CONFIG_US    50000
#define DMA_INIT_US  100000

/* 4.6.3.1 Interrupts during initialization: none. */
static void mask_interrupts(const struct x540 *x)
{
    x540_write(x, X540_EIMC, ~0u);
    x540_write(x, X540_EIMC_EX, ~0u);
    x540_write(x, X540_EIMC_EX + 4, ~0u);
}

/* CTRL.PCIe Master Disable: no new request from the device, and wait for those under way. */
bool x540_master_disable(const struct x540 *x)
{
    x540_change(x, X540_CTRL, 0, X540_CTRL_PCIE_MASTER_DISABLE);
    return x540_wait(x, X540_STATUS, X540_STATUS_PCIE_MASTER_ENABLE, 0, MASTER_US);
}

/* 4.6.3.2 Global reset: the device and its link. */
static bool global_reset(const struct x540 *x)
{
    x540_change(x, X540_CTRL, 0, X540_CTRL_RST | X540_CTRL_LRST);
    x540_read(x, X540_STATUS); /* the write is posted: push it out before the time counts */
    x540_pause(AFTER_RESET);
    return x540_wait(x, X540_CTRL, X540_CTRL_RST, 0, RESET_US);
}

static int fail(const struct x540 *x, const char *code, const char *why, struct weir_error *e)
{
    if (weir_device_lost(x->device))
        return x540_fail_lost(x, "reset", e);
    return weir_fail(e, -ETIMEDOUT, code,
                     "reset the X540\n%s\npower-cycle the device; if it is a model, see what it "
                     "logs",
                     why);
}

int x540_reset(struct x540 *x, struct weir_error *e)
{
    uint32_t phy, config_done;
    bool quiet, ok;
    int ret;

    x->fresh = false;
    x->lan = weir_field_get(x540_read(x, X540_STATUS), X540_STATUS_LAN_ID) & 1;
    phy = x->lan ? X540_SW_FW_SYNC_SW_PHY1 : X540_SW_FW_SYNC_SW_PHY0;
    config_done = x->lan ? X540_EEMNGCTL_CFG_DONE1 : X540_EEMNGCTL_CFG_DONE0;

    mask_interrupts(x);
    quiet = x540_master_disable(x);
    /* Firmware must not talk to the PHY while the link is reset. */
    ret = x540_lock(x, phy, e);
    if (ret)
        return ret;
    ok = global_reset(x);
    if (ok && !quiet) /* requests were under way: the second reset finds none */
        ok = global_reset(x);
    x540_unlock(x, phy);
    if (!ok)
        return fail(x, "x540-reset", "CTRL.RST did not clear within a second", e);
    mask_interrupts(x);

    /* 4.6.3: the NVM was read, firmware did its part, the DMA engines are initialised. */
    if (!x540_wait(x, X540_EEC, X540_EEC_AUTO_RD, X540_EEC_AUTO_RD, AUTO_READ_US))
        return fail(x, "x540-nvm-auto-read", "EEC.AUTO_RD did not come: the NVM was not read", e);
    if (!x540_wait(x, X540_EEMNGCTL, config_done, config_done, CONFIG_US))
        weir_log(x->net->weir, WEIR_LOG_DEBUG, "x540", "firmware did not report its configuration");
    if (!x540_wait(x, X540_RDRXCTL, X540_RDRXCTL_DMAIDONE, X540_RDRXCTL_DMAIDONE, DMA_INIT_US))
        return fail(x, "x540-dma-init", "RDRXCTL.DMAIDONE did not come", e);
    x->fresh = true;
    return 0;
}
