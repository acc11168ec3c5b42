/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests: raw vfio-user messages over a socket, right or wrong, with deadlines. */
#ifndef WEIR_TESTS_VFU_WIRE_H
#define WEIR_TESTS_VFU_WIRE_H

#include "lib/core/clock.h"
#include "lib/vfio-user/proto.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define WIRE_PATIENCE_MS 10000

struct wire_msg {
    struct weir_vfu_header h;
    uint8_t *body; /* good until the next wire_recv() */
    size_t len;
    int fds[WEIR_VFU_MAX_FDS];
    unsigned n_fds;
};

/* Called while a message does not get on, for tests that play both sides. */
static void (*wire_idle)(void *arg);
static void *wire_idle_arg;

/* All of it, with descriptors on its first byte. */
static inline void wire_raw(int fd, const void *data, size_t len, const int *fds, unsigned n_fds)
{
    char control[CMSG_SPACE(64 * sizeof(int))] = {0};
    struct iovec iov = {(void *)(uintptr_t)data, len};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

    assert_true(n_fds <= 64);
    if (n_fds) {
        m.msg_control = control;
        m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(cm), fds, n_fds * sizeof(int));
    }
    while (iov.iov_len) {
        ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL | (wire_idle ? MSG_DONTWAIT : 0));
        if (n < 0 && errno == EAGAIN) {
            wire_idle(wire_idle_arg);
            continue;
        }
        /* A peer that has gone is seen when its answer is missing. An assertion would end a test
         * whose server is a thread. */
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return;
        assert_true(n > 0);
        iov.iov_base = (uint8_t *)iov.iov_base + n;
        iov.iov_len -= (size_t)n;
        m.msg_control = NULL;
        m.msg_controllen = 0;
    }
}

static inline void wire_send_fds(int fd, uint16_t id, unsigned command, uint32_t flags,
                                 const void *body, size_t len, const int *fds, unsigned n_fds)
{
    struct weir_vfu_header h = {
        .id = id,
        .command = (uint16_t)command,
        .size = (uint32_t)(sizeof(h) + len),
        .flags = flags,
    };
    uint8_t *all = malloc(sizeof(h) + len);

    assert_non_null(all);
    memcpy(all, &h, sizeof(h));
    if (len)
        memcpy(all + sizeof(h), body, len);
    wire_raw(fd, all, sizeof(h) + len, fds, n_fds);
    free(all);
}

static inline void wire_send(int fd, uint16_t id, unsigned command, uint32_t flags,
                             const void *body, size_t len)
{
    wire_send_fds(fd, id, command, flags, body, len, NULL, 0);
}

/* Exactly len bytes; 0 at the end of the stream, -1 after `ms`. */
static inline int wire_exactly(int fd, void *to, size_t len, int *fds, unsigned *n_fds, int ms)
{
    uint64_t until = weir_now_ns() + (uint64_t)ms * 1000000u;
    char control[CMSG_SPACE(WEIR_VFU_MAX_FDS * sizeof(int))];
    uint8_t *at = to;

    while (len) {
        uint64_t now = weir_now_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (wire_idle)
            wire_idle(wire_idle_arg);
        if (poll(&p, 1, now < until ? (int)((until - now) / 1000000u) + 1 : 0) == 0)
            return -1;
        struct iovec iov = {at, len};
        struct msghdr m = {
            .msg_iov = &iov,
            .msg_iovlen = 1,
            .msg_control = control,
            .msg_controllen = sizeof(control),
        };
        ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n <= 0)
            return 0;
        struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
        if (cm && fds) {
            *n_fds = (unsigned)((cm->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(fds, CMSG_DATA(cm), *n_fds * sizeof(int));
        }
        at += n;
        len -= (size_t)n;
    }
    return 1;
}

/* The next message: 1, 0 at the end of the stream, -1 after `ms`. */
static inline int wire_recv_ms(int fd, struct wire_msg *m, int ms)
{
    static uint8_t body[WEIR_VFU_MAX_MESSAGE];

    m->n_fds = 0;
    int r = wire_exactly(fd, &m->h, sizeof(m->h), m->fds, &m->n_fds, ms);
    if (r <= 0)
        return r;
    assert_in_range(m->h.size, sizeof(m->h), sizeof(body));
    m->body = body;
    m->len = m->h.size - sizeof(m->h);
    return m->len ? wire_exactly(fd, body, m->len, m->fds, &m->n_fds, ms) : 1;
}

static inline void wire_recv(int fd, struct wire_msg *m)
{
    assert_int_equal(wire_recv_ms(fd, m, WIRE_PATIENCE_MS), 1);
}

static inline bool wire_quiet(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

/* A memfd of len bytes. */
static inline int wire_memfd(size_t len, unsigned seals)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)len), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static inline unsigned wire_count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(d);
    /* cppcheck-suppress readdirCalled ; nobody else reads this one */
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* As QEMU 11.1 sends it. */
#define WIRE_QEMU_JSON                                                                             \
    "{\"capabilities\": {\"migration\": {\"max_bitmap_size\": 268435456, \"pgsize\": 4096}, "      \
    "\"max_msg_fds\": 16, \"max_data_xfer_size\": 1048576, \"pgsizes\": 4096, \"max_dma_maps\": "  \
    "65535, \"write_multiple\": true}}"

static inline size_t wire_version(uint8_t *to, uint16_t major, uint16_t minor, const char *json)
{
    memcpy(to, &major, 2);
    memcpy(to + 2, &minor, 2);
    if (!json)
        return 4;
    memcpy(to + 4, json, strlen(json) + 1);
    return 4 + strlen(json) + 1;
}

#endif
