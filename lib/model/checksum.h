/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Internet checksum (RFC 1071). Sums are kept in the byte order of memory: a folded sum is
 * stored with memcpy as it is, whatever the CPU's byte order (RFC 1071, section 2 (B)).
 */
#ifndef WEIR_MODEL_CHECKSUM_H
#define WEIR_MODEL_CHECKSUM_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t weir_sum_load(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t weir_sum_add(uint64_t sum, uint64_t v)
{
    sum += v;
    return sum + (sum < v); /* end-around carry */
}

static inline uint16_t weir_sum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* Add n bytes, the first of them at an even offset of what is summed. */
static inline uint64_t weir_sum(uint64_t sum, const void *data, size_t n)
{
    const uint8_t *p = data;
    uint64_t tail = 0;

    if (n >= 32) {
        uint64_t a = 0, b = 0, c = 0, d = 0; /* independent chains: the carry is the latency */
        for (; n >= 32; n -= 32, p += 32) {
            a = weir_sum_add(a, weir_sum_load(p));
            b = weir_sum_add(b, weir_sum_load(p + 8));
            c = weir_sum_add(c, weir_sum_load(p + 16));
            d = weir_sum_add(d, weir_sum_load(p + 24));
        }
        sum = weir_sum_add(sum, weir_sum_add(weir_sum_add(a, b), weir_sum_add(c, d)));
    }
    for (; n >= 8; n -= 8, p += 8)
        sum = weir_sum_add(sum, weir_sum_load(p));
    if (n & 4) {
        uint32_t v;
        memcpy(&v, p, sizeof v);
        tail += v;
        p += 4;
    }
    if (n & 2) {
        uint16_t v;
        memcpy(&v, p, sizeof v);
        tail += v;
        p += 2;
    }
    if (n & 1) {
        uint16_t v = 0; /* an odd last byte is padded with a zero */
        memcpy(&v, p, 1);
        tail += v;
    }
    return weir_sum_add(sum, tail);
}

/* What a piece sums to when it starts at an odd offset. */
static inline uint64_t weir_sum_odd(uint64_t sum)
{
    return __builtin_bswap16(weir_sum_fold(sum));
}

/* Add numbers that stand at even offsets, from registers: to read back what was just written in
 * other pieces stalls the CPU. */
static inline uint64_t weir_sum_be16(uint64_t sum, uint16_t host)
{
    return weir_sum_add(sum, htobe16(host));
}

static inline uint64_t weir_sum_be32(uint64_t sum, uint32_t host)
{
    return weir_sum_add(sum, htobe32(host));
}

static inline uint64_t weir_sum_be64(uint64_t sum, uint64_t host)
{
    return weir_sum_add(sum, htobe64(host));
}

static inline uint16_t weir_get_be16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return be16toh(v);
}

static inline uint32_t weir_get_be32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return be32toh(v);
}

static inline void weir_put_be16(uint8_t *p, uint16_t v)
{
    v = htobe16(v);
    memcpy(p, &v, sizeof v);
}

static inline void weir_put_be32(uint8_t *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof v);
}

static inline void weir_put_be64(uint8_t *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof v);
}

/* Store the checksum that goes with a sum. */
static inline void weir_put_sum(uint8_t *p, uint64_t sum)
{
    uint16_t check = (uint16_t)~weir_sum_fold(sum);
    memcpy(p, &check, sizeof check);
}

#endif
