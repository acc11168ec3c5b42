#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The host function takes a device out of the running machine, when asked, and answers.
# shellcheck source=tests/vm/guest/tap.sh
. /test/tap.sh

device=/sys/bus/pci/devices/0000:01:00.0
true_that "the device is there" test -e $device
say "take the device"
is "the host answers" "$(hear)" "it is gone"
true_that "the device is gone" test ! -e $device
done_testing
