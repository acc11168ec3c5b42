/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening a PCI function through VFIO: group and container, or character device and iommufd. */
#include "lib/device/vfio.h"
#include "lib/core/clock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SYSFS       "/sys"
#define RELEASED_NS 2000000000u

struct weir_device *weir_vfio_next(const struct weir *w, struct weir_device *after)
{
    const struct weir_object *o = after ? after->object.next : w->objects.next;

    for (; o != &w->objects; o = o->next) {
        struct weir_device *d =
            (struct weir_device *)((char *)(uintptr_t)o - offsetof(struct weir_device, object));

        if (o->rank == WEIR_RANK_DEVICE && d->ops == &weir_device_vfio && d->priv)
            return d;
    }
    return NULL;
}

/* 00112233-4455-6677-8899-aabbccddeeff */
static bool parse_token(const char *text, size_t len, struct weir_vfio *v)
{
    unsigned n = 0;

    if (len != sizeof(v->token_text) - 1)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (c != '-')
                return false;
            continue;
        }
        if (!isxdigit(c))
            return false;
        v->token[n / 2] =
            (uint8_t)(v->token[n / 2] << 4 | (isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10));
        n++;
    }
    memcpy(v->token_text, text, len);
    v->has_token = true;
    return true;
}

static bool parse_api(const char *text, size_t len, enum weir_vfio_api *api)
{
    static const struct {
        const char *name;
        enum weir_vfio_api api;
    } names[] = {{"auto", WEIR_VFIO_AUTO},
                 {"type1", WEIR_VFIO_CONTAINER},
                 {"iommufd", WEIR_VFIO_IOMMUFD},
                 {"none", WEIR_VFIO_NOIOMMU}};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i].name) == len && strncmp(names[i].name, text, len) == 0) {
            *api = names[i].api;
            return true;
        }
    }
    return false;
}

/* ADDRESS?key=value&key=value */
static int parse_name(struct weir_vfio *v, const char *rest, const struct weir_device_options *opt,
                      enum weir_vfio_api *api, struct weir_error *e)
{
    const char *p = rest + strcspn(rest, "?");
    char address[32], shown[64];

    *api = opt->vfio;
    if (opt->vf_token && !parse_token(opt->vf_token, strlen(opt->vf_token), v))
        return weir_fail(e, -EINVAL, "vfio-token",
                         "open device %s\nvf_token is no UUID\n"
                         "write it as 00112233-4455-6677-8899-aabbccddeeff",
                         v->dev->name);
    snprintf(address, sizeof(address), "%.*s", (int)(p - rest), rest);
    if (!weir_pci_address(address, v->f.address))
        return weir_fail(
            e, -EINVAL, "device-name",
            "open device %s\n'%s' is no PCI address\nwrite 0000:01:00.0 or 01:00.0, as "
            "lspci does",
            v->dev->name, weir_printable(shown, sizeof(shown), rest, strlen(rest)));
    while (*p) {
        size_t len = strcspn(++p, "&");

        if (!(strncmp(p, "iommu=", 6) == 0 && parse_api(p + 6, len - 6, api)) &&
            !(strncmp(p, "vf-token=", 9) == 0 && parse_token(p + 9, len - 9, v)))
            return weir_fail(e, -EINVAL, "device-param",
                             "open device %s\n'%s' is no parameter of it\n"
                             "use iommu=auto, type1, iommufd or none, and vf-token=UUID",
                             v->dev->name, weir_printable(shown, sizeof(shown), p, len));
        p += len;
    }
    return 0;
}

static int check_driver(const struct weir_vfio *v, struct weir_error *e)
{
    const char *a = v->f.address;
    char unbind[80] = "";

    if (weir_pci_function_is_vfio(&v->f))
        return 0;
    if (*v->f.driver)
        snprintf(unbind, sizeof(unbind), "echo %s > /sys/bus/pci/devices/%s/driver/unbind; ", a, a);
    return weir_fail(e, -ENODEV, "device-driver",
                     "open device %s\nit is bound to %s%s, not to vfio-pci\n"
                     "%sas root: weir bind %s; that is: modprobe vfio-pci; "
                     "echo vfio-pci > /sys/bus/pci/devices/%s/driver_override; "
                     "%secho %s > /sys/bus/pci/drivers_probe",
                     v->dev->name, *v->f.driver ? "the driver " : "no driver", v->f.driver,
                     *v->f.driver ? "unless this machine needs it, as a disk or for its network "
                                    "(weir doctor tells), "
                                  : "",
                     a, a, unbind, a);
}

static int fail_no_iommu(const struct weir_vfio *v, struct weir_error *e)
{
    bool any = access(SYSFS "/kernel/iommu_groups/0", F_OK) == 0;

    return weir_fail(
        e, -ENODEV, "no-iommu",
        "open device %s\nit is in no IOMMU group: %s\n%s; with iommu=none behind the "
        "device's name Weir does without, where the kernel allows it and nothing "
        "is to be protected",
        v->dev->name, any ? "the IOMMU does not cover it" : "the kernel uses no IOMMU",
        any ? "use another slot"
            : "turn VT-d or AMD-Vi on in firmware and boot with intel_iommu=on (Intel)");
}

/* Is it there, is it ours to have, and is somebody between it and memory? In that order: without an
 * IOMMU the kernel would not even bind it. */
static int check_function(struct weir_vfio *v, enum weir_vfio_api api, struct weir_error *e)
{
    const char *a = v->f.address;
    int r = weir_pci_function_read(SYSFS, a, &v->f, e);

    if (r < 0)
        return r;
    for (struct weir_device *d = NULL; (d = weir_vfio_next(v->dev->weir, d));)
        if (d != v->dev && strcmp(weir_vfio_of(d)->f.address, a) == 0)
            return weir_fail(e, -EBUSY, "device-busy",
                             "open device %s\nthis program has it open already\nuse that device",
                             v->dev->name);
    if (api != WEIR_VFIO_NOIOMMU && (v->f.group < 0 || v->f.no_iommu))
        return fail_no_iommu(v, e);
    r = check_driver(v, e);
    if (r < 0)
        return r;
    if (v->f.group < 0)
        return fail_no_iommu(v, e);
    if (api == WEIR_VFIO_NOIOMMU && !v->f.no_iommu)
        return weir_fail(e, -EINVAL, "device-has-iommu",
                         "open device %s without an IOMMU\nthe IOMMU covers it: it is in group %d\n"
                         "leave iommu=none out",
                         v->dev->name, v->f.group);
    return 0;
}

static enum weir_vfio_api choose_api(const struct weir_vfio *v)
{
    char cdev[48];

    if (!*v->f.cdev) /* that would be the folder */
        return WEIR_VFIO_CONTAINER;
    snprintf(cdev, sizeof(cdev), "/dev/vfio/devices/%s", v->f.cdev);
    return weir_vfio_choose(cdev, R_OK | W_OK, v->has_token);
}

/* The space that the rest of the group is in: the kernel lets a group be in one only. */
static struct weir_space *space_of_group(const struct weir_vfio *v)
{
    for (struct weir_device *d = NULL; (d = weir_vfio_next(v->dev->weir, d));)
        if (d != v->dev && weir_vfio_of(d)->f.group == v->f.group)
            return d->space;
    return NULL;
}

/* Find the space to be in. *own: it was made for this device. */
static int find_space(struct weir_vfio *v, const struct weir_device_options *opt,
                      enum weir_vfio_api api, struct weir_space **out, bool *own,
                      struct weir_error *e)
{
    struct weir_space *group = space_of_group(v);
    enum weir_vfio_api of;

    *own = false;
    if (opt->space &&
        (!weir_space_vfio_api(opt->space, &of) || weir_space_instance(opt->space) != v->dev->weir ||
         (api != WEIR_VFIO_AUTO && api != of)))
        return weir_fail(e, -EINVAL, "device-space",
                         "open device %s\nthe space that was given is of another kind or instance\n"
                         "give one that weir_space_new() made from the same instance",
                         v->dev->name);
    if (opt->space && group && group != opt->space)
        return weir_fail(e, -EBUSY, "device-space",
                         "open device %s\nanother device of its group %d is in another space\n"
                         "all devices of a group belong in one space",
                         v->dev->name, v->f.group);
    *out = opt->space ? opt->space : group;
    if (*out && api != WEIR_VFIO_AUTO && weir_space_vfio_api(*out, &of) && of != api)
        return weir_fail(e, -EBUSY, "device-space",
                         "open device %s\nanother device of its group %d is in a %s space\n"
                         "open both through the same interface",
                         v->dev->name, v->f.group, weir_space_ops(*out)->kind);
    if (*out)
        return 0;
    *own = true;
    if (api == WEIR_VFIO_AUTO)
        api = choose_api(v);
    *out = api == WEIR_VFIO_IOMMUFD
               ? weir_space_iommufd(v->dev->weir, e)
               : weir_space_container(v->dev->weir, api == WEIR_VFIO_NOIOMMU, e);
    return *out ? 0 : e ? e->err : -EIO;
}

/* The device's new descriptor gets the number that it had before. */
static void take_fd(struct weir_vfio *v, int fd)
{
    if (v->fd < 0) {
        v->fd = fd;
    } else {
        dup3(fd, v->fd, O_CLOEXEC);
        close(fd);
    }
    v->open = true;
}

static int enter_iommufd(struct weir_vfio *v, struct weir_space *s, struct weir_error *e)
{
    char path[48], what[64];
    int fd, r;

    if (!*v->f.cdev)
        return weir_fail(
            e, -ENOENT, "vfio-no-cdev",
            "open device %s through iommufd\nthe kernel makes no file for each device\n"
            "use a kernel with CONFIG_VFIO_DEVICE_CDEV (Linux 6.6 or later), or a "
            "container: %s?iommu=type1",
            v->dev->name, v->f.address);
    snprintf(path, sizeof(path), "/dev/vfio/devices/%s", v->f.cdev);
    snprintf(what, sizeof(what), "open device %s", v->f.address);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return weir_open_refused(what, path, errno, e);
    v->iommufd = true;
    r = weir_iommufd_attach(s, &v->f, fd, v->has_token ? v->token : NULL, e);
    if (r < 0)
        close(fd);
    else
        take_fd(v, fd);
    return r;
}

static int get_device(struct weir_vfio *v, int group, struct weir_error *e)
{
    char name[80];
    int fd;

    /* The token goes with the name: drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_match(). */
    snprintf(name, sizeof(name), "%s%s%s", v->f.address, v->has_token ? " vf_token=" : "",
             v->token_text);
    fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
    if (fd >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        take_fd(v, fd);
        return 0;
    }
    if (errno == EACCES || (errno == EINVAL && v->has_token))
        return weir_token_refused(&v->f, v->has_token, errno, e);
    return weir_fail(e, -errno, "vfio-device",
                     "open device %s\nVFIO_GROUP_GET_DEVICE_FD: %s\nthe end of dmesg may say more",
                     v->dev->name, strerror(errno));
}

static int enter_container(struct weir_vfio *v, struct weir_space *s, struct weir_error *e)
{
    int group = weir_container_join(s, &v->f, e), r;

    if (group < 0)
        return group;
    v->iommufd = false;
    r = get_device(v, group, e);
    if (r < 0)
        weir_container_leave(s, v->f.group);
    return r;
}

static int enter(struct weir_vfio *v, struct weir_space *s, struct weir_error *e)
{
    enum weir_vfio_api api;

    weir_space_vfio_api(s, &api);
    return api == WEIR_VFIO_IOMMUFD ? enter_iommufd(v, s, e) : enter_container(v, s, e);
}

/* Out of the space, with the device's file closed: the kernel wants it in that order. */
static void leave(struct weir_vfio *v, struct weir_space *s)
{
    if (!v->open)
        return;
    if (v->iommufd)
        weir_iommufd_detach(s, v->fd);
    /* A timer is what there is in any case; nothing can be read from or written to it at an offset.
     */
    dup3(v->dev->retry.fd, v->fd, O_CLOEXEC);
    v->open = false;
    if (!v->iommufd)
        weir_container_leave(s, v->f.group);
}

/* What the device has. */
static int ask(struct weir_vfio *v, struct weir_region *regions, unsigned *irqs,
               struct weir_error *e)
{
    struct vfio_device_info info = {.argsz = sizeof(info)};
    int r;

    if (ioctl(v->fd, VFIO_DEVICE_GET_INFO, &info))
        return weir_fail(e, -errno, "vfio-device", "open device %s\nVFIO_DEVICE_GET_INFO: %s",
                         v->dev->name, strerror(errno));
    if (!(info.flags & VFIO_DEVICE_FLAGS_PCI) || info.num_regions <= WEIR_REGION_CONFIG)
        return weir_fail(e, -EINVAL, "vfio-device",
                         "open device %s\nits VFIO driver %s says that it is no PCI device",
                         v->dev->name, v->f.driver);
    v->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
    r = weir_vfio_regions(v, &info, regions, e);
    return r ? r : weir_vfio_irqs(v, &info, irqs, e);
}

static void close_vfio(struct weir_device *d)
{
    struct weir_vfio *v = weir_vfio_of(d);

    weir_vfio_irq_free(v);
    weir_vfio_unmap_regions(v);
    leave(v, d->space);
    if (v->fd >= 0)
        close(v->fd);
    free(v);
    d->priv = NULL;
}

/* ERR and REQ come as events, so nobody else may have them. */
static int take_signals(struct weir_device *d, struct weir_error *e)
{
    int r = weir_vfio_signals(weir_vfio_of(d), e);

    d->irqs[WEIR_IRQ_ERR] = d->irqs[WEIR_IRQ_REQ] = 0;
    return r;
}

/* The name goes into logs and errors, where a secret has no place. */
static void hide_token(char *name)
{
    char *token = strstr(name, "vf-token=");

    for (token = token ? token + 9 : NULL; token && *token && *token != '&'; token++)
        *token = '*';
}

static int open_vfio(struct weir_device *d, const char *rest, const struct weir_device_options *opt,
                     struct weir_error *e)
{
    struct weir_vfio *v = calloc(1, sizeof(*v));
    enum weir_vfio_api api;
    bool own = false;
    int r;

    if (!v)
        return weir_fail(e, -ENOMEM, "no-memory", "open device %s\nout of memory", d->name);
    v->dev = d;
    v->fd = v->request.watch.fd = v->error.watch.fd = -1;
    v->irq_kind = -1;
    d->priv = v;
    r = parse_name(v, rest, opt, &api, e);
    hide_token(d->name);
    if (r == 0)
        r = check_function(v, api, e);
    if (r == 0)
        r = find_space(v, opt, api, &d->space, &own, e);
    if (r == 0) {
        r = enter(v, d->space, e);
        if (r == 0)
            r = ask(v, d->regions, d->irqs, e);
        if (r == 0)
            r = take_signals(d, e);
        if (r) {
            close_vfio(d);
            v = NULL;
            if (own)
                weir_space_free(d->space);
        }
    }
    if (r) {
        free(v);
        d->priv = NULL;
        d->space = NULL;
        return r;
    }
    if (own)
        weir_space_own(d->space);
    d->node = v->f.node;
    weir_log(d->weir, WEIR_LOG_INFO, "vfio", "%s: group %d, in a %s space", d->name, v->f.group,
             weir_space_ops(d->space)->kind);
    return 0;
}

static void let_go(struct weir_device *d)
{
    struct weir_vfio *v = weir_vfio_of(d);

    weir_vfio_irq_free(v);
    weir_vfio_unplug_regions(v);
    leave(v, d->space);
}

static void release(struct weir_device *d)
{
    if (!weir_vfio_of(d)->open) /* it was given back before */
        return;
    let_go(d);
    weir_vfio_of(d)->released = weir_now_ns();
}

/* Something is bound to VFIO at that address again. Just after it was given back it may not be
 * unbound yet: whoever asked for it is to have it. */
static bool returned(struct weir_device *d)
{
    struct weir_vfio *v = weir_vfio_of(d);
    struct weir_pci_function f;
    bool bound = weir_pci_function_read(SYSFS, v->f.address, &f, NULL) == 0 &&
                 weir_pci_function_is_vfio(&f) && weir_function_answers(SYSFS, f.address);

    if (!bound || weir_now_ns() - v->released > RELEASED_NS)
        v->released = 0;
    return bound && !v->released;
}

static int reopen(struct weir_device *d, struct weir_error *e)
{
    struct weir_vfio *v = weir_vfio_of(d);
    struct weir_region regions[WEIR_N_REGIONS] = {0};
    unsigned irqs[WEIR_N_IRQS] = {0};
    int r;

    let_go(d);
    r = weir_pci_function_read(SYSFS, v->f.address, &v->f, e);
    if (r == 0)
        r = check_driver(v, e);
    if (r == 0)
        r = enter(v, d->space, e);
    if (r)
        return r;
    r = ask(v, regions, irqs, e);
    for (unsigned i = 0; i < WEIR_N_REGIONS && r == 0; i++) {
        if (regions[i].size != d->regions[i].size ||
            regions[i].map_first != d->regions[i].map_first ||
            regions[i].map_size != d->regions[i].map_size)
            r = weir_fail(e, -ENXIO, "device-changed",
                          "open %s again\nanother device came back: its region %u is another\n"
                          "close it and open it anew",
                          d->name, i);
    }
    if (r == 0) {
        memcpy(d->irqs, irqs, sizeof(irqs));
        r = take_signals(d, e);
    }
    if (r)
        let_go(d);
    return r;
}

/* Once it is known who it is: what has to be kept awake while registers are mapped. */
static void identified(struct weir_device *d)
{
    weir_vfio_of(d)->pm = weir_config_cap(d, PCI_CAP_ID_PM);
}

const struct weir_device_ops weir_device_vfio = {
    .name = "vfio",
    .prefix = "vfio:",
    .open = open_vfio,
    .close = close_vfio,
    .identified = identified,
    .reopen = reopen,
    .release = release,
    .returned = returned,
    .probe = weir_vfio_probe,
    .read = weir_vfio_read,
    .write = weir_vfio_write,
    .irq_set = weir_vfio_irq_set,
    .unmask_intx = weir_vfio_unmask_intx,
    .reset = weir_vfio_reset,
    .hot_reset = weir_vfio_hot_reset,
};
