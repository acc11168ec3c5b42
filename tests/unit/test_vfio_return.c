/* SPDX-License-Identifier: BSD-3-Clause */
/* A PCI function that is given back to the host, or lost, and comes back. */
#include "fake_vfio.h"

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>

#define A  "0000:01:00.0"
#define A2 "0000:01:00.1"
#define N  (4 * MIB)

static struct weir *w;
static struct weir_error e;
static uint8_t *memory;
static struct fake_function *f;
static struct weir_space *space;
static struct weir_device *d;
static volatile uint32_t *reg; /* a pointer that a driver keeps */
static int fd;

/* Open, at work, with something mapped. */
static void start(enum weir_vfio_api api)
{
    struct weir_region r;

    space = fake_new_space(w, api);
    assert_int_equal(fake_map(space, memory, N, 0, "frames", &e), 0);
    d = fake_open_device(w, A, space);
    weir_device_region(d, 0, &r);
    reg = (volatile uint32_t *)(volatile void *)r.map;
    assert_int_equal(weir_device_bus_master(d, true, &e), 0);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 1, &fd, &e), 0);
}

static int setup(void **state)
{
    int r = fake_setup(state);

    f = fake_add(A, 1);
    w = fake_weir();
    memory = fake_memory(N);
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return r;
}

static int teardown(void **state)
{
    weir_free(w);
    close(fd);
    fake_memory_free(memory, N);
    return fake_teardown(state);
}

static uint32_t register0(void)
{
    uint32_t v;

    fake_peek(f, 0, 0, &v, sizeof(v));
    return v;
}

/* The device can be used, through calls, pointers, interrupts and memory. */
static void works(void)
{
    uint64_t n;

    assert_false(weir_device_lost(d));
    *reg = 0x11;
    assert_int_equal(register0(), 0x11);
    weir_write32(d, 0, 0, 0x22);
    assert_int_equal(weir_read32(d, 0, 0), 0x22);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 1, &fd, &e), 0);
    fake_raise(f, WEIR_IRQ_MSIX, 0);
    assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
    fake_raise(f, WEIR_IRQ_REQ, 0);
    assert_int_equal(fake_event(w, false).type, WEIR_EVENT_REQUEST);
}

/* The kernel has it back: no file of it is open, nothing reaches it. */
static void gone(unsigned files, unsigned maps)
{
    uint32_t was = register0();

    assert_true(weir_device_lost(d));
    assert_int_equal(fake_open_files(), files);
    assert_int_equal(fake_open_maps(), maps);
    assert_int_equal(f->opens, 0);
    *reg = was + 1;
    weir_write32(d, 0, 0, was + 2);
    assert_int_equal(register0(), was);
    assert_int_equal(weir_read32(d, 0, 0), UINT32_MAX);
    assert_int_equal(weir_region_read(d, WEIR_REGION_CONFIG, 0, &was, 4, &e), -ENODEV);
    assert_int_equal(was, UINT32_MAX);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 1, &fd, &e), -ENODEV);
    assert_int_equal(weir_device_reset(d, &e), -ENODEV);
}

/* Asked as the library asks every 100 ms. */
static bool returned(void)
{
    return d->ops->returned(d);
}

/* The host asks, gets it, uses it, and binds it to vfio-pci again. */
static void round_trip(enum weir_vfio_api api)
{
    struct weir_event ev;
    uint16_t command;

    start(api);
    fake_raise(f, WEIR_IRQ_REQ, 0);
    ev = fake_event(w, true);
    assert_int_equal(ev.type, WEIR_EVENT_REQUEST);
    assert_ptr_equal(ev.device, d);
    assert_int_equal(weir_device_release(d, &e), 0);
    fake_peek(f, WEIR_REGION_CONFIG, PCI_COMMAND, &command, sizeof(command));
    assert_int_equal(command, PCI_COMMAND_MEMORY);
    assert_int_equal(f->irq_type, -1);
    gone(1, 0);                                           /* the container or the iommufd */
    assert_int_equal((int)fake_event(w, false).type, -1); /* no LOST for what was given away */
    assert_int_equal(fake_info(space).maps, 1);
    /* Still bound to vfio-pci: it is to go first. */
    assert_false(returned());
    fake_bind(f, NULL);
    assert_false(returned());
    fake_bind(f, "ixgbe");
    assert_false(returned());
    fake_bind(f, "vfio-pci");
    assert_true(returned());
    ev = fake_event(w, true);
    assert_int_equal(ev.type, WEIR_EVENT_RETURNED);
    assert_ptr_equal(ev.device, d);
    assert_int_equal(weir_device_reopen(d, &e), 0);
    works();
    assert_int_equal(weir_device_reopen(d, &e), -EINVAL);
    fake_failed(&e, -EINVAL, "device-not-lost");
}

static void test_type1(void **state)
{
    (void)state;
    round_trip(WEIR_VFIO_CONTAINER);
    assert_int_equal(fake.containers[0].n_maps, 1); /* lost with the group, and made again */
    assert_int_equal(fake.maps, 2);
}

static void test_iommufd(void **state)
{
    (void)state;
    fake_cdevs();
    round_trip(WEIR_VFIO_IOMMUFD);
    assert_int_equal(fake.iommufds[0].n_maps, 1); /* kept */
    assert_int_equal(fake.maps, 1);
}

/* Nobody unbound it within 2 s: whoever asked does not want it any more. */
static void test_not_unbound(void **state)
{
    (void)state;
    start(WEIR_VFIO_CONTAINER);
    assert_int_equal(weir_device_release(d, &e), 0);
    assert_false(returned());
    fake.later_ns = 3000000000u;
    assert_true(returned());
    assert_true(returned());
    assert_int_equal(weir_device_reopen(d, &e), 0);
    works();
}

static void test_twice(void **state)
{
    (void)state;
    start(WEIR_VFIO_CONTAINER);
    assert_int_equal(weir_device_release(d, &e), 0);
    fake_bind(f, NULL);
    assert_false(returned());
    fake_bind(f, "vfio-pci");
    assert_int_equal(weir_device_release(d, &e), 0); /* given back already, and so it stays */
    assert_true(returned());
    gone(1, 0);
}

/* A surprise removal: lost first, and then the host asks for its files. */
static void test_lost_first(void **state)
{
    (void)state;
    start(WEIR_VFIO_CONTAINER);
    f->gone = true;
    fake_raise(f, WEIR_IRQ_ERR, 0);
    assert_int_equal(fake_event(w, false).type, WEIR_EVENT_DEVICE_ERROR);
    assert_int_equal(fake_event(w, false).type, WEIR_EVENT_LOST);
    assert_int_equal(f->opens, 1);
    fake_raise(f, WEIR_IRQ_REQ, 0);
    assert_int_equal(fake_event(w, false).type, WEIR_EVENT_REQUEST);
    assert_int_equal(weir_device_release(d, &e), 0);
    gone(1, 0);
    fake_unplug(f);
    assert_false(returned());
    assert_int_equal(weir_device_reopen(d, &e), -ENODEV);
    fake_failed(&e, -ENODEV, "device-absent");
    /* Plugged in again. */
    f->gone = false;
    fake_plug(f);
    assert_true(returned());
    assert_int_equal(weir_device_reopen(d, &e), 0);
    works();
}

/* It is bound, and does not answer: that is no return, and an attempt leaves nothing. What sysfs
 * has as its ids stays. */
static void test_still_dead(void **state)
{
    (void)state;
    start(WEIR_VFIO_CONTAINER);
    fake_dead(f, true);
    weir_device_set_lost(d, "as told");
    for (unsigned i = 0; i < 3; i++) {
        fake.later_ns += 3000000000u;
        assert_false(returned());
        assert_int_equal(weir_device_reopen(d, &e), -ENODEV);
        fake_failed(&e, -ENODEV, "device-gone");
        gone(1, 0);
    }
    fake_dead(f, false);
    fake.later_ns += 3000000000u;
    assert_true(returned());
    assert_int_equal(weir_device_reopen(d, &e), 0);
    works();
}

/* Each call of it fails: then it is lost as before, and can be tried again. */
static void test_reopen_fails(void **state)
{
    unsigned k = 0, refusals = 0;
    bool hit;

    (void)state;
    start(WEIR_VFIO_CONTAINER);
    do {
        assert_int_equal(weir_device_release(d, &e), 0);
        fake_fail_call(k++, EIO);
        if (weir_device_reopen(d, &e)) {
            hit = fake_fail_end();
            refusals++;
            gone(1, 0);
            assert_int_equal(weir_device_reopen(d, &e), 0);
        } else {
            hit = fake_fail_end(); /* at nothing that matters */
        }
        works();
    } while (hit);
    assert_in_range(refusals, 20, k);
}

/* ---- another device in its place ---- */

/* The part that a pointer is for lies elsewhere. */
static void test_another_part(void **state)
{
    (void)state;
    f->regions[0].areas[0] = (struct fake_area){0, 4 * KIB};
    f->regions[0].n_areas = 1;
    start(WEIR_VFIO_CONTAINER);
    assert_int_equal(weir_device_release(d, &e), 0);
    f->regions[0].areas[0].offset = 8 * KIB;
    assert_int_equal(weir_device_reopen(d, &e), -ENXIO);
    fake_failed(&e, -ENXIO, "device-changed");
    gone(1, 0);
    f->regions[0].areas[0].offset = 0;
    assert_int_equal(weir_device_reopen(d, &e), 0);
    works();
}

static void another(const char *code)
{
    assert_int_equal(weir_device_reopen(d, &e), -ENXIO);
    fake_failed(&e, -ENXIO, code);
    fake_contains(e.what, A);
    gone(1, 0);
}

static void test_another(void **state)
{
    static const unsigned ids[] = {PCI_VENDOR_ID, PCI_DEVICE_ID, PCI_REVISION_ID, PCI_CLASS_DEVICE,
                                   PCI_SUBSYSTEM_ID};
    struct fake_region was[WEIR_N_REGIONS];

    (void)state;
    start(WEIR_VFIO_CONTAINER);
    memcpy(was, f->regions, sizeof(was));
    assert_int_equal(weir_device_release(d, &e), 0);
    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        uint8_t byte, other = 0x77;

        fake_peek(f, WEIR_REGION_CONFIG, ids[i], &byte, 1);
        fake_poke(f, WEIR_REGION_CONFIG, ids[i], &other, 1);
        another("device-changed");
        fake_poke(f, WEIR_REGION_CONFIG, ids[i], &byte, 1);
    }
    /* Registers are fewer, more, elsewhere, or not to be mapped. */
    f->regions[0].size = 32 * KIB;
    another("device-changed");
    /* More, in parts: nothing beyond what was reserved is touched; see MAP_FIXED in fake_files.c.
     */
    f->regions[0].size = 1 * MIB;
    another("device-changed");
    f->regions[0].areas[0] = (struct fake_area){512 * KIB, 64 * KIB};
    f->regions[0].n_areas = 1;
    another("device-changed");
    memcpy(f->regions, was, sizeof(was));
    f->regions[0].areas[0] = (struct fake_area){4 * KIB, 4 * KIB};
    f->regions[0].n_areas = 1;
    another("device-changed");
    memcpy(f->regions, was, sizeof(was));
    f->regions[4] = was[0];
    another("device-changed");
    memcpy(f->regions, was, sizeof(was));
    f->regions[WEIR_REGION_CONFIG].size = 256;
    another("device-changed");
    memcpy(f->regions, was, sizeof(was));
    assert_int_equal(weir_device_reopen(d, &e), 0);
    works();
}

/* ---- refusals ---- */

/* Whatever fails, it stays lost, with nothing open, until it works. */
static void test_refused(void **state)
{
    static const struct {
        unsigned long request;
        unsigned skip;
    } cases[] = {
        {VFIO_GROUP_GET_STATUS, 0},
        {VFIO_GROUP_SET_CONTAINER, 0},
        {VFIO_SET_IOMMU, 0},
        {VFIO_IOMMU_GET_INFO, 0},
        {VFIO_IOMMU_MAP_DMA, 0},
        {VFIO_GROUP_GET_DEVICE_FD, 0},
        {VFIO_DEVICE_GET_INFO, 0},
        {VFIO_DEVICE_GET_REGION_INFO, 0},
        {VFIO_DEVICE_GET_REGION_INFO, 7},
        {VFIO_DEVICE_GET_IRQ_INFO, 0},
        {VFIO_DEVICE_SET_IRQS, 0},
        {VFIO_DEVICE_SET_IRQS, 1},
    };

    (void)state;
    start(WEIR_VFIO_CONTAINER);
    assert_int_equal(weir_device_release(d, &e), 0);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_fail(cases[i].request, EIO, cases[i].skip);
        memset(&e, 0, sizeof(e));
        assert_int_equal(weir_device_reopen(d, &e), -EIO);
        assert_int_equal(e.err, -EIO);
        fake_fail(0, 0, 0);
        gone(1, 0);
    }
    fake_refuse("/dev/vfio/1", EBUSY);
    assert_int_equal(weir_device_reopen(d, &e), -EBUSY);
    fake_failed(&e, -EBUSY, "device-busy");
    fake_refuse("", 0);
    fake_bind(f, "ixgbe");
    assert_int_equal(weir_device_reopen(d, &e), -ENODEV);
    fake_failed(&e, -ENODEV, "device-driver");
    fake_bind(f, "vfio-pci");
    assert_int_equal(weir_device_reopen(d, &e), 0);
    works();
}

/* In another group, after the host renumbered them; and in none. */
static void test_other_group(void **state)
{
    (void)state;
    start(WEIR_VFIO_CONTAINER);
    assert_int_equal(weir_device_release(d, &e), 0);
    fake_unplug(f);
    f->gone = false;
    f->group = -1;
    fake_plug(f);
    assert_int_equal(weir_device_reopen(d, &e), -ENOENT);
    fake_unplug(f);
    f->gone = false;
    f->group = 5;
    fake_group(5);
    fake_plug(f);
    assert_int_equal(weir_device_reopen(d, &e), 0);
    works();
    weir_device_close(d);
    assert_int_equal(fake_group(5)->file, -1);
}

/* One of two of a group: the group stays with the other, and it finds its way back. */
static void test_one_of_two(void **state)
{
    struct weir_device *d2;
    struct weir_device_info i;

    (void)state;
    fake_add(A2, 1);
    start(WEIR_VFIO_CONTAINER);
    d2 = fake_open_device(w, A2, NULL);
    assert_int_equal(weir_device_release(d, &e), 0);
    gone(3, 2); /* container, group, the other */
    assert_int_equal(fake.containers[0].n_maps, 1);
    assert_false(weir_device_lost(d2));
    assert_int_equal(weir_device_reopen(d, &e), 0);
    works();
    assert_int_equal(fake.maps, 1);
    /* Both gone, and one that comes in meanwhile has to have their space. */
    assert_int_equal(weir_device_release(d, &e), 0);
    assert_int_equal(weir_device_release(d2, &e), 0);
    weir_device_close(d2);
    d2 = fake_open_device(w, A2, NULL);
    weir_device_info(d2, &i);
    assert_ptr_equal(i.space, space);
    assert_int_equal(fake.containers[0].n_maps, 1);
}

/* Closed while it is away. */
static void test_close(void **state)
{
    (void)state;
    start(WEIR_VFIO_CONTAINER);
    assert_int_equal(weir_device_release(d, &e), 0);
    weir_device_close(d);
    assert_int_equal(fake_info(space).devices, 0);
    assert_int_equal(fake_reservations(), 0);
    start(WEIR_VFIO_CONTAINER);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_type1),        CASE(test_iommufd),      CASE(test_not_unbound),
        CASE(test_twice),        CASE(test_lost_first),   CASE(test_still_dead),
        CASE(test_another),      CASE(test_another_part), CASE(test_refused),
        CASE(test_other_group),  CASE(test_one_of_two),   CASE(test_close),
        CASE(test_reopen_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
