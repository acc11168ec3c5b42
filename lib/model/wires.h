/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The built-in kinds of wires, and how they read their arguments.
 */
#ifndef WEIR_MODEL_WIRES_H
#define WEIR_MODEL_WIRES_H

#include <weir/driver/wire.h>

extern const struct weir_wire_ops weir_wire_loopback;
extern const struct weir_wire_ops weir_wire_cable;
extern const struct weir_wire_ops weir_wire_tap;
extern const struct weir_wire_ops weir_wire_packet;
extern const struct weir_wire_ops weir_wire_pcap;
extern const struct weir_wire_ops weir_wire_gen;

enum weir_arg_type {
    WEIR_ARG_NAME,  /* char *: the text before the first comma, not KEY=VALUE; must be there */
    WEIR_ARG_TEXT,  /* char *: KEY=TEXT */
    WEIR_ARG_FLAG,  /* bool: KEY */
    WEIR_ARG_COUNT, /* uint64_t: KEY=N, with k, M or G for thousands; decimals before them */
    WEIR_ARG_RANGE, /* uint64_t[2]: KEY=N or KEY=A-B */
    WEIR_ARG_MAC,   /* uint8_t[6]: KEY=02:00:00:00:00:01 */
};

/* An argument that a kind takes. Texts are malloc'd and the caller's to free, also after an error;
 * what is not given stays as it is. */
struct weir_arg {
    const char *key; /* of a name: what it is, for messages */
    enum weir_arg_type type;
    void *to;
    uint64_t min, max; /* of numbers; of texts and names, max: bytes */
};

/* Read "NAME,KEY=VALUE,FLAG". -EINVAL ("wire-arg") names the argument and those that there are. */
int weir_args_parse(const char *kind, const char *text, const struct weir_arg *args, unsigned n,
                    struct weir_error *e);

#endif
