#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The steps of weir doctor behind the groups, on made-up machines: codes, not prose."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import situations as s  # noqa: E402
from host_case import X0, X1, blocking, codes, find, run  # noqa: E402


def ready(**more):
    return s.x540('6.1.0', (2, 3), drivers=('vfio-pci', 'ixgbe'), overrides=('vfio-pci', ''), **more)


def case_steps(b):
    def found(machine, *levels, more=()):
        is_ready = 'blocks' not in levels
        return codes(b.doctor(machine, X0, ready=is_ready, more=more))

    assert found(ready()) == []
    assert found(ready(remapping=False), 'blocks') == ['interrupts-unsafe']
    assert found(ready(remapping=False, unsafe='Y')) == ['interrupts-unsafe-allowed']
    assert found(ready(vfio=False, built=False), 'blocks') == ['vfio-not-built']
    # Where the kernel has iommufd, type1 need not be there.
    m = ready(vfio=False, built=False, files={
        '/sys/bus/pci/drivers/vfio-pci/x': '', '/dev/iommu': '', '/lib/modules/6.1.0/modules.dep': ''})
    assert found(m) == []
    m.files['/dev/vfio/devices/vfio0'] = ''
    assert found(m) == []
    del m.files['/dev/iommu']
    assert found(m, 'blocks') == ['vfio-not-built']
    assert found(ready(hugepages=0)) == ['hugepages-few']
    assert found(ready(), more=('--memory', '2G')) == ['hugepages-few']
    assert found(ready(), more=('--memory', '1G')) == []
    assert found(ready(cap='d2008040660462')) == ['iommu-pages'], 'no 2 MiB pages'
    assert found(ready(cap='d2008c40260462')) == [], '39 bits are enough for a processor of 39'
    assert found(ready(cap='d2008c401f0462')) == ['iommu-narrow']
    assert found(ready(disable_hugepages='Y')) == ['type1-disable-hugepages']
    limit = ready(files={'/sys/module/vfio_iommu_type1/parameters/dma_entry_limit': '65535\n'})
    few = b.doctor(limit, X0, ready=True, more=('--memory', '256G'))
    assert find(few, 'dma-entry-limit')[0]['fix'].startswith('echo 131072 >'), few
    assert found(ready(files={'/sys/module/vfio/parameters/enable_unsafe_noiommu_mode': 'Y\n'})) == \
        ['noiommu']
    m = ready(files={'/dev/vfio/vfio': '', '/dev/vfio/2': ''}, uid=1234)
    root = b.root(m)
    os.chmod(root + '/dev/vfio/vfio', 0o666)
    os.chmod(root + '/dev/vfio/2', 0o600)
    out = json.loads(b.weir('doctor', '--json', '--root', root, X0, status=1))
    assert blocking(out['findings']) == ['permission']
    assert 'chown 1234 /dev/vfio/2' in find(out['findings'], 'permission')[0]['fix']
    assert found(ready(uid=1234, memlock='8388608'), 'blocks') == ['memlock']
    assert found(ready(uid=1234, memlock='67108864')) == []
    for kind, code, levels in (('direct', 'reserved-direct', ('blocks',)),
                               ('direct-relaxable', 'reserved-relaxable', ())):
        m = ready()
        m.regions[2] = f'0x00000000000e0000 0x00000000000fffff {kind}\n'
        assert found(m, *levels) == [code]


def case_narrow_device(b):
    m = s.x540('6.1.0', (2, 3))
    m.functions[X0].dma_bits = 32
    assert 'device-narrow' in codes(b.doctor(m, X0))
    m.functions[X0].driver = ''
    assert 'device-narrow' not in codes(b.doctor(m, X0)), 'the kernel shows 32 without a driver'
    m.functions[X0].driver, m.functions[X0].dma_bits = 'ixgbe', 64
    assert 'device-narrow' not in codes(b.doctor(m, X0))


def case_in_use(b):
    def found(flags):
        m = s.x540('6.1.0', (2, 3), nets=((('eth7', flags),), ()))
        return b.doctor(m, X0)

    with_address = found(s.ADDRESS)
    assert blocking(with_address) == ['device-in-use', 'driver-other']
    assert not any(f['fix'] for f in with_address), 'no command takes an address away'
    up = found(s.UP)
    assert blocking(up) == ['device-in-use', 'driver-other']
    assert find(up, 'device-in-use')[0]['fix'] == 'ip link set dev eth7 down'
    assert 'unbind' in find(up, 'driver-other')[0]['fix']
    assert blocking(found(0x1002)) == ['driver-other']
    # Up without an address of its own, but with a VLAN upon it that has one.
    m = s.x540('6.1.0', (2, 3), nets=((('eth7', s.UP),), ()))
    m.functions[X0].uppers = ('alice-vpn',)
    vlan = b.doctor(m, X0)
    assert blocking(vlan) == ['device-in-use', 'driver-other']
    assert not any(f['fix'] for f in vlan), 'no command takes the interface below it down'
    assert 'alice' not in b.weir('snapshot', '--root', b.root(m))
    # Only the folder that would hold it shows of one in another network namespace.
    m = s.x540('6.1.0', (2, 3))
    m.functions[X0].nets_elsewhere = True
    elsewhere = b.doctor(m, X0)
    assert blocking(elsewhere) == ['device-in-use', 'driver-other']
    assert 'another network namespace' in find(elsewhere, 'device-in-use')[0]['evidence']
    assert not any(f['fix'] for f in elsewhere)


def case_group_rules_of_the_kernel(b):
    """Which drivers of other members do not matter."""
    for driver, blocks in (('', False), ('pci-stub', False), ('vfio-pci', False),
                           ('mlx5-vfio-pci', False), ('ixgbe', True)):
        m = s.x540('6.1.0', (2, 2), drivers=('vfio-pci', driver), overrides=('vfio-pci', ''))
        found = b.doctor(m, X0, ready=not blocks)
        assert bool(find(found, 'group-member')) == blocks, driver
    # A bridge with a driver of its own counts since 5.19.
    for kernel, blocks in (('5.18.0', False), ('6.1.0', True)):
        m = s.plx(kernel=kernel)
        m.functions['0000:03:01.0'].driver = 'shpchp'
        found = [f['device'] for f in find(b.doctor(m, '0000:04:00.0'), 'group-member')]
        assert ('0000:03:01.0' in found) == blocks, (kernel, found)


def case_without_privilege(b):
    m = s.x540('6.1.0', (2, 3), uid=1000)
    for f in m.functions.values():
        f.privileged = False
    groups = b.groups(m)
    assert [groups[n]['group'] for n in (X0, X1)] == [2, 3]
    assert groups[X0]['driver'] == 'ixgbe' and groups[X0]['parent'] == '0000:00:01.0'
    assert groups[X0]['derived'] is None and groups[X0]['acs'] is None
    assert groups[X0]['sriov'] is True, 'sysfs tells'
    found = b.doctor(m, X0)
    assert 'isolation-unknown' in codes(found)
    assert not {'group-larger', 'group-smaller', 'peers-reachable'} & set(codes(found))
    m = s.conventional(uid=1000)
    for f in m.functions.values():
        f.privileged = False
    assert {x['code'] for x in b.explain(m, '0000:06:00.0').values()} == {'unknown'}


def case_commands_in_order(b):
    m = s.x540('6.1.0', (2, 2), vfio=False, remapping=False, hugepages=0)
    out = b.weir('doctor', '--commands', '--root', b.root(m), X0, status=1)
    lines = [line for line in out.splitlines() if not line.startswith('#')]
    assert lines[:2] == ['modprobe vfio-pci', 'modprobe vfio_iommu_type1']
    wanted = ['allow_unsafe_interrupts', f'{X0}/driver_override', f'{X0}/driver/unbind', f'echo {X0} >',
              f'{X1}/driver_override', f'{X1}/driver/unbind', f'echo {X1} >', 'nr_hugepages']
    at = 2
    for part in wanted:
        while part not in lines[at]:
            at += 1
    assert 'nr_hugepages' in lines[-1] and lines[-1].startswith('echo 32 >')
    subprocess.run(['sh', '-n'], input=out, text=True, check=True)


if __name__ == '__main__':
    run(globals())
