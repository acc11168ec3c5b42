/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device needs of the machine: firmware, IOMMU, groups, VFIO, interrupt remapping. */
#include "lib/host/finding.h"

#include <string.h>

#define ACPI     "/sys/firmware/acpi/tables"
#define GRUB     "/etc/default/grub"
#define TYPE1    "/sys/module/vfio_iommu_type1/parameters"
#define MODPROBE "/etc/modprobe.d/weir-vfio.conf"
#define LOAD     "/etc/modules-load.d/weir-vfio.conf"

/* Is a parameter on the kernel's command line, with that at its start? */
static bool parameter(const struct weir_host *h, const char *start)
{
    size_t len = strlen(start);

    for (const char *at = h->machine.cmdline; (at = strstr(at, start)); at += len) {
        if ((at == h->machine.cmdline || at[-1] == ' ') && strchr(" ,", at[len]))
            return true;
    }
    return false;
}

static void firmware(struct weir_report *r)
{
    const struct weir_machine *m = &r->h->machine;

    if (*m->table) {
        weir_report_file(r, ACPI "/%s", m->table);
        weir_report_ok(r, "firmware", "firmware announces an IOMMU (%s)", m->table);
    } else if (*m->iommus || m->acpi != WEIR_YES) {
        weir_report_file(r, ACPI);
        weir_report_ok(r, "firmware", "nothing is known of firmware here");
    } else {
        weir_report_file(r, ACPI "/DMAR");
        weir_report_file(r, ACPI "/IVRS");
        weir_report_what(r, "firmware announces no IOMMU");
        weir_report_say(r, FINDING_NO_TABLE);
    }
}

static void iommu(struct weir_report *r)
{
    const struct weir_machine *m = &r->h->machine;
    bool off = parameter(r->h, "iommu=off") || parameter(r->h, "intel_iommu=off") ||
               parameter(r->h, "amd_iommu=off");

    weir_report_file(r, "/sys/class/iommu");
    if (*m->iommus) {
        weir_report_ok(r, "iommu", "the kernel drives %s", m->iommus);
        return;
    }
    if (!*m->table) {
        weir_report_ok(r, "iommu", "the kernel drives none, see firmware");
        return;
    }
    weir_report_file(r, "/proc/cmdline");
    if (off) {
        weir_report_what(r, "the IOMMU is turned off on the command line");
        weir_report_add(r->fix, "sed -i -E 's/(intel_|amd_)?iommu=off ?//g' " GRUB);
        weir_report_add(r->fix, "update-grub");
        weir_report_add(r->fix, "reboot");
        weir_report_say(r, FINDING_IOMMU_OFF);
    } else if (strcmp(m->table, "DMAR") == 0 && !parameter(r->h, "intel_iommu=on")) {
        weir_report_what(r, "the IOMMU is not turned on: intel_iommu=on is missing");
        weir_report_add(r->fix,
                        "sed -i 's/^GRUB_CMDLINE_LINUX_DEFAULT=[^a-z]/&intel_iommu=on /' " GRUB);
        weir_report_add(r->fix, "update-grub");
        weir_report_add(r->fix, "reboot");
        weir_report_say(r, FINDING_IOMMU_PARAMETER);
    } else if (strcmp(m->table, "VIOT") == 0) {
        weir_report_what(r, "the virtual IOMMU is not driven");
        weir_report_add(r->fix, "modprobe virtio-iommu");
        weir_report_add(r->keep, "echo virtio-iommu >> /etc/initramfs-tools/modules");
        weir_report_add(r->keep, "update-initramfs -u");
        weir_report_say(r, FINDING_IOMMU_VIRTIO);
    } else {
        weir_report_file(r, ACPI "/%s", m->table);
        weir_report_what(r, "the kernel did not start the IOMMU");
        weir_report_say(r, FINDING_IOMMU_FAILED);
    }
}

static void groups(struct weir_report *r)
{
    const struct weir_machine *m = &r->h->machine;

    if (m->noiommu == WEIR_YES) {
        weir_report_file(r, "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
        weir_report_what(r, "VFIO opens devices without an IOMMU");
        weir_report_say(r, FINDING_NOIOMMU);
    }
    if (r->f && r->f->group >= 0) {
        weir_report_file(r, SYS_PCI "%s/iommu_group", r->f->name);
        weir_report_ok(r, "groups", "%s is in group %d", r->f->name, r->f->group);
    } else if (r->h->n_groups && r->f) {
        weir_report_file(r, SYS_PCI "%s/iommu_group", r->f->name);
        weir_report_what(r, "%s is in no IOMMU group", r->f->name);
        weir_report_say(r, FINDING_DEVICE_NO_GROUP);
    } else if (r->h->n_groups) {
        weir_report_ok(r, "groups", "there are %u IOMMU groups", r->h->n_groups);
    } else {
        weir_report_add(r->evidence, "/sys/kernel/iommu_groups: empty");
        weir_report_what(r, "there are no IOMMU groups");
        weir_report_say(r, FINDING_GROUPS_EMPTY);
    }
}

static void modules(struct weir_report *r)
{
    const struct weir_machine *m = &r->h->machine;
    /* Weir takes iommufd where it is, and then has no need of type1. Devices have their files as
     * soon as one is on vfio-pci. */
    bool iommufd = weir_table_find(&r->h->table, "/dev/iommu") != NULL;
    bool maps = m->vfio_type1 || (iommufd && (m->vfio_type1_built == WEIR_NO ||
                                              weir_table_find(&r->h->table, "/dev/vfio/devices")));

    if (m->vfio_pci_built == WEIR_NO || (m->vfio_type1_built == WEIR_NO && !iommufd)) {
        weir_report_file(r, "/lib/modules/%s/modules.dep", m->kernel);
        weir_report_what(r, "kernel %s has no %s", m->kernel,
                         m->vfio_pci_built == WEIR_NO ? "vfio-pci" : "vfio_iommu_type1");
        weir_report_say(r, FINDING_VFIO_NOT_BUILT);
        return;
    }
    if (!m->vfio_pci) {
        weir_report_file(r, "/sys/bus/pci/drivers/vfio-pci");
        weir_report_what(r, "vfio-pci is not loaded");
        weir_report_add(r->fix, "modprobe vfio-pci");
        weir_report_add(r->keep, "echo vfio-pci >> " LOAD);
        weir_report_say(r, FINDING_VFIO_MISSING);
    }
    if (!maps) {
        weir_report_file(r, TYPE1);
        weir_report_what(r, "vfio_iommu_type1 is not loaded");
        weir_report_add(r->fix, "modprobe vfio_iommu_type1");
        weir_report_add(r->keep, "echo vfio_iommu_type1 >> " LOAD);
        weir_report_say(r, FINDING_TYPE1_MISSING);
    }
    if (m->vfio_pci && maps)
        weir_report_ok(r, "modules", "vfio-pci and %s are there",
                       m->vfio_type1 ? "vfio_iommu_type1" : "iommufd");
}

static void interrupts(struct weir_report *r)
{
    const struct weir_machine *m = &r->h->machine;

    weir_report_file(r, "/proc/interrupts");
    if (m->remapping == WEIR_YES) {
        weir_report_ok(r, "interrupts", "interrupts are remapped");
        return;
    }
    if (!*m->iommus) {
        weir_report_ok(r, "interrupts", "nothing remaps them without an IOMMU");
        return;
    }
    weir_report_file(r, TYPE1 "/allow_unsafe_interrupts");
    if (m->remapping == WEIR_UNKNOWN) {
        weir_report_what(r, "whether interrupts are remapped does not show");
        weir_report_say(r, FINDING_INTERRUPTS_UNKNOWN);
    } else if (m->unsafe_interrupts == WEIR_YES) {
        weir_report_what(r, "interrupts are not remapped, and VFIO bears it");
        weir_report_say(r, FINDING_INTERRUPTS_ALLOWED);
    } else {
        weir_report_what(r, "interrupts are not remapped");
        weir_report_add(r->fix, "echo Y > " TYPE1 "/allow_unsafe_interrupts");
        weir_report_add(r->keep,
                        "echo options vfio_iommu_type1 allow_unsafe_interrupts=1 >> " MODPROBE);
        weir_report_say(r, FINDING_INTERRUPTS_UNSAFE);
    }
}

void weir_check_platform(struct weir_report *r)
{
    firmware(r);
    iommu(r);
    groups(r);
    modules(r);
    interrupts(r);
}
