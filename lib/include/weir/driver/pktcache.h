/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The inside of packet caches, for the fast paths of drivers. Applications use weir/pkt.h.
 *
 * A cache is a stack of pointers. It trades with its pool in bulk of half its size, under the
 * pool's lock, only when it runs empty or full.
 *
 * @code
 * struct weir_pkt **fresh = weir_pktcache_take(cache, 32);
 * if (fresh)
 *     fresh[0]->off = WEIR_PKT_HEADROOM;
 * @endcode
 */
#ifndef WEIR_DRIVER_PKTCACHE_H
#define WEIR_DRIVER_PKTCACHE_H

#include <weir/pkt.h>

WEIR_BEGIN_DECLS

#define WEIR_PKTCACHE_SIZE 512

struct weir_pktcache {
    struct weir_pktpool *pool;
    unsigned n;    /**< packets in the stack */
    unsigned high; /**< above this it gives packets to the pool: less in a small pool, so that idle
                        caches do not hold what a busy queue needs */
    struct weir_pkt *stack[WEIR_PKTCACHE_SIZE];
};

/** Slow path: bring the cache to at least @a need packets from the pool. @return false if it cannot
 */
bool weir_pktcache_fill(struct weir_pktcache *c, unsigned need);

/** Slow path: give packets to the pool until at least @a room more fit under the high mark;
 *  WEIR_PKTCACHE_SIZE gives all. */
void weir_pktcache_spill(struct weir_pktcache *c, unsigned room);

/** Slow path: a packet that is shared, chained or of another pool. */
void weir_pkt_free_slow(struct weir_pktcache *c, struct weir_pkt *p);

/**
 * Take @a n buffers, all or none (n at most WEIR_PKTCACHE_SIZE / 2). The pointers stay valid at
 * the returned place until the next call on the cache; metadata is as the last user left it, refs
 * 1, next NULL, n_segs 1.
 */
static inline struct weir_pkt **weir_pktcache_take(struct weir_pktcache *c, unsigned n)
{
    if (__builtin_expect(c->n < n, 0) && !weir_pktcache_fill(c, n))
        return NULL;
    c->n -= n;
    return &c->stack[c->n];
}

/** Give back one segment that nobody else holds; it need not be the first of its packet. */
static inline void weir_pktcache_give(struct weir_pktcache *c, struct weir_pkt *p)
{
    /* Acquire: whoever dropped another reference is done with the buffer. */
    if (__builtin_expect(
            p->pool != c->pool || p->next || __atomic_load_n(&p->refs, __ATOMIC_ACQUIRE) != 1, 0)) {
        weir_pkt_free_slow(c, p);
        return;
    }
    if (__builtin_expect(c->n >= c->high, 0))
        weir_pktcache_spill(c, 1);
    c->stack[c->n++] = p;
}

/**
 * Give back @a n packets at once, at most WEIR_PKTCACHE_SIZE / 16, each of the cache's own pool,
 * with refs 1, next NULL and n_segs 1: their metadata is not looked at.
 */
static inline void weir_pktcache_give_bulk(struct weir_pktcache *c, struct weir_pkt *const *pkts,
                                           unsigned n)
{
    if (__builtin_expect(c->n + n > c->high, 0))
        weir_pktcache_spill(c, n);
    __builtin_memcpy(&c->stack[c->n], pkts, n * sizeof(*pkts));
    c->n += n;
}

WEIR_END_DECLS

#endif
