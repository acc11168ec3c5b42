/* SPDX-License-Identifier: BSD-3-Clause */
#include "iotlb.h"
#include "size.h"

#include <inttypes.h>

static void print_count(const struct weir_iotlb_stats *s, const struct weir_iotlb_count *c, FILE *f)
{
    uint64_t hits = 0, misses = 0;

    for (unsigned i = 0; i < s->n_pages; i++) {
        hits += c->hits[i];
        misses += c->misses[i];
    }
    fprintf(f, "%" PRIu64 " translations, %" PRIu64 " misses (%.2f %%)", hits + misses, misses,
            hits + misses ? 100.0 * (double)misses / (double)(hits + misses) : 0);
    for (unsigned i = 0; i < s->n_pages; i++) {
        char size[SIZE_TEXT];

        if (c->hits[i] + c->misses[i])
            fprintf(f, ", %s: %" PRIu64 " of %" PRIu64, tool_size_text(s->page[i], size),
                    c->misses[i], c->hits[i] + c->misses[i]);
    }
    fprintf(f, "; %" PRIu64 " table reads\n", c->reads);
}

void tool_iotlb_print(const struct weir_iotlb_stats *s, FILE *f)
{
    fprintf(f, "iotlb, %u entries in %u way%s: ", s->entries, s->ways, s->ways == 1 ? "" : "s");
    print_count(s, &s->total, f);
    for (unsigned i = 0; i < s->n_queues; i++) {
        const struct weir_iotlb_count *c = &s->queue[i];

        fprintf(f, "  %s %u: ", c->queue ? c->queue : "other", c->queue_index);
        print_count(s, c, f);
    }
}

static struct json_object *by_size(const struct weir_iotlb_stats *s, const uint64_t *n)
{
    struct json_object *o = json_object_new_object();
    char size[SIZE_TEXT];

    for (unsigned i = 0; i < s->n_pages; i++)
        if (n[i])
            json_object_object_add(o, tool_size_text(s->page[i], size),
                                   json_object_new_uint64(n[i]));
    return o;
}

static void add_count(struct json_object *o, const struct weir_iotlb_stats *s,
                      const struct weir_iotlb_count *c)
{
    json_object_object_add(o, "hits", by_size(s, c->hits));
    json_object_object_add(o, "misses", by_size(s, c->misses));
    json_object_object_add(o, "reads", json_object_new_uint64(c->reads));
}

struct json_object *tool_iotlb_json(const struct weir_iotlb_stats *s)
{
    struct json_object *o = json_object_new_object(), *queues = json_object_new_array();

    json_object_object_add(o, "entries", json_object_new_uint64(s->entries));
    json_object_object_add(o, "ways", json_object_new_uint64(s->ways));
    json_object_object_add(o, "leaves", by_size(s, s->leaves));
    add_count(o, s, &s->total);
    for (unsigned i = 0; i < s->n_queues; i++) {
        struct json_object *q = json_object_new_object();
        const char *name = s->queue[i].queue;

        json_object_object_add(q, "queue", name ? json_object_new_string(name) : NULL);
        json_object_object_add(q, "index", json_object_new_uint64(s->queue[i].queue_index));
        add_count(q, s, &s->queue[i]);
        json_object_array_add(queues, q);
    }
    json_object_object_add(o, "queues", queues);
    return o;
}
