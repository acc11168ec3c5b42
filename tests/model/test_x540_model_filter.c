/* SPDX-License-Identifier: BSD-3-Clause */
/* What the X540 model makes of a received frame: RSS, address and VLAN filters, packet types,
 * checksums. */
#include "models/x540/rss.h"
#include "x540_case.h"

static const uint8_t ms_key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                   0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                   0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                   0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

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
    struct x540_rx_wb wb = {0};

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

static void filters_and_strips_vlans(void **state)
{
    struct bench *b = *state;
    uint8_t f[2048];
    struct x540_rx_wb wb = {0};

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

static void checks_checksums(void **state)
{
    struct bench *b = *state;
    static uint8_t f[2048];
    struct x540_rx_wb wb = {0};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
        CASE(hashes_as_published),      CASE(spreads_by_rss),   CASE(filters_addresses),
        CASE(filters_and_strips_vlans), CASE(checks_checksums), CASE(survives_lying_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
