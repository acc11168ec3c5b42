#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Models and forwarders that die, stall or lose their link, while frames flow."""
import os
import signal
import time

import rig

GEN = 'gen:size=64,rate=20k,flows=16'


def sent(program, port, since=0):
    """Frames a port has sent, by the forwarder's next line of statistics."""
    match, _ = program.wait_line(rf'^port {port}:.* total rx \d+ tx (\d+)', since)
    return int(match[1])


def still_sends(program, port):
    """The port's count goes up from here on."""
    first = sent(program, port, program.mark())
    rig.until(lambda: sent(program, port, program.mark()) > first, f'port {port} sends again')


def quad(r, *more):
    """Four models and a forwarder: 0 <-> 1, 2 <-> 3. The even ones generate frames."""
    models = [r.model(f'm{i}', GEN if i % 2 == 0 else 'gen:count=0') for i in range(4)]
    fwd = r.l2fwd('--stats', '0.1', *more, *[r.port(f'm{i}') for i in range(4)])
    fwd.wait_line('^forwarding')
    for port in (1, 3):
        still_sends(fwd, port)
    return models, fwd


def lose_and_return(r, *more):
    models, fwd = quad(r, *more)
    took = []
    for _ in range(3):
        mark = fwd.mark()
        killed = time.monotonic()
        models[1].kill()
        _, when = fwd.wait_line('^port 1 lost', mark)
        took.append(when - killed)
        still_sends(fwd, 3)
        mark = fwd.mark()
        models[1] = r.model('m1', 'gen:count=0')
        fwd.wait_line('^port 1 is back', mark)
        still_sends(fwd, 1)
        still_sends(fwd, 3)
    # A busy machine may hold up one, but not all.
    assert min(took) < 1.0, f'told only after {took} s'
    assert fwd.end() == 0
    counters = r.json('l2fwd.json')['ports']
    assert [p['losses'] for p in counters] == [0, 3, 0, 0]
    assert counters[1]['tx_no_port'] > 0, 'frames for the lost port are counted'
    assert counters[3]['tx_no_port'] == 0 and counters[2]['rx_packets'] > 0


def case_kill_model_is_told_and_taken_back(r):
    lose_and_return(r)


def case_kill_model_with_worker_threads(r):
    lose_and_return(r, '--cores', '0,1', '--queues', '2')


def case_kill_all_models_at_once(r):
    models, fwd = quad(r)
    mark = fwd.mark()
    for model in models:
        model.kill()
    for port in range(4):
        fwd.wait_line(f'^port {port} lost', mark)
    mark = fwd.mark()
    for i in (3, 1, 0, 2):
        r.model(f'm{i}', GEN if i % 2 == 0 else 'gen:count=0')
    for port in range(4):
        fwd.wait_line(f'^port {port} is back', mark)
    for port in (1, 3):
        still_sends(fwd, port)
    assert fwd.end() == 0


def case_kill_forwarder_leaves_nothing(r):
    before = rig.hugepages()
    r.model('a', GEN)
    r.model('b', 'gen:count=0')
    for _ in range(3):
        fwd = r.l2fwd('--stats', '0.1', r.port('a'), r.port('b'))
        fwd.wait_line('^forwarding')
        still_sends(fwd, 1)
        fwd.kill()
        assert fwd.wait() == -signal.SIGKILL
    # The models serve the next client at once, and no hugepage stays taken.
    fwd = r.l2fwd('--stats', '0.1', '--wait', '5', r.port('a'), r.port('b'))
    fwd.wait_line('^forwarding')
    still_sends(fwd, 1)
    assert fwd.end() == 0
    rig.until(lambda: rig.hugepages() == before, 'hugepages are free again')


def case_link_down_and_up_under_load(r):
    a = r.model('a', GEN)
    r.model('b', 'gen:count=0')
    fwd = r.l2fwd('--stats', '0.1', r.port('a'), r.port('b'))
    fwd.wait_line('^port 0: link up')
    fwd.wait_line('^port 1: link up')
    still_sends(fwd, 1)
    for _ in range(5):
        mark = fwd.mark()
        a.kill(signal.SIGUSR1)
        fwd.wait_line('^port 0: link down', mark)
        mark = fwd.mark()
        a.kill(signal.SIGUSR2)
        fwd.wait_line('^port 0: link up, 10000', mark)
        still_sends(fwd, 1)
    assert fwd.end() == 0
    assert r.json('l2fwd.json')['ports'][0]['losses'] == 0


def case_model_that_stops_completing_transmits(r):
    r.model('a', GEN)
    r.model('b', 'gen:count=0', '--param', 'stall=tx')
    r.model('c', GEN)
    r.model('d', 'gen:count=0')
    fwd = r.l2fwd('--stats', '0.1', *map(r.port, 'abcd'))
    fwd.wait_line('^forwarding')
    fwd.wait_line(r'^port 1:.* [1-9]\d* transmit ring full')  # bursts return less
    still_sends(fwd, 3)  # and nothing blocks
    asked = time.monotonic()
    assert fwd.end() == 0
    assert time.monotonic() - asked < 5, 'a stalled device holds up the end'
    port = r.json('l2fwd.json')['ports'][1]
    assert port['tx_packets'] == 0 and port['tx_full'] > 0


def case_stopped_model_is_lost_and_comes_back(r):
    """SIGSTOP: the socket stays open but nobody answers. A read of a register runs into its
    deadline; the forwarder goes on, and takes the port back when the process runs again."""
    a = r.model('a', GEN)
    r.model('b', 'gen:count=0')
    r.model('c', GEN)
    r.model('d', 'gen:count=0')
    fwd = r.l2fwd('--stats', '0.1', *map(r.port, 'abcd'))
    fwd.wait_line('^forwarding')
    still_sends(fwd, 1)
    mark = fwd.mark()
    a.kill(signal.SIGSTOP)
    _, last = fwd.wait_line('^port 0 lost', mark)
    # The kernel still accepts connections for it; asking whether it is back must hold up nobody.
    gaps = []
    for _ in range(25):
        mark = fwd.mark()
        _, when = fwd.wait_line('^port 3:', mark)
        gaps.append(when - last)
        last = when
    # A wait for it would come again and again; a busy machine holds up one or two.
    assert sorted(gaps)[-3] < 1.0, f'the forwarder stood still: {gaps}'
    still_sends(fwd, 3)
    assert 'is back' not in fwd.text()
    mark = fwd.mark()
    a.kill(signal.SIGCONT)
    fwd.wait_line('^port 0 is back', mark)
    still_sends(fwd, 1)
    assert fwd.end() == 0


def case_idle_model_sleeps(r):
    """With a client attached, rings set up and no traffic, a model uses next to no time."""
    a = r.model('a', 'gen:count=0')
    b = r.model('b', 'gen:count=0')
    fwd = r.l2fwd('--stats', '0.1', '--idle', 'sleep', r.port('a'), r.port('b'))
    fwd.wait_line('^forwarding')

    def cpu(program):
        with open(f'/proc/{program.proc.pid}/stat', encoding='ascii') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    used, start = cpu(a) + cpu(b), time.monotonic()
    mark = fwd.mark()
    for _ in range(20):  # lines 0.1 s apart; each reads statistics registers
        fwd.wait_line('^port 1:', mark)
        mark = fwd.mark()
    share = (cpu(a) + cpu(b) - used) / (time.monotonic() - start)
    assert share < 0.1, f'two idle models use {share:.0%} of a core'
    assert fwd.end() == 0


if __name__ == '__main__':
    rig.run(globals())
