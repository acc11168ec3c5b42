#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# weir space and weir dma-bench on devices of the kernel's VFIO through $API: edu and an X540 whose
# frames come back.
# shellcheck source=tests/vm/guest/tap.sh
. /test/tap.sh

echo 128 >/proc/sys/vm/nr_hugepages
# shellcheck disable=SC2086 # a list
set -- $VFIO
edu="$1?iommu=$API" x540="$2?iommu=$API"

weir space "$edu" >/tmp/out 2>&1
result $? "weir space of a device"
sed 's/^/# /' /tmp/out
true_that "its kind" grep -q ": $API space, 1 device" /tmp/out
true_that "the IOMMU's pages" grep -q "pages  *4K,2M,1G" /tmp/out
true_that "the MSI window is left out" grep -q "usable .* to 0xfedfffff" /tmp/out
[ "$API" = iommufd ] || true_that "the limit" grep -q "limit  *65535 mappings" /tmp/out

l2fwd --duration 60 "$x540" >/tmp/l2fwd 2>&1 &
pid=$!
tries=0
until weir space --pid $pid >/tmp/out 2>&1 && grep -q "in 1 mapping" /tmp/out || [ $tries -gt 600 ]; do
    tries=$((tries + 1))
    usleep 100000
done
sed 's/^/# /' /tmp/out
true_that "l2fwd has mapped its arena" grep -q "in 1 mapping" /tmp/out
true_that "in hugepages" grep -q "rw  2M  *[0-9]* x 2M" /tmp/out
kill $pid
wait $pid

bench() {
    weir dma-bench --reps 3 --time 0.05 "$@" >/tmp/out 2>&1
    status=$?
    sed 's/^/# /' /tmp/out
    result $status "dma-bench $*"
    true_that "all of it" sh -c '! grep -qE "damaged|differs|ended badly|nothing was done" /tmp/out'
}

bench --only map --page 4K,2M --length 64K,2M,64M "$edu"
true_that "maps" grep -q "^map, $API space" /tmp/out
# QEMU's edu takes 100 ms for each transfer.
bench --only throughput,latency --page 2M --length 4K "$edu"
for mode in polled "by interrupt"; do
    true_that "throughput, $mode" grep -q "^throughput, $edu, $mode" /tmp/out
    true_that "latency, $mode" grep -q "^latency, $edu, $mode" /tmp/out
done
bench --only throughput,latency --page 4K,2M --frame 60 "$x540"
true_that "throughput" grep -q "^throughput, $x540" /tmp/out
true_that "latency" grep -q "^latency, $x540" /tmp/out
true_that "no IOMMU fault" sh -c '! dmesg | grep -q "fault addr"'
done_testing
