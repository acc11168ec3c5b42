/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that a peer sent: what is mapped, what is not, and that taking it away hurts nobody. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "vfu_wire.h"
#include "lib/model/client_memory.h"
#include "lib/vfio-user/memory.h"

#include <sys/stat.h>
#include <weir/weir.h>

#define HUGE_PAGE 0x200000

static void sealed_memory_is_mapped(void **state)
{
    struct weir_vfu_memory m;
    int fd = wire_memfd(0x5000, F_SEAL_SHRINK);
    uint8_t byte = 7;

    (void)state;
    assert_int_equal(weir_vfu_memory_map(fd, 0x2000, 0x3000, PROT_READ | PROT_WRITE, &m), 0);
    m.va[0x2fff] = 9;
    assert_int_equal(pread(fd, &byte, 1, 0x4fff), 1);
    assert_int_equal(byte, 9);
    weir_vfu_memory_unmap(m.va, 0x2000, 0x3000, m.page);
    /* not at a page's start */
    assert_int_equal(weir_vfu_memory_map(fd, 0x1ffe, 4, PROT_READ, &m), 0);
    assert_int_equal(m.va[3], 0);
    weir_vfu_memory_unmap(m.va, 0x1ffe, 4, m.page);
    close(fd);
}

static void other_descriptors_are_not(void **state)
{
    struct weir_vfu_memory m;
    int sealed = wire_memfd(0x5000, F_SEAL_SHRINK), loose = wire_memfd(0x5000, 0), pipes[2];
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    static const struct {
        uint64_t offset, len;
    } outside[] = {{0, 0x5001},          {0x5000, 1},         {0x1000, UINT64_MAX - 0xfff},
                   {UINT64_MAX - 1, 16}, {INT64_MAX, 0x1000}, {0, 0}};

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(weir_vfu_memory_map(loose, 0, 0x1000, PROT_READ, &m), -EPERM);
    assert_int_equal(weir_vfu_memory_by_fd(loose, 0, 0x5000), 0);
    for (unsigned i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        assert_int_equal(
            weir_vfu_memory_map(sealed, outside[i].offset, outside[i].len, PROT_READ, &m), -ENXIO);
        assert_int_equal(weir_vfu_memory_by_fd(loose, outside[i].offset, outside[i].len), -ENXIO);
    }
    assert_int_equal(weir_vfu_memory_map(pipes[0], 0, 0x1000, PROT_READ, &m), -ENODEV);
    assert_int_equal(weir_vfu_memory_by_fd(pipes[0], 0, 0x1000), -ENODEV);
    assert_int_equal(weir_vfu_memory_map(file, 0, 0x1000, PROT_READ, &m), -ENODEV);
    assert_int_equal(weir_vfu_memory_by_fd(file, 0, 0x1000), -ENODEV);
    close(sealed);
    close(loose);
    close(file);
    close(pipes[0]);
    close(pipes[1]);
}

/* A server that came back shows its registers where they were. */
static void a_mapping_replaced_in_place(void **state)
{
    struct weir_vfu_memory m;
    int old = wire_memfd(0x3000, F_SEAL_SHRINK), now = wire_memfd(0x3000, F_SEAL_SHRINK);
    int loose = wire_memfd(0x3000, 0);

    (void)state;
    assert_int_equal(pwrite(old, "old", 3, 0x1000), 3);
    assert_int_equal(pwrite(now, "now", 3, 0x1000), 3);
    assert_int_equal(weir_vfu_memory_map(old, 0x1000, 0x2000, PROT_READ | PROT_WRITE, &m), 0);
    close(old);
    assert_int_equal(weir_vfu_memory_replace(loose, 0x1000, 0x2000, PROT_READ, &m), -EPERM);
    assert_memory_equal(m.va, "old", 3);
    assert_int_equal(weir_vfu_memory_replace(now, 0x1000, 0x2000, PROT_READ | PROT_WRITE, &m), 0);
    assert_memory_equal(m.va, "now", 3);
    m.va[0x1fff] = 1;
    close(now);
    close(loose);
    weir_vfu_memory_unmap(m.va, 0x1000, 0x2000, m.page);
}

static void hugepages(void **state)
{
    struct weir_vfu_memory m;
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);

    (void)state;
    if (fd < 0 || ftruncate(fd, 2 * HUGE_PAGE) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK))
        skip();
    /* They need not be there: then it is an error, and no signal. */
    int r = weir_vfu_memory_map(fd, HUGE_PAGE + 0x3000, 0x1000, PROT_READ | PROT_WRITE, &m);
    if (r) {
        assert_int_equal(r, -ENOMEM);
        print_message("no hugepage of 2 MiB is free: only that this is an error was tested\n");
    } else {
        assert_int_equal(m.page, HUGE_PAGE);
        assert_int_equal((uintptr_t)m.va & (HUGE_PAGE - 1), 0x3000);
        m.va[0xfff] = 1;
        weir_vfu_memory_unmap(m.va, HUGE_PAGE + 0x3000, 0x1000, m.page);
    }
    close(fd);
    /* Without the seal there is no other way to them. */
    fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
    assert_int_equal(ftruncate(fd, HUGE_PAGE), 0);
    assert_int_equal(weir_vfu_memory_map(fd, 0, HUGE_PAGE, PROT_READ, &m), -EPERM);
    assert_int_equal(weir_vfu_memory_by_fd(fd, 0, HUGE_PAGE), -EPERM);
    close(fd);
}

/* The client's memory as a model sees it */

struct place {
    struct weir *w;
    struct weir_client_memory *memory;
    struct weir_siommu *iommu;
    unsigned remote;
    unsigned warnings;
};

static int remote(void *user, uint64_t iova, void *buf, size_t len, bool write)
{
    struct place *p = user;

    p->remote++;
    if (!write)
        memset(buf, (int)(iova >> 12), len);
    return 0;
}

static void on_log(void *user, enum weir_log_level level, const char *part, const char *text)
{
    (void)part;
    (void)text;
    if (level <= WEIR_LOG_WARNING)
        ((struct place *)user)->warnings++;
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));

    p->w = weir_new(&(struct weir_options){.size = sizeof(struct weir_options),
                                           .log = on_log,
                                           .log_user = p,
                                           .log_level = WEIR_LOG_DEBUG},
                    NULL);
    p->memory = weir_client_memory_new(p->w, remote, p);
    assert_non_null(p->memory);
    p->iommu = weir_client_memory_siommu(p->memory);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;

    weir_client_memory_free(p->memory);
    weir_free(p->w);
    free(p);
    return 0;
}

static int map(struct place *p, uint64_t iova, uint64_t size, unsigned prot, int fd,
               uint64_t offset)
{
    int own = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    int r = weir_client_memory_map(p->memory, iova, size, prot, &own, offset);

    if (own >= 0)
        close(own);
    return r;
}

static int peek(struct place *p, uint64_t iova, void *buf, size_t len, bool write)
{
    static const struct weir_dma_who who = {.queue = "test"};

    weir_siommu_lock(p->iommu);
    int r = write ? weir_siommu_write(p->iommu, iova, buf, len, &who)
                  : weir_siommu_read(p->iommu, iova, buf, len, &who);
    weir_siommu_unlock(p->iommu);
    return r;
}

static void mapped_and_taken_back(void **state)
{
    struct place *p = *state;
    int fd = wire_memfd(0x4000, F_SEAL_SHRINK);
    uint8_t buf[8];

    unsigned fds = wire_count_fds();
    assert_int_equal(pwrite(fd, "abcdefgh", 8, 0x1ffc), 8);
    assert_int_equal(map(p, 0x10000, 0x2000, WEIR_PROT_RW, fd, 0x1000), 0);
    assert_int_equal(wire_count_fds(), fds); /* a mapping needs no descriptor */
    assert_int_equal(peek(p, 0x10ffc, buf, 8, false), 0);
    assert_memory_equal(buf, "abcdefgh", 8);
    assert_int_equal(peek(p, 0x11000, "XY", 2, true), 0);
    assert_int_equal(pread(fd, buf, 2, 0x2000), 2);
    assert_memory_equal(buf, "XY", 2);
    /* overlaps of all kinds, and next to it */
    assert_int_equal(map(p, 0x10000, 0x2000, WEIR_PROT_RW, fd, 0), -EEXIST);
    assert_int_equal(map(p, 0x11000, 0x1000, WEIR_PROT_RW, fd, 0), -EEXIST);
    assert_int_equal(map(p, 0xf000, 0x4000, WEIR_PROT_RW, fd, 0), -EEXIST);
    assert_int_equal(map(p, 0x12000, 0x1000, WEIR_PROT_READ, fd, 0), 0);
    assert_int_equal(peek(p, 0x12000, "XY", 2, true), -EFAULT); /* may only be read */
    assert_int_equal(peek(p, 0x12ffe, buf, 4, false), -EFAULT);
    /* unmapping: what lies within goes, half of something is refused, nothing is fine */
    assert_int_equal(weir_client_memory_unmap(p->memory, 0x10000, 0x1000), -EINVAL);
    assert_int_equal(weir_client_memory_unmap(p->memory, 0x11000, 0x100000), -EINVAL);
    assert_int_equal(weir_client_memory_unmap(p->memory, 0x20000, 0x100000), 0);
    assert_int_equal(peek(p, 0x10ffc, buf, 8, false), 0);
    assert_int_equal(weir_client_memory_unmap(p->memory, 0, (uint64_t)1 << 63), 0);
    assert_int_equal(peek(p, 0x10ffc, buf, 8, false), -EFAULT);
    assert_int_equal(peek(p, 0x12000, buf, 8, false), -EFAULT);
    close(fd);
}

/* It may shrink at any time: DMA to it fails then, and that is all. */
static void memory_that_shrinks(void **state)
{
    struct place *p = *state;
    int fd = wire_memfd(0x4000, 0);
    uint8_t buf[8];
    struct stat st;

    assert_int_equal(map(p, 0x10000, 0x4000, WEIR_PROT_RW, fd, 0), 0);
    assert_int_equal(p->warnings, 1);
    assert_int_equal(peek(p, 0x13ff8, "abcdefgh", 8, true), 0);
    assert_int_equal(peek(p, 0x13ff8, buf, 8, false), 0);
    assert_memory_equal(buf, "abcdefgh", 8);
    assert_int_equal(ftruncate(fd, 0x1000), 0);
    assert_int_not_equal(peek(p, 0x13ff8, buf, 8, false), 0);
    assert_int_not_equal(peek(p, 0x13ff8, "abcdefgh", 8, true), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 0x1000); /* a device does not make it grow */
    assert_int_equal(peek(p, 0x10000, buf, 8, false), 0);
    assert_int_equal(map(p, 0x20000, 0x4000, WEIR_PROT_RW, fd, 0), -ENXIO);
    close(fd);
}

/* Page by page, as behind an IOMMU: one descriptor is kept for all of them. */
static void one_descriptor_for_a_thousand_maps(void **state)
{
    struct place *p = *state;
    int fd = wire_memfd(0x1000 * 1000, 0);

    unsigned fds = wire_count_fds();
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(map(p, 0x1000 * i, 0x1000, WEIR_PROT_RW, fd, 0x1000 * i), 0);
    assert_int_equal(wire_count_fds(), fds + 1);
    assert_int_equal(p->warnings, 1);
    for (uint64_t i = 0; i < 1000; i += 2)
        assert_int_equal(weir_client_memory_unmap(p->memory, 0x1000 * i, 0x1000), 0);
    assert_int_equal(wire_count_fds(), fds + 1);
    weir_client_memory_clear(p->memory);
    assert_int_equal(wire_count_fds(), fds);
    /* of other files it keeps each, up to a limit */
    int n = 0, r = 0;
    for (; n < 1000 && r == 0; n++) {
        int one = wire_memfd(0x1000, 0);
        r = map(p, 0x1000 * (uint64_t)n, 0x1000, WEIR_PROT_RW, one, 0);
        close(one);
    }
    assert_int_equal(r, -EMFILE);
    assert_in_range(n, 100, 500);
    weir_client_memory_clear(p->memory);
    assert_int_equal(wire_count_fds(), fds);
    close(fd);
}

static void memory_by_messages(void **state)
{
    struct place *p = *state;
    uint8_t buf[16];

    assert_int_equal(map(p, 0x7000, 0x1000, WEIR_PROT_RW, -1, 0), 0);
    assert_int_equal(peek(p, 0x7ff0, buf, 16, false), 0);
    assert_int_equal(buf[15], 7);
    assert_int_equal(p->remote, 1);
    assert_int_equal(peek(p, 0x7ff0, buf, 17, true), -EFAULT);
    assert_int_equal(p->remote, 1);
}

static void limits(void **state)
{
    struct place *p = *state;
    uint64_t n;

    assert_int_equal(map(p, 0, (uint64_t)1 << 60, WEIR_PROT_RW, -1, 0), -ENOSPC);
    assert_int_equal(map(p, 0, (uint64_t)9 << 40, WEIR_PROT_RW, -1, 0), 0);
    assert_int_equal(map(p, (uint64_t)9 << 40, (uint64_t)9 << 40, WEIR_PROT_RW, -1, 0), -ENOSPC);
    weir_client_memory_clear(p->memory);
    for (n = 0; n < 65535; n++)
        assert_int_equal(map(p, n << 12, 0x1000, WEIR_PROT_RW, -1, 0), 0);
    assert_int_equal(map(p, n << 12, 0x1000, WEIR_PROT_RW, -1, 0), -ENOSPC);
    assert_int_equal(weir_client_memory_unmap(p->memory, 0, 0x1000), 0);
    assert_int_equal(map(p, n << 12, 0x1000, WEIR_PROT_RW, -1, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealed_memory_is_mapped),
        cmocka_unit_test(other_descriptors_are_not),
        cmocka_unit_test(a_mapping_replaced_in_place),
        cmocka_unit_test(hugepages),
        cmocka_unit_test_setup_teardown(mapped_and_taken_back, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_that_shrinks, setup, teardown),
        cmocka_unit_test_setup_teardown(one_descriptor_for_a_thousand_maps, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_by_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(limits, setup, teardown),
    };
    return cmocka_run_group_tests_name("vfu_memory", tests, NULL, NULL);
}
