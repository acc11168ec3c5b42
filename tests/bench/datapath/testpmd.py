#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""testpmd.py COMMAND...: runs COMMAND with a command line of DPDK's testpmd behind it, and says on
the last line which version that is.

testpmd is of this machine's Debian release, unpacked in the cache of the virtual machines and not
installed. It has one port of net_null, which is no device: what it takes to start is the EAL's, the
memory's and its own. Without a terminal and with nothing to read it forwards a little and ends.
"""
import glob
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../vm'))
import debian  # noqa: E402
import initramfs  # noqa: E402


def main():
    try:
        root = debian.unpacked(initramfs.package_set(('dpdk-dev',)))
    except debian.Unavailable as error:
        print(f'testpmd.py: {error}', file=sys.stderr)
        return 1
    with open(os.path.join(root, 'versions'), encoding='utf-8') as listing:
        version = dict(line.split() for line in listing)['dpdk-dev']
    libraries = os.path.join(root, 'usr/lib', os.uname().machine + '-linux-gnu')
    plugins = glob.glob(os.path.join(libraries, 'dpdk/pmds-*'))[0]
    # The plugins it needs and no other: with all that Debian has it takes longer.
    more = os.path.join(root, 'lib', os.path.basename(libraries))
    os.environ['LD_LIBRARY_PATH'] = f'{libraries}:{more}'
    done = subprocess.run(
        [*sys.argv[1:], os.path.join(root, 'usr/bin/dpdk-testpmd'), '--no-pci', '--in-memory',
         '--no-telemetry', '-l', '0,1', '-d', os.path.join(plugins, 'librte_net_null.so'),
         '-d', os.path.join(plugins, 'librte_mempool_ring.so'), '--vdev=net_null0', '--',
         '--total-num-mbufs=2048', '--forward-mode=io'], check=False)
    print(version.split('-')[0])
    return done.returncode


if __name__ == '__main__':
    sys.exit(main())
