/* SPDX-License-Identifier: BSD-3-Clause */
/* Where memory lies physically: Documentation/admin-guide/mm/pagemap.rst. */
#ifndef WEIR_MEM_PHYSICAL_H
#define WEIR_MEM_PHYSICAL_H

#include <weir/error.h>

/* The physical address behind va, which must be present. -EPERM, "physical-hidden", without
 * CAP_SYS_ADMIN. */
int weir_physical(const void *va, uint64_t *out, struct weir_error *e);

#endif
