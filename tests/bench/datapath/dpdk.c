/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK's ixgbe driver on the rig's device. Compiled when the benchmark runs, by dpdk.sh, with the
 * headers and static libraries of Debian's packages.
 *
 * Registration of the driver is caught at link time (--wrap), and its probe called on a PCI device
 * that is made up here: no bus, no kernel driver. From there on everything is DPDK's public API.
 */
#include "subject.h"
#include <bus_pci_driver.h>
#include <dlfcn.h>
#include <rte_bus.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>
#include <rte_vect.h>
#include <rte_version.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Internal to DPDK, exported all the same. */
struct rte_intr_handle *rte_intr_instance_alloc(uint32_t flags);
int rte_intr_fd_set(struct rte_intr_handle *handle, int fd);

static struct rte_pci_driver *ixgbe;

void __wrap_rte_pci_register(struct rte_pci_driver *driver);
void __wrap_rte_pci_register(struct rte_pci_driver *driver)
{
    if (!ixgbe && driver->driver.name && !strcmp(driver->driver.name, "net_ixgbe"))
        ixgbe = driver;
}

struct app {
    uint16_t port;
    struct rte_mempool *pool;
};

#define RX_OFFLOADS                                                                                \
    (RTE_ETH_RX_OFFLOAD_VLAN_STRIP | RTE_ETH_RX_OFFLOAD_CHECKSUM | RTE_ETH_RX_OFFLOAD_RSS_HASH)
#define TX_OFFLOADS                                                                                \
    (RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_VLAN_INSERT |                              \
     RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM)

/* simd: bits that DPDK may use, its default or none; a path is DPDK's own choice below that. */
static const struct {
    const char *name;
    bool full;
    uint16_t simd;
} kinds[] = {
    {"dpdk-vector", false, RTE_VECT_SIMD_256},
    {"dpdk-scalar", false, RTE_VECT_SIMD_DISABLED},
    {"dpdk-full", true, RTE_VECT_SIMD_256},
    {"dpdk-full-scalar", true, RTE_VECT_SIMD_DISABLED},
};

static inline unsigned receive(uint16_t port, struct rte_mbuf **pkts, unsigned burst)
{
    return rte_eth_rx_burst(port, 0, pkts, (uint16_t)RIG_ASK(burst));
}

static inline unsigned transmit(uint16_t port, struct rte_mbuf **pkts, unsigned n)
{
    unsigned sent = rte_eth_tx_burst(port, 0, pkts, (uint16_t)n);

    if (__builtin_expect(sent < n, 0))
        rte_pktmbuf_free_bulk(pkts + sent, n - sent);
    return sent;
}

#define DATA(i) rte_pktmbuf_mtod(pkts[i], uint8_t *)

#define OFFLOAD                                                                                    \
    (RTE_MBUF_F_TX_VLAN | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM)

/* offload: flags for each packet; mixed: what every other packet's differ in. */
static inline __attribute__((always_inline)) unsigned forward_any(struct rig_subject *s,
                                                                  unsigned burst,
                                                                  enum rig_touch touch,
                                                                  uint64_t offload, uint64_t mixed)
{
    const struct app *a = s->priv;
    struct rte_mbuf *pkts[RIG_MAX_BURST];
    unsigned n = receive(a->port, pkts, burst);

    RIG_TOUCH(s, touch, n, DATA);
    for (unsigned i = 0; offload && i < n; i++) {
        struct rte_mbuf *m = pkts[i];
        m->ol_flags |= offload;
        if (i & 1)
            m->ol_flags ^= mixed;
        m->l2_len = 14;
        m->l3_len = 20;
        m->vlan_tci = RIG_TAG;
    }
    return transmit(a->port, pkts, n);
}

static __attribute__((noinline)) unsigned forward(struct rig_subject *s, unsigned burst,
                                                  enum rig_touch touch)
{
    return forward_any(s, burst, touch, 0, 0);
}

static __attribute__((noinline)) unsigned offload(struct rig_subject *s, unsigned burst,
                                                  enum rig_touch touch)
{
    return forward_any(s, burst, touch, OFFLOAD, 0);
}

static __attribute__((noinline)) unsigned mixed(struct rig_subject *s, unsigned burst,
                                                enum rig_touch touch)
{
    return forward_any(s, burst, touch, OFFLOAD, RTE_MBUF_F_TX_UDP_CKSUM ^ RTE_MBUF_F_TX_TCP_CKSUM);
}

static __attribute__((noinline)) unsigned rx(struct rig_subject *s, unsigned burst,
                                             enum rig_touch touch)
{
    const struct app *a = s->priv;
    struct rte_mbuf *pkts[RIG_MAX_BURST];
    unsigned n = receive(a->port, pkts, burst);

    RIG_TOUCH(s, touch, n, DATA);
    if (n)
        rte_pktmbuf_free_bulk(pkts, n);
    return n;
}

static __attribute__((noinline)) unsigned tx(struct rig_subject *s, unsigned burst,
                                             enum rig_touch touch)
{
    const struct app *a = s->priv;
    struct rte_mbuf *pkts[RIG_MAX_BURST];

    if (rte_pktmbuf_alloc_bulk(a->pool, pkts, burst))
        return 0;
    for (unsigned i = 0; i < burst; i++) {
        pkts[i]->data_len = 60;
        pkts[i]->pkt_len = 60;
    }
    RIG_TOUCH(s, touch, burst, DATA);
    return transmit(a->port, pkts, burst);
}

static __attribute__((noinline)) unsigned idle(struct rig_subject *s, unsigned times,
                                               enum rig_touch touch)
{
    const struct app *a = s->priv;
    struct rte_mbuf *pkts[RIG_MAX_BURST];
    unsigned n = 0;

    (void)touch;
    for (unsigned i = 0; i < times; i++)
        n += rte_eth_rx_burst(a->port, 0, pkts, 32);
    return n;
}

static unsigned check(struct rig_subject *s, unsigned burst, struct rig_seen *seen)
{
    const struct app *a = s->priv;
    struct rte_mbuf *pkts[RIG_MAX_BURST];
    unsigned n = receive(a->port, pkts, burst);

    for (unsigned i = 0; i < n; i++) {
        const struct rte_mbuf *m = pkts[i];
        uint32_t l3 = m->packet_type & RTE_PTYPE_L3_MASK, l4 = m->packet_type & RTE_PTYPE_L4_MASK;
        uint64_t l3_sum = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
        uint64_t l4_sum = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
        seen[i] = (struct rig_seen){
            .data = rte_pktmbuf_mtod(m, const uint8_t *),
            .len = m->pkt_len,
            .segs = m->nb_segs,
            .hash = m->hash.rss,
            .vlan = m->vlan_tci,
            .has_hash = m->ol_flags & RTE_MBUF_F_RX_RSS_HASH,
            .has_vlan = m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED,
            .ipv4 = l3 == RTE_PTYPE_L3_IPV4 || l3 == RTE_PTYPE_L3_IPV4_EXT,
            .ipv6 = l3 == RTE_PTYPE_L3_IPV6 || l3 == RTE_PTYPE_L3_IPV6_EXT,
            .tcp = l4 == RTE_PTYPE_L4_TCP,
            .udp = l4 == RTE_PTYPE_L4_UDP,
            .l3_ok = l3_sum == RTE_MBUF_F_RX_IP_CKSUM_GOOD,
            .l3_bad = l3_sum == RTE_MBUF_F_RX_IP_CKSUM_BAD,
            .l4_ok = l4_sum == RTE_MBUF_F_RX_L4_CKSUM_GOOD,
            .l4_bad = l4_sum == RTE_MBUF_F_RX_L4_CKSUM_BAD,
        };
    }
    return transmit(a->port, pkts, n);
}

static const char *start_eal(void)
{
    static bool done;
    static char cpu[16];
    /* The device is made up, so no bus is scanned; memory is anonymous hugepages. */
    static char *argv[] = {
        "datapath",       "--no-pci",          "--in-memory", "-m", "128", "--iova-mode=va",
        "--no-telemetry", "--log-level=error", "-l",          cpu,  NULL};

    if (done)
        return NULL;
    snprintf(cpu, sizeof(cpu), "%d", sched_getcpu());
    if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) < 0)
        return rte_strerror(rte_errno);
    done = true;
    return NULL;
}

static int probe(unsigned i, const struct rig_device *d)
{
    static struct rte_pci_device devices[sizeof(kinds) / sizeof(kinds[0])];
    struct rte_pci_device *pci = &devices[i];
    uint16_t before = rte_eth_dev_count_avail();
    int ret;

    snprintf(pci->name, sizeof(pci->name), "0000:%02x:00.0", i + 1);
    pci->device.name = pci->name;
    pci->device.driver = &ixgbe->driver;
    pci->device.bus = rte_bus_find_by_name("pci");
    pci->device.numa_node = 0;
    pci->addr = (struct rte_pci_addr){.bus = (uint8_t)(i + 1)};
    pci->id = (struct rte_pci_id){.class_id = 0x020000, .vendor_id = 0x8086, .device_id = 0x1528};
    pci->mem_resource[0].addr = (void *)(uintptr_t)d->bar;
    pci->mem_resource[0].len = d->bar_size;
    pci->intr_handle = rte_intr_instance_alloc(1 /* private */);
    if (!pci->intr_handle || rte_intr_fd_set(pci->intr_handle, -1)) /* there are no interrupts */
        return -ENOMEM;
    pci->driver = ixgbe;
    ret = ixgbe->probe(ixgbe, pci);
    return ret ? ret : rte_eth_dev_count_avail() == before ? -ENODEV : 0;
}

/* Which path DPDK chose: the name of its function, without what all have in common. */
static const char *name_of(void *function)
{
    Dl_info info;

    if (!dladdr(function, &info) || !info.dli_sname)
        return "unknown";
    return strncmp(info.dli_sname, "ixgbe_", 6) ? info.dli_sname : info.dli_sname + 6;
}

bool rig_peer(unsigned i, struct rig_subject *s, const struct rig_device *d, char version[64],
              char why[256])
{
    static struct app apps[sizeof(kinds) / sizeof(kinds[0])];
    struct app *a;
    struct rte_eth_conf conf = {0};
    struct rte_eth_dev_info info;
    struct rte_eth_rxconf rxconf;
    struct rte_eth_txconf txconf;
    const char *failed;
    char name[32];
    int ret;

    why[0] = 0;
    if (i >= sizeof(kinds) / sizeof(kinds[0]))
        return false;
    a = &apps[i];
    snprintf(version, 64, "%s", rte_version());
    failed = start_eal();
    if (failed || !ixgbe) {
        snprintf(why, 256, "DPDK's EAL: %s", failed ? failed : "has no ixgbe driver");
        return false;
    }
    ret = probe(i, d);
    if (ret) {
        snprintf(why, 256, "DPDK's ixgbe: probe says %d", ret);
        return false;
    }
    a->port = (uint16_t)(rte_eth_dev_count_avail() - 1);
    rte_vect_set_max_simd_bitwidth(kinds[i].simd);

    snprintf(name, sizeof(name), "rig%u", i);
    a->pool = rte_pktmbuf_pool_create(name, RIG_PACKETS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rxmode.mtu = kinds[i].full ? 9000 : RIG_MTU;
    conf.rxmode.offloads = RX_OFFLOADS | (kinds[i].full ? RTE_ETH_RX_OFFLOAD_SCATTER : 0);
    conf.rx_adv_conf.rss_conf.rss_hf = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
    conf.txmode.offloads = kinds[i].full ? TX_OFFLOADS : 0;
    ret = a->pool ? rte_eth_dev_info_get(a->port, &info) : -rte_errno;
    failed = "set up";
    if (!ret) {
        conf.rx_adv_conf.rss_conf.rss_hf &= info.flow_type_rss_offloads;
        conf.rxmode.offloads &= info.rx_offload_capa;
        conf.txmode.offloads &= info.tx_offload_capa;
        rxconf = info.default_rxconf;
        rxconf.offloads = conf.rxmode.offloads;
        txconf = info.default_txconf;
        txconf.offloads = conf.txmode.offloads;
        ret = rte_eth_dev_configure(a->port, 1, 1, &conf);
        failed = "configure";
    }
    if (!ret) {
        ret = rte_eth_rx_queue_setup(a->port, 0, RIG_RING, 0, &rxconf, a->pool);
        failed = "receive queue";
    }
    if (!ret) {
        ret = rte_eth_tx_queue_setup(a->port, 0, RIG_RING, 0, &txconf);
        failed = "transmit queue";
    }
    if (!ret) {
        ret = rte_eth_dev_start(a->port);
        failed = "start";
    }
    if (ret) {
        snprintf(why, 256, "DPDK's ixgbe: %s says %d", failed, ret);
        return false;
    }
    *s = (struct rig_subject){.driver = kinds[i].name,
                              .describes = true,
                              .unasked = true,
                              .full = kinds[i].full,
                              .priv = a,
                              .forward = forward,
                              .offload = kinds[i].full ? offload : NULL,
                              .mixed = kinds[i].full ? mixed : NULL,
                              .rx = rx,
                              .tx = tx,
                              .idle = idle,
                              .check = check};
    snprintf(s->path, sizeof(s->path), "%s, %s",
             name_of((void *)rte_eth_fp_ops[a->port].rx_pkt_burst),
             name_of((void *)rte_eth_fp_ops[a->port].tx_pkt_burst));
    return true;
}
