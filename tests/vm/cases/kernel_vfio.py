# SPDX-License-Identifier: BSD-3-Clause
"""The library over the kernel's VFIO: copies, faults, forwarding, ends of all kinds."""
from case import Case, X540, root_port

EDU = (root_port(1), 'edu,bus=rp1')
APIS = ('type1', 'iommufd')
CASES = [
    Case(f'edu-{iommu}-{api}', f'edu copies memory behind {iommu}, through {api}',
         run='edu.sh', kernel='small', iommu=iommu, devices=EDU, vfio=('01:00.0',),
         env={'API': api})
    for iommu in ('intel', 'amd', 'virtio') for api in APIS
] + [
    Case(f'fault-{api}', f'DMA that the IOMMU stops, through {api}', run='fault',
         kernel='small', devices=EDU, vfio=('01:00.0',), env={'API': api})
    for api in APIS
]
