/* SPDX-License-Identifier: BSD-3-Clause */
/* Reset of a function, and of all that share its bus. */
#include "fake_vfio.h"

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>

#define A  "0000:01:00.0"
#define A2 "0000:01:00.1"
#define A3 "0000:01:00.2"
#define B  "0000:02:00.0"
#define C  "0000:03:00.0"

static struct weir *w;
static struct weir_error e;
static struct fake_function *a, *a2, *b;
static int fd;

static int setup(void **state)
{
    int r = fake_setup(state);

    a = fake_add(A, 1);
    a2 = fake_add(A2, 2);
    b = fake_add(B, 3);
    fake_add(C, 4);
    w = fake_weir();
    fd = eventfd(0, EFD_CLOEXEC);
    return r;
}

static int teardown(void **state)
{
    weir_free(w);
    close(fd);
    return fake_teardown(state);
}

/* It does DMA and has an interrupt; after a reset it has neither. */
static struct weir_device *busy(const char *name)
{
    struct weir_device *d = fake_open_device(w, name, NULL);

    assert_int_equal(weir_device_bus_master(d, true, &e), 0);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 1, &fd, &e), 0);
    return d;
}

static bool works(const struct fake_function *f)
{
    uint16_t command;

    fake_peek((struct fake_function *)(uintptr_t)f, WEIR_REGION_CONFIG, PCI_COMMAND, &command,
              sizeof(command));
    assert_true(command & PCI_COMMAND_MEMORY);
    assert_int_equal((command & PCI_COMMAND_MASTER) != 0, f->irq_type >= 0);
    return f->irq_type >= 0;
}

static void test_function(void **state)
{
    struct weir_device *d = busy(A);

    (void)state;
    assert_int_equal(weir_device_reset(d, &e), 0);
    assert_int_equal(a->resets, 1);
    assert_false(works(a));
    fake_fail(VFIO_DEVICE_RESET, EAGAIN, 0); /* somebody else resets its bus */
    assert_int_equal(weir_device_reset(d, &e), -EAGAIN);
    fake_failed(&e, -EAGAIN, "vfio-reset");
    fake_fail(0, 0, 0);
    weir_device_close(d);
    a->device_flags = VFIO_DEVICE_FLAGS_PCI;
    d = fake_open_device(w, A, NULL);
    assert_int_equal(weir_device_reset(d, &e), -ENOTSUP);
    fake_failed(&e, -ENOTSUP, "vfio-no-reset");
    fake_contains(e.fix, "weir_device_hot_reset()");
    assert_int_equal(a->resets, 1);
}

/* All of the bus are ours, in one space or several; others of the instance do not notice. */
static void test_bus(void **state)
{
    struct weir_device *d = busy(A);
    struct weir_device *d2 = busy(A2);

    (void)state;
    busy(B);
    busy(C);
    assert_int_equal(weir_device_hot_reset(d, &e), 0);
    assert_int_equal(a->hot_resets, 1);
    assert_int_equal(a2->hot_resets, 1);
    assert_int_equal(b->hot_resets, 0);
    assert_false(works(a) || works(a2));
    assert_true(works(b));
    /* One of the bus alone, with more groups in the instance than devices to be reset. */
    assert_int_equal(weir_device_hot_reset(d2, &e), 0);
    fake_unplug(a2);
    snprintf(a2->address, sizeof(a2->address), "0000:09:00.0"); /* off that bus */
    assert_int_equal(weir_device_hot_reset(d, &e), 0);
    assert_int_equal(a->hot_resets, 3);
}

static void test_one_space(void **state)
{
    struct weir_space *s = fake_new_space(w, WEIR_VFIO_CONTAINER);
    struct weir_device *d = fake_open_device(w, A, s);

    (void)state;
    fake_open_device(w, A2, s);
    fake_open_device(w, B, s);
    fake_open_device(w, C, s);
    assert_int_equal(weir_device_hot_reset(d, &e), 0);
    assert_int_equal(a2->hot_resets, 1);
}

/* A group with several functions on the bus, of which one is open. */
static void test_group(void **state)
{
    struct weir_device *d = busy(A);

    (void)state;
    fake_add(A3, 1);
    fake_open_device(w, A2, NULL);
    assert_int_equal(weir_device_hot_reset(d, &e), 0);
    assert_int_equal(fake.functions[4].hot_resets, 1);
}

static void test_not_ours(void **state)
{
    struct weir *other = fake_weir();
    struct weir_device *d = busy(A);

    (void)state;
    fake_add(A3, 6);
    fake_bind(&fake.functions[4], NULL);
    assert_int_equal(weir_device_hot_reset(d, &e), -EPERM);
    fake_failed(&e, -EPERM, "hot-reset-owners");
    fake_contains(e.why, "these are not this program's: " A2 " (group 2, driver vfio-pci), " A3
                         " (group 6, driver none)");
    assert_int_equal(a->hot_resets, 0);
    assert_true(works(a)); /* nothing has happened to it */
    /* Another instance's are not ours. */
    fake_open_device(other, A2, NULL);
    assert_int_equal(weir_device_hot_reset(d, &e), -EPERM);
    /* sysfs does not show it any more. */
    fake_unplug(a2);
    assert_int_equal(weir_device_hot_reset(d, &e), -EPERM);
    fake_contains(e.why, A2 " (group -1, driver none)");
    weir_free(other);
}

static void test_refused(void **state)
{
    struct weir_device *d = busy(A);

    (void)state;
    busy(A2);
    fake_fail(VFIO_DEVICE_PCI_HOT_RESET, EBUSY, 0);
    assert_int_equal(weir_device_hot_reset(d, &e), -EBUSY);
    fake_failed(&e, -EBUSY, "vfio-hot-reset");
    assert_false(works(a) || works(a2)); /* quiet, as after a reset */
    fake_fail(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, EPERM, 1);
    assert_int_equal(weir_device_hot_reset(d, &e), -EPERM);
    fake_failed(&e, -EPERM, "vfio-hot-reset");
    fake_fail(0, 0, 0);
    fake.no_bus_reset = true;
    assert_int_equal(weir_device_hot_reset(d, &e), -ENODEV);
    fake_failed(&e, -ENODEV, "vfio-hot-reset");
    fake_contains(e.why, "its bus or slot has no reset");
    assert_int_equal(a->hot_resets, 0);
}

static unsigned more;
static int as;

static int tamper_count(unsigned long request, void *arg, int result)
{
    struct vfio_pci_hot_reset_info *info = arg;

    if (request != VFIO_DEVICE_GET_PCI_HOT_RESET_INFO)
        return result;
    info->count = (info->argsz - (uint32_t)sizeof(*info)) / 8 + more;
    return -as;
}

/* There are always more than there was room for. */
static void test_count_without_end(void **state)
{
    static const struct {
        unsigned more;
        int as;
    } cases[] = {{1, ENOSPC}, {1, 0}, {UINT32_MAX - 100, ENOSPC}, {UINT32_MAX - 100, 0}};
    struct weir_device *d = busy(A);

    (void)state;
    fake.tamper = tamper_count;
    for (unsigned i = 0; i < 4; i++) {
        more = cases[i].more;
        as = cases[i].as;
        errno = 0;
        assert_int_equal(weir_device_hot_reset(d, &e), -ENOSPC);
        fake_failed(&e, -ENOSPC, "vfio-hot-reset");
    }
    assert_int_equal(a->hot_resets, 0);
}

/* ---- through iommufd ---- */

static void test_iommufd(void **state)
{
    struct weir_space *s;
    struct weir_device *d;

    (void)state;
    fake_cdevs();
    s = fake_new_space(w, WEIR_VFIO_IOMMUFD);
    d = fake_open_device(w, A, s);
    assert_int_equal(weir_device_hot_reset(d, &e), -EPERM);
    fake_failed(&e, -EPERM, "hot-reset-owners");
    fake_contains(e.why, A2 " (group 2, driver vfio-pci)");
    /* In another IOAS it is somebody else's to the kernel. */
    weir_device_close(fake_open_device(w, A2, NULL));
    fake_open_device(w, A2, s);
    assert_int_equal(weir_device_hot_reset(d, &e), 0);
    assert_int_equal(a->hot_resets, 1);
    assert_int_equal(a2->hot_resets, 1);
}

/* One that is not open, in a group that is. */
static void test_iommufd_group(void **state)
{
    struct weir_device *d;

    (void)state;
    fake_unplug(a2);
    a2->group = 1;
    fake_plug(a2);
    fake_cdevs();
    d = fake_open_device(w, A, NULL);
    assert_int_equal(weir_device_hot_reset(d, &e), 0);
    assert_int_equal(a2->hot_resets, 1);
}

static void test_lost(void **state)
{
    struct weir_device *d = busy(A);
    struct weir_device *d2 = busy(A2);

    (void)state;
    weir_device_set_lost(d2, "as told");
    assert_int_equal(weir_device_hot_reset(d2, &e), -ENODEV);
    fake_failed(&e, -ENODEV, "device-lost");
    /* Its group is ours all the same. */
    assert_int_equal(weir_device_hot_reset(d, &e), 0);
    assert_int_equal(a2->hot_resets, 1);
    weir_device_release(d2, &e);
    assert_int_equal(weir_device_hot_reset(d, &e), -EPERM);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_function),          CASE(test_bus),
        CASE(test_one_space),         CASE(test_group),
        CASE(test_not_ours),          CASE(test_refused),
        CASE(test_count_without_end), CASE(test_iommufd),
        CASE(test_iommufd_group),     CASE(test_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
