/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What was read of a machine, before anybody makes sense of it: files by path. Filled from a tree
 * (collect.c) or from a snapshot (snapshot.c); a host is made of the table alone, so both give the
 * same.
 */
#ifndef WEIR_HOST_TABLE_H
#define WEIR_HOST_TABLE_H

#include <weir/types.h>

/* No machine comes near these; input that does is refused. */
#define WEIR_TABLE_MAX_ENTRIES (256u << 10)
#define WEIR_TABLE_MAX_BYTES   ((size_t)64 << 20)
#define WEIR_TABLE_MAX_VALUE   (256u << 10)
#define WEIR_TABLE_MAX_PATH    1024u

enum weir_entry_kind {
    WEIR_ENTRY_TEXT,
    WEIR_ENTRY_LINK,
    WEIR_ENTRY_DIR,
    WEIR_ENTRY_DENIED, /* it is there, but may not be read */
};

struct weir_entry {
    const char *path; /* "/sys/..." */
    const char *value;
    enum weir_entry_kind kind;
};

struct weir_table {
    struct weir_entry *entries;
    unsigned n, room;
    struct weir_chunk *chunks;
    size_t bytes;
};

void weir_table_free(struct weir_table *t);

/* Text that lives as long as the table. NULL when out of memory or above the limit. */
char *weir_table_keep(struct weir_table *t, const char *text, size_t len);

/* Both are copied, with '?' for what is not printable ASCII; a text may have lines and tabs.
 * -ENOMEM, -E2BIG. */
int weir_table_add(struct weir_table *t, enum weir_entry_kind kind, const char *path,
                   const char *value);

/* After the last add, before the first look. -EEXIST if a path came twice: *twice. */
int weir_table_sort(struct weir_table *t, const char **twice);

const struct weir_entry *weir_table_find(const struct weir_table *t, const char *path);

/* The text of a file; NULL if it was not read. */
const char *weir_table_text(const struct weir_table *t, const char *path);

/* The first entry at or behind path; entries with it as their prefix follow each other. */
unsigned weir_table_from(const struct weir_table *t, const char *path);

/* The name of an entry in the folder "dir/", NULL if it is not there; *rest is what follows the
 * name: "" or "/...". */
const char *weir_entry_in(const struct weir_entry *e, const char *dir, size_t *len,
                          const char **rest);

#endif
