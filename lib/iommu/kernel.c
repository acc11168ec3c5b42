/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of the kernel's interfaces a space goes through. */
#include "lib/iommu/vfio.h"

#include <errno.h>
#include <unistd.h>

bool weir_space_vfio_api(const struct weir_space *s, enum weir_vfio_api *api)
{
    const struct weir_space_ops *ops = weir_space_ops(s);

    *api = ops == &weir_type1_ops     ? WEIR_VFIO_CONTAINER
           : ops == &weir_noiommu_ops ? WEIR_VFIO_NOIOMMU
           : ops == &weir_iommufd_ops ? WEIR_VFIO_IOMMUFD
                                      : WEIR_VFIO_AUTO;
    return *api != WEIR_VFIO_AUTO;
}

enum weir_vfio_api weir_vfio_choose(const char *cdev, int mode, bool token)
{
    if (access(cdev, F_OK))
        return WEIR_VFIO_CONTAINER;
    if (access("/dev/vfio/vfio", F_OK))
        return WEIR_VFIO_IOMMUFD;
    return !token && access(cdev, mode) == 0 && access("/dev/iommu", R_OK | W_OK) == 0
               ? WEIR_VFIO_IOMMUFD
               : WEIR_VFIO_CONTAINER;
}

static int limit(struct weir_space *s, enum weir_vfio_api api, const struct weir_space_options *opt,
                 struct weir_error *e)
{
    int r = weir_space_allow(s, opt->allowed, opt->n_allowed, e);

    if (r == 0 && api == WEIR_VFIO_IOMMUFD)
        r = weir_iommufd_allow(s, opt->allowed, opt->n_allowed, e);
    return r;
}

struct weir_space *weir_space_new(struct weir *w, const struct weir_space_options *opt,
                                  struct weir_error *e)
{
    enum weir_vfio_api api = opt ? opt->api : WEIR_VFIO_AUTO;
    struct weir_space *s = NULL;

    if (opt && opt->size != sizeof(*opt)) {
        weir_fail(e, -EINVAL, "options-size",
                  "make a space\nweir_space_options.size is %zu, this library expects %zu\n"
                  "set it to sizeof(struct weir_space_options)",
                  opt->size, sizeof(*opt));
        return NULL;
    }
    /* The folder is there if the kernel makes a file for each device (CONFIG_VFIO_DEVICE_CDEV). */
    if (api == WEIR_VFIO_AUTO)
        api = weir_vfio_choose("/dev/vfio/devices", F_OK, false);
    switch (api) {
    case WEIR_VFIO_IOMMUFD:
        s = weir_space_iommufd(w, e);
        break;
    case WEIR_VFIO_CONTAINER:
    case WEIR_VFIO_NOIOMMU:
        s = weir_space_container(w, api == WEIR_VFIO_NOIOMMU, e);
        break;
    default:
        weir_fail(e, -EINVAL, "space-api", "make a space\nthere is no interface number %d",
                  (int)api);
    }
    if (s && opt && opt->n_allowed && limit(s, api, opt, e)) {
        weir_space_free(s);
        s = NULL;
    }
    return s;
}
