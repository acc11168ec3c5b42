/* SPDX-License-Identifier: BSD-3-Clause */
/* weir doctor: what stands between a device and a user-space driver, and what helps. */
#include "host.h"

#include <string.h>

static const char usage[] =
    "usage: weir doctor [OPTION]... [DEVICE]\n\n"
    "Walks every step from firmware to a running driver, for DEVICE or the machine alone, and "
    "says\n"
    "what it found: the files and values read, why they matter, the commands that help, and "
    "whether\n"
    "that lasts over a reboot. Exits with 0 if nothing blocks, 1 if something does, 2 for wrong "
    "use.\n\n"
    "  --memory SIZE       what the program will map for DMA, such as 64M or 2G (64M)\n"
    "  --commands          print nothing but the commands, in order, for a root shell\n"
    "  --json              as JSON\n" HOST_USAGE;

enum { OPT_MEMORY = 512, OPT_COMMANDS };

struct view {
    const struct weir_host *host;
    struct json_object *list; /* --json */
    bool commands;
    unsigned warnings, notes;
};

static const char *const level_names[] = {"ok", "note", "warning", "BLOCKS"};

enum { COLUMNS = 100, INDENT = 20 };

/* A part of a finding, line by line. Prose is broken between words; commands and files are not. */
static void print_part(const char *title, const char *text, const char *before)
{
    while (*text) {
        size_t len = strcspn(text, "\n"), next;

        if (!*before && len > COLUMNS - INDENT && *text != '/') {
            for (len = COLUMNS - INDENT; len && text[len] != ' '; len--)
                ;
            len = len ? len : strcspn(text, " \n");
        }
        next = len + (text[len] != '\0');
        printf("           %-8s %s%.*s\n", title, before, (int)len, text);
        title = "";
        text += next;
    }
}

static void print_finding(const struct weir_finding *f)
{
    printf("  %-7s  %-11s %s", level_names[f->level], f->step, f->what);
    if (f->level == WEIR_OK) {
        putchar('\n');
        return;
    }
    printf(" [%s]\n", f->code);
    print_part("seen", f->evidence, "");
    print_part("matters", f->why, "");
    print_part("fix", f->fix, "# ");
    if (*f->fix)
        print_part("lasts",
                   f->lasts   ? "for good"
                   : *f->keep ? "until the next reboot; for good, also:"
                              : "until the next reboot",
                   "");
    print_part("", f->keep, "# ");
    print_part("advice", f->advice, "");
}

/* Those that anything hangs on, but nothing that needs a reboot for a mere warning. */
static void print_commands(const struct weir_finding *f)
{
    if (*f->fix &&
        (f->level == WEIR_BLOCKS || (f->level == WEIR_WARNING && !strstr(f->fix, "reboot"))))
        printf("# %s: %s\n%s\n", f->code, f->what, f->fix);
}

static void add_json(struct view *v, const struct weir_finding *f)
{
    struct json_object *o = json_object_new_object();

    json_text(o, "code", f->code);
    json_text(o, "step", f->step);
    json_text(o, "level", f->level == WEIR_BLOCKS ? "blocks" : level_names[f->level]);
    json_function(o, "device", v->host, f->function);
    json_text(o, "what", f->what);
    json_text(o, "evidence", f->evidence);
    json_text(o, "why", f->why);
    json_text(o, "fix", f->fix);
    json_object_object_add(o, "lasts", *f->fix ? json_object_new_boolean(f->lasts) : NULL);
    json_text(o, "keep", f->keep);
    json_text(o, "advice", f->advice);
    json_object_array_add(v->list, o);
}

static void on_finding(void *user, const struct weir_finding *f)
{
    struct view *v = user;

    v->warnings += f->level == WEIR_WARNING;
    v->notes += f->level == WEIR_NOTE;
    if (v->list)
        add_json(v, f);
    else if (v->commands)
        print_commands(f);
    else
        print_finding(f);
}

/* "64M", "2G", "4096". */
static bool size(const char *text, uint64_t *out)
{
    static const char units[] = "KMGT";
    char number[24];
    size_t len = strspn(text, "0123456789");
    const char *unit = text[len] ? strchr(units, text[len]) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

    if (len == 0 || len >= sizeof number || (text[len] && (!unit || text[len + 1])))
        return false;
    memcpy(number, text, len);
    number[len] = '\0';
    if (!tool_number(number, 1, UINT64_MAX >> shift, out))
        return false;
    *out <<= shift;
    return *out <= (uint64_t)1 << 50;
}

static void summary(const struct view *v, const char *device, unsigned blocks)
{
    printf("\n%s%s", device ? device : "this machine", blocks ? " is not ready: " : " is ready");
    if (blocks)
        printf("%u thing%s in the way", blocks, blocks == 1 ? "" : "s");
    if (v->warnings)
        printf(", %u warning%s", v->warnings, v->warnings == 1 ? "" : "s");
    if (v->notes)
        printf(", %u note%s", v->notes, v->notes == 1 ? "" : "s");
    puts("");
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {HOST_OPTIONS,
                                          {"json", 0, 0, OPT_JSON},
                                          {"memory", 1, 0, OPT_MEMORY},
                                          {"commands", 0, 0, OPT_COMMANDS},
                                          {"help", 0, 0, 'h'},
                                          {0}};
    struct weir_findings_options opt = {.size = sizeof opt};
    const struct command *cmd = &command_doctor;
    struct host_choice choice = {0};
    struct view v = {0};
    struct weir_error err;
    struct weir_host *h;
    bool json = false;
    unsigned blocks;
    char shown[64] = "";
    int c;

    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (host_option(&choice, c, optarg))
            continue;
        switch (c) {
        case OPT_JSON:
            json = true;
            break;
        case OPT_COMMANDS:
            v.commands = true;
            break;
        case OPT_MEMORY:
            if (!size(optarg, &opt.memory))
                return tool_usage(cmd, "--memory %s: expected a size such as 64M or 2G", optarg);
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            return tool_usage_getopt(cmd);
        }
    }
    if (argc - optind > 1)
        return tool_usage(cmd, "one device at a time");
    if (json && v.commands)
        return tool_usage(cmd, "--json or --commands, not both");
    opt.device = argv[optind];
    if (opt.device && !host_name(cmd, opt.device))
        return 2;
    h = host_open(&choice, &err);
    if (!h)
        return tool_failed(&err);
    v.host = h;
    if (json)
        v.list = json_object_new_array();
    blocks = weir_host_findings(h, &opt, on_finding, &v);
    if (json) {
        struct json_object *o = json_object_new_object();

        json_text(o, "kernel", weir_host_machine(h)->kernel);
        json_object_object_add(o, "ready", json_object_new_boolean(!blocks));
        json_object_object_add(o, "findings", v.list);
        json_print(o);
    } else if (!v.commands) {
        if (opt.device)
            weir_printable(shown, sizeof shown, opt.device, strlen(opt.device));
        summary(&v, opt.device ? shown : NULL, blocks);
    }
    weir_host_free(h);
    return blocks ? 1 : 0;
}

const struct command command_doctor = {
    .name = "doctor",
    .summary = "say what keeps a device from being used, and what helps",
    .usage = usage,
    .run = run,
};
