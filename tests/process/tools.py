#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The weir command: what its sub-commands print, and how a served model behaves."""
import json
import os
import re
import signal

import rig

LOOP = 'model:x540?wire=loopback&mac=02:00:00:00:00:2a'


def ran(r, *argv):
    status, text = r.run(*argv)
    assert status == 0, f'{argv}: status {status}\n{text}'
    return text


def case_version_and_help(r):
    version = ran(r, 'weir', 'version')
    assert re.fullmatch(r'weir (\d+\.\d+\.\d+), library \1\n?', version), version
    commands = re.findall(r'^  (\w+) ', ran(r, 'weir', 'help'), re.M)
    assert {'model', 'ports', 'regs', 'version', 'help'} <= set(commands), commands
    for name in ('model', 'ports', 'regs'):
        assert ran(r, 'weir', 'help', name).startswith(f'usage: weir {name} ')
        assert ran(r, 'weir', name, '--help') == ran(r, 'weir', 'help', name)


def case_list(r):
    text = ran(r, 'weir', 'model', '--list')
    assert 'model x540: 8086:1528' in text
    assert re.search(r'^iotlb=', text, re.M), text
    for kind in ('loopback', 'cable', 'tap', 'packet', 'pcap', 'gen'):
        assert re.search(rf'^wire {kind}\b', text, re.M), f'no {kind} in:\n{text}'


def case_ports(r):
    r.model('a', 'loopback')
    names = [LOOP, r.port('a')]
    table = ran(r, 'weir', 'ports', *names).splitlines()
    assert len(table) == 3 and table[0].startswith('device')
    assert all(line.startswith(name) for line, name in zip(table[1:], names))
    assert '02:00:00:00:00:2a' in table[1] and '10000 Mbit/s' in table[1]
    ports = json.loads(ran(r, 'weir', 'ports', '--json', *names))
    assert [p['device'] for p in ports] == names
    assert all(p['driver'] == 'x540' and p['link_up'] and p['link_mbps'] == 10000 for p in ports)
    assert ports[0]['mac'] == '02:00:00:00:00:2a'


def case_one_port_of_two_fails(r):
    status, text = r.run('weir', 'ports', '--json', 'nonsense:x', LOOP)
    assert status == 1 and 'nonsense' in text
    assert [p['device'] for p in json.loads(text[text.index('[\n'):])] == [LOOP]


def case_regs_by_name(r):
    text = ran(r, 'weir', 'regs', LOOP, 'status', 'RAL[0]', '0x8')
    names = [line.split()[1] for line in text.splitlines()]
    assert names == ['STATUS', 'RAL[0]', 'STATUS'], text
    assert 'LINKUP=0x1' in text
    assert '0x00000002' in text.splitlines()[1], 'address 02:00:00:00'
    assert 'device status' not in text
    assert 'device status' in ran(r, 'weir', 'regs', '--doc', LOOP, 'STATUS')


def case_regs_dump(r):
    text = ran(r, 'weir', 'regs', LOOP)
    assert re.search(r'^00000  CTRL  .* rw ', text, re.M)
    assert not re.search(r' rc ', text), 'reading clears those'
    assert len(ran(r, 'weir', 'regs', '--all', LOOP).splitlines()) > len(text.splitlines()) + 1000


def case_regs_write(r):
    r.model('a', 'loopback')
    for device in (LOOP, r.port('a')):
        text = ran(r, 'weir', 'regs', device, 'RAL[1]=0x12345678', 'RAL[1]')
        assert text.count('0x12345678') == 2, text
        # The next to open it finds it as after a reset.
        assert '0x00000000' in ran(r, 'weir', 'regs', device, 'RAL[1]')


def case_regs_all_or_nothing(r):
    status, text = r.run('weir', 'regs', LOOP, 'STATUS', 'NOSUCH')
    assert status == 1 and "'NOSUCH'" in text and 'LINKUP' not in text, text
    for bad in ('RDT[', 'RDT[64]', 'RDT[-1]', 'RDT[0]x', 'RDT=1', 'CTRL=', 'CTRL=x', '=1', '0x2', '',
                'CTRL=0x100000000', '0x99999999999999999999', 'N' * 200):
        status, text = r.run('weir', 'regs', LOOP, bad)
        assert status == 1 and 'try: ' in text, f'{bad}: {status} {text}'


def case_model_ends_clean(r):
    for number in (signal.SIGINT, signal.SIGTERM):
        model = r.model('a', 'loopback', '--stats-json', r.path('a.json'))
        assert os.path.exists(r.path('a.sock'))
        assert ran(r, 'weir', 'ports', r.port('a'))
        assert model.end(number) == 0
        assert not os.path.exists(r.path('a.sock'))
        assert r.json('a.json')['rx_frames'] == 0
        assert 'wire: received 0 frames' in model.text()


def case_model_counts(r):
    """What the model's wire counted is what the forwarder counted."""
    a = r.model('a', 'gen:size=60-1514,rate=200k,count=5000,flows=8,verify',
                '--stats-json', r.path('a.json'), '--stats', '0.05')
    fwd = r.l2fwd('--count', '5000', '--duration', '30', '--patience', '30', r.port('a'))
    assert fwd.wait(40) == 0
    a.wait_line('^wire: received 5000 frames')
    assert a.end() == 0
    wire, port = r.json('a.json'), r.json('l2fwd.json')['ports'][0]
    assert wire['rx_frames'] == wire['tx_frames'] == 5000
    assert wire['gen_good'] == 5000 and wire['gen_bad'] == wire['gen_missing'] == 0
    for direction in ('rx', 'tx'):
        assert port[direction + '_packets'] == 5000
        assert port[direction + '_bytes'] == wire[direction + '_bytes']
        assert port[direction + '_queues'][0]['bytes'] == wire[direction + '_bytes']


def case_cable_pulled_from_the_start(r):
    a = r.model('a', 'loopback', '--link', 'down')
    text = ran(r, 'weir', 'ports', '--wait', '0', r.port('a'))
    assert ' down ' in text, text
    a.kill(signal.SIGUSR2)
    a.wait_line('^cable plugged in')
    assert '10000 Mbit/s' in ran(r, 'weir', 'ports', r.port('a'))


def case_forwarder_that_waits(r):
    """Any start order: the forwarder may be there before the models."""
    fwd = r.l2fwd('--wait', '20', r.port('a'), r.port('b'))
    r.model('a', 'loopback')
    r.model('b', 'loopback')
    fwd.wait_line('^forwarding')
    assert fwd.end() == 0
    # And it can be told to stop waiting.
    fwd = r.l2fwd('--wait', '60', '-v', r.port('none'))
    rig.until(lambda: os.path.exists(f'/proc/{fwd.proc.pid}/exe') and
              os.readlink(f'/proc/{fwd.proc.pid}/exe').endswith('l2fwd') and
              handles(fwd.proc.pid, signal.SIGTERM), 'it handles the signal')
    assert fwd.end(signal.SIGTERM, timeout=5) == 0


def handles(pid, number):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        caught = int(re.search(r'^SigCgt:\s*(\w+)', f.read(), re.M)[1], 16)
    return caught >> (number - 1) & 1


def case_mac_rewrite(r):
    """Frames leave for 02:00:00:00:00:PORT from the address of the port."""
    r.model('a', 'gen:size=60,count=3')
    b = r.model('b', f'pcap:out={r.path("out.pcap")}', '--param', 'mac=02:00:00:00:0b:0b')
    fwd = r.l2fwd('--mac-rewrite', '--count', '3', '--duration', '20', r.port('a'), r.port('b'))
    assert fwd.wait(30) == 0
    assert b.end() == 0
    with open(r.path('out.pcap'), 'rb') as f:
        frames = f.read()[24:]
    assert len(frames) == 3 * (16 + 60)
    for n in range(3):
        header = frames[n * 76 + 16:n * 76 + 28]
        assert header.hex() == '020000000001' '020000000b0b', header.hex()


if __name__ == '__main__':
    rig.run(globals())
