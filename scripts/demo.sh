#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# demo.sh [--in-process] [--seconds N]: what `./dev demo` shows once everything is built. N is how long
# TCP and UDP are measured, each.
#
# As root: real traffic between two network namespaces, left and right, through l2fwd:
#
#   left: a0 <-> a1 : X540 model a <-> l2fwd <-> X540 model b : b1 <-> b0 :right
#
# a0-a1 and b0-b1 are pairs of virtual Ethernet interfaces; the models are processes of their own in
# the namespace mid, on a1 and b1. Without root, or with --in-process: a generator to a capture file
# through l2fwd, with both models inside its process. Whatever it makes it removes, also when
# interrupted.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${WEIR_BUILD_ROOT:-$PWD/build/gcc}
PATH=$build/tools:$build/examples:$PATH
export LC_ALL=C
. scripts/hugepages.sh
. scripts/demo-table.sh

seconds=5
ping_count=20
required_percent=15

left=weir-left-$$
mid=weir-mid-$$
right=weir-right-$$
left_ip=198.18.0.1
right_ip=198.18.0.2
tmp=
pids=

say() {
    echo "   $*"
}

title() {
    echo "== $*"
}

# fail WHAT [LOG]...: says so, with the end of what the programs concerned said.
fail() {
    echo "demo: $1" >&2
    shift
    for log in "$@"; do
        [ ! -s "$tmp/$log" ] || tail -n 8 "$tmp/$log" | sed "s/^/   $log: /" >&2
    done
    exit 1
}

alive() {
    # A child that ended and was not waited for is there, as a zombie.
    state=$(sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null) || return 1
    case $state in
    '' | Z*) return 1 ;;
    esac
}

# kill_all PID...: ends children, by force if they do not listen, and waits for them.
kill_all() {
    kill -TERM "$@" 2>/dev/null
    patience=60
    for pid in "$@"; do
        while [ "$patience" -gt 0 ] && alive "$pid"; do
            sleep 0.05
            patience=$((patience - 1))
        done
    done
    kill -KILL "$@" 2>/dev/null
    for pid in "$@"; do
        wait "$pid" 2>/dev/null
    done
    return 0
}

cleanup() {
    trap '' INT TERM HUP
    # shellcheck disable=SC2086 # a list of numbers
    [ -z "$pids" ] || kill_all $pids
    pids=
    for ns in "$left" "$mid" "$right"; do
        [ -e "/run/netns/$ns" ] || continue
        for pid in $(ip netns pids "$ns" 2>/dev/null); do
            kill -KILL "$pid" 2>/dev/null
        done
        ip netns del "$ns"
    done
    [ -z "$tmp" ] || rm -rf "$tmp"
    hugepages_restore
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# start LOG COMMAND...: in the background, to $tmp/LOG; its number is in $started.
start() {
    log=$tmp/$1
    shift
    "$@" >"$log" 2>&1 &
    started=$!
    pids="$pids $started"
}

# run LOG COMMAND...: to its end. In the background, as a signal interrupts waiting only there.
run() {
    start "$@"
    wait "$started"
}

# stop PID: asks a child to end, and waits; its exit status.
stop() {
    kill -TERM "$1" 2>/dev/null
    wait "$1"
}

# until_ok SECONDS WHAT COMMAND...: tries the command until it succeeds.
until_ok() {
    end=$(($(date +%s) + $1))
    what=$2
    shift 2
    until "$@"; do
        [ "$(date +%s)" -lt "$end" ] || fail "$what: not in time" a.log b.log l2fwd.log server.log
        sleep 0.05
    done
}

# said PID LOG PATTERN: has that line been written? Fails if its writer is gone.
said() {
    # Its log may not be there yet: it begins in the background.
    grep -qs -e "$3" "$tmp/$2" && return 0
    alive "$1" || fail "${2%.log} ended early" "$2"
    return 1
}

# mbits LOG: what an iperf3 receiver got, in whole Mbit/s.
mbits() {
    awk '/receiver/ { for (i = 2; i <= NF; i++) if ($i == "Mbits/sec") v = $(i - 1) }
         END { printf "%.0f\n", v }' "$tmp/$1"
}

percent() {
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", (b > 0 ? 100 * a / b : 0) }'
}

# ---- Models inside l2fwd: needs no rights ----

in_process() {
    frames=200000
    bytes=$((frames * 60))
    title "forward $frames frames from a generator to a capture file, both models inside l2fwd"
    run l2fwd.log l2fwd --count "$frames" --duration 30 --stats-json "$tmp/l2fwd.json" \
        "model:x540?wire=gen:size=60,count=$frames" \
        "model:x540?wire=pcap:out=$tmp/out.pcap" || fail "l2fwd failed" l2fwd.log
    sed -n '/^forwarding/,$s/^/   /p' "$tmp/l2fwd.log"
    took=$(awk -F '[:,]' '/"seconds"/ { printf "%.2f", $2 }' "$tmp/l2fwd.json")

    in_process_table
    verdict
    echo
    say "$frames frames went through two X540 drivers and two device models in one process, in $took s."
    say "Try next: sudo ./dev demo, for real traffic between network namespaces; or read"
    say "examples/hello.c and run $build/examples/hello."
}

# ---- Models in processes of their own, between namespaces ----

missing() {
    lacks=
    for tool in ip:iproute2 ping:iputils-ping iperf3:iperf3; do
        command -v "${tool%:*}" >/dev/null || lacks="$lacks ${tool#*:}"
    done
    [ -z "$lacks" ] || fail "programs are missing; to get them: apt-get install$lacks"
}

# Can this process make namespaces? Says why if not.
may() {
    if [ "$(id -u)" -ne 0 ]; then
        say "not root, so no network namespaces: showing what needs no rights. For the rest:"
        say "  sudo ./dev demo"
        return 1
    fi
    missing
    if ! why=$(ip netns add "$mid" 2>&1); then
        say "cannot make a network namespace: $why"
        say "In a container, start it with: docker run --privileged; showing what needs no rights"
        return 1
    fi
}

lay_cables() {
    for ns in "$left" "$right"; do
        ip netns add "$ns" || fail "cannot make a network namespace"
    done
    # No IPv6, no stray frames of the kernel's own.
    for ns in "$left" "$mid" "$right"; do
        for which in all default; do
            ip netns exec "$ns" sh -c "echo 1 >/proc/sys/net/ipv6/conf/$which/disable_ipv6" \
                2>/dev/null
        done
    done
    if ! ip link add a0 netns "$left" type veth peer name a1 netns "$mid" ||
        ! ip link add b0 netns "$right" type veth peer name b1 netns "$mid"; then
        fail "cannot make virtual Ethernet interfaces; the kernel needs a module: modprobe veth"
    fi
    for end in "$left a0" "$mid a1" "$right b0" "$mid b1"; do
        ip -n "${end% *}" link set dev "${end#* }" addrgenmode none up || fail "cannot set up $end"
    done
}

addresses() {
    ip -n "$left" addr add "$left_ip/24" dev a0
    ip -n "$right" addr add "$right_ip/24" dev b0
}

# Without addresses the namespaces send nothing more, not even ARP.
silence() {
    ip -n "$left" addr flush dev a0
    ip -n "$right" addr flush dev b0
}

answers() {
    ip netns exec "$left" ping -q -c 1 -W 1 "$right_ip" >/dev/null 2>&1
}

# iperf LOG ARGUMENT...: between the namespaces, left to right.
iperf() {
    client_log=$1
    shift
    start server.log ip netns exec "$right" iperf3 --server --one-off --forceflush
    server=$started
    until_ok 5 "the iperf3 server" said "$server" server.log 'Server listening'
    run "$client_log" ip netns exec "$left" iperf3 --client "$right_ip" --format m "$@" ||
        fail "iperf3 failed" "$client_log" server.log
    wait "$server"
}

# The largest socket buffer that programs may ask for here, up to 4 MiB.
socket_buffer() {
    sort -n /proc/sys/net/core/rmem_max /proc/sys/net/core/wmem_max |
        awk 'NR == 1 { print $1 < 4194304 ? $1 : 4194304 }'
}

# bridged LOG: TCP with the same interfaces joined by the kernel's bridge.
bridged() {
    if ! ip -n "$mid" link add name br0 type bridge mcast_snooping 0 ||
        ! ip -n "$mid" link set dev a1 master br0 || ! ip -n "$mid" link set dev b1 master br0 ||
        ! ip -n "$mid" link set dev br0 addrgenmode none up; then
        fail "cannot make a bridge; the kernel needs a module: modprobe bridge"
    fi
    addresses
    until_ok 10 "a ping across the bridge" answers
    iperf "$1" --time $(((seconds + 1) / 2))
    silence
    ip -n "$mid" link del dev br0
}

# UDP at $udp Mbit/s. The receiver's buffer must hold what comes in one go.
udp_flow() {
    iperf udp.log --udp --bitrate "${udp}M" --window "$(socket_buffer)" --time "$seconds"
    udp_loss=$(sed -n 's/.*(\(.*\)%).*receiver.*/\1/p' "$tmp/udp.log")
    say "UDP $(mbits udp.log) Mbit/s received of $udp Mbit/s sent, $udp_loss % lost"
}

small_loss() {
    awk -v l="${udp_loss:-100}" 'BEGIN { exit !(l < 1) }'
}

# counters NAMESPACE INTERFACE: received packets, bytes, dropped; sent packets, bytes, dropped; state.
counters() {
    ip -n "$1" -s link show dev "$2" | awk '
        / state / { for (i = 1; i < NF; i++) if ($i == "state") state = tolower($(i + 1)) }
        /RX:/ { getline; rx = $2 " " $1 " " $4 }
        /TX:/ { getline; print rx, $2, $1, $4, state }'
}

# The counters at both ends stand still: as before in three looks, 50 ms apart.
quiet() {
    look="$(counters "$left" a0) $(counters "$right" b0)"
    [ "$look" = "${last_look-}" ] && looks=$((looks + 1)) || looks=0
    last_look=$look
    [ "$looks" -ge 3 ]
}

# model NAME INTERFACE: its process number in $started.
model() {
    start "$1.log" ip netns exec "$mid" weir model x540 --socket "$tmp/$1.sock" \
        --wire "packet:$2,gro" --stats-json "$tmp/$1.json"
}

between_namespaces() {
    hugepages_want 24
    title "two namespaces, joined by a kernel bridge: what to compare with"
    lay_cables
    bridged bridge1.log
    say "TCP $(mbits bridge1.log) Mbit/s"

    title "the same interfaces, joined by two X540 models and l2fwd"
    ip -n "$left" neigh flush dev a0
    ip -n "$right" neigh flush dev b0
    left_before=$(counters "$left" a0)
    right_before=$(counters "$right" b0)
    model a a1
    model_a=$started
    model b b1
    model_b=$started
    until_ok 10 "model a" said "$model_a" a.log '^serving'
    until_ok 10 "model b" said "$model_b" b.log '^serving'
    # Rings and patience for programs that take turns on few processors.
    start l2fwd.log l2fwd --ring 2048 --patience 0.2 --stats-json "$tmp/l2fwd.json" \
        "vfio-user:$tmp/a.sock" "vfio-user:$tmp/b.sock"
    l2fwd=$started
    for port in 0 1; do
        until_ok 10 "the link of port $port" said "$l2fwd" l2fwd.log "^port $port: link up"
    done
    addresses

    run ping.log ip netns exec "$left" ping -q -c "$ping_count" -i 0.05 "$right_ip" ||
        fail "ping lost packets" ping.log l2fwd.log
    say "ping: $(sed -n 's/\(.* packet loss\).*/\1/p' "$tmp/ping.log")"
    iperf tcp.log --time "$seconds"
    tcp=$(mbits tcp.log)
    say "TCP $tcp Mbit/s"
    # At the rate that TCP has to reach. Up to twice more if the processors were busy with something
    # else, which costs UDP whatever does not fit into the wires meanwhile.
    udp=$(($(mbits bridge1.log) * required_percent / 100))
    udp_flow
    small_loss || udp_flow
    small_loss || udp_flow
    silence
    until_ok 10 "silence on the wires" quiet
    left_after=$(counters "$left" a0)
    right_after=$(counters "$right" b0)
    stop "$l2fwd" || fail "l2fwd failed" l2fwd.log
    stop "$model_a" || fail "model a failed" a.log
    stop "$model_b" || fail "model b failed" b.log

    title "the bridge once more"
    bridged bridge2.log
    bridge=$((($(mbits bridge1.log) + $(mbits bridge2.log)) / 2))
    share=$(percent "$tcp" "$bridge")
    say "TCP $(mbits bridge2.log) Mbit/s; both times $bridge Mbit/s in the middle"

    title "what was counted while l2fwd forwarded"
    namespaces_table
    verdict
    say "TCP through l2fwd $tcp Mbit/s: $share % of the bridge's $bridge Mbit/s," \
        "$required_percent % required"
    say "UDP at $udp Mbit/s: $udp_loss % lost, less than 1 % required"
    awk -v s="$share" -v r="$required_percent" 'BEGIN { exit !(s >= r) }' || fail "TCP was too slow"
    small_loss || fail "UDP lost too much" udp.log
    echo
    say "What happened: ping, TCP and UDP crossed two X540 network cards that are programs, each in a"
    say "process of its own, driven over sockets by Weir's X540 driver inside l2fwd."
    say "Try next: read examples/hello.c, one page, and run $build/examples/hello"
}

# ---- Start ----

mode=namespaces
while [ $# -gt 0 ]; do
    case $1:${2-} in
    --in-process:*) mode=in-process ;;
    --seconds:[1-9] | --seconds:[1-9][0-9])
        seconds=$2
        shift
        ;;
    *)
        echo "usage: demo.sh [--in-process] [--seconds N], N from 1 to 99" >&2
        exit 2
        ;;
    esac
    shift
done
for program in weir l2fwd; do
    command -v "$program" >/dev/null || fail "$program is not built; to build it: ./dev build"
done
began=$(date +%s)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/weir-demo.XXXXXX") || exit 1
if [ "$mode" = namespaces ] && may; then
    between_namespaces
else
    in_process
fi
say "($(($(date +%s) - began)) s)"
