# SPDX-License-Identifier: BSD-3-Clause
"""Builds folders that look to `--root` like a machine: sys and proc, from a few declarations.

    m = Machine(kernel='6.1.0-18-amd64')
    m.port('0000:00:1c.0', bus=2, group=4)             # a root port without ACS
    m.dev('0000:02:00.0', '1217:8231', behind='0000:00:1c.0', group=4, driver='sdhci-pci')
    m.write(folder)

Capabilities are real bytes in config files, so what reads them is tested, too.
"""
import os
import struct

ACS_ALL = 0x1d  # SV RR CR UF
CLASS = {'bridge': 0x060400, 'nic': 0x020000, 'network': 0x028000, 'usb': 0x0c0330, 'sata': 0x010601,
         'nvme': 0x010802, 'audio': 0x040300, 'vga': 0x030000, 'system': 0x088000, 'isa': 0x060100,
         'smbus': 0x0c0500, 'card': 0x080501}
TYPES = {'endpoint': 0, 'legacy': 1, 'root': 4, 'up': 5, 'down': 6, 'to-pci': 7, 'from-pci': 8,
         'rc': 9, 'event': 10}


class Function:
    """One PCI function. type: a key of TYPES, or None for conventional PCI. acs: None for no
    capability, or (capability, control)."""

    def __init__(self, name, ident, behind=None, kind='nic', type='endpoint', acs=None, multi=False,
                 driver='', override='', group=None, bus=None, sriov=0, vfs=0, pf=None, ari=False,
                 ats=False, node=-1, nets=(), uppers=(), nets_elsewhere=False, disks=(),
                 privileged=True, extra=b'', revision=0, subsystem='0000:0000', dma_bits=64,
                 has_override=True, iommu='dmar0'):
        self.__dict__.update(locals())
        self.vendor, self.device = (int(part, 16) for part in ident.split(':'))

    def config(self):
        space = bytearray(4096)
        bridge = self.kind == 'bridge'
        caps = [(0x01, b'\x03\x00\x00\x00\x00\x00')]  # power management
        if self.type is not None:
            flags = 2 | TYPES[self.type] << 4
            caps.append((0x10, struct.pack('<H', flags) + bytes(56)))
        header = (1 if bridge else 0) | (0x80 if self.multi else 0)
        struct.pack_into('<HHHHII', space, 0, self.vendor, self.device, 6, 0x10,
                         CLASS[self.kind] << 8 | self.revision, header << 16)
        if self.pf:  # a VF has no identifiers of its own
            struct.pack_into('<I', space, 0, 0xffffffff)
        if bridge:
            space[0x18:0x1b] = bytes([int(self.name.split(':')[1], 16), self.bus or 0, self.bus or 0])
        else:
            sub = [int(part, 16) for part in self.subsystem.split(':')]
            struct.pack_into('<HH', space, 0x2c, *sub)
        at = 0x40
        space[0x34] = at
        for number, (ident, body) in enumerate(caps):
            after = at + 2 + len(body)
            after = (after + 3) & ~3
            last = number == len(caps) - 1
            space[at:at + 2 + len(body)] = bytes([ident, 0 if last else after]) + body
            at = after
        extended = []
        # A serial number, which must not come out anywhere.
        extended.append((0x03, 1, bytes.fromhex('deadbeefcafef00d')))
        if self.acs is not None:
            extended.append((0x0d, 1, struct.pack('<HH', *self.acs)))
        if self.ari:
            extended.append((0x0e, 1, bytes(4)))
        if self.ats:
            extended.append((0x0f, 1, bytes(4)))
        if self.sriov:
            extended.append((0x10, 1, bytes(60)))
        if self.type is None:
            return bytes(space[:256])
        at = 0x100
        for number, (ident, version, body) in enumerate(extended):
            after = at + 4 + len(body)
            last = number == len(extended) - 1
            struct.pack_into('<I', space, at, ident | version << 16 | (0 if last else after) << 20)
            space[at + 4:after] = body
            at = after
        return bytes(space)


class Machine:
    def __init__(self, kernel='6.1.0-18-amd64', cmdline='quiet intel_iommu=on', table='DMAR',
                 iommu='dmar0', cap='d2008c40660462', ecap='f050da', remapping=True, vfio=True,
                 memlock='unlimited', uid=0, files=None, hugepages=512, disable_hugepages='N',
                 unsafe='N', built=True, cpu='GenuineIntel', root_mount='8:2',
                 root_source='/dev/sda2', groups=True):
        self.__dict__.update(locals())
        self.functions = {}
        self.regions = {}

    def dev(self, name, ident, **more):
        f = Function(name, ident, **more)
        self.functions[name] = f
        return f

    def port(self, name, ident='8086:1e10', bus=1, type='root', **more):
        return self.dev(name, ident, kind='bridge', type=type, bus=bus,
                        driver=more.pop('driver', 'pcieport'), **more)

    # ---- writing ----

    def path_of(self, f):
        """../../../devices/pci0000:00/0000:00:1c.0/0000:02:00.0"""
        parts = [f.name]
        behind = self.functions[f.pf].behind if f.pf else f.behind
        seen = set()
        while behind and behind not in seen:
            seen.add(behind)
            parts.append(behind)
            behind = self.functions[behind].behind
        domain, bus = parts[-1].split(':')[:2]
        return '/'.join([f'pci{domain}:{bus}'] + parts[::-1])

    def put(self, path, text):
        full = self.root + path
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, 'wb' if isinstance(text, bytes) else 'w') as out:
            out.write(text)

    def link(self, path, target):
        full = self.root + path
        os.makedirs(os.path.dirname(full), exist_ok=True)
        os.symlink(target, full)

    def folder(self, path):
        os.makedirs(self.root + path, exist_ok=True)

    def write_function(self, f):
        path = self.path_of(f)
        real = '/sys/devices/' + path
        config = f.config()
        self.put(real + '/config', config if f.privileged else config[:64])
        self.link('/sys/bus/pci/devices/' + f.name, '../../../devices/' + path)
        up = '../' * (path.count('/') + 2)
        if f.driver:
            self.link(real + '/driver', up + 'bus/pci/drivers/' + f.driver)
            self.folder('/sys/bus/pci/drivers/' + f.driver)
        if f.has_override:
            self.put(real + '/driver_override', (f.override or '(null)') + '\n')
        self.put(real + '/numa_node', f'{f.node}\n')
        self.put(real + '/dma_mask_bits', f'{f.dma_bits}\n')
        if f.sriov:
            self.put(real + '/sriov_totalvfs', f'{f.sriov}\n')
            self.put(real + '/sriov_numvfs', f'{f.vfs}\n')
        self.put(real + '/vendor', f'{f.vendor:#06x}\n')
        self.put(real + '/device', f'{f.device:#06x}\n')
        if f.pf:
            self.link(real + '/physfn', '../' + f.pf)
        if f.group is not None and self.groups:
            self.link(real + '/iommu_group', up + f'kernel/iommu_groups/{f.group}')
            self.link(f'/sys/kernel/iommu_groups/{f.group}/devices/{f.name}',
                      '../../../../devices/' + path)
        if self.iommu and f.iommu:
            self.link(real + '/iommu', up + 'devices/virtual/iommu/' + f.iommu)
        for net, flags in f.nets:
            self.link('/sys/class/net/' + net, f'../../devices/{path}/net/{net}')
            self.put(f'{real}/net/{net}/flags', f'{flags:#x}\n')
            for upper in f.uppers:  # a VLAN on it, with an address
                self.link(f'{real}/net/{net}/upper_{upper}', '../../../../../virtual/net/' + upper)
                self.link('/sys/class/net/' + upper, '../../devices/virtual/net/' + upper)
                self.put(f'/sys/devices/virtual/net/{upper}/flags', '0x1003\n')
        if f.nets_elsewhere:
            os.makedirs(self.root + real + '/net')
        for disk, number in f.disks:
            disk_path = f'{path}/ata1/host0/target0:0:0/0:0:0:0/block/{disk}'
            for name, at, minor in ((disk, disk_path, 0), (disk + '2', disk_path + '/' + disk + '2', 2)):
                self.link('/sys/class/block/' + name, '../../devices/' + at)
                self.put(f'/sys/devices/{at}/dev', f'{number}:{minor}\n')

    def write_pools(self):
        for where in ('/sys/kernel/mm/hugepages', '/sys/devices/system/node/node0/hugepages'):
            for size, total in ((2048, self.hugepages), (1048576, 0)):
                self.put(f'{where}/hugepages-{size}kB/nr_hugepages', f'{total}\n')
                self.put(f'{where}/hugepages-{size}kB/free_hugepages', f'{total}\n')

    def write(self, root):
        self.root = root
        self.put('/proc/sys/kernel/osrelease', self.kernel + '\n')
        self.put('/proc/cmdline', f'BOOT_IMAGE=/boot/vmlinuz root=UUID=1234 ro {self.cmdline}\n')
        self.put('/proc/cpuinfo', f'processor\t: 0\nvendor_id\t: {self.cpu}\n'
                 'address sizes\t: 39 bits physical, 48 bits virtual\n')
        caps = '000001ffffffffff' if self.uid == 0 else '0000000000000000'
        self.put('/proc/self/status', f'Name:\tweir\nUid:\t{self.uid}\t{self.uid}\nGid:\t{self.uid}\n'
                 f'Groups:\t{self.uid}\nCapEff:\t{caps}\n')
        self.put('/proc/self/limits', 'Limit                     Soft Limit           Hard Limit\n'
                 f'Max locked memory         {self.memlock}              {self.memlock}\n')
        self.put('/proc/self/mountinfo', f'22 1 {self.root_mount} / / rw - ext4 {self.root_source} rw\n'
                 '30 22 0:25 / /home/alice/secret rw - nfs4 fileserver.example:/alice rw\n')
        self.put('/proc/swaps', 'Filename\tType\tSize\n')
        chip = 'IR-PCI-MSI' if self.remapping else 'PCI-MSI'
        self.put('/proc/interrupts', f'  24:  100  {chip} 327680-edge  xhci_hcd\n')
        nets = [n for f in self.functions.values() for n, flags in f.nets if flags & 0x10000]
        nets += [upper for f in self.functions.values() for upper in f.uppers]
        self.put('/proc/self/net/route', 'Iface\tDestination\tGateway\n' +
                 ''.join(f'{n}\t0000A8C0\t00000000\n' for n in nets))
        self.put('/sys/bus/pci/drivers_autoprobe', '1\n')
        self.folder('/sys/bus/pci/devices')
        self.folder('/sys/kernel/iommu_groups')
        self.folder('/sys/class/iommu')
        self.folder('/sys/class/net')
        self.folder('/sys/firmware/acpi/tables')
        if self.table:
            self.put('/sys/firmware/acpi/tables/' + self.table, b'\0' * 48)
        if self.iommu:
            self.put(f'/sys/devices/virtual/iommu/{self.iommu}/intel-iommu/cap', self.cap + '\n')
            self.put(f'/sys/devices/virtual/iommu/{self.iommu}/intel-iommu/ecap', self.ecap + '\n')
            self.link('/sys/class/iommu/' + self.iommu, '../../devices/virtual/iommu/' + self.iommu)
        if self.vfio:
            self.folder('/sys/bus/pci/drivers/vfio-pci')
            type1 = '/sys/module/vfio_iommu_type1/parameters/'
            self.put(type1 + 'allow_unsafe_interrupts', self.unsafe + '\n')
            self.put(type1 + 'disable_hugepages', self.disable_hugepages + '\n')
            self.put(type1 + 'dma_entry_limit', '65535\n')
            self.put('/sys/module/vfio_pci/parameters/enable_sriov', 'N\n')
        modules = 'kernel/drivers/net/ixgbe.ko:\n'
        if self.built:
            modules += ('kernel/drivers/vfio/pci/vfio-pci.ko: kernel/drivers/vfio/vfio.ko\n'
                        'kernel/drivers/vfio/vfio_iommu_type1.ko:\n')
        self.put(f'/lib/modules/{self.kernel}/modules.dep', modules)
        self.write_pools()
        for f in self.functions.values():
            self.write_function(f)
        for f in self.functions.values():
            if f.group is not None and self.groups:
                base = f'/sys/kernel/iommu_groups/{f.group}'
                self.put(base + '/type', 'DMA\n')
                self.put(base + '/reserved_regions', self.regions.get(f.group, '') +
                         '0x00000000fee00000 0x00000000feefffff msi\n')
        for path, text in (self.files or {}).items():
            self.put(path, text)
        return root
