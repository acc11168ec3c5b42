/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/model/client_memory.h"
#include "lib/vfio-user/memory.h"
#include "lib/vfio-user/proto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/driver/driver.h>

/* What one client may map: memfds may be larger than any memory, address space is not. */
#define MAX_BYTES ((uint64_t)16 << 40)
#define MAX_FILES 256

/* A file that is reached by pread() and pwrite(), kept once for all its mappings: behind an IOMMU
 * that maps single pages there may be thousands. */
struct file {
    dev_t dev;
    ino_t ino;
    int mode; /* O_ACCMODE */
    int fd;
    unsigned refs;
};

struct weir_client_memory {
    struct weir *weir;
    struct weir_siommu *siommu;
    struct file files[MAX_FILES];
    unsigned n_files;
    bool told; /* that it goes by pread() */
};

struct weir_client_memory *weir_client_memory_new(struct weir *w, weir_siommu_remote_fn *remote,
                                                  void *user)
{
    struct weir_client_memory *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->weir = w;
    c->siommu = weir_siommu_new(NULL);
    if (!c->siommu) {
        free(c);
        return NULL;
    }
    weir_siommu_set_remote(c->siommu, remote, user);
    return c;
}

void weir_client_memory_free(struct weir_client_memory *c)
{
    if (!c)
        return;
    weir_client_memory_clear(c);
    weir_siommu_free(c->siommu);
    free(c);
}

struct weir_siommu *weir_client_memory_siommu(struct weir_client_memory *c)
{
    return c->siommu;
}

/* Keep *fd, or use the one that is kept for the same file. A descriptor or -errno. */
static int get_file(struct weir_client_memory *c, int *fd)
{
    struct stat st;
    int mode = fcntl(*fd, F_GETFL);

    if (mode < 0 || fstat(*fd, &st))
        return -errno;
    mode &= O_ACCMODE;
    for (unsigned i = 0; i < c->n_files; i++) {
        struct file *f = &c->files[i];
        if (f->dev == st.st_dev && f->ino == st.st_ino && f->mode == mode) {
            f->refs++;
            return f->fd;
        }
    }
    if (c->n_files == MAX_FILES)
        return -EMFILE;
    c->files[c->n_files++] =
        (struct file){.dev = st.st_dev, .ino = st.st_ino, .mode = mode, .fd = *fd, .refs = 1};
    int kept = *fd;
    *fd = -1;
    return kept;
}

static void put_file(struct weir_client_memory *c, int fd)
{
    for (unsigned i = 0; i < c->n_files; i++) {
        struct file *f = &c->files[i];
        if (f->fd != fd)
            continue;
        if (--f->refs == 0) {
            close(f->fd);
            *f = c->files[--c->n_files];
        }
        return;
    }
}

static void let_go(void *user, const struct weir_mem *mem)
{
    struct weir_client_memory *c = user;

    if (mem->va)
        weir_vfu_memory_unmap(mem->va, mem->offset, mem->len, mem->page);
    else if (mem->fd >= 0)
        put_file(c, mem->fd);
}

/* Find the way to what *fd stands for. */
static int reach(struct weir_client_memory *c, struct weir_mem *mem, unsigned prot, int *fd)
{
    struct weir_vfu_memory m;

    int r = weir_vfu_memory_map(*fd, mem->offset, mem->len,
                                PROT_READ | (prot & WEIR_PROT_WRITE ? PROT_WRITE : 0), &m);
    if (!r) {
        mem->va = m.va;
        mem->page = m.page;
        return 0;
    }
    /* Not sealed, or more mappings than a process may have. */
    if (r != -EPERM && r != -ENOMEM)
        return r;
    int r2 = weir_vfu_memory_by_fd(*fd, mem->offset, mem->len);
    if (r2)
        return r;
    mem->fd = get_file(c, fd);
    if (mem->fd < 0)
        return mem->fd;
    if (!c->told)
        weir_log(c->weir, WEIR_LOG_WARNING, "vfio-user",
                 "the client's memory could shrink at any time (%s): it is not mapped, and DMA is "
                 "slow; seal its memfd with F_SEAL_SHRINK",
                 r == -EPERM ? "no seal" : "no mapping");
    c->told = true;
    return 0;
}

int weir_client_memory_map(struct weir_client_memory *c, uint64_t iova, uint64_t size,
                           unsigned prot, int *fd, uint64_t offset)
{
    uint64_t maps, bytes;
    char name[64];
    int r = 0;

    weir_siommu_count(c->siommu, &maps, &bytes);
    if (maps >= WEIR_VFU_MAX_MAPS || size > MAX_BYTES || bytes > MAX_BYTES - size)
        return -ENOSPC;
    snprintf(name, sizeof(name), "client memory %#llx to %#llx", (unsigned long long)iova,
             (unsigned long long)(iova + size - 1));
    struct weir_mem mem = {.len = size, .fd = -1, .offset = offset, .name = name};
    if (*fd >= 0)
        r = reach(c, &mem, prot, fd);
    if (r)
        return r;
    r = weir_siommu_map(c->siommu, &mem, iova, prot);
    if (r)
        let_go(c, &mem);
    return r;
}

int weir_client_memory_unmap(struct weir_client_memory *c, uint64_t iova, uint64_t size)
{
    return weir_siommu_unmap(c->siommu, iova, size, let_go, c);
}

void weir_client_memory_clear(struct weir_client_memory *c)
{
    weir_siommu_unmap(c->siommu, 0, UINT64_MAX, let_go, c);
    c->told = false;
}
