/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of the X540 driver's paths share: the widths of vectors that there are, whether
 * this CPU has one, and numbers at random that are the same each time. */
#ifndef TESTS_X540_PATHS_CASE_H
#define TESTS_X540_PATHS_CASE_H

#include "x540_rig.h"
#include "drivers/x540/x540.h"

#define ROUNDS 4000

static const unsigned widths[] = {1, 128, 256, 512};
#define N_WIDTHS (sizeof widths / sizeof widths[0])

static uint64_t seed;

static inline uint32_t rnd(uint32_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(seed >> 33) % below;
}

static inline bool has(unsigned width)
{
    struct rig r;
    struct weir_port_info info;
    static const char *const names[] = {"scalar", "sse4.1", "avx2", "avx512"};

    rig_init(&r);
    struct weir_port_options o = rig_options(&r);
    o.simd_bits = width;
    struct weir_port *p = rig_open(&r, "model:x540?wire=loopback", &o);
    weir_port_info(p, &info);
    for (unsigned i = 0; i < N_WIDTHS; i++)
        if (widths[i] == width && strcmp(info.tx_path, names[i])) {
            print_message("no path of %u bits: this CPU has %s at most\n", width, info.tx_path);
            width = 0;
        }
    rig_close(p);
    rig_done(&r);
    return width;
}

#endif
