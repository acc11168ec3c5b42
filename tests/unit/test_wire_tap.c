/* SPDX-License-Identifier: BSD-3-Clause */
/* The TAP wire against a tun driver that the test plays; it calls itself "lo", so that there is an
 * interface of that name to follow. The real one is in tests/process/test_wire_kernel.c. */
#include "wire_case.h"
#include "tcp_case.h"
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

int __real_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
unsigned __wrap_if_nametoindex(const char *name);
ssize_t __wrap_readv(int fd, const struct iovec *iov, int n);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n);

static struct {
    int fd;
    int open_error, fail_error;
    unsigned long fail; /* the ioctl that fails */
    bool exists, old_kernel;
    unsigned offload;
    int carrier;
    unsigned flag_calls;
    short flags_set;
    struct {
        struct virtio_net_hdr vh;
        uint8_t data[2000];
        int len; /* negative: an error */
    } in[8];
    unsigned ins, next;
    int write_error; /* of the next */
    uint8_t out[8][600];
    size_t out_len[8];
    unsigned outs;
} k;

int __wrap_open(const char *path, int flags, ...)
{
    if (strcmp(path, "/dev/net/tun"))
        return __real_open(path, flags, 0);
    assert_int_equal(flags, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    errno = k.open_error;
    k.fd = k.open_error ? -1 : eventfd(0, EFD_CLOEXEC);
    return k.fd;
}

/* The name that open() has where off_t was made 64 bits wide. */
int __wrap_open64(const char *path, int flags, ...)
{
    return __wrap_open(path, flags);
}

unsigned __wrap_if_nametoindex(const char *name)
{
    (void)name;
    return k.exists;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    unsigned long value;
    struct ifreq *r;

    va_start(ap, request);
    value = va_arg(ap, unsigned long);
    va_end(ap);
    r = (struct ifreq *)value;
    if (k.fail == request) {
        errno = k.fail_error;
        return -1;
    }
    switch (request) {
    case TUNSETIFF:
        assert_int_equal(fd, k.fd);
        assert_string_equal(r->ifr_name, "lo");
        assert_int_equal(r->ifr_flags, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
        return 0;
    case TUNSETVNETHDRSZ:
        assert_int_equal(*(int *)value, 10);
        return 0;
    case TUNSETOFFLOAD:
        if (k.old_kernel && value & 0x60) {
            errno = EINVAL;
            return -1;
        }
        k.offload = (unsigned)value;
        return 0;
    case TUNSETCARRIER:
        k.carrier = *(int *)value;
        return 0;
    case SIOCGIFFLAGS:
        r->ifr_flags = IFF_BROADCAST;
        return 0;
    case SIOCSIFFLAGS:
        k.flag_calls++;
        k.flags_set = r->ifr_flags;
        return 0;
    }
    fail_msg("ioctl %#lx", request);
    return -1;
}

ssize_t __wrap_readv(int fd, const struct iovec *iov, int n)
{
    assert_int_equal(fd, k.fd);
    assert_int_equal(n, 2);
    assert_int_equal(iov[0].iov_len, 10);
    assert_true(iov[1].iov_len >= 65535 + 18);
    if (k.next == k.ins) {
        errno = EAGAIN;
        return -1;
    }
    int len = k.in[k.next].len;
    if (len < 0) {
        errno = -len;
        k.next++;
        return -1;
    }
    memcpy(iov[0].iov_base, &k.in[k.next].vh, 10);
    memcpy(iov[1].iov_base, k.in[k.next].data, (size_t)len);
    k.next++;
    return len + 10;
}

ssize_t __wrap_writev(int fd, const struct iovec *iov, int n)
{
    size_t len = 0;

    assert_int_equal(fd, k.fd);
    if (k.write_error) {
        errno = k.write_error;
        k.write_error = 0;
        return -1;
    }
    for (int i = 0; i < n; i++) {
        assert_true(len + iov[i].iov_len <= sizeof k.out[0]);
        memcpy(k.out[k.outs] + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    k.out_len[k.outs++] = len;
    return (ssize_t)len;
}

static int setup(void **state)
{
    memset(&k, 0, sizeof k);
    k.carrier = -1;
    return wire_case_setup(state);
}

static void an_interface_that_was_made_is_brought_up(void **state)
{
    weir_wire_close(wire_case_open(state, "tap:lo"));
    assert_int_equal(k.flag_calls, 1);
    assert_int_equal(k.flags_set, IFF_BROADCAST | IFF_UP);
    assert_int_equal(k.offload, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | 0x60);
    k.exists = true; /* somebody else's is left as it is */
    weir_wire_close(wire_case_open(state, "tap:lo"));
    assert_int_equal(k.flag_calls, 1);
}

static void old_kernels_keep_udp_segmentation(void **state)
{
    k.old_kernel = true;
    weir_wire_close(wire_case_open(state, "tap:lo"));
    assert_int_equal(k.offload, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN);
}

static void each_refusal_is_explained(void **state)
{
    wire_case_refused(state, "tap:", "wire-arg", "arguments of tap: NAME, gro");
    wire_case_refused(state, "tap:sixteen-letters-", "wire-arg", "longer than 15");
    k.open_error = EACCES;
    wire_case_refused(state, "tap:lo", "tap-permission",
                      "sudo ip tuntap add lo mode tap user $USER");
    k.open_error = ENOENT;
    wire_case_refused(state, "tap:lo", "tap-no-driver", "sudo modprobe tun");
    k.open_error = ENODEV;
    wire_case_refused(state, "tap:lo", "tap-no-driver", "sudo modprobe tun");
    k.open_error = EMFILE;
    wire_case_refused(state, "tap:lo", "tap-open", "Too many open files");
    k.open_error = 0;
    k.fail = TUNSETIFF;
    k.fail_error = EPERM;
    wire_case_refused(state, "tap:lo", "tap-permission", "CAP_NET_ADMIN");
    k.fail_error = EBUSY;
    wire_case_refused(state, "tap:lo", "tap-busy", "/fdinfo/");
    k.fail_error = EINVAL;
    wire_case_refused(state, "tap:lo", "tap-kind", "ip -d link show lo");
    k.fail = TUNSETVNETHDRSZ;
    wire_case_refused(state, "tap:lo", "tap-kind", "TUNSETVNETHDRSZ");
    k.fail = TUNSETOFFLOAD;
    wire_case_refused(state, "tap:lo", "tap-kind", "TUNSETOFFLOAD");
    k.fail = SIOCSIFFLAGS;
    k.fail_error = EPERM;
    wire_case_refused(state, "tap:lo", "tap-permission", "SIOCSIFFLAGS");
    k.fail = SIOCGIFFLAGS;
    wire_case_refused(state, "tap:lo", "tap-permission", "SIOCSIFFLAGS");
}

static void frames_are_read_and_super_frames_cut(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "tap:lo");
    struct l4_case c = {.flags = 0x10, .ttl = 64, .port = 1};
    struct weir_model_stats s;
    struct weir_frame got;

    wire_case_frame(k.in[0].data, 42, 1);
    k.in[0].len = 42;
    k.in[1].len = -EINTR;
    k.in[2].len = (int)case_frame(&c, k.in[2].data, 1000);
    k.in[2].vh = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                         .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                                         .gso_size = 600,
                                         .csum_start = 34,
                                         .csum_offset = 16};
    k.in[3].len = 60; /* a header that makes no sense */
    k.in[3].vh = (struct virtio_net_hdr){.gso_type = VIRTIO_NET_HDR_GSO_TCPV6, .gso_size = 60};
    k.in[4].len = 61;
    k.ins = 5;
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 60);
    assert_memory_equal(got.data, k.in[0].data, 42);
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 654);
    assert_int_equal(weir_wire_deadline(wire), 0);
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 454);
    assert_true(weir_wire_deadline(wire) == UINT64_MAX);
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 61);
    assert_false(weir_wire_rx(wire, &got));
    s = wire_case_stats(wire);
    assert_int_equal(s.rx_dropped, 1);
    assert_int_equal(s.rx_super, 1);
    assert_int_equal(s.rx_super_frames, 2);
    assert_int_equal(s.rx_super_bytes, 54);
    weir_wire_close(wire);
}

static void frames_are_written_with_a_header(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "tap:lo");
    struct weir_model_stats s;
    uint8_t f[3][100];

    for (unsigned i = 0; i < 3; i++) {
        struct iovec iov[2] = {{f[i], 20}, {f[i] + 20, 80}};
        wire_case_frame(f[i], 100, i);
        assert_true(weir_wire_tx(wire, iov, 2, 100));
    }
    assert_int_equal(k.outs, 0);
    k.write_error = EAGAIN; /* the queue is full: lost, counted */
    weir_wire_flush(wire);
    assert_int_equal(k.outs, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(k.out_len[i], 110);
        assert_memory_equal(k.out[i], "\0\0\0\0\0\0\0\0\0\0", 10);
        assert_memory_equal(k.out[i] + 10, f[i + 1], 100);
    }
    assert_true(wire_case_send(wire, f[0], 100));
    k.write_error = EINTR;
    weir_wire_flush(wire);
    assert_int_equal(k.outs, 3);
    s = wire_case_stats(wire);
    assert_int_equal(s.tx_frames, 4);
    assert_int_equal(s.tx_dropped, 1);
    assert_int_equal(s.tx_dropped_bytes, 100);
    weir_wire_close(wire);
}

static void joined_segments_are_written_as_one(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "tap:lo,gro");
    struct l4_case c = {.flags = 0x10, .ttl = 64, .port = 1};
    uint8_t f[3][200];

    for (unsigned i = 0; i < 3; i++, c.seq += 100, c.id++)
        assert_true(wire_case_send(wire, f[i], case_frame(&c, f[i], 100)));
    weir_wire_flush(wire);
    assert_int_equal(k.outs, 1);
    assert_int_equal(k.out_len[0], 10 + 54 + 300);
    assert_int_equal(wire_case_stats(wire).tx_super_frames, 3);
    k.write_error = EINVAL; /* the kernel takes none after all */
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 3; i++)
            assert_true(wire_case_send(wire, f[i], 154));
        weir_wire_flush(wire);
    }
    assert_int_equal(k.outs, 4);
    assert_int_equal(wire_case_stats(wire).tx_dropped, 3);
    weir_wire_close(wire);
}

static void the_kernel_sees_the_plug(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "tap:lo");

    weir_wire_set_link(wire, false);
    assert_int_equal(k.carrier, 0);
    weir_wire_set_link(wire, true);
    assert_int_equal(k.carrier, 1);
    k.fail = TUNSETCARRIER; /* a kernel before 5.0 */
    k.fail_error = EINVAL;
    weir_wire_set_link(wire, false);
    assert_false(weir_wire_link(wire));
    weir_wire_close(wire);
}

static void a_deleted_interface_is_told_once(void **state)
{
    struct wire_case *c = *state;
    struct weir_wire *wire = wire_case_open(state, "tap:lo");
    unsigned warnings = c->warnings;
    struct weir_frame got;
    uint8_t f[60] = {0};

    k.in[0].len = -EBADFD;
    k.in[1].len = 60;
    k.ins = 2;
    assert_false(weir_wire_rx(wire, &got));
    assert_false(weir_wire_rx(wire, &got));
    assert_false(weir_wire_link(wire));
    for (unsigned i = 0; i < 3; i++)
        assert_true(wire_case_send(wire, f, 60));
    weir_wire_flush(wire);
    assert_int_equal(k.outs, 0);
    assert_int_equal(wire_case_stats(wire).tx_dropped, 3);
    assert_int_equal(c->warnings, warnings + 1);
    assert_non_null(strstr(c->log, "was deleted"));
    weir_wire_close(wire);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, wire_case_teardown)
    const struct CMUnitTest tests[] = {
        CASE(an_interface_that_was_made_is_brought_up),
        CASE(old_kernels_keep_udp_segmentation),
        CASE(each_refusal_is_explained),
        CASE(frames_are_read_and_super_frames_cut),
        CASE(frames_are_written_with_a_header),
        CASE(joined_segments_are_written_as_one),
        CASE(the_kernel_sees_the_plug),
        CASE(a_deleted_interface_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
