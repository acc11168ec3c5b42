/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>
#include <weir/error.h>

/* Copy the line at text to out (cut to fit) and return the start of the next one. */
static const char *take_line(const char *text, char *out, size_t size)
{
    size_t len = strcspn(text, "\n");
    size_t n = len < size ? len : size - 1;

    memcpy(out, text, n);
    out[n] = '\0';
    return text[len] ? text + len + 1 : text + len;
}

int weir_vfail(struct weir_error *e, int err, const char *code, const char *fmt, va_list ap)
{
    char text[sizeof e->what + sizeof e->why + sizeof e->fix];
    const char *rest = text;

    if (!e)
        return err;
    if (vsnprintf(text, sizeof text, fmt, ap) < 0)
        text[0] = '\0';
    e->err = err;
    e->code = code;
    rest = take_line(rest, e->what, sizeof e->what);
    rest = take_line(rest, e->why, sizeof e->why);
    take_line(rest, e->fix, sizeof e->fix);
    return err;
}

int weir_fail(struct weir_error *e, int err, const char *code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    weir_vfail(e, err, code, fmt, ap);
    va_end(ap);
    return err;
}

const char *weir_printable(char *out, size_t size, const void *text, size_t len)
{
    const unsigned char *in = text;
    size_t i;

    if (size == 0)
        return out;
    for (i = 0; i < len && i < size - 1 && in[i]; i++)
        out[i] = (char)(in[i] >= 0x20 && in[i] < 0x7f ? in[i] : '?');
    out[i] = '\0';
    return out;
}

void weir_error_print(const struct weir_error *e, FILE *f)
{
    fprintf(f, "%s: %s\n", e->what, e->why[0] ? e->why : strerror(-e->err));
    if (e->fix[0])
        fprintf(f, "  try: %s\n", e->fix);
}
