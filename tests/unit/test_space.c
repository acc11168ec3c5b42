/* SPDX-License-Identifier: BSD-3-Clause */
/* Spaces: the book of mappings, what is refused and why, and the software space. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/iommu/backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

/* Allocations that still succeed; -1: all. */
static int allocations = -1;

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
    if (allocations == 0)
        return NULL;
    if (allocations > 0)
        allocations--;
    return __real_realloc(p, size);
}

/* ---- a backend that records ---- */

struct fake {
    char calls[512]; /* "map m 100000+1000 3;..." */
    int map_result, unmap_result;
    unsigned freed;
};

static void record(struct fake *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void record(struct fake *f, const char *fmt, ...)
{
    size_t n = strlen(f->calls);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(f->calls + n, sizeof(f->calls) - n, fmt, ap);
    va_end(ap);
}

static int fake_map(struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova,
                    unsigned prot, struct weir_error *e)
{
    struct fake *f = weir_space_priv(s);

    record(f, "map %s %llx+%zx %u;", mem->name, (unsigned long long)iova.addr, mem->len, prot);
    return f->map_result ? weir_fail(e, f->map_result, "fake", "map") : 0;
}

static int fake_unmap(struct weir_space *s, weir_iova_t iova, size_t len, struct weir_error *e)
{
    struct fake *f = weir_space_priv(s);

    record(f, "unmap %llx+%zx;", (unsigned long long)iova.addr, len);
    return f->unmap_result ? weir_fail(e, f->unmap_result, "fake", "unmap") : 0;
}

static void fake_free(struct weir_space *s)
{
    ((struct fake *)weir_space_priv(s))->freed++;
}

static const struct weir_space_ops fake_ops = {
    .kind = "fake", .map = fake_map, .unmap = fake_unmap, .free = fake_free};

static const struct weir_iova_range ranges[] = {
    {0x1000, 0xffffff}, {0x2000000, 0x2ffffff}, {0x8000000000000000, UINT64_MAX}};

static char log_text[1024];

static void log_to_text(void *user, enum weir_log_level level, const char *part, const char *text)
{
    (void)user;
    (void)part;
    if (level == WEIR_LOG_ERROR)
        snprintf(log_text, sizeof(log_text), "%s", text);
}

struct fixture {
    struct weir *w;
    struct weir_space *s;
    struct fake fake;
    uint8_t *mem;
};

#define MEM_SIZE (16 * PAGE)

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct weir_options opt = {
        .size = sizeof(opt), .log = log_to_text, .log_level = WEIR_LOG_DEBUG};

    log_text[0] = '\0';
    f->w = weir_new(&opt, NULL);
    f->s = weir_space_make(f->w, &fake_ops, &f->fake, PAGE | 1 << 21, ranges, 3, 4, NULL);
    f->mem = aligned_alloc(PAGE, MEM_SIZE);
    *state = f;
    return f->w && f->s && f->mem ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    weir_free(f->w);
    free(f->mem);
    free(f);
    return 0;
}

static int map(struct fixture *f, uint64_t offset, size_t len, uint64_t iova, unsigned prot,
               const char *name, struct weir_error *e)
{
    struct weir_mem mem = {.va = f->mem + offset, .len = len, .fd = -1, .name = name};

    return weir_space_map(f->s, &mem, weir_iova(iova), prot, e);
}

static int unmap(struct fixture *f, uint64_t iova, size_t len, struct weir_error *e)
{
    return weir_space_unmap(f->s, weir_iova(iova), len, e);
}

/* r failed this way; every failure says what, why and what to do. */
static void failed(int r, const struct weir_error *e, int err, const char *code)
{
    assert_int_equal(r, err);
    assert_int_equal(e->err, err);
    assert_string_equal(e->code, code);
    assert_true(e->what[0] && e->why[0]);
}

static void contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void book_is(struct fixture *f, uint64_t maps, uint64_t bytes)
{
    struct weir_space_info info;

    weir_space_info(f->s, &info);
    assert_int_equal(info.maps, maps);
    assert_int_equal(info.bytes, bytes);
}

static void test_unaligned(void **state)
{
    struct fixture *f = *state;
    struct weir_mem mem = {.va = f->mem, .len = PAGE, .fd = 0, .offset = 512};
    struct weir_error e;

    failed(map(f, 0, 0, 0x1000, 3, "m", &e), &e, -EINVAL, "map-unaligned");
    contains(e.why, "length is 0");
    contains(e.fix, "4096");
    failed(map(f, 1, PAGE, 0x1000, 3, "m", &e), &e, -EINVAL, "map-unaligned");
    contains(e.why, "the address");
    failed(map(f, 0, PAGE, 0x1800, 3, "m", &e), &e, -EINVAL, "map-unaligned");
    contains(e.why, "the IOVA");
    failed(map(f, 0, PAGE + 8, 0x1000, 3, "m", &e), &e, -EINVAL, "map-unaligned");
    contains(e.why, "the length");
    failed(weir_space_map(f->s, &mem, weir_iova(0x1000), 3, &e), &e, -EINVAL, "map-unaligned");
    contains(e.why, "offset");
    mem.fd = -1; /* then the offset says nothing */
    assert_int_equal(weir_space_map(f->s, &mem, weir_iova(0x1000), 3, &e), 0);
    assert_string_equal(f->fake.calls, "map  1000+1000 3;");
}

static void test_no_memory_given(void **state)
{
    struct fixture *f = *state;
    struct weir_mem mem = {.len = PAGE, .fd = -1};
    struct weir_error e;

    failed(weir_space_map(f->s, &mem, weir_iova(0x1000), 3, &e), &e, -EINVAL, "map-memory");
    mem.va = (void *)(UINTPTR_MAX - PAGE + 1);
    mem.len = (size_t)2 * PAGE; /* wraps around */
    failed(weir_space_map(f->s, &mem, weir_iova(0x1000), 3, &e), &e, -EINVAL, "map-memory");
    book_is(f, 0, 0);
}

static void test_range(void **state)
{
    struct fixture *f = *state;
    struct weir_mem mem = {.va = (void *)(uintptr_t)PAGE, .len = SIZE_MAX - 2 * PAGE + 1, .fd = -1};
    struct weir_error e;

    failed(map(f, 0, PAGE, 0, 3, "m", &e), &e, -EINVAL, "map-range");
    contains(e.fix, "[0x1000, 0xffffff]");
    failed(map(f, 0, 2 * PAGE, 0xfff000, 3, "m", &e), &e, -EINVAL, "map-range");
    contains(e.fix, "[0x1000, 0xffffff]");
    contains(e.fix, "[0x2000000, 0x2ffffff]");
    failed(map(f, 0, PAGE, 0x1500000, 3, "pool", &e), &e, -EINVAL, "map-range");
    contains(e.what, "pool");
    contains(e.what, "0x1500000");
    contains(e.fix, "[0x1000, 0xffffff] and [0x2000000, 0x2ffffff]");
    failed(map(f, 0, PAGE, 0x3000000, 3, "m", &e), &e, -EINVAL, "map-range");
    contains(e.fix, "[0x2000000, 0x2ffffff] and [0x8000000000000000, 0xffffffffffffffff]");
    /* Around the end of 64 bits. */
    failed(map(f, 0, 2 * PAGE, UINT64_MAX - PAGE + 1, 3, "m", &e), &e, -EINVAL, "map-range");
    contains(e.why, "wraps");
    failed(weir_space_map(f->s, &mem, weir_iova(0x8000000000000000), 3, &e), &e, -EINVAL,
           "map-range");
    contains(e.why, "wraps");
    book_is(f, 0, 0);
    assert_string_equal(f->fake.calls, "");
    /* Up to it is fine. */
    assert_int_equal(map(f, 0, 2 * PAGE, UINT64_MAX - 2 * PAGE + 1, 3, "m", &e), 0);
    failed(map(f, 0, PAGE, UINT64_MAX - PAGE + 1, 3, "m", &e), &e, -EEXIST, "map-overlap");
    assert_int_equal(unmap(f, UINT64_MAX - 2 * PAGE + 1, 2 * PAGE, &e), 0);
    book_is(f, 0, 0);
}

static void test_rights(void **state)
{
    struct fixture *f = *state;
    struct weir_error e;

    failed(map(f, 0, PAGE, 0x1000, 0, "m", &e), &e, -EINVAL, "map-prot");
    failed(map(f, 0, PAGE, 0x1000, 4, "m", &e), &e, -EINVAL, "map-prot");
    failed(map(f, 0, PAGE, 0x1000, 7, "m", &e), &e, -EINVAL, "map-prot");
    assert_int_equal(map(f, 0, PAGE, 0x1000, WEIR_PROT_READ, "m", &e), 0);
    assert_int_equal(map(f, 0, PAGE, 0x2000, WEIR_PROT_WRITE, "m", &e), 0);
}

static void test_overlap(void **state)
{
    struct fixture *f = *state;
    struct weir_error e;

    assert_int_equal(map(f, 0, 4 * PAGE, 0x10000, 3, "rings", &e), 0);
    for (uint64_t iova = 0xd000; iova <= 0x13000; iova += PAGE) {
        failed(map(f, 0, 4 * PAGE, iova, 3, "pool", &e), &e, -EEXIST, "map-overlap");
        contains(e.why, "rings is mapped at [0x10000, 0x13fff]");
    }
    failed(map(f, 0, PAGE, 0x11000, 3, "pool", &e), &e, -EEXIST, "map-overlap");
    book_is(f, 1, 4 * PAGE);
    assert_int_equal(map(f, 0, 4 * PAGE, 0xc000, 3, "pool", &e), 0);
    assert_int_equal(map(f, 0, PAGE, 0x14000, 3, "pool", &e), 0);
    book_is(f, 3, 9 * PAGE);
}

static void test_limit(void **state)
{
    struct fixture *f = *state;
    struct weir_error e;

    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(map(f, 0, PAGE, 0x10000 + 0x1000 * i, 3, "m", &e), 0);
    failed(map(f, 0, PAGE, 0x20000, 3, "m", &e), &e, -ENOSPC, "map-limit");
    contains(e.why, "4 mappings");
    /* The overlap is the better explanation. */
    failed(map(f, 0, PAGE, 0x10000, 3, "m", &e), &e, -EEXIST, "map-overlap");
    assert_int_equal(unmap(f, 0x12000, PAGE, &e), 0);
    assert_int_equal(map(f, 0, PAGE, 0x20000, 3, "m", &e), 0);
    book_is(f, 4, 4 * PAGE);
}

/* A call wrong in every way is told of the first. */
static void test_order_of_checks(void **state)
{
    struct fixture *f = *state;
    struct weir_error e;

    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(map(f, 0, PAGE, 0x10000 + 0x1000 * i, 3, "m", &e), 0);
    failed(map(f, 1, PAGE, 0, 0, "m", &e), &e, -EINVAL, "map-unaligned");
    failed(map(f, 0, PAGE, 0, 0, "m", &e), &e, -EINVAL, "map-range");
    failed(map(f, 0, PAGE, 0x10000, 0, "m", &e), &e, -EINVAL, "map-prot");
    assert_int_equal(map(f, 0, PAGE, 0x10000, 3, "m", NULL), -EEXIST);
}

static void test_unmap(void **state)
{
    struct fixture *f = *state;
    struct weir_error e;

    failed(unmap(f, 0x10000, PAGE, &e), &e, -ENOENT, "unmap-nothing");
    assert_int_equal(map(f, 0, 4 * PAGE, 0x10000, 3, "rings", &e), 0);
    assert_int_equal(map(f, 0, PAGE, 0x14000, 3, "pool", &e), 0);
    failed(unmap(f, 0x11000, PAGE, &e), &e, -EINVAL, "unmap-partial"); /* a middle */
    contains(e.why, "rings is mapped there at [0x10000, 0x13fff]");
    contains(e.fix, "16384 bytes at IOVA 0x10000");
    failed(unmap(f, 0x10000, PAGE, &e), &e, -EINVAL, "unmap-partial");
    failed(unmap(f, 0x13000, PAGE, &e), &e, -EINVAL, "unmap-partial");
    failed(unmap(f, 0xf000, 5 * PAGE, &e), &e, -EINVAL, "unmap-partial");
    failed(unmap(f, 0xf000, 4 * PAGE, &e), &e, -EINVAL, "unmap-partial");
    failed(unmap(f, 0x11000, 4 * PAGE, &e), &e, -EINVAL, "unmap-partial");
    failed(unmap(f, 0x10000, 5 * PAGE, &e), &e, -EINVAL, "unmap-partial"); /* two */
    failed(unmap(f, 0x12000, SIZE_MAX, &e), &e, -EINVAL, "unmap-partial"); /* wraps */
    failed(unmap(f, 0x10000, 0, &e), &e, -EINVAL, "unmap-partial");
    failed(unmap(f, 0x15000, PAGE, &e), &e, -ENOENT, "unmap-nothing");
    failed(unmap(f, 0xf000, PAGE, &e), &e, -ENOENT, "unmap-nothing");
    failed(unmap(f, 0x15000, 0, &e), &e, -ENOENT, "unmap-nothing");
    failed(unmap(f, UINT64_MAX, SIZE_MAX, &e), &e, -ENOENT, "unmap-nothing");
    book_is(f, 2, 5 * PAGE);
    assert_int_equal(unmap(f, 0x10000, 4 * PAGE, &e), 0);
    book_is(f, 1, PAGE);
    failed(unmap(f, 0x10000, 4 * PAGE, &e), &e, -ENOENT, "unmap-nothing");
    assert_string_equal(f->fake.calls, "map rings 10000+4000 3;map pool 14000+1000 3;"
                                       "unmap 10000+4000;");
}

static void test_backend_fails(void **state)
{
    struct fixture *f = *state;
    struct weir_error e;

    f->fake.map_result = -EIO;
    assert_int_equal(map(f, 0, PAGE, 0x10000, 3, "m", &e), -EIO);
    assert_string_equal(e.code, "fake");
    book_is(f, 0, 0);
    f->fake.map_result = 0;
    assert_int_equal(map(f, 0, PAGE, 0x10000, 3, "m", &e), 0);
    /* The memory is about to go: whatever the backend says, it is not mapped again later. */
    f->fake.unmap_result = -EIO;
    assert_int_equal(unmap(f, 0x10000, PAGE, &e), -EIO);
    assert_string_equal(e.code, "fake");
    book_is(f, 0, 0);
    f->fake.calls[0] = '\0';
    assert_int_equal(weir_space_replay(f->s, &e), 0);
    assert_string_equal(f->fake.calls, "");
}

static void test_replay(void **state)
{
    struct fixture *f = *state;
    struct weir_error e;
    char name[] = "name";

    assert_int_equal(map(f, 0, PAGE, 0x20000, 1, name, &e), 0);
    assert_int_equal(map(f, 0, 2 * PAGE, 0x10000, 3, "b\n", &e), 0);
    assert_int_equal(map(f, 0, PAGE, 0x30000, 2, NULL, &e), 0);
    strcpy(name, "gone"); /* names are copied */
    f->fake.calls[0] = '\0';
    assert_int_equal(weir_space_replay(f->s, &e), 0);
    assert_string_equal(f->fake.calls, "map b? 10000+2000 3;map name 20000+1000 1;"
                                       "map  30000+1000 2;");
    f->fake.calls[0] = '\0';
    f->fake.map_result = -EPIPE;
    assert_int_equal(weir_space_replay(f->s, &e), -EPIPE);
    assert_string_equal(f->fake.calls, "map b? 10000+2000 3;");
    book_is(f, 3, 4 * PAGE);
}

static void test_out_of_memory(void **state)
{
    struct fixture *f = *state;
    struct weir_error e;
    weir_iova_t at;

    allocations = 0;
    failed(map(f, 0, PAGE, 0x10000, 3, "m", &e), &e, -ENOMEM, "no-memory");
    book_is(f, 0, 0);
    assert_string_equal(f->fake.calls, "");
    failed(weir_space_find(f->s, PAGE, 1, 39, &at, &e), &e, -ENOMEM, "no-memory");
    assert_null(weir_space_make(f->w, &fake_ops, &f->fake, PAGE, ranges, 3, UINT64_MAX, &e));
    assert_string_equal(e.code, "no-memory");
    allocations = -1;
    assert_int_equal(map(f, 0, PAGE, 0x10000, 3, "m", &e), 0);
}

static void test_info(void **state)
{
    struct fixture *f = *state;
    struct weir_space_info info;

    weir_space_info(f->s, &info);
    assert_string_equal(info.kind, "fake");
    assert_int_equal(info.page_sizes, 0x201000);
    assert_int_equal(info.max_maps, 4);
    assert_int_equal(info.n_ranges, 3);
    assert_memory_equal(info.ranges, ranges, sizeof(ranges));
    assert_ptr_equal(weir_space_instance(f->s), f->w);
    assert_ptr_equal(weir_space_ops(f->s), &fake_ops);
    assert_null(weir_space_siommu(f->s));
}

static void test_find(void **state)
{
    static const struct weir_iova_range odd_range = {0x200010, 0x202010};
    struct fixture *f = *state;
    struct weir_space *odd;
    struct weir_error e;
    weir_iova_t at;

    /* Never in the first 1 MiB, though the space could. */
    assert_int_equal(weir_space_find(f->s, PAGE, 1, 64, &at, &e), 0);
    assert_int_equal(at.addr, 0x100000);
    assert_int_equal(map(f, 0, PAGE, at.addr, 3, "m", &e), 0);
    assert_int_equal(weir_space_find(f->s, 1, 1, 64, &at, &e), 0); /* whole pages */
    assert_int_equal(at.addr, 0x101000);
    assert_int_equal(map(f, 0, PAGE, 0x102000, 3, "m", &e), 0);
    assert_int_equal(weir_space_find(f->s, PAGE + 1, 1, 64, &at, &e), 0);
    assert_int_equal(at.addr, 0x103000);
    assert_int_equal(weir_space_find(f->s, PAGE, 1 << 20, 64, &at, &e), 0);
    assert_int_equal(at.addr, 0x200000);
    assert_int_equal(weir_space_find(f->s, 0x1000000, 1, 64, &at, &e), 0);
    assert_int_equal(at.addr, 0x2000000);
    assert_int_equal(weir_space_find(f->s, 0x1000001, 1, 64, &at, &e), 0);
    assert_int_equal(at.addr, 0x8000000000000000);
    /* A narrow device does not reach that far. */
    failed(weir_space_find(f->s, 0x1000001, 1, 63, &at, &e), &e, -ENOSPC, "space-no-iova");
    contains(e.why, "2 mappings");
    failed(weir_space_find(f->s, 0x1000000, 1, 25, &at, &e), &e, -ENOSPC, "space-no-iova");
    assert_int_equal(weir_space_find(f->s, 0x1000000, 1, 26, &at, &e), 0);

    /* Whole pages, also where a peer names ranges that are not. */
    odd = weir_space_make(f->w, &fake_ops, &f->fake, PAGE, &odd_range, 1, UINT64_MAX, NULL);
    failed(weir_space_find(odd, PAGE + 1, 1, 64, &at, &e), &e, -ENOSPC, "space-no-iova");
    assert_int_equal(weir_space_find(odd, PAGE, 1, 64, &at, &e), 0);
    assert_int_equal(at.addr, 0x201000);
    weir_space_free(odd);

    failed(weir_space_find(f->s, 0, 1, 64, &at, &e), &e, -EINVAL, "find-options");
    failed(weir_space_find(f->s, UINT64_MAX, 1, 64, &at, &e), &e, -EINVAL, "find-options");
    failed(weir_space_find(f->s, PAGE, 0, 64, &at, &e), &e, -EINVAL, "find-options");
    failed(weir_space_find(f->s, PAGE, 3, 64, &at, &e), &e, -EINVAL, "find-options");
    failed(weir_space_find(f->s, PAGE, 1, 0, &at, &e), &e, -EINVAL, "find-options");
    failed(weir_space_find(f->s, PAGE, 1, 65, &at, &e), &e, -EINVAL, "find-options");
}

static void test_life(void **state)
{
    struct fixture *f = *state;
    struct fake fake = {0};
    struct weir_space *s;
    struct weir_error e;

    assert_null(weir_space_make(f->w, &fake_ops, &fake, 0, ranges, 3, UINT64_MAX, &e));
    assert_string_equal(e.code, "space-empty");
    assert_null(weir_space_make(f->w, &fake_ops, &fake, PAGE, ranges, 0, UINT64_MAX, &e));

    s = weir_space_make(f->w, &fake_ops, &fake, PAGE, ranges, 3, UINT64_MAX, &e);
    assert_non_null(s);
    weir_space_ref(s);
    weir_space_ref(s);
    weir_space_free(s); /* refused, with a word in the log */
    assert_int_equal(fake.freed, 0);
    contains(log_text, "2 devices");
    weir_space_unref(s);
    assert_int_equal(fake.freed, 0);
    weir_space_unref(s); /* made by the application: it stays */
    assert_int_equal(fake.freed, 0);
    weir_space_free(s);
    assert_int_equal(fake.freed, 1);

    s = weir_space_make(f->w, &fake_ops, &fake, PAGE, ranges, 3, UINT64_MAX, &e);
    weir_space_own(s);
    weir_space_ref(s);
    weir_space_ref(s); /* a second device; whoever leaves last takes it along */
    weir_space_unref(s);
    assert_int_equal(fake.freed, 1);
    weir_space_unref(s);
    assert_int_equal(fake.freed, 2);
    weir_space_free(NULL);

    /* What is left goes with the instance, even with a mapping in it. */
    s = weir_space_make(f->w, &fake_ops, &fake, PAGE, ranges, 3, UINT64_MAX, &e);
    assert_int_equal(
        weir_space_map(s, &(struct weir_mem){.va = f->mem, .len = PAGE, .fd = -1, .name = "m"},
                       weir_iova(0x1000), 3, &e),
        0);
    weir_free(f->w);
    f->w = NULL;
    assert_int_equal(fake.freed, 3);
    assert_int_equal(f->fake.freed, 1);
}

/* Only what is allowed is used, and a device may not take any of it away. */
static void test_allowed(void **state)
{
    static const struct weir_iova_range some[] = {{0x2000, 0x5fff}, {0x2000000, 0x2000fff}};
    static const struct weir_iova_range less[] = {{0x3000, 0xffffff}, {0x2000000, 0x2ffffff}};
    struct fixture *f = *state;
    struct fake fake = {0};
    struct weir_mem mem = {.va = f->mem, .len = PAGE, .fd = -1, .name = "m"};
    struct weir_space *s =
        weir_space_make(f->w, &fake_ops, &fake, PAGE, ranges, 3, UINT64_MAX, NULL);
    struct weir_space_info info;
    struct weir_error e;

    assert_int_equal(weir_space_allow(s, some, 2, &e), 0);
    weir_space_info(s, &info);
    assert_int_equal(info.n_ranges, 2);
    assert_int_equal(info.ranges[0].first, 0x2000);
    assert_int_equal(info.ranges[1].last, 0x2000fff);
    assert_int_equal(weir_space_map(s, &mem, weir_iova(0x1000), 3, &e), -EINVAL);
    assert_string_equal(e.code, "map-range");
    assert_int_equal(weir_space_map(s, &mem, weir_iova(0x2000), 3, &e), 0);
    assert_int_equal(weir_space_reshape(s, PAGE, less, 2, UINT64_MAX, &e), -EADDRINUSE);
    assert_string_equal(e.code, "space-narrowed");
    contains(e.why, "[0x2000, 0x5fff]");
    assert_int_equal(weir_space_reshape(s, PAGE, ranges, 3, UINT64_MAX, &e), 0);
    weir_space_info(s, &info);
    assert_int_equal(info.n_ranges, 2); /* still no more than is allowed */
    weir_space_free(s);

    s = weir_space_make(f->w, &fake_ops, &fake, PAGE, ranges, 3, UINT64_MAX, NULL);
    assert_int_equal(weir_space_allow(s, &(struct weir_iova_range){2, 1}, 1, &e), -EINVAL);
    assert_string_equal(e.code, "space-allowed");
    weir_space_free(s);
}

static void test_software(void **state)
{
    struct fixture *f = *state;
    struct weir_space *s = weir_space_software(f->w, NULL);
    struct weir_siommu *iommu;
    struct weir_space_info info;
    struct weir_error e;
    struct weir_mem mem = {.va = f->mem, .len = PAGE, .fd = -1, .name = "ring"};
    weir_iova_t at;
    uint64_t maps;

    assert_non_null(s);
    iommu = weir_space_siommu(s);
    assert_non_null(iommu);
    weir_space_info(s, &info);
    assert_string_equal(info.kind, "software");
    assert_int_equal(info.page_sizes, 1u << 12 | 1u << 21 | 1u << 30);
    assert_int_equal(info.n_ranges, 2);
    assert_int_equal(info.ranges[0].first, 0);
    assert_int_equal(info.ranges[0].last, 0xfedfffff);
    assert_int_equal(info.ranges[1].first, 0xfef00000);
    assert_int_equal(info.ranges[1].last, 0xffffffffffff);

    assert_int_equal(weir_space_find(s, PAGE, PAGE, 39, &at, &e), 0);
    assert_int_equal(weir_space_map(s, &mem, at, WEIR_PROT_READ, &e), 0);
    weir_siommu_lock(iommu);
    assert_ptr_equal(weir_siommu_ptr(iommu, at.addr, PAGE, false), f->mem);
    assert_null(weir_siommu_ptr(iommu, at.addr, PAGE, true));
    weir_siommu_unlock(iommu);
    assert_int_equal(weir_space_replay(s, &e), 0);
    weir_siommu_count(iommu, &maps, NULL);
    assert_int_equal(maps, 1);
    /* Where x86 takes writes as interrupts. */
    failed(weir_space_map(s, &mem, weir_iova(0xfee00000), 3, &e), &e, -EINVAL, "map-range");
    failed(weir_space_map(s, &mem, weir_iova((uint64_t)1 << 48), 3, &e), &e, -EINVAL, "map-range");
    assert_int_equal(weir_space_unmap(s, at, PAGE, &e), 0);
    weir_siommu_count(iommu, &maps, NULL);
    assert_int_equal(maps, 0);
    weir_space_free(s);

    s = weir_space_software(f->w, NULL);
    assert_non_null(s);
    allocations = 1; /* the book has room, the IOMMU has not */
    failed(weir_space_map(s, &mem, at, 3, &e), &e, -ENOMEM, "no-memory");
    allocations = -1;
    weir_space_info(s, &info);
    assert_int_equal(info.maps, 0);
    weir_space_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unaligned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory_given, setup, teardown),
        cmocka_unit_test_setup_teardown(test_range, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rights, setup, teardown),
        cmocka_unit_test_setup_teardown(test_overlap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_of_checks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unmap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backend_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_info, setup, teardown),
        cmocka_unit_test_setup_teardown(test_find, setup, teardown),
        cmocka_unit_test_setup_teardown(test_life, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allowed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_software, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
