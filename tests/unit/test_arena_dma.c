/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers carved out of arenas. */
#include "arena_case.h"

static void test_dma_options(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a = weir_arena_new(f->w, &opt, NULL), *b;
    struct weir_dma buf = {0}, same, zero = {0}, wrong;
    struct weir_error e;

    failed(weir_dma_alloc(a, 0, 0, &buf, &e), &e, -EINVAL, "dma-options");
    failed(weir_dma_alloc(a, 64, 96, &buf, &e), &e, -EINVAL, "dma-options");
    failed(weir_dma_alloc(a, 64, 8192, &buf, &e), &e, -EINVAL,
           "dma-options"); /* above the arena's */
    failed(weir_dma_alloc(a, SIZE_MAX, 0, &buf, &e), &e, -ENOSPC, "dma-no-space");
    failed(weir_dma_alloc(a, MIB + 1, 0, &buf, &e), &e, -ENOSPC, "dma-no-space");
    contains(e.why, "1048576");
    assert_null(buf.va);
    assert_int_equal(weir_dma_alloc(a, 100, 1, &buf, &e), 0);
    assert_int_equal((uintptr_t)buf.va % WEIR_CACHE_LINE, 0);
    assert_int_equal(buf.len, 100);
    assert_int_equal(buf.iova.addr - info_of(a).iova.addr,
                     (uintptr_t)buf.va - (uintptr_t)info_of(a).va);
    assert_int_equal(info_of(a).used, 128);

    /* Only what was given out is taken back, and once. */
    b = weir_arena_new(f->w, &opt, NULL);
    wrong = same = buf;
    weir_dma_free(b, &wrong);
    contains(f->error, "not a buffer");
    assert_ptr_equal(wrong.va, buf.va);
    f->error[0] = '\0';
    wrong.len = 99;
    weir_dma_free(a, &wrong);
    contains(f->error, "99 bytes");
    wrong = buf;
    wrong.iova.addr += 64;
    f->error[0] = '\0';
    weir_dma_free(a, &wrong);
    contains(f->error, "not a buffer");
    wrong = buf;
    wrong.va = (uint8_t *)wrong.va + 64;
    wrong.iova.addr += 64;
    f->error[0] = '\0';
    weir_dma_free(a, &wrong);
    contains(f->error, "not a buffer");
    assert_int_equal(info_of(a).used, 128);
    f->error[0] = '\0';
    weir_dma_free(a, &buf);
    assert_string_equal(f->error, "");
    assert_memory_equal(&buf, &zero, sizeof(buf));
    assert_int_equal(info_of(a).used, 0);
    weir_dma_free(a, &buf); /* a cleared one is fine */
    assert_string_equal(f->error, "");
    weir_dma_free(a, &same);
    contains(f->error, "freed before");
    assert_int_equal(info_of(a).used, 0);

    fail_call = "realloc";
    failed(weir_dma_alloc(a, 64, 0, &buf, &e) == 0 ? weir_dma_alloc(b, 64, 0, &buf, &e) : 0, &e,
           -ENOMEM, "no-memory");
}

static uint64_t seed = 3;

static uint64_t rnd(void)
{
    /* xorshift64* */
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1du;
}

#define BUFFERS 200

static void test_dma_property(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(256 * KIB);
    struct weir_dma buf[BUFFERS] = {0}, all;
    uint8_t fill[BUFFERS] = {0};
    uint64_t used = 0, refusals = 0, seg = 256 * KIB;
    struct weir_arena *a;
    struct weir_error e;

    opt.max_bytes = 4 * MIB;
    a = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(weir_arena_grow(a, seg, &e), 0);
    assert_int_equal(weir_arena_grow(a, seg, &e), 0);
    for (unsigned round = 0; round < 30000; round++) {
        unsigned i = (unsigned)(rnd() % BUFFERS);
        size_t len = (size_t)(rnd() % (rnd() % 8 ? 3000 : 100000)) + 1;
        size_t align = (size_t)1 << rnd() % 13;
        uint64_t first;

        if (buf[i].va) {
            /* Nobody else wrote there. */
            for (size_t k = 0; k < buf[i].len; k++)
                assert_int_equal(((uint8_t *)buf[i].va)[k], fill[i]);
            used -= (buf[i].len + 63) / 64 * 64;
            weir_dma_free(a, &buf[i]);
            assert_null(buf[i].va);
        } else if (weir_dma_alloc(a, len, align, &buf[i], &e) == 0) {
            first = (uint64_t)((uint8_t *)buf[i].va - (uint8_t *)info_of(a).va);
            assert_int_equal((uintptr_t)buf[i].va % align, 0);
            assert_int_equal(buf[i].iova.addr, info_of(a).iova.addr + first);
            assert_int_equal(buf[i].iova.addr % align, 0);
            assert_int_equal(first / seg, (first + len - 1) / seg);
            assert_true(first + len <= 3 * seg);
            for (size_t k = 0; k < len; k++)
                assert_int_equal(((uint8_t *)buf[i].va)[k], 0);
            fill[i] = (uint8_t)(rnd() >> 32 | 1);
            memset(buf[i].va, fill[i], len);
            used += (len + 63) / 64 * 64;
        } else {
            assert_int_equal(e.err, -ENOSPC);
            refusals++;
        }
        assert_int_equal(info_of(a).used, used);
    }
    assert_true(refusals > 0);
    for (unsigned i = 0; i < BUFFERS; i++)
        weir_dma_free(a, &buf[i]);
    assert_int_equal(info_of(a).used, 0);
    /* All of it has come together again. */
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(weir_dma_alloc(a, seg, 4096, &all, &e), 0);
    assert_string_equal(f->error, "");
}

/* Through a real space: what the CPU writes the device reads. */
static void test_end_to_end(void **state)
{
    struct fixture *f = *state;
    struct weir_space *s = weir_space_software(f->w, NULL);
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a;
    struct weir_dma buf;
    struct weir_siommu *iommu = weir_space_siommu(s);
    struct weir_dma_fault fault;
    uint64_t iova;
    char text[16];

    opt.name = "packets";
    opt.spaces = &s;
    opt.n_spaces = 1;
    a = weir_arena_new(f->w, &opt, NULL);
    assert_int_equal(weir_dma_alloc(a, 16, 0, &buf, NULL), 0);
    assert_int_equal(weir_arena_map(a, s, WEIR_PROT_RW, NULL), 0);
    strcpy(buf.va, "hello device");
    iova = buf.iova.addr;
    weir_siommu_lock(iommu);
    assert_ptr_equal(weir_siommu_ptr(iommu, iova, 16, true), buf.va);
    assert_int_equal(weir_siommu_read(iommu, iova, text, 16, NULL), 0);
    weir_siommu_unlock(iommu);
    assert_string_equal(text, "hello device");
    weir_arena_free(a);
    weir_siommu_lock(iommu);
    assert_int_equal(weir_siommu_read(iommu, iova, text, 16, NULL), -EFAULT);
    weir_siommu_unlock(iommu);
    assert_int_equal(weir_siommu_faults(iommu, &fault), 1);
    assert_string_equal(fault.reason, "freed");
    assert_string_equal(fault.mapping, "packets");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_dma_options),
        T(test_dma_property),
        T(test_end_to_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
