/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hugepages as found: the sizes the machine has, and the pools they are taken from. The kernel
 * keeps one pool for each size and node (Documentation/admin-guide/mm/hugetlbpage.rst).
 */
#ifndef WEIR_MEM_HUGEPAGE_H
#define WEIR_MEM_HUGEPAGE_H

#include <weir/types.h>

#define WEIR_MAX_PAGE_SIZES 8

struct weir_hugepages {
    uint64_t page;
    int node; /* -1: of the whole machine */
    uint64_t total, free, surplus;
    uint64_t
        reserved; /* promised to mappings, of the whole machine: the kernel does not say where */
    uint64_t available; /* free and not promised */
};

/* The base page size. */
uint64_t weir_base_page(void);

/* Sizes that the kernel has a pool for, largest first. Returns how many, at most max. */
unsigned weir_hugepage_sizes(uint64_t *sizes, unsigned max);

/*
 * The pool of one size on a node, -1 for the whole machine. Where the kernel knows no nodes it is
 * the machine's. @sysfs: "/sys". -ENOENT if there is no such pool.
 */
int weir_hugepage_pool(const char *sysfs, uint64_t page, int node, struct weir_hugepages *out);

/* The command that makes need pages available in the pool. Returns out. */
const char *weir_hugepage_command(const struct weir_hugepages *pool, uint64_t need, char *out,
                                  size_t size);

/* "2 MiB", "12345 bytes". Returns out. */
const char *weir_size_text(uint64_t bytes, char *out, size_t size);

#endif
