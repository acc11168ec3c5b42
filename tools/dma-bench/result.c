/* SPDX-License-Identifier: BSD-3-Clause */
/* A result: rows, notes, and the spread of samples. */
#include "bench.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *bench_alloc(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);

    if (!q) {
        fputs("weir: out of memory\n", stderr);
        exit(1);
    }
    return q;
}

static void keep_note(struct bench_result *r, const char *fmt, va_list ap)
{
    char *text = bench_alloc(NULL, 1024);

    vsnprintf(text, 1024, fmt, ap);
    for (size_t i = 0; i < r->n_notes; i++) {
        if (strcmp(r->notes[i], text) == 0) {
            free(text);
            return;
        }
    }
    r->notes = bench_alloc(r->notes, (r->n_notes + 1) * sizeof *r->notes);
    r->notes[r->n_notes++] = text;
}

void bench_note(struct bench_result *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    keep_note(r, fmt, ap);
    va_end(ap);
}

void bench_fail(struct bench *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    keep_note(&b->result, fmt, ap);
    va_end(ap);
    b->failed = true;
}

void bench_note_error(struct bench *b, const char *what, const struct weir_error *e)
{
    bench_note(&b->result, "%s: %s: %s%s%s", what, e->what, e->why, e->fix[0] ? "; try: " : "",
               e->fix);
}

struct bench_row bench_row(const char *test, const char *target, const char *metric,
                           const char *unit, bool higher)
{
    struct bench_row row = {.higher = higher};

    snprintf(row.test, sizeof row.test, "%s", test);
    snprintf(row.target, sizeof row.target, "%s", target);
    snprintf(row.metric, sizeof row.metric, "%s", metric);
    snprintf(row.unit, sizeof row.unit, "%s", unit);
    for (unsigned i = 0; i < BENCH_VARS; i++)
        row.var[i] = BENCH_NONE;
    return row;
}

struct bench_row *bench_push(struct bench_result *r)
{
    if (r->n_rows == r->cap_rows) {
        r->cap_rows = r->cap_rows ? r->cap_rows * 2 : 64;
        r->rows = bench_alloc(r->rows, r->cap_rows * sizeof *r->rows);
    }
    return &r->rows[r->n_rows++];
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The value below which a share of the samples lies, between the two nearest. */
static double quantile(const double *sorted, unsigned n, double share)
{
    double at = share * (n - 1);
    unsigned i = (unsigned)at;

    return i + 1 < n ? sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

void bench_add(struct bench *b, struct bench_row row, double *samples, unsigned n)
{
    qsort(samples, n, sizeof *samples, by_value);
    row.n = n;
    row.median = quantile(samples, n, 0.5);
    row.q1 = quantile(samples, n, 0.25);
    row.q3 = quantile(samples, n, 0.75);
    row.min = samples[0];
    row.max = samples[n - 1];
    *bench_push(&b->result) = row;
}

const char *bench_value_text(enum bench_var var, uint64_t value, char *out)
{
    if (bench_vars[var].bytes)
        return tool_size_text(value, out);
    snprintf(out, SIZE_TEXT, "%llu", (unsigned long long)value);
    return out;
}

const char *bench_vars_text(const uint64_t var[BENCH_VARS], char *out, size_t size)
{
    size_t len = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < BENCH_VARS && len < size; i++) {
        char value[SIZE_TEXT];

        if (var[i] != BENCH_NONE)
            len += (size_t)snprintf(out + len, size - len, "%s%s %s", len ? ", " : "",
                                    bench_vars[i].name, bench_value_text(i, var[i], value));
    }
    return out;
}

const struct bench_row *bench_find(const struct bench_result *r, const struct bench_row *row)
{
    for (size_t i = 0; i < r->n_rows; i++) {
        const struct bench_row *k = &r->rows[i];

        if (!strcmp(k->test, row->test) && !strcmp(k->target, row->target) &&
            !strcmp(k->metric, row->metric) && !memcmp(k->var, row->var, sizeof k->var))
            return k;
    }
    return NULL;
}

bool bench_differ(const struct bench_row *a, const struct bench_row *b)
{
    return a->q1 > b->q3 || a->q3 < b->q1;
}

void bench_result_free(struct bench_result *r)
{
    for (size_t i = 0; i < r->n_notes; i++)
        free(r->notes[i]);
    free(r->notes);
    free(r->rows);
    *r = (struct bench_result){0};
}
