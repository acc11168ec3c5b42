/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet wires on real interfaces. The kernel is the judge of segmentation: what it cuts
 * itself when an interface has no offloads must be, byte for byte, what the wire cuts when it has.
 */
#include "super_case.h"
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

static bool have_tun;

/* A pair of interfaces v0 and v1 of a test's own. */
static int make_pair(void **state)
{
    if (wire_case_setup(state))
        return -1;
    return shell_status("ip link add v0 mtu 9000 type veth peer name v1 mtu 9000 && "
                        "ip link set v0 up && ip link set v1 up");
}

static int remove_pair(void **state)
{
    wire_case_teardown(state);
    shell_status("ip link del v0 2>/dev/null");
    return 0;
}

static void frames_cross_both_ways(void **state)
{
    struct weir_wire *a = open_up(state, "packet:v0"), *b = open_up(state, "packet:v1");
    struct counters before = counters_of("v1"), after;
    static uint8_t f[64][9014];
    struct weir_model_stats sa, sb;
    struct weir_frame got;

    for (uint32_t i = 0; i < 64; i++) {
        uint32_t len = i == 63 ? 9014 : 42 + i * 24;
        struct iovec iov[2] = {{f[i], 33}, {f[i] + 33, len - 33}};
        number_frame(f[i], len, i);
        memset(f[i] + len, 0, sizeof f[i] - len);
        assert_true(weir_wire_tx(a, iov, 2, len));
    }
    weir_wire_flush(a);
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t len = i == 63 ? 9014 : 42 + i * 24;
        expect(b, f[i], len < 60 ? 60 : len);
        assert_true(wire_case_send(b, f[i], len));
    }
    weir_wire_flush(b);
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t len = i == 63 ? 9014 : 42 + i * 24;
        expect(a, f[i], len < 60 ? 60 : len);
    }
    /* Nothing else: neither end hears itself. */
    assert_false(weir_wire_rx(a, &got));
    assert_false(weir_wire_rx(b, &got));
    after = counters_of("v1");
    sa = wire_case_stats(a);
    sb = wire_case_stats(b);
    assert_int_equal(sb.rx_frames, 64);
    assert_int_equal(after.rx_packets - before.rx_packets, sb.rx_frames);
    assert_int_equal(after.rx_bytes - before.rx_bytes, sb.rx_bytes);
    assert_int_equal(after.tx_packets - before.tx_packets, sb.tx_frames);
    assert_int_equal(after.tx_bytes - before.tx_bytes, sb.tx_bytes);
    assert_int_equal(sa.rx_bytes, sa.tx_bytes);
    assert_int_equal(sa.tx_dropped + sa.rx_dropped + sb.tx_dropped + sb.rx_dropped, 0);
    weir_wire_close(a);
    weir_wire_close(b);
}

static void tags_arrive_as_they_were_sent(void **state)
{
    static const char *const tags[] = {"\x81\x00\x00\x05\x88\xb5", "\x81\x00\xe0\x00\x88\xb5",
                                       "\x88\xa8\x00\x07\x88\xb5",
                                       "\x88\xa8\x00\x07\x81\x00\x00\x05\x88\xb5"};
    struct weir_wire *a = open_up(state, "packet:v0"), *b = open_up(state, "packet:v1");
    uint8_t f[1522];

    for (unsigned i = 0; i < 4; i++) {
        for (uint32_t len = 60; len <= 1522; len += 731) {
            number_frame(f, len, len);
            memcpy(f + 12, tags[i], i == 3 ? 10 : 6);
            assert_true(wire_case_send(a, f, len));
            weir_wire_flush(a);
            expect(b, f, len);
        }
    }
    weir_wire_close(a);
    weir_wire_close(b);
}

/* Switch what an interface does itself on or off. */
static void set_offloads(const char *name, bool on)
{
    static const uint32_t commands[] = {ETHTOOL_STXCSUM, ETHTOOL_SSG, ETHTOOL_STSO, ETHTOOL_SGSO};
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    for (unsigned i = 0; i < 4; i++) {
        struct ethtool_value v = {.cmd = commands[on ? i : 3 - i], .data = on};
        struct ifreq r = {.ifr_data = (char *)&v};
        snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
        if (ioctl(s, SIOCETHTOOL, &r))
            fail_msg("SIOCETHTOOL %#x on %s: %s", v.cmd, name, strerror(errno));
    }
    close(s);
}

/* The kernel's segmentation against the wire's. */
static void super_frames_are_cut_as_the_kernel_cuts_them(void **state)
{
    struct weir_wire *wire = open_up(state, "packet:v1");
    static struct list whole, cut;
    struct counters before, after;
    struct weir_model_stats s, zero;
    unsigned udp, udp_cut;
    int raw = raw_socket("v0");

    set_offloads("v0", false);
    udp_cut = pass_supers(raw, wire, &cut);
    zero = wire_case_stats(wire);
    assert_int_equal(zero.rx_super, 0); /* the kernel did the work */

    set_offloads("v0", true);
    before = counters_of("v1");
    udp = pass_supers(raw, wire, &whole);
    after = counters_of("v1");
    s = wire_case_stats(wire);
    assert_true(s.rx_super > 100);
    assert_int_equal(udp, udp_cut);
    if (!udp)
        print_message("note: this kernel takes no UDP super-frames from packet sockets\n");
    same_lists(&whole, &cut);
    assert_true(whole.n > 1000);
    /* To the interface's counters a super-frame is one packet, and a tag is not in it. */
    assert_int_equal(s.rx_frames - zero.rx_frames - s.rx_super_frames + s.rx_super,
                     after.rx_packets - before.rx_packets);
    assert_int_equal(s.rx_bytes - zero.rx_bytes - s.rx_pad_bytes + zero.rx_pad_bytes -
                         s.rx_super_bytes,
                     after.rx_bytes - before.rx_bytes);
    list_free(&whole);
    list_free(&cut);
    close(raw);
    weir_wire_close(wire);
}

/* What is joined on the way out is cut again: by the kernel, or by the wire at the other end. */
static void joined_segments_come_out_as_they_went_in(void **state)
{
    struct weir_wire *b = open_up(state, "packet:v1"), *a = open_up(state, "packet:v0,gro");
    static struct list sent, got;
    static uint8_t f[600][1600];

    for (unsigned on = 0; on < 2; on++) {
        struct counters before, after;
        struct weir_model_stats s0 = wire_case_stats(a), s;
        set_offloads("v0", on);
        before = counters_of("v0");
        for (unsigned v6 = 0; v6 < 2; v6++) {
            struct l4_case c = super_plain;
            c.v6 = v6;
            c.flags = 0x10;
            for (unsigned i = 0; i < 300; i++) {
                uint32_t n = i % 70 == 69 ? 77 : i % 150 == 0 ? 60 : 1448, len;
                uint8_t *p = f[v6 * 300 + i];
                for (uint32_t j = 0; j < n; j++)
                    p[case_payload_at(&c) + j] = (uint8_t)(c.seq + j * 3);
                c.flags = i % 25 == 24 ? 0x18 : 0x10;
                len = case_frame(&c, p, n);
                c.seq += n;
                c.id++;
                list_add(&sent, p, len);
                assert_true(wire_case_send(a, p, len));
            }
        }
        weir_wire_flush(a);
        after = counters_of("v0");
        receive_list(b, &got, 600);
        same_lists(&got, &sent);
        s = wire_case_stats(a);
        s.tx_frames -= s0.tx_frames;
        s.tx_bytes -= s0.tx_bytes;
        s.tx_super -= s0.tx_super;
        s.tx_super_frames -= s0.tx_super_frames;
        s.tx_super_bytes -= s0.tx_super_bytes;
        assert_int_equal(s.tx_frames, 600);
        assert_int_equal(s.tx_dropped, 0);
        assert_true(s.tx_super >= 24 && s.tx_super <= 60);
        assert_true(s.tx_super_frames > 550);
        if (on) {
            assert_int_equal(s.tx_frames - s.tx_super_frames + s.tx_super,
                             after.tx_packets - before.tx_packets);
            assert_int_equal(s.tx_bytes - s.tx_super_bytes, after.tx_bytes - before.tx_bytes);
            assert_int_equal(wire_case_stats(b).rx_super, s.tx_super);
            assert_int_equal(wire_case_stats(b).rx_super_bytes, s.tx_super_bytes);
        } else {
            assert_int_equal(wire_case_stats(b).rx_super, 0);
        }
        list_free(&sent);
        list_free(&got);
    }
    weir_wire_close(a);
    weir_wire_close(b);
}

static void the_stack_leaves_checksums_to_the_wire(void **state)
{
    struct weir_wire *wire = open_up(state, "packet:v1");

    datagrams_of_the_stack_are_completed(wire, "v0");
    assert_int_equal(wire_case_stats(wire).rx_super, 1);
    weir_wire_close(wire);
}

static void the_link_follows_the_interface(void **state)
{
    struct weir_wire *wire = open_up(state, "packet:v1");
    uint8_t f[60];

    number_frame(f, 60, 1);
    shell("ip link set v1 down");
    wait_link(wire, false);
    for (unsigned i = 0; i < 100; i++)
        assert_true(wire_case_send(wire, f, 60));
    weir_wire_flush(wire);
    assert_int_equal(wire_case_stats(wire).tx_dropped, 100);
    shell("ip link set v1 up");
    wait_link(wire, true);
    shell("ip link set v0 down"); /* the other end */
    wait_link(wire, false);
    shell("ip link set v0 up");
    wait_link(wire, true);
    assert_true(wire_case_send(wire, f, 60));
    weir_wire_flush(wire);
    assert_int_equal(wire_case_stats(wire).tx_dropped, 100);
    weir_wire_close(wire);
}

/* Deleted and made anew under the same name, as virtual machines and containers do. */
static void an_interface_may_go_and_come_back(void **state)
{
    struct wire_case *c = *state;
    struct weir_wire *a, *b = open_up(state, "packet:v1");
    struct pollfd p = {.fd = weir_wire_fd(b), .events = POLLIN};
    struct weir_frame got;
    uint8_t f[60];

    number_frame(f, 60, 1);
    for (unsigned round = 0; round < 3; round++) {
        shell("ip link del v0");
        wait_link(b, false);
        assert_false(weir_wire_rx(b, &got));
        assert_true(wire_case_send(b, f, 60));
        weir_wire_flush(b);
        assert_int_equal(wire_case_stats(b).tx_dropped, round + 1);
        assert_int_equal(poll(&p, 1, 0), 0); /* it can sleep meanwhile */
        shell("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up");
        wait_link(b, true);
        a = open_up(state, "packet:v0");
        assert_true(wire_case_send(a, f, 60));
        weir_wire_flush(a);
        expect(b, f, 60);
        assert_true(wire_case_send(b, f, 60));
        weir_wire_flush(b);
        expect(a, f, 60);
        weir_wire_close(a);
    }
    assert_non_null(strstr(c->log, "interface v1 is gone"));
    assert_non_null(strstr(c->log, "interface v1 is back"));
    weir_wire_close(b);
}

static void a_pulled_packet_wire_discards_what_comes(void **state)
{
    struct weir_wire *a = open_up(state, "packet:v0"), *b = open_up(state, "packet:v1");
    uint8_t f[60];

    weir_wire_set_link(b, false);
    number_frame(f, 60, 1);
    for (unsigned i = 0; i < 10; i++)
        assert_true(wire_case_send(a, f, 60));
    weir_wire_flush(a);
    weir_wire_set_link(b, true);
    number_frame(f, 60, 2);
    assert_true(wire_case_send(a, f, 60));
    weir_wire_flush(a);
    expect(b, f, 60);
    assert_int_equal(wire_case_stats(b).rx_dropped, 10);

    /* So does one whose receiver was off. */
    for (unsigned i = 0; i < 10; i++)
        assert_true(wire_case_send(a, f, 60));
    weir_wire_flush(a);
    weir_wire_discard(b);
    number_frame(f, 60, 3);
    assert_true(wire_case_send(a, f, 60));
    weir_wire_flush(a);
    expect(b, f, 60);
    assert_int_equal(wire_case_stats(b).rx_dropped, 20);
    weir_wire_close(a);
    weir_wire_close(b);
}

static void a_frame_longer_than_the_mtu_is_told(void **state)
{
    struct wire_case *c = *state;
    struct weir_wire *wire = open_up(state, "packet:v1");
    static uint8_t f[9100];

    number_frame(f, 9100, 1);
    assert_true(wire_case_send(wire, f, 9100));
    assert_true(wire_case_send(wire, f, 9014));
    weir_wire_flush(wire);
    assert_int_equal(wire_case_stats(wire).tx_dropped, 1);
    assert_non_null(strstr(c->log, "a frame of 9100 bytes is longer than its MTU of 9000 allows"));
    weir_wire_close(wire);
}

/* A socket that nobody reads overflows: the kernel's count of what was lost is exact. */
static void what_the_kernel_drops_is_counted(void **state)
{
    struct weir_wire *a = open_up(state, "packet:v0"), *b = open_up(state, "packet:v1");
    static uint8_t f[9014];
    struct weir_model_stats sa, sb;
    struct weir_frame got;

    number_frame(f, sizeof f, 1);
    for (unsigned i = 0; i < 20000; i++) {
        while (!wire_case_send(a, f, sizeof f))
            weir_wire_flush(a);
        if (i % 32 == 31)
            weir_wire_flush(a);
    }
    weir_wire_flush(a);
    while (weir_wire_rx(b, &got))
        ;
    sa = wire_case_stats(a);
    sb = wire_case_stats(b);
    assert_true(sb.rx_dropped > 0);
    assert_int_equal(sb.rx_frames + sb.rx_dropped, sa.tx_frames - sa.tx_dropped);
    weir_wire_close(a);
    weir_wire_close(b);
}

static void what_cannot_be_opened_is_explained(void **state)
{
    wire_case_refused(state, "packet:nothing0", "wire-no-interface", "ip link");
    if (have_tun) {
        wire_case_refused(state, "tap:v0", "tap-kind", "ip -d link show v0");
        shell("ip tuntap add tun9 mode tun && ip link set tun9 up");
        wire_case_refused(state, "packet:tun9", "packet-not-ethernet", "no Ethernet header");
        wire_case_refused(state, "tap:tun9", "tap-kind", "ip -d link show tun9");
        shell("ip link del tun9");
    }
}

/* An unprivileged user, in a process of its own. */
static void rights_that_miss_are_named(void **state)
{
    int status;
    pid_t child = fork();

    if (!child) {
        struct weir_error e = {0};
        struct wire_case *c = *state;
        if (setgid(65534) || setuid(65534))
            _exit(1);
        if (weir_wire_open(c->w, "packet:v0", &e) || strcmp(e.code, "packet-permission") ||
            !strstr(e.fix, "setcap"))
            _exit(2);
        if (have_tun && (weir_wire_open(c->w, "tap:tp0", &e) || strcmp(e.code, "tap-permission") ||
                         !strstr(e.fix, "sudo ip tuntap add tp0 mode tap user $USER")))
            _exit(3);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
#define PAIR(f) cmocka_unit_test_setup_teardown(f, make_pair, remove_pair)
    const struct CMUnitTest tests[] = {
        PAIR(frames_cross_both_ways),
        PAIR(tags_arrive_as_they_were_sent),
        PAIR(super_frames_are_cut_as_the_kernel_cuts_them),
        PAIR(joined_segments_come_out_as_they_went_in),
        PAIR(the_stack_leaves_checksums_to_the_wire),
        PAIR(the_link_follows_the_interface),
        PAIR(an_interface_may_go_and_come_back),
        PAIR(a_pulled_packet_wire_discards_what_comes),
        PAIR(a_frame_longer_than_the_mtu_is_told),
        PAIR(what_the_kernel_drops_is_counted),
        PAIR(what_cannot_be_opened_is_explained),
        PAIR(rights_that_miss_are_named),
    };
    const char *why = cannot_make_interfaces();

    if (why) {
        printf("SKIPPED: wire_kernel: %s\n", why);
        return 77;
    }
    have_tun = access("/dev/net/tun", F_OK) == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
