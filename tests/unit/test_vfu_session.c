/* SPDX-License-Identifier: BSD-3-Clause */
/* The server's side of a connection, facing clients that are right, wrong, slow or hostile. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "vfu_wire.h"
#include "lib/vfio-user/server.h"

#include <pthread.h>
#include <sys/stat.h>

/* A device of callbacks that remember what they were asked. */
struct device {
    struct weir_vfu_session *session;
    int client; /* the other end */
    unsigned reads, writes, maps, unmaps, resets, notes;
    uint64_t off, iova, size, offset;
    uint32_t region, prot;
    size_t len;
    uint8_t data[64];
    ino_t map_inode[64];
    bool map_fd;
    int result;
    int dma_result; /* of a DMA tried in a write callback */
    bool dma_in_write;
    /* interrupts */
    char irq_did[16];
    unsigned irq_index, irq_start, irq_count, irq_calls;
    bool irq_fds, irq_mask;
    int irq_fd[8];
    int region_fd;
};

static void on_region(void *user, unsigned region, struct weir_vfu_region *out)
{
    static const struct vfio_region_info_cap_sparse_mmap caps = {
        .header = {.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1}};
    struct device *d = user;

    if (region == 0)
        *out = (struct weir_vfu_region){.size = 0x1000, .flags = 3, .fd = -1};
    if (region == 2)
        *out = (struct weir_vfu_region){
            .size = 0x2000,
            .flags = 3 | VFIO_REGION_INFO_FLAG_MMAP,
            .fd = d->region_fd,
            .offset = 0x3000,
            .caps = &caps,
            .caps_len = sizeof(caps),
        };
}

static unsigned on_irqs(void *user, unsigned index)
{
    (void)user;
    return index == 0 ? 1 : index == 2 ? 8 : 0;
}

static int on_read(void *user, unsigned region, uint64_t off, void *buf, size_t len)
{
    struct device *d = user;

    d->reads++;
    if (region != 0 || off > 0x200000 || len > 0x200000 - off)
        return -EINVAL;
    memset(buf, 0x5a, len);
    return d->result;
}

static int on_write(void *user, unsigned region, uint64_t off, const void *buf, size_t len)
{
    struct device *d = user;
    uint8_t byte;

    if (region != 0 || off > 0x1000 || len > 0x1000 - off)
        return -EINVAL;
    d->writes++;
    d->region = region;
    d->off = off;
    d->len = len;
    memcpy(d->data, buf, len < sizeof(d->data) ? len : sizeof(d->data));
    if (d->dma_in_write)
        d->dma_result = weir_vfu_session_dma(d->session, 0, &byte, 1, false);
    return d->result;
}

static int on_map(void *user, uint64_t iova, uint64_t size, uint32_t prot, int *fd, uint64_t offset)
{
    struct device *d = user;
    struct stat st;

    d->map_fd = *fd >= 0;
    if (*fd >= 0) {
        assert_int_equal(fstat(*fd, &st), 0);
        d->map_inode[d->maps % 64] = st.st_ino;
        close(*fd);
        *fd = -1;
    }
    d->maps++;
    d->iova = iova;
    d->size = size;
    d->prot = prot;
    d->offset = offset;
    return d->result;
}

static int on_unmap(void *user, uint64_t iova, uint64_t size)
{
    struct device *d = user;

    d->unmaps++;
    d->iova = iova;
    d->size = size;
    return d->result;
}

static void did(struct device *d, const char *what, unsigned index, unsigned start, unsigned count)
{
    snprintf(d->irq_did, sizeof(d->irq_did), "%s", what);
    d->irq_index = index;
    d->irq_start = start;
    d->irq_count = count;
    d->irq_calls++;
}

static int on_irq_set(void *user, unsigned index, unsigned start, unsigned count, int *fds)
{
    struct device *d = user;

    did(d, "set", index, start, count);
    d->irq_fds = fds != NULL;
    for (unsigned i = 0; fds && i < count; i++) {
        close(fds[i]);
        fds[i] = -1;
    }
    return d->result;
}

static int on_irq_trigger(void *user, unsigned index, unsigned start, unsigned count)
{
    did(user, "trigger", index, start, count);
    return 0;
}

static int on_irq_mask(void *user, unsigned index, unsigned start, unsigned count, bool mask)
{
    did(user, mask ? "mask" : "unmask", index, start, count);
    return 0;
}

static int on_irq_unmask_fd(void *user, int *fd)
{
    struct device *d = user;

    did(d, "unmask_fd", 0, 0, 1);
    d->irq_fds = *fd >= 0;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return 0;
}

static void on_reset(void *user)
{
    ((struct device *)user)->resets++;
}

static void on_note(void *user, const char *text)
{
    ((struct device *)user)->notes++;
    for (const char *c = text; *c; c++)
        assert_in_range(*c, 0x20, 0x7e);
}

static const struct weir_vfu_server_ops ops = {
    .num_regions = 9,
    .num_irqs = 5,
    .region = on_region,
    .irqs = on_irqs,
    .read = on_read,
    .write = on_write,
    .dma_map = on_map,
    .dma_unmap = on_unmap,
    .irq_set = on_irq_set,
    .irq_trigger = on_irq_trigger,
    .irq_mask = on_irq_mask,
    .irq_unmask_fd = on_irq_unmask_fd,
    .reset = on_reset,
    .note = on_note,
};

static void connect_device(struct device *d, const struct weir_vfu_session_options *opt)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    d->client = pair[1];
    assert_int_equal(weir_vfu_session_new(pair[0], &ops, d, opt, &d->session), 0);
}

static void serve_some(void *arg)
{
    struct device *d = arg;

    assert_true(weir_vfu_session_run(d->session, 100) >= 0);
}

/* Serve until nothing is left to do. */
static int settle(struct device *d)
{
    int n;

    do {
        n = weir_vfu_session_run(d->session, 100);
    } while (n > 0);
    return n;
}

static void agree(struct device *d)
{
    uint8_t body[512];
    struct wire_msg m;

    wire_send(d->client, 1, WEIR_VFU_VERSION, 0, body, wire_version(body, 0, 0, WIRE_QEMU_JSON));
    assert_int_equal(settle(d), 0);
    wire_recv(d->client, &m);
    assert_int_equal(m.h.flags, WEIR_VFU_REPLY);
    assert_true(weir_vfu_session_open(d->session));
}

static int setup_raw(void **state)
{
    struct device *d = calloc(1, sizeof(*d));

    d->region_fd = -1;
    connect_device(d, NULL);
    *state = d;
    return 0;
}

static int setup(void **state)
{
    setup_raw(state);
    agree(*state);
    return 0;
}

static int teardown(void **state)
{
    struct device *d = *state;

    weir_vfu_session_free(d->session);
    if (d->client >= 0)
        close(d->client);
    free(d);
    return 0;
}

/* Send a request, serve it, and expect this errno in the reply (0: success). Body of the reply in
 * m. */
static void ask_fds(struct device *d, unsigned command, const void *body, size_t len,
                    const int *fds, unsigned n_fds, int err, struct wire_msg *m)
{
    static uint16_t id = 100;

    wire_idle = serve_some; /* a long message does not fit in the socket at once */
    wire_idle_arg = d;
    wire_send_fds(d->client, ++id, command, 0, body, len, fds, n_fds);
    assert_int_equal(settle(d), 0);
    wire_recv(d->client, m);
    wire_idle = NULL;
    assert_int_equal(m->h.id, id);
    assert_int_equal(m->h.command, command);
    assert_int_equal(m->h.flags, err ? WEIR_VFU_REPLY | WEIR_VFU_ERROR : WEIR_VFU_REPLY);
    assert_int_equal(m->h.error, err);
    if (err)
        assert_int_equal(m->len, 0);
    assert_true(wire_quiet(d->client));
}

static void ask(struct device *d, unsigned command, const void *body, size_t len, int err,
                struct wire_msg *m)
{
    ask_fds(d, command, body, len, NULL, 0, err, m);
}

/* The stream is still in step: a reset is served. */
static void still_serves(struct device *d)
{
    struct wire_msg m;
    unsigned before = d->resets;

    ask(d, WEIR_VFU_DEVICE_RESET, NULL, 0, 0, &m);
    assert_int_equal(d->resets, before + 1);
}

static void expect_over(struct device *d, int err, const char *why)
{
    assert_int_equal(settle(d), err);
    if (!strstr(weir_vfu_session_why(d->session), why))
        fail_msg("'%s' does not say '%s'", weir_vfu_session_why(d->session), why);
    assert_int_equal(weir_vfu_session_run(d->session, 1), err); /* and stays over */
}

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

/* Requests */

static void device_info(void **state)
{
    struct device *d = *state;
    struct weir_vfu_device_info info = {.argsz = sizeof(info)}, got;
    struct wire_msg m;

    ask(d, WEIR_VFU_DEVICE_GET_INFO, &info, sizeof(info), 0, &m);
    assert_int_equal(m.len, sizeof(got));
    memcpy(&got, m.body, sizeof(got));
    assert_int_equal(got.argsz, 16);
    assert_int_equal(got.flags, VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI);
    assert_int_equal(got.num_regions, 9);
    assert_int_equal(got.num_irqs, 5);
    info.argsz = 15;
    ask(d, WEIR_VFU_DEVICE_GET_INFO, &info, sizeof(info), EINVAL, &m);
    info.argsz = 16;
    ask(d, WEIR_VFU_DEVICE_GET_INFO, &info, 15, EINVAL, &m);
    ask(d, WEIR_VFU_DEVICE_GET_INFO, &info, 0, EINVAL, &m);
    still_serves(d);
}

static void region_info(void **state)
{
    struct device *d = *state;
    struct weir_vfu_region_info info = {.argsz = sizeof(info), .index = 0}, got;
    struct wire_msg m;

    ask(d, WEIR_VFU_REGION_INFO, &info, sizeof(info), 0, &m);
    memcpy(&got, m.body, sizeof(got));
    assert_int_equal(m.len, sizeof(got));
    assert_int_equal(got.size, 0x1000);
    assert_int_equal(got.flags, 3);
    assert_int_equal(m.n_fds, 0);
    info.index = 9;
    ask(d, WEIR_VFU_REGION_INFO, &info, sizeof(info), EINVAL, &m);
    info.index = UINT32_MAX;
    ask(d, WEIR_VFU_REGION_INFO, &info, sizeof(info), EINVAL, &m);
    info = (struct weir_vfu_region_info){.argsz = 31};
    ask(d, WEIR_VFU_REGION_INFO, &info, sizeof(info), EINVAL, &m);
    info.argsz = 32;
    ask(d, WEIR_VFU_REGION_INFO, &info, sizeof(info) - 1, EINVAL, &m);
}

/* Capabilities: told of at first, sent with the descriptor when there is room. */
static void region_info_with_capabilities(void **state)
{
    struct device *d = *state;
    struct weir_vfu_region_info info = {.argsz = sizeof(info), .index = 2}, got;
    const uint32_t full = sizeof(info) + sizeof(struct vfio_region_info_cap_sparse_mmap);
    struct vfio_region_info_cap_sparse_mmap caps;
    struct wire_msg m;

    d->region_fd = wire_memfd(0x5000, F_SEAL_SHRINK);
    for (int round = 0; round < 2; round++) {
        ask(d, WEIR_VFU_REGION_INFO, &info, sizeof(info), 0, &m);
        memcpy(&got, m.body, sizeof(got));
        assert_int_equal(got.argsz, full);
        assert_int_equal(got.cap_offset, 32);
        assert_int_equal(got.flags, 3 | VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS);
        assert_int_equal(got.size, 0x2000);
        assert_int_equal(got.offset, 0x3000);
        assert_int_equal(m.len, round ? full : sizeof(got));
        assert_int_equal(m.n_fds, round);
        info.argsz = got.argsz;
    }
    memcpy(&caps, m.body + 32, sizeof(caps));
    assert_int_equal(caps.header.id, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
    close(m.fds[0]);
    close(d->region_fd);
}

static void irq_info(void **state)
{
    struct device *d = *state;
    struct weir_vfu_irq_info info = {.argsz = sizeof(info), .index = 2}, got;
    struct wire_msg m;

    ask(d, WEIR_VFU_IRQ_INFO, &info, sizeof(info), 0, &m);
    memcpy(&got, m.body, sizeof(got));
    assert_int_equal(got.count, 8);
    assert_true(got.flags & VFIO_IRQ_INFO_EVENTFD);
    info.index = 0;
    ask(d, WEIR_VFU_IRQ_INFO, &info, sizeof(info), 0, &m);
    memcpy(&got, m.body, sizeof(got));
    assert_int_equal(got.flags,
                     VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED);
    info.index = 5;
    ask(d, WEIR_VFU_IRQ_INFO, &info, sizeof(info), EINVAL, &m);
    info = (struct weir_vfu_irq_info){.argsz = 8};
    ask(d, WEIR_VFU_IRQ_INFO, &info, sizeof(info), EINVAL, &m);
}

#define NONE    VFIO_IRQ_SET_DATA_NONE
#define BOOL    VFIO_IRQ_SET_DATA_BOOL
#define EVENTFD VFIO_IRQ_SET_DATA_EVENTFD
#define MASK    VFIO_IRQ_SET_ACTION_MASK
#define UNMASK  VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER

static void set_irqs_that_are_wrong(void **state)
{
    struct device *d = *state;
    int events[17], pipe_fds[2];
    static const struct {
        struct weir_vfu_irq_set m;
        size_t more;
        unsigned fds;
        int err;
    } cases[] = {
        {{20, NONE | TRIGGER, 2, 8, 1}, 0, 0, EINVAL},
        {{20, NONE | TRIGGER, 2, 0, 9}, 0, 0, EINVAL},
        {{20, NONE | TRIGGER, 2, 7, 2}, 0, 0, EINVAL},
        {{20, NONE | TRIGGER, 2, UINT32_MAX, 2}, 0, 0, EINVAL}, /* the sum is 1 */
        {{20, NONE | TRIGGER, 2, 2, UINT32_MAX}, 0, 0, EINVAL},
        {{20, NONE | TRIGGER, 5, 0, 1}, 0, 0, EINVAL},
        {{20, NONE | TRIGGER, UINT32_MAX, 0, 1}, 0, 0, EINVAL},
        {{20, NONE | TRIGGER, 1, 0, 1}, 0, 0, EINVAL}, /* a kind without vectors */
        {{19, NONE | TRIGGER, 2, 0, 1}, 0, 0, EINVAL},
        {{20, TRIGGER, 2, 0, 1}, 0, 0, EINVAL},
        {{20, NONE, 2, 0, 1}, 0, 0, EINVAL},
        {{20, NONE | BOOL | TRIGGER, 2, 0, 1}, 0, 0, EINVAL},
        {{20, NONE | TRIGGER | MASK, 2, 0, 1}, 0, 0, EINVAL},
        {{20, NONE | TRIGGER | 0x40, 2, 0, 1}, 0, 0, EINVAL},
        {{20, NONE | TRIGGER, 2, 1, 0}, 0, 0, EINVAL},
        {{20, NONE | MASK, 2, 0, 0}, 0, 0, EINVAL},
        {{20, EVENTFD | TRIGGER, 2, 0, 0}, 0, 0, EINVAL},
        {{21, NONE | TRIGGER, 2, 0, 1}, 1, 0, EINVAL},
        {{20, BOOL | TRIGGER, 2, 0, 4}, 0, 0, EINVAL},
        {{23, BOOL | TRIGGER, 2, 0, 4}, 3, 0, EINVAL},
        {{20, BOOL | TRIGGER, 2, 0, 4}, 4, 0, EINVAL},
        {{20, NONE | TRIGGER, 2, 0, 1}, 0, 1, EINVAL},
        {{20, EVENTFD | TRIGGER, 2, 0, 2}, 0, 1, EINVAL},
        {{20, EVENTFD | TRIGGER, 2, 0, 2}, 0, 3, EINVAL},
        {{20, EVENTFD | TRIGGER, 2, 0, 8}, 0, 17, EMFILE},
        {{20, EVENTFD | MASK, 0, 0, 1}, 0, 1, ENOTTY},
        {{20, EVENTFD | UNMASK, 2, 0, 1}, 0, 1, ENOTTY},
    };
    uint8_t body[32];
    struct wire_msg m;

    for (unsigned i = 0; i < 17; i++)
        events[i] = eventfd(0, EFD_CLOEXEC);
    unsigned before = wire_count_fds();
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(body, 1, sizeof(body));
        memcpy(body, &cases[i].m, sizeof(cases[i].m));
        ask_fds(d, WEIR_VFU_SET_IRQS, body, sizeof(cases[i].m) + cases[i].more, events,
                cases[i].fds, cases[i].err, &m);
        if (d->irq_calls)
            fail_msg("case %u reached the device", i);
    }
    ask(d, WEIR_VFU_SET_IRQS, body, 19, EINVAL, &m);
    ask(d, WEIR_VFU_SET_IRQS, body, 0, EINVAL, &m);
    /* What is no eventfd is not taken for one. */
    assert_int_equal(pipe(pipe_fds), 0);
    struct weir_vfu_irq_set set = {20, EVENTFD | TRIGGER, 2, 0, 1};
    ask_fds(d, WEIR_VFU_SET_IRQS, &set, sizeof(set), &pipe_fds[1], 1, EINVAL, &m);
    assert_int_equal(d->irq_calls, 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    assert_int_equal(wire_count_fds(), before);
    still_serves(d);
    for (unsigned i = 0; i < 17; i++)
        close(events[i]);
}

static void set_irqs_that_are_right(void **state)
{
    struct device *d = *state;
    int events[8];
    static const struct {
        struct weir_vfu_irq_set m;
        uint8_t bools[4];
        size_t more;
        unsigned fds;
        const char *did;
        unsigned start, count, calls;
        bool given;
    } cases[] = {
        {{20, NONE | TRIGGER, 2, 0, 8}, {0}, 0, 0, "trigger", 0, 8, 1, false},
        {{20, NONE | MASK, 0, 0, 1}, {0}, 0, 0, "mask", 0, 1, 1, false},
        {{20, NONE | UNMASK, 0, 0, 1}, {0}, 0, 0, "unmask", 0, 1, 1, false},
        {{24, BOOL | TRIGGER, 2, 4, 4}, {0, 1, 0, 0}, 4, 0, "trigger", 5, 1, 1, false},
        {{24, BOOL | MASK, 2, 4, 4}, {1, 0, 1, 1}, 4, 0, "mask", 7, 1, 3, false},
        {{20, EVENTFD | TRIGGER, 2, 0, 8}, {0}, 0, 8, "set", 0, 8, 1, true},
        {{20, EVENTFD | TRIGGER, 2, 3, 2}, {0}, 0, 2, "set", 3, 2, 1, true},
        {{20, EVENTFD | TRIGGER, 2, 3, 2}, {0}, 0, 0, "set", 3, 2, 1, false},
        {{20, NONE | TRIGGER, 2, 0, 0}, {0}, 0, 0, "set", 0, 0, 1, false},
        {{20, NONE | TRIGGER, 1, 0, 0}, {0}, 0, 0, "set", 0, 0, 1, false},
        {{20, EVENTFD | UNMASK, 0, 0, 1}, {0}, 0, 1, "unmask_fd", 0, 1, 1, true},
        {{20, EVENTFD | UNMASK, 0, 0, 1}, {0}, 0, 0, "unmask_fd", 0, 1, 1, false},
    };
    uint8_t body[32];
    struct wire_msg m;

    for (unsigned i = 0; i < 8; i++)
        events[i] = eventfd(0, EFD_CLOEXEC);
    unsigned before = wire_count_fds();
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        d->irq_calls = 0;
        d->irq_fds = false;
        memcpy(body, &cases[i].m, sizeof(cases[i].m));
        memcpy(body + sizeof(cases[i].m), cases[i].bools, 4);
        ask_fds(d, WEIR_VFU_SET_IRQS, body, sizeof(cases[i].m) + cases[i].more, events,
                cases[i].fds, 0, &m);
        assert_int_equal(m.len, 0);
        assert_string_equal(d->irq_did, cases[i].did);
        assert_int_equal(d->irq_index, cases[i].m.index);
        assert_int_equal(d->irq_start, cases[i].start);
        assert_int_equal(d->irq_count, cases[i].count);
        assert_int_equal(d->irq_calls, cases[i].calls);
        assert_int_equal(d->irq_fds, cases[i].given);
    }
    d->result = -EBUSY;
    struct weir_vfu_irq_set set = {20, EVENTFD | TRIGGER, 2, 0, 1};
    ask_fds(d, WEIR_VFU_SET_IRQS, &set, sizeof(set), events, 1, EBUSY, &m);
    assert_int_equal(wire_count_fds(), before);
    for (unsigned i = 0; i < 8; i++)
        close(events[i]);
}

static void region_accesses(void **state)
{
    struct device *d = *state;
    static uint8_t body[sizeof(struct weir_vfu_region_access) + WEIR_VFU_MAX_DATA + 8];
    struct weir_vfu_region_access a = {0x10, 0, 4}, got;
    struct wire_msg m;

    ask(d, WEIR_VFU_REGION_READ, &a, sizeof(a), 0, &m);
    memcpy(&got, m.body, sizeof(got));
    assert_memory_equal(&got, &a, sizeof(a));
    assert_int_equal(m.len, sizeof(a) + 4);
    assert_memory_equal(m.body + sizeof(a), "\x5a\x5a\x5a\x5a", 4);
    a.count = WEIR_VFU_MAX_DATA; /* the most there may be */
    ask(d, WEIR_VFU_REGION_READ, &a, sizeof(a), 0, &m);
    assert_int_equal(m.len, sizeof(a) + WEIR_VFU_MAX_DATA);
    assert_int_equal(m.body[m.len - 1], 0x5a);
    unsigned before = d->reads;
    a.count = WEIR_VFU_MAX_DATA + 1;
    ask(d, WEIR_VFU_REGION_READ, &a, sizeof(a), E2BIG, &m);
    a.count = UINT32_MAX;
    ask(d, WEIR_VFU_REGION_READ, &a, sizeof(a), E2BIG, &m);
    a.count = 0;
    ask(d, WEIR_VFU_REGION_READ, &a, sizeof(a), EINVAL, &m);
    a = (struct weir_vfu_region_access){0, 9, 4};
    ask(d, WEIR_VFU_REGION_READ, &a, sizeof(a), EINVAL, &m);
    ask(d, WEIR_VFU_REGION_READ, &a, sizeof(a) - 1, EINVAL, &m);
    assert_int_equal(d->reads, before);
    a = (struct weir_vfu_region_access){UINT64_MAX - 1, 0, 4};
    ask(d, WEIR_VFU_REGION_READ, &a, sizeof(a), EINVAL, &m);

    a = (struct weir_vfu_region_access){0x20, 0, 4};
    memcpy(body, &a, sizeof(a));
    memcpy(body + sizeof(a), "abcd", 4);
    ask(d, WEIR_VFU_REGION_WRITE, body, sizeof(a) + 4, 0, &m);
    assert_int_equal(m.len, sizeof(a));
    assert_memory_equal(d->data, "abcd", 4);
    ask(d, WEIR_VFU_REGION_WRITE, body, sizeof(a) + 3, EINVAL, &m);
    ask(d, WEIR_VFU_REGION_WRITE, body, sizeof(a) + 5, EINVAL, &m);
    ask(d, WEIR_VFU_REGION_WRITE, body, sizeof(a), EINVAL, &m);
    ask(d, WEIR_VFU_REGION_WRITE, body, 3, EINVAL, &m);
    a = (struct weir_vfu_region_access){0x20, 0, WEIR_VFU_MAX_DATA + 1};
    memcpy(body, &a, sizeof(a));
    ask(d, WEIR_VFU_REGION_WRITE, body, sizeof(a) + WEIR_VFU_MAX_DATA + 1, E2BIG, &m);
    a = (struct weir_vfu_region_access){0xffe, 0, 4};
    memcpy(body, &a, sizeof(a));
    ask(d, WEIR_VFU_REGION_WRITE, body, sizeof(a) + 4, EINVAL, &m);
    assert_int_equal(d->writes, 1);
    d->result = -EIO;
    a.offset = 0;
    memcpy(body, &a, sizeof(a));
    ask(d, WEIR_VFU_REGION_WRITE, body, sizeof(a) + 4, EIO, &m);
    d->result = 0;
    still_serves(d);
}

static void write_multi(void **state)
{
    struct device *d = *state;
    struct {
        uint64_t count;
        struct weir_vfu_write_one one[3];
    } b = {3, {{0, 0, 4, "aaaa"}, {8, 0, 8, "bbbbbbbb"}, {16, 0, 1, "c"}}};
    struct wire_msg m;
    uint64_t done;

    ask(d, WEIR_VFU_REGION_WRITE_MULTI, &b, sizeof(b), 0, &m);
    memcpy(&done, m.body, sizeof(done));
    assert_int_equal(m.len, sizeof(done));
    assert_int_equal(done, 3);
    assert_int_equal(d->writes, 3);
    assert_int_equal(d->off, 16);
    assert_int_equal(d->len, 1);
    static const uint64_t counts[] = {0, 2, 4, UINT64_MAX, (UINT64_MAX - 8) / 24 + 1};
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        b.count = counts[i];
        ask(d, WEIR_VFU_REGION_WRITE_MULTI, &b, sizeof(b), EINVAL, &m);
    }
    b.count = 3;
    ask(d, WEIR_VFU_REGION_WRITE_MULTI, &b, sizeof(b) - 1, EINVAL, &m);
    ask(d, WEIR_VFU_REGION_WRITE_MULTI, &b, 7, EINVAL, &m);
    ask(d, WEIR_VFU_REGION_WRITE_MULTI, &b, 0, EINVAL, &m);
    assert_int_equal(d->writes, 3);
    b.one[1].count = 9;
    ask(d, WEIR_VFU_REGION_WRITE_MULTI, &b, sizeof(b), EINVAL, &m);
    assert_int_equal(d->writes, 4); /* those before it are done */
    b.one[1].count = 8;
    b.one[1].region = 9;
    ask(d, WEIR_VFU_REGION_WRITE_MULTI, &b, sizeof(b), EINVAL, &m);
    still_serves(d);
}

static void dma_map_and_unmap(void **state)
{
    struct device *d = *state;
    const uint64_t top = UINT64_MAX - 0xfff;
    static const struct {
        struct weir_vfu_dma_map m;
        bool fd;
        int err;
    } cases[] = {
        {{32, 3, 0, 0x1000, 0x1000}, false, 0},
        {{32, 3, 0x1000, 0x1000, 0x200000}, true, 0},
        {{64, 1, 0x2000, 0, 0x1000}, true, 0},
        {{31, 3, 0, 0x1000, 0x1000}, false, EINVAL},
        {{32, 0, 0, 0x1000, 0x1000}, false, EINVAL},
        {{32, 7, 0, 0x1000, 0x1000}, false, EINVAL},
        {{32, 3, 0, 0x1000, 0}, false, EINVAL},
        {{32, 3, 0, 0x1001, 0x1000}, false, EINVAL},
        {{32, 3, 0, 0x1000, 0x1800}, false, EINVAL},
        {{32, 3, 0x800, 0x1000, 0x1000}, true, EINVAL},
        {{32, 3, 0, 0x1000, UINT64_MAX - 0xfff}, false, EINVAL}, /* up to 2^64 */
        {{32, 3, 0, 0x2000, UINT64_MAX - 0xfff}, false, EINVAL}, /* around it */
        {{32, 3, UINT64_MAX - 0xfff, 0x1000, 0x1000}, true, EINVAL},
        {{32, 3, INT64_MAX - 0xfff, 0x1000, 0x2000}, true, EINVAL},
    };
    int fd = wire_memfd(0x1000, 0);
    struct wire_msg m;

    unsigned before = wire_count_fds();
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned maps = d->maps;
        ask_fds(d, WEIR_VFU_DMA_MAP, &cases[i].m, sizeof(cases[i].m), &fd, cases[i].fd,
                cases[i].err, &m);
        assert_int_equal(m.len, 0);
        assert_int_equal(d->maps, maps + !cases[i].err);
        if (cases[i].err)
            continue;
        assert_int_equal(d->iova, cases[i].m.iova);
        assert_int_equal(d->size, cases[i].m.size);
        assert_int_equal(d->prot, cases[i].m.flags);
        assert_int_equal(d->map_fd, cases[i].fd);
        assert_int_equal(d->offset, cases[i].fd ? cases[i].m.offset : 0);
    }
    ask(d, WEIR_VFU_DMA_MAP, &cases[0].m, 31, EINVAL, &m);
    ask(d, WEIR_VFU_DMA_MAP, &cases[0].m, 0, EINVAL, &m);
    d->result = -EEXIST;
    ask_fds(d, WEIR_VFU_DMA_MAP, &cases[1].m, sizeof(cases[1].m), &fd, 1, EEXIST, &m);
    d->result = 0;
    assert_int_equal(wire_count_fds(), before);
    close(fd);

    struct weir_vfu_dma_unmap u = {24, 0, 0x1000, 0x1000}, got;
    ask(d, WEIR_VFU_DMA_UNMAP, &u, sizeof(u), 0, &m);
    memcpy(&got, m.body, sizeof(got));
    assert_int_equal(m.len, sizeof(got));
    assert_memory_equal(&got, &u, sizeof(u));
    assert_int_equal(d->iova, 0x1000);
    assert_int_equal(d->size, 0x1000);
    u = (struct weir_vfu_dma_unmap){24, 0, 0, (uint64_t)1 << 63};
    ask(d, WEIR_VFU_DMA_UNMAP, &u, sizeof(u), 0, &m);
    assert_int_equal(d->size, (uint64_t)1 << 63);
    u = (struct weir_vfu_dma_unmap){24, 0, top, 0x1000}; /* up to 2^64 */
    ask(d, WEIR_VFU_DMA_UNMAP, &u, sizeof(u), 0, &m);
    assert_true(d->iova + d->size > d->iova);
    u = (struct weir_vfu_dma_unmap){24, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0};
    ask(d, WEIR_VFU_DMA_UNMAP, &u, sizeof(u), 0, &m);
    assert_int_equal(d->iova, 0);
    assert_int_equal(d->size, UINT64_MAX);
    unsigned unmaps = d->unmaps;
    static const struct weir_vfu_dma_unmap wrong[] = {{23, 0, 0x1000, 0x1000},
                                                      {24, 0, 0x1000, 0},
                                                      {24, 0, 0x1000, UINT64_MAX},
                                                      {24, VFIO_DMA_UNMAP_FLAG_ALL, 0x1000, 0},
                                                      {24, VFIO_DMA_UNMAP_FLAG_ALL, 0, 8}};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ask(d, WEIR_VFU_DMA_UNMAP, &wrong[i], sizeof(wrong[i]), EINVAL, &m);
    u = (struct weir_vfu_dma_unmap){24, VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, 0, 0x1000};
    ask(d, WEIR_VFU_DMA_UNMAP, &u, sizeof(u), ENOTSUP, &m);
    ask(d, WEIR_VFU_DMA_UNMAP, &u, sizeof(u) - 8, EINVAL, &m);
    assert_int_equal(d->unmaps, unmaps);
    still_serves(d);
}

static void other_commands(void **state)
{
    struct device *d = *state;
    static const struct {
        unsigned command;
        int err;
    } cases[] = {
        {0, ENOTSUP},
        {WEIR_VFU_REGION_IO_FDS, ENOTSUP},
        {WEIR_VFU_DIRTY_PAGES, ENOTSUP},
        {WEIR_VFU_DEVICE_FEATURE, ENOTSUP},
        {WEIR_VFU_MIG_DATA_READ, ENOTSUP},
        {WEIR_VFU_MIG_DATA_WRITE, ENOTSUP},
        {19, ENOTSUP},
        {65535, ENOTSUP},
        {WEIR_VFU_DMA_READ, EINVAL},
        {WEIR_VFU_DMA_WRITE, EINVAL},
    };
    uint8_t body[64] = {0};
    struct wire_msg m;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ask(d, cases[i].command, body, sizeof(body), cases[i].err, &m);
        ask(d, cases[i].command, NULL, 0, cases[i].err, &m);
    }
    ask(d, WEIR_VFU_DEVICE_RESET, body, 4, EINVAL, &m);
    still_serves(d);
    assert_in_range(d->notes, 1, 20); /* a hostile client does not fill the log */
}

static void no_reply_means_no_reply(void **state)
{
    struct device *d = *state;
    struct weir_vfu_region_access a = {0, 0, 4};

    wire_send(d->client, 1, WEIR_VFU_DEVICE_RESET, WEIR_VFU_NO_REPLY, NULL, 0);
    wire_send(d->client, 1, WEIR_VFU_DEVICE_RESET, WEIR_VFU_NO_REPLY, &a, 1);
    wire_send(d->client, 1, WEIR_VFU_REGION_READ, WEIR_VFU_NO_REPLY, &a, sizeof(a));
    wire_send(d->client, 1, 77, WEIR_VFU_NO_REPLY, &a, sizeof(a));
    assert_int_equal(settle(d), 0);
    assert_int_equal(d->resets, 1);
    assert_true(wire_quiet(d->client));
    still_serves(d);
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

/* DMA by messages */

struct dma_client {
    int fd;
    int mode;
    unsigned requests;
};

enum {
    ANSWER,
    SHORT_WRITE_REPLY,
    WRONG_ID,
    WRONG_SIZE,
    ERROR_REPLY,
    AGAIN_REPLY,
    NO_ANSWER,
    DAWDLE,
    LEAVE,
    FLOOD
};

static void *dma_client(void *arg)
{
    struct dma_client *c = arg;
    uint8_t body[sizeof(struct weir_vfu_dma_access) + 4096];
    struct weir_vfu_dma_access access;
    struct weir_vfu_header h;
    static uint8_t data[WEIR_VFU_MAX_MESSAGE];

    for (;;) {
        if (wire_exactly(c->fd, &h, sizeof(h), NULL, NULL, WIRE_PATIENCE_MS) != 1)
            return NULL;
        size_t len = h.size - sizeof(h);
        if (len && wire_exactly(c->fd, data, len, NULL, NULL, WIRE_PATIENCE_MS) != 1)
            return NULL;
        if (h.command != WEIR_VFU_DMA_READ && h.command != WEIR_VFU_DMA_WRITE)
            continue; /* a reply to what was sent along */
        c->requests++;
        memcpy(&access, data, sizeof(access));
        bool write = h.command == WEIR_VFU_DMA_WRITE;
        /* Something else on the way, as a client that rings doorbells all the time. */
        struct {
            struct weir_vfu_region_access a;
            uint32_t value;
        } __attribute__((packed)) bell = {{0x40, 0, 4}, c->requests};
        wire_send(c->fd, 1, WEIR_VFU_REGION_WRITE, WEIR_VFU_NO_REPLY, &bell, sizeof(bell));
        memcpy(body, &access, sizeof(access));
        memset(body + sizeof(access), (int)(access.iova >> 12), 4096);
        size_t n = sizeof(access) + (write ? 0 : access.count);
        assert_true(n <= sizeof(body));
        switch (c->mode) {
        case ANSWER:
            wire_send(c->fd, h.id, h.command, WEIR_VFU_REPLY, body, n);
            break;
        case SHORT_WRITE_REPLY:
            wire_send(c->fd, h.id, h.command, WEIR_VFU_REPLY, body, 0);
            break;
        case WRONG_ID:
            wire_send(c->fd, (uint16_t)(h.id + 1), h.command, WEIR_VFU_REPLY, body, n);
            break;
        case WRONG_SIZE:
            wire_send(c->fd, h.id, h.command, WEIR_VFU_REPLY, body, n + 1);
            break;
        case DAWDLE: /* that is what it is about */
            poll(NULL, 0, 60);
            wire_send(c->fd, h.id, h.command, WEIR_VFU_REPLY, body, n);
            break;
        case ERROR_REPLY:
        case AGAIN_REPLY: {
            struct weir_vfu_header e = {h.id, h.command, sizeof(e), WEIR_VFU_REPLY | WEIR_VFU_ERROR,
                                        c->mode == ERROR_REPLY ? EFAULT : EAGAIN};
            wire_raw(c->fd, &e, sizeof(e), NULL, 0);
            break;
        }
        case NO_ANSWER:
            break;
        case LEAVE:
            shutdown(c->fd, SHUT_RDWR);
            return NULL;
        case FLOOD:
            for (;;) {
                struct weir_vfu_header f = {1, WEIR_VFU_DEVICE_RESET, 16, WEIR_VFU_NO_REPLY, 0};
                if (send(c->fd, &f, sizeof(f), MSG_NOSIGNAL) < 0)
                    return NULL;
            }
        }
    }
}

static int dma_with(struct device *d, int mode, bool write, size_t len, uint8_t *buf)
{
    struct dma_client c = {.fd = d->client, .mode = mode};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, dma_client, &c), 0);
    int r = weir_vfu_session_dma(d->session, 0x7000, buf, len, write);
    shutdown(d->client, SHUT_RDWR);
    pthread_join(thread, NULL);
    return r;
}

static void again(void **state, const struct weir_vfu_session_options *opt)
{
    struct device *d;

    teardown(state);
    d = calloc(1, sizeof(*d));
    *state = d;
    connect_device(d, opt);
    agree(d);
}

static void dma_by_messages(void **state)
{
    uint8_t buf[4096] = {0};

    assert_int_equal(dma_with(*state, ANSWER, false, 4096, buf), 0);
    assert_int_equal(buf[0], 7);
    assert_int_equal(buf[4095], 7);
    /* What came in between was kept, and is served now. */
    struct device *d = *state;
    assert_int_equal(d->writes, 0);
    assert_true(weir_vfu_session_ready(d->session));
    settle(d);
    assert_int_equal(d->writes, 1);
    again(state, NULL);
    assert_int_equal(dma_with(*state, ANSWER, true, 4096, buf), 0);
    again(state, NULL);
    assert_int_equal(dma_with(*state, SHORT_WRITE_REPLY, true, 4096, buf), 0);
    again(state, NULL);
    assert_int_equal(dma_with(*state, AGAIN_REPLY, false, 16, buf), -EIO);
    again(state, NULL);
    assert_int_equal(dma_with(*state, ERROR_REPLY, false, 16, buf), -EFAULT);
    assert_true(weir_vfu_session_run(((struct device *)*state)->session, 1) > 0); /* it goes on */
}

static void dma_in_pieces(void **state)
{
    struct device *d;
    uint8_t body[128], buf[10000];
    struct wire_msg m;

    teardown(state);
    setup_raw(state);
    d = *state;
    ask(d, WEIR_VFU_VERSION, body,
        wire_version(body, 0, 0, "{\"capabilities\":{\"max_data_xfer_size\":4096}}"), 0, &m);
    memset(buf, 0, sizeof(buf));
    struct dma_client c = {.fd = d->client, .mode = ANSWER};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, dma_client, &c), 0);
    assert_int_equal(weir_vfu_session_dma(d->session, 0x7000, buf, sizeof(buf), false), 0);
    shutdown(d->client, SHUT_RDWR);
    pthread_join(thread, NULL);
    assert_int_equal(c.requests, 3);
    for (unsigned i = 0; i < sizeof(buf); i++)
        assert_int_equal(buf[i], 7 + i / 4096);
}

static void dma_with_a_client_that_is_wrong(void **state)
{
    static const struct {
        int mode, err;
        const char *why;
    } cases[] = {
        {WRONG_ID, -EPROTO, "nobody asked"},        {WRONG_SIZE, -EPROTO, "wrong size"},
        {NO_ANSWER, -ETIMEDOUT, "does not answer"}, {LEAVE, -ECONNRESET, "closed"},
        {FLOOD, -ENOBUFS, "without end"},
    };
    uint8_t buf[64];

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        again(state, &(struct weir_vfu_session_options){
                         .dma_ms = cases[i].mode == NO_ANSWER ? 100 : 10000});
        struct device *d = *state;
        uint64_t from = weir_now_ns();
        assert_int_equal(dma_with(d, cases[i].mode, i & 1, sizeof(buf), buf), cases[i].err);
        assert_true(weir_now_ns() - from < 5000000000u);
        expect_over(d, cases[i].err, cases[i].why);
        assert_int_equal(weir_vfu_session_dma(d->session, 0, buf, 8, false), -EIO);
    }
}

/* A client that waits for a reply serves nothing meanwhile: QEMU, whose processor reads a register
 * under its big lock. */
static void dma_while_the_client_waits(void **state)
{
    struct device *d = *state;
    struct weir_vfu_region_access a = {0, 0, 4};
    struct weir_vfu_dma_access w = {0x7000, 16};
    uint8_t buf[16], answer[32];
    struct wire_msg m;
    uint64_t from = weir_now_ns();

    /* A read is given up, also the next one, until the client has its reply. */
    wire_send(d->client, 50, WEIR_VFU_REGION_READ, 0, &a, sizeof(a));
    assert_int_equal(weir_vfu_session_dma(d->session, 0x7000, buf, 16, false), -EAGAIN);
    assert_int_equal(weir_vfu_session_dma(d->session, 0x8000, buf, 16, false), -EAGAIN);
    assert_int_equal(d->reads, 0);
    assert_true(weir_vfu_session_ready(d->session));
    assert_int_equal(settle(d), 0);
    assert_int_equal(d->reads, 1);
    wire_recv(d->client, &m);
    assert_int_equal(m.h.command, WEIR_VFU_DMA_READ);
    uint16_t id = m.h.id;
    wire_recv(d->client, &m);
    assert_int_equal(m.h.id, 50);
    assert_true(wire_quiet(d->client)); /* the second read was not even sent */
    /* Its answer comes, and is of no use any more; the next read gets its own. */
    memset(answer, 0xaa, sizeof(answer));
    wire_send(d->client, id, WEIR_VFU_DMA_READ, WEIR_VFU_REPLY, answer, sizeof(answer));
    memset(answer, 0xbb, sizeof(answer));
    wire_send(d->client, (uint16_t)(id + 2), WEIR_VFU_DMA_READ, WEIR_VFU_REPLY, answer,
              sizeof(answer));
    assert_int_equal(weir_vfu_session_dma(d->session, 0x7000, buf, 16, false), 0);
    assert_int_equal(buf[0], 0xbb);
    wire_recv(d->client, &m);
    assert_int_equal(m.h.id, id + 2);
    assert_int_equal(weir_vfu_session_settle(d->session), 0);

    /* A write is sent and not waited for; whether it was made shows later. */
    wire_send(d->client, 51, WEIR_VFU_REGION_READ, 0, &a, sizeof(a));
    assert_int_equal(weir_vfu_session_dma(d->session, 0x7000, buf, 16, true), 0);
    assert_int_equal(weir_vfu_session_dma(d->session, 0x8000, buf, 16, true), 0);
    assert_int_equal(weir_vfu_session_settle(d->session), -EAGAIN);
    assert_int_equal(settle(d), 0);
    for (unsigned i = 0; i < 2; i++) {
        wire_recv(d->client, &m);
        assert_int_equal(m.h.command, WEIR_VFU_DMA_WRITE);
        id = m.h.id;
    }
    wire_recv(d->client, &m);
    assert_int_equal(m.h.id, 51);
    wire_send(d->client, (uint16_t)(id - 1), WEIR_VFU_DMA_WRITE, WEIR_VFU_REPLY, &w, sizeof(w));
    struct weir_vfu_header no = {id, WEIR_VFU_DMA_WRITE, sizeof(no),
                                 WEIR_VFU_REPLY | WEIR_VFU_ERROR, EFAULT};
    wire_raw(d->client, &no, sizeof(no), NULL, 0);
    assert_int_equal(d->notes, 0);
    assert_int_equal(weir_vfu_session_settle(d->session), 0);
    assert_int_equal(d->notes, 1);
    assert_true(weir_now_ns() - from < 1500000000u); /* nothing waited for its deadline */

    /* Each answer counts once. */
    wire_raw(d->client, &no, sizeof(no), NULL, 0);
    expect_over(d, -EPROTO, "nobody asked");
}

/* One answer after the other just in time is not in time. */
static void dma_limit_for_all(void **state)
{
    uint8_t buf[16] = {0};

    again(state, &(struct weir_vfu_session_options){.dma_ms = 200});
    struct device *d = *state;
    struct dma_client c = {.fd = d->client, .mode = DAWDLE};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, dma_client, &c), 0);
    uint64_t from = weir_now_ns();
    unsigned done = 0;
    int r;
    while ((r = weir_vfu_session_dma(d->session, 0x7000, buf, 16, false)) == 0)
        done++;
    assert_int_equal(r, -ETIMEDOUT);
    assert_true(weir_now_ns() - from >= 200000000u);
    assert_in_range(done, 1, 4);
    shutdown(d->client, SHUT_RDWR);
    pthread_join(thread, NULL);
    expect_over(d, -ETIMEDOUT, "in time");
}

/* Descriptors of messages that wait are the server's: not as many as anybody likes. */
static void dma_and_a_flood_of_descriptors(void **state)
{
    struct device *d = *state;
    struct weir_vfu_irq_set set = {.argsz = sizeof(set), .count = 8, .index = 2};
    int fds[8], before = wire_count_fds();
    uint8_t buf[16];

    set.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    for (unsigned i = 0; i < 8; i++)
        fds[i] = eventfd(0, EFD_CLOEXEC);
    for (uint16_t i = 0; i < 40; i++)
        wire_send_fds(d->client, i, WEIR_VFU_SET_IRQS, WEIR_VFU_NO_REPLY, &set, sizeof(set), fds,
                      8);
    for (unsigned i = 0; i < 8; i++)
        close(fds[i]);
    assert_int_equal(weir_vfu_session_dma(d->session, 0x7000, buf, 16, false), -ENOBUFS);
    expect_over(d, -ENOBUFS, "without end");
    weir_vfu_session_free(d->session);
    assert_int_equal(wire_count_fds(), before - 1);
    connect_device(d, NULL);
}

static void no_dma_in_an_access(void **state)
{
    struct device *d = *state;
    struct {
        struct weir_vfu_region_access a;
        uint32_t value;
    } __attribute__((packed)) w = {{0, 0, 4}, 1};
    struct wire_msg m;

    d->dma_in_write = true;
    ask(d, WEIR_VFU_REGION_WRITE, &w, sizeof(w), 0, &m);
    assert_int_equal(d->dma_result, -EDEADLK);
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
        cmocka_unit_test_setup_teardown(device_info, setup, teardown),
        cmocka_unit_test_setup_teardown(region_info, setup, teardown),
        cmocka_unit_test_setup_teardown(region_info_with_capabilities, setup, teardown),
        cmocka_unit_test_setup_teardown(irq_info, setup, teardown),
        cmocka_unit_test_setup_teardown(set_irqs_that_are_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(set_irqs_that_are_right, setup, teardown),
        cmocka_unit_test_setup_teardown(region_accesses, setup, teardown),
        cmocka_unit_test_setup_teardown(write_multi, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_map_and_unmap, setup, teardown),
        cmocka_unit_test_setup_teardown(other_commands, setup, teardown),
        cmocka_unit_test_setup_teardown(no_reply_means_no_reply, setup, teardown),
        cmocka_unit_test_setup_teardown(replies_nobody_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_by_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_with_a_client_that_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_while_the_client_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_limit_for_all, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_and_a_flood_of_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(no_dma_in_an_access, setup, teardown),
        cmocka_unit_test(refusing),
        cmocka_unit_test_setup_teardown(bent_messages, setup, teardown),
    };
    return cmocka_run_group_tests_name("vfu_session", tests, NULL, NULL);
}
