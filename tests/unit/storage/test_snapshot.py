"""A snapshot stands for the frames that it covers once it is complete, and not a moment earlier."""

import errno

import pytest

from ganger.errors import InvariantViolated, JournalCorrupt, JournalError, JournalFailed, JournalFull
from ganger.storage import FileJournal, SnapshotWriter, read_sealed
from tests.unit.storage.journals import DIRECTORY, SMALL, replayed, segments, started
from tests.unit.storage.memory_disk import Fault, MemoryDisk


def write_snapshot(disk: MemoryDisk, sequence: int, *batches: bytes, epoch: int = 1) -> None:
    with SnapshotWriter(DIRECTORY, sequence, epoch, disk=disk) as writer:
        for batch in batches:
            writer.add(batch)
        writer.publish()


def snapshots(disk: MemoryDisk) -> list[str]:
    return sorted(name.rsplit("/", 1)[1] for name in disk.files if "snapshot" in name)


def test_rotate_returns_the_last_sealed_frame_and_reads_it_back() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", b"b")
    sequence = journal.rotate()
    journal.append(b"c")
    assert sequence == 2
    assert list(read_sealed(DIRECTORY, sequence, disk=disk)) == [b"a", b"b"]
    assert list(read_sealed(DIRECTORY, 1, disk=disk)) == [b"a"]


def test_a_rotation_of_an_empty_segment_makes_none() -> None:
    journal = started(MemoryDisk(), b"a")
    assert journal.rotate() == journal.rotate() == 1
    journal.seal()
    assert journal.status().segments == 2


def test_a_snapshot_replaces_what_it_covers() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", b"b", epoch=3)
    sequence = journal.rotate()
    journal.append(b"c")
    before = journal.status().size_bytes
    write_snapshot(disk, sequence, b"a+b", epoch=3)
    journal.adopt_snapshot(sequence)
    assert len(segments(disk)) == 1
    assert journal.status().snapshot_sequence == sequence
    assert journal.status().size_bytes < before
    journal.append(b"d")
    assert replayed(disk.kill()) == [b"a+b", b"c", b"d"]


def test_a_second_snapshot_is_folded_from_the_first_and_replaces_it() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    write_snapshot(disk, first := journal.rotate(), b"A")
    journal.adopt_snapshot(first)
    journal.append(b"b")
    second = journal.rotate()
    assert list(read_sealed(DIRECTORY, second, disk=disk)) == [b"A", b"b"]
    write_snapshot(disk, second, b"AB")
    journal.adopt_snapshot(second)
    assert snapshots(disk) == [f"snapshot-{second:020}.snapshot"]
    assert replayed(disk.kill()) == [b"AB"]


def test_a_snapshot_that_nobody_adopted_counts_at_the_next_opening() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", b"b")
    sequence = journal.rotate()
    journal.append(b"c")
    write_snapshot(disk, sequence, b"a+b")
    disk = disk.kill()
    assert replayed(disk) == [b"a+b", b"c"]
    started(disk.kill(), b"d")
    assert len(segments(disk)) == 1


def test_a_snapshot_in_the_middle_of_a_segment_leaves_the_frames_behind_it() -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"b", b"c")
    write_snapshot(disk, 2, b"a+b")
    assert replayed(disk.kill()) == [b"a+b", b"c"]


def test_the_highest_epoch_of_a_snapshot_is_seen() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", epoch=8)
    write_snapshot(disk, journal.rotate(), b"A", epoch=8)
    disk = disk.kill()
    journal = FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)
    assert list(journal.replay()) == [b"A"]
    assert journal.epoch == 8


def test_a_large_snapshot_is_written_in_slices() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    batches = [bytes([n]) * 300_000 for n in range(10)]
    disk.calls.clear()
    write_snapshot(disk, journal.rotate(), *batches)
    assert [call for call, name in disk.calls if name.startswith("snapshot")].count("sync") >= 3
    assert replayed(disk.kill()) == batches


def test_a_snapshot_is_not_seen_before_it_is_published() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    writer = SnapshotWriter(DIRECTORY, journal.rotate(), 1, disk=disk)
    writer.add(b"half")
    assert list(read_sealed(DIRECTORY, 1, disk=disk)) == [b"a"]
    writer.abandon()
    writer.abandon()
    assert snapshots(disk) == []
    with pytest.raises(InvariantViolated):
        writer.add(b"late")


def test_a_snapshot_is_abandoned_when_its_writing_raises() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    with (
        pytest.raises(ZeroDivisionError),
        SnapshotWriter(DIRECTORY, journal.rotate(), 1, disk=disk),
    ):
        _ = 1 // 0
    assert snapshots(disk) == []


@pytest.mark.parametrize(("number", "expected"), [(errno.ENOSPC, JournalFull), (errno.EIO, JournalFailed)])
@pytest.mark.parametrize("call", ["create", "write", "sync", "rename", "sync_directory"])
def test_a_snapshot_that_cannot_be_written_says_why(
    call: str, number: int, expected: type[JournalError]
) -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    sequence = journal.rotate()
    disk.fault = lambda name, file: Fault(OSError(number, "no")) if name == call else None
    with pytest.raises(expected, match="cannot"):
        write_snapshot(disk, sequence, b"A")
    disk.fault = lambda call, name: None
    assert replayed(disk.kill()) in ([b"a"], [b"A"])


def test_an_abandoned_file_that_a_new_master_removed_is_no_error() -> None:
    disk = MemoryDisk()
    writer = SnapshotWriter(DIRECTORY, 1, 1, disk=disk)
    started(disk, b"a")
    writer.abandon()
    writer = SnapshotWriter(DIRECTORY, 1, 1, disk=disk)
    disk.fault = lambda call, name: Fault(OSError(errno.EIO, "gone")) if call == "unlink" else None
    with pytest.raises(JournalFailed, match="cannot remove"):
        writer.abandon()


def test_only_sealed_frames_that_are_not_folded_yet_can_be_read() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", b"b")
    with pytest.raises(JournalError, match="not all sealed"):
        list(read_sealed(DIRECTORY, 2, disk=disk))
    write_snapshot(disk, sequence := journal.rotate(), b"AB")
    journal.adopt_snapshot(sequence)
    with pytest.raises(JournalError, match="already folded"):
        list(read_sealed(DIRECTORY, 1, disk=disk))


def test_only_a_published_snapshot_of_sealed_frames_is_adopted() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", b"b")
    with pytest.raises(InvariantViolated, match="not sealed"):
        journal.adopt_snapshot(2)
    sequence = journal.rotate()
    with pytest.raises(JournalFailed, match="cannot open"):
        journal.adopt_snapshot(sequence)
    write_snapshot(disk, 1, b"A")
    disk.rename(
        DIRECTORY / "snapshot-00000000000000000001.snapshot", DIRECTORY / f"snapshot-{sequence:020}.snapshot"
    )
    with pytest.raises(JournalCorrupt, match="frames up to 1"):
        journal.adopt_snapshot(sequence)
    journal.append(b"c")


def test_a_damaged_snapshot_is_refused() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    write_snapshot(disk, journal.rotate(), b"one", b"two")
    file = disk.files[str(DIRECTORY / "snapshot-00000000000000000001.snapshot")]
    whole = bytes(file.data)
    for place in (0, 20, 512, 512 + 41, 1024 + 36, 1536 + 8):
        file.data[:] = whole
        file.data[place] ^= 1
        with pytest.raises(JournalCorrupt):
            replayed(disk.kill())
    file.data[:] = whole[:1536]
    with pytest.raises(JournalCorrupt, match="ends with a seal"):
        replayed(disk.kill())
    file.data[:] = whole + bytes(512)
    with pytest.raises(JournalCorrupt, match="ends with a seal"):
        replayed(disk.kill())


def test_a_snapshot_without_the_segment_behind_it_is_refused() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    write_snapshot(disk, sequence := journal.rotate(), b"A")
    journal.adopt_snapshot(sequence)
    del disk.files[str(DIRECTORY / segments(disk)[0])]
    with pytest.raises(JournalCorrupt, match="segment that follows it is missing"):
        replayed(disk.kill())


def test_a_journal_that_ends_before_its_snapshot_is_refused() -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"b")
    write_snapshot(disk, 9, b"A")
    with pytest.raises(JournalCorrupt, match="ends with frame 2, the snapshot goes to 9"):
        replayed(disk.kill())
