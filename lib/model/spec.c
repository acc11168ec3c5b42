/* SPDX-License-Identifier: BSD-3-Clause */
/* A model's description, NAME?key=value&key=value, and the keys its kind takes. */
#include "lib/model/kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool takes(const struct weir_model_ops *ops, const char *key, size_t len)
{
    const char *at = ops->params ? ops->params : "";
    if ((ops->wires && len == 4 && memcmp(key, "wire", 4) == 0) ||
        (len == 5 && memcmp(key, "iotlb", 5) == 0))
        return true;
    while (*at) {
        size_t n = strcspn(at, " ");
        if (n == len && memcmp(at, key, n) == 0)
            return true;
        at += n;
        at += strspn(at, " ");
    }
    return false;
}

/* "iotlb, wire, mac, nvm" */
static const char *known(const struct weir_model_ops *ops, char *out, size_t size)
{
    const char *p = ops->params ? ops->params : "";
    size_t at =
        (size_t)snprintf(out, size, "iotlb%s%s", ops->wires ? ", wire" : "", *p ? ", " : "");

    for (; *p && at + 3 < size; p++) {
        if (*p == ' ')
            out[at++] = ',';
        out[at++] = *p;
    }
    out[at] = '\0';
    return out;
}

static int refuse(struct weir_model *m, const char *spec, const char *why, const char *item,
                  size_t len, struct weir_error *e)
{
    char shown[80], whole[160], keys[160];
    weir_printable(whole, sizeof(whole), spec, strlen(spec));
    weir_printable(shown, sizeof(shown), item, len);
    return weir_fail(e, -EINVAL, "model-param",
                     "make the model '%s'\n%s: '%s'\nwrite %s?key=value&key=value with the keys %s",
                     whole, why, shown, m->ops->name, known(m->ops, keys, sizeof(keys)));
}

int weir_model_parse(struct weir_model *m, const char *spec, size_t name_len, struct weir_error *e)
{
    const char *at = spec + name_len;
    unsigned wires = 0;

    if (!*at)
        return 0;
    do {
        const char *item = at + 1; /* behind '?' or '&' */
        size_t len = strcspn(item, "&");
        const char *equals = memchr(item, '=', len);
        size_t key_len = equals ? (size_t)(equals - item) : len;
        at = item + len;

        if (!key_len)
            return refuse(m, spec, "a key is missing", item, len, e);
        if (!takes(m->ops, item, key_len))
            return refuse(m, spec, "unknown key", item, key_len, e);
        if (!equals || key_len + 1 == len)
            return refuse(m, spec, "a key has no value", item, len, e);
        bool wire = key_len == 4 && memcmp(item, "wire", 4) == 0;
        for (unsigned i = 0; i < m->n_params; i++)
            if (!wire && strlen(m->params[i].key) == key_len &&
                memcmp(m->params[i].key, item, key_len) == 0)
                return refuse(m, spec, "a key is given twice", item, key_len, e);
        if (wire && ++wires > m->ops->wires)
            return refuse(m, spec, "more wires than the device has ports", item, len, e);
        if (m->n_params == KIT_MAX_PARAMS)
            return refuse(m, spec, "too many keys", item, len, e);

        char *copy = strndup(item, len);
        if (!copy)
            return weir_fail(e, -ENOMEM, "no-memory", "make the model %s\nout of memory",
                             m->ops->name);
        copy[key_len] = '\0';
        m->params[m->n_params].key = copy;
        m->params[m->n_params++].value = copy + key_len + 1;
    } while (*at);
    return 0;
}

void weir_model_params_free(struct weir_model *m)
{
    for (unsigned i = 0; i < m->n_params; i++)
        free(m->params[i].key);
    m->n_params = 0;
}

const char *weir_model_param(const struct weir_model *m, const char *key)
{
    for (unsigned i = 0; i < m->n_params; i++)
        if (strcmp(m->params[i].key, key) == 0)
            return m->params[i].value;
    return NULL;
}
