/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does the kernel use the pages that the planner foretells? Memory of each kind is mapped through
 * $API for an X540 model; then the leaves of the page table are counted by all that shows them
 * here:
 *
 * - the model: QEMU walks the table that the guest wrote and sends the model one DMA_MAP for each
 *   leaf; the host counts those;
 * - debugfs: iommu/intel/ADDRESS/domain_translation_struct lists them (the small kernel, Intel);
 * - tracefs: events/iommu/map has each contiguous run that VFIO gave to iommu_map(), of which the
 *   leaves follow by iommu_pgsize() (the stock kernel).
 *
 * DISABLED=yes: the kernel was told not to use larger pages (vfio_iommu_type1.disable_hugepages=1;
 * of an IOAS, IOMMU_OPTION_HUGE_PAGES is set to 0 here).
 */
#include "vm.h"

#include "host.h"
#include "lib/mem/physical.h"
#include <inttypes.h>
#include <linux/memfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define KIB  ((uint64_t)1 << 10)
#define MIB  ((uint64_t)1 << 20)
#define GIB  ((uint64_t)1 << 30)
#define BASE 4096u

#define TRACING "/sys/kernel/tracing/"

static struct weir *w;
static struct weir_space *space;
static uint64_t sizes; /* of the IOMMU's pages */
static bool disabled;
static uint64_t windows; /* used: each mapping has its own */

struct test_case {
    uint64_t page;   /* behind the memory */
    uint64_t va;     /* where in it the mapping begins */
    uint64_t len;    /* of the mapping */
    uint64_t iova;   /* offset from a multiple of 4 GiB */
    uint64_t leaves; /* on Intel's IOMMU */
};

/* ---- what the kernel did ---- */

static bool of_host(uint64_t first, uint64_t len, uint64_t leaves[64])
{
    char line[400], *at = line;

    snprintf(line, sizeof(line), "count %#" PRIx64 " %#" PRIx64, first, len);
    host_say(line);
    host_hear(line, sizeof(line));
    assert_int_equal(strncmp(line, "leaves", 6), 0);
    at += 6;
    for (char *bit; (bit = strsep(&at, " "));) {
        if (*bit)
            leaves[atoi(bit)] = strtoull(strchr(bit, ':') + 1, NULL, 10);
    }
    return true;
}

static bool of_debugfs(uint64_t first, uint64_t len, uint64_t leaves[64])
{
    char path[128], line[256];
    FILE *f;

    snprintf(path, sizeof(path), "/sys/kernel/debug/iommu/intel/%s/domain_translation_struct",
             vm_address(0));
    f = fopen(path, "r");
    if (!f)
        return false;
    /* IOVA page number | entry of each level down to the leaf: 5, 4, 3, 2, 1. */
    while (fgets(line, sizeof(line), f)) {
        char *end;
        uint64_t iova = strtoull(line, &end, 16) * BASE;
        unsigned columns = 0;

        if (strncmp(line, "0x", 2) != 0 || iova < first || iova >= first + len)
            continue;
        while ((end = strstr(end, "0x"))) {
            columns++;
            end += 2;
        }
        assert_in_range(columns, 3, 5);
        leaves[12 + 9 * (5 - columns)]++;
    }
    fclose(f);
    return true;
}

static bool of_trace(uint64_t first, uint64_t len, uint64_t leaves[64])
{
    FILE *f = fopen(TRACING "trace", "r");
    uint64_t got = 0;
    char line[256];

    if (!f || access(TRACING "events/iommu/map/enable", F_OK))
        return false;
    while (fgets(line, sizeof(line), f)) {
        char *at = strstr(line, "IOMMU: iova=");
        uint64_t iova, end, pa;

        if (!at ||
            sscanf(at, "IOMMU: iova=%" SCNx64 " - %" SCNx64 " paddr=%" SCNx64, &iova, &end, &pa) !=
                3 ||
            iova < first || end > first + len)
            continue;
        got += end - iova;
        while (iova < end) {
            unsigned bit = 63;

            while (!(sizes >> bit & 1) || (uint64_t)1 << bit > end - iova ||
                   ((iova | pa) & (((uint64_t)1 << bit) - 1)))
                bit--;
            leaves[bit]++;
            iova += (uint64_t)1 << bit;
            pa += (uint64_t)1 << bit;
        }
    }
    fclose(f);
    assert_int_equal(got, len);
    return true;
}

static const struct means {
    const char *name;
    bool (*count)(uint64_t first, uint64_t len, uint64_t leaves[64]);
} means[] = {{"DMA_MAP", of_host}, {"debugfs", of_debugfs}, {"trace", of_trace}};
static unsigned used[3];

/* ---- a case ---- */

static uint8_t *memory(uint64_t page, uint64_t len, int *fd)
{
    unsigned flags =
        page == BASE ? 0 : MFD_HUGETLB | (unsigned)__builtin_ctzll(page) << MFD_HUGE_SHIFT;
    uint8_t *p, *at;

    *fd = memfd_create("test", flags);
    assert_true(*fd >= 0);
    assert_int_equal(ftruncate(*fd, (off_t)len), 0);
    p = mmap(NULL, len + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(p != MAP_FAILED);
    at = p + (-(uintptr_t)p & (page - 1));
    /* cppcheck-suppress leakReturnValNotUsed */
    if (mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, *fd, 0) == MAP_FAILED)
        fail_msg("%llu bytes in pages of %llu: mmap: %m", (unsigned long long)len,
                 (unsigned long long)page);
    for (uint64_t i = 0; i < len; i += page)
        at[i] = 1;
    return at;
}

static void text_of(const uint64_t leaves[64], char *out, size_t size)
{
    size_t n = 0;

    for (unsigned i = 64; i-- > 0;)
        if (leaves[i] && n < size)
            n += (size_t)snprintf(out + n, size - n, " %" PRIu64 "x%" PRIu64 "K", leaves[i],
                                  ((uint64_t)1 << i) / KIB);
}

static void check(void **state)
{
    const struct test_case *c = *state;
    uint64_t backing = (c->va + c->len + c->page - 1) & ~(c->page - 1);
    struct weir_superpage_request r = {.size = sizeof(r),
                                       .len = c->len,
                                       .iova = 8 * GIB + windows * 4 * GIB + c->iova,
                                       .page = c->page,
                                       .iommu_pages = sizes,
                                       .base_pages_only = disabled};
    uint64_t *at, known;
    struct weir_superpage_plan plan, blind;
    char want[200] = "", line[80];
    struct weir_mem mem = {.len = c->len, .page = c->page, .name = "test"};
    struct weir_error e;
    int fd;
    uint8_t *p = memory(c->page, backing, &fd);

    windows++;
    mem.va = p + c->va;
    mem.fd = fd;
    mem.offset = c->va;
    vm_write(TRACING "trace", "");
    host_say("mark");
    host_hear(line, sizeof(line));
    must(weir_space_map(space, &mem, weir_iova(r.iova), WEIR_PROT_RW, &e), &e);

    r.va = (uintptr_t)mem.va;
    must(weir_superpage_plan(&r, &blind, &e), &e);
    r.n_at = (size_t)(backing / c->page);
    r.at = at = calloc(r.n_at, sizeof(*at));
    for (size_t i = 0; i < r.n_at; i++)
        must(weir_physical(p + i * c->page, &at[i], &e), &e);
    must(weir_superpage_plan(&r, &plan, &e), &e);
    text_of(plan.leaves, want, sizeof(want));
    printf("# %" PRIu64 "K in pages of %" PRIu64 "K, %" PRIu64 "K into them, IOVA +%" PRIu64
           "K: planned%s\n",
           c->len / KIB, c->page / KIB, c->va / KIB, c->iova / KIB, want);
    /* Without the physical addresses it may foretell more, never fewer. */
    assert_true(plan.entries <= blind.entries);
    if (strcmp(getenv("IOMMU"), "intel") == 0)
        assert_int_equal(blind.entries, disabled ? c->len / BASE : c->leaves);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t leaves[64] = {0};
        char got[200] = "";

        if (!means[i].count(r.iova, c->len, leaves))
            continue;
        used[i]++;
        text_of(leaves, got, sizeof(got));
        printf("#   %s:%s\n", means[i].name, got);
        assert_string_equal(got, want);
        known = 0;
        for (unsigned k = 0; k < 64; k++)
            known += leaves[k] << k;
        assert_int_equal(known, c->len);
    }
    must(weir_space_unmap(space, weir_iova(r.iova), c->len, &e), &e);
    free(at);
    munmap(p, backing);
    close(fd);
}

static void by_all_means(void **state)
{
    const char *wanted = getenv("MEANS");

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        printf("# %s: %u mappings\n", means[i].name, used[i]);
        if (strstr(wanted, means[i].name))
            assert_true(used[i] > 0);
    }
}

/* ---- setting up ---- */

/* IOMMU_OPTION (include/uapi/linux/iommufd.h) before a device is there; after, it is EINVAL. */
static void no_huge_pages_in_ioas(void)
{
    struct {
        uint32_t size, option;
        uint16_t op, reserved;
        uint32_t ioas;
        uint64_t value;
    } q = {.size = sizeof(q), .option = 1 /* IOMMU_OPTION_HUGE_PAGES */, .ioas = 1};
    char path[40], target[40];

    for (int fd = 0; fd < 64; fd++) {
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = readlink(path, target, sizeof(target));
        if (n == 10 && memcmp(target, "/dev/iommu", 10) == 0) {
            if (ioctl(fd, _IO(';', 0x87), &q))
                fail_msg("IOMMU_OPTION: %m");
            return;
        }
    }
    fail_msg("no /dev/iommu is open");
}

static void open_device(void **state)
{
    bool iommufd = strcmp(getenv("API"), "iommufd") == 0;
    struct weir_space_options so = {.size = sizeof(so),
                                    .api = iommufd ? WEIR_VFIO_IOMMUFD : WEIR_VFIO_CONTAINER};
    struct weir_device_options o = {.size = sizeof(o)};
    struct weir_space_info info;
    struct weir_error e;

    (void)state;
    disabled = getenv("DISABLED") != NULL;
    w = vm_instance();
    space = o.space = weir_space_new(w, &so, &e);
    must_ptr(space, &e);
    if (disabled && iommufd)
        no_huge_pages_in_ioas();
    must_ptr(weir_device_open(w, vm_device(0), &o, &e), &e);
    weir_space_info(space, &info);
    sizes = info.page_sizes;
    printf("# %s space, pages %#" PRIx64 "\n", info.kind, sizes);
    vm_write("/sys/kernel/tracing/buffer_size_kb", "8192");
    vm_write(TRACING "events/iommu/map/enable", "1");
}

int main(void)
{
    static const struct test_case cases[] = {
        {BASE, 0, 64 * KIB, 0, 16},
        {2 * MIB, 0, 8 * MIB, 0, 4},
        {2 * MIB, 0, 8 * MIB, BASE, 2048},
        {2 * MIB, MIB, 4 * MIB, MIB, 256 + 1 + 256},
        {2 * MIB, MIB, 4 * MIB, 0, 1024},
        {2 * MIB, 0, 3 * MIB, 0, 1 + 256},
        {GIB, 0, GIB, 0, 1},
        {GIB, 0, GIB, 2 * MIB, 512},
        {GIB, 0, 16 * MIB, BASE, 4096},
    };
    const char *names[] = {
        "4 KiB pages",
        "2 MiB pages, aligned",
        "2 MiB pages, IOVA not aligned",
        "2 MiB pages, from the middle of one",
        "2 MiB pages, from the middle of one, IOVA not congruent",
        "2 MiB pages, not a whole number",
        "1 GiB page, aligned",
        "1 GiB page, IOVA aligned to 2 MiB",
        "1 GiB page, IOVA not aligned",
    };
    /* A whole gigabyte in small pages is 262144 messages. */
    static const struct test_case small = {GIB, 0, 16 * MIB, 0, 8};
    struct CMUnitTest tests[16] = {cmocka_unit_test(open_device)};
    size_t n = 1;
    int status, port;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool large = getenv("DISABLED") && cases[i].len == GIB;

        tests[n] = (struct CMUnitTest)cmocka_unit_test_prestate(
            check, (void *)(large ? &small : &cases[i]));
        tests[n++].name = names[i];
    }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(by_all_means);
    vm_write("/proc/sys/vm/nr_hugepages", "32");
    /* While nobody has the port open, what comes in is lost. */
    port = open("/dev/ttyS2", O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(port >= 0);
    status = _cmocka_run_group_tests("superpages", tests, n, NULL, NULL);
    host_say("done");
    close(port);
    return status;
}
