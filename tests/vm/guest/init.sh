#!/bin/busybox sh
# SPDX-License-Identifier: BSD-3-Clause
# The first process of a test guest: sets it up as /etc/case says, runs the test with its output on
# ttyS1, and tells QEMU the verdict. What goes wrong here is on the console.
# shellcheck shell=sh disable=SC1091

# verdict VALUE: QEMU exits with 2 * VALUE + 1, see machine.py.
verdict() {
    sleep 0.2 # for the console's last line to get out
    printf '%b' "\\0$1" | dd of=/dev/port bs=1 seek=244 count=1 2>/dev/null
    poweroff -f
}
broken() {
    echo "init: $*"
    dmesg | tail -n 40
    verdict 4
}

export PATH=/usr/bin:/usr/sbin HOME=/root TERM=linux
chmod 755 / # DPDK, for one, trusts no folder that anybody could write to
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/hugepages
mount -t devpts devpts /dev/pts
mount -t tmpfs tmp /tmp -o mode=1777
mount -t tmpfs run /run
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
mount -t hugetlbfs hugetlbfs /dev/hugepages
ip link set lo up
for port in /dev/ttyS1 /dev/ttyS2; do
    stty -F $port raw -echo
done
# Kept open: what the host says while nobody listens would be lost when the port is opened.
exec 9<>/dev/ttyS2
. /etc/case
. /test/vfio.sh

echo "$MODULES" | while read -r module; do
    # shellcheck disable=SC2086 # a name and its parameters
    [ -z "$module" ] || modprobe $module || echo "$module" >>/run/no-modules
done
[ ! -e /run/no-modules ] || broken "modules were refused: $(cat /run/no-modules)"
for device in $VFIO; do
    vfio_bind "$device" || broken "$device was not bound to vfio-pci"
done

cd /test || broken "no /test"
if [ -n "$SHELL_WANTED" ]; then
    cat <<END

$CASE: the test is ./$RUN; 't' runs it. Ctrl-D or Ctrl-A X ends the machine.
END
    export ENV=/etc/shell
    echo "alias t='./$RUN'" >/etc/shell
    setsid cttyhack sh
    verdict 1
fi
# shellcheck disable=SC2086 # a program and its arguments
CMOCKA_MESSAGE_OUTPUT=TAP ./$RUN >/dev/ttyS1 2>&1
status=$?
echo "init: $RUN ended with $status"
case $status in
0) verdict 1 ;;
77) verdict 3 ;;
*)
    dmesg | tail -n 200
    verdict 2
    ;;
esac
