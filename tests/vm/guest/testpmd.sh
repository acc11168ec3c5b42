#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# testpmd.sh io|macswap QUEUES COUNT: Debian's DPDK forwards what the model's wire generates, through
# vfio-pci and a type1 container. The wire judges what comes back, on the host.
# shellcheck source=tests/vm/guest/tap.sh
. /test/tap.sh

mode=$1 queues=$2 count=$3
out=/tmp/testpmd

# said PATTERN
# shellcheck disable=SC2317 # true_that calls it
said() {
    grep -qE "$1" "$out"
}

# number NAME: the last one of that name
number() {
    sed -n "s/.*$1: *\([0-9]*\).*/\1/p" $out | tail -n 1
}

echo 64 >/proc/sys/vm/nr_hugepages
mkdir -p /var/run # its lock and sockets
mkfifo /tmp/commands
# Two threads on one processor: the main one that reads commands, and the one that forwards.
# A transmit ring holds all that can be on its way, so that none is dropped in between.
dpdk-testpmd --lcores 0@0,1@0 --huge-dir /dev/hugepages --no-telemetry -a "$VFIO" -- -i \
    --total-num-mbufs=16384 --rxd=512 --txd=2048 --rxq="$queues" --txq="$queues" --rss-udp \
    --no-flush-rx \
    --forward-mode="$mode" </tmp/commands >$out.raw 2>&1 &
exec 8>/tmp/commands
# What it prints comes out 4 KiB at a time: statistics, which are longer, push the rest out.
printf 'start\nshow port xstats 0\n' >&8
for _ in $(seq 1200); do
    ! grep -q 'packets/burst' $out.raw || break
    sleep 0.2
done
say "plug in" # what came before would be counted by the device and not by testpmd
# shellcheck disable=SC2046 # a list
set -- $(hear)
crossed=${1:-0} lost=${2:-0} back=${3:-0}
is "frames received" "$crossed" "$count"
is "frames lost" "$lost" 0
is "frames sent" "$back" "$crossed"
# Its driver tells of the link a second after the interrupt, by its own clock.
for _ in $(seq 300); do
    ! grep -q 'link state change event' $out.raw || break
    sleep 0.2
done
trap '' PIPE # should testpmd have ended
printf 'show port info 0\nstop\nshow port stats 0\nshow port xstats 0\nquit\n' >&8
exec 8>&-
wait $!
result $? "testpmd ends"
tr -d '\r' <$out.raw >$out

true_that "type1 container" said 'Using IOMMU type 1'
true_that "its driver is ixgbe's" said 'PCI driver: net_ixgbe'
true_that "the link interrupt came" said 'Port 0: link state change event'
true_that "link" said '^Link status: up'
true_that "speed" said '^Link speed: 10 Gbps'
say "done"
is "what came back to the wire: good, missing, late, bad" "$(hear)" "$crossed $lost 0 0"
is "forwarded: received" "$(number RX-packets)" "$crossed"
is "forwarded: sent" "$(number TX-total)" "$crossed"
is "forwarded: dropped" "$(number RX-dropped) $(number TX-dropped)" "$lost 0"
is "registers: received, DMA" "$(number rx_good_packets)" "$crossed"
is "registers: sent, DMA" "$(number tx_good_packets)" "$crossed"
is "registers: MAC, both ways" "$(number rx_total_packets) $(number tx_total_packets)" \
    "$crossed $crossed"
is "registers: missed" "$(number rx_missed_errors)" "$lost"
is "registers: bytes out as bytes in" "$(number tx_good_bytes)" "$(number rx_good_bytes)"
is "registers: errors" "$(sed -n '/show port xstats/,$p' $out |
    grep -E '^(rx|tx)_.*(err|drop|xsum).*: [^0]' | grep -vE 'rx_(missed|priority0_dropped)')" ""
[ "$queues" -eq 1 ] || for queue in $(seq 0 $((queues - 1))); do
    got=$(sed -n "/RX Port= 0\/Queue= $queue ->/,/RX-packets/s/.*RX-packets: *\([0-9]*\).*/\1/p" $out)
    true_that "queue $queue got its share: $got" \
        test "$got" -gt $((crossed * 7 / 10 / queues)) -a "$got" -lt $((crossed * 13 / 10 / queues))
done
is "the kernel log has no fault" "$(dmesg | grep -E 'DMAR.*fault|Call Trace|vfio.*(fail|error)')" ""
[ "$tap_failed" -eq 0 ] || sed 's/^/# /' $out
done_testing
