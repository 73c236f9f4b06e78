"""What was read back is durable again, under a new epoch, before anything is served.

A frame that can be read is not yet safe: a master that was killed between writing and syncing leaves
it in memory only, and after a failed sync the system may count a page as written that is not. So the
tail is written into a new file, together with the first batch of the new epoch. The file is synced,
read back and named in one step; until then the journal is as it was.
"""

from __future__ import annotations

from pathlib import Path

from ganger.errors import JournalCorrupt, JournalError, JournalFailed
from ganger.storage.disk import Disk
from ganger.storage.faults import from_os_error
from ganger.storage.file_header import FIRST_FRAME, SEGMENT_MAGIC, FileHeader
from ganger.storage.frame import ALIGNMENT, frame_space
from ganger.storage.frame_reader import FrameReader, open_frames
from ganger.storage.head import Head
from ganger.storage.layout import segment_name
from ganger.storage.log_reader import LogReader, Tail
from ganger.storage.segment_supply import SegmentSupply


def recover(
    disk: Disk, directory: Path, supply: SegmentSupply, log: LogReader, epoch: int, first_batch: bytes
) -> Head:
    """Starts a new epoch behind what `log` has read.

    Args:
        disk: Where the journal is.
        directory: Its folder.
        supply: Makes the new segment.
        log: Has read everything.
        epoch: The new epoch.
        first_batch: The first batch under it.

    Raises:
        JournalFull: No room, even in the reserve; the journal is as it was.
        JournalFailed: The disk has failed.
    """
    tail = log.tail
    sequence, chain, tail_bytes = log.sequence, log.chain, 0
    if tail is not None:
        sequence, chain = tail.start.sequence_before, tail.start.chain_before
        tail_bytes = log.end - tail.start.offset
    needed = FIRST_FRAME + tail_bytes + frame_space(len(first_batch)) + ALIGNMENT
    blank = supply.blank(supply.size_after(needed), needed, reserved=True)
    header = FileHeader(SEGMENT_MAGIC, sequence + 1, epoch, chain, blank.size_bytes)
    path = directory / segment_name(sequence + 1)
    head = Head(disk, path, blank.descriptor, header, epoch, borrowed=blank.borrowed)
    try:
        if tail is not None:
            _copy_tail(disk, directory, tail, log.sequence, head)
        head.put(first_batch)
        _refuse_a_bad_copy(disk, head)
    except JournalError:
        supply.discard(blank)
        raise
    supply.publish(blank, header)
    if tail is not None and tail.segment <= sequence:
        _cut(disk, directory / segment_name(tail.segment), tail.start.offset)
    return head


def _copy_tail(disk: Disk, directory: Path, tail: Tail, until: int, head: Head) -> None:
    with open_frames(disk, directory / segment_name(tail.segment), SEGMENT_MAGIC) as reader:
        reader.go_to(*tail.start)
        try:
            head.copy(reader.frames(until))
        except OSError as error:
            raise from_os_error("write", head.path, error) from error
    if head.sequence != until:
        reason = reader.stop.reason if reader.stop is not None else ""
        raise JournalFailed(f"{reader.path} cannot be read twice: {reason}", hint="check the disk")


def _refuse_a_bad_copy(disk: Disk, head: Head) -> None:
    """The file must give back what was read from the old one."""
    reader = FrameReader(disk, head.descriptor, head.path, head.header, head.header.size_bytes)
    reason = "frames are missing"
    try:
        for _ in reader.frames(until=head.sequence):
            continue
    except JournalCorrupt as error:
        reason = error.message
    if (reader.sequence, reader.chain) != (head.sequence, head.chain):
        raise JournalFailed(f"a copy of the journal cannot be read back: {reason}", hint="check the disk")


def _cut(disk: Disk, path: Path, size_bytes: int) -> None:
    """Gives back the room of what stands in the new segment now."""
    try:
        descriptor = disk.open(path, writable=True)
        try:
            disk.truncate(descriptor, size_bytes)
            disk.sync(descriptor)
        finally:
            disk.close(descriptor)
    except OSError as error:
        raise from_os_error("cut", path, error) from error
