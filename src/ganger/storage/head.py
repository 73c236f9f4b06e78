"""A frame is on the disk before `put` returns, or the head is never used again.

The hot path of the journal: one `pwrite` and one `fdatasync` for each frame, as little else as can be.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ganger.errors import JournalFailed, JournalFull
from ganger.storage.disk import FULL_ERRORS, Disk, write_all, write_zeros
from ganger.storage.faults import failed, full
from ganger.storage.file_header import FIRST_FRAME, FileHeader
from ganger.storage.frame import ALIGNMENT, SEAL, Frame, encode, frame_space


class Head:
    """The place in a segment where the next frame goes.

    Attributes:
        path: The segment's file.
        descriptor: Open for writing.
        header: Its first block.
        borrowed: Whether it lives on the reserve.
        offset: Where the next frame goes, in bytes.
        capacity: Where frames must end; behind it is room for a seal.
        sequence: The last frame.
        chain: Its checksum.
        epoch: The mastership that writes.
        sealed: Whether the last frame is a seal.
    """

    __slots__ = (
        "_disk",
        "_seed",
        "borrowed",
        "capacity",
        "chain",
        "descriptor",
        "epoch",
        "header",
        "offset",
        "path",
        "sealed",
        "sequence",
    )

    def __init__(
        self, disk: Disk, path: Path, descriptor: int, header: FileHeader, epoch: int, *, borrowed: bool
    ) -> None:
        self._disk = disk
        self._seed = header.seed
        self.path = path
        self.descriptor = descriptor
        self.header = header
        self.borrowed = borrowed
        self.offset = FIRST_FRAME
        self.capacity = header.size_bytes - ALIGNMENT
        self.sequence = header.sequence - 1
        self.chain = header.previous
        self.epoch = epoch
        self.sealed = False

    @property
    def empty(self) -> bool:
        """Whether the segment has no frame yet."""
        return self.offset == FIRST_FRAME

    def copy(self, frames: Iterable[Frame]) -> None:
        """Appends frames as they are, unsynced, in a segment that has no name yet.

        Raises:
            OSError: They cannot be written.
        """
        for frame in frames:
            sequence, epoch, flags, body = frame
            data, self.chain = encode(body, sequence, epoch, flags, self.chain, self._seed)
            write_all(self._disk, self.descriptor, data, self.offset)
            self.sequence = sequence
            self.offset += frame_space(len(body))

    def put(self, body: bytes) -> None:
        """Appends a frame and syncs it; it must fit.

        Raises:
            JournalFull: The file system had no room; the segment is as it was.
            JournalFailed: It may or may not stand; nothing may be appended any more.
        """
        self._put(body, 0)
        self.sealed = False

    def seal(self) -> None:
        """Appends a seal, unless the last frame is one.

        Raises:
            JournalFull: The file system had no room; the segment is as it was.
            JournalFailed: It may or may not stand; nothing may be appended any more.
        """
        if self.sealed or self.offset > self.capacity:
            return
        self._put(b"", SEAL)
        self.sealed = True

    def _put(self, body: bytes, flags: int) -> None:
        sequence = self.sequence + 1
        offset = self.offset
        frame, chain = encode(body, sequence, self.epoch, flags, self.chain, self._seed)
        written = 0
        try:
            written = self._disk.write(self.descriptor, frame, offset)
            while written < len(frame):
                written += self._disk.write(self.descriptor, memoryview(frame)[written:], offset + written)
        except OSError as error:
            raise self._unwritten(written, error) from error
        try:
            self._disk.sync(self.descriptor)
        except OSError as error:
            raise failed("sync", self.path, error) from error
        self.sequence = sequence
        self.chain = chain
        self.offset = offset + frame_space(len(body))

    def _unwritten(self, written: int, error: OSError) -> JournalFailed | JournalFull:
        """Takes back what a write without room has left: behind the last frame stand zeros."""
        if error.errno not in FULL_ERRORS:
            return failed("write", self.path, error)
        try:
            write_zeros(self._disk, self.descriptor, self.offset, self.offset + written)
        except OSError as second:
            return failed("write", self.path, second)
        return full("write", self.path, error)
