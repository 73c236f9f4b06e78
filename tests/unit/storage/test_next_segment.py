"""The next segment is made beside the caller, and whatever happens to it costs no batch."""

import errno
from pathlib import Path

import pytest

from ganger.errors import JournalFailed
from tests.unit.storage.journals import DIRECTORY, replayed, segments, started
from tests.unit.storage.memory_disk import Fault, MemoryDisk

NEXT = str(DIRECTORY / "next-segment.tmp")


HALF_FULL = [b"a", *[bytes(400)] * 9]  # more than a half of the first segment, 8192 bytes


def test_a_half_full_segment_begins_the_next_one_which_is_then_taken() -> None:
    disk = MemoryDisk()
    journal = started(disk, *HALF_FULL)
    assert len(disk.files[NEXT].data) == 16384
    disk.calls.clear()
    journal.append(bytes(4_000))
    assert "create" not in {call for call, _ in disk.calls}
    assert NEXT not in disk.files
    assert len(segments(disk)) == 2


def test_its_zeros_are_synced_in_slices_with_pauses_between() -> None:
    disk = MemoryDisk()
    started(disk, *[bytes(60_000)] * 2)
    calls = [call for call, name in disk.calls if name in ("", "next-segment.tmp")]
    assert calls.count("pause") >= 1
    assert calls.count("sync") >= calls.count("pause")


def test_whoever_needs_it_before_its_zeros_are_written_gets_it_as_it_is() -> None:
    disk = MemoryDisk()
    disk.later = []
    journal = started(disk, *HALF_FULL)
    assert NEXT not in disk.files
    journal.append(bytes(4_000))
    assert "pause" not in {call for call, _ in disk.calls}
    assert len(segments(disk)) == 2
    assert replayed(disk.kill()) == [*HALF_FULL, bytes(4_000)]


@pytest.mark.parametrize("call", ["create", "allocate", "write", "sync"])
def test_one_that_could_not_be_made_is_made_when_it_is_needed(call: str) -> None:
    disk = MemoryDisk()
    journal = started(disk, HALF_FULL[0])
    failures = [OSError(errno.EIO, "gone")]
    disk.fault = lambda name, file: (
        Fault(failures.pop()) if name == call and file == "next-segment.tmp" and failures else None
    )
    for batch in HALF_FULL[1:]:
        journal.append(batch)
    assert not failures
    journal.append(bytes(4_000))
    assert len(segments(disk)) == 2
    assert replayed(disk.kill()) == [*HALF_FULL, bytes(4_000)]


def test_one_that_is_too_short_for_a_large_batch_is_given_up() -> None:
    disk = MemoryDisk()
    journal = started(disk, *HALF_FULL)
    journal.append(bytes(200_000))
    assert journal.status().size_bytes == sum(
        len(file.data) for name, file in disk.files.items() if Path(name).suffix in (".segment", ".tmp")
    )
    assert replayed(disk.kill()) == [*HALF_FULL, bytes(200_000)]


def test_a_close_stops_it_and_leaves_nothing() -> None:
    disk = MemoryDisk()
    disk.later = []
    started(disk, *HALF_FULL).close()
    assert NEXT not in disk.files
    assert "pause" not in {call for call, _ in disk.calls}


def test_one_that_cannot_be_removed_fails_the_journal_that_needs_another() -> None:
    for needed in (4_000, 200_000):
        disk = MemoryDisk()
        disk.later = []
        journal = started(disk, *HALF_FULL)
        faults = {"unlink"} if needed == 200_000 else {"allocate", "unlink"}
        disk.fault = lambda call, name, faults=faults: (
            Fault(OSError(errno.EIO, "gone")) if call in faults and name == "next-segment.tmp" else None
        )
        with pytest.raises(JournalFailed, match="cannot remove"):
            journal.append(bytes(needed))
        assert replayed(disk.kill()) == HALF_FULL
