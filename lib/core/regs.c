/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>
#include <weir/driver/regs.h>

const struct weir_reg *weir_reg_find(const struct weir_reg_table *table, uint32_t offset,
                                     uint32_t *index)
{
    /* Arrays interleave, so that a row further up may still reach the offset. */
    for (unsigned i = 0; i < table->n_regs && table->regs[i].offset <= offset; i++) {
        const struct weir_reg *r = &table->regs[i];
        uint32_t at = offset - r->offset;
        uint32_t n = r->stride ? at / r->stride : 0;
        if (n >= r->count || at - n * r->stride >= 4)
            continue;
        if (index)
            *index = n;
        return r;
    }
    return NULL;
}
