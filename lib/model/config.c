/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration space of a model: a type 0 header and the capabilities its kind declares, as PCI
 * Local Bus 3.0 chapter 6 and PCI Express Base 3.0 chapter 7 have them.
 */
#include "lib/model/kit.h"

#include <linux/pci_regs.h>
#include <string.h>
#include <weir/io.h>

uint16_t weir_model_config16(const struct weir_model *m, unsigned off)
{
    return (uint16_t)(m->config[off] | m->config[off + 1] << 8);
}

void weir_model_config_set16(struct weir_model *m, unsigned off, uint16_t value)
{
    m->config[off] = (uint8_t)value;
    m->config[off + 1] = (uint8_t)(value >> 8);
}

static void put(uint8_t *to, unsigned off, unsigned width, uint32_t value)
{
    for (unsigned i = 0; i < width; i++)
        to[off + i] = (uint8_t)(value >> (8 * i));
}

/* Initial value and writable bits of one field. */
static void field(struct weir_model *m, unsigned off, unsigned width, uint32_t value,
                  uint32_t writable)
{
    put(m->initial, off, width, value);
    put(m->writable, off, width, writable);
}

static void init_bars(struct weir_model *m)
{
    const struct weir_model_pci *pci = &m->ops->pci;
    for (unsigned i = 0; i < 6; i++) {
        const struct weir_model_bar *bar = &pci->bars[i];
        unsigned off = PCI_BASE_ADDRESS_0 + 4 * i;
        if (!bar->size)
            continue;
        uint32_t flags = (bar->is64 ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) |
                         (bar->prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0);
        /* Address bits below the size read as zero: that is how software learns the size. */
        uint64_t mask = ~(bar->size - 1) & ~(uint64_t)0xf;
        field(m, off, 4, flags, (uint32_t)mask);
        if (bar->is64 && i < 5) {
            field(m, off + 4, 4, 0, (uint32_t)(mask >> 32));
            i++;
        }
    }
}

static void init_pm(struct weir_model *m, unsigned cap)
{
    field(m, cap + PCI_PM_PMC, 2, 3, 0); /* version 3, no PME */
    /* State is kept over D3hot, so that nobody has to restore it. A host that puts an unused
     * function to sleep must be able to wake it: the power state is writable. */
    field(m, cap + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET,
          PCI_PM_CTRL_STATE_MASK | PCI_PM_CTRL_PME_ENABLE);
}

static void init_msi(struct weir_model *m, unsigned cap)
{
    unsigned log2 = 0;
    while (1u << (log2 + 1) <= m->ops->pci.msi_vectors)
        log2++;
    field(m, cap + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_64BIT | log2 << 1,
          PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
    field(m, cap + PCI_MSI_ADDRESS_LO, 4, 0, 0xfffffffc);
    field(m, cap + PCI_MSI_ADDRESS_HI, 4, 0, 0xffffffff);
    field(m, cap + PCI_MSI_DATA_64, 2, 0, 0xffff);
}

static void init_msix(struct weir_model *m, unsigned cap)
{
    const struct weir_model_pci *pci = &m->ops->pci;
    field(m, cap + PCI_MSIX_FLAGS, 2, pci->msix_vectors - 1u,
          PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    field(m, cap + PCI_MSIX_TABLE, 4, pci->msix_table | pci->msix_bar, 0);
    field(m, cap + PCI_MSIX_PBA, 4, pci->msix_pba | pci->msix_bar, 0);
}

static void init_pcie(struct weir_model *m, unsigned cap)
{
    field(m, cap + PCI_EXP_FLAGS, 2, 2 | PCI_EXP_TYPE_ENDPOINT << 4, 0);
    /* 512-byte payloads, role-based error reporting, function-level reset */
    field(m, cap + PCI_EXP_DEVCAP, 4, 2 | PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR, 0);
    field(m, cap + PCI_EXP_DEVCTL, 2, 0x2810, 0x7fff); /* bit 15, reset, reads as zero */
    put(m->clear_by_one, cap + PCI_EXP_DEVSTA, 2, 0x000f);
    field(m, cap + PCI_EXP_LNKCAP, 4, PCI_EXP_LNKCAP_SLS_5_0GB | 8 << 4 | PCI_EXP_LNKCAP_ASPM_L1,
          0);
    field(m, cap + PCI_EXP_LNKCTL, 2, 0, 0x01fb);
    field(m, cap + PCI_EXP_LNKSTA, 2, PCI_EXP_LNKSTA_CLS_5_0GB | 8 << 4 | PCI_EXP_LNKSTA_SLC, 0);
    /* any completion timeout range, and disabling it */
    field(m, cap + PCI_EXP_DEVCAP2, 4, 0x1f, 0);
    field(m, cap + PCI_EXP_DEVCTL2, 2, 0, 0x001f);
    field(m, cap + PCI_EXP_LNKCTL2, 2, PCI_EXP_LNKCTL2_TLS_5_0GT, 0x1fff);
}

void weir_model_config_init(struct weir_model *m)
{
    const struct weir_model_pci *pci = &m->ops->pci;
    struct {
        unsigned at;
        uint8_t id;
        void (*init)(struct weir_model *m, unsigned cap);
    } caps[] = {{pci->pm_cap, PCI_CAP_ID_PM, init_pm},
                {pci->msi_cap, PCI_CAP_ID_MSI, init_msi},
                {pci->msix_cap, PCI_CAP_ID_MSIX, init_msix},
                {pci->pcie_cap, PCI_CAP_ID_EXP, init_pcie}};
    unsigned link = PCI_CAPABILITY_LIST;

    m->config_size = pci->pcie_cap ? 4096 : 256;
    field(m, PCI_VENDOR_ID, 2, pci->vendor, 0);
    field(m, PCI_DEVICE_ID, 2, pci->device, 0);
    field(m, PCI_COMMAND, 2, 0,
          PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
              PCI_COMMAND_INTX_DISABLE);
    put(m->clear_by_one, PCI_STATUS, 2, 0xf900);
    put(m->initial, PCI_CLASS_REVISION, 4, pci->class_code << 8 | pci->revision);
    field(m, PCI_CACHE_LINE_SIZE, 1, 0, 0xff);
    put(m->initial, PCI_SUBSYSTEM_VENDOR_ID, 2, pci->subsystem_vendor);
    put(m->initial, PCI_SUBSYSTEM_ID, 2, pci->subsystem_device);
    field(m, PCI_INTERRUPT_LINE, 1, 0, 0xff);
    put(m->initial, PCI_INTERRUPT_PIN, 1, pci->interrupt_pin);
    init_bars(m);

    /* The list goes by rising offsets. */
    for (unsigned after = 0;;) {
        unsigned next = 4;
        for (unsigned i = 0; i < 4; i++)
            if (caps[i].at > after && (next == 4 || caps[i].at < caps[next].at))
                next = i;
        if (next == 4)
            break;
        after = caps[next].at;
        m->initial[link] = (uint8_t)after;
        m->initial[after] = caps[next].id;
        link = after + PCI_CAP_LIST_NEXT;
        caps[next].init(m, after);
        put(m->initial, PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
    }
    memcpy(m->config, m->initial, sizeof(m->config));
}

void weir_model_config_reset(struct weir_model *m)
{
    memcpy(m->config, m->initial, sizeof(m->config));
}

bool weir_model_memory_enabled(const struct weir_model *m)
{
    unsigned pm = m->ops->pci.pm_cap;
    return (weir_model_config16(m, PCI_COMMAND) & PCI_COMMAND_MEMORY) &&
           !(pm && weir_model_config16(m, pm + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK);
}

bool weir_model_bus_master(const struct weir_model *m)
{
    unsigned pm = m->ops->pci.pm_cap;
    return (weir_model_config16(m, PCI_COMMAND) & PCI_COMMAND_MASTER) &&
           !(pm && weir_model_config16(m, pm + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK);
}

static bool touches(unsigned off, unsigned len, unsigned at)
{
    return at >= off && at < off + len;
}

void weir_model_config_write(struct weir_model *m, unsigned off, const uint8_t *data, unsigned len)
{
    const struct weir_model_pci *pci = &m->ops->pci;
    unsigned pmcsr = pci->pm_cap + PCI_PM_CTRL;
    uint8_t old_state = pci->pm_cap ? m->config[pmcsr] & PCI_PM_CTRL_STATE_MASK : 0;

    for (unsigned i = 0; i < len; i++) {
        unsigned at = off + i;
        m->config[at] = (uint8_t)((m->config[at] & ~m->writable[at]) | (data[i] & m->writable[at]));
        m->config[at] &= (uint8_t) ~(data[i] & m->clear_by_one[at]);
    }
    if (pci->pm_cap && touches(off, len, pmcsr)) {
        /* D1 and D2 are not supported: writing them changes nothing (PCI PM 1.2, 3.2.4). */
        uint8_t state = m->config[pmcsr] & PCI_PM_CTRL_STATE_MASK;
        if (state == 1 || state == 2)
            m->config[pmcsr] = (uint8_t)((m->config[pmcsr] & ~PCI_PM_CTRL_STATE_MASK) | old_state);
    }
    /* Function-level reset (PCI Express 3.0, 6.6.2) */
    unsigned devctl = pci->pcie_cap + PCI_EXP_DEVCTL + 1;
    if (pci->pcie_cap && touches(off, len, devctl) &&
        data[devctl - off] & PCI_EXP_DEVCTL_BCR_FLR >> 8) {
        weir_model_reset_locked(m);
        return;
    }
    weir_model_irq_update(m);
}
