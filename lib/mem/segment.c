/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/mem/segment.h"
#include "lib/mem/hugepage.h"
#include "lib/mem/limit.h"
#include "lib/mem/node.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

int weir_mem_reserve(uint64_t len, uint64_t align, uint8_t **va, struct weir_error *e)
{
    uint64_t total = len + align, skip;
    char text[32];
    uint8_t *p;

    if (total < len || total > SIZE_MAX)
        return weir_fail(e, -EINVAL, "arena-size",
                         "reserve %" PRIu64 " bytes of addresses\n"
                         "no address space is that large",
                         len);
    p = mmap(NULL, (size_t)total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return weir_fail(e, -ENOMEM, "arena-addresses",
                         "reserve %s of addresses\nmmap: %s\n"
                         "raise the limit of this process: ulimit -v unlimited",
                         weir_size_text(len, text, sizeof(text)), strerror(errno));
    skip = -(uintptr_t)p & (align - 1);
    if (skip)
        munmap(p, skip);
    munmap(p + skip + len, total - skip - len);
    *va = p + skip;
    return 0;
}

void weir_mem_release(uint8_t *va, uint64_t len)
{
    munmap(va, len);
}

/* Take the memory out of the range and leave the range reserved. */
static void unplug(uint8_t *va, uint64_t len)
{
    /* For want of kernel memory only; the pages then stay until the range goes. */
    /* cppcheck-suppress leakReturnValNotUsed */
    if (mmap(va, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
        MAP_FAILED)
        mprotect(va, len, PROT_NONE);
}

/* Have every page now. Before Linux 5.14 fallocate() does it; either reports a shortage where a
 * first touch would be a SIGBUS. */
static int populate(const struct weir_segment *s, int node, bool strict)
{
    struct weir_node_policy before;
    int r;

    do
        r = madvise(s->va, s->len, MADV_POPULATE_WRITE) < 0 ? -errno : 0;
    while (r == -EINTR);
    if (r != -EINVAL)
        return r;

    /* Memory of a hugepage file is placed by the thread's policy here, not by the mapping's. */
    if (node >= 0) {
        r = weir_node_prefer(node, strict, &before);
        if (r < 0 && strict)
            return r;
    }
    do
        r = fallocate(s->fd, 0, 0, (off_t)s->len) < 0 ? -errno : 0;
    while (r == -EINTR);
    if (node >= 0)
        weir_node_restore(&before);
    return r;
}

/* What is being done, for errors. */
static const char *what_of(const struct weir_backing *b, uint64_t len, char *out, size_t size)
{
    char bytes[32], page[32];

    snprintf(out, size, "back %s of arena %s with pages of %s",
             weir_size_text(len, bytes, sizeof(bytes)), b->name,
             weir_size_text(b->page, page, sizeof(page)));
    return out;
}

/* The kernel had no pages, or said r: find out why, after what was taken has been given back. */
static int short_of_pages(const struct weir_backing *b, uint64_t len, int r, struct weir_error *e)
{
    uint64_t need = len / b->page;
    char what[200], page[32], place[40] = "";
    struct weir_hugepages pool;
    struct weir_limit limit;

    what_of(b, len, what, sizeof(what));
    if (b->page == weir_base_page()) {
        weir_limit_memory("", weir_node_several() ? b->node : -1, &limit);
        return weir_fail(e, -ENOMEM, "arena-populate",
                         "%s\n%s; %s leaves %" PRIu64 " bytes\n"
                         "free memory, raise that limit, or ask for less",
                         what, strerror(-r), limit.where, limit.room);
    }
    weir_size_text(b->page, page, sizeof(page));
    if (b->node >= 0)
        snprintf(place, sizeof(place), " on node %d", b->node);
    if (weir_hugepage_pool("/sys", b->page, b->node, &pool) == 0 && pool.available < need) {
        char command[200];

        return weir_fail(e, -ENOMEM, "arena-no-hugepages",
                         "%s\nit takes %" PRIu64 "; the pool of %s pages%s has %" PRIu64
                         " free of %" PRIu64 ", %" PRIu64 " of them promised to others\n"
                         "%s%s",
                         what, need, page, place, pool.free, pool.total, pool.reserved,
                         weir_hugepage_command(&pool, need, command, sizeof(command)),
                         b->page >= 1u << 30 ? " (may only work soon after boot; the kernel "
                                               "parameters hugepagesz=1G hugepages=N always do)"
                                             : "");
    }
    weir_limit_hugepages("", b->page, &limit);
    if (limit.room < len)
        return weir_fail(e, -ENOMEM, "arena-populate",
                         "%s\n%s leaves %" PRIu64 " bytes (%s)\nraise that limit, or ask for less",
                         what, limit.where, limit.room, strerror(-r));
    return weir_fail(e, -ENOMEM, "arena-populate",
                     "%s\nthe pool of %s pages%s has enough, but the kernel gave none: %s\n"
                     "look at the control group's hugetlb limit and the cpuset's memory nodes: "
                     "cat /proc/self/cgroup; grep Mems_allowed /proc/self/status",
                     what, page, place, strerror(-r));
}

/* A memfd of the size, sealed. */
static int make_fd(const struct weir_backing *b, uint64_t len, struct weir_error *e)
{
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    const char *call = "memfd_create";
    char name[128], what[200];
    struct rlimit size;
    int fd, r;

    /* ftruncate() beyond this limit is a signal, SIGXFSZ. */
    if (len > INT64_MAX || (getrlimit(RLIMIT_FSIZE, &size) == 0 && len > size.rlim_cur))
        return weir_fail(e, -EFBIG, "arena-memfd",
                         "%s\nthat is more than a file may be in this process\n"
                         "raise the limit: ulimit -f unlimited",
                         what_of(b, len, what, sizeof(what)));

    if (b->page != weir_base_page())
        flags |= MFD_HUGETLB | (unsigned)__builtin_ctzll(b->page) << MFD_HUGE_SHIFT;
    snprintf(name, sizeof(name), "weir-%s", b->name);
    fd = memfd_create(name, flags);
    r = fd < 0 ? -errno : 0;
    if (r == 0) {
        call = "ftruncate";
        r = ftruncate(fd, (off_t)len) < 0 ? -errno : 0;
    }
    if (r == 0) {
        call = "fcntl(F_ADD_SEALS)";
        r = fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ? -errno : 0;
    }
    if (r == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return weir_fail(e, r, "arena-memfd", "%s\n%s: %s\n%s", what_of(b, len, what, sizeof(what)),
                     call, strerror(-r),
                     r == -EMFILE   ? "raise the limit on open files: ulimit -n 4096"
                     : r == -ENFILE ? "raise the machine's limit: sysctl fs.file-max"
                                    : "use another page size");
}

int weir_segment_make(struct weir_segment *s, const struct weir_backing *b, uint8_t *va,
                      uint64_t len, struct weir_error *e)
{
    bool huge = b->page != weir_base_page(), strict = b->node >= 0;
    int node = strict ? b->node : weir_node_of_caller();
    char what[200];
    int r;

    if (!huge) {
        struct weir_limit limit;

        /* Beyond this the kernel would not refuse, but start to kill. */
        weir_limit_memory("", weir_node_several() ? b->node : -1, &limit);
        if (limit.room < len)
            return short_of_pages(b, len, -ENOMEM, e);
    }
    *s = (struct weir_segment){.va = va, .len = len, .page = b->page};
    s->fd = make_fd(b, len, e);
    if (s->fd < 0)
        return s->fd;
    if (huge) {
        /*
         * The first mapping has the kernel promise the pages to the file; it fails when the pool is
         * short. Not in place yet: a MAP_FIXED that fails leaves a hole in the reserved range.
         */
        void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
        if (p == MAP_FAILED) {
            r = -errno;
            close(s->fd);
            return short_of_pages(b, len, r, e);
        }
        munmap(p, len);
    }
    /* cppcheck-suppress leakReturnValNotUsed */
    if (mmap(va, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->fd, 0) == MAP_FAILED) {
        r = -errno;
        weir_segment_drop(s);
        return weir_fail(e, r, "arena-map",
                         "%s\nmmap: %s\nraise the limit on mappings: sysctl vm.max_map_count",
                         what_of(b, len, what, sizeof(what)), strerror(-r));
    }
    if (node >= 0) {
        r = weir_node_place(va, len, node, strict);
        if (r < 0 && strict) {
            weir_segment_drop(s);
            return weir_fail(e, r, "arena-node",
                             "%s\nmbind to node %d: %s\n"
                             "allow mbind (containers: CAP_SYS_NICE or their seccomp profile), or "
                             "use WEIR_ANY_NODE",
                             what_of(b, len, what, sizeof(what)), node, strerror(-r));
        }
    }
    r = populate(s, node, strict);
    if (r < 0) {
        weir_segment_drop(s);
        return short_of_pages(b, len, r, e);
    }
    return 0;
}

void weir_segment_drop(struct weir_segment *s)
{
    unplug(s->va, s->len);
    close(s->fd);
    s->fd = -1;
}
