/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a space holds, where other processes can read it: a memfd named weir-space, found as
 * /proc/PID/fd/N. It is written with pwrite(), as whoever may open it may also cut it, which would
 * be SIGBUS in a mapping. The space reads nothing back from it; a reader believes none of it.
 */
#ifndef WEIR_IOMMU_PUBLISH_H
#define WEIR_IOMMU_PUBLISH_H

#include <weir/space.h>

#define WEIR_PUBLISH_NAME   "weir-space"
#define WEIR_PUBLISH_MAGIC  "weirspc1"
#define WEIR_PUBLISH_RANGES 64
#define WEIR_PUBLISH_SLOTS  (1u << 20) /* at most */

/* The file: a header, and a slot for each mapping or where one was. Of this machine, so with its
 * byte order. */
struct weir_publish_header {
    char magic[8];
    uint32_t seq; /* odd while it changes */
    uint32_t n_slots;
    char kind[16];
    uint64_t page_sizes, max_maps, maps, bytes, made, removed;
    uint32_t devices, n_ranges;
    struct weir_iova_range ranges[WEIR_PUBLISH_RANGES];
};

struct weir_publish_slot {
    uint64_t iova, len, va, page; /* len 0: free */
    uint32_t prot, reserved;
    char name[64];
};

/* The writer. */
struct weir_publish {
    int fd; /* -1: not published */
    uint32_t seq, n_slots;
    uint32_t *free; /* slots, n_free of cap */
    size_t n_free, cap;
};

/* Where it cannot be, such as beyond the limit on open files, a space is not published. */
void weir_publish_open(struct weir_publish *p);
void weir_publish_close(struct weir_publish *p);
/* Between these the file is known to change. header: its magic, seq and n_slots are filled in. */
void weir_publish_begin(struct weir_publish *p);
void weir_publish_end(struct weir_publish *p, struct weir_publish_header *header);
/* Write a mapping; returns its slot. */
uint32_t weir_publish_add(struct weir_publish *p, const struct weir_publish_slot *slot);
void weir_publish_remove(struct weir_publish *p, uint32_t slot);

#endif
