/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Register tables: one description of a device's registers, many uses.
 *
 * A device's registers are declared once, as data, in hw/<device>/regs.h. The driver and the model
 * take offsets and field masks from it, the model kit routes accesses by it, the tracer and
 * `weir regs` name offsets with it.
 *
 * @code
 * uint32_t index;
 * const struct weir_reg *r = weir_reg_find(table, 0x06018 + 0x40 * 3, &index);
 * if (r)
 *     printf("%s[%u]: %s\n", r->name, index, r->doc);
 * @endcode
 */
#ifndef WEIR_DRIVER_REGS_H
#define WEIR_DRIVER_REGS_H

#include <weir/types.h>

WEIR_BEGIN_DECLS

/** How software may access a register, in the datasheets' terms. */
enum weir_reg_access {
    WEIR_REG_RW,  /**< read and write */
    WEIR_REG_RO,  /**< read only; writes are ignored */
    WEIR_REG_WO,  /**< write only; reads are undefined */
    WEIR_REG_RC,  /**< reading clears it (statistics, causes) */
    WEIR_REG_RS,  /**< reading sets a bit (hardware semaphores) */
    WEIR_REG_W1C, /**< writing ones clears those bits */
};

/*
 * Text lies in the rows, not behind pointers: a table is plain read-only data that all processes
 * share, and needs no relocation when the library is loaded. Text that is too long does not
 * compile.
 */

/** One register, or an array of @a count registers @a stride bytes apart. */
struct weir_reg {
    char name[18];    /**< the datasheet's name */
    char section[20]; /**< where the datasheet describes it */
    char doc[56];     /**< what it is, in a few words */
    uint32_t offset;  /**< bytes from the start of the BAR */
    uint32_t stride;  /**< bytes between elements; 0 for a single register */
    uint16_t count;   /**< elements, 1 for a single register */
    uint8_t access;   /**< enum weir_reg_access */
};

/** One field of a register (or of each element of an array). */
struct weir_reg_field {
    char name[22]; /**< the datasheet's name of the field */
    uint16_t reg;  /**< row of its register in the table */
    uint32_t mask; /**< the bits it occupies */
};

/** A device's whole table. Rows are sorted by offset and do not overlap. */
struct weir_reg_table {
    const char *device;
    const struct weir_reg *regs;
    unsigned n_regs;
    const struct weir_reg_field *fields;
    unsigned n_fields;
};

/** The register that contains @a offset, or NULL; @a index receives the element number. */
const struct weir_reg *weir_reg_find(const struct weir_reg_table *table, uint32_t offset,
                                     uint32_t *index);

/** Value of the field @a mask in @a reg, shifted down to bit 0. */
static inline uint32_t weir_field_get(uint32_t reg, uint32_t mask)
{
    return (reg & mask) >> __builtin_ctz(mask);
}

/** @a reg with the field @a mask replaced by @a value (excess bits of @a value are dropped). */
static inline uint32_t weir_field_set(uint32_t reg, uint32_t mask, uint32_t value)
{
    return (reg & ~mask) | ((value << __builtin_ctz(mask)) & mask);
}

WEIR_END_DECLS

#endif
