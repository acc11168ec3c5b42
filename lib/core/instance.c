/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/core/instance.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

const char *weir_version(void)
{
    return WEIR_VERSION;
}

static void wake_ready(struct weir_watch *watch, uint32_t epoll_events)
{
    /* weir_events() drains the queue itself, and then the eventfd. */
    (void)watch;
    (void)epoll_events;
}

struct weir *weir_new(const struct weir_options *opt, struct weir_error *e)
{
    struct weir *w;

    if (opt && opt->size != sizeof *opt) {
        weir_fail(e, -EINVAL, "options-size",
                  "make an instance\nweir_options.size is %zu, this library expects %zu\n"
                  "set it to sizeof(struct weir_options) and build against the library's headers",
                  opt->size, sizeof *opt);
        return NULL;
    }
    w = calloc(1, sizeof *w);
    if (!w) {
        weir_fail(e, -ENOMEM, "no-memory", "make an instance\nout of memory");
        return NULL;
    }
    if (opt)
        w->opt = *opt;
    w->objects.next = w->objects.prev = &w->objects;
    pthread_mutex_init(&w->lock, NULL);
    w->wake.fd = w->wake_fd = -1;
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll < 0) {
        weir_fail(e, -errno, "no-descriptors",
                  "make an instance\nepoll_create1: %s\nraise the limit on open files: ulimit -n",
                  strerror(errno));
        weir_free(w);
        return NULL;
    }
    w->wake.ready = wake_ready;
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake_fd < 0) {
        weir_fail(e, -errno, "no-descriptors",
                  "make an instance\neventfd: %s\nraise the limit on open files: ulimit -n",
                  strerror(errno));
        weir_free(w);
        return NULL;
    }
    if (weir_watch_add(w, &w->wake, w->wake_fd, false, e)) {
        weir_free(w);
        return NULL;
    }
    return w;
}

void weir_free(struct weir *w)
{
    if (!w)
        return;
    /* Highest rank first; freeing one object may free others (a port its device), so look anew. */
    for (int rank = WEIR_RANK_PORT; rank >= WEIR_RANK_SPACE; rank--) {
        struct weir_object *o = w->objects.next;
        while (o != &w->objects) {
            if (o->rank == (enum weir_rank)rank) {
                o->free(o);
                o = w->objects.next;
            } else {
                o = o->next;
            }
        }
    }
    weir_named_free(&w->drivers);
    weir_named_free(&w->models);
    weir_named_free(&w->wires);
    if (w->wake_fd >= 0)
        close(w->wake_fd);
    if (w->epoll >= 0)
        close(w->epoll);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void weir_object_add(struct weir *w, struct weir_object *o, enum weir_rank rank,
                     void (*fn)(struct weir_object *o))
{
    o->rank = rank;
    o->free = fn;
    o->prev = w->objects.prev;
    o->next = &w->objects;
    o->prev->next = o;
    w->objects.prev = o;
}

void weir_object_remove(struct weir_object *o)
{
    if (!o->next)
        return;
    o->prev->next = o->next;
    o->next->prev = o->prev;
    o->next = o->prev = NULL;
}
