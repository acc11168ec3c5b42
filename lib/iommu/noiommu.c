/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is left of a space where there is no IOMMU (drivers/vfio/group.c, CONFIG_VFIO_NOIOMMU): the
 * device puts physical addresses on the bus, nothing is mapped and nothing is checked. An "IOVA" is
 * a physical address, and the book of mappings is all there is.
 */
#include "lib/iommu/vfio.h"
#include "lib/mem/hugepage.h"
#include "lib/mem/physical.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int noiommu_map(struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova,
                       unsigned prot, struct weir_error *e)
{
    uint64_t at = 0;

    (void)s;
    (void)prot;
    /* Pages of other sizes may be moved by the kernel at any time, to anywhere. */
    if (mem->page <= weir_base_page())
        return weir_fail(e, -EINVAL, "noiommu-pages",
                         "give a device without an IOMMU %zu bytes at %p\nthey do not lie in "
                         "hugepages, and the kernel may move other pages while the device uses "
                         "them\nuse an arena in hugepages",
                         mem->len, mem->va);
    for (uint64_t off = 0; off < mem->len; off += mem->page) {
        int r = weir_physical((const uint8_t *)mem->va + off, &at, e);

        if (r < 0)
            return r;
        if (at != iova.addr + off)
            return weir_fail(e, -EINVAL, "noiommu-address",
                             "give a device without an IOMMU %zu bytes at %p\nthe page at offset "
                             "%" PRIu64 " lies at physical address %#" PRIx64 ", not at %#" PRIx64
                             "\nmake the arena for this space (weir_arena_options.spaces), so that "
                             "it takes physically contiguous memory at its own addresses",
                             mem->len, mem->va, off, at, iova.addr + off);
    }
    return 0;
}

static int noiommu_unmap(struct weir_space *s, weir_iova_t iova, size_t len, struct weir_error *e)
{
    (void)s;
    (void)iova;
    (void)len;
    (void)e;
    return 0;
}

const struct weir_space_ops weir_noiommu_ops = {
    .kind = "no-iommu",
    .physical = true,
    .map = noiommu_map,
    .unmap = noiommu_unmap,
    .free = weir_container_free,
};
