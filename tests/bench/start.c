/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From nothing to the first packet, in process: instance, arena, pool, port on a looped-back model,
 * link, one frame out, one frame in. Prints the median and the worst of the repetitions in
 * milliseconds.
 *
 * start L2FWD: the same of that program, from fork() and exec() until it forwarded its first packet
 * and ended, with a model in its own process. And on a second line what the kernel takes to clear
 * as much memory as it uses, in hugepages if there are any: the part that no program can save.
 *
 * start COMMAND ARG...: of any other program, from fork() and exec() until it ended.
 *
 * The last line of both is the most memory such a program had resident, hugepages apart, in KiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <weir/weir.h>

#define REPEAT 21
#define MEMORY "6M" /* what l2fwd takes for a port by itself, rounded up to hugepages */
#define BYTES  (6u << 20)

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Milliseconds to the first packet, or -1 with err filled. */
static double first_packet(struct weir_error *err)
{
    struct weir_arena_options mem = {.size = sizeof mem, .bytes = 8u << 20};
    struct weir_pktpool_options room = {.size = sizeof room, .packets = 2048};
    struct weir_port_options opt = {.size = sizeof opt, .promiscuous = true};
    struct weir_arena *arena;
    struct weir_port *port = NULL;
    struct weir_pktcache *cache = NULL;
    struct weir_pkt *p = NULL;
    uint8_t frame[64] = {0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x88, 0xb5};
    double start = now_ms(), end = -1;
    struct weir *w = weir_new(NULL, err);

    if (!w || weir_register_builtin(w, err))
        goto out;
    arena = weir_arena_new(w, &mem, err);
    opt.pool = arena ? weir_pktpool_new(arena, &room, err) : NULL;
    port = opt.pool ? weir_port_open(w, "model:x540?wire=loopback", &opt, err) : NULL;
    if (!port || weir_port_start(port, err))
        goto out;
    cache = weir_pktcache_new(opt.pool, err);
    p = cache ? weir_pkt_from(cache, frame, sizeof frame) : NULL;
    while (p && now_ms() - start < 5000) {
        weir_models_step(w, 32);
        weir_events(w, NULL, 0);
        if (end < 0 && weir_tx_burst(weir_port_txq(port, 0), &p, 1) == 1)
            end = 0;
        if (end == 0 && weir_rx_burst(weir_port_rxq(port, 0), &p, 1) == 1) {
            end = now_ms() - start;
            weir_pkt_free(cache, p);
            break;
        }
    }
    if (end <= 0)
        end = weir_fail(err, -1, "bench", "receive the first packet\nnone came within 5 s");
    weir_pktcache_free(cache);
out:
    weir_free(w);
    return end;
}

static int by_value(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

static void print(double *ms)
{
    qsort(ms, REPEAT, sizeof ms[0], by_value);
    printf("%.2f %.2f\n", ms[REPEAT / 2], ms[REPEAT - 1]);
}

static double run(char **command)
{
    double start = now_ms();
    int status;
    pid_t child = fork();

    if (child == 0) {
        if (!freopen("/dev/null", "r", stdin) || !freopen("/dev/null", "w", stdout))
            _exit(126);
        execv(command[0], command);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
        WEXITSTATUS(status))
        return -1;
    return now_ms() - start;
}

static double clear(void)
{
    double start = now_ms();
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
    void *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB, -1, 0);

    if (p == MAP_FAILED)
        p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (p == MAP_FAILED)
        return -1;
    double end = now_ms();
    munmap(p, BYTES);
    return end - start;
}

int main(int argc, char **argv)
{
    struct weir_error err = {0};
    struct rusage used;
    double ms[REPEAT];

    if (argc > 1) {
        char *l2fwd[] = {argv[1], "--count",  "1",    "--idle",
                         "spin",  "--memory", MEMORY, "model:x540?wire=gen:size=60,rate=1M",
                         NULL};
        for (int i = 0; i < REPEAT; i++) {
            ms[i] = run(argc > 2 ? argv + 1 : l2fwd);
            if (ms[i] < 0) {
                fprintf(stderr, "start: %s failed\n", argv[1]);
                return 1;
            }
        }
        print(ms);
        if (argc == 2) {
            for (int i = 0; i < REPEAT; i++)
                ms[i] = clear();
            print(ms);
        }
        getrusage(RUSAGE_CHILDREN, &used);
        printf("%ld\n", used.ru_maxrss);
        return 0;
    }

    for (int i = 0; i < REPEAT; i++) {
        ms[i] = first_packet(&err);
        if (ms[i] < 0) {
            weir_error_print(&err, stderr);
            return 1;
        }
    }
    print(ms);
    return 0;
}
