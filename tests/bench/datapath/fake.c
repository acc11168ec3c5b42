/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake.h"
#include "hw/x540/regs.h"
#include "lib/device/backend.h"
#include "lib/model/model.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define BAR_SIZE  (2u << 20)
#define MAX_FAKES 32
#define TF        0x100 /* single-step, in the flags register */
#define WRITE     2     /* of a page fault's error code: it was a write */

static struct fake *fakes[MAX_FAKES];
static unsigned n_fakes;

static struct {
    struct fake *fake; /* an access under way: its instruction is being stepped over */
    uint64_t off;
    bool write;
    bool counting;
    uint64_t steps;
} trap;

static struct fake *owner(const void *address)
{
    for (unsigned i = 0; i < n_fakes; i++)
        if ((const uint8_t *)address >= (const uint8_t *)fakes[i]->bar &&
            (const uint8_t *)address < (const uint8_t *)fakes[i]->bar + fakes[i]->size)
            return fakes[i];
    return NULL;
}

/* An access to a BAR that is watched. */
static void on_segv(int sig, siginfo_t *info, void *context)
{
    ucontext_t *c = context;
    struct fake *f = owner(info->si_addr);

    if (!f || f->mode == FAKE_PLAIN) {
        signal(sig, SIG_DFL);
        return;
    }
    trap.fake = f;
    trap.off = (uint64_t)((uint8_t *)info->si_addr - (uint8_t *)f->bar) & ~3ull;
    trap.write = c->uc_mcontext.gregs[REG_ERR] & WRITE;
    f->accesses++;
    if (!trap.write && f->mode == FAKE_MODEL)
        weir_model_region_read(f->model->model, WEIR_REGION_BAR0, trap.off, f->regs + trap.off, 4);
    mprotect((void *)(uintptr_t)f->bar, f->size, PROT_READ | PROT_WRITE);
    c->uc_mcontext.gregs[REG_EFL] |= TF;
}

/* After one instruction. */
static void on_trap(int sig, siginfo_t *info, void *context)
{
    ucontext_t *c = context;
    struct fake *f = trap.fake;

    (void)sig;
    (void)info;
    if (f) {
        trap.fake = NULL;
        if (trap.write && f->mode == FAKE_MODEL)
            weir_model_region_write(f->model->model, WEIR_REGION_BAR0, trap.off, f->regs + trap.off,
                                    4);
        if (f->mode != FAKE_PLAIN)
            mprotect((void *)(uintptr_t)f->bar, f->size, PROT_NONE);
        if (!trap.counting)
            c->uc_mcontext.gregs[REG_EFL] &= ~TF;
    }
    trap.steps++;
}

static void step_on(void)
{
    __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq" ::: "memory", "cc");
}

static void step_off(void)
{
    __asm__ volatile("pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq" ::: "memory", "cc");
}

static __attribute__((noinline)) unsigned nothing(struct rig_subject *s, unsigned burst,
                                                  enum rig_touch touch)
{
    (void)s;
    (void)touch;
    return burst;
}

static __attribute__((noinline)) uint64_t
count(unsigned (*fn)(struct rig_subject *, unsigned, enum rig_touch), struct rig_subject *s,
      unsigned burst, enum rig_touch touch, unsigned *moved)
{
    trap.steps = 0;
    trap.counting = true;
    step_on();
    *moved = fn(s, burst, touch);
    step_off();
    trap.counting = false;
    return trap.steps;
}

uint64_t fake_count_instructions(unsigned (*fn)(struct rig_subject *, unsigned, enum rig_touch),
                                 struct rig_subject *s, unsigned burst, enum rig_touch touch,
                                 unsigned *moved)
{
    unsigned unused;

    return count(fn, s, burst, touch, moved) - count(nothing, s, burst, touch, &unused);
}

bool fake_new(struct fake *f, struct weir *w, struct weir_error *e)
{
    int fd = memfd_create("bar", MFD_CLOEXEC);
    struct sigaction segv = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct sigaction step = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

    memset(f, 0, sizeof(*f));
    if (fd < 0 || ftruncate(fd, BAR_SIZE) || n_fakes == MAX_FAKES)
        return weir_fail(e, -ENOMEM, "bench", "make a BAR\n%s", strerror(errno)), false;
    f->size = BAR_SIZE;
    f->bar = mmap(NULL, BAR_SIZE, PROT_NONE, MAP_SHARED, fd, 0);
    f->regs = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if ((volatile void *)f->bar == MAP_FAILED || f->regs == MAP_FAILED)
        return weir_fail(e, -ENOMEM, "bench", "make a BAR\n%s", strerror(errno)), false;
    f->model = weir_device_open(w, "model:x540?wire=loopback&mac=02:00:00:00:00:01", NULL, e);
    if (!f->model)
        return false;
    weir_device_bus_master(f->model, true, NULL);
    f->model->regions[WEIR_REGION_BAR0].map = f->bar;
    f->model->regions[WEIR_REGION_BAR0].map_size = f->size;
    fakes[n_fakes++] = f;
    sigaction(SIGSEGV, &segv, NULL);
    sigaction(SIGTRAP, &step, NULL);
    fake_mode(f, FAKE_MODEL);
    return true;
}

void fake_mode(struct fake *f, enum fake_mode mode)
{
    f->mode = mode;
    mprotect((void *)(uintptr_t)f->bar, f->size,
             mode == FAKE_PLAIN ? PROT_READ | PROT_WRITE : PROT_NONE);
}

static uint32_t reg(const struct fake *f, uint32_t off)
{
    uint32_t value = 0;

    weir_model_region_read(f->model->model, WEIR_REGION_BAR0, off, &value, 4);
    return value;
}

static uint32_t tail(const struct fake *f, uint32_t off)
{
    return *(volatile uint32_t *)(volatile void *)(f->regs + off);
}

static void *address(const struct fake *f, uint64_t iova)
{
    return (void *)(uintptr_t)(iova + f->iova_to_va);
}

void fake_attach(struct fake *f, uint64_t iova_to_va)
{
    uint32_t q = f->queue;

    f->iova_to_va = iova_to_va;
    f->rdt = x540_rxq(X540_RDT, q);
    f->tdt = x540_txq(X540_TDT, q);
    f->rx = address(f, reg(f, x540_rxq(X540_RDBAL, q)) | (uint64_t)reg(f, x540_rxq(X540_RDBAH, q))
                                                             << 32);
    f->tx = address(f, reg(f, x540_txq(X540_TDBAL, q)) | (uint64_t)reg(f, x540_txq(X540_TDBAH, q))
                                                             << 32);
    f->rx_count = reg(f, x540_rxq(X540_RDLEN, q)) / (uint32_t)sizeof(*f->rx);
    f->tx_count = reg(f, x540_txq(X540_TDLEN, q)) / (uint32_t)sizeof(*f->tx);
    weir_model_region_read(f->model->model, WEIR_REGION_BAR0, f->rdt, f->regs + f->rdt, 4);
    weir_model_region_read(f->model->model, WEIR_REGION_BAR0, f->tdt, f->regs + f->tdt, 4);
    f->rx_head = f->tx_head = 0;
    fake_mode(f, FAKE_PLAIN);
}

/* ---- Frames ---- */

static uint32_t mix(uint64_t seq)
{
    uint64_t v = (seq + 1) * 0x9e3779b97f4a7c15ull;

    return (uint32_t)(v >> 32) ^ (uint32_t)v;
}

struct shape {
    uint32_t len, info, status, hash;
    uint16_t vlan;
};

static struct shape shape_of(uint64_t seq, enum fake_traffic traffic)
{
    uint32_t r = mix(seq), status = X540_RXD_STAT_DD | X540_RXD_STAT_EOP;
    struct shape s = {.len = 60, .hash = r};

    if (traffic != FAKE_VARIOUS) {
        s.info = (X540_PKTTYPE_IPV4 | X540_PKTTYPE_UDP) << 4 | X540_RSSTYPE_IPV4_UDP;
        s.status = status | X540_RXD_STAT_IPCS | X540_RXD_STAT_L4CS;
        if (traffic == FAKE_TAGGED) {
            s.status |= X540_RXD_STAT_VP;
            s.vlan = (uint16_t)(r & 0x0fff);
        }
        return s;
    }
    if (r % 4 == 0)
        s.len = 60 + (r >> 8) % 1455;
    switch ((r >> 2) % 6) {
    case 0: /* not IP: neither hash nor checksums */
        s.hash = 0;
        break;
    case 1:
        s.info = X540_PKTTYPE_IPV4 << 4 | X540_RSSTYPE_IPV4;
        status |= X540_RXD_STAT_IPCS;
        break;
    case 2:
        s.info = (X540_PKTTYPE_IPV4 | X540_PKTTYPE_TCP) << 4 | X540_RSSTYPE_IPV4_TCP;
        status |= X540_RXD_STAT_IPCS | X540_RXD_STAT_L4CS;
        break;
    case 3:
        s.info = (X540_PKTTYPE_IPV6 | X540_PKTTYPE_TCP) << 4 | X540_RSSTYPE_IPV6_TCP;
        status |= X540_RXD_STAT_L4CS;
        break;
    case 4:
        s.info = (X540_PKTTYPE_IPV6 | X540_PKTTYPE_UDP) << 4 | X540_RSSTYPE_IPV6_UDP;
        status |= X540_RXD_STAT_L4CS;
        break;
    default:
        s.info = (X540_PKTTYPE_IPV4 | X540_PKTTYPE_UDP) << 4 | X540_RSSTYPE_IPV4_UDP;
        status |= X540_RXD_STAT_IPCS | X540_RXD_STAT_L4CS;
    }
    if (status & X540_RXD_STAT_L4CS && (r >> 20) % 8 == 0)
        status |= X540_RXD_ERR_L4E;
    if (status & X540_RXD_STAT_IPCS && (r >> 24) % 8 == 0)
        status |= X540_RXD_ERR_IPE;
    if ((r >> 5) % 3 == 0) {
        status |= X540_RXD_STAT_VP;
        s.vlan = (uint16_t)(r >> 3);
    }
    s.status = status;
    return s;
}

void fake_expect(uint64_t seq, struct rig_seen *want)
{
    struct shape s = shape_of(seq, FAKE_VARIOUS);
    uint32_t type = s.info >> 4;

    *want = (struct rig_seen){
        .len = s.len,
        .segs = 1,
        .hash = s.hash,
        .has_hash = s.info & X540_RXD_INFO_RSSTYPE,
        .vlan = s.vlan,
        .has_vlan = s.status & X540_RXD_STAT_VP,
        .ipv4 = type & X540_PKTTYPE_IPV4,
        .ipv6 = type & X540_PKTTYPE_IPV6,
        .tcp = type & X540_PKTTYPE_TCP,
        .udp = type & X540_PKTTYPE_UDP,
        .l3_ok = s.status & X540_RXD_STAT_IPCS && !(s.status & X540_RXD_ERR_IPE),
        .l3_bad = s.status & X540_RXD_STAT_IPCS && s.status & X540_RXD_ERR_IPE,
        .l4_ok = s.status & X540_RXD_STAT_L4CS && !(s.status & X540_RXD_ERR_L4E),
        .l4_bad = s.status & X540_RXD_STAT_L4CS && s.status & X540_RXD_ERR_L4E,
    };
}

/* Byte i of frame seq. The first twelve are the addresses. */
static uint8_t byte_of(uint64_t seq, uint32_t i)
{
    return (uint8_t)(mix(seq) + i * 7);
}

static void write_frame(uint8_t *to, uint64_t seq, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        to[i] = byte_of(seq, i);
}

bool fake_receive(struct fake *f, unsigned n, enum fake_traffic traffic, bool write)
{
    uint32_t posted = (tail(f, f->rdt) + f->rx_count - f->rx_head) % f->rx_count;

    if (posted < n)
        return false;
    for (unsigned i = 0; i < n; i++) {
        struct x540_rx_desc *d = &f->rx[f->rx_head];
        struct shape s = shape_of(f->rx_seq, traffic);
        struct x540_rx_wb wb = {.info = s.info,
                                .rss = s.hash,
                                .status_error = s.status,
                                .length = (uint16_t)s.len,
                                .vlan = s.vlan};
        if (write)
            write_frame(address(f, d->read.pkt_addr), f->rx_seq, s.len);
        else
            memset(address(f, d->read.pkt_addr), 0x5a, 60);
        d->wb = wb;
        f->rx_seq++;
        f->rx_head = (f->rx_head + 1) % f->rx_count;
    }
    return true;
}

static bool same_frame(const struct fake *f, uint64_t iova, uint64_t seq, uint32_t len,
                       enum rig_touch touch)
{
    const uint8_t *data = address(f, iova);

    for (uint32_t i = 0; i < len; i++) {
        uint32_t from = touch == TOUCH_MACS && i < 12 ? (i < 6 ? i + 6 : i - 6) : i;
        if (data[i] != byte_of(seq, from))
            return false;
    }
    return true;
}

int fake_transmit(struct fake *f, bool check, enum rig_touch touch, char why[256])
{
    uint32_t end = tail(f, f->tdt);
    int frames = 0;

    while (f->tx_head != end) {
        struct x540_tx_desc *d = &f->tx[f->tx_head];
        uint32_t cmd = d->read.cmd_type_len;
        bool data = weir_field_get(cmd, X540_TXD_DTYP) == X540_DTYP_DATA;

        if (data && check) {
            uint32_t len = weir_field_get(cmd, X540_TXD_DTALEN);
            struct shape s = shape_of(f->tx_seq, FAKE_VARIOUS);
            if (len != s.len || !(cmd & X540_TXD_CMD_EOP) || !(cmd & X540_TXD_CMD_IFCS) ||
                !same_frame(f, d->read.addr, f->tx_seq, len, touch)) {
                snprintf(why, 256, "frame %llu left with %u bytes, command %#x, or damaged",
                         (unsigned long long)f->tx_seq, len, cmd);
                return -1;
            }
        }
        if (data && cmd & X540_TXD_CMD_EOP) {
            frames++;
            f->tx_seq++;
        }
        if (cmd & X540_TXD_CMD_RS)
            d->wb.status = X540_TXD_STA_DD;
        f->tx_head = (f->tx_head + 1) % f->tx_count;
    }
    return frames;
}
