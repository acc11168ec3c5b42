/* SPDX-License-Identifier: BSD-3-Clause */
/* What the sub-commands of `weir` share: how one is declared, how it starts and how it fails. */
#ifndef WEIR_TOOL_H
#define WEIR_TOOL_H

#include <weir/weir.h>

enum { EXIT_USAGE = 2 };

struct command {
    const char *name;
    const char *summary;               /* one line for `weir help` */
    const char *usage;                 /* all of `weir help NAME` */
    int (*run)(int argc, char **argv); /* argv[0] is the name; returns the exit status */
};

extern const struct command command_bind, command_dma_bench, command_doctor, command_groups,
    command_model, command_ports, command_regs, command_restore, command_snapshot, command_space,
    command_superpages, command_unbind;

/* An instance with everything built in, whose log goes to stderr. */
struct weir *tool_instance(enum weir_log_level level, struct weir_error *err);

/* Say what is wrong with the command line, and where to read about it. Returns EXIT_USAGE. */
int tool_usage(const struct command *cmd, const char *fmt, ...) WEIR_PRINTF(2, 3);

/* As tool_usage(), after getopt_long() returned '?' or ':' and said itself what is wrong. */
int tool_usage_getopt(const struct command *cmd);

/* Print an error. Returns 1. */
int tool_failed(const struct weir_error *err);

/* A whole number, decimal, 0x or octal, from min to max? */
bool tool_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* Seconds, which may have a fraction, from 1 ms to a day? */
bool tool_seconds(const char *text, uint64_t *ns);

#endif
