/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A kernel with VFIO, and a machine with PCI functions, for the tests of what is above them.
 *
 * The test program is linked with the wraps of fake_vfio in tests/unit/meson.build: files below
 * /sys/bus/pci, /sys/kernel/iommu_groups, /sys/module and, if the test made any, /proc come from a
 * folder; /dev/vfio and /dev/iommu are played here, with the state and the answers that the kernel
 * has (drivers/vfio/ and drivers/iommu/iommufd/ of Linux 6.1, 6.12 and 7.2). A device's registers
 * are a memfd, with each region where VFIO has it, so that mapping them is real.
 *
 * fake_files.c: the wraps: paths, descriptors, memory. fake_machine.c: sysfs, setting up.
 * fake_vfio.c: containers and groups. fake_iommufd.c: iommufd and the devices' own files.
 * fake_device.c: regions, interrupts, reset.
 */
#ifndef WEIR_TESTS_UNIT_FAKE_VFIO_H
#define WEIR_TESTS_UNIT_FAKE_VFIO_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/core/instance.h"
#include "lib/device/backend.h"
#include "lib/iommu/backend.h"
#include "lib/iommu/iommufd_abi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAKE_PAGE 4096u
#define KIB       ((uint64_t)1 << 10)
#define MIB       ((uint64_t)1 << 20)
#define GIB       ((uint64_t)1 << 30)

/* VFIO puts region n at n << 40 (drivers/vfio/pci/vfio_pci_core.h). */
#define FAKE_OFFSET(region) ((uint64_t)(region) << 40)

/* ---- the machine ---- */

/* A PCI function: what the hardware is, and what the kernel knows of it. */
struct fake_function {
    char address[16];
    int group;       /* number; -1: in none */
    char driver[32]; /* "": none; change it with fake_bind() */
    char cdev[16];   /* "": the kernel makes none */
    int memory;      /* memfd: regions at their offsets */
    bool gone;       /* reads as all ones, as after an unplug */
    uint32_t device_flags, num_regions, num_irqs;
    struct fake_region {
        uint64_t size;
        uint32_t flags; /* VFIO_REGION_INFO_FLAG_* */
        struct fake_area {
            uint64_t offset, size;
        } areas[4]; /* that may be mapped; none: all of it */
        unsigned n_areas;
    } regions[WEIR_N_REGIONS];
    struct fake_irq {
        uint32_t count, flags; /* VFIO_IRQ_INFO_*; 0: the kernel answers EINVAL */
    } irqs[WEIR_N_IRQS];
    unsigned vectors_left; /* that the host can still give out */
    const char *token;     /* VF token that its user has to show, or NULL */
    /* state */
    uint32_t ids;       /* as the kernel read them when it was opened, and answers from then on */
    unsigned opens;     /* device descriptors that work */
    int bound;          /* the iommufd it is bound to, -1: none */
    bool attached;      /* to that one's IOAS */
    int irq_type;       /* what is on, -1: nothing */
    unsigned n_vectors; /* allocated when it was turned on */
    int vectors[64];    /* eventfds, -1: none; of INTx the first */
    bool masked;        /* INTx */
    int err_fd, req_fd;
    unsigned resets, hot_resets;
};

/* An IOMMU group. */
struct fake_group {
    int number;
    bool no_iommu;
    uint64_t page_sizes;
    uint64_t last;      /* aperture: [0, last] */
    uint64_t cuts_from; /* ... and from here on each second 16 MiB are not usable: */
    unsigned n_cuts;
    struct fake_reserved {
        uint64_t first, last;
        const char *type;
    } reserved[4];
    unsigned n_reserved;
    bool elsewhere; /* another process has its file open */
    bool unsafe;    /* without interrupt remapping */
    /* state */
    int file;         /* descriptor of its open file, -1: none */
    int container;    /* -1: in none */
    unsigned devices; /* descriptors from VFIO_GROUP_GET_DEVICE_FD */
    unsigned cdevs;   /* functions bound to an iommufd */
};

/* What a container or an IOAS holds. */
struct fake_space {
    bool used;
    int type;          /* container: what VFIO_SET_IOMMU chose, 0: nothing yet */
    bool no_iommu;     /* container: its groups are such */
    bool ioas, compat; /* iommufd: it has an IOAS; that one is the compatibility IOAS */
    struct fake_map {
        uint64_t iova, size, va;
        unsigned prot; /* enum weir_prot */
    } maps[32];
    unsigned n_maps;
};

extern struct fake {
    /* what the kernel has and allows */
    int api_version;
    bool type1v2, type1, no_iommu_mode;
    bool iommufd;         /* there is a /dev/iommu */
    bool bind_token;      /* BIND takes a token: Linux 6.17 */
    unsigned entry_limit; /* of mappings in a container */
    enum fake_caps {
        FAKE_CAPS_ALIGNED,  /* of VFIO_IOMMU_GET_INFO: since Linux 6.6 */
        FAKE_CAPS_PACKED,   /* before */
        FAKE_CAPS_NO_AVAIL, /* before 5.10 */
        FAKE_CAPS_NONE,     /* before 5.4 */
    } caps;
    uint64_t memlock; /* bytes that may be locked; UINT64_MAX: no limit */
    uint64_t locked;  /* by other things */
    unsigned euid;
    bool no_bus_reset;
    bool maps_anything; /* of a region, whatever it offered */
    int io_err;         /* of reading and writing devices; 0: none */
    bool io_short;      /* they do all but one byte */
    uint64_t later_ns;  /* added to the clock */
    /* state */
    char root[64]; /* the folder that /sys and /proc are in */
    bool cdevs;
    struct fake_function functions[6];
    unsigned n_functions;
    struct fake_group groups[8];
    unsigned n_groups;
    struct fake_space containers[4], iommufds[4];
    /* what was asked for */
    unsigned maps, unmaps, set_iommus, infos, set_irqs;
    struct {
        uint32_t flags, index, start, count;
    } irq_set;         /* the last */
    size_t access_len; /* of the last pread or pwrite */
    /* tampering: sees each answer before the caller does, and may change it. @result, and what it
     * returns: of ioctl(), or -errno. */
    int (*tamper)(unsigned long request, void *arg, int result);
} fake;

/* For cmocka: a machine without functions; and take it down, with nothing left open. */
int fake_setup(void **state);
int fake_teardown(void **state);

/* A function bound to vfio-pci: 64 KiB in BAR 0, MSI-X of 16 vectors in BAR 2, power management. */
struct fake_function *fake_add(const char *address, int group);
/* Let a driver of that name have it; NULL: none. */
void fake_bind(struct fake_function *f, const char *driver);
/* Take it out of the machine: out of sysfs; or put it back. */
void fake_unplug(struct fake_function *f);
void fake_plug(struct fake_function *f);
/* It stops answering, in its place: all it says is ones; or answers again. */
void fake_dead(struct fake_function *f, bool dead);
/* The kernel opened it (vfio_config_init()). */
void fake_opened(struct fake_function *f);
struct fake_group *fake_group(int number);
void fake_reserve(struct fake_group *g, uint64_t first, uint64_t last, const char *type);
/* Its functions are behind no IOMMU, and the kernel allows to do without. */
void fake_no_iommu(int number);
/* Give the kernel character devices for functions: for all that are there. */
void fake_cdevs(void);
/* Bytes in one of its regions. */
void fake_poke(struct fake_function *f, unsigned region, uint64_t off, const void *bytes,
               size_t len);
void fake_peek(struct fake_function *f, unsigned region, uint64_t off, void *bytes, size_t len);
/* Let it raise an interrupt. */
void fake_raise(struct fake_function *f, enum weir_irq_index kind, unsigned vector);
/* A file of the machine's, "/proc/7/comm"; or a link. Folders are made. */
void fake_file(const char *path, const char *fmt, ...) WEIR_PRINTF(2, 3);
void fake_symlink(const char *path, const char *target);
void fake_remove(const char *path); /* with all that is in it */

/* ---- failures ---- */

/* The ioctl fails from its call number @skip on (0: the next), until request is 0. */
void fake_fail(unsigned long request, int err, unsigned skip);
/* Opening and asking for access to the path fails; one path at a time; err 0: no more. */
void fake_refuse(const char *path, int err);
/* Calls of the library's that can fail are counted from now on; number k (from 0) fails. */
void fake_fail_call(unsigned k, int err);
/* ... no more. Did one fail? */
bool fake_fail_end(void);

/* ---- what is open ---- */

/* Descriptors of /dev/vfio and /dev/iommu, of devices, and mappings of registers. */
unsigned fake_open_files(void);
unsigned fake_open_maps(void);
/* Pieces of address space that the library took and has not given back. */
unsigned fake_reservations(void);
/* Descriptors of the process. */
unsigned fake_process_files(void);

/* ---- shorthands of the tests ---- */

/* An instance whose log is kept: the last warning or error is in fake_log. */
struct weir *fake_weir(void);
extern char fake_log[1024];

/* It failed this way; each failure says what and why, on lines of their own. */
void fake_failed(const struct weir_error *e, int err, const char *code);
void fake_contains(const char *text, const char *part);

struct weir_device *fake_open_device(struct weir *w, const char *name, struct weir_space *space);
/* As fake_open_device(), when it has to fail. */
void fake_open_fails(struct weir *w, const char *name, struct weir_space *space, int err,
                     const char *code, struct weir_error *e);
struct weir_space *fake_new_space(struct weir *w, enum weir_vfio_api api);
struct weir_space_info fake_info(const struct weir_space *s);
void fake_ranges_are(const struct weir_space *s, const struct weir_iova_range *want, unsigned n);
extern const struct weir_iova_range fake_usual[2], fake_everything[1];
int fake_map(struct weir_space *s, void *va, size_t len, uint64_t iova, const char *name,
             struct weir_error *e);
/* Memory to map: a reservation, nothing behind it. */
void *fake_memory(size_t len);
void fake_memory_free(void *va, size_t len);
/* The next event, or one that cannot be; waits for one at most 10 s if told so. */
struct weir_event fake_event(struct weir *w, bool wait);

/* ---- between the parts ---- */

enum fake_kind { FAKE_CONTAINER, FAKE_GROUP, FAKE_DEVICE, FAKE_IOMMUFD };

struct fake_file {
    int fd;
    enum fake_kind kind;
    unsigned index; /* of containers, groups, functions, iommufds */
    bool cdev;      /* a device's own file: works once it is bound */
    bool works;
};

struct fake_file *fake_file_of(int fd);
/* A new descriptor: of the function's memory, or of nothing much. -1 with errno. */
int fake_file_new(enum fake_kind kind, unsigned index, int memory, bool cloexec);
int fake_container_ioctl(struct fake_space *c, unsigned long request, void *arg);
int fake_group_ioctl(struct fake_group *g, unsigned long request, void *arg);
void fake_group_close(struct fake_group *g);
int fake_iommufd_ioctl(struct fake_space *s, unsigned long request, void *arg);
void fake_iommufd_close(struct fake_space *s);
int fake_device_ioctl(struct fake_file *file, unsigned long request, void *arg);
void fake_device_close(struct fake_file *file);
int fake_cdev_ioctl(struct fake_file *file, unsigned long request, void *arg);
void fake_cdev_close(struct fake_file *file);
bool fake_viable(const struct fake_group *g);
/* Usable ranges and page sizes with all of the groups for which @in says yes. */
unsigned fake_ranges(bool (*in)(const struct fake_group *g, const void *space), const void *space,
                     struct weir_iova_range *out, unsigned max, uint64_t *page_sizes);
/* What the kernel checks of a mapping; 0 or an errno. */
int fake_check_memory(const struct fake_space *s, uint64_t va, uint64_t len);

#endif
