# SPDX-License-Identifier: BSD-3-Clause
"""Groups and type1 containers of the kernel."""
from case import Case, root_port

CASES = [
    Case(f'type1-{iommu}-{kernel}', f'container, group, map, by plain ioctls: {iommu}, {kernel}',
         run='type1', kernel=kernel, iommu=iommu, devices=(root_port(1), 'edu,bus=rp1'),
         vfio=('01:00.0',))
    for iommu, kernel in (('intel', 'stock'), ('intel', 'small'), ('amd', 'small'))
]
