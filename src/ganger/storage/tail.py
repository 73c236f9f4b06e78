"""Only an unsealed last frame may be cut: every other frame that is missing or damaged is refused here.

Why that can be told: the master syncs each frame before it writes the next, and a segment holds
zeros until a frame is written. So whatever stands behind a damaged frame proves that the frame was
synced once, hence acknowledged, and that the damage came later. A damaged frame with nothing
behind it may be a write that a crash cut short, which nobody was told about.
"""

from __future__ import annotations

from ganger.storage.faults import corrupt
from ganger.storage.frame import ALIGNMENT, HEADER_BYTES, MAGIC, FrameHeader, align, parse_header
from ganger.storage.frame_reader import READ_BYTES, FrameReader, Stop


def refuse_unless_reached(reader: FrameReader, sequence: int) -> None:
    """The file must hold every frame up to `sequence`, because a later file follows that one.

    Raises:
        JournalCorrupt: It does not.
    """
    if reader.sequence < sequence and reader.stop is not None:
        reason = f"{reader.stop.reason}, though frame {sequence} was written later"
        raise corrupt(reader.path, reader.stop.offset, reason)


def refuse_unless_sealed(reader: FrameReader) -> None:
    """The file must end with a seal, as a closed segment and a published snapshot do.

    Raises:
        JournalCorrupt: It does not.
    """
    stop = _stop_of(reader)
    if not reader.sealed or align(reader.size_bytes) != reader.offset:
        raise corrupt(reader.path, stop.offset, f"{stop.reason}, though such a file ends with a seal")


def refuse_unless_torn(reader: FrameReader) -> None:
    """What stands behind the last good frame of the journal must be what a crash can leave.

    Args:
        reader: Has read all frames of the last segment.

    Raises:
        JournalCorrupt: The frame at which reading stopped had been synced once.
    """
    stop = _stop_of(reader)
    if reader.size_bytes < reader.header.size_bytes:
        refuse_unless_sealed(reader)
    if stop.end and (written := _first_written(reader, stop.end)) is not None:
        raise corrupt(reader.path, stop.offset, f"{stop.reason}, and byte {written} was written later")
    if (later := _later_frame(reader, stop.offset)) is not None:
        raise corrupt(
            reader.path, stop.offset, f"{stop.reason}, and frame {later.sequence} was written later"
        )


def _stop_of(reader: FrameReader) -> Stop:
    return reader.stop or Stop(reader.offset, "the file goes on")


def _first_written(reader: FrameReader, start: int) -> int | None:
    for offset in range(start, reader.size_bytes, READ_BYTES):
        data = reader.bytes_at(offset, min(READ_BYTES, reader.size_bytes - offset))
        if data.count(0) != len(data):
            return offset + len(data) - len(data.lstrip(b"\0"))
    return None


def _later_frame(reader: FrameReader, start: int) -> FrameHeader | None:
    """The first header behind `start` of a frame that follows the one that belongs there."""
    seed = reader.header.seed
    for offset in range(start, reader.size_bytes, READ_BYTES):
        data = reader.bytes_at(offset, min(READ_BYTES, reader.size_bytes - offset))
        at = data.find(MAGIC)
        while at >= 0:
            if at % ALIGNMENT == 0 and at + HEADER_BYTES <= len(data):
                header = parse_header(data, seed, at)
                if header is not None and header.sequence > reader.sequence + 1:
                    return header
            at = data.find(MAGIC, at + 1)
    return None
