"""No message leaves before the records it rests on are durable.

One turn: drain a bounded batch of events, step each, settle, append all their records as one
batch, sync once, then release the sends. One append is in flight at a time; what arrives meanwhile
waits unstepped and forms the next batch, so a slow disk makes batches larger, not queues longer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from ganger.core.effects import Append, Close, Effect, Log, Send
from ganger.errors import JournalFull
from ganger.ports import Clock, Journal, Now, Timers, Transport
from ganger.protocol.codec import encode_records
from ganger.protocol.records import Record

WARNING = 30
FULL_PAUSE_NS = 500_000_000
"""How long to wait before a batch that found no room at all is tried again."""


class Core(Protocol):
    """What the pump drives: the master's core, live or simulated.

    Attributes:
        accepting: Whether the journal has room for new work; the pump sets it before each batch.
    """

    accepting: bool

    @property
    def has_more(self) -> bool: ...

    def step(self, event: object, now: Now) -> list[Effect]: ...

    def settle(self, now: Now, *, caught_up: bool) -> list[Effect]: ...

    def next_deadline_ns(self, now: Now) -> int | None: ...


class Pump:
    """The loop of a mastership, driven by its shell: `offer` events, then call `turn`.

    Args:
        core: Decides.
        journal: Keeps.
        transport: Sends.
        clock: Tells the time.
        timers: Wakes the shell for the next turn.
        log: Receives (level, text).
        batch_events_max: Events of one turn.
    """

    def __init__(
        self,
        core: Core,
        journal: Journal,
        transport: Transport,
        clock: Clock,
        timers: Timers,
        log: Callable[[int, str], None],
        batch_events_max: int,
    ) -> None:
        self.core = core
        self.journal = journal
        self.transport = transport
        self.clock = clock
        self.timers = timers
        self.log = log
        self.batch_events_max = batch_events_max
        self._events: deque[object] = deque()
        self._records: list[Record] = []
        self._sends: list[Send | Close] = []
        self._committing = False
        self._stuck = b""
        self._full = False
        self._urgent = False

    def offer(self, event: object) -> None:
        """Queues an event for the next turn."""
        self._events.append(event)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do until something happens."""
        return not self._events and not self._committing and not self.core.has_more

    def turn(self) -> None:
        """One batch. Does nothing while an append is in flight: its end makes the next turn."""
        if self._committing:
            if self._stuck:
                self._commit(self._stuck)
            return
        now = self.clock.now()
        self.core.accepting = self.journal.accepting
        events = self._events
        step = self.core.step
        for _ in range(min(len(events), self.batch_events_max)):
            self._collect(step(events.popleft(), now))
        self._collect(self.core.settle(now, caught_up=not events))
        if self._urgent and self.journal.durable:
            batch = encode_records(self._records)
            self._records.clear()
            self._urgent = False
            self._commit(batch)
        else:
            if not self.journal.durable:
                self._records.clear()
                self._urgent = False
            self._release()
            self._schedule(now)

    def _commit(self, batch: bytes) -> None:
        """Has the batch made durable. Where even the reserve is used up, it and all behind it wait."""
        self._committing = True
        self._stuck = b""
        try:
            self.journal.commit(batch, self._on_durable)
        except JournalFull as error:
            if not self._full:
                self.log(WARNING, f"everything waits until there is room again: {error.message}")
            self._full = True
            self._stuck = batch
            self.timers.wake_at(self.clock.now().monotonic_ns + FULL_PAUSE_NS)
        else:
            self._full = False

    def flush(self) -> None:
        """Makes durable what nobody waited for; at the end of a mastership."""
        if self._records and self.journal.durable and not self._committing:
            batch = encode_records(self._records)
            self._records.clear()
            try:
                self.journal.commit(batch, self._release)
            except JournalFull as error:  # nobody waits for these records: the clients will say them again
                self.log(WARNING, f"the journal is full at the end: {error.message}")

    def _collect(self, effects: list[Effect]) -> None:
        for effect in effects:
            if type(effect) is Append:
                self._records.append(effect.record)
                if not effect.lazy:
                    self._urgent = True
            elif type(effect) is Log:
                self.log(effect.level, effect.text)
            elif isinstance(effect, Send | Close):
                self._sends.append(effect)

    def _on_durable(self) -> None:
        self._committing = False
        self._release()
        self._schedule(self.clock.now())

    def _release(self) -> None:
        sends, self._sends = self._sends, []
        for effect in sends:
            if type(effect) is Send:
                self.transport.send(effect.connection, effect.message)
            else:
                self.transport.close(effect.connection)

    def _schedule(self, now: Now) -> None:
        if self._events or self.core.has_more:
            self.timers.wake_at(now.monotonic_ns)
            return
        deadline_ns = self.core.next_deadline_ns(now)
        if deadline_ns is not None:
            self.timers.wake_at(deadline_ns)
