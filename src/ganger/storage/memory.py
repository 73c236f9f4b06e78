"""The journal of a throw-away cluster: nothing is kept, and every batch counts as durable at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator


class MemoryJournal:
    """Keeps nothing. Implements `ganger.ports.Journal`."""

    durable = False
    accepting = True

    def replay(self) -> Iterator[bytes]:
        """There is nothing to replay."""
        return iter(())

    def start(self, epoch: int, first_batch: bytes) -> None:
        """Nothing to make durable."""

    def commit(self, batch: bytes, on_durable: Callable[[], None]) -> None:
        """Done at once."""
        on_durable()

    def idle(self) -> None:
        """Nothing to seal."""

    def close(self) -> None:
        """Nothing to let go of."""
