# SPDX-License-Identifier: BSD-3-Clause
"""A vfio-user server in a few lines, written apart from the library's: enough of a PCI function to
be looked at, and misbehaviour on request. Layouts: the vfio-user protocol specification."""
import json
import os
import socket
import struct
import threading

HEADER = struct.Struct('<HHIII')
VERSION, DMA_MAP, DMA_UNMAP, GET_INFO, REGION_INFO = 1, 2, 3, 4, 5
IRQ_INFO, SET_IRQS, REGION_READ, REGION_WRITE, RESET = 7, 8, 9, 10, 13
REPLY, NO_REPLY, ERROR = 1, 0x10, 0x20
CONFIG = 7


class Peer:
    """Serves on PATH from a thread. `behave` is called with (connection, message id, command, body)
    before the usual answer; what it returns, if not None, is sent instead."""

    def __init__(self, path, vendor=0x1234, device=0x5678, behave=None, greet=None):
        self.path = path
        self.config = bytearray(256)
        struct.pack_into('<HHHHBBHBBBB', self.config, 0, vendor, device, 0, 0, 1, 0, 0x0200, 0, 0, 0,
                         0)
        self.behave = behave
        self.greet = greet
        self.seen = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()
        os.unlink(self.path)

    def _accept(self):
        try:
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        except OSError:
            pass

    def _serve(self, c):
        try:
            if self.greet:
                self.greet(c)
            while True:
                head = self._exactly(c, HEADER.size)
                number, command, size, flags, _ = HEADER.unpack(head)
                body = self._exactly(c, size - HEADER.size)
                self.seen.append(command)
                answer = self.behave(c, number, command, body) if self.behave else None
                if answer is None:
                    answer = self._answer(number, command, body)
                if answer and not flags & NO_REPLY:
                    c.sendall(answer)
        except (OSError, EOFError):
            pass
        finally:
            c.close()

    @staticmethod
    def _exactly(c, n):
        data = b''
        while len(data) < n:
            more, fds, _, _ = socket.recv_fds(c, n - len(data), 16)
            for fd in fds:
                os.close(fd)
            if not more:
                raise EOFError
            data += more
        return data

    @staticmethod
    def reply(number, command, body=b'', flags=REPLY, error=0):
        return HEADER.pack(number, command, HEADER.size + len(body), flags, error) + body

    def _answer(self, number, command, body):
        if command == VERSION:
            caps = json.dumps({'capabilities': {'max_msg_fds': 8}}).encode() + b'\0'
            return self.reply(number, command, struct.pack('<HH', 0, 0) + caps)
        if command == GET_INFO:
            return self.reply(number, command, struct.pack('<IIII', 16, 2, 9, 5))
        if command == REGION_INFO:
            index = struct.unpack_from('<IIII', body)[2]
            size = len(self.config) if index == CONFIG else 0
            flags = 3 if size else 0
            return self.reply(number, command, struct.pack('<IIIIQQ', 32, flags, index, 0, size, 0))
        if command == IRQ_INFO:
            index = struct.unpack_from('<IIII', body)[2]
            return self.reply(number, command, struct.pack('<IIII', 16, 0, index, 0))
        if command == REGION_READ:
            offset, region, count = struct.unpack_from('<QII', body)
            data = bytes(self.config[offset:offset + count]) if region == CONFIG else b''
            return self.reply(number, command, struct.pack('<QII', offset, region, count) + data)
        if command == REGION_WRITE:
            return self.reply(number, command, body[:16])
        return self.reply(number, command)
