#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# ixgbe_selftest.sh msix|intx COUNT [TESTS]: what ethtool asks of the driver, its self-tests (online
# and offline by default), and COUNT datagrams before and after, with that kind of interrupt.
# shellcheck disable=SC2119,SC2317 # arguments are optional; within and true_that call by name
# shellcheck source=tests/vm/guest/ixgbe_lib.sh
. /test/ixgbe_lib.sh

interrupts=$1

passes() {
    ethtool -t eth0 "$1" >/tmp/selftest 2>&1
    sed 's/^/# /' /tmp/selftest
    is "self-test, $1: verdict" "$(sed -n 's/^The test result is //p' /tmp/selftest)" PASS
    is "self-test, $1: tests that failed" "$(grep -E 'line\) *	' /tmp/selftest | grep -v '	 0$')" ""
    is "self-test, $1: tests" "$(grep -cE '\((on/)?offline\)' /tmp/selftest)" 5
}

load
is "driver" "$(ethtool -i eth0 | sed -n 's/^driver: //p')" ixgbe
up
case $interrupts in
msix) is "MSI-X vectors, one of them for what is no queue" \
    "$(grep -c 'PCI-MSIX.*eth0' /proc/interrupts)" 2 ;;
intx) is "INTx" "$(grep -c 'IO-APIC.*eth0' /proc/interrupts)" 1 ;;
esac
true_that "ping" ping -q -c 3 -i 0.2 $HOST
datagrams "$2" 1400 8

ethtool -d eth0 >/tmp/registers
true_that "register dump: a thousand lines" test "$(wc -l </tmp/registers)" -gt 1000
is "register dump: link" "$(sed -n 's/^ *Link Status: *//p' /tmp/registers)" up
is "register dump: speed" "$(sed -n 's/^ *Link Speed: *//p' /tmp/registers)" 10G
is "register dump: broadcast" "$(sed -n 's/^ *Broadcast Accept: *//p' /tmp/registers)" enabled
is "register dump: receive address" \
    "$(sed -n 's/.*RA[LH]00.* \(0x[0-9A-F]*\)$/\1/p' /tmp/registers | tr '\n' ' ')" \
    "0x00000002 0x80000100 "
ethtool -e eth0 raw on >/tmp/nvm
is "NVM: bytes" "$(wc -c </tmp/nvm)" 8192

ethtool -s eth0 msglvl hw on
tested=0
for tests in ${3:-online offline}; do
    passes "$tests"
    [ "$interrupts$tests" != intxoffline ] || tested=1
done
is "interrupt tests, of which there is none with MSI-X or online" \
    "$(dmesg | grep -c 'testing unshared interrupt')" $tested
up "the link afterwards"
true_that "ping afterwards" ping -q -c 3 -i 0.2 $HOST
datagrams "$2" 1400 8
# Without MSI-X and MSI, which the kernel was told not to use, it says so.
no_complaints 'Failed to allocate MSI(-X)? interrupt|Disabling (SR-IOV|RSS) support'
done_testing
