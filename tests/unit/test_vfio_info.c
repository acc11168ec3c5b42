/* SPDX-License-Identifier: BSD-3-Clause */
/* What a container says of its IOMMU: kernels of all ages, and answers that are wrong. */
#include "fake_vfio.h"

#include <linux/vfio.h>

#define A "0000:01:00.0"

static struct weir *w;
static struct weir_error e;
static uint8_t *memory;

static int setup(void **state)
{
    int r = fake_setup(state);

    fake_add(A, 1);
    w = fake_weir();
    memory = fake_memory(MIB);
    return r;
}

static int teardown(void **state)
{
    weir_free(w);
    fake_memory_free(memory, MIB);
    return fake_teardown(state);
}

static struct weir_space *type1(void)
{
    return fake_new_space(w, WEIR_VFIO_CONTAINER);
}

static void test_shape(void **state)
{
    struct weir_space *s = type1();
    struct weir_device *d = fake_open_device(w, A, s);

    (void)state;
    fake_ranges_are(s, fake_usual, 2);
    assert_int_equal(fake_info(s).page_sizes, 0x40201000);
    assert_int_equal(fake_info(s).max_maps, 65535);
    assert_int_equal(fake_info(s).iova_bits, 48);
    assert_int_equal(fake_info(s).devices, 1);
    /* Without a device it is as new. */
    weir_device_close(d);
    fake_ranges_are(s, fake_everything, 1);
    assert_int_equal(fake_info(s).page_sizes, FAKE_PAGE);
    assert_int_equal(fake_info(s).max_maps, UINT64_MAX);
}

/* The capabilities as kernels of different ages lay them out. */
static void test_capabilities_of_old_kernels(void **state)
{
    static const uint64_t limits[] = {[FAKE_CAPS_ALIGNED] = 65535,
                                      [FAKE_CAPS_PACKED] = 65535,
                                      [FAKE_CAPS_NO_AVAIL] = 777,
                                      [FAKE_CAPS_NONE] = 777};

    (void)state;
    fake_file("/sys/module/vfio_iommu_type1/parameters/dma_entry_limit", "777\n");
    for (int i = FAKE_CAPS_ALIGNED; i <= FAKE_CAPS_NONE; i++) {
        struct weir_space *s = type1();
        struct weir_device *d;

        fake.caps = (enum fake_caps)i;
        d = fake_open_device(w, A, s);
        fake_ranges_are(s, i == FAKE_CAPS_NONE ? fake_everything : fake_usual,
                        i == FAKE_CAPS_NONE ? 1 : 2);
        assert_int_equal(fake_info(s).max_maps, limits[i]);
        assert_int_equal(fake_info(s).page_sizes, 0x40201000);
        weir_device_close(d);
        weir_space_free(s);
    }
}

/* Neither the capability nor the module's parameter: no limit that is known, and the kernel's no.
 */
static void test_unknown_limit(void **state)
{
    struct weir_space *s = type1();

    (void)state;
    fake.caps = FAKE_CAPS_NO_AVAIL;
    fake.entry_limit = 1;
    fake_open_device(w, A, s);
    assert_int_equal(fake_info(s).max_maps, UINT64_MAX);
    assert_int_equal(fake_map(s, memory, FAKE_PAGE, 0, "one", &e), 0);
    assert_int_equal(fake_map(s, memory, FAKE_PAGE, FAKE_PAGE, "two", &e), -ENOSPC);
    fake_failed(&e, -ENOSPC, "map-limit");
    fake_contains(e.what, "two");
    fake_contains(e.fix, "dma_entry_limit");
    assert_int_equal(fake_info(s).maps, 1);
}

/* A virtio-iommu reaches the last address there is, with pages of every size. */
static void test_widest(void **state)
{
    struct weir_space *s = type1();
    struct weir_device *d;

    (void)state;
    fake_group(1)->last = UINT64_MAX;
    fake_group(1)->n_reserved = 0;
    fake_group(1)->page_sizes = 0xfffffffffffff000;
    d = fake_open_device(w, A, s);
    fake_ranges_are(s, fake_everything, 1);
    assert_int_equal(fake_info(s).page_sizes, 0xfffffffffffff000);
    assert_int_equal(fake_info(s).iova_bits, 64);
    assert_int_equal(fake_map(s, memory, FAKE_PAGE, -(uint64_t)FAKE_PAGE, "last page", &e), 0);
    assert_int_equal(fake.containers[0].maps[0].iova, 0xfffffffffffff000);
    weir_device_close(d);
}

/* Pages smaller than the CPU's are not for sale. */
static void test_small_pages(void **state)
{
    struct weir_space *s = type1();

    (void)state;
    fake_group(1)->page_sizes = 0x40201200;
    fake_open_device(w, A, s);
    assert_int_equal(fake_info(s).page_sizes, 0x40201000);
}

/* ---- answers that are wrong ---- */

static void (*lie)(struct vfio_iommu_type1_info *info);

static int tamper_info(unsigned long request, void *arg, int result)
{
    if (request == VFIO_IOMMU_GET_INFO && result == 0 && lie)
        lie(arg);
    return result;
}

static struct vfio_info_cap_header *cap_of(struct vfio_iommu_type1_info *info, unsigned id)
{
    uint32_t at = info->cap_offset;

    while (at) {
        struct vfio_info_cap_header *c = (void *)((char *)info + at);

        if (c->id == id)
            return c;
        at = c->next;
    }
    return NULL;
}

static void no_pages(struct vfio_iommu_type1_info *info)
{
    info->iova_pgsizes = 0x200; /* none as large as the CPU's */
}

static void no_page_flag(struct vfio_iommu_type1_info *info)
{
    info->flags &= ~(uint32_t)VFIO_IOMMU_INFO_PGSIZES;
}

static void grows_for_ever(struct vfio_iommu_type1_info *info)
{
    info->argsz += 64;
}

static void is_huge(struct vfio_iommu_type1_info *info)
{
    info->argsz = 0xfffffff0;
}

static void shrinks(struct vfio_iommu_type1_info *info)
{
    info->argsz = 0;
}

static void caps_outside(struct vfio_iommu_type1_info *info)
{
    info->cap_offset = info->argsz - 4;
}

static void caps_far_outside(struct vfio_iommu_type1_info *info)
{
    info->cap_offset = 0xfffffffc;
}

static void caps_in_the_head(struct vfio_iommu_type1_info *info)
{
    info->cap_offset = 8;
}

static void caps_at_odd_place(struct vfio_iommu_type1_info *info)
{
    if (info->cap_offset)
        info->cap_offset += 3;
}

static void caps_loop(struct vfio_iommu_type1_info *info)
{
    struct vfio_info_cap_header *c = cap_of(info, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION);

    if (c)
        c->next = info->cap_offset;
}

static void caps_leave(struct vfio_iommu_type1_info *info)
{
    struct vfio_info_cap_header *c = cap_of(info, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION);

    if (c)
        c->next = info->argsz + 4096;
}

static void ranges_without_end(struct vfio_iommu_type1_info *info)
{
    struct vfio_iommu_type1_info_cap_iova_range *c =
        (void *)cap_of(info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);

    if (c)
        c->nr_iovas = UINT32_MAX;
}

static void ranges_none(struct vfio_iommu_type1_info *info)
{
    struct vfio_iommu_type1_info_cap_iova_range *c =
        (void *)cap_of(info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);

    if (c)
        c->nr_iovas = 0;
}

static void ranges_turned(struct vfio_iommu_type1_info *info)
{
    struct vfio_iommu_type1_info_cap_iova_range *c =
        (void *)cap_of(info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);

    if (c) {
        c->iova_ranges[1].start = 0xffff0000;
        c->iova_ranges[1].end = 0xfff00000;
    }
}

static void ranges_all_turned(struct vfio_iommu_type1_info *info)
{
    struct vfio_iommu_type1_info_cap_iova_range *c =
        (void *)cap_of(info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);

    ranges_turned(info);
    if (c)
        c->iova_ranges[0] = c->iova_ranges[1];
}

static void ranges_overlap(struct vfio_iommu_type1_info *info)
{
    struct vfio_iommu_type1_info_cap_iova_range *c =
        (void *)cap_of(info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);

    if (c) {
        c->iova_ranges[0].start = 0x2000;
        c->iova_ranges[0].end = 0x8fff;
        c->iova_ranges[1].start = 0x1000;
        c->iova_ranges[1].end = 0x4fff;
    }
}

/* Whatever the answer, the device is open with a shape that makes sense, or refused. */
static void test_lies(void **state)
{
    static const struct weir_iova_range first[] = {{0, 0xfedfffff}}, joined[] = {{0x1000, 0x8fff}};
    static const struct {
        const char *name;
        void (*lie)(struct vfio_iommu_type1_info *info);
        int err; /* 0: it opens, with these ranges */
        const char *code;
        const struct weir_iova_range *ranges;
        unsigned n;
    } cases[] = {
        {"no pages", no_pages, -EINVAL, "space-empty", NULL, 0},
        {"no page flag", no_page_flag, 0, NULL, fake_usual, 2},
        {"grows for ever", grows_for_ever, -EIO, "vfio-info", NULL, 0},
        {"is huge", is_huge, -EIO, "vfio-info", NULL, 0},
        {"shrinks", shrinks, 0, NULL, fake_everything, 1},
        {"caps outside", caps_outside, 0, NULL, fake_everything, 1},
        {"caps far outside", caps_far_outside, 0, NULL, fake_everything, 1},
        {"caps in the head", caps_in_the_head, 0, NULL, fake_everything, 1},
        {"caps at an odd place", caps_at_odd_place, 0, NULL, fake_everything, 1},
        {"caps loop", caps_loop, 0, NULL, fake_everything, 1},
        {"caps leave", caps_leave, 0, NULL, fake_everything, 1},
        {"ranges without end", ranges_without_end, 0, NULL, fake_usual, 2},
        {"no ranges", ranges_none, -EINVAL, "space-empty", NULL, 0},
        {"ranges turned around", ranges_turned, 0, NULL, first, 1},
        {"ranges all turned around", ranges_all_turned, -EINVAL, "space-empty", NULL, 0},
        {"ranges overlap", ranges_overlap, 0, NULL, joined, 1},
    };

    (void)state;
    fake.tamper = tamper_info;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_space *s = type1();

        print_message("# %s\n", cases[i].name);
        lie = cases[i].lie;
        if (cases[i].err) {
            fake_open_fails(w, A, s, cases[i].err, cases[i].code, &e);
            if (cases[i].err == -EIO)
                fake_contains(e.why, "Message too long");
            assert_int_equal(fake.containers[0].type, 0);
        } else {
            struct weir_device *d = fake_open_device(w, A, s);

            fake_ranges_are(s, cases[i].ranges, cases[i].n);
            weir_device_close(d);
        }
        weir_space_free(s);
    }
    lie = NULL;
}

/* 64 ranges are kept of more; what lies behind them is not used. */
static void test_many_ranges(void **state)
{
    struct weir_space *s = type1();

    (void)state;
    fake_group(1)->cuts_from = GIB * 8;
    fake_group(1)->n_cuts = 70;
    fake_open_device(w, A, s);
    assert_int_equal(fake_info(s).n_ranges, 64);
    assert_int_equal(fake_info(s).ranges[1].last, GIB * 8 - 1);
    assert_int_equal(fake.infos, 2); /* once for the size, once for the answer */
}

static void test_info_fails(void **state)
{
    struct weir_space *s = type1();

    (void)state;
    fake_fail(VFIO_IOMMU_GET_INFO, ENOMEM, 0);
    fake_open_fails(w, A, s, -EIO, "vfio-info", &e);
    fake_contains(e.why, "Cannot allocate memory");
    fake_fail(VFIO_IOMMU_GET_INFO, ENOMEM, 1); /* at the second time of asking */
    fake_open_fails(w, A, s, -EIO, "vfio-info", &e);
    fake_fail(0, 0, 0);
    assert_int_equal(fake_group(1)->container, -1);
    fake_open_device(w, A, s);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_shape),         CASE(test_capabilities_of_old_kernels),
        CASE(test_unknown_limit), CASE(test_widest),
        CASE(test_small_pages),   CASE(test_lies),
        CASE(test_many_ranges),   CASE(test_info_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
