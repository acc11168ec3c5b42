/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The few types that every part of Weir shares.
 */
#ifndef WEIR_TYPES_H
#define WEIR_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Everything a public header declares is exported; everything else in the library is hidden. */
#ifdef __cplusplus
#define WEIR_BEGIN_DECLS                                                                           \
    extern "C" {                                                                                   \
    _Pragma("GCC visibility push(default)")
#define WEIR_END_DECLS                                                                             \
    _Pragma("GCC visibility pop")                                                                  \
    }
#else
#define WEIR_BEGIN_DECLS _Pragma("GCC visibility push(default)")
#define WEIR_END_DECLS   _Pragma("GCC visibility pop")
#endif

#define WEIR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define WEIR_CACHE_LINE 64

WEIR_BEGIN_DECLS

struct weir;
struct weir_arena;
struct weir_channel;
struct weir_device;
struct weir_error;
struct weir_model;
struct weir_pkt;
struct weir_pktcache;
struct weir_pktpool;
struct weir_port;
struct weir_rxq;
struct weir_space;
struct weir_txq;
struct weir_wire;

/**
 * An I/O virtual address: what a device puts on the bus. A type of its own, so that it cannot be
 * exchanged for a CPU address or a length without the compiler saying so.
 */
typedef struct weir_iova {
    uint64_t addr;
} weir_iova_t;

static inline weir_iova_t weir_iova(uint64_t addr)
{
    weir_iova_t iova = {addr};
    return iova;
}

static inline weir_iova_t weir_iova_add(weir_iova_t iova, uint64_t bytes)
{
    return weir_iova(iova.addr + bytes);
}

/** A piece of memory that the CPU reaches at @a va and a device at @a iova. */
struct weir_dma {
    void *va;
    weir_iova_t iova;
    size_t len; /**< bytes */
};

/** Inclusive range of I/O virtual addresses: @a last may be 2^64-1. */
struct weir_iova_range {
    uint64_t first;
    uint64_t last;
};

WEIR_END_DECLS

#endif
