/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts and resets through the kernel. $VFIO is an X540 (MSI-X, 64 vectors) and an edu (MSI,
 * INTx), through $API.
 */
#include "vm.h"

#include "hw/x540/regs.h"
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <weir/driver/driver.h>

enum { EDU_RAISE = 0x60, EDU_ACK = 0x64 };
enum { N = 8 };

static struct weir_device *open_device(struct weir *w, unsigned n)
{
    struct weir_error e;
    struct weir_device *d = weir_device_open(w, vm_device(n), NULL, &e);

    must_ptr(d, &e);
    return d;
}

static bool fires(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint64_t count;

    return poll(&p, 1, 60000) == 1 && read(fd, &count, sizeof(count)) == sizeof(count);
}

static bool silent(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 0;
}

static void make(int *fds)
{
    for (int i = 0; i < N; i++)
        fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* Queue n's cause goes to vector n, and software raises it (datasheet 8.2.3.5: EICS, IVAR). */
static void route(struct weir_device *d, unsigned vectors)
{
    weir_write32(d, WEIR_REGION_BAR0, X540_GPIE, X540_GPIE_MULTIPLE_MSIX | X540_GPIE_PBA_SUPPORT);
    for (unsigned n = 0; n < vectors; n += 2) {
        uint32_t v = 0x80u | n | (0x80u | (n + 1)) << 16;

        weir_write32(d, WEIR_REGION_BAR0, X540_IVAR + 4 * (n / 2), v);
    }
    weir_write32(d, WEIR_REGION_BAR0, X540_EIMS, (1u << vectors) - 1);
}

static void raise(struct weir_device *d, unsigned vector)
{
    weir_write32(d, WEIR_REGION_BAR0, X540_EICS, 1u << vector);
}

static void msix_vectors(void **state)
{
    struct weir *w = vm_instance();
    struct weir_device *d = open_device(w, 0);
    struct weir_error e;
    int fds[N], some[5];

    (void)state;
    make(fds);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_MSIX), 64);
    must(weir_device_bus_master(d, true, &e), &e); /* an MSI is a write to memory */

    /* Vectors 1 and 3 of the first four. */
    memcpy(some, (int[]){-1, fds[1], -1, fds[3]}, 4 * sizeof(int));
    must(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 4, some, &e), &e);
    route(d, N);
    raise(d, 1);
    assert_true(fires(fds[1]));
    raise(d, 0); /* nobody asked for it */
    raise(d, 3);
    assert_true(fires(fds[3]));
    assert_true(silent(fds[0]) && silent(fds[1]) && silent(fds[2]));

    /* More behind them, while these are in use. */
    must(weir_device_irq_set(d, WEIR_IRQ_MSIX, 5, 2, &fds[5], &e), &e);
    route(d, N);
    raise(d, 5);
    assert_true(fires(fds[5]));
    raise(d, 6);
    assert_true(fires(fds[6]));
    raise(d, 1);
    assert_true(fires(fds[1]));

    /* One of them is left out from now on, another changes. */
    memcpy(some, (int[]){-1}, sizeof(int));
    must(weir_device_irq_set(d, WEIR_IRQ_MSIX, 1, 1, some, &e), &e);
    must(weir_device_irq_set(d, WEIR_IRQ_MSIX, 3, 1, &fds[7], &e), &e);
    raise(d, 1);
    raise(d, 3);
    assert_true(fires(fds[7]));
    assert_true(silent(fds[1]) && silent(fds[3]));

    /* None at all, and all anew. */
    must(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 0, NULL, &e), &e);
    must(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, N, fds, &e), &e);
    route(d, N);
    for (unsigned i = 0; i < N; i++) {
        raise(d, i);
        assert_true(fires(fds[i]));
    }
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 60, 5, fds, &e), -EINVAL);
    for (int i = 0; i < N; i++)
        close(fds[i]);
    weir_free(w);
}

static void msi_then_intx(void **state)
{
    struct weir *w = vm_instance();
    struct weir_device *d = open_device(w, 1);
    struct weir_error e;
    int fds[N];

    (void)state;
    make(fds);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_MSI), 1);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_INTX), 1);
    must(weir_device_bus_master(d, true, &e), &e);
    must(weir_device_irq_set(d, WEIR_IRQ_MSI, 0, 1, fds, &e), &e);
    for (int i = 0; i < 3; i++) {
        weir_write32(d, WEIR_REGION_BAR0, EDU_RAISE, 1);
        assert_true(fires(fds[0]));
        weir_write32(d, WEIR_REGION_BAR0, EDU_ACK, 1);
    }
    /* One kind at a time. */
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_INTX, 0, 1, fds, &e), -EBUSY);
    assert_string_equal(e.code, "device-irq-kind");
    must(weir_device_irq_set(d, WEIR_IRQ_MSI, 0, 0, NULL, &e), &e);

    /* INTx masks itself when it fires. */
    must(weir_device_irq_set(d, WEIR_IRQ_INTX, 0, 1, &fds[1], &e), &e);
    for (int i = 0; i < 3; i++) {
        weir_write32(d, WEIR_REGION_BAR0, EDU_RAISE, 1);
        assert_true(fires(fds[1]));
        assert_true(silent(fds[1]));
        weir_write32(d, WEIR_REGION_BAR0, EDU_ACK, 1);
        must(weir_device_irq_unmask(d, WEIR_IRQ_INTX, &e), &e);
    }
    assert_true(silent(fds[0]));
    for (int i = 0; i < N; i++)
        close(fds[i]);
    weir_free(w);
}

static void regions(void **state)
{
    struct weir *w = vm_instance();
    struct weir_device *x540 = open_device(w, 0), *edu = open_device(w, 1);
    struct weir_region r;
    struct weir_error e;
    uint32_t status;

    (void)state;
    /* QEMU maps no registers of a vfio-user device; those of edu are mapped. */
    assert_int_equal(weir_device_region(x540, WEIR_REGION_BAR0, &r), 0);
    assert_int_equal(r.size, 2 << 20);
    assert_int_equal(weir_device_region(edu, WEIR_REGION_BAR0, &r), 0);
    assert_int_equal(r.size, 1 << 20);
    assert_non_null(r.map);
    assert_int_equal(r.map_size, r.size);
    assert_int_equal(*(volatile uint32_t *)(volatile void *)r.map, 0x010000ed);
    must(weir_region_read(edu, WEIR_REGION_BAR0, 0, &status, 4, &e), &e);
    assert_int_equal(status, 0x010000ed);
    assert_int_equal(weir_device_region(edu, WEIR_REGION_CONFIG, &r), 0);
    assert_int_equal(r.size, 256); /* conventional PCI */
    assert_int_equal(weir_device_region(x540, WEIR_REGION_CONFIG, &r), 0);
    assert_int_equal(r.size, 4096);
    assert_int_equal(weir_config_cap(x540, PCI_CAP_ID_MSIX), 0x70);
    assert_int_equal(weir_config_cap(edu, PCI_CAP_ID_MSIX), 0);
    assert_true(weir_config_cap(edu, PCI_CAP_ID_MSI) != 0);

    /* Memory decoding and power stay on while registers are mapped. */
    assert_int_equal(weir_config_write(edu, PCI_COMMAND, 2, 0, &e), -EPERM);
    assert_string_equal(e.code, "device-asleep");
    unsigned pm = weir_config_cap(x540, PCI_CAP_ID_PM);
    assert_int_not_equal(pm, 0);
    assert_int_equal(weir_config_write(x540, pm + PCI_PM_CTRL, 2, 3, &e), -EPERM);
    assert_int_equal(weir_read32(edu, WEIR_REGION_BAR0, 0), 0x010000ed);
    weir_free(w);
}

/* What the function remembers is gone afterwards; memory decoding is on and bus mastering off. */
static void resets(void **state)
{
    struct weir *w = vm_instance();
    struct weir_device *d = open_device(w, 0);
    struct weir_error e;

    (void)state;
    weir_write32(d, WEIR_REGION_BAR0, X540_LEDCTL, 0x01020304);
    must(weir_device_bus_master(d, true, &e), &e);
    assert_int_equal(weir_read32(d, WEIR_REGION_BAR0, X540_LEDCTL), 0x01020304);
    must(weir_device_reset(d, &e), &e);
    assert_int_not_equal(weir_read32(d, WEIR_REGION_BAR0, X540_LEDCTL), 0x01020304);
    assert_int_equal(weir_config_read(d, PCI_COMMAND, 2) & PCI_COMMAND_MASTER, 0);
    assert_int_not_equal(weir_config_read(d, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY, 0);
    weir_free(w);
}

/* edu sits alone behind its port, so its bus can be reset. */
static void hot_resets(void **state)
{
    struct weir *w = vm_instance();
    struct weir_device *d = open_device(w, 1), *two, *three;
    struct weir_error e;

    (void)state;
    must(weir_device_hot_reset(d, &e), &e);
    assert_int_equal(weir_read32(d, WEIR_REGION_BAR0, 0), 0x010000ed);

    /* Two functions of one slot that no ACS keeps apart are one group, and owning it is enough. */
    two = open_device(w, 2);
    must(weir_device_hot_reset(two, &e), &e);
    three = open_device(w, 3);
    must(weir_device_bus_master(three, true, &e), &e);
    must(weir_device_hot_reset(two, &e), &e);
    assert_int_equal(weir_read32(two, WEIR_REGION_BAR0, 0), 0x010000ed);
    assert_int_equal(weir_read32(three, WEIR_REGION_BAR0, 0), 0x010000ed);
    assert_int_equal(weir_config_read(three, PCI_COMMAND, 2) & PCI_COMMAND_MASTER, 0);
    weir_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(msix_vectors), cmocka_unit_test(msi_then_intx), cmocka_unit_test(regions),
        cmocka_unit_test(resets),       cmocka_unit_test(hot_resets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
