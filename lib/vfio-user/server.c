/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/vfio-user/server.h"
#include "lib/core/clock.h"
#include "lib/vfio-user/request.h"
#include "lib/vfio-user/transport.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_PER_MS 1000000ull
#define NOTES     8 /* lines of log that one client is worth */
/* What a client may send while it owes an answer to DMA_READ or DMA_WRITE. */
#define KEPT_MESSAGES 4096
#define KEPT_BYTES    (4u << 20)
#define KEPT_FDS      256
#define FLYING        1024 /* DMA messages whose answer is to come */

struct kept {
    struct kept *next;
    struct weir_vfu_msg msg;
    uint8_t body[];
};

struct weir_vfu_session {
    struct weir_vfu_conn conn;
    struct weir_vfu_session_options opt;
    struct weir_vfu_requests req;
    uint64_t born;
    uint64_t out_since; /* when the client last took anything of conn.out */
    struct kept *first, **last;
    unsigned n_kept, n_kept_fds;
    unsigned n_waited_for; /* of these, what the client wants a reply to */
    size_t kept_bytes;
    uint16_t next_id;
    struct flying {
        uint16_t id, command;
    } flying[FLYING];
    unsigned n_flying;
    uint64_t dma_until; /* all answers of this step; 0: none was needed yet */
    bool in_request;
    bool more; /* run() stopped at its limit, not for want of messages */
    unsigned notes;
    int err; /* not 0: over */
    char why[160];
};

int weir_vfu_session_new(int fd, const struct weir_vfu_server_ops *ops, void *user,
                         const struct weir_vfu_session_options *opt, struct weir_vfu_session **out)
{
    struct weir_vfu_session *s = calloc(1, sizeof(*s));
    if (!s) {
        close(fd);
        return -ENOMEM;
    }
    int r = weir_vfu_conn_init(&s->conn, fd);
    if (r) {
        free(s);
        return r;
    }
    s->opt = opt ? *opt : (struct weir_vfu_session_options){0};
    if (!s->opt.version_ms)
        s->opt.version_ms = 2000;
    if (!s->opt.stall_ms)
        s->opt.stall_ms = 5000;
    if (!s->opt.dma_ms)
        s->opt.dma_ms = 2000;
    s->req.ops = ops;
    s->req.user = user;
    s->born = weir_now_ns();
    s->last = &s->first;
    *out = s;
    return 0;
}

static struct kept *unkeep(struct weir_vfu_session *s)
{
    struct kept *k = s->first;

    s->first = k->next;
    if (!s->first)
        s->last = &s->first;
    s->n_kept--;
    s->n_kept_fds -= k->msg.n_fds;
    s->n_waited_for -= !(k->msg.h.flags & WEIR_VFU_NO_REPLY);
    s->kept_bytes -= k->msg.len;
    return k;
}

void weir_vfu_session_free(struct weir_vfu_session *s)
{
    if (!s)
        return;
    while (s->first) {
        struct kept *k = unkeep(s);
        weir_vfu_msg_close_fds(&k->msg);
        free(k);
    }
    weir_vfu_conn_close(&s->conn);
    free(s);
}

static int end(struct weir_vfu_session *s, int err, const char *why)
{
    if (!s->err) {
        s->err = err;
        snprintf(s->why, sizeof(s->why), "%s", why);
    }
    return s->err;
}

static int end_errno(struct weir_vfu_session *s, int err)
{
    if (err == -ECONNRESET || err == -EPIPE)
        return end(s, -ECONNRESET, "the client closed the connection");
    return end(s, err, strerror(-err));
}

/* weir_vfu_next() failed. */
static int end_stream(struct weir_vfu_session *s, int err, const struct weir_vfu_header *h)
{
    char why[sizeof(s->why)];

    snprintf(why, sizeof(why),
             err == -EMSGSIZE ? "a message of %u bytes is longer than any may be (flags %#x)"
                              : "what came is no vfio-user message (size %u, flags %#x)",
             h->size, h->flags);
    if (err == -EMSGSIZE && (h->flags & WEIR_VFU_TYPE_MASK) == WEIR_VFU_REQUEST) {
        struct weir_vfu_header reply = {
            .id = h->id,
            .command = h->command,
            .flags = WEIR_VFU_REPLY | WEIR_VFU_ERROR,
            .error = EMSGSIZE,
        };
        weir_vfu_send(&s->conn, &reply, NULL, 0, NULL, 0);
    }
    return end(s, err, why);
}

static void note(struct weir_vfu_session *s, const char *text)
{
    if (!s->req.ops->note || s->notes > NOTES)
        return;
    if (s->notes++ == NOTES)
        text = "more requests of this client are wrong; no more is said of them";
    s->req.ops->note(s->req.user, text);
}

/* An answer came: it must be one to what was asked. */
static int answered(struct weir_vfu_session *s, struct weir_vfu_msg *msg)
{
    bool fds = msg->n_fds || msg->too_many_fds;

    weir_vfu_msg_close_fds(msg);
    for (unsigned i = 0; !fds && i < s->n_flying; i++) {
        if (s->flying[i].id != msg->h.id || s->flying[i].command != msg->h.command)
            continue;
        s->n_flying--;
        memmove(s->flying + i, s->flying + i + 1, (s->n_flying - i) * sizeof(s->flying[0]));
        return 0;
    }
    return end(s, -EPROTO, "it answered what nobody asked");
}

/* One that came after the device went on: of a write, or of a read that was given up. */
static int answered_late(struct weir_vfu_session *s, struct weir_vfu_msg *msg)
{
    int r = answered(s, msg);

    if (!r && msg->h.flags & WEIR_VFU_ERROR && msg->h.command == WEIR_VFU_DMA_WRITE)
        note(s, "the client refused a write of the device to its memory");
    return r;
}

/* Serve one message, whose descriptors are closed if nobody takes them. */
static int serve(struct weir_vfu_session *s, struct weir_vfu_msg *msg)
{
    struct weir_vfu_reply reply;
    struct weir_vfu_header h = {
        .id = msg->h.id,
        .command = msg->h.command,
        .flags = WEIR_VFU_REPLY,
    };
    bool silent = msg->h.flags & WEIR_VFU_NO_REPLY;
    char text[160];

    if ((msg->h.flags & WEIR_VFU_TYPE_MASK) != WEIR_VFU_REQUEST)
        return answered_late(s, msg);
    weir_vfu_reply_init(&reply);
    s->in_request = true;
    int r = weir_vfu_request(&s->req, msg, &reply);
    s->in_request = false;
    weir_vfu_msg_close_fds(msg);
    if (r < 0) {
        snprintf(text, sizeof(text), "request %u (%s) of %u bytes is refused: %s%s%s",
                 msg->h.command, weir_vfu_command_name(msg->h.command), msg->h.size, strerror(-r),
                 *reply.why ? ": " : "", reply.why);
        note(s, text);
        h.flags |= WEIR_VFU_ERROR;
        h.error = (uint32_t)-r;
    }
    if (!silent) {
        struct iovec iov[2] = {{reply.fixed, reply.fixed_len}, {reply.data, reply.data_len}};
        r = r < 0 ? weir_vfu_send_keep(&s->conn, &h, NULL, 0, NULL, 0)
                  : weir_vfu_send_keep(&s->conn, &h, iov, 2, &reply.fd, reply.fd >= 0);
        if (r)
            end_errno(s, r);
        else if (weir_vfu_out_pending(&s->conn))
            s->out_since = weir_now_ns();
    }
    free(reply.to_free);
    return s->err;
}

/* 0 when nothing is pending, -EAGAIN when something is; else the session is over. */
static int flush(struct weir_vfu_session *s)
{
    if (!weir_vfu_out_pending(&s->conn))
        return 0;
    size_t before = s->conn.out_len;
    int r = weir_vfu_flush(&s->conn);
    if (r && r != -EAGAIN)
        return end_errno(s, r);
    uint64_t now = weir_now_ns();
    if (s->conn.out_len != before)
        s->out_since = now;
    else if (r && now - s->out_since >= s->opt.stall_ms * NS_PER_MS)
        return end(s, -ETIMEDOUT, "the client takes no replies");
    return r;
}

/* Read from the socket. Bytes, -EAGAIN, or the session is over. */
static ssize_t receive(struct weir_vfu_session *s)
{
    ssize_t n = weir_vfu_recv(&s->conn);
    if (n > 0 || n == -EAGAIN)
        return n;
    if (n == 0 && s->conn.fill > s->conn.head)
        return end(s, -ECONNRESET, "the client closed the connection in the middle of a message");
    return end_errno(s, n ? (int)n : -ECONNRESET);
}

int weir_vfu_session_run(struct weir_vfu_session *s, unsigned max)
{
    struct weir_vfu_msg msg;
    unsigned n = 0;
    bool dry = false; /* the last read was all there was, most likely */

    s->more = false;
    s->dma_until = 0;
    while (!s->err && flush(s) == 0) {
        if (n == max) {
            s->more = true;
            break;
        }
        if (s->first) {
            struct kept *k = unkeep(s);
            serve(s, &k->msg);
            free(k);
            n++;
            continue;
        }
        int r = weir_vfu_next(&s->conn, &msg);
        if (r > 0) {
            serve(s, &msg);
            n++;
        } else if (r < 0) {
            end_stream(s, r, &msg.h);
        } else if (dry && n) {
            break;
        } else {
            ssize_t got = receive(s);
            if (got < 0)
                break;
            dry = true;
        }
    }
    if (!s->err && !s->req.open && weir_now_ns() - s->born >= s->opt.version_ms * NS_PER_MS)
        end(s, -ETIMEDOUT, "the client does not begin with VERSION");
    return s->err ? s->err : (int)n;
}

const char *weir_vfu_session_why(const struct weir_vfu_session *s)
{
    return s->why;
}

int weir_vfu_session_fd(const struct weir_vfu_session *s)
{
    return s->conn.fd;
}

short weir_vfu_session_events(const struct weir_vfu_session *s)
{
    /* No further requests from a client that does not take the replies. */
    return weir_vfu_out_pending(&s->conn) ? POLLOUT : POLLIN;
}

uint64_t weir_vfu_session_deadline(const struct weir_vfu_session *s)
{
    if (s->err)
        return 0;
    if (weir_vfu_out_pending(&s->conn))
        return s->out_since + s->opt.stall_ms * NS_PER_MS;
    return s->req.open ? UINT64_MAX : s->born + s->opt.version_ms * NS_PER_MS;
}

bool weir_vfu_session_ready(const struct weir_vfu_session *s)
{
    return s->err || (!weir_vfu_out_pending(&s->conn) &&
                      (s->first || s->more || weir_vfu_buffered(&s->conn)));
}

bool weir_vfu_session_open(const struct weir_vfu_session *s)
{
    return s->req.open;
}

/* Put a message aside that came while an answer is awaited. */
static int keep(struct weir_vfu_session *s, const struct weir_vfu_msg *msg)
{
    struct kept *k = NULL;

    if (s->n_kept < KEPT_MESSAGES && s->kept_bytes + msg->len <= KEPT_BYTES &&
        s->n_kept_fds + msg->n_fds <= KEPT_FDS)
        k = malloc(sizeof(*k) + msg->len);
    if (!k) {
        struct weir_vfu_msg gone = *msg;
        weir_vfu_msg_close_fds(&gone);
        return end(s, -ENOBUFS, "the client sends without end and answers nothing");
    }
    k->next = NULL;
    k->msg = *msg;
    memcpy(k->body, msg->body, msg->len);
    k->msg.body = k->body;
    *s->last = k;
    s->last = &k->next;
    s->n_kept++;
    s->n_kept_fds += msg->n_fds;
    s->n_waited_for += !(msg->h.flags & WEIR_VFU_NO_REPLY);
    s->kept_bytes += msg->len;
    return 0;
}

/* Wait for the socket until `until`. */
static int wait_for(struct weir_vfu_session *s, short events, uint64_t until)
{
    for (;;) {
        uint64_t now = weir_now_ns();
        if (now >= until)
            return end(s, -ETIMEDOUT, "the client does not answer DMA requests in time");
        struct pollfd p = {.fd = s->conn.fd, .events = events};
        struct timespec left = {
            .tv_sec = (time_t)((until - now) / 1000000000u),
            .tv_nsec = (long)((until - now) % 1000000000u),
        };
        int n = ppoll(&p, 1, &left, NULL);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return end_errno(s, -errno);
    }
}

/* The answer to request id, -1 for none; requests are put aside. 1, 0 if it is not there yet. */
static int find_answer(struct weir_vfu_session *s, int id, struct weir_vfu_msg *msg)
{
    int r;

    while ((r = weir_vfu_next(&s->conn, msg)) > 0) {
        if ((msg->h.flags & WEIR_VFU_TYPE_MASK) == WEIR_VFU_REQUEST)
            r = keep(s, msg);
        else if (msg->h.id != id)
            r = answered_late(s, msg);
        else
            return answered(s, msg) ? s->err : 1;
        if (r)
            return r;
    }
    return r < 0 ? end_stream(s, r, &msg->h) : 0;
}

/* Send a DMA message. 0, -EAGAIN if it has to wait. */
static int send_dma(struct weir_vfu_session *s, struct weir_vfu_header *h, struct iovec iov[2])
{
    if (s->n_flying == FLYING)
        return end(s, -ENOBUFS, "the client answers no DMA requests");
    int r = weir_vfu_send(&s->conn, h, iov, 2, NULL, 0);
    if (r)
        return r == -EAGAIN ? r : end_errno(s, r);
    s->flying[s->n_flying++] = (struct flying){h->id, h->command};
    if (weir_vfu_out_pending(&s->conn))
        s->out_since = weir_now_ns();
    return 0;
}

/* One round of waiting for an answer. */
static int wait_answer(struct weir_vfu_session *s, bool sent)
{
    ssize_t got = receive(s);

    if (got == -EAGAIN)
        wait_for(s, (short)(POLLIN | (!sent || weir_vfu_out_pending(&s->conn) ? POLLOUT : 0)),
                 s->dma_until);
    return s->err;
}

/*
 * A client that waits for the reply to a request of its own may not serve ours meanwhile: QEMU
 * holds its big lock then. So a read is given up for now, and a write, which it will come to, not
 * waited for.
 */
static int dma_once(struct weir_vfu_session *s, uint64_t iova, void *buf, size_t len, bool write)
{
    struct weir_vfu_dma_access access = {.iova = iova, .count = len};
    struct weir_vfu_header h = {
        .id = s->next_id++,
        .command = write ? WEIR_VFU_DMA_WRITE : WEIR_VFU_DMA_READ,
    };
    struct iovec iov[2] = {{&access, sizeof(access)}, {buf, write ? len : 0}};
    struct weir_vfu_msg msg;
    bool sent = false;

    for (;;) {
        int r = flush(s);
        if (!r && !sent && (write || !s->n_waited_for)) {
            r = send_dma(s, &h, iov);
            sent = !r;
        }
        if (s->err)
            return s->err;
        int found = find_answer(s, h.id, &msg);
        if (found < 0)
            return found;
        if (found)
            break;
        if (s->n_waited_for && (sent || !write))
            return write ? 0 : -EAGAIN;
        r = wait_answer(s, sent);
        if (r)
            return r;
    }
    if (msg.h.flags & WEIR_VFU_ERROR)
        return msg.h.error && msg.h.error < 4096 && msg.h.error != EAGAIN ? -(int)msg.h.error
                                                                          : -EIO;
    /* QEMU answers a write with the header alone, others with 12 or 16 bytes. */
    if (write ? msg.len > sizeof(access) : msg.len != sizeof(access) + len)
        return end(s, -EPROTO, "its answer to a DMA request has a wrong size");
    if (!write)
        memcpy(buf, msg.body + sizeof(access), len);
    return 0;
}

static void begin_dma(struct weir_vfu_session *s)
{
    if (!s->dma_until)
        s->dma_until = weir_now_ns() + s->opt.dma_ms * NS_PER_MS;
}

int weir_vfu_session_dma(struct weir_vfu_session *s, uint64_t iova, void *buf, size_t len,
                         bool write)
{
    uint8_t *at = buf;

    if (s->in_request)
        return -EDEADLK;
    begin_dma(s);
    while (len && !s->err) {
        size_t n = len < s->req.peer.max_data ? len : (size_t)s->req.peer.max_data;
        int r = dma_once(s, iova, at, n, write);
        if (r)
            return r;
        at += n;
        iova += n;
        len -= n;
    }
    return s->err ? -EIO : 0;
}

int weir_vfu_session_settle(struct weir_vfu_session *s)
{
    struct weir_vfu_msg msg;
    int r;

    if (s->in_request)
        return -EDEADLK;
    begin_dma(s);
    while (s->n_flying && !s->err) {
        r = find_answer(s, -1, &msg);
        if (!r && s->n_flying) {
            if (s->n_waited_for)
                return -EAGAIN;
            flush(s);
            r = s->err ? s->err : wait_answer(s, true);
        }
        if (r)
            return r;
    }
    return s->err ? -EIO : 0;
}

int weir_vfu_refuse(int fd)
{
    struct weir_vfu_header h;
    uint8_t rest[512];

    ssize_t n = recv(fd, &h, sizeof(h), MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n > 0 && n < (ssize_t)sizeof(h))
        return 0;
    if (n == sizeof(h)) {
        struct weir_vfu_header reply = {
            .id = h.id,
            .command = h.command,
            .size = sizeof(reply),
            .flags = WEIR_VFU_REPLY | WEIR_VFU_ERROR,
            .error = EBUSY,
        };
        /* What is left unread would make close() a reset. */
        for (int i = 0; i < 16 && recv(fd, rest, sizeof(rest), MSG_DONTWAIT) > 0; i++)
            ;
        (void)!send(fd, &reply, sizeof(reply), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    close(fd);
    return 1;
}
