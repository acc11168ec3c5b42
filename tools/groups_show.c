/* SPDX-License-Identifier: BSD-3-Clause */
/* weir groups: the shapes besides the table. */
#include "host.h"

#include <string.h>

static void branch(const struct weir_host *h, struct names *n, int parent, unsigned depth)
{
    char role[64], name[96];

    for (int i = 0; i < (int)weir_host_functions(h); i++) {
        const struct weir_function *f = weir_host_function(h, i);

        if (f->parent != parent)
            continue;
        printf("%*s%s  ", (int)depth * 2, "", f->name);
        if (f->group >= 0)
            printf("group %d  ", f->group);
        printf("%s", host_role(h, f, role, sizeof role));
        if (f->bridge && f->acs == WEIR_YES)
            printf(", ACS %s", host_acs_bits(f->acs_ctrl, name, sizeof name));
        else if (f->type == WEIR_PCIE_ROOT_PORT || f->type == WEIR_PCIE_DOWNSTREAM)
            printf(", ACS %s", f->acs == WEIR_NO ? "missing" : "unknown");
        names_get(n, f, name, sizeof name);
        printf("%s%s%s%s\n", *f->driver ? "  on " : "", f->driver, *name ? "  " : "", name);
        branch(h, n, i, depth + 1);
    }
}

void groups_tree(const struct weir_host *h, struct names *n)
{
    branch(h, n, -1, 0);
}

/* Make it fit between quotation marks. */
static void dot_text(char *s)
{
    for (; *s; s++)
        if (*s == '"' || *s == '\\')
            *s = '\'';
}

static void dot_node(const struct weir_host *h, struct names *n, const struct weir_function *f)
{
    char role[64], name[64], driver[64];

    host_role(h, f, role, sizeof role);
    names_get(n, f, name, sizeof name);
    snprintf(driver, sizeof driver, "%s", f->driver);
    dot_text(name);
    dot_text(driver);
    printf("    \"%s\" [label=\"%s\\n%s%s%s%s%s\"%s];\n", f->name, f->name, role,
           *name ? "\\n" : "", name, *driver ? "\\non " : "", driver,
           f->bridge ? ", shape=ellipse" : "");
}

void groups_dot(const struct weir_host *h, struct names *n)
{
    const struct weir_group *g;

    puts("digraph groups {\n  rankdir=LR;\n  node [shape=box];");
    for (int i = 0; (g = weir_host_group(h, i)); i++) {
        printf("  subgraph cluster_%d {\n    label=\"group %d%s\";\n", g->number, g->number,
               host_viable(h, g) ? "" : ", not viable");
        for (unsigned m = 0; m < g->n_members; m++)
            dot_node(h, n, weir_host_function(h, g->members[m]));
        puts("  }");
    }
    for (int i = 0; i < (int)weir_host_functions(h); i++) {
        const struct weir_function *f = weir_host_function(h, i);

        if (f->group < 0)
            dot_node(h, n, f);
        if (f->parent >= 0)
            printf("  \"%s\" -> \"%s\";\n", weir_host_function(h, f->parent)->name, f->name);
    }
    puts("}");
}

static struct json_object *function_json(const struct weir_host *h, struct names *n,
                                         const struct weir_function *f)
{
    struct json_object *o = json_object_new_object();
    char text[96];

    json_text(o, "device", f->name);
    snprintf(text, sizeof text, "%04x:%04x", f->vendor, f->device);
    json_text(o, "id", text);
    snprintf(text, sizeof text, "%06x", f->class_code);
    json_text(o, "class", text);
    json_text(o, "name", names_get(n, f, text, sizeof text));
    json_text(o, "role", host_role(h, f, text, sizeof text));
    json_object_object_add(o, "bridge", json_object_new_boolean(f->bridge));
    json_function(o, "parent", h, f->parent);
    json_function(o, "pf", h, f->pf);
    json_number(o, "vfs", f->num_vfs);
    json_object_object_add(o, "multifunction", json_object_new_boolean(f->multifunction));
    json_object_object_add(o, "group", f->group < 0 ? NULL : json_object_new_int(f->group));
    if (f->known) {
        json_function(o, "derived", h, f->derived);
        json_function(o, "isolated", h, f->isolated);
    } else {
        json_object_object_add(o, "derived", NULL);
        json_object_object_add(o, "isolated", NULL);
    }
    json_known(o, "acs", f->acs);
    json_text(o, "acs_can", f->acs == WEIR_YES ? host_acs_bits(f->acs_cap, text, sizeof text) : "");
    json_text(o, "acs_on", f->acs == WEIR_YES ? host_acs_bits(f->acs_ctrl, text, sizeof text) : "");
    json_text(o, "quirk", f->quirk ? f->quirk : "");
    json_known(o, "sriov", f->sriov);
    json_known(o, "ari", f->ari);
    json_known(o, "ats", f->ats);
    json_text(o, "iommu", f->iommu);
    json_object_object_add(o, "node", f->node < 0 ? NULL : json_object_new_int(f->node));
    json_text(o, "driver", f->driver);
    json_text(o, "driver_override", f->driver_override);
    json_object_object_add(o, "blocks", json_object_new_boolean(weir_function_blocks(h, f)));
    json_text(o, "used_by", f->used_by);
    return o;
}

static struct json_object *group_json(const struct weir_host *h, const struct weir_group *g)
{
    struct json_object *o = json_object_new_object(), *members = json_object_new_array();
    struct json_object *regions = json_object_new_array();

    json_number(o, "group", (uint64_t)g->number);
    json_text(o, "type", g->type);
    json_object_object_add(o, "viable", json_object_new_boolean(host_viable(h, g)));
    for (unsigned i = 0; i < g->n_members; i++)
        json_object_array_add(members,
                              json_object_new_string(weir_host_function(h, g->members[i])->name));
    json_object_object_add(o, "members", members);
    json_text(o, "others", g->others);
    for (unsigned i = 0; i < g->n_reserved; i++) {
        struct json_object *r = json_object_new_object();

        json_number(r, "first", g->reserved[i].range.first);
        json_number(r, "last", g->reserved[i].range.last);
        json_text(r, "type", g->reserved[i].type);
        json_object_array_add(regions, r);
    }
    json_object_object_add(o, "reserved", regions);
    return o;
}

void groups_json(const struct weir_host *h, struct names *n)
{
    struct json_object *o = json_object_new_object(), *list = json_object_new_array();
    const struct weir_machine *m = weir_host_machine(h);
    const struct weir_group *g;

    json_text(o, "kernel", m->kernel);
    json_text(o, "iommus", m->iommus);
    for (int i = 0; (g = weir_host_group(h, i)); i++)
        json_object_array_add(list, group_json(h, g));
    json_object_object_add(o, "groups", list);
    list = json_object_new_array();
    for (int i = 0; i < (int)weir_host_functions(h); i++)
        json_object_array_add(list, function_json(h, n, weir_host_function(h, i)));
    json_object_object_add(o, "functions", list);
    json_print(o);
}
