/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Models: making, attaching, stepping and resetting them. One lock per model serialises the kind's
 * callbacks; a step holds the software IOMMU's read lock inside it, so unmapping waits for the
 * step.
 */
#include "lib/model/kit.h"
#include "lib/core/probe.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <weir/io.h>

static void model_object_free(struct weir_object *o)
{
    weir_model_free((struct weir_model *)((char *)o - offsetof(struct weir_model, object)));
}

static void dispose(struct weir_model *m, bool created)
{
    if (created && m->ops->destroy)
        m->ops->destroy(m);
    for (unsigned i = 0; i < m->n_wires; i++)
        weir_wire_close(m->wires[i]);
    weir_model_irq_free(m);
    weir_model_params_free(m);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

struct weir_model *weir_model_new(struct weir *w, const char *spec, struct weir_error *e)
{
    char name[64], shown[96], list[256];
    size_t len = strcspn(spec, "?");

    weir_printable(name, sizeof(name), spec, len);
    const struct weir_model_ops *ops = len < sizeof(name) ? weir_named_find(w->models, name) : NULL;
    if (!ops) {
        weir_named_list(w->models, list, sizeof(list));
        weir_printable(shown, sizeof(shown), spec, len);
        weir_fail(e, -ENOENT, "model-name",
                  "make the model '%s'\nthere is no such model; registered are: %s\n%s", shown,
                  *list ? list : "none",
                  *list ? "write one of these, with its parameters behind a '?'"
                        : "call weir_register_builtin() or weir_model_register() first");
        return NULL;
    }

    struct weir_model *m = calloc(1, sizeof(*m));
    if (!m) {
        weir_fail(e, -ENOMEM, "no-memory", "make the model %s\nout of memory", name);
        return NULL;
    }
    m->weir = w;
    m->ops = ops;
    m->ready_fd = -1;
    pthread_mutex_init(&m->lock, NULL);
    if (weir_model_parse(m, spec, len, e) || weir_model_iotlb_parse(m, e))
        goto fail;
    weir_model_config_init(m);
    if (weir_model_irq_init(m)) {
        weir_fail(e, -ENOMEM, "no-memory", "make the model %s\nout of memory", name);
        goto fail;
    }
    for (unsigned i = 0; i < m->n_params; i++) {
        if (strcmp(m->params[i].key, "wire") != 0 || m->n_wires == KIT_MAX_WIRES)
            continue;
        m->wires[m->n_wires] = weir_wire_open(w, m->params[i].value, e);
        if (!m->wires[m->n_wires])
            goto fail;
        m->link[m->n_wires] = false;
        m->n_wires++;
    }
    if (ops->create(m, e))
        goto fail;
    weir_model_reset_locked(m);
    weir_object_add(w, &m->object, WEIR_RANK_MODEL, model_object_free);
    return m;
fail:
    dispose(m, false);
    return NULL;
}

void weir_model_free(struct weir_model *m)
{
    if (!m)
        return;
    if (m->attached) {
        weir_log(m->weir, WEIR_LOG_ERROR, "model",
                 "a %s model is in use by a %s and cannot be freed: close that first", m->ops->name,
                 m->served ? "server" : "device");
        return;
    }
    weir_object_remove(&m->object);
    dispose(m, true);
}

void weir_model_set_priv(struct weir_model *m, void *priv)
{
    m->priv = priv;
}

void *weir_model_priv(const struct weir_model *m)
{
    return m->priv;
}

struct weir *weir_model_instance(const struct weir_model *m)
{
    return m->weir;
}

const struct weir_model_ops *weir_model_ops(const struct weir_model *m)
{
    return m->ops;
}

struct weir_wire *weir_model_wire(const struct weir_model *m, unsigned n)
{
    return n < m->n_wires ? m->wires[n] : NULL;
}

struct weir_siommu *weir_model_siommu(const struct weir_model *m)
{
    return m->siommu;
}

int weir_model_set(struct weir_model *m, const char *key, const char *value, struct weir_error *e)
{
    if (!m->ops->set)
        return weir_fail(e, -EINVAL, "model-param",
                         "change %s of a %s model\nnothing of it can change while it exists\n"
                         "give the parameter when making it",
                         key, m->ops->name);
    pthread_mutex_lock(&m->lock);
    int ret = m->ops->set(m, key, value, e);
    pthread_mutex_unlock(&m->lock);
    return ret;
}

/* Tell the model of links that changed. Asked before and not only when told: the other end of a
 * wire may have been pulled, by another model or by the kernel. */
static bool update_links(struct weir_model *m)
{
    bool changed = false;
    for (unsigned i = 0; i < m->n_wires; i++) {
        bool up = weir_wire_link(m->wires[i]);
        if (up == m->link[i])
            continue;
        m->link[i] = up;
        changed = true;
        if (m->ops->link)
            m->ops->link(m, i, up);
    }
    return changed;
}

void weir_model_reset_locked(struct weir_model *m)
{
    WEIR_PROBE1(model_reset, m);
    weir_model_config_reset(m);
    weir_model_irq_reset(m);
    m->ops->reset(m);
    /* After a reset the model believes its links down until it is told. */
    memset(m->link, 0, sizeof(m->link));
    update_links(m);
}

void weir_model_reset(struct weir_model *m)
{
    pthread_mutex_lock(&m->lock);
    weir_model_reset_locked(m);
    pthread_mutex_unlock(&m->lock);
}

int weir_model_attach(struct weir_model *m, struct weir_siommu *siommu, bool served,
                      struct weir_error *e)
{
    int ret = 0;
    pthread_mutex_lock(&m->lock);
    if (m->attached) {
        ret = weir_fail(e, -EBUSY, "device-busy",
                        "use a %s model\nit is in use by a %s already\nmake another one",
                        m->ops->name, m->served ? "server" : "device");
    } else if (m->iotlb.entries && !weir_siommu_iotlb(siommu, NULL)) {
        ret = weir_siommu_set_iotlb(siommu, &m->iotlb, e);
    }
    if (!ret) {
        m->attached = true;
        m->served = served;
        m->siommu = siommu;
    }
    pthread_mutex_unlock(&m->lock);
    return ret;
}

void weir_model_detach(struct weir_model *m)
{
    pthread_mutex_lock(&m->lock); /* waits for a step */
    weir_model_irq_forget(m);
    weir_model_reset_locked(m);
    m->attached = m->served = false;
    m->siommu = NULL;
    pthread_mutex_unlock(&m->lock);
}

unsigned weir_model_step(struct weir_model *m, unsigned budget)
{
    unsigned moved = 0;
    pthread_mutex_lock(&m->lock);
    update_links(m);
    if (m->siommu) {
        weir_siommu_lock(m->siommu);
        moved = m->ops->step(m, budget);
        weir_siommu_unlock(m->siommu);
    }
    pthread_mutex_unlock(&m->lock);
    return moved;
}

unsigned weir_models_step(struct weir *w, unsigned budget)
{
    unsigned moved = 0;
    for (struct weir_object *o = w->objects.next; o != &w->objects; o = o->next) {
        if (o->rank != WEIR_RANK_MODEL)
            continue;
        struct weir_model *m =
            (struct weir_model *)((char *)o - offsetof(struct weir_model, object));
        if (!m->served)
            moved += weir_model_step(m, budget);
    }
    return moved;
}

void weir_model_set_link(struct weir_model *m, bool up)
{
    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; i < m->n_wires; i++)
        weir_wire_set_link(m->wires[i], up);
    update_links(m);
    pthread_mutex_unlock(&m->lock);
}

static bool wants(struct weir_model *m, unsigned wire)
{
    return m->siommu && (!m->ops->wants || m->ops->wants(m, wire));
}

uint64_t weir_model_deadline(struct weir_model *m)
{
    uint64_t at = UINT64_MAX;
    pthread_mutex_lock(&m->lock);
    if (update_links(m)) {
        at = 0;
    } else if (m->siommu && m->ops->deadline) {
        at = m->ops->deadline(m);
    } else {
        for (unsigned i = 0; i < m->n_wires; i++) {
            uint64_t t = wants(m, i) ? weir_wire_deadline(m->wires[i]) : UINT64_MAX;
            at = t < at ? t : at;
        }
    }
    pthread_mutex_unlock(&m->lock);
    return at;
}

unsigned weir_model_fds(struct weir_model *m, int *fds, unsigned max)
{
    unsigned n = 0;
    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; i < m->n_wires && n < max; i++) {
        int fd = wants(m, i) ? weir_wire_fd(m->wires[i]) : -1;
        if (fd >= 0)
            fds[n++] = fd;
    }
    pthread_mutex_unlock(&m->lock);
    return n;
}

/* Faults: counted, kept, and logged so that a driver's loop does not flood the log. */
static void report(struct weir_model *m, uint64_t iova, size_t len, bool write,
                   const struct weir_dma_who *who)
{
    struct weir_dma_fault f;

    weir_siommu_faults(m->siommu, &f);
    if (f.iova != iova || f.len != len || f.write != write || f.queue_index != who->queue_index) {
        /* Another model on the same IOMMU was refused something in between. */
        f = (struct weir_dma_fault){.iova = iova, .len = len, .write = write, .reason = "refused"};
    }
    f.queue = who->queue;
    f.queue_index = who->queue_index;
    f.descriptor = who->descriptor;
    m->last_fault = f;
    m->faults++;
    if (m->faults > 10 && m->faults % 1000)
        return;
    weir_log(m->weir, WEIR_LOG_WARNING, m->ops->name,
             "DMA refused: %s %llu bytes at IOVA %#llx for %s %u, descriptor %u: %s%s%s%s%s",
             write ? "write" : "read", (unsigned long long)len, (unsigned long long)iova,
             f.queue ? f.queue : "the device", f.queue_index, f.descriptor, f.reason,
             f.mapping[0] ? " (mapping '" : "", f.mapping, f.mapping[0] ? "')" : "",
             m->faults == 10 ? "; of the next ones every thousandth is told" : "");
}

int weir_model_dma_read(struct weir_model *m, uint64_t iova, void *buf, size_t len,
                        const struct weir_dma_who *who)
{
    int ret = weir_siommu_read(m->siommu, iova, buf, len, who);
    if (ret == -EFAULT)
        report(m, iova, len, false, who);
    return ret;
}

int weir_model_dma_write(struct weir_model *m, uint64_t iova, const void *buf, size_t len,
                         const struct weir_dma_who *who)
{
    int ret = weir_siommu_write(m->siommu, iova, buf, len, who);
    if (ret == -EFAULT)
        report(m, iova, len, true, who);
    return ret;
}

bool weir_model_last_fault(struct weir_model *m, struct weir_dma_fault *out)
{
    pthread_mutex_lock(&m->lock);
    bool any = m->faults > 0;
    if (any)
        *out = m->last_fault;
    pthread_mutex_unlock(&m->lock);
    return any;
}

void weir_model_stats(struct weir_model *m, struct weir_model_stats *out)
{
    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; i < m->n_wires; i++)
        weir_wire_stats(m->wires[i], out);
    out->dma_faults = m->faults;
    pthread_mutex_unlock(&m->lock);
}

/* Regions */

void weir_model_region(const struct weir_model *m, unsigned region, struct weir_region *out)
{
    *out = (struct weir_region){0};
    if (region == WEIR_REGION_CONFIG)
        out->size = m->config_size;
    else if (region <= WEIR_REGION_BAR5)
        out->size = m->ops->pci.bars[region].size;
    out->readable = out->writable = out->size > 0;
}

static bool inside(const struct weir_model *m, unsigned region, uint64_t off, size_t len)
{
    struct weir_region r;
    weir_model_region(m, region, &r);
    return off <= r.size && len <= r.size - off;
}

/* Widest naturally aligned access that fits. */
static unsigned width_at(uint64_t off, size_t len)
{
    unsigned width = 8;
    while (off % width || width > len)
        width /= 2;
    return width;
}

int weir_model_region_read(struct weir_model *m, unsigned region, uint64_t off, void *buf,
                           size_t len)
{
    uint8_t *to = buf;

    if (!inside(m, region, off, len))
        return -EINVAL;
    pthread_mutex_lock(&m->lock);
    if (region == WEIR_REGION_CONFIG) {
        memcpy(to, m->config + off, len);
    } else if (!weir_model_memory_enabled(m)) {
        memset(to, 0xff, len); /* nobody answers: master abort */
    } else {
        while (len) {
            unsigned width = width_at(off, len);
            uint64_t value = weir_model_table_has(m, region, off)
                                 ? weir_model_table_read(m, off, width)
                                 : m->ops->read(m, region, off, width);
            value = weir_le64(value);
            memcpy(to, &value, width);
            off += width;
            to += width;
            len -= width;
        }
    }
    pthread_mutex_unlock(&m->lock);
    return 0;
}

int weir_model_region_write(struct weir_model *m, unsigned region, uint64_t off, const void *buf,
                            size_t len)
{
    const uint8_t *from = buf;

    if (!inside(m, region, off, len))
        return -EINVAL;
    pthread_mutex_lock(&m->lock);
    if (region == WEIR_REGION_CONFIG) {
        if (len)
            weir_model_config_write(m, (unsigned)off, from, (unsigned)len);
    } else if (weir_model_memory_enabled(m)) {
        while (len) {
            unsigned width = width_at(off, len);
            uint64_t value = 0;
            memcpy(&value, from, width);
            value = weir_le64(value);
            if (weir_model_table_has(m, region, off))
                weir_model_table_write(m, off, width, value);
            else
                m->ops->write(m, region, off, width, value);
            off += width;
            from += width;
            len -= width;
        }
    }
    pthread_mutex_unlock(&m->lock);
    return 0;
}
