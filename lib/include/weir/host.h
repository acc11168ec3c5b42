/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The machine as found: PCI functions, bridges, ACS, IOMMU groups, drivers, and what stands between
 * a device and user space.
 *
 * A `struct weir_host` is read once, from this machine, from a folder that holds its `sys` and
 * `proc`, or from a snapshot file that somebody mailed, and never changes. All three give the same
 * object. Strings and arrays in it live as long as it does.
 *
 * Besides the kernel's IOMMU groups it holds two groupings of its own: what the kernel's algorithm
 * makes of this topology, and what Access Control Services really keep apart. Where they differ
 * from the kernel's groups, or a device cannot be used, weir_host_findings() says what, why and
 * which command helps.
 *
 * @code
 * struct weir_host *host = weir_host_new(NULL, &err);
 * const struct weir_function *f = host ? weir_host_find(host, "0000:01:00.0") : NULL;
 * if (f)
 *     printf("%s is in group %d, driver %s\n", f->name, f->group, f->driver);
 * weir_host_free(host);
 * @endcode
 *
 * What needs privilege and could not be read (configuration space beyond its first 64 bytes) is
 * WEIR_UNKNOWN, never guessed.
 *
 * Threads: any number may read one host at a time.
 */
#ifndef WEIR_HOST_H
#define WEIR_HOST_H

#include <stdio.h>
#include <weir/types.h>

WEIR_BEGIN_DECLS

struct weir_host;

/** Yes, no, or could not be read. */
enum weir_known {
    WEIR_UNKNOWN = -1,
    WEIR_NO = 0,
    WEIR_YES = 1,
};

struct weir_host_options {
    size_t size;          /**< sizeof(struct weir_host_options) */
    const char *root;     /**< a folder with sys and proc beneath; NULL: this machine */
    const char *snapshot; /**< a file that weir_host_save() wrote; goes before root */
};

/**
 * Read a machine. @a opt may be NULL for this one. A tree or file that is truncated, contradicts
 * itself or has no end is an error ("host-tree", "host-snapshot", "host-too-large").
 */
struct weir_host *weir_host_new(const struct weir_host_options *opt, struct weir_error *e);

/** NULL is fine. */
void weir_host_free(struct weir_host *h);

/**
 * Write all that was read to @a f as a snapshot (docs/groups.md has the format). It holds no serial
 * numbers, network addresses or names of people, machines or files.
 */
int weir_host_save(const struct weir_host *h, FILE *f, struct weir_error *e);

/** Device/Port Type of the PCI Express capability (PCIe 5.0, 7.5.3.2). */
enum weir_pcie_type {
    WEIR_PCIE_UNKNOWN = -2, /**< the capability could not be read */
    WEIR_PCIE_NONE = -1,    /**< conventional PCI or PCI-X */
    WEIR_PCIE_ENDPOINT = 0,
    WEIR_PCIE_LEGACY_ENDPOINT = 1,
    WEIR_PCIE_ROOT_PORT = 4,
    WEIR_PCIE_UPSTREAM = 5,
    WEIR_PCIE_DOWNSTREAM = 6,
    WEIR_PCIE_TO_PCI = 7,   /**< PCIe-to-PCI bridge */
    WEIR_PCIE_FROM_PCI = 8, /**< PCI-to-PCIe bridge */
    WEIR_PCIE_RC_ENDPOINT = 9,
    WEIR_PCIE_RC_EVENT = 10, /**< root complex event collector */
};

/** The bits of the ACS capability and control registers (PCIe 5.0, 7.7.8). */
enum {
    WEIR_ACS_SV = 0x01, /**< source validation */
    WEIR_ACS_TB = 0x02, /**< translation blocking */
    WEIR_ACS_RR = 0x04, /**< peer-to-peer request redirect */
    WEIR_ACS_CR = 0x08, /**< peer-to-peer completion redirect */
    WEIR_ACS_UF = 0x10, /**< upstream forwarding */
    WEIR_ACS_EC = 0x20, /**< peer-to-peer egress control */
    WEIR_ACS_DT = 0x40, /**< direct translated peer-to-peer */
    /** What the kernel wants of a port to take what is behind it for isolated. */
    WEIR_ACS_REQUIRED = WEIR_ACS_SV | WEIR_ACS_RR | WEIR_ACS_CR | WEIR_ACS_UF,
};

/** What the host does with a function at the moment. */
enum {
    WEIR_USE_ROOT = 1,  /**< the root file system is on it, or nobody can tell that it is not */
    WEIR_USE_MOUNT = 2, /**< a file system, swap space or volume is on it, or may be */
    WEIR_USE_DISK = 4,  /**< it has disks */
    WEIR_USE_ADDRESS =
        8,             /**< a network interface of it has an address, or a bridge or VLAN upon it */
    WEIR_USE_UP = 16,  /**< it has a network interface that is up */
    WEIR_USE_NET = 32, /**< it has a network interface */
    WEIR_USE_CONSOLE = 64, /**< it is the display that firmware chose, on a driver of the host */
    /** What makes taking it away from the host a loss. */
    WEIR_USE_BUSY =
        WEIR_USE_ROOT | WEIR_USE_MOUNT | WEIR_USE_ADDRESS | WEIR_USE_UP | WEIR_USE_CONSOLE,
};

/** A PCI function. References to others are indexes for weir_host_function(), -1 for none. */
struct weir_function {
    char name[20]; /**< "0000:01:00.0" */
    uint32_t domain;
    uint8_t bus, slot, number;
    uint8_t revision, header; /**< header type, without the multifunction bit */
    bool multifunction;
    bool bridge; /**< PCI-to-PCI bridge, PCIe port included: interconnect, not an endpoint */
    uint16_t vendor, device, subsystem_vendor, subsystem_device;
    uint32_t class_code; /**< 24 bits: class, subclass, interface */

    int parent; /**< the bridge it is behind; -1: on a root bus */
    int owner;  /**< the function whose requester ID its DMA carries (Intel VMD) */
    int pf;     /**< the physical function, if it is a VF */
    unsigned num_vfs, total_vfs;
    enum weir_pcie_type type;
    enum weir_known sriov, ari, ats; /**< has the capability */
    enum weir_known acs;
    uint16_t acs_cap, acs_ctrl;

    int group;         /**< the kernel's group, -1: none */
    int derived;       /**< lowest member of the group the kernel's algorithm makes */
    int isolated;      /**< lowest member of the set that can reach it behind the IOMMU's back */
    bool known;        /**< false: derived and isolated hang on what could not be read */
    const char *quirk; /**< who vouches for its isolation without ACS, or NULL */
    unsigned since; /**< the first kernel (major << 8 | minor) known to take it for isolated, by a
                       quirk or a rule that older ones lack; 0: nothing is known of that */

    int node;                    /**< NUMA node, -1: not known */
    unsigned dma_bits;           /**< the width its driver set for DMA; 0: not known */
    const char *driver;          /**< "" if none */
    const char *driver_override; /**< "" if not set */
    const char *iommu;           /**< the IOMMU it is behind, "dmar0"; "" if none */
    unsigned use;                /**< WEIR_USE_* */
    const char *used_by;         /**< "sda: /, /boot", "eth0"; "" for nothing */
};

unsigned weir_host_functions(const struct weir_host *h);

/** In the order of their names. NULL if @a i is out of range. */
const struct weir_function *weir_host_function(const struct weir_host *h, int i);

/** By name, "0000:01:00.0" or "01:00.0". NULL if there is none. */
const struct weir_function *weir_host_find(const struct weir_host *h, const char *name);

int weir_function_index(const struct weir_host *h, const struct weir_function *f);

/** A range of I/O virtual addresses that a group's devices may not use freely. */
struct weir_reserved {
    struct weir_iova_range range;
    const char *type; /**< "direct", "direct-relaxable", "msi", "reserved" */
};

struct weir_group {
    int number;
    const char *type; /**< of its default domain: "DMA", "identity", ...; "" if not told */
    const int *members;
    unsigned n_members;
    const char *others; /**< members that are no PCI functions; "" for none */
    const struct weir_reserved *reserved;
    unsigned n_reserved;
};

unsigned weir_host_groups(const struct weir_host *h);

/** In the order of their numbers. NULL if @a i is out of range. */
const struct weir_group *weir_host_group(const struct weir_host *h, int i);

/** By the kernel's number. */
const struct weir_group *weir_host_group_number(const struct weir_host *h, int number);

/**
 * Does a function in its group keep VFIO from using the group? Bridges, functions without driver,
 * and those on vfio-pci (or a variant of it) or pci-stub do not.
 */
bool weir_function_blocks(const struct weir_host *h, const struct weir_function *f);

/** Is it bound to vfio-pci or a variant of it? */
bool weir_function_vfio(const struct weir_function *f);

/** The machine around the functions. */
struct weir_machine {
    const char *kernel;  /**< release, "6.1.0-18-amd64" */
    unsigned version;    /**< major << 8 | minor */
    const char *cmdline; /**< only those parameters that matter here */
    const char *cpu;     /**< "GenuineIntel", "AuthenticAMD", ...; "" if not told */
    unsigned cpu_bits;   /**< width of physical addresses; 0: not told */
    enum weir_known acpi;
    const char *table;    /**< the ACPI table that announces an IOMMU: "DMAR", "IVRS", ...; or "" */
    const char *iommus;   /**< what the kernel drives, "dmar0 dmar1"; "" for none */
    unsigned iommu_bits;  /**< smallest width of I/O addresses; 0: not told */
    uint64_t iommu_pages; /**< sizes all of them can map, as bits; 0: not told */
    enum weir_known remapping; /**< interrupt remapping in use */
    bool acs_override,
        acs_disabled; /**< on the command line: pcie_acs_override, disable_acs_redir */
    bool vfio_pci, vfio_type1, pci_stub;              /**< present in the running kernel */
    enum weir_known vfio_pci_built, vfio_type1_built; /**< that kernel has them, loaded or not */
    enum weir_known unsafe_interrupts, disable_hugepages, noiommu, enable_sriov;
    unsigned long dma_entry_limit; /**< 0: not told */
    uint64_t memlock;              /**< bytes this process may lock; UINT64_MAX: no limit */
    bool may_lock;                 /**< CAP_IPC_LOCK: the limit does not count */
    unsigned uid;
};

const struct weir_machine *weir_host_machine(const struct weir_host *h);

/** A pool of hugepages. */
struct weir_pool {
    uint64_t page;
    int node; /**< -1: of the whole machine */
    uint64_t total, free;
};

/** NULL if @a i is out of range. */
const struct weir_pool *weir_host_pool(const struct weir_host *h, unsigned i);

/** Why two functions share a group. */
struct weir_reason {
    const char *code; /**< one of those below; static string */
    int via, other;   /**< the functions it speaks of, or -1 */
    uint16_t missing; /**< WEIR_ACS_*: required, but not in force at @a via */
};

/**
 * Why is @a b in the group of @a a? By what the kernel's algorithm does with this topology:
 *
 * | code | is |
 * |---|---|
 * | `requester-id` | both use the requester ID of the bridge @a via, or @a b is that bridge |
 * | `dma-alias` | one is known to use the other's requester ID |
 * | `multifunction` | functions of one device without ACS; of @a via and @a other if the two are
 * above | | `not-sriov` | the same, and @a b looks like a VF, but @a via has no SR-IOV capability |
 * | `port-no-acs` | both are behind (or are) the port @a via, which lacks ACS |
 * | `port-acs-off` | the same, but it has ACS, with the bits in @a missing off |
 * | `ports-no-acs` | behind ports @a via and @a other of one multifunction device without ACS |
 * | `unknown` | it takes configuration space that could not be read |
 * | `unexplained` | the algorithm keeps them apart; the kernel does not |
 */
void weir_host_explain(const struct weir_host *h, const struct weir_function *a,
                       const struct weir_function *b, struct weir_reason *out);

/** How bad a finding is. */
enum weir_level {
    WEIR_OK,      /**< this step is passed */
    WEIR_NOTE,    /**< worth knowing */
    WEIR_WARNING, /**< it works, at a cost or a risk */
    WEIR_BLOCKS,  /**< the device cannot be used before this is dealt with */
};

/** Something found on the way from firmware to a running driver. Text is valid in the callback
 * only. */
struct weir_finding {
    const char *code; /**< stable name, e.g. "group-member"; static string */
    const char *step; /**< "firmware", "iommu", "groups", "modules", "driver", ... */
    enum weir_level level;
    const char *what;     /**< one line */
    const char *evidence; /**< the files read, and the values in them; one a line */
    const char *why;      /**< why it matters */
    const char *fix;      /**< commands for a root shell, one a line; "" if none can help */
    const char *advice;   /**< what else helps; may be "" */
    bool lasts;           /**< what fix does lasts over a reboot */
    const char *keep;     /**< if not: commands that make it last; may be "" */
    int function;         /**< what it is about, -1: the machine */
};

typedef void weir_finding_fn(void *user, const struct weir_finding *finding);

struct weir_findings_options {
    size_t size;        /**< sizeof(struct weir_findings_options) */
    const char *device; /**< a function by name; NULL: the machine alone */
    uint64_t memory;    /**< bytes that an application wants to map; 0: 64 MiB */
};

/**
 * Walk every step from firmware to a running driver and call @a fn for each finding, in the order
 * in which they are to be dealt with. Each step that applies gives at least one, WEIR_OK (code
 * "ok") if all is well. docs/groups.md lists the codes.
 * @return the number of findings that block
 */
unsigned weir_host_findings(const struct weir_host *h, const struct weir_findings_options *opt,
                            weir_finding_fn *fn, void *user);

WEIR_END_DECLS

#endif
