"""multiprocessing.Pool of the standard library, started by fork as it is on Linux by default."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence

from bench.peers.peer import RESULT_TIMEOUT_S, BasePeer, Handle


class MultiprocessingPool(BasePeer):
    """`apply_async` one by one; `imap` as its map, since it takes one item a task; `map` makes chunks."""

    def start(self, slots: int) -> None:
        """Fork the workers."""
        self._pool = multiprocessing.Pool(slots)

    def submit(self, function: Callable[..., object], *arguments: object) -> Handle:
        """Submit with `apply_async`."""
        return self._pool.apply_async(function, arguments)

    def get(self, handle: Handle) -> object:
        """Wait for one result."""
        result: object = handle.get(RESULT_TIMEOUT_S)
        return result

    def map(self, function: Callable[..., object], items: Sequence[object]) -> list[object]:
        """Use `imap`, whose default is one item a task."""
        return list(self._pool.imap(function, items))

    def map_chunked(self, function: Callable[..., object], items: Sequence[object]) -> list[object]:
        """Use `map`, which cuts the items into four chunks a worker."""
        return self._pool.map(function, items)

    def stop(self) -> None:
        """Terminate the workers."""
        self._pool.terminate()
        self._pool.join()
