/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host asks for the device back: vfio-pci is unbound from it while it is in use. It is given
 * back, and taken again when it is bound to vfio-pci once more. $VFIO is an X540, through $API.
 */
#include "vm.h"

#include <poll.h>
#include <sys/wait.h>
#include <weir/driver/driver.h>

struct rig {
    struct weir *w;
    struct weir_port *port;
    struct weir_pktcache *cache;
};

static void open_port(struct rig *r)
{
    struct weir_arena_options memory = {.size = sizeof(memory), .bytes = 8 << 20};
    struct weir_pktpool_options packets = {.size = sizeof(packets), .packets = 2048};
    struct weir_port_options o = {.size = sizeof(o), .promiscuous = true, .link_wait_ms = 60000};
    struct weir_arena *arena;
    struct weir_error e;

    r->w = vm_instance();
    arena = weir_arena_new(r->w, &memory, &e);
    must_ptr(arena, &e);
    o.pool = weir_pktpool_new(arena, &packets, &e);
    must_ptr(o.pool, &e);
    r->port = weir_port_open(r->w, vm_device(0), &o, &e);
    must_ptr(r->port, &e);
    r->cache = weir_pktcache_new(o.pool, &e);
    must_ptr(r->cache, &e);
    must(weir_port_start(r->port, &e), &e);
}

/* A frame that goes out comes back: the wire is a loopback. */
static void frames_flow(struct rig *r)
{
    uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
    struct weir_pkt *p = weir_pkt_from(r->cache, frame, sizeof(frame));
    double end = vm_seconds() + 60;

    assert_non_null(p);
    while (weir_tx_burst(weir_port_txq(r->port, 0), &p, 1) == 0)
        assert_true(vm_seconds() < end);
    while (weir_rx_burst(weir_port_rxq(r->port, 0), &p, 1) == 0)
        assert_true(vm_seconds() < end);
    assert_int_equal(p->total, 60);
    weir_pkt_free(r->cache, p);
}

static void wait_for(struct rig *r, enum weir_event_type type)
{
    double end = vm_seconds() + 60;
    struct weir_event ev;

    while (vm_seconds() < end) {
        struct pollfd fd = {.fd = weir_event_fd(r->w), .events = POLLIN};

        poll(&fd, 1, 100);
        while (weir_events(r->w, &ev, 1)) {
            printf("# event: %s\n", weir_event_name(ev.type));
            if (ev.type == type) {
                assert_ptr_equal(ev.port, r->port);
                return;
            }
        }
    }
    fail_msg("no event '%s'", weir_event_name(type));
}

/* Who unbinds waits until the device is given back. It is a process of its own, in which none of
 * our descriptors is open. */
static pid_t unbind(void)
{
    char command[128];
    pid_t pid;

    snprintf(command, sizeof(command), "echo %s >/sys/bus/pci/devices/%s/driver/unbind",
             vm_address(0), vm_address(0));
    pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", command, NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static bool still_waits(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) == 0;
}

static void unbound(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static bool bound(void)
{
    char path[96];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", vm_address(0));
    return access(path, F_OK) == 0;
}

static void given_back_and_taken_again(void **state)
{
    int log = vm_log_open();
    struct weir_event ev;
    struct weir_error e;
    struct rig r;
    pid_t pid;

    (void)state;
    open_port(&r);
    frames_flow(&r);
    for (int round = 0; round < 2; round++) {
        pid = unbind();
        wait_for(&r, WEIR_EVENT_REQUEST);
        assert_true(still_waits(pid));
        must(weir_port_release(r.port, &e), &e);
        unbound(pid);
        assert_false(bound());
        assert_true(weir_device_lost(weir_port_device(r.port)));
        assert_int_equal(weir_read32(weir_port_device(r.port), WEIR_REGION_BAR0, 8), UINT32_MAX);
        while (weir_events(r.w, &ev, 1)) /* it does not come back by itself */
            assert_int_not_equal(ev.type, WEIR_EVENT_RETURNED);

        assert_true(vm_write("/sys/bus/pci/drivers_probe", vm_address(0)));
        wait_for(&r, WEIR_EVENT_RETURNED);
        must(weir_port_recover(r.port, &e), &e);
        frames_flow(&r);
    }
    weir_pktcache_free(r.cache);
    weir_free(r.w);
    assert_false(vm_log_has(log, "fault addr"));
    close(log);
}

static void closed_instead(void **state)
{
    struct rig r;
    pid_t pid;

    (void)state;
    open_port(&r);
    pid = unbind();
    wait_for(&r, WEIR_EVENT_REQUEST);
    weir_port_close(r.port);
    unbound(pid);
    assert_false(bound());
    weir_pktcache_free(r.cache);
    weir_free(r.w);
    assert_true(vm_write("/sys/bus/pci/drivers_probe", vm_address(0)));
    open_port(&r);
    frames_flow(&r);
    weir_pktcache_free(r.cache);
    weir_free(r.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_back_and_taken_again),
        cmocka_unit_test(closed_instead),
    };

    vm_write("/proc/sys/vm/nr_hugepages", "32");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
