#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""weir bind, unbind and restore on made-up machines: what they write."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import situations as s  # noqa: E402
from host_case import X0, X1, device, find, read, run  # noqa: E402


def case_bind_prints_the_writes(b):
    root = b.root(s.x540('6.1.0', (2, 2)))
    out = b.weir('bind', '--dry-run', '--root', root, X0).splitlines()
    assert out == [f'echo vfio-pci > {root}{device(X0, "driver_override")}',
                   f'echo {X0} > {root}{device(X0, "driver/unbind")}',
                   f'echo {X0} > {root}/sys/bus/pci/drivers_probe'], out
    both = b.weir('bind', '--dry-run', '--group', '--root', root, X0)
    assert both.count('drivers_probe') == 2 and X1 in both
    assert not os.path.exists(root + '/run')
    assert read(root, device(X0, 'driver_override')) == '(null)\n'


def case_bind_and_restore(b):
    root = b.root(s.x540('6.1.0', (2, 2), overrides=('', 'ixgbe')))
    b.weir('bind', '--group', '--persist', '--root', root, X0)
    assert read(root, device(X0, 'driver_override')) == 'vfio-pci\n'
    assert read(root, '/sys/bus/pci/drivers/ixgbe/unbind') == f'{X1}\n'
    assert read(root, '/sys/bus/pci/drivers_probe') == f'{X1}\n'
    assert read(root, f'/run/weir/bind/{X0}') == 'driver=ixgbe\noverride=\n'
    assert read(root, f'/run/weir/bind/{X1}') == 'driver=ixgbe\noverride=ixgbe\n'
    rule = read(root, f'/etc/udev/rules.d/70-weir-{X0}.rules')
    assert f'KERNEL=="{X0}"' in rule and 'ATTR{driver_override}="vfio-pci"' in rule
    # As the kernel would have left it.
    for name in (X0, X1):
        os.unlink(root + device(name, 'driver'))
        os.symlink('../../../../bus/pci/drivers/vfio-pci', root + device(name, 'driver'))
    b.weir('bind', '--root', root, X0)  # already; what it was stays remembered
    assert read(root, f'/run/weir/bind/{X0}') == 'driver=ixgbe\noverride=\n'
    os.makedirs(root + '/sys/bus/pci/drivers/pci-stub')
    b.weir('bind', '--root', root, '--driver', 'pci-stub', X0)  # so it does on the way elsewhere
    assert read(root, f'/run/weir/bind/{X0}') == 'driver=ixgbe\noverride=\n'
    b.weir('restore', '--group', '--root', root, X0)
    assert read(root, device(X0, 'driver_override')) == '\n'
    assert read(root, device(X1, 'driver_override')) == 'ixgbe\n'
    assert read(root, '/sys/bus/pci/drivers/vfio-pci/unbind') == f'{X1}\n'
    assert read(root, '/sys/bus/pci/drivers/ixgbe/bind') == f'{X1}\n'
    assert os.listdir(root + '/run/weir/bind') == []
    assert os.listdir(root + '/etc/udev/rules.d') == []
    out = b.weir('restore', '--root', root, X0, status=1)
    assert 'nothing is remembered' in out


def case_bind_refuses(b):
    for flags in (s.UP, s.ADDRESS):
        root = b.root(s.x540('6.1.0', (2, 2), nets=((), (('eth7', flags),))))
        assert 'in use (eth7' in b.weir('bind', '--root', root, X1, status=1)
        assert 'in use' in b.weir('bind', '--group', '--root', root, X0, status=1)
        assert not os.path.exists(root + '/run'), 'nothing was taken'
        b.weir('bind', '--force', '--root', root, X1)
    root = b.root(s.disk_in_group())
    assert 'ROOT DISK' in b.weir('bind', '--root', root, '0000:02:00.0', status=1)
    assert 'ROOT DISK' in b.weir('bind', '--group', '--root', root, X0, status=1)
    assert 'ROOT DISK' in b.weir('unbind', '--root', root, '0000:02:00.0', status=1)
    assert 'is a bridge' in b.weir('bind', '--root', root, '0000:00:01.0', status=1)
    assert 'no PCI function' in b.weir('bind', '--root', root, X0, '0000:09:00.0', status=1)
    assert not os.path.exists(root + '/run')


def case_bind_without_override(b):
    """Before 3.16 there is no driver_override: new_id it is."""
    m = s.x540('3.10.0', (2, 3))
    for f in m.functions.values():
        f.has_override = False
    out = b.weir('bind', '--dry-run', '--root', b.root(m), X0)
    assert 'echo 8086 1528 > ' in out and 'vfio-pci/new_id' in out and 'driver_override' not in out
    found = b.doctor(m, X0)
    assert 'new_id' in find(found, 'driver-other')[0]['fix']


def case_virtual_functions(b):
    root = b.root(s.x540('6.1.0', (2, 3)))
    out = b.weir('bind', '--dry-run', '--vfs', '4', '--root', root, X0).splitlines()
    assert out == [f'echo 0 > {root}{device(X0, "sriov_drivers_autoprobe")}',
                   f'echo 4 > {root}{device(X0, "sriov_numvfs")}',
                   f'echo 1 > {root}{device(X0, "sriov_drivers_autoprobe")}']
    # A shell makes the same of it.
    subprocess.run(['sh', '-e'], input='\n'.join(out), text=True, check=True)
    assert read(root, device(X0, 'sriov_numvfs')) == '4\n'
    assert read(root, device(X0, 'sriov_drivers_autoprobe')) == '1\n'
    with open(root + device(X0, 'sriov_drivers_autoprobe'), 'w', encoding='utf-8') as f:
        f.write('0\n')
    out = b.weir('bind', '--dry-run', '--vfs', '4', '--root', root, X0)
    assert 'autoprobe' not in out, 'who turned it off keeps it so'
    assert 'can have 64' in b.weir('bind', '--vfs', '65', '--root', root, X0, status=1)
    assert 'can have 0' in b.weir('bind', '--vfs', '1', '--root', root, '0000:00:01.0', status=1)
    b.weir('bind', '--vfs', '0', '--root', root, X0)
    assert read(root, device(X0, 'sriov_numvfs')) == '0\n'
    # What was remembered of them goes with them.
    root = b.root(s.connectx())
    os.makedirs(root + '/run/weir/bind')
    for name in ('0000:07:00.1', X0):
        with open(f'{root}/run/weir/bind/{name}', 'w', encoding='utf-8') as f:
            f.write('driver=\noverride=\n')
    b.weir('bind', '--vfs', '0', '--root', root, '0000:07:00.0')
    assert os.listdir(root + '/run/weir/bind') == [X0]


def case_virtual_functions_in_use(b):
    m = s.connectx()
    m.functions['0000:07:00.2'].driver = 'mlx4_core'
    m.functions['0000:07:00.2'].nets = (('eth9', s.ADDRESS),)
    root = b.root(m)
    for count in ('0', '2'):
        assert 'in use (eth9' in b.weir('bind', '--vfs', count, '--root', root, '0000:07:00.0', status=1)
    assert read(root, device('0000:07:00.0', 'sriov_numvfs')) == '4\n'
    b.weir('bind', '--vfs', '0', '--force', '--root', root, '0000:07:00.0')
    assert read(root, device('0000:07:00.0', 'sriov_numvfs')) == '0\n'


def case_restore_after_a_reboot(b):
    """What was remembered is gone, what --persist wrote is not."""
    root = b.root(s.x540('6.1.0', (2, 2)))
    b.weir('bind', '--group', '--persist', '--root', root, X0)
    shutil.rmtree(root + '/run')
    for name in (X0, X1):
        os.unlink(root + device(name, 'driver'))
        os.symlink('../../../../bus/pci/drivers/vfio-pci', root + device(name, 'driver'))
    b.weir('restore', '--group', '--root', root, X0)
    assert os.listdir(root + '/etc/udev/rules.d') == []
    for name in (X0, X1):
        assert read(root, device(name, 'driver_override')) == '\n'
    assert read(root, '/sys/bus/pci/drivers/vfio-pci/unbind') == f'{X1}\n'
    assert read(root, '/sys/bus/pci/drivers_probe') == f'{X1}\n'
    assert 'nothing is remembered' in b.weir('restore', '--root', root, X0, status=1)


def case_persist_through_driverctl(b):
    root = b.root(s.x540('6.1.0', (2, 2)))
    os.makedirs(root + '/usr/sbin')
    with open(root + '/usr/sbin/driverctl', 'w', encoding='utf-8') as f:
        f.write('#!/bin/false\n')
    assert 'driverctl' in b.weir('bind', '--persist', '--root', root, X0)
    assert read(root, f'/etc/driverctl.d/pci-{X0}') == 'vfio-pci\n'
    assert not os.path.exists(root + '/etc/udev/rules.d')
    b.weir('restore', '--root', root, X0)
    assert os.listdir(root + '/etc/driverctl.d') == []


def case_nothing_is_left_without_a_driver(b):
    """For a driver that is not there, or does not take it, a device is not taken from its own."""
    m = s.x540('6.1.0', (2, 3), vfio=False)
    root = b.root(m)
    assert 'modprobe vfio-pci' in b.weir('bind', '--root', root, X0, status=1)
    assert read(root, device(X0, 'driver_override')) == '(null)\n'
    m = s.x540('6.1.0', (None, 3))
    root = b.root(m)
    assert 'no IOMMU group' in b.weir('bind', '--root', root, X0, status=1)
    assert read(root, device(X0, 'driver_override')) == '(null)\n'
    assert not os.path.exists(root + '/run')
    m.files = {'/sys/module/vfio/parameters/enable_unsafe_noiommu_mode': 'Y\n'}
    b.weir('bind', '--root', b.root(m), X0)
    # Its own driver went meanwhile: it stays where it is, and all that is known of it.
    root = b.root(s.x540('6.1.0', (2, 3)))
    b.weir('bind', '--persist', '--root', root, X0)
    os.unlink(root + device(X0, 'driver'))
    os.symlink('../../../../bus/pci/drivers/vfio-pci', root + device(X0, 'driver'))
    os.rename(root + '/sys/bus/pci/drivers/ixgbe', root + '/sys/bus/pci/drivers/gone')
    assert 'modprobe ixgbe' in b.weir('restore', '--root', root, X0, status=1)
    assert read(root, device(X0, 'driver_override')) == 'vfio-pci\n'
    assert not os.path.exists(root + '/sys/bus/pci/drivers/vfio-pci/unbind')
    assert os.listdir(root + '/etc/udev/rules.d') != []


def case_unbind(b):
    root = b.root(s.x540('6.1.0', (2, 3)))
    b.weir('unbind', '--root', root, X0)
    assert read(root, '/sys/bus/pci/drivers/ixgbe/unbind') == f'{X0}\n'
    assert read(root, f'/run/weir/bind/{X0}') == 'driver=ixgbe\noverride=\n'
    assert read(root, device(X0, 'driver_override')) == '(null)\n'


if __name__ == '__main__':
    run(globals())
