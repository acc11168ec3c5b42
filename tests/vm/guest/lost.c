/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A function that stops answering while it stays in its place, as after a fault of its link: the
 * host kills the X540 model behind it, and QEMU reads ones from then on. $VFIO is that X540,
 * through $API.
 */
#include "host.h"
#include "vm.h"

#include "hw/x540/regs.h"
#include <errno.h>

static void noticed(void **state)
{
    struct weir *w = vm_instance();
    double end;
    struct weir_event ev = {0};
    struct weir_device *d;
    struct weir_error e;
    char path[96];

    (void)state;
    /* Else the kernel waits a minute for the end of its reset when it is closed. */
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset_method", vm_address(0));
    assert_true(vm_write(path, "\n"));
    d = weir_device_open(w, vm_device(0), NULL, &e);
    must_ptr(d, &e);
    assert_int_not_equal(weir_read32(d, WEIR_REGION_BAR0, X540_STATUS), UINT32_MAX);
    assert_false(weir_device_lost(d));
    /* Not while an access is under way: QEMU 11.1 then sometimes trips over an assertion of its
     * own. */
    host_say("let it die");
    assert_string_equal(host_hear(path, sizeof(path)), "it is dead");
    for (end = vm_seconds() + 60; weir_read32(d, WEIR_REGION_BAR0, X540_STATUS) != UINT32_MAX;)
        assert_true(vm_seconds() < end);
    assert_true(weir_device_lost(d));
    assert_int_equal(weir_events(w, &ev, 1), 1);
    assert_int_equal(ev.type, WEIR_EVENT_LOST);

    /* vfio-pci has it still, and sysfs says what it was; it does not come back for that. */
    for (end = vm_seconds() + 1; vm_seconds() < end;)
        assert_int_equal(weir_events(w, &ev, 1), 0);
    weir_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(noticed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
