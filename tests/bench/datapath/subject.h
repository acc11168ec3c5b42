/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the rig measures: a driver on a fake device. The peer in DPDK's terms is compiled apart,
 * when the benchmark runs, so this header is all that the two sides share.
 */
#ifndef TESTS_BENCH_DATAPATH_SUBJECT_H
#define TESTS_BENCH_DATAPATH_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>

#define RIG_RING      512
#define RIG_MAX_BURST 256
#define RIG_PACKETS   4096 /* buffers of a subject's pool */
#define RIG_MTU       1500
#define RIG_TAG       0x0123 /* the VLAN tag that an offloading sender asks for */

/* How many packets to ask for when burst have arrived. */
#define RIG_ASK(burst) ((burst) < 32 ? 32 : (burst))

enum rig_touch { TOUCH_NONE, TOUCH_BYTE, TOUCH_MACS };

/* A received packet as a driver describes it, in terms that all share. */
struct rig_seen {
    const uint8_t *data; /* its first buffer */
    uint32_t len, segs;
    uint32_t hash;
    uint16_t vlan;
    bool has_hash, has_vlan;
    bool ipv4, ipv6, tcp, udp;
    bool l3_ok, l3_bad, l4_ok, l4_bad;
};

struct rig_subject {
    const char *driver; /* "weir" */
    char path[96];
    bool describes; /* it fills rig_seen beyond data and len; else it is a floor */
    bool unasked;   /* calls checksums right that nobody checked: DPDK looks at errors alone */
    bool full;      /* chained buffers, checksums and VLAN tags both ways are enabled */
    struct fake *fake;
    void *priv;
    uint32_t sink; /* what touching packets read */

    /* Receive burst packets, touch them, send them. Returns how many. Applications poll for a full
     * burst, whatever arrived: see RIG_ASK. */
    unsigned (*forward)(struct rig_subject *s, unsigned burst, enum rig_touch touch);
    /* The same, asking for tag and checksums of each; NULL: cannot. */
    unsigned (*offload)(struct rig_subject *s, unsigned burst, enum rig_touch touch);
    /* The same, every other packet asking for the checksum of TCP instead of UDP. */
    unsigned (*mixed)(struct rig_subject *s, unsigned burst, enum rig_touch touch);
    /* Receive up to burst packets and give their buffers back. */
    unsigned (*rx)(struct rig_subject *s, unsigned burst, enum rig_touch touch);
    /* Take fresh buffers and send them as frames of 60 bytes. */
    unsigned (*tx)(struct rig_subject *s, unsigned burst, enum rig_touch touch);
    /* Poll a ring in which nothing arrived, times times. */
    unsigned (*idle)(struct rig_subject *s, unsigned times, enum rig_touch touch);
    /* Receive, describe and send on: for the check. */
    unsigned (*check)(struct rig_subject *s, unsigned burst, struct rig_seen *seen);
};

/* What a peer is given: memory of a device's BAR 0, with registers that behave, while it starts. */
struct rig_device {
    struct fake *fake;
    volatile uint8_t *bar;
    uint64_t bar_size;
};

/* A peer library's one symbol. Makes subject number i; false past the last, or with why. */
typedef bool rig_peer_fn(unsigned i, struct rig_subject *s, const struct rig_device *d,
                         char version[64], char why[256]);
bool rig_peer(unsigned i, struct rig_subject *s, const struct rig_device *d, char version[64],
              char why[256]);

/* The drivers in the tree. As rig_peer. */
rig_peer_fn weir_subject, floor_subject;

/* Touch n packets; DATA(i) is where the data of number i begin. */
#define RIG_TOUCH(s, touch, n, DATA)                                                               \
    do {                                                                                           \
        if ((touch) == TOUCH_BYTE) {                                                               \
            uint32_t rig_sum = 0;                                                                  \
            for (unsigned rig_i = 0; rig_i < (n); rig_i++)                                         \
                rig_sum += *(const uint8_t *)(DATA(rig_i));                                        \
            (s)->sink += rig_sum; /* not optimised away */                                         \
        } else if ((touch) == TOUCH_MACS) {                                                        \
            for (unsigned rig_i = 0; rig_i < (n); rig_i++)                                         \
                rig_swap(DATA(rig_i));                                                             \
        }                                                                                          \
    } while (0)

/* Destination and source address change places. */
static inline void rig_swap(uint8_t *frame)
{
    uint64_t a, b;

    __builtin_memcpy(&a, frame, 8);
    __builtin_memcpy(&b, frame + 4, 8);
    b >>= 16;
    __builtin_memcpy(frame + 6, &a, 6);
    __builtin_memcpy(frame, &b, 6);
}

#endif
