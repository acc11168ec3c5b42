/* SPDX-License-Identifier: BSD-3-Clause */
/* What weir bind keeps of a device: what it was, for weir restore, and what the next boots are to
 * do. */
#include "bind.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what a device was ---- */

static void make_folders(char *file)
{
    for (char *s = file + 1; (s = strchr(s, '/')); s++) {
        *s = '\0';
        mkdir(file, 0755);
        *s = '/';
    }
}

int bind_remember(const struct job *j, const struct weir_function *f)
{
    char path[128], file[512];
    FILE *out;

    snprintf(path, sizeof path, BIND_STATE "/%s", f->name);
    if (j->dry)
        return 0;
    make_folders((char *)bind_full(j, path, file));
    if (access(file, F_OK) == 0)
        return 0;
    out = fopen(file, "wxe");
    if (!out)
        return -errno;
    fprintf(out, "driver=%s\noverride=%s\n", f->driver, f->driver_override);
    return fclose(out) ? -errno : 0;
}

bool bind_recall(const struct job *j, const struct weir_function *f, struct state *s)
{
    char path[128], file[512], line[160];
    FILE *in;

    *s = (struct state){0};
    snprintf(path, sizeof path, BIND_STATE "/%s", f->name);
    in = fopen(bind_full(j, path, file), "re");
    if (!in)
        return false;
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = '\0';
        if (!strncmp(line, "driver=", 7))
            snprintf(s->driver, sizeof s->driver, "%.63s", line + 7);
        if (!strncmp(line, "override=", 9))
            snprintf(s->override, sizeof s->override, "%.63s", line + 9);
    }
    fclose(in);
    return !strchr(s->driver, '/');
}

void bind_forget(const struct job *j, const char *name)
{
    char path[128], file[512];

    snprintf(path, sizeof path, BIND_STATE "/%s", name);
    if (!j->dry)
        unlink(bind_full(j, path, file));
}

/* ---- for the next boots ---- */

/* Where it is written: the file in which driverctl keeps what it has to do at boot, or a rule for
 * udev. driverctl itself is not called: it takes the device from its driver each time. */
static const char *kept_path(const struct weir_function *f, bool driverctl, char out[128])
{
    snprintf(out, 128, driverctl ? "/etc/driverctl.d/pci-%s" : "/etc/udev/rules.d/70-weir-%s.rules",
             f->name);
    return out;
}

int bind_persist(const struct job *j, const struct weir_function *f)
{
    bool driverctl =
        bind_there(j, "/usr/sbin/%s", "driverctl") || bind_there(j, "/sbin/%s", "driverctl");
    char path[128], file[512];
    FILE *out;

    bind_full(j, kept_path(f, driverctl, path), file);
    printf("%s: persistent by %s %s\n", f->name, driverctl ? "driverctl's" : "the udev rule", file);
    if (j->dry)
        return 0;
    make_folders(file);
    out = fopen(file, "we");
    if (!out)
        return -errno;
    if (driverctl)
        fprintf(out, "%s\n", j->driver);
    else
        fprintf(
            out,
            "# written by weir bind --persist; weir restore %s removes it\n"
            "ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"%s\", ATTR{driver_override}=\"%s\", "
            "RUN{builtin}+=\"kmod load %s\"\n",
            f->name, f->name, j->driver, j->driver);
    return fclose(out) ? -errno : 0;
}

bool bind_persistent(const struct job *j, const struct weir_function *f, bool goes)
{
    char path[128], file[512];
    bool found = false;

    for (unsigned i = 0; i < 2; i++) {
        if (!bind_there(j, "%s", kept_path(f, i, path)))
            continue;
        found = true;
        if (!goes)
            continue;
        printf("%s: %s goes\n", f->name, bind_full(j, path, file));
        if (!j->dry)
            unlink(file);
    }
    return found;
}
