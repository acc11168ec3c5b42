/* SPDX-License-Identifier: BSD-3-Clause */
/* What the X540 model does to frames it sends: VLAN tags, checksums, segmentation, CRC. */
#include "x540_case.h"

static void inserts_vlan_tags(void **state)
{
    struct bench *b = *state;
    uint8_t f[100], want[104];

    tx_on(b, 0);
    make_frame(f, "02:00:00:00:00:09", 0x88b5, 100);
    memcpy(want, f, 12);
    memcpy(want + 12, "\x81\x00\x60\x64", 4);
    memcpy(want + 16, f + 12, 88);
    post_context(b, 0, 0, 14, 0, false, X540_L4T_NONE, 0, 0, 0x6064);
    post_context(b, 0, 1, 14, 0, false, X540_L4T_NONE, 0, 0, 0x0001);
    post(b, 0, f, 100, X540_TXD_CMD_VLE, 0);
    post(b, 0, f, 100, X540_TXD_CMD_VLE, 1u << 4); /* by the other context */
    post(b, 0, f, 100, 0, 0);
    /* Split inside the addresses */
    uint8_t *buf = carve(b, 100);
    memcpy(buf, f, 100);
    post_raw(b, 0, iova_of(b, buf), TX_DATA | X540_TXD_CMD_VLE | 5, 100u << 14);
    post_raw(b, 0, iova_of(b, buf + 5), TX_DATA | TX_LAST | 95, 0);
    /* And by a legacy descriptor, which brings its own */
    post_raw(b, 0, iova_of(b, buf), TX_LAST | X540_TXD_CMD_IFCS | X540_TXD_CMD_VLE | 100,
             0x6064u << 16);
    doorbell(b, 0);
    run(b);
    check_out(b, 0, want, 104);
    check_out(b, 3, want, 104);
    check_out(b, 4, want, 104);
    assert_memory_equal(b->wire.out[1].data + 12, "\x81\x00\x00\x01", 4);
    check_out(b, 2, f, 100);
    assert_true(tx_done(b, 0, 7));
    assert_int_equal(b->tx[0].desc[7].legacy.status_vlan >> 16, 0x6064); /* kept beside DD */
    set(b, X540_DMATXCTL, 0x88a80000 | X540_DMATXCTL_TE);                /* another ether-type */
    post(b, 0, f, 100, X540_TXD_CMD_VLE, 0);
    doorbell(b, 0);
    run(b);
    assert_memory_equal(b->wire.out[5].data + 12, "\x88\xa8\x60\x64", 4);
}

/* Prepare a packet for the device to finish: IP checksum garbage, the pseudo-header's sum in the
 * other. */
static void unfinish(uint8_t *f, bool v6, uint8_t proto, uint32_t l4_len)
{
    uint8_t *ip = f + 14, *l4 = ip + (v6 ? 40 : 20);
    if (!v6)
        put16(ip + 10, 0xdead);
    put16(l4 + (proto == 6 ? 16 : 6), pseudo(ip, proto, l4_len));
}

static void inserts_checksums(void **state)
{
    struct bench *b = *state;
    static uint8_t f[2048], want[2048];
    unsigned n = 0;

    tx_on(b, 0);
    for (unsigned kind = 0; kind < 4; kind++) {
        bool v6 = kind & 1;
        uint8_t proto = kind & 2 ? 6 : 17;
        uint32_t l3 = v6 ? 40 : 20, l4 = proto == 6 ? 20 : 8;
        for (uint32_t payload = 31; payload < 64; payload += 8) {
            uint32_t len = make_ip(want, v6, proto, payload);
            memcpy(f, want, len);
            /* Only what belongs to the packet counts: padding behind it must not be sent by
             * software that asks for a checksum, so the frame ends where the packet ends. */
            len = 14 + l3 + l4 + payload;
            unfinish(f, v6, proto, l4 + payload);
            post_context(b, 0, 0, 14, l3, !v6, proto == 6 ? X540_L4T_TCP : X540_L4T_UDP, l4, 0, 0);
            uint32_t popts = X540_TXD_POPTS_TXSM | (v6 ? 0 : X540_TXD_POPTS_IXSM);
            if (payload & 8) {
                post(b, 0, f, len, 0, popts);
            } else { /* in pieces of odd lengths, through the headers */
                uint8_t *buf = carve(b, len);
                memcpy(buf, f, len);
                post_raw(b, 0, iova_of(b, buf), TX_DATA | 17, popts | len << 14);
                post_raw(b, 0, iova_of(b, buf + 17), TX_DATA | 23, 0);
                post_raw(b, 0, iova_of(b, buf + 40), TX_DATA | 27, 0);
                post_raw(b, 0, iova_of(b, buf + 67), TX_DATA | TX_LAST | (len - 67), 0);
            }
            doorbell(b, 0);
            run(b);
            if (b->wire.n_out != n + 1 || memcmp(b->wire.out[n].data, want, len) != 0)
                fail_msg("IPv%d, protocol %u, %u bytes", v6 ? 6 : 4, proto, payload);
            n++;
        }
    }
    /* A UDP checksum that comes out as zero is sent as all ones. */
    uint32_t len = make_ip(want, false, 17, 20);
    uint16_t sum = (uint16_t)(want[14 + 20 + 6] << 8 | want[14 + 20 + 7]);
    put16(want + 14 + 28, slow_sum(NULL, 0, (uint32_t)sum + (want[42] << 8 | want[43])));
    memcpy(f, want, len);
    len = 14 + 28 + 20;
    unfinish(f, false, 17, 28);
    post_context(b, 0, 0, 14, 20, true, X540_L4T_UDP, 8, 0, 0);
    post(b, 0, f, len, 0, X540_TXD_POPTS_TXSM | X540_TXD_POPTS_IXSM);
    doorbell(b, 0);
    run(b);
    assert_memory_equal(b->wire.out[n].data + 14 + 26, "\xff\xff", 2);
    n++;
    /* Legacy: a sum from one place on, put at another */
    make_frame(f, "02:00:00:00:00:09", 0x88b5, 101);
    put16(f + 60, 0);
    memcpy(want, f, 101);
    put16(want + 60, (uint16_t)~slow_sum(f + 14, 87, 0));
    uint8_t *buf = carve(b, 101);
    memcpy(buf, f, 101);
    post_raw(b, 0, iova_of(b, buf), TX_LAST | X540_TXD_CMD_IFCS | X540_TXD_CMD_IC | 60u << 16 | 101,
             14u << 8);
    doorbell(b, 0);
    run(b);
    check_out(b, n, want, 101);
    assert_int_equal(b->warnings, 0);
}

/* Segment a super-frame and check each segment against one made by hand. */
/* A wire that says no once: the frame it takes at the second offer keeps its headers to itself
 * until the flush. */
static void keeps_headers_apart_when_the_wire_waits(void **state)
{
    struct bench *b = *state;
    uint8_t f[400];

    tx_on(b, 0);
    uint32_t t = b->tx[0].tail;
    b->tx[0].desc[t].ctx.vlan_macip_lens = 14u << 9 | 20;
    b->tx[0].desc[t].ctx.type_tucmd_mlhl = 2u << 20 | 1u << 29 | 1u << 10 | 1u << 11;
    b->tx[0].tail = t + 1;
    for (uint32_t k = 0; k < 4; k++) {
        uint32_t n = make_ip(f, false, 6, 200);
        f[34 + 7] = (uint8_t)k;
        put16(f + 14 + 20 + 16, pseudo(f + 14, 6, 220));
        post(b, 0, f, n, 0, X540_TXD_POPTS_IXSM | X540_TXD_POPTS_TXSM);
    }
    b->wire.refuse = 1;
    doorbell(b, 0);
    run(b);
    assert_int_equal(b->wire.n_out, 4);
    for (uint32_t k = 0; k < 4; k++) {
        const uint8_t *out = b->wire.out[k].data;
        assert_int_equal(out[34 + 7], k);
        assert_int_equal(slow_sum(out + 34, 220, pseudo(out + 14, 6, 220)), 0xffff);
    }
}

static void segments_case(struct bench *b, bool v6, uint8_t proto, uint32_t payload, uint32_t mss,
                          bool vlan)
{
    static uint8_t f[70000], want[4096];
    uint32_t l3 = v6 ? 40 : 20, l4 = proto == 6 ? 20 : 8, head = 14 + l3 + l4;
    unsigned first = b->wire.n_out, k = 0;

    /* Headers as software leaves them: no lengths, the pseudo-header's sum without one */
    make_ip(f, v6, proto, 8);
    f[14 + l3 + (proto == 6 ? 13 : 0)] = proto == 6 ? 0x99 : 4000 >> 8; /* CWR, ACK, PSH, FIN */
    put16(f + 14 + (v6 ? 4 : 2), 0);
    if (!v6)
        put16(f + 14 + 10, 0);
    put16(f + 14 + l3 + (proto == 6 ? 16 : 6), pseudo(f + 14, proto, 0));
    for (uint32_t i = 0; i < payload; i++)
        f[head + i] = (uint8_t)(i * 31 + i / 256);

    uint8_t *buf = carve(b, head + payload);
    memcpy(buf, f, head + payload);
    post_context(b, 0, 0, 14, l3, !v6, proto == 6 ? X540_L4T_TCP : X540_L4T_UDP, l4, mss, 77);
    uint32_t cmd = TX_DATA | X540_TXD_CMD_TSE | (vlan ? X540_TXD_CMD_VLE : 0);
    uint32_t popts = X540_TXD_POPTS_TXSM | (v6 ? 0 : X540_TXD_POPTS_IXSM) | payload << 14;
    post_raw(b, 0, iova_of(b, buf), cmd | head, popts);
    uint32_t off = head, i = 0;
    while (off < head + payload) { /* pieces of odd sizes */
        uint32_t part = head + payload - off < 16383 ? head + payload - off : 16383;
        i = post_raw(b, 0, iova_of(b, buf + off),
                     TX_DATA | part | (off + part == head + payload ? TX_LAST : 0), 0);
        off += part;
    }
    doorbell(b, 0);
    for (unsigned tries = 0; tries < 1000000 && !tx_done(b, 0, i); tries++)
        run(b); /* a wire that refused is asked again a little later */
    assert_true(tx_done(b, 0, i));
    assert_int_equal(b->wire.n_out - first, (payload + mss - 1) / mss);

    for (uint32_t at = 0; at < payload; at += mss, k++) {
        uint32_t part = payload - at < mss ? payload - at : mss;
        memcpy(want, f, head);
        memcpy(want + head, f + head + at, part);
        uint8_t *ip = want + 14, *seg = ip + l3;
        if (v6) {
            put16(ip + 4, l4 + part);
        } else {
            put16(ip + 2, 20 + l4 + part);
            put16(ip + 4, 0x1234 + k);
            put16(ip + 10, (uint16_t)~slow_sum(ip, 20, 0));
        }
        if (proto == 6) {
            bool last = at + part == payload;
            put16(seg + 6, 0x0304 + at);
            seg[5] = (uint8_t)(2 + ((0x0304 + at) >> 16));
            if (payload > mss) /* PSH and FIN in the last one only, CWR in the first only */
                seg[13] = at == 0 ? 0x90 : last ? 0x19 : 0x10;
            put16(seg + 16, 0);
        } else {
            put16(seg + 4, l4 + part);
            put16(seg + 6, 0);
        }
        uint16_t sum = (uint16_t)~slow_sum(seg, l4 + part, pseudo(ip, proto, l4 + part));
        put16(seg + (proto == 6 ? 16 : 6), sum ? sum : 0xffff);
        uint32_t len = head + part;
        if (vlan) {
            memmove(want + 16, want + 12, len - 12);
            put16(want + 12, 0x8100);
            put16(want + 14, 77);
            len += 4;
        }
        for (; len < 60; len++) /* by the MAC */
            want[len] = 0;
        if (b->wire.out[first + k].len != len ||
            memcmp(b->wire.out[first + k].data, want, len) != 0)
            fail_msg("IPv%d, protocol %u, segment %u of %u bytes by %u", v6 ? 6 : 4, proto, k,
                     payload, mss);
    }
}

static void segments(void **state)
{
    struct bench *b = *state;

    tx_on(b, 0);
    segments_case(b, false, 6, 65000, 1448, false);
    segments_case(b, true, 6, 65000, 1428, false);
    segments_case(b, false, 17, 20001, 1400, false);
    segments_case(b, true, 17, 9999, 333, true);
    segments_case(b, false, 6, 1448, 1448, true);
    segments_case(b, false, 6, 100, 1448, false);
    segments_case(b, false, 6, 2897, 1448, false);
    /* A wire that takes some of its segments now and the rest later gets each once. */
    for (unsigned taken = 0; taken < 9; taken += 2) {
        b->wire.take = taken;
        b->wire.later = 2 + taken % 3;
        segments_case(b, taken & 4, 6, 12345, 1400, false);
    }
    assert_int_equal(get(b, X540_GPTC), b->wire.n_out);
    assert_int_equal(b->warnings, 0);
}

static void takes_its_own_crc(void **state)
{
    struct bench *b = *state;
    uint8_t f[64];
    const uint32_t cmd = X540_TXD_CMD_DEXT | (uint32_t)X540_DTYP_DATA << 20 | TX_LAST | 64;
    uint32_t crc = 0xffffffff;

    tx_on(b, 0);
    make_frame(f, "02:00:00:00:00:09", 0x88b5, 60);
    for (unsigned i = 0; i < 60 * 8; i++)
        crc = crc >> 1 ^ ((crc ^ (uint32_t)f[i / 8] >> (i % 8)) & 1 ? 0xedb88320 : 0);
    for (unsigned i = 0; i < 4; i++)
        f[60 + i] = (uint8_t)(~crc >> (8 * i));
    uint8_t *buf = carve(b, 64);
    memcpy(buf, f, 64);
    post_raw(b, 0, iova_of(b, buf), cmd, 64u << 14);
    doorbell(b, 0);
    run(b);
    check_out(b, 0, f, 60);
    assert_int_equal(b->warnings, 0);
    buf[20]++; /* nobody would receive this one */
    post_raw(b, 0, iova_of(b, buf), cmd, 64u << 14);
    doorbell(b, 0);
    run(b);
    assert_int_equal(b->wire.n_out, 1);
    assert_true(tx_done(b, 0, 1));
    assert_int_equal(b->warnings, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
        CASE(inserts_vlan_tags),
        CASE(inserts_checksums),
        CASE(keeps_headers_apart_when_the_wire_waits),
        CASE(segments),
        CASE(takes_its_own_crc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
