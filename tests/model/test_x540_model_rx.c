/* SPDX-License-Identifier: BSD-3-Clause */
/* The X540 model's receive path: lengths, buffers, write-back, packet buffer, faults, counters. */
#include "lib/model/model.h"
#include "x540_case.h"
#include <sys/mman.h>

static void chains_buffers(void **state)
{
    struct bench *b = bench_new("model:x540?wire=loopback");
    static uint8_t frame[9018], got[16384];
    struct x540_rx_wb wb = {0};
    uint32_t len;
    (void)state;

    set(b, X540_HLREG0, get(b, X540_HLREG0) | X540_HLREG0_JUMBOEN);
    set(b, X540_MAXFRS, 9022u << 16);
    rx_on(b, 0, 2, 0);
    tx_on(b, 0);
    promiscuous(b);
    static const uint32_t lens[] = {60, 2047, 2048, 2049, 4096, 9000, 9018, 1514};
    unsigned used = 0;
    for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        make_frame(frame, "02:00:00:00:00:05", 0x88b5, lens[i]);
        post(b, 0, frame, lens[i], 0, 0);
        doorbell(b, 0);
        run(b);
        assert_true(next_frame(b, 0, got, &len, &wb));
        assert_int_equal(len, lens[i]);
        assert_memory_equal(frame, got, len);
        used += (lens[i] + 2047) / 2048;
        assert_int_equal(get(b, x540_rxq(X540_RDH, 0)), used);
        assert_true(wb.status_error & X540_RXD_STAT_PIF); /* not our address */
        assert_int_equal(wb.info, 0);
    }
    bench_free(b);
}

static void limits_lengths(void **state)
{
    struct bench *b = *state;
    static uint8_t f[16000];

    rx_on(b, 0, 2, 0);
    make_frame(f, "02:00:00:00:00:01", 0x88b5, 15872);
    assert_true(try_frame(b, f, 1514, NULL));
    assert_false(try_frame(b, f, 1515, NULL));
    assert_int_equal(get(b, X540_ROC), 1);
    make_tagged(f, 0x8100, 5, 1600);
    assert_true(try_frame(b, f, 1518, NULL)); /* a tag comes on top */
    assert_false(try_frame(b, f, 1519, NULL));
    set(b, X540_MAXFRS, 9018u << 16); /* alone it says nothing */
    assert_false(try_frame(b, f, 1519, NULL));
    set(b, X540_HLREG0, get(b, X540_HLREG0) | X540_HLREG0_JUMBOEN);
    make_frame(f, "02:00:00:00:00:01", 0x88b5, 15872);
    assert_true(try_frame(b, f, 9014, NULL));
    assert_false(try_frame(b, f, 9015, NULL));
    assert_int_equal(get(b, X540_ROC), 3);
    assert_int_equal(get(b, X540_ROC), 0);
    set(b, X540_MAXFRS, 15872u << 16);
    assert_true(try_frame(b, f, 15868, NULL));
    /* Per queue */
    set(b, x540_rxq(X540_RXDCTL, 0), X540_RXDCTL_ENABLE | X540_RXDCTL_RLPML_EN | 1000);
    assert_true(try_frame(b, f, 996, NULL));
    assert_false(try_frame(b, f, 997, NULL));
    assert_int_equal(get(b, X540_QPRDC), 1);
}

static void keeps_the_crc(void **state)
{
    struct bench *b = *state;
    uint8_t f[64] = {0};
    /* Every Ethernet receiver computes this residue over frame and CRC (IEEE 802.3, 3.2.9). */
    const uint32_t residue = 0xdebb20e3;
    uint32_t crc = 0xffffffff;
    struct x540_rx_wb wb = {0};

    rx_on(b, 0, 2, 0);
    set(b, X540_HLREG0, get(b, X540_HLREG0) & ~X540_HLREG0_RXCRCSTRP);
    make_frame(f, "02:00:00:00:00:01", 0x88b5, 60);
    assert_true(try_frame(b, f, 60, &wb));
    assert_int_equal(wb.length, 64);
    assert_memory_equal(b->rx[0].buf[0], f, 60);
    for (unsigned i = 0; i < 64; i++)
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (((crc ^ (uint32_t)b->rx[0].buf[0][i] >> bit) & 1) ? 0xedb88320 : 0);
    assert_int_equal(crc, residue);
}

static void writes_legacy_descriptors(void **state)
{
    struct bench *b = *state;
    uint8_t f[256];

    rx_on(b, 0, 2, 0);
    set(b, x540_rxq(X540_SRRCTL, 0), 2); /* DESCTYPE 0 */
    set(b, x540_rxq(X540_RXDCTL, 0), X540_RXDCTL_ENABLE | X540_RXDCTL_VME);
    uint32_t len = make_ip(f, false, 17, 50);
    f[len - 1] ^= 1;
    memmove(f + 16, f + 12, len - 12);
    put16(f + 12, 0x8100);
    put16(f + 14, 7);
    uint64_t addr = b->rx[0].desc[0].legacy.addr;
    arrives(b, f, len + 4);
    run(b);
    struct x540_rx_legacy d = b->rx[0].desc[0].legacy;
    assert_int_equal(d.addr, addr);
    assert_int_equal(d.length, len);
    assert_int_equal(d.status, X540_RXD_LEGACY_STAT_DD | X540_RXD_LEGACY_STAT_EOP |
                                   X540_RXD_LEGACY_STAT_VP | X540_RXD_LEGACY_STAT_L4CS |
                                   X540_RXD_LEGACY_STAT_IPCS);
    assert_int_equal(d.errors, X540_RXD_LEGACY_ERR_L4E);
    assert_int_equal(d.vlan, 7);
}

static void waits_or_drops_without_descriptors(void **state)
{
    struct bench *b = *state;
    uint8_t f[1514];

    rx_on(b, 0, 2, 0);
    for (unsigned i = 0; i < 500; i++) {
        make_frame(f, "02:00:00:00:00:01", 0x88b5, 1514);
        put16(f + 14, i);
        arrives(b, f, 1514);
    }
    run(b);
    /* 63 descriptors, and 384 KiB of packet buffer; the rest waits in the wire. */
    assert_int_equal(get(b, x540_rxq(X540_RDH, 0)), 63);
    unsigned taken = b->wire.next_in;
    assert_in_range(taken - 63, (384 * 1024 - 15872) / 1540, 384 * 1024 / 1514);
    assert_int_equal(weir_model_step(b->m, 64), 0);
    assert_int_equal(weir_model_deadline(b->m),
                     UINT64_MAX); /* nothing to do until the tail moves */
    assert_int_equal(get(b, X540_GPRC), taken);
    assert_int_equal(get(b, X540_QPRC), 63);
    /* All of them come out in order once there are descriptors. */
    for (unsigned i = 0; i < 500; i++) {
        uint32_t h = b->rx[0].head;
        assert_true(rx_status(b, 0, h) & X540_RXD_STAT_DD);
        assert_int_equal(b->rx[0].buf[h][14] << 8 | b->rx[0].buf[h][15], i);
        b->rx[0].desc[h].read = (struct x540_rx_read){iova_of(b, b->rx[0].buf[h]), 0};
        b->rx[0].head = (h + 1) % RING;
        set(b, x540_rxq(X540_RDT, 0), h);
        assert_int_equal(weir_model_deadline(b->m) == 0,
                         i < 500 - 63 && b->wire.next_in > 0 && i + 64 <= b->wire.next_in);
        run(b);
    }
    assert_int_equal(b->wire.next_in, 500);
    assert_int_equal(get(b, X540_RXMPC), 0);
    assert_int_equal(get(b, X540_QPRDC), 0);

    /* With DROP_EN they are lost, and counted by queue; what the wire lost counts as missed. */
    rx_on(b, 1, 2, 0);
    set(b, X540_CTRL, X540_CTRL_RST);
    rx_on(b, 0, 2, X540_SRRCTL_DROP_EN);
    for (unsigned i = 0; i < 70; i++)
        arrives(b, f, 60);
    run(b);
    assert_int_equal(b->wire.next_in, 570);
    assert_int_equal(get(b, X540_QPRDC), 7);
    assert_int_equal(get(b, X540_QPRDC), 0);
    /* Good frames, of which the packet buffer kept 63: drivers take RXMPC off GPRC. */
    get(b, X540_GPRC);
    b->wire.lost = 5;
    assert_int_equal(get(b, X540_RXMPC), 5);
    assert_int_equal(get(b, X540_RXMPC), 0);
    assert_int_equal(get(b, X540_GPRC), 5);
    b->wire.lost = 8;
    assert_int_equal(get(b, X540_GPRC), 3);
    assert_int_equal(get(b, X540_RXMPC), 3);
}

static void loses_what_comes_while_it_is_off(void **state)
{
    struct bench *b = bench_new("model:x540?wire=live:&mac=02:00:00:00:00:01");
    uint8_t f[64];
    (void)state;

    make_frame(f, "02:00:00:00:00:01", 0x88b5, 60);
    arrives(b, f, 60);
    arrives(b, f, 60);
    b->wire.lost = 7;
    run(b);
    assert_int_equal(b->wire.next_in, 0); /* nobody looks */
    rx_on(b, 0, 2, 0);
    run(b);
    assert_int_equal(b->wire.next_in, 2);
    assert_int_equal(get(b, x540_rxq(X540_RDH, 0)), 0);
    assert_int_equal(get(b, X540_TPR) + get(b, X540_GPRC) + get(b, X540_RXMPC), 0);
    arrives(b, f, 60);
    b->wire.lost = 9;
    run(b);
    assert_int_equal(get(b, x540_rxq(X540_RDH, 0)), 1);
    assert_int_equal(get(b, X540_RXMPC), 2); /* and not the seven from before */
    assert_int_equal(get(b, X540_GPRC), 3);

    /* What it holds back for want of bus mastering is not lost, what comes while it is off is. */
    weir_device_bus_master(b->d, false, NULL);
    arrives(b, f, 60);
    run(b);
    weir_device_bus_master(b->d, true, NULL);
    run(b);
    assert_int_equal(get(b, x540_rxq(X540_RDH, 0)), 2);
    set(b, X540_RXCTRL, 0);
    run(b);
    b->wire.lost = 20;
    arrives(b, f, 60);
    set(b, X540_RXCTRL, X540_RXCTRL_RXEN);
    run(b);
    assert_int_equal(b->wire.next_in, 5);
    assert_int_equal(get(b, x540_rxq(X540_RDH, 0)), 2);
    assert_int_equal(get(b, X540_RXMPC), 0);

    /* Nor is what a pulled cable loses a miss. */
    b->wire.lost = 30;
    b->wire.link = false;
    run(b);
    b->wire.lost = 40;
    b->wire.link = true;
    run(b);
    b->wire.lost = 41;
    assert_int_equal(get(b, X540_RXMPC), 11);

    /* A reset switches it off too. */
    set(b, X540_CTRL, X540_CTRL_RST);
    arrives(b, f, 60);
    rx_on(b, 0, 2, 0);
    run(b);
    assert_int_equal(b->wire.next_in, 6);
    assert_int_equal(get(b, x540_rxq(X540_RDH, 0)), 0);
    bench_free(b);
}

static void leaves_frames_where_they_are(void **state)
{
    struct bench *b = *state;
    uint8_t f[64];

    make_frame(f, "02:00:00:00:00:01", 0x88b5, 60);
    arrives(b, f, 60);
    arrives(b, f, 60);
    run(b);
    assert_int_equal(b->wire.next_in, 0); /* not receiving: the frames stay in the wire */
    rx_on(b, 0, 2, 0);
    weir_device_bus_master(b->d, false, NULL);
    run(b);
    assert_int_equal(b->wire.next_in, 0);
    weir_device_bus_master(b->d, true, NULL);
    assert_int_equal(weir_model_set(b->m, "stall", "rx", NULL), 0);
    run(b);
    assert_int_equal(b->wire.next_in, 0);
    assert_int_equal(weir_model_set(b->m, "stall", "none", NULL), 0);
    set(b, X540_SECRXCTRL, X540_SECRXCTRL_RX_DIS);
    run(b);
    assert_int_equal(b->wire.next_in, 0);
    set(b, X540_SECRXCTRL, 0);
    run(b);
    assert_int_equal(b->wire.next_in, 2);
    assert_int_equal(get(b, x540_rxq(X540_RDH, 0)), 2);
    /* A queue that is off loses what is meant for it. */
    set(b, x540_rxq(X540_RXDCTL, 0), 0);
    arrives(b, f, 60);
    run(b);
    assert_int_equal(b->wire.next_in, 3);
    assert_int_equal(get(b, X540_QPRDC), 1);
    /* A tail behind the ring is ignored, and said. */
    set(b, x540_rxq(X540_RXDCTL, 0), X540_RXDCTL_ENABLE);
    b->warnings = 0;
    set(b, x540_rxq(X540_RDT, 0), RING);
    assert_int_equal(b->warnings, 1);
    assert_int_equal(get(b, x540_rxq(X540_RDT, 0)), RING); /* though it reads back */
    for (unsigned i = 0; i < RING; i++) {
        b->rx[0].desc[i].read = (struct x540_rx_read){iova_of(b, b->rx[0].buf[i]), 0};
        arrives(b, f, 60);
    }
    run(b);
    assert_int_equal(get(b, x540_rxq(X540_RDH, 0)), RING - 1);
}

static void reports_faults(void **state)
{
    struct bench *b = *state;
    struct weir_dma_fault fault;
    static uint8_t f[9000], pages[8192] __attribute__((aligned(4096)));
    struct weir_mem ro = {.va = pages, .len = 4096, .fd = -1, .name = "constants"};

    make_frame(f, "02:00:00:00:00:01", 0x88b5, sizeof(f));
    rx_on(b, 0, 2, 0);
    b->rx[0].desc[2].read.pkt_addr = 0x123000;
    for (unsigned i = 0; i < 5; i++)
        arrives(b, f, 60);
    run(b);
    assert_true(rx_status(b, 0, 1) & X540_RXD_STAT_DD);
    assert_int_equal(b->rx[0].desc[2].read.pkt_addr, 0x123000); /* not done */
    assert_int_equal(get(b, x540_rxq(X540_RDH, 0)), 2);
    assert_true(weir_model_last_fault(b->m, &fault));
    assert_string_equal(fault.queue, "rx");
    assert_int_equal(fault.queue_index, 0);
    assert_int_equal(fault.descriptor, 2);
    assert_int_equal(fault.iova, 0x123000);
    assert_int_equal(fault.len, 60);
    assert_true(fault.write);
    assert_string_equal(fault.reason, "unmapped");
    struct weir_model_stats s;
    weir_model_stats(b->m, &s);
    assert_int_equal(s.dma_faults, 1); /* the queue stopped: it is not reported again and again */

    /* In the second buffer of a frame: the first is not done either. */
    set(b, X540_CTRL, X540_CTRL_RST);
    assert_int_equal(weir_space_map(b->space, &ro, weir_iova(0x10000), WEIR_PROT_READ, NULL), 0);
    set(b, X540_HLREG0, get(b, X540_HLREG0) | X540_HLREG0_JUMBOEN);
    set(b, X540_MAXFRS, 9018u << 16);
    rx_on(b, 1, 2, 0);
    set(b, X540_MRQC, 0);
    rx_on(b, 0, 2, 0);
    b->rx[0].desc[1].read.pkt_addr = 0x10000;
    arrives(b, f, 9000);
    run(b);
    assert_int_equal(get(b, x540_rxq(X540_RDH, 0)), 0);
    assert_int_equal(b->rx[0].desc[0].read.pkt_addr, iova_of(b, b->rx[0].buf[0]));
    weir_model_last_fault(b->m, &fault);
    assert_string_equal(fault.reason, "read-only");
    assert_string_equal(fault.mapping, "constants");
    assert_int_equal(fault.descriptor, 1);
    /* Enabling it anew lets it go on, here to a buffer whose mapping went away. */
    assert_int_equal(weir_space_unmap(b->space, weir_iova(0x10000), 4096, NULL), 0);
    b->rx[0].desc[0].read.pkt_addr = 0x10800;
    set(b, x540_rxq(X540_RXDCTL, 0), 0);
    set(b, x540_rxq(X540_RXDCTL, 0), X540_RXDCTL_ENABLE);
    arrives(b, f, 60);
    run(b);
    weir_model_last_fault(b->m, &fault);
    assert_string_equal(fault.reason, "freed");
    assert_string_equal(fault.mapping, "constants");
    assert_int_equal(fault.iova, 0x10800);

    /* A ring that is not there */
    set(b, X540_CTRL, X540_CTRL_RST);
    rx_on(b, 0, 2, 0);
    set(b, x540_rxq(X540_RXDCTL, 0), 0);
    set(b, x540_rxq(X540_RDBAH, 0), 0);
    set(b, x540_rxq(X540_RDBAL, 0), 0x70000);
    set(b, x540_rxq(X540_RXDCTL, 0), X540_RXDCTL_ENABLE);
    arrives(b, f, 60);
    run(b);
    weir_model_last_fault(b->m, &fault);
    assert_int_equal(fault.iova, 0x70000);
    assert_int_equal(fault.len, 16);
    assert_false(fault.write);
}

/* Memory that the process cannot reach by address: everything goes by descriptor reads and writes.
 */
static void reaches_memory_by_fd(void **state)
{
    struct bench *b = *state;
    int fd = memfd_create("test", MFD_CLOEXEC);
    static uint8_t f[1500], got[4096];

    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    struct weir_mem mem = {.len = 1 << 20, .fd = fd, .name = "far"};
    assert_int_equal(weir_siommu_map(weir_model_siommu(b->m), &mem, 0x1000000, WEIR_PROT_RW), 0);
    make_frame(f, "02:00:00:00:00:01", 0x88b5, sizeof(f));
    set(b, x540_rxq(X540_RDBAL, 0), 0x1000000);
    set(b, x540_rxq(X540_RDLEN, 0), 128);
    set(b, x540_rxq(X540_SRRCTL, 0), 1 | 1u << 25);
    for (unsigned i = 0; i < 8; i++) {
        struct x540_rx_desc d = {.read = {0x1010000 + 0x1000 * i, 0}};
        assert_int_equal(pwrite(fd, &d, 16, 16 * i), 16);
    }
    set(b, x540_rxq(X540_RXDCTL, 0), X540_RXDCTL_ENABLE);
    set(b, X540_RXCTRL, 1);
    set(b, x540_rxq(X540_RDT, 0), 7);
    arrives(b, f, 1500);
    run(b);
    struct x540_rx_desc d[2];
    assert_int_equal(pread(fd, d, 32, 0), 32);
    assert_int_equal(d[0].wb.status_error, X540_RXD_STAT_DD);
    assert_int_equal(d[0].wb.length, 1024);
    assert_int_equal(d[1].wb.status_error, X540_RXD_STAT_DD | X540_RXD_STAT_EOP);
    assert_int_equal(d[1].wb.length, 476);
    assert_int_equal(pread(fd, got, 1024, 0x10000), 1024);
    assert_int_equal(pread(fd, got + 1024, 476, 0x11000), 476);
    assert_memory_equal(got, f, 1500);
    weir_siommu_unmap(weir_model_siommu(b->m), 0x1000000, 1 << 20, NULL, NULL);
    close(fd);
}

static void counts(void **state)
{
    struct bench *b = *state;
    static const struct {
        uint32_t len; /* without CRC */
        uint32_t reg;
    } buckets[] = {{60, X540_PRC64},     {61, X540_PRC127},   {123, X540_PRC127},
                   {124, X540_PRC255},   {251, X540_PRC255},  {252, X540_PRC511},
                   {507, X540_PRC511},   {508, X540_PRC1023}, {1019, X540_PRC1023},
                   {1020, X540_PRC1522}, {1514, X540_PRC1522}};
    static uint8_t f[1600];
    uint64_t bytes = 0;

    rx_on(b, 0, 2, 0);
    set(b, X540_RQSMR, 3); /* queue 0 to index 3 */
    set(b, X540_FCTRL, X540_FCTRL_BAM | X540_FCTRL_MPE);
    for (unsigned i = 0; i < sizeof(buckets) / sizeof(buckets[0]); i++) {
        make_frame(f, "02:00:00:00:00:01", 0x88b5, buckets[i].len);
        get(b, buckets[i].reg);
        assert_true(try_frame(b, f, buckets[i].len, NULL));
        if (get(b, buckets[i].reg) != 1)
            fail_msg("a frame of %u bytes", buckets[i].len);
        bytes += buckets[i].len;
    }
    unsigned n = sizeof(buckets) / sizeof(buckets[0]);
    assert_int_equal(get(b, X540_QPRC + 0x40 * 3), n);
    assert_int_equal(get(b, X540_QPRC), 0);
    assert_int_equal(wide(b, X540_QBRC_L + 0x40 * 3, X540_QBRC_H + 0x40 * 3), bytes);
    assert_int_equal(get(b, X540_GPRC), n);
    assert_int_equal(get(b, X540_GPRC), 0); /* reading clears */
    assert_int_equal(wide(b, X540_GORCL, X540_GORCH), bytes + 4 * n);
    assert_int_equal(wide(b, X540_GORCL, X540_GORCH), 0);
    assert_int_equal(get(b, X540_TPR), n);
    assert_int_equal(wide(b, X540_TORL, X540_TORH), bytes + 4 * n);
    assert_int_equal(get(b, X540_BPRC) + get(b, X540_MPRC), 0);
    assert_int_equal(get(b, X540_RXDGPC), n);

    make_frame(f, "ff:ff:ff:ff:ff:ff", 0x88b5, 60);
    assert_true(try_frame(b, f, 60, NULL));
    make_frame(f, "33:33:00:00:00:01", 0x88b5, 60);
    assert_true(try_frame(b, f, 60, NULL));
    make_frame(f, "02:00:00:00:00:02", 0x88b5, 60); /* filtered, but seen */
    assert_false(try_frame(b, f, 60, NULL));
    make_frame(f, "02:00:00:00:00:01", 0x88b5, 1600);
    assert_false(try_frame(b, f, 1600, NULL)); /* too long */
    assert_int_equal(get(b, X540_BPRC), 1);
    assert_int_equal(get(b, X540_MPRC), 1);
    assert_int_equal(get(b, X540_GPRC), 2);
    assert_int_equal(get(b, X540_TPR), 4);
    assert_int_equal(get(b, X540_ROC), 1);
    assert_int_equal(get(b, X540_RXNFGPC), n + 3);
    assert_int_equal(wide(b, X540_TORL, X540_TORH), 3 * 64 + 1604);
    assert_int_equal(wide(b, X540_GORCL, X540_GORCH), 2 * 64);
    assert_int_equal(get(b, X540_CRCERRS) + get(b, X540_RUC), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
        CASE(chains_buffers),
        CASE(limits_lengths),
        CASE(keeps_the_crc),
        CASE(writes_legacy_descriptors),
        CASE(waits_or_drops_without_descriptors),
        CASE(leaves_frames_where_they_are),
        cmocka_unit_test(loses_what_comes_while_it_is_off),
        CASE(reports_faults),
        CASE(reaches_memory_by_fd),
        CASE(counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
