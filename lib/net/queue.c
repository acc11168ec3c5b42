/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues, apart from their bursts, which are the driver's. */
#include "lib/net/net.h"
#include <errno.h>

#define ETHER_HEADER 14u

unsigned weir_rx_burst_none(struct weir_rxq *q, struct weir_pkt **pkts, unsigned n)
{
    (void)q;
    (void)pkts;
    (void)n;
    return 0;
}

unsigned weir_tx_burst_none(struct weir_txq *q, struct weir_pkt **pkts, unsigned n)
{
    (void)q;
    (void)pkts;
    (void)n;
    return 0;
}

void weir_port_silence(struct weir_port *p)
{
    struct weir_net *n = &p->net;

    for (unsigned i = 0; i < n->opt.rx_queues; i++)
        if (n->rxq[i])
            __atomic_store_n(&n->rxq[i]->burst, weir_rx_burst_none, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < n->opt.tx_queues; i++)
        if (n->txq[i])
            __atomic_store_n(&n->txq[i]->burst, weir_tx_burst_none, __ATOMIC_RELAXED);
}

struct weir_rxq *weir_port_rxq(struct weir_port *p, unsigned n)
{
    return n < p->net.opt.rx_queues ? p->net.rxq[n] : NULL;
}

struct weir_txq *weir_port_txq(struct weir_port *p, unsigned n)
{
    return n < p->net.opt.tx_queues ? p->net.txq[n] : NULL;
}

/* A queue's choice of cache: its own (made when the port starts) or one that was given. */
static int set_cache(const struct weir_net *n, struct weir_pktcache **cache, bool *own,
                     struct weir_pktcache *given, struct weir_error *e)
{
    if (n->port->started)
        return weir_fail(e, -EBUSY, "port-started",
                         "set a queue's packet cache\nthe port is started\nstop it first");
    if (*own)
        weir_pktcache_free(*cache);
    *cache = given;
    *own = false;
    return 0;
}

int weir_rxq_set_cache(struct weir_rxq *q, struct weir_pktcache *cache, struct weir_error *e)
{
    struct weir_rxq_base *b = weir_rxq_base(q);

    if (cache && cache->pool != b->net->pool)
        return weir_fail(e, -EINVAL, "queue-cache",
                         "set a receive queue's packet cache\nthe cache is of another pool than "
                         "the port receives into\nmake a cache of the port's pool");
    return set_cache(b->net, &b->cache, &b->own_cache, cache, e);
}

int weir_txq_set_cache(struct weir_txq *q, struct weir_pktcache *cache, struct weir_error *e)
{
    struct weir_txq_base *b = weir_txq_base(q);

    return set_cache(b->net, &b->cache, &b->own_cache, cache, e);
}

/* A cache for one of n queues: all of them together keep a quarter of the pool at most. */
static struct weir_pktcache *make_cache(struct weir_pktpool *pool, unsigned n, struct weir_error *e)
{
    struct weir_pktcache *c = weir_pktcache_new(pool, e);
    uint32_t share = pool->packets / (4 * n);

    if (c && c->high > share)
        c->high = share > 32 ? share : 32;
    return c;
}

int weir_port_make_caches(struct weir_port *p, struct weir_error *e)
{
    struct weir_net *n = &p->net;
    unsigned queues = n->opt.rx_queues + n->opt.tx_queues;

    for (unsigned i = 0; i < n->opt.rx_queues; i++) {
        struct weir_rxq_base *b = weir_rxq_base(n->rxq[i]);
        if (!b->cache) {
            b->cache = make_cache(n->pool, queues, e);
            if (!b->cache)
                return -ENOMEM;
            b->own_cache = true;
        }
    }
    for (unsigned i = 0; i < n->opt.tx_queues; i++) {
        struct weir_txq_base *b = weir_txq_base(n->txq[i]);
        if (!b->cache) {
            b->cache = make_cache(n->pool, queues, e);
            if (!b->cache)
                return -ENOMEM;
            b->own_cache = true;
        }
    }
    return 0;
}

void weir_port_spill_caches(struct weir_port *p)
{
    struct weir_net *n = &p->net;

    for (unsigned i = 0; i < n->opt.rx_queues; i++)
        if (weir_rxq_base(n->rxq[i])->own_cache)
            weir_pktcache_spill(weir_rxq_base(n->rxq[i])->cache, WEIR_PKTCACHE_SIZE);
    for (unsigned i = 0; i < n->opt.tx_queues; i++)
        if (weir_txq_base(n->txq[i])->own_cache)
            weir_pktcache_spill(weir_txq_base(n->txq[i])->cache, WEIR_PKTCACHE_SIZE);
}

void weir_port_free_caches(struct weir_port *p)
{
    struct weir_net *n = &p->net;

    for (unsigned i = 0; i < n->opt.rx_queues; i++) {
        struct weir_rxq_base *b = weir_rxq_base(n->rxq[i]);
        if (b->own_cache)
            weir_pktcache_free(b->cache);
        b->cache = NULL;
        b->own_cache = false;
    }
    for (unsigned i = 0; i < n->opt.tx_queues; i++) {
        struct weir_txq_base *b = weir_txq_base(n->txq[i]);
        if (b->own_cache)
            weir_pktcache_free(b->cache);
        b->cache = NULL;
        b->own_cache = false;
    }
}

static void read_stats(const struct weir_queue_stats *s, struct weir_queue_stats *out)
{
    /* Another thread may be counting. */
    out->packets = __atomic_load_n(&s->packets, __ATOMIC_RELAXED);
    out->bytes = __atomic_load_n(&s->bytes, __ATOMIC_RELAXED);
    out->dropped = __atomic_load_n(&s->dropped, __ATOMIC_RELAXED);
}

void weir_rxq_stats(const struct weir_rxq *q, struct weir_queue_stats *out)
{
    read_stats(&weir_rxq_base(q)->stats, out);
}

void weir_txq_stats(const struct weir_txq *q, struct weir_queue_stats *out)
{
    read_stats(&weir_txq_base(q)->stats, out);
}

unsigned weir_txq_reclaim(struct weir_txq *q)
{
    return weir_txq_base(q)->reclaim(q);
}

/* What a device needs to know to do what is asked for. */
static bool offloads_ok(const struct weir_txq_base *b, const struct weir_pkt *p)
{
    uint32_t l4 = p->flags & (WEIR_PKT_TCP | WEIR_PKT_UDP);
    uint32_t ip = p->flags & WEIR_PKT_IPV4 || p->flags & WEIR_PKT_TX_L3_SUM ? 20 : 40;

    if (p->flags & WEIR_PKT_TX_ALL & ~b->can)
        return false;
    if (p->flags & WEIR_PKT_TX_L4_SUM && l4 != WEIR_PKT_TCP && l4 != WEIR_PKT_UDP)
        return false;
    if (!(p->flags & (WEIR_PKT_TX_L3_SUM | WEIR_PKT_TX_L4_SUM)))
        return true;
    l4 = !(p->flags & WEIR_PKT_TX_L4_SUM) ? 0 : l4 == WEIR_PKT_TCP ? 20 : 8;
    return p->l2_len >= ETHER_HEADER && p->l2_len < 128 && p->l3_len >= ip &&
           p->l2_len + p->l3_len + l4 <= p->total;
}

int weir_tx_check(const struct weir_txq *q, const struct weir_pkt *pkt, struct weir_error *e)
{
    const struct weir_txq_base *b = weir_txq_base(q);
    const struct weir_pkt *s = pkt;
    uint64_t sum = 0;
    unsigned n = 0;

    if (pkt->total > b->max_frame)
        return weir_fail(e, -EMSGSIZE, "tx-too-long",
                         "send a packet\nit has %u bytes; an MTU of %u allows frames of %u, with "
                         "header and VLAN tag\nsend less, or open the port with a larger mtu",
                         pkt->total, b->net->opt.mtu, b->max_frame);
    if (pkt->total < ETHER_HEADER)
        return weir_fail(e, -EINVAL, "tx-too-short",
                         "send a packet\nit has %u bytes, an Ethernet header takes %u\n"
                         "set total and len",
                         pkt->total, ETHER_HEADER);
    if (pkt->flags & WEIR_PKT_TX_ALL && !offloads_ok(b, pkt))
        return weir_fail(e, -EINVAL, "tx-offload",
                         "send a packet\nits flags are %#x, its header lengths %u and %u: this "
                         "device does %#x of that, and needs to know the headers\nset l2_len and "
                         "l3_len, WEIR_PKT_IPV4 for an IPv4 header, and one of WEIR_PKT_TCP and "
                         "WEIR_PKT_UDP for a checksum of it",
                         pkt->flags, pkt->l2_len, pkt->l3_len, pkt->flags & b->can);
    if (pkt->n_segs < 1 || pkt->n_segs > WEIR_PKT_MAX_SEGS)
        return weir_fail(e, -EINVAL, "tx-chain",
                         "send a packet\nit claims %u segments, 1 to %u are possible\nset n_segs "
                         "of the first segment",
                         pkt->n_segs, WEIR_PKT_MAX_SEGS);
    for (; s && n < pkt->n_segs; s = s->next, n++) {
        if (!s->len || s->off > s->room || s->len > s->room - s->off)
            return weir_fail(e, -EINVAL, "tx-chain",
                             "send a packet\nsegment %u has %u bytes at offset %u of a buffer of "
                             "%u\nkeep data inside the buffers, and leave out empty segments",
                             n, s->len, s->off, s->room);
        sum += s->len;
    }
    if (s || n != pkt->n_segs || sum != pkt->total)
        return weir_fail(e, -EINVAL, "tx-chain",
                         "send a packet\nit claims %u bytes in %u segments; its chain has %s%u "
                         "segments and %llu bytes\nset total and n_segs of the first segment, and "
                         "end the chain with NULL",
                         pkt->total, pkt->n_segs, s ? "more than " : "", n,
                         (unsigned long long)sum);
    return 0;
}
