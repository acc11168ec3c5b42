/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel answers with a number, and the reason stands at best in its log. What can be found out
 * about it is found out here.
 */
#include "lib/host/holder.h"
#include "lib/iommu/vfio.h"
#include "lib/mem/procfile.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define MAX_MEMBERS 64

int weir_busy_refused(const char *what, const char *path, int own, struct weir_error *e)
{
    char holder[128];

    weir_file_holder("/proc", path, own, holder, sizeof(holder));
    return weir_fail(e, -EBUSY, "device-busy",
                     "%s\n%s is open already%s%s\n"
                     "stop what uses the device; of one group everything belongs to one "
                     "process, and in it to one space%s",
                     what, path, *holder ? ", in " : "", holder,
                     *holder ? "" : " (root sees which: fuser -v on that file)");
}

int weir_token_refused(const struct weir_pci_function *f, bool given, int err, struct weir_error *e)
{
    if (err == EINVAL) /* vfio_pci_validate_vf_token(); or what does not know the flag */
        return weir_fail(
            e, -EINVAL, "vfio-token",
            "open device %s\nthe kernel takes no VF token for it: its physical function "
            "is not on vfio-pci, or it is no such function at all; or the kernel is from "
            "before Linux 6.17, where iommufd takes none\n"
            "leave vf-token out, or use a container: iommu=type1 behind the device's "
            "name",
            f->address);
    return weir_fail(e, -EACCES, "vfio-token",
                     "open device %s\nthe kernel wants the VF token that the owner of its physical "
                     "function set, and %s\nask whoever runs the PF; give it as vf-token=UUID "
                     "behind the device's name, with iommu=type1 before Linux 6.17",
                     f->address, given ? "this is not it" : "none was given");
}

int weir_open_refused(const char *what, const char *path, int err, struct weir_error *e)
{
    bool iommufd = strcmp(path, "/dev/iommu") == 0;

    if (err == EBUSY)
        return weir_busy_refused(what, path, -1, e);
    if (err == EPERM && strstr(path, "/noiommu-"))
        return weir_fail(e, -EACCES, "vfio-permission",
                         "%s\nwithout an IOMMU the device reaches all memory, so that %s is for "
                         "CAP_SYS_RAWIO only\nrun as root, or better with an IOMMU",
                         what, path);
    if (err == EACCES || err == EPERM)
        return weir_fail(
            e, -EACCES, "vfio-permission",
            "%s\nthis user may not open %s: %s\n"
            "chown $USER %s, which lasts until the device is bound again; for good a udev rule: "
            "SUBSYSTEM==\"%s\", GROUP=\"vfio\", MODE=\"0660\"%s",
            what, path, strerror(err), path,
            iommufd                     ? "misc\", KERNEL==\"iommu"
            : strstr(path, "/devices/") ? "vfio-dev"
                                        : "vfio",
            iommufd || strstr(path, "/devices/") ? " (/dev/iommu and the device's file both)" : "");
    if ((err == ENOENT || err == ENODEV || err == ENXIO) && iommufd)
        return weir_fail(e, -ENOENT, "iommufd-absent",
                         "%s\nthere is no %s: the kernel has no iommufd\n"
                         "modprobe iommufd; if that fails (CONFIG_IOMMUFD is not set, Linux is "
                         "older than 6.2), use a container: ?iommu=type1 behind the device's name",
                         what, path);
    if (err == ENOENT || err == ENODEV || err == ENXIO)
        return weir_fail(e, -ENOENT, "vfio-absent",
                         "%s\nthere is no %s\nmodprobe vfio-pci, and bind the device to it; the "
                         "group's file is there while a member of the group is bound",
                         what, path);
    return weir_fail(e, -err, "vfio-open", "%s\nopen %s: %s", what, path, strerror(err));
}

int weir_group_not_viable(const struct weir_pci_function *f, struct weir_error *e)
{
    struct weir_pci_function *members = calloc(MAX_MEMBERS, sizeof(*members));
    int n = members ? weir_group_read("/sys", f->group, members, MAX_MEMBERS) : 0;
    char list[256] = "", first[16] = "", path[48], holder[128] = "";
    unsigned blocking = 0;

    for (int i = 0; i < n && i < MAX_MEMBERS; i++) {
        size_t at = strlen(list);

        if (*members[i].cdev && !*holder && strcmp(members[i].address, f->address)) {
            snprintf(path, sizeof(path), "/dev/vfio/devices/%s", members[i].cdev);
            weir_file_holder("/proc", path, -1, holder, sizeof(holder));
        }
        if (!weir_pci_function_blocks(&members[i]))
            continue;
        if (!blocking++)
            strcpy(first, members[i].address);
        snprintf(list + at, sizeof(list) - at, "%s%s (%s)", at ? ", " : "", members[i].address,
                 members[i].driver);
    }
    free(members);
    if (!blocking && *holder)
        return weir_fail(e, -EBUSY, "device-busy",
                         "open device %s\n%s, of the same IOMMU group %d, is open already, in %s\n"
                         "stop what uses that; of one group everything belongs to one process, and "
                         "in it to one space",
                         f->address, path, f->group, holder);
    if (!blocking)
        return weir_fail(e, -EPERM, "group-not-viable",
                         "open device %s\nits IOMMU group %d is not viable, another process has a "
                         "part of it, or its users may not have interrupts: the kernel does not "
                         "say which\n"
                         "look at the drivers of /sys/kernel/iommu_groups/%d/devices/*, and at the "
                         "end of dmesg",
                         f->address, f->group, f->group);
    return weir_fail(e, -EPERM, "group-not-viable",
                     "open device %s\nits IOMMU group %d is not viable: the host drives other "
                     "members of it: %s\nmake each of them unused and unbind it, as root: "
                     "echo %s > /sys/bus/pci/devices/%s/driver/unbind; members without a driver, "
                     "on vfio-pci or on pci-stub are fine. weir groups --explain %s says why they "
                     "are one group",
                     f->address, f->group, list, first, first, f->address);
}

/* CAP_IPC_LOCK, and not being root, is what lifts the limit: root of a container lacks it. */
static bool may_lock_all(void)
{
    char text[4096];
    const char *at;

    if (weir_sysfs_text(text, sizeof(text), "/proc/self/status") <= 0)
        return false;
    at = strstr(text, "CapEff:");
    return at && strtoull(at + strlen("CapEff:"), NULL, 16) >> CAP_IPC_LOCK & 1;
}

/* "16 KiB" and so on would hide the one byte that is missing. */
static int fail_memlock(const struct weir_space *s, const char *what, size_t len,
                        struct weir_error *e)
{
    bool iommufd = weir_space_ops(s) == &weir_iommufd_ops;
    struct rlimit limit = {0};
    uint64_t locked = 0, need;

    getrlimit(RLIMIT_MEMLOCK, &limit);
    /* A container counts against the process (VmLck), an IOAS against the user and VmPin. */
    weir_read_field("/proc/self/status", iommufd ? "VmPin:" : "VmLck:", &locked);
    locked *= 1024;
    need = locked + len;
    /* A container counts nobody else's: what fits was refused for another reason. */
    if (limit.rlim_cur == RLIM_INFINITY || may_lock_all() || (!iommufd && need <= limit.rlim_cur))
        return weir_fail(e, -ENOMEM, "map-no-memory",
                         "%s\nthe kernel has no memory for the IOMMU's tables, or cannot pin that "
                         "much\nfree memory, or map less; dmesg may say more",
                         what);
    return weir_fail(e, -ENOMEM, "map-memlock",
                     "%s\nthe limit on locked memory is %" PRIu64 " bytes; %" PRIu64
                     " are locked by %s, so %" PRIu64 " are needed\n"
                     "raise it to that or more: ulimit -l %" PRIu64
                     " (KiB) as root before starting, LimitMEMLOCK= of a systemd unit, or a "
                     "memlock line in /etc/security/limits.d",
                     what, (uint64_t)limit.rlim_cur, locked,
                     iommufd ? "this process (the user's others count too)" : "this process", need,
                     (need + 1023) / 1024);
}

int weir_map_refused(const struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova,
                     int err, struct weir_error *e)
{
    char what[160];

    snprintf(what, sizeof(what), "map %s, %zu bytes at %p to IOVA %#" PRIx64 " in a %s space",
             mem->name && *mem->name ? mem->name : "memory", mem->len, mem->va, iova.addr,
             weir_space_ops(s)->kind);
    switch (err) {
    case EEXIST:
        return weir_fail(e, -EEXIST, "map-overlap",
                         "%s\nthe kernel has something mapped there that this space does not know "
                         "of\nlet nobody else map through its descriptors",
                         what);
    case ENOSPC:
        return weir_fail(e, -ENOSPC, "map-limit",
                         "%s\nthe kernel allows no more mappings in one container\n"
                         "map fewer and larger pieces, or raise dma_entry_limit: "
                         "echo 655350 > /sys/module/vfio_iommu_type1/parameters/dma_entry_limit",
                         what);
    case ENOMEM:
        return fail_memlock(s, what, mem->len, e);
    case EFAULT:
        return weir_fail(e, -EFAULT, "map-memory",
                         "%s\nnot all of it is memory of this process, with the rights that are "
                         "asked for\nmap what is readable and, for WEIR_PROT_WRITE, writable",
                         what);
    case EINVAL:
    case EADDRINUSE:
        return weir_fail(e, -EINVAL, "map-range",
                         "%s\nthe kernel keeps part of that IOVA range for itself: an interrupt "
                         "window or a region that firmware reserved\n"
                         "see /sys/kernel/iommu_groups/*/reserved_regions; weir_space_find() gives "
                         "a free range",
                         what);
    default:
        return weir_fail(e, -err, "map-refused", "%s\n%s\ndmesg may say more", what, strerror(err));
    }
}

/* A line of reserved_regions: "0x00000000fee00000 0x00000000feefffff msi". */
static bool parse_region(const char *line, struct weir_iova_range *out, const char **type)
{
    char *end;

    out->first = strtoull(line, &end, 16);
    if (end == line || *end != ' ')
        return false;
    line = end;
    out->last = strtoull(line, &end, 16);
    if (end == line || *end != ' ')
        return false;
    *type = end + 1;
    return out->first <= out->last;
}

/* The mapping that reaches highest. */
static const char *highest(const struct weir_space *s, struct weir_iova_range *at)
{
    const char *name = NULL, *next;
    uint64_t first = 0;

    while ((next = weir_space_mapping_in(s, first, UINT64_MAX, at))) {
        name = next;
        if (at->last == UINT64_MAX)
            break;
        first = at->last + 1;
    }
    return name;
}

/* What may go is "direct-relaxable". */
bool weir_group_direct(const struct weir_pci_function *f)
{
    char text[4096], *line, *rest = text;
    struct weir_iova_range region;
    const char *type;

    weir_sysfs_text(text, sizeof(text), "/sys/kernel/iommu_groups/%d/reserved_regions", f->group);
    while ((line = strsep(&rest, "\n")))
        if (parse_region(line, &region, &type) && strcmp(type, "direct") == 0)
            return true;
    return false;
}

int weir_attach_refused(const struct weir_space *s, const struct weir_pci_function *f,
                        const char *call, int err, struct weir_error *e)
{
    char text[4096], *line, *rest = text;
    struct weir_iova_range region, at;
    const char *type, *name;

    weir_sysfs_text(text, sizeof(text), "/sys/kernel/iommu_groups/%d/reserved_regions", f->group);
    while ((line = strsep(&rest, "\n"))) {
        if (!parse_region(line, &region, &type))
            continue;
        name = strcmp(type, "direct-relaxable")
                   ? weir_space_mapping_in(s, region.first, region.last, &at)
                   : NULL;
        if (name && (err == EINVAL || err == EADDRINUSE))
            return weir_fail(e, -EADDRINUSE, "space-narrowed",
                             "add device %s to a %s space\n%s is mapped at [%#" PRIx64 ", %#" PRIx64
                             "], and the device's group keeps [%#" PRIx64 ", %#" PRIx64
                             "] (%s)\nopen the device before mapping, or give it a space of its "
                             "own",
                             f->address, weir_space_ops(s)->kind, name, at.first, at.last,
                             region.first, region.last, type);
    }
    /* An iommufd says no more, but that it is for what is mapped. */
    name = err == EADDRINUSE ? highest(s, &at) : NULL;
    if (name)
        return weir_fail(e, -EADDRINUSE, "space-narrowed",
                         "add device %s to a %s space\n%s is mapped up to %#" PRIx64
                         ", which is more than the device can address\nmake that arena with fewer "
                         "iova_bits, or give the device a space of its own",
                         f->address, weir_space_ops(s)->kind, name, at.last);
    if (err != EBUSY && weir_group_direct(f))
        return weir_fail(e, -err, "device-rmrr",
                         "open device %s\n%s: %s. Firmware reserves memory that the device must "
                         "always reach (RMRR, in /sys/kernel/iommu_groups/%d/reserved_regions), so "
                         "the kernel gives it to nobody\n"
                         "look for a firmware setting or update that ends it (shared memory of "
                         "management engines, USB legacy support), or use another slot",
                         f->address, call, strerror(err), f->group);
    if (err == EPERM)
        return weir_fail(e, -EPERM, "device-interrupts",
                         "open device %s\n%s: the kernel trusts nobody with the device: without "
                         "interrupt remapping it could send any interrupt\n"
                         "turn interrupt remapping (x2APIC, intremap) on in firmware; at your own "
                         "risk: echo Y > /sys/module/%s/parameters/allow_unsafe_interrupts",
                         f->address, call,
                         weir_space_ops(s) == &weir_iommufd_ops ? "iommufd" : "vfio_iommu_type1");
    if (err == EBUSY)
        return weir_fail(e, -EBUSY, "device-busy",
                         "open device %s\n%s: its group %d is in use, or in another space\n"
                         "all devices of a group belong in one space: give it as "
                         "weir_device_options.space",
                         f->address, call, f->group);
    return weir_fail(
        e, -err, "device-attach", "open device %s\n%s: %s\nthe end of dmesg says more%s",
        f->address, call, strerror(err),
        err == EINVAL ? "; a device behind another IOMMU needs a space of its own" : "");
}
