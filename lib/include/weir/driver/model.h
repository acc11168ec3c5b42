/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Writing a device model: what it declares and what the kit gives it.
 *
 * A model is register callbacks, checked DMA and wires. Attached in process or served over
 * vfio-user, it cannot tell which. read() and write() only latch state; step() does everything
 * else. The kit serialises the callbacks: a model needs no locks.
 *
 * @code
 * static const struct weir_model_ops my_model = {
 *     .name = "mine", .help = "", .params = "",
 *     .pci = {.vendor = 0x1234, .device = 1, .bars = {{.size = 4096}}},
 *     // create, destroy, reset, read, write, step
 * };
 * weir_model_register(w, &my_model, &err);
 * @endcode
 *
 * The kit keeps configuration space (header, BAR sizing, command register, the capabilities that
 * were declared), delivers interrupts to whoever enabled them, opens the wires named by "wire="
 * parameters and counts on them.
 */
#ifndef WEIR_DRIVER_MODEL_H
#define WEIR_DRIVER_MODEL_H

#include <weir/device.h>
#include <weir/driver/siommu.h>
#include <weir/driver/wire.h>
#include <weir/model.h>
#include <weir/types.h>

WEIR_BEGIN_DECLS

/** A base address register of a model. */
struct weir_model_bar {
    uint64_t size; /**< power of two; 0: none */
    bool is64;     /**< takes the next number too */
    bool prefetchable;
};

/** A model's identity and shape in configuration space. */
struct weir_model_pci {
    uint16_t vendor, device, subsystem_vendor, subsystem_device;
    uint32_t class_code;
    uint8_t revision;
    struct weir_model_bar bars[6];
    uint8_t interrupt_pin; /**< 1 for INTA, 0 for none */
    uint8_t pm_cap;        /**< offsets of capabilities, 0: not there */
    uint8_t msi_cap;
    uint8_t msi_vectors;
    uint8_t msix_cap;
    uint8_t msix_bar;
    uint16_t msix_vectors;
    uint32_t msix_table, msix_pba; /**< offsets in msix_bar */
    uint8_t pcie_cap;
};

/** A kind of model. Callbacks run one at a time. */
struct weir_model_ops {
    const char *name;   /**< first part of a spec */
    const char *params; /**< keys it takes beside "wire", space-separated: "mac seed" */
    const char *help;   /**< a line for each key, for `weir model NAME --help` */
    unsigned wires;     /**< how many "wire=" it takes at most */
    struct weir_model_pci pci;

    /** Allocate state, weir_model_set_priv(). Read parameters with weir_model_param(). */
    int (*create)(struct weir_model *m, struct weir_error *e);
    void (*destroy)(struct weir_model *m);
    /** Function-level or power-on reset: registers to their initial values, rings forgotten. */
    void (*reset)(struct weir_model *m);
    /** Register access: @a width is 1, 2, 4 or 8, aligned, inside the BAR. MSI-X table and PBA are
     * the kit's and do not come here. */
    uint64_t (*read)(struct weir_model *m, unsigned bar, uint64_t off, unsigned width);
    void (*write)(struct weir_model *m, unsigned bar, uint64_t off, unsigned width, uint64_t value);
    /** See weir_model_step(). DMA is allowed only here, and only while weir_model_bus_master(). */
    unsigned (*step)(struct weir_model *m, unsigned budget);
    /** CLOCK_MONOTONIC ns at which step() wants to run even if nothing happens; 0: now; UINT64_MAX:
     *  only when a register is written or a wire has a frame. May be NULL (the latter). */
    uint64_t (*deadline)(struct weir_model *m);
    /** A wire's link went up or down. */
    void (*link)(struct weir_model *m, unsigned wire, bool up);
    /** Would step() take a frame from this wire now? Who sleeps on the wire's descriptor must not
     * be woken by what nobody takes. NULL: always. */
    bool (*wants)(struct weir_model *m, unsigned wire);
    /** Change a parameter of a model that exists; see weir_model_set(). NULL: none can be. */
    int (*set)(struct weir_model *m, const char *key, const char *value, struct weir_error *e);
};

/** Add a kind of model to an instance. The struct must outlive it. */
int weir_model_register(struct weir *w, const struct weir_model_ops *ops, struct weir_error *e);

/** Registered kind number @a n, the latest first; NULL past the last. */
const struct weir_model_ops *weir_model_at(const struct weir *w, unsigned n);

void weir_model_set_priv(struct weir_model *m, void *priv);
void *weir_model_priv(const struct weir_model *m);

/** The instance, for weir_log(). */
struct weir *weir_model_instance(const struct weir_model *m);

/** Text of a parameter of the spec, or NULL. */
const char *weir_model_param(const struct weir_model *m, const char *key);

/** Change a parameter of a model that exists, if its kind lets that one change: injected faults,
 * for tests. -EINVAL ("model-param"). Not from callbacks. */
int weir_model_set(struct weir_model *m, const char *key, const char *value, struct weir_error *e);

/** The wire number @a n, or NULL if the spec named none. */
struct weir_wire *weir_model_wire(const struct weir_model *m, unsigned n);

/** May the model do DMA: bus mastering enabled and power state D0. */
bool weir_model_bus_master(const struct weir_model *m);

/** The software IOMMU, for weir_siommu_ptr() in step(). Several models may share it. */
struct weir_siommu *weir_model_siommu(const struct weir_model *m);

/** weir_siommu_read() and weir_siommu_write(), with a refused access reported as this model's. A
 *  read may be -EAGAIN: leave the work it is for to a later step. A model that raises interrupts
 *  for what it wrote calls weir_siommu_settle() before, and leaves them to a later step if that is
 *  not 0. */
int weir_model_dma_read(struct weir_model *m, uint64_t iova, void *buf, size_t len,
                        const struct weir_dma_who *who);
int weir_model_dma_write(struct weir_model *m, uint64_t iova, const void *buf, size_t len,
                         const struct weir_dma_who *who);

/** Raise MSI-X (or MSI) @a vector; without either enabled, nothing. From any callback. */
void weir_model_raise(struct weir_model *m, unsigned vector);

/** True while MSI-X is what the driver enabled. */
bool weir_model_msix_enabled(const struct weir_model *m);

/** Set the level of INTx. */
void weir_model_intx(struct weir_model *m, bool asserted);

WEIR_END_DECLS

#endif
