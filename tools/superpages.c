/* SPDX-License-Identifier: BSD-3-Clause */
/* weir superpages: what a DMA mapping costs the IOMMU, worked out. */
#include "size.h"
#include "tool.h"

#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>

static const char usage[] =
    "usage: weir superpages --length SIZE [OPTION]...\n\n"
    "Works out which pages an IOMMU uses for a DMA mapping made through VFIO, how many IOTLB "
    "entries\n"
    "that takes, which IOVA makes the fewest, and why the pages are not larger. Asks no device.\n\n"
    "  --length SIZE        of the memory: 64M, 1G\n"
    "  --page SIZE          of the pages behind it (4K)\n"
    "  --iommu-pages LIST   that the IOMMU has (4K,2M,1G); or the mask that VFIO reports, "
    "0x40201000\n"
    "  --va ADDRESS         of the memory (0)\n"
    "  --iova ADDRESS       where it is mapped; without it, one that suits best\n"
    "  --at P0,P1,...       physical address of each page behind it, the one that holds --va "
    "first;\n"
    "                       without it, none is taken to lie next to another\n"
    "  --width BITS         of the addresses that IOMMU and device have (64)\n"
    "  --disable-hugepages  as if vfio_iommu_type1.disable_hugepages=1\n"
    "  --json               as JSON\n";

struct job {
    struct weir_superpage_request r;
    uint64_t *at;
    bool json;
};

static bool parse_at(const char *text, struct job *j)
{
    size_t n = 1;

    for (const char *c = text; *c; c++)
        n += *c == ',';
    free(j->at);
    j->at = calloc(n, sizeof *j->at);
    j->r.at = j->at;
    j->r.n_at = n;
    return j->at && tool_addresses(text, j->at, n);
}

/* What keeps larger pages out, and what to do about it. @n: the page kept out. */
static void explain(const struct job *j, unsigned why, const char *n)
{
    char page[SIZE_TEXT];

    tool_size_text(j->r.page, page);
    switch (why) {
    case WEIR_WHY_LENGTH:
        printf("%s: the mapping is shorter than that, or not a whole number of them", n);
        break;
    case WEIR_WHY_IOVA_ALIGNMENT:
        printf("%s: the IOVA is not congruent to the physical address modulo %s", n, n);
        break;
    case WEIR_WHY_VA_ALIGNMENT:
        printf("%s: the memory starts or ends inside one; align its address to %s", n, n);
        break;
    case WEIR_WHY_BACKING_PAGE:
        printf("%s: the pages behind the memory are %s, and where they lie is not known (--at)", n,
               page);
        break;
    case WEIR_WHY_DISCONTIGUOUS:
        printf("%s: the pages that would make it up are not contiguous, or not aligned to %s", n,
               n);
        break;
    case WEIR_WHY_DISABLED:
        printf("%s: disable_hugepages makes VFIO map base pages one by one", n);
        break;
    case WEIR_WHY_WIDTH:
        printf("%s: no congruent IOVA is left within %u bits", n, j->r.iova_bits);
        break;
    default:
        break;
    }
    putchar('\n');
}

static void print_table(const struct job *j, const struct weir_superpage_plan *p)
{
    char length[SIZE_TEXT], page[SIZE_TEXT], align[SIZE_TEXT], masks[PAGES_TEXT];

    printf("memory   %s in pages of %s\n", tool_size_text(j->r.len, length),
           tool_size_text(j->r.page, page));
    printf("iommu    %s\n", tool_page_sizes_text(j->r.iommu_pages, masks));
    printf("iova     ");
    if (!j->r.any_iova)
        printf("%#" PRIx64 "; ", p->iova);
    printf("the fewest entries, %" PRIu64 ", with one that is %#" PRIx64 " modulo %s\n", p->best,
           p->offset, tool_size_text(p->align, align));
    printf("entries  %" PRIu64 "\n", p->entries);
    for (unsigned i = 64; i-- > 0;) {
        char size[SIZE_TEXT];

        if (p->leaves[i])
            printf("  %-6s %" PRIu64 "\n", tool_size_text((uint64_t)1 << i, size), p->leaves[i]);
    }
    for (unsigned i = 0; i < WEIR_N_WHY; i++) {
        char n[SIZE_TEXT];

        if (!(p->why & 1u << i))
            continue;
        printf("%-15s ", weir_superpage_why_name(1u << i));
        explain(j, 1u << i, tool_size_text(p->short_of[i], n));
    }
}

static void print_json(const struct weir_superpage_plan *p)
{
    struct json_object *o = json_object_new_object(), *leaves = json_object_new_object();
    struct json_object *why = json_object_new_array(), *kept = json_object_new_object();
    char text[SIZE_TEXT];

    json_object_object_add(o, "entries", json_object_new_uint64(p->entries));
    for (unsigned i = 64; i-- > 0;)
        if (p->leaves[i])
            json_object_object_add(leaves, tool_size_text((uint64_t)1 << i, text),
                                   json_object_new_uint64(p->leaves[i]));
    json_object_object_add(o, "leaves", leaves);
    for (unsigned i = 0; i < WEIR_N_WHY; i++) {
        const char *name = weir_superpage_why_name(1u << i);

        if (!(p->why & 1u << i))
            continue;
        json_object_array_add(why, json_object_new_string(name));
        json_object_object_add(kept, name,
                               json_object_new_string(tool_size_text(p->short_of[i], text)));
    }
    json_object_object_add(o, "why", why);
    json_object_object_add(o, "short_of", kept);
    json_object_object_add(o, "iova", json_object_new_uint64(p->iova));
    json_object_object_add(o, "align", json_object_new_uint64(p->align));
    json_object_object_add(o, "offset", json_object_new_uint64(p->offset));
    json_object_object_add(o, "best", json_object_new_uint64(p->best));
    puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
    json_object_put(o);
}

static int plan(struct job *j)
{
    struct weir_superpage_plan p;
    struct weir_error err;

    if (!j->r.len)
        return tool_usage(&command_superpages, "--length SIZE is missing");
    if (weir_superpage_plan(&j->r, &p, &err))
        return tool_failed(&err);
    if (j->json)
        print_json(&p);
    else
        print_table(j, &p);
    return 0;
}

static int parse(int argc, char **argv, struct job *j)
{
    static const struct option longs[] = {{"length", 1, 0, 'l'},
                                          {"page", 1, 0, 'p'},
                                          {"iommu-pages", 1, 0, 'i'},
                                          {"va", 1, 0, 'v'},
                                          {"iova", 1, 0, 'a'},
                                          {"at", 1, 0, 't'},
                                          {"width", 1, 0, 'w'},
                                          {"json", 0, 0, 'j'},
                                          {"disable-hugepages", 0, 0, 'd'},
                                          {"help", 0, 0, 'h'},
                                          {0}};
    const struct command *cmd = &command_superpages;
    uint64_t n;
    int c;

    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (c) {
        case 'l':
            if (!tool_size(optarg, &j->r.len))
                return tool_usage(cmd, "--length %s: expected a size, such as 64M", optarg);
            break;
        case 'p':
            if (!tool_size(optarg, &j->r.page) || j->r.page & (j->r.page - 1))
                return tool_usage(cmd, "--page %s: expected a power of two, such as 2M", optarg);
            break;
        case 'i':
            if (!tool_page_sizes(optarg, &j->r.iommu_pages))
                return tool_usage(cmd,
                                  "--iommu-pages %s: expected powers of two, 4K,2M,1G, or a "
                                  "mask in hexadecimal",
                                  optarg);
            break;
        case 'v':
            if (!tool_addresses(optarg, &j->r.va, 1))
                return tool_usage(cmd, "--va %s: expected an address", optarg);
            break;
        case 'a':
            if (!tool_addresses(optarg, &j->r.iova, 1))
                return tool_usage(cmd, "--iova %s: expected an address", optarg);
            j->r.any_iova = false;
            break;
        case 't':
            if (!parse_at(optarg, j))
                return tool_usage(cmd, "--at %s: expected addresses between commas", optarg);
            break;
        case 'w':
            if (!tool_number(optarg, 1, 64, &n))
                return tool_usage(cmd, "--width %s: expected 1 to 64", optarg);
            j->r.iova_bits = (unsigned)n;
            break;
        case 'd':
            j->r.base_pages_only = true;
            break;
        case 'j':
            j->json = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return -1;
        default:
            return tool_usage_getopt(cmd);
        }
    }
    if (optind < argc)
        return tool_usage(cmd, "what is '%s'?", argv[optind]);
    return 0;
}

static int run(int argc, char **argv)
{
    struct job j = {
        .r = {.size = sizeof j.r,
              .page = 4096,
              .any_iova = true,
              .iommu_pages = (uint64_t)1 << 12 | (uint64_t)1 << 21 | (uint64_t)1 << 30}};
    int status = parse(argc, argv, &j);

    if (status == 0)
        status = plan(&j);
    free(j.at);
    return status < 0 ? 0 : status;
}

const struct command command_superpages = {
    .name = "superpages",
    .summary = "work out which IOMMU pages a DMA mapping gets, and why",
    .usage = usage,
    .run = run,
};
