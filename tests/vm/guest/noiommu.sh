#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A machine without an IOMMU, where the kernel allows VFIO without one: only when it is asked for, with
# a warning, and in hugepages at their physical addresses. $VFIO is an edu and two X540s.
# shellcheck source=tests/vm/guest/tap.sh
. /test/tap.sh

# shellcheck disable=SC2086 # a list
set -- $VFIO
copy "$1" >/tmp/out 2>&1
is "not by itself" $? 1
true_that "and it says why" grep -q "no IOMMU group" /tmp/out
copy "$1?iommu=none" >/tmp/out 2>&1
is "not without hugepages" $? 1
true_that "and it says how to have some" grep -q "nr_hugepages" /tmp/out
sed 's/^/# /' /tmp/out
echo 32 >/proc/sys/vm/nr_hugepages
copy "$1?iommu=none" >/tmp/out 2>&1
result $? "copy $1?iommu=none"
sed 's/^/# /' /tmp/out
true_that "the warning says what is lost" grep -q "reaches any memory of this machine" /tmp/out
copy --interrupt "$1?iommu=none" >/tmp/out 2>&1
result $? "copy --interrupt $1?iommu=none"
# ports_that_received: how many, by what l2fwd has said so far
ports_that_received() {
    sed -n 's/^port \([01]\):.* total rx [1-9].*/\1/p' /tmp/out | sort -u | wc -l
}

# Until both have: one model may come to run long before the other does.
l2fwd --stats 0.2 "$2?iommu=none" "$3?iommu=none" >/tmp/out 2>&1 &
pid=$!
for _ in $(seq 600); do
    [ "$(ports_that_received)" -lt 2 ] || break
    sleep 0.1
done
kill $pid
wait $pid
result $? "l2fwd"
sed 's/^/# /' /tmp/out
is "ports that forwarded frames" "$(ports_that_received)" 2
done_testing
