#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# dpdk.sh FOLDER [SUITE]: fetch DPDK as Debian packages it (this release's, or another suite's) and
# compile the peer against it. Nothing is installed and nothing needs to be: packages are unpacked
# below FOLDER. Prints the command that starts a program with the peer's libraries, if any is needed,
# and last the peer.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. /etc/os-release
suite=${2:-${VERSION_CODENAME:?no Debian release}}
mkdir -p "$1/$suite"
dir=$(cd "$1/$suite" && pwd)
root=$dir/root
lib=$root/usr/lib/x86_64-linux-gnu

fail() {
    echo "dpdk.sh: $*" >&2
    exit 1
}

# An apt of its own: the machine's mirror and keys, another suite, sources too.
fetch() {
    # shellcheck disable=SC2016 # apt's own
    site=$(apt-get indextargets --format '$(SITE) $(ORIGIN)' | awk '$2 == "Debian" { print $1; exit }')
    [ -n "$site" ] || fail "apt knows no Debian mirror"
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    printf '%s\n' "deb [signed-by=$keys] $site $suite main" \
        "deb-src [signed-by=$keys] $site $suite main" >"$dir/sources.list"
    set -- -qq -o "Dir::State::Lists=$dir/lists" -o "Dir::Etc::sourcelist=$dir/sources.list" \
        -o Dir::Etc::sourceparts=- -o "Dir::Cache=$dir/cache" -o APT::Sandbox::User=root
    apt-get "$@" update >&2 || fail "apt-get update of $suite failed"
    packages="libdpdk-dev libbsd-dev libbsd0 libmd0 libnuma1"
    # Another release's libraries want its C library.
    [ "$suite" = "$VERSION_CODENAME" ] || packages="$packages libc6"
    # shellcheck disable=SC2086 # a list of words
    (cd "$dir" && rm -f ./*.deb && apt-get "$@" download $packages >&2) ||
        fail "cannot fetch DPDK of $suite"
    rm -rf "$root" "$dir/headers"
    mkdir -p "$root" "$dir/headers"
    for deb in "$dir"/*.deb; do
        dpkg-deb -x "$deb" "$root"
    done
    # Headers for drivers are not in the package: of the sources, these alone.
    if (cd "$dir" && apt-get "$@" source --download-only dpdk >&2); then
        tar -xJf "$dir"/dpdk_*.orig.tar.xz -C "$dir/headers" --strip-components=1 --wildcards \
            '*/drivers/bus/pci/bus_pci_driver.h' '*/lib/eal/include/*_driver.h'
    else
        # Some mirrors have no sources of newer suites. Two structs are all that is wanted, the same
        # from 22.11 to 25.11 at least; with others the peer would not start.
        [ "$suite" != "$VERSION_CODENAME" ] || fail "cannot fetch DPDK's sources"
        echo "dpdk.sh: no sources of DPDK in $suite: driver headers of $VERSION_CODENAME's" >&2
        sh "$0" "$dir/.." >/dev/null
        cp -r "$dir/../$VERSION_CODENAME/headers/." "$dir/headers"
    fi
    touch "$dir/fetched"
}

[ "$(uname -m)" = x86_64 ] || fail "the peer is built for x86-64 only"
command -v apt-get >/dev/null || fail "not a Debian system"
[ -e "$dir/fetched" ] || fetch

set --
for name in bus_pci bus_vdev pci ethdev net mbuf mempool ring hash rcu security cryptodev eal log \
    argparse kvargs telemetry meter timer pmu; do
    [ ! -e "$lib/librte_$name.a" ] || set -- "$@" "-l:librte_$name.a"
done
include=$root/usr/include
# -march: what the inline functions in DPDK's headers want at least, and Debian builds it for.
${CC:-gcc} -shared -fPIC -O3 -march=nehalem -w -D_GNU_SOURCE -DALLOW_INTERNAL_API \
    -DALLOW_EXPERIMENTAL_API -include "$include/x86_64-linux-gnu/dpdk/rte_config.h" \
    -I"$dir/headers/drivers/bus/pci" -I"$dir/headers/lib/eal/include" -I"$include/dpdk" \
    -I"$include/x86_64-linux-gnu/dpdk" -I"$include" -I"$include/x86_64-linux-gnu" -o "$dir/dpdk.so" "$here/dpdk.c" \
    -Wl,--wrap=rte_pci_register -L"$lib" -L"$root/lib/x86_64-linux-gnu" \
    -Wl,--whole-archive -l:librte_net_ixgbe.a -l:librte_mempool_ring.a -Wl,--no-whole-archive \
    -Wl,--start-group "$@" -Wl,--end-group -l:libbsd.so.0 -l:libnuma.so.1 -lm >&2 ||
    fail "DPDK of $suite does not compile"
path=$lib:$root/lib/x86_64-linux-gnu
if [ "$suite" = "$VERSION_CODENAME" ]; then
    echo "env LD_LIBRARY_PATH=$path"
else
    echo "$lib/ld-linux-x86-64.so.2 --library-path $path"
fi
echo "$dir/dpdk.so"
