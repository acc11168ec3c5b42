/* SPDX-License-Identifier: BSD-3-Clause */
/* Regions: VFIO_DEVICE_GET_REGION_INFO, and the file they are parts of. */
#include "lib/device/vfio.h"
#include "lib/mem/hugepage.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weir/io.h>

/* Map [first, first + len) of the region into its reservation; the largest part is the one that
 * users get a pointer for. */
static void map_part(struct weir_vfio *v, const struct vfio_region_info *info, uint64_t first,
                     uint64_t len, struct weir_region *out)
{
    uint64_t page = weir_base_page();
    struct weir_vfio_map *m = &v->map[info->index];

    if (!len || (first | len) & (page - 1) || first > info->size || len > info->size - first)
        return;
    /* cppcheck-suppress leakReturnValNotUsed */
    if (mmap(m->base + first, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, v->fd,
             (off_t)(info->offset + first)) == MAP_FAILED) {
        weir_log(v->dev->weir, WEIR_LOG_DEBUG, "vfio",
                 "%s: %#" PRIx64 " bytes at %#" PRIx64 " of region %u cannot be mapped (%s): "
                 "accesses are calls",
                 v->dev->name, len, first, info->index, strerror(errno));
        return;
    }
    if (len > out->map_size) {
        out->map = m->base;
        out->map_first = first;
        out->map_size = len;
    }
}

static void map_region(struct weir_vfio *v, const struct vfio_region_info *info,
                       struct weir_region *out)
{
    struct vfio_region_info_cap_sparse_mmap cap;
    struct weir_vfio_map *m = &v->map[info->index];
    uint64_t page = weir_base_page(), len = (info->size + page - 1) & ~(page - 1);
    int at = weir_vfio_cap(info, sizeof(*info), info->flags & VFIO_REGION_INFO_FLAG_CAPS,
                           info->cap_offset, VFIO_REGION_INFO_CAP_SPARSE_MMAP, sizeof(cap));
    size_t n;

    /* Registers that are written through a pointer must be writable. A BAR smaller than a page
     * is left to calls, though the kernel may offer the whole page. Of what cannot be read nobody
     * knows what may be mapped. */
    if (at < 0 || !(info->flags & VFIO_REGION_INFO_FLAG_MMAP) || !out->readable || !out->writable ||
        info->size > SIZE_MAX - page || (m->base && m->len != len)) /* another device came back */
        return;
    if (!m->base) { /* else of before a reopening */
        m->len = len;
        m->base = mmap(NULL, m->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (m->base == MAP_FAILED) {
            m->base = NULL;
            return;
        }
    }
    if (!at) {
        map_part(v, info, 0, m->len > info->size ? 0 : m->len, out);
        return;
    }
    memcpy(&cap, (const uint8_t *)info + at, sizeof(cap));
    at += (int)sizeof(cap);
    n = (info->argsz - (size_t)at) / sizeof(cap.areas[0]);
    for (size_t i = 0; i < cap.nr_areas && i < n; i++) {
        struct vfio_region_sparse_mmap_area area;

        memcpy(&area, (const uint8_t *)info + (size_t)at + i * sizeof(area), sizeof(area));
        map_part(v, info, area.offset, area.size, out);
    }
}

int weir_vfio_regions(struct weir_vfio *v, const struct vfio_device_info *info,
                      struct weir_region *out, struct weir_error *e)
{
    for (uint32_t i = 0; i < info->num_regions && i < WEIR_N_REGIONS; i++) {
        struct vfio_region_info *r =
            weir_vfio_info(v->fd, VFIO_DEVICE_GET_REGION_INFO, sizeof(*r), i);

        out[i] = (struct weir_region){0};
        if (!r) {
            if (errno == EINVAL) /* the VGA region of what has none */
                continue;
            return weir_fail(e, -errno, "vfio-region",
                             "open device %s\nVFIO_DEVICE_GET_REGION_INFO of region %u: %s",
                             v->dev->name, i, strerror(errno));
        }
        out[i].size = r->size;
        out[i].readable = r->flags & VFIO_REGION_INFO_FLAG_READ;
        out[i].writable = r->flags & VFIO_REGION_INFO_FLAG_WRITE;
        v->offset[i] = r->offset;
        if (r->size)
            map_region(v, r, &out[i]);
        free(r);
    }
    if (out[WEIR_REGION_CONFIG].size < 64 || !out[WEIR_REGION_CONFIG].readable)
        return weir_fail(e, -EIO, "vfio-region",
                         "open device %s\nits configuration space has %" PRIu64 " bytes\n",
                         v->dev->name, out[WEIR_REGION_CONFIG].size);
    return 0;
}

void weir_vfio_unplug_regions(struct weir_vfio *v)
{
    for (unsigned i = 0; i < WEIR_N_REGIONS; i++) {
        struct weir_vfio_map *m = &v->map[i];

        /* cppcheck-suppress leakReturnValNotUsed */
        if (m->base &&
            mmap(m->base, m->len, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
            weir_log(v->dev->weir, WEIR_LOG_ERROR, "vfio", "%s: unplug region %u: %s", v->dev->name,
                     i, strerror(errno));
    }
}

void weir_vfio_unmap_regions(struct weir_vfio *v)
{
    for (unsigned i = 0; i < WEIR_N_REGIONS; i++) {
        if (v->map[i].base)
            munmap(v->map[i].base, v->map[i].len);
        v->map[i] = (struct weir_vfio_map){0};
    }
}

void weir_vfio_probe(struct weir_device *d)
{
    struct weir_vfio *v = weir_vfio_of(d);
    off_t at = (off_t)v->offset[WEIR_REGION_CONFIG] + PCI_CLASS_REVISION;
    uint32_t class_code = 0;

    /* Not the ids: VFIO answers for them itself, of every function, there or not
     * (drivers/vfio/pci/vfio_pci_config.c, init_pci_cap_basic_perm()). */
    if (pread(v->fd, &class_code, sizeof(class_code), at) != sizeof(class_code) ||
        class_code == UINT32_MAX) {
        /* If it hears that much: its user is about to take memory for its own again, which without
         * an IOMMU nobody else keeps it from. */
        weir_device_bus_master(d, false, NULL);
        weir_device_set_lost(d, "its configuration space reads as all ones");
    }
}

/* Aligned registers of 1, 2 and 4 bytes are read in one access. Of 8 the kernel may make two of 4,
 * as it always did until 2024 (drivers/vfio/pci/vfio_pci_rdwr.c, vfio_pci_core_do_io_rw()). */
int weir_vfio_read(struct weir_device *d, unsigned region, uint64_t off, void *buf, size_t len,
                   struct weir_error *e)
{
    struct weir_vfio *v = weir_vfio_of(d);
    ssize_t n = pread(v->fd, buf, len, (off_t)(v->offset[region] + off));

    if (n == (ssize_t)len)
        return 0;
    return weir_fail(e, n < 0 ? -errno : -EIO, "vfio-access",
                     "read %zu bytes at %#" PRIx64 " of region %u of %s\n%s", len, off, region,
                     d->name, n < 0 ? strerror(errno) : "the kernel gave fewer bytes");
}

/*
 * With memory decoding off, or in a sleep state, the kernel takes mapped registers away and answers
 * the next access with SIGBUS (drivers/vfio/pci/vfio_pci_core.c, vfio_pci_mmap_fault()).
 */
static bool hides_registers(const struct weir_vfio *v, uint64_t off, const uint8_t *bytes,
                            size_t len)
{
    uint64_t pmcsr = v->pm + PCI_PM_CTRL;

    if (off <= PCI_COMMAND && off + len > PCI_COMMAND &&
        !(bytes[PCI_COMMAND - off] & PCI_COMMAND_MEMORY))
        return true;
    return v->pm && off <= pmcsr && off + len > pmcsr &&
           (bytes[pmcsr - off] & PCI_PM_CTRL_STATE_MASK);
}

int weir_vfio_write(struct weir_device *d, unsigned region, uint64_t off, const void *buf,
                    size_t len, bool posted, struct weir_error *e)
{
    struct weir_vfio *v = weir_vfio_of(d);
    ssize_t n;

    (void)posted;
    if (region == WEIR_REGION_CONFIG && hides_registers(v, off, buf, len))
        return weir_fail(e, -EPERM, "device-asleep",
                         "write %zu bytes at %#" PRIx64 " of the configuration space of %s\n"
                         "it would turn memory decoding off or put the device to sleep, while "
                         "registers are mapped\nclose the device instead",
                         len, off, d->name);
    n = pwrite(v->fd, buf, len, (off_t)(v->offset[region] + off));
    if (n == (ssize_t)len)
        return 0;
    return weir_fail(e, n < 0 ? -errno : -EIO, "vfio-access",
                     "write %zu bytes at %#" PRIx64 " of region %u of %s\n%s", len, off, region,
                     d->name, n < 0 ? strerror(errno) : "the kernel took fewer bytes");
}
