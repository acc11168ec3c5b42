/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of arenas: options, pages, segments, placement; and every way in which the kernel can
 * refuse. */
#include "arena_case.h"

static void test_options(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_error e;
    struct weir *other = weir_new(NULL, NULL);
    struct weir_space *foreign = weir_space_software(other, NULL), *none = NULL;

    opt.size--;
    refused(f, &opt, -EINVAL, "options-size", &e);
    opt = options(0);
    refused(f, &opt, -EINVAL, "arena-size", &e);
    opt = options(MIB);
    opt.max_bytes = MIB - 1;
    refused(f, &opt, -EINVAL, "arena-size", &e);
    opt.max_bytes = UINT64_MAX;
    refused(f, &opt, -EINVAL, "arena-size", &e);
    opt = options(UINT64_MAX);
    refused(f, &opt, -EINVAL, "arena-size", &e);
    opt.page = 0;
    refused(f, &opt, -EINVAL, "arena-size", &e);
    opt = options((uint64_t)1 << 62); /* no address space has that */
    opt.iova_bits = 64;
    refused(f, &opt, -ENOMEM, "arena-addresses", &e);
    opt = options(MIB);
    opt.page = 12345;
    refused(f, &opt, -EINVAL, "arena-page", &e);
    contains(e.fix, "4 KiB");
    opt = options(MIB);
    opt.iova_bits = 65;
    refused(f, &opt, -EINVAL, "arena-iova-bits", &e);
    opt = options(MIB);
    opt.node = WEIR_NODE(1000);
    refused(f, &opt, -EINVAL, "arena-node", &e);
    opt.node = -2;
    refused(f, &opt, -EINVAL, "arena-node", &e);
    opt = options(MIB);
    opt.n_spaces = 1;
    refused(f, &opt, -EINVAL, "arena-instance", &e);
    opt.spaces = &none;
    refused(f, &opt, -EINVAL, "arena-instance", &e);
    opt.spaces = &foreign;
    refused(f, &opt, -EINVAL, "arena-instance", &e);
    assert_null(weir_arena_new(f->w, &opt, NULL));
    weir_free(other);
    weir_arena_free(NULL);
}

static void test_defaults(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = {.size = sizeof(opt), .bytes = 5000, .page = 4096};
    struct weir_arena *a = weir_arena_new(f->w, &opt, NULL);
    struct weir_arena_info info = info_of(a);

    assert_string_equal(info.name, "arena");
    assert_int_equal(info.bytes, 8192);
    assert_int_equal(info.max_bytes, 8192);
    assert_int_equal(info.page, 4096);
    assert_int_equal(info.used, 0);
    assert_int_equal(info.segments, 1);
    assert_int_equal(info.spaces, 0);
    assert_int_equal(info.node, -1);
    assert_true(info.iova.addr >= MIB && info.iova.addr < (uint64_t)1 << 39);
    assert_true(info.iova.addr != (uintptr_t)info.va);
    assert_string_equal(f->warning, ""); /* small pages were asked for */
    weir_arena_free(a);
    assert_int_equal(count_fds(), f->fds);
}

static void test_segment(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(3 * MIB);
    struct weir_arena *a = weir_arena_new(f->w, &opt, NULL);

    assert_non_null(a);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, NULL), 0);
    check_segment(f, 4096, "weir-test");
    assert_int_equal(fallocates, 0);
}

/* Before Linux 5.14. */
static void test_segment_without_populate(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a;
    struct weir_error e;
    struct stat st;

    fail_call = "madvise";
    fail_errno = EINVAL;
    a = weir_arena_new(f->w, &opt, NULL);
    assert_non_null(a);
    assert_int_equal(fallocates, 1);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, NULL), 0);
    assert_int_equal(fstat(f->fake_s.last.fd, &st), 0);
    assert_int_equal(st.st_blocks * 512, MIB);
    weir_arena_free(a);
    fallocate_errno = ENOSPC;
    refused(f, &opt, -ENOMEM, "arena-populate", &e);
    contains(e.why, "No space left");
}

/* The test needs n pages of the size from the real pool; prints why if it cannot have them. */
static struct weir_arena *hugepage_arena(struct fixture *f, uint64_t page, uint64_t bytes,
                                         uint64_t max_bytes)
{
    struct weir_arena_options opt = options(bytes);
    struct weir_error e;
    struct weir_arena *a;

    opt.page = page;
    opt.max_bytes = max_bytes;
    a = weir_arena_new(f->w, &opt, &e);
    if (!a) {
        print_message("skipped: %s: %s: %s\n", e.what, e.why, e.fix);
        assert_true(e.err == -ENOMEM || e.err == -EINVAL);
        skip();
    }
    return a;
}

static void test_hugepages(void **state)
{
    struct fixture *f = *state;
    struct weir_arena *a = hugepage_arena(f, 2 * MIB, 3 * MIB, 6 * MIB);
    struct weir_arena_info info = info_of(a);

    assert_int_equal(info.bytes, 4 * MIB);
    assert_int_equal(info.page, 2 * MIB);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, NULL), 0);
    check_segment(f, 2 * MIB, "weir-test");
    assert_string_equal(memfds, "2M ");
    assert_string_equal(f->warning, "");
}

static void test_hugepages_without_populate(void **state)
{
    struct fixture *f = *state;
    struct weir_arena *a;
    struct stat st;

    fail_call = "madvise";
    fail_errno = EINVAL;
    a = hugepage_arena(f, 2 * MIB, 4 * MIB, 0);
    assert_int_equal(fallocates, 1);
    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, NULL), 0);
    assert_int_equal(fstat(f->fake_s.last.fd, &st), 0);
    assert_int_equal(st.st_blocks * 512, 4 * MIB);
}

static void test_gigantic_pages(void **state)
{
    struct fixture *f = *state;
    struct weir_arena *a = hugepage_arena(f, GIB, GIB, 0);

    assert_int_equal(weir_arena_map(a, f->s, WEIR_PROT_RW, NULL), 0);
    check_segment(f, GIB, "weir-test");
}

/* ---- which pages ---- */

static const char *choice(struct fixture *f, uint64_t bytes)
{
    struct weir_arena_options opt = options(bytes);
    struct weir_error e;

    /* All attempts fail, so all are seen, and cost nothing. */
    memfds[0] = '\0';
    opt.page = 0;
    fail_call = "memfd_create";
    fail_errno = ENFILE;
    refused(f, &opt, -ENFILE, "arena-memfd", &e);
    return memfds;
}

static void test_page_choice(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(100);
    struct weir_arena *a;

    fake_pools = true;
    fake_2m = 1000;
    fake_1g = 4;
    assert_string_equal(choice(f, 2 * GIB), "1G 4K "); /* too much for the other pool */
    assert_string_equal(choice(f, GIB), "1G 2M 4K ");
    assert_string_equal(choice(f, 512 * MIB), "1G 2M 4K ");
    assert_string_equal(choice(f, 512 * MIB - 1), "2M 4K "); /* half of it would go to waste */
    assert_string_equal(choice(f, 100), "2M 4K ");
    fake_1g = 0;
    assert_string_equal(choice(f, GIB), "2M 4K ");
    assert_string_equal(choice(f, 2000 * MIB), "2M 4K ");
    assert_string_equal(choice(f, 2000 * MIB + 1), "4K ");
    fake_2m = 0;
    assert_string_equal(choice(f, 2 * MIB), "4K ");

    fail_call = NULL;
    fake_2m = 1;
    opt.page = 0;
    a = weir_arena_new(f->w, &opt, NULL);
    assert_non_null(a);
    assert_int_equal(info_of(a).page, 2 * MIB);
    assert_int_equal(info_of(a).bytes, 2 * MIB);
    assert_string_equal(f->warning, "");
}

static void test_small_pages_are_warned_of(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(8 * MIB);
    struct weir_arena *a;

    fake_pools = true;
    opt.page = 0;
    a = weir_arena_new(f->w, &opt, NULL);
    assert_non_null(a);
    assert_int_equal(info_of(a).page, weir_base_page());
    contains(f->warning, "512x");
    contains(f->warning, "2048 IOTLB entries, where 4 would do");
    contains(f->warning, "echo 7 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");

    /* The pool had enough, and then had not. */
    f->warning[0] = '\0';
    fake_2m = 100;
    fail_call = "mmap";
    fail_errno = ENOMEM;
    fail_after = 0;
    opt.bytes = MIB;
    memfds[0] = '\0';
    assert_null(weir_arena_new(f->w, &opt, NULL)); /* the one of small pages failed as well */
    assert_string_equal(memfds, "2M 4K ");
    assert_string_equal(f->warning, "");
}

/* ---- what the kernel refuses ---- */

static void test_no_hugepages(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(64 * MIB);
    struct weir_error e;

    fake_pools = true;
    fake_2m = 10;
    opt.page = 2 * MIB;
    fail_call = "mmap"; /* where the kernel promises the pages */
    fail_errno = ENOMEM;
    refused(f, &opt, -ENOMEM, "arena-no-hugepages", &e);
    contains(e.what, "64 MiB of arena test with pages of 2 MiB");
    contains(e.why, "it takes 32");
    contains(e.why, "12 free of 13");
    assert_string_equal(e.fix, "echo 35 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
    opt.node = WEIR_NODE(0);
    refused(f, &opt, -ENOMEM, "arena-no-hugepages", &e);
    contains(e.why, "on node 0");
    contains(e.fix, "echo 35 > /sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hug");
    opt.page = GIB;
    refused(f, &opt, -ENOMEM, "arena-no-hugepages", &e);
    contains(e.fix, "hugepagesz=1G");
    /* The pool has enough. */
    opt.page = 2 * MIB;
    fake_2m = 100;
    refused(f, &opt, -ENOMEM, "arena-populate", &e);
    contains(e.why, "Cannot allocate memory");
    /* As a control group limit shows: the page fault would be a SIGBUS. */
    fail_call = "madvise";
    fail_errno = EFAULT;
    opt = options(MIB);
    refused(f, &opt, -ENOMEM, "arena-populate", &e);
    contains(e.why, "Bad address");
}

/* The real thing: more than the pool ever had. */
static void test_no_hugepages_really(void **state)
{
    struct fixture *f = *state;
    struct weir_hugepages pool;
    struct weir_arena_options opt;
    struct weir_error e;
    uint64_t overcommit = 0;

    if (weir_hugepage_pool("/sys", 2 * MIB, -1, &pool) < 0 ||
        weir_read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages",
                         &overcommit) < 0 ||
        overcommit) {
        print_message("skipped: no pool of 2 MiB pages, or it may overcommit\n");
        skip();
    }
    opt = options((pool.total + 1000) * 2 * MIB);
    opt.page = 2 * MIB;
    refused(f, &opt, -ENOMEM, "arena-no-hugepages", &e);
    contains(e.fix, "/nr_hugepages");
}

static void test_more_memory_than_there_is(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt;
    struct weir_error e;
    struct sysinfo si;

    assert_int_equal(sysinfo(&si), 0);
    opt = options((uint64_t)si.totalram * si.mem_unit * 2);
    opt.iova_bits = 57;
    /* Asked first: the kernel would not refuse, but kill. */
    refused(f, &opt, -ENOMEM, "arena-populate", &e);
    contains(e.why, "leaves");
    assert_string_equal(memfds, "");
}

static void test_calls_that_fail(void **state)
{
    static const struct {
        const char *call;
        int err;
        unsigned after;
        int result;
        const char *code, *fix;
    } cases[] = {
        {"memfd_create", EMFILE, 0, -EMFILE, "arena-memfd", "ulimit -n"},
        {"memfd_create", ENFILE, 0, -ENFILE, "arena-memfd", "fs.file-max"},
        {"memfd_create", EINVAL, 0, -EINVAL, "arena-memfd", "page size"},
        {"ftruncate", ENOSPC, 0, -ENOSPC, "arena-memfd", ""},
        {"fcntl", EPERM, 0, -EPERM, "arena-memfd", ""},
        {"reserve", ENOMEM, 0, -ENOMEM, "arena-addresses", "ulimit -v"},
        {"mmap", ENOMEM, 0, -ENOMEM, "arena-map", "vm.max_map_count"},
        {"madvise", ENOMEM, 0, -ENOMEM, "arena-populate", ""},
        {"madvise", EHWPOISON, 0, -ENOMEM, "arena-populate", ""},
        {"realloc", ENOMEM, 0, -ENOMEM, "no-memory", ""},
        {"realloc", ENOMEM, 1, -ENOMEM, "no-memory", ""},
        {"realloc", ENOMEM, 2, -ENOMEM, "no-memory", ""},
    };
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_error e;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fail_call = cases[i].call;
        fail_errno = cases[i].err;
        fail_after = cases[i].after;
        refused(f, &opt, cases[i].result, cases[i].code, &e);
        contains(e.fix, cases[i].fix);
    }
    /* And nothing of it is left in the way. */
    fail_call = NULL;
    opt.iova_bits = 21;
    assert_non_null(weir_arena_new(f->w, &opt, NULL));
}

static void test_file_size_limit(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct rlimit before, limit;
    struct weir_error e;

    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = MIB - 1;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    refused(f, &opt, -EFBIG, "arena-memfd", &e); /* and no SIGXFSZ */
    contains(e.fix, "ulimit -f");
    setrlimit(RLIMIT_FSIZE, &before);
}

static int policy_of(const void *va)
{
    int mode = -1;

    assert_int_equal(get_mempolicy(&mode, NULL, 0, (void *)(uintptr_t)va, MPOL_F_ADDR), 0);
    return mode;
}

static void test_placement(void **state)
{
    struct fixture *f = *state;
    struct weir_arena_options opt = options(MIB);
    struct weir_arena *a;
    struct weir_error e;
    int mode = -1;

    if (get_mempolicy(&mode, NULL, 0, NULL, 0) < 0 || set_mempolicy(MPOL_DEFAULT, NULL, 0) < 0) {
        print_message("skipped: this process may not place memory: %s\n", strerror(errno));
        skip();
    }
    two_nodes = true;
    a = weir_arena_new(f->w, &opt, &e);
    assert_non_null(a);
    assert_int_equal(policy_of(info_of(a).va), MPOL_PREFERRED);
    assert_int_equal(info_of(a).node, -1);
    opt.node = WEIR_NODE(0);
    a = weir_arena_new(f->w, &opt, &e);
    assert_non_null(a);
    assert_int_equal(policy_of(info_of(a).va), MPOL_BIND);
    assert_int_equal(info_of(a).node, 0);

    /* A container may forbid it: a wish is given up, an order is not. */
    fail_call = "mbind";
    fail_errno = EPERM;
    refused(f, &opt, -EPERM, "arena-node", &e);
    contains(e.fix, "WEIR_ANY_NODE");
    opt.node = WEIR_ANY_NODE;
    assert_non_null(weir_arena_new(f->w, &opt, &e));

    /* Without MADV_POPULATE_WRITE the thread's policy does it, and is put back. */
    fail_call = "madvise";
    fail_errno = EINVAL;
    assert_non_null(weir_arena_new(f->w, &opt, &e));
    assert_int_equal(fallocate_mode, MPOL_PREFERRED);
    opt.node = WEIR_NODE(0);
    assert_non_null(weir_arena_new(f->w, &opt, &e));
    assert_int_equal(fallocate_mode, MPOL_BIND);
    assert_int_equal(get_mempolicy(&mode, NULL, 0, NULL, 0), 0);
    assert_int_equal(mode, MPOL_DEFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_options),
        T(test_defaults),
        T(test_segment),
        T(test_segment_without_populate),
        T(test_hugepages),
        T(test_hugepages_without_populate),
        T(test_gigantic_pages),
        T(test_page_choice),
        T(test_small_pages_are_warned_of),
        T(test_no_hugepages),
        T(test_no_hugepages_really),
        T(test_more_memory_than_there_is),
        T(test_calls_that_fail),
        T(test_file_size_limit),
        T(test_placement),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
