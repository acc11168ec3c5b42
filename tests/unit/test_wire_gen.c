/* SPDX-License-Identifier: BSD-3-Clause */
/* The generator, under a clock that the test turns. */
#include "wire_case.h"
#include "tcp_case.h"
#include <stdlib.h>
#include <time.h>

#define S 1000000000ull

static uint64_t now = 5 * S;

int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    (void)id;
    t->tv_sec = (time_t)(now / S);
    t->tv_nsec = (long)(now % S);
    return 0;
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* A valid frame in every field. @return its flow */
static uint32_t check_frame(const struct weir_frame *f, const uint8_t *dst, const uint8_t *src)
{
    struct l4_case udp = {.udp = true};
    const uint8_t *ip = f->data + 14, *u = f->data + 34;
    uint32_t n = f->len - 34;

    assert_memory_equal(f->data, dst, 6);
    assert_memory_equal(f->data + 6, src, 6);
    assert_memory_equal(f->data + 12, "\x08\x00\x45\x00", 4);
    assert_int_equal(ip[2] << 8 | ip[3], f->len - 14);
    assert_memory_equal(ip + 4, "\0\0\x40\0\x40\x11", 6);
    assert_int_equal(case_sum(0, ip, 20), 0xffff);
    assert_memory_equal(ip + 16, "\xc6\x13\x00\x01", 4); /* 198.19.0.1 */
    assert_int_equal(u[4] << 8 | u[5], n);
    assert_true(u[6] || u[7]);
    assert_int_equal(case_sum(case_pseudo(&udp, ip, n), u, n), 0xffff);
    assert_memory_equal(u + 8, "WEIR", 4);
    assert_int_equal(be32(ip + 12), 0xc6120001u + be32(u + 12) / 16384);
    assert_int_equal(u[0] << 8 | u[1], 49152 + be32(u + 12) % 16384);
    return be32(u + 12);
}

static const uint8_t mac1[6] = {2, 0, 0, 0, 0, 1}, mac2[6] = {2, 0, 0, 0, 0, 2};

static void frames_are_valid_and_numbered(void **state)
{
    struct weir_wire *wire =
        wire_case_open(state, "gen:size=60-1514,flows=40000,count=100k,seed=3");
    uint32_t *seq = calloc(40000, sizeof *seq), shortest = 9999, longest = 0, sum = 0;
    struct weir_frame got;

    assert_int_equal(weir_wire_deadline(wire), 0);
    for (unsigned i = 0; i < 100000; i++) {
        assert_true(weir_wire_rx(wire, &got));
        uint32_t flow = check_frame(&got, mac2, mac1);
        assert_int_equal(flow, i % 40000);
        assert_int_equal(be32(got.data + 50), 0);
        assert_int_equal(be32(got.data + 54), seq[flow]++);
        shortest = got.len < shortest ? got.len : shortest;
        longest = got.len > longest ? got.len : longest;
        sum += got.len;
    }
    assert_false(weir_wire_rx(wire, &got)); /* count */
    assert_true(weir_wire_deadline(wire) == UINT64_MAX);
    assert_int_equal(shortest, 60);
    assert_int_equal(longest, 1514);
    assert_in_range(sum / 100000, 777, 797); /* all sizes alike: the mean is 787 */
    assert_int_equal(wire_case_stats(wire).rx_bytes, sum);
    weir_wire_close(wire);
    free(seq);
}

static void the_seed_decides_the_sizes(void **state)
{
    struct weir_wire *a = wire_case_open(state, "gen:size=60-1514,seed=7");
    struct weir_wire *b = wire_case_open(state, "gen:size=60-1514,seed=7");
    struct weir_wire *c = wire_case_open(state, "gen:size=60-1514,seed=8");
    struct weir_frame fa, fb, fc;
    unsigned differ = 0;

    for (unsigned i = 0; i < 100; i++) {
        assert_true(weir_wire_rx(a, &fa) && weir_wire_rx(b, &fb) && weir_wire_rx(c, &fc));
        assert_int_equal(fa.len, fb.len);
        assert_memory_equal(fa.data, fb.data, fa.len);
        differ += fa.len != fc.len;
    }
    assert_true(differ > 50);
    weir_wire_close(a);
    weir_wire_close(b);
    weir_wire_close(c);
}

static void arguments_set_what_they_say(void **state)
{
    struct weir_wire *wire = wire_case_open(
        state, "gen:kind=udp4,size=15872,src=02:aa:BB:cc:00:01,dst=ff:ff:ff:ff:ff:ff,count=1");
    static const uint8_t src[6] = {2, 0xaa, 0xbb, 0xcc, 0, 1}, dst[6] = "\xff\xff\xff\xff\xff\xff";
    struct weir_frame got;

    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 15872);
    check_frame(&got, dst, src);
    assert_false(weir_wire_rx(wire, &got));
    weir_wire_close(wire);
}

static void bad_arguments_are_named(void **state)
{
    wire_case_refused(state, "gen:size=59", "wire-arg", "not a number from 60 to 15872");
    wire_case_refused(state, "gen:size=100-90", "wire-arg", "size=100-90");
    wire_case_refused(state, "gen:size=60-15873", "wire-arg", "size");
    wire_case_refused(state, "gen:size=", "wire-arg", "size");
    wire_case_refused(state, "gen:size", "wire-arg", "it needs a value");
    wire_case_refused(state, "gen:size=60x", "wire-arg", "60x");
    wire_case_refused(state, "gen:rate=-1", "wire-arg", "rate=-1");
    wire_case_refused(state, "gen:rate=1.5", "wire-arg", "rate=1.5");
    wire_case_refused(state, "gen:rate=1.0000001M", "wire-arg", "1.0000001M");
    wire_case_refused(state, "gen:rate=1..5M", "wire-arg", "1..5M");
    wire_case_refused(state, "gen:rate=.", "wire-arg", "rate=.");
    wire_case_refused(state, "gen:rate=2G", "wire-arg", "1000000000");
    wire_case_refused(state, "gen:count=99999999999999999999", "wire-arg", "count");
    wire_case_refused(state, "gen:count=18446744073709551615k", "wire-arg", "count");
    wire_case_refused(state, "gen:flows=0", "wire-arg", "from 1 to 1048576");
    wire_case_refused(state, "gen:src=02:00:00:00:00", "wire-arg", "six bytes");
    wire_case_refused(state, "gen:src=02:00:00:00:00:0g", "wire-arg", "six bytes");
    wire_case_refused(state, "gen:src=02-00-00-00-00-01", "wire-arg", "six bytes");
    wire_case_refused(state, "gen:kind=tcp", "wire-arg", "udp4");
    wire_case_refused(state, "gen:verify=1", "wire-arg", "it takes no value");
    wire_case_refused(state, "gen:verify,verify", "wire-arg", "given twice");
    wire_case_refused(state, "gen:speed=1", "wire-arg",
                      "arguments of gen: size=N|A-B, rate=N, count=N, flows=N, seed=N, src=MAC, "
                      "dst=MAC, kind=TEXT, verify");
    wire_case_refused(state, "gen:size=60,", "wire-arg", "argument ''");
}

/* Pulled at irregular times, often enough: never more than due, never less, for minutes. */
static void the_pace_is_exact(void **state)
{
    static const struct {
        const char *spec;
        uint64_t rate;
    } cases[] = {{"gen:rate=14.88M", 14880000}, {"gen:rate=999983", 999983}, {"gen:rate=3", 3}};
    struct weir_frame got;

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_wire *wire = wire_case_open(state, cases[i].spec);
        uint64_t rate = cases[i].rate, start = now, frames = 0, steps = 0;
        uint64_t span = 3000000 * S / rate, step = 64 * S / rate;
        uint32_t random = 5;
        assert_int_equal(weir_wire_deadline(wire), 0);
        while (now - start < span) {
            while (weir_wire_rx(wire, &got))
                frames++;
            /* The first at once; then one whenever 1 / rate has passed. */
            unsigned __int128 due = (unsigned __int128)(now - start) * rate / S + 1;
            if (frames != (uint64_t)due)
                fail_msg("%s: %llu of %llu frames after %llu ns", cases[i].spec,
                         (unsigned long long)frames, (unsigned long long)due,
                         (unsigned long long)(now - start));
            random = random * 1664525 + 1013904223;
            now += 1 + step * (random >> 16) / 65536;
            steps++;
        }
        assert_true(steps > 1000);
        assert_int_equal(wire_case_stats(wire).rx_dropped, 0);
        weir_wire_close(wire);
    }
}

static void the_deadline_is_when_the_next_frame_is_due(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "gen:rate=14.88M");
    struct weir_frame got;
    uint64_t start = now, at;

    for (unsigned i = 0; i < 10000; i++) {
        assert_true(weir_wire_rx(wire, &got));
        assert_false(weir_wire_rx(wire, &got));
        at = weir_wire_deadline(wire);
        assert_int_equal(at, start + ((i + 1) * S + 14879999) / 14880000);
        now = at - 1;
        assert_false(weir_wire_rx(wire, &got));
        now = at;
    }
    weir_wire_close(wire);
}

static void frames_that_nobody_pulls_are_lost(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "gen:rate=1M,count=20k,verify");
    struct weir_model_stats s;
    struct weir_frame got;
    unsigned frames = 0;

    now += S; /* nobody pulls before it starts: nothing is lost */
    assert_true(weir_wire_rx(wire, &got));
    now += 10000000; /* 10 ms: 10000 frames, and the queue holds 4096 */
    while (weir_wire_rx(wire, &got))
        frames++;
    assert_int_equal(frames, 4096);
    s = wire_case_stats(wire);
    assert_int_equal(s.rx_frames, 4097);
    assert_int_equal(s.rx_dropped, 10000 - 4096);
    /* Lost frames have no number, and are part of the count. */
    assert_int_equal(be32(got.data + 54), 4096);
    for (unsigned i = 0; i < 5; i++, now += 4000000)
        while (weir_wire_rx(wire, &got))
            frames++;
    s = wire_case_stats(wire);
    assert_int_equal(s.rx_frames + s.rx_dropped, 20000);
    assert_int_equal(s.rx_dropped, 10000 - 4096);
    assert_true(weir_wire_deadline(wire) == UINT64_MAX);
    weir_wire_close(wire);
}

static void a_count_of_zero_only_takes_frames(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "gen:count=0,rate=1M");
    uint8_t bytes[60] = {0};
    struct iovec piece = {bytes, sizeof bytes};
    struct weir_frame got;

    now += S;
    assert_false(weir_wire_rx(wire, &got));
    assert_true(weir_wire_deadline(wire) == UINT64_MAX);
    assert_true(weir_wire_tx(wire, &piece, 1, sizeof bytes));
    assert_int_equal(wire_case_stats(wire).tx_frames, 1);
    assert_int_equal(wire_case_stats(wire).rx_dropped, 0);
    weir_wire_close(wire);
}

static void a_pulled_generator_loses_its_time_not_its_frames(void **state)
{
    struct weir_wire *paced = wire_case_open(state, "gen:rate=1k");
    struct weir_wire *fast = wire_case_open(state, "gen:count=10");
    struct weir_frame got;
    unsigned frames = 0;

    assert_true(weir_wire_rx(paced, &got));
    assert_true(weir_wire_rx(fast, &got));
    weir_wire_set_link(paced, false);
    weir_wire_set_link(fast, false);
    assert_true(weir_wire_deadline(fast) == UINT64_MAX);
    assert_false(weir_wire_rx(fast, &got));
    now += S / 10;
    assert_false(weir_wire_rx(paced, &got));
    now += S / 10;
    weir_wire_set_link(paced, true);
    weir_wire_set_link(fast, true);
    assert_false(weir_wire_rx(paced, &got));
    assert_int_equal(wire_case_stats(paced).rx_dropped, 200);
    now += S / 1000;
    assert_true(weir_wire_rx(paced, &got));
    while (weir_wire_rx(fast, &got))
        frames++;
    assert_int_equal(frames, 9);
    assert_int_equal(wire_case_stats(fast).rx_dropped, 0);
    weir_wire_close(paced);
    weir_wire_close(fast);

    /* Before it is plugged in for the first time there is no time to lose. */
    paced = wire_case_open(state, "gen:rate=1k");
    weir_wire_set_link(paced, false);
    assert_false(weir_wire_rx(paced, &got));
    now += S;
    assert_false(weir_wire_rx(paced, &got));
    weir_wire_set_link(paced, true);
    assert_true(weir_wire_rx(paced, &got));
    assert_false(weir_wire_rx(paced, &got));
    assert_int_equal(wire_case_stats(paced).rx_dropped, 0);
    weir_wire_close(paced);
}

static void what_comes_back_is_judged(void **state)
{
    struct wire_case *c = *state;
    struct weir_wire *a = wire_case_open(state, "gen:size=60-1514,flows=3,seed=1");
    struct weir_wire *b = wire_case_open(state, "gen:flows=3,verify");
    static uint8_t f[40][1514];
    struct weir_model_stats s;
    struct weir_frame got;
    uint32_t len[40];

    for (unsigned i = 0; i < 40; i++) {
        assert_true(weir_wire_rx(a, &got));
        memcpy(f[i], got.data, got.len);
        len[i] = got.len;
        memset(f[i], 0x11, 12); /* a forwarder's addresses */
    }
    for (unsigned i = 0; i < 9; i++) {
        struct iovec iov[3] = {{f[i], 13}, {f[i] + 13, 30}, {f[i] + 43, len[i] - 43}};
        if (i & 1)
            assert_true(weir_wire_tx(b, iov, 3, len[i]));
        else
            assert_true(wire_case_send(b, f[i], len[i]));
    }
    s = wire_case_stats(b);
    assert_int_equal(s.gen_good, 9);
    weir_wire_close(b);

    b = wire_case_open(state, "gen:flows=3,verify");
    for (unsigned i = 0; i < 9; i++)
        assert_true(wire_case_send(b, f[i], len[i]));
    assert_true(wire_case_send(b, f[15], len[15])); /* flow 0: numbers 3 and 4 are missing */
    assert_true(wire_case_send(b, f[12], len[12])); /* late */
    assert_true(wire_case_send(b, f[8], len[8]));   /* twice */
    s = wire_case_stats(b);
    assert_int_equal(s.gen_good, 10);
    assert_int_equal(s.gen_missing, 2);
    assert_int_equal(s.gen_late, 2);
    assert_int_equal(s.gen_bad, 0);
    /* One bit anywhere but in the addresses. */
    for (uint32_t i = 12; i < len[9]; i++) {
        f[9][i] ^= 0x10;
        assert_true(wire_case_send(b, f[9], len[9]));
        f[9][i] ^= 0x10;
    }
    assert_true(wire_case_send(b, f[9], len[9] - 1));
    memset(f[20], 0, 60);
    assert_true(wire_case_send(b, f[20], 60));
    s = wire_case_stats(b);
    assert_int_equal(s.gen_bad, len[9] - 12 + 2);
    assert_int_equal(s.gen_good, 10);
    assert_int_equal(s.tx_dropped, 0);
    weir_wire_close(b);
    assert_non_null(strstr(c->log, "10 good, 2 missing, 2 late"));
    /* More flows than this one knows. */
    b = wire_case_open(state, "gen:flows=2,verify");
    assert_true(wire_case_send(b, f[1], len[1]));
    assert_true(wire_case_send(b, f[2], len[2]));
    assert_int_equal(wire_case_stats(b).gen_bad, 1);
    weir_wire_close(b);
    /* Without the option nothing is judged. */
    assert_true(wire_case_send(a, f[20], 60));
    assert_int_equal(wire_case_stats(a).gen_bad, 0);
    assert_int_equal(wire_case_stats(a).tx_frames, 1);
    weir_wire_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WIRE_CASE(frames_are_valid_and_numbered),
        WIRE_CASE(the_seed_decides_the_sizes),
        WIRE_CASE(arguments_set_what_they_say),
        WIRE_CASE(bad_arguments_are_named),
        WIRE_CASE(the_pace_is_exact),
        WIRE_CASE(the_deadline_is_when_the_next_frame_is_due),
        WIRE_CASE(frames_that_nobody_pulls_are_lost),
        WIRE_CASE(a_pulled_generator_loses_its_time_not_its_frames),
        WIRE_CASE(a_count_of_zero_only_takes_frames),
        WIRE_CASE(what_comes_back_is_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
