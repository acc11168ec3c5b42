#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""run.py COMMAND: the VM tests' one program.

    list             the cases, one line each
    meson            the same for tests/meson.build
    prepare [NAME]...  fetch and build what these cases need (all by default)
    case NAME        run one: TAP on standard output; 77 says that it cannot run here, and why
    shell NAME       a console in the case's guest: the test is not run, `t` runs it; Ctrl-A X ends

Only `prepare` asks the network for anything. WEIR_BUILD_ROOT is the build whose programs are used,
build/gcc by default; WEIR_VM_ACCEL forces tcg or kvm.
"""
import dataclasses
import functools
import os
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.stdout.reconfigure(line_buffering=True)

import debian  # pylint: disable=wrong-import-position
import initramfs
import kernel
import machine
from case import HERE, declarations, every_case

ROOT = os.path.dirname(os.path.dirname(HERE))
ATTEMPTS = 2  # a guest that hangs gets a second chance, everything else does not
LAST_LINES = 40


def build_root():
    return os.environ.get('WEIR_BUILD_ROOT') or os.path.join(ROOT, 'build/gcc')


def missing(case):
    """What `prepare` has yet to do for this case, in words, or None."""
    wanted = [('QEMU', debian.present(machine.QEMU)), ('busybox', debian.present(initramfs.BUSYBOX)),
              (f'the {case.kernel} kernel', kernel.present(case.kernel))]
    if case.packages:
        wanted.append((f'packages {", ".join(case.packages)}',
                       debian.present(initramfs.package_set(case.packages))))
    lacking = [name for name, there in wanted if not there]
    return ' and '.join(lacking) if lacking else None


def probe():
    """Whether KVM works here, with an IOMMU: one boot. None if the cache has nothing to boot."""
    chosen = [c for c in every_case().values() if c.name == 'boot-intel-stock']
    if not chosen or missing(chosen[0]):
        return None
    trial = machine.Run(dataclasses.replace(chosen[0], timeout=180), build_root(), 'kvm')
    return trial.go() == machine.PASSED


def save_log(run, name):
    folder = os.path.join(build_root(), 'vm-logs')
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name + '.log')
    with open(path, 'w', encoding='utf-8') as out:
        for source, line in list(run.log):
            out.write(f'{source}: {line}\n' if source != 'console' else line + '\n')
    return path


def judge(status):
    """Why a run failed, for each end that is neither a pass nor a verdict of the test."""
    if status == machine.HANG:
        return 'the guest did not end in time'
    if status == 0:
        return 'the guest ended without a verdict: a panic or a reboot'
    if status == machine.BROKEN:
        return 'init could not set the guest up'
    if isinstance(status, int) and status < 0:
        return f'QEMU was killed by {signal.Signals(-status).name}'
    return f'QEMU ended with {status}'


def run_case(case):
    lacking = missing(case)
    if lacking:
        print(f'not in the cache: {lacking}; `./dev vm prepare {case.name}` says why')
        # On a machine of CI nothing may be left out in silence.
        return 1 if os.environ.get('CI') else 77
    accel = machine.accelerator(probe)
    start = time.monotonic()
    for attempt in range(1, ATTEMPTS + 1):
        run = machine.Run(case, build_root(), accel)
        reason = None
        try:
            status = run.go()
        except machine.HostError as error:
            status, reason = None, f'host: {error}'
        if status != machine.HANG or attempt == ATTEMPTS:
            break
        print(f'# HANG: ended after {case.timeout} s, tried once more;'
              f' see {save_log(run, f"{case.name}-hang")}')

    lines = run.test_lines()
    print(f'# {accel}, {time.monotonic() - start:.1f} s', *lines, sep='\n')
    if status == machine.PASSED:
        return 0
    if status == machine.SKIPPED:
        return 77
    path = save_log(run, case.name)
    failures = [line for line in lines if line.startswith('not ok ')]
    if status != machine.FAILED or not failures:
        ran = len([line for line in lines if re.match('(not )?ok ', line)])
        reason = reason or (judge(status) if status != machine.FAILED
                            else 'the test failed without a word')
        print(f'not ok {ran + 1} - {reason.splitlines()[0]}')
        print('\n'.join(reason.splitlines()[1:]), file=sys.stderr)
    for source, line in run.log[-LAST_LINES:]:
        print(f'{source}: {line}', file=sys.stderr)
    print(f'the whole log: {path}', file=sys.stderr)
    return 1


def in_namespace(case):
    """A case that asks for it runs in a network namespace of its own, where it may have any
    interface; None if this is there already."""
    if not case.netns or os.environ.get('WEIR_VM_NETNS'):
        return None
    if os.geteuid() != 0:
        print('needs network namespaces, which want root')
        return 77
    command = ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'netns',
               sys.executable, *sys.argv]
    return subprocess.run(command, env=dict(os.environ, WEIR_VM_NETNS='yes'),
                          check=False).returncode


def prepare(chosen):
    """Whether all that these cases need could be had; one that is missing does not keep others back."""
    jobs = int(os.environ.get('WEIR_JOBS') or os.cpu_count() or 1)
    wanted = [machine.QEMU, initramfs.BUSYBOX,
              *(initramfs.package_set(packages)
                for packages in sorted({case.packages for case in chosen if case.packages}))]
    steps = [functools.partial(debian.unpacked, packages) for packages in wanted]
    steps += [functools.partial(kernel.prepare, kind, jobs) for kind in kernel.KINDS
              if any(case.kernel == kind for case in chosen)]
    complete = True
    for step in steps:
        try:
            step()
        except debian.Unavailable as error:
            print(f'   {error}')
            complete = False
    if complete and os.path.exists(os.path.join(build_root(), 'tools/weir')):
        print(f'   machines run under {machine.accelerator(probe)}')
    return complete


def main(argv):
    known = every_case()
    command, names = (argv[1], argv[2:]) if len(argv) > 1 else ('help', [])
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f'no VM case is named {unknown[0]}; `./dev vm list` lists them')
    chosen = [known[name] for name in names] or list(known.values())
    if command == 'list':
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # into head
        for case in chosen:
            print(f'{case.name:<28} {case.about}')
    elif command == 'meson':
        for case in chosen:
            print(f'case {case.name}')
        for program in sorted({name for c in chosen for name in (c.program(), *c.programs)
                               if not name.endswith('.sh')}):
            print(f'program {program}')
        for path in declarations():
            print(f'file {path}')
    elif command == 'prepare':
        return 0 if prepare(chosen) else 1
    elif command in ('case', 'shell') and len(names) == 1:
        inside = in_namespace(chosen[0])
        if inside is not None:
            return inside
        if command == 'case':
            return run_case(chosen[0])
        if not prepare(chosen):
            return 1
        machine.Run(chosen[0], build_root(), machine.accelerator(probe), interactive=True).go()
    else:
        sys.exit(__doc__)
    return 0


if __name__ == '__main__':
    # An end by a signal runs what ends QEMU and the models, too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        sys.exit(main(sys.argv))
    except debian.Unavailable as error:
        print(f'dev vm: {error}', file=sys.stderr)
        sys.exit(1)
