/* SPDX-License-Identifier: BSD-3-Clause */
/* A result, or two, as a page that needs nothing but itself; and its charts as files. */
#include "chart.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\"><title>weir dma-bench</title>\n"
    "<style>\n"
    ":root{color-scheme:light}\n"
    "body{font:15px/1.45 sans-serif;color:#222;background:#f4f4f2;margin:0 auto;max-width:1500px;"
    "padding:1em}\n"
    "h1{font-size:1.4em}h2{font-size:1.1em;margin-top:1.6em}\n"
    ".charts{display:flex;flex-wrap:wrap;gap:1em}\n"
    ".charts svg{border:1px solid #ccc;max-width:100%;height:auto;background:#fff}\n"
    "table{border-collapse:collapse;background:#fff}\n"
    "th,td{border:1px solid #ccc;padding:.2em .6em;text-align:left}\n"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}\n"
    ".better{background:#dcefdc}.worse{background:#f6dcd6}\n"
    ".wide{overflow-x:auto}\n"
    "</style></head><body>\n";

static void cell(const char *text, FILE *f)
{
    fputs("<td>", f);
    chart_text(text, f);
    fputs("</td>", f);
}

static void number(double v, FILE *f)
{
    fprintf(f, v >= 1000 ? "<td class=\"n\">%.0f</td>" : "<td class=\"n\">%.4g</td>", v);
}

static void quartiles(const struct bench_row *k, FILE *f)
{
    fprintf(f,
            k->q1 >= 1000 ? "<td class=\"n\">%.0f to %.0f</td>"
                          : "<td class=\"n\">%.4g to %.4g</td>",
            k->q1, k->q3);
}

static void start_row(const struct bench_row *k, FILE *f)
{
    char vars[200];

    fputs("<tr>", f);
    cell(k->test, f);
    cell(k->target, f);
    cell(bench_vars_text(k->var, vars, sizeof vars), f);
    cell(k->metric, f);
    cell(k->unit, f);
}

static void table_of_one(const struct bench_result *r, FILE *f)
{
    fputs("<div class=\"wide\"><table><tr><th>test</th><th>of</th><th>with</th><th>metric</th>"
          "<th>unit</th><th>median</th><th>quartiles</th><th>least</th><th>most</th>"
          "<th>samples</th></tr>\n",
          f);
    for (size_t i = 0; i < r->n_rows; i++) {
        const struct bench_row *k = &r->rows[i];

        start_row(k, f);
        number(k->median, f);
        quartiles(k, f);
        number(k->min, f);
        number(k->max, f);
        fprintf(f, "<td class=\"n\">%u</td></tr>\n", k->n);
    }
    fputs("</table></div>\n", f);
}

static void table_of_two(const struct bench_result *a, const struct bench_result *b, FILE *f)
{
    fputs("<div class=\"wide\"><table><tr><th>test</th><th>of</th><th>with</th><th>metric</th>"
          "<th>unit</th><th>A</th><th>quartiles</th><th>B</th><th>quartiles</th><th>B/A</th>"
          "</tr>\n",
          f);
    for (size_t i = 0; i < a->n_rows; i++) {
        const struct bench_row *x = &a->rows[i], *y = bench_find(b, x);
        const char *mark = "";

        if (!y)
            continue;
        if (bench_differ(x, y))
            mark = (y->median > x->median) == x->higher ? " better" : " worse";
        start_row(x, f);
        number(x->median, f);
        quartiles(x, f);
        number(y->median, f);
        quartiles(y, f);
        fprintf(f, "<td class=\"n%s\">", mark);
        if (x->median > 0)
            fprintf(f, "%.3f", y->median / x->median);
        fputs("</td></tr>\n", f);
    }
    fputs(
        "</table></div>\n<p>Green: B is better, red: worse, where the quartiles leave a gap.</p>\n",
        f);
}

void bench_html(const struct bench_result *const *r, const char *const *names, unsigned n, FILE *f)
{
    struct chart c = {.results = r, .names = names, .n_results = n};

    fputs(head, f);
    fputs("<h1>weir dma-bench</h1>\n", f);
    for (unsigned i = 0; i < n; i++) {
        fputs("<p>", f);
        if (names) {
            fprintf(f, "<b>%c</b>: ", 'A' + (int)i);
            chart_text(names[i], f);
            fputs(", ", f);
        }
        chart_text(r[i]->machine, f);
        fputs(", weir ", f);
        chart_text(r[i]->version, f);
        fputs(", ", f);
        chart_text(r[i]->when, f);
        fputs("</p>\n", f);
    }
    fputs("<p>Points are medians, bars the quartiles. Devices whose name begins with "
          "<code>model:</code> are software: their times are of this CPU doing the device's work; "
          "their IOTLB misses are counted, not timed.</p>\n<div class=\"charts\">\n",
          f);
    for (size_t at = 0; chart_next(&c, &at);)
        chart_svg(&c, f);
    fputs("</div>\n<h2>All figures</h2>\n", f);
    if (n == 2)
        table_of_two(r[0], r[1], f);
    else
        table_of_one(r[0], f);
    for (unsigned i = 0; i < n; i++) {
        if (!r[i]->n_notes)
            continue;
        fprintf(f, "<h2>Not measured%s%.1s</h2>\n<ul>\n", names ? " in " : "",
                names ? &"AB"[i] : "");
        for (size_t k = 0; k < r[i]->n_notes; k++) {
            fputs("<li>", f);
            chart_text(r[i]->notes[k], f);
            fputs("</li>\n", f);
        }
        fputs("</ul>\n", f);
    }
    fputs("</body></html>\n", f);
}

int bench_svg_files(const struct bench_result *r, const char *folder)
{
    struct chart c = {.results = &r, .n_results = 1};

    for (size_t at = 0; chart_next(&c, &at);) {
        char name[200], *path;
        FILE *f;

        snprintf(name, sizeof name, "%s-%s-%s", c.first->test, c.first->metric, c.first->target);
        for (char *p = name; *p; p++)
            if (!isalnum((unsigned char)*p))
                *p = '-';
        if (asprintf(&path, "%s/%s.svg", folder, name) < 0)
            path = NULL;
        f = path ? fopen(path, "we") : NULL;
        if (f)
            chart_svg(&c, f);
        if (!f || ferror(f) | fclose(f)) {
            fprintf(stderr, "weir: write %s: %s\n", path ? path : folder, strerror(errno));
            free(path);
            return 1;
        }
        free(path);
    }
    return 0;
}
