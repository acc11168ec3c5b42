# SPDX-License-Identifier: BSD-3-Clause
"""The situations in which people meet IOMMU groups, each as a machine. Identifiers and topologies
are those of the machines that were asked about."""
from machine import ACS_ALL, Machine

STATIC_ACS = (0, 0)  # a capability that can do nothing: no peer-to-peer to control
UP, ADDRESS = 0x1003, 0x11003


def plx(**more):
    """A card with four USB controllers behind a PLX switch without ACS."""
    m = Machine(**more)
    m.port('0000:00:01.0', '8086:0e02', bus=2, acs=(ACS_ALL, ACS_ALL), group=1)
    m.port('0000:02:00.0', '10b5:8609', type='up', behind='0000:00:01.0', bus=3, multi=True, group=16)
    m.dev('0000:02:00.1', '10b5:8609', kind='system', behind='0000:00:01.0', multi=True, group=16)
    for slot, bus in ((1, 4), (5, 5), (7, 6), (9, 7)):
        port = f'0000:03:{slot:02x}.0'
        m.port(port, '10b5:8609', type='down', behind='0000:02:00.0', bus=bus, group=16)
        m.dev(f'0000:{bus:02x}:00.0', '1b21:1142', kind='usb', behind=port, group=16,
              driver='xhci_hcd')
    return m


def pch_ports(kernel='3.13.0', **more):
    """Root ports 00:1c.* without ACS: a flash reader and a wireless adapter in one group."""
    m = Machine(kernel=kernel, **more)
    m.dev('0000:00:1b.0', '8086:1e20', kind='audio', type='rc', group=3, driver='snd_hda_intel')
    for number in range(3):
        m.port(f'0000:00:1c.{number}', f'8086:1e1{2 * number}', bus=1 + number, multi=True, group=4)
    m.dev('0000:02:00.0', '1217:8231', kind='card', behind='0000:00:1c.1', group=4,
          driver='sdhci-pci')
    m.dev('0000:03:00.0', '8086:4236', kind='network', behind='0000:00:1c.2', group=4,
          driver='iwlwifi')
    return m


def x540(kernel, groups, acs=STATIC_ACS, ident='8086:1528', drivers=('ixgbe', 'ixgbe'), **more):
    """A network card of two ports behind a root port with ACS."""
    overrides = more.pop('overrides', ('', ''))
    nets = more.pop('nets', ((), ()))
    m = Machine(kernel=kernel, **more)
    m.port('0000:00:01.0', '8086:6f02', bus=1, acs=(ACS_ALL, ACS_ALL), group=1)
    for number in range(2):
        m.dev(f'0000:01:00.{number}', ident, behind='0000:00:01.0', multi=True, acs=acs, sriov=64,
              group=groups[number], driver=drivers[number], override=overrides[number],
              nets=nets[number])
    return m


def connectx(true_sriov=True, **more):
    """A ConnectX-3 with virtual functions under a root port of X58, which lacks ACS."""
    m = Machine(kernel='3.16.0', **more)
    m.port('0000:00:07.0', '8086:340e', bus=7, acs=None if true_sriov else (ACS_ALL, ACS_ALL),
           group=4 if true_sriov else 3)
    pf = m.dev('0000:07:00.0', '15b3:1003', kind='network', behind='0000:00:07.0', group=4, ari=True,
               multi=not true_sriov, driver='mlx4_core', sriov=8 if true_sriov else 0,
               vfs=4 if true_sriov else 0)
    for number in range(1, 5):
        m.dev(f'0000:07:00.{number}', '15b3:1004', kind='network', behind='0000:00:07.0', group=4,
              pf=pf.name if true_sriov else None, multi=not true_sriov, driver='')
    return m


def no_groups(**more):
    """An empty /sys/kernel/iommu_groups: intel_iommu=on is missing."""
    m = Machine(**{'cmdline': 'quiet', 'iommu': None, 'remapping': False, 'groups': False, **more})
    m.port('0000:00:01.0', '8086:6f02', bus=1, acs=(ACS_ALL, 0))
    m.dev('0000:01:00.0', '8086:1528', behind='0000:00:01.0', driver='ixgbe', acs=STATIC_ACS)
    return m


def disk_in_group(**more):
    """A network card and the disk controller behind root ports of one device without ACS."""
    m = Machine(kernel='4.9.0', **more)
    for number in range(2):
        m.port(f'0000:00:01.{number}', f'8086:0c0{1 + 4 * number}', bus=1 + number, multi=True, group=1)
    m.dev('0000:01:00.0', '8086:1528', behind='0000:00:01.0', driver='ixgbe', group=1)
    m.dev('0000:02:00.0', '1b4b:9485', kind='sata', behind='0000:00:01.1', driver='ahci', group=1,
          disks=(('sda', 8),))
    return m


def override(**more):
    """The PLX card once more, split by the ACS override patch."""
    m = plx(cmdline='intel_iommu=on pcie_acs_override=downstream,multifunction', **more)
    for number, f in enumerate(m.functions.values()):
        f.group = number
    return m


def conventional(**more):
    """Two conventional PCI cards behind one PCIe-to-PCI bridge."""
    m = Machine(**more)
    m.port('0000:00:1c.0', '8086:1e10', bus=5, acs=(ACS_ALL, ACS_ALL), group=4)
    m.port('0000:05:00.0', '10b5:8112', type='to-pci', behind='0000:00:1c.0', bus=6, group=14,
           driver='')
    m.dev('0000:06:00.0', '1102:0004', kind='audio', type=None, behind='0000:05:00.0', group=14,
          driver='snd_emu10k1')
    m.dev('0000:06:01.0', '10ec:8139', kind='nic', type=None, behind='0000:05:00.0', group=14,
          driver='8139too')
    return m


def switch(kernel='6.1.0', **more):
    """A switch without ACS whose ports the kernel puts in groups of their own."""
    m = Machine(kernel=kernel, **more)
    m.port('0000:00:01.0', '8086:6f02', bus=1, acs=(ACS_ALL, ACS_ALL), group=1)
    m.port('0000:01:00.0', '104c:8232', type='up', behind='0000:00:01.0', bus=2, group=2)
    for slot in range(2):
        port = f'0000:02:{slot:02x}.0'
        m.port(port, '104c:8233', type='down', behind='0000:01:00.0', bus=3 + slot, group=3 + slot)
        m.dev(f'0000:{3 + slot:02x}:00.0', '8086:1528', behind=port, driver='ixgbe', group=3 + slot)
    return m


def root_complex(kernel='6.1.0', groups=(5, 5, 5, 6, 7), **more):
    """What is on the root bus itself: a southbridge of conventional functions, and Intel's root
    complex endpoints, which VT-d isolates."""
    m = Machine(kernel=kernel, **more)
    m.dev('0000:00:1f.0', '8086:2918', kind='isa', type=None, multi=True, driver='lpc_ich',
          group=groups[0])
    m.dev('0000:00:1f.2', '8086:2922', kind='sata', type=None, multi=True, driver='ahci',
          group=groups[1], disks=(('sda', 8),))
    m.dev('0000:00:1f.3', '8086:2930', kind='smbus', type=None, multi=True, driver='i801_smbus',
          group=groups[2])
    m.dev('0000:00:04.0', '8086:10d3', type='rc', multi=True, driver='e1000e', group=groups[3])
    m.dev('0000:00:04.1', '8086:10d3', type='rc', multi=True, driver='e1000e', group=groups[4])
    return m


def big(functions=500):
    """A machine of many functions, for the time it takes."""
    m = Machine()
    count = 0
    bus = 1
    while count < functions - 3:
        port = f'0000:00:{1 + bus // 8 % 24:02x}.{bus % 8}'
        if port in m.functions:
            port = None
        if port:
            m.port(port, bus=bus, acs=(ACS_ALL, ACS_ALL), multi=True, group=count)
            count += 1
            last = port
        for number in range(8):
            if count >= functions:
                break
            m.dev(f'0000:{bus:02x}:00.{number}', '8086:1528', behind=last, multi=True,
                  acs=STATIC_ACS, driver='ixgbe', group=count, sriov=64)
            count += 1
        bus += 1
    while count < functions:
        m.dev(f'0000:ff:{count % 32:02x}.0', '8086:1528', group=count)
        count += 1
    return m
