/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Do two cores slow each other? Two threads forward on a queue pair each of one port, from one
 * pool, alone and at once; and two threads pass packets on, one taking them from the pool and the
 * other giving them back.
 */
#include "fake.h"
#include "lib/device/backend.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#define BURST  32
#define BURSTS 10000
#define ROUNDS 7    /* what runs on a core's other thread makes a round a third dearer */
#define SLOTS  1024 /* between the two who pass packets on */
#define PASSED 1000000
#define ODD    20000 /* cycles: a burst that took more was interrupted */

struct lane {
    struct fake fake;
    struct weir_rxq *rx;
    struct weir_txq *tx;
    struct weir_pktcache *cache;
    pthread_barrier_t *meet;
    int core;
    double cycles;
    bool failed;
} __attribute__((aligned(128)));

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void pin(int core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *run_lane(void *arg)
{
    struct lane *l = arg;
    struct weir_pkt *pkts[BURST];
    uint32_t *t = calloc(BURSTS, sizeof(*t));

    pin(l->core);
    if (l->meet)
        pthread_barrier_wait(l->meet);
    for (unsigned i = 0; t && i < BURSTS && !l->failed; i++) {
        l->failed = !fake_receive(&l->fake, BURST, FAKE_SAME, false);
        _mm_lfence();
        uint64_t start = __rdtsc();
        _mm_lfence();
        unsigned n = weir_rx_burst(l->rx, pkts, BURST);
        n = weir_tx_burst(l->tx, pkts, n);
        _mm_lfence();
        t[i] = (uint32_t)(__rdtsc() - start);
        l->failed |= n != BURST || fake_transmit(&l->fake, false, TOUCH_NONE, NULL) != BURST;
    }
    if (!t || l->failed) {
        l->failed = true;
        return NULL;
    }
    qsort(t, BURSTS, sizeof(*t), by_value);
    l->cycles = (double)t[BURSTS / 2] / BURST;
    free(t);
    return NULL;
}

/* A queue for one who takes and one who gives. */
static struct {
    struct weir_pkt *slots[SLOTS];
    _Alignas(128) atomic_uint head;
    _Alignas(128) atomic_uint tail;
    struct weir_pktpool *pool;
    int cores[2];
    double took, gave;
} ring;

static void *take(void *arg)
{
    struct weir_pktcache *c = weir_pktcache_new(ring.pool, NULL);
    uint64_t cycles = 0, counted = 0;

    (void)arg;
    pin(ring.cores[0]);
    for (unsigned done = 0; c && done < PASSED;) {
        struct weir_pkt *pkts[BURST];
        unsigned head = atomic_load_explicit(&ring.head, memory_order_relaxed);
        if (head - atomic_load_explicit(&ring.tail, memory_order_acquire) > SLOTS - BURST) {
            sched_yield();
            continue;
        }
        uint64_t start = __rdtsc();
        unsigned n = weir_pkt_alloc_bulk(c, pkts, BURST);
        start = __rdtsc() - start;
        if (start < ODD) {
            cycles += start;
            counted += n;
        }
        for (unsigned i = 0; i < n; i++)
            ring.slots[(head + i) % SLOTS] = pkts[i];
        atomic_store_explicit(&ring.head, head + n, memory_order_release);
        done += n;
    }
    ring.took = counted ? (double)cycles / (double)counted : 0;
    weir_pktcache_free(c);
    return NULL;
}

static void *give(void *arg)
{
    struct weir_pktcache *c = weir_pktcache_new(ring.pool, NULL);
    uint64_t cycles = 0, counted = 0;

    (void)arg;
    pin(ring.cores[1]);
    for (unsigned done = 0; c && done < PASSED;) {
        struct weir_pkt *pkts[BURST];
        unsigned tail = atomic_load_explicit(&ring.tail, memory_order_relaxed);
        if (atomic_load_explicit(&ring.head, memory_order_acquire) - tail < BURST) {
            sched_yield();
            continue;
        }
        for (unsigned i = 0; i < BURST; i++)
            pkts[i] = ring.slots[(tail + i) % SLOTS];
        atomic_store_explicit(&ring.tail, tail + BURST, memory_order_release);
        uint64_t start = __rdtsc();
        weir_pkt_free_bulk(c, pkts, BURST);
        start = __rdtsc() - start;
        if (start < ODD) {
            cycles += start;
            counted += BURST;
        }
        done += BURST;
    }
    ring.gave = counted ? (double)cycles / (double)counted : 0;
    weir_pktcache_free(c);
    return NULL;
}

static bool two_cores(int cores[2])
{
    cpu_set_t set;
    int n = 0;

    if (sched_getaffinity(0, sizeof(set), &set))
        return false;
    for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
        if (CPU_ISSET(i, &set))
            cores[n++] = i;
    return n == 2;
}

static bool open_lanes(struct lane lanes[2], struct weir *w, struct weir_pktpool **pool,
                       struct weir_error *e)
{
    const struct weir_pktpool_options po = {.size = sizeof po, .packets = 2 * RIG_PACKETS};
    const struct weir_arena_options ao = {.size = sizeof ao,
                                          .bytes = weir_pktpool_bytes(&po) + (1u << 20)};
    struct weir_port_options o = {
        .size = sizeof o, .rx_ring = RIG_RING, .tx_ring = RIG_RING, .rx_queues = 2, .tx_queues = 2};
    struct weir_arena *arena = weir_arena_new(w, &ao, e);
    struct weir_arena_info info;
    struct weir_port *port;

    *pool = o.pool = arena ? weir_pktpool_new(arena, &po, e) : NULL;
    if (!o.pool || !fake_new(&lanes[0].fake, w, e) ||
        !(port = weir_port_new(lanes[0].fake.model, &o, e)))
        return false;
    for (unsigned i = 0; i < 2; i++) {
        lanes[i].rx = weir_port_rxq(port, i);
        lanes[i].tx = weir_port_txq(port, i);
        lanes[i].cache = weir_pktcache_new(o.pool, e);
        if (!lanes[i].cache || weir_rxq_set_cache(lanes[i].rx, lanes[i].cache, e) ||
            weir_txq_set_cache(lanes[i].tx, lanes[i].cache, e))
            return false;
    }
    if (weir_port_start(port, e))
        return false;
    weir_arena_info(arena, &info);
    lanes[1].fake = lanes[0].fake; /* the same device's other queue */
    lanes[1].fake.queue = 1;
    for (unsigned i = 0; i < 2; i++)
        fake_attach(&lanes[i].fake, (uint64_t)(uintptr_t)info.va - info.iova.addr);
    return true;
}

static void least(double *kept, double found)
{
    if (*kept == 0 || found < *kept)
        *kept = found;
}

bool scaling(struct weir *w, struct scaling *out, struct weir_error *e)
{
    static struct lane lanes[2];
    pthread_barrier_t meet;
    pthread_t t[2];
    cpu_set_t before;

    memset(out, 0, sizeof(*out));
    if (!two_cores(ring.cores))
        return false;
    if (!open_lanes(lanes, w, &ring.pool, e))
        return false;
    sched_getaffinity(0, sizeof(before), &before);
    pthread_barrier_init(&meet, NULL, 2);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < 2; i++) {
            lanes[i].core = ring.cores[i];
            lanes[i].meet = NULL;
            run_lane(&lanes[i]);
            least(&out->alone[i], lanes[i].cycles);
        }
        for (unsigned i = 0; i < 2; i++) {
            lanes[i].meet = &meet;
            pthread_create(&t[i], NULL, run_lane, &lanes[i]);
        }
        for (unsigned i = 0; i < 2; i++) {
            pthread_join(t[i], NULL);
            least(&out->both[i], lanes[i].cycles);
        }
        if (lanes[0].failed || lanes[1].failed) {
            weir_fail(e, -EIO, "bench", "forward on two cores\na packet went astray\n");
            return false;
        }
    }
    pthread_barrier_destroy(&meet);
    pthread_create(&t[0], NULL, take, NULL);
    pthread_create(&t[1], NULL, give, NULL);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    out->take = ring.took;
    out->give = ring.gave;
    sched_setaffinity(0, sizeof(before), &before);
    return true;
}
