/* SPDX-License-Identifier: BSD-3-Clause */
/* The one place that knows every driver and model of this build. */
#include <weir/driver/builtin.h>

int weir_register_builtin(struct weir *w, struct weir_error *e)
{
    int ret = 0;

#ifdef WEIR_HAVE_DRIVERS
    ret = weir_driver_register(w, &weir_edu_driver, e);
    if (!ret)
        ret = weir_driver_register(w, &weir_x540_driver, e);
#endif
#ifdef WEIR_HAVE_MODELS
    if (!ret)
        ret = weir_model_register(w, &weir_edu_model, e);
    if (!ret)
        ret = weir_model_register(w, &weir_x540_model, e);
#endif
    (void)w;
    (void)e;
    return ret;
}
