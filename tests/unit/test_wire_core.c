/* SPDX-License-Identifier: BSD-3-Clause */
/* What all wires have in common, seen through a kind that the test registers. */
#include "wire_case.h"

struct fake {
    struct weir_frame in[8];
    unsigned ins, next;
    uint8_t out[WEIR_WIRE_MAX_FRAME];
    uint32_t out_len;
    unsigned out_pieces, sent, flushed, links;
    bool full, carrier, told_up, open;
    char args[32];
};

static struct fake fake;

static int fake_open(struct weir *w, const char *args, void **priv, struct weir_error *e)
{
    (void)w;
    if (!strcmp(args, "broken"))
        return weir_fail(e, -EIO, "fake-broken", "open a fake\nit is broken\nmend it");
    snprintf(fake.args, sizeof fake.args, "%s", args);
    fake.carrier = fake.open = true;
    *priv = &fake;
    return 0;
}

static void fake_close(void *priv)
{
    ((struct fake *)priv)->open = false;
}

static bool fake_rx(void *priv, struct weir_frame *frame)
{
    struct fake *f = priv;

    if (f->next == f->ins)
        return false;
    *frame = f->in[f->next++];
    return true;
}

static bool fake_tx(void *priv, const struct iovec *iov, unsigned n, uint32_t len)
{
    struct fake *f = priv;

    if (f->full)
        return false;
    f->out_len = 0;
    for (unsigned i = 0; i < n; i++) {
        memcpy(f->out + f->out_len, iov[i].iov_base, iov[i].iov_len);
        f->out_len += (uint32_t)iov[i].iov_len;
    }
    assert_int_equal(f->out_len, len);
    f->out_pieces = n;
    f->sent++;
    return true;
}

static void fake_flush(void *priv)
{
    ((struct fake *)priv)->flushed++;
}

static uint64_t fake_deadline(void *priv)
{
    (void)priv;
    return 12345;
}

static int fake_fd(void *priv)
{
    (void)priv;
    return 77;
}

static bool fake_link(void *priv)
{
    return ((struct fake *)priv)->carrier;
}

static void fake_set_link(void *priv, bool up)
{
    struct fake *f = priv;

    f->links++;
    f->told_up = up;
}

static void fake_stats(void *priv, struct weir_model_stats *sum)
{
    (void)priv;
    sum->rx_dropped += 1000;
}

static const struct weir_wire_ops full_ops = {
    .kind = "fake",
    .help = "ANYTHING",
    .open = fake_open,
    .close = fake_close,
    .rx = fake_rx,
    .tx = fake_tx,
    .flush = fake_flush,
    .deadline = fake_deadline,
    .fd = fake_fd,
    .link = fake_link,
    .set_link = fake_set_link,
    .stats = fake_stats,
};

static const struct weir_wire_ops bare_ops = {.kind = "bare",
                                              .help = "",
                                              .open = fake_open,
                                              .close = fake_close,
                                              .rx = fake_rx,
                                              .tx = fake_tx};

static int setup(void **state)
{
    struct wire_case *c;

    memset(&fake, 0, sizeof fake);
    if (wire_case_setup(state))
        return -1;
    c = *state;
    return weir_wire_register(c->w, &full_ops, NULL) || weir_wire_register(c->w, &bare_ops, NULL);
}

static void a_registered_kind_gets_its_arguments(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "fake:a=1,b:2");

    assert_string_equal(fake.args, "a=1,b:2");
    assert_int_equal(weir_wire_deadline(wire), 12345);
    assert_int_equal(weir_wire_fd(wire), 77);
    weir_wire_flush(wire);
    assert_int_equal(fake.flushed, 1);
    weir_wire_close(wire);
    assert_false(fake.open);

    wire = wire_case_open(state, "bare");
    assert_string_equal(fake.args, "");
    assert_true(weir_wire_deadline(wire) == UINT64_MAX);
    assert_int_equal(weir_wire_fd(wire), -1);
    assert_true(weir_wire_link(wire));
    weir_wire_flush(wire);
    weir_wire_close(wire);
    weir_wire_close(NULL);
}

static void what_cannot_be_opened_is_explained(void **state)
{
    static const char *const kinds[] = {
        "loopback", "cable:NAME", "tap:NAME",     "packet:INTERFACE",
        "pcap:in=", "gen:size=",  "fake:ANYTHING"};

    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        wire_case_refused(state, "nonsense:x", "wire-kind", kinds[i]);
    wire_case_refused(state, "", "wire-kind", "named ''");
    wire_case_refused(state, ":x", "wire-kind", "named ''");
    wire_case_refused(state, "a\x1b[2J", "wire-kind", "named 'a?[2J'");
    wire_case_refused(state, "an-extremely-long-name-of-a-kind-that-nobody-has:x", "wire-kind",
                      "an-extremely-long-name-of-a-kin'");
    wire_case_refused(state, "fake:broken", "fake-broken", "mend it");
    wire_case_refused(state, "loopback:x", "wire-arg", "it takes no arguments");
}

static void short_frames_are_padded_both_ways(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "fake");
    static const uint8_t zeroes[60];
    struct weir_model_stats s;
    struct weir_frame got;
    uint8_t f[60];
    struct iovec iov[3] = {{f, 10}, {f + 10, 0}, {f + 10, 32}};

    wire_case_frame(f, sizeof f, 5);
    fake.in[0] = (struct weir_frame){f, 42};
    fake.in[1] = (struct weir_frame){f, 60};
    fake.in[2] = (struct weir_frame){f, 14};
    fake.ins = 3;
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 60);
    assert_memory_equal(got.data, f, 42);
    assert_memory_equal(got.data + 42, zeroes, 18);
    assert_true(weir_wire_rx(wire, &got));
    assert_ptr_equal(got.data, f); /* long enough: not copied */
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 60);
    assert_memory_equal(got.data + 14, zeroes, 46);
    assert_false(weir_wire_rx(wire, &got));

    assert_true(weir_wire_tx(wire, iov, 3, 42));
    assert_int_equal(fake.out_len, 60);
    assert_memory_equal(fake.out, f, 42);
    assert_memory_equal(fake.out + 42, zeroes, 18);
    assert_true(wire_case_send(wire, f, 60));
    assert_int_equal(fake.out_pieces, 1);

    s = wire_case_stats(wire);
    assert_int_equal(s.rx_frames, 3);
    assert_int_equal(s.rx_bytes, 180);
    assert_int_equal(s.rx_pad_bytes, 18 + 46);
    assert_int_equal(s.rx_dropped, 1000); /* the kind's own */
    assert_int_equal(s.tx_frames, 2);
    assert_int_equal(s.tx_bytes, 120);
    assert_int_equal(s.tx_dropped, 0);
    weir_wire_close(wire);
}

static void lengths_are_checked(void **state)
{
    static uint8_t big[WEIR_WIRE_MAX_FRAME + 1];
    struct weir_wire *wire = wire_case_open(state, "fake");
    struct iovec many[WEIR_WIRE_MAX_PIECES + 1];
    struct iovec wraps[2] = {{big, SIZE_MAX}, {big, 61}};
    struct weir_model_stats s;
    struct weir_frame got;

    assert_true(wire_case_send(wire, big, WEIR_WIRE_MAX_FRAME));
    assert_int_equal(fake.sent, 1);
    assert_true(wire_case_send(wire, big, WEIR_WIRE_MAX_FRAME + 1));
    for (unsigned i = 0; i <= WEIR_WIRE_MAX_PIECES; i++)
        many[i] = (struct iovec){big + i, 1};
    assert_true(weir_wire_tx(wire, many, WEIR_WIRE_MAX_PIECES + 1, WEIR_WIRE_MAX_PIECES + 1));
    assert_true(weir_wire_tx(wire, many, 60, 61)); /* pieces that do not make the length */
    assert_true(weir_wire_tx(wire, wraps, 2, 60)); /* nor by wrapping around */
    assert_int_equal(fake.sent, 1);
    assert_true(weir_wire_tx(wire, many, WEIR_WIRE_MAX_PIECES, WEIR_WIRE_MAX_PIECES));
    assert_true(weir_wire_tx(wire, many, 59, 59));
    assert_int_equal(fake.out_pieces, 60);
    assert_int_equal(fake.sent, 3);

    fake.in[0] = (struct weir_frame){big, WEIR_WIRE_MAX_FRAME + 1};
    fake.in[1] = (struct weir_frame){big, 13}; /* no Ethernet header */
    fake.in[2] = (struct weir_frame){big, WEIR_WIRE_MAX_FRAME};
    fake.ins = 3;
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, WEIR_WIRE_MAX_FRAME);

    s = wire_case_stats(wire);
    assert_int_equal(s.tx_frames, 7);
    assert_int_equal(s.tx_dropped, 4);
    assert_int_equal(s.tx_dropped_bytes, WEIR_WIRE_MAX_FRAME + 1 + 65 + 61 + 60);
    assert_int_equal(s.tx_bytes - s.tx_dropped_bytes, WEIR_WIRE_MAX_FRAME + 64 + 60);
    assert_int_equal(s.rx_frames, 1);
    assert_int_equal(s.rx_dropped, 1002);
    weir_wire_close(wire);
}

static void a_frame_that_is_not_taken_is_not_counted(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "fake");
    uint8_t f[60] = {0};

    fake.full = true;
    assert_false(wire_case_send(wire, f, sizeof f));
    assert_int_equal(wire_case_stats(wire).tx_frames, 0);
    fake.full = false;
    assert_true(wire_case_send(wire, f, sizeof f));
    assert_int_equal(wire_case_stats(wire).tx_frames, 1);
    weir_wire_close(wire);
}

static void a_pulled_cable_loses_both_ways(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "fake");
    struct weir_model_stats s;
    struct weir_frame got;
    uint8_t f[8][60];

    for (unsigned i = 0; i < 8; i++) {
        wire_case_frame(f[i], sizeof f[i], i);
        fake.in[i] = (struct weir_frame){f[i], sizeof f[i]};
    }
    assert_true(weir_wire_link(wire));
    fake.carrier = false;
    assert_false(weir_wire_link(wire));
    fake.carrier = true;

    weir_wire_set_link(wire, true); /* it is */
    assert_int_equal(fake.links, 0);
    weir_wire_set_link(wire, false);
    assert_int_equal(fake.links, 1);
    assert_false(fake.told_up);
    assert_false(weir_wire_link(wire));
    assert_true(weir_wire_deadline(wire) == UINT64_MAX);
    assert_true(wire_case_send(wire, f[0], 60));
    assert_int_equal(fake.sent, 0);
    fake.ins = 3;
    assert_false(weir_wire_rx(wire, &got)); /* thrown away at once ... */
    fake.ins = 5;
    weir_wire_set_link(wire, true); /* ... or when it is plugged in again: never delivered late */
    assert_int_equal(fake.links, 2);
    assert_true(fake.told_up);
    assert_true(weir_wire_link(wire));
    fake.ins = 6;
    assert_true(weir_wire_rx(wire, &got));
    assert_memory_equal(got.data, f[5], 60);

    s = wire_case_stats(wire);
    assert_int_equal(s.tx_dropped, 1);
    assert_int_equal(s.tx_dropped_bytes, 60);
    assert_int_equal(s.rx_dropped, 1005);
    assert_int_equal(s.rx_frames, 1);
    weir_wire_close(wire);
}

static void statistics_add_up_over_wires(void **state)
{
    struct weir_wire *a = wire_case_open(state, "fake"), *b = wire_case_open(state, "bare");
    struct weir_model_stats s = {0};
    uint8_t f[60] = {0};

    assert_true(wire_case_send(a, f, 60));
    assert_true(wire_case_send(b, f, 60));
    weir_wire_stats(a, &s);
    weir_wire_stats(b, &s);
    assert_int_equal(s.tx_frames, 2);
    assert_int_equal(s.tx_bytes, 120);
    weir_wire_close(a);
    weir_wire_close(b);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, wire_case_teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_registered_kind_gets_its_arguments),
        CASE(what_cannot_be_opened_is_explained),
        CASE(short_frames_are_padded_both_ways),
        CASE(lengths_are_checked),
        CASE(a_frame_that_is_not_taken_is_not_counted),
        CASE(a_pulled_cable_loses_both_ways),
        CASE(statistics_add_up_over_wires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
