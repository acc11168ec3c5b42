/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/model/offload.h"
#include "lib/model/checksum.h"
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/in.h>

#define ETHERTYPE_QINQ 0x88a8
#define TCP_FIN        0x01
#define TCP_PSH        0x08
#define TCP_CWR        0x80

static int parse_v4(struct weir_headers *h, const uint8_t *ip, uint32_t n, unsigned *proto)
{
    uint32_t ihl;

    if (n < 20 || ip[0] >> 4 != 4)
        return -EINVAL;
    ihl = (ip[0] & 15u) * 4;
    if (ihl < 20 || ihl > n || (weir_get_be16(ip + 6) & 0x3fff))
        return -EINVAL; /* the mask: more fragments, and the fragment's offset */
    *proto = ip[9];
    h->l4 = h->l3 + ihl;
    h->l3_end = h->l3 + weir_get_be16(ip + 2);
    return 0;
}

static int parse_v6(struct weir_headers *h, const uint8_t *ip, uint32_t n, unsigned *proto)
{
    uint32_t at = 40;

    if (n < 40 || ip[0] >> 4 != 6)
        return -EINVAL;
    *proto = ip[6];
    while (*proto == IPPROTO_HOPOPTS || *proto == IPPROTO_ROUTING || *proto == IPPROTO_DSTOPTS) {
        if (at + 8 > n)
            return -EINVAL;
        *proto = ip[at];
        at += (ip[at + 1] + 1u) * 8;
    }
    h->v6 = true;
    h->l4 = h->l3 + at;
    h->l3_end = h->l3 + 40 + weir_get_be16(ip + 4);
    return 0;
}

int weir_headers_parse(struct weir_headers *h, const uint8_t *data, uint32_t n)
{
    unsigned type, proto;
    int err;

    *h = (struct weir_headers){.l3 = ETHER_HDR_LEN};
    if (n < ETHER_HDR_LEN)
        return -EINVAL;
    type = weir_get_be16(data + 12);
    while (type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ) {
        if (n - h->l3 < 4)
            return -EINVAL;
        type = weir_get_be16(data + h->l3 + 2);
        h->l3 += 4;
    }
    if (type == ETHERTYPE_IP)
        err = parse_v4(h, data + h->l3, n - h->l3, &proto);
    else if (type == ETHERTYPE_IPV6)
        err = parse_v6(h, data + h->l3, n - h->l3, &proto);
    else
        return -EINVAL;
    if (err)
        return err;
    if (h->l4 > n)
        return -EINVAL;
    if (proto == IPPROTO_TCP && n - h->l4 >= 20) {
        uint32_t off = (data[h->l4 + 12] >> 4) * 4u;
        h->end = h->l4 + off;
        return off >= 20 && h->end <= n ? 0 : -EINVAL;
    }
    if (proto == IPPROTO_UDP && n - h->l4 >= 8) {
        h->udp = true;
        h->end = h->l4 + 8;
        return 0;
    }
    return -EINVAL;
}

uint64_t weir_headers_pseudo(const struct weir_headers *h, const uint8_t *data)
{
    const uint8_t *ip = data + h->l3;
    uint64_t sum = h->v6 ? weir_sum(0, ip + 8, 32) : weir_sum(0, ip + 12, 8);

    return weir_sum_be16(sum, h->udp ? IPPROTO_UDP : IPPROTO_TCP);
}

/* The field at csum_start + csum_offset holds the pseudo-header's sum: add the rest and finish. */
static int complete_checksum(const struct virtio_net_hdr *vh, uint8_t *data, uint32_t len)
{
    uint32_t start = vh->csum_start, at = start + vh->csum_offset;
    uint8_t *field = data + at;

    if (at + 2 > len)
        return -EINVAL;
    weir_put_sum(field, weir_sum(0, data + start, len - start));
    /* To UDP zero means "no checksum" (RFC 768); its checksum stands at offset 6, TCP's at 16. */
    if (vh->csum_offset == 6 && !field[0] && !field[1])
        field[0] = field[1] = 0xff;
    return 0;
}

/* The parsed headers must be what the GSO type says, or the cut would be in the wrong place. */
static bool headers_match(const struct weir_headers *h, const struct virtio_net_hdr *vh)
{
    unsigned type = vh->gso_type & ~(unsigned)VIRTIO_NET_HDR_GSO_ECN;

    if ((vh->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && vh->csum_start != h->l4)
        return false; /* inside a tunnel */
    if (type == VIRTIO_NET_HDR_GSO_UDP_L4)
        return h->udp;
    return !h->udp &&
           type == (unsigned)(h->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
}

int weir_offload_begin(struct weir_offload *o, const struct virtio_net_hdr *vh, uint8_t *data,
                       uint32_t len)
{
    struct weir_headers h;

    o->data = NULL;
    if (vh->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
        if ((vh->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && complete_checksum(vh, data, len))
            return -EINVAL;
        o->mss = 0;
        o->data = data;
        o->len = len;
        return 0;
    }
    if (!vh->gso_size || weir_headers_parse(&h, data, len) || !headers_match(&h, vh) ||
        h.end > sizeof o->hdr || h.end == len)
        return -EINVAL;
    o->data = data;
    o->len = len;
    o->mss = vh->gso_size;
    o->pos = o->hdr_len = h.end;
    o->l3 = h.l3;
    o->l4 = h.l4;
    o->v6 = h.v6;
    o->udp = h.udp;
    o->pseudo = weir_headers_pseudo(&h, data);
    o->id = h.v6 ? 0 : weir_get_be16(data + h.l3 + 4);
    o->seq = weir_get_be32(data + h.l4 + 4);
    o->no_check =
        h.udp && !(vh->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && !weir_get_be16(data + h.l4 + 6);
    memcpy(o->hdr, data, h.end);
    o->supers++;
    return 0;
}

static void finish_ip(struct weir_offload *o, uint8_t *ip, uint32_t n)
{
    if (o->v6) {
        weir_put_be16(ip + 4, (uint16_t)(n - 40));
        return;
    }
    weir_put_be16(ip + 2, (uint16_t)n);
    weir_put_be16(ip + 4, o->id++);
    ip[10] = ip[11] = 0;
    weir_put_sum(ip + 10, weir_sum(0, ip, o->l4 - o->l3));
}

static void finish_l4(struct weir_offload *o, uint8_t *l4, uint32_t n, bool first, bool last)
{
    uint8_t *check = l4 + (o->udp ? 6 : 16);
    uint64_t sum = weir_sum_be16(o->pseudo, (uint16_t)n);

    if (o->udp) {
        weir_put_be16(l4 + 4, (uint16_t)n);
        if (o->no_check)
            return;
    } else {
        weir_put_be32(l4 + 4, o->seq);
        if (!first)
            l4[13] &= (uint8_t)~TCP_CWR; /* said once (RFC 3168, section 6.1.2) */
        if (!last)
            l4[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    }
    check[0] = check[1] = 0;
    weir_put_sum(check, weir_sum(sum, l4, n));
    if (o->udp && !check[0] && !check[1])
        check[0] = check[1] = 0xff;
}

bool weir_offload_next(struct weir_offload *o, struct weir_frame *frame)
{
    uint32_t payload;
    uint8_t *start;
    bool first, last;

    if (!o->data)
        return false;
    if (!o->mss) {
        *frame = (struct weir_frame){o->data, o->len};
        o->data = NULL;
        return true;
    }
    payload = o->len - o->pos < o->mss ? o->len - o->pos : o->mss;
    first = o->pos == o->hdr_len;
    last = o->pos + payload == o->len;
    start = o->data + o->pos - o->hdr_len;
    if (!first) {
        memcpy(start, o->hdr, o->hdr_len);
        o->super_bytes += o->hdr_len;
    }
    finish_ip(o, start + o->l3, o->hdr_len - o->l3 + payload);
    finish_l4(o, start + o->l4, o->hdr_len - o->l4 + payload, first, last);
    *frame = (struct weir_frame){start, o->hdr_len + payload};
    o->super_frames++;
    o->seq += payload;
    o->pos += payload;
    if (last)
        o->data = NULL;
    return true;
}
