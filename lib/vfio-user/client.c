/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/vfio-user/client_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct weir_vfu_client *weir_vfu_client_new(const char *name, unsigned timeout_ms,
                                            const struct weir_vfu_client_ops *ops, void *user)
{
    struct weir_vfu_client *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    /* Costs nothing until it is needed: pages are there when touched. */
    c->pending = malloc(WEIR_VFU_PENDING * sizeof(*c->pending));
    if (!c->pending) {
        free(c);
        return NULL;
    }
    weir_printable(c->name, sizeof(c->name), name, strlen(name));
    c->timeout_ms = timeout_ms;
    c->ops = ops;
    c->user = user;
    c->conn.fd = -1;
    c->code = "vfio-user-closed";
    c->err = -ENOTCONN;
    atomic_store(&c->dead, true);
    pthread_mutex_init(&c->calls, NULL);
    pthread_mutex_init(&c->tx, NULL);
    return c;
}

void weir_vfu_client_free(struct weir_vfu_client *c)
{
    if (!c)
        return;
    weir_vfu_conn_close(&c->conn);
    pthread_mutex_destroy(&c->calls);
    pthread_mutex_destroy(&c->tx);
    free(c->pending);
    free(c);
}

bool weir_vfu_client_dead(struct weir_vfu_client *c)
{
    return atomic_load_explicit(&c->dead, memory_order_acquire);
}

void weir_vfu_client_why(struct weir_vfu_client *c, char *out, size_t size)
{
    pthread_mutex_lock(&c->tx);
    snprintf(out, size, "%s", c->why);
    pthread_mutex_unlock(&c->tx);
}

const struct weir_vfu_caps *weir_vfu_client_peer(const struct weir_vfu_client *c)
{
    return &c->peer;
}

/* The shutdown makes the watch notice, and lets the server see the end at once. */
void weir_vfu_lose_locked(struct weir_vfu_client *c, int err, const char *code, const char *why)
{
    if (weir_vfu_client_dead(c))
        return;
    c->err = err;
    c->code = code;
    snprintf(c->why, sizeof(c->why), "%s", why);
    atomic_store(&c->dead, true);
    shutdown(c->conn.fd, SHUT_RDWR);
}

void weir_vfu_lose(struct weir_vfu_client *c, int err, const char *code, const char *why)
{
    pthread_mutex_lock(&c->tx);
    weir_vfu_lose_locked(c, err, code, why);
    pthread_mutex_unlock(&c->tx);
}

void weir_vfu_lose_nonsense(struct weir_vfu_client *c, const char *why)
{
    weir_vfu_lose(c, -EPROTO, "vfio-user-protocol", why);
}

void weir_vfu_lose_socket_locked(struct weir_vfu_client *c, int err)
{
    if (!err || err == -ECONNRESET || err == -EPIPE)
        weir_vfu_lose_locked(c, -ECONNRESET, "vfio-user-closed",
                             "the server closed the connection");
    else
        weir_vfu_lose_locked(c, err, "vfio-user-closed", strerror(-err));
}

void weir_vfu_client_halt(struct weir_vfu_client *c, const char *why)
{
    weir_vfu_lose(c, -ENODEV, "vfio-user-closed", why);
}

void weir_vfu_client_stop(struct weir_vfu_client *c)
{
    weir_vfu_client_halt(c, "it was closed");
    pthread_mutex_lock(&c->calls);
    pthread_mutex_lock(&c->tx);
    weir_vfu_conn_close(&c->conn);
    c->n_pending = 0;
    c->want_out = false;
    pthread_mutex_unlock(&c->tx);
    pthread_mutex_unlock(&c->calls);
}

void weir_vfu_client_lock(struct weir_vfu_client *c)
{
    pthread_mutex_lock(&c->calls);
}

void weir_vfu_client_unlock(struct weir_vfu_client *c)
{
    pthread_mutex_unlock(&c->calls);
}

int weir_vfu_fail_dead(struct weir_vfu_client *c, const char *what, struct weir_error *e)
{
    char why[sizeof(c->why)];

    pthread_mutex_lock(&c->tx);
    int err = c->err;
    const char *code = c->code, *path = strchr(c->name, ':');
    memcpy(why, c->why, sizeof(why));
    pthread_mutex_unlock(&c->tx);
    path = path ? path + 1 : c->name;
    if (err == -EPROTO)
        return weir_fail(e, err, code,
                         "%s of %s\n%s\nsee that %s is served by a vfio-user server, such as "
                         "weir model",
                         what, c->name, why, path);
    if (err == -ETIMEDOUT)
        return weir_fail(e, err, code,
                         "%s of %s\n%s\nsee whether its process is stopped, or the machine too "
                         "busy; timeout_ms in struct weir_device_options allows more time",
                         what, c->name, why);
    return weir_fail(e, err, code,
                     "%s of %s\n%s\nsee why it ended, and start it again: weir model x540 "
                     "--socket %s --wire loopback",
                     what, c->name, why, path);
}

int weir_vfu_client_nonsense(struct weir_vfu_client *c, const char *what, struct weir_error *e,
                             const char *why, ...)
{
    char text[sizeof(c->why)];
    va_list ap;

    va_start(ap, why);
    vsnprintf(text, sizeof(text), why, ap);
    va_end(ap);
    weir_vfu_lose_nonsense(c, text);
    return weir_vfu_fail_dead(c, what, e);
}

static int check_version(struct weir_vfu_client *c, const char *what, struct weir_vfu_msg *msg,
                         struct weir_error *e)
{
    char why[160];

    if (msg->n_fds || msg->too_many_fds) {
        weir_vfu_msg_close_fds(msg);
        return weir_vfu_client_nonsense(c, what, e, "descriptors came with its VERSION");
    }
    if (msg->h.flags & WEIR_VFU_ERROR) {
        if (msg->h.error == EBUSY)
            return weir_fail(e, -EBUSY, "device-busy",
                             "%s of %s\nanother client uses it\nend that one first, or serve a "
                             "further model",
                             what, c->name);
        int err = msg->h.error && msg->h.error < 4096 ? (int)msg->h.error : EPROTO;
        return weir_fail(e, -err, "vfio-user-version",
                         "%s of %s\nits server refuses version %d.%d: %s\n"
                         "use a server that speaks it",
                         what, c->name, WEIR_VFU_MAJOR, WEIR_VFU_MINOR, strerror(err));
    }
    struct weir_vfu_caps peer;
    if (weir_vfu_version_parse(msg->body, msg->len, &peer, why, sizeof(why)))
        return weir_vfu_client_nonsense(c, what, e, "its VERSION makes no sense: %s", why);
    if (peer.major != WEIR_VFU_MAJOR || peer.minor > WEIR_VFU_MINOR)
        return weir_fail(e, -EPROTONOSUPPORT, "vfio-user-version",
                         "%s of %s\nits server speaks version %u.%u, Weir %d.%d\n"
                         "use a server that speaks it",
                         what, c->name, peer.major, peer.minor, WEIR_VFU_MAJOR, WEIR_VFU_MINOR);
    if (peer.max_data < 8)
        return weir_vfu_client_nonsense(c, what, e, "it takes no more than %llu bytes at once",
                                        (unsigned long long)peer.max_data);
    if (peer.max_data > WEIR_VFU_MAX_DATA)
        peer.max_data = WEIR_VFU_MAX_DATA;
    if (peer.max_fds > WEIR_VFU_MAX_FDS)
        peer.max_fds = WEIR_VFU_MAX_FDS;
    peer.pgsizes &= ~(uint64_t)(WEIR_VFU_PAGE - 1);
    if (!peer.pgsizes)
        peer.pgsizes = WEIR_VFU_PAGE;
    pthread_mutex_lock(&c->tx);
    c->peer = peer;
    pthread_mutex_unlock(&c->tx);
    return 0;
}

int weir_vfu_client_start(struct weir_vfu_client *c, int fd, struct weir_error *e)
{
    static const struct weir_vfu_caps ours = {
        .major = WEIR_VFU_MAJOR,
        .minor = WEIR_VFU_MINOR,
        .text = true,
        .named = WEIR_VFU_CAP_ALL,
        .max_fds = WEIR_VFU_MAX_FDS,
        .max_data = WEIR_VFU_MAX_DATA,
        .max_maps = WEIR_VFU_MAX_MAPS,
        .pgsizes = 1u << 12 | 1u << 21 | 1u << 30,
        .write_multi = true,
    };
    static const char what[] = "ask for the protocol version";
    char body[512];
    struct weir_vfu_msg msg;
    struct weir_vfu_call call = {.what = what, .command = WEIR_VFU_VERSION};

    weir_vfu_client_stop(c);
    size_t len = weir_vfu_version_format(&ours, body, sizeof(body));
    if (!len) {
        close(fd);
        return weir_fail(e, -ENOMEM, "no-memory", "%s of %s\nout of memory\n", what, c->name);
    }
    call.body[0] = (struct iovec){body, len};

    pthread_mutex_lock(&c->calls);
    pthread_mutex_lock(&c->tx);
    int r = weir_vfu_conn_init(&c->conn, fd);
    c->peer.write_multi = false; /* before it is asked */
    c->first = 0;
    atomic_store(&c->dead, r != 0);
    pthread_mutex_unlock(&c->tx);
    if (r)
        r = weir_fail(e, r, "no-memory", "%s of %s\n%s\n", what, c->name, strerror(-r));
    else
        r = weir_vfu_exchange(c, &call, &msg, e);
    if (!r)
        r = check_version(c, what, &msg, e);
    pthread_mutex_unlock(&c->calls);
    if (r)
        weir_vfu_client_stop(c);
    return r;
}
