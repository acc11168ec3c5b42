#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Four processors, four queue pairs, four vectors: receive-side scaling.
# shellcheck disable=SC2119,SC2317 # arguments are optional; within and true_that call by name
# shellcheck source=tests/vm/guest/ixgbe_lib.sh
. /test/ixgbe_lib.sh

# Microsoft's, of the documents about RSS. Of 64 ports in a row it sends 16 to each of four queues.
PUBLISHED=6d:5a:56:da:25:5b:0e:c2:41:67:25:3d:43:a3:8f:b0:d0:ca:2b:cb:ae:7b:30:b4:77:cb:2d:a3:80:30
PUBLISHED=$PUBLISHED:f2:0c:6a:42:b7:3b:be:ac:01:fa

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

# spread COUNT WITH: datagrams of 64 flows, each in the queue that the driver's key and table say
spread() {
    expected=$(ethtool -x eth0 | rssqueues $HOST 7 $GUEST 20000 "$1" 64 4)
    before=$(received)
    datagrams "$1" 1400 64
    counts=$(since "$before")
    is "packets by queue, $2" "$counts" "$expected"
}

load
true_that "hash over UDP ports" ethtool -N eth0 rx-flow-hash udp4 sdfn
up
is "queue pairs" "$(ethtool -l eth0 | sed -n 's/^Combined:\t*//p' | tail -n 1)" 4
# The driver draws a key at each boot. One in twenty leaves two queues without any of these flows.
spread 4000 "with the driver's own key"
true_that "a key is set" ethtool -X eth0 hkey $PUBLISHED
spread 20000 "with the published key"
is "which gives each a quarter" "$counts" "5000 5000 5000 5000"
for queue in 0 1 2 3; do
    times=$(awk -v name="eth0-TxRx-$queue" \
        '$NF == name { for (i = 2; i <= 5; i++) n += $i; print n + 0 }' /proc/interrupts)
    echo "# vector $queue: $times times"
    true_that "vector $queue was raised" test "$times" -gt 100
done
true_that "the table names two queues alone" ethtool -X eth0 equal 2
spread 2000 "of two queues"
is "which gives each a half" "$counts" "1000 1000 0 0"
no_complaints 'enabling UDP RSS'
done_testing
