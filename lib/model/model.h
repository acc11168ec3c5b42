/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model kit's side towards device backends and servers: everything a transport needs of a
 * model. All calls take the model's lock; step() additionally holds the software IOMMU's read lock.
 */
#ifndef WEIR_MODEL_MODEL_H
#define WEIR_MODEL_MODEL_H

#include "lib/core/instance.h"
#include <weir/driver/model.h>

/* Claim the model for one user (a device or a server) with the software IOMMU its DMA goes through.
 * -EBUSY if claimed. */
int weir_model_attach(struct weir_model *m, struct weir_siommu *siommu, bool served,
                      struct weir_error *e);
/* Release: bus mastering off, interrupts forgotten, reset. Returns when no step is under way. */
void weir_model_detach(struct weir_model *m);

void weir_model_region(const struct weir_model *m, unsigned region, struct weir_region *out);
unsigned weir_model_irqs(const struct weir_model *m, enum weir_irq_index kind);
/* Region access as a transport delivers it, of any length and alignment inside the region; the kit
 * splits it into aligned accesses. -EINVAL outside the region. */
int weir_model_region_read(struct weir_model *m, unsigned region, uint64_t off, void *buf,
                           size_t len);
int weir_model_region_write(struct weir_model *m, unsigned region, uint64_t off, const void *buf,
                            size_t len);
/* Eventfds are the caller's; -1 leaves a vector out. As weir_device_irq_set(). */
int weir_model_irq_set(struct weir_model *m, enum weir_irq_index kind, unsigned start,
                       unsigned count, const int *fds);
/* Software trigger of a vector (VFIO_IRQ_SET_DATA_NONE with ACTION_TRIGGER). */
int weir_model_irq_trigger(struct weir_model *m, enum weir_irq_index kind, unsigned start,
                           unsigned count);
/* Mask or unmask INTx or a vector. */
int weir_model_irq_mask(struct weir_model *m, enum weir_irq_index kind, unsigned start,
                        unsigned count, bool mask);
void weir_model_reset(struct weir_model *m);
const struct weir_model_ops *weir_model_ops(const struct weir_model *m);

/* For sleeping: when step() wants to run next (CLOCK_MONOTONIC ns, 0 now, UINT64_MAX never), and
 * the descriptors of the wires, at most max. Ask for both again before each sleep: a wire whose
 * frames the model cannot take now is left out. */
uint64_t weir_model_deadline(struct weir_model *m);
unsigned weir_model_fds(struct weir_model *m, int *fds, unsigned max);

#endif
