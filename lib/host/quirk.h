/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions that behave other than their configuration space says, as the kernel knows them
 * (drivers/pci/quirks.c of Linux 6.1 to 7.2).
 */
#ifndef WEIR_HOST_QUIRK_H
#define WEIR_HOST_QUIRK_H

#include <weir/host.h>

/* Two registers of the ACS capability are 32 bits wide: an erratum of Intel's 100 and 200 series.
 */
bool weir_quirk_wide_acs(const struct weir_function *f);

/*
 * Does that version of the kernel take a function for isolated on its vendor's word? WEIR_UNKNOWN
 * for a kernel that may be too old. *who: in which words; *since: the first that is known to, 0 if
 * none is. ivrs: the machine has an AMD IOMMU.
 */
enum weir_known weir_quirk_isolated(const struct weir_function *f, unsigned version, bool ivrs,
                                    const char **who, unsigned *since);

/* The other function numbers (slot << 3 | function) whose requester ID a device uses. */
bool weir_quirk_alias(const struct weir_function *f, unsigned devfn);

enum weir_bridge_quirk {
    WEIR_BRIDGE_PLAIN,
    /* A PCIe-to-PCI bridge that keeps requester IDs. Kernels learnt that late; as it lacks ACS,
     * too, the groups are the same. */
    WEIR_BRIDGE_NO_ALIAS,
    WEIR_BRIDGE_XLATE, /* addresses are translated at this port, not above it */
};
enum weir_bridge_quirk weir_quirk_bridge(const struct weir_function *f);

#endif
