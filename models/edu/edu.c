/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QEMU's edu device in software, as docs/specs/edu.rst and hw/misc/edu.c have it. Where QEMU would
 * stop, or write outside of the device's buffer, the model transfers nothing.
 */
#include "hw/edu/regs.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weir/driver/builtin.h>
#include <weir/driver/driver.h>

#define MAX_DELAY_MS   60000
#define MAX_COMPLAINTS 10

struct edu {
    uint32_t live, fact, status, irq_status;
    uint64_t src, dst, count, cmd;
    uint8_t buffer[EDU_BUFFER_SIZE];
    uint64_t mask;     /* of DMA addresses */
    uint64_t delay_ns; /* how long a transfer takes */
    uint64_t due;      /* when the one under way ends */
    bool stall;
    unsigned complaints; /* of software's mistakes, logged so far */
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int bad_param(const char *key, const char *value, const char *want, struct weir_error *e)
{
    char shown[80];
    weir_printable(shown, sizeof(shown), value, strlen(value));
    return weir_fail(e, -EINVAL, "model-param", "make an edu model\n%s cannot be '%s'\nwrite %s=%s",
                     key, shown, key, want);
}

static bool number(const char *text, uint64_t max, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 0);
    return text[0] >= '0' && text[0] <= '9' && !*end && !errno && *out <= max;
}

static int edu_set(struct weir_model *m, const char *key, const char *value, struct weir_error *e)
{
    struct edu *d = weir_model_priv(m);

    if (strcmp(key, "stall") != 0)
        return weir_fail(e, -EINVAL, "model-param",
                         "change %s of an edu model\nonly stall can change while it exists\n"
                         "give the parameter when making it",
                         key);
    if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        return bad_param(key, value, "on or off", e);
    d->stall = value[1] == 'n';
    return 0;
}

static int read_params(struct edu *d, struct weir_model *m, struct weir_error *e)
{
    const char *mask = weir_model_param(m, "dma_mask"), *delay = weir_model_param(m, "delay");
    const char *stall = weir_model_param(m, "stall");
    uint64_t ms = 0;

    d->mask = (1u << EDU_DMA_BITS) - 1;
    if (mask && !number(mask, UINT64_MAX, &d->mask))
        return bad_param("dma_mask", mask, "0xfffffff, the address bits it has", e);
    if (delay && !number(delay, MAX_DELAY_MS, &ms))
        return bad_param("delay", delay, "0 to 60000, milliseconds", e);
    d->delay_ns = ms * 1000000;
    return stall ? edu_set(m, "stall", stall, e) : 0;
}

static int edu_create(struct weir_model *m, struct weir_error *e)
{
    struct edu *d = calloc(1, sizeof(*d));
    int ret;

    if (!d)
        return weir_fail(e, -ENOMEM, "no-memory", "make an edu model\nout of memory");
    weir_model_set_priv(m, d);
    ret = read_params(d, m, e);
    if (ret)
        free(d);
    return ret;
}

static void edu_destroy(struct weir_model *m)
{
    free(weir_model_priv(m));
}

/* QEMU's device has no reset of its own; this is its state after power-on. */
static void edu_reset(struct weir_model *m)
{
    struct edu *d = weir_model_priv(m);

    d->live = d->fact = d->status = d->irq_status = 0;
    d->src = d->dst = d->count = d->cmd = d->due = 0;
    memset(d->buffer, 0, sizeof(d->buffer));
}

static void raise_irq(struct weir_model *m, uint32_t bits)
{
    struct edu *d = weir_model_priv(m);

    d->irq_status |= bits;
    if (!d->irq_status)
        return;
    weir_model_raise(m, 0);
    weir_model_intx(m, true);
}

/* Below 0x80 registers have 4 bytes; above, 4 or 8. */
static bool access_ok(unsigned bar, uint64_t off, unsigned width)
{
    return bar == 0 && (width == 4 || (width == 8 && off >= 0x80));
}

static uint64_t *dma_register(struct edu *d, uint64_t off)
{
    return off == EDU_DMA_SRC     ? &d->src
           : off == EDU_DMA_DST   ? &d->dst
           : off == EDU_DMA_COUNT ? &d->count
           : off == EDU_DMA_CMD   ? &d->cmd
                                  : NULL;
}

static uint64_t edu_read(struct weir_model *m, unsigned bar, uint64_t off, unsigned width)
{
    struct edu *d = weir_model_priv(m);
    const uint64_t *dma = dma_register(d, off);

    if (!access_ok(bar, off, width))
        return UINT64_MAX;
    switch (off) {
    case EDU_ID:
        return 0x01000000 | EDU_MAGIC;
    case EDU_LIVE:
        return d->live;
    case EDU_FACT:
        return d->fact;
    case EDU_STATUS:
        return d->status;
    case EDU_IRQ_STATUS:
        return d->irq_status;
    default:
        return dma ? *dma : UINT64_MAX;
    }
}

static void edu_write(struct weir_model *m, unsigned bar, uint64_t off, unsigned width,
                      uint64_t value)
{
    struct edu *d = weir_model_priv(m);
    uint64_t *dma = dma_register(d, off);
    uint32_t low = (uint32_t)value;

    if (!access_ok(bar, off, width))
        return;
    switch (off) {
    case EDU_LIVE:
        d->live = ~low;
        break;
    case EDU_FACT:
        if (d->status & EDU_STATUS_COMPUTING)
            break;
        d->fact = low;
        d->status |= EDU_STATUS_COMPUTING;
        break;
    case EDU_STATUS:
        d->status = (d->status & ~EDU_STATUS_IRQFACT) | (low & EDU_STATUS_IRQFACT);
        break;
    case EDU_IRQ_RAISE:
        raise_irq(m, low);
        break;
    case EDU_IRQ_ACK:
        d->irq_status &= ~low;
        if (!d->irq_status)
            weir_model_intx(m, false);
        break;
    default:
        /* None changes while a transfer runs; a command that starts none is no command. */
        if (!dma || d->cmd & EDU_DMA_CMD_RUN || (dma == &d->cmd && !(value & EDU_DMA_CMD_RUN)))
            break;
        *dma = value;
        if (dma == &d->cmd)
            d->due = d->delay_ns ? now_ns() + d->delay_ns : 0;
        break;
    }
}

static bool complain(struct weir_model *m)
{
    struct edu *d = weir_model_priv(m);
    return d->complaints < MAX_COMPLAINTS && ++d->complaints;
}

/* What QEMU does with an address that has too many bits: cut it, and say so. */
static uint64_t clamp(struct weir_model *m, uint64_t addr)
{
    const struct edu *d = weir_model_priv(m);

    if (addr & ~d->mask && complain(m))
        weir_log(weir_model_instance(m), WEIR_LOG_WARNING, "edu",
                 "clamping DMA address %#llx to %#llx: the device has the address bits %#llx",
                 (unsigned long long)addr, (unsigned long long)(addr & d->mask),
                 (unsigned long long)d->mask);
    return addr & d->mask;
}

static void transfer(struct weir_model *m)
{
    static const struct weir_dma_who who = {.queue = "dma"};
    struct edu *d = weir_model_priv(m);
    bool to_ram = d->cmd & EDU_DMA_CMD_TO_RAM, master = weir_model_bus_master(m);
    uint64_t at = (to_ram ? d->src : d->dst) - EDU_BUFFER;

    if (at > EDU_BUFFER_SIZE || d->count > EDU_BUFFER_SIZE - at) {
        if (complain(m))
            weir_log(weir_model_instance(m), WEIR_LOG_WARNING, "edu",
                     "DMA of %#llx bytes at %#llx is out of the device's buffer, %#x bytes at %#x",
                     (unsigned long long)d->count, (unsigned long long)(at + EDU_BUFFER),
                     EDU_BUFFER_SIZE, EDU_BUFFER);
        return;
    }
    /* Nobody answers what is off the bus or not mapped: zeros are read, and writes are lost. */
    if (to_ram && master)
        weir_model_dma_write(m, clamp(m, d->dst), d->buffer + at, d->count, &who);
    else if (!to_ram && !(master && weir_model_dma_read(m, clamp(m, d->src), d->buffer + at,
                                                        d->count, &who) == 0))
        memset(d->buffer + at, 0, d->count);
}

static uint32_t factorial(uint32_t n)
{
    uint32_t product = 1;

    if (n >= 34) /* divisible by 2^32: 0 in 32 bits */
        return 0;
    for (; n; n--)
        product *= n;
    return product;
}

static unsigned edu_step(struct weir_model *m, unsigned budget)
{
    struct edu *d = weir_model_priv(m);
    unsigned did = 0;

    (void)budget; /* it has never more to do than this */
    if (d->status & EDU_STATUS_COMPUTING) {
        d->fact = factorial(d->fact);
        d->status &= ~EDU_STATUS_COMPUTING;
        if (d->status & EDU_STATUS_IRQFACT)
            raise_irq(m, EDU_IRQ_STATUS_FACT);
        did++;
    }
    if (d->cmd & EDU_DMA_CMD_RUN && !d->stall && (!d->due || d->due <= now_ns())) {
        transfer(m);
        d->cmd &= ~(uint64_t)EDU_DMA_CMD_RUN;
        if (d->cmd & EDU_DMA_CMD_IRQ)
            raise_irq(m, EDU_IRQ_STATUS_DMA);
        did++;
    }
    return did;
}

static uint64_t edu_deadline(struct weir_model *m)
{
    const struct edu *d = weir_model_priv(m);

    if (d->status & EDU_STATUS_COMPUTING)
        return 0;
    return d->cmd & EDU_DMA_CMD_RUN && !d->stall ? d->due : UINT64_MAX;
}

const struct weir_model_ops weir_edu_model = {
    .name = "edu",
    .params = "dma_mask delay stall",
    .help = "dma_mask=0x...    the bits its DMA addresses have (default 0xfffffff)\n"
            "delay=MS          how long a transfer takes (default 0; QEMU: 100)\n"
            "stall=on|off      transfers do not end\n",
    .pci =
        {
            .vendor = 0x1234,
            .device = 0x11e8,
            .subsystem_vendor = 0x1af4,
            .subsystem_device = 0x1100,
            .class_code = 0x00ff00,
            .revision = 0x10,
            .bars = {[0] = {.size = EDU_BAR0_SIZE}},
            .interrupt_pin = 1,
            .msi_cap = 0x40,
            .msi_vectors = 1,
        },
    .create = edu_create,
    .destroy = edu_destroy,
    .reset = edu_reset,
    .read = edu_read,
    .write = edu_write,
    .step = edu_step,
    .deadline = edu_deadline,
    .set = edu_set,
};
