/* SPDX-License-Identifier: BSD-3-Clause */
/* DMA by messages: the server's side asks its client, which is right, wrong, slow or busy. */
#include "vfu_session_case.h"

#include <pthread.h>

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

    again(state, &(struct weir_vfu_session_options){.dma_ms = 1000});
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
    assert_true(weir_now_ns() - from >= 1000000000u);
    assert_in_range(done, 1, 16);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(dma_by_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_with_a_client_that_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_while_the_client_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_limit_for_all, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_and_a_flood_of_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(no_dma_in_an_access, setup, teardown),
    };
    return cmocka_run_group_tests_name("vfu_session_dma", tests, NULL, NULL);
}
