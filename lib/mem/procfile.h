/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers from the small text files of /proc and /sys. */
#ifndef WEIR_MEM_PROCFILE_H
#define WEIR_MEM_PROCFILE_H

#include <weir/types.h>

/* The number a file starts with; "max" is UINT64_MAX. -errno, -EINVAL for something else. */
int weir_read_number(const char *path, uint64_t *out);

/* The number behind the first line that holds key as a word: "MemFree:  123 kB" for "MemFree:". */
int weir_read_field(const char *path, const char *key, uint64_t *out);

#endif
