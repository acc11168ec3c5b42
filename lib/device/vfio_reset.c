/* SPDX-License-Identifier: BSD-3-Clause */
/* Reset of one function, and of all that share its bus or slot. */
#include "lib/device/vfio.h"
#include "lib/iommu/iommufd_abi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define MAX_AFFECTED 4096u

int weir_vfio_reset(struct weir_device *d, struct weir_error *e)
{
    struct weir_vfio *v = weir_vfio_of(d);

    if (!v->can_reset)
        return weir_fail(e, -ENOTSUP, "vfio-no-reset",
                         "reset %s\nthe function has no reset of its own that the kernel knows\n"
                         "weir_device_hot_reset() resets it with all that share its bus, if all of "
                         "them are yours",
                         d->name);
    if (ioctl(v->fd, VFIO_DEVICE_RESET) == 0)
        return 0;
    return weir_fail(e, -errno, "vfio-reset", "reset %s\nVFIO_DEVICE_RESET: %s", d->name,
                     strerror(errno));
}

/* Who is reset along with it; for the caller to free. NULL with errno. */
static struct vfio_pci_hot_reset_info *affected(const struct weir_vfio *v)
{
    struct vfio_pci_hot_reset_info *info = NULL;
    size_t n = 0;

    for (int i = 0; i < 4; i++) {
        size_t size = sizeof(*info) + n * sizeof(info->devices[0]);
        void *larger = realloc(info, size);

        if (!larger)
            break;
        info = larger;
        memset(info, 0, size);
        info->argsz = (uint32_t)size;
        if (ioctl(v->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info) == 0) {
            if (info->count <= n)
                return info;
            errno = ENOSPC;
        }
        if (errno != ENOSPC || info->count > MAX_AFFECTED)
            break;
        n = info->count;
    }
    free(info);
    return NULL;
}

/* The descriptor of a group, if the instance has it, or -1. */
static int own_group(const struct weir *w, uint32_t number)
{
    int fd = -1;

    for (struct weir_device *d = NULL; fd < 0 && (d = weir_vfio_next(w, d));)
        if (!weir_vfio_of(d)->iommufd)
            fd = weir_container_group(d->space, (int)number);
    return fd;
}

static void address_of(const struct vfio_pci_dependent_device *dep, char out[16])
{
    snprintf(out, 16, "%04x:%02x:%02x.%x", dep->segment, dep->bus, dep->devfn >> 3 & 31,
             dep->devfn & 7);
}

/* Is each of them ours? The kernel would only say no; here they are named. */
static int check_owned(const struct weir_device *d, const struct vfio_pci_hot_reset_info *info,
                       struct weir_error *e)
{
    char list[256] = "";

    for (uint32_t i = 0; i < info->count; i++) {
        const struct vfio_pci_dependent_device *dep = &info->devices[i];
        struct weir_pci_function f;
        size_t at = strlen(list);
        char address[16];

        if (info->flags & ABI_HOT_RESET_DEV_ID ? dep->group_id != ABI_DEVID_NOT_OWNED
                                               : own_group(d->weir, dep->group_id) >= 0)
            continue;
        address_of(dep, address);
        if (weir_pci_function_read("/sys", address, &f, NULL))
            f = (struct weir_pci_function){.group = -1};
        snprintf(list + at, sizeof(list) - at, "%s%s (group %d, driver %s)", at ? ", " : "",
                 address, f.group, *f.driver ? f.driver : "none");
    }
    if (!*list)
        return 0;
    return weir_fail(e, -EPERM, "hot-reset-owners",
                     "reset %s and all that share its bus\nthese are not this program's: %s\n"
                     "open a device of each of those groups too, or use weir_device_reset()",
                     d->name, list);
}

/* The instance's devices that are reset: quiet before, and as after opening behind it. */
static void each_affected(const struct weir *w, const struct vfio_pci_hot_reset_info *info,
                          void (*fn)(struct weir_device *d))
{
    for (struct weir_device *d = NULL; (d = weir_vfio_next(w, d));) {
        for (uint32_t i = 0; i < info->count; i++) {
            char address[16];

            address_of(&info->devices[i], address);
            if (strcmp(address, weir_vfio_of(d)->f.address) == 0) {
                fn(d);
                break;
            }
        }
    }
}

static void still(struct weir_device *d)
{
    weir_device_quiesce(d);
    /* Who uses it on somebody's behalf is to start over, whatever becomes of the reset. */
    if (d->port || d->channel)
        weir_device_set_lost(d, "its bus is reset");
}

static void wake(struct weir_device *d)
{
    weir_device_bus_master(d, false, NULL);
}

/* Each group that is reset, once; the kernel refuses more descriptors than devices. Through iommufd
 * it knows what is ours without any. */
static void add_groups(const struct weir *w, const struct vfio_pci_hot_reset_info *info,
                       struct vfio_pci_hot_reset *m)
{
    for (uint32_t i = 0; i < info->count; i++) {
        int fd = own_group(w, info->devices[i].group_id);
        uint32_t j = 0;

        while (j < m->count && m->group_fds[j] != fd)
            j++;
        if (j == m->count)
            m->group_fds[m->count++] = fd;
    }
}

static int hot_reset(struct weir_device *d, const struct vfio_pci_hot_reset_info *info,
                     struct weir_error *e)
{
    struct vfio_pci_hot_reset *m;
    int r = check_owned(d, info, e);

    if (r)
        return r;
    m = calloc(1, sizeof(*m) + info->count * sizeof(m->group_fds[0]));
    if (!m)
        return weir_fail(e, -ENOMEM, "no-memory", "reset %s\nout of memory", d->name);
    if (!weir_vfio_of(d)->iommufd)
        add_groups(d->weir, info, m);
    m->argsz = (uint32_t)(sizeof(*m) + m->count * sizeof(m->group_fds[0]));
    each_affected(d->weir, info, still);
    if (ioctl(weir_vfio_of(d)->fd, VFIO_DEVICE_PCI_HOT_RESET, m))
        r = weir_fail(e, -errno, "vfio-hot-reset",
                      "reset %s and all that share its bus\nVFIO_DEVICE_PCI_HOT_RESET: %s", d->name,
                      strerror(errno));
    each_affected(d->weir, info, wake);
    free(m);
    return r;
}

int weir_vfio_hot_reset(struct weir_device *d, struct weir_error *e)
{
    struct vfio_pci_hot_reset_info *info = affected(weir_vfio_of(d));
    int r;

    if (!info)
        return weir_fail(e, -errno, "vfio-hot-reset",
                         "reset %s and all that share its bus\n"
                         "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO: %s",
                         d->name,
                         errno == ENODEV ? "its bus or slot has no reset" : strerror(errno));
    r = hot_reset(d, info, e);
    free(info);
    return r;
}
