/* SPDX-License-Identifier: BSD-3-Clause */
/* The software IOMMU: what it lets through, what it refuses, and how it reports that. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/driver/siommu.h>

static bool no_memory;

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
    return no_memory ? NULL : __real_realloc(p, size);
}

static struct weir_dma_fault last_called;
static unsigned fault_calls;

static void on_fault(void *user, const struct weir_dma_fault *fault)
{
    assert_ptr_equal(user, &fault_calls);
    last_called = *fault;
    fault_calls++;
}

static int setup(void **state)
{
    struct weir_siommu *s = weir_siommu_new(NULL);

    if (!s)
        return -1;
    fault_calls = 0;
    last_called = (struct weir_dma_fault){0};
    weir_siommu_on_fault(s, on_fault, &fault_calls);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    weir_siommu_free(*state);
    return 0;
}

static int map(struct weir_siommu *s, void *va, size_t len, uint64_t iova, unsigned prot,
               const char *name)
{
    return weir_siommu_map(s, &(struct weir_mem){.va = va, .len = len, .fd = -1, .name = name},
                           iova, prot);
}

static int unmap(struct weir_siommu *s, uint64_t iova, uint64_t len)
{
    return weir_siommu_unmap(s, iova, len, NULL, NULL);
}

/* Accesses as a model makes them: under the lock. */
static int read_at(struct weir_siommu *s, uint64_t iova, void *buf, size_t len)
{
    static const struct weir_dma_who who = {"rx", 3, 77};
    int r;

    weir_siommu_lock(s);
    r = weir_siommu_read(s, iova, buf, len, &who);
    weir_siommu_unlock(s);
    return r;
}

static int write_at(struct weir_siommu *s, uint64_t iova, const void *buf, size_t len)
{
    static const struct weir_dma_who who = {"tx", 1, 5};
    int r;

    weir_siommu_lock(s);
    r = weir_siommu_write(s, iova, buf, len, &who);
    weir_siommu_unlock(s);
    return r;
}

static void *ptr(struct weir_siommu *s, uint64_t iova, size_t len, bool write)
{
    void *p;

    weir_siommu_lock(s);
    p = weir_siommu_ptr(s, iova, len, write);
    weir_siommu_unlock(s);
    return p;
}

static void count_is(struct weir_siommu *s, uint64_t maps, uint64_t bytes)
{
    uint64_t m, b;

    weir_siommu_count(s, &m, &b);
    assert_int_equal(m, maps);
    assert_int_equal(b, bytes);
    weir_siommu_count(s, NULL, NULL);
}

/* The last fault is this one, and everybody was told. */
static void fault_is(struct weir_siommu *s, uint64_t n, const char *reason, const char *mapping)
{
    struct weir_dma_fault f;

    assert_int_equal(weir_siommu_faults(s, &f), n);
    assert_int_equal(fault_calls, n);
    assert_string_equal(f.reason, reason);
    assert_string_equal(f.mapping, mapping);
    assert_int_equal(f.iova, last_called.iova);
    assert_int_equal(f.len, last_called.len);
    assert_int_equal(f.write, last_called.write);
    assert_int_equal(f.descriptor, last_called.descriptor);
    assert_string_equal(f.reason, last_called.reason);
}

static void test_map_refuses(void **state)
{
    struct weir_siommu *s = *state;
    char m[64];
    struct weir_mem fd = {.len = 64, .fd = 0, .offset = INT64_MAX - 10};

    assert_int_equal(map(s, m, 0, 0, WEIR_PROT_RW, "m"), -EINVAL);
    assert_int_equal(map(s, m, 2, UINT64_MAX, WEIR_PROT_RW, "m"), -EINVAL);
    assert_int_equal(map(s, m, 64, UINT64_MAX - 62, WEIR_PROT_RW, "m"), -EINVAL);
    assert_int_equal(map(s, m, SIZE_MAX, 2, WEIR_PROT_RW, "m"), -EINVAL);
    assert_int_equal(map(s, m, SIZE_MAX, 0, WEIR_PROT_RW, "m"), -EINVAL); /* va wraps around */
    assert_int_equal(map(s, m, 64, 0, 0, "m"), -EINVAL);
    assert_int_equal(map(s, m, 64, 0, 4, "m"), -EINVAL);
    assert_int_equal(weir_siommu_map(s, &fd, 0, WEIR_PROT_RW), -EINVAL);

    assert_int_equal(map(s, m, 64, 1000, WEIR_PROT_RW, "m"), 0);
    assert_int_equal(map(s, m, 64, 1000, WEIR_PROT_RW, "m"), -EEXIST);
    assert_int_equal(map(s, m, 1, 1063, WEIR_PROT_RW, "m"), -EEXIST);
    assert_int_equal(map(s, m, 2, 999, WEIR_PROT_RW, "m"), -EEXIST);
    assert_int_equal(map(s, m, 1, 1030, WEIR_PROT_RW, "m"), -EEXIST);
    count_is(s, 1, 64);
    /* Touching is not overlapping. */
    assert_int_equal(map(s, m, 1, 1064, WEIR_PROT_RW, "m"), 0);
    assert_int_equal(map(s, m, 1, 999, WEIR_PROT_RW, "m"), 0);
    count_is(s, 3, 66);
}

static void test_map_out_of_memory(void **state)
{
    struct weir_siommu *s = *state;
    char m[1];

    no_memory = true;
    assert_int_equal(map(s, m, 1, 0, WEIR_PROT_RW, "m"), -ENOMEM);
    no_memory = false;
    count_is(s, 0, 0);
    assert_int_equal(map(s, m, 1, 0, WEIR_PROT_RW, NULL), 0);
}

static void test_top_of_the_address_space(void **state)
{
    struct weir_siommu *s = *state;
    uint8_t m[16] = {0}, b[32];

    m[15] = 9;
    assert_int_equal(map(s, m, 16, UINT64_MAX - 15, WEIR_PROT_RW, "top"), 0);
    assert_int_equal(map(s, m, 16, 0, WEIR_PROT_RW, "bottom"), 0);
    assert_int_equal(read_at(s, UINT64_MAX, b, 1), 0);
    assert_int_equal(b[0], 9);
    assert_ptr_equal(ptr(s, UINT64_MAX - 15, 16, true), m);
    assert_ptr_equal(ptr(s, UINT64_MAX, 1, true), m + 15);
    /* It does not go on at 0. */
    assert_null(ptr(s, UINT64_MAX, 2, true));
    assert_int_equal(read_at(s, UINT64_MAX, b, 2), -EFAULT);
    fault_is(s, 1, "unmapped", "top");
    assert_int_equal(write_at(s, UINT64_MAX - 15, b, 17), -EFAULT);
    fault_is(s, 2, "unmapped", "top");
    assert_int_equal(read_at(s, 1, b, 16), -EFAULT);
    fault_is(s, 3, "unmapped", "bottom");
    assert_int_equal(unmap(s, UINT64_MAX - 15, 17), -EINVAL);
    assert_int_equal(unmap(s, UINT64_MAX - 15, 16), 0);
    count_is(s, 1, 16);
}

static void test_ptr(void **state)
{
    struct weir_siommu *s = *state;
    uint8_t a[100], b[100], c[100];

    assert_int_equal(map(s, a, 100, 1000, WEIR_PROT_RW, "a"), 0);
    assert_int_equal(map(s, b, 100, 1100, WEIR_PROT_READ, "b"), 0);
    assert_int_equal(map(s, c, 100, 1200, WEIR_PROT_WRITE, "c"), 0);
    assert_ptr_equal(ptr(s, 1000, 100, true), a);
    assert_ptr_equal(ptr(s, 1000, 100, false), a);
    assert_ptr_equal(ptr(s, 1099, 1, true), a + 99);
    assert_ptr_equal(ptr(s, 1100, 100, false), b);
    assert_null(ptr(s, 1100, 1, true));
    assert_ptr_equal(ptr(s, 1250, 50, true), c + 50);
    assert_null(ptr(s, 1250, 50, false));
    assert_null(ptr(s, 1000, 101, false)); /* in two mappings */
    assert_null(ptr(s, 1000, SIZE_MAX, false));
    assert_null(ptr(s, 1000, 0, false));
    assert_null(ptr(s, 999, 1, false));
    assert_null(ptr(s, 1300, 1, true));
    assert_int_equal(weir_siommu_faults(s, NULL), 0); /* it only answers */
}

static void test_across_mappings(void **state)
{
    struct weir_siommu *s = *state;
    uint8_t a[10], b[10], c[10], out[30], in[30];

    for (unsigned i = 0; i < 30; i++)
        in[i] = (uint8_t)(i + 1);
    assert_int_equal(map(s, c, 10, 120, WEIR_PROT_RW, "c"), 0);
    assert_int_equal(map(s, a, 10, 100, WEIR_PROT_RW, "a"), 0);
    assert_int_equal(map(s, b, 10, 110, WEIR_PROT_RW, "b"), 0);
    assert_int_equal(write_at(s, 100, in, 30), 0);
    assert_memory_equal(a, in, 10);
    assert_memory_equal(b, in + 10, 10);
    assert_memory_equal(c, in + 20, 10);
    assert_int_equal(read_at(s, 100, out, 30), 0);
    assert_memory_equal(out, in, 30);
    assert_int_equal(read_at(s, 105, out, 20), 0);
    assert_memory_equal(out, in + 5, 20);
    assert_int_equal(read_at(s, 5000, out, 0), 0); /* nothing is accessed */
    assert_int_equal(write_at(s, 5000, in, 0), 0);
    assert_int_equal(weir_siommu_faults(s, NULL), 0);
}

static void test_faults(void **state)
{
    struct weir_siommu *s = *state;
    struct weir_dma_fault f;
    uint8_t a[16], b[16], buf[32], zero[32] = {0};

    memset(a, 1, sizeof(a));
    memset(b, 2, sizeof(b));
    assert_int_equal(weir_siommu_faults(s, &f), 0);
    assert_null(f.reason);
    assert_int_equal(map(s, a, 16, 100, WEIR_PROT_READ, "a"), 0);
    assert_int_equal(map(s, b, 16, 116, WEIR_PROT_WRITE, "b"), 0);

    memset(buf, 0x55, sizeof(buf));
    assert_int_equal(read_at(s, 40, buf, 8), -EFAULT);
    assert_memory_equal(buf, zero, 8);
    fault_is(s, 1, "unmapped", "");
    weir_siommu_faults(s, &f);
    assert_int_equal(f.iova, 40);
    assert_int_equal(f.len, 8);
    assert_false(f.write);
    assert_string_equal(f.queue, "rx");
    assert_int_equal(f.queue_index, 3);
    assert_int_equal(f.descriptor, 77);

    assert_int_equal(write_at(s, 104, buf, 4), -EFAULT);
    fault_is(s, 2, "read-only", "a");
    weir_siommu_faults(s, &f);
    assert_true(f.write);
    assert_string_equal(f.queue, "tx");

    assert_int_equal(read_at(s, 120, buf, 4), -EFAULT);
    fault_is(s, 3, "write-only", "b");

    /* All or nothing, and what was read before the fault is not shown. */
    memset(buf, 0x55, sizeof(buf));
    assert_int_equal(read_at(s, 108, buf, 16), -EFAULT);
    assert_memory_equal(buf, zero, 16);
    fault_is(s, 4, "write-only", "b");
    memset(buf, 0x55, sizeof(buf));
    assert_int_equal(write_at(s, 124, buf, 16), -EFAULT);
    fault_is(s, 5, "unmapped", "b");
    assert_int_equal(b[8], 2);

    /* On nobody's behalf. */
    weir_siommu_lock(s);
    assert_int_equal(weir_siommu_read(s, 0, buf, 1, NULL), -EFAULT);
    weir_siommu_unlock(s);
    weir_siommu_faults(s, &f);
    assert_null(f.queue);
    weir_siommu_on_fault(s, NULL, NULL);
    assert_int_equal(read_at(s, 0, buf, 1), -EFAULT);
    assert_int_equal(weir_siommu_faults(s, NULL), 7);
    assert_int_equal(fault_calls, 6);
}

static void test_freed_is_remembered(void **state)
{
    struct weir_siommu *s = *state;
    char name[80], m[1];

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(map(s, m, 1, 5, WEIR_PROT_RW, "old"), 0);
        assert_int_equal(unmap(s, 5, 1), 0);
    }
    assert_int_equal(map(s, m, 1, 5, WEIR_PROT_RW, "pool\n0"), 0);
    assert_int_equal(unmap(s, 5, 1), 0);
    assert_int_equal(write_at(s, 5, m, 1), -EFAULT);
    fault_is(s, 1, "freed", "pool?0"); /* the latest, and printable */
    assert_int_equal(write_at(s, 4, m, 1), -EFAULT);
    fault_is(s, 2, "unmapped", "");
    /* An access that runs out of what is there into what was. */
    assert_int_equal(map(s, m, 1, 4, WEIR_PROT_RW, "new"), 0);
    assert_int_equal(write_at(s, 4, m, 2), -EFAULT);
    fault_is(s, 3, "freed", "pool?0");
    /* It is there again. */
    assert_int_equal(map(s, m, 1, 5, WEIR_PROT_READ, "again"), 0);
    assert_int_equal(read_at(s, 5, m, 1), 0);
    assert_int_equal(write_at(s, 5, m, 1), -EFAULT);
    fault_is(s, 4, "read-only", "again");
    assert_int_equal(unmap(s, 5, 1), 0);

    /* Memory is finite: 64 later ones push it out. */
    for (unsigned i = 0; i < 64; i++) {
        snprintf(name, sizeof(name),
                 "a name longer than the record of a fault has room for %u ....", i);
        assert_int_equal(map(s, m, 1, 100 + i, WEIR_PROT_RW, name), 0);
        assert_int_equal(unmap(s, 100 + i, 1), 0);
    }
    assert_int_equal(read_at(s, 5, m, 1), -EFAULT);
    fault_is(s, 5, "unmapped", "");
    assert_int_equal(read_at(s, 100, m, 1), -EFAULT);
    snprintf(name, 64, "%s", "a name longer than the record of a fault has room for 0 ....");
    fault_is(s, 6, "freed", name);
}

static unsigned n_removed;
static uint64_t removed_bytes;

static void removed(void *user, const struct weir_mem *mem)
{
    assert_ptr_equal(user, &n_removed);
    assert_string_equal(mem->name, "m");
    assert_int_equal(mem->fd, -1);
    assert_non_null(mem->va);
    n_removed++;
    removed_bytes += mem->len;
}

static void test_unmap(void **state)
{
    struct weir_siommu *s = *state;
    char m[100];

    n_removed = 0;
    removed_bytes = 0;
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(map(s, m, 10, 100 + 20 * i, WEIR_PROT_RW, "m"), 0);
    assert_int_equal(unmap(s, 100, 0), 0);
    assert_int_equal(unmap(s, 110, 10), 0); /* a gap */
    assert_int_equal(unmap(s, 0, 100), 0);
    assert_int_equal(unmap(s, 101, 9), -EINVAL);
    assert_int_equal(unmap(s, 100, 9), -EINVAL);
    assert_int_equal(unmap(s, 102, 3), -EINVAL);
    assert_int_equal(unmap(s, 90, 31), -EINVAL); /* one whole, one in part: neither goes */
    assert_int_equal(unmap(s, 105, 30), -EINVAL);
    assert_int_equal(unmap(s, UINT64_MAX, 2), -EINVAL);
    count_is(s, 5, 50);
    assert_int_equal(weir_siommu_unmap(s, 115, 40, removed, &n_removed), 0);
    assert_int_equal(n_removed, 2);
    assert_int_equal(removed_bytes, 20);
    count_is(s, 3, 30);
    assert_non_null(ptr(s, 100, 10, true));
    assert_null(ptr(s, 120, 10, true));
    assert_null(ptr(s, 140, 10, true));
    assert_non_null(ptr(s, 160, 10, true));

    assert_int_equal(map(s, m, 10, UINT64_MAX - 9, WEIR_PROT_RW, "m"), 0);
    assert_int_equal(weir_siommu_unmap(s, 0, UINT64_MAX, removed, &n_removed), 0);
    assert_int_equal(n_removed, 6);
    count_is(s, 0, 0);
}

static void test_by_fd(void **state)
{
    struct weir_siommu *s = *state;
    struct weir_mem mem = {.len = 4096, .offset = 4096, .name = "file"};
    char buf[64], text[] = "reached through its descriptor";
    struct stat st;
    int fd = memfd_create("test", 0), pipes[2];

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 6144), 0); /* the second half of the mapping is not there */
    mem.fd = fd;
    assert_int_equal(weir_siommu_map(s, &mem, 0x1000, WEIR_PROT_RW), 0);
    assert_null(ptr(s, 0x1000, 1, false));
    assert_int_equal(write_at(s, 0x1010, text, sizeof(text)), 0);
    assert_int_equal(pread(fd, buf, sizeof(text), 4096 + 16), (ssize_t)sizeof(text));
    assert_string_equal(buf, text);
    memset(buf, 0, sizeof(buf));
    assert_int_equal(read_at(s, 0x1010, buf, sizeof(text)), 0);
    assert_string_equal(buf, text);

    /* What lies behind its end is refused, and stays behind its end. */
    buf[0] = 1;
    assert_int_equal(read_at(s, 0x1000 + 2040, buf, 16), -EIO);
    assert_int_equal(buf[0], 0);
    assert_int_equal(write_at(s, 0x1000 + 2040, text, 16), -EIO);
    assert_int_equal(write_at(s, 0x1000 + 4000, text, 16), -EIO);
    assert_int_equal(write_at(s, 0x1000 + 2032, text, 16), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 6144);

    /* Its owner, who shares the flags, has writes go to the end: none does. */
    assert_int_equal(fcntl(fd, F_SETFL, O_APPEND), 0);
    assert_int_equal(write_at(s, 0x1010, text, 16), -EIO);
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 6144);
    /* Behind the limit of file sizes a write would end the process. */
    struct rlimit was, low = {5000, RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    low.rlim_max = was.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    int behind = write_at(s, 0x1000 + 1000, text, 16), before = write_at(s, 0x1000, text, 16);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(behind, -EIO);
    assert_int_equal(before, 0);
    assert_int_equal(weir_siommu_faults(s, NULL), 0); /* the transport failed, not the device */
    assert_int_equal(unmap(s, 0x1000, 4096), 0);
    close(fd);

    assert_int_equal(pipe(pipes), 0);
    mem.fd = pipes[0];
    assert_int_equal(weir_siommu_map(s, &mem, 0x1000, WEIR_PROT_RW), 0);
    assert_int_equal(read_at(s, 0x1000, buf, 1), -ESPIPE);
    assert_int_equal(write_at(s, 0x1000, buf, 1), -EIO);
    close(pipes[0]);
    close(pipes[1]);
    assert_int_equal(read_at(s, 0x1000, buf, 1), -EBADF);
    assert_int_equal(write_at(s, 0x1000, buf, 1), -EBADF);
}

static uint8_t far[64];
static unsigned far_calls;
static int far_result;

static int remote(void *user, uint64_t iova, void *buf, size_t len, bool write)
{
    assert_ptr_equal(user, far);
    assert_in_range(iova, 0x100, 0x13f);
    assert_true(len <= 0x140 - iova);
    far_calls++;
    if (write)
        memcpy(far + (iova - 0x100), buf, len);
    else
        memcpy(buf, far + (iova - 0x100), len);
    return far_result;
}

static void test_remote(void **state)
{
    struct weir_siommu *s = *state;
    uint8_t near[64] = {0}, in[96], out[96];

    for (unsigned i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i + 1);
    assert_int_equal(map(s, NULL, 64, 0x100, WEIR_PROT_RW, "far"), 0);
    assert_int_equal(map(s, near, 64, 0x140, WEIR_PROT_RW, "near"), 0);
    assert_int_equal(read_at(s, 0x100, out, 1), -ENOTCONN);
    weir_siommu_set_remote(s, remote, far);
    assert_int_equal(write_at(s, 0x120, in, 64), 0);
    assert_memory_equal(far + 32, in, 32);
    assert_memory_equal(near, in + 32, 32);
    assert_int_equal(read_at(s, 0x120, out, 64), 0);
    assert_memory_equal(out, in, 64);
    assert_int_equal(far_calls, 2);
    /* A refused access does not even ask. */
    assert_int_equal(read_at(s, 0x130, out, 96), -EFAULT);
    assert_int_equal(far_calls, 2);
    far_result = -ETIMEDOUT;
    out[0] = 7;
    assert_int_equal(read_at(s, 0x100, out, 1), -ETIMEDOUT);
    assert_int_equal(out[0], 0);
    assert_int_equal(write_at(s, 0x100, out, 1), -ETIMEDOUT);
    far_result = 0;
}

/* ---- against a table with one entry per unit ---- */

#define UNIT  1024 /* smaller than the 4 KiB by which the IOMMU remembers */
#define UNITS 512
#define BASE  0x7fffff00000ull

static uint64_t seed = 7;

static uint64_t rnd(void)
{
    /* xorshift64* */
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1du;
}

struct unit {
    uint8_t *va; /* NULL: not mapped */
    unsigned prot;
    unsigned mapping; /* the same for all of one mapping */
};

static bool allowed(const struct unit *t, uint64_t at, size_t len, unsigned need)
{
    for (uint64_t u = at / UNIT; u <= (at + len - 1) / UNIT; u++) {
        if (u >= UNITS || !t[u].va || !(t[u].prot & need))
            return false;
    }
    return true;
}

static void test_property(void **state)
{
    static struct unit t[UNITS];
    static uint8_t buf[UNIT * 16], want[UNIT * 16];
    struct weir_siommu *s = *state;
    uint8_t *memory = calloc(UNITS, UNIT), *mirror = calloc(UNITS, UNIT);
    uint64_t maps = 0, units = 0;
    unsigned serial = 0;

    assert_non_null(memory);
    assert_non_null(mirror);
    for (unsigned round = 0; round < 40000; round++) {
        unsigned first = (unsigned)(rnd() % UNITS), n = (unsigned)(rnd() % 12 + 1), prot;
        unsigned end = first + n < UNITS ? first + n : UNITS;
        bool free = true, whole = true;
        uint64_t at = rnd() % (UNIT * UNITS), seen_maps = 0;
        size_t len = (size_t)(rnd() % sizeof(buf)) + 1;
        bool write = rnd() % 2;
        unsigned need = write ? WEIR_PROT_WRITE : WEIR_PROT_READ;
        uint8_t *p;
        int r;

        switch (rnd() % 8) {
        case 0:
        case 1:
            prot = (unsigned)(rnd() % 3 + 1);
            for (unsigned u = first; u < end; u++)
                free = free && !t[u].va;
            /* Where the memory lies has nothing to do with the IOVA. */
            p = memory + UNIT * (rnd() % (UNITS - (end - first) + 1));
            r = map(s, p, (end - first) * UNIT, BASE + first * UNIT, prot, "m");
            assert_int_equal(r, free ? 0 : -EEXIST);
            if (r == 0) {
                serial++;
                maps++;
                units += end - first;
                for (unsigned u = first; u < end; u++)
                    t[u] = (struct unit){p + (u - first) * UNIT, prot, serial};
            }
            break;
        case 2:
            whole = (first == 0 || !t[first].va || t[first - 1].mapping != t[first].mapping) &&
                    (end == UNITS || !t[end].va || t[end].mapping != t[end - 1].mapping);
            r = unmap(s, BASE + first * UNIT, (end - first) * UNIT);
            assert_int_equal(r, whole ? 0 : -EINVAL);
            for (unsigned u = first; u < end && whole; u++) {
                if (t[u].va) {
                    units--;
                    maps -= t[u].mapping != seen_maps;
                    seen_maps = t[u].mapping;
                }
                t[u] = (struct unit){0};
            }
            break;
        case 3:
            for (size_t i = 0; i < len; i++)
                buf[i] = (uint8_t)(rnd() >> 40);
            r = write_at(s, BASE + at, buf, len);
            assert_int_equal(r, allowed(t, at, len, WEIR_PROT_WRITE) ? 0 : -EFAULT);
            for (size_t i = 0; i < len && r == 0; i++)
                *(t[(at + i) / UNIT].va - memory + mirror + (at + i) % UNIT) = buf[i];
            if (r == 0 && rnd() % 8 == 0)
                assert_memory_equal(memory, mirror, UNIT * UNITS);
            break;
        case 4:
            r = read_at(s, BASE + at, buf, len);
            memset(want, 0, len);
            if (allowed(t, at, len, WEIR_PROT_READ)) {
                assert_int_equal(r, 0);
                for (size_t i = 0; i < len; i++)
                    want[i] = t[(at + i) / UNIT].va[(at + i) % UNIT];
            } else {
                assert_int_equal(r, -EFAULT);
            }
            assert_memory_equal(buf, want, len);
            break;
        default:
            p = ptr(s, BASE + at, len, write);
            if (allowed(t, at, len, need) &&
                t[at / UNIT].mapping == t[(at + len - 1) / UNIT].mapping)
                assert_ptr_equal(p, t[at / UNIT].va + at % UNIT);
            else
                assert_null(p);
        }
        count_is(s, maps, units * UNIT);
    }
    assert_memory_equal(memory, mirror, UNIT * UNITS);
    free(memory);
    free(mirror);
}

/* ---- an unmap returns only when no access is under way, and it does return ---- */

struct shared {
    struct weir_siommu *s;
    atomic_bool stop;
    atomic_uint steps, threads;
};

static void *step(void *arg)
{
    struct shared *shared = arg;
    unsigned at = atomic_fetch_add(&shared->threads, 1) * 1024;

    while (!atomic_load(&shared->stop)) {
        weir_siommu_lock(shared->s);
        for (unsigned i = 0; i < 16; i++) {
            uint8_t *p = weir_siommu_ptr(shared->s, 0x10000 + at + 64 * i, 64, true);

            if (p)
                memset(p, 1, 64);
        }
        atomic_fetch_add(&shared->steps, 1);
        weir_siommu_unlock(shared->s);
    }
    return NULL;
}

static void test_unmap_waits(void **state)
{
    struct shared shared = {.s = *state};
    pthread_t threads[3];
    unsigned before;

    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, step, &shared), 0);
    for (unsigned i = 0; i < 300; i++) {
        uint8_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        assert_true(p != MAP_FAILED);
        assert_int_equal(map(shared.s, p, 4096, 0x10000, WEIR_PROT_RW, "m"), 0);
        /* Let somebody use it. */
        before = atomic_load(&shared.steps);
        while (atomic_load(&shared.steps) < before + 2)
            sched_yield();
        assert_int_equal(unmap(shared.s, 0x10000, 4096), 0);
        munmap(p, 4096); /* an access now would end the test */
    }
    atomic_store(&shared.stop, true);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_map_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_map_out_of_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_top_of_the_address_space, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ptr, setup, teardown),
        cmocka_unit_test_setup_teardown(test_across_mappings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_freed_is_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unmap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_by_fd, setup, teardown),
        cmocka_unit_test_setup_teardown(test_remote, setup, teardown),
        cmocka_unit_test_setup_teardown(test_property, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unmap_waits, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
