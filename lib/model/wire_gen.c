/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A traffic generator: valid Ethernet, IPv4 and UDP frames at a pace, each with its flow and its
 * number in the flow; and, with "verify", a judge of those that come back.
 *
 * Addresses are those set aside for benchmarks (RFC 2544, appendix C.2.2). One frame is kept and
 * patched, so that making the next one costs a few stores.
 */
#include "lib/core/clock.h"
#include "lib/core/instance.h"
#include "lib/model/checksum.h"
#include "lib/model/wires.h"
#include <errno.h>
#include <inttypes.h>
#include <net/ethernet.h>
#include <stdlib.h>

#define NS_PER_S 1000000000u

/* Frames due that nobody pulled: what a MAC's buffer would hold; the rest is lost. */
#define QUEUE 4096

#define MAX_FLOWS 1048576
#define MAX_RATE  1000000000u

/* Offsets in the frame. */
#define IP    ETHER_HDR_LEN
#define UDP   (IP + 20)
#define DATA  (UDP + 8)
#define FLOW  (DATA + 4)
#define SEQ   (DATA + 8)
#define FILL  (DATA + 16)
#define MAGIC 0x57454952u /* "WEIR" */

#define SRC_NET 0xc6120001u /* 198.18.0.1, and up by one every 16384 flows */
#define DST_IP  0xc6130001u /* 198.19.0.1 */
#define PORTS   16384u
#define PORT0   49152u
#define DISCARD 9u /* the UDP port to which nobody answers (RFC 863) */

struct gen {
    struct weir *w;
    uint64_t size[2], rate, count, flows, seed; /* count 0: none, it only takes frames */
    bool verify, pulled, started;
    uint8_t src[6], dst[6];
    uint64_t start;  /* when frame 0 was due */
    uint64_t made;   /* frames delivered */
    uint64_t missed; /* frames due and lost */
    uint64_t credit; /* frames known to be due */
    uint64_t random;
    uint32_t flow;
    uint64_t *next_seq; /* per flow: to send */
    uint64_t *expect;   /* per flow: to come back */
    uint64_t ip_base;   /* sum of what is the same in all IP headers */
    uint64_t udp_base;  /* and of UDP's pseudo-header, header and data */
    uint32_t *fill_sum; /* folded sum of the first n bytes of the fill */
    uint64_t good, missing, late, bad;
    uint8_t frame[WEIR_WIRE_MAX_FRAME];
    uint8_t back[WEIR_WIRE_MAX_FRAME];
};

/* The fill differs at every offset within 251 bytes, so that shifted data shows. */
static uint8_t fill_byte(uint32_t i)
{
    return (uint8_t)(i % 251);
}

static void make_template(struct gen *g)
{
    uint8_t *f = g->frame;
    uint64_t sum = 0;

    memcpy(f, g->dst, 6);
    memcpy(f + 6, g->src, 6);
    weir_put_be16(f + 12, ETHERTYPE_IP);
    f[IP] = 0x45;
    weir_put_be16(f + IP + 6, 0x4000); /* do not fragment: the ID may stay zero (RFC 6864) */
    f[IP + 8] = 64;
    f[IP + 9] = 17;
    weir_put_be32(f + IP + 16, DST_IP);
    weir_put_be16(f + UDP + 2, DISCARD);
    weir_put_be32(f + DATA, MAGIC);
    g->ip_base = weir_sum(0, f + IP, 20);
    g->udp_base = weir_sum_be16(weir_sum_be32(0, DST_IP), 17);
    g->udp_base = weir_sum_be32(weir_sum_be16(g->udp_base, DISCARD), MAGIC);
    g->fill_sum[0] = 0;
    for (uint32_t i = 0; FILL + i < sizeof g->frame; i++) {
        uint8_t pair[2] = {0, 0};
        f[FILL + i] = fill_byte(i);
        pair[i & 1] = fill_byte(i);
        sum = weir_sum(sum, pair, 2);
        g->fill_sum[i + 1] = weir_sum_fold(sum);
    }
}

static int set_up(struct gen *g, struct weir_error *e)
{
    g->next_seq = calloc(g->flows, sizeof *g->next_seq);
    g->expect = g->verify ? calloc(g->flows, sizeof *g->expect) : NULL;
    g->fill_sum = malloc(sizeof g->frame * sizeof *g->fill_sum);
    if (!g->next_seq || !g->fill_sum || (g->verify && !g->expect))
        return weir_fail(e, -ENOMEM, "no-memory", "open a gen wire\nout of memory");
    g->random = g->seed * 2 + 1; /* never zero */
    make_template(g);
    return 0;
}

static void gen_close(void *priv)
{
    struct gen *g = priv;

    if (g->verify)
        weir_log(g->w, g->missing || g->late || g->bad ? WEIR_LOG_WARNING : WEIR_LOG_INFO, "wire",
                 "gen: sent %" PRIu64 ", came back: %" PRIu64 " good, %" PRIu64 " missing, %" PRIu64
                 " late, %" PRIu64 " bad",
                 g->made, g->good, g->missing, g->late, g->bad);
    free(g->next_seq);
    free(g->expect);
    free(g->fill_sum);
    free(g);
}

static int gen_open(struct weir *w, const char *args, void **priv, struct weir_error *e)
{
    struct gen *g = calloc(1, sizeof *g);
    char *kind = NULL;
    int err;

    if (!g)
        return weir_fail(e, -ENOMEM, "no-memory", "open a gen wire\nout of memory");
    const struct weir_arg table[] = {
        {"size", WEIR_ARG_RANGE, g->size, WEIR_WIRE_MIN_FRAME, WEIR_WIRE_MAX_FRAME},
        {"rate", WEIR_ARG_COUNT, &g->rate, 0, MAX_RATE},
        {"count", WEIR_ARG_COUNT, &g->count, 0, UINT64_MAX},
        {"flows", WEIR_ARG_COUNT, &g->flows, 1, MAX_FLOWS},
        {"seed", WEIR_ARG_COUNT, &g->seed, 0, UINT64_MAX / 2},
        {"src", WEIR_ARG_MAC, g->src, 0, 0},
        {"dst", WEIR_ARG_MAC, g->dst, 0, 0},
        {"kind", WEIR_ARG_TEXT, &kind, 0, 0},
        {"verify", WEIR_ARG_FLAG, &g->verify, 0, 0},
    };
    g->w = w;
    g->size[0] = g->size[1] = WEIR_WIRE_MIN_FRAME;
    g->flows = 1;
    g->count = UINT64_MAX;                 /* without end */
    memcpy(g->src, "\x02\0\0\0\0\x01", 6); /* locally administered */
    memcpy(g->dst, "\x02\0\0\0\0\x02", 6);
    err = weir_args_parse("gen", args, table, sizeof table / sizeof table[0], e);
    if (!err && kind && strcmp(kind, "udp4"))
        err = weir_fail(e, -EINVAL, "wire-arg",
                        "open a wire of kind gen\nargument 'kind': it is not udp4\n"
                        "leave it out, or say kind=udp4");
    free(kind);
    if (!err)
        err = set_up(g, e);
    if (err) {
        g->verify = false;
        gen_close(g);
        return err;
    }
    *priv = g;
    return 0;
}

/* Frames due after so much time, exactly: no rounding adds up. The first is due at once. */
static uint64_t due_after(const struct gen *g, uint64_t ns)
{
    return ns / NS_PER_S * g->rate + ns % NS_PER_S * g->rate / NS_PER_S + 1;
}

/* The least time after which frame number n is due. */
static uint64_t time_of(const struct gen *g, uint64_t n)
{
    return n / g->rate * NS_PER_S + (n % g->rate * NS_PER_S + g->rate - 1) / g->rate;
}

static bool has_credit(struct gen *g)
{
    uint64_t now, due;

    if (g->made + g->missed >= g->count)
        return false;
    if (!g->rate)
        return !g->pulled; /* nobody pulls frames from a pulled cable */
    if (g->credit)
        return true;
    now = weir_now_ns();
    if (!g->started) {
        if (g->pulled)
            return false; /* it begins with the cable plugged in; what is due later is lost if not
                           */
        g->started = true;
        g->start = now;
    }
    due = due_after(g, now - g->start);
    if (due > g->count)
        due = g->count;
    g->credit = due - g->made - g->missed;
    if (g->credit > QUEUE) {
        g->missed += g->credit - QUEUE;
        g->credit = QUEUE;
    }
    return g->credit != 0;
}

static uint32_t next_size(struct gen *g)
{
    uint64_t span = g->size[1] - g->size[0] + 1;

    if (span == 1)
        return (uint32_t)g->size[0];
    /* xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators") */
    g->random ^= g->random >> 12;
    g->random ^= g->random << 25;
    g->random ^= g->random >> 27;
    return (uint32_t)(g->size[0] + ((g->random * 0x2545f4914f6cdd1du) >> 32) * span / (1ull << 32));
}

static bool gen_rx(void *priv, struct weir_frame *frame)
{
    struct gen *g = priv;
    uint8_t *f = g->frame;
    uint32_t len, src, flow = g->flow;
    uint64_t sum, seq;
    uint16_t port, udp_len, check;

    if (!has_credit(g))
        return false;
    if (g->rate)
        g->credit--;
    g->made++;
    g->flow = flow + 1 == g->flows ? 0 : flow + 1;
    seq = g->next_seq[flow]++;
    len = next_size(g);
    src = SRC_NET + flow / PORTS;
    port = (uint16_t)(PORT0 + flow % PORTS);
    udp_len = (uint16_t)(len - UDP);
    weir_put_be16(f + IP + 2, (uint16_t)(len - IP));
    weir_put_be32(f + IP + 12, src);
    weir_put_sum(f + IP + 10, weir_sum_be32(weir_sum_be16(g->ip_base, (uint16_t)(len - IP)), src));
    weir_put_be16(f + UDP, port);
    weir_put_be16(f + UDP + 4, udp_len);
    weir_put_be32(f + FLOW, flow);
    weir_put_be64(f + SEQ, seq);
    sum = weir_sum_be32(weir_sum_be16(g->udp_base, port), src);
    sum = weir_sum_be16(weir_sum_be16(sum, udp_len), udp_len); /* of pseudo-header and header */
    sum = weir_sum_be64(weir_sum_be32(sum, flow), seq);
    check = (uint16_t)~weir_sum_fold(weir_sum_add(sum, g->fill_sum[len - FILL]));
    if (!check)
        check = 0xffff;
    memcpy(f + UDP + 6, &check, sizeof check);
    *frame = (struct weir_frame){f, len};
    return true;
}

/* Is it a frame of a generator, whole, but for Ethernet addresses, which a forwarder may change? */
static bool intact(const struct gen *g, const uint8_t *f, uint32_t len)
{
    uint64_t sum;

    if (len < WEIR_WIRE_MIN_FRAME || weir_get_be16(f + 12) != ETHERTYPE_IP || f[IP] != 0x45 ||
        f[IP + 9] != 17 || weir_get_be16(f + IP + 2) != len - IP ||
        weir_get_be16(f + UDP + 4) != len - UDP || weir_get_be32(f + DATA) != MAGIC)
        return false;
    if (weir_sum_fold(weir_sum(0, f + IP, 20)) != 0xffff)
        return false;
    sum = weir_sum(weir_sum_be16(weir_sum_be16(0, 17), (uint16_t)(len - UDP)), f + IP + 12, 8);
    if (weir_sum_fold(weir_sum(sum, f + UDP, len - UDP)) != 0xffff)
        return false;
    return !memcmp(f + FILL, g->frame + FILL, len - FILL);
}

static void judge(struct gen *g, const uint8_t *f, uint32_t len)
{
    uint64_t seq;
    uint32_t flow;
    bool good = intact(g, f, len);

    /* Read once: the frame may lie in memory that its sender still writes. */
    memcpy(&flow, f + FLOW, sizeof flow);
    __asm__ volatile("" : "+r"(flow));
    flow = be32toh(flow);
    if (!good || flow >= g->flows) {
        g->bad++;
        return;
    }
    seq = (uint64_t)weir_get_be32(f + SEQ) << 32 | weir_get_be32(f + SEQ + 4);
    if (seq < g->expect[flow]) {
        g->late++;
        return;
    }
    g->missing += seq - g->expect[flow];
    g->expect[flow] = seq + 1;
    g->good++;
}

static bool gen_tx(void *priv, const struct iovec *iov, unsigned n, uint32_t len)
{
    struct gen *g = priv;
    const uint8_t *data = iov[0].iov_base;
    uint8_t *to = g->back;

    if (!g->verify)
        return true;
    if (n > 1) {
        for (unsigned i = 0; i < n; i++) {
            if (iov[i].iov_len)
                memcpy(to, iov[i].iov_base, iov[i].iov_len);
            to += iov[i].iov_len;
        }
        data = g->back;
    }
    judge(g, data, len);
    return true;
}

static uint64_t gen_deadline(void *priv)
{
    const struct gen *g = priv;

    if (g->made + g->missed >= g->count)
        return UINT64_MAX;
    if (!g->rate || g->credit || !g->started)
        return 0;
    return g->start + time_of(g, g->made + g->missed);
}

static void gen_set_link(void *priv, bool up)
{
    ((struct gen *)priv)->pulled = !up;
}

static void gen_stats(void *priv, struct weir_model_stats *sum)
{
    const struct gen *g = priv;

    sum->rx_dropped += g->missed;
    sum->gen_good += g->good;
    sum->gen_missing += g->missing;
    sum->gen_late += g->late;
    sum->gen_bad += g->bad;
}

const struct weir_wire_ops weir_wire_gen = {
    .kind = "gen",
    .help = "size=N|A-B,rate=PPS,count=N,flows=N,seed=N,src=MAC,dst=MAC,verify",
    .open = gen_open,
    .close = gen_close,
    .rx = gen_rx,
    .tx = gen_tx,
    .deadline = gen_deadline,
    .set_link = gen_set_link,
    .stats = gen_stats,
};
