"""What was read back is durable again before anything is served, however the life before has ended."""

import errno
import os

import pytest

from ganger.errors import JournalFailed, JournalFull
from ganger.storage import FileJournal, JournalSettings
from ganger.storage.file_header import SEGMENT_MAGIC, FileHeader
from ganger.storage.frame import encode
from tests.unit.storage.journals import DIRECTORY, SMALL, replayed, segment, segments, started
from tests.unit.storage.memory_disk import Fault, MemoryDisk, PowerCut

SEEDS = range(20)
SECOND_SEED = FileHeader(SEGMENT_MAGIC, 1, 2, 0, 0).seed
LONG = JournalSettings(segment_bytes=1 << 20, reserve_bytes=0, disk_free_bytes_min=0)


def fail(disk: MemoryDisk, call: str, error: BaseException, *, nth: int = 1, short: int = 0) -> None:
    """The nth call of this name from now on fails."""
    count = [0]

    def answer(name: str, file: str) -> Fault | None:
        count[0] += name == call
        return Fault(error, short) if name == call and count[0] == nth else None

    disk.fault = answer


def io_error() -> OSError:
    return OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_frame_that_was_written_and_not_synced_is_durable_after_the_next_start() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    fail(disk, "sync", PowerCut())
    with pytest.raises(PowerCut):
        journal.append(b"b")
    disk = disk.kill()
    started(disk, b"second life")
    for seed in SEEDS:
        assert replayed(disk.cut_power(seed)) == [b"a", b"b", b"second life"]


def test_a_seal_that_was_written_and_not_synced_proves_nothing() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    fail(disk, "sync", PowerCut())
    with pytest.raises(PowerCut):
        journal.seal()
    disk = disk.kill()
    started(disk, b"second life")
    for seed in SEEDS:
        assert replayed(disk.cut_power(seed)) == [b"a", b"second life"]


def test_after_a_failed_sync_the_journal_is_dead() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    fail(disk, "sync", io_error())
    with pytest.raises(JournalFailed, match="cannot sync"):
        journal.append(b"b")
    for call in (journal.append, journal.append_reserved):
        with pytest.raises(JournalFailed, match="failed before: cannot sync"):
            call(b"c")
    with pytest.raises(JournalFailed):
        journal.seal()
    with pytest.raises(JournalFailed):
        journal.rotate()
    assert not journal.accepting
    assert "cannot sync" in journal.status().failure
    journal.close()
    started(disk, b"second life")


def test_a_page_that_the_system_took_for_written_after_a_failed_sync_is_written_again() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    fail(disk, "sync", io_error())
    with pytest.raises(JournalFailed):
        journal.append(b"b")
    disk = disk.kill()
    started(disk, b"second life")
    for seed in SEEDS:
        assert replayed(disk.cut_power(seed)) == [b"a", b"b", b"second life"]


def test_a_failed_write_kills_the_journal_and_a_torn_frame_is_cut() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    shorts = iter([30, 0])
    disk.fault = lambda call, name: Fault(io_error(), next(shorts)) if call == "write" else None
    with pytest.raises(JournalFailed, match="cannot write"):
        journal.append(b"b" * 100)
    assert replayed(disk.kill()) == [b"a"]


def test_a_write_that_takes_less_than_it_is_given_goes_on() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    disk.fault = lambda call, name: Fault(io_error(), 7) if call == "write" else None
    journal.append(b"b" * 100)
    disk.fault = lambda call, name: None
    assert replayed(disk.cut_power(1)) == [b"a", b"b" * 100]


def test_a_crash_anywhere_in_a_start_leaves_the_journal_as_it_was_or_started() -> None:
    for nth in range(1, 60):
        disk = MemoryDisk()
        started(disk, b"a", b"b")
        disk = disk.kill()
        count = [0]

        def answer(call: str, name: str, count: list[int] = count, nth: int = nth) -> Fault | None:
            count[0] += 1
            return Fault(PowerCut()) if count[0] == nth else None

        disk.fault = answer
        try:
            started(disk, b"second")
        except PowerCut:
            assert replayed(disk.cut_power(nth)) in ([b"a", b"b"], [b"a", b"b", b"second"])
        else:
            assert replayed(disk.cut_power(nth)) == [b"a", b"b", b"second"]
            return
    raise AssertionError("a start takes more calls than were tried")


def test_a_short_tail_is_replaced_so_that_crashes_leave_no_files_behind() -> None:
    disk = MemoryDisk()
    for life in range(10):
        started(disk, b"life %d" % life)
        disk = disk.kill()
    assert len(segments(disk)) == 1
    assert replayed(disk) == [b"life %d" % life for life in range(10)]


def test_a_tail_up_to_the_size_of_a_first_segment_is_short() -> None:
    disk = MemoryDisk()
    batches = [bytes([n]) * 1_000 for n in range(30)]
    started(disk, *batches, limits=LONG)
    disk = disk.kill()
    started(disk, b"second life", limits=LONG)
    assert len(segments(disk)) == 1
    assert replayed(disk.kill(), LONG) == [*batches, b"second life"]


def test_of_a_long_tail_only_the_last_pages_are_written_anew() -> None:
    disk = MemoryDisk()
    batches = [bytes([n]) * 1_000 for n in range(200)]
    started(disk, *batches, limits=LONG)
    disk = disk.kill()
    name, length = segments(disk)[-1], len(segment(disk).data)
    journal = started(disk, b"second life", limits=LONG)
    assert segments(disk)[-2] == name
    assert len(segment(disk, -2).data) < length
    copied = journal.status().sequence - int(segments(disk)[-1].split("-")[1].split(".")[0])
    assert 10 <= copied <= 24
    for seed in SEEDS:
        assert replayed(disk.cut_power(seed), LONG) == [*batches, b"second life"]


def test_a_start_that_fails_says_so_and_can_be_tried_again_by_the_next_process() -> None:
    calls = ["create", "allocate", "write", "sync", "rename", "sync_directory", "open", "read", "free_bytes"]
    for call in calls:
        disk = MemoryDisk()
        started(disk, b"a")
        disk = disk.kill()
        journal = FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)
        list(journal.replay())
        fail(disk, call, io_error())
        with pytest.raises(JournalFailed):
            journal.start(2, b"second")
        with pytest.raises(JournalFailed, match="failed before"):
            journal.append(b"c")
        disk.fault = lambda call, name: None
        journal.close()
        assert replayed(disk.kill())[:1] == [b"a"]


def test_a_start_without_room_leaves_the_journal_as_it_was_and_can_be_repeated() -> None:
    disk = MemoryDisk()
    started(disk, b"a")
    disk = disk.kill()
    journal = FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)
    list(journal.replay())
    free, disk.free = disk.free, 1000
    with pytest.raises(JournalFull):
        journal.start(2, b"second")
    disk.free = free
    fail(disk, "rename", OSError(errno.ENOSPC, "full"))
    with pytest.raises(JournalFull):
        journal.start(2, b"second")
    disk.fault = lambda call, name: None
    journal.start(2, b"second")
    assert replayed(disk.kill()) == [b"a", b"second"]


@pytest.mark.parametrize(
    "spoiled", [b"damage", encode(b"x", 5, 1, 0, 0, SECOND_SEED)[0]], ids=["damage", "stranger"]
)
def test_a_copy_that_cannot_be_read_back_is_refused(spoiled: bytes) -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"b")
    disk = disk.kill()
    journal = FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)
    list(journal.replay())

    def spoil(call: str, name: str) -> Fault | None:
        if call == "read" and name == "next-segment.tmp":
            disk.files[str(DIRECTORY / "next-segment.tmp")].data[512 : 512 + len(spoiled)] = spoiled
        return None

    disk.fault = spoil
    with pytest.raises(JournalFailed, match="cannot be read back"):
        journal.start(2, b"second")
    assert replayed(disk.kill()) == [b"a", b"b"]


def test_a_tail_that_reads_differently_the_second_time_is_refused() -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"b")
    disk = disk.kill()
    journal = FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)
    list(journal.replay())
    segment(disk).data[1024 + 40] ^= 1
    with pytest.raises(JournalFailed, match="cannot be read twice"):
        journal.start(2, b"second")


def test_a_file_that_cannot_be_read_is_a_failure_of_the_disk() -> None:
    disk = MemoryDisk()
    started(disk, b"a")
    disk = disk.kill()
    journal = FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)
    fail(disk, "read", io_error(), nth=2)
    with pytest.raises(JournalFailed, match="cannot read"):
        list(journal.replay())


@pytest.mark.parametrize("call", ["make_directory", "lock", "write", "names", "open", "read", "unlink"])
def test_an_opening_that_fails_says_what_it_tried_and_holds_no_lock(call: str) -> None:
    disk = MemoryDisk()
    started(disk, b"a")
    disk = disk.kill()
    disk.close(disk.create(DIRECTORY / "left.tmp"))
    fail(disk, call, io_error())
    with pytest.raises(JournalFailed, match="cannot"):
        FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)
    disk.fault = lambda call, name: None
    assert replayed(disk) == [b"a"]


def test_a_close_that_fails_lets_go_of_the_folder() -> None:
    for call in ("write", "sync", "truncate"):
        disk = MemoryDisk()
        journal = started(disk, b"a")
        fail(disk, call, io_error())
        with pytest.raises(JournalFailed):
            journal.close()
        disk.fault = lambda call, name: None
        assert replayed(disk) == [b"a"]


def test_a_seal_without_room_is_left_out() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a")
    fail(disk, "write", OSError(errno.ENOSPC, "full"))
    journal.seal()
    assert not journal.status().sealed
    journal.append(b"b")
    assert replayed(disk.kill()) == [b"a", b"b"]


def test_a_start_whose_copy_can_neither_be_written_nor_removed_fails() -> None:
    disk = MemoryDisk()
    started(disk, b"a")
    disk = disk.kill()
    journal = FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)
    list(journal.replay())
    writes = [0]

    def answer(call: str, name: str) -> Fault | None:
        writes[0] += call == "write"
        failing = call == "unlink" or (call == "write" and writes[0] == 2)  # the zeros, then the tail
        return Fault(io_error()) if failing else None

    disk.fault = answer
    with pytest.raises(JournalFailed, match="cannot remove"):
        journal.start(2, b"second")
    assert replayed(disk.kill()) == [b"a"]


def test_an_old_segment_that_cannot_be_cut_fails_the_start_and_loses_nothing() -> None:
    disk = MemoryDisk()
    batches = [bytes([n]) * 1_000 for n in range(200)]
    started(disk, *batches, limits=LONG)
    disk = disk.kill()
    fail(disk, "truncate", io_error(), nth=2)  # the first is the note in the lock
    with pytest.raises(JournalFailed, match="cannot cut"):
        started(disk, b"second life", limits=LONG)
    assert replayed(disk.kill(), LONG) == [*batches, b"second life"]
