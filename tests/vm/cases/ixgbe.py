# SPDX-License-Identifier: BSD-3-Clause
"""The X540 model under the kernel's own driver: its conformance to a driver that knows the device.

The host's end of the wire is a TAP interface. Nothing but what a test asks for goes over it, so
that counters can be compared to the frame.
"""
import contextlib
import json
import os
import queue
import re
import signal
import socket
import struct
import subprocess
import threading

from case import X540, Case
from machine import HostError, within

TAP = 'x540'
HOST_MAC, GUEST_MAC = '02:00:00:00:00:02', '02:00:00:00:00:01'
HOST, GUEST = '198.51.100.2', '198.51.100.1'
TAGGED_HOST, VLAN = '203.0.113.2', 5
ECHO = 7
STATS = re.compile(r'^wire: received (\d+) frames, \d+ bytes, (\d+) dropped; '
                   r'sent (\d+) frames, \d+ bytes, (\d+) dropped', re.MULTILINE)
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
TP_STATUS_VLAN_VALID = 1 << 4
ETH_P_ALL, ETH_P_8021Q = 3, 0x8100
UNUSED = 0x88b5  # an ether-type for experiments, to which nobody answers


def ping(h):
    h.expect('^ping me$')
    h.check('ip', 'addr', 'add', '198.51.100.2/24', 'dev', 'x540')
    h.check('ip', 'link', 'set', 'x540', 'up')
    # The first ones may go before the guest's link is up.
    h.check('ping', '-c', '1', '-i', '0.2', '-w', '100', '198.51.100.1')
    words = h.check('ping', '-c', '20', '-i', '0.05', '-W', '60', '198.51.100.1')
    h.send('all answered' if re.search('20 received', words) else words.replace('\n', ' '))


def echo_connection(connection):
    """Sends back what comes. It is read whether that can be sent or not: the other end may not read
    before what it writes is taken."""
    pieces = queue.SimpleQueue()

    def send():
        with contextlib.suppress(OSError):
            for data in iter(pieces.get, b''):
                connection.sendall(data)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    data = True
    while data:
        data = connection.recv(65536)
        pieces.put(data)
    sender.join()


def echo_tcp(listener):
    """The same for one connection after the other, until the socket is closed."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                echo_connection(connection)


def tcp_connections():
    """How many of the echo's connections may still have something to say."""
    with open('/proc/net/tcp', encoding='ascii') as table:
        sockets = [line.split()[1:4] for line in table.readlines()[1:]]
    return sum(local.endswith(f':{ECHO:04X}') and state not in ('06', '0A')  # TIME_WAIT, LISTEN
               for local, _, state in sockets)


@contextlib.contextmanager
def echo(h):
    """The interface, quiet, and what answers on it."""
    with open(f'/proc/sys/net/ipv6/conf/{TAP}/disable_ipv6', 'w', encoding='ascii') as switch:
        switch.write('1')
    h.check('ip', 'link', 'set', TAP, 'address', HOST_MAC, 'mtu', '9000')
    h.check('ip', 'addr', 'add', HOST + '/24', 'dev', TAP)
    h.check('ip', 'neigh', 'replace', GUEST, 'lladdr', GUEST_MAC, 'dev', TAP, 'nud', 'permanent')
    with contextlib.ExitStack() as stack:
        udp = stack.enter_context(subprocess.Popen(
            [os.path.join(h.build, 'tests/vm/vm_udpcheck'), 'echo', str(ECHO)]))
        stack.callback(udp.kill)
        listener = stack.enter_context(socket.create_server(('', ECHO)))
        stack.callback(listener.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=echo_tcp, args=(listener,), daemon=True).start()
        yield


def raw_socket():
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    wire.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    wire.bind((TAP, ETH_P_ALL))
    return wire


def model_counters(h):
    """What the model's wire carried, as it says once a second: (received, lost, sent, lost)."""
    said = STATS.findall(h.console())
    return tuple(int(number) for number in said[-1]) if said else (0, 0, 0, 0)


def interface_counters(h):
    stats = json.loads(h.check('ip', '-j', '-s', 'link', 'show', TAP))[0]['stats64']
    return stats['tx']['packets'], stats['rx']['packets']


def traffic(h):
    with echo(h):
        counted = h.expect(r'^counted (\d+) (\d+)$')
        received, sent = int(counted[1]), int(counted[2])
        model = within(60, lambda: model_counters(h),
                       lambda m: m[0] >= received and m[2] >= sent)
        to_guest, from_guest = interface_counters(h)
        # What came before reception was on is lost, and is no frame to the guest.
        agree = (model[0], model[2], model[3]) == (received, sent, 0)
        agree &= (to_guest, from_guest) == (received + model[1], sent)
        h.send('agree' if agree else f'guest {received} {sent}, model {model}, interface'
               f' {to_guest} {from_guest}')
        h.expect('^how many$')
        more = within(60, lambda: model_counters(h)[2] - sent, lambda n: n > 2700)
        # A last segment that was sent again would be one frame too many of those that follow.
        still_open = within(60, tcp_connections, lambda n: n == 0)
        h.send('more than 2700' if more > 2700 and not still_open else f'{more}, {still_open} open')
        h.expect('^flood$')
        with raw_socket() as wire:
            frame = (bytes.fromhex((GUEST_MAC + HOST_MAC).replace(':', ''))
                     + struct.pack('!H', UNUSED) + bytes(46))
            # While the model stands still its interface's queue overflows for certain.
            h.models['a'].send_signal(signal.SIGSTOP)
            for number in range(40000):
                wire.send(frame)
                if number == 20000:
                    h.models['a'].send_signal(signal.SIGCONT)
        h.send('sent')
        for word, number in (('pull', signal.SIGUSR1), ('plug', signal.SIGUSR2)):
            h.expect('^' + word)
            h.models['a'].send_signal(number)
            h.send('as you say')
        finish(h)


def finish(h):
    """The echo is wanted until the guest ends."""
    with contextlib.suppress(HostError):
        h.expect('^never$')


def echoing(h):
    with echo(h):
        finish(h)


def checksum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def tagged_answer(frame):
    """The answer of `udpcheck echo` to an untagged Ethernet frame, with a tag; None if it is not
    for udpcheck."""
    ethertype, = struct.unpack_from('!H', frame, 12)
    if ethertype != 0x0800 or frame[23] != 17 or len(frame) < 50:
        return None
    source, target = frame[26:30], frame[30:34]
    from_port, to_port, length = struct.unpack_from('!HHH', frame, 34)
    if to_port != ECHO or socket.inet_ntoa(target) != TAGGED_HOST:
        return None
    data = frame[42:34 + length]
    body = data[:8] + bytes(byte ^ 0xff for byte in data[8:])
    header = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + length, 0, 0, 64, 17, 0, target, source)
    header = header[:10] + struct.pack('!H', checksum(header)) + header[12:]
    return (frame[6:12] + frame[:6] + struct.pack('!HHH', ETH_P_8021Q, VLAN, 0x0800) + header
            + struct.pack('!HHHH', to_port, from_port, length, 0) + body)  # 0: no UDP checksum


def answer_tagged(wire, seen):
    """Answers frames of the VLAN. The kernel hands out the tag beside the frame."""
    with contextlib.suppress(OSError):
        while True:
            frame, extra, _, _ = wire.recvmsg(16384, 256)
            tag = None
            for level, kind, data in extra:
                if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                    status, _, _, _, _, tci, _ = struct.unpack('IIIHHHH', data[:20])
                    tag = tci if status & TP_STATUS_VLAN_VALID else None
            if tag is None or tag & 0xfff != VLAN:
                seen['other'] += 1
                continue
            reply = tagged_answer(frame)
            if reply:
                wire.send(reply)


def vlan(h):
    h.check('ip', 'link', 'set', TAP, 'address', HOST_MAC)
    with open(f'/proc/sys/net/ipv6/conf/{TAP}/disable_ipv6', 'w', encoding='ascii') as switch:
        switch.write('1')
    seen = {'other': 0}
    with raw_socket() as wire:
        threading.Thread(target=answer_tagged, args=(wire, seen), daemon=True).start()
        for _ in range(2):
            h.expect('^other frames$')
            h.send(str(seen['other']))
            if _ == 0:
                h.expect('^send 100 frames of VLAN 6$')
                frame = (bytes.fromhex((GUEST_MAC + HOST_MAC).replace(':', ''))
                         + struct.pack('!HHH', ETH_P_8021Q, 6, UNUSED) + bytes(60))
                for _ in range(100):
                    wire.send(frame)
                h.send('sent')
        finish(h)


def ixgbe(name, about, run, host=echoing, programs=(), **more):
    port = X540('a', f'tap:{TAP}', options=('--param', f'mac={GUEST_MAC}', '--stats', '1'))
    return Case(name, 'stock ixgbe: ' + about, run=run, devices=(port,), memory=512, netns=True,
                host=host, packages=('ethtool',), programs=('udpcheck', *programs), **more)


# Instead of memory that is shared with the model: it is reached by messages.
PRIVATE = ('-object', 'memory-backend-ram,id=private,size=512M',
           '-machine', 'memory-backend=private')

CASES = [
    Case('ixgbe-ping', 'stock ixgbe on an X540 model on a TAP interface', run='ixgbe_ping.sh',
         devices=(X540('a', 'tap:x540'),), memory=512, netns=True, host=ping),
    ixgbe('ixgbe', 'datagrams and TCP verified, counters agree, unload', 'ixgbe.sh', traffic),
    ixgbe('ixgbe-7', 'the same of a 7.x kernel', 'ixgbe.sh', traffic, kernel='stock-7'),
    ixgbe('ixgbe-selftest', 'ethtool: register dump, NVM, self-test', 'ixgbe_selftest.sh msix 2000'),
    ixgbe('ixgbe-intx', 'INTx, and its self-test', 'ixgbe_selftest.sh intx 5000',
          append='pci=nomsi'),
    ixgbe('ixgbe-messages', 'memory that the model reaches by messages alone, INTx',
          # Offline, the driver gives 64 frames 200 ms to come back: too little on a busy machine.
          'ixgbe_selftest.sh intx 2000 online', append='pci=nomsi', qemu=PRIVATE),
    ixgbe('ixgbe-jumbo', 'MTU 9000', 'ixgbe_jumbo.sh'),
    ixgbe('ixgbe-vlan', 'VLAN tags inserted, stripped, filtered', 'ixgbe_vlan.sh', vlan),
    ixgbe('ixgbe-rss', 'four queues on four processors share the load', 'ixgbe_rss.sh',
          programs=('rssqueues',), qemu=('-smp', '4')),
]
