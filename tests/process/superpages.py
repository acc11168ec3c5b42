#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""weir superpages: the worked examples by their known answers, and what it makes of bad input."""
import json
import re

import rig


def plan(r, *argv):
    status, text = r.run('weir', 'superpages', '--json', *argv)
    assert status == 0, f'{argv}: status {status}\n{text}'
    return json.loads(text)


def expect(p, entries, leaves, why):
    assert (p['entries'], p['leaves'], sorted(p['why'])) == (entries, leaves, sorted(why)), p


def case_examples(r):
    expect(plan(r, '--iommu-pages', '8K', '--page', '2M', '--length', '2M'), 256, {'8K': 256}, [])
    expect(plan(r, '--iommu-pages', '4K,8K,4M', '--page', '2M', '--length', '2M'),
           256, {'8K': 256}, ['length', 'backing-page'])
    four = ['--iommu-pages', '2M,4M', '--page', '2M', '--length', '8M']
    expect(plan(r, *four, '--at', '100M,40M,42M,60M'), 3, {'4M': 1, '2M': 2}, ['discontiguous'])
    expect(plan(r, *four, '--at', '100M,42M,44M,60M'), 4, {'2M': 4}, ['discontiguous'])
    two = ['--iommu-pages', '4K,8K', '--page', '4K', '--length', '8K']
    expect(plan(r, *two, '--at', '0x4000,0x5000'), 1, {'8K': 1}, [])
    expect(plan(r, *two, '--at', '0x5000,0x6000'), 2, {'4K': 2}, ['discontiguous'])


def case_reasons(r):
    usual = ['--iommu-pages', '4K,2M,1G', '--page', '2M']
    p = plan(r, *usual, '--length', '64M')
    expect(p, 32, {'2M': 32}, ['length', 'backing-page'])
    assert p['short_of'] == {'length': '1G', 'backing-page': '1G'}, p
    p = plan(r, *usual, '--length', '64M', '--iova', '4K')
    expect(p, 16384, {'4K': 16384}, ['iova-alignment'])
    assert (p['best'], p['align'], p['offset']) == (32, 2 << 20, 0), p
    expect(plan(r, *usual, '--length', '4M', '--va', '4K', '--iova', '2M'),
           1024, {'4K': 1024}, ['va-alignment'])
    expect(plan(r, *usual, '--length', '64M', '--disable-hugepages'),
           16384, {'4K': 16384}, ['length', 'backing-page', 'disabled'])
    expect(plan(r, *usual, '--length', '4M', '--va', '1M', '--width', '22'),
           1024, {'4K': 1024}, ['va-alignment', 'width'])
    # The mask as VFIO reports it.
    expect(plan(r, '--iommu-pages', '0x40201000', '--page', '1G', '--length', '16G'),
           16, {'1G': 16}, [])


def case_table(r):
    status, text = r.run('weir', 'superpages', '--page', '2M', '--length', '3M', '--iova', '4K')
    assert status == 0
    lines = [line.split() for line in text.splitlines()]
    assert ['entries', '768'] in lines and ['4K', '768'] in lines, text
    assert '257, with one that is 0 modulo 2M' in text
    assert [line[0] for line in lines[-2:]] == ['length', 'iova-alignment'], text
    # An IOMMU with every power of two, as AMD's.
    status, text = r.run('weir', 'superpages', '--length', '4K', '--iommu-pages',
                         '0xffffffffffffffff')
    sizes = re.search('^iommu +(.*)$', text, re.M)[1].split(',')
    assert len(sizes) == 64 and sizes[0] == '1' and sizes[-1] == '8E', text


def case_bad_input(r):
    for argv in ([], ['--length', '0'], ['--length', '64Q'], ['--length', '-1'],
                 ['--length', '17E'], ['--length', '4096 '], ['--length', '4K '],
                 ['--va', '0 ', '--length', '4K'], ['--length', '4K', '--page', '3K'],
                 ['--length', '4K', '--iommu-pages', ''], ['--length', '4K', '--iommu-pages', '4K,'],
                 ['--length', '4K', '--iommu-pages', '0x0'], ['--length', '4K', '--width', '65'],
                 ['--length', '4K', '--at', '1,'], ['--length', '4K', '--at', 'x'],
                 ['--length', '4K', '--va', '-1'], ['--length', '4K', 'more'], ['--nonsense']):
        status, text = r.run('weir', 'superpages', *argv)
        assert status == 2 and 'weir help superpages' in text, f'{argv}: {status}\n{text}'
    for argv in (['--length', '8K', '--at', '0x1000'], ['--length', '4K', '--at', '0x1001'],
                 ['--length', '4K', '--iommu-pages', '8K'], ['--length', '4K', '--iova', '1'],
                 ['--length', '1G', '--width', '28'], ['--length', '16E', '--va', '1']):
        status, text = r.run('weir', 'superpages', *argv)
        assert status in (1, 2) and text.startswith('weir'), f'{argv}: {status}\n{text}'


def case_iotlb_of_a_served_model(r):
    """What a client maps in hugepages takes as many entries as there are hugepages."""
    if rig.hugepages()[0] < 64:
        raise rig.Skip('needs 64 free hugepages of 2 MiB')
    a = r.model('a', 'gen:size=60,count=2000,rate=100k', '--iotlb', '128,ways=4',
                '--stats-json', r.path('a.json'))
    b = r.model('b', 'loopback', '--stats-json', r.path('b.json'))
    fwd = r.l2fwd('--count', '2000', '--duration', '20', r.port('a'), r.port('b'))
    assert fwd.wait(30) == 0
    assert a.end() == 0 and b.end() == 0
    t = r.json('a.json')['iotlb']
    assert 'iotlb' not in r.json('b.json')
    assert (t['entries'], t['ways']) == (128, 4), t
    assert set(t['hits']) == {'2M'} and t['hits']['2M'] > 3000, t
    assert 1 < t['misses']['2M'] <= 64 and t['reads'] == 3 * t['misses']['2M'], t
    by_name = {(q['queue'], q['index']): q for q in t['queues']}
    assert by_name['rx', 0]['hits']['2M'] > 3000, by_name
    assert re.search(r'^iotlb, 128 entries in 4 ways: \d+ translations, \d+ misses', a.text(), re.M)
    assert re.search(r'^  rx 0: \d+ translations', a.text(), re.M), a.text()


if __name__ == '__main__':
    rig.run(globals())
