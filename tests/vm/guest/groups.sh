#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The groups that weir derives from the topology, against the kernel's in /sys/kernel/iommu_groups.
# Each line of TOPOLOGIES is slot|seed|functions|big or small|expected|name: one topology, which is
# what hangs below that slot of the root bus.
#
#   functions  so many PCI functions are there, VFs among them
#   big        has a group of three or more endpoints
#   expected   "equal", or "kernel GROUP... derived GROUP...": the groups that only one of them has,
#              members joined by +
# shellcheck source=tests/vm/guest/tap.sh
. /test/tap.sh
# shellcheck source=tests/vm/guest/vfio.sh
. /test/vfio.sh

# joined: from "group device" lines a line for each group, its devices joined by +
joined() {
    sort -k 2 | sed 's/ 0000:/ /' |
        awk '{ m[$1] = m[$1] == "" ? $2 : m[$1] "+" $2 } END { for (g in m) print m[g] }' | sort
}

# only FILE OTHER: the lines that OTHER does not have, in one
only() {
    grep -vxFf "$2" "$1" | tr '\n' ' '
}

for pf in /sys/bus/pci/devices/*.0; do
    [ "$(driver_of "${pf##*/}")" != igb ] || echo 3 >"$pf/sriov_numvfs"
done
for device in /sys/bus/pci/devices/*; do
    read -r class <"$device/class"
    [ "${class#0x0604}" != "$class" ] || echo "${device##*/0000:}"
done >/tmp/endpoints
for link in /sys/kernel/iommu_groups/*/devices/*; do
    group=${link#/sys/kernel/iommu_groups/}
    echo "${group%%/*} ${link##*/}"
done | joined >/tmp/kernel
weir groups --json >/tmp/json
result $? "weir groups --json"
awk -F '"' '$2 == "device" { d = $4 } $2 == "derived" { print $4, d }' /tmp/json |
    joined >/tmp/derived

equal=0 big=0 all=0
while IFS='|' read -r slot seed functions size expected name; do
    [ -n "$slot" ] || continue
    all=$((all + 1))
    find /sys/devices/pci0000:00/0000:00:"$slot".* -type d -name '0000:??:??.?' |
        sed 's,.*/0000:,,' >/tmp/below
    for who in kernel derived; do
        grep -Ff /tmp/below /tmp/$who >/tmp/$who.below
    done
    got=equal
    if ! cmp -s /tmp/kernel.below /tmp/derived.below; then
        got="kernel $(only /tmp/kernel.below /tmp/derived.below)"
        got="${got}derived $(only /tmp/derived.below /tmp/kernel.below)"
        got=${got% }
    fi
    most=$(tr '+' ' ' </tmp/kernel.below | awk 'FNR == NR { end[$1] = 1; next }
        { n = 0; for (i = 1; i <= NF; i++) n += $i in end; if (n > most) most = n }
        END { print most + 0 }' /tmp/endpoints -)
    found=small
    [ "$most" -lt 3 ] || found=big
    [ "$got" != equal ] || equal=$((equal + 1))
    [ "$found" != big ] || big=$((big + 1))
    is "seed $seed: $functions functions, $expected, largest group of $most endpoints: $name" \
        "$(wc -l </tmp/below) $found $got" "$functions $size $expected"
done <<END
$TOPOLOGIES
END
echo "# $all topologies: $equal equal, $big with a group of three endpoints or more"
done_testing
