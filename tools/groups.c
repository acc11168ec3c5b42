/* SPDX-License-Identifier: BSD-3-Clause */
/* weir groups: IOMMU groups, who is in them, and why. */
#include "host.h"

#include <string.h>

static const char usage[] =
    "usage: weir groups [OPTION]... [DEVICE]\n"
    "       weir groups --explain DEVICE\n\n"
    "Shows the IOMMU groups of this machine, or that of one device: its members, what they are, "
    "the\n"
    "drivers that have them, and whether VFIO can use the group.\n\n"
    "  --explain           for each other member, why it is in the group of DEVICE\n"
    "  --tree              by topology, with the ports' ACS\n"
    "  --json              everything, as JSON\n"
    "  --dot               for Graphviz, groups as boxes\n" HOST_USAGE;

/* Why VFIO cannot use the group yet, at the members that keep it from that. */
static void print_row(const struct weir_host *h, struct names *n, const struct weir_function *f,
                      const struct weir_group *g)
{
    char group[16] = "-", role[64], name[96], state[128] = "-";

    if (g) {
        snprintf(group, sizeof group, "%d", g->number);
        if (weir_function_blocks(h, f))
            snprintf(state, sizeof state, "no: on %s%s%s", f->driver, *f->used_by ? ", " : "",
                     f->used_by);
        else
            snprintf(state, sizeof state, "%s", host_viable(h, g) ? "yes" : "no, by another");
    }
    printf("%-5s  %-12s  %04x:%04x  %-10s  %-22s  %-22s  %s\n", group, f->name, f->vendor,
           f->device, *f->driver ? f->driver : "-", host_role(h, f, role, sizeof role), state,
           names_get(n, f, name, sizeof name));
}

static void print_table(const struct weir_host *h, struct names *n, const struct weir_function *one)
{
    const struct weir_group *g;

    printf("%-5s  %-12s  %-9s  %-10s  %-22s  %-22s  %s\n", "group", "device", "id", "driver",
           "role", "viable", "name");
    for (int i = 0; (g = weir_host_group(h, i)); i++)
        for (unsigned m = 0; m < g->n_members && (!one || one->group == g->number); m++)
            print_row(h, n, weir_host_function(h, g->members[m]), g);
    for (int i = 0; i < (int)weir_host_functions(h); i++) {
        const struct weir_function *f = weir_host_function(h, i);

        if (f->group < 0 && (!one || one == f))
            print_row(h, n, f, NULL);
    }
    if (!weir_host_groups(h))
        puts("\nThere are no IOMMU groups: weir doctor says what is missing.");
}

static void print_finding(void *user, const struct weir_finding *f)
{
    unsigned *shown = user;

    if (strcmp(f->step, "isolation") || f->level == WEIR_OK || !strcmp(f->code, "group-shared"))
        return;
    printf("%s%s [%s]\n  %s\n%s%s%s", (*shown)++ ? "" : "\n", f->what, f->code, f->why,
           *f->advice ? "  try: " : "", f->advice, *f->advice ? "\n" : "");
}

static const char advice[] =
    "\nTo split it: another slot (the chipset's root ports often isolate where the processor's do "
    "not),\nroot ports with ACS, or a newer kernel that knows the hardware. The ACS override patch "
    "only claims\nisolation. Members need not be used together: vfio-pci, pci-stub or no driver "
    "will "
    "do for the others.";

static void explain(const struct weir_host *h, struct names *n, const struct weir_function *f)
{
    struct weir_findings_options opt = {.size = sizeof opt, .device = f->name};
    const struct weir_group *g = weir_host_group_number(h, f->group);
    const struct weir_function *via;
    unsigned shown = 0, version = weir_host_machine(h)->version;
    char role[64], name[96], words[256];

    names_get(n, f, name, sizeof name);
    printf("%s  %s  %s\n", f->name, host_role(h, f, role, sizeof role), name);
    if (!g) {
        puts("is in no IOMMU group: weir doctor says what is missing.");
        return;
    }
    printf("is in group %d, %s\n", g->number,
           g->n_members == 1 ? "alone" : "for VFIO one unit with:");
    for (unsigned i = 0; i < g->n_members; i++) {
        const struct weir_function *m = weir_host_function(h, g->members[i]);
        struct weir_reason reason;

        if (m == f)
            continue;
        weir_host_explain(h, f, m, &reason);
        names_get(n, m, name, sizeof name);
        printf("\n%s  %s%s%s  %s\n  %s [%s]\n", m->name, host_role(h, m, role, sizeof role),
               *m->driver ? ", on " : "", m->driver, name,
               host_reason(h, f, m, &reason, words, sizeof words), reason.code);
        if (m->bridge)
            puts("  interconnect: it need not be bound to anything");
        via = weir_host_function(h, reason.via);
        if (via && via->since > version)
            printf("  Linux %u.%u and later take %s for isolated; this is %s\n", via->since >> 8,
                   via->since & 255, via->name, weir_host_machine(h)->kernel);
    }
    weir_host_findings(h, &opt, print_finding, &shown);
    if (g->n_members > 1)
        puts(advice);
}

static void explain_json(const struct weir_host *h, const struct weir_function *f)
{
    struct json_object *o = json_object_new_object(), *list = json_object_new_array();
    const struct weir_group *g = weir_host_group_number(h, f->group);
    char text[256];

    json_text(o, "device", f->name);
    json_object_object_add(o, "group", g ? json_object_new_int(g->number) : NULL);
    for (unsigned i = 0; g && i < g->n_members; i++) {
        const struct weir_function *m = weir_host_function(h, g->members[i]);
        struct json_object *one;
        struct weir_reason reason;

        if (m == f)
            continue;
        weir_host_explain(h, f, m, &reason);
        one = json_object_new_object();
        json_text(one, "device", m->name);
        json_text(one, "code", reason.code);
        json_function(one, "via", h, reason.via);
        json_function(one, "other", h, reason.other);
        json_text(one, "missing",
                  reason.missing ? host_acs_bits(reason.missing, text, sizeof text) : "");
        json_text(one, "reason", host_reason(h, f, m, &reason, text, sizeof text));
        json_object_array_add(list, one);
    }
    json_object_object_add(o, "members", list);
    json_print(o);
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {HOST_OPTIONS,
                                          {"explain", 0, 0, 'e'},
                                          {"tree", 0, 0, 't'},
                                          {"json", 0, 0, OPT_JSON},
                                          {"dot", 0, 0, 'd'},
                                          {"help", 0, 0, 'h'},
                                          {0}};
    const struct command *cmd = &command_groups;
    const struct weir_function *f = NULL;
    struct host_choice choice = {0};
    bool json = false, why = false;
    struct weir_error err;
    struct weir_host *h;
    struct names *n;
    int c, shape = 0;

    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (host_option(&choice, c, optarg))
            continue;
        switch (c) {
        case 'e':
            why = true;
            break;
        case OPT_JSON:
            json = true;
            break;
        case 't':
        case 'd':
            shape = c;
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
    if (why && argc == optind)
        return tool_usage(cmd, "--explain which device? weir groups lists them");
    if (argc > optind && !host_name(cmd, argv[optind]))
        return 2;
    h = host_open(&choice, &err);
    if (!h)
        return tool_failed(&err);
    if (argc > optind) {
        f = host_need(h, argv[optind]);
        if (!f) {
            weir_host_free(h);
            return 1;
        }
    }
    n = names_open(choice.ids);
    if (why && json)
        explain_json(h, f);
    else if (why)
        explain(h, n, f);
    else if (json)
        groups_json(h, n);
    else if (shape == 't')
        groups_tree(h, n);
    else if (shape == 'd')
        groups_dot(h, n);
    else
        print_table(h, n, f);
    names_close(n);
    weir_host_free(h);
    return 0;
}

const struct command command_groups = {
    .name = "groups",
    .summary = "show IOMMU groups, and explain them",
    .usage = usage,
    .run = run,
};
