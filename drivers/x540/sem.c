/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Semaphores for what the controller's two ports and its firmware share: the NVM, the PHYs.
 *
 * A gate of two bits that reading sets, SWSM.SMBI between drivers and SW_FW_SYNC.REGSMP towards
 * firmware, guards SW_FW_SYNC; there each side marks what it holds, firmware five bits above
 * software.
 */
#include "x540.h"
#include <errno.h>

#define GATE_US  100000
#define OWNER_US 1000000

static void open_gate(const struct x540 *x, uint32_t sync)
{
    x540_write(x, X540_SW_FW_SYNC, sync & ~X540_SW_FW_SYNC_REGSMP);
    x540_change(x, X540_SWSM, X540_SWSM_SMBI, 0);
}

/* Through the gate; *sync is what SW_FW_SYNC held. */
static int close_gate(const struct x540 *x, uint32_t *sync, struct weir_error *e)
{
    if (!x540_wait(x, X540_SWSM, X540_SWSM_SMBI, 0, GATE_US)) {
        /* Held for a tenth of a second: by a driver that was killed. */
        x540_change(x, X540_SWSM, X540_SWSM_SMBI, 0);
        if (!x540_wait(x, X540_SWSM, X540_SWSM_SMBI, 0, GATE_US))
            goto fail;
        weir_log(x->net->weir, WEIR_LOG_WARNING, "x540",
                 "took over the semaphore SWSM.SMBI, which nobody released");
    }
    for (uint64_t end = x540_now_us() + GATE_US;;) {
        *sync = x540_read(x, X540_SW_FW_SYNC);
        if (weir_device_lost(x->device))
            goto fail;
        if (!(*sync & X540_SW_FW_SYNC_REGSMP))
            return 0;
        if (x540_now_us() >= end)
            break;
        x540_pause(50);
    }
    weir_log(x->net->weir, WEIR_LOG_WARNING, "x540",
             "took over the semaphore SW_FW_SYNC.REGSMP, which nobody released");
    return 0;

fail:
    if (weir_device_lost(x->device))
        return x540_fail_lost(x, "lock shared resources of", e);
    return weir_fail(e, -EBUSY, "x540-semaphore",
                     "lock shared resources of the X540\nSWSM.SMBI stays set, also after it was "
                     "cleared\nreset the device, or power-cycle it");
}

int x540_lock(const struct x540 *x, uint32_t mask, struct weir_error *e)
{
    uint32_t busy = mask | mask << 5, sync;

    if (mask & X540_SW_FW_SYNC_SW_NVM)
        busy |= X540_SW_FW_SYNC_SW_FLASH;
    for (uint64_t end = x540_now_us() + OWNER_US;;) {
        int ret = close_gate(x, &sync, e);
        if (ret)
            return ret;
        if (!(sync & busy))
            break;
        if (x540_now_us() >= end) {
            /* Its owner died: software may take over after a timeout. */
            weir_log(x->net->weir, WEIR_LOG_WARNING, "x540",
                     "took over what SW_FW_SYNC %#x marks as in use (wanted: %#x)", sync, mask);
            break;
        }
        open_gate(x, sync);
        x540_pause(5000);
    }
    open_gate(x, sync | mask);
    return 0;
}

void x540_unlock(const struct x540 *x, uint32_t mask)
{
    uint32_t sync;

    if (close_gate(x, &sync, NULL) == 0)
        open_gate(x, sync & ~mask);
}
