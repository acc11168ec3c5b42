/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/iommu/iova.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void weir_iova_set_clear(struct weir_iova_set *s)
{
    free(s->r);
    *s = (struct weir_iova_set){0};
}

int weir_iova_set_copy(struct weir_iova_set *dst, const struct weir_iova_set *src)
{
    struct weir_iova_set new = {0};

    if (src->n) {
        new.r = malloc(src->n * sizeof(*new.r));
        if (!new.r)
            return -ENOMEM;
        memcpy(new.r, src->r, src->n * sizeof(*new.r));
        new.n = new.cap = src->n;
    }
    free(dst->r);
    *dst = new;
    return 0;
}

int weir_iova_set_reserve(struct weir_iova_set *s, size_t n)
{
    struct weir_iova_range *r;
    size_t cap = (size_t)s->cap * 2 > 8 ? (size_t)s->cap * 2 : 8;

    if (n <= s->cap)
        return 0;
    if (cap < n)
        cap = n;
    if (cap > UINT32_MAX)
        return -ENOMEM;
    r = realloc(s->r, cap * sizeof(*r));
    if (!r)
        return -ENOMEM;
    s->r = r;
    s->cap = (unsigned)cap;
    return 0;
}

/* Make n ranges out of the `old` ones at i, moving what is behind them. */
static int resize_at(struct weir_iova_set *s, unsigned i, unsigned old, unsigned n)
{
    size_t total = (size_t)s->n - old + n;

    if (weir_iova_set_reserve(s, total) < 0)
        return -ENOMEM;
    memmove(s->r + i + n, s->r + i + old, (s->n - i - old) * sizeof(*s->r));
    s->n = (unsigned)total;
    return 0;
}

/* First range that ends at or above addr; s->n if there is none. */
static unsigned range_at(const struct weir_iova_set *s, uint64_t addr)
{
    unsigned low = 0, high = s->n;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;

        if (s->r[mid].last < addr)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

int weir_iova_set_add(struct weir_iova_set *s, uint64_t first, uint64_t last)
{
    unsigned i, end;
    int r;

    if (first > last)
        return 0;
    /* A range that ends just below is joined, too; so is one that starts just above. */
    i = range_at(s, first ? first - 1 : 0);
    for (end = i; end < s->n; end++) {
        if (s->r[end].first > last && s->r[end].first - last > 1)
            break;
    }
    if (end > i) {
        if (s->r[i].first < first)
            first = s->r[i].first;
        if (s->r[end - 1].last > last)
            last = s->r[end - 1].last;
    }
    r = resize_at(s, i, end - i, 1);
    if (r < 0)
        return r;
    s->r[i] = (struct weir_iova_range){first, last};
    return 0;
}

int weir_iova_set_remove(struct weir_iova_set *s, uint64_t first, uint64_t last)
{
    struct weir_iova_range keep[2];
    unsigned i, end, n = 0;
    int r;

    if (first > last)
        return 0;
    i = range_at(s, first);
    for (end = i; end < s->n && s->r[end].first <= last; end++)
        ;
    if (end == i)
        return 0;
    if (s->r[i].first < first)
        keep[n++] = (struct weir_iova_range){s->r[i].first, first - 1};
    if (s->r[end - 1].last > last)
        keep[n++] = (struct weir_iova_range){last + 1, s->r[end - 1].last};
    r = resize_at(s, i, end - i, n);
    if (r < 0)
        return r;
    memcpy(s->r + i, keep, n * sizeof(*keep));
    return 0;
}

int weir_iova_set_intersect(struct weir_iova_set *s, const struct weir_iova_set *other)
{
    struct weir_iova_set out = {0};
    unsigned i = 0, j = 0;

    while (i < s->n && j < other->n) {
        const struct weir_iova_range *a = &s->r[i], *b = &other->r[j];
        uint64_t first = a->first > b->first ? a->first : b->first;
        uint64_t last = a->last < b->last ? a->last : b->last;

        if (first <= last && weir_iova_set_add(&out, first, last) < 0) {
            weir_iova_set_clear(&out);
            return -ENOMEM;
        }
        if (a->last < b->last)
            i++;
        else
            j++;
    }
    free(s->r);
    *s = out;
    return 0;
}

bool weir_iova_set_contains(const struct weir_iova_set *s, uint64_t first, uint64_t last)
{
    unsigned i = range_at(s, first);

    /* Neighbours are joined, so what the set contains lies in one range. */
    return first <= last && i < s->n && s->r[i].first <= first && s->r[i].last >= last;
}

bool weir_iova_set_overlaps(const struct weir_iova_set *s, uint64_t first, uint64_t last,
                            struct weir_iova_range *hit)
{
    unsigned i = range_at(s, first);

    if (first > last || i == s->n || s->r[i].first > last)
        return false;
    if (hit)
        *hit = s->r[i];
    return true;
}

bool weir_iova_set_find(const struct weir_iova_set *s, uint64_t len, uint64_t align,
                        uint64_t offset, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t mask = align ? align - 1 : 0;

    if (len == 0)
        return false;
    for (unsigned i = range_at(s, min); i < s->n; i++) {
        uint64_t first = s->r[i].first > min ? s->r[i].first : min;
        uint64_t last = s->r[i].last < max ? s->r[i].last : max;
        uint64_t skip = (offset - first) & mask;

        if (first > last)
            return false; /* above max */
        if (skip <= last - first && len - 1 <= last - first - skip) {
            *out = first + skip;
            return true;
        }
    }
    return false;
}
