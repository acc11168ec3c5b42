/* SPDX-License-Identifier: BSD-3-Clause */
/* A result as text: a table, comma-separated values, two results side by side. */
#include "bench.h"

#include <string.h>

static int digits(double v)
{
    return v >= 100 || v == 0 ? 1 : v >= 1 ? 3 : v >= 0.01 ? 5 : 9;
}

/* Rows of one test and target make a group. */
static bool same_group(const struct bench_row *a, const struct bench_row *b)
{
    return !strcmp(a->test, b->test) && !strcmp(a->target, b->target);
}

/* Is it the first row of its group? */
static bool heads(const struct bench_result *r, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (same_group(&r->rows[k], &r->rows[i]))
            return false;
    }
    return true;
}

/* A group's heading, with the variables that all of it shares; out[]: the others are told in each
 * row, in the width that is returned. */
static int heading(const struct bench_result *r, const struct bench_row *first,
                   bool shown[BENCH_VARS], FILE *f)
{
    uint64_t common[BENCH_VARS], varies[BENCH_VARS];
    char text[200];
    int width = 4;

    memcpy(common, first->var, sizeof common);
    for (size_t i = 0; i < r->n_rows; i++) {
        for (unsigned v = 0; v < BENCH_VARS; v++) {
            if (same_group(&r->rows[i], first) && r->rows[i].var[v] != first->var[v])
                common[v] = BENCH_NONE;
        }
    }
    for (unsigned v = 0; v < BENCH_VARS; v++)
        shown[v] = common[v] == BENCH_NONE;
    for (size_t i = 0; i < r->n_rows; i++) {
        if (!same_group(&r->rows[i], first))
            continue;
        for (unsigned v = 0; v < BENCH_VARS; v++)
            varies[v] = shown[v] ? r->rows[i].var[v] : BENCH_NONE;
        bench_vars_text(varies, text, sizeof text);
        width = (int)strlen(text) > width ? (int)strlen(text) : width;
    }
    bench_vars_text(common, text, sizeof text);
    fprintf(f, "\n%s, %s%s%s%s\n", first->test, first->target, text[0] ? " (" : "", text,
            text[0] ? ")" : "");
    return width;
}

static void print_vars(const struct bench_row *k, const bool shown[BENCH_VARS], int width, FILE *f)
{
    uint64_t var[BENCH_VARS];
    char text[200];

    for (unsigned v = 0; v < BENCH_VARS; v++)
        var[v] = shown[v] ? k->var[v] : BENCH_NONE;
    fprintf(f, "  %-*s  %-18s", width, bench_vars_text(var, text, sizeof text), k->metric);
}

void bench_table(const struct bench_result *r, FILE *f)
{
    fprintf(f, "%s\n", r->machine);
    for (size_t i = 0; i < r->n_rows; i++) {
        bool shown[BENCH_VARS];
        int width;

        if (!heads(r, i))
            continue;
        width = heading(r, &r->rows[i], shown, f);
        fprintf(f, "  %-*s  %-18s %12s  %s\n", width, "", "", "median",
                "unit    quartiles, of how many");
        for (size_t n = i; n < r->n_rows; n++) {
            const struct bench_row *k = &r->rows[n];
            int d = digits(k->median);

            if (!same_group(k, &r->rows[i]))
                continue;
            print_vars(k, shown, width, f);
            fprintf(f, " %12.*f  %-6s  %.*f to %.*f, %u\n", d, k->median, k->unit, d, k->q1, d,
                    k->q3, k->n);
        }
    }
    if (r->n_notes)
        fputs("\nnot measured:\n", f);
    for (size_t i = 0; i < r->n_notes; i++)
        fprintf(f, "  %s\n", r->notes[i]);
}

/* A text in quotes, with those in it doubled (RFC 4180). */
static void quoted(const char *text, FILE *f)
{
    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', f);
        fputc(*text, f);
    }
    fputc('"', f);
}

void bench_csv(const struct bench_result *r, FILE *f)
{
    fputs("test,target", f);
    for (unsigned v = 0; v < BENCH_VARS; v++)
        fprintf(f, ",%s", bench_vars[v].name);
    fputs(",metric,unit,n,median,q1,q3,min,max\n", f);
    for (size_t i = 0; i < r->n_rows; i++) {
        const struct bench_row *k = &r->rows[i];

        quoted(k->test, f);
        fputc(',', f);
        quoted(k->target, f);
        for (unsigned v = 0; v < BENCH_VARS; v++) {
            if (k->var[v] == BENCH_NONE)
                fputc(',', f);
            else
                fprintf(f, ",%llu", (unsigned long long)k->var[v]);
        }
        fputc(',', f);
        quoted(k->metric, f);
        fputc(',', f);
        quoted(k->unit, f);
        fprintf(f, ",%u,%.9g,%.9g,%.9g,%.9g,%.9g\n", k->n, k->median, k->q1, k->q3, k->min, k->max);
    }
}

void bench_compare(const struct bench_result *a, const struct bench_result *b, const char *name_a,
                   const char *name_b, FILE *f)
{
    size_t common = 0;

    fprintf(f, "A: %s, %s, %s\nB: %s, %s, %s\n", name_a, a->when, a->machine, name_b, b->when,
            b->machine);
    for (size_t i = 0; i < a->n_rows; i++) {
        bool shown[BENCH_VARS];
        int width;

        if (!heads(a, i))
            continue;
        width = heading(a, &a->rows[i], shown, f);
        fprintf(f, "  %-*s  %-18s %12s %12s %8s\n", width, "", "", "A", "B", "B/A");
        for (size_t n = i; n < a->n_rows; n++) {
            const struct bench_row *x = &a->rows[n], *y;

            y = same_group(x, &a->rows[i]) ? bench_find(b, x) : NULL;
            if (!y)
                continue;
            common++;
            print_vars(x, shown, width, f);
            fprintf(f, " %12.*f %12.*f ", digits(x->median), x->median, digits(y->median),
                    y->median);
            if (x->median > 0)
                fprintf(f, "%8.3f", y->median / x->median);
            else
                fprintf(f, "%8s", "-");
            fprintf(f, "  %s%s\n", x->unit,
                    !bench_differ(x, y)                    ? ""
                    : (y->median > x->median) == x->higher ? ", B is better"
                                                           : ", A is better");
        }
    }
    fprintf(f,
            "\n%zu rows of both; %zu only of A, %zu only of B. One is better where the quartiles "
            "leave a gap.\n",
            common, a->n_rows - common, b->n_rows - common);
}
