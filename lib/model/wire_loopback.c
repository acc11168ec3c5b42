/* SPDX-License-Identifier: BSD-3-Clause */
/* A plug that joins the transmit side to the receive side: what is sent comes back, in order. */
#include "lib/model/framering.h"
#include "lib/model/wires.h"
#include <errno.h>
#include <stdlib.h>
#include <weir/error.h>

#define RING_BYTES (512u * 1024)

static int loopback_open(struct weir *w, const char *args, void **priv, struct weir_error *e)
{
    struct weir_framering *r;
    int err = weir_args_parse("loopback", args, NULL, 0, e);

    (void)w;
    if (err)
        return err;
    r = malloc(sizeof *r);
    if (!r || weir_framering_init(r, RING_BYTES)) {
        free(r);
        return weir_fail(e, -ENOMEM, "no-memory", "open a loopback wire\nout of memory");
    }
    *priv = r;
    return 0;
}

static void loopback_close(void *priv)
{
    weir_framering_destroy(priv);
    free(priv);
}

static bool loopback_rx(void *priv, struct weir_frame *frame)
{
    return weir_framering_take(priv, frame);
}

/* Full: the sender holds its frame back until it has received some, so nothing is lost. */
static bool loopback_tx(void *priv, const struct iovec *iov, unsigned n, uint32_t len)
{
    return weir_framering_put(priv, iov, n, len);
}

static uint64_t loopback_deadline(void *priv)
{
    return weir_framering_ready(priv) ? 0 : UINT64_MAX;
}

const struct weir_wire_ops weir_wire_loopback = {
    .kind = "loopback",
    .help = "",
    .open = loopback_open,
    .close = loopback_close,
    .rx = loopback_rx,
    .tx = loopback_tx,
    .deadline = loopback_deadline,
};
