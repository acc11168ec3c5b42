/* SPDX-License-Identifier: BSD-3-Clause */
/* Charts: one for each test, target and metric that was run with several values of a variable. */
#ifndef WEIR_TOOLS_DMA_BENCH_CHART_H
#define WEIR_TOOLS_DMA_BENCH_CHART_H

#include "bench.h"

enum { CHART_SERIES = 12 };

struct chart {
    const struct bench_result *const *results;
    const char *const *names; /* of the results; NULL if there is one */
    unsigned n_results;
    const struct bench_row *first; /* a row that is in it: test, target, metric, unit */
    int x;                         /* enum bench_var along the axis */
    bool log_x, log_y;
    double min_x, max_x, min_y, max_y;
};

/* The next chart after the row *at of the first result, which moves on; false after the last. */
bool chart_next(struct chart *c, size_t *at);
/* As an SVG document. */
void chart_svg(const struct chart *c, FILE *f);
/* Text with what XML takes for its own escaped. */
void chart_text(const char *text, FILE *f);

#endif
