/* SPDX-License-Identifier: BSD-3-Clause */
/* weir dma-bench: the command line, what is run, and where its result goes. */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: weir dma-bench [OPTION]... [DEVICE]...\n"
    "       weir dma-bench --compare A.json B.json [--html FILE]\n\n"
    "Measures what DMA costs here: mapping and unmapping, network devices that send to "
    "themselves,\n"
    "devices that copy memory, polled and by interrupt, the CPU copying for comparison, and how "
    "many\n"
    "pages a device can use in turn before the IOMMU's cache is too small. DEVICE is as for weir\n"
    "ports, or one that copies; model:x540 and model:edu by default, whose times are those of "
    "this\n"
    "CPU standing in for hardware. Says what it could not measure, and why.\n\n"
    "  --only LIST       of map, copy, throughput, latency, iotlb (all)\n"
    "  --page LIST       sizes of the pages behind the memory (4K,2M,1G, what there is of them)\n"
    "  --length LIST     of a mapping or a copy (64K,2M,64M,1G; 4K,64K,...)\n"
    "  --frame LIST      of a frame, bytes without CRC (60,512,1514)\n"
    "  --ring LIST       descriptors in a ring (512)\n"
    "  --burst LIST      packets in a call (32)\n"
    "  --footprint LIST  what a device uses in turn (128K,...,256M)\n"
    "  --iotlb LIST      entries of a model's IOTLB (64)\n"
    "  --node LIST       NUMA nodes of the memory (any; for copy, each)\n"
    "  --reps N          repetitions (5)\n"
    "  --time SECONDS    of each (0.05)\n"
    "  --json FILE, --csv FILE, --html FILE   write the result there; - is standard output\n"
    "  --svg FOLDER      write each chart of the page as a file\n"
    "  --compare A B     show two results (of --json) side by side\n\n"
    "Each LIST may have several values between commas: all combinations are measured.\n";

const struct bench_var_info bench_vars[BENCH_VARS] = {
    [BENCH_PAGE] = {"page", true, "page", 4096, (uint64_t)1 << 40, NULL},
    [BENCH_LENGTH] = {"length", true, "length", 64, (uint64_t)1 << 40, NULL},
    [BENCH_NODE] = {"node", false, "node", 0, 1023, NULL},
    [BENCH_FRAME] = {"frame", false, "frame", 60, 15000, "60,512,1514"},
    [BENCH_RING] = {"ring", false, "ring", 8, 65536, "512"},
    [BENCH_BURST] = {"burst", false, "burst", 1, 64, "32"},
    [BENCH_FOOTPRINT] = {"footprint", true, "footprint", 1 << 17, (uint64_t)1 << 34,
                         "128K,256K,512K,1M,4M,16M,64M,128M,256M"},
    [BENCH_IOTLB] = {"iotlb", false, "iotlb", 1, 4096, "64"},
};

enum test { TEST_MAP, TEST_COPY, TEST_THROUGHPUT, TEST_LATENCY, TEST_IOTLB, N_TESTS };
static const char *const test_names[] = {"map", "copy", "throughput", "latency", "iotlb"};

struct output {
    const char *json, *csv, *html, *svg;
    bool compare;
};

uint64_t bench_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t bench_value(const struct bench *b, enum bench_var v, unsigned i)
{
    return b->list[v].n ? b->list[v].v[i] : BENCH_NONE;
}

void bench_progress(struct bench *b, const char *fmt, ...)
{
    va_list ap;

    b->step++;
    if (!b->interactive)
        return;
    fprintf(stderr, "\r\033[K[%u/%u] ", b->step, b->steps > b->step ? b->steps : b->step);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fflush(stderr);
}

struct weir *bench_instance(struct bench *b)
{
    struct weir_error e;
    struct weir_options opt = {.size = sizeof opt};
    struct weir *w = weir_new(&opt, &e);

    if (w && weir_register_builtin(w, &e)) {
        weir_free(w);
        w = NULL;
    }
    if (!w)
        bench_note_error(b, "start", &e);
    return w;
}

struct weir_arena *bench_arena(struct bench *b, struct weir *w, uint64_t bytes, uint64_t page,
                               uint64_t node, struct weir_space *space)
{
    struct weir_arena_options opt = {
        .size = sizeof opt,
        .name = "dma-bench",
        .bytes = bytes,
        .page = page,
        .node = node == BENCH_NONE ? WEIR_ANY_NODE : WEIR_NODE((int)node),
        .iova_bits = b->iova_bits,
        .spaces = &space,
        .n_spaces = space ? 1 : 0,
    };
    char size[SIZE_TEXT], what[120];
    struct weir_arena *a;
    struct weir_error e;

    a = weir_arena_new(w, &opt, &e);
    if (!a) {
        snprintf(what, sizeof what, "memory in pages of %s", tool_size_text(page, size));
        bench_note_error(b, what, &e);
    }
    return a;
}

static bool parse_list(const char *text, enum bench_var var, struct bench_list *out)
{
    out->n = 0;
    for (;;) {
        char one[32];
        size_t len = strcspn(text, ",");
        uint64_t v;

        if (len >= sizeof one || out->n == BENCH_MAX_VALUES)
            return false;
        memcpy(one, text, len);
        one[len] = '\0';
        if (!(bench_vars[var].bytes ? tool_size(one, &v) : tool_number(one, 0, UINT64_MAX, &v)) ||
            v < bench_vars[var].min || v > bench_vars[var].max ||
            (var == BENCH_PAGE && v & (v - 1)))
            return false;
        out->v[out->n++] = v;
        if (!text[len])
            return true;
        text += len + 1;
    }
}

/* Lists that were not given: pages of each size that the machine has. */
static void default_lists(struct bench *b)
{
    for (unsigned v = 0; v < BENCH_VARS; v++) {
        if (!b->given[v] && bench_vars[v].list)
            parse_list(bench_vars[v].list, (enum bench_var)v, &b->list[v]);
    }
    if (!b->given[BENCH_PAGE])
        parse_list("4K,2M,1G", BENCH_PAGE, &b->list[BENCH_PAGE]);
}

static void map_or_copy(struct bench *b, const char *lengths, void (*test)(struct bench *b))
{
    if (!b->given[BENCH_LENGTH])
        parse_list(lengths, BENCH_LENGTH, &b->list[BENCH_LENGTH]);
    test(b);
}

/* How many points there are, about. */
static unsigned count_steps(const struct bench *b, unsigned tests)
{
    unsigned engine = b->n_devices * b->list[BENCH_PAGE].n, steps = 0;
    unsigned points = b->list[BENCH_FRAME].n * b->list[BENCH_RING].n *
                      (b->list[BENCH_NODE].n ? b->list[BENCH_NODE].n : 1);

    if (tests & 1u << TEST_MAP)
        steps += engine * 3;
    if (tests & 1u << TEST_COPY)
        steps += 4;
    if (tests & 1u << TEST_THROUGHPUT)
        steps += engine * points * b->list[BENCH_BURST].n;
    if (tests & 1u << TEST_LATENCY)
        steps += engine * points;
    if (tests & 1u << TEST_IOTLB)
        steps += engine * b->list[BENCH_FOOTPRINT].n * b->list[BENCH_IOTLB].n;
    return steps;
}

static void describe(struct bench_result *r)
{
    char cpu[80] = "";
    struct utsname u;
    time_t now = time(NULL);
    struct tm tm;
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];

    while (f && !cpu[0] && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');

        if (strncmp(line, "model name", 10) == 0 && colon)
            weir_printable(cpu, sizeof cpu, colon + 2, strcspn(colon + 2, "\n"));
    }
    if (f)
        fclose(f);
    uname(&u);
    snprintf(r->version, sizeof r->version, "%s", weir_version());
    snprintf(r->machine, sizeof r->machine, "%s, %ld CPUs, Linux %.60s", cpu[0] ? cpu : u.machine,
             sysconf(_SC_NPROCESSORS_ONLN), u.release);
    gmtime_r(&now, &tm);
    strftime(r->when, sizeof r->when, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* Keep the devices that can be opened; of the others say why, once. channel[]: it is no network
 * controller. */
static void keep_devices(struct bench *b, bool *channel)
{
    unsigned n = 0;

    for (unsigned d = 0; d < b->n_devices; d++) {
        struct weir_error e;
        struct weir *w = bench_instance(b);
        struct weir_device *device = w ? weir_device_open(w, b->devices[d], NULL, &e) : NULL;
        struct weir_device_info info;

        if (device) {
            weir_device_info(device, &info);
            channel[n] = info.class_code >> 16 != 2;
            b->devices[n++] = b->devices[d];
        } else {
            b->failed = true;
            if (w)
                bench_note_error(b, b->devices[d], &e);
        }
        weir_free(w);
    }
    b->n_devices = n;
}

/* What a device is good for. */
static void engine(struct bench *b, unsigned tests, const char *device, bool channel)
{
    bool throughput = tests & 1u << TEST_THROUGHPUT, latency = tests & 1u << TEST_LATENCY;

    if (channel) {
        if (!b->given[BENCH_LENGTH])
            parse_list("4K,64K", BENCH_LENGTH, &b->list[BENCH_LENGTH]);
        if (throughput || latency)
            bench_channel(b, device, throughput, latency);
        if (tests & 1u << TEST_IOTLB)
            bench_note(&b->result, "iotlb of %s: only network controllers are put to that", device);
        return;
    }
    bench_net(b, device, throughput, latency, tests & 1u << TEST_IOTLB);
    if (throughput || latency)
        bench_note(&b->result, "%s by interrupt: ports are polled; they have no receive interrupts",
                   device);
}

static void put_notes(const struct bench *b)
{
    for (size_t i = 0; i < b->result.n_notes; i++)
        fprintf(stderr, "weir: not measured: %s\n", b->result.notes[i]);
}

static void measure(struct bench *b, unsigned tests)
{
    bool *channel = bench_alloc(NULL, b->n_devices * sizeof *channel);

    default_lists(b);
    keep_devices(b, channel);
    if (b->failed && b->n_devices == 0) { /* a wrong name is not worth a minute's measuring */
        free(channel);
        return;
    }
    if (b->failed)
        put_notes(b);
    b->steps = count_steps(b, tests);
    describe(&b->result);
    if (tests & 1u << TEST_MAP)
        map_or_copy(b, "64K,2M,64M,1G", bench_map);
    if (tests & 1u << TEST_COPY)
        map_or_copy(b, "4K,64K,1M,16M", bench_copy);
    for (unsigned d = 0; d < b->n_devices; d++)
        engine(b, tests, b->devices[d], channel[d]);
    free(channel);
    if (b->interactive)
        fputs("\r\033[K", stderr);
}

static int write_to(const char *path, void (*print)(const struct bench_result *r, FILE *f),
                    const struct bench_result *r)
{
    FILE *f;

    if (strcmp(path, "-") == 0) {
        print(r, stdout);
        return 0;
    }
    f = fopen(path, "we");
    if (f)
        print(r, f);
    if (!f || ferror(f) | fclose(f)) {
        fprintf(stderr, "weir: write %s: %s\n", path, strerror(errno));
        return 1;
    }
    return 0;
}

static void html_of_one(const struct bench_result *r, FILE *f)
{
    bench_html(&r, NULL, 1, f);
}

static int put_out(const struct bench_result *r, const struct output *out)
{
    const char *files[] = {out->json, out->csv, out->html};
    bool quiet = false;
    int status = 0;

    for (unsigned i = 0; i < 3; i++)
        quiet |= files[i] && strcmp(files[i], "-") == 0;
    if (!quiet)
        bench_table(r, stdout);
    if (out->json)
        status |= write_to(out->json, bench_json, r);
    if (out->csv)
        status |= write_to(out->csv, bench_csv, r);
    if (out->html)
        status |= write_to(out->html, html_of_one, r);
    if (out->svg)
        status |= bench_svg_files(r, out->svg);
    return status;
}

static int compare(char **files, const struct output *out)
{
    struct bench_result r[2] = {0};
    const struct bench_result *both[] = {&r[0], &r[1]};
    const char *const names[] = {files[0], files[1]};
    int status = bench_load(files[0], &r[0]) | bench_load(files[1], &r[1]);

    if (!status) {
        bool page = out->html && strcmp(out->html, "-") == 0;

        if (page)
            bench_html(both, names, 2, stdout);
        else
            bench_compare(&r[0], &r[1], files[0], files[1], stdout);
        if (out->html && !page) {
            FILE *f = fopen(out->html, "we");

            if (f)
                bench_html(both, names, 2, f);
            if (!f || ferror(f) | fclose(f)) {
                fprintf(stderr, "weir: write %s: %s\n", out->html, strerror(errno));
                status = 1;
            }
        }
    }
    bench_result_free(&r[0]);
    bench_result_free(&r[1]);
    return status;
}

static bool parse_tests(const char *text, unsigned *tests)
{
    *tests = 0;
    for (;;) {
        size_t len = strcspn(text, ",");
        unsigned i = 0;

        while (i < N_TESTS && (strlen(test_names[i]) != len || strncmp(test_names[i], text, len)))
            i++;
        if (i == N_TESTS)
            return false;
        *tests |= 1u << i;
        if (!text[len])
            return true;
        text += len + 1;
    }
}

enum { OPT_ONLY = 256, OPT_REPS, OPT_TIME, OPT_JSON, OPT_CSV, OPT_HTML, OPT_SVG, OPT_COMPARE };

/* 0, the exit status to end with, or -1 to end well. */
static int parse(int argc, char **argv, struct bench *b, unsigned *tests, struct output *out)
{
    struct option longs[BENCH_VARS + 10] = {{0}};
    const struct option more[] = {
        {"only", 1, 0, OPT_ONLY}, {"reps", 1, 0, OPT_REPS}, {"time", 1, 0, OPT_TIME},
        {"json", 1, 0, OPT_JSON}, {"csv", 1, 0, OPT_CSV},   {"html", 1, 0, OPT_HTML},
        {"svg", 1, 0, OPT_SVG},   {"help", 0, 0, 'h'},      {"compare", 0, 0, OPT_COMPARE},
    };
    const struct command *cmd = &command_dma_bench;
    uint64_t n;
    int c;

    for (unsigned i = 0; i < BENCH_VARS; i++)
        longs[i] = (struct option){bench_vars[i].name, 1, 0, (int)i};
    memcpy(longs + BENCH_VARS, more, sizeof more);
    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (c >= 0 && c < BENCH_VARS && c != 'h') {
            if (!parse_list(optarg, (enum bench_var)c, &b->list[c]))
                return tool_usage(cmd, "--%s %s: expected up to %u values between commas",
                                  bench_vars[c].name, optarg, BENCH_MAX_VALUES);
            b->given[c] = true;
            continue;
        }
        switch (c) {
        case OPT_ONLY:
            if (!parse_tests(optarg, tests))
                return tool_usage(cmd, "--only %s: expected map, copy, throughput, latency, iotlb",
                                  optarg);
            break;
        case OPT_REPS:
            if (!tool_number(optarg, 1, 1000, &n))
                return tool_usage(cmd, "--reps %s: expected 1 to 1000", optarg);
            b->reps = (unsigned)n;
            break;
        case OPT_TIME:
            if (!tool_seconds(optarg, &b->time_ns))
                return tool_usage(cmd, "--time %s: expected seconds, 0.001 to 86400", optarg);
            break;
        case OPT_JSON:
            out->json = optarg;
            break;
        case OPT_CSV:
            out->csv = optarg;
            break;
        case OPT_HTML:
            out->html = optarg;
            break;
        case OPT_SVG:
            out->svg = optarg;
            break;
        case OPT_COMPARE:
            out->compare = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return -1;
        default:
            return tool_usage_getopt(cmd);
        }
    }
    if (out->compare && argc - optind != 2)
        return tool_usage(cmd, "--compare: expected two files of --json");
    if (out->compare && (out->json || out->csv || out->svg))
        return tool_usage(cmd, "--compare: of two results there is a table, or --html");
    return 0;
}

static int run(int argc, char **argv)
{
    static char x540[] = "model:x540", edu[] = "model:edu";
    static char *by_default[] = {x540, edu};
    struct bench b = {.reps = 5,
                      .time_ns = 50000000,
                      .interactive = isatty(STDERR_FILENO),
                      .devices = by_default,
                      .n_devices = 2,
                      .by_default = true};
    unsigned tests = (1u << N_TESTS) - 1;
    struct output out = {0};
    int status = parse(argc, argv, &b, &tests, &out);

    if (status)
        return status < 0 ? 0 : status;
    if (out.compare)
        return compare(argv + optind, &out);
    if (optind < argc) {
        b.devices = argv + optind;
        b.by_default = false;
        b.n_devices = (unsigned)(argc - optind);
    }
    measure(&b, tests);
    if (b.result.n_rows == 0) {
        if (b.result.n_notes == 0)
            fputs("weir: nothing was measured\n", stderr);
        put_notes(&b);
        status = 1;
    } else {
        status = put_out(&b.result, &out) | b.failed;
    }
    bench_result_free(&b.result);
    return status;
}

const struct command command_dma_bench = {
    .name = "dma-bench",
    .summary = "measure what DMA costs on this machine",
    .usage = usage,
    .run = run,
};
