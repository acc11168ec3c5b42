/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What transmit descriptors ask for beyond sending (7.2.4, 7.2.5): VLAN tags, checksums,
 * segmentation. Headers are changed in a copy; the payload stays where it is.
 */
#include "sum.h"
#include "xm.h"

#define MAX_HEADERS 512 /* MACLEN 127 + IPLEN 511 would be more than any real frame has */

/* Offsets from a context descriptor. */
struct headers {
    uint32_t l2, l3; /* lengths */
    bool ipv4;
    unsigned l4t;
};

static struct headers headers_of(const struct xm_frame *f)
{
    return (struct headers){
        .l2 = weir_field_get(f->ctx->vlan_macip_lens, X540_CTXD_MACLEN),
        .l3 = weir_field_get(f->ctx->vlan_macip_lens, X540_CTXD_IPLEN),
        .ipv4 = f->ctx->type_tucmd_mlhl & X540_CTXD_TUCMD_IPV4,
        .l4t = weir_field_get(f->ctx->type_tucmd_mlhl, X540_CTXD_TUCMD_L4T),
    };
}

/* Pieces of a frame from off on, len bytes; returns how many. */
static unsigned slice(const struct iovec *in, unsigned n, uint32_t off, uint32_t len,
                      struct iovec *out)
{
    unsigned k = 0;
    for (unsigned i = 0; i < n && len; i++) {
        uint32_t have = (uint32_t)in[i].iov_len;
        if (off >= have) {
            off -= have;
            continue;
        }
        uint32_t part = have - off < len ? have - off : len;
        out[k++] = (struct iovec){.iov_base = (uint8_t *)in[i].iov_base + off, .iov_len = part};
        len -= part;
        off = 0;
    }
    return k;
}

static void copy_out(const struct iovec *in, unsigned n, uint8_t *to, uint32_t len)
{
    for (unsigned i = 0; i < n && len; i++) {
        uint32_t part = in[i].iov_len < len ? (uint32_t)in[i].iov_len : len;
        memcpy(to, in[i].iov_base, part);
        to += part;
        len -= part;
    }
}

/* Sum of pieces, whose pieces may begin at odd offsets. */
static uint64_t sum_pieces(uint64_t sum, const struct iovec *iov, unsigned n)
{
    uint32_t off = 0;
    for (unsigned i = 0; i < n; i++) {
        uint64_t piece = xm_sum(0, iov[i].iov_base, (uint32_t)iov[i].iov_len);
        sum = off & 1 ? xm_sum_odd(sum, piece) : sum + xm_fold(piece);
        off += (uint32_t)iov[i].iov_len;
    }
    return sum;
}

static uint32_t vlan_tag(const struct xm *x, const struct xm_frame *f)
{
    uint32_t type = weir_field_get(weir_xm_get(x, X540_DMATXCTL), X540_DMATXCTL_VT);
    uint32_t tag = f->legacy ? weir_field_get(f->olinfo, X540_TXD_LEGACY_VLAN)
                             : weir_field_get(f->ctx->vlan_macip_lens, X540_CTXD_VLAN);
    return type << 16 | tag;
}

/* Memory for a copy of len bytes of headers and, behind it, a tag: in one piece, as another one
 * could flush and give the first away. */
static uint8_t *header_copy(struct xm *x, uint32_t len)
{
    return weir_xm_scratch(x, len + 4);
}

/* Send a header copy, which may get a tag behind its addresses, and payload. */
static bool send_copy(struct xm *x, const struct xm_frame *f, uint8_t *head, uint32_t head_len,
                      const struct iovec *rest, unsigned n, uint32_t rest_len)
{
    struct iovec iov[XM_MAX_PIECES + 3];
    unsigned k = 0;

    if (f->cmd & X540_TXD_CMD_VLE) {
        uint8_t *tag = head + head_len;
        xm_put_be32(tag, vlan_tag(x, f));
        iov[k++] = (struct iovec){.iov_base = head, .iov_len = 12};
        iov[k++] = (struct iovec){.iov_base = tag, .iov_len = 4};
        if (head_len > 12)
            iov[k++] = (struct iovec){.iov_base = head + 12, .iov_len = head_len - 12};
        head_len += 4;
    } else {
        iov[k++] = (struct iovec){.iov_base = head, .iov_len = head_len};
    }
    memcpy(iov + k, rest, n * sizeof(*iov));
    return weir_xm_wire(x, f->queue, iov, k + n, head_len + rest_len);
}

/* Where a transport checksum is in its header; 0: none known. */
static unsigned check_offset(unsigned l4t)
{
    return l4t == X540_L4T_TCP ? 16 : l4t == X540_L4T_UDP ? 6 : 0;
}

static void put_l4_sum(uint8_t *at, uint64_t sum, unsigned l4t)
{
    xm_put_sum(at, sum);
    if (l4t == X540_L4T_UDP && at[0] == 0 && at[1] == 0)
        at[0] = at[1] = 0xff; /* zero means none (RFC 768) */
}

static int send_whole(struct xm *x, struct xm_frame *f, unsigned *sent, const char **why)
{
    bool ip = !f->legacy && f->olinfo & X540_TXD_POPTS_IXSM;
    bool l4 = !f->legacy && f->olinfo & X540_TXD_POPTS_TXSM;
    bool ic = f->legacy && f->cmd & X540_TXD_CMD_IC;
    struct headers h = {0};
    uint32_t need = 12, css = 0, cso = 0; /* bytes that must be in a copy */

    if (ip || l4) {
        h = headers_of(f);
        need = h.l2 + h.l3 + (l4 ? check_offset(h.l4t) + 2 : 0);
        if (h.l2 < 14 || (ip && h.l3 < 20)) {
            *why = "its context has no MAC or IP header length";
            return 0;
        }
        if (l4 && !check_offset(h.l4t)) {
            *why = "only TCP and UDP checksums are modelled";
            return 0;
        }
    }
    if (ic) {
        cso = weir_field_get(f->cmd, X540_TXD_LEGACY_CSO);
        css = weir_field_get(f->olinfo, X540_TXD_LEGACY_CSS);
        need = (cso > css ? cso : css) + 2;
    }
    if (need > f->len || need > MAX_HEADERS) {
        *why = "its headers are longer than it is";
        return 0;
    }

    uint8_t *head = header_copy(x, need);
    if (!head)
        return -1;
    struct iovec rest[XM_MAX_PIECES];
    copy_out(f->iov, f->n, head, need);
    unsigned n = slice(f->iov, f->n, need, f->len - need, rest);
    if (l4) {
        /* Over everything behind the IP header; software left the pseudo-header's sum in the field.
         */
        uint32_t at = h.l2 + h.l3;
        struct iovec all[XM_MAX_PIECES + 1];
        all[0] = (struct iovec){.iov_base = head + at, .iov_len = need - at};
        memcpy(all + 1, rest, n * sizeof(*rest));
        put_l4_sum(head + at + check_offset(h.l4t), sum_pieces(0, all, n + 1), h.l4t);
    }
    if (ip && h.ipv4) {
        memset(head + h.l2 + 10, 0, 2);
        xm_put_sum(head + h.l2 + 10, xm_sum(0, head + h.l2, h.l3));
    }
    if (ic) {
        struct iovec all[XM_MAX_PIECES + 1];
        all[0] = (struct iovec){.iov_base = head + css, .iov_len = need - css};
        memcpy(all + 1, rest, n * sizeof(*rest));
        xm_put_sum(head + cso, sum_pieces(0, all, n + 1));
    }
    if (!send_copy(x, f, head, need, rest, n, f->len - need))
        return -1;
    *sent = 1;
    return 1;
}

/* Segmentation (7.2.4): every segment gets the headers, with lengths, id, sequence number, flags
 * and checksums of its own. */
static int send_segments(struct xm *x, struct xm_frame *f, unsigned *sent, const char **why)
{
    struct headers h = headers_of(f);
    uint32_t l4len = weir_field_get(f->ctx->mss_l4len_idx, X540_CTXD_L4LEN);
    uint32_t mss = weir_field_get(f->ctx->mss_l4len_idx, X540_CTXD_MSS);
    uint32_t head_len = h.l2 + h.l3 + l4len, at = h.l2 + h.l3;
    bool tcp = h.l4t == X540_L4T_TCP;
    uint8_t proto[MAX_HEADERS];
    unsigned n_flags;

    if (!check_offset(h.l4t) || h.l2 < 14 || h.l3 < (h.ipv4 ? 20u : 40u) ||
        l4len < (tcp ? 20u : 8u) || head_len > MAX_HEADERS || head_len >= f->len || !mss ||
        head_len + mss + XM_CRC > X540_MAX_FRAME) {
        *why = "the context of its segmentation has impossible lengths";
        return 0;
    }
    copy_out(f->iov, f->n, proto, head_len);
    uint32_t payload = f->len - head_len, seq = tcp ? xm_be32(proto + at + 4) : 0;
    uint32_t id = h.ipv4 ? xm_be16(proto + h.l2 + 4) : 0;
    uint32_t low = weir_xm_get(x, X540_DTXTCPFLGL), high = weir_xm_get(x, X540_DTXTCPFLGH);

    /* Where the wire took no more last time. Software may have changed the frame since. */
    uint32_t *resume = &x->txq[f->queue].resume;
    uint32_t start = *resume < payload && *resume % mss == 0 ? *resume : 0;
    id += start / mss;
    for (uint32_t off = start; off < payload; off += mss) {
        uint32_t part = payload - off < mss ? payload - off : mss;
        bool first = off == 0, last = off + part == payload;
        struct iovec rest[XM_MAX_PIECES], all[XM_MAX_PIECES + 1];
        uint8_t *head = header_copy(x, head_len);
        *resume = off;
        if (!head)
            return -1;
        uint8_t *l4 = head + at;
        memcpy(head, proto, head_len);
        unsigned n = slice(f->iov, f->n, head_len + off, part, rest);
        uint32_t l4_total = l4len + part;
        if (h.ipv4) {
            xm_put_be16(head + h.l2 + 2, h.l3 + l4_total);
            xm_put_be16(head + h.l2 + 4, id++);
            memset(head + h.l2 + 10, 0, 2);
            xm_put_sum(head + h.l2 + 10, xm_sum(0, head + h.l2, h.l3));
        } else {
            xm_put_be16(head + h.l2 + 4, h.l3 - 40 + l4_total);
        }
        if (tcp) {
            n_flags = last    ? weir_field_get(high, X540_DTXTCPFLGH_TCP_FLG_LST_SEG)
                      : first ? weir_field_get(low, X540_DTXTCPFLGL_TCP_FLG_FIRST_SEG)
                              : weir_field_get(low, X540_DTXTCPFLGL_TCP_FLG_MID_SEG);
            xm_put_be32(l4 + 4, seq + off);
            /* A frame of one segment is first and last: nothing is taken away that the last keeps.
             */
            xm_put_be16(l4 + 12, xm_be16(l4 + 12) & (0xf000u | (first && last ? 0xfff : n_flags)));
        } else {
            xm_put_be16(l4 + 4, l4_total);
        }
        /* The field holds the pseudo-header's sum without the length, which only now is known. */
        all[0] = (struct iovec){.iov_base = l4, .iov_len = l4len};
        memcpy(all + 1, rest, n * sizeof(*rest));
        put_l4_sum(l4 + check_offset(h.l4t), sum_pieces(xm_sum_be16(0, l4_total), all, n + 1),
                   h.l4t);
        if (!send_copy(x, f, head, head_len, rest, n, part))
            return -1;
        ++*sent;
    }
    return 1;
}

int weir_xm_send(struct xm *x, struct xm_frame *f, unsigned *sent, const char **why)
{
    if (f->len < 14) {
        *why = "shorter than an Ethernet header";
        return 0;
    }
    /* Without IFCS the software brought its own CRC. A frame with a wrong one arrives nowhere. */
    if (!(f->cmd & X540_TXD_CMD_IFCS)) {
        uint8_t crc[XM_CRC], *all = weir_xm_scratch(x, f->len);
        if (!all || f->len < XM_MIN_FRAME + XM_CRC) {
            *why = "IFCS is not set, and it is too short to end in a CRC";
            return 0;
        }
        x->scratch_floor = x->scratch_used;
        copy_out(f->iov, f->n, all, f->len);
        f->len -= XM_CRC;
        weir_xm_crc(all, f->len, crc);
        if (memcmp(crc, all + f->len, XM_CRC) != 0) {
            *why = "IFCS is not set, and it does not end in its CRC";
            return 0;
        }
        f->iov[0] = (struct iovec){.iov_base = all, .iov_len = f->len};
        f->n = 1;
    }
    if (!f->legacy && f->cmd & X540_TXD_CMD_TSE)
        return send_segments(x, f, sent, why);
    if (f->len > X540_MAX_FRAME - XM_CRC) {
        *why = "longer than 15.5 KiB";
        return 0;
    }
    bool plain = f->legacy ? !(f->cmd & (X540_TXD_CMD_VLE | X540_TXD_CMD_IC))
                           : !(f->cmd & X540_TXD_CMD_VLE) &&
                                 !(f->olinfo & (X540_TXD_POPTS_IXSM | X540_TXD_POPTS_TXSM));
    if (!plain)
        return send_whole(x, f, sent, why);
    if (!weir_xm_wire(x, f->queue, f->iov, f->n, f->len))
        return -1;
    *sent = 1;
    return 1;
}
