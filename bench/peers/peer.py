"""What the workloads ask of a peer: start, submit, get, map, stop, and which process keeps its queue."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

Handle = Any
"""What a peer's submit returns: a future of some kind."""

RESULT_TIMEOUT_S = 60.0


class NotOffered(Exception):
    """The peer has no such call; its entry in `bench.peers` should have said so beforehand."""


class Peer(Protocol):
    """One system under measurement, used by one client process with everything at its defaults."""

    def start(self, slots: int) -> None:
        """Start everything with ``slots`` places for running tasks."""

    def submit(self, function: Callable[..., object], *arguments: object) -> Handle:
        """Submit one call."""

    def get(self, handle: Handle) -> object:
        """Wait for one result."""

    def gather(self, handles: Sequence[Handle]) -> list[object]:
        """Wait for many results, in the peer's quickest documented way."""

    def map(self, function: Callable[..., object], items: Sequence[object]) -> list[object]:
        """Apply ``function`` to ``items`` in the peer's own bulk call, one item a task."""

    def map_chunked(self, function: Callable[..., object], items: Sequence[object]) -> list[object]:
        """The same in chunks that the client makes, where the peer offers that."""

    def master_pids(self) -> list[int]:
        """Return the processes that keep the queue; the client's own where it does."""

    def stop(self) -> None:
        """Stop everything that ``start`` started."""


class BasePeer:
    """What most peers have in common: a queue in the client's process, results one by one."""

    def get(self, handle: Handle) -> object:
        """Wait for the result as `concurrent.futures` does."""
        result: object = handle.result(RESULT_TIMEOUT_S)
        return result

    def gather(self, handles: Sequence[Handle]) -> list[object]:
        """Wait for one after the other."""
        return [self.get(handle) for handle in handles]

    def map(self, function: Callable[..., object], items: Sequence[object]) -> list[object]:
        """Say that the peer has no such call."""
        raise NotOffered("map")

    def map_chunked(self, function: Callable[..., object], items: Sequence[object]) -> list[object]:
        """Say that the peer has no such call."""
        raise NotOffered("map in chunks")

    def master_pids(self) -> list[int]:
        """Return this process: the queue lies in the client."""
        return [os.getpid()]
