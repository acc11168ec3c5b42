#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Four processors, four queue pairs, four vectors: receive-side scaling.
# shellcheck disable=SC2119,SC2317 # arguments are optional; within and true_that call by name
# shellcheck source=tests/vm/guest/ixgbe_lib.sh
. /test/ixgbe_lib.sh

# received: packets of each queue
received() {
    for queue in 0 1 2 3; do
        counter rx_queue_${queue}_packets
    done
}

# since BEFORE: packets of each queue since then, in one line
since() {
    # shellcheck disable=SC2046,SC2086 # lists
    set -- $1 $(received)
    echo $(($5 - $1)) $(($6 - $2)) $(($7 - $3)) $(($8 - $4))
}

load
true_that "hash over UDP ports" ethtool -N eth0 rx-flow-hash udp4 sdfn
up
is "queue pairs" "$(ethtool -l eth0 | sed -n 's/^Combined:\t*//p' | tail -n 1)" 4
before=$(received)
datagrams 20000 1400 64
counts=$(since "$before")
echo "# by queue: $counts"
is "their sum" "$(echo "$counts" | awk '{ print $1 + $2 + $3 + $4 }')" 20000
for n in $counts; do
    true_that "a queue got between 15 and 35 of a hundred" test "$n" -gt 3000 -a "$n" -lt 7000
done
for queue in 0 1 2 3; do
    true_that "vector $queue was raised" test "$(awk -v name="eth0-TxRx-$queue" \
        '$NF == name { for (i = 2; i <= 5; i++) n += $i; print n + 0 }' /proc/interrupts)" -gt 100
done

true_that "the table names two queues alone" ethtool -X eth0 equal 2
before=$(received)
datagrams 2000 1400 64
counts=$(since "$before")
echo "# by queue: $counts"
# shellcheck disable=SC2086 # a list
set -- $counts
is "the first two got them" $(($1 + $2)) 2000
true_that "both of them" test "$1" -gt 600 -a "$2" -gt 600
no_complaints 'enabling UDP RSS'
done_testing
