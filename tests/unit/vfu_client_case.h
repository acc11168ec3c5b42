/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of the client's side of a connection share: a server in a thread that answers in
 * whatever way a case wants, and the client that it faces. */
#ifndef TESTS_VFU_CLIENT_CASE_H
#define TESTS_VFU_CLIENT_CASE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "vfu_wire.h"
#include "lib/vfio-user/client_impl.h"

#include <pthread.h>
#include <stdatomic.h>

#define NAME "vfio-user:/run/test.sock"

enum mode {
    RIGHT,
    GARBAGE,
    CLOSES,
    CLOSES_IN_A_REPLY,
    SILENT,
    STOPS_IN_A_REPLY,
    BUSY,
    REFUSES,
    REFUSES_ODDLY,
    OTHER_VERSION,
    NEWER_MINOR,
    WRONG_ID,
    WRONG_COMMAND,
    TOO_LONG,
    TOO_SHORT,
    HUGE_SIZE,
    NOT_JSON,
    TINY_DATA,
    NO_NUL,
    WITH_FDS,
    REPLIES_TWICE,
    ASKS_WITHOUT_END,
    READS_NOTHING,
    ASKS_FIRST,
};

struct server {
    int fd;
    enum mode version, rest;
    bool no_multi;
    atomic_bool go;    /* READS_NOTHING: read now */
    atomic_bool asked; /* a request is waiting */
    pthread_t thread;
    /* what was written, in order */
    struct weir_vfu_write_one seen[70000];
    atomic_uint n_seen;
    unsigned multis;
    struct wire_answer {
        uint32_t error;
        size_t len;
    } dma[8]; /* how the client answered ASKS_FIRST */
};

static struct server server;
static struct weir_vfu_client *client;
static int pair[2];
static uint8_t memory[0x2000];
static atomic_int out_wanted, out_calls;

static inline void reply(struct server *s, const struct weir_vfu_header *h, enum mode mode,
                         void *body, size_t len)
{
    struct weir_vfu_header bad = {h->id, h->command, 16, WEIR_VFU_REPLY | WEIR_VFU_ERROR, 0};
    int fds[2] = {s->fd, s->fd};

    switch (mode) {
    case GARBAGE:
        wire_raw(s->fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, NULL, 0);
        break;
    case CLOSES:
        shutdown(s->fd, SHUT_RDWR);
        break;
    case CLOSES_IN_A_REPLY:
    case STOPS_IN_A_REPLY:
        bad.size = 1000;
        bad.flags = WEIR_VFU_REPLY;
        wire_raw(s->fd, &bad, 10, NULL, 0);
        if (mode == CLOSES_IN_A_REPLY)
            shutdown(s->fd, SHUT_RDWR);
        break;
    case SILENT:
        break;
    case BUSY:
    case REFUSES:
    case REFUSES_ODDLY:
        bad.error = mode == BUSY ? EBUSY : mode == REFUSES ? EACCES : 0x80000001;
        wire_raw(s->fd, &bad, sizeof(bad), NULL, 0);
        break;
    case WRONG_ID:
        wire_send(s->fd, (uint16_t)(h->id + 1), h->command, WEIR_VFU_REPLY, body, len);
        break;
    case WRONG_COMMAND:
        wire_send(s->fd, h->id, h->command + 1u, WEIR_VFU_REPLY, body, len);
        break;
    case TOO_LONG:
        wire_send(s->fd, h->id, h->command, WEIR_VFU_REPLY, body, len + 1);
        break;
    case TOO_SHORT:
        wire_send(s->fd, h->id, h->command, WEIR_VFU_REPLY, body, len - 1);
        break;
    case HUGE_SIZE:
        bad.size = 0xfffffff0;
        wire_raw(s->fd, &bad, sizeof(bad), NULL, 0);
        break;
    case WITH_FDS:
        wire_send_fds(s->fd, h->id, h->command, WEIR_VFU_REPLY, body, len, fds, 2);
        break;
    case REPLIES_TWICE:
        wire_send(s->fd, h->id, h->command, WEIR_VFU_REPLY, body, len);
        wire_send(s->fd, h->id, h->command, WEIR_VFU_REPLY, body, len);
        break;
    case ASKS_WITHOUT_END:
        for (struct weir_vfu_dma_access a = {0x1000, 16};;) {
            struct weir_vfu_header q = {1, WEIR_VFU_DMA_READ, sizeof(q) + sizeof(a),
                                        WEIR_VFU_NO_REPLY, 0};
            struct iovec iov[2] = {{&q, sizeof(q)}, {&a, sizeof(a)}};
            struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
            if (sendmsg(s->fd, &m, MSG_NOSIGNAL) <= 0)
                break;
        }
        break;
    default:
        wire_send(s->fd, h->id, h->command, WEIR_VFU_REPLY, body, len);
    }
}

/* DMA requests of all kinds before the reply, each answered as it should be. */
static inline void ask_first(struct server *s)
{
    static const struct {
        unsigned command;
        struct weir_vfu_dma_access a;
        size_t more;
    } asks[8] = {
        {WEIR_VFU_DMA_READ, {0x1000, 16}, 0},
        {WEIR_VFU_DMA_WRITE, {0x1010, 4}, 4},
        {WEIR_VFU_DMA_READ, {0x2ff9, 16}, 0},                    /* over the end */
        {WEIR_VFU_DMA_READ, {0x0fff, 1}, 0},                     /* before it */
        {WEIR_VFU_DMA_WRITE, {0x5000, 4}, 4},                    /* may only be read */
        {WEIR_VFU_DMA_READ, {0x1000, WEIR_VFU_MAX_DATA + 1}, 0}, /* more than fits in a message */
        {WEIR_VFU_DMA_WRITE, {0x1000, UINT64_MAX}, 4},
        {WEIR_VFU_DEVICE_RESET, {0x1000, 4}, 0}, /* not for a server to ask */
    };
    struct weir_vfu_header h;
    static uint8_t body[64];

    for (unsigned i = 0; i < 8; i++) {
        memcpy(body, &asks[i].a, sizeof(asks[i].a));
        memcpy(body + sizeof(asks[i].a), "wxyz", 4);
        wire_send(s->fd, (uint16_t)(500 + i), asks[i].command, 0, body,
                  sizeof(asks[i].a) + asks[i].more);
        assert_int_equal(wire_exactly(s->fd, &h, sizeof(h), NULL, NULL, WIRE_PATIENCE_MS), 1);
        assert_int_equal(h.id, 500 + i);
        assert_int_equal(h.flags & WEIR_VFU_TYPE_MASK, WEIR_VFU_REPLY);
        s->dma[i].error = h.flags & WEIR_VFU_ERROR ? h.error : 0;
        s->dma[i].len = h.size - sizeof(h);
        assert_true(s->dma[i].len <= sizeof(body));
        if (s->dma[i].len)
            wire_exactly(s->fd, body, s->dma[i].len, NULL, NULL, WIRE_PATIENCE_MS);
        if (i == 0)
            assert_memory_equal(body + 16, "0123456789abcdef", 16);
    }
}

static inline void saw(struct server *s, const struct weir_vfu_write_one *one)
{
    unsigned n = atomic_load(&s->n_seen);

    assert_true(n < sizeof(s->seen) / sizeof(s->seen[0]));
    s->seen[n] = *one;
    atomic_store(&s->n_seen, n + 1);
}

static inline void *serve(void *arg)
{
    static uint8_t body[WEIR_VFU_MAX_MESSAGE];
    struct server *s = arg;
    struct weir_vfu_header h;
    struct weir_vfu_region_access a;
    bool first = true;

    for (;;) {
        /* VERSION is always read. */
        while (!first && s->rest == READS_NOTHING && !atomic_load(&s->go)) {
            struct pollfd p = {.fd = s->fd, .events = 0};
            if (poll(&p, 1, 1) == 1)
                return NULL;
        }
        if (wire_exactly(s->fd, &h, sizeof(h), NULL, NULL, WIRE_PATIENCE_MS) != 1)
            return NULL;
        size_t len = h.size - sizeof(h);
        if (len && wire_exactly(s->fd, body, len, NULL, NULL, WIRE_PATIENCE_MS) != 1)
            return NULL;
        if (first) {
            const char *json = s->version == NOT_JSON    ? "no JSON \x1b[31m"
                               : s->version == TINY_DATA ? "{\"capabilities\":{\"max_data_xfer_"
                                                           "size\":7}}"
                               : s->no_multi             ? "{\"capabilities\":{\"max_msg_fds\":1}}"
                                                         : WIRE_QEMU_JSON;
            first = false;
            assert_int_equal(h.command, WEIR_VFU_VERSION);
            len = wire_version(body, s->version == OTHER_VERSION, s->version == NEWER_MINOR, json);
            reply(s, &h, s->version, body, s->version == NO_NUL ? len - 1 : len);
            continue;
        }
        if (h.command == WEIR_VFU_REGION_WRITE) {
            struct weir_vfu_write_one one = {0};
            memcpy(&a, body, sizeof(a));
            one = (struct weir_vfu_write_one){
                .offset = a.offset, .region = a.region, .count = a.count};
            memcpy(one.data, body + sizeof(a), a.count < 8 ? a.count : 8);
            saw(s, &one);
        } else if (h.command == WEIR_VFU_REGION_WRITE_MULTI) {
            uint64_t n;
            struct weir_vfu_write_one one;
            memcpy(&n, body, sizeof(n));
            assert_int_equal(len, sizeof(n) + n * sizeof(one));
            s->multis++;
            for (uint64_t i = 0; i < n; i++) {
                memcpy(&one, body + sizeof(n) + i * sizeof(one), sizeof(one));
                saw(s, &one);
            }
        }
        if (h.flags & WEIR_VFU_NO_REPLY)
            continue;
        atomic_store(&s->asked, true);
        memcpy(&a, body, sizeof(a));
        if (s->rest == ASKS_FIRST)
            ask_first(s);
        memset(body + sizeof(a), 0x42, 64);
        reply(s, &h, s->rest, body, sizeof(a) + (h.command == WEIR_VFU_REGION_READ ? a.count : 0));
    }
}

static inline void *dma(void *user, uint64_t iova, size_t len, bool write)
{
    (void)user;
    if (iova >= 0x1000 && iova < 0x3000 && len <= 0x3000 - iova)
        return memory + (iova - 0x1000);
    if (iova >= 0x5000 && iova < 0x6000 && len <= 0x6000 - iova && !write)
        return memory + (iova - 0x5000);
    return NULL;
}

static inline void want_out(void *user, bool on)
{
    (void)user;
    atomic_store(&out_wanted, on);
    atomic_fetch_add(&out_calls, 1);
}

static const struct weir_vfu_client_ops ops = {.dma = dma, .want_out = want_out};

static inline int start(enum mode version, enum mode rest, unsigned timeout_ms,
                        struct weir_error *e)
{
    memset(&server, 0, sizeof(server));
    memcpy(memory, "0123456789abcdef", 16);
    atomic_store(&out_wanted, 0);
    atomic_store(&out_calls, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    server.fd = pair[1];
    server.version = version;
    server.rest = rest;
    server.no_multi = false;
    client = weir_vfu_client_new(NAME, timeout_ms, &ops, NULL);
    assert_non_null(client);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, &server), 0);
    return weir_vfu_client_start(client, pair[0], e);
}

static inline void stop(void)
{
    weir_vfu_client_stop(client);
    weir_vfu_client_free(client);
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.fd);
}

static inline int read4(uint64_t off, uint32_t *value, struct weir_error *e)
{
    struct weir_vfu_region_access a = {off, 0, 4}, got;
    struct weir_vfu_call call = {
        .what = "read region 0",
        .command = WEIR_VFU_REGION_READ,
        .body = {{&a, sizeof(a)}},
        .reply = &got,
        .reply_len = sizeof(got),
        .data = value,
        .data_len = 4,
    };
    return weir_vfu_client_call(client, &call, e);
}

static inline void expect_error(const struct weir_error *e, int err, const char *code,
                                const char *why)
{
    if (e->err != err || strcmp(e->code, code) != 0 || !strstr(e->why, why))
        fail_msg("got %d %s '%s: %s', not %d %s '%s'", e->err, e->code, e->what, e->why, err, code,
                 why);
    assert_non_null(strstr(e->what, NAME));
    for (const char *c = e->why; *c; c++)
        assert_in_range(*c, 0x20, 0x7e);
    /* What to do is said wherever something can be done. */
    if (strcmp(code, "vfio-user-refused") != 0)
        assert_true(e->fix[0]);
}

/* Serve the client until a condition holds. */
#define READY_UNTIL(condition)                                                                     \
    do {                                                                                           \
        uint64_t from_ = weir_now_ns();                                                            \
        while (!(condition)) {                                                                     \
            struct pollfd p_ = {.fd = pair[0], .events = POLLIN};                                  \
            assert_true(weir_now_ns() - from_ < 10000000000u);                                     \
            poll(&p_, 1, 10);                                                                      \
            weir_vfu_client_ready(client);                                                         \
        }                                                                                          \
    } while (0)

#endif
