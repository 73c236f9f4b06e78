"""New files are granted room here, so that finishing accepted work never waits for the disk of new work.

The reserve is a file that only takes up disk. Ordinary appends get nothing unless it is whole. Where
only the reserve is left, it is cut by what an `append_reserved` needs; it grows back by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ganger.config import JournalSettings
from ganger.errors import JournalFull
from ganger.storage.disk import Disk
from ganger.storage.faults import from_os_error
from ganger.storage.frame import ALIGNMENT
from ganger.storage.layout import RESERVE_NAME


class Grant(NamedTuple):
    """Leave to make a segment.

    Attributes:
        size_bytes: How long it may be.
        borrowed: Whether it lives on the reserve, so that ordinary appends may not use it.
    """

    size_bytes: int
    borrowed: bool


class Room:
    """Knows what the journal takes, and what it may still take.

    Attributes:
        files: What each of the journal's files takes, by name, in bytes; the reserve aside.
        used_bytes: Their sum.
        reserve_bytes: What the reserve takes.
    """

    def __init__(self, disk: Disk, directory: Path, limits: JournalSettings) -> None:
        self._disk = disk
        self._directory = directory
        self._limits = limits
        self.files: dict[str, int] = {}
        self.used_bytes = 0
        self.reserve_bytes = self._size_of_reserve()

    def took(self, name: str, size_bytes: int) -> None:
        """A file was made, or has this size now."""
        self.freed(name)
        self.files[name] = size_bytes
        self.used_bytes += size_bytes

    def freed(self, name: str) -> None:
        """A file is gone, or was never there."""
        self.used_bytes -= self.files.pop(name, 0)

    def left_bytes(self) -> int:
        """What new files may take for ordinary appends."""
        limits = self._limits
        missing = max(0, limits.reserve_bytes - self.reserve_bytes)
        left = self._free_bytes() - limits.disk_free_bytes_min - missing
        if limits.journal_bytes_max:
            left = min(left, limits.journal_bytes_max - self.used_bytes)
        return max(0, left)

    def grant(self, wanted_bytes: int, needed_bytes: int, *, reserved: bool) -> Grant:
        """The size of a new segment.

        Args:
            wanted_bytes: Its size if there is plenty.
            needed_bytes: The least that is of use.
            reserved: Whether the reserve may be drawn on.

        Raises:
            JournalFull: Not even the least can be had.
            JournalFailed: The disk cannot be asked.
        """
        left = self.left_bytes()
        if left >= needed_bytes and self._restore_reserve():
            return Grant(max(needed_bytes, min(wanted_bytes, left & -ALIGNMENT)), False)
        if reserved:
            left = self._left_with_reserve()
            if left >= needed_bytes:
                size = min(wanted_bytes, self._limits.first_segment_bytes, left) & -ALIGNMENT
                size = max(needed_bytes, size)
                self.lend(size)
                return Grant(size, True)
        raise JournalFull(
            f"no room for {needed_bytes} more bytes in {self._directory}: {left} bytes are left"
            f"{'' if reserved else ' beyond the reserve'}",
            hint="free some disk or raise journal_bytes_max; work that was accepted goes on meanwhile",
        )

    def lend(self, size_bytes: int) -> None:
        """Cuts the reserve until `size_bytes` are free on the disk, or nothing is left of it.

        Raises:
            JournalFailed: The reserve cannot be cut.
        """
        short = size_bytes - self._free_bytes()
        if short > 0 and self.reserve_bytes:
            self._resize_reserve(max(0, self.reserve_bytes - short))

    def lend_all(self) -> None:
        """Gives the whole reserve back to the disk, for the writing of a snapshot.

        Raises:
            JournalFailed: The reserve cannot be cut.
        """
        if self.reserve_bytes:
            self._resize_reserve(0)

    def _left_with_reserve(self) -> int:
        limits = self._limits
        left = self._free_bytes() + self.reserve_bytes
        if limits.journal_bytes_max:
            left = min(left, limits.journal_bytes_max + limits.reserve_bytes - self.used_bytes)
        return max(0, left)

    def _free_bytes(self) -> int:
        try:
            return self._disk.free_bytes(self._directory)
        except OSError as error:
            raise from_os_error("ask for the free room of", self._directory, error) from error

    def _restore_reserve(self) -> bool:
        wanted = self._limits.reserve_bytes
        if self.reserve_bytes == wanted:
            return True
        try:
            self._resize_reserve(wanted)
        except JournalFull:
            self._resize_reserve(min(wanted, self.reserve_bytes))
            return False
        return True

    def _size_of_reserve(self) -> int:
        path = self._directory / RESERVE_NAME
        try:
            descriptor = self._disk.open(path)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise from_os_error("open", path, error) from error
        try:
            return self._disk.size(descriptor)
        finally:
            self._disk.close(descriptor)

    def _resize_reserve(self, size_bytes: int) -> None:
        path = self._directory / RESERVE_NAME
        try:
            try:
                descriptor = self._disk.open(path, writable=True)
            except FileNotFoundError:
                descriptor = self._disk.create(path)
            try:
                if self._disk.size(descriptor) > size_bytes:
                    self._disk.truncate(descriptor, size_bytes)
                elif size_bytes:
                    self._disk.allocate(descriptor, size_bytes)
                self._disk.sync(descriptor)
            finally:
                self._disk.close(descriptor)
        except OSError as error:
            raise from_os_error("set the size of", path, error) from error
        self.reserve_bytes = size_bytes
