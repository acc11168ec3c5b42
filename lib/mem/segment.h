/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments: pieces of memory that can be given to devices and peers. Each is a memfd sealed against
 * changing its size and populated, at a place in a range of addresses that was reserved for it.
 */
#ifndef WEIR_MEM_SEGMENT_H
#define WEIR_MEM_SEGMENT_H

#include <weir/error.h>

struct weir_segment {
    uint8_t *va;
    uint64_t len;
    uint64_t page; /* behind it */
    int fd;
    uint64_t fresh; /* nobody wrote at or above this offset: what is there is zero */
};

/* What a segment is made of. */
struct weir_backing {
    const char *name; /* of the arena */
    uint64_t page;
    int node; /* all of it there; -1: the caller's node where possible */
};

/* Reserve addresses, aligned to align, a power of two. */
int weir_mem_reserve(uint64_t len, uint64_t align, uint8_t **va, struct weir_error *e);
void weir_mem_release(uint8_t *va, uint64_t len);

/* Back [va, va + len), reserved. On failure the range stays reserved. -ENOMEM:
 * "arena-no-hugepages" or "arena-populate". */
int weir_segment_make(struct weir_segment *s, const struct weir_backing *b, uint8_t *va,
                      uint64_t len, struct weir_error *e);
/* Its range stays reserved. */
void weir_segment_drop(struct weir_segment *s);

#endif
