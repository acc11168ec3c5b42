/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO containers and the groups in them (drivers/vfio/container.c, group.c). */
#include "lib/iommu/vfio.h"
#include "lib/mem/hugepage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CONTAINER "/dev/vfio/vfio"

static int choose_type(int fd, bool no_iommu)
{
    static const int types[] = {VFIO_TYPE1v2_IOMMU, VFIO_TYPE1_IOMMU};

    if (no_iommu)
        return ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU) > 0 ? VFIO_NOIOMMU_IOMMU : 0;
    for (unsigned i = 0; i < 2; i++)
        if (ioctl(fd, VFIO_CHECK_EXTENSION, types[i]) > 0)
            return types[i];
    return 0;
}

static int fail_type(bool no_iommu, struct weir_error *e)
{
    if (no_iommu)
        return weir_fail(e, -ENOTSUP, "vfio-no-noiommu",
                         "make a space without an IOMMU\n"
                         "the kernel does not allow it: CONFIG_VFIO_NOIOMMU is not set, or "
                         "enable_unsafe_noiommu_mode of the module vfio is off\n"
                         "echo Y > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode, then "
                         "bind the device to vfio-pci again; better: turn the IOMMU on in firmware "
                         "and kernel");
    return weir_fail(e, -ENOTSUP, "vfio-no-type1",
                     "make a VFIO container\nthe kernel offers no type 1 IOMMU\n"
                     "modprobe vfio_iommu_type1; if that fails, the kernel was built without "
                     "CONFIG_VFIO_IOMMU_TYPE1, and may have iommufd instead");
}

struct weir_space *weir_space_container(struct weir *w, bool no_iommu, struct weir_error *e)
{
    struct weir_container *c = calloc(1, sizeof(*c));
    struct weir_space *s = NULL;
    int api;

    if (!c) {
        weir_fail(e, -ENOMEM, "no-memory", "make a VFIO container\nout of memory");
        return NULL;
    }
    c->fd = open(CONTAINER, O_RDWR | O_CLOEXEC);
    if (c->fd < 0) {
        weir_open_refused("make a VFIO container", CONTAINER, errno, e);
        free(c);
        return NULL;
    }
    api = ioctl(c->fd, VFIO_GET_API_VERSION);
    c->type = choose_type(c->fd, no_iommu);
    if (api != VFIO_API_VERSION)
        weir_fail(e, -ENOTSUP, "vfio-version",
                  "make a VFIO container\n" CONTAINER " speaks version %d, Weir knows %d\n"
                  "use a Weir that is as new as the kernel",
                  api, VFIO_API_VERSION);
    else if (!c->type)
        fail_type(no_iommu, e);
    else
        s = weir_space_make(w, no_iommu ? &weir_noiommu_ops : &weir_type1_ops, c, weir_base_page(),
                            &WEIR_VFIO_ANYWHERE, 1, UINT64_MAX, e);
    if (!s) {
        close(c->fd);
        free(c);
        return NULL;
    }
    if (no_iommu)
        weir_log(w, WEIR_LOG_WARNING, "iommu",
                 "no IOMMU: a wrong address given to the device, or a device that misbehaves, "
                 "reaches any memory of this machine; addresses are physical, and memory comes in "
                 "hugepages only");
    return s;
}

void weir_container_free(struct weir_space *s)
{
    struct weir_container *c = weir_space_priv(s);

    for (unsigned i = 0; i < c->n; i++)
        close(c->groups[i].fd);
    close(c->fd);
    free(c->groups);
    free(c);
}

static struct weir_container *container_of(const struct weir_space *s)
{
    return weir_space_priv(s);
}

static struct weir_container_group *find(struct weir_container *c, int number)
{
    for (unsigned i = 0; i < c->n; i++)
        if (c->groups[i].number == number)
            return &c->groups[i];
    return NULL;
}

/* Is it? -errno if the kernel does not say. */
static int viable(int group)
{
    struct vfio_group_status status = {.argsz = sizeof(status)};

    return ioctl(group, VFIO_GROUP_GET_STATUS, &status)
               ? -errno
               : (status.flags & VFIO_GROUP_FLAGS_VIABLE) != 0;
}

/* The group's file; checked for being viable. */
static int open_group(const struct weir_pci_function *f, struct weir_error *e)
{
    char path[48], what[64];
    int fd, r;

    snprintf(path, sizeof(path), "/dev/vfio/%s%d", f->no_iommu ? "noiommu-" : "", f->group);
    snprintf(what, sizeof(what), "open device %s", f->address);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return weir_open_refused(what, path, errno, e);
    r = viable(fd);
    if (r > 0)
        return fd;
    close(fd);
    return r < 0 ? weir_open_refused(what, path, -r, e) : weir_group_not_viable(f, e);
}

/* The first group decides what the container can do; what the application mapped before is mapped
 * now. Taking the group out again undoes it. */
static int set_iommu(struct weir_space *s, const struct weir_pci_function *f, struct weir_error *e)
{
    struct weir_container *c = container_of(s);
    bool first = !c->set;
    int r = 0;

    if (first && ioctl(c->fd, VFIO_SET_IOMMU, (unsigned long)c->type))
        return weir_attach_refused(s, f, "VFIO_SET_IOMMU", errno, e);
    c->set = true;
    if (c->type != VFIO_NOIOMMU_IOMMU)
        r = weir_type1_shape(s, !first, e);
    if (r == 0 && first)
        r = weir_space_replay(s, e);
    if (r < 0)
        c->set = !first;
    return r;
}

/* A group left: what the others can use is more, or it is as before the first. For want of memory
 * it stays less. */
static void widen(struct weir_space *s)
{
    const struct weir_container *c = container_of(s);

    if (c->type == VFIO_NOIOMMU_IOMMU)
        return;
    if (c->n)
        weir_type1_shape(s, true, NULL);
    else
        weir_space_reshape(s, weir_base_page(), &WEIR_VFIO_ANYWHERE, 1, UINT64_MAX, NULL);
}

int weir_container_join(struct weir_space *s, const struct weir_pci_function *f,
                        struct weir_error *e)
{
    struct weir_container *c = container_of(s);
    struct weir_container_group *g = find(c, f->group);
    int fd, r;

    if (g) {
        g->users++;
        return g->fd;
    }
    /* The kernel's answer would be that of an IOMMU that cannot be trusted. */
    if (f->no_iommu != (c->type == VFIO_NOIOMMU_IOMMU))
        return weir_fail(e, -EINVAL, "device-space",
                         "open device %s\n%s, and it was given a %s space\n"
                         "give it one of the other sort, or of its own",
                         f->address, f->no_iommu ? "no IOMMU covers it" : "the IOMMU covers it",
                         weir_space_ops(s)->kind);
    if (c->n == c->cap) {
        unsigned cap = c->cap ? c->cap * 2 : 4;

        g = realloc(c->groups, cap * sizeof(*g));
        if (!g)
            return weir_fail(e, -ENOMEM, "no-memory", "open device %s\nout of memory", f->address);
        c->groups = g;
        c->cap = cap;
    }
    fd = open_group(f, e);
    if (fd < 0)
        return fd;
    if (ioctl(fd, VFIO_GROUP_SET_CONTAINER, &c->fd)) {
        r = errno;
        /* The host may have taken a part of it just now. */
        r = r == EPERM && viable(fd) == 0
                ? weir_group_not_viable(f, e)
                : weir_attach_refused(s, f, "VFIO_GROUP_SET_CONTAINER", r, e);
        close(fd);
        return r;
    }
    r = set_iommu(s, f, e);
    if (r < 0) {
        ioctl(fd, VFIO_GROUP_UNSET_CONTAINER);
        close(fd);
        widen(s);
        return r;
    }
    c->groups[c->n++] = (struct weir_container_group){f->group, fd, 1};
    return fd;
}

void weir_container_leave(struct weir_space *s, int group)
{
    struct weir_container *c = container_of(s);
    struct weir_container_group *g = find(c, group);

    if (!g || --g->users)
        return;
    ioctl(g->fd, VFIO_GROUP_UNSET_CONTAINER);
    close(g->fd);
    *g = c->groups[--c->n];
    /* Without a group the container has no IOMMU and forgets its mappings; the book does not. */
    c->set = c->n > 0;
    widen(s);
}

int weir_container_group(const struct weir_space *s, int number)
{
    const struct weir_container_group *g = find(container_of(s), number);

    return g ? g->fd : -1;
}
