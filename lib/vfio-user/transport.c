/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/vfio-user/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK      65536 /* read at once: many posted writes, and a bound on what one wake-up does */
#define MAX_PIECES 4

static void close_fds(int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

int weir_vfu_conn_init(struct weir_vfu_conn *c, int fd)
{
    int flags = fcntl(fd, F_GETFL);
    int r = 0;

    *c = (struct weir_vfu_conn){.fd = fd, .size = WEIR_VFU_MAX_MESSAGE + CHUNK};
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        r = -errno;
    /* Pages that no message reaches are never touched, so cost nothing. */
    c->rx = r ? NULL : malloc(c->size);
    if (!c->rx) {
        close(fd);
        c->fd = -1;
        return r ? r : -ENOMEM;
    }
    return 0;
}

void weir_vfu_conn_close(struct weir_vfu_conn *c)
{
    for (unsigned i = 0; i < c->n_fds; i++)
        close_fds(c->fds[i].fd, c->fds[i].n);
    close_fds(c->out_fds, c->n_out_fds);
    if (c->fd >= 0)
        close(c->fd);
    free(c->rx);
    free(c->out);
    *c = (struct weir_vfu_conn){.fd = -1};
}

/* Note the descriptors of the data that ends at c->fill. */
static void keep_fds(struct weir_vfu_conn *c, struct msghdr *m)
{
    struct weir_vfu_fds in = {.end = c->fill, .too_many = m->msg_flags & MSG_CTRUNC};

    for (struct cmsghdr *cm = CMSG_FIRSTHDR(m); cm; cm = CMSG_NXTHDR(m, cm)) {
        if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(int));
            if (in.n < WEIR_VFU_MAX_FDS) {
                in.fd[in.n++] = fd;
            } else {
                close(fd);
                in.too_many = true;
            }
        }
    }
    if (!in.n && !in.too_many)
        return;
    if (c->n_fds == sizeof(c->fds) / sizeof(c->fds[0])) {
        /* Only who sends each message in pieces, with descriptors on each, comes here. */
        close_fds(in.fd, in.n);
        c->fds[c->n_fds - 1].too_many = true;
        c->fds[c->n_fds - 1].end = in.end;
        return;
    }
    c->fds[c->n_fds++] = in;
}

static void compact(struct weir_vfu_conn *c)
{
    if (!c->head)
        return;
    memmove(c->rx, c->rx + c->head, c->fill - c->head);
    for (unsigned i = 0; i < c->n_fds; i++)
        c->fds[i].end -= c->head;
    c->fill -= c->head;
    c->head = 0;
}

ssize_t weir_vfu_recv(struct weir_vfu_conn *c)
{
    union {
        char buf[CMSG_SPACE(WEIR_VFU_MAX_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    ssize_t n;

    if (c->head == c->fill || c->size - c->fill < CHUNK)
        compact(c);
    struct iovec iov = {
        .iov_base = c->rx + c->fill,
        .iov_len = c->size - c->fill < CHUNK ? c->size - c->fill : CHUNK,
    };
    struct msghdr m = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.buf,
        .msg_controllen = sizeof(control.buf),
    };
    if (!iov.iov_len)
        return -ENOBUFS;
    do {
        n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    c->fill += (size_t)n;
    keep_fds(c, &m);
    return n;
}

/* Give msg the descriptors whose data ended within the first `end` bytes of rx. */
static void take_fds(struct weir_vfu_conn *c, size_t end, struct weir_vfu_msg *msg)
{
    unsigned used = 0;

    while (used < c->n_fds && c->fds[used].end <= end) {
        struct weir_vfu_fds *in = &c->fds[used++];
        msg->too_many_fds |= in->too_many;
        for (unsigned i = 0; i < in->n; i++) {
            if (msg->n_fds < WEIR_VFU_MAX_FDS) {
                msg->fds[msg->n_fds++] = in->fd[i];
            } else {
                close(in->fd[i]);
                msg->too_many_fds = true;
            }
        }
    }
    c->n_fds -= used;
    memmove(c->fds, c->fds + used, c->n_fds * sizeof(c->fds[0]));
}

int weir_vfu_next(struct weir_vfu_conn *c, struct weir_vfu_msg *msg)
{
    size_t have = c->fill - c->head;
    uint32_t type;

    if (have < sizeof(msg->h))
        return 0;
    memcpy(&msg->h, c->rx + c->head, sizeof(msg->h));
    type = msg->h.flags & WEIR_VFU_TYPE_MASK;
    if (msg->h.size < sizeof(msg->h) || (type != WEIR_VFU_REQUEST && type != WEIR_VFU_REPLY))
        return -EPROTO;
    if (msg->h.size > WEIR_VFU_MAX_MESSAGE)
        return -EMSGSIZE;
    if (have < msg->h.size)
        return 0;
    msg->body = c->rx + c->head + sizeof(msg->h);
    msg->len = msg->h.size - sizeof(msg->h);
    msg->n_fds = 0;
    msg->too_many_fds = false;
    c->head += msg->h.size;
    if (c->n_fds)
        take_fds(c, c->head, msg);
    return 1;
}

bool weir_vfu_buffered(const struct weir_vfu_conn *c)
{
    size_t have = c->fill - c->head;
    struct weir_vfu_header h;

    if (c->fd < 0 || have < sizeof(h))
        return false;
    memcpy(&h, c->rx + c->head, sizeof(h));
    return have >= h.size; /* also for a size that weir_vfu_next() refuses */
}

void weir_vfu_msg_close_fds(struct weir_vfu_msg *msg)
{
    close_fds(msg->fds, msg->n_fds);
    msg->n_fds = 0;
}

/* sendmsg() that neither waits nor raises SIGPIPE. Bytes taken, or -errno. */
static ssize_t push(int fd, const struct iovec *iov, unsigned n, const int *fds, unsigned n_fds)
{
    union {
        char buf[CMSG_SPACE(WEIR_VFU_MAX_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n};
    ssize_t sent;

    if (n_fds > WEIR_VFU_MAX_FDS)
        return -EINVAL;
    if (n_fds) {
        memset(&control, 0, sizeof(control));
        m.msg_control = control.buf;
        m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(cm), fds, n_fds * sizeof(int));
    }
    do {
        sent = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    return sent;
}

/* Copy what lies behind the first `skip` bytes of the pieces to c->out. */
static int keep_rest(struct weir_vfu_conn *c, const struct iovec *iov, unsigned n, size_t skip,
                     size_t total)
{
    if (c->out_cap < total - skip) {
        uint8_t *out = realloc(c->out, total - skip);
        if (!out)
            return -ENOMEM;
        c->out = out;
        c->out_cap = total - skip;
    }
    for (unsigned i = 0; i < n; i++) {
        size_t cut = skip < iov[i].iov_len ? skip : iov[i].iov_len;
        memcpy(c->out + c->out_len, (uint8_t *)iov[i].iov_base + cut, iov[i].iov_len - cut);
        c->out_len += iov[i].iov_len - cut;
        skip -= cut;
    }
    return 0;
}

static int send_or_keep(struct weir_vfu_conn *c, struct weir_vfu_header *h, const struct iovec *iov,
                        unsigned n, const int *fds, unsigned n_fds, bool keep)
{
    struct iovec all[MAX_PIECES + 1] = {{.iov_base = h, .iov_len = sizeof(*h)}};
    size_t total = sizeof(*h);

    if (weir_vfu_out_pending(c))
        return -EAGAIN;
    if (c->fd < 0)
        return -ENOTCONN;
    if (n > MAX_PIECES)
        return -EINVAL;
    /* An empty piece may come without an address. */
    unsigned used = 1;
    for (unsigned i = 0; i < n; i++) {
        if (!iov[i].iov_len)
            continue;
        all[used++] = iov[i];
        total += iov[i].iov_len;
    }
    if (total > WEIR_VFU_MAX_MESSAGE)
        return -EMSGSIZE;
    h->size = (uint32_t)total;

    ssize_t sent = push(c->fd, all, used, fds, n_fds);
    if (sent == -EAGAIN && keep) {
        for (; c->n_out_fds < n_fds; c->n_out_fds++) {
            c->out_fds[c->n_out_fds] = fcntl(fds[c->n_out_fds], F_DUPFD_CLOEXEC, 0);
            if (c->out_fds[c->n_out_fds] < 0) {
                int r = -errno;
                close_fds(c->out_fds, c->n_out_fds);
                c->n_out_fds = 0;
                return r;
            }
        }
        sent = 0;
    }
    if (sent < 0)
        return (int)sent;
    return (size_t)sent < total ? keep_rest(c, all, used, (size_t)sent, total) : 0;
}

int weir_vfu_send(struct weir_vfu_conn *c, struct weir_vfu_header *h, const struct iovec *iov,
                  unsigned n, const int *fds, unsigned n_fds)
{
    return send_or_keep(c, h, iov, n, fds, n_fds, false);
}

int weir_vfu_send_keep(struct weir_vfu_conn *c, struct weir_vfu_header *h, const struct iovec *iov,
                       unsigned n, const int *fds, unsigned n_fds)
{
    return send_or_keep(c, h, iov, n, fds, n_fds, true);
}

int weir_vfu_flush(struct weir_vfu_conn *c)
{
    size_t done = 0;
    int r = 0;

    while (done < c->out_len) {
        struct iovec iov = {.iov_base = c->out + done, .iov_len = c->out_len - done};
        ssize_t sent = push(c->fd, &iov, 1, c->out_fds, c->n_out_fds);
        if (sent < 0) {
            r = (int)sent;
            break;
        }
        done += (size_t)sent;
        close_fds(c->out_fds, c->n_out_fds);
        c->n_out_fds = 0;
    }
    c->out_len -= done;
    memmove(c->out, c->out + done, c->out_len);
    return r;
}
