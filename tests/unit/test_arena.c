/* SPDX-License-Identifier: BSD-3-Clause */
/* Arenas: ranges, segments, spaces and buffers; and every way in which the kernel can refuse. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/iommu/backend.h"
#include "lib/mem/hugepage.h"
#include "lib/mem/procfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

/* ---- the hugepages that the machine seems to have ---- */

static bool fake_pools;
static uint64_t fake_2m, fake_1g; /* available */

/* ---- the calls that may fail ---- */

/* fail_call fails with fail_errno, after fail_after calls that do not. */
static const char *fail_call;
static int fail_errno;
static unsigned fail_after;

static char memfds[64]; /* pages of the memfds made: "2M 4K " */

static bool fails(const char *call)
{
    if (!fail_call || strcmp(fail_call, call) != 0)
        return false;
    if (fail_after) {
        fail_after--;
        return false;
    }
    errno = fail_errno;
    return true;
}

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
    return fails("realloc") ? NULL : __real_realloc(p, size);
}

int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags)
{
    unsigned shift = flags >> 26;

    assert_int_equal(strncmp(name, "weir-", 5), 0);
    assert_true(flags & MFD_CLOEXEC);
    if (strlen(memfds) < sizeof(memfds) - 4 && strcmp(name, "weir-space") != 0)
        strcat(memfds, !(flags & MFD_HUGETLB) ? "4K " : shift == 21 ? "2M " : "1G ");
    /* Not every machine has the sizes that fake_pools shows. */
    if (fake_pools)
        flags &= MFD_CLOEXEC | MFD_ALLOW_SEALING;
    return fails("memfd_create") ? -1 : __real_memfd_create(name, flags);
}

int __real_ftruncate64(int fd, off_t len);
int __wrap_ftruncate64(int fd, off_t len);
int __wrap_ftruncate64(int fd, off_t len)
{
    return fails("ftruncate") ? -1 : __real_ftruncate64(fd, len);
}

int __real_fcntl64(int fd, int cmd, int arg);
int __wrap_fcntl64(int fd, int cmd, int arg);
int __wrap_fcntl64(int fd, int cmd, int arg)
{
    return fails("fcntl") ? -1 : __real_fcntl64(fd, cmd, arg);
}

void *__real_mmap64(void *va, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_mmap64(void *va, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_mmap64(void *va, size_t len, int prot, int flags, int fd, off_t off)
{
    /* "mmap" is of a file; "reserve" of addresses. */
    return fails(fd >= 0 ? "mmap" : "reserve") ? MAP_FAILED
                                               : __real_mmap64(va, len, prot, flags, fd, off);
}

int __real_madvise(void *va, size_t len, int advice);
int __wrap_madvise(void *va, size_t len, int advice);
int __wrap_madvise(void *va, size_t len, int advice)
{
    return fails("madvise") ? -1 : __real_madvise(va, len, advice);
}

static bool two_nodes; /* the machine seems to have nodes 0 and 1 */

int __real_numa_max_node(void);
int __wrap_numa_max_node(void);
int __wrap_numa_max_node(void)
{
    return two_nodes ? 1 : __real_numa_max_node();
}

long __real_mbind(void *va, unsigned long len, int mode, const unsigned long *mask,
                  unsigned long max, unsigned flags);
long __wrap_mbind(void *va, unsigned long len, int mode, const unsigned long *mask,
                  unsigned long max, unsigned flags);
long __wrap_mbind(void *va, unsigned long len, int mode, const unsigned long *mask,
                  unsigned long max, unsigned flags)
{
    return fails("mbind") ? -1 : __real_mbind(va, len, mode, mask, max, flags);
}

static int fallocate_mode; /* memory policy of the thread in fallocate() */
static unsigned fallocates;
static int fallocate_errno;

int __real_fallocate64(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t off, off_t len)
{
    fallocates++;
    assert_int_equal(get_mempolicy(&fallocate_mode, NULL, 0, NULL, 0), 0);
    if (fallocate_errno) {
        errno = fallocate_errno;
        return -1;
    }
    return __real_fallocate64(fd, mode, off, len);
}

unsigned __real_weir_hugepage_sizes(uint64_t *sizes, unsigned max);
unsigned __wrap_weir_hugepage_sizes(uint64_t *sizes, unsigned max);
unsigned __wrap_weir_hugepage_sizes(uint64_t *sizes, unsigned max)
{
    if (!fake_pools)
        return __real_weir_hugepage_sizes(sizes, max);
    sizes[0] = GIB;
    sizes[1] = 2 * MIB;
    return 2;
}

int __real_weir_hugepage_pool(const char *sysfs, uint64_t page, int node,
                              struct weir_hugepages *out);
int __wrap_weir_hugepage_pool(const char *sysfs, uint64_t page, int node,
                              struct weir_hugepages *out);
int __wrap_weir_hugepage_pool(const char *sysfs, uint64_t page, int node,
                              struct weir_hugepages *out)
{
    uint64_t n = page == GIB ? fake_1g : fake_2m;

    if (!fake_pools)
        return __real_weir_hugepage_pool(sysfs, page, node, out);
    *out = (struct weir_hugepages){
        .page = page, .node = node, .total = n + 3, .free = n + 2, .reserved = 2, .available = n};
    return 0;
}

/* ---- a space that records ---- */

struct fake {
    int map_result; /* what the map call after map_after ones returns */
    int unmap_result;
    unsigned map_after, maps, unmaps;
    struct weir_mem last; /* mapped */
    uint64_t last_iova;
};

static int fake_map(struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova,
                    unsigned prot, struct weir_error *e)
{
    struct fake *f = weir_space_priv(s);

    assert_int_equal(prot, WEIR_PROT_RW);
    if (f->map_result && f->maps >= f->map_after)
        return weir_fail(e, f->map_result, "fake", "map\nno\nnothing");
    f->maps++;
    f->last = *mem;
    f->last_iova = iova.addr;
    return 0;
}

static int fake_unmap(struct weir_space *s, weir_iova_t iova, size_t len, struct weir_error *e)
{
    struct fake *f = weir_space_priv(s);

    (void)iova;
    (void)len;
    f->unmaps++;
    return f->unmap_result ? weir_fail(e, f->unmap_result, "fake", "unmap\nno\nnothing") : 0;
}

static const struct weir_space_ops fake_ops = {
    .kind = "fake", .map = fake_map, .unmap = fake_unmap};

/* ---- */

struct fixture {
    struct weir *w;
    struct weir_space *s, *t;
    struct fake fake_s, fake_t;
    char warning[1024], error[1024];
    unsigned fds, vmas;
};

static void log_to_fixture(void *user, enum weir_log_level level, const char *part,
                           const char *text)
{
    struct fixture *f = user;

    (void)part;
    if (level == WEIR_LOG_ERROR)
        snprintf(f->error, sizeof(f->error), "%s", text);
    if (level == WEIR_LOG_WARNING)
        snprintf(f->warning, sizeof(f->warning), "%s", text);
}

static int not_dot(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static unsigned count_fds(void)
{
    struct dirent **list;
    int n = scandir("/proc/self/fd", &list, not_dot, alphasort);

    assert_true(n > 0);
    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
    return (unsigned)n;
}

/* Mappings of arena segments, and of addresses without access. */
static unsigned count_vmas(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned n = 0;

    while (fgets(line, sizeof(line), f))
        n += strstr(line, "weir-") != NULL;
    fclose(f);
    return n;
}

static struct weir_space *make_space(struct fixture *f, struct fake *fake, uint64_t first,
                                     uint64_t last, uint64_t max_maps)
{
    struct weir_iova_range range = {first, last};

    return weir_space_make(f->w, &fake_ops, fake, 4096, &range, 1, max_maps, NULL);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct weir_options opt = {
        .size = sizeof(opt), .log = log_to_fixture, .log_user = f, .log_level = WEIR_LOG_DEBUG};

    fail_call = NULL;
    fail_after = fallocates = 0;
    fallocate_errno = 0;
    fake_pools = two_nodes = false;
    memfds[0] = '\0';
    f->w = weir_new(&opt, NULL);
    f->s = make_space(f, &f->fake_s, 0, UINT64_MAX, UINT64_MAX);
    f->t = make_space(f, &f->fake_t, 0, UINT64_MAX, UINT64_MAX);
    f->fds = count_fds();
    f->vmas = count_vmas();
    *state = f;
    return f->s && f->t ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    weir_free(f->w);
    if (count_vmas() != f->vmas)
        return -1;
    free(f);
    return 0;
}

static struct weir_arena_options options(uint64_t bytes)
{
    return (struct weir_arena_options){.size = sizeof(struct weir_arena_options),
                                       .name = "test",
                                       .bytes = bytes,
                                       .page = weir_base_page(),
                                       .node = WEIR_ANY_NODE};
}

static struct weir_arena_info info_of(const struct weir_arena *a)
{
    struct weir_arena_info info;

    weir_arena_info(a, &info);
    return info;
}

static void contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void failed(int r, const struct weir_error *e, int err, const char *code)
{
    if (r != err || strcmp(e->code, code) != 0)
        fail_msg("%d %s instead of %d %s: %s: %s", r, e->code, err, code, e->what, e->why);
    assert_int_equal(e->err, err);
    assert_true(e->what[0] && e->why[0]);
}

/* Making an arena fails this way and leaves nothing behind. */
static void refused(struct fixture *f, const struct weir_arena_options *opt, int err,
                    const char *code, struct weir_error *e)
{
    unsigned fds = count_fds(), vmas = count_vmas();

    memset(e, 0, sizeof(*e));
    e->code = "";
    assert_null(weir_arena_new(f->w, opt, e));
    failed(e->err, e, err, code);
    assert_int_equal(count_fds(), fds);
    assert_int_equal(count_vmas(), vmas);
}

static void test_options(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_error e;
    struct weir *other = weir_new(NULL, NULL);
    struct weir_space *foreign = weir_space_software(other, NULL), *none = NULL;

    opt.size--;
    refused(f, &opt, -EINVAL, "options-size", &e);
    opt = options(0);
    refused(f, &opt, -EINVAL, "arena-size", &e);
    opt = options(MIB);
    opt.max_bytes = MIB - 1;
    refused(f, &opt, -EINVAL, "arena-size", &e);
    opt.max_bytes = UINT64_MAX;
    refused(f, &opt, -EINVAL, "arena-size", &e);
    opt = options(UINT64_MAX);
    refused(f, &opt, -EINVAL, "arena-size", &e);
    opt.page = 0;
    refused(f, &opt, -EINVAL, "arena-size", &e);
    opt = options((uint64_t)1 << 62); /* no address space has that */
    opt.iova_bits = 64;
    refused(f, &opt, -ENOMEM, "arena-addresses", &e);
    opt = options(MIB);
    opt.page = 12345;
    refused(f, &opt, -EINVAL, "arena-page", &e);
    contains(e.fix, "4 KiB");
    opt = options(MIB);
    opt.iova_bits = 65;
    refused(f, &opt, -EINVAL, "arena-iova-bits", &e);
    opt = options(MIB);
    opt.node = WEIR_NODE(1000);
    refused(f, &opt, -EINVAL, "arena-node", &e);
    opt.node = -2;
    refused(f, &opt, -EINVAL, "arena-node", &e);
    opt = options(MIB);
    opt.n_spaces = 1;
    refused(f, &opt, -EINVAL, "arena-instance", &e);
    opt.spaces = &none;
    refused(f, &opt, -EINVAL, "arena-instance", &e);
    opt.spaces = &foreign;
    refused(f, &opt, -EINVAL, "arena-instance", &e);
    assert_null(weir_arena_new(f->w, &opt, NULL));
    weir_free(other);
    weir_arena_free(NULL);
}

static void test_defaults(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = {.size = sizeof(opt), .bytes = 5000, .page = 4096};
    struct weir_arena *a = weir_arena_new(f->w, &opt, NULL);
    struct weir_arena_info info = info_of(a);

    assert_string_equal(info.name, "arena");
    assert_int_equal(info.bytes, 8192);
    assert_int_equal(info.max_bytes, 8192);
    assert_int_equal(info.page, 4096);
    assert_int_equal(info.used, 0);
    assert_int_equal(info.segments, 1);
    assert_int_equal(info.spaces, 0);
    assert_int_equal(info.node, -1);
    assert_true(info.iova.addr >= MIB && info.iova.addr < (uint64_t)1 << 39);
    assert_true(info.iova.addr != (uintptr_t)info.va);
    assert_string_equal(f->warning, ""); /* small pages were asked for */
    weir_arena_free(a);
    assert_int_equal(count_fds(), f->fds);
}

/* A segment is all there, in a file that nobody can cut. */
static void check_segment(struct fixture *f, uint64_t page, const char *name)
{
    const struct weir_mem *mem = &f->fake_s.last;
    char path[64], target[128] = "";
    unsigned char in[1024];
    struct stat st;

    assert_ptr_equal(mem->offset, 0);
    assert_int_equal(mem->page, page);
    assert_int_equal((uintptr_t)mem->va % page, 0);
    assert_int_equal(f->fake_s.last_iova % page, 0);
    assert_int_equal(fstat(mem->fd, &st), 0);
    assert_int_equal(st.st_size, mem->len);
    assert_int_equal(st.st_blocks * 512, mem->len);
    assert_int_equal(fcntl(mem->fd, F_GET_SEALS, 0), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW);
    assert_int_equal(ftruncate(mem->fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fcntl(mem->fd, F_GETFD, 0), FD_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", mem->fd);
    assert_true(readlink(path, target, sizeof(target) - 1) > 0);
    contains(target, name);
    for (size_t at = 0; at < mem->len; at += 4096 * sizeof(in)) {
        size_t len = mem->len - at < 4096 * sizeof(in) ? mem->len - at : 4096 * sizeof(in);

        assert_int_equal(mincore((uint8_t *)mem->va + at, len, in), 0);
        for (size_t i = 0; i < len / 4096; i++)
            assert_true(in[i] & 1);
    }
    /* CPU and file are the same memory. */
    memset((uint8_t *)mem->va + mem->len - 8, 0x5a, 8);
    memset(target, 0, 8);
    if (page == 4096) {
        assert_int_equal(pread(mem->fd, target, 8, (off_t)mem->len - 8), 8);
        assert_memory_equal(target, (uint8_t *)mem->va + mem->len - 8, 8);
    }
}

static void test_segment(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(3 * MIB);
    struct weir_arena *a = weir_arena_new(f->w, &opt, NULL);

    assert_non_null(a);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, NULL), 0);
    check_segment(f, 4096, "weir-test");
    assert_int_equal(fallocates, 0);
}

/* Before Linux 5.14. */
static void test_segment_without_populate(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a;
    struct weir_error e;
    struct stat st;

    fail_call = "madvise";
    fail_errno = EINVAL;
    a = weir_arena_new(f->w, &opt, NULL);
    assert_non_null(a);
    assert_int_equal(fallocates, 1);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, NULL), 0);
    assert_int_equal(fstat(f->fake_s.last.fd, &st), 0);
    assert_int_equal(st.st_blocks * 512, MIB);
    weir_arena_free(a);
    fallocate_errno = ENOSPC;
    refused(f, &opt, -ENOMEM, "arena-populate", &e);
    contains(e.why, "No space left");
}

/* The test needs n pages of the size from the real pool; prints why if it cannot have them. */
static struct weir_arena *hugepage_arena(struct fixture *f, uint64_t page, uint64_t bytes,
                                         uint64_t max_bytes)
{
    struct weir_arena_options opt = options(bytes);
    struct weir_error e;
    struct weir_arena *a;

    opt.page = page;
    opt.max_bytes = max_bytes;
    a = weir_arena_new(f->w, &opt, &e);
    if (!a) {
        print_message("skipped: %s: %s: %s\n", e.what, e.why, e.fix);
        assert_true(e.err == -ENOMEM || e.err == -EINVAL);
        skip();
    }
    return a;
}

static void test_hugepages(void **state)
{
    struct fixture *f = *state;
    struct weir_arena *a = hugepage_arena(f, 2 * MIB, 3 * MIB, 6 * MIB);
    struct weir_arena_info info = info_of(a);

    assert_int_equal(info.bytes, 4 * MIB);
    assert_int_equal(info.page, 2 * MIB);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, NULL), 0);
    check_segment(f, 2 * MIB, "weir-test");
    assert_string_equal(memfds, "2M ");
    assert_string_equal(f->warning, "");
}

static void test_hugepages_without_populate(void **state)
{
    struct fixture *f = *state;
    struct weir_arena *a;
    struct stat st;

    fail_call = "madvise";
    fail_errno = EINVAL;
    a = hugepage_arena(f, 2 * MIB, 4 * MIB, 0);
    assert_int_equal(fallocates, 1);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, NULL), 0);
    assert_int_equal(fstat(f->fake_s.last.fd, &st), 0);
    assert_int_equal(st.st_blocks * 512, 4 * MIB);
}

static void test_gigantic_pages(void **state)
{
    struct fixture *f = *state;
    struct weir_arena *a = hugepage_arena(f, GIB, GIB, 0);

    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, NULL), 0);
    check_segment(f, GIB, "weir-test");
}

/* ---- which pages ---- */

static const char *choice(struct fixture *f, uint64_t bytes)
{
    struct weir_arena_options opt = options(bytes);
    struct weir_error e;

    /* All attempts fail, so all are seen, and cost nothing. */
    memfds[0] = '\0';
    opt.page = 0;
    fail_call = "memfd_create";
    fail_errno = ENFILE;
    refused(f, &opt, -ENFILE, "arena-memfd", &e);
    return memfds;
}

static void test_page_choice(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(100);
    struct weir_arena *a;

    fake_pools = true;
    fake_2m = 1000;
    fake_1g = 4;
    assert_string_equal(choice(f, 2 * GIB), "1G 4K "); /* too much for the other pool */
    assert_string_equal(choice(f, GIB), "1G 2M 4K ");
    assert_string_equal(choice(f, 512 * MIB), "1G 2M 4K ");
    assert_string_equal(choice(f, 512 * MIB - 1), "2M 4K "); /* half of it would go to waste */
    assert_string_equal(choice(f, 100), "2M 4K ");
    fake_1g = 0;
    assert_string_equal(choice(f, GIB), "2M 4K ");
    assert_string_equal(choice(f, 2000 * MIB), "2M 4K ");
    assert_string_equal(choice(f, 2000 * MIB + 1), "4K ");
    fake_2m = 0;
    assert_string_equal(choice(f, 2 * MIB), "4K ");

    fail_call = NULL;
    fake_2m = 1;
    opt.page = 0;
    a = weir_arena_new(f->w, &opt, NULL);
    assert_non_null(a);
    assert_int_equal(info_of(a).page, 2 * MIB);
    assert_int_equal(info_of(a).bytes, 2 * MIB);
    assert_string_equal(f->warning, "");
}

static void test_small_pages_are_warned_of(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(8 * MIB);
    struct weir_arena *a;

    fake_pools = true;
    opt.page = 0;
    a = weir_arena_new(f->w, &opt, NULL);
    assert_non_null(a);
    assert_int_equal(info_of(a).page, weir_base_page());
    contains(f->warning, "512x");
    contains(f->warning, "2048 IOTLB entries, where 4 would do");
    contains(f->warning, "echo 7 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");

    /* The pool had enough, and then had not. */
    f->warning[0] = '\0';
    fake_2m = 100;
    fail_call = "mmap";
    fail_errno = ENOMEM;
    fail_after = 0;
    opt.bytes = MIB;
    memfds[0] = '\0';
    assert_null(weir_arena_new(f->w, &opt, NULL)); /* the one of small pages failed as well */
    assert_string_equal(memfds, "2M 4K ");
    assert_string_equal(f->warning, "");
}

/* ---- what the kernel refuses ---- */

static void test_no_hugepages(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(64 * MIB);
    struct weir_error e;

    fake_pools = true;
    fake_2m = 10;
    opt.page = 2 * MIB;
    fail_call = "mmap"; /* where the kernel promises the pages */
    fail_errno = ENOMEM;
    refused(f, &opt, -ENOMEM, "arena-no-hugepages", &e);
    contains(e.what, "64 MiB of arena test with pages of 2 MiB");
    contains(e.why, "it takes 32");
    contains(e.why, "12 free of 13");
    assert_string_equal(e.fix, "echo 35 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
    opt.node = WEIR_NODE(0);
    refused(f, &opt, -ENOMEM, "arena-no-hugepages", &e);
    contains(e.why, "on node 0");
    contains(e.fix, "echo 35 > /sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hug");
    opt.page = GIB;
    refused(f, &opt, -ENOMEM, "arena-no-hugepages", &e);
    contains(e.fix, "hugepagesz=1G");
    /* The pool has enough. */
    opt.page = 2 * MIB;
    fake_2m = 100;
    refused(f, &opt, -ENOMEM, "arena-populate", &e);
    contains(e.why, "Cannot allocate memory");
    /* As a control group limit shows: the page fault would be a SIGBUS. */
    fail_call = "madvise";
    fail_errno = EFAULT;
    opt = options(MIB);
    refused(f, &opt, -ENOMEM, "arena-populate", &e);
    contains(e.why, "Bad address");
}

/* The real thing: more than the pool ever had. */
static void test_no_hugepages_really(void **state)
{
    struct fixture *f = *state;
    struct weir_hugepages pool;
    struct weir_arena_options opt;
    struct weir_error e;
    uint64_t overcommit = 0;

    if (weir_hugepage_pool("/sys", 2 * MIB, -1, &pool) < 0 ||
        weir_read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages",
                         &overcommit) < 0 ||
        overcommit) {
        print_message("skipped: no pool of 2 MiB pages, or it may overcommit\n");
        skip();
    }
    opt = options((pool.total + 1000) * 2 * MIB);
    opt.page = 2 * MIB;
    refused(f, &opt, -ENOMEM, "arena-no-hugepages", &e);
    contains(e.fix, "/nr_hugepages");
}

static void test_more_memory_than_there_is(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt;
    struct weir_error e;
    struct sysinfo si;

    assert_int_equal(sysinfo(&si), 0);
    opt = options((uint64_t)si.totalram * si.mem_unit * 2);
    opt.iova_bits = 57;
    /* Asked first: the kernel would not refuse, but kill. */
    refused(f, &opt, -ENOMEM, "arena-populate", &e);
    contains(e.why, "leaves");
    assert_string_equal(memfds, "");
}

static void test_calls_that_fail(void **state)
{
    static const struct {
        const char *call;
        int err;
        unsigned after;
        int result;
        const char *code, *fix;
    } cases[] = {
        {"memfd_create", EMFILE, 0, -EMFILE, "arena-memfd", "ulimit -n"},
        {"memfd_create", ENFILE, 0, -ENFILE, "arena-memfd", "fs.file-max"},
        {"memfd_create", EINVAL, 0, -EINVAL, "arena-memfd", "page size"},
        {"ftruncate", ENOSPC, 0, -ENOSPC, "arena-memfd", ""},
        {"fcntl", EPERM, 0, -EPERM, "arena-memfd", ""},
        {"reserve", ENOMEM, 0, -ENOMEM, "arena-addresses", "ulimit -v"},
        {"mmap", ENOMEM, 0, -ENOMEM, "arena-map", "vm.max_map_count"},
        {"madvise", ENOMEM, 0, -ENOMEM, "arena-populate", ""},
        {"madvise", EHWPOISON, 0, -ENOMEM, "arena-populate", ""},
        {"realloc", ENOMEM, 0, -ENOMEM, "no-memory", ""},
        {"realloc", ENOMEM, 1, -ENOMEM, "no-memory", ""},
        {"realloc", ENOMEM, 2, -ENOMEM, "no-memory", ""},
    };
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_error e;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fail_call = cases[i].call;
        fail_errno = cases[i].err;
        fail_after = cases[i].after;
        refused(f, &opt, cases[i].result, cases[i].code, &e);
        contains(e.fix, cases[i].fix);
    }
    /* And nothing of it is left in the way. */
    fail_call = NULL;
    opt.iova_bits = 21;
    assert_non_null(weir_arena_new(f->w, &opt, NULL));
}

static void test_file_size_limit(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct rlimit before, limit;
    struct weir_error e;

    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = MIB - 1;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    refused(f, &opt, -EFBIG, "arena-memfd", &e); /* and no SIGXFSZ */
    contains(e.fix, "ulimit -f");
    setrlimit(RLIMIT_FSIZE, &before);
}

static int policy_of(const void *va)
{
    int mode = -1;

    assert_int_equal(get_mempolicy(&mode, NULL, 0, (void *)(uintptr_t)va, MPOL_F_ADDR), 0);
    return mode;
}

static void test_placement(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a;
    struct weir_error e;
    int mode = -1;

    if (get_mempolicy(&mode, NULL, 0, NULL, 0) < 0 || set_mempolicy(MPOL_DEFAULT, NULL, 0) < 0) {
        print_message("skipped: this process may not place memory: %s\n", strerror(errno));
        skip();
    }
    two_nodes = true;
    a = weir_arena_new(f->w, &opt, &e);
    assert_non_null(a);
    assert_int_equal(policy_of(info_of(a).va), MPOL_PREFERRED);
    assert_int_equal(info_of(a).node, -1);
    opt.node = WEIR_NODE(0);
    a = weir_arena_new(f->w, &opt, &e);
    assert_non_null(a);
    assert_int_equal(policy_of(info_of(a).va), MPOL_BIND);
    assert_int_equal(info_of(a).node, 0);

    /* A container may forbid it: a wish is given up, an order is not. */
    fail_call = "mbind";
    fail_errno = EPERM;
    refused(f, &opt, -EPERM, "arena-node", &e);
    contains(e.fix, "WEIR_ANY_NODE");
    opt.node = WEIR_ANY_NODE;
    assert_non_null(weir_arena_new(f->w, &opt, &e));

    /* Without MADV_POPULATE_WRITE the thread's policy does it, and is put back. */
    fail_call = "madvise";
    fail_errno = EINVAL;
    assert_non_null(weir_arena_new(f->w, &opt, &e));
    assert_int_equal(fallocate_mode, MPOL_PREFERRED);
    opt.node = WEIR_NODE(0);
    assert_non_null(weir_arena_new(f->w, &opt, &e));
    assert_int_equal(fallocate_mode, MPOL_BIND);
    assert_int_equal(get_mempolicy(&mode, NULL, 0, NULL, 0), 0);
    assert_int_equal(mode, MPOL_DEFAULT);
}

/* ---- IOVA ---- */

static void test_iova(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a, *b;
    struct weir_error e;
    weir_iova_t at;

    opt.iova_bits = 20; /* nothing in the first 1 MiB */
    refused(f, &opt, -ENOSPC, "arena-no-iova", &e);
    contains(e.why, "1 MiB");
    opt.iova_bits = 21;
    a = weir_arena_new(f->w, &opt, &e);
    assert_non_null(a);
    assert_int_equal(info_of(a).iova.addr, MIB);
    /* It is taken for all, mapped or not. */
    refused(f, &opt, -ENOSPC, "arena-no-iova", &e);
    assert_int_equal(weir_space_find(f->s, 4096, 4096, 21, &at, &e), -ENOSPC);
    assert_int_equal(weir_space_find(f->s, 4096, 4096, 22, &at, &e), 0);
    assert_int_equal(at.addr, 2 * MIB);
    weir_arena_free(a);
    a = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(info_of(a).iova.addr, MIB);

    /* So is what it may grow to. */
    opt = options(4096);
    opt.max_bytes = 3 * MIB;
    b = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(info_of(b).iova.addr, 2 * MIB);
    assert_int_equal((uintptr_t)info_of(b).va % (2 * MIB), 0);
    assert_int_equal(weir_space_find(f->s, 4096, 4096, 64, &at, &e), 0);
    assert_int_equal(at.addr, 5 * MIB);

    /* For superpages of 1 GiB. */
    opt.max_bytes = GIB;
    b = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(info_of(b).iova.addr, GIB);
    assert_int_equal((uintptr_t)info_of(b).va % GIB, 0);
    opt.iova_bits = 64;
    assert_non_null(weir_arena_new(f->w, &opt, &e));
}

static void test_iova_interrupt_window(void **state)
{
    struct fixture *f = *state;
    struct fake fake = {0};
    struct weir_space *s = make_space(f, &fake, 0xfed00000, 0xff1fffff, UINT64_MAX);
    struct weir_arena_options opt = options(MIB);
    struct weir_error e;

    opt.spaces = &s;
    opt.n_spaces = 1;
    assert_int_equal(info_of(weir_arena_new(f->w, &opt, &e)).iova.addr, 0xfed00000);
    opt.bytes = 2 * MIB;
    assert_int_equal(info_of(weir_arena_new(f->w, &opt, &e)).iova.addr, 0xff000000);
    opt.bytes = MIB + 4096;
    refused(f, &opt, -ENOSPC, "arena-no-iova", &e);
    opt.bytes = MIB;
    assert_int_equal(info_of(weir_arena_new(f->w, &opt, &e)).iova.addr, 0xfef00000);
    weir_space_free(s);
}

static void test_iova_of_several_spaces(void **state)
{
    struct fixture *f = *state;
    struct fake fake[3] = {0};
    struct weir_space *s[] = {make_space(f, &fake[0], 0x10000000, 0x1fffffff, UINT64_MAX),
                              make_space(f, &fake[1], 0x18000000, 0x2fffffff, UINT64_MAX),
                              make_space(f, &fake[2], 0x20000000, 0x2fffffff, UINT64_MAX)};
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a, *b;
    struct weir_error e;
    uint8_t *m = aligned_alloc(4096, 4096);
    struct weir_mem mem = {.va = m, .len = 4096, .fd = -1, .name = "m"};

    assert_int_equal(weir_space_map(s[1], &mem, weir_iova(0x18000000), 3, &e), 0);
    opt.spaces = s;
    opt.n_spaces = 3;
    refused(f, &opt, -ENOSPC, "arena-no-iova", &e);
    contains(e.why, "3 spaces");
    opt.n_spaces = 2;
    a = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(info_of(a).iova.addr, 0x18001000);
    b = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(info_of(b).iova.addr, 0x18101000);
    assert_int_equal(weir_arena_map(a, s[0], WEIR_PROT_RW, &e), 0);
    assert_int_equal(weir_arena_map(a, s[1], WEIR_PROT_RW, &e), 0);
    assert_int_equal(fake[0].last_iova, 0x18001000);
    assert_int_equal(fake[1].last_iova, 0x18001000);
    assert_int_equal(info_of(a).spaces, 2);
    /* One that was not asked when it was made, and cannot take it. */
    failed(weir_arena_map(a, s[2], WEIR_PROT_RW, &e), &e, -EINVAL, "map-range");
    contains(e.what, "arena test");
    contains(e.fix, "0x20000000");
    assert_int_equal(info_of(a).spaces, 2);
    for (unsigned i = 0; i < 3; i++)
        weir_space_free(s[i]);
    assert_int_equal(info_of(a).spaces, 0);
    free(m);
}

/* ---- spaces ---- */

static void test_map(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a;
    struct weir *other = weir_new(NULL, NULL);
    struct weir_space *foreign = weir_space_software(other, NULL);
    struct weir_space_info space;
    struct weir_error e;

    opt.max_bytes = 4 * MIB;
    a = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(weir_arena_grow(a, MIB, &e), 0);
    failed(weir_arena_unmap(a, f->s, &e), &e, -ENOENT, "arena-not-mapped");
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
    assert_int_equal(f->fake_s.maps, 2); /* one each */
    assert_string_equal(f->fake_s.last.name, "test");
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
    assert_int_equal(f->fake_s.maps, 2);
    assert_int_equal(info_of(a).spaces, 1);
    failed(weir_arena_map(a, f->s, WEIR_PROT_READ, &e), &e, -EEXIST, "arena-rights");
    failed(weir_arena_map(a, foreign, WEIR_PROT_RW, &e), &e, -EINVAL, "arena-instance");
    failed(weir_arena_map(a, f->t, 0, &e), &e, -EINVAL, "map-prot");
    assert_int_equal(info_of(a).spaces, 1);
    weir_space_info(f->s, &space);
    assert_int_equal(space.maps, 2);
    assert_int_equal(space.bytes, 2 * MIB);
    assert_int_equal(weir_arena_unmap(a, f->s, &e), 0);
    weir_space_info(f->s, &space);
    assert_int_equal(space.maps, 0);
    assert_int_equal(f->fake_s.unmaps, 2);
    assert_int_equal(info_of(a).spaces, 0);

    /* Freeing it unmaps it. */
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
    assert_int_equal(weir_arena_map(a, f->t, WEIR_PROT_RW, &e), 0);
    weir_arena_free(a);
    weir_space_info(f->s, &space);
    assert_int_equal(space.maps, 0);
    weir_space_info(f->t, &space);
    assert_int_equal(space.maps, 0);
    assert_int_equal(count_fds(), f->fds + 3); /* of the other instance and its space */
    weir_free(other);
}

/* What cannot be mapped whole is not mapped at all. */
static void test_map_is_undone(void **state)
{
    struct fixture *f = *state;
    struct fake fake = {0};
    struct weir_space *narrow = make_space(f, &fake, 0, UINT64_MAX, 1);
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a;
    struct weir_space_info space;
    struct weir_error e;
    uint8_t *m = aligned_alloc(4096, 4096);
    struct weir_mem mem = {.va = m, .len = 4096, .fd = -1, .name = "in the way"};
    uint64_t iova;

    opt.max_bytes = 4 * MIB;
    a = weir_arena_new(f->w, &opt, &e);
    iova = info_of(a).iova.addr;
    assert_int_equal(weir_arena_grow(a, MIB, &e), 0);
    failed(weir_arena_map(a, narrow, WEIR_PROT_RW, &e), &e, -ENOSPC, "map-limit");
    weir_space_info(narrow, &space);
    assert_int_equal(space.maps, 0);

    assert_int_equal(weir_space_map(f->s, &mem, weir_iova(iova + MIB), 3, &e), 0);
    failed(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), &e, -EEXIST, "map-overlap");
    contains(e.why, "in the way");
    weir_space_info(f->s, &space);
    assert_int_equal(space.maps, 1);
    assert_int_equal(info_of(a).spaces, 0);
    assert_int_equal(weir_space_unmap(f->s, weir_iova(iova + MIB), 4096, &e), 0);

    weir_space_free(narrow);
    free(m);
}

static void test_map_out_of_memory(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a = weir_arena_new(f->w, &opt, NULL);
    struct weir_error e;

    /* The arena's list of spaces, the space's list of arenas, its book of mappings. What one
     * attempt got the next one has. */
    for (unsigned i = 0; i < 3; i++) {
        fail_call = "realloc";
        fail_after = i > 0;
        failed(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), &e, -ENOMEM, "no-memory");
        assert_int_equal(info_of(a).spaces, 0);
    }
    fail_call = NULL;
    assert_int_equal(f->fake_s.maps, 0);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
}

/* A peer that is gone does not keep memory from going. */
static void test_unmap_fails(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a;
    struct weir_space_info space;
    struct weir_error e;

    opt.max_bytes = 3 * MIB;
    a = weir_arena_new(f->w, &opt, NULL);
    assert_int_equal(weir_arena_grow(a, MIB, &e), 0);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
    f->fake_s.unmap_result = -EPIPE;
    failed(weir_arena_unmap(a, f->s, &e), &e, -EPIPE, "fake");
    assert_int_equal(f->fake_s.unmaps, 2);
    assert_int_equal(info_of(a).spaces, 0);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
    assert_int_equal(weir_arena_shrink(a, &e), 0);
    contains(f->error, "unmap");
    f->error[0] = '\0';
    weir_arena_free(a);
    contains(f->error, "unmap");
    assert_int_equal(f->fake_s.unmaps, 4);
    weir_space_info(f->s, &space);
    assert_int_equal(space.maps, 0);
    assert_int_equal(count_fds(), f->fds);
}

static void test_space_goes_first(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a = weir_arena_new(f->w, &opt, NULL);

    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, NULL), 0);
    assert_int_equal(weir_arena_map(a, f->t, WEIR_PROT_RW, NULL), 0);
    weir_space_free(f->s);
    assert_int_equal(info_of(a).spaces, 1);
    weir_arena_free(a);
    assert_int_equal(f->fake_s.unmaps, 0);
    assert_int_equal(f->fake_t.unmaps, 1);
}

/* ---- segments come and go ---- */

static void test_grow_and_shrink(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_dma first, second, big;
    unsigned char in_core[512];
    struct weir_arena *a;
    struct weir_error e;

    opt.max_bytes = 3 * MIB;
    a = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
    failed(weir_arena_shrink(a, &e), &e, -EBUSY, "arena-last-segment");
    failed(weir_arena_grow(a, 0, &e), &e, -EINVAL, "arena-size");
    failed(weir_arena_grow(a, 2 * MIB + 1, &e), &e, -ENOSPC, "arena-max");
    failed(weir_arena_grow(a, UINT64_MAX, &e), &e, -ENOSPC, "arena-max");
    failed(weir_dma_alloc(a, 2 * MIB, 0, &big, &e), &e, -ENOSPC, "dma-no-space");
    contains(e.fix, "2097152");

    assert_int_equal(weir_arena_grow(a, 2 * MIB - 100, &e), 0);
    assert_int_equal(info_of(a).bytes, 3 * MIB);
    assert_int_equal(info_of(a).segments, 2);
    assert_int_equal(f->fake_s.maps, 2);
    assert_ptr_equal(f->fake_s.last.va, (uint8_t *)info_of(a).va + MIB);
    assert_int_equal(f->fake_s.last_iova, info_of(a).iova.addr + MIB);
    check_segment(f, 4096, "weir-test");
    failed(weir_arena_grow(a, 1, &e), &e, -ENOSPC, "arena-max");

    /* A buffer lies in one segment, so shrinking knows which are concerned. */
    assert_int_equal(weir_dma_alloc(a, MIB - 4096, 0, &first, &e), 0);
    assert_int_equal(weir_dma_alloc(a, 8192, 0, &second, &e), 0);
    assert_ptr_equal(second.va, (uint8_t *)info_of(a).va + MIB);
    failed(weir_arena_shrink(a, &e), &e, -EBUSY, "arena-busy");
    weir_dma_free(a, &second);
    assert_int_equal(weir_dma_alloc(a, 4096, 0, &second, &e), 0); /* the rest of the first */
    assert_int_equal(count_vmas(), f->vmas + 2);
    assert_int_equal(weir_arena_shrink(a, &e), 0);
    assert_int_equal(f->fake_s.unmaps, 1);
    assert_int_equal(count_vmas(), f->vmas + 1);
    /* The addresses stay reserved: mincore() says ENOMEM where nothing is mapped. */
    assert_int_equal(mincore((uint8_t *)info_of(a).va + MIB, 2 * MIB, in_core), 0);
    assert_int_equal(info_of(a).bytes, MIB);
    assert_int_equal(info_of(a).used, MIB);
    failed(weir_dma_alloc(a, 1, 0, &big, &e), &e, -ENOSPC, "dma-no-space");
    assert_int_equal(count_fds(), f->fds + 1);

    /* Again, with memory that is zero again. */
    assert_int_equal(weir_arena_grow(a, MIB, &e), 0);
    assert_int_equal(weir_dma_alloc(a, MIB, 0, &big, &e), 0);
    for (size_t i = 0; i < MIB; i += 64)
        assert_int_equal(((uint8_t *)big.va)[i], 0);
    failed(weir_arena_shrink(a, &e), &e, -EBUSY, "arena-busy");
}

static void test_grow_is_undone(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_space_info space;
    struct weir_arena *a;
    struct weir_dma buf;
    struct weir_error e;

    opt.max_bytes = 64 * MIB;
    a = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
    assert_int_equal(weir_arena_map(a, f->t, WEIR_PROT_RW, &e), 0);
    f->fake_t.map_result = -EIO;
    f->fake_t.map_after = 1;
    failed(weir_arena_grow(a, MIB, &e), &e, -EIO, "fake");
    weir_space_info(f->s, &space);
    assert_int_equal(space.maps, 1);
    assert_int_equal(f->fake_s.unmaps, 1);
    assert_int_equal(info_of(a).bytes, MIB);
    assert_int_equal(info_of(a).segments, 1);
    assert_int_equal(count_fds(), f->fds + 1);
    failed(weir_dma_alloc(a, MIB + 1, 0, &buf, &e), &e, -ENOSPC, "dma-no-space");
    f->fake_t.map_result = 0;

    fail_call = "madvise";
    fail_errno = ENOMEM;
    failed(weir_arena_grow(a, MIB, &e), &e, -ENOMEM, "arena-populate");
    assert_int_equal(count_fds(), f->fds + 1);
    fail_call = NULL;
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(weir_arena_grow(a, MIB, &e), 0);
    assert_int_equal(info_of(a).segments, 21);
    assert_int_equal(f->fake_t.maps, 21);
    while (info_of(a).segments > 1)
        assert_int_equal(weir_arena_shrink(a, &e), 0);
}

/* ---- buffers ---- */

static void test_dma_options(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a = weir_arena_new(f->w, &opt, NULL), *b;
    struct weir_dma buf = {0}, same, zero = {0}, wrong;
    struct weir_error e;

    failed(weir_dma_alloc(a, 0, 0, &buf, &e), &e, -EINVAL, "dma-options");
    failed(weir_dma_alloc(a, 64, 96, &buf, &e), &e, -EINVAL, "dma-options");
    failed(weir_dma_alloc(a, 64, 8192, &buf, &e), &e, -EINVAL,
           "dma-options"); /* above the arena's */
    failed(weir_dma_alloc(a, SIZE_MAX, 0, &buf, &e), &e, -ENOSPC, "dma-no-space");
    failed(weir_dma_alloc(a, MIB + 1, 0, &buf, &e), &e, -ENOSPC, "dma-no-space");
    contains(e.why, "1048576");
    assert_null(buf.va);
    assert_int_equal(weir_dma_alloc(a, 100, 1, &buf, &e), 0);
    assert_int_equal((uintptr_t)buf.va % WEIR_CACHE_LINE, 0);
    assert_int_equal(buf.len, 100);
    assert_int_equal(buf.iova.addr - info_of(a).iova.addr,
                     (uintptr_t)buf.va - (uintptr_t)info_of(a).va);
    assert_int_equal(info_of(a).used, 128);

    /* Only what was given out is taken back, and once. */
    b = weir_arena_new(f->w, &opt, NULL);
    wrong = same = buf;
    weir_dma_free(b, &wrong);
    contains(f->error, "not a buffer");
    assert_ptr_equal(wrong.va, buf.va);
    f->error[0] = '\0';
    wrong.len = 99;
    weir_dma_free(a, &wrong);
    contains(f->error, "99 bytes");
    wrong = buf;
    wrong.iova.addr += 64;
    f->error[0] = '\0';
    weir_dma_free(a, &wrong);
    contains(f->error, "not a buffer");
    wrong = buf;
    wrong.va = (uint8_t *)wrong.va + 64;
    wrong.iova.addr += 64;
    f->error[0] = '\0';
    weir_dma_free(a, &wrong);
    contains(f->error, "not a buffer");
    assert_int_equal(info_of(a).used, 128);
    f->error[0] = '\0';
    weir_dma_free(a, &buf);
    assert_string_equal(f->error, "");
    assert_memory_equal(&buf, &zero, sizeof(buf));
    assert_int_equal(info_of(a).used, 0);
    weir_dma_free(a, &buf); /* a cleared one is fine */
    assert_string_equal(f->error, "");
    weir_dma_free(a, &same);
    contains(f->error, "freed before");
    assert_int_equal(info_of(a).used, 0);

    fail_call = "realloc";
    failed(weir_dma_alloc(a, 64, 0, &buf, &e) == 0 ? weir_dma_alloc(b, 64, 0, &buf, &e) : 0, &e,
           -ENOMEM, "no-memory");
}

static uint64_t seed = 3;

static uint64_t rnd(void)
{
    /* xorshift64* */
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1du;
}

#define BUFFERS 200

static void test_dma_property(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(256 * KIB);
    struct weir_dma buf[BUFFERS] = {0}, all;
    uint8_t fill[BUFFERS] = {0};
    uint64_t used = 0, refusals = 0, seg = 256 * KIB;
    struct weir_arena *a;
    struct weir_error e;

    opt.max_bytes = 4 * MIB;
    a = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(weir_arena_grow(a, seg, &e), 0);
    assert_int_equal(weir_arena_grow(a, seg, &e), 0);
    for (unsigned round = 0; round < 30000; round++) {
        unsigned i = (unsigned)(rnd() % BUFFERS);
        size_t len = (size_t)(rnd() % (rnd() % 8 ? 3000 : 100000)) + 1;
        size_t align = (size_t)1 << rnd() % 13;
        uint64_t first;

        if (buf[i].va) {
            /* Nobody else wrote there. */
            for (size_t k = 0; k < buf[i].len; k++)
                assert_int_equal(((uint8_t *)buf[i].va)[k], fill[i]);
            used -= (buf[i].len + 63) / 64 * 64;
            weir_dma_free(a, &buf[i]);
            assert_null(buf[i].va);
        } else if (weir_dma_alloc(a, len, align, &buf[i], &e) == 0) {
            first = (uint64_t)((uint8_t *)buf[i].va - (uint8_t *)info_of(a).va);
            assert_int_equal((uintptr_t)buf[i].va % align, 0);
            assert_int_equal(buf[i].iova.addr, info_of(a).iova.addr + first);
            assert_int_equal(buf[i].iova.addr % align, 0);
            assert_int_equal(first / seg, (first + len - 1) / seg);
            assert_true(first + len <= 3 * seg);
            for (size_t k = 0; k < len; k++)
                assert_int_equal(((uint8_t *)buf[i].va)[k], 0);
            fill[i] = (uint8_t)(rnd() >> 32 | 1);
            memset(buf[i].va, fill[i], len);
            used += (len + 63) / 64 * 64;
        } else {
            assert_int_equal(e.err, -ENOSPC);
            refusals++;
        }
        assert_int_equal(info_of(a).used, used);
    }
    assert_true(refusals > 0);
    for (unsigned i = 0; i < BUFFERS; i++)
        weir_dma_free(a, &buf[i]);
    assert_int_equal(info_of(a).used, 0);
    /* All of it has come together again. */
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(weir_dma_alloc(a, seg, 4096, &all, &e), 0);
    assert_string_equal(f->error, "");
}

/* Through a real space: what the CPU writes the device reads. */
static void test_end_to_end(void **state)
{
    struct fixture *f = *state;
    struct weir_space *s = weir_space_software(f->w, NULL);
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a;
    struct weir_dma buf;
    struct weir_siommu *iommu = weir_space_siommu(s);
    struct weir_dma_fault fault;
    uint64_t iova;
    char text[16];

    opt.name = "packets";
    opt.spaces = &s;
    opt.n_spaces = 1;
    a = weir_arena_new(f->w, &opt, NULL);
    assert_int_equal(weir_dma_alloc(a, 16, 0, &buf, NULL), 0);
    assert_int_equal(weir_arena_map(a, s, WEIR_PROT_RW, NULL), 0);
    strcpy(buf.va, "hello device");
    iova = buf.iova.addr;
    weir_siommu_lock(iommu);
    assert_ptr_equal(weir_siommu_ptr(iommu, iova, 16, true), buf.va);
    assert_int_equal(weir_siommu_read(iommu, iova, text, 16, NULL), 0);
    weir_siommu_unlock(iommu);
    assert_string_equal(text, "hello device");
    weir_arena_free(a);
    weir_siommu_lock(iommu);
    assert_int_equal(weir_siommu_read(iommu, iova, text, 16, NULL), -EFAULT);
    weir_siommu_unlock(iommu);
    assert_int_equal(weir_siommu_faults(iommu, &fault), 1);
    assert_string_equal(fault.reason, "freed");
    assert_string_equal(fault.mapping, "packets");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_options),
        T(test_defaults),
        T(test_segment),
        T(test_segment_without_populate),
        T(test_hugepages),
        T(test_hugepages_without_populate),
        T(test_gigantic_pages),
        T(test_page_choice),
        T(test_small_pages_are_warned_of),
        T(test_no_hugepages),
        T(test_no_hugepages_really),
        T(test_more_memory_than_there_is),
        T(test_calls_that_fail),
        T(test_file_size_limit),
        T(test_placement),
        T(test_iova),
        T(test_iova_interrupt_window),
        T(test_iova_of_several_spaces),
        T(test_map),
        T(test_map_is_undone),
        T(test_map_out_of_memory),
        T(test_unmap_fails),
        T(test_space_goes_first),
        T(test_grow_and_shrink),
        T(test_grow_is_undone),
        T(test_dma_options),
        T(test_dma_property),
        T(test_end_to_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
