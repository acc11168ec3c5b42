/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model kit: specs, configuration space, interrupts, regions, faults and steps, seen through
 * the kit and through a device, with a model that exists only here.
 */
#include "lib/device/backend.h"
#include "lib/model/model.h"
#include <errno.h>
#include <linux/pci_regs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <weir/io.h>
#include <cmocka.h>

/* The model: 64 KiB of registers that keep what is written and note how, and a DMA on command. */
enum { REG_KEEP = 0x10, REG_WIDTHS = 0x20, REG_RAISE = 0x30, REG_INTX = 0x34 };

struct toy {
    uint8_t regs[0x10000];
    unsigned widths[32], n_widths; /* of the writes that came */
    unsigned resets, links;
    bool link;
    uint64_t dma_iova; /* read 16 bytes from there in the next step; 0: nothing */
    bool dma_write;
    int dma_result;
    bool wants;
    uint64_t deadline;
};

static int toy_create(struct weir_model *m, struct weir_error *e)
{
    struct toy *t = calloc(1, sizeof(*t));
    (void)e;
    t->wants = true;
    t->deadline = UINT64_MAX;
    weir_model_set_priv(m, t);
    return 0;
}

static void toy_destroy(struct weir_model *m)
{
    free(weir_model_priv(m));
}

static void toy_reset(struct weir_model *m)
{
    struct toy *t = weir_model_priv(m);
    t->resets++;
    memset(t->regs, 0, sizeof(t->regs));
}

static uint64_t toy_read(struct weir_model *m, unsigned bar, uint64_t off, unsigned width)
{
    struct toy *t = weir_model_priv(m);
    uint64_t v = 0;
    assert_int_equal(bar, 0);
    assert_int_equal(off % width, 0);
    memcpy(&v, t->regs + off, width);
    return v;
}

static void toy_write(struct weir_model *m, unsigned bar, uint64_t off, unsigned width,
                      uint64_t value)
{
    struct toy *t = weir_model_priv(m);
    assert_int_equal(bar, 0);
    assert_int_equal(off % width, 0);
    if (t->n_widths < 32)
        t->widths[t->n_widths++] = width;
    memcpy(t->regs + off, &value, width);
    if (off == REG_RAISE)
        weir_model_raise(m, (unsigned)value);
    if (off == REG_INTX)
        weir_model_intx(m, value);
}

static unsigned toy_step(struct weir_model *m, unsigned budget)
{
    struct toy *t = weir_model_priv(m);
    uint8_t buf[16] = "written";
    struct weir_dma_who who = {.queue = "ring", .queue_index = 3, .descriptor = 77};

    if (!t->dma_iova)
        return 0;
    if (t->dma_write)
        t->dma_result = weir_model_dma_write(m, t->dma_iova, buf, sizeof(buf), &who);
    else
        t->dma_result = weir_model_dma_read(m, t->dma_iova, buf, sizeof(buf), &who);
    t->dma_iova = 0;
    return budget;
}

static uint64_t toy_deadline(struct weir_model *m)
{
    return ((struct toy *)weir_model_priv(m))->deadline;
}

static bool toy_wants(struct weir_model *m, unsigned wire)
{
    (void)wire;
    return ((struct toy *)weir_model_priv(m))->wants;
}

static void toy_link(struct weir_model *m, unsigned wire, bool up)
{
    struct toy *t = weir_model_priv(m);
    (void)wire;
    t->links++;
    t->link = up;
}

static const struct weir_model_ops toy = {
    .name = "toy",
    .params = "colour size",
    .help = "",
    .wires = 2,
    .pci =
        {.vendor = 0x1234,
         .device = 0x5678,
         .subsystem_vendor = 0x9abc,
         .subsystem_device = 0xdef0,
         .class_code = 0x020000,
         .revision = 7,
         .bars =
             {[0] = {.size = 0x10000, .is64 = true, .prefetchable = true}, [2] = {.size = 0x4000}},
         .interrupt_pin = 1,
         .msix_cap = 0x70, /* declared in another order than they lie */
         .msix_bar = 2,
         .msix_vectors = 8,
         .msix_table = 0x1000,
         .msix_pba = 0x2000,
         .pm_cap = 0x40,
         .msi_cap = 0x50,
         .msi_vectors = 4,
         .pcie_cap = 0xa0},
    .create = toy_create,
    .destroy = toy_destroy,
    .reset = toy_reset,
    .read = toy_read,
    .write = toy_write,
    .step = toy_step,
    .deadline = toy_deadline,
    .wants = toy_wants,
    .link = toy_link,
};

static const struct weir_model_ops plain = {
    .name = "plain",
    .pci = {.vendor = 1, .device = 2, .bars = {[0] = {.size = 0x1000}}},
    .create = toy_create,
    .destroy = toy_destroy,
    .reset = toy_reset,
    .read = toy_read,
    .write = toy_write,
    .step = toy_step,
};

struct kit_case {
    struct weir *w;
    char log[16384];
    unsigned warnings;
};

static void keep_log(void *user, enum weir_log_level level, const char *part, const char *text)
{
    struct kit_case *c = user;
    size_t used = strlen(c->log);
    snprintf(c->log + used, sizeof(c->log) - used, "%s: %s\n", part, text);
    c->warnings += level <= WEIR_LOG_WARNING;
}

static int set_up(void **state)
{
    struct kit_case *c = calloc(1, sizeof(*c));
    struct weir_options opt = {
        .size = sizeof(opt), .log = keep_log, .log_user = c, .log_level = WEIR_LOG_DEBUG};
    c->w = weir_new(&opt, NULL);
    *state = c;
    return weir_model_register(c->w, &toy, NULL) || weir_model_register(c->w, &plain, NULL);
}

static int tear_down(void **state)
{
    struct kit_case *c = *state;
    weir_free(c->w);
    free(c);
    return 0;
}

static struct weir_device *open_toy(struct kit_case *c, const char *spec)
{
    struct weir_error e = {0};
    struct weir_device *d = weir_device_open(c->w, spec, NULL, &e);
    if (!d)
        fail_msg("%s: %s: %s", spec, e.what, e.why);
    return d;
}

static struct weir_model *model_of(struct weir_device *d)
{
    struct weir_device_info info;
    weir_device_info(d, &info);
    return info.model;
}

static struct toy *toy_of(struct weir_device *d)
{
    return weir_model_priv(model_of(d));
}

static uint64_t take(int fd)
{
    uint64_t n = 0;
    return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static int event_fd(void)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void refuses_bad_specs(void **state)
{
    struct kit_case *c = *state;
    static const struct {
        const char *spec, *code, *in_why, *in_fix;
        int err;
    } bad[] = {
        {"tiger", "model-name", "plain, toy", "", -ENOENT},
        {"", "model-name", "plain, toy", "", -ENOENT},
        {"toy?speed=3", "model-param", "unknown key: 'speed'", "wire, colour, size", -EINVAL},
        {"toy?colour=red&colour=blue", "model-param", "twice: 'colour'", "", -EINVAL},
        {"toy?colour", "model-param", "no value: 'colour'", "", -EINVAL},
        {"toy?colour=", "model-param", "no value", "", -EINVAL},
        {"toy?=red", "model-param", "missing", "", -EINVAL},
        {"toy?", "model-param", "missing", "", -EINVAL},
        {"toy?colour=red&", "model-param", "missing", "", -EINVAL},
        {"toy?colours=red", "model-param", "unknown key: 'colours'", "", -EINVAL},
        {"toy?wire=loopback&wire=loopback&wire=loopback", "model-param", "more wires", "", -EINVAL},
        {"plain?wire=loopback", "model-param", "unknown key: 'wire'", "takes none", -EINVAL},
        {"toy?co\nlour=1", "model-param", "'co?lour'", "", -EINVAL},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct weir_error e = {0};
        assert_null(weir_model_new(c->w, bad[i].spec, &e));
        assert_string_equal(e.code, bad[i].code);
        assert_int_equal(e.err, bad[i].err);
        if (!strstr(e.why, bad[i].in_why) && strcmp(bad[i].code, "model-name") != 0)
            fail_msg("%s: %s", bad[i].spec, e.why);
        if (!strstr(e.fix, bad[i].in_fix))
            fail_msg("%s: %s", bad[i].spec, e.fix);
    }
    struct weir_error e = {0};
    assert_null(weir_model_new(c->w, "tiger", &e));
    assert_non_null(strstr(e.why, "toy"));
    assert_non_null(strstr(e.why, "plain"));
    assert_null(weir_model_new(c->w, "toy?wire=string:x", &e)); /* the wire's own error */
}

static void reads_parameters(void **state)
{
    struct kit_case *c = *state;
    struct weir_model *m = weir_model_new(c->w, "toy?colour=a=b:c,d&wire=loopback&size=9", NULL);
    assert_non_null(m);
    assert_string_equal(weir_model_param(m, "colour"), "a=b:c,d");
    assert_string_equal(weir_model_param(m, "size"), "9");
    assert_string_equal(weir_model_param(m, "wire"), "loopback");
    assert_null(weir_model_param(m, "shape"));
    assert_non_null(weir_model_wire(m, 0));
    assert_null(weir_model_wire(m, 1));
    struct weir_error e;
    assert_int_equal(weir_model_set(m, "colour", "red", &e), -EINVAL);
    assert_string_equal(e.code, "model-param");
    weir_model_free(m);
}

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
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_ERR, 0, 1, fds, &e), -EINVAL);
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

static void steps_with_dma(void **state)
{
    struct kit_case *c = *state;
    struct weir_device *d = open_toy(c, "model:toy");
    struct weir_model *m = model_of(d);
    struct toy *t = toy_of(d);
    struct weir_dma_fault f;
    struct weir_device_info info;
    void *page = aligned_alloc(4096, 4096);
    struct weir_mem mem = {.va = page, .len = 4096, .fd = -1, .name = "a ring"};

    memset(page, 0, 4096);
    weir_device_info(d, &info);
    assert_int_equal(weir_space_map(info.space, &mem, weir_iova(0x10000), WEIR_PROT_READ, NULL), 0);
    assert_false(weir_model_last_fault(m, &f));
    assert_int_equal(weir_model_step(m, 5), 0);
    t->dma_iova = 0x10010;
    assert_int_equal(weir_model_step(m, 5), 5);
    assert_int_equal(t->dma_result, 0);
    assert_false(weir_model_last_fault(m, &f));

    t->dma_iova = 0x10020;
    t->dma_write = true;
    weir_model_step(m, 1);
    assert_int_equal(t->dma_result, -EFAULT);
    assert_true(weir_model_last_fault(m, &f));
    assert_string_equal(f.reason, "read-only");
    assert_string_equal(f.queue, "ring");
    assert_int_equal(f.queue_index, 3);
    assert_int_equal(f.descriptor, 77);
    assert_int_equal(f.iova, 0x10020);
    assert_int_equal(f.len, 16);
    assert_true(f.write);
    assert_string_equal(f.mapping, "a ring");
    assert_non_null(strstr(c->log, "write 16 bytes at IOVA 0x10020 for ring 3, descriptor 77: "
                                   "read-only (mapping 'a ring')"));

    assert_int_equal(weir_space_unmap(info.space, weir_iova(0x10000), 4096, NULL), 0);
    t->dma_iova = 0x10000;
    t->dma_write = false;
    weir_model_step(m, 1);
    assert_true(weir_model_last_fault(m, &f));
    assert_string_equal(f.reason, "freed");
    t->dma_iova = 0x123450;
    weir_models_step(c->w, 1);
    assert_true(weir_model_last_fault(m, &f));
    assert_string_equal(f.reason, "unmapped");
    struct weir_model_stats s;
    weir_model_stats(m, &s);
    assert_int_equal(s.dma_faults, 3);

    /* A loop that faults does not flood the log: ten lines, then every thousandth. */
    c->warnings = 0;
    for (unsigned i = 0; i < 2000; i++) {
        t->dma_iova = 0x123450;
        weir_model_step(m, 1);
    }
    assert_int_equal(c->warnings, 7 + 2);
    weir_device_close(d);
    free(page);
}

static void tells_faults_apart_in_a_shared_space(void **state)
{
    struct kit_case *c = *state;
    struct weir_device *a = open_toy(c, "model:toy");
    struct weir_device_options opt = {.size = sizeof(opt)};
    struct weir_device_info info;
    struct weir_dma_fault f;

    weir_device_info(a, &info);
    opt.space = info.space;
    struct weir_device *b = weir_device_open(c->w, "model:toy", &opt, NULL);
    assert_non_null(b);
    toy_of(b)->dma_iova = 0x5000;
    weir_models_step(c->w, 1);
    assert_false(weir_model_last_fault(model_of(a), &f));
    assert_true(weir_model_last_fault(model_of(b), &f));
    assert_int_equal(f.iova, 0x5000);
    weir_device_close(a); /* the space stays for the other */
    toy_of(b)->dma_iova = 0x6000;
    weir_models_step(c->w, 1);
    assert_true(weir_model_last_fault(model_of(b), &f));
    assert_int_equal(f.iova, 0x6000);
    weir_device_close(b);
}

static int no_map(struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova, unsigned prot,
                  struct weir_error *e)
{
    (void)s, (void)mem, (void)iova, (void)prot, (void)e;
    return 0;
}

static int no_unmap(struct weir_space *s, weir_iova_t iova, size_t len, struct weir_error *e)
{
    (void)s, (void)iova, (void)len, (void)e;
    return 0;
}

static void no_free(struct weir_space *s)
{
    (void)s;
}

static void refuses_a_foreign_space(void **state)
{
    static const struct weir_space_ops ops = {
        .kind = "odd", .map = no_map, .unmap = no_unmap, .free = no_free};
    static const struct weir_iova_range all = {0, 0xffffffff};
    struct kit_case *c = *state;
    struct weir_device_options opt = {.size = sizeof(opt)};
    struct weir_error e;

    opt.space = weir_space_make(c->w, &ops, NULL, 4096, &all, 1, 0, NULL);
    assert_non_null(opt.space);
    assert_null(weir_device_open(c->w, "model:toy", &opt, &e));
    assert_string_equal(e.code, "device-space");
    assert_non_null(strstr(e.why, "odd"));
    weir_space_free(opt.space);
}

static void is_claimed_once(void **state)
{
    struct kit_case *c = *state;
    struct weir_model *m = weir_model_new(c->w, "toy", NULL);
    struct weir_siommu *s = weir_siommu_new(NULL);
    struct weir_error e;
    struct toy *t = weir_model_priv(m);

    t->dma_iova = 0x1000;
    assert_int_equal(weir_model_step(m, 1), 0); /* nobody uses it */
    assert_int_equal(t->dma_iova, 0x1000);
    assert_int_equal(weir_model_deadline(m), UINT64_MAX);
    assert_int_equal(weir_model_attach(m, s, true, NULL), 0);
    assert_int_equal(weir_model_attach(m, s, false, &e), -EBUSY);
    assert_string_equal(e.code, "device-busy");
    assert_int_equal(weir_models_step(c->w, 1), 0); /* its server steps it */
    assert_int_equal(t->dma_iova, 0x1000);
    c->log[0] = '\0';
    weir_model_free(m); /* refused, and said */
    assert_non_null(strstr(c->log, "in use by a server"));
    assert_int_equal(weir_model_step(m, 1), 1);
    unsigned resets_before = t->resets;
    weir_model_detach(m);
    assert_int_equal(t->resets, resets_before + 1);
    assert_int_equal(weir_model_attach(m, s, false, NULL), 0);
    weir_model_detach(m);
    weir_model_free(m);
    weir_siommu_free(s);
}

/* A wire with a descriptor, and a link that the test switches. */
static struct {
    int fd;
    bool link;
    uint64_t deadline;
} fake;

static int fake_open(struct weir *w, const char *args, void **priv, struct weir_error *e)
{
    (void)w, (void)args, (void)e;
    *priv = &fake;
    return 0;
}

static void fake_close(void *priv)
{
    (void)priv;
}

static bool fake_rx(void *priv, struct weir_frame *frame)
{
    (void)priv, (void)frame;
    return false;
}

static bool fake_tx(void *priv, const struct iovec *iov, unsigned n, uint32_t len)
{
    (void)priv, (void)iov, (void)n, (void)len;
    return true;
}

static uint64_t fake_deadline(void *priv)
{
    (void)priv;
    return fake.deadline;
}

static int fake_fd(void *priv)
{
    (void)priv;
    return fake.fd;
}

static bool fake_link(void *priv)
{
    (void)priv;
    return fake.link;
}

static const struct weir_wire_ops fake_wire = {
    .kind = "fake",
    .help = "",
    .open = fake_open,
    .close = fake_close,
    .rx = fake_rx,
    .tx = fake_tx,
    .deadline = fake_deadline,
    .fd = fake_fd,
    .link = fake_link,
};

static void watches_wires(void **state)
{
    struct kit_case *c = *state;
    int fds[4];

    fake.fd = event_fd();
    fake.link = false;
    fake.deadline = UINT64_MAX;
    assert_int_equal(weir_wire_register(c->w, &fake_wire, NULL), 0);
    struct weir_device *d = open_toy(c, "model:toy?wire=fake:&wire=loopback");
    struct weir_model *m = model_of(d);
    struct toy *t = toy_of(d);

    assert_false(weir_wire_link(weir_model_wire(m, 0)));
    t->links = 0;
    t->link = false;
    fake.link = true; /* a carrier appears: the next look tells, and the model wants to run */
    assert_int_equal(weir_model_deadline(m), 0);
    assert_int_equal(t->links, 1);
    assert_true(t->link);
    assert_int_equal(weir_model_deadline(m), UINT64_MAX);
    fake.link = false;
    weir_model_step(m, 1);
    assert_int_equal(t->links, 2);
    assert_false(t->link);
    fake.link = true;
    weir_model_step(m, 1);
    weir_model_set_link(m, false); /* both wires */
    assert_int_equal(t->links, 5);
    assert_false(weir_wire_link(weir_model_wire(m, 1)));
    weir_model_set_link(m, true);
    assert_int_equal(t->links, 7);
    assert_true(t->link);

    assert_int_equal(weir_model_fds(m, fds, 4), 1);
    assert_int_equal(fds[0], fake.fd);
    t->wants = false; /* has no room: its frames must not wake anybody */
    assert_int_equal(weir_model_fds(m, fds, 4), 0);
    t->deadline = 12345;
    assert_int_equal(weir_model_deadline(m), 12345);
    weir_device_close(d);
    close(fake.fd);
}

static void refuses_bad_names(void **state)
{
    struct kit_case *c = *state;
    struct weir_error e;
    static const struct {
        const char *name, *why;
        int err;
    } bad[] = {
        {"", "known are vfio-user:, model:", -EINVAL},
        {"eth0", "known are vfio-user:, model:", -EINVAL},
        {"0000:01:00.0", "kernel VFIO is not supported", -ENOTSUP},
        {"01:00.0", "kernel VFIO is not supported", -ENOTSUP},
        {"0000:01:00.0x", "known are", -EINVAL},
        {"model", "known are", -EINVAL},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(weir_device_open(c->w, bad[i].name, NULL, &e));
        assert_string_equal(e.code, "device-name");
        assert_int_equal(e.err, bad[i].err);
        if (!strstr(e.why, bad[i].why))
            fail_msg("%s: %s", bad[i].name, e.why);
        assert_true(e.fix[0]);
    }
    char *longest = malloc(5000);
    memset(longest, 'a', 4999);
    longest[4999] = '\0';
    assert_null(weir_device_open(c->w, longest, NULL, &e));
    assert_string_equal(e.code, "device-name");
    free(longest);
    assert_null(weir_device_open(c->w, "model:tiger", NULL, &e));
    assert_string_equal(e.code, "model-name");
    assert_int_equal(e.err, -ENOENT);

    struct weir_device_options opt = {.size = 4};
    assert_null(weir_device_open(c->w, "model:toy", &opt, &e));
    assert_string_equal(e.code, "device-options");
    opt.size = sizeof(opt) + 8;
    assert_null(weir_device_open(c->w, "model:toy", &opt, &e));
    assert_string_equal(e.code, "device-options");
    opt.size = sizeof(opt);
    opt.timeout_ms = UINT32_MAX;
    assert_null(weir_device_open(c->w, "model:toy", &opt, &e));
    assert_string_equal(e.code, "device-options");
}

/* Loss and return, with a backend that says when. */
static bool is_back;
static int reopen_result;

static bool test_returned(struct weir_device *d)
{
    (void)d;
    return is_back;
}

static int test_reopen(struct weir_device *d, struct weir_error *e)
{
    (void)d;
    return reopen_result ? weir_fail(e, reopen_result, "test", "reopen\nno\n") : 0;
}

/* Wait until weir_events() has one, at most five seconds. */
static struct weir_event next_event(struct weir *w)
{
    struct weir_event ev;
    for (unsigned i = 0; i < 50; i++) {
        if (weir_events(w, &ev, 1))
            return ev;
        struct epoll_event out;
        epoll_wait(weir_event_fd(w), &out, 1, 100);
    }
    fail_msg("no event");
    abort();
}

static void is_lost_and_returns(void **state)
{
    struct kit_case *c = *state;
    struct weir_device *d = open_toy(c, "model:toy");
    struct weir_device_ops ops = weir_device_model;
    struct weir_event ev;
    struct weir_error e;
    uint32_t value;

    ops.returned = test_returned;
    ops.reopen = test_reopen;
    d->ops = &ops;
    is_back = false;
    reopen_result = 0;
    weir_write32(d, 0, REG_KEEP, 5);
    assert_int_equal(weir_device_reopen(d, &e), -EINVAL);
    assert_string_equal(e.code, "device-not-lost");

    weir_device_set_lost(d, "the test says so");
    weir_device_set_lost(d, "and again");
    assert_true(weir_device_lost(d));
    assert_int_equal(weir_read32(d, 0, REG_KEEP), 0xffffffff);
    weir_write32(d, 0, REG_KEEP, 6);
    assert_int_equal(weir_region_read(d, 0, REG_KEEP, &value, 4, &e), -ENODEV);
    assert_string_equal(e.code, "device-lost");
    assert_int_equal(value, 0xffffffff);
    assert_int_equal(weir_config_read(d, 0, 2), 0xffff);
    assert_int_equal(weir_config_cap(d, PCI_CAP_ID_PM), 0);
    assert_int_equal(weir_device_reset(d, &e), -ENODEV);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 0, NULL, &e), -ENODEV);
    ev = next_event(c->w);
    assert_int_equal(ev.type, WEIR_EVENT_LOST);
    assert_ptr_equal(ev.device, d);
    assert_int_equal(weir_events(c->w, &ev, 1), 0); /* told once */

    is_back = true;
    ev = next_event(c->w);
    assert_int_equal(ev.type, WEIR_EVENT_RETURNED);
    /* A reopening that fails leaves it lost and looks out again. */
    reopen_result = -ECONNREFUSED;
    assert_int_equal(weir_device_reopen(d, &e), -ECONNREFUSED);
    assert_true(weir_device_lost(d));
    ev = next_event(c->w);
    assert_int_equal(ev.type, WEIR_EVENT_RETURNED);
    /* Another device in its place is refused. */
    reopen_result = 0;
    d->device++;
    assert_int_equal(weir_device_reopen(d, &e), -ENXIO);
    assert_string_equal(e.code, "device-changed");
    assert_true(weir_device_lost(d));
    d->device--;
    assert_int_equal(weir_device_reopen(d, &e), 0);
    assert_false(weir_device_lost(d));
    assert_int_equal(weir_read32(d, 0, REG_KEEP), 5);
    weir_device_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CASE(refuses_bad_specs),
        CASE(reads_parameters),
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
        CASE(refuses_bad_interrupts),
        CASE(signals_msi),
        CASE(signals_intx),
        CASE(steps_with_dma),
        CASE(tells_faults_apart_in_a_shared_space),
        CASE(refuses_a_foreign_space),
        CASE(is_claimed_once),
        CASE(watches_wires),
        CASE(refuses_bad_names),
        CASE(is_lost_and_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
