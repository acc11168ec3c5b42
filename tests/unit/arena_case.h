/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of arenas share: calls of the kernel that fail when told to, hugepages that the
 * machine seems to have, spaces that record, and what a test begins and ends with. */
#ifndef TESTS_ARENA_CASE_H
#define TESTS_ARENA_CASE_H

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

static inline bool fails(const char *call)
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

static inline int fake_map(struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova,
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

static inline int fake_unmap(struct weir_space *s, weir_iova_t iova, size_t len,
                             struct weir_error *e)
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

static inline void log_to_fixture(void *user, enum weir_log_level level, const char *part,
                                  const char *text)
{
    struct fixture *f = user;

    (void)part;
    if (level == WEIR_LOG_ERROR)
        snprintf(f->error, sizeof(f->error), "%s", text);
    if (level == WEIR_LOG_WARNING)
        snprintf(f->warning, sizeof(f->warning), "%s", text);
}

static inline int not_dot(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static inline unsigned count_fds(void)
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
static inline unsigned count_vmas(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned n = 0;

    while (fgets(line, sizeof(line), f))
        n += strstr(line, "weir-") != NULL;
    fclose(f);
    return n;
}

static inline struct weir_space *make_space(struct fixture *f, struct fake *fake, uint64_t first,
                                            uint64_t last, uint64_t max_maps)
{
    struct weir_iova_range range = {first, last};

    return weir_space_make(f->w, &fake_ops, fake, 4096, &range, 1, max_maps, NULL);
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    weir_free(f->w);
    if (count_vmas() != f->vmas)
        return -1;
    free(f);
    return 0;
}

static inline struct weir_arena_options options(uint64_t bytes)
{
    return (struct weir_arena_options){.size = sizeof(struct weir_arena_options),
                                       .name = "test",
                                       .bytes = bytes,
                                       .page = weir_base_page(),
                                       .node = WEIR_ANY_NODE};
}

static inline struct weir_arena_info info_of(const struct weir_arena *a)
{
    struct weir_arena_info info;

    weir_arena_info(a, &info);
    return info;
}

static inline void contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static inline void failed(int r, const struct weir_error *e, int err, const char *code)
{
    if (r != err || strcmp(e->code, code) != 0)
        fail_msg("%d %s instead of %d %s: %s: %s", r, e->code, err, code, e->what, e->why);
    assert_int_equal(e->err, err);
    assert_true(e->what[0] && e->why[0]);
}

/* Making an arena fails this way and leaves nothing behind. */
static inline void refused(struct fixture *f, const struct weir_arena_options *opt, int err,
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

/* A segment is all there, in a file that nobody can cut. */
static inline void check_segment(struct fixture *f, uint64_t page, const char *name)
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

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
