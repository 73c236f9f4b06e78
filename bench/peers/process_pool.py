"""concurrent.futures.ProcessPoolExecutor of the standard library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor

from bench.peers.peer import BasePeer, Handle

CHUNKS_PER_SLOT = 4


class ExecutorPeer(BasePeer):
    """Any `concurrent.futures.Executor` whose `map` takes a chunk size."""

    def make_executor(self, slots: int) -> Executor:
        """Return the executor to measure."""
        return ProcessPoolExecutor(slots)

    def start(self, slots: int) -> None:
        """Make the executor; its workers start with the first tasks."""
        self._slots = slots
        self._executor = self.make_executor(slots)

    def submit(self, function: Callable[..., object], *arguments: object) -> Handle:
        """Submit one call."""
        return self._executor.submit(function, *arguments)

    def map(self, function: Callable[..., object], items: Sequence[object]) -> list[object]:
        """Use `map` with its default of one item a task."""
        return list(self._executor.map(function, items))

    def map_chunked(self, function: Callable[..., object], items: Sequence[object]) -> list[object]:
        """Use `map` with the chunk size that multiprocessing.Pool would choose."""
        chunk_size = -(-len(items) // (self._slots * CHUNKS_PER_SLOT))
        return list(self._executor.map(function, items, chunksize=chunk_size))

    def stop(self) -> None:
        """Shut down, what is queued is dropped."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class ProcessPool(ExecutorPeer):
    """The standard library's own."""
