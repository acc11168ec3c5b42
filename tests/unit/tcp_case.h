/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP and UDP frames, made in the plainest way there is, as the reference for code that is not. */
#ifndef TESTS_TCP_CASE_H
#define TESTS_TCP_CASE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What a frame of a flow is made from. */
struct l4_case {
    bool v6, udp, vlan, extension, no_check;
    unsigned ip_options, tcp_options; /* bytes, multiples of 4 */
    uint16_t id;
    uint32_t seq, ack;
    uint8_t flags, tos, ttl;
    uint16_t window, fragment; /* IPv4 flags and offset; 0: DF */
    uint16_t port;             /* source */
};

static inline void case_be16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void case_be32(uint8_t *p, uint32_t v)
{
    case_be16(p, v >> 16);
    case_be16(p + 2, v & 0xffff);
}

/* RFC 1071, byte pairs in network order. */
static inline uint32_t case_sum(uint32_t sum, const uint8_t *p, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static inline uint32_t case_payload_at(const struct l4_case *c)
{
    return 14 + (c->vlan ? 4 : 0) + (c->v6 ? 40 + (c->extension ? 8 : 0) : 20 + c->ip_options) +
           (c->udp ? 8 : 20 + c->tcp_options);
}

/* Sum of the pseudo-header (RFC 793, RFC 8200 section 8.1). */
static inline uint32_t case_pseudo(const struct l4_case *c, const uint8_t *ip, uint32_t l4_len)
{
    uint8_t rest[4] = {0, c->udp ? 17 : 6, (uint8_t)(l4_len >> 8), (uint8_t)l4_len};

    return case_sum(c->v6 ? case_sum(0, ip + 8, 32) : case_sum(0, ip + 12, 8), rest, 4);
}

/* Write the headers of a frame whose payload, n bytes, is already at f + case_payload_at(c).
 * @return the frame's length */
static inline uint32_t case_frame(const struct l4_case *c, uint8_t *f, uint32_t n)
{
    uint32_t l3 = c->vlan ? 18 : 14, end = case_payload_at(c);
    uint32_t l4 = end - (c->udp ? 8 : 20 + c->tcp_options), l4_len = end - l4 + n, sum;
    uint8_t *ip = f + l3, *t = f + l4, *check = t + (c->udp ? 6 : 16);

    memset(f, 0, end);
    memcpy(f, "\x02\x00\x00\x00\x00\x0a\x02\x00\x00\x00\x00\x0b", 12);
    if (c->vlan)
        memcpy(f + 12, "\x81\x00\x00\x05", 4);
    case_be16(f + l3 - 2, c->v6 ? 0x86dd : 0x0800);
    if (c->v6) {
        case_be32(ip, 0x60000000u | (uint32_t)c->tos << 20 | 0x12345);
        case_be16(ip + 4, l4 - l3 - 40 + l4_len);
        ip[6] = c->extension ? 60 : c->udp ? 17 : 6;
        ip[7] = c->ttl;
        memcpy(ip + 8, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
        memcpy(ip + 24, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02", 16);
        if (c->extension)
            memcpy(ip + 40, c->udp ? "\x11\0\1\4\0\0\0\0" : "\x06\0\1\4\0\0\0\0", 8);
    } else {
        ip[0] = (uint8_t)(0x45 + c->ip_options / 4);
        ip[1] = c->tos;
        case_be16(ip + 2, l4 - l3 + l4_len);
        case_be16(ip + 4, c->id);
        case_be16(ip + 6, c->fragment ? c->fragment : 0x4000);
        ip[8] = c->ttl;
        ip[9] = c->udp ? 17 : 6;
        memcpy(ip + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
        memset(ip + 20, 1, c->ip_options); /* no operation */
        case_be16(ip + 10, ~case_sum(0, ip, 20 + c->ip_options) & 0xffff);
    }
    case_be16(t, c->port);
    case_be16(t + 2, 5201);
    if (c->udp) {
        case_be16(t + 4, l4_len);
        if (c->no_check)
            return end + n;
    } else {
        case_be32(t + 4, c->seq);
        case_be32(t + 8, c->ack);
        t[12] = (uint8_t)((5 + c->tcp_options / 4) << 4);
        t[13] = c->flags;
        case_be16(t + 14, c->window);
        memset(t + 20, 1, c->tcp_options);
    }
    sum = ~case_sum(case_pseudo(c, ip, l4_len), t, l4_len) & 0xffff;
    case_be16(check, c->udp && !sum ? 0xffff : sum);
    return end + n;
}

#endif
