/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake kernel's PCI devices: drivers/vfio/pci/vfio_pci_core.c, vfio_pci_intrs.c. */
#include "fake_vfio.h"

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/mman.h>

/* The calls that a test may have fail are another matter. */
int __real_fcntl64(int fd, int cmd, int arg);
int __real_close(int fd);
ssize_t __real_pread64(int fd, void *buf, size_t len, off_t off);
ssize_t __real_pwrite64(int fd, const void *buf, size_t len, off_t off);

void fake_poke(struct fake_function *f, unsigned region, uint64_t off, const void *bytes,
               size_t len)
{
    assert_int_equal(__real_pwrite64(f->memory, bytes, len, (off_t)(FAKE_OFFSET(region) + off)),
                     len);
}

void fake_peek(struct fake_function *f, unsigned region, uint64_t off, void *bytes, size_t len)
{
    assert_int_equal(__real_pread64(f->memory, bytes, len, (off_t)(FAKE_OFFSET(region) + off)),
                     len);
}

/* ids, class 0x020000 and revision 1, a list of capabilities with power management at 0x50. */
static void write_config(struct fake_function *f)
{
    uint8_t config[256] = {[PCI_VENDOR_ID] = 0x34,
                           [PCI_VENDOR_ID + 1] = 0x12,
                           [PCI_DEVICE_ID] = 0x01,
                           [PCI_STATUS] = PCI_STATUS_CAP_LIST,
                           [PCI_REVISION_ID] = 1,
                           [PCI_CLASS_DEVICE + 1] = 2,
                           [PCI_SUBSYSTEM_VENDOR_ID] = 0x86,
                           [PCI_SUBSYSTEM_VENDOR_ID + 1] = 0x80,
                           [PCI_CAPABILITY_LIST] = 0x40,
                           [0x40] = PCI_CAP_ID_EXP,
                           [0x41] = 0x50,
                           [0x50] = PCI_CAP_ID_PM};

    fake_poke(f, WEIR_REGION_CONFIG, 0, config, sizeof(config));
}

struct fake_function *fake_add(const char *address, int group)
{
    struct fake_function *f = &fake.functions[fake.n_functions++];
    const uint32_t bar =
        VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP;

    assert_true(fake.n_functions <= sizeof(fake.functions) / sizeof(fake.functions[0]));
    *f = (struct fake_function){
        .group = group,
        .memory = memfd_create("weir-fake-device", MFD_CLOEXEC),
        .device_flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
        .num_regions = VFIO_PCI_NUM_REGIONS,
        .num_irqs = VFIO_PCI_NUM_IRQS,
        .regions = {[WEIR_REGION_BAR0] = {.size = 64 * KIB, .flags = bar},
                    [WEIR_REGION_BAR2] = {.size = 16 * KIB, .flags = bar},
                    [WEIR_REGION_CONFIG] = {.size = 4096,
                                            .flags = VFIO_REGION_INFO_FLAG_READ |
                                                     VFIO_REGION_INFO_FLAG_WRITE}},
        .irqs = {[WEIR_IRQ_INTX] = {1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
                                           VFIO_IRQ_INFO_AUTOMASKED},
                 [WEIR_IRQ_MSI] = {4, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE},
                 [WEIR_IRQ_MSIX] = {16, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE},
                 [WEIR_IRQ_ERR] = {1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE},
                 [WEIR_IRQ_REQ] = {1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE}},
        .vectors_left = 64,
        .bound = -1,
        .irq_type = -1,
        .err_fd = -1,
        .req_fd = -1,
    };
    snprintf(f->address, sizeof(f->address), "%s", address);
    for (unsigned i = 0; i < sizeof(f->vectors) / sizeof(f->vectors[0]); i++)
        f->vectors[i] = -1;
    assert_true(f->memory >= 0);
    assert_int_equal(ftruncate(f->memory, (off_t)FAKE_OFFSET(WEIR_N_REGIONS)), 0);
    write_config(f);
    if (group >= 0)
        fake_group(group);
    fake_plug(f);
    return f;
}

void fake_opened(struct fake_function *f)
{
    fake_peek(f, WEIR_REGION_CONFIG, PCI_VENDOR_ID, &f->ids, sizeof(f->ids));
    if (f->gone)
        f->ids = UINT32_MAX;
}

/* ---- regions ---- */

static int get_info(const struct fake_function *f, struct vfio_device_info *info)
{
    if (info->argsz < offsetof(struct vfio_device_info, num_irqs) + sizeof(info->num_irqs))
        return -EINVAL;
    info->flags = f->device_flags;
    info->num_regions = f->num_regions;
    info->num_irqs = f->num_irqs;
    return 0;
}

/* vfio_pci_ioctl_get_region_info(), with the capability that variants and old kernels give. */
static int get_region(const struct fake_function *f, struct vfio_region_info *info)
{
    const struct fake_region *r;
    struct vfio_region_info_cap_sparse_mmap *cap = (void *)(info + 1);
    size_t size;

    if (info->argsz < sizeof(*info) || info->index >= WEIR_N_REGIONS ||
        info->index == WEIR_REGION_VGA)
        return -EINVAL;
    r = &f->regions[info->index];
    info->size = r->size;
    info->flags = r->flags;
    info->offset = FAKE_OFFSET(info->index);
    info->cap_offset = 0;
    if (!r->n_areas)
        return 0;
    info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
    size = sizeof(*info) + sizeof(*cap) + r->n_areas * sizeof(cap->areas[0]);
    if (info->argsz < size) {
        info->argsz = (uint32_t)size;
        return 0;
    }
    info->cap_offset = sizeof(*info);
    *cap = (struct vfio_region_info_cap_sparse_mmap){
        .header = {.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1}, .nr_areas = r->n_areas};
    memcpy(cap->areas, r->areas, r->n_areas * sizeof(cap->areas[0]));
    return 0;
}

/* ---- interrupts ---- */

static void put_fd(int *slot, int fd)
{
    if (*slot >= 0)
        __real_close(*slot);
    /* The kernel holds the eventfd, whatever becomes of the descriptor. */
    *slot = fd < 0 ? -1 : __real_fcntl64(fd, F_DUPFD_CLOEXEC, 0);
    assert_true(fd < 0 || *slot >= 0);
}

static void irq_off(struct fake_function *f)
{
    for (unsigned i = 0; i < sizeof(f->vectors) / sizeof(f->vectors[0]); i++)
        put_fd(&f->vectors[i], -1);
    f->irq_type = -1;
    f->n_vectors = 0;
    f->masked = false;
}

/* vfio_pci_set_intx_trigger(), vfio_pci_set_msi_trigger(). */
static int set_vectors(struct fake_function *f, const struct vfio_irq_set *m, const int32_t *fds)
{
    unsigned end = m->start + m->count;
    bool dynamic = !(f->irqs[m->index].flags & VFIO_IRQ_INFO_NORESIZE);

    if (f->irq_type == (int)m->index && !m->count && m->flags & VFIO_IRQ_SET_DATA_NONE) {
        irq_off(f);
        return 0;
    }
    if (!(m->flags & VFIO_IRQ_SET_DATA_EVENTFD) ||
        (f->irq_type >= 0 && f->irq_type != (int)m->index))
        return -EINVAL;
    if (m->index == VFIO_PCI_INTX_IRQ_INDEX && (m->start || m->count != 1))
        return -EINVAL;
    if (f->irq_type < 0) { /* vfio_msi_enable() */
        if (end > f->vectors_left)
            return f->vectors_left ? (int)f->vectors_left : -ENOSPC;
        f->irq_type = (int)m->index;
        f->n_vectors = end;
    } else if (end > f->n_vectors) {
        if (!dynamic)
            return -EINVAL;
        if (end > f->vectors_left) {
            for (unsigned i = m->start; i < end; i++) /* vfio_msi_set_block() undoes */
                put_fd(&f->vectors[i], -1);
            return -ENOSPC;
        }
        f->n_vectors = end;
    }
    for (unsigned i = 0; i < m->count; i++)
        put_fd(&f->vectors[m->start + i], fds[i]);
    return 0;
}

/* vfio_pci_set_ctx_trigger_single(). */
static int set_single(int *slot, const struct vfio_irq_set *m, const int32_t *fds)
{
    if (m->flags & VFIO_IRQ_SET_DATA_NONE && !m->count) {
        if (*slot < 0)
            return -EINVAL;
        put_fd(slot, -1);
        return 0;
    }
    if (!(m->flags & VFIO_IRQ_SET_DATA_EVENTFD) || m->count != 1)
        return -EINVAL;
    put_fd(slot, fds[0]);
    return 0;
}

/* vfio_set_irqs_validate_and_prepare(), vfio_pci_set_irqs_ioctl(). */
static int set_irqs(struct fake_function *f, const struct vfio_irq_set *m)
{
    const int32_t *fds = (const void *)m->data;
    uint32_t data = m->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
    uint32_t action = m->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;

    fake.set_irqs++;
    fake.irq_set.flags = m->flags;
    fake.irq_set.index = m->index;
    fake.irq_set.start = m->start;
    fake.irq_set.count = m->count;
    if (m->index >= WEIR_N_IRQS || m->start >= f->irqs[m->index].count ||
        m->start + m->count > f->irqs[m->index].count ||
        m->argsz < sizeof(*m) + (data == VFIO_IRQ_SET_DATA_EVENTFD ? 4 * m->count : 0))
        return -EINVAL;
    if (action == VFIO_IRQ_SET_ACTION_UNMASK) {
        if (m->index != VFIO_PCI_INTX_IRQ_INDEX || f->irq_type != VFIO_PCI_INTX_IRQ_INDEX ||
            data != VFIO_IRQ_SET_DATA_NONE || m->start || m->count != 1)
            return -EINVAL;
        f->masked = false;
        return 0;
    }
    if (action != VFIO_IRQ_SET_ACTION_TRIGGER)
        return -EINVAL;
    return m->index == VFIO_PCI_ERR_IRQ_INDEX   ? set_single(&f->err_fd, m, fds)
           : m->index == VFIO_PCI_REQ_IRQ_INDEX ? set_single(&f->req_fd, m, fds)
                                                : set_vectors(f, m, fds);
}

void fake_raise(struct fake_function *f, enum weir_irq_index kind, unsigned vector)
{
    int fd = kind == WEIR_IRQ_ERR       ? f->err_fd
             : kind == WEIR_IRQ_REQ     ? f->req_fd
             : f->irq_type == (int)kind ? f->vectors[vector]
                                        : -1;
    uint64_t one = 1;

    if (fd < 0 || (kind == WEIR_IRQ_INTX && f->masked))
        return;
    f->masked = kind == WEIR_IRQ_INTX;
    assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static int get_irq(const struct fake_function *f, struct vfio_irq_info *irq)
{
    if (irq->argsz < sizeof(*irq) || irq->index >= WEIR_N_IRQS || !f->irqs[irq->index].flags)
        return -EINVAL;
    irq->flags = f->irqs[irq->index].flags;
    irq->count = f->irqs[irq->index].count;
    return 0;
}

/* ---- reset ---- */

static bool on_bus_of(const struct fake_function *f, const struct fake_function *other)
{
    return strncmp(f->address, other->address, strlen("0000:01:")) == 0;
}

static unsigned affected(const struct fake_function *f)
{
    unsigned n = 0;

    for (unsigned i = 0; i < fake.n_functions; i++)
        n += on_bus_of(f, &fake.functions[i]);
    return n;
}

/* vfio_iommufd_get_dev_id(): its id, 0 for one of a group that is owned, or all ones. */
static uint32_t devid(const struct fake_function *f, const struct fake_function *of)
{
    bool owned = false;

    if (!strstr(of->driver, "vfio"))
        return ABI_DEVID_NOT_OWNED;
    if (of->bound == f->bound)
        return (uint32_t)(of - fake.functions) + 10;
    for (unsigned i = 0; i < fake.n_functions; i++)
        owned |= fake.functions[i].group == of->group && fake.functions[i].bound == f->bound;
    return owned ? 0 : ABI_DEVID_NOT_OWNED;
}

/* vfio_pci_ioctl_get_pci_hot_reset_info(). */
static int hot_reset_info(const struct fake_file *file, struct vfio_pci_hot_reset_info *info)
{
    const struct fake_function *f = &fake.functions[file->index];
    unsigned n = affected(f);
    struct vfio_pci_dependent_device *out = info->devices;

    if (info->argsz < sizeof(*info))
        return -EINVAL;
    if (fake.no_bus_reset)
        return -ENODEV;
    info->flags = file->cdev ? ABI_HOT_RESET_DEV_ID | ABI_HOT_RESET_DEV_ID_OWNED : 0;
    info->count = n;
    if (n > (info->argsz - sizeof(*info)) / sizeof(*out))
        return -ENOSPC;
    for (unsigned i = 0; i < fake.n_functions; i++) {
        const struct fake_function *o = &fake.functions[i];
        unsigned segment, bus, slot, function;

        if (!on_bus_of(f, o))
            continue;
        if (o->group < 0)
            return -EPERM;
        sscanf(o->address, "%x:%x:%x.%x", &segment, &bus, &slot, &function);
        out->segment = (uint16_t)segment;
        out->bus = (uint8_t)bus;
        out->devfn = (uint8_t)(slot << 3 | function);
        out->group_id = file->cdev ? devid(f, o) : (uint32_t)o->group;
        out++;
    }
    return 0;
}

/* vfio_pci_ioctl_pci_hot_reset(), vfio_pci_dev_set_hot_reset(). */
static int hot_reset(const struct fake_file *file, const struct vfio_pci_hot_reset *m)
{
    struct fake_function *f = &fake.functions[file->index];

    if (m->argsz < sizeof(*m) || m->flags || !m->count != file->cdev || m->count > affected(f))
        return -EINVAL;
    for (unsigned i = 0; i < fake.n_functions; i++) {
        const struct fake_function *o = &fake.functions[i];
        bool owned = file->cdev && devid(f, o) != ABI_DEVID_NOT_OWNED;

        for (unsigned j = 0; j < m->count; j++) {
            const struct fake_file *g = fake_file_of(m->group_fds[j]);

            if (!g || g->kind != FAKE_GROUP)
                return g ? -EINVAL : -EBADF;
            owned |= fake.groups[g->index].number == o->group;
        }
        if (on_bus_of(f, o) && !owned)
            return -EINVAL;
    }
    for (unsigned i = 0; i < fake.n_functions; i++)
        fake.functions[i].hot_resets += on_bus_of(f, &fake.functions[i]);
    return 0;
}

/* ---- the file ---- */

int fake_device_ioctl(struct fake_file *file, unsigned long request, void *arg)
{
    struct fake_function *f = &fake.functions[file->index];

    if (file->cdev) {
        int r = fake_cdev_ioctl(file, request, arg);

        if (r <= 0)
            return r;
    }
    switch (request) {
    case VFIO_DEVICE_GET_INFO:
        return get_info(f, arg);
    case VFIO_DEVICE_GET_REGION_INFO:
        return get_region(f, arg);
    case VFIO_DEVICE_GET_IRQ_INFO:
        return get_irq(f, arg);
    case VFIO_DEVICE_SET_IRQS:
        return set_irqs(f, arg);
    case VFIO_DEVICE_RESET:
        if (!(f->device_flags & VFIO_DEVICE_FLAGS_RESET))
            return -EINVAL;
        f->resets++;
        return 0;
    case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
        return hot_reset_info(file, arg);
    case VFIO_DEVICE_PCI_HOT_RESET:
        return hot_reset(file, arg);
    default:
        return -ENOTTY;
    }
}

void fake_device_close(struct fake_file *file)
{
    struct fake_function *f = &fake.functions[file->index];

    if (file->cdev)
        fake_cdev_close(file);
    else
        fake_group(f->group)->devices--;
    if (!file->works || --f->opens)
        return;
    /* vfio_pci_core_close_device() */
    irq_off(f);
    put_fd(&f->err_fd, -1);
    put_fd(&f->req_fd, -1);
}
