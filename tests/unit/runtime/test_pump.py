"""The pump by itself, with a core that does just what each event says."""

from collections import deque

import pytest

from ganger.core.effects import Append, Close, Effect, Log, Send
from ganger.errors import JournalFailed, JournalFull
from ganger.ports import Now
from ganger.protocol.codec import decode_records
from ganger.protocol.ids import ConnectionId
from ganger.protocol.messages import Recorded
from ganger.protocol.records import Record, SessionClosed
from ganger.runtime.pump import FULL_PAUSE_NS, WARNING, Pump
from ganger.storage.memory import MemoryJournal
from tests.environment.world import FakeClock, FakeJournal, FakeTimers, FakeTransport

PEER = ConnectionId(1)


class ScriptedCore:
    """An event is the list of effects that it has; `settling` holds those of the next settlements.

    Attributes:
        settled: How often it was settled, and with what.
        stepped: The events that it was given, and whether new work was welcome then.
        slices: So many more settlements are wanted at once.
        deadline_ns: When it wants to be woken.
    """

    def __init__(self) -> None:
        self.settling: deque[list[Effect]] = deque()
        self.settled: list[tuple[int, bool, bool]] = []
        self.stepped: list[tuple[object, bool]] = []
        self.accepting = True
        self.slices = 0
        self.deadline_ns: int | None = None

    @property
    def has_more(self) -> bool:
        return self.slices > 0

    def step(self, event: object, now: Now) -> list[Effect]:
        self.stepped.append((event, self.accepting))
        assert isinstance(event, list)
        return event

    def settle(self, now: Now, *, caught_up: bool) -> list[Effect]:
        self.settled.append((now.monotonic_ns, self.accepting, caught_up))
        self.slices = max(0, self.slices - 1)
        return self.settling.popleft() if self.settling else []

    def next_deadline_ns(self, now: Now) -> int | None:
        return self.deadline_ns


class World:
    """A pump among fakes."""

    def __init__(self, batch_events_max: int = 100, journal: object = None) -> None:
        self.core = ScriptedCore()
        self.journal = FakeJournal()
        self.journal.started = True
        self.clock = FakeClock()
        self.timers = FakeTimers()
        self.transport = FakeTransport()
        self.transport.attach(PEER, worker=True)
        self.logged: list[tuple[int, str]] = []
        self.pump = Pump(
            self.core,
            journal or self.journal,  # type: ignore[arg-type]
            self.transport,
            self.clock,
            self.timers,
            lambda level, text: self.logged.append((level, text)),
            batch_events_max,
        )

    def offer(self, *effects: Effect) -> None:
        self.pump.offer(list(effects))

    def turn_when_due(self) -> bool:
        due = self.timers.take_due(self.clock.monotonic_ns)
        if due:
            self.pump.turn()
        return due

    @property
    def sent(self) -> list[int]:
        return [message.report for message in self.transport.inboxes[PEER] if isinstance(message, Recorded)]

    @property
    def batches(self) -> list[list[int]]:
        return [[record.session for record in decode_records(batch)] for batch in self.journal.batches]  # type: ignore[union-attr]


def append(number: int, *, lazy: bool = False) -> Append:
    return Append(SessionClosed(number), lazy)


def send(number: int) -> Send:
    return Send(PEER, Recorded(number))


@pytest.fixture
def world() -> World:
    return World()


def test_nothing_is_sent_before_its_batch_is_durable(world: World) -> None:
    world.journal.held = []
    world.offer(append(1), send(1))
    world.pump.turn()
    assert world.sent == []
    world.journal.sync()
    assert world.sent == [1]
    assert world.batches == [[1]]


def test_even_an_answer_to_a_read_waits_for_the_batches_before_it(world: World) -> None:
    world.journal.held = []
    world.offer(append(1), send(1))
    world.pump.turn()
    world.offer(send(2))
    world.pump.turn()
    assert world.sent == []
    world.journal.sync()
    assert world.sent == [1]
    assert world.turn_when_due()
    assert world.sent == [1, 2]


def test_what_arrives_during_an_append_forms_the_next_batch(world: World) -> None:
    world.journal.held = []
    world.offer(append(1))
    world.pump.turn()
    for number in (2, 3, 4):
        world.offer(append(number), send(number))
        world.pump.turn()
    assert len(world.core.stepped) == 1
    world.journal.sync()
    assert world.turn_when_due()
    world.journal.sync()
    assert world.batches == [[1], [2, 3, 4]]
    assert world.sent == [2, 3, 4]


def test_the_records_of_events_and_of_the_settlement_share_a_batch(world: World) -> None:
    world.core.settling.append([append(9), send(9)])
    world.offer(append(1), send(1))
    world.offer(append(2), send(2))
    world.pump.turn()
    assert world.batches == [[1, 2, 9]]
    assert world.sent == [1, 2, 9]


def test_a_batch_has_a_bounded_number_of_events(world: World) -> None:
    world.pump.batch_events_max = 2
    for number in range(5):
        world.offer(append(number))
    world.pump.turn()
    assert world.turn_when_due()
    assert world.turn_when_due()
    assert not world.turn_when_due()
    assert world.batches == [[0, 1], [2, 3], [4]]
    assert [caught_up for _, _, caught_up in world.core.settled] == [False, False, True]


def test_a_lazy_record_rides_with_the_next_that_somebody_waits_for(world: World) -> None:
    world.offer(append(1, lazy=True), send(1))
    world.pump.turn()
    assert world.batches == []
    assert world.sent == [1]
    world.offer(append(2))
    world.offer(append(3, lazy=True))
    world.pump.turn()
    assert world.batches == [[1, 2, 3]]


def test_lazy_records_become_durable_at_the_end(world: World) -> None:
    world.offer(append(1, lazy=True))
    world.pump.turn()
    world.pump.flush()
    assert world.batches == [[1]]
    world.pump.flush()
    assert world.batches == [[1]]


def test_a_flush_does_not_overtake_the_append_in_flight(world: World) -> None:
    world.journal.held = []
    world.offer(append(1, lazy=True), append(2))
    world.pump.turn()
    world.pump.flush()
    world.journal.sync()
    assert world.batches == [[1, 2]]


def test_a_journal_that_keeps_nothing_is_given_nothing() -> None:
    world = World(journal=MemoryJournal())
    world.offer(append(1), append(2, lazy=True), send(1))
    world.pump.turn()
    world.pump.flush()
    assert world.sent == [1]
    assert world.pump.idle


def test_a_connection_is_closed_after_what_was_sent_before(world: World) -> None:
    world.journal.held = []
    world.offer(append(1), send(1), Close(PEER), send(2))
    world.pump.turn()
    assert PEER in world.transport.open
    world.journal.sync()
    assert PEER not in world.transport.open
    assert world.sent == [1]


def test_the_operator_is_told_at_once(world: World) -> None:
    world.journal.held = []
    world.offer(append(1), Log(WARNING, "look here"))
    world.pump.turn()
    assert world.logged == [(WARNING, "look here")]
    world.journal.sync()


def test_the_core_knows_from_the_first_step_whether_the_journal_takes_new_work(world: World) -> None:
    world.journal.accepting = False
    world.offer()
    world.pump.turn()
    assert world.core.stepped == [([], False)]
    assert world.core.settled == [(world.clock.monotonic_ns, False, True)]


# --- wake-ups ------------------------------------------------------------------------------------


def test_the_pump_wakes_at_the_cores_deadline(world: World) -> None:
    world.core.deadline_ns = world.clock.monotonic_ns + 500
    world.pump.turn()
    assert not world.turn_when_due()
    world.clock.advance_ns(500)
    world.core.deadline_ns = None
    assert world.turn_when_due()
    assert len(world.core.settled) == 2


def test_slices_follow_each_other_without_waiting(world: World) -> None:
    world.core.slices = 3
    world.pump.turn()
    assert not world.pump.idle
    while world.turn_when_due():
        pass
    assert len(world.core.settled) == 3
    assert world.pump.idle


def test_slices_go_on_after_an_append(world: World) -> None:
    world.journal.held = []
    world.core.slices = 2
    world.core.settling.extend([[append(1)], [append(2)]])
    world.pump.turn()
    while world.turn_when_due():
        pass
    assert world.batches == []
    world.journal.sync()
    assert world.turn_when_due()
    world.journal.sync()
    assert world.batches == [[1], [2]]
    assert world.pump.idle


def test_a_deadline_that_passes_during_an_append_is_not_missed(world: World) -> None:
    world.journal.held = []
    world.core.deadline_ns = world.clock.monotonic_ns + 500
    world.offer(append(1))
    world.pump.turn()
    world.clock.advance_ns(1_000)
    world.turn_when_due()
    world.journal.sync()
    world.core.deadline_ns = None
    assert world.turn_when_due()
    assert len(world.core.settled) == 2


def test_the_pump_is_idle_only_when_nothing_is_left(world: World) -> None:
    assert world.pump.idle
    world.journal.held = []
    world.offer(append(1))
    assert not world.pump.idle
    world.pump.turn()
    assert not world.pump.idle
    world.journal.sync()
    assert world.pump.idle


# --- a journal that fails ------------------------------------------------------------------------


class FullJournal(FakeJournal):
    """Has no room until it is told that it has."""

    full = True

    def commit(self, batch: bytes, on_durable: object) -> None:
        if self.full:
            raise JournalFull("not a byte is left")
        super().commit(batch, on_durable)  # type: ignore[arg-type]


def test_a_batch_that_finds_no_room_waits_and_everything_behind_it() -> None:
    journal = FullJournal()
    journal.started = True
    world = World(journal=journal)
    world.journal = journal
    world.offer(append(1), send(1))
    world.pump.turn()
    world.offer(append(2), send(2))
    world.pump.turn()
    world.pump.turn()
    assert [level for level, _ in world.logged] == [WARNING]
    assert world.sent == []
    journal.full = False
    world.clock.advance_ns(FULL_PAUSE_NS)
    assert world.turn_when_due()
    assert world.sent == [1]
    assert world.turn_when_due()
    assert world.batches == [[1], [2]]
    assert world.sent == [1, 2]
    journal.full = True
    world.offer(append(3))
    world.pump.turn()
    assert len(world.logged) == 2


def test_after_a_failure_of_the_journal_nothing_is_sent_any_more(world: World) -> None:
    def fail(batch: bytes, on_durable: object) -> None:
        raise JournalFailed("the disk is gone")

    world.journal.commit = fail  # type: ignore[method-assign, assignment]
    world.offer(append(1), send(1))
    with pytest.raises(JournalFailed):
        world.pump.turn()
    world.offer(send(2))
    world.pump.turn()
    assert world.sent == []


def test_records_keep_their_order(world: World) -> None:
    records: list[Record] = []
    for number in range(20):
        world.offer(append(number, lazy=number % 3 == 0))
        if number % 4 == 0:
            world.pump.turn()
    world.offer(append(99))
    world.pump.turn()
    for batch in world.journal.batches:
        records += decode_records(batch)
    assert [record.session for record in records] == [*range(20), 99]  # type: ignore[union-attr]
