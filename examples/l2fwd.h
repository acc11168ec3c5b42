/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of l2fwd. l2fwd.c does the work, l2fwd_options.c reads the command line,
 * l2fwd_report.c prints what happened. */
#ifndef L2FWD_H
#define L2FWD_H

#include <pthread.h>
#include <stdatomic.h>
#include <weir/weir.h>

enum { MAX_PORTS = 64, MAX_QUEUES = 64, MAX_CORES = 64, MAX_BURST = 256 };
#define MS UINT64_C(1000000) /* nanoseconds */

enum idle { IDLE_SPIN, IDLE_YIELD, IDLE_SLEEP };

struct options {
    uint64_t burst, queues, mtu, ring, packets, memory, page, count;
    uint64_t stats, duration, wait, patience; /* nanoseconds */
    bool mac_rewrite, promiscuous, verbose;
    enum idle idle;
    const char *json;
    unsigned n_cores;
    int cores[MAX_CORES];
};

struct port {
    const char *name;
    unsigned index;
    uint64_t losses;
    struct weir_device *device; /* the port's, once there is one */
    struct weir_port *port;
    struct weir_model *model;
    struct port *partner;
    bool up;        /* not lost; changes only while the workers that serve the port are paused */
    uint64_t again; /* not up, though its device is there: try again then, ns */
    uint8_t mac[6];
    struct weir_port_stats last; /* at the last line of statistics */
};

struct lane {
    struct port *from, *to;
    struct weir_rxq *rx;
    struct weir_txq *tx;
    unsigned n, sent;                  /* packets in hand, how many of them are sent */
    uint64_t stuck;                    /* since when the ring takes nothing, ns; 0: it does */
    _Atomic uint64_t tx_full, no_port; /* packets dropped, and why; the main thread prints them */
    struct weir_pkt *pkts[MAX_BURST];
};

struct worker {
    struct app *app;
    pthread_t thread;
    struct weir_pktcache *cache;
    struct lane *lanes[MAX_PORTS * MAX_QUEUES];
    unsigned n_lanes;
    atomic_bool pause;
    pthread_barrier_t meet; /* with the main thread: once paused, and once to go on */
};

struct app {
    struct options opt;
    struct weir *weir;
    struct weir_pktpool *pool;
    struct port ports[MAX_PORTS];
    struct lane *lanes;
    struct worker *workers; /* one, run by the main thread, if there are no cores */
    unsigned n_ports, n_lanes, n_workers;
    bool models; /* a port is a model in this process, which somebody must step */
    atomic_bool stop;
};

/* Fill app->opt and app->ports; ends the program with status 2 if they make no sense. */
void parse(struct app *app, int argc, char **argv);

/* A line of counters, with rates over the last @seconds if that is not 0. */
void print_port(struct app *app, struct port *p, double seconds);
/* All counters to app->opt.json. */
int write_json(const struct app *app, double seconds);

#endif
