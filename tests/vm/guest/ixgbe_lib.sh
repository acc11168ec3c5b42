# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# Sourced by tests of the X540 model under the kernel's own ixgbe. The host's end of the wire is a TAP
# interface with the address $HOST and the MAC address $HOST_MAC, where `udpcheck echo 7` answers.
# shellcheck source=tests/vm/guest/tap.sh
. /test/tap.sh

HOST=198.51.100.2
HOST_MAC=02:00:00:00:00:02
GUEST=198.51.100.1
GUEST_MAC=02:00:00:00:00:01 # the model's

# within SECONDS COMMAND...: until it succeeds
within() {
    tap_end=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt $tap_end ] || return 1
        sleep 0.1
    done
}

carrier() {
    [ "$(cat /sys/class/net/eth0/carrier 2>/dev/null)" = 1 ]
}

# Nothing that was not asked for goes over the wire, so that counters can be compared.
# fq_codel, this kernel's default, drops what a guest under emulation is slow to send.
quiet() {
    echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
    echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
    echo pfifo_fast >/proc/sys/net/core/default_qdisc
}

# load: the driver, and its interface with an address
load() {
    quiet
    true_that "ixgbe is loaded" modprobe ixgbe
    true_that "an interface is there" within 60 test -e /sys/class/net/eth0
    is "its address is the NVM's" "$(cat /sys/class/net/eth0/address)" $GUEST_MAC
}

up() {
    ip link set eth0 up
    ip addr replace $GUEST/24 dev eth0
    arp -s $HOST $HOST_MAC
    true_that "${1:-the link} comes up" within 60 carrier
}

# counter NAME: of ethtool -S
counter() {
    ethtool -S eth0 | sed -n "s/^ *$1: //p"
}

# datagrams COUNT SIZE FLOWS: there and back, each verified at both ends
datagrams() {
    udpcheck send $HOST 7 "$1" "$2" "$3" >/tmp/udpcheck 2>&1
    tap_status=$?
    sed 's/^/# /' /tmp/udpcheck
    result $tap_status "$1 datagrams of $2 bytes each way, all verified"
}

# What ixgbe or the kernel about it had to complain of; $1: what is no complaint here
no_complaints() {
    is "the kernel log has no warning" \
        "$(dmesg -r | grep -E '^<[0-4]>' | grep -E 'ixgbe|eth0|DMAR|WARNING|BUG|Call Trace|hang|irq ' |
            grep -vE "${1:-^nothing}")" ""
}
