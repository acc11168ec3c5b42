# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# Sourced by guest/init.sh and by tests: devices and drivers through sysfs.

# vfio_bind ADDRESS: takes the device from its driver, if any, and gives it to vfio-pci.
vfio_bind() {
    device=/sys/bus/pci/devices/$1
    [ -e "$device" ] || { echo "no device $1"; return 1; }
    [ ! -e "$device/driver" ] || echo "$1" >"$device/driver/unbind"
    echo vfio-pci >"$device/driver_override"
    echo "$1" >/sys/bus/pci/drivers_probe
    [ "$(driver_of "$1")" = vfio-pci ]
}

# driver_of ADDRESS: the name of its driver, or nothing.
driver_of() {
    readlink "/sys/bus/pci/devices/$1/driver" | sed 's,.*/,,'
}

# group_of ADDRESS: the number of its IOMMU group, or nothing.
group_of() {
    readlink "/sys/bus/pci/devices/$1/iommu_group" | sed 's,.*/,,'
}

# id_of ADDRESS: vendor:device
id_of() {
    echo "$(sed 's/^0x//' "/sys/bus/pci/devices/$1/vendor"):$(sed 's/^0x//' \
        "/sys/bus/pci/devices/$1/device")"
}
