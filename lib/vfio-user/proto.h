/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user protocol on the wire: what QEMU documents as docs/interop/vfio-user.rst, version
 * 0.0 of it. Integers are in the byte order of the host; both ends are on the same one. Structs
 * here follow the header of a message and are copied in and out, as the stream aligns nothing.
 */
#ifndef WEIR_VFIO_USER_PROTO_H
#define WEIR_VFIO_USER_PROTO_H

#include <linux/vfio.h>
#include <stdint.h>

enum weir_vfu_command {
    WEIR_VFU_VERSION = 1,
    WEIR_VFU_DMA_MAP = 2,
    WEIR_VFU_DMA_UNMAP = 3,
    WEIR_VFU_DEVICE_GET_INFO = 4,
    WEIR_VFU_REGION_INFO = 5,
    WEIR_VFU_REGION_IO_FDS = 6,
    WEIR_VFU_IRQ_INFO = 7,
    WEIR_VFU_SET_IRQS = 8,
    WEIR_VFU_REGION_READ = 9,
    WEIR_VFU_REGION_WRITE = 10,
    WEIR_VFU_DMA_READ = 11,  /* the server asks */
    WEIR_VFU_DMA_WRITE = 12, /* the server asks */
    WEIR_VFU_DEVICE_RESET = 13,
    WEIR_VFU_DIRTY_PAGES = 14,
    WEIR_VFU_REGION_WRITE_MULTI = 15,
    WEIR_VFU_DEVICE_FEATURE = 16,
    WEIR_VFU_MIG_DATA_READ = 17,
    WEIR_VFU_MIG_DATA_WRITE = 18,
};

#define WEIR_VFU_MAJOR 0
#define WEIR_VFU_MINOR 0

/* struct weir_vfu_header, flags */
#define WEIR_VFU_TYPE_MASK 0xfu
#define WEIR_VFU_REQUEST   0x0u
#define WEIR_VFU_REPLY     0x1u
#define WEIR_VFU_NO_REPLY  0x10u
#define WEIR_VFU_ERROR     0x20u

struct weir_vfu_header {
    uint16_t id;
    uint16_t command;
    uint32_t size; /* of the whole message */
    uint32_t flags;
    uint32_t error; /* errno, in a reply with WEIR_VFU_ERROR */
};

/* VERSION, both ways; JSON text with its NUL follows. */
struct weir_vfu_version {
    uint16_t major, minor;
};

struct weir_vfu_dma_map {
    uint32_t argsz;
    uint32_t flags; /* VFIO_DMA_MAP_FLAG_READ, _WRITE */
    uint64_t offset;
    uint64_t iova;
    uint64_t size;
};

struct weir_vfu_dma_unmap {
    uint32_t argsz;
    uint32_t flags; /* VFIO_DMA_UNMAP_FLAG_ALL */
    uint64_t iova;
    uint64_t size;
};

struct weir_vfu_device_info {
    uint32_t argsz;
    uint32_t flags; /* VFIO_DEVICE_FLAGS_* */
    uint32_t num_regions;
    uint32_t num_irqs;
};

struct weir_vfu_region_info {
    uint32_t argsz;
    uint32_t flags; /* VFIO_REGION_INFO_FLAG_* */
    uint32_t index;
    uint32_t cap_offset; /* from the start of this struct */
    uint64_t size;
    uint64_t offset; /* for mmap() */
};

struct weir_vfu_irq_info {
    uint32_t argsz;
    uint32_t flags; /* VFIO_IRQ_INFO_* */
    uint32_t index;
    uint32_t count;
};

/* SET_IRQS; a byte for each vector follows with VFIO_IRQ_SET_DATA_BOOL, descriptors come along with
 * VFIO_IRQ_SET_DATA_EVENTFD. */
struct weir_vfu_irq_set {
    uint32_t argsz;
    uint32_t flags; /* VFIO_IRQ_SET_* */
    uint32_t index;
    uint32_t start;
    uint32_t count;
};

/* REGION_READ and REGION_WRITE; data follows in a write and in a read's reply. */
struct weir_vfu_region_access {
    uint64_t offset;
    uint32_t region;
    uint32_t count;
};

/* DMA_READ and DMA_WRITE; data follows in a write and in a read's reply. */
struct weir_vfu_dma_access {
    uint64_t iova;
    uint64_t count;
};

/* One of the writes of REGION_WRITE_MULTI, which begins with their number as a uint64_t. */
struct weir_vfu_write_one {
    uint64_t offset;
    uint32_t region;
    uint32_t count; /* at most 8 */
    uint8_t data[8];
};

_Static_assert(sizeof(struct weir_vfu_header) == 16, "wire format");
_Static_assert(sizeof(struct weir_vfu_dma_map) == 32, "wire format");
_Static_assert(sizeof(struct weir_vfu_dma_unmap) == 24, "wire format");
_Static_assert(sizeof(struct weir_vfu_region_info) == 32, "wire format");
_Static_assert(sizeof(struct weir_vfu_irq_set) == 20, "wire format");
_Static_assert(sizeof(struct weir_vfu_write_one) == 24, "wire format");

/* What both ends of Weir offer and keep to. */
#define WEIR_VFU_MAX_FDS     16      /* descriptors with one message */
#define WEIR_VFU_MAX_DATA    1048576 /* bytes of data in one message; also the default */
#define WEIR_VFU_MAX_MESSAGE (WEIR_VFU_MAX_DATA + 64)
#define WEIR_VFU_MAX_JSON    4096
#define WEIR_VFU_MAX_MAPS    65535 /* also the default */
#define WEIR_VFU_PAGE        4096  /* default of pgsizes */
#define WEIR_VFU_MULTI_MAX   128   /* writes that we put in one REGION_WRITE_MULTI */

#endif
