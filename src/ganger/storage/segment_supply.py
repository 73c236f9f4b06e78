"""A segment is complete, synced and within the limits before it has a name in the journal's folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ganger.config import JournalSettings
from ganger.errors import JournalFull
from ganger.storage.disk import FULL_ERRORS, Disk, write_all, write_zeros
from ganger.storage.faults import from_os_error
from ganger.storage.file_header import FileHeader
from ganger.storage.frame import ALIGNMENT
from ganger.storage.layout import NEXT_NAME, segment_name
from ganger.storage.next_segment import NextSegment
from ganger.storage.room import Grant, Room


class Blank(NamedTuple):
    """A file of zeros that becomes a segment.

    Attributes:
        descriptor: Open for writing.
        size_bytes: Its length.
        borrowed: Whether it lives on the reserve.
    """

    descriptor: int
    size_bytes: int
    borrowed: bool


class SegmentSupply:
    """Makes the segments of one journal, ahead of need where it can."""

    def __init__(self, disk: Disk, directory: Path, limits: JournalSettings, room: Room) -> None:
        self._disk = disk
        self._directory = directory
        self._limits = limits
        self._room = room
        self._next = NextSegment(disk, directory)

    @property
    def ahead_bytes(self) -> int:
        """Size of the segment that is made ahead; 0 where there is none."""
        return self._next.size_bytes

    def begin_next(self, present_bytes: int) -> None:
        """Begins to make the segment after one of `present_bytes`, if there is room for it."""
        try:
            grant = self._room.grant(
                self.size_after(present_bytes), self._limits.first_segment_bytes, reserved=False
            )
        except JournalFull:
            return  # whoever needs the segment is told
        self._room.took(NEXT_NAME, grant.size_bytes)
        self._next.begin(grant.size_bytes)

    def blank(self, wanted_bytes: int, needed_bytes: int, *, reserved: bool) -> Blank:
        """A file of zeros without a name yet; the one that was made ahead, if that is long enough.

        Args:
            wanted_bytes: Its length if there is plenty.
            needed_bytes: The least that is of use.
            reserved: Whether the reserve may be drawn on.

        Raises:
            JournalFull: No room.
            JournalFailed: It cannot be made.
        """
        if (blank := self._take_next(needed_bytes)) is not None:
            return blank
        grant = self._room.grant(wanted_bytes, needed_bytes, reserved=reserved)
        zeros = needed_bytes <= self._limits.segment_bytes  # else it is for one large frame
        try:
            descriptor = self._make(grant.size_bytes, zeros=zeros)
        except OSError as error:
            if not reserved or error.errno not in FULL_ERRORS:
                raise from_os_error("make a segment in", self._directory, error) from error
            grant = Grant(needed_bytes, True)  # the disk has less than it said
            descriptor = self._make_on_the_reserve(needed_bytes, zeros=zeros)
        self._room.took(NEXT_NAME, grant.size_bytes)
        return Blank(descriptor, grant.size_bytes, grant.borrowed)

    def publish(self, blank: Blank, header: FileHeader) -> Path:
        """Writes the header of a blank file, syncs it and gives it its name, which is returned.

        Raises:
            JournalFull: No room for that; the journal is as it was.
            JournalFailed: It cannot be written, or may or may not have its name.
        """
        path = self._directory / segment_name(header.sequence)
        try:
            try:
                write_all(self._disk, blank.descriptor, header.encode(), 0)
                self._disk.sync(blank.descriptor)
                self._disk.rename(self._directory / NEXT_NAME, path)
            except OSError:
                self._disk.close(blank.descriptor)
                self._disk.unlink(self._directory / NEXT_NAME)
                self._room.freed(NEXT_NAME)
                raise
            self._disk.sync_directory(self._directory)
        except OSError as error:
            raise from_os_error("make", path, error) from error
        self._room.freed(NEXT_NAME)
        self._room.took(path.name, blank.size_bytes)
        return path

    def discard(self, blank: Blank) -> None:
        """Removes a blank file that will not be published.

        Raises:
            JournalFailed: It cannot be removed.
        """
        try:
            self._disk.close(blank.descriptor)
            self._disk.unlink(self._directory / NEXT_NAME)
        except OSError as error:
            raise from_os_error("remove", self._directory / NEXT_NAME, error) from error
        self._room.freed(NEXT_NAME)

    def drop_next(self) -> None:
        """Removes the segment that was made ahead, if there is one.

        Raises:
            JournalFailed: It cannot be removed.
        """
        try:
            self._next.drop()
        except OSError as error:
            raise from_os_error("remove", self._directory / NEXT_NAME, error) from error
        self._room.freed(NEXT_NAME)

    def size_after(self, present_bytes: int) -> int:
        """Size of the segment after one of this size."""
        return max(
            self._limits.first_segment_bytes, min(2 * present_bytes, self._limits.segment_bytes) & -ALIGNMENT
        )

    def _take_next(self, needed_bytes: int) -> Blank | None:
        size = self._next.size_bytes
        try:
            if size >= needed_bytes and (descriptor := self._next.take()) >= 0:
                return Blank(descriptor, size, False)
        except OSError as error:
            raise from_os_error("remove", self._directory / NEXT_NAME, error) from error
        self.drop_next()
        return None

    def _make(self, size_bytes: int, *, zeros: bool) -> int:
        """A new file with this much room, removed again if that cannot be had."""
        path = self._directory / NEXT_NAME
        descriptor = self._disk.create(path)
        try:
            self._disk.allocate(descriptor, size_bytes)
            if zeros:
                write_zeros(self._disk, descriptor, 0, size_bytes)
        except OSError:
            self._disk.close(descriptor)
            self._disk.unlink(path)
            raise
        return descriptor

    def _make_on_the_reserve(self, size_bytes: int, *, zeros: bool) -> int:
        self._room.lend_all()
        try:
            return self._make(size_bytes, zeros=zeros)
        except OSError as error:
            raise from_os_error("make a segment in", self._directory, error) from error
