/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A snapshot of any bytes at all. What passes has to stand everything that a host is asked for, and
 * come back the same from a snapshot of its own.
 */
#include <weir/weir.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_finding(void *user, const struct weir_finding *f)
{
    unsigned *blocks = user;

    if (!f->code || !*f->what || !f->evidence || !f->why || !f->fix || !f->advice || !f->keep)
        __builtin_trap();
    *blocks += f->level == WEIR_BLOCKS;
}

static void ask(const struct weir_host *h)
{
    unsigned n = weir_host_functions(h), blocks = 0;
    struct weir_findings_options opt = {.size = sizeof(opt)};
    const struct weir_group *g;

    if (weir_host_findings(h, NULL, on_finding, &blocks) != blocks)
        __builtin_trap();
    for (unsigned i = 0; i < n && i < 24; i++) {
        const struct weir_function *f = weir_host_function(h, (int)i);

        if (weir_host_find(h, f->name) != f)
            __builtin_trap();
        if (f->parent >= (int)n || f->derived < 0 || f->derived > (int)i || f->isolated < 0 ||
            f->isolated > (int)i)
            __builtin_trap();
        opt.device = f->name;
        weir_host_findings(h, &opt, on_finding, &blocks);
        for (unsigned j = 0; j < n && j < 24; j++) {
            struct weir_reason r;

            weir_host_explain(h, f, weir_host_function(h, (int)j), &r);
            if (!r.code || r.via >= (int)n || r.other >= (int)n)
                __builtin_trap();
        }
    }
    for (int i = 0; (g = weir_host_group(h, i)); i++) {
        for (unsigned m = 0; m < g->n_members; m++) {
            if (weir_host_function(h, g->members[m])->group != g->number)
                __builtin_trap();
        }
    }
}

static struct weir_host *load(const char *text, size_t len)
{
    int fd = memfd_create("snapshot", MFD_CLOEXEC);
    struct weir_host_options opt = {.size = sizeof(opt)};
    struct weir_host *h = NULL;
    struct weir_error e;
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    opt.snapshot = path;
    if (fd >= 0 && write(fd, text, len) == (ssize_t)len)
        h = weir_host_new(&opt, &e);
    if (fd >= 0)
        close(fd);
    return h;
}

static char *saved(const struct weir_host *h, size_t *len)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, len);

    if (!f || weir_host_save(h, f, NULL))
        __builtin_trap();
    fclose(f);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_host *h = load((const char *)data, size), *again;
    size_t len, len2;
    char *text, *text2;

    if (!h)
        return 0;
    ask(h);
    text = saved(h, &len);
    again = load(text, len);
    if (!again)
        __builtin_trap();
    text2 = saved(again, &len2);
    if (len != len2 || memcmp(text, text2, len) != 0)
        __builtin_trap();
    free(text);
    free(text2);
    weir_host_free(h);
    weir_host_free(again);
    return 0;
}
