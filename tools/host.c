/* SPDX-License-Identifier: BSD-3-Clause */
#include "host.h"

#include <pci/pci.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool host_option(struct host_choice *c, int option, const char *value)
{
    switch (option) {
    case OPT_ROOT:
        c->root = value;
        return true;
    case OPT_SNAPSHOT:
        c->snapshot = value;
        return true;
    case OPT_IDS:
        c->ids = value;
        return true;
    default:
        return false;
    }
}

struct weir_host *host_open(const struct host_choice *c, struct weir_error *err)
{
    struct weir_host_options opt = {.size = sizeof opt, .root = c->root, .snapshot = c->snapshot};

    return weir_host_new(&opt, err);
}

const struct weir_function *host_need(const struct weir_host *h, const char *name)
{
    const struct weir_function *f = weir_host_find(h, name);
    char shown[64];

    if (!f)
        fprintf(stderr,
                "weir: there is no PCI function '%s'\n"
                "  try: weir groups, which lists them all; names are like 0000:01:00.0\n",
                weir_printable(shown, sizeof shown, name, strlen(name)));
    return f;
}

bool host_name(const struct command *cmd, const char *name)
{
    unsigned domain, bus, slot, function;
    char shown[64];
    int end = 0;

    if ((sscanf(name, "%8x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) == 4 ||
         sscanf(name, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) == 3) &&
        !name[end] && slot < 32 && function < 8)
        return true;
    tool_usage(
        cmd,
        "'%s' is no PCI function, such as 0000:01:00.0; only PCI functions have IOMMU groups "
        "and drivers",
        weir_printable(shown, sizeof shown, name, strlen(name)));
    return false;
}

struct names {
    struct pci_access *access;
    bool broken;
};

/* libpci ends the program on errors; here it only costs the names. */
static jmp_buf failed;

static void on_error(char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void on_error(char *fmt, ...)
{
    (void)fmt;
    longjmp(failed, 1);
}

static void on_message(char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void on_message(char *fmt, ...)
{
    (void)fmt;
}

struct names *names_open(const char *ids)
{
    struct names *n = calloc(1, sizeof *n);

    if (!n)
        return NULL;
    n->access = pci_alloc();
    if (!n->access) {
        free(n);
        return NULL;
    }
    /* Only its list of names is used: pci_init(), which looks for devices, is never called. */
    n->access->error = on_error;
    n->access->warning = n->access->debug = on_message;
    if (ids)
        pci_set_name_list_path(n->access, (char *)(uintptr_t)ids, 0);
    return n;
}

void names_close(struct names *n)
{
    if (!n)
        return;
    pci_cleanup(n->access);
    free(n);
}

static const char *part(struct names *n, int flags, const struct weir_function *f, char *out,
                        int size)
{
    const char *name;

    flags |= PCI_LOOKUP_NO_NUMBERS | PCI_LOOKUP_NO_HWDB;
    if (!n || n->broken)
        return "";
    if (setjmp(failed)) {
        n->broken = true;
        return "";
    }
    name = pci_lookup_name(n->access, out, size, flags, f->vendor, f->device);
    return name ? name : "";
}

const char *names_get(struct names *n, const struct weir_function *f, char *out, size_t size)
{
    char vendor[128], device[128];
    const char *v = part(n, PCI_LOOKUP_VENDOR, f, vendor, sizeof vendor);
    const char *d = part(n, PCI_LOOKUP_DEVICE, f, device, sizeof device);

    snprintf(out, size, "%s%s%s", v, *v && *d ? " " : "", d);
    return weir_printable(out, size, out, strlen(out));
}

const char *host_role(const struct weir_host *h, const struct weir_function *f, char *out,
                      size_t size)
{
    static const char *const types[] = {
        [WEIR_PCIE_ENDPOINT] = "endpoint",
        [WEIR_PCIE_LEGACY_ENDPOINT] = "legacy endpoint",
        [WEIR_PCIE_ROOT_PORT] = "root port",
        [WEIR_PCIE_UPSTREAM] = "switch upstream port",
        [WEIR_PCIE_DOWNSTREAM] = "switch downstream port",
        [WEIR_PCIE_TO_PCI] = "PCIe-to-PCI bridge",
        [WEIR_PCIE_FROM_PCI] = "PCI-to-PCIe bridge",
        [WEIR_PCIE_RC_ENDPOINT] = "root complex endpoint",
        [WEIR_PCIE_RC_EVENT] = "event collector",
    };
    /* What it is stands beyond the 64 bytes that everybody may read. */
    const char *type = f->bridge ? "bridge, kind unknown" : "device, kind unknown";

    if (f->pf >= 0) {
        snprintf(out, size, "VF of %s", weir_host_function(h, f->pf)->name);
        return out;
    }
    if (f->type >= 0 && (size_t)f->type < sizeof types / sizeof types[0] && types[f->type])
        type = types[f->type];
    else if (f->type == WEIR_PCIE_NONE)
        type = f->bridge ? "PCI bridge" : "PCI device";
    if (f->num_vfs)
        snprintf(out, size, "%s, %u VF%s", type, f->num_vfs, f->num_vfs == 1 ? "" : "s");
    else
        snprintf(out, size, "%s", type);
    return out;
}

bool host_viable(const struct weir_host *h, const struct weir_group *g)
{
    for (unsigned i = 0; i < g->n_members; i++)
        if (weir_function_blocks(h, weir_host_function(h, g->members[i])))
            return false;
    return true;
}

const char *host_acs_bits(unsigned bits, char *out, size_t size)
{
    static const char *const bit_names[] = {"SV", "TB", "RR", "CR", "UF", "EC", "DT"};
    size_t used = 0;

    snprintf(out, size, "none");
    for (unsigned i = 0; i < 7; i++)
        if (bits & 1u << i)
            used +=
                (size_t)snprintf(out + used, size - used, "%s%s", used ? " " : "", bit_names[i]);
    return out;
}

const char *host_reason(const struct weir_host *h, const struct weir_function *a,
                        const struct weir_function *b, const struct weir_reason *r, char *out,
                        size_t size)
{
    const struct weir_function *via = weir_host_function(h, r->via);
    const struct weir_function *other = weir_host_function(h, r->other);
    const char *v = via ? via->name : "", *o = other ? other->name : "";
    char bits[32];

    host_acs_bits(r->missing, bits, sizeof bits);
    if (!strcmp(r->code, "requester-id")) {
        if (via == b || via == a)
            snprintf(out, size, "%s is the bridge whose requester ID %s has beyond it", v,
                     via == b ? a->name : b->name);
        else
            snprintf(out, size,
                     "same requester ID: what comes from behind the bridge %s cannot be told apart",
                     v);
    } else if (!strcmp(r->code, "dma-alias")) {
        snprintf(out, size, "one of them is known to do DMA with the other's requester ID");
    } else if (!strcmp(r->code, "multifunction")) {
        if (via == a && other == b)
            snprintf(out, size, "another function of a multifunction device without ACS (%s)",
                     bits);
        else
            snprintf(out, size, "%s and %s are functions of one device without ACS (%s)", v, o,
                     bits);
    } else if (!strcmp(r->code, "not-sriov")) {
        snprintf(
            out, size,
            "it looks like a VF, but %s is no true SR-IOV device: without that capability these "
            "are functions of one device without ACS (%s)",
            v, bits);
    } else if (!strcmp(r->code, "port-no-acs")) {
        if (via == b)
            snprintf(out, size, "the port above %s, which lacks ACS (%s)", a->name, bits);
        else
            snprintf(out, size, "%s behind %s, which lacks ACS (%s)",
                     via == a ? "it is" : "both are", v, bits);
    } else if (!strcmp(r->code, "port-acs-off")) {
        snprintf(out, size, "%s %s has ACS, but with %s off", via == b ? "the port" : "behind port",
                 v, bits);
    } else if (!strcmp(r->code, "ports-no-acs")) {
        snprintf(out, size,
                 "ports %s and %s are functions of one device and lack ACS (%s): a peer path leads "
                 "from one to the other",
                 v, o, bits);
    } else if (!strcmp(r->code, "unknown")) {
        snprintf(out, size,
                 "unknown: configuration space is for root, try: sudo weir groups "
                 "--explain %s",
                 a->name);
    } else {
        snprintf(out, size,
                 "no reason in this topology: an older kernel, or ACS was off when it booted");
    }
    return out;
}

void json_text(struct json_object *o, const char *key, const char *text)
{
    char shown[1024];

    /* What sysfs says could be any bytes; JSON is UTF-8. */
    for (size_t i = 0; text[i]; i++) {
        if ((unsigned char)text[i] >= 0x7f) {
            text = weir_printable(shown, sizeof shown, text, strlen(text));
            break;
        }
    }
    json_object_object_add(o, key, json_object_new_string(text));
}

void json_number(struct json_object *o, const char *key, uint64_t value)
{
    json_object_object_add(o, key, json_object_new_uint64(value));
}

void json_known(struct json_object *o, const char *key, enum weir_known value)
{
    json_object_object_add(
        o, key, value == WEIR_UNKNOWN ? NULL : json_object_new_boolean(value == WEIR_YES));
}

void json_function(struct json_object *o, const char *key, const struct weir_host *h, int index)
{
    const struct weir_function *f = weir_host_function(h, index);

    json_object_object_add(o, key, f ? json_object_new_string(f->name) : NULL);
}

void json_print(struct json_object *o)
{
    puts(json_object_to_json_string_ext(o,
                                        JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}
