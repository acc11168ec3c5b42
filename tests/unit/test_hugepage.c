/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools of hugepages and limits on memory, as /proc and /sys show them: here, a folder of our own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/mem/hugepage.h"
#include "lib/mem/limit.h"
#include "lib/mem/procfile.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

static char root[64];

static int setup(void **state)
{
    (void)state;
    strcpy(root, "/tmp/weir-test-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Write a file below root, with the folders it needs. */
static void put(const char *path, const char *text)
{
    char full[512];
    FILE *f;

    snprintf(full, sizeof(full), "%s/%s", root, path);
    for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(full, 0755);
        *p = '/';
    }
    f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void put_pool(const char *dir, unsigned kib, unsigned total, unsigned free, unsigned surplus,
                     int reserved)
{
    const char *const names[] = {"nr_hugepages", "free_hugepages", "surplus_hugepages",
                                 "resv_hugepages"};
    const int values[] = {(int)total, (int)free, (int)surplus, reserved};

    for (unsigned i = 0; i < 4; i++) {
        char path[256], text[16];

        if (values[i] < 0)
            continue;
        snprintf(path, sizeof(path), "sys/%s/hugepages-%ukB/%s", dir, kib, names[i]);
        snprintf(text, sizeof(text), "%d\n", values[i]);
        put(path, text);
    }
}

static int pool(uint64_t page, int node, struct weir_hugepages *out)
{
    char sysfs[80];

    snprintf(sysfs, sizeof(sysfs), "%s/sys", root);
    return weir_hugepage_pool(sysfs, page, node, out);
}

static void test_pools(void **state)
{
    struct weir_hugepages p;
    char text[256];

    (void)state;
    assert_int_equal(pool(2 * MIB, -1, &p), -ENOENT);
    put_pool("kernel/mm/hugepages", 2048, 100, 60, 10, 25);
    put_pool("devices/system/node/node0/hugepages", 2048, 50, 20, 0, -1);
    put_pool("devices/system/node/node1/hugepages", 2048, 50, 40, 10, -1);
    assert_int_equal(pool(2 * MIB, -1, &p), 0);
    assert_int_equal(p.page, 2 * MIB);
    assert_int_equal(p.node, -1);
    assert_int_equal(p.total, 100);
    assert_int_equal(p.free, 60);
    assert_int_equal(p.surplus, 10);
    assert_int_equal(p.reserved, 25);
    assert_int_equal(p.available, 35);
    assert_string_equal(weir_hugepage_command(&p, 36, text, sizeof(text)),
                        "echo 91 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");

    assert_int_equal(pool(2 * MIB, 0, &p), 0);
    assert_int_equal(p.node, 0);
    assert_int_equal(p.available, 20);
    assert_string_equal(
        weir_hugepage_command(&p, 30, text, sizeof(text)),
        "echo 60 > /sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages");
    /* Its 40 free ones may be among the 25 promised. */
    assert_int_equal(pool(2 * MIB, 1, &p), 0);
    assert_int_equal(p.free, 40);
    assert_int_equal(p.available, 35);
    assert_int_equal(pool(2 * MIB, 2, &p), -ENOENT);
    assert_int_equal(pool(GIB, -1, &p), -ENOENT);
    assert_int_equal(pool(GIB, 0, &p), -ENOENT);

    /* More promised than free: surplus pages will be made. */
    put_pool("kernel/mm/hugepages", 2048, 100, 20, 0, 25);
    assert_int_equal(pool(2 * MIB, -1, &p), 0);
    assert_int_equal(p.available, 0);
    put("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "many\n");
    assert_int_equal(pool(2 * MIB, 1, &p), 0);
    assert_int_equal(p.available, 0);
}

static void test_pools_without_nodes(void **state)
{
    struct weir_hugepages p;

    (void)state;
    put_pool("kernel/mm/hugepages", 1048576, 4, 3, 0, 1);
    assert_int_equal(pool(GIB, 0, &p), 0);
    assert_int_equal(p.node, -1);
    assert_int_equal(p.available, 2);
}

static void test_sizes(void **state)
{
    uint64_t sizes[WEIR_MAX_PAGE_SIZES];
    unsigned n = weir_hugepage_sizes(sizes, WEIR_MAX_PAGE_SIZES);

    (void)state;
    for (unsigned i = 0; i < n; i++) {
        struct weir_hugepages p;

        assert_true(sizes[i] > weir_base_page());
        assert_true(i == 0 || sizes[i] < sizes[i - 1]);
        assert_int_equal(weir_hugepage_pool("/sys", sizes[i], -1, &p), 0);
        assert_true(p.available <= p.free && p.free <= p.total);
    }
    if (n > 1)
        assert_int_equal(weir_hugepage_sizes(sizes, 1), 1);
}

static void test_size_text(void **state)
{
    char t[32];

    (void)state;
    assert_string_equal(weir_size_text(0, t, sizeof(t)), "0 bytes");
    assert_string_equal(weir_size_text(1000, t, sizeof(t)), "1000 bytes");
    assert_string_equal(weir_size_text(4096, t, sizeof(t)), "4 KiB");
    assert_string_equal(weir_size_text(2 * MIB, t, sizeof(t)), "2 MiB");
    assert_string_equal(weir_size_text(2 * MIB + 4096, t, sizeof(t)), "2052 KiB");
    assert_string_equal(weir_size_text(GIB, t, sizeof(t)), "1 GiB");
    assert_string_equal(weir_size_text(GIB << 20, t, sizeof(t)), "1024 TiB");
    assert_string_equal(weir_size_text(UINT64_MAX, t, sizeof(t)), "18446744073709551615 bytes");
}

static void test_files(void **state)
{
    char path[128];
    uint64_t n = 5;

    (void)state;
    snprintf(path, sizeof(path), "%s/f", root);
    assert_int_equal(weir_read_number(path, &n), -ENOENT);
    assert_int_equal(weir_read_field(path, "a", &n), -ENOENT);
    put("f", "");
    assert_int_equal(weir_read_number(path, &n), -EINVAL);
    put("f", "-1\n");
    assert_int_equal(weir_read_number(path, &n), -EINVAL);
    put("f", "99999999999999999999999\n");
    assert_int_equal(weir_read_number(path, &n), -ERANGE);
    put("f", "18446744073709551615\n");
    assert_int_equal(weir_read_number(path, &n), 0);
    assert_int_equal(n, UINT64_MAX);
    put("f", "max\n");
    assert_int_equal(weir_read_number(path, &n), 0);
    assert_int_equal(n, UINT64_MAX);
    put("f", "xfile 1\nfile_a 2\ntotal_file 3\nfile 4\nfile 5\n");
    assert_int_equal(weir_read_field(path, "file", &n), 0);
    assert_int_equal(n, 4);
    assert_int_equal(weir_read_field(path, "missing", &n), -ENOENT);
    put("f", "Node 0 MemFree:    12 kB\nNode 0 Bad: x\n");
    assert_int_equal(weir_read_field(path, "MemFree:", &n), 0);
    assert_int_equal(n, 12);
    assert_int_equal(weir_read_field(path, "Bad:", &n), -EINVAL);
}

static void limit_is(const struct weir_limit *limit, uint64_t room, const char *where)
{
    assert_int_equal(limit->room, room);
    if (room == UINT64_MAX) {
        assert_string_equal(limit->where, "");
    } else {
        assert_int_equal(strncmp(limit->where, root, strlen(root)), 0);
        assert_string_equal(limit->where + strlen(root), where);
    }
}

static void test_limit_of_machine_and_node(void **state)
{
    struct weir_limit l;

    (void)state;
    weir_limit_memory(root, -1, &l); /* nothing is known */
    limit_is(&l, UINT64_MAX, "");
    put("proc/meminfo", "MemTotal:  9000 kB\nMemFree:  10 kB\nMemAvailable:  100 kB\n");
    weir_limit_memory(root, 1, &l);
    limit_is(&l, 100 << 10, "/proc/meminfo");
    put("sys/devices/system/node/node1/meminfo",
        "Node 1 MemFree:  20 kB\nNode 1 Active(file):  3 kB\nNode 1 Inactive(file):  4 kB\n");
    weir_limit_memory(root, 1, &l);
    limit_is(&l, 27 << 10, "/sys/devices/system/node/node1/meminfo");
    weir_limit_memory(root, -1, &l);
    limit_is(&l, 100 << 10, "/proc/meminfo");
    weir_limit_memory(root, 0, &l);
    limit_is(&l, 100 << 10, "/proc/meminfo");
}

static void test_limit_of_group_v2(void **state)
{
    struct weir_limit l;

    (void)state;
    put("proc/self/cgroup", "0::/app/worker\n");
    put("sys/fs/cgroup/cgroup.controllers", "memory\n");
    put("sys/fs/cgroup/app/worker/memory.max", "max\n");
    put("sys/fs/cgroup/app/worker/memory.current", "1000\n");
    weir_limit_memory(root, -1, &l);
    limit_is(&l, UINT64_MAX, "");
    put("sys/fs/cgroup/app/memory.max", "50000\n");
    put("sys/fs/cgroup/app/memory.current", "30000\n");
    weir_limit_memory(root, -1, &l);
    limit_is(&l, 20000, "/sys/fs/cgroup/app/memory.max");
    put("sys/fs/cgroup/app/memory.stat", "anon 5\ninactive_file 4000\nactive_file 1000\n");
    weir_limit_memory(root, -1, &l);
    limit_is(&l, 25000, "/sys/fs/cgroup/app/memory.max");
    put("sys/fs/cgroup/app/worker/memory.max", "900\n");
    weir_limit_memory(root, -1, &l); /* over it already */
    limit_is(&l, 0, "/sys/fs/cgroup/app/worker/memory.max");
    put("sys/fs/cgroup/app/worker/memory.stat", "inactive_file 5000000\n");
    weir_limit_memory(root, -1, &l);
    limit_is(&l, 900, "/sys/fs/cgroup/app/worker/memory.max");
}

static void test_limit_of_group_v1(void **state)
{
    struct weir_limit l;

    (void)state;
    put("proc/self/cgroup", "12:cpu,cpuacct:/x\n4:memory:/docker/abc\nnonsense\n3:foomemory:/\n"
                            "0::/docker/abc\n");
    /* The path is the host's; what is mounted is the group itself. */
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "5000\n");
    weir_limit_memory(root, -1, &l);
    limit_is(&l, UINT64_MAX, "");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "8192\n");
    put("sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 1000\n");
    weir_limit_memory(root, -1, &l);
    limit_is(&l, 4192, "/sys/fs/cgroup/memory/memory.limit_in_bytes");
    weir_limit_hugepages(root, 2 * MIB, &l);
    limit_is(&l, UINT64_MAX, "");
    /* Both versions at once. */
    put("sys/fs/cgroup/unified/docker/abc/memory.max", "2000\n");
    put("sys/fs/cgroup/unified/docker/abc/memory.current", "0\n");
    weir_limit_memory(root, -1, &l);
    limit_is(&l, 2000, "/sys/fs/cgroup/unified/docker/abc/memory.max");
}

static void test_limit_of_hugepages(void **state)
{
    struct weir_limit l;

    (void)state;
    put("proc/self/cgroup", "7:hugetlb:/h\n0::/v2\n");
    weir_limit_hugepages(root, GIB, &l);
    limit_is(&l, UINT64_MAX, "");
    put("sys/fs/cgroup/hugetlb/h/hugetlb.2MB.limit_in_bytes", "10485760\n");
    put("sys/fs/cgroup/hugetlb/h/hugetlb.2MB.usage_in_bytes", "2097152\n");
    weir_limit_hugepages(root, 2 * MIB, &l);
    limit_is(&l, 8 * MIB, "/sys/fs/cgroup/hugetlb/h/hugetlb.2MB.limit_in_bytes");
    weir_limit_hugepages(root, GIB, &l);
    limit_is(&l, UINT64_MAX, "");
    put("sys/fs/cgroup/v2/hugetlb.2MB.rsvd.max", "4194304\n");
    put("sys/fs/cgroup/v2/hugetlb.2MB.rsvd.current", "0\n");
    put("sys/fs/cgroup/v2/hugetlb.1GB.max", "0\n");
    put("sys/fs/cgroup/v2/hugetlb.1GB.current", "0\n");
    put("sys/fs/cgroup/v2/hugetlb.64KB.max", "65536\n");
    put("sys/fs/cgroup/v2/hugetlb.64KB.current", "0\n");
    weir_limit_hugepages(root, 2 * MIB, &l);
    limit_is(&l, 4 * MIB, "/sys/fs/cgroup/v2/hugetlb.2MB.rsvd.max");
    weir_limit_hugepages(root, GIB, &l);
    limit_is(&l, 0, "/sys/fs/cgroup/v2/hugetlb.1GB.max");
    weir_limit_hugepages(root, 65536, &l);
    limit_is(&l, 65536, "/sys/fs/cgroup/v2/hugetlb.64KB.max");
}

/* A path longer than there is room for is left out, not cut to something else. */
static void test_long_group_path(void **state)
{
    struct weir_limit l;
    char line[900] = "0::";

    (void)state;
    for (unsigned i = 0; i < 80; i++)
        strcat(line, "/abcdefg");
    put("proc/self/cgroup", line);
    put("sys/fs/cgroup/memory.max", "1\n");
    put("sys/fs/cgroup/memory.current", "0\n");
    weir_limit_memory(root, -1, &l);
    limit_is(&l, UINT64_MAX, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_pools),
        T(test_pools_without_nodes),
        T(test_sizes),
        T(test_size_text),
        T(test_files),
        T(test_limit_of_machine_and_node),
        T(test_limit_of_group_v2),
        T(test_limit_of_group_v1),
        T(test_limit_of_hugepages),
        T(test_long_group_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
