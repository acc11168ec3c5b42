# SPDX-License-Identifier: BSD-3-Clause
"""How a VM case is declared; docs/testing-vm.md explains it with examples."""
import dataclasses
import importlib
import os
import shlex
import typing

import cases

HERE = os.path.dirname(os.path.abspath(__file__))


@dataclasses.dataclass(frozen=True)
class X540:
    """An X540 model, served by `weir model` on the host and attached as a PCI function."""
    name: str  # of the process, in the host function and in logs
    wire: str = 'loopback'  # as weir model --wire; {tmp} is the run's folder on the host
    bus: str = 'pcie.0'
    addr: str = ''  # device number on that bus; the next free one by default
    options: tuple = ()  # further arguments of weir model


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    about: str  # one line for `./dev vm list`
    run: str  # in the guest: 'thing.sh ARG...' is guest/thing.sh, 'thing ARG...' guest/thing.c
    kernel: str = 'stock'  # stock, stock-6.1, stock-7 or small (see kernel.py)
    iommu: str = 'intel'  # intel, amd, virtio or none
    devices: tuple = ()  # arguments of QEMU's -device, or X540(...)
    vfio: tuple = ()  # addresses such as '01:00.0', bound to vfio-pci before the test runs
    modules: tuple = ()  # loaded before that: 'name param=value'; no need to name vfio-pci
    append: str = ''  # more of the kernel's command line
    memory: int = 256  # MiB
    packages: tuple = ()  # Debian packages whose files the guest has
    programs: tuple = ()  # further programs of guest/*.c, for scripts: 'udpcheck' is in the path
    env: dict = dataclasses.field(default_factory=dict)  # environment of the test
    before: typing.Optional[typing.Callable] = None  # before(tmp, build), before models are served
    host: typing.Optional[typing.Callable] = None  # host(h), see machine.Host; runs beside the VM
    netns: bool = False  # models and host function run in a network namespace of their own
    qemu: tuple = ()  # more arguments of QEMU
    timeout: int = 600  # seconds; many times what it takes, for a machine that is busy

    def program(self):
        return shlex.split(self.run)[0]


def root_port(number, options=''):
    """A root port rp<number> at 00:1<number>.0; with one device behind each, the first that is
    declared has bus 01, the next 02, and so on."""
    return (f'pcie-root-port,id=rp{number},chassis={number},slot={number},bus=pcie.0,'
            f'addr=0x{0x10 + number:x}{"," + options if options else ""}')


def every_case():
    known = {}
    for name in cases.FILES:
        for case in importlib.import_module(f'cases.{name}').CASES:
            if case.name in known:
                raise ValueError(f'two VM cases are named {case.name}')
            known[case.name] = case
    return known


def declarations():
    """The files that say which cases there are."""
    return [os.path.join(HERE, 'case.py'), os.path.join(HERE, 'cases/__init__.py'),
            *(os.path.join(HERE, 'cases', name + '.py') for name in cases.FILES)]
