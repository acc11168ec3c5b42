/* SPDX-License-Identifier: BSD-3-Clause */
/* What the host does with its functions: interfaces and disks, and who would miss them. */
#include "lib/host/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SYS_NET   "/sys/class/net/"
#define SYS_BLOCK "/sys/class/block/"
#define SYS_NVME  "/sys/devices/virtual/nvme-subsystem/"
#define IN_VOLUME "in a volume"

/* Note that name hangs on a function, and how. Out of memory shows as a missing name only. */
static void note(struct weir_host *h, int index, const char *name, unsigned use, const char *how)
{
    struct weir_function *f;
    char text[256];
    const char *kept;

    if (index < 0)
        return;
    f = &h->functions[index];
    f->use |= use;
    if (!name)
        return;
    /* That the root file system is on it says enough. */
    if ((strcmp(how, "mounted") == 0 || strcmp(how, IN_VOLUME) == 0) && strstr(f->used_by, name))
        return;
    snprintf(text, sizeof(text), "%s%s%s%s%s", f->used_by, *f->used_by ? ", " : "", name,
             *how ? ": " : "", how);
    if (strlen(text) >= sizeof(text) - 1)
        return; /* enough is said */
    kept = weir_table_keep(&h->table, text, strlen(text));
    if (kept)
        f->used_by = kept;
}

static void net(struct weir_host *h)
{
    for (unsigned i = weir_table_from(&h->table, SYS_NET), n = 0; i < h->table.n; i++) {
        const struct weir_entry *e = &h->table.entries[i];
        const char *rest, *name, *how = "";
        unsigned use = WEIR_USE_NET;
        uint64_t flags;
        size_t len;

        name = weir_entry_in(e, SYS_NET, &len, &rest);
        if (!name)
            break;
        if (*rest || e->kind != WEIR_ENTRY_LINK)
            continue;
        if (++n > 4096)
            break;
        if (weir_host_number(weir_host_text(h, SYS_NET "%s/flags", name), 0, &flags) && flags & 1) {
            use |= WEIR_USE_UP; /* IFF_UP */
            how = "up";
        }
        /* Marks that collect.c makes; there are no such files. */
        for (unsigned k = 0; k < 2; k++) {
            static const char *const marks[][2] = {{"upper", "in a bridge, bond or VLAN"},
                                                   {"inet", "has an address"}};
            char path[sizeof(SYS_NET) + 256];

            snprintf(path, sizeof(path), SYS_NET "%s/%s", name, marks[k][0]);
            if (weir_table_find(&h->table, path)) {
                use |= WEIR_USE_ADDRESS;
                how = marks[k][1];
            }
        }
        note(h, weir_function_in_path(h, e->value), name, use, how);
    }
    for (unsigned i = 0; i < h->n_functions; i++) {
        char path[64];

        snprintf(path, sizeof(path), SYS_PCI "%s/net", h->functions[i].name);
        if (!(h->functions[i].use & WEIR_USE_NET) && weir_table_find(&h->table, path))
            note(h, (int)i, "an interface in another network namespace",
                 WEIR_USE_NET | WEIR_USE_ADDRESS, "");
    }
}

/* A namespace of several NVMe controllers: it hangs on each. */
static void put_on_subsystem(struct weir_host *h, const char *path, const char *disk, unsigned use,
                             const char *how)
{
    const char *subsystem = strstr(path, "nvme-subsystem/");
    char dir[128];

    subsystem += strlen("nvme-subsystem/");
    snprintf(dir, sizeof(dir), SYS_NVME "%.*s/", (int)strcspn(subsystem, "/"), subsystem);
    for (unsigned i = weir_table_from(&h->table, dir); i < h->table.n; i++) {
        const struct weir_entry *e = &h->table.entries[i];
        const char *rest;
        size_t len;

        if (!weir_entry_in(e, dir, &len, &rest))
            break;
        if (e->kind == WEIR_ENTRY_LINK)
            note(h, weir_function_in_path(h, e->value), disk, use, how);
    }
}

/* What a disk is made of: volumes and arrays lie on others, through slaves/. No machine has more
 * of them than steps; a file that somebody made could. */
static void put_on(struct weir_host *h, const char *disk, unsigned use, const char *how,
                   unsigned *steps)
{
    const struct weir_entry *e;
    char path[160];
    int f;

    snprintf(path, sizeof(path), SYS_BLOCK "%s", disk);
    e = weir_table_find(&h->table, path);
    if (!e || e->kind != WEIR_ENTRY_LINK || !*steps)
        return;
    --*steps;
    f = weir_function_in_path(h, e->value);
    if (f >= 0) {
        note(h, f, disk, use | WEIR_USE_DISK, how);
        return;
    }
    if (strstr(e->value, "nvme-subsystem/")) {
        put_on_subsystem(h, e->value, disk, use | WEIR_USE_DISK, how);
        return;
    }
    snprintf(path, sizeof(path), SYS_BLOCK "%s/slaves/", disk);
    for (unsigned i = weir_table_from(&h->table, path); i < h->table.n; i++) {
        const char *rest, *name;
        size_t len;

        name = weir_entry_in(&h->table.entries[i], path, &len, &rest);
        if (!name)
            break;
        put_on(h, name, use, how, steps);
    }
}

/* "8:2" to "sda2"; a name stays. NULL: there is no such disk. */
static const char *disk_name(const struct weir_host *h, const char *what, char *out, size_t size)
{
    if (!strchr(what, ':')) {
        snprintf(out, size, "%s", what);
        return out;
    }
    for (unsigned i = weir_table_from(&h->table, SYS_BLOCK); i < h->table.n; i++) {
        const struct weir_entry *e = &h->table.entries[i];
        const char *rest, *name;
        size_t len;

        name = weir_entry_in(e, SYS_BLOCK, &len, &rest);
        if (!name)
            break;
        if (strcmp(rest, "/dev") == 0 && strcmp(e->value, what) == 0) {
            snprintf(out, size, "%.*s", (int)len, name);
            return out;
        }
    }
    return NULL;
}

static bool uses_root(const struct weir_host *h)
{
    for (unsigned i = 0; i < h->n_functions; i++) {
        if (h->functions[i].use & WEIR_USE_ROOT)
            return true;
    }
    return false;
}

/* Copy a line, cut to fit, and go on to the next. */
static bool take_line(const char **text, char *out, size_t size)
{
    size_t len = *text ? strcspn(*text, "\n") : 0;

    if (!*text || !**text)
        return false;
    snprintf(out, size, "%.*s", (int)len, *text);
    *text += len + ((*text)[len] == '\n');
    return true;
}

static void disks(struct weir_host *h)
{
    const char *mounts = weir_host_text(h, "/proc/self/mountinfo");
    const char *swaps = weir_host_text(h, "/proc/swaps");
    char one[160], what[64], where[64], name[64];
    bool root = false, lost = false;
    unsigned steps = 4096;

    for (const char *line = mounts; take_line(&line, one, sizeof(one)) && steps;) {
        if (sscanf(one, "%63s %63s", what, where) != 2)
            continue;
        steps--;
        root |= strcmp(where, "/") == 0;
        lost |= strcmp(what, "?") == 0;
        if (disk_name(h, what, name, sizeof(name)))
            put_on(h, name, WEIR_USE_MOUNT | (strcmp(where, "/") == 0 ? WEIR_USE_ROOT : 0),
                   strcmp(where, "*") == 0 ? "mounted" : where, &steps);
    }
    for (const char *line = swaps; take_line(&line, one, sizeof(one));) {
        if (sscanf(one, "%63s", name) == 1)
            put_on(h, name, WEIR_USE_MOUNT, "swap", &steps);
    }
    /* What volumes, arrays and file systems of several disks hold, mounted or not. */
    for (unsigned k = 0; k < 2; k++) {
        static const char *const dirs[][2] = {{"/sys/fs/btrfs/", "/"}, {SYS_BLOCK, "/slaves/"}};

        for (unsigned i = weir_table_from(&h->table, dirs[k][0]); i < h->table.n; i++) {
            const char *rest = "";
            size_t len, skip = strlen(dirs[k][1]);

            if (!weir_entry_in(&h->table.entries[i], dirs[k][0], &len, &rest))
                break;
            if (strncmp(rest, dirs[k][1], skip) == 0)
                put_on(h, rest + skip, WEIR_USE_MOUNT, IN_VOLUME, &steps);
        }
    }
    /* Whole disks: which controllers have any. */
    for (unsigned i = weir_table_from(&h->table, SYS_BLOCK); i < h->table.n; i++) {
        const struct weir_entry *e = &h->table.entries[i];
        const char *rest, *disk, *parent;
        size_t len;
        int f;

        disk = weir_entry_in(e, SYS_BLOCK, &len, &rest);
        if (!disk)
            break;
        parent = strstr(e->value, "/block/");
        f = *rest || e->kind != WEIR_ENTRY_LINK ? -1 : weir_function_in_path(h, e->value);
        /* A partition's path goes on behind its disk's. */
        if (f >= 0 && (!parent || !strchr(parent + 7, '/')))
            note(h, f, h->functions[f].use & WEIR_USE_MOUNT ? NULL : disk, WEIR_USE_DISK, "");
    }
    /* One that cannot be traced to its disk may be on any of them. */
    root = root && !uses_root(h);
    for (unsigned i = 0; i < h->n_functions && (root || lost); i++) {
        unsigned use = h->functions[i].use;

        if (root && use & WEIR_USE_DISK)
            note(h, (int)i, "perhaps the root file system", WEIR_USE_ROOT, "");
        else if (lost && (use & (WEIR_USE_DISK | WEIR_USE_MOUNT)) == WEIR_USE_DISK)
            note(h, (int)i, "perhaps a file system", WEIR_USE_MOUNT, "");
    }
}

/* The display that firmware chose, and with it the console, as long as the host drives it. */
static void console(struct weir_host *h)
{
    for (unsigned i = 0; i < h->n_functions; i++) {
        const char *text = weir_host_text(h, SYS_PCI "%s/boot_vga", h->functions[i].name);

        if (text && *text == '1' && weir_function_blocks(h, &h->functions[i]))
            note(h, (int)i, "the console", WEIR_USE_CONSOLE, "");
    }
}

int weir_host_make_use(struct weir_host *h)
{
    net(h);
    disks(h);
    console(h);
    return 0;
}
