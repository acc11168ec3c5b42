/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of I/O virtual addresses, against a bitmap that is too simple to be wrong. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/iommu/iova.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Allocations that still succeed; -1: all. */
static int allocations = -1;

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
    if (allocations == 0)
        return NULL;
    if (allocations > 0)
        allocations--;
    return __real_realloc(p, size);
}

static uint64_t seed = 1;

static uint64_t rnd(void)
{
    /* xorshift64* */
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1du;
}

#define SPAN 160

/* The SPAN addresses from base. */
struct bitmap {
    uint64_t base;
    bool in[SPAN];
};

static void check_same(const struct weir_iova_set *s, const struct bitmap *b)
{
    unsigned r = 0;

    for (unsigned i = 0; i < SPAN; i++) {
        uint64_t a = b->base + i;

        while (r < s->n && s->r[r].last < a)
            r++;
        assert_int_equal(r < s->n && s->r[r].first <= a, b->in[i]);
    }
    for (unsigned i = 0; i < s->n; i++) {
        assert_true(s->r[i].first <= s->r[i].last);
        assert_true(s->r[i].first - b->base < SPAN && s->r[i].last - b->base < SPAN);
        if (i > 0)
            assert_true(s->r[i].first - s->r[i - 1].last > 1); /* sorted, apart, joined */
    }
}

static bool all(const struct bitmap *b, unsigned first, unsigned last, bool in)
{
    for (unsigned i = first; i <= last; i++) {
        if (b->in[i] != in)
            return false;
    }
    return true;
}

static bool find(const struct bitmap *b, uint64_t len, uint64_t align, uint64_t offset,
                 uint64_t min, uint64_t max, uint64_t *out)
{
    for (unsigned i = 0; i + len <= SPAN; i++) {
        uint64_t a = b->base + i;

        if (a >= min && a % align == offset % align && a + (len - 1) <= max &&
            all(b, i, i + (unsigned)len - 1, true)) {
            *out = a;
            return true;
        }
    }
    return false;
}

static void random_range(unsigned *first, unsigned *last)
{
    *first = (unsigned)(rnd() % SPAN);
    *last = *first + (unsigned)(rnd() % (rnd() % 4 ? 12 : SPAN));
    if (*last >= SPAN)
        *last = SPAN - 1;
}

static void property(uint64_t base)
{
    struct weir_iova_set s = {0}, other = {0};
    struct bitmap b = {.base = base}, o;

    for (unsigned round = 0; round < 20000; round++) {
        unsigned first, last;
        uint64_t got = 0, want = 0;
        struct weir_iova_range hit;

        random_range(&first, &last);
        switch (rnd() % 16) {
        case 0: /* intersect with a few random ranges */
            o = (struct bitmap){.base = base};
            for (unsigned n = (unsigned)(rnd() % 6); n; n--) {
                random_range(&first, &last);
                assert_int_equal(weir_iova_set_add(&other, base + first, base + last), 0);
                memset(o.in + first, true, last - first + 1);
            }
            assert_int_equal(weir_iova_set_intersect(&s, &other), 0);
            for (unsigned i = 0; i < SPAN; i++)
                b.in[i] = b.in[i] && o.in[i];
            weir_iova_set_clear(&other);
            break;
        case 1: /* go on with a copy */
            assert_int_equal(weir_iova_set_copy(&other, &s), 0);
            weir_iova_set_clear(&s);
            s = other;
            other = (struct weir_iova_set){0};
            break;
        case 2:
        case 3:
        case 4:
        case 5:
        case 6:
            assert_int_equal(weir_iova_set_remove(&s, base + first, base + last), 0);
            memset(b.in + first, false, last - first + 1);
            break;
        default:
            assert_int_equal(weir_iova_set_add(&s, base + first, base + last), 0);
            memset(b.in + first, true, last - first + 1);
        }
        check_same(&s, &b);

        random_range(&first, &last);
        assert_int_equal(weir_iova_set_contains(&s, base + first, base + last),
                         all(&b, first, last, true));
        assert_int_equal(weir_iova_set_overlaps(&s, base + first, base + last, &hit),
                         !all(&b, first, last, false));
        if (weir_iova_set_overlaps(&s, base + first, base + last, &hit)) {
            unsigned i = first;

            while (!b.in[i])
                i++;
            assert_true(hit.first <= base + i && hit.last >= base + i);
        }

        uint64_t len = rnd() % 20 + 1, align = (uint64_t)1 << rnd() % 6, offset = rnd() % 64;

        random_range(&first, &last);
        assert_int_equal(
            weir_iova_set_find(&s, len, align, offset, base + first, base + last, &got),
            find(&b, len, align, offset, base + first, base + last, &want));
        assert_int_equal(got, want);
    }
    weir_iova_set_clear(&s);
}

static void test_property_low(void **state)
{
    (void)state;
    property(0);
}

static void test_property_middle(void **state)
{
    (void)state;
    property(0xfffffff0);
}

static void test_property_top(void **state)
{
    (void)state;
    property(UINT64_MAX - (SPAN - 1));
}

static void test_whole(void **state)
{
    struct weir_iova_set s = {0};
    uint64_t at = 1;

    (void)state;
    assert_int_equal(weir_iova_set_add(&s, 0, UINT64_MAX), 0);
    assert_int_equal(weir_iova_set_add(&s, 0, UINT64_MAX), 0);
    assert_int_equal(weir_iova_set_add(&s, UINT64_MAX, UINT64_MAX), 0);
    assert_int_equal(weir_iova_set_add(&s, 0, 0), 0);
    assert_int_equal(s.n, 1);
    assert_true(weir_iova_set_contains(&s, 0, UINT64_MAX));
    assert_true(weir_iova_set_find(&s, UINT64_MAX, 1, 0, 0, UINT64_MAX, &at));
    assert_int_equal(at, 0);
    assert_false(weir_iova_set_find(&s, UINT64_MAX, 1, 0, 2, UINT64_MAX, &at));
    assert_true(weir_iova_set_find(&s, 1, 1, 0, UINT64_MAX, UINT64_MAX, &at));
    assert_int_equal(at, UINT64_MAX);
    /* The next multiple of 2^63 behind 2^63 is 2^64, which is not 0. */
    assert_false(
        weir_iova_set_find(&s, 1, (uint64_t)1 << 63, 0, ((uint64_t)1 << 63) + 1, UINT64_MAX, &at));
    assert_int_equal(weir_iova_set_remove(&s, 0, 0), 0);
    assert_int_equal(weir_iova_set_remove(&s, UINT64_MAX, UINT64_MAX), 0);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.r[0].first, 1);
    assert_int_equal(s.r[0].last, UINT64_MAX - 1);
    assert_int_equal(weir_iova_set_remove(&s, 0, UINT64_MAX), 0);
    assert_int_equal(s.n, 0);
    weir_iova_set_clear(&s);
}

static void test_empty(void **state)
{
    struct weir_iova_set s = {0}, other = {0};
    uint64_t at;

    (void)state;
    assert_false(weir_iova_set_contains(&s, 0, 0));
    assert_false(weir_iova_set_overlaps(&s, 0, UINT64_MAX, NULL));
    assert_false(weir_iova_set_find(&s, 1, 1, 0, 0, UINT64_MAX, &at));
    assert_int_equal(weir_iova_set_remove(&s, 0, UINT64_MAX), 0);
    assert_int_equal(weir_iova_set_copy(&other, &s), 0);
    assert_int_equal(weir_iova_set_intersect(&s, &other), 0);
    /* Ranges with their ends exchanged hold nothing. */
    assert_int_equal(weir_iova_set_add(&s, 5, 4), 0);
    assert_int_equal(s.n, 0);
    assert_int_equal(weir_iova_set_add(&s, 0, 9), 0);
    assert_int_equal(weir_iova_set_remove(&s, 5, 4), 0);
    assert_true(weir_iova_set_contains(&s, 0, 9));
    assert_false(weir_iova_set_contains(&s, 5, 4));
    assert_false(weir_iova_set_overlaps(&s, 5, 4, NULL));
    assert_false(weir_iova_set_find(&s, 0, 1, 0, 0, UINT64_MAX, &at));
    weir_iova_set_clear(&s);
    assert_int_equal(s.n, 0);
}

/* What fails for want of memory changes nothing. */
static void test_out_of_memory(void **state)
{
    struct weir_iova_set s = {0}, other = {0};

    (void)state;
    for (uint64_t i = 0; i < 8; i++)
        assert_int_equal(weir_iova_set_add(&s, i * 10, i * 10 + 4), 0);
    assert_int_equal(s.n, s.cap);
    allocations = 0;
    assert_int_equal(weir_iova_set_add(&s, 100, 100), -ENOMEM);
    assert_int_equal(weir_iova_set_remove(&s, 2, 2), -ENOMEM);
    assert_int_equal(weir_iova_set_reserve(&s, 9), -ENOMEM);
    assert_int_equal(weir_iova_set_copy(&other, &s), 0);
    assert_int_equal(weir_iova_set_intersect(&s, &other), -ENOMEM);
    assert_int_equal(s.n, 8);
    assert_true(weir_iova_set_contains(&s, 0, 4));
    /* What needs none goes on. */
    assert_int_equal(weir_iova_set_add(&s, 5, 9), 0);
    assert_int_equal(weir_iova_set_remove(&s, 2, 2), 0);
    assert_int_equal(s.n, 8);
    allocations = -1;
    assert_int_equal(weir_iova_set_reserve(&s, 100), 0);
    allocations = 0;
    for (uint64_t i = 0; i < 92; i++)
        assert_int_equal(weir_iova_set_add(&s, 200 + i * 2, 200 + i * 2), 0);
    assert_int_equal(s.n, 100);
    allocations = -1;
    weir_iova_set_clear(&s);
    weir_iova_set_clear(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_property_low), cmocka_unit_test(test_property_middle),
        cmocka_unit_test(test_property_top), cmocka_unit_test(test_whole),
        cmocka_unit_test(test_empty),        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
