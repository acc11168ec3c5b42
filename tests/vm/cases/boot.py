# SPDX-License-Identifier: BSD-3-Clause
"""Every kind of machine boots, and has the devices and IOMMU groups it was declared with."""
from case import Case, X540, root_port

EDU = '1234:11e8'
CASES = []

for iommu in ('intel', 'amd', 'virtio', 'none'):
    for kernel in ('stock', 'small'):
        CASES.append(Case(
            f'boot-{iommu}-{kernel}', f'the {kernel} kernel with IOMMU {iommu}, edu on vfio-pci',
            run='boot.sh', kernel=kernel, iommu=iommu, devices=(root_port(1), 'edu,bus=rp1'),
            vfio=('01:00.0',) if iommu != 'none' else (),
            modules=('vfio-pci',) if iommu == 'none' else (),
            env={'DEVICES': f'01:00.0={EDU}',
                 'GROUPS_WANTED': '00:11.0 01:00.0' if iommu != 'none' else '',
                 'TAKEN': '01:00.0' if iommu == 'none' else ''}))

CASES.append(Case(
    'boot-noiommu', 'the small kernel gives a device to vfio-pci without an IOMMU, if told to',
    run='boot.sh', kernel='small', iommu='none', devices=(root_port(1), 'edu,bus=rp1'),
    vfio=('01:00.0',), append='vfio.enable_unsafe_noiommu_mode=1',
    env={'DEVICES': f'01:00.0={EDU}'}))

CASES.append(Case(
    'boot-x540', 'an X540 model is a PCI function of the guest, in a group of its own',
    run='boot.sh', devices=(root_port(1), X540('a', bus='rp1')), vfio=('01:00.0',), memory=512,
    env={'DEVICES': '01:00.0=8086:1528', 'GROUPS_WANTED': '01:00.0'}))


def unplug(h):
    h.expect('^take the device$')
    h.qmp('device_del', id='dev')
    h.wait_event('DEVICE_DELETED')
    h.send('it is gone')


CASES.append(Case('boot-dialog', 'the host function unplugs a device and talks with the guest',
                  run='dialog.sh', devices=(root_port(1), 'edu,bus=rp1,id=dev'), host=unplug))

# Without ACS a switch's port cannot keep its endpoint's accesses from going to that port, functions
# of one device can reach each other, and a conventional bus has no notion of who asks.
CASES.append(Case(
    'boot-topology', 'groups behind root ports, a switch, a bridge, and of a device with two functions',
    run='boot.sh', devices=(
        root_port(1), 'edu,bus=rp1',
        root_port(2), 'x3130-upstream,id=up,bus=rp2',
        'xio3130-downstream,id=down1,bus=up,chassis=11,addr=0', 'edu,bus=down1',
        'xio3130-downstream,id=down2,bus=up,chassis=12,addr=1', 'edu,bus=down2',
        root_port(3), 'e1000e,bus=rp3,addr=0.0,multifunction=on', 'edu,bus=rp3,addr=0.1',
        root_port(4), 'pcie-pci-bridge,id=bridge,bus=rp4',
        'edu,bus=bridge,addr=1', 'edu,bus=bridge,addr=2'),
    env={'DEVICES': f'01:00.0={EDU} 04:00.0={EDU} 05:00.0={EDU} 06:00.0=8086:10d3 08:02.0={EDU}',
         'GROUPS_WANTED': '01:00.0 03:00.0+04:00.0 03:01.0+05:00.0 06:00.0+06:00.1'
                          ' 07:00.0+08:01.0+08:02.0 00:1f.0+00:1f.2+00:1f.3'}))
