"""frisky: dask's scheduler rewritten in Rust; scheduler in the client's process, workers of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import frisky

from bench.peers.peer import BasePeer, Handle


class Frisky(BasePeer):
    """A `LocalCluster` with worker processes of one thread each, over unix sockets."""

    def start(self, slots: int) -> None:
        """Start scheduler, workers and a client."""
        self._cluster = frisky.LocalCluster(n_workers=slots, processes=True, silence_summary=True)
        self._client = self._cluster.get_client()

    def submit(self, function: Callable[..., object], *arguments: object) -> Handle:
        """Submit one call."""
        return self._client.submit(function, *arguments)

    def gather(self, handles: Sequence[Handle]) -> list[object]:
        """Use the client's gather."""
        return list(self._client.gather(handles))

    def map(self, function: Callable[..., object], items: Sequence[object]) -> list[object]:
        """Use the client's map and gather."""
        return self.gather(self._client.map(function, items))

    def stop(self) -> None:
        """Close client and cluster."""
        self._client.close()
        self._cluster.close()
