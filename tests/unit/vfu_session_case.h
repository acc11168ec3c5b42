/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of the server's side of a connection share: a device of callbacks that remember
 * what they were asked, a session that serves it, and a client to ask it. */
#ifndef TESTS_VFU_SESSION_CASE_H
#define TESTS_VFU_SESSION_CASE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "vfu_wire.h"
#include "lib/vfio-user/server.h"

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

static inline void on_region(void *user, unsigned region, struct weir_vfu_region *out)
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

static inline unsigned on_irqs(void *user, unsigned index)
{
    (void)user;
    return index == 0 ? 1 : index == 2 ? 8 : 0;
}

static inline int on_read(void *user, unsigned region, uint64_t off, void *buf, size_t len)
{
    struct device *d = user;

    d->reads++;
    if (region != 0 || off > 0x200000 || len > 0x200000 - off)
        return -EINVAL;
    memset(buf, 0x5a, len);
    return d->result;
}

static inline int on_write(void *user, unsigned region, uint64_t off, const void *buf, size_t len)
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

static inline int on_map(void *user, uint64_t iova, uint64_t size, uint32_t prot, int *fd,
                         uint64_t offset)
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

static inline int on_unmap(void *user, uint64_t iova, uint64_t size)
{
    struct device *d = user;

    d->unmaps++;
    d->iova = iova;
    d->size = size;
    return d->result;
}

static inline void did(struct device *d, const char *what, unsigned index, unsigned start,
                       unsigned count)
{
    snprintf(d->irq_did, sizeof(d->irq_did), "%s", what);
    d->irq_index = index;
    d->irq_start = start;
    d->irq_count = count;
    d->irq_calls++;
}

static inline int on_irq_set(void *user, unsigned index, unsigned start, unsigned count, int *fds)
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

static inline int on_irq_trigger(void *user, unsigned index, unsigned start, unsigned count)
{
    did(user, "trigger", index, start, count);
    return 0;
}

static inline int on_irq_mask(void *user, unsigned index, unsigned start, unsigned count, bool mask)
{
    did(user, mask ? "mask" : "unmask", index, start, count);
    return 0;
}

static inline int on_irq_unmask_fd(void *user, int *fd)
{
    struct device *d = user;

    did(d, "unmask_fd", 0, 0, 1);
    d->irq_fds = *fd >= 0;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return 0;
}

static inline void on_reset(void *user)
{
    ((struct device *)user)->resets++;
}

static inline void on_note(void *user, const char *text)
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

static inline void connect_device(struct device *d, const struct weir_vfu_session_options *opt)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    d->client = pair[1];
    assert_int_equal(weir_vfu_session_new(pair[0], &ops, d, opt, &d->session), 0);
}

static inline void serve_some(void *arg)
{
    struct device *d = arg;

    assert_true(weir_vfu_session_run(d->session, 100) >= 0);
}

/* Serve until nothing is left to do. */
static inline int settle(struct device *d)
{
    int n;

    do {
        n = weir_vfu_session_run(d->session, 100);
    } while (n > 0);
    return n;
}

static inline void agree(struct device *d)
{
    uint8_t body[512];
    struct wire_msg m;

    wire_send(d->client, 1, WEIR_VFU_VERSION, 0, body, wire_version(body, 0, 0, WIRE_QEMU_JSON));
    assert_int_equal(settle(d), 0);
    wire_recv(d->client, &m);
    assert_int_equal(m.h.flags, WEIR_VFU_REPLY);
    assert_true(weir_vfu_session_open(d->session));
}

static inline int setup_raw(void **state)
{
    struct device *d = calloc(1, sizeof(*d));

    d->region_fd = -1;
    connect_device(d, NULL);
    *state = d;
    return 0;
}

static inline int setup(void **state)
{
    setup_raw(state);
    agree(*state);
    return 0;
}

static inline int teardown(void **state)
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
static inline void ask_fds(struct device *d, unsigned command, const void *body, size_t len,
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

static inline void ask(struct device *d, unsigned command, const void *body, size_t len, int err,
                       struct wire_msg *m)
{
    ask_fds(d, command, body, len, NULL, 0, err, m);
}

/* The stream is still in step: a reset is served. */
static inline void still_serves(struct device *d)
{
    struct wire_msg m;
    unsigned before = d->resets;

    ask(d, WEIR_VFU_DEVICE_RESET, NULL, 0, 0, &m);
    assert_int_equal(d->resets, before + 1);
}

static inline void expect_over(struct device *d, int err, const char *why)
{
    assert_int_equal(settle(d), err);
    if (!strstr(weir_vfu_session_why(d->session), why))
        fail_msg("'%s' does not say '%s'", weir_vfu_session_why(d->session), why);
    assert_int_equal(weir_vfu_session_run(d->session, 1), err); /* and stays over */
}

#endif
