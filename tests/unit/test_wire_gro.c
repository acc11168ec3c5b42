/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames on their way to the kernel: what is joined, and that cutting it gives back every byte. */
#include "wire_case.h"
#include "tcp_case.h"
#include "lib/model/coalesce.h"
#include "lib/model/offload.h"
#include <stdlib.h>

static struct weir_tx_batch batch;

static int setup(void **state)
{
    (void)state;
    return weir_tx_batch_init(&batch, true);
}

static int teardown(void **state)
{
    (void)state;
    weir_tx_batch_destroy(&batch);
    return 0;
}

/* Frames that stay where they are, as a sender's memory does until the flush. */
struct memory {
    uint8_t *frame[4096];
    uint32_t len[4096];
    unsigned n;
};
static struct memory sent;

static void forget(void)
{
    while (sent.n)
        free(sent.frame[--sent.n]);
}

static uint8_t *make(const struct l4_case *c, uint32_t n, uint32_t *len)
{
    uint32_t end = case_payload_at(c);
    uint8_t *f = malloc(end + n);

    assert_non_null(f);
    for (uint32_t i = 0; i < n; i++)
        f[end + i] = (uint8_t)((c->seq + i) * 29 + 5);
    *len = case_frame(c, f, n);
    sent.frame[sent.n] = f;
    sent.len[sent.n++] = *len;
    return f;
}

static bool add_pieces(const uint8_t *f, uint32_t len, const uint32_t *cuts, unsigned n)
{
    struct iovec iov[WEIR_WIRE_MAX_PIECES + 1];
    uint32_t at = 0;

    for (unsigned i = 0; i < n; i++) {
        iov[i] = (struct iovec){(uint8_t *)(uintptr_t)f + at, cuts[i] - at};
        at = cuts[i];
    }
    iov[n] = (struct iovec){(uint8_t *)(uintptr_t)f + at, len - at};
    return weir_tx_batch_add(&batch, iov, n + 1, len);
}

static void add(const struct l4_case *c, uint32_t n)
{
    uint32_t len;
    uint8_t *f = make(c, n, &len);

    assert_true(add_pieces(f, len, NULL, 0));
}

static const struct l4_case plain = {.id = 0xfffe,
                                     .seq = 0xfffff000,
                                     .ack = 77,
                                     .flags = 0x10,
                                     .ttl = 64,
                                     .window = 501,
                                     .tcp_options = 12,
                                     .port = 40000};

static struct l4_case after(struct l4_case c, uint32_t n)
{
    c.seq += n;
    c.id++;
    return c;
}

/* As the kernel would: the bytes of a message in a row, then cut. All frames that were added must
 * come out, in order, byte for byte. @return how many messages were super-frames */
static unsigned cut_and_compare(unsigned skip)
{
    static struct weir_offload o;
    static uint8_t flat[65536 + 256];
    unsigned supers = 0, next = skip;
    struct weir_frame got;

    for (unsigned i = batch.first; i < batch.messages; i++) {
        struct weir_tx_message *m = &batch.message[i];
        uint32_t len = 0;
        assert_ptr_equal(batch.iov[m->iov].iov_base, &m->vh);
        assert_int_equal(batch.iov[m->iov].iov_len, 10);
        for (unsigned j = 1; j < m->iovs; j++) {
            memcpy(flat + len, batch.iov[m->iov + j].iov_base, batch.iov[m->iov + j].iov_len);
            len += (uint32_t)batch.iov[m->iov + j].iov_len;
        }
        assert_int_equal(len, m->bytes);
        assert_int_equal(m->frames > 1, m->vh.gso_type != 0);
        supers += m->frames > 1;
        assert_int_equal(weir_offload_begin(&o, &m->vh, flat, len), 0);
        while (weir_offload_next(&o, &got)) {
            assert_true(next < sent.n);
            assert_int_equal(got.len, sent.len[next]);
            assert_memory_equal(got.data, sent.frame[next], got.len);
            next++;
        }
    }
    assert_int_equal(next, sent.n);
    return supers;
}

static void finish(void)
{
    weir_tx_batch_sent(&batch, batch.messages - batch.first);
    assert_true(weir_tx_batch_empty(&batch));
    forget();
}

static void adjacent_segments_are_joined(void **state)
{
    struct weir_model_stats s = {0};
    (void)state;

    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct l4_case c = plain;
        uint32_t end;
        c.v6 = v6;
        end = case_payload_at(&c);
        for (unsigned i = 0; i < 40; i++, c = after(c, 1448))
            add(&c, 1448);
        c.flags |= 0x09;
        add(&c, 100);
        assert_int_equal(batch.messages, 1);
        assert_int_equal(batch.message[0].frames, 41);
        assert_int_equal(batch.message[0].bytes, end + 40 * 1448 + 100);
        assert_int_equal(batch.message[0].vh.gso_type,
                         v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
        assert_int_equal(batch.message[0].vh.gso_size, 1448);
        assert_int_equal(batch.message[0].vh.hdr_len, end);
        assert_int_equal(batch.message[0].vh.csum_start, end - 32);
        assert_int_equal(batch.message[0].vh.csum_offset, 16);
        assert_int_equal(cut_and_compare(0), 1);
        finish();
    }
    weir_tx_batch_stats(&batch, &s);
    assert_int_equal(s.tx_super, 2);
    assert_int_equal(s.tx_super_frames, 82);
    assert_int_equal(s.tx_super_bytes, 40 * (66 + 86));
    assert_int_equal(s.tx_dropped, 0);
}

/* Without the option everything passes as it is. */
static void nothing_is_joined_unasked(void **state)
{
    struct l4_case c = plain;
    (void)state;

    batch.gro = false;
    for (unsigned i = 0; i < 10; i++, c = after(c, 1000))
        add(&c, 1000);
    assert_int_equal(batch.messages, 10);
    assert_int_equal(cut_and_compare(0), 0);
    finish();
}

/* The second frame is changed in one respect: it may not join. */
static void what_would_come_out_differently_is_not_joined(void **state)
{
    (void)state;
    for (unsigned v6 = 0; v6 < 2; v6++) {
        for (unsigned change = 0; change < 19; change++) {
            struct l4_case a = plain, b;
            uint32_t n = 1448, first = 1448, len;
            uint8_t *f;
            a.v6 = v6;
            if (change == 17)
                a.flags |= 0x08; /* PSH before the last */
            if (change == 18)
                first = 1000; /* the longer one comes second */
            b = after(a, first);
            switch (change) {
            case 0:
                b.seq++;
                break;
            case 1:
                b.seq--;
                break;
            case 2:
                b.id += !v6;
                b.seq += v6;
                break;
            case 3:
                b.id -= !v6;
                b.seq += v6;
                break;
            case 4:
                b.ack++;
                break;
            case 5:
                b.flags = 0x50;
                break; /* ECE */
            case 6:
                b.flags = 0x90;
                break; /* CWR */
            case 7:
                b.flags = 0x30;
                break; /* URG */
            case 8:
                b.flags = 0x14;
                break; /* RST */
            case 9:
                b.window++;
                break;
            case 10:
                b.ttl--;
                break;
            case 11:
                b.tos ^= 3;
                break;
            case 12:
                b.port++;
                break;
            case 13:
                b.tcp_options = 0;
                break;
            case 14:
                b.flags = 0x12;
                break; /* SYN */
            case 15:
                n = 0;
                break;
            case 16:
                b.flags = 0x08;
                break; /* no ACK */
            }
            add(&a, first);
            f = make(&b, n, &len);
            assert_true(add_pieces(f, len, NULL, 0));
            if (batch.messages != 2)
                fail_msg("change %u was joined", change);
            assert_int_equal(cut_and_compare(0), 0);
            finish();
        }
    }
}

/* Bytes changed without a new checksum, or with options that hold other bytes, and so on. */
static void damage_is_passed_on_untouched(void **state)
{
    (void)state;
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct l4_case a = plain;
        uint32_t end, len;
        a.v6 = v6;
        end = case_payload_at(&a);
        for (uint32_t at = 0; at < end + 3; at++) {
            struct l4_case b = after(a, 1448);
            uint8_t *f;
            add(&a, 1448);
            f = make(&b, 1448, &len);
            f[at] ^= 0x01;
            assert_true(add_pieces(f, len, NULL, 0));
            assert_int_equal(batch.messages, 2);
            assert_int_equal(cut_and_compare(0), 0);
            finish();
            f = make(&a, 1448, &len); /* the same in the first of two */
            f[at] ^= 0x80;
            assert_true(add_pieces(f, len, NULL, 0));
            add(&b, 1448);
            assert_int_equal(batch.messages, 2);
            assert_int_equal(cut_and_compare(0), 0);
            finish();
        }
    }
}

static void only_plain_tcp_is_joined(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 8; kind++) {
        struct l4_case c = plain;
        c.v6 = kind & 4;
        if (kind % 4 == 0)
            c.udp = true;
        if (kind % 4 == 1)
            c.vlan = true;
        if (kind % 4 == 2 && c.v6)
            c.extension = true;
        if (kind % 4 == 2 && !c.v6)
            c.ip_options = 4;
        if (kind % 4 == 3 && !c.v6)
            c.fragment = 0x2000;
        if (kind % 4 == 3 && c.v6)
            c.flags = 0x02;
        for (unsigned i = 0; i < 3; i++, c = after(c, 500))
            add(&c, 500);
        assert_int_equal(batch.messages, 3);
        assert_int_equal(cut_and_compare(0), 0);
        finish();
    }
    /* May be fragmented, and the reserved bit. */
    for (unsigned kind = 0; kind < 2; kind++) {
        struct l4_case c = plain;
        c.fragment = kind ? 0xc000 : 0x8000;
        for (unsigned i = 0; i < 3; i++, c = after(c, 500))
            add(&c, 500);
        assert_int_equal(batch.messages, 3);
        finish();
    }
}

/* Padding behind the IP packet would be gone after cutting. */
static void padded_segments_are_not_joined(void **state)
{
    struct l4_case c = plain;
    (void)state;

    c.tcp_options = 0;
    for (unsigned i = 0; i < 3; i++, c = after(c, 4)) {
        uint8_t *f = calloc(1, 60);
        memset(f + 54, 0x11, 4);
        case_frame(&c, f, 4);
        sent.frame[sent.n] = f;
        sent.len[sent.n++] = 60;
        assert_true(add_pieces(f, 60, NULL, 0));
    }
    assert_int_equal(batch.messages, 3);
    assert_int_equal(cut_and_compare(0), 0);
    finish();
}

static void a_checksum_of_zero_is_passed_on(void **state)
{
    unsigned found = 0;
    (void)state;

    /* The port steps through all values of the sum. */
    for (unsigned port = 0; port < 65536 && !found; port++) {
        struct l4_case c = plain, d;
        uint32_t len;
        uint8_t *f;
        c.port = (uint16_t)port;
        f = make(&c, 100, &len);
        if (f[50] || f[51]) {
            forget();
            continue;
        }
        found++;
        assert_true(add_pieces(f, len, NULL, 0));
        d = after(c, 100);
        add(&d, 100);
        assert_int_equal(batch.messages, 2);
        finish();
    }
    assert_int_equal(found, 1);
}

/* The order of frames is kept whatever joins: only a frame directly before counts. */
static void flows_that_alternate_stay_apart(void **state)
{
    struct l4_case a = plain, b = plain, u = plain;
    (void)state;

    b.port = 50000;
    u.udp = true;
    for (unsigned i = 0; i < 4; i++, a = after(a, 700), b = after(b, 900)) {
        add(&a, 700);
        add(&b, 900);
    }
    assert_int_equal(batch.messages, 8);
    add(&u, 50); /* nothing joins across it */
    add(&b, 900);
    b = after(b, 900);
    add(&b, 900);
    b = after(b, 900);
    add(&b, 100); /* a shorter one is the last */
    b = after(b, 100);
    add(&b, 100);
    assert_int_equal(batch.messages, 11);
    assert_int_equal(batch.message[9].frames, 3);
    assert_int_equal(batch.message[10].frames, 1);
    assert_int_equal(cut_and_compare(0), 1);
    finish();
}

static void pieces_may_lie_anywhere(void **state)
{
    uint32_t random = 3;
    (void)state;

    for (unsigned round = 0; round < 300; round++) {
        struct l4_case c = plain;
        uint32_t end = case_payload_at(&c), expected = 0;
        for (unsigned i = 0; i < 8; i++, c = after(c, 1001)) {
            uint32_t cuts[4], n = 0, len;
            uint8_t *f = make(&c, 1001, &len);
            random = random * 1664525 + 1013904223;
            if (round & 1)
                cuts[n++] = end; /* the headers, then the rest: as a driver with TSO */
            else if (round & 2)
                cuts[n++] = end - 1 - (random >> 8) % (end - 1); /* headers in two pieces */
            else
                cuts[n++] = end + (random >> 8) % 500;
            cuts[n] = cuts[n - 1] + (random >> 16) % (len - cuts[n - 1]);
            n++;
            cuts[n] = cuts[n - 1] + (random >> 12) % (len - cuts[n - 1]);
            n++;
            assert_true(add_pieces(f, len, cuts, n));
            expected += (round & 3) == 2;
        }
        assert_int_equal(batch.messages, expected ? expected : 1);
        cut_and_compare(0);
        finish();
    }
}

static void a_super_frame_stays_within_an_ip_packet(void **state)
{
    struct l4_case c = plain;
    (void)state;

    for (unsigned i = 0; i < 100; i++, c = after(c, 1448))
        add(&c, 1448);
    assert_int_equal(batch.messages, 3);
    assert_int_equal(batch.message[0].frames, 45); /* 52 + 45 * 1448 <= 65535 */
    assert_int_equal(cut_and_compare(0), 3);
    finish();
    c.v6 = true;
    for (unsigned i = 0; i < 100; i++, c = after(c, 1428))
        add(&c, 1428);
    assert_int_equal(cut_and_compare(0), 3);
    finish();
}

static void a_full_batch_takes_no_more(void **state)
{
    struct l4_case c = plain;
    uint32_t len, bytes = 0, cuts[60];
    uint8_t *f;
    (void)state;

    c.udp = true;
    f = make(&c, 100, &len);
    for (unsigned i = 0; i < WEIR_TX_MESSAGES; i++)
        assert_true(add_pieces(f, len, NULL, 0));
    assert_false(add_pieces(f, len, NULL, 0));
    weir_tx_batch_sent(&batch, 1);
    assert_false(add_pieces(f, len, NULL, 0)); /* not before all are gone */
    finish();
    /* By bytes. */
    f = make(&c, 9000, &len);
    while (add_pieces(f, len, NULL, 0))
        bytes += len;
    assert_true(bytes <= WEIR_TX_BYTES && bytes + len > WEIR_TX_BYTES);
    weir_tx_batch_keep(&batch);
    finish();
    /* By pieces. */
    f = make(&c, 100, &len);
    for (unsigned i = 0; i < 60; i++)
        cuts[i] = i + 1;
    while (add_pieces(f, len, cuts, 60))
        ;
    assert_true(batch.messages < WEIR_TX_MESSAGES && batch.messages > 20);
    finish();
}

static void what_is_kept_needs_its_sender_no_more(void **state)
{
    struct l4_case c = plain, u = plain;
    struct weir_model_stats s = {0};
    uint8_t *copy[64];
    (void)state;

    u.udp = true;
    add(&u, 18);
    for (unsigned i = 0; i < 20; i++, c = after(c, 1448))
        add(&c, 1448);
    add(&u, 333);
    assert_int_equal(batch.messages, 3);
    weir_tx_batch_sent(&batch, 1); /* the first could be sent */
    weir_tx_batch_keep(&batch);
    for (unsigned i = 0; i < sent.n; i++) {
        copy[i] = malloc(sent.len[i]);
        memcpy(copy[i], sent.frame[i], sent.len[i]);
        memset(sent.frame[i], 0xee, sent.len[i]);
        free(sent.frame[i]);
        sent.frame[i] = copy[i];
    }
    assert_int_equal(cut_and_compare(1), 1);
    weir_tx_batch_keep(&batch);
    assert_int_equal(cut_and_compare(1), 1);
    assert_false(add_pieces(sent.frame[0], sent.len[0], NULL, 0));
    weir_tx_batch_drop(&batch, 1);
    weir_tx_batch_stats(&batch, &s);
    assert_int_equal(s.tx_dropped, 20);
    assert_int_equal(s.tx_dropped_bytes, 20 * (1448 + 66));
    assert_int_equal(s.tx_super, 0);
    finish();
    assert_false(batch.kept);
    add(&u, 18);
    assert_int_equal(cut_and_compare(0), 0);
    finish();
}

/* Flows, sizes and flags from a fixed sequence: whatever is joined, what comes out is what went in.
 */
static void any_mix_comes_out_as_it_went_in(void **state)
{
    uint32_t random = 11;
    unsigned supers = 0;
    (void)state;

    for (unsigned round = 0; round < 400; round++) {
        struct l4_case flow[3] = {plain, plain, plain};
        flow[1].v6 = true;
        flow[2].port = 1;
        for (unsigned i = 0; i < 60; i++) {
            random = random * 1664525 + 1013904223;
            struct l4_case *c = &flow[(random >> 28) % 8 < 6 ? round % 3 : random % 3];
            uint32_t n = (random >> 20) % 16 ? 1000 : (random >> 8) % 1000 + 1;
            c->flags = 0x10 | ((random >> 16) % 16 ? 0 : 8) | ((random >> 12) % 32 ? 0 : 0x40);
            c->ack += (random >> 10) % 16 == 0;
            add(c, n);
            *c = after(*c, n);
        }
        supers += cut_and_compare(0);
        finish();
    }
    assert_true(supers > 1000);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(adjacent_segments_are_joined),
        CASE(nothing_is_joined_unasked),
        CASE(what_would_come_out_differently_is_not_joined),
        CASE(damage_is_passed_on_untouched),
        CASE(only_plain_tcp_is_joined),
        CASE(padded_segments_are_not_joined),
        CASE(a_checksum_of_zero_is_passed_on),
        CASE(flows_that_alternate_stay_apart),
        CASE(pieces_may_lie_anywhere),
        CASE(a_super_frame_stays_within_an_ip_packet),
        CASE(a_full_batch_takes_no_more),
        CASE(what_is_kept_needs_its_sender_no_more),
        CASE(any_mix_comes_out_as_it_went_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
