#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# weir bind --persist and restore with Debian's udev and driverctl. $NIC is an e1000e. A boot is made
# of what it is to a device: no driver, no override, no modules, and then udev, which sees it added.
# shellcheck source=tests/vm/guest/tap.sh
. /test/tap.sh
# shellcheck source=tests/vm/guest/vfio.sh
. /test/vfio.sh

device=/sys/bus/pci/devices/$NIC

# boot: what has the device afterwards is in $has
boot() {
    # Not `udevadm control --reload`: udevd ignores that when it comes between its accept() and the
    # SO_PASSCRED after it ("Invalid sender uid 65534, ignoring message").
    killall systemd-udevd 2>/dev/null
    for _ in $(seq 600); do
        pidof systemd-udevd >/dev/null || break
        sleep 0.1
    done
    rm -rf /run/weir /run/udev
    [ ! -e "$device/driver" ] || echo "$NIC" >"$device/driver/unbind"
    echo >"$device/driver_override"
    modprobe -r e1000e
    modprobe -r vfio-pci
    /lib/systemd/systemd-udevd --daemon
    udevadm trigger --action=add --subsystem-match=pci --settle
    has=$(driver_of "$NIC")
}

mkdir -p /etc/udev/rules.d
# As Debian's own 80-drivers.rules.
# shellcheck disable=SC2016 # it is for udev
echo 'ACTION=="add", ENV{MODALIAS}=="?*", RUN{builtin}+="kmod load $env{MODALIAS}"' \
    >/etc/udev/rules.d/80-drivers.rules
mv /usr/sbin/driverctl /tmp/driverctl
boot
is "without anything: its own driver" "$has" e1000e
modprobe vfio-pci
weir bind --persist "$NIC" >/tmp/out 2>&1
result $? "bind --persist"
sed 's/^/# /' /tmp/out
boot
is "after a boot with the rule" "$has" vfio-pci
weir restore "$NIC" >/tmp/out 2>&1
result $? "restore, of which nothing is remembered"
sed 's/^/# /' /tmp/out
modprobe e1000e
is "its own driver again" "$(driver_of "$NIC")" e1000e
boot
is "and after the next boot" "$has" e1000e

mv /tmp/driverctl /usr/sbin/driverctl
modprobe vfio-pci
weir bind --persist "$NIC" >/tmp/out 2>&1
result $? "bind --persist with driverctl"
sed 's/^/# /' /tmp/out
is "no rule is written" "$(ls /etc/udev/rules.d)" 80-drivers.rules
is "it has the device" "$(driver_of "$NIC")" vfio-pci
driverctl list-overrides >/tmp/out 2>&1
is "driverctl knows of it" "$(cat /tmp/out)" "$NIC vfio-pci"
boot
# What its unit runs, which needs systemd.
driverctl --verbose load-override "$NIC" >/tmp/out 2>&1
result $? "driverctl load-override"
sed 's/^/# /' /tmp/out
is "after a boot with driverctl" "$(driver_of "$NIC")" vfio-pci
weir restore "$NIC" >/tmp/out 2>&1
result $? "restore"
sed 's/^/# /' /tmp/out
is "its own driver again, after driverctl" "$(driver_of "$NIC")" e1000e
is "driverctl forgot it" "$(ls /etc/driverctl.d)" ""
done_testing
