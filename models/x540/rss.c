/* SPDX-License-Identifier: BSD-3-Clause */
#include "rss.h"

/* The 32 bits of the key from bit n on. */
static uint32_t window(const uint8_t *key, unsigned n)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < 5; i++)
        bits = bits << 8 | (n / 8 + i < WEIR_TOEPLITZ_KEY ? key[n / 8 + i] : 0);
    return (uint32_t)(bits >> (8 - n % 8));
}

void weir_toeplitz_key(struct weir_toeplitz *t, const uint8_t key[WEIR_TOEPLITZ_KEY])
{
    for (unsigned at = 0; at < WEIR_TOEPLITZ_INPUT; at++) {
        t->part[at][0] = 0;
        for (unsigned value = 1; value < 256; value++) {
            unsigned low = (unsigned)__builtin_ctz(value);
            t->part[at][value] = t->part[at][value & (value - 1)] ^ window(key, at * 8 + 7 - low);
        }
    }
}

uint32_t weir_toeplitz_hash(const struct weir_toeplitz *t, const uint8_t *data, unsigned len)
{
    uint32_t hash = 0;
    for (unsigned i = 0; i < len; i++)
        hash ^= t->part[i][data[i]];
    return hash;
}
