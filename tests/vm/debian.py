# SPDX-License-Identifier: BSD-3-Clause
"""Debian packages, of any release, downloaded and unpacked into a cache folder; never installed.

A PackageSet names packages and the suites they come from. unpacked(SET) returns the folder with
their files, which is made when it is not there. The mirror is that of the machine's own apt; its
settings (proxies, sandboxing) hold, but lists, sources, status and archives are the cache's own, so
the machine's apt sees nothing of it. apt verifies signatures and checksums as always.

The cache is $WEIR_CACHE, by default ~/.cache/weir. A folder there carries the version of the set's
first package and a hash of the set's declaration, appears whole or not at all, and is never changed
afterwards: several runs can share it. Nothing is asked of the network while the folder is there.
"""
import contextlib
import dataclasses
import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time

KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
INST = re.compile(r'^Inst (\S+) (?:\[\S+\] )?\((\S+)')


class Unavailable(Exception):
    """Something that this tier needs cannot be had on this machine; says what and why."""


@dataclasses.dataclass(frozen=True)
class PackageSet:
    name: str
    suites: tuple  # suite[/component] of the mirror; packages may come from the last one
    packages: tuple
    keep: str = '.'  # only packages whose name matches this regular expression are unpacked
    drop: str = '^$'  # and of those not the ones that match this

    def key(self):
        return hashlib.sha256(repr(self).encode()).hexdigest()[:8]


def cache(*parts):
    base = os.environ.get('WEIR_CACHE') or os.path.join(
        os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'weir')
    return os.path.join(os.path.abspath(base), *parts)


@contextlib.contextmanager
def locked(name):
    """One process at a time; the lock goes with the process, however that ends."""
    os.makedirs(cache(), exist_ok=True)
    with open(cache(name + '.lock'), 'w', encoding='utf-8') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def made_whole(folder):
    """A new folder to fill, which becomes `folder` when the block is left without an exception. The
    caller holds the lock of the folder above, so what is half made there was left by a killed run."""
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    for left in glob.glob(os.path.join(os.path.dirname(folder), '.making-*')):
        shutil.rmtree(left, ignore_errors=True)
    temporary = tempfile.mkdtemp(prefix='.making-', dir=os.path.dirname(folder))
    try:
        os.chmod(temporary, 0o755)
        yield temporary
        os.rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def run(*command, **options):
    """Runs a command and returns what it wrote; a failure carries the end of that."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, text=True, errors='replace', check=False,
                              **options)
    except FileNotFoundError as error:
        raise Unavailable(f'{command[0]} is not on this machine: {error}') from error
    if done.returncode:
        tail = '\n   '.join(done.stdout.strip().splitlines()[-8:])
        raise Unavailable(f'{" ".join(command[:1])} failed with {done.returncode}:\n   {tail}')
    return done.stdout


def codename():
    """The machine's own release, such as bookworm."""
    with open('/etc/os-release', encoding='utf-8') as release:
        match = re.search(r'^VERSION_CODENAME="?(\w+)', release.read(), re.M)
    return match[1] if match else 'sid'


def mirror():
    """The URI of Debian's archive, from the machine's own apt sources."""
    own = codename()
    targets = run('apt-get', 'indextargets', '--format', '$(RELEASE) $(COMPONENT) $(REPO_URI)',
                  'Created-By: Packages')
    for line in targets.splitlines():
        suite, component, uri = line.split(' ', 2)
        if component == 'main' and suite in (own, 'stable', 'testing', 'unstable', 'sid'):
            return uri
    raise Unavailable('no source of apt on this machine is an archive of Debian')


class Apt:
    """apt with a state of its own; `status` is empty, so that every dependency counts as missing."""

    def __init__(self, suites):
        self.suite = suites[-1].split('/')[0]
        self.root = cache('apt')
        for folder in ('lists/partial', 'archives/partial'):
            os.makedirs(os.path.join(self.root, folder), exist_ok=True)
        signed = f'[signed-by={KEYRING}] ' if os.path.exists(KEYRING) else ''
        uri = mirror()
        self.sources = os.path.join(self.root, f'{"+".join(suites)}.list'.replace('/', ','))
        with open(self.sources, 'w', encoding='utf-8') as sources:
            for suite in suites:
                name, _, component = suite.partition('/')
                sources.write(f'deb {signed}{uri} {name} {component or "main"}\n')
        with open(os.path.join(self.root, 'status'), 'w', encoding='utf-8'):
            pass
        self.options = [f'-oDir::State={self.root}', f'-oDir::State::Lists={self.root}/lists',
                        f'-oDir::State::status={self.root}/status', f'-oDir::Cache={self.root}',
                        f'-oDir::Etc::sourcelist={self.sources}', '-oDir::Etc::sourceparts=-',
                        '-oDir::Etc::preferences=-', '-oDir::Etc::preferencesparts=-',
                        '-oAPT::Get::List-Cleanup=false', '-oAPT::Sandbox::User=',
                        '-oAcquire::Retries=3', '-oAcquire::Languages=none', '-qq']

    def get(self, *command, **options):
        return run('apt-get', *self.options, *command, env=dict(os.environ, LC_ALL='C'), **options)

    def update(self):
        # Without the setting a suite that could not be read is a warning and old lists are used.
        self.get('-oAPT::Update::Error-Mode=any', 'update')

    def closure(self, packages):
        """[(name, version)] of the packages and all that they depend on."""
        plan = self.get('-s', '--no-install-recommends', '-t', self.suite, 'install', *packages)
        return [match.groups() for match in map(INST.match, plan.splitlines()) if match]


def present(package_set):
    """The set's newest folder, or None."""
    base = cache('packages')
    end = '_' + package_set.key()
    names = [name for name in (os.listdir(base) if os.path.isdir(base) else ())
             if name.startswith(package_set.name + '_') and name.endswith(end)]
    folders = [os.path.join(base, name) for name in names]
    return max(folders, key=os.path.getmtime) if folders else None


def index_modules(root):
    """What the post-install script of a kernel package does: without it modprobe finds nothing."""
    if not os.path.exists(os.path.join(root, 'lib/modules')):
        if not os.path.isdir(os.path.join(root, 'usr/lib/modules')):
            return
        os.symlink('usr/lib', os.path.join(root, 'lib'))
    for release in os.listdir(os.path.join(root, 'lib/modules')):
        run(depmod(), '-b', root, release)


def depmod():
    return shutil.which('depmod', path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin') or 'depmod'


def unpacked(package_set):
    """The folder that holds the files of the set's packages, as below /."""
    folder = present(package_set)
    if folder:
        return folder
    with locked('apt'):
        folder = present(package_set)  # another run may have made it while this one waited
        if folder:
            return folder
        start = time.monotonic()
        apt = Apt(package_set.suites)
        apt.update()
        chosen = [(name, version) for name, version in apt.closure(package_set.packages)
                  if re.search(package_set.keep, name) and not re.search(package_set.drop, name)]
        if not chosen:
            raise Unavailable(f'{package_set.name}: no package matches {package_set.keep}')
        versions = dict(chosen)
        lead = versions.get(package_set.packages[0]) or chosen[-1][1]
        folder = cache('packages', f'{package_set.name}_{lead.split(":")[-1]}_'
                       + package_set.key())
        with made_whole(folder) as making:
            debs = tempfile.mkdtemp(prefix='debs-', dir=making)
            apt.get('download', *(f'{name}={version}' for name, version in chosen), cwd=debs)
            size = 0
            for deb in sorted(os.listdir(debs)):
                path = os.path.join(debs, deb)
                size += os.path.getsize(path)
                run('dpkg-deb', '-x', path, making)
            shutil.rmtree(debs)
            index_modules(making)
            with open(os.path.join(making, 'versions'), 'w', encoding='utf-8') as listing:
                listing.writelines(f'{name} {version}\n' for name, version in chosen)
        print(f'   {package_set.name} {lead}: {len(chosen)} packages, {size >> 20} MiB,'
            f' unpacked in {time.monotonic() - start:.0f} s')
        return folder
