/* SPDX-License-Identifier: BSD-3-Clause */
/* viable GROUP: "yes" or "no" as the kernel says, or "closed" if VFIO has no file for the group. */
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct vfio_group_status status = {.argsz = sizeof(status)};
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/dev/vfio/%s", argc > 1 ? argv[1] : "");
    fd = open(path, O_RDWR);
    if (fd < 0) {
        puts("closed");
        return 0;
    }
    if (ioctl(fd, VFIO_GROUP_GET_STATUS, &status) != 0) {
        perror("VFIO_GROUP_GET_STATUS");
        close(fd);
        return 1;
    }
    puts(status.flags & VFIO_GROUP_FLAGS_VIABLE ? "yes" : "no");
    close(fd);
    return 0;
}
