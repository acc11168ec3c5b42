/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake kernel's containers and groups: drivers/vfio/container.c, group.c, vfio_iommu_type1.c.
 */
#include "fake_vfio.h"

#include "lib/iommu/iova.h"
#include <linux/vfio.h>

/* ---- groups ---- */

struct fake_group *fake_group(int number)
{
    struct fake_group *g = fake.groups;

    for (; g < fake.groups + fake.n_groups; g++)
        if (g->number == number)
            return g;
    assert_true(fake.n_groups < sizeof(fake.groups) / sizeof(fake.groups[0]));
    fake.n_groups++;
    /* As an Intel IOMMU of the usual sort has them. */
    *g = (struct fake_group){.number = number,
                             .page_sizes = 0x40201000,
                             .last = ((uint64_t)1 << 48) - 1,
                             .file = -1,
                             .container = -1};
    fake_reserve(g, 0xfee00000, 0xfeefffff, "msi");
    return g;
}

/* iommu_group_dma_owner_claimed(): does a driver of the host's use a member? */
bool fake_viable(const struct fake_group *g)
{
    static const char *const harmless[] = {"", "pci-stub", "pcieport"};

    for (unsigned i = 0; i < fake.n_functions; i++) {
        bool ok = fake.functions[i].group != g->number || strstr(fake.functions[i].driver, "vfio");

        for (unsigned j = 0; j < sizeof(harmless) / sizeof(harmless[0]); j++)
            ok |= strcmp(fake.functions[i].driver, harmless[j]) == 0;
        if (!ok)
            return false;
    }
    return true;
}

unsigned fake_ranges(bool (*in)(const struct fake_group *g, const void *space), const void *space,
                     struct weir_iova_range *out, unsigned max, uint64_t *page_sizes)
{
    struct weir_iova_set set = {0};
    unsigned n;

    *page_sizes = UINT64_MAX;
    assert_int_equal(weir_iova_set_add(&set, 0, UINT64_MAX), 0);
    for (unsigned i = 0; i < fake.n_groups; i++) {
        const struct fake_group *g = &fake.groups[i];

        if (!in(g, space))
            continue;
        *page_sizes &= g->page_sizes;
        if (g->last != UINT64_MAX)
            weir_iova_set_remove(&set, g->last + 1, UINT64_MAX);
        for (unsigned j = 0; j < g->n_reserved; j++)
            if (strcmp(g->reserved[j].type, "direct-relaxable") != 0)
                weir_iova_set_remove(&set, g->reserved[j].first, g->reserved[j].last);
        for (unsigned j = 0; j < g->n_cuts; j++) {
            uint64_t at = g->cuts_from + j * 32 * MIB;

            weir_iova_set_remove(&set, at, at + 16 * MIB - 1);
        }
    }
    /* vfio_update_pgsize_bitmap(). */
    if (*page_sizes & (FAKE_PAGE - 1))
        *page_sizes = (*page_sizes & ~(uint64_t)(FAKE_PAGE - 1)) | FAKE_PAGE;
    n = set.n;
    for (unsigned i = 0; i < n && i < max; i++)
        out[i] = set.r[i];
    weir_iova_set_clear(&set);
    return n;
}

static bool in_container(const struct fake_group *g, const void *space)
{
    return g->container >= 0 && &fake.containers[g->container] == space;
}

static unsigned groups_in(const struct fake_space *c)
{
    unsigned n = 0;

    for (unsigned i = 0; i < fake.n_groups; i++)
        n += in_container(&fake.groups[i], c);
    return n;
}

/* vfio_iommu_type1_attach_group(): does what is mapped lie where the group reaches? */
static int attach(const struct fake_space *c, const struct fake_group *g)
{
    if (c->type == VFIO_NOIOMMU_IOMMU)
        return 0;
    for (unsigned i = 0; i < c->n_maps; i++) {
        uint64_t first = c->maps[i].iova, last = first + c->maps[i].size - 1;

        if (last > g->last)
            return -EINVAL;
        for (unsigned j = 0; j < g->n_reserved; j++)
            if (g->reserved[j].first <= last && g->reserved[j].last >= first &&
                strcmp(g->reserved[j].type, "direct-relaxable") != 0)
                return -EINVAL;
    }
    for (unsigned j = 0; j < g->n_reserved; j++)
        if (strcmp(g->reserved[j].type, "direct") == 0)
            return -EPERM;
    return g->unsafe ? -EPERM : 0;
}

/* vfio_container_attach_group(). */
static int set_container(struct fake_group *g, int fd)
{
    struct fake_file *file = fake_file_of(fd);
    struct fake_space *c;
    int r;

    if (!file || file->kind != FAKE_CONTAINER)
        return -EBADFD;
    if (g->container >= 0)
        return -EINVAL;
    c = &fake.containers[file->index];
    if (groups_in(c) && c->no_iommu != g->no_iommu)
        return -EPERM;
    if (!g->no_iommu && !fake_viable(g))
        return -EPERM;
    if (c->type) {
        r = attach(c, g);
        if (r)
            return r;
    }
    c->no_iommu = g->no_iommu;
    g->container = (int)file->index;
    return 0;
}

static void detach(struct fake_group *g)
{
    struct fake_space *c = &fake.containers[g->container];

    g->container = -1;
    if (groups_in(c) == 0) { /* the container is as new */
        c->type = 0;
        c->n_maps = 0;
    }
}

/* vfio_device_get_from_name() and vfio_pci_core_match(): "0000:01:00.0 vf_token=UUID". */
static int get_device(struct fake_group *g, const char *name)
{
    struct fake_function *f = NULL;
    const char *token = strstr(name, " vf_token=");
    struct fake_file *file;
    int fd;

    for (unsigned i = 0; i < fake.n_functions; i++)
        if (strncmp(fake.functions[i].address, name, strlen(fake.functions[i].address)) == 0)
            f = &fake.functions[i];
    if (!f || f->group != g->number || !strstr(f->driver, "vfio"))
        return -ENODEV;
    if (token && !f->token)
        return -EINVAL;
    if (f->token && (!token || strcmp(token + 10, f->token) != 0))
        return -EACCES;
    if (g->container < 0 || !fake.containers[g->container].type)
        return -EINVAL;
    /* Before Linux 5.12 it was inherited by exec(). */
    fd = fake_file_new(FAKE_DEVICE, (unsigned)(f - fake.functions), f->memory, false);
    file = fake_file_of(fd);
    file->works = true;
    f->opens++;
    fake_opened(f);
    g->devices++;
    return fd;
}

int fake_group_ioctl(struct fake_group *g, unsigned long request, void *arg)
{
    struct vfio_group_status *status = arg;

    switch (request) {
    case VFIO_GROUP_GET_STATUS:
        if (status->argsz < sizeof(*status))
            return -EINVAL;
        status->flags = g->container >= 0 ? VFIO_GROUP_FLAGS_CONTAINER_SET | VFIO_GROUP_FLAGS_VIABLE
                        : fake_viable(g)  ? VFIO_GROUP_FLAGS_VIABLE
                                          : 0;
        return 0;
    case VFIO_GROUP_SET_CONTAINER:
        return set_container(g, *(int *)arg);
    case VFIO_GROUP_UNSET_CONTAINER:
        if (g->container < 0)
            return -EINVAL;
        if (g->devices)
            return -EBUSY;
        detach(g);
        return 0;
    case VFIO_GROUP_GET_DEVICE_FD:
        return get_device(g, arg);
    default:
        return -ENOTTY;
    }
}

void fake_group_close(struct fake_group *g)
{
    /* In the kernel a device's file holds the group's; the library closes it first. */
    assert_int_equal(g->devices, 0);
    if (g->container >= 0)
        detach(g);
    g->file = -1;
}

/* ---- containers ---- */

static int check_extension(unsigned long type)
{
    return (type == VFIO_TYPE1_IOMMU && fake.type1) ||
           (type == VFIO_TYPE1v2_IOMMU && fake.type1v2) ||
           (type == VFIO_NOIOMMU_IOMMU && fake.no_iommu_mode);
}

/* vfio_ioctl_set_iommu(). */
static int set_iommu(struct fake_space *c, unsigned long type)
{
    fake.set_iommus++;
    if (!groups_in(c) || c->type)
        return -EINVAL;
    if (!check_extension(type) || c->no_iommu != (type == VFIO_NOIOMMU_IOMMU))
        return -ENODEV;
    if (c->no_iommu && fake.euid)
        return -EPERM;
    for (unsigned i = 0; i < fake.n_groups; i++) {
        int r = in_container(&fake.groups[i], c) ? attach(c, &fake.groups[i]) : 0;

        if (r && type != VFIO_NOIOMMU_IOMMU)
            return r;
    }
    c->type = (int)type;
    return 0;
}

/* vfio_info_cap_add(): the next one's place, or as much as fits of it. */
static void add_cap(uint8_t *caps, size_t *len, size_t *last, uint16_t id, const void *body,
                    size_t size)
{
    struct vfio_info_cap_header header = {.id = id, .version = 1};
    uint32_t next = (uint32_t)(*len + sizeof(struct vfio_iommu_type1_info));

    if (*len)
        memcpy(caps + *last + offsetof(struct vfio_info_cap_header, next), &next, sizeof(next));
    *last = *len;
    memcpy(caps + *len, &header, sizeof(header));
    memcpy(caps + *len + sizeof(header), body, size);
    *len += sizeof(header) + size;
    if (fake.caps == FAKE_CAPS_ALIGNED)
        *len = (*len + 7) & ~(size_t)7;
}

/* vfio_iommu_type1_get_info(). */
static int get_info(struct fake_space *c, struct vfio_iommu_type1_info *info)
{
    struct {
        uint32_t n, reserved;
        struct weir_iova_range ranges[80];
    } iova = {0};
    uint64_t page_sizes, migration[3] = {0, FAKE_PAGE, (uint64_t)1 << 31};
    uint32_t avail = fake.entry_limit - c->n_maps;
    uint8_t caps[2048] = {0};
    size_t len = 0, last = 0;

    fake.infos++;
    if (info->argsz < offsetof(struct vfio_iommu_type1_info, cap_offset))
        return -EINVAL;
    iova.n = fake_ranges(in_container, c, iova.ranges, 80, &page_sizes);
    info->flags = VFIO_IOMMU_INFO_PGSIZES;
    info->iova_pgsizes = page_sizes;
    if (fake.caps == FAKE_CAPS_NONE)
        return 0;
    add_cap(caps, &len, &last, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, migration, sizeof(migration));
    if (fake.caps != FAKE_CAPS_NO_AVAIL)
        add_cap(caps, &len, &last, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, &avail, sizeof(avail));
    add_cap(caps, &len, &last, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, &iova,
            8 + iova.n * sizeof(iova.ranges[0]));
    info->flags |= VFIO_IOMMU_INFO_CAPS;
    if (info->argsz < sizeof(*info) + len) {
        info->argsz = (uint32_t)(sizeof(*info) + len);
        return 0;
    }
    memcpy(info + 1, caps, len);
    info->cap_offset = sizeof(*info);
    return 0;
}

/* The first mapping that has any of [first, last]. */
static struct fake_map *find_map(struct fake_space *s, uint64_t first, uint64_t last)
{
    for (unsigned i = 0; i < s->n_maps; i++)
        if (s->maps[i].iova <= last && s->maps[i].iova + s->maps[i].size - 1 >= first)
            return &s->maps[i];
    return NULL;
}

/* vfio_dma_do_map(). */
static int map_dma(struct fake_space *c, const struct vfio_iommu_type1_dma_map *m)
{
    struct weir_iova_range ranges[80];
    uint64_t page_sizes, last = m->iova + m->size - 1;
    unsigned n = fake_ranges(in_container, c, ranges, 80, &page_sizes), i = 0;
    unsigned prot = (m->flags & VFIO_DMA_MAP_FLAG_READ ? WEIR_PROT_READ : 0u) |
                    (m->flags & VFIO_DMA_MAP_FLAG_WRITE ? WEIR_PROT_WRITE : 0u);
    int err;

    fake.maps++;
    if (m->argsz < sizeof(*m) || !prot || !m->size ||
        (m->size | m->iova | m->vaddr) & ((page_sizes & -page_sizes) - 1) || last < m->iova)
        return -EINVAL;
    if (find_map(c, m->iova, last))
        return -EEXIST;
    if (c->n_maps >= fake.entry_limit)
        return -ENOSPC;
    while (i < n && !(m->iova >= ranges[i].first && last <= ranges[i].last))
        i++;
    if (i == n)
        return -EINVAL;
    err = fake_check_memory(c, m->vaddr, m->size);
    if (err)
        return -err;
    assert_true(c->n_maps < sizeof(c->maps) / sizeof(c->maps[0]));
    c->maps[c->n_maps++] = (struct fake_map){m->iova, m->size, m->vaddr, prot};
    return 0;
}

/* vfio_dma_do_unmap(). */
static int unmap_dma(struct fake_space *c, struct vfio_iommu_type1_dma_unmap *m)
{
    uint64_t last = m->iova + m->size - 1, unmapped = 0;
    struct fake_map *map = find_map(c, m->iova, last);

    fake.unmaps++;
    if (m->argsz < sizeof(*m) || !m->size || (m->size | m->iova) & (FAKE_PAGE - 1) ||
        last < m->iova)
        return -EINVAL;
    /* Not a part of one; version 1 says so by a size of 0. */
    if (map && (map->iova < m->iova || map->iova + map->size - 1 > last)) {
        m->size = 0;
        return c->type == VFIO_TYPE1v2_IOMMU ? -EINVAL : 0;
    }
    for (; (map = find_map(c, m->iova, last)); *map = c->maps[--c->n_maps])
        unmapped += map->size;
    m->size = unmapped;
    return 0;
}

int fake_container_ioctl(struct fake_space *c, unsigned long request, void *arg)
{
    switch (request) {
    case VFIO_GET_API_VERSION:
        return fake.api_version;
    case VFIO_CHECK_EXTENSION:
        return check_extension((unsigned long)arg);
    case VFIO_SET_IOMMU:
        return set_iommu(c, (unsigned long)arg);
    default:
        if (!c->type || c->type == VFIO_NOIOMMU_IOMMU)
            return c->type ? -ENOTTY : -EINVAL;
    }
    switch (request) {
    case VFIO_IOMMU_GET_INFO:
        return get_info(c, arg);
    case VFIO_IOMMU_MAP_DMA:
        return map_dma(c, arg);
    case VFIO_IOMMU_UNMAP_DMA:
        return unmap_dma(c, arg);
    default:
        return -ENOTTY;
    }
}
