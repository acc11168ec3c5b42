/* SPDX-License-Identifier: BSD-3-Clause */
/* The client's side of a connection, facing servers that are right, wrong, slow or hostile. */
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

static void reply(struct server *s, const struct weir_vfu_header *h, enum mode mode, void *body,
                  size_t len)
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
static void ask_first(struct server *s)
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

static void saw(struct server *s, const struct weir_vfu_write_one *one)
{
    unsigned n = atomic_load(&s->n_seen);

    assert_true(n < sizeof(s->seen) / sizeof(s->seen[0]));
    s->seen[n] = *one;
    atomic_store(&s->n_seen, n + 1);
}

static void *serve(void *arg)
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

static void *dma(void *user, uint64_t iova, size_t len, bool write)
{
    (void)user;
    if (iova >= 0x1000 && iova < 0x3000 && len <= 0x3000 - iova)
        return memory + (iova - 0x1000);
    if (iova >= 0x5000 && iova < 0x6000 && len <= 0x6000 - iova && !write)
        return memory + (iova - 0x5000);
    return NULL;
}

static void want_out(void *user, bool on)
{
    (void)user;
    atomic_store(&out_wanted, on);
    atomic_fetch_add(&out_calls, 1);
}

static const struct weir_vfu_client_ops ops = {.dma = dma, .want_out = want_out};

static int start(enum mode version, enum mode rest, unsigned timeout_ms, struct weir_error *e)
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

static void stop(void)
{
    weir_vfu_client_stop(client);
    weir_vfu_client_free(client);
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.fd);
}

static int read4(uint64_t off, uint32_t *value, struct weir_error *e)
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

static void expect_error(const struct weir_error *e, int err, const char *code, const char *why)
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

static void version_replies(void **state)
{
    static const struct {
        enum mode mode;
        int err;
        const char *code, *why;
    } cases[] = {
        {GARBAGE, -EPROTO, "vfio-user-protocol", "no vfio-user message"},
        {CLOSES, -ECONNRESET, "vfio-user-closed", "closed the connection"},
        {CLOSES_IN_A_REPLY, -ECONNRESET, "vfio-user-closed", "closed the connection"},
        {SILENT, -ETIMEDOUT, "vfio-user-timeout", "did not answer within 100 ms"},
        {STOPS_IN_A_REPLY, -ETIMEDOUT, "vfio-user-timeout", "did not answer within 100 ms"},
        {BUSY, -EBUSY, "device-busy", "another client"},
        {REFUSES, -EACCES, "vfio-user-version", "refuses version 0.0: Permission denied"},
        {REFUSES_ODDLY, -EPROTO, "vfio-user-version", "refuses version 0.0"},
        {OTHER_VERSION, -EPROTONOSUPPORT, "vfio-user-version", "speaks version 1.0"},
        {NEWER_MINOR, -EPROTONOSUPPORT, "vfio-user-version", "speaks version 0.1"},
        {WRONG_ID, -EPROTO, "vfio-user-protocol", "an answer to"},
        {WRONG_COMMAND, -EPROTO, "vfio-user-protocol", "an answer to"},
        {HUGE_SIZE, -EPROTO, "vfio-user-protocol", "no vfio-user message"},
        {NOT_JSON, -EPROTO, "vfio-user-protocol", "no JSON ?[31m"},
        {TINY_DATA, -EPROTO, "vfio-user-protocol", "no more than 7 bytes"},
        {NO_NUL, -EPROTO, "vfio-user-protocol", "no NUL"},
        {WITH_FDS, -EPROTO, "vfio-user-protocol", "descriptors"},
        {ASKS_WITHOUT_END, -ETIMEDOUT, "vfio-user-timeout", "did not answer"},
    };

    (void)state;
    unsigned before = wire_count_fds();
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_error e = {0};
        bool slow = cases[i].err == -ETIMEDOUT;
        uint64_t from = weir_now_ns();
        assert_int_equal(start(cases[i].mode, RIGHT, slow ? 100 : 10000, &e), cases[i].err);
        uint64_t took = weir_now_ns() - from;
        expect_error(&e, cases[i].err, cases[i].code, cases[i].why);
        assert_true(weir_vfu_client_dead(client));
        if (slow)
            assert_true(took >= 100000000u);
        assert_true(took < 5000000000u);
        assert_int_equal(weir_vfu_client_post(client, 0, 0, "abcd", 4), -ENODEV);
        stop();
    }
    assert_int_equal(wire_count_fds(), before);
}

static void what_the_server_can_do(void **state)
{
    (void)state;
    assert_int_equal(start(RIGHT, RIGHT, 10000, NULL), 0);
    const struct weir_vfu_caps *peer = weir_vfu_client_peer(client);
    assert_int_equal(peer->max_fds, 16);
    assert_int_equal(peer->max_data, 1048576);
    assert_int_equal(peer->max_maps, 65535);
    assert_int_equal(peer->pgsizes, 4096);
    assert_true(peer->write_multi);
    stop();
}

static void answers(void **state)
{
    static const struct {
        enum mode mode;
        int err;
        const char *code, *why;
        bool lives;
    } cases[] = {
        {RIGHT, 0, NULL, NULL, true},
        {ASKS_FIRST, 0, NULL, NULL, true},
        {GARBAGE, -EPROTO, "vfio-user-protocol", "no vfio-user message", false},
        {CLOSES, -ECONNRESET, "vfio-user-closed", "closed", false},
        {CLOSES_IN_A_REPLY, -ECONNRESET, "vfio-user-closed", "closed", false},
        {SILENT, -ETIMEDOUT, "vfio-user-timeout", "did not answer within 100 ms", false},
        {STOPS_IN_A_REPLY, -ETIMEDOUT, "vfio-user-timeout", "did not answer", false},
        {REFUSES, -EACCES, "vfio-user-refused", "Permission denied", true},
        {REFUSES_ODDLY, -EIO, "vfio-user-refused", "refuses", true},
        {WRONG_ID, -EPROTO, "vfio-user-protocol", "an answer to", false},
        {WRONG_COMMAND, -EPROTO, "vfio-user-protocol", "an answer to", false},
        {TOO_LONG, -EPROTO, "vfio-user-protocol", "21 bytes, expected were 20", false},
        {TOO_SHORT, -EPROTO, "vfio-user-protocol", "19 bytes, expected were 20", false},
        {HUGE_SIZE, -EPROTO, "vfio-user-protocol", "no vfio-user message", false},
        {WITH_FDS, -EPROTO, "vfio-user-protocol", "descriptors", false},
        {ASKS_WITHOUT_END, -ETIMEDOUT, "vfio-user-timeout", "did not answer", false},
    };

    (void)state;
    unsigned before = wire_count_fds();
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_error e = {0};
        bool slow = cases[i].err == -ETIMEDOUT;
        uint32_t value = 0;
        assert_int_equal(start(RIGHT, cases[i].mode, 10000, &e), 0);
        if (slow)
            client->timeout_ms = 100;
        uint64_t from = weir_now_ns();
        assert_int_equal(read4(8, &value, &e), cases[i].err);
        assert_true(weir_now_ns() - from < 5000000000u);
        if (cases[i].err)
            expect_error(&e, cases[i].err, cases[i].code, cases[i].why);
        else
            assert_int_equal(value, 0x42424242);
        assert_int_equal(weir_vfu_client_dead(client), !cases[i].lives);
        /* Once dead it says so at once, and why. */
        if (!cases[i].lives) {
            from = weir_now_ns();
            assert_int_equal(read4(8, &value, &e), cases[i].err);
            expect_error(&e, cases[i].err, cases[i].code, "");
            assert_true(weir_now_ns() - from < 50000000u);
        }
        stop();
    }
    assert_int_equal(wire_count_fds(), before);
}

static void memory_is_served_within_bounds_and_rights(void **state)
{
    static const uint32_t want[8] = {0, 0, EFAULT, EFAULT, EFAULT, EINVAL, EINVAL, ENOTSUP};
    uint32_t value;

    (void)state;
    assert_int_equal(start(RIGHT, ASKS_FIRST, 10000, NULL), 0);
    assert_int_equal(read4(0, &value, NULL), 0);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(server.dma[i].error, want[i]);
    assert_int_equal(server.dma[0].len, 32);
    assert_int_equal(server.dma[1].len, 16);
    assert_memory_equal(memory + 16, "wxyz", 4);
    stop();
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

/* Nobody waits for an answer: what comes is served, or noticed, from the event loop. */
static void unasked_messages(void **state)
{
    struct weir_vfu_dma_access a = {0x1000, 16};
    struct wire_msg m;
    char why[200];

    (void)state;
    assert_int_equal(start(RIGHT, READS_NOTHING, 10000, NULL), 0);
    wire_send(server.fd, 9, WEIR_VFU_DMA_READ, 0, &a, sizeof(a));
    READY_UNTIL(!wire_quiet(server.fd));
    wire_recv(server.fd, &m);
    assert_int_equal(m.h.id, 9);
    assert_int_equal(m.len, 32);
    assert_memory_equal(m.body + 16, "0123456789abcdef", 16);

    wire_send(server.fd, 9, WEIR_VFU_REGION_READ, WEIR_VFU_REPLY, &a, sizeof(a));
    READY_UNTIL(weir_vfu_client_dead(client));
    weir_vfu_client_why(client, why, sizeof(why));
    assert_non_null(strstr(why, "nobody asked"));
    stop();

    assert_int_equal(start(RIGHT, READS_NOTHING, 10000, NULL), 0);
    shutdown(server.fd, SHUT_RDWR);
    READY_UNTIL(weir_vfu_client_dead(client));
    weir_vfu_client_why(client, why, sizeof(why));
    assert_non_null(strstr(why, "closed"));
    stop();

    assert_int_equal(start(RIGHT, READS_NOTHING, 10000, NULL), 0);
    wire_send_fds(server.fd, 9, WEIR_VFU_DMA_READ, 0, &a, sizeof(a), &server.fd, 1);
    READY_UNTIL(weir_vfu_client_dead(client));
    stop();
}

/* A second reply is noticed when it comes, not taken for the next one's. */
static void a_reply_too_many(void **state)
{
    uint32_t value;

    (void)state;
    assert_int_equal(start(RIGHT, REPLIES_TWICE, 10000, NULL), 0);
    assert_int_equal(read4(0, &value, NULL), 0);
    READY_UNTIL(weir_vfu_client_dead(client));
    stop();
}

/* A flood of requests whose answers nobody takes: bounded time for each look, bounded memory. */
static void flood_of_requests(void **state)
{
    struct weir_vfu_dma_access a = {0x1000, 0x1000};
    struct {
        struct weir_vfu_header h;
        struct weir_vfu_dma_access a;
    } m = {{1, WEIR_VFU_DMA_READ, sizeof(m), 0, 0}, {0x1000, 0x1000}};
    uint64_t sent = 0;

    (void)state;
    (void)a;
    assert_int_equal(start(RIGHT, READS_NOTHING, 10000, NULL), 0);
    client->timeout_ms = 300;
    uint64_t from = weir_now_ns();
    while (!weir_vfu_client_dead(client)) {
        if (send(server.fd, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
            sent += sizeof(m);
        uint64_t look = weir_now_ns();
        weir_vfu_client_ready(client);
        assert_true(weir_now_ns() - look < 1000000000u);
        assert_true(weir_now_ns() - from < 10000000000u);
        /* two sockets full and what the client reads ahead */
        assert_true(sent < 8u << 20);
    }
    stop();
}

/* Posted writes */

static void expect_seen(unsigned i, uint64_t off, uint32_t value)
{
    uint32_t got;

    memcpy(&got, server.seen[i].data, 4);
    if (server.seen[i].offset != off || got != value)
        fail_msg("write %u is %u at %#llx, not %u at %#llx", i, got,
                 (unsigned long long)server.seen[i].offset, value, (unsigned long long)off);
}

static void post(uint64_t off, uint32_t value)
{
    assert_int_equal(weir_vfu_client_post(client, 0, off, &value, 4), 0);
}

static void posted_writes_come_before_a_read(void **state)
{
    uint32_t value;

    (void)state;
    assert_int_equal(start(RIGHT, RIGHT, 10000, NULL), 0);
    for (uint32_t i = 0; i < 100; i++)
        post(8 * (i % 3), i);
    assert_int_equal(read4(0, &value, NULL), 0);
    assert_int_equal(atomic_load(&server.n_seen), 100);
    for (uint32_t i = 0; i < 100; i++)
        expect_seen(i, 8 * (i % 3), i);
    stop();
}

/* A server that reads nothing for a while: nothing blocks, nothing is lost, the order is kept. */
static void posted_writes_wait_for_the_socket(void **state)
{
    (void)state;
    for (int multi = 0; multi < 2; multi++) {
        const uint32_t n = 20000;
        uint32_t value;
        assert_int_equal(start(RIGHT, READS_NOTHING, 10000, NULL), 0);
        if (!multi)
            client->peer.write_multi = false;
        uint64_t from = weir_now_ns();
        for (uint32_t i = 0; i < n; i++)
            post(i & 1 ? 0x10 : 0x20, i);
        assert_true(weir_now_ns() - from < 5000000000u);
        assert_true(atomic_load(&out_wanted));
        assert_int_equal(atomic_load(&out_calls), 1);
        atomic_store(&server.go, true);
        READY_UNTIL(!atomic_load(&out_wanted));
        assert_int_equal(read4(0, &value, NULL), 0);
        assert_int_equal(atomic_load(&server.n_seen), n);
        for (uint32_t i = 0; i < n; i++)
            expect_seen(i, i & 1 ? 0x10 : 0x20, i);
        if (multi)
            assert_in_range(server.multis, 1, n / 2);
        else
            assert_int_equal(server.multis, 0);
        stop();
    }
}

/* A register is not memory: every write to it counts, also when they wait for the socket. */
static void writes_to_one_register_all_arrive(void **state)
{
    const uint32_t n = 20000;
    uint32_t value;

    (void)state;
    assert_int_equal(start(RIGHT, READS_NOTHING, 10000, NULL), 0);
    for (uint32_t i = 0; i < n; i++)
        post(0x10, i);
    atomic_store(&server.go, true);
    assert_int_equal(read4(0, &value, NULL), 0);
    assert_int_equal(atomic_load(&server.n_seen), n);
    for (uint32_t i = 0; i < n; i++)
        expect_seen(i, 0x10, i);
    stop();
}

static void a_server_that_never_reads_is_lost(void **state)
{
    struct weir_error e;
    uint32_t value;
    char why[200];

    (void)state;
    /* by time */
    assert_int_equal(start(RIGHT, READS_NOTHING, 10000, NULL), 0);
    client->timeout_ms = 50;
    uint64_t from = weir_now_ns();
    for (uint32_t i = 0; weir_vfu_client_post(client, 0, i % 7 * 4, &i, 4) == 0; i++) {
        assert_true(weir_now_ns() - from < 10000000000u);
        if (i > 2000)
            poll(NULL, 0, 1);
    }
    weir_vfu_client_why(client, why, sizeof(why));
    assert_non_null(strstr(why, "took no register writes for 50 ms"));
    stop();

    /* by number */
    assert_int_equal(start(RIGHT, READS_NOTHING, 60000, NULL), 0);
    from = weir_now_ns();
    uint32_t n = 0;
    while (weir_vfu_client_post(client, 0, n % 7 * 4, &n, 4) == 0)
        n++;
    assert_true(weir_now_ns() - from < 10000000000u);
    assert_in_range(n, 32768, 60000);
    weir_vfu_client_why(client, why, sizeof(why));
    assert_non_null(strstr(why, "32768 register writes waiting"));
    stop();

    /* a read behind them is told in time */
    assert_int_equal(start(RIGHT, READS_NOTHING, 10000, NULL), 0);
    client->timeout_ms = 100;
    for (uint32_t i = 0; i < 5000; i++)
        post(i % 7 * 4, i);
    from = weir_now_ns();
    assert_int_equal(read4(0, &value, &e), -ETIMEDOUT);
    assert_true(weir_now_ns() - from < 5000000000u);
    expect_error(&e, -ETIMEDOUT, "vfio-user-timeout", "");
    stop();
}

static void *reader(void *arg)
{
    uint32_t value;

    *(int *)arg = read4(0, &value, NULL);
    return NULL;
}

/* While one thread waits for an answer, another posts without waiting. */
static void posting_while_another_thread_waits(void **state)
{
    pthread_t thread;
    int r = 1;

    (void)state;
    assert_int_equal(start(RIGHT, SILENT, 10000, NULL), 0);
    client->timeout_ms = 1000;
    assert_int_equal(pthread_create(&thread, NULL, reader, &r), 0);
    uint64_t from = weir_now_ns();
    while (!atomic_load(&server.asked)) {
        assert_true(weir_now_ns() - from < 10000000000u);
        sched_yield();
    }
    from = weir_now_ns();
    for (uint32_t i = 0; i < 100; i++)
        post(4 * i, i);
    assert_true(weir_now_ns() - from < 500000000u);
    weir_vfu_client_ready(client); /* does not wait for it either */
    assert_true(weir_now_ns() - from < 500000000u);
    pthread_join(thread, NULL);
    assert_int_equal(r, -ETIMEDOUT);
    stop();
}

/* Halting frees a thread that waits. */
static void halt_while_another_thread_waits(void **state)
{
    pthread_t thread;
    int r = 1;

    (void)state;
    assert_int_equal(start(RIGHT, SILENT, 60000, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, reader, &r), 0);
    uint64_t from = weir_now_ns();
    while (!atomic_load(&server.asked)) {
        assert_true(weir_now_ns() - from < 10000000000u);
        sched_yield();
    }
    weir_vfu_client_halt(client, "enough");
    pthread_join(thread, NULL);
    assert_int_equal(r, -ENODEV);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_replies),
        cmocka_unit_test(what_the_server_can_do),
        cmocka_unit_test(answers),
        cmocka_unit_test(memory_is_served_within_bounds_and_rights),
        cmocka_unit_test(unasked_messages),
        cmocka_unit_test(a_reply_too_many),
        cmocka_unit_test(flood_of_requests),
        cmocka_unit_test(posted_writes_come_before_a_read),
        cmocka_unit_test(posted_writes_wait_for_the_socket),
        cmocka_unit_test(writes_to_one_register_all_arrive),
        cmocka_unit_test(a_server_that_never_reads_is_lost),
        cmocka_unit_test(posting_while_another_thread_waits),
        cmocka_unit_test(halt_while_another_thread_waits),
    };
    return cmocka_run_group_tests_name("vfu_client", tests, NULL, NULL);
}
