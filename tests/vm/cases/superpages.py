# SPDX-License-Identifier: BSD-3-Clause
"""The pages that the kernel gives the IOMMU are those that the planner foretells; what DMA costs."""
import re
import time

from case import Case, X540, root_port


def count_leaves(h):
    """Answers `count IOVA LENGTH` with the DMA_MAPs that the model got since `mark`, by size."""
    seen = 0
    while True:
        command = h.expect('^(mark|count (0x[0-9a-f]+) (0x[0-9a-f]+)|done)$')
        if command[1] == 'done':
            return
        if command[1] == 'mark':
            seen = len(h.console())
            h.send('marked')
            continue
        first, length = int(command[2], 16), int(command[3], 16)
        deadline = time.monotonic() + 60
        while True:  # until all of the range is there: lines take their time through a pipe
            sizes = {}
            for iova, size in re.findall(r'DMA_MAP (0x[0-9a-f]+), (\d+) bytes',
                                         h.console()[seen:]):
                if first <= int(iova, 16) < first + length:
                    sizes[int(size)] = sizes.get(int(size), 0) + 1
            if sum(size * n for size, n in sizes.items()) >= length or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        h.send('leaves ' + ' '.join(f'{size.bit_length() - 1}:{n}' for size, n in sizes.items()))


def case(iommu, api, kernel, means, disabled=False):
    return Case(
        f'superpages-{iommu}-{api}-{kernel}{"-disabled" if disabled else ""}',
        f'leaves as planned: {iommu}, {api}, {kernel} kernel'
        f'{", larger pages disabled" if disabled else ""}',
        run='superpages', kernel=kernel, iommu=iommu, memory=2600, host=count_leaves,
        devices=(root_port(1), X540('a', bus='rp1', options=('-vv',))), vfio=('01:00.0',),
        modules=(('vfio_iommu_type1 disable_hugepages=1',)
                 if disabled and api == 'type1' and kernel == 'stock' else ()),
        append='hugepagesz=1G hugepages=1' + (
            ' vfio_iommu_type1.disable_hugepages=1' if disabled and api == 'type1' else ''),
        env={'API': api, 'MEANS': means, **({'DISABLED': 'yes'} if disabled else {})})


ALL = 'DMA_MAP debugfs trace'
SOME = 'DMA_MAP trace'
CASES = [
    case('intel', 'type1', 'small', ALL),
    case('intel', 'type1', 'small', ALL, disabled=True),
    case('intel', 'iommufd', 'small', ALL),
    case('intel', 'iommufd', 'small', ALL, disabled=True),
    case('intel', 'type1', 'stock', SOME),
    case('amd', 'type1', 'small', SOME),
    case('amd', 'type1', 'small', SOME, disabled=True),
    case('amd', 'iommufd', 'small', SOME),
] + [
    Case(f'dma-bench-{api}', f'weir space and weir dma-bench on edu and an X540, through {api}',
         run='dma_bench.sh', kernel='small', memory=768, env={'API': api},
         devices=(root_port(1), 'edu,bus=rp1', root_port(2), X540('a', bus='rp2')),
         vfio=('01:00.0', '02:00.0'))
    for api in ('type1', 'iommufd')
]
