/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What of an arena reaches the IOMMU: MAPs counted at the ioctl, and the leaves that the kernel
 * would make of each, by its own rule; pieces gathered; and what a space says to others.
 *
 * The machine seems to have the hugepages that a test wants, at the physical addresses it wants;
 * behind them is memory that nobody touches, so that 16 GiB cost nothing.
 */
#include "fake_vfio.h"

#include "lib/iommu/publish.h"
#include "lib/mem/hugepage.h"
#include "lib/mem/physical.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/vfio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <weir/gather.h>

#define A "0000:01:00.0"

static struct weir *w;
static struct weir_error e;
static struct weir_space *space;
static struct weir_device *device;

static uint64_t pool_2m, pool_1g;
static unsigned memfds_left; /* calls that succeed */

/* Physical address of the page that holds va; 0: hidden. */
static uint64_t (*physical)(uint64_t va);

int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags)
{
    if (memfds_left == 0) {
        errno = EMFILE;
        return -1;
    }
    memfds_left--;
    if (flags & MFD_HUGETLB && flags >> MFD_HUGE_SHIFT == 21)
        pool_2m = 0; /* it took all there were */
    return __real_memfd_create(name, flags & (MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

int __wrap_madvise(void *va, size_t len, int advice);
int __wrap_madvise(void *va, size_t len, int advice)
{
    (void)va;
    (void)len;
    (void)advice;
    return 0;
}

unsigned __wrap_weir_hugepage_sizes(uint64_t *sizes, unsigned max);
unsigned __wrap_weir_hugepage_sizes(uint64_t *sizes, unsigned max)
{
    (void)max;
    sizes[0] = GIB;
    sizes[1] = 2 * MIB;
    return 2;
}

int __wrap_weir_hugepage_pool(const char *sysfs, uint64_t page, int node,
                              struct weir_hugepages *out);
int __wrap_weir_hugepage_pool(const char *sysfs, uint64_t page, int node,
                              struct weir_hugepages *out)
{
    uint64_t n = page == GIB ? pool_1g : pool_2m;

    (void)sysfs;
    *out =
        (struct weir_hugepages){.page = page, .node = node, .total = n, .free = n, .available = n};
    return 0;
}

int __wrap_weir_physical(const void *va, uint64_t *out, struct weir_error *err);
int __wrap_weir_physical(const void *va, uint64_t *out, struct weir_error *err)
{
    *out = physical ? physical((uintptr_t)va) : 0;
    return *out ? 0 : weir_fail(err, -EPERM, "physical-hidden", "a\nb");
}

static int setup(void **state)
{
    struct weir_device_options opt = {.size = sizeof(opt)};

    pool_2m = pool_1g = 100000;
    memfds_left = 1000;
    physical = NULL;
    if (fake_setup(state))
        return -1;
    fake_add(A, 1);
    w = fake_weir();
    space = opt.space = fake_new_space(w, WEIR_VFIO_CONTAINER);
    device = weir_device_open(w, A, &opt, &e);
    return device ? 0 : -1;
}

static int teardown(void **state)
{
    weir_free(w);
    return fake_teardown(state);
}

static struct weir_arena *arena(uint64_t bytes, uint64_t max_bytes, uint64_t page)
{
    struct weir_arena_options o = {.size = sizeof(o),
                                   .bytes = bytes,
                                   .max_bytes = max_bytes,
                                   .page = page,
                                   .iova_bits = 48,
                                   .spaces = &space,
                                   .n_spaces = 1};
    struct weir_arena *a = weir_arena_new(w, &o, &e);

    if (!a)
        fail_msg("%s: %s: %s", e.code, e.what, e.why);
    return a;
}

static struct weir_arena_info info_of(const struct weir_arena *a)
{
    struct weir_arena_info info;

    weir_arena_info(a, &info);
    return info;
}

/* ---- the kernel's rule: vfio_pin_map_dma() and iommu_pgsize() ---- */

static uint64_t leaves[64];

/* @page: size of the pages behind it, which is what lies together physically if nothing is known.
 */
static void count_leaves(const struct fake_map *m, uint64_t page, uint64_t sizes)
{
    memset(leaves, 0, sizeof(leaves));
    for (uint64_t off = 0; off < m->size;) {
        uint64_t start = m->va + off, run = page - (start & (page - 1)), pa = start & (page - 1);

        if (physical) {
            pa += physical(start & ~(page - 1));
            while (run < m->size - off && physical(start + run) == pa + run)
                run += page;
        }
        if (run > m->size - off)
            run = m->size - off;
        for (uint64_t at = 0; at < run;) {
            unsigned bit = 63;

            while (!(sizes >> bit & 1) || (uint64_t)1 << bit > run - at ||
                   ((m->iova + off + at) | (pa + at)) & (((uint64_t)1 << bit) - 1))
                bit--;
            leaves[bit]++;
            at += (uint64_t)1 << bit;
        }
        off += run;
    }
}

static const struct fake_map *map_number(unsigned i)
{
    assert_in_range(i, 0, fake.containers[0].n_maps - 1);
    return &fake.containers[0].maps[i];
}

/* ---- 16 GiB ---- */

static void test_16_gib_in_2m(void **state)
{
    struct weir_arena *a = arena(16 * GIB, 0, 2 * MIB);

    (void)state;
    fake.maps = 0;
    assert_int_equal(weir_arena_map(a, space, WEIR_PROT_RW, &e), 0);
    assert_int_equal(fake.maps, 1);
    assert_int_equal(map_number(0)->size, 16 * GIB);
    count_leaves(map_number(0), 2 * MIB, 0x40201000);
    assert_int_equal(leaves[21], 8192);
    assert_int_equal(leaves[12] + leaves[30], 0);
    /* Not twice, whoever asks. */
    assert_int_equal(weir_arena_map(a, space, WEIR_PROT_RW, &e), 0);
    assert_int_equal(fake.maps, 1);
}

static void test_16_gib_in_1g(void **state)
{
    struct weir_arena *a = arena(16 * GIB, 0, GIB);

    (void)state;
    fake.maps = 0;
    assert_int_equal(weir_arena_map(a, space, WEIR_PROT_RW, &e), 0);
    assert_int_equal(fake.maps, 1);
    count_leaves(map_number(0), GIB, 0x40201000);
    assert_int_equal(leaves[30], 16);
    assert_int_equal(leaves[12] + leaves[21], 0);
}

/* ---- where it is placed ---- */

static uint64_t base; /* of the address space */
static uint64_t in_a_row(uint64_t va)
{
    return 8 * GIB + 6 * MIB + (va - base);
}

/* Hugepages that lie in a row make up 1 GiB, if the IOVA follows them. */
static void test_contiguous_hugepages(void **state)
{
    struct weir_arena *a;

    (void)state;
    a = arena(3 * GIB, 0, 2 * MIB);
    assert_int_equal(info_of(a).iova.addr % GIB, 0); /* nothing known */
    assert_int_equal((uintptr_t)info_of(a).va % GIB, 0);
    weir_arena_free(a);

    physical = in_a_row;
    base = 0;
    a = arena(3 * GIB, 0, 2 * MIB);
    assert_int_equal(info_of(a).iova.addr % GIB, 6 * MIB);
    assert_int_equal(weir_arena_map(a, space, WEIR_PROT_RW, &e), 0);
    count_leaves(map_number(0), 2 * MIB, 0x40201000);
    assert_int_equal(leaves[30], 2);
    assert_int_equal(leaves[21], 512);
    /* A buffer is aligned for CPU and device. */
    struct weir_dma dma;

    assert_int_equal(weir_dma_alloc(a, 4096, 4 * MIB, &dma, &e), -EINVAL);
    assert_int_equal(weir_dma_alloc(a, 4096, 2 * MIB, &dma, &e), 0);
    assert_int_equal(dma.iova.addr % (2 * MIB), 0);
    /* Of the pages that an IOMMU has, not only an x86 one's. */
    weir_arena_free(a);
    physical = NULL;
    a = arena(8 * MIB, 0, 2 * MIB);
    assert_int_equal(info_of(a).iova.addr, 2 * MIB);
}

static void test_other_page_sizes(void **state)
{
    struct weir_device_options opt = {.size = sizeof(opt)};
    struct weir_arena *a;

    (void)state;
    fake_add("0000:02:00.0", 2);
    fake_group(2)->page_sizes = 0x1000 | 2 * MIB | 4 * MIB;
    space = opt.space = fake_new_space(w, WEIR_VFIO_CONTAINER);
    assert_non_null(weir_device_open(w, "0000:02:00.0", &opt, &e));
    a = arena(8 * MIB, 0, 2 * MIB);
    assert_int_equal(info_of(a).iova.addr, 4 * MIB);
    assert_int_equal((uintptr_t)info_of(a).va % (4 * MIB), 0);
}

/* Where nothing that is aligned best is free, what is aligned less will do. */
static void test_less_aligned(void **state)
{
    struct weir_arena_options o = {
        .size = sizeof(o), .bytes = 2 * MIB + 4096, .page = 4096, .iova_bits = 22};
    struct weir_arena *a = weir_arena_new(w, &o, &e);
    struct weir_dma dma;

    (void)state;
    assert_non_null(a);
    assert_int_equal(info_of(a).iova.addr, MIB); /* the first that is ever given */
    assert_int_equal(weir_dma_alloc(a, 4096, 2 * MIB, &dma, &e), -EINVAL);
    assert_int_equal(weir_dma_alloc(a, 4096, MIB, &dma, &e), 0);
}

/* ---- mixed pages ---- */

static void test_mixed(void **state)
{
    struct weir_arena *a;

    (void)state;
    pool_1g = 1;
    pool_2m = 3;
    a = arena(GIB + 10 * MIB + 12 * KIB, 3 * GIB, WEIR_MIXED_PAGES);
    assert_int_equal(info_of(a).bytes, GIB + 10 * MIB + 12 * KIB);
    assert_int_equal(info_of(a).page, GIB);
    assert_int_equal(info_of(a).segments, 3);
    fake.maps = 0;
    assert_int_equal(weir_arena_map(a, space, WEIR_PROT_RW, &e), 0);
    assert_int_equal(fake.maps, 3);
    count_leaves(map_number(0), GIB, 0x40201000);
    assert_int_equal(leaves[30], 1);
    count_leaves(map_number(1), 2 * MIB, 0x40201000);
    assert_int_equal(leaves[21], 3);
    assert_int_equal(leaves[12], 0);
    count_leaves(map_number(2), 4096, 0x40201000);
    assert_int_equal(leaves[12], 1024 + 3);
    /* Grown from where only small pages fit: up to the next multiple of a large one, then those. */
    pool_1g = 0;
    pool_2m = 100;
    assert_int_equal(weir_arena_grow(a, 8 * MIB, &e), 0);
    assert_int_equal(fake.maps, 6);
    assert_int_equal(map_number(3)->size, 2 * MIB - 12 * KIB);
    assert_int_equal(map_number(4)->size, 6 * MIB);
    assert_int_equal(map_number(4)->iova % (2 * MIB), 0);
    assert_int_equal(map_number(5)->size, 12 * KIB);
    /* One goes after the other. */
    for (unsigned n = 5; n; n--)
        assert_int_equal(weir_arena_shrink(a, &e), 0);
    assert_int_equal(info_of(a).bytes, GIB);
    assert_int_equal(weir_arena_shrink(a, &e), -EBUSY);
    assert_int_equal(fake.containers[0].n_maps, 1);
}

static void test_mixed_is_undone(void **state)
{
    struct weir_arena_options o = {
        .size = sizeof(o), .bytes = GIB + 2 * MIB + 4096, .page = WEIR_MIXED_PAGES};
    struct weir_arena *a;

    (void)state;
    for (memfds_left = 0; memfds_left < 3;) {
        unsigned files = fake_process_files(), left = memfds_left;

        pool_2m = 1;
        assert_null(weir_arena_new(w, &o, &e));
        fake_failed(&e, -EMFILE, "arena-memfd");
        assert_int_equal(fake_process_files(), files);
        memfds_left = left + 1;
    }
    pool_2m = 1;
    a = arena(2 * MIB, 4 * GIB, WEIR_MIXED_PAGES);
    pool_2m = 1;
    assert_int_equal(weir_arena_map(a, space, WEIR_PROT_RW, &e), 0);
    memfds_left = 1;
    assert_int_equal(weir_arena_grow(a, 2 * MIB + 4096, &e), -EMFILE);
    assert_int_equal(info_of(a).bytes, 2 * MIB);
    assert_int_equal(info_of(a).segments, 1);
    assert_int_equal(fake.containers[0].n_maps, 1);
    memfds_left = 1000;
    pool_2m = 1;
    assert_int_equal(weir_arena_grow(a, 2 * MIB + 4096, &e), 0);
    assert_int_equal(fake.containers[0].n_maps, 3);
}

/* ---- gathering ---- */

static void test_gather(void **state)
{
    struct weir_arena *a = arena(16 * MIB, 0, 2 * MIB);
    uint8_t *m = info_of(a).va;
    struct weir_mem pieces[4];
    struct weir_gathered g;
    const size_t at[4] = {7 * 4096, MIB, MIB + 4096, 4 * MIB};
    const size_t len[4] = {4096, 4096, 8192, 4 * MIB};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct weir_dma dma = {.va = m + at[i], .len = len[i]};

        assert_int_equal(weir_arena_mem(a, &dma, &pieces[i], &e), 0);
        assert_int_equal(pieces[i].offset, at[i]);
        assert_true(pieces[i].fd >= 0);
    }
    fake.maps = 0;
    assert_int_equal(weir_dma_gather(space, pieces, 4, 39, WEIR_PROT_READ, &g, &e), 0);
    /* The second and third are neighbours. */
    assert_int_equal(fake.maps, 3);
    assert_int_equal(g.maps, 3);
    assert_int_equal(g.len, 4 * MIB + 16 * KIB);
    assert_int_equal(map_number(0)->iova, g.iova.addr);
    assert_int_equal(map_number(0)->va, (uintptr_t)m + at[0]);
    assert_int_equal(map_number(1)->iova, g.iova.addr + 4096);
    assert_int_equal(map_number(1)->size, 12 * KIB);
    assert_int_equal(map_number(1)->va, (uintptr_t)m + at[1]);
    assert_int_equal(map_number(2)->iova, g.iova.addr + 16 * KIB);
    /* The longest gets its hugepages. */
    assert_int_equal(map_number(2)->iova % (2 * MIB), 0);
    count_leaves(map_number(2), 2 * MIB, 0x40201000);
    assert_int_equal(leaves[21], 2);
    assert_int_equal(weir_dma_ungather(&g, &e), 0);
    assert_int_equal(fake.containers[0].n_maps, 0);
    assert_null(g.space);

    /* The first may begin and the last end inside a page. */
    pieces[0].va = m + at[0] + 100;
    pieces[0].offset += 100;
    pieces[0].len = 4096 - 100;
    pieces[3].len = 10;
    assert_int_equal(weir_dma_gather(space, pieces, 4, 39, WEIR_PROT_READ, &g, &e), 0);
    assert_int_equal(g.iova.addr & 4095, 100);
    assert_int_equal(g.len, 4096 - 100 + 12 * KIB + 10);
    assert_int_equal(map_number(0)->va, (uintptr_t)m + at[0]);
    assert_int_equal(map_number(2)->size, 4096);
    assert_int_equal(weir_dma_ungather(&g, &e), 0);
    assert_int_equal(fake.containers[0].n_maps, 0);
}

static void test_gather_refused(void **state)
{
    uint8_t *m = fake_memory(MIB);
    struct weir_mem p[3] = {{.va = m, .len = 4096, .fd = -1},
                            {.va = m + 64 * KIB, .len = 4096, .fd = -1},
                            {.va = m + 128 * KIB, .len = 4096, .fd = -1}};
    const struct weir_mem good[3] = {p[0], p[1], p[2]};
    struct weir_arena *a = arena(2 * MIB, 0, 2 * MIB);
    struct weir_dma elsewhere = {.va = m, .len = 10};
    struct weir_gathered g;

    (void)state;
    assert_int_equal(weir_dma_gather(space, p, 0, 39, WEIR_PROT_RW, &g, &e), -EINVAL);
    assert_int_equal(weir_dma_gather(space, p, 3, 0, WEIR_PROT_RW, &g, &e), -EINVAL);
    fake_failed(&e, -EINVAL, "gather-pieces");
    for (unsigned k = 0; k < 5; k++) {
        memcpy(p, good, sizeof(p));
        if (k == 0)
            p[1].len = 0;
        if (k == 1)
            p[1].va = m + 64 * KIB + 8;
        if (k == 2)
            p[1].len = 100;
        if (k == 3)
            p[0].len = 100;
        if (k == 4)
            p[2].va = (void *)(UINTPTR_MAX - 100);
        assert_int_equal(weir_dma_gather(space, p, 3, 39, WEIR_PROT_RW, &g, &e), -EINVAL);
        fake_failed(&e, -EINVAL, "gather-pieces");
    }
    memcpy(p, good, sizeof(p));
    assert_int_equal(weir_dma_gather(space, p, 3, 20, WEIR_PROT_RW, &g, &e), -ENOSPC);
    fake_failed(&e, -ENOSPC, "space-no-iova");
    for (unsigned k = 0; k < 3; k++) {
        fake_fail(VFIO_IOMMU_MAP_DMA, ENOMEM, k);
        assert_int_equal(weir_dma_gather(space, p, 3, 39, WEIR_PROT_RW, &g, &e), -ENOMEM);
        assert_int_equal(fake.containers[0].n_maps, 0);
    }
    fake_fail(0, 0, 0);
    assert_int_equal(weir_arena_mem(a, &elsewhere, p, &e), -EINVAL);
    fake_memory_free(m, MIB);
}

/* ---- what a space says to others ---- */

static struct weir_space_view *look(int *fd)
{
    struct weir_space_view *v;
    int at = -1;

    assert_int_equal(weir_space_view_next(getpid(), &at, &v, &e), 1);
    assert_non_null(v);
    if (fd)
        *fd = at;
    return v;
}

static void test_view(void **state)
{
    struct weir_space_info info;
    struct weir_space_view *v;
    struct weir_arena *a, *b;
    int fd = -1;

    (void)state;
    weir_space_info(space, &info);
    v = look(&fd);
    assert_string_equal(v->kind, "type1");
    assert_int_equal(v->page_sizes, 0x40201000);
    assert_int_equal(v->devices, 1);
    assert_int_equal(v->max_maps, info.max_maps);
    assert_int_equal(v->n_ranges, info.n_ranges);
    assert_memory_equal(v->ranges, info.ranges, info.n_ranges * sizeof(*info.ranges));
    assert_int_equal(v->n_mappings, 0);
    weir_space_view_free(v);
    a = arena(4 * MIB, 8 * MIB, 2 * MIB);
    b = arena(8192, 0, 4096);
    assert_int_equal(weir_arena_map(b, space, WEIR_PROT_READ, &e), 0);
    assert_int_equal(weir_arena_map(a, space, WEIR_PROT_RW, &e), 0);
    assert_int_equal(weir_arena_grow(a, 2 * MIB, &e), 0);
    v = look(NULL);
    assert_int_equal(v->n_mappings, 3);
    assert_int_equal(v->bytes, 6 * MIB + 8192);
    assert_int_equal(v->made, 3);
    assert_int_equal(v->removed, 0);
    assert_int_equal(v->mappings[0].iova.addr, info_of(b).iova.addr);
    assert_int_equal(v->mappings[0].prot, WEIR_PROT_READ);
    assert_int_equal(v->mappings[0].page, 4096);
    assert_int_equal(v->mappings[1].va, (uintptr_t)info_of(a).va);
    assert_int_equal(v->mappings[1].len, 4 * MIB);
    assert_int_equal(v->mappings[2].page, 2 * MIB);
    assert_string_equal(v->mappings[2].name, "arena");
    weir_space_view_free(v);
    /* A place that is free again is used again. */
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(weir_arena_unmap(b, space, &e), 0);
        v = look(NULL);
        assert_int_equal(v->n_mappings, 2);
        weir_space_view_free(v);
        assert_int_equal(weir_arena_map(b, space, WEIR_PROT_READ, &e), 0);
    }
    v = look(NULL);
    assert_int_equal(v->n_mappings, 3);
    assert_int_equal(v->removed, 100);
    assert_in_range(
        lseek(fd, 0, SEEK_END), 1,
        (int)(sizeof(struct weir_publish_header) + 3 * sizeof(struct weir_publish_slot)));
    weir_space_view_free(v);
    /* No other, and none of a process that is not there. */
    assert_int_equal(weir_space_view_next(getpid(), &fd, &v, &e), 0);
    fd = -1;
    assert_int_equal(weir_space_view_next(INT32_MAX, &fd, &v, &e), -ENOENT);
    fake_failed(&e, -ENOENT, "space-view-process");
}

/* Without a file, or cut under its hands, a space works. */
static void test_unpublished(void **state)
{
    struct weir_space_view *v;
    struct weir_arena *a = arena(2 * MIB, 0, 2 * MIB);
    char path[40];
    int fd;

    (void)state;
    weir_space_view_free(look(&fd));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    assert_int_equal(truncate(path, 0), 0);
    fd = -1;
    assert_int_equal(weir_space_view_next(getpid(), &fd, &v, &e), 1);
    assert_null(v);
    fake_failed(&e, -EINVAL, "space-view");
    assert_int_equal(weir_arena_map(a, space, WEIR_PROT_RW, &e), 0);
    assert_int_equal(weir_arena_unmap(a, space, &e), 0);
    memfds_left = 0;
    space = weir_space_software(w, &e);
    assert_non_null(space);
    assert_int_equal(weir_arena_map(a, space, WEIR_PROT_RW, &e), 0);
}

/* An application that forbids itself files, later on, is not killed by SIGXFSZ. */
static void test_file_size_limit(void **state)
{
    struct weir_arena *a = arena(2 * MIB, 0, 2 * MIB);
    struct rlimit before, none;
    struct weir_space_view *v;
    int fd = -1;

    (void)state;
    assert_int_equal(weir_arena_map(a, space, WEIR_PROT_RW, &e), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(weir_arena_unmap(a, space, &e), 0);
    assert_int_equal(weir_arena_map(a, space, WEIR_PROT_RW, &e), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    /* It is no longer told what is mapped, rather than told wrong. */
    assert_int_equal(weir_space_view_next(getpid(), &fd, &v, &e), 0);
}

/* Whatever is in such a file, a reader refuses it or has a view that makes sense. */
static void test_view_of_anything(void **state)
{
    struct weir_arena *a = arena(4 * MIB, 8 * MIB, 2 * MIB);
    uint8_t good[sizeof(struct weir_publish_header) + 2 * sizeof(struct weir_publish_slot)];
    struct weir_publish_header *h = (void *)good;
    int fd = __real_memfd_create("anything", 0), own;
    unsigned refused = 0, taken = 0;
    struct weir_space_view *v;

    (void)state;
    assert_int_equal(weir_arena_map(a, space, WEIR_PROT_RW, &e), 0);
    assert_int_equal(weir_arena_grow(a, 2 * MIB, &e), 0);
    weir_space_view_free(look(&own));
    assert_int_equal(pread(own, good, sizeof(good), 0), sizeof(good));

    /* While it changes. */
    h->seq |= 1;
    assert_int_equal(pwrite(fd, good, sizeof(good), 0), sizeof(good));
    assert_null(weir_space_view_fd(fd, &e));
    fake_failed(&e, -EAGAIN, "space-view-busy");
    h->seq++;
    for (unsigned k = 0; k < 10; k++) {
        uint8_t bad[sizeof(good)];
        struct weir_publish_header *bh = (void *)bad;
        struct weir_publish_slot *slot = (void *)(bad + sizeof(*bh));

        memcpy(bad, good, sizeof(bad));
        switch (k) {
        case 0:
            bh->n_ranges = WEIR_PUBLISH_RANGES + 1;
            break;
        case 1:
            bh->n_slots = 3;
            break;
        case 2:
            bh->n_slots = UINT32_MAX;
            break;
        case 3:
            bh->page_sizes = 0;
            break;
        case 4:
            bh->ranges[0] = (struct weir_iova_range){2, 1};
            break;
        case 5:
            slot->iova = UINT64_MAX - slot->len + 2;
            break;
        case 6:
            slot->va = UINT64_MAX;
            break;
        case 7:
            slot->prot = 0;
            break;
        case 8:
            slot->prot = 4;
            break;
        default:
            slot->page = 3;
        }
        assert_int_equal(pwrite(fd, bad, sizeof(bad), 0), sizeof(bad));
        assert_null(weir_space_view_fd(fd, &e));
        fake_failed(&e, -EINVAL, "space-view");
    }
    srand(7);
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t bad[sizeof(good)];
        size_t len = rand() % 4 ? sizeof(bad) : (size_t)rand() % sizeof(bad);

        memcpy(bad, good, sizeof(bad));
        for (int k = rand() % 4; k >= 0; k--) {
            size_t at = (size_t)rand() % (rand() % 2 ? 96 : sizeof(bad));

            bad[at] = (uint8_t)(rand() % 3 ? rand() : rand() % 2 ? 0xff : 0);
        }
        bad[offsetof(struct weir_publish_header, seq)] &= 0xfe; /* it does not wait for each */
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, bad, len, 0), (ssize_t)len);
        v = weir_space_view_fd(fd, &e);
        if (!v) {
            assert_true(e.err == -EINVAL || e.err == -EAGAIN);
            refused++;
            continue;
        }
        taken++;
        assert_in_range(v->n_mappings, 0, 2);
        assert_in_range(v->n_ranges, 0, 64);
        assert_true(v->page_sizes != 0);
        for (unsigned k = 0; k < v->n_mappings; k++) {
            const struct weir_space_mapping *m = &v->mappings[k];

            assert_true(m->len > 0 && m->iova.addr + (m->len - 1) >= m->iova.addr);
            assert_in_range(m->prot, 1, 3);
            assert_in_range(strlen(m->name), 0, 63);
        }
        weir_space_view_free(v);
    }
    assert_true(refused > 1000 && taken > 1000);
    close(fd);
    /* What is no file at all. */
    assert_null(weir_space_view_fd(-1, &e));
    fake_failed(&e, -EINVAL, "space-view");
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_16_gib_in_2m),         TEST(test_16_gib_in_1g),
        TEST(test_contiguous_hugepages), TEST(test_other_page_sizes),
        TEST(test_less_aligned),         TEST(test_mixed),
        TEST(test_mixed_is_undone),      TEST(test_gather),
        TEST(test_gather_refused),       TEST(test_view),
        TEST(test_unpublished),          TEST(test_file_size_limit),
        TEST(test_view_of_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
