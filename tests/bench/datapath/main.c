/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a driver costs per packet: cycles, instructions, register accesses. A fake device plays the
 * rings between bursts, untimed; a burst is timed with fenced reads of the time-stamp counter, less
 * what an empty one takes. All drivers run in this process and take turns, so that what else the
 * machine does hits all of them alike. Nothing is timed before 50,000 packets went through right.
 */
#include "fake.h"
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <weir/driver/builtin.h>
#include <x86intrin.h>

#define MAX_SUBJECTS 16
#define CHECKED      (98 * RIG_RING) /* 50,176: afterwards all rings are at their beginning */
#define STEPPED      RIG_RING /* packets whose instructions are counted: a round of the rings */
#define COUNTED      256      /* packets whose register accesses are counted */
#define IDLE_POLLS   64

enum evict { EVICT_NONE, EVICT_L1, EVICT_L2, N_EVICT };
enum what { FORWARD, OFFLOAD, MIXED, RX, TX, IDLE, N_WHAT };

static const char *const evict_names[] = {"none", "L1", "L2"};
static const char *const what_names[] = {"forward", "offload", "mixed", "rx", "tx", "idle"};
static const char *const touch_names[] = {"none", "byte", "macs"};

typedef unsigned step_fn(struct rig_subject *, unsigned, enum rig_touch);

struct job {
    enum what what;
    unsigned burst;
    enum rig_touch touch;
    enum evict evict;
    bool step; /* count instructions and accesses, too */
};

struct result {
    double median, low, instructions;
    uint64_t accesses;
    uint64_t *samples;
    unsigned n;
    bool none;
};

static struct {
    struct weir *w;
    struct fake fakes[MAX_SUBJECTS];
    struct rig_subject subjects[MAX_SUBJECTS];
    char versions[MAX_SUBJECTS][64];
    unsigned n;
    uint64_t timer; /* cycles of timing nothing */
    unsigned samples, rounds;
    bool quick, json;
    const char *only;    /* of the jobs: the names of cases */
    const char *drivers; /* of the drivers */
    bool no_steps, no_evict, steps_only;
} rig;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "datapath: %s: %s\n", what, why);
    exit(1);
}

static inline uint64_t now(void)
{
    uint64_t t;

    _mm_lfence();
    t = __rdtsc();
    _mm_lfence();
    return t;
}

static __attribute__((noinline)) unsigned nothing(struct rig_subject *s, unsigned burst,
                                                  enum rig_touch touch)
{
    (void)s;
    (void)touch;
    return burst;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* A burst, in several calls if the driver gives out less at once: DPDK's vector path does. */
static inline unsigned move(step_fn *fn, struct rig_subject *s, unsigned burst,
                            enum rig_touch touch)
{
    unsigned done = fn(s, burst, touch), more = done;

    while (__builtin_expect(more && done < burst, 0)) {
        more = fn(s, burst - done, touch);
        done += more;
    }
    return done;
}

static uint64_t time_one(step_fn *fn, struct rig_subject *s, unsigned burst, enum rig_touch touch,
                         unsigned *moved)
{
    uint64_t t = now();

    *moved = move(fn, s, burst, touch);
    return now() - t;
}

static void calibrate(void)
{
    enum { N = 10001 };
    static uint64_t t[N];
    unsigned n;

    for (unsigned i = 0; i < N; i++)
        t[i] = time_one(nothing, NULL, 32, TOUCH_NONE, &n);
    qsort(t, N, sizeof(t[0]), by_value);
    rig.timer = t[N / 2];
}

static void evict(enum evict level)
{
    static uint8_t *big;
    static const size_t sizes[] = {0, 192u << 10, 12u << 20};
    uint8_t sum = 0;

    if (!big) {
        big = aligned_alloc(4096, sizes[EVICT_L2]);
        memset(big, 1, sizes[EVICT_L2]);
    }
    for (size_t i = 0; i < sizes[level]; i += 64)
        sum = (uint8_t)(sum + big[i]);
    __asm__ volatile("" ::"r"(sum));
}

static step_fn *fn_of(const struct rig_subject *s, enum what what)
{
    step_fn *const fns[] = {s->forward, s->offload, s->mixed, s->rx, s->tx, s->idle};
    return fns[what];
}

/* The device's step before a burst. */
static void prepare(struct rig_subject *s, const struct job *j)
{
    if (j->what <= RX)
        if (!fake_receive(s->fake, j->burst, s->full ? FAKE_TAGGED : FAKE_SAME, false))
            die(s->path, "it does not post its receive buffers again");
    evict(j->evict);
}

static unsigned units(const struct job *j)
{
    return j->what == IDLE ? IDLE_POLLS : j->burst;
}

static void finish(struct rig_subject *s, const struct job *j, unsigned moved)
{
    int sent = fake_transmit(s->fake, false, j->touch, NULL);
    unsigned want = j->what == IDLE ? 0 : j->burst;

    if (moved != want || (unsigned)sent != (j->what == RX ? 0 : want)) {
        fprintf(stderr, "datapath: %s %s: %s of %u: %u came back, %d were sent\n", s->driver,
                s->path, what_names[j->what], j->burst, moved, sent);
        exit(1);
    }
}

/* A sample is a round of the rings, burst by burst: what a driver does every so many packets is in
 * each of them. */
static unsigned bursts_of(const struct job *j)
{
    return j->what == IDLE ? 1 : RIG_RING / j->burst;
}

static void sample(struct rig_subject *s, const struct job *j, struct result *r, unsigned n)
{
    step_fn *fn = fn_of(s, j->what);
    unsigned moved;

    for (unsigned i = 0; i < n; i++) {
        uint64_t sum = 0;
        for (unsigned b = 0; b < bursts_of(j); b++) {
            prepare(s, j);
            uint64_t t = time_one(fn, s, units(j), j->touch, &moved);
            finish(s, j, moved);
            sum += t > rig.timer ? t - rig.timer : 0;
        }
        r->samples[r->n++] = sum;
    }
}

/* Two rounds of the rings, unmeasured. */
static void warm_up(struct rig_subject *s, const struct job *j)
{
    struct job plain = *j;
    struct result r = {0};
    uint64_t unused[2];

    plain.evict = EVICT_NONE;
    r.samples = unused;
    sample(s, &plain, &r, 2);
}

static void step(struct rig_subject *s, const struct job *j, struct result *r)
{
    step_fn *fn = fn_of(s, j->what);
    uint64_t instructions = 0;
    unsigned packets = 0;

    for (; packets < (rig.steps_only ? STEPPED / 4 : STEPPED); packets += units(j)) {
        unsigned done = 0, more;
        prepare(s, j);
        do {
            instructions += fake_count_instructions(fn, s, units(j) - done, j->touch, &more);
            done += more;
        } while (more && done < j->burst);
        finish(s, j, done);
    }
    r->instructions = (double)instructions / packets;
    fake_mode(s->fake, FAKE_COUNT);
    s->fake->accesses = 0;
    for (packets = 0; packets < COUNTED; packets += units(j)) {
        prepare(s, j);
        unsigned moved = move(fn, s, units(j), j->touch);
        finish(s, j, moved);
    }
    r->accesses = s->fake->accesses;
    fake_mode(s->fake, FAKE_PLAIN);
}

/* One job for all subjects, in turns. */
static void measure(const struct job *j, struct result *results)
{
    unsigned samples = j->evict == EVICT_L2 ? rig.samples / 8 : rig.samples;
    unsigned rounds = samples < rig.rounds ? samples : rig.rounds, per_round = samples / rounds;

    memset(results, 0, rig.n * sizeof(*results));
    for (unsigned i = 0; i < rig.n; i++) {
        struct result *r = &results[i];
        r->none = !fn_of(&rig.subjects[i], j->what) ||
                  (rig.drivers && !strstr(rig.drivers, rig.subjects[i].driver));
        r->samples = calloc(samples, sizeof(*r->samples));
        if (!r->none && j->what != IDLE)
            warm_up(&rig.subjects[i], j);
    }
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < rig.n; i++)
            if (!results[i].none) {
                uint64_t one;
                struct result unused = {.samples = &one};
                sample(&rig.subjects[i], j, &unused, 1); /* its code and data again */
                sample(&rig.subjects[i], j, &results[i], per_round);
            }
    for (unsigned i = 0; i < rig.n; i++) {
        struct result *r = &results[i];
        if (!r->none) {
            double packets = (double)units(j) * bursts_of(j);
            qsort(r->samples, r->n, sizeof(*r->samples), by_value);
            r->median = (double)r->samples[r->n / 2] / packets;
            r->low = (double)r->samples[0] / packets;
            if (j->step && !rig.no_steps)
                step(&rig.subjects[i], j, r);
        }
        free(r->samples);
    }
}

/* ---- The check ---- */

static void mismatch(const struct rig_subject *s, uint64_t seq, const char *what, uint64_t got,
                     uint64_t want)
{
    fprintf(stderr, "datapath: %s (%s): packet %llu: %s is %#llx, %#llx would be right\n",
            s->driver, s->path, (unsigned long long)seq, what, (unsigned long long)got,
            (unsigned long long)want);
    exit(1);
}

static void compare(const struct rig_subject *s, uint64_t seq, const struct rig_seen *got)
{
    struct rig_seen want;

    fake_expect(seq, &want);
#define SAME(field)                                                                                \
    if (got->field != want.field)                                                                  \
    mismatch(s, seq, #field, got->field, want.field)
    SAME(len);
    SAME(segs);
    if (!s->describes)
        return;
    SAME(has_hash);
    SAME(has_vlan);
    SAME(ipv4);
    SAME(ipv6);
    SAME(tcp);
    SAME(udp);
    SAME(l3_bad);
    SAME(l4_bad);
    if (!s->unasked) {
        SAME(l3_ok);
        SAME(l4_ok);
    }
    if (want.has_hash)
        SAME(hash);
    if (want.has_vlan)
        SAME(vlan);
#undef SAME
}

static void check(struct rig_subject *s)
{
    struct rig_seen seen[RIG_MAX_BURST];
    uint64_t done = 0, seed = 1;
    char why[256] = "";

    s->fake->rx_seq = s->fake->tx_seq = 0;
    while (done < CHECKED) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        unsigned n = 1 + (unsigned)(seed >> 40) % 64, got = 0;
        if (n > CHECKED - done)
            n = (unsigned)(CHECKED - done);
        if (!fake_receive(s->fake, n, FAKE_VARIOUS, true))
            die(s->path, "it does not post its receive buffers again");
        for (unsigned tries = 0; got < n; tries++) {
            unsigned k = s->check(s, 32, seen);
            for (unsigned i = 0; i < k; i++)
                compare(s, done + i, &seen[i]);
            done += k;
            got += k;
            if (tries > n)
                die(s->path, "packets were not received");
        }
        if (fake_transmit(s->fake, true, TOUCH_NONE, why) < 0)
            die(s->path, why);
    }
    if (s->fake->tx_seq != s->fake->rx_seq || s->fake->tx_seq != CHECKED)
        die(s->path, "packets were not sent");
}

/* ---- Subjects ---- */

static void add_all(rig_peer_fn *make, bool must)
{
    for (unsigned i = 0;; i++) {
        struct rig_device d;
        struct weir_error e = {0};
        char why[256] = "";

        if (rig.n == MAX_SUBJECTS)
            die("subjects", "too many");
        struct fake *f = &rig.fakes[rig.n];
        if (!fake_new(f, rig.w, &e))
            die(e.what, e.why);
        d = (struct rig_device){.fake = f, .bar = f->bar, .bar_size = f->size};
        if (!make(i, &rig.subjects[rig.n], &d, rig.versions[rig.n], why)) {
            if (why[0] && must)
                die("a driver does not start", why);
            if (why[0])
                fprintf(stderr, "datapath: a peer is left out: %s\n", why);
            return;
        }
        struct rig_subject *s = &rig.subjects[rig.n++];
        s->fake = f;
        if (!f->rx)
            fake_attach(f, 0); /* a peer: I/O addresses are its own */
        check(s);
        fprintf(stderr, "%s%s%s, %s: %d packets right\n", s->driver,
                rig.versions[rig.n - 1][0] ? " " : "", rig.versions[rig.n - 1], s->path, CHECKED);
    }
}

static void print_string(const char *text)
{
    putchar('"');
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text >= ' ')
            putchar(*text);
    putchar('"');
}

static void print_results(const struct job *j, const struct result *results, bool *first)
{
    if (!rig.json) {
        printf("\n%s, %s %u, touch %s, evicted %s\n", what_names[j->what],
               j->what == IDLE ? "polls" : "burst", units(j), touch_names[j->touch],
               evict_names[j->evict]);
        printf("  %-14s %-34s %8s %8s %8s %8s\n", "driver", "path", "median", "minimum", "instr.",
               "MMIO/256");
    }
    for (unsigned i = 0; i < rig.n; i++) {
        const struct result *r = &results[i];
        const struct rig_subject *s = &rig.subjects[i];
        if (r->none)
            continue;
        if (rig.json) {
            printf("%s\n    {\"driver\": ", *first ? "" : ",");
            *first = false;
            print_string(s->driver);
            printf(", \"path\": ");
            print_string(s->path);
            printf(", \"version\": ");
            print_string(rig.versions[i]);
            printf(", \"full\": %s, \"case\": \"%s\", \"burst\": %u, \"touch\": \"%s\", "
                   "\"evicted\": \"%s\"",
                   s->full ? "true" : "false", what_names[j->what], j->burst, touch_names[j->touch],
                   evict_names[j->evict]);
            if (!rig.steps_only)
                printf(", \"cycles\": %.2f, \"minimum\": %.2f", r->median, r->low);
            if (j->step && !rig.no_steps)
                printf(", \"instructions\": %.2f, \"mmio\": %llu", r->instructions,
                       (unsigned long long)r->accesses);
            printf("}");
        } else {
            printf("  %-14s %-34s %8.2f %8.2f", s->driver, s->path, r->median, r->low);
            if (j->step)
                printf(" %8.1f %8llu", r->instructions, (unsigned long long)r->accesses);
            printf("\n");
        }
    }
    fflush(stdout);
}

static void print_machine(void)
{
    char line[256], cpu[128] = "unknown", model[128] = "";
    FILE *f = fopen("/proc/cpuinfo", "r");
    uint64_t t = __rdtsc();
    struct timespec a, b;
    struct utsname name;
    double load = 0;

    while (f && fgets(line, sizeof line, f)) {
        sscanf(line, "model name : %127[^\n]", cpu);
        if (sscanf(line, "model : %127[^\n]", model) == 1 && strlen(cpu) + strlen(model) < 120)
            continue;
    }
    if (f)
        fclose(f);
    clock_gettime(CLOCK_MONOTONIC, &a);
    t = __rdtsc();
    do
        clock_gettime(CLOCK_MONOTONIC, &b);
    while ((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec < 50000000L);
    t = __rdtsc() - t;
    double ns = (double)((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec);
    printf("{\n  \"machine\": {\"cpu\": ");
    print_string(cpu);
    printf(", \"family_model\": ");
    print_string(model);
    printf(", \"tsc_ghz\": %.2f, \"compiler\": ", (double)t / ns);
    print_string(__VERSION__);
    uname(&name);
    printf(", \"kernel\": ");
    print_string(name.release);
    getloadavg(&load, 1);
    printf(", \"cores\": %ld, \"load\": %.1f, \"timer_cycles\": %llu},\n  \"results\": [",
           sysconf(_SC_NPROCESSORS_ONLN), load, (unsigned long long)rig.timer);
}

static void print_scaling(void)
{
    struct weir_error e = {0};
    struct scaling s;

    if (!scaling(rig.w, &s, &e)) {
        if (e.err)
            die(e.what, e.why);
        fprintf(stderr, "datapath: one core: nothing to tell of scaling\n");
        return;
    }
    if (rig.json)
        printf(",\n  \"scaling\": {\"alone\": [%.2f, %.2f], \"both\": [%.2f, %.2f], "
               "\"take\": %.2f, \"give\": %.2f}",
               s.alone[0], s.alone[1], s.both[0], s.both[1], s.take, s.give);
    else
        printf("\ntwo queues on two cores, forward untouched, burst 32, cycles per packet\n"
               "  each alone %.2f %.2f, both at once %.2f %.2f\n"
               "packets from a pool on one core, back into it on another\n"
               "  taking %.2f, giving %.2f\n",
               s.alone[0], s.alone[1], s.both[0], s.both[1], s.take, s.give);
}

static const unsigned bursts[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};
#define N_BURSTS (sizeof(bursts) / sizeof(bursts[0]))

static unsigned make_jobs(struct job *jobs)
{
    unsigned n = 0;

    for (unsigned b = 0; b < N_BURSTS; b++)
        if (!rig.quick || bursts[b] == 4 || bursts[b] == 32 || (rig.steps_only && bursts[b] == 1))
            jobs[n++] = (struct job){FORWARD, bursts[b], TOUCH_BYTE, EVICT_NONE, true};
    jobs[n++] = (struct job){OFFLOAD, 4, TOUCH_BYTE, EVICT_NONE, true};
    jobs[n++] = (struct job){OFFLOAD, 32, TOUCH_BYTE, EVICT_NONE, true};
    jobs[n++] = (struct job){MIXED, 32, TOUCH_BYTE, EVICT_NONE, true};
    for (unsigned b = 0; b < N_BURSTS; b++)
        if (bursts[b] == 4 || bursts[b] == 32 || (!rig.quick && bursts[b] == 256)) {
            jobs[n++] = (struct job){RX, bursts[b], TOUCH_NONE, EVICT_NONE, true};
            jobs[n++] = (struct job){TX, bursts[b], TOUCH_NONE, EVICT_NONE, true};
        }
    jobs[n++] = (struct job){IDLE, 32, TOUCH_NONE, EVICT_NONE, true};
    if (!rig.quick) {
        jobs[n++] = (struct job){FORWARD, 32, TOUCH_NONE, EVICT_NONE, true};
        jobs[n++] = (struct job){FORWARD, 32, TOUCH_MACS, EVICT_NONE, true};
    }
    jobs[n++] = (struct job){FORWARD, 32, TOUCH_BYTE, EVICT_L1, false};
    jobs[n++] = (struct job){FORWARD, 32, TOUCH_BYTE, EVICT_L2, false};
    return n;
}

static void quiet_log(void *user, enum weir_log_level level, const char *part, const char *text)
{
    if (level <= WEIR_LOG_WARNING)
        weir_log_stdio(user, level, part, text);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"quick", no_argument, NULL, 'q'},
                                            {"peer", required_argument, NULL, 'p'},
                                            {"require-peers", no_argument, NULL, 'r'},
                                            {"samples", required_argument, NULL, 's'},
                                            {"only", required_argument, NULL, 'o'},
                                            {"no-evict", no_argument, NULL, 'e'},
                                            {"drivers", required_argument, NULL, 'd'},
                                            {"no-instructions", no_argument, NULL, 'n'},
                                            {"instructions", no_argument, NULL, 'i'},
                                            {NULL, 0, NULL, 0}};
    const struct weir_options wo = {
        .size = sizeof wo, .log = quiet_log, .log_level = WEIR_LOG_WARNING};
    struct result results[MAX_SUBJECTS];
    struct job jobs[64];
    struct weir_error e = {0};
    cpu_set_t cores;
    const char *peers[4];
    unsigned n_peers = 0, n_jobs, drivers;
    bool first = true, require = false;
    int c;

    rig.samples = 400;
    rig.rounds = 20;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (c) {
        case 'j':
            rig.json = true;
            break;
        case 'q':
            rig.quick = true;
            break;
        case 'p':
            if (n_peers < 4)
                peers[n_peers++] = optarg;
            break;
        case 'r':
            require = true;
            break;
        case 's':
            rig.samples = (unsigned)strtoul(optarg, NULL, 0);
            break;
        case 'i':
            rig.steps_only = rig.quick = rig.no_evict = true;
            rig.samples = rig.rounds = 1;
            break;
        case 'n':
            rig.no_steps = true;
            break;
        case 'd':
            rig.drivers = optarg;
            break;
        case 'e':
            rig.no_evict = true;
            break;
        case 'o':
            rig.only = optarg;
            break;
        default:
            return 2;
        }
    if (rig.samples < rig.rounds)
        rig.samples = rig.rounds;
    rig.samples -= rig.samples % rig.rounds;
    sched_getaffinity(0, sizeof(cores), &cores);
    rig.w = weir_new(&wo, &e);
    if (!rig.w || weir_register_builtin(rig.w, &e))
        die(e.what, e.why);
    add_all(weir_subject, true);
    add_all(floor_subject, true);
    drivers = rig.n;
    for (unsigned i = 0; i < n_peers; i++) {
        void *lib = dlopen(peers[i], RTLD_LAZY | RTLD_LOCAL);
        void *symbol = lib ? dlsym(lib, "rig_peer") : NULL;
        rig_peer_fn *make;
        if (!symbol) {
            fprintf(stderr, "datapath: %s\n", dlerror());
            continue;
        }
        memcpy(&make, &symbol, sizeof(make));
        add_all(make, false);
    }
    if (rig.n == drivers && !rig.steps_only) {
        fprintf(stderr, "datapath: NO PEER RUNS HERE: these figures compare with nothing\n");
        if (require)
            return 1;
    }
    calibrate();
    if (rig.json)
        print_machine();
    n_jobs = make_jobs(jobs);
    for (unsigned i = 0; i < n_jobs; i++) {
        if (rig.only && !strstr(rig.only, what_names[jobs[i].what]))
            continue;
        if (rig.steps_only && jobs[i].what != FORWARD && jobs[i].burst != 32)
            continue;
        if (rig.no_evict && jobs[i].evict != EVICT_NONE)
            continue;
        measure(&jobs[i], results);
        print_results(&jobs[i], results, &first);
    }
    if (rig.json)
        printf("\n  ]");
    if (!rig.steps_only && !rig.only) {
        sched_setaffinity(0, sizeof(cores), &cores); /* DPDK left this thread one of them */
        print_scaling();
    }
    if (rig.json)
        printf("\n}\n");
    fflush(stdout);
    _Exit(0); /* peers have no orderly end */
}
