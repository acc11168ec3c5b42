/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Has a server come back? That something listens is not enough: the kernel accepts connections for
 * a process that is stopped, or busy with another client. So ask for the version, and look now and
 * then whether an answer came. Nothing here waits.
 */
#ifndef WEIR_VFIO_USER_PROBE_H
#define WEIR_VFIO_USER_PROBE_H

#include <stdbool.h>

struct weir_vfu_probe {
    int fd; /* of the connection that was asked on; -1: none */
};

/* Ask the server at path, or look for its answer. True once it has answered and has room for a
 * client; the connection is then closed. */
bool weir_vfu_probe(struct weir_vfu_probe *p, const char *path);
/* Give up asking. */
void weir_vfu_probe_end(struct weir_vfu_probe *p);

#endif
