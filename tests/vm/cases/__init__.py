# SPDX-License-Identifier: BSD-3-Clause
"""The files with cases; each has a list CASES."""
FILES = (
    'boot',
    'dpdk',
    'ixgbe',
    'type1',
)
