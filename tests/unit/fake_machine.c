/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake kernel's machine, as sysfs shows it, and what tests use in common. */
#include "fake_vfio.h"

#include <ctype.h>
#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* These are not the library's calls. */
FILE *__real_fopen64(const char *path, const char *mode);
DIR *__real_opendir(const char *path);
int __real_close(int fd);
void *__real_mmap64(void *va, size_t len, int prot, int flags, int fd, off_t off);
int __real_munmap(void *va, size_t len);

char fake_log[1024];

/* ---- the machine's files ---- */

static void make_folders(char *path)
{
    for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(path, 0755);
        *p = '/';
    }
}

void fake_file(const char *path, const char *fmt, ...)
{
    char at[PATH_MAX];
    va_list ap;
    FILE *f;

    snprintf(at, sizeof(at), "%s%s", fake.root, path);
    make_folders(at);
    f = __real_fopen64(at, "w");
    assert_non_null(f);
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fclose(f);
}

void fake_symlink(const char *path, const char *target)
{
    char at[PATH_MAX];

    snprintf(at, sizeof(at), "%s%s", fake.root, path);
    make_folders(at);
    unlink(at);
    assert_int_equal(symlink(target, at), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void fake_remove(const char *path)
{
    char at[PATH_MAX];

    snprintf(at, sizeof(at), "%s%s", fake.root, path);
    nftw(at, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void attribute(const struct fake_function *f, const char *name, const char *value)
{
    char path[128];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", f->address, name);
    fake_file(path, "%s\n", value);
}

void fake_bind(struct fake_function *f, const char *driver)
{
    char path[128], target[64];

    if (driver != f->driver)
        snprintf(f->driver, sizeof(f->driver), "%s", driver ? driver : "");
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", f->address);
    snprintf(target, sizeof(target), "../../../../bus/pci/drivers/%s", f->driver);
    fake_symlink(path, target);
    if (!*f->driver)
        fake_remove(path);
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", f->address);
    fake_remove(path);
    f->cdev[0] = '\0';
    if (!fake.cdevs || !strstr(f->driver, "vfio"))
        return;
    snprintf(f->cdev, sizeof(f->cdev), "vfio%u", (unsigned)(f - fake.functions));
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev/%s/dev", f->address, f->cdev);
    fake_file(path, "511:0\n");
}

static void write_config(const struct fake_function *f)
{
    char path[128], bytes[64];

    snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/config", fake.root, f->address);
    fake_peek((struct fake_function *)(uintptr_t)f, WEIR_REGION_CONFIG, 0, bytes, sizeof(bytes));
    if (f->gone)
        memset(bytes, 0xff, sizeof(bytes));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, sizeof(bytes), 1, file), 1);
    fclose(file);
}

void fake_dead(struct fake_function *f, bool dead)
{
    f->gone = dead;
    write_config(f);
}

void fake_plug(struct fake_function *f)
{
    char path[128], target[64];
    uint16_t ids[2];
    uint32_t class_code;

    fake_peek(f, WEIR_REGION_CONFIG, 0, ids, sizeof(ids));
    fake_peek(f, WEIR_REGION_CONFIG, 8, &class_code, sizeof(class_code));
    snprintf(target, sizeof(target), "0x%04x", ids[0]);
    attribute(f, "vendor", target);
    snprintf(target, sizeof(target), "0x%04x", ids[1]);
    attribute(f, "device", target);
    snprintf(target, sizeof(target), "0x%06x", class_code >> 8);
    attribute(f, "class", target);
    attribute(f, "numa_node", "1");
    write_config(f);
    if (f->group >= 0) {
        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", f->address);
        snprintf(target, sizeof(target), "../../../../kernel/iommu_groups/%d", f->group);
        fake_symlink(path, target);
        snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices/%s", f->group,
                 f->address);
        fake_symlink(path, "/");
    }
    fake_bind(f, "vfio-pci");
}

void fake_unplug(struct fake_function *f)
{
    char path[128];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", f->address);
    fake_remove(path);
    snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices/%s", f->group, f->address);
    fake_remove(path);
    f->driver[0] = f->cdev[0] = '\0';
    f->gone = true;
}

void fake_cdevs(void)
{
    fake.cdevs = true;
    fake.iommufd = true;
    for (unsigned i = 0; i < fake.n_functions; i++)
        fake_bind(&fake.functions[i], fake.functions[i].driver);
}

void fake_no_iommu(int number)
{
    char path[64];

    fake_group(number)->no_iommu = true;
    fake.no_iommu_mode = true;
    snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/name", number);
    fake_file(path, "vfio-noiommu\n");
}

static void write_regions(const struct fake_group *g)
{
    char path[80], text[512] = "";

    for (unsigned i = 0; i < g->n_reserved; i++) {
        size_t at = strlen(text);

        snprintf(text + at, sizeof(text) - at, "0x%016llx 0x%016llx %s\n",
                 (unsigned long long)g->reserved[i].first, (unsigned long long)g->reserved[i].last,
                 g->reserved[i].type);
    }
    snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/reserved_regions", g->number);
    fake_file(path, "%s", text);
}

void fake_reserve(struct fake_group *g, uint64_t first, uint64_t last, const char *type)
{
    g->reserved[g->n_reserved++] = (struct fake_reserved){first, last, type};
    write_regions(g);
}

/* ---- setting up ---- */

unsigned fake_process_files(void)
{
    DIR *dir = __real_opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static unsigned files_before;

int fake_setup(void **state)
{
    (void)state;
    files_before = fake_process_files();
    memset(&fake, 0, sizeof(fake));
    fake.type1v2 = fake.type1 = true;
    fake.entry_limit = 65535;
    fake.memlock = UINT64_MAX;
    snprintf(fake.root, sizeof(fake.root), "/tmp/weir-fake-XXXXXX");
    fake_fail(0, 0, 0);
    fake_refuse("", 0);
    fake_log[0] = '\0';
    return mkdtemp(fake.root) ? 0 : -1;
}

int fake_teardown(void **state)
{
    (void)state;
    fake_remove("");
    fake.root[0] = '\0';
    fake_fail_end();
    for (unsigned i = 0; i < fake.n_functions; i++)
        __real_close(fake.functions[i].memory);
    assert_int_equal(fake_open_files(), 0);
    assert_int_equal(fake_open_maps(), 0);
    assert_int_equal(fake_reservations(), 0);
    assert_int_equal(fake_process_files(), files_before);
    return 0;
}

/* ---- shorthands ---- */

static void keep_log(void *user, enum weir_log_level level, const char *part, const char *text)
{
    (void)user;
    (void)part;
    if (level <= WEIR_LOG_WARNING)
        snprintf(fake_log, sizeof(fake_log), "%s", text);
}

struct weir *fake_weir(void)
{
    struct weir_options opt = {.size = sizeof(opt), .log = keep_log, .log_level = WEIR_LOG_DEBUG};
    struct weir *w = weir_new(&opt, NULL);

    assert_non_null(w);
    return w;
}

void fake_failed(const struct weir_error *e, int err, const char *code)
{
    if (strcmp(e->code ? e->code : "", code) != 0 || e->err != err)
        fail_msg("%d, %s, in place of %d, %s: %s: %s", e->err, e->code, err, code, e->what, e->why);
    assert_true(e->what[0] && e->why[0]);
    for (const char *p = e->what; *p; p++)
        assert_false(iscntrl((unsigned char)*p));
    for (const char *p = e->why; *p; p++)
        assert_false(iscntrl((unsigned char)*p));
}

void fake_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static struct weir_device *open_device(struct weir *w, const char *name, struct weir_space *space,
                                       struct weir_error *e)
{
    struct weir_device_options opt = {.size = sizeof(opt), .space = space};

    return weir_device_open(w, name, &opt, e);
}

struct weir_device *fake_open_device(struct weir *w, const char *name, struct weir_space *space)
{
    struct weir_error e = {0};
    struct weir_device *d = open_device(w, name, space, &e);

    if (!d)
        fail_msg("%s: %s: %s (%s)", e.code, e.what, e.why, e.fix);
    return d;
}

void fake_open_fails(struct weir *w, const char *name, struct weir_space *space, int err,
                     const char *code, struct weir_error *e)
{
    unsigned before = fake_open_files(), maps = fake_open_maps();

    memset(e, 0, sizeof(*e));
    assert_null(open_device(w, name, space, e));
    fake_failed(e, err, code);
    /* It left nothing behind. */
    assert_int_equal(fake_open_files(), before);
    assert_int_equal(fake_open_maps(), maps);
}

struct weir_space *fake_new_space(struct weir *w, enum weir_vfio_api api)
{
    struct weir_space_options opt = {.size = sizeof(opt), .api = api};
    struct weir_error e = {0};
    struct weir_space *s = weir_space_new(w, &opt, &e);

    if (!s)
        fail_msg("%s: %s: %s", e.code, e.what, e.why);
    return s;
}

const struct weir_iova_range fake_usual[2] = {{0, 0xfedfffff}, {0xfef00000, 0xffffffffffff}};
const struct weir_iova_range fake_everything[1] = {{0, UINT64_MAX}};

struct weir_space_info fake_info(const struct weir_space *s)
{
    struct weir_space_info info;

    weir_space_info(s, &info);
    return info;
}

void fake_ranges_are(const struct weir_space *s, const struct weir_iova_range *want, unsigned n)
{
    struct weir_space_info info = fake_info(s);

    assert_int_equal(info.n_ranges, n);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(info.ranges[i].first, want[i].first);
        assert_int_equal(info.ranges[i].last, want[i].last);
    }
}

int fake_map(struct weir_space *s, void *va, size_t len, uint64_t iova, const char *name,
             struct weir_error *e)
{
    struct weir_mem mem = {.va = va, .len = len, .fd = -1, .name = name};

    return weir_space_map(s, &mem, weir_iova(iova), WEIR_PROT_RW, e);
}

void *fake_memory(size_t len)
{
    void *p = __real_mmap64(NULL, len, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_true(p != MAP_FAILED);
    return p;
}

void fake_memory_free(void *va, size_t len)
{
    __real_munmap(va, len);
}

struct weir_event fake_event(struct weir *w, bool wait)
{
    struct pollfd p = {.fd = weir_event_fd(w), .events = POLLIN};
    struct weir_event ev = {.type = (enum weir_event_type) - 1};

    /* A round may do work and have nothing to tell. */
    while (weir_events(w, &ev, 1) == 0 && wait && poll(&p, 1, 10000) == 1)
        ;
    return ev;
}
