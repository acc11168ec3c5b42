#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""weir snapshot on made-up machines, and files and trees that are wrong or hostile."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import situations as s  # noqa: E402
from host_case import X0, blocking, run  # noqa: E402


def every_machine():
    for make in (s.plx, s.pch_ports, s.connectx, s.no_groups, s.disk_in_group, s.override,
                 s.conventional, s.switch, s.root_complex):
        yield make()
    yield s.x540('3.10.0', (2, 2), nets=((('enx0011223344aa', s.ADDRESS),), ()))


def case_snapshot_says_the_same(b):
    for number, m in enumerate(every_machine()):
        root = b.root(m)
        path = os.path.join(b.folder, f'{number}.snap')
        b.weir('snapshot', '--root', root, '-o', path)
        again = b.weir('snapshot', '--snapshot', path)
        with open(path, encoding='utf-8') as f:
            assert f.read() == again
        with open(path, 'w', encoding='utf-8') as f:  # names that a snapshot does not tell
            f.write(again.replace('enx-0', 'enx0011223344aa'))
        shapes = [['groups', '--json']]
        if number == 0:
            shapes += [['groups'], ['groups', '--tree'], ['groups', '--dot']]
        for argv in shapes:
            assert b.weir(*argv, '--root', root) == b.weir(*argv, '--snapshot', path)
        for f in b.groups(m).values():
            assert f['derived'] <= f['device'] >= f['isolated'], 'named after the first member'
        device = list(m.functions)[-1]
        argv = ['doctor', '--json', device]
        assert b.weir(*argv, '--root', root, status=1) == \
            b.weir(*argv, '--snapshot', path, status=1)


def case_snapshot_names_nobody(b):
    root = b.root(s.x540('6.1.0', (2, 3), nets=((('enx0011223344aa', s.ADDRESS),), ())))
    text = b.weir('snapshot', '--root', root)
    for secret in ('deadbeef', 'cafef00d', 'efbeadde', 'alice', 'fileserver', 'example', '0011223344aa',
                   'A8C0', 'UUID', '1234', 'BOOT_IMAGE', 'ixgbe.ko'):
        assert secret not in text, secret
    assert '/sys/class/net/enx-0 ->' in text and '/sys/class/net/enx-0/inet/' in text
    # Each that is named after its address, and the machine itself still tells its own name.
    root = b.root(s.x540('6.1.0', (2, 3), nets=((('wlx0011223344aa', s.UP), ('wlx0011223344bb', s.UP)), ())))
    text = b.weir('snapshot', '--root', root)
    assert '0011223344' not in text and 'net/wlx-0 ->' in text and 'net/wlx-1/flags =' in text
    out = b.weir('doctor', '--commands', '--root', root, X0, status=1)
    assert 'ip link set dev wlx0011223344aa down' in out
    root = b.root(s.x540('6.1.0', (2, 3), nets=((('enx0011223344aa', s.ADDRESS),), ())))
    assert '/proc/cmdline = intel_iommu=on\n' in text
    found = json.loads(b.weir('doctor', '--json', '--root', root, X0, status=1))['findings']
    assert 'device-in-use' in blocking(found), 'its address was found under the other name'


def case_snapshot_errors(b):
    path = os.path.join(b.folder, 'good')
    b.weir('snapshot', '--root', b.root(s.plx()), '-o', path)
    with open(path, encoding='utf-8') as f:
        good = f.read()
    lines = good.splitlines(True)
    device = next(line for line in lines if line.startswith('/sys/bus/pci/devices/0000:04:00.0 ->'))
    port = next(line for line in lines if line.startswith('/sys/bus/pci/devices/0000:03:01.0 ->'))
    config = next(line for line in lines if '0000:04:00.0/config' in line)
    loop = good.replace(device, '/sys/bus/pci/devices/0000:04:00.0 -> ../devices/pci0000:00/'
                        '0000:03:01.0/0000:04:00.0\n')
    loop = loop.replace(port, '/sys/bus/pci/devices/0000:03:01.0 -> ../devices/pci0000:00/'
                        '0000:04:00.0/0000:03:01.0\n')
    buses = good.replace(device, '/sys/bus/pci/devices/0000:04:00.0 -> ../devices/0000:03:01.0/'
                         'pci0001:00/0000:04:00.0\n')
    buses = buses.replace(port, '/sys/bus/pci/devices/0000:03:01.0 -> ../devices/0000:04:00.0/'
                          'pci0002:00/0000:03:01.0\n')
    bad = {
        'a circle of root buses': buses,
        'empty': '',
        'another file': 'hello\n',
        'another version': good.replace('weir-snapshot 1', 'weir-snapshot 2'),
        'cut at a line': ''.join(lines[:40]),
        'cut in a line': good[:2000],
        'something behind the end': good + '/x = y\n',
        'a path twice': good.replace(device, device + device),
        'no mark': good.replace(device, '/sys/bus/pci/devices/0000:04:00.0\n'),
        'a bad escape': good.replace('/proc/cmdline = ', '/proc/cmdline = \\q'),
        'a NUL': good.replace('/proc/cmdline = ', '/proc/cmdline = \0'),
        'a circle of bridges': loop,
        'a function above itself': good.replace(device, '/sys/bus/pci/devices/0000:04:00.0 -> a/'
                                                '0000:04:00.0/0000:04:00.0\n'),
        'a missing bridge': good.replace(port, ''),
        'a name that is none': good.replace('/0000:04:00.0 ->', '/0000:04:99.0 ->'),
        'no configuration space': good.replace(config, ''),
        'short configuration space': good.replace(config, config[:70] + '\n'),
        'configuration space of no digits': good.replace('config = 0:', 'config = x:', 1),
        'configuration space without end': good.replace('config = 0:', 'config = fff:', 1),
        'in two groups': good.replace('0000:04:00.0/iommu_group -> 16', '0000:04:00.0/iommu_group -> 1'),
        'a region that ends before it begins':
            good.replace('0x00000000feefffff', '0x0000000000000000', 1),
    }
    for name, text in bad.items():
        assert text != good, name
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        out = b.weir('groups', '--snapshot', path, status=1)
        assert re.match(r'weir: read the (snapshot|machine)', out), (name, out)
    assert 'No such file' in b.weir('groups', '--snapshot', path + '.none', status=1)
    assert b.weir('groups', '--snapshot', '/dev/zero', status=1)


def case_hostile_names(b):
    """What a file says is neither a command, nor a line, nor steers a terminal."""
    path = os.path.join(b.folder, 'names')
    b.weir('snapshot', '-o', path, '--root',
           b.root(s.x540('6.1.0', (2, 2), nets=((('eth7', s.UP),), ()))))
    with open(path, encoding='utf-8') as f:
        good = f.read()
    for old, new in ((f'{X0}/driver -> ixgbe', f'{X0}/driver -> a\\nreboot\\x1b[31m\\x9b"'),
                     (f'{X0}/driver_override = (null)', f'{X0}/driver_override = a\\nreboot\\x1b[31m'),
                     ('osrelease = 6.1.0', 'osrelease = 6.1.0\\x1b\\nreboot'),
                     ('/sys/class/net/eth7', '/sys/class/net/a;reboot'),
                     ('/sys/class/net/eth7', '/sys/class/net/a\\nreboot'),
                     ('/sys/class/net/eth7', '/sys/class/net/$(reboot)')):
        text = good.replace(old, new)
        assert text != good, old
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        out = b.weir('doctor', '--commands', '--snapshot', path, X0, status=1)
        assert not re.search('^[^#\n]*reboot', out, re.M), out
        for argv in (['groups'], ['groups', '--tree'], ['groups', '--explain', X0], ['groups', '--dot']):
            out = b.weir(*argv, '--snapshot', path)
            assert not re.search('[\x00-\x08\x0b-\x1f\x7f-\xff]', out), (argv, out)
            if '--dot' in argv:
                assert all(line.count('"') % 2 == 0 for line in out.splitlines()), out
        for argv in (['groups', '--json'], ['doctor', '--json', X0]):
            json.loads(b.weir(*argv, '--snapshot', path, status=int(argv[0] == 'doctor')))


def case_long_lists(b):
    """A function with more interfaces than a finding holds commands for: none is cut."""
    m = s.x540('6.1.0', (2, 3), nets=(tuple((f'eth{n}', s.UP) for n in range(100, 200)), ()))
    out = b.weir('doctor', '--commands', '--root', b.root(m), X0, status=1)
    lines = [line for line in out.splitlines() if line.startswith('ip ')]
    assert len(lines) > 10 and all(line.endswith(' down') for line in lines), lines


def case_hostile_trees(b):
    assert 'No such file' in b.weir('groups', '--root', b.folder + '/none', status=1)
    root = os.path.join(b.folder, 'void')
    os.mkdir(root)
    assert 'no IOMMU groups' in b.weir('groups', '--root', root)
    # A device folder that is a circle of links, a FIFO for a file, a file without end.
    for hurt in ('loop', 'fifo', 'zero', 'long', 'short', 'folder', 'out'):
        root = b.root(s.plx())
        real = root + '/sys/devices/pci0000:00/0000:00:01.0/'
        link = root + '/sys/bus/pci/devices/0000:04:00.0'
        if hurt == 'loop':
            os.unlink(link)
            os.symlink('0000:04:00.0', link)
        elif hurt == 'fifo':
            os.unlink(real + 'config')
            os.mkfifo(real + 'config')
        elif hurt == 'zero':
            os.unlink(real + 'config')
            os.symlink('/dev/zero', real + 'config')
        elif hurt == 'long':
            os.unlink(link)
            os.symlink('/'.join(['..'] * 1000), link)
        elif hurt == 'short':
            os.truncate(real + 'config', 63)
        elif hurt == 'folder':
            os.unlink(link)
            os.mkdir(link)
        elif hurt == 'out':
            os.unlink(root + '/proc/cmdline')
            os.symlink('../../../../../../../../etc/passwd', root + '/proc/cmdline')
        if hurt == 'out':
            assert 'root:x' not in b.weir('snapshot', '--root', root)
        else:
            assert 'weir: read the machine' in b.weir('groups', '--root', root, status=1), hurt
    m = s.plx()
    m.functions['0000:04:00.0'].config = lambda: bytes(ring)
    ring = bytearray(4096)
    ring[:0x40] = s.plx().functions['0000:04:00.0'].config()[:0x40]
    for at in range(0x40, 0x100, 4):  # capabilities that go round and round
        ring[at:at + 2] = bytes([0x09, 0x40 if at + 4 == 0x100 else at + 4])
    assert b.groups(m)['0000:04:00.0']['role'] == 'PCI device'
    ring[0x40:0x44] = bytes([0x10, 0, 2, 0])
    ring[0x100:0x104] = (0x0001 | 1 << 16 | 0x104 << 20).to_bytes(4, 'little')
    ring[0x104:0x108] = (0x0001 | 1 << 16 | 0x100 << 20).to_bytes(4, 'little')
    assert b.groups(m)['0000:04:00.0']['acs'] is False


if __name__ == '__main__':
    run(globals())
