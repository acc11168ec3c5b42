/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * l2fwd: forward Ethernet frames between ports, two by two. A port without a partner sends back
 * what it receives.
 *
 *   l2fwd vfio-user:/run/a.sock vfio-user:/run/b.sock
 *
 * Receive queue N of a port feeds transmit queue N of its partner; such a way is a lane. A lane
 * belongs to one worker, which alone touches its queues: the main thread, or threads pinned to
 * cores (--cores). All else happens in the main thread: events, statistics, and stepping models
 * that live in this process. Before it touches a port, it pauses the workers that serve it.
 */
#include "l2fwd.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CACHE = 512 }; /* packets that a cache may keep back */

#define DRAIN_NS     (200 * MS) /* at least so long the end waits for what is to go out */
#define EMPTY_ROUNDS 64         /* rounds without a packet before a worker gives way */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

/* ---- The data path ---- */

/* As forwarders on routed links do: to a made-up station on the port, from the port itself. */
static void rewrite(struct lane *l)
{
    for (unsigned i = 0; i < l->n; i++) {
        uint8_t *frame = weir_pkt_data(l->pkts[i]);
        const uint8_t to[6] = {0x02, 0, 0, 0, 0, (uint8_t)l->to->index};
        memcpy(frame, to, 6);
        memcpy(frame + 6, l->to->mac, 6);
    }
}

/* Send what the lane has in hand. What the ring has no room for stays in hand for a while, so that
 * other lanes go on meanwhile; then it is dropped. */
static unsigned send_burst(struct worker *w, struct lane *l)
{
    unsigned took = l->to->up ? weir_tx_burst(l->tx, l->pkts + l->sent, l->n - l->sent) : 0;

    l->sent += took;
    if (took)
        l->stuck = 0;
    if (l->sent == l->n)
        return took;
    if (!l->stuck)
        l->stuck = now_ns();
    if (!l->to->up)
        l->no_port += l->n - l->sent;
    else if (now_ns() - l->stuck > w->app->opt.patience)
        l->tx_full += l->n - l->sent;
    else
        return took;
    weir_pkt_free_bulk(w->cache, l->pkts + l->sent, l->n - l->sent);
    l->sent = l->n;
    return took;
}

/* Go round all lanes once. Returns how many packets moved. */
static unsigned forward(struct worker *w)
{
    unsigned moved = 0;

    for (unsigned i = 0; i < w->n_lanes; i++) {
        struct lane *l = w->lanes[i];
        if (l->sent == l->n && l->from->up) {
            l->sent = 0;
            l->n = weir_rx_burst(l->rx, l->pkts, (unsigned)w->app->opt.burst);
            if (w->app->opt.mac_rewrite)
                rewrite(l);
        }
        if (l->sent < l->n)
            moved += send_burst(w, l);
    }
    return moved;
}

/* Between rounds: nothing while packets come, else make room for others on this core. */
static void rest(const struct app *app, unsigned moved, unsigned *empty)
{
    if (moved)
        *empty = 0;
    else if (*empty < EMPTY_ROUNDS)
        ++*empty;
    else if (app->opt.idle == IDLE_YIELD)
        sched_yield();
    else if (app->opt.idle == IDLE_SLEEP)
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    unsigned empty = 0;

    while (!atomic_load_explicit(&w->app->stop, memory_order_relaxed)) {
        rest(w->app, forward(w), &empty);
        if (atomic_load_explicit(&w->pause, memory_order_relaxed)) {
            pthread_barrier_wait(&w->meet);
            pthread_barrier_wait(&w->meet);
        }
    }
    return NULL;
}

/* ---- Control ---- */

/* Pause the worker threads that have a lane from or to the port, or let them go on. */
static void pause_port(struct app *app, struct port *p, bool pause)
{
    for (unsigned i = 0; app->opt.n_cores && i < app->n_workers; i++) {
        struct worker *w = &app->workers[i];
        unsigned n = 0;
        while (n < w->n_lanes && w->lanes[n]->from != p && w->lanes[n]->to != p)
            n++;
        if (n == w->n_lanes)
            continue;
        atomic_store(&w->pause, pause);
        pthread_barrier_wait(&w->meet);
    }
}

/* A device that returned. If that fails because it is gone once more the event comes again; if it
 * is there but does not start, take_back_all() tries again. */
static void take_back(struct app *app, struct port *p)
{
    struct weir_error err;

    pause_port(app, p, true);
    p->up = weir_port_recover(p->port, &err) == 0;
    pause_port(app, p, false);
    p->again = now_ns() + 100 * MS;
    if (p->up)
        printf("port %u is back\n", p->index);
    else
        weir_error_print(&err, stderr);
}

static void take_back_all(struct app *app, uint64_t now)
{
    for (struct port *p = app->ports; p < app->ports + app->n_ports; p++)
        if (p->port && !p->up && now >= p->again && !weir_device_lost(weir_port_device(p->port)))
            take_back(app, p);
}

static void on_event(struct app *app, const struct weir_event *ev)
{
    struct port *p = app->ports;
    struct weir_link link;

    while (p < app->ports + app->n_ports && p->port != ev->port)
        p++;
    if (p == app->ports + app->n_ports)
        return;
    switch (ev->type) {
    case WEIR_EVENT_LOST:
        pause_port(app, p, true);
        p->up = false;
        p->losses++;
        pause_port(app, p, false);
        printf("port %u lost: %s does not answer any more; waiting for it\n", p->index, p->name);
        break;
    case WEIR_EVENT_REQUEST:
        pause_port(app, p, true);
        p->up = false;
        weir_port_release(p->port, NULL);
        pause_port(app, p, false);
        printf("port %u given back: the host wants %s; waiting for it\n", p->index, p->name);
        break;
    case WEIR_EVENT_RETURNED:
        take_back(app, p);
        break;
    case WEIR_EVENT_LINK:
        weir_port_link(p->port, &link);
        printf("port %u: link %s, %u Mbit/s\n", p->index, ev->link_up ? "up" : "down", link.mbps);
        break;
    default:
        printf("port %u: event '%s'\n", p->index, weir_event_name(ev->type));
        break;
    }
}

/* Everything sent is on the wire and counted? */
static bool all_sent(struct app *app)
{
    bool all = true;

    for (unsigned i = 0; i < app->n_lanes; i++) {
        struct lane *l = &app->lanes[i];
        if (l->sent < l->n)
            send_burst(app->workers, l); /* the threads have ended; any cache will do */
        all &= l->sent == l->n;
    }
    for (struct port *p = app->ports; p < app->ports + app->n_ports; p++) {
        struct weir_port_stats s;
        uint64_t queued = 0;
        for (unsigned q = 0; p->up && q < app->opt.queues; q++) {
            struct weir_queue_stats qs;
            weir_txq_stats(weir_port_txq(p->port, q), &qs);
            queued += qs.packets;
        }
        if (p->up && weir_port_stats(p->port, &s, NULL) == 0)
            all &= s.tx_packets >= queued;
    }
    return all;
}

static uint64_t received(const struct app *app)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < app->n_lanes; i++) {
        struct weir_queue_stats qs;
        weir_rxq_stats(app->lanes[i].rx, &qs);
        sum += qs.packets;
    }
    return sum;
}

/* ---- Start and end ---- */

static int open_device(struct app *app, struct port *p, struct weir_error *err)
{
    uint64_t end = now_ns() + app->opt.wait;
    struct weir_device_info info;

    while (!(p->device = weir_device_open(app->weir, p->name, NULL, err))) {
        if (interrupted || now_ns() >= end)
            return -1;
        nanosleep(&(struct timespec){.tv_nsec = 50 * (long)MS}, NULL);
    }
    weir_device_info(p->device, &info);
    p->model = info.model;
    app->models |= info.model != NULL;
    return 0;
}

/* Memory that all devices reach. */
static int make_pool(struct app *app, unsigned n_lanes, struct weir_error *err)
{
    const struct options *o = &app->opt;
    struct weir_pktpool_options pool = {.size = sizeof pool, .packets = (uint32_t)o->packets};
    struct weir_arena_options memory = {.size = sizeof memory, .page = o->page};
    struct weir_space *spaces[MAX_PORTS];

    /* Both rings of a queue full, a burst in hand, and what caches keep. */
    if (!pool.packets)
        pool.packets = n_lanes * (uint32_t)(2 * o->ring + o->burst) + app->n_workers * 2 * CACHE;
    memory.bytes =
        weir_pktpool_bytes(&pool) + n_lanes * UINT64_C(2) * (o->ring * 16 + 4096) + (256 << 10);
    if (o->memory)
        memory.bytes = o->memory;
    memory.spaces = spaces;
    for (memory.n_spaces = 0; memory.n_spaces < app->n_ports; memory.n_spaces++) {
        struct weir_device_info info;
        weir_device_info(app->ports[memory.n_spaces].device, &info);
        spaces[memory.n_spaces] = info.space;
    }
    struct weir_arena *arena = weir_arena_new(app->weir, &memory, err);
    app->pool = arena ? weir_pktpool_new(arena, &pool, err) : NULL;
    return app->pool ? 0 : -1;
}

static int open_port(struct app *app, struct port *p, struct weir_error *err)
{
    const struct options *o = &app->opt;
    struct weir_port_options po = {
        .size = sizeof po, .pool = app->pool, .promiscuous = o->promiscuous};
    struct weir_port_info info;

    po.rx_queues = po.tx_queues = (unsigned)o->queues;
    po.rx_ring = po.tx_ring = (unsigned)o->ring;
    po.mtu = (uint32_t)o->mtu;
    p->port = weir_port_new(p->device, &po, err);
    if (!p->port)
        return -1;
    weir_port_info(p->port, &info);
    memcpy(p->mac, info.mac, 6);
    printf("port %u: %s, driver %s, to port %u\n", p->index, p->name, info.driver,
           p->partner->index);
    return 0;
}

/* Open everything, and give each lane its queues and each worker its lanes. */
static int set_up(struct app *app, struct weir_error *err)
{
    const struct options *o = &app->opt;
    unsigned n = app->n_ports * (unsigned)o->queues;
    struct weir_options instance = {.size = sizeof instance, .log = weir_log_stdio};

    instance.log_level = o->verbose ? WEIR_LOG_INFO : WEIR_LOG_WARNING;
    app->weir = weir_new(&instance, err);
    if (!app->weir || weir_register_builtin(app->weir, err))
        return -1;
    app->n_workers = o->n_cores ? o->n_cores : 1;
    app->lanes = calloc(n, sizeof *app->lanes);
    app->workers = calloc(app->n_workers, sizeof *app->workers);
    if (!app->lanes || !app->workers)
        return weir_fail(err, -ENOMEM, "l2fwd", "start\nout of memory");

    for (unsigned i = 0; i < app->n_ports; i++)
        if (open_device(app, &app->ports[i], err))
            return -1;
    if (make_pool(app, n, err))
        return -1;
    for (unsigned i = 0; i < app->n_ports; i++)
        if (open_port(app, &app->ports[i], err))
            return -1;
    for (unsigned i = 0; i < app->n_workers; i++) {
        app->workers[i].app = app;
        pthread_barrier_init(&app->workers[i].meet, NULL, 2);
        if (!(app->workers[i].cache = weir_pktcache_new(app->pool, err)))
            return -1;
    }
    for (app->n_lanes = 0; app->n_lanes < n; app->n_lanes++) {
        struct port *from = &app->ports[app->n_lanes % app->n_ports];
        struct worker *w = &app->workers[app->n_lanes % app->n_workers];
        struct lane *l = &app->lanes[app->n_lanes];
        unsigned queue = app->n_lanes / app->n_ports;

        *l = (struct lane){.from = from, .to = from->partner};
        l->rx = weir_port_rxq(l->from->port, queue);
        l->tx = weir_port_txq(l->to->port, queue);
        w->lanes[w->n_lanes++] = l;
        if (weir_rxq_set_cache(l->rx, w->cache, err) || weir_txq_set_cache(l->tx, w->cache, err))
            return -1;
    }
    for (struct port *p = app->ports; p < app->ports + app->n_ports; p++) {
        if (weir_port_start(p->port, err))
            return -1;
        p->up = true;
    }
    return 0;
}

static int start_threads(struct app *app, struct weir_error *err)
{
    for (unsigned i = 0; i < app->opt.n_cores; i++) {
        int core = app->opt.cores[i], failed;
        pthread_attr_t attr;
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET((size_t)core, &set);
        pthread_attr_init(&attr);
        pthread_attr_setaffinity_np(&attr, sizeof set, &set);
        failed = pthread_create(&app->workers[i].thread, &attr, worker_main, &app->workers[i]);
        pthread_attr_destroy(&attr);
        if (failed) {
            app->opt.n_cores = i; /* those to join */
            return weir_fail(err, -failed, "l2fwd",
                             "start a thread on core %d\n%s\nname cores that this machine has and "
                             "this process may use: taskset -p %d",
                             core, strerror(failed), (int)getpid());
        }
    }
    return 0;
}

static void run(struct app *app)
{
    struct pollfd events = {.fd = weir_event_fd(app->weir), .events = POLLIN};
    const uint64_t start = now_ns(), period = app->opt.stats;
    const uint64_t end = app->opt.duration ? start + app->opt.duration : UINT64_MAX;
    uint64_t now = start, next_events = start, last_stats = start;
    unsigned empty = 0;

    for (unsigned round = 0; !interrupted && now < end; round++) {
        unsigned moved = app->opt.n_cores ? 0 : forward(&app->workers[0]);
        if (app->models)
            moved += weir_models_step(app->weir, 64);
        if (app->opt.n_cores && !app->models)
            poll(&events, 1, 1);
        else
            rest(app, moved, &empty);
        if (moved && round % 16)
            continue; /* the time is not worth asking for in every round */
        now = now_ns();
        if (now >= next_events) {
            struct weir_event ev[16];
            unsigned n = weir_events(app->weir, ev, 16);
            for (unsigned i = 0; i < n; i++)
                on_event(app, &ev[i]);
            take_back_all(app, now);
            next_events = now + MS;
            if (app->opt.count && received(app) >= app->opt.count)
                break;
        }
        if (period && now - last_stats >= period) {
            for (unsigned i = 0; i < app->n_ports; i++)
                print_port(app, &app->ports[i], (double)(now - last_stats) / 1e9);
            last_stats = now;
        }
    }
}

int main(int argc, char **argv)
{
    static struct app app;
    struct weir_error err;
    uint64_t start;
    int failed;

    setvbuf(stdout, NULL, _IOLBF, 0);
    parse(&app, argc, argv);
    sigaction(SIGINT, &(struct sigaction){.sa_handler = on_signal}, NULL);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal}, NULL);

    failed = set_up(&app, &err) || start_threads(&app, &err);
    start = now_ns();
    if (!failed) {
        printf("forwarding\n");
        run(&app);
    }
    atomic_store(&app.stop, true);
    for (unsigned i = 0; i < app.opt.n_cores && app.workers; i++)
        if (app.workers[i].thread)
            pthread_join(app.workers[i].thread, NULL);
    if (!failed) {
        const uint64_t drain = app.opt.patience > DRAIN_NS ? app.opt.patience : DRAIN_NS;
        for (uint64_t end = now_ns() + drain; !all_sent(&app) && now_ns() < end;)
            weir_models_step(app.weir, 64);
        for (unsigned i = 0; i < app.n_ports; i++)
            print_port(&app, &app.ports[i], 0);
        failed = app.opt.json && write_json(&app, (double)(now_ns() - start) / 1e9);
    } else if (interrupted) {
        failed = 0; /* ended while it waited for a device */
    } else {
        weir_error_print(&err, stderr);
    }
    weir_free(app.weir); /* stops and closes the ports first */
    free(app.lanes);
    free(app.workers);
    return failed;
}
