/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who uses a device on an application's behalf: a port or a channel. What both need: the driver
 * that claims the device, memory mapped into its space, one interrupt.
 */
#ifndef WEIR_DEVICE_USER_H
#define WEIR_DEVICE_USER_H

#include "lib/core/instance.h"
#include <weir/driver/driver.h>

/* Every object of rank WEIR_RANK_PORT begins with one. */
struct weir_user {
    struct weir_object object;
    struct weir_arena *arena;
    struct weir_space *space;
    bool mapped; /* this user is to unmap the arena from the space */
};

/* The driver of that class that claims the device, newest registration first. NULL ("no-driver"):
 * there is none to open @what, such as "a port", with. */
const struct weir_driver *weir_user_driver(const struct weir_device *d, enum weir_device_class c,
                                           const char *what, struct weir_error *e);

/* Map u->arena into u->space, unless somebody did. */
int weir_user_map(struct weir_user *u, struct weir_error *e);
/* Undo it, or leave that to another user of both. */
void weir_user_unmap(struct weir_user *u);

/* Signal the eventfd @fd on vector 0 of MSI-X, MSI or INTx, whichever of them the device has first.
 * -ENOTSUP: it has none. */
int weir_user_irq(struct weir_device *d, int fd, enum weir_irq_index *kind, struct weir_error *e);

#endif
