#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""seeds.py FOLDER: snapshots of the made-up machines, for the fuzzer to begin with."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import situations as s  # noqa: E402

os.makedirs(sys.argv[1], exist_ok=True)
machines = [s.plx(), s.pch_ports(), s.x540('6.1.0', (2, 3)), s.connectx(), s.no_groups(),
            s.disk_in_group(), s.override(), s.conventional(), s.switch(), s.root_complex()]
for number, machine in enumerate(machines):
    with tempfile.TemporaryDirectory() as root:
        machine.write(root)
        subprocess.run(['weir', 'snapshot', '--root', root, '-o',
                        os.path.join(sys.argv[1], f'{number}.snap')], check=True)
