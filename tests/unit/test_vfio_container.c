/* SPDX-License-Identifier: BSD-3-Clause */
/* Spaces in VFIO containers: type 1, what it says of itself, what it refuses. */
#include "fake_vfio.h"

#include <linux/vfio.h>

#define A "0000:01:00.0"
#define B "0000:02:00.0"
#define N (4 * MIB)

static struct weir *w;
static struct weir_error e;
static uint8_t *memory;

static int setup(void **state)
{
    int r = fake_setup(state);

    fake_add(A, 1);
    fake_add(B, 2);
    w = fake_weir();
    memory = fake_memory(N);
    return r;
}

static int teardown(void **state)
{
    weir_free(w);
    fake_memory_free(memory, N);
    return fake_teardown(state);
}

static struct weir_space *type1(void)
{
    return fake_new_space(w, WEIR_VFIO_CONTAINER);
}

static void fails(enum weir_vfio_api api, int err, const char *code)
{
    struct weir_space_options opt = {.size = sizeof(opt), .api = api};

    memset(&e, 0, sizeof(e));
    assert_null(weir_space_new(w, &opt, &e));
    fake_failed(&e, err, code);
    assert_int_equal(fake_open_files(), 0);
}

/* ---- making one ---- */

static void test_new(void **state)
{
    struct weir_space_info info;
    struct weir_space *s;

    (void)state;
    s = type1();
    weir_space_info(s, &info);
    /* Until a device says more. */
    assert_string_equal(info.kind, "type1");
    assert_int_equal(info.page_sizes, FAKE_PAGE);
    assert_int_equal(info.n_ranges, 1);
    assert_true(info.ranges[0].first == 0 && info.ranges[0].last == UINT64_MAX);
    assert_int_equal(info.max_maps, UINT64_MAX);
    weir_space_free(s);
    assert_int_equal(fake_open_files(), 0);
    /* There is no iommufd, so this is what the kernel has. */
    s = fake_new_space(w, WEIR_VFIO_AUTO);
    weir_space_info(s, &info);
    assert_string_equal(info.kind, "type1");
}

static void test_new_refused(void **state)
{
    struct weir_space_options opt = {.size = 3};

    (void)state;
    assert_null(weir_space_new(w, &opt, &e));
    fake_failed(&e, -EINVAL, "options-size");
    fails((enum weir_vfio_api)9, -EINVAL, "space-api");
    fake_refuse("/dev/vfio/vfio", ENOENT);
    fails(WEIR_VFIO_CONTAINER, -ENOENT, "vfio-absent");
    fake_contains(e.fix, "modprobe vfio-pci");
    /* The file is there by devtmpfs, the module is not. */
    fake_refuse("/dev/vfio/vfio", ENODEV);
    fails(WEIR_VFIO_CONTAINER, -ENOENT, "vfio-absent");
    fake_refuse("/dev/vfio/vfio", EACCES);
    fails(WEIR_VFIO_CONTAINER, -EACCES, "vfio-permission");
    fake_contains(e.why, "/dev/vfio/vfio");
    fake_refuse("/dev/vfio/vfio", EMFILE);
    fails(WEIR_VFIO_CONTAINER, -EMFILE, "vfio-open");
    fake_refuse("", 0);
    fake.api_version = 1;
    fails(WEIR_VFIO_CONTAINER, -ENOTSUP, "vfio-version");
    fake_contains(e.why, "version 1");
    fake.api_version = 0;
    fake.type1 = fake.type1v2 = false;
    fails(WEIR_VFIO_CONTAINER, -ENOTSUP, "vfio-no-type1");
    fake_contains(e.fix, "modprobe vfio_iommu_type1");
    fails(WEIR_VFIO_NOIOMMU, -ENOTSUP, "vfio-no-noiommu");
    fake_contains(e.fix, "enable_unsafe_noiommu_mode");
}

/* Version 2 if there is one, version 1 else; either does. */
static void test_versions(void **state)
{
    struct weir_space *s;
    struct weir_device *d;

    (void)state;
    for (int v2 = 1; v2 >= 0; v2--) {
        fake.type1v2 = v2;
        s = type1();
        d = fake_open_device(w, A, s);
        assert_int_equal(fake.containers[0].type, v2 ? VFIO_TYPE1v2_IOMMU : VFIO_TYPE1_IOMMU);
        assert_int_equal(fake_map(s, memory, N, 0, "frames", &e), 0);
        assert_int_equal(weir_space_unmap(s, weir_iova(0), N, &e), 0);
        assert_int_equal(fake.containers[0].n_maps, 0);
        weir_device_close(d);
        weir_space_free(s);
    }
}

/* ---- mapping ---- */

static void test_map(void **state)
{
    struct weir_space *s = type1();
    struct weir_mem mem = {.va = memory, .len = N, .fd = -1, .name = "frames"};
    struct fake_space *c = &fake.containers[0];

    (void)state;
    fake_open_device(w, A, s);
    assert_int_equal(weir_space_map(s, &mem, weir_iova(0), WEIR_PROT_READ, &e), 0);
    assert_int_equal(weir_space_map(s, &mem, weir_iova(N), WEIR_PROT_WRITE, &e), 0);
    assert_int_equal(weir_space_map(s, &mem, weir_iova(2 * N), WEIR_PROT_RW, &e), 0);
    assert_int_equal(fake.maps, 3);
    assert_int_equal(c->n_maps, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(c->maps[i].iova, i * N);
        assert_int_equal(c->maps[i].size, N);
        assert_int_equal(c->maps[i].va, (uintptr_t)memory);
        assert_int_equal(c->maps[i].prot, i + 1);
    }
    assert_int_equal(weir_space_unmap(s, weir_iova(N), N, &e), 0);
    assert_int_equal(c->n_maps, 2);
    assert_int_equal(fake_info(s).maps, 2);
    assert_int_equal(fake_info(s).bytes, 2 * N);
}

/* What the book knows better than the kernel never gets there. */
static void test_unmap_parts(void **state)
{
    struct weir_space *s = type1();

    (void)state;
    fake_open_device(w, A, s);
    assert_int_equal(fake_map(s, memory, N, 0, "frames", &e), 0);
    assert_int_equal(weir_space_unmap(s, weir_iova(MIB), MIB, &e), -EINVAL);
    fake_failed(&e, -EINVAL, "unmap-partial");
    fake_contains(e.why, "frames");
    assert_int_equal(weir_space_unmap(s, weir_iova(N), MIB, &e), -ENOENT);
    fake_failed(&e, -ENOENT, "unmap-nothing");
    assert_int_equal(fake.unmaps, 0);
}

static void test_map_refused(void **state)
{
    static const struct {
        int err, result;
        const char *code;
    } cases[] = {
        {EEXIST, -EEXIST, "map-overlap"}, {ENOSPC, -ENOSPC, "map-limit"},
        {EINVAL, -EINVAL, "map-range"},   {EFAULT, -EFAULT, "map-memory"},
        {EPERM, -EPERM, "map-refused"},   {ENOMEM, -ENOMEM, "map-no-memory"},
        {EBUSY, -EBUSY, "map-refused"},
    };
    struct weir_space *s = type1();

    (void)state;
    fake_open_device(w, A, s);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_fail(VFIO_IOMMU_MAP_DMA, cases[i].err, 0);
        assert_int_equal(fake_map(s, memory, N, 0, "frames", &e), cases[i].result);
        fake_failed(&e, cases[i].result, cases[i].code);
        fake_contains(e.what, "map frames, 4194304 bytes");
        fake_contains(e.what, "to IOVA 0 in a type1 space");
        assert_int_equal(fake_info(s).maps, 0);
    }
    fake_fail(0, 0, 0);
    /* Nothing there: the kernel's own EFAULT. */
    fake_memory_free(memory + MIB, MIB);
    assert_int_equal(fake_map(s, memory, N, 0, "a hole", &e), -EFAULT);
    fake_failed(&e, -EFAULT, "map-memory");
    assert_int_equal(fake_map(s, memory, MIB, 0, "", &e), 0);
    assert_int_equal(fake_info(s).maps, 1);
}

/* The limit on locked memory, and what would be needed, in bytes. */
static void test_memlock(void **state)
{
    struct weir_space *s = type1();

    (void)state;
    fake_file("/proc/self/status", "Name:\ttest\nVmPin:\t     500 kB\nVmLck:\t      40 kB\n");
    fake.euid = 1000;
    fake.memlock = 64 * KIB;
    fake.locked = 40 * KIB;
    fake_open_device(w, A, s);
    assert_int_equal(fake_map(s, memory, 24 * KIB, 0, "fits", &e), 0);
    assert_int_equal(weir_space_unmap(s, weir_iova(0), 24 * KIB, &e), 0);
    assert_int_equal(fake_map(s, memory, 28 * KIB, 0, "frames", &e), -ENOMEM);
    fake_failed(&e, -ENOMEM, "map-memlock");
    fake_contains(e.why, "is 65536 bytes; 40960 are locked by this process, so 69632 are needed");
    fake_contains(e.fix, "ulimit -l 68 ");
    /* So it is for a root that lacks CAP_IPC_LOCK, bit 14, as in most containers of programs. */
    fake_file("/proc/self/status", "VmLck:\t      40 kB\nCapEff:\t00000000a80425fb\n");
    assert_int_equal(fake_map(s, memory, 28 * KIB, 0, "frames", &e), -ENOMEM);
    fake_failed(&e, -ENOMEM, "map-memlock");
    /* What fits, who has the capability and who has no limit: it is another shortage. */
    fake_fail(VFIO_IOMMU_MAP_DMA, ENOMEM, 0);
    assert_int_equal(fake_map(s, memory, 24 * KIB, 0, "frames", &e), -ENOMEM);
    fake_failed(&e, -ENOMEM, "map-no-memory");
    fake_file("/proc/self/status", "VmLck:\t      40 kB\nCapEff:\t000001ffffffffff\n");
    assert_int_equal(fake_map(s, memory, 28 * KIB, 0, "frames", &e), -ENOMEM);
    fake_failed(&e, -ENOMEM, "map-no-memory");
    fake_file("/proc/self/status", "VmLck:\t      40 kB\nCapEff:\t0000000000000000\n");
    fake.memlock = UINT64_MAX;
    assert_int_equal(fake_map(s, memory, 28 * KIB, 0, "frames", &e), -ENOMEM);
    fake_failed(&e, -ENOMEM, "map-no-memory");
}

static int tamper_unmap(unsigned long request, void *arg, int result)
{
    struct vfio_iommu_type1_dma_unmap *m = arg;

    if (request == VFIO_IOMMU_UNMAP_DMA && result == 0)
        m->size -= FAKE_PAGE;
    return result;
}

static void test_unmap_refused(void **state)
{
    struct weir_space *s = type1();

    (void)state;
    fake_open_device(w, A, s);
    assert_int_equal(fake_map(s, memory, N, 0, "frames", &e), 0);
    fake.tamper = tamper_unmap;
    assert_int_equal(weir_space_unmap(s, weir_iova(0), N, &e), -EIO);
    fake_failed(&e, -EIO, "unmap-size");
    fake_contains(e.why, "4190208 bytes");
    fake.tamper = NULL;
    /* Somebody took it out of the container: nothing is left to unmap. */
    assert_int_equal(fake_map(s, memory, N, 0, "frames", &e), 0);
    fake.containers[0].n_maps = 0;
    assert_int_equal(weir_space_unmap(s, weir_iova(0), N, &e), -EIO);
    fake_failed(&e, -EIO, "unmap-size");
    fake_contains(e.why, "unmapped 0 bytes");
    assert_int_equal(fake_map(s, memory, N, 0, "frames", &e), 0);
    fake_fail(VFIO_IOMMU_UNMAP_DMA, EINVAL, 0);
    assert_int_equal(weir_space_unmap(s, weir_iova(0), N, &e), -EINVAL);
    fake_failed(&e, -EINVAL, "unmap-refused");
    assert_int_equal(fake_info(s).maps, 0);
}

/* A container that takes no mapping at all is not one without a limit; devices that need none
 * open. */
static void test_limit_of_none(void **state)
{
    struct weir_space *s = type1();

    (void)state;
    fake.entry_limit = 0;
    fake_open_device(w, A, s);
    assert_int_equal(fake_info(s).max_maps, 0);
    assert_int_equal(fake_map(s, memory, FAKE_PAGE, 0, "one", &e), -ENOSPC);
    fake_failed(&e, -ENOSPC, "map-limit");
    fake_contains(e.why, "it holds 0 mappings, and may hold no more");
    fake_contains(e.fix, "dma_entry_limit");
}

/* The kernel's count is known, and the book says no before it does. */
static void test_limit(void **state)
{
    struct weir_space *s = type1();

    (void)state;
    fake.entry_limit = 3;
    assert_int_equal(fake_map(s, memory, FAKE_PAGE, 0, "one", &e), 0);
    fake_open_device(w, A, s);
    assert_int_equal(fake_info(s).max_maps, 3);
    assert_int_equal(fake_map(s, memory, FAKE_PAGE, FAKE_PAGE, "two", &e), 0);
    /* The second device finds two mapped and room for one. */
    fake_open_device(w, B, s);
    assert_int_equal(fake_info(s).max_maps, 3);
    assert_int_equal(fake_map(s, memory, FAKE_PAGE, 2 * FAKE_PAGE, "three", &e), 0);
    assert_int_equal(fake_map(s, memory, FAKE_PAGE, 3 * FAKE_PAGE, "four", &e), -ENOSPC);
    fake_failed(&e, -ENOSPC, "map-limit");
    assert_int_equal(fake.maps, 3);
}

/* More was mapped before there was a device than the kernel takes. */
static void test_limit_before(void **state)
{
    struct weir_space *s = type1();

    (void)state;
    fake.entry_limit = 2;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(fake_map(s, memory, FAKE_PAGE, i * FAKE_PAGE, "m", &e), 0);
    fake_open_fails(w, A, s, -ENOSPC, "map-limit", &e);
    fake_contains(e.why, "3 mappings are to be made in it, the kernel allows 2");
    assert_int_equal(fake.maps, 0);
    assert_int_equal(weir_space_unmap(s, weir_iova(0), FAKE_PAGE, &e), 0);
    fake_open_device(w, A, s);
    assert_int_equal(fake.containers[0].n_maps, 2);
}

/* ---- devices that come and go ---- */

/* Mapped before: replayed with the first device, not with the second, and again after all left. */
static void test_replay(void **state)
{
    struct weir_space *s = type1();
    struct fake_space *c = &fake.containers[0];
    struct weir_device *a, *b;

    (void)state;
    assert_int_equal(fake_map(s, memory, MIB, 0, "one", &e), 0);
    assert_int_equal(fake_map(s, memory, MIB, 8 * MIB, "two", &e), 0);
    assert_int_equal(fake.maps, 0);
    a = fake_open_device(w, A, s);
    assert_int_equal(fake.maps, 2);
    assert_int_equal(c->n_maps, 2);
    b = fake_open_device(w, B, s);
    assert_int_equal(fake.maps, 2);
    assert_int_equal(fake.set_iommus, 1);
    assert_int_equal(fake_info(s).devices, 2);
    weir_device_close(a);
    assert_int_equal(c->n_maps, 2);
    assert_int_equal(fake_group(1)->container, -1);
    weir_device_close(b);
    /* The container has forgotten; the book has not. */
    assert_int_equal(c->n_maps, 0);
    assert_int_equal(fake_info(s).maps, 2);
    assert_int_equal(weir_space_unmap(s, weir_iova(0), MIB, &e), 0);
    assert_int_equal(fake.unmaps, 0);
    assert_int_equal(fake_map(s, memory, MIB, 16 * MIB, "three", &e), 0);
    fake_open_device(w, B, s);
    assert_int_equal(fake.set_iommus, 2);
    assert_int_equal(c->n_maps, 2);
    assert_int_equal(c->maps[0].iova, 8 * MIB);
    assert_int_equal(c->maps[1].iova, 16 * MIB);
}

/* One that cannot be replayed keeps the device out, and the space as it was. */
static void test_replay_refused(void **state)
{
    struct weir_space *s = type1();

    (void)state;
    assert_int_equal(fake_map(s, memory, MIB, 0, "one", &e), 0);
    assert_int_equal(fake_map(s, memory, MIB, 8 * MIB, "two", &e), 0);
    fake_fail(VFIO_IOMMU_MAP_DMA, EFAULT, 1);
    fake_open_fails(w, A, s, -EFAULT, "map-memory", &e);
    fake_contains(e.what, "two");
    fake_fail(0, 0, 0);
    assert_int_equal(fake_group(1)->container, -1);
    assert_int_equal(fake_group(1)->file, -1);
    fake_ranges_are(s, fake_everything, 1);
    fake_open_device(w, A, s);
    assert_int_equal(fake.containers[0].n_maps, 2);
}

/* The MSI window lies where something was mapped before any device was there to know. */
static void test_narrowed_by_the_first(void **state)
{
    struct weir_space *s = type1();

    (void)state;
    assert_int_equal(fake_map(s, memory, N, 0xfee00000, "frames", &e), 0);
    fake_open_fails(w, A, s, -EADDRINUSE, "space-narrowed", &e);
    fake_contains(e.why, "frames is mapped at [0xfee00000, 0xff1fffff]");
    assert_int_equal(fake.maps, 0);
    assert_int_equal(weir_space_unmap(s, weir_iova(0xfee00000), N, &e), 0);
    fake_open_device(w, A, s);
}

/* The kernel says EINVAL to a group whose reserved region is in use; sysfs says which it is. */
static void test_narrowed_by_the_second(void **state)
{
    struct weir_space *s = type1();

    (void)state;
    fake_open_device(w, A, s);
    assert_int_equal(fake_map(s, memory, N, 0x80000000, "frames", &e), 0);
    fake_reserve(fake_group(2), 0x80100000, 0x801fffff, "reserved");
    fake_open_fails(w, B, s, -EADDRINUSE, "space-narrowed", &e);
    fake_contains(e.what, B);
    fake_contains(e.why, "frames is mapped at [0x80000000, 0x803fffff]");
    fake_contains(e.why, "keeps [0x80100000, 0x801fffff] (reserved)");
    fake_ranges_are(s, fake_usual, 2);
    assert_int_equal(fake.containers[0].n_maps, 1);
    /* Unmapped it comes in, and the region is out of use. */
    assert_int_equal(weir_space_unmap(s, weir_iova(0x80000000), N, &e), 0);
    fake_open_device(w, B, s);
    assert_int_equal(fake_info(s).n_ranges, 3);
    assert_int_equal(fake_map(s, memory, N, 0x80000000, "frames", &e), -EINVAL);
    fake_failed(&e, -EINVAL, "map-range");
}

/* Regions that go away by themselves, odd lines, and an aperture: EINVAL, and no name to give. */
static void test_narrowed_otherwise(void **state)
{
    struct weir_space *s = type1();

    (void)state;
    fake_open_device(w, A, s);
    assert_int_equal(fake_map(s, memory, N, 0x80000000, "frames", &e), 0);
    fake_group(2)->last = 0x7fffffff;
    fake_file("/sys/kernel/iommu_groups/2/reserved_regions",
              "nonsense\n0x80000000\n0x9 0x8 msi\n0x80000000 0xffffffff\n"
              "0x0000000080000000 0x00000000ffffffff direct-relaxable\n0x");
    fake_open_fails(w, B, s, -EINVAL, "device-attach", &e);
    fake_contains(e.why, "VFIO_GROUP_SET_CONTAINER");
}

/* What a device leaves may be used again by those that stay. */
static void test_widened(void **state)
{
    static const struct weir_iova_range narrow[] = {{0, 0x7fffffff}};
    struct weir_space *s = type1();
    struct weir_device *b;

    (void)state;
    fake_group(2)->last = 0x7fffffff;
    fake_group(2)->page_sizes = 0x201000;
    fake_open_device(w, A, s);
    b = fake_open_device(w, B, s);
    fake_ranges_are(s, narrow, 1);
    assert_int_equal(fake_info(s).page_sizes, 0x201000);
    weir_device_close(b);
    fake_ranges_are(s, fake_usual, 2);
    assert_int_equal(fake_info(s).page_sizes, 0x40201000);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_new),
        CASE(test_new_refused),
        CASE(test_versions),
        CASE(test_map),
        CASE(test_unmap_parts),
        CASE(test_map_refused),
        CASE(test_memlock),
        CASE(test_unmap_refused),
        CASE(test_limit_of_none),
        CASE(test_limit),
        CASE(test_limit_before),
        CASE(test_replay),
        CASE(test_replay_refused),
        CASE(test_narrowed_by_the_first),
        CASE(test_narrowed_by_the_second),
        CASE(test_narrowed_otherwise),
        CASE(test_widened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
