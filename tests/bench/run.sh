#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The figures of `./dev bench`, beside the limits they are held to. Sizes and memory are facts of the
# build; times are this machine's, median and worst. Exit status 1 if a limit does not hold.
set -eu
if [ "${1-}" = datapath ]; then
    shift
    exec sh "$(dirname "$0")/datapath/run.sh" "$@"
fi
build=${WEIR_BUILD_ROOT:?run ./dev bench}
dir=$(mktemp -d)
pids=
over=0

# shellcheck disable=SC2317 # called by the trap
clean_up() {
    # shellcheck disable=SC2086 # a list of numbers
    [ -z "$pids" ] || kill $pids 2>/dev/null || true
    wait
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# figure WHAT VALUE UNIT LIMIT: one line, and a mark if VALUE is not below LIMIT.
figure() {
    if awk -v v="$2" -v l="$4" 'BEGIN { exit !(v < l) }'; then
        verdict=ok
    else
        verdict=OVER
        over=1
    fi
    printf '%-52s %10s %-4s  limit %s  %s\n' "$1" "$2" "$3" "$4" "$verdict"
}

# wait_for PID FILE TEXT: until the program wrote the text; fails when it ends or 20 s pass.
wait_for() {
    tries=0
    until grep -q "$3" "$2"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 400 ] || ! kill -0 "$1" 2>/dev/null; then
            echo "bench: waiting for \"$3\" in vain:" >&2
            cat "$2" >&2
            exit 1
        fi
        sleep 0.05
    done
}

strip -o "$dir/libweir.so" "$build/libweir.so"
figure "libweir.so, stripped" $(($(stat -c %s "$dir/libweir.so") / 1024)) KiB 512

"$build/tests/bench/start" >"$dir/start"
read -r median worst <"$dir/start"
figure "in process, from nothing to the first packet" "$median" ms 100
figure "  the worst of 21" "$worst" ms 100

"$build/tests/bench/start" "$build/examples/l2fwd" >"$dir/start"
{ read -r median worst && read -r clearing _; } <"$dir/start"
figure "l2fwd, from exec to the first packet and the end" "$median" ms 20
figure "  the worst of 21" "$worst" ms 100
printf '%-52s %10s ms\n' "  of that, clearing pages, in the kernel" "$clearing"

for port in a b; do
    "$build/tools/weir" model x540 --socket "$dir/$port.sock" --wire gen:rate=1000 >"$dir/$port" &
    pids="$pids $!"
    wait_for $! "$dir/$port" '^serving'
done
"$build/examples/l2fwd" --stats 0.1 "vfio-user:$dir/a.sock" "vfio-user:$dir/b.sock" \
    >"$dir/l2fwd" 2>&1 &
forwarder=$!
pids="$forwarder $pids"
wait_for "$forwarder" "$dir/l2fwd" '^port 1:.* total rx [1-9][0-9]* tx [1-9]'
rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$forwarder/status")
huge=$(awk '/^HugetlbPages/ { print $2 }' "/proc/$forwarder/status")
figure "l2fwd with two ports, resident" "$rss" KiB 16384
printf '%-52s %10s KiB\n' "  its hugepages, not counted above" "$huge"
[ "$huge" -gt 0 ] || echo "  no hugepages here: its packet memory is in the line above"
exit "$over"
