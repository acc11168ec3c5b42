/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <weir/driver/ring.h>
#include <weir/error.h>

int weir_ring_alloc(struct weir_arena *a, uint32_t count, uint32_t desc_size, size_t align,
                    struct weir_ring *out, struct weir_error *e)
{
    size_t bytes;
    int ret;

    *out = (struct weir_ring){0};
    if (!count || !desc_size || __builtin_mul_overflow((size_t)count, desc_size, &bytes))
        return weir_fail(e, -EINVAL, "ring-size",
                         "allocate a descriptor ring\n%u descriptors of %u bytes make no ring",
                         count, desc_size);
    ret = weir_dma_alloc(a, bytes, align, &out->mem, e);
    if (ret)
        return ret;
    out->arena = a;
    out->count = count;
    out->desc_size = desc_size;
    return 0;
}

void weir_ring_free(struct weir_ring *r)
{
    if (r->arena)
        weir_dma_free(r->arena, &r->mem);
    *r = (struct weir_ring){0};
}
