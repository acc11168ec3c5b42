/* SPDX-License-Identifier: BSD-3-Clause */
/* The host as a library object: snapshots that end anywhere, memory that runs out, the time that
 * reading takes. What is made of machines is in tests/host. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/host/config.h"
#include "lib/host/filter.h"
#include "lib/host/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weir/weir.h>

/* Allocations of the library to refuse: from the how-manieth on; 0: none. */
static unsigned fail_from, allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool refuse(void)
{
    return fail_from && ++allocations >= fail_from;
}

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return refuse() ? NULL : __real_realloc(old, size);
}

/* A root port without ACS, and a device of two functions behind it. */
static const char snapshot[] =
    "weir-snapshot 1\n"
    "# a comment\n"
    "/proc/sys/kernel/osrelease = 6.1.0-18-amd64\n"
    "/sys/bus/pci/devices/\n"
    "/sys/bus/pci/devices/0000:00:01.0 -> ../../../devices/pci0000:00/0000:00:01.0\n"
    "/sys/bus/pci/devices/0000:00:01.0/config = "
    "0:8680020f06001000000004060000010000000000000000000000000000000000"
    "0000000000000000000000000000000000000000400000000000000000000000 40:10004200 100:03000100\n"
    "/sys/bus/pci/devices/0000:00:01.0/driver -> pcieport\n"
    "/sys/bus/pci/devices/0000:00:01.0/iommu_group -> 7\n"
    "/sys/bus/pci/devices/0000:01:00.0 -> "
    "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0\n"
    "/sys/bus/pci/devices/0000:01:00.0/config = "
    "0:8680281506001000000000020000800000000000000000000000000000000000"
    "0000000000000000000000000000000000000000400000000000000000000000 40:10000200 100:00000000\n"
    "/sys/bus/pci/devices/0000:01:00.0/driver -> ixgbe\n"
    "/sys/bus/pci/devices/0000:01:00.0/driver_override = (null)\n"
    "/sys/bus/pci/devices/0000:01:00.0/iommu_group -> 7\n"
    "/sys/kernel/iommu_groups/\n"
    "/sys/kernel/iommu_groups/7/devices/0000:00:01.0/\n"
    "/sys/kernel/iommu_groups/7/devices/0000:01:00.0/\n"
    "/sys/kernel/iommu_groups/7/devices/AMDI0040:00/\n"
    "/sys/kernel/iommu_groups/7/reserved_regions = 0x00000000fee00000 0x00000000feefffff msi\\n"
    "0x0000000000000000 0x0000000000ffffff direct-relaxable\n"
    "/sys/kernel/iommu_groups/7/type = DMA\n"
    "end\n";

static struct weir_host *load(const char *text, size_t len, struct weir_error *e)
{
    int fd = memfd_create("snapshot", MFD_CLOEXEC);
    struct weir_host_options opt = {.size = sizeof(opt)};
    struct weir_host *h;
    char path[32];

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    opt.snapshot = path;
    h = weir_host_new(&opt, e);
    close(fd);
    return h;
}

static void what_a_snapshot_says(void **state)
{
    struct weir_error e;
    struct weir_host *h = load(snapshot, strlen(snapshot), &e);
    const struct weir_function *f, *port;
    const struct weir_group *g;
    struct weir_reason reason;

    (void)state;
    assert_non_null(h);
    assert_int_equal(weir_host_functions(h), 2);
    f = weir_host_find(h, "01:00.0");
    port = weir_host_find(h, "0000:00:01.0");
    assert_non_null(f);
    assert_ptr_equal(weir_host_function(h, f->parent), port);
    assert_null(weir_host_find(h, "0000:01:00.1"));
    assert_null(weir_host_find(h, "01:00.0x"));
    assert_null(weir_host_find(h, ""));
    assert_null(weir_host_function(h, -1));
    assert_null(weir_host_function(h, 2));
    assert_int_equal(f->vendor, 0x8086);
    assert_int_equal(f->device, 0x1528);
    assert_int_equal(f->class_code, 0x020000);
    assert_int_equal(f->type, WEIR_PCIE_ENDPOINT);
    assert_int_equal(port->type, WEIR_PCIE_ROOT_PORT);
    assert_int_equal(port->acs, WEIR_NO);
    assert_true(port->bridge && !f->bridge && f->known && f->multifunction);
    assert_int_equal(weir_host_groups(h), 1);
    g = weir_host_group_number(h, 7);
    assert_non_null(g);
    assert_int_equal(g->n_members, 2);
    assert_string_equal(g->others, "AMDI0040:00");
    assert_string_equal(g->type, "DMA");
    assert_int_equal(g->n_reserved, 2);
    assert_int_equal(g->reserved[0].range.first, 0xfee00000);
    assert_string_equal(g->reserved[1].type, "direct-relaxable");
    assert_true(weir_function_blocks(h, f));
    assert_false(weir_function_blocks(h, port));
    weir_host_explain(h, f, port, &reason);
    assert_string_equal(reason.code, "port-no-acs");
    assert_int_equal(reason.via, weir_function_index(h, port));
    assert_int_equal(reason.missing, WEIR_ACS_REQUIRED);
    assert_int_equal(f->derived, port->derived);
    weir_host_free(h);
}

static void cut_anywhere_is_an_error(void **state)
{
    size_t len = strlen(snapshot);

    (void)state;
    for (size_t n = 0; n < len; n++) {
        struct weir_error e = {0};

        assert_null(load(snapshot, n, &e));
        assert_string_equal(e.code, "host-snapshot");
        assert_true(e.err < 0);
    }
}

static void one_wrong_byte_does_no_harm(void **state)
{
    char text[sizeof(snapshot)];

    (void)state;
    for (size_t n = 0; n < strlen(snapshot); n++) {
        static const char other[] = {'0', '/', '\n', '\0', (char)0xff};

        for (size_t i = 0; i < sizeof(other); i++) {
            struct weir_error e;

            memcpy(text, snapshot, sizeof(text));
            text[n] = other[i];
            weir_host_free(load(text, strlen(snapshot), &e));
        }
    }
}

static void memory_runs_out(void **state)
{
    struct weir_error e;
    struct weir_host *h = NULL;
    unsigned n = 0;

    (void)state;
    while (!h) {
        memset(&e, 0, sizeof(e));
        allocations = 0;
        fail_from = ++n;
        h = load(snapshot, strlen(snapshot), &e);
        fail_from = 0;
        if (!h)
            assert_int_equal(e.err, -ENOMEM);
        assert_true(n < 100);
    }
    assert_true(n > 5);
    weir_host_free(h);
}

static void this_machine(void **state)
{
    struct weir_error e;
    struct weir_host *h = weir_host_new(NULL, &e);

    (void)state;
    assert_non_null(h);
    assert_true(*weir_host_machine(h)->kernel);
    weir_host_free(h);
    weir_host_free(NULL);
}

static void no_such_place(void **state)
{
    struct weir_host_options opt = {.size = sizeof(opt), .root = "/nonexistent"};
    struct weir_error e;

    (void)state;
    assert_null(weir_host_new(&opt, &e));
    assert_string_equal(e.code, "host-tree");
    assert_int_equal(e.err, -ENOENT);
    opt.snapshot = "/nonexistent";
    assert_null(weir_host_new(&opt, &e));
    assert_string_equal(e.code, "host-snapshot");
    opt.snapshot = "/";
    assert_null(weir_host_new(&opt, NULL));
}

static void tables_have_limits(void **state)
{
    struct weir_table t = {0};
    const char *twice;
    char *big = calloc(1, WEIR_TABLE_MAX_VALUE + 2);
    int r = 0;

    (void)state;
    memset(big, 'x', WEIR_TABLE_MAX_VALUE + 1);
    assert_int_equal(weir_table_add(&t, WEIR_ENTRY_TEXT, "/a", big), -E2BIG);
    big[WEIR_TABLE_MAX_VALUE] = '\0';
    for (unsigned i = 0; r == 0 && i <= WEIR_TABLE_MAX_ENTRIES; i++)
        r = weir_table_add(&t, WEIR_ENTRY_TEXT, "/a", big);
    assert_int_equal(r, -E2BIG);
    assert_true(t.bytes <= WEIR_TABLE_MAX_BYTES);
    assert_int_equal(weir_table_sort(&t, &twice), -EEXIST);
    assert_string_equal(twice, "/a");
    weir_table_free(&t);
    for (unsigned i = 0, n = 0; r != -E2BIG || n == 0; i++, n++)
        r = i == 0 ? 0 : weir_table_add(&t, WEIR_ENTRY_DIR, "/b", "");
    assert_int_equal(t.n, WEIR_TABLE_MAX_ENTRIES);
    weir_table_free(&t);
    free(big);
}

static void filtered(weir_filter_fn *filter, const char *in, const char *out)
{
    char *text = strdup(in);

    filter(text);
    assert_string_equal(text, out);
    free(text);
}

static void what_is_kept_of_files(void **state)
{
    (void)state;
    filtered(weir_filter_cmdline,
             "BOOT_IMAGE=/vmlinuz root=UUID=1-2 intel_iommu=on user=pci ip=10.0.0.1 pci=noats\n",
             "intel_iommu=on pci=noats");
    filtered(weir_filter_cmdline, "", "");
    filtered(weir_filter_cpuinfo,
             "processor\t: 0\nvendor_id\t: GenuineIntel\nserial\t: 1\nvendor_id\t: Other\n",
             "vendor_id\t: GenuineIntel");
    filtered(weir_filter_mounts,
             "1 0 8:2 / / rw shared:1 - ext4 /dev/sda2 rw\n"
             "2 1 0:40 /@ /home rw - btrfs /dev/sdb1 rw\n"
             "3 1 0:41 / /mnt rw - nfs server:/alice rw\n"
             "4 1 253:1 / /home/alice/x rw - ext4 /dev/mapper/host--alice rw\n"
             "5 1 0:42 / /srv rw - btrfs /dev/mapper/alice rw\nbroken\n",
             "8:2 /\nsdb1 /home\n253:1 *");
    filtered(weir_filter_mounts, "1 0 0:30 / / rw - overlay overlay rw\n", "? /");
    filtered(weir_filter_swaps,
             "Filename Type Size\n/dev/sda3   partition 1\n/home/alice/swap file 1\n", "sda3");
    filtered(weir_filter_interrupts, " 1: 5 IR-IO-APIC 2-edge\n 24: 1 IR-PCI-MSIX-0000:01:00.0 0\n",
             "IR-IO-APIC IR-PCI-MSI");
    filtered(weir_filter_interrupts, " 24: 1 PCI-MSI 1-edge eth0\n", "PCI-MSI");
    filtered(weir_filter_modules,
             "kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/a.ko\nkernel/vfio-pci-core.ko:\n"
             "kernel/drivers/vfio/vfio_iommu_type1.ko:\n",
             "vfio-pci\nvfio_iommu_type1");
    filtered(weir_filter_routes, "Iface\tDestination\neth0\t0000A8C0\neth0\t1\neth1\t2\n",
             "eth0\neth1");
    filtered(weir_filter_inet6,
             "00000000000000000000000000000001 01 80 10 80       lo\n"
             "fe800000000000000000000000000001 02 40 20 80     eth0\n"
             "20010db8000000000000000000000001 03 40 00 80     eth1\n",
             "eth1");
    assert_true(weir_filter_names_mac("enx001122334455"));
    assert_true(weir_filter_names_mac("wlx001122334455/flags"));
    assert_false(weir_filter_names_mac("enp1s0"));
    assert_false(weir_filter_names_mac("enx00112233445"));
    assert_false(weir_filter_names_mac("enx0011223344556"));
}

static void configuration_space_as_text(void **state)
{
    static const char head[] = "0:8680281506001000000000020000000000000000000000000000000000000000"
                               "0000000000000000000000000000000000000000400000000000000000000000";
    struct weir_function f = {0};
    char text[512];

    (void)state;
    snprintf(text, sizeof(text), "%s", head);
    /* The capabilities are beyond what may be read without privilege. */
    assert_int_equal(weir_config_parse(text, &f), 0);
    assert_int_equal(f.type, WEIR_PCIE_UNKNOWN);
    assert_int_equal(f.acs, WEIR_UNKNOWN);
    snprintf(text, sizeof(text), "%s 40:10000200 100:0d000100 104:1d000d00", head);
    assert_int_equal(weir_config_parse(text, &f), 0);
    assert_int_equal(f.acs, WEIR_YES);
    assert_int_equal(f.acs_cap, 0x1d);
    assert_int_equal(f.acs_ctrl, 0x0d);
    snprintf(text, sizeof(text), "%s 40:10000200 100:0d000100", head);
    assert_int_equal(weir_config_parse(text, &f), 0);
    assert_int_equal(f.acs, WEIR_UNKNOWN);
    assert_int_equal(weir_config_parse("", &f), -EINVAL);
    assert_int_equal(weir_config_parse("0:86", &f), -EINVAL);
    assert_int_equal(weir_config_parse("fff:0000", &f), -EINVAL);
    assert_int_equal(weir_config_parse("99999999999999999999:00", &f), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_snapshot_says),
        cmocka_unit_test(cut_anywhere_is_an_error),
        cmocka_unit_test(one_wrong_byte_does_no_harm),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(this_machine),
        cmocka_unit_test(no_such_place),
        cmocka_unit_test(tables_have_limits),
        cmocka_unit_test(what_is_kept_of_files),
        cmocka_unit_test(configuration_space_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
