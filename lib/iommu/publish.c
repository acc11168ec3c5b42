/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/iommu/publish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

void weir_publish_open(struct weir_publish *p)
{
    *p = (struct weir_publish){.fd = memfd_create(WEIR_PUBLISH_NAME, MFD_CLOEXEC)};
}

void weir_publish_close(struct weir_publish *p)
{
    if (p->fd >= 0)
        close(p->fd);
    free(p->free);
    *p = (struct weir_publish){.fd = -1};
}

static void put(struct weir_publish *p, uint64_t at, const void *bytes, size_t len)
{
    struct rlimit limit;

    if (p->fd < 0)
        return;
    /* Beyond that limit a write is a signal, SIGXFSZ, also where the file has something already
     * (mm/filemap.c, generic_write_check_limits()); and it may have been lowered since. */
    if (getrlimit(RLIMIT_FSIZE, &limit) || at + len > limit.rlim_cur ||
        pwrite(p->fd, bytes, len, (off_t)at) != (ssize_t)len)
        weir_publish_close(p);
}

static uint64_t place_of(uint32_t slot)
{
    return sizeof(struct weir_publish_header) + (uint64_t)slot * sizeof(struct weir_publish_slot);
}

void weir_publish_begin(struct weir_publish *p)
{
    p->seq |= 1;
    put(p, offsetof(struct weir_publish_header, seq), &p->seq, sizeof(p->seq));
}

void weir_publish_end(struct weir_publish *p, struct weir_publish_header *header)
{
    memcpy(header->magic, WEIR_PUBLISH_MAGIC, sizeof(header->magic));
    header->n_slots = p->n_slots;
    header->seq = p->seq;
    /* A reader between the two sees that it changed. */
    put(p, 0, header, sizeof(*header));
    p->seq++;
    put(p, offsetof(struct weir_publish_header, seq), &p->seq, sizeof(p->seq));
}

uint32_t weir_publish_add(struct weir_publish *p, const struct weir_publish_slot *slot)
{
    uint32_t at = p->n_free ? p->free[--p->n_free] : p->n_slots;

    if (at == p->n_slots) {
        if (at == WEIR_PUBLISH_SLOTS)
            weir_publish_close(p);
        else
            p->n_slots++;
    }
    put(p, place_of(at), slot, sizeof(*slot));
    return at;
}

void weir_publish_remove(struct weir_publish *p, uint32_t slot)
{
    static const struct weir_publish_slot none;

    if (p->fd < 0)
        return;
    put(p, place_of(slot), &none, sizeof(none));
    if (p->n_free == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 16;
        uint32_t *more = realloc(p->free, cap * sizeof(*more));

        if (!more) /* it stays unused */
            return;
        p->free = more;
        p->cap = cap;
    }
    p->free[p->n_free++] = slot;
}
