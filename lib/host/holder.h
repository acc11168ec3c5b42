/* SPDX-License-Identifier: BSD-3-Clause */
/* Who has a file open. */
#ifndef WEIR_HOST_HOLDER_H
#define WEIR_HOST_HOLDER_H

#include <weir/types.h>

/* "process 123 (qemu-system-x86)" or "this process" for the first that has path open, as far as
 * this user may see; else "". Returns out. @proc: "/proc". @own: a descriptor of this process that
 * does not count, or -1. */
const char *weir_file_holder(const char *proc, const char *path, int own, char *out, size_t size);

#endif
