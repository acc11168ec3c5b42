#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# kill -9 of l2fwd while frames come in: the kernel takes the device off the bus before the memory goes,
# so no DMA is caught by the IOMMU, and the next start finds it in order. Several times.
# shellcheck source=tests/vm/guest/tap.sh
. /test/tap.sh

echo 64 >/proc/sys/vm/nr_hugepages
free=$(cat /proc/sys/vm/nr_hugepages)
hugepages_free() {
    sed -n 's/^HugePages_Free: *//p' /proc/meminfo
}
ports=
for device in $VFIO; do
    ports="$ports $device?iommu=$API"
done
for round in 1 2 3; do
    # shellcheck disable=SC2086 # a list
    l2fwd --stats 0.2 $ports >/tmp/out 2>&1 &
    pid=$!
    for _ in $(seq 300); do
        grep -q "rx [1-9]" /tmp/out && break
        sleep 0.1
    done
    true_that "round $round: frames are forwarded" grep -q "rx [1-9]" /tmp/out
    kill -9 $pid
    wait $pid 2>/dev/null
    for _ in $(seq 300); do # the last of a process may go after its end was told
        [ "$(hugepages_free)" != "$free" ] || break
        sleep 0.1
    done
    is "round $round: the hugepages are free again" "$(hugepages_free)" "$free"
done
# shellcheck disable=SC2086 # a list
l2fwd --count 1000 --duration 60 $ports >/tmp/out 2>&1
result $? "a clean start and end afterwards"
sed 's/^/# /' /tmp/out
say "it is over"
is "no IOMMU fault in the models" "$(hear)" "no faults"
done_testing
