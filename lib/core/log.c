/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/core/instance.h"
#include <stdarg.h>
#include <stdio.h>

void weir_log(struct weir *w, enum weir_log_level level, const char *part, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    int n;

    if (!w->opt.log || level > w->opt.log_level)
        return;
    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n >= 0)
        w->opt.log(w->opt.log_user, level, part, text);
}

void weir_log_stdio(void *user, enum weir_log_level level, const char *part, const char *text)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};

    fprintf(user ? user : stderr, "weir %s: %s: %s\n", names[level], part, text);
}
