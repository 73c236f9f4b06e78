"""The next segment is filled with zeros while the present one is written, so syncs stay cheap.

Measured on ext4: `fdatasync` after 20 KB into written zeros takes 0.11 ms; into blocks that were only
allocated, or behind the end of the file, 0.18 ms, because each first write is a change of metadata,
which the file system commits to its own journal. The zeros go out in slices, each synced, into a
file of their own, so that no append's sync has to wait for more than a slice.
"""

from __future__ import annotations

from pathlib import Path

from ganger.storage.disk import Disk, write_zeros
from ganger.storage.layout import NEXT_NAME

SLICE_BYTES = 1 << 18
PAUSE_S = 0.0002


class NextSegment:
    """Makes one segment ahead of its need, beside the caller.

    Attributes:
        size_bytes: Of the one that is made or being made; 0 where there is none.
    """

    def __init__(self, disk: Disk, directory: Path) -> None:
        self._disk = disk
        self._path = directory / NEXT_NAME
        self._wait = _nothing
        self._descriptor = -1
        self._error: OSError | None = None
        self._enough = False
        self.size_bytes = 0

    def begin(self, size_bytes: int) -> None:
        """Starts to make a segment of this size; there must be none."""
        self.size_bytes = size_bytes
        self._enough = False
        self._wait = self._disk.in_background(self._make)

    def take(self) -> int:
        """The open file, at once, though some zeros may be missing: appends behind them cost a little more.

        Returns:
            Its descriptor; -1 if it could not be made, and then nothing is left of it.

        Raises:
            OSError: What is left of it cannot be removed.
        """
        self._enough = True
        self._wait()
        self._wait = _nothing
        self.size_bytes = 0
        descriptor, self._descriptor = self._descriptor, -1
        error, self._error = self._error, None
        if descriptor >= 0 and error is not None:
            self._disk.close(descriptor)
            self._disk.unlink(self._path)
            return -1
        return descriptor

    def drop(self) -> None:
        """Stops making it, and removes it; does nothing where there is none.

        Raises:
            OSError: It cannot be removed.
        """
        if (descriptor := self.take()) >= 0:
            self._disk.close(descriptor)
            self._disk.unlink(self._path)

    def _make(self) -> None:
        try:
            self._descriptor = self._disk.create(self._path)
            self._disk.allocate(self._descriptor, self.size_bytes)  # reads as zeros from here on
            for start in range(0, self.size_bytes, SLICE_BYTES):
                if self._enough:
                    return
                write_zeros(self._disk, self._descriptor, start, min(start + SLICE_BYTES, self.size_bytes))
                self._disk.sync(self._descriptor)
                self._disk.pause(PAUSE_S)
        except OSError as error:
            self._error = error  # whoever needs a segment makes one then, and meets the error itself


def _nothing() -> None:
    return None
