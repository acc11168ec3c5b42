/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of wires share: an instance whose log is kept, and frames. */
#ifndef TESTS_WIRE_CASE_H
#define TESTS_WIRE_CASE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <weir/driver/wire.h>
#include <weir/weir.h>

struct wire_case {
    struct weir *w;
    char log[8192]; /* all lines */
    unsigned warnings;
};

static inline void wire_case_log(void *user, enum weir_log_level level, const char *part,
                                 const char *text)
{
    struct wire_case *c = user;
    size_t used = strlen(c->log);

    snprintf(c->log + used, sizeof c->log - used, "%s: %s\n", part, text);
    c->warnings += level <= WEIR_LOG_WARNING;
}

static inline int wire_case_setup(void **state)
{
    static struct wire_case c;
    struct weir_options opt = {
        .size = sizeof opt, .log = wire_case_log, .log_user = &c, .log_level = WEIR_LOG_DEBUG};

    memset(&c, 0, sizeof c);
    c.w = weir_new(&opt, NULL);
    *state = &c;
    return c.w ? 0 : -1;
}

static inline int wire_case_teardown(void **state)
{
    weir_free(((struct wire_case *)*state)->w);
    return 0;
}

static inline struct weir_wire *wire_case_open(void **state, const char *spec)
{
    struct weir_error e = {0};
    struct weir_wire *wire = weir_wire_open(((struct wire_case *)*state)->w, spec, &e);

    if (!wire)
        fail_msg("%s: %s: %s; %s", spec, e.what, e.why, e.fix);
    return wire;
}

/* Opening must fail with that code, and the text must say so. */
static inline void wire_case_refused(void **state, const char *spec, const char *code,
                                     const char *text)
{
    struct weir_error e = {0};
    struct weir_wire *wire = weir_wire_open(((struct wire_case *)*state)->w, spec, &e);
    char all[sizeof e];

    if (wire)
        fail_msg("%s was opened", spec);
    snprintf(all, sizeof all, "%s\n%s\n%s", e.what, e.why, e.fix);
    if (!e.code || strcmp(e.code, code) || !strstr(all, text))
        fail_msg("%s: not '%s' with '%s', but '%s': %s", spec, code, text, e.code, all);
    assert_true(e.err < 0);
    assert_true(e.what[0] && e.why[0]);
}

/* A frame of len bytes that is told from others by its number. */
static inline void wire_case_frame(uint8_t *f, uint32_t len, uint32_t number)
{
    for (uint32_t i = 0; i < len; i++)
        f[i] = (uint8_t)(i * 7 + number * 13 + (i >> 8));
    if (len >= 18)
        memcpy(f + 14, &number, sizeof number);
}

static inline bool wire_case_send(struct weir_wire *wire, const void *f, uint32_t len)
{
    struct iovec iov = {(void *)(uintptr_t)f, len};

    return weir_wire_tx(wire, &iov, 1, len);
}

static inline struct weir_model_stats wire_case_stats(const struct weir_wire *wire)
{
    struct weir_model_stats s = {0};

    weir_wire_stats(wire, &s);
    return s;
}

#define WIRE_CASE(f) cmocka_unit_test_setup_teardown(f, wire_case_setup, wire_case_teardown)

#endif
