/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much memory this process may still take. Taking more makes the kernel kill processes (memory)
 * or refuse pages that the pool does have (hugetlb), so it is asked first, or to explain.
 */
#ifndef WEIR_MEM_LIMIT_H
#define WEIR_MEM_LIMIT_H

#include <weir/types.h>

struct weir_limit {
    uint64_t room;   /* bytes; UINT64_MAX: no limit */
    char where[512]; /* who says so: a file */
};

/*
 * Of base pages: the least of what the machine (or the node, if not -1) and the control groups of
 * this process leave. @root: "" or, for tests, a folder that holds proc and sys.
 */
void weir_limit_memory(const char *root, int node, struct weir_limit *out);

/* Of hugepages of one size: what the control groups leave. */
void weir_limit_hugepages(const char *root, uint64_t page, struct weir_limit *out);

#endif
