/* SPDX-License-Identifier: BSD-3-Clause */
/* A model's configuration space, regions and interrupts, as a device shows them. */
#include "model_case.h"
#include <poll.h>

static void has_a_header(void **state)
{
    struct weir_device *d = open_toy(*state, "model:toy");
    struct weir_device_info info;

    weir_device_info(d, &info);
    assert_string_equal(info.name, "model:toy");
    assert_string_equal(info.backend, "model");
    assert_int_equal(info.vendor, 0x1234);
    assert_int_equal(info.device, 0x5678);
    assert_int_equal(info.subsystem_vendor, 0x9abc);
    assert_int_equal(info.subsystem_device, 0xdef0);
    assert_int_equal(info.class_code, 0x020000);
    assert_int_equal(info.revision, 7);
    assert_false(info.lost);
    assert_non_null(info.space);
    assert_int_equal(weir_config_read(d, PCI_HEADER_TYPE, 1), 0);
    assert_int_equal(weir_config_read(d, PCI_INTERRUPT_PIN, 1), 1);
    /* Read-only fields stay. */
    assert_int_equal(weir_config_write(d, PCI_VENDOR_ID, 4, 0xffffffff, NULL), 0);
    assert_int_equal(weir_config_read(d, PCI_VENDOR_ID, 4), 0x56781234);
    assert_int_equal(weir_config_write(d, PCI_INTERRUPT_LINE, 1, 0xab, NULL), 0);
    assert_int_equal(weir_config_read(d, PCI_INTERRUPT_LINE, 2), 0x01ab);
    /* Bad widths, and beyond the end */
    assert_int_equal(weir_config_read(d, 1, 2), 0xffffffff);
    assert_int_equal(weir_config_read(d, 0, 3), 0xffffffff);
    assert_int_equal(weir_config_read(d, 4096, 2), 0xffff);
    assert_int_equal(weir_config_write(d, 0, 8, 0, NULL), -EINVAL);
    assert_int_equal(weir_config_write(d, 4096, 4, 0, NULL), -EINVAL);
    weir_device_close(d);
}

static uint32_t size_bar(struct weir_device *d, unsigned bar)
{
    unsigned off = PCI_BASE_ADDRESS_0 + 4 * bar;
    weir_config_write(d, off, 4, 0xffffffff, NULL);
    uint32_t v = weir_config_read(d, off, 4);
    return v;
}

static void sizes_bars(void **state)
{
    struct weir_device *d = open_toy(*state, "model:toy");

    assert_int_equal(size_bar(d, 0), 0xffff000c); /* 64 KiB, 64-bit, prefetchable */
    assert_int_equal(size_bar(d, 1), 0xffffffff);
    assert_int_equal(size_bar(d, 2), 0xffffc000);
    assert_int_equal(size_bar(d, 3), 0);
    assert_int_equal(size_bar(d, 4), 0);
    weir_config_write(d, PCI_ROM_ADDRESS, 4, 0xfffff800, NULL);
    assert_int_equal(weir_config_read(d, PCI_ROM_ADDRESS, 4), 0);
    /* An address is kept, by bytes too. */
    weir_config_write(d, PCI_BASE_ADDRESS_2, 4, 0xfe000000, NULL);
    weir_config_write(d, PCI_BASE_ADDRESS_2 + 3, 1, 0xe0, NULL);
    assert_int_equal(weir_config_read(d, PCI_BASE_ADDRESS_2, 4), 0xe0000000);

    struct weir_region r;
    assert_int_equal(weir_device_region(d, WEIR_REGION_BAR0, &r), 0);
    assert_int_equal(r.size, 0x10000);
    assert_true(r.readable && r.writable);
    assert_null(r.map);
    assert_int_equal(weir_device_region(d, WEIR_REGION_BAR1, &r), 0);
    assert_int_equal(r.size, 0);
    assert_int_equal(weir_device_region(d, WEIR_REGION_CONFIG, &r), 0);
    assert_int_equal(r.size, 4096);
    assert_int_equal(weir_device_region(d, WEIR_N_REGIONS, &r), -EINVAL);
    weir_device_close(d);
}

static void lists_capabilities(void **state)
{
    struct weir_device *d = open_toy(*state, "model:toy");

    assert_int_equal(weir_config_read(d, PCI_CAPABILITY_LIST, 1), 0x40);
    assert_int_equal(weir_config_read(d, 0x41, 1), 0x50);
    assert_int_equal(weir_config_read(d, 0x51, 1), 0x70);
    assert_int_equal(weir_config_read(d, 0x71, 1), 0xa0);
    assert_int_equal(weir_config_read(d, 0xa1, 1), 0);
    assert_int_equal(weir_config_cap(d, PCI_CAP_ID_PM), 0x40);
    assert_int_equal(weir_config_cap(d, PCI_CAP_ID_MSI), 0x50);
    assert_int_equal(weir_config_cap(d, PCI_CAP_ID_MSIX), 0x70);
    assert_int_equal(weir_config_cap(d, PCI_CAP_ID_EXP), 0xa0);
    assert_int_equal(weir_config_cap(d, PCI_CAP_ID_VPD), 0);
    assert_int_equal(weir_config_read(d, 0x72, 2), 7);          /* eight vectors */
    assert_int_equal(weir_config_read(d, 0x74, 4), 0x1000 | 2); /* table in BAR 2 */
    assert_int_equal(weir_config_read(d, 0x78, 4), 0x2000 | 2);
    assert_int_equal(weir_config_read(d, 0x52, 2), 0x84); /* four vectors, 64 bits */
    weir_device_close(d);

    d = open_toy(*state, "model:plain");
    assert_int_equal(weir_config_cap(d, PCI_CAP_ID_PM), 0);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_MSIX), 0);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_INTX), 0);
    struct weir_region r;
    weir_device_region(d, WEIR_REGION_CONFIG, &r);
    assert_int_equal(r.size, 256);
    weir_device_close(d);
}

/* A device whose capability list bites its tail. */
static int loop_read(struct weir_device *d, unsigned region, uint64_t off, void *buf, size_t len,
                     struct weir_error *e)
{
    int ret = weir_device_model.read(d, region, off, buf, len, e);
    if (region == WEIR_REGION_CONFIG && off == 0x70 && len == 2)
        memcpy(buf, "\x11\x50", 2);
    return ret;
}

static void survives_a_capability_loop(void **state)
{
    struct weir_device *d = open_toy(*state, "model:toy");
    struct weir_device_ops ops = weir_device_model;

    ops.read = loop_read;
    d->ops = &ops;
    assert_int_equal(weir_config_cap(d, PCI_CAP_ID_MSIX), 0x70);
    assert_int_equal(weir_config_cap(d, PCI_CAP_ID_EXP), 0);
    weir_device_close(d);
}

static void obeys_the_command_register(void **state)
{
    struct weir_device *d = open_toy(*state, "model:toy");
    struct weir_model *m = model_of(d);

    /* After opening: memory decoding on, bus mastering off */
    assert_int_equal(weir_config_read(d, PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
    assert_false(weir_model_bus_master(m));
    assert_int_equal(weir_device_bus_master(d, true, NULL), 0);
    assert_true(weir_model_bus_master(m));
    assert_int_equal(weir_config_read(d, PCI_COMMAND, 2), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    assert_int_equal(weir_device_bus_master(d, false, NULL), 0);
    assert_false(weir_model_bus_master(m));

    weir_write32(d, 0, REG_KEEP, 0x12345678);
    assert_int_equal(weir_read32(d, 0, REG_KEEP), 0x12345678);
    weir_config_write(d, PCI_COMMAND, 2, 0, NULL); /* nothing decodes the BARs now */
    assert_int_equal(weir_read32(d, 0, REG_KEEP), 0xffffffff);
    weir_write32(d, 0, REG_KEEP, 1);
    weir_config_write(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY, NULL);
    assert_int_equal(weir_read32(d, 0, REG_KEEP), 0x12345678);
    weir_device_close(d);
}

static void sleeps_in_d3(void **state)
{
    struct weir_device *d = open_toy(*state, "model:toy");
    unsigned pmcsr = 0x40 + PCI_PM_CTRL;

    weir_write32(d, 0, REG_KEEP, 42);
    weir_device_bus_master(d, true, NULL);
    unsigned resets = toy_of(d)->resets;
    weir_config_write(d, pmcsr, 2, 1, NULL); /* D1 is not supported */
    assert_int_equal(weir_config_read(d, pmcsr, 2) & 3, 0);
    weir_config_write(d, pmcsr, 2, 3, NULL);
    assert_int_equal(weir_config_read(d, pmcsr, 2) & 3, 3);
    assert_int_equal(weir_read32(d, 0, REG_KEEP), 0xffffffff);
    assert_false(weir_model_bus_master(model_of(d)));
    weir_config_write(d, pmcsr, 2, 0, NULL);
    assert_int_equal(weir_read32(d, 0, REG_KEEP), 42); /* no soft reset, as bit 3 says */
    assert_true(weir_config_read(d, pmcsr, 2) & PCI_PM_CTRL_NO_SOFT_RESET);
    assert_true(weir_model_bus_master(model_of(d)));
    assert_int_equal(toy_of(d)->resets, resets);
    weir_device_close(d);
}

static void resets(void **state)
{
    struct weir_device *d = open_toy(*state, "model:toy");
    unsigned before = toy_of(d)->resets;

    weir_write32(d, 0, REG_KEEP, 42);
    weir_device_bus_master(d, true, NULL);
    weir_config_write(d, PCI_BASE_ADDRESS_2, 4, 0xfe000000, NULL);
    /* Function-level reset by the PCI Express capability; the bit reads as zero. */
    uint32_t devctl = weir_config_read(d, 0xa0 + PCI_EXP_DEVCTL, 2);
    weir_config_write(d, 0xa0 + PCI_EXP_DEVCTL, 2, devctl | PCI_EXP_DEVCTL_BCR_FLR, NULL);
    assert_int_equal(toy_of(d)->resets, before + 1);
    assert_int_equal(weir_config_read(d, 0xa0 + PCI_EXP_DEVCTL, 2), devctl);
    assert_int_equal(weir_config_read(d, PCI_COMMAND, 2), 0);
    assert_int_equal(weir_config_read(d, PCI_BASE_ADDRESS_2, 4), 0);

    weir_device_bus_master(d, true, NULL);
    weir_write32(d, 0, REG_KEEP, 42);
    assert_int_equal(weir_device_reset(d, NULL), 0);
    assert_int_equal(toy_of(d)->resets, before + 2);
    assert_int_equal(weir_read32(d, 0, REG_KEEP), 0);
    assert_int_equal(weir_config_read(d, PCI_COMMAND, 2),
                     PCI_COMMAND_MEMORY); /* as after opening */
    weir_device_close(d);
}

static void splits_accesses(void **state)
{
    struct weir_device *d = open_toy(*state, "model:toy");
    struct toy *t = toy_of(d);
    uint8_t in[32], out[32];

    for (unsigned i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i + 1);
    assert_int_equal(weir_region_write(d, 0, 0x101, in, 16, NULL), 0);
    static const unsigned widths[] = {1, 2, 4, 8, 1};
    assert_int_equal(t->n_widths, 5);
    assert_memory_equal(t->widths, widths, sizeof(widths));
    assert_memory_equal(t->regs + 0x101, in, 16);
    assert_int_equal(weir_region_read(d, 0, 0x101, out, 16, NULL), 0);
    assert_memory_equal(in, out, 16);

    struct weir_error e;
    memset(out, 0, sizeof(out));
    assert_int_equal(weir_region_read(d, 0, 0xfff8, out, 9, &e), -EINVAL);
    assert_string_equal(e.code, "device-access");
    assert_int_equal(out[8], 0xff);
    assert_int_equal(weir_region_read(d, 0, UINT64_MAX, out, 2, &e), -EINVAL);
    assert_int_equal(weir_region_write(d, 0, 0x10000, in, 1, &e), -EINVAL);
    assert_int_equal(weir_region_read(d, 1, 0, out, 1, &e), -EINVAL);
    assert_int_equal(weir_region_read(d, 99, 0, out, 1, &e), -EINVAL);
    assert_int_equal(weir_read32(d, 0, 0x10000), 0xffffffff);
    assert_int_equal(weir_read32(d, 0, 2), 0xffffffff);
    assert_int_equal(weir_read32(d, 99, 0), 0xffffffff);
    weir_write32(d, 0, 0x10000, 1); /* swallowed */
    weir_write32(d, 99, 0, 1);
    /* As a transport delivers them, unchecked */
    struct weir_model *m = model_of(d);
    assert_int_equal(weir_model_region_read(m, 0, 0xffff, out, 2), -EINVAL);
    assert_int_equal(weir_model_region_write(m, WEIR_REGION_CONFIG, 4095, in, 2), -EINVAL);
    assert_int_equal(weir_model_region_write(m, WEIR_REGION_ROM, 0, in, 1), -EINVAL);
    weir_device_close(d);
}

static void signals_msix(void **state)
{
    struct weir_device *d = open_toy(*state, "model:toy");
    struct weir_model *m = model_of(d);
    int fds[2] = {event_fd(), event_fd()};

    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_MSIX), 8);
    weir_write32(d, 0, REG_RAISE, 1); /* nothing is enabled: lost */
    assert_false(weir_model_msix_enabled(m));
    /* An untouched table is masked. */
    assert_int_equal(weir_read32(d, 2, 0x1000 + 16 + 12), 1);

    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 1, 2, fds, NULL), 0);
    assert_true(weir_model_msix_enabled(m));
    assert_true(weir_config_read(d, 0x72, 2) & PCI_MSIX_FLAGS_ENABLE);
    assert_int_equal(weir_read32(d, 2, 0x1000 + 16 + 12), 0);
    assert_int_equal(take(fds[0]), 0);
    weir_write32(d, 0, REG_RAISE, 1);
    weir_write32(d, 0, REG_RAISE, 2);
    weir_write32(d, 0, REG_RAISE, 2);
    weir_write32(d, 0, REG_RAISE, 8); /* there is none */
    assert_int_equal(take(fds[0]), 1);
    assert_int_equal(take(fds[1]), 2);

    /* Masked in the table: pending, and sent once when it is unmasked. */
    weir_write32(d, 2, 0x1000 + 16 + 12, 1);
    weir_write32(d, 0, REG_RAISE, 1);
    weir_write32(d, 0, REG_RAISE, 1);
    assert_int_equal(take(fds[0]), 0);
    assert_int_equal(weir_read32(d, 2, 0x2000), 1u << 1);
    weir_write32(d, 2, 0x2000, 0); /* pending bits are read-only */
    assert_int_equal(weir_read32(d, 2, 0x2000), 1u << 1);
    weir_write32(d, 2, 0x1000 + 16 + 12, 0);
    assert_int_equal(take(fds[0]), 1);
    assert_int_equal(weir_read32(d, 2, 0x2000), 0);

    /* The function mask holds all of them. */
    weir_config_write(d, 0x72, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, NULL);
    weir_write32(d, 0, REG_RAISE, 1);
    weir_write32(d, 0, REG_RAISE, 2);
    assert_int_equal(take(fds[0]) + take(fds[1]), 0);
    weir_config_write(d, 0x72, 2, PCI_MSIX_FLAGS_ENABLE, NULL);
    assert_int_equal(take(fds[0]), 1);
    assert_int_equal(take(fds[1]), 1);

    /* By the user of the device (VFIO_IRQ_SET_ACTION_MASK) */
    assert_int_equal(weir_model_irq_mask(m, WEIR_IRQ_MSIX, 2, 1, true), 0);
    weir_write32(d, 0, REG_RAISE, 2);
    assert_int_equal(take(fds[1]), 0);
    assert_int_equal(weir_model_irq_mask(m, WEIR_IRQ_MSIX, 2, 1, false), 0);
    assert_int_equal(take(fds[1]), 1);
    assert_int_equal(weir_model_irq_trigger(m, WEIR_IRQ_MSIX, 1, 2), 0);
    assert_int_equal(take(fds[0]) + take(fds[1]), 2);
    assert_int_equal(weir_model_irq_mask(m, WEIR_IRQ_MSIX, 7, 2, true), -EINVAL);
    assert_int_equal(weir_model_irq_trigger(m, WEIR_IRQ_MSIX, UINT32_MAX, 2), -EINVAL);

    /* The rest of the table is memory. */
    weir_write32(d, 2, 0x1000, 0xfee00000);
    weir_write32(d, 2, 0x1008, 0x4041);
    assert_int_equal(weir_read32(d, 2, 0x1000), 0xfee00000);
    assert_int_equal(weir_read32(d, 2, 0x1008), 0x4041);

    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 0, NULL, NULL), 0);
    assert_false(weir_model_msix_enabled(m));
    weir_write32(d, 0, REG_RAISE, 1);
    assert_int_equal(take(fds[0]), 0);
    weir_device_close(d);
    close(fds[0]);
    close(fds[1]);
}

static void never_blocks_on_an_eventfd(void **state)
{
    struct weir_device *d = open_toy(*state, "model:toy");
    int fd = eventfd(0, EFD_CLOEXEC); /* blocking, and full */
    uint64_t full = UINT64_MAX - 1;

    assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 1, &fd, NULL), 0);
    weir_write32(d, 0, REG_RAISE, 0);
    assert_int_equal(take(fd), full);
    weir_device_close(d);
    close(fd);
}

/* A client fills the counter after it was looked at. */
static bool filled_meanwhile;

int __real_poll(struct pollfd *p, nfds_t n, int ms);
int __wrap_poll(struct pollfd *p, nfds_t n, int ms);
int __wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
    if (!filled_meanwhile)
        return __real_poll(p, n, ms);
    p->revents = p->events;
    return 1;
}

static void never_blocks_on_a_clients_eventfd(void **state)
{
    struct kit_case *c = *state;
    struct weir_siommu *s = weir_siommu_new(NULL);
    struct weir_model *m = weir_model_new(c->w, "toy", NULL);
    int fd = eventfd(0, EFD_CLOEXEC);
    uint64_t full = UINT64_MAX - 1;

    assert_int_equal(weir_model_attach(m, s, true, NULL), 0);
    assert_int_equal(weir_model_irq_set(m, WEIR_IRQ_MSIX, 0, 1, &fd), 0);
    filled_meanwhile = true;
    assert_int_equal(weir_model_irq_trigger(m, WEIR_IRQ_MSIX, 0, 1), 0);
    assert_int_equal(weir_model_irq_trigger(m, WEIR_IRQ_MSIX, 0, 1), 0);
    assert_int_equal(take(fd), 2); /* it signals */
    assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
    alarm(10); /* and waits for nobody */
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(weir_model_irq_trigger(m, WEIR_IRQ_MSIX, 0, 1), 0);
    alarm(0);
    filled_meanwhile = false;
    assert_true(take(fd) >= full);
    assert_int_equal(weir_model_irq_trigger(m, WEIR_IRQ_MSIX, 0, 1), 0);
    assert_int_equal(take(fd), 1);
    weir_model_detach(m);
    weir_model_free(m);
    weir_siommu_free(s);
    close(fd);
}

static void refuses_bad_interrupts(void **state)
{
    struct weir_device *d = open_toy(*state, "model:toy");
    int fds[9], pipes[2];
    struct weir_error e;

    memset(fds, 0xff, sizeof(fds));
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 9, fds, &e), -EINVAL);
    assert_string_equal(e.code, "device-irq");
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 8, 1, fds, &e), -EINVAL);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 1, UINT32_MAX, fds, &e), -EINVAL);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 1, NULL, &e), -EINVAL);
    assert_int_equal(weir_device_irq_set(d, WEIR_N_IRQS, 0, 0, NULL, &e), -EINVAL);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_REQ, 0, 1, fds, &e), -EINVAL);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_ERR, 1, 1, fds, &e), -EINVAL);
    /* A PCI Express function has an error interrupt, as the kernel's; QEMU warns if not. */
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_ERR), 1);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_ERR, 0, 1, fds, &e), 0);
    /* A pipe whose reader is gone would kill the process. */
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 1, &pipes[1], &e), -EINVAL);
    assert_string_equal(e.code, "device-irq");
    close(pipes[0]);
    close(pipes[1]);
    weir_device_close(d);
}

static void signals_msi(void **state)
{
    struct weir_device *d = open_toy(*state, "model:toy");
    int fds[2] = {event_fd(), event_fd()};

    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_MSI), 4);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSI, 0, 2, fds, NULL), 0);
    assert_true(weir_config_read(d, 0x52, 2) & PCI_MSI_FLAGS_ENABLE);
    weir_write32(d, 0, REG_RAISE, 1);
    weir_write32(d, 0, REG_RAISE, 4); /* only four: the first again */
    assert_int_equal(take(fds[0]), 1);
    assert_int_equal(take(fds[1]), 1);
    weir_config_write(d, 0x52, 2, 0, NULL);
    weir_write32(d, 0, REG_RAISE, 1);
    assert_int_equal(take(fds[1]), 0);
    weir_device_close(d);
    close(fds[0]);
    close(fds[1]);
}

static void signals_intx(void **state)
{
    struct weir_device *d = open_toy(*state, "model:toy");
    struct weir_model *m = model_of(d);
    int fd = event_fd();

    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_INTX), 1);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_INTX, 0, 1, &fd, NULL), 0);
    weir_write32(d, 0, REG_INTX, 1);
    assert_int_equal(take(fd), 1);
    assert_true(weir_config_read(d, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    weir_write32(d, 0, REG_INTX, 1); /* it masked itself */
    assert_int_equal(take(fd), 0);
    /* Still asserted when unmasked: again */
    assert_int_equal(weir_model_irq_mask(m, WEIR_IRQ_INTX, 0, 1, false), 0);
    assert_int_equal(take(fd), 1);
    weir_write32(d, 0, REG_INTX, 0);
    assert_false(weir_config_read(d, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    assert_int_equal(weir_model_irq_mask(m, WEIR_IRQ_INTX, 0, 1, false), 0);
    assert_int_equal(take(fd), 0);

    assert_int_equal(weir_device_irq_unmask(d, WEIR_IRQ_MSIX, NULL), 0); /* nothing to do */
    weir_write32(d, 0, REG_INTX, 1);
    assert_int_equal(take(fd), 1);
    assert_int_equal(weir_device_irq_unmask(d, WEIR_IRQ_INTX, NULL), 0);
    assert_int_equal(take(fd), 1);
    weir_write32(d, 0, REG_INTX, 0);
    assert_int_equal(weir_device_irq_unmask(d, WEIR_IRQ_INTX, NULL), 0);

    weir_config_write(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE, NULL);
    weir_write32(d, 0, REG_INTX, 1);
    assert_int_equal(take(fd), 0);
    weir_config_write(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY, NULL);
    assert_int_equal(take(fd), 1);

    /* Not while messages are what is used */
    weir_write32(d, 0, REG_INTX, 0);
    weir_model_irq_mask(m, WEIR_IRQ_INTX, 0, 1, false);
    weir_config_write(d, 0x72, 2, PCI_MSIX_FLAGS_ENABLE, NULL);
    weir_write32(d, 0, REG_INTX, 1);
    assert_int_equal(take(fd), 0);
    weir_device_close(d);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CASE(has_a_header),
        CASE(sizes_bars),
        CASE(lists_capabilities),
        CASE(survives_a_capability_loop),
        CASE(obeys_the_command_register),
        CASE(sleeps_in_d3),
        CASE(resets),
        CASE(splits_accesses),
        CASE(signals_msix),
        CASE(never_blocks_on_an_eventfd),
        CASE(never_blocks_on_a_clients_eventfd),
        CASE(refuses_bad_interrupts),
        CASE(signals_msi),
        CASE(signals_intx),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
