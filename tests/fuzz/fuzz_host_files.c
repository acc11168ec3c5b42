/* SPDX-License-Identifier: BSD-3-Clause */
/* What is kept of files of /proc: whatever they say, it is text, and no longer than they are. The
 * first byte of the input says which file. */
#include "lib/host/config.h"
#include "lib/host/filter.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static weir_filter_fn *const filters[] = {
        weir_filter_cmdline,    weir_filter_cpuinfo, weir_filter_status, weir_filter_limits,
        weir_filter_mounts,     weir_filter_swaps,   weir_filter_routes, weir_filter_inet6,
        weir_filter_interrupts, weir_filter_modules,
    };
    const unsigned n = sizeof(filters) / sizeof(filters[0]);
    struct weir_function f = {0};
    size_t len;
    char *text;

    if (!size)
        return 0;
    text = calloc(1, size);
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    len = strlen(text);
    if (data[0] % (n + 1) == n)
        weir_config_parse(text, &f);
    else
        filters[data[0] % (n + 1)](text);
    weir_filter_names_mac(text);
    if (strlen(text) > len)
        __builtin_trap();
    free(text);
    return 0;
}
