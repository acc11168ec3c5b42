/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire_case.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static void a_cable_has_two_ends(void **state)
{
    struct wire_case *c = *state;
    struct weir_wire *a = wire_case_open(state, "cable:c0"), *b, *other;
    struct weir_frame got;
    uint8_t f[60];

    assert_false(weir_wire_link(a)); /* nothing is at the other end */
    other = wire_case_open(state, "cable:c1");
    assert_false(weir_wire_link(a));
    wire_case_frame(f, 60, 1);
    assert_true(wire_case_send(a, f, 60));
    assert_int_equal(wire_case_stats(a).tx_dropped, 1);
    assert_int_equal(wire_case_stats(a).tx_dropped_bytes, 60);

    b = wire_case_open(state, "cable:c0");
    assert_true(weir_wire_link(a));
    assert_true(weir_wire_link(b));
    assert_false(weir_wire_link(other));
    wire_case_refused(state, "cable:c0", "wire-busy", "both its ends are taken");
    assert_false(weir_wire_rx(b, &got));
    for (uint32_t i = 0; i < 3; i++) {
        wire_case_frame(f, 60, i);
        assert_true(wire_case_send(a, f, 60));
        wire_case_frame(f, 60, 100 + i);
        assert_true(wire_case_send(b, f, 60));
    }
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(weir_wire_rx(b, &got));
        wire_case_frame(f, 60, i);
        assert_memory_equal(got.data, f, 60);
        assert_true(weir_wire_rx(a, &got));
        wire_case_frame(f, 60, 100 + i);
        assert_memory_equal(got.data, f, 60);
    }
    assert_false(weir_wire_rx(a, &got));

    /* Another model takes the place of one that left; what was meant for that one is lost. */
    assert_true(wire_case_send(b, f, 60));
    weir_wire_close(a);
    assert_false(weir_wire_link(b));
    a = wire_case_open(state, "cable:c0");
    assert_true(weir_wire_link(b));
    assert_false(weir_wire_rx(a, &got));
    weir_wire_close(b);
    weir_wire_close(a);
    weir_wire_close(other);
    /* The name is free again; nothing of the old cable is left. */
    a = wire_case_open(state, "cable:c0");
    assert_false(weir_wire_link(a));
    weir_wire_close(a);
    assert_int_equal(c->warnings, 0);
}

static void bad_names_are_refused(void **state)
{
    wire_case_refused(state, "cable", "wire-arg", "it is empty");
    wire_case_refused(state, "cable:", "wire-arg", "arguments of cable: NAME");
    wire_case_refused(state, "cable:a,b", "wire-arg", "argument 'b'");
    wire_case_refused(state, "cable:a\nb", "wire-arg", "control character");
    wire_case_refused(state,
                      "cable:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                      "wire-arg", "longer than 64");
}

static void instances_do_not_share_cables(void **state)
{
    struct weir_wire *a = wire_case_open(state, "cable:c0"), *b;
    struct weir *other = weir_new(NULL, NULL);

    b = weir_wire_open(other, "cable:c0", NULL);
    assert_non_null(b);
    assert_false(weir_wire_link(a));
    assert_false(weir_wire_link(b));
    weir_wire_close(b);
    weir_free(other);
    weir_wire_close(a);
}

static void either_end_can_be_pulled(void **state)
{
    struct weir_wire *a = wire_case_open(state, "cable:c"), *b = wire_case_open(state, "cable:c");
    struct weir_frame got;
    uint8_t f[60];

    wire_case_frame(f, 60, 1);
    assert_true(wire_case_send(a, f, 60)); /* under way when b is pulled: lost */
    weir_wire_set_link(b, false);
    assert_false(weir_wire_link(a));
    assert_false(weir_wire_link(b));
    assert_true(wire_case_send(a, f, 60));
    assert_int_equal(wire_case_stats(a).tx_dropped, 1);
    weir_wire_set_link(b, true);
    assert_true(weir_wire_link(a));
    assert_false(weir_wire_rx(b, &got));
    assert_int_equal(wire_case_stats(b).rx_dropped, 1);
    wire_case_frame(f, 60, 2);
    assert_true(wire_case_send(a, f, 60));
    assert_true(weir_wire_rx(b, &got));
    assert_memory_equal(got.data, f, 60);
    weir_wire_close(a);
    weir_wire_close(b);
}

static void sleepers_are_woken(void **state)
{
    struct weir_wire *a = wire_case_open(state, "cable:c"), *b = wire_case_open(state, "cable:c");
    static uint8_t big[9000];
    struct weir_frame got;
    int fda = weir_wire_fd(a), fdb = weir_wire_fd(b);
    uint32_t sent;

    assert_true(fda >= 0 && fdb >= 0);
    assert_false(weir_wire_rx(a, &got));
    assert_false(weir_wire_rx(b, &got));
    assert_false(readable(fda));
    assert_false(readable(fdb));
    /* A frame wakes the other end, once. */
    assert_true(wire_case_send(a, big, 60));
    weir_wire_flush(a);
    assert_true(readable(fdb));
    assert_true(weir_wire_rx(b, &got));
    assert_false(weir_wire_rx(b, &got));
    assert_false(readable(fdb));
    assert_false(readable(fda));
    /* Frames that come while b is at work write nothing: it looks until there is nothing. */
    assert_true(wire_case_send(a, big, 60));
    weir_wire_flush(a);
    assert_true(weir_wire_rx(b, &got));
    assert_true(wire_case_send(a, big, 60));
    weir_wire_flush(a);
    assert_true(weir_wire_rx(b, &got));
    assert_false(weir_wire_rx(b, &got));
    assert_false(readable(fdb));
    /* A full cable makes the sender wait until it has room again. */
    for (sent = 0; wire_case_send(a, big, sizeof big); sent++)
        ;
    weir_wire_flush(a);
    assert_true(sent * sizeof big >= 256 * 1024);
    assert_false(weir_wire_rx(a, &got));
    assert_true(weir_wire_deadline(a) == UINT64_MAX);
    assert_false(readable(fda));
    while (weir_wire_rx(b, &got))
        sent--;
    assert_int_equal(sent, 0);
    assert_true(readable(fda));
    assert_false(weir_wire_rx(a, &got)); /* this takes the wake-up ... */
    assert_false(readable(fda));
    assert_int_equal(weir_wire_deadline(a), 0); /* ... and this still tells */
    assert_true(wire_case_send(a, big, sizeof big));
    assert_true(weir_wire_deadline(a) == UINT64_MAX);
    assert_int_equal(wire_case_stats(a).tx_dropped, 0);
    /* So does the end of the link, also to one that waits for room. */
    assert_true(weir_wire_rx(b, &got));
    assert_false(weir_wire_rx(b, &got));
    weir_wire_set_link(a, false);
    assert_true(readable(fdb));
    assert_false(weir_wire_rx(b, &got));
    weir_wire_set_link(a, true);
    assert_true(readable(fdb));
    assert_false(weir_wire_rx(b, &got));
    assert_false(readable(fdb));
    weir_wire_close(a);
    assert_true(readable(fdb));
    weir_wire_close(b);
}

#define FRAMES 200000

struct end {
    struct weir_wire *wire;
    bool sleep;
    uint32_t sent, received, bad, waits;
};

static void wait_for_peer(struct end *end)
{
    struct pollfd p = {.fd = weir_wire_fd(end->wire), .events = POLLIN};

    end->waits++;
    /* The other end wakes this one: a wake-up that is lost ends the test after this time. */
    if (weir_wire_deadline(end->wire) == UINT64_MAX && poll(&p, 1, 20000) != 1)
        end->bad++;
}

/* What a model's step does: send, flush, receive; sleep when nothing moved. */
static void *work(void *arg)
{
    struct end *end = arg;
    static __thread uint8_t f[2000], want[2000];

    if (end->sleep)
        (void)weir_wire_fd(end->wire);
    while ((end->sent < FRAMES || end->received < FRAMES) && !end->bad) {
        struct weir_frame got;
        uint32_t moved = 0;
        for (unsigned i = 0; i < 64 && end->sent < FRAMES; i++) {
            uint32_t len = 60 + end->sent * 31 % 1900;
            wire_case_frame(f, 64, end->sent);
            if (!wire_case_send(end->wire, f, len))
                break;
            end->sent++;
            moved++;
        }
        weir_wire_flush(end->wire);
        for (unsigned i = 0; i < 64 && weir_wire_rx(end->wire, &got); i++) {
            wire_case_frame(want, 64, end->received);
            end->bad +=
                got.len != 60 + end->received * 31 % 1900 || memcmp(got.data, want, 60) != 0;
            end->received++;
            moved++;
        }
        if (!moved && end->sleep && end->received < FRAMES)
            wait_for_peer(end);
        else if (!moved)
            sched_yield(); /* the other end may need this core */
    }
    return NULL;
}

static void two_threads(void **state, bool sleep)
{
    struct end a = {.wire = wire_case_open(state, "cable:c"), .sleep = sleep};
    struct end b = {.wire = wire_case_open(state, "cable:c"), .sleep = sleep};
    pthread_t t;

    assert_int_equal(pthread_create(&t, NULL, work, &a), 0);
    work(&b);
    pthread_join(t, NULL);
    assert_int_equal(a.bad, 0);
    assert_int_equal(b.bad, 0);
    assert_int_equal(a.received, FRAMES);
    assert_int_equal(b.received, FRAMES);
    assert_int_equal(wire_case_stats(a.wire).tx_dropped, 0);
    weir_wire_close(a.wire);
    weir_wire_close(b.wire);
}

static void two_threads_poll(void **state)
{
    two_threads(state, false);
}

static void two_threads_sleep(void **state)
{
    two_threads(state, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WIRE_CASE(a_cable_has_two_ends),
        WIRE_CASE(bad_names_are_refused),
        WIRE_CASE(instances_do_not_share_cables),
        WIRE_CASE(either_end_can_be_pulled),
        WIRE_CASE(sleepers_are_woken),
        WIRE_CASE(two_threads_poll),
        WIRE_CASE(two_threads_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
