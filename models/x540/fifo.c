/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receive packet buffer: frames that wait for descriptors, in order. Each lies in one piece
 * behind its length; one that does not fit before the end of memory starts over at its beginning.
 */
#include "xm.h"
#include <errno.h>
#include <stdlib.h>

#define HEAD 4u /* bytes of length before a frame; frames are aligned to it */

static uint32_t need(uint32_t len)
{
    return HEAD + ((len + HEAD - 1) & ~(HEAD - 1));
}

int weir_xm_fifo_init(struct xm_fifo *f)
{
    f->buf = malloc(XM_FIFO);
    weir_xm_fifo_clear(f);
    return f->buf ? 0 : -ENOMEM;
}

void weir_xm_fifo_clear(struct xm_fifo *f)
{
    f->head = f->tail = f->used = 0;
    f->wrap = XM_FIFO;
}

/* Where a frame of n bytes with its head would go, or XM_FIFO. */
static uint32_t place(const struct xm_fifo *f, uint32_t n)
{
    if (!f->used)
        return 0;
    if (f->tail > f->head) {
        if (XM_FIFO - f->tail >= n)
            return f->tail;
        return f->head >= n ? 0 : XM_FIFO;
    }
    return f->head - f->tail >= n ? f->tail : XM_FIFO;
}

bool weir_xm_fifo_room(const struct xm_fifo *f, uint32_t len)
{
    return place(f, need(len)) < XM_FIFO;
}

bool weir_xm_fifo_put(struct xm_fifo *f, const uint8_t *data, uint32_t len)
{
    uint32_t n = need(len), at = place(f, n);

    if (at == XM_FIFO)
        return false;
    if (!f->used) {
        f->head = 0;
        f->wrap = XM_FIFO;
    } else if (at < f->tail) {
        f->wrap = f->tail; /* what follows it is not used this time round */
    }
    memcpy(f->buf + at, &len, HEAD);
    memcpy(f->buf + at + HEAD, data, len);
    f->tail = at + n;
    f->used += n;
    return true;
}

const uint8_t *weir_xm_fifo_peek(const struct xm_fifo *f, uint32_t *len)
{
    if (!f->used)
        return NULL;
    memcpy(len, f->buf + f->head, HEAD);
    return f->buf + f->head + HEAD;
}

void weir_xm_fifo_pop(struct xm_fifo *f)
{
    uint32_t len;
    memcpy(&len, f->buf + f->head, HEAD);
    f->head += need(len);
    f->used -= need(len);
    if (f->head == f->wrap) {
        f->head = 0;
        f->wrap = XM_FIFO;
    }
}
