// SPDX-License-Identifier: BSD-3-Clause
// The kernel's own answers on a group and a type1 container, by plain ioctl()s: the ground that the
// cases of the library's backends stand on. VFIO names one device that is bound to vfio-pci.
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int container;
static int group;

static int open_group(const char *device)
{
    char path[128], link[256];
    ssize_t n;

    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/iommu_group", device);
    n = readlink(path, link, sizeof link - 1);
    assert_true(n > 0);
    link[n] = '\0';
    snprintf(path, sizeof path, "/dev/vfio/%s", strrchr(link, '/') + 1);
    return open(path, O_RDWR | O_CLOEXEC);
}

static void test_container(void **state)
{
    (void)state;
    container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
    assert_true(container >= 0);
    assert_int_equal(ioctl(container, VFIO_GET_API_VERSION), VFIO_API_VERSION);
    assert_int_equal(ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU), 1);
}

static void test_group(void **state)
{
    struct vfio_group_status status = {.argsz = sizeof status};

    (void)state;
    group = open_group(getenv("VFIO"));
    assert_true(group >= 0);
    assert_int_equal(open_group(getenv("VFIO")), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(ioctl(group, VFIO_GROUP_GET_STATUS, &status), 0);
    assert_true(status.flags & VFIO_GROUP_FLAGS_VIABLE);
    assert_int_equal(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), 0);
    assert_int_equal(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
}

static void test_map(void **state)
{
    void *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct vfio_iommu_type1_dma_map map = {.argsz = sizeof map,
                                           .flags = VFIO_DMA_MAP_FLAG_READ,
                                           .vaddr = (uintptr_t)memory,
                                           .iova = 0x100000,
                                           .size = 8192};
    struct vfio_iommu_type1_dma_unmap unmap = {
        .argsz = sizeof unmap, .iova = 0x100000, .size = 8192};

    (void)state;
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(ioctl(container, VFIO_IOMMU_MAP_DMA, &map), 0);
    assert_int_equal(ioctl(container, VFIO_IOMMU_MAP_DMA, &map), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap), 0);
    assert_int_equal(unmap.size, 8192);
    map.iova = 0xfee00000; // where MSIs go
    assert_int_equal(ioctl(container, VFIO_IOMMU_MAP_DMA, &map), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(munmap(memory, 8192), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_container),
        cmocka_unit_test(test_group),
        cmocka_unit_test(test_map),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
