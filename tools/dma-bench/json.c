/* SPDX-License-Identifier: BSD-3-Clause */
/* Results as JSON, written and read. */
#include "bench.h"

#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is compared takes time with the square of its rows. */
enum { FORMAT = 1, MAX_ROWS = 10000, MAX_FILE = 64 << 20 };

#define MAX_NUMBER 1e100 /* of either sign: what is worked out from it stays finite */

static void add_text(struct json_object *o, const char *key, const char *text)
{
    json_object_object_add(o, key, json_object_new_string(text));
}

static void add_number(struct json_object *o, const char *key, double v)
{
    json_object_object_add(o, key, json_object_new_double(v));
}

static struct json_object *row_object(const struct bench_row *k)
{
    struct json_object *o = json_object_new_object(), *vars = json_object_new_object();

    add_text(o, "test", k->test);
    add_text(o, "target", k->target);
    for (unsigned v = 0; v < BENCH_VARS; v++)
        if (k->var[v] != BENCH_NONE)
            json_object_object_add(vars, bench_vars[v].name, json_object_new_uint64(k->var[v]));
    json_object_object_add(o, "vars", vars);
    add_text(o, "metric", k->metric);
    add_text(o, "unit", k->unit);
    add_text(o, "better", k->higher ? "higher" : "lower");
    json_object_object_add(o, "n", json_object_new_uint64(k->n));
    add_number(o, "median", k->median);
    add_number(o, "q1", k->q1);
    add_number(o, "q3", k->q3);
    add_number(o, "min", k->min);
    add_number(o, "max", k->max);
    return o;
}

void bench_json(const struct bench_result *r, FILE *f)
{
    struct json_object *o = json_object_new_object(), *rows = json_object_new_array();
    struct json_object *notes = json_object_new_array();

    json_object_object_add(o, "format", json_object_new_int(FORMAT));
    add_text(o, "weir", r->version);
    add_text(o, "machine", r->machine);
    add_text(o, "when", r->when);
    for (size_t i = 0; i < r->n_rows; i++)
        json_object_array_add(rows, row_object(&r->rows[i]));
    json_object_object_add(o, "rows", rows);
    for (size_t i = 0; i < r->n_notes; i++)
        json_object_array_add(notes, json_object_new_string(r->notes[i]));
    json_object_object_add(o, "not_measured", notes);
    fputs(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY), f);
    fputc('\n', f);
    json_object_put(o);
}

/* Reading: a file may hold anything. */

static bool take_text(struct json_object *o, const char *key, char *out, size_t size)
{
    struct json_object *v;

    if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_string))
        return false;
    weir_printable(out, size, json_object_get_string(v), (size_t)json_object_get_string_len(v));
    return true;
}

static bool take_number(struct json_object *o, const char *key, double *out)
{
    struct json_object *v;

    if (!json_object_object_get_ex(o, key, &v) ||
        !(json_object_is_type(v, json_type_double) || json_object_is_type(v, json_type_int)))
        return false;
    *out = json_object_get_double(v);
    return fabs(*out) <= MAX_NUMBER; /* nor is it NaN */
}

static bool take_row(struct json_object *o, struct bench_row *k)
{
    struct json_object *vars;
    char better[16];
    double n;

    *k = bench_row("", "", "", "", false);
    if (!json_object_is_type(o, json_type_object) ||
        !take_text(o, "test", k->test, sizeof k->test) ||
        !take_text(o, "target", k->target, sizeof k->target) ||
        !take_text(o, "metric", k->metric, sizeof k->metric) ||
        !take_text(o, "unit", k->unit, sizeof k->unit) ||
        !take_text(o, "better", better, sizeof better) || !take_number(o, "n", &n) ||
        !take_number(o, "median", &k->median) || !take_number(o, "q1", &k->q1) ||
        !take_number(o, "q3", &k->q3) || !take_number(o, "min", &k->min) ||
        !take_number(o, "max", &k->max) || n < 1 || n > 1e9 ||
        !json_object_object_get_ex(o, "vars", &vars) ||
        !json_object_is_type(vars, json_type_object))
        return false;
    k->n = (unsigned)n;
    k->higher = strcmp(better, "higher") == 0;
    for (unsigned v = 0; v < BENCH_VARS; v++) {
        struct json_object *value;

        if (!json_object_object_get_ex(vars, bench_vars[v].name, &value))
            continue;
        if (!json_object_is_type(value, json_type_int))
            return false;
        if (json_object_get_int64(value) < 0 || json_object_get_int64(value) == INT64_MAX)
            return false;
        k->var[v] = (uint64_t)json_object_get_int64(value);
    }
    return true;
}

/* Why it is no result, or NULL. */
static const char *take_result(struct json_object *o, struct bench_result *r)
{
    struct json_object *rows, *notes, *format;
    size_t n;

    if (!json_object_is_type(o, json_type_object) ||
        !json_object_object_get_ex(o, "format", &format) ||
        !json_object_is_type(format, json_type_int) ||
        !json_object_object_get_ex(o, "rows", &rows) || !json_object_is_type(rows, json_type_array))
        return "it is not a result of weir dma-bench --json";
    if (json_object_get_int(format) != FORMAT)
        return "it is of another version of weir dma-bench";
    if (!take_text(o, "machine", r->machine, sizeof r->machine) ||
        !take_text(o, "when", r->when, sizeof r->when) ||
        !take_text(o, "weir", r->version, sizeof r->version))
        return "it does not say where it comes from";
    n = json_object_array_length(rows);
    if (n > MAX_ROWS)
        return "it has too many rows";
    for (size_t i = 0; i < n; i++) {
        struct bench_row k;

        if (!take_row(json_object_array_get_idx(rows, i), &k))
            return "a row of it is not as it should be";
        *bench_push(r) = k;
    }
    if (json_object_object_get_ex(o, "not_measured", &notes) &&
        json_object_is_type(notes, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(notes) && i < 100; i++) {
            struct json_object *text = json_object_array_get_idx(notes, i);
            char note[512];

            if (json_object_is_type(text, json_type_string))
                bench_note(r, "%s",
                           weir_printable(note, sizeof note, json_object_get_string(text),
                                          (size_t)json_object_get_string_len(text)));
        }
    }
    return NULL;
}

/* All of a file, up to MAX_FILE bytes. */
static char *read_all(FILE *f, size_t *len)
{
    size_t size = 1 << 16, got;
    char *text = bench_alloc(NULL, size);

    *len = 0;
    while ((got = fread(text + *len, 1, size - *len, f)) > 0) {
        *len += got;
        if (*len == size && size < MAX_FILE) {
            size *= 2;
            text = bench_alloc(text, size);
        }
    }
    return text;
}

int bench_load(const char *path, struct bench_result *out)
{
    FILE *f = fopen(path, "re");
    struct json_tokener *tok = json_tokener_new();
    struct json_object *o = NULL;
    const char *why = NULL;
    char *text = NULL;
    size_t len = 0;

    if (!f || !tok) {
        why = strerror(errno);
    } else {
        text = read_all(f, &len);
        o = len < MAX_FILE ? json_tokener_parse_ex(tok, text, (int)len) : NULL;
        why = ferror(f) ? strerror(errno) : o ? take_result(o, out) : "it is not JSON";
    }
    if (why)
        fprintf(stderr,
                "weir: read %s: %s\n  try: weir dma-bench --json FILE writes what can be read\n",
                path, why);
    json_object_put(o);
    free(text);
    if (tok)
        json_tokener_free(tok);
    if (f)
        fclose(f);
    return why ? 1 : 0;
}
