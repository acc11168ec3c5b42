#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Frames of 9000 bytes, which take several receive buffers each.
# shellcheck disable=SC2119,SC2317 # arguments are optional; within and true_that call by name
# shellcheck source=tests/vm/guest/ixgbe_lib.sh
. /test/ixgbe_lib.sh

load
up
datagrams 500 1400 4
# A new MTU resets the device; what its registers counted goes there unless it was read.
is "what the registers counted" "$(counter rx_pkts_nic)" "$(counter rx_packets)"
true_that "MTU 9000" ip link set eth0 mtu 9000
up "the link with MTU 9000"
true_that "ping with 9000 bytes" ping -q -c 3 -i 0.2 -s 8972 $HOST
datagrams 3000 8972 4
datagrams 500 100 4
true_that "buffers were chained" test "$(counter non_eop_descs)" -gt 6000
is "what the registers counted, and before" "$(counter rx_pkts_nic)" "$(counter rx_packets)"
true_that "MTU 1500 again" ip link set eth0 mtu 1500
up "the link with MTU 1500"
datagrams 500 1400 4
no_complaints
done_testing
