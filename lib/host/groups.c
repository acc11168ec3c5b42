/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's IOMMU groups, as sysfs has them. */
#include "lib/host/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Lines of "0x00000000fee00000 0x00000000feefffff msi". */
static int reserved_regions(struct weir_host *h, struct weir_group *g, const char *text,
                            unsigned *used)
{
    for (unsigned n = 0; *text; text += strcspn(text, "\n"), text += *text == '\n', n++) {
        struct weir_reserved *more, *r;
        char *end;
        size_t len;

        /* A machine has a few; the array grows by one, and that rarely. */
        if (n == 256)
            return -EINVAL;
        more = realloc(h->reserved, (*used + 1) * sizeof(*more));
        if (!more)
            return -ENOMEM;
        h->reserved = more;
        r = &more[*used];
        if (strncmp(text, "0x", 2) != 0)
            return -EINVAL;
        r->range.first = strtoull(text, &end, 16);
        if (strncmp(end, " 0x", 3) != 0)
            return -EINVAL;
        r->range.last = strtoull(end + 1, &end, 16);
        len = strcspn(end, "\n");
        if (*end != ' ' || len < 2 || r->range.last < r->range.first)
            return -EINVAL;
        r->type = weir_table_keep(&h->table, end + 1, len - 1);
        if (!r->type)
            return -ENOMEM;
        ++*used;
        g->n_reserved++;
    }
    return 0;
}

/* Who is in a group, by its own list. */
static int devices(struct weir_host *h, struct weir_group *g)
{
    char dir[64], others[512] = "";
    size_t used = 0;

    snprintf(dir, sizeof(dir), SYS_GROUPS "%d/devices/", g->number);
    for (unsigned i = weir_table_from(&h->table, dir); i < h->table.n; i++) {
        const char *rest, *name;
        struct weir_function *f;
        size_t len;

        name = weir_entry_in(&h->table.entries[i], dir, &len, &rest);
        if (!name)
            break;
        f = *rest ? NULL : (struct weir_function *)weir_host_find(h, name);
        if (f && f->group >= 0 && f->group != g->number)
            return -EINVAL;
        if (f)
            f->group = g->number;
        else if (used < sizeof(others) - 1)
            used += (size_t)snprintf(others + used, sizeof(others) - used, "%s%s", used ? " " : "",
                                     name);
    }
    g->others = weir_table_keep(&h->table, others, strlen(others));
    return g->others ? 0 : -ENOMEM;
}

static int by_number(const void *a, const void *b)
{
    int x = ((const struct weir_group *)a)->number, y = ((const struct weir_group *)b)->number;

    return (x > y) - (x < y);
}

/* Numbers of groups: those that have a folder, and those that functions are in. */
static int numbers(struct weir_host *h, const char **why)
{
    unsigned first = weir_table_from(&h->table, SYS_GROUPS), room = h->n_functions;
    int last = -1;

    for (unsigned i = first;
         i < h->table.n && strncmp(h->table.entries[i].path, SYS_GROUPS, strlen(SYS_GROUPS)) == 0;
         i++)
        room++;
    h->groups = calloc(room + 1, sizeof(*h->groups));
    h->members = calloc(h->n_functions + 1, sizeof(*h->members));
    if (!h->groups || !h->members)
        return -ENOMEM;
    for (unsigned i = first; i < h->table.n; i++) {
        const char *rest, *name;
        char copy[16];
        uint64_t v;
        size_t len;

        name = weir_entry_in(&h->table.entries[i], SYS_GROUPS, &len, &rest);
        if (!name)
            break;
        *why = h->table.entries[i].path;
        snprintf(copy, sizeof(copy), "%.*s", (int)(len < 15 ? len : 15), name);
        if (!weir_host_number(copy, 10, &v) || v > INT32_MAX)
            return -EINVAL;
        if ((int)v != last)
            h->groups[h->n_groups++].number = last = (int)v;
    }
    for (unsigned i = 0; i < h->n_functions; i++) {
        if (h->functions[i].group >= 0)
            h->groups[h->n_groups++].number = h->functions[i].group;
    }
    if (h->n_groups)
        qsort(h->groups, h->n_groups, sizeof(*h->groups), by_number);
    room = h->n_groups;
    h->n_groups = 0;
    for (unsigned i = 0; i < room; i++) {
        if (!h->n_groups || h->groups[h->n_groups - 1].number != h->groups[i].number)
            h->groups[h->n_groups++] = h->groups[i];
    }
    return 0;
}

int weir_host_make_groups(struct weir_host *h, const char **why)
{
    unsigned reserved = 0, members = 0;
    int r = numbers(h, why);

    for (unsigned i = 0; r == 0 && i < h->n_groups; i++) {
        struct weir_group *g = &h->groups[i];
        const char *text = weir_host_text(h, SYS_GROUPS "%d/type", g->number);

        *why = SYS_GROUPS;
        g->type = text ? text : "";
        text = weir_host_text(h, SYS_GROUPS "%d/reserved_regions", g->number);
        r = devices(h, g);
        if (r == 0 && text)
            r = reserved_regions(h, g, text, &reserved);
    }
    if (r)
        return r;
    reserved = 0;
    for (unsigned i = 0; i < h->n_groups; i++) {
        h->groups[i].reserved = h->reserved ? h->reserved + reserved : NULL;
        reserved += h->groups[i].n_reserved;
    }
    /* Members, group after group. A group of one is what most are, so this does not look far. */
    for (unsigned i = 0; i < h->n_functions; i++) {
        struct weir_group key = {.number = h->functions[i].group}, *g;

        g = h->n_groups ? bsearch(&key, h->groups, h->n_groups, sizeof(key), by_number) : NULL;
        if (g)
            g->n_members++;
    }
    for (unsigned i = 0; i < h->n_groups; i++) {
        h->groups[i].members = h->members + members;
        members += h->groups[i].n_members;
        h->groups[i].n_members = 0;
    }
    for (unsigned i = 0; i < h->n_functions; i++) {
        struct weir_group key = {.number = h->functions[i].group}, *g;

        g = h->n_groups ? bsearch(&key, h->groups, h->n_groups, sizeof(key), by_number) : NULL;
        if (g)
            ((int *)(uintptr_t)g->members)[g->n_members++] = (int)i;
    }
    return 0;
}
