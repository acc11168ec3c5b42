/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program needs besides the device: permissions, memory, pages, addresses. */
#include "lib/host/finding.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TYPE1 "/sys/module/vfio_iommu_type1/parameters"

static const char *size_text(uint64_t bytes, char out[32])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    unsigned unit = 0;

    for (; bytes && bytes % 1024 == 0 && unit < 4; unit++)
        bytes /= 1024;
    snprintf(out, 32, "%" PRIu64 " %s", bytes, units[unit]);
    return out;
}

/* Is a number in the line of /proc/self/status with that key? */
static bool in_status(const struct weir_host *h, const char *key, unsigned id)
{
    const char *text = weir_host_text(h, "/proc/self/status");
    const char *at = text ? strstr(text, key) : NULL, *line_end;

    if (!at)
        return false;
    at += strlen(key);
    line_end = at + strcspn(at, "\n");
    while (at < line_end) {
        char *end;
        unsigned long v = strtoul(at, &end, 10);

        if (end == at)
            return false;
        if (v == id)
            return true;
        at = end;
    }
    return false;
}

/* May the user read and write a file that "MODE UID GID" describes? */
static bool may(const struct weir_host *h, const char *text)
{
    unsigned mode, uid, gid, bits;
    char one[64];

    snprintf(one, sizeof(one), "%.63s", text);
    if (sscanf(one, "%o %u %u", &mode, &uid, &gid) != 3)
        return true;
    bits = uid == h->machine.uid                                       ? mode >> 6
           : in_status(h, "Gid:", gid) || in_status(h, "Groups:", gid) ? mode >> 3
                                                                       : mode;
    return (bits & 6) == 6;
}

static void permission(struct weir_report *r)
{
    char paths[2][32] = {"/dev/vfio/vfio"};
    unsigned denied = 0, seen = 0;

    if (r->f && r->f->group >= 0)
        snprintf(paths[1], sizeof(paths[1]), "/dev/vfio/%d", r->f->group);
    for (unsigned i = 0; i < 2 && *paths[i]; i++) {
        const char *text = weir_host_text(r->h, "%s", paths[i]);

        if (!text)
            continue;
        seen++;
        if (r->h->machine.uid == 0 || may(r->h, text))
            continue;
        denied++;
        weir_report_file(r, "%s", paths[i]);
        weir_report_file(r, "/proc/self/status");
        weir_report_what(r, "user %u may not open %s", r->h->machine.uid, paths[i]);
        weir_report_add(r->fix, "chown %u %s", r->h->machine.uid, paths[i]);
        weir_report_add(r->keep,
                        "echo 'SUBSYSTEM==\"vfio\", OWNER=\"%u\"' > "
                        "/etc/udev/rules.d/71-weir-vfio.rules",
                        r->h->machine.uid);
        weir_report_say(r, FINDING_PERMISSION);
    }
    if (!denied && seen)
        weir_report_ok(r, "permissions", "user %u may open %s%s%s", r->h->machine.uid, paths[0],
                       *paths[1] ? " and " : "", paths[1]);
}

static void memlock(struct weir_report *r)
{
    const struct weir_machine *m = &r->h->machine;
    char need[32], limit[32];

    size_text(r->memory, need);
    weir_report_file(r, "/proc/self/limits");
    if (m->may_lock || m->memlock >= r->memory) {
        weir_report_ok(r, "memlock", "%s may be locked%s", need,
                       m->may_lock ? " (CAP_IPC_LOCK: no limit)" : "");
        return;
    }
    weir_report_what(r, "%s are wanted, but user %u may lock %s", need, m->uid,
                     size_text(m->memlock, limit));
    weir_report_add(r->fix,
                    "echo \"$(id -nu %u) - memlock unlimited\" > /etc/security/limits.d/weir.conf",
                    m->uid);
    weir_report_say(r, FINDING_MEMLOCK);
}

static const char *pool_path(const struct weir_pool *p, char *out, size_t size)
{
    if (p->node < 0)
        snprintf(out, size, "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB", p->page >> 10);
    else
        snprintf(out, size, "/sys/devices/system/node/node%d/hugepages/hugepages-%" PRIu64 "kB",
                 p->node, p->page >> 10);
    return out;
}

static void hugepages(struct weir_report *r)
{
    int node = r->f ? r->f->node : -1;
    const struct weir_pool *best = NULL, *enough = NULL, *p;
    char path[128], need[32], page[32];
    uint64_t more;

    size_text(r->memory, need);
    /* Of the device's node if the kernel counts by node. The smallest page wastes least. */
    for (int pass = 0; pass < 2 && !best; pass++) {
        for (unsigned i = 0; (p = weir_host_pool(r->h, i)); i++) {
            if (p->node != (pass ? -1 : node))
                continue;
            if (p->free >= (r->memory + p->page - 1) / p->page &&
                (!enough || p->page < enough->page))
                enough = p;
            if (!best || p->page < best->page)
                best = p;
        }
    }
    if (enough) {
        weir_report_file(r, "%s/free_hugepages", pool_path(enough, path, sizeof(path)));
        weir_report_ok(r, "hugepages", "%" PRIu64 " pages of %s are free", enough->free,
                       size_text(enough->page, page));
        return;
    }
    if (!best) {
        weir_report_file(r, "/sys/kernel/mm/hugepages");
        weir_report_what(r, "the kernel has no hugepages");
        weir_report_say(r, FINDING_HUGEPAGES_NONE);
        return;
    }
    more = (r->memory + best->page - 1) / best->page - best->free;
    pool_path(best, path, sizeof(path));
    weir_report_file(r, "%s/nr_hugepages", path);
    weir_report_file(r, "%s/free_hugepages", path);
    weir_report_what(r, "%s are wanted, but %" PRIu64 " pages of %s are free%s", need, best->free,
                     size_text(best->page, page), best->node >= 0 ? " on the device's node" : "");
    weir_report_add(r->fix, "echo %" PRIu64 " > %s/nr_hugepages", best->total + more, path);
    weir_report_add(r->keep,
                    "echo 'w %s/nr_hugepages - - - - %" PRIu64 "' > /etc/tmpfiles.d/weir.conf",
                    path, best->total + more);
    weir_report_say(r, FINDING_HUGEPAGES_FEW);
}

static void pages(struct weir_report *r)
{
    const struct weir_machine *m = &r->h->machine;
    const struct weir_pool *p;
    bool bad = false;
    char page[32], fits[32];

    if (m->disable_hugepages == WEIR_YES) {
        weir_report_file(r, TYPE1 "/disable_hugepages");
        weir_report_what(r, "VFIO maps hugepages as single 4 KiB pages");
        weir_report_add(r->fix, "echo N > " TYPE1 "/disable_hugepages");
        weir_report_add(r->keep, "sed -i 's/disable_hugepages=[^ ]*//' /etc/modprobe.d/*.conf");
        weir_report_say(r, FINDING_DISABLE_HUGEPAGES);
        bad = true;
    }
    if (m->dma_entry_limit && m->dma_entry_limit < r->memory >> 21) {
        weir_report_file(r, TYPE1 "/dma_entry_limit");
        weir_report_what(r, "%lu mappings are fewer than hugepages wanted", m->dma_entry_limit);
        weir_report_add(r->fix, "echo %" PRIu64 " > " TYPE1 "/dma_entry_limit", r->memory >> 21);
        weir_report_say(r, FINDING_ENTRY_LIMIT);
        bad = true;
    }
    for (unsigned i = 0; m->iommu_pages && (p = weir_host_pool(r->h, i)); i++) {
        uint64_t best = m->iommu_pages & (p->page | (p->page - 1));

        if (p->node >= 0 || !p->total)
            continue;
        while (best & (best - 1))
            best &= best - 1;
        if (best == p->page || !best)
            continue;
        bad = true;
        weir_report_file(r, "/sys/class/iommu/%.*s/intel-iommu/cap", (int)strcspn(m->iommus, " "),
                         m->iommus);
        weir_report_what(r, "a hugepage of %s takes %" PRIu64 " entries of %s in the IOMMU",
                         size_text(p->page, page), p->page / best, size_text(best, fits));
        weir_report_say(r, FINDING_PAGES);
    }
    if (!bad && m->iommu_pages)
        weir_report_ok(
            r, "pages", "the IOMMU maps pages of%s%s%s", m->iommu_pages & 1 << 12 ? " 4 KiB" : "",
            m->iommu_pages & 1 << 21 ? ", 2 MiB" : "", m->iommu_pages & 1 << 30 ? ", 1 GiB" : "");
}

static void width(struct weir_report *r)
{
    const struct weir_machine *m = &r->h->machine;

    /* Without a driver the kernel shows 32, whatever the device can do. */
    if (r->f && *r->f->driver && !weir_function_vfio(r->f) &&
        strcmp(r->f->driver, "pci-stub") != 0 && r->f->dma_bits &&
        r->f->dma_bits < (m->iommu_bits ? m->iommu_bits : 64)) {
        weir_report_file(r, SYS_PCI "%s/dma_mask_bits", r->f->name);
        weir_report_what(r, "%s has addresses of %u bits", r->f->name, r->f->dma_bits);
        weir_report_say(r, FINDING_DEVICE_NARROW);
    }
    if (!m->iommu_bits)
        return;
    weir_report_file(r, "/sys/class/iommu/%.*s/intel-iommu/cap", (int)strcspn(m->iommus, " "),
                     m->iommus);
    if (m->iommu_bits >= m->cpu_bits) {
        weir_report_ok(r, "width", "the IOMMU takes addresses of %u bits", m->iommu_bits);
        return;
    }
    weir_report_file(r, "/proc/cpuinfo");
    weir_report_what(r, "the IOMMU takes addresses of %u bits, the processor has %u", m->iommu_bits,
                     m->cpu_bits);
    weir_report_say(r, FINDING_NARROW);
}

void weir_check_memory(struct weir_report *r)
{
    permission(r);
    memlock(r);
    hugepages(r);
    pages(r);
    width(r);
}
