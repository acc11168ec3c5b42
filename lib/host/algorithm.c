/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups derived from topology: as the kernel does it (drivers/iommu/iommu.c, pci_device_group();
 * the same in Linux 6.1 to 7.2), and by what ACS really keeps apart. Beside it, the reasons.
 *
 * The kernel takes a function's highest DMA alias, goes on up to the highest bridge from which the
 * way to the root is not all ACS, and looks there for a group: that bridge's, that of a function
 * with the same requester ID, or of another function of the same device that lacks ACS, too.
 */
#include "lib/host/host.h"
#include "lib/host/quirk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define V(major, minor) ((unsigned)(major) << 8 | (minor))

struct work {
    const struct weir_host *h;
    int *group;   /* by function; -1: not yet */
    bool quirks;  /* believe vendors, and the running kernel's version */
    bool unknown; /* something on the way could not be read */
};

/* drivers/pci/pci.c, pci_acs_enabled(). */
enum weir_known weir_acs_isolates(const struct weir_host *h, const struct weir_function *f,
                                  bool quirks, uint16_t *missing)
{
    unsigned version = quirks && h->machine.version ? h->machine.version : V(255, 0);
    uint16_t required = WEIR_ACS_REQUIRED;
    enum weir_known vouched = WEIR_NO;
    const char *who;
    unsigned since;

    *missing = 0;
    if (quirks)
        vouched =
            weir_quirk_isolated(f, version, strcmp(h->machine.table, "IVRS") == 0, &who, &since);
    if (vouched == WEIR_YES)
        return WEIR_YES;
    switch (f->type) {
    case WEIR_PCIE_ROOT_PORT:
    case WEIR_PCIE_DOWNSTREAM:
        break;
    case WEIR_PCIE_NONE:
    case WEIR_PCIE_TO_PCI:
    case WEIR_PCIE_FROM_PCI:
    case WEIR_PCIE_RC_EVENT:
        *missing = required;
        return vouched;
    case WEIR_PCIE_UNKNOWN:
        return WEIR_UNKNOWN;
    default:
        /* An endpoint has peers only inside its own device. */
        if (!f->multifunction)
            return WEIR_YES;
    }
    if (f->acs == WEIR_UNKNOWN)
        return WEIR_UNKNOWN;
    if (f->acs == WEIR_NO) {
        *missing = required;
        return vouched;
    }
    /* What cannot be turned on is taken for not there to be feared, since 3.11. */
    if (version >= V(3, 11))
        required &= f->acs_cap;
    *missing = required & (uint16_t)~f->acs_ctrl;
    return *missing ? vouched : WEIR_YES;
}

static bool isolates(struct work *w, int i)
{
    uint16_t missing;
    enum weir_known k = weir_acs_isolates(w->h, &w->h->functions[i], w->quirks, &missing);

    w->unknown |= k == WEIR_UNKNOWN;
    return k == WEIR_YES;
}

/* Is all of the way from bridge i to the root ACS? */
static bool path_isolates(struct work *w, int i)
{
    for (; i >= 0; i = w->h->functions[i].parent) {
        if (!isolates(w, i))
            return false;
    }
    return true;
}

enum alias { ALIAS_NONE, ALIAS_BRIDGE, ALIAS_STOP };

/* What a bridge does to requester IDs from below (drivers/pci/search.c, pci_for_each_dma_alias()).
 */
static enum alias alias_at(struct work *w, int i)
{
    const struct weir_function *f = &w->h->functions[i];
    enum weir_bridge_quirk q = weir_quirk_bridge(f);

    if (q == WEIR_BRIDGE_XLATE)
        return ALIAS_STOP;
    switch (f->type) {
    case WEIR_PCIE_TO_PCI:
        return q == WEIR_BRIDGE_NO_ALIAS ? ALIAS_NONE : ALIAS_BRIDGE;
    case WEIR_PCIE_FROM_PCI:
    case WEIR_PCIE_NONE:
        return ALIAS_BRIDGE;
    case WEIR_PCIE_UNKNOWN:
        w->unknown = true;
        return ALIAS_NONE;
    default:
        return ALIAS_NONE;
    }
}

/*
 * Where the search for a group starts: *alias is the highest bridge with which a function shares
 * its requester ID, *port the highest one on the way that lacks ACS; -1 for none. With groups given
 * it stops at the first bridge that has one, which is then *group.
 */
static int anchor(struct work *w, int i, int *alias, int *port, int *group)
{
    const struct weir_function *all = w->h->functions;
    int at = all[i].owner >= 0 ? all[i].owner : i;

    *alias = *port = *group = -1;
    if (w->group && w->group[at] >= 0) {
        *group = w->group[at];
        return at;
    }
    for (int up = all[at].parent; up >= 0; up = all[up].parent) {
        enum alias a = alias_at(w, up);

        if (a == ALIAS_STOP)
            break;
        if (a == ALIAS_NONE)
            continue;
        *alias = up;
        if (w->group && w->group[up] >= 0) {
            *group = w->group[up];
            return up;
        }
    }
    if (*alias >= 0)
        at = *alias;
    for (int up = all[at].parent; up >= 0 && !path_isolates(w, up); up = all[up].parent) {
        *port = at = up;
        if (w->group && w->group[up] >= 0) {
            *group = w->group[up];
            return up;
        }
    }
    return at;
}

/* The functions on one bus are neighbours in the table. */
static void bus_of(const struct weir_host *h, int i, int *first, int *last)
{
    const struct weir_function *all = h->functions, *f = &all[i];

    for (*first = i;
         *first > 0 && all[*first - 1].bus == f->bus && all[*first - 1].domain == f->domain;)
        --*first;
    for (*last = i; *last + 1 < (int)h->n_functions && all[*last + 1].bus == f->bus &&
                    all[*last + 1].domain == f->domain;)
        ++*last;
}

static bool aliases(const struct weir_host *h, int a, int b)
{
    const struct weir_function *x = &h->functions[a], *y = &h->functions[b];

    return weir_quirk_alias(x, (unsigned)y->slot << 3 | y->number) ||
           weir_quirk_alias(y, (unsigned)x->slot << 3 | x->number);
}

static int sibling_group(struct work *w, int i, uint64_t seen[4]);

/* get_pci_alias_group(): its own group, or one of those with its requester ID. */
static int alias_group(struct work *w, int i, uint64_t seen[4])
{
    const struct weir_function *f = &w->h->functions[i];
    unsigned devfn = (unsigned)f->slot << 3 | f->number;
    int first, last;

    if (seen[devfn / 64] >> (devfn % 64) & 1)
        return -1;
    seen[devfn / 64] |= (uint64_t)1 << (devfn % 64);
    if (w->group[i] >= 0)
        return w->group[i];
    bus_of(w->h, i, &first, &last);
    for (int j = first; j <= last; j++) {
        int g;

        if (j == i || !aliases(w->h, i, j))
            continue;
        g = alias_group(w, j, seen);
        if (g < 0)
            g = sibling_group(w, j, seen);
        if (g >= 0)
            return g;
    }
    return -1;
}

/* get_pci_function_alias_group(): that of another function of a device without ACS. */
static int sibling_group(struct work *w, int i, uint64_t seen[4])
{
    const struct weir_function *all = w->h->functions;
    int first, last;

    if (!all[i].multifunction || isolates(w, i))
        return -1;
    bus_of(w->h, i, &first, &last);
    for (int j = first; j <= last; j++) {
        int g;

        if (j == i || all[j].slot != all[i].slot || isolates(w, j))
            continue;
        g = alias_group(w, j, seen);
        if (g >= 0)
            return g;
    }
    return -1;
}

static int group_for(struct work *w, int i)
{
    uint64_t seen[4] = {0};
    int alias, port, group, at = anchor(w, i, &alias, &port, &group);

    if (group < 0)
        group = alias_group(w, at, seen);
    if (group < 0)
        group = sibling_group(w, at, seen);
    return group < 0 ? i : group;
}

static unsigned depth(const struct weir_host *h, int i)
{
    unsigned n = 0;

    for (; i >= 0; n++)
        i = h->functions[i].parent >= 0 ? h->functions[i].parent : h->functions[i].owner;
    return n;
}

/* In the order in which the kernel meets them: a bus before the buses behind it. */
static void simulate(struct work *w, const unsigned *depths, unsigned deepest, bool *unknown)
{
    unsigned n = w->h->n_functions;

    for (unsigned i = 0; i < n; i++)
        w->group[i] = -1;
    for (unsigned d = 1; d <= deepest; d++) {
        for (unsigned i = 0; i < n; i++) {
            if (depths[i] != d)
                continue;
            w->unknown = false;
            w->group[i] = group_for(w, (int)i);
            unknown[i] |= w->unknown;
        }
    }
    /* One that joined an uncertain group is as uncertain. */
    for (unsigned i = 0; i < n; i++) {
        if (unknown[i])
            unknown[w->group[i]] = true;
    }
    for (unsigned i = 0; i < n; i++)
        unknown[i] |= unknown[w->group[i]];
}

static int top(int *of, int i)
{
    while (of[i] != i)
        i = of[i] = of[of[i]];
    return i;
}

static void unite(int *of, int a, int b)
{
    a = top(of, a);
    b = top(of, b);
    of[a > b ? a : b] = a > b ? b : a;
}

/*
 * What the kernel leaves out: downstream ports of a switch send a request straight to each other
 * unless ACS redirects it (PCIe 5.0, 6.12.3), so with one that does not, all below the switch can
 * be reached. Kernels to 7.2 look at the way up only.
 */
static void add_switches(struct work *w, int *open)
{
    const struct weir_function *all = w->h->functions;
    unsigned n = w->h->n_functions;

    for (unsigned i = 0; i < n; i++)
        open[i] = -1;
    for (unsigned i = 0; i < n; i++) {
        if (all[i].type == WEIR_PCIE_DOWNSTREAM && all[i].parent >= 0 && !isolates(w, (int)i))
            open[all[i].parent] = (int)i;
    }
    for (unsigned i = 0; i < n; i++) {
        for (int up = all[i].parent; up >= 0; up = all[up].parent) {
            if (open[up] >= 0)
                unite(w->group, (int)i, open[up]);
        }
    }
}

int weir_host_make_derived(struct weir_host *h)
{
    unsigned n = h->n_functions, deepest = 0;
    int *ints = calloc((size_t)n * 2 + 1, sizeof(*ints));
    unsigned *depths = calloc(n + 1, sizeof(*depths));
    bool *unknown = calloc(n + 1, sizeof(*unknown));
    struct work w = {.h = h, .group = ints, .quirks = true};
    int r = ints && depths && unknown ? 0 : -ENOMEM;

    for (unsigned i = 0; r == 0 && i < n; i++) {
        depths[i] = depth(h, (int)i);
        deepest = depths[i] > deepest ? depths[i] : deepest;
    }
    if (r == 0) {
        simulate(&w, depths, deepest, unknown);
        for (unsigned i = 0; i < n; i++)
            h->functions[i].derived = ints[i];
        w.quirks = false;
        simulate(&w, depths, deepest, unknown);
        add_switches(&w, ints + n);
        for (unsigned i = 0; i < n; i++) {
            struct weir_function *f = &h->functions[i];
            const char *who;

            f->isolated = top(ints, (int)i);
            f->known = !unknown[i];
            if (weir_quirk_isolated(f, h->machine.version, strcmp(h->machine.table, "IVRS") == 0,
                                    &who, &f->since) == WEIR_YES)
                f->quirk = who;
            /* What it can do is all on, and it cannot do all. */
            if (!f->since && f->acs == WEIR_YES && WEIR_ACS_REQUIRED & ~f->acs_cap &&
                !(WEIR_ACS_REQUIRED & f->acs_cap & ~f->acs_ctrl))
                f->since = V(3, 11);
        }
        /* A group is named after its first member, which need not be the one met first. */
        for (unsigned i = 0; i < 2 * n; i++)
            ints[i] = -1;
        for (unsigned i = 0; i < n; i++) {
            struct weir_function *f = &h->functions[i];
            int *derived = &ints[f->derived], *isolated = &ints[n + (unsigned)f->isolated];

            if (*derived < 0)
                *derived = (int)i;
            if (*isolated < 0)
                *isolated = (int)i;
            f->derived = *derived;
            f->isolated = *isolated;
        }
    }
    free(ints);
    free(depths);
    free(unknown);
    return r;
}

static bool below(const struct weir_host *h, int i, int bridge)
{
    for (; i >= 0; i = h->functions[i].parent) {
        if (i == bridge)
            return true;
    }
    return false;
}

static bool looks_like_vf(const struct weir_function *f, const struct weir_function *zero)
{
    return f != zero && zero->number == 0 && zero->sriov == WEIR_NO && f->pf < 0 &&
           f->vendor == zero->vendor && f->device != zero->device &&
           f->class_code == zero->class_code && f->header == 0;
}

void weir_host_explain(const struct weir_host *h, const struct weir_function *a,
                       const struct weir_function *b, struct weir_reason *out)
{
    struct work w = {.h = h, .quirks = true};
    int x = weir_function_index(h, a), y = weir_function_index(h, b), none;
    int alias_a, alias_b, port, at_a = anchor(&w, x, &alias_a, &port, &none);
    int at_b = anchor(&w, y, &alias_b, &port, &none);
    const struct weir_function *via = &h->functions[at_a], *other = &h->functions[at_b];
    uint16_t missing;

    *out = (struct weir_reason){.code = "unexplained", .via = -1, .other = -1};
    if (w.unknown) {
        out->code = "unknown";
    } else if (alias_a >= 0 && below(h, y, alias_a)) {
        out->code = "requester-id";
        out->via = alias_a;
    } else if (alias_b >= 0 && below(h, x, alias_b)) {
        out->code = "requester-id";
        out->via = alias_b;
    } else if (a->owner >= 0 || b->owner >= 0) {
        if (at_a == at_b) {
            out->code = "requester-id";
            out->via = at_a;
        }
    } else if (at_a == at_b) {
        out->via = at_a;
        weir_acs_isolates(h, via, true, &out->missing);
        out->code = via->acs == WEIR_YES ? "port-acs-off" : "port-no-acs";
    } else if (via->bus == other->bus && via->domain == other->domain) {
        if (aliases(h, at_a, at_b))
            out->code = "dma-alias";
        else if (via->slot == other->slot && !isolates(&w, at_a) && !isolates(&w, at_b))
            out->code = via->bridge && other->bridge ? "ports-no-acs" : "multifunction";
        else
            return;
        out->via = at_a;
        out->other = at_b;
        weir_acs_isolates(h, via, true, &out->missing);
        weir_acs_isolates(h, other, true, &missing);
        out->missing |= missing;
        if (at_a == x && at_b == y && strcmp(out->code, "multifunction") == 0) {
            const struct weir_function *zero = a->number < b->number ? a : b;
            int first, last;

            bus_of(h, x, &first, &last);
            for (int i = first; i <= last; i++) {
                if (h->functions[i].slot == a->slot && h->functions[i].number == 0)
                    zero = &h->functions[i];
            }
            if (looks_like_vf(a, zero) || looks_like_vf(b, zero)) {
                out->code = "not-sriov";
                out->via = weir_function_index(h, zero);
            }
        }
    }
}
