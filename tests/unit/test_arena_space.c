/* SPDX-License-Identifier: BSD-3-Clause */
/* Arenas in address spaces: IOVA, mapping, and segments that come and go. */
#include "arena_case.h"

static void test_iova(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a, *b;
    struct weir_error e;
    weir_iova_t at;

    opt.iova_bits = 20; /* nothing in the first 1 MiB */
    refused(f, &opt, -ENOSPC, "arena-no-iova", &e);
    contains(e.why, "1 MiB");
    opt.iova_bits = 21;
    a = weir_arena_new(f->w, &opt, &e);
    assert_non_null(a);
    assert_int_equal(info_of(a).iova.addr, MIB);
    /* It is taken for all, mapped or not. */
    refused(f, &opt, -ENOSPC, "arena-no-iova", &e);
    assert_int_equal(weir_space_find(f->s, 4096, 4096, 21, &at, &e), -ENOSPC);
    assert_int_equal(weir_space_find(f->s, 4096, 4096, 22, &at, &e), 0);
    assert_int_equal(at.addr, 2 * MIB);
    weir_arena_free(a);
    a = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(info_of(a).iova.addr, MIB);

    /* So is what it may grow to. */
    opt = options(4096);
    opt.max_bytes = 3 * MIB;
    b = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(info_of(b).iova.addr, 2 * MIB);
    assert_int_equal((uintptr_t)info_of(b).va % (2 * MIB), 0);
    assert_int_equal(weir_space_find(f->s, 4096, 4096, 64, &at, &e), 0);
    assert_int_equal(at.addr, 5 * MIB);

    /* For superpages of 1 GiB. */
    opt.max_bytes = GIB;
    b = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(info_of(b).iova.addr, GIB);
    assert_int_equal((uintptr_t)info_of(b).va % GIB, 0);
    opt.iova_bits = 64;
    assert_non_null(weir_arena_new(f->w, &opt, &e));
}

static void test_iova_interrupt_window(void **state)
{
    struct fixture *f = *state;
    struct fake fake = {0};
    struct weir_space *s = make_space(f, &fake, 0xfed00000, 0xff1fffff, UINT64_MAX);
    struct weir_arena_options opt = options(MIB);
    struct weir_error e;

    opt.spaces = &s;
    opt.n_spaces = 1;
    assert_int_equal(info_of(weir_arena_new(f->w, &opt, &e)).iova.addr, 0xfed00000);
    opt.bytes = 2 * MIB;
    assert_int_equal(info_of(weir_arena_new(f->w, &opt, &e)).iova.addr, 0xff000000);
    opt.bytes = MIB + 4096;
    refused(f, &opt, -ENOSPC, "arena-no-iova", &e);
    opt.bytes = MIB;
    assert_int_equal(info_of(weir_arena_new(f->w, &opt, &e)).iova.addr, 0xfef00000);
    weir_space_free(s);
}

static void test_iova_of_several_spaces(void **state)
{
    struct fixture *f = *state;
    struct fake fake[3] = {0};
    struct weir_space *s[] = {make_space(f, &fake[0], 0x10000000, 0x1fffffff, UINT64_MAX),
                              make_space(f, &fake[1], 0x18000000, 0x2fffffff, UINT64_MAX),
                              make_space(f, &fake[2], 0x20000000, 0x2fffffff, UINT64_MAX)};
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a, *b;
    struct weir_error e;
    uint8_t *m = aligned_alloc(4096, 4096);
    struct weir_mem mem = {.va = m, .len = 4096, .fd = -1, .name = "m"};

    assert_int_equal(weir_space_map(s[1], &mem, weir_iova(0x18000000), 3, &e), 0);
    opt.spaces = s;
    opt.n_spaces = 3;
    refused(f, &opt, -ENOSPC, "arena-no-iova", &e);
    contains(e.why, "3 spaces");
    opt.n_spaces = 2;
    a = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(info_of(a).iova.addr, 0x18001000);
    b = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(info_of(b).iova.addr, 0x18101000);
    assert_int_equal(weir_arena_map(a, s[0], WEIR_PROT_RW, &e), 0);
    assert_int_equal(weir_arena_map(a, s[1], WEIR_PROT_RW, &e), 0);
    assert_int_equal(fake[0].last_iova, 0x18001000);
    assert_int_equal(fake[1].last_iova, 0x18001000);
    assert_int_equal(info_of(a).spaces, 2);
    /* One that was not asked when it was made, and cannot take it. */
    failed(weir_arena_map(a, s[2], WEIR_PROT_RW, &e), &e, -EINVAL, "map-range");
    contains(e.what, "arena test");
    contains(e.fix, "0x20000000");
    assert_int_equal(info_of(a).spaces, 2);
    for (unsigned i = 0; i < 3; i++)
        weir_space_free(s[i]);
    assert_int_equal(info_of(a).spaces, 0);
    free(m);
}

/* ---- spaces ---- */

static void test_map(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a;
    struct weir *other = weir_new(NULL, NULL);
    struct weir_space *foreign = weir_space_software(other, NULL);
    struct weir_space_info space;
    struct weir_error e;

    opt.max_bytes = 4 * MIB;
    a = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(weir_arena_grow(a, MIB, &e), 0);
    failed(weir_arena_unmap(a, f->s, &e), &e, -ENOENT, "arena-not-mapped");
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
    assert_int_equal(f->fake_s.maps, 2); /* one each */
    assert_string_equal(f->fake_s.last.name, "test");
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
    assert_int_equal(f->fake_s.maps, 2);
    assert_int_equal(info_of(a).spaces, 1);
    failed(weir_arena_map(a, f->s, WEIR_PROT_READ, &e), &e, -EEXIST, "arena-rights");
    failed(weir_arena_map(a, foreign, WEIR_PROT_RW, &e), &e, -EINVAL, "arena-instance");
    failed(weir_arena_map(a, f->t, 0, &e), &e, -EINVAL, "map-prot");
    assert_int_equal(info_of(a).spaces, 1);
    weir_space_info(f->s, &space);
    assert_int_equal(space.maps, 2);
    assert_int_equal(space.bytes, 2 * MIB);
    assert_int_equal(weir_arena_unmap(a, f->s, &e), 0);
    weir_space_info(f->s, &space);
    assert_int_equal(space.maps, 0);
    assert_int_equal(f->fake_s.unmaps, 2);
    assert_int_equal(info_of(a).spaces, 0);

    /* Freeing it unmaps it. */
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
    assert_int_equal(weir_arena_map(a, f->t, WEIR_PROT_RW, &e), 0);
    weir_arena_free(a);
    weir_space_info(f->s, &space);
    assert_int_equal(space.maps, 0);
    weir_space_info(f->t, &space);
    assert_int_equal(space.maps, 0);
    assert_int_equal(count_fds(), f->fds + 3); /* of the other instance and its space */
    weir_free(other);
}

/* What cannot be mapped whole is not mapped at all. */
static void test_map_is_undone(void **state)
{
    struct fixture *f = *state;
    struct fake fake = {0};
    struct weir_space *narrow = make_space(f, &fake, 0, UINT64_MAX, 1);
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a;
    struct weir_space_info space;
    struct weir_error e;
    uint8_t *m = aligned_alloc(4096, 4096);
    struct weir_mem mem = {.va = m, .len = 4096, .fd = -1, .name = "in the way"};
    uint64_t iova;

    opt.max_bytes = 4 * MIB;
    a = weir_arena_new(f->w, &opt, &e);
    iova = info_of(a).iova.addr;
    assert_int_equal(weir_arena_grow(a, MIB, &e), 0);
    failed(weir_arena_map(a, narrow, WEIR_PROT_RW, &e), &e, -ENOSPC, "map-limit");
    weir_space_info(narrow, &space);
    assert_int_equal(space.maps, 0);

    assert_int_equal(weir_space_map(f->s, &mem, weir_iova(iova + MIB), 3, &e), 0);
    failed(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), &e, -EEXIST, "map-overlap");
    contains(e.why, "in the way");
    weir_space_info(f->s, &space);
    assert_int_equal(space.maps, 1);
    assert_int_equal(info_of(a).spaces, 0);
    assert_int_equal(weir_space_unmap(f->s, weir_iova(iova + MIB), 4096, &e), 0);

    weir_space_free(narrow);
    free(m);
}

static void test_map_out_of_memory(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a = weir_arena_new(f->w, &opt, NULL);
    struct weir_error e;

    /* The arena's list of spaces, the space's list of arenas, its book of mappings. What one
     * attempt got the next one has. */
    for (unsigned i = 0; i < 3; i++) {
        fail_call = "realloc";
        fail_after = i > 0;
        failed(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), &e, -ENOMEM, "no-memory");
        assert_int_equal(info_of(a).spaces, 0);
    }
    fail_call = NULL;
    assert_int_equal(f->fake_s.maps, 0);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
}

/* A peer that is gone does not keep memory from going. */
static void test_unmap_fails(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a;
    struct weir_space_info space;
    struct weir_error e;

    opt.max_bytes = 3 * MIB;
    a = weir_arena_new(f->w, &opt, NULL);
    assert_int_equal(weir_arena_grow(a, MIB, &e), 0);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
    f->fake_s.unmap_result = -EPIPE;
    failed(weir_arena_unmap(a, f->s, &e), &e, -EPIPE, "fake");
    assert_int_equal(f->fake_s.unmaps, 2);
    assert_int_equal(info_of(a).spaces, 0);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
    assert_int_equal(weir_arena_shrink(a, &e), 0);
    contains(f->error, "unmap");
    f->error[0] = '\0';
    weir_arena_free(a);
    contains(f->error, "unmap");
    assert_int_equal(f->fake_s.unmaps, 4);
    weir_space_info(f->s, &space);
    assert_int_equal(space.maps, 0);
    assert_int_equal(count_fds(), f->fds);
}

static void test_space_goes_first(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a = weir_arena_new(f->w, &opt, NULL);

    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, NULL), 0);
    assert_int_equal(weir_arena_map(a, f->t, WEIR_PROT_RW, NULL), 0);
    weir_space_free(f->s);
    assert_int_equal(info_of(a).spaces, 1);
    weir_arena_free(a);
    assert_int_equal(f->fake_s.unmaps, 0);
    assert_int_equal(f->fake_t.unmaps, 1);
}

/* ---- segments come and go ---- */

static void test_grow_and_shrink(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_dma first, second, big;
    unsigned char in_core[512];
    struct weir_arena *a;
    struct weir_error e;

    opt.max_bytes = 3 * MIB;
    a = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
    failed(weir_arena_shrink(a, &e), &e, -EBUSY, "arena-last-segment");
    failed(weir_arena_grow(a, 0, &e), &e, -EINVAL, "arena-size");
    failed(weir_arena_grow(a, 2 * MIB + 1, &e), &e, -ENOSPC, "arena-max");
    failed(weir_arena_grow(a, UINT64_MAX, &e), &e, -ENOSPC, "arena-max");
    failed(weir_dma_alloc(a, 2 * MIB, 0, &big, &e), &e, -ENOSPC, "dma-no-space");
    contains(e.fix, "2097152");

    assert_int_equal(weir_arena_grow(a, 2 * MIB - 100, &e), 0);
    assert_int_equal(info_of(a).bytes, 3 * MIB);
    assert_int_equal(info_of(a).segments, 2);
    assert_int_equal(f->fake_s.maps, 2);
    assert_ptr_equal(f->fake_s.last.va, (uint8_t *)info_of(a).va + MIB);
    assert_int_equal(f->fake_s.last_iova, info_of(a).iova.addr + MIB);
    check_segment(f, 4096, "weir-test");
    failed(weir_arena_grow(a, 1, &e), &e, -ENOSPC, "arena-max");

    /* A buffer lies in one segment, so shrinking knows which are concerned. */
    assert_int_equal(weir_dma_alloc(a, MIB - 4096, 0, &first, &e), 0);
    assert_int_equal(weir_dma_alloc(a, 8192, 0, &second, &e), 0);
    assert_ptr_equal(second.va, (uint8_t *)info_of(a).va + MIB);
    failed(weir_arena_shrink(a, &e), &e, -EBUSY, "arena-busy");
    weir_dma_free(a, &second);
    assert_int_equal(weir_dma_alloc(a, 4096, 0, &second, &e), 0); /* the rest of the first */
    assert_int_equal(count_vmas(), f->vmas + 2);
    assert_int_equal(weir_arena_shrink(a, &e), 0);
    assert_int_equal(f->fake_s.unmaps, 1);
    assert_int_equal(count_vmas(), f->vmas + 1);
    /* The addresses stay reserved: mincore() says ENOMEM where nothing is mapped. */
    assert_int_equal(mincore((uint8_t *)info_of(a).va + MIB, 2 * MIB, in_core), 0);
    assert_int_equal(info_of(a).bytes, MIB);
    assert_int_equal(info_of(a).used, MIB);
    failed(weir_dma_alloc(a, 1, 0, &big, &e), &e, -ENOSPC, "dma-no-space");
    assert_int_equal(count_fds(), f->fds + 1);

    /* Again, with memory that is zero again. */
    assert_int_equal(weir_arena_grow(a, MIB, &e), 0);
    assert_int_equal(weir_dma_alloc(a, MIB, 0, &big, &e), 0);
    for (size_t i = 0; i < MIB; i += 64)
        assert_int_equal(((uint8_t *)big.va)[i], 0);
    failed(weir_arena_shrink(a, &e), &e, -EBUSY, "arena-busy");
}

static void test_grow_is_undone(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_space_info space;
    struct weir_arena *a;
    struct weir_dma buf;
    struct weir_error e;

    opt.max_bytes = 64 * MIB;
    a = weir_arena_new(f->w, &opt, &e);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, &e), 0);
    assert_int_equal(weir_arena_map(a, f->t, WEIR_PROT_RW, &e), 0);
    f->fake_t.map_result = -EIO;
    f->fake_t.map_after = 1;
    failed(weir_arena_grow(a, MIB, &e), &e, -EIO, "fake");
    weir_space_info(f->s, &space);
    assert_int_equal(space.maps, 1);
    assert_int_equal(f->fake_s.unmaps, 1);
    assert_int_equal(info_of(a).bytes, MIB);
    assert_int_equal(info_of(a).segments, 1);
    assert_int_equal(count_fds(), f->fds + 1);
    failed(weir_dma_alloc(a, MIB + 1, 0, &buf, &e), &e, -ENOSPC, "dma-no-space");
    f->fake_t.map_result = 0;

    fail_call = "madvise";
    fail_errno = ENOMEM;
    failed(weir_arena_grow(a, MIB, &e), &e, -ENOMEM, "arena-populate");
    assert_int_equal(count_fds(), f->fds + 1);
    fail_call = NULL;
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(weir_arena_grow(a, MIB, &e), 0);
    assert_int_equal(info_of(a).segments, 21);
    assert_int_equal(f->fake_t.maps, 21);
    while (info_of(a).segments > 1)
        assert_int_equal(weir_arena_shrink(a, &e), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_iova),
        T(test_iova_interrupt_window),
        T(test_iova_of_several_spaces),
        T(test_map),
        T(test_map_is_undone),
        T(test_map_out_of_memory),
        T(test_unmap_fails),
        T(test_space_goes_first),
        T(test_grow_and_shrink),
        T(test_grow_is_undone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
