"""dask.distributed: a LocalCluster, whose scheduler runs in the client's process by default."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence

import dask
from distributed import Client, LocalCluster

from bench.peers.peer import BasePeer, Handle


class Dask(BasePeer):
    """Worker processes of one thread each over TCP on the loopback address, the dashboard left out."""

    def start(self, slots: int) -> None:
        """Start scheduler, workers and a client."""
        dask.config.set({"temporary-directory": os.getcwd(), "distributed.logging.distributed": "error"})
        self._cluster = LocalCluster(
            n_workers=slots,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tcp://",
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
        self._client = Client(self._cluster)

    def submit(self, function: Callable[..., object], *arguments: object) -> Handle:
        """Submit one call, as impure, so that equal calls are not merged."""
        return self._client.submit(function, *arguments, pure=False)

    def gather(self, handles: Sequence[Handle]) -> list[object]:
        """Use the client's gather."""
        return list(self._client.gather(list(handles)))

    def map(self, function: Callable[..., object], items: Sequence[object]) -> list[object]:
        """Use the client's map and gather."""
        return self.gather(self._client.map(function, items, pure=False))

    def stop(self) -> None:
        """Close client and cluster."""
        self._client.close()
        self._cluster.close()
