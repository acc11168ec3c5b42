/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that a peer sent as a descriptor. It is mapped only if its owner can never take it away
 * from under us: a memfd sealed against shrinking, and long enough.
 */
#ifndef WEIR_VFIO_USER_MEMORY_H
#define WEIR_VFIO_USER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_vfu_memory {
    uint8_t *va;   /* of the byte at offset */
    uint64_t page; /* what mappings of it are multiples of */
};

/*
 * Map [offset, offset + len) of fd. 0; -EPERM when it is not sealed; -ENODEV when it is no memfd at
 * all; -ENXIO when it ends before; -ENOMEM when hugepages it counts on are not there; -errno of
 * mmap().
 */
int weir_vfu_memory_map(int fd, uint64_t offset, uint64_t len, int prot,
                        struct weir_vfu_memory *out);

/* Map it in place of an earlier mapping of the same length, which stays if this fails. */
int weir_vfu_memory_replace(int fd, uint64_t offset, uint64_t len, int prot,
                            const struct weir_vfu_memory *old);

void weir_vfu_memory_unmap(void *va, uint64_t offset, uint64_t len, uint64_t page);

/*
 * May pread() and pwrite() stand in for a mapping that is not to be had? 0; -ENODEV for what is not
 * memory (a pipe or a file on a network may never answer); -EPERM for hugetlbfs, which has no
 * pwrite(); -ENXIO when it ends before offset + len.
 */
int weir_vfu_memory_by_fd(int fd, uint64_t offset, uint64_t len);

#endif
