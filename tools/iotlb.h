/* SPDX-License-Identifier: BSD-3-Clause */
/* How the counters of an IOTLB model are shown. */
#ifndef WEIR_TOOLS_IOTLB_H
#define WEIR_TOOLS_IOTLB_H

#include <json-c/json.h>
#include <stdio.h>
#include <weir/model.h>

/* A line for all, and one for each queue. */
void tool_iotlb_print(const struct weir_iotlb_stats *s, FILE *f);

/* The same as an object. */
struct json_object *tool_iotlb_json(const struct weir_iotlb_stats *s);

#endif
