/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/host/function.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* PCI Code and ID Assignment Specification, base class 06h. */
#define BRIDGE_PCI              0x0604
#define BRIDGE_CARDBUS          0x0607
#define BRIDGE_SEMI_TRANSPARENT 0x0609

int weir_sysfs_text(char *out, size_t size, const char *fmt, ...)
{
    char path[PATH_MAX];
    va_list ap;
    ssize_t n;
    int fd;

    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    *out = '\0';
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    n = read(fd, out, size - 1);
    if (n < 0)
        n = -errno;
    close(fd);
    while (n > 0 && out[n - 1] == '\n')
        n--;
    if (n >= 0)
        out[n] = '\0';
    return (int)n;
}

int weir_sysfs_link(char *out, size_t size, const char *fmt, ...)
{
    char path[PATH_MAX], target[PATH_MAX];
    const char *base;
    va_list ap;
    ssize_t n;

    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    *out = '\0';
    n = readlink(path, target, sizeof(target) - 1);
    if (n < 0)
        return -errno;
    target[n] = '\0';
    base = strrchr(target, '/');
    base = base ? base + 1 : target;
    if (strlen(base) >= size)
        return -ENAMETOOLONG;
    strcpy(out, base);
    return 0;
}

/* A number in one of the function's files; missing is what a file that cannot be read stands for.
 */
static long number(const char *sysfs, const char *address, const char *file, int base, long missing)
{
    char text[32], *end;
    long v;

    if (weir_sysfs_text(text, sizeof(text), "%s/bus/pci/devices/%s/%s", sysfs, address, file) <= 0)
        return missing;
    v = strtol(text, &end, base);
    return *end || end == text || v < -1 || v > 0xffffff ? missing : v;
}

static bool form_matches(const char *form, const char *name)
{
    size_t i = 0;

    while (form[i] && (form[i] == 'x' ? isxdigit((unsigned char)name[i]) != 0 : name[i] == form[i]))
        i++;
    return !form[i] && !name[i];
}

bool weir_pci_address(const char *name, char out[16])
{
    const char *domain = "";

    if (form_matches("xx:xx.x", name))
        domain = "0000:";
    else if (!form_matches("xxxx:xx:xx.x", name))
        return false;
    snprintf(out, 16, "%s%s", domain, name);
    for (char *p = out; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return true;
}

/* The name of the character device, which is that of the one entry of vfio-dev/. */
static void read_cdev(const char *sysfs, struct weir_pci_function *f)
{
    char path[PATH_MAX];
    struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/vfio-dev", sysfs, f->address);
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        if (strncmp(entry->d_name, "vfio", 4) == 0 && strlen(entry->d_name) < sizeof(f->cdev))
            strcpy(f->cdev, entry->d_name);
    }
    if (dir)
        closedir(dir);
}

int weir_pci_function_read(const char *sysfs, const char *address, struct weir_pci_function *out,
                           struct weir_error *e)
{
    char path[PATH_MAX], text[32];
    struct weir_pci_function f = {.group = -1, .node = -1};
    int r;

    snprintf(f.address, sizeof(f.address), "%s", address); /* may be out's own */
    *out = f;
    address = out->address;
    snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", sysfs, address);
    if (access(path, F_OK))
        return weir_fail(e, -ENODEV, "device-absent",
                         "open device %s\nthis machine has no such PCI function\n"
                         "lspci -D lists what it has; after plugging one in: "
                         "echo 1 > /sys/bus/pci/rescan",
                         address);
    out->vendor = (uint16_t)number(sysfs, address, "vendor", 16, 0xffff);
    out->device = (uint16_t)number(sysfs, address, "device", 16, 0xffff);
    out->class_code = (uint32_t)number(sysfs, address, "class", 16, 0);
    out->node = (int)number(sysfs, address, "numa_node", 10, -1);
    r = weir_sysfs_link(out->driver, sizeof(out->driver), "%s/driver", path);
    if (r == -ENAMETOOLONG)
        strcpy(out->driver, "(a long name)");
    if (weir_sysfs_link(text, sizeof(text), "%s/iommu_group", path) == 0) {
        out->group = atoi(text);
        out->no_iommu = weir_sysfs_text(text, sizeof(text), "%s/iommu_group/name", path) > 0 &&
                        strcmp(text, "vfio-noiommu") == 0;
    }
    read_cdev(sysfs, out);
    return 0;
}

bool weir_function_answers(const char *sysfs, const char *address)
{
    /* Of a virtual function the ids are all ones, of none the class and revision behind them. */
    uint32_t class_code = 0;
    char path[PATH_MAX];
    int fd;

    snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/config", sysfs, address);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return access(path, F_OK) == 0; /* who may not ask has to try */
    if (pread(fd, &class_code, sizeof(class_code), PCI_CLASS_REVISION) != sizeof(class_code))
        class_code = UINT32_MAX;
    close(fd);
    return class_code != UINT32_MAX;
}

bool weir_pci_function_is_vfio(const struct weir_pci_function *f)
{
    /* vfio-pci and its variants: mlx5_vfio_pci, hisi-acc-vfio-pci, ... */
    return *f->cdev || strstr(f->driver, "vfio");
}

bool weir_pci_function_blocks(const struct weir_pci_function *f)
{
    unsigned class = f->class_code >> 8;
    /* Between PCI buses, or to CardBus: what has a header of another type than 0. Not so the ISA
     * bridge, which its driver does hold against the group. */
    bool fabric =
        class == BRIDGE_PCI || class == BRIDGE_CARDBUS || class == BRIDGE_SEMI_TRANSPARENT;

    return *f->driver && !fabric && !weir_pci_function_is_vfio(f) &&
           strcmp(f->driver, "pci-stub") != 0;
}

int weir_group_read(const char *sysfs, int group, struct weir_pci_function *out, unsigned max)
{
    char path[PATH_MAX];
    struct dirent *entry;
    int n = 0, err;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%d/devices", sysfs, group);
    dir = opendir(path);
    if (!dir)
        return -errno;
    while (errno = 0, (entry = readdir(dir))) {
        char address[16];
        unsigned at;

        if (!weir_pci_address(entry->d_name, address))
            continue;
        if ((unsigned)n++ >= max)
            continue;
        at = (unsigned)n - 1;
        while (at > 0 && strcmp(out[at - 1].address, address) > 0) {
            out[at] = out[at - 1];
            at--;
        }
        weir_pci_function_read(sysfs, address, &out[at], NULL);
    }
    err = errno;
    closedir(dir);
    return err ? -err : n;
}
