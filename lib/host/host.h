/* SPDX-License-Identifier: BSD-3-Clause */
/* What a host is made of, and the steps in which it is made from a table. */
#ifndef WEIR_HOST_HOST_H
#define WEIR_HOST_HOST_H

#include "lib/host/table.h"

#include <weir/host.h>

#define WEIR_MAX_FUNCTIONS 16384u
#define WEIR_MAX_POOLS     256u

struct weir_host {
    struct weir_table table;
    struct weir_function *functions;
    unsigned n_functions;
    struct weir_group *groups;
    unsigned n_groups;
    int *members; /* of all groups, one after the other */
    struct weir_reserved *reserved;
    struct weir_pool *pools;
    unsigned n_pools;
    struct weir_machine machine;
};

#define SYS_PCI    "/sys/bus/pci/devices/"
#define SYS_GROUPS "/sys/kernel/iommu_groups/"

/* A function's name, "0000:01:00.0", and nothing behind it? Fills in where it is. */
bool weir_function_name(const char *text, size_t len, struct weir_function *f);

/* The last function in the path of a device; -1 if there is none. */
int weir_function_in_path(const struct weir_host *h, const char *path);

/* A whole number in text, with blanks around it. */
bool weir_host_number(const char *text, int base, uint64_t *out);

/* The text of a file whose path is made up; NULL if it was not read. */
const char *weir_host_text(const struct weir_host *h, const char *fmt, ...) WEIR_PRINTF(2, 3);

/* The steps, in this order. -ENOMEM, or -EINVAL with *why. */
int weir_host_make_functions(struct weir_host *h, const char **why);
int weir_host_make_groups(struct weir_host *h, const char **why);
int weir_host_make_machine(struct weir_host *h);
int weir_host_make_use(struct weir_host *h);
int weir_host_make_derived(struct weir_host *h);

/* What was found of ACS at a function, by the kernel's rule: WEIR_YES if it keeps peers apart.
 * missing: the bits that do not; quirks: with what the vendor says. */
enum weir_known weir_acs_isolates(const struct weir_host *h, const struct weir_function *f,
                                  bool quirks, uint16_t *missing);

#endif
