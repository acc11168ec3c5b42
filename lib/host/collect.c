/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/host/collect.h"
#include "lib/host/config.h"
#include "lib/host/filter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weir/error.h>

struct reader {
    struct weir_table *t;
    int root; /* the folder, or -1: this machine */
    int err;  /* the first that ends it all: no memory, too much */
    char *buf;
    char *addressed[2];      /* lines: names of interfaces that have an address */
    struct ifaddrs *ifaddrs; /* of this machine, NULL with a root */
    bool upper;
    unsigned btrfs;
    char at[WEIR_TABLE_MAX_PATH + 1]; /* of the entry that is being added */
};

#define BUFFER ((size_t)4 << 20)

/* A folder that is read: where it is, and its descriptor. */
struct folder {
    const char *path; /* "/sys/bus/pci/devices" */
    int fd;
};

typedef void visit_fn(struct reader *r, const struct folder *in, const char *name);

static int open_at(struct reader *r, int dir, const char *path, int flags)
{
    flags |= flags & O_PATH ? O_CLOEXEC : O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    if (r->root >= 0) {
        struct open_how how = {
            .flags = (uint64_t)(unsigned)flags,
            .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        };
        int fd = (int)syscall(SYS_openat2, dir < 0 ? r->root : dir, path, &how, sizeof(how));

        if (fd >= 0 || errno != ENOSYS)
            return fd;
        /* Linux before 5.6. */
        return openat(dir < 0 ? r->root : dir, dir < 0 ? path + 1 : path, flags);
    }
    return openat(dir < 0 ? AT_FDCWD : dir, path, flags);
}

static const char *join(struct reader *r, const struct folder *in, const char *name)
{
    snprintf(r->at, sizeof(r->at), "%s/%s", in->path, name);
    return r->at;
}

static bool starts(const char *name, const char *with)
{
    return strstr(name, with) == name;
}

/* The path of a file in a folder in a folder. Returns out. */
static __attribute__((noinline)) const char *below(char out[512], const struct folder *in,
                                                   const char *name, const char *file_name)
{
    snprintf(out, 512, "%s/%s/%s", in->path, name, file_name);
    return out;
}

static void add(struct reader *r, enum weir_entry_kind kind, const char *path, const char *value)
{
    int err = r->err ? 0 : weir_table_add(r->t, kind, path, value);

    if (err)
        r->err = err;
}

static void add_denied(struct reader *r, const char *path)
{
    if (errno == EACCES || errno == EPERM)
        add(r, WEIR_ENTRY_DENIED, path, "");
}

/* Up to max - 1 bytes of a regular file to buf, with a NUL behind. -1 with errno. */
static ssize_t slurp(struct reader *r, int dir, const char *name, size_t max)
{
    int fd = open_at(r, dir, name, O_RDONLY);
    struct stat st;
    ssize_t n = 0;
    size_t len = 0;

    if (fd < 0)
        return -1;
    /* What is not ours could be anything. */
    if (r->root >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        errno = EINVAL;
        return -1;
    }
    /* An attribute of sysfs comes whole with the first read. */
    while (len < max - 1 && (n = read(fd, r->buf + len, max - 1 - len)) > 0) {
        len += (size_t)n;
        if (max < BUFFER && n < 4096)
            break;
    }
    if (n < 0 && len == 0) {
        int err = errno;

        close(fd);
        errno = err;
        return -1;
    }
    close(fd);
    r->buf[len] = '\0';
    return (ssize_t)len;
}

static void text_at(struct reader *r, int dir, const char *name, const char *path,
                    weir_filter_fn *filter)
{
    ssize_t len = slurp(r, dir, name, filter ? BUFFER : 8192);

    if (len < 0) {
        add_denied(r, path);
        return;
    }
    if (filter)
        filter(r->buf);
    for (len = (ssize_t)strlen(r->buf); len && strchr(" \n\t", r->buf[len - 1]); len--)
        r->buf[len - 1] = '\0';
    add(r, WEIR_ENTRY_TEXT, path, r->buf);
}

static void text(struct reader *r, const char *path, weir_filter_fn *filter)
{
    text_at(r, -1, path, path, filter);
}

static void file(struct reader *r, const struct folder *in, const char *name)
{
    text_at(r, in->fd, name, join(r, in, name), NULL);
}

static bool exists(struct reader *r, const char *path)
{
    int fd = open_at(r, -1, path, O_PATH);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Target of a link; only its last part if base. */
static void link_in(struct reader *r, const struct folder *in, const char *name, bool base)
{
    char target[WEIR_TABLE_MAX_PATH];
    ssize_t len = readlinkat(in->fd, name, target, sizeof(target) - 1);
    const char *from = target;

    if (len <= 0 || len == (ssize_t)sizeof(target) - 1) {
        /* A folder where a device's link should be, or a path that has no end: shows as none. */
        if (!base && (len > 0 || errno != ENOENT))
            add(r, WEIR_ENTRY_DIR, join(r, in, name), "");
        return;
    }
    target[len] = '\0';
    if (base && strrchr(target, '/'))
        from = strrchr(target, '/') + 1;
    add(r, WEIR_ENTRY_LINK, join(r, in, name), from);
}

static void link_base(struct reader *r, const struct folder *in, const char *name)
{
    link_in(r, in, name, true);
}

static void name_only(struct reader *r, const struct folder *in, const char *name)
{
    add(r, WEIR_ENTRY_DIR, join(r, in, name), "");
}

/* Visit everything in a folder, and put the folder itself on record under that name, if there is
 * one, so that an empty one shows. */
static void each_in(struct reader *r, const char *path, const char *record, visit_fn *visit)
{
    int fd = open_at(r, -1, path, O_RDONLY | O_DIRECTORY);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    char copy[WEIR_TABLE_MAX_PATH + 1];
    struct folder in = {copy, fd};
    const struct dirent *entry;
    unsigned n = 0;

    snprintf(copy, sizeof(copy), "%s", record ? record : path);
    if (!d) {
        add_denied(r, copy);
        if (fd >= 0)
            close(fd);
        return;
    }
    if (record)
        add(r, WEIR_ENTRY_DIR, copy, "");
    /* cppcheck-suppress readdirCalled ; the folder is open here only */
    while (!r->err && (entry = readdir(d))) {
        if (entry->d_name[0] == '.')
            continue;
        if (++n > WEIR_TABLE_MAX_ENTRIES / 4)
            r->err = -E2BIG;
        else if (strlen(copy) + strlen(entry->d_name) < 256)
            visit(r, &in, entry->d_name);
    }
    closedir(d);
}

static void each(struct reader *r, const char *path, visit_fn *visit)
{
    each_in(r, path, path, visit);
}

/* ---- what there is to see ---- */

static void pci_device(struct reader *r, const struct folder *in, const char *name)
{
    static const char *const files[] = {"boot_vga",      "driver_override", "numa_node",
                                        "dma_mask_bits", "sriov_numvfs",    "sriov_totalvfs"};
    static const char *const links[] = {"driver", "iommu_group", "iommu", "physfn"};
    char path[512], pieces[WEIR_CONFIG_TEXT] = "";
    struct folder dev = {path, open_at(r, in->fd, name, O_RDONLY | O_DIRECTORY)};
    int fd;

    snprintf(path, sizeof(path), "%s/%s", in->path, name);
    link_in(r, in, name, false);
    /* Links to the tree of devices are outside the folder; start again from the root. */
    if (dev.fd < 0)
        dev.fd = open_at(r, -1, path, O_RDONLY | O_DIRECTORY);
    if (dev.fd < 0)
        return;
    fd = open_at(r, dev.fd, "config", O_RDONLY);
    if (fd >= 0) {
        if (weir_config_collect(fd, pieces, sizeof(pieces)) == 0)
            add(r, WEIR_ENTRY_TEXT, join(r, &dev, "config"), pieces);
        close(fd);
        /* A VF has no identifiers of its own (SR-IOV 1.1, 3.4.1); the kernel makes them up. */
        if (starts(pieces, "0:ffffffff")) {
            file(r, &dev, "device");
            file(r, &dev, "vendor");
        }
    }
    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        file(r, &dev, files[i]);
    for (unsigned i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        link_base(r, &dev, links[i]);
    /* It is there, and empty, if the interface is in another network namespace. */
    fd = open_at(r, dev.fd, "net", O_PATH | O_DIRECTORY);
    if (fd >= 0) {
        name_only(r, &dev, "net");
        close(fd);
    }
    close(dev.fd);
}

static void group(struct reader *r, const struct folder *in, const char *name)
{
    char path[512];

    each(r, below(path, in, name, "devices"), name_only);
    text(r, below(path, in, name, "type"), NULL);
    text(r, below(path, in, name, "reserved_regions"), NULL);
}

static void iommu(struct reader *r, const struct folder *in, const char *name)
{
    static const char *const files[] = {"intel-iommu/cap", "intel-iommu/ecap",
                                        "amd-iommu/features"};
    char path[512];

    name_only(r, in, name);
    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        text(r, below(path, in, name, files[i]), NULL);
    }
}

static void pool(struct reader *r, const struct folder *in, const char *name)
{
    static const char *const files[] = {"nr_hugepages", "free_hugepages"};
    char path[512];

    for (unsigned i = 0; i < 2; i++) {
        text(r, below(path, in, name, files[i]), NULL);
    }
}

static void node(struct reader *r, const struct folder *in, const char *name)
{
    char path[512];

    if (!starts(name, "node"))
        return;
    each(r, below(path, in, name, "hugepages"), pool);
}

/* Is name one of the lines of text? */
static bool has_line(const char *text, const char *name)
{
    size_t len = strlen(name);

    for (; text && *text; text += strcspn(text, "\n"), text += *text == '\n') {
        if (strncmp(text, name, len) == 0 && (text[len] == '\n' || !text[len]))
            return true;
    }
    return false;
}

/* Routes and if_inet6 tell of most addresses, and of whole trees; not of IPv4 addresses whose
 * routes are in another table than the main one, or whose interface is down. */
static bool has_address(const struct reader *r, const char *name)
{
    for (const struct ifaddrs *a = r->ifaddrs; a; a = a->ifa_next) {
        if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET && strcmp(a->ifa_name, name) == 0)
            return true;
    }
    return has_line(r->addressed[0], name) || has_line(r->addressed[1], name);
}

/* The names of interfaces with addresses go into no snapshot: only what is said of one of hardware.
 */
static void addresses(struct reader *r)
{
    static const struct {
        const char *path;
        weir_filter_fn *filter;
    } from[] = {{"/proc/self/net/route", weir_filter_routes},
                {"/proc/self/net/if_inet6", weir_filter_inet6}};

    for (unsigned i = 0; i < 2; i++) {
        if (slurp(r, -1, from[i].path, BUFFER) < 0)
            continue;
        from[i].filter(r->buf);
        r->addressed[i] = strdup(r->buf);
        if (!r->addressed[i])
            r->err = -ENOMEM;
    }
    if (r->root < 0)
        (void)getifaddrs(&r->ifaddrs); /* it stays NULL if that fails */
}

/* A VLAN, bridge, bond or the like is upon it. */
static void upper(struct reader *r, const struct folder *in, const char *name)
{
    (void)in;
    r->upper |= starts(name, "upper_");
}

/* Which function an interface or a disk hangs on is in the path of its device. */
static void netdev(struct reader *r, const struct folder *in, const char *name)
{
    char target[WEIR_TABLE_MAX_PATH], path[512];
    ssize_t len = readlinkat(in->fd, name, target, sizeof(target) - 1);
    char *slash;

    target[len < 0 ? 0 : len] = '\0';
    slash = strrchr(target, '/'); /* its name once more */
    /* Who made one that is not of hardware may have named it after anything. */
    if (!slash || strstr(target, "/virtual/"))
        return;
    *slash = '\0';
    add(r, WEIR_ENTRY_LINK, join(r, in, name), target);
    text(r, below(path, in, name, "flags"), NULL);
    if (has_address(r, name))
        add(r, WEIR_ENTRY_DIR, below(path, in, name, "inet"), "");
    r->upper = false;
    snprintf(path, sizeof(path), "%s/%s", in->path, name);
    each_in(r, path, NULL, upper);
    if (r->upper)
        add(r, WEIR_ENTRY_DIR, below(path, in, name, "upper"), "");
}

static void disk(struct reader *r, const struct folder *in, const char *name)
{
    char path[512];

    if (starts(name, "loop") || starts(name, "ram"))
        return;
    link_in(r, in, name, false);
    text(r, below(path, in, name, "dev"), NULL);
    if (starts(name, "dm-") || starts(name, "md") || starts(name, "bcache")) {
        each(r, below(path, in, name, "slaves"), name_only);
    }
}

/* A mounted btrfs may lie on more disks than mountinfo has. Its folder is named after its UUID. */
static void btrfs(struct reader *r, const struct folder *in, const char *name)
{
    char path[512], record[32];

    snprintf(record, sizeof(record), "/sys/fs/btrfs/%u", r->btrfs++);
    each_in(r, below(path, in, name, "devices"), record, name_only);
}

/* The controllers of an NVMe subsystem whose disks belong to no one of them. */
static void nvme(struct reader *r, const struct folder *in, const char *name)
{
    char target[WEIR_TABLE_MAX_PATH];

    if (starts(name, "nvme") && readlinkat(in->fd, name, target, sizeof(target)) > 0)
        link_in(r, in, name, false);
}

static void subsystem(struct reader *r, const struct folder *in, const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", in->path, name);
    each(r, path, nvme);
}

/* "MODE UID GID" of a device file. */
static void vfio_file(struct reader *r, const struct folder *in, const char *name)
{
    struct stat st;
    char value[64];

    if (fstatat(in->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISLNK(st.st_mode))
        return;
    snprintf(value, sizeof(value), "%s%o %u %u", S_ISDIR(st.st_mode) ? "d" : "",
             (unsigned)st.st_mode & 07777, st.st_uid, st.st_gid);
    add(r, WEIR_ENTRY_TEXT, join(r, in, name), value);
}

static void modules(struct reader *r)
{
    static const char *const files[] = {"modules.builtin", "modules.dep"};
    char release[128], path[256];

    if (slurp(r, -1, "/proc/sys/kernel/osrelease", sizeof(release)) < 0)
        return;
    snprintf(release, sizeof(release), "%.*s", (int)strcspn(r->buf, "\n/"), r->buf);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "/lib/modules/%s/%s", release, files[i]);
        text(r, path, weir_filter_modules);
    }
}

static void acpi(struct reader *r)
{
    static const char *const tables[] = {"DMAR", "IVRS", "VIOT", "IORT"};
    char path[64];

    if (!exists(r, "/sys/firmware/acpi/tables"))
        return;
    add(r, WEIR_ENTRY_DIR, "/sys/firmware/acpi/tables", "");
    for (unsigned i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "/sys/firmware/acpi/tables/%s", tables[i]);
        if (exists(r, path))
            add(r, WEIR_ENTRY_DIR, path, "");
    }
}

static void everything(struct reader *r)
{
    static const struct {
        const char *path;
        weir_filter_fn *filter;
    } texts[] = {
        {"/proc/sys/kernel/osrelease", NULL},      {"/proc/cmdline", weir_filter_cmdline},
        {"/proc/cpuinfo", weir_filter_cpuinfo},    {"/proc/self/status", weir_filter_status},
        {"/proc/self/limits", weir_filter_limits}, {"/proc/self/mountinfo", weir_filter_mounts},
        {"/proc/swaps", weir_filter_swaps},        {"/proc/interrupts", weir_filter_interrupts},
        {"/sys/bus/pci/drivers_autoprobe", NULL},
    };
    static const struct {
        const char *path;
        visit_fn *visit;
    } folders[] = {
        {"/sys/bus/pci/devices", pci_device},
        {"/sys/kernel/iommu_groups", group},
        {"/sys/class/iommu", iommu},
        {"/sys/module/vfio/parameters", file},
        {"/sys/module/vfio_pci/parameters", file},
        {"/sys/module/vfio_iommu_type1/parameters", file},
        {"/sys/kernel/mm/hugepages", pool},
        {"/sys/devices/system/node", node},
        {"/sys/class/net", netdev},
        {"/sys/class/block", disk},
        {"/sys/fs/btrfs", btrfs},
        {"/sys/devices/virtual/nvme-subsystem", subsystem},
        {"/dev/vfio", vfio_file},
    };
    static const char *const there[] = {"/sys/bus/pci/drivers/vfio-pci",
                                        "/sys/bus/pci/drivers/pci-stub", "/dev/iommu"};

    addresses(r);
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        text(r, texts[i].path, texts[i].filter);
    for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]) && !r->err; i++)
        each(r, folders[i].path, folders[i].visit);
    for (unsigned i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
        if (exists(r, there[i]))
            add(r, WEIR_ENTRY_DIR, there[i], "");
    }
    modules(r);
    acpi(r);
}

int weir_collect(struct weir_table *t, const char *root, struct weir_error *e)
{
    struct reader r = {.t = t, .root = -1, .buf = malloc(BUFFER)};
    const char *twice = "";

    if (!r.buf)
        return weir_fail(e, -ENOMEM, "no-memory", "read the machine\nout of memory\n");
    if (root) {
        r.root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (r.root < 0) {
            r.err = -errno;
            free(r.buf);
            return weir_fail(e, r.err, "host-tree",
                             "read the machine in %s\n%s\n"
                             "name a folder with sys and proc beneath",
                             root, strerror(-r.err));
        }
    }
    everything(&r);
    if (r.root >= 0)
        close(r.root);
    free(r.buf);
    free(r.addressed[0]);
    free(r.addressed[1]);
    freeifaddrs(r.ifaddrs);
    if (!r.err)
        r.err = weir_table_sort(t, &twice);
    if (r.err == -E2BIG)
        return weir_fail(e, -E2BIG, "host-too-large", "read the machine in %s\nit has no end\n",
                         root ? root : "/");
    if (r.err)
        return weir_fail(e, r.err, "host-tree", "read the machine in %s\n%s %s\n",
                         root ? root : "/", strerror(-r.err), twice);
    return 0;
}
