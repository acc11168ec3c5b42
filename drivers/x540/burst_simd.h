/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bursts four packets at a time. Included by simd.c once for each width of vectors, BITS; 16 bytes
 * (a descriptor, a part of a packet's metadata) stay in one lane of them, so the code is the same.
 *
 * Only what is as usual is done here: four whole frames without errors; four packets that are all
 * like the last one. Everything else, and what is left at the end of a ring, goes through
 * x540_rx_some() and x540_tx_some(). Nothing a device wrote is used before it was compared: each
 * descriptor is loaded once, into a register.
 */
#define NAME3(name, bits) name##_##bits
#define NAME2(name, bits) NAME3(name, bits)
#define NAME(name)        NAME2(name, BITS)

#if BITS == 128
#define TARGET  __attribute__((target("sse4.1")))
#define VEC     __m128i
#define LANES   1
#define REG     "x"
#define V(op)   _mm_##op
#define ALL(op) _mm_##op##_si128
#elif BITS == 256
#define TARGET  __attribute__((target("avx2")))
#define VEC     __m256i
#define LANES   2
#define REG     "x"
#define V(op)   _mm256_##op
#define ALL(op) _mm256_##op##_si256
#else
#define TARGET  __attribute__((target("avx512bw,avx512vl")))
#define VEC     __m512i
#define LANES   4
#define REG     "v"
#define V(op)   _mm512_##op
#define ALL(op) _mm512_##op##_si512
#endif
#define VECS   (4 / LANES) /* for four packets */
#define INLINE static inline __attribute__((always_inline)) TARGET

/* The same 16 bytes in every lane. */
INLINE VEC NAME(same)(__m128i v)
{
#if LANES == 1
    return v;
#elif LANES == 2
    return _mm256_broadcastsi128_si256(v);
#else
    return _mm512_broadcast_i32x4(v);
#endif
}

INLINE bool NAME(zero)(VEC v)
{
#if LANES == 4
    return _mm512_test_epi64_mask(v, v) == 0;
#elif LANES == 2
    return _mm256_testz_si256(v, v);
#else
    return _mm_testz_si128(v, v);
#endif
}

/* 16 bytes at an offset of each of LANES packets. */
INLINE VEC NAME(gather)(struct weir_pkt *const *p, size_t off)
{
#define AT(i) _mm_loadu_si128((const __m128i *)(const void *)((const uint8_t *)p[i] + off))
#if LANES == 1
    return AT(0);
#elif LANES == 2
    return _mm256_inserti128_si256(_mm256_castsi128_si256(AT(0)), AT(1), 1);
#else
    VEC v = _mm512_inserti32x4(_mm512_castsi128_si512(AT(0)), AT(1), 1);
    v = _mm512_inserti32x4(v, AT(2), 2);
    return _mm512_inserti32x4(v, AT(3), 3);
#endif
#undef AT
}

/* Lane i of v, a constant. */
#if LANES == 1
#define LANE(v, i) (v)
#elif LANES == 2
#define LANE(v, i) _mm256_extracti128_si256(v, i)
#else
#define LANE(v, i) _mm512_extracti32x4_epi32(v, i)
#endif

/* Sum of all lanes' 32-bit elements number n. */
#define ELEMENT(v, i, n) (uint32_t) _mm_extract_epi32(LANE(v, i), n)
#if LANES == 1
#define SUM_LANES(v, n) ELEMENT(v, 0, n)
#elif LANES == 2
#define SUM_LANES(v, n) (ELEMENT(v, 0, n) + ELEMENT(v, 1, n))
#else
#define SUM_LANES(v, n) (ELEMENT(v, 0, n) + ELEMENT(v, 1, n) + ELEMENT(v, 2, n) + ELEMENT(v, 3, n))
#endif

/* Four pointers. */
INLINE void NAME(copy4)(struct weir_pkt **to, struct weir_pkt *const *from)
{
#if LANES == 1
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)from);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(from + 2));
    _mm_storeu_si128((__m128i *)(void *)to, a);
    _mm_storeu_si128((__m128i *)(void *)(to + 2), b);
#else
    _mm256_storeu_si256((__m256i *)(void *)to,
                        _mm256_loadu_si256((const __m256i *)(const void *)from));
#endif
}

/*
 * Receiving. A lane is a descriptor as the device wrote it (7.1.6): the packet's type and what its
 * hash covers, the hash, status and errors, length and tag.
 */
TARGET static unsigned NAME(rx_fast)(struct x540_rxq *q, struct weir_pkt **pkts, unsigned n)
{
    /* Done, whole, without errors, of a type that means what it says. */
    const VEC check = NAME(same)(_mm_setr_epi32(X540_PKTTYPE_ETQF << 4, 0, (int)0xe0000003, 0));
    const VEC usual = NAME(same)(_mm_setr_epi32(0, 0, 3, 0));
    /* len - 1 < room; elements other than the length's always pass. */
    const VEC minus = NAME(same)(_mm_setr_epi16(0, 0, 0, 0, 0, 0, -1, 0));
    const VEC room = NAME(same)(_mm_insert_epi16(_mm_set1_epi16(-1), (short)(q->room - 1), 6));
    /* Metadata from flags on: flags, total, hash, vlan, len. */
    const VEC place =
        NAME(same)(_mm_setr_epi8(8, 9, 10, 11, 12, 13, -1, -1, 4, 5, 6, 7, 14, 15, 12, 13));
    const VEC keep = NAME(same)(_mm_setr_epi32(-1, -1, (int)q->keep, -1));
    /* Shifted by four, the type's bits are flags, and what the hash covers is HASH if not 0. */
    const VEC types = NAME(same)(_mm_setr_epi32(WEIR_PKT_IPV4 | WEIR_PKT_IPV6 | WEIR_PKT_TCP |
                                                    WEIR_PKT_UDP | WEIR_PKT_SCTP | 0xf0,
                                                0, 0, 0));
    const VEC most = NAME(same)(_mm_setr_epi32(0xff00 | WEIR_PKT_HASH, 0, 0, 0));
    const __m128i rest = _mm_cvtsi64_si128((long long)q->rest);
    const uint32_t at = q->next, run = q->count - at;
    const struct x540_rx_desc *desc = &q->descs[at];
    struct weir_pkt **slot = &q->slots[at];
    VEC bytes = NAME(same)(_mm_setzero_si128());
    uint32_t left = (n < run ? n : run) / 4, got = left;

    for (; left; left--, desc += 4, slot += 4, pkts += 4) {
        VEC d[VECS], odd = NAME(same)(_mm_setzero_si128());
        for (unsigned i = 0; i < VECS; i++) {
            d[i] = ALL(loadu)((const VEC *)(const void *)&desc[i * LANES]);
            __asm__ volatile("" : "+" REG(d[i])); /* once */
            odd = ALL(or)(odd, ALL(xor)(ALL(and)(d[i], check), usual));
            odd = ALL(or)(odd, V(subs_epu16)(V(add_epi16)(d[i], minus), room));
        }
        if (!NAME(zero)(odd))
            break;
        for (unsigned i = 0; i < 4; i++)
            __builtin_prefetch(slot[X540_AHEAD + i], 1);
        weir_rmb();
        for (unsigned i = 0; i < VECS; i++) {
            VEC m = V(shuffle_epi8)(ALL(and)(d[i], keep), place);
            VEC t = V(min_epu8)(ALL(and)(V(slli_epi32)(d[i], 4), types), most);
            m = ALL(or)(m, t);
            bytes = V(add_epi32)(bytes, m);
#define PUT(k)                                                                                     \
    do {                                                                                           \
        struct weir_pkt *p = slot[i * LANES + k];                                                  \
        _mm_store_si128((__m128i *)(void *)&p->flags, LANE(m, k));                                 \
        _mm_store_si128((__m128i *)(void *)&p->off, rest);                                         \
    } while (0)
            PUT(0);
#if LANES > 1
            PUT(1);
#endif
#if LANES > 2
            PUT(2);
            PUT(3);
#endif
        }
        NAME(copy4)(pkts, slot);
    }
    got = (got - left) * 4;
    q->next = got == run ? 0 : at + got;
    q->posted -= got;
    q->base.stats.packets += got;
    q->base.stats.bytes += SUM_LANES(bytes, 1);
    return got;
}

/* Is the descriptor i places after the next one done? */
INLINE bool NAME(done)(const struct x540_rxq *q, uint32_t i)
{
    return q->next + i < q->count && WEIR_READ_ONCE(q->descs[q->next + i].qw[1]) & 1;
}

TARGET static unsigned NAME(rx)(struct weir_rxq *rxq, struct weir_pkt **pkts, unsigned n)
{
    struct x540_rxq *q = (struct x540_rxq *)rxq;
    unsigned got = 0;

    while (got < n && q->posted && NAME(done)(q, 0)) {
        unsigned most = n - got < q->posted ? n - got : q->posted, k = 0;
        if (most >= 4 && NAME(done)(q, 3) && !q->head && !q->skip)
            k = NAME(rx_fast)(q, pkts + got, most);
        if (!k)
            k = x540_rx_some(q, pkts + got, most < 4 ? most : 4);
        got += k;
    }
    if (q->posted <= q->low)
        x540_rx_refill(q);
    return got;
}

/*
 * Sending. A lane is one of three pieces of a packet's metadata, from offset 8 on: IOVA and next;
 * pool, flags, total; header lengths, tag, len, off, room, n_segs, refs, queue.
 */
TARGET static unsigned NAME(tx_fast)(struct x540_txq *q, struct weir_pkt **pkts, unsigned n)
{
    const VEC next = NAME(same)(_mm_setr_epi32(0, 0, -1, -1));
    const struct x540_tx_alike *a = &q->alike[q->like];
    const VEC mask1 = NAME(same)((__m128i)a->mask1), want1 = NAME(same)((__m128i)a->want1);
    const VEC mask2 = NAME(same)((__m128i)a->mask2), want2 = NAME(same)((__m128i)a->want2);
    const VEC cmd = NAME(same)((__m128i)a->cmd), least = NAME(same)((__m128i)a->least);
    /* Sixteen-bit elements off, 0, 0, 0, len, 0, len, 0; and len, 0... to be added. */
    const VEC place =
        NAME(same)(_mm_setr_epi8(8, 9, -1, -1, -1, -1, -1, -1, 6, 7, -1, -1, 6, 7, -1, -1));
    const VEC again =
        NAME(same)(_mm_setr_epi8(6, 7, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
    /* off + len ends in the buffer; len is neither too long nor too short. */
    const VEC most = NAME(same)(
        _mm_setr_epi16((short)q->room, -1, -1, -1, (short)q->base.max_frame, -1, -1, -1));
    /* Element by element: off; len; len where PAYLEN is. */
    const VEC factor = NAME(same)(_mm_setr_epi16(1, 0, 0, 0, 1, 0, 1 << 14, 0));
    const VEC total = NAME(same)(_mm_setr_epi32(0, 0, 0, -1));
    const uint32_t count = q->count;
    uint32_t at = q->next, unmarked = q->unmarked;
    VEC bytes = NAME(same)(_mm_setzero_si128()), odd = bytes;
    uint32_t sent = 0;

    while (n >= 4 && NAME(zero)(odd)) {
        /* Up to the ring's end, or to where a completion is asked for. */
        uint32_t run = n < count - at ? n : count - at, done;
        uint32_t batch = X540_BATCH + 3 - unmarked, left = (run < batch ? run : batch) / 4;
        struct x540_tx_desc *desc = &q->descs[at];
        struct weir_pkt **slot = &q->slots[at];
        if (!left)
            break;
        for (done = left; left; left--, desc += 4, slot += 4, pkts += 4) {
            VEC d[VECS], lens = NAME(same)(_mm_setzero_si128());
            for (unsigned k = 0; k < VECS; k++) {
                struct weir_pkt *const *p = &pkts[k * LANES];
                VEC i = NAME(gather)(p, 8), b = NAME(gather)(p, 24), c = NAME(gather)(p, 40), l, s;
                l = V(shuffle_epi8)(c, place);
                s = V(adds_epu16)(l, V(shuffle_epi8)(c, again));
                odd = ALL(or)(odd, ALL(and)(i, next));
                odd =
                    ALL(or)(odd, ALL(xor)(ALL(xor)(ALL(and)(b, mask1), want1), ALL(and)(l, total)));
                odd = ALL(or)(odd, ALL(xor)(ALL(and)(c, mask2), want2));
                odd = ALL(or)(odd, V(subs_epu16)(s, most));
                odd = ALL(or)(odd, V(subs_epu16)(least, s));
                l = V(madd_epi16)(l, factor);
                lens = V(add_epi32)(lens, l);
                d[k] = ALL(or)(V(add_epi64)(i, l), cmd);
            }
            if (!NAME(zero)(odd))
                break;
            for (unsigned k = 0; k < VECS; k++)
                ALL(storeu)((VEC *)(void *)&desc[k * LANES], d[k]);
            NAME(copy4)(slot, pkts);
            bytes = V(add_epi32)(bytes, lens);
        }
        done = (done - left) * 4;
        n -= done;
        sent += done;
        unmarked += done;
        at = at + done == count ? 0 : at + done;
        q->next = at;
        q->unmarked = unmarked;
        if (unmarked >= X540_BATCH) {
            x540_tx_mark(q);
            unmarked = 0;
        }
    }
    q->used += sent;
    q->base.stats.packets += sent;
    q->base.stats.bytes += SUM_LANES(bytes, 2);
    return sent;
}

TARGET static unsigned NAME(tx)(struct weir_txq *txq, struct weir_pkt **pkts, unsigned n)
{
    struct x540_txq *q = (struct x540_txq *)txq;
    uint32_t start = q->next;
    unsigned i = 0;

    if (q->used >= X540_BATCH)
        x540_tx_reclaim(txq);
    while (i < n) {
        unsigned room = q->count - 1 - q->used, most = n - i < room ? n - i : room, k;
        if (most >= 4) {
            i += NAME(tx_fast)(q, pkts + i, most);
            if (i == n)
                break;
        }
        k = n - i < 4 ? n - i : 4;
        most = x540_tx_some(q, pkts + i, k);
        i += most;
        if (most < k)
            break;
    }
    if (q->next != start)
        x540_tx_ring(q);
    return i;
}

#undef NAME3
#undef NAME2
#undef NAME
#undef TARGET
#undef VEC
#undef LANES
#undef REG
#undef V
#undef ALL
#undef VECS
#undef INLINE
#undef LANE
#undef ELEMENT
#undef PUT
#undef SUM_LANES
