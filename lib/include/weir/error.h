/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Errors that explain themselves.
 *
 * A slow-path call takes a `struct weir_error *` last (NULL is fine) and returns 0 or -errno, or a
 * pointer or NULL. On failure the struct says what was tried, why it failed and what to do, in
 * words that a tool can print as they are.
 *
 * @code
 * struct weir_error err;
 * struct weir *w = weir_new(NULL, &err);
 * if (!w) {
 *     weir_error_print(&err, stderr);
 *     return 1;
 * }
 * @endcode
 */
#ifndef WEIR_ERROR_H
#define WEIR_ERROR_H

#include <stdarg.h>
#include <stdio.h>
#include <weir/types.h>

WEIR_BEGIN_DECLS

/** Filled by a call that failed; untouched by one that succeeded. Plain data: copy it freely. */
struct weir_error {
    int err;          /**< -errno, what the call returned */
    const char *code; /**< stable name of this failure, e.g. "arena-no-hugepages"; static string */
    char what[256];   /**< what was being done */
    char why[384];    /**< why it failed */
    char fix[384];    /**< what to do about it; may be empty */
};

/**
 * Fill @a e and return @a err. For drivers, models and the library itself.
 *
 * The formatted text is up to three lines, "what\nwhy\nfix". Text from a peer or the environment
 * must be free of newlines and control characters (weir_printable()).
 *
 * @param e    may be NULL
 * @param err  -errno, negative
 * @param code stable name, a static string
 */
int weir_fail(struct weir_error *e, int err, const char *code, const char *fmt, ...)
    WEIR_PRINTF(4, 5);

/** As weir_fail(), with a va_list. */
int weir_vfail(struct weir_error *e, int err, const char *code, const char *fmt, va_list ap)
    WEIR_PRINTF(4, 0);

/**
 * Copy @a len bytes of untrusted text to @a out as printable ASCII on one line: other bytes become
 * '?'. At most @a size bytes with the terminating NUL. Returns @a out.
 */
const char *weir_printable(char *out, size_t size, const void *text, size_t len);

/** Print "what: why" and "  try: fix" to @a f. */
void weir_error_print(const struct weir_error *e, FILE *f);

WEIR_END_DECLS

#endif
