/* SPDX-License-Identifier: BSD-3-Clause */
/* The SIMD paths: burst_simd.h for each width of vectors, and which of them this CPU has. */
#include "x540.h"

#if defined(__x86_64__)
#include <cpuid.h>
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

/* Registers that the operating system saves (XCR0). */
static uint64_t saved(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low | (uint64_t)high << 32;
}

/* Asked of the CPU itself: the compiler's own way would add a constructor to the library. Bits are
 * of CPUID leaves 1 and 7 (Intel SDM volume 2). */
const struct x540_simd *x540_simd(unsigned bits)
{
    const uint32_t bw = 1u << 30, vl = 1u << 31;
    unsigned a, b, c, d, b7, most = 128;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) || (bits && bits < 128))
        return NULL;
    if (c & bit_OSXSAVE && c & bit_AVX && (saved() & 0x6) == 0x6 &&
        __get_cpuid_count(7, 0, &a, &b7, &c, &d) && b7 & bit_AVX2) {
        most = 256;
        if ((b7 & (bw | vl)) == (bw | vl) && (saved() & 0xe0) == 0xe0)
            most = 512;
    }
    if (!bits || bits > most)
        bits = most;
    return bits >= 512 ? &avx512 : bits >= 256 ? &avx2 : &sse;
}

#else

const struct x540_simd *x540_simd(unsigned bits)
{
    (void)bits;
    return NULL;
}

#endif
