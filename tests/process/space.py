#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""weir space: of a device, of an application at work, and of what is neither."""
import json
import os
import random

import rig


def space(r, *argv):
    status, text = r.run('weir', 'space', '--json', *argv)
    assert status == 0, f'{argv}: status {status}\n{text}'
    return json.loads(text)


def case_of_a_device(r):
    (s,) = space(r, 'model:edu')
    assert (s['kind'], s['pages'], s['devices']) == ('software', ['4K', '2M', '1G'], 1), s
    assert s['ranges'][0] == {'first': 0, 'last': 0xfedfffff}, s
    assert s['max_maps'] is None, s
    assert s['width'] == 48 and s['mappings'] == [] and s['entries'] == 0, s
    r.model('a', 'loopback')
    both = space(r, r.port('a'), 'model:edu')
    assert [k['kind'] for k in both] == ['vfio-user', 'software'], both
    status, text = r.run('weir', 'space', 'model:edu')
    assert status == 0 and 'usable' in text and '0 to 0xfedfffff' in text, text


def case_of_an_application(r):
    app = r.l2fwd('--duration', '60', 'model:x540', 'model:x540')
    pid = str(app.proc.pid)
    rig.until(lambda: len(r.run('weir', 'space', '--pid', pid)[1].split('in 1 mapping')) == 3,
              'both spaces to have the arena')
    one, other = space(r, '--pid', pid)
    for s in (one, other):
        (m,) = s['mappings']
        assert m['name'] == 'arena' and m['read'] and m['write'], m
        assert s['bytes'] == m['length'] and s['made'] == 1 and s['removed'] == 0, s
        assert sum(m['leaves'].values()) == m['entries'] == s['entries'], s
        # Its IOVA suits its pages.
        assert m['entries'] == m['length'] // m['page'], m
        assert m['iova'] % m['page'] == 0, m
    assert one['mappings'] == other['mappings'], 'one IOVA in every space'
    status, text = r.run('weir', 'space', '--pid', pid)
    assert status == 0 and f'process {pid}, descriptor' in text and 'of the IOTLB' in text, text


def case_of_nothing(r):
    status, text = r.run('weir', 'space', '--pid', str(os.getpid()))
    assert status == 1 and 'no I/O address space' in text and 'try:' in text, text
    status, text = r.run('weir', 'space', '--pid', '4194304')
    assert status == 1 and 'no such process' in text, text
    for argv in ([], ['--pid', '0'], ['--pid', 'x'], ['--pid', '1', 'model:edu'], ['--what']):
        status, text = r.run('weir', 'space', *argv)
        assert status == 2 and 'Traceback' not in text, f'{argv}: {status} {text}'
    status, text = r.run('weir', 'space', 'model:nothing')
    assert status == 1 and 'try:' in text, text


def case_of_a_liar(r):
    """A file with the right name and anything in it is told for what it is."""
    for content in (b'', b'weirspc1', b'weirspc1' + b'\xff' * 4096, random.Random(1).randbytes(8192)):
        fd = os.memfd_create('weir-space')
        os.write(fd, content)
        status, text = r.run('weir', 'space', '--pid', str(os.getpid()))
        os.close(fd)
        assert status == 1 and ('does not have the form' in text or 'changes all' in text), text


if __name__ == '__main__':
    rig.run(globals())
