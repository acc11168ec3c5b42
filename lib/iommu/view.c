/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading what a space published: of this process or another, neither of which is believed. */
#include "lib/iommu/publish.h"
#include "lib/iommu/backend.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/error.h>

#define TRIES 100

static bool read_at(int fd, void *out, size_t len, uint64_t at)
{
    uint8_t *p = out;

    while (len) {
        ssize_t n = pread(fd, p, len, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return true;
}

static bool header_ok(const struct weir_publish_header *h, uint64_t size)
{
    if (memcmp(h->magic, WEIR_PUBLISH_MAGIC, sizeof(h->magic)) != 0 ||
        h->n_slots > WEIR_PUBLISH_SLOTS || h->n_ranges > WEIR_PUBLISH_RANGES || !h->page_sizes ||
        h->n_slots > (size - sizeof(*h)) / sizeof(struct weir_publish_slot))
        return false;
    for (uint32_t i = 0; i < h->n_ranges; i++) {
        if (h->ranges[i].first > h->ranges[i].last)
            return false;
    }
    return true;
}

/* As it was at one time. 0, -EAGAIN, -EINVAL, -ENOMEM. */
static int snapshot(int fd, struct weir_publish_header *h, struct weir_publish_slot **slots)
{
    struct stat st;

    *slots = NULL;
    for (unsigned i = 0; i < TRIES; i++) {
        uint32_t seq;

        if (fstat(fd, &st) || st.st_size < (off_t)sizeof(*h) || !read_at(fd, h, sizeof(*h), 0))
            return -EINVAL;
        if (!(h->seq & 1)) {
            if (!header_ok(h, (uint64_t)st.st_size))
                return -EINVAL;
            free(*slots);
            *slots = calloc(h->n_slots + 1, sizeof(**slots));
            if (!*slots)
                return -ENOMEM;
            if (!read_at(fd, *slots, h->n_slots * sizeof(**slots), sizeof(*h)) ||
                !read_at(fd, &seq, sizeof(seq), offsetof(struct weir_publish_header, seq)))
                return -EINVAL;
            if (seq == h->seq)
                return 0;
        }
        sched_yield();
    }
    return -EAGAIN;
}

static bool slot_ok(const struct weir_publish_slot *s)
{
    return s->len - 1 <= UINT64_MAX - s->iova && s->len - 1 <= UINT64_MAX - s->va && s->prot &&
           s->prot <= WEIR_PROT_RW && !(s->page & (s->page - 1));
}

static int by_iova(const void *a, const void *b)
{
    const struct weir_space_mapping *x = a, *y = b;

    return x->iova.addr < y->iova.addr ? -1 : x->iova.addr > y->iova.addr;
}

static struct weir_space_view *make_view(const struct weir_publish_header *h,
                                         const struct weir_publish_slot *slots)
{
    size_t ranges = h->n_ranges * sizeof(h->ranges[0]);
    struct weir_space_view *v =
        calloc(1, sizeof(*v) + ranges + h->n_slots * sizeof(struct weir_space_mapping));
    struct weir_iova_range *r;
    struct weir_space_mapping *m;

    if (!v)
        return NULL;
    r = (struct weir_iova_range *)(v + 1);
    m = (struct weir_space_mapping *)(void *)((uint8_t *)r + ranges);
    memcpy(r, h->ranges, ranges);
    weir_printable(v->kind, sizeof(v->kind), h->kind, strnlen(h->kind, sizeof(h->kind)));
    v->page_sizes = h->page_sizes;
    v->max_maps = h->max_maps;
    v->made = h->made;
    v->removed = h->removed;
    v->devices = h->devices;
    v->ranges = r;
    v->n_ranges = h->n_ranges;
    v->mappings = m;
    for (uint32_t i = 0; i < h->n_slots; i++) {
        const struct weir_publish_slot *s = &slots[i];

        if (!s->len)
            continue;
        if (!slot_ok(s)) {
            free(v);
            errno = EINVAL;
            return NULL;
        }
        m[v->n_mappings] = (struct weir_space_mapping){.iova = weir_iova(s->iova),
                                                       .len = s->len,
                                                       .va = s->va,
                                                       .page = s->page,
                                                       .prot = s->prot};
        weir_printable(m[v->n_mappings++].name, sizeof(m->name), s->name,
                       strnlen(s->name, sizeof(s->name)));
        v->bytes += s->len;
    }
    qsort(m, v->n_mappings, sizeof(*m), by_iova);
    return v;
}

struct weir_space_view *weir_space_view_fd(int fd, struct weir_error *e)
{
    struct weir_publish_header h;
    struct weir_publish_slot *slots;
    struct weir_space_view *v = NULL;
    int r = snapshot(fd, &h, &slots);

    if (r == 0) {
        errno = ENOMEM;
        v = make_view(&h, slots);
        r = v ? 0 : -errno;
    }
    free(slots);
    if (r < 0)
        weir_fail(e, r,
                  r == -EAGAIN   ? "space-view-busy"
                  : r == -EINVAL ? "space-view"
                                 : "no-memory",
                  "read what a space holds\n%s",
                  r == -EAGAIN   ? "it changes all the time\nagain in a moment"
                  : r == -EINVAL ? "the file does not have the form that this version of Weir "
                                   "knows\nuse the version that the application has"
                                 : "out of memory");
    return v;
}

void weir_space_view_free(struct weir_space_view *v)
{
    free(v);
}

/* The lowest descriptor above after that is such a file, or -1. */
static int next_fd(DIR *dir, int after)
{
    const char want[] = "/memfd:" WEIR_PUBLISH_NAME " (deleted)";
    int best = -1;
    struct dirent *d;

    while ((d = readdir(dir))) {
        char target[sizeof(want) + 1];
        char *end;
        long n = strtol(d->d_name, &end, 10);
        ssize_t len;

        if (end == d->d_name || *end || n <= after || n > INT32_MAX || (best >= 0 && n > best))
            continue;
        len = readlinkat(dirfd(dir), d->d_name, target, sizeof(target));
        if (len == sizeof(want) - 1 && memcmp(target, want, sizeof(want) - 1) == 0)
            best = (int)n;
    }
    return best;
}

int weir_space_view_next(int pid, int *fd, struct weir_space_view **out, struct weir_error *e)
{
    char path[48];
    DIR *dir;
    int file;

    *out = NULL;
    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    dir = opendir(path);
    if (!dir)
        return weir_fail(e, -errno, "space-view-process",
                         "look for the spaces of process %d\n%s: %s\n%s", pid, path,
                         strerror(errno),
                         errno == ENOENT ? "there is no such process: pgrep -a NAME"
                                         : "do it as the user whose process it is, or as root");
    *fd = next_fd(dir, *fd);
    if (*fd < 0) {
        closedir(dir);
        return 0;
    }
    snprintf(path, sizeof(path), "%d", *fd);
    file = openat(dirfd(dir), path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        weir_fail(e, -errno, "space-view-process",
                  "read a space of process %d\n/proc/%d/fd/%s: %s\n"
                  "do it as the user whose process it is, or as root",
                  pid, pid, path, strerror(errno));
    closedir(dir);
    if (file >= 0) {
        *out = weir_space_view_fd(file, e);
        close(file);
    }
    return 1;
}
