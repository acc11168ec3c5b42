/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What it takes to open and close a device, counted at the system calls: one MAP for each
 * contiguous piece, little time of our own, and nothing left behind after a hundred times. $VFIO is
 * an edu and an X540, through $API.
 */
#include "vm.h"

#include "lib/iommu/iommufd_abi.h"
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <weir/driver/driver.h>

#define HUGE   ((uint64_t)2 << 20)
#define ROUNDS 100

static unsigned ioctls, maps, unmaps;
static uint64_t mapped_bytes;
static double in_kernel;
static int mapped_in; /* descriptor of the last MAP */
static uint8_t last_map[64];

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
    double start;
    va_list ap;
    void *arg;
    int r;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (request == VFIO_IOMMU_MAP_DMA) {
        maps++;
        mapped_bytes += ((struct vfio_iommu_type1_dma_map *)arg)->size;
        mapped_in = fd;
        memcpy(last_map, arg, sizeof(struct vfio_iommu_type1_dma_map));
    } else if (request == ABI_IOAS_MAP) {
        maps++;
        mapped_bytes += ((struct abi_ioas_map *)arg)->len;
        mapped_in = fd;
        memcpy(last_map, arg, sizeof(struct abi_ioas_map));
    } else if (request == VFIO_IOMMU_UNMAP_DMA || request == ABI_IOAS_UNMAP) {
        unmaps++;
    }
    ioctls++;
    start = vm_seconds();
    r = __real_ioctl(fd, request, arg);
    in_kernel += vm_seconds() - start;
    return r;
}

static void count_anew(void)
{
    ioctls = maps = unmaps = 0;
    mapped_bytes = 0;
    in_kernel = 0;
}

/* 1 GiB: one piece, one MAP; and what attaching takes beside the kernel's own work. */
static void one_map_for_a_gigabyte(void **state)
{
    enum { TIMES = 5 };
    struct weir *w = vm_instance();
    struct weir_arena_options o = {
        .size = sizeof(o), .bytes = (uint64_t)1 << 30, .page = HUGE, .iova_bits = 39};
    struct weir_device_info info;
    struct weir_arena *arena;
    struct weir_device *d;
    struct weir_error e;
    double least = 1e9, start, own;

    (void)state;
    arena = weir_arena_new(w, &o, &e); /* what the device reaches must be there first */
    must_ptr(arena, &e);
    for (int i = 0; i < TIMES; i++) {
        count_anew();
        start = vm_seconds();
        d = weir_device_open(w, vm_device(0), NULL, &e);
        must_ptr(d, &e);
        weir_device_info(d, &info);
        must(weir_arena_map(arena, info.space, WEIR_PROT_RW, &e), &e);
        own = vm_seconds() - start - in_kernel;
        least = own < least ? own : least;
        assert_int_equal(maps, 1);
        assert_int_equal(mapped_bytes, (uint64_t)1 << 30);
        must(weir_arena_unmap(arena, info.space, &e), &e);
        assert_int_equal(unmaps, 1);
        weir_device_close(d);
    }
    /* The least: what else runs on the machine can only add. Reads and writes of registers are not
     * taken off, so this is an upper bound. */
    printf("# 1 GiB through %s: 1 MAP; %.1f ms beside the ioctls, the least of %d\n", getenv("API"),
           least * 1e3, TIMES);
    assert_true(least < 0.050);
    weir_free(w);
}

static void bare_unmap(bool iommufd)
{
    const struct abi_ioas_map *i = (const void *)last_map;
    const struct vfio_iommu_type1_dma_map *t = (const void *)last_map;
    struct abi_ioas_unmap u = {.size = sizeof(u), .ioas = i->ioas, .iova = i->iova, .len = i->len};
    struct vfio_iommu_type1_dma_unmap v = {.argsz = sizeof(v), .iova = t->iova, .size = t->size};

    assert_int_equal(iommufd ? __real_ioctl(mapped_in, ABI_IOAS_UNMAP, &u)
                             : __real_ioctl(mapped_in, VFIO_IOMMU_UNMAP_DMA, &v),
                     0);
}

/*
 * 1 GiB through the library is one ioctl and next to nothing: what the library adds is measured by
 * itself, beside the same ioctl called bare. Not the one whole beside the other: each takes
 * hundreds of milliseconds on a busy machine, which is never left alone for so long. What is added
 * is over in some microseconds, and the least of several is a time in which nothing else ran.
 */
static void costs_as_one_ioctl(void **state)
{
    enum { TIMES = 10 };
    struct weir *w = vm_instance();
    bool iommufd = strcmp(getenv("API"), "iommufd") == 0;
    struct weir_arena_options o = {
        .size = sizeof(o), .bytes = (uint64_t)1 << 30, .page = HUGE, .iova_bits = 39};
    struct weir_arena *arena = weir_arena_new(w, &o, NULL);
    struct weir_device *d = weir_device_open(w, vm_device(0), NULL, NULL);
    struct weir_device_info info;
    double ours = 1e9, added = 1e9, bare = 1e9, start, took;
    struct weir_error e;

    (void)state;
    weir_device_info(d, &info);
    for (int i = 0; i < TIMES; i++) {
        count_anew();
        start = vm_seconds();
        must(weir_arena_map(arena, info.space, WEIR_PROT_RW, &e), &e); /* fills last_map */
        took = vm_seconds() - start;
        ours = took < ours ? took : ours;
        took -= in_kernel;
        added = took < added ? took : added;
        assert_int_equal(maps, 1);
        assert_int_equal(ioctls, 1);
        must(weir_arena_unmap(arena, info.space, &e), &e);

        start = vm_seconds();
        assert_int_equal(
            __real_ioctl(mapped_in, iommufd ? ABI_IOAS_MAP : VFIO_IOMMU_MAP_DMA, last_map), 0);
        took = vm_seconds() - start;
        bare = took < bare ? took : bare;
        bare_unmap(iommufd);
    }
    printf(
        "# mapping 1 GiB through %s: %.3f ms, one bare ioctl %.3f ms, ratio %.3f; %.3f ms beside "
        "the ioctl (the least of %d)\n",
        getenv("API"), ours * 1e3, bare * 1e3, ours / bare, added * 1e3, TIMES);
    assert_true(added <= 0.1 * bare);
    weir_free(w);
}

/* Grown in pieces: one MAP for each. */
static void one_map_for_each_piece(void **state)
{
    struct weir *w = vm_instance();
    struct weir_arena_options o = {
        .size = sizeof(o), .bytes = 4 * HUGE, .max_bytes = 16 * HUGE, .page = HUGE};
    struct weir_arena *arena = weir_arena_new(w, &o, NULL);
    struct weir_device *d = weir_device_open(w, vm_device(0), NULL, NULL);
    struct weir_device_info info;
    struct weir_error e;

    (void)state;
    weir_device_info(d, &info);
    must(weir_arena_grow(arena, 2 * HUGE, &e), &e);
    count_anew();
    must(weir_arena_map(arena, info.space, WEIR_PROT_RW, &e), &e);
    assert_int_equal(maps, 2);
    must(weir_arena_grow(arena, HUGE, &e), &e);
    assert_int_equal(maps, 3);
    must(weir_arena_shrink(arena, &e), &e);
    assert_int_equal(unmaps, 1);
    must(weir_arena_unmap(arena, info.space, &e), &e);
    assert_int_equal(unmaps, maps);
    weir_free(w);
}

static unsigned lines(const char *path)
{
    FILE *f = fopen(path, "r");
    unsigned n = 0;
    int c;

    assert_non_null(f);
    while ((c = fgetc(f)) != EOF)
        n += c == '\n';
    fclose(f);
    return n;
}

static uint64_t status_kib(const char *key)
{
    char line[128];
    FILE *f = fopen("/proc/self/status", "r");
    uint64_t kib = 0;

    while (fgets(line, sizeof(line), f))
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtoull(line + strlen(key), NULL, 10);
    fclose(f);
    return kib;
}

static void once_copies(void)
{
    struct weir *w = vm_instance();
    struct weir_arena_options o = {.size = sizeof(o), .bytes = HUGE, .iova_bits = 28};
    struct weir_channel_options c = {.size = sizeof(c), .use_interrupt = true};
    struct weir_error e;

    c.arena = weir_arena_new(w, &o, &e);
    must_ptr(c.arena, &e);
    must_ptr(weir_channel_open(w, vm_device(0), &c, &e), &e);
    weir_free(w);
}

static void once_port(void)
{
    struct weir *w = vm_instance();
    struct weir_arena_options o = {.size = sizeof(o), .bytes = 4 * HUGE};
    struct weir_pktpool_options packets = {.size = sizeof(packets), .packets = 1024};
    struct weir_port_options p = {.size = sizeof(p), .rx_ring = 64, .tx_ring = 64};
    struct weir_arena *arena;
    struct weir_port *port;
    struct weir_error e;

    arena = weir_arena_new(w, &o, &e);
    must_ptr(arena, &e);
    p.pool = weir_pktpool_new(arena, &packets, &e);
    must_ptr(p.pool, &e);
    port = weir_port_open(w, vm_device(1), &p, &e);
    must_ptr(port, &e);
    must(weir_port_start(port, &e), &e);
    weir_free(w);
}

static void leaves_nothing(void (*once)(void), unsigned device)
{
    unsigned files, maps_of_process;
    char path[48];
    int fd;

    once(); /* what libraries keep for good */
    files = vm_open_files();
    maps_of_process = lines("/proc/self/maps");
    count_anew();
    for (int i = 0; i < ROUNDS; i++)
        once();
    printf("# %d rounds: %u maps, %u unmaps\n", ROUNDS, maps, unmaps);
    assert_int_equal(maps, ROUNDS);
    assert_int_equal(unmaps, ROUNDS);
    assert_int_equal(vm_open_files(), files);
    assert_in_range(lines("/proc/self/maps"), 1,
                    maps_of_process + 1); /* the heap may grow by one */
    assert_int_equal(status_kib("VmLck:"), 0);
    assert_int_equal(status_kib("VmPin:"), 0);
    /* The group is free for anybody. */
    snprintf(path, sizeof(path), "/dev/vfio/%d", vm_group(vm_address(device)));
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    close(fd);
}

static void channel_a_hundred_times(void **state)
{
    (void)state;
    leaves_nothing(once_copies, 0);
}

static void port_a_hundred_times(void **state)
{
    (void)state;
    leaves_nothing(once_port, 1);
}

/* Several groups in one space: an arena is mapped once for all of them. */
static void two_groups_in_one_space(void **state)
{
    struct weir *w = vm_instance();
    bool iommufd = strcmp(getenv("API"), "iommufd") == 0;
    struct weir_space_options so = {.size = sizeof(so),
                                    .api = iommufd ? WEIR_VFIO_IOMMUFD : WEIR_VFIO_CONTAINER};
    struct weir_device_options o = {.size = sizeof(o)};
    struct weir_arena_options ao = {.size = sizeof(ao), .bytes = HUGE, .iova_bits = 28};
    struct weir_space_info info;
    struct weir_arena *arena;
    struct weir_device *one, *two;
    struct weir_error e;

    (void)state;
    count_anew();
    o.space = weir_space_new(w, &so, &e);
    must_ptr(o.space, &e);
    arena = weir_arena_new(w, &ao, &e);
    must_ptr(arena, &e);
    must(weir_arena_map(arena, o.space, WEIR_PROT_RW, &e), &e);
    one = weir_device_open(w, vm_device(0), &o, &e);
    must_ptr(one, &e);
    two = weir_device_open(w, vm_device(1), &o, &e);
    must_ptr(two, &e);
    weir_space_info(o.space, &info);
    assert_int_equal(info.devices, 2);
    assert_int_equal(info.maps, 1);
    assert_int_equal(maps, 1);
    weir_device_close(one);
    weir_device_close(two);
    weir_space_info(o.space, &info);
    assert_int_equal(info.devices, 0);
    assert_int_equal(info.maps, 1);
    weir_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_map_for_a_gigabyte),  cmocka_unit_test(one_map_for_each_piece),
        cmocka_unit_test(channel_a_hundred_times), cmocka_unit_test(port_a_hundred_times),
        cmocka_unit_test(two_groups_in_one_space), cmocka_unit_test(costs_as_one_ioctl),
    };

    vm_write("/proc/sys/vm/nr_hugepages", "530");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
