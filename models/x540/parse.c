/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a received frame is: packet type, checksums (7.1.11) and the RSS hash (7.1.2.8). A frame is
 * whatever came over the wire: every length in it is checked.
 */
#include "sum.h"
#include "xm.h"

enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_IPV6 = 0x86dd,
    PROTO_HOPOPTS = 0,
    PROTO_TCP = 6,
    PROTO_UDP = 17,
    PROTO_ROUTING = 43,
    PROTO_FRAGMENT = 44,
    PROTO_ESP = 50,
    PROTO_AH = 51,
    PROTO_DSTOPTS = 60,
    PROTO_SCTP = 132,
};

static const uint8_t *at(const struct xm_packet *p, uint32_t off)
{
    return p->data + off;
}

/* Returns the protocol, or -1 if there is no more to look at. */
static int parse_ipv4(struct xm_packet *p)
{
    const uint8_t *ip = at(p, p->l3);
    uint32_t room = p->len - p->l3;

    if (room < 20 || ip[0] >> 4 != 4)
        return -1;
    uint32_t header = (ip[0] & 0xfu) * 4, total = xm_be16(ip + 2);
    if (header < 20 || total < header || total > room)
        return -1;
    p->pkttype |= header > 20 ? X540_PKTTYPE_IPV4 | X540_PKTTYPE_IPV4_OPTIONS : X540_PKTTYPE_IPV4;
    p->status |= X540_RXD_STAT_IPCS;
    if (xm_fold(xm_sum(0, ip, header)) != 0xffff)
        p->status |= X540_RXD_ERR_IPE;
    p->l3_end = (uint16_t)(p->l3 + total);
    p->fragment = xm_be16(ip + 6) & 0x3fff; /* more fragments, or an offset */
    p->l4 = (uint16_t)(p->l3 + header);
    return ip[9];
}

static int parse_ipv6(struct xm_packet *p)
{
    const uint8_t *ip = at(p, p->l3);
    uint32_t room = p->len - p->l3;

    if (room < 40 || ip[0] >> 4 != 6)
        return -1;
    uint32_t payload = xm_be16(ip + 4);
    if (payload > room - 40)
        return -1;
    p->pkttype |= X540_PKTTYPE_IPV6;
    p->l3_end = (uint16_t)(p->l3 + 40 + payload);

    uint32_t off = p->l3 + 40u;
    int next = ip[6];
    while (next == PROTO_HOPOPTS || next == PROTO_ROUTING || next == PROTO_DSTOPTS ||
           next == PROTO_FRAGMENT) {
        if (off + 8 > p->l3_end)
            return -1;
        const uint8_t *ext = at(p, off);
        p->pkttype |= X540_PKTTYPE_IPV6_EXTENSIONS;
        if (next == PROTO_FRAGMENT && xm_be16(ext + 2) & 0xfff9)
            p->fragment = true;
        off += next == PROTO_FRAGMENT ? 8 : 8 + 8u * ext[1];
        next = ext[0];
        if (off > p->l3_end)
            return -1;
    }
    p->l4 = (uint16_t)off;
    return next;
}

/* The pseudo-header: addresses, protocol and length (RFC 793, 768, 8200). */
static uint64_t pseudo_sum(const struct xm_packet *p, int proto)
{
    const uint8_t *ip = at(p, p->l3);
    bool v4 = p->pkttype & X540_PKTTYPE_IPV4;
    uint64_t sum = v4 ? xm_sum(0, ip + 12, 8) : xm_sum(0, ip + 8, 32);
    return xm_sum_be16(xm_sum_be16(sum, (uint32_t)proto), (uint32_t)(p->l3_end - p->l4));
}

static void check_l4(struct xm_packet *p, int proto)
{
    const uint8_t *l4 = at(p, p->l4);
    uint32_t room = (uint32_t)(p->l3_end - p->l4);

    if (proto == PROTO_UDP) {
        if (xm_be16(l4 + 6) == 0)
            return;                    /* sent without a checksum */
        if (xm_be16(l4 + 4) != room) { /* its own length disagrees with IP's */
            p->status |= X540_RXD_STAT_L4CS | X540_RXD_ERR_L4E;
            return;
        }
    }
    p->status |= X540_RXD_STAT_L4CS;
    if (xm_fold(xm_sum(pseudo_sum(p, proto), l4, room)) != 0xffff)
        p->status |= X540_RXD_ERR_L4E;
}

static void hash(struct xm *x, struct xm_packet *p)
{
    uint32_t mrqc = weir_xm_get(x, X540_MRQC);
    bool v4 = p->pkttype & X540_PKTTYPE_IPV4, v6 = p->pkttype & X540_PKTTYPE_IPV6;
    bool tcp = p->pkttype & X540_PKTTYPE_TCP, udp = p->pkttype & X540_PKTTYPE_UDP;
    uint8_t input[WEIR_TOEPLITZ_INPUT];
    unsigned n;

    switch (weir_field_get(mrqc, X540_MRQC_MRQE)) {
    case X540_MRQE_RSS:
    case X540_MRQE_DCB_8TC_RSS:
    case X540_MRQE_DCB_4TC_RSS:
        break;
    default:
        return;
    }
    if (v4 && tcp && mrqc & X540_MRQC_RSS_IPV4_TCP)
        p->rsstype = X540_RSSTYPE_IPV4_TCP;
    else if (v4 && udp && mrqc & X540_MRQC_RSS_IPV4_UDP)
        p->rsstype = X540_RSSTYPE_IPV4_UDP;
    else if (v4 && mrqc & X540_MRQC_RSS_IPV4)
        p->rsstype = X540_RSSTYPE_IPV4;
    else if (v6 && tcp && mrqc & X540_MRQC_RSS_IPV6_TCP)
        p->rsstype = X540_RSSTYPE_IPV6_TCP;
    else if (v6 && udp && mrqc & X540_MRQC_RSS_IPV6_UDP)
        p->rsstype = X540_RSSTYPE_IPV6_UDP;
    else if (v6 && mrqc & X540_MRQC_RSS_IPV6)
        p->rsstype = X540_RSSTYPE_IPV6;
    else
        return;

    if (x->rss_stale) {
        uint8_t key[WEIR_TOEPLITZ_KEY];
        for (unsigned i = 0; i < WEIR_TOEPLITZ_KEY; i++)
            key[i] = (uint8_t)(weir_xm_get(x, X540_RSSRK + i / 4 * 4) >> (i % 4 * 8));
        weir_toeplitz_key(&x->rss, key);
        x->rss_stale = false;
    }
    n = v4 ? 8 : 32;
    memcpy(input, at(p, p->l3 + (v4 ? 12u : 8u)), n);
    if (p->rsstype != X540_RSSTYPE_IPV4 && p->rsstype != X540_RSSTYPE_IPV6) {
        memcpy(input + n, at(p, p->l4), 4); /* the ports */
        n += 4;
    }
    p->hash = weir_toeplitz_hash(&x->rss, input, n);
}

void weir_xm_parse(struct xm *x, struct xm_packet *p)
{
    uint32_t off = p->tagged ? 16 : 12;
    int proto = -1;

    p->pkttype = 0;
    p->rsstype = X540_RSSTYPE_NONE;
    p->hash = p->status = 0;
    p->fragment = false;
    p->l4 = 0;
    uint16_t ethertype = xm_be16(at(p, off));
    p->l3 = (uint16_t)(off + 2);
    if (ethertype == ETHERTYPE_IPV4)
        proto = parse_ipv4(p);
    else if (ethertype == ETHERTYPE_IPV6)
        proto = parse_ipv6(p);
    if (proto < 0)
        p->l4 = 0;

    uint32_t room = p->l4 ? (uint32_t)(p->l3_end - p->l4) : 0;
    if (p->l4 && !p->fragment) {
        if (proto == PROTO_TCP && room >= 20)
            p->pkttype |= X540_PKTTYPE_TCP;
        else if (proto == PROTO_UDP && room >= 8)
            p->pkttype |= X540_PKTTYPE_UDP;
        else if (proto == PROTO_SCTP && room >= 12)
            p->pkttype |= X540_PKTTYPE_SCTP;
        else if (proto == PROTO_ESP)
            p->pkttype |= X540_PKTTYPE_ESP;
        else if (proto == PROTO_AH)
            p->pkttype |= X540_PKTTYPE_AH;
        if (p->pkttype & (X540_PKTTYPE_TCP | X540_PKTTYPE_UDP))
            check_l4(p, proto);
    }
    if (p->pkttype & (X540_PKTTYPE_IPV4 | X540_PKTTYPE_IPV6))
        hash(x, p);
}
