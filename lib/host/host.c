/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/host/host.h"
#include "lib/host/collect.h"
#include "lib/host/snapshot.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <weir/error.h>

const char *weir_host_text(const struct weir_host *h, const char *fmt, ...)
{
    char path[WEIR_TABLE_MAX_PATH];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    return weir_table_text(&h->table, path);
}

bool weir_host_number(const char *text, int base, uint64_t *out)
{
    char *end;

    if (!text || strchr("-+", text[strspn(text, " \t")]))
        return false;
    errno = 0;
    *out = strtoull(text, &end, base);
    return end != text && !errno && !end[strspn(end, " \t\n")];
}

static int make(struct weir_host *h, const char **why)
{
    int r = weir_host_make_functions(h, why);

    if (!r)
        r = weir_host_make_groups(h, why);
    if (!r)
        r = weir_host_make_machine(h);
    if (!r)
        r = weir_host_make_use(h);
    if (!r)
        r = weir_host_make_derived(h);
    return r;
}

struct weir_host *weir_host_new(const struct weir_host_options *opt, struct weir_error *e)
{
    struct weir_host_options o = {0};
    struct weir_host *h = calloc(1, sizeof(*h));
    const char *why = "", *from;
    char shown[160];
    int r;

    if (opt)
        memcpy(&o, opt, opt->size < sizeof(o) ? opt->size : sizeof(o));
    if (!h) {
        weir_fail(e, -ENOMEM, "no-memory", "read the machine\nout of memory\n");
        return NULL;
    }
    from = o.snapshot ? o.snapshot : o.root ? o.root : "/";
    r = o.snapshot ? weir_snapshot_load(&h->table, o.snapshot, e)
                   : weir_collect(&h->table, o.root, e);
    if (r == 0) {
        r = make(h, &why);
        if (r == -ENOMEM)
            weir_fail(e, r, "no-memory", "read the machine in %s\nout of memory\n", from);
        else if (r)
            weir_fail(
                e, r, o.snapshot ? "host-snapshot" : "host-tree",
                "read the machine in %s\n%s is missing, cut short or contradicts the rest\n%s",
                from, weir_printable(shown, sizeof(shown), why, strlen(why)),
                o.snapshot ? "ask for a file that nobody edited"
                           : "try again if a device was just plugged in or out");
    }
    if (r) {
        weir_host_free(h);
        return NULL;
    }
    return h;
}

void weir_host_free(struct weir_host *h)
{
    if (!h)
        return;
    weir_table_free(&h->table);
    free(h->functions);
    free(h->groups);
    free(h->members);
    free(h->reserved);
    free(h->pools);
    free(h);
}

int weir_host_save(const struct weir_host *h, FILE *f, struct weir_error *e)
{
    return weir_snapshot_save(&h->table, f, e);
}

unsigned weir_host_functions(const struct weir_host *h)
{
    return h->n_functions;
}

const struct weir_function *weir_host_function(const struct weir_host *h, int i)
{
    return i >= 0 && (unsigned)i < h->n_functions ? &h->functions[i] : NULL;
}

int weir_function_index(const struct weir_host *h, const struct weir_function *f)
{
    return f ? (int)(f - h->functions) : -1;
}

static int by_name(const void *key, const void *f)
{
    return strcmp(key, ((const struct weir_function *)f)->name);
}

const struct weir_function *weir_host_find(const struct weir_host *h, const char *name)
{
    struct weir_function key;
    char full[sizeof(key.name)];

    /* Its own spelling, and domain 0 if it names none, as lspci does. */
    if (!weir_function_name(name, strlen(name), &key)) {
        if (strlen(name) != 7)
            return NULL;
        snprintf(full, sizeof(full), "0000:%s", name);
        if (!weir_function_name(full, strlen(full), &key))
            return NULL;
    }
    return h->n_functions ? bsearch(key.name, h->functions, h->n_functions, sizeof(key), by_name)
                          : NULL;
}

unsigned weir_host_groups(const struct weir_host *h)
{
    return h->n_groups;
}

const struct weir_group *weir_host_group(const struct weir_host *h, int i)
{
    return i >= 0 && (unsigned)i < h->n_groups ? &h->groups[i] : NULL;
}

const struct weir_group *weir_host_group_number(const struct weir_host *h, int number)
{
    for (unsigned i = 0; i < h->n_groups; i++) {
        if (h->groups[i].number == number)
            return &h->groups[i];
    }
    return NULL;
}

const struct weir_machine *weir_host_machine(const struct weir_host *h)
{
    return &h->machine;
}

const struct weir_pool *weir_host_pool(const struct weir_host *h, unsigned i)
{
    return i < h->n_pools ? &h->pools[i] : NULL;
}

bool weir_function_vfio(const struct weir_function *f)
{
    size_t len = strlen(f->driver);

    /* The variants are called mlx5-vfio-pci, hisi-acc-vfio-pci, virtio-vfio-pci, ... */
    return len >= 8 && (strcmp(f->driver + len - 8, "vfio-pci") == 0 ||
                        strcmp(f->driver + len - 8, "vfio_pci") == 0);
}

/*
 * Until 5.18 bridges were let be, whatever drives them (drivers/vfio/vfio.c, vfio_dev_viable());
 * since then a driver has to say that it does no DMA of its own, and the one of ports does
 * (drivers/pci/pcie/portdrv.c, driver_managed_dma).
 */
bool weir_function_blocks(const struct weir_host *h, const struct weir_function *f)
{
    if (!*f->driver || weir_function_vfio(f) || strcmp(f->driver, "pci-stub") == 0)
        return false;
    return !f->bridge ||
           (h->machine.version >= (5 << 8 | 19) && strcmp(f->driver, "pcieport") != 0);
}
