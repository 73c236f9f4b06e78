"""A frame is a little-endian 32-bit length and that many bytes; nothing longer than the limit is read.

Source-independent: bytes go in, whole frames come out. The parser keeps at most one incomplete
frame, so a peer can make it hold no more than the limit.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ganger.errors import FrameTooLarge

HEADER = struct.Struct("<I")
HEADER_BYTES = HEADER.size
_unpack_from = HEADER.unpack_from


def frame(body: bytes) -> bytes:
    """A body with its length before it."""
    return HEADER.pack(len(body)) + body


class FrameParser:
    """Cuts a stream of bytes into frames.

    Args:
        frame_bytes_max: The longest body that is accepted.
    """

    __slots__ = ("_buffer", "_missing", "frame_bytes_max")

    def __init__(self, frame_bytes_max: int) -> None:
        self.frame_bytes_max = frame_bytes_max
        self._buffer = bytearray()
        self._missing = 0

    @property
    def buffered_bytes(self) -> int:
        """How much of an incomplete frame is held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes | memoryview]:
        """Yields each body that `data` completes, valid until the next call.

        Raises:
            FrameTooLarge: A header announces more than `frame_bytes_max`; the stream is spoilt.
        """
        buffer = self._buffer
        if buffer:
            buffer += data
            if len(data) < self._missing:
                self._missing -= len(data)
                return
            data = bytes(buffer)
            buffer.clear()
        end = len(data)
        at = 0
        view = memoryview(data)
        while end - at >= HEADER_BYTES:
            (size,) = _unpack_from(data, at)
            if size > self.frame_bytes_max:
                raise FrameTooLarge(
                    f"a frame of {size:,} bytes is over the limit of {self.frame_bytes_max:,}"
                )
            start = at + HEADER_BYTES
            if end - start < size:
                break
            at = start + size
            yield view[start:at]
        if at < end:
            buffer += view[at:]
            self._missing = self._missing_bytes()

    def _missing_bytes(self) -> int:
        held = len(self._buffer)
        if held < HEADER_BYTES:
            return HEADER_BYTES - held
        return int(_unpack_from(self._buffer, 0)[0]) + HEADER_BYTES - held
