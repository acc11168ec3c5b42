/* SPDX-License-Identifier: BSD-3-Clause */
/* What a server makes of each request: its check, what is done, and the reply. */
#ifndef WEIR_VFIO_USER_REQUEST_H
#define WEIR_VFIO_USER_REQUEST_H

#include "lib/vfio-user/server.h"
#include "lib/vfio-user/transport.h"
#include "lib/vfio-user/version.h"

struct weir_vfu_requests {
    const struct weir_vfu_server_ops *ops;
    void *user;
    bool open;                 /* a version was agreed on */
    struct weir_vfu_caps peer; /* what the client can do */
};

struct weir_vfu_reply {
    size_t fixed_len; /* of fixed */
    void *data;       /* follows it */
    size_t data_len;
    void *to_free;
    int fd;       /* -1: none; not ours */
    char why[96]; /* more about an error, for the log */
    uint8_t fixed[WEIR_VFU_MAX_JSON];
};

/* All but fixed[]: posted writes come by the million. */
static inline void weir_vfu_reply_init(struct weir_vfu_reply *reply)
{
    reply->fixed_len = reply->data_len = 0;
    reply->data = reply->to_free = NULL;
    reply->fd = -1;
    reply->why[0] = '\0';
}

/* 0 with reply filled, or -errno. Descriptors that were taken over are -1 in msg afterwards. */
int weir_vfu_request(struct weir_vfu_requests *q, struct weir_vfu_msg *msg,
                     struct weir_vfu_reply *reply);

const char *weir_vfu_command_name(unsigned command);

#endif
