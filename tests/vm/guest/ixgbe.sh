#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Stock ixgbe: traffic that is verified, counters that agree, and unloading.
# shellcheck disable=SC2119,SC2317 # arguments are optional; within and true_that call by name
# shellcheck source=tests/vm/guest/ixgbe_lib.sh
. /test/ixgbe_lib.sh

load
up
is "speed, as ethtool has it" "$(ethtool eth0 | sed -n 's/.*Speed: //p')" 10000Mb/s
true_that "ping" ping -q -c 5 -i 0.2 $HOST
datagrams 20000 1400 16

# What the driver counts, what the registers counted, and (on the host) model and interface.
is "received: driver and registers" "$(counter rx_pkts_nic)" "$(counter rx_packets)"
is "sent: driver and registers" "$(counter tx_pkts_nic)" "$(counter tx_packets)"
is "received bytes, with 4 of CRC each" "$(counter rx_bytes_nic)" \
    $(($(counter rx_bytes) + 4 * $(counter rx_packets)))
# Padding and CRC are the device's: pings and datagrams need no padding.
is "sent bytes, with 4 of CRC each" "$(counter tx_bytes_nic)" \
    $(($(counter tx_bytes) + 4 * $(counter tx_packets)))
is "by queue" "$(ethtool -S eth0 | awk '/rx_queue_[0-9]+_packets/ { n += $2 } END { print n }')" \
    "$(counter rx_packets)"
is "errors" "$(ethtool -S eth0 | grep -E 'err|drop|miss|fail|no_buffer|timeout|hang|length' |
    grep -v ': 0$')" ""
say "counted $(counter rx_pkts_nic) $(counter tx_pkts_nic)"
is "the model and the host's interface" "$(hear)" "agree"

# The kernel gives the device segments of 64 KiB and packets without checksums.
head -c 4000000 /dev/urandom >/tmp/sent
true_that "TCP, segmented by the device" sh -c "nc $HOST 7 </tmp/sent >/tmp/back"
is "4 MB came back as they were" "$(md5sum </tmp/back)" "$(md5sum </tmp/sent)"
is "checksum errors" "$(counter rx_csum_offload_errors)" 0
say "how many"
is "segments of the 4 MB that the model sent" "$(hear)" "more than 2700"
is "frames that the driver sent" "$([ "$(counter tx_packets)" -gt 22700 ] || echo less)" ""

# More than anybody could take in: each frame is received or missed, and no counter goes astray.
before=$(counter rx_packets)
say "flood"
is "the host sends 40000 frames" "$(hear)" sent
settled() {
    [ $(($(counter rx_packets) - before + $(counter rx_missed_errors))) -eq 40000 ]
}
true_that "all were received or missed" within 60 settled
echo "# received $(($(counter rx_packets) - before)), missed $(counter rx_missed_errors)"
true_that "some were missed" test "$(counter rx_missed_errors)" -gt 0
is "received, after that: driver and registers" "$(counter rx_pkts_nic)" "$(counter rx_packets)"

say "pull the cable"
is "the host" "$(hear)" "as you say"
no_carrier() { ! carrier; }
true_that "the carrier is gone" within 60 no_carrier
say "plug it in"
is "the host" "$(hear)" "as you say"
true_that "the carrier is back" within 60 carrier
true_that "ping" ping -q -c 2 -i 0.2 $HOST

for round in 1 2 3; do
    true_that "round $round: unloaded" rmmod ixgbe
    true_that "round $round: loaded" modprobe ixgbe
    up "round $round: the link"
    true_that "round $round: ping" ping -q -c 2 -i 0.2 $HOST
done
datagrams 1000 600 4
no_complaints
done_testing
