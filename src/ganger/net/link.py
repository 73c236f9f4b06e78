"""A framed stream over asyncio: whole bodies come out, whole bodies go in, in order."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from ganger.errors import ProtocolError
from ganger.protocol.framing import HEADER, FrameParser

COPY_BYTES_MAX = 1 << 16
"""Bodies up to this size are joined with their header; longer ones are written apart, uncopied."""


class Link(asyncio.Protocol):
    """One connection.

    Args:
        on_body: Called with each body; it must not keep the memoryview.
        on_lost: Called once, with the reason in words.
        frame_bytes_max: The longest body that is accepted.
    """

    def __init__(
        self,
        on_body: Callable[[Link, bytes | memoryview], None],
        on_lost: Callable[[Link, str], None],
        frame_bytes_max: int,
    ) -> None:
        self.on_body = on_body
        self.on_lost = on_lost
        self.transport: asyncio.Transport | None = None
        self.reason = ""
        self._parser = FrameParser(frame_bytes_max)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._parser.feed(data):
                self.on_body(self, body)
        except ProtocolError as error:
            self.abort(error.message)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.on_lost(self, self.reason or (str(error) if error else "closed by the peer"))

    def allow(self, frame_bytes_max: int) -> None:
        """Accepts bodies up to this size from now on."""
        self._parser.frame_bytes_max = frame_bytes_max

    def send(self, body: bytes) -> None:
        """Queues a body; drops it if the connection has ended."""
        transport = self.transport
        if transport is None:
            return
        header = HEADER.pack(len(body))
        if len(body) <= COPY_BYTES_MAX:
            transport.write(header + body)
        else:
            transport.write(header)
            transport.write(body)

    def close(self) -> None:
        """Closes after what is queued has left."""
        if self.transport is not None:
            self.transport.close()

    def abort(self, reason: str) -> None:
        """Closes at once; `reason` is given to `on_lost`."""
        self.reason = self.reason or reason
        if self.transport is not None:
            self.transport.abort()

    def peer_uid(self) -> int | None:
        """The user id of the process at the other end of a unix socket; None over TCP."""
        sock = self.transport.get_extra_info("socket") if self.transport is not None else None
        if sock is None or sock.family != socket.AF_UNIX:
            return None
        return read_peer_uid(sock)


def read_peer_uid(sock: socket.socket) -> int:
    """Who is at the other end of a unix socket, by the kernel's word."""
    if hasattr(socket, "SO_PEERCRED"):
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(credentials[4:8], "little")
    local_peercred = 0x001  # macOS: struct xucred {version, uid, …} of SOL_LOCAL
    credentials = sock.getsockopt(0, local_peercred, 76)
    return int.from_bytes(credentials[4:8], "little")
