/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine around the functions: firmware, IOMMUs, VFIO's modules, limits, hugepages. */
#include "lib/host/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SYS_IOMMU "/sys/class/iommu/"
#define SYS_NODES "/sys/devices/system/node/"
#define SYS_POOLS "/sys/kernel/mm/hugepages/"
#define PAGE_4K   ((uint64_t)1 << 12)
#define PAGE_2M   ((uint64_t)1 << 21)
#define PAGE_1G   ((uint64_t)1 << 30)
#define CAP_LOCK  14 /* CAP_IPC_LOCK, capabilities(7) */

static bool exists(const struct weir_host *h, const char *path)
{
    return weir_table_find(&h->table, path) != NULL;
}

/* What follows key at the start of a line; NULL if there is no such line. */
static const char *after(const char *text, const char *key)
{
    size_t len = strlen(key);

    for (; text && *text; text += strcspn(text, "\n"), text += *text == '\n') {
        if (strncmp(text, key, len) == 0)
            return text + len + strspn(text + len, " \t:");
    }
    return NULL;
}

static void kernel(struct weir_host *h)
{
    const char *release = weir_host_text(h, "/proc/sys/kernel/osrelease");
    const char *cpu = weir_host_text(h, "/proc/cpuinfo"), *at;
    struct weir_machine *m = &h->machine;
    unsigned major, minor;
    char one[32];

    m->kernel = release ? release : "";
    snprintf(one, sizeof(one), "%.31s", m->kernel);
    if (sscanf(one, "%u.%u", &major, &minor) == 2 && major < 256 && minor < 256)
        m->version = major << 8 | minor;
    m->cmdline = weir_host_text(h, "/proc/cmdline");
    m->cmdline = m->cmdline ? m->cmdline : "";
    m->acs_override = strstr(m->cmdline, "pcie_acs_override") != NULL;
    m->acs_disabled = strstr(m->cmdline, "disable_acs_redir") != NULL;
    m->cpu = "";
    at = after(cpu, "vendor_id");
    if (at) {
        m->cpu = weir_table_keep(&h->table, at, strcspn(at, "\n"));
        m->cpu = m->cpu ? m->cpu : "";
    }
    at = after(cpu, "address sizes");
    if (at)
        m->cpu_bits = (unsigned)strtoul(at, NULL, 10) & 127;
}

/* VT-d specification 11.4.2 (CAP_REG: MGAW, SLLPS) and 11.4.3 (ECAP_REG: IR). */
static void intel(struct weir_machine *m, const char *cap_text, const char *ecap_text, bool *remaps)
{
    uint64_t cap, ecap, pages = PAGE_4K;
    unsigned bits;

    if (weir_host_number(ecap_text, 16, &ecap) && !(ecap & 8))
        *remaps = false;
    if (!weir_host_number(cap_text, 16, &cap))
        return;
    bits = (cap >> 16 & 63) + 1;
    pages |= cap >> 34 & 1 ? PAGE_2M : 0;
    pages |= cap >> 35 & 1 ? PAGE_1G : 0;
    if (!m->iommu_bits || bits < m->iommu_bits)
        m->iommu_bits = bits;
    m->iommu_pages = m->iommu_pages ? m->iommu_pages & pages : pages;
}

static void iommus(struct weir_host *h)
{
    static const char *const tables[] = {"DMAR", "IVRS", "VIOT", "IORT"};
    const char *chips = weir_host_text(h, "/proc/interrupts");
    struct weir_machine *m = &h->machine;
    char names[256] = "", path[64];
    bool remaps = true;

    m->acpi = exists(h, "/sys/firmware/acpi/tables") ? WEIR_YES : WEIR_NO;
    m->table = "";
    for (unsigned i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "/sys/firmware/acpi/tables/%s", tables[i]);
        if (!*m->table && exists(h, path))
            m->table = tables[i];
    }
    for (unsigned i = weir_table_from(&h->table, SYS_IOMMU); i < h->table.n; i++) {
        const char *rest, *name;
        size_t len, used = strlen(names);

        name = weir_entry_in(&h->table.entries[i], SYS_IOMMU, &len, &rest);
        if (!name)
            break;
        if (*rest || used + len + 2 > sizeof(names))
            continue;
        snprintf(names + used, sizeof(names) - used, "%s%s", used ? " " : "", name);
        intel(m, weir_host_text(h, SYS_IOMMU "%s/intel-iommu/cap", name),
              weir_host_text(h, SYS_IOMMU "%s/intel-iommu/ecap", name), &remaps);
    }
    m->iommus = weir_table_keep(&h->table, names, strlen(names));
    m->iommus = m->iommus ? m->iommus : "";
    /* Chips say so when they are remapped; where none does MSI, nothing is said. */
    m->remapping = !chips                     ? WEIR_UNKNOWN
                   : strstr(chips, "IR-")     ? WEIR_YES
                   : strstr(chips, "PCI-MSI") ? WEIR_NO
                   : *names && !remaps        ? WEIR_NO
                                              : WEIR_UNKNOWN;
}

static enum weir_known flag(const struct weir_host *h, const char *path)
{
    const char *text = weir_table_text(&h->table, path);

    return !text ? WEIR_UNKNOWN : *text == 'Y' || *text == '1' ? WEIR_YES : WEIR_NO;
}

/* Is a module there for the running kernel, loaded or not? */
static enum weir_known built(const struct weir_host *h, const char *name)
{
    const char *release = h->machine.kernel;
    const char *in = weir_host_text(h, "/lib/modules/%s/modules.builtin", release);
    const char *dep = weir_host_text(h, "/lib/modules/%s/modules.dep", release);

    if (!in && !dep)
        return WEIR_UNKNOWN;
    return (in && strstr(in, name)) || (dep && strstr(dep, name)) ? WEIR_YES : WEIR_NO;
}

static void vfio(struct weir_host *h)
{
    struct weir_machine *m = &h->machine;
    uint64_t limit;

    m->vfio_pci = exists(h, "/sys/bus/pci/drivers/vfio-pci");
    m->pci_stub = exists(h, "/sys/bus/pci/drivers/pci-stub");
    m->vfio_type1 = exists(h, "/sys/module/vfio_iommu_type1/parameters");
    m->vfio_pci_built = m->vfio_pci ? WEIR_YES : built(h, "vfio-pci");
    m->vfio_type1_built = m->vfio_type1 ? WEIR_YES : built(h, "vfio_iommu_type1");
    m->unsafe_interrupts =
        flag(h, "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
    m->disable_hugepages = flag(h, "/sys/module/vfio_iommu_type1/parameters/disable_hugepages");
    m->noiommu = flag(h, "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
    m->enable_sriov = flag(h, "/sys/module/vfio_pci/parameters/enable_sriov");
    if (weir_host_number(
            weir_host_text(h, "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"), 10,
            &limit))
        m->dma_entry_limit = (unsigned long)limit;
}

static void process(struct weir_host *h)
{
    const char *status = weir_host_text(h, "/proc/self/status");
    const char *limit = after(weir_host_text(h, "/proc/self/limits"), "Max locked memory");
    const char *uid = after(status, "Uid:"), *caps = after(status, "CapEff:");
    struct weir_machine *m = &h->machine;

    m->uid = uid ? (unsigned)strtoul(uid, NULL, 10) : 0;
    m->may_lock = caps && strtoull(caps, NULL, 16) >> CAP_LOCK & 1;
    m->memlock = UINT64_MAX;
    if (limit && *limit >= '0' && *limit <= '9')
        m->memlock = strtoull(limit, NULL, 10);
}

/* "hugepages-2048kB" in a folder of pools. */
static void take_pool(struct weir_host *h, const char *dir, const char *name, size_t len, int node)
{
    struct weir_pool p = {.node = node}, *more;
    uint64_t kib;
    char copy[48];

    snprintf(copy, sizeof(copy), "%.*s", (int)(len < 40 ? len : 40), name);
    if (strncmp(copy, "hugepages-", 10) != 0)
        return;
    copy[strcspn(copy, "B") - (strcspn(copy, "B") && copy[strcspn(copy, "B") - 1] == 'k')] = '\0';
    if (!weir_host_number(copy + 10, 10, &kib) || kib == 0 || kib > (uint64_t)1 << 40)
        return;
    p.page = kib << 10;
    if (!weir_host_number(weir_host_text(h, "%s%.*s/nr_hugepages", dir, (int)len, name), 10,
                          &p.total))
        return;
    if (!weir_host_number(weir_host_text(h, "%s%.*s/free_hugepages", dir, (int)len, name), 10,
                          &p.free))
        p.free = 0;
    if (h->n_pools == WEIR_MAX_POOLS)
        return;
    more = realloc(h->pools, (h->n_pools + 1) * sizeof(*more));
    if (!more)
        return;
    h->pools = more;
    h->pools[h->n_pools++] = p;
}

static void pools(struct weir_host *h)
{
    const char *rest, *name;
    size_t len;

    for (unsigned i = weir_table_from(&h->table, SYS_POOLS); i < h->table.n; i++) {
        name = weir_entry_in(&h->table.entries[i], SYS_POOLS, &len, &rest);
        if (!name)
            break;
        if (strcmp(rest, "/nr_hugepages") == 0)
            take_pool(h, SYS_POOLS, name, len, -1);
    }
    for (unsigned i = weir_table_from(&h->table, SYS_NODES); i < h->table.n; i++) {
        char dir[96];
        unsigned node;
        int n = 0;

        name = weir_entry_in(&h->table.entries[i], SYS_NODES, &len, &rest);
        if (!name)
            break;
        if (sscanf(name, "node%u/hugepages/%n", &node, &n) != 1 || n == 0 || node > 4095)
            continue;
        snprintf(dir, sizeof(dir), SYS_NODES "node%u/hugepages/", node);
        name = weir_entry_in(&h->table.entries[i], dir, &len, &rest);
        if (name && strcmp(rest, "/nr_hugepages") == 0)
            take_pool(h, dir, name, len, (int)node);
    }
}

int weir_host_make_machine(struct weir_host *h)
{
    kernel(h);
    iommus(h);
    vfio(h);
    process(h);
    pools(h);
    return 0;
}
