/* SPDX-License-Identifier: BSD-3-Clause */
/* Where two ends meet: UNIX stream sockets by path. */
#ifndef WEIR_VFIO_USER_SOCKET_H
#define WEIR_VFIO_USER_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>
#include <weir/error.h>

/* Connect to the socket at path. A descriptor, or -errno ("vfio-user-connect") with what is in the
 * way: no such file, nobody listening, no socket at all, no right to it, no room in its queue
 * within timeout_ms. */
int weir_vfu_connect(const char *path, unsigned timeout_ms, struct weir_error *e);

/* As weir_vfu_connect(), without waiting or explaining. */
int weir_vfu_connect_now(const char *path);

struct weir_vfu_listener {
    int fd; /* -1: not listening */
    char *path;
    dev_t dev; /* of the socket file, so that another's is not removed */
    ino_t ino;
};

/* Listen at path. A socket file that nobody listens on is replaced; -EADDRINUSE ("server-busy")
 * when somebody does, "server-path" when there is something else. */
int weir_vfu_listen(struct weir_vfu_listener *l, const char *path, struct weir_error *e);
/* Stop, and remove the socket file. */
void weir_vfu_unlisten(struct weir_vfu_listener *l);

#endif
