"""A journal is checked file by file and nothing is changed; every damage is listed, not only the first."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ganger.errors import JournalCorrupt
from ganger.storage.disk import Disk
from ganger.storage.file_header import SEGMENT_MAGIC
from ganger.storage.frame_reader import FrameReader
from ganger.storage.layout import read_layout
from ganger.storage.lock import try_to_lock_idle
from ganger.storage.log_reader import LogReader


class FileReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one file holds.

    Attributes:
        path: The file.
        last_sequence: The last frame that stands in it and counts; for a snapshot the last that it covers.
        frames: How many frames stand in it and count, seals included.
        size_bytes: How long it is.
        sealed: Whether the last of them is a seal.
    """

    path: str
    last_sequence: int
    frames: int
    size_bytes: int
    sealed: bool


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must be good and is not.

    Attributes:
        path: The file.
        offset: Where in it, in bytes.
        reason: What is wrong.
    """

    path: str
    offset: int
    reason: str


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a whole journal holds.

    Attributes:
        directory: Its folder.
        in_use: Whether a master holds it; then its last segment was read only as far as it stood.
        epoch: The highest epoch that was seen.
        files: Those that could be read to their end, in order.
        damage: What is wrong; nothing where the journal can be opened.
        torn_offset: Where the last segment has a frame that opening will cut; 0 where there is none.
    """

    directory: str
    in_use: bool
    epoch: int
    files: tuple[FileReport, ...]
    damage: tuple[Damage, ...]
    torn_offset: int

    @property
    def good(self) -> bool:
        """Whether the journal can be opened, and nothing that was acknowledged is missing."""
        return not self.damage


def verify(directory: Path, *, disk: Disk | None = None) -> VerifyReport:
    """Checks all sums, the numbers of all frames and how they follow each other.

    Args:
        directory: The journal's folder.
        disk: Instead of the real one.

    Raises:
        JournalError: There is no such folder, or it cannot be read.
    """
    disk = disk or Disk()
    notes = _Notes()
    lock = try_to_lock_idle(disk, directory)
    try:
        log = LogReader(disk, directory, read_layout(disk, directory), observer=notes, in_use=lock is None)
        epoch = _exhaust(log)
    except JournalCorrupt as error:
        notes.on_damage(error)
        epoch = 0
    finally:
        if lock is not None and lock >= 0:
            disk.close(lock)
    return VerifyReport(
        directory=str(directory),
        in_use=lock is None,
        epoch=epoch,
        files=tuple(notes.files),
        damage=tuple(notes.damage),
        torn_offset=0 if lock is None else notes.torn_offset,
    )


def _exhaust(log: LogReader) -> int:
    for _ in log.batches():
        continue
    return log.epoch


class _Notes:
    """What reading has met so far."""

    def __init__(self) -> None:
        self.files: list[FileReport] = []
        self.damage: list[Damage] = []
        self.torn_offset = 0

    def on_file(self, reader: FrameReader) -> None:
        """A file was read as far as it has to stand."""
        header = reader.header
        segment = header.magic == SEGMENT_MAGIC
        stop = reader.stop
        if segment and stop is not None and not stop.empty:
            self.torn_offset = stop.offset
        self.files.append(
            FileReport(
                path=str(reader.path),
                last_sequence=reader.sequence if segment else header.sequence,
                frames=reader.sequence - header.sequence + 1 if segment else reader.sequence,
                size_bytes=reader.size_bytes,
                sealed=reader.sealed,
            )
        )

    def on_damage(self, error: JournalCorrupt) -> None:
        """A file is damaged; reading goes on with the next one."""
        self.damage.append(Damage(path=error.path, offset=error.offset, reason=error.message))
