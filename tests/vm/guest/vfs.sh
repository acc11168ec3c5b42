#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# weir bind --vfs against the kernel. $PF is an igb that its driver has.
# shellcheck source=tests/vm/guest/tap.sh
. /test/tap.sh
# shellcheck source=tests/vm/guest/vfio.sh
. /test/vfio.sh

pf=/sys/bus/pci/devices/$PF

# state: the PF's driver, and each VF's with what the kernel says of its group
state() {
    driver_of "$PF"
    for link in "$pf"/virtfn*; do
        [ -e "$link" ] || continue
        vf=$(readlink "$link")
        vf=${vf##*/}
        echo "$(driver_of "$vf")=$(viable "$(group_of "$vf")")"
    done
}

# step WHAT STATUS STATE COMMAND...
step() {
    what=$1 wanted=$2 after=$3
    shift 3
    "$@" >/tmp/out 2>&1
    is "$what" $? "$wanted"
    sed 's/^/# /' /tmp/out
    is "$what: PF, and VFs with their groups' viability" "$(state | xargs)" "$after"
}

modprobe vfio-pci
modprobe vfio_iommu_type1
both="igb vfio-pci=yes vfio-pci=yes"
step "bind --vfs 2" 0 "$both" weir bind --vfs 2 "$PF"
vf=$(readlink "$pf/virtfn0")
vf=${vf##*/}
weir doctor "$vf" >/tmp/out 2>&1
result $? "doctor: nothing blocks the VF"
sed 's/^/# /' /tmp/out
step "bind --vfs 1" 0 "igb vfio-pci=yes" weir bind --vfs 1 "$PF"
step "bind --vfs 99" 1 "igb vfio-pci=yes" weir bind --vfs 99 "$PF"
step "bind --vfs 0" 0 "igb" weir bind --vfs 0 "$PF"
step "unbind of the PF" 0 "" weir unbind "$PF"
step "bind of the PF" 0 "vfio-pci" weir bind "$PF"
step "restore of the PF" 0 "igb" weir restore "$PF"
is "nothing is remembered" "$(ls /run/weir/bind)" ""
done_testing
