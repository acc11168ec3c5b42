/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet pools and their caches.
 *
 * Buffers lie an odd number of cache lines apart: at a power-of-two stride all headers would fall
 * into the same few sets of the CPU's caches. The free packets of a pool are an array used as a
 * stack, so that the buffers used last, whose lines are warm, are used next.
 */
#include "lib/iommu/arena.h"
#include "lib/net/net.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PACKETS   (1u << 24)
#define MIN_DATA_ROOM 64u
#define MAX_DATA_ROOM 16384u
#define DEFAULT_ROOM  2048u

struct cache {
    struct weir_pktcache pub; /* first */
    struct cache *prev, *next;
};

static uint64_t stride_of(uint32_t data_room)
{
    uint64_t lines =
        (WEIR_PKT_HEADROOM + (uint64_t)data_room + WEIR_CACHE_LINE - 1) / WEIR_CACHE_LINE;

    return (lines | 1) * WEIR_CACHE_LINE;
}

/* The options with defaults put in; out of range is told. */
static int resolve(const struct weir_pktpool_options *opt, struct weir_pktpool_options *out,
                   struct weir_error *e)
{
    if (!opt || opt->size != sizeof(*opt))
        return weir_fail(e, -EINVAL, "options-size",
                         "make a packet pool\nweir_pktpool_options.size is %zu, this library "
                         "expects %zu\nset it to sizeof(struct weir_pktpool_options)",
                         opt ? opt->size : 0, sizeof(*opt));
    *out = *opt;
    if (!out->name)
        out->name = "pool";
    if (!out->data_room)
        out->data_room = DEFAULT_ROOM;
    if (!out->packets || out->packets > MAX_PACKETS)
        return weir_fail(e, -EINVAL, "pool-packets",
                         "make packet pool %s\n%u packets were asked for, 1 to %u are possible\n"
                         "set weir_pktpool_options.packets",
                         out->name, out->packets, MAX_PACKETS);
    if (out->data_room < MIN_DATA_ROOM || out->data_room > MAX_DATA_ROOM)
        return weir_fail(e, -EINVAL, "pool-room",
                         "make packet pool %s\na data room of %u bytes was asked for, %u to %u are "
                         "possible\nuse 2048, or 0 for the default",
                         out->name, out->data_room, MIN_DATA_ROOM, MAX_DATA_ROOM);
    return 0;
}

uint64_t weir_pktpool_bytes(const struct weir_pktpool_options *opt)
{
    struct weir_pktpool_options o = {0};

    return resolve(opt, &o, NULL) ? 0 : o.packets * stride_of(o.data_room);
}

static void destroy(struct weir_pktpool *pool)
{
    while (pool->caches) {
        struct cache *c = pool->caches;
        pool->caches = c->next;
        free(c);
    }
    while (pool->n_pieces)
        weir_dma_free(pool->arena, &pool->pieces[--pool->n_pieces]);
    free(pool->pieces);
    weir_object_remove(&pool->object);
    pthread_mutex_destroy(&pool->lock);
    free(pool->stack);
    free(pool->meta);
    free(pool->name);
    free(pool);
}

static void object_free(struct weir_object *o)
{
    destroy((struct weir_pktpool *)((char *)o - offsetof(struct weir_pktpool, object)));
}

/* Packets from number first on, as many as the piece holds. */
static void fill(struct weir_pktpool *pool, uint32_t first, const struct weir_dma *piece)
{
    uint64_t stride = stride_of(pool->data_room);

    for (uint32_t i = 0; i < piece->len / stride; i++) {
        struct weir_pkt *p = &pool->meta[first + i];
        p->buf = (uint8_t *)piece->va + i * stride;
        p->iova = weir_iova_add(piece->iova, i * stride);
        p->pool = pool;
        p->off = WEIR_PKT_HEADROOM;
        p->room = (uint16_t)(WEIR_PKT_HEADROOM + pool->data_room);
        p->n_segs = 1;
        p->refs = 1;
        pool->stack[first + i] = p;
    }
}

/* Memory for all packets: one piece, or where the arena is in pieces itself (it grew, or lies at
 * physical addresses) halves, quarters, ... 0 or -errno. */
static int carve(struct weir_pktpool *pool)
{
    uint64_t stride = stride_of(pool->data_room);
    uint32_t n = pool->packets, done = 0;

    while (done < pool->packets) {
        struct weir_dma *pieces =
            realloc(pool->pieces, (pool->n_pieces + 1) * sizeof(*pool->pieces));
        int ret;

        if (!pieces)
            return -ENOMEM;
        pool->pieces = pieces;
        if (n > pool->packets - done)
            n = pool->packets - done;
        ret =
            weir_dma_alloc(pool->arena, n * stride, WEIR_CACHE_LINE, &pieces[pool->n_pieces], NULL);
        if (ret == -ENOSPC && n > 1) {
            n = (n + 1) / 2;
            continue;
        }
        if (ret)
            return ret;
        fill(pool, done, &pieces[pool->n_pieces++]);
        done += n;
    }
    pool->available = pool->packets;
    return 0;
}

struct weir_pktpool *weir_pktpool_new(struct weir_arena *a, const struct weir_pktpool_options *opt,
                                      struct weir_error *e)
{
    struct weir_pktpool_options o = {0};
    struct weir_arena_info info;
    struct weir_pktpool *pool;
    uint64_t bytes;

    if (resolve(opt, &o, e))
        return NULL;
    pool = calloc(1, sizeof(*pool));
    if (!pool) {
        weir_fail(e, -ENOMEM, "no-memory", "make packet pool %s\nout of memory", o.name);
        return NULL;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pool->arena = a;
    pool->packets = o.packets;
    pool->data_room = o.data_room;
    /* An eighth of a small pool at most sits in one cache. */
    pool->high = o.packets / 8 < WEIR_PKTCACHE_SIZE ? o.packets / 8 : WEIR_PKTCACHE_SIZE;
    if (pool->high < 32)
        pool->high = 32;
    pool->name = strdup(o.name);
    pool->stack = malloc(o.packets * sizeof(*pool->stack));
    pool->meta = aligned_alloc(WEIR_CACHE_LINE, o.packets * sizeof(*pool->meta));
    if (!pool->name || !pool->stack || !pool->meta) {
        weir_fail(e, -ENOMEM, "no-memory", "make packet pool %s\nout of memory", o.name);
        destroy(pool);
        return NULL;
    }
    memset(pool->meta, 0, o.packets * sizeof(*pool->meta));
    bytes = o.packets * stride_of(o.data_room);
    if (carve(pool)) {
        weir_arena_info(a, &info);
        weir_fail(e, -ENOSPC, "pool-arena",
                  "make packet pool %s\n%u packets with %u bytes of data room take %llu bytes; "
                  "arena %s has %llu of %llu bytes in use\nmake the arena larger "
                  "(weir_pktpool_bytes() tells the need), or the pool smaller",
                  o.name, o.packets, o.data_room, (unsigned long long)bytes, info.name,
                  (unsigned long long)info.used, (unsigned long long)info.bytes);
        destroy(pool);
        return NULL;
    }
    weir_object_add(a->weir, &pool->object, WEIR_RANK_POOL, object_free);
    return pool;
}

int weir_pktpool_free(struct weir_pktpool *pool, struct weir_error *e)
{
    uint32_t out;
    unsigned caches = 0;

    if (!pool)
        return 0;
    pthread_mutex_lock(&pool->lock);
    out = pool->packets - pool->available;
    for (const struct cache *c = pool->caches; c; c = c->next)
        caches++;
    pthread_mutex_unlock(&pool->lock);
    if (out || caches)
        return weir_fail(e, -EBUSY, "pool-busy",
                         "free packet pool %s\n%u of its %u packets are out, and %u caches are in "
                         "use\nclose the ports that receive into it, free the packets and the "
                         "caches first",
                         pool->name, out, pool->packets, caches);
    destroy(pool);
    return 0;
}

struct weir_arena *weir_pktpool_arena(const struct weir_pktpool *pool)
{
    return pool->arena;
}

void weir_pktpool_count(struct weir_pktpool *pool, uint32_t *total, uint32_t *available)
{
    pthread_mutex_lock(&pool->lock);
    if (total)
        *total = pool->packets;
    if (available)
        *available = pool->available;
    pthread_mutex_unlock(&pool->lock);
}

uint32_t weir_pktpool_data_room(const struct weir_pktpool *pool)
{
    return pool->data_room;
}

struct weir_pktcache *weir_pktcache_new(struct weir_pktpool *pool, struct weir_error *e)
{
    size_t size = (sizeof(struct cache) + WEIR_CACHE_LINE - 1) & ~(size_t)(WEIR_CACHE_LINE - 1);
    /* Whole lines of its own: the caches of two threads share none. */
    struct cache *c = aligned_alloc(WEIR_CACHE_LINE, size);

    if (!c) {
        weir_fail(e, -ENOMEM, "no-memory", "make a cache of packet pool %s\nout of memory",
                  pool->name);
        return NULL;
    }
    c->pub.pool = pool;
    c->pub.n = 0;
    c->pub.high = pool->high;
    pthread_mutex_lock(&pool->lock);
    c->prev = NULL;
    c->next = pool->caches;
    if (c->next)
        c->next->prev = c;
    pool->caches = c;
    pthread_mutex_unlock(&pool->lock);
    return &c->pub;
}

void weir_pktcache_free(struct weir_pktcache *cache)
{
    struct cache *c = (struct cache *)cache;
    struct weir_pktpool *pool;

    if (!c)
        return;
    pool = cache->pool;
    weir_pktcache_spill(cache, WEIR_PKTCACHE_SIZE);
    pthread_mutex_lock(&pool->lock);
    if (c->prev)
        c->prev->next = c->next;
    else
        pool->caches = c->next;
    if (c->next)
        c->next->prev = c->prev;
    pthread_mutex_unlock(&pool->lock);
    free(c);
}

bool weir_pktcache_fill(struct weir_pktcache *c, unsigned need)
{
    struct weir_pktpool *pool = c->pool;
    unsigned want;
    bool ok;

    if (need > WEIR_PKTCACHE_SIZE)
        return false;
    if (c->n >= need)
        return true;
    /* Half full afterwards, so that neither the next take nor the next give comes back here. */
    want = (need > c->high / 2 ? need : c->high / 2) - c->n;
    pthread_mutex_lock(&pool->lock);
    ok = pool->available >= need - c->n;
    if (ok) {
        if (want > pool->available)
            want = pool->available;
        pool->available -= want;
        memcpy(&c->stack[c->n], &pool->stack[pool->available], want * sizeof(c->stack[0]));
        c->n += want;
    }
    pthread_mutex_unlock(&pool->lock);
    return ok;
}

void weir_pktcache_spill(struct weir_pktcache *c, unsigned room)
{
    struct weir_pktpool *pool = c->pool;
    unsigned keep = room < c->high ? c->high - room : 0;

    /* Down to a half at least, the oldest first: what stays is warm. */
    if (keep > c->high / 2)
        keep = c->high / 2;
    if (c->n <= keep)
        return;
    unsigned n = c->n - keep;
    pthread_mutex_lock(&pool->lock);
    memcpy(&pool->stack[pool->available], c->stack, n * sizeof(c->stack[0]));
    pool->available += n;
    pthread_mutex_unlock(&pool->lock);
    memmove(c->stack, &c->stack[n], keep * sizeof(c->stack[0]));
    c->n = keep;
}

void weir_pkt_free_slow(struct weir_pktcache *c, struct weir_pkt *p)
{
    while (p) {
        struct weir_pkt *next = p->next;
        if (__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) == 0) {
            p->refs = 1;
            p->next = NULL;
            p->n_segs = 1;
            if (p->pool == c->pool) {
                if (c->n >= c->high)
                    weir_pktcache_spill(c, 1);
                c->stack[c->n++] = p;
            } else {
                struct weir_pktpool *home = p->pool;
                pthread_mutex_lock(&home->lock);
                home->stack[home->available++] = p;
                pthread_mutex_unlock(&home->lock);
            }
        }
        p = next;
    }
}
