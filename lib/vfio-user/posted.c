/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/core/clock.h"
#include "lib/vfio-user/client_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void weir_vfu_want_out(struct weir_vfu_client *c, bool on)
{
    if (c->want_out == on || weir_vfu_client_dead(c))
        return;
    c->want_out = on;
    c->ops->want_out(c->user, on);
}

/* Send the oldest pending writes in one message. Their number, or -errno. */
static int send_pending(struct weir_vfu_client *c)
{
    struct weir_vfu_header h = {.flags = WEIR_VFU_NO_REPLY};
    struct weir_vfu_write_one *one = &c->pending[c->first];

    if (c->n_pending == 1 || !c->peer.write_multi) {
        struct weir_vfu_region_access access = {one->offset, one->region, one->count};
        struct iovec iov[2] = {{&access, sizeof(access)}, {one->data, one->count}};
        h.command = WEIR_VFU_REGION_WRITE;
        int r = weir_vfu_send(&c->conn, &h, iov, 2, NULL, 0);
        return r ? r : 1;
    }
    uint64_t n = c->n_pending < WEIR_VFU_MULTI_MAX ? c->n_pending : WEIR_VFU_MULTI_MAX;
    if (n > WEIR_VFU_PENDING - c->first)
        n = WEIR_VFU_PENDING - c->first; /* up to where the ring wraps */
    struct iovec iov[2] = {{&n, sizeof(n)}, {one, n * sizeof(*one)}};
    h.command = WEIR_VFU_REGION_WRITE_MULTI;
    int r = weir_vfu_send(&c->conn, &h, iov, 2, NULL, 0);
    return r ? r : (int)n;
}

int weir_vfu_client_flush(struct weir_vfu_client *c)
{
    size_t before = c->conn.out_len;
    bool moved = false;
    int r = 0;

    if (weir_vfu_client_dead(c))
        return -ENODEV;
    if (!before && !c->n_pending)
        return 0;
    if (before) {
        r = weir_vfu_flush(&c->conn);
        moved = c->conn.out_len != before;
    }
    while (!r && c->n_pending) {
        int n = send_pending(c);
        if (n < 0) {
            r = n;
            break;
        }
        c->first = (c->first + (unsigned)n) % WEIR_VFU_PENDING;
        c->n_pending -= (unsigned)n;
        moved = true;
        if (weir_vfu_out_pending(&c->conn))
            r = -EAGAIN;
    }
    if (r && r != -EAGAIN) {
        weir_vfu_lose_socket_locked(c, r);
        return -ENODEV;
    }
    if (r) {
        uint64_t now = weir_now_ns();
        if (moved) {
            c->moved = now;
        } else if (now - c->moved > c->timeout_ms * WEIR_VFU_NS_PER_MS) {
            char why[80];
            snprintf(why, sizeof(why), "the server took no register writes for %u ms",
                     c->timeout_ms);
            weir_vfu_lose_locked(c, -ETIMEDOUT, "vfio-user-timeout", why);
            return -ENODEV;
        }
    }
    return r;
}

int weir_vfu_client_post(struct weir_vfu_client *c, unsigned region, uint64_t off, const void *buf,
                         size_t len)
{
    struct weir_vfu_region_access access = {off, region, (uint32_t)len};
    struct weir_vfu_header h = {
        .command = WEIR_VFU_REGION_WRITE,
        .flags = WEIR_VFU_NO_REPLY,
    };
    struct iovec iov[2] = {{&access, sizeof(access)}, {(void *)(uintptr_t)buf, len}};

    pthread_mutex_lock(&c->tx);
    int r = weir_vfu_client_flush(c);
    if (!r)
        r = weir_vfu_send(&c->conn, &h, iov, 2, NULL, 0);
    if (r == -EAGAIN) {
        r = 0;
        if (!c->n_pending && !weir_vfu_out_pending(&c->conn))
            c->moved = weir_now_ns();
        if (c->n_pending < WEIR_VFU_PENDING) {
            struct weir_vfu_write_one *newest =
                &c->pending[(c->first + c->n_pending++) % WEIR_VFU_PENDING];
            *newest = (struct weir_vfu_write_one){.offset = off, .region = region};
            newest->count = (uint32_t)len;
            memcpy(newest->data, buf, len);
        } else {
            char why[80];
            snprintf(why, sizeof(why), "the server left %d register writes waiting",
                     WEIR_VFU_PENDING);
            weir_vfu_lose_locked(c, -ETIMEDOUT, "vfio-user-timeout", why);
        }
    } else if (r && !weir_vfu_client_dead(c)) {
        weir_vfu_lose_socket_locked(c, r);
    }
    if (c->n_pending || weir_vfu_out_pending(&c->conn)) {
        if (!c->want_out && !c->n_pending)
            c->moved = weir_now_ns(); /* cut short by the socket just now */
        weir_vfu_want_out(c, true);
    }
    r = weir_vfu_client_dead(c) ? -ENODEV : 0;
    pthread_mutex_unlock(&c->tx);
    return r;
}
