# SPDX-License-Identifier: BSD-3-Clause
"""Initramfs archives. A guest gets three, one after the other: the base (busybox and modules of one
kernel, kept in the cache), the files of Debian packages if the case wants any (kept as well), and
the project's own files, written for each run.

Format: Documentation/driver-api/early-userspace/buffer-format.rst in the kernel's source, "newc".
Every path is stored below /usr where Debian has merged /bin, /lib, /lib64 and /sbin into it.
"""
import contextlib
import hashlib
import lzma
import os
import re
import shutil
import stat
import subprocess
import tempfile

import debian

BUSYBOX = debian.PackageSet('busybox', ('bookworm',), ('busybox-static',), keep='^busybox')
HERE = os.path.dirname(os.path.abspath(__file__))
MERGED = ('bin', 'sbin', 'lib', 'lib64')
FOLDERS = ('proc', 'sys', 'dev', 'tmp', 'run', 'root', 'etc', 'test', 'usr/bin', 'usr/sbin',
           'usr/lib', 'usr/lib64', 'dev/hugepages')
# In every guest, with what they depend on, if the kernel has them as modules: VFIO, the IOMMU that
# is one, and host drivers that devices are taken from or tested with.
MODULES = ('vfio-pci', 'vfio_iommu_type1', 'virtio_pci', 'virtio_iommu', 'pci-stub', 'ixgbe',
           'ixgbevf', 'igb', 'igbvf', 'e1000e', 'nvme', 'ahci', 'virtio_net', 'virtio_console',
           'tun', 'veth', '8021q')
# Of the packages that a case asks for a guest needs no words, nothing to build with, and none of what
# they only depend on for their installation.
LEFT_OUT = re.compile(r'^usr/(include|share/(doc|man|info|locale|lintian|bash-completion))/|\.a$'
                      r'|/gconv/|^(usr/)?lib/udev/')
NOT_RUN = '^(debconf|dpkg|gcc-.*-base|(lib)?perl.*|(lib)?python3.*|tar|usrmerge)$'


class Archive:
    """A cpio archive that is being written to a binary file."""

    def __init__(self, out):
        self.out = out
        self.known = set()
        self.inode = 0

    def close(self):
        self._entry('TRAILER!!!', 0)
        self.out.write(bytes(-self.out.tell() % 512))

    def _entry(self, name, mode, data=b'', device=(0, 0)):
        self.inode += 1
        encoded = name.encode() + b'\0'
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        self.out.write(b'070701' + b''.join(b'%08X' % field for field in fields) + encoded)
        self.out.write(bytes(-self.out.tell() % 4) + data)
        self.out.write(bytes(-self.out.tell() % 4))

    def _place(self, path):
        """Where `path` goes; the folders above it are made."""
        path = os.path.normpath(path).lstrip('/')
        if path.split('/')[0] in MERGED:
            path = 'usr/' + path
        parts = path.split('/')
        for depth in range(1, len(parts)):
            self._folder('/'.join(parts[:depth]))
        return path

    def _folder(self, path):
        if path not in self.known:
            self.known.add(path)
            self._entry(path, stat.S_IFDIR | (0o1777 if path == 'tmp' else 0o755))

    def folder(self, path):
        self._folder(self._place(path))

    def link(self, path, target):
        path = self._place(path)
        if path not in self.known:
            self.known.add(path)
            self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def device(self, path, mode, major, minor):
        self._entry(self._place(path), stat.S_IFCHR | mode, device=(major, minor))

    def text(self, path, data, mode=0o644):
        self._data(path, data if isinstance(data, bytes) else data.encode(), mode)

    def _data(self, path, data, mode):
        path = self._place(path)
        if path not in self.known:
            self.known.add(path)
            self._entry(path, stat.S_IFREG | mode, data)

    def file(self, path, source):
        with open(source, 'rb') as data:
            mode = 0o755 if os.fstat(data.fileno()).st_mode & 0o111 else 0o644
            self._data(path, data.read(), mode)

    def tree(self, source, leave_out=None):
        """All below the folder `source`, as if that were the root."""
        for top, folders, files in os.walk(source):
            folders.sort()
            inside = os.path.relpath(top, source)
            for name in sorted(files + [f for f in folders
                                        if os.path.islink(os.path.join(top, f))]):
                path = os.path.normpath(os.path.join(inside, name))
                full = os.path.join(top, name)
                if path in MERGED or (leave_out and leave_out.search(path)):
                    continue
                if os.path.islink(full):
                    self.link(path, os.readlink(full))
                elif os.path.isfile(full):
                    self.file(path, full)

    def program(self, path, source):
        """A program and the shared libraries that ldd finds for it on this machine."""
        self.file(path, source)
        listing = subprocess.run(['ldd', source], capture_output=True, text=True, check=False)
        if 'not found' in listing.stdout:
            raise debian.Unavailable(f'{source} lacks libraries:\n{listing.stdout}')
        for name, found in re.findall(r'^\s*(?:(\S+) => )?(/\S+) \(0x', listing.stdout, re.M):
            # The loader by the path that programs name, the others where it looks for them.
            self.file(f'usr/lib/x86_64-linux-gnu/{name}' if name else found, found)


def module_files(kernel, names):
    """Paths, below the kernel's module folder, of these modules and what they depend on; names that
    are built in need none. {path: None}, in order, and the list of names that are unknown."""
    needs = {}
    with open(os.path.join(kernel.modules, 'modules.dep'), encoding='utf-8') as listing:
        for line in listing:
            path, _, rest = line.partition(':')
            needs[_module_name(path)] = [path, *rest.split()]
    built_in = set()
    with contextlib.suppress(FileNotFoundError):  # Debian's 7.x packages have no such list
        with open(os.path.join(kernel.modules, 'modules.builtin'), encoding='utf-8') as listing:
            built_in = {_module_name(line.strip()) for line in listing}
    files, unknown = {}, []
    for name in names:
        normal = name.replace('-', '_')
        if normal in needs:
            files.update(dict.fromkeys(needs[normal]))
        elif normal not in built_in:
            unknown.append(name)
    return files, unknown


def _module_name(path):
    return os.path.basename(path).split('.')[0].replace('-', '_')


def base(kernel, more_modules=()):
    """The path of the base archive for this kernel, made if it is not in the cache."""
    box = debian.present(BUSYBOX)
    with open(__file__, 'rb') as recipe:
        key = hashlib.sha256(recipe.read())
    key.update(repr((kernel.key, box, sorted(more_modules))).encode())
    path = debian.cache('initramfs', f'base-{kernel.key}-{key.hexdigest()[:8]}.cpio')
    return _made(path, lambda archive: _write_base(archive, kernel, box, more_modules))


def _made(path, write):
    """Two runs may make the same archive at the same time; both are right, the later one stays."""
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        making, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix='.making-')
        try:
            with open(making, 'wb') as out:
                archive = Archive(out)
                write(archive)
                archive.close()
            os.rename(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    return path


def _write_base(archive, kernel, box, more_modules):
    for folder in FOLDERS:
        archive.folder(folder)
    for name in MERGED:
        archive._entry(name, stat.S_IFLNK | 0o777, ('usr/' + name).encode())
    # The kernel opens it for init before anything can be mounted on /dev.
    archive.device('dev/console', 0o600, 5, 1)
    program = os.path.join(box, 'bin/busybox')
    archive.file('bin/busybox', program)
    for applet in debian.run(program, '--list-full').split():
        archive.link(applet, '/usr/bin/busybox')

    files, _ = module_files(kernel, MODULES)
    wanted, unknown = module_files(kernel, more_modules)
    if unknown:
        raise debian.Unavailable(f'kernel {kernel.release} has no {", ".join(unknown)}')
    with tempfile.TemporaryDirectory() as staging:
        inside = f'lib/modules/{kernel.release}'
        for path in {**files, **wanted}:
            source, target = os.path.join(kernel.modules, path), os.path.join(staging, inside, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if path.endswith('.xz'):  # uncompressed: the guest is slow at it, and busybox cannot
                with lzma.open(source) as packed, open(target[:-len('.xz')], 'wb') as plain:
                    shutil.copyfileobj(packed, plain)
            else:
                shutil.copy(source, target)
        for name in ('modules.order', 'modules.builtin', 'modules.builtin.modinfo'):
            if os.path.exists(os.path.join(kernel.modules, name)):
                shutil.copy(os.path.join(kernel.modules, name), os.path.join(staging, inside, name))
        debian.run(debian.depmod(), '-b', staging, kernel.release)
        archive.tree(staging)


def package_set(packages):
    """The packages that a case wants in its guest. They come from the machine's own release, since
    the project's binaries bring this machine's libraries, and both have to get along."""
    return debian.PackageSet('guest-' + '-'.join(packages), (debian.codename(),), tuple(packages),
                             drop=NOT_RUN)


def packages_layer(packages):
    """The path of the archive with these packages' files, which have to be in the cache."""
    folder = debian.present(package_set(packages))
    path = debian.cache('initramfs', os.path.basename(folder) + '.cpio')
    return _made(path, lambda archive: archive.tree(folder, LEFT_OUT))


def own_layer(path, build, run, settings, programs=()):
    """The project's files for one run of a case: its programs, the test, and what init has to do."""
    with open(path, 'wb') as out:
        archive = Archive(out)
        archive.file('init', os.path.join(HERE, 'guest/init.sh'))
        for name in ('tools/weir', 'examples/copy', 'examples/l2fwd'):
            archive.program('usr/bin/' + os.path.basename(name), os.path.join(build, name))
        for name in programs:
            archive.program(f'usr/bin/{name}', os.path.join(build, 'tests/vm', f'vm_{name}'))
        for name in sorted(os.listdir(os.path.join(HERE, 'guest'))):
            if name.endswith('.sh'):
                archive.file(f'test/{name}', os.path.join(HERE, 'guest', name))
        if not run.endswith('.sh'):
            archive.program(f'test/{run}', os.path.join(build, 'tests/vm', f'vm_{run}'))
        archive.text('etc/passwd', 'root::0:0:root:/root:/bin/sh\n'
                                   'user::1000:1000:user:/tmp:/bin/sh\n')
        archive.text('etc/group', 'root:x:0:\nuser:x:1000:\n')
        archive.text('etc/case', settings)
        archive.close()
