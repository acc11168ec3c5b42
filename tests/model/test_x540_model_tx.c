/* SPDX-License-Identifier: BSD-3-Clause */
/* The X540 model's transmit path: rings, completion, malformed frames, faults, counters. */
#include "lib/model/model.h"
#include "x540_case.h"
#include <sys/mman.h>

static void sends(void **state)
{
    struct bench *b = *state;
    static uint8_t f[3000];

    tx_on(b, 0);
    run(b);
    assert_int_equal(weir_model_deadline(b->m), UINT64_MAX);
    make_frame(f, "02:00:00:00:00:09", 0x88b5, sizeof(f));
    uint32_t one = post(b, 0, f, 60, 0, 0);
    uint32_t two = post(b, 0, f, 1514, 0, 0);
    run(b);
    assert_int_equal(b->wire.n_out, 0); /* not before the doorbell */
    doorbell(b, 0);
    assert_int_equal(b->wire.n_out, 0); /* which only latches */
    assert_int_equal(weir_model_deadline(b->m), 0);
    run(b);
    check_out(b, 0, f, 60);
    check_out(b, 1, f, 1514);
    assert_true(tx_done(b, 0, one) && tx_done(b, 0, two));
    assert_int_equal(get(b, x540_txq(X540_TDH, 0)), 2);
    assert_int_equal(weir_model_deadline(b->m), UINT64_MAX);

    /* In pieces, of which only the last asks for a report; an empty one among them */
    uint8_t *buf = carve(b, sizeof(f));
    memcpy(buf, f, sizeof(f));
    uint32_t first = post_raw(b, 0, iova_of(b, buf), TX_DATA | 1, 3000u << 14);
    post_raw(b, 0, iova_of(b, buf + 1), TX_DATA | 99, 0);
    post_raw(b, 0, iova_of(b, buf + 100), TX_DATA, 0);
    uint32_t last = post_raw(b, 0, iova_of(b, buf + 100), TX_DATA | TX_LAST | 2900, 0);
    doorbell(b, 0);
    run(b);
    check_out(b, 2, f, 3000);
    assert_false(tx_done(b, 0, first));
    assert_true(tx_done(b, 0, last));

    /* Its end comes later. */
    first = post_raw(b, 0, iova_of(b, buf), TX_DATA | X540_TXD_CMD_RS | 100, 200u << 14);
    doorbell(b, 0);
    run(b);
    assert_int_equal(b->wire.n_out, 3);
    assert_int_equal(get(b, x540_txq(X540_TDH, 0)), first);
    assert_int_equal(weir_model_deadline(b->m), UINT64_MAX);
    post_raw(b, 0, iova_of(b, buf + 100), TX_DATA | TX_LAST | 100, 0);
    doorbell(b, 0);
    run(b);
    check_out(b, 3, f, 200);
    assert_true(tx_done(b, 0, first));
    assert_int_equal(b->warnings, 0);
}

static void expect_nothing_done(struct bench_wire *t)
{
    struct bench *b = t->user;
    for (unsigned i = 0; i < RING && t->n_pending; i++)
        assert_false(tx_done(b, 0, i));
}

static void completes_after_the_flush(void **state)
{
    struct bench *b = *state;
    uint8_t f[100];

    tx_on(b, 0);
    make_frame(f, "02:00:00:00:00:09", 0x88b5, 100);
    b->wire.on_flush = expect_nothing_done;
    b->wire.user = b;
    for (unsigned i = 0; i < 30; i++)
        post(b, 0, f, 100, 0, 0);
    doorbell(b, 0);
    assert_int_equal(weir_model_step(b->m, 64), 30);
    assert_int_equal(b->wire.n_out, 30);
    for (unsigned i = 0; i < 30; i++)
        assert_true(tx_done(b, 0, i));
}

static void offers_again_what_the_wire_refused(void **state)
{
    struct bench *b = *state;
    uint8_t f[100];

    tx_on(b, 0);
    for (unsigned i = 0; i < 10; i++) {
        make_frame(f, "02:00:00:00:00:09", 0x88b5, 100);
        f[20] = (uint8_t)i;
        post(b, 0, f, 100, 0, 0);
    }
    doorbell(b, 0);
    b->wire.refuse = 1; /* takes it after a flush */
    weir_model_step(b->m, 4);
    b->wire.refuse = 2; /* not even then: later */
    weir_model_step(b->m, 64);
    assert_int_equal(b->wire.n_out, 4);
    assert_int_equal(get(b, x540_txq(X540_TDH, 0)), 4);
    uint64_t at = weir_model_deadline(b->m);
    assert_true(at > 0 && at < UINT64_MAX);
    for (unsigned i = 0; i < 1000000 && b->wire.n_out < 10; i++)
        weir_model_step(b->m, 64);
    assert_int_equal(b->wire.n_out, 10);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(b->wire.out[i].data[20], i);
}

static void wraps_around(void **state)
{
    struct bench *b = *state;
    uint8_t f[64], *buf = carve(b, 64);

    tx_on(b, 3);
    make_frame(f, "02:00:00:00:00:09", 0x88b5, 60);
    memcpy(buf, f, 60);
    for (unsigned i = 0; i < 500;) {
        for (unsigned k = 0; k < 1 + i % 63 && i < 500; k++, i++)
            post_raw(b, 3, iova_of(b, buf), TX_DATA | TX_LAST | 60, 60u << 14);
        doorbell(b, 3);
        run(b);
        assert_int_equal(b->wire.n_out, i);
        assert_int_equal(get(b, x540_txq(X540_TDH, 3)), b->tx[3].tail);
        assert_true(tx_done(b, 3, (b->tx[3].tail + RING - 1) % RING));
    }
}

static void serves_queues_in_turn(void **state)
{
    struct bench *b = *state;
    uint8_t f[64];
    unsigned from[8] = {0};

    for (unsigned q = 0; q < 8; q++) {
        tx_on(b, q);
        for (unsigned i = 0; i < 60; i++) {
            make_frame(f, "02:00:00:00:00:09", 0x88b5, 60);
            f[20] = (uint8_t)q;
            f[21] = (uint8_t)i;
            uint8_t *buf = i ? b->mem + b->used - 4096 : carve(b, 4096);
            memcpy(buf + 64 * i, f, 60);
            post_raw(b, q, iova_of(b, buf + 64 * i), TX_DATA | TX_LAST | 60, 60u << 14);
        }
        doorbell(b, q);
    }
    /* Small budgets do not let one queue keep the others waiting. */
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(weir_model_step(b->m, 10), 10);
    for (unsigned i = 0; i < b->wire.n_out; i++)
        from[b->wire.out[i].data[20]]++;
    for (unsigned q = 0; q < 8; q++)
        assert_int_equal(from[q], 10);
    run(b);
    memset(from, 0, sizeof(from));
    assert_int_equal(b->wire.n_out, 480);
    for (unsigned i = 0; i < 480; i++) /* each in its order */
        assert_int_equal(b->wire.out[i].data[21], from[b->wire.out[i].data[20]]++);
}

static void writes_the_head_back(void **state)
{
    struct bench *b = *state;
    uint8_t f[64];
    uint32_t *head = carve(b, 4);

    tx_on(b, 0);
    set(b, x540_txq(X540_TDWBAH, 0), (uint32_t)(iova_of(b, head) >> 32));
    set(b, x540_txq(X540_TDWBAL, 0), (uint32_t)iova_of(b, head) | X540_TDWBAL_HEAD_WB_EN);
    make_frame(f, "02:00:00:00:00:09", 0x88b5, 60);
    for (unsigned i = 0; i < 5; i++)
        post(b, 0, f, 60, 0, 0);
    doorbell(b, 0);
    run(b);
    assert_int_equal(*head, 5);
    assert_false(tx_done(b, 0, 4)); /* instead of DD */
}

static void refuses_malformed_frames(void **state)
{
    struct bench *b = *state;
    static uint8_t f[16384];
    uint8_t *buf = carve(b, 65536);
    uint64_t at = iova_of(b, buf);
    unsigned expect = 0;

    make_frame(f, "02:00:00:00:00:09", 0x88b5, sizeof(f));
    memcpy(buf, f, sizeof(f));
    for (unsigned kind = 0; kind < 12; kind++) {
        set(b, X540_CTRL, X540_CTRL_RST);
        b->used = 65536;
        memset(b->mem + b->used, 0, 4096);
        tx_on(b, 0);
        b->warnings = 0;
        uint32_t last = 0;
        switch (kind) {
        case 0: /* too short */
            last = post_raw(b, 0, at, TX_DATA | TX_LAST | 13, 13u << 14);
            break;
        case 1: /* too long */
            last = post_raw(b, 0, at, TX_DATA | TX_LAST | 15869, 15869u << 14);
            break;
        case 2: /* too long in pieces */
            post_raw(b, 0, at, TX_DATA | 15000, 30000u << 14);
            last = post_raw(b, 0, at, TX_DATA | TX_LAST | 15000, 0);
            break;
        case 3: /* too many buffers */
            for (unsigned i = 0; i < 40; i++)
                post_raw(b, 0, at + i * 10, TX_DATA | X540_TXD_CMD_RS | 10, 410u << 14);
            last = post_raw(b, 0, at, TX_DATA | TX_LAST | 10, 0);
            break;
        case 4: /* a context inside */
            post_raw(b, 0, at, TX_DATA | 100, 200u << 14);
            post_context(b, 0, 0, 14, 20, true, X540_L4T_TCP, 20, 0, 0);
            last = post_raw(b, 0, at, TX_DATA | TX_LAST | 100, 0);
            break;
        case 5: /* unknown type */
            last = post_raw(b, 0, at, (TX_DATA ^ 1u << 20) | TX_LAST | 100 | 1u << 22, 100u << 14);
            break;
        case 6: /* checksums without header lengths */
            post_context(b, 0, 0, 0, 0, true, X540_L4T_TCP, 0, 0, 0);
            last = post_raw(b, 0, at, TX_DATA | TX_LAST | 100,
                            100u << 14 | X540_TXD_POPTS_IXSM | X540_TXD_POPTS_TXSM);
            break;
        case 7: /* headers longer than the frame */
            post_context(b, 0, 0, 127, 511, true, X540_L4T_TCP, 20, 0, 0);
            last = post_raw(b, 0, at, TX_DATA | TX_LAST | 100, 100u << 14 | X540_TXD_POPTS_TXSM);
            break;
        case 8: /* segmentation without a segment size */
            post_context(b, 0, 0, 14, 20, true, X540_L4T_TCP, 20, 0, 0);
            last = post_raw(b, 0, at, TX_DATA | TX_LAST | X540_TXD_CMD_TSE | 1000,
                            946u << 14 | X540_TXD_POPTS_TXSM);
            break;
        case 9: /* segments longer than a frame may be */
            post_context(b, 0, 0, 14, 20, true, X540_L4T_TCP, 20, 16000, 0);
            last = post_raw(b, 0, at, TX_DATA | TX_LAST | X540_TXD_CMD_TSE | 16300,
                            16246u << 14 | X540_TXD_POPTS_TXSM);
            break;
        case 10: /* nothing in it */
            last = post_raw(b, 0, 0, TX_DATA | TX_LAST, 0);
            break;
        case 11: /* a legacy checksum beyond its end */
            last = post_raw(b, 0, at,
                            TX_LAST | X540_TXD_CMD_IFCS | X540_TXD_CMD_IC | 200u << 16 | 60, 0);
            break;
        }
        uint32_t good = post_raw(b, 0, at, TX_DATA | TX_LAST | 60, 60u << 14);
        doorbell(b, 0);
        run(b);
        if (b->warnings != 1 || b->wire.n_out != ++expect)
            fail_msg("case %u: %u warnings, %u frames", kind, b->warnings, b->wire.n_out);
        check_out(b, expect - 1, f, 60);  /* the next one goes out */
        assert_true(tx_done(b, 0, last)); /* and the bad one is done with */
        assert_true(tx_done(b, 0, good));
    }
    /* A length that disagrees is said, and the buffers count. */
    b->warnings = 0;
    set(b, x540_txq(X540_TXDCTL, 0), 0);
    set(b, x540_txq(X540_TDT, 0), 0);
    set(b, x540_txq(X540_TXDCTL, 0), X540_TXDCTL_ENABLE);
    b->tx[0].tail = 0;
    post_raw(b, 0, at, TX_DATA | TX_LAST | 60, 61u << 14);
    doorbell(b, 0);
    run(b);
    assert_int_equal(b->warnings, 1);
    check_out(b, expect, f, 60);
    assert_non_null(strstr(b->log, "PAYLEN"));
}

static void refuses_bad_rings(void **state)
{
    struct bench *b = *state;
    uint8_t *buf = carve(b, 4096);

    tx_on(b, 0);
    set(b, x540_txq(X540_TDT, 0), RING);
    assert_int_equal(b->warnings, 1);
    run(b);
    assert_int_equal(get(b, x540_txq(X540_TDH, 0)), 0);
    assert_int_equal(get(b, x540_txq(X540_TDT, 0)), RING); /* it reads back all the same */
    set(b, x540_txq(X540_TDT, 0), 0);
    /* A ring full of beginnings */
    set(b, x540_txq(X540_TXDCTL, 0), 0);
    set(b, x540_txq(X540_TXDCTL, 0), X540_TXDCTL_ENABLE);
    for (unsigned i = 0; i < RING - 1; i++)
        post_raw(b, 0, iova_of(b, buf), TX_DATA | 1, 0);
    doorbell(b, 0);
    b->warnings = 0;
    run(b);
    assert_int_equal(b->warnings, 1);
    assert_int_equal(b->wire.n_out, 0);
    /* No length at all */
    b->warnings = 0;
    set(b, x540_txq(X540_TXDCTL, 7), X540_TXDCTL_ENABLE);
    set(b, x540_txq(X540_TDT, 7), 5);
    run(b);
    assert_int_equal(b->warnings, 1);
}

static void sends_only_when_it_may(void **state)
{
    struct bench *b = *state;
    uint8_t f[64];

    tx_on(b, 0);
    set(b, X540_DMATXCTL, 0);
    make_frame(f, "02:00:00:00:00:09", 0x88b5, 60);
    post(b, 0, f, 60, 0, 0);
    doorbell(b, 0);
    run(b);
    assert_int_equal(b->wire.n_out, 0);
    assert_int_equal(weir_model_set(b->m, "stall", "tx", NULL), 0);
    set(b, X540_DMATXCTL, X540_DMATXCTL_TE);
    run(b);
    assert_int_equal(b->wire.n_out, 0);
    assert_int_equal(weir_model_deadline(b->m), UINT64_MAX);
    assert_int_equal(weir_model_set(b->m, "stall", "none", NULL), 0);
    weir_device_bus_master(b->d, false, NULL);
    run(b);
    assert_int_equal(b->wire.n_out, 0);
    weir_device_bus_master(b->d, true, NULL);
    set(b, X540_CTRL, X540_CTRL_PCIE_MASTER_DISABLE);
    run(b);
    assert_int_equal(b->wire.n_out, 0);
    set(b, X540_CTRL, 0);
    run(b);
    assert_int_equal(b->wire.n_out, 1);
    /* A queue that is off keeps what it has. */
    set(b, x540_txq(X540_TXDCTL, 0), 0);
    post(b, 0, f, 60, 0, 0);
    doorbell(b, 0);
    run(b);
    assert_int_equal(b->wire.n_out, 1);
    /* With the cable pulled frames are lost, and not counted as sent. */
    set(b, X540_CTRL, X540_CTRL_RST);
    tx_on(b, 0);
    weir_model_set_link(b->m, false);
    uint32_t i = post(b, 0, f, 60, 0, 0);
    doorbell(b, 0);
    run(b);
    assert_true(tx_done(b, 0, i));
    assert_int_equal(get(b, X540_GPTC), 0);
}

static void reports_faults(void **state)
{
    struct bench *b = *state;
    struct weir_dma_fault fault;
    uint8_t f[64];
    static uint8_t page[4096] __attribute__((aligned(4096)));
    struct weir_mem wo = {.va = page, .len = 4096, .fd = -1, .name = "results"};

    tx_on(b, 0);
    tx_on(b, 1);
    make_frame(f, "02:00:00:00:00:09", 0x88b5, 60);
    uint32_t good = post(b, 0, f, 60, 0, 0);
    uint32_t bad = post_raw(b, 0, 0xbad000, TX_DATA | TX_LAST | 60, 60u << 14);
    uint32_t after = post(b, 0, f, 60, 0, 0);
    doorbell(b, 0);
    post(b, 1, f, 60, 0, 0);
    doorbell(b, 1);
    run(b);
    assert_int_equal(b->wire.n_out, 2); /* one before it, and the other queue's */
    assert_true(tx_done(b, 0, good));
    assert_false(tx_done(b, 0, bad));
    assert_false(tx_done(b, 0, after)); /* the queue stopped there */
    assert_int_equal(get(b, x540_txq(X540_TDH, 0)), bad);
    assert_true(weir_model_last_fault(b->m, &fault));
    assert_string_equal(fault.queue, "tx");
    assert_int_equal(fault.queue_index, 0);
    assert_int_equal(fault.descriptor, bad);
    assert_int_equal(fault.iova, 0xbad000);
    assert_int_equal(fault.len, 60);
    assert_false(fault.write);
    assert_string_equal(fault.reason, "unmapped");
    assert_non_null(strstr(b->log, "tx 0, descriptor 1"));

    /* Memory that the device may only write; and one that is gone */
    assert_int_equal(weir_space_map(b->space, &wo, weir_iova(0x20000), WEIR_PROT_WRITE, NULL), 0);
    bad = post_raw(b, 1, 0x20000, TX_DATA | TX_LAST | 60, 60u << 14);
    doorbell(b, 1);
    run(b);
    weir_model_last_fault(b->m, &fault);
    assert_string_equal(fault.reason, "write-only");
    assert_string_equal(fault.mapping, "results");
    assert_int_equal(fault.queue_index, 1);
    assert_int_equal(fault.descriptor, bad);
    assert_int_equal(weir_space_unmap(b->space, weir_iova(0x20000), 4096, NULL), 0);
    set(b, X540_CTRL, X540_CTRL_RST);
    tx_on(b, 0);
    post_raw(b, 0, 0x20000, TX_DATA | TX_LAST | 60, 60u << 14);
    doorbell(b, 0);
    run(b);
    weir_model_last_fault(b->m, &fault);
    assert_string_equal(fault.reason, "freed");
    /* A ring that the device may not write to: the frame goes, its report cannot. */
    static uint8_t ring[4096] __attribute__((aligned(4096)));
    struct weir_mem ro = {.va = ring, .len = 4096, .fd = -1, .name = "ring"};
    assert_int_equal(weir_space_map(b->space, &ro, weir_iova(0x30000), WEIR_PROT_READ, NULL), 0);
    set(b, X540_CTRL, X540_CTRL_RST);
    tx_on(b, 0);
    post(b, 0, f, 60, 0, 0);
    memcpy(ring, b->tx[0].desc, 16);
    set(b, x540_txq(X540_TXDCTL, 0), 0);
    set(b, x540_txq(X540_TDBAH, 0), 0);
    set(b, x540_txq(X540_TDBAL, 0), 0x30000);
    set(b, x540_txq(X540_TXDCTL, 0), X540_TXDCTL_ENABLE);
    doorbell(b, 0);
    unsigned sent = b->wire.n_out;
    run(b);
    assert_int_equal(b->wire.n_out, sent + 1);
    weir_model_last_fault(b->m, &fault);
    assert_string_equal(fault.reason, "read-only");
    assert_true(fault.write);
    assert_int_equal(fault.descriptor, 0);
    /* And a head that cannot be written */
    set(b, X540_CTRL, X540_CTRL_RST);
    tx_on(b, 0);
    set(b, x540_txq(X540_TDWBAL, 0), 0x666000 | X540_TDWBAL_HEAD_WB_EN);
    post(b, 0, f, 60, 0, 0);
    doorbell(b, 0);
    run(b);
    weir_model_last_fault(b->m, &fault);
    assert_int_equal(fault.iova, 0x666000);
    struct weir_model_stats s;
    weir_model_stats(b->m, &s);
    assert_int_equal(s.dma_faults, 5);
}

/* Memory that the process cannot reach by address */
static void reaches_memory_by_fd(void **state)
{
    struct bench *b = *state;
    int fd = memfd_create("test", MFD_CLOEXEC);
    static uint8_t f[9000];

    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    struct weir_mem mem = {.len = 1 << 20, .fd = fd, .name = "far"};
    assert_int_equal(weir_siommu_map(weir_model_siommu(b->m), &mem, 0x1000000, WEIR_PROT_RW), 0);
    make_frame(f, "02:00:00:00:00:01", 0x88b5, sizeof(f));
    assert_int_equal(pwrite(fd, f, sizeof(f), 0x10000), sizeof(f));
    set(b, X540_DMATXCTL, X540_DMATXCTL_TE);
    set(b, x540_txq(X540_TDBAL, 0), 0x1000000);
    set(b, x540_txq(X540_TDLEN, 0), 1024);
    set(b, x540_txq(X540_TXDCTL, 0), X540_TXDCTL_ENABLE);
    for (unsigned i = 0; i < 60;
         i++) { /* enough to fill what frames are gathered in, several times */
        struct x540_tx_desc d = {.read = {0x1010000, TX_DATA | TX_LAST | 9000, 9000u << 14}};
        assert_int_equal(pwrite(fd, &d, 16, 16 * i), 16);
    }
    set(b, x540_txq(X540_TDT, 0), 60);
    run(b);
    for (unsigned i = 0; i < 60; i++)
        check_out(b, i, f, 9000);
    struct x540_tx_desc d;
    assert_int_equal(pread(fd, &d, 16, 59 * 16), 16);
    assert_int_equal(d.wb.status, X540_TXD_STA_DD);
    weir_siommu_unmap(weir_model_siommu(b->m), 0x1000000, 1 << 20, NULL, NULL);
    close(fd);
}

static void loops_back_inside(void **state)
{
    struct bench *b = *state;
    uint8_t f[1514];

    rx_on(b, 0, 2, 0);
    tx_on(b, 0);
    promiscuous(b);
    set(b, X540_HLREG0, get(b, X540_HLREG0) | X540_HLREG0_LPBK);
    make_frame(f, "02:00:00:00:00:09", 0x88b5, sizeof(f));
    for (unsigned i = 0; i < 40; i++)
        post(b, 0, f, 20 + i * 37, 0, 0);
    doorbell(b, 0);
    run(b);
    assert_int_equal(b->wire.n_out, 0);
    for (unsigned i = 0; i < 40; i++) {
        uint32_t len = 20 + i * 37;
        assert_true(rx_status(b, 0, i) & X540_RXD_STAT_DD);
        assert_int_equal(b->rx[0].desc[i].wb.length, len < 60 ? 60 : len);
        assert_memory_equal(b->rx[0].buf[i], f, len);
        for (uint32_t k = len; k < 60; k++)
            assert_int_equal(b->rx[0].buf[i][k], 0);
    }
    assert_int_equal(get(b, X540_GPTC), 40);
    assert_int_equal(get(b, X540_GPRC), 40);

    /* Without descriptors the packet buffer fills. What it has no room for counts twice. */
    for (unsigned i = 0; i < RING; i++)
        post(b, 0, f, sizeof(f), 0, 0);
    for (unsigned i = 0; i < 300; i++) {
        b->tx[0].tail = (b->tx[0].tail + 1) % RING;
        doorbell(b, 0);
        run(b);
    }
    uint32_t kept = 384 * 1024 / (1514 + 2 + 4) + 63 - 40;
    assert_int_equal(get(b, X540_GPRC), 300);
    assert_int_equal(get(b, X540_RXMPC), 300 - kept);
    assert_int_equal(get(b, X540_GPTC), 300);
}

static void counts(void **state)
{
    struct bench *b = *state;
    static const struct {
        uint32_t len; /* without CRC */
        uint32_t reg;
    } buckets[] = {{20, X540_PTC64},     {60, X540_PTC64},     {61, X540_PTC127},
                   {123, X540_PTC127},   {124, X540_PTC255},   {251, X540_PTC255},
                   {252, X540_PTC511},   {507, X540_PTC511},   {508, X540_PTC1023},
                   {1019, X540_PTC1023}, {1020, X540_PTC1522}, {9000, X540_PTC1522}};
    static uint8_t f[9000];
    uint64_t bytes = 0;
    unsigned n = sizeof(buckets) / sizeof(buckets[0]);

    tx_on(b, 5);
    set(b, X540_TQSM + 4, 0x0200); /* queue 5 to index 2 */
    make_frame(f, "02:00:00:00:00:09", 0x88b5, sizeof(f));
    for (unsigned i = 0; i < n; i++) {
        post(b, 5, f, buckets[i].len, 0, 0);
        doorbell(b, 5);
        run(b);
        if (get(b, buckets[i].reg) != 1)
            fail_msg("a frame of %u bytes", buckets[i].len);
        bytes += buckets[i].len;
    }
    assert_int_equal(get(b, X540_GPTC), n);
    assert_int_equal(get(b, X540_GPTC), 0);
    assert_int_equal(get(b, X540_TPT), n);
    assert_int_equal(wide(b, X540_GOTCL, X540_GOTCH), bytes + 40 + 4 * n); /* padded, with CRC */
    assert_int_equal(wide(b, X540_GOTCL, X540_GOTCH), 0);
    assert_int_equal(get(b, X540_QPTC + 0x40 * 2), n);
    assert_int_equal(get(b, X540_QPTC), 0);
    assert_int_equal(wide(b, X540_QBTC_L + 8 * 2, X540_QBTC_H + 8 * 2), bytes);
    assert_int_equal(get(b, X540_MPTC) + get(b, X540_BPTC), 0);
    f[0] = 1;
    post(b, 5, f, 60, 0, 0);
    memset(f, 0xff, 6);
    post(b, 5, f, 60, 0, 0);
    doorbell(b, 5);
    run(b);
    assert_int_equal(get(b, X540_MPTC), 1);
    assert_int_equal(get(b, X540_BPTC), 1);
    /* What the wire says agrees. */
    struct weir_model_stats s;
    weir_model_stats(b->m, &s);
    assert_int_equal(s.tx_frames, n + 2);
    assert_int_equal(s.tx_bytes, bytes + 40 + 120);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
        CASE(sends),
        CASE(completes_after_the_flush),
        CASE(offers_again_what_the_wire_refused),
        CASE(wraps_around),
        CASE(serves_queues_in_turn),
        CASE(writes_the_head_back),
        CASE(refuses_malformed_frames),
        CASE(refuses_bad_rings),
        CASE(sends_only_when_it_may),
        CASE(reports_faults),
        CASE(reaches_memory_by_fd),
        CASE(loops_back_inside),
        CASE(counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
