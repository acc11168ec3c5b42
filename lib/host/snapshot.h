/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots: a table as a text file. docs/groups.md describes the format. */
#ifndef WEIR_HOST_SNAPSHOT_H
#define WEIR_HOST_SNAPSHOT_H

#include "lib/host/table.h"

#include <stdio.h>

int weir_snapshot_load(struct weir_table *t, const char *path, struct weir_error *e);

/* As weir_snapshot_load(), of text in memory, which is changed. name is for messages. */
int weir_snapshot_parse(struct weir_table *t, char *text, size_t len, const char *name,
                        struct weir_error *e);

int weir_snapshot_save(const struct weir_table *t, FILE *f, struct weir_error *e);

#endif
