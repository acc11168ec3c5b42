/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake kernel's paths and descriptors: everything that the library calls in libc. */
#include "fake_vfio.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

struct fake fake;

static struct fake_file files[64];

/* Failures that a test asked for. */
static struct {
    unsigned long request;
    int err;
    unsigned skip;
} failing;
static struct {
    char path[64];
    int err;
} refused;
static struct {
    bool on, hit;
    unsigned left;
    int err;
} counting;
static unsigned inside; /* the fake itself is at work: nothing fails, nothing is counted */

/* Parts of the address space that the library took: reservations and mapped registers. */
static struct area {
    uint64_t first, end;
    bool device;
} areas[256];
static unsigned n_areas;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
FILE *__real_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);
int __real_access(const char *path, int mode);
int __wrap_access(const char *path, int mode);
ssize_t __real_readlink(const char *path, char *out, size_t size);
ssize_t __wrap_readlink(const char *path, char *out, size_t size);
DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
int __real_close(int fd);
int __wrap_close(int fd);
int __real_dup3(int fd, int at, int flags);
int __wrap_dup3(int fd, int at, int flags);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
void *__real_mmap64(void *va, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_mmap64(void *va, size_t len, int prot, int flags, int fd, off_t off);
int __real_munmap(void *va, size_t len);
int __wrap_munmap(void *va, size_t len);
ssize_t __real_pread64(int fd, void *buf, size_t len, off_t off);
ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t off);
ssize_t __real_pwrite64(int fd, const void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off);
int __real_fcntl64(int fd, int cmd, int arg);
int __wrap_fcntl64(int fd, int cmd, int arg);
int __real_eventfd(unsigned value, int flags);
int __wrap_eventfd(unsigned value, int flags);
int __real_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags);
int __real_epoll_ctl(int epoll, int op, int fd, struct epoll_event *ev);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *ev);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
int __real_getrlimit64(int resource, struct rlimit *out);
int __wrap_getrlimit64(int resource, struct rlimit *out);
int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

/* ---- failures ---- */

void fake_fail(unsigned long request, int err, unsigned skip)
{
    failing.request = request;
    failing.err = err;
    failing.skip = skip;
}

void fake_refuse(const char *path, int err)
{
    snprintf(refused.path, sizeof(refused.path), "%s", path);
    refused.err = err;
}

void fake_fail_call(unsigned k, int err)
{
    counting.on = true;
    counting.hit = false;
    counting.left = k;
    counting.err = err;
}

bool fake_fail_end(void)
{
    counting.on = false;
    return counting.hit;
}

/* Is it the call's turn? Sets errno. */
static bool turn(void)
{
    if (!counting.on || inside || counting.hit || counting.left--)
        return false;
    counting.hit = true;
    errno = counting.err;
    return true;
}

/* ---- paths ---- */

/* Where a path of the machine's lies; the path itself if it is the real one's. */
static const char *where(const char *path, char out[PATH_MAX])
{
    static const char *const played[] = {"/sys/bus/pci/", "/sys/kernel/iommu_groups/",
                                         "/sys/module/"};
    bool ours = false;

    for (unsigned i = 0; i < sizeof(played) / sizeof(played[0]); i++)
        ours |= strncmp(path, played[i], strlen(played[i])) == 0;
    snprintf(out, PATH_MAX, "%s%s", fake.root, path);
    /* Of /proc what the test made, if it made any. */
    if (*fake.root && strncmp(path, "/proc", 5) == 0)
        ours = faccessat(AT_FDCWD, out, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    return ours ? out : path;
}

/* 0: the file of the fake kernel is there and may be opened; -1 with errno; 1: none of its. */
static int device_file(const char *path, struct fake_group **g, struct fake_function **f)
{
    int number;
    char name[16], end;
    bool no_iommu = sscanf(path, "/dev/vfio/noiommu-%d%c", &number, &end) == 1;

    *g = NULL;
    *f = NULL;
    errno = refused.err;
    if (refused.err && strcmp(path, refused.path) == 0)
        return -1;
    errno = ENOENT;
    if (strcmp(path, "/dev/vfio/vfio") == 0)
        return 0;
    if (strcmp(path, "/dev/iommu") == 0)
        return fake.iommufd ? 0 : -1;
    if (strcmp(path, "/dev/vfio/devices") == 0)
        return fake.cdevs ? 0 : -1;
    if (sscanf(path, "/dev/vfio/devices/%15s", name) == 1) {
        for (unsigned i = 0; i < fake.n_functions; i++)
            if (strcmp(fake.functions[i].cdev, name) == 0)
                *f = &fake.functions[i];
        return *f ? 0 : -1;
    }
    if (no_iommu || sscanf(path, "/dev/vfio/%d%c", &number, &end) == 1) {
        for (unsigned i = 0; i < fake.n_functions; i++)
            if (number >= 0 && fake.functions[i].group == number &&
                strstr(fake.functions[i].driver, "vfio"))
                *g = fake_group(number);
        return *g && (*g)->no_iommu == no_iommu ? 0 : -1;
    }
    return strncmp(path, "/dev/vfio", 9) ? 1 : -1;
}

struct fake_file *fake_file_of(int fd)
{
    for (unsigned i = 0; fd > 0 && i < sizeof(files) / sizeof(files[0]); i++)
        if (files[i].fd == fd)
            return &files[i];
    return NULL;
}

int fake_file_new(enum fake_kind kind, unsigned index, int memory, bool cloexec)
{
    int fd = memory >= 0 ? __real_fcntl64(memory, cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, 0)
                         : __real_eventfd(0, cloexec ? 0x80000 : 0);

    assert_true(fd > 0);
    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i].fd)
            continue;
        files[i] = (struct fake_file){.fd = fd, .kind = kind, .index = index};
        return fd;
    }
    fail_msg("more files are open than there is room for");
    return -1;
}

static int open_space(struct fake_space *spaces, unsigned n, enum fake_kind kind)
{
    for (unsigned i = 0; i < n; i++) {
        if (spaces[i].used)
            continue;
        spaces[i] = (struct fake_space){.used = true};
        return fake_file_new(kind, i, -1, true);
    }
    errno = ENOMEM;
    return -1;
}

/* vfio_group_fops_open(). */
static int open_group(struct fake_group *g)
{
    int fd;

    errno = EPERM;
    if (g->no_iommu && fake.euid)
        return -1;
    errno = EBUSY;
    if (g->elsewhere || g->file >= 0 || g->cdevs)
        return -1;
    fd = fake_file_new(FAKE_GROUP, (unsigned)(g - fake.groups), -1, true);
    g->file = fd;
    return fd;
}

static int open_cdev(struct fake_function *f)
{
    int fd = fake_file_new(FAKE_DEVICE, (unsigned)(f - fake.functions), f->memory, true);

    fake_file_of(fd)->cdev = true;
    return fd;
}

int __wrap_open(const char *path, int flags, ...)
{
    char at[PATH_MAX];
    struct fake_group *g;
    struct fake_function *f;
    int r;

    if (inside)
        return __real_open(path, flags, 0);
    r = device_file(path, &g, &f);
    if (turn())
        return -1;
    if (r > 0)
        return __real_open(where(path, at), flags, 0);
    if (r < 0)
        return -1;
    assert_int_equal(flags, O_RDWR | O_CLOEXEC);
    if (g)
        return open_group(g);
    if (f)
        return open_cdev(f);
    return strcmp(path, "/dev/iommu") == 0 ? open_space(fake.iommufds, 4, FAKE_IOMMUFD)
                                           : open_space(fake.containers, 4, FAKE_CONTAINER);
}

/* The name that open() has where off_t was made 64 bits wide; so it is for others here. */
int __wrap_open64(const char *path, int flags, ...)
{
    return __wrap_open(path, flags);
}

FILE *__wrap_fopen64(const char *path, const char *mode)
{
    char at[PATH_MAX];

    return turn() ? NULL : __real_fopen64(where(path, at), mode);
}

int __wrap_access(const char *path, int mode)
{
    char at[PATH_MAX];
    struct fake_group *g;
    struct fake_function *f;
    int r = device_file(path, &g, &f);

    if (turn())
        return -1;
    return r > 0 ? __real_access(where(path, at), mode) : r;
}

ssize_t __wrap_readlink(const char *path, char *out, size_t size)
{
    char at[PATH_MAX];

    return turn() ? -1 : __real_readlink(where(path, at), out, size);
}

DIR *__wrap_opendir(const char *path)
{
    char at[PATH_MAX];

    return turn() ? NULL : __real_opendir(where(path, at));
}

/* ---- descriptors ---- */

/* What the kernel does when the last descriptor of a file goes. */
static void gone(int fd)
{
    struct fake_file *file = fake_file_of(fd);
    struct fake_file was;

    if (!file)
        return;
    was = *file;
    *file = (struct fake_file){0};
    switch (was.kind) {
    case FAKE_CONTAINER:
        /* The groups in it keep it alive; the library closes them first. */
        for (unsigned i = 0; i < fake.n_groups; i++)
            assert_int_not_equal(fake.groups[i].container, (int)was.index);
        fake.containers[was.index].used = false;
        break;
    case FAKE_GROUP:
        fake_group_close(&fake.groups[was.index]);
        break;
    case FAKE_IOMMUFD:
        fake_iommufd_close(&fake.iommufds[was.index]);
        break;
    case FAKE_DEVICE:
        fake_device_close(&was);
        break;
    }
}

int __wrap_close(int fd)
{
    gone(fd);
    return __real_close(fd);
}

/* The one at fd is closed next, so it moves. */
int __wrap_dup3(int fd, int at, int flags)
{
    struct fake_file *file;

    gone(at);
    file = fake_file_of(fd);
    if (file)
        file->fd = at;
    return __real_dup3(fd, at, flags);
}

static int dispatch(struct fake_file *file, unsigned long request, void *arg)
{
    switch (file->kind) {
    case FAKE_CONTAINER:
        return fake_container_ioctl(&fake.containers[file->index], request, arg);
    case FAKE_GROUP:
        return fake_group_ioctl(&fake.groups[file->index], request, arg);
    case FAKE_IOMMUFD:
        return fake_iommufd_ioctl(&fake.iommufds[file->index], request, arg);
    default:
        return fake_device_ioctl(file, request, arg);
    }
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    struct fake_file *file = fake_file_of(fd);
    va_list ap;
    void *arg;
    int r;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (!file)
        return __real_ioctl(fd, request, arg);
    if (turn())
        return -1;
    if (failing.request == request && (!failing.skip || failing.skip-- == 0)) {
        errno = failing.err;
        return -1;
    }
    inside++;
    r = dispatch(file, request, arg);
    if (fake.tamper)
        r = fake.tamper(request, arg, r);
    inside--;
    if (r >= 0)
        return r;
    errno = -r;
    return -1;
}

/* A read or write of a device's descriptor: is it refused? */
static bool refuses_access(int fd, size_t len, struct fake_file **file)
{
    *file = fake_file_of(fd);
    if (turn())
        return true;
    fake.access_len = len;
    if (!*file)
        return false;
    errno = (*file)->kind == FAKE_DEVICE && (*file)->works ? fake.io_err : EINVAL;
    return errno != 0;
}

ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t off)
{
    const uint64_t ids = FAKE_OFFSET(WEIR_REGION_CONFIG);
    const struct fake_function *f;
    struct fake_file *file;
    ssize_t n;

    if (refuses_access(fd, len, &file))
        return -1;
    len -= file && fake.io_short;
    n = (ssize_t)len;
    if (!file)
        return __real_pread64(fd, buf, len, off);
    f = &fake.functions[file->index];
    if (f->gone)
        memset(buf, 0xff, len);
    else
        n = __real_pread64(fd, buf, len, off);
    /* The ids are the kernel's own memory (vfio_pci_config.c, init_pci_cap_basic_perm()). */
    for (size_t i = 0; i < len && (uint64_t)off + i < ids + sizeof(f->ids); i++)
        if ((uint64_t)off + i >= ids)
            ((uint8_t *)buf)[i] = (uint8_t)(f->ids >> 8 * ((uint64_t)off + i - ids));
    return n;
}

ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off)
{
    struct fake_file *file;

    if (refuses_access(fd, len, &file))
        return -1;
    len -= file && fake.io_short;
    if (file && fake.functions[file->index].gone)
        return (ssize_t)len;
    return __real_pwrite64(fd, buf, len, off);
}

int __wrap_fcntl64(int fd, int cmd, int arg)
{
    return cmd == F_DUPFD_CLOEXEC && turn() ? -1 : __real_fcntl64(fd, cmd, arg);
}

int __wrap_eventfd(unsigned value, int flags)
{
    return turn() ? -1 : __real_eventfd(value, flags);
}

int __wrap_timerfd_create(int clock, int flags)
{
    return turn() ? -1 : __real_timerfd_create(clock, flags);
}

int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *ev)
{
    return op == EPOLL_CTL_ADD && turn() ? -1 : __real_epoll_ctl(epoll, op, fd, ev);
}

/* ---- memory ---- */

void *__wrap_calloc(size_t n, size_t size)
{
    return turn() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return turn() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *text)
{
    return turn() ? NULL : __real_strdup(text);
}

static void area_add(uint64_t first, uint64_t end, bool device)
{
    if (n_areas == sizeof(areas) / sizeof(areas[0]))
        fail_msg("more is mapped than there is room for");
    areas[n_areas++] = (struct area){first, end, device};
}

/* [first, end) is something else now: only the mapped registers of it, or all. */
static void area_cut(uint64_t first, uint64_t end, bool all)
{
    for (unsigned i = n_areas; i-- > 0;) {
        struct area a = areas[i];

        if (a.end <= first || a.first >= end || !(all || a.device))
            continue;
        areas[i] = areas[--n_areas];
        if (a.first < first)
            area_add(a.first, first, a.device);
        if (a.end > end)
            area_add(end, a.end, a.device);
    }
}

static bool area_reserved(uint64_t first, uint64_t end)
{
    for (unsigned i = 0; i < n_areas; i++)
        if (!areas[i].device && areas[i].first <= first && areas[i].end >= end)
            return true;
    return false;
}

/* vfio_pci_core_mmap(): of what regions the kernel lets be mapped. */
static bool mappable(const struct fake_function *f, uint64_t off, uint64_t len)
{
    uint64_t index = off >> 40;
    const struct fake_region *r = &f->regions[index % WEIR_N_REGIONS];

    off &= FAKE_OFFSET(1) - 1;
    if (index > WEIR_REGION_BAR5 || !(r->flags & VFIO_REGION_INFO_FLAG_MMAP) || off > r->size ||
        len > r->size - off)
        return false;
    if (fake.maps_anything)
        return true;
    for (unsigned i = 0; i < r->n_areas; i++)
        if (off >= r->areas[i].offset && off + len <= r->areas[i].offset + r->areas[i].size)
            return true;
    return r->n_areas == 0;
}

void *__wrap_mmap64(void *va, size_t len, int prot, int flags, int fd, off_t off)
{
    struct fake_file *file = fake_file_of(fd);
    uint64_t first = (uintptr_t)va;
    void *p;

    if (turn())
        return MAP_FAILED;
    /* Nothing of the library's may go over what is not its own. */
    if (flags & MAP_FIXED && !area_reserved(first, first + len))
        fail_msg("MAP_FIXED over what was not reserved: %p, %zu bytes", va, len);
    if (file && (file->kind != FAKE_DEVICE || !file->works ||
                 !mappable(&fake.functions[file->index], (uint64_t)off, len))) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    p = __real_mmap64(va, len, prot, flags, fd, off);
    if (p == MAP_FAILED)
        return p;
    first = (uintptr_t)p;
    if (flags & MAP_FIXED)
        area_cut(first, first + len, false);
    if (file || !(flags & MAP_FIXED))
        area_add(first, first + len, file != NULL);
    return p;
}

int __wrap_munmap(void *va, size_t len)
{
    area_cut((uintptr_t)va, (uintptr_t)va + len, true);
    return __real_munmap(va, len);
}

int fake_check_memory(const struct fake_space *s, uint64_t va, uint64_t len)
{
    uint64_t locked = fake.locked;

    /* msync() answers ENOMEM for what is not mapped at all. */
    if (msync((void *)(uintptr_t)va, (size_t)len, MS_ASYNC))
        return EFAULT;
    for (unsigned i = 0; i < s->n_maps; i++)
        locked += s->maps[i].size;
    return fake.euid && locked + len > fake.memlock ? ENOMEM : 0;
}

/* ---- the process and the clock ---- */

int __wrap_getrlimit64(int resource, struct rlimit *out)
{
    if (resource != RLIMIT_MEMLOCK)
        return __real_getrlimit64(resource, out);
    *out = (struct rlimit){fake.memlock, fake.memlock};
    return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    int r = __real_clock_gettime(clock, out);

    out->tv_sec += (time_t)(fake.later_ns / 1000000000u);
    return r;
}

/* ---- counting ---- */

unsigned fake_open_files(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        n += files[i].fd != 0;
    return n;
}

unsigned fake_open_maps(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < n_areas; i++)
        n += areas[i].device;
    return n;
}

unsigned fake_reservations(void)
{
    return n_areas;
}
