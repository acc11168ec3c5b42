/* SPDX-License-Identifier: BSD-3-Clause */
/* The SIMD paths: burst_simd.h for each width of vectors, and which of them this CPU has. */
#include "x540.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define BITS 128
#include "burst_simd.h"
#undef BITS
#define BITS 256
#include "burst_simd.h"
#undef BITS
#define BITS 512
#include "burst_simd.h"
#undef BITS

static const struct x540_simd sse = {"sse4.1", "sse4.1 scattered", "sse4.1", rx_128, tx_128};
static const struct x540_simd avx2 = {"avx2", "avx2 scattered", "avx2", rx_256, tx_256};
static const struct x540_simd avx512 = {"avx512", "avx512 scattered", "avx512", rx_512, tx_512};

const struct x540_simd *x540_simd(unsigned bits)
{
    __builtin_cpu_init();
    if ((!bits || bits >= 512) && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        return &avx512;
    if ((!bits || bits >= 256) && __builtin_cpu_supports("avx2"))
        return &avx2;
    if ((!bits || bits >= 128) && __builtin_cpu_supports("sse4.1"))
        return &sse;
    return NULL;
}

#else

const struct x540_simd *x540_simd(unsigned bits)
{
    (void)bits;
    return NULL;
}

#endif
