/* SPDX-License-Identifier: BSD-3-Clause */
/* A container's mappings: drivers/vfio/vfio_iommu_type1.c. */
#include "lib/iommu/vfio.h"
#include "lib/mem/hugepage.h"
#include "lib/mem/procfile.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static int fd_of(const struct weir_space *s)
{
    return ((const struct weir_container *)weir_space_priv(s))->fd;
}

static bool is_set(const struct weir_space *s)
{
    return ((const struct weir_container *)weir_space_priv(s))->set;
}

static int type1_map(struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova,
                     unsigned prot, struct weir_error *e)
{
    struct vfio_iommu_type1_dma_map m = {
        .argsz = sizeof(m),
        .flags = (prot & WEIR_PROT_READ ? VFIO_DMA_MAP_FLAG_READ : 0u) |
                 (prot & WEIR_PROT_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0u),
        .vaddr = (uintptr_t)mem->va,
        .iova = iova.addr,
        .size = mem->len,
    };

    /* Kept in the book until the first device is there; see set_iommu() in container.c. */
    if (!is_set(s) || ioctl(fd_of(s), VFIO_IOMMU_MAP_DMA, &m) == 0)
        return 0;
    return weir_map_refused(s, mem, iova, errno, e);
}

static int type1_unmap(struct weir_space *s, weir_iova_t iova, size_t len, struct weir_error *e)
{
    struct vfio_iommu_type1_dma_unmap m = {.argsz = sizeof(m), .iova = iova.addr, .size = len};

    if (!is_set(s))
        return 0;
    if (ioctl(fd_of(s), VFIO_IOMMU_UNMAP_DMA, &m))
        return weir_fail(e, -errno, "unmap-refused",
                         "unmap %zu bytes at IOVA %#llx from a type1 space\n"
                         "VFIO_IOMMU_UNMAP_DMA: %s",
                         len, (unsigned long long)iova.addr, strerror(errno));
    /* Success with less than was asked for leaves a device with memory that is about to be
     * something else's. */
    if (m.size != len)
        return weir_fail(e, -EIO, "unmap-size",
                         "unmap %zu bytes at IOVA %#llx from a type1 space\n"
                         "the kernel unmapped %llu bytes: somebody else changed the container's "
                         "mappings\nclose the device before this memory is used for anything else",
                         len, (unsigned long long)iova.addr, (unsigned long long)m.size);
    return 0;
}

const struct weir_space_ops weir_type1_ops = {
    .kind = "type1",
    .map = type1_map,
    .unmap = type1_unmap,
    .free = weir_container_free,
};

/* The capability of that id, of len bytes at least; NULL if there is none that can be read. */
static const uint8_t *capability(const struct vfio_iommu_type1_info *info, uint16_t id, size_t len)
{
    int at = weir_vfio_cap(info, sizeof(*info), info->flags & VFIO_IOMMU_INFO_CAPS,
                           info->cap_offset, id, len);

    return at > 0 ? (const uint8_t *)info + at : NULL;
}

static unsigned read_ranges(const struct vfio_iommu_type1_info *info, struct weir_iova_range *out,
                            unsigned max)
{
    struct vfio_iommu_type1_info_cap_iova_range cap;
    const uint8_t *p = capability(info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, sizeof(cap));
    unsigned n = 0;
    size_t room;

    if (!p) { /* before Linux 5.4 it did not say */
        out[0] = WEIR_VFIO_ANYWHERE;
        return 1;
    }
    memcpy(&cap, p, sizeof(cap));
    p += sizeof(cap);
    room = info->argsz - (size_t)(p - (const uint8_t *)info);
    while (n < cap.nr_iovas && n < max && (n + 1) * sizeof(struct vfio_iova_range) <= room) {
        struct vfio_iova_range r;

        memcpy(&r, p + n * sizeof(r), sizeof(r));
        out[n++] = (struct weir_iova_range){r.start, r.end};
    }
    return n;
}

int weir_type1_shape(struct weir_space *s, bool mapped, struct weir_error *e)
{
    struct vfio_iommu_type1_info *info =
        weir_vfio_info(fd_of(s), VFIO_IOMMU_GET_INFO, sizeof(*info), 0);
    struct vfio_iommu_type1_info_dma_avail avail;
    struct weir_iova_range ranges[64];
    struct weir_space_info now;
    uint64_t limit = UINT64_MAX, pages;
    const uint8_t *p;
    unsigned n;

    if (!info)
        return weir_fail(e, -EIO, "vfio-info",
                         "ask a VFIO container for its IOMMU\nVFIO_IOMMU_GET_INFO: %s",
                         strerror(errno));
    pages = info->flags & VFIO_IOMMU_INFO_PGSIZES ? info->iova_pgsizes : weir_base_page();
    /* The kernel maps whole pages of the CPU's; what is smaller it does not take. */
    pages &= ~(weir_base_page() - 1);
    n = read_ranges(info, ranges, sizeof(ranges) / sizeof(ranges[0]));
    p = capability(info, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, sizeof(avail));
    weir_space_info(s, &now);
    if (p) {
        memcpy(&avail, p, sizeof(avail));
        limit = avail.avail + (mapped ? now.maps : 0);
    } else {
        weir_read_number("/sys/module/vfio_iommu_type1/parameters/dma_entry_limit", &limit);
    }
    free(info);
    if (now.maps > limit)
        return weir_fail(e, -ENOSPC, "map-limit",
                         "add a device to a type1 space\n%llu mappings are to be made in it, the "
                         "kernel allows %llu\nmap fewer and larger pieces, or raise "
                         "dma_entry_limit of the module vfio_iommu_type1",
                         (unsigned long long)now.maps, (unsigned long long)limit);
    return weir_space_reshape(s, pages, ranges, n, limit, e);
}
