"""Whatever is cut off or killed, and wherever: what `append` returned for is read back, once and in order."""

import errno
import random
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ganger.errors import JournalCorrupt, JournalFailed
from ganger.storage import FileJournal, JournalSettings, SnapshotWriter, read_sealed, verify
from tests.unit.storage.memory_disk import Fault, MemoryDisk, PowerCut

DIRECTORY = Path("/journal")
SMALL = JournalSettings(segment_bytes=1 << 15, reserve_bytes=4096, disk_free_bytes_min=0)
LARGE = JournalSettings(segment_bytes=1 << 17, reserve_bytes=0, disk_free_bytes_min=0)
ACTIONS = ("append", "append", "burst", "large", "seal", "rotate", "fold", "reopen")


class Story:
    """One journal through many lives; `acknowledged` may never be missing, `unknown` may."""

    def __init__(self, seed: int, limits: JournalSettings) -> None:
        self.limits = limits
        self.dice = random.Random(seed)
        self.disk = MemoryDisk()
        self.acknowledged: list[bytes] = []
        self.unknown: list[bytes] = []
        self.journal: FileJournal | None = None

    def open(self) -> None:
        journal = FileJournal.open(DIRECTORY, limits=self.limits, disk=self.disk)
        found = list(journal.replay())
        count = len(self.acknowledged)
        assert found[:count] == self.acknowledged
        assert found[count:] == self.unknown[: len(found) - count]
        self.unknown = found[count:]
        self._write(journal.start, journal.epoch + 1)
        self.journal = journal

    def act(self, action: str) -> None:
        journal = self.journal
        assert journal is not None
        match action:
            case "append":
                self._write(journal.append)
            case "burst":
                for _ in range(20):
                    self._write(journal.append)
            case "large":
                self._write(journal.append, size=self.dice.choice([5_000, 40_000]))
            case "seal":
                journal.seal()
            case "rotate":
                journal.rotate()
            case "fold":
                self._fold(journal)
            case "reopen":
                journal.close()
                self.open()

    def _write(self, write: Callable[..., None], *arguments: int, size: int | None = None) -> None:
        batch = self.dice.randbytes(self.dice.randint(0, 1500) if size is None else size)
        self.unknown.append(batch)
        write(*arguments, batch)
        self.acknowledged += self.unknown
        self.unknown.clear()

    def _fold(self, journal: FileJournal) -> None:
        sequence = journal.rotate()
        status = journal.status()
        if sequence == status.snapshot_sequence:
            return
        with SnapshotWriter(DIRECTORY, sequence, status.epoch, disk=self.disk) as writer:
            for batch in read_sealed(DIRECTORY, sequence, disk=self.disk):
                writer.add(batch)
            writer.publish()
        journal.adopt_snapshot(sequence)


def _fail_at(kind: str, count: int, fault: Fault) -> Callable[[str, str], Fault | None]:
    left = [count]

    def answer(call: str, name: str) -> Fault | None:
        left[0] -= kind in ("any", call)
        due = left[0] == 0 and kind in ("any", call)
        return fault if due and (call == "write" or not fault.short) else None

    return answer


Life = tuple[list[str], str, int, str, int]

lives = st.lists(
    st.tuples(
        st.lists(st.sampled_from(ACTIONS), max_size=8),
        st.sampled_from(["any", "write", "sync", "sync", "sync_directory", "rename", "unlink", "truncate"]),
        st.integers(1, 16),  # the call of that kind at which this life ends
        st.sampled_from(["power", "power", "kill", "error"]),
        st.sampled_from([0, 0, 13, 700]),  # how much of a write still reaches the file
    ),
    min_size=1,
    max_size=5,
)


@given(seed=st.integers(0, 2**32), limits=st.sampled_from([SMALL, LARGE]), lives=lives)
def test_what_was_acknowledged_survives_every_end_of_every_life(
    seed: int, limits: JournalSettings, lives: list[Life]
) -> None:
    story = Story(seed, limits)
    for actions, kind, count, end, short in lives:
        fault = Fault(OSError(errno.EIO, "gone")) if end == "error" else Fault(PowerCut(), short)
        story.disk.fault = _fail_at(kind, count * 6 if kind == "any" else count, fault)
        try:
            story.open()
            for action in actions:
                story.act(action)
        except (PowerCut, JournalFailed):
            story.journal = None
        story.disk = story.disk.cut_power(seed) if end == "power" else story.disk.kill()
    story.disk.fault = lambda call, name: None
    story.open()
    for action in ACTIONS:
        story.act(action)
    assert story.journal is not None
    story.journal.close()
    assert verify(DIRECTORY, disk=story.disk).good
    story.disk = story.disk.cut_power(seed)
    story.open()


@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=12),
    closed=st.booleans(),
    bit=st.integers(0, 2**30),
)
def test_a_flipped_bit_is_refused_or_costs_at_most_the_unsealed_last_frame(
    seed: int, sizes: list[int], closed: bool, bit: int
) -> None:
    dice = random.Random(seed)
    disk = MemoryDisk()
    journal = FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)
    list(journal.replay())
    batches = [b"first", *map(dice.randbytes, sizes)]
    journal.start(1, batches[0])
    for batch in batches[1:]:
        journal.append(batch)
    if closed:
        journal.close()
    disk = disk.kill()
    segments = [file for name, file in disk.files.items() if name.endswith(".segment")]
    file = dice.choice(segments)
    file.data[bit // 8 % len(file.data)] ^= 1 << bit % 8
    report = verify(DIRECTORY, disk=disk)
    try:
        journal = FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)
        found = list(journal.replay())
    except JournalCorrupt:
        assert not report.good
        return
    assert report.good
    assert found == batches or (found == batches[:-1] and not closed and report.torn_offset)
