/* SPDX-License-Identifier: BSD-3-Clause */
/* The parameter "iotlb" that every model takes, and what came of it. */
#include "lib/model/kit.h"
#include "lib/model/wires.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "4K+2M+1G" as a mask; 0 if it is something else. */
static uint64_t page_sizes(const char *text)
{
    uint64_t mask = 0;

    for (;;) {
        static const char units[] = "KMGT";
        char *end;
        unsigned long long n = strtoull(text, &end, 10);
        const char *unit = *end ? strchr(units, *end) : NULL;

        if (*text < '1' || *text > '9' || !unit || n & (n - 1) || n > 512)
            return 0;
        mask |= (uint64_t)n << 10 * (unit - units + 1);
        if (!end[1])
            return mask;
        if (end[1] != '+')
            return 0;
        text = end + 2;
    }
}

int weir_model_iotlb_parse(struct weir_model *m, struct weir_error *e)
{
    const char *value = weir_model_param(m, "iotlb");
    uint64_t entries = 64, ways = 0, bits = 48;
    char *pages = NULL, text[64];
    const struct weir_arg args[] = {
        {"entries", WEIR_ARG_COUNT, &entries, 1, UINT32_MAX},
        {"ways", WEIR_ARG_COUNT, &ways, 1, UINT32_MAX},
        {"bits", WEIR_ARG_COUNT, &bits, 1, 64},
        {"pages", WEIR_ARG_TEXT, &pages, 0, 63},
    };
    struct weir_siommu *probe;
    int r = 0;

    if (!value)
        return 0;
    if (*value >= '0' && *value <= '9' && strlen(value) < 40) {
        snprintf(text, sizeof(text), "entries=%s", value);
        value = text;
    }
    if (strcmp(value, "on") != 0)
        r = weir_args_parse("", value, args, sizeof(args) / sizeof(*args), NULL);
    m->iotlb = (struct weir_iotlb_options){
        .entries = (unsigned)entries,
        .ways = (unsigned)ways,
        .pages = pages ? page_sizes(pages) : 1ull << 12 | 1ull << 21 | 1ull << 30,
        .bits = (unsigned)bits,
    };
    free(pages);
    /* Whether there could be such a cache is known to who makes it. */
    probe = r == -ENOMEM ? NULL : weir_siommu_new(NULL);
    if (!probe)
        return weir_fail(e, -ENOMEM, "no-memory", "make the model %s\nout of memory", m->ops->name);
    if (r == 0)
        r = weir_siommu_set_iotlb(probe, &m->iotlb, NULL);
    weir_siommu_free(probe);
    if (r == 0)
        return 0;
    return weir_fail(e, -EINVAL, "model-param",
                     "make the model %s\niotlb cannot be '%s'\nwrite iotlb=on, iotlb=ENTRIES, or "
                     "iotlb=entries=64,ways=4,pages=4K+2M+1G,bits=48: up to 4096 entries, a "
                     "multiple of ways, and %u page sizes",
                     m->ops->name,
                     weir_printable(text, sizeof(text), weir_model_param(m, "iotlb"),
                                    strlen(weir_model_param(m, "iotlb"))),
                     WEIR_IOTLB_PAGES);
}

bool weir_model_iotlb(struct weir_model *m, struct weir_iotlb_stats *out)
{
    bool any;

    pthread_mutex_lock(&m->lock);
    any = m->siommu && weir_siommu_iotlb(m->siommu, out);
    pthread_mutex_unlock(&m->lock);
    return any;
}
