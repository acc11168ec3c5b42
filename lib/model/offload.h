/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a kernel interface leaves to the hardware, done in software on frames that come from it.
 *
 * The kernel hands a TAP or packet socket frames as it would hand them to a NIC with offloads: a
 * super-frame of up to 64 KiB that wants cutting (TCP over IPv4 or IPv6, UDP "L4"), or a frame
 * whose checksum field holds only the pseudo-header's sum. A struct virtio_net_hdr says which
 * (VIRTIO 1.2, section 5.1.6). A wire carries neither, so both are finished here.
 *
 * A super-frame is cut in place, one frame at a time: the header of each is written over the tail
 * of the frame before it, which its reader is done with. Nothing is copied but headers.
 */
#ifndef WEIR_MODEL_OFFLOAD_H
#define WEIR_MODEL_OFFLOAD_H

#include <linux/virtio_net.h>
#include <weir/driver/wire.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5 /* Linux 6.2 and later headers */
#endif

/* Ethernet, two VLAN tags, the longest IPv4 and TCP headers; or IPv6 with extension headers. */
#define WEIR_OFFLOAD_MAX_HDR 256

struct weir_offload {
    uint8_t *data; /* the frame being taken apart; NULL: nothing is left */
    uint32_t len;
    uint32_t mss; /* 0: not a super-frame, passed on whole */
    uint32_t pos; /* offset of the payload not yet delivered */
    uint32_t hdr_len, l3, l4;
    bool v6, udp, no_check;
    uint32_t seq;
    uint16_t id;
    uint64_t pseudo; /* sum of addresses and protocol */
    uint8_t hdr[WEIR_OFFLOAD_MAX_HDR];
    /* Counted for ever: what struct weir_model_stats calls rx_super*. */
    uint64_t supers, super_frames, super_bytes;
};

/*
 * Take a frame apart. data stays the caller's and is written to until weir_offload_next() returns
 * false. -EINVAL: the header asks for something that cannot be done to this frame (tunnels,
 * fragments, nonsense); the frame is lost.
 */
int weir_offload_begin(struct weir_offload *o, const struct virtio_net_hdr *vh, uint8_t *data,
                       uint32_t len);

/* The next frame out of it, valid until the next call. */
bool weir_offload_next(struct weir_offload *o, struct weir_frame *frame);

/* The part of the frame before the payload that GSO repeats. */
struct weir_headers {
    uint32_t l3, l4, end; /* offsets: IP, TCP or UDP, payload */
    uint32_t l3_end;      /* where the IP header's length field says that the packet ends */
    bool v6, udp;
};

/* Find TCP or UDP in the first n bytes of a frame. -EINVAL if it is neither, is a fragment, or does
 * not fit. */
int weir_headers_parse(struct weir_headers *h, const uint8_t *data, uint32_t n);

/* Sum of the addresses and the protocol of a parsed frame. */
uint64_t weir_headers_pseudo(const struct weir_headers *h, const uint8_t *data);

#endif
