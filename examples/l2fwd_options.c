/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of l2fwd. */
#include "l2fwd.h"

#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: l2fwd [OPTION]... PORT...\n"
    "Forward frames between ports, two by two; one alone sends back what it receives. A PORT is "
    "the\n"
    "name of a device: vfio-user:/run/x540.sock, or model:x540?wire=tap:tap0 for a model in "
    "here.\n\n"
    "  --burst N           packets received at once, at most 256 (32)\n"
    "  --queues N          queues of each port (1)\n"
    "  --cores LIST        a thread on each of these cores, 1,2 or 0-3 (none: the main thread)\n"
    "  --mac-rewrite       send to 02:00:00:00:00:PORT from the port's address (--no-mac-rewrite)\n"
    "  --no-promiscuous    receive only what is addressed to the port\n"
    "  --mtu BYTES         longest packet without its Ethernet header (1500)\n"
    "  --ring N            descriptors of each queue (512)\n"
    "  --packets N         buffers in the pool (what the rings can hold, and some)\n"
    "  --memory SIZE       memory for buffers and rings (what they need)\n"
    "  --page 4K|2M|1G     pages of that memory (the largest there are)\n"
    "  --idle MODE         without packets: spin, yield or sleep (yield)\n"
    "  --stats SECONDS     a line for each port that often\n"
    "  --stats-json FILE   write all counters at the end\n"
    "  --duration SECONDS  end after that time\n"
    "  --count N           end when N packets have been received\n"
    "  --patience SECONDS  how long a packet waits for room in a full transmit ring (0.02)\n"
    "  --wait SECONDS      wait that long for devices that are not there yet\n"
    "  -v                  say more\n";

static void usage_error(const char *option, const char *text, const char *expected)
{
    fprintf(stderr, "l2fwd: --%s %s: expected %s\n  try: l2fwd --help\n", option, text, expected);
    exit(2);
}

/* Options that are numbers; seconds are kept as nanoseconds. */
static const struct setting {
    const char *name;
    size_t member;
    double min, max, unit;
} settings[] = {
    /* clang-format off */
    {"burst",    offsetof(struct options, burst),    1,    MAX_BURST,  1},
    {"queues",   offsetof(struct options, queues),   1,    MAX_QUEUES, 1},
    {"mtu",      offsetof(struct options, mtu),      1,    65535,      1},
    {"ring",     offsetof(struct options, ring),     1,    65536,      1},
    {"packets",  offsetof(struct options, packets),  1,    1 << 24,    1},
    {"memory",   offsetof(struct options, memory),   4096, 0x1p40,     1},
    {"page",     offsetof(struct options, page),     4096, 0x1p30,     1},
    {"count",    offsetof(struct options, count),    1,    1e15,       1},
    {"stats",    offsetof(struct options, stats),    0.01, 1e6,        1e9},
    {"duration", offsetof(struct options, duration), 0.01, 1e6,        1e9},
    {"patience", offsetof(struct options, patience), 0,    1e6,        1e9},
    {"wait",     offsetof(struct options, wait),     0,    1e6,        1e9},
    /* clang-format on */
};
enum { N_SETTINGS = sizeof settings / sizeof settings[0] };

static void set(struct options *o, const struct setting *s, const char *text)
{
    static const char units[] = "KMG";
    char *end, expected[96];
    double v = strtod(text, &end);
    const char *unit = s->unit == 1 && *end ? strchr(units, *end) : NULL;

    if (unit) {
        v *= (double)(UINT64_C(1024) << 10 * (unit - units));
        end++;
    }
    snprintf(expected, sizeof expected, "a number from %.15g to %.15g", s->min, s->max);
    if (end == text || *end || !(v >= s->min && v <= s->max) ||
        (s->unit == 1 && v != (double)(uint64_t)v))
        usage_error(s->name, text, expected);
    *(uint64_t *)(void *)((char *)o + s->member) = (uint64_t)(v * s->unit);
}

static unsigned core_list(const char *text, int *cores)
{
    unsigned n = 0;
    char *end = NULL;

    for (const char *at = text; end == NULL || *end; at = end + 1) {
        long first = strtol(at, &end, 10), last = first;
        if (end > at && *end == '-')
            last = strtol(at = end + 1, &end, 10);
        if (end == at || (*end && *end != ',') || first < 0 || last < first ||
            last >= CPU_SETSIZE || (long)n + last - first >= MAX_CORES)
            usage_error("cores", text, "up to 64 core numbers like 1,2 or 0-3");
        while (first <= last)
            cores[n++] = (int)first++;
    }
    return n;
}

void parse(struct app *app, int argc, char **argv)
{
    static const struct option others[] = {
        {"cores", 1, 0, 'c'},       {"mac-rewrite", 0, 0, 'm'}, {"no-mac-rewrite", 0, 0, 'M'},
        {"promiscuous", 0, 0, 'p'}, {"idle", 1, 0, 'i'},        {"no-promiscuous", 0, 0, 'P'},
        {"stats-json", 1, 0, 'j'},  {"help", 0, 0, 'h'},        {0}};
    struct option longs[N_SETTINGS + sizeof others / sizeof others[0]];
    struct options *o = &app->opt;
    int c, at = 0;

    for (int i = 0; i < N_SETTINGS; i++)
        longs[i] = (struct option){settings[i].name, 1, 0, 0};
    memcpy(&longs[N_SETTINGS], others, sizeof others);
    *o = (struct options){.burst = 32, .queues = 1, .mtu = 1500, .ring = 512, .idle = IDLE_YIELD};
    o->patience = 20 * MS;
    o->promiscuous = true;
    while ((c = getopt_long(argc, argv, "vh", longs, &at)) != -1) {
        switch (c) {
        case 0:
            set(o, &settings[at], optarg);
            break;
        case 'c':
            o->n_cores = core_list(optarg, o->cores);
            break;
        case 'm':
        case 'M':
            o->mac_rewrite = c == 'm';
            break;
        case 'p':
        case 'P':
            o->promiscuous = c == 'p';
            break;
        case 'i':
            if (strcmp(optarg, "spin") && strcmp(optarg, "yield") && strcmp(optarg, "sleep"))
                usage_error("idle", optarg, "spin, yield or sleep");
            o->idle = optarg[1] == 'p' ? IDLE_SPIN : optarg[0] == 'y' ? IDLE_YIELD : IDLE_SLEEP;
            break;
        case 'j':
            o->json = optarg;
            break;
        case 'v':
            o->verbose = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs("  try: l2fwd --help\n", stderr);
            exit(2);
        }
    }
    app->n_ports = (unsigned)(argc - optind);
    if (app->n_ports == 0 || app->n_ports > MAX_PORTS) {
        fprintf(stderr, "l2fwd: %u ports given, 1 to %d wanted\n  try: l2fwd --help\n",
                app->n_ports, MAX_PORTS);
        exit(2);
    }
    for (unsigned i = 0; i < app->n_ports; i++) {
        unsigned partner = (i ^ 1u) < app->n_ports ? i ^ 1u : i;
        app->ports[i] = (struct port){
            .name = argv[optind + (int)i], .index = i, .partner = &app->ports[partner]};
    }
}
