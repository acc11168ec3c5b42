/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/model/framering.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A record is the length and the bytes, filled up to a multiple of 8. One that would pass the end
 * of the memory starts at its beginning instead, and this length says so. */
#define SKIP 0xffffffffu

int weir_framering_init(struct weir_framering *r, size_t size)
{
    memset(r, 0, sizeof *r);
    r->mem = malloc(size);
    r->size = size;
    return r->mem ? 0 : -ENOMEM;
}

void weir_framering_destroy(struct weir_framering *r)
{
    free(r->mem);
    r->mem = NULL;
}

static uint64_t record_size(uint32_t len)
{
    return ((uint64_t)len + sizeof len + 7) & ~(uint64_t)7;
}

static bool has_room(struct weir_framering *r, uint64_t need)
{
    if (r->size - (r->put.head - r->put.tail_seen) >= need)
        return true;
    r->put.tail_seen = __atomic_load_n(&r->take.tail, __ATOMIC_ACQUIRE);
    return r->size - (r->put.head - r->put.tail_seen) >= need;
}

bool weir_framering_put(struct weir_framering *r, const struct iovec *iov, unsigned n, uint32_t len)
{
    uint64_t at = r->put.head & (r->size - 1), need = record_size(len), skip = 0;
    uint32_t mark = SKIP;
    uint8_t *p;

    if (need > r->size - at)
        skip = r->size - at;
    if (!has_room(r, skip + need))
        return false;
    if (skip) {
        memcpy(r->mem + at, &mark, sizeof mark);
        at = 0;
    }
    p = r->mem + at;
    memcpy(p, &len, sizeof len);
    p += sizeof len;
    for (unsigned i = 0; i < n; i++) {
        if (iov[i].iov_len)
            memcpy(p, iov[i].iov_base, iov[i].iov_len);
        p += iov[i].iov_len;
    }
    __atomic_store_n(&r->put.head, r->put.head + skip + need, __ATOMIC_RELEASE);
    return true;
}

bool weir_framering_ready(const struct weir_framering *r)
{
    return __atomic_load_n(&r->put.head, __ATOMIC_ACQUIRE) != r->take.tail + r->take.lent;
}

bool weir_framering_take(struct weir_framering *r, struct weir_frame *frame)
{
    uint64_t at, skip = 0;
    uint32_t len;

    if (r->take.lent) {
        __atomic_store_n(&r->take.tail, r->take.tail + r->take.lent, __ATOMIC_RELEASE);
        r->take.lent = 0;
    }
    if (!weir_framering_ready(r))
        return false;
    at = r->take.tail & (r->size - 1);
    memcpy(&len, r->mem + at, sizeof len);
    if (len == SKIP) {
        skip = r->size - at;
        at = 0;
        memcpy(&len, r->mem, sizeof len);
    }
    frame->data = r->mem + at + sizeof len;
    frame->len = len;
    r->take.lent = skip + record_size(len);
    return true;
}
