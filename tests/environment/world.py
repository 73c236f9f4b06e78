"""Fakes of the pump's ports: a clock that moves when told, a journal that keeps its batches, a wire that records."""

from collections import defaultdict
from collections.abc import Callable, Iterator

from ganger.ports import Now
from ganger.protocol.codec import decode_to_client, decode_to_worker, encode
from ganger.protocol.ids import ConnectionId

SECOND_NS = 1_000_000_000
WALL_START_NS = 1_700_000_000 * SECOND_NS


class FakeClock:
    """Both clocks, standing still until a test moves them."""

    def __init__(self) -> None:
        self.monotonic_ns = 1_000 * SECOND_NS
        self.wall_ns = WALL_START_NS

    def now(self) -> Now:
        return Now(self.monotonic_ns, self.wall_ns)

    def advance_ns(self, duration_ns: int) -> None:
        self.monotonic_ns += duration_ns
        self.wall_ns += duration_ns


class FakeTimers:
    """Keeps the earliest moment at which the pump wants a turn."""

    def __init__(self) -> None:
        self.wake_ns: int | None = None

    def wake_at(self, monotonic_ns: int) -> None:
        if self.wake_ns is None or monotonic_ns < self.wake_ns:
            self.wake_ns = monotonic_ns

    def take_due(self, now_ns: int) -> bool:
        """Whether a turn is due; forgets the wish if so."""
        if self.wake_ns is None or self.wake_ns > now_ns:
            return False
        self.wake_ns = None
        return True


class FakeJournal:
    """A durable journal in memory.

    Attributes:
        batches: What stands, in order.
        held: While not None, commits wait here as (batch, on_durable) until `sync`.
    """

    durable = True

    def __init__(self, batches: list[bytes] | None = None) -> None:
        self.batches: list[bytes] = list(batches or [])
        self.accepting = True
        self.held: list[tuple[bytes, Callable[[], None]]] | None = None
        self.started = False

    def replay(self) -> Iterator[bytes]:
        return iter(self.batches)

    def start(self, epoch: int, first_batch: bytes) -> None:
        assert not self.started, "a journal starts once"
        self.started = True
        self.batches.append(first_batch)

    def commit(self, batch: bytes, on_durable: Callable[[], None]) -> None:
        assert self.started, "nothing is committed before the epoch is durable"
        if self.held is None:
            self.batches.append(batch)
            on_durable()
        else:
            assert not self.held, "one append in flight at a time"
            self.held.append((batch, on_durable))

    def sync(self) -> None:
        """The batch in flight becomes durable."""
        assert self.held, "nothing is in flight"
        batch, on_durable = self.held.pop()
        self.batches.append(batch)
        on_durable()

    def idle(self) -> None:
        """Nothing to seal."""

    def close(self) -> None:
        """Nothing to let go of."""


class FakeTransport:
    """The wire: every message goes through the real codec, and only to a peer that may read it."""

    def __init__(self) -> None:
        self.inboxes: dict[int, list[object]] = defaultdict(list)
        self.workers: set[int] = set()
        self.open: set[int] = set()
        self.closed_by_master: list[int] = []

    def attach(self, connection: ConnectionId, *, worker: bool) -> None:
        """A connection stands."""
        self.open.add(connection)
        if worker:
            self.workers.add(connection)

    def detach(self, connection: ConnectionId) -> None:
        """A connection broke: what was not read is lost."""
        self.open.discard(connection)
        self.inboxes.pop(connection, None)

    def send(self, connection: ConnectionId, message: object) -> None:
        if connection not in self.open:
            return
        decode = decode_to_worker if connection in self.workers else decode_to_client
        received = decode(encode(message))
        assert received == message, f"{message} does not survive the wire"
        self.inboxes[connection].append(received)

    def close(self, connection: ConnectionId) -> None:
        if connection in self.open:
            self.open.discard(connection)
            self.closed_by_master.append(connection)

    def read(self, connection: ConnectionId) -> list[object]:
        """What has arrived on a connection since the last call."""
        return self.inboxes.pop(connection, [])
