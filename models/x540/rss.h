/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Toeplitz hash of receive-side scaling: for each bit that is set in the input, the 32 bits of
 * the key that begin there are added (XOR). Microsoft publishes the definition and verification
 * vectors
 * ("RSS hashing functions", "Verifying the RSS hash calculation"). Hashes are linear, so a table of
 * each byte's contribution at each position replaces the bits.
 */
#ifndef WEIR_MODELS_X540_RSS_H
#define WEIR_MODELS_X540_RSS_H

#include <stdint.h>

#define WEIR_TOEPLITZ_KEY   40
#define WEIR_TOEPLITZ_INPUT 36 /* two IPv6 addresses and two ports */

struct weir_toeplitz {
    uint32_t part[WEIR_TOEPLITZ_INPUT][256];
};

void weir_toeplitz_key(struct weir_toeplitz *t, const uint8_t key[WEIR_TOEPLITZ_KEY]);

/* Hash of len bytes, at most WEIR_TOEPLITZ_INPUT. */
uint32_t weir_toeplitz_hash(const struct weir_toeplitz *t, const uint8_t *data, unsigned len);

#endif
