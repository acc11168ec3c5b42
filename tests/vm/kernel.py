# SPDX-License-Identifier: BSD-3-Clause
"""The kernels that the VM tests boot: Debian's own, unpacked, and the small one, built here once.

The small kernel is Debian's source of 6.12 with small.config. It is kept in the cache by the version
of the source and a hash of the configuration.
"""
import dataclasses
import glob
import hashlib
import os
import re
import shutil
import time

import debian

STOCK = {
    'stock': debian.PackageSet('linux-6.12', ('bookworm', 'bookworm-backports'),
                               ('linux-image-amd64',), keep='^linux-(image|modules|binary)-'),
    'stock-6.1': debian.PackageSet('linux-6.1', ('bookworm',), ('linux-image-amd64',),
                                   keep='^linux-(image|modules|binary)-'),
    'stock-7': debian.PackageSet('linux-7', ('trixie', 'trixie-backports'),
                                 ('linux-image-amd64',), keep='^linux-(image|modules|binary)-'),
}
SOURCE = debian.PackageSet('linux-source-6.12', ('bookworm', 'bookworm-backports'),
                           ('linux-source-6.12',), keep='^linux-source-6')
CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'small.config')
KINDS = (*STOCK, 'small')


@dataclasses.dataclass(frozen=True)
class Kernel:
    image: str  # what QEMU's -kernel takes
    modules: str  # the folder with modules.dep
    release: str  # what uname -r says
    key: str  # another one for every build


def _kernel(root, *images):
    releases = os.listdir(os.path.join(root, 'lib/modules'))
    if len(releases) != 1:
        raise debian.Unavailable(f'{root}: one kernel expected, found {releases}')
    found = [path for image in images for path in glob.glob(os.path.join(root, image))]
    if len(found) != 1:
        raise debian.Unavailable(f'{root}: one {" or ".join(images)} expected, found {found}')
    return Kernel(found[0], os.path.join(root, 'lib/modules', releases[0]), releases[0],
                  os.path.basename(root))


def present(kind):
    """The kernel, if it is in the cache, or None."""
    if kind == 'small':
        folders = glob.glob(debian.cache('kernels', f'small-*-{_small_key()}'))
        return _kernel(max(folders, key=os.path.getmtime), 'vmlinux') if folders else None
    root = debian.present(STOCK[kind])
    # Debian's packages put it in /boot, from 7.x on beside its modules.
    return _kernel(root, 'boot/vmlinuz-*', 'lib/modules/*/vmlinuz') if root else None


def prepare(kind, jobs):
    """The kernel, fetched or built if it is not in the cache."""
    if kind != 'small':
        debian.unpacked(STOCK[kind])
    elif not present(kind):
        with debian.locked('small-kernel'):
            if not present(kind):
                _build(jobs)
    return present(kind)


def _wanted():
    with open(CONFIG, encoding='utf-8') as config:
        return [line.strip() for line in config if line.startswith(('CONFIG_', '# CONFIG_'))]


def _small_key():
    return hashlib.sha256('\n'.join([SOURCE.key(), *_wanted()]).encode()).hexdigest()[:8]


def _build(jobs):
    start = time.monotonic()
    source = debian.unpacked(SOURCE)
    version = re.search(r'_([0-9.]+)', os.path.basename(source))[1]
    print(f'   small kernel {version}: being built, once, with {jobs} jobs')
    with debian.made_whole(debian.cache('kernels', f'small-{version}-{_small_key()}')) as folder:
        tree = os.path.join(folder, 'tree')
        os.mkdir(tree)
        tarball, = glob.glob(os.path.join(source, 'usr/src/linux-source-*.tar.xz'))
        debian.run('tar', '-xJf', tarball, '-C', tree, '--strip-components=1')
        # The release is the same for everybody, and so is what the kernel says of its making.
        make = ['make', '-s', '-C', tree, f'-j{jobs}', 'LOCALVERSION=-weir',
                'KBUILD_BUILD_USER=weir', 'KBUILD_BUILD_HOST=weir']
        debian.run(*make, f'KCONFIG_ALLCONFIG={CONFIG}', 'allnoconfig')
        config = os.path.join(tree, '.config')
        with open(config, encoding='utf-8') as got:
            lines = set(got.read().splitlines())
        refused = [line for line in _wanted() if line not in lines]
        if refused:
            raise debian.Unavailable('the source does not take of small.config: '
                                     + ', '.join(refused))
        debian.run(*make, 'vmlinux', 'modules')
        debian.run(*make, f'INSTALL_MOD_PATH={folder}', 'modules_install')
        debian.run('strip', '-o', os.path.join(folder, 'vmlinux'), os.path.join(tree, 'vmlinux'))
        shutil.copy(config, os.path.join(folder, 'config'))
        shutil.rmtree(tree)
        for link in glob.glob(os.path.join(folder, 'lib/modules/*/build')):
            os.unlink(link)
    print(f'   small kernel {version}: built in {time.monotonic() - start:.0f} s')
