/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/model/coalesce.h"
#include "lib/model/checksum.h"
#include <errno.h>
#include <net/ethernet.h>
#include <stdlib.h>

#define TCP_ACK 0x10
#define TCP_PSH 0x08
#define TCP_FIN 0x01
#define TCP_ECE 0x40

/* Of one message: the kernel takes at most UIO_MAXIOV, 1024. */
#define MESSAGE_IOVECS 900

#define MAX_PACKET 65535 /* an IP packet */

int weir_tx_batch_init(struct weir_tx_batch *b, bool gro)
{
    memset(b, 0, sizeof *b);
    b->gro = gro;
    b->memory = malloc(WEIR_TX_BYTES);
    return b->memory ? 0 : -ENOMEM;
}

void weir_tx_batch_destroy(struct weir_tx_batch *b)
{
    free(b->memory);
    b->memory = NULL;
}

static uint64_t sum_pieces(uint64_t sum, const struct iovec *iov, unsigned n, uint32_t skip)
{
    bool odd = false;

    for (unsigned i = 0; i < n; i++) {
        const uint8_t *p = iov[i].iov_base;
        size_t len = iov[i].iov_len;
        if (skip >= len) {
            skip -= (uint32_t)len;
            continue;
        }
        uint64_t piece = weir_sum(0, p + skip, len - skip);
        sum = weir_sum_add(sum, odd ? weir_sum_odd(piece) : piece);
        odd ^= (len - skip) & 1;
        skip = 0;
    }
    return sum;
}

static bool plain_ip(const struct weir_headers *h, const uint8_t *hdr)
{
    const uint8_t *ip = hdr + h->l3;
    uint8_t check[2];

    if (h->v6)
        return h->l4 - h->l3 == 40;
    if (h->l4 - h->l3 != 20 || weir_get_be16(ip + 6) != 0x4000) /* DF alone */
        return false;
    weir_put_sum(check, weir_sum(weir_sum(0, ip, 10), ip + 12, 8));
    return !memcmp(check, ip + 10, sizeof check);
}

/* A data segment that could be cut out of a super-frame just as it is. Its headers must lie in the
 * first piece. */
static bool can_join(struct weir_headers *h, const struct iovec *iov, unsigned n, uint32_t len)
{
    const uint8_t *hdr = iov[0].iov_base, *tcp;
    uint64_t sum;
    uint8_t check[2];

    if (iov[0].iov_len > UINT32_MAX || weir_headers_parse(h, hdr, (uint32_t)iov[0].iov_len))
        return false;
    tcp = hdr + h->l4;
    if (h->udp || h->l3 != ETHER_HDR_LEN || h->l3_end != len || h->end >= len || !plain_ip(h, hdr))
        return false;
    if (!(tcp[13] & TCP_ACK) || (tcp[13] & ~(TCP_ACK | TCP_PSH | TCP_FIN | TCP_ECE)) ||
        (tcp[12] & 15) || weir_get_be16(tcp + 18))
        return false;
    sum = weir_sum_be16(weir_headers_pseudo(h, hdr), (uint16_t)(len - h->l4));
    sum = weir_sum(weir_sum(sum, tcp, 16), tcp + 18, h->end - h->l4 - 18);
    weir_put_sum(check, sum_pieces(sum, iov, n, h->end));
    /* Zero has two forms, and who cuts may choose the other one. */
    return !memcmp(check, tcp + 16, sizeof check) && (check[0] | check[1]);
}

/* Do the headers of two segments differ only where cutting makes them differ? */
static bool same_headers(const struct weir_headers *h, const uint8_t *a, const uint8_t *b)
{
    const uint8_t *ia = a + h->l3, *ib = b + h->l3, *ta = a + h->l4, *tb = b + h->l4;

    if (memcmp(a, b, ETHER_HDR_LEN))
        return false;
    if (h->v6 ? memcmp(ia, ib, 4) || memcmp(ia + 6, ib + 6, 34)
              : memcmp(ia, ib, 2) || memcmp(ia + 6, ib + 6, 4) || memcmp(ia + 12, ib + 12, 8))
        return false;
    if ((ta[13] ^ tb[13]) & ~(TCP_PSH | TCP_FIN))
        return false;
    return !memcmp(ta, tb, 4) && !memcmp(ta + 8, tb + 8, 5) && !memcmp(ta + 14, tb + 14, 2) &&
           !memcmp(ta + 20, tb + 20, h->end - h->l4 - 20);
}

static bool continues(const struct weir_tx_batch *b, const struct weir_headers *h,
                      const uint8_t *hdr, uint32_t payload, unsigned n)
{
    const struct weir_tx_message *m;

    if (!b->flow.open)
        return false;
    m = &b->message[b->messages - 1];
    return h->v6 == b->flow.h.v6 && h->end == b->flow.h.end && payload <= b->flow.mss &&
           m->bytes - h->l3 + payload <= MAX_PACKET && m->iovs + n <= MESSAGE_IOVECS &&
           weir_get_be32(hdr + h->l4 + 4) == b->flow.seq &&
           (h->v6 || weir_get_be16(hdr + h->l3 + 4) == b->flow.id) &&
           same_headers(h, b->flow.hdr, hdr);
}

/* Append the pieces of a frame but its first skip bytes. */
static void append(struct weir_tx_batch *b, struct weir_tx_message *m, const struct iovec *iov,
                   unsigned n, size_t skip)
{
    for (unsigned i = 0; i < n; i++) {
        size_t cut = skip < iov[i].iov_len ? skip : iov[i].iov_len;
        skip -= cut;
        if (iov[i].iov_len == cut)
            continue;
        b->iov[b->iovs++] = (struct iovec){(uint8_t *)iov[i].iov_base + cut, iov[i].iov_len - cut};
        m->iovs++;
    }
}

static void begin(struct weir_tx_batch *b, const struct iovec *iov, unsigned n, uint32_t len,
                  const struct weir_headers *h)
{
    struct weir_tx_message *m = &b->message[b->messages++];
    const uint8_t *hdr = iov[0].iov_base;
    size_t skip = 0;

    memset(&m->vh, 0, sizeof m->vh);
    m->iov = b->iovs;
    m->iovs = 1;
    m->frames = 1;
    m->bytes = m->frame_bytes = len;
    b->iov[b->iovs++] = (struct iovec){&m->vh, sizeof m->vh};
    b->flow.open = h && !(hdr[h->l4 + 13] & (TCP_PSH | TCP_FIN));
    if (h) {
        /* The headers are a piece of their own, to be replaced when a second frame joins. */
        b->iov[b->iovs++] = (struct iovec){iov[0].iov_base, h->end};
        m->iovs++;
        skip = h->end;
        b->flow.h = *h;
        b->flow.mss = len - h->end;
        b->flow.seq = weir_get_be32(hdr + h->l4 + 4) + b->flow.mss;
        b->flow.id = h->v6 ? 0 : (uint16_t)(weir_get_be16(hdr + h->l3 + 4) + 1);
        b->flow.hdr = hdr;
    }
    append(b, m, iov, n, skip);
}

static void join(struct weir_tx_batch *b, const struct iovec *iov, unsigned n, uint32_t len,
                 const struct weir_headers *h)
{
    struct weir_tx_message *m = &b->message[b->messages - 1];
    const uint8_t *hdr = iov[0].iov_base;
    uint8_t *ip = m->hdr + h->l3, *tcp = m->hdr + h->l4, last = hdr[h->l4 + 13];
    uint32_t payload = len - h->end;
    uint16_t partial;

    if (m->frames++ == 1) {
        memcpy(m->hdr, b->flow.hdr, h->end);
        b->flow.hdr = m->hdr;
        b->iov[m->iov + 1].iov_base = m->hdr;
        m->vh.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        m->vh.gso_type = h->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
        m->vh.gso_size = (uint16_t)b->flow.mss;
        m->vh.hdr_len = (uint16_t)h->end;
        m->vh.csum_start = (uint16_t)h->l4;
        m->vh.csum_offset = 16;
    }
    append(b, m, iov, n, h->end);
    m->bytes += payload;
    m->frame_bytes += len;
    b->flow.seq += payload;
    b->flow.id++;
    b->flow.open = payload == b->flow.mss && !(last & (TCP_PSH | TCP_FIN));
    tcp[13] |= last & (TCP_PSH | TCP_FIN);
    if (h->v6) {
        weir_put_be16(ip + 4, (uint16_t)(m->bytes - h->l4));
    } else {
        weir_put_be16(ip + 2, (uint16_t)(m->bytes - h->l3));
        ip[10] = ip[11] = 0;
        weir_put_sum(ip + 10, weir_sum(0, ip, 20));
    }
    /* The kernel goes on from the pseudo-header's sum, not complemented. */
    partial =
        weir_sum_fold(weir_sum_be16(weir_headers_pseudo(h, m->hdr), (uint16_t)(m->bytes - h->l4)));
    memcpy(tcp + 16, &partial, sizeof partial);
}

bool weir_tx_batch_add(struct weir_tx_batch *b, const struct iovec *iov, unsigned n, uint32_t len)
{
    struct weir_headers h;
    bool joins;

    if (b->kept || b->bytes + len > WEIR_TX_BYTES || b->iovs + n + 2 > WEIR_TX_IOVECS)
        return false;
    joins = b->gro && n && can_join(&h, iov, n, len);
    if (joins && continues(b, &h, iov[0].iov_base, len - h.end, n)) {
        join(b, iov, n, len, &h);
    } else {
        if (b->messages == WEIR_TX_MESSAGES)
            return false;
        begin(b, iov, n, len, joins ? &h : NULL);
    }
    b->bytes += len;
    return true;
}

static void pass(struct weir_tx_batch *b)
{
    if (++b->first == b->messages) {
        b->first = b->messages = b->iovs = 0;
        b->bytes = 0;
        b->kept = false;
        b->flow.open = false;
    }
}

void weir_tx_batch_sent(struct weir_tx_batch *b, unsigned n)
{
    for (; n; n--) {
        const struct weir_tx_message *m = &b->message[b->first];
        if (m->frames > 1) {
            b->supers++;
            b->super_frames += m->frames;
            b->super_bytes += m->frame_bytes - m->bytes;
        }
        pass(b);
    }
}

void weir_tx_batch_drop(struct weir_tx_batch *b, unsigned n)
{
    for (; n; n--) {
        const struct weir_tx_message *m = &b->message[b->first];
        b->dropped += m->frames;
        b->dropped_bytes += m->frame_bytes;
        pass(b);
    }
}

bool weir_tx_batch_refuse(struct weir_tx_batch *b)
{
    bool news = b->gro && b->message[b->first].frames > 1;

    if (news)
        b->gro = false;
    weir_tx_batch_drop(b, 1);
    return news;
}

void weir_tx_batch_keep(struct weir_tx_batch *b)
{
    uint8_t *to = b->memory;

    b->flow.open = false;
    if (b->kept || weir_tx_batch_empty(b))
        return;
    for (unsigned i = b->first; i < b->messages; i++) {
        struct weir_tx_message *m = &b->message[i];
        uint8_t *start = to;
        for (unsigned j = 1; j < m->iovs; j++) {
            const struct iovec *v = &b->iov[m->iov + j];
            memcpy(to, v->iov_base, v->iov_len);
            to += v->iov_len;
        }
        b->iov[m->iov + 1] = (struct iovec){start, (size_t)(to - start)};
        m->iovs = 2;
    }
    b->kept = true;
}

void weir_tx_batch_stats(const struct weir_tx_batch *b, struct weir_model_stats *sum)
{
    sum->tx_super += b->supers;
    sum->tx_super_frames += b->super_frames;
    sum->tx_super_bytes += b->super_bytes;
    sum->tx_dropped += b->dropped;
    sum->tx_dropped_bytes += b->dropped_bytes;
}
