/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers of VFIO that end in a chain of capabilities. */
#include "lib/iommu/vfio.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define MAX_INFO (1u << 20) /* bytes that are believed */

void *weir_vfio_info(int fd, unsigned long request, uint32_t size, uint32_t index)
{
    uint32_t room = size, *info = NULL; /* argsz, flags, index or what is only answered */

    for (int i = 0; i < 4; i++) { /* it may grow between two calls */
        void *larger = realloc(info, room);

        if (!larger)
            break;
        info = larger;
        memset(info, 0, room);
        info[0] = room;
        info[2] = index;
        if (ioctl(fd, request, info))
            break;
        if (info[0] <= room) {
            info[0] = room; /* what is there to be read */
            return info;
        }
        errno = EMSGSIZE;
        if (info[0] > MAX_INFO)
            break;
        room = info[0];
    }
    free(info);
    return NULL;
}

int weir_vfio_cap(const void *info, uint32_t size, bool any, uint32_t at, uint16_t id, size_t len)
{
    struct vfio_info_cap_header cap;
    uint32_t end = *(const uint32_t *)info;

    if (!any)
        return 0;
    do {
        if (at < size || at > end - sizeof(cap))
            return -EINVAL;
        memcpy(&cap, (const uint8_t *)info + at, sizeof(cap));
        if (cap.id == id)
            return end - at >= len ? (int)at : -EINVAL;
        if (cap.next && cap.next <= at)
            return -EINVAL;
        at = cap.next;
    } while (at);
    return 0;
}
