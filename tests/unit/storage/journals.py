"""Small journals for the tests of the storage."""

from pathlib import Path

from ganger.storage import FileJournal, JournalSettings
from tests.unit.storage.memory_disk import File, MemoryDisk

DIRECTORY = Path("/journal")
SMALL = JournalSettings(segment_bytes=1 << 17, reserve_bytes=0, disk_free_bytes_min=0)


def started(
    disk: MemoryDisk, *batches: bytes, limits: JournalSettings = SMALL, epoch: int = 0
) -> FileJournal:
    """A journal with these batches appended; the first one under a new epoch."""
    journal = FileJournal.open(DIRECTORY, limits=limits, disk=disk)
    for _ in journal.replay():
        continue
    first, *others = batches or (b"start",)
    journal.start(epoch or journal.epoch + 1, first)
    for batch in others:
        journal.append(batch)
    return journal


def replayed(disk: MemoryDisk, limits: JournalSettings = SMALL) -> list[bytes]:
    """What a process that opens the journal now would find; leaves the disk as it is."""
    journal = FileJournal.open(DIRECTORY, limits=limits, disk=disk)
    try:
        return list(journal.replay())
    finally:
        journal.close()


def segments(disk: MemoryDisk) -> list[str]:
    """The names of the segments, in order."""
    return sorted(Path(name).name for name in disk.files if name.endswith(".segment"))


def segment(disk: MemoryDisk, index: int = -1) -> File:
    """One of the segments."""
    return disk.files[str(DIRECTORY / segments(disk)[index])]
