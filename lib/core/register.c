/* SPDX-License-Identifier: BSD-3-Clause */
/* Registration of drivers, models and wire kinds, and the way through them one by one. Looking one
 * up is its users' business. */
#include "lib/core/instance.h"

int weir_driver_register(struct weir *w, const struct weir_driver *driver, struct weir_error *e)
{
    return weir_named_add(&w->drivers, driver->name, driver, e);
}

int weir_model_register(struct weir *w, const struct weir_model_ops *ops, struct weir_error *e)
{
    return weir_named_add(&w->models, ops->name, ops, e);
}

int weir_wire_register(struct weir *w, const struct weir_wire_ops *ops, struct weir_error *e)
{
    return weir_named_add(&w->wires, ops->kind, ops, e);
}

static const void *at(const struct weir_named *head, unsigned n)
{
    while (head && n--)
        head = head->next;
    return head ? head->what : NULL;
}

const struct weir_driver *weir_driver_at(const struct weir *w, unsigned n)
{
    return at(w->drivers, n);
}

const struct weir_model_ops *weir_model_at(const struct weir *w, unsigned n)
{
    return at(w->models, n);
}
