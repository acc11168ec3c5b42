#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compiles every usage snippet: the @code blocks of the public headers, and the C programs of the
README and the docs. A block with a main() stands alone; any other is the inside of a function that
has the names below at hand. "..." lines stand for the reader's own code."""
import os
import re
import shlex
import subprocess
import sys

ROOT = os.environ.get('WEIR_SOURCE_ROOT') or os.path.join(os.path.dirname(__file__), '..', '..')
CC = shlex.split(os.environ.get('CC') or 'cc')

AT_HAND = '''
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>
#include <weir/driver/driver.h>
#include <weir/driver/model.h>
#include <weir/driver/pktcache.h>
#include <weir/driver/regs.h>
#include <weir/driver/ring.h>
#include <weir/driver/siommu.h>
#include <weir/driver/wire.h>
extern struct weir *w;
extern struct weir_arena *mem;
extern struct weir_pktpool *pool;
extern struct weir_pktcache *cache;
extern struct weir_space *space;
extern struct weir_device *device;
extern struct weir_port *port;
extern struct weir_channel *channel;
extern struct weir_copy_done done;
extern struct weir_rxq *rx;
extern struct weir_txq *tx;
extern struct weir_net *net;
extern const struct weir_net_ops my_net_ops;
extern struct weir_error err;
extern const uint8_t frame[];
extern uint16_t len;
extern uint32_t base_low, tail;
extern void *buffer;
extern weir_iova_t iova;
extern struct weir_wire *wire;
extern struct weir_siommu *siommu;
extern const struct weir_reg_table *table;
extern struct { uint64_t address; } *desc;
extern bool stop;
int snippet(void);
int snippet(void)
{
'''


def blocks():
    """(where, line, text) of each snippet."""
    include = os.path.join(ROOT, 'lib/include/weir')
    for folder, _, files in sorted(os.walk(include)):
        for name in sorted(files):
            path = os.path.join(folder, name)
            with open(path, encoding='utf-8') as f:
                text = f.read()
            for m in re.finditer(r'@code\n(.*?)@endcode', text, re.S):
                lines = [re.sub(r'^ \* ?', '', line) for line in m[1].splitlines()]
                yield os.path.relpath(path, ROOT), text.count('\n', 0, m.start()), '\n'.join(lines)
    docs = os.path.join(ROOT, 'docs')
    pages = [os.path.join(ROOT, 'README.md')]
    pages += sorted(os.path.join(docs, n) for n in os.listdir(docs) if n.endswith('.md'))
    for path in pages:
        if not os.path.exists(path):
            continue
        with open(path, encoding='utf-8') as f:
            text = f.read()
        for m in re.finditer(r'^```c\n(.*?)^```', text, re.S | re.M):
            yield os.path.relpath(path, ROOT), text.count('\n', 0, m.start()) + 1, m[1]


def compiles(where, line, text):
    text = re.sub(r'^(\s*)\.\.\..*$', r'\1;', text, flags=re.M)
    if re.search(r'\bmain\(', text):
        source = f'#line {line + 1} "{where}"\n{text}'
    else:
        # Each name a snippet declares itself hides the one at hand.
        source = f'{AT_HAND}{{\n#line {line + 2} "{where}"\n{text}\n}}\nreturn 0;\n}}\n'
    flags = ['-std=gnu11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-Wno-unused-variable',
             '-Wno-unused-but-set-variable', '-fsyntax-only', '-I',
             os.path.join(ROOT, 'lib/include'), '-x', 'c', '-']
    done = subprocess.run(CC + flags, input=source, text=True, capture_output=True, check=False)
    return done.returncode == 0, done.stderr


def main():
    found = list(blocks())
    print(f'1..{len(found)}')
    bad = 0
    for number, (where, line, text) in enumerate(found, 1):
        good, why = compiles(where, line, text)
        if not good:
            bad = 1
            print('\n'.join('# ' + row for row in why.splitlines()))
        print(f'{"" if good else "not "}ok {number} - {where}:{line + 1}')
    sys.exit(bad or not found)


main()
