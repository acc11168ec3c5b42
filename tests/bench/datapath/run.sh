#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# `./dev bench datapath`: what the X540 driver costs per packet, beside a bare descriptor loop and
# DPDK's ixgbe. See usage.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${WEIR_BUILD_ROOT:?run ./dev bench datapath}
peers=${WEIR_SOURCE_ROOT:?run ./dev bench datapath}/build/peers

usage() {
    cat <<END
usage: ./dev bench datapath [--json] [--quick] [--suite SUITE] [--require-peers] [--no-peers]
                            [--gate] [--document]

  --json           print JSON
  --quick          fewer bursts and cases
  --suite SUITE    DPDK from that Debian release instead of the machine's own: trixie, forky
  --require-peers  fail if no DPDK can be had or started
  --no-peers       without DPDK: fetch nothing
  --gate           nothing but the instructions and register accesses of the drivers in the tree,
                   held to tests/bench/datapath/limits.tsv with 3 % of slack
  --document       write docs/performance.md from a run
END
}

suite=
require=
gate=
document=
peer=yes
options=
while [ $# -gt 0 ]; do
    case $1 in
    --json) options="$options --json" ;;
    --quick) options="$options --quick" ;;
    --suite)
        suite=${2:?--suite wants a name}
        shift
        ;;
    --require-peers) require=--require-peers ;;
    --no-peers) peer= ;;
    --gate) gate=yes ;;
    --document) document=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    shift
done

if [ -n "$gate" ]; then
    "$build/tests/bench/datapath" --json --instructions --drivers weir,floor |
        python3 "$here/report.py" gate "$here/limits.tsv"
    exit
fi

start=
if [ -n "$peer" ]; then
    # shellcheck disable=SC2086 # a word or none
    if found=$(sh "$here/dpdk.sh" "$peers" $suite); then
        start=$(echo "$found" | sed '$d')
        options="$options --peer $(echo "$found" | tail -n 1)"
    else
        echo "bench: NO DPDK HERE, so nothing to compare with: see above" >&2
        [ -z "$require" ] || exit 1
    fi
fi
# shellcheck disable=SC2086 # lists of words
set -- $start "$build/tests/bench/datapath" $options $require
if [ -n "$document" ]; then
    "$@" --json >"$build/datapath.json"
    "$build/tests/bench/start" "$build/examples/l2fwd" >"$build/start.txt"
    if [ -n "$peer" ] && ! python3 "$here/testpmd.py" "$build/tests/bench/start" \
        >>"$build/start.txt" 2>"$build/testpmd.log"; then
        tail -n 5 "$build/testpmd.log" >&2
        echo "bench: testpmd's start was not measured: see above" >&2
        [ -z "$require" ] || exit 1
    fi
    python3 "$here/report.py" document "$build/datapath.json" "$build/start.txt" \
        "$WEIR_SOURCE_ROOT/docs/performance.md"
else
    "$@"
fi
