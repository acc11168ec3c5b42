# SPDX-License-Identifier: BSD-3-Clause
"""What the kernel refuses, and how the library explains it."""
from case import Case, root_port

EDU = (root_port(1), 'edu,bus=rp1')
CASES = [
    Case(f'refuse-{api}', f'busy, permission, driver, maps and memlock through {api}',
         run='refuse plain', kernel='small', devices=EDU, vfio=('01:00.0',), env={'API': api})
    for api in ('type1', 'iommufd')
]
for api in ('type1', 'iommufd'):
    # Behind a bridge to conventional PCI everything shares one requester ID, and so a group.
    CASES.append(Case(
        f'refuse-group-{api}', f'a member of the group with its host driver, through {api}',
        run='refuse group', kernel='small', vfio=('01:01.0',),
        devices=('pcie-pci-bridge,id=pci,addr=0x10', 'edu,bus=pci,addr=1', 'virtio-net-pci,bus=pci,addr=2'),
        env={'API': api, 'MEMBER': '0000:01:02.0'}))
CASES += [
    Case('refuse-limit', 'dma_entry_limit is reached', run='refuse limit', devices=EDU,
         vfio=('01:00.0',), modules=('vfio_iommu_type1 dma_entry_limit=5',),
         env={'API': 'type1'}),
    Case('refuse-no-iommu', 'a machine without an IOMMU', run='refuse no-iommu', iommu='none',
         kernel='small', devices=EDU, env={'API': 'auto', 'DEVICE': '0000:01:00.0'}),
]
