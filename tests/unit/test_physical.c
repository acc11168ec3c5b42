/* SPDX-License-Identifier: BSD-3-Clause */
/* Arenas for devices without an IOMMU: what a device is told is where the memory really lies. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/iommu/backend.h"
#include "lib/mem/hugepage.h"
#include "lib/mem/physical.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weir/weir.h>

#define HUGE  ((uint64_t)2 << 20)
#define PAGES 6

struct fixture {
    struct weir *w;
    struct weir_space *space;
    unsigned maps;
    uint64_t bytes;
};

static int count_map(struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova,
                     unsigned prot, struct weir_error *e)
{
    struct fixture *f = weir_space_priv(s);

    (void)prot;
    for (uint64_t off = 0; off < mem->len; off += mem->page) {
        uint64_t at = 0;

        assert_int_equal(weir_physical((uint8_t *)mem->va + off, &at, e), 0);
        assert_int_equal(at, iova.addr + off);
    }
    assert_int_equal(mem->fd, -1); /* its pages lie in another order */
    f->maps++;
    f->bytes += mem->len;
    return 0;
}

static int count_unmap(struct weir_space *s, weir_iova_t iova, size_t len, struct weir_error *e)
{
    struct fixture *f = weir_space_priv(s);

    (void)iova;
    (void)e;
    f->maps--;
    f->bytes -= len;
    return 0;
}

static const struct weir_space_ops physical = {
    .kind = "physical", .physical = true, .map = count_map, .unmap = count_unmap};

static int setup(void **state)
{
    static struct fixture f;
    static const struct weir_iova_range all = {0, UINT64_MAX};

    f = (struct fixture){.w = weir_new(NULL, NULL)};
    f.space = weir_space_make(f.w, &physical, &f, weir_base_page(), &all, 1, UINT64_MAX, NULL);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    weir_free(((struct fixture *)*state)->w);
    return 0;
}

static bool possible(void)
{
    struct weir_hugepages pool;

    if (geteuid() != 0) {
        puts("physical addresses are shown to root only");
        return false;
    }
    if (weir_hugepage_pool("/sys", HUGE, -1, &pool) || pool.available < 2 * PAGES) {
        printf("%d free hugepages of 2 MiB are needed\n", 2 * PAGES);
        return false;
    }
    return true;
}

static struct weir_arena *make(struct fixture *f, struct weir_error *e)
{
    struct weir_arena_options o = {.size = sizeof(o),
                                   .bytes = PAGES * HUGE,
                                   .max_bytes = 2 * PAGES * HUGE,
                                   .page = HUGE,
                                   .spaces = &f->space,
                                   .n_spaces = 1};

    return weir_arena_new(f->w, &o, e);
}

static void buffers_lie_where_the_device_is_told(void **state)
{
    struct fixture *f = *state;
    struct weir_dma dma[64], huge;
    struct weir_error e;
    struct weir_arena *a;
    unsigned n = 0;

    if (!possible())
        skip();
    a = make(f, &e);
    assert_non_null(a);
    assert_int_equal(weir_arena_map(a, f->space, WEIR_PROT_RW, &e), 0);
    assert_int_equal(f->bytes, PAGES * HUGE);
    assert_in_range(f->maps, 1, PAGES);

    /* Buffers of 3/4 of a page: none may cross to a page that is elsewhere. */
    while (n < 64 && weir_dma_alloc(a, HUGE / 4 * 3, 4096, &dma[n], NULL) == 0) {
        uint8_t *va = dma[n].va;

        for (size_t off = 0; off < dma[n].len; off += 4096) {
            uint64_t at = 0;

            va[off] = 1;
            assert_int_equal(weir_physical(va + off, &at, &e), 0);
            assert_int_equal(at, dma[n].iova.addr + off);
        }
        n++;
    }
    assert_in_range(n, PAGES, PAGES / 3 * 4);

    /* A page that comes later, and the way back. */
    assert_int_equal(weir_arena_grow(a, HUGE, &e), 0);
    assert_int_equal(f->bytes, (PAGES + 1) * HUGE);
    assert_int_equal(weir_dma_alloc(a, HUGE, 4096, &huge, &e), 0);
    weir_dma_free(a, &huge);
    assert_null(huge.va);
    assert_int_equal(weir_arena_shrink(a, &e), 0);
    assert_int_equal(f->bytes, PAGES * HUGE);
    while (n)
        weir_dma_free(a, &dma[--n]);
    struct weir_arena_info info;
    weir_arena_info(a, &info);
    assert_int_equal(info.used, 0);

    /* No run is as long as that, or it would be one. */
    if (f->maps > 1) {
        assert_int_equal(weir_dma_alloc(a, PAGES * HUGE, 4096, &huge, &e), -ENOSPC);
        assert_non_null(strstr(e.why, "longest free contiguous piece"));
    }
    weir_arena_free(a);
    assert_int_equal(f->maps, 0);
    assert_int_equal(f->bytes, 0);
}

static void pages_are_sorted(void **state)
{
    struct fixture *f = *state;
    struct weir_error e;
    struct weir_arena *a;
    struct weir_arena_info info;
    uint64_t last = 0;

    if (!possible())
        skip();
    a = make(f, &e);
    assert_non_null(a);
    weir_arena_info(a, &info);
    for (uint64_t off = 0; off < info.bytes; off += HUGE) {
        uint64_t at = 0;

        assert_int_equal(weir_physical((uint8_t *)info.va + off, &at, &e), 0);
        assert_true(at > last);
        last = at;
    }
}

static void base_pages_are_refused(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options o = {.size = sizeof(o),
                                   .bytes = HUGE,
                                   .page = weir_base_page(),
                                   .spaces = &f->space,
                                   .n_spaces = 1};
    struct weir_error e;

    assert_null(weir_arena_new(f->w, &o, &e));
    assert_string_equal(e.code, "arena-no-hugepages");
}

static void addresses_are_sane(void **state)
{
    uint64_t here = 0, there = 0;
    struct weir_error e;
    static char pages[8192];
    char *page = (char *)(((uintptr_t)pages + 4095) & ~(uintptr_t)4095);

    (void)state;
    page[0] = 1;
    if (geteuid() != 0) {
        assert_int_equal(weir_physical(page, &here, &e), -EPERM);
        assert_string_equal(e.code, "physical-hidden");
        return;
    }
    assert_int_equal(weir_physical(page, &here, &e), 0);
    assert_int_equal(weir_physical(page + 5, &there, &e), 0);
    assert_int_equal(there, here + 5);
    assert_true(weir_physical((void *)4096, &here, &e) < 0);
    assert_string_equal(e.code, "physical-unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(buffers_lie_where_the_device_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(pages_are_sorted, setup, teardown),
        cmocka_unit_test_setup_teardown(base_pages_are_refused, setup, teardown),
        cmocka_unit_test(addresses_are_sane),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
