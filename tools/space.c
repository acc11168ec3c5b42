/* SPDX-License-Identifier: BSD-3-Clause */
/* weir space: what a device can reach, and what an application has mapped for it. */
#include "size.h"
#include "tool.h"

#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: weir space [--json] DEVICE...\n"
    "       weir space [--json] --pid PID\n\n"
    "Shows I/O address spaces: which IOVA a device can use, in which pages its IOMMU translates, "
    "how\n"
    "many mappings the kernel allows, and what is mapped, with the IOTLB entries that each "
    "mapping\n"
    "takes and why its pages are not larger. The entries are planned, as weir superpages does.\n\n"
    "  --pid PID   the spaces of an application that runs; DEVICE is opened, and so must be free\n"
    "  --json      as JSON\n";

enum { OPT_PID = 256, OPT_JSON };

struct job {
    struct json_object *list; /* NULL: print */
    unsigned shown;
};

/* 1 if the kernel was told to map containers in base pages only. */
static bool base_pages_only(const struct weir_space_view *v)
{
    FILE *f = fopen("/sys/module/vfio_iommu_type1/parameters/disable_hugepages", "re");
    int c = f ? fgetc(f) : 'N';

    if (f)
        fclose(f);
    return (c == 'Y' || c == '1') && !strcmp(v->kind, "type1");
}

static int plan(const struct weir_space_view *v, const struct weir_space_mapping *m,
                struct weir_superpage_plan *p)
{
    struct weir_superpage_request r = {
        .size = sizeof r,
        .va = m->va,
        .len = m->len,
        .iova = m->iova.addr,
        .page = m->page ? m->page : 4096,
        .iommu_pages = v->page_sizes,
        .base_pages_only = base_pages_only(v),
    };

    return weir_superpage_plan(&r, p, NULL);
}

/* "32 x 2M, 1 x 4K" */
static const char *leaves_text(const struct weir_superpage_plan *p, char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    for (unsigned i = 64; i-- > 0 && n < size;) {
        char text[SIZE_TEXT];

        if (p->leaves[i])
            n += (size_t)snprintf(out + n, size - n, "%s%" PRIu64 " x %s", n ? ", " : "",
                                  p->leaves[i], tool_size_text((uint64_t)1 << i, text));
    }
    return out;
}

/* "1G: length" */
static const char *why_text(const struct weir_superpage_plan *p, char *out, size_t size)
{
    uint64_t last = 0;
    size_t n = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < WEIR_N_WHY && n < size; i++) {
        char text[SIZE_TEXT];

        if (!(p->why & 1u << i))
            continue;
        if (p->short_of[i] != last)
            n += (size_t)snprintf(out + n, size - n, "%sno %s: ", n ? "; " : "",
                                  tool_size_text(p->short_of[i], text));
        else
            n += (size_t)snprintf(out + n, size - n, ", ");
        last = p->short_of[i];
        if (n < size)
            n += (size_t)snprintf(out + n, size - n, "%s", weir_superpage_why_name(1u << i));
    }
    return out;
}

static unsigned width(const struct weir_space_view *v)
{
    uint64_t last = v->n_ranges ? v->ranges[v->n_ranges - 1].last : 0;

    return last ? 64 - (unsigned)__builtin_clzll(last) : 0;
}

static void print_view(const char *of, const struct weir_space_view *v)
{
    char pages[PAGES_TEXT], text[SIZE_TEXT];
    uint64_t entries = 0;

    printf("%s: %s space, %u device%s\n", of, v->kind, v->devices, v->devices == 1 ? "" : "s");
    printf("  pages     %s\n", tool_page_sizes_text(v->page_sizes, pages));
    for (unsigned i = 0; i < v->n_ranges; i++)
        printf("  %-9s %#" PRIx64 " to %#" PRIx64 "\n", i ? "" : "usable", v->ranges[i].first,
               v->ranges[i].last);
    printf("  width     %u bits\n", width(v));
    if (v->max_maps < UINT64_MAX)
        printf("  limit     %" PRIu64 " mappings\n", v->max_maps);
    else
        printf("  limit     none on mappings\n");
    printf("  mapped    %s in %u mapping%s; made so far %" PRIu64 ", removed %" PRIu64 "\n",
           tool_size_text(v->bytes, text), v->n_mappings, v->n_mappings == 1 ? "" : "s", v->made,
           v->removed);
    if (v->n_mappings)
        printf("    %-18s  %-8s  %-2s  %-5s  %-24s  %s\n", "iova", "length", "", "page", "entries",
               "name");
    for (unsigned i = 0; i < v->n_mappings; i++) {
        const struct weir_space_mapping *m = &v->mappings[i];
        char length[SIZE_TEXT], page[SIZE_TEXT] = "?", leaves[1024] = "cannot be planned";
        char why[200] = "";
        struct weir_superpage_plan p;

        if (m->page)
            tool_size_text(m->page, page);
        if (plan(v, m, &p) == 0) {
            leaves_text(&p, leaves, sizeof leaves);
            why_text(&p, why, sizeof why);
            entries += p.entries;
        }
        printf("    %#-18" PRIx64 "  %-8s  %c%c  %-5s  %-24s  %s%s%s\n", m->iova.addr,
               tool_size_text(m->len, length), m->prot & WEIR_PROT_READ ? 'r' : '-',
               m->prot & WEIR_PROT_WRITE ? 'w' : '-', page, leaves, m->name, *why ? "  " : "", why);
    }
    if (v->n_mappings)
        printf("  entries   %" PRIu64 " of the IOTLB if all of it is used\n", entries);
}

static void add(struct json_object *o, const char *key, uint64_t value)
{
    json_object_object_add(o, key, json_object_new_uint64(value));
}

static struct json_object *mapping_json(const struct weir_space_view *v,
                                        const struct weir_space_mapping *m, uint64_t *entries)
{
    struct json_object *o = json_object_new_object(), *leaves = json_object_new_object();
    struct json_object *why = json_object_new_array();
    struct weir_superpage_plan p = {0};
    char text[SIZE_TEXT];

    json_object_object_add(o, "name", json_object_new_string(m->name));
    add(o, "iova", m->iova.addr);
    add(o, "length", m->len);
    add(o, "page", m->page);
    json_object_object_add(o, "read", json_object_new_boolean(m->prot & WEIR_PROT_READ));
    json_object_object_add(o, "write", json_object_new_boolean(m->prot & WEIR_PROT_WRITE));
    if (plan(v, m, &p) == 0)
        add(o, "entries", p.entries);
    *entries += p.entries;
    for (unsigned i = 64; i-- > 0;) {
        if (p.leaves[i])
            add(leaves, tool_size_text((uint64_t)1 << i, text), p.leaves[i]);
    }
    json_object_object_add(o, "leaves", leaves);
    for (unsigned i = 0; i < WEIR_N_WHY; i++) {
        if (p.why & 1u << i)
            json_object_array_add(why, json_object_new_string(weir_superpage_why_name(1u << i)));
    }
    json_object_object_add(o, "why", why);
    return o;
}

static struct json_object *view_json(const char *of, const struct weir_space_view *v)
{
    struct json_object *o = json_object_new_object(), *pages = json_object_new_array();
    struct json_object *ranges = json_object_new_array(), *maps = json_object_new_array();
    uint64_t entries = 0;
    char text[SIZE_TEXT];

    json_object_object_add(o, "of", json_object_new_string(of));
    json_object_object_add(o, "kind", json_object_new_string(v->kind));
    add(o, "devices", v->devices);
    for (unsigned i = 0; i < 64; i++) {
        if (v->page_sizes & (uint64_t)1 << i)
            json_object_array_add(pages,
                                  json_object_new_string(tool_size_text((uint64_t)1 << i, text)));
    }
    json_object_object_add(o, "pages", pages);
    for (unsigned i = 0; i < v->n_ranges; i++) {
        struct json_object *r = json_object_new_object();

        add(r, "first", v->ranges[i].first);
        add(r, "last", v->ranges[i].last);
        json_object_array_add(ranges, r);
    }
    json_object_object_add(o, "ranges", ranges);
    add(o, "width", width(v));
    json_object_object_add(o, "max_maps",
                           v->max_maps < UINT64_MAX ? json_object_new_uint64(v->max_maps) : NULL);
    add(o, "bytes", v->bytes);
    add(o, "made", v->made);
    add(o, "removed", v->removed);
    for (unsigned i = 0; i < v->n_mappings; i++)
        json_object_array_add(maps, mapping_json(v, &v->mappings[i], &entries));
    add(o, "entries", entries);
    json_object_object_add(o, "mappings", maps);
    return o;
}

static void show(struct job *j, const char *of, const struct weir_space_view *v)
{
    if (j->list)
        json_object_array_add(j->list, view_json(of, v));
    else
        print_view(of, v);
    j->shown++;
}

static int of_process(struct job *j, int pid)
{
    struct weir_space_view *v;
    struct weir_error e;
    int fd = -1, r, status = 0;

    while ((r = weir_space_view_next(pid, &fd, &v, &e)) > 0) {
        char of[48];

        snprintf(of, sizeof of, "process %d, descriptor %d", pid, fd);
        if (v)
            show(j, of, v);
        else
            status = tool_failed(&e);
        weir_space_view_free(v);
    }
    if (r < 0)
        return tool_failed(&e);
    if (!j->shown && !status) {
        fprintf(stderr,
                "weir: process %d has no I/O address space of this library's\n"
                "  try: weir space DEVICE, or the process that has it: pgrep -a NAME\n",
                pid);
        status = 1;
    }
    return status;
}

/* The space of a device as it is when nothing was mapped yet. */
static int of_device(struct job *j, const char *name)
{
    struct weir_error e;
    struct weir *w = tool_instance(WEIR_LOG_WARNING, &e);
    struct weir_device *d = w ? weir_device_open(w, name, NULL, &e) : NULL;
    struct weir_device_info device;
    struct weir_space_info info;
    struct weir_space_view v = {0};

    if (!d) {
        weir_free(w);
        return tool_failed(&e);
    }
    weir_device_info(d, &device);
    weir_space_info(device.space, &info);
    snprintf(v.kind, sizeof v.kind, "%s", info.kind);
    v.page_sizes = info.page_sizes;
    v.max_maps = info.max_maps;
    v.bytes = info.bytes;
    v.devices = info.devices;
    v.ranges = info.ranges;
    v.n_ranges = info.n_ranges;
    show(j, name, &v);
    weir_free(w);
    return 0;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {
        {"pid", 1, 0, OPT_PID}, {"json", 0, 0, OPT_JSON}, {"help", 0, 0, 'h'}, {0}};
    const struct command *cmd = &command_space;
    struct job j = {0};
    bool json = false;
    uint64_t pid = 0;
    int c, status = 0;

    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (c) {
        case OPT_PID:
            if (!tool_number(optarg, 1, INT32_MAX, &pid))
                return tool_usage(cmd, "--pid %s: expected the number of a process", optarg);
            break;
        case OPT_JSON:
            json = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            return tool_usage_getopt(cmd);
        }
    }
    if (!pid == (optind == argc))
        return tool_usage(cmd, "expected a DEVICE, or --pid PID");
    if (json)
        j.list = json_object_new_array();
    if (pid)
        status = of_process(&j, (int)pid);
    for (int i = optind; i < argc; i++)
        status |= of_device(&j, argv[i]);
    if (j.list && j.shown)
        puts(json_object_to_json_string_ext(j.list, JSON_C_TO_STRING_PRETTY));
    json_object_put(j.list);
    return status;
}

const struct command command_space = {
    .name = "space",
    .summary = "show what a device can reach, and what an application has mapped",
    .usage = usage,
    .run = run,
};
