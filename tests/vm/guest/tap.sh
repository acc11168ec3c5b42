# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# Sourced by tests that are scripts: TAP, one line per check, and the dialog with the host function.
#
#   is WHAT GOT WANTED      ok if the two are the same
#   true_that WHAT COMMAND...  ok if the command succeeds
#   say LINE; hear          to and from the host function
#   done_testing            the plan, and the exit status; the last line of a test

tap_count=0
tap_failed=0

# result STATUS WHAT
result() {
    tap_count=$((tap_count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tap_count - $2"
    else
        echo "not ok $tap_count - $2"
        tap_failed=$((tap_failed + 1))
    fi
}

is() {
    [ "$2" = "$3" ] || echo "# $1: got '$2', wanted '$3'"
    [ "$2" = "$3" ]
    result $? "$1"
}

true_that() {
    tap_what=$1
    shift
    "$@"
    result $? "$tap_what"
}

say() {
    echo "$1" >/dev/ttyS2
}

hear() {
    read -r tap_heard </dev/ttyS2
    echo "$tap_heard"
}

done_testing() {
    echo "1..$tap_count"
    [ "$tap_failed" -eq 0 ]
    exit
}
