/* SPDX-License-Identifier: BSD-3-Clause */
/* Interfaces to test with, in a network namespace that the test makes for itself and that goes with
 * it. */
#ifndef TESTS_NETNS_CASE_H
#define TESTS_NETNS_CASE_H

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "../unit/wire_case.h"

#define PATIENCE_MS 20000 /* for things that take milliseconds on a machine at leisure */

static inline void shell(const char *format, ...)
{
    char command[512];
    va_list ap;

    va_start(ap, format);
    vsnprintf(command, sizeof command, format, ap);
    va_end(ap);
    if (system(command))
        fail_msg("failed: %s", command);
}

static inline int shell_status(const char *command)
{
    return system(command);
}

/* A namespace without the frames that IPv6 sends unasked. */
static inline int enter_namespace(void)
{
    static const char *const off[] = {"/proc/sys/net/ipv6/conf/all/disable_ipv6",
                                      "/proc/sys/net/ipv6/conf/default/disable_ipv6"};

    if (unshare(CLONE_NEWNET))
        return -errno;
    for (unsigned i = 0; i < 2; i++) {
        int fd = open(off[i], O_WRONLY);
        if (fd >= 0) {
            if (write(fd, "1", 1) != 1)
                perror(off[i]);
            close(fd);
        }
    }
    return 0;
}

/* Why tests with interfaces cannot run here, or NULL. */
static inline const char *cannot_make_interfaces(void)
{
    int err;

    if (geteuid())
        return "it makes network interfaces: run it as root";
    if (shell_status("command -v ip >/dev/null 2>&1"))
        return "it makes network interfaces with `ip`: install iproute2";
    err = enter_namespace();
    if (err)
        return "unshare(CLONE_NEWNET) is not permitted here (a container? --cap-add SYS_ADMIN)";
    if (shell_status("ip link add weir-try type veth peer name weir-try1 && ip link del weir-try"))
        return "the kernel makes no veth interfaces: modprobe veth";
    return NULL;
}

/* What the kernel counted on an interface of this namespace. */
struct counters {
    unsigned long long rx_bytes, rx_packets, rx_dropped, tx_bytes, tx_packets, tx_dropped;
};

static inline struct counters counters_of(const char *name)
{
    FILE *f = fopen("/proc/thread-self/net/dev", "r");
    struct counters c = {0};
    char line[512];
    bool found = false;

    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':'), *start = line + strspn(line, " ");
        if (!colon)
            continue;
        *colon = '\0';
        if (strcmp(start, name))
            continue;
        found =
            sscanf(colon + 1, "%llu %llu %*u %llu %*u %*u %*u %*u %llu %llu %*u %llu", &c.rx_bytes,
                   &c.rx_packets, &c.rx_dropped, &c.tx_bytes, &c.tx_packets, &c.tx_dropped) == 6;
    }
    fclose(f);
    if (!found)
        fail_msg("no interface %s", name);
    return c;
}

static inline uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The next frame; waits on the wire's descriptor. */
static inline bool wait_frame(struct weir_wire *wire, struct weir_frame *frame)
{
    uint64_t end = now_ms() + PATIENCE_MS;

    while (!weir_wire_rx(wire, frame)) {
        struct pollfd p = {.fd = weir_wire_fd(wire), .events = POLLIN};
        int left = (int)(end - now_ms());
        if (left <= 0)
            return false;
        poll(&p, 1, left);
    }
    return true;
}

/* Wait until the wire sees its link so. */
static inline void wait_link(struct weir_wire *wire, bool up)
{
    uint64_t end = now_ms() + PATIENCE_MS;
    struct weir_frame frame;

    while (weir_wire_link(wire) != up) {
        struct pollfd p = {.fd = weir_wire_fd(wire), .events = POLLIN};
        if (now_ms() > end)
            fail_msg("the link is still %s", up ? "down" : "up");
        /* What a model does: it sleeps, and looks when the descriptor wakes it. */
        poll(&p, 1, PATIENCE_MS);
        while (weir_wire_rx(wire, &frame))
            ;
    }
}

#endif
