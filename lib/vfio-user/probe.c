/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/vfio-user/probe.h"
#include "lib/vfio-user/proto.h"
#include "lib/vfio-user/socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static bool ask(int fd)
{
    struct {
        struct weir_vfu_header h;
        struct weir_vfu_version v; /* 0.0; the JSON may be left out */
    } m = {.h = {.command = WEIR_VFU_VERSION, .size = sizeof(m)}};

    return send(fd, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(m);
}

void weir_vfu_probe_end(struct weir_vfu_probe *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

bool weir_vfu_probe(struct weir_vfu_probe *p, const char *path)
{
    struct weir_vfu_header h;

    if (p->fd < 0) {
        p->fd = weir_vfu_connect_now(path);
        if (p->fd >= 0 && !ask(p->fd))
            weir_vfu_probe_end(p);
        return false;
    }
    ssize_t n = recv(p->fd, &h, sizeof(h), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    weir_vfu_probe_end(p);
    /* A refusal for another reason is an answer: opening it again will say why. */
    return n == sizeof(h) && h.command == WEIR_VFU_VERSION &&
           (h.flags & WEIR_VFU_TYPE_MASK) == WEIR_VFU_REPLY &&
           !(h.flags & WEIR_VFU_ERROR && h.error == EBUSY);
}
