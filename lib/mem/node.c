/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/mem/node.h"

#include <errno.h>
#include <limits.h>
#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <string.h>

/*
 * Only those calls of libnuma are used that neither print nor exit: its bitmasks end the process
 * when memory is short (numa_bitmask_alloc()), so masks are made here.
 */
#define MAX_NODES (sizeof(((struct weir_node_policy *)0)->nodes) * CHAR_BIT)
#define LONG_BITS (sizeof(unsigned long) * CHAR_BIT)

bool weir_node_several(void)
{
    return numa_available() >= 0 && numa_max_node() > 0;
}

int weir_node_of_caller(void)
{
    unsigned cpu, node;

    if (!weir_node_several() || getcpu(&cpu, &node) != 0 || node >= MAX_NODES)
        return -1;
    return (int)node;
}

bool weir_node_usable(int node)
{
    if (!weir_node_several())
        return node == 0;
    return node >= 0 && node < (int)MAX_NODES &&
           numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned)node);
}

/* The kernel reads one bit less than it is told of (mbind(2), maxnode). */
static void mask_of(int node, struct weir_node_policy *out)
{
    memset(out->nodes, 0, sizeof(out->nodes));
    out->nodes[(unsigned)node / LONG_BITS] = 1ul << ((unsigned)node % LONG_BITS);
}

int weir_node_place(void *va, size_t len, int node, bool strict)
{
    struct weir_node_policy p;

    /* Containers often forbid mbind(); where there is one node it is not needed. */
    if (!weir_node_several())
        return 0;
    mask_of(node, &p);
    if (mbind(va, len, strict ? MPOL_BIND : MPOL_PREFERRED, p.nodes, MAX_NODES, 0) < 0)
        return -errno;
    return 0;
}

int weir_node_prefer(int node, bool strict, struct weir_node_policy *before)
{
    struct weir_node_policy p;

    before->mode = -1;
    if (!weir_node_several())
        return 0;
    if (get_mempolicy(&before->mode, before->nodes, MAX_NODES, NULL, 0) < 0) {
        before->mode = -1;
        return -errno;
    }
    mask_of(node, &p);
    if (set_mempolicy(strict ? MPOL_BIND : MPOL_PREFERRED, p.nodes, MAX_NODES) < 0) {
        before->mode = -1;
        return -errno;
    }
    return 0;
}

void weir_node_restore(const struct weir_node_policy *before)
{
    if (before->mode >= 0)
        set_mempolicy(before->mode, before->nodes, MAX_NODES);
}
