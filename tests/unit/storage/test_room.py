"""A full disk refuses new work and finishes the rest."""

import errno
import os

import pytest

from ganger.errors import ConfigurationError, JournalFailed, JournalFull
from ganger.storage import FileJournal, JournalSettings
from tests.unit.storage.journals import DIRECTORY, replayed, segments, started
from tests.unit.storage.memory_disk import Fault, MemoryDisk

KIB = 1 << 10
LIMITS = JournalSettings(segment_bytes=128 * KIB, reserve_bytes=64 * KIB, disk_free_bytes_min=32 * KIB)
BOUNDED = JournalSettings(
    segment_bytes=128 * KIB, reserve_bytes=64 * KIB, disk_free_bytes_min=0, journal_bytes_max=256 * KIB
)
BATCH = bytes(1_000)


def fill(journal: FileJournal, *, reserved: bool = False) -> int:
    """Appends until there is no room; returns how many batches fitted."""
    append = journal.append_reserved if reserved else journal.append
    for count in range(10_000):
        try:
            append(BATCH)
        except JournalFull:
            return count
    raise AssertionError("never full")


def reserve(disk: MemoryDisk) -> int:
    return len(disk.files[str(DIRECTORY / "reserve")].data)


def test_a_full_disk_refuses_appends_and_keeps_what_it_has() -> None:
    disk = MemoryDisk(free=512 * KIB)
    journal = started(disk, b"a", limits=LIMITS)
    count = fill(journal)
    assert 250 < count < 400
    assert disk.free >= LIMITS.disk_free_bytes_min
    assert not journal.accepting
    assert replayed(disk.kill(), LIMITS) == [b"a"] + [BATCH] * count


def test_the_reserve_is_whole_while_only_ordinary_appends_were_made() -> None:
    disk = MemoryDisk(free=512 * KIB)
    fill(started(disk, b"a", limits=LIMITS))
    assert reserve(disk) == LIMITS.reserve_bytes


def test_the_reserve_finishes_what_was_accepted_on_a_full_disk() -> None:
    disk = MemoryDisk(free=512 * KIB)
    journal = started(disk, b"a", limits=LIMITS)
    count = fill(journal)
    disk.free = 0  # somebody else took the rest
    finished = fill(journal, reserved=True)
    assert finished * 1536 >= LIMITS.reserve_bytes * 0.7
    assert reserve(disk) < 8 * KIB
    assert replayed(disk.kill(), LIMITS) == [b"a"] + [BATCH] * (count + finished)


def test_ordinary_appends_may_not_use_a_segment_that_lives_on_the_reserve() -> None:
    disk = MemoryDisk(free=512 * KIB)
    journal = started(disk, b"a", limits=LIMITS)
    fill(journal)
    disk.free = 0
    while reserve(disk) == LIMITS.reserve_bytes:
        journal.append_reserved(BATCH)
    with pytest.raises(JournalFull, match="beyond the reserve"):
        journal.append(b"new")
    assert journal.room_bytes == 0
    journal.append_reserved(b"result")


def test_the_reserve_grows_back_when_there_is_room_again() -> None:
    disk = MemoryDisk(free=512 * KIB)
    journal = started(disk, b"a", limits=LIMITS)
    fill(journal)
    disk.free = 0
    fill(journal, reserved=True)
    assert not journal.accepting
    disk.free = 1 << 30
    assert journal.accepting
    journal.append(b"new")
    assert reserve(disk) == LIMITS.reserve_bytes


def test_a_journal_can_be_opened_and_started_on_a_disk_without_any_room() -> None:
    disk = MemoryDisk(free=512 * KIB)
    journal = started(disk, b"a", limits=LIMITS)
    count = fill(journal)
    disk = disk.kill()
    disk.free = 0
    journal = started(disk, b"second life", limits=LIMITS)
    assert not journal.accepting
    journal.append_reserved(b"result")
    expected = [b"a"] + [BATCH] * count + [b"second life", b"result"]
    assert replayed(disk.kill(), LIMITS) == expected


def test_the_size_of_the_whole_journal_is_bounded_and_the_reserve_lies_beyond() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", limits=BOUNDED)
    count = fill(journal)
    assert journal.status().size_bytes <= BOUNDED.journal_bytes_max
    assert count > 120
    finished = fill(journal, reserved=True)
    assert finished >= 30
    assert journal.status().size_bytes <= BOUNDED.journal_bytes_max + BOUNDED.reserve_bytes
    assert replayed(disk.kill(), BOUNDED) == [b"a"] + [BATCH] * (count + finished)


def test_a_journal_refuses_new_work_well_before_it_is_full() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", limits=BOUNDED)
    assert journal.accepting
    while journal.accepting:
        journal.append(BATCH)
    assert journal.room_bytes > 16 * KIB
    journal.append(BATCH)


def test_no_room_to_overwrite_is_full_and_not_failed() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", limits=LIMITS)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    faults = iter([Fault(full, 700), Fault(full), None])  # a part, no more, and zeros over the part
    disk.fault = lambda call, name: next(faults) if call == "write" else None
    with pytest.raises(JournalFull, match="cannot write") as caught:
        journal.append(BATCH)
    assert caught.value.hint
    disk.fault = lambda call, name: None
    journal.append(b"small")
    assert replayed(disk.kill(), LIMITS) == [b"a", b"small"]


def test_a_write_that_cannot_be_taken_back_kills_the_journal() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", limits=LIMITS)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    faults = iter([Fault(full, 600), Fault(full), Fault(full)])
    disk.fault = lambda call, name: next(faults) if call == "write" else None
    with pytest.raises(JournalFailed):
        journal.append(b"x" * 1_000)
    disk.fault = lambda call, name: None
    assert replayed(disk.kill(), LIMITS) == [b"a"]


def test_where_overwriting_needs_room_the_whole_reserve_is_given_for_a_result() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", limits=LIMITS)

    def answer(call: str, name: str) -> Fault | None:
        return Fault(OSError(errno.ENOSPC, "full")) if call == "write" and reserve(disk) else None

    disk.fault = answer
    with pytest.raises(JournalFull):
        journal.append(BATCH)
    journal.append_reserved(BATCH)
    assert reserve(disk) == 0
    assert replayed(disk.kill(), LIMITS) == [b"a", BATCH]


def test_a_disk_that_has_less_than_it_says_is_full() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", limits=LIMITS)
    journal.append(bytes(7_000))
    quota = OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
    disk.fault = lambda call, name: (
        Fault(quota) if call == "allocate" and name == "next-segment.tmp" and reserve(disk) else None
    )
    with pytest.raises(JournalFull):
        journal.append(bytes(20_000))
    disk.calls.clear()
    journal.append_reserved(bytes(20_000))
    assert ("truncate", "reserve") in disk.calls
    disk.fault = lambda call, name: Fault(quota) if call == "allocate" else None
    with pytest.raises(JournalFull):
        journal.append_reserved(bytes(150_000))
    assert replayed(disk.kill(), LIMITS) == [b"a", bytes(7_000), bytes(20_000)]


def test_a_segment_that_cannot_be_made_kills_the_journal() -> None:
    for call in ("create", "allocate", "rename", "sync_directory", "free_bytes"):
        disk = MemoryDisk()
        journal = started(disk, b"a", limits=LIMITS)
        disk.fault = lambda name, file, call=call: Fault(OSError(errno.EIO, "gone")) if name == call else None
        with pytest.raises(JournalFailed):
            journal.rotate()
        with pytest.raises(JournalFailed, match="failed before"):
            journal.append(b"b")
        disk.fault = lambda call, name: None
        assert replayed(disk.kill(), LIMITS) == [b"a"]


def test_a_segment_without_room_for_its_name_leaves_the_journal_as_it_was() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", limits=LIMITS)
    disk.fault = lambda call, name: Fault(OSError(errno.ENOSPC, "full")) if call == "rename" else None
    with pytest.raises(JournalFull):
        journal.rotate()
    disk.fault = lambda call, name: None
    journal.append(b"b")
    assert replayed(disk.kill(), LIMITS) == [b"a", b"b"]


def test_a_reserve_that_cannot_be_made_leaves_ordinary_appends_without_room() -> None:
    disk = MemoryDisk()
    disk.fault = lambda call, name: (
        Fault(OSError(errno.ENOSPC, "full")) if call == "allocate" and name == "reserve" else None
    )
    journal = started(disk, b"a", limits=LIMITS)
    journal.append_reserved(b"result")
    with pytest.raises(JournalFull):
        journal.append(b"new")
    disk.fault = lambda call, name: None
    journal.append(b"new")


def test_a_reserve_that_cannot_be_looked_at_is_a_failure() -> None:
    disk = MemoryDisk()
    started(disk, b"a", limits=LIMITS).close()
    disk.fault = lambda call, name: Fault(OSError(errno.EIO, "gone")) if name == "reserve" else None
    with pytest.raises(JournalFailed, match="reserve"):
        FileJournal.open(DIRECTORY, limits=LIMITS, disk=disk)


def test_a_reserve_follows_a_changed_limit() -> None:
    disk = MemoryDisk()
    started(disk, b"a", limits=LIMITS).close()
    smaller = JournalSettings(segment_bytes=128 * KIB, reserve_bytes=16 * KIB, disk_free_bytes_min=0)
    started(disk, b"b", limits=smaller).close()
    assert reserve(disk) == 16 * KIB
    started(disk, b"c", limits=LIMITS).close()
    assert reserve(disk) == 64 * KIB


def test_the_reserve_can_be_released_for_a_snapshot() -> None:
    disk = MemoryDisk(free=512 * KIB)
    journal = started(disk, b"a", limits=LIMITS)
    fill(journal)
    free = disk.free
    journal.release_reserve()
    journal.release_reserve()
    assert disk.free == free + LIMITS.reserve_bytes
    assert journal.status().reserve_bytes == 0
    assert disk.free > LIMITS.disk_free_bytes_min + LIMITS.accept_bytes_min
    assert not journal.accepting  # until the reserve is whole again


def test_a_rotation_may_use_the_reserve() -> None:
    disk = MemoryDisk(free=512 * KIB)
    journal = started(disk, b"a", limits=LIMITS)
    fill(journal)
    disk.free = 0
    count = len(segments(disk))
    journal.rotate()
    assert len(segments(disk)) == count + 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"segment_bytes": 100},
        {"frame_bytes_max": 0},
        {"frame_bytes_max": 1 << 32},
        {"reserve_bytes": -1},
        {"journal_bytes_max": -1},
    ],
)
def test_limits_that_cannot_be_meant_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        JournalSettings(**wrong)
