/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads a machine's files to a table. */
#ifndef WEIR_HOST_COLLECT_H
#define WEIR_HOST_COLLECT_H

#include "lib/host/table.h"

/* root: a folder with sys and proc beneath, whose links do not lead out of it; NULL: this machine.
 */
int weir_collect(struct weir_table *t, const char *root, struct weir_error *e);

#endif
