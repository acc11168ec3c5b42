/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/vfio-user/socket.h"
#include "lib/core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SHOWN   128
#define BACKLOG 16

static bool make_address(const char *path, struct sockaddr_un *a)
{
    size_t len = strlen(path);

    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (!len || len >= sizeof(a->sun_path))
        return false;
    memcpy(a->sun_path, path, len);
    return true;
}

static int fail_length(const char *verb, const char *code, const char *path, struct weir_error *e)
{
    char shown[SHOWN];

    if (!*path)
        return weir_fail(e, -EINVAL, code,
                         "%s\nthe path of the socket is empty\nname it, for example "
                         "/run/x540.sock",
                         verb);
    return weir_fail(e, -ENAMETOOLONG, code,
                     "%s %s\nthe path has %zu bytes, a socket's may have %zu\n"
                     "use a shorter path, for example under /run",
                     verb, weir_printable(shown, sizeof(shown), path, strlen(path)), strlen(path),
                     sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
}

static int fail_connect(const char *path, int err, unsigned timeout_ms, struct weir_error *e)
{
    static const char code[] = "vfio-user-connect";
    char shown[SHOWN];
    struct stat st;

    weir_printable(shown, sizeof(shown), path, strlen(path));
    switch (err) {
    case ENOENT:
        return weir_fail(e, -err, code,
                         "connect to %s\nthere is no such socket: no model serves it yet, or at "
                         "another path\nstart one: weir model x540 --socket %s --wire loopback",
                         shown, shown);
    case ECONNREFUSED:
        if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
            return weir_fail(e, -ENOTSOCK, code,
                             "connect to %s\nit is a %s, not a socket\n"
                             "name the socket that a model serves",
                             shown, S_ISDIR(st.st_mode) ? "directory" : "file");
        return weir_fail(e, -err, code,
                         "connect to %s\nthe socket file is there but nobody listens: who served "
                         "it has ended\nstart it again: weir model x540 --socket %s --wire "
                         "loopback",
                         shown, shown);
    case EACCES:
    case EPERM:
        return weir_fail(e, -err, code,
                         "connect to %s\n%s: it takes the right to write to the socket and to "
                         "search the folders above it\nls -l %s, then chmod or chown it, or run "
                         "as its owner",
                         shown, strerror(err), shown);
    case EPROTOTYPE:
        return weir_fail(e, -err, code,
                         "connect to %s\nit is a socket of another kind, not a stream\n"
                         "name the socket that a model serves",
                         shown);
    case EAGAIN:
        return weir_fail(e, -ETIMEDOUT, "vfio-user-timeout",
                         "connect to %s\nits server took no connection within %u ms: its queue "
                         "is full\nsee whether the server still runs",
                         shown, timeout_ms);
    default:
        return weir_fail(e, -err, code, "connect to %s\n%s\n", shown, strerror(err));
    }
}

int weir_vfu_connect(const char *path, unsigned timeout_ms, struct weir_error *e)
{
    uint64_t end = weir_now_ns() + timeout_ms * 1000000ull;
    struct sockaddr_un a;
    int err;

    if (!make_address(path, &a))
        return fail_length("connect to", "vfio-user-connect", path, e);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return weir_fail(e, -errno, "vfio-user-connect", "connect to %s\nsocket: %s\n", path,
                         strerror(errno));
    /* The one way to wait for room in the queue of a UNIX socket: poll() does not tell of it. */
    do {
        uint64_t now = weir_now_ns();
        uint64_t left = now < end ? (end - now) / 1000 : 0;
        struct timeval tv = {
            .tv_sec = (time_t)(left / 1000000),
            .tv_usec = (suseconds_t)(left % 1000000 + (left == 0)), /* 0 would mean for ever */
        };
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
        err = connect(fd, (struct sockaddr *)&a, sizeof(a)) ? errno : 0;
    } while (err == EINTR && weir_now_ns() < end);
    if (!err)
        return fd;
    close(fd);
    return fail_connect(path, err == EINTR ? EAGAIN : err, timeout_ms, e);
}

/* A connected descriptor, or -errno; does not wait. */
static int connect_now(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0)
        return fd;
    int err = errno;
    close(fd);
    return -err;
}

int weir_vfu_connect_now(const char *path)
{
    struct sockaddr_un a;

    return make_address(path, &a) ? connect_now(&a) : -ENAMETOOLONG;
}

/*
 * Hold the folder of path while a socket in it is examined and replaced, so that two servers that
 * start together do not each remove the other's. A descriptor to close, or -1: it works without,
 * but for that race.
 */
static int lock_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    free(folder);
    /* Not for long: a stranger may hold a lock on /tmp. */
    for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && i < 100; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return fd;
}

static int fail_listen(const char *path, int err, const char *what, struct weir_error *e)
{
    char shown[SHOWN];
    const char *fix = "";

    weir_printable(shown, sizeof(shown), path, strlen(path));
    if (err == ENOENT)
        fix = "make the folder first, or choose another path";
    else if (err == EACCES || err == EPERM || err == EROFS)
        fix = "choose a folder that you may write to, for example $XDG_RUNTIME_DIR";
    return weir_fail(e, -err, "server-path", "listen on %s\n%s: %s\n%s", shown, what, strerror(err),
                     fix);
}

/* bind() found something at the path: remove it if it is a socket without a listener. */
static int replace(const char *path, const struct sockaddr_un *a, struct weir_error *e)
{
    char shown[SHOWN];
    struct stat st;

    weir_printable(shown, sizeof(shown), path, strlen(path));
    if (lstat(path, &st))
        return errno == ENOENT ? 0 : fail_listen(path, errno, "lstat", e);
    if (!S_ISSOCK(st.st_mode))
        return weir_fail(e, -EEXIST, "server-path",
                         "listen on %s\nthere is something there that is not a socket\n"
                         "choose another path, or remove it: rm %s",
                         shown, shown);
    int fd = connect_now(a);
    if (fd >= 0)
        close(fd);
    if (fd != -ECONNREFUSED && fd != -ENOENT)
        return weir_fail(e, -EADDRINUSE, "server-busy",
                         "listen on %s\nanother process serves this socket\n"
                         "choose another path, or end that process: fuser -v %s names it",
                         shown, shown);
    return unlink(path) && errno != ENOENT ? fail_listen(path, errno, "remove the stale socket", e)
                                           : 0;
}

int weir_vfu_listen(struct weir_vfu_listener *l, const char *path, struct weir_error *e)
{
    struct sockaddr_un a;
    struct stat st;
    int r = 0;

    *l = (struct weir_vfu_listener){.fd = -1};
    if (!make_address(path, &a))
        return fail_length("listen on", "server-path", path, e);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail_listen(path, errno, "socket", e);
    char *copy = strdup(path);
    if (!copy) {
        close(fd);
        return weir_fail(e, -ENOMEM, "no-memory", "listen on %s\nout of memory\n", path);
    }

    int folder = lock_folder(path);
    int bound = bind(fd, (struct sockaddr *)&a, sizeof(a));
    if (bound && errno == EADDRINUSE) {
        r = replace(path, &a, e);
        if (!r)
            bound = bind(fd, (struct sockaddr *)&a, sizeof(a));
    }
    if (!r && bound)
        r = fail_listen(path, errno, "bind", e);
    if (!r && (listen(fd, BACKLOG) || lstat(path, &st))) {
        r = fail_listen(path, errno, "listen", e);
        unlink(path);
    }
    if (folder >= 0)
        close(folder);
    if (r) {
        free(copy);
        close(fd);
        return r;
    }
    *l = (struct weir_vfu_listener){.fd = fd, .path = copy, .dev = st.st_dev, .ino = st.st_ino};
    return 0;
}

void weir_vfu_unlisten(struct weir_vfu_listener *l)
{
    struct stat st;

    if (l->fd < 0)
        return;
    if (lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
        unlink(l->path);
    close(l->fd);
    free(l->path);
    *l = (struct weir_vfu_listener){.fd = -1};
}
