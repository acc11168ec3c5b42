#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# lint.sh CHECK: one check of `./dev lint` over the files that git knows of or would take.
set -eu
cd "$(dirname "$0")/.."
jobs=${WEIR_JOBS:-$(nproc)}

# files PATTERN...: of the files that belong to the project, those whose path matches.
files() {
    # Without git, or in a tree that git distrusts for its owner, all but what is built.
    { git ls-files --cached --others --exclude-standard 2>/dev/null ||
        find . -path ./.git -prune -o -path ./build -prune -o -type f -print | sed 's,^\./,,'; } |
        sort -u | while read -r file; do
        for pattern in "$@"; do
            # shellcheck disable=SC2254 # it is a pattern
            case $file in
            $pattern) [ ! -f "$file" ] || echo "$file" ;;
            esac
        done
    done
}

# The formatter whose output .clang-format was written against; another version lays out differently.
formatter() {
    command -v clang-format-14 || command -v clang-format
}

case ${1-} in
format)
    # The formatter shows every place in full; which files is enough, ./dev fmt does the rest.
    # shellcheck disable=SC2016 # for the inner shell
    files '*.c' '*.h' | xargs -r -n 1 -P "$jobs" sh -c '
        "$0" --dry-run -Werror "$1" >/dev/null 2>&1 ||
            { echo "$1: not laid out as .clang-format says, try ./dev fmt"; exit 1; }' "$(formatter)"
    ;;
fmt)
    files '*.c' '*.h' | xargs -r "$(formatter)" -i
    ;;
layers)
    files '*.c' '*.h' | xargs -r awk -f scripts/layers.awk
    ;;
cppcheck)
    # readdir() is fine on a stream of one's own, and readdir_r() is deprecated. What mmap() with
    # MAP_FIXED returns is what it was given.
    mkdir -p build/cppcheck
    files '*.c' >build/cppcheck/files
    [ -s build/cppcheck/files ] || exit 0
    cppcheck --quiet --std=c11 --language=c --enable=warning,portability --inline-suppr \
        --error-exitcode=1 --suppress=missingInclude --suppress=readdirCalled \
        --suppress=leakReturnValNotUsed --library=posix --library=gnu \
        -D__x86_64__ -D_GNU_SOURCE -I lib/include -I . -j "$jobs" \
        --cppcheck-build-dir=build/cppcheck --file-list=build/cppcheck/files
    ;;
shellcheck)
    files '*.sh' dev .ci/run | xargs -r shellcheck -x
    ;;
codespell)
    files '*' | xargs -r codespell --ignore-words scripts/codespell.words --skip '*.pcap,*.bin'
    ;;
*)
    echo "usage: lint.sh format|fmt|layers|cppcheck|shellcheck|codespell" >&2
    exit 2
    ;;
esac
