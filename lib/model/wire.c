/* SPDX-License-Identifier: BSD-3-Clause */
/* What all wires have in common: opening by kind, padding, lengths, the plug, counters. */
#include "lib/core/instance.h"
#include "lib/model/wires.h"
#include <errno.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <string.h>

/* Frames thrown away in one call while the cable is out, and when it is plugged in again or the
 * receiver is switched on: bounds against a source that never ends. */
#define DISCARD_RX   4096
#define DISCARD_PLUG (1u << 20)

struct weir_wire {
    const struct weir_wire_ops *ops;
    void *priv;
    bool plugged;
    struct weir_model_stats stats;
    uint8_t padded[WEIR_WIRE_MIN_FRAME];
};

static const struct weir_wire_ops *const builtin[] = {
    &weir_wire_loopback, &weir_wire_cable, &weir_wire_tap,
    &weir_wire_packet,   &weir_wire_pcap,  &weir_wire_gen,
};
#define BUILTIN (unsigned)(sizeof builtin / sizeof builtin[0])

static const struct weir_wire_ops *find(struct weir *w, const char *kind)
{
    const struct weir_wire_ops *ops = weir_named_find(w->wires, kind);

    for (unsigned i = 0; !ops && i < BUILTIN; i++)
        if (!strcmp(builtin[i]->kind, kind))
            ops = builtin[i];
    return ops;
}

const struct weir_wire_ops *weir_wire_at(const struct weir *w, unsigned n)
{
    const struct weir_named *added = w->wires;

    if (n < BUILTIN)
        return builtin[n];
    for (n -= BUILTIN; added && n; n--)
        added = added->next;
    return added ? added->what : NULL;
}

static int unknown(struct weir *w, const char *kind, struct weir_error *e)
{
    char list[320], printable[40];
    const struct weir_wire_ops *ops;
    size_t used = 0;

    list[0] = '\0';
    for (unsigned i = 0; used < sizeof list; i++) {
        ops = weir_wire_at(w, i);
        if (!ops)
            break;
        int n = snprintf(list + used, sizeof list - used, "%s%s%s%s", i ? "; " : "", ops->kind,
                         ops->help[0] ? ":" : "", ops->help);
        used += n > 0 ? (size_t)n : 0;
    }
    return weir_fail(e, -EINVAL, "wire-kind",
                     "open a wire\nthere is no kind of wire named '%s'\nkinds: %s",
                     weir_printable(printable, sizeof printable, kind, strlen(kind)), list);
}

struct weir_wire *weir_wire_open(struct weir *w, const char *spec, struct weir_error *e)
{
    size_t len = strcspn(spec, ":");
    struct weir_wire *wire;
    char kind[32];

    snprintf(kind, sizeof kind, "%.*s", (int)(len < sizeof kind ? len : sizeof kind), spec);
    wire = calloc(1, sizeof *wire);
    if (!wire) {
        weir_fail(e, -ENOMEM, "no-memory", "open a wire\nout of memory");
        return NULL;
    }
    wire->plugged = true;
    wire->ops = find(w, kind);
    if (!wire->ops) {
        unknown(w, kind, e);
        free(wire);
        return NULL;
    }
    if (wire->ops->open(w, spec[len] ? spec + len + 1 : "", &wire->priv, e)) {
        free(wire);
        return NULL;
    }
    return wire;
}

void weir_wire_close(struct weir_wire *wire)
{
    if (!wire)
        return;
    wire->ops->close(wire->priv);
    free(wire);
}

/* A frame that a wire can carry; the others are lost. */
static bool next(struct weir_wire *wire, struct weir_frame *frame)
{
    while (wire->ops->rx(wire->priv, frame)) {
        if (frame->len >= ETHER_HDR_LEN && frame->len <= WEIR_WIRE_MAX_FRAME)
            return true;
        wire->stats.rx_dropped++;
    }
    return false;
}

static void discard(struct weir_wire *wire, unsigned max)
{
    struct weir_frame frame;

    while (max-- && next(wire, &frame))
        wire->stats.rx_dropped++;
}

void weir_wire_discard(struct weir_wire *wire)
{
    if (wire->ops->live)
        discard(wire, DISCARD_PLUG);
}

bool weir_wire_rx(struct weir_wire *wire, struct weir_frame *frame)
{
    if (!wire->plugged) {
        discard(wire, DISCARD_RX);
        return false;
    }
    if (!next(wire, frame))
        return false;
    if (frame->len < WEIR_WIRE_MIN_FRAME) {
        memcpy(wire->padded, frame->data, frame->len);
        memset(wire->padded + frame->len, 0, WEIR_WIRE_MIN_FRAME - frame->len);
        wire->stats.rx_pad_bytes += WEIR_WIRE_MIN_FRAME - frame->len;
        *frame = (struct weir_frame){wire->padded, WEIR_WIRE_MIN_FRAME};
    }
    wire->stats.rx_frames++;
    wire->stats.rx_bytes += frame->len;
    return true;
}

static bool lose(struct weir_wire *wire, uint32_t len)
{
    wire->stats.tx_frames++;
    wire->stats.tx_bytes += len;
    wire->stats.tx_dropped++;
    wire->stats.tx_dropped_bytes += len;
    return true;
}

bool weir_wire_tx(struct weir_wire *wire, const struct iovec *iov, unsigned n, uint32_t len)
{
    static const uint8_t zeroes[WEIR_WIRE_MIN_FRAME];
    struct iovec padded[WEIR_WIRE_MAX_PIECES + 1];
    uint32_t wire_len = len < WEIR_WIRE_MIN_FRAME ? WEIR_WIRE_MIN_FRAME : len;
    size_t sum = 0;

    if (!wire->plugged || len > WEIR_WIRE_MAX_FRAME || n > WEIR_WIRE_MAX_PIECES)
        return lose(wire, wire_len);
    for (unsigned i = 0; i < n; i++)
        if (__builtin_add_overflow(sum, iov[i].iov_len, &sum))
            return lose(wire, wire_len);
    if (sum != len)
        return lose(wire, wire_len);
    if (len < WEIR_WIRE_MIN_FRAME) {
        memcpy(padded, iov, n * sizeof *iov);
        /* The kinds only read what they are given. */
        padded[n] = (struct iovec){(void *)(uintptr_t)zeroes, WEIR_WIRE_MIN_FRAME - len};
        iov = padded;
        n++;
    }
    if (!wire->ops->tx(wire->priv, iov, n, wire_len))
        return false;
    wire->stats.tx_frames++;
    wire->stats.tx_bytes += wire_len;
    return true;
}

void weir_wire_flush(struct weir_wire *wire)
{
    if (wire->ops->flush)
        wire->ops->flush(wire->priv);
}

uint64_t weir_wire_deadline(struct weir_wire *wire)
{
    return wire->plugged && wire->ops->deadline ? wire->ops->deadline(wire->priv) : UINT64_MAX;
}

int weir_wire_fd(const struct weir_wire *wire)
{
    return wire->ops->fd ? wire->ops->fd(wire->priv) : -1;
}

bool weir_wire_link(struct weir_wire *wire)
{
    return wire->plugged && (!wire->ops->link || wire->ops->link(wire->priv));
}

void weir_wire_set_link(struct weir_wire *wire, bool up)
{
    if (up == wire->plugged)
        return;
    if (up)
        discard(wire, DISCARD_PLUG);
    wire->plugged = up;
    if (wire->ops->set_link)
        wire->ops->set_link(wire->priv, up);
}

void weir_wire_stats(const struct weir_wire *wire, struct weir_model_stats *sum)
{
    sum->rx_frames += wire->stats.rx_frames;
    sum->rx_bytes += wire->stats.rx_bytes;
    sum->tx_frames += wire->stats.tx_frames;
    sum->tx_bytes += wire->stats.tx_bytes;
    sum->rx_pad_bytes += wire->stats.rx_pad_bytes;
    sum->rx_dropped += wire->stats.rx_dropped;
    sum->tx_dropped += wire->stats.tx_dropped;
    sum->tx_dropped_bytes += wire->stats.tx_dropped_bytes;
    if (wire->ops->stats)
        wire->ops->stats(wire->priv, sum);
}
