#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# exports.sh LIBWEIR.SO: what the shared library exports, runs at load time and weighs. In TAP.
set -u
lib=$1
include=${WEIR_SOURCE_ROOT:?}/lib/include
limit=$((512 * 1024))
failed=0
n=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

result() { # status description
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n - $2"
    else
        failed=1
        echo "not ok $n - $2"
        sed 's/^/# /' "$tmp/why"
    fi
}

# 1. The names.
nm -D --defined-only "$lib" | awk '{ print $NF }' | sed 's/@.*//' | LC_ALL=C sort >"$tmp/exported"
grep -v '^weir_' "$tmp/exported" >"$tmp/why"
[ ! -s "$tmp/why" ]
result $? "every exported symbol is weir_*"

# 2. What the public headers declare is there to be linked with. GCC's -aux-info lists the
# functions that a header declares, with the header's name.
if command -v gcc >/dev/null; then
    (cd "$include" && find weir -name '*.h' | LC_ALL=C sort) |
        sed 's/.*/#include <&>/' >"$tmp/all.c"
    gcc -D_GNU_SOURCE -std=gnu11 -fsyntax-only -aux-info "$tmp/all.aux" -I"$include" "$tmp/all.c"
    awk -v from="/* $include/weir/" 'index($0, from) == 1 && / extern / &&
        match($0, /[ *]weir_[a-z0-9_]+ \(/) { print substr($0, RSTART + 1, RLENGTH - 3) }' \
        "$tmp/all.aux" | LC_ALL=C sort -u >"$tmp/declared"
    echo "declared but not exported (not defined, or outside WEIR_BEGIN_DECLS):" >"$tmp/why"
    LC_ALL=C comm -23 "$tmp/declared" "$tmp/exported" >"$tmp/missing"
    cat "$tmp/missing" >>"$tmp/why"
    [ -s "$tmp/declared" ] && [ ! -s "$tmp/missing" ]
    result $? "every function of the public headers is exported"
fi

# 3. Nothing runs when the library is loaded: the one entry is the compiler's own frame_dummy.
size=$(readelf -SW "$lib" | sed 's/^ *\[ *[0-9]*\]//' | awk '$1 == ".init_array" { print $5 }')
echo ".init_array holds 0x$size bytes, one pointer expected" >"$tmp/why"
[ $((0x${size:-0})) -le 8 ]
result $? "no constructors"

# 4. The size.
strip -o "$tmp/stripped.so" "$lib"
size=$(stat -c %s "$tmp/stripped.so")
echo "$size bytes, $limit allowed" >"$tmp/why"
[ "$size" -lt "$limit" ]
result $? "stripped: $size bytes, under $limit"

echo "1..$n"
[ "$failed" -eq 0 ]
