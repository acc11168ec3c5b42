/* SPDX-License-Identifier: BSD-3-Clause */
/* The weir command: finds the sub-command and makes sure that what it printed got out. */
#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct command *const commands[] = {
    &command_bind,     &command_dma_bench, &command_doctor,     &command_groups,
    &command_model,    &command_ports,     &command_regs,       &command_restore,
    &command_snapshot, &command_space,     &command_superpages, &command_unbind,
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

struct weir *tool_instance(enum weir_log_level level, struct weir_error *err)
{
    struct weir_options opt = {.size = sizeof opt, .log = weir_log_stdio, .log_level = level};
    struct weir *w = weir_new(&opt, err);

    if (w && weir_register_builtin(w, err)) {
        weir_free(w);
        w = NULL;
    }
    return w;
}

int tool_usage(const struct command *cmd, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "weir %s: ", cmd->name);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return tool_usage_getopt(cmd);
}

int tool_usage_getopt(const struct command *cmd)
{
    fprintf(stderr, "  try: weir help %s\n", cmd->name);
    return EXIT_USAGE;
}

int tool_failed(const struct weir_error *err)
{
    fflush(stdout);
    fputs("weir: ", stderr);
    weir_error_print(err, stderr);
    return 1;
}

bool tool_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end;
    unsigned long long v;

    errno = 0;
    v = strtoull(text, &end, 0);
    if (text[0] < '0' || text[0] > '9' || *end || errno || v < min || v > max)
        return false;
    *out = v;
    return true;
}

bool tool_seconds(const char *text, uint64_t *ns)
{
    char *end;
    double v = strtod(text, &end);

    if (end == text || *end || !(v >= 0.001 && v <= 86400))
        return false;
    *ns = (uint64_t)(v * 1e9);
    return true;
}

static const struct command *find(const char *name)
{
    for (unsigned i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static void help(FILE *out)
{
    fputs("usage: weir COMMAND [ARGUMENT]...\n\n", out);
    for (unsigned i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-12s%s\n", commands[i]->name, commands[i]->summary);
    fputs("  version     print the versions of this command and of the library it runs with\n"
          "  help        explain a command: weir help model\n",
          out);
}

static int unknown(const char *name)
{
    char shown[64];

    fprintf(stderr, "weir: there is no command '%s'\n  try: weir help\n",
            weir_printable(shown, sizeof shown, name, strlen(name)));
    return EXIT_USAGE;
}

static int dispatch(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    const struct command *cmd = find(name);

    if (cmd) {
        static char full[32]; /* what getopt_long() names in its messages */
        snprintf(full, sizeof full, "weir %s", cmd->name);
        argv[1] = full;
        return cmd->run(argc - 1, argv + 1);
    }
    if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h")) {
        if (argc < 3) {
            help(stdout);
            return 0;
        }
        cmd = find(argv[2]);
        if (!cmd)
            return unknown(argv[2]);
        fputs(cmd->usage, stdout);
        return 0;
    }
    if (!strcmp(name, "version") || !strcmp(name, "--version")) {
        printf("weir %s, library %s\n", WEIR_VERSION, weir_version());
        return 0;
    }
    if (argc > 1)
        return unknown(name);
    help(stderr);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    int status = dispatch(argc, argv);

    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "weir: write the output: %s\n", strerror(errno));
        return status ? status : 1;
    }
    return status;
}
