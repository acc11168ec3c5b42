/* SPDX-License-Identifier: BSD-3-Clause */
/* Mapping an arena into a device's address space and out of it again: how long, by size and page.
 */
#include "bench.h"

#include <string.h>

enum { MAX_SAMPLES = 2000 };

/* @unmap[i] belongs to @map[i], both in microseconds. Returns how many. */
static unsigned measure(struct bench *b, struct weir_arena *a, struct weir_space *s, double *map,
                        double *unmap, struct weir_error *e)
{
    uint64_t end = bench_now() + b->reps * b->time_ns;
    unsigned n = 0;

    /* The first one warms up and is not kept. */
    for (int i = -1; i < MAX_SAMPLES; i++) {
        uint64_t t0 = bench_now(), t1, t2;

        if (weir_arena_map(a, s, WEIR_PROT_RW, e))
            return 0;
        t1 = bench_now();
        if (weir_arena_unmap(a, s, e))
            return 0;
        t2 = bench_now();
        if (i < 0)
            continue;
        map[n] = (double)(t1 - t0) / 1e3;
        unmap[n++] = (double)(t2 - t1) / 1e3;
        if (t2 > end && n >= b->reps)
            break;
    }
    return n;
}

/* @mapped: how much memory goes in or out in a second says something, too; of a space that is
 * bookkeeping alone it says nothing. */
static void add(struct bench *b, const char *target, const char *what, uint64_t page, uint64_t node,
                uint64_t length, bool mapped, double *us, unsigned n)
{
    struct bench_row row = bench_row(what, target, "latency", "us", false);
    double rate[MAX_SAMPLES];

    row.var[BENCH_PAGE] = page;
    row.var[BENCH_LENGTH] = length;
    row.var[BENCH_NODE] = node;
    for (unsigned i = 0; i < n; i++)
        rate[i] = us[i] > 0 ? 1e3 / us[i] : 0;
    bench_add(b, row, us, n);
    row.higher = true;
    snprintf(row.metric, sizeof row.metric, "rate");
    snprintf(row.unit, sizeof row.unit, "k/s");
    bench_add(b, row, rate, n);
    for (unsigned i = 0; i < n; i++)
        rate[i] *= (double)length / (1 << 30) * 1e3; /* in the order of bench_add() by now */
    snprintf(row.metric, sizeof row.metric, "memory");
    snprintf(row.unit, sizeof row.unit, "GiB/s");
    if (mapped)
        bench_add(b, row, rate, n);
}

static void one(struct bench *b, struct weir *w, const char *device, struct weir_space *s,
                uint64_t page, uint64_t node, uint64_t length)
{
    static double map[MAX_SAMPLES], unmap[MAX_SAMPLES];
    struct weir_space_info info;
    struct weir_arena *a;
    struct weir_error e;
    char target[96];
    unsigned n;

    weir_space_info(s, &info);
    snprintf(target, sizeof target, "%s space of %s", info.kind, device);
    a = bench_arena(b, w, length, page, node, s);
    if (!a)
        return;
    n = measure(b, a, s, map, unmap, &e);
    if (n) {
        bool mapped = strcmp(info.kind, "software") != 0;

        add(b, target, "map", page, node, length, mapped, map, n);
        add(b, target, "unmap", page, node, length, mapped, unmap, n);
    } else {
        bench_note_error(b, "map", &e);
    }
    weir_arena_free(a);
}

/* All combinations of the lists. */
static void each(struct bench *b, struct weir *w, const char *device, struct weir_space *s)
{
    const struct bench_list *pages = &b->list[BENCH_PAGE], *lengths = &b->list[BENCH_LENGTH];
    unsigned n_nodes = b->list[BENCH_NODE].n ? b->list[BENCH_NODE].n : 1;

    for (unsigned p = 0; p < pages->n; p++)
        for (unsigned o = 0; o < n_nodes; o++)
            for (unsigned i = 0; i < lengths->n; i++) {
                char length[SIZE_TEXT], page[SIZE_TEXT];

                if (lengths->v[i] % pages->v[p] == 0) {
                    bench_progress(b, "map and unmap, %s", device);
                    one(b, w, device, s, pages->v[p], bench_value(b, BENCH_NODE, o), lengths->v[i]);
                } else if (b->given[BENCH_PAGE] || b->given[BENCH_LENGTH]) {
                    /* A whole one more would be mapped. */
                    bench_note(&b->result, "map of %s in pages of %s: not a whole number of them",
                               tool_size_text(lengths->v[i], length),
                               tool_size_text(pages->v[p], page));
                }
            }
}

void bench_map(struct bench *b)
{
    /* Of the models that stand in for devices, one space is like the other. */
    for (unsigned d = 0; d < (b->by_default && b->n_devices ? 1 : b->n_devices); d++) {
        struct weir_device_info info;
        struct weir_device *device;
        struct weir_error e;
        struct weir *w = bench_instance(b);

        if (!w)
            return;
        device = weir_device_open(w, b->devices[d], NULL, &e);
        if (device) {
            weir_device_info(device, &info);
            each(b, w, b->devices[d], info.space);
        } else {
            bench_note_error(b, "map", &e);
        }
        weir_free(w);
    }
}
