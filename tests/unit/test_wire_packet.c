/* SPDX-License-Identifier: BSD-3-Clause */
/* The packet wire against a packet socket that the test plays: what the kernel may answer, and each
 * way in which it may refuse. The real one is in tests/process/test_wire_kernel.c. */
#include "wire_case.h"
#include "tcp_case.h"
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/ethernet.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

int __real_socket(int domain, int type, int protocol);
int __real_bind(int fd, const struct sockaddr *addr, socklen_t len);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
ssize_t __real_recv(int fd, void *buf, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags);
int __wrap_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *t);
int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);

struct message {
    struct virtio_net_hdr vh;
    uint8_t data[2000];
    uint32_t len;
    uint32_t status; /* of auxdata */
    uint16_t tci, tpid;
    uint8_t type; /* PACKET_* */
    bool truncated;
    int error; /* instead of a message */
};

static struct {
    int fd;
    int socket_error, bind_error, fail_option, option_error; /* to give */
    bool sees_own, no_carrier;
    struct message in[300];
    unsigned ins, next;
    unsigned largest_batch, smallest_batch;
    int tx_errors[16];         /* of the following messages; 0: taken */
    unsigned tx_next, tx_most; /* most messages taken in a call; 0: all */
    uint8_t out[300][2100];    /* with the header */
    uint32_t out_len[300];
    unsigned outs, sends;
    unsigned drops; /* for PACKET_STATISTICS */
} k;

int __wrap_socket(int domain, int type, int protocol)
{
    if (domain != AF_PACKET)
        return __real_socket(domain, type, protocol);
    assert_int_equal(type, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_int_equal(protocol, 0); /* nothing may come before it is bound */
    if (k.socket_error) {
        errno = k.socket_error;
        return -1;
    }
    k.fd = eventfd(0, EFD_CLOEXEC);
    return k.fd;
}

int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    const struct sockaddr_ll *ll = (const void *)addr;

    if (fd != k.fd)
        return __real_bind(fd, addr, len);
    assert_int_equal(ll->sll_protocol, __builtin_bswap16(ETH_P_ALL));
    assert_int_not_equal(ll->sll_ifindex, 0);
    errno = k.bind_error;
    return k.bind_error ? -1 : 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    if (fd != k.fd)
        return __real_setsockopt(fd, level, name, value, len);
    if ((level == SOL_PACKET && name == k.fail_option) ||
        (name == PACKET_IGNORE_OUTGOING && level == SOL_PACKET && k.sees_own)) {
        errno = k.option_error ? k.option_error : ENOPROTOOPT;
        return -1;
    }
    return 0;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    struct tpacket_stats *s = value;

    if (fd != k.fd)
        return __real_getsockopt(fd, level, name, value, len);
    assert_int_equal(level, SOL_PACKET);
    assert_int_equal(name, PACKET_STATISTICS);
    *s = (struct tpacket_stats){.tp_packets = 1000, .tp_drops = k.drops};
    k.drops = 0; /* reading resets */
    return 0;
}

/* What rtnetlink tells of lo, but for its flags. */
ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags)
{
    ssize_t n = __real_recv(fd, buf, size, flags);
    struct nlmsghdr *h = buf;

    if (n >= (ssize_t)NLMSG_LENGTH(sizeof(struct ifinfomsg)) && h->nlmsg_type == RTM_NEWLINK)
        ((struct ifinfomsg *)NLMSG_DATA(h))->ifi_flags =
            k.no_carrier ? IFF_UP : IFF_UP | IFF_RUNNING;
    return n;
}

static void give(struct mmsghdr *m, const struct message *in)
{
    struct tpacket_auxdata aux = {.tp_status = in->status | TP_STATUS_USER,
                                  .tp_len = in->len,
                                  .tp_snaplen = in->len,
                                  .tp_vlan_tci = in->tci,
                                  .tp_vlan_tpid = in->tpid};
    struct cmsghdr *c;

    assert_int_equal(m->msg_hdr.msg_iovlen, 2);
    assert_int_equal(m->msg_hdr.msg_iov[0].iov_len, sizeof in->vh);
    assert_true(m->msg_hdr.msg_iov[1].iov_len >= 65535 + 18);
    memcpy(m->msg_hdr.msg_iov[0].iov_base, &in->vh, sizeof in->vh);
    memcpy(m->msg_hdr.msg_iov[1].iov_base, in->data, in->len);
    m->msg_len = (unsigned)sizeof in->vh + in->len;
    m->msg_hdr.msg_flags = in->truncated ? MSG_TRUNC : 0;
    if (m->msg_hdr.msg_name)
        ((struct sockaddr_ll *)m->msg_hdr.msg_name)->sll_pkttype = in->type;
    else
        assert_false(k.sees_own);
    assert_true(m->msg_hdr.msg_controllen >= CMSG_SPACE(sizeof aux));
    c = CMSG_FIRSTHDR(&m->msg_hdr);
    c->cmsg_level = SOL_PACKET;
    c->cmsg_type = PACKET_AUXDATA;
    c->cmsg_len = CMSG_LEN(sizeof aux);
    memcpy(CMSG_DATA(c), &aux, sizeof aux);
    m->msg_hdr.msg_controllen = CMSG_SPACE(sizeof aux);
}

int __wrap_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *t)
{
    unsigned got = 0;

    assert_int_equal(fd, k.fd);
    assert_int_equal(flags, MSG_DONTWAIT);
    assert_null(t);
    k.largest_batch = n > k.largest_batch ? n : k.largest_batch;
    k.smallest_batch = n < k.smallest_batch ? n : k.smallest_batch;
    while (got < n && k.next < k.ins && !k.in[k.next].error)
        give(&m[got++], &k.in[k.next++]);
    if (got)
        return (int)got;
    errno = k.next < k.ins ? k.in[k.next++].error : EAGAIN;
    return -1;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
    unsigned sent = 0;

    assert_int_equal(fd, k.fd);
    assert_int_equal(flags, MSG_DONTWAIT);
    assert_true(n > 0);
    k.sends++;
    for (; sent < n && (!k.tx_most || sent < k.tx_most); sent++) {
        uint32_t len = 0;
        int error = k.tx_next < 16 ? k.tx_errors[k.tx_next] : 0;
        if (error && sent)
            return (int)sent;
        k.tx_next++;
        if (error) {
            errno = error;
            return -1;
        }
        for (unsigned i = 0; i < m[sent].msg_hdr.msg_iovlen; i++) {
            const struct iovec *v = &m[sent].msg_hdr.msg_iov[i];
            assert_true(len + v->iov_len <= sizeof k.out[0]);
            memcpy(k.out[k.outs] + len, v->iov_base, v->iov_len);
            len += (uint32_t)v->iov_len;
        }
        assert_true(k.outs < 300);
        k.out_len[k.outs++] = len;
    }
    return (int)sent;
}

static int setup(void **state)
{
    memset(&k, 0, sizeof k);
    k.fd = -1;
    k.smallest_batch = 9999;
    return wire_case_setup(state);
}

static struct message *arrive(uint32_t len)
{
    struct message *m = &k.in[k.ins++];

    *m = (struct message){.len = len};
    wire_case_frame(m->data, len, k.ins - 1);
    return m;
}

static void expect_frame(struct weir_wire *wire, const uint8_t *want, uint32_t len)
{
    struct weir_frame got;

    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, len);
    assert_memory_equal(got.data, want, len);
}

static void frames_arrive_in_batches(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "packet:lo");
    struct weir_frame got;

    assert_true(weir_wire_fd(wire) >= 0);
    for (unsigned i = 0; i < 200; i++)
        arrive(60 + i * 9);
    for (unsigned i = 0; i < 200; i++) {
        expect_frame(wire, k.in[i].data, k.in[i].len);
        if (i == 10)
            assert_int_equal(weir_wire_deadline(wire), 0);
    }
    assert_false(weir_wire_rx(wire, &got));
    assert_true(weir_wire_deadline(wire) == UINT64_MAX);
    assert_true(k.smallest_batch >= 32);
    assert_int_equal(wire_case_stats(wire).rx_dropped, 0);
    weir_wire_close(wire);
}

static void tags_are_put_back(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "packet:lo");
    static const struct {
        uint32_t status;
        uint16_t tci, tpid;
        const char *tag;
    } cases[] = {
        {TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID, 0xe005, 0x8100, "\x81\x00\xe0\x05"},
        {TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID, 7, 0x88a8, "\x88\xa8\x00\x07"},
        {TP_STATUS_VLAN_VALID, 9, 0, "\x81\x00\x00\x09"}, /* kernels that do not tell */
        {TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID, 0, 0x8100, "\x81\x00\x00\x00"},
        {0, 5, 0x8100, NULL},
    };

    for (unsigned i = 0; i < 5; i++) {
        struct message *m = arrive(100);
        uint8_t want[104];
        m->status = cases[i].status;
        m->tci = cases[i].tci;
        m->tpid = cases[i].tpid;
        if (!cases[i].tag) {
            expect_frame(wire, m->data, 100);
            continue;
        }
        memcpy(want, m->data, 12);
        memcpy(want + 12, cases[i].tag, 4);
        memcpy(want + 16, m->data + 12, 88);
        expect_frame(wire, want, 104);
    }
    weir_wire_close(wire);
}

/* The kernel's offsets are of the frame without its tag. */
static void checksums_of_tagged_frames_are_completed(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "packet:lo");
    struct l4_case c = {.flags = 0x18, .ttl = 64, .port = 1, .vlan = true};
    struct message *m = arrive(0);
    uint8_t want[200];

    memset(m->data, 0x33, sizeof m->data);
    memset(want, 0x33, sizeof want);
    case_frame(&c, want, 101);
    c.vlan = false;
    m->len = case_frame(&c, m->data, 101);
    case_be16(m->data + 34 + 16, case_pseudo(&c, m->data + 14, 20 + 101));
    m->vh = (struct virtio_net_hdr){
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16};
    m->status = TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
    m->tci = 5;
    m->tpid = 0x8100;
    expect_frame(wire, want, m->len + 4);
    weir_wire_close(wire);
}

static void super_frames_are_cut_as_they_are_read(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "packet:lo");
    struct l4_case c = {.flags = 0x10, .ttl = 64, .port = 1};
    struct weir_model_stats s;
    struct weir_frame got;

    for (unsigned i = 0; i < 100; i++) {
        struct message *m = arrive(0);
        m->len = case_frame(&c, m->data, 1000);
        m->vh = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                        .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                                        .gso_size = 300,
                                        .csum_start = 34,
                                        .csum_offset = 16};
    }
    for (unsigned i = 0; i < 400; i++) {
        assert_true(weir_wire_rx(wire, &got));
        assert_int_equal(got.len, i % 4 == 3 ? 154 : 354);
        if (i % 4 == 1)
            assert_int_equal(weir_wire_deadline(wire), 0);
    }
    assert_false(weir_wire_rx(wire, &got));
    assert_true(k.smallest_batch < 10); /* they are big: what is received should stay in cache */
    s = wire_case_stats(wire);
    assert_int_equal(s.rx_frames, 400);
    assert_int_equal(s.rx_super, 100);
    assert_int_equal(s.rx_super_frames, 400);
    assert_int_equal(s.rx_super_bytes, 300 * 54);
    assert_int_equal(s.rx_frames - s.rx_super_frames + s.rx_super, 100);
    assert_int_equal(s.rx_bytes - s.rx_super_bytes, 100 * 1054);
    weir_wire_close(wire);
}

static void lost_frames_are_counted(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "packet:lo");
    struct wire_case *c = *state;
    struct weir_frame got;

    arrive(60)->truncated = true;
    arrive(60)->error = EINVAL; /* a super-frame that the kernel cannot describe */
    arrive(60)->vh = (struct virtio_net_hdr){.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 9};
    arrive(60)->error = ENETDOWN;
    arrive(60)->error = EINTR;
    arrive(61);
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 61);
    assert_false(weir_wire_rx(wire, &got));
    assert_int_equal(wire_case_stats(wire).rx_dropped, 3);
    assert_int_equal(c->warnings, wire_case_stats(wire).rx_frames - 1);
    arrive(60)->error = EFAULT;
    arrive(60)->error = EFAULT;
    assert_false(weir_wire_rx(wire, &got));
    assert_int_equal(c->warnings, 1); /* told once */
    k.drops = 5;
    assert_int_equal(wire_case_stats(wire).rx_dropped, 8);
    assert_int_equal(wire_case_stats(wire).rx_dropped, 8);
    k.drops = 2;
    assert_int_equal(wire_case_stats(wire).rx_dropped, 10);
    weir_wire_close(wire);
}

static void an_error_for_ever_ends(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "packet:lo");
    struct weir_frame got;

    for (unsigned i = 0; i < 300; i++)
        arrive(60)->error = ENETDOWN;
    assert_false(weir_wire_rx(wire, &got));
    assert_true(k.next < 300);
    weir_wire_close(wire);
}

static void own_transmissions_are_ignored(void **state)
{
    struct weir_wire *wire;
    struct weir_frame got;

    k.sees_own = true; /* a kernel before 4.20 */
    wire = wire_case_open(state, "packet:lo");
    arrive(60)->type = PACKET_OUTGOING;
    arrive(61)->type = PACKET_HOST;
    arrive(62)->type = PACKET_OUTGOING;
    arrive(63)->type = PACKET_OTHERHOST;
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 61);
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 63);
    assert_false(weir_wire_rx(wire, &got));
    assert_int_equal(wire_case_stats(wire).rx_frames, 2);
    assert_int_equal(wire_case_stats(wire).rx_dropped, 0);
    weir_wire_close(wire);
}

static uint8_t frames[300][200];

static bool send_numbered(struct weir_wire *wire, unsigned i)
{
    struct iovec iov[2] = {{frames[i], 30}, {frames[i] + 30, 30 + i % 100}};

    wire_case_frame(frames[i], 60 + i % 100, i);
    return weir_wire_tx(wire, iov, 2, 60 + i % 100);
}

/* Output number at is frame i, behind an empty header. */
static void expect_out(unsigned at, unsigned i)
{
    static const uint8_t none[10];
    uint8_t want[200];

    wire_case_frame(want, 60 + i % 100, i);
    assert_true(at < k.outs);
    assert_int_equal(k.out_len[at], 10 + 60 + i % 100);
    assert_memory_equal(k.out[at], none, 10);
    assert_memory_equal(k.out[at] + 10, want, 60 + i % 100);
}

static void frames_leave_in_batches(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "packet:lo");

    for (unsigned i = 0; i < 30; i++)
        assert_true(send_numbered(wire, i));
    assert_int_equal(k.sends, 0); /* not before the flush */
    weir_wire_flush(wire);
    assert_int_equal(k.sends, 1);
    weir_wire_flush(wire);
    assert_int_equal(k.sends, 1);
    for (unsigned i = 30; i < 300; i++)
        assert_true(send_numbered(wire, i)); /* more than a batch */
    weir_wire_flush(wire);
    assert_true(k.sends <= 7);
    assert_int_equal(k.outs, 300);
    for (unsigned i = 0; i < 300; i++)
        expect_out(i, i);
    weir_wire_close(wire);
}

static void a_call_may_take_a_part(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "packet:lo");

    k.tx_most = 7;
    k.tx_errors[3] = EINTR;
    for (unsigned i = 0; i < 40; i++)
        assert_true(send_numbered(wire, i));
    weir_wire_flush(wire);
    assert_int_equal(k.outs, 40);
    for (unsigned i = 0; i < 40; i++)
        expect_out(i, i);
    assert_int_equal(wire_case_stats(wire).tx_dropped, 0);
    weir_wire_close(wire);
}

/* The socket's buffer is full: nothing is lost, nothing changes its place, the sender's memory is
 * free after the flush, and the sender is held back. */
static void a_full_socket_holds_back(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "packet:lo");
    struct weir_frame got;
    unsigned sends;

    k.tx_errors[2] = k.tx_errors[3] = k.tx_errors[4] = k.tx_errors[5] = EAGAIN;
    for (unsigned i = 0; i < 10; i++)
        assert_true(send_numbered(wire, i));
    weir_wire_flush(wire); /* two leave */
    assert_int_equal(k.outs, 2);
    memset(frames, 0xee, sizeof frames);
    assert_true(weir_wire_deadline(wire) != UINT64_MAX);
    assert_true(weir_wire_deadline(wire) != 0);
    assert_false(send_numbered(wire, 10));
    weir_wire_flush(wire);
    assert_false(weir_wire_rx(wire, &got)); /* tries too */
    assert_int_equal(k.outs, 2);
    sends = k.sends;
    assert_true(send_numbered(wire, 10)); /* there is room again */
    assert_int_equal(k.sends, sends + 1);
    weir_wire_flush(wire);
    assert_int_equal(k.outs, 11);
    for (unsigned i = 0; i < 11; i++)
        expect_out(i, i);
    assert_int_equal(wire_case_stats(wire).tx_frames, 11);
    assert_int_equal(wire_case_stats(wire).tx_dropped, 0);
    assert_true(weir_wire_deadline(wire) == UINT64_MAX);
    weir_wire_close(wire);
}

static void what_is_held_leaves_when_the_wire_is_closed(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "packet:lo");

    k.tx_errors[0] = EAGAIN;
    assert_true(send_numbered(wire, 0));
    weir_wire_flush(wire);
    assert_int_equal(k.outs, 0);
    weir_wire_close(wire);
    assert_int_equal(k.outs, 1);
    expect_out(0, 0);
}

static void refused_frames_are_counted(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "packet:lo");
    struct wire_case *c = *state;
    struct weir_model_stats s;

    k.tx_errors[1] = ENOBUFS;
    k.tx_errors[3] = ENOBUFS;
    k.tx_errors[4] = EMSGSIZE;
    k.tx_errors[5] = EMSGSIZE;
    k.tx_errors[6] = EIO;
    for (unsigned i = 0; i < 9; i++)
        assert_true(send_numbered(wire, i));
    weir_wire_flush(wire);
    assert_int_equal(k.outs, 4);
    expect_out(0, 0);
    expect_out(1, 2);
    expect_out(2, 7);
    expect_out(3, 8);
    s = wire_case_stats(wire);
    assert_int_equal(s.tx_frames, 9);
    assert_int_equal(s.tx_dropped, 5);
    assert_int_equal(s.tx_dropped_bytes, 61 + 63 + 64 + 65 + 66);
    assert_non_null(strstr(c->log, "a frame of 64 bytes is longer than its MTU"));
    assert_non_null(strstr(c->log, "sendmmsg: Input/output error"));
    weir_wire_close(wire);
}

static void an_interface_that_is_down_takes_nothing(void **state)
{
    static const int errors[] = {ENETDOWN, ENXIO, ENODEV};
    struct weir_wire *wire = wire_case_open(state, "packet:lo");

    for (unsigned e = 0; e < 3; e++) {
        k.tx_next = k.sends = 0;
        k.tx_errors[0] = k.tx_errors[1] = errors[e];
        for (unsigned i = 0; i < 50; i++)
            assert_true(send_numbered(wire, i));
        weir_wire_flush(wire);
        assert_true(k.sends <= 2); /* not fifty times */
        assert_int_equal(wire_case_stats(wire).tx_dropped, 50 * (e + 1));
    }
    /* An error that was left from a time when it was down. */
    k.tx_next = 0;
    k.tx_errors[0] = ENETDOWN;
    k.tx_errors[1] = 0;
    for (unsigned i = 0; i < 50; i++)
        assert_true(send_numbered(wire, i));
    weir_wire_flush(wire);
    assert_int_equal(k.outs, 50);
    assert_int_equal(wire_case_stats(wire).tx_dropped, 150);
    weir_wire_close(wire);
}

/* The kernel would take and drop the frames, and say that they were sent. */
static void nothing_is_sent_without_carrier(void **state)
{
    struct weir_wire *wire;

    k.no_carrier = true;
    wire = wire_case_open(state, "packet:lo");
    assert_false(weir_wire_link(wire));
    for (unsigned i = 0; i < 50; i++)
        assert_true(send_numbered(wire, i));
    weir_wire_flush(wire);
    assert_int_equal(k.sends, 0);
    assert_int_equal(wire_case_stats(wire).tx_dropped, 50);
    weir_wire_close(wire);
}

static void joined_segments_leave_as_one(void **state)
{
    struct weir_wire *wire = wire_case_open(state, "packet:lo,gro");
    struct l4_case c = {.flags = 0x10, .ttl = 64, .port = 1, .tcp_options = 12};
    static uint8_t f[4][300];
    struct virtio_net_hdr vh;
    struct weir_model_stats s;

    for (unsigned i = 0; i < 4; i++, c.seq += 100, c.id++)
        assert_true(wire_case_send(wire, f[i], case_frame(&c, f[i], 100)));
    weir_wire_flush(wire);
    assert_int_equal(k.outs, 1);
    assert_int_equal(k.out_len[0], 10 + 66 + 400);
    memcpy(&vh, k.out[0], sizeof vh);
    assert_int_equal(vh.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
    assert_int_equal(vh.gso_size, 100);
    s = wire_case_stats(wire);
    assert_int_equal(s.tx_frames - s.tx_super_frames + s.tx_super, 1);
    assert_int_equal(s.tx_bytes - s.tx_super_bytes, 466);
    /* A super-frame that is refused counts as the frames it was made of. */
    k.tx_next = 0;
    k.tx_errors[0] = ENOBUFS;
    for (unsigned i = 0; i < 4; i++)
        assert_true(wire_case_send(wire, f[i], 166));
    weir_wire_flush(wire);
    s = wire_case_stats(wire);
    assert_int_equal(s.tx_dropped, 4);
    assert_int_equal(s.tx_dropped_bytes, 4 * 166);
    assert_int_equal(s.tx_super, 1);
    /* One that the kernel calls invalid is the last. */
    k.tx_next = 0;
    k.tx_errors[0] = EINVAL;
    for (unsigned i = 0; i < 4; i++)
        assert_true(wire_case_send(wire, f[i], 166));
    weir_wire_flush(wire);
    assert_int_equal(wire_case_stats(wire).tx_dropped, 8);
    assert_int_equal(k.outs, 1);
    for (unsigned i = 0; i < 4; i++)
        assert_true(wire_case_send(wire, f[i], 166));
    weir_wire_flush(wire);
    assert_int_equal(k.outs, 5);
    assert_int_equal(k.out_len[4], 10 + 166);
    weir_wire_close(wire);
}

static void what_cannot_be_opened_is_explained(void **state)
{
    wire_case_refused(state, "packet:", "wire-arg", "arguments of packet: INTERFACE, gro");
    wire_case_refused(state, "packet:a-name-much-too-long", "wire-arg", "longer than 15");
    wire_case_refused(state, "packet:lo,tso", "wire-arg", "argument 'tso'");
    wire_case_refused(state, "packet:weir-no-such", "wire-no-interface", "ip link");
    k.socket_error = EPERM;
    wire_case_refused(state, "packet:lo", "packet-permission", "CAP_NET_RAW");
    k.socket_error = EAFNOSUPPORT;
    wire_case_refused(state, "packet:lo", "packet-open", "Address family");
    k.socket_error = 0;
    k.bind_error = ENODEV;
    wire_case_refused(state, "packet:lo", "packet-open", "bind: No such device");
    k.bind_error = 0;
    k.fail_option = PACKET_VNET_HDR;
    wire_case_refused(state, "packet:lo", "packet-open", "PACKET_VNET_HDR");
    k.fail_option = PACKET_AUXDATA;
    wire_case_refused(state, "packet:lo", "packet-open", "PACKET_AUXDATA");
    k.fail_option = PACKET_ADD_MEMBERSHIP;
    k.option_error = EACCES;
    wire_case_refused(state, "packet:lo", "packet-permission", "bind");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, wire_case_teardown)
    const struct CMUnitTest tests[] = {
        CASE(frames_arrive_in_batches),
        CASE(tags_are_put_back),
        CASE(checksums_of_tagged_frames_are_completed),
        CASE(super_frames_are_cut_as_they_are_read),
        CASE(lost_frames_are_counted),
        CASE(an_error_for_ever_ends),
        CASE(own_transmissions_are_ignored),
        CASE(frames_leave_in_batches),
        CASE(a_call_may_take_a_part),
        CASE(a_full_socket_holds_back),
        CASE(what_is_held_leaves_when_the_wire_is_closed),
        CASE(refused_frames_are_counted),
        CASE(an_interface_that_is_down_takes_nothing),
        CASE(nothing_is_sent_without_carrier),
        CASE(joined_segments_leave_as_one),
        CASE(what_cannot_be_opened_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
