/* SPDX-License-Identifier: BSD-3-Clause */
/* Super-frames sent to real interfaces, and what wires make of them. */
#ifndef TESTS_SUPER_CASE_H
#define TESTS_SUPER_CASE_H

#include "lib/core/clock.h"
#include "netns_case.h"
#include "../unit/tcp_case.h"
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#define GSO_UDP_L4 5 /* VIRTIO_NET_HDR_GSO_UDP_L4, not in older headers */

static inline struct weir_wire *open_up(void **state, const char *spec)
{
    struct weir_wire *wire = wire_case_open(state, spec);

    wait_link(wire, true);
    return wire;
}

static inline void expect(struct weir_wire *wire, const uint8_t *want, uint32_t len)
{
    struct weir_frame got;

    assert_true(wait_frame(wire, &got));
    assert_int_equal(got.len, len);
    assert_memory_equal(got.data, want, len);
}

/* A valid Ethernet header of no known protocol, so that nobody but the wire cares. */
static inline void number_frame(uint8_t *f, uint32_t len, uint32_t number)
{
    wire_case_frame(f, len, number);
    memcpy(f, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x88\xb5", 14); /* 0x88b5: local experiments */
}

/* Until the kernel lets frames out: an interface that was just set up drops them for a moment. */
static inline void let_it_run(const char *name)
{
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint64_t end = weir_now_ns() + 10 * UINT64_C(1000000000);
    struct ifreq r = {0};

    assert_true(s >= 0);
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    do {
        assert_true(weir_now_ns() < end);
        assert_int_equal(ioctl(s, SIOCGIFFLAGS, &r), 0);
    } while (!(r.ifr_flags & IFF_RUNNING));
    close(s);
}

static inline int raw_socket(const char *name)
{
    struct sockaddr_ll addr = {
        .sll_family = AF_PACKET, .sll_protocol = 0, .sll_ifindex = (int)if_nametoindex(name)};
    int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1;

    assert_true(s >= 0 && addr.sll_ifindex);
    let_it_run(name);
    assert_int_equal(setsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one), 0);
    assert_int_equal(bind(s, (struct sockaddr *)&addr, sizeof addr), 0);
    return s;
}

struct list {
    uint8_t *frame[8000];
    uint32_t len[8000];
    unsigned n;
};

static inline void list_free(struct list *l)
{
    while (l->n)
        free(l->frame[--l->n]);
}

static inline void list_add(struct list *l, const uint8_t *data, uint32_t len)
{
    assert_true(l->n < 8000);
    l->frame[l->n] = malloc(len);
    memcpy(l->frame[l->n], data, len);
    l->len[l->n++] = len;
}

static inline void receive_list(struct weir_wire *wire, struct list *l, unsigned n)
{
    struct weir_frame got;

    for (unsigned i = 0; i < n; i++) {
        if (!wait_frame(wire, &got))
            fail_msg("of %u frames %u came", n, i);
        list_add(l, got.data, got.len);
    }
}

static inline void same_lists(const struct list *a, const struct list *b)
{
    assert_int_equal(a->n, b->n);
    for (unsigned i = 0; i < a->n; i++) {
        assert_int_equal(a->len[i], b->len[i]);
        assert_memory_equal(a->frame[i], b->frame[i], a->len[i]);
    }
}

/* @return false if the kernel does not take this kind of super-frame from a packet socket */
static inline bool send_super(int s, const struct l4_case *c, uint32_t n, uint32_t mss)
{
    static uint8_t f[10 + 65536];
    uint32_t end = case_payload_at(c), l4 = end - (c->udp ? 8 : 20 + c->tcp_options), len;
    struct virtio_net_hdr vh = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                .gso_type = c->udp  ? GSO_UDP_L4
                                            : c->v6 ? VIRTIO_NET_HDR_GSO_TCPV6
                                                    : VIRTIO_NET_HDR_GSO_TCPV4,
                                .hdr_len = (uint16_t)end,
                                .gso_size = (uint16_t)mss,
                                .csum_start = (uint16_t)l4,
                                .csum_offset = c->udp ? 6 : 16};

    if (c->flags & 0x80)
        vh.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
    for (uint32_t i = 0; i < n; i++)
        f[10 + end + i] = (uint8_t)(i * 31 + (i >> 8) * 7 + 3);
    len = case_frame(c, f + 10, n);
    case_be16(f + 10 + l4 + vh.csum_offset,
              case_pseudo(c, f + 10 + (c->vlan ? 18 : 14), end - l4 + n));
    memcpy(f, &vh, sizeof vh);
    if (send(s, f, 10 + len, 0) == (ssize_t)(10 + len))
        return true;
    if (!c->udp || errno != EINVAL)
        fail_msg("the kernel refused a super-frame: %s", strerror(errno));
    return false;
}

static const struct l4_case super_plain = {.id = 0xfffe,
                                           .seq = 0xfffff000,
                                           .ack = 77,
                                           .flags = 0x18,
                                           .ttl = 64,
                                           .window = 501,
                                           .tcp_options = 12,
                                           .port = 40000};

/* Each is received before the next is sent: more than net.core.netdev_max_backlog frames at once
 * could be lost on their way. @return how many were UDP's */
static inline unsigned pass_supers(int s, struct weir_wire *wire, struct list *l)
{
    static const uint32_t sizes[][2] = {
        {2896, 1448}, {2897, 1448}, {65000, 1448}, {64000, 8900}, {1000, 7}, {1000, 999},
    };
    unsigned udp = 0;

    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (unsigned kind = 0; kind < 32; kind++) {
            struct l4_case c = super_plain;
            c.v6 = kind & 1;
            c.udp = kind & 2;
            c.vlan = kind & 4;
            c.ip_options = !c.v6 && kind & 8 ? 12 : 0;
            c.extension = c.v6 && kind & 8;
            c.flags |= kind & 16 ? 0x81 : 0; /* CWR and FIN */
            /* At most 64 segments of a UDP super-frame in older kernels (UDP_MAX_SEGMENTS). */
            if (c.udp && (sizes[i][0] / sizes[i][1] > 60 || c.extension || c.ip_options))
                continue;
            if (!send_super(s, &c, sizes[i][0], sizes[i][1]))
                continue;
            receive_list(wire, l, (sizes[i][0] + sizes[i][1] - 1) / sizes[i][1]);
            udp += c.udp;
        }
    }
    return udp;
}

/* Datagrams of this machine's own stack, whose checksums it leaves to the interface. */
static inline void datagrams_of_the_stack_are_completed(struct weir_wire *wire,
                                                        const char *interface)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct l4_case udp = {.udp = true};
    static uint8_t data[30000];
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 1000;
    struct weir_frame got;
    unsigned frames = 0;
    uint32_t bytes = 0;

    shell("ip addr add 10.9.0.1/24 dev %s && ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 "
          "dev %s",
          interface, interface);
    assert_int_equal(inet_pton(AF_INET, "10.9.0.2", &to.sin_addr), 1);
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i % 251);
    assert_int_equal(sendto(s, data, 777, 0, (struct sockaddr *)&to, sizeof to), 777);
    /* And one that asks for segmentation (Linux 4.18). */
    if (setsockopt(s, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size))
        fail_msg("UDP_SEGMENT: %s", strerror(errno));
    assert_int_equal(sendto(s, data, 30000, 0, (struct sockaddr *)&to, sizeof to), 30000);
    while (bytes < 30777) {
        assert_true(wait_frame(wire, &got));
        if (got.data[12] != 8 || got.data[13] || got.data[23] != 17)
            continue;
        const uint8_t *ip = got.data + 14, *u = got.data + 34;
        uint32_t n = got.len - 34;
        assert_int_equal(case_sum(0, ip, 20), 0xffff);
        assert_int_equal(case_sum(case_pseudo(&udp, ip, n), u, n), 0xffff);
        assert_memory_equal(u + 8, data + (frames ? bytes - 777 : 0), n - 8);
        bytes += n - 8;
        frames++;
    }
    assert_int_equal(frames, 31);
    close(s);
}

#endif
