"""Verifying says everything that is wrong and changes nothing."""

from pathlib import Path

import pytest

from ganger.errors import JournalError
from ganger.storage import FileJournal, SnapshotWriter, verify
from tests.unit.storage.journals import DIRECTORY, SMALL, segment, segments, started
from tests.unit.storage.memory_disk import MemoryDisk


def test_a_whole_journal_is_good_and_told_file_by_file() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", b"b", epoch=4)
    sequence = journal.rotate()
    journal.append(b"c")
    with SnapshotWriter(DIRECTORY, sequence, 4, disk=disk) as writer:
        writer.add(b"ab")
        writer.publish()
    journal.close()
    report = verify(DIRECTORY, disk=disk)
    assert report.good
    assert not report.in_use
    assert (report.epoch, report.torn_offset) == (4, 0)
    assert [(file.last_sequence, file.frames, file.sealed) for file in report.files] == [
        (2, 2, True),  # the snapshot: a batch and a seal
        (4, 2, True),
    ]


def test_every_damaged_file_is_listed() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    for batch in (b"b", b"c", b"d"):
        journal.rotate()
        journal.append(batch)
    journal.close()
    for index in (0, 2):
        segment(disk, index).data[512 + 40] ^= 1
    report = verify(DIRECTORY, disk=disk)
    assert not report.good
    assert [Path(damage.path).name for damage in report.damage] == [segments(disk)[0], segments(disk)[2]]
    assert {damage.offset for damage in report.damage} == {512}
    assert len(report.files) == 2


def test_a_torn_last_frame_is_told_and_is_no_damage() -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"b")
    disk = disk.kill()
    segment(disk).data[1024 + 40] ^= 1
    report = verify(DIRECTORY, disk=disk)
    assert report.good
    assert report.torn_offset == 1024


def test_a_journal_in_use_is_read_as_far_as_it_stands() -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"b")
    segment(disk).data[1024 + 40] ^= 1
    segment(disk).data[4096] = 1
    report = verify(DIRECTORY, disk=disk)
    assert report.in_use
    assert report.good
    assert report.torn_offset == 0


def test_a_missing_file_is_damage() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    journal.rotate()
    journal.close()
    del disk.files[str(DIRECTORY / segments(disk)[0])]
    (damage,) = verify(DIRECTORY, disk=disk).damage
    assert "are missing" in damage.reason


def test_a_folder_without_a_journal_is_an_error_and_an_empty_one_is_good(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        verify(tmp_path / "nowhere")
    assert verify(tmp_path).good
    assert list(tmp_path.iterdir()) == []


def test_verifying_changes_nothing_and_lets_go(tmp_path: Path) -> None:
    journal = FileJournal.open(tmp_path, limits=SMALL)
    list(journal.replay())
    journal.start(1, b"a")
    journal.close()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert verify(tmp_path).good
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    FileJournal.open(tmp_path, limits=SMALL).close()
