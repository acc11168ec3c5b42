/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * USDT probes: free when nobody listens, `bpftrace -l 'usdt:libweir.so:weir:*'` lists them.
 * docs/tracing.md describes each.
 */
#ifndef WEIR_CORE_PROBE_H
#define WEIR_CORE_PROBE_H

#include <sys/sdt.h>

#define WEIR_PROBE1(name, a)          DTRACE_PROBE1(weir, name, a)
#define WEIR_PROBE2(name, a, b)       DTRACE_PROBE2(weir, name, a, b)
#define WEIR_PROBE3(name, a, b, c)    DTRACE_PROBE3(weir, name, a, b, c)
#define WEIR_PROBE4(name, a, b, c, d) DTRACE_PROBE4(weir, name, a, b, c, d)

#endif
