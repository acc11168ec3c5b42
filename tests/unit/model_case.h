/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model that exists only in the tests of the kit and of devices, and an instance whose log is
 * kept.
 */
#ifndef TESTS_MODEL_CASE_H
#define TESTS_MODEL_CASE_H

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

static inline int toy_create(struct weir_model *m, struct weir_error *e)
{
    struct toy *t = calloc(1, sizeof(*t));
    (void)e;
    t->wants = true;
    t->deadline = UINT64_MAX;
    weir_model_set_priv(m, t);
    return 0;
}

static inline void toy_destroy(struct weir_model *m)
{
    free(weir_model_priv(m));
}

static inline void toy_reset(struct weir_model *m)
{
    struct toy *t = weir_model_priv(m);
    t->resets++;
    memset(t->regs, 0, sizeof(t->regs));
}

static inline uint64_t toy_read(struct weir_model *m, unsigned bar, uint64_t off, unsigned width)
{
    struct toy *t = weir_model_priv(m);
    uint64_t v = 0;
    assert_int_equal(bar, 0);
    assert_int_equal(off % width, 0);
    memcpy(&v, t->regs + off, width);
    return v;
}

static inline void toy_write(struct weir_model *m, unsigned bar, uint64_t off, unsigned width,
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

static inline unsigned toy_step(struct weir_model *m, unsigned budget)
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

static inline uint64_t toy_deadline(struct weir_model *m)
{
    return ((struct toy *)weir_model_priv(m))->deadline;
}

static inline bool toy_wants(struct weir_model *m, unsigned wire)
{
    (void)wire;
    return ((struct toy *)weir_model_priv(m))->wants;
}

static inline void toy_link(struct weir_model *m, unsigned wire, bool up)
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

static inline void keep_log(void *user, enum weir_log_level level, const char *part,
                            const char *text)
{
    struct kit_case *c = user;
    size_t used = strlen(c->log);
    snprintf(c->log + used, sizeof(c->log) - used, "%s: %s\n", part, text);
    c->warnings += level <= WEIR_LOG_WARNING;
}

static inline int set_up(void **state)
{
    struct kit_case *c = calloc(1, sizeof(*c));
    struct weir_options opt = {
        .size = sizeof(opt), .log = keep_log, .log_user = c, .log_level = WEIR_LOG_DEBUG};
    c->w = weir_new(&opt, NULL);
    *state = c;
    return weir_model_register(c->w, &toy, NULL) || weir_model_register(c->w, &plain, NULL);
}

static inline int tear_down(void **state)
{
    struct kit_case *c = *state;
    weir_free(c->w);
    free(c);
    return 0;
}

static inline struct weir_device *open_toy(struct kit_case *c, const char *spec)
{
    struct weir_error e = {0};
    struct weir_device *d = weir_device_open(c->w, spec, NULL, &e);
    if (!d)
        fail_msg("%s: %s: %s", spec, e.what, e.why);
    return d;
}

static inline struct weir_model *model_of(struct weir_device *d)
{
    struct weir_device_info info;
    weir_device_info(d, &info);
    return info.model;
}

static inline struct toy *toy_of(struct weir_device *d)
{
    return weir_model_priv(model_of(d));
}

static inline uint64_t take(int fd)
{
    uint64_t n = 0;
    return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static inline int event_fd(void)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

#endif
