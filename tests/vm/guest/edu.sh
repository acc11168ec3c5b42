#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The copy example on QEMU's edu: polled, with its interrupt, and through whatever the device is
# opened with by itself.
# shellcheck source=tests/vm/guest/tap.sh
. /test/tap.sh

try() {
    copy "$@" >/tmp/out 2>&1
    status=$?
    sed 's/^/# /' /tmp/out
    result $status "copy $*"
}

try "$VFIO?iommu=$API"
try --interrupt "$VFIO?iommu=$API"
true_that "its interrupt is an MSI" grep -q '(MSI)' /tmp/out
true_that "no IOMMU fault" sh -c '! dmesg | grep -qE "fault addr|IO_PAGE_FAULT|fault from EP"'
done_testing
