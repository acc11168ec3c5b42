/* SPDX-License-Identifier: BSD-3-Clause */
/* weir bind, unbind, restore: which driver has a device. */
#include "bind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_USAGE                                                                              \
    "  --dry-run           print the writes, do none\n"                                            \
    "  --root DIR          write below DIR, not to this machine\n"

static const char bind_usage[] =
    "usage: weir bind [OPTION]... DEVICE...\n\n"
    "Gives each DEVICE to vfio-pci: sets its driver_override, takes it from the driver that has "
    "it,\n"
    "and has it probed again. Remembers what it was, for weir restore. Refuses a device that "
    "carries\n"
    "a mounted file system, or a network interface that is up or has an address.\n\n"
    "  --group             the other endpoints of its IOMMU group, too\n"
    "  --driver NAME       another driver than vfio-pci, such as pci-stub\n"
    "  --force             a device that is in use, too\n"
    "  --persist           for the next boots, too: through driverctl if it is there, else a udev "
    "rule\n"
    "  --vfs N             not DEVICE, but N virtual functions of it, made for this; 0 removes "
    "them\n" OPTIONS_USAGE;

static const char unbind_usage[] =
    "usage: weir unbind [OPTION]... DEVICE...\n\n"
    "Takes each DEVICE from the driver that has it, and leaves it without one. Remembers which it\n"
    "was, for weir restore.\n\n"
    "  --group             the other endpoints of its IOMMU group, too\n"
    "  --force             a device that is in use, too\n" OPTIONS_USAGE;

static const char restore_usage[] =
    "usage: weir restore [OPTION]... DEVICE...\n\n"
    "Gives each DEVICE back to the driver that it had before weir bind or weir unbind, and "
    "removes\n"
    "what --persist wrote.\n\n"
    "  --group             the other endpoints of its IOMMU group, too\n" OPTIONS_USAGE;

/* ---- writing ---- */

const char *bind_full(const struct job *j, const char *path, char out[512])
{
    snprintf(out, 512, "%s%s", j->root ? j->root : "", path);
    return out;
}

/* Write to a file of sysfs as `echo text > path` would. The kernel's answer is the errno. */
static int put(const struct job *j, const char *text, const char *path)
{
    char file[512];
    int fd, err = 0;

    if (j->dry) {
        /* With a blank: "0>" would be a redirection of its own. */
        printf("echo%s%s > %s\n", *text ? " " : "", text, bind_full(j, path, file));
        return 0;
    }
    fd = open(bind_full(j, path, file), O_WRONLY | O_CLOEXEC | O_TRUNC | (j->root ? O_CREAT : 0),
              0644);
    if (fd < 0)
        return -errno;
    if (dprintf(fd, "%s\n", text) < 0)
        err = -errno;
    if (close(fd) < 0 && !err)
        err = -errno;
    return err;
}

static int put_f(const struct job *j, const char *text, const char *fmt, const char *name)
{
    char path[512];

    snprintf(path, sizeof path, fmt, name);
    return put(j, text, path);
}

static int failed(const struct weir_function *f, const char *what, int err)
{
    fprintf(stderr, "weir: %s %s: %s\n  try: weir doctor %s\n", what, f->name, strerror(-err),
            f->name);
    return 1;
}

bool bind_there(const struct job *j, const char *fmt, const char *name)
{
    char path[512], file[512];

    snprintf(path, sizeof path, fmt, name);
    return access(bind_full(j, path, file), F_OK) == 0;
}

/* Read the machine again after the kernel did something. */
static int again(struct job *j)
{
    struct host_choice choice = {.root = j->root};
    struct weir_error err;
    struct weir_host *h = host_open(&choice, &err);

    if (!h)
        return tool_failed(&err);
    weir_host_free(j->host);
    j->host = h;
    return 0;
}

/* ---- what may be taken ---- */

/* A program has it open: the kernel would wait for that to end, and the command with it. The group
 * can be opened once, and not while one of its devices is open by itself. */
static bool held(const struct job *j, const struct weir_function *f)
{
    char path[32];
    int fd;

    if (j->root || j->dry || j->force || f->group < 0 || !weir_function_vfio(f))
        return false;
    snprintf(path, sizeof path, "/dev/vfio/%d", f->group);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    if (fd >= 0 || errno != EBUSY)
        return false;
    fprintf(
        stderr,
        "weir: %s: a program uses its IOMMU group\n  try: end it; fuser -v /dev/vfio/* names it\n",
        f->name);
    return true;
}

static int allowed(const struct job *j, const struct weir_function *f)
{
    if (f->bridge) {
        fprintf(stderr,
                "weir: %s is a bridge: it needs no driver of ours, and cannot be used\n"
                "  try: weir groups --tree, for the devices behind it\n",
                f->name);
        return 1;
    }
    if (held(j, f))
        return 1;
    if (!(f->use & WEIR_USE_BUSY))
        return 0;
    if (f->use & WEIR_USE_ROOT)
        fprintf(stderr,
                "weir: %s IS THE CONTROLLER OF YOUR ROOT DISK (%s): taking it away ends this "
                "system\n",
                f->name, f->used_by);
    else
        fprintf(stderr, "weir: %s is in use (%s)\n", f->name, f->used_by);
    if (j->force)
        return 0;
    fputs(
        f->use & WEIR_USE_ROOT
            ? "  try: another device, or another slot for it: weir groups --explain\n"
            : "  try: stop what uses it (umount, swapoff, ip link set dev NAME down), or --force\n",
        stderr);
    return 1;
}

/* ---- the three verbs, for one device ---- */

static int release(const struct job *j, const struct weir_function *f)
{
    int err = *f->driver ? put_f(j, f->name, "/sys/bus/pci/devices/%s/driver/unbind", f->name) : 0;

    return err ? failed(f, "unbind", err) : 0;
}

/* Did it come to the driver? Without a kernel below there is nobody to ask. */
static int verify(struct job *j, const char *name, const char *driver)
{
    const struct weir_function *f;

    if (j->dry || j->root)
        return 0;
    if (again(j))
        return 1;
    f = weir_host_find(j->host, name);
    if (f && strcmp(f->driver, driver) == 0) {
        printf("%s: %s\n", name, *driver ? driver : "no driver");
        return 0;
    }
    fprintf(stderr,
            "weir: bind %s to %s: the kernel left it %s%s\n"
            "  try: dmesg; weir doctor %s; weir restore %s gives it back\n",
            name, *driver ? driver : "no driver", f && *f->driver ? "on " : "without a driver",
            f ? f->driver : "", name, name);
    return 1;
}

/* Before Linux 3.16 there is no driver_override, and the driver learns the device's identifiers. */
static int attach_by_id(const struct job *j, const struct weir_function *f)
{
    char path[128], id[16];
    int err;

    snprintf(id, sizeof id, "%04x %04x", f->vendor, f->device);
    snprintf(path, sizeof path, "/sys/bus/pci/drivers/%s/new_id", j->driver);
    err = put(j, id, path);
    snprintf(path, sizeof path, "/sys/bus/pci/drivers/%s/bind", j->driver);
    /* new_id itself binds what is free; then bind has nothing left to do. */
    if (!err || err == -EEXIST) {
        err = put(j, f->name, path);
        if (err == -ENODEV || err == -EBUSY)
            err = 0;
    }
    return err;
}

/* A device is not taken from one driver for another that is not there. */
static bool no_driver(const struct job *j, const struct weir_function *f, const char *driver)
{
    if (j->dry || bind_there(j, "/sys/bus/pci/drivers/%s", driver))
        return false;
    fprintf(stderr, "weir: bind %s: there is no driver %s in the kernel\n  try: modprobe %s\n",
            f->name, driver, driver);
    return true;
}

/* vfio-pci would refuse it, and it would be on no driver at all. */
static bool no_group(const struct job *j, const struct weir_function *f)
{
    if (f->group >= 0 || strcmp(j->driver, "vfio-pci") != 0 ||
        weir_host_machine(j->host)->noiommu == WEIR_YES)
        return false;
    fprintf(stderr,
            "weir: bind %s: it is in no IOMMU group, so vfio-pci does not take it\n"
            "  try: weir doctor %s\n",
            f->name, f->name);
    return true;
}

static int bind_one(struct job *j, const struct weir_function *f)
{
    char name[sizeof f->name];
    bool has_override = bind_there(j, "/sys/bus/pci/devices/%s/driver_override", f->name);
    int err;

    strcpy(name, f->name);
    if (strcmp(f->driver, j->driver) == 0 && (!has_override || *f->driver_override)) {
        printf("%s: %s already\n", f->name, j->driver);
        err = j->persist ? bind_persist(j, f) : 0;
        return err ? failed(f, "make persistent", err) : 0;
    }
    if (allowed(j, f))
        return 1;
    if (no_driver(j, f, j->driver) || no_group(j, f))
        return 1;
    err = bind_remember(j, f);
    if (err)
        return failed(f, "remember the driver of", err);
    if (has_override) {
        err = put_f(j, j->driver, "/sys/bus/pci/devices/%s/driver_override", f->name);
        if (err)
            return failed(f, "set driver_override of", err);
    }
    if (strcmp(f->driver, j->driver) != 0) {
        if (release(j, f))
            return 1;
        err = has_override ? put(j, f->name, "/sys/bus/pci/drivers_probe") : attach_by_id(j, f);
        if (err)
            return failed(f, "bind", err);
    }
    err = j->persist ? bind_persist(j, f) : 0;
    if (err)
        return failed(f, "make persistent", err);
    return verify(j, name, j->driver);
}

static int unbind_one(struct job *j, const struct weir_function *f)
{
    char name[sizeof f->name];
    int err;

    strcpy(name, f->name);
    if (!*f->driver) {
        printf("%s: no driver already\n", f->name);
        return 0;
    }
    if (allowed(j, f))
        return 1;
    err = bind_remember(j, f);
    if (err)
        return failed(f, "remember the driver of", err);
    return release(j, f) || verify(j, name, "");
}

/* After a reboot nothing is remembered, but what --persist wrote did last: which driver would have
 * the device without it is the kernel's to say. */
static int restore_any(struct job *j, const char *name)
{
    const struct weir_function *f;
    int err = put(j, name, "/sys/bus/pci/drivers_probe");

    f = weir_host_find(j->host, name);
    if (err)
        return failed(f, "bind", err);
    if (j->dry || j->root)
        return 0;
    if (again(j))
        return 1;
    f = weir_host_find(j->host, name);
    printf("%s: %s\n", name, f && *f->driver ? f->driver : "no driver");
    return 0;
}

static int restore_one(struct job *j, const struct weir_function *f)
{
    char name[sizeof f->name], path[128], file[512];
    struct state was;
    bool remembered = bind_recall(j, f, &was);
    int err;

    strcpy(name, f->name);
    if ((!remembered || strcmp(f->driver, was.driver) != 0) && held(j, f))
        return 1;
    if (remembered && *was.driver && strcmp(f->driver, was.driver) != 0 &&
        no_driver(j, f, was.driver))
        return 1;
    if (!bind_persistent(j, f, true) && !remembered) {
        fprintf(stderr,
                "weir: restore %s: nothing is remembered of it in %s\n"
                "  try: weir bind --driver NAME %s\n",
                f->name, bind_full(j, BIND_STATE, file), f->name);
        return 1;
    }
    if (bind_there(j, "/sys/bus/pci/devices/%s/driver_override", f->name)) {
        err = put_f(j, was.override, "/sys/bus/pci/devices/%s/driver_override", f->name);
        if (err)
            return failed(f, "set driver_override of", err);
    }
    if (!remembered || strcmp(f->driver, was.driver) != 0) {
        if (release(j, f))
            return 1;
        if (!remembered)
            return restore_any(j, name);
        if (*was.driver) {
            snprintf(path, sizeof path, "/sys/bus/pci/drivers/%s/bind", was.driver);
            err = put(j, f->name, path);
            if (err)
                return failed(f, "bind", err);
        }
    }
    if (verify(j, name, was.driver))
        return 1;
    bind_forget(j, name);
    return 0;
}

static int one(struct job *j, const char *name)
{
    const struct weir_function *f = host_need(j->host, name);

    if (!f)
        return 1;
    return j->what == BIND     ? bind_one(j, f)
           : j->what == UNBIND ? unbind_one(j, f)
                               : restore_one(j, f);
}

/* ---- several ---- */

/* The endpoints of a group that this is about, by name: the host is read again in between. */
static int whole_group(struct job *j, const struct weir_function *f)
{
    const struct weir_group *g = weir_host_group_number(j->host, f->group);
    char(*names)[sizeof f->name];
    bool started;
    unsigned n = 0;
    int status = 0;

    if (!g) {
        fprintf(stderr, "weir: %s is in no IOMMU group\n  try: weir doctor %s\n", f->name, f->name);
        return 1;
    }
    names = calloc(g->n_members, sizeof *names);
    if (!names) {
        fputs("weir: out of memory\n", stderr);
        return 1;
    }
    for (unsigned i = 0; i < g->n_members; i++) {
        const struct weir_function *m = weir_host_function(j->host, g->members[i]);
        struct state was;

        if (m->bridge)
            continue;
        /* Others need not be used, so what does not block stays as it is. */
        if (m != f &&
            (j->what == RESTORE ? !bind_recall(j, m, &was) && !bind_persistent(j, m, false)
                                : !weir_function_blocks(j->host, m)))
            continue;
        /* Nothing is taken if one of them may not be. */
        if (j->what != RESTORE && *m->driver && !weir_function_vfio(m))
            status |= allowed(j, m);
        strcpy(names[n++], m->name);
    }
    started = !status;
    for (unsigned i = 0; i < n && !status; i++)
        status = one(j, names[i]);
    if (status && n > 1 && j->what != RESTORE && !j->dry && started)
        fprintf(stderr, "weir: the group is half done; weir restore --group %s gives it back\n",
                names[0]);
    free(names);
    return status;
}

/* Virtual functions that go must not be in use, either. */
static bool vfs_in_use(const struct job *j, const struct weir_function *pf)
{
    bool refused = false;

    for (int i = 0; i < (int)weir_host_functions(j->host); i++) {
        const struct weir_function *f = weir_host_function(j->host, i);

        if (f->pf == weir_function_index(j->host, pf))
            refused |= allowed(j, f) != 0;
    }
    return refused;
}

/* What is remembered of virtual functions that go. */
static void forget(const struct job *j, const struct weir_function *pf)
{
    for (int i = 0; i < (int)weir_host_functions(j->host); i++) {
        const struct weir_function *f = weir_host_function(j->host, i);

        if (f->pf == weir_function_index(j->host, pf))
            bind_forget(j, f->name);
    }
}

#define AUTOPROBE "/sys/bus/pci/devices/%s/sriov_drivers_autoprobe"

/* Does the kernel look for drivers of new VFs? As it was, so it is to be afterwards. */
static bool autoprobes(const struct job *j, const char *name)
{
    char path[128], file[512], first = '1';
    FILE *in;

    snprintf(path, sizeof path, AUTOPROBE, name);
    in = fopen(bind_full(j, path, file), "re");
    if (in) {
        if (fread(&first, 1, 1, in) != 1)
            first = '1';
        fclose(in);
    }
    return first != '0';
}

/* Those that pf has now. */
static int bind_vfs(struct job *j, const char *name)
{
    const struct weir_function *pf;
    char(*names)[sizeof pf->name];
    unsigned n = 0;
    int status = 0;

    if (again(j))
        return 1;
    pf = weir_host_find(j->host, name);
    names = calloc((size_t)j->vfs, sizeof *names);
    for (int i = 0; pf && names && i < (int)weir_host_functions(j->host); i++) {
        const struct weir_function *f = weir_host_function(j->host, i);

        if (f->pf == weir_function_index(j->host, pf) && n < (unsigned)j->vfs)
            strcpy(names[n++], f->name);
    }
    for (unsigned i = 0; i < n; i++)
        status |= one(j, names[i]);
    free(names);
    return status;
}

static int virtual_functions(struct job *j, const struct weir_function *pf)
{
    char name[sizeof pf->name], number[16];
    unsigned have = pf->num_vfs;
    int err, status;
    bool probed;

    strcpy(name, pf->name);
    if (!pf->total_vfs || (unsigned)j->vfs > pf->total_vfs) {
        fprintf(stderr, "weir: %s can have %u virtual functions\n  try: %s\n", pf->name,
                pf->total_vfs,
                pf->total_vfs ? "a smaller number"
                              : "a device with SR-IOV, or firmware settings that turn it on");
        return 1;
    }
    if (vfs_in_use(j, pf))
        return 1;
    /* Their own driver must not have them first; those that somebody else makes are none of ours.
     */
    probed = j->vfs && autoprobes(j, name);
    err = probed ? put_f(j, "0", AUTOPROBE, name) : 0;
    if (!err && have)
        err = put_f(j, "0", "/sys/bus/pci/devices/%s/sriov_numvfs", name);
    if (!err && have)
        forget(j, pf);
    snprintf(number, sizeof number, "%d", j->vfs);
    if (!err && (j->vfs || !have))
        err = put_f(j, number, "/sys/bus/pci/devices/%s/sriov_numvfs", name);
    if (err) {
        if (probed)
            put_f(j, "1", AUTOPROBE, name);
        fprintf(stderr, "weir: make %d virtual functions of %s: %s\n  try: %s\n", j->vfs, name,
                strerror(-err),
                err == -ENOENT && weir_function_vfio(pf)
                    ? "echo Y > /sys/module/vfio_pci/parameters/enable_sriov"
                    : "its own driver, which has to allow it; dmesg");
        return 1;
    }
    if (j->vfs == 0)
        return 0;
    status = j->dry ? 0 : bind_vfs(j, name);
    err = probed ? put_f(j, "1", AUTOPROBE, name) : 0;
    return err ? failed(weir_host_find(j->host, name), "turn on sriov_drivers_autoprobe of", err)
               : status;
}

static int run(enum what what, const struct command *cmd, int argc, char **argv)
{
    static const struct option longs[] = {
        {"group", 0, 0, 'g'},   {"driver", 1, 0, 'd'},    {"force", 0, 0, 'f'},
        {"persist", 0, 0, 'p'}, {"vfs", 1, 0, 'v'},       {"dry-run", 0, 0, 'n'},
        {"help", 0, 0, 'h'},    {"root", 1, 0, OPT_ROOT}, {0}};
    struct job j = {.what = what, .driver = "vfio-pci", .vfs = -1};
    struct host_choice choice = {0};
    struct weir_error err;
    int c, status = 0;
    uint64_t number;

    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (host_option(&choice, c, optarg))
            continue;
        if (c == 'h') {
            fputs(cmd->usage, stdout);
            return 0;
        }
        if (c == '?')
            return tool_usage_getopt(cmd);
        if ((what != BIND && strchr("dpv", c)) || (what == RESTORE && c == 'f'))
            return tool_usage(cmd, "that option is of weir bind");
        j.group |= c == 'g';
        j.force |= c == 'f';
        j.persist |= c == 'p';
        j.dry |= c == 'n';
        if (c == 'd') {
            if (!*optarg || strlen(optarg) > 60 || strchr(optarg, '/') || *optarg == '.')
                return tool_usage(cmd, "--driver %s: expected the name of a driver", optarg);
            j.driver = optarg;
        }
        if (c == 'v') {
            if (!tool_number(optarg, 0, 65535, &number))
                return tool_usage(cmd, "--vfs %s: expected a number", optarg);
            j.vfs = (int)number;
        }
    }
    if (optind == argc)
        return tool_usage(cmd, "which device? weir groups lists them");
    if (j.vfs >= 0 && j.group)
        return tool_usage(cmd, "--vfs or --group, not both");
    for (int i = optind; i < argc; i++) {
        if (!host_name(cmd, argv[i]))
            return 2;
    }
    j.root = choice.root;
    j.host = host_open(&choice, &err);
    if (!j.host)
        return tool_failed(&err);
    /* A name that is wrong stops it before anything is done. */
    for (int i = optind; i < argc; i++)
        status |= !host_need(j.host, argv[i]);
    for (int i = optind; i < argc && !status; i++) {
        const struct weir_function *f = weir_host_find(j.host, argv[i]);

        if (!f)
            status = 1;
        else if (j.vfs >= 0)
            status = virtual_functions(&j, f);
        else
            status = j.group ? whole_group(&j, f) : one(&j, argv[i]);
    }
    weir_host_free(j.host);
    return status;
}

static int run_bind(int argc, char **argv)
{
    return run(BIND, &command_bind, argc, argv);
}

static int run_unbind(int argc, char **argv)
{
    return run(UNBIND, &command_unbind, argc, argv);
}

static int run_restore(int argc, char **argv)
{
    return run(RESTORE, &command_restore, argc, argv);
}

const struct command command_bind = {
    .name = "bind",
    .summary = "give a device to vfio-pci",
    .usage = bind_usage,
    .run = run_bind,
};

const struct command command_unbind = {
    .name = "unbind",
    .summary = "take a device from its driver",
    .usage = unbind_usage,
    .run = run_unbind,
};

const struct command command_restore = {
    .name = "restore",
    .summary = "give a device back to the driver it had",
    .usage = restore_usage,
    .run = run_restore,
};
