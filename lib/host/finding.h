/* SPDX-License-Identifier: BSD-3-Clause */
/* How a finding is put together: the checks fill in the parts, and say which one it is. */
#ifndef WEIR_HOST_FINDING_H
#define WEIR_HOST_FINDING_H

#include "lib/host/host.h"

/* FINDING(name, "code", "step", LEVEL, "why", "advice") */
enum weir_finding_id {
#define FINDING(name, code, step, level, why, advice) FINDING_##name,
#include "lib/host/findings.def"
#undef FINDING
};

struct weir_report {
    const struct weir_host *h;
    const struct weir_function *f; /* the device it is about, or NULL */
    uint64_t memory;
    weir_finding_fn *fn;
    void *user;
    unsigned blocks;
    int function; /* of the next finding */
    char what[320], evidence[1024], fix[1024], keep[640];
};

/* The first line of a finding. */
void weir_report_what(struct weir_report *r, const char *fmt, ...) WEIR_PRINTF(2, 3);

/* Add a line to one of the other parts: part is r->evidence, r->fix or r->keep. */
#define weir_report_add(part, ...) weir_report_line((part), sizeof(part), __VA_ARGS__)
void weir_report_line(char *part, size_t size, const char *fmt, ...) WEIR_PRINTF(3, 4);

/* Add what was read of a file to the evidence. */
void weir_report_file(struct weir_report *r, const char *fmt, ...) WEIR_PRINTF(2, 3);

/* Hand it out, and begin anew. */
void weir_report_say(struct weir_report *r, enum weir_finding_id id);

/* The same, that a step is passed. */
void weir_report_ok(struct weir_report *r, const char *step, const char *fmt, ...)
    WEIR_PRINTF(3, 4);

/* The commands that bring a function to vfio-pci. */
void weir_report_bind(struct weir_report *r, const struct weir_function *f);

void weir_check_platform(struct weir_report *r); /* firmware, iommu, groups, modules, interrupts */
void weir_check_driver(struct weir_report *r);
void weir_check_group(struct weir_report *r);
void weir_check_isolation(struct weir_report *r);
void weir_check_memory(struct weir_report *r); /* permissions, memlock, hugepages, pages, width */

#endif
