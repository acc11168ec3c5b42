/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transmit path (7.2): descriptors to frames to the wire. Frames go to the wire as pieces of
 * host memory, so descriptors are only reported done after the wire was flushed.
 */
#include "xm.h"
#include <errno.h>
#include <time.h>

#define MAX_REPORTS 256 /* descriptors with RS between flushes */
#define RETRY_NS    50000
/* With the index of a descriptor to report: it has the legacy format. */
#define REPORT_LEGACY 0x80000000u

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void flush(struct xm *x)
{
    if (x->wire)
        weir_wire_flush(x->wire);
    x->scratch_used = x->scratch_floor;
}

uint8_t *weir_xm_scratch(struct xm *x, uint32_t len)
{
    len = (len + 15) & ~15u;
    if (x->scratch_used + len > XM_SCRATCH)
        flush(x);
    if (x->scratch_used + len > XM_SCRATCH)
        return NULL;
    uint8_t *p = x->scratch + x->scratch_used;
    x->scratch_used += len;
    return p;
}

static void gather(uint8_t *to, const struct iovec *iov, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        memcpy(to, iov[i].iov_base, iov[i].iov_len);
        to += iov[i].iov_len;
    }
}

bool weir_xm_wire(struct xm *x, unsigned queue, const struct iovec *iov, unsigned n, uint32_t len)
{
    bool loopback = weir_xm_get(x, X540_HLREG0) & X540_HLREG0_LPBK;
    uint8_t dest[6];

    for (uint32_t i = 0, at = 0; i < n && at < 6; i++) {
        uint32_t part = iov[i].iov_len < 6 - at ? (uint32_t)iov[i].iov_len : 6 - at;
        memcpy(dest + at, iov[i].iov_base, part);
        at += part;
    }
    if (loopback) {
        uint8_t *copy = weir_xm_scratch(x, len < XM_MIN_FRAME ? XM_MIN_FRAME : len);
        if (!copy)
            return false;
        memset(copy, 0, XM_MIN_FRAME);
        gather(copy, iov, n);
        weir_xm_rx_loopback(x, copy, len < XM_MIN_FRAME ? XM_MIN_FRAME : len);
    } else if (x->wire && !weir_wire_tx(x->wire, iov, n, len)) {
        /* Not flush(): this frame's own pieces of the scratch stay taken until the flush after the
         * wire has accepted it. */
        weir_wire_flush(x->wire);
        if (!weir_wire_tx(x->wire, iov, n, len)) {
            x->scratch_used = x->scratch_floor;
            return false;
        }
    }
    if (loopback || weir_xm_link_up(x))
        weir_xm_count_tx(x, queue, dest, len);
    return true;
}

/* Report descriptors done, as their queue wants it: DD in the descriptor or the head in memory
 * (7.2.3.5). */
static bool complete(struct xm *x, unsigned index, uint32_t head, const uint32_t *reports,
                     unsigned n)
{
    struct xm_ring *r = &x->txq[index].ring;
    uint32_t wbal = weir_xm_get(x, x540_txq(X540_TDWBAL, index));
    struct weir_dma_who who = {.queue = "tx", .queue_index = index};

    r->head = head;
    if (!n)
        return true;
    weir_wmb();
    if (wbal & X540_TDWBAL_HEAD_WB_EN) {
        uint64_t to = (uint64_t)weir_xm_get(x, x540_txq(X540_TDWBAH, index)) << 32 |
                      (wbal & X540_TDWBAL_HEADWB_LOW);
        uint32_t le = weir_le32(head);
        who.descriptor = head;
        int err = weir_model_dma_write(x->model, to, &le, 4, &who);
        if (err) {
            weir_xm_failed(x, r, err, &who);
            return false;
        }
    } else {
        for (unsigned i = 0; i < n; i++) {
            who.descriptor = reports[i] & ~REPORT_LEGACY;
            if (!weir_xm_done(x, r, who.descriptor, reports[i] & REPORT_LEGACY, &who))
                return false;
        }
    }
    x->tx_cause[index / 64] |= (uint64_t)1 << (index % 64);
    return true;
}

/* Add a descriptor's buffer to a frame. False if it was refused. */
static bool add_piece(struct xm *x, struct xm_ring *r, struct xm_frame *f, uint64_t iova,
                      uint32_t len, const struct weir_dma_who *who)
{
    void *p = weir_siommu_ptr(weir_model_siommu(x->model), iova, len, false);
    if (!p) {
        p = weir_xm_scratch(x, len);
        int err = p ? weir_model_dma_read(x->model, iova, p, len, who) : -ENOMEM;
        if (err) {
            weir_xm_failed(x, r, err, who);
            return false;
        }
        x->scratch_floor = x->scratch_used; /* stays until this frame is sent */
    } else {
        weir_xm_touch(x, iova, len, who);
    }
    f->iov[f->n++] = (struct iovec){.iov_base = p, .iov_len = len};
    f->len += len;
    return true;
}

static void bad_frame(struct xm *x, struct xm_ring *r, const struct weir_dma_who *who,
                      const char *why)
{
    if (r->warned)
        return;
    r->warned = true;
    weir_log(x->weir, WEIR_LOG_WARNING, "x540",
             "transmit queue %u: the frame that ends in descriptor %u is not sent: %s",
             who->queue_index, who->descriptor, why);
}

/* One frame being put together from descriptors. */
enum fetch { FETCH_FRAME, FETCH_CONTEXT, FETCH_NONE, FETCH_FAULT };

struct fetched {
    struct xm_frame frame;
    const char *bad; /* why it cannot be sent, or NULL */
    uint32_t next;   /* descriptor behind it */
    uint32_t reports[XM_MAX_PIECES];
    unsigned n_reports;
};

static enum fetch fetch(struct xm *x, unsigned index, uint32_t at, struct fetched *out,
                        struct weir_dma_who *who)
{
    struct xm_txq *q = &x->txq[index];
    struct xm_ring *r = &q->ring;
    struct xm_frame *f = &out->frame;
    bool first = true;

    f->n = 0;
    f->len = 0;
    f->queue = index;
    out->bad = NULL;
    out->n_reports = 0;
    for (; at != r->tail;) {
        struct x540_tx_desc d;
        who->descriptor = at;
        if (!weir_xm_desc_get(x, r, at, d.qw, who))
            return FETCH_FAULT;
        uint32_t cmd = (uint32_t)d.qw[1], info = (uint32_t)(d.qw[1] >> 32);
        bool legacy = !(cmd & X540_TXD_CMD_DEXT);
        unsigned type = weir_field_get(cmd, X540_TXD_DTYP);

        if (cmd & X540_TXD_CMD_RS) {
            if (out->n_reports == XM_MAX_PIECES) /* of a frame that is too long the last counts */
                out->n_reports--;
            out->reports[out->n_reports++] = at | (legacy ? REPORT_LEGACY : 0);
        }
        at = at + 1 == r->count ? 0 : at + 1;
        out->next = at;
        if (!legacy && type == X540_DTYP_CONTEXT) {
            struct x540_tx_ctx c = {.vlan_macip_lens = (uint32_t)d.qw[0],
                                    .fcoef_sa = (uint32_t)(d.qw[0] >> 32),
                                    .type_tucmd_mlhl = cmd,
                                    .mss_l4len_idx = info};
            if (!first) {
                out->bad = "a context descriptor inside it";
                continue;
            }
            q->ctx[weir_field_get(info, X540_CTXD_IDX)] = c;
            return FETCH_CONTEXT;
        }
        if (first) {
            f->cmd = cmd;
            f->olinfo = info;
            f->legacy = legacy;
            f->ctx = &q->ctx[weir_field_get(info, X540_TXD_IDX) & 1];
            first = false;
        }
        if (!legacy && type != X540_DTYP_DATA)
            out->bad = "a descriptor of unknown type";
        uint32_t len = weir_field_get(cmd, X540_TXD_DTALEN);
        if (len && !out->bad) {
            bool tso = !f->legacy && f->cmd & X540_TXD_CMD_TSE;
            if (f->n == XM_MAX_PIECES)
                out->bad = "more than 40 buffers";
            else if (f->len + len > (tso ? XM_MAX_TSO + 256 : X540_MAX_FRAME))
                out->bad = "longer than 15.5 KiB, or 256 KiB to be segmented";
            else if (!add_piece(x, r, f, d.qw[0], len, who))
                return FETCH_FAULT;
        }
        if (cmd & X540_TXD_CMD_EOP)
            return FETCH_FRAME;
    }
    return FETCH_NONE; /* its end is not there yet */
}

/* What a device might get wrong without saying so, said. */
static void check_length(struct xm *x, struct xm_ring *r, const struct xm_frame *f,
                         const struct weir_dma_who *who)
{
    uint32_t told = weir_field_get(f->olinfo, X540_TXD_PAYLEN);

    if (f->legacy || r->warned || told == f->len || f->cmd & X540_TXD_CMD_TSE)
        return;
    r->warned = true;
    weir_log(x->weir, WEIR_LOG_WARNING, "x540",
             "transmit queue %u: PAYLEN of the frame that ends in descriptor %u is %u, its buffers "
             "hold %u bytes",
             who->queue_index, who->descriptor, told, f->len);
}

/* Frames of one queue, at most @budget. */
static unsigned run_queue(struct xm *x, unsigned index, unsigned budget, bool *more)
{
    struct xm_ring *r = &x->txq[index].ring;
    struct weir_dma_who who = {.queue = "tx", .queue_index = index};
    struct fetched in;
    uint32_t reports[MAX_REPORTS + XM_MAX_PIECES];
    unsigned n = 0, moved = 0;
    uint32_t head = r->head;

    *more = false;
    x->scratch_used = x->scratch_floor = 0;
    while (head != r->tail && !r->stopped) {
        if (moved >= budget || n >= MAX_REPORTS) {
            *more = true;
            break;
        }
        if (x->scratch_used > XM_SCRATCH / 4) /* leaves room for the largest frame */
            flush(x);
        enum fetch what = fetch(x, index, head, &in, &who);
        if (what == FETCH_NONE && (r->tail + 1) % r->count == head)
            bad_frame(x, r, &who, "the whole ring holds no end of it");
        if (what == FETCH_FAULT || what == FETCH_NONE) {
            *more = x->dma_later; /* from the frame's first descriptor on */
            break;
        }
        if (what == FETCH_FRAME) {
            const char *why = in.bad;
            unsigned sent = 0;
            check_length(x, r, &in.frame, &who);
            int ok = why ? 0 : weir_xm_send(x, &in.frame, &sent, &why);
            if (ok < 0) {
                moved += sent;
                x->tx_retry = now_ns() + RETRY_NS;
                *more = true;
                break;
            }
            x->txq[index].resume = 0;
            if (!ok)
                bad_frame(x, r, &who, why);
            moved += sent ? sent : 1;
            x->scratch_floor = 0;
        }
        head = in.next;
        memcpy(reports + n, in.reports, in.n_reports * sizeof(*reports));
        n += in.n_reports;
    }
    x->scratch_floor = 0;
    flush(x);
    complete(x, index, head, reports, n);
    return moved;
}

static bool sends(const struct xm *x)
{
    return weir_xm_get(x, X540_DMATXCTL) & X540_DMATXCTL_TE && !x->stall_tx && weir_xm_dma(x);
}

bool weir_xm_tx_pending(const struct xm *x)
{
    return (x->tx_work[0] || x->tx_work[1]) && sends(x);
}

/* Next queue with work from @from on, round; -1 if there is none. */
static int next_queue(const struct xm *x, unsigned from)
{
    for (unsigned k = 0; k < 3; k++) {
        unsigned half = (from / 64 + k) % 2;
        uint64_t work = x->tx_work[half];
        if (k == 0)
            work &= UINT64_MAX << (from % 64);
        else if (k == 2)
            work &= ~(UINT64_MAX << (from % 64));
        if (work)
            return (int)(half * 64) + __builtin_ctzll(work);
    }
    return -1;
}

unsigned weir_xm_tx_step(struct xm *x, unsigned budget)
{
    unsigned moved = 0;
    int q;

    if (!sends(x) || (x->tx_retry && now_ns() < x->tx_retry))
        return 0;
    x->tx_retry = 0;
    while (moved < budget && !x->tx_retry && !x->dma_later &&
           (q = next_queue(x, x->tx_next)) >= 0) {
        struct xm_ring *r = &x->txq[q].ring;
        bool more = false;
        if (r->enabled && !r->stopped) {
            unsigned share = budget - moved < XM_BATCH ? budget - moved : XM_BATCH;
            moved += run_queue(x, (unsigned)q, share, &more);
        }
        if (!more)
            x->tx_work[q / 64] &= ~((uint64_t)1 << (q % 64));
        x->tx_next = ((unsigned)q + 1) % X540_TX_QUEUES;
    }
    return moved;
}
