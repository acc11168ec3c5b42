/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake kernel's iommufd, with one IOAS for each open file: drivers/iommu/iommufd/. */
#include "fake_vfio.h"

#include <linux/vfio.h>

#define IOAS 1u

static unsigned index_of(const struct fake_space *s)
{
    return (unsigned)(s - fake.iommufds);
}

static bool in_ioas(const struct fake_group *g, const void *space)
{
    for (unsigned i = 0; i < fake.n_functions; i++)
        if (fake.functions[i].group == g->number && fake.functions[i].attached &&
            fake.functions[i].bound == (int)index_of(space))
            return true;
    return false;
}

/* iommufd_ioas_iova_ranges(). */
static int iova_ranges(struct fake_space *s, struct abi_ioas_iova_ranges *q)
{
    struct weir_iova_range ranges[80];
    uint64_t page_sizes;
    uint32_t room = q->n;

    if (q->size != sizeof(*q) || q->reserved)
        return -EOPNOTSUPP;
    if (q->ioas != IOAS)
        return -ENOENT;
    q->n = fake_ranges(in_ioas, s, ranges, 80, &page_sizes);
    q->alignment = page_sizes & -page_sizes;
    memcpy((void *)(uintptr_t)q->ranges, ranges, (q->n < room ? q->n : room) * sizeof(ranges[0]));
    return q->n > room ? -EMSGSIZE : 0;
}

/* iopt_check_iova(), and pinning. */
static int map(struct fake_space *s, const struct abi_ioas_map *m)
{
    struct weir_iova_range ranges[80];
    uint64_t page_sizes, last = m->iova + m->len - 1;
    unsigned n = fake_ranges(in_ioas, s, ranges, 80, &page_sizes), i = 0;
    int err;

    fake.maps++;
    if (m->size != sizeof(*m) || !(m->flags & ABI_IOAS_MAP_FIXED_IOVA) || m->reserved)
        return -EOPNOTSUPP;
    if (m->ioas != IOAS)
        return -ENOENT;
    if (last < m->iova || last == UINT64_MAX)
        return -EOVERFLOW;
    if (!(m->flags & (ABI_IOAS_MAP_READ | ABI_IOAS_MAP_WRITE)) || !m->len ||
        (m->iova | m->len) & ((page_sizes & -page_sizes) - 1))
        return -EINVAL;
    while (i < n && !(m->iova >= ranges[i].first && last <= ranges[i].last))
        i++;
    if (i == n)
        return -EINVAL;
    for (unsigned j = 0; j < s->n_maps; j++)
        if (s->maps[j].iova <= last && s->maps[j].iova + s->maps[j].size > m->iova)
            return -EEXIST;
    err = fake_check_memory(s, m->va, m->len);
    if (err)
        return -err;
    assert_true(s->n_maps < sizeof(s->maps) / sizeof(s->maps[0]));
    s->maps[s->n_maps++] =
        (struct fake_map){m->iova, m->len, m->va,
                          (m->flags & ABI_IOAS_MAP_READ ? WEIR_PROT_READ : 0u) |
                              (m->flags & ABI_IOAS_MAP_WRITE ? WEIR_PROT_WRITE : 0u)};
    return 0;
}

/* iommufd_ioas_unmap(). */
static int unmap(struct fake_space *s, struct abi_ioas_unmap *m)
{
    uint64_t end = m->iova + m->len, unmapped = 0;

    fake.unmaps++;
    if (m->size != sizeof(*m))
        return -EOPNOTSUPP;
    if (m->ioas != IOAS)
        return -ENOENT;
    for (unsigned i = s->n_maps; i-- > 0;) {
        uint64_t first = s->maps[i].iova, last = first + s->maps[i].size;

        if (last <= m->iova || first >= end)
            continue;
        if (first < m->iova || last > end)
            return -ENOENT;
        unmapped += s->maps[i].size;
        s->maps[i] = s->maps[--s->n_maps];
    }
    m->len = unmapped;
    return unmapped ? 0 : -ENOENT;
}

/* iommufd_vfio_iommu_get_info(); the caller is one that wants the page sizes alone. */
static int get_info(struct fake_space *s, struct vfio_iommu_type1_info *info)
{
    struct weir_iova_range ranges[80];
    uint64_t page_sizes;

    fake.infos++;
    if (!s->compat)
        return -ENODEV;
    fake_ranges(in_ioas, s, ranges, 80, &page_sizes);
    info->flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
    info->iova_pgsizes = page_sizes;
    info->argsz = 200;
    return 0;
}

int fake_iommufd_ioctl(struct fake_space *s, unsigned long request, void *arg)
{
    struct abi_ioas_alloc *alloc = arg;
    struct abi_vfio_ioas *compat = arg;

    switch (request) {
    case ABI_IOAS_ALLOC:
        if (alloc->size != sizeof(*alloc) || alloc->flags)
            return -EOPNOTSUPP;
        s->ioas = true;
        alloc->ioas = IOAS;
        return 0;
    case ABI_VFIO_IOAS:
        if (compat->size != sizeof(*compat) || compat->reserved || compat->op != ABI_VFIO_IOAS_SET)
            return -EOPNOTSUPP;
        if (compat->ioas != IOAS)
            return -ENOENT;
        s->compat = true;
        return 0;
    case ABI_IOAS_IOVA_RANGES:
        return iova_ranges(s, arg);
    case ABI_IOAS_MAP:
        return map(s, arg);
    case ABI_IOAS_UNMAP:
        return unmap(s, arg);
    case VFIO_IOMMU_GET_INFO:
        return get_info(s, arg);
    default:
        return -ENOTTY;
    }
}

void fake_iommufd_close(struct fake_space *s)
{
    /* A bound device keeps it alive; the library closes that first. */
    for (unsigned i = 0; i < fake.n_functions; i++)
        assert_int_not_equal(fake.functions[i].bound, (int)index_of(s));
    s->used = false;
}

/* ---- a device's own file ---- */

static struct fake_function *function_of(const struct fake_file *file)
{
    return &fake.functions[file->index];
}

static bool owned_by_another(const struct fake_function *f, int iommufd)
{
    for (unsigned i = 0; i < fake.n_functions; i++)
        if (fake.functions[i].group == f->group && fake.functions[i].bound >= 0 &&
            fake.functions[i].bound != iommufd)
            return true;
    return false;
}

/* vfio_df_ioctl_bind_iommufd(), vfio_df_check_token(), iommufd_device_bind(). */
static int bind(struct fake_file *file, struct abi_device_bind *b)
{
    struct fake_function *f = function_of(file);
    struct fake_group *g = fake_group(f->group);
    struct fake_file *iommufd = fake_file_of(b->iommufd);
    bool with_token = b->flags & ABI_BIND_FLAG_TOKEN;
    char token[40] = "";

    if (b->argsz < ABI_BIND_ARGSZ || b->iommufd < 0 ||
        b->flags & ~(fake.bind_token ? ABI_BIND_FLAG_TOKEN : 0u))
        return -EINVAL;
    if (g->file >= 0 || g->elsewhere)
        return -EBUSY;
    if (file->works || f->bound >= 0) /* bound through this file, or another */
        return -EINVAL;
    if (!iommufd || iommufd->kind != FAKE_IOMMUFD)
        return -EBADFD;
    if (with_token) {
        const uint8_t *t = (const void *)(uintptr_t)b->token;

        assert_true(b->argsz >= sizeof(*b));
        for (unsigned i = 0; i < 16; i++)
            snprintf(token + strlen(token), 4, "%s%02x",
                     i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", t[i]);
    }
    if (fake.bind_token && with_token != (f->token != NULL))
        return with_token ? -EINVAL : -EACCES;
    if (with_token && strcmp(token, f->token) != 0)
        return -EACCES;
    if (g->unsafe || !fake_viable(g) || owned_by_another(f, (int)iommufd->index))
        return -EPERM;
    f->bound = (int)iommufd->index;
    b->devid = file->index + 10;
    g->cdevs++;
    f->opens++;
    fake_opened(f);
    file->works = true;
    return 0;
}

/* iopt_table_enforce_dev_resv_regions(), iopt_table_add_domain(). */
static int attach(struct fake_file *file, const struct abi_device_attach *a)
{
    struct fake_function *f = function_of(file);
    const struct fake_group *g = fake_group(f->group);
    const struct fake_space *s;

    if (a->argsz < sizeof(*a) || a->flags || !file->works)
        return -EINVAL;
    s = &fake.iommufds[f->bound];
    if (a->pt != IOAS || !s->ioas)
        return -ENOENT;
    for (unsigned i = 0; i < s->n_maps; i++) {
        uint64_t first = s->maps[i].iova, last = first + s->maps[i].size - 1;

        if (last > g->last)
            return -EADDRINUSE;
        for (unsigned j = 0; j < g->n_reserved; j++)
            if (g->reserved[j].first <= last && g->reserved[j].last >= first &&
                strcmp(g->reserved[j].type, "direct-relaxable") != 0)
                return -EADDRINUSE;
    }
    f->attached = true;
    return 0;
}

int fake_cdev_ioctl(struct fake_file *file, unsigned long request, void *arg)
{
    switch (request) {
    case ABI_DEVICE_BIND_IOMMUFD:
        return bind(file, arg);
    case ABI_DEVICE_ATTACH_PT:
        return attach(file, arg);
    case ABI_DEVICE_DETACH_PT:
        if (!file->works)
            return -EINVAL;
        function_of(file)->attached = false;
        return 0;
    default:
        return file->works ? 1 : -EINVAL; /* 1: of the device, not of its file */
    }
}

void fake_cdev_close(struct fake_file *file)
{
    struct fake_function *f = function_of(file);

    if (!file->works)
        return;
    f->bound = -1;
    f->attached = false;
    fake_group(f->group)->cdevs--;
}
