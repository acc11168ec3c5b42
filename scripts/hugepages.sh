# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# Sourced. hugepages_want N [GIANT] makes sure that N hugepages of 2 MiB, and GIANT of 1 GiB, are
# free, if it may; call hugepages_restore before leaving (from a trap) to give back what it took.
# Never fails: what needs the pages says so itself.

hugepages_taken= # a line "KIB BEFORE RAISED" for each pool that was raised

hugepages_want() {
    hugepages_raise 2048 "2 MiB" "$1"
    [ "${2:-0}" -eq 0 ] || hugepages_raise 1048576 "1 GiB" "$2"
}

# hugepages_raise KIB NAME WANTED
hugepages_raise() {
    pool=/sys/kernel/mm/hugepages/hugepages-$1kB
    if [ ! -r "$pool/free_hugepages" ]; then
        echo "   hugepages: this kernel has none of $2; what needs them will say so"
        return 0
    fi
    free=$(cat "$pool/free_hugepages")
    [ "$free" -lt "$3" ] || return 0
    total=$(cat "$pool/nr_hugepages")
    raised=$((total + $3 - free))
    # In a container the file can be read-only for root, too.
    if ! { echo "$raised" >"$pool/nr_hugepages"; } 2>/dev/null; then
        echo "   hugepages: $free of $2 free, $3 wanted. To grant them, as root:"
        echo "     echo $raised >$pool/nr_hugepages"
        return 0
    fi
    # Memory may be fragmented: free pages lie about, no 2 MiB in one piece, or what a build has read
    # and written lies in between.
    for caches in kept dropped; do
        [ "$(cat "$pool/nr_hugepages")" -lt "$raised" ] || break
        [ $caches = kept ] || { sync && echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null || true
        { echo 1 >/proc/sys/vm/compact_memory; } 2>/dev/null || true
        echo "$raised" >"$pool/nr_hugepages"
    done
    raised=$(cat "$pool/nr_hugepages")
    hugepages_taken="$hugepages_taken
$1 $total $raised"
    free=$(cat "$pool/free_hugepages")
    echo "   hugepages: raised from $total to $raised of $2 for this run"
    if [ "$free" -lt "$3" ]; then
        echo "   hugepages: only $free of $3 could be had; memory is short or fragmented"
    fi
}

hugepages_restore() {
    echo "$hugepages_taken" | while read -r kib before raised; do
        pool=/sys/kernel/mm/hugepages/hugepages-${kib}kB
        # Somebody else may have changed it since; then it is theirs.
        [ -z "$kib" ] || [ "$(cat "$pool/nr_hugepages")" != "$raised" ] ||
            echo "$before" >"$pool/nr_hugepages"
    done
    hugepages_taken=
}
