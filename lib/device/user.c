/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/device/user.h"
#include "lib/device/backend.h"
#include <errno.h>

static bool claims(const struct weir_driver *driver, enum weir_device_class c,
                   const struct weir_device *d)
{
    const void *ops = c == WEIR_CLASS_NET   ? (const void *)driver->net
                      : c == WEIR_CLASS_DMA ? (const void *)driver->dma
                                            : NULL;

    if (driver->device_class != c || !ops || !driver->ids)
        return false;
    for (const struct weir_pci_id *id = driver->ids; id->vendor; id++)
        if (id->vendor == d->vendor && id->device == d->device)
            return true;
    return false;
}

const struct weir_driver *weir_user_driver(const struct weir_device *d, enum weir_device_class c,
                                           const char *what, struct weir_error *e)
{
    char list[160];

    for (const struct weir_named *n = d->weir->drivers; n; n = n->next)
        if (claims(n->what, c, d))
            return n->what;
    weir_fail(e, -ENODEV, "no-driver",
              "open %s on %s\nno registered driver claims a %s device %04x:%04x (class %06x); "
              "registered: %s\n%s",
              what, d->name, c == WEIR_CLASS_NET ? "network" : "DMA", d->vendor, d->device,
              d->class_code, weir_named_list(d->weir->drivers, list, sizeof(list)),
              d->weir->drivers ? "use a device that one of them drives, or register a driver for "
                                 "it with weir_driver_register()"
                               : "call weir_register_builtin() after weir_new()");
    return NULL;
}

/* Does another one use the same arena in the same space? It inherits the mapping. */
static struct weir_user *other_user(const struct weir_user *u)
{
    struct weir *w = weir_space_instance(u->space);

    for (struct weir_object *o = w->objects.next; o != &w->objects; o = o->next) {
        struct weir_user *other = (struct weir_user *)o; /* its first member */
        if (o->rank == WEIR_RANK_PORT && other != u && other->arena == u->arena &&
            other->space == u->space)
            return other;
    }
    return NULL;
}

int weir_user_map(struct weir_user *u, struct weir_error *e)
{
    struct weir_arena_info before, after;
    int ret;

    weir_arena_info(u->arena, &before);
    ret = weir_arena_map(u->arena, u->space, WEIR_PROT_RW, e);
    if (ret)
        return ret;
    /* What was mapped already is somebody else's to unmap. */
    weir_arena_info(u->arena, &after);
    u->mapped = after.spaces > before.spaces;
    return 0;
}

void weir_user_unmap(struct weir_user *u)
{
    struct weir_user *other;

    if (!u->mapped)
        return;
    other = other_user(u);
    if (other)
        other->mapped = true;
    else
        weir_arena_unmap(u->arena, u->space, NULL);
    u->mapped = false;
}

int weir_user_irq(struct weir_device *d, int fd, enum weir_irq_index *kind, struct weir_error *e)
{
    static const enum weir_irq_index kinds[] = {WEIR_IRQ_MSIX, WEIR_IRQ_MSI, WEIR_IRQ_INTX};

    for (unsigned k = 0; k < 3; k++) {
        if (!weir_device_irqs(d, kinds[k]))
            continue;
        *kind = kinds[k];
        return weir_device_irq_set(d, kinds[k], 0, 1, &fd, e);
    }
    return weir_fail(e, -ENOTSUP, "no-interrupts", "set up interrupts\nthe device has none\n");
}
