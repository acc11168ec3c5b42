/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/iommu/carve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t whole_lines(uint64_t len)
{
    return (len + WEIR_CACHE_LINE - 1) & ~(uint64_t)(WEIR_CACHE_LINE - 1);
}

void weir_carve_clear(struct weir_carve *c)
{
    weir_iova_set_clear(&c->free);
    free(c->used);
    *c = (struct weir_carve){0};
}

/* First buffer that starts at or above offset; n_used if there is none. */
static size_t used_at(const struct weir_carve *c, uint64_t offset)
{
    size_t low = 0, high = c->n_used;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (c->used[mid].offset < offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

int weir_carve_grow(struct weir_carve *c, uint64_t offset, uint64_t len)
{
    return weir_iova_set_add(&c->free, offset, offset + len - 1);
}

int weir_carve_shrink(struct weir_carve *c, uint64_t offset, uint64_t len)
{
    if (!weir_iova_set_contains(&c->free, offset, offset + len - 1))
        return -EBUSY;
    return weir_iova_set_remove(&c->free, offset, offset + len - 1);
}

int weir_carve_alloc(struct weir_carve *c, uint64_t len, uint64_t align, uint64_t first,
                     uint64_t last, uint64_t *offset)
{
    uint64_t take = whole_lines(len);
    size_t at;
    int r;

    if (take < len || !weir_iova_set_find(&c->free, take, align, 0, first, last, offset))
        return -ENOSPC;
    if (c->n_used == c->cap_used) {
        size_t cap = c->cap_used ? c->cap_used * 2 : 16;
        struct weir_carved *used = realloc(c->used, cap * sizeof(*used));

        if (!used)
            return -ENOMEM;
        c->used = used;
        c->cap_used = cap;
    }
    /* There is at most one gap more than buffers: with room for those, freeing cannot fail. */
    r = weir_iova_set_reserve(&c->free, c->n_used + 2);
    if (r < 0)
        return r;
    r = weir_iova_set_remove(&c->free, *offset, *offset + take - 1);
    if (r < 0)
        return r;
    at = used_at(c, *offset);
    memmove(c->used + at + 1, c->used + at, (c->n_used - at) * sizeof(*c->used));
    c->used[at] = (struct weir_carved){*offset, len};
    c->n_used++;
    c->bytes += take;
    return 0;
}

int weir_carve_free(struct weir_carve *c, uint64_t offset, uint64_t len)
{
    size_t at = used_at(c, offset);
    uint64_t take = whole_lines(len);

    if (at == c->n_used || c->used[at].offset != offset || c->used[at].len != len)
        return -ENOENT;
    c->n_used--;
    memmove(c->used + at, c->used + at + 1, (c->n_used - at) * sizeof(*c->used));
    c->bytes -= take;
    return weir_iova_set_add(&c->free, offset, offset + take - 1);
}

uint64_t weir_carve_longest(const struct weir_carve *c, uint64_t first, uint64_t last)
{
    uint64_t longest = 0;

    for (unsigned i = 0; i < c->free.n; i++) {
        uint64_t a = c->free.r[i].first > first ? c->free.r[i].first : first;
        uint64_t b = c->free.r[i].last < last ? c->free.r[i].last : last;

        if (a <= b && b - a + 1 > longest)
            longest = b - a + 1;
    }
    return longest;
}
