/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A cable between two models of one instance, who may be stepped by different threads.
 *
 * Each direction is a queue that the sender waits for when it is full. The rings and eventfds
 * belong to the cable and live until both ends are closed, so that an end may close while the other
 * works.
 */
#include "lib/core/instance.h"
#include "lib/model/framering.h"
#include "lib/model/wires.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RING_BYTES (512u * 1024)

/* All but the ring is read and written by both ends, atomically. */
struct cable_side {
    struct weir_framering in; /* frames for this side */
    int eventfd;
    bool present, plugged;
    bool sleeps; /* somebody asked for the descriptor and so may wait on it */
    bool armed;  /* found its ring empty: to be woken by the next frame */
    bool wants_room;
};

struct weir_cable {
    struct weir_cable *next;
    char *name;
    struct cable_side side[2];
};

struct cable_end {
    struct weir *w;
    struct weir_cable *cable;
    struct cable_side *me, *peer;
    bool sent;    /* since the last flush */
    bool refused; /* the last tx found the peer's ring full */
    uint64_t dropped, dropped_bytes;
};

#define GET(x)    __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define SET(x, v) __atomic_store_n(&(x), v, __ATOMIC_RELEASE)

static void wake(struct cable_side *side)
{
    uint64_t one = 1;

    /* It cannot fail but by a counter near 2^64, and then the descriptor is readable anyway. */
    if (write(side->eventfd, &one, sizeof one) < 0)
        return;
}

static void cable_free(struct weir_cable *c)
{
    for (unsigned i = 0; i < 2; i++) {
        weir_framering_destroy(&c->side[i].in);
        if (c->side[i].eventfd >= 0)
            close(c->side[i].eventfd);
    }
    free(c->name);
    free(c);
}

static struct weir_cable *cable_new(char *name, struct weir_error *e)
{
    struct weir_cable *c = calloc(1, sizeof *c);

    if (!c) {
        weir_fail(e, -ENOMEM, "no-memory", "open a cable\nout of memory");
        free(name);
        return NULL;
    }
    c->name = name;
    c->side[0].eventfd = c->side[1].eventfd = -1;
    for (unsigned i = 0; i < 2; i++) {
        if (weir_framering_init(&c->side[i].in, RING_BYTES)) {
            weir_fail(e, -ENOMEM, "no-memory", "open a cable\nout of memory");
            cable_free(c);
            return NULL;
        }
        c->side[i].eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (c->side[i].eventfd < 0) {
            weir_fail(e, -errno, "no-descriptors",
                      "open a cable\neventfd: %s\nraise the limit on open files: ulimit -n",
                      strerror(errno));
            cable_free(c);
            return NULL;
        }
    }
    return c;
}

/* Take a free end of the cable of that name; name becomes the cable's or is freed. w->lock is held.
 */
static int attach(struct cable_end *end, char *name, struct weir_error *e)
{
    struct weir_cable *c = end->w->cables;
    struct weir_frame stale;
    char shown[64];

    while (c && strcmp(c->name, name))
        c = c->next;
    if (c && c->side[0].present && c->side[1].present) {
        weir_printable(shown, sizeof shown, name, strlen(name));
        free(name);
        return weir_fail(e, -EBUSY, "wire-busy",
                         "open cable %s\nboth its ends are taken\n"
                         "a cable joins two models; give this one a cable of another name",
                         shown);
    }
    if (c) {
        free(name);
    } else {
        c = cable_new(name, e);
        if (!c)
            return e ? e->err : -ENOMEM;
        c->next = end->w->cables;
        end->w->cables = c;
    }
    end->cable = c;
    end->me = &c->side[c->side[0].present];
    end->peer = &c->side[!c->side[0].present];
    /* What was on its way to this end's owner before. */
    while (weir_framering_take(&end->me->in, &stale))
        ;
    SET(end->me->sleeps, false);
    SET(end->me->wants_room, false);
    SET(end->me->plugged, true);
    SET(end->me->present, true);
    return 0;
}

static int cable_open(struct weir *w, const char *args, void **priv, struct weir_error *e)
{
    char *name = NULL;
    const struct weir_arg table[] = {{"NAME", WEIR_ARG_NAME, &name, 0, 64}};
    struct cable_end *end;
    int err = weir_args_parse("cable", args, table, 1, e);

    if (err) {
        free(name);
        return err;
    }
    end = calloc(1, sizeof *end);
    if (!end) {
        free(name);
        return weir_fail(e, -ENOMEM, "no-memory", "open a cable\nout of memory");
    }
    end->w = w;
    pthread_mutex_lock(&w->lock);
    err = attach(end, name, e);
    pthread_mutex_unlock(&w->lock);
    if (err) {
        free(end);
        return err;
    }
    if (GET(end->peer->sleeps))
        wake(end->peer); /* its link came up */
    *priv = end;
    return 0;
}

static void cable_close(void *priv)
{
    struct cable_end *end = priv;
    struct weir_cable **c = &end->w->cables;

    pthread_mutex_lock(&end->w->lock);
    SET(end->me->present, false);
    if (GET(end->peer->present)) {
        if (GET(end->peer->sleeps))
            wake(end->peer);
    } else {
        while (*c != end->cable)
            c = &(*c)->next;
        *c = end->cable->next;
        cable_free(end->cable);
    }
    pthread_mutex_unlock(&end->w->lock);
    free(end);
}

static bool cable_link(void *priv)
{
    const struct cable_end *end = priv;

    return GET(end->me->plugged) && GET(end->peer->present) && GET(end->peer->plugged);
}

/* The sender waits for room: wake it when half of the ring is free again. */
static void give_room(struct cable_end *end)
{
    const struct weir_framering *in = &end->me->in;

    if (GET(in->put.head) - in->take.tail <= in->size / 2) {
        SET(end->peer->wants_room, false);
        wake(end->peer);
    }
}

static bool cable_rx(void *priv, struct weir_frame *frame)
{
    struct cable_end *end = priv;
    struct cable_side *me = end->me;
    bool got = weir_framering_take(&me->in, frame);
    uint64_t count;

    if (!got && GET(me->sleeps)) {
        /* Arm, then look again: cable_flush() does the same in the opposite order. */
        SET(me->armed, true);
        if (read(me->eventfd, &count, sizeof count) < 0)
            count = 0; /* it was not signalled */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        got = weir_framering_take(&me->in, frame);
    }
    if (GET(end->peer->wants_room))
        give_room(end);
    return got;
}

static bool cable_tx(void *priv, const struct iovec *iov, unsigned n, uint32_t len)
{
    struct cable_end *end = priv;

    if (!cable_link(end)) {
        end->dropped++;
        end->dropped_bytes += len;
        return true;
    }
    end->refused = !weir_framering_put(&end->peer->in, iov, n, len);
    if (end->refused && GET(end->me->sleeps)) {
        SET(end->me->wants_room, true);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        end->refused = !weir_framering_put(&end->peer->in, iov, n, len);
    }
    end->sent |= !end->refused;
    return !end->refused;
}

static void cable_flush(void *priv)
{
    struct cable_end *end = priv;

    if (!end->sent)
        return;
    end->sent = false;
    if (!GET(end->peer->sleeps))
        return;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (GET(end->peer->armed) && __atomic_exchange_n(&end->peer->armed, false, __ATOMIC_ACQ_REL))
        wake(end->peer);
}

static uint64_t cable_deadline(void *priv)
{
    const struct cable_end *end = priv;

    if (weir_framering_ready(&end->me->in) ||
        (end->refused && (!GET(end->me->sleeps) || !GET(end->me->wants_room) || !cable_link(priv))))
        return 0;
    return UINT64_MAX;
}

static int cable_fd(void *priv)
{
    struct cable_end *end = priv;

    SET(end->me->sleeps, true);
    return end->me->eventfd;
}

static void cable_set_link(void *priv, bool up)
{
    struct cable_end *end = priv;

    SET(end->me->plugged, up);
    if (GET(end->peer->sleeps))
        wake(end->peer);
}

static void cable_stats(void *priv, struct weir_model_stats *sum)
{
    const struct cable_end *end = priv;

    sum->tx_dropped += end->dropped;
    sum->tx_dropped_bytes += end->dropped_bytes;
}

const struct weir_wire_ops weir_wire_cable = {
    .kind = "cable",
    .help = "NAME",
    .open = cable_open,
    .close = cable_close,
    .rx = cable_rx,
    .tx = cable_tx,
    .flush = cable_flush,
    .deadline = cable_deadline,
    .fd = cable_fd,
    .link = cable_link,
    .set_link = cable_set_link,
    .stats = cable_stats,
};
