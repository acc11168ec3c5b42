/* SPDX-License-Identifier: BSD-3-Clause */
/* Registration of drivers, models and wire kinds. Looking them up is their users' business. */
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
