/* SPDX-License-Identifier: BSD-3-Clause */
/* What keeps a device from a program: its driver, and the other members of its group. */
#include "lib/host/finding.h"

#include <string.h>

void weir_report_bind(struct weir_report *r, const struct weir_function *f)
{
    char path[128];

    snprintf(path, sizeof(path), SYS_PCI "%s/driver_override", f->name);
    if (weir_table_find(&r->h->table, path)) {
        weir_report_add(r->fix, "echo vfio-pci > %s", path);
        weir_report_add(
            r->keep,
            "echo 'ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"%s\", "
            "ATTR{driver_override}=\"vfio-pci\", RUN{builtin}+=\"kmod load vfio-pci\"' > "
            "/etc/udev/rules.d/70-weir-%s.rules",
            f->name, f->name);
    }
    if (*f->driver)
        weir_report_add(r->fix, "echo %s > " SYS_PCI "%s/driver/unbind", f->name, f->name);
    if (weir_table_find(&r->h->table, path)) {
        weir_report_add(r->fix, "echo %s > /sys/bus/pci/drivers_probe", f->name);
    } else {
        /* Before Linux 3.16 a driver has to be told the device's identifiers. */
        weir_report_add(r->fix, "echo %04x %04x > /sys/bus/pci/drivers/vfio-pci/new_id", f->vendor,
                        f->device);
    }
}

/* Interfaces that are up, and nothing more, only have to be put down. */
static bool only_up(const struct weir_function *f)
{
    return (f->use & WEIR_USE_BUSY) == WEIR_USE_UP;
}

static void interfaces_down(struct weir_report *r, const struct weir_function *f)
{
    static const char dir[] = "/sys/class/net/";

    for (unsigned i = weir_table_from(&r->h->table, dir); i < r->h->table.n; i++) {
        const struct weir_entry *e = &r->h->table.entries[i];
        const char *rest = "", *name;
        size_t len;

        name = weir_entry_in(e, dir, &len, &rest);
        if (!name)
            break;
        /* Names may hold what a shell makes something else of. */
        if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != len)
            continue;
        if (!*rest && weir_function_in_path(r->h, e->value) == weir_function_index(r->h, f))
            weir_report_add(r->fix, "ip link set dev %s down", name);
    }
}

static void in_use(struct weir_report *r, const struct weir_function *f)
{
    weir_report_add(r->evidence, "on %s: %s", f->name, f->used_by);
}

void weir_check_driver(struct weir_report *r)
{
    const struct weir_function *f = r->f;
    bool overridden = *f->driver_override && strcmp(f->driver_override, "vfio-pci") != 0;

    if (f->bridge) {
        weir_report_add(r->evidence, SYS_PCI "%s/config: header type %u", f->name, f->header);
        weir_report_what(r, "%s is a bridge", f->name);
        weir_report_say(r, FINDING_DEVICE_BRIDGE);
        return;
    }
    if (f->use & WEIR_USE_ROOT) {
        in_use(r, f);
        weir_report_what(r, "%s IS THE CONTROLLER OF YOUR ROOT DISK", f->name);
        weir_report_say(r, FINDING_DEVICE_ROOT);
        return;
    }
    if (f->use & WEIR_USE_BUSY) {
        in_use(r, f);
        weir_report_what(r, "%s is in use: %s", f->name, f->used_by);
        if (only_up(f))
            interfaces_down(r, f);
        weir_report_say(r, FINDING_DEVICE_USED);
    }
    weir_report_file(r, SYS_PCI "%s/driver", f->name);
    weir_report_file(r, SYS_PCI "%s/driver_override", f->name);
    if (weir_function_vfio(f) && (*f->driver_override || strcmp(f->driver, "vfio-pci") != 0)) {
        weir_report_ok(r, "driver", "%s is on %s", f->name, f->driver);
        return;
    }
    if (weir_function_vfio(f)) {
        weir_report_what(r, "%s is on vfio-pci without driver_override", f->name);
        weir_report_say(r, FINDING_DRIVER_NEW_ID);
        return;
    }
    /* No command here takes away what the host would miss. */
    if (!(f->use & WEIR_USE_BUSY) || only_up(f))
        weir_report_bind(r, f);
    if (overridden) {
        weir_report_what(r, "driver_override of %s says \"%s\"", f->name, f->driver_override);
        weir_report_say(r, FINDING_DRIVER_OVERRIDDEN);
    } else if (strcmp(f->driver, "pci-stub") == 0) {
        weir_report_what(r, "%s is on pci-stub", f->name);
        weir_report_say(r, FINDING_DRIVER_STUB);
    } else if (*f->driver) {
        weir_report_what(r, "%s is on %s%s", f->name, f->driver,
                         *f->driver_override ? ", though driver_override says vfio-pci" : "");
        weir_report_say(r, *f->driver_override ? FINDING_DRIVER_IDLE : FINDING_DRIVER_OTHER);
    } else {
        weir_report_what(r, "%s has no driver", f->name);
        weir_report_say(r, *f->driver_override ? FINDING_DRIVER_UNPROBED : FINDING_DRIVER_NONE);
    }
}

static void regions(struct weir_report *r, const struct weir_group *g)
{
    const char *worst = NULL;

    for (unsigned i = 0; i < g->n_reserved; i++) {
        if (strncmp(g->reserved[i].type, "direct", 6) == 0 &&
            (!worst || strcmp(g->reserved[i].type, "direct") == 0))
            worst = g->reserved[i].type;
    }
    weir_report_file(r, SYS_GROUPS "%d/reserved_regions", g->number);
    if (!worst) {
        weir_report_ok(r, "regions", "firmware keeps no memory mapped for group %d", g->number);
        return;
    }
    weir_report_what(r, "firmware keeps memory mapped for group %d", g->number);
    weir_report_say(r, strcmp(worst, "direct") == 0 ? FINDING_DIRECT : FINDING_RELAXABLE);
}

void weir_check_group(struct weir_report *r)
{
    const struct weir_group *g = weir_host_group_number(r->h, r->f->group);
    unsigned blocking = 0;

    if (!g)
        return;
    for (unsigned i = 0; i < g->n_members; i++) {
        const struct weir_function *m = &r->h->functions[g->members[i]];
        enum weir_finding_id id = FINDING_GROUP_MEMBER;

        if (m == r->f || !weir_function_blocks(r->h, m))
            continue;
        blocking++;
        r->function = g->members[i];
        weir_report_file(r, SYS_PCI "%s/iommu_group", m->name);
        weir_report_file(r, SYS_PCI "%s/driver", m->name);
        if (only_up(m)) {
            interfaces_down(r, m);
            weir_report_bind(r, m);
        } else if (m->use & WEIR_USE_BUSY) {
            in_use(r, m);
            id = m->use & WEIR_USE_ROOT ? FINDING_GROUP_ROOT : FINDING_GROUP_USED;
        } else {
            weir_report_bind(r, m);
        }
        if (id == FINDING_GROUP_ROOT)
            weir_report_what(r, "%s in the same group IS THE CONTROLLER OF YOUR ROOT DISK",
                             m->name);
        else
            weir_report_what(r, "%s in the same group is on %s%s%s", m->name, m->driver,
                             *m->used_by ? ": " : "", m->used_by);
        weir_report_say(r, id);
    }
    if (*g->others) {
        weir_report_add(r->evidence, SYS_GROUPS "%d/devices: %s", g->number, g->others);
        weir_report_what(r, "group %d has members outside PCI: %s", g->number, g->others);
        weir_report_say(r, FINDING_GROUP_OTHERS);
    }
    if (!blocking)
        weir_report_ok(r, "group", "no other member of group %d keeps it from being used",
                       g->number);
    regions(r, g);
}

/* ---- isolation ---- */

/* The bridge under which both are, with the bridges below that on the way to each; -1: none. */
static int meet(const struct weir_host *h, int a, int b, int *way_a, int *way_b)
{
    for (int x = a; x >= 0; x = h->functions[x].parent) {
        for (int y = b; y >= 0; y = h->functions[y].parent) {
            *way_a = x;
            *way_b = y;
            if (h->functions[x].parent >= 0 && h->functions[x].parent == h->functions[y].parent)
                return h->functions[x].parent;
        }
    }
    return -1;
}

/* Do two functions meet in a switch whose ports send to each other? *port: one that does. */
static bool through_switch(const struct weir_host *h, int a, int b, int *port)
{
    int ways[2];

    if (meet(h, a, b, &ways[0], &ways[1]) < 0)
        return false;
    for (unsigned i = 0; i < 2; i++) {
        const struct weir_function *p = &h->functions[ways[i]];
        uint16_t missing;

        *port = ways[i];
        if (p->type == WEIR_PCIE_DOWNSTREAM && weir_acs_isolates(h, p, true, &missing) != WEIR_YES)
            return true;
    }
    return false;
}

struct difference {
    int first; /* the function it shows at */
    unsigned count;
};

static void count(struct difference *d, int i)
{
    if (!d->count++)
        d->first = i;
}

static void differences(struct weir_report *r)
{
    struct difference smaller = {0}, larger = {0}, reach = {0}, vouched = {0}, shared = {0};
    const struct weir_function *f = r->f, *all = r->h->functions;
    int self = weir_function_index(r->h, f), port = -1, at;
    struct weir_reason reason;

    for (int i = 0; i < (int)r->h->n_functions; i++) {
        const struct weir_function *o = &all[i];

        if (i == self || o->group < 0)
            continue;
        if (o->group == f->group) {
            count(&shared, i);
            if (o->derived != f->derived)
                count(&larger, i);
            continue;
        }
        if (o->derived == f->derived)
            count(&smaller, i);
        else if (o->isolated == f->isolated && !o->bridge) {
            if (through_switch(r->h, self, i, &at)) {
                if (!reach.count)
                    port = at;
                count(&reach, i);
            } else {
                count(&vouched, i);
            }
        }
    }
    if (shared.count) {
        weir_host_explain(r->h, f, &all[shared.first], &reason);
        weir_report_add(r->evidence, SYS_GROUPS "%d/devices: %u members", f->group,
                        shared.count + 1);
        weir_report_add(r->evidence, "%s: %s%s%s", all[shared.first].name, reason.code,
                        reason.via >= 0 ? " at " : "", reason.via >= 0 ? all[reason.via].name : "");
        at = reason.via >= 0 ? reason.via : self;
        if (all[at].since > r->h->machine.version)
            weir_report_add(r->evidence, "%s: taken for isolated by Linux %u.%u, not by %s",
                            all[at].name, all[at].since >> 8, all[at].since & 255,
                            r->h->machine.kernel);
        weir_report_what(r, "%s shares group %d with %u other%s", f->name, f->group, shared.count,
                         shared.count == 1 ? "" : "s");
        weir_report_say(r, FINDING_GROUP_SHARED);
    }
    if (!f->known) {
        weir_report_add(r->evidence, SYS_PCI "%s/config: 64 bytes", f->name);
        weir_report_what(r, "whether ACS isolates %s is unknown", f->name);
        weir_report_add(r->fix, "weir doctor %s", f->name);
        weir_report_say(r, FINDING_ISOLATION_UNKNOWN);
        return;
    }
    if (larger.count) {
        weir_report_file(r, "/proc/sys/kernel/osrelease");
        weir_report_what(r, "the kernel joins %s and %s, which the algorithm keeps apart", f->name,
                         all[larger.first].name);
        weir_report_say(r, FINDING_GROUP_LARGER);
    }
    if (smaller.count && !r->h->machine.acs_override) {
        weir_report_file(r, "/proc/sys/kernel/osrelease");
        weir_host_explain(r->h, f, &all[smaller.first], &reason);
        weir_report_add(r->evidence, "%s: %s", all[smaller.first].name, reason.code);
        weir_report_what(r, "the kernel keeps %s and %s apart, which the algorithm joins", f->name,
                         all[smaller.first].name);
        weir_report_say(r, FINDING_GROUP_SMALLER);
    }
    if (reach.count) {
        weir_report_add(r->evidence, SYS_PCI "%s/config: ACS %s 0x%04x, on 0x%04x", all[port].name,
                        all[port].acs == WEIR_YES ? "can" : "none,", all[port].acs_cap,
                        all[port].acs_ctrl);
        weir_report_what(r, "%s and %s are in different groups, yet switch port %s can join them",
                         f->name, all[reach.first].name, all[port].name);
        weir_report_say(r, FINDING_REACHABLE);
    }
    if (vouched.count) {
        const char *who = f->quirk;

        for (int up = f->parent; !who && up >= 0; up = all[up].parent)
            who = all[up].quirk;
        weir_report_add(r->evidence, "%s",
                        who ? who : "a quirk of the kernel for another function");
        weir_report_what(r, "%s is apart from %s by its vendor's word", f->name,
                         all[vouched.first].name);
        weir_report_say(r, FINDING_VOUCHED);
    }
    if (!shared.count && !smaller.count && !reach.count && !vouched.count)
        weir_report_ok(r, "isolation", "%s can reach no other group", f->name);
}

void weir_check_isolation(struct weir_report *r)
{
    const struct weir_machine *m = &r->h->machine;

    if (m->acs_override) {
        weir_report_file(r, "/proc/cmdline");
        weir_report_what(
            r, "the kernel's view of ACS is overridden: isolation is claimed, not verified");
        weir_report_add(r->fix,
                        "sed -i -E 's/pcie_acs_override=[a-z0-9,:]* ?//' /etc/default/grub");
        weir_report_add(r->fix, "update-grub");
        weir_report_add(r->fix, "reboot");
        weir_report_say(r, FINDING_OVERRIDE);
    }
    if (m->acs_disabled) {
        weir_report_file(r, "/proc/cmdline");
        weir_report_what(r, "ACS is turned off for some ports");
        weir_report_say(r, FINDING_ACS_OFF);
    }
    if (r->f && r->f->group >= 0)
        differences(r);
}
