/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/iommu/pages.h"
#include "lib/mem/hugepage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define MIB ((uint64_t)1 << 20)

int weir_pages_check(uint64_t page, const char *name, struct weir_error *e)
{
    uint64_t sizes[WEIR_MAX_PAGE_SIZES];
    unsigned n = weir_hugepage_sizes(sizes, WEIR_MAX_PAGE_SIZES);
    char list[200], text[32];
    size_t len;

    if (page == weir_base_page())
        return 0;
    len = (size_t)snprintf(list, sizeof(list), "%s",
                           weir_size_text(weir_base_page(), text, sizeof(text)));
    for (unsigned i = 0; i < n; i++) {
        if (sizes[i] == page)
            return 0;
        if (len < sizeof(list))
            len += (size_t)snprintf(list + len, sizeof(list) - len, ", %s",
                                    weir_size_text(sizes[i], text, sizeof(text)));
    }
    return weir_fail(e, -EINVAL, "arena-page",
                     "make arena %s\nthis machine has no pages of %s\nit has: %s", name,
                     weir_size_text(page, text, sizeof(text)), list);
}

void weir_pages_warn(const struct weir_arena *a, uint64_t wanted)
{
    char command[200] = "", base_text[32], huge_text[32], bytes[32];
    uint64_t sizes[WEIR_MAX_PAGE_SIZES], base = weir_base_page(), huge, need;
    unsigned n = weir_hugepage_sizes(sizes, WEIR_MAX_PAGE_SIZES);
    struct weir_hugepages pool = {0};

    weir_size_text(base, base_text, sizeof(base_text));
    weir_size_text(a->bytes, bytes, sizeof(bytes));
    if (n == 0) {
        weir_log(a->weir, WEIR_LOG_WARNING, "arena",
                 "%s: this kernel has no hugepages; %s in pages of %s takes a device up to %" PRIu64
                 " IOTLB entries",
                 a->name, bytes, base_text, a->bytes / base);
        return;
    }
    huge = sizes[n - 1];
    for (unsigned i = 0; i < n; i++) {
        if (sizes[i] == 2 * MIB)
            huge = sizes[i];
    }
    need = (wanted + huge - 1) / huge;
    if (weir_hugepage_pool("/sys", huge, a->node, &pool) == 0)
        weir_hugepage_command(&pool, need, command, sizeof(command));
    weir_size_text(huge, huge_text, sizeof(huge_text));
    weir_log(a->weir, WEIR_LOG_WARNING, "arena",
             "%s: too few hugepages (%" PRIu64 " of %s available, %" PRIu64
             " needed), so %s come in pages of %s: a device needs up to %" PRIu64
             " IOTLB entries, where %" PRIu64 " would do (%" PRIu64 "x). Try: %s",
             a->name, pool.available, huge_text, need, bytes, base_text, a->bytes / base, need,
             huge / base, command);
}

int weir_pages_none(const struct weir_arena *a, struct weir_error *e)
{
    return weir_fail(e, -ENOMEM, "arena-no-hugepages",
                     "make arena %s for devices without an IOMMU\nthey need hugepages, whose "
                     "physical addresses stay, and no size has enough of them\n"
                     "echo 128 > /proc/sys/vm/nr_hugepages, early: physically contiguous memory "
                     "gets rare",
                     a->name);
}

uint64_t weir_pages_next(const struct weir_arena *a, uint64_t at, uint64_t left, uint64_t *page)
{
    uint64_t sizes[WEIR_MAX_PAGE_SIZES + 1], larger = 0;
    unsigned n = weir_hugepage_sizes(sizes, WEIR_MAX_PAGE_SIZES);

    if (!a->physical)
        sizes[n++] = weir_base_page();
    for (unsigned i = 0; i < n; i++) {
        struct weir_hugepages pool = {.available = UINT64_MAX};
        uint64_t s = sizes[i], bytes;

        if (s > left || s > a->align)
            continue;
        if (s != weir_base_page() && weir_hugepage_pool("/sys", s, a->node, &pool) < 0)
            continue;
        if (s != sizes[n - 1] && (pool.available == 0 || at & (s - 1))) {
            if (pool.available)
                larger = s;
            continue;
        }
        /* Up to where a larger one fits. */
        bytes = left & ~(s - 1);
        if (larger && (-at & (larger - 1)) + larger <= left)
            bytes = -at & (larger - 1);
        *page = s;
        return bytes / s <= pool.available || s == sizes[n - 1] ? bytes : pool.available * s;
    }
    return 0;
}
