#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""results.py [--broken BUILD]... BUILD-DIR...: adds up the last `meson test` of each build.

Counts cases, not programs: a program that prints TAP counts once per "ok" or "not ok" line, any
other counts once. Skips are listed with their reason, failures with the end of their output. The
last line is `N passed, N failed, N skipped`; the exit status is 1 if anything failed, or if
nothing ran. A build named by --broken did not compile, which is a failure.
"""
import argparse
import json
import os
import re
import signal
import sys

LOG_LINES = 60
CASE = re.compile(r'^(not )?ok (\d+)\b[ -]*(.*)$')
PLAN = re.compile(r'^1\.\.(\d+)\s*(?:#\s*(?i:skip)\S*\s*(.*))?$')
SKIP = re.compile(r'#\s*skip\S*\s*(.*)$', re.IGNORECASE)


def last_words(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else 'no reason given'


def how_it_ended(result, status):
    if result == 'TIMEOUT':
        return 'took too long and was stopped'
    if status is not None and status < 0:
        return f'killed by {signal.Signals(-status).name}'
    return f'exit status {status}'


class Test:
    """One record of testlog.json: one run of one test program."""

    def __init__(self, build, record):
        self.name = f"{build}: {record['name'].split(':', 1)[-1]}"
        self.out = record.get('stdout') or ''
        self.err = record.get('stderr') or ''
        # A machine that hung was started again (tests/vm/run.py); nobody should overlook that.
        self.hangs = [line[2:] for line in self.out.splitlines() if line.startswith('# HANG')]
        self.passed = 0
        self.failures = []
        self.skips = []
        self.cases(record['result'], record.get('returncode'))

    def cases(self, result, status):
        planned = None
        said = []  # what the program printed since the last case: the reason of a skip
        for line in self.out.splitlines():
            plan, case = PLAN.match(line), CASE.match(line)
            if plan:
                planned = (planned or 0) + int(plan[1])
            elif case:
                skip = SKIP.search(case[3])
                if skip:
                    reason = ' '.join(said[-2:]) or 'no reason given'
                    self.skips.append(f'{skip[1] or case[3]}: {reason}')
                elif case[1]:
                    self.failures.append(case[3])
                else:
                    self.passed += 1
                said = []
            elif line.strip() and not line.startswith('#'):
                said.append(line.strip())

        ran = self.passed + len(self.failures) + len(self.skips)
        if result == 'SKIP':
            self.skips.append(last_words(self.out + '\n' + self.err))
        elif result not in ('OK', 'EXPECTEDFAIL'):
            # A crash, a leak or a time-out after cases that were all well is a failure of its own.
            if not self.failures:
                self.failures.append(how_it_ended(result, status))
        elif planned is not None and ran < planned:
            self.failures.append(f'ended after {ran} of {planned} cases')
        elif ran == 0:
            self.passed = 1

    def show_log(self):
        for title, text in (('stdout', self.out), ('stderr', self.err)):
            lines = text.rstrip().splitlines()
            if not lines:
                continue
            cut = len(lines) - LOG_LINES
            print(f'   | --- {title}' + (f', {cut} lines before these left out' if cut > 0 else ''))
            for line in lines[-LOG_LINES:]:
                print(f'   | {line[:300]}')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--broken', action='append', default=[])
    parser.add_argument('dirs', nargs='*')
    args = parser.parse_args()

    tests = []
    no_log = []
    for folder in args.dirs:
        build = os.path.basename(folder)
        try:
            with open(os.path.join(folder, 'meson-logs', 'testlog.json'), encoding='utf-8') as log:
                tests += [Test(build, json.loads(line)) for line in log]
        except (OSError, ValueError) as error:
            no_log.append(f'{build}: meson test left no usable log: {error}')

    skipped = [(test, skip) for test in tests for skip in test.skips]
    if skipped:
        print('\nSKIPPED, which means not checked on this machine:')
        for test, skip in skipped:
            print(f'   {test.name}: {skip}')
    for test in tests:
        for hang in test.hangs:
            print(f'\n{test.name}: {hang}')
    failed = [test for test in tests if test.failures]
    broken = [f'{build}: does not compile, see above' for build in args.broken] + no_log
    if failed or broken:
        print('\nFAILED:')
    for line in broken:
        print(f'   {line}')
    for test in failed:
        for failure in test.failures:
            print(f'   {test.name}: {failure}')
        test.show_log()

    n_passed = sum(test.passed for test in tests)
    n_failed = sum(len(test.failures) for test in tests) + len(broken)
    print(f'\n{n_passed} passed, {n_failed} failed, {len(skipped)} skipped')
    return 1 if n_failed or n_passed == 0 else 0


sys.exit(main())
