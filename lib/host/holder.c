/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/host/holder.h"
#include "lib/host/function.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has_open(const char *proc, const char *pid, const char *path, int own)
{
    char dir[PATH_MAX], link[PATH_MAX + 300], target[PATH_MAX];
    struct dirent *entry;
    bool found = false;
    DIR *fds;

    snprintf(dir, sizeof(dir), "%s/%s/fd", proc, pid);
    fds = opendir(dir);
    while (fds && !found && (entry = readdir(fds))) {
        ssize_t n;

        if (own >= 0 && atoi(entry->d_name) == own)
            continue;
        snprintf(link, sizeof(link), "%s/%s", dir, entry->d_name);
        n = readlink(link, target, sizeof(target) - 1);
        target[n < 0 ? 0 : n] = '\0';
        found = strcmp(target, path) == 0;
    }
    if (fds)
        closedir(fds);
    return found;
}

const char *weir_file_holder(const char *proc, const char *path, int own, char *out, size_t size)
{
    DIR *dir = opendir(proc);
    struct dirent *entry;
    char pid[16];

    *out = '\0';
    while (dir && !*out && (entry = readdir(dir))) {
        char name[64], shown[64];
        int n;

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || atoi(entry->d_name) == getpid() ||
            !has_open(proc, entry->d_name, path, -1))
            continue;
        n = weir_sysfs_text(name, sizeof(name), "%s/%s/comm", proc, entry->d_name);
        weir_printable(shown, sizeof(shown), name, n < 0 ? 0 : (size_t)n);
        snprintf(out, size, "process %s (%s)", entry->d_name, shown);
    }
    if (dir)
        closedir(dir);
    /* This process last: whoever is refused may have it open in vain, too. */
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    if (!*out && has_open(proc, pid, path, own))
        snprintf(out, size, "this process");
    return out;
}
