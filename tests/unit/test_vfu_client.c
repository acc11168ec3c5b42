/* SPDX-License-Identifier: BSD-3-Clause */
/* The client's side of a connection, facing servers that are right, wrong, slow or hostile. */
#include "vfu_client_case.h"

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
            client->timeout_ms = 10000;
            from = weir_now_ns();
            assert_int_equal(read4(8, &value, &e), cases[i].err);
            expect_error(&e, cases[i].err, cases[i].code, "");
            assert_true(weir_now_ns() - from < 5000000000u);
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

/* The processor's time of this thread: what else runs here does not count. */
static uint64_t thread_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A flood of requests whose answers nobody takes: bounded time for each look, bounded memory. */
static void flood_of_requests(void **state)
{
    struct {
        struct weir_vfu_header h;
        struct weir_vfu_dma_access a;
    } m = {{1, WEIR_VFU_DMA_READ, sizeof(m), 0, 0}, {0x1000, 0x1000}};
    uint64_t sent = 0;

    (void)state;
    assert_int_equal(start(RIGHT, READS_NOTHING, 10000, NULL), 0);
    client->timeout_ms = 300;
    uint64_t from = weir_now_ns();
    while (!weir_vfu_client_dead(client)) {
        if (send(server.fd, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
            sent += sizeof(m);
        uint64_t look = thread_ns();
        weir_vfu_client_ready(client);
        assert_true(thread_ns() - look < 1000000000u);
        assert_true(weir_now_ns() - from < 60000000000u);
        /* two sockets full and what the client reads ahead */
        assert_true(sent < 8u << 20);
    }
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
    };
    return cmocka_run_group_tests_name("vfu_client", tests, NULL, NULL);
}
