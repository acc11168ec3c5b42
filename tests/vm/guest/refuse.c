/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel refuses, and how it is explained. $VFIO is one edu, through $API; the argument
 * says in which circumstances:
 *
 *   plain     nothing special
 *   group     $MEMBER is in the device's group and has a driver of the host
 *   limit     dma_entry_limit is 5
 *   no-iommu  there is no IOMMU, and $DEVICE is not bound
 */
#include "vm.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <weir/driver/driver.h>

#define PAGE 4096u
#define USER 1000

static bool is_iommufd(void)
{
    return strcmp(getenv("API"), "iommufd") == 0;
}

static void refused(struct weir *w, const char *name, int err, const char *code, const char *why,
                    const char *fix)
{
    struct weir_error e = {.code = ""};

    assert_null(weir_device_open(w, name, NULL, &e));
    printf("# %s: %s\n#   %s\n#   %s\n", e.code, e.what, e.why, e.fix);
    assert_string_equal(e.code, code);
    assert_int_equal(e.err, err);
    if (!strstr(e.why, why))
        fail_msg("'%s' is not in: %s", why, e.why);
    if (!strstr(e.fix, fix))
        fail_msg("'%s' is not in: %s", fix, e.fix);
}

/* After a refusal the device is as it was. */
static void opens(void)
{
    struct weir *w = vm_instance();
    struct weir_error e;
    struct weir_device *d = weir_device_open(w, vm_device(0), NULL, &e);

    must_ptr(d, &e);
    assert_int_equal(weir_config_read(d, 0, 2), 0x1234);
    weir_free(w);
}

static void *page_of_memory(size_t len, int prot)
{
    void *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(p, MAP_FAILED);
    return p;
}

static int map(struct weir_space *s, void *va, size_t len, uint64_t iova, struct weir_error *e)
{
    struct weir_mem mem = {.va = va, .len = len, .fd = -1, .page = PAGE, .name = "piece"};

    return weir_space_map(s, &mem, weir_iova(iova), WEIR_PROT_RW, e);
}

static void other_device(void **state)
{
    struct weir *w = vm_instance();

    (void)state;
    refused(w, "0000:7f:1f.7", -ENODEV, "device-absent", "no such PCI function", "lspci");
    weir_free(w);
}

static void open_elsewhere(void **state)
{
    struct weir *w = vm_instance(), *other = vm_instance();
    struct weir_device *d;
    struct weir_error e;
    char line[64];
    int out[2], end[2];
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(out), 0);
    assert_int_equal(pipe(end), 0);
    pid = fork();
    if (pid == 0) {
        d = weir_device_open(other, vm_device(0), NULL, &e);
        (void)!write(out[1], d ? "y" : "n", 1);
        close(end[1]);
        (void)!read(end[0], line, 1);
        _exit(0);
    }
    close(end[0]);
    assert_int_equal(read(out[0], line, 1), 1);
    assert_int_equal(line[0], 'y');
    snprintf(line, sizeof(line), "process %d (", (int)pid);
    refused(w, vm_device(0), -EBUSY, "device-busy", line, "stop what uses the device");
    close(end[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);

    /* Another instance of this process is somebody else, too. */
    d = weir_device_open(other, vm_device(0), NULL, &e);
    must_ptr(d, &e);
    refused(w, vm_device(0), -EBUSY, "device-busy", "in this process", "stop what uses the device");
    assert_null(weir_device_open(other, vm_device(0), NULL, &e));
    assert_string_equal(e.code, "device-busy");
    weir_free(other);
    weir_free(w);
    opens();
}

static void no_permission(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        struct weir_error e;
        struct weir *w;

        if (setgid(USER) || setuid(USER))
            _exit(1);
        w = weir_new(NULL, &e);
        if (weir_device_open(w, vm_device(0), NULL, &e))
            _exit(2);
        printf("# %s: %s\n#   %s\n#   %s\n", e.code, e.what, e.why, e.fix);
        fflush(stdout);
        if (strcmp(e.code, "vfio-permission") || e.err != -EACCES || !strstr(e.fix, "udev"))
            _exit(3);
        weir_free(w);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    opens();
}

static void not_bound(void **state)
{
    struct weir *w = vm_instance();
    char path[96];

    (void)state;
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", vm_address(0));
    assert_true(vm_write(path, vm_address(0)));
    refused(w, vm_device(0), -ENODEV, "device-driver", "no driver", "drivers_probe");
    assert_true(vm_write("/sys/bus/pci/drivers_probe", vm_address(0)));
    weir_free(w);
    opens();
}

static void bad_maps(void **state)
{
    struct weir *w = vm_instance();
    struct weir_device_info info;
    struct weir_device *d;
    struct weir_space_info space;
    struct weir_error e;
    uint8_t *mem = page_of_memory(4 * PAGE, PROT_READ | PROT_WRITE);
    void *readable = page_of_memory(PAGE, PROT_READ);

    (void)state;
    d = weir_device_open(w, vm_device(0), NULL, &e);
    must_ptr(d, &e);
    weir_device_info(d, &info);
    weir_space_info(info.space, &space);
    assert_string_equal(space.kind, getenv("API"));
    printf("# page sizes %#llx, %u bits, %llu mappings at most\n",
           (unsigned long long)space.page_sizes, space.iova_bits,
           (unsigned long long)space.max_maps);
    assert_true(space.page_sizes & PAGE);
    if (strcmp(getenv("IOMMU"), "intel") == 0)
        assert_int_equal(space.page_sizes, 0x40201000);
    assert_true(space.iova_bits >= 39);

    must(map(info.space, mem, 2 * PAGE, 0x100000, &e), &e);
    assert_int_equal(map(info.space, mem, PAGE, 0x101000, &e), -EEXIST);
    assert_string_equal(e.code, "map-overlap");
    /* Where x86 takes a write for an interrupt. */
    assert_int_equal(map(info.space, mem, PAGE, 0xfee00000, &e), -EINVAL);
    assert_string_equal(e.code, "map-range");
    printf("# %s; %s\n", e.why, e.fix);
    assert_int_equal(map(info.space, mem, PAGE, 0xfee01000, &e), -EINVAL);
    assert_int_equal(map(info.space, mem, PAGE, 0xfedff000, &e), 0);
    assert_int_equal(map(info.space, mem, PAGE, 0x200800, &e), -EINVAL);
    assert_string_equal(e.code, "map-unaligned");
    assert_int_equal(map(info.space, mem + 8, PAGE, 0x200000, &e), -EINVAL);
    assert_string_equal(e.code, "map-unaligned");
    assert_int_equal(map(info.space, (void *)0x10000, PAGE, 0x200000, &e), -EFAULT);
    assert_string_equal(e.code, "map-memory");
    assert_int_equal(map(info.space, readable, PAGE, 0x200000, &e), -EFAULT);
    assert_string_equal(e.code, "map-memory");

    assert_int_equal(weir_space_unmap(info.space, weir_iova(0x101000), PAGE, &e), -EINVAL);
    assert_string_equal(e.code, "unmap-partial");
    assert_int_equal(weir_space_unmap(info.space, weir_iova(0x300000), PAGE, &e), -ENOENT);
    must(weir_space_unmap(info.space, weir_iova(0x100000), 2 * PAGE, &e), &e);
    must(weir_space_unmap(info.space, weir_iova(0xfedff000), PAGE, &e), &e);
    assert_int_equal(weir_space_unmap(info.space, weir_iova(0x100000), 2 * PAGE, &e), -ENOENT);
    /* What was refused is not in the way of what comes. */
    must(map(info.space, mem, 4 * PAGE, 0x100000, &e), &e);
    weir_free(w);
    munmap(mem, 4 * PAGE);
    munmap(readable, PAGE);
}

/* A user who has the files, and too little lockable memory. */
static int as_user(size_t limit, size_t len)
{
    struct rlimit memlock = {limit, limit};
    struct weir_device_info info;
    struct weir_device *d;
    struct weir_error e;
    struct weir *w;
    char need[48];
    int r;

    if (setrlimit(RLIMIT_MEMLOCK, &memlock) || setgid(USER) || setuid(USER))
        return 1;
    w = weir_new(NULL, &e);
    d = weir_device_open(w, vm_device(0), NULL, &e);
    if (!d) {
        weir_error_print(&e, stderr);
        return 2;
    }
    weir_device_info(d, &info);
    r = map(info.space, page_of_memory(len, PROT_READ | PROT_WRITE), len, 0x1000000, &e);
    if (len <= limit)
        return r ? 3 : 0;
    printf("# %s: %s\n#   %s\n#   %s\n", e.code, e.what, e.why, e.fix);
    fflush(stdout);
    snprintf(need, sizeof(need), "%zu are needed", len);
    if (r != -ENOMEM || strcmp(e.code, "map-memlock") || !strstr(e.why, need))
        return 4;
    snprintf(need, sizeof(need), "is %zu bytes", limit);
    if (!strstr(e.why, need) || !strstr(e.fix, "ulimit -l"))
        return 5;
    /* As much as is allowed still works. */
    return map(info.space, page_of_memory(limit, PROT_READ | PROT_WRITE), limit, 0x1000000, &e) ? 6
                                                                                                : 0;
}

static void give_files(bool to_user)
{
    uid_t uid = to_user ? USER : 0;
    char path[300], dir[96];

    if (is_iommufd()) {
        struct dirent *entry;
        DIR *d;

        assert_int_equal(chown("/dev/iommu", uid, uid), 0);
        snprintf(dir, sizeof(dir), "/sys/bus/pci/devices/%s/vfio-dev", vm_address(0));
        d = opendir(dir);
        assert_non_null(d);
        while ((entry = readdir(d)))
            if (entry->d_name[0] == 'v') {
                snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
                assert_int_equal(chown(path, uid, uid), 0);
            }
        closedir(d);
        return;
    }
    snprintf(path, sizeof(path), "/dev/vfio/%d", vm_group(vm_address(0)));
    assert_int_equal(chown(path, uid, uid), 0);
}

static void too_little_memlock(void **state)
{
    static const size_t lens[] = {16 * PAGE, 64 * PAGE};
    int status;

    (void)state;
    give_files(true);
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(as_user(32 * PAGE, lens[i]));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    give_files(false);
    opens();
}

static void limit_reached(void **state)
{
    struct weir *w = vm_instance();
    struct weir_device_info info;
    struct weir_space_info space;
    struct weir_device *d;
    struct weir_error e;
    uint8_t *mem = page_of_memory(PAGE, PROT_READ | PROT_WRITE);

    (void)state;
    d = weir_device_open(w, vm_device(0), NULL, &e);
    must_ptr(d, &e);
    weir_device_info(d, &info);
    weir_space_info(info.space, &space);
    assert_int_equal(space.max_maps, 5);
    for (unsigned i = 0; i < 5; i++)
        must(map(info.space, mem, PAGE, 0x100000 + i * PAGE, &e), &e);
    assert_int_equal(map(info.space, mem, PAGE, 0x200000, &e), -ENOSPC);
    assert_string_equal(e.code, "map-limit");
    printf("# %s; %s\n", e.why, e.fix);
    must(weir_space_unmap(info.space, weir_iova(0x100000), PAGE, &e), &e);
    must(map(info.space, mem, PAGE, 0x200000, &e), &e);
    weir_free(w);
    munmap(mem, PAGE);
}

static void member_with_the_host(void **state)
{
    struct weir *w = vm_instance();
    char path[96], member[16];

    (void)state;
    snprintf(member, sizeof(member), "%s", getenv("MEMBER"));
    refused(w, vm_device(0), -EPERM, "group-not-viable", member, "driver/unbind");
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", member);
    assert_true(vm_write(path, member)); /* as the fix says */
    weir_free(w);
    opens();
}

static void no_iommu(void **state)
{
    struct weir *w = vm_instance();

    (void)state;
    refused(w, getenv("DEVICE"), -ENODEV, "no-iommu", "the kernel uses no IOMMU", "intel_iommu=on");
    weir_free(w);
}

int main(int argc, char **argv)
{
    const char *which = argc > 1 ? argv[1] : "plain";
    const struct CMUnitTest plain[] = {
        cmocka_unit_test(other_device),  cmocka_unit_test(open_elsewhere),
        cmocka_unit_test(no_permission), cmocka_unit_test(not_bound),
        cmocka_unit_test(bad_maps),      cmocka_unit_test(too_little_memlock),
    };
    const struct CMUnitTest group[] = {cmocka_unit_test(member_with_the_host)};
    const struct CMUnitTest limit[] = {cmocka_unit_test(limit_reached)};
    const struct CMUnitTest none[] = {cmocka_unit_test(no_iommu)};

    if (strcmp(which, "group") == 0)
        return cmocka_run_group_tests(group, NULL, NULL);
    if (strcmp(which, "limit") == 0)
        return cmocka_run_group_tests(limit, NULL, NULL);
    if (strcmp(which, "no-iommu") == 0)
        return cmocka_run_group_tests(none, NULL, NULL);
    return cmocka_run_group_tests(plain, NULL, NULL);
}
