#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# VLAN tags: put in and taken out by the device, filtered by it, and left to the kernel. The host
# answers datagrams whose frames have the tag, and counts the others.
# shellcheck disable=SC2119,SC2317 # arguments are optional; within and true_that call by name
# shellcheck source=tests/vm/guest/ixgbe_lib.sh
. /test/ixgbe_lib.sh

HOST=203.0.113.2

tagged() {
    datagrams "$1" 1400 4
    say "other frames"
    is "frames without the tag that the host saw" "$(hear)" 0
}

load
up
true_that "an interface for VLAN 5" ip link add link eth0 name tagged type vlan id 5
ip addr add 203.0.113.1/24 dev tagged
ip link set tagged up
arp -s $HOST $HOST_MAC
for feature in tx-vlan-offload rx-vlan-offload rx-vlan-filter; do
    is "$feature" "$(ethtool -k eth0 | sed -n "s/^$feature: \(on\|off\).*/\1/p")" on
done
tagged 3000

before=$(counter rx_packets)
say "send 100 frames of VLAN 6"
is "the host sends to VLAN 6" "$(hear)" sent
true_that "ping on VLAN 5" udpcheck send $HOST 7 10 100 1
is "frames of VLAN 6 that got through" $(($(counter rx_packets) - before)) 10

true_that "tags are left to the kernel" ethtool -K eth0 txvlan off rxvlan off
up "the link without offloads"
is "rx-vlan-offload" "$(ethtool -k eth0 | sed -n 's/^rx-vlan-offload: \(on\|off\).*/\1/p')" off
tagged 1000
no_complaints
done_testing
