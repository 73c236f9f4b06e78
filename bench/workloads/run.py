"""What a workload is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.peers.peer import Peer

Metrics = dict[str, float]
"""Measured values by name, the unit last in the name."""

Measure = Callable[["Run"], Metrics]

WARM_UP_TASKS_MAX = 500


class WrongResult(Exception):
    """A peer answered something else than the right result: its figure is worth nothing."""


@dataclass(slots=True)
class Run:
    """One measurement: a peer that is not yet started, and how much to ask of it.

    Attributes:
        peer: The peer; the workload starts it, the caller stops it.
        slots: How many tasks may run at once.
        tasks: How many tasks (leaves, round trips) to measure.
        duration_s: How long to measure, where it is time and not tasks that is given.
        spawned_ns: When the process of this measurement was spawned, on the monotonic clock.
        started: Whether the peer was started, so that it has to be stopped.
    """

    peer: Peer
    slots: int
    tasks: int
    duration_s: float
    spawned_ns: int
    started: bool = False

    def start(self) -> Peer:
        """Start the peer and return it."""
        self.started = True
        self.peer.start(self.slots)
        return self.peer


def check(right: bool, what: str) -> None:
    """Raise `WrongResult` saying ``what`` unless it is ``right``."""
    if not right:
        raise WrongResult(what)
