"""What a crash can leave is cut; everything else that is missing or damaged is refused with its place."""

import pytest

from ganger.errors import JournalCorrupt
from ganger.storage import FileJournal
from ganger.storage.file_header import SEGMENT_MAGIC, FileHeader
from ganger.storage.frame import SEAL, encode
from tests.unit.storage.journals import DIRECTORY, SMALL, replayed, segment, segments, started
from tests.unit.storage.memory_disk import MemoryDisk

SEED = FileHeader(SEGMENT_MAGIC, 1, 1, 0, 0).seed


def refusal(disk: MemoryDisk) -> JournalCorrupt:
    with pytest.raises(JournalCorrupt) as caught:
        replayed(disk.kill())
    return caught.value


def put(disk: MemoryDisk, offset: int, body: bytes, sequence: int, previous: int, **changes: int) -> int:
    """Writes a frame that no journal has written; returns its checksum."""
    fields = {"epoch": 1, "flags": 0, "seed": SEED, **changes}
    data, checksum = encode(body, sequence, fields["epoch"], fields["flags"], previous, fields["seed"])
    segment(disk).data[offset : offset + len(data)] = data
    return checksum


def test_a_last_frame_that_was_cut_short_at_any_byte_is_cut() -> None:
    disk = MemoryDisk()
    last = bytes(range(1, 256)) * 5
    started(disk, b"a", b"b" * 600, last)
    start = 512 + 512 + 1024
    whole = bytes(segment(disk).data)
    for length in range(40 + len(last)):
        segment(disk).data[start:] = whole[start : start + length] + bytes(len(whole) - start - length)
        assert replayed(disk.kill()) == [b"a", b"b" * 600]
    segment(disk).data[:] = whole
    assert replayed(disk.kill()) == [b"a", b"b" * 600, last]


def test_a_last_frame_whose_first_sectors_never_arrived_is_cut() -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"long" * 1000)
    segment(disk).data[1024:2048] = bytes(1024)
    assert replayed(disk.kill()) == [b"a"]


def test_a_damaged_frame_before_a_good_one_is_refused_with_file_and_offset() -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"bbbb", b"c")
    segment(disk).data[1024 + 41] ^= 1
    error = refusal(disk)
    assert error.offset == 1024
    assert error.path == str(DIRECTORY / segments(disk)[0])
    assert "at byte 1024" in error.message
    assert error.hint


@pytest.mark.parametrize("place", [0, 4, 8, 24, 32, 36])
def test_a_damaged_header_before_a_good_frame_is_refused(place: int) -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"b" * 2000, b"c")
    segment(disk).data[1024 + place] ^= 1
    assert refusal(disk).offset == 1024


def test_two_damaged_frames_at_the_end_are_refused_because_only_one_can_be_torn() -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"bbbb", b"cccc")
    segment(disk).data[1024 + 41] ^= 1  # a body
    segment(disk).data[1536 + 1] ^= 1  # and the header of the frame behind it
    error = refusal(disk)
    assert error.offset == 1024
    assert "byte 1536 was written later" in error.message


def test_a_damaged_frame_before_a_seal_is_refused() -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"bbbb").seal()
    segment(disk).data[1024 + 8] ^= 1
    assert "frame 3 was written later" in refusal(disk).message


def test_a_frame_that_vanished_before_a_good_one_is_refused() -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"b", b"c")
    segment(disk).data[1024:1536] = bytes(512)
    assert "nothing was written here" in refusal(disk).message


def test_a_torn_seal_costs_nothing_but_the_seal() -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"b").seal()
    segment(disk).data[1536] ^= 1
    assert replayed(disk.kill()) == [b"a", b"b"]


def test_a_closed_segment_is_refused_without_its_seal_and_last_frame() -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"b").close()
    segment(disk).data[1024:2048] = bytes(1024)
    assert "ends with a seal" in refusal(disk).message


@pytest.mark.parametrize("size", [512, 1024, 1536, 1999, 2000])
def test_a_segment_that_was_shortened_is_refused(size: int) -> None:
    disk = MemoryDisk()
    started(disk, b"a", b"b", b"c" * 400)
    del segment(disk).data[size:]
    assert refusal(disk).path.endswith(segments(disk)[0])


def test_a_damaged_frame_in_an_earlier_segment_is_refused() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", b"b")
    journal.rotate()
    segment(disk, 0).data[1024] ^= 1
    error = refusal(disk)
    assert error.offset == 1024
    assert "though frame 2 was written later" in error.message


def test_what_stands_behind_the_last_frame_of_an_earlier_segment_does_not_count() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", b"b")
    journal.rotate()
    journal.append(b"c")
    segment(disk, 0).data[1536:1600] = b"\xff" * 64
    assert replayed(disk.kill()) == [b"a", b"b", b"c"]


def test_a_missing_segment_is_refused() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", b"b")
    journal.rotate()
    journal.append(b"c")
    journal.rotate()
    names = segments(disk)
    first = disk.files.pop(str(DIRECTORY / names[0]))
    with pytest.raises(JournalCorrupt, match="frames 1 to 2 are missing"):
        FileJournal.open(DIRECTORY, limits=SMALL, disk=disk.kill())
    disk.files[str(DIRECTORY / names[0])] = first
    del disk.files[str(DIRECTORY / names[1])]
    assert "though frame 3 was written later" in refusal(disk).message


def test_a_segment_under_another_name_is_refused() -> None:
    disk = MemoryDisk()
    started(disk, b"a").close()
    disk.files[str(DIRECTORY / "journal-00000000000000000003.segment")] = segment(disk)
    assert "though frame 2 was written later" not in (message := refusal(disk).message)
    assert "under another name" in message


def test_a_segment_of_another_journal_is_refused() -> None:
    disk, other = MemoryDisk(), MemoryDisk()
    for each, batch in ((disk, b"ours"), (other, b"theirs")):
        journal = started(each, batch)
        journal.rotate()
        journal.append(b"more")
    segment(disk, 1).data[:] = segment(other, 1).data
    assert "does not follow frame 1" in refusal(disk).message


def test_a_segment_with_an_older_epoch_than_the_one_before_is_refused() -> None:
    disk = MemoryDisk()
    started(disk, b"a", epoch=5).close()
    started(disk, b"b")
    header = FileHeader(SEGMENT_MAGIC, 3, 4, int.from_bytes(segment(disk).data[12:16], "little"), 4096)
    segment(disk).data[:44] = header.encode()
    assert "epoch 4" in refusal(disk).message


def test_a_file_that_is_no_segment_is_refused() -> None:
    disk = MemoryDisk()
    started(disk, b"a").close()
    for content in (b"", b"short", bytes(4096)):
        segment(disk).data[:] = content
        with pytest.raises(JournalCorrupt, match="at byte 0"):
            FileJournal.open(DIRECTORY, limits=SMALL, disk=disk.kill())


def test_a_whole_header_that_no_crash_can_leave_is_refused() -> None:
    disk = MemoryDisk()
    started(disk, b"a")
    chain = int.from_bytes(segment(disk).data[512 + 36 : 512 + 40], "little")
    put(disk, 1024, b"b", 3, chain)
    assert "frame 3 stands where frame 2 belongs" in refusal(disk).message
    put(disk, 1024, b"b", 2, chain ^ 1)
    assert "frame 2 does not follow" in refusal(disk).message
    put(disk, 1024, b"b", 2, chain, epoch=0)
    assert "epoch 0" in refusal(disk).message
    put(disk, 1024, bytes(len(segment(disk).data)), 2, chain)
    del segment(disk).data[4096:]
    assert "longer than the file" in refusal(disk).message


def test_a_frame_of_another_segment_is_never_taken_for_one_of_this() -> None:
    disk = MemoryDisk()
    started(disk, b"a")
    chain = int.from_bytes(segment(disk).data[512 + 36 : 512 + 40], "little")
    put(disk, 1024, b"b", 2, chain, seed=SEED ^ 1, flags=SEAL)
    assert replayed(disk.kill()) == [b"a"]


def test_no_two_segments_have_the_same_seed() -> None:
    places = [(1, 1, 0), (2, 1, 0), (1, 2, 0), (1, 1, 5)]
    assert len({FileHeader(SEGMENT_MAGIC, *place, 0).seed for place in places}) == len(places)


def test_a_batch_that_holds_a_copy_of_the_journal_confuses_nobody() -> None:
    disk = MemoryDisk()
    journal = started(disk, b"a", b"b")
    copy = bytes(segment(disk).data[512 : 512 + 472]) + bytes(segment(disk).data[512:1536])
    journal.append(copy)  # its frames begin at multiples of 512 in the file
    segment(disk).data[1536 + 36] ^= 1
    assert replayed(disk.kill()) == [b"a", b"b"]
