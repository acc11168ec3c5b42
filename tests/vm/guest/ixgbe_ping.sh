#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The kernel's own driver on an X540 model answers the host's pings.
# shellcheck source=tests/vm/guest/tap.sh
. /test/tap.sh

# fq_codel, this kernel's default, drops what waits for long.
echo pfifo_fast >/proc/sys/net/core/default_qdisc
true_that "ixgbe is loaded" modprobe ixgbe
true_that "an interface is there" test -e /sys/class/net/eth0
true_that "it goes up" ip addr add 198.51.100.1/24 dev eth0
ip link set eth0 up
say "ping me"
is "the host's pings" "$(hear)" "all answered"
is "dmesg: warnings of ixgbe" "$(dmesg -r | grep -E '^<[0-4]>.*ixgbe')" ""
done_testing
