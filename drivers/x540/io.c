/* SPDX-License-Identifier: BSD-3-Clause */
#include "x540.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void *x540_alloc(size_t bytes)
{
    size_t size = (bytes + WEIR_CACHE_LINE - 1) & ~(size_t)(WEIR_CACHE_LINE - 1);
    void *p = aligned_alloc(WEIR_CACHE_LINE, size);

    return p ? memset(p, 0, size) : NULL;
}

uint64_t x540_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

void x540_pause(uint64_t us)
{
    struct timespec t = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};

    nanosleep(&t, NULL);
}

bool x540_wait(const struct x540 *x, uint32_t reg, uint32_t mask, uint32_t want, uint64_t us)
{
    return x540_wait_until(x, reg, mask, want, x540_now_us() + us);
}

bool x540_wait_until(const struct x540 *x, uint32_t reg, uint32_t mask, uint32_t want, uint64_t end)
{
    uint64_t pause = 10;

    for (;;) {
        bool late = x540_now_us() >= end; /* one look after the deadline: we may have slept long */
        uint32_t value = x540_read(x, reg);
        if (weir_device_lost(x->device))
            return false;
        if ((value & mask) == want)
            return true;
        if (late)
            return false;
        x540_pause(pause);
        pause = pause < 500 ? pause * 2 : 1000;
    }
}

int x540_fail_lost(const struct x540 *x, const char *doing, struct weir_error *e)
{
    struct weir_device_info info;

    weir_device_info(x->device, &info);
    return weir_fail(e, -ENODEV, "device-lost",
                     "%s %s\nthe device was lost meanwhile\nwait for WEIR_EVENT_RETURNED, then "
                     "call weir_port_recover()",
                     doing, info.name);
}

volatile uint32_t *x540_doorbell(const struct x540 *x, uint32_t reg)
{
    struct weir_region bar;

    if (weir_device_region(x->device, WEIR_REGION_BAR0, &bar) || !bar.map || reg < bar.map_first ||
        reg - bar.map_first + sizeof(uint32_t) > bar.map_size)
        return NULL;
    return (volatile uint32_t *)(volatile void *)(bar.map + reg);
}
