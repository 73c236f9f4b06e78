"""A frame is one batch with a header that says how long it is, which one it is, and which one it follows.

::

    0   magic         u32    "GJF1"
    4   length        u32    bytes of the body
    8   sequence      u64    one more than the frame before
    16  epoch         u64    the mastership that wrote it, never lower than the frame before
    24  previous      u32    checksum of the frame before
    28  flags         u32    1: a seal
    32  header sum    u32    CRC-32 of bytes 0–31, continued from the seed of the file
    36  checksum      u32    CRC-32 of the body, continued from the header sum
    40  body

All numbers are little-endian. The checksum of a frame covers, through `previous`, all frames before
it, and the seed is the file's own, so bytes of another file, or of another place in this one, are
never taken for a frame. Frames begin at multiples of `ALIGNMENT`: no sector is written twice, so a torn
write cannot hurt a frame that was acknowledged, and a search for later frames has few places to look.
"""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

ALIGNMENT = 512
MAGIC = b"GJF1"
HEADER_BYTES = 40
SEAL = 1

_FIELDS = struct.Struct("<4sIQQII")
_SUMS = struct.Struct("<II")
_HEADER = struct.Struct("<4sIQQIIII")

_pack_fields = _FIELDS.pack
_pack_sums = _SUMS.pack


class Frame(NamedTuple):
    """A frame that stands."""

    sequence: int
    epoch: int
    flags: int
    body: bytes


class FrameHeader(NamedTuple):
    """What the header of a frame says; its own sum is right."""

    length: int
    sequence: int
    epoch: int
    previous: int
    flags: int
    header_sum: int
    checksum: int


def align(size_bytes: int) -> int:
    """The next place, from `size_bytes` on, at which a frame may begin."""
    return (size_bytes + ALIGNMENT - 1) & -ALIGNMENT


def frame_space(length: int) -> int:
    """What a frame with a body of `length` bytes takes of a file."""
    return (length + HEADER_BYTES + ALIGNMENT - 1) & -ALIGNMENT


def encode(body: bytes, sequence: int, epoch: int, flags: int, previous: int, seed: int) -> tuple[bytes, int]:
    """The bytes of a frame, without padding, and its checksum."""
    fields = _pack_fields(MAGIC, len(body), sequence, epoch, previous, flags)
    header_sum = crc32(fields, seed)
    checksum = crc32(body, header_sum)
    return b"".join((fields, _pack_sums(header_sum, checksum), body)), checksum


def parse_header(data: bytes, seed: int, at: int = 0) -> FrameHeader | None:
    """The header that stands at `at`, or None if its magic or its sum is wrong."""
    magic, length, sequence, epoch, previous, flags, header_sum, checksum = _HEADER.unpack_from(data, at)
    if magic != MAGIC or crc32(data[at : at + _FIELDS.size], seed) != header_sum:
        return None
    return FrameHeader(length, sequence, epoch, previous, flags, header_sum, checksum)


def body_stands(header: FrameHeader, body: bytes) -> bool:
    """Whether the body is the one that was written under this header."""
    return crc32(body, header.header_sum) == header.checksum
