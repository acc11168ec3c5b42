/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Spaces that the kernel keeps, and how a device gets into one. Two interfaces:
 *
 * A container (/dev/vfio/vfio) takes groups. The IOMMU it has is chosen with the first of them
 * (VFIO_SET_IOMMU) and lost with the last; type1.c tells it of mappings, noiommu.c is what is left
 * of that where there is no IOMMU. An iommufd (/dev/iommu) has an IOAS from the start and takes
 * devices one by one.
 *
 * Sources: Documentation/driver-api/vfio.rst, Documentation/userspace-api/iommufd.rst,
 * include/uapi/linux/vfio.h, iommufd.h.
 */
#ifndef WEIR_IOMMU_VFIO_H
#define WEIR_IOMMU_VFIO_H

#include "lib/host/function.h"
#include "lib/iommu/backend.h"

/* What a space is asked through; false if it is not of the kernel's. */
bool weir_space_vfio_api(const struct weir_space *s, enum weir_vfio_api *api);

/* What WEIR_VFIO_AUTO stands for. cdev: the device's own file, that has to be open to mode
 * (access()), or the folder of all of them. A container if there is no such file; iommufd if there
 * are no containers; else iommufd if this process may open both of its files. With a VF token
 * rather a container: in iommufd it has a place since Linux 6.17 only. */
enum weir_vfio_api weir_vfio_choose(const char *cdev, int mode, bool token);

/* vfio_info.c */
/* Ask for what struct vfio_region_info and vfio_iommu_type1_info are the heads of, size bytes long,
 * until there is room for the whole answer. For the caller to free; NULL with errno. */
void *weir_vfio_info(int fd, unsigned long request, uint32_t size, uint32_t index);
/* Where in it the capability begins, of len bytes at least; 0: it has none, -EINVAL: what it has
 * makes no sense. any, at: what its head says of them. Before Linux 6.6 they are not aligned to
 * anything: copy them out. */
int weir_vfio_cap(const void *info, uint32_t size, bool any, uint32_t at, uint16_t id, size_t len);

/* container.c */
struct weir_space *weir_space_container(struct weir *w, bool no_iommu, struct weir_error *e);
/* Bring the function's group in, or count one more user of it. The group's descriptor, or -errno
 * with the group as it was. */
int weir_container_join(struct weir_space *s, const struct weir_pci_function *f,
                        struct weir_error *e);
/* The last user takes the group out of the container and closes it. */
void weir_container_leave(struct weir_space *s, int group);
/* The descriptor of a group that is in it, or -1. */
int weir_container_group(const struct weir_space *s, int number);

/* iommufd.c */
struct weir_space *weir_space_iommufd(struct weir *w, struct weir_error *e);
/* Have the kernel keep these ranges usable: it refuses devices that would narrow them. */
int weir_iommufd_allow(struct weir_space *s, const struct weir_iova_range *ranges, unsigned n,
                       struct weir_error *e);
/* Bind the device's descriptor and attach it; closing it undoes either. token: 16 bytes or NULL. */
int weir_iommufd_attach(struct weir_space *s, const struct weir_pci_function *f, int device,
                        const uint8_t *token, struct weir_error *e);
/* Before the descriptor is closed. */
void weir_iommufd_detach(struct weir_space *s, int device);

/* refused.c: why the kernel said no. */

/* To mapping mem; err is its errno. */
int weir_map_refused(const struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova,
                     int err, struct weir_error *e);
/* To a device that would make a mapping unreachable, or that the platform keeps for itself. */
int weir_attach_refused(const struct weir_space *s, const struct weir_pci_function *f,
                        const char *call, int err, struct weir_error *e);
/* Does firmware want the group's devices to reach memory at its own address, so that no user may
 * have them? */
bool weir_group_direct(const struct weir_pci_function *f);
/* To the VF token that was given, or that none was: EACCES. Or to one that has no use: EINVAL. */
int weir_token_refused(const struct weir_pci_function *f, bool given, int err,
                       struct weir_error *e);
/* To a device that is in use; own: a descriptor of path that we hold ourselves, or -1. */
int weir_busy_refused(const char *what, const char *path, int own, struct weir_error *e);
/* To opening one of its files. what: "open device 0000:01:00.0". */
int weir_open_refused(const char *what, const char *path, int err, struct weir_error *e);
/* To a group that is not viable: lists who is in the way. */
int weir_group_not_viable(const struct weir_pci_function *f, struct weir_error *e);

/* type1.c */
extern const struct weir_space_ops weir_type1_ops;
/* Read what the IOMMU can do and reshape the space. mapped: the container holds the book's
 * mappings. */
int weir_type1_shape(struct weir_space *s, bool mapped, struct weir_error *e);

/* noiommu.c */
extern const struct weir_space_ops weir_noiommu_ops;

/* iommufd.c */
extern const struct weir_space_ops weir_iommufd_ops;

/* What type1.c and noiommu.c find in weir_space_priv(). */
struct weir_container {
    int fd;
    int type; /* VFIO_TYPE1v2_IOMMU, ... */
    bool set; /* it has its IOMMU */
    struct weir_container_group {
        int number, fd;
        unsigned users;
    } * groups;
    unsigned n, cap;
};
void weir_container_free(struct weir_space *s);

/* Until a device says more: base pages, anywhere. */
#define WEIR_VFIO_ANYWHERE ((struct weir_iova_range){0, UINT64_MAX})

#endif
