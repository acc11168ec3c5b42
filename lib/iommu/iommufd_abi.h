/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parts of the kernel's interface that are newer than the headers of a stable distribution:
 * iommufd (include/uapi/linux/iommufd.h, Linux 6.2) and VFIO's character devices
 * (include/uapi/linux/vfio.h, Linux 6.6). Layouts and numbers only, under names of our own, so that
 * newer headers do not clash.
 */
#ifndef WEIR_IOMMU_IOMMUFD_ABI_H
#define WEIR_IOMMU_IOMMUFD_ABI_H

#include <linux/vfio.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define ABI_IOMMUFD(n) _IO(';', 0x80 + (n))

#define ABI_IOAS_ALLOC       ABI_IOMMUFD(1)
#define ABI_IOAS_IOVA_RANGES ABI_IOMMUFD(4)
#define ABI_IOAS_MAP         ABI_IOMMUFD(5)
#define ABI_IOAS_UNMAP       ABI_IOMMUFD(6)
#define ABI_VFIO_IOAS        ABI_IOMMUFD(8)
#define ABI_IOAS_ALLOW_IOVAS ABI_IOMMUFD(2)

struct abi_ioas_alloc {
    uint32_t size;
    uint32_t flags;
    uint32_t ioas; /* out */
};

struct abi_iova_range {
    uint64_t first, last;
};

struct abi_ioas_iova_ranges {
    uint32_t size;
    uint32_t ioas;
    uint32_t n; /* in: room; out: how many there are */
    uint32_t reserved;
    uint64_t ranges; /* pointer to struct abi_iova_range */
    uint64_t alignment;
};

struct abi_ioas_allow_iovas {
    uint32_t size;
    uint32_t ioas;
    uint32_t n;
    uint32_t reserved;
    uint64_t ranges;
};

#define ABI_IOAS_MAP_FIXED_IOVA 1u
#define ABI_IOAS_MAP_WRITE      2u
#define ABI_IOAS_MAP_READ       4u

struct abi_ioas_map {
    uint32_t size;
    uint32_t flags;
    uint32_t ioas;
    uint32_t reserved;
    uint64_t va;
    uint64_t len;
    uint64_t iova;
};

struct abi_ioas_unmap {
    uint32_t size;
    uint32_t ioas;
    uint64_t iova;
    uint64_t len; /* out: bytes unmapped */
};

#define ABI_VFIO_IOAS_SET 1u

struct abi_vfio_ioas {
    uint32_t size;
    uint32_t ioas;
    uint16_t op;
    uint16_t reserved;
};

#define ABI_DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
#define ABI_DEVICE_ATTACH_PT    _IO(VFIO_TYPE, VFIO_BASE + 19)
#define ABI_DEVICE_DETACH_PT    _IO(VFIO_TYPE, VFIO_BASE + 20)

#define ABI_BIND_FLAG_TOKEN 1u /* Linux 6.17; argsz is then that of the whole struct */

struct abi_device_bind {
    uint32_t argsz;
    uint32_t flags;
    int32_t iommufd;
    uint32_t devid; /* out */
    uint64_t token; /* pointer to 16 bytes */
};
#define ABI_BIND_ARGSZ 16u /* without token */

struct abi_device_attach {
    uint32_t argsz;
    uint32_t flags;
    uint32_t pt;
};

struct abi_device_detach {
    uint32_t argsz;
    uint32_t flags;
};

/* Flags and ids of VFIO_DEVICE_GET_PCI_HOT_RESET_INFO on a character device: in place of a group,
 * each function has an id, or one of these. */
#define ABI_HOT_RESET_DEV_ID       1u
#define ABI_HOT_RESET_DEV_ID_OWNED 2u
#define ABI_DEVID_NOT_OWNED        UINT32_MAX

#endif
