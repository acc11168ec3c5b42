/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/host/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct weir_chunk {
    struct weir_chunk *next;
    size_t used, size;
    char text[];
};

#define CHUNK 65536u

void weir_table_free(struct weir_table *t)
{
    while (t->chunks) {
        struct weir_chunk *c = t->chunks;

        t->chunks = c->next;
        free(c);
    }
    free(t->entries);
    *t = (struct weir_table){0};
}

char *weir_table_keep(struct weir_table *t, const char *text, size_t len)
{
    struct weir_chunk *c = t->chunks;
    char *at;

    if (len >= WEIR_TABLE_MAX_BYTES - t->bytes)
        return NULL;
    if (!c || c->size - c->used < len + 1) {
        size_t size = len + 1 > CHUNK ? len + 1 : CHUNK;

        c = malloc(sizeof(*c) + size);
        if (!c)
            return NULL;
        *c = (struct weir_chunk){.next = t->chunks, .size = size};
        t->chunks = c;
    }
    at = c->text + c->used;
    if (len)
        memcpy(at, text, len);
    at[len] = '\0';
    c->used += len + 1;
    t->bytes += len + 1;
    return at;
}

/* What could steer a terminal, or pass for a line of its own. */
static void defuse(char *s, bool lines)
{
    for (; *s; s++)
        *s = (*s < ' ' || *s > '~') && !(lines && (*s == '\n' || *s == '\t')) ? '?' : *s;
}

int weir_table_add(struct weir_table *t, enum weir_entry_kind kind, const char *path,
                   const char *value)
{
    struct weir_entry e = {.kind = kind};
    size_t len = strlen(value);
    char *kept_path, *kept = NULL;

    if (t->n == WEIR_TABLE_MAX_ENTRIES || len > WEIR_TABLE_MAX_VALUE)
        return -E2BIG;
    if (t->n == t->room) {
        unsigned room = t->room ? 2 * t->room : 1024;
        struct weir_entry *more = realloc(t->entries, room * sizeof(*more));

        if (!more)
            return -ENOMEM;
        t->entries = more;
        t->room = room;
    }
    kept_path = weir_table_keep(t, path, strlen(path));
    if (len)
        kept = weir_table_keep(t, value, len);
    if (!kept_path || (len && !kept))
        return t->bytes > WEIR_TABLE_MAX_BYTES / 2 ? -E2BIG : -ENOMEM;
    defuse(kept_path, false);
    if (kept)
        defuse(kept, kind == WEIR_ENTRY_TEXT);
    e.path = kept_path;
    e.value = kept ? kept : "";
    t->entries[t->n++] = e;
    return 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct weir_entry *)a)->path, ((const struct weir_entry *)b)->path);
}

int weir_table_sort(struct weir_table *t, const char **twice)
{
    if (t->n)
        qsort(t->entries, t->n, sizeof(*t->entries), by_path);
    for (unsigned i = 1; i < t->n; i++) {
        if (strcmp(t->entries[i - 1].path, t->entries[i].path) == 0) {
            *twice = t->entries[i].path;
            return -EEXIST;
        }
    }
    return 0;
}

unsigned weir_table_from(const struct weir_table *t, const char *path)
{
    unsigned low = 0, high = t->n;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;

        if (strcmp(t->entries[mid].path, path) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct weir_entry *weir_table_find(const struct weir_table *t, const char *path)
{
    unsigned i = weir_table_from(t, path);

    return i < t->n && strcmp(t->entries[i].path, path) == 0 ? &t->entries[i] : NULL;
}

const char *weir_table_text(const struct weir_table *t, const char *path)
{
    const struct weir_entry *e = weir_table_find(t, path);

    return e && e->kind == WEIR_ENTRY_TEXT ? e->value : NULL;
}

const char *weir_entry_in(const struct weir_entry *e, const char *dir, size_t *len,
                          const char **rest)
{
    size_t skip = strlen(dir);
    const char *name = e->path + skip;

    if (strncmp(e->path, dir, skip) != 0 || *name == '\0')
        return NULL;
    *len = strcspn(name, "/");
    *rest = name + *len;
    return name;
}
