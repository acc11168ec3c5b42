# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh disable=SC2154 # whoever sources it sets tmp and the counters
# Sourced by demo.sh: what was counted along the path, and whether it agrees. The counters are in
# $tmp, as l2fwd.json, a.json and b.json (the models), and in the variables left_before, left_after,
# right_before and right_after, each a line of counters().

# number FILE KEY [NTH]: the value of the NTH "KEY": number in a JSON file with a line for each.
number() {
    awk -F '[^a-z_0-9]+' -v key="$2" -v nth="${3:-1}" \
        '$2 == key && ++n == nth { print $3; found = 1; exit } END { if (!found) print 0 }' "$tmp/$1"
}

# link_of N: the link of l2fwd's port N - 1 at the end.
link_of() {
    case $(number l2fwd.json link_up "$1") in
    true) echo "up, $(number l2fwd.json link_mbps "$1") Mbit/s" ;;
    *) echo down ;;
    esac
}

unknown_bytes=

# same WHAT SEEN EXPECTED: notes a difference.
same() {
    [ "$2" = "$3" ] || echo "$1: $2, expected $3" >>"$tmp/differ"
}

verdict() {
    echo
    if [ -s "$tmp/differ" ]; then
        say "counters differ:"
        sed 's/^/     /' "$tmp/differ"
        exit 1
    fi
    say "counters agree, to the packet and byte$unknown_bytes"
}


in_process_line() { # WHAT PACKETS BYTES DROPPED LINK
    printf '   %-24s %10s %12s %8s  %s\n' "$@"
    [ "$2" != packets ] || return 0
    same "$1, packets" "$2" "$frames"
    same "$1, bytes" "$3" "$bytes"
}

# A generator on port 0's wire, a capture file on port 1's: $frames frames of $bytes bytes in all.
in_process_table() {
    # Keys repeat: those of port 0, of its queues and of its wire, then those of port 1.
    # A capture file has 24 bytes of its own and 16 for each frame.
    size=$(wc -c <"$tmp/out.pcap")
    captured=$(((size - 24) / (16 + 60)))
    printf '\n'
    in_process_line '' packets bytes dropped link
    in_process_line 'generator: wire' "$(number l2fwd.json rx_frames 1)" \
        "$(number l2fwd.json rx_bytes 2)" "$(number l2fwd.json rx_dropped 1)" ''
    in_process_line 'port 0: device registers' "$(number l2fwd.json rx_packets 1)" \
        "$(number l2fwd.json rx_bytes 1)" "$(number l2fwd.json rx_missed 1)" "$(link_of 1)"
    in_process_line '        l2fwd, queue 0' "$(number l2fwd.json packets 1)" \
        "$(number l2fwd.json bytes 1)" "$(number l2fwd.json dropped 1)" ''
    in_process_line 'port 1: l2fwd, queue 0' "$(number l2fwd.json packets 4)" \
        "$(number l2fwd.json bytes 4)" \
        $(($(number l2fwd.json tx_full 2) + $(number l2fwd.json dropped 4))) ''
    in_process_line '        device registers' "$(number l2fwd.json tx_packets 2)" \
        "$(number l2fwd.json tx_bytes 3)" '' "$(link_of 2)"
    in_process_line 'capture file: wire' "$(number l2fwd.json tx_frames 2)" \
        "$(number l2fwd.json tx_bytes 4)" "$(number l2fwd.json tx_dropped 2)" ''
    in_process_line '              content' "$captured" $((size - 24 - 16 * captured)) '' ''
}

# set_counts NAME BEFORE AFTER: NAME_rx_p, NAME_rx_b, NAME_tx_p, NAME_tx_b, NAME_drop and NAME_link from
# two lines of counters().
set_counts() {
    name=$1
    # shellcheck disable=SC2086 # lists of numbers
    set -- $2 $3
    eval "${name}_rx_p=$((${8} - $1)) ${name}_rx_b=$((${9} - $2))
        ${name}_tx_p=$((${11} - $4)) ${name}_tx_b=$((${12} - $5))
        ${name}_drop=$((${10} - $3 + ${13} - $6)) ${name}_link=${14}"
}

# set_from PREFIX NTH FILE KEY...: PREFIX_KEY, the NTH value of each in the file.
set_from() {
    prefix=$1 nth=$2 file=$3
    shift 3
    for key in "$@"; do
        eval "${prefix}_$key=$(number "$file" "$key" "$nth")"
    done
}

line() { # WHAT, left to right: PACKETS BYTES, right to left: PACKETS BYTES, DROPPED, LINK
    printf '   %-26s %10s %13s   %10s %13s  %7s  %s\n' "$@"
}

# step WHAT BEFORE-PACKETS BEFORE-BYTES DROPPED AFTER-PACKETS AFTER-BYTES: what comes out is what went
# in, less what was dropped; how many bytes those had, nobody counted.
step() {
    same "$1, packets" "$5" $(($2 - $4))
    if [ "$4" -eq 0 ]; then
        same "$1, bytes" "$6" "$3"
    else
        unknown_bytes="; but where packets were dropped, bytes cannot be compared"
    fi
}

namespaces_table() {
    set_counts a0 "$left_before" "$left_after"
    set_counts b0 "$right_before" "$right_after"
    for end in a b; do
        set_from $end 1 $end.json rx_frames rx_bytes rx_dropped rx_pad_bytes rx_super \
            rx_super_frames rx_super_bytes tx_frames tx_bytes tx_dropped tx_super tx_super_frames \
            tx_super_bytes
    done
    for n in 0 1; do
        set_from p$n $((n + 1)) l2fwd.json rx_packets rx_bytes rx_missed rx_errors tx_packets \
            tx_bytes tx_full tx_no_port
        set_from q${n}_rx $((2 * n + 1)) l2fwd.json packets bytes dropped
        set_from q${n}_tx $((2 * n + 2)) l2fwd.json packets bytes dropped
        eval "lost$n=\$((q${n}_tx_dropped + p${n}_tx_full + p${n}_tx_no_port))
            missed$n=\$((p${n}_rx_missed + p${n}_rx_errors))"
    done
    # The device's missed frames include those that its wire dropped.
    missed0=$((missed0 - a_rx_dropped)) missed1=$((missed1 - b_rx_dropped))
    # What a namespace counts as one packet with one header is several frames on the wire.
    a_in=$((a_rx_super_frames - a_rx_super)) a_out=$((a_tx_super_frames - a_tx_super))
    b_in=$((b_rx_super_frames - b_rx_super)) b_out=$((b_tx_super_frames - b_tx_super))

    printf '\n   %-26s %24s   %24s\n' '' 'left to right' 'right to left'
    line '' packets bytes packets bytes dropped link
    line 'left: a0' "$a0_tx_p" "$a0_tx_b" "$a0_rx_p" "$a0_rx_b" "$a0_drop" "$a0_link"
    line '  + super-frames cut' "$a_in" "$a_rx_super_bytes" "$a_out" "$a_tx_super_bytes" '' ''
    line '  + padding to 60 bytes' '' "$a_rx_pad_bytes" '' '' '' ''
    line 'model a: wire' "$a_rx_frames" "$a_rx_bytes" "$a_tx_frames" "$a_tx_bytes" \
        $((a_rx_dropped + a_tx_dropped)) ''
    line 'port 0: device registers' "$p0_rx_packets" "$p0_rx_bytes" "$p0_tx_packets" \
        "$p0_tx_bytes" "$missed0" "$(link_of 1)"
    line '        l2fwd, queue 0' "$q0_rx_packets" "$q0_rx_bytes" "$q0_tx_packets" \
        "$q0_tx_bytes" $((q0_rx_dropped + lost0)) ''
    line 'port 1: l2fwd, queue 0' "$q1_tx_packets" "$q1_tx_bytes" "$q1_rx_packets" \
        "$q1_rx_bytes" $((q1_rx_dropped + lost1)) ''
    line '        device registers' "$p1_tx_packets" "$p1_tx_bytes" "$p1_rx_packets" \
        "$p1_rx_bytes" "$missed1" "$(link_of 2)"
    line 'model b: wire' "$b_tx_frames" "$b_tx_bytes" "$b_rx_frames" "$b_rx_bytes" \
        $((b_rx_dropped + b_tx_dropped)) ''
    line '  + padding to 60 bytes' '' '' '' "$b_rx_pad_bytes" '' ''
    line '  + super-frames cut' "$b_out" "$b_tx_super_bytes" "$b_in" "$b_rx_super_bytes" '' ''
    line 'right: b0' "$b0_rx_p" "$b0_rx_b" "$b0_tx_p" "$b0_tx_b" "$b0_drop" "$b0_link"

    step 'left to right, a0 to wire a' $((a0_tx_p + a_in)) \
        $((a0_tx_b + a_rx_super_bytes + a_rx_pad_bytes)) "$a_rx_dropped" "$a_rx_frames" \
        "$a_rx_bytes"
    step 'left to right, wire a to port 0' "$a_rx_frames" "$a_rx_bytes" "$missed0" \
        "$p0_rx_packets" "$p0_rx_bytes"
    step 'left to right, port 0 to queue' "$p0_rx_packets" "$p0_rx_bytes" "$q0_rx_dropped" \
        "$q0_rx_packets" "$q0_rx_bytes"
    step 'left to right, queue to queue' "$q0_rx_packets" "$q0_rx_bytes" "$lost1" \
        "$q1_tx_packets" "$q1_tx_bytes"
    step 'left to right, queue to port 1' "$q1_tx_packets" "$q1_tx_bytes" 0 "$p1_tx_packets" \
        "$p1_tx_bytes"
    step 'left to right, port 1 to wire b' "$p1_tx_packets" "$p1_tx_bytes" 0 "$b_tx_frames" \
        "$b_tx_bytes"
    step 'left to right, wire b to b0' $((b_tx_frames - b_out)) \
        $((b_tx_bytes - b_tx_super_bytes)) "$b_tx_dropped" "$b0_rx_p" "$b0_rx_b"
    step 'right to left, b0 to wire b' $((b0_tx_p + b_in)) \
        $((b0_tx_b + b_rx_super_bytes + b_rx_pad_bytes)) "$b_rx_dropped" "$b_rx_frames" \
        "$b_rx_bytes"
    step 'right to left, wire b to port 1' "$b_rx_frames" "$b_rx_bytes" "$missed1" \
        "$p1_rx_packets" "$p1_rx_bytes"
    step 'right to left, port 1 to queue' "$p1_rx_packets" "$p1_rx_bytes" "$q1_rx_dropped" \
        "$q1_rx_packets" "$q1_rx_bytes"
    step 'right to left, queue to queue' "$q1_rx_packets" "$q1_rx_bytes" "$lost0" \
        "$q0_tx_packets" "$q0_tx_bytes"
    step 'right to left, queue to port 0' "$q0_tx_packets" "$q0_tx_bytes" 0 "$p0_tx_packets" \
        "$p0_tx_bytes"
    step 'right to left, port 0 to wire a' "$p0_tx_packets" "$p0_tx_bytes" 0 "$a_tx_frames" \
        "$a_tx_bytes"
    step 'right to left, wire a to a0' $((a_tx_frames - a_out)) \
        $((a_tx_bytes - a_tx_super_bytes)) "$a_tx_dropped" "$a0_rx_p" "$a0_rx_b"
}
