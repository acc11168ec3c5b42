/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA that the IOMMU stops: outside of what is mapped, after it was unmapped, against its rights.
 * The device is edu, told by its registers what to do (QEMU docs/specs/edu.rst), through $API.
 * Faults are seen in the kernel's log, and the memory is untouched.
 */
#include "vm.h"

#include <errno.h>
#include <sys/mman.h>
#include <weir/driver/driver.h>

#define PAGE    4096u
#define INSIDE  0x100000u
#define OUTSIDE 0x200000u
#define BUFFER  0x40000u
#define LEN     64u

enum { SRC = 0x80, DST = 0x88, COUNT = 0x90, COMMAND = 0x98 };
enum { START = 1, FROM_DEVICE = 2 };

struct bench {
    struct weir *w;
    struct weir_device *d;
    struct weir_space *space;
    uint8_t *mem;
    int log;
};

static void transfer(struct weir_device *d, uint32_t src, uint32_t dst, uint32_t direction)
{
    double end = vm_seconds() + 60;

    weir_write32(d, WEIR_REGION_BAR0, SRC, src);
    weir_write32(d, WEIR_REGION_BAR0, SRC + 4, 0);
    weir_write32(d, WEIR_REGION_BAR0, DST, dst);
    weir_write32(d, WEIR_REGION_BAR0, DST + 4, 0);
    weir_write32(d, WEIR_REGION_BAR0, COUNT, LEN);
    weir_write32(d, WEIR_REGION_BAR0, COUNT + 4, 0);
    weir_write32(d, WEIR_REGION_BAR0, COMMAND, START | direction);
    while (weir_read32(d, WEIR_REGION_BAR0, COMMAND) & START)
        assert_true(vm_seconds() < end);
}

static void to_device(struct bench *b, uint32_t iova)
{
    transfer(b->d, iova, BUFFER, 0);
}

static void from_device(struct bench *b, uint32_t iova)
{
    transfer(b->d, BUFFER, iova, FROM_DEVICE);
}

/* The log comes a moment after the fault, and the kernel keeps some of many to itself. */
static bool fault_logged(struct bench *b, uint32_t iova)
{
    double end = vm_seconds() + 60;
    char text[32];

    snprintf(text, sizeof(text), "fault addr %#x ", iova);
    while (vm_seconds() < end) {
        if (vm_log_has(b->log, text))
            return true;
        from_device(b, iova);
    }
    return false;
}

static void map(struct bench *b, unsigned prot)
{
    struct weir_mem mem = {.va = b->mem, .len = PAGE, .fd = -1, .page = PAGE, .name = "piece"};
    struct weir_error e;

    must(weir_space_map(b->space, &mem, weir_iova(INSIDE), prot, &e), &e);
}

static void unmap(struct bench *b)
{
    struct weir_error e;

    must(weir_space_unmap(b->space, weir_iova(INSIDE), PAGE, &e), &e);
}

static int setup(void **state)
{
    static struct bench b;
    struct weir_device_info info;
    struct weir_error e;

    b.w = vm_instance();
    b.d = weir_device_open(b.w, vm_device(0), NULL, &e);
    must_ptr(b.d, &e);
    weir_device_info(b.d, &info);
    b.space = info.space;
    must(weir_device_bus_master(b.d, true, &e), &e);
    b.mem = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(b.mem, MAP_FAILED);
    b.mem += PAGE; /* the pages beside it are to stay as they are, too */
    memset(b.mem - PAGE, 0x11, 3 * PAGE);
    b.log = vm_log_open();
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    weir_free(b->w);
    munmap(b->mem - PAGE, 3 * PAGE);
    close(b->log);
    return 0;
}

static void untouched(struct bench *b, uint8_t value)
{
    const uint8_t *mem = b->mem - PAGE;

    for (unsigned i = 0; i < 3 * PAGE; i++)
        if (mem[i] != (i / PAGE == 1 ? value : 0x11))
            fail_msg("byte %u is %#x", i, mem[i]);
}

static void outside(void **state)
{
    struct bench *b = *state;

    map(b, WEIR_PROT_RW);
    memset(b->mem, 0x22, PAGE);
    to_device(b, INSIDE);
    memset(b->mem, 0x33, PAGE);
    from_device(b, INSIDE); /* what is allowed works */
    assert_int_equal(b->mem[0], 0x22);
    assert_int_equal(b->mem[LEN - 1], 0x22);
    assert_int_equal(b->mem[LEN], 0x33);
    assert_false(vm_log_has(b->log, "fault addr"));

    memset(b->mem, 0x33, PAGE);
    from_device(b, OUTSIDE);
    assert_true(fault_logged(b, OUTSIDE));
    from_device(b, INSIDE + PAGE); /* the page behind it in memory is not behind it for devices */
    untouched(b, 0x33);
}

static void after_unmap(void **state)
{
    struct bench *b = *state;

    map(b, WEIR_PROT_RW);
    memset(b->mem, 0x44, PAGE);
    to_device(b, INSIDE);
    unmap(b);
    memset(b->mem, 0x55, PAGE);
    from_device(b, INSIDE);
    assert_true(fault_logged(b, INSIDE));
    untouched(b, 0x55);
}

static void read_only(void **state)
{
    struct bench *b = *state;

    /* The write first: QEMU reports none that hits what a read left in its IOTLB. */
    map(b, WEIR_PROT_READ);
    memset(b->mem, 0x66, PAGE);
    from_device(b, INSIDE);
    assert_true(fault_logged(b, INSIDE));
    untouched(b, 0x66);
    to_device(b, INSIDE);
    unmap(b);
    map(b, WEIR_PROT_WRITE | WEIR_PROT_READ);
    memset(b->mem, 0x77, PAGE);
    from_device(b, INSIDE); /* it did read it */
    assert_int_equal(b->mem[0], 0x66);
    assert_int_equal(b->mem[LEN], 0x77);
}

static void without_bus_master(void **state)
{
    struct bench *b = *state;
    struct weir_error e;

    map(b, WEIR_PROT_RW);
    memset(b->mem, 0x88, PAGE);
    must(weir_device_bus_master(b->d, false, &e), &e);
    from_device(b, INSIDE);
    untouched(b, 0x88);
    assert_false(vm_log_has(b->log, "fault addr"));
}

/* Memory that was there before the device: weir_space_new(). */
static void mapped_before(void **state)
{
    struct bench *b = *state;
    bool iommufd = strcmp(getenv("API"), "iommufd") == 0;
    struct weir_space_options so = {.size = sizeof(so),
                                    .api = iommufd ? WEIR_VFIO_IOMMUFD : WEIR_VFIO_CONTAINER};
    struct weir_device_options o = {.size = sizeof(o)};
    struct weir_error e;

    weir_device_close(b->d);
    b->space = weir_space_new(b->w, &so, &e);
    must_ptr(b->space, &e);
    map(b, WEIR_PROT_RW);
    o.space = b->space;
    for (int round = 0; round < 3; round++) { /* the container loses its IOMMU in between */
        b->d = weir_device_open(b->w, vm_device(0), &o, &e);
        must_ptr(b->d, &e);
        must(weir_device_bus_master(b->d, true, &e), &e);
        memset(b->mem, 0x90 + round, PAGE);
        to_device(b, INSIDE);
        memset(b->mem, 0, PAGE);
        from_device(b, INSIDE);
        assert_int_equal(b->mem[LEN - 1], 0x90 + round);
        weir_device_close(b->d);
    }
    /* Nothing is known of reserved windows before there is a device; one cannot come to what is
     * mapped there. */
    unmap(b);
    weir_space_free(b->space);
    b->space = weir_space_new(b->w, &so, &e);
    must_ptr(b->space, &e);
    o.space = b->space;
    struct weir_mem mem = {.va = b->mem, .len = PAGE, .fd = -1, .page = PAGE, .name = "in the way"};
    must(weir_space_map(b->space, &mem, weir_iova(0xfee00000), WEIR_PROT_RW, &e), &e);
    assert_null(weir_device_open(b->w, vm_device(0), &o, &e));
    printf("# %s: %s\n#   %s\n#   %s\n", e.code, e.what, e.why, e.fix);
    assert_string_equal(e.code, "space-narrowed");
    assert_non_null(strstr(e.why, "in the way"));
    must(weir_space_unmap(b->space, weir_iova(0xfee00000), PAGE, &e), &e);
    b->d = weir_device_open(b->w, vm_device(0), &o, &e);
    must_ptr(b->d, &e);
    weir_device_close(b->d);

    /* What is allowed has to be all there; below the window it is. */
    struct weir_iova_range window = {0xfee00000, 0xfee00fff}, below = {INSIDE, 2 * INSIDE - 1};
    struct weir_space_info info;
    so.n_allowed = 1;
    so.allowed = &window;
    o.space = weir_space_new(b->w, &so, &e);
    must_ptr(o.space, &e);
    assert_null(weir_device_open(b->w, vm_device(0), &o, &e));
    printf("# %s: %s\n#   %s\n#   %s\n", e.code, e.what, e.why, e.fix);
    assert_int_equal(e.err, -EADDRINUSE);
    so.allowed = &below;
    o.space = weir_space_new(b->w, &so, &e);
    must_ptr(o.space, &e);
    b->d = weir_device_open(b->w, vm_device(0), &o, &e);
    must_ptr(b->d, &e);
    weir_space_info(o.space, &info);
    assert_int_equal(info.n_ranges, 1);
    assert_int_equal(info.ranges[0].first, INSIDE);
    assert_int_equal(info.ranges[0].last, 2 * INSIDE - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(outside, setup, teardown),
        cmocka_unit_test_setup_teardown(after_unmap, setup, teardown),
        cmocka_unit_test_setup_teardown(read_only, setup, teardown),
        cmocka_unit_test_setup_teardown(without_bus_master, setup, teardown),
        cmocka_unit_test_setup_teardown(mapped_before, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
