# SPDX-License-Identifier: BSD-3-Clause
"""What the tests on made-up machines share: the weir command on one of them, what it found, and
running the functions of a file that begin with case_."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback

X0, X1 = '0000:01:00.0', '0000:01:00.1'


class Bench:
    """A folder for a case, and the weir command."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='weir-host-')
        self.count = 0

    def weir(self, *argv, status=0, text=False):
        done = subprocess.run(['weir', *argv], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, \
            f'weir {" ".join(argv)}: status {done.returncode}\n{done.stdout[-1500:]}{done.stderr[-1500:]}'
        assert 'Sanitizer' not in done.stderr, done.stderr
        return done.stdout + (done.stderr if text or status else '')

    def root(self, machine):
        self.count += 1
        return machine.write(os.path.join(self.folder, str(self.count)))

    def groups(self, machine):
        root = self.root(machine)
        return {f['device']: f
                for f in json.loads(self.weir('groups', '--json', '--root', root))['functions']}

    def explain(self, machine, device):
        out = self.weir('groups', '--explain', '--json', '--root', self.root(machine), device)
        return {m['device']: m for m in json.loads(out)['members']}

    def doctor(self, machine, device=None, ready=False, more=()):
        argv = ['doctor', '--json', '--root', self.root(machine), *more] + ([device] if device else [])
        found = json.loads(self.weir(*argv, status=0 if ready else 1))
        assert found['ready'] == ready
        for f in found['findings']:
            if f['code'] != 'ok':
                assert f['what'] and f['why'] and f['evidence'], f
                assert f['fix'] or f['advice'] or f['level'] != 'blocks', f
        return found['findings']


def codes(findings, levels=('blocks', 'warning', 'note')):
    return [f['code'] for f in findings if f['level'] in levels]


def blocking(findings):
    return codes(findings, ('blocks',))


def find(findings, code):
    return [f for f in findings if f['code'] == code]


def read(root, path):
    with open(root + path, encoding='utf-8') as f:
        return f.read()


def device(name, file):
    return f'/sys/bus/pci/devices/{name}/{file}'


def run(names):
    """Run what begins with case_ in names, or of that only what the arguments are part of the name of."""
    cases = [(n, f) for n, f in names.items() if n.startswith('case_')]
    wanted = sys.argv[1:]
    cases = [(n, f) for n, f in cases if not wanted or any(w in n for w in wanted)]
    print(f'1..{len(cases)}')
    bad = 0
    for number, (name, case) in enumerate(cases, 1):
        b = Bench()
        try:
            case(b)
            print(f'ok {number} - {name[5:]}', flush=True)
        except Exception:  # pylint: disable=broad-except
            bad += 1
            print('\n'.join('# ' + line for line in traceback.format_exc().splitlines()))
            print(f'not ok {number} - {name[5:]}', flush=True)
        finally:
            shutil.rmtree(b.folder, ignore_errors=True)
    sys.exit(bool(bad))
