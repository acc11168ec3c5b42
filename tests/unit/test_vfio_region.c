/* SPDX-License-Identifier: BSD-3-Clause */
/* Regions of a PCI function: what is mapped, what goes by calls, what is not written. */
#include "fake_vfio.h"

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#define A "0000:01:00.0"

static struct weir *w;
static struct weir_error e;
static struct fake_function *f;

static int setup(void **state)
{
    int r = fake_setup(state);

    f = fake_add(A, 1);
    w = fake_weir();
    return r;
}

static int teardown(void **state)
{
    weir_free(w);
    return fake_teardown(state);
}

static struct weir_region region(struct weir_device *d, unsigned n)
{
    struct weir_region r;

    assert_int_equal(weir_device_region(d, n, &r), 0);
    return r;
}

static uint32_t peek32(unsigned n, uint64_t off)
{
    uint32_t v;

    fake_peek(f, n, off, &v, sizeof(v));
    return v;
}

static void poke32(unsigned n, uint64_t off, uint32_t v)
{
    fake_poke(f, n, off, &v, sizeof(v));
}

/* ---- what is there ---- */

static void test_regions(void **state)
{
    struct weir_device *d;
    struct weir_region r;

    (void)state;
    f->regions[WEIR_REGION_ROM] =
        (struct fake_region){.size = 64 * KIB, .flags = VFIO_REGION_INFO_FLAG_READ};
    d = fake_open_device(w, A, NULL);
    for (unsigned n = 0; n < WEIR_N_REGIONS; n++) {
        r = region(d, n);
        assert_int_equal(r.size, f->regions[n].size);
        assert_int_equal(r.map_size, n == 0 || n == 2 ? r.size : 0);
        assert_int_equal(r.map != NULL, n == 0 || n == 2);
        assert_int_equal(r.readable, r.size != 0);
        assert_int_equal(r.writable, r.size != 0 && n != WEIR_REGION_ROM);
    }
    assert_int_equal(fake_open_maps(), 2);
    /* A register is the same one, however it is reached. */
    r = region(d, 0);
    poke32(0, 0xfffc, 0x12345678);
    assert_int_equal(*(volatile uint32_t *)(volatile void *)(r.map + 0xfffc), 0x12345678);
    weir_write32(d, 0, 0xfff8, 0xabcdef01);
    assert_int_equal(peek32(0, 0xfff8), 0xabcdef01);
    assert_int_equal(weir_read32(d, 0, 0xfffc), 0x12345678);
    assert_int_equal(weir_read32(d, 0, 0x10000), UINT32_MAX);
    assert_int_equal(weir_region_write(d, WEIR_REGION_ROM, 0, "x", 1, &e), -EACCES);
    weir_device_close(d);
    assert_int_equal(fake_open_maps(), 0);
    assert_int_equal(fake_reservations(), 0);
}

/* What may not be written, or read, is not mapped, whatever the kernel offers. */
static void test_rights(void **state)
{
    static const uint32_t rights[] = {VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE, 0};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct weir_device *d;

        f->regions[0].flags = VFIO_REGION_INFO_FLAG_MMAP | rights[i];
        d = fake_open_device(w, A, NULL);
        assert_null(region(d, 0).map);
        assert_int_equal(weir_region_write(d, 0, 0, "word", 4, &e), i == 1 ? 0 : -EACCES);
        assert_int_equal(weir_read32(d, 0, 0), i == 0 ? 0 : UINT32_MAX);
        weir_device_close(d);
    }
}

/* Without a mapping each access is one call, as wide as it was asked for. */
static void test_calls(void **state)
{
    struct weir_device *d;
    uint64_t v = 0;

    (void)state;
    f->regions[0].flags &= ~(uint32_t)VFIO_REGION_INFO_FLAG_MMAP;
    d = fake_open_device(w, A, NULL);
    assert_null(region(d, 0).map);
    for (unsigned width = 1; width <= 8; width *= 2) {
        v = 0x8877665544332211;
        fake_poke(f, 0, 0x100, &v, sizeof(v));
        v = 0;
        assert_int_equal(weir_region_read(d, 0, 0x100, &v, width, &e), 0);
        assert_int_equal(v, 0x8877665544332211 & (UINT64_MAX >> (64 - 8 * width)));
        assert_int_equal(fake.access_len, width);
        v = 0;
        fake.access_len = 0;
        assert_int_equal(weir_region_write(d, 0, 0x100, &v, width, &e), 0);
        assert_int_equal(fake.access_len, width);
        fake_peek(f, 0, 0x100, &v, sizeof(v));
        assert_int_equal(v, width == 8 ? 0 : 0x8877665544332211 >> 8 * width << 8 * width);
    }
    weir_write32(d, 0, 0x200, 7);
    assert_int_equal(fake.access_len, 4);
    assert_int_equal(weir_read32(d, 0, 0x200), 7);
}

static void test_access_fails(void **state)
{
    struct weir_device *d;
    uint32_t v = 0;

    (void)state;
    f->regions[0].flags &= ~(uint32_t)VFIO_REGION_INFO_FLAG_MMAP;
    d = fake_open_device(w, A, NULL);
    fake.io_err = EIO;
    assert_int_equal(weir_region_read(d, 0, 0x100, &v, 4, &e), -EIO);
    fake_failed(&e, -EIO, "vfio-access");
    fake_contains(e.what, "read 4 bytes at 0x100 of region 0");
    assert_int_equal(v, UINT32_MAX);
    assert_int_equal(weir_read32(d, 0, 0x100), UINT32_MAX);
    assert_int_equal(weir_region_write(d, 0, 0x100, &v, 4, &e), -EIO);
    fake_contains(e.what, "write 4 bytes at 0x100 of region 0");
    fake.io_err = 0;
    fake.io_short = true;
    v = 0;
    assert_int_equal(weir_region_read(d, 0, 0x100, &v, 4, &e), -EIO);
    fake_contains(e.why, "fewer bytes");
    assert_int_equal(v, UINT32_MAX);
    assert_int_equal(weir_region_write(d, 0, 0x100, &v, 4, &e), -EIO);
    fake_contains(e.why, "fewer bytes");
    fake.io_short = false;
    assert_false(weir_device_lost(d));
}

/* ---- parts of a region ---- */

/* The page with the MSI-X table may not be mapped: before Linux 4.16, and in variants. */
static void test_areas(void **state)
{
    struct weir_device *d;
    struct weir_region r;

    (void)state;
    f->regions[2] =
        (struct fake_region){.size = 64 * KIB,
                             .flags = f->regions[0].flags,
                             .n_areas = 3,
                             .areas = {{0, 4 * KIB}, {8 * KIB, 48 * KIB}, {60 * KIB, 4 * KIB}}};
    d = fake_open_device(w, A, NULL);
    assert_int_equal(fake_open_maps(), 4);
    /* The largest is for pointers; the rest by calls. */
    r = region(d, 2);
    assert_int_equal(r.map_first, 8 * KIB);
    assert_int_equal(r.map_size, 48 * KIB);
    for (uint64_t off = 0; off < 64 * KIB; off += 4 * KIB - 4)
        poke32(2, off, (uint32_t)off + 1);
    for (uint64_t off = 0; off < 64 * KIB; off += 4 * KIB - 4) {
        fake.access_len = 0;
        assert_int_equal(weir_read32(d, 2, off), off + 1);
        assert_int_equal(fake.access_len != 0, off < 8 * KIB || off >= 56 * KIB);
    }
    assert_int_equal(*(volatile uint32_t *)(volatile void *)(r.map + 4 * (4 * KIB - 4)),
                     4 * (4 * KIB - 4) + 1);
}

static void test_hostile_areas(void **state)
{
    static const struct fake_area areas[] = {
        {0x800, 4 * KIB},                       /* not aligned */
        {0, 0x800},                             /* not whole pages */
        {0, 0},                                 /* empty */
        {60 * KIB, 8 * KIB},                    /* over the end */
        {64 * KIB, 4 * KIB},                    /* behind it */
        {4 * KIB, UINT64_MAX - 8 * KIB + 1},    /* around 2^64 */
        {UINT64_MAX - 4 * KIB + 1, 8 * KIB},    /* the same */
        {(uint64_t)1 << 63, (uint64_t)1 << 63}, /* and again */
        {0, 128 * KIB},                         /* more than there is */
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
        struct weir_device *d;

        f->regions[0].areas[0] = areas[i];
        f->regions[0].n_areas = 1;
        d = fake_open_device(w, A, NULL);
        assert_null(region(d, 0).map);
        assert_int_equal(fake_open_maps(), 1); /* BAR 2's */
        weir_write32(d, 0, 0x1004, i);
        assert_int_equal(peek32(0, 0x1004), i);
        weir_device_close(d);
    }
}

static void (*lie)(struct vfio_region_info *info);

static int tamper_region(unsigned long request, void *arg, int result)
{
    struct vfio_region_info *info = arg;

    if (request == VFIO_DEVICE_GET_REGION_INFO && result == 0 && info->index == 0)
        lie(info);
    errno = EDOM; /* of something else, earlier */
    return result;
}

static struct vfio_region_info_cap_sparse_mmap *cap_of(struct vfio_region_info *info)
{
    return info->cap_offset ? (void *)(info + 1) : NULL;
}

static void areas_without_end(struct vfio_region_info *info)
{
    if (cap_of(info))
        cap_of(info)->nr_areas = UINT32_MAX;
}

static void cap_loops(struct vfio_region_info *info)
{
    if (cap_of(info)) {
        cap_of(info)->header.id = 77;
        cap_of(info)->header.next = info->cap_offset;
    }
}

static void cap_leaves(struct vfio_region_info *info)
{
    if (cap_of(info)) {
        cap_of(info)->header.id = 77;
        cap_of(info)->header.next = info->argsz;
    }
}

static void cap_far_away(struct vfio_region_info *info)
{
    info->cap_offset = 0xfffffff8;
}

static void cap_at_odd_place(struct vfio_region_info *info)
{
    if (info->cap_offset)
        info->cap_offset += 3;
}

static void cap_cut_off(struct vfio_region_info *info)
{
    if (info->cap_offset)
        info->cap_offset = info->argsz - 4;
}

/* Its head is there, and no more. */
static void cap_too_short(struct vfio_region_info *info)
{
    struct vfio_info_cap_header head = {.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1};

    if (!info->cap_offset)
        return;
    info->cap_offset = info->argsz - (uint32_t)sizeof(head);
    memcpy((char *)info + info->cap_offset, &head, sizeof(head));
}

static void cap_in_the_head(struct vfio_region_info *info)
{
    info->cap_offset = 4;
}

static void size_shrinks(struct vfio_region_info *info)
{
    info->argsz = 1;
}

/* What cannot be read offers nothing: the kernel would not keep us from mapping all of it. */
static void test_hostile_capability(void **state)
{
    static const struct {
        const char *name;
        void (*lie)(struct vfio_region_info *info);
        uint64_t mapped; /* of BAR 0 */
    } cases[] = {
        {"areas without end", areas_without_end, 32 * KIB},
        {"it loops", cap_loops, 0},
        {"it leaves", cap_leaves, 0},
        {"it is far away", cap_far_away, 0},
        {"it is at an odd place", cap_at_odd_place, 0},
        {"it is cut off", cap_cut_off, 0},
        {"it is too short", cap_too_short, 0},
        {"it is in the head", cap_in_the_head, 0},
        {"the size shrinks", size_shrinks, 0},
    };

    (void)state;
    f->regions[0].areas[0] = (struct fake_area){16 * KIB, 32 * KIB};
    f->regions[0].n_areas = 1;
    fake.maps_anything = true;
    fake.tamper = tamper_region;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_device *d;

        print_message("# %s\n", cases[i].name);
        lie = cases[i].lie;
        d = fake_open_device(w, A, NULL);
        assert_int_equal(region(d, 0).map_size, cases[i].mapped);
        assert_int_equal(weir_read32(d, 0, 0), 0);
        weir_device_close(d);
    }
}

/* Others than that for parts: all of it may be mapped. */
static void cap_of_another_sort(struct vfio_region_info *info)
{
    if (cap_of(info))
        cap_of(info)->header.id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE;
}

static void test_other_capability(void **state)
{
    (void)state;
    f->regions[0].areas[0] = (struct fake_area){16 * KIB, 32 * KIB};
    f->regions[0].n_areas = 1;
    fake.maps_anything = true;
    fake.tamper = tamper_region;
    lie = cap_of_another_sort;
    assert_int_equal(region(fake_open_device(w, A, NULL), 0).map_size, 64 * KIB);
}

static void grows_for_ever(struct vfio_region_info *info)
{
    info->argsz += 32;
}

static void is_huge(struct vfio_region_info *info)
{
    info->argsz = UINT32_MAX;
}

static void test_info_without_end(void **state)
{
    (void)state;
    fake.tamper = tamper_region;
    lie = grows_for_ever;
    fake_open_fails(w, A, NULL, -EMSGSIZE, "vfio-region", &e);
    lie = is_huge;
    fake_open_fails(w, A, NULL, -EMSGSIZE, "vfio-region", &e);
}

static uint64_t odd_offset;

static void is_elsewhere(struct vfio_region_info *info)
{
    info->offset = odd_offset;
}

/* Where in the file a region is said to be: what is not there is an error. */
static void test_hostile_offset(void **state)
{
    static const uint64_t offsets[] = {UINT64_MAX, UINT64_MAX - FAKE_PAGE + 1, (uint64_t)1 << 63, 1,
                                       FAKE_OFFSET(200)};

    (void)state;
    fake.tamper = tamper_region;
    lie = is_elsewhere;
    for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        struct weir_device *d;
        uint32_t v = 0;

        odd_offset = offsets[i];
        d = fake_open_device(w, A, NULL);
        assert_null(region(d, 0).map);
        assert_true(weir_region_read(d, 0, 0x100, &v, 4, &e) == 0 || v == UINT32_MAX);
        assert_true(weir_region_write(d, 0, 0xfffc, &v, 4, &e) <= 0);
        weir_device_close(d);
    }
}

/* ---- sizes ---- */

static void test_sizes(void **state)
{
    static const struct {
        uint64_t size;
        bool mapped;
    } cases[] = {
        {4 * KIB, true},       {4 * KIB - 1, false},       {16, false},
        {64 * KIB + 1, false}, {(uint64_t)1 << 60, false}, {(uint64_t)1 << 63, false},
        {UINT64_MAX, false},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_device *d;

        f->regions[0].size = cases[i].size;
        d = fake_open_device(w, A, NULL);
        assert_int_equal(region(d, 0).size, cases[i].size);
        assert_int_equal(region(d, 0).map != NULL, cases[i].mapped);
        weir_write32(d, 0, 8, i);
        assert_int_equal(peek32(0, 8), i);
        weir_device_close(d);
    }
}

static void says_mappable(struct vfio_region_info *info)
{
    info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
}

/* mmap() has the last word. */
static void test_mmap_fails(void **state)
{
    struct weir_device *d;

    (void)state;
    f->regions[0].flags &= ~(uint32_t)VFIO_REGION_INFO_FLAG_MMAP;
    fake.tamper = tamper_region;
    lie = says_mappable;
    d = fake_open_device(w, A, NULL);
    assert_null(region(d, 0).map);
    assert_int_equal(region(d, 0).map_size, 0);
    poke32(0, 0x20, 99);
    assert_int_equal(weir_read32(d, 0, 0x20), 99);
    assert_non_null(region(d, 2).map);
}

static unsigned bad_region;
static int bad_errno;

static int tamper_error(unsigned long request, void *arg, int result)
{
    struct vfio_region_info *info = arg;

    return request == VFIO_DEVICE_GET_REGION_INFO && result == 0 && info->index == bad_region
               ? -bad_errno
               : result;
}

static void test_info_fails(void **state)
{
    struct weir_device *d;

    (void)state;
    fake.tamper = tamper_error;
    bad_region = 2;
    bad_errno = EINVAL; /* it has none */
    d = fake_open_device(w, A, NULL);
    assert_int_equal(region(d, 2).size, 0);
    weir_device_close(d);
    bad_errno = EIO;
    fake_open_fails(w, A, NULL, -EIO, "vfio-region", &e);
    fake_contains(e.why, "of region 2");
    bad_region = WEIR_REGION_CONFIG;
    bad_errno = EINVAL;
    fake_open_fails(w, A, NULL, -EIO, "vfio-region", &e);
    fake.tamper = NULL;
    f->regions[WEIR_REGION_CONFIG].size = 63;
    fake_open_fails(w, A, NULL, -EIO, "vfio-region", &e);
    fake_contains(e.why, "configuration space has 63 bytes");
    f->regions[WEIR_REGION_CONFIG] = (struct fake_region){.size = 256};
    fake_open_fails(w, A, NULL, -EIO, "vfio-region", &e);
}

/* ---- configuration space ---- */

/* What would take mapped registers away is not written, whatever the access. */
static void test_guards(void **state)
{
    struct weir_device *d = fake_open_device(w, A, NULL);
    static const struct {
        unsigned off, width;
        uint32_t value;
        bool ok;
    } cases[] = {
        {PCI_COMMAND, 2, 0, false},
        {PCI_COMMAND, 2, PCI_COMMAND_MASTER, false},
        {PCI_COMMAND, 2, PCI_COMMAND_MEMORY, true},
        {PCI_COMMAND, 1, PCI_COMMAND_IO, false},
        {PCI_COMMAND, 1, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, true},
        {PCI_COMMAND, 4, 0xffff0000, false},
        {PCI_COMMAND + 1, 1, PCI_COMMAND_INTX_DISABLE >> 8, true},
        {PCI_STATUS, 2, 0xf900, true},
        {PCI_CACHE_LINE_SIZE, 1, 0x10, true},
        {PCI_DEVICE_ID, 2, 0, true}, /* ends before it */
        {0x50 + PCI_PM_CTRL, 2, 0, true},
        {0x50 + PCI_PM_CTRL, 2, PCI_PM_CTRL_PME_ENABLE, true},
        {0x50 + PCI_PM_CTRL, 2, 3, false},
        {0x50 + PCI_PM_CTRL, 1, 1, false},
        {0x50 + PCI_PM_CTRL, 4, 2, false},
        {0x50 + PCI_PM_CTRL + 1, 1, 3, true},
        {0x40 + PCI_PM_CTRL, 2, 3, true}, /* of another capability */
    };
    uint64_t zero = 0;
    uint8_t all[256] = {0};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int r = weir_config_write(d, cases[i].off, cases[i].width, cases[i].value, &e);

        if (r != (cases[i].ok ? 0 : -EPERM))
            fail_msg("case %u: %d", i, r);
        if (r)
            fake_failed(&e, -EPERM, "device-asleep");
    }
    /* Not as a part of something longer either. */
    assert_int_equal(weir_region_write(d, WEIR_REGION_CONFIG, 0, &zero, 8, &e), -EPERM);
    all[PCI_COMMAND] = PCI_COMMAND_MEMORY;
    all[0x50 + PCI_PM_CTRL] = 3;
    assert_int_equal(weir_region_write(d, WEIR_REGION_CONFIG, 0, all, sizeof(all), &e), -EPERM);
    assert_int_equal(weir_device_bus_master(d, true, &e), 0);
    assert_int_equal(weir_config_read(d, PCI_COMMAND, 2) & 7, 6);
    assert_int_equal(weir_device_bus_master(d, false, &e), 0);
    assert_int_equal(weir_config_read(d, PCI_COMMAND, 2) & 7, 2);
}

/* Without power management those bytes are like others. */
static void test_guard_without_pm(void **state)
{
    struct weir_device *d;
    uint8_t none = 0;

    (void)state;
    fake_poke(f, WEIR_REGION_CONFIG, 0x41, &none, 1);
    d = fake_open_device(w, A, NULL);
    assert_int_equal(weir_config_write(d, 0x50 + PCI_PM_CTRL, 2, 3, &e), 0);
    assert_int_equal(weir_config_write(d, PCI_COMMAND, 2, 1, &e), -EPERM);
}

/* ---- loss ---- */

static void test_lost(void **state)
{
    struct weir_device *d = fake_open_device(w, A, NULL);
    struct weir_event ev;

    (void)state;
    /* A register may be all ones; the device is there. */
    poke32(0, 0x40, UINT32_MAX);
    assert_int_equal(weir_read32(d, 0, 0x40), UINT32_MAX);
    assert_false(weir_device_lost(d));
    assert_int_equal((int)fake_event(w, false).type, -1);
    f->gone = true;
    assert_int_equal(weir_read32(d, 0, 0), 0); /* nothing to be noticed by this */
    assert_false(weir_device_lost(d));
    assert_int_equal(weir_read32(d, 0, 0x40), UINT32_MAX);
    assert_true(weir_device_lost(d));
    ev = fake_event(w, false);
    assert_int_equal(ev.type, WEIR_EVENT_LOST);
    assert_ptr_equal(ev.device, d);
    assert_int_equal((int)fake_event(w, false).type, -1); /* once */
    fake_contains(fake_log, "is lost: its configuration space reads as all ones");
    assert_int_equal(weir_read32(d, 0, 0), UINT32_MAX);
    poke32(0, 0, 5);
    weir_write32(d, 0, 0, 6);
    assert_int_equal(peek32(0, 0), 5);
    assert_int_equal(weir_config_read(d, 0, 2), 0xffff);
    assert_int_equal(weir_config_write(d, 4, 2, 0, &e), -ENODEV);
    weir_device_close(d);
}

/* The kernel does not even read it any more. */
static void test_lost_by_error(void **state)
{
    struct weir_device *d = fake_open_device(w, A, NULL);

    (void)state;
    poke32(0, 0x40, UINT32_MAX);
    fake.io_err = EIO;
    assert_int_equal(weir_read32(d, 0, 0x40), UINT32_MAX);
    assert_true(weir_device_lost(d));
    fake.io_err = 0;
}

/* One that is not as dead as it reads still does DMA, and without an IOMMU nothing else is between
 * it and memory that its user takes for its own again: it is off the bus before anybody is told. */
static void test_lost_is_off_the_bus(void **state)
{
    struct weir_device *d = fake_open_device(w, A, NULL);

    (void)state;
    assert_int_equal(weir_device_bus_master(d, true, &e), 0);
    poke32(0, 0x40, UINT32_MAX);
    poke32(WEIR_REGION_CONFIG, PCI_CLASS_REVISION, UINT32_MAX);
    assert_int_equal(weir_read32(d, 0, 0x40), UINT32_MAX);
    assert_true(weir_device_lost(d));
    assert_int_equal(peek32(WEIR_REGION_CONFIG, PCI_COMMAND) &
                         (PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY),
                     PCI_COMMAND_MEMORY);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_regions),
        CASE(test_rights),
        CASE(test_calls),
        CASE(test_access_fails),
        CASE(test_areas),
        CASE(test_hostile_areas),
        CASE(test_hostile_capability),
        CASE(test_other_capability),
        CASE(test_info_without_end),
        CASE(test_hostile_offset),
        CASE(test_sizes),
        CASE(test_mmap_fails),
        CASE(test_info_fails),
        CASE(test_guards),
        CASE(test_guard_without_pm),
        CASE(test_lost),
        CASE(test_lost_by_error),
        CASE(test_lost_is_off_the_bus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
