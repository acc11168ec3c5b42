/* SPDX-License-Identifier: BSD-3-Clause */
/* Spaces in an iommufd, and devices through their own files. */
#include "fake_vfio.h"

#include <linux/vfio.h>

#define A     "0000:01:00.0"
#define B     "0000:02:00.0"
#define A2    "0000:01:00.1"
#define N     (4 * MIB)
#define TOKEN "00112233-4455-6677-8899-aabbccddeeff"

static struct weir *w;
static struct weir_error e;
static uint8_t *memory;
static struct fake_function *a, *b;

static int setup(void **state)
{
    int r = fake_setup(state);

    a = fake_add(A, 1);
    b = fake_add(B, 2);
    fake_cdevs();
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

static struct weir_space *iommufd(void)
{
    return fake_new_space(w, WEIR_VFIO_IOMMUFD);
}

static void fails(int err, const char *code)
{
    struct weir_space_options opt = {.size = sizeof(opt), .api = WEIR_VFIO_IOMMUFD};

    memset(&e, 0, sizeof(e));
    assert_null(weir_space_new(w, &opt, &e));
    fake_failed(&e, err, code);
    assert_int_equal(fake_open_files(), 0);
}

static void test_new(void **state)
{
    struct weir_space *s = iommufd();

    (void)state;
    assert_string_equal(fake_info(s).kind, "iommufd");
    assert_int_equal(fake_info(s).max_maps, UINT64_MAX);
    fake_ranges_are(s, fake_everything, 1);
    weir_space_free(s);
    assert_int_equal(fake_open_files(), 0);
    /* Both files are there, so it is what a program gets that does not say. */
    s = fake_new_space(w, WEIR_VFIO_AUTO);
    assert_string_equal(fake_info(s).kind, "iommufd");
    weir_space_free(s);
    /* This user may not: a container, whose file is for all. */
    fake_refuse("/dev/iommu", EACCES);
    s = fake_new_space(w, WEIR_VFIO_AUTO);
    assert_string_equal(fake_info(s).kind, "type1");
    weir_space_free(s);
    /* A kernel with iommufd that makes no files for devices (before Linux 6.6). */
    fake_refuse("/dev/vfio/devices", ENOENT);
    s = fake_new_space(w, WEIR_VFIO_AUTO);
    assert_string_equal(fake_info(s).kind, "type1");
    weir_space_free(s);
    /* One without containers, and then without that: it is said what is needed. */
    fake_refuse("/dev/vfio/vfio", ENOENT);
    s = fake_new_space(w, WEIR_VFIO_AUTO);
    assert_string_equal(fake_info(s).kind, "iommufd");
    weir_space_free(s);
    fake.iommufd = false;
    assert_null(weir_space_new(w, NULL, &e));
    fake_failed(&e, -ENOENT, "iommufd-absent");
}

static void test_new_refused(void **state)
{
    (void)state;
    fake_refuse("/dev/iommu", EACCES);
    fails(-EACCES, "vfio-permission");
    fake_contains(e.fix, "SUBSYSTEM==\"misc\", KERNEL==\"iommu\"");
    fake_refuse("/dev/iommu", ENODEV);
    fails(-ENOENT, "iommufd-absent");
    fake_contains(e.fix, "?iommu=type1");
    fake_refuse("", 0);
    fake.iommufd = false;
    fails(-ENOENT, "iommufd-absent");
    fake.iommufd = true;
    fake_fail(ABI_IOAS_ALLOC, ENOMEM, 0);
    fails(-ENOMEM, "iommufd-ioas");
}

/* ---- what the IOMMU says of itself ---- */

static void test_shape(void **state)
{
    struct weir_space *s = iommufd();
    struct weir_device *d = fake_open_device(w, A, s);

    (void)state;
    fake_ranges_are(s, fake_usual, 2);
    assert_int_equal(fake_info(s).page_sizes, 0x40201000);
    assert_int_equal(fake_info(s).max_maps, UINT64_MAX);
    assert_int_equal(a->bound, 0);
    assert_true(a->attached);
    weir_device_close(d);
    assert_int_equal(a->bound, -1);
    fake_ranges_are(s, fake_everything, 1);
    /* An IOAS without a device takes pages of every size. */
    assert_int_equal(fake_info(s).page_sizes, 0xfffffffffffff000);
}

/* Page sizes are known through the compatibility IOAS; without it they are the CPU's. */
static void test_page_sizes(void **state)
{
    struct weir_space *s;

    (void)state;
    fake_fail(ABI_VFIO_IOAS, EOPNOTSUPP, 0); /* the kernel has no such part */
    s = iommufd();
    fake_open_device(w, A, s);
    assert_int_equal(fake_info(s).page_sizes, FAKE_PAGE);
    fake_fail(0, 0, 0);
    s = iommufd();
    fake_group(2)->page_sizes = 0x200;
    fake_open_device(w, B, s);
    assert_int_equal(fake_info(s).page_sizes, FAKE_PAGE);
}

static unsigned range_calls;
static uint32_t more; /* ranges each time than there are */
static int range_error;

static int tamper_ranges(unsigned long request, void *arg, int result)
{
    struct abi_ioas_iova_ranges *q = arg;

    if (request != ABI_IOAS_IOVA_RANGES)
        return result;
    q->n += more * ++range_calls;
    return -range_error;
}

/* The first question has room for 16. */
static void test_many_ranges(void **state)
{
    struct weir_space *s = iommufd();

    (void)state;
    fake_group(1)->cuts_from = GIB * 8;
    fake_group(1)->n_cuts = 60;
    fake_open_device(w, A, s);
    assert_int_equal(fake_info(s).n_ranges, 62);
    assert_int_equal(fake_info(s).ranges[61].last, 0xffffffffffff);
}

static int turn_ranges(unsigned long request, void *arg, int result)
{
    struct abi_ioas_iova_ranges *q = arg;
    struct abi_iova_range *r;

    if (request != ABI_IOAS_IOVA_RANGES || result)
        return result;
    r = (struct abi_iova_range *)(uintptr_t)q->ranges;
    r[q->n - 1] = (struct abi_iova_range){0xffff0000, 0xfff00000};
    return result;
}

static void test_ranges_lie(void **state)
{
    struct weir_space *s = iommufd();

    (void)state;
    fake.tamper = tamper_ranges;
    /* More and more of them, and success or not: it ends. */
    more = 1000;
    range_error = EMSGSIZE;
    range_calls = 0;
    fake_open_fails(w, A, s, -EMSGSIZE, "iommufd-ranges", &e);
    assert_in_range(range_calls, 2, 6);
    range_error = 0;
    range_calls = 0;
    fake_open_fails(w, A, s, -EMSGSIZE, "iommufd-ranges", &e);
    range_calls = 0;
    more = UINT32_MAX - 2;
    fake_open_fails(w, A, s, -EMSGSIZE, "iommufd-ranges", &e);
    /* Too small, with fewer than there was room for: nonsense. */
    more = 0;
    range_error = EMSGSIZE;
    fake_open_fails(w, A, s, -EMSGSIZE, "iommufd-ranges", &e);
    range_error = EFAULT;
    fake_open_fails(w, A, s, -EFAULT, "iommufd-ranges", &e);
    range_error = 0;
    range_calls = 0;
    more = (uint32_t)-2; /* none at all */
    fake_open_fails(w, A, s, -EINVAL, "space-empty", &e);
    /* One that ends before it begins is none. */
    fake.tamper = turn_ranges;
    fake_open_device(w, A, s);
    fake_ranges_are(s, fake_usual, 1);
}

/* ---- mapping ---- */

static void test_map(void **state)
{
    struct weir_space *s = iommufd();
    struct weir_mem mem = {.va = memory, .len = N, .fd = -1, .name = "frames"};
    struct fake_space *f = &fake.iommufds[0];
    struct weir_device *d;

    (void)state;
    /* An IOAS takes mappings without a device. */
    assert_int_equal(weir_space_map(s, &mem, weir_iova(0), WEIR_PROT_READ, &e), 0);
    assert_int_equal(weir_space_map(s, &mem, weir_iova(N), WEIR_PROT_WRITE, &e), 0);
    d = fake_open_device(w, A, s);
    assert_int_equal(weir_space_map(s, &mem, weir_iova(2 * N), WEIR_PROT_RW, &e), 0);
    assert_int_equal(fake.maps, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(f->maps[i].iova, i * N);
        assert_int_equal(f->maps[i].size, N);
        assert_int_equal(f->maps[i].va, (uintptr_t)memory);
        assert_int_equal(f->maps[i].prot, i + 1);
    }
    assert_int_equal(weir_space_unmap(s, weir_iova(0), N, &e), 0);
    assert_int_equal(f->n_maps, 2);
    weir_device_close(d);
    /* It keeps them, and a device that comes back finds them. */
    assert_int_equal(f->n_maps, 2);
    fake_open_device(w, A, s);
    assert_int_equal(fake.maps, 3);
}

static void test_map_refused(void **state)
{
    static const struct {
        int err, result;
        const char *code;
    } cases[] = {
        {EEXIST, -EEXIST, "map-overlap"},   {EINVAL, -EINVAL, "map-range"},
        {EADDRINUSE, -EINVAL, "map-range"}, {EFAULT, -EFAULT, "map-memory"},
        {EPERM, -EPERM, "map-refused"},     {ENOMEM, -ENOMEM, "map-no-memory"},
    };
    struct weir_space *s = iommufd();

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_fail(ABI_IOAS_MAP, cases[i].err, 0);
        assert_int_equal(fake_map(s, memory, N, 0, "frames", &e), cases[i].result);
        fake_failed(&e, cases[i].result, cases[i].code);
        fake_contains(e.what, "in a iommufd space");
        assert_int_equal(fake_info(s).maps, 0);
    }
}

/* An IOAS counts what the user has pinned. */
static void test_memlock(void **state)
{
    struct weir_space *s = iommufd();

    (void)state;
    fake_file("/proc/self/status", "Name:\ttest\nVmPin:\t      40 kB\nVmLck:\t     500 kB\n");
    fake.euid = 1000;
    fake.memlock = 64 * KIB;
    fake.locked = 40 * KIB;
    assert_int_equal(fake_map(s, memory, 28 * KIB, 0, "frames", &e), -ENOMEM);
    fake_failed(&e, -ENOMEM, "map-memlock");
    fake_contains(e.why,
                  "is 65536 bytes; 40960 are locked by this process (the user's others count "
                  "too), so 69632 are needed");
}

static int tamper_unmap(unsigned long request, void *arg, int result)
{
    struct abi_ioas_unmap *m = arg;

    if (request == ABI_IOAS_UNMAP && result == 0)
        m->len -= FAKE_PAGE;
    return result;
}

static void test_unmap_refused(void **state)
{
    struct weir_space *s = iommufd();

    (void)state;
    assert_int_equal(fake_map(s, memory, N, 0, "frames", &e), 0);
    fake.tamper = tamper_unmap;
    assert_int_equal(weir_space_unmap(s, weir_iova(0), N, &e), -EIO);
    fake_failed(&e, -EIO, "unmap-size");
    fake.tamper = NULL;
    /* The kernel says ENOENT of what somebody else took away. */
    assert_int_equal(fake_map(s, memory, N, 0, "frames", &e), 0);
    fake.iommufds[0].n_maps = 0;
    assert_int_equal(weir_space_unmap(s, weir_iova(0), N, &e), -ENOENT);
    fake_failed(&e, -ENOENT, "unmap-refused");
    assert_int_equal(fake_info(s).maps, 0);
}

/* ---- devices ---- */

/* The kernel says EADDRINUSE, before anything of the IOAS has changed. */
static void test_narrowed(void **state)
{
    struct weir_space *s = iommufd();

    (void)state;
    fake_open_device(w, A, s);
    assert_int_equal(fake_map(s, memory, MIB, 0x1000, "small", &e), 0);
    assert_int_equal(fake_map(s, memory, N, 0x80000000, "frames", &e), 0);
    fake_reserve(fake_group(2), 0x80100000, 0x801fffff, "reserved");
    fake_open_fails(w, B, s, -EADDRINUSE, "space-narrowed", &e);
    fake_contains(e.what, "add device " B " to a iommufd space");
    fake_contains(e.why, "frames is mapped at [0x80000000, 0x803fffff]");
    fake_contains(e.why, "keeps [0x80100000, 0x801fffff] (reserved)");
    assert_int_equal(b->bound, -1);
    fake_ranges_are(s, fake_usual, 2);
    /* Or its aperture ends below. */
    fake_group(2)->n_reserved = 1;
    fake_file("/sys/kernel/iommu_groups/2/reserved_regions", "%s", "");
    fake_group(2)->last = 0x7fffffff;
    fake_open_fails(w, B, s, -EADDRINUSE, "space-narrowed", &e);
    fake_contains(e.why, "frames is mapped up to 0x803fffff");
    /* And before anything was attached at all. */
    s = iommufd();
    assert_int_equal(fake_map(s, memory, N, 0xfee00000, "frames", &e), 0);
    fake_open_fails(w, B, s, -EADDRINUSE, "space-narrowed", &e);
    fake_contains(e.why, "frames");
}

static void test_attach_refused(void **state)
{
    struct weir_space *s = iommufd();

    (void)state;
    fake_fail(ABI_DEVICE_ATTACH_PT, EINVAL, 0); /* Intel's scalable mode on Linux 6.12 */
    fake_open_fails(w, A, s, -EINVAL, "device-attach", &e);
    fake_contains(e.why, "VFIO_DEVICE_ATTACH_IOMMUFD_PT: Invalid argument");
    fake_fail(ABI_DEVICE_ATTACH_PT, EBUSY, 0);
    fake_open_fails(w, A, s, -EBUSY, "device-busy", &e);
    fake_fail(ABI_DEVICE_ATTACH_PT, EPERM, 0);
    fake_open_fails(w, A, s, -EPERM, "device-interrupts", &e);
    fake_contains(e.fix, "/sys/module/iommufd/parameters/allow_unsafe_interrupts");
    fake_reserve(fake_group(1), 0x7b000000, 0x7fffffff, "direct");
    fake_open_fails(w, A, s, -EPERM, "device-rmrr", &e);
    /* What BIND says of it (drivers/iommu/iommu.c, __iommu_device_set_domain()). */
    fake_fail(ABI_DEVICE_BIND_IOMMUFD, EINVAL, 0);
    fake_open_fails(w, A, s, -EINVAL, "device-rmrr", &e);
    fake_fail(ABI_DEVICE_BIND_IOMMUFD, EBUSY, 0);
    fake_open_fails(w, A, s, -EBUSY, "device-busy", &e);
    fake_fail(0, 0, 0);
    assert_int_equal(a->bound, -1);
}

/* EPERM at BIND: somebody of the group is the host's. */
static void test_not_viable(void **state)
{
    struct fake_function *others[3] = {fake_add(A2, 1), fake_add("0000:01:00.2", 1),
                                       fake_add("0000:01:00.3", 1)};
    struct weir *other = fake_weir();
    struct weir_device *d;
    char path[48];

    (void)state;
    fake_bind(others[0], "ixgbe");
    fake_bind(others[1], "pci-stub");
    fake_bind(others[2], "snd_hda_intel");
    fake_open_fails(w, A, NULL, -EPERM, "group-not-viable", &e);
    fake_contains(e.why, "group 1 is not viable");
    fake_contains(e.why, A2 " (ixgbe), 0000:01:00.3 (snd_hda_intel)");
    assert_null(strstr(e.why, "0000:01:00.2"));
    fake_contains(e.fix, "echo " A2 " > /sys/bus/pci/devices/" A2 "/driver/unbind");
    /* Nobody is: interrupts then, or another process. */
    fake_bind(others[0], "vfio-pci");
    fake_bind(others[2], NULL);
    fake_group(1)->unsafe = true;
    fake_open_fails(w, A, NULL, -EPERM, "group-not-viable", &e);
    fake_contains(e.why, "interrupts");
    fake_group(1)->unsafe = false;
    d = fake_open_device(w, A2 "?iommu=iommufd", NULL);
    snprintf(path, sizeof(path), "/dev/vfio/devices/%s", others[0]->cdev);
    fake_open_fails(other, A, NULL, -EPERM, "group-not-viable", &e);
    fake_contains(e.why, "another process has a part of it");
    fake_file("/proc/77/comm", "testpmd\n");
    fake_symlink("/proc/77/fd/5", path);
    fake_open_fails(other, A, NULL, -EBUSY, "device-busy", &e);
    fake_contains(e.why, path);
    fake_contains(e.why, "of the same IOMMU group 1, is open already, in process 77 (testpmd)");
    weir_device_close(d);
    weir_device_close(fake_open_device(other, A, NULL));
    weir_free(other);
}

static char holder_link[64];

/* While a device is bound: every open descriptor of its file, as /proc has it. */
static int show_files(unsigned long request, void *arg, int result)
{
    (void)arg;
    if (request != ABI_DEVICE_BIND_IOMMUFD)
        return result;
    snprintf(holder_link, sizeof(holder_link), "/proc/%d", (int)getpid());
    fake_remove(holder_link);
    for (int fd = 3; fd < 64; fd++) {
        struct fake_file *f = fake_file_of(fd);

        if (!f || f->kind != FAKE_DEVICE)
            continue;
        snprintf(holder_link, sizeof(holder_link), "/proc/%d/fd/%d", (int)getpid(), fd);
        fake_symlink(holder_link, "/dev/vfio/devices/vfio0");
    }
    return result;
}

static void test_busy(void **state)
{
    struct weir *other = fake_weir();
    struct weir_device *d;

    (void)state;
    fake.tamper = show_files;
    d = fake_open_device(other, A, NULL);
    /* Open already, here: EINVAL. */
    fake_open_fails(w, A, NULL, -EBUSY, "device-busy", &e);
    fake_contains(e.why, "/dev/vfio/devices/vfio0 is open already, in this process");
    weir_device_close(d);
    /* Elsewhere: our own descriptor, which waits to be bound, is not what is meant. */
    fake_file("/proc/8/comm", "spdk\n");
    fake_symlink("/proc/8/fd/9", "/dev/vfio/devices/vfio0");
    a->bound = 3;
    fake_open_fails(w, A, NULL, -EBUSY, "device-busy", &e);
    fake_contains(e.why, "/dev/vfio/devices/vfio0 is open already, in process 8 (spdk)");
    a->bound = -1;
    /* Through its group: EBUSY. */
    fake_group(1)->elsewhere = true;
    fake_symlink("/proc/8/fd/9", "/dev/vfio/1");
    fake_open_fails(w, A, NULL, -EBUSY, "device-busy", &e);
    fake_contains(e.why, "/dev/vfio/1 is open already, in process 8 (spdk)");
    fake_group(1)->elsewhere = false;
    /* Another of its group is bound to another process's iommufd. */
    fake_add(A2, 1)->bound = 3;
    fake_open_fails(w, A, NULL, -EPERM, "group-not-viable", &e);
    fake.functions[2].bound = -1;
    fake.tamper = NULL;
    weir_free(other);
}

static void test_file_refused(void **state)
{
    struct weir_space *s = iommufd();

    (void)state;
    fake_refuse("/dev/vfio/devices/vfio0", EACCES);
    fake_open_fails(w, A, s, -EACCES, "vfio-permission", &e);
    fake_contains(e.why, "/dev/vfio/devices/vfio0");
    fake_contains(e.fix, "SUBSYSTEM==\"vfio-dev\"");
    fake_refuse("/dev/vfio/devices/vfio0", ENOENT);
    fake_open_fails(w, A, s, -ENOENT, "vfio-absent", &e);
    fake_refuse("", 0);
    fake_fail(ABI_DEVICE_BIND_IOMMUFD, ENOMEM, 0);
    fake_open_fails(w, A, s, -ENOMEM, "device-attach", &e);
    fake_contains(e.why, "VFIO_DEVICE_BIND_IOMMUFD");
    fake_fail(0, 0, 0);
    fake.cdevs = false;
    fake_bind(a, "vfio-pci");
    fake_open_fails(w, A "?iommu=iommufd", NULL, -ENOENT, "vfio-no-cdev", &e);
    fake_contains(e.fix, "CONFIG_VFIO_DEVICE_CDEV");
}

/* A token goes with BIND since Linux 6.17; before, the kernel knows no such flag. */
static void test_token(void **state)
{
    (void)state;
    a->token = TOKEN;
    fake_open_fails(w, A "?iommu=iommufd&vf-token=" TOKEN, NULL, -EINVAL, "vfio-token", &e);
    fake_contains(e.why, "before Linux 6.17");
    fake_contains(e.fix, "iommu=type1");
    fake.bind_token = true;
    weir_device_close(fake_open_device(w, A "?iommu=iommufd&vf-token=" TOKEN, NULL));
    fake_open_fails(w, A "?iommu=iommufd&vf-token=ffffffff-4455-6677-8899-aabbccddeeff", NULL,
                    -EACCES, "vfio-token", &e);
    fake_contains(e.why, "this is not it");
    fake_open_fails(w, A "?iommu=iommufd", NULL, -EACCES, "vfio-token", &e);
    fake_contains(e.why, "none was given");
}

/* Two devices of one group, and one of another, in one IOAS. */
static void test_devices(void **state)
{
    struct fake_function *a2 = fake_add(A2, 1);
    struct weir_space *s = iommufd();
    struct weir_device *d[3];
    struct weir_device_info i;

    (void)state;
    assert_int_equal(fake_map(s, memory, N, 0, "frames", &e), 0);
    d[0] = fake_open_device(w, A, s);
    d[1] = fake_open_device(w, A2, NULL);
    weir_device_info(d[1], &i);
    assert_ptr_equal(i.space, s);
    d[2] = fake_open_device(w, B, s);
    assert_int_equal(fake_info(s).devices, 3);
    assert_int_equal(fake.maps, 1);
    assert_int_equal(a2->bound, 0);
    weir_device_close(d[0]);
    assert_true(a2->attached && b->attached && !a->attached);
    weir_device_close(d[1]);
    weir_device_close(d[2]);
    assert_int_equal(fake_info(s).devices, 0);
    assert_int_equal(fake.iommufds[0].n_maps, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_new),           CASE(test_new_refused), CASE(test_shape),
        CASE(test_page_sizes),    CASE(test_many_ranges), CASE(test_ranges_lie),
        CASE(test_map),           CASE(test_map_refused), CASE(test_memlock),
        CASE(test_unmap_refused), CASE(test_narrowed),    CASE(test_attach_refused),
        CASE(test_not_viable),    CASE(test_busy),        CASE(test_file_refused),
        CASE(test_token),         CASE(test_devices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
