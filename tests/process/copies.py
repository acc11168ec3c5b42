#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The copy example on edu devices: its lines and exit status are what scripts judge it by."""
import os
import re
import signal

import rig

# Transfers that its copies take, two for each piece of at most 4032 bytes: lengths 1, 63, 64, 4031
# and 4032, then 4033 and 4096 in two pieces, 9000 in three, and eight of 2048.
TRANSFERS = 5 * 2 + 2 * 4 + 6 + 8 * 2


def served(r, *params):
    argv = [a for p in params for a in ('--param', p)]
    program = r.start('weir', 'model', 'edu', '--socket', r.path('edu.sock'), *argv, name='model')
    program.wait_line('^serving edu ')
    return program


def passes(r, *argv):
    status, text = r.run('copy', *argv)
    assert status == 0 and text.splitlines()[-1] == 'PASS: copy ' + ' '.join(argv), text
    assert 'driver edu, 28 address bits' in text, text
    assert len(re.findall('^ok: ', text, re.M)) >= 11 and 'FAIL' not in text, text
    return text


def case_polled(r):
    assert 'interrupt none' in passes(r, 'model:edu')
    served(r)
    passes(r, r.port('edu'))


def case_by_interrupt(r):
    for device in 'model:edu?delay=1', r.port('edu'):
        if device == r.port('edu'):
            served(r, 'delay=1')
        text = passes(r, '--interrupt', device)
        woken = int(re.search(r'^ok: woken by (\d+) interrupts \(MSI\)$', text, re.M)[1])
        # Two may come while it is awake, and it then sleeps once less.
        assert 0 < woken <= TRANSFERS, text


def case_one_after_another(r):
    served(r)
    for _ in range(5):
        passes(r, r.port('edu'))
        passes(r, '--interrupt', r.port('edu'))


def case_a_device_that_dies(r):
    model = served(r, 'stall=on')
    copy = r.start('copy', '--interrupt', r.port('edu'))
    copy.wait_line('^ok: memory')
    model.kill(signal.SIGKILL)
    assert copy.wait(20) == 1
    assert re.search('^FAIL: copy --interrupt', copy.text(), re.M), copy.text()
    assert 'No such device' in copy.text(), copy.text()


def case_a_device_that_hangs(r):
    status, text = r.run('copy', 'model:edu?stall=on')
    assert status == 1 and 'made no progress' in text and '\nFAIL: ' in text, text


def case_usage(r):
    for argv in (), ('--interrupt',), ('--nonsense', 'model:edu'), ('a', 'b'):
        status, text = r.run('copy', *argv)
        assert status == 2 and text.startswith('usage: copy '), (argv, status, text)
    status, text = r.run('copy', 'model:x540')
    assert status == 1 and 'no registered driver claims a DMA device 8086:1528' in text, text


def case_registers_by_name(r):
    status, text = r.run('weir', 'regs', 'model:edu', 'LIVE=0x0f', 'ID', 'DMA_CMD')
    assert status == 0, text
    assert re.search(r'^00004  LIVE +0xfffffff0  rw', text, re.M), text
    assert re.search(r'^00000  ID +0x010000ed  ro  MAGIC=0xed', text, re.M), text
    assert 'RUN=0' in text, text
    status, text = r.run('weir', 'model', '--list')
    assert status == 0 and 'model edu: 1234:11e8' in text, text


if __name__ == '__main__':
    os.environ['LC_ALL'] = 'C'
    rig.run(globals())
