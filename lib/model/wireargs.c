/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/model/wires.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <weir/error.h>

struct parser {
    const char *kind;
    const struct weir_arg *args;
    unsigned n;
    struct weir_error *e;
    const char *word; /* the argument being read, and its length */
    size_t word_len;
};

static int refuse(const struct parser *p, const char *why)
{
    char word[64], list[200];
    size_t used = 0;

    list[0] = '\0';
    for (unsigned i = 0; i < p->n && used < sizeof list; i++) {
        static const char *const shape[] = {"", "=TEXT", "", "=N", "=N|A-B", "=MAC"};
        int add = snprintf(list + used, sizeof list - used, "%s%s%s", i ? ", " : "", p->args[i].key,
                           shape[p->args[i].type]);
        used += add > 0 ? (size_t)add : 0;
    }
    return weir_fail(p->e, -EINVAL, "wire-arg",
                     "open a wire of kind %s\nargument '%s': %s\n%s%s%s%s", p->kind,
                     weir_printable(word, sizeof word, p->word, p->word_len), why,
                     p->n ? "arguments of " : "it takes no arguments", p->n ? p->kind : "",
                     p->n ? ": " : "", list);
}

static int refuse_range(const struct parser *p, const struct weir_arg *a)
{
    char why[96];

    snprintf(why, sizeof why, "not a number from %" PRIu64 " to %" PRIu64, a->min, a->max);
    return refuse(p, why);
}

/* Digits, perhaps a decimal point and more digits, perhaps k, M or G: exact, whatever the locale.
 * @return the first byte that is not part of it, or NULL */
static const char *number(const char *s, const char *end, uint64_t *out)
{
    uint64_t v = 0, scale = 1, fraction = 1;
    bool point = false;
    const char *start = s;

    for (; s < end; s++) {
        if (*s == '.' && !point) {
            point = true;
            continue;
        }
        if (*s < '0' || *s > '9')
            break;
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v) || fraction > UINT64_MAX / 10)
            return NULL;
        if (point)
            fraction *= 10;
    }
    if (s == start || s[-1] == '.')
        return NULL;
    if (s < end && (*s == 'k' || *s == 'K'))
        scale = 1000;
    else if (s < end && *s == 'M')
        scale = 1000000;
    else if (s < end && *s == 'G')
        scale = 1000000000;
    if (scale > 1)
        s++;
    if (__builtin_mul_overflow(v, scale, &v) || v % fraction)
        return NULL;
    *out = v / fraction;
    return s;
}

static int take_text(const struct parser *p, const struct weir_arg *a, const char *s, size_t len)
{
    char **to = a->to;

    if (!len)
        return refuse(p, "it is empty");
    if (a->max && len > a->max) {
        char why[64];
        snprintf(why, sizeof why, "longer than %" PRIu64 " characters", a->max);
        return refuse(p, why);
    }
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return refuse(p, "it has a control character");
    *to = strndup(s, len);
    return *to ? 0 : weir_fail(p->e, -ENOMEM, "no-memory", "open a wire\nout of memory");
}

static int take_mac(const struct parser *p, const struct weir_arg *a, const char *s, size_t len)
{
    uint8_t mac[6] = {0};

    if (len != 17)
        return refuse(p, "not six bytes as 02:00:00:00:00:01");
    for (size_t i = 0; i < len; i++) {
        const char *digits = "0123456789abcdef", *d = strchr(digits, s[i] | 0x20);
        if (i % 3 == 2 ? s[i] != ':' : !d || !*d)
            return refuse(p, "not six bytes as 02:00:00:00:00:01");
        if (i % 3 != 2)
            mac[i / 3] = (uint8_t)(mac[i / 3] << 4 | (d - digits));
    }
    memcpy(a->to, mac, sizeof mac);
    return 0;
}

static int take_value(const struct parser *p, const struct weir_arg *a, const char *s, size_t len)
{
    const char *end = s + len, *rest;
    uint64_t v[2];

    if (a->type == WEIR_ARG_TEXT)
        return take_text(p, a, s, len);
    if (a->type == WEIR_ARG_MAC)
        return take_mac(p, a, s, len);
    rest = number(s, end, &v[0]);
    v[1] = v[0];
    if (rest && rest < end && *rest == '-' && a->type == WEIR_ARG_RANGE)
        rest = number(rest + 1, end, &v[1]);
    if (rest != end || v[0] < a->min || v[1] > a->max || v[0] > v[1])
        return refuse_range(p, a);
    memcpy(a->to, v, a->type == WEIR_ARG_RANGE ? sizeof v : sizeof v[0]);
    return 0;
}

static int take_word(const struct parser *p, uint64_t *seen)
{
    const char *eq = memchr(p->word, '=', p->word_len);
    size_t key = eq ? (size_t)(eq - p->word) : p->word_len;

    for (unsigned i = 0; i < p->n; i++) {
        const struct weir_arg *a = &p->args[i];
        if (a->type == WEIR_ARG_NAME || strlen(a->key) != key || memcmp(a->key, p->word, key))
            continue;
        if (*seen & 1ull << i)
            return refuse(p, "given twice");
        *seen |= 1ull << i;
        if (a->type != WEIR_ARG_FLAG)
            return eq ? take_value(p, a, eq + 1, p->word_len - key - 1)
                      : refuse(p, "it needs a value");
        if (eq)
            return refuse(p, "it takes no value");
        *(bool *)a->to = true;
        return 0;
    }
    return refuse(p, "there is no such argument");
}

int weir_args_parse(const char *kind, const char *text, const struct weir_arg *args, unsigned n,
                    struct weir_error *e)
{
    struct parser p = {.kind = kind, .args = args, .n = n, .e = e, .word = text};
    uint64_t seen = 0;
    int err;

    p.word_len = strcspn(text, ",");
    if (n && args[0].type == WEIR_ARG_NAME) {
        err = take_text(&p, &args[0], text, p.word_len);
        if (err)
            return err;
        if (!text[p.word_len])
            return 0;
        text += p.word_len + 1;
    } else if (!*text) {
        return 0;
    }
    for (;;) {
        p.word = text;
        p.word_len = strcspn(text, ",");
        err = take_word(&p, &seen);
        if (err || !text[p.word_len])
            return err;
        text += p.word_len + 1;
    }
}
