/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Driver for QEMU's edu device, as a copy channel: into the device's buffer, out of it again, piece
 * by piece. Facts are of QEMU's docs/specs/edu.rst and hw/misc/edu.c. The device does not tell of
 * memory it could not reach: it reads zeros there, and what it writes is gone.
 */
#include "hw/edu/regs.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <weir/driver/builtin.h>
#include <weir/io.h>

/* Not all of the buffer: up to QEMU 7.2 a transfer that ends with it makes QEMU abort. Whole cache
 * lines, so that pieces stay aligned. */
#define PIECE (EDU_BUFFER_SIZE - WEIR_CACHE_LINE)
/* A transfer takes 100 ms of a virtual machine's time, and a piece two of them. */
#define IDLE_MS 1000

struct edu {
    struct weir_copy copy; /* what is left of it, from the piece under way on */
    uint32_t piece;        /* bytes of that piece */
    bool out;              /* the piece is on its way out of the buffer, and not in */
};

static uint32_t get(const struct weir_copier *c, uint32_t reg)
{
    return weir_read32(c->device, WEIR_REGION_BAR0, reg);
}

static void set(const struct weir_copier *c, uint32_t reg, uint32_t value)
{
    weir_write32(c->device, WEIR_REGION_BAR0, reg, value);
}

static int edu_open(struct weir_copier *c, struct weir_error *e)
{
    const uint32_t probe = 0x5a0ff0c3;
    struct weir_region bar;
    uint32_t id, live;

    weir_device_region(c->device, WEIR_REGION_BAR0, &bar);
    set(c, EDU_LIVE, probe);
    id = get(c, EDU_ID);
    live = get(c, EDU_LIVE);
    if (bar.size < EDU_BAR0_SIZE || weir_field_get(id, EDU_ID_MAGIC) != EDU_MAGIC || live != ~probe)
        return weir_fail(e, weir_device_lost(c->device) ? -ENODEV : -EIO, "edu-identity",
                         "open an edu device\nBAR0 has %#llx bytes, its id is %#010x, and it says "
                         "%#010x is the inverse of %#010x\nthis is no edu device, or it is lost",
                         (unsigned long long)bar.size, id, live, probe);
    c->priv = calloc(1, sizeof(struct edu));
    return c->priv ? 0 : weir_fail(e, -ENOMEM, "no-memory", "open an edu device\nout of memory");
}

static void edu_close(struct weir_copier *c)
{
    free(c->priv);
    c->priv = NULL;
}

/* Wait for a transfer that an earlier owner began; it is off the bus by now. */
static bool idle(const struct weir_copier *c)
{
    const struct timespec ms = {.tv_nsec = 1000000};

    for (unsigned i = 0; i < IDLE_MS; i++) {
        if (!(get(c, EDU_DMA_CMD) & EDU_DMA_CMD_RUN))
            return true;
        if (weir_device_lost(c->device))
            return false;
        nanosleep(&ms, NULL);
    }
    return false;
}

static int edu_start(struct weir_copier *c, struct weir_error *e)
{
    /* QEMU's device keeps its state over every reset: waiting is what helps there. */
    if (!idle(c) && (weir_device_reset(c->device, NULL) || !idle(c)))
        return weir_fail(e, weir_device_lost(c->device) ? -ENODEV : -ETIMEDOUT, "edu-busy",
                         "start an edu device\na transfer was under way, and did not end in %u ms "
                         "nor by a reset\npower-cycle the device; if it is a model, see what it "
                         "logs",
                         IDLE_MS);
    set(c, EDU_STATUS, 0); /* no interrupts from factorials */
    set(c, EDU_IRQ_ACK, get(c, EDU_IRQ_STATUS));
    return weir_device_bus_master(c->device, true, e);
}

static void edu_stop(struct weir_copier *c)
{
    (void)c; /* off the bus it does no harm, and the next start waits for it */
}

/* Start the piece, into the buffer or out of it. Addresses fit the lower halves of the registers:
 * the channel saw to that. */
static void transfer(struct weir_copier *c, bool out)
{
    struct edu *d = c->priv;

    d->out = out;
    set(c, EDU_DMA_SRC, out ? EDU_BUFFER : (uint32_t)d->copy.src.addr);
    set(c, EDU_DMA_DST, out ? (uint32_t)d->copy.dst.addr : EDU_BUFFER);
    set(c, EDU_DMA_COUNT, d->piece);
    weir_wmb();
    set(c, EDU_DMA_CMD,
        EDU_DMA_CMD_RUN | (out ? EDU_DMA_CMD_TO_RAM : 0) | (c->interrupt ? EDU_DMA_CMD_IRQ : 0));
}

static void next_piece(struct weir_copier *c)
{
    struct edu *d = c->priv;

    d->piece = d->copy.len < PIECE ? d->copy.len : PIECE;
    transfer(c, false);
}

static void edu_copy(struct weir_copier *c, const struct weir_copy *copy)
{
    struct edu *d = c->priv;

    d->copy = *copy;
    next_piece(c);
}

static int edu_poll(struct weir_copier *c)
{
    struct edu *d = c->priv;

    if (get(c, EDU_DMA_CMD) & EDU_DMA_CMD_RUN) /* also all ones, of a lost device */
        return 0;
    weir_rmb();
    c->progress++;
    if (!d->out) {
        transfer(c, true);
        return 0;
    }
    d->copy.src.addr += d->piece;
    d->copy.dst.addr += d->piece;
    d->copy.len -= d->piece;
    if (!d->copy.len)
        return 1;
    next_piece(c);
    return 0;
}

/* Needed with MSI, too (edu.rst, "IRQ controller"). */
static void edu_irq(struct weir_copier *c)
{
    set(c, EDU_IRQ_ACK, get(c, EDU_IRQ_STATUS));
}

static const struct weir_pci_id ids[] = {
    {0x1234, 0x11e8},
    {0, 0},
};

static const struct weir_dma_ops dma_ops = {
    .limits = {.iova_bits = EDU_DMA_BITS, .max_len = 1 << 20, .align = 1, .in_flight = 1},
    .open = edu_open,
    .close = edu_close,
    .start = edu_start,
    .stop = edu_stop,
    .copy = edu_copy,
    .poll = edu_poll,
    .irq = edu_irq,
};

const struct weir_driver weir_edu_driver = {
    .name = "edu",
    .ids = ids,
    .device_class = WEIR_CLASS_DMA,
    .dma = &dma_ops,
    .regs = &edu_regs,
};
