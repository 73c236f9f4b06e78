"""The journal is read as one log: the newest snapshot, then the frames behind it, each in its place."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple, Protocol

from ganger.errors import JournalCorrupt, JournalError
from ganger.storage.disk import Disk
from ganger.storage.faults import corrupt
from ganger.storage.file_header import FIRST_FRAME, SEGMENT_MAGIC, SNAPSHOT_MAGIC
from ganger.storage.frame import SEAL, Frame
from ganger.storage.frame_reader import FrameReader, open_frames
from ganger.storage.layout import Layout, read_layout, segment_name, snapshot_name
from ganger.storage.tail import refuse_unless_reached, refuse_unless_sealed, refuse_unless_torn

PAGE_BYTES = 1 << 14


class Place(NamedTuple):
    """Where in a segment a frame begins, and what stands before it."""

    offset: int
    sequence_before: int
    chain_before: int


class Tail(NamedTuple):
    """The frames of the last segment that recovery writes anew, because they may stand in memory only.

    That is the last frame, which a master may have written and not synced before it was killed, with
    those that share a page with it; and the whole segment where it is short, so that a master
    that is killed again and again does not leave a file each time.

    Attributes:
        segment: The first frame of the segment.
        start: Where the first of the frames to write begins.
    """

    segment: int
    start: Place


class Observer(Protocol):
    """Is told of every file, and of every damage instead of its being raised."""

    def on_file(self, reader: FrameReader) -> None:
        """A file was read as far as it has to stand."""

    def on_damage(self, error: JournalCorrupt) -> None:
        """A file is damaged; reading goes on with the next one."""


class LogReader:
    """Streams what stands; once exhausted, its attributes say where the next frame belongs.

    Args:
        disk: Where the journal is.
        directory: Its folder.
        layout: Its files.
        observer: Is told instead of an error being raised; None to raise.
        in_use: Whether a master appends meanwhile, so that what stands behind the last frame says nothing.
        whole_tail_bytes_max: The length up to which a last segment is its own tail as a whole.

    Attributes:
        sequence: The last frame that stands.
        chain: Its checksum.
        epoch: The highest epoch that was seen.
        end: The first byte behind it in its segment.
        tail: The frames that may not be durable, though they can be read; None if the journal was closed.
    """

    def __init__(
        self,
        disk: Disk,
        directory: Path,
        layout: Layout,
        *,
        observer: Observer | None = None,
        in_use: bool = False,
        whole_tail_bytes_max: int = 0,
    ) -> None:
        self._disk = disk
        self._directory = directory
        self._layout = layout
        self._observer = observer
        self._in_use = in_use
        self._whole_tail_bytes_max = whole_tail_bytes_max
        self.sequence = 0
        self.chain = 0
        self.epoch = 0
        self.end = 0
        self.tail: Tail | None = None

    def batches(self, through: int | None = None) -> Iterator[bytes]:
        """Every batch that stands, in order.

        Args:
            through: The last frame to read, which must stand in a segment that is not the last; None for all.

        Raises:
            JournalCorrupt: Something that was acknowledged is damaged or missing.
            JournalVersion: A file of another format.
            JournalFailed: A file cannot be read.
        """
        snapshot, segments = self._layout.snapshot, self._layout.segments
        if snapshot:
            path = self._directory / snapshot_name(snapshot)
            yield from self._file(path, SNAPSHOT_MAGIC, self._snapshot_frames, 0)
        for first, following in zip_longest(segments, segments[1:]):
            if through is not None and first > through:
                return
            path = self._directory / segment_name(first)
            if following is None:
                yield from self._file(path, SEGMENT_MAGIC, self._last_frames, snapshot)
            else:
                until = following - 1 if through is None else min(through, following - 1)
                yield from self._file(path, SEGMENT_MAGIC, partial(_frames_until, until=until), snapshot)

    def _file(
        self, path: Path, magic: bytes, frames: Callable[[FrameReader], Iterator[Frame]], covered: int
    ) -> Iterator[bytes]:
        try:
            with open_frames(self._disk, path, magic) as reader:
                self._refuse_a_stranger(reader)
                for frame in frames(reader):
                    self.epoch = max(self.epoch, frame.epoch)
                    if frame.sequence > covered and not frame.flags & SEAL:
                        yield frame.body
                if magic == SEGMENT_MAGIC:
                    self.sequence, self.chain, self.end = reader.sequence, reader.chain, reader.offset
                if self._observer is not None:
                    self._observer.on_file(reader)
        except JournalCorrupt as error:
            if self._observer is None:
                raise
            self._observer.on_damage(error)
            self.sequence = 0  # the next file cannot be compared with this one

    def _snapshot_frames(self, reader: FrameReader) -> Iterator[Frame]:
        yield from reader.frames()
        refuse_unless_sealed(reader)

    def _last_frames(self, reader: FrameReader) -> Iterator[Frame]:
        recent: deque[Place] = deque()
        place = _place(reader)
        for frame in reader.frames():
            recent.append(place)
            while len(recent) > 1 and recent[1].offset <= place.offset & -PAGE_BYTES:
                recent.popleft()
            place = _place(reader)
            yield frame
        if not self._in_use:
            refuse_unless_torn(reader)
        if reader.sequence < (snapshot := self._layout.snapshot):
            reason = f"the journal ends with frame {reader.sequence}, the snapshot goes to {snapshot}"
            raise corrupt(reader.path, reader.offset, reason)
        self.tail = self._tail(reader, recent)

    def _tail(self, reader: FrameReader, recent: deque[Place]) -> Tail | None:
        header = reader.header
        if reader.size_bytes < header.size_bytes:
            return None  # it was cut behind its seal, after the seal was synced
        whole = Place(FIRST_FRAME, header.sequence - 1, header.previous)
        short = not recent or reader.offset - FIRST_FRAME <= self._whole_tail_bytes_max
        return Tail(header.sequence, whole if short else recent[0])

    def _refuse_a_stranger(self, reader: FrameReader) -> None:
        header = reader.header
        named = segment_name if header.magic == SEGMENT_MAGIC else snapshot_name
        if named(header.sequence) != reader.path.name:
            raise corrupt(reader.path, 0, f"this is the file of frame {header.sequence}, under another name")
        if self.sequence and header.previous != self.chain:
            raise corrupt(reader.path, 0, f"the file does not follow frame {self.sequence}")
        if self.sequence and header.epoch < self.epoch:
            raise corrupt(
                reader.path, 0, f"the file has epoch {header.epoch}, the one before has {self.epoch}"
            )


def _frames_until(reader: FrameReader, until: int) -> Iterator[Frame]:
    yield from reader.frames(until)
    refuse_unless_reached(reader, until)


def _place(reader: FrameReader) -> Place:
    return Place(reader.offset, reader.sequence, reader.chain)


def read_sealed(directory: Path, through_sequence: int, *, disk: Disk | None = None) -> Iterator[bytes]:
    """Every batch up to a frame, for the process that folds them; needs no lock and changes nothing.

    Args:
        directory: The journal's folder.
        through_sequence: The last frame to read, as `FileJournal.rotate` returned it.
        disk: Instead of the real one.

    Raises:
        JournalError: The frame stands in a segment that is not sealed, or below the newest snapshot.
        JournalCorrupt: Something is damaged or missing.
        JournalFailed: A file cannot be read.
    """
    disk = disk or Disk()
    layout = read_layout(disk, directory)
    if not layout.snapshot <= through_sequence < max(layout.segments, default=0):
        raise JournalError(
            f"the frames up to {through_sequence} of {directory} are not all sealed, or already folded",
            hint="fold through the frame that rotate() returned last",
        )
    yield from LogReader(disk, directory, layout).batches(through_sequence)
