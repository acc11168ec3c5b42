# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# Sourced by ./dev: need_packages SET... installs the Debian packages of those sets that are missing.
# It leaves a machine alone that has them all, or that is no Debian.

packages_of() {
    case $1 in
    build)
        echo gcc libc6-dev meson ninja-build pkg-config libnuma-dev libhugetlbfs-dev libpci-dev \
            libjson-c-dev libpcap-dev libcmocka-dev systemtap-sdt-dev
        ;;
    test) echo clang g++ ;;
    traffic) echo iproute2 iputils-ping iperf3 ethtool tcpdump procps ;;
    vm) echo kmod make flex bison bc binutils libelf-dev xz-utils util-linux ;;
    lint) echo git clang-format cppcheck shellcheck codespell ;;
    fmt) echo git clang-format ;;
    esac
}

need_packages() {
    wanted=
    for set in "$@"; do
        wanted="$wanted $(packages_of "$set")"
    done
    if ! command -v dpkg-query >/dev/null; then
        echo "   not a Debian system, so nothing is installed; this needs the equivalents of:"
        echo "$wanted" | fold -sw 90 | sed 's/^ */     /'
        return 0
    fi
    missing=
    for package in $wanted; do
        # One line per architecture; a removed package is known, too, as "not-installed".
        dpkg-query -Wf '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            missing="$missing $package"
    done
    [ -n "$missing" ] || return 0

    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        as_root=sudo
        if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
            echo "dev: packages are missing and only root can install them. Run, as root:" >&2
            echo "    apt-get update && apt-get install --no-install-recommends -y$missing" >&2
            exit 1
        fi
    fi
    step "install:$missing" install_packages || exit 1
}

install_packages() {
    # shellcheck disable=SC2016,SC2086 # $@ is for the inner shell; the others are lists of words
    $as_root env DEBIAN_FRONTEND=noninteractive sh -c '
        apt-get -qq update && apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 \
            install --no-install-recommends -y "$@" >/dev/null' apt $missing && return 0
    echo "dev: apt-get could not install these; see what it says above (network, sources.list?)" >&2
    return 1
}
