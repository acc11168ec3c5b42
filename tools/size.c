/* SPDX-License-Identifier: BSD-3-Clause */
#include "size.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char units[] = "KMGTPE";

/* A number with or without a unit at the start of text; *end is behind it. */
static bool take_size(const char *text, uint64_t *out, const char **end)
{
    unsigned shift = 0;
    const char *unit;
    char *rest;
    unsigned long long v;

    errno = 0;
    v = strtoull(text, &rest, 0);
    if (text[0] < '0' || text[0] > '9' || errno)
        return false;
    unit = isalpha((unsigned char)*rest) ? strchr(units, *rest & ~0x20) : NULL;
    if (unit) {
        shift = (unsigned)(unit - units + 1) * 10;
        rest++;
        if (strncmp(rest, "iB", 2) == 0)
            rest += 2;
        else if (*rest == 'B')
            rest++;
    }
    if (v > UINT64_MAX >> shift)
        return false;
    *out = (uint64_t)v << shift;
    *end = rest;
    return true;
}

bool tool_size(const char *text, uint64_t *out)
{
    const char *end;

    return take_size(text, out, &end) && *end == '\0' && *out;
}

bool tool_addresses(const char *text, uint64_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!take_size(text, &out[i], &text) || *text != (i + 1 < n ? ',' : '\0'))
            return false;
        text++;
    }
    return true;
}

const char *tool_size_text(uint64_t bytes, char *out)
{
    unsigned unit = 0;

    while (unit < 6 && bytes && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, SIZE_TEXT, "%" PRIu64 "%.1s", bytes, unit ? units + unit - 1 : "");
    return out;
}

bool tool_page_sizes(const char *text, uint64_t *mask)
{
    *mask = 0;
    if (text[0] == '0' && (text[1] | 0x20) == 'x' && !strchr(text, ',')) {
        char *end;

        errno = 0;
        *mask = strtoull(text, &end, 16);
        return !*end && !errno && *mask;
    }
    for (;;) {
        uint64_t size;

        if (!take_size(text, &size, &text) || !size || size & (size - 1))
            return false;
        *mask |= size;
        if (*text == '\0')
            return true;
        if (*text++ != ',')
            return false;
    }
}

const char *tool_page_sizes_text(uint64_t mask, char *out)
{
    char one[SIZE_TEXT];
    size_t len = 0;

    out[0] = '\0';
    for (; mask; mask &= mask - 1)
        len += (size_t)snprintf(out + len, PAGES_TEXT - len, "%s%s", len ? "," : "",
                                tool_size_text(mask & -mask, one));
    return out;
}
