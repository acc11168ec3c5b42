/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of a vfio-user client, as a software IOMMU through which a model reaches it: mapped
 * where its owner cannot take it away, else by pread() and pwrite(), else by messages.
 */
#ifndef WEIR_MODEL_CLIENT_MEMORY_H
#define WEIR_MODEL_CLIENT_MEMORY_H

#include <weir/driver/siommu.h>
#include <weir/types.h>

struct weir_client_memory;

/* @remote serves what comes without a descriptor. NULL when out of memory. */
struct weir_client_memory *weir_client_memory_new(struct weir *w, weir_siommu_remote_fn *remote,
                                                  void *user);
void weir_client_memory_free(struct weir_client_memory *c);
struct weir_siommu *weir_client_memory_siommu(struct weir_client_memory *c);

/* 0 or -errno, as DMA_MAP is answered: -EEXIST, -ENOSPC at the limits, or what is wrong with the
 * descriptor (lib/vfio-user/memory.h). fd: -1, or taken over by being set to -1. */
int weir_client_memory_map(struct weir_client_memory *c, uint64_t iova, uint64_t size,
                           unsigned prot, int *fd, uint64_t offset);
/* All that lies within the range. 0, or -EINVAL when something only partly does. */
int weir_client_memory_unmap(struct weir_client_memory *c, uint64_t iova, uint64_t size);
/* All of it, for the next client. */
void weir_client_memory_clear(struct weir_client_memory *c);

#endif
