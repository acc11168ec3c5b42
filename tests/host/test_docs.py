#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the pages in docs/ show of the weir command is what it prints.

In a page, a line `<!-- machine NAME -->` stands before a block that begins with "$ weir ..."; the
machine is a function of that name in MACHINES. A line "..." in a block stands for any lines. With
--fill, a block that holds the command only gets its output."""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.environ.get('WEIR_SOURCE_ROOT') or os.path.join(HERE, '..', '..')
sys.path.insert(0, HERE)
import situations as s  # noqa: E402

MACHINES = {
    'plx': s.plx,
    'override': s.override,
    'root-ports': s.pch_ports,
    '82599 on 3.16': lambda: s.x540('3.16.0', (2, 2), acs=None, ident='8086:10fb'),
    '82599 on 4.1': lambda: s.x540('4.1.0', (2, 3), acs=None, ident='8086:10fb'),
    'x540 on 3.10': lambda: s.x540('3.10.0', (2, 2)),
    'x540': lambda: s.x540('6.1.0', (2, 3)),
    'x540 with new_id': lambda: s.x540('6.1.0', (2, 3), drivers=('', 'ixgbe')),
    'x540 with a wrong override': lambda: s.x540('6.1.0', (2, 3), drivers=('', 'ixgbe'),
                                                 overrides=('vfio_pci', '')),
    'x540 ready': lambda: s.x540('6.1.0', (2, 3), drivers=('vfio-pci', 'ixgbe'),
                                 overrides=('vfio-pci', '')),
    'x540 without 2 MiB': lambda: s.x540('6.1.0', (2, 3), drivers=('vfio-pci', 'ixgbe'),
                                         overrides=('vfio-pci', ''), cap='d2008040660462'),
    'connectx': s.connectx,
    'connectx without sr-iov': lambda: s.connectx(true_sriov=False),
    'grub': s.no_groups,
    'firmware': lambda: s.no_groups(table=None),
    'disk': s.disk_in_group,
    'conventional': s.conventional,
    'switch': s.switch,
}
BLOCK = re.compile(r'^<!-- machine (.*?) -->\n```\n\$ (weir .*?)\n(.*?)^```\n', re.S | re.M)


def output(machine, command):
    argv = command.split()
    with tempfile.TemporaryDirectory() as root:
        MACHINES[machine]().write(root)
        argv += ['--root', root]
        if argv[1] == 'groups':
            argv += ['--ids', os.path.join(HERE, 'pci.ids')]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        text = (done.stdout + done.stderr).replace(root, '')
        return ''.join(line.rstrip() + '\n' for line in text.splitlines())


def matches(shown, printed):
    """Is shown what was printed, with "..." for some of it?"""
    parts = re.split(r'^\.\.\.\n', shown, flags=re.M)
    if len(parts) == 1:
        return shown == printed
    pattern = r'(?:.*\n)*'.join(re.escape(part) for part in parts)
    return re.fullmatch(pattern, printed) is not None


def main():
    fill = '--fill' in sys.argv
    number = bad = 0
    lines = []
    docs = os.path.join(ROOT, 'docs')
    for name in sorted(os.listdir(docs)):
        if not name.endswith('.md'):
            continue
        path = os.path.join(docs, name)
        with open(path, encoding='utf-8') as f:
            page = f.read()

        def filled(m):
            return m[0] if m[3] else f'<!-- machine {m[1]} -->\n```\n$ {m[2]}\n{output(m[1], m[2])}```\n'
        if fill:
            with open(path, 'w', encoding='utf-8') as f:
                f.write(BLOCK.sub(filled, page))
            continue
        for m in BLOCK.finditer(page):
            number += 1
            printed = output(m[1], m[2])
            good = matches(m[3], printed)
            bad += not good
            if not good:
                lines += ['# it prints:'] + ['# ' + line for line in printed.splitlines()]
            lines.append(f'{"" if good else "not "}ok {number} - {name}: {m[2]} on {m[1]}')
    if fill:
        return
    print(f'1..{number}')
    print('\n'.join(lines))
    sys.exit(bool(bad or not number))


main()
