/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of drivers, models and wire kinds: short lists, newest first. */
#include "lib/core/instance.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int weir_named_add(struct weir_named **head, const char *name, const void *what,
                   struct weir_error *e)
{
    struct weir_named *n;

    if (weir_named_find(*head, name))
        return weir_fail(e, -EEXIST, "name-taken",
                         "register %s\nsomething of that kind and name is registered already\n"
                         "register it once for each instance",
                         name);
    n = malloc(sizeof *n);
    if (!n)
        return weir_fail(e, -ENOMEM, "no-memory", "register %s\nout of memory", name);
    *n = (struct weir_named){.next = *head, .name = name, .what = what};
    *head = n;
    return 0;
}

const void *weir_named_find(const struct weir_named *head, const char *name)
{
    for (; head; head = head->next)
        if (!strcmp(head->name, name))
            return head->what;
    return NULL;
}

const char *weir_named_list(const struct weir_named *head, char *out, size_t size)
{
    size_t used = 0;

    snprintf(out, size, "none");
    for (; head && used < size; head = head->next) {
        int n = snprintf(out + used, size - used, "%s%s", used ? ", " : "", head->name);
        if (n < 0)
            break;
        used += (size_t)n;
    }
    return out;
}

void weir_named_free(struct weir_named **head)
{
    while (*head) {
        struct weir_named *n = *head;
        *head = n->next;
        free(n);
    }
}
