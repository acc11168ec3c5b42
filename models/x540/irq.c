/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts (7.3): causes, masks, and how they become messages. With GPIE.MULTIPLE_MSIX a queue's
 * IVAR names a vector, whose pending state is a bit of x->vectors and whose mask is a bit of
 * x->enabled; EICR and EIMS show the first sixteen of both. Otherwise IVAR names one of EICR's low
 * sixteen bits and everything goes to one interrupt. Moderation (EITR) is not modelled: a step is
 * one event.
 */
#include "xm.h"
#include <errno.h>

#define QUEUES 0xffffu /* the bits of EICR, EIMS, ... that belong to queues */

static bool many(const struct xm *x)
{
    return weir_model_msix_enabled(x->model) && weir_xm_get(x, X540_GPIE) & X540_GPIE_MULTIPLE_MSIX;
}

static uint64_t auto_mask(const struct xm *x)
{
    return ((uint64_t)weir_xm_get(x, X540_EIAM_EX + 4) << 32 | weir_xm_get(x, X540_EIAM_EX)) |
           (weir_xm_get(x, X540_EIAM) & QUEUES);
}

static void level(struct xm *x)
{
    weir_model_intx(x->model, (x->vectors & x->enabled & QUEUES) || x->eicr & x->eims);
}

/* Send what is new (or was just unmasked) and enabled. */
static void send(struct xm *x, uint64_t queues, uint32_t others)
{
    bool auto_masks = weir_xm_get(x, X540_GPIE) & X540_GPIE_EIAME;

    queues &= x->enabled;
    others &= x->eims;
    if (!many(x)) {
        if (queues & QUEUES || others) {
            weir_model_raise(x->model, 0);
            if (weir_model_msix_enabled(x->model)) {
                x->vectors &= ~(queues & weir_xm_get(x, X540_EIAC));
                if (auto_masks) {
                    x->enabled &= ~(queues & auto_mask(x));
                    x->eims &= ~(others & weir_xm_get(x, X540_EIAM));
                }
            }
        }
        level(x);
        return;
    }
    /* Cleared and masked before the message goes out: its receiver may react at once. Vectors from
     * 16 on have no bit in EICR that could be cleared otherwise. */
    x->vectors &= ~(queues & (~(uint64_t)QUEUES | weir_xm_get(x, X540_EIAC)));
    if (auto_masks) {
        x->enabled &= ~(queues & auto_mask(x));
        x->eims &= ~(others & weir_xm_get(x, X540_EIAM));
    }
    for (uint64_t rest = queues; rest; rest &= rest - 1)
        weir_model_raise(x->model, (unsigned)__builtin_ctzll(rest));
    uint32_t misc = weir_xm_get(x, X540_IVAR_MISC);
    if (others && misc & X540_IVAR_MISC_INT_ALLOC_VAL1)
        weir_model_raise(x->model, weir_field_get(misc, X540_IVAR_MISC_INT_ALLOC1));
}

void weir_xm_cause(struct xm *x, uint32_t causes)
{
    x->eicr |= causes;
    send(x, 0, causes);
}

/* The vector, or bit of EICR, of a queue's interrupts; -1 if it has none. */
static int vector_of(const struct xm *x, unsigned q, bool tx)
{
    uint32_t entry = weir_xm_get(x, x540_ivar(q)) >> x540_ivar_shift(q, tx);
    if (!(entry & X540_IVAR_INT_ALLOC_VAL0))
        return -1;
    return (int)(entry & X540_IVAR_INT_ALLOC0);
}

bool weir_xm_irq_pending(const struct xm *x)
{
    return x->rx_cause[0] | x->rx_cause[1] | x->tx_cause[0] | x->tx_cause[1];
}

void weir_xm_irq_step(struct xm *x)
{
    uint64_t news = 0;

    /* What an interrupt tells of is in memory before it comes. */
    if (!weir_xm_irq_pending(x) || weir_siommu_settle(weir_model_siommu(x->model)) == -EAGAIN)
        return;

    for (unsigned tx = 0; tx < 2; tx++) {
        uint64_t *causes = tx ? x->tx_cause : x->rx_cause;
        for (unsigned half = 0; half < 2; half++) {
            for (uint64_t rest = causes[half]; rest; rest &= rest - 1) {
                int v = vector_of(x, half * 64 + (unsigned)__builtin_ctzll(rest), tx);
                if (v >= 0)
                    news |= (uint64_t)1 << v;
            }
            causes[half] = 0;
        }
    }
    if (news) {
        x->vectors |= news;
        send(x, news, 0);
    }
}

static uint32_t read_eicr(struct xm *x)
{
    uint32_t gpie = weir_xm_get(x, X540_GPIE);
    uint32_t value = x->eicr | (uint32_t)(x->vectors & QUEUES);

    /* With OCD (other clear disable) reading clears bits 16 to 29 alone. */
    uint32_t clear = gpie & X540_GPIE_OCD ? 0x3fff0000 : 0xffffffff;
    x->eicr &= ~clear;
    x->vectors &= ~(uint64_t)(clear & QUEUES);
    if (!(gpie & X540_GPIE_EIAME)) {
        x->enabled &= ~auto_mask(x);
        x->eims &= ~weir_xm_get(x, X540_EIAM);
    }
    level(x);
    return value;
}

uint32_t weir_xm_irq_read(struct xm *x, uint32_t off)
{
    switch (off) {
    case X540_EICR:
        return read_eicr(x);
    case X540_EICS: /* as EICR, without clearing: what stock drivers rely on */
        return x->eicr | (uint32_t)(x->vectors & QUEUES);
    case X540_EIMS:
        return x->eims | (uint32_t)(x->enabled & QUEUES);
    case X540_EIMS_EX:
        return (uint32_t)x->enabled;
    case X540_EIMS_EX + 4:
        return (uint32_t)(x->enabled >> 32);
    default:
        return 0; /* EIMC, EIMC_EX, EICS_EX are write-only */
    }
}

static void enable(struct xm *x, uint64_t queues, uint32_t others)
{
    uint64_t new_queues = queues & ~x->enabled;
    uint32_t new_others = others & ~x->eims;
    x->enabled |= queues;
    x->eims |= others;
    /* What was raised while it was masked fires now. */
    send(x, x->vectors & new_queues, x->eicr & new_others);
}

void weir_xm_irq_write(struct xm *x, uint32_t off, uint32_t value)
{
    const uint32_t others = value & ~QUEUES;
    unsigned shift = 0;

    switch (off) {
    case X540_EICR:
        x->eicr &= ~others;
        x->vectors &= ~(uint64_t)(value & QUEUES);
        level(x);
        break;
    case X540_EICS:
        x->eicr |= others;
        x->vectors |= value & QUEUES;
        send(x, value & QUEUES, others);
        break;
    case X540_EIMS:
        enable(x, value & QUEUES, others);
        break;
    case X540_EIMC:
        x->eims &= ~others;
        x->enabled &= ~(uint64_t)(value & QUEUES);
        level(x);
        break;
    case X540_EICS_EX + 4:
        shift = 32; /* fall through */
    case X540_EICS_EX:
        x->vectors |= (uint64_t)value << shift;
        send(x, (uint64_t)value << shift, 0);
        break;
    case X540_EIMS_EX + 4:
        shift = 32; /* fall through */
    case X540_EIMS_EX:
        enable(x, (uint64_t)value << shift, 0);
        break;
    case X540_EIMC_EX + 4:
        shift = 32; /* fall through */
    case X540_EIMC_EX:
        x->enabled &= ~((uint64_t)value << shift);
        level(x);
        break;
    default:
        break;
    }
}

void weir_xm_irq_reset(struct xm *x)
{
    x->eicr = x->eims = 0;
    x->vectors = x->enabled = 0;
    memset(x->rx_cause, 0, sizeof(x->rx_cause));
    memset(x->tx_cause, 0, sizeof(x->tx_cause));
    weir_model_intx(x->model, false);
}
