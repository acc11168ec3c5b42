/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/core/clock.h"
#include "lib/vfio-user/client_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weir/io.h>

#define SERVE 64 /* requests of the server that one weir_vfu_client_ready() serves */

static void lose_timeout(struct weir_vfu_client *c)
{
    char why[64];

    snprintf(why, sizeof(why), "the server did not answer within %u ms", c->timeout_ms);
    weir_vfu_lose(c, -ETIMEDOUT, "vfio-user-timeout", why);
}

static void lose_socket(struct weir_vfu_client *c, int err)
{
    pthread_mutex_lock(&c->tx);
    weir_vfu_lose_socket_locked(c, err);
    pthread_mutex_unlock(&c->tx);
}

/* Answer a DMA_READ or DMA_WRITE of the server out of what is mapped for it. */
static void serve(struct weir_vfu_client *c, struct weir_vfu_msg *msg)
{
    bool write = msg->h.command == WEIR_VFU_DMA_WRITE;
    struct weir_vfu_header h = {
        .id = msg->h.id,
        .command = msg->h.command,
        .flags = WEIR_VFU_REPLY,
    };
    struct weir_vfu_dma_access access = {0};
    void *mem = NULL;
    int err = 0;

    if (msg->n_fds || msg->too_many_fds) {
        weir_vfu_msg_close_fds(msg);
        weir_vfu_lose_nonsense(c, "descriptors came with a request of the server");
        return;
    }
    if (!write && msg->h.command != WEIR_VFU_DMA_READ) {
        err = ENOTSUP;
    } else if (msg->len < sizeof(access)) {
        err = EINVAL;
    } else {
        memcpy(&access, msg->body, sizeof(access));
        if (!access.count || access.count > WEIR_VFU_MAX_DATA ||
            msg->len - sizeof(access) != (write ? access.count : 0))
            err = EINVAL;
        else if (!(mem = c->ops->dma(c->user, access.iova, (size_t)access.count, write)))
            err = EFAULT;
    }
    if (mem && write) {
        memcpy(mem, msg->body + sizeof(access), (size_t)access.count);
        weir_wmb(); /* as a device's writes are seen in order */
    }
    if (msg->h.flags & WEIR_VFU_NO_REPLY)
        return;
    if (err) {
        h.flags |= WEIR_VFU_ERROR;
        h.error = (uint32_t)err;
    }
    struct iovec iov[2] = {{&access, sizeof(access)}, {mem, write ? 0 : (size_t)access.count}};
    pthread_mutex_lock(&c->tx);
    if (!weir_vfu_client_dead(c)) {
        int r = weir_vfu_send_keep(&c->conn, &h, iov, err ? 0 : 2, NULL, 0);
        if (r)
            weir_vfu_lose_socket_locked(c, r);
        if (weir_vfu_out_pending(&c->conn)) {
            c->moved = weir_now_ns();
            weir_vfu_want_out(c, true);
        }
    }
    pthread_mutex_unlock(&c->tx);
}

static bool out_pending(struct weir_vfu_client *c)
{
    pthread_mutex_lock(&c->tx);
    bool pending = weir_vfu_out_pending(&c->conn);
    pthread_mutex_unlock(&c->tx);
    return pending;
}

/*
 * The next answer; requests on the way are served. 1, 0 when more has to arrive (or ours to leave
 * first), -1 when dead.
 */
static int next_answer(struct weir_vfu_client *c, struct weir_vfu_msg *msg, unsigned max)
{
    for (unsigned i = 0; i < max && !weir_vfu_client_dead(c); i++) {
        /* What does not take our answers gets no further ones. */
        if (out_pending(c))
            return 0;
        int r = weir_vfu_next(&c->conn, msg);
        if (!r)
            return 0;
        if (r < 0) {
            char why[120];
            snprintf(why, sizeof(why),
                     "what came is no vfio-user message (size %u, command %u, flags %#x)",
                     msg->h.size, msg->h.command, msg->h.flags);
            weir_vfu_lose_nonsense(c, why);
            return -1;
        }
        if ((msg->h.flags & WEIR_VFU_TYPE_MASK) == WEIR_VFU_REPLY)
            return 1;
        serve(c, msg);
    }
    return weir_vfu_client_dead(c) ? -1 : 0;
}

/* Read what the socket has. False when there is nothing, or the client is dead. */
static bool receive(struct weir_vfu_client *c)
{
    ssize_t n = weir_vfu_recv(&c->conn);

    if (n > 0)
        return true;
    if (n == 0 || (n != -EAGAIN && n != -ENOBUFS))
        lose_socket(c, (int)n);
    return false;
}

/* Wait for the socket; false when the time is over or the client dead. */
static bool await(struct weir_vfu_client *c, bool out, uint64_t until)
{
    bool full = c->conn.fill - c->conn.head == c->conn.size;
    struct pollfd p = {
        .fd = c->conn.fd,
        .events = (short)((full ? 0 : POLLIN) | (out ? POLLOUT : 0)),
    };
    uint64_t now = weir_now_ns();

    if (now < until) {
        uint64_t left = until - now;
        struct timespec ts = {
            .tv_sec = (time_t)(left / 1000000000u),
            .tv_nsec = (long)(left % 1000000000u),
        };
        if (ppoll(&p, 1, &ts, NULL) < 0 && errno != EINTR)
            lose_socket(c, -errno);
    } else {
        lose_timeout(c);
    }
    return !weir_vfu_client_dead(c);
}

/* Is the connection gone, or was it this message that the kernel did not take (a descriptor of the
 * caller's that is not open, too many in flight)? */
static bool is_loss(int r)
{
    return r == -EPIPE || r == -ECONNRESET || r == -ENOTCONN;
}

/* Send a request behind all that was posted. 0; -ENODEV when dead; else why it cannot be sent, the
 * connection being well. */
static int send_request(struct weir_vfu_client *c, const struct weir_vfu_call *call,
                        struct weir_vfu_header *h, uint64_t until)
{
    for (;;) {
        pthread_mutex_lock(&c->tx);
        int r = weir_vfu_client_flush(c);
        if (!r) {
            r = weir_vfu_send(&c->conn, h, call->body, 2, call->fds, call->n_fds);
            if (r && r != -EAGAIN && !is_loss(r)) {
                pthread_mutex_unlock(&c->tx);
                return r;
            }
            if (r && r != -EAGAIN)
                weir_vfu_lose_socket_locked(c, r);
            else if (weir_vfu_out_pending(&c->conn))
                c->moved = weir_now_ns();
        }
        pthread_mutex_unlock(&c->tx);
        if (!r)
            return 0;
        /* The server may be waiting for us to take something before it takes more. */
        if (weir_vfu_client_dead(c) || !await(c, true, until))
            return -ENODEV;
        receive(c);
        if (weir_vfu_client_dead(c))
            return -ENODEV;
    }
}

/* Wait for the answer to request h. False when dead. */
static bool take_answer(struct weir_vfu_client *c, const struct weir_vfu_header *h,
                        struct weir_vfu_msg *msg, uint64_t until)
{
    for (;;) {
        pthread_mutex_lock(&c->tx);
        bool out = weir_vfu_client_flush(c) == -EAGAIN;
        pthread_mutex_unlock(&c->tx);
        int r = next_answer(c, msg, SERVE);
        if (r < 0)
            return false;
        if (r)
            break;
        /* A server with endless requests of its own does not get around the time. */
        if (weir_now_ns() >= until) {
            lose_timeout(c);
            return false;
        }
        if (!out_pending(c) && weir_vfu_buffered(&c->conn))
            continue; /* more requests came than are served at once */
        if (!receive(c) && (weir_vfu_client_dead(c) || !await(c, out || out_pending(c), until)))
            return false;
    }
    if (msg->h.id == h->id && msg->h.command == h->command)
        return true;
    char why[120];
    snprintf(why, sizeof(why), "an answer to %u (command %u) came, expected was one to %u (%u)",
             msg->h.id, msg->h.command, h->id, h->command);
    weir_vfu_msg_close_fds(msg);
    weir_vfu_lose_nonsense(c, why);
    return false;
}

/* Copy an answer to where the caller wants it. */
static int unpack(struct weir_vfu_client *c, const struct weir_vfu_call *call,
                  struct weir_vfu_msg *msg, struct weir_error *e)
{
    if (call->fd) {
        *call->fd = -1;
        if (msg->n_fds == 1 && !(msg->h.flags & WEIR_VFU_ERROR)) {
            *call->fd = msg->fds[0];
            msg->fds[0] = -1;
            msg->n_fds = 0;
        }
    }
    if (msg->n_fds || msg->too_many_fds) {
        weir_vfu_msg_close_fds(msg);
        return weir_vfu_client_nonsense(c, call->what, e,
                                        "descriptors came with an answer that has none");
    }
    if (msg->h.flags & WEIR_VFU_ERROR) {
        int err = msg->h.error && msg->h.error < 4096 ? (int)msg->h.error : EIO;
        return weir_fail(e, -err, "vfio-user-refused", "%s of %s\nits server refuses: %s\n",
                         call->what, c->name, strerror(err));
    }
    if (!call->reply)
        return 0;
    if (msg->len != call->reply_len + call->data_len) {
        if (call->fd && *call->fd >= 0) {
            close(*call->fd);
            *call->fd = -1;
        }
        return weir_vfu_client_nonsense(c, call->what, e,
                                        "an answer has %zu bytes, expected were %zu", msg->len,
                                        call->reply_len + call->data_len);
    }
    memcpy(call->reply, msg->body, call->reply_len);
    if (call->data_len)
        memcpy(call->data, msg->body + call->reply_len, call->data_len);
    return 0;
}

int weir_vfu_exchange(struct weir_vfu_client *c, const struct weir_vfu_call *call,
                      struct weir_vfu_msg *msg, struct weir_error *e)
{
    uint64_t until = weir_now_ns() + c->timeout_ms * WEIR_VFU_NS_PER_MS;
    struct weir_vfu_header h = {.id = c->next_id++, .command = (uint16_t)call->command};

    int r = weir_vfu_client_dead(c) ? -ENODEV : send_request(c, call, &h, until);
    if (r && r != -ENODEV)
        return weir_fail(e, r, "vfio-user-send",
                         "%s of %s\nthe request could not be sent: %s\n"
                         "see that descriptors given along are open and not too many",
                         call->what, c->name, strerror(-r));
    if (r || !take_answer(c, &h, msg, until))
        return weir_vfu_fail_dead(c, call->what, e);
    return 0;
}

/* Serve requests that came along with an answer: the socket does not tell of them any more. What is
 * too much for now is gone on with by weir_events(), which a writable socket wakes. */
static void serve_rest(struct weir_vfu_client *c)
{
    struct weir_vfu_msg msg;

    if (weir_vfu_client_dead(c) || !weir_vfu_buffered(&c->conn))
        return;
    if (next_answer(c, &msg, SERVE) > 0) {
        weir_vfu_msg_close_fds(&msg);
        weir_vfu_lose_nonsense(c, "an answer came that nobody asked for");
        return;
    }
    if (weir_vfu_client_dead(c) || !weir_vfu_buffered(&c->conn))
        return;
    pthread_mutex_lock(&c->tx);
    weir_vfu_want_out(c, true);
    pthread_mutex_unlock(&c->tx);
}

int weir_vfu_client_call(struct weir_vfu_client *c, const struct weir_vfu_call *call,
                         struct weir_error *e)
{
    struct weir_vfu_msg msg;

    pthread_mutex_lock(&c->calls);
    int r = weir_vfu_exchange(c, call, &msg, e);
    if (!r)
        r = unpack(c, call, &msg, e);
    serve_rest(c);
    pthread_mutex_unlock(&c->calls);
    return r;
}

void weir_vfu_client_ready(struct weir_vfu_client *c)
{
    struct weir_vfu_msg msg;

    pthread_mutex_lock(&c->tx);
    if (weir_vfu_client_flush(c) == 0)
        weir_vfu_want_out(c, false);
    pthread_mutex_unlock(&c->tx);

    /* Who waits for an answer in another thread serves what comes meanwhile. */
    if (pthread_mutex_trylock(&c->calls))
        return;
    if (!weir_vfu_client_dead(c)) {
        int r = next_answer(c, &msg, SERVE);
        if (!r && receive(c))
            r = next_answer(c, &msg, SERVE);
        if (r > 0) {
            weir_vfu_msg_close_fds(&msg);
            weir_vfu_lose_nonsense(c, "an answer came that nobody asked for");
        } else {
            serve_rest(c);
        }
    }
    pthread_mutex_unlock(&c->calls);
}
