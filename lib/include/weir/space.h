/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * I/O address spaces: what a device can reach, and where.
 *
 * A space is a VFIO container, an iommufd IOAS, the map a vfio-user peer keeps, or a software IOMMU
 * (in-process models). It knows its page sizes, the IOVA ranges it can use and how many mappings it
 * may hold. Most programs never touch one: opening a device makes its space, and a port maps its
 * pool's arena into it.
 *
 * Rules of mapping, the same for every kind of space, whatever the kernel's interface behind it
 * would say: address, IOVA and length are multiples of the smallest page size; an overlap is
 * -EEXIST; a range outside the usable ones is -EINVAL with the range named; a mapping is removed
 * whole, by its own first IOVA and length, anything else is -EINVAL (a middle) or -ENOENT (nothing
 * there). What is left of the differences is told: `kind`, `max_maps` (a VFIO container has a
 * limit, an IOAS has none), and in the error of a mapping that the limit on locked memory refused
 * (a container counts what this process has pinned, each container anew; an IOAS what the user
 * has).
 *
 * A space made with weir_space_new() takes mappings before any device is in it, and those reach
 * each device that comes. A device can narrow what is usable; one that cannot reach what is mapped
 * already is refused, with the mapping's name.
 *
 * @code
 * struct weir_mem piece = {.va = buffer, .len = 2 << 20, .fd = -1, .name = "frames"};
 * weir_iova_t iova;
 * weir_space_find(space, piece.len, 2 << 20, 39, &iova, &err);
 * weir_space_map(space, &piece, iova, WEIR_PROT_RW, &err);
 * ...
 * weir_space_unmap(space, iova, piece.len, &err);
 * @endcode
 *
 * Threads: one at a time.
 */
#ifndef WEIR_SPACE_H
#define WEIR_SPACE_H

#include <weir/types.h>

WEIR_BEGIN_DECLS

/** Memory to be mapped: where the CPU sees it and what backs it. */
struct weir_mem {
    void *va;
    size_t len;
    int fd;           /**< memfd behind it, or -1: a space in another process then serves accesses
                           by messages */
    uint64_t offset;  /**< of va in fd */
    uint64_t page;    /**< size of the pages behind it; 0 if not known */
    const char *name; /**< for messages; may be NULL; copied */
};

/** How the kernel is asked for VFIO. */
enum weir_vfio_api {
    WEIR_VFIO_AUTO,      /**< iommufd where the device can be opened that way, else a container */
    WEIR_VFIO_CONTAINER, /**< /dev/vfio/vfio and the group's file: VFIO type 1 */
    WEIR_VFIO_IOMMUFD,   /**< /dev/iommu and the device's own file */
    WEIR_VFIO_NOIOMMU,   /**< a container without an IOMMU: nothing keeps the device from any
                              memory of the machine. Never chosen by itself. */
};

struct weir_space_options {
    size_t size; /**< sizeof(struct weir_space_options) */
    enum weir_vfio_api api;
    /** The only IOVA ranges to use, whatever devices come: a device that would narrow them is
     *  refused. NULL: all that the devices leave. Copied. */
    const struct weir_iova_range *allowed;
    unsigned n_allowed;
};

/**
 * Make a space of the kernel's, for devices named by their PCI address: give it as
 * weir_device_options.space. Devices of several groups may be in it at once, and an arena is then
 * mapped and counted once for all of them. @a opt may be NULL.
 *
 * Fails with -ENOENT ("vfio-absent", "iommufd-absent"), -EACCES ("vfio-permission"), -ENOTSUP
 * ("vfio-no-type1") and what to do about it.
 */
struct weir_space *weir_space_new(struct weir *w, const struct weir_space_options *opt,
                                  struct weir_error *e);

struct weir_space_info {
    const char *kind;    /**< "type1", "iommufd", "no-iommu", "vfio-user", "software" */
    uint64_t page_sizes; /**< bit n: pages of 2^n bytes */
    const struct weir_iova_range *ranges; /**< usable, sorted; valid until a device is attached */
    unsigned n_ranges;
    unsigned iova_bits; /**< width of the highest usable address */
    uint64_t max_maps;  /**< UINT64_MAX: no limit, or none that is known */
    uint64_t maps;      /**< mappings now */
    uint64_t bytes;     /**< mapped now */
    unsigned devices;   /**< in the space now */
};

void weir_space_info(const struct weir_space *s, struct weir_space_info *info);

/**
 * Map @a mem at @a iova for devices in the space.
 * @param prot enum weir_prot
 */
int weir_space_map(struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova,
                   unsigned prot, struct weir_error *e);

/** Remove one mapping, exactly as it was made. Devices must not use it any more. */
int weir_space_unmap(struct weir_space *s, weir_iova_t iova, size_t len, struct weir_error *e);

/**
 * Find a free, usable IOVA range.
 * @param len       bytes
 * @param align     power of two
 * @param iova_bits width of the narrowest device, 1 to 64
 */
int weir_space_find(struct weir_space *s, uint64_t len, uint64_t align, unsigned iova_bits,
                    weir_iova_t *out, struct weir_error *e);

/** Free a space that no device is in. NULL is fine. Spaces a device made for itself go with it. */
void weir_space_free(struct weir_space *s);

/** A mapping, as weir_space_view has it. */
struct weir_space_mapping {
    weir_iova_t iova;
    uint64_t len, va; /**< va: in the process that the space is in */
    uint64_t page;    /**< size of the pages behind it; 0 if not known */
    unsigned prot;    /**< enum weir_prot */
    char name[64];
};

/** What a space held when it was looked at. */
struct weir_space_view {
    char kind[16]; /**< as in weir_space_info */
    uint64_t page_sizes, max_maps, bytes;
    uint64_t made, removed; /**< mappings since the space is there */
    unsigned devices;
    const struct weir_iova_range *ranges; /**< usable; the first 64 */
    unsigned n_ranges;
    unsigned n_mappings;
    const struct weir_space_mapping *mappings; /**< sorted by IOVA */
};

/**
 * Look at a space from outside. Each space says what it holds in a memfd named weir-space, which
 * whoever may look into its process finds as /proc/PID/fd/N; nothing of it is believed before it
 * is checked. That takes no thread, no socket, and no time of the space's but when it maps.
 *
 * @param fd  number of the descriptor to go on behind, -1 at first; of the one that was found
 * @param out what is there, to be freed; NULL if it could not be read, which @a e explains
 * @return 1 if there was a further one, 0 if not, or -errno with "space-view-process" if the
 * process cannot be looked into
 */
int weir_space_view_next(int pid, int *fd, struct weir_space_view **out, struct weir_error *e);

/** The same of a descriptor at hand. NULL: -EINVAL "space-view" if it is no such file, -EAGAIN
 *  "space-view-busy" if it changes too often. */
struct weir_space_view *weir_space_view_fd(int fd, struct weir_error *e);

/** NULL is fine. */
void weir_space_view_free(struct weir_space_view *v);

WEIR_END_DECLS

#endif
