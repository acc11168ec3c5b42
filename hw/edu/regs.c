/* SPDX-License-Identifier: BSD-3-Clause */
/* The edu device's register table as data, from the lists in regs.h. */
#include "regs.h"

#define COUNT(a) ((unsigned)(sizeof(a) / sizeof((a)[0])))

static const struct weir_reg regs[] = {
#define R(name, offset, stride, count, access, section, doc)                                       \
    {#name, section, doc, offset, stride, count, WEIR_REG_##access},
#include "registers.def"
#undef R
};

enum {
#define R(name, offset, stride, count, access, section, doc) ROW_##name,
#include "registers.def"
#undef R
};

static const struct weir_reg_field fields[] = {
#define F(reg, field, shift, width) {#field, ROW_##reg, (0xffffffffu >> (32 - (width))) << (shift)},
#include "fields.def"
#undef F
};

const struct weir_reg_table edu_regs = {
    .device = "edu",
    .regs = regs,
    .n_regs = COUNT(regs),
    .fields = fields,
    .n_fields = COUNT(fields),
};
