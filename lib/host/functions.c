/* SPDX-License-Identifier: BSD-3-Clause */
/* PCI functions, and how they are connected: from the paths of their devices in sysfs. */
#include "lib/host/config.h"
#include "lib/host/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool hex(const char *text, unsigned digits, unsigned *out)
{
    *out = 0;
    while (digits--) {
        char c = *text++;

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        *out = *out << 4 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return true;
}

/* DDDD:BB:SS.F; the domain has four digits or, of bridges that make their own, up to eight. */
bool weir_function_name(const char *text, size_t len, struct weir_function *f)
{
    unsigned domain, bus, slot, number, digits = (unsigned)len - 8;

    if (len < 12 || len > 16 || !hex(text, digits, &domain) || text[digits] != ':' ||
        !hex(text + digits + 1, 2, &bus) || text[digits + 3] != ':' ||
        !hex(text + digits + 4, 2, &slot) || text[digits + 6] != '.' ||
        !hex(text + digits + 7, 1, &number) || slot > 31 || number > 7)
        return false;
    memcpy(f->name, text, len);
    f->name[len] = '\0';
    f->domain = domain;
    f->bus = (uint8_t)bus;
    f->slot = (uint8_t)slot;
    f->number = (uint8_t)number;
    return true;
}

int weir_function_in_path(const struct weir_host *h, const char *path)
{
    struct weir_function key;
    int found = -1;

    for (const char *part = path; *part; part += *part ? 1 : 0) {
        size_t len = strcspn(part, "/");

        if (weir_function_name(part, len, &key))
            found = weir_function_index(h, weir_host_find(h, key.name));
        part += len;
    }
    return found;
}

/* "../../../devices/pci0000:00/0000:00:1c.0/0000:02:00.0": the bridges on the way to a function. */
static bool place(struct weir_host *h, struct weir_function *f, const char *path)
{
    struct weir_function key;

    f->parent = f->owner = -1;
    for (const char *part = path; *part;) {
        size_t len = strcspn(part, "/");
        bool last = !part[len];

        if (weir_function_name(part, len, &key)) {
            const struct weir_function *on_way = weir_host_find(h, key.name);

            if (!on_way)
                return false;
            if (last)
                return on_way == f;
            if (on_way == f)
                return false;
            f->parent = weir_function_index(h, on_way);
        } else if (len > 3 && strncmp(part, "pci", 3) == 0 && f->parent >= 0) {
            /* A root bus behind a function: its domain does DMA in that function's name. */
            f->owner = f->parent;
            f->parent = -1;
        }
        part += len + !last;
    }
    return false;
}

static bool in_circle(const struct weir_host *h, const struct weir_function *f)
{
    unsigned steps = 0;

    for (int up; (up = f->parent >= 0 ? f->parent : f->owner) >= 0; f = &h->functions[up]) {
        if (++steps > 256) /* buses in a domain */
            return true;
    }
    return false;
}

/* The number in a file; another one if there is none. */
static unsigned number(const struct weir_entry *e, unsigned otherwise)
{
    uint64_t v;

    return e->kind == WEIR_ENTRY_TEXT && weir_host_number(e->value, 0, &v) && v <= 65535
               ? (unsigned)v
               : otherwise;
}

/* One file or link of a function's folder. */
static int attribute(struct weir_host *h, struct weir_function *f, const char *name,
                     const struct weir_entry *e)
{
    uint64_t v;

    if (strcmp(name, "config") == 0) {
        if (e->kind != WEIR_ENTRY_TEXT)
            return -EINVAL;
        return weir_config_parse(e->value, f);
    }
    if (strcmp(name, "driver") == 0)
        f->driver = e->value;
    else if (strcmp(name, "driver_override") == 0)
        f->driver_override = strcmp(e->value, "(null)") == 0 ? "" : e->value;
    else if (strcmp(name, "iommu") == 0)
        f->iommu = e->value;
    else if (strcmp(name, "iommu_group") == 0 && weir_host_number(e->value, 10, &v) &&
             v < INT32_MAX)
        f->group = (int)v;
    else if (strcmp(name, "physfn") == 0)
        f->pf = weir_function_index(h, weir_host_find(h, e->value));
    else if (strcmp(name, "vendor") == 0 && f->vendor == 0xffff)
        f->vendor = (uint16_t)number(e, 0xffff);
    else if (strcmp(name, "device") == 0 && f->device == 0xffff)
        f->device = (uint16_t)number(e, 0xffff);
    else if (strcmp(name, "dma_mask_bits") == 0)
        f->dma_bits = number(e, 0);
    else if (strcmp(name, "sriov_numvfs") == 0)
        f->num_vfs = number(e, 0);
    else if (strcmp(name, "sriov_totalvfs") == 0)
        f->total_vfs = number(e, 0);
    else if (strcmp(name, "numa_node") == 0 && weir_host_number(e->value, 10, &v) && v < 4096)
        f->node = (int)v;
    return 0;
}

/* Functions by name, before what is known of them. */
static int list(struct weir_host *h, unsigned first, const char **why)
{
    for (unsigned i = first; i < h->table.n; i++) {
        const struct weir_entry *e = &h->table.entries[i];
        const char *name, *rest;
        struct weir_function f = {.parent = -1,
                                  .owner = -1,
                                  .pf = -1,
                                  .group = -1,
                                  .node = -1,
                                  .type = WEIR_PCIE_UNKNOWN,
                                  .driver = "",
                                  .driver_override = "",
                                  .iommu = "",
                                  .used_by = ""};
        size_t len;

        name = weir_entry_in(e, SYS_PCI, &len, &rest);
        if (!name)
            break;
        if (*rest)
            continue;
        *why = e->path;
        if (e->kind != WEIR_ENTRY_LINK || !weir_function_name(name, len, &f) ||
            h->n_functions == WEIR_MAX_FUNCTIONS)
            return -EINVAL;
        if ((h->n_functions & (h->n_functions - 1)) == 0) {
            size_t room = h->n_functions ? 2 * h->n_functions : 1;
            struct weir_function *more = realloc(h->functions, room * sizeof(*more));

            if (!more)
                return -ENOMEM;
            h->functions = more;
        }
        h->functions[h->n_functions++] = f;
    }
    return 0;
}

int weir_host_make_functions(struct weir_host *h, const char **why)
{
    unsigned first = weir_table_from(&h->table, SYS_PCI), n = 0;
    struct weir_function *f = NULL;
    bool config = true;
    int r = list(h, first, why);

    if (r)
        return r;
    for (unsigned i = first; i < h->table.n; i++) {
        const struct weir_entry *e = &h->table.entries[i];
        const char *name, *rest;
        size_t len;

        name = weir_entry_in(e, SYS_PCI, &len, &rest);
        if (!name)
            break;
        *why = e->path;
        if (!*rest) {
            if (!config)
                break;
            f = &h->functions[n++];
            config = false;
            if (!place(h, f, e->value))
                return -EINVAL;
            continue;
        }
        if (!f || strlen(f->name) != len || strncmp(f->name, name, len) != 0)
            return -EINVAL;
        config |= strcmp(rest, "/config") == 0;
        r = attribute(h, f, rest + 1, e);
        if (r)
            return r;
    }
    if (!config) {
        *why = f->name;
        return -EINVAL; /* its configuration space is missing, or shorter than a header */
    }
    for (unsigned i = 0; i < h->n_functions; i++) {
        enum weir_pcie_type link;

        f = &h->functions[i];
        *why = f->name;
        if (in_circle(h, f))
            return -EINVAL;
        /* What sysfs says without privilege. */
        if (f->sriov == WEIR_UNKNOWN && f->total_vfs)
            f->sriov = WEIR_YES;
        /* The kernel takes functions above 0 for parts of one device, whatever function 0 says, and
         * a VF never (drivers/pci/probe.c, pci_scan_slot(); drivers/pci/iov.c). A link has device 0
         * only: what looks like another is a function above 7, by ARI. */
        link = f->parent >= 0 ? h->functions[f->parent].type : WEIR_PCIE_NONE;
        f->multifunction =
            (f->multifunction || f->number ||
             (f->slot && (link == WEIR_PCIE_ROOT_PORT || link == WEIR_PCIE_DOWNSTREAM))) &&
            f->pf < 0;
    }
    return 0;
}
