/* SPDX-License-Identifier: BSD-3-Clause */
#include "chart.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 720, HEIGHT = 360, LEFT = 70, RIGHT = 200, TOP = 46, BOTTOM = 52, TICKS = 6 };

/* Told apart also by who does not see red from green (Okabe and Ito, 2008). */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#555555"};

void chart_text(const char *text, FILE *f)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", f);
            break;
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        default:
            fputc(*text, f);
        }
    }
}

static bool same_chart(const struct bench_row *a, const struct bench_row *b)
{
    return !strcmp(a->test, b->test) && !strcmp(a->target, b->target) &&
           !strcmp(a->metric, b->metric) && !strcmp(a->unit, b->unit);
}

/* The same line: all variables but the one along the axis. */
static bool same_series(const struct bench_row *a, const struct bench_row *b, int x)
{
    for (int v = 0; v < BENCH_VARS; v++) {
        if (v != x && a->var[v] != b->var[v])
            return false;
    }
    return true;
}

/* How many values a variable has in the chart. */
static unsigned distinct(const struct bench_result *r, const struct bench_row *first, int v)
{
    unsigned n = 0;

    for (const struct bench_row *k = r->rows; k < r->rows + r->n_rows; k++) {
        const struct bench_row *p = r->rows;

        if (!same_chart(k, first) || k->var[v] == BENCH_NONE)
            continue;
        while (p < k && !(same_chart(p, first) && p->var[v] == k->var[v]))
            p++;
        n += p == k;
    }
    return n;
}

bool chart_next(struct chart *c, size_t *at)
{
    const struct bench_result *r = c->results[0];

    for (; *at < r->n_rows; ++*at) {
        const struct bench_row *first = &r->rows[*at];
        unsigned most = 1;
        size_t before = 0;

        while (before < *at && !same_chart(&r->rows[before], first))
            before++;
        if (before < *at)
            continue; /* was drawn */
        c->x = -1;
        /* The page size last: it makes the better lines. */
        for (int v = BENCH_VARS - 1; v >= 0; v--) {
            unsigned n = distinct(r, first, v);

            if (n > most && (v != BENCH_PAGE || c->x < 0)) {
                most = n;
                c->x = v;
            }
        }
        if (c->x < 0)
            continue;
        c->first = first;
        c->min_x = c->min_y = INFINITY;
        c->max_x = c->max_y = 0;
        for (unsigned i = 0; i < c->n_results; i++) {
            for (size_t k = 0; k < c->results[i]->n_rows; k++) {
                const struct bench_row *row = &c->results[i]->rows[k];
                double x = (double)row->var[c->x];

                if (!same_chart(row, first) || row->var[c->x] == BENCH_NONE)
                    continue;
                c->min_x = fmin(c->min_x, x);
                c->max_x = fmax(c->max_x, x);
                c->min_y = fmin(c->min_y, row->q1);
                c->max_y = fmax(c->max_y, row->q3);
            }
        }
        c->log_x = c->min_x > 0 && c->max_x >= 8 * c->min_x;
        c->log_y = c->min_y > 0 && c->max_y > 50 * c->min_y;
        ++*at;
        return true;
    }
    return false;
}

static double place(double v, double min, double max, bool is_log)
{
    if (is_log) {
        v = log2(v);
        min = log2(min);
        max = log2(max);
    }
    return max > min ? (v - min) / (max - min) : 0.5;
}

static double at_x(const struct chart *c, double v)
{
    return LEFT + 12 + place(v, c->min_x, c->max_x, c->log_x) * (WIDTH - LEFT - RIGHT - 24);
}

/* A round number, at least v: 1, 2 or 5 times a power of ten. */
static double round_up(double v)
{
    double ten = pow(10, floor(log10(v)));

    return v <= ten ? ten : v <= 2 * ten ? 2 * ten : v <= 5 * ten ? 5 * ten : 10 * ten;
}

struct axis {
    double min, max, step; /* step: of a linear one */
};

static struct axis axis_y(const struct chart *c)
{
    struct axis a = {0, 1, 0.2};

    if (c->log_y) {
        a.min = pow(10, floor(log10(c->min_y)));
        a.max = pow(10, ceil(log10(c->max_y)));
    } else if (c->max_y > 0) {
        a.step = round_up(c->max_y / TICKS);
        a.max = ceil(c->max_y / a.step) * a.step;
    }
    return a;
}

static double at_y(const struct chart *c, const struct axis *a, double v)
{
    if (c->log_y && v < a->min)
        v = a->min;
    return HEIGHT - BOTTOM - place(v, a->min, a->max, c->log_y) * (HEIGHT - TOP - BOTTOM);
}

static void tick_y(const struct chart *c, const struct axis *a, double v, FILE *f)
{
    double y = at_y(c, a, v);

    fprintf(f,
            "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" "
            "text-anchor=\"end\">%g</text>\n",
            LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 4, v);
}

static void axes(const struct chart *c, const struct axis *a, FILE *f)
{
    double last = -INFINITY;
    uint64_t below = 0;

    if (c->log_y) {
        for (double v = a->min; v <= a->max * 1.01; v *= 10)
            tick_y(c, a, v, f);
    } else {
        for (unsigned i = 0; i * a->step <= a->max * 1.001; i++)
            tick_y(c, a, i * a->step, f);
    }
    /* A tick at each value, in their order, where there is room. */
    for (;;) {
        uint64_t next = BENCH_NONE;
        char text[SIZE_TEXT];

        for (unsigned i = 0; i < c->n_results; i++) {
            for (size_t k = 0; k < c->results[i]->n_rows; k++) {
                const struct bench_row *row = &c->results[i]->rows[k];

                if (same_chart(row, c->first) && row->var[c->x] < next && row->var[c->x] >= below)
                    next = row->var[c->x];
            }
        }
        if (next == BENCH_NONE)
            break;
        below = next + 1;
        if (at_x(c, (double)next) - last < 34)
            continue;
        last = at_x(c, (double)next);
        fprintf(f,
                "<path d=\"M%.1f %dv5\" stroke=\"#444\"/><text x=\"%.1f\" y=\"%d\" "
                "text-anchor=\"middle\">%s</text>\n",
                last, HEIGHT - BOTTOM, last, HEIGHT - BOTTOM + 18,
                bench_value_text((enum bench_var)c->x, next, text));
    }
    fprintf(f, "<path d=\"M%d %dH%d\" stroke=\"#444\"/>\n", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT);
    fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, bench_vars[c->x].name);
}

/* What makes this line differ from the others. */
static void series_name(const struct chart *c, unsigned result, const struct bench_row *row,
                        FILE *f)
{
    uint64_t var[BENCH_VARS];
    char text[160];

    for (int v = 0; v < BENCH_VARS; v++)
        var[v] = v != c->x && (v == BENCH_PAGE || distinct(c->results[result], c->first, v) > 1)
                     ? row->var[v]
                     : BENCH_NONE;
    bench_vars_text(var, text, sizeof text);
    if (c->names) {
        fputs(result ? "B" : "A", f);
        if (text[0])
            fputs(": ", f);
    }
    chart_text(text[0] || c->names ? text : c->first->metric, f);
}

static void line(const struct chart *c, const struct axis *a, unsigned result,
                 const struct bench_row *head, const char *colour, FILE *f)
{
    const struct bench_result *r = c->results[result];
    char text[200];

    fprintf(f, "<g stroke=\"%s\" fill=\"none\" stroke-width=\"2\"%s>\n<path d=\"", colour,
            result ? " stroke-dasharray=\"6 4\"" : "");
    for (uint64_t below = 0, next; below != BENCH_NONE; below = next + 1) {
        const struct bench_row *row = NULL;

        for (const struct bench_row *k = r->rows; k < r->rows + r->n_rows; k++) {
            if (same_chart(k, c->first) && same_series(k, head, c->x) && k->var[c->x] >= below &&
                k->var[c->x] != BENCH_NONE && (!row || k->var[c->x] < row->var[c->x]))
                row = k;
        }
        if (!row)
            break;
        next = row->var[c->x];
        fprintf(f, "%c%.1f %.1f", below ? 'L' : 'M', at_x(c, (double)next),
                at_y(c, a, row->median));
    }
    fputs("\"/>\n</g>\n", f);
    fprintf(f, "<g stroke=\"%s\" fill=\"%s\">\n", colour, colour);
    for (const struct bench_row *k = r->rows; k < r->rows + r->n_rows; k++) {
        double x;

        if (!same_chart(k, c->first) || !same_series(k, head, c->x) || k->var[c->x] == BENCH_NONE)
            continue;
        x = at_x(c, (double)k->var[c->x]);
        fprintf(f, "<path d=\"M%.1f %.1fV%.1f\"/><circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>",
                x, at_y(c, a, k->q1), at_y(c, a, k->q3), x, at_y(c, a, k->median));
        chart_text(bench_vars_text(k->var, text, sizeof text), f);
        fprintf(f, ": %.4g %s, quartiles %.4g and %.4g</title></circle>\n", k->median, k->unit,
                k->q1, k->q3);
    }
    fputs("</g>\n", f);
}

void chart_svg(const struct chart *c, FILE *f)
{
    const struct axis a = axis_y(c);
    unsigned n = 0, left_out = 0;

    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\" "
            "role=\"img\">\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH, HEIGHT);
    fprintf(f, "<text x=\"%d\" y=\"18\" font-size=\"14\" font-weight=\"bold\">", LEFT - 50);
    chart_text(c->first->test, f);
    fputs(", ", f);
    chart_text(c->first->target, f);
    fprintf(f, "</text>\n<text x=\"%d\" y=\"36\">", LEFT - 50);
    chart_text(c->first->metric, f);
    fputs(", ", f);
    chart_text(c->first->unit, f);
    fprintf(f, " (%s is better)</text>\n", c->first->higher ? "higher" : "lower");
    axes(c, &a, f);
    for (unsigned i = 0; i < c->n_results; i++) {
        const struct bench_result *r = c->results[i];
        unsigned of_result = 0;

        for (const struct bench_row *k = r->rows; k < r->rows + r->n_rows; k++) {
            const struct bench_row *p = r->rows;
            const char *colour = colours[of_result % (sizeof colours / sizeof colours[0])];

            if (!same_chart(k, c->first) || k->var[c->x] == BENCH_NONE)
                continue;
            while (p < k && !(same_chart(p, c->first) && same_series(p, k, c->x)))
                p++;
            if (p < k)
                continue;
            of_result++;
            if (n == CHART_SERIES) {
                left_out++;
                continue;
            }
            line(c, &a, i, k, colour, f);
            fprintf(f,
                    "<path d=\"M%d %uh18\" stroke=\"%s\" stroke-width=\"3\"%s/>"
                    "<text x=\"%d\" y=\"%u\">",
                    WIDTH - RIGHT + 12, TOP + 10 + 20 * n, colour,
                    i ? " stroke-dasharray=\"6 4\"" : "", WIDTH - RIGHT + 36, TOP + 14 + 20 * n);
            series_name(c, i, k, f);
            fputs("</text>\n", f);
            n++;
        }
    }
    if (left_out)
        fprintf(f, "<text x=\"%d\" y=\"%u\">%u more: see the table</text>\n", WIDTH - RIGHT + 12,
                TOP + 14 + 20 * n, left_out);
    fputs("</svg>\n", f);
}
