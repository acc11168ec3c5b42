/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of the X540 model share: a model on a wire that the test holds both ends of,
 * memory mapped at IOVAs that differ from its addresses, and rings made by hand. There is no driver
 * here.
 */
#ifndef TESTS_X540_CASE_H
#define TESTS_X540_CASE_H

#include "hw/x540/desc.h"
#include "hw/x540/regs.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <weir/driver/builtin.h>
#include <weir/driver/wire.h>
#include <weir/io.h>
#include <weir/weir.h>
#include <cmocka.h>

#define MEM_SIZE (8u << 20)
#define MEM_IOVA 0x7700000000ull
#define RING     64
#define MAX_KEPT 600

/* The wire: frames that wait for the model, and what it sent. */
struct bench_wire {
    struct {
        uint8_t *data;
        uint32_t len;
    } in[MAX_KEPT], out[MAX_KEPT];
    unsigned n_in, next_in, n_out;
    bool link;
    unsigned refuse;                /* answer no to that many weir_wire_tx() */
    unsigned take, later;           /* after that many frames taken, refuse so often */
    bool forgetful;                 /* does not mind to lose what it cannot keep */
    uint64_t lost;                  /* told as rx_dropped */
    struct iovec iov[MAX_KEPT][64]; /* frames' memory is looked at in flush, as a wire may */
    unsigned pieces[MAX_KEPT];
    unsigned n_pending;
    void (*on_flush)(struct bench_wire *t); /* before frames are let go */
    void *user;
};

struct bench {
    struct weir *w;
    struct weir_device *d;
    struct weir_model *m;
    struct weir_space *space;
    struct bench_wire wire;
    uint8_t *mem; /* MEM_SIZE bytes at MEM_IOVA */
    size_t used;
    char log[16384];
    unsigned warnings;
    struct {
        struct x540_rx_desc *desc;
        uint8_t *buf[RING];
        uint32_t size, head, tail;
    } rx[16];
    struct {
        struct x540_tx_desc *desc;
        uint32_t tail;
    } tx[16];
};

static struct bench *opening; /* who opens a wire now */

static inline int bench_wire_open(struct weir *w, const char *args, void **priv,
                                  struct weir_error *e)
{
    (void)w, (void)args, (void)e;
    *priv = &opening->wire;
    return 0;
}

static inline void bench_wire_close(void *priv)
{
    (void)priv;
}

static inline bool bench_wire_rx(void *priv, struct weir_frame *frame)
{
    struct bench_wire *t = priv;
    if (t->next_in == t->n_in)
        return false;
    frame->data = t->in[t->next_in].data;
    frame->len = t->in[t->next_in++].len;
    return true;
}

static inline bool bench_wire_tx(void *priv, const struct iovec *iov, unsigned n, uint32_t len)
{
    struct bench_wire *t = priv;
    if (t->later && !t->take--) {
        t->refuse = t->later;
        t->later = 0;
    }
    if (t->refuse) {
        t->refuse--;
        return false;
    }
    if (t->forgetful && t->n_pending + t->n_out == MAX_KEPT)
        return true;
    assert_true(t->n_pending + t->n_out < MAX_KEPT);
    uint32_t sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += (uint32_t)iov[i].iov_len;
    assert_int_equal(sum, len);
    memcpy(t->iov[t->n_pending], iov, n * sizeof(*iov));
    t->pieces[t->n_pending++] = n;
    return true;
}

static inline void bench_wire_flush(void *priv)
{
    struct bench_wire *t = priv;
    if (t->on_flush)
        t->on_flush(t);
    for (unsigned i = 0; i < t->n_pending; i++) {
        uint8_t *copy = malloc(16384);
        uint32_t len = 0;
        for (unsigned k = 0; k < t->pieces[i]; k++) {
            memcpy(copy + len, t->iov[i][k].iov_base, t->iov[i][k].iov_len);
            len += (uint32_t)t->iov[i][k].iov_len;
        }
        t->out[t->n_out].data = copy;
        t->out[t->n_out++].len = len;
    }
    t->n_pending = 0;
}

static inline bool bench_wire_link(void *priv)
{
    return ((struct bench_wire *)priv)->link;
}

static inline void bench_wire_stats(void *priv, struct weir_model_stats *sum)
{
    sum->rx_dropped += ((struct bench_wire *)priv)->lost;
}

static const struct weir_wire_ops bench_wire_ops = {
    .kind = "bench",
    .help = "",
    .open = bench_wire_open,
    .close = bench_wire_close,
    .rx = bench_wire_rx,
    .tx = bench_wire_tx,
    .flush = bench_wire_flush,
    .link = bench_wire_link,
    .stats = bench_wire_stats,
};

/* The same as something that sends whether or not anybody listens. */
static const struct weir_wire_ops bench_live_ops = {
    .kind = "live",
    .help = "",
    .open = bench_wire_open,
    .close = bench_wire_close,
    .rx = bench_wire_rx,
    .tx = bench_wire_tx,
    .flush = bench_wire_flush,
    .link = bench_wire_link,
    .stats = bench_wire_stats,
    .live = true,
};

static inline void bench_log(void *user, enum weir_log_level level, const char *part,
                             const char *text)
{
    struct bench *b = user;
    size_t used = strlen(b->log);
    snprintf(b->log + used, sizeof(b->log) - used, "%s: %s\n", part, text);
    b->warnings += level <= WEIR_LOG_WARNING;
}

static inline uint32_t get(struct bench *b, uint64_t off)
{
    return weir_read32(b->d, 0, off);
}

static inline void set(struct bench *b, uint64_t off, uint32_t value)
{
    weir_write32(b->d, 0, off, value);
}

static inline struct bench *bench_new(const char *spec)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct weir_options opt = {
        .size = sizeof(opt), .log = bench_log, .log_user = b, .log_level = WEIR_LOG_DEBUG};
    struct weir_error e = {0};
    struct weir_device_info info;

    assert_non_null(b);
    b->w = weir_new(&opt, &e);
    assert_int_equal(weir_model_register(b->w, &weir_x540_model, NULL), 0);
    assert_int_equal(weir_wire_register(b->w, &bench_wire_ops, NULL), 0);
    assert_int_equal(weir_wire_register(b->w, &bench_live_ops, NULL), 0);
    opening = b;
    b->wire.link = true;
    b->d = weir_device_open(b->w, spec, NULL, &e);
    if (!b->d)
        fail_msg("%s: %s: %s", spec, e.what, e.why);
    weir_device_info(b->d, &info);
    b->m = info.model;
    b->space = info.space;
    b->mem = aligned_alloc(4096, MEM_SIZE);
    memset(b->mem, 0, MEM_SIZE);
    struct weir_mem mem = {.va = b->mem, .len = MEM_SIZE, .fd = -1, .name = "bench"};
    assert_int_equal(weir_space_map(b->space, &mem, weir_iova(MEM_IOVA), WEIR_PROT_RW, NULL), 0);
    assert_int_equal(weir_device_bus_master(b->d, true, NULL), 0);
    return b;
}

static inline void bench_free(struct bench *b)
{
    weir_device_close(b->d);
    weir_free(b->w);
    for (unsigned i = 0; i < b->wire.n_in; i++)
        free(b->wire.in[i].data);
    for (unsigned i = 0; i < b->wire.n_out; i++)
        free(b->wire.out[i].data);
    free(b->mem);
    free(b);
}

static inline int bench_setup(void **state)
{
    *state = bench_new("model:x540?wire=bench:&mac=02:00:00:00:00:01");
    return 0;
}

static inline int bench_teardown(void **state)
{
    bench_free(*state);
    return 0;
}

static inline void *carve(struct bench *b, size_t len)
{
    void *p = b->mem + b->used;
    b->used += (len + 4095) & ~(size_t)4095;
    assert_true(b->used <= MEM_SIZE);
    return p;
}

static inline uint64_t iova_of(const struct bench *b, const void *p)
{
    return MEM_IOVA + (uint64_t)((const uint8_t *)p - b->mem);
}

/* Let the model run until it has nothing to do. */
static inline void run(struct bench *b)
{
    for (unsigned i = 0; i < 1000; i++)
        if (!weir_model_step(b->m, 64))
            return;
    fail_msg("the model does not come to rest");
}

/* A receive ring with all buffers but one posted. */
static inline void rx_on(struct bench *b, unsigned q, uint32_t kib, uint32_t srrctl)
{
    b->rx[q].desc = carve(b, RING * 16);
    b->rx[q].size = kib * 1024;
    for (unsigned i = 0; i < RING; i++) {
        b->rx[q].buf[i] = carve(b, b->rx[q].size);
        b->rx[q].desc[i].read.pkt_addr = weir_le64(iova_of(b, b->rx[q].buf[i]));
    }
    uint64_t base = iova_of(b, b->rx[q].desc);
    set(b, x540_rxq(X540_RDBAL, q), (uint32_t)base);
    set(b, x540_rxq(X540_RDBAH, q), (uint32_t)(base >> 32));
    set(b, x540_rxq(X540_RDLEN, q), RING * 16);
    set(b, x540_rxq(X540_SRRCTL, q),
        kib | weir_field_set(0, X540_SRRCTL_DESCTYPE, X540_DESCTYPE_ADV_ONE_BUFFER) | srrctl);
    set(b, x540_rxq(X540_RXDCTL, q), get(b, x540_rxq(X540_RXDCTL, q)) | X540_RXDCTL_ENABLE);
    set(b, X540_RXCTRL, X540_RXCTRL_RXEN);
    b->rx[q].head = 0;
    b->rx[q].tail = RING - 1;
    set(b, x540_rxq(X540_RDT, q), RING - 1);
}

static inline void tx_on(struct bench *b, unsigned q)
{
    b->tx[q].desc = carve(b, RING * 16);
    uint64_t base = iova_of(b, b->tx[q].desc);
    set(b, X540_DMATXCTL, get(b, X540_DMATXCTL) | X540_DMATXCTL_TE);
    set(b, x540_txq(X540_TDBAL, q), (uint32_t)base);
    set(b, x540_txq(X540_TDBAH, q), (uint32_t)(base >> 32));
    set(b, x540_txq(X540_TDLEN, q), RING * 16);
    set(b, x540_txq(X540_TXDCTL, q), X540_TXDCTL_ENABLE);
    b->tx[q].tail = 0;
}

/* Receive everything that is addressed to anybody. */
static inline void promiscuous(struct bench *b)
{
    set(b, X540_FCTRL, X540_FCTRL_BAM | X540_FCTRL_UPE | X540_FCTRL_MPE);
}

/* A frame from the far end. */
static inline void arrives(struct bench *b, const void *frame, uint32_t len)
{
    struct bench_wire *t = &b->wire;
    assert_true(t->n_in < MAX_KEPT);
    t->in[t->n_in].data = malloc(len);
    memcpy(t->in[t->n_in].data, frame, len);
    t->in[t->n_in++].len = len;
}

static inline uint32_t rx_status(struct bench *b, unsigned q, uint32_t i)
{
    return weir_le32(WEIR_READ_ONCE(b->rx[q].desc[i].wb.status_error));
}

/* Post the next descriptor's data; legacy unless flags has DEXT. Returns its index. */
static inline uint32_t post_raw(struct bench *b, unsigned q, uint64_t addr, uint32_t cmd,
                                uint32_t info)
{
    uint32_t i = b->tx[q].tail;
    b->tx[q].desc[i].read.addr = weir_le64(addr);
    b->tx[q].desc[i].read.cmd_type_len = weir_le32(cmd);
    b->tx[q].desc[i].read.olinfo_status = weir_le32(info);
    b->tx[q].tail = (i + 1) % RING;
    return i;
}

#define TX_DATA (X540_TXD_CMD_DEXT | X540_TXD_CMD_IFCS | (uint32_t)X540_DTYP_DATA << 20)
#define TX_LAST (X540_TXD_CMD_EOP | X540_TXD_CMD_RS)

static inline void doorbell(struct bench *b, unsigned q)
{
    set(b, x540_txq(X540_TDT, q), b->tx[q].tail);
}

/* One frame in one buffer, with extra command bits and options. */
static inline uint32_t post(struct bench *b, unsigned q, const void *frame, uint32_t len,
                            uint32_t cmd, uint32_t info)
{
    uint8_t *buf = carve(b, len);
    memcpy(buf, frame, len);
    return post_raw(b, q, iova_of(b, buf), TX_DATA | TX_LAST | cmd | len,
                    info | weir_field_set(0, X540_TXD_PAYLEN, len));
}

static inline bool tx_done(struct bench *b, unsigned q, uint32_t i)
{
    return weir_le32(WEIR_READ_ONCE(b->tx[q].desc[i].wb.status)) & X540_TXD_STA_DD;
}

/* An Ethernet frame with a counting payload. */
static inline uint32_t make_frame(uint8_t *out, const char *dest, uint16_t ethertype, uint32_t len)
{
    unsigned v[6];
    assert_int_equal(sscanf(dest, "%x:%x:%x:%x:%x:%x", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5]),
                     6);
    for (unsigned i = 0; i < 6; i++)
        out[i] = (uint8_t)v[i];
    memcpy(out + 6, "\x02\0\0\0\0\x99", 6);
    out[12] = (uint8_t)(ethertype >> 8);
    out[13] = (uint8_t)ethertype;
    for (uint32_t i = 14; i < len; i++)
        out[i] = (uint8_t)(i * 7);
    return len;
}

/* The Internet checksum, byte by byte: not the way the model does it. */
static inline uint16_t slow_sum(const uint8_t *p, uint32_t len, uint32_t start)
{
    uint64_t sum = start;
    for (uint32_t i = 0; i < len; i++)
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static inline void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* Sum of the pseudo-header of the IPv4 or IPv6 packet at ip, for a payload of l4_len bytes. */
static inline uint16_t pseudo(const uint8_t *ip, uint8_t proto, uint32_t l4_len)
{
    uint16_t s = ip[0] >> 4 == 4 ? slow_sum(ip + 12, 8, 0) : slow_sum(ip + 8, 32, 0);
    return slow_sum(NULL, 0, (uint32_t)s + proto + l4_len);
}

/* Ethernet, IPv4 or IPv6, TCP (6) or UDP (17) or another protocol, with right checksums. @return
 * length */
static inline uint32_t make_ip(uint8_t *f, bool v6, uint8_t proto, uint32_t payload)
{
    make_frame(f, "02:00:00:00:00:01", v6 ? 0x86dd : 0x0800, 14);
    uint8_t *ip = f + 14, *l4 = ip + (v6 ? 40 : 20);
    uint32_t l4_head = proto == 6 ? 20 : proto == 17 ? 8 : 0, l4_len = l4_head + payload;
    if (v6) {
        memset(ip, 0, 40);
        ip[0] = 0x60;
        put16(ip + 4, l4_len);
        ip[6] = proto;
        ip[7] = 64;
        memcpy(ip + 8, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
        memcpy(ip + 24, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2", 16);
    } else {
        memset(ip, 0, 20);
        ip[0] = 0x45;
        put16(ip + 2, 20 + l4_len);
        put16(ip + 4, 0x1234);
        ip[8] = 64;
        ip[9] = proto;
        memcpy(ip + 12, "\x0a\0\0\1\x0a\0\0\2", 8);
        put16(ip + 10, (uint16_t)~slow_sum(ip, 20, 0));
    }
    memset(l4, 0, l4_head);
    for (uint32_t i = 0; i < payload; i++)
        l4[l4_head + i] = (uint8_t)(i * 13 + 1);
    if (l4_head) {
        put16(l4, 4000);
        put16(l4 + 2, 5000);
        if (proto == 6) {
            l4[12] = 0x50;
            l4[13] = 0x18;
            memcpy(l4 + 4, "\1\2\3\4", 4);
        } else {
            put16(l4 + 4, l4_len);
        }
        put16(l4 + (proto == 6 ? 16 : 6),
              (uint16_t)~slow_sum(l4, l4_len, pseudo(ip, proto, l4_len)));
    }
    uint32_t len = (uint32_t)(l4 - f) + l4_len;
    if (len < 60) {
        memset(f + len, 0, 60 - len);
        len = 60;
    }
    return len;
}

/* Frames that were put into memory in queue q and not looked at yet: returns whether there is one,
 * and copies it out of its buffers. */
static inline bool next_frame(struct bench *b, unsigned q, uint8_t *out, uint32_t *len,
                              struct x540_rx_wb *last)
{
    *len = 0;
    for (;;) {
        uint32_t i = b->rx[q].head;
        struct x540_rx_wb wb = b->rx[q].desc[i].wb;
        if (!(wb.status_error & X540_RXD_STAT_DD)) {
            assert_int_equal(*len, 0); /* a frame must not stop in the middle */
            return false;
        }
        memcpy(out + *len, b->rx[q].buf[i], wb.length);
        *len += wb.length;
        b->rx[q].head = (i + 1) % RING;
        if (wb.status_error & X540_RXD_STAT_EOP) {
            *last = wb;
            return true;
        }
        assert_int_equal(wb.length, b->rx[q].size);
        assert_int_equal(wb.status_error, X540_RXD_STAT_DD);
    }
}

/* One frame in, what became of it: its status, or 0 if it did not get through. */
static inline uint32_t try_frame(struct bench *b, const uint8_t *frame, uint32_t len,
                                 struct x540_rx_wb *wb)
{
    uint8_t got[16384];
    uint32_t n;
    struct x540_rx_wb local = {0};

    wb = wb ? wb : &local;
    arrives(b, frame, len);
    run(b);
    if (!next_frame(b, 0, got, &n, wb))
        return 0;
    b->rx[0].desc[(b->rx[0].head + RING - 1) % RING].read = (struct x540_rx_read){
        .pkt_addr = iova_of(b, b->rx[0].buf[(b->rx[0].head + RING - 1) % RING])};
    b->rx[0].tail = (b->rx[0].tail + 1) % RING;
    set(b, x540_rxq(X540_RDT, 0), b->rx[0].tail);
    return wb->status_error;
}

static inline uint32_t make_tagged(uint8_t *f, uint16_t type, uint16_t tag, uint32_t len)
{
    make_frame(f, "02:00:00:00:00:01", type, len);
    put16(f + 14, tag);
    put16(f + 16, 0x88b5);
    return len;
}

/* Frame number n that was sent */
static inline void check_out(struct bench *b, unsigned n, const uint8_t *frame, uint32_t len)
{
    assert_true(n < b->wire.n_out);
    assert_int_equal(b->wire.out[n].len, len);
    assert_memory_equal(b->wire.out[n].data, frame, len);
}

static inline void post_context(struct bench *b, unsigned q, uint32_t idx, uint32_t l2, uint32_t l3,
                                bool v4, unsigned l4t, uint32_t l4len, uint32_t mss, uint32_t vlan)
{
    uint64_t qw0 = l3 | l2 << 9 | vlan << 16;
    uint32_t type = X540_TXD_CMD_DEXT | (uint32_t)X540_DTYP_CONTEXT << 20 |
                    (v4 ? X540_CTXD_TUCMD_IPV4 : 0) | (uint32_t)l4t << 11;
    post_raw(b, q, qw0, type, idx << 4 | l4len << 8 | mss << 16);
}

/* A counter of two registers. */
static inline uint64_t wide(struct bench *b, uint64_t low, uint64_t high)
{
    uint64_t v = get(b, low);
    return v | (uint64_t)get(b, high) << 32;
}

#endif
