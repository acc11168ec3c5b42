/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The X540 model's own state. Section numbers are those of the Intel Ethernet Controller X540
 * Datasheet (order 333168).
 *
 * Register writes only latch: reg.c routes them, nvm.c, phy.c and irq.c answer for their parts. A
 * step moves frames: tx.c takes them out of the rings (txoffload.c finishes them), rx.c puts them
 * in, after filter.c let them pass, parse.c looked at their headers and rss.c chose a queue. Frames
 * that no descriptor waits for stay in the packet buffer, fifo.c.
 */
#ifndef WEIR_MODELS_X540_XM_H
#define WEIR_MODELS_X540_XM_H

#include "hw/x540/desc.h"
#include "hw/x540/regs.h"
#include "rss.h"
#include <string.h>
#include <sys/uio.h>
#include <weir/driver/driver.h>
#include <weir/driver/model.h>
#include <weir/error.h>
#include <weir/io.h>

#define XM_BAR0_SIZE  (2u << 20)
#define XM_REG_BYTES  0x16000u /* registers end below */
#define XM_NVM_WORDS  4096
#define XM_CRC        4
#define XM_MIN_FRAME  60 /* without CRC */
#define XM_MAX_PIECES 40 /* descriptors of one frame, 7.2.3.3 */
#define XM_BATCH      64 /* frames given to the wire between flushes */
#define XM_SCRATCH    (512u << 10)
#define XM_MAX_TSO    (256u << 10) /* bytes of a frame to be segmented, 7.2.4 */
#define XM_FIFO       (384u << 10)

/* Where a queue's descriptors are, looked up once in a step. */
struct xm_ring {
    uint64_t base; /* IOVA */
    uint32_t count;
    uint32_t head, tail;
    bool enabled;
    bool stopped;      /* by a fault, until it is enabled anew */
    bool warned;       /* one warning of a kind is enough */
    uint8_t *map;      /* descriptors, or NULL: reached by messages */
    uint64_t map_step; /* the step map was looked up in */
};

struct xm_rxq {
    struct xm_ring ring;
    uint32_t buffer; /* bytes a descriptor's buffer holds */
    bool drop;       /* drop when there are no descriptors */
    bool legacy;     /* descriptor format */
    bool strip_vlan;
    uint32_t max_len; /* RXDCTL.RLPML, with CRC; 0: no limit */
};

struct xm_txq {
    struct xm_ring ring;
    struct x540_tx_ctx ctx[2];
    uint32_t resume; /* payload of the frame at the head that went out as segments already */
};

/* What the headers of a frame say. */
struct xm_packet {
    const uint8_t *data;
    uint32_t len;     /* without CRC */
    uint16_t pkttype; /* X540_PKTTYPE_* */
    uint16_t vlan;    /* tag, if tagged */
    bool tagged;
    bool inexact; /* passed other than by an exact unicast match or as broadcast */
    bool fragment;
    uint8_t rsstype;
    uint32_t hash;
    uint32_t status; /* X540_RXD_STAT_* and X540_RXD_ERR_* of checksums */
    uint16_t l3, l4; /* offsets; l4 0: none */
    uint16_t l3_end; /* end of the IP packet in the frame */
};

struct xm_fifo {
    uint8_t *buf; /* XM_FIFO bytes; frames are contiguous */
    uint32_t head, tail, wrap, used;
};

/* A 36-bit byte counter in two registers: reading the low one latches the high one. */
struct xm_wide {
    uint64_t value;
    uint32_t latched;
};

enum xm_wide_index {
    XM_GORC,
    XM_GOTC,
    XM_TOR,
    XM_RXDGBC,
    XM_TXDGBC,
    XM_RXNFGBC,
    XM_QBRC,
    XM_QBTC = XM_QBRC + 16,
    XM_N_WIDE = XM_QBTC + 16,
};

struct xm {
    struct weir_model *model;
    struct weir *weir;
    struct weir_wire *wire;
    uint8_t mac[6];
    bool bad_nvm;
    bool stall_tx, stall_rx; /* injected */
    uint64_t autoneg_ns;

    uint32_t reg[XM_REG_BYTES / 4];
    uint8_t kind[XM_REG_BYTES / 4];   /* enum xm_kind, by dword */
    uint16_t canon[XM_REG_BYTES / 4]; /* dword that an alias stands for */
    struct xm_wide wide[XM_N_WIDE];
    uint64_t step;
    bool iotlb; /* accesses are counted, in this step */

    /* nvm.c */
    uint16_t nvm[XM_NVM_WORDS];

    /* phy.c */
    uint16_t mdio_address[32];
    uint16_t advertise, advertise_10g, advertise_vendor;
    bool low_power;
    bool wire_up;
    bool linked;      /* link as LINKS shows it */
    unsigned speed;   /* X540_LINK_SPEED_*, 0: none in common */
    uint64_t link_at; /* autonegotiation ends, CLOCK_MONOTONIC ns; 0: ended */

    /* irq.c */
    uint32_t eicr;    /* causes; bits 0-15 are those of vectors[] when MSI-X has many */
    uint32_t eims;    /* of other causes: bits 16 and up */
    uint64_t vectors; /* queue causes, by vector or EICR bit */
    uint64_t enabled; /* their mask: EIMS bits 0-15, EIMS_EX */
    uint64_t rx_cause[2], tx_cause[2]; /* queues with news in this step */

    struct xm_rxq rxq[X540_RX_QUEUES];
    struct xm_txq txq[X540_TX_QUEUES];
    bool dma_later;                  /* memory cannot be read now: this step ends */
    uint64_t tx_work[2];             /* queues whose tail moved */
    unsigned tx_next;                /* where the round goes on */
    uint64_t tx_retry;               /* the wire took nothing: not before then */
    uint8_t qde[X540_RX_QUEUES / 8]; /* PFQDE */

    /* rx.c, filter.c */
    struct xm_fifo fifo;
    bool rx_on;                     /* reception, as the last step saw it */
    uint64_t missed_base;           /* of what the wire lost, counted or of no interest */
    bool rx_blocked;                /* the frame at the head of the buffer has no descriptors */
    uint64_t exact[X540_RX_QUEUES]; /* receive addresses in use */
    unsigned n_exact;
    bool addresses_stale;
    struct weir_toeplitz rss;
    bool rss_stale;

    /* tx.c: memory of frames until the wire is flushed */
    uint8_t *scratch;
    uint32_t scratch_used, scratch_floor;
    uint8_t rx_bounce[32u << 10];
};

/* reg.c */
int weir_xm_reg_init(struct xm *x, struct weir_error *e);
void weir_xm_reg_reset(struct xm *x);
uint64_t weir_xm_read(struct weir_model *m, unsigned bar, uint64_t off, unsigned width);
void weir_xm_write(struct weir_model *m, unsigned bar, uint64_t off, unsigned width,
                   uint64_t value);
/* Software reset, CTRL.RST: everything but what other functions and the PHY keep. */
void weir_xm_soft_reset(struct xm *x);

static inline uint32_t weir_xm_get(const struct xm *x, uint32_t off)
{
    return x->reg[off / 4];
}

/* May the device reach memory? */
static inline bool weir_xm_dma(const struct xm *x)
{
    return weir_model_bus_master(x->model) && !(x->reg[0] & X540_CTRL_PCIE_MASTER_DISABLE);
}

/* Memory that was reached through weir_siommu_ptr(). */
static inline void weir_xm_touch(const struct xm *x, uint64_t iova, size_t len,
                                 const struct weir_dma_who *who)
{
    if (x->iotlb)
        weir_siommu_touch(weir_model_siommu(x->model), iova, len, who);
}

/* queue.c: ring registers and descriptors */
uint32_t weir_xm_queue_read(struct xm *x, uint32_t off, bool *known);
bool weir_xm_queue_write(struct xm *x, uint32_t off, uint32_t value);
void weir_xm_queue_reset(struct xm *x);
/* Read or write descriptor @i of a ring. A refused access is reported, stops the ring and makes
 * them false. */
bool weir_xm_desc_get(struct xm *x, struct xm_ring *r, uint32_t i, uint64_t out[2],
                      const struct weir_dma_who *who);
bool weir_xm_desc_put(struct xm *x, struct xm_ring *r, uint32_t i, const uint64_t in[2],
                      const struct weir_dma_who *who);
/* Set DD of a transmit descriptor. */
bool weir_xm_done(struct xm *x, struct xm_ring *r, uint32_t i, bool legacy,
                  const struct weir_dma_who *who);
/* An access failed with err: the ring stops, or with -EAGAIN the work is left to a later step. */
void weir_xm_failed(struct xm *x, struct xm_ring *r, int err, const struct weir_dma_who *who);

/* nvm.c */
void weir_xm_nvm_init(struct xm *x);
void weir_xm_eerd(struct xm *x, uint32_t value);
void weir_xm_eewr(struct xm *x, uint32_t value);
void weir_xm_eec(struct xm *x, uint32_t value);

/* phy.c */
void weir_xm_phy_reset(struct xm *x);
void weir_xm_msca(struct xm *x, uint32_t value);
bool weir_xm_link_up(const struct xm *x);
uint32_t weir_xm_links(const struct xm *x);
void weir_xm_phy_step(struct xm *x);
void weir_xm_wire_link(struct xm *x, bool up);

/* irq.c */
void weir_xm_irq_reset(struct xm *x);
uint32_t weir_xm_irq_read(struct xm *x, uint32_t off);
void weir_xm_irq_write(struct xm *x, uint32_t off, uint32_t value);
void weir_xm_cause(struct xm *x, uint32_t causes); /* other causes: EICR bits 16 and up */
void weir_xm_irq_step(struct xm *x);               /* raise what the queues noted */
bool weir_xm_irq_pending(const struct xm *x);

/* stats.c */
bool weir_xm_stat_read(struct xm *x, uint32_t off, uint32_t *value);
void weir_xm_stats_reset(struct xm *x);
void weir_xm_count_rx_any(struct xm *x, uint32_t len);
void weir_xm_count_rx_good(struct xm *x, const uint8_t *dest, uint32_t len);
void weir_xm_count_rx_queue(struct xm *x, unsigned q, uint32_t bytes);
void weir_xm_count_rx_drop(struct xm *x, unsigned q);
void weir_xm_count_missed(struct xm *x); /* what the wire lost since */
void weir_xm_count_tx(struct xm *x, unsigned q, const uint8_t *dest, uint32_t len);
static inline void weir_xm_count(struct xm *x, uint32_t off)
{
    x->reg[off / 4]++;
}

/* filter.c: does the MAC let it pass? */
bool weir_xm_filter(struct xm *x, struct xm_packet *p);

/* parse.c: headers, checksums, hash */
void weir_xm_parse(struct xm *x, struct xm_packet *p);

/* fifo.c */
int weir_xm_fifo_init(struct xm_fifo *f);
void weir_xm_fifo_clear(struct xm_fifo *f);
bool weir_xm_fifo_room(const struct xm_fifo *f, uint32_t len);
bool weir_xm_fifo_put(struct xm_fifo *f, const uint8_t *data, uint32_t len);
const uint8_t *weir_xm_fifo_peek(const struct xm_fifo *f, uint32_t *len);
void weir_xm_fifo_pop(struct xm_fifo *f);

/* rx.c */
unsigned weir_xm_rx_step(struct xm *x, unsigned budget);
bool weir_xm_rx_wants(const struct xm *x);   /* would take a frame from the wire */
bool weir_xm_rx_pending(const struct xm *x); /* has one in the packet buffer that can go on */
/* A frame that came back inside the MAC (HLREG0.LPBK). */
void weir_xm_rx_loopback(struct xm *x, const uint8_t *data, uint32_t len);
void weir_xm_crc(const uint8_t *data, uint32_t len, uint8_t out[XM_CRC]);

/* tx.c */
unsigned weir_xm_tx_step(struct xm *x, unsigned budget);
bool weir_xm_tx_pending(const struct xm *x);
/* Hand a frame to the wire; its memory must stay until the flush. False: the wire takes nothing
 * now. */
bool weir_xm_wire(struct xm *x, unsigned queue, const struct iovec *iov, unsigned n, uint32_t len);
/* Memory that stays until the flush; flushes itself if there is none left. */
uint8_t *weir_xm_scratch(struct xm *x, uint32_t len);

/* A frame as the descriptors describe it: pieces of memory, and what is to be done to it. */
struct xm_frame {
    struct iovec iov[XM_MAX_PIECES];
    unsigned n;
    uint32_t len;
    unsigned queue;
    uint32_t cmd;    /* cmd_type_len, or cmd_len, of the first descriptor */
    uint32_t olinfo; /* olinfo_status, or status_vlan */
    bool legacy;
    const struct x540_tx_ctx *ctx;
};

/* txoffload.c: finish a frame and send it. 1 if it was sent, 0 if it cannot be (the reason is in
 * *why), -1 if the wire takes nothing now. */
int weir_xm_send(struct xm *x, struct xm_frame *f, unsigned *sent, const char **why);

#endif
