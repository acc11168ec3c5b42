# SPDX-License-Identifier: BSD-3-Clause
"""The X540 model under DPDK, Debian's: its conformance to another driver that knows the device."""
import re
import signal
import time

from case import X540, Case

MAC = '02:00:00:00:00:01'
COUNT = 30000
RATE = 5000  # for a guest under emulation; the queues in between hold most of a second


def judged(h):
    """Plugs the cable in and waits until all frames have crossed the wire; in the end its own
    judgement of those that came back counts."""
    h.expect('^plug in$', timeout=300)
    h.models['a'].send_signal(signal.SIGUSR2)
    deadline = time.monotonic() + 60
    received = lost = sent = 0
    while (received + lost, sent) != (COUNT, received) and time.monotonic() < deadline:
        time.sleep(0.2)
        lines = re.findall(r'^wire: received (\d+) frames, \d+ bytes, (\d+) dropped; sent (\d+) ',
                           h.console(), re.MULTILINE)
        received, lost, sent = (int(number) for number in lines[-1]) if lines else (0, 0, 0)
    h.send(f'{received} {lost} {sent}')
    h.expect('^done$', timeout=90)
    counters = h.end_model('a')
    h.send(' '.join(str(counters['gen_' + what]) for what in ('good', 'missing', 'late', 'bad')))


def testpmd(name, mode, queues, about, sizes):
    wire = f'gen:size={sizes},rate={RATE},count={COUNT},flows=256,dst={MAC},verify'
    return Case(name, 'DPDK testpmd on vfio-pci: ' + about, run=f'testpmd.sh {mode} {queues} {COUNT}',
                devices=(X540('a', wire, options=('--param', 'mac=' + MAC, '--link', 'down',
                                                  '--stats', '1')),),
                vfio=('00:01.0',), memory=768, packages=('dpdk-dev',), host=judged,
                timeout=400)


CASES = [
    testpmd('dpdk-io', 'io', 1, 'forwards as it came, one queue', '60'),
    testpmd('dpdk-macswap', 'macswap', 4, 'swaps addresses, four queues by RSS', '60-1514'),
]
