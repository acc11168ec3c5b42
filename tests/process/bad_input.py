#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a person gets who asks for something that cannot be: exit status 1 (it failed) or 2 (wrong
use), a message that says what, why and what to try, within seconds, and nothing left behind."""
import os
import socket
import struct
import time

import rig
import vfu_peer


def refused(r, argv, status, *said):
    """Runs to the end with that status; the message holds every one of the texts."""
    before = rig.hugepages()
    start = time.monotonic()
    got, text = r.run(*argv)
    took = time.monotonic() - start
    assert got == status, f'{argv}: status {got}, not {status}:\n{text}'
    for part in said:
        assert part in text, f'{argv}: nothing of "{part}" in:\n{text}'
    if status == 1:
        assert 'try: ' in text, f'{argv}: no remedy in:\n{text}'
    assert took < 10, f'{argv} took {took:.1f} s to fail'
    rig.until(lambda: rig.hugepages() == before, 'hugepages are free again')


def case_unknown_device_name(r):
    for name in ('eth0', 'nonsense:thing', '', 'vfio-user:', 'model:', 'model:e1000',
                 'model:x540?wire', 'model:x540?colour=red', 'model:x540?wire=nosuch:x',
                 'model:x540?wire=packet:no-such-if', 'model:x540?wire=pcap:in=/no/such/file'):
        refused(r, ['l2fwd', name], 1, ': ')
    refused(r, ['l2fwd', 'model:e1000'], 1, 'x540')
    refused(r, ['l2fwd', 'model:x540?colour=red'], 1, 'colour', 'wire')
    refused(r, ['l2fwd', 'nonsense:thing'], 1, 'vfio-user:', 'model:')


def case_wrong_use(r):
    for argv in (['l2fwd'], ['l2fwd', '--no-such-option'], ['l2fwd', '--burst', '0', 'model:x540'],
                 ['l2fwd', '--queues', 'many', 'model:x540'], ['weir', 'nonsense'],
                 ['weir', 'model'], ['weir', 'model', 'x540'], ['weir', 'ports', '--no-such'],
                 ['weir', 'regs']):
        refused(r, argv, 2)


def case_missing_socket(r):
    refused(r, ['l2fwd', r.port('none')], 1, r.path('none.sock'))
    refused(r, ['weir', 'ports', r.port('none')], 1, r.path('none.sock'))


def case_not_a_socket_or_nobody_there(r):
    with open(r.path('file.sock'), 'w', encoding='ascii') as f:
        f.write('not a socket')
    refused(r, ['l2fwd', r.port('file')], 1, r.path('file.sock'))
    refused(r, ['weir', 'model', 'x540', '--socket', r.path('file.sock')], 1, r.path('file.sock'))
    assert os.path.getsize(r.path('file.sock')) == 12, 'somebody else\'s file was replaced'
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(r.path('dead.sock'))
    dead.close()
    refused(r, ['l2fwd', r.port('dead')], 1, r.path('dead.sock'))
    r.model('dead', 'loopback')  # a stale socket is replaced


def case_socket_in_use(r):
    r.model('a', 'loopback')
    refused(r, ['weir', 'model', 'x540', '--socket', r.path('a.sock')], 1, r.path('a.sock'))
    fwd = r.l2fwd(r.port('a'))
    fwd.wait_line('^forwarding')
    refused(r, ['weir', 'ports', r.port('a')], 1, 'use')
    assert fwd.end() == 0


def case_peers_that_speak_nonsense(r):
    def text(c):
        c.sendall(b'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n' * 4)

    def hang_up(c):
        c.close()

    def half_a_header(c):
        c.sendall(b'\0\0\x01\0')

    def flood(c):
        try:
            while True:
                c.sendall(b'\xff' * 65536)
        except OSError:
            pass

    def huge(c):
        c.sendall(struct.pack('<HHIII', 0, 1, 0xffffffff, 1, 0))

    for name, greet in (('text', text), ('bye', hang_up), ('half', half_a_header),
                        ('flood', flood), ('huge', huge)):
        peer = vfu_peer.Peer(r.path(name + '.sock'), greet=greet)
        refused(r, ['l2fwd', r.port(name)], 1, r.path(name + '.sock'))
        peer.close()


def case_peers_that_answer_wrong(r):
    reply = vfu_peer.Peer.reply

    def refuse_version(_, number, command, __):
        return reply(number, command, flags=0x21, error=93) if command == 1 else None

    def other_version(_, number, command, __):
        return reply(number, command, struct.pack('<HH', 7, 0) + b'{}\0') if command == 1 else None

    def bad_json(_, number, command, __):
        bad = struct.pack('<HH', 0, 0) + b'{"capabilities": [' * 100
        return reply(number, command, bad) if command == 1 else None

    def wrong_id(_, number, command, body):
        del body
        return reply(number ^ 0x5555, command) if command == 4 else None

    def short_info(_, number, command, __):
        return reply(number, command, b'\0\0') if command == 4 else None

    def silent(_, __, command, ___):
        return b'' if command == 5 else None

    def no_regions(_, number, command, __):
        return reply(number, command, struct.pack('<IIII', 16, 2, 0, 0)) if command == 4 else None

    for behave in (refuse_version, other_version, bad_json, wrong_id, short_info, silent,
                   no_regions):
        name = behave.__name__
        peer = vfu_peer.Peer(r.path(name + '.sock'), behave=behave)
        refused(r, ['l2fwd', r.port(name)], 1, r.path(name + '.sock'))
        peer.close()


def case_device_that_no_driver_claims(r):
    peer = vfu_peer.Peer(r.path('odd.sock'), vendor=0x1d0f, device=0xcafe)
    refused(r, ['l2fwd', r.port('odd')], 1, '1d0f', 'cafe')
    peer.close()


def case_what_the_device_refuses(r):
    for extra in (['--ring', '100'], ['--ring', '8192'], ['--ring', '8'], ['--mtu', '20000'],
                  ['--mtu', '10']):
        refused(r, ['l2fwd', *extra, 'model:x540?wire=loopback'], 1)
    refused(r, ['l2fwd', '--queues', '65', 'model:x540'], 2, '64')


def case_out_of_hugepages(r):
    free, _ = rig.hugepages()
    refused(r, ['l2fwd', '--page', '2M', '--memory', f'{(free + 8) * 2}M', 'model:x540'], 1,
            'hugepages', str(free))


def case_too_little_memory(r):
    refused(r, ['l2fwd', '--memory', '64K', '--page', '4K', 'model:x540'], 1)


if __name__ == '__main__':
    rig.run(globals())
