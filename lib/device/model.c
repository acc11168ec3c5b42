/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices `model:SPEC`: a software model in this process, on a software I/O address space. */
#include "lib/device/backend.h"
#include "lib/model/model.h"

#include <errno.h>

static int model_open(struct weir_device *d, const char *rest,
                      const struct weir_device_options *opt, struct weir_error *e)
{
    if (opt->space && !weir_space_siommu(opt->space)) {
        struct weir_space_info info;
        weir_space_info(opt->space, &info);
        return weir_fail(
            e, -EINVAL, "device-space",
            "open %s\na model in this process works on a software space, not on one of "
            "kind %s\nopen it without a space, and map arenas into both",
            d->name, info.kind);
    }
    if (opt->space && weir_space_instance(opt->space) != d->weir)
        return weir_fail(e, -EINVAL, "device-space",
                         "open %s\nthe space belongs to another instance\n"
                         "use a space of the instance that opens the device",
                         d->name);
    struct weir_model *m = weir_model_new(d->weir, rest, e);
    if (!m)
        return e ? e->err : -EINVAL;
    struct weir_space *space = opt->space ? opt->space : weir_space_software(d->weir, e);
    if (!space) {
        weir_model_free(m);
        return e ? e->err : -ENOMEM;
    }
    int ret = weir_model_attach(m, weir_space_siommu(space), false, e);
    if (ret) {
        weir_model_free(m);
        if (!opt->space)
            weir_space_free(space);
        return ret;
    }
    d->model = m;
    d->space = space;
    if (!opt->space)
        weir_space_own(space);
    for (unsigned i = 0; i < WEIR_N_REGIONS; i++)
        weir_model_region(m, i, &d->regions[i]);
    for (unsigned i = 0; i < WEIR_N_IRQS; i++)
        d->irqs[i] = weir_model_irqs(m, (enum weir_irq_index)i);
    return 0;
}

static void model_close(struct weir_device *d)
{
    weir_model_detach(d->model);
    weir_model_free(d->model);
    d->model = NULL;
}

static int model_read(struct weir_device *d, unsigned region, uint64_t off, void *buf, size_t len,
                      struct weir_error *e)
{
    (void)e; /* the range was checked */
    return weir_model_region_read(d->model, region, off, buf, len);
}

static int model_write(struct weir_device *d, unsigned region, uint64_t off, const void *buf,
                       size_t len, bool posted, struct weir_error *e)
{
    (void)posted;
    (void)e;
    return weir_model_region_write(d->model, region, off, buf, len);
}

static int model_irq_set(struct weir_device *d, enum weir_irq_index kind, unsigned start,
                         unsigned count, const int *fds, struct weir_error *e)
{
    if (weir_model_irq_set(d->model, kind, start, count, fds) == 0)
        return 0;
    return weir_fail(
        e, -EINVAL, "device-irq",
        "set interrupts of %s\na descriptor is not an eventfd\nmake them with eventfd()", d->name);
}

static int model_unmask_intx(struct weir_device *d, struct weir_error *e)
{
    (void)e; /* there is one: the caller saw to it */
    return weir_model_irq_mask(d->model, WEIR_IRQ_INTX, 0, 1, false);
}

static int model_reset(struct weir_device *d, struct weir_error *e)
{
    (void)e;
    weir_model_reset(d->model);
    return 0;
}

const struct weir_device_ops weir_device_model = {
    .name = "model",
    .prefix = "model:",
    .replay = true,
    .open = model_open,
    .close = model_close,
    .read = model_read,
    .write = model_write,
    .irq_set = model_irq_set,
    .unmask_intx = model_unmask_intx,
    .reset = model_reset,
};
