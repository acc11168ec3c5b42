# SPDX-License-Identifier: BSD-3-Clause
"""The library over the kernel's VFIO: copies, faults, forwarding, ends of all kinds."""
import json
import subprocess

import machine
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

FRAMES = 8730  # of mkpcap: two of each size and kind


def make_captures(tmp, build):
    for seed, name in enumerate(('left', 'right')):
        count = subprocess.check_output(
            [f'{build}/tests/process/mkpcap', f'{tmp}/{name}.pcap', str(seed + 1)], text=True)
        assert int(count) == FRAMES, count


def end_models(h):
    """No DMA was stopped: what the IOMMU keeps from a model is not in the guest's log, as QEMU gives
    the model the mappings."""
    for name, model in h.models.items():
        model.terminate()
        model.wait(60)
        with open(f'{h.tmp}/{name}.json', encoding='utf-8') as stats:
            faults = json.load(stats)['dma_faults']
        if faults:
            raise machine.HostError(f'model {name} was refused {faults} DMA accesses')


def no_faults(h):
    h.expect('^it is over$')
    end_models(h)
    h.send('no faults')


def kill_model(h):
    h.expect('^let it die$')
    h.models['a'].kill()
    h.models['a'].wait()
    h.qmp('query-status')  # its loop has gone round, and seen the socket close
    h.send('it is dead')


def compare_captures(h):
    h.expect('^forwarded$')
    end_models(h)
    for side, other in (('left', 'right'), ('right', 'left')):
        h.check(f'{h.build}/tests/process/mkpcap', '--compare', f'{h.tmp}/{side}.pcap',
                f'{h.tmp}/from-{side}.pcap')
    h.send('the same')


def two_x540s(left, right):
    return (root_port(1), X540('a', left, bus='rp1'), root_port(2), X540('b', right, bus='rp2'))


CASES += [
    Case(f'l2fwd-{api}{"-user" if user else ""}',
         f'l2fwd between two X540s through {api}{", without root" if user else ""}',
         run='l2fwd.sh', kernel='small', memory=512, vfio=('01:00.0', '02:00.0'),
         devices=two_x540s('pcap:in={tmp}/left.pcap,out={tmp}/from-right.pcap',
                           'pcap:in={tmp}/right.pcap,out={tmp}/from-left.pcap'),
         before=make_captures, host=compare_captures,
         env={'API': api, 'COUNT': 2 * FRAMES, 'AS': 'user' if user else 'root'})
    for api in APIS for user in (False, True)
]

for api in APIS:
    CASES += [
        Case(f'attach-{api}', f'maps counted, a hundred times open and close, through {api}',
             run='attach', kernel='small', memory=1536, vfio=('01:00.0', '02:00.0'),
             devices=(*EDU, root_port(2), X540('a', bus='rp2')), env={'API': api}),
        Case(f'kill-{api}', f'kill -9 of l2fwd with its rings live, through {api}',
             run='kill.sh', kernel='small', memory=512, vfio=('01:00.0', '02:00.0'),
             devices=two_x540s('gen:rate=20000', 'gen:rate=20000'), host=no_faults,
             env={'API': api}),
        Case(f'lost-{api}', f'a device that stops answering is lost, through {api}', run='lost',
             kernel='stock' if api == 'type1' else 'small', memory=512, vfio=('01:00.0',),
             devices=(root_port(1), X540('a', bus='rp1')), host=kill_model, env={'API': api}),
        Case(f'request-{api}', f'vfio-pci is unbound from a port in use, through {api}',
             run='request', kernel='small', memory=512, vfio=('01:00.0',),
             devices=(root_port(1), X540('a', bus='rp1')), env={'API': api}),
    ]
    CASES.append(Case(
        f'irq-{api}', f'MSI-X, MSI, INTx, regions and resets through {api}', run='irq',
        kernel='small', memory=512, vfio=('01:00.0', '02:00.0', '03:00.0', '03:00.1'),
        devices=(root_port(1), X540('a', bus='rp1'), root_port(2), 'edu,bus=rp2', root_port(3),
                 'edu,bus=rp3,addr=0.0,multifunction=on', 'edu,bus=rp3,addr=0.1'),
        env={'API': api}))

CASES.append(Case(
    'noiommu', 'edu and X540s in a machine without an IOMMU', run='noiommu.sh', kernel='small',
    iommu='none', append='vfio.enable_unsafe_noiommu_mode=1',
    vfio=('01:00.0', '02:00.0', '03:00.0'),
    devices=(*EDU, root_port(2), X540('a', 'gen:rate=20000', bus='rp2'), root_port(3),
             X540('b', 'gen:rate=20000', bus='rp3'))))
CASES += [
    Case(f'token-{api}', f'a virtual function opens with its token, through {api}', run='token',
         kernel='small', append='vfio_pci.enable_sriov=1', vfio=('01:00.0',),
         devices=(root_port(1), 'igb,bus=rp1'), env={'API': api})
    for api in APIS
]
