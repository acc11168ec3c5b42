/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Either end of vfio-user, facing a peer that sends any bytes at all. The first byte of the input
 * says which end, whether the peer begins well (an agreed version), and whether descriptors come
 * along.
 */
#include "lib/vfio-user/client.h"
#include "lib/vfio-user/proto.h"
#include "lib/vfio-user/server.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENT = 1, AGREED = 2, DESCRIPTORS = 4 };

#define JSON                                                                                       \
    "{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576,\"max_dma_maps\":65535," \
    "\"pgsizes\":4096,\"write_multiple\":true}}"

static uint8_t memory[4096];

/* A device of which everything that passes the checks is a success. */

static void region(void *user, unsigned index, struct weir_vfu_region *out)
{
    static const uint64_t caps[4];

    (void)user;
    *out = (struct weir_vfu_region){.size = 4096, .flags = 3, .fd = -1};
    if (index == 2) {
        out->caps = caps;
        out->caps_len = sizeof(caps);
    }
}

static unsigned irqs(void *user, unsigned index)
{
    (void)user;
    return index * 8;
}

static int read_region(void *user, unsigned index, uint64_t off, void *buf, size_t len)
{
    (void)user;
    if (index > 8 || off > sizeof(memory) || len > sizeof(memory) - off)
        return -1;
    memcpy(buf, memory + off, len);
    return 0;
}

static int write_region(void *user, unsigned index, uint64_t off, const void *buf, size_t len)
{
    (void)user;
    if (index > 8 || off > sizeof(memory) || len > sizeof(memory) - off)
        return -1;
    memcpy(memory + off, buf, len);
    return 0;
}

static int dma_map(void *user, uint64_t iova, uint64_t bytes, uint32_t prot, int *fd,
                   uint64_t offset)
{
    (void)user;
    (void)offset;
    /* What the checks promise. */
    if ((iova | bytes) & 4095 || !bytes || iova + bytes <= iova || !prot)
        __builtin_trap();
    if (*fd >= 0 && iova & 4096) {
        close(*fd);
        *fd = -1;
    }
    return 0;
}

static int dma_unmap(void *user, uint64_t iova, uint64_t bytes)
{
    (void)user;
    if (!bytes || iova + bytes < iova)
        __builtin_trap();
    return 0;
}

static int irq_set(void *user, unsigned index, unsigned start, unsigned count, int *fds)
{
    (void)user;
    if (index > 4 || start + count > index * 8)
        __builtin_trap();
    for (unsigned i = 0; fds && i < count && i < 3; i++) {
        close(fds[i]);
        fds[i] = -1;
    }
    return 0;
}

static int irq_trigger(void *user, unsigned index, unsigned start, unsigned count)
{
    return irq_set(user, index, start, count, NULL);
}

static int irq_mask(void *user, unsigned index, unsigned start, unsigned count, bool mask)
{
    (void)mask;
    return irq_set(user, index, start, count, NULL);
}

static int irq_unmask_fd(void *user, int *fd)
{
    (void)user;
    (void)fd;
    return 0;
}

static void reset(void *user)
{
    (void)user;
}

static const struct weir_vfu_server_ops server_ops = {
    .num_regions = 9,
    .num_irqs = 5,
    .region = region,
    .irqs = irqs,
    .read = read_region,
    .write = write_region,
    .dma_map = dma_map,
    .dma_unmap = dma_unmap,
    .irq_set = irq_set,
    .irq_trigger = irq_trigger,
    .irq_mask = irq_mask,
    .irq_unmask_fd = irq_unmask_fd,
    .reset = reset,
};

static void *dma(void *user, uint64_t iova, size_t len, bool write)
{
    (void)user;
    (void)write;
    return iova <= sizeof(memory) && len <= sizeof(memory) - iova ? memory + iova : NULL;
}

static void want_out(void *user, bool on)
{
    (void)user;
    (void)on;
}

static const struct weir_vfu_client_ops client_ops = {.dma = dma, .want_out = want_out};

static void send_version(int fd, uint32_t flags)
{
    struct {
        struct weir_vfu_header h;
        struct weir_vfu_version v;
        char json[sizeof(JSON)];
    } m = {{0, WEIR_VFU_VERSION, sizeof(m), flags, 0}, {0, 0}, JSON};

    m.h.size = (uint32_t)(sizeof(m.h) + sizeof(m.v) + sizeof(JSON));
    (void)!write(fd, &m, m.h.size);
}

static void send_input(int fd, const uint8_t *data, size_t size, bool descriptors)
{
    int event = eventfd(0, EFD_CLOEXEC);
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {(void *)(uintptr_t)data, size};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

    if (descriptors) {
        m.msg_control = control;
        m.msg_controllen = sizeof(control);
        struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cm), &event, sizeof(event));
    }
    (void)!sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(event);
    shutdown(fd, SHUT_WR); /* so that nobody waits for more */
}

static void drain(int fd)
{
    static uint8_t buf[65536];

    while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
        ;
}

static void face_server(int fd, int peer)
{
    struct weir_vfu_session *s;

    if (weir_vfu_session_new(fd, &server_ops, NULL, NULL, &s))
        return;
    weir_vfu_session_run(s, 3);
    /* In the middle of it the device wants memory by messages. */
    weir_vfu_session_dma(s, 0, memory, 16, false);
    while (weir_vfu_session_run(s, 100) >= 0)
        drain(peer);
    weir_vfu_session_free(s);
}

static void face_client(int fd)
{
    struct weir_vfu_client *c = weir_vfu_client_new("vfio-user:fuzz", 1000, &client_ops, NULL);
    struct weir_vfu_region_info info = {.argsz = sizeof(info)};
    struct weir_vfu_region_access access = {0, 0, 4}, got;
    struct weir_error e;
    uint32_t value;
    int with = -1;
    struct weir_vfu_call ask = {
        .what = "ask",
        .command = WEIR_VFU_REGION_INFO,
        .body = {{&info, sizeof(info)}},
        .reply = &info,
        .reply_len = sizeof(info),
        .fd = &with,
    };
    struct weir_vfu_call load = {
        .what = "read",
        .command = WEIR_VFU_REGION_READ,
        .body = {{&access, sizeof(access)}},
        .reply = &got,
        .reply_len = sizeof(got),
        .data = &value,
        .data_len = sizeof(value),
    };

    if (!c) {
        close(fd);
        return;
    }
    if (weir_vfu_client_start(c, fd, &e) == 0) {
        weir_vfu_client_call(c, &ask, &e);
        if (with >= 0)
            close(with);
        weir_vfu_client_post(c, 0, 8, "abcd", 4);
        weir_vfu_client_call(c, &load, &e);
        weir_vfu_client_ready(c);
    }
    weir_vfu_client_stop(c);
    weir_vfu_client_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];

    if (!size || size > 32768 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return 0;
    if (data[0] & AGREED)
        send_version(pair[1], data[0] & CLIENT ? WEIR_VFU_REPLY : WEIR_VFU_REQUEST);
    send_input(pair[1], data + 1, size - 1, data[0] & DESCRIPTORS);
    if (data[0] & CLIENT)
        face_client(pair[0]);
    else
        face_server(pair[0], pair[1]);
    close(pair[1]);
    return 0;
}
