/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/net/net.h"

const struct weir_driver *weir_driver_find(const struct weir *w, uint16_t vendor, uint16_t device)
{
    for (const struct weir_named *n = w->drivers; n; n = n->next) {
        const struct weir_driver *d = n->what;
        if (d->device_class != WEIR_CLASS_NET || !d->net || !d->ids)
            continue;
        for (const struct weir_pci_id *id = d->ids; id->vendor; id++)
            if (id->vendor == vendor && id->device == device)
                return d;
    }
    return NULL;
}
