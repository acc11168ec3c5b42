/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of struct weir: who belongs to it, what it watches, what it knows by name.
 *
 * Objects (ports, devices, ...) link themselves in with a rank, so that weir_free() can take the
 * highest rank down first without core knowing what they are. Watches are descriptors in the
 * instance's epoll set, served by weir_events().
 */
#ifndef WEIR_CORE_INSTANCE_H
#define WEIR_CORE_INSTANCE_H

#include <pthread.h>
#include <sys/epoll.h>
#include <weir/driver/driver.h>
#include <weir/driver/model.h>
#include <weir/driver/wire.h>
#include <weir/weir.h>

/* Freed from the highest rank to the lowest. */
enum weir_rank {
    WEIR_RANK_SPACE = 1,
    WEIR_RANK_ARENA,
    WEIR_RANK_POOL,
    WEIR_RANK_MODEL,
    WEIR_RANK_DEVICE,
    WEIR_RANK_SERVER,
    WEIR_RANK_PORT, /* and channels: lib/device/user.h */
};

struct weir_object {
    struct weir_object *prev, *next;
    enum weir_rank rank;
    void (*free)(
        struct weir_object *o); /* frees the object; unlinks it with weir_object_remove() */
};

struct weir_watch {
    int fd; /* -1: not watching */
    void (*ready)(struct weir_watch *watch, uint32_t epoll_events);
};

struct weir_named {
    struct weir_named *next;
    const char *name;
    const void *what;
};

struct weir_cable; /* lib/model/wire_cable.c */

#define WEIR_EVENT_QUEUE 256

struct weir {
    struct weir_options opt;
    struct weir_object objects; /* list head */
    int epoll;
    /* Events not fetched yet, a ring. Guarded by lock: a lost device may be noticed by any thread.
     */
    pthread_mutex_t lock;
    struct weir_event queue[WEIR_EVENT_QUEUE];
    unsigned head, count;
    struct weir_watch wake; /* the queue is not empty */
    int wake_fd;            /* its eventfd */
    struct weir_named *drivers, *models, *wires;
    struct weir_cable *cables; /* what cable wires are ends of; guarded by lock */
};

void weir_object_add(struct weir *w, struct weir_object *o, enum weir_rank rank,
                     void (*fn)(struct weir_object *o));
void weir_object_remove(struct weir_object *o);

/* Watch fd (level-triggered, EPOLLIN and hang-up, plus EPOLLOUT if want_out). */
int weir_watch_add(struct weir *w, struct weir_watch *watch, int fd, bool want_out,
                   struct weir_error *e);
int weir_watch_mod(struct weir *w, struct weir_watch *watch, bool want_out);
void weir_watch_remove(struct weir *w, struct weir_watch *watch);

/* Queue an event for weir_events(). Any thread. When the queue is full the new event takes the
 * place of an older one of its type and device, or of a LINK; with neither it is dropped. */
void weir_post(struct weir *w, const struct weir_event *ev);
/* Forget queued events about an object that is being freed. Either may be NULL. */
void weir_unpost(struct weir *w, const struct weir_device *d, const struct weir_port *p);

/* Tables by name. @head is &w->drivers, ... -EEXIST when the name is taken. */
int weir_named_add(struct weir_named **head, const char *name, const void *what,
                   struct weir_error *e);
const void *weir_named_find(const struct weir_named *head, const char *name);
/* "a, b, c" of the names in a table. */
const char *weir_named_list(const struct weir_named *head, char *out, size_t size);
void weir_named_free(struct weir_named **head);

#endif
