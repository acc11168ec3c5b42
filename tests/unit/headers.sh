#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every public header compiles alone, as C (gnu11) and as C++ (C++17), without a warning. One case
# per header, in TAP. CC names the compiler; its C++ front end is used too.
set -u
include=${WEIR_SOURCE_ROOT:?}/lib/include
CC=${CC:-cc}
n=0
failed=0
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT

compile() { # language standard header
    # CC may hold more than one word.
    # shellcheck disable=SC2086
    printf '#include <%s>\n' "$3" |
        $CC -x "$1" "-std=$2" -fsyntax-only -Wall -Wextra -Werror -I"$include" - >>"$errors" 2>&1
}

# Without a C++ front end every header would fail for the wrong reason.
if ! printf 'int main() {}\n' | $CC -x c++ -fsyntax-only - 2>"$errors"; then
    cat "$errors"
    echo "Bail out! $CC has no C++ front end: install g++"
    exit 1
fi

for header in $(cd "$include" && find weir -name '*.h' | LC_ALL=C sort); do
    n=$((n + 1))
    : >"$errors"
    if compile c gnu11 "$header" && compile c++ c++17 "$header"; then
        echo "ok $n - $header"
    else
        failed=$((failed + 1))
        echo "not ok $n - $header"
        sed 's/^/# /' "$errors"
    fi
done
echo "1..$n"
[ "$n" -gt 0 ] && [ "$failed" -eq 0 ]
