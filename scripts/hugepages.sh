# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# Sourced. hugepages_want N makes sure that N 2 MiB hugepages are free, if it may; call
# hugepages_restore before leaving (from a trap) to give back what it took. Never fails: what
# needs the pages says so itself.

hugepages_dir=/sys/kernel/mm/hugepages/hugepages-2048kB
hugepages_before=

hugepages_want() {
    if [ ! -r "$hugepages_dir/free_hugepages" ]; then
        echo "   hugepages: this kernel has none of 2 MiB; what needs them will say so"
        return 0
    fi
    free=$(cat "$hugepages_dir/free_hugepages")
    [ "$free" -lt "$1" ] || return 0
    total=$(cat "$hugepages_dir/nr_hugepages")
    raised=$((total + $1 - free))
    # In a container the file can be read-only for root, too.
    if ! { echo "$raised" >"$hugepages_dir/nr_hugepages"; } 2>/dev/null; then
        echo "   hugepages: $free of 2 MiB free, $1 wanted. To grant them, as root:"
        echo "     echo $raised >$hugepages_dir/nr_hugepages"
        return 0
    fi
    hugepages_before=$total
    hugepages_raised=$(cat "$hugepages_dir/nr_hugepages")
    free=$(cat "$hugepages_dir/free_hugepages")
    echo "   hugepages: raised from $total to $hugepages_raised of 2 MiB for this run"
    if [ "$free" -lt "$1" ]; then
        echo "   hugepages: only $free of $1 could be had; memory is short or fragmented. Try, as root:"
        echo "     echo 3 >/proc/sys/vm/drop_caches; echo 1 >/proc/sys/vm/compact_memory"
    fi
}

hugepages_restore() {
    [ -n "$hugepages_before" ] || return 0
    # Somebody else may have changed it since; then it is theirs.
    if [ "$(cat "$hugepages_dir/nr_hugepages")" = "$hugepages_raised" ]; then
        echo "$hugepages_before" >"$hugepages_dir/nr_hugepages"
    fi
    hugepages_before=
}
