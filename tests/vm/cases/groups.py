# SPDX-License-Identifier: BSD-3-Clause
"""IOMMU groups: what the library derives is what the kernel makes, on generated topologies; and a
device that weir makes usable and gives back.

Each topology hangs below a slot of its own on the root bus, so that a machine has several. What is
expected of it is declared here, before any machine boots; the guest fails on anything else.
"""
import random

from case import Case, root_port

# Seeds of which the kernel's groups and the derived ones are not equal: the difference, in the words
# of guest/groups.sh, and a comment that says why it is accepted.
DEVIATIONS = {}
# Seeds whose topology has a group with three endpoints or more.
BIG = frozenset((5, 6, 10, 11, 12, 15, 16, 17, 19, 20, 23, 25, 27, 33, 34, 35, 36, 38, 40, 42))
MACHINES = {  # seeds of the topologies that a machine has
    'groups-1': range(1, 10),
    'groups-2': range(10, 19),
    'groups-3': range(19, 28),
    'groups-4': range(28, 37),
    'groups-5': range(37, 46),
}
SEEDS = [seed for seeds in MACHINES.values() for seed in seeds]
# What is declared has to prove something; that it is true is the guests' part.
if len(set(SEEDS)) < 40 or len(set(SEEDS) - set(DEVIATIONS)) < 35 or len(BIG & set(SEEDS)) < 10:
    raise ValueError('too few topologies are declared, or as equal, or with groups of three')
VFS = 3  # of each igb that is function 0; guest/groups.sh makes them
FIRST_SLOT = 3


class Topology:
    """Devices below one slot of the root bus; the seed alone says which."""

    def __init__(self, seed, slot):
        # Of all that random offers, random() is the same in every version of Python.
        self.random = random.Random(seed).random
        self.slot = slot
        self.prefix = f't{slot}n'
        self.used = 0
        self.devices = []
        self.functions = 0  # as many as the guest has to find
        shape = self.pick('port', 'ports', 'ports', 'switch', 'switch', 'integrated')
        if shape == 'port':
            text = self.port('', self.endpoint)
        elif shape == 'ports':
            text = ', '.join(self.port(f'.{function},multifunction=on',
                                       self.endpoint)
                             for function in range(self.pick(2, 3)))
        elif shape == 'switch':
            text = self.port('', self.switch)
        else:
            text = self.multifunction('pcie.0', f'0x{slot:x}', self.pick('edu', 'nvme', 'mix'))
        self.name = text

    def pick(self, *choices):
        return choices[int(self.random() * len(choices))]

    def add(self, driver, *properties, functions=1):
        """None but igb has an I/O BAR: each port in front of one takes 4 KiB of 64 from the firmware,
        which stops when they run out."""
        if driver == 'nvme':
            properties += (f'serial={len(self.devices)}',)
        self.devices.append(','.join((driver, *properties)))
        self.functions += functions
        return driver

    def identity(self):
        """Name, chassis and slot number of a port or bridge; unique in its machine."""
        self.used += 1
        return f'{self.prefix}{self.used}', self.slot * 16 + self.used

    def port(self, function, below):
        # Of the two, ioh3420 has no ACS.
        driver = self.pick('pcie-root-port', 'pcie-root-port', 'ioh3420')
        name, number = self.identity()
        self.add(driver, f'id={name}', f'chassis={number}', f'slot={number}', 'bus=pcie.0',
                 f'addr=0x{self.slot:x}{function}')
        return f'{driver}[{below(name)}]'

    def switch(self, bus, depth=0):
        """QEMU's switch has no ACS."""
        up, _ = self.identity()
        self.add('x3130-upstream', f'id={up}', f'bus={bus}', 'addr=0')
        below = []
        for number in range(self.pick(2, 3)):
            down, chassis = self.identity()
            self.add('xio3130-downstream', f'id={down}', f'bus={up}', f'addr=0x{number:x}',
                     f'chassis={chassis}', f'slot={chassis}')
            if depth == 0 and self.random() < .15:
                below.append(self.switch(down, 1))
            else:
                below.append(self.endpoint(down))
        return f'switch[{", ".join(below)}]'

    def endpoint(self, bus):
        kind = self.pick('edu', 'nvme', 'igb', 'second igb', 'several', 'several', 'bridge',
                         'bridge')
        if kind == 'several':
            return self.multifunction(bus, '0x0', self.pick('edu', 'nvme', 'mix'))
        if kind == 'bridge':
            return self.bridge(bus)
        if kind == 'second igb':
            # As function 0 it would hide what follows: its ARI capability names no next function.
            # As another it can have no VFs: the kernel says ENOSYS.
            self.add('nvme', f'bus={bus}', 'addr=0x0.0', 'multifunction=on')
            self.add('igb', f'bus={bus}', 'addr=0x0.1', 'multifunction=on')
            return 'nvme+igb'
        if kind == 'igb':
            self.add('igb', f'bus={bus}', 'addr=0x0', functions=1 + VFS)
            return 'igb with VFs'
        return self.add(kind, f'bus={bus}', 'addr=0x0')

    def multifunction(self, bus, addr, kind):
        return '+'.join(self.add(self.pick('edu', 'nvme') if kind == 'mix' else kind,
                                 f'bus={bus}', f'addr={addr}.{function}', 'multifunction=on')
                        for function in range(self.pick(2, 3)))

    def bridge(self, bus):
        """Conventional PCI, now and then with a second bridge behind the first."""
        name, _ = self.identity()
        self.add('pcie-pci-bridge', f'id={name}', f'bus={bus}', 'addr=0x0')
        below = []
        for number in range(1, self.pick(2, 3, 4)):
            if self.random() < .3:
                second, chassis = self.identity()
                self.add('pci-bridge', f'id={second}', f'bus={name}', f'addr=0x{number:x}',
                         f'chassis_nr={chassis}', 'shpc=off')
                below.append('bridge[' + self.add('edu', f'bus={second}', 'addr=0x1') + ']')
            else:
                below.append(self.add(self.pick('edu', 'usb-ehci'), f'bus={name}',
                                      f'addr=0x{number:x}'))
        return f'bridge[{", ".join(below)}]'


def machine(name, seeds):
    devices, lines = [], []
    for slot, seed in enumerate(seeds, FIRST_SLOT):
        topology = Topology(seed, slot)
        devices += topology.devices
        lines.append(f'{slot:02x}|{seed}|{topology.functions}|{"big" if seed in BIG else "small"}|'
                     f'{DEVIATIONS.get(seed, "equal")}|{topology.name}')
    return Case(name, f'derived IOMMU groups are the kernel\'s, topologies {seeds[0]} to {seeds[-1]}',
                run='groups.sh', kernel='small', devices=tuple(devices), modules=('igb',),
                env={'TOPOLOGIES': '\n'.join(lines)})


CASES = [machine(name, seeds) for name, seeds in MACHINES.items()]

CASES += [
    Case(f'bind-{kernel}', 'bind and restore step by step; edu runs after what doctor says was done',
         run='bind.sh', kernel=kernel,
         devices=(root_port(1), 'edu,bus=rp1,addr=0x0.0,multifunction=on',
                  'e1000e,bus=rp1,addr=0x0.1'),
         modules=('e1000e', 'pci-stub'), programs=('viable',),
         env={'EDU': '0000:01:00.0', 'OTHER': '0000:01:00.1'})
    for kernel in ('stock', 'small')
] + [
    Case('bind-vfs', 'VFs of an igb are made, bound and removed, and the igb itself',
         run='vfs.sh', devices=(root_port(1), 'igb,bus=rp1'), modules=('igb',),
         programs=('viable',), env={'PF': '0000:01:00.0'}),
    Case('bind-persist', 'what weir bind --persist writes, by udev and by driverctl at the next boot',
         run='persist.sh', devices=(root_port(1), 'e1000e,bus=rp1'), modules=('e1000e',),
         packages=('udev', 'kmod', 'driverctl', 'bash'), memory=512, env={'NIC': '0000:01:00.0'}),
]
