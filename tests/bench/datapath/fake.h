/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that costs nothing while a driver runs.
 *
 * Its BAR 0 is ordinary memory. While a driver starts, each access to it traps and goes to the
 * X540 model, so that registers behave; no driver needs to be changed for the rig. Afterwards a
 * doorbell is a store, and the rings are played between bursts: descriptors completed, tails read.
 */
#ifndef TESTS_BENCH_DATAPATH_FAKE_H
#define TESTS_BENCH_DATAPATH_FAKE_H

#include "hw/x540/desc.h"
#include "subject.h"
#include <weir/weir.h>

/* Accesses to the BAR: untouched by the rig, forwarded to the model, or counted alone. */
enum fake_mode { FAKE_PLAIN, FAKE_MODEL, FAKE_COUNT };

/* What frames the device receives. */
enum fake_traffic {
    FAKE_SAME,    /* all alike: IPv4, UDP, 60 bytes, hashed, checksums right */
    FAKE_TAGGED,  /* the same, with a VLAN tag stripped */
    FAKE_VARIOUS, /* lengths, types, flags, hashes and tags differ: see fake_expect() */
};

struct fake {
    struct weir_device *model;
    unsigned queue;        /* that fake_attach() and the calls after it are about */
    volatile uint8_t *bar; /* as the driver sees it */
    uint8_t *regs;         /* the same memory, always accessible */
    uint64_t size;
    enum fake_mode mode;
    uint64_t accesses;
    uint64_t iova_to_va; /* added to what a descriptor holds */

    uint32_t rdt, tdt; /* tail registers */
    uint32_t rx_count, rx_head;
    struct x540_rx_desc *rx;
    uint32_t tx_count, tx_head;
    struct x540_tx_desc *tx;
    uint64_t rx_seq, tx_seq; /* frames delivered, frames taken */
};

bool fake_new(struct fake *f, struct weir *w, struct weir_error *e);
void fake_mode(struct fake *f, enum fake_mode mode);
/* Started by its driver: find the rings. iova_to_va: see above. */
void fake_attach(struct fake *f, uint64_t iova_to_va);

/* Deliver n frames into posted buffers; false if too few are posted. write: with bytes that
 * fake_transmit() can check, else all alike. */
bool fake_receive(struct fake *f, unsigned n, enum fake_traffic traffic, bool write);
/* Take what was sent. check: compare with what was delivered, in order. Returns the frames, or -1
 * with why. */
int fake_transmit(struct fake *f, bool check, enum rig_touch touch, char why[256]);

/* What the driver has to make of FAKE_VARIOUS frame number seq. */
void fake_expect(uint64_t seq, struct rig_seen *want);

/* Instructions of fn(), counted by single steps. The caller's own are subtracted. moved: what it
 * returned. */
uint64_t fake_count_instructions(unsigned (*fn)(struct rig_subject *, unsigned, enum rig_touch),
                                 struct rig_subject *s, unsigned burst, enum rig_touch touch,
                                 unsigned *moved);

/* Cycles per packet of two queues forwarding on two cores, each alone and both at once: medians,
 * the least of several rounds. And of taking packets from a pool on one core and giving them back
 * on another. */
struct scaling {
    double alone[2], both[2], take, give;
};
/* False, with e untouched, on one core. */
bool scaling(struct weir *w, struct scaling *out, struct weir_error *e);

#endif
