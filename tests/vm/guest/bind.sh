#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# weir bind, unbind, restore and doctor against the kernel, which says after each step who has the
# device and whether the group is viable. $EDU is an edu; $OTHER, if there is one, is an e1000e in
# the same group, which its driver has.
# shellcheck source=tests/vm/guest/tap.sh
. /test/tap.sh
# shellcheck source=tests/vm/guest/vfio.sh
. /test/vfio.sh

group=$(group_of "$EDU")

# state: drivers of both, what the kernel says of the group, and what weir does
state() {
    echo "$(driver_of "$EDU") $(driver_of "$OTHER") $(viable "$group") $(weir groups --json |
        awk -F '[:,]' -v want="$group" '$1 ~ /"group"/ { here = $2 == want }
            here && $1 ~ /"viable"/ { print $2; exit }')" | tr -s ' '
}

# step WHAT STATUS STATE COMMAND...
step() {
    what=$1 wanted=$2 after=$3
    shift 3
    "$@" >/tmp/out 2>&1
    is "$what" $? "$wanted"
    sed 's/^/# /' /tmp/out
    is "$what: drivers, viable, viable to weir" "$(state)" "$after"
}

overrides() {
    cat "/sys/bus/pci/devices/$EDU/driver_override" "/sys/bus/pci/devices/$OTHER/driver_override" |
        tr '\n' ' '
}

# elsewhere: the interface is in a program's network namespace, whose end gives it back
elsewhere() {
    name=$(ls "/sys/bus/pci/devices/$OTHER/net")
    mkfifo /tmp/apart
    unshare -n sh -c 'echo in >/tmp/apart; exec sleep 1000' &
    apart=$!
    read -r _ </tmp/apart
    ip link set dev "$name" netns $apart
    is "no interface is seen" "$(ls "/sys/bus/pci/devices/$OTHER/net")" ""
    step "bind of one that another namespace has" 1 " e1000e closed false" weir bind "$OTHER"
    true_that "of that it tells" grep -q 'another network namespace' /tmp/out
    kill $apart
    until [ -e "/sys/class/net/$name" ]; do
        sleep 0.1
    done
}

modprobe vfio-pci
modprobe vfio_iommu_type1
before=$(overrides)
is "at first: drivers, viable, viable to weir" "$(state)" " e1000e closed false"
step "restore of what was never bound" 1 " e1000e closed false" weir restore "$EDU"
# Down, and without a route; nothing in /proc tells of this address.
ip addr add 192.0.2.1/24 dev "$(ls "/sys/bus/pci/devices/$OTHER/net")"
step "bind of an interface with an address" 1 " e1000e closed false" weir bind "$OTHER"
ip addr flush dev "$(ls "/sys/bus/pci/devices/$OTHER/net")"
if [ -e /proc/self/ns/net ]; then # the small kernel has no network namespaces
    elsewhere
fi
step "bind --dry-run" 0 " e1000e closed false" weir bind --dry-run "$EDU"
step "bind of one member" 0 "vfio-pci e1000e no false" weir bind "$EDU"
copy "$EDU?iommu=type1" >/tmp/out 2>&1
is "copy on a group that is not viable" $? 1
sed 's/^/# /' /tmp/out
step "bind --group" 0 "vfio-pci vfio-pci yes true" weir bind --group "$EDU"
step "bind --group again" 0 "vfio-pci vfio-pci yes true" weir bind --group "$EDU"
copy "$EDU?iommu=type1" >/tmp/out 2>&1
result $? "copy on a viable group"
exec 9<>"/dev/vfio/$group"
for verb in restore unbind 'bind --driver pci-stub'; do
    # shellcheck disable=SC2086 # words of their own
    weir $verb "$OTHER" >/tmp/out 2>&1
    is "$verb while a program has the group" $? 1
    sed 's/^/# /' /tmp/out
done
exec 9>&-
is "it is where it was" "$(state)" "vfio-pci vfio-pci yes true"
step "restore of one member" 0 "vfio-pci e1000e no false" weir restore "$OTHER"
step "unbind of it" 0 "vfio-pci yes true" weir unbind "$OTHER"
step "the member on pci-stub" 0 "vfio-pci pci-stub yes true" weir bind --driver pci-stub "$OTHER"
step "restore --group" 0 " e1000e closed false" weir restore --group "$EDU"
is "overrides are as they were" "$(overrides)" "$before"
is "nothing is remembered" "$(ls /run/weir/bind)" ""

# What doctor says, word for word.
weir doctor "$EDU" >/tmp/out 2>&1
is "doctor: something blocks" $? 1
sed 's/^/# /' /tmp/out
weir doctor --commands "$EDU" >/tmp/commands
sed 's/^/# /' /tmp/commands
sh -ex /tmp/commands >/tmp/out 2>&1
result $? "sh -ex runs its commands"
sed 's/^/# /' /tmp/out
weir doctor "$EDU" >/tmp/out 2>&1
result $? "doctor: nothing blocks"
is "after its commands: drivers, viable, viable to weir" "$(state)" "vfio-pci vfio-pci yes true"
copy "$EDU" >/tmp/out 2>&1
result $? "copy runs on the device"
sed 's/^/# /' /tmp/out
done_testing
