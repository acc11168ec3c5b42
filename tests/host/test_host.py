#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""weir groups and doctor on made-up machines: codes, not prose. What all commands share is here, too."""
import json
import os
import resource
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import situations as s  # noqa: E402
from host_case import X0, X1, blocking, codes, find, run  # noqa: E402
from machine import ACS_ALL, Machine  # noqa: E402


# ---- the situations of the reading ----

def case_plx_switch(b):
    members = b.explain(s.plx(), '0000:04:00.0')
    assert len(members) == 9
    # The upstream port lacks ACS and is one function of two, so all below meets there.
    for name, m in members.items():
        if name == '0000:02:00.1':
            assert m['code'] == 'multifunction' and m['via'] == '0000:02:00.0', m
        else:
            assert m['code'] == 'port-no-acs' and m['via'] == '0000:02:00.0', m
            assert m['missing'] == 'SV RR CR UF'
    found = b.doctor(s.plx(), '0000:04:00.0')
    members = find(found, 'group-member')
    assert [f['device'] for f in members] == [f'0000:0{n}:00.0' for n in (5, 6, 7)]
    assert 'group-shared' in codes(found) and 'group-smaller' not in codes(found)
    assert all('0000:02:00.0' not in f['fix'] for f in found), 'ports need nothing'


def case_root_ports_share(b):
    members = b.explain(s.pch_ports(), '0000:03:00.0')
    assert members['0000:02:00.0']['code'] == 'ports-no-acs'
    assert {members['0000:02:00.0']['via'], members['0000:02:00.0']['other']} == \
        {'0000:00:1c.1', '0000:00:1c.2'}
    assert members['0000:00:1c.2']['code'] == 'port-no-acs'
    assert members['0000:00:1c.0']['code'] == 'ports-no-acs'
    found = b.doctor(s.pch_ports(), '0000:03:00.0')
    assert [f['device'] for f in find(found, 'group-member')] == ['0000:02:00.0']
    assert 'group-larger' not in codes(found)
    # A kernel that knows the chipset would split it; one that should have says what is wrong.
    found = b.doctor(s.pch_ports('6.1.0'), '0000:03:00.0')
    assert 'group-larger' in codes(found)
    assert b.explain(s.pch_ports('6.1.0'), '0000:03:00.0')['0000:02:00.0']['code'] == 'unexplained'


def case_two_ports_old_kernel_and_new(b):
    old = b.explain(s.x540('3.10.0', (2, 2)), X0)
    assert old[X1]['code'] == 'multifunction'
    found = b.doctor(s.x540('3.10.0', (2, 2)), X0)
    assert [f['device'] for f in find(found, 'group-member')] == [X1]
    assert b.explain(s.x540('6.1.0', (2, 3)), X0) == {}
    found = b.doctor(s.x540('6.1.0', (2, 3)), X0)
    assert not {'group-member', 'group-smaller', 'group-larger'} & set(codes(found)), codes(found)
    # An old kernel with the rule of a newer one (a distributor's), and the other way round.
    assert 'group-smaller' in codes(b.doctor(s.x540('3.10.0', (2, 3)), X0))
    assert 'group-larger' in codes(b.doctor(s.x540('6.1.0', (2, 2)), X0))
    # Without any ACS capability, by the vendor's word: an 82599, known since 3.18.
    for kernel, groups, code in (('3.16.0', (2, 2), None), ('3.16.0', (2, 3), 'group-smaller'),
                                 ('3.18.0', (2, 3), 'isolation-vouched'), ('3.18.0', (2, 2), 'group-larger')):
        found = codes(b.doctor(s.x540(kernel, groups, acs=None, ident='8086:10fb'), X0))
        seen = {'group-smaller', 'isolation-vouched', 'group-larger'} & set(found)
        assert seen == ({code} if code else set()), (kernel, groups, found)


def case_which_kernel(b):
    """The version from which on a kernel would split the group."""
    for m, device, words in ((s.x540('3.10.0', (2, 2)), X0, 'Linux 3.11 '),
                             (s.x540('3.16.0', (2, 2), acs=None, ident='8086:10fb'), X0, 'Linux 3.18 '),
                             (s.x540('3.16.0', (2, 2), acs=None, ident='8086:1521'), X0, 'Linux 4.1 '),
                             (s.pch_ports('3.13.0'), '0000:03:00.0', 'Linux 3.15 '),
                             (s.plx(), '0000:04:00.0', None)):
        out = b.weir('groups', '--explain', '--root', b.root(m), device)
        assert (words in out) if words else 'Linux ' not in out, out


def case_connectx(b):
    m = s.connectx()
    members = b.explain(m, '0000:07:00.1')
    assert {x['code'] for x in members.values()} == {'port-no-acs'}
    assert {x['via'] for x in members.values()} == {'0000:00:07.0'}
    f = b.groups(m)['0000:07:00.1']
    assert f['role'] == 'VF of 0000:07:00.0' and f['pf'] == '0000:07:00.0'
    assert f['id'] == '15b3:1004', 'its configuration space says ffff:ffff'
    members = b.explain(s.connectx(true_sriov=False), '0000:07:00.1')
    assert members['0000:07:00.0']['code'] == 'not-sriov'
    assert members['0000:07:00.0']['via'] == '0000:07:00.0'
    assert b.groups(s.connectx(true_sriov=False))['0000:07:00.1']['role'] == 'endpoint'
    # With ACS at the port, each VF is alone.
    m = s.connectx()
    m.functions['0000:00:07.0'].acs = (ACS_ALL, ACS_ALL)
    assert len({f['derived'] for f in b.groups(m).values()}) == 6


def case_no_such_device(b):
    def x(**more):
        return s.x540('6.1.0', (2, 3), **more)

    def blocks(m, device=X0):
        return blocking(b.doctor(m, device))

    assert blocks(x()) == ['driver-other']
    assert blocks(x(overrides=('vfio-pci', ''))) == ['driver-override-idle']
    assert blocks(x(drivers=('', 'ixgbe'))) == ['driver-none']
    assert blocks(x(drivers=('', 'ixgbe'), overrides=('vfio_pci', ''))) == ['driver-override-other']
    assert blocks(x(drivers=('', 'ixgbe'), overrides=('vfio-pci', ''))) == ['driver-not-probed']
    assert blocks(x(drivers=('pci-stub', 'ixgbe'))) == ['driver-stub']
    assert blocks(x(vfio=False)) == ['vfio-missing', 'vfio-type1-missing', 'driver-other']
    assert blocks(x(), '0000:01:00.7') == ['device-missing']
    assert blocks(x(), '01:00.0') == ['driver-other'], 'domain 0 goes without saying'
    m = x()
    m.functions[X0].group = None
    assert 'device-no-group' in blocks(m)
    assert blocks(x(), '0000:00:01.0') == ['device-bridge']
    # Bound through new_id: it works, and is said.
    found = b.doctor(x(drivers=('vfio-pci', 'vfio-pci')), X0, ready=True)
    assert codes(found) == ['driver-new-id']
    found = b.doctor(x(drivers=('vfio-pci', 'ixgbe'), overrides=('vfio-pci', '')), X0, ready=True)
    assert codes(found) == []


def case_no_groups(b):
    found = b.doctor(s.no_groups(), X0)
    assert blocking(found)[:2] == ['iommu-parameter', 'groups-empty']
    # However the line is quoted, it says afterwards what it should.
    for command, lines in ((find(found, 'iommu-parameter')[0]['fix'],
                            (('"quiet"', '"intel_iommu=on quiet"'), ("'quiet'", "'intel_iommu=on quiet'"),
                             ('""', '"intel_iommu=on "'))),
                           (find(b.doctor(s.override(), ready=True), 'acs-override')[0]['fix'],
                            (("'quiet pcie_acs_override=id:1af4:1000,downstream'", "'quiet '"),
                             ('"pcie_acs_override=downstream quiet"', '"quiet"')))):
        for before, after in lines:
            grub = os.path.join(b.folder, 'grub')
            with open(grub, 'w', encoding='utf-8') as f:
                f.write(f'GRUB_CMDLINE_LINUX_DEFAULT={before}\n')
            subprocess.run(['sh', '-ec', command.splitlines()[0].replace('/etc/default/grub', grub)], check=True)
            with open(grub, encoding='utf-8') as f:
                assert f.read() == f'GRUB_CMDLINE_LINUX_DEFAULT={after}\n', before
    assert blocking(b.doctor(s.no_groups(table=None)))[:2] == ['iommu-no-table', 'groups-empty']
    assert blocking(b.doctor(s.no_groups(cmdline='intel_iommu=off')))[0] == 'iommu-disabled'
    assert blocking(b.doctor(s.no_groups(cmdline='iommu=off')))[0] == 'iommu-disabled'
    assert blocking(b.doctor(s.no_groups(cmdline='intel_iommu=on')))[0] == 'iommu-not-started'
    assert blocking(b.doctor(s.no_groups(cmdline='intel_iommu=on,sm_on')))[0] == 'iommu-not-started'
    assert blocking(b.doctor(s.no_groups(table='IVRS', cpu='AuthenticAMD')))[0] == 'iommu-not-started'
    assert blocking(b.doctor(s.no_groups(table='VIOT')))[0] == 'iommu-module'


def case_disk_controller_in_the_group(b):
    found = b.doctor(s.disk_in_group(), X0)
    disk = find(found, 'group-root-disk')[0]
    assert disk['device'] == '0000:02:00.0' and 'ROOT DISK' in disk['what']
    assert not any('0000:02:00.0' in f['fix'] + f['keep'] for f in found), 'never proposed'
    found = b.doctor(s.disk_in_group(), '0000:02:00.0')
    assert 'device-root-disk' in blocking(found)
    assert not any('0000:02:00.0' in f['fix'] + f['keep'] for f in found)
    # Another disk is only a disk.
    m = s.disk_in_group()
    m.dev('0000:02:00.1', '1b4b:9485', kind='sata', behind='0000:00:01.1', driver='ahci', group=1,
          disks=(('sdq', 65),))
    found = b.doctor(m, X0)
    assert [f['device'] for f in find(found, 'group-root-disk')] == ['0000:02:00.0']
    assert [f['device'] for f in find(found, 'group-member')] == ['0000:02:00.1']
    assert b.groups(m)['0000:02:00.1']['used_by'] == 'sdq'
    # On a volume, and where nothing tells which disk it is, it is the same.
    m = s.disk_in_group(root_mount='253:0', files={
        '/sys/class/block/dm-0/slaves/sda2/x': '', '/sys/class/block/dm-0/dev': '253:0\n'})
    root = b.root(m)
    shutil.move(root + '/sys/class/block/dm-0', root + '/sys/devices/virtual-dm-0')
    os.symlink('../../devices/virtual-dm-0', root + '/sys/class/block/dm-0')
    out = json.loads(b.weir('doctor', '--json', '--root', root, X0, status=1))
    disk = find(out['findings'], 'group-root-disk')[0]
    assert 'sda2: /' in disk['evidence'], disk
    for source, words in (('/dev/sda2', 'sda2: /'), ('rpool/ROOT', 'perhaps the root file system')):
        m = s.disk_in_group(root_mount='0:30', root_source=source)
        disk = find(b.doctor(m, X0), 'group-root-disk')[0]
        assert words in disk['evidence'], disk


def case_disks_of_volumes(b):
    """Not mounted by themselves, and yet in use: what volumes, btrfs and ZFS lie on."""
    def machine(mounts='', **files):
        m = s.disk_in_group(root_mount='9:2', root_source='/dev/sdb2')
        m.dev('0000:02:00.1', '1b4b:9485', kind='sata', behind='0000:00:01.1', driver='ahci', group=1)
        m.functions['0000:02:00.1'].disks = (('sdb', 9),)
        m.files = files
        root = b.root(m)
        with open(root + '/proc/self/mountinfo', 'a', encoding='utf-8') as f:
            f.write(mounts)
        return root

    def used(root):
        out = b.weir('groups', '--json', '--root', root)
        by = {f['device']: f['used_by'] for f in json.loads(out)['functions']}
        assert by['0000:02:00.1'] == 'sdb2: /', by
        found = json.loads(b.weir('doctor', '--json', '--root', root, X0, status=1))['findings']
        assert not any('0000:02:00.1' in f['fix'] for f in found)
        busy = 'group-member-in-use' in blocking(found)
        assert busy != any('0000:02:00.0' in f['fix'] for f in found), found
        assert ('in use' in b.weir('bind', '--dry-run', '--root', root, '0000:02:00.0',
                                   status=int(busy), text=True)) == busy
        return by['0000:02:00.0'] if busy else None

    assert used(machine()) is None
    volume = machine()
    os.makedirs(volume + '/sys/devices/virtual/block/dm-0/slaves/sda2')
    os.symlink('../../devices/virtual/block/dm-0', volume + '/sys/class/block/dm-0')
    assert used(volume) == 'sda2: in a volume'
    uuid = '/sys/fs/btrfs/01234567-89ab-cdef-0123-456789abcdef/devices/'
    second = machine(**{uuid + 'sdb2': '', uuid + 'sda': '', '/sys/fs/btrfs/features/x': ''})
    assert used(second) == 'sda: in a volume'
    assert '01234567' not in b.weir('snapshot', '--root', second)
    assert used(machine(mounts='40 22 0:44 / /tank rw - zfs tank rw\n')) == 'sda, perhaps a file system'


def case_console(b):
    m = s.x540('6.1.0', (2, 3))
    m.dev('0000:01:00.2', '10de:1c82', kind='vga', behind='0000:00:01.0', multi=True, driver='nouveau', group=2)
    m.files = {'/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.2/boot_vga': '1\n'}
    root = b.root(m)
    assert 'in use (the console)' in b.weir('bind', '--root', root, '0000:01:00.2', status=1)
    found = json.loads(b.weir('doctor', '--json', '--root', root, X0, status=1))['findings']
    assert [f['device'] for f in find(found, 'group-member-in-use')] == ['0000:01:00.2']
    assert not any('0000:01:00.2' in f['fix'] for f in found)
    m.functions['0000:01:00.2'].driver = 'vfio-pci'
    assert 'group-member-in-use' not in codes(b.doctor(m, X0))


def case_override(b):
    found = b.doctor(s.override(), '0000:04:00.0')
    assert 'acs-override' in codes(found) and 'group-smaller' not in codes(found)
    assert find(found, 'acs-override')[0]['level'] == 'warning'
    assert 'acs-override' in codes(b.doctor(s.override(), ready=True))
    groups = b.groups(s.override())
    assert len({groups[f'0000:0{n}:00.0']['group'] for n in (4, 5, 6, 7)}) == 4
    assert len({groups[f'0000:0{n}:00.0']['derived'] for n in (4, 5, 6, 7)}) == 1


def case_conventional_pci(b):
    members = b.explain(s.conventional(), '0000:06:00.0')
    assert {m['code'] for m in members.values()} == {'requester-id'}
    assert {m['via'] for m in members.values()} == {'0000:05:00.0'}
    assert b.groups(s.conventional())['0000:05:00.0']['role'] == 'PCIe-to-PCI bridge'
    found = b.doctor(s.conventional(), '0000:06:00.0')
    assert [f['device'] for f in find(found, 'group-member')] == ['0000:06:01.0']


def case_conventional_bridge_of_a_chipset(b):
    """Behind a bridge that is conventional itself, and behind another one behind that."""
    m = Machine()
    m.port('0000:00:1e.0', '8086:244e', type=None, bus=1, group=9, driver='')
    m.dev('0000:01:00.0', '1102:0004', kind='audio', type=None, behind='0000:00:1e.0', group=9)
    m.port('0000:01:05.0', '104c:ac28', type=None, bus=2, behind='0000:00:1e.0', group=9, driver='')
    m.dev('0000:02:00.0', '10ec:8139', type=None, behind='0000:01:05.0', group=9)
    members = b.explain(m, '0000:02:00.0')
    assert {x['code'] for x in members.values()} == {'requester-id'}
    assert {x['via'] for x in members.values()} == {'0000:00:1e.0'}
    assert len({f['derived'] for f in b.groups(m).values()}) == 1
    # On a root bus without bridge each has its own requester ID.
    m = Machine()
    m.dev('0000:00:05.0', '1102:0004', kind='audio', type=None, group=1)
    m.dev('0000:00:06.0', '10ec:8139', type=None, group=2)
    assert len({f['derived'] for f in b.groups(m).values()}) == 2


def case_switch_ports_reach_each_other(b):
    found = b.doctor(s.switch(), '0000:03:00.0')
    assert 'peers-reachable' in codes(found), codes(found)
    assert '0000:04:00.0' in find(found, 'peers-reachable')[0]['what']
    groups = b.groups(s.switch())
    assert groups['0000:03:00.0']['derived'] != groups['0000:04:00.0']['derived']
    assert groups['0000:03:00.0']['isolated'] == groups['0000:04:00.0']['isolated']
    m = s.switch()
    for slot in range(2):
        m.functions[f'0000:02:0{slot}.0'].acs = (ACS_ALL, ACS_ALL)
        m.functions[f'0000:0{3 + slot}:00.0'].group = 10 + slot
    found = b.doctor(m, '0000:03:00.0')
    assert not {'peers-reachable', 'group-smaller'} & set(codes(found)), codes(found)


def case_acs_off(b):
    m = s.switch()
    m.functions['0000:00:01.0'].acs = (ACS_ALL, 0x01)  # only SV is on
    for f in m.functions.values():
        f.group = 1
    members = b.explain(m, '0000:03:00.0')
    assert {x['code'] for x in members.values()} == {'port-acs-off'}
    assert {x['missing'] for x in members.values()} == {'RR CR UF'}
    found = b.doctor(s.switch(cmdline='intel_iommu=on pci=disable_acs_redir=pci:104c:8233'),
                     ready=True)
    assert 'acs-disabled' in codes(found)


def case_intel_ports_with_wide_registers(b):
    """Sunrise Point root ports hold ACS control 4 bytes further on."""
    m = Machine()
    f = m.port('0000:00:1c.0', '8086:a110', bus=1, multi=True, group=1, acs=(0, 0))
    m.port('0000:00:1c.1', '8086:a111', bus=2, multi=True, group=2, acs=(0, 0))
    m.dev(X0, '8086:1528', behind='0000:00:1c.0', group=3)
    for f in (m.functions['0000:00:1c.0'], m.functions['0000:00:1c.1']):
        original = f.config

        def config(original=original):
            data = bytearray(original())
            at = data.index(bytes.fromhex('0d000100'), 0x100)  # last in the chain
            data[at + 4:at + 12] = bytes([ACS_ALL, 0, 0, 0, ACS_ALL, 0, 0, 0])
            return bytes(data)
        f.config = config
    groups = b.groups(m)
    assert groups['0000:00:1c.0']['acs_on'] == 'SV RR CR UF', groups['0000:00:1c.0']
    assert len({f['derived'] for f in groups.values()}) == 3


def case_root_complex(b):
    groups = b.groups(s.root_complex())
    assert groups['0000:00:1f.0']['derived'] == groups['0000:00:1f.3']['derived']
    assert groups['0000:00:04.0']['derived'] != groups['0000:00:04.1']['derived']
    assert 'isolation-vouched' in codes(b.doctor(s.root_complex(), '0000:00:04.0'))
    assert b.explain(s.root_complex(), '0000:00:1f.3')['0000:00:1f.2']['code'] == 'multifunction'


def case_functions_above_seven(b):
    """By ARI a device has functions 8 and up, which look like function 0 of another device."""
    m = Machine()
    m.port('0000:00:1c.0', bus=5, acs=(ACS_ALL, ACS_ALL), group=1, ident='8086:6f02')
    for name, multi in (('0000:05:00.0', True), ('0000:05:01.0', False), ('0000:05:01.1', False)):
        m.dev(name, '15b3:1017', behind='0000:00:1c.0', ari=True, multi=multi, group=2 + (name[-4] == '1'))
    groups = b.groups(m)
    assert groups['0000:05:01.0']['derived'] == groups['0000:05:01.1']['derived'], groups
    assert groups['0000:05:00.0']['derived'] != groups['0000:05:01.0']['derived'], 'the kernel asks by slot'


def case_known_aliases(b):
    m = Machine()
    m.port('0000:00:1c.0', bus=5, acs=(ACS_ALL, ACS_ALL), group=1, ident='8086:6f02')
    # A Marvell SATA controller that does DMA as function 1.
    m.dev('0000:05:00.0', '1b4b:9123', kind='sata', behind='0000:00:1c.0', multi=True, group=2,
          acs=s.STATIC_ACS)
    m.dev('0000:05:00.1', '1b4b:91a4', kind='sata', behind='0000:00:1c.0', multi=True, group=2,
          acs=s.STATIC_ACS)
    assert b.explain(m, '0000:05:00.0')['0000:05:00.1']['code'] == 'dma-alias'
    # Intel's Visual Compute Accelerator does as functions 0 to 4 of any device on its bus.
    for number, code in ((4, 'dma-alias'), (5, 'unexplained')):
        m = Machine()
        m.port('0000:00:1c.0', bus=5, acs=(ACS_ALL, ACS_ALL), group=1, ident='8086:6f02')
        for name, ident in (('0000:05:00.0', '8086:2954'), (f'0000:05:00.{number}', '8086:1528')):
            m.dev(name, ident, behind='0000:00:1c.0', multi=True, group=2, acs=s.STATIC_ACS)
        assert b.explain(m, '0000:05:00.0')[f'0000:05:00.{number}']['code'] == code


# ---- the rest ----

def case_help(b):
    for name in ('bind', 'doctor', 'groups', 'restore', 'snapshot', 'unbind'):
        assert b.weir('help', name).startswith(f'usage: weir {name} ')
        assert b.weir(name, '--help') == b.weir('help', name)


def case_wrong_use(b):
    for argv in (['groups', 'a', 'b'], ['groups', '--explain'], ['doctor', 'a', 'b'],
                 ['doctor', '--memory', 'x'], ['doctor', '--memory', '1Q'], ['bind'], ['bind', '--vfs', 'x', X0],
                 ['restore', '--persist', X0], ['unbind', '--driver', 'x', X0], ['restore', '--force', X0],
                 ['bind', '--driver', '../x', X0], ['snapshot', 'x'], ['doctor', '--json', '--commands'],
                 ['doctor', '--nonsense']):
        b.weir(*argv, status=2)
    root = b.root(s.plx())
    for argv in (['groups'], ['groups', '--explain'], ['doctor'], ['doctor', '--json'], ['bind'], ['unbind'], ['restore']):
        for name in ('nonsense', 'x' * 300, '', 'model:x540', 'vfio-user:/run/x', '0000:04:00.0?iommu=type1',
                     '/dev/uio0', '0000:04:99.0'):
            out = b.weir(*argv, '--root', root, name, status=2)
            assert 'only PCI functions have IOMMU groups' in out, (argv, name, out)
        b.weir(*argv, '--root', root, '0000:09:00.0', status=1)


def case_shapes(b):
    root = b.root(s.plx())
    tree = b.weir('groups', '--tree', '--root', root).splitlines()
    assert tree[0].startswith('0000:00:01.0  group 1  root port, ACS SV RR CR UF')
    assert any(line.startswith('      0000:04:00.0  group 16  endpoint') for line in tree), tree
    dot = b.weir('groups', '--dot', '--root', root)
    assert 'subgraph cluster_16' in dot and '"0000:03:01.0" -> "0000:04:00.0";' in dot
    assert dot.count('{') == dot.count('}')
    table = b.weir('groups', '--root', root, '0000:04:00.0').splitlines()
    assert len(table) == 11 and all(line.startswith('16 ') for line in table[1:])


def case_names(b):
    ids = os.path.join(b.folder, 'ids')
    with open(ids, 'w', encoding='utf-8') as f:
        f.write('8086  A Vendor\n\t1528  A Device\n')
    root = b.root(s.x540('6.1.0', (2, 3)))
    assert 'A Vendor A Device' in b.weir('groups', '--ids', ids, '--root', root)
    with open(ids, 'w', encoding='utf-8') as f:
        f.write('\t\t\tnonsense\nxx\n\n\x01')
    b.weir('groups', '--ids', ids, '--root', root)
    b.weir('groups', '--ids', '/dev/null', '--root', root)


def case_five_hundred_functions(b):
    root = b.root(s.big())
    out = json.loads(b.weir('groups', '--json', '--root', root))
    assert len(out['functions']) == 500
    devices = {f['derived'] for f in out['functions']}
    assert len(devices) == 500, 'static ACS keeps all apart'
    # The processor's time, the least of some runs: 15 to 35 ms on a machine at rest, where 50 is the goal. A
    # busy one doubles it, so what fails is what no machine would make of a healthy program.
    weir = shutil.which('weir')
    if b'libasan' in subprocess.run(['ldd', weir], capture_output=True, check=True).stdout:
        return
    snap = os.path.join(b.folder, 'big.snap')
    b.weir('snapshot', '--root', root, '-o', snap)
    for argv in (['--root', root], ['--snapshot', snap]):
        times = []
        for _ in range(7):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            b.weir('groups', *argv, '0000:01:00.0')
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        print(f'# 500 functions, {argv[0]}: {min(times) * 1000:.1f} ms')
        assert min(times) < 0.2, times


if __name__ == '__main__':
    run(globals())
