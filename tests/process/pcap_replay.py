#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Frames of every size, plain and tagged, replayed through l2fwd: what comes out is what went in, byte
for byte and in order."""
import os

import rig

MKPCAP = os.path.join(os.environ['WEIR_BUILD_ROOT'], 'tests', 'process', 'mkpcap')


def capture(r, name, seed):
    status, text = r.run(MKPCAP, r.path(name), str(seed))
    assert status == 0, text
    return int(text)


def same_frames(r, one, other):
    status, text = r.run(MKPCAP, '--compare', r.path(one), r.path(other))
    assert status == 0, f'{one} and {other}: {text}'


def replay(r, *options):
    """From file to file through two model processes, both ways at once."""
    count = capture(r, 'left.pcap', 1) + capture(r, 'right.pcap', 2)
    a = r.model('a', f'pcap:in={r.path("left.pcap")},out={r.path("from-right.pcap")}')
    b = r.model('b', f'pcap:in={r.path("right.pcap")},out={r.path("from-left.pcap")}')
    fwd = r.l2fwd('--count', str(count), '--duration', '60', '--patience', '60', *options, r.port('a'), r.port('b'))
    assert fwd.wait(70) == 0
    assert a.end() == 0 and b.end() == 0
    ports = r.json('l2fwd.json')['ports']
    assert sum(p['rx_packets'] for p in ports) == count
    same_frames(r, 'left.pcap', 'from-left.pcap')
    same_frames(r, 'right.pcap', 'from-right.pcap')


def case_replay(r):
    replay(r)


def case_replay_with_a_small_ring_and_a_thread(r):
    replay(r, '--ring', '64', '--burst', '7', '--cores', '0')


def case_replay_in_process(r):
    count = capture(r, 'in.pcap', 3)
    fwd = r.l2fwd('--count', str(count), '--duration', '60', '--patience', '60',
                  f'model:x540?wire=pcap:in={r.path("in.pcap")}',
                  f'model:x540?wire=pcap:out={r.path("out.pcap")}')
    assert fwd.wait(70) == 0
    same_frames(r, 'in.pcap', 'out.pcap')


def case_compare_notices(r):
    """The comparison itself: another seed is another file, and so is a shorter one."""
    capture(r, 'one.pcap', 1)
    capture(r, 'two.pcap', 2)
    with open(r.path('one.pcap'), 'rb') as f, open(r.path('short.pcap'), 'wb') as out:
        out.write(f.read(24 + 16 + 60))
    assert r.run(MKPCAP, '--compare', r.path('one.pcap'), r.path('two.pcap'))[0] == 1
    assert r.run(MKPCAP, '--compare', r.path('one.pcap'), r.path('short.pcap'))[0] == 1


if __name__ == '__main__':
    rig.run(globals())
