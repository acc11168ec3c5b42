/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/mem/physical.h"
#include "lib/mem/hugepage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PRESENT ((uint64_t)1 << 63)
#define FRAME   (((uint64_t)1 << 55) - 1)

int weir_physical(const void *va, uint64_t *out, struct weir_error *e)
{
    uint64_t page = weir_base_page(), at = (uintptr_t)va / page, entry = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : pread(fd, &entry, sizeof(entry), (off_t)(at * sizeof(entry)));
    int err = n < 0 ? errno : EIO;

    if (fd >= 0)
        close(fd);
    if (n != sizeof(entry) || !(entry & PRESENT))
        return weir_fail(e, -err, "physical-unknown",
                         "find the physical address of %p\n/proc/self/pagemap: %s\n"
                         "use memory of an arena; mount /proc where it is missing",
                         va, n == sizeof(entry) ? "no page is there" : strerror(err));
    if (!(entry & FRAME))
        return weir_fail(e, -EPERM, "physical-hidden",
                         "find the physical address of %p\n/proc/self/pagemap hides it from "
                         "processes without CAP_SYS_ADMIN\nrun as root, or turn the IOMMU on: with "
                         "it no physical address is needed",
                         va);
    *out = (entry & FRAME) * page + (uintptr_t)va % page;
    return 0;
}

struct place {
    uint64_t address;
    uint64_t offset; /* in the segment's file */
};

static int by_address(const void *a, const void *b)
{
    uint64_t x = ((const struct place *)a)->address, y = ((const struct place *)b)->address;

    return x < y ? -1 : x > y;
}

/* Page number i of the segment becomes what its file holds at offset. The page is there already, so
 * touching it cannot fail. */
static int move_page(const struct weir_segment *s, uint64_t page, uint64_t i, uint64_t offset)
{
    uint8_t *at = s->va + i * page;

    if (mmap(at, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->fd, (off_t)offset) ==
        MAP_FAILED)
        return -errno;
    (void)*(volatile uint8_t *)at;
    return 0;
}

int weir_segment_sort(const struct weir_segment *s, uint64_t page, uint64_t *addresses,
                      struct weir_error *e)
{
    uint64_t n = s->len / page;
    struct place *places = calloc(n, sizeof(*places));
    int r = 0;

    if (!places)
        return weir_fail(e, -ENOMEM, "no-memory", "sort pages of an arena\nout of memory");
    for (uint64_t i = 0; i < n && r == 0; i++) {
        places[i].offset = i * page;
        r = weir_physical(s->va + i * page, &places[i].address, e);
    }
    if (r == 0)
        qsort(places, n, sizeof(*places), by_address);
    for (uint64_t i = 0; i < n && r == 0; i++) {
        addresses[i] = places[i].address;
        if (places[i].offset != i * page)
            r = move_page(s, page, i, places[i].offset);
        if (r < 0)
            weir_fail(e, r, "arena-sort",
                      "sort pages of an arena by physical address\nmmap: %s\n"
                      "if there are many: sysctl vm.max_map_count",
                      strerror(-r));
    }
    free(places);
    return r;
}
