/* SPDX-License-Identifier: BSD-3-Clause */
/* Super-frames are cut and checksums completed, against frames made in the plainest way. */
#include "wire_case.h"
#include "tcp_case.h"
#include "lib/model/checksum.h"
#include "lib/model/offload.h"
#include <stdlib.h>

#define SUPER (65536 + 256)

static uint8_t payload_byte(uint32_t i)
{
    return (uint8_t)(i * 31 + (i >> 8) * 7 + 3);
}

/* What the kernel hands over: the headers' lengths cover everything, the checksum is the sum of the
 * pseudo-header. In memory of its own size, so that a sanitizer sees every overrun. */
static uint8_t *make_super(const struct l4_case *c, uint32_t n, uint32_t mss,
                           struct virtio_net_hdr *vh, uint32_t *len)
{
    uint32_t end = case_payload_at(c), l4 = end - (c->udp ? 8 : 20 + c->tcp_options);
    uint32_t check = l4 + (c->udp ? 6 : 16), partial;
    uint8_t *f = malloc(end + n);

    assert_non_null(f);
    for (uint32_t i = 0; i < n; i++)
        f[end + i] = payload_byte(i);
    *len = case_frame(c, f, n);
    *vh = (struct virtio_net_hdr){.hdr_len = (uint16_t)end, .gso_size = (uint16_t)mss};
    vh->gso_type = c->udp  ? VIRTIO_NET_HDR_GSO_UDP_L4
                   : c->v6 ? VIRTIO_NET_HDR_GSO_TCPV6
                           : VIRTIO_NET_HDR_GSO_TCPV4;
    if (!c->no_check) {
        vh->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        vh->csum_start = (uint16_t)l4;
        vh->csum_offset = c->udp ? 6 : 16;
        partial = case_pseudo(c, f + (c->vlan ? 18 : 14), end - l4 + n);
        case_be16(f + check, partial);
    }
    return f;
}

static void cut_and_compare(struct l4_case c, uint32_t n, uint32_t mss)
{
    static uint8_t want[SUPER];
    static struct weir_offload o;
    uint32_t len, at = 0, count = 0, end = case_payload_at(&c);
    uint8_t flags = c.flags, *super;
    struct virtio_net_hdr vh;
    struct weir_frame got;

    memset(&o, 0, sizeof o);
    super = make_super(&c, n, mss, &vh, &len);
    assert_int_equal(weir_offload_begin(&o, &vh, super, len), 0);
    while (weir_offload_next(&o, &got)) {
        uint32_t part = n - at < mss ? n - at : mss;
        for (uint32_t i = 0; i < part; i++)
            want[end + i] = payload_byte(at + i);
        c.flags = flags;
        if (at)
            c.flags &= (uint8_t)~0x80; /* CWR on the first */
        if (at + part < n)
            c.flags &= (uint8_t)~0x09; /* FIN and PSH on the last */
        len = case_frame(&c, want, part);
        assert_int_equal(got.len, len);
        assert_memory_equal(got.data, want, len);
        c.seq += part;
        c.id++;
        at += part;
        count++;
    }
    assert_int_equal(at, n);
    assert_int_equal(o.supers, 1);
    assert_int_equal(o.super_frames, count);
    assert_int_equal(o.super_bytes, (uint64_t)end * (count - 1));
    assert_false(weir_offload_next(&o, &got));
    free(super);
}

static const struct l4_case plain = {.id = 0xfffe,
                                     .seq = 0xfffff000,
                                     .ack = 77,
                                     .flags = 0x10,
                                     .ttl = 64,
                                     .window = 501,
                                     .port = 40000};

static void super_frames_are_cut(void **state)
{
    static const uint32_t sizes[][2] = {{2896, 1448},  {2897, 1448},  {1448, 1448},  {100, 1448},
                                        {65000, 1448}, {64000, 8948}, {1000, 1},     {999, 7},
                                        {300, 60},     {65000, 536},  {30000, 15000}};
    (void)state;

    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (unsigned kind = 0; kind < 64; kind++) {
            struct l4_case c = plain;
            c.v6 = kind & 1;
            c.udp = kind & 2;
            c.vlan = kind & 4;
            c.extension = c.v6 && kind & 8;
            c.ip_options = !c.v6 && kind & 8 ? 40 : 0;
            c.tcp_options = kind & 16 ? 12 : 0;
            c.flags |= kind & 32 ? 0x89 : 0x08; /* CWR and FIN too */
            c.no_check = c.udp && !c.v6 && kind & 16;
            cut_and_compare(c, sizes[i][0], sizes[i][1]);
        }
    }
}

static void the_longest_packet_is_cut(void **state)
{
    struct l4_case c = plain;
    (void)state;

    cut_and_compare(c, 65535 - 40, 1460);
    c.v6 = true;
    cut_and_compare(c, 65535 - 20, 1440);
    c.udp = true;
    cut_and_compare(c, 65535 - 8, 1452);
}

static void checksums_are_completed(void **state)
{
    static const uint32_t sizes[] = {1, 2, 3, 31, 32, 33, 64, 1459, 1460, 8948};
    static uint8_t want[10000];
    static struct weir_offload o;
    (void)state;

    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (unsigned kind = 0; kind < 16; kind++) {
            struct l4_case c = plain;
            struct virtio_net_hdr vh;
            struct weir_frame got;
            uint32_t len;
            uint8_t *f;
            c.v6 = kind & 1;
            c.udp = kind & 2;
            c.vlan = kind & 4;
            c.tcp_options = kind & 8 ? 12 : 0;
            f = make_super(&c, sizes[i], 0, &vh, &len);
            vh.gso_type = VIRTIO_NET_HDR_GSO_NONE;
            for (uint32_t j = 0; j < sizes[i]; j++)
                want[case_payload_at(&c) + j] = payload_byte(j);
            case_frame(&c, want, sizes[i]);
            assert_int_equal(weir_offload_begin(&o, &vh, f, len), 0);
            assert_true(weir_offload_next(&o, &got));
            assert_ptr_equal(got.data, f);
            assert_int_equal(got.len, len);
            assert_memory_equal(got.data, want, len);
            assert_false(weir_offload_next(&o, &got));
            assert_int_equal(o.supers + o.super_frames + o.super_bytes, 0);
            free(f);
        }
    }
}

/* A UDP checksum of zero would mean that there is none. */
static void a_udp_checksum_is_never_zero(void **state)
{
    struct l4_case c = plain;
    static struct weir_offload o;
    struct virtio_net_hdr vh;
    struct weir_frame got;
    uint32_t len, end, zeroes = 0;
    uint8_t *f;
    (void)state;

    c.udp = true;
    end = case_payload_at(&c);
    for (unsigned v = 0; v < 65536; v++) {
        f = make_super(&c, 2, 0, &vh, &len);
        vh.gso_type = VIRTIO_NET_HDR_GSO_NONE;
        case_be16(f + end, v);
        assert_int_equal(weir_offload_begin(&o, &vh, f, len), 0);
        assert_true(weir_offload_next(&o, &got));
        assert_true(f[end - 2] || f[end - 1]);
        zeroes += f[end - 2] == 0xff && f[end - 1] == 0xff;
        free(f);
        f = make_super(&c, 2, 2, &vh, &len);
        case_be16(f + end, v);
        assert_int_equal(weir_offload_begin(&o, &vh, f, len), 0);
        assert_true(weir_offload_next(&o, &got));
        assert_true(f[end - 2] || f[end - 1]);
        free(f);
    }
    assert_true(zeroes == 1 || zeroes == 2);
}

static void other_frames_pass_untouched(void **state)
{
    static struct weir_offload o;
    struct virtio_net_hdr vh = {.flags = VIRTIO_NET_HDR_F_DATA_VALID};
    uint8_t f[60], want[60];
    struct weir_frame got;
    (void)state;

    wire_case_frame(f, 60, 1);
    wire_case_frame(want, 60, 1);
    assert_int_equal(weir_offload_begin(&o, &vh, f, 60), 0);
    assert_true(weir_offload_next(&o, &got));
    assert_int_equal(got.len, 60);
    assert_memory_equal(got.data, want, 60);
    assert_false(weir_offload_next(&o, &got));
}

static void refuse(uint8_t *f, uint32_t len, struct virtio_net_hdr vh)
{
    static struct weir_offload o;
    struct weir_frame got;

    assert_int_equal(weir_offload_begin(&o, &vh, f, len), -EINVAL);
    assert_false(weir_offload_next(&o, &got));
}

static void what_cannot_be_cut_is_refused(void **state)
{
    struct l4_case c = plain;
    struct virtio_net_hdr vh, bad;
    uint32_t len;
    uint8_t *f;
    (void)state;

    c.tcp_options = 12;
    f = make_super(&c, 3000, 1448, &vh, &len);
    bad = vh;
    bad.gso_size = 0;
    refuse(f, len, bad);
    bad = vh;
    bad.csum_start += 20; /* the TCP in a tunnel */
    refuse(f, len, bad);
    bad = vh;
    bad.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
    refuse(f, len, bad);
    bad.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
    refuse(f, len, bad);
    bad.gso_type = VIRTIO_NET_HDR_GSO_UDP; /* IP fragments */
    refuse(f, len, bad);
    bad.gso_type = 0x55;
    refuse(f, len, bad);
    bad = vh;
    refuse(f, case_payload_at(&c), bad); /* nothing to cut */
    for (uint32_t cut = 0; cut < case_payload_at(&c); cut++) {
        uint8_t *copy = malloc(cut + !cut); /* ends where the frame ends */
        memcpy(copy, f, cut);
        refuse(copy, cut, bad);
        free(copy);
    }
    f[14 + 20 + 12] = 0x40; /* a TCP header of 16 bytes */
    refuse(f, len, bad);
    f[14 + 20 + 12] = 0x80;
    f[14] = 0x44; /* an IPv4 header of 16 bytes */
    refuse(f, len, bad);
    f[14] = 0x65; /* a version that is not the Ethernet type's */
    refuse(f, len, bad);
    f[14] = 0x45;
    f[14 + 6] = 0x20; /* a fragment */
    refuse(f, len, bad);
    f[14 + 6] = 0x40;
    f[14 + 9] = 47; /* GRE */
    refuse(f, len, bad);
    free(f);

    c = plain;
    c.v6 = c.extension = true;
    f = make_super(&c, 3000, 1428, &vh, &len);
    f[14 + 41] = 255; /* an extension header longer than headers may be */
    refuse(f, len, vh);
    f[14 + 41] = 0;
    f[14 + 6] = 44; /* a fragment */
    refuse(f, len, vh);
    free(f);
}

static void a_checksum_outside_the_frame_is_refused(void **state)
{
    uint8_t *f = calloc(1, 60);
    (void)state;

    struct virtio_net_hdr vh = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34};
    vh.csum_offset = 25;
    refuse(f, 60, vh);
    vh.csum_start = 60;
    vh.csum_offset = 0;
    refuse(f, 60, vh);
    vh.csum_start = vh.csum_offset = 0xffff;
    refuse(f, 60, vh);
    free(f);
}

/* Any bytes, any header: refused or cut, never out of bounds (the sanitizers watch). */
static void nonsense_does_no_harm(void **state)
{
    static struct weir_offload o;
    uint32_t random = 7;
    (void)state;

    for (unsigned round = 0; round < 20000; round++) {
        struct l4_case c = plain;
        struct virtio_net_hdr vh;
        struct weir_frame got;
        uint32_t len, frames = 0;
        uint8_t *f;
        c.v6 = round & 1;
        c.udp = round & 2;
        c.vlan = round & 4;
        f = make_super(&c, 200, 50, &vh, &len);
        for (unsigned i = 0; i < 1 + round % 5; i++) {
            random = random * 1664525 + 1013904223;
            f[(random >> 8) % 70] = (uint8_t)(random >> 24);
        }
        random = random * 1664525 + 1013904223;
        if (round % 3 == 0)
            ((uint8_t *)&vh)[(random >> 8) % sizeof vh] = (uint8_t)(random >> 24);
        if (!weir_offload_begin(&o, &vh, f, len))
            while (weir_offload_next(&o, &got)) {
                assert_true(got.data >= f && got.data + got.len <= f + len);
                frames++;
            }
        assert_true(frames <= 201);
        free(f);
    }
}

static void sums_do_not_depend_on_how_they_are_taken(void **state)
{
    uint8_t data[300], be[2];
    (void)state;

    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(255 - i * 5);
    for (uint32_t from = 0; from < 9; from++) {
        for (uint32_t n = 0; n + from <= sizeof data; n++) {
            uint16_t sum = weir_sum_fold(weir_sum(0, data + from, n));
            case_be16(be, case_sum(0, data + from, n));
            assert_memory_equal(&sum, be, 2);
            uint32_t odd = n / 2 | 1; /* in two pieces, the second from an odd offset */
            if (odd < n) {
                uint64_t rest = weir_sum_odd(weir_sum(0, data + from + odd, n - odd));
                sum = weir_sum_fold(weir_sum_add(weir_sum(0, data + from, odd), rest));
                assert_memory_equal(&sum, be, 2);
            }
        }
    }
    memset(data, 0xff, sizeof data); /* carries everywhere */
    assert_int_equal(weir_sum_fold(weir_sum(UINT64_MAX, data, 298)), 0xffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(super_frames_are_cut),
        cmocka_unit_test(the_longest_packet_is_cut),
        cmocka_unit_test(checksums_are_completed),
        cmocka_unit_test(a_udp_checksum_is_never_zero),
        cmocka_unit_test(other_frames_pass_untouched),
        cmocka_unit_test(what_cannot_be_cut_is_refused),
        cmocka_unit_test(a_checksum_outside_the_frame_is_refused),
        cmocka_unit_test(nonsense_does_no_harm),
        cmocka_unit_test(sums_do_not_depend_on_how_they_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
