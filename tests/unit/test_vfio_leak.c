/* SPDX-License-Identifier: BSD-3-Clause */
/* Nothing is left behind: after many rounds, after a failure anywhere, after weir_free(). And what
 * an arena costs the kernel. */
#include "fake_vfio.h"

#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <time.h>

#define A  "0000:01:00.0"
#define A2 "0000:01:00.1"
#define B  "0000:02:00.0"
#define N  (4 * MIB)

static struct weir_error e;
static uint8_t *memory;
static int fds[8];

/* The sanitizers' and others' own; the calls that arenas make are not of interest here. */
int __real_madvise(void *va, size_t len, int advice);
int __wrap_madvise(void *va, size_t len, int advice);
static bool no_populate;

int __wrap_madvise(void *va, size_t len, int advice)
{
    return no_populate ? 0 : __real_madvise(va, len, advice);
}

static int setup(void **state)
{
    int r = fake_setup(state);

    fake_add(A, 1);
    fake_add(A2, 1);
    fake_add(B, 2);
    memory = fake_memory(N);
    for (unsigned i = 0; i < 8; i++)
        fds[i] = eventfd(0, EFD_CLOEXEC);
    return r;
}

static int teardown(void **state)
{
    for (unsigned i = 0; i < 8; i++)
        close(fds[i]);
    fake_memory_free(memory, N);
    return fake_teardown(state);
}

static void nothing_left(unsigned files)
{
    assert_int_equal(fake_open_files(), 0);
    assert_int_equal(fake_open_maps(), 0);
    assert_int_equal(fake_reservations(), 0);
    assert_int_equal(fake_process_files(), files);
    for (unsigned i = 0; i < 4; i++)
        assert_false(fake.containers[i].used || fake.iommufds[i].used);
    for (unsigned i = 0; i < fake.n_groups; i++) {
        const struct fake_group *g = &fake.groups[i];

        assert_true(g->file == -1 && g->container == -1 && !g->devices && !g->cdevs);
    }
    for (unsigned i = 0; i < fake.n_functions; i++) {
        const struct fake_function *f = &fake.functions[i];

        assert_true(!f->opens && f->bound == -1 && !f->attached && f->irq_type == -1);
        assert_true(f->err_fd == -1 && f->req_fd == -1);
    }
}

/* It went well, or the error says why not. */
static bool ok(int r)
{
    bool well = r >= 0;

    if (!well) {
        assert_int_equal(e.err, r);
        fake_failed(&e, r, e.code);
    }
    memset(&e, 0, sizeof(e));
    return well;
}

static struct weir_device *try_open(struct weir *w, const char *name, struct weir_space *s)
{
    struct weir_device_options opt = {.size = sizeof(opt), .space = s};
    struct weir_device *d = weir_device_open(w, name, &opt, &e);

    ok(d ? 0 : e.err < 0 ? e.err : -1);
    return d;
}

/* What a program does with devices, each step if the one before it went well. */
static void program(enum weir_vfio_api api)
{
    struct weir_space_options opt = {.size = sizeof(opt), .api = api};
    bool none = api == WEIR_VFIO_NOIOMMU;
    struct weir *w = weir_new(NULL, &e);
    struct weir_space *s = w ? weir_space_new(w, &opt, &e) : NULL;
    struct weir_device *a = NULL, *a2, *b;
    bool mapped = false;

    ok(s ? 0 : e.err < 0 ? e.err : -1);
    if (s) {
        mapped = ok(fake_map(s, memory, N, 0x10000000, "frames", &e));
        a = try_open(w, none ? A "?iommu=none" : A, s);
        /* Its group may have a space. */
        a2 = try_open(w, none ? A2 "?iommu=none" : A2, NULL);
        b = try_open(w, none ? B "?iommu=none" : B, NULL);
        if (a2) {
            ok(weir_device_irq_set(a2, WEIR_IRQ_INTX, 0, 1, fds, &e));
            ok(weir_device_irq_unmask(a2, WEIR_IRQ_INTX, &e));
            ok(weir_device_hot_reset(a2, &e));
        }
        weir_device_close(b);
        if (a) {
            ok(weir_device_irq_set(a, WEIR_IRQ_MSIX, 0, 2, fds, &e));
            ok(weir_device_irq_set(a, WEIR_IRQ_MSIX, 4, 4, fds + 4, &e));
            ok(weir_device_bus_master(a, true, &e));
            ok(weir_device_reset(a, &e));
            if (ok(weir_device_release(a, &e)) && !ok(weir_device_reopen(a, &e)))
                ok(weir_device_reopen(a, &e));
        }
        if (ok(fake_map(s, memory, N, 0x20000000, "more", &e)))
            ok(weir_space_unmap(s, weir_iova(0x20000000), N, &e));
        weir_device_close(a2);
        weir_device_close(a);
        if (mapped)
            ok(weir_space_unmap(s, weir_iova(0x10000000), N, &e));
    }
    weir_free(w);
}

static void fail_each(enum weir_vfio_api api)
{
    static const int errors[] = {EIO, ENOMEM, EINVAL, EBUSY};
    unsigned files = fake_process_files(), k = 0;

    for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        bool hit = true;

        for (k = 0; hit; k++) {
            fake_fail_call(k, errors[i]);
            program(api);
            hit = fake_fail_end();
            nothing_left(files);
        }
    }
    print_message("# %u calls, each failed in %zu ways\n", k - 1,
                  sizeof(errors) / sizeof(errors[0]));
    assert_true(k > 100);
}

static void test_each_call_fails_type1(void **state)
{
    (void)state;
    fail_each(WEIR_VFIO_CONTAINER);
}

static void test_each_call_fails_iommufd(void **state)
{
    (void)state;
    fake_cdevs();
    fail_each(WEIR_VFIO_IOMMUFD);
}

static void test_each_call_fails_no_iommu(void **state)
{
    (void)state;
    fake_no_iommu(1);
    fake_no_iommu(2);
    fail_each(WEIR_VFIO_NOIOMMU);
}

static void rounds(const char *name)
{
    unsigned files = fake_process_files();
    struct weir *w = fake_weir();
    unsigned with_instance = fake_process_files();

    for (unsigned i = 0; i < 100; i++) {
        struct weir_device *d = fake_open_device(w, name, NULL),
                           *d2 = fake_open_device(w, A2, NULL);

        assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 8, fds, &e), 0);
        weir_device_close(i & 1 ? d : d2);
        weir_device_close(i & 1 ? d2 : d);
        nothing_left(with_instance);
    }
    weir_free(w);
    nothing_left(files);
}

static void test_rounds(void **state)
{
    (void)state;
    rounds(A "?iommu=type1");
    fake_cdevs();
    rounds(A "?iommu=iommufd");
}

/* weir_free() with everything open: devices before their spaces, in whatever order they came. */
static void test_free_all(void **state)
{
    unsigned files = fake_process_files();

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct weir *w = fake_weir();
        struct weir_space *s = fake_new_space(w, i ? WEIR_VFIO_IOMMUFD : WEIR_VFIO_CONTAINER);
        struct weir_device *d = fake_open_device(w, A, s);

        fake_open_device(w, A2, NULL);
        fake_open_device(w, B, s);
        assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 8, fds, &e), 0);
        assert_int_equal(fake_map(s, memory, N, 0, "frames", &e), 0);
        weir_free(w);
        nothing_left(files);
        fake_cdevs();
    }
}

/* ---- what a mapping costs ---- */

static double ms_since(const struct timespec *t)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - t->tv_sec) * 1e3 + (double)(now.tv_nsec - t->tv_nsec) / 1e6;
}

/* One MAP for each segment of an arena, one UNMAP when it goes; 1 GiB in base pages, none of which
 * is ever touched. */
static void test_one_map(void **state)
{
    struct weir_arena_options opt = {.size = sizeof(opt),
                                     .bytes = GIB,
                                     .max_bytes = GIB + 8 * MIB,
                                     .page = FAKE_PAGE,
                                     .name = "frames"};
    static const enum weir_vfio_api apis[] = {WEIR_VFIO_CONTAINER, WEIR_VFIO_IOMMUFD};

    (void)state;
    fake_cdevs();
    for (unsigned i = 0; i < 2; i++) {
        struct weir *w = fake_weir();
        struct weir_space *s = fake_new_space(w, apis[i]);
        struct fake_space *k = i ? &fake.iommufds[0] : &fake.containers[0];
        struct weir_arena *a;
        struct timespec start;
        uint64_t bytes = 0;

        opt.spaces = &s;
        opt.n_spaces = 1;
        no_populate = true;
        a = weir_arena_new(w, &opt, &e);
        assert_non_null(a);
        clock_gettime(CLOCK_MONOTONIC, &start);
        fake_open_device(w, A, s);
        assert_int_equal(weir_arena_map(a, s, WEIR_PROT_RW, &e), 0);
        print_message("# device opened and 1 GiB mapped in %.2f ms of our own\n", ms_since(&start));
        assert_int_equal(fake.maps, 1);
        assert_int_equal(weir_arena_grow(a, 4 * MIB, &e), 0);
        assert_int_equal(weir_arena_grow(a, 4 * MIB, &e), 0);
        no_populate = false;
        assert_int_equal(fake.maps, 3);
        for (unsigned j = 0; j < k->n_maps; j++)
            bytes += k->maps[j].size;
        assert_int_equal(bytes, GIB + 8 * MIB);
        /* A second group of the space finds them there. */
        fake_open_device(w, B, s);
        assert_int_equal(fake.maps, 3);
        assert_int_equal(weir_arena_shrink(a, &e), 0);
        assert_int_equal(fake.unmaps, 1);
        weir_arena_free(a);
        assert_int_equal(fake.unmaps, 3);
        assert_int_equal(k->n_maps, 0);
        weir_free(w);
        fake.maps = fake.unmaps = 0;
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_each_call_fails_type1),
        CASE(test_each_call_fails_iommufd),
        CASE(test_each_call_fails_no_iommu),
        CASE(test_rounds),
        CASE(test_free_all),
        CASE(test_one_map),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
