/* SPDX-License-Identifier: BSD-3-Clause */
/* Placement on NUMA nodes. */
#ifndef WEIR_MEM_NODE_H
#define WEIR_MEM_NODE_H

#include <weir/types.h>

/* Has the machine more than one node? */
bool weir_node_several(void);

/* The node of the calling CPU; -1 where the machine has one node only. */
int weir_node_of_caller(void);

/* May this process have memory of the node? */
bool weir_node_usable(int node);

/* Place memory that is not populated yet. strict: there or nowhere. -errno of mbind(2). */
int weir_node_place(void *va, size_t len, int node, bool strict);

/* Place what the calling thread allocates. To be undone with weir_node_restore(). */
struct weir_node_policy {
    int mode;
    unsigned long nodes[16]; /* 1024: the largest CONFIG_NODES_SHIFT */
};
int weir_node_prefer(int node, bool strict, struct weir_node_policy *before);
void weir_node_restore(const struct weir_node_policy *before);

#endif
