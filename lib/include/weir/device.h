/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Devices: regions, configuration space, interrupts and reset of one PCI function.
 *
 * A device is opened by name:
 *
 * | name | is |
 * |---|---|
 * | `0000:01:00.0` | a PCI function of this machine, bound to vfio-pci: the kernel's VFIO |
 * | `vfio-user:/run/x540.sock` | a device served over the vfio-user protocol |
 * | `model:x540?wire=loopback` | a software model in this process |
 *
 * A PCI function's name may end in parameters: `0000:01:00.0?iommu=type1` goes through a container,
 * `iommu=iommufd` through iommufd (by default the latter where this user may open both files),
 * `iommu=none` without an IOMMU; `vf-token=UUID` opens a virtual function whose physical function
 * is another process's. Devices of one IOMMU group share a space, as the kernel wants it.
 *
 * It behaves the same whatever is behind the name. One that is lost (its process died, it was
 * unplugged) stays a valid object: reads return all ones, writes are swallowed.
 *
 * @code
 * struct weir_device *d = weir_device_open(w, "model:x540?wire=loopback", NULL, &err);
 * uint32_t status = weir_read32(d, WEIR_REGION_BAR0, 0x00008);
 * uint32_t vendor = weir_config_read(d, 0, 2);
 * weir_device_close(d);
 * @endcode
 *
 * Threads: one at a time, but register reads and writes may come from any thread.
 */
#ifndef WEIR_DEVICE_H
#define WEIR_DEVICE_H

#include <weir/space.h>
#include <weir/types.h>

WEIR_BEGIN_DECLS

/** Region numbers, as VFIO has them for PCI (linux/vfio.h). */
enum weir_region_index {
    WEIR_REGION_BAR0,
    WEIR_REGION_BAR1,
    WEIR_REGION_BAR2,
    WEIR_REGION_BAR3,
    WEIR_REGION_BAR4,
    WEIR_REGION_BAR5,
    WEIR_REGION_ROM,
    WEIR_REGION_CONFIG,
    WEIR_REGION_VGA,
    WEIR_N_REGIONS,
};

/** Interrupt kinds, as VFIO numbers them for PCI. */
enum weir_irq_index {
    WEIR_IRQ_INTX,
    WEIR_IRQ_MSI,
    WEIR_IRQ_MSIX,
    WEIR_IRQ_ERR,
    WEIR_IRQ_REQ,
    WEIR_N_IRQS,
};

struct weir_device_options {
    size_t size;              /**< sizeof(struct weir_device_options) */
    struct weir_space *space; /**< open into this space; NULL: one of its own */
    unsigned timeout_ms;      /**< longest wait for one answer of a peer; default 2000 */
    enum weir_vfio_api vfio;  /**< for PCI functions, as `iommu=` in the name, which wins */
    const char *vf_token;     /**< for PCI functions, as `vf-token=` in the name; or NULL */
};

/**
 * Open a device by name. @a opt may be NULL.
 *
 * Bus mastering is off until a driver turns it on. Failures name the part that failed: unknown
 * prefix ("device-name"), nothing listening ("vfio-user-connect"), a peer that speaks something
 * else ("vfio-user-protocol"), already in use ("device-busy", with by whom if that can be seen). Of
 * a PCI function: not there ("device-absent"), not bound to vfio-pci ("device-driver"), without an
 * IOMMU ("no-iommu"), other members of its group with the host ("group-not-viable"), files that
 * this user may not open ("vfio-permission") or that are missing ("vfio-absent", "iommufd-absent"),
 * what firmware reserves ("device-rmrr"), mappings of the space that it cannot reach
 * ("space-narrowed").
 */
struct weir_device *weir_device_open(struct weir *w, const char *name,
                                     const struct weir_device_options *opt, struct weir_error *e);

/** Turn bus mastering off, release interrupts, unmap and close. NULL is fine. */
void weir_device_close(struct weir_device *d);

struct weir_device_info {
    const char *name; /**< as opened */
    const char *backend;
    uint16_t vendor, device, subsystem_vendor, subsystem_device;
    uint32_t class_code; /**< 24 bits: class, subclass, interface */
    uint8_t revision;
    bool lost;
    struct weir_space *space;
    struct weir_model *model; /**< the model behind a `model:` device, else NULL */
    int node;                 /**< NUMA node, -1 if not known */
};

void weir_device_info(const struct weir_device *d, struct weir_device_info *info);

struct weir_region {
    uint64_t size; /**< 0: no such region */
    bool readable, writable;
    volatile uint8_t *map; /**< mapped registers, or NULL: accesses are calls. Points at offset 0 of
                                the region, of which [map_first, map_first + map_size) is there. */
    uint64_t map_first;
    uint64_t map_size; /**< bytes */
};

/** Describe a region. @return -EINVAL for a number out of range */
int weir_device_region(struct weir_device *d, unsigned region, struct weir_region *out);

/** Read @a len bytes at @a off of a region; register reads use 1, 2, 4 or 8, naturally aligned. 8
 *  bytes may reach a PCI function as two accesses of 4: use weir_region.map where that
 *  matters. */
int weir_region_read(struct weir_device *d, unsigned region, uint64_t off, void *buf, size_t len,
                     struct weir_error *e);

/** Write, as weir_region_read(). */
int weir_region_write(struct weir_device *d, unsigned region, uint64_t off, const void *buf,
                      size_t len, struct weir_error *e);

/** 32-bit register read; all ones if the device is lost or the offset is outside the region. */
uint32_t weir_read32(struct weir_device *d, unsigned region, uint64_t off);

/** 32-bit register write. Ordered before any later access to the same device; need not have
 *  reached it on return (as a posted write). Swallowed if the device is lost. */
void weir_write32(struct weir_device *d, unsigned region, uint64_t off, uint32_t value);

/** Read 1, 2 or 4 bytes of configuration space; all ones on failure. */
uint32_t weir_config_read(struct weir_device *d, unsigned off, unsigned width);

/** Write 1, 2 or 4 bytes of configuration space. */
int weir_config_write(struct weir_device *d, unsigned off, unsigned width, uint32_t value,
                      struct weir_error *e);

/** Offset of a capability (PCI_CAP_ID_*, linux/pci_regs.h) in configuration space, or 0. */
unsigned weir_config_cap(struct weir_device *d, uint8_t id);

/** Offset of an extended capability (PCI_EXT_CAP_ID_*), above the first 256 bytes, or 0. */
unsigned weir_config_ext_cap(struct weir_device *d, uint16_t id);

/** Let the device do DMA, or stop it (command register, bus master enable). Memory decoding is on
 *  from opening. */
int weir_device_bus_master(struct weir_device *d, bool on, struct weir_error *e);

/** Number of interrupts of one kind. Errors and requests of a PCI function come as WEIR_EVENT_*,
 * and are not among them. */
unsigned weir_device_irqs(struct weir_device *d, enum weir_irq_index kind);

/**
 * Signal @a fds (eventfds, -1 to leave one out) on vectors @a start to @a start + @a count - 1.
 * @a count 0 disables the kind; do that, too, after a failure, which leaves it in no known state.
 * The descriptors stay the caller's.
 */
int weir_device_irq_set(struct weir_device *d, enum weir_irq_index kind, unsigned start,
                        unsigned count, const int *fds, struct weir_error *e);

/** Let INTx signal again: as with any VFIO device, it masks itself each time it fires. Does nothing
 *  for the other kinds, which do not. */
int weir_device_irq_unmask(struct weir_device *d, enum weir_irq_index kind, struct weir_error *e);

/** Function-level reset. Configuration space and interrupts are as after opening. A port on it is
 *  not told: stop it before, start it behind it. A channel ends its copies with -EIO until
 *  weir_channel_recover(), also if the reset fails. */
int weir_device_reset(struct weir_device *d, struct weir_error *e);

/**
 * Reset the function with all that share its bus or slot, for what has no reset of its own. All of
 * them have to be in this instance's groups (or, through iommufd, open); else -EPERM
 * ("hot-reset-owners") names those that are not, and nothing is reset. Those that the instance has
 * open are quiesced before; each is then as after opening, also if the reset fails. Those with a
 * port or a channel on them are lost to it (WEIR_EVENT_LOST), and weir_port_recover() or
 * weir_channel_recover() starts it again.
 */
int weir_device_hot_reset(struct weir_device *d, struct weir_error *e);

/**
 * Give a PCI function back to the host, which asked for it (WEIR_EVENT_REQUEST): DMA and interrupts
 * are stopped and its files closed, so that it can be unbound from vfio-pci. The object stays, as
 * that of a lost device; when the function is bound to vfio-pci again WEIR_EVENT_RETURNED comes.
 * With a port on it call weir_port_release() instead. -ENOTSUP for devices that are no functions of
 * this machine.
 */
int weir_device_release(struct weir_device *d, struct weir_error *e);

/** True once the device is lost. Any thread. */
bool weir_device_lost(const struct weir_device *d);

/**
 * Reopen a lost device that returned: connect again, map again everything its space holds, check
 * that it is the same function. Registers are as after opening; the driver starts over. What other
 * threads write through weir_region.map meanwhile may reach the device: stop them first.
 */
int weir_device_reopen(struct weir_device *d, struct weir_error *e);

WEIR_END_DECLS

#endif
