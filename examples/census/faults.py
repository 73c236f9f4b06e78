"""Two processes of the cluster are killed while it works; what a worker had done by then is remembered."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganger import Cluster


@dataclass(slots=True)
class Shares:
    """How many tasks each worker has finished, the killed ones as they were last seen.

    Attributes:
        tasks_done: finished tasks by the worker's name and the id of its process.
        killed: the workers that were killed on purpose.
    """

    tasks_done: dict[tuple[str, int], int] = field(default_factory=dict)
    killed: set[tuple[str, int]] = field(default_factory=set)

    def observe(self, cluster: Cluster) -> None:
        """Note what the present workers have done."""
        for worker in cluster.workers():
            self.tasks_done[worker.name, worker.pid] = worker.tasks_done


@dataclass(frozen=True, slots=True)
class Fault:
    """Something to kill when a share of the bytes has been counted.

    Attributes:
        due: the share of all bytes, between 0 and 1.
        name: what is to be killed, in words.
        strike: kills it; returns what it did as a sentence, or None if nothing was there to kill.
    """

    due: float
    name: str
    strike: Callable[[Cluster, Shares], str | None]


def kill_an_executor(cluster: Cluster, shares: Shares) -> str | None:
    """Kill one executor of the first worker that has any."""
    shares.observe(cluster)
    for worker in cluster.workers():
        for pid in worker.executors:
            if _sigkill(pid):
                return f"SIGKILL to process {pid}: one executor of worker {worker.name} is gone."
    return None


def kill_a_worker(cluster: Cluster, shares: Shares) -> str | None:
    """Kill the agent of the last worker; its executors die with it."""
    shares.observe(cluster)
    for worker in reversed(cluster.workers()):
        if _sigkill(worker.pid):
            shares.killed.add((worker.name, worker.pid))
            return f"SIGKILL to process {worker.pid}: the whole worker {worker.name} is gone."
    return None


FAULTS = (
    Fault(1 / 3, "an executor", kill_an_executor),
    Fault(2 / 3, "a whole worker", kill_a_worker),
)


def _sigkill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
