/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Ordering and byte order between a CPU and a device, by name.
 *
 * PCI devices are little-endian and see memory through the coherent DMA path. Write a descriptor,
 * weir_wmb(), ring the doorbell; see a descriptor done, weir_rmb(), read what it describes.
 * @code
 * desc->address = weir_le64(iova.addr);
 * weir_wmb();
 * weir_write32(device, WEIR_REGION_BAR0, 0x06018, tail);
 * @endcode
 *
 * Register access needs no further barrier: a mapped register is volatile and uncached.
 */
#ifndef WEIR_IO_H
#define WEIR_IO_H

#include <endian.h>
#include <weir/types.h>

WEIR_BEGIN_DECLS

/** Stores before it are visible to the device before stores (and doorbells) after it. */
static inline void weir_wmb(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("" ::: "memory"); /* stores are not reordered with stores */
#elif defined(__aarch64__)
    __asm__ volatile("dmb oshst" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/** Loads before it are done before loads after it. */
static inline void weir_rmb(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("" ::: "memory"); /* loads are not reordered with loads */
#elif defined(__aarch64__)
    __asm__ volatile("dmb oshld" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/** Full barrier: stores before it are done before loads after it. */
static inline void weir_mb(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline uint16_t weir_le16(uint16_t v)
{
    return htole16(v);
}

static inline uint32_t weir_le32(uint32_t v)
{
    return htole32(v);
}

static inline uint64_t weir_le64(uint64_t v)
{
    return htole64(v);
}

/** One load that the compiler neither repeats nor splits, for memory a device writes. */
#define WEIR_READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))

/** One store that the compiler neither repeats nor splits, for memory a device reads. */
#define WEIR_WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

WEIR_END_DECLS

#endif
