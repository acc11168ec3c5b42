/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The drivers and models in the library, for those who register some of them and not all
 * (weir_register_builtin()). A library built without drivers or models has none.
 */
#ifndef WEIR_DRIVER_BUILTIN_H
#define WEIR_DRIVER_BUILTIN_H

#include <weir/driver/driver.h>
#include <weir/driver/model.h>

WEIR_BEGIN_DECLS

/** QEMU's edu device, 1234:11e8, as a copy channel. */
extern const struct weir_driver weir_edu_driver;

/** The same device in software: "edu". */
extern const struct weir_model_ops weir_edu_model;

/** Intel Ethernet Controller X540, physical functions: 8086:1528 and 8086:1560. */
extern const struct weir_driver weir_x540_driver;

/** The same device in software: "x540". */
extern const struct weir_model_ops weir_x540_model;

WEIR_END_DECLS

#endif
