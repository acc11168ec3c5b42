/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/core/probe.h"
#include "lib/iommu/backend.h"
#include "lib/iommu/publish.h"
#include "lib/iommu/reserve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 64

struct mapping {
    uint64_t first, last;
    struct weir_mem mem; /* its name points to name */
    unsigned prot;
    uint32_t slot; /* where it is published */
    char *name;
};

struct weir_space {
    struct weir_object object;
    struct weir *weir;
    const struct weir_space_ops *ops;
    void *priv;
    uint64_t page_sizes;
    struct weir_iova_set usable;
    struct weir_iova_set allowed; /* empty: anything */
    uint64_t max_maps;
    struct mapping *maps; /* the book: sorted by IOVA */
    size_t n_maps, cap_maps;
    uint64_t bytes;
    struct weir_arena **arenas; /* mapped here; they want to know when it goes */
    unsigned n_arenas, cap_arenas;
    unsigned devices;
    uint64_t made, removed;
    struct weir_publish publish;
    bool owned; /* goes with its last device */
};

static size_t search(const struct weir_space *s, uint64_t iova);

/* After weir_publish_begin(), or what changed is no mapping. */
static void publish(struct weir_space *s)
{
    struct weir_publish_header h = {.page_sizes = s->page_sizes,
                                    .max_maps = s->max_maps,
                                    .maps = s->n_maps,
                                    .bytes = s->bytes,
                                    .made = s->made,
                                    .removed = s->removed,
                                    .devices = s->devices};

    weir_publish_begin(&s->publish);
    snprintf(h.kind, sizeof(h.kind), "%s", s->ops->kind);
    while (h.n_ranges < s->usable.n && h.n_ranges < WEIR_PUBLISH_RANGES) {
        h.ranges[h.n_ranges] = s->usable.r[h.n_ranges];
        h.n_ranges++;
    }
    weir_publish_end(&s->publish, &h);
}

static void publish_mapping(struct weir_space *s, struct mapping *m)
{
    struct weir_publish_slot slot = {.iova = m->first,
                                     .len = m->mem.len,
                                     .va = (uintptr_t)m->mem.va,
                                     .page = m->mem.page,
                                     .prot = m->prot};

    snprintf(slot.name, sizeof(slot.name), "%s", m->name);
    weir_publish_begin(&s->publish);
    m->slot = weir_publish_add(&s->publish, &slot);
    s->made++;
    publish(s);
}

static void destroy(struct weir_space *s)
{
    weir_object_remove(&s->object);
    while (s->n_arenas)
        weir_arena_space_gone(s->arenas[--s->n_arenas], s);
    if (s->ops->free)
        s->ops->free(s);
    weir_publish_close(&s->publish);
    for (size_t i = 0; i < s->n_maps; i++)
        free(s->maps[i].name);
    free(s->maps);
    free(s->arenas);
    weir_iova_set_clear(&s->usable);
    weir_iova_set_clear(&s->allowed);
    free(s);
}

static void object_free(struct weir_object *o)
{
    destroy((struct weir_space *)((char *)o - offsetof(struct weir_space, object)));
}

struct weir_space *weir_space_make(struct weir *w, const struct weir_space_ops *ops, void *priv,
                                   uint64_t page_sizes, const struct weir_iova_range *ranges,
                                   unsigned n, uint64_t max_maps, struct weir_error *e)
{
    struct weir_space *s;
    bool ok = true;

    if (page_sizes == 0 || n == 0) {
        weir_fail(e, -EINVAL, "space-empty",
                  "make a %s space\nit has no page size or no usable IOVA range", ops->kind);
        return NULL;
    }
    s = calloc(1, sizeof(*s));
    if (s) {
        for (unsigned i = 0; i < n && ok; i++)
            ok = weir_iova_set_add(&s->usable, ranges[i].first, ranges[i].last) == 0;
    }
    if (!s || !ok) {
        if (s)
            weir_iova_set_clear(&s->usable);
        free(s);
        weir_fail(e, -ENOMEM, "no-memory", "make a %s space\nout of memory", ops->kind);
        return NULL;
    }
    s->weir = w;
    s->ops = ops;
    s->priv = priv;
    s->page_sizes = page_sizes;
    s->max_maps = max_maps;
    weir_publish_open(&s->publish);
    publish(s);
    weir_object_add(w, &s->object, WEIR_RANK_SPACE, object_free);
    return s;
}

struct weir *weir_space_instance(const struct weir_space *s)
{
    return s->weir;
}

const struct weir_space_ops *weir_space_ops(const struct weir_space *s)
{
    return s->ops;
}

void *weir_space_priv(const struct weir_space *s)
{
    return s->priv;
}

bool weir_space_is_physical(const struct weir_space *s)
{
    return s->ops->physical;
}

void weir_space_ref(struct weir_space *s)
{
    s->devices++;
    publish(s);
}

void weir_space_own(struct weir_space *s)
{
    s->owned = true;
}

void weir_space_unref(struct weir_space *s)
{
    s->devices--;
    if (s->devices == 0 && s->owned)
        destroy(s);
    else
        publish(s);
}

const char *weir_space_mapping_in(const struct weir_space *s, uint64_t first, uint64_t last,
                                  struct weir_iova_range *at)
{
    size_t i = search(s, first);

    if (i == s->n_maps || s->maps[i].first > last)
        return NULL;
    *at = (struct weir_iova_range){s->maps[i].first, s->maps[i].last};
    return *s->maps[i].name ? s->maps[i].name : "something";
}

int weir_space_allow(struct weir_space *s, const struct weir_iova_range *ranges, unsigned n,
                     struct weir_error *e)
{
    int r = 0;

    for (unsigned i = 0; i < n && r == 0; i++)
        r = ranges[i].first > ranges[i].last
                ? -EINVAL
                : weir_iova_set_add(&s->allowed, ranges[i].first, ranges[i].last);
    if (r == 0)
        r = weir_iova_set_intersect(&s->usable, &s->allowed);
    if (r == -EINVAL)
        return weir_fail(e, r, "space-allowed",
                         "limit a %s space to some IOVA ranges\none of them ends before it begins",
                         s->ops->kind);
    if (r < 0)
        return weir_fail(e, r, "no-memory", "limit a %s space\nout of memory", s->ops->kind);
    return 0;
}

/* Are all allowed ranges within what is usable? */
static int check_allowed(const struct weir_space *s, const struct weir_iova_set *usable,
                         struct weir_error *e)
{
    for (unsigned i = 0; i < s->allowed.n; i++) {
        const struct weir_iova_range *a = &s->allowed.r[i];

        if (!weir_iova_set_contains(usable, a->first, a->last))
            return weir_fail(e, -EADDRINUSE, "space-narrowed",
                             "add a device to a %s space\nthe space is for [%#" PRIx64 ", %#" PRIx64
                             "], which the device cannot use all of\n"
                             "allow less (weir_space_options.allowed), or give the device another",
                             s->ops->kind, a->first, a->last);
    }
    return 0;
}

int weir_space_reshape(struct weir_space *s, uint64_t page_sizes,
                       const struct weir_iova_range *ranges, unsigned n, uint64_t max_maps,
                       struct weir_error *e)
{
    uint64_t page = page_sizes & -page_sizes;
    struct weir_iova_set usable = {0};
    int r = 0;

    for (unsigned i = 0; i < n && r == 0; i++)
        r = weir_iova_set_add(&usable, ranges[i].first, ranges[i].last);
    if (r == 0 && (page_sizes == 0 || usable.n == 0))
        r = weir_fail(e, -EINVAL, "space-empty",
                      "use a %s space\nwith this device in it, it has no page size or no usable "
                      "IOVA range",
                      s->ops->kind);
    else if (r < 0)
        r = weir_fail(e, r, "no-memory", "use a %s space\nout of memory", s->ops->kind);
    if (r == 0 && s->allowed.n) {
        r = check_allowed(s, &usable, e);
        if (r == 0 && weir_iova_set_intersect(&usable, &s->allowed))
            r = weir_fail(e, -ENOMEM, "no-memory", "use a %s space\nout of memory", s->ops->kind);
    }
    for (size_t i = 0; i < s->n_maps && r == 0; i++) {
        const struct mapping *m = &s->maps[i];

        if (!weir_iova_set_contains(&usable, m->first, m->last) ||
            (m->first | (m->last + 1)) & (page - 1))
            r = weir_fail(e, -EADDRINUSE, "space-narrowed",
                          "add a device to a %s space\n%s is mapped at [%#" PRIx64 ", %#" PRIx64
                          "], which the device cannot use\nmake that arena for the device's space "
                          "(weir_arena_options.spaces, .iova_bits), or give the device another",
                          s->ops->kind, *m->name ? m->name : "something", m->first, m->last);
    }
    if (r < 0) {
        weir_iova_set_clear(&usable);
        return r;
    }
    weir_iova_set_clear(&s->usable);
    s->usable = usable;
    s->page_sizes = page_sizes;
    s->max_maps = max_maps;
    publish(s);
    return 0;
}

void weir_space_free(struct weir_space *s)
{
    if (!s)
        return;
    if (s->devices) {
        weir_log(s->weir, WEIR_LOG_ERROR, "iommu",
                 "a %s space is not freed: %u device%s in it; close them first", s->ops->kind,
                 s->devices, s->devices == 1 ? " is" : "s are");
        return;
    }
    destroy(s);
}

int weir_space_add_arena(struct weir_space *s, struct weir_arena *a, struct weir_error *e)
{
    if (s->n_arenas == s->cap_arenas) {
        unsigned cap = s->cap_arenas ? s->cap_arenas * 2 : 4;
        struct weir_arena **arenas = realloc(s->arenas, cap * sizeof(struct weir_arena *));

        if (!arenas)
            return weir_fail(e, -ENOMEM, "no-memory", "note an arena in a %s space\nout of memory",
                             s->ops->kind);
        s->arenas = arenas;
        s->cap_arenas = cap;
    }
    s->arenas[s->n_arenas++] = a;
    return 0;
}

void weir_space_remove_arena(struct weir_space *s, struct weir_arena *a)
{
    for (unsigned i = 0; i < s->n_arenas; i++) {
        if (s->arenas[i] == a) {
            s->arenas[i] = s->arenas[--s->n_arenas];
            return;
        }
    }
}

static unsigned width(uint64_t last)
{
    return last ? 64 - (unsigned)__builtin_clzll(last) : 0;
}

void weir_space_info(const struct weir_space *s, struct weir_space_info *info)
{
    *info = (struct weir_space_info){
        .kind = s->ops->kind,
        .page_sizes = s->page_sizes,
        .ranges = s->usable.r,
        .n_ranges = s->usable.n,
        .iova_bits = s->usable.n ? width(s->usable.r[s->usable.n - 1].last) : 0,
        .max_maps = s->max_maps,
        .maps = s->n_maps,
        .bytes = s->bytes,
        .devices = s->devices,
    };
}

/* First mapping that ends at or above iova; n_maps if there is none. */
static size_t search(const struct weir_space *s, uint64_t iova)
{
    size_t low = 0, high = s->n_maps;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (s->maps[mid].last < iova)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* "[a, b]" of the usable range below or around iova and of the one above. */
static const char *nearest(const struct weir_space *s, uint64_t iova, char *out, size_t size)
{
    const struct weir_iova_range *r = s->usable.r;
    unsigned i = 0;

    while (i < s->usable.n && r[i].last < iova)
        i++;
    if (i > 0 && i < s->usable.n && r[i].first > iova)
        snprintf(out, size, "[%#" PRIx64 ", %#" PRIx64 "] and [%#" PRIx64 ", %#" PRIx64 "]",
                 r[i - 1].first, r[i - 1].last, r[i].first, r[i].last);
    else if (i + 1 < s->usable.n)
        snprintf(out, size, "[%#" PRIx64 ", %#" PRIx64 "] and [%#" PRIx64 ", %#" PRIx64 "]",
                 r[i].first, r[i].last, r[i + 1].first, r[i + 1].last);
    else {
        if (i == s->usable.n)
            i--;
        snprintf(out, size, "[%#" PRIx64 ", %#" PRIx64 "]", r[i].first, r[i].last);
    }
    return out;
}

int weir_space_check_range(const struct weir_space *s, uint64_t first, uint64_t last,
                           const char *what, struct weir_error *e)
{
    char text[120];

    if (first <= last && weir_iova_set_contains(&s->usable, first, last))
        return 0;
    return weir_fail(e, -EINVAL, "map-range",
                     "%s\n%s\nthe nearest usable: %s; weir_space_find() gives a free one", what,
                     last < first ? "the range wraps around at 2^64"
                                  : "not all of the range can be used there",
                     nearest(s, first, text, sizeof(text)));
}

/* What every kind of space asks of a mapping, in the order in which the answers make most sense.
 * @at: where in the book it belongs. */
static int check_map(const struct weir_space *s, const struct weir_mem *mem, uint64_t iova,
                     unsigned prot, const char *name, size_t *at, struct weir_error *e)
{
    uint64_t page = s->page_sizes & -s->page_sizes, last = iova + (mem->len - 1);
    uint64_t offset = mem->fd >= 0 ? mem->offset : 0;
    const struct mapping *m;
    char what[160];
    int r;

    snprintf(what, sizeof(what), "map %s%s%zu bytes at %p to IOVA %#" PRIx64 " in a %s space", name,
             *name ? ", " : "", mem->len, mem->va, iova, s->ops->kind);
    if (!mem->va || (uintptr_t)mem->va + (mem->len - (mem->len != 0)) < (uintptr_t)mem->va)
        return weir_fail(e, -EINVAL, "map-memory",
                         "%s\nthere is no such memory\ngive the address of memory of this process",
                         what);
    if (mem->len == 0)
        return weir_fail(e, -EINVAL, "map-unaligned",
                         "%s\nthe length is 0\ngive a multiple of the smallest page, %" PRIu64
                         " bytes",
                         what, page);
    if (((uintptr_t)mem->va | iova | mem->len | offset) & (page - 1)) {
        const char *bad = (uintptr_t)mem->va & (page - 1) ? "the address"
                          : iova & (page - 1)             ? "the IOVA"
                          : mem->len & (page - 1)         ? "the length"
                                                          : "the offset in the file";

        return weir_fail(e, -EINVAL, "map-unaligned",
                         "%s\n%s is not a multiple of the smallest page, %" PRIu64 " bytes\n"
                         "align address, IOVA and length; memory of an arena always is",
                         what, bad, page);
    }
    r = weir_space_check_range(s, iova, last, what, e);
    if (r < 0)
        return r;
    if (prot == 0 || (prot & ~(unsigned)WEIR_PROT_RW))
        return weir_fail(e, -EINVAL, "map-prot",
                         "%s\nthe rights %#x are neither reading nor writing\n"
                         "use WEIR_PROT_READ, WEIR_PROT_WRITE or both",
                         what, prot);
    *at = search(s, iova);
    m = *at < s->n_maps ? &s->maps[*at] : NULL;
    if (m && m->first <= last)
        return weir_fail(e, -EEXIST, "map-overlap",
                         "%s\n%s is mapped at [%#" PRIx64 ", %#" PRIx64 "]\n"
                         "unmap it, or let weir_space_find() give a free range",
                         what, *m->name ? m->name : "something", m->first, m->last);
    if (s->n_maps >= s->max_maps)
        return weir_fail(e, -ENOSPC, "map-limit",
                         "%s\nit holds %zu mappings, and may hold no more\n"
                         "map fewer and larger pieces (one arena segment is one mapping)%s",
                         what, s->n_maps,
                         strcmp(s->ops->kind, "type1") == 0
                             ? ", or raise dma_entry_limit of the module vfio_iommu_type1"
                             : "");
    return 0;
}

int weir_space_map(struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova,
                   unsigned prot, struct weir_error *e)
{
    char name[NAME_SIZE] = "";
    struct mapping m;
    size_t at = 0;
    int r;

    if (mem->name)
        weir_printable(name, sizeof(name), mem->name, strlen(mem->name));
    r = check_map(s, mem, iova.addr, prot, name, &at, e);
    if (r < 0)
        return r;
    m = (struct mapping){
        .first = iova.addr,
        .last = iova.addr + (mem->len - 1),
        .mem = *mem,
        .prot = prot,
        .name = strdup(name),
    };
    m.mem.name = m.name;
    if (m.name && s->n_maps == s->cap_maps) {
        size_t cap = s->cap_maps ? s->cap_maps * 2 : 16;
        struct mapping *maps = realloc(s->maps, cap * sizeof(*maps));

        if (maps) {
            s->maps = maps;
            s->cap_maps = cap;
        }
    }
    if (!m.name || s->n_maps == s->cap_maps) {
        free(m.name);
        return weir_fail(e, -ENOMEM, "no-memory", "map %s in a %s space\nout of memory", name,
                         s->ops->kind);
    }
    r = s->ops->map(s, &m.mem, iova, prot, e);
    if (r < 0) {
        free(m.name);
        return r;
    }
    memmove(s->maps + at + 1, s->maps + at, (s->n_maps - at) * sizeof(*s->maps));
    s->maps[at] = m;
    s->n_maps++;
    s->bytes += mem->len;
    publish_mapping(s, &s->maps[at]);
    WEIR_PROBE4(space_map, m.name, iova.addr, mem->len, prot);
    weir_log(s->weir, WEIR_LOG_DEBUG, "iommu",
             "%s space: mapped %s, %zu bytes, IOVA %#" PRIx64 ", rights %u", s->ops->kind, name,
             mem->len, iova.addr, prot);
    return 0;
}

int weir_space_unmap(struct weir_space *s, weir_iova_t iova, size_t len, struct weir_error *e)
{
    size_t at = search(s, iova.addr);
    struct mapping *m = at < s->n_maps ? &s->maps[at] : NULL;
    uint64_t last = iova.addr + (len - (len != 0));
    int r;

    if (last < iova.addr)
        last = UINT64_MAX;
    if (!m || m->first > last)
        return weir_fail(e, -ENOENT, "unmap-nothing",
                         "unmap %zu bytes at IOVA %#" PRIx64 " from a %s space\n"
                         "nothing is mapped there",
                         len, iova.addr, s->ops->kind);
    if (m->first != iova.addr || m->mem.len != len)
        return weir_fail(e, -EINVAL, "unmap-partial",
                         "unmap %zu bytes at IOVA %#" PRIx64 " from a %s space\n"
                         "%s is mapped there at [%#" PRIx64 ", %#" PRIx64 "]\n"
                         "unmap it whole: %zu bytes at IOVA %#" PRIx64,
                         len, iova.addr, s->ops->kind, *m->name ? m->name : "something", m->first,
                         m->last, m->mem.len, m->first);
    /*
     * The book forgets it even if the backend fails: the memory is about to go, and a replay must
     * not map it again.
     */
    r = s->ops->unmap(s, iova, len, e);
    WEIR_PROBE4(space_unmap, m->name, iova.addr, len, r);
    weir_log(s->weir, WEIR_LOG_DEBUG, "iommu", "%s space: unmapped %s, %zu bytes, IOVA %#" PRIx64,
             s->ops->kind, m->name, len, iova.addr);
    free(m->name);
    weir_publish_begin(&s->publish);
    weir_publish_remove(&s->publish, m->slot);
    s->n_maps--;
    memmove(m, m + 1, (s->n_maps - at) * sizeof(*m));
    s->bytes -= len;
    s->removed++;
    publish(s);
    return r;
}

int weir_space_replay(struct weir_space *s, struct weir_error *e)
{
    for (size_t i = 0; i < s->n_maps; i++) {
        const struct mapping *m = &s->maps[i];
        int r = s->ops->map(s, &m->mem, weir_iova(m->first), m->prot, e);

        if (r < 0)
            return r;
    }
    return 0;
}

int weir_space_free_ranges(const struct weir_space *s, struct weir_iova_set *set)
{
    int r = weir_iova_set_intersect(set, &s->usable);

    for (size_t i = 0; i < s->n_maps && r == 0; i++)
        r = weir_iova_set_remove(set, s->maps[i].first, s->maps[i].last);
    return r;
}

int weir_space_find(struct weir_space *s, uint64_t len, uint64_t align, unsigned iova_bits,
                    weir_iova_t *out, struct weir_error *e)
{
    uint64_t page = s->page_sizes & -s->page_sizes;
    uint64_t max = iova_bits < 64 ? ((uint64_t)1 << iova_bits) - 1 : UINT64_MAX;
    struct weir_iova_set set = {0};
    uint64_t at;
    bool found;
    int r;

    if (len == 0 || len > UINT64_MAX - page || align == 0 || align & (align - 1) ||
        iova_bits == 0 || iova_bits > 64)
        return weir_fail(e, -EINVAL, "find-options",
                         "find %" PRIu64 " bytes of IOVA aligned to %" PRIu64
                         " under 2^%u in a %s space\n"
                         "the length must not be 0, the alignment a power of two, and the width 1 "
                         "to 64 bits",
                         len, align, iova_bits, s->ops->kind);
    if (align < page)
        align = page;
    len = (len + page - 1) & ~(page - 1);
    r = weir_iova_free_set(s->weir, &set);
    if (r == 0)
        r = weir_space_free_ranges(s, &set);
    found = r == 0 && weir_iova_set_find(&set, len, align, 0, 0, max, &at);
    weir_iova_set_clear(&set);
    if (r < 0)
        return weir_fail(e, r, "no-memory", "find IOVA in a %s space\nout of memory", s->ops->kind);
    if (!found)
        return weir_fail(e, -ENOSPC, "space-no-iova",
                         "find %" PRIu64 " bytes of IOVA aligned to %" PRIu64
                         " under 2^%u in a %s space\n"
                         "no free usable range is that large; %zu mappings hold %" PRIu64
                         " bytes, and arenas keep what they may grow to\n"
                         "unmap something, or ask for less",
                         len, align, iova_bits, s->ops->kind, s->n_maps, s->bytes);
    *out = weir_iova(at);
    return 0;
}
