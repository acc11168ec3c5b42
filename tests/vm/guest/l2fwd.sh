#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# l2fwd between the case's two X540s through $API, as root or, with AS=user, as somebody who has
# nothing but the devices' files and a limit on locked memory. COUNT frames come from both sides; the host
# compares what came out.
# shellcheck source=tests/vm/guest/tap.sh
. /test/tap.sh
# shellcheck source=tests/vm/guest/vfio.sh
. /test/vfio.sh

echo 64 >/proc/sys/vm/nr_hugepages
ports=
for device in $VFIO; do
    ports="$ports $device?iommu=$API"
    if [ "$AS" = user ]; then
        files=/dev/vfio/$(group_of "$device")
        [ "$API" = type1 ] ||
            files="/dev/iommu /dev/vfio/devices/$(ls "/sys/bus/pci/devices/$device/vfio-dev")"
        # shellcheck disable=SC2086 # a list
        chown user $files
    fi
done
command="l2fwd -v --count $COUNT --duration 100 --patience 60 --stats-json /tmp/l2fwd.json $ports"
if [ "$AS" = user ]; then
    # Each of the two containers counts the 8 MiB of the arena. busybox's ulimit knows -l.
    # shellcheck disable=SC3045
    ulimit -l 32768
    su user -c "$command" >/tmp/out 2>&1
else
    $command >/tmp/out 2>&1
fi
status=$?
sed 's/^/# /' /tmp/out
result $status "l2fwd"
true_that "through $API" grep -q "in a $API space" /tmp/out
say forwarded
is "the host has compared" "$(hear)" "the same"
done_testing
