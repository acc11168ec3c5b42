# SPDX-License-Identifier: BSD-3-Clause
"""The X540 model under the kernel's own driver."""
import re

from case import X540, Case


def ping(h):
    h.expect('^ping me$')
    h.check('ip', 'addr', 'add', '198.51.100.2/24', 'dev', 'x540')
    h.check('ip', 'link', 'set', 'x540', 'up')
    # The first ones may go before the guest's link is up.
    h.check('ping', '-c', '1', '-i', '0.2', '-w', '30', '198.51.100.1')
    words = h.check('ping', '-c', '20', '-i', '0.05', '-W', '10', '198.51.100.1')
    h.send('all answered' if re.search('20 received', words) else words.replace('\n', ' '))


CASES = [
    Case('ixgbe-ping', 'stock ixgbe on an X540 model on a TAP interface', run='ixgbe_ping.sh',
         devices=(X540('a', 'tap:x540'),), memory=512, netns=True, host=ping),
]
