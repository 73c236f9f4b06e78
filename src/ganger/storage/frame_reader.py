"""Frames are read in order, and reading stops, with a reason, at the first place where none stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ganger.storage.disk import Disk
from ganger.storage.faults import corrupt, from_os_error
from ganger.storage.file_header import FIRST_FRAME, SEGMENT_MAGIC, FileHeader, read_header
from ganger.storage.frame import (
    HEADER_BYTES,
    SEAL,
    Frame,
    FrameHeader,
    body_stands,
    frame_space,
    parse_header,
)

READ_BYTES = 1 << 20


class Stop(NamedTuple):
    """Where reading ended, and why.

    Attributes:
        offset: The place at which no frame stands, in bytes.
        reason: What is there instead.
        end: The end of a damaged frame whose length is known; else 0.
        empty: Whether it looks as if nothing had ever been written there.
    """

    offset: int
    reason: str
    end: int = 0
    empty: bool = False


class FrameReader:
    """Reads one segment or snapshot; its attributes say how far it has come.

    Attributes:
        path: The file.
        header: Its first block.
        size_bytes: How long it is now.
        offset: Where the next frame belongs.
        sequence: The last frame that was read, or the one before the first.
        chain: The checksum of that frame.
        epoch: Its epoch.
        sealed: Whether it is a seal.
        stop: Why reading ended; None before it has, and where it was asked to go no further.
    """

    def __init__(self, disk: Disk, descriptor: int, path: Path, header: FileHeader, size_bytes: int) -> None:
        self._disk = disk
        self._descriptor = descriptor
        self._buffer = b""
        self._buffer_start = 0
        segment = header.magic == SEGMENT_MAGIC
        self.path = path
        self.header = header
        self.size_bytes = size_bytes
        self.offset = FIRST_FRAME
        self.sequence = header.sequence - 1 if segment else 0
        self.chain = header.previous
        self.epoch = 0
        self.sealed = False
        self.stop: Stop | None = None
        self._seed = header.seed

    def go_to(self, offset: int, sequence: int, chain: int) -> None:
        """Goes on behind frame `sequence`, whose checksum is `chain`, at a place that was read before."""
        self.offset, self.sequence, self.chain = offset, sequence, chain

    def frames(self, until: int | None = None) -> Iterator[Frame]:
        """Every frame that stands, up to number `until` or to the first place without one.

        Raises:
            JournalCorrupt: A header that is whole says what no crash can have left there.
            JournalFailed: The file cannot be read.
        """
        while until is None or self.sequence < until:
            header = self._next_header()
            if header is None:
                return
            body = self.bytes_at(self.offset + HEADER_BYTES, header.length)
            space = frame_space(header.length)
            if len(body) < header.length or not body_stands(header, body):
                self.stop = Stop(self.offset, "the body of the frame is damaged", self.offset + space)
                return
            self.offset += space
            self.sequence = header.sequence
            self.chain = header.checksum
            self.epoch = header.epoch
            self.sealed = bool(header.flags & SEAL)
            yield Frame(header.sequence, header.epoch, header.flags, body)

    def _next_header(self) -> FrameHeader | None:
        block = self.bytes_at(self.offset, HEADER_BYTES)
        if len(block) < HEADER_BYTES:
            self.stop = Stop(self.offset, "the file ends here", empty=not any(block))
            return None
        header = parse_header(block, self._seed)
        if header is None:
            empty = not any(block)
            reason = "nothing was written here" if empty else "the header of the frame is damaged"
            self.stop = Stop(self.offset, reason, empty=empty)
            return None
        if reason := self._misfit(header):
            raise corrupt(self.path, self.offset, reason)
        return header

    def _misfit(self, header: FrameHeader) -> str:
        if header.sequence != self.sequence + 1:
            return f"frame {header.sequence} stands where frame {self.sequence + 1} belongs"
        if header.previous != self.chain:
            return f"frame {header.sequence} does not follow the frame before it"
        if header.epoch < self.epoch:
            return f"frame {header.sequence} has epoch {header.epoch}, the frame before it has {self.epoch}"
        if header.length > self.size_bytes - self.offset - HEADER_BYTES:
            return f"frame {header.sequence} is longer than the file"
        return ""

    def bytes_at(self, offset: int, length: int) -> bytes:
        """A part of the file; fewer bytes than asked for where the file ends."""
        start = offset - self._buffer_start
        if start < 0 or start + length > len(self._buffer):
            try:
                self._buffer = self._disk.read(self._descriptor, max(length, READ_BYTES), offset)
            except OSError as error:
                raise from_os_error("read", self.path, error) from error
            self._buffer_start = offset
            start = 0
        return self._buffer[start : start + length]


@contextmanager
def open_frames(disk: Disk, path: Path, magic: bytes) -> Iterator[FrameReader]:
    """A reader of the file at `path`.

    Raises:
        JournalFailed: The file cannot be opened or read.
        JournalCorrupt: Its first block is damaged, or it is not of this kind.
        JournalVersion: Another format.
    """
    try:
        descriptor = disk.open(path)
    except OSError as error:
        raise from_os_error("open", path, error) from error
    try:
        header = read_header(disk, descriptor, path, magic)
        yield FrameReader(disk, descriptor, path, header, disk.size(descriptor))
    finally:
        disk.close(descriptor)
