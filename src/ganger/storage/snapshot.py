"""A snapshot is a fold of all frames up to one; it gets its name only when it is complete and synced.

Another process than the master writes it, from the sealed segments, which no longer change.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from ganger.errors import InvariantViolated
from ganger.storage.disk import Disk, write_all
from ganger.storage.faults import from_os_error
from ganger.storage.file_header import FIRST_FRAME, SNAPSHOT_MAGIC, FileHeader
from ganger.storage.frame import SEAL, encode, frame_space
from ganger.storage.layout import TEMPORARY_SUFFIX, snapshot_name

WRITE_BYTES = 1 << 20


class SnapshotWriter:
    """Writes one snapshot; used as a context manager, it is abandoned unless it was published.

    Args:
        directory: The journal's folder.
        sequence: The last frame that the snapshot covers, as `FileJournal.rotate` returned it.
        epoch: The highest epoch in what it covers.
        disk: Instead of the real one.

    Raises:
        JournalFull: No room.
        JournalFailed: The file cannot be made or written.
    """

    def __init__(self, directory: Path, sequence: int, epoch: int, *, disk: Disk | None = None) -> None:
        self._disk = disk or Disk()
        self._directory = directory
        self._target = directory / snapshot_name(sequence)
        self._path = directory / f"{snapshot_name(sequence)}.{os.getpid()}{TEMPORARY_SUFFIX}"
        self._header = FileHeader(SNAPSHOT_MAGIC, sequence, epoch, 0, 0)
        self._seed = self._header.seed
        self._count = 0
        self._chain = 0
        self._offset = FIRST_FRAME
        self._pending = bytearray()
        try:
            self._descriptor = self._disk.create(self._path)
        except OSError as error:
            raise from_os_error("make", self._path, error) from error
        self._open = True
        self._try_to_write(self._header.encode(), 0)

    def add(self, batch: bytes) -> None:
        """Adds a batch behind those that are there.

        Raises:
            JournalFull: No room; the snapshot is abandoned.
            JournalFailed: It cannot be written; the snapshot is abandoned.
        """
        self._put(batch, 0)

    def publish(self) -> None:
        """Makes the snapshot durable and gives it its name; then `FileJournal.adopt_snapshot` may use it.

        Raises:
            JournalFull: No room; the snapshot is abandoned.
            JournalFailed: It cannot be written; the snapshot is abandoned.
        """
        self._put(b"", SEAL)
        self._write_pending()
        self._open = False
        self._disk.close(self._descriptor)
        try:
            self._disk.rename(self._path, self._target)
            self._disk.sync_directory(self._directory)
        except OSError as error:
            raise from_os_error("publish", self._target, error) from error

    def abandon(self) -> None:
        """Removes what was written; does nothing after `publish` or twice."""
        if not self._open:
            return
        self._open = False
        self._disk.close(self._descriptor)
        try:
            self._disk.unlink(self._path)
        except FileNotFoundError:
            return  # a master that opened the journal meanwhile has tidied up
        except OSError as error:
            raise from_os_error("remove", self._path, error) from error

    def _put(self, body: bytes, flags: int) -> None:
        if not self._open:
            raise InvariantViolated(f"{self._target} was published or abandoned before this batch")
        frame, self._chain = encode(body, self._count + 1, self._header.epoch, flags, self._chain, self._seed)
        self._count += 1
        self._pending += frame
        self._pending += bytes(frame_space(len(body)) - len(frame))
        if len(self._pending) >= WRITE_BYTES:
            self._write_pending()

    def _write_pending(self) -> None:
        self._try_to_write(self._pending, self._offset)
        self._offset += len(self._pending)
        self._pending = bytearray()

    def _try_to_write(self, data: bytes | bytearray, offset: int) -> None:
        try:
            write_all(self._disk, self._descriptor, memoryview(data), offset)
            self._disk.sync(self._descriptor)  # now and then, or a flood would hold up the master's syncs
        except OSError as error:
            self.abandon()
            raise from_os_error("write", self._path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()
