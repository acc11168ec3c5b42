/* SPDX-License-Identifier: BSD-3-Clause */
/* An iommufd with one IOAS: drivers/iommu/iommufd/. */
#include "lib/iommu/iommufd_abi.h"
#include "lib/iommu/vfio.h"
#include "lib/mem/hugepage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IOMMU      "/dev/iommu"
#define MAX_RANGES 4096u

struct iommufd {
    int fd;
    uint32_t ioas;
};

static struct iommufd *of(const struct weir_space *s)
{
    return weir_space_priv(s);
}

static int iommufd_map(struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova,
                       unsigned prot, struct weir_error *e)
{
    struct abi_ioas_map m = {
        .size = sizeof(m),
        .flags = ABI_IOAS_MAP_FIXED_IOVA | (prot & WEIR_PROT_READ ? ABI_IOAS_MAP_READ : 0u) |
                 (prot & WEIR_PROT_WRITE ? ABI_IOAS_MAP_WRITE : 0u),
        .ioas = of(s)->ioas,
        .va = (uintptr_t)mem->va,
        .len = mem->len,
        .iova = iova.addr,
    };

    if (ioctl(of(s)->fd, ABI_IOAS_MAP, &m) == 0)
        return 0;
    return weir_map_refused(s, mem, iova, errno, e);
}

static int iommufd_unmap(struct weir_space *s, weir_iova_t iova, size_t len, struct weir_error *e)
{
    struct abi_ioas_unmap m = {
        .size = sizeof(m), .ioas = of(s)->ioas, .iova = iova.addr, .len = len};

    if (ioctl(of(s)->fd, ABI_IOAS_UNMAP, &m))
        return weir_fail(e, -errno, "unmap-refused",
                         "unmap %zu bytes at IOVA %#llx from an iommufd space\n"
                         "IOMMU_IOAS_UNMAP: %s",
                         len, (unsigned long long)iova.addr, strerror(errno));
    if (m.len != len)
        return weir_fail(e, -EIO, "unmap-size",
                         "unmap %zu bytes at IOVA %#llx from an iommufd space\n"
                         "the kernel unmapped %llu bytes: somebody else changed the mappings\n"
                         "close the device before this memory is used for anything else",
                         len, (unsigned long long)iova.addr, (unsigned long long)m.len);
    return 0;
}

static void iommufd_free(struct weir_space *s)
{
    struct iommufd *f = of(s);

    close(f->fd); /* and with it the IOAS and what it maps */
    free(f);
}

const struct weir_space_ops weir_iommufd_ops = {
    .kind = "iommufd",
    .map = iommufd_map,
    .unmap = iommufd_unmap,
    .free = iommufd_free,
};

/* iommufd has no question for page sizes; the one of containers is answered for the IOAS that was
 * named for it (drivers/iommu/iommufd/vfio_compat.c). */
static uint64_t page_sizes(const struct iommufd *f)
{
    struct vfio_iommu_type1_info info = {.argsz = sizeof(info)};

    if (ioctl(f->fd, VFIO_IOMMU_GET_INFO, &info) || !(info.flags & VFIO_IOMMU_INFO_PGSIZES) ||
        !(info.iova_pgsizes & ~(weir_base_page() - 1)))
        return weir_base_page();
    return info.iova_pgsizes & ~(weir_base_page() - 1);
}

/* Ask again what is usable, and with what pages: each device that comes or goes may change it. */
static int shape(struct weir_space *s, struct weir_error *e)
{
    uint32_t room = 16;

    for (;;) {
        struct abi_ioas_iova_ranges q = {.size = sizeof(q), .ioas = of(s)->ioas, .n = room};
        struct abi_iova_range *ranges = calloc(room, sizeof(*ranges));
        int r;

        if (!ranges)
            return weir_fail(e, -ENOMEM, "no-memory", "ask an IOAS for its ranges\nout of memory");
        q.ranges = (uintptr_t)ranges;
        r = ioctl(of(s)->fd, ABI_IOAS_IOVA_RANGES, &q) ? -errno : 0;
        if (r == 0 && q.n <= room) {
            _Static_assert(sizeof(*ranges) == sizeof(struct weir_iova_range), "the same two");
            r = weir_space_reshape(s, page_sizes(of(s)), (const struct weir_iova_range *)ranges,
                                   q.n, UINT64_MAX, e);
            free(ranges);
            return r;
        }
        free(ranges);
        if ((r && r != -EMSGSIZE) || q.n <= room || q.n > MAX_RANGES) {
            r = r ? r : -EMSGSIZE;
            return weir_fail(e, r, "iommufd-ranges",
                             "ask an IOAS for its ranges\nIOMMU_IOAS_IOVA_RANGES: %s",
                             strerror(-r));
        }
        room = q.n;
    }
}

struct weir_space *weir_space_iommufd(struct weir *w, struct weir_error *e)
{
    struct iommufd *f = calloc(1, sizeof(*f));
    struct abi_ioas_alloc alloc = {.size = sizeof(alloc)};
    struct abi_vfio_ioas compat = {.size = sizeof(compat), .op = ABI_VFIO_IOAS_SET};
    struct weir_space *s = NULL;

    if (!f) {
        weir_fail(e, -ENOMEM, "no-memory", "make an iommufd space\nout of memory");
        return NULL;
    }
    f->fd = open(IOMMU, O_RDWR | O_CLOEXEC);
    if (f->fd < 0) {
        weir_open_refused("make an iommufd space", IOMMU, errno, e);
        free(f);
        return NULL;
    }
    if (ioctl(f->fd, ABI_IOAS_ALLOC, &alloc)) {
        weir_fail(e, -errno, "iommufd-ioas", "make an iommufd space\nIOMMU_IOAS_ALLOC: %s",
                  strerror(errno));
    } else {
        f->ioas = compat.ioas = alloc.ioas;
        ioctl(f->fd, ABI_VFIO_IOAS, &compat); /* for page_sizes(); without it: base pages */
        s = weir_space_make(w, &weir_iommufd_ops, f, weir_base_page(), &WEIR_VFIO_ANYWHERE, 1,
                            UINT64_MAX, e);
    }
    if (!s) {
        close(f->fd);
        free(f);
    }
    return s;
}

int weir_iommufd_allow(struct weir_space *s, const struct weir_iova_range *ranges, unsigned n,
                       struct weir_error *e)
{
    struct abi_ioas_allow_iovas a = {
        .size = sizeof(a), .ioas = of(s)->ioas, .n = n, .ranges = (uintptr_t)ranges};

    if (ioctl(of(s)->fd, ABI_IOAS_ALLOW_IOVAS, &a) == 0)
        return 0;
    return weir_fail(e, -errno, "space-allowed",
                     "limit an iommufd space to %u IOVA ranges\nIOMMU_IOAS_ALLOW_IOVAS: %s\n"
                     "give ranges that do not overlap, and that end where they may",
                     n, strerror(errno));
}

static int bind(const struct iommufd *f, int device, const uint8_t *token)
{
    struct abi_device_bind b = {
        .argsz = token ? sizeof(b) : ABI_BIND_ARGSZ,
        .flags = token ? ABI_BIND_FLAG_TOKEN : 0,
        .iommufd = f->fd,
        .token = (uintptr_t)token,
    };

    return ioctl(device, ABI_DEVICE_BIND_IOMMUFD, &b);
}

int weir_iommufd_attach(struct weir_space *s, const struct weir_pci_function *fn, int device,
                        const uint8_t *token, struct weir_error *e)
{
    struct abi_device_attach a = {.argsz = sizeof(a), .pt = of(s)->ioas};
    char what[48], path[48];

    if (bind(of(s), device, token)) {
        int err = errno;

        if (err == EPERM)
            return weir_group_not_viable(fn, e);
        if (err == EACCES || (err == EINVAL && token))
            return weir_token_refused(fn, token, err, e);
        snprintf(what, sizeof(what), "open device %s", fn->address);
        if (err == EBUSY) /* through its group */
            snprintf(path, sizeof(path), "/dev/vfio/%d", fn->group);
        else
            snprintf(path, sizeof(path), "/dev/vfio/devices/%s", fn->cdev);
        /* It answers so for a device that is bound already; since Linux 6.5 for an RMRR, too. */
        if (err == EBUSY || (err == EINVAL && !weir_group_direct(fn)))
            return weir_busy_refused(what, path, device, e);
        return weir_attach_refused(s, fn, "VFIO_DEVICE_BIND_IOMMUFD", err, e);
    }
    if (ioctl(device, ABI_DEVICE_ATTACH_PT, &a))
        return weir_attach_refused(s, fn, "VFIO_DEVICE_ATTACH_IOMMUFD_PT", errno, e);
    return shape(s, e);
}

void weir_iommufd_detach(struct weir_space *s, int device)
{
    struct abi_device_detach d = {.argsz = sizeof(d)};

    if (ioctl(device, ABI_DEVICE_DETACH_PT, &d) == 0)
        shape(s, NULL);
}
