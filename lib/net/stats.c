/* SPDX-License-Identifier: BSD-3-Clause */
/* A port's counters: what the device counted, summed in 64 bits, and what the queues noticed. */
#include "lib/net/net.h"

static void sum_queues(const struct weir_port *p, uint64_t *no_buffer, uint64_t *bad)
{
    *no_buffer = *bad = 0;
    for (unsigned i = 0; i < p->net.opt.rx_queues; i++) {
        const struct weir_rxq_base *b = weir_rxq_base(p->net.rxq[i]);
        *no_buffer += __atomic_load_n(&b->no_buffer, __ATOMIC_RELAXED);
        *bad += __atomic_load_n(&b->bad_descriptor, __ATOMIC_RELAXED);
    }
}

int weir_port_stats(struct weir_port *p, struct weir_port_stats *out, struct weir_error *e)
{
    uint64_t no_buffer, bad;

    (void)e;
    p->ops->stats(&p->net, &p->stats);
    sum_queues(p, &no_buffer, &bad);
    *out = p->stats;
    out->rx_no_buffer += no_buffer - p->no_buffer;
    out->rx_bad_descriptor += bad - p->bad_descriptor;
    return 0;
}

int weir_port_stats_reset(struct weir_port *p, struct weir_error *e)
{
    (void)e;
    p->ops->stats(&p->net, &p->stats);
    p->stats = (struct weir_port_stats){0};
    sum_queues(p, &p->no_buffer, &p->bad_descriptor);
    return 0;
}
