/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of a client: client.c its life and death, posted.c what it sends, call.c what it
 * hears. */
#ifndef WEIR_VFIO_USER_CLIENT_IMPL_H
#define WEIR_VFIO_USER_CLIENT_IMPL_H

#include "lib/vfio-user/client.h"
#include "lib/vfio-user/transport.h"

#include <pthread.h>
#include <stdatomic.h>

#define WEIR_VFU_NS_PER_MS 1000000ull
/*
 * Posted writes that wait for the socket. Doorbells stop by themselves when a device does not
 * fetch, so that a ring's worth for each of a few queues is the most that a live server owes.
 */
#define WEIR_VFU_PENDING 32768

struct weir_vfu_client {
    char name[160];
    unsigned timeout_ms;
    const struct weir_vfu_client_ops *ops;
    void *user;
    struct weir_vfu_conn conn;
    struct weir_vfu_caps peer;
    atomic_bool dead;

    /* One request at a time, and the receiving side of conn. Taken before tx. */
    pthread_mutex_t calls;
    uint16_t next_id;

    /* The sending side of conn, and what follows. Never held while waiting. */
    pthread_mutex_t tx;
    struct weir_vfu_write_one *pending; /* a ring */
    unsigned first, n_pending;
    uint64_t moved; /* when the socket last took anything while something waited */
    bool want_out;
    /* Why it is dead. */
    int err;
    const char *code;
    char why[200];
};

/* The client is dead from here on, if it was not: err, code and why are for later errors. */
void weir_vfu_lose(struct weir_vfu_client *c, int err, const char *code, const char *why);
void weir_vfu_lose_nonsense(struct weir_vfu_client *c, const char *why);
/* With tx held. */
void weir_vfu_lose_locked(struct weir_vfu_client *c, int err, const char *code, const char *why);
/* A socket call failed with err; 0 is the end of the stream. */
void weir_vfu_lose_socket_locked(struct weir_vfu_client *c, int err);
/* The error of a call on a dead client. */
int weir_vfu_fail_dead(struct weir_vfu_client *c, const char *what, struct weir_error *e);

/* With tx held: push on all that waits. 0 when nothing does any more, -EAGAIN, -ENODEV. */
int weir_vfu_client_flush(struct weir_vfu_client *c);
/* With tx held: tell the user whether something waits. */
void weir_vfu_want_out(struct weir_vfu_client *c, bool on);

/* With calls held: send a request and wait for its answer, good until the next call. 0, or -errno
 * of a client that is dead. */
int weir_vfu_exchange(struct weir_vfu_client *c, const struct weir_vfu_call *call,
                      struct weir_vfu_msg *msg, struct weir_error *e);

#endif
