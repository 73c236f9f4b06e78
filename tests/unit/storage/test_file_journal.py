"""The life of a journal: what goes in comes out, in order, and each call has its time."""

import stat
from pathlib import Path
from zlib import crc32

import pytest

from ganger.errors import InvariantViolated, JournalError, JournalFailed, JournalVersion
from ganger.ports import Journal
from ganger.storage import FileJournal, JournalSettings
from ganger.storage.file_header import SEGMENT_MAGIC, FileHeader
from tests.unit.storage.journals import DIRECTORY, SMALL, replayed, segment, segments, started
from tests.unit.storage.memory_disk import MemoryDisk


def test_a_fresh_journal_replays_nothing_and_starts_with_sequence_one() -> None:
    journal = FileJournal.open(DIRECTORY, limits=SMALL, disk=MemoryDisk())
    assert list(journal.replay()) == []
    assert journal.epoch == 0
    journal.start(1, b"first")
    assert (journal.epoch, journal.status().sequence) == (1, 1)


def test_batches_come_back_in_order_after_a_close() -> None:
    disk = MemoryDisk()
    batches = [b"", b"one", b"x" * 5_000, bytes(600)]
    started(disk, *batches).close()
    assert replayed(disk) == batches


def test_batches_come_back_in_order_after_a_kill() -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"b", b"c")
    assert replayed(disk.kill()) == [b"a", b"b", b"c"]


def test_the_real_disk_keeps_what_was_appended(tmp_path: Path) -> None:
    directory = tmp_path / "state" / "journal"
    limits = JournalSettings(segment_bytes=1 << 16, reserve_bytes=1 << 16)
    batches = [bytes([n]) * 3_000 for n in range(60)]
    with_first = FileJournal.open(directory, limits=limits)
    assert list(with_first.replay()) == []
    with_first.start(1, batches[0])
    for batch in batches[1:]:
        with_first.append(batch)
    with_first.close()
    again = FileJournal.open(directory, limits=limits)
    assert list(again.replay()) == batches
    again.close()


def test_the_folder_and_its_files_are_for_their_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    journal = FileJournal.open(directory, limits=SMALL)
    list(journal.replay())
    journal.start(1, b"first")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    journal.close()


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    FileJournal.open(tmp_path, limits=SMALL).close()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_a_folder_that_cannot_be_made_is_an_error_of_the_operator(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JournalFailed, match="cannot make"):
        FileJournal.open(tmp_path / "file" / "journal")


def test_segments_grow_to_their_full_size_and_follow_each_other() -> None:
    disk = MemoryDisk()
    journal = started(disk, *[bytes(1000)] * 300)
    sizes = [len(segment(disk, index).data) for index in range(len(segments(disk)))]
    assert sizes == [SMALL.segment_bytes // 16 * 2**n for n in range(5)] + [SMALL.segment_bytes] * 2
    assert journal.status().segments == len(sizes)
    assert replayed(disk.kill()) == [bytes(1000)] * 300


def test_a_batch_larger_than_a_segment_gets_a_segment_of_its_own() -> None:
    disk = MemoryDisk()
    large = b"large" * 40_000
    started(disk, b"a", large, b"b")
    assert len(segments(disk)) == 3
    assert replayed(disk.kill()) == [b"a", large, b"b"]


def test_a_batch_beyond_the_limit_is_refused_and_the_journal_goes_on() -> None:
    disk = MemoryDisk()
    limits = JournalSettings(
        segment_bytes=1 << 15, frame_bytes_max=100, reserve_bytes=0, disk_free_bytes_min=0
    )
    journal = started(disk, b"a", limits=limits)
    with pytest.raises(JournalError, match="frame_bytes_max is 100"):
        journal.append(bytes(101))
    journal.append(bytes(100))
    assert replayed(disk.kill()) == [b"a", bytes(100)]


def test_one_write_and_one_sync_carry_a_batch() -> None:
    disk = MemoryDisk()
    journal = started(disk)
    disk.calls.clear()
    journal.append(b"batch")
    assert [call for call, _ in disk.calls] == ["write", "sync"]


def test_commit_tells_only_when_the_batch_is_durable() -> None:
    disk = MemoryDisk()
    journal: Journal = started(disk)
    told: list[str] = []
    journal.commit(b"batch", lambda: told.append(disk.calls[-1][0]))
    assert told == ["sync"]
    assert journal.durable


def test_nothing_can_be_appended_before_the_start_or_after_the_close() -> None:
    journal = FileJournal.open(DIRECTORY, limits=SMALL, disk=MemoryDisk())
    with pytest.raises(InvariantViolated, match="has not started"):
        journal.append(b"early")
    assert not journal.accepting
    assert journal.room_bytes == 0
    journal.close()
    with pytest.raises(InvariantViolated, match="was closed"):
        journal.append(b"late")
    journal.close()


def test_a_journal_starts_only_after_all_of_it_was_replayed() -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"b").close()
    journal = FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)
    with pytest.raises(InvariantViolated):
        journal.start(2, b"too early")
    next(journal.replay())
    with pytest.raises(InvariantViolated):
        journal.start(2, b"too early still")
    assert list(journal.replay()) == [b"a", b"b"]
    journal.start(2, b"now")
    with pytest.raises(InvariantViolated):
        journal.start(3, b"twice")
    with pytest.raises(InvariantViolated):
        next(journal.replay())


def test_an_epoch_must_be_higher_than_every_one_before() -> None:
    disk = MemoryDisk()
    started(disk, epoch=7).close()
    journal = FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)
    list(journal.replay())
    assert journal.epoch == 7
    with pytest.raises(InvariantViolated, match="epoch 7 cannot follow epoch 7"):
        journal.start(7, b"again")
    journal.start(9, b"first of nine")
    assert journal.status().epoch == 9


def test_idle_seals_once_until_something_is_appended() -> None:
    disk = MemoryDisk()
    journal = started(disk)
    journal.idle()
    assert journal.status().sealed
    disk.calls.clear()
    journal.idle()
    assert disk.calls == []
    journal.append(b"more")
    assert not journal.status().sealed
    assert replayed(disk.kill()) == [b"start", b"more"]


def test_a_seal_always_has_room_in_a_full_segment() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"")
    room = len(segment(disk).data) - 2 * 512 - 512  # header and first frame, the seal
    journal.append(bytes(room - 40))
    journal.seal()
    assert journal.status().sealed
    assert journal.status().segments == 1
    journal.append(b"next")
    assert journal.status().segments == 2
    assert replayed(disk.kill()) == [b"", bytes(room - 40), b"next"]


def test_a_closed_segment_takes_no_more_than_its_frames() -> None:
    disk = MemoryDisk()
    started(disk, b"a").close()
    assert len(segment(disk).data) == 3 * 512


def test_the_status_says_where_the_journal_stands() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", b"b")
    status = journal.status()
    assert (status.directory, status.sequence, status.failure) == (str(DIRECTORY), 2, "")
    assert status.size_bytes == sum(len(file.data) for name, file in disk.files.items() if "LOCK" not in name)


def test_a_journal_of_another_format_is_refused_by_its_version() -> None:
    disk = MemoryDisk()
    started(disk, b"a").close()
    fields = bytearray(FileHeader(SEGMENT_MAGIC, 1, 1, 0, 4096).encode()[:40])
    fields[8] = 2
    segment(disk).data[:44] = fields + crc32(fields).to_bytes(4, "little")
    with pytest.raises(JournalVersion, match="format version 2"):
        FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)
    disk.kill()


def test_a_refused_journal_is_not_left_locked() -> None:
    disk = MemoryDisk()
    started(disk, b"a").close()
    kept = bytes(segment(disk).data)
    segment(disk).data[0] ^= 1
    with pytest.raises(JournalError):
        FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)
    segment(disk).data[:] = kept
    assert replayed(disk) == [b"a"]


def test_unfinished_files_of_an_earlier_life_are_removed() -> None:
    disk = MemoryDisk()
    started(disk, b"a")
    disk = disk.kill()
    disk.close(disk.create(DIRECTORY / "snapshot-00000000000000000001.snapshot.77.tmp"))
    started(disk, b"b")
    assert not [name for name in disk.files if name.endswith(".tmp")]
