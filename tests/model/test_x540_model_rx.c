/* SPDX-License-Identifier: BSD-3-Clause */
/* The X540 model's receive path: filters, buffers, write-back, RSS, checksums, packet buffer,
 * counters. */
#include "lib/model/model.h"
#include "models/x540/rss.h"
#include "x540_case.h"
#include <sys/mman.h>

static const uint8_t ms_key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                   0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                   0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                   0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

/* Frames that were put into memory in queue q and not looked at yet: returns whether there is one,
 * and copies it out of its buffers. */
static bool next_frame(struct bench *b, unsigned q, uint8_t *out, uint32_t *len,
                       struct x540_rx_wb *last)
{
    *len = 0;
    for (;;) {
        uint32_t i = b->rx[q].head;
        struct x540_rx_wb wb = b->rx[q].desc[i].wb;
        if (!(wb.status_error & X540_RXD_STAT_DD)) {
            assert_int_equal(*len, 0); /* a frame must not stop in the middle */
            return false;
        }
        memcpy(out + *len, b->rx[q].buf[i], wb.length);
        *len += wb.length;
        b->rx[q].head = (i + 1) % RING;
        if (wb.status_error & X540_RXD_STAT_EOP) {
            *last = wb;
            return true;
        }
        assert_int_equal(wb.length, b->rx[q].size);
        assert_int_equal(wb.status_error, X540_RXD_STAT_DD);
    }
}

/* One frame in, what became of it: its status, or 0 if it did not get through. */
static uint32_t try_frame(struct bench *b, const uint8_t *frame, uint32_t len,
                          struct x540_rx_wb *wb)
{
    uint8_t got[16384];
    uint32_t n;
    struct x540_rx_wb local;

    wb = wb ? wb : &local;
    arrives(b, frame, len);
    run(b);
    if (!next_frame(b, 0, got, &n, wb))
        return 0;
    b->rx[0].desc[(b->rx[0].head + RING - 1) % RING].read = (struct x540_rx_read){
        .pkt_addr = iova_of(b, b->rx[0].buf[(b->rx[0].head + RING - 1) % RING])};
    b->rx[0].tail = (b->rx[0].tail + 1) % RING;
    set(b, x540_rxq(X540_RDT, 0), b->rx[0].tail);
    return wb->status_error;
}

static void hashes_as_published(void **state)
{
    /* "Verifying the RSS hash calculation", Microsoft: addresses and ports as they are on the wire,
     * source first; the hash of addresses alone, and with ports. */
    static const struct {
        uint8_t len;
        uint8_t input[36];
        uint32_t addresses, with_ports;
    } vectors[] = {
        {8, {66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 0x06, 0xe6}, 0x323e8fc2, 0x51ccc178},
        {8, {199, 92, 111, 2, 65, 69, 140, 83, 0x37, 0x96, 0x12, 0x83}, 0xd718262a, 0xc626b0ea},
        {8, {24, 19, 198, 95, 12, 22, 207, 184, 0x32, 0x62, 0x94, 0x88}, 0xd2d0a5de, 0x5c2b394a},
        {8, {38, 27, 205, 30, 209, 142, 163, 6, 0xbc, 0x64, 0x08, 0xa9}, 0x82989176, 0xafc7327f},
        {8, {153, 39, 163, 191, 202, 188, 127, 2, 0xac, 0xdb, 0x05, 0x17}, 0x5d1809c5, 0x10e828a2},
        {32,
         {0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0,    7,    0x3f, 0xfe,
          0x25, 0x01, 0x02, 0x00, 0x00, 0x03, 0,    0,    0, 0, 0, 0, 0, 1, 0x0a, 0xea, 0x06, 0xe6},
         0x2cc18cd5,
         0x40207d3d},
        {32,
         {0x3f, 0xfe, 0x05, 0x01, 0x00, 0x08, 0, 0, 0x02, 0x60, 0x97, 0xff,
          0xfe, 0x40, 0xef, 0xab, 0xff, 0x02, 0, 0, 0,    0,    0,    0,
          0,    0,    0,    0,    0,    0,    0, 1, 0x37, 0x96, 0x12, 0x83},
         0x0f0c461c,
         0xdde51bbf},
        {32,
         {0x3f, 0xfe, 0x19, 0x00, 0x45, 0x45, 0x00, 0x03, 0x02, 0x00, 0xf8, 0xff,
          0xfe, 0x21, 0x67, 0xcf, 0xfe, 0x80, 0,    0,    0,    0,    0,    0,
          0x02, 0x00, 0xf8, 0xff, 0xfe, 0x21, 0x67, 0xcf, 0xac, 0xdb, 0x94, 0x88},
         0x4b61e985,
         0x02d1feef},
    };
    struct weir_toeplitz *t = malloc(sizeof(*t));
    (void)state;

    weir_toeplitz_key(t, ms_key);
    for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_int_equal(weir_toeplitz_hash(t, vectors[i].input, vectors[i].len),
                         vectors[i].addresses);
        assert_int_equal(weir_toeplitz_hash(t, vectors[i].input, vectors[i].len + 4u),
                         vectors[i].with_ports);
    }
    assert_int_equal(weir_toeplitz_hash(t, NULL, 0), 0);
    free(t);
}

static void set_key(struct bench *b)
{
    for (unsigned i = 0; i < 10; i++)
        set(b, X540_RSSRK + 4 * i,
            (uint32_t)ms_key[4 * i] | (uint32_t)ms_key[4 * i + 1] << 8 |
                (uint32_t)ms_key[4 * i + 2] << 16 | (uint32_t)ms_key[4 * i + 3] << 24);
}

static void spreads_by_rss(void **state)
{
    struct bench *b = *state;
    static const uint32_t all = 1u << 16 | 1u << 17 | 1u << 20 | 1u << 21 | 1u << 22 | 1u << 23;
    uint8_t f[256], got[16384];
    struct weir_toeplitz *t = malloc(sizeof(*t));
    uint32_t len, n;
    struct x540_rx_wb wb;

    weir_toeplitz_key(t, ms_key);
    for (unsigned q = 0; q < 4; q++)
        rx_on(b, q, 2, 0);
    promiscuous(b);
    set_key(b);
    for (unsigned i = 0; i < 128; i += 4)
        set(b, X540_RETA + i, 0x03020100);
    set(b, X540_RXCSUM, X540_RXCSUM_PCSD);

    static const struct {
        bool v6;
        uint8_t proto;
        uint32_t enable;
        uint8_t type;
        unsigned input; /* bytes hashed */
    } cases[] = {
        {false, 6, 0xffffffff, X540_RSSTYPE_IPV4_TCP, 12},
        {false, 6, ~(1u << 16), X540_RSSTYPE_IPV4, 8},
        {false, 17, 0xffffffff, X540_RSSTYPE_IPV4_UDP, 12},
        {false, 17, ~(1u << 22), X540_RSSTYPE_IPV4, 8},
        {false, 1, 0xffffffff, X540_RSSTYPE_IPV4, 8},
        {false, 1, ~(1u << 17), X540_RSSTYPE_NONE, 0},
        {true, 6, 0xffffffff, X540_RSSTYPE_IPV6_TCP, 36},
        {true, 6, ~(1u << 21), X540_RSSTYPE_IPV6, 32},
        {true, 17, 0xffffffff, X540_RSSTYPE_IPV6_UDP, 36},
        {true, 17, ~(1u << 23), X540_RSSTYPE_IPV6, 32},
        {true, 58, 0xffffffff, X540_RSSTYPE_IPV6, 32},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set(b, X540_MRQC, X540_MRQE_RSS | (all & cases[i].enable));
        for (unsigned flow = 0; flow < 10; flow++) {
            len = make_ip(f, cases[i].v6, cases[i].proto, 30);
            f[14 + (cases[i].v6 ? 23 : 15)] = (uint8_t)flow; /* source; checksums do not matter */
            uint8_t input[36];
            unsigned addresses = cases[i].v6 ? 32 : 8;
            memcpy(input, f + 14 + (cases[i].v6 ? 8 : 12), addresses);
            memcpy(input + addresses, f + 14 + (cases[i].v6 ? 40 : 20), 4);
            uint32_t hash = weir_toeplitz_hash(t, input, cases[i].input);
            unsigned q = cases[i].type ? hash & 3 : 0;
            arrives(b, f, len);
            run(b);
            assert_true(next_frame(b, q, got, &n, &wb));
            assert_int_equal(wb.info & 0xf, cases[i].type);
            assert_int_equal(wb.rss, hash);
        }
        for (unsigned q = 0; q < 4; q++) { /* keep the rings full */
            for (unsigned k = 0; k < RING; k++)
                b->rx[q].desc[k].read = (struct x540_rx_read){iova_of(b, b->rx[q].buf[k]), 0};
            set(b, x540_rxq(X540_RDT, q), (b->rx[q].head + RING - 1) % RING);
        }
    }
    /* A fragment has no ports; and without PCSD the word is not a hash. */
    len = make_ip(f, false, 17, 30);
    f[14 + 6] = 0x20; /* more fragments */
    set(b, X540_MRQC, X540_MRQE_RSS | all);
    set(b, X540_RXCSUM, 0);
    arrives(b, f, len);
    run(b);
    unsigned q = weir_toeplitz_hash(t, f + 14 + 12, 8) & 3;
    assert_true(next_frame(b, q, got, &n, &wb));
    assert_int_equal(wb.info & 0xf, X540_RSSTYPE_IPV4);
    assert_int_equal(wb.rss, 0);
    /* Not IP: queue 0 */
    make_frame(f, "02:00:00:00:00:01", 0x88b5, 60);
    arrives(b, f, 60);
    run(b);
    assert_true(next_frame(b, 0, got, &n, &wb));
    free(t);
}

static void chains_buffers(void **state)
{
    struct bench *b = bench_new("model:x540?wire=loopback");
    static uint8_t frame[9018], got[16384];
    struct x540_rx_wb wb;
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

static void filters_addresses(void **state)
{
    enum { MPE = 1 << 8, UPE = 1 << 9, BAM = 1 << 10 }; /* of FCTRL */
    struct bench *b = *state;
    uint8_t f[64];
    static const struct {
        const char *dest;
        uint32_t fctrl;
        bool passes;
    } cases[] = {
        {"02:00:00:00:00:01", 0, true},          {"02:00:00:00:00:02", 0, false},
        {"02:00:00:00:00:02", UPE, true},        {"02:00:00:00:00:02", MPE, false},
        {"ff:ff:ff:ff:ff:ff", 0, false},         {"ff:ff:ff:ff:ff:ff", BAM, true},
        {"ff:ff:ff:ff:ff:ff", UPE | MPE, false}, {"01:00:5e:00:00:01", 0, false},
        {"01:00:5e:00:00:01", UPE | BAM, false}, {"01:00:5e:00:00:01", MPE, true},
    };
    rx_on(b, 0, 2, 0);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set(b, X540_FCTRL, cases[i].fctrl);
        make_frame(f, cases[i].dest, 0x88b5, 60);
        if (!try_frame(b, f, 60, NULL) == cases[i].passes)
            fail_msg("%s with FCTRL %#x", cases[i].dest, cases[i].fctrl);
    }
    set(b, X540_FCTRL, 0);
    /* A further address, by its old place too; and not without AV */
    make_frame(f, "02:aa:bb:cc:dd:ee", 0x88b5, 60);
    assert_false(try_frame(b, f, 60, NULL));
    set(b, X540_RAL_ALIAS + 8 * 7, 0xccbbaa02);
    set(b, X540_RAH_ALIAS + 8 * 7, 0xeedd);
    assert_false(try_frame(b, f, 60, NULL));
    set(b, X540_RAH + 8 * 7, 0x8000eedd);
    uint32_t status = try_frame(b, f, 60, NULL);
    assert_true(status && !(status & X540_RXD_STAT_PIF));
    /* Address 127, the last */
    make_frame(f, "02:00:00:00:00:77", 0x88b5, 60);
    set(b, X540_RAL + 8 * 127, 0x00000002);
    set(b, X540_RAH + 8 * 127, 0x80007700);
    assert_true(try_frame(b, f, 60, NULL));

    /* The multicast table: twelve bits of the last two bytes, by MCSTCTRL.MO */
    static const unsigned hashes[] = {0xfe3, 0xfc7, 0xf8f, 0xe3c};
    make_frame(f, "01:00:5e:00:3c:fe", 0x88b5, 60);
    for (unsigned mo = 0; mo < 4; mo++) {
        unsigned hash = hashes[mo];
        set(b, X540_MCSTCTRL, X540_MCSTCTRL_MFE | mo);
        assert_false(try_frame(b, f, 60, NULL));
        set(b, X540_MTA + hash / 32 * 4, 1u << (hash % 32));
        status = try_frame(b, f, 60, NULL);
        assert_true(status & X540_RXD_STAT_PIF);
        set(b, X540_MCSTCTRL, mo); /* not without MFE */
        assert_false(try_frame(b, f, 60, NULL));
        set(b, X540_MTA + hash / 32 * 4, 0);
    }
}

static uint32_t make_tagged(uint8_t *f, uint16_t type, uint16_t tag, uint32_t len)
{
    make_frame(f, "02:00:00:00:00:01", type, len);
    put16(f + 14, tag);
    put16(f + 16, 0x88b5);
    return len;
}

static void filters_and_strips_vlans(void **state)
{
    struct bench *b = *state;
    uint8_t f[2048];
    struct x540_rx_wb wb;

    rx_on(b, 0, 2, 0);
    make_tagged(f, 0x8100, 0x6064, 64); /* VLAN 100, priority 3 */
    uint32_t status = try_frame(b, f, 64, &wb);
    assert_true(status & X540_RXD_STAT_VP); /* tagged, and still with its tag */
    assert_int_equal(wb.length, 64);
    assert_int_equal(wb.vlan, 0);

    set(b, X540_VLNCTRL, 0x8100 | X540_VLNCTRL_VFE);
    assert_false(try_frame(b, f, 64, NULL));
    set(b, X540_VFTA + 100 / 32 * 4, 1u << (100 % 32));
    assert_true(try_frame(b, f, 64, NULL));
    make_tagged(f, 0x8100, 0x1064, 64); /* the same with DEI set */
    assert_true(try_frame(b, f, 64, NULL));
    set(b, X540_VLNCTRL, 0x8100 | X540_VLNCTRL_VFE | X540_VLNCTRL_CFIEN);
    assert_false(try_frame(b, f, 64, NULL));
    set(b, X540_VLNCTRL, 0x8100 | X540_VLNCTRL_VFE);
    make_frame(f, "02:00:00:00:00:01", 0x88b5, 60); /* untagged frames pass */
    assert_true(try_frame(b, f, 60, NULL));

    set(b, x540_rxq(X540_RXDCTL, 0), X540_RXDCTL_ENABLE | X540_RXDCTL_VME);
    make_tagged(f, 0x8100, 0x6064, 64);
    uint32_t at = b->rx[0].head;
    status = try_frame(b, f, 64, &wb);
    assert_true(status & X540_RXD_STAT_VP);
    assert_int_equal(wb.vlan, 0x6064);
    assert_int_equal(wb.length, 60);
    assert_memory_equal(b->rx[0].buf[at], f, 12);
    assert_memory_equal(b->rx[0].buf[at] + 12, f + 16, 48);
    /* Another tag protocol, if VET says so */
    make_tagged(f, 0x88a8, 0x0001, 64);
    status = try_frame(b, f, 64, &wb);
    assert_false(status & X540_RXD_STAT_VP);
    set(b, X540_VLNCTRL, 0x88a8);
    assert_true(try_frame(b, f, 64, &wb) & X540_RXD_STAT_VP);
    assert_int_equal(wb.vlan, 1);
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

static void checks_checksums(void **state)
{
    struct bench *b = *state;
    static uint8_t f[2048];
    struct x540_rx_wb wb;
    const uint32_t ok4 = X540_RXD_STAT_IPCS | X540_RXD_STAT_L4CS;
    const uint32_t mask = ok4 | X540_RXD_ERR_IPE | X540_RXD_ERR_L4E;

    rx_on(b, 0, 2, 0);
    for (uint32_t payload = 0; payload < 200; payload += 7) {
        uint32_t len = make_ip(f, false, 6, payload);
        assert_int_equal(try_frame(b, f, len, &wb) & mask, ok4);
        assert_int_equal(wb.info >> 4, X540_PKTTYPE_IPV4 | X540_PKTTYPE_TCP);
        len = make_ip(f, false, 17, payload);
        assert_int_equal(try_frame(b, f, len, &wb) & mask, ok4);
        assert_int_equal(wb.info >> 4, X540_PKTTYPE_IPV4 | X540_PKTTYPE_UDP);
        len = make_ip(f, true, 6, payload);
        assert_int_equal(try_frame(b, f, len, &wb) & mask, X540_RXD_STAT_L4CS);
        assert_int_equal(wb.info >> 4, X540_PKTTYPE_IPV6 | X540_PKTTYPE_TCP);
        len = make_ip(f, true, 17, payload);
        assert_int_equal(try_frame(b, f, len, &wb) & mask, X540_RXD_STAT_L4CS);
    }
    assert_int_equal(get(b, X540_XEC), 0);
    uint32_t len = make_ip(f, false, 6, 100);
    f[len - 1] ^= 1;
    assert_int_equal(try_frame(b, f, len, &wb) & mask, ok4 | X540_RXD_ERR_L4E);
    f[len - 1] ^= 1;
    f[14 + 8]--; /* time to live */
    assert_int_equal(try_frame(b, f, len, &wb) & mask, ok4 | X540_RXD_ERR_IPE);
    assert_int_equal(get(b, X540_XEC), 2);
    len = make_ip(f, false, 17, 100);
    put16(f + 14 + 20 + 6, 0); /* sent without a checksum */
    assert_int_equal(try_frame(b, f, len, &wb) & mask, X540_RXD_STAT_IPCS);
    len = make_ip(f, false, 17, 100);
    put16(f + 14 + 20 + 4, 50); /* a length of its own that is wrong */
    assert_int_equal(try_frame(b, f, len, &wb) & mask, ok4 | X540_RXD_ERR_L4E);
    len = make_ip(f, false, 17, 100);
    f[14 + 6] = 0x20;
    put16(f + 14 + 10, 0);
    put16(f + 14 + 10, (uint16_t)~slow_sum(f + 14, 20, 0));
    assert_int_equal(try_frame(b, f, len, &wb) & mask, X540_RXD_STAT_IPCS); /* a fragment */
    assert_int_equal(wb.info >> 4, X540_PKTTYPE_IPV4);
    /* Behind a tag, too */
    len = make_ip(f, true, 17, 100);
    memmove(f + 16, f + 12, len - 12);
    put16(f + 12, 0x8100);
    put16(f + 14, 9);
    assert_int_equal(try_frame(b, f, len + 4, &wb) & mask, X540_RXD_STAT_L4CS);
    /* With an extension header in between: eight bytes of hop-by-hop options */
    len = make_ip(f, true, 17, 100);
    memmove(f + 14 + 48, f + 14 + 40, 108);
    memset(f + 14 + 40, 0, 8);
    f[14 + 40] = 17;
    f[14 + 6] = 0;
    put16(f + 14 + 4, 116);
    assert_int_equal(try_frame(b, f, len + 8, &wb) & mask, X540_RXD_STAT_L4CS);
    assert_int_equal(wb.info >> 4,
                     X540_PKTTYPE_IPV6 | X540_PKTTYPE_IPV6_EXTENSIONS | X540_PKTTYPE_UDP);
    /* Options */
    len = make_ip(f, false, 17, 100);
    memmove(f + 14 + 24, f + 14 + 20, 108);
    memset(f + 14 + 20, 1, 4);
    f[14] = 0x46;
    put16(f + 14 + 2, 132);
    put16(f + 14 + 10, 0);
    put16(f + 14 + 10, (uint16_t)~slow_sum(f + 14, 24, 0));
    assert_int_equal(try_frame(b, f, len + 4, &wb) & mask, ok4);
    assert_int_equal(wb.info >> 4,
                     X540_PKTTYPE_IPV4 | X540_PKTTYPE_IPV4_OPTIONS | X540_PKTTYPE_UDP);
}

/* Lengths in headers that lie: nothing is read outside the frame, nothing claimed. */
static void survives_lying_headers(void **state)
{
    struct bench *b = *state;
    uint8_t f[128];
    uint32_t seed = 1;

    rx_on(b, 0, 2, 0);
    set(b, X540_MRQC, X540_MRQE_RSS | 0xffff0000);
    promiscuous(b);
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t len = make_ip(f, i & 1, i & 2 ? 6 : 17, i % 40);
        for (unsigned k = 0; k < 1 + i % 4; k++) {
            seed = seed * 1664525 + 1013904223;
            f[12 + (seed >> 8) % 44] = (uint8_t)(seed >> 24);
        }
        uint8_t *exact = malloc(len); /* so that a sanitizer sees the end */
        memcpy(exact, f, len);
        b->wire.in[0].data = exact;
        b->wire.in[0].len = len;
        b->wire.n_in = 1;
        b->wire.next_in = 0;
        weir_model_step(b->m, 4);
        free(exact);
        b->wire.n_in = b->wire.next_in = 0;
        uint32_t h = b->rx[0].head;
        assert_true(rx_status(b, 0, h) & X540_RXD_STAT_DD);
        b->rx[0].desc[h].read = (struct x540_rx_read){iova_of(b, b->rx[0].buf[h]), 0};
        b->rx[0].head = (h + 1) % RING;
        set(b, x540_rxq(X540_RDT, 0), (h + RING) % RING);
    }
}

static void keeps_the_crc(void **state)
{
    struct bench *b = *state;
    uint8_t f[64] = {0};
    /* Every Ethernet receiver computes this residue over frame and CRC (IEEE 802.3, 3.2.9). */
    const uint32_t residue = 0xdebb20e3;
    uint32_t crc = 0xffffffff;
    struct x540_rx_wb wb;

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
    b->wire.lost = 5;
    assert_int_equal(get(b, X540_RXMPC), 5);
    assert_int_equal(get(b, X540_RXMPC), 0);
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

static uint64_t wide(struct bench *b, uint64_t low, uint64_t high)
{
    uint64_t v = get(b, low);
    return v | (uint64_t)get(b, high) << 32;
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
        CASE(hashes_as_published),
        CASE(spreads_by_rss),
        CASE(chains_buffers),
        CASE(filters_addresses),
        CASE(filters_and_strips_vlans),
        CASE(limits_lengths),
        CASE(checks_checksums),
        CASE(survives_lying_headers),
        CASE(keeps_the_crc),
        CASE(writes_legacy_descriptors),
        CASE(waits_or_drops_without_descriptors),
        CASE(leaves_frames_where_they_are),
        CASE(reports_faults),
        CASE(reaches_memory_by_fd),
        CASE(counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
