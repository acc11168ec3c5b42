/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/core/probe.h"
#include "lib/iommu/iotlb.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>
#include <weir/driver/siommu.h>
#include <weir/error.h>
#include <weir/superpage.h>

#define NAME_SIZE sizeof(((struct weir_dma_fault *)0)->mapping)
#define FREED     64 /* removed ranges that a fault can name */
#define HINTS     64

#ifndef RWF_NOAPPEND /* Linux 6.9 */
#define RWF_NOAPPEND 0x20
#endif

struct mapping {
    uint64_t first, last;
    uint8_t *va; /* NULL: by fd or by message */
    uint64_t offset;
    uint64_t page;
    char *name;
    int fd;
    unsigned prot;
};

struct freed {
    uint64_t first, last; /* first > last: empty */
    char name[NAME_SIZE];
};

struct weir_siommu {
    pthread_rwlock_t lock; /* guards the mappings and what is freed */
    struct mapping *maps;  /* sorted */
    unsigned n, cap;
    struct weir_iotlb *iotlb; /* NULL: none is modelled */
    struct freed freed[FREED];
    unsigned next_freed;
    /*
     * Where an access to a 4 KiB page was found last, by the page's low bits. Only ever a guess
     * that is checked, so it needs no order.
     */
    atomic_uint hint[HINTS];
    /* Read at any time, also by who holds the lock already. */
    atomic_uint_fast64_t count, bytes, faults;
    weir_siommu_remote_fn *remote;
    void *remote_user;
    weir_siommu_fault_fn *on_fault;
    void *fault_user;
    pthread_mutex_t last_lock;
    struct weir_dma_fault last;
};

struct weir_siommu *weir_siommu_new(struct weir_error *e)
{
    struct weir_siommu *s = calloc(1, sizeof(*s));
    pthread_rwlockattr_t attr;

    if (!s) {
        weir_fail(e, -ENOMEM, "no-memory", "make a software IOMMU\nout of memory");
        return NULL;
    }
    for (unsigned i = 0; i < FREED; i++)
        s->freed[i].first = 1;
    /* Models that step all the time, each in its thread, must not keep an unmap waiting for ever.
     */
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&s->lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    pthread_mutex_init(&s->last_lock, NULL);
    return s;
}

void weir_siommu_free(struct weir_siommu *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->n; i++)
        free(s->maps[i].name);
    free(s->maps);
    weir_iotlb_free(s->iotlb);
    pthread_rwlock_destroy(&s->lock);
    pthread_mutex_destroy(&s->last_lock);
    free(s);
}

void weir_siommu_on_fault(struct weir_siommu *s, weir_siommu_fault_fn *fn, void *user)
{
    pthread_rwlock_wrlock(&s->lock);
    s->on_fault = fn;
    s->fault_user = user;
    pthread_rwlock_unlock(&s->lock);
}

void weir_siommu_set_remote(struct weir_siommu *s, weir_siommu_remote_fn *fn, void *user)
{
    pthread_rwlock_wrlock(&s->lock);
    s->remote = fn;
    s->remote_user = user;
    pthread_rwlock_unlock(&s->lock);
}

/* First mapping that ends at or above iova; s->n if there is none. */
static unsigned search(const struct weir_siommu *s, uint64_t iova)
{
    unsigned low = 0, high = s->n;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;

        if (s->maps[mid].last < iova)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static inline bool holds(const struct mapping *m, uint64_t iova)
{
    return iova - m->first <= m->last - m->first;
}

/* The mapping that holds iova, or NULL. */
static inline const struct mapping *look_up(struct weir_siommu *s, uint64_t iova)
{
    atomic_uint *hint = &s->hint[(iova >> 12) % HINTS];
    unsigned i = atomic_load_explicit(hint, memory_order_relaxed);

    if (i < s->n && holds(&s->maps[i], iova))
        return &s->maps[i];
    i = search(s, iova);
    if (i == s->n || !holds(&s->maps[i], iova))
        return NULL;
    atomic_store_explicit(hint, i, memory_order_relaxed);
    return &s->maps[i];
}

int weir_siommu_map(struct weir_siommu *s, const struct weir_mem *mem, uint64_t iova, unsigned prot)
{
    uint64_t last = iova + (mem->len - 1);
    const char *name = mem->name ? mem->name : "";
    struct mapping m = {
        .first = iova,
        .last = last,
        .va = mem->va,
        .offset = mem->offset,
        .page = mem->page,
        .fd = mem->fd,
        .prot = prot,
    };
    int r = 0;
    unsigned i;

    if (mem->len == 0 || last < iova || prot == 0 || (prot & ~(unsigned)WEIR_PROT_RW))
        return -EINVAL;
    if (mem->va ? (uintptr_t)mem->va + (mem->len - 1) < (uintptr_t)mem->va
                : mem->fd >= 0 && (mem->len > INT64_MAX || mem->offset > INT64_MAX - mem->len))
        return -EINVAL;
    m.name = malloc(NAME_SIZE);
    if (!m.name)
        return -ENOMEM;
    weir_printable(m.name, NAME_SIZE, name, strlen(name));

    pthread_rwlock_wrlock(&s->lock);
    i = search(s, iova);
    if (i < s->n && s->maps[i].first <= last) {
        r = -EEXIST;
    } else if (s->n == s->cap) {
        unsigned cap = s->cap ? s->cap * 2 : 16;
        struct mapping *maps = realloc(s->maps, cap * sizeof(*maps));

        if (maps) {
            s->maps = maps;
            s->cap = cap;
        } else {
            r = -ENOMEM;
        }
    }
    if (r == 0) {
        memmove(s->maps + i + 1, s->maps + i, (s->n - i) * sizeof(*s->maps));
        s->maps[i] = m;
        s->n++;
        atomic_fetch_add_explicit(&s->count, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&s->bytes, mem->len, memory_order_relaxed);
    }
    pthread_rwlock_unlock(&s->lock);
    if (r < 0)
        free(m.name);
    return r;
}

static void forget(struct weir_siommu *s, struct mapping *m,
                   void (*removed)(void *user, const struct weir_mem *mem), void *user)
{
    struct freed *f = &s->freed[s->next_freed++ % FREED];
    size_t len = (size_t)(m->last - m->first + 1);

    f->first = m->first;
    f->last = m->last;
    memcpy(f->name, m->name, NAME_SIZE);
    if (s->iotlb)
        weir_iotlb_invalidate(s->iotlb, m->first, m->last);
    atomic_fetch_sub_explicit(&s->count, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&s->bytes, len, memory_order_relaxed);
    if (removed) {
        struct weir_mem mem = {
            .va = m->va,
            .len = len,
            .fd = m->fd,
            .offset = m->offset,
            .page = m->page,
            .name = m->name,
        };

        removed(user, &mem);
    }
    free(m->name);
}

int weir_siommu_unmap(struct weir_siommu *s, uint64_t iova, uint64_t len,
                      void (*removed)(void *user, const struct weir_mem *mem), void *user)
{
    uint64_t last = iova + (len - 1);
    unsigned first, end;

    if (len == 0)
        return 0;
    if (iova == 0 && len == UINT64_MAX)
        last = UINT64_MAX;
    if (last < iova)
        return -EINVAL;

    pthread_rwlock_wrlock(&s->lock);
    first = search(s, iova);
    for (end = first; end < s->n && s->maps[end].first <= last; end++)
        ;
    if (end > first && (s->maps[first].first < iova || s->maps[end - 1].last > last)) {
        pthread_rwlock_unlock(&s->lock);
        return -EINVAL;
    }
    for (unsigned i = first; i < end; i++)
        forget(s, &s->maps[i], removed, user);
    if (end > first) {
        memmove(s->maps + first, s->maps + end, (s->n - end) * sizeof(*s->maps));
        s->n -= end - first;
    }
    pthread_rwlock_unlock(&s->lock);
    return 0;
}

void weir_siommu_lock(struct weir_siommu *s)
{
    pthread_rwlock_rdlock(&s->lock);
}

void weir_siommu_unlock(struct weir_siommu *s)
{
    pthread_rwlock_unlock(&s->lock);
}

void *weir_siommu_ptr(struct weir_siommu *s, uint64_t iova, size_t len, bool write)
{
    const struct mapping *m = look_up(s, iova);
    unsigned need = write ? WEIR_PROT_WRITE : WEIR_PROT_READ;

    /* len 0 becomes the largest number, which no mapping holds. */
    if (!m || !m->va || len - 1 > m->last - iova || !(m->prot & need))
        return NULL;
    return m->va + (iova - m->first);
}

/* The removed range that held iova, most recent first, or NULL. */
static const struct freed *freed_at(const struct weir_siommu *s, uint64_t iova)
{
    for (unsigned i = 1; i <= FREED; i++) {
        const struct freed *f = &s->freed[(s->next_freed - i) % FREED];

        if (f->first <= iova && iova <= f->last)
            return f;
    }
    return NULL;
}

/*
 * Check all of [iova, iova + len), len > 0. Returns true if the access may be made; else fills
 * reason and mapping of the fault.
 */
static bool check(struct weir_siommu *s, uint64_t iova, size_t len, bool write,
                  struct weir_dma_fault *fault)
{
    unsigned need = write ? WEIR_PROT_WRITE : WEIR_PROT_READ;
    const char *name = ""; /* if nothing else, the mapping whose end the access ran over */

    for (;;) {
        const struct mapping *m = look_up(s, iova);

        if (!m) {
            const struct freed *f = freed_at(s, iova);

            fault->reason = f ? "freed" : "unmapped";
            name = f ? f->name : name;
            break;
        }
        name = m->name;
        if (!(m->prot & need)) {
            fault->reason = write ? "read-only" : "write-only";
            break;
        }
        if (len - 1 <= m->last - iova)
            return true;
        if (m->last == UINT64_MAX) {
            fault->reason = "unmapped";
            break;
        }
        len -= (size_t)(m->last - iova + 1);
        iova = m->last + 1;
    }
    snprintf(fault->mapping, NAME_SIZE, "%s", name);
    return false;
}

static void report(struct weir_siommu *s, struct weir_dma_fault *fault,
                   const struct weir_dma_who *who)
{
    if (who) {
        fault->queue = who->queue;
        fault->queue_index = who->queue_index;
        fault->descriptor = who->descriptor;
    }
    WEIR_PROBE4(dma_fault, fault->iova, fault->len, fault->write, fault->reason);
    pthread_mutex_lock(&s->last_lock);
    s->last = *fault;
    pthread_mutex_unlock(&s->last_lock);
    atomic_fetch_add_explicit(&s->faults, 1, memory_order_release);
    if (s->on_fault)
        s->on_fault(s->fault_user, fault);
}

/* Read or write a piece of memory that only its descriptor reaches. */
static int by_fd(const struct mapping *m, uint64_t at, uint8_t *buf, size_t len, bool write)
{
    uint64_t pos = m->offset + at;
    struct stat st;

    /* A write behind the end would make the file grow, one behind the limit raise SIGXFSZ, and with
     * O_APPEND each goes to the end. Its size is its owner's affair, and a device that writes where
     * there is no memory has failed. */
    if (write) {
        struct rlimit most;
        int flags = fcntl(m->fd, F_GETFL);
        if (flags < 0 || fstat(m->fd, &st) < 0 || getrlimit(RLIMIT_FSIZE, &most) < 0)
            return -errno;
        if (flags & O_APPEND || st.st_size < 0 || pos + len > (uint64_t)st.st_size ||
            pos + len > most.rlim_cur)
            return -EIO;
    }
    while (len) {
        struct iovec iov = {buf, len};
        ssize_t n;

        if (!write) {
            n = pread(m->fd, buf, len, (off_t)pos);
        } else {
            /* The owner may set O_APPEND just now. Kernels before 6.9 cannot be told to mind. */
            n = pwritev2(m->fd, &iov, 1, (off_t)pos, RWF_NOAPPEND);
            if (n < 0 && (errno == EOPNOTSUPP || errno == EINVAL))
                n = pwrite(m->fd, buf, len, (off_t)pos);
        }

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO;
        buf += n;
        pos += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* Copy, all of it being known to be mapped with the right to. */
static int copy(struct weir_siommu *s, uint64_t iova, uint8_t *buf, size_t len, bool write)
{
    while (len) {
        const struct mapping *m = look_up(s, iova);
        uint64_t at = iova - m->first;
        size_t n = len - 1 < m->last - iova ? len : (size_t)(m->last - iova + 1);
        int r = 0;

        if (m->va && write)
            memcpy(m->va + at, buf, n);
        else if (m->va)
            memcpy(buf, m->va + at, n);
        else if (m->fd >= 0)
            r = by_fd(m, at, buf, n, write);
        else
            r = s->remote ? s->remote(s->remote_user, iova, buf, n, write) : -ENOTCONN;
        if (r < 0)
            return r;
        buf += n;
        iova += n;
        len -= n;
    }
    return 0;
}

static int do_access(struct weir_siommu *s, uint64_t iova, void *buf, size_t len, bool write,
                     const struct weir_dma_who *who)
{
    struct weir_dma_fault fault = {.iova = iova, .len = len, .write = write};
    uint8_t *va = weir_siommu_ptr(s, iova, len, write);
    int r = 0;

    if (va && write) {
        memcpy(va, buf, len);
    } else if (va) {
        memcpy(buf, va, len);
    } else if (len) {
        if (!check(s, iova, len, write, &fault)) {
            report(s, &fault, who);
            return -EFAULT;
        }
        r = copy(s, iova, buf, len, write);
    }
    /* What is to be tried again is counted then. */
    if (s->iotlb && r != -EAGAIN)
        weir_siommu_touch(s, iova, len, who);
    return r;
}

int weir_siommu_read(struct weir_siommu *s, uint64_t iova, void *buf, size_t len,
                     const struct weir_dma_who *who)
{
    int r = do_access(s, iova, buf, len, false, who);

    if (r < 0)
        memset(buf, 0, len);
    return r;
}

int weir_siommu_write(struct weir_siommu *s, uint64_t iova, const void *buf, size_t len,
                      const struct weir_dma_who *who)
{
    /* Not written to: the cast is for the shared path. */
    return do_access(s, iova, (void *)(uintptr_t)buf, len, true, who);
}

/* What is known of a mapping's pages: their size, 0 if nothing is, and an address that is congruent
 * to the physical one as far as they go. */
static uint64_t backing(const struct weir_siommu *s, const struct mapping *m, uint64_t *at)
{
    /* A client's memory is as its descriptor has it; what it is here is of no account. */
    *at = s->remote || !m->va ? m->offset : (uintptr_t)m->va;
    return m->page;
}

/* Does a client map exactly one page of the IOMMU? Then that is what its own IOMMU holds. */
static bool one_page(const struct weir_siommu *s, const struct mapping *m, uint64_t pages)
{
    uint64_t len = m->last - m->first + 1;

    return s->remote && pages & len && !(len & (len - 1)) && !(m->first & (len - 1));
}

/* The leaf that translates iova: its size. *base: its start. */
static uint64_t leaf(const struct weir_siommu *s, const struct mapping *m, uint64_t iova,
                     uint64_t *base)
{
    uint64_t pages = weir_iotlb_pages(s->iotlb), size = pages & -pages, at;
    uint64_t page = backing(s, m, &at);

    if (one_page(s, m, pages)) {
        *base = m->first;
        return m->last - m->first + 1;
    }
    for (uint64_t left = pages & (pages - 1); left; left &= left - 1) {
        uint64_t next = left & -left, start = iova & ~(next - 1);

        if (next > page || ((at ^ m->first) & (next - 1)) || start < m->first ||
            start + (next - 1) > m->last)
            break;
        size = next;
    }
    *base = iova & ~(size - 1);
    return size;
}

void weir_siommu_touch(struct weir_siommu *s, uint64_t iova, size_t len,
                       const struct weir_dma_who *who)
{
    uint64_t last = iova + (len - 1);

    if (!s->iotlb || !len)
        return;
    for (;;) {
        const struct mapping *m = look_up(s, iova);
        uint64_t base, size;

        if (!m)
            return;
        size = leaf(s, m, iova, &base);
        weir_iotlb_access(s->iotlb, base, size, who);
        if (last - base < size)
            return;
        iova = base + size;
    }
}

bool weir_siommu_has_iotlb(const struct weir_siommu *s)
{
    return s->iotlb;
}

int weir_siommu_set_iotlb(struct weir_siommu *s, const struct weir_iotlb_options *opt,
                          struct weir_error *e)
{
    struct weir_iotlb *t = opt ? weir_iotlb_new(opt, e) : NULL, *old;

    if (opt && !t)
        return e ? e->err : -EINVAL;
    pthread_rwlock_wrlock(&s->lock);
    old = s->iotlb;
    s->iotlb = t;
    pthread_rwlock_unlock(&s->lock);
    weir_iotlb_free(old);
    return 0;
}

/* Count the leaves that a mapping is made of. */
static void count_leaves(const struct weir_siommu *s, const struct mapping *m,
                         struct weir_iotlb_stats *out)
{
    uint64_t pages = weir_iotlb_pages(s->iotlb), at, page = backing(s, m, &at);
    struct weir_superpage_request r = {
        .size = sizeof(r),
        .va = at,
        .len = m->last - m->first + 1,
        .iova = m->first,
        .page = one_page(s, m, pages) ? m->last - m->first + 1
                : page                ? page
                                      : pages & -pages,
        .iommu_pages = pages,
    };
    struct weir_superpage_plan plan;

    if (one_page(s, m, pages))
        r.va = m->first;
    if (weir_superpage_plan(&r, &plan, NULL) < 0)
        return; /* no such IOMMU could hold it */
    for (unsigned i = 0; i < out->n_pages; i++)
        out->leaves[i] += plan.leaves[__builtin_ctzll(out->page[i])];
}

bool weir_siommu_iotlb(struct weir_siommu *s, struct weir_iotlb_stats *out)
{
    bool any;

    pthread_rwlock_rdlock(&s->lock);
    any = s->iotlb;
    if (any && out) {
        weir_iotlb_read(s->iotlb, out);
        for (unsigned i = 0; i < s->n; i++)
            count_leaves(s, &s->maps[i], out);
    }
    pthread_rwlock_unlock(&s->lock);
    return any;
}

int weir_siommu_settle(struct weir_siommu *s)
{
    return s->remote ? s->remote(s->remote_user, 0, NULL, 0, true) : 0;
}

uint64_t weir_siommu_faults(struct weir_siommu *s, struct weir_dma_fault *last)
{
    uint64_t n = atomic_load_explicit(&s->faults, memory_order_acquire);

    if (last) {
        pthread_mutex_lock(&s->last_lock);
        *last = s->last;
        pthread_mutex_unlock(&s->last_lock);
    }
    return n;
}

void weir_siommu_count(struct weir_siommu *s, uint64_t *maps, uint64_t *bytes)
{
    if (maps)
        *maps = atomic_load_explicit(&s->count, memory_order_relaxed);
    if (bytes)
        *bytes = atomic_load_explicit(&s->bytes, memory_order_relaxed);
}
