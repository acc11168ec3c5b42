# SPDX-License-Identifier: BSD-3-Clause
"""One virtual machine: QEMU's command line, its lines to and from the guest, and how it ended.

The guest has three serial ports: the console (kernel messages, init), the test's output, and a line
dialog with the case's host function. Both outputs end up in one log, in the order they came.
"""
import contextlib
import ctypes
import json
import os
import queue
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import debian
import initramfs
import kernel

QEMU = debian.PackageSet('qemu', ('trixie', 'trixie-backports'), ('qemu-system-x86',))

# isa-debug-exit makes 2 * value + 1 of what guest/init.sh writes.
PASSED, FAILED, SKIPPED, BROKEN = 3, 5, 7, 9
HANG = 'hang'

IOMMU = {
    'intel': (('intel-iommu,intremap=on',), 'intel_iommu=on iommu=nopt'),
    'amd': (('amd-iommu,intremap=on,dma-remap=on',), 'amd_iommu=on iommu=nopt'),
    'virtio': (('virtio-iommu-pci,bus=pcie.0,addr=0x2',),
               'iommu=nopt vfio_iommu_type1.allow_unsafe_interrupts=1'
               ' iommufd.allow_unsafe_interrupts=1'),
    'none': ((), ''),
}


# What the kernel measures and panics or complains about when an emulated processor gets no time for
# a while: the timer's interrupts at boot, the clock, stalls.
STARVED = 'no_timer_check tsc=reliable nowatchdog rcupdate.rcu_cpu_stall_suppress=1'


class HostError(AssertionError):
    """What the host function waited for did not come."""


def within(seconds, get, right):
    """What get() says, as soon as right() takes it, or else at the end of that time."""
    deadline = time.monotonic() + seconds
    while True:
        got = get()
        if right(got) or time.monotonic() > deadline:
            return got
        time.sleep(0.1)


def qemu_command():
    """QEMU out of the cache, by its own loader, with its own libraries and firmware."""
    root = debian.present(QEMU)
    libraries = os.path.join(root, 'usr/lib/x86_64-linux-gnu')
    command = [os.path.join(libraries, 'ld-linux-x86-64.so.2'), '--library-path', libraries,
               os.path.join(root, 'usr/bin/qemu-system-x86_64')]
    for firmware in ('qemu', 'seabios'):
        command += ['-L', os.path.join(root, 'usr/share', firmware)]
    return command


class Host:
    """What a case's host function gets."""

    def __init__(self, run):
        self._run = run
        self.tmp = run.tmp  # a folder for files, gone afterwards
        self.models = run.models  # the served models by name: subprocess.Popen
        self.build = run.build

    def expect(self, pattern):
        """Waits for a line that the guest says to the host (`say` in tap.sh, host.h), as long as the
        case has time; the match."""
        seen = []
        while True:
            try:
                line = self._run.dialog.get(timeout=self._run.time_left())
            except queue.Empty:
                raise HostError(f'no /{pattern}/ in time; the guest said {seen}') from None
            if line is None:
                raise HostError(f'the guest ended before it said /{pattern}/; it said {seen}')
            match = re.search(pattern, line)
            if match:
                return match
            seen.append(line)

    def send(self, line):
        """A line to the guest (`hear` in tap.sh)."""
        self._run.ports['host'].sendall(line.encode() + b'\n')

    def qmp(self, command, **arguments):
        """A command of QEMU's monitor; what it returned."""
        return self._run.qmp.execute(command, arguments)

    def wait_event(self, name, timeout=60):
        """The next event of that name from QEMU's monitor."""
        return self._run.qmp.wait_event(name, timeout)

    def start_model(self, x540):
        """Serves a model again (same name and socket), after it was killed."""
        self._run.start_model(x540)

    def console(self):
        """All that the console and the test have printed so far."""
        return self._run.log_text()

    def end_model(self, name):
        """Ends a model as weir model is ended, and returns the counters that it then wrote."""
        self.models[name].terminate()
        self.models[name].wait(60)
        with open(os.path.join(self.tmp, name + '.json'), encoding='utf-8') as counters:
            return json.load(counters)

    def check(self, *command, timeout=120):
        """Runs a command on the host, in the case's namespace; its output, or HostError."""
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
        if done.returncode:
            raise HostError(f'{" ".join(command)}: {done.returncode}\n{done.stdout}{done.stderr}')
        return done.stdout


class Monitor:
    """QEMU's machine protocol on a connected socket."""

    def __init__(self, sock):
        self.sock = sock
        self.file = sock.makefile('r', encoding='utf-8')
        self.events = []
        self.greeted = False

    def _next(self, timeout):
        self.sock.settimeout(timeout)
        try:
            line = self.file.readline()
        except (TimeoutError, OSError) as error:
            raise HostError(f'the monitor does not answer: {error}') from error
        if not line:
            raise HostError('QEMU closed its monitor')
        return json.loads(line)

    def execute(self, command, arguments):
        if not self.greeted:
            self._next(60)
            self.greeted = True
            self.execute('qmp_capabilities', {})
        self.sock.sendall(json.dumps({'execute': command, 'arguments': arguments}).encode())
        while True:
            answer = self._next(60)
            if 'return' in answer:
                return answer['return']
            if 'error' in answer:
                raise HostError(f'{command}: {answer["error"].get("desc")}')
            self.events.append(answer)

    def wait_event(self, name, timeout):
        if not self.greeted:
            self.execute('query-status', {})
        while True:
            for event in self.events:
                if event.get('event') == name:
                    self.events.remove(event)
                    return event
            self.events.append(self._next(timeout))


def end_with_parent():
    """In a child, before it becomes QEMU or a model: it is killed when this program is, however."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Run:
    """One attempt at a case."""

    def __init__(self, case, build, accel, interactive=False):
        self.case = case
        self.build = build
        self.accel = accel
        self.interactive = interactive
        self.tmp = None
        self.models = {}
        self.ports = {}
        self.log = []  # (source, line)
        self.log_lock = threading.Lock()
        self.dialog = queue.Queue()  # lines of the guest for the host function; None: no more
        self.qmp = None
        self.deadline = None  # of time.monotonic()

    def time_left(self):
        return max(0.1, self.deadline - time.monotonic())

    def log_text(self):
        with self.log_lock:
            return '\n'.join(line for _, line in self.log)

    def test_lines(self):
        with self.log_lock:
            return [line for source, line in self.log if source == 'test']

    def settings(self):
        """/etc/case, which guest/init.sh sources."""
        case = self.case
        modules = [*case.modules]
        if case.iommu == 'virtio':
            modules[:0] = ['virtio_pci', 'virtio_iommu']
        if case.vfio:
            # vfio.ko only names type1 as a soft dependency, which busybox's modprobe leaves out.
            modules += ['vfio_iommu_type1', 'vfio-pci']

        def quoted(text):
            return "'" + str(text).replace("'", "'\\''") + "'"

        lines = [f'CASE={quoted(case.name)}', f'RUN={quoted(case.run)}',
                 f'MODULES={quoted(chr(10).join(modules))}',
                 f'export VFIO={quoted(" ".join("0000:" + address for address in case.vfio))}',
                 f'SHELL_WANTED={quoted("yes" if self.interactive else "")}',
                 f'export KERNEL={quoted(case.kernel)} IOMMU={quoted(case.iommu)}']
        lines += [f'export {name}={quoted(value)}' for name, value in case.env.items()]
        return '\n'.join(lines) + '\n'

    def initrd(self, booted):
        parts = [initramfs.base(booted, tuple(line.split()[0] for line in self.case.modules))]
        if self.case.packages:
            parts.append(initramfs.packages_layer(self.case.packages))
        own = os.path.join(self.tmp, 'own.cpio')
        initramfs.own_layer(own, self.build, self.case.program(), self.settings(),
                            self.case.programs)
        whole = os.path.join(self.tmp, 'initrd')
        with open(whole, 'wb') as out:
            for part in (*parts, own):
                with open(part, 'rb') as archive:
                    shutil.copyfileobj(archive, out)
        os.unlink(own)
        return whole

    def start_model(self, x540):
        path = os.path.join(self.tmp, x540.name + '.sock')
        model = subprocess.Popen(
            [os.path.join(self.build, 'tools/weir'), 'model', 'x540', '--socket', path, '--wire',
             x540.wire.replace('{tmp}', self.tmp), '--stats-json',
             os.path.join(self.tmp, x540.name + '.json'), *x540.options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors='replace', preexec_fn=end_with_parent)
        self.models[x540.name] = model
        served = threading.Event()

        def read():
            for line in model.stdout:
                with self.log_lock:
                    self.log.append((x540.name, line.rstrip('\n')))
                if line.startswith('serving '):
                    served.set()
            served.set()

        threading.Thread(target=read, daemon=True).start()
        if not served.wait(60) or model.poll() is not None:
            raise HostError(f'model {x540.name} did not start:\n{self.log_text()}')
        return path

    def command(self, booted):
        case = self.case
        devices, append = IOMMU[case.iommu]
        models = [device for device in case.devices if not isinstance(device, str)]
        machine = 'q35,kernel-irqchip=split'
        command = [*qemu_command(), '-nodefaults', '-no-user-config', '-display', 'none',
                   '-no-reboot', '-accel', self.accel,
                   '-cpu', 'host' if self.accel == 'kvm' else 'max',
                   '-smp', '1', '-m', str(case.memory), '-kernel', booted.image,
                   '-initrd', self.initrd(booted), '-append',
                   f'console=ttyS0 quiet loglevel=4 panic=-1 oops=panic {STARVED} {append} '
                   f'{case.append}',
                   '-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04']
        if models:
            # The models reach the guest's memory through a descriptor of it.
            command += ['-object',
                        f'memory-backend-memfd,id=memory,size={case.memory}M,share=on']
            machine += ',memory-backend=memory'
        command += ['-machine', machine]
        for device in devices:
            # Without it QEMU would not tell a vfio-user device of new mappings, and stops.
            more = ',caching-mode=on' if models and device.startswith('intel-iommu') else ''
            command += ['-device', device + more]
        for device in case.devices:
            if isinstance(device, str):
                command += ['-device', device]
                continue
            # A write to a register ends when the model has done what it does, as some drivers' own
            # time-outs begin there. QEMU gives a message up after 5 s else, and with it the device.
            properties = {'driver': 'vfio-user-pci', 'id': device.name, 'bus': device.bus,
                          'x-msg-timeout': 60000, 'x-no-posted-writes': True,
                          'socket': {'type': 'unix', 'path': self.start_model(device)}}
            if device.addr:
                properties['addr'] = device.addr
            command += ['-device', json.dumps(properties)]
        return command + list(case.qemu)

    def serial(self, command, stack):
        """Adds the serial ports and the monitor; the descriptors that QEMU has to inherit."""
        passed = []
        if self.interactive:
            command += ['-chardev', 'stdio,id=console,mux=on,signal=off', '-serial',
                        'chardev:console', '-monitor', 'chardev:console', '-serial', 'null']
            names = ['host']
        else:
            names = ['console', 'test', 'host']
        for name in (*names, 'monitor'):
            ours, theirs = socket.socketpair()
            stack.callback(ours.close)
            passed.append(theirs)
            self.ports[name] = ours
            command += ['-chardev', f'socket,id={name},fd={theirs.fileno()}']
            command += ['-qmp' if name == 'monitor' else '-serial', f'chardev:{name}']
        self.qmp = Monitor(self.ports['monitor'])
        return passed

    def pump(self):
        """Reads the serial ports until QEMU has closed them."""
        with selectors.DefaultSelector() as selector:
            rest = {}
            for name in ('console', 'test', 'host'):
                if name in self.ports:
                    selector.register(self.ports[name], selectors.EVENT_READ, name)
                    rest[name] = b''
            while rest:
                for key, _ in selector.select():
                    try:
                        data = key.fileobj.recv(65536)
                    except OSError:
                        data = b''
                    *lines, rest[key.data] = (rest[key.data] + data).split(b'\n')
                    if not data:
                        lines.append(rest.pop(key.data))
                        selector.unregister(key.fileobj)
                    for line in lines:
                        text = line.decode(errors='replace').strip('\r')
                        if text and key.data == 'host':
                            self.dialog.put(text)
                        if text:
                            with self.log_lock:
                                self.log.append((key.data, text))
        self.dialog.put(None)

    def go(self):
        """Boots, and returns QEMU's exit status or HANG; HostError if the host side failed."""
        booted = kernel.present(self.case.kernel)
        with contextlib.ExitStack() as stack:
            self.tmp = tempfile.mkdtemp(prefix='weir-vm-')
            stack.callback(shutil.rmtree, self.tmp, ignore_errors=True)
            stack.callback(self.end_models)
            if self.case.before:
                self.case.before(self.tmp, self.build)
            command = self.command(booted)
            passed = self.serial(command, stack)
            qemu = subprocess.Popen(
                command, pass_fds=[sock.fileno() for sock in passed],
                stdin=None if self.interactive else subprocess.DEVNULL,
                stdout=None if self.interactive else subprocess.PIPE,
                stderr=None if self.interactive else subprocess.STDOUT, text=True, errors='replace',
                preexec_fn=end_with_parent)
            for sock in passed:
                sock.close()
            stack.callback(self.end_qemu, qemu)
            threads = [threading.Thread(target=self.pump, daemon=True)]
            if not self.interactive:
                threads.append(threading.Thread(target=self.read_qemu, args=(qemu,), daemon=True))
            for thread in threads:
                thread.start()

            self.deadline = time.monotonic() + self.case.timeout
            if self.case.host and not self.interactive:
                self.call_host()
            try:
                status = qemu.wait(None if self.interactive else self.time_left())
            except subprocess.TimeoutExpired:
                status = HANG
                self.end_qemu(qemu)
            for thread in threads:
                thread.join(60)
            return status

    def call_host(self):
        try:
            self.case.host(Host(self))
        except HostError:
            raise
        except Exception as error:  # whatever it is, the case has failed
            raise HostError(f'{error!r}\n{traceback.format_exc()}') from error

    def read_qemu(self, qemu):
        for line in qemu.stdout:
            with self.log_lock:
                self.log.append(('qemu', line.rstrip('\n')))
            if line.startswith('KVM internal error'):
                qemu.kill()  # it would wait, stopped, for a debugger

    def end_qemu(self, qemu):
        if qemu.poll() is None:
            qemu.kill()
        qemu.wait()

    def end_models(self):
        for model in self.models.values():
            if model.poll() is None:
                model.send_signal(signal.SIGTERM)
        for model in self.models.values():
            try:
                model.wait(10)
            except subprocess.TimeoutExpired:
                model.kill()
                model.wait()


def accelerator(probe):
    """tcg, or kvm where a guest with an IOMMU has been seen to run under it: /dev/kvm can be there
    and not work. probe() boots one; what it said is kept until this machine boots again, unless it
    could not try, which is None."""
    forced = os.environ.get('WEIR_VM_ACCEL')
    if forced:
        if forced not in ('tcg', 'kvm'):
            sys.exit(f'WEIR_VM_ACCEL is tcg or kvm, not {forced}')
        return forced
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return 'tcg'
    with open('/proc/sys/kernel/random/boot_id', encoding='utf-8') as boot:
        path = debian.cache(f'accel-{boot.read().strip()}-'
                            + os.path.basename(debian.present(QEMU) or ''))
    with debian.locked('accel'):
        if not os.path.exists(path):
            works = probe()
            if works is None:
                return 'tcg'
            with open(path + '.new', 'w', encoding='utf-8') as out:
                out.write('kvm' if works else 'tcg')
            os.rename(path + '.new', path)
        with open(path, encoding='utf-8') as answer:
            return answer.read()
