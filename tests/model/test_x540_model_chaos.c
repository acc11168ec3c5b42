/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver that has lost its mind: random registers, random descriptors, random frames. The model
 * has to come to rest, to stay inside the memory that is mapped for it, and to work again after a
 * reset. Run under sanitizers this says more than it seems to.
 */
#include "lib/model/model.h"
#include "x540_case.h"

static uint32_t seed;

static uint32_t any(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    return seed ^= seed << 5;
}

static uint64_t any_address(const struct bench *b)
{
    switch (any() % 64) {
    case 0: /* nowhere */
        return (uint64_t)any() << 32 | any();
    case 1: /* over the end */
        return MEM_IOVA + MEM_SIZE - any() % 3000;
    default:
        return MEM_IOVA + b->used + any() % (MEM_SIZE / 2);
    }
}

static uint32_t any_register(void)
{
    static const uint32_t hot[] = {X540_RXCTRL,   X540_FCTRL, X540_HLREG0, X540_MAXFRS,
                                   X540_DMATXCTL, X540_EIMS,  X540_EICR,   X540_GPIE,
                                   X540_VLNCTRL,  X540_MRQC,  X540_RXCSUM, X540_RETA,
                                   X540_RDRXCTL,  X540_MSCA,  X540_MSRWD,  X540_EERD,
                                   X540_PFQDE,    X540_IVAR,  X540_EICS,   X540_IVAR_MISC};
    if (any() % 2)
        return hot[any() % (sizeof(hot) / sizeof(hot[0]))];
    const struct weir_reg *r = &x540_regs.regs[any() % x540_regs.n_regs];
    return r->offset + any() % r->count * r->stride;
}

static void disturb(struct bench *b, unsigned q)
{
    struct x540_tx_desc *tx = &b->tx[q].desc[any() % RING];
    struct x540_rx_desc *rx = &b->rx[q].desc[any() % RING];

    switch (any() % 10) {
    case 0:
        set(b, any_register(), any() & any());
        break;
    case 1:
        get(b, any_register());
        break;
    case 2:
        set(b, x540_txq(X540_TDT, q), any() % (RING + 2));
        break;
    case 3:
        set(b, x540_rxq(X540_RDT, q), any() % (RING + 2));
        break;
    case 4:
        rx->read.pkt_addr = any_address(b);
        break;
    case 5: /* noise, seldom: a queue that faults stops */
        if (any() % 16 == 0)
            tx->qw[any() % 2] = (uint64_t)any() << 32 | any();
        break;
    case 6: /* data, more or less right */
        tx->read.addr = any_address(b);
        tx->read.cmd_type_len =
            TX_DATA | TX_LAST | (any() & any() & 0xc4000000) | any() % (any() % 8 ? 2000 : 20000);
        tx->read.olinfo_status = any();
        break;
    case 7: /* a context, more or less right */
        tx->ctx.vlan_macip_lens = (any() % 2 ? 20 : any() % 64) | (any() % 2 ? 14 : any() % 32)
                                                                      << 9;
        tx->ctx.type_tucmd_mlhl =
            X540_TXD_CMD_DEXT | (uint32_t)X540_DTYP_CONTEXT << 20 | (any() & 0x1e00);
        tx->ctx.mss_l4len_idx = (any() & 0x07ff0010) | (any() % 2 ? 20 : any() % 256) << 8;
        break;
    case 8: /* off and on again: a stopped queue goes on */
        set(b, x540_txq(X540_TXDCTL, q), 0);
        set(b, x540_txq(X540_TXDCTL, q), X540_TXDCTL_ENABLE);
        break;
    case 9:
        set(b, x540_rxq(X540_RXDCTL, q), 0);
        set(b, x540_rxq(X540_RXDCTL, q), X540_RXDCTL_ENABLE | (any() & 1u << 30));
        break;
    }
}

/* The frame in, over and over: the wire is empty again after each look. */
static void feed(struct bench *b, uint8_t *frame)
{
    uint32_t len = 60 + any() % 3000;
    for (uint32_t i = 12; i < 80 && i < len; i++)
        if (any() % 4 == 0)
            frame[i] = (uint8_t)any();
    b->wire.in[0].data = frame;
    b->wire.in[0].len = len;
    b->wire.n_in = 1;
    b->wire.next_in = 0;
}

static void drop_sent(struct bench *b)
{
    for (unsigned i = 0; i < b->wire.n_out; i++)
        free(b->wire.out[i].data);
    b->wire.n_out = 0;
}

static void small_steps(struct bench *b)
{
    for (unsigned i = 0; i < 4; i++) {
        weir_model_step(b->m, 4);
        drop_sent(b);
    }
}

static void survives_nonsense(void **state)
{
    struct bench *b = *state;
    static uint8_t frame[4096];
    uint8_t good[64];

    b->wire.forgetful = true;
    for (unsigned round = 1; round <= 40; round++) {
        seed = round * 2654435761u;
        set(b, X540_CTRL, X540_CTRL_RST);
        b->used = 0;
        for (unsigned q = 0; q < 2; q++) {
            rx_on(b, q, 1 + any() % 16, any() % 2 ? X540_SRRCTL_DROP_EN : 0);
            tx_on(b, q);
            for (unsigned i = 0; i < RING; i++) {
                b->tx[q].desc[i].read.addr = any_address(b);
                b->tx[q].desc[i].read.cmd_type_len = TX_DATA | TX_LAST | (14 + any() % 1500);
            }
        }
        promiscuous(b);
        make_ip(frame, round & 1, round & 2 ? 6 : 17, 500);
        for (unsigned i = 0; i < 5000; i++) {
            disturb(b, any() % 2);
            if (any() % 3 == 0)
                feed(b, frame);
            if (any() % 4 == 0)
                small_steps(b);
        }
        b->wire.n_in = b->wire.next_in = 0;

        /* And it can be used again. */
        set(b, X540_CTRL, X540_CTRL_RST);
        b->used = 0;
        rx_on(b, 0, 2, 0);
        tx_on(b, 0);
        make_frame(good, "02:00:00:00:00:01", 0x88b5, 60);
        uint32_t i = post(b, 0, good, 60, 0, 0);
        doorbell(b, 0);
        arrives(b, good, 60);
        run(b);
        assert_true(tx_done(b, 0, i));
        check_out(b, 0, good, 60);
        assert_true(rx_status(b, 0, 0) & X540_RXD_STAT_DD);
        assert_memory_equal(b->rx[0].buf[0], good, 60);
        drop_sent(b);
        free(b->wire.in[0].data);
        b->wire.n_in = b->wire.next_in = 0;
    }
    struct weir_model_stats s;
    weir_model_stats(b->m, &s);
    assert_true(s.dma_faults > 100); /* it was asked for plenty, and did plenty */
    assert_true(s.rx_frames > 1000);
    assert_true(s.tx_frames > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(survives_nonsense, bench_setup, bench_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
