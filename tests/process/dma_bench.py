#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""weir dma-bench: what it measures on models, the forms of its results, and two side by side."""
import copy
import csv
import json
import re
import xml.etree.ElementTree as ET

import rig

QUICK = ['--reps', '2', '--time', '0.005']


def bench(r, *argv, status=0):
    got, text = r.run('weir', 'dma-bench', *argv, timeout=120)
    assert got == status, f'{argv}: status {got}\n{text}'
    return text


def measured(r, *argv, status=0):
    bench(r, *QUICK, *argv, '--json', r.path('out.json'), status=status)
    return r.json('out.json')


def row(result, test, metric, **wanted):
    found = [k for k in result['rows'] if k['test'] == test and k['metric'] == metric and
             all(k['vars'].get(v) == n for v, n in wanted.items())]
    assert len(found) == 1, f'{test}, {metric}, {wanted}: {len(found)} rows\n{result}'
    k = found[0]
    assert k['min'] <= k['q1'] <= k['median'] <= k['q3'] <= k['max'], k
    return k


def case_everything_by_default(r):
    result = measured(r)
    tests = {k['test'] for k in result['rows']}
    assert tests == {'map', 'unmap', 'copy', 'throughput', 'latency', 'iotlb'}, tests
    assert all(k['n'] >= 2 for k in result['rows'])
    notes = '\n'.join(result['not_measured'])
    assert 'damaged' not in notes and 'differs' not in notes, notes
    assert 'by interrupt' in notes
    assert row(result, 'throughput', 'frames', page=4096, frame=60)['median'] > 0
    row(result, 'map', 'latency', page=4096, length=65536)
    assert not [k for k in result['rows'] if k['test'] == 'map' and
                k['vars']['length'] < k['vars']['page']], 'a length of less than a page'


def case_wall(r):
    """The entries hold 256 KiB of 4 KiB pages, and 128 MiB of 2 MiB pages."""
    small = measured(r, '--only', 'iotlb', '--page', '4K', '--footprint', '128K,1M,16M')

    def misses(result, page, footprint):
        return row(result, 'iotlb', 'misses of a frame', page=page, footprint=footprint)

    assert misses(small, 4096, 128 << 10)['max'] == 0
    assert 1 < misses(small, 4096, 1 << 20)['median'] < 1.9
    assert 1.9 < misses(small, 4096, 16 << 20)['median'] <= 2.1, 'one to read it, one to write it'
    again = measured(r, '--only', 'iotlb', '--page', '4K', '--footprint', '1M')
    assert misses(again, 4096, 1 << 20)['median'] == misses(small, 4096, 1 << 20)['median']
    more = measured(r, '--only', 'iotlb', '--page', '4K', '--footprint', '1M', '--iotlb', '512')
    assert row(more, 'iotlb', 'misses of a frame', iotlb=512)['max'] == 0, 'they hold 2 MiB'
    # A model that asks for an IOTLB itself is told by its own, once.
    own = measured(r, '--only', 'iotlb', '--page', '4K', '--footprint', '1M', '--iotlb', '16,32',
                   'model:x540?iotlb=512')
    assert [k['vars']['iotlb'] for k in own['rows']] == [512, 512], own
    if rig.hugepages()[0] < 150:
        raise rig.Skip('needs 150 free hugepages of 2 MiB')
    large = measured(r, '--only', 'iotlb', '--page', '2M', '--footprint', '16M,256M')
    assert misses(large, 2 << 20, 16 << 20)['max'] == 0
    assert 0.8 < misses(large, 2 << 20, 256 << 20)['median'] < 1.2, 'of 128 pages 64 are held'


def case_all_combinations(r):
    both = measured(r, '--only', 'map,iotlb', '--page', '4K', '--length', '64K', '--node', '0',
                    '--footprint', '1M', '--ring', '64,128', 'model:x540')
    assert {(k['test'], k['vars']['node'], k['vars'].get('ring')) for k in both['rows']} == {
        ('map', 0, None), ('unmap', 0, None), ('iotlb', 0, 64), ('iotlb', 0, 128)}, both
    # Without pages of the first size copies are made in the next.
    result = measured(r, '--only', 'copy', '--page', '8K,4K', '--length', '4K')
    row(result, 'copy', 'throughput', page=4096)
    assert any('no pages of 8 KiB' in n for n in result['not_measured'])


def case_devices_that_copy(r):
    result = measured(r, '--only', 'throughput,latency', '--page', '4K', '--length', '4K,64K',
                      'model:edu')
    for mode in ('polled', 'by interrupt'):
        rows = [k for k in result['rows'] if k['target'] == f'model:edu, {mode}']
        assert {(k['test'], k['metric'], k['vars']['length']) for k in rows} == {
            (test, metric, length) for test, metric in (('latency', 'copy'), ('throughput', 'copies'))
            for length in (4096, 65536)}, rows
        assert all(k['median'] > 0 for k in rows), rows
    assert result['not_measured'] == [], result


def case_over_a_socket(r):
    r.model('a', 'loopback')
    result = measured(r, r.port('a'), '--only', 'map,throughput,latency,iotlb', '--page', '4K',
                      '--length', '64K', '--frame', '60,1514', '--footprint', '1M')
    assert row(result, 'throughput', 'data', frame=1514)['unit'] == 'GB/s'
    assert row(result, 'latency', 'there and back', frame=60)['median'] > 0
    assert row(result, 'map', 'memory')['median'] > 0
    assert row(result, 'iotlb', 'frames')['better'] == 'higher'
    assert any('weir model --iotlb' in n for n in result['not_measured'])


def case_forms(r):
    text = bench(r, *QUICK, '--only', 'copy,throughput', '--page', '4K', '--length', '4K,64K',
                 '--frame', '60,128', '--json', r.path('a.json'), '--csv', r.path('a.csv'),
                 '--html', r.path('a.html'), '--svg', r.path('.'), 'model:x540')
    rows = r.json('a.json')['rows']
    assert re.search(r'^throughput, model:x540 \(page 4K, ring 512, burst 32\)$', text, re.M), text
    assert re.search(r'^  frame 60 +frames +[\d.]+  M/s ', text, re.M), text
    with open(r.path('a.csv'), encoding='utf-8', newline='') as f:
        table = list(csv.DictReader(f))
    assert len(table) == len(rows)
    for line, k in zip(table, rows):
        assert (line['test'], line['metric'], line['unit']) == (k['test'], k['metric'], k['unit'])
        assert {v: int(line[v]) for v in ('page', 'length', 'frame') if line[v]} == \
               {v: k['vars'][v] for v in ('page', 'length', 'frame') if v in k['vars']}
        assert abs(float(line['median']) - k['median']) <= 1e-6 * k['median']
    with open(r.path('a.html'), encoding='utf-8') as f:
        page = f.read()
    charts = re.findall(r'<svg .*?</svg>', page, re.S)
    assert len(charts) == 3, 'copy, frames, data'
    for chart in charts:
        assert len(ET.fromstring(chart).findall('.//{*}circle')) == 2
    outside = re.sub(r'xmlns="[^"]*"', '', page)
    assert not re.search(r'https?:|\bsrc=|<link|<script|@import|url\(', outside), 'needs the network'
    assert page.count('<tr>') == 1 + len(rows)
    assert ET.parse(r.path('throughput-frames-model-x540.svg')).getroot().tag.endswith('svg')
    assert bench(r, *QUICK, '--only', 'copy', '--csv', '-').startswith('test,target,page,')


def case_side_by_side(r):
    bench(r, *QUICK, '--only', 'copy', '--page', '4K', '--length', '4K,64K', '--json',
          r.path('a.json'))
    a = r.json('a.json')
    b = copy.deepcopy(a)
    for key in ('median', 'q1', 'q3', 'min', 'max'):
        b['rows'][0][key] = a['rows'][0]['max'] * 4
    b['machine'] = 'another <machine> & "more"'
    with open(r.path('b.json'), 'w', encoding='utf-8') as f:
        json.dump(b, f)
    text = bench(r, '--compare', r.path('a.json'), r.path('b.json'), '--html', r.path('ab.html'))
    assert len(re.findall(r'GB/s, B is better$', text, re.M)) == 1, text
    assert '2 rows of both; 0 only of A, 0 only of B' in text
    # QEMU's edu copies 10 KB/s.
    b['rows'][1]['median'] = 1.024e-5
    with open(r.path('c.json'), 'w', encoding='utf-8') as f:
        json.dump(b, f)
    assert ' 0.000010240 ' in bench(r, '--compare', r.path('a.json'), r.path('c.json'))
    text = bench(r, '--compare', r.path('b.json'), r.path('a.json'))
    assert len(re.findall(r'GB/s, A is better$', text, re.M)) == 1, text
    with open(r.path('ab.html'), encoding='utf-8') as f:
        page = f.read()
    assert '&lt;machine&gt; &amp; &quot;more&quot;' in page and '<machine>' not in page
    assert 'A: page 4K' in page and 'B: page 4K' in page and page.count('class="n better"') == 1
    for chart in re.findall(r'<svg .*?</svg>', page, re.S):
        ET.fromstring(chart)
    assert bench(r, '--compare', r.path('a.json'), r.path('b.json'), '--html', '-').startswith(
        '<!DOCTYPE html>')
    bench(r, '--compare', r.path('a.json'), r.path('b.json'), '--csv', '-', status=2)


def case_files_that_are_no_results(r):
    bench(r, *QUICK, '--only', 'copy', '--page', '4K', '--length', '4K', '--json', r.path('a.json'))
    good = r.json('a.json')

    def without(key):
        return {k: v for k, v in good.items() if k != key}

    def with_row(**change):
        return dict(good, rows=[dict(good['rows'][0], **change)])

    bad = ['', '{', '[]', '1', '"x"', '{"format": 1}', json.dumps(without('rows')),
           json.dumps(without('machine')), json.dumps(dict(good, format=2)),
           json.dumps(dict(good, rows={})), json.dumps(dict(good, rows=[1])),
           json.dumps(with_row(median='x')), json.dumps(with_row(n=0)),
           json.dumps(with_row(vars=[])), json.dumps(with_row(vars={'page': 'x'})),
           json.dumps(with_row(vars={'page': -1})), json.dumps(with_row(test=None)),
           json.dumps(with_row(q1=1)).replace('"q1": 1', '"q1": 1e999'),
           # Axes of a chart would not end.
           json.dumps(with_row(q3=1.7e308)), json.dumps(with_row(q1=-1e200)),
           json.dumps(dict(good, rows=good['rows'] * 10001)), '[' * 100000]
    for text in bad:
        with open(r.path('bad.json'), 'w', encoding='utf-8') as f:
            f.write(text)
        said = bench(r, '--compare', r.path('a.json'), r.path('bad.json'), status=1)
        assert said.startswith('weir: read '), f'{text[:80]}: {said}'
    # What it says itself, however odd, is shown as text.
    odd = dict(with_row(test='<b>', metric='\u2028\n', vars={'page': 0}, median=-1e99),
               not_measured=['<script>', 7])
    with open(r.path('odd.json'), 'w', encoding='utf-8') as f:
        json.dump(odd, f)
    bench(r, '--compare', r.path('odd.json'), r.path('odd.json'), '--html', r.path('odd.html'))
    with open(r.path('odd.html'), encoding='utf-8') as f:
        assert '<script' not in f.read()
    bench(r, '--compare', r.path('a.json'), r.path('none.json'), status=1)


def case_says_why_not(r):
    text = bench(r, *QUICK, '--only', 'map,throughput', 'nonsense:x', status=1)
    assert 'no known prefix' in text
    # What is there is measured all the same, but it did not go well.
    result = measured(r, 'nonsense:x', 'model:x540', '--only', 'latency', '--page', '4K', status=1)
    assert sum('no known prefix' in n for n in result['not_measured']) == 1, result
    row(result, 'latency', 'there and back', frame=60)
    text = bench(r, *QUICK, '--only', 'copy', 'NOSUCH', status=1)
    assert text.startswith('weir: not measured: NOSUCH: ') and 'GB/s' not in text, text
    # Whatever comes of it, the reason is told.
    for argv, why in ((['map', '--page', '2M', '--length', '64K'], 'map of 64K in pages of 2M'),
                      (['iotlb', 'model:edu'], 'iotlb of model:edu: only network controllers'),
                      (['copy', '--length', '64M'], 'copy of 64M by the CPU: 32M is the most')):
        text = bench(r, *QUICK, '--only', *argv, status=1)
        assert why in text, text
    text = bench(r, *QUICK, '--only', 'copy', '--page', '8K', status=1)
    assert 'no pages of 8 KiB' in text
    for argv in (['--page', '3K'], ['--page', ''], ['--frame', '59'], ['--only', 'maps'],
                 ['--reps', '0'], ['--time', 'x'], ['--compare', 'x'], ['--frame', '60,,70'],
                 ['--burst', '65'], ['--iotlb', '0'], ['--nonsense']):
        text = bench(r, *argv, status=2)
        assert 'weir help dma-bench' in text, f'{argv}: {text}'
    bench(r, *QUICK, '--only', 'copy', '--json', '/nonexistent/x', status=1)


if __name__ == '__main__':
    rig.run(globals())
