/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/mem/procfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse(const char *text, uint64_t *out)
{
    char *end;

    text += strspn(text, " \t");
    if (strncmp(text, "max", 3) == 0) {
        *out = UINT64_MAX;
        return 0;
    }
    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno ? -errno : 0;
}

int weir_read_number(const char *path, uint64_t *out)
{
    FILE *f = fopen(path, "re");
    char line[64];
    int r;

    if (!f)
        return -errno;
    r = fgets(line, sizeof(line), f) ? parse(line, out) : -EINVAL;
    fclose(f);
    return r;
}

/* key in line, with nothing but blanks around it? Returns what is behind it. */
static const char *word(const char *line, const char *key)
{
    size_t len = strlen(key);

    for (const char *at = line; (at = strstr(at, key)); at++) {
        if ((at == line || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\t'))
            return at + len;
    }
    return NULL;
}

int weir_read_field(const char *path, const char *key, uint64_t *out)
{
    FILE *f = fopen(path, "re");
    char line[256];
    int r = -ENOENT;

    if (!f)
        return -errno;
    while (r == -ENOENT && fgets(line, sizeof(line), f)) {
        const char *value = word(line, key);

        if (value)
            r = parse(value, out);
    }
    fclose(f);
    return r;
}
