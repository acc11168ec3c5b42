/* SPDX-License-Identifier: BSD-3-Clause */
/* The CPU copying memory, for comparison: on its own node and on others. */
#include "bench.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WORK ((uint64_t)64 << 20) /* source and destination together: beyond the caches */
#define LOOK ((uint64_t)64 << 10) /* bytes between looks at the clock, which takes time itself */

/* The node of the CPU that this runs on; -1 if that is not known. */
static int node_of_cpu(int cpu)
{
    for (int node = 0; node < 1024; node++) {
        char path[80];
        struct stat st;

        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/node%d", cpu, node);
        if (stat(path, &st) == 0)
            return node;
    }
    return -1;
}

static unsigned nodes(uint64_t *out, unsigned max)
{
    unsigned n = 0;

    for (unsigned node = 0; node < 1024 && n < max; node++) {
        char path[80];
        struct stat st;

        snprintf(path, sizeof path, "/sys/devices/system/node/node%u", node);
        if (stat(path, &st) == 0)
            out[n++] = node;
    }
    return n;
}

static void fill(uint64_t *at, uint64_t bytes, uint64_t seed)
{
    for (uint64_t i = 0; i < bytes / 8; i++)
        at[i] = (seed + i) * 0x9e3779b97f4a7c15u;
}

/* One repetition: blocks in turn, for the time. GB/s. */
static double copies(uint8_t *dst, const uint8_t *src, uint64_t length, uint64_t time_ns,
                     uint64_t *copied)
{
    uint64_t blocks = WORK / 2 / length, each = LOOK / length + 1, done = 0, at = 0;
    uint64_t start = bench_now(), now;

    do {
        for (uint64_t i = 0; i < each; i++) {
            memcpy(dst + at, src + at, length);
            /* The compiler is not to know that nobody looks. */
            __asm__ volatile("" ::"r"(dst), "r"(src) : "memory");
            at += length;
            if (at == blocks * length)
                at = 0;
        }
        done += each;
        now = bench_now();
    } while (now - start < time_ns);
    *copied = (done < blocks ? done : blocks) * length;
    return (double)(done * length) / (double)(now - start);
}

/* Memory in the first pages of the list that there are; 2 MiB before the others, of which the CPU's
 * own TLB holds so many that it does not count. */
static struct weir_arena *memory(struct bench *b, struct weir *w, uint64_t node)
{
    const struct bench_list *pages = &b->list[BENCH_PAGE];
    struct weir_arena *a = NULL;

    for (int others = 0; others < 2; others++)
        for (unsigned i = 0; !a && i < pages->n; i++)
            if ((pages->v[i] != 2u << 20) == others)
                a = bench_arena(b, w, WORK, pages->v[i], node, NULL);
    return a;
}

static void one(struct bench *b, uint64_t node, const char *target)
{
    struct weir *w = bench_instance(b);
    struct weir_arena *a = w ? memory(b, w, node) : NULL;
    double *samples = bench_alloc(NULL, b->reps * sizeof *samples);
    struct weir_arena_info info;

    for (unsigned i = 0; a && i < b->list[BENCH_LENGTH].n; i++) {
        struct bench_row row = bench_row("copy", target, "throughput", "GB/s", true);
        uint64_t length = b->list[BENCH_LENGTH].v[i], copied;
        uint8_t *src, *dst;

        if (length > WORK / 2) {
            char text[SIZE_TEXT];

            bench_note(&b->result, "copy of %s by the CPU: 32M is the most",
                       tool_size_text(length, text));
            continue;
        }
        weir_arena_info(a, &info);
        src = info.va;
        dst = src + WORK / 2;
        bench_progress(b, "copy, %s", target);
        fill((uint64_t *)(void *)src, WORK / 2, ++b->seed);
        memset(dst, 0, WORK / 2);
        copies(dst, src, length, b->time_ns / 4, &copied); /* to warm up */
        for (unsigned k = 0; k < b->reps; k++)
            samples[k] = copies(dst, src, length, b->time_ns, &copied);
        if (memcmp(dst, src, copied)) {
            bench_fail(b, "copy: what was copied on %s differs from its source", target);
            continue;
        }
        row.var[BENCH_PAGE] = info.page;
        row.var[BENCH_LENGTH] = length;
        row.var[BENCH_NODE] = node;
        bench_add(b, row, samples, b->reps);
    }
    free(samples);
    weir_free(w);
}

void bench_copy(struct bench *b)
{
    uint64_t all[64];
    unsigned n = nodes(all, 64);
    int cpu = sched_getcpu(), own = cpu < 0 ? -1 : node_of_cpu(cpu);
    cpu_set_t before, only;
    bool pinned;

    if (b->given[BENCH_NODE]) {
        n = b->list[BENCH_NODE].n;
        memcpy(all, b->list[BENCH_NODE].v, n * sizeof all[0]);
    }
    if (n == 0 || own < 0) {
        one(b, BENCH_NONE, "cpu, memory of any node");
        bench_note(&b->result, "copy on near and far memory: this kernel tells no NUMA nodes");
        return;
    }
    /* On another node's CPU near would be far. */
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    pinned = sched_getaffinity(0, sizeof before, &before) == 0 &&
             sched_setaffinity(0, sizeof only, &only) == 0;
    for (unsigned i = 0; i < n; i++)
        one(b, all[i], all[i] == (uint64_t)own ? "cpu, near memory" : "cpu, far memory");
    if (pinned)
        sched_setaffinity(0, sizeof before, &before);
    if (n == 1 && !b->given[BENCH_NODE])
        bench_note(&b->result, "copy on far memory: this machine has one NUMA node");
}
