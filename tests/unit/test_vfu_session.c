/* SPDX-License-Identifier: BSD-3-Clause */
/* The server's side of a connection, facing clients that are right, wrong, slow or hostile: how it
 * begins, and the stream of messages and descriptors. */
#include "vfu_session_case.h"

/* VERSION */

static void version_as_qemu_asks(void **state)
{
    struct device *d = *state;
    uint8_t body[512];
    struct wire_msg m;

    size_t len = wire_version(body, 0, 0, WIRE_QEMU_JSON);
    ask(d, WEIR_VFU_VERSION, body, len, 0, &m);
    assert_in_range(m.len, 5, len);
    assert_memory_equal(m.body, "\0\0\0\0", 4);
    assert_int_equal(m.body[m.len - 1], 0);
    const char *json = (const char *)m.body + 4;
    assert_int_equal(strlen(json), m.len - 5);
    assert_string_equal(json,
                        "{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576,"
                        "\"max_dma_maps\":65535,\"pgsizes\":4096,\"write_multiple\":true}}");
}

static void version_names_only_what_was_named(void **state)
{
    struct device *d = *state;
    uint8_t body[512];
    struct wire_msg m;

    ask(d, WEIR_VFU_VERSION, body, wire_version(body, 0, 7, "{\"capabilities\":{}, \"x\":[1]}"), 0,
        &m);
    assert_string_equal(m.body + 4, "{\"capabilities\":{}}");
}

static void version_without_text(void **state)
{
    struct device *d = *state;
    uint8_t body[8];
    struct wire_msg m;

    ask(d, WEIR_VFU_VERSION, body, wire_version(body, 0, 0, NULL), 0, &m);
    assert_int_equal(m.len, 4);
}

/* Room for no more than the shortest text, or not even that. */
static void version_reply_is_no_longer_than_the_request(void **state)
{
    static const char *const texts[] = {"{}", "{\"capabilities\":{\"pgsizes\":4096}}",
                                        "{\"capabilities\":{\"max_msg_fds\":1}}"};
    uint8_t body[128];
    struct wire_msg m;

    for (unsigned i = 0; i < 3; i++) {
        if (i)
            assert_int_equal(setup_raw(state), 0);
        size_t len = wire_version(body, 0, 0, texts[i]);
        ask(*state, WEIR_VFU_VERSION, body, len, 0, &m);
        assert_in_range(m.len, 4, len);
        if (i < 2)
            teardown(state);
    }
}

static void version_nonsense_is_refused(void **state)
{
    struct device *d = *state;
    static uint8_t body[WEIR_VFU_MAX_JSON + 64];
    static const char *const bad[] = {
        "",
        "x",
        "[]",
        "7",
        "{",
        "{\"capabilities\": 7}",
        "{\"capabilities\": {\"max_msg_fds\": -1}}",
        "{\"capabilities\": {\"max_msg_fds\": 1.5}}",
        "{\"capabilities\": {\"max_msg_fds\": \"8\"}}",
        "{\"capabilities\": {\"max_data_xfer_size\": 0}}",
        "{\"capabilities\": {\"write_multiple\": 1}}",
        "{\"capabilities\": {}} trailing",
        "{\"a\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}",
        "{\"capabilities\": {\"\xff\xfe\": 1}}",
    };
    struct wire_msg m;

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ask(d, WEIR_VFU_VERSION, body, wire_version(body, 0, 0, bad[i]), EINVAL, &m);
    /* no NUL */
    ask(d, WEIR_VFU_VERSION, body, wire_version(body, 0, 0, "{}") - 1, EINVAL, &m);
    /* a level of brackets for each byte there may be, and a byte more than there may be */
    memset(body + 4, '[', WEIR_VFU_MAX_JSON);
    body[4 + WEIR_VFU_MAX_JSON - 1] = 0;
    ask(d, WEIR_VFU_VERSION, body, 4 + WEIR_VFU_MAX_JSON, EINVAL, &m);
    memset(body + 4, ' ', WEIR_VFU_MAX_JSON + 1);
    body[4 + WEIR_VFU_MAX_JSON] = 0;
    ask(d, WEIR_VFU_VERSION, body, 4 + WEIR_VFU_MAX_JSON + 1, EINVAL, &m);
    ask(d, WEIR_VFU_VERSION, body, 3, EINVAL, &m);
    ask(d, WEIR_VFU_VERSION, body, 0, EINVAL, &m);
    ask(d, WEIR_VFU_VERSION, body, wire_version(body, 1, 0, "{}"), EPROTONOSUPPORT, &m);
    assert_false(weir_vfu_session_open(d->session));
    /* the longest text there may be is fine, and another try too */
    memset(body, 0, 4);
    memset(body + 4, ' ', WEIR_VFU_MAX_JSON);
    memcpy(body + 4, "{}", 2);
    body[4 + WEIR_VFU_MAX_JSON - 1] = 0;
    ask(d, WEIR_VFU_VERSION, body, 4 + WEIR_VFU_MAX_JSON, 0, &m);
    still_serves(d);
}

static void version_comes_first_and_once(void **state)
{
    struct device *d = *state;
    struct weir_vfu_device_info info = {.argsz = sizeof(info)};
    uint8_t body[512];
    size_t len = wire_version(body, 0, 0, WIRE_QEMU_JSON);
    struct wire_msg m;

    ask(d, WEIR_VFU_DEVICE_GET_INFO, &info, sizeof(info), EPROTO, &m);
    ask(d, WEIR_VFU_DEVICE_RESET, NULL, 0, EPROTO, &m);
    wire_send(d->client, 1, WEIR_VFU_VERSION, WEIR_VFU_NO_REPLY, body, len);
    assert_int_equal(settle(d), 0);
    assert_false(weir_vfu_session_open(d->session));
    agree(d);
    ask(d, WEIR_VFU_VERSION, body, len, EPROTO, &m);
    still_serves(d);
    assert_int_equal(d->resets, 1);
}

static void version_has_a_deadline(void **state)
{
    struct device *d = *state;

    teardown(state);
    d = calloc(1, sizeof(*d));
    *state = d;
    connect_device(d, &(struct weir_vfu_session_options){.version_ms = 20});
    uint64_t from = weir_now_ns();
    assert_true(weir_vfu_session_deadline(d->session) < from + 20000000);
    while (weir_vfu_session_run(d->session, 10) == 0 && weir_now_ns() - from < 10000000000u) {
        struct pollfd p = {.fd = weir_vfu_session_fd(d->session), .events = POLLIN};
        poll(&p, 1, 5);
    }
    expect_over(d, -ETIMEDOUT, "does not begin with VERSION");
}

/* The stream */

static void header_that_cannot_be(void **state)
{
    static const struct {
        struct weir_vfu_header h;
        int err;
        const char *why;
    } cases[] = {
        {{1, WEIR_VFU_DEVICE_RESET, 0, 0, 0}, -EPROTO, "no vfio-user message"},
        {{1, WEIR_VFU_DEVICE_RESET, 15, 0, 0}, -EPROTO, "no vfio-user message"},
        {{1, WEIR_VFU_DEVICE_RESET, 16, 2, 0}, -EPROTO, "no vfio-user message"},
        {{1, WEIR_VFU_DEVICE_RESET, 16, 15, 0}, -EPROTO, "no vfio-user message"},
        {{1, WEIR_VFU_REGION_READ, 0xffffffff, 0, 0}, -EMSGSIZE, "longer than any"},
        {{1, WEIR_VFU_REGION_READ, WEIR_VFU_MAX_MESSAGE + 1, 0, 0}, -EMSGSIZE, "longer than any"},
        {{1, WEIR_VFU_DEVICE_RESET, 16, WEIR_VFU_REPLY, 0}, -EPROTO, "nobody asked"},
        {{0x5448, 0x5054, 0x312e312f, 0x0a0d, 0}, -EPROTO, "no vfio-user message"}, /* HTTP/1.1 */
    };
    struct wire_msg m;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i) {
            teardown(state);
            setup(state);
        }
        struct device *d = *state;
        wire_raw(d->client, &cases[i].h, sizeof(cases[i].h), NULL, 0);
        expect_over(d, cases[i].err, cases[i].why);
        if (cases[i].err == -EMSGSIZE) {
            wire_recv(d->client, &m);
            assert_int_equal(m.h.error, EMSGSIZE);
        }
        assert_int_equal(d->resets, 0);
    }
}

static void client_leaves(void **state)
{
    struct device *d = *state;
    struct weir_vfu_header h = {1, WEIR_VFU_DEVICE_RESET, 16, 0, 0};

    close(d->client);
    d->client = -1;
    expect_over(d, -ECONNRESET, "closed the connection");
    for (size_t part = 1; part < sizeof(h); part += 5) {
        teardown(state);
        setup(state);
        d = *state;
        wire_raw(d->client, &h, part, NULL, 0);
        assert_int_equal(settle(d), 0);
        close(d->client);
        d->client = -1;
        expect_over(d, -ECONNRESET, "in the middle of a message");
    }
}

static void messages_in_small_pieces(void **state)
{
    struct device *d = *state;
    struct {
        struct weir_vfu_header h;
        struct weir_vfu_region_access a;
        uint32_t value;
    } __attribute__((packed))
    m = {{7, WEIR_VFU_REGION_WRITE, sizeof(m), 0, 0}, {0x20, 0, 4}, 0x11223344};
    struct wire_msg reply;

    for (size_t piece = 1; piece < sizeof(m); piece++) {
        unsigned before = d->writes;
        for (size_t at = 0; at < sizeof(m); at += piece) {
            size_t n = sizeof(m) - at < piece ? sizeof(m) - at : piece;
            assert_int_equal(d->writes, before);
            wire_raw(d->client, (uint8_t *)&m + at, n, NULL, 0);
            assert_int_equal(settle(d), 0);
        }
        assert_int_equal(d->writes, before + 1);
        assert_memory_equal(d->data, &m.value, 4);
        wire_recv(d->client, &reply);
        assert_int_equal(reply.len, sizeof(m.a));
    }
}

/* A client that stalls in the middle of a message costs no waiting. */
static void stall_in_a_message(void **state)
{
    struct device *d = *state;
    struct weir_vfu_header h = {1, WEIR_VFU_DEVICE_RESET, 16, 0, 0};
    struct wire_msg m;

    wire_raw(d->client, &h, 9, NULL, 0);
    uint64_t from = weir_now_ns();
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(weir_vfu_session_run(d->session, 10), 0);
    assert_true(weir_now_ns() - from < 2000000000u);
    assert_false(weir_vfu_session_ready(d->session));
    wire_raw(d->client, (uint8_t *)&h + 9, 7, NULL, 0);
    assert_int_equal(settle(d), 0);
    wire_recv(d->client, &m);
    assert_int_equal(d->resets, 1);
}

static void many_messages_at_once(void **state)
{
    struct device *d = *state;
    struct {
        struct weir_vfu_header h;
        struct weir_vfu_region_access a;
        uint32_t value;
    } __attribute__((packed)) m[1000];

    for (unsigned i = 0; i < 1000; i++) {
        m[i].h = (struct weir_vfu_header){(uint16_t)i, WEIR_VFU_REGION_WRITE, sizeof(m[0]),
                                          WEIR_VFU_NO_REPLY, 0};
        m[i].a = (struct weir_vfu_region_access){8, 0, 4};
        m[i].value = i;
    }
    wire_raw(d->client, m, sizeof(m), NULL, 0);
    assert_int_equal(weir_vfu_session_run(d->session, 10), 10);
    assert_true(weir_vfu_session_ready(d->session)); /* the rest waits where poll() cannot see it */
    assert_int_equal(settle(d), 0);
    assert_int_equal(d->writes, 1000);
    assert_int_equal(d->data[0] | d->data[1] << 8, 999);
    assert_true(wire_quiet(d->client));
    assert_false(weir_vfu_session_ready(d->session));
}

/* Descriptors */

static void each_message_gets_its_own_descriptor(void **state)
{
    struct device *d = *state;
    struct weir_vfu_dma_map map = {sizeof(map), 3, 0, 0, 0x1000};
    struct weir_vfu_region_access access = {0, 0, 4};
    uint8_t write[20] = {0};
    ino_t inode[40];
    struct stat st;

    memcpy(write, &access, sizeof(access));
    unsigned before = wire_count_fds();
    for (unsigned i = 0; i < 40; i++) {
        int fd = wire_memfd(0x1000, F_SEAL_SHRINK);
        assert_int_equal(fstat(fd, &st), 0);
        inode[i] = st.st_ino;
        map.iova = 0x1000 * (uint64_t)i;
        wire_send(d->client, 0, WEIR_VFU_REGION_WRITE, WEIR_VFU_NO_REPLY, write, sizeof(write));
        wire_send_fds(d->client, 0, WEIR_VFU_DMA_MAP, WEIR_VFU_NO_REPLY, &map, sizeof(map), &fd, 1);
        for (unsigned n = 0; n < i % 4; n++)
            wire_send(d->client, 0, WEIR_VFU_REGION_WRITE, WEIR_VFU_NO_REPLY, write, sizeof(write));
        close(fd);
    }
    assert_int_equal(settle(d), 0);
    assert_int_equal(d->maps, 40);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(d->map_inode[i], inode[i]);
    assert_int_equal(wire_count_fds(), before);
}

/* The descriptor comes with the first byte; the rest is late. */
static void descriptor_of_a_message_in_pieces(void **state)
{
    struct device *d = *state;
    struct {
        struct weir_vfu_header h;
        struct weir_vfu_dma_map m;
    } m = {{1, WEIR_VFU_DMA_MAP, sizeof(m), 0, 0}, {sizeof(m.m), 3, 0, 0x10000, 0x1000}};
    int fd = wire_memfd(0x1000, F_SEAL_SHRINK);
    struct wire_msg reply;

    for (size_t first = 1; first < sizeof(m); first += 7) {
        wire_raw(d->client, &m, first, &fd, 1);
        assert_int_equal(settle(d), 0);
        wire_raw(d->client, (uint8_t *)&m + first, sizeof(m) - first, NULL, 0);
        assert_int_equal(settle(d), 0);
        wire_recv(d->client, &reply);
        assert_int_equal(reply.h.flags, WEIR_VFU_REPLY);
        assert_true(d->map_fd);
    }
    close(fd);
}

static void too_many_descriptors(void **state)
{
    struct device *d = *state;
    struct weir_vfu_dma_map map = {sizeof(map), 3, 0, 0x1000, 0x1000};
    struct wire_msg m;
    int fds[64];

    for (unsigned i = 0; i < 64; i++)
        fds[i] = d->client;
    unsigned before = wire_count_fds();
    ask_fds(d, WEIR_VFU_DMA_MAP, &map, sizeof(map), fds, 2, EINVAL, &m);
    ask_fds(d, WEIR_VFU_DMA_MAP, &map, sizeof(map), fds, 17, EMFILE, &m);
    ask_fds(d, WEIR_VFU_DMA_MAP, &map, sizeof(map), fds, 64, EMFILE, &m);
    ask_fds(d, WEIR_VFU_DEVICE_RESET, NULL, 0, fds, 1, EINVAL, &m);
    ask_fds(d, WEIR_VFU_DEVICE_RESET, NULL, 0, fds, 64, EMFILE, &m);
    /* on every piece of one message */
    struct weir_vfu_header h = {1, WEIR_VFU_DEVICE_RESET, 16, 0, 0};
    for (unsigned i = 0; i < 16; i++) {
        wire_raw(d->client, (uint8_t *)&h + i, 1, fds, 3);
        assert_int_equal(settle(d), 0);
    }
    wire_recv(d->client, &m);
    assert_int_equal(m.h.error, EMFILE);
    assert_int_equal(d->maps, 0);
    assert_int_equal(d->resets, 0);
    assert_int_equal(wire_count_fds(), before);
    still_serves(d);
}

static void descriptors_of_a_client_that_went(void **state)
{
    struct device *d = *state;
    struct weir_vfu_header h = {1, WEIR_VFU_DMA_MAP, 48, 0, 0};
    int fd = wire_memfd(0x1000, F_SEAL_SHRINK);
    unsigned before = wire_count_fds();

    wire_raw(d->client, &h, 10, &fd, 1);
    assert_int_equal(settle(d), 0);
    assert_int_equal(wire_count_fds(), before + 1);
    weir_vfu_session_free(d->session);
    d->session = NULL;
    assert_int_equal(wire_count_fds(), before - 1);
    close(fd);
}

/* Clients that do not read */

static void replies_nobody_reads(void **state)
{
    struct device *d;
    struct weir_vfu_region_access a = {0, 0, WEIR_VFU_MAX_DATA};
    struct wire_msg m;

    teardown(state);
    d = calloc(1, sizeof(*d));
    *state = d;
    connect_device(d, &(struct weir_vfu_session_options){.stall_ms = 100});
    agree(d);
    for (uint16_t i = 0; i < 20; i++)
        wire_send(d->client, i, WEIR_VFU_REGION_READ, 0, &a, sizeof(a));
    assert_int_equal(settle(d), 0);
    /* One reply is under way, and no further request was read. */
    assert_int_equal(d->reads, 1);
    assert_int_equal(weir_vfu_session_events(d->session), POLLOUT);
    assert_false(weir_vfu_session_ready(d->session));
    assert_true(weir_vfu_session_deadline(d->session) != UINT64_MAX);

    /* Who reads in the end gets all of them. */
    int flags = fcntl(d->client, F_GETFL);
    assert_true(flags >= 0);
    size_t got = 0, want = 20 * (sizeof(struct weir_vfu_header) + sizeof(a) + WEIR_VFU_MAX_DATA);
    static uint8_t buf[65536];
    while (got < want) {
        assert_true(weir_vfu_session_run(d->session, 100) >= 0);
        ssize_t n = recv(d->client, buf, sizeof(buf), MSG_DONTWAIT);
        if (n > 0)
            got += (size_t)n;
    }
    assert_int_equal(d->reads, 20);
    still_serves(d);

    /* Who never does is let go. */
    for (uint16_t i = 0; i < 20; i++)
        wire_send(d->client, i, WEIR_VFU_REGION_READ, 0, &a, sizeof(a));
    uint64_t from = weir_now_ns();
    int r;
    while ((r = weir_vfu_session_run(d->session, 100)) >= 0 &&
           weir_now_ns() - from < 10000000000u) {
        struct pollfd p = {.fd = weir_vfu_session_fd(d->session), .events = POLLOUT};
        poll(&p, 1, 10);
    }
    assert_true(weir_now_ns() - from >= 100000000u);
    expect_over(d, -ETIMEDOUT, "takes no replies");
    (void)m;
}

/* A further client is told EBUSY. */
static void refusing(void **state)
{
    struct weir_vfu_header h = {0x1234, WEIR_VFU_VERSION, 20, 0, 0};
    struct wire_msg m;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(weir_vfu_refuse(pair[0]), 0);
    wire_raw(pair[1], &h, 7, NULL, 0);
    assert_int_equal(weir_vfu_refuse(pair[0]), 0);
    wire_raw(pair[1], (uint8_t *)&h + 7, 9, NULL, 0);
    wire_raw(pair[1], "\0\0\0", 4, NULL, 0);
    assert_int_equal(weir_vfu_refuse(pair[0]), 1);
    wire_recv(pair[1], &m);
    assert_int_equal(m.h.id, 0x1234);
    assert_int_equal(m.h.command, WEIR_VFU_VERSION);
    assert_int_equal(m.h.error, EBUSY);
    assert_int_equal(wire_recv_ms(pair[1], &m, WIRE_PATIENCE_MS), 0);
    close(pair[1]);

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    close(pair[1]);
    assert_int_equal(weir_vfu_refuse(pair[0]), 1);
}

/* Messages bent at random, from a fixed seed: whatever happens, it is no crash and no leak, and the
 * session is over or in step. */
static void bent_messages(void **state)
{
    unsigned before = wire_count_fds(), survived = 0;
    uint32_t seed = 12345;

    for (unsigned round = 0; round < 3000; round++) {
        struct device *d = *state;
        uint8_t buf[16 + 256];
        size_t len = 16 + (seed >> 7) % 64;
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1664525u + 1013904223u;
            buf[i] = (uint8_t)(seed >> 24);
        }
        struct weir_vfu_header h = {(uint16_t)round, (uint16_t)(seed >> 9 & 31), (uint32_t)len,
                                    seed & 0x10, 0};
        if (seed >> 20 & 7)
            memcpy(buf, &h, sizeof(h));
        else
            memcpy(buf, &h, seed >> 24 & 15);
        int event = eventfd(0, EFD_CLOEXEC);
        wire_raw(d->client, buf, len, &event, seed >> 16 & 1);
        close(event);
        if (settle(d) == 0) {
            survived++;
            uint8_t drain[4096];
            while (recv(d->client, drain, sizeof(drain), MSG_DONTWAIT) > 0)
                ;
            continue;
        }
        teardown(state);
        setup(state);
    }
    assert_true(survived > 1000);
    assert_in_range(wire_count_fds(), before, before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(version_as_qemu_asks, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(version_names_only_what_was_named, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(version_without_text, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(version_reply_is_no_longer_than_the_request, setup_raw,
                                        teardown),
        cmocka_unit_test_setup_teardown(version_nonsense_is_refused, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(version_comes_first_and_once, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(version_has_a_deadline, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(header_that_cannot_be, setup, teardown),
        cmocka_unit_test_setup_teardown(client_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_in_small_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(stall_in_a_message, setup, teardown),
        cmocka_unit_test_setup_teardown(many_messages_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(each_message_gets_its_own_descriptor, setup, teardown),
        cmocka_unit_test_setup_teardown(descriptor_of_a_message_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(descriptors_of_a_client_that_went, setup, teardown),
        cmocka_unit_test_setup_teardown(replies_nobody_reads, setup, teardown),
        cmocka_unit_test(refusing),
        cmocka_unit_test_setup_teardown(bent_messages, setup, teardown),
    };
    return cmocka_run_group_tests_name("vfu_session", tests, NULL, NULL);
}
