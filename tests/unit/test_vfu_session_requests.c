/* SPDX-License-Identifier: BSD-3-Clause */
/* What a client may ask of the server's side of a connection, and what it may not. */
#include "vfu_session_case.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests_name("vfu_session_requests", tests, NULL, NULL);
}
