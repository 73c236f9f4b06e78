"""ganger itself: the embedded cluster, with its journal in memory or on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import ganger
from bench.peers.peer import RESULT_TIMEOUT_S, BasePeer, Handle
from bench.processes import tree_pids


class Ganger(BasePeer):
    """`ganger.Cluster(slots=…)` with the shipped defaults."""

    def make_cluster(self, slots: int) -> ganger.Cluster:
        """Return a started cluster."""
        return ganger.Cluster(slots=slots)

    def start(self, slots: int) -> None:
        """Start master and worker as child processes."""
        self._cluster = self.make_cluster(slots)

    def submit(self, function: Callable[..., object], *arguments: object) -> Handle:
        """Submit one call."""
        return self._cluster.submit(function, *arguments)

    def get(self, handle: Handle) -> object:
        """Wait for one result."""
        result: object = handle.result(timeout=RESULT_TIMEOUT_S)
        return result

    def map(self, function: Callable[..., object], items: Sequence[object]) -> list[object]:
        """Consume the lazy map."""
        return list(self._cluster.map(function, items))

    def master_pids(self) -> list[int]:
        """Return the master's process."""
        return [pid for pid in tree_pids(os.getpid()) if _is_master(pid)]

    def stop(self) -> None:
        """Close the cluster."""
        self._cluster.close()


class GangerOnDisk(Ganger):
    """The same with the file journal: nothing is acknowledged before its fdatasync."""

    def make_cluster(self, slots: int) -> ganger.Cluster:
        """Return a started cluster whose journal lies in this measurement's folder."""
        return ganger.Cluster(slots=slots, journal=os.path.join(os.getcwd(), "journal"))


def _is_master(pid: int) -> bool:
    """By the name that the process gives itself."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "ganger-master"
    except OSError:
        return False
