/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration space as sysfs shows it. Only what is needed is read, and only that goes to a
 * snapshot: the header, the chain of capabilities, and those that topology and isolation hang on.
 * Serial numbers and vital product data stay where they are.
 */
#ifndef WEIR_HOST_CONFIG_H
#define WEIR_HOST_CONFIG_H

#include <weir/host.h>

#define WEIR_CONFIG_TEXT 16384u

/* Read from a descriptor as text: "OFFSET:HEX OFFSET:HEX ...". -EINVAL without a whole header. */
int weir_config_collect(int fd, char *out, size_t size);

/* Fill in what such text says of a function. -EINVAL if it is no such text. */
int weir_config_parse(const char *text, struct weir_function *f);

#endif
