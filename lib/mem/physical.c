/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/mem/physical.h"
#include "lib/mem/hugepage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PRESENT ((uint64_t)1 << 63)
#define FRAME   (((uint64_t)1 << 55) - 1)

int weir_physical(const void *va, uint64_t *out, struct weir_error *e)
{
    uint64_t page = weir_base_page(), at = (uintptr_t)va / page, entry = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : pread(fd, &entry, sizeof(entry), (off_t)(at * sizeof(entry)));
    int err = n < 0 ? errno : EIO;

    if (fd >= 0)
        close(fd);
    if (n != sizeof(entry) || !(entry & PRESENT))
        return weir_fail(e, -err, "physical-unknown",
                         "find the physical address of %p\n/proc/self/pagemap: %s", va,
                         n == sizeof(entry) ? "no page is there" : strerror(err));
    if (!(entry & FRAME))
        return weir_fail(e, -EPERM, "physical-hidden",
                         "find the physical address of %p\n/proc/self/pagemap hides it from "
                         "processes without CAP_SYS_ADMIN\nrun as root, or turn the IOMMU on: with "
                         "it no physical address is needed",
                         va);
    *out = (entry & FRAME) * page + (uintptr_t)va % page;
    return 0;
}
