/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One end of a vfio-user connection: whole messages out of a non-blocking stream, with the
 * descriptors that came along, and messages into it. Nothing here waits.
 */
#ifndef WEIR_VFIO_USER_TRANSPORT_H
#define WEIR_VFIO_USER_TRANSPORT_H

#include "lib/vfio-user/proto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* A message that arrived. Its body stays where it is until the next weir_vfu_recv(). */
struct weir_vfu_msg {
    struct weir_vfu_header h;
    uint8_t *body;
    size_t len; /* of body */
    int fds[WEIR_VFU_MAX_FDS];
    unsigned n_fds;
    bool too_many_fds; /* more came than fit, or than this process may hold; those are closed */
};

struct weir_vfu_conn {
    int fd; /* -1 when closed */

    /* Received and not yet taken: rx[head..fill) */
    uint8_t *rx;
    size_t size, head, fill;
    /*
     * Descriptors that came with it. They go to the message that holds the last byte of the
     * recvmsg() that brought them: the kernel ends one with the first data that has any.
     */
    struct weir_vfu_fds {
        size_t end; /* index in rx behind that byte */
        int fd[WEIR_VFU_MAX_FDS];
        unsigned n;
        bool too_many;
    } fds[4];
    unsigned n_fds;

    /* The rest of a message that the socket took only in part. */
    uint8_t *out;
    size_t out_len, out_cap;
    int out_fds[WEIR_VFU_MAX_FDS]; /* ours, to go with its first byte */
    unsigned n_out_fds;
};

/* Takes over fd, which becomes non-blocking. 0 or -ENOMEM, with fd closed either way on failure. */
int weir_vfu_conn_init(struct weir_vfu_conn *c, int fd);
void weir_vfu_conn_close(struct weir_vfu_conn *c);

/* Read what the socket has, at most 64 KiB. Bytes read, 0 at the end of the stream, -EAGAIN,
 * -errno; -ENOBUFS when the buffer holds all it can. Moves what is not yet taken. */
ssize_t weir_vfu_recv(struct weir_vfu_conn *c);

/*
 * Take the next whole message. 1, or 0 if it is not complete. -EPROTO for a size below the header's
 * or a type that is neither request nor reply, -EMSGSIZE for one above WEIR_VFU_MAX_MESSAGE; then
 * msg->h is set and the stream is of no further use.
 */
int weir_vfu_next(struct weir_vfu_conn *c, struct weir_vfu_msg *msg);
/* Is a whole message in the buffer? The socket does not tell of it any more. */
bool weir_vfu_buffered(const struct weir_vfu_conn *c);

/* Close the descriptors of a message that nobody took; taken ones are set to -1. */
void weir_vfu_msg_close_fds(struct weir_vfu_msg *msg);

/* True while part of a message waits for the socket. */
static inline bool weir_vfu_out_pending(const struct weir_vfu_conn *c)
{
    return c->out_len != 0;
}

/*
 * Send a message whose pieces follow h, which gets its size from here. 0 when the socket or, in
 * part, weir_vfu_conn.out took it; -EAGAIN when nothing was taken; -errno when the connection is
 * gone. Only while nothing is pending, else -EAGAIN. The descriptors stay the caller's.
 */
int weir_vfu_send(struct weir_vfu_conn *c, struct weir_vfu_header *h, const struct iovec *iov,
                  unsigned n, const int *fds, unsigned n_fds);

/* As weir_vfu_send(), but what the socket does not take is kept: never -EAGAIN while nothing is
 * pending. */
int weir_vfu_send_keep(struct weir_vfu_conn *c, struct weir_vfu_header *h, const struct iovec *iov,
                       unsigned n, const int *fds, unsigned n_fds);

/* Push on what is pending: 0 when all is gone, -EAGAIN, -errno. */
int weir_vfu_flush(struct weir_vfu_conn *c);

#endif
