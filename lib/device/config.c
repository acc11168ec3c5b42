/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration space of a device: accesses by width, capabilities, the command register. */
#include "lib/device/backend.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <weir/io.h>

static bool width_fits(unsigned off, unsigned width)
{
    return (width == 1 || width == 2 || width == 4) && off % width == 0;
}

uint32_t weir_config_read(struct weir_device *d, unsigned off, unsigned width)
{
    uint32_t le = 0;
    if (!width_fits(off, width))
        return UINT32_MAX;
    if (weir_region_read(d, WEIR_REGION_CONFIG, off, &le, width, NULL))
        return UINT32_MAX >> (32 - 8 * width);
    return weir_le32(le);
}

int weir_config_write(struct weir_device *d, unsigned off, unsigned width, uint32_t value,
                      struct weir_error *e)
{
    uint32_t le = weir_le32(value);
    if (!width_fits(off, width))
        return weir_fail(e, -EINVAL, "device-access",
                         "write configuration space of %s\n%u bytes at %#x are not 1, 2 or 4 "
                         "aligned bytes\n",
                         d->name, width, off);
    return weir_region_write(d, WEIR_REGION_CONFIG, off, &le, width, e);
}

unsigned weir_config_cap(struct weir_device *d, uint8_t id)
{
    uint64_t seen = 0; /* one bit for each dword of the first 256 bytes: the list may loop */

    if (!(weir_config_read(d, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
        return 0;
    unsigned at = weir_config_read(d, PCI_CAPABILITY_LIST, 1) & 0xfc;
    while (at >= 0x40 && !(seen >> (at / 4) & 1)) {
        seen |= (uint64_t)1 << (at / 4);
        uint32_t head = weir_config_read(d, at, 2);
        if (head == 0xffff)
            return 0; /* lost, or nothing there */
        if ((head & 0xff) == id)
            return at;
        at = head >> 8 & 0xfc;
    }
    return 0;
}

unsigned weir_config_ext_cap(struct weir_device *d, uint16_t id)
{
    unsigned at = PCI_CFG_SPACE_SIZE;

    /* Each takes 8 bytes at least, so a list that is longer loops (PCIe 7.6.3). */
    for (int left = (4096 - PCI_CFG_SPACE_SIZE) / 8; left && at >= PCI_CFG_SPACE_SIZE; left--) {
        uint32_t head = weir_config_read(d, at, 4);

        if (head == 0 || head == UINT32_MAX)
            return 0; /* there are none, or it is lost */
        if (PCI_EXT_CAP_ID(head) == id)
            return at;
        at = PCI_EXT_CAP_NEXT(head);
    }
    return 0;
}

int weir_device_bus_master(struct weir_device *d, bool on, struct weir_error *e)
{
    uint16_t le;
    int ret = weir_region_read(d, WEIR_REGION_CONFIG, PCI_COMMAND, &le, sizeof(le), e);
    if (ret)
        return ret;
    uint16_t old = weir_le16(le);
    uint16_t now = (uint16_t)((old & ~PCI_COMMAND_MASTER) | PCI_COMMAND_MEMORY);
    if (on)
        now |= PCI_COMMAND_MASTER;
    if (now == old)
        return 0;
    return weir_config_write(d, PCI_COMMAND, 2, now, e);
}
