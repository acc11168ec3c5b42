/* SPDX-License-Identifier: BSD-3-Clause */
/* weir regs: read and write a device's registers by the names its driver declares. */
#include "tool.h"

#include <endian.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <weir/driver/driver.h>
#include <weir/driver/regs.h>

static const char usage[] =
    "usage: weir regs [OPTION]... DEVICE [REGISTER[=VALUE]]...\n\n"
    "Prints the registers of a device's BAR 0 with their fields, or reads and writes single ones. "
    "A\n"
    "REGISTER is a name (CTRL), an element of an array (RDT[3]), an array (RDT: all its elements) "
    "or\n"
    "an offset (0x8). Values are decimal or 0x hexadecimal. Opens the device for itself alone.\n\n"
    "  --all   with registers that change by being read, and elements of arrays that are zero\n"
    "  --doc   say what each register is and where the datasheet describes it\n"
    "  -v      say more; -vv: everything\n";

struct view {
    struct weir_device *device;
    const struct weir_reg_table *table; /* NULL if no driver declares one */
    bool all, doc;
};

/* Reading it changes it, or gives nothing of sense. */
static bool reading_matters(const struct weir_reg *r)
{
    return r->access == WEIR_REG_RC || r->access == WEIR_REG_RS || r->access == WEIR_REG_WO;
}

static const char *access_name(const struct weir_reg *r)
{
    static const char *const names[] = {
        [WEIR_REG_RW] = "rw", [WEIR_REG_RO] = "ro", [WEIR_REG_WO] = "wo",
        [WEIR_REG_RC] = "rc", [WEIR_REG_RS] = "rs", [WEIR_REG_W1C] = "w1c",
    };
    return r->access < sizeof names / sizeof names[0] ? names[r->access] : "?";
}

static int read_at(const struct view *v, uint64_t off, uint32_t *value, struct weir_error *err)
{
    uint32_t le = 0;
    int ret = weir_region_read(v->device, WEIR_REGION_BAR0, off, &le, sizeof le, err);
    *value = le32toh(le);
    return ret;
}

static void print_value(const struct view *v, const struct weir_reg *r, uint32_t first,
                        uint32_t last, uint64_t off, uint32_t value)
{
    char name[64] = "-";

    if (r && first != last)
        snprintf(name, sizeof name, "%s[%u-%u]", r->name, first, last);
    else if (r && r->count > 1)
        snprintf(name, sizeof name, "%s[%u]", r->name, first);
    else if (r)
        snprintf(name, sizeof name, "%s", r->name);
    printf("%05" PRIx64 "  %-20s  0x%08x", off, name, value);
    if (r) {
        printf("  %-3s", access_name(r));
        for (unsigned i = 0; i < v->table->n_fields; i++) {
            const struct weir_reg_field *f = &v->table->fields[i];
            /* A field of all 32 bits says nothing more than the value. */
            if (&v->table->regs[f->reg] == r && f->mask && f->mask != UINT32_MAX)
                printf(" %s=%#x", f->name, weir_field_get(value, f->mask));
        }
        if (v->doc)
            printf("  (%s; %s)", r->doc, r->section);
    }
    printf("\n");
}

/* Elements first to last of a register. With @brief, those of arrays that are zero are left out,
 * and neighbours of the same value share a line. */
static int print_reg(const struct view *v, const struct weir_reg *r, uint32_t first, uint32_t last,
                     bool brief, struct weir_error *err)
{
    uint32_t from = first, value = 0;

    for (uint32_t i = first; i <= last; i++) {
        uint32_t next;
        int ret = read_at(v, r->offset + (uint64_t)i * r->stride, &next, err);
        if (ret)
            return ret;
        if (i > first && !(brief && next == value)) {
            if (!brief || value)
                print_value(v, r, from, i - 1, r->offset + (uint64_t)from * r->stride, value);
            from = i;
        }
        value = next;
    }
    if (!brief || value || r->count == 1)
        print_value(v, r, from, last, r->offset + (uint64_t)from * r->stride, value);
    return 0;
}

static int dump(const struct view *v, struct weir_error *err)
{
    unsigned hidden = 0;

    for (unsigned i = 0; i < v->table->n_regs; i++) {
        const struct weir_reg *r = &v->table->regs[i];
        if (reading_matters(r) && !v->all) {
            hidden++;
            continue;
        }
        int ret = print_reg(v, r, 0, r->count - 1u, !v->all, err);
        if (ret)
            return ret;
    }
    if (hidden)
        printf("%u registers are not shown, as reading changes them or gives nothing; --all reads "
               "them, too\n",
               hidden);
    return 0;
}

/* A register of the command line: elements first to last of reg, or an offset. */
struct target {
    const struct weir_reg *reg;
    uint32_t first, last;
    uint64_t offset;
    bool write;
    uint32_t value;
};

static int bad_target(struct weir_error *err, const char *text, const char *why)
{
    char shown[64];
    return weir_fail(err, -EINVAL, "regs-name",
                     "find register '%s'\n%s\nweir regs DEVICE lists the names; an offset is a "
                     "multiple of 4, such as 0x8",
                     weir_printable(shown, sizeof shown, text, strlen(text)), why);
}

static int find_name(const struct view *v, const char *text, char *name, struct target *t,
                     struct weir_error *err)
{
    char *bracket = strchr(name, '[');
    uint64_t element = 0;

    if (!v->table)
        return bad_target(err, text, "no driver declares this device's registers");
    if (bracket) {
        size_t len = strlen(bracket);
        *bracket = '\0';
        if (len < 3 || bracket[len - 1] != ']')
            return bad_target(err, text, "an element is written NAME[3]");
        bracket[len - 1] = '\0';
        if (!tool_number(bracket + 1, 0, UINT32_MAX, &element))
            return bad_target(err, text, "the element is not a number");
    }
    for (unsigned i = 0; i < v->table->n_regs; i++) {
        const struct weir_reg *r = &v->table->regs[i];
        if (strcasecmp(r->name, name) != 0)
            continue;
        if (element >= r->count)
            return bad_target(err, text, "it has fewer elements");
        *t = (struct target){.reg = r, .first = (uint32_t)element, .last = r->count - 1u};
        if (bracket)
            t->last = t->first;
        t->offset = r->offset + element * r->stride;
        return 0;
    }
    return bad_target(err, text, "the device has no register of that name");
}

static int find_target(const struct view *v, const char *text, struct target *t,
                       struct weir_error *err)
{
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    char name[64];
    uint64_t value = 0;
    int ret = 0;

    if (len == 0 || len >= sizeof name)
        return bad_target(err, text, "no register has such a name");
    if (equals && !tool_number(equals + 1, 0, UINT32_MAX, &value))
        return bad_target(err, text, "the value is not a number of 32 bits");
    memcpy(name, text, len);
    name[len] = '\0';
    if (name[0] >= '0' && name[0] <= '9') {
        *t = (struct target){0};
        if (!tool_number(name, 0, UINT32_MAX, &t->offset) || t->offset % 4)
            return bad_target(err, text, "the offset is not a multiple of 4");
        if (v->table)
            t->reg = weir_reg_find(v->table, (uint32_t)t->offset, &t->first);
        t->last = t->first;
    } else {
        ret = find_name(v, text, name, t, err);
    }
    t->write = equals != NULL;
    t->value = (uint32_t)value;
    if (!ret && t->write && t->first != t->last)
        return bad_target(err, text, "it is an array; write one element, as in NAME[3]=VALUE");
    return ret;
}

static int one(const struct view *v, const struct target *t, struct weir_error *err)
{
    uint32_t le = htole32(t->value), value;
    int ret;

    if (t->write) {
        ret = weir_region_write(v->device, WEIR_REGION_BAR0, t->offset, &le, sizeof le, err);
        if (ret)
            return ret;
    }
    if (t->reg && t->first != t->last)
        return print_reg(v, t->reg, t->first, t->last, false, err);
    ret = read_at(v, t->offset, &value, err);
    if (!ret)
        print_value(v, t->reg, t->first, t->first, t->offset, value);
    return ret;
}

static const struct weir_reg_table *find_table(const struct weir *w,
                                               const struct weir_device_info *info)
{
    const struct weir_driver *driver;

    for (unsigned i = 0; (driver = weir_driver_at(w, i)); i++)
        for (const struct weir_pci_id *id = driver->ids; id->vendor; id++)
            if (id->vendor == info->vendor && id->device == info->device)
                return driver->regs;
    return NULL;
}

static int look(struct weir *w, struct view *v, char **argv, int argc, struct weir_error *err)
{
    struct weir_device_info info;
    struct weir_region bar;

    v->device = weir_device_open(w, argv[0], NULL, err);
    if (!v->device)
        return -1;
    weir_device_info(v->device, &info);
    v->table = find_table(w, &info);
    weir_device_region(v->device, WEIR_REGION_BAR0, &bar);
    if (bar.size == 0)
        return weir_fail(err, -ENODEV, "regs-bar", "read the registers of %s\nit has no BAR 0\n",
                         info.name);

    if (argc == 1) {
        if (!v->table)
            return weir_fail(err, -ENODEV, "regs-table",
                             "list the registers of %s\nno driver declares those of %04x:%04x\n"
                             "read single ones by offset: weir regs %s 0x0",
                             info.name, info.vendor, info.device, info.name);
        return dump(v, err);
    }
    /* All or nothing: a typing mistake in the last must not leave the first written. */
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 1; i < argc; i++) {
            struct target t;
            if (find_target(v, argv[i], &t, err) || (pass && one(v, &t, err)))
                return -1;
        }
    }
    return 0;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {
        {"all", 0, 0, 'a'}, {"doc", 0, 0, 'd'}, {"help", 0, 0, 'h'}, {0}};
    struct view v = {.all = false};
    int level = WEIR_LOG_WARNING, c, failed;
    struct weir_error err;
    struct weir *w;

    while ((c = getopt_long(argc, argv, "vh", longs, NULL)) != -1) {
        switch (c) {
        case 'a':
            v.all = true;
            break;
        case 'd':
            v.doc = true;
            break;
        case 'v':
            if (level < WEIR_LOG_DEBUG)
                level++;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            return tool_usage_getopt(&command_regs);
        }
    }
    if (optind == argc)
        return tool_usage(&command_regs, "which device? For example model:x540?wire=loopback");
    w = tool_instance((enum weir_log_level)level, &err);
    if (!w)
        return tool_failed(&err);
    failed = look(w, &v, argv + optind, argc - optind, &err);
    if (failed)
        tool_failed(&err);
    weir_free(w);
    return failed ? 1 : 0;
}

const struct command command_regs = {
    .name = "regs",
    .summary = "read and write a device's registers by name",
    .usage = usage,
    .run = run,
};
