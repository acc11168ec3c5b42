/* SPDX-License-Identifier: BSD-3-Clause */
/* PCI functions and groups as a sysfs shows them that is whole, odd, or not there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/host/function.h"
#include "lib/host/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/weir-function-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void at(char *out, const char *path)
{
    snprintf(out, PATH_MAX, "%s/%s", root, path);
    for (char *p = strchr(out + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(out, 0755);
        *p = '/';
    }
}

static void file(const char *path, const char *text)
{
    char full[PATH_MAX];
    FILE *f;

    at(full, path);
    f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void link_to(const char *path, const char *target)
{
    char full[PATH_MAX];

    at(full, path);
    assert_int_equal(symlink(target, full), 0);
}

static void test_address(void **state)
{
    static const char *const wrong[] = {"",
                                        "0000:01:00",
                                        "0000:01:00.00",
                                        "1:00.0",
                                        "0000-01:00.0",
                                        "000g:01:00.0",
                                        "0000:01:00.0 ",
                                        "01:00.0x"};
    char out[16];

    (void)state;
    assert_true(weir_pci_address("0000:01:00.0", out));
    assert_string_equal(out, "0000:01:00.0");
    assert_true(weir_pci_address("AF:1E.7", out));
    assert_string_equal(out, "0000:af:1e.7");
    assert_true(weir_pci_address("00C0:FF:1f.2", out));
    assert_string_equal(out, "00c0:ff:1f.2");
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(weir_pci_address(wrong[i], out));
}

#define F "bus/pci/devices/0000:01:00.0/"

static void test_read(void **state)
{
    struct weir_pci_function f;
    struct weir_error e;

    (void)state;
    assert_int_equal(weir_pci_function_read(root, "0000:01:00.0", &f, &e), -ENODEV);
    assert_string_equal(e.code, "device-absent");
    assert_int_equal(f.group, -1);
    assert_string_equal(f.address, "0000:01:00.0");
    file(F "vendor", "0x8086\n");
    file(F "device", "0x1528\n");
    file(F "class", "0x020000\n");
    file(F "numa_node", "-1\n");
    link_to(F "driver", "../../../../bus/pci/drivers/vfio-pci");
    link_to(F "iommu_group", "../../../../kernel/iommu_groups/12");
    file(F "vfio-dev/vfio3/dev", "511:3\n");
    file("kernel/iommu_groups/12/type", "DMA\n");
    assert_int_equal(weir_pci_function_read(root, "0000:01:00.0", &f, &e), 0);
    assert_true(f.vendor == 0x8086 && f.device == 0x1528 && f.class_code == 0x020000);
    assert_true(f.node == -1 && f.group == 12 && !f.no_iommu);
    assert_string_equal(f.driver, "vfio-pci");
    assert_string_equal(f.cdev, "vfio3");
    assert_true(weir_pci_function_is_vfio(&f));
    /* In place, by its own name. */
    file("kernel/iommu_groups/12/name", "vfio-noiommu\n");
    assert_int_equal(weir_pci_function_read(root, f.address, &f, &e), 0);
    assert_true(f.no_iommu && f.group == 12);
    file("kernel/iommu_groups/12/name", "vfio-noiommu-not\n");
    assert_int_equal(weir_pci_function_read(root, f.address, &f, &e), 0);
    assert_false(f.no_iommu);
}

static void test_read_odd(void **state)
{
    struct weir_pci_function f;

    (void)state;
    file(F "vendor", "8086 and more\n");
    file(F "device", "");
    file(F "class", "0x02000000000000000000000000000000000000000000000000000000\n");
    file(F "numa_node", "none\n");
    link_to(F "driver", "../../../../bus/pci/drivers/a-driver-of-more-than-thirty-one-letters");
    file(F "iommu_group", "no link\n");
    file(F "vfio-dev/vfio-with-a-long-name/dev", "511:3\n");
    assert_int_equal(weir_pci_function_read(root, "0000:01:00.0", &f, NULL), 0);
    assert_true(f.vendor == 0xffff && f.device == 0xffff && f.class_code == 0);
    assert_true(f.node == -1 && f.group == -1);
    assert_string_equal(f.driver, "(a long name)");
    assert_string_equal(f.cdev, "");
    assert_false(weir_pci_function_is_vfio(&f));
}

static void test_blocks(void **state)
{
    static const struct {
        const char *driver, *cdev;
        uint32_t class_code;
        bool blocks;
    } cases[] = {
        {"", "", 0x020000, false},
        {"ixgbe", "", 0x020000, true},
        {"vfio-pci", "", 0x020000, false},
        {"mlx5_vfio_pci", "", 0x020000, false},
        {"of-one-that-has-a-file", "vfio0", 0x020000, false},
        {"pci-stub", "", 0x020000, false},
        {"pcieport", "", 0x060400, false},
        {"shpchp", "", 0x060401, false},
        {"yenta_cardbus", "", 0x060700, false},
        {"anything", "", 0x060940, false},
        {"lpc_ich", "", 0x060100, true},    /* an ISA bridge has a header of type 0 */
        {"skx_uncore", "", 0x060000, true}, /* and so has a host bridge */
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_pci_function f = {.class_code = cases[i].class_code};

        strcpy(f.driver, cases[i].driver);
        strcpy(f.cdev, cases[i].cdev);
        if (weir_pci_function_blocks(&f) != cases[i].blocks)
            fail_msg("%s", cases[i].driver);
    }
}

static void member(const char *address)
{
    char path[128];

    snprintf(path, sizeof(path), "bus/pci/devices/%s/vendor", address);
    file(path, "0x8086\n");
    snprintf(path, sizeof(path), "kernel/iommu_groups/5/devices/%s", address);
    link_to(path, "/");
}

static void test_group(void **state)
{
    struct weir_pci_function f[4];

    (void)state;
    assert_int_equal(weir_group_read(root, 5, f, 4), -ENOENT);
    member("0000:03:00.1");
    member("0000:01:00.0");
    member("0000:03:00.0");
    link_to("kernel/iommu_groups/5/devices/fsl-mc.0", "/"); /* of another bus */
    assert_int_equal(weir_group_read(root, 5, f, 4), 3);
    assert_string_equal(f[0].address, "0000:01:00.0");
    assert_string_equal(f[1].address, "0000:03:00.0");
    assert_string_equal(f[2].address, "0000:03:00.1");
    assert_int_equal(f[2].vendor, 0x8086);
    /* More than there is room for, and one that has just gone. */
    memset(f, 0x5a, sizeof(f));
    assert_int_equal(weir_group_read(root, 5, f, 2), 3);
    assert_true(strcmp(f[0].address, f[1].address) < 0);
    assert_int_equal(f[2].group, 0x5a5a5a5a);
    link_to("kernel/iommu_groups/5/devices/0000:00:1f.0", "/");
    assert_int_equal(weir_group_read(root, 5, f, 4), 4);
    assert_string_equal(f[0].address, "0000:00:1f.0");
    assert_string_equal(f[0].driver, "");
}

static void test_text(void **state)
{
    char out[8];

    (void)state;
    file("text", "0123456789\n");
    file("lines", "a\nb\n\n");
    file("folder/x", "");
    assert_int_equal(weir_sysfs_text(out, sizeof(out), "%s/text", root), 7);
    assert_string_equal(out, "0123456");
    assert_int_equal(weir_sysfs_text(out, sizeof(out), "%s/lines", root), 3);
    assert_string_equal(out, "a\nb");
    assert_int_equal(weir_sysfs_text(out, sizeof(out), "%s/none", root), -ENOENT);
    assert_string_equal(out, "");
    assert_int_equal(weir_sysfs_text(out, sizeof(out), "%s/folder", root), -EISDIR);
    assert_string_equal(out, "");
    link_to("long", "../a-name-that-is-too-long");
    link_to("plain", "x");
    assert_int_equal(weir_sysfs_link(out, sizeof(out), "%s/long", root), -ENAMETOOLONG);
    assert_int_equal(weir_sysfs_link(out, sizeof(out), "%s/plain", root), 0);
    assert_string_equal(out, "x");
    assert_int_equal(weir_sysfs_link(out, sizeof(out), "%s/text", root), -EINVAL);
}

static void test_holder(void **state)
{
    char out[64], self[64];

    (void)state;
    assert_string_equal(weir_file_holder("/nowhere", "/dev/vfio/1", -1, out, sizeof(out)), "");
    link_to("12/fd/3", "/dev/vfio/12");
    link_to("13/fd/3", "/dev/vfio/1");
    link_to("irq/fd/3", "/dev/vfio/2");
    file("13/comm", "qemu\n");
    assert_string_equal(weir_file_holder(root, "/dev/vfio/1", -1, out, sizeof(out)),
                        "process 13 (qemu)");
    assert_string_equal(weir_file_holder(root, "/dev/vfio/2", -1, out, sizeof(out)), "");
    assert_string_equal(weir_file_holder(root, "/dev/vfio/12", -1, out, sizeof(out)),
                        "process 12 ()");
    assert_string_equal(weir_file_holder(root, "/dev/vfio/1", -1, out, 9), "process ");
    snprintf(self, sizeof(self), "%d/fd/7", (int)getpid());
    link_to(self, "/dev/vfio/3");
    assert_string_equal(weir_file_holder(root, "/dev/vfio/3", -1, out, sizeof(out)),
                        "this process");
    assert_string_equal(weir_file_holder(root, "/dev/vfio/3", 7, out, sizeof(out)), "");
    /* The same number of another process is another matter. */
    assert_string_equal(weir_file_holder(root, "/dev/vfio/1", 3, out, sizeof(out)),
                        "process 13 (qemu)");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_address), CASE(test_read), CASE(test_read_odd), CASE(test_blocks),
        CASE(test_group),   CASE(test_text), CASE(test_holder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
