#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# gen-exports.sh INCLUDE-DIR OUTPUT: writes a header that includes every public header with default
# visibility. The output is touched only when it changes, so that it costs no rebuild.
set -eu
new=$2.new
{
    echo '#pragma GCC visibility push(default)'
    (cd "$1" && find weir -name '*.h' | LC_ALL=C sort) | sed 's/.*/#include <&>/'
    echo '#pragma GCC visibility pop'
} >"$new"
if cmp -s "$new" "$2"; then rm -f "$new"; else mv -f "$new" "$2"; fi
