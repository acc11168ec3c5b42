/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a space is made of: a common part that keeps the book of mappings and ranges, and a backend
 * that tells the IOMMU. A backend is a software IOMMU (software.c) or a vfio-user peer
 * (lib/device/vfio_user.c), a VFIO container (type1.c, noiommu.c) or an iommufd IOAS (iommufd.c).
 */
#ifndef WEIR_IOMMU_BACKEND_H
#define WEIR_IOMMU_BACKEND_H

#include "lib/core/instance.h"
#include "lib/iommu/iova.h"
#include <weir/driver/siommu.h>
#include <weir/space.h>

struct weir_space_ops {
    const char *kind;
    /* Tell the IOMMU. The common part has checked alignment, ranges and overlap. */
    int (*map)(struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova, unsigned prot,
               struct weir_error *e);
    int (*unmap)(struct weir_space *s, weir_iova_t iova, size_t len, struct weir_error *e);
    bool physical; /* IOVAs are physical addresses */
    /* Free what priv holds. */
    void (*free)(struct weir_space *s);
};

/* Make a space. Usable ranges start as ranges[0..n). Devices count themselves in with
 * weir_space_ref(); a space that a device made for itself goes with its last device, see
 * weir_space_own(). */
struct weir_space *weir_space_make(struct weir *w, const struct weir_space_ops *ops, void *priv,
                                   uint64_t page_sizes, const struct weir_iova_range *ranges,
                                   unsigned n, uint64_t max_maps, struct weir_error *e);
struct weir *weir_space_instance(const struct weir_space *s);
const struct weir_space_ops *weir_space_ops(const struct weir_space *s);
void *weir_space_priv(const struct weir_space *s);
bool weir_space_is_physical(const struct weir_space *s);
/* It is to go with its last device. */
void weir_space_own(struct weir_space *s);
void weir_space_ref(struct weir_space *s);
/* Drop a device; frees an owned space with the last one. */
void weir_space_unref(struct weir_space *s);

/* Use no other ranges than these from now on. 0, or -ENOMEM. */
int weir_space_allow(struct weir_space *s, const struct weir_iova_range *ranges, unsigned n,
                     struct weir_error *e);

/*
 * What a device that came or went made of the space. max_maps: as weir_space_info. -EADDRINUSE,
 * "space-narrowed", with nothing changed if something that is mapped lies outside of it.
 */
int weir_space_reshape(struct weir_space *s, uint64_t page_sizes,
                       const struct weir_iova_range *ranges, unsigned n, uint64_t max_maps,
                       struct weir_error *e);
/* The first mapping that has any of [first, last], or NULL; where it lies goes to *at. */
const char *weir_space_mapping_in(const struct weir_space *s, uint64_t first, uint64_t last,
                                  struct weir_iova_range *at);

/* Tell the backend again of every mapping in the book, after a peer came back. */
int weir_space_replay(struct weir_space *s, struct weir_error *e);

/* An arena that is mapped here says so, to be told when the space goes. */
struct weir_arena;
int weir_space_add_arena(struct weir_space *s, struct weir_arena *a, struct weir_error *e);
void weir_space_remove_arena(struct weir_space *s, struct weir_arena *a);
/* lib/mem: the space is going away, forget it. */
void weir_arena_space_gone(struct weir_arena *a, struct weir_space *s);

/* A space backed by a software IOMMU, for in-process models. */
struct weir_space *weir_space_software(struct weir *w, struct weir_error *e);
/* Its IOMMU, or NULL if the space is of another kind. */
struct weir_siommu *weir_space_siommu(const struct weir_space *s);

#endif
