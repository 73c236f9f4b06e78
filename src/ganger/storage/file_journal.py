"""Nothing that `append` returned for is lost, and nothing is served before what was read is durable again.

The life of a journal: `open` (locks) → `replay` (all of it) → `start` (a new epoch) → `append` … →
`close`. After an error of the disk it is dead: every later call says so, and the next `open` finds out
what stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from ganger.config import JournalSettings
from ganger.errors import InvariantViolated, JournalError, JournalFailed, JournalFull
from ganger.storage.disk import Disk
from ganger.storage.faults import corrupt, from_os_error
from ganger.storage.file_header import FIRST_FRAME, SEGMENT_MAGIC, SNAPSHOT_MAGIC, FileHeader
from ganger.storage.frame import ALIGNMENT, frame_space
from ganger.storage.frame_reader import open_frames
from ganger.storage.head import Head
from ganger.storage.layout import read_layout, segment_name, snapshot_name
from ganger.storage.lock import lock_directory
from ganger.storage.log_reader import LogReader
from ganger.storage.recovery import recover
from ganger.storage.room import Room
from ganger.storage.segment_supply import SegmentSupply
from ganger.storage.status import JournalStatus


class FileJournal:
    """An ordered durable log of opaque batches in a folder; made by `FileJournal.open`."""

    durable: Final = True

    def __init__(self, directory: Path, limits: JournalSettings, disk: Disk, lock: int) -> None:
        self._directory = directory
        self._limits = limits
        self._disk = disk
        self._lock = lock
        self._room = Room(disk, directory, limits)
        self._supply = SegmentSupply(disk, directory, limits, self._room)
        self._layout = read_layout(disk, directory)
        self._log = self._reader()
        self._replayed = False
        self._head: Head | None = None
        self._failure = ""
        self._closed = False

    # ------------------------------------------------------------------ opening

    @classmethod
    def open(
        cls, directory: Path, *, limits: JournalSettings | None = None, disk: Disk | None = None
    ) -> FileJournal:
        """Locks the folder, which is made if it does not exist, and finds the journal in it.

        Args:
            directory: The journal's folder.
            limits: How large it may grow.
            disk: Instead of the real one.

        Raises:
            JournalLocked: Another process holds it.
            JournalCorrupt: A file is missing, or its first block is damaged.
            JournalVersion: A file of another format.
            JournalFailed: The folder cannot be used.
        """
        disk = disk or Disk()
        try:
            disk.make_directory(directory)
        except OSError as error:
            raise from_os_error("make", directory, error) from error
        lock = lock_directory(disk, directory)
        try:
            journal = cls(directory, limits or JournalSettings(), disk, lock)
            journal._remove(journal._layout.unfinished)
            journal._survey()
        except BaseException:
            disk.close(lock)
            raise
        return journal

    def replay(self) -> Iterator[bytes]:
        """Every batch that stands, in order: those of the snapshot, then those after it, one at a time.

        Raises:
            JournalCorrupt: Something that was acknowledged is damaged or missing.
            JournalFailed: A file cannot be read.
        """
        if self._head is not None or self._closed:
            raise InvariantViolated(f"the journal in {self._directory} can be replayed before it starts only")
        self._replayed = False
        self._log = self._reader()
        yield from self._log.batches()
        self._replayed = True

    def start(self, epoch: int, first_batch: bytes) -> None:
        """Makes a new epoch durable, and with it whatever was read back; only then may anything be served.

        The tail of an unsealed last segment is written anew, with the first batch behind it.

        Args:
            epoch: Higher than every epoch before.
            first_batch: The first batch under it.

        Raises:
            JournalFull: No room, even in the reserve; it can be tried again.
            JournalFailed: The disk has failed.
        """
        log = self._log
        if not self._replayed or self._head is not None or self._closed:
            raise InvariantViolated(f"the journal in {self._directory} starts once, after all was replayed")
        if epoch <= log.epoch:
            raise InvariantViolated(f"epoch {epoch} cannot follow epoch {log.epoch} in {self._directory}")
        self._refuse_too_long(first_batch)
        try:
            self._head = recover(self._disk, self._directory, self._supply, log, epoch, first_batch)
            self._remove(self._layout.covered)
        except JournalFailed as error:
            raise self._fail(error) from error

    # ------------------------------------------------------------------ appending

    @property
    def epoch(self) -> int:
        """The highest epoch seen so far."""
        return self._head.epoch if self._head is not None else self._log.epoch

    @property
    def accepting(self) -> bool:
        """Whether there is room for new work, beyond what finishing accepted work will need."""
        least = self._limits.accept_bytes_min
        head = self._head
        if head is None:
            return False
        if not head.borrowed and head.capacity - head.offset >= least:
            return True
        return self.room_bytes >= least

    def append(self, batch: bytes) -> None:
        """Makes a batch durable, in room that is not reserved.

        Raises:
            JournalFull: There is no room beyond the reserve; nothing was written.
            JournalFailed: It may or may not stand; nothing can be appended any more.
        """
        self._append(batch, reserved=False)

    def append_reserved(self, batch: bytes) -> None:
        """Makes a batch durable that finishes what was accepted; it may use the reserve.

        Raises:
            JournalFull: There is no room at all; nothing was written.
            JournalFailed: It may or may not stand; nothing can be appended any more.
        """
        self._append(batch, reserved=True)

    def commit(self, batch: bytes, on_durable: Callable[[], None]) -> None:
        """Makes a batch durable, from the reserve if need be, then calls `on_durable`.

        New work is kept out by `accepting`, before it is in a batch.

        Raises:
            JournalFull: There is no room at all; nothing was written.
            JournalFailed: It may or may not stand; nothing can be appended any more.
        """
        self.append_reserved(batch)
        on_durable()

    def idle(self) -> None:
        """There is nothing to commit at present: seals.

        Raises:
            JournalFailed: The disk has failed.
        """
        self.seal()

    def seal(self) -> None:
        """Marks the last frame as the last, so that damage to it is known from a write that was cut short.

        Raises:
            JournalFailed: The disk has failed.
        """
        head = self._usable()
        try:
            if not head.empty:
                head.seal()
        except JournalFull:
            return  # the frame is durable all the same
        except JournalFailed as error:
            raise self._fail(error) from error

    def close(self) -> None:
        """Seals, cuts off what is not used, and lets go of the folder; a second time it does nothing.

        Raises:
            JournalFailed: The disk has failed; the folder is let go of.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if self._head is not None:
                self.seal()
                self._trim(self._head)
        finally:
            head, self._head = self._head, None
            if head is not None:
                self._disk.close(head.descriptor)
            try:
                self._supply.drop_next()
            finally:
                self._disk.close(self._lock)

    # ------------------------------------------------------------------ compaction

    def rotate(self) -> int:
        """Starts a new segment, so that all earlier ones are sealed; returns the last frame in them.

        Raises:
            JournalFull: There is no room for a segment, even in the reserve.
            JournalFailed: The disk has failed.
        """
        head = self._usable()
        return head.sequence if head.empty else self._roll(frame_space(0), reserved=True).sequence

    def adopt_snapshot(self, sequence: int) -> None:
        """Removes the segments and snapshots that a published snapshot covers.

        Args:
            sequence: The last frame that it covers, as `rotate` returned it.

        Raises:
            JournalCorrupt: The file is something else.
            JournalFailed: There is no such snapshot, or what it covers cannot be removed; appending goes on.
        """
        head = self._usable()
        if sequence >= head.header.sequence:
            raise InvariantViolated(f"frame {sequence} is not sealed, so no snapshot can cover it")
        path = self._directory / snapshot_name(sequence)
        with open_frames(self._disk, path, SNAPSHOT_MAGIC) as reader:
            if reader.header.sequence != sequence:
                raise corrupt(path, 0, f"the file covers the frames up to {reader.header.sequence}")
            self._room.took(path.name, reader.size_bytes)
        self._layout = read_layout(self._disk, self._directory)
        self._remove(self._layout.covered)

    def release_reserve(self) -> None:
        """Gives the whole reserve to the disk, so that a snapshot can be written where it is full.

        Raises:
            JournalFailed: The disk has failed.
        """
        self._room.lend_all()

    # ------------------------------------------------------------------ looking

    @property
    def room_bytes(self) -> int:
        """What ordinary appends may still write, in bytes; headers and padding aside."""
        head = self._head
        if head is None:
            return 0
        here = 0 if head.borrowed else max(0, head.capacity - head.offset)
        return here + self._supply.ahead_bytes + self._room.left_bytes()

    def status(self) -> JournalStatus:
        """What the journal looks like now."""
        head = self._head
        names = self._room.files
        return JournalStatus(
            directory=str(self._directory),
            segments=sum(name.endswith(".segment") for name in names),
            snapshot_sequence=self._layout.snapshot,
            size_bytes=self._room.used_bytes,
            sequence=head.sequence if head is not None else self._log.sequence,
            epoch=self.epoch,
            sealed=head is not None and head.sealed,
            room_bytes=self.room_bytes,
            reserve_bytes=self._room.reserve_bytes,
            failure=self._failure,
        )

    # ------------------------------------------------------------------ within

    def _reader(self) -> LogReader:
        whole = self._limits.first_segment_bytes
        return LogReader(self._disk, self._directory, self._layout, whole_tail_bytes_max=whole)

    def _append(self, batch: bytes, *, reserved: bool) -> None:
        head = self._head
        if head is None or len(batch) > self._limits.frame_bytes_max:
            head = self._usable()
            self._refuse_too_long(batch)
        space = frame_space(len(batch))
        if head.offset + space > head.capacity or (head.borrowed and not reserved):
            head = self._roll(space, reserved=reserved)
        try:
            try:
                head.put(batch)
            except JournalFull:  # on a file system that needs room even to overwrite
                if not reserved or not self._room.reserve_bytes:
                    raise
                self._room.lend_all()
                head.put(batch)
            if head.offset * 2 > head.capacity and not self._supply.ahead_bytes:
                self._supply.begin_next(head.header.size_bytes)
        except JournalFailed as error:
            raise self._fail(error) from error

    def _roll(self, space: int, *, reserved: bool) -> Head:
        """Goes on in a new segment, with room for a frame of `space` bytes."""
        old = self._usable()
        try:
            needed = FIRST_FRAME + space + ALIGNMENT
            wanted = self._supply.size_after(old.header.size_bytes)
            blank = self._supply.blank(wanted, needed, reserved=reserved)
            header = FileHeader(SEGMENT_MAGIC, old.sequence + 1, old.epoch, old.chain, blank.size_bytes)
            path = self._supply.publish(blank, header)
        except JournalFailed as error:
            raise self._fail(error) from error
        self._disk.close(old.descriptor)
        self._head = Head(self._disk, path, blank.descriptor, header, old.epoch, borrowed=blank.borrowed)
        return self._head

    def _usable(self) -> Head:
        if self._head is not None:
            return self._head
        if self._failure:
            raise JournalFailed(f"the journal failed before: {self._failure}", hint="start the master again")
        state = "was closed" if self._closed else "has not started"
        raise InvariantViolated(f"the journal in {self._directory} {state}")

    def _fail(self, error: JournalFailed) -> JournalFailed:
        """After this nothing can be appended."""
        self._failure = error.message
        if self._head is not None:
            self._disk.close(self._head.descriptor)
            self._head = None
        return error

    def _refuse_too_long(self, batch: bytes) -> None:
        if len(batch) > self._limits.frame_bytes_max:
            raise JournalError(
                f"a batch has {len(batch)} bytes, frame_bytes_max is {self._limits.frame_bytes_max}",
                hint="raise frame_bytes_max of the journal",
            )

    def _survey(self) -> None:
        """Reads the first block of every file, and sizes them."""
        layout = self._layout
        files = [(segment_name(first), SEGMENT_MAGIC) for first in layout.segments]
        if layout.snapshot:
            files.append((snapshot_name(layout.snapshot), SNAPSHOT_MAGIC))
        for name, magic in files:
            with open_frames(self._disk, self._directory / name, magic) as reader:
                self._room.took(name, reader.size_bytes)

    def _remove(self, names: tuple[str, ...]) -> None:
        try:
            for name in names:
                self._disk.unlink(self._directory / name)
                self._room.freed(name)
            if names:
                self._disk.sync_directory(self._directory)
        except OSError as error:
            raise from_os_error("remove files from", self._directory, error) from error

    def _trim(self, head: Head) -> None:
        """A closed segment ends with its seal, so that one that ends otherwise is known to be damaged."""
        if not head.sealed:
            return
        try:
            self._disk.truncate(head.descriptor, head.offset)
            self._disk.sync(head.descriptor)
        except OSError as error:
            raise from_os_error("cut", head.path, error) from error
