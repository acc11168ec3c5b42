/* SPDX-License-Identifier: BSD-3-Clause */
/* weir snapshot: all that the other commands read of a machine, in a file to be mailed. */
#include "host.h"

#include <errno.h>
#include <string.h>

static const char usage[] =
    "usage: weir snapshot [-o FILE]\n\n"
    "Writes what weir groups and weir doctor read of this machine to FILE, or prints it. They "
    "take\n"
    "the file with --snapshot, anywhere. It is text, a line for each file read; it holds no "
    "serial\n"
    "numbers, network addresses or names of people, machines or files. As root it holds the\n"
    "capabilities of devices, too, without which reasons are unknown.\n\n"
    "  -o, --output FILE   write to FILE\n" HOST_USAGE;

static int run(int argc, char **argv)
{
    static const struct option longs[] = {
        HOST_OPTIONS, {"output", 1, 0, 'o'}, {"help", 0, 0, 'h'}, {0}};
    const struct command *cmd = &command_snapshot;
    struct host_choice choice = {0};
    const char *path = NULL;
    struct weir_error err;
    struct weir_host *h;
    FILE *out = stdout;
    int c, failed;

    while ((c = getopt_long(argc, argv, "o:h", longs, NULL)) != -1) {
        if (host_option(&choice, c, optarg))
            continue;
        switch (c) {
        case 'o':
            path = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            return tool_usage_getopt(cmd);
        }
    }
    if (argc > optind)
        return tool_usage(cmd, "%s: it takes the whole machine", argv[optind]);
    h = host_open(&choice, &err);
    if (!h)
        return tool_failed(&err);
    if (path) {
        out = fopen(path, "we");
        if (!out) {
            fprintf(stderr,
                    "weir: write %s: %s\n  try: name a file in a folder that you may write to\n",
                    path, strerror(errno));
            weir_host_free(h);
            return 1;
        }
    }
    failed = weir_host_save(h, out, &err);
    if (path && fclose(out) && !failed) {
        failed = weir_fail(&err, -errno, "host-snapshot", "write %s\n%s\n", path, strerror(errno));
    }
    weir_host_free(h);
    return failed ? tool_failed(&err) : 0;
}

const struct command command_snapshot = {
    .name = "snapshot",
    .summary = "write what groups and doctor read of a machine to a file",
    .usage = usage,
    .run = run,
};
