"""The seams between the decisions and the world: interfaces only, each with a real and a simulated side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from ganger.protocol.ids import ConnectionId


class Now(NamedTuple):
    """One reading of both clocks, in nanoseconds: leases use the first, records the second."""

    monotonic_ns: int
    wall_ns: int


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> Now:
        """Both clocks at this moment."""
        ...


class Journal(Protocol):
    """An ordered durable log of opaque batches."""

    @property
    def durable(self) -> bool:
        """Whether anything is kept at all; where not, batches need not even be encoded."""
        ...

    @property
    def accepting(self) -> bool:
        """Whether there is room for new work, beyond what finishing accepted work will need."""
        ...

    def replay(self) -> Iterator[bytes]:
        """Every batch that stands, in order."""
        ...

    def start(self, epoch: int, first_batch: bytes) -> None:
        """Makes a new mastership durable. Only then may anything be served."""
        ...

    def commit(self, batch: bytes, on_durable: Callable[[], None]) -> None:
        """Appends a batch; calls `on_durable` once it cannot be lost, possibly before returning.

        Raises:
            JournalError: It may or may not stand; the mastership ends.
        """
        ...

    def idle(self) -> None:
        """There is nothing to commit at present: a good moment to seal."""
        ...

    def close(self) -> None:
        """Seals and lets go."""
        ...


class Transport(Protocol):
    """Connections by number. Sending never blocks; what cannot be sent is dropped with its connection."""

    def send(self, connection: ConnectionId, message: object) -> None:
        """Encodes and queues a message."""
        ...

    def close(self, connection: ConnectionId) -> None:
        """Closes after what is queued has left."""
        ...


class Timers(Protocol):
    """Wakes the pump."""

    def wake_at(self, monotonic_ns: int) -> None:
        """Asks for a turn at this time; an earlier request that stands is kept."""
        ...
