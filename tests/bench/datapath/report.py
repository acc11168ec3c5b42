#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What becomes of the data path benchmark's JSON.

report.py gate LIMITS <JSON      fail if a driver in the tree takes more than it may, has no limit, or is missing
                       without the CPU being the reason
report.py limits <JSON           print such limits, as they are now
report.py document JSON START PAGE   replace the tables of a page; START: what `start L2FWD` printed
"""
import datetime
import json
import sys

SLACK = 1.03
BEGIN, END = '<!-- figures -->', '<!-- end of figures -->'


def name(result):
    return (result['driver'], result['path'], result['case'], str(result['burst']),
            result['touch'])


def counted(report):
    return [r for r in report['results'] if 'instructions' in r]


def gate(limits_file):
    found = {name(r): r for r in counted(json.load(sys.stdin))}
    good = bad = absent = 0
    with open(limits_file, encoding='ascii') as f:
        for line in f:
            if line.startswith('#') or not line.strip():
                continue
            *key, instructions, mmio = line.rstrip('\n').split('\t')
            result = found.pop(tuple(key), None)
            if result is None:
                if key[1].startswith('avx'):
                    absent += 1
                else:
                    bad += 1
                    print(f"{' '.join(key)}: was not measured")
                continue
            over = []
            if result['instructions'] > float(instructions) * SLACK:
                over.append(f"{result['instructions']} instructions, {instructions} were enough")
            if result['mmio'] > int(mmio):
                over.append(f"{result['mmio']} register accesses per 256, {mmio} were enough")
            if over:
                bad += 1
                print(f"{' '.join(key)}: {'; '.join(over)}")
            else:
                good += 1
    for key in found:
        bad += 1
        print(f"{' '.join(key)}: has no limit")
    print(f'instructions per packet: {good} within limits, {bad} over, {absent} of paths that this '
          'CPU does not have')
    return 0 if good and not bad else 1


def limits():
    print('# Of the data path benchmark: what may not grow by more than 3 %. Debian 12, gcc 12.')
    print('# driver, path, case, burst, touch, instructions per packet, register accesses per 256')
    for r in counted(json.load(sys.stdin)):
        print('\t'.join([*name(r), f"{r['instructions']:.1f}", str(r['mmio'])]))


def table(rows, header):
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells):
        return '| ' + ' | '.join(c.ljust(w) for c, w in zip(cells, widths)) + ' |'
    return '\n'.join([line(header), '|' + '|'.join('-' * (w + 2) for w in widths) + '|',
                      *(line(r) for r in rows)])


def pick(results, **want):
    return [r for r in results if all(r[k] == v for k, v in want.items())]


def ratios(results, versions):
    """The targets: ours beside theirs, of one run."""
    def cycles(driver, path, case, burst):
        rows = [r for r in pick(results, driver=driver, case=case, burst=burst, evicted='none')
                if (path is None or r['path'] == path) and
                r['touch'] == ('none' if case == 'idle' else 'byte')]
        return rows[0] if rows else None
    ours = next(r['path'] for r in results if r['driver'] == 'weir' and not r['full'])
    full = next(r['path'] for r in results if r['driver'] == 'weir' and r['full'])
    rows = []

    def ratio(what, a, b, limit):
        if a and b:
            value = a['cycles'] / b['cycles']
            rows.append([what, f"{a['cycles']:.1f}", f"{b['cycles']:.1f}", f'{value:.2f}', limit])
    plain = cycles('weir', ours, 'forward', 32)
    vector = cycles('dpdk-vector', None, 'forward', 32)
    ratio(f'forward, burst 32: {ours} / DPDK vector', plain, vector, '0.75')
    ratio(f'forward, burst 32: {ours} / floor', plain, cycles('floor', None, 'forward', 32), '1.25')
    ratio(f'forward, burst 4: {ours} / DPDK vector', cycles('weir', ours, 'forward', 4),
          cycles('dpdk-vector', None, 'forward', 4), '0.80')
    for peer in ('dpdk-full', 'dpdk-full-scalar'):
        ratio(f'forward, burst 32, full features: {full} / {peer}',
              cycles('weir', full, 'forward', 32), cycles(peer, None, 'forward', 32), '0.60')
        ratio(f'offload, burst 32, full features: {full} / {peer}',
              cycles('weir', full, 'offload', 32), cycles(peer, None, 'offload', 32), '0.60')
    idle = cycles('weir', ours, 'idle', 32)
    text = table(rows, ['what', 'Weir', 'other', 'ratio', 'at most'])
    text += (f"\n\nIdle poll: {idle['cycles']:.1f} cycles (at most 8). Instructions per packet, "
             f"forward, burst 32: {plain['instructions']:.1f} (at most 75).")
    if versions:
        text += f" DPDK: {', '.join(versions)}, as packaged by Debian."
    else:
        text += ' **No DPDK ran beside it.**'
    return text


def section(results, title, **want):
    rows = []
    for r in pick(results, **want):
        rows.append([r['driver'], r['path'], str(r['burst']), f"{r['cycles']:.1f}",
                     f"{r['minimum']:.1f}",
                     f"{r['instructions']:.1f}" if 'instructions' in r else '',
                     str(r['mmio']) if 'mmio' in r else ''])
    if not rows:
        return ''
    rows.sort(key=lambda row: int(row[2]))
    return f'\n### {title}\n\n' + table(rows, ['driver', 'path', 'burst', 'median', 'minimum',
                                               'instructions', 'MMIO per 256']) + '\n'


def scaling(report):
    s = report.get('scaling')
    if not s:
        return ''
    def two(pair):
        return f'{pair[0]:.1f} and {pair[1]:.1f}'
    return ('\n### Two cores\n\nTwo threads, each with a queue pair of the same port and a cache of '
            f"the same pool, forward bursts of 32: {two(s['alone'])} cycles per packet each alone, "
            f"{two(s['both'])} at once, medians of the best of seven rounds. Packets taken from a pool on one core and given back on "
            f"another, 32 at a time: {s['take']:.1f} cycles for taking one, {s['give']:.1f} for "
            'giving it back.\n')


def starting(text):
    (start, worst), (clear, _), (memory,), *testpmd = (line.split() for line in text.splitlines())
    said = ('\n### Start\n\n`l2fwd --count 1` with a port on a model in its own process, from fork and '
            f'exec until it forwarded a packet and ended: {start} ms, {worst} ms at worst of 21. '
            f'That counts {clear} ms for clearing its 6 MiB of pages in the kernel, and the 10 ms '
            'that the datasheet (4.6.3.2) wants after a reset. It has '
            f'{int(memory) / 1024:.1f} MiB resident beside those pages, with libraries and the model.\n')
    if len(testpmd) == 3:
        (start, worst), (memory,), (version,) = testpmd
        said += (f"\nDPDK {version}'s testpmd in the same run, with a port of `net_null`, which is no "
                 'device, with 2048 buffers, only the plugins it needs, and `--in-memory`: '
                 f'{start} ms, {worst} ms at worst, and {int(memory) / 1024:.1f} MiB resident.\n')
    return said


def document(json_file, start_file, page):
    with open(json_file, encoding='utf-8') as f:
        report = json.load(f)
    machine, results = report['machine'], report['results']
    versions = sorted({r['version'] for r in results if r['version']})
    text = (f"Measured {datetime.date.today().isoformat()} on: {machine['cpu']}, model "
            f"{machine['family_model']}, TSC {machine['tsc_ghz']} GHz, {machine['cores']} cores, "
            f"Linux {machine['kernel']}; compiler {machine['compiler']}. Load while measuring: "
            f"{machine['load']}.\n\n")
    text += ratios(results, versions) + '\n'
    for title, want in (
            ('Forward: receive, touch one byte, send',
             {'case': 'forward', 'touch': 'byte', 'evicted': 'none'}),
            ('Offload: the same, asking for a VLAN tag and IPv4 and UDP checksums',
             {'case': 'offload'}),
            ('Mixed: the same, every other packet asking for the checksum of TCP instead',
             {'case': 'mixed'}),
            ('Receive and free', {'case': 'rx'}),
            ('Allocate and send', {'case': 'tx'}),
            ('Idle poll', {'case': 'idle'}),
            ('Forward untouched', {'case': 'forward', 'touch': 'none'}),
            ('Forward, MAC addresses swapped', {'case': 'forward', 'touch': 'macs'}),
            ('Forward, one byte, L1 evicted before each burst',
             {'case': 'forward', 'evicted': 'L1'}),
            ('Forward, one byte, L2 evicted before each burst',
             {'case': 'forward', 'evicted': 'L2'})):
        text += section(results, title, **want)
    text += scaling(report)
    with open(start_file, encoding='utf-8') as f:
        text += starting(f.read())
    with open(page, encoding='utf-8') as f:
        before, rest = f.read().split(BEGIN)
    after = rest.split(END)[1]
    with open(page, 'w', encoding='utf-8') as f:
        f.write(f'{before}{BEGIN}\n{text}{END}{after}')
    print(f'{page} is written')


def main():
    if sys.argv[1:2] == ['gate'] and len(sys.argv) == 3:
        return gate(sys.argv[2])
    if sys.argv[1:] == ['limits']:
        return limits()
    if sys.argv[1:2] == ['document'] and len(sys.argv) == 5:
        return document(*sys.argv[2:])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == '__main__':
    sys.exit(main())
