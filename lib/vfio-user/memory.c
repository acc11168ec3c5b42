/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/vfio-user/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ /* Linux 5.14 */
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

/* What a descriptor is. Seals exist on tmpfs and hugetlbfs alone, whose files are memory. */
static int examine(int fd, uint64_t offset, uint64_t len, int *seals, bool *huge, uint64_t *page)
{
    struct stat st;
    struct statfs fs;

    *seals = fcntl(fd, F_GET_SEALS);
    if (*seals < 0 || fstatfs(fd, &fs))
        return -ENODEV;
    /* After the seals: what is sealed cannot shrink any more. */
    if (fstat(fd, &st))
        return -errno;
    if (!len || st.st_size < 0 || offset > (uint64_t)st.st_size ||
        len > (uint64_t)st.st_size - offset)
        return -ENXIO;
    *huge = fs.f_type == HUGETLBFS_MAGIC;
    *page = *huge ? (uint64_t)st.st_blksize : (uint64_t)sysconf(_SC_PAGESIZE);
    return 0;
}

/* The bytes around [offset, offset + len) that a mapping must cover. */
static uint64_t enclose(uint64_t offset, uint64_t len, uint64_t page, uint64_t *before)
{
    *before = offset & (page - 1);
    return (*before + len + page - 1) & ~(page - 1);
}

int weir_vfu_memory_map(int fd, uint64_t offset, uint64_t len, int prot,
                        struct weir_vfu_memory *out)
{
    uint64_t page, before;
    bool huge;
    int seals;

    int r = examine(fd, offset, len, &seals, &huge, &page);
    if (r)
        return r;
    if (!(seals & F_SEAL_SHRINK))
        return -EPERM;
    uint64_t whole = enclose(offset, len, page, &before);
    uint8_t *base = mmap(NULL, whole, prot, MAP_SHARED, fd, (off_t)(offset - before));
    if (base == MAP_FAILED)
        return -errno;
    /*
     * A hugepage that is missing when first touched is a SIGBUS; asked for in this way it is an
     * error. Its owner could still punch a hole while the pool is empty: no seal prevents that and
     * allows this mapping.
     */
    if (huge &&
        madvise(base, whole, prot & PROT_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) &&
        errno != EINVAL) {
        munmap(base, whole);
        return -ENOMEM;
    }
    *out = (struct weir_vfu_memory){.va = base + before, .page = page};
    return 0;
}

int weir_vfu_memory_replace(int fd, uint64_t offset, uint64_t len, int prot,
                            const struct weir_vfu_memory *old)
{
    struct weir_vfu_memory now;

    /* First elsewhere, then moved over: a failed MAP_FIXED may have removed what was there, and so
     * may a failed mremap() of hugepages, which are refused for that. */
    int r = weir_vfu_memory_map(fd, offset, len, prot, &now);
    if (r)
        return r;
    uint64_t before, whole = enclose(offset, len, now.page, &before);
    uint8_t *to = old->va - before;
    if (now.page != (uint64_t)sysconf(_SC_PAGESIZE) || now.page != old->page ||
        ((uintptr_t)to & (now.page - 1)) ||
        mremap(now.va - before, whole, whole, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED) {
        munmap(now.va - before, whole);
        return -EINVAL;
    }
    return 0;
}

void weir_vfu_memory_unmap(void *va, uint64_t offset, uint64_t len, uint64_t page)
{
    uint64_t before, whole = enclose(offset, len, page, &before);

    munmap((uint8_t *)va - before, whole);
}

int weir_vfu_memory_by_fd(int fd, uint64_t offset, uint64_t len)
{
    uint64_t page;
    bool huge;
    int seals;

    int r = examine(fd, offset, len, &seals, &huge, &page);
    return r ? r : huge ? -EPERM : 0;
}
