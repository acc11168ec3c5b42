# SPDX-License-Identifier: BSD-3-Clause
"""The files with cases; each has a list CASES."""
FILES = (
    'boot',
    'groups',
    'type1',
    'refuse',
    'kernel_vfio',
    'superpages',
    'ixgbe',
    'dpdk',
)
