#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# installed.sh [PREFIX]: builds the examples as an outside user does, against the installed library and
# with nothing but pkg-config, and runs one. Started by scripts/with-install.sh, which says where
# the library is in PKG_CONFIG_PATH and LD_LIBRARY_PATH.
set -u
prefix=${1:-${WEIR_PREFIX:?}}
cc=${CC:-cc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
n=0

result() { # status description
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n - $2"
    else
        failed=1
        echo "not ok $n - $2"
        sed 's/^/# /' "$tmp/log"
    fi
}

# Copies: what the source tree holds beside them is out of reach.
cp "${WEIR_SOURCE_ROOT:?}"/examples/* "$tmp"
cd "$tmp" || exit 1

[ "$(pkg-config --modversion weir 2>log)" = "$(sed -n 's/.*WEIR_VERSION "\(.*\)"/\1/p' \
    "$prefix/include/weir/weir.h")" ]
result $? "weir.pc has the version of the headers"

make CC="$cc" CFLAGS='-O2 -Werror' >log 2>&1
result $? "make builds the examples without a warning"

# shellcheck disable=SC2046 # words of a command line
$cc -o hello-alone hello.c $(pkg-config --cflags --libs weir) >log 2>&1
result $? "one line builds hello"

ldd hello-alone >log 2>&1 && grep -q "libweir.so.* => $prefix/" log
result $? "it uses the installed library"

timeout 20 ./hello-alone 'model:x540?wire=loopback' >log 2>&1 &&
    grep -q 'link up' log && grep -q '^received 60 bytes: hello' log
result $? "hello receives the frame that it sent through a model"

libdir=$(pkg-config --variable=libdir weir)
# shellcheck disable=SC2046
$cc -o hello-static hello.c $(pkg-config --cflags weir) "$libdir/libweir.a" \
    $(pkg-config --static --libs-only-l weir | sed 's/-lweir//') >log 2>&1 &&
    ! ldd hello-static | grep -q libweir && timeout 20 ./hello-static >log 2>&1
result $? "hello works with the static library, too"

timeout 20 ./l2fwd --count 1000 --duration 15 'model:x540?wire=gen:size=60,count=1000' \
    'model:x540?wire=loopback' >log 2>&1 && grep -q '^port 1:.* tx 1000,' log
result $? "l2fwd forwards 1000 frames between two models"

timeout 20 "$prefix/bin/weir" version >log 2>&1 && grep -q "^weir $(pkg-config --modversion weir)," log
result $? "weir version"

for page in weir weir-model weir-ports weir-regs; do
    [ -f "$prefix/share/man/man1/$page.1" ] || echo "$page.1"
done >log
[ ! -s log ]
result $? "the man pages are installed"

echo "1..$n"
[ "$failed" -eq 0 ]
