/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device is made of: a common part (dispatch, loss, events, configuration-space helpers) and
 * a backend that reaches it. Backends: vfio.c, vfio_user.c, model.c.
 */
#ifndef WEIR_DEVICE_BACKEND_H
#define WEIR_DEVICE_BACKEND_H

#include "lib/core/instance.h"
#include "lib/iommu/backend.h"
#include <stdatomic.h>
#include <weir/device.h>

struct weir_device_ops {
    const char *name;   /* weir_device_info.backend */
    const char *prefix; /* "vfio-user:"; matched against the start of a name */
    /* Connect, fill d->space (opt->space, or a new one with weir_space_own()) and d->regions,
     * d->irqs; set d->priv. On failure leave nothing behind. @rest is the name behind the prefix.
     * The common part counts the device in with weir_space_ref() afterwards, and out again after
     * close(). opt is complete (timeout_ms is never 0). */
    int (*open)(struct weir_device *d, const char *rest, const struct weir_device_options *opt,
                struct weir_error *e);
    /* Free everything, connected or not. */
    void (*close)(struct weir_device *d);
    /* The device answers and memory decoding is on. May be NULL. */
    void (*identified)(struct weir_device *d);
    /* Connect again after a loss; the caller replays d->space's mappings afterwards if replay is
     * set. d->lost stays set until all of that succeeded, so accesses must not look at it; if not
     * all did, release() comes. */
    bool replay;
    int (*reopen)(struct weir_device *d, struct weir_error *e);
    /* Give the device back to the host: it is quiet, and lost if it was not. May be NULL; may be
     * called twice. */
    void (*release)(struct weir_device *d);
    /* Could reopen succeed? Cheap, does not block; asked every 100 ms while lost. */
    bool (*returned)(struct weir_device *d);
    /* A mapped register read as all ones: see whether the device is still there. May be NULL. */
    void (*probe)(struct weir_device *d);
    /* Accesses are checked against the region before they come here. Thread-safe. -EIO or -ENODEV
     * after weir_device_set_lost() when the device is gone. */
    int (*read)(struct weir_device *d, unsigned region, uint64_t off, void *buf, size_t len,
                struct weir_error *e);
    /* @posted: need not wait for the device. */
    int (*write)(struct weir_device *d, unsigned region, uint64_t off, const void *buf, size_t len,
                 bool posted, struct weir_error *e);
    int (*irq_set)(struct weir_device *d, enum weir_irq_index kind, unsigned start, unsigned count,
                   const int *fds, struct weir_error *e);
    int (*unmask_intx)(struct weir_device *d, struct weir_error *e);
    int (*reset)(struct weir_device *d, struct weir_error *e);
    int (*hot_reset)(struct weir_device *d, struct weir_error *e); /* NULL: there is none */
};

struct weir_device {
    struct weir_object object;
    struct weir *weir;
    const struct weir_device_ops *ops;
    char *name;
    unsigned timeout_ms;
    struct weir_space *space;
    struct weir_model *model;
    struct weir_region regions[WEIR_N_REGIONS];
    unsigned irqs[WEIR_N_IRQS];
    uint16_t vendor, device, subsystem_vendor, subsystem_device;
    uint32_t class_code;
    uint8_t revision;
    int node;
    atomic_bool lost;
    struct weir_port *port; /* set by the port, or channel, that took it */
    struct weir_channel *channel;
    /* The port's or channel's: called once when the device is lost, from any thread; may be NULL.
     */
    void (*on_lost)(struct weir_device *d);
    void (*on_reset)(struct weir_device *d); /* before weir_device_reset() does it; may be NULL */
    struct weir_watch retry;                 /* timerfd while lost */
    void *priv;
};

extern const struct weir_device_ops weir_device_vfio, weir_device_vfio_user, weir_device_model;

/* No DMA and no interrupt from here on. */
void weir_device_quiesce(struct weir_device *d);

/* The device is gone: mark it and post WEIR_EVENT_LOST, once. Any thread. */
void weir_device_set_lost(struct weir_device *d, const char *why);

#endif
