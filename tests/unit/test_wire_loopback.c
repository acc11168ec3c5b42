/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire_case.h"

static void frames_come_back_in_order(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "loopback");
    uint8_t f[1514], want[1514];
    struct weir_frame got;

    assert_true(weir_wire_link(wire));
    assert_int_equal(weir_wire_fd(wire), -1);
    assert_true(weir_wire_deadline(wire) == UINT64_MAX);
    for (uint32_t i = 0; i < 100; i++) {
        wire_case_frame(f, 60 + i * 14, i);
        struct iovec iov[3] = {{f, 20}, {f + 20, i}, {f + 20 + i, 40 + i * 13}};
        assert_true(weir_wire_tx(wire, iov, 3, 60 + i * 14));
        memset(f, 0, sizeof f);
    }
    weir_wire_flush(wire);
    assert_int_equal(weir_wire_deadline(wire), 0);
    for (uint32_t i = 0; i < 100; i++) {
        wire_case_frame(want, 60 + i * 14, i);
        assert_true(weir_wire_rx(wire, &got));
        assert_int_equal(got.len, 60 + i * 14);
        assert_memory_equal(got.data, want, got.len);
    }
    assert_false(weir_wire_rx(wire, &got));
    assert_true(weir_wire_deadline(wire) == UINT64_MAX);
    weir_wire_close(wire);
}

/* Sizes and turns from a fixed sequence, until the queue has wrapped around many times. */
static void a_full_queue_holds_back_and_loses_nothing(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "loopback");
    static uint8_t f[WEIR_WIRE_MAX_FRAME], want[WEIR_WIRE_MAX_FRAME];
    uint32_t random = 1, sent = 0, received = 0, refused = 0, sizes[20000];
    struct weir_model_stats s;
    struct weir_frame got;

    while (received < 20000) {
        random = random * 1664525 + 1013904223;
        unsigned turns = random >> 24;
        for (unsigned i = 0; i < turns && sent < 20000; i++) {
            random = random * 1664525 + 1013904223;
            uint32_t len = 60 + (random >> 8) % (random & 64 ? 100 : WEIR_WIRE_MAX_FRAME - 59);
            wire_case_frame(f, len, sent);
            if (!wire_case_send(wire, f, len)) {
                refused++;
                break;
            }
            sizes[sent++] = len;
        }
        weir_wire_flush(wire);
        for (unsigned i = 0; i < (turns * 37) % 200; i++) {
            if (!weir_wire_rx(wire, &got))
                break;
            assert_true(received < sent);
            wire_case_frame(want, sizes[received], received);
            assert_int_equal(got.len, sizes[received]);
            assert_memory_equal(got.data, want, got.len);
            received++;
        }
    }
    assert_true(refused > 10);
    s = wire_case_stats(wire);
    assert_int_equal(s.tx_frames, 20000);
    assert_int_equal(s.rx_frames, 20000);
    assert_int_equal(s.tx_bytes, s.rx_bytes);
    assert_int_equal(s.tx_dropped + s.rx_dropped, 0);
    weir_wire_close(wire);
}

static void a_pulled_plug_loses_what_was_on_its_way(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "loopback");
    struct weir_model_stats s;
    struct weir_frame got;
    uint8_t f[60];

    wire_case_frame(f, 60, 1);
    assert_true(wire_case_send(wire, f, 60));
    weir_wire_set_link(wire, false);
    assert_false(weir_wire_link(wire));
    assert_true(wire_case_send(wire, f, 60));
    weir_wire_set_link(wire, true);
    assert_false(weir_wire_rx(wire, &got));
    s = wire_case_stats(wire);
    assert_int_equal(s.tx_frames, 2);
    assert_int_equal(s.tx_dropped, 1);
    assert_int_equal(s.rx_dropped, 1);
    weir_wire_close(wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WIRE_CASE(frames_come_back_in_order),
        WIRE_CASE(a_full_queue_holds_back_and_loses_nothing),
        WIRE_CASE(a_pulled_plug_loses_what_was_on_its_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
