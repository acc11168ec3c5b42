/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/host/filter.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Results never outgrow their sources: out follows in the same text. */
struct out {
    char *at;
    const char *start;
};

static void put(struct out *o, const char *text, size_t len)
{
    memmove(o->at, text, len);
    o->at += len;
}

/* A line, unless it is the one before once more. */
static void put_line(struct out *o, const char *text, size_t len)
{
    if ((size_t)(o->at - o->start) > len && o->at[-1] == '\n' &&
        memcmp(o->at - len - 1, text, len) == 0 &&
        (o->at - len - 1 == o->start || o->at[-(ptrdiff_t)len - 2] == '\n'))
        return;
    put(o, text, len);
    put(o, "\n", 1);
}

/* Cut text at the next of the characters in set; the rest, or NULL at the end. */
static char *cut(char *text, const char *set)
{
    text += strcspn(text, set);
    if (!*text)
        return NULL;
    *text = '\0';
    return text + 1;
}

/* The field with that number, blanks between; "" if there is none. */
static const char *field(const char *line, unsigned number, size_t *len)
{
    line += strspn(line, " \t");
    while (number--) {
        line += strcspn(line, " \t");
        line += strspn(line, " \t");
    }
    *len = strcspn(line, " \t");
    return line;
}

static void end(struct out *o, bool newline)
{
    if (newline && o->at > o->start && o->at[-1] == '\n')
        o->at--;
    *o->at = '\0';
}

void weir_filter_cmdline(char *text)
{
    static const char *const about[] = {"iommu",    "vfio",      "pci",    "hugepage",
                                        "intremap", "blacklist", "x2apic", "sriov"};
    struct out o = {text, text};

    for (char *word = text, *next; word; word = next) {
        bool wanted = false;

        next = cut(word, " \n\t");
        for (unsigned i = 0; i < sizeof(about) / sizeof(about[0]); i++) {
            const char *hit = strstr(word, about[i]);

            /* In the parameter's name: what it is set to could be anything. */
            if (hit && (!strchr(word, '=') || hit < strchr(word, '=')))
                wanted = true;
        }
        if (!wanted)
            continue;
        if (o.at > o.start)
            put(&o, " ", 1);
        put(&o, word, strlen(word));
    }
    end(&o, false);
}

static void keep_lines(char *text, const char *const *keys, unsigned n, bool once)
{
    struct out o = {text, text};
    unsigned seen = 0;

    for (char *line = text, *next; line; line = next) {
        next = cut(line, "\n");
        for (unsigned i = 0; i < n; i++) {
            size_t len = strlen(keys[i]);

            if (strncmp(line, keys[i], len) != 0 || (once && seen & 1u << i))
                continue;
            seen |= 1u << i;
            put_line(&o, line, strlen(line));
            break;
        }
    }
    end(&o, true);
}

void weir_filter_cpuinfo(char *text)
{
    static const char *const keys[] = {"vendor_id", "address sizes"};

    keep_lines(text, keys, 2, true);
}

void weir_filter_status(char *text)
{
    static const char *const keys[] = {"Uid:", "Gid:", "Groups:", "CapEff:"};

    keep_lines(text, keys, 4, true);
}

void weir_filter_limits(char *text)
{
    static const char *const keys[] = {"Max locked memory"};

    keep_lines(text, keys, 1, true);
}

/* Where a file system is mounted, if that says nothing about anybody. */
static const char *where(const char *path, size_t len)
{
    static const char *const known[] = {"/",     "/boot", "/boot/efi", "/usr", "/var",
                                        "/home", "/srv",  "/tmp",      "/opt"};

    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i]) == len && memcmp(known[i], path, len) == 0)
            return known[i];
    }
    return "*";
}

/* The kernel's own name of a disk or partition, "sda2", "nvme0n1p1", and no name that people give.
 */
static bool kernel_name(const char *name)
{
    static const char *const prefixes[] = {"sd", "vd", "xvd", "nvme", "mmcblk", "dm-", "md", "hd"};

    for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t len = strlen(prefixes[i]);

        if (strncmp(name, prefixes[i], len) == 0 && strlen(name) < 32 && !strchr(name, '/'))
            return true;
    }
    return false;
}

/* proc(5): "36 35 8:2 / /mnt rw,noatime shared:1 - ext4 /dev/sda2 rw". */
void weir_filter_mounts(char *text)
{
    struct out o = {text, text};

    for (char *line = text, *next; line; line = next) {
        size_t dev_len, point_len, source_len;
        const char *dev, *point, *dash, *source;
        char copy[64], made[128];
        int n;

        next = cut(line, "\n");
        dev = field(line, 2, &dev_len);
        point = field(line, 4, &point_len);
        dash = strstr(line, " - ");
        if (!dash || !dev_len || !point_len)
            continue;
        source = field(dash + 3, 1, &source_len);
        snprintf(copy, sizeof(copy), "%.*s", (int)source_len, source);
        if (strncmp(dev, "0:", 2) != 0)
            n = snprintf(made, sizeof(made), "%.*s %s", (int)(dev_len < 24 ? dev_len : 24), dev,
                         where(point, point_len));
        else if (strncmp(copy, "/dev/", 5) == 0 && kernel_name(copy + 5))
            n = snprintf(made, sizeof(made), "%s %s", copy + 5, where(point, point_len));
        else if (point_len == 1)
            n = snprintf(made, sizeof(made), "? /");
        else if (strncmp(dash + 3, "zfs ", 4) == 0 || strncmp(dash + 3, "bcachefs ", 9) == 0)
            n = snprintf(made, sizeof(made), "? *"); /* on disks that nothing here names */
        else
            continue;
        put_line(&o, made, (size_t)n);
    }
    end(&o, true);
}

void weir_filter_swaps(char *text)
{
    struct out o = {text, text};

    for (char *line = text, *next; line; line = next) {
        next = cut(line, "\n");
        line[strcspn(line, " \t")] = '\0';
        if (strncmp(line, "/dev/", 5) != 0 || !kernel_name(line + 5))
            continue;
        put_line(&o, line + 5, strlen(line + 5));
    }
    end(&o, true);
}

/* Names of chips as kernel/irq/proc.c prints them; "IR-" is interrupt remapping. */
void weir_filter_interrupts(char *text)
{
    static const char *const chips[] = {"IR-IO-APIC", "IR-PCI-MSI", "IO-APIC", "PCI-MSI"};
    unsigned seen = 0;
    char made[64] = "";

    for (char *word = text, *next; word; word = next) {
        next = cut(word, " \n\t");
        for (unsigned i = 0; i < 4; i++) {
            if (strncmp(word, chips[i], strlen(chips[i])) == 0)
                seen |= 1u << i;
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        if (seen & 1u << i)
            snprintf(made + strlen(made), sizeof(made) - strlen(made), "%s%s", *made ? " " : "",
                     chips[i]);
    }
    memcpy(text, made, strlen(made) + 1); /* each was in the text, with a blank or its end */
}

void weir_filter_modules(char *text)
{
    static const char *const names[] = {"/vfio-pci.ko", "/vfio_iommu_type1.ko", "/pci-stub.ko"};
    struct out o = {text, text};

    for (char *line = text, *next; line; line = next) {
        next = cut(line, "\n");
        line[strcspn(line, ":")] = '\0';
        for (unsigned i = 0; i < 3; i++) {
            const char *hit = strstr(line, names[i]);

            if (!hit)
                continue;
            put_line(&o, hit + 1, strlen(names[i]) - 4);
        }
    }
    end(&o, true);
}

void weir_filter_routes(char *text)
{
    struct out o = {text, text};
    char *line = cut(text, "\n"); /* the heading */

    for (char *next; line && *line; line = next) {
        size_t len;
        const char *name;

        next = cut(line, "\n");
        name = field(line, 0, &len);
        if (len)
            put_line(&o, name, len);
    }
    end(&o, true);
}

/* "fe80000000000000020000fffe000001 02 40 20 80 eth0": address, index, prefix, scope, flags, name.
 */
void weir_filter_inet6(char *text)
{
    struct out o = {text, text};

    for (char *line = text, *next; line; line = next) {
        size_t scope_len, len;
        const char *scope, *name;

        next = cut(line, "\n");
        scope = field(line, 3, &scope_len);
        name = field(line, 5, &len);
        /* IPV6_ADDR_LOOPBACK and IPV6_ADDR_LINKLOCAL come by themselves. */
        if (len && scope_len == 2 && memcmp(scope, "10", 2) != 0 && memcmp(scope, "20", 2) != 0)
            put_line(&o, name, len);
    }
    end(&o, true);
}

bool weir_filter_names_mac(const char *name)
{
    return strlen(name) >= 15 && name[2] == 'x' && strspn(name + 3, "0123456789abcdef") == 12 &&
           (name[15] == '\0' || name[15] == '/');
}
