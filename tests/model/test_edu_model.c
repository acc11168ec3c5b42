/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The edu model, register by register, without its driver. What is expected is what QEMU's
 * docs/specs/edu.rst and hw/misc/edu.c say.
 */
#include "lib/device/backend.h"
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>
#include <weir/driver/builtin.h>
#include <weir/io.h>

enum { SRC = 0x80, DST = 0x88, COUNT = 0x90, CMD = 0x98, BUFFER = 0x40000, IOVA = 0x345000 };
enum { RUN = 1, TO_RAM = 2, IRQ = 4 };

static struct weir *w;
static struct weir_device *d;
static struct weir_space *space;
static struct weir_model *m;
static uint8_t *mem; /* 8 KiB at IOVA */
static char text[8192];

static void keep_log(void *user, enum weir_log_level level, const char *part, const char *line)
{
    size_t at = strlen(text);
    (void)user;
    (void)level;
    snprintf(text + at, sizeof text - at, "%s: %s\n", part, line);
}

static void open_model(const char *name)
{
    struct weir_device_info info;
    struct weir_error e;
    d = weir_device_open(w, name, NULL, &e);
    if (!d)
        fail_msg("%s: %s", e.what, e.why);
    weir_device_info(d, &info);
    m = info.model;
    space = info.space;
    const struct weir_mem piece = {.va = mem, .len = 8192, .fd = -1, .name = "test"};
    assert_int_equal(weir_space_map(space, &piece, weir_iova(IOVA), WEIR_PROT_RW, &e), 0);
    assert_int_equal(weir_device_bus_master(d, true, &e), 0);
}

static void reopen_model(const char *name)
{
    weir_device_close(d);
    open_model(name);
}

static int setup(void **state)
{
    (void)state;
    text[0] = '\0';
    w = weir_new(&(struct weir_options){.size = sizeof(struct weir_options),
                                        .log = keep_log,
                                        .log_level = WEIR_LOG_WARNING},
                 NULL);
    mem = aligned_alloc(4096, 8192);
    memset(mem, 0, 8192);
    if (weir_model_register(w, &weir_edu_model, NULL))
        return -1;
    open_model("model:edu");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_free(w);
    free(mem);
    return 0;
}

static uint32_t get(uint64_t off)
{
    return weir_read32(d, 0, off);
}

static void set(uint64_t off, uint32_t value)
{
    weir_write32(d, 0, off, value);
}

static uint64_t get64(uint64_t off)
{
    uint64_t v = 0;
    assert_int_equal(weir_region_read(d, 0, off, &v, 8, NULL), 0);
    return weir_le64(v);
}

static void set64(uint64_t off, uint64_t value)
{
    value = weir_le64(value);
    assert_int_equal(weir_region_write(d, 0, off, &value, 8, NULL), 0);
}

static unsigned step(void)
{
    return weir_model_step(m, 32);
}

static void command(uint64_t src, uint64_t dst, uint64_t count, uint32_t cmd)
{
    set64(SRC, src);
    set64(DST, dst);
    set64(COUNT, count);
    set(CMD, cmd);
}

static void transfer(uint64_t src, uint64_t dst, uint64_t count, uint32_t cmd)
{
    command(src, dst, count, cmd);
    assert_int_equal(get(CMD), cmd);
    assert_int_equal(step(), 1);
    assert_int_equal(get(CMD), cmd & ~(uint32_t)RUN);
}

static uint64_t faults(void)
{
    struct weir_model_stats s;
    weir_model_stats(m, &s);
    return s.dma_faults;
}

static void it_is_what_qemu_shows(void **state)
{
    struct weir_device_info info;
    struct weir_region bar;
    (void)state;
    weir_device_info(d, &info);
    assert_int_equal(info.vendor, 0x1234);
    assert_int_equal(info.device, 0x11e8);
    assert_int_equal(info.revision, 0x10);
    assert_int_equal(info.class_code, 0x00ff00);
    weir_device_region(d, 0, &bar);
    assert_int_equal(bar.size, 1 << 20);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_MSI), 1);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_INTX), 1);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_MSIX), 0);
    assert_int_equal(get(0x00), 0x010000edu);
}

static void it_is_alive(void **state)
{
    (void)state;
    set(0x04, 0x12345678);
    assert_int_equal(get(0x04), 0xedcba987);
    set(0x00, 1); /* read-only */
    assert_int_equal(get(0x00), 0x010000ed);
}

static void only_some_widths_count(void **state)
{
    uint8_t bytes[8] = {0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa}, back[8];
    uint64_t ones = UINT64_MAX;
    (void)state;
    /* Below 0x80: 4 bytes. */
    set(0x04, 1);
    for (size_t n = 1; n <= 2; n++) {
        weir_region_write(d, 0, 0x04, bytes, n, NULL);
        weir_region_read(d, 0, 0x04, back, n, NULL);
        assert_memory_equal(back, &ones, n);
    }
    assert_int_equal(get(0x04), ~1u);
    assert_true(get64(0x20) == UINT64_MAX);
    /* From 0x80 on: 4 or 8. The upper half alone is no register, and 4 bytes clear it. */
    set64(SRC, 0x123456789abcdef0);
    assert_true(get64(SRC) == 0x123456789abcdef0);
    assert_int_equal(get(SRC), 0x9abcdef0);
    assert_int_equal(get(SRC + 4), UINT32_MAX);
    set(SRC + 4, 7);
    weir_region_write(d, 0, SRC, bytes, 2, NULL);
    assert_true(get64(SRC) == 0x123456789abcdef0);
    set(SRC, 5);
    assert_true(get64(SRC) == 5);
    /* Nothing is anywhere else. */
    static const uint32_t nothing[] = {0x0c, 0x28, 0x60, 0x64, 0xa0, 0x3fffc, 0x40000, 0xffffc};
    for (unsigned i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        if (nothing[i] != 0x60)
            set(nothing[i], 0);
        assert_int_equal(get(nothing[i]), UINT32_MAX);
    }
}

static void factorials(void **state)
{
    /* n! in 32 bits: OEIS A000142, reduced. */
    static const uint32_t known[][2] = {{0, 1},           {1, 1},           {5, 120},
                                        {10, 3628800},    {12, 479001600},  {13, 1932053504},
                                        {20, 2192834560}, {33, 2147483648}, {34, 0},
                                        {40, 0},          {UINT32_MAX, 0}};
    (void)state;
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
        set(0x08, known[i][0]);
        assert_int_equal(get(0x20) & 1, 1);
        set(0x08, 3); /* busy: ignored */
        assert_int_equal(step(), 1);
        assert_int_equal(get(0x20) & 1, 0);
        assert_int_equal(get(0x08), known[i][1]);
    }
    assert_int_equal(step(), 0);
    /* The state register has one bit that can be written. */
    set(0x20, UINT32_MAX);
    assert_int_equal(get(0x20), 0x80);
    set(0x08, 4);
    step();
    assert_int_equal(get(0x24), 1);
    set(0x20, 0);
    assert_int_equal(get(0x20), 0);
    set(0x64, 1);
    set(0x08, 4);
    step();
    assert_int_equal(get(0x24), 0);
}

static bool fired(int fd)
{
    uint64_t n;
    return read(fd, &n, sizeof n) == sizeof n;
}

static void interrupts_by_message(void **state)
{
    int fd = eventfd(0, EFD_NONBLOCK);
    (void)state;
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSI, 0, 1, &fd, NULL), 0);
    set(0x60, 0x8000);
    assert_true(fired(fd));
    assert_int_equal(get(0x24), 0x8000);
    set(0x60, 0x1); /* each time anew, acknowledged or not */
    assert_true(fired(fd));
    assert_int_equal(get(0x24), 0x8001);
    set(0x64, 0x8000);
    assert_int_equal(get(0x24), 0x1);
    set(0x64, 0x1);
    set(0x60, 0); /* nothing set: nothing to tell */
    assert_false(fired(fd));
    transfer(IOVA, BUFFER, 16, RUN);
    assert_false(fired(fd));
    transfer(IOVA, BUFFER, 16, RUN | IRQ);
    assert_true(fired(fd));
    assert_int_equal(get(0x24), 0x100);
    close(fd);
}

static void interrupts_by_line(void **state)
{
    int fd = eventfd(0, EFD_NONBLOCK);
    (void)state;
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_INTX, 0, 1, &fd, NULL), 0);
    transfer(IOVA, BUFFER, 16, RUN | IRQ);
    assert_true(fired(fd));
    /* Masked by firing; unmasked with the line still up it fires again. */
    set(0x60, 2);
    assert_false(fired(fd));
    weir_device_irq_unmask(d, WEIR_IRQ_INTX, NULL);
    assert_true(fired(fd));
    set(0x64, 0x100);
    weir_device_irq_unmask(d, WEIR_IRQ_INTX, NULL);
    assert_true(fired(fd)); /* bit 1 is left */
    set(0x64, 2);
    weir_device_irq_unmask(d, WEIR_IRQ_INTX, NULL);
    assert_false(fired(fd));
    close(fd);
}

static void it_copies_both_ways(void **state)
{
    uint8_t want[8192];
    (void)state;
    for (unsigned i = 0; i < 8192; i++)
        mem[i] = (uint8_t)(i * 7 + (i >> 8));
    memcpy(want, mem, sizeof want);
    transfer(IOVA + 5, BUFFER, 100, RUN);
    transfer(BUFFER, IOVA + 4096, 100, RUN | TO_RAM);
    memcpy(want + 4096, want + 5, 100);
    assert_memory_equal(mem, want, sizeof want);
    /* Anywhere in the buffer, and all of it. */
    transfer(IOVA, BUFFER, 4096, RUN);
    transfer(IOVA + 300, BUFFER + 4095, 1, RUN);
    transfer(BUFFER + 4090, IOVA + 6000, 6, RUN | TO_RAM);
    memcpy(want + 6000, want + 4090, 5);
    want[6005] = want[300];
    assert_memory_equal(mem, want, sizeof want);
    transfer(IOVA, BUFFER + 4096, 0, RUN); /* nothing, at the end */
    assert_int_equal(faults(), 0);
    assert_string_equal(text, "");
}

static void nothing_changes_while_it_runs(void **state)
{
    (void)state;
    memset(mem, 0x11, 4096);
    set(CMD, TO_RAM); /* without RUN: no command */
    assert_int_equal(get(CMD), 0);
    assert_int_equal(step(), 0);
    command(IOVA, BUFFER, 64, RUN);
    set64(SRC, 1);
    set64(DST, 2);
    set64(COUNT, 3);
    set(CMD, RUN | TO_RAM | IRQ);
    assert_true(get64(SRC) == IOVA && get64(DST) == BUFFER && get64(COUNT) == 64);
    assert_int_equal(get(CMD), RUN);
    step();
    assert_int_equal(get(CMD), 0);
    transfer(BUFFER, IOVA + 4096, 64, RUN | TO_RAM);
    assert_memory_equal(mem + 4096, mem, 64);
    set64(SRC, 1);
    assert_true(get64(SRC) == 1);
}

static void out_of_its_buffer(void **state)
{
    static const uint64_t bad[][2] = {{BUFFER, 4097},
                                      {BUFFER + 1, 4096},
                                      {BUFFER + 4096, 1},
                                      {BUFFER - 1, 1},
                                      {0, 16},
                                      {UINT64_MAX, 2},
                                      {BUFFER, UINT64_MAX},
                                      {BUFFER + 4095, UINT64_MAX},
                                      {UINT64_MAX - 15, 4096},
                                      {BUFFER + 4097, 0}};
    uint8_t want[8192];
    (void)state;
    memset(mem, 0x33, 8192);
    memcpy(want, mem, sizeof want);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        text[0] = '\0';
        transfer(IOVA, bad[i][0], bad[i][1], RUN);
        if (i < 5)
            assert_non_null(strstr(text, "out of the device's buffer"));
        transfer(bad[i][0], IOVA, bad[i][1], RUN | TO_RAM);
    }
    assert_string_equal(text, ""); /* it stops complaining */
    assert_memory_equal(mem, want, sizeof want);
    assert_int_equal(faults(), 0);
}

static void addresses_are_cut(void **state)
{
    (void)state;
    memset(mem, 0x44, 64);
    transfer(IOVA + ((uint64_t)1 << 28), BUFFER, 64, RUN);
    assert_non_null(strstr(text, "clamping DMA address 0x10345000 to 0x345000"));
    transfer(BUFFER, IOVA + 64 + ((uint64_t)0xabc << 32), 64, RUN | TO_RAM);
    assert_memory_equal(mem + 64, mem, 64);
    assert_int_equal(faults(), 0);
    /* Another mask: holes and all. */
    text[0] = '\0';
    reopen_model("model:edu?dma_mask=0xffffffffffff");
    transfer(IOVA + ((uint64_t)1 << 28), BUFFER, 64, RUN);
    assert_null(strstr(text, "clamping"));
    assert_int_equal(faults(), 1);
    reopen_model("model:edu?dma_mask=0xeffffff");
    memset(mem + 64, 0, 64);
    transfer(IOVA | 0x1000000, BUFFER, 64, RUN);
    transfer(BUFFER, IOVA + 64, 64, RUN | TO_RAM);
    assert_non_null(strstr(text, "clamping DMA address 0x1345000 to 0x345000"));
    assert_memory_equal(mem + 64, mem, 64);
}

static void memory_it_cannot_reach(void **state)
{
    uint8_t zero[64] = {0}, some[64];
    struct weir_dma_fault f;
    (void)state;
    memset(some, 0x55, sizeof some);
    memcpy(mem, some, 64);
    transfer(IOVA, BUFFER, 64, RUN);
    /* Not mapped: zeros are read, writes are lost, and the fault is told. */
    transfer(IOVA - 32, BUFFER, 64, RUN);
    assert_true(weir_model_last_fault(m, &f));
    assert_string_equal(f.reason, "unmapped");
    assert_string_equal(f.queue, "dma");
    assert_false(f.write);
    transfer(BUFFER, IOVA + 64, 64, RUN | TO_RAM);
    assert_memory_equal(mem + 64, zero, 64);
    transfer(BUFFER, IOVA + 8192 - 32, 64, RUN | TO_RAM);
    assert_true(weir_model_last_fault(m, &f));
    assert_true(f.write);
    assert_int_equal(faults(), 2);
    assert_memory_equal(mem + 8192 - 32, zero, 32);
    /* Off the bus: the same, and nothing to tell. */
    memset(mem + 64, 0x66, 64);
    transfer(IOVA + 64, BUFFER, 64, RUN);
    assert_int_equal(weir_device_bus_master(d, false, NULL), 0);
    transfer(IOVA, BUFFER, 64, RUN);
    transfer(BUFFER, IOVA + 64, 64, RUN | TO_RAM);
    assert_int_equal(mem[64], 0x66);
    assert_int_equal(weir_device_bus_master(d, true, NULL), 0);
    transfer(BUFFER, IOVA + 64, 64, RUN | TO_RAM);
    assert_memory_equal(mem + 64, zero, 64);
    assert_int_equal(faults(), 2);
    /* Mapped for reading alone. */
    uint8_t *more = aligned_alloc(4096, 4096);
    memset(more, 0x77, 4096);
    const struct weir_mem piece = {.va = more, .len = 4096, .fd = -1};
    weir_space_map(space, &piece, weir_iova(0x800000), WEIR_PROT_READ, NULL);
    transfer(0x800000, BUFFER, 64, RUN);
    transfer(BUFFER, IOVA, 64, RUN | TO_RAM);
    assert_memory_equal(mem, more, 64);
    memset(mem, 0, 64);
    transfer(IOVA, BUFFER, 64, RUN);
    transfer(BUFFER, 0x800000, 64, RUN | TO_RAM);
    assert_int_equal(more[0], 0x77);
    assert_true(weir_model_last_fault(m, &f));
    assert_string_equal(f.reason, "read-only");
    weir_space_unmap(space, weir_iova(0x800000), 4096, NULL);
    free(more);
}

static void transfers_take_their_time(void **state)
{
    struct timespec t;
    (void)state;
    reopen_model("model:edu?delay=20");
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t began = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec, ended;
    command(IOVA, BUFFER, 64, RUN);
    do {
        weir_model_step(m, 1);
        clock_gettime(CLOCK_MONOTONIC, &t);
        ended = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
        assert_true(ended - began < 20000000000u);
    } while (get(CMD) & RUN);
    assert_true(ended - began >= 20000000);
    /* And for ever, if told. */
    reopen_model("model:edu?stall=on");
    command(IOVA, BUFFER, 64, RUN);
    assert_int_equal(step(), 0);
    assert_int_equal(get(CMD), RUN);
    assert_int_equal(weir_model_set(m, "stall", "off", NULL), 0);
    assert_int_equal(step(), 1);
    assert_int_equal(get(CMD), 0);
}

static void a_reset_forgets(void **state)
{
    (void)state;
    set(0x04, 1);
    set(0x08, 3);
    set(0x20, 0x80);
    set(0x60, 0xff);
    command(IOVA, BUFFER, 64, RUN);
    assert_int_equal(weir_device_reset(d, NULL), 0);
    assert_int_equal(get(0x04) | get(0x08) | get(0x20) | get(0x24) | get(CMD), 0);
    assert_true((get64(SRC) | get64(DST) | get64(COUNT)) == 0);
    assert_int_equal(step(), 0);
}

static void parameters_are_checked(void **state)
{
    static const char *const bad[] = {
        "delay=-1",    "delay=60001", "delay=x",  "delay=1x", "dma_mask=0x1ffffffffffffffff",
        "dma_mask=zz", "dma_mask=-1", "stall=no", "stall=o",  "nonsense=1"};
    struct weir_error e;
    char spec[80];
    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(spec, sizeof spec, "edu?%s", bad[i]);
        assert_null(weir_model_new(w, spec, &e));
        assert_string_equal(e.code, "model-param");
        assert_string_not_equal(e.fix, "");
    }
    assert_int_equal(weir_model_set(m, "delay", "1", &e), -EINVAL);
    assert_int_equal(weir_model_set(m, "stall", "maybe", &e), -EINVAL);
}

/* Any access whatever: no crash, and memory that is not its own stays as it is. */
static void nonsense_does_no_harm(void **state)
{
    static const uint32_t regs[] = {0x00, 0x04, 0x08, 0x20, 0x24, 0x60, 0x64, 0x80,    0x84,
                                    0x88, 0x8c, 0x90, 0x94, 0x98, 0x9c, 0xa0, 0x40000, 0xffff8};
    static const uint64_t values[] = {
        0,    1,           3,          7,         64, 4096, 4097, BUFFER, BUFFER + 4095,
        IOVA, IOVA + 8191, UINT32_MAX, UINT64_MAX};
    uint32_t seed = 1;
    (void)state;
    for (unsigned i = 0; i < 30000; i++) {
        seed = seed * 1664525 + 1013904223;
        uint64_t off = regs[(seed >> 8) % (sizeof regs / sizeof *regs)];
        uint64_t v = weir_le64(values[(seed >> 16) % (sizeof values / sizeof *values)]);
        size_t len = (size_t)1 << (seed >> 29 & 3);
        if (seed >> 31)
            weir_region_write(d, 0, off, &v, len, NULL);
        else
            weir_region_read(d, 0, off, &v, len, NULL);
        if (seed >> 28 & 1)
            step();
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(it_is_what_qemu_shows),  CASE(it_is_alive),
        CASE(only_some_widths_count), CASE(factorials),
        CASE(interrupts_by_message),  CASE(interrupts_by_line),
        CASE(it_copies_both_ways),    CASE(nothing_changes_while_it_runs),
        CASE(out_of_its_buffer),      CASE(addresses_are_cut),
        CASE(memory_it_cannot_reach), CASE(transfers_take_their_time),
        CASE(a_reset_forgets),        CASE(parameters_are_checked),
        CASE(nonsense_does_no_harm),
    };
    return cmocka_run_group_tests_name("edu_model", tests, NULL, NULL);
}
