/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual functions of a physical function that is driven through VFIO, too: they open with the
 * token that the PF was opened with. $VFIO is an igb, through $API.
 */
#include "vm.h"

#include <errno.h>

#define TOKEN "00112233-4455-6677-8899-aabbccddeeff"
#define OTHER "00112233-4455-6677-8899-aabbccddee00"

static struct weir_error e;

static struct weir_device *open_with(struct weir *w, const char *address, const char *token)
{
    char name[128];

    snprintf(name, sizeof(name), "%s?iommu=%s%s%s", address, getenv("API"),
             *token ? "&vf-token=" : "", token);
    return weir_device_open(w, name, NULL, &e);
}

static void make_vf(char vf[16])
{
    char path[96], link[256];
    ssize_t n;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/sriov_numvfs", vm_address(0));
    assert_true(vm_write(path, "1"));
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/virtfn0", vm_address(0));
    n = readlink(path, link, sizeof(link) - 1);
    assert_true(n > 0);
    link[n] = '\0';
    snprintf(vf, 16, "%s", strrchr(link, '/') + 1);
}

static void explained(int err, const char *what)
{
    printf("# %s: %s\n#   %s\n#   %s\n", e.code, e.what, e.why, e.fix);
    assert_string_equal(e.code, "vfio-token");
    assert_int_equal(e.err, err);
    if (!strstr(e.why, what))
        fail_msg("'%s' is not in: %s", what, e.why);
}

static void tokens(void **state)
{
    bool iommufd = strcmp(getenv("API"), "iommufd") == 0;
    struct weir *owner = vm_instance(), *user = vm_instance();
    struct weir_device *pf, *vf;
    char address[16];

    (void)state;
    if (iommufd) { /* this kernel takes no token there */
        assert_null(open_with(owner, vm_address(0), TOKEN));
        explained(-EINVAL, "before Linux 6.17");
        assert_non_null(strstr(e.fix, "iommu=type1"));
        weir_free(owner);
        weir_free(user);
        return;
    }
    pf = open_with(owner, vm_address(0), TOKEN);
    must_ptr(pf, &e);
    make_vf(address);
    assert_null(open_with(user, address, ""));
    explained(-EACCES, "none was given");
    assert_null(open_with(user, address, OTHER));
    explained(-EACCES, "this is not it");
    vf = open_with(user, address, TOKEN);
    must_ptr(vf, &e);
    assert_int_equal(weir_config_read(vf, 0, 2), 0x8086); /* which the VF itself does not tell */
    weir_device_close(vf);
    weir_free(user);
    weir_free(owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tokens)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
