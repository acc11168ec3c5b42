# SPDX-License-Identifier: BSD-3-Clause
"""What the process tests share: programs that are started, watched line by line and always ended.

A test file defines functions named case_*, each taking a Rig, and calls run(globals()). Each gets a
folder of its own; whatever it started is killed after it. Output is TAP. Waiting is always for a
condition, with a deadline.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

PATIENCE = 20.0  # seconds; a deadline for things that take milliseconds on a machine at leisure


class Skip(Exception):
    """Raised with the reason when a case cannot run here."""


class Program:
    """A running program whose lines are kept with the time they came."""

    def __init__(self, argv, name):
        self.name = name
        self.lines = []  # (monotonic time, text)
        self.news = threading.Condition()
        self.closed = False
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True, errors='replace')
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.proc.stdout:
            with self.news:
                self.lines.append((time.monotonic(), line.rstrip('\n')))
                self.news.notify_all()
        with self.news:
            self.closed = True
            self.news.notify_all()

    def text(self):
        with self.news:
            return '\n'.join(text for _, text in self.lines)

    def wait_line(self, pattern, since=0, timeout=PATIENCE):
        """The match and time of the first line from number `since` on; fails at the deadline or
        when the program ends without it."""
        wanted = re.compile(pattern)
        deadline = time.monotonic() + timeout
        with self.news:
            while True:
                for when, text in self.lines[since:]:
                    match = wanted.search(text)
                    if match:
                        return match, when
                since = len(self.lines)
                left = deadline - time.monotonic()
                if self.closed or left <= 0:
                    why = 'ended' if self.closed else f'said nothing like it for {timeout} s'
                    raise AssertionError(f'{self.name} {why}: waiting for /{pattern}/')
                self.news.wait(left)

    def mark(self):
        """Number of lines so far, for wait_line(since=)."""
        with self.news:
            return len(self.lines)

    def kill(self, number=signal.SIGKILL):
        self.proc.send_signal(number)

    def end(self, number=signal.SIGINT, timeout=PATIENCE):
        """Ask it to end; its exit status."""
        if self.proc.poll() is None:
            self.proc.send_signal(number)
        return self.wait(timeout)

    def wait(self, timeout=PATIENCE):
        try:
            status = self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f'{self.name} did not end within {timeout} s') from None
        self.reader.join(timeout)
        return status


class Rig:
    def __init__(self, name):
        self.dir = tempfile.mkdtemp(prefix='weir-test-')
        self.name = name
        self.programs = []

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, *argv, name=None):
        program = Program([str(a) for a in argv], name or os.path.basename(argv[0]))
        self.programs.append(program)
        return program

    def run(self, *argv, timeout=PATIENCE):
        """Run to the end: exit status and output."""
        program = self.start(*argv)
        status = program.wait(timeout)
        return status, program.text()

    def model(self, name, wire, *more):
        """Serve an X540 on NAME.sock and wait until it is ready."""
        program = self.start('weir', 'model', 'x540', '--socket', self.path(name + '.sock'),
                             '--wire', wire, *more, name=f'model {name}')
        program.wait_line('^serving ')
        return program

    def port(self, name):
        return 'vfio-user:' + self.path(name + '.sock')

    def l2fwd(self, *args):
        """Forward between the ports named in args; its counters go to l2fwd.json at the end."""
        return self.start('l2fwd', '--stats', '1', '--stats-json', self.path('l2fwd.json'), *args)

    def json(self, name):
        with open(self.path(name), encoding='utf-8') as f:
            return json.load(f)

    def close(self, failed):
        for program in self.programs:
            if program.proc.poll() is None:
                program.kill(signal.SIGCONT)
                program.kill()
            program.proc.wait()
            program.reader.join(5)
            program.proc.stdout.close()
            if failed:
                for when, text in program.lines[-60:]:
                    print(f'# {program.name} [{when:.3f}] {text}')
        shutil.rmtree(self.dir, ignore_errors=True)


def until(condition, what, timeout=PATIENCE):
    """Poll a condition that nothing announces; its value once true."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f'{what}: not within {timeout} s')
        time.sleep(0.005)


def hugepages():
    """Free and total 2 MiB pages of the machine."""
    base = '/sys/kernel/mm/hugepages/hugepages-2048kB/'
    if not os.path.isdir(base):
        return 0, 0
    with open(base + 'free_hugepages', encoding='ascii') as f:
        free = int(f.read())
    with open(base + 'nr_hugepages', encoding='ascii') as f:
        return free, int(f.read())


def run(names):
    wanted = sys.argv[1:]
    cases = [(n[5:], f) for n, f in names.items() if n.startswith('case_')]
    if wanted:
        cases = [c for c in cases if any(w in c[0] for w in wanted)]
    print(f'1..{len(cases)}', flush=True)
    bad = 0
    for number, (name, function) in enumerate(cases, 1):
        rig = Rig(name)
        result, failed = f'ok {number} - {name}', False
        try:
            function(rig)
        except Skip as why:
            print(f'{name}: {why}')
            result += ' # SKIP'
        except Exception:  # a case that fails for any reason has failed
            failed, bad = True, bad + 1
            result = 'not ' + result
            for line in traceback.format_exc().splitlines():
                print('# ' + line)
        finally:
            rig.close(failed)
        print(result, flush=True)
    sys.exit(1 if bad else 0)
