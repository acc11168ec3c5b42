/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/mem/hugepage.h"
#include "lib/mem/procfile.h"

#include <errno.h>
#include <hugetlbfs.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

uint64_t weir_base_page(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

unsigned weir_hugepage_sizes(uint64_t *sizes, unsigned max)
{
    long found[WEIR_MAX_PAGE_SIZES];
    int n = gethugepagesizes(found, WEIR_MAX_PAGE_SIZES);
    unsigned count = 0;

    for (int i = 0; i < n; i++) {
        uint64_t size = (uint64_t)found[i];
        unsigned at = count;

        if (found[i] <= 0 || size & (size - 1) || count == max)
            continue;
        for (; at > 0 && sizes[at - 1] < size; at--)
            sizes[at] = sizes[at - 1];
        sizes[at] = size;
        count++;
    }
    return count;
}

/* One counter of a pool; 0 if there is no such file. */
static uint64_t counter(const char *dir, const char *name)
{
    char path[512];
    uint64_t n;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return weir_read_number(path, &n) == 0 ? n : 0;
}

/* The folder of a pool below sysfs. */
static const char *folder(const char *sysfs, uint64_t page, int node, char *out, size_t size)
{
    if (node < 0)
        snprintf(out, size, "%s/kernel/mm/hugepages/hugepages-%" PRIu64 "kB", sysfs, page >> 10);
    else
        snprintf(out, size, "%s/devices/system/node/node%d/hugepages/hugepages-%" PRIu64 "kB",
                 sysfs, node, page >> 10);
    return out;
}

int weir_hugepage_pool(const char *sysfs, uint64_t page, int node, struct weir_hugepages *out)
{
    char all[256], dir[256];
    uint64_t promised;

    folder(sysfs, page, -1, all, sizeof(all));
    folder(sysfs, page, node, dir, sizeof(dir));
    if (node >= 0 && access(dir, F_OK) != 0) {
        snprintf(dir, sizeof(dir), "%s/devices/system/node", sysfs);
        if (access(dir, F_OK) == 0)
            return -ENOENT; /* there are nodes, but not this one */
        node = -1;
        folder(sysfs, page, node, dir, sizeof(dir));
    }
    if (access(dir, F_OK) != 0)
        return -ENOENT;
    *out = (struct weir_hugepages){
        .page = page,
        .node = node,
        .total = counter(dir, "nr_hugepages"),
        .free = counter(dir, "free_hugepages"),
        .surplus = counter(dir, "surplus_hugepages"),
        .reserved = counter(all, "resv_hugepages"),
    };
    /* Promised pages may come from any node, so what is left of the whole bounds every node. */
    promised = counter(all, "free_hugepages");
    promised = promised > out->reserved ? promised - out->reserved : 0;
    out->available = out->free < promised ? out->free : promised;
    return 0;
}

const char *weir_hugepage_command(const struct weir_hugepages *pool, uint64_t need, char *out,
                                  size_t size)
{
    uint64_t more = need > pool->available ? need - pool->available : 0;
    char dir[256];

    snprintf(out, size, "echo %" PRIu64 " > %s/nr_hugepages", pool->total - pool->surplus + more,
             folder("/sys", pool->page, pool->node, dir, sizeof(dir)));
    return out;
}

const char *weir_size_text(uint64_t bytes, char *out, size_t size)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    unsigned unit = 0;

    if (bytes == 0 || bytes % 1024) {
        snprintf(out, size, "%" PRIu64 " bytes", bytes);
        return out;
    }
    for (bytes /= 1024; bytes % 1024 == 0 && unit < 3; bytes /= 1024)
        unit++;
    snprintf(out, size, "%" PRIu64 " %s", bytes, units[unit]);
    return out;
}
