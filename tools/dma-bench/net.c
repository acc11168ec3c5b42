/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network controllers as DMA engines: frames that a device sends come back to it, over a loopback
 * in its MAC or by the wire it is plugged into, so that each is read from memory once and written
 * to memory once. What comes back is checked.
 *
 * A model in this process works when it is stepped, in the same loop: its figures are of the model
 * and this CPU, and only its IOTLB's counts say something about hardware.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <weir/driver/driver.h>
#include <weir/driver/regs.h>

#define STALL_NS   10000000000u /* no frame came back for so long: it hangs */
#define ETHERTYPE  0x88b5       /* for local experiments, IEEE 802 */
#define CHECK_EACH 61           /* one in so many frames is checked while time is measured */

enum { HEADER = 14, STEP = 64 };

struct net {
    struct bench *b;
    struct weir *w;
    struct weir_arena *arena;
    struct weir_pktpool *pool;
    struct weir_pktcache *cache;
    struct weir_port *port;
    struct weir_model *model; /* in this process, or NULL */
    struct weir_rxq *rx;
    struct weir_txq *tx;
    uint8_t mac[6];
    unsigned frame, burst;
    uint32_t in_flight;
    uint64_t received, sent, bad, turns;
    /* Packets that wait for their turn to be sent, a ring of cap. */
    struct weir_pkt **held;
    uint32_t n_held, first_held, cap_held;
    bool keep; /* what comes back waits for its turn to be sent; else it is let go */
};

struct setup {
    const char *device;
    uint64_t page, node;
    unsigned frame, ring, burst;
    uint32_t room;    /* of a buffer */
    uint32_t packets; /* that the application holds and sends */
};

/* Sending a device's frames back inside it, if its driver's table has the X540's name for that
 * (datasheet 8.2.3.22.9 HLREG0.LPBK; MACC.FLU has the link up with nothing plugged in). */
static bool loop_back(struct net *n)
{
    struct weir_device *d = weir_port_device(n->port);
    const struct weir_driver *driver;
    struct weir_port_info port;
    bool found = false;

    weir_port_info(n->port, &port);
    for (unsigned i = 0; (driver = weir_driver_at(n->w, i)); i++) {
        const struct weir_reg_table *t = driver->regs;

        if (strcmp(driver->name, port.driver) != 0 || !t)
            continue;
        for (unsigned k = 0; k < t->n_fields; k++) {
            const struct weir_reg_field *f = &t->fields[k];
            const struct weir_reg *r = &t->regs[f->reg];
            bool lpbk = !strcmp(r->name, "HLREG0") && !strcmp(f->name, "LPBK");

            if (!lpbk && (strcmp(r->name, "MACC") || strcmp(f->name, "FLU")))
                continue;
            weir_write32(d, WEIR_REGION_BAR0, r->offset,
                         weir_read32(d, WEIR_REGION_BAR0, r->offset) | f->mask);
            found |= lpbk;
        }
        break;
    }
    return found;
}

/* A frame with a number, and bytes that follow from it. */
static void make_frame(struct net *n, struct weir_pkt *p, uint64_t number)
{
    uint8_t *at = weir_pkt_data(p);

    memcpy(at, n->mac, 6);
    memcpy(at + 6, n->mac, 6);
    at[12] = ETHERTYPE >> 8;
    at[13] = ETHERTYPE & 0xff;
    memcpy(at + HEADER, &number, sizeof number);
    for (unsigned i = HEADER + 8; i < n->frame; i++)
        at[i] = (uint8_t)(number * 7 + i * 13);
    weir_pkt_set_len(p, (uint16_t)n->frame);
}

static bool frame_good(const struct net *n, const struct weir_pkt *p)
{
    const uint8_t *at = weir_pkt_data(p);
    uint64_t number;

    if (p->total != n->frame || p->n_segs != 1 || memcmp(at, n->mac, 6) ||
        at[12] != ETHERTYPE >> 8 || at[13] != (ETHERTYPE & 0xff))
        return false;
    memcpy(&number, at + HEADER, sizeof number);
    for (unsigned i = HEADER + 8; i < n->frame; i++) {
        if (at[i] != (uint8_t)(number * 7 + i * 13))
            return false;
    }
    return true;
}

static void hold(struct net *n, struct weir_pkt *p)
{
    n->held[(n->first_held + n->n_held++) % n->cap_held] = p;
}

static void close_net(struct net *n)
{
    free(n->held);
    weir_free(n->w);
}

static int open_net(struct net *n, struct bench *b, const struct setup *s, struct weir_error *e)
{
    struct weir_pktpool_options pool = {
        .size = sizeof pool,
        .data_room = s->room,
        /* The rings, what is held, and what lies in three caches: two queues' and this one's. */
        .packets = 2 * s->ring + s->packets + s->packets / 8 + 1024,
    };
    struct weir_port_options opt = {
        .size = sizeof opt,
        .rx_ring = s->ring,
        .tx_ring = s->ring,
        .promiscuous = true,
        .mtu = s->frame - HEADER > 1500 ? s->frame - HEADER : 1500,
    };
    struct weir_device_options dev = {.size = sizeof dev};
    struct weir_device_info info;
    struct weir_device *d;

    *n = (struct net){.b = b, .frame = s->frame, .burst = s->burst};
    n->w = bench_instance(b);
    if (!n->w)
        return weir_fail(e, -1, "bench", "start\n");
    d = weir_device_open(n->w, s->device, &dev, e);
    if (!d)
        goto fail;
    weir_device_info(d, &info);
    n->model = info.model;
    n->arena =
        bench_arena(b, n->w, weir_pktpool_bytes(&pool) + (4u << 20), s->page, s->node, info.space);
    if (!n->arena) {
        weir_fail(e, 0, "bench", "\n"); /* it is in the notes */
        goto fail;
    }
    n->pool = weir_pktpool_new(n->arena, &pool, e);
    opt.pool = n->pool;
    n->port = n->pool ? weir_port_new(d, &opt, e) : NULL;
    n->cache = n->port ? weir_pktcache_new(n->pool, e) : NULL;
    if (!n->cache)
        goto fail;
    n->rx = weir_port_rxq(n->port, 0);
    n->tx = weir_port_txq(n->port, 0);
    /* One cache for both, so that a buffer that was sent is the next to be received into, and no
     * more of them are in use than was asked for. */
    if (weir_rxq_set_cache(n->rx, n->cache, e) || weir_txq_set_cache(n->tx, n->cache, e) ||
        weir_port_start(n->port, e))
        goto fail;
    loop_back(n);
    struct weir_port_info port;

    weir_port_info(n->port, &port);
    memcpy(n->mac, port.mac, 6);
    n->cap_held = s->packets + s->ring;
    n->held = bench_alloc(NULL, n->cap_held * sizeof *n->held);
    for (uint32_t i = 0; i < s->packets; i++) {
        struct weir_pkt *p = weir_pkt_alloc(n->cache);

        if (!p) {
            weir_fail(e, -1, "bench", "take %u packets\nthe pool has no more\n--ring, with less",
                      s->packets);
            goto fail;
        }
        make_frame(n, p, i);
        hold(n, p);
    }
    n->keep = true;
    return 0;
fail:
    close_net(n);
    return -1;
}

/* Send what waits, as far as the rings have room. */
static void send_held(struct net *n, uint32_t window)
{
    struct weir_pkt *p[64];

    while (n->n_held && n->in_flight < window) {
        unsigned want = n->burst < 64 ? n->burst : 64, got;

        if (want > n->n_held)
            want = n->n_held;
        if (want > window - n->in_flight)
            want = window - n->in_flight;
        for (unsigned i = 0; i < want; i++)
            p[i] = n->held[(n->first_held + i) % n->cap_held];
        got = weir_tx_burst(n->tx, p, want);
        n->first_held = (n->first_held + got) % n->cap_held;
        n->n_held -= got;
        n->in_flight += got;
        n->sent += got;
        if (got < want)
            break;
    }
}

/* One turn: receive, check, send on, let a model work. Returns how many came. */
static unsigned turn(struct net *n, uint32_t window, unsigned check_each)
{
    struct weir_pkt *p[64];
    unsigned got = weir_rx_burst(n->rx, p, n->burst < 64 ? n->burst : 64);

    for (unsigned i = 0; i < got; i++) {
        n->received++;
        n->in_flight -= n->in_flight > 0;
        if (n->received % check_each == 0 && !frame_good(n, p[i]))
            n->bad++;
        if (n->keep && n->n_held < n->cap_held)
            hold(n, p[i]);
        else
            weir_pkt_free(n->cache, p[i]);
    }
    send_held(n, window);
    if (n->model)
        weir_models_step(n->w, STEP);
    if (++n->turns % 1024 == 0) {
        struct weir_event ev[4];

        weir_events(n->w, ev, 4);
    }
    return got;
}

/* Until frames have come back, or it hangs. */
static int run_frames(struct net *n, uint32_t window, uint64_t frames, uint64_t time_ns,
                      unsigned check_each, struct weir_error *e)
{
    uint64_t start = bench_now(), last = start, from = n->received, then = from;

    for (;;) {
        if (turn(n, window, check_each) == 0 || n->turns % 16 == 0) {
            uint64_t now = bench_now();

            if (now - start >= time_ns && n->received - from >= frames)
                return 0;
            if (n->received != then)
                last = now;
            else if (now - last > STALL_NS)
                return weir_fail(e, -1, "bench",
                                 "have frames come back\nof %llu that were sent %llu came, and "
                                 "none for 10 s\nplug in a loopback; a model takes ?wire=loopback",
                                 (unsigned long long)n->sent, (unsigned long long)n->received);
            then = n->received;
        }
    }
}

/* All that is on its way comes back, and each is checked. */
static int drain(struct net *n, struct weir_error *e)
{
    n->n_held = 0; /* those stay where they are: the pool goes, too */
    n->keep = false;
    uint64_t left = n->in_flight;

    return left ? run_frames(n, 0, left, 0, 1, e) : 0;
}

static void set_vars(struct bench_row *row, const struct setup *s)
{
    row->var[BENCH_PAGE] = s->page;
    row->var[BENCH_NODE] = s->node;
    row->var[BENCH_FRAME] = s->frame;
    row->var[BENCH_RING] = s->ring;
    row->var[BENCH_BURST] = s->burst;
}

static void failed(struct bench *b, const char *what, const struct setup *s,
                   const struct weir_error *e)
{
    char text[200];

    if (!e->err)
        return;
    snprintf(text, sizeof text, "%s of %s", what, s->device);
    bench_note_error(b, text, e);
}

static bool finish(struct net *n, const char *what, const struct setup *s)
{
    struct bench *b = n->b;
    struct weir_error e;

    if (drain(n, &e)) {
        failed(b, what, s, &e);
        return false;
    }
    if (n->bad) {
        bench_fail(b, "%s of %s: %llu of the frames that were checked came back damaged", what,
                   s->device, (unsigned long long)n->bad);
        return false;
    }
    return true;
}

/* Translations so far. */
static void translations(struct net *n, uint64_t *all, uint64_t *misses)
{
    struct weir_iotlb_stats s;

    *all = *misses = 0;
    if (!n->model || !weir_model_iotlb(n->model, &s))
        return;
    for (unsigned i = 0; i < s.n_pages; i++) {
        *misses += s.total.misses[i];
        *all += s.total.hits[i] + s.total.misses[i];
    }
}

static void throughput(struct bench *b, struct setup s)
{
    struct bench_row row = bench_row("throughput", s.device, "frames", "M/s", true);
    double *mpps = bench_alloc(NULL, 3 * b->reps * sizeof *mpps), *gbps = mpps + b->reps;
    double *missed = gbps + b->reps;
    struct weir_error e = {0};
    unsigned done = 0;
    bool counted = false; /* a model's IOTLB, if its name asks for one */
    struct net n;

    s.packets = s.ring / 2;
    bench_progress(b, "throughput, %s", s.device);
    if (open_net(&n, b, &s, &e)) {
        failed(b, "throughput", &s, &e);
        free(mpps);
        return;
    }
    /* Every frame is checked while it warms up. */
    if (run_frames(&n, s.packets, s.ring, b->time_ns / 4, 1, &e) == 0) {
        while (done < b->reps) {
            uint64_t before = n.received, start = bench_now(), ns, t[2], u[2];

            translations(&n, &t[0], &t[1]);
            if (run_frames(&n, s.packets, 1, b->time_ns, CHECK_EACH, &e))
                break;
            ns = bench_now() - start;
            translations(&n, &u[0], &u[1]);
            counted = u[0] > t[0];
            missed[done] = (double)(u[1] - t[1]) / (double)(n.received - before);
            mpps[done] = (double)(n.received - before) / ((double)ns / 1e9) / 1e6;
            gbps[done] = mpps[done] * s.frame / 1e3;
            done++;
        }
    }
    if (done < b->reps) {
        failed(b, "throughput", &s, &e);
    } else if (finish(&n, "throughput", &s)) {
        set_vars(&row, &s);
        bench_add(b, row, mpps, done);
        snprintf(row.metric, sizeof row.metric, "data");
        snprintf(row.unit, sizeof row.unit, "GB/s");
        bench_add(b, row, gbps, done);
        row.higher = false;
        snprintf(row.metric, sizeof row.metric, "misses of a frame");
        snprintf(row.unit, sizeof row.unit, "/frame");
        if (counted)
            bench_add(b, row, missed, done);
    }
    free(mpps);
    close_net(&n);
}

enum { MAX_PINGS = 20000 };

static void latency(struct bench *b, struct setup s)
{
    struct bench_row row = bench_row("latency", s.device, "there and back", "us", false);
    double *us = bench_alloc(NULL, MAX_PINGS * sizeof *us);
    struct weir_error e = {0};
    uint64_t end;
    unsigned n_us = 0;
    struct net n;
    int r;

    s.packets = 1;
    s.burst = 1;
    bench_progress(b, "latency, %s", s.device);
    if (open_net(&n, b, &s, &e)) {
        failed(b, "latency", &s, &e);
        free(us);
        return;
    }
    r = run_frames(&n, 1, 100, 0, 1, &e);
    end = bench_now() + b->reps * b->time_ns;
    while (r == 0 && n_us < MAX_PINGS) {
        uint64_t before = n.received, start = bench_now(), now = start;

        while (n.received == before && now - start < STALL_NS) {
            turn(&n, 1, 1);
            now = bench_now();
        }
        if (n.received == before) {
            r = weir_fail(&e, -1, "bench",
                          "have a frame come back\nit did not within 10 s\n"
                          "plug in a loopback; a model takes ?wire=loopback");
            break;
        }
        us[n_us++] = (double)(now - start) / 1e3;
        if (now > end && n_us >= b->reps)
            break;
    }
    if (r) {
        failed(b, "latency", &s, &e);
    } else if (finish(&n, "latency", &s)) {
        set_vars(&row, &s);
        row.var[BENCH_BURST] = BENCH_NONE;
        bench_add(b, row, us, n_us);
    }
    free(us);
    close_net(&n);
}

/* Mix the order in which packets are sent, and so the order of the buffers, the same each time:
 * neighbours in memory, which share a page, do not follow each other. */
static void shuffle(struct net *n)
{
    uint64_t seed = 1;

    for (uint32_t i = n->n_held; i > 1; i--) {
        struct weir_pkt **a = &n->held[i - 1], **b, *p;

        seed ^= seed >> 12; /* xorshift64* */
        seed ^= seed << 25;
        seed ^= seed >> 27;
        b = &n->held[(seed * 0x2545f4914f6cdd1du >> 16) % i];
        p = *a;
        *a = *b;
        *b = p;
    }
}

/* Can it be given an IOTLB? A model in this process whose name does not ask for one itself. */
static bool takes_iotlb(const char *device)
{
    return strncmp(device, "model:", 6) == 0 && !strstr(device, "iotlb=");
}

/* As many buffers as make up the footprint, used in turn. */
static void footprint(struct bench *b, struct setup s, uint64_t bytes, uint64_t entries)
{
    struct bench_row row = bench_row("iotlb", s.device, "frames", "M/s", true);
    double *samples = bench_alloc(NULL, 3 * b->reps * sizeof *samples);
    double *mpps = samples, *share = samples + b->reps, *per_frame = share + b->reps;
    struct weir_error e = {0};
    struct weir_iotlb_stats stats = {0};
    char name[160];
    unsigned done = 0;
    uint64_t all;
    struct net n;
    bool counted = false;

    snprintf(name, sizeof name, "%s", s.device);
    if (takes_iotlb(name))
        snprintf(name, sizeof name, "%s%ciotlb=%llu", s.device, strchr(s.device, '?') ? '&' : '?',
                 (unsigned long long)entries);
    const char *plain = s.device;
    s.device = name;
    s.room = 1024;
    s.frame = 60;
    all = bytes / (s.room + WEIR_PKT_HEADROOM + WEIR_CACHE_LINE);
    /* A ring's buffers are part of it. */
    if (all < s.ring + 32) {
        bench_note(&b->result, "iotlb: a footprint of %llu bytes is less than a ring's buffers",
                   (unsigned long long)bytes);
        free(samples);
        return;
    }
    s.packets = (uint32_t)(all - s.ring);
    bench_progress(b, "iotlb, %s", plain);
    if (open_net(&n, b, &s, &e)) {
        failed(b, "iotlb", &s, &e);
        free(samples);
        return;
    }
    shuffle(&n);
    /* Once around, so that only what comes back again counts. */
    if (run_frames(&n, 32, 2 * all, 0, 1, &e) == 0) {
        while (done < b->reps) {
            uint64_t before = n.received, start, ns, t[2], u[2];

            translations(&n, &t[0], &t[1]);
            start = bench_now();
            /* A count wants the same frames each time, a rate the same time. */
            if (run_frames(&n, 32, all, n.model ? 0 : b->time_ns, CHECK_EACH, &e))
                break;
            ns = bench_now() - start;
            translations(&n, &u[0], &u[1]);
            mpps[done] = (double)(n.received - before) / ((double)ns / 1e9) / 1e6;
            counted = u[0] > t[0];
            share[done] = counted ? 100.0 * (double)(u[1] - t[1]) / (double)(u[0] - t[0]) : 0;
            per_frame[done] = (double)(u[1] - t[1]) / (double)(n.received - before);
            done++;
        }
    }
    if (done < b->reps) {
        failed(b, "iotlb", &s, &e);
    } else if (finish(&n, "iotlb", &s)) {
        snprintf(row.target, sizeof row.target, "%s", plain);
        set_vars(&row, &s);
        row.var[BENCH_FOOTPRINT] = bytes;
        if (!n.model) {
            bench_add(b, row, mpps, done); /* of a model it would say what stepping it costs */
            if (strncmp(plain, "vfio-user:", 10) == 0)
                bench_note(&b->result,
                           "IOTLB misses of %s: a model in another process counts its own, see "
                           "weir model --iotlb",
                           plain);
        } else if (counted) {
            weir_model_iotlb(n.model, &stats);
            row.var[BENCH_IOTLB] = stats.entries;
            row.higher = false;
            snprintf(row.metric, sizeof row.metric, "misses");
            snprintf(row.unit, sizeof row.unit, "%%");
            bench_add(b, row, share, done);
            snprintf(row.unit, sizeof row.unit, "/frame");
            snprintf(row.metric, sizeof row.metric, "misses of a frame");
            bench_add(b, row, per_frame, done);
        } else {
            bench_note(&b->result, "iotlb of %s: the model counted no translations", plain);
        }
    }
    free(samples);
    close_net(&n);
}

/* The product of all lists; a list without values counts once. */
static void each(struct bench *b, const char *device, bool tput, bool lat)
{
    unsigned n[BENCH_VARS];

    for (unsigned v = 0; v < BENCH_VARS; v++)
        n[v] = b->list[v].n ? b->list[v].n : 1;
    for (unsigned p = 0; p < n[BENCH_PAGE]; p++)
        for (unsigned o = 0; o < n[BENCH_NODE]; o++)
            for (unsigned f = 0; f < n[BENCH_FRAME]; f++)
                for (unsigned r = 0; r < n[BENCH_RING]; r++)
                    for (unsigned k = 0; k < n[BENCH_BURST]; k++) {
                        const struct setup s = {
                            .device = device,
                            .page = bench_value(b, BENCH_PAGE, p),
                            .node = bench_value(b, BENCH_NODE, o),
                            .frame = (unsigned)bench_value(b, BENCH_FRAME, f),
                            .ring = (unsigned)bench_value(b, BENCH_RING, r),
                            .burst = (unsigned)bench_value(b, BENCH_BURST, k),
                            .room = bench_value(b, BENCH_FRAME, f) > 2048 ? 16384 : 2048,
                        };

                        if (tput)
                            throughput(b, s);
                        if (lat && k == 0)
                            latency(b, s);
                    }
}

/* The wall, for all combinations of what makes a difference to it. */
static void footprints(struct bench *b, const char *device)
{
    static const struct bench_list small = {.v = {64}, .n = 1}, none = {.n = 1};
    const struct bench_list *pages = &b->list[BENCH_PAGE], *bytes = &b->list[BENCH_FOOTPRINT];
    const struct bench_list *rings = b->given[BENCH_RING] ? &b->list[BENCH_RING] : &small;
    const struct bench_list *entries = takes_iotlb(device) ? &b->list[BENCH_IOTLB] : &none;
    unsigned n_nodes = b->list[BENCH_NODE].n ? b->list[BENCH_NODE].n : 1;

    for (unsigned p = 0; p < pages->n; p++)
        for (unsigned o = 0; o < n_nodes; o++)
            for (unsigned r = 0; r < rings->n; r++)
                for (unsigned t = 0; t < entries->n; t++)
                    for (unsigned f = 0; f < bytes->n; f++) {
                        const struct setup s = {
                            .device = device,
                            .page = pages->v[p],
                            .node = bench_value(b, BENCH_NODE, o),
                            .ring = (unsigned)rings->v[r],
                            .burst = 32,
                        };

                        footprint(b, s, bytes->v[f], entries->v[t]);
                    }
}

void bench_net(struct bench *b, const char *device, bool tput, bool lat, bool iotlb)
{
    if (tput || lat)
        each(b, device, tput, lat);
    if (iotlb)
        footprints(b, device);
}
