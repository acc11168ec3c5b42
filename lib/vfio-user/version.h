/* SPDX-License-Identifier: BSD-3-Clause */
/* The VERSION message: a version and, as JSON, what each end can do. */
#ifndef WEIR_VFIO_USER_VERSION_H
#define WEIR_VFIO_USER_VERSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which capabilities a text named, or is to name. */
enum {
    WEIR_VFU_CAP_MAX_FDS = 1,
    WEIR_VFU_CAP_MAX_DATA = 2,
    WEIR_VFU_CAP_MAX_MAPS = 4,
    WEIR_VFU_CAP_PGSIZES = 8,
    WEIR_VFU_CAP_WRITE_MULTI = 16,
    WEIR_VFU_CAP_ALL = 31,
};

struct weir_vfu_caps {
    uint16_t major, minor;
    bool text;      /* JSON came along */
    unsigned named; /* WEIR_VFU_CAP_* */
    /* The protocol's defaults where they are not named. */
    uint64_t max_fds, max_data, max_maps, pgsizes;
    bool write_multi;
};

/* Read the body of a VERSION message. 0 or -EINVAL with what is wrong with it in why. */
int weir_vfu_version_parse(const void *body, size_t len, struct weir_vfu_caps *caps, char *why,
                           size_t why_size);

/* Write the body of a VERSION message, with the capabilities of caps->named if caps->text. Bytes
 * written; 0 if they do not fit or memory is short. */
size_t weir_vfu_version_format(const struct weir_vfu_caps *caps, void *body, size_t size);

#endif
