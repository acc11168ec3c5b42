#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The demo, to its end and interrupted: what it shows, and that it leaves nothing behind."""
import glob
import os
import re
import signal
import subprocess
import time

import rig

DEMO = os.path.join(os.environ['WEIR_SOURCE_ROOT'], 'scripts', 'demo.sh')


def session(pid):
    """The processes that the demo started and that run still: those of its session."""
    found = []
    for path in glob.glob('/proc/[0-9]*/stat'):
        try:
            with open(path, encoding='ascii', errors='replace') as f:
                name, fields = f.read().split('(', 1)[1].rsplit(')', 1)
        except OSError:
            continue  # it has ended meanwhile
        state, _, _, sid = fields.split()[:4]
        if int(sid) == pid and state != 'Z':
            found.append(name)
    return found


def hugepages():
    with open('/proc/sys/vm/nr_hugepages', encoding='ascii') as f:
        return int(f.read())


def nothing_left(r, program, hugepages_before):
    pid = program.proc.pid
    assert session(pid) == [], 'processes'
    if os.path.isdir('/run/netns'):
        assert not [n for n in os.listdir('/run/netns') if n.endswith(f'-{pid}')], 'namespaces'
    links = subprocess.run(['ip', '-o', 'link'], capture_output=True, text=True, check=True).stdout
    assert not re.search(r'\b[ab][01][:@]|\bbr0[:@]', links), links
    assert os.listdir(r.dir) == [], 'files'
    if 'hugepages: raised' in program.text():
        assert hugepages() == hugepages_before, 'hugepages are as they were'


def demo(r, *args):
    if os.geteuid() != 0 and '--in-process' not in args:
        raise rig.Skip('not root: sudo ./dev test')
    # In a session of its own, as a terminal gives it, which has the processors before whatever else
    # runs here.
    before_others = 'echo -10 >/proc/self/autogroup; exec "$0" "$@"'
    return r.start('env', f'TMPDIR={r.dir}', 'setsid', 'nice', '-n', '-10', 'sh', '-c', before_others, DEMO, *args,
                   name='demo')


def case_traffic_between_namespaces(r):
    before = hugepages()
    started = time.monotonic()
    program = demo(r)
    assert program.wait(120) == 0
    assert time.monotonic() - started < 90
    text = program.text()
    for wanted in (r'ping: .* 0% packet loss', r'TCP through l2fwd \d+ Mbit/s: [\d.]+ % of the',
                   r'UDP at \d+ Mbit/s: [\d.e-]+ % lost', 'counters agree', 'left: a0', 'right: b0',
                   'port 0:', 'port 1:', 'Try next'):
        assert re.search(wanted, text), f'nothing like /{wanted}/ in:\n{text}'
    nothing_left(r, program, before)


def case_in_process(r):
    before = hugepages()
    program = demo(r, '--in-process')
    assert program.wait(60) == 0
    text = program.text()
    for wanted in ('counters agree', 'capture file', 'Try next'):
        assert wanted in text, f'no "{wanted}" in:\n{text}'
    nothing_left(r, program, before)


def interrupted(r, number, group, *moments):
    """The signal comes when the demo has said that, in turn; to it alone, or as from a terminal."""
    before = hugepages()
    program = demo(r, '--seconds', '2')
    since = 0
    for moment in moments:
        program.wait_line(moment, since, timeout=60)
        since = program.mark()
    asked = time.monotonic()
    if group:
        os.killpg(program.proc.pid, number)
    else:
        program.kill(number)
    status = program.wait(20)
    assert status == 128 + number, f'status {status} after signal {number}'
    assert time.monotonic() - asked < 10
    nothing_left(r, program, before)


def case_interrupted_at_the_start(r):
    interrupted(r, signal.SIGINT, True, '^== two namespaces')


def case_interrupted_as_the_models_start(r):
    interrupted(r, signal.SIGINT, False, '^== the same interfaces')


def case_interrupted_under_tcp(r):
    interrupted(r, signal.SIGINT, True, 'ping: ')


def case_terminated_under_udp(r):
    interrupted(r, signal.SIGTERM, False, 'ping: ', '^   TCP ')


def case_wrong_use(r):
    status, text = r.run(DEMO, '--no-such-option')
    assert status == 2 and 'usage' in text


if __name__ == '__main__':
    rig.run(globals())
