/* SPDX-License-Identifier: BSD-3-Clause */
/* TAP wires on real interfaces. */
#include "super_case.h"
#include <sys/ioctl.h>
#include <sys/wait.h>

static int teardown(void **state)
{
    wire_case_teardown(state);
    shell_status("for i in tp0 tp1; do ip link del $i 2>/dev/null; done");
    return 0;
}

static void a_tap_is_made_and_goes_with_the_wire(void **state)
{
    struct weir_wire *a, *b;
    struct counters c;
    static uint8_t f[1514];
    struct weir_model_stats s;

    a = open_up(state, "tap:tp0");
    b = open_up(state, "packet:tp0"); /* the kernel's side of it */
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t len = 42 + i * 14;
        number_frame(f, len, i);
        memset(f + len, 0, sizeof f - len);
        assert_true(wire_case_send(a, f, len));
        weir_wire_flush(a);
        expect(b, f, len < 60 ? 60 : len);
        assert_true(wire_case_send(b, f, len));
        weir_wire_flush(b);
        expect(a, f, len < 60 ? 60 : len);
    }
    c = counters_of("tp0");
    s = wire_case_stats(a);
    assert_int_equal(s.tx_frames, c.rx_packets);
    assert_int_equal(s.tx_bytes, c.rx_bytes);
    assert_int_equal(s.rx_frames, c.tx_packets);
    assert_int_equal(s.rx_bytes, c.tx_bytes);
    wire_case_refused(state, "tap:tp0", "tap-busy", "another process or another wire holds it");
    weir_wire_close(b);
    weir_wire_close(a);
    assert_int_equal(if_nametoindex("tp0"), 0);
}

static void a_tap_that_is_there_is_used_as_it_is(void **state)
{
    struct weir_wire *wire;
    uint8_t f[60];

    shell("ip tuntap add tp0 mode tap");
    wire = wire_case_open(state, "tap:tp0");
    assert_false(weir_wire_link(wire)); /* nobody brought it up */
    number_frame(f, 60, 1);
    assert_true(wire_case_send(wire, f, 60));
    weir_wire_flush(wire);
    assert_int_equal(wire_case_stats(wire).tx_dropped, 1);
    shell("ip link set tp0 up");
    wait_link(wire, true);
    shell("ip link set tp0 down");
    wait_link(wire, false);
    weir_wire_close(wire);
    assert_int_not_equal(if_nametoindex("tp0"), 0);
}

static bool running(const char *name)
{
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq r = {0};

    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    assert_int_equal(ioctl(s, SIOCGIFFLAGS, &r), 0);
    close(s);
    return r.ifr_flags & IFF_RUNNING;
}

static void wait_running(const char *name, bool want)
{
    uint64_t end = now_ms() + PATIENCE_MS;

    while (running(name) != want) {
        if (now_ms() > end)
            fail_msg("the carrier of %s is still %s", name, want ? "off" : "on");
        sched_yield();
    }
}

static void the_kernel_sees_a_pulled_tap(void **state)
{
    struct weir_wire *wire;

    wire = open_up(state, "tap:tp0");
    wait_running("tp0", true);
    weir_wire_set_link(wire, false);
    wait_running("tp0", false);
    assert_false(weir_wire_link(wire));
    weir_wire_set_link(wire, true);
    wait_running("tp0", true);
    assert_true(weir_wire_link(wire));
    weir_wire_close(wire);
}

static void a_deleted_tap_is_told_and_lets_sleep(void **state)
{
    struct wire_case *c = *state;
    struct weir_wire *wire;
    struct weir_frame got;
    uint8_t f[60];

    wire = open_up(state, "tap:tp0");
    struct pollfd p = {.fd = weir_wire_fd(wire), .events = POLLIN};
    shell("ip link del tp0");
    wait_link(wire, false);
    assert_false(weir_wire_rx(wire, &got));
    assert_int_equal(poll(&p, 1, 0), 0);
    number_frame(f, 60, 1);
    assert_true(wire_case_send(wire, f, 60));
    weir_wire_flush(wire);
    assert_int_equal(wire_case_stats(wire).tx_dropped, 1);
    assert_non_null(strstr(c->log, "TAP interface tp0 was deleted"));
    weir_wire_close(wire);
}

static void super_frames_through_a_tap(void **state)
{
    struct weir_wire *tap, *packet;
    static struct list through_tap, through_packet;
    int raw;

    shell("ip link add tp1 mtu 9000 type veth peer name tp2 && ip link set tp1 up && ip link set "
          "tp2 up");
    tap = open_up(state, "tap:tp0");
    packet = open_up(state, "packet:tp2");
    raw = raw_socket("tp1");
    pass_supers(raw, packet, &through_packet);
    close(raw);
    raw = raw_socket("tp0");
    pass_supers(raw, tap, &through_tap);
    close(raw);
    same_lists(&through_tap, &through_packet);
    assert_true(wire_case_stats(tap).rx_super > 50);
    assert_int_equal(wire_case_stats(tap).rx_dropped, 0);
    weir_wire_close(tap);
    weir_wire_close(packet);
    list_free(&through_tap);
    list_free(&through_packet);
}

static void the_stack_leaves_checksums_to_a_tap(void **state)
{
    struct weir_wire *wire;

    wire = open_up(state, "tap:tp0");
    datagrams_of_the_stack_are_completed(wire, "tp0");
    weir_wire_close(wire);
}

static void a_tap_that_nobody_reads_overflows_and_is_counted(void **state)
{
    struct weir_wire *tap, *packet;
    struct weir_model_stats s;
    struct weir_frame got;
    uint8_t f[60];

    tap = open_up(state, "tap:tp0");
    packet = open_up(state, "packet:tp0");
    number_frame(f, 60, 1);
    for (unsigned i = 0; i < 5000; i++) {
        assert_true(wire_case_send(packet, f, 60));
        weir_wire_flush(packet);
    }
    while (weir_wire_rx(tap, &got))
        ;
    s = wire_case_stats(tap);
    assert_true(s.rx_dropped > 0);
    assert_int_equal(s.rx_frames + s.rx_dropped, 5000);
    weir_wire_close(packet);
    weir_wire_close(tap);
}

static void a_tap_forgets_what_came_while_nobody_listened(void **state)
{
    struct weir_wire *tap = open_up(state, "tap:tp0"), *packet = open_up(state, "packet:tp0");
    struct weir_frame got;
    uint8_t f[60];

    for (unsigned i = 0; i < 20; i++) {
        number_frame(f, 60, i);
        assert_true(wire_case_send(packet, f, 60));
        weir_wire_flush(packet);
        if (i == 9)
            weir_wire_discard(tap);
    }
    for (unsigned i = 10; i < 20; i++) {
        number_frame(f, 60, i);
        expect(tap, f, 60);
    }
    assert_false(weir_wire_rx(tap, &got));
    weir_wire_close(packet);
    weir_wire_close(tap);
}

int main(void)
{
#define TAP(f) cmocka_unit_test_setup_teardown(f, wire_case_setup, teardown)
    const struct CMUnitTest tests[] = {
        TAP(a_tap_is_made_and_goes_with_the_wire),
        TAP(a_tap_that_is_there_is_used_as_it_is),
        TAP(the_kernel_sees_a_pulled_tap),
        TAP(a_deleted_tap_is_told_and_lets_sleep),
        TAP(super_frames_through_a_tap),
        TAP(the_stack_leaves_checksums_to_a_tap),
        TAP(a_tap_that_nobody_reads_overflows_and_is_counted),
        TAP(a_tap_forgets_what_came_while_nobody_listened),
    };
    const char *why = cannot_make_interfaces();

    if (!why && access("/dev/net/tun", F_OK))
        why = "no /dev/net/tun: sudo modprobe tun (in a container: --device /dev/net/tun)";
    if (why) {
        printf("SKIPPED: wire_kernel_tap: %s\n", why);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
