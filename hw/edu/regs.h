/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Registers of QEMU's edu device, BAR0: a teaching device that inverts a number, computes
 * factorials, raises interrupts and copies between memory and a buffer of its own.
 *
 * From QEMU's docs/specs/edu.rst; sections are that page's. What the page leaves open is as
 * hw/misc/edu.c has it. Below 0x80 only accesses of 4 bytes count, from there on 4 or 8. A DMA
 * register that is written with 4 bytes loses its upper half; its upper half alone does not answer.
 */
#ifndef WEIR_HW_EDU_REGS_H
#define WEIR_HW_EDU_REGS_H

#include <stdint.h>

#include <weir/driver/regs.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Offset of each register: EDU_ID, ... */
enum {
#define R(name, offset, stride, count, access, section, doc) EDU_##name = (offset),
#include "registers.def"
#undef R
};

/* Mask of each field: EDU_DMA_CMD_RUN, ... Use with weir_field_get() and weir_field_set(). */
#define F(reg, field, shift, width)                                                                \
    static const uint32_t EDU_##reg##_##field = (0xffffffffu >> (32 - (width))) << (shift);
#include "fields.def"
#undef F

/** The whole table. */
extern const struct weir_reg_table edu_regs;

enum {
    EDU_BAR0_SIZE = 1 << 20,
    EDU_MAGIC = 0xed,
    EDU_BUFFER = 0x40000, /**< address of the device's buffer, as DMA source or destination */
    EDU_BUFFER_SIZE = 4096,
    EDU_DMA_BITS = 28, /**< width of its DMA addresses; it cuts what is above off */
};

#ifdef __cplusplus
}
#endif

#endif
