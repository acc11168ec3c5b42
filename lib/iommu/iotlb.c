/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/iommu/iotlb.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <weir/error.h>

#define MAX_ENTRIES 4096
#define LEVEL_BITS  9 /* 512 entries of a table in 4 KiB, VT-d 3.7 */

struct entry {
    uint64_t base, size; /* size 0: empty */
    uint64_t used;       /* when last */
};

struct weir_iotlb {
    pthread_mutex_t lock; /* models that share an IOMMU may step at the same time */
    struct weir_iotlb_options opt;
    unsigned sets;
    uint64_t now;
    unsigned last; /* queue that counted last */
    struct weir_iotlb_stats stats;
    struct entry entries[];
};

struct weir_iotlb *weir_iotlb_new(const struct weir_iotlb_options *opt, struct weir_error *e)
{
    unsigned ways = opt->ways ? opt->ways : opt->entries;
    struct weir_iotlb *t;

    if (opt->entries < 1 || opt->entries > MAX_ENTRIES || opt->entries % ways || !opt->pages ||
        __builtin_popcountll(opt->pages) > WEIR_IOTLB_PAGES || opt->bits < 1 || opt->bits > 64) {
        weir_fail(e, -EINVAL, "iotlb-options",
                  "model an IOTLB of %u entries in %u ways\nthere is no such cache\nentries are 1 "
                  "to %u and a multiple of ways, page sizes 1 to %u, bits 1 to 64",
                  opt->entries, ways, MAX_ENTRIES, WEIR_IOTLB_PAGES);
        return NULL;
    }
    t = calloc(1, sizeof(*t) + opt->entries * sizeof(t->entries[0]));
    if (!t) {
        weir_fail(e, -ENOMEM, "no-memory", "model an IOTLB\nout of memory");
        return NULL;
    }
    pthread_mutex_init(&t->lock, NULL);
    t->opt = *opt;
    t->sets = opt->entries / ways;
    t->stats.entries = opt->entries;
    t->stats.ways = ways;
    for (uint64_t left = opt->pages; left; left &= left - 1)
        t->stats.page[t->stats.n_pages++] = left & -left;
    return t;
}

void weir_iotlb_free(struct weir_iotlb *t)
{
    if (!t)
        return;
    pthread_mutex_destroy(&t->lock);
    free(t);
}

uint64_t weir_iotlb_pages(const struct weir_iotlb *t)
{
    return t->opt.pages;
}

/* Where a queue's accesses are counted, or NULL if there are too many queues. */
static struct weir_iotlb_count *count_of(struct weir_iotlb *t, const struct weir_dma_who *who)
{
    struct weir_iotlb_stats *s = &t->stats;
    const char *queue = who ? who->queue : NULL;
    unsigned index = queue ? who->queue_index : 0;

    for (unsigned n = 0, i = t->last; n < s->n_queues; n++, i = (i + 1) % s->n_queues) {
        struct weir_iotlb_count *c = &s->queue[i];

        if (c->queue_index == index &&
            (c->queue == queue || (c->queue && queue && strcmp(c->queue, queue) == 0))) {
            t->last = i;
            return c;
        }
    }
    if (s->n_queues == WEIR_IOTLB_QUEUES)
        return NULL;
    t->last = s->n_queues++;
    s->queue[t->last].queue = queue;
    s->queue[t->last].queue_index = index;
    return &s->queue[t->last];
}

static void add(struct weir_iotlb_count *c, unsigned k, bool hit, unsigned reads)
{
    c->hits[k] += hit;
    c->misses[k] += !hit;
    c->reads += reads;
}

void weir_iotlb_access(struct weir_iotlb *t, uint64_t base, uint64_t size,
                       const struct weir_dma_who *who)
{
    unsigned shift = (unsigned)__builtin_ctzll(size), ways = t->stats.ways;
    unsigned k = (unsigned)__builtin_popcountll(t->opt.pages & (size - 1)), reads = 0;
    struct entry *set = t->entries + base / size % t->sets * ways, *oldest = set, *found = NULL;
    struct weir_iotlb_count *c;

    pthread_mutex_lock(&t->lock);
    for (unsigned i = 0; i < ways && !found; i++) {
        if (set[i].base == base && set[i].size == size)
            found = &set[i];
        else if (set[i].used < oldest->used)
            oldest = &set[i];
    }
    if (!found) {
        *oldest = (struct entry){.base = base, .size = size};
        reads = t->opt.bits > shift ? (t->opt.bits - shift + LEVEL_BITS - 1) / LEVEL_BITS : 1;
    }
    (found ? found : oldest)->used = ++t->now;
    add(&t->stats.total, k, found, reads);
    c = count_of(t, who);
    if (c)
        add(c, k, found, reads);
    pthread_mutex_unlock(&t->lock);
}

void weir_iotlb_invalidate(struct weir_iotlb *t, uint64_t first, uint64_t last)
{
    pthread_mutex_lock(&t->lock);
    for (struct entry *n = t->entries; n < t->entries + t->opt.entries; n++) {
        if (n->size && n->base <= last && n->base + (n->size - 1) >= first)
            *n = (struct entry){0};
    }
    pthread_mutex_unlock(&t->lock);
}

void weir_iotlb_read(struct weir_iotlb *t, struct weir_iotlb_stats *out)
{
    pthread_mutex_lock(&t->lock);
    *out = t->stats;
    pthread_mutex_unlock(&t->lock);
}
