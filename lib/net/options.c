/* SPDX-License-Identifier: BSD-3-Clause */
/* A port's options: defaults put in, and checked against what its driver says it can. */
#include "lib/net/net.h"
#include <errno.h>
#include <string.h>

#define DEFAULT_RING 512u
#define DEFAULT_MTU  1500u
#define ETHER_EXTRA  22u /* header, VLAN tag and CRC */

/* The key that Microsoft's verification suite of RSS hashes uses. */
static const uint8_t default_key[WEIR_RSS_KEY_LEN] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static unsigned clamp(unsigned v, unsigned low, unsigned high)
{
    return v < low ? low : v > high ? high : v;
}

static int check_queues(const struct weir_net_limits *l, const char *driver,
                        const struct weir_port_options *o, struct weir_error *e)
{
    if (o->rx_queues > l->max_rx_queues || o->tx_queues > l->max_tx_queues)
        return weir_fail(e, -EINVAL, "port-queues",
                         "configure a port\n%u receive and %u transmit queues were asked for; "
                         "driver %s has at most %u and %u\nask for fewer queues",
                         o->rx_queues, o->tx_queues, driver, l->max_rx_queues, l->max_tx_queues);
    return 0;
}

static int check_ring(const struct weir_net_limits *l, const char *driver, const char *which,
                      unsigned ring, struct weir_error *e)
{
    unsigned multiple = l->ring_multiple ? l->ring_multiple : 1;

    if (ring < l->min_ring || ring > l->max_ring || ring % multiple)
        return weir_fail(e, -EINVAL, "port-ring",
                         "configure a port\na %s ring of %u descriptors was asked for; driver %s "
                         "takes %u to %u, in multiples of %u\nuse a ring size in that range, for "
                         "example %u",
                         which, ring, driver, l->min_ring, l->max_ring, multiple,
                         clamp(ring / multiple * multiple, l->min_ring, l->max_ring));
    return 0;
}

static int check_mtu(const struct weir_net_limits *l, const char *driver, uint32_t mtu,
                     uint32_t room, struct weir_error *e)
{
    uint32_t chain = room * WEIR_PKT_MAX_SEGS;
    uint32_t max = chain - ETHER_EXTRA < l->max_mtu ? chain - ETHER_EXTRA : l->max_mtu;

    if (mtu < l->min_mtu || mtu > max)
        return weir_fail(e, -EINVAL, "port-mtu",
                         "configure a port\nan MTU of %u was asked for; driver %s takes %u to %u "
                         "with buffers of %u bytes\nuse an MTU in that range",
                         mtu, driver, l->min_mtu, max, room);
    return 0;
}

static int check_pool(const struct weir_net_limits *l, const char *driver,
                      const struct weir_port_options *o, struct weir_error *e)
{
    uint32_t room = weir_pktpool_data_room(o->pool), total;
    uint32_t multiple = l->data_room_multiple ? l->data_room_multiple : 1;
    uint64_t need = (uint64_t)o->rx_queues * o->rx_ring;

    if (room < l->min_data_room || room > l->max_data_room || room % multiple)
        return weir_fail(
            e, -EINVAL, "port-room",
            "configure a port\nthe pool's packets have %u bytes of data room; driver "
            "%s takes %u to %u, in multiples of %u\nmake the pool with a data room "
            "in that range, for example %u",
            room, driver, l->min_data_room, l->max_data_room, multiple,
            clamp((room + multiple - 1) / multiple * multiple, l->min_data_room, l->max_data_room));
    weir_pktpool_count(o->pool, &total, NULL);
    if (total < need)
        return weir_fail(e, -EINVAL, "port-pool",
                         "configure a port\nthe pool has %u packets, and %u receive rings of %u "
                         "take %llu\nmake a larger pool: as many packets as all rings together, "
                         "plus what the application holds",
                         total, o->rx_queues, o->rx_ring, (unsigned long long)need);
    return 0;
}

int weir_port_resolve(const struct weir_net_limits *l, const char *driver,
                      const struct weir_port_options *opt, struct weir_port_options *out,
                      struct weir_error *e)
{
    int ret;

    if (!opt || opt->size != sizeof(*opt))
        return weir_fail(e, -EINVAL, "options-size",
                         "configure a port\nweir_port_options.size is %zu, this library expects "
                         "%zu\nset it to sizeof(struct weir_port_options)",
                         opt ? opt->size : 0, sizeof(*opt));
    if (!opt->pool)
        return weir_fail(e, -EINVAL, "port-pool",
                         "configure a port\nit was given no packet pool to receive into\n"
                         "make one with weir_pktpool_new() and set weir_port_options.pool");
    *out = *opt;
    if (!out->rx_queues)
        out->rx_queues = 1;
    if (!out->tx_queues)
        out->tx_queues = 1;
    if (!out->rx_ring)
        out->rx_ring = clamp(DEFAULT_RING, l->min_ring, l->max_ring);
    if (!out->tx_ring)
        out->tx_ring = clamp(DEFAULT_RING, l->min_ring, l->max_ring);
    if (!out->mtu)
        out->mtu = clamp(DEFAULT_MTU, l->min_mtu, l->max_mtu);
    if (!out->rss_key)
        out->rss_key = default_key;
    if (out->mac[0] & 1)
        return weir_fail(e, -EINVAL, "port-mac",
                         "configure a port\n%02x:%02x:%02x:%02x:%02x:%02x is a multicast address\n"
                         "use an address whose first byte is even",
                         out->mac[0], out->mac[1], out->mac[2], out->mac[3], out->mac[4],
                         out->mac[5]);
    ret = check_queues(l, driver, out, e);
    if (!ret)
        ret = check_ring(l, driver, "receive", out->rx_ring, e);
    if (!ret)
        ret = check_ring(l, driver, "transmit", out->tx_ring, e);
    if (!ret)
        ret = check_pool(l, driver, out, e);
    if (!ret)
        ret = check_mtu(l, driver, out->mtu, weir_pktpool_data_room(out->pool), e);
    return ret;
}
