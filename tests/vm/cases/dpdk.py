# SPDX-License-Identifier: BSD-3-Clause
"""The X540 model under DPDK, Debian's: its conformance to another driver that knows the device."""
import re
import signal

from case import X540, Case
from machine import within

MAC = '02:00:00:00:00:01'
COUNT = 30000


def judged(h):
    """Plugs the cable in and waits until all frames have crossed the wire; in the end its own
    judgement of those that came back counts."""
    def carried():
        lines = re.findall(r'^wire: received (\d+) frames, \d+ bytes, (\d+) dropped; sent (\d+) ',
                           h.console(), re.MULTILINE)
        return tuple(int(number) for number in lines[-1]) if lines else (0, 0, 0)

    h.expect('^plug in$')
    h.models['a'].send_signal(signal.SIGUSR2)
    h.send(' '.join(map(str, within(180, carried, lambda c: c[0] + c[1] == COUNT and c[2] == c[0]))))
    h.expect('^done$')
    counters = h.end_model('a')
    h.send(' '.join(str(counters['gen_' + what]) for what in ('good', 'missing', 'late', 'bad')))


def testpmd(name, mode, queues, about, sizes):
    # Without a rate a frame comes when there is a descriptor for it: however slow the guest is, none
    # is lost.
    wire = f'gen:size={sizes},count={COUNT},flows=256,dst={MAC},verify'
    return Case(name, 'DPDK testpmd on vfio-pci: ' + about, run=f'testpmd.sh {mode} {queues} {COUNT}',
                devices=(X540('a', wire, options=('--param', 'mac=' + MAC, '--link', 'down',
                                                  '--stats', '1')),),
                vfio=('00:01.0',), memory=768, packages=('dpdk-dev',), host=judged)


CASES = [
    testpmd('dpdk-io', 'io', 1, 'forwards as it came, one queue', '60'),
    testpmd('dpdk-macswap', 'macswap', 4, 'swaps addresses, four queues by RSS', '60-1514'),
]
