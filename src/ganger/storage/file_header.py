"""The first block of every file says what the file is, in which format, and where in the journal it belongs.

::

    0   magic      8 bytes   "GANGERSG" a segment, "GANGERSN" a snapshot
    8   version    u32       format; this is version 1
    12  previous   u32       segment: checksum of the frame before its first one
    16  sequence   u64       segment: its first frame; snapshot: the last frame that it covers
    24  epoch      u64       the mastership that made it
    32  size       u64       segment: the length that the file was made with; snapshot: 0
    40  checksum   u32       CRC-32 of bytes 0–39

Magic, version and checksum have these places in every version. The block is written and synced before
the file gets its name, so a damaged one is never a write that was cut short.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from ganger.errors import JournalVersion
from ganger.storage.disk import Disk
from ganger.storage.faults import corrupt, from_os_error
from ganger.storage.frame import ALIGNMENT

FORMAT_VERSION = 1
FIRST_FRAME = ALIGNMENT
SEGMENT_MAGIC = b"GANGERSG"
SNAPSHOT_MAGIC = b"GANGERSN"

_FIELDS = struct.Struct("<8sIIQQQ")
_SUM = struct.Struct("<I")
_IDENTITY = struct.Struct("<8sQQI")


class FileHeader(NamedTuple):
    """The first block of a segment or snapshot."""

    magic: bytes
    sequence: int
    epoch: int
    previous: int
    size_bytes: int

    @property
    def seed(self) -> int:
        """Where the sums of this file's frames start; a longer copy of the file has the same."""
        return crc32(_IDENTITY.pack(self.magic, self.sequence, self.epoch, self.previous))

    def encode(self) -> bytes:
        """The bytes that stand at the beginning of the file."""
        fields = _FIELDS.pack(
            self.magic, FORMAT_VERSION, self.previous, self.sequence, self.epoch, self.size_bytes
        )
        return fields + _SUM.pack(crc32(fields))


def read_header(disk: Disk, descriptor: int, path: Path, magic: bytes) -> FileHeader:
    """Reads and checks the first block.

    Raises:
        JournalVersion: Another format.
        JournalCorrupt: Damaged, or a file of another kind.
        JournalFailed: The file cannot be read.
    """
    try:
        data = disk.read(descriptor, _FIELDS.size + _SUM.size, 0)
    except OSError as error:
        raise from_os_error("read", path, error) from error
    if len(data) < _FIELDS.size + _SUM.size or data[: len(magic)] != magic:
        raise corrupt(path, 0, "this is not the beginning of such a file")
    _, version, previous, sequence, epoch, size_bytes = _FIELDS.unpack_from(data)
    if crc32(data[: _FIELDS.size]) != _SUM.unpack_from(data, _FIELDS.size)[0]:
        raise corrupt(path, 0, "the header of the file is damaged")
    if version != FORMAT_VERSION:
        raise JournalVersion(
            f"{path} has format version {version}, this ganger reads version {FORMAT_VERSION}",
            hint="start the ganger that wrote this journal, or one of the next release",
        )
    return FileHeader(magic, sequence, epoch, previous, size_bytes)
