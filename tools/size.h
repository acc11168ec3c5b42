/* SPDX-License-Identifier: BSD-3-Clause */
/* Sizes as people write them: 4K, 2M, 1G; powers of 1024. */
#ifndef WEIR_TOOLS_SIZE_H
#define WEIR_TOOLS_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIZE_TEXT = 24, PAGES_TEXT = 256 };

/* "2M", "64MiB", "4096", "0x1000": more than 0? */
bool tool_size(const char *text, uint64_t *out);

/* n addresses between commas: "0,0x200000,6M"? */
bool tool_addresses(const char *text, uint64_t *out, size_t n);

/* "2M"; in bytes if it is no whole number of KiB. Returns out, which has SIZE_TEXT bytes. */
const char *tool_size_text(uint64_t bytes, char *out);

/* A list of page sizes, "4K,2M,1G", or the mask that VFIO reports, "0x40201000"? Bit n stands for
 * pages of 2^n bytes. */
bool tool_page_sizes(const char *text, uint64_t *mask);

/* The opposite: "4K,2M,1G". Returns out, which has PAGES_TEXT bytes: all 64 fit. */
const char *tool_page_sizes_text(uint64_t mask, char *out);

#endif
