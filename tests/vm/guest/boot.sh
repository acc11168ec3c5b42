#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What the machine looks like from inside, against the case's declaration:
#
#   GROUPS_WANTED  one word per IOMMU group that is looked for: its members joined by +; empty: there is
#                  no group at all
#   DEVICES        address=vendor:device words
#   VFIO           (from the case) devices that init has bound to vfio-pci
#   TAKEN          a device that vfio-pci must not get
# shellcheck source=tests/vm/guest/tap.sh
. /test/tap.sh
# shellcheck source=tests/vm/guest/vfio.sh
. /test/vfio.sh

for word in $DEVICES; do
    is "$word is there" "$(id_of "0000:${word%%=*}")" "${word#*=}"
done
if [ -z "$GROUPS_WANTED" ] && [ -z "$VFIO" ]; then
    is "no IOMMU group" "$(ls /sys/kernel/iommu_groups)" ""
fi
for word in $GROUPS_WANTED; do
    group=$(group_of "0000:${word%%+*}")
    members=
    [ -z "$group" ] || members=$(cd "/sys/kernel/iommu_groups/$group/devices" && echo 0000:* |
        sed 's/0000://g; s/ /+/g')
    is "group of ${word%%+*}" "$members" "$word"
done
for device in $VFIO; do
    is "$device on vfio-pci" "$(driver_of "$device")" vfio-pci
    group=$(group_of "$device")
    [ "$IOMMU" != none ] || group=noiommu-$group
    true_that "/dev/vfio/$group" test -c "/dev/vfio/$group"
    if [ "$KERNEL" = small ]; then
        true_that /dev/iommu test -c /dev/iommu
        cdev=$(ls "/sys/bus/pci/devices/$device/vfio-dev")
        # vfio_device_add() in drivers/vfio/vfio.h: none for a device in no-IOMMU mode
        [ "$IOMMU" = none ] ||
            true_that "$device has a cdev" test -c "/dev/vfio/devices/$cdev"
    fi
done
true_that "the tracing of maps" test -e /sys/kernel/tracing/events/iommu/map/enable
if [ "$KERNEL-$IOMMU" = small-intel ]; then
    true_that "debugfs shows domains" test -e \
        "/sys/kernel/debug/iommu/intel/${VFIO%% *}/domain_translation_struct"
fi
if [ -n "$TAKEN" ]; then
    # The kernel refuses to give a device without an IOMMU to user space.
    vfio_bind "0000:$TAKEN"
    is "$TAKEN not bound without an IOMMU" "$(driver_of "0000:$TAKEN")" ""
fi
done_testing
