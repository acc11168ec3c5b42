/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>
#include <weir/driver/pktcache.h>

static struct weir_pkt *fresh(struct weir_pkt *p)
{
    p->flags = 0;
    p->hash = 0;
    p->vlan = 0;
    p->queue = 0;
    p->user = 0;
    p->off = WEIR_PKT_HEADROOM;
    weir_pkt_set_len(p, 0);
    return p;
}

struct weir_pkt *weir_pkt_alloc(struct weir_pktcache *cache)
{
    struct weir_pkt **p = weir_pktcache_take(cache, 1);

    return p ? fresh(*p) : NULL;
}

unsigned weir_pkt_alloc_bulk(struct weir_pktcache *cache, struct weir_pkt **pkts, unsigned n)
{
    unsigned done = 0;

    while (done < n) {
        unsigned k = n - done < WEIR_PKTCACHE_SIZE / 2 ? n - done : WEIR_PKTCACHE_SIZE / 2;
        struct weir_pkt **p = weir_pktcache_take(cache, k);
        if (!p) {
            weir_pkt_free_bulk(cache, pkts, done);
            return 0;
        }
        for (unsigned i = 0; i < k; i++)
            pkts[done + i] = fresh(p[i]);
        done += k;
    }
    return n;
}

void weir_pkt_free(struct weir_pktcache *cache, struct weir_pkt *p)
{
    if (!p)
        return;
    if (!p->next)
        p->n_segs = 1; /* whatever the application made of it */
    weir_pktcache_give(cache, p);
}

void weir_pkt_free_bulk(struct weir_pktcache *cache, struct weir_pkt **pkts, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        weir_pkt_free(cache, pkts[i]);
}

uint32_t weir_pkt_read(const struct weir_pkt *p, uint32_t off, void *out, uint32_t len)
{
    uint32_t done = 0;

    for (; p && done < len; p = p->next) {
        if (off >= p->len) {
            off -= p->len;
            continue;
        }
        uint32_t k = p->len - off < len - done ? p->len - off : len - done;
        memcpy((uint8_t *)out + done, weir_pkt_data(p) + off, k);
        done += k;
        off = 0;
    }
    return done;
}

/* RFC 9293 3.1, RFC 8200 8.1: source, destination, length, protocol. */
uint16_t weir_pseudo_sum(const void *ip, uint8_t protocol, uint32_t len)
{
    const uint8_t *p = ip, *end;
    uint64_t sum = (uint64_t)protocol + len;

    end = p[0] >> 4 == 6 ? p + 40 : p + 20;
    for (p = p[0] >> 4 == 6 ? p + 8 : p + 12; p < end; p += 2)
        sum += (uint32_t)p[0] << 8 | p[1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

struct weir_pkt *weir_pkt_from(struct weir_pktcache *cache, const void *data, uint32_t len)
{
    struct weir_pkt *segs[WEIR_PKT_MAX_SEGS];
    uint32_t room = weir_pktpool_data_room(cache->pool);
    uint32_t n = len ? len / room + (len % room != 0) : 1;

    if (n > WEIR_PKT_MAX_SEGS || !weir_pkt_alloc_bulk(cache, segs, n))
        return NULL;
    for (uint32_t i = 0, done = 0; i < n; i++) {
        uint16_t k = (uint16_t)(len - done < room ? len - done : room);
        if (k)
            memcpy(weir_pkt_data(segs[i]), (const uint8_t *)data + done, k);
        segs[i]->len = k;
        segs[i]->next = i + 1 < n ? segs[i + 1] : NULL;
        done += k;
    }
    segs[0]->total = len;
    segs[0]->n_segs = (uint8_t)n;
    return segs[0];
}
