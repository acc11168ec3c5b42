/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The common part of devices: opening by name, checks before a backend sees an access, loss and
 * return. What a backend is asked for is in backend.h.
 */
#include "lib/device/backend.h"
#include "lib/core/probe.h"
#include "lib/host/function.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <weir/io.h>

#define DEFAULT_TIMEOUT_MS 2000
#define MAX_TIMEOUT_MS     600000
#define RETRY_MS           100
#define MAX_NAME           1024

static const struct weir_device_ops *const backends[] = {
    &weir_device_vfio_user, &weir_device_model,
    &weir_device_vfio, /* also for a name without a prefix that begins with a PCI address */
};
#define N_BACKENDS (sizeof(backends) / sizeof(backends[0]))

static void retry_arm(struct weir_device *d, bool on)
{
    struct itimerspec t = {0};
    if (on) {
        t.it_value.tv_nsec = RETRY_MS * 1000000;
        t.it_interval = t.it_value;
    }
    timerfd_settime(d->retry.fd, 0, &t, NULL);
}

static void retry_ready(struct weir_watch *watch, uint32_t epoll_events)
{
    struct weir_device *d =
        (struct weir_device *)((char *)watch - offsetof(struct weir_device, retry));
    uint64_t ticks;

    (void)epoll_events;
    if (read(watch->fd, &ticks, sizeof(ticks)) < 0 || !weir_device_lost(d))
        return;
    if (d->ops->returned && d->ops->returned(d)) {
        retry_arm(d, false);
        weir_log(d->weir, WEIR_LOG_INFO, "device", "%s can be opened again", d->name);
        struct weir_event ev = {.type = WEIR_EVENT_RETURNED, .device = d, .port = d->port};
        weir_post(d->weir, &ev);
    }
}

/* From now on it is lost; false if it was already. */
static bool mark_lost(struct weir_device *d)
{
    if (atomic_exchange(&d->lost, true))
        return false;
    if (d->on_lost)
        d->on_lost(d);
    return true;
}

void weir_device_set_lost(struct weir_device *d, const char *why)
{
    if (!mark_lost(d))
        return;
    WEIR_PROBE2(device_lost, d->name, why);
    weir_log(d->weir, WEIR_LOG_WARNING, "device", "%s is lost: %s", d->name, why);
    struct weir_event ev = {.type = WEIR_EVENT_LOST, .device = d, .port = d->port};
    weir_post(d->weir, &ev);
    retry_arm(d, true);
}

bool weir_device_lost(const struct weir_device *d)
{
    return atomic_load_explicit(&((struct weir_device *)(uintptr_t)d)->lost, memory_order_acquire);
}

/* The backend that a name is for, and what of the name is its own; NULL if there is none. */
static const struct weir_device_ops *backend_of(const char *name, const char **rest)
{
    char address[32], full[16];

    for (unsigned i = 0; i < N_BACKENDS; i++) {
        size_t len = strlen(backends[i]->prefix);

        *rest = name + len;
        if (strncmp(name, backends[i]->prefix, len) == 0)
            return backends[i];
    }
    *rest = name;
    snprintf(address, sizeof(address), "%.*s", (int)strcspn(name, "?"), name);
    return weir_pci_address(address, full) ? &weir_device_vfio : NULL;
}

static int fail_name(const char *name, struct weir_error *e)
{
    char list[128] = "", shown[96];
    for (unsigned i = 0; i < N_BACKENDS; i++) {
        size_t at = strlen(list);
        snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "", backends[i]->prefix);
    }
    weir_printable(shown, sizeof(shown), name, strlen(name));
    return weir_fail(
        e, -EINVAL, "device-name",
        "open device '%s'\nit is no PCI address and begins with no known prefix, or has control "
        "characters; known are %s\n"
        "write for example 0000:01:00.0, model:x540?wire=loopback or "
        "vfio-user:/run/x540.sock",
        shown, list);
}

static int read_options(const struct weir_device_options *opt, struct weir_device_options *out,
                        struct weir_error *e)
{
    memset(out, 0, sizeof(*out));
    if (opt) {
        /* A program built against an older header has a shorter struct; a longer one asks for what
         * this library cannot know. */
        if (opt->size < offsetof(struct weir_device_options, space) || opt->size > sizeof(*out))
            return weir_fail(e, -EINVAL, "device-options",
                             "open a device\nits options have size %zu, this library knows %zu\n"
                             "set .size = sizeof(struct weir_device_options), and use a library at "
                             "least as new as the headers",
                             opt->size, sizeof(*out));
        memcpy(out, opt, opt->size);
    }
    if (out->timeout_ms > MAX_TIMEOUT_MS)
        return weir_fail(e, -EINVAL, "device-options",
                         "open a device\ntimeout_ms is %u, the limit is %u\nuse a smaller timeout, "
                         "or 0 for the default of %u",
                         out->timeout_ms, MAX_TIMEOUT_MS, DEFAULT_TIMEOUT_MS);
    if (!out->timeout_ms)
        out->timeout_ms = DEFAULT_TIMEOUT_MS;
    out->size = sizeof(*out);
    return 0;
}

/* Accesses below come with a region and range that were checked, or are of configuration space in
 * open and reopen, where d->lost does not count yet. */
static int config_get(struct weir_device *d, unsigned off, unsigned width, uint32_t *value,
                      struct weir_error *e)
{
    uint32_t le = 0;
    if (off + width > d->regions[WEIR_REGION_CONFIG].size)
        return weir_fail(e, -EINVAL, "device-access",
                         "read configuration space of %s\nbytes %#x to %#x lie outside its %llu "
                         "bytes\n",
                         d->name, off, off + width - 1,
                         (unsigned long long)d->regions[WEIR_REGION_CONFIG].size);
    int ret = d->ops->read(d, WEIR_REGION_CONFIG, off, &le, width, e);
    *value = weir_le32(le);
    return ret;
}

static int read_identity(struct weir_device *d, uint32_t id[3], struct weir_error *e)
{
    static const unsigned offsets[3] = {0x00, 0x08, 0x2c}; /* ids, class and revision, subsystem */
    for (unsigned i = 0; i < 3; i++) {
        int ret = config_get(d, offsets[i], 4, &id[i], e);
        if (ret)
            return ret;
    }
    if ((id[0] & 0xffff) == 0xffff)
        return weir_fail(e, -ENODEV, "device-gone",
                         "identify %s\nits vendor id reads 0xffff: nothing answers\n", d->name);
    return 0;
}

static void device_free(struct weir_object *o)
{
    weir_device_close((struct weir_device *)((char *)o - offsetof(struct weir_device, object)));
}

/* What is left when the backend is closed or never opened. */
static void release(struct weir_device *d)
{
    int timer = d->retry.fd;
    if (timer >= 0) {
        weir_watch_remove(d->weir, &d->retry);
        close(timer);
    }
    weir_unpost(d->weir, d, NULL);
    weir_object_remove(&d->object);
    free(d->name);
    free(d);
}

static struct weir_device *make(struct weir *w, const char *name, struct weir_error *e)
{
    struct weir_device *d = calloc(1, sizeof(*d));
    char *copy = d ? strdup(name) : NULL;
    if (!copy) {
        free(d);
        weir_fail(e, -ENOMEM, "no-memory", "open device %s\nout of memory\n", name);
        return NULL;
    }
    d->weir = w;
    d->name = copy;
    d->node = -1;
    d->retry.fd = -1;
    weir_object_add(w, &d->object, WEIR_RANK_DEVICE, device_free);

    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0) {
        weir_fail(e, -errno, "no-descriptors",
                  "open device %s\ntimerfd_create failed: %s\nraise the limit of open files "
                  "(ulimit -n)",
                  name, strerror(errno));
        release(d);
        return NULL;
    }
    d->retry.ready = retry_ready;
    if (weir_watch_add(w, &d->retry, fd, false, e)) {
        close(fd);
        d->retry.fd = -1;
        release(d);
        return NULL;
    }
    return d;
}

struct weir_device *weir_device_open(struct weir *w, const char *name,
                                     const struct weir_device_options *opt, struct weir_error *e)
{
    struct weir_device_options o;
    const struct weir_device_ops *ops;
    const char *rest, *end = name;
    uint32_t id[3];

    if (!name || !*name || strlen(name) > MAX_NAME) {
        fail_name(name && *name ? "(longer than 1024 characters)" : "", e);
        return NULL;
    }
    if (read_options(opt, &o, e))
        return NULL;
    while (*end && !iscntrl((unsigned char)*end))
        end++;
    ops = backend_of(name, &rest);
    if (!ops || *end) { /* it is printed as it is from here on */
        fail_name(name, e);
        return NULL;
    }

    struct weir_device *d = make(w, name, e);
    if (!d)
        return NULL;
    d->ops = ops;
    d->timeout_ms = o.timeout_ms;
    if (ops->open(d, rest, &o, e)) {
        release(d);
        return NULL;
    }
    weir_space_ref(d->space);
    if (read_identity(d, id, e) || weir_device_bus_master(d, false, e)) {
        weir_device_close(d);
        return NULL;
    }
    d->vendor = (uint16_t)id[0];
    d->device = (uint16_t)(id[0] >> 16);
    d->revision = (uint8_t)id[1];
    d->class_code = id[1] >> 8;
    d->subsystem_vendor = (uint16_t)id[2];
    d->subsystem_device = (uint16_t)(id[2] >> 16);
    if (ops->identified)
        ops->identified(d);
    WEIR_PROBE3(device_open, d->name, d->vendor, d->device);
    weir_log(w, WEIR_LOG_INFO, "device", "opened %s: %04x:%04x", d->name, d->vendor, d->device);
    return d;
}

void weir_device_quiesce(struct weir_device *d)
{
    if (weir_device_lost(d)) /* it does neither */
        return;
    weir_device_bus_master(d, false, NULL);
    for (unsigned kind = 0; kind < WEIR_N_IRQS && !weir_device_lost(d); kind++)
        if (d->irqs[kind])
            d->ops->irq_set(d, (enum weir_irq_index)kind, 0, 0, NULL, NULL);
}

void weir_device_close(struct weir_device *d)
{
    if (!d)
        return;
    weir_device_quiesce(d);
    struct weir_space *space = d->space;
    d->ops->close(d);
    weir_space_unref(space);
    release(d);
}

void weir_device_info(const struct weir_device *d, struct weir_device_info *info)
{
    *info = (struct weir_device_info){
        .name = d->name,
        .backend = d->ops->name,
        .vendor = d->vendor,
        .device = d->device,
        .subsystem_vendor = d->subsystem_vendor,
        .subsystem_device = d->subsystem_device,
        .class_code = d->class_code,
        .revision = d->revision,
        .lost = weir_device_lost(d),
        .space = d->space,
        .model = d->model,
        .node = d->node,
    };
}

int weir_device_region(struct weir_device *d, unsigned region, struct weir_region *out)
{
    if (region >= WEIR_N_REGIONS)
        return -EINVAL;
    *out = d->regions[region];
    return 0;
}

static int check_access(struct weir_device *d, const char *verb, unsigned region, uint64_t off,
                        size_t len, bool write, struct weir_error *e)
{
    if (region >= WEIR_N_REGIONS)
        return weir_fail(e, -EINVAL, "device-access",
                         "%s a region of %s\nregion %u does not exist, the last is %d\n", verb,
                         d->name, region, WEIR_N_REGIONS - 1);
    const struct weir_region *r = &d->regions[region];
    if (off > r->size || len > r->size - off)
        return weir_fail(e, -EINVAL, "device-access",
                         "%s region %u of %s\n%zu bytes at %#llx lie outside its %llu bytes\n",
                         verb, region, d->name, len, (unsigned long long)off,
                         (unsigned long long)r->size);
    if (len && !(write ? r->writable : r->readable))
        return weir_fail(e, -EACCES, "device-access",
                         "%s region %u of %s\nthe region does not allow it\n", verb, region,
                         d->name);
    if (weir_device_lost(d))
        return weir_fail(e, -ENODEV, "device-lost",
                         "%s region %u of %s\nthe device is lost\nwait for "
                         "WEIR_EVENT_RETURNED, then call weir_port_recover() or "
                         "weir_device_reopen()",
                         verb, region, d->name);
    return 0;
}

int weir_region_read(struct weir_device *d, unsigned region, uint64_t off, void *buf, size_t len,
                     struct weir_error *e)
{
    int ret = check_access(d, "read", region, off, len, false, e);
    if (!ret && len)
        ret = d->ops->read(d, region, off, buf, len, e);
    if (ret)
        memset(buf, 0xff, len);
    return ret;
}

int weir_region_write(struct weir_device *d, unsigned region, uint64_t off, const void *buf,
                      size_t len, struct weir_error *e)
{
    int ret = check_access(d, "write", region, off, len, true, e);
    if (!ret && len)
        ret = d->ops->write(d, region, off, buf, len, false, e);
    return ret;
}

static bool is_mapped(const struct weir_region *r, uint64_t off)
{
    return off >= r->map_first && off - r->map_first + 4 <= r->map_size;
}

uint32_t weir_read32(struct weir_device *d, unsigned region, uint64_t off)
{
    uint32_t le = UINT32_MAX;
    if (region >= WEIR_N_REGIONS || off & 3 || weir_device_lost(d))
        return UINT32_MAX;
    const struct weir_region *r = &d->regions[region];
    if (off >= r->size || r->size - off < 4 || !r->readable)
        return UINT32_MAX;
    if (is_mapped(r, off)) {
        le = *(const volatile uint32_t *)(const volatile void *)(r->map + off);
        if (le == UINT32_MAX && d->ops->probe)
            d->ops->probe(d);
        return weir_le32(le);
    }
    if (d->ops->read(d, region, off, &le, sizeof(le), NULL))
        return UINT32_MAX;
    return weir_le32(le);
}

void weir_write32(struct weir_device *d, unsigned region, uint64_t off, uint32_t value)
{
    uint32_t le = weir_le32(value);
    if (region >= WEIR_N_REGIONS || off & 3 || weir_device_lost(d))
        return;
    const struct weir_region *r = &d->regions[region];
    if (off >= r->size || r->size - off < 4 || !r->writable)
        return;
    if (is_mapped(r, off)) {
        weir_wmb();
        *(volatile uint32_t *)(volatile void *)(r->map + off) = le;
        return;
    }
    d->ops->write(d, region, off, &le, sizeof(le), true, NULL);
}

unsigned weir_device_irqs(struct weir_device *d, enum weir_irq_index kind)
{
    return (unsigned)kind < WEIR_N_IRQS ? d->irqs[kind] : 0;
}

int weir_device_irq_set(struct weir_device *d, enum weir_irq_index kind, unsigned start,
                        unsigned count, const int *fds, struct weir_error *e)
{
    static const char *const names[WEIR_N_IRQS] = {"INTx", "MSI", "MSI-X", "error", "request"};
    if ((unsigned)kind >= WEIR_N_IRQS)
        return weir_fail(e, -EINVAL, "device-irq", "set interrupts of %s\nkind %u does not exist\n",
                         d->name, (unsigned)kind);
    unsigned have = d->irqs[kind];
    if (start > have || count > have - start || (count && !fds) || (!count && start))
        return weir_fail(e, -EINVAL, "device-irq",
                         "set %s interrupts %u to %u of %s\nthe device has %u of this kind\n",
                         names[kind], start, start + count, d->name, have);
    if (weir_device_lost(d))
        return weir_fail(e, -ENODEV, "device-lost",
                         "set interrupts of %s\nthe device is lost\nwait for "
                         "WEIR_EVENT_RETURNED and reopen it",
                         d->name);
    return d->ops->irq_set(d, kind, start, count, fds, e);
}

int weir_device_irq_unmask(struct weir_device *d, enum weir_irq_index kind, struct weir_error *e)
{
    if (kind != WEIR_IRQ_INTX || !d->irqs[WEIR_IRQ_INTX])
        return 0;
    if (weir_device_lost(d))
        return weir_fail(e, -ENODEV, "device-lost",
                         "unmask INTx of %s\nthe device is lost\nwait for WEIR_EVENT_RETURNED and "
                         "reopen it",
                         d->name);
    return d->ops->unmask_intx(d, e);
}

int weir_device_reset(struct weir_device *d, struct weir_error *e)
{
    if (weir_device_lost(d))
        return weir_fail(e, -ENODEV, "device-lost",
                         "reset %s\nthe device is lost\nwait for WEIR_EVENT_RETURNED and reopen it",
                         d->name);
    if (d->on_reset)
        d->on_reset(d);
    weir_device_quiesce(d);
    int ret = d->ops->reset(d, e);
    return ret ? ret : weir_device_bus_master(d, false, e);
}

int weir_device_hot_reset(struct weir_device *d, struct weir_error *e)
{
    if (!d->ops->hot_reset)
        return weir_fail(e, -ENOTSUP, "device-hot-reset",
                         "reset %s and all that share its bus\na %s device has no bus\n"
                         "use weir_device_reset()",
                         d->name, d->ops->name);
    if (weir_device_lost(d))
        return weir_fail(e, -ENODEV, "device-lost",
                         "reset %s\nthe device is lost\nwait for WEIR_EVENT_RETURNED and reopen it",
                         d->name);
    return d->ops->hot_reset(d, e);
}

int weir_device_release(struct weir_device *d, struct weir_error *e)
{
    if (!d->ops->release)
        return weir_fail(e, -ENOTSUP, "device-release",
                         "give %s back\na %s device belongs to nobody else\nclose it", d->name,
                         d->ops->name);
    weir_device_quiesce(d);
    mark_lost(d);
    d->ops->release(d); /* one that is lost has its files open, too */
    weir_log(d->weir, WEIR_LOG_INFO, "device", "%s is given back to the host", d->name);
    retry_arm(d, true);
    return 0;
}

/* Nothing is kept of what came back; it is told again when it returns. */
static int still_lost(struct weir_device *d, int ret)
{
    if (d->ops->release)
        d->ops->release(d);
    retry_arm(d, true);
    return ret;
}

int weir_device_reopen(struct weir_device *d, struct weir_error *e)
{
    struct weir_region before[WEIR_N_REGIONS];
    uint32_t id[3];

    if (!weir_device_lost(d))
        return weir_fail(e, -EINVAL, "device-not-lost",
                         "open %s again\nit is not lost\ncall this after WEIR_EVENT_RETURNED",
                         d->name);
    memcpy(before, d->regions, sizeof(before));
    int ret = d->ops->reopen
                  ? d->ops->reopen(d, e)
                  : weir_fail(e, -ENOTSUP, "device-gone",
                              "open %s again\nthis kind of device does not come back\n", d->name);
    if (!ret)
        ret = read_identity(d, id, e);
    if (!ret) {
        bool same = id[0] == ((uint32_t)d->device << 16 | d->vendor) &&
                    id[1] == (d->class_code << 8 | d->revision) &&
                    id[2] == ((uint32_t)d->subsystem_device << 16 | d->subsystem_vendor);
        for (unsigned i = 0; i < WEIR_N_REGIONS; i++)
            same = same && before[i].size == d->regions[i].size;
        if (!same)
            ret = weir_fail(e, -ENXIO, "device-changed",
                            "open %s again\nanother device came back: %04x:%04x, it was "
                            "%04x:%04x, or its regions differ\nclose it and open it anew",
                            d->name, id[0] & 0xffff, id[0] >> 16, d->vendor, d->device);
    }
    if (!ret && d->ops->replay)
        ret = weir_space_replay(d->space, e);
    if (ret)
        return still_lost(d, ret);
    retry_arm(d, false);
    weir_unpost(d->weir, d, d->port); /* a LOST or RETURNED nobody fetched is history now */
    atomic_store(&d->lost, false);
    ret = weir_device_bus_master(d, false, e);
    if (ret) {
        atomic_store(&d->lost, true);
        return still_lost(d, ret);
    }
    WEIR_PROBE1(device_back, d->name);
    weir_log(d->weir, WEIR_LOG_INFO, "device", "%s is back", d->name);
    return 0;
}
