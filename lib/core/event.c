/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One door for everything that happens: an epoll set of watches, and a queue that any thread may
 * post to. Both make the instance's descriptor readable.
 */
#include "lib/core/instance.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

const char *weir_event_name(enum weir_event_type type)
{
    static const char *const names[] = {
        [WEIR_EVENT_LOST] = "lost",          [WEIR_EVENT_RETURNED] = "returned",
        [WEIR_EVENT_LINK] = "link",          [WEIR_EVENT_REQUEST] = "request",
        [WEIR_EVENT_DEVICE_ERROR] = "error",
    };

    return (unsigned)type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}

int weir_event_fd(const struct weir *w)
{
    return w->epoll;
}

static struct epoll_event interest(struct weir_watch *watch, bool want_out)
{
    return (struct epoll_event){
        .events = EPOLLIN | EPOLLRDHUP | (want_out ? (uint32_t)EPOLLOUT : 0u),
        .data.ptr = watch,
    };
}

int weir_watch_add(struct weir *w, struct weir_watch *watch, int fd, bool want_out,
                   struct weir_error *e)
{
    struct epoll_event ev = interest(watch, want_out);

    if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &ev))
        return weir_fail(e, -errno, "watch", "watch descriptor %d\nepoll_ctl: %s", fd,
                         strerror(errno));
    watch->fd = fd;
    return 0;
}

int weir_watch_mod(struct weir *w, struct weir_watch *watch, bool want_out)
{
    struct epoll_event ev = interest(watch, want_out);

    return epoll_ctl(w->epoll, EPOLL_CTL_MOD, watch->fd, &ev) ? -errno : 0;
}

void weir_watch_remove(struct weir *w, struct weir_watch *watch)
{
    if (watch->fd < 0)
        return;
    epoll_ctl(w->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->fd = -1;
}

static struct weir_event *at(struct weir *w, unsigned i)
{
    return &w->queue[(w->head + i) % WEIR_EVENT_QUEUE];
}

/* The queue is full: let go of an event for a new one, if it may. A link's state can be asked for
 * again, a loss or a return is told once. */
static void make_room(struct weir *w, const struct weir_event *ev)
{
    unsigned i;

    /* An older one of the same kind and device says nothing any more. */
    for (i = w->count; i-- > 0;)
        if (at(w, i)->type == ev->type && at(w, i)->device == ev->device)
            break;
    if (i == UINT_MAX)
        for (i = 0; i < w->count && at(w, i)->type != WEIR_EVENT_LINK; i++)
            ;
    if (i == w->count)
        return;
    /* The ones behind it move up, so that the new one is the last. */
    for (; i < w->count - 1; i++)
        *at(w, i) = *at(w, i + 1);
    w->count--;
}

void weir_post(struct weir *w, const struct weir_event *ev)
{
    pthread_mutex_lock(&w->lock);
    if (w->count == WEIR_EVENT_QUEUE)
        make_room(w, ev);
    if (w->count < WEIR_EVENT_QUEUE)
        *at(w, w->count++) = *ev;
    pthread_mutex_unlock(&w->lock);
    (void)!write(w->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
}

void weir_unpost(struct weir *w, const struct weir_device *d, const struct weir_port *p)
{
    unsigned kept = 0;

    pthread_mutex_lock(&w->lock);
    for (unsigned i = 0; i < w->count; i++) {
        const struct weir_event *q = at(w, i);
        if ((d && q->device == d) || (p && q->port == p))
            continue;
        *at(w, kept++) = *q;
    }
    w->count = kept;
    pthread_mutex_unlock(&w->lock);
}

unsigned weir_events(struct weir *w, struct weir_event *ev, unsigned max)
{
    struct epoll_event ready[32];
    uint64_t drained;
    unsigned n = 0;
    int k;

    k = epoll_wait(w->epoll, ready, 32, 0);
    for (int i = 0; i < k; i++) {
        struct weir_watch *watch = ready[i].data.ptr;
        /* An earlier handler of this round may have removed it; the struct still exists, as objects
         * are not freed by handlers. */
        if (watch->fd >= 0)
            watch->ready(watch, ready[i].events);
    }

    pthread_mutex_lock(&w->lock);
    while (n < max && w->count) {
        ev[n++] = w->queue[w->head];
        w->head = (w->head + 1) % WEIR_EVENT_QUEUE;
        w->count--;
    }
    /* Readable for as long as something is queued. */
    if (w->count == 0)
        (void)!read(w->wake_fd, &drained, sizeof drained);
    pthread_mutex_unlock(&w->lock);
    return n;
}
