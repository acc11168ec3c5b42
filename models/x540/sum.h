/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Internet checksum (RFC 1071) and the bytes it is about. A sum is kept in memory order, so
 * that it is stored as it is, on any CPU.
 */
#ifndef WEIR_MODELS_X540_SUM_H
#define WEIR_MODELS_X540_SUM_H

#include <stdint.h>
#include <string.h>

static inline uint16_t xm_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void xm_put_be16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline uint32_t xm_be32(const uint8_t *p)
{
    return (uint32_t)xm_be16(p) << 16 | xm_be16(p + 2);
}

static inline void xm_put_be32(uint8_t *p, uint32_t v)
{
    xm_put_be16(p, v >> 16);
    xm_put_be16(p + 2, v);
}

/* Add len bytes that begin at an even offset. 32-bit words: 2^32 of them fit the carry. */
static inline uint64_t xm_sum(uint64_t sum, const void *data, uint32_t len)
{
    const uint8_t *p = data;
    for (; len >= 8; len -= 8, p += 8) {
        uint32_t w[2];
        memcpy(w, p, 8);
        sum += (uint64_t)w[0] + w[1];
    }
    if (len >= 4) {
        uint32_t w;
        memcpy(&w, p, 4);
        sum += w;
        p += 4;
        len -= 4;
    }
    if (len) {
        uint8_t rest[4] = {0};
        uint32_t w;
        memcpy(rest, p, len);
        memcpy(&w, rest, 4);
        sum += w;
    }
    return sum;
}

static inline uint64_t xm_sum_be16(uint64_t sum, uint32_t v)
{
    uint8_t b[2];
    xm_put_be16(b, v);
    return xm_sum(sum, b, 2);
}

static inline uint16_t xm_fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* Add a sum of bytes that began at an odd offset: its bytes count the other way round. */
static inline uint64_t xm_sum_odd(uint64_t sum, uint64_t piece)
{
    return sum + __builtin_bswap16(xm_fold(piece));
}

/* Store the complement. */
static inline void xm_put_sum(uint8_t *p, uint64_t sum)
{
    uint16_t check = (uint16_t)~xm_fold(sum);
    memcpy(p, &check, 2);
}

#endif
