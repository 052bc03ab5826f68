# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets that arrive late: the kernel hands them over by NFQUEUE, and each goes on after its time. It needs no netem in the kernel."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator, Mapping

from . import netns

__all__ = ["Delays"]

_NETFILTER = 12  # NETLINK_NETFILTER
_QUEUE = 3 << 8  # NFNL_SUBSYS_QUEUE
_PACKET, _VERDICT, _CONFIG = (_QUEUE | kind for kind in range(3))
_BIND, _COPY_META, _ACCEPT = 1, 1, 1
_ROOM = 65536  # packets that may wait
_BUFFER = 1 << 22


def _attribute(kind: int, value: bytes) -> bytes:
    size = 4 + len(value)
    return struct.pack("=HH", size, kind) + value + b"\0" * (-size % 4)


def _message(kind: int, queue: int, *attributes: bytes) -> bytes:
    body = struct.pack("=BB", 0, 0) + struct.pack("!H", queue) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), kind, 1, 0, 0) + body


def _packets(data: bytes) -> Iterator[tuple[int, int]]:
    """(queue, packet) of each that is handed over."""
    at = 0
    while at + 16 <= len(data):
        size, kind = struct.unpack_from("=IH", data, at)
        if size < 16:
            return
        if kind == _PACKET:
            (queue,) = struct.unpack_from("!H", data, at + 18)
            here = at + 20
            while here + 4 <= at + size:
                length, attribute = struct.unpack_from("=HH", data, here)
                if attribute == 1:  # NFQA_PACKET_HDR
                    yield queue, struct.unpack_from("!I", data, here + 4)[0]
                here += max(4, length + -length % 4)
        at += size + -size % 4


class Delays:
    """The queues of one network namespace: {number: seconds}."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.seconds: dict[int, float] = {}
        self._socket: socket.socket | None = None

    def set(self, seconds: Mapping[int, float]) -> None:
        """Before there are rules that fill a queue: packets of a queue that nobody reads are not held up."""
        for queue in seconds.keys() - self.seconds.keys():
            self._opened().send(_message(_CONFIG, queue, _attribute(1, struct.pack("=BBH", _BIND, 0, 0))))
            self._opened().send(_message(_CONFIG, queue, _attribute(2, struct.pack("!IB", 0, _COPY_META))))
            self._opened().send(_message(_CONFIG, queue, _attribute(3, struct.pack("!I", _ROOM))))
        self.seconds |= seconds

    def _opened(self) -> socket.socket:
        if self._socket is None:
            with netns.inside(self.namespace):
                self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._socket.setblocking(False)
            asyncio.get_running_loop().add_reader(self._socket.fileno(), self._read, self._socket)
        return self._socket

    def _read(self, from_: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # ENOBUFS: what did not fit is lost
            for queue, packet in _packets(from_.recv(_BUFFER)):
                loop.call_later(self.seconds.get(queue, 0.0), self._let_go, queue, packet)

    def _let_go(self, queue: int, packet: int) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.send(_message(_VERDICT, queue, _attribute(2, struct.pack("!II", _ACCEPT, packet))))

    def stop(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(RuntimeError):  # the loop is over
                asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
