/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client's side of a connection: requests whose answers are waited for, within a time; register
 * writes that are posted and never wait; and the server's own requests for memory.
 *
 * A server that goes away, answers too late or not as the protocol has it makes the client dead:
 * every later call fails at once, until weir_vfu_client_start() with a new connection.
 *
 * Threads: calls come from any; posted writes wait for no other call. start() and stop() come
 * alone.
 */
#ifndef WEIR_VFIO_USER_CLIENT_H
#define WEIR_VFIO_USER_CLIENT_H

#include "lib/vfio-user/proto.h"
#include "lib/vfio-user/version.h"

#include <stdbool.h>
#include <sys/uio.h>
#include <weir/error.h>

struct weir_vfu_client;

struct weir_vfu_client_ops {
    /* The memory of [iova, iova + len) if the device may read it (or write it), else NULL. Never
     * called by two threads at once. */
    void *(*dma)(void *user, uint64_t iova, size_t len, bool write);
    /* Posted writes began or ceased to wait for room in the socket. Any thread. */
    void (*want_out)(void *user, bool on);
};

/* @name: for messages, "vfio-user:/run/x540.sock". @timeout_ms: longest wait for one answer. */
struct weir_vfu_client *weir_vfu_client_new(const char *name, unsigned timeout_ms,
                                            const struct weir_vfu_client_ops *ops, void *user);
void weir_vfu_client_free(struct weir_vfu_client *c);

/* Take over fd, also on failure, and agree on a version. */
int weir_vfu_client_start(struct weir_vfu_client *c, int fd, struct weir_error *e);
/* Make the client dead: calls under way in other threads fail, want_out is not called any more. */
void weir_vfu_client_halt(struct weir_vfu_client *c, const char *why);
/* Close the connection. */
void weir_vfu_client_stop(struct weir_vfu_client *c);

bool weir_vfu_client_dead(struct weir_vfu_client *c);
/* Why it is dead. */
void weir_vfu_client_why(struct weir_vfu_client *c, char *out, size_t size);
/* What the server said it can do. */
const struct weir_vfu_caps *weir_vfu_client_peer(const struct weir_vfu_client *c);

/* A request and its answer. */
struct weir_vfu_call {
    const char *what; /* for messages: "read region 0" */
    enum weir_vfu_command command;
    struct iovec body[2];
    const int *fds;
    unsigned n_fds;
    /* The answer's body has to be as long as both together; NULL: it is not looked at. */
    void *reply;
    size_t reply_len;
    void *data;
    size_t data_len;
    int *fd; /* receives a descriptor that came along, or -1; NULL: none may come */
};

/* 0; -errno of the server ("vfio-user-refused"); or the client is dead. */
int weir_vfu_client_call(struct weir_vfu_client *c, const struct weir_vfu_call *call,
                         struct weir_error *e);

/* The content of an answer makes no sense: the client is dead. @why: printf format. */
int weir_vfu_client_nonsense(struct weir_vfu_client *c, const char *what, struct weir_error *e,
                             const char *why, ...) WEIR_PRINTF(4, 5);

/* Post a register write of 1 to 8 bytes. 0, or -ENODEV when dead. */
int weir_vfu_client_post(struct weir_vfu_client *c, unsigned region, uint64_t off, const void *buf,
                         size_t len);

/* Keep the server's requests from being served meanwhile, so that what dma() finds may change. */
void weir_vfu_client_lock(struct weir_vfu_client *c);
void weir_vfu_client_unlock(struct weir_vfu_client *c);

/* The socket is readable, or writable, or hung up: serve it without waiting. */
void weir_vfu_client_ready(struct weir_vfu_client *c);

#endif
