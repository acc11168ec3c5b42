/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices that copy memory, as DMA engines: how long one copy takes, and how much they copy with
 * several queued; by polling, and by sleeping until they interrupt. What was copied is compared.
 *
 * A model in this process works when it is stepped, in the same loop: its figures are of the model
 * and this CPU.
 */
#include "bench.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define STALL_NS 10000000000u /* QEMU's edu takes 0.2 s for 4 KiB */

enum { DEPTH = 8, MAX_COPIES = 20000 };

struct engine {
    struct bench *b;
    struct weir *w;
    struct weir_channel *ch;
    struct weir_channel_info info;
    struct weir_arena *arena;
    struct weir_dma src, dst; /* DEPTH pieces each */
    bool model;               /* in this process */
    bool interrupt;
    uint64_t length;
    uint64_t queued, done;
    uint64_t wakeups;
};

static int fail(struct weir_error *e, const char *why)
{
    return weir_fail(e, -1, "bench", "have memory copied\n%s", why);
}

static int open_engine(struct engine *g, const char *device, uint64_t page, uint64_t node,
                       struct weir_error *e)
{
    struct weir_channel_options opt = {
        .size = sizeof opt, .depth = DEPTH, .timeout_ms = 10000, .use_interrupt = g->interrupt};
    struct weir_device_info info;

    g->w = bench_instance(g->b);
    g->ch = g->w ? weir_channel_open(g->w, device, &opt, e) : NULL;
    if (!g->ch)
        return -1;
    weir_channel_info(g->ch, &g->info);
    weir_device_info(weir_channel_device(g->ch), &info);
    g->model = info.model != NULL;
    if (g->length > g->info.max_len)
        return fail(e, "the device takes no copy that long\n--length, with less");
    g->b->iova_bits = g->info.iova_bits;
    g->arena = bench_arena(g->b, g->w, 2 * DEPTH * g->length, page, node, info.space);
    g->b->iova_bits = 0;
    if (!g->arena) {
        e->err = 0; /* it is in the notes */
        return -1;
    }
    if (weir_arena_map(g->arena, info.space, WEIR_PROT_RW, e) ||
        weir_dma_alloc(g->arena, DEPTH * g->length, 4096, &g->src, e) ||
        weir_dma_alloc(g->arena, DEPTH * g->length, 4096, &g->dst, e))
        return -1;
    return 0;
}

/* What is copied from now on differs from all before, so that a copy that was not made shows. */
static void renew(struct engine *g)
{
    uint64_t seed = ++g->b->seed * 0x9e3779b97f4a7c15u;

    for (uint64_t i = 0; i < g->src.len; i++)
        ((uint8_t *)g->src.va)[i] = (uint8_t)(i * 31 + (i >> 9) + (seed >> 56));
    memset(g->dst.va, ~((uint8_t *)g->src.va)[0], g->dst.len);
}

/* Is what was copied in n copies what it should be? */
static int compare(struct engine *g, uint64_t n, struct weir_error *e)
{
    if (memcmp(g->src.va, g->dst.va, (n < DEPTH ? n : DEPTH) * g->length) == 0)
        return 0;
    g->b->failed = true;
    return fail(e, "what was copied differs from its source\nlook at dmesg for faults of its DMA; "
                   "trust neither device nor figures");
}

static void close_engine(struct engine *g)
{
    weir_channel_close(g->ch);
    weir_free(g->w);
}

/* Until it says that there is something to do. */
static int doze(struct engine *g, struct weir_error *e)
{
    struct pollfd fd = {.fd = weir_channel_fd(g->ch), .events = POLLIN};
    int now = weir_channel_arm(g->ch, e);

    if (now)
        return now < 0 ? now : 0;
    if (g->model)
        weir_models_step(g->w, 64);
    g->wakeups += poll(&fd, 1, g->model ? 0 : 1000) == 1;
    return 0;
}

/* Queue copies up to depth of them, until `end` says that it is enough, and fetch what is done.
 * 0 when nothing is under way any more. */
static int copies(struct engine *g, unsigned depth, uint64_t most, uint64_t end,
                  struct weir_error *e)
{
    uint64_t last = bench_now(), now = last;
    struct weir_copy_done d[DEPTH];

    for (;;) {
        unsigned n;

        while (g->queued - g->done < depth && g->queued < most && (now < end || !g->queued)) {
            uint64_t at = g->queued % DEPTH * g->length;
            int r = weir_channel_copy(g->ch, weir_iova_add(g->dst.iova, at),
                                      weir_iova_add(g->src.iova, at), g->length, g->queued, e);

            if (r)
                return r;
            g->queued++;
        }
        n = weir_channel_poll(g->ch, d, DEPTH);
        for (unsigned i = 0; i < n; i++) {
            if (d[i].status || d[i].cookie != g->done + i)
                return fail(
                    e, "a copy ended badly, or out of order\nlook at dmesg for faults of its DMA");
        }
        g->done += n;
        now = bench_now();
        if (n) {
            last = now;
            if (g->done == g->queued && (g->queued >= most || now >= end))
                return 0;
            continue;
        }
        if (now - last > STALL_NS)
            return fail(
                e, "nothing was done for 10 s\nstart again, which resets it; dmesg may say more");
        if (g->interrupt) {
            if (doze(g, e))
                return -1;
        } else if (g->model) {
            weir_models_step(g->w, 64);
        }
    }
}

static struct bench_row row_of(const struct engine *g, const char *test, const char *device,
                               uint64_t page, uint64_t node)
{
    char target[96];
    struct bench_row row;

    snprintf(target, sizeof target, "%.60s, %s", device, g->interrupt ? "by interrupt" : "polled");
    row = bench_row(test, target, "copy", "us", false);
    row.var[BENCH_PAGE] = page;
    row.var[BENCH_LENGTH] = g->length;
    row.var[BENCH_NODE] = node;
    return row;
}

static int measure(struct engine *g, const char *device, uint64_t page, uint64_t node,
                   bool throughput, bool latency, struct weir_error *e)
{
    struct bench *b = g->b;
    double *us = bench_alloc(NULL, MAX_COPIES * sizeof *us);
    uint64_t end, start, most = 0;
    unsigned n = 0;
    int r;

    renew(g);
    r = copies(g, DEPTH, DEPTH, UINT64_MAX, e); /* all of the destination once */
    if (r == 0)
        r = compare(g, DEPTH, e);
    renew(g);
    end = bench_now() + b->reps * b->time_ns;
    while (r == 0 && latency && n < MAX_COPIES) {
        g->queued = g->done = 0;
        start = bench_now();
        r = copies(g, 1, 1, UINT64_MAX, e);
        us[n++] = (double)(bench_now() - start) / 1e3;
        if (bench_now() > end && n >= b->reps)
            break;
    }
    if (r == 0 && latency)
        r = compare(g, 1, e);
    if (r == 0 && latency)
        bench_add(b, row_of(g, "latency", device, page, node), us, n);
    renew(g);
    for (n = 0; r == 0 && throughput && n < b->reps; n++) {
        g->queued = g->done = 0;
        start = bench_now();
        r = copies(g, DEPTH, UINT64_MAX, start + b->time_ns, e);
        us[n] = (double)(g->done * g->length) / (double)(bench_now() - start);
        most = g->done > most ? g->done : most;
    }
    if (r == 0)
        r = compare(g, most, e);
    if (r == 0 && throughput) {
        struct bench_row row = row_of(g, "throughput", device, page, node);

        row.higher = true;
        snprintf(row.metric, sizeof row.metric, "copies");
        snprintf(row.unit, sizeof row.unit, "GB/s");
        bench_add(b, row, us, n);
    }
    free(us);
    if (r == 0 && g->interrupt && !g->wakeups)
        bench_note(&b->result, "%s by interrupt: all was copied before it could be waited for",
                   device);
    return r;
}

void bench_channel(struct bench *b, const char *device, bool throughput, bool latency)
{
    for (unsigned p = 0; p < b->list[BENCH_PAGE].n; p++)
        for (unsigned o = 0; o < (b->list[BENCH_NODE].n ? b->list[BENCH_NODE].n : 1); o++)
            for (unsigned l = 0; l < b->list[BENCH_LENGTH].n; l++)
                for (unsigned mode = 0; mode < 2; mode++) {
                    uint64_t node = b->list[BENCH_NODE].n ? b->list[BENCH_NODE].v[o] : BENCH_NONE;
                    struct engine g = {
                        .b = b, .interrupt = mode, .length = b->list[BENCH_LENGTH].v[l]};
                    struct weir_error e = {0};
                    char what[160];

                    bench_progress(b, "copies, %s", device);
                    if ((open_engine(&g, device, b->list[BENCH_PAGE].v[p], node, &e) ||
                         measure(&g, device, b->list[BENCH_PAGE].v[p], node, throughput, latency,
                                 &e)) &&
                        e.err) {
                        snprintf(what, sizeof what, "copies of %s %s", device,
                                 mode ? "by interrupt" : "polled");
                        bench_note_error(b, what, &e);
                    }
                    close_engine(&g);
                }
}
