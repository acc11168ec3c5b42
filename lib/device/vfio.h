/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PCI function behind the kernel's VFIO: /dev/vfio/N or /dev/vfio/devices/vfioN. vfio.c opens and
 * closes it, vfio_region.c reaches its registers, vfio_irq.c its interrupts, vfio_reset.c resets
 * it.
 */
#ifndef WEIR_DEVICE_VFIO_H
#define WEIR_DEVICE_VFIO_H

#include "lib/device/backend.h"
#include "lib/iommu/vfio.h"
#include <linux/vfio.h>

#define WEIR_VFIO_MAX_VECTORS 2048u /* of MSI-X; PCIe 7.7.2 */

/* A region's registers in our address space: a reservation of the region's size, of which the parts
 * that may be mapped are. */
struct weir_vfio_map {
    uint8_t *base; /* NULL: nothing is mapped */
    size_t len;
};

/* An eventfd of the library's own. */
struct weir_vfio_signal {
    struct weir_watch watch;
    struct weir_device *dev;
    enum weir_event_type event;
};

struct weir_vfio {
    struct weir_device *dev;
    struct weir_pci_function f;
    bool iommufd;
    bool has_token;
    uint8_t token[16];
    char token_text[37];
    /* The number is kept from the first opening to the end, as other threads may be about to use
     * it. While the device is not open something harmless is behind it. -1 before. */
    int fd;
    bool open;
    uint64_t released; /* ns: given back then, and not seen unbound since; 0: not so */
    bool can_reset;
    unsigned pm; /* offset of the power management capability, 0: none */
    uint64_t offset[WEIR_N_REGIONS];
    struct weir_vfio_map map[WEIR_N_REGIONS];
    bool noresize[WEIR_N_IRQS];
    int irq_kind; /* of INTx, MSI and MSI-X the one that is on; -1: none */
    /* Vectors that are on, from 0 on, as descriptors of our own: a kernel that cannot add one has
     * to be told of all again. */
    int *vectors;
    unsigned n_vectors;
    struct weir_vfio_signal request, error;
};

static inline struct weir_vfio *weir_vfio_of(const struct weir_device *d)
{
    return d->priv;
}

/* vfio_region.c */
int weir_vfio_regions(struct weir_vfio *v, const struct vfio_device_info *info,
                      struct weir_region *out, struct weir_error *e);
/* Put memory of ours in the place of the registers: whoever still writes to them writes there. */
void weir_vfio_unplug_regions(struct weir_vfio *v);
void weir_vfio_unmap_regions(struct weir_vfio *v);
int weir_vfio_read(struct weir_device *d, unsigned region, uint64_t off, void *buf, size_t len,
                   struct weir_error *e);
int weir_vfio_write(struct weir_device *d, unsigned region, uint64_t off, const void *buf,
                    size_t len, bool posted, struct weir_error *e);
/* Does it still answer? If not, it is lost. */
void weir_vfio_probe(struct weir_device *d);

/* vfio_irq.c */
int weir_vfio_irqs(struct weir_vfio *v, const struct vfio_device_info *info, unsigned *out,
                   struct weir_error *e);
int weir_vfio_irq_set(struct weir_device *d, enum weir_irq_index kind, unsigned start,
                      unsigned count, const int *fds, struct weir_error *e);
int weir_vfio_unmask_intx(struct weir_device *d, struct weir_error *e);
/* ERR and REQ become events. */
int weir_vfio_signals(struct weir_vfio *v, struct weir_error *e);
void weir_vfio_irq_free(struct weir_vfio *v);

/* vfio_reset.c */
int weir_vfio_reset(struct weir_device *d, struct weir_error *e);
int weir_vfio_hot_reset(struct weir_device *d, struct weir_error *e);

/* The devices of the instance that go through VFIO, one after the other; NULL to begin. */
struct weir_device *weir_vfio_next(const struct weir *w, struct weir_device *after);

#endif
