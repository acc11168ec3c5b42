#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# with-install.sh SCRIPT: installs the build in WEIR_BUILD_ROOT to a folder below it and runs SCRIPT
# so that pkg-config and the loader find only the installed files:
#
#   WEIR_PREFIX        where it was installed (bin, include, lib..., share/man)
#   PKG_CONFIG_PATH    holds the folder of weir.pc, LD_LIBRARY_PATH that of libweir.so
#   PATH               begins with $WEIR_PREFIX/bin
set -eu
destdir=${WEIR_BUILD_ROOT:?}/install
rm -rf "$destdir"
DESTDIR=$destdir meson install --no-rebuild --quiet -C "$WEIR_BUILD_ROOT" >&2
pc=$(find "$destdir" -name weir.pc)
# As if the staging folder were the root: the prefix in weir.pc is made to say so.
prefix=$destdir$(sed -n 's/^prefix=//p' "$pc")
sed -i "s,^prefix=.*,prefix=$prefix," "$pc"
lib=$(find "$destdir" -name libweir.so)
WEIR_PREFIX=$prefix
PKG_CONFIG_PATH=$(dirname "$pc")
LD_LIBRARY_PATH=$(dirname "$lib")
PATH=$prefix/bin:$PATH
export WEIR_PREFIX PKG_CONFIG_PATH LD_LIBRARY_PATH PATH
exec sh "$@"
