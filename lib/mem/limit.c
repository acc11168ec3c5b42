/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/mem/limit.h"
#include "lib/mem/procfile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Names of one limit in both versions of control groups (Documentation/admin-guide/cgroup-v2.rst,
 * cgroup-v1/memory.rst, cgroup-v1/hugetlb.rst). */
struct names {
    const char *controller;
    const char *max, *current; /* v2 */
    const char *limit, *usage; /* v1 */
    const char *stat;          /* pages that the kernel would drop first; NULL: none */
    const char *prefix_v1;     /* of the fields in stat, v1 */
};

static void lower(struct weir_limit *out, uint64_t room, const char *where)
{
    if (room < out->room) {
        out->room = room;
        snprintf(out->where, sizeof(out->where), "%s", where);
    }
}

/* Page cache that is counted to a group but makes room when asked. */
static uint64_t cache(const char *dir, const struct names *n, const char *prefix)
{
    static const char *const fields[] = {"inactive_file", "active_file"};
    uint64_t sum = 0;

    if (!n->stat)
        return 0;
    for (unsigned i = 0; i < 2; i++) {
        char path[512], field[64];
        uint64_t v;

        snprintf(path, sizeof(path), "%s/%s", dir, n->stat);
        snprintf(field, sizeof(field), "%s%s", prefix, fields[i]);
        if (weir_read_field(path, field, &v) == 0)
            sum += v;
    }
    return sum;
}

/* Look at group `path` of the hierarchy at base, and at all above it. */
static void walk(const char *base, const char *path, const struct names *n, bool v2,
                 struct weir_limit *out)
{
    char dir[480];
    size_t end;

    /* Without a cgroup namespace of our own the path may lead out of what is mounted; what is
     * there is then the mount's root. */
    if ((size_t)snprintf(dir, sizeof(dir), "%s%s", base, path) >= sizeof(dir))
        return;
    for (end = strlen(dir); end >= strlen(base); end--) {
        char file[512];
        uint64_t max, used, dropped;

        if (dir[end] != '/' && dir[end] != '\0')
            continue;
        dir[end] = '\0';
        snprintf(file, sizeof(file), "%s/%s", dir, v2 ? n->current : n->usage);
        if (weir_read_number(file, &used) < 0)
            continue;
        snprintf(file, sizeof(file), "%s/%s", dir, v2 ? n->max : n->limit);
        /* In v1 "no limit" is the largest number of whole pages. */
        if (weir_read_number(file, &max) < 0 || max >= INT64_MAX - 65535)
            continue;
        dropped = cache(dir, n, v2 ? "" : n->prefix_v1);
        used = used > dropped ? used - dropped : 0;
        lower(out, max > used ? max - used : 0, file);
    }
}

static bool lists(const char *controllers, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = controllers; (at = strstr(at, name)); at++) {
        if ((at == controllers || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
            return true;
    }
    return false;
}

static void groups(const char *root, const struct names *n, struct weir_limit *out)
{
    char line[1024], base[256];
    FILE *f;

    snprintf(base, sizeof(base), "%s/proc/self/cgroup", root);
    f = fopen(base, "re");
    if (!f)
        return;
    /* Lines are "id:controllers:path"; v2 is "0::path" (cgroups(7)). */
    while (fgets(line, sizeof(line), f)) {
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;

        if (!path)
            continue;
        *path++ = '\0';
        controllers++;
        path[strcspn(path, "\n")] = '\0';
        if (*controllers == '\0') {
            snprintf(base, sizeof(base), "%s/sys/fs/cgroup", root);
            walk(base, path, n, true, out);
            snprintf(base, sizeof(base), "%s/sys/fs/cgroup/unified", root);
            walk(base, path, n, true, out);
        } else if (lists(controllers, n->controller)) {
            snprintf(base, sizeof(base), "%s/sys/fs/cgroup/%s", root, n->controller);
            walk(base, path, n, false, out);
        }
    }
    fclose(f);
}

void weir_limit_memory(const char *root, int node, struct weir_limit *out)
{
    static const struct names memory = {
        .controller = "memory",
        .max = "memory.max",
        .current = "memory.current",
        .limit = "memory.limit_in_bytes",
        .usage = "memory.usage_in_bytes",
        .stat = "memory.stat",
        .prefix_v1 = "total_",
    };
    char path[256];
    uint64_t v;

    *out = (struct weir_limit){.room = UINT64_MAX};
    snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    if (weir_read_field(path, "MemAvailable:", &v) == 0)
        lower(out, v << 10, path);
    if (node >= 0) {
        static const char *const fields[] = {"MemFree:", "Active(file):", "Inactive(file):"};
        uint64_t sum = 0;
        bool any = false;

        snprintf(path, sizeof(path), "%s/sys/devices/system/node/node%d/meminfo", root, node);
        for (unsigned i = 0; i < 3; i++) {
            if (weir_read_field(path, fields[i], &v) == 0) {
                sum += v << 10;
                any = true;
            }
        }
        if (any)
            lower(out, sum, path);
    }
    groups(root, &memory, out);
}

void weir_limit_hugepages(const char *root, uint64_t page, struct weir_limit *out)
{
    char name[4][64];
    char size[32];

    *out = (struct weir_limit){.room = UINT64_MAX};
    if (page >= 1u << 30)
        snprintf(size, sizeof(size), "%" PRIu64 "GB", page >> 30);
    else if (page >= 1u << 20)
        snprintf(size, sizeof(size), "%" PRIu64 "MB", page >> 20);
    else
        snprintf(size, sizeof(size), "%" PRIu64 "KB", page >> 10);
    /* A group limits pages in use and, apart from them, pages reserved. */
    for (unsigned i = 0; i < 2; i++) {
        const char *rsvd = i ? ".rsvd" : "";
        struct names n = {.controller = "hugetlb",
                          .max = name[0],
                          .current = name[1],
                          .limit = name[2],
                          .usage = name[3]};

        snprintf(name[0], sizeof(name[0]), "hugetlb.%s%s.max", size, rsvd);
        snprintf(name[1], sizeof(name[1]), "hugetlb.%s%s.current", size, rsvd);
        snprintf(name[2], sizeof(name[2]), "hugetlb.%s%s.limit_in_bytes", size, rsvd);
        snprintf(name[3], sizeof(name[3]), "hugetlb.%s%s.usage_in_bytes", size, rsvd);
        groups(root, &n, out);
    }
}
