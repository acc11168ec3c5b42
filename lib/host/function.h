/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One PCI function as sysfs shows it, and the IOMMU group it is in: what opening a device needs to
 * know, and to explain when it fails.
 */
#ifndef WEIR_HOST_FUNCTION_H
#define WEIR_HOST_FUNCTION_H

#include <weir/error.h>

struct weir_pci_function {
    char address[16]; /* "0000:01:00.0", lower case */
    uint16_t vendor, device;
    uint32_t class_code; /* 24 bits */
    int group;           /* IOMMU group, -1: in none */
    bool no_iommu;       /* the group is one that VFIO made without an IOMMU */
    int node;            /* NUMA node, -1 if not known */
    char driver[32];     /* "": none bound */
    char cdev[16];       /* "vfio0": its name below /dev/vfio/devices, "" if it has none */
};

/* Is name a PCI address, 0000:01:00.0 or 01:00.0 as lspci prints it? Its full form goes to out. */
bool weir_pci_address(const char *name, char out[16]);

/* Read one. @sysfs: "/sys". -ENODEV, "device-absent", if there is no such function. */
int weir_pci_function_read(const char *sysfs, const char *address, struct weir_pci_function *out,
                           struct weir_error *e);

/* Does it still answer? What sysfs has as its ids was read when it was found. */
bool weir_function_answers(const char *sysfs, const char *address);

/* Is it bound to a driver that gives it to VFIO? */
bool weir_pci_function_is_vfio(const struct weir_pci_function *f);

/*
 * Does it keep its group from being viable? Bridges and functions without a driver do not, nor do
 * those of drivers that are known to do no DMA of their own (drivers/vfio/vfio_main.c,
 * vfio_dev_viable(); since Linux 5.19 drivers/iommu/iommu.c, by driver_managed_dma).
 */
bool weir_pci_function_blocks(const struct weir_pci_function *f);

/* Read the members of a group, by address; at most max. Returns how many it has, or -errno. */
int weir_group_read(const char *sysfs, int group, struct weir_pci_function *out, unsigned max);

/* First 64 KiB at most of a small file, NUL-terminated, without the newlines at its end. Returns
 * its length, or -errno. */
int weir_sysfs_text(char *out, size_t size, const char *fmt, ...) WEIR_PRINTF(3, 4);

/* Last part of where a symbolic link leads. 0 or -errno. */
int weir_sysfs_link(char *out, size_t size, const char *fmt, ...) WEIR_PRINTF(3, 4);

#endif
