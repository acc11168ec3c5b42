/* SPDX-License-Identifier: BSD-3-Clause */
/* What guest programs share: the devices of the case, by the interface of the case, and the
 * kernel's log. */
#ifndef TESTS_VM_GUEST_VM_H
#define TESTS_VM_GUEST_VM_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weir/weir.h>

/* Fails with the library's words. */
#define must(call, e)                                                                              \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s: %s; %s", (e)->code, (e)->what, (e)->why, (e)->fix);                  \
    } while (0)
#define must_ptr(p, e) must(!(p), e)

/* "0000:01:00.0", number n of $VFIO. */
static inline const char *vm_address(unsigned n)
{
    static char address[4][16];
    char words[128], *rest = words, *word;

    snprintf(words, sizeof(words), "%s", getenv("VFIO"));
    for (unsigned i = 0; (word = strsep(&rest, " ")); i++)
        if (i == n) {
            snprintf(address[n], sizeof(address[n]), "%s", word);
            return address[n];
        }
    fail_msg("the case has no device number %u: VFIO=%s", n, getenv("VFIO"));
    return "";
}

/* "0000:01:00.0?iommu=type1", by $API. */
static inline const char *vm_device(unsigned n)
{
    static char name[4][40];
    const char *api = getenv("API");

    snprintf(name[n], sizeof(name[n]), "%s?iommu=%s", vm_address(n), api ? api : "auto");
    return name[n];
}

static inline int vm_group(const char *address)
{
    char path[64], link[128];
    ssize_t n;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
    n = readlink(path, link, sizeof(link) - 1);
    assert_true(n > 0);
    link[n] = '\0';
    return atoi(strrchr(link, '/') + 1);
}

static inline bool vm_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return ok;
}

static inline struct weir *vm_instance(void)
{
    struct weir_options o = {
        .size = sizeof(o), .log = weir_log_stdio, .log_level = WEIR_LOG_WARNING};
    struct weir_error e;
    struct weir *w = weir_new(&o, &e);

    must_ptr(w, &e);
    must(weir_register_builtin(w, &e), &e);
    return w;
}

static inline unsigned vm_open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* A descriptor that reads what the kernel logs from now on. */
static inline int vm_log_open(void)
{
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

    assert_true(fd >= 0);
    lseek(fd, 0, SEEK_END);
    return fd;
}

/* Does any of the lines since then have the text? Reads them all. */
static inline bool vm_log_has(int fd, const char *text)
{
    bool found = false;
    char line[2048];
    ssize_t n;

    while ((n = read(fd, line, sizeof(line) - 1)) > 0) {
        line[n] = '\0';
        if (strstr(line, text)) {
            fprintf(stderr, "# %s", line);
            found = true;
        }
    }
    return found;
}

static inline double vm_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#endif
