"""What a run measures, in which order and how much of it.

Within a workload the peers take turns, round after round (A B C A B C), so that whatever else the machine
does in those minutes falls on all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.peers import ENTRIES
from bench.workloads import WORKLOADS

TASKS_MIN = 50
SLOW_STARTERS_ROUNDS_MAX = 3
# What a slow starter is asked for in a quick run: its start alone would take most of the time.
QUICK_FOR_SLOW_STARTERS = ("submit", "round_trip", "cold_start")


@dataclass(frozen=True, slots=True)
class Mode:
    """How thorough a run is.

    Attributes:
        name: Its name in the results.
        scale: The share of the full number of tasks, or of the full time.
        rounds_max: The number of rounds is never more than this.
        tasks_max: Nor the number of tasks.
        timeout_s: When a measurement is given up.
    """

    name: str
    scale: float
    rounds_max: int
    tasks_max: int
    timeout_s: float


MODES = {
    "full": Mode("full", 1.0, 9, 10_000_000, 150.0),
    "quick": Mode("quick", 0.3, 1, 10_000_000, 60.0),
    "smoke": Mode("smoke", 0.01, 1, 100, 60.0),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement to make, or to record as not applicable for the reason given."""

    peer: str
    workload: str
    round: int
    slots: int
    tasks: int
    duration_s: float
    not_applicable: str = ""


def make_plan(mode: Mode, peers: Sequence[str], workloads: Sequence[str], rounds: int | None) -> list[Step]:
    """Return the steps of a run in order.

    Args:
        mode: How thorough it is.
        peers: Names of `ENTRIES`, in the order in which they take turns.
        workloads: Names of `WORKLOADS`.
        rounds: How many rounds of everything, instead of what mode and workload say.
    """
    return [step for workload in workloads for step in _steps_of(mode, peers, workload, rounds)]


def _steps_of(mode: Mode, peers: Sequence[str], workload: str, rounds: int | None) -> Iterator[Step]:
    spec = WORKLOADS[workload]
    chosen = [peer for peer in peers if not spec.peers or peer in spec.peers]
    for round_number in range(rounds or min(spec.rounds, mode.rounds_max)):
        for peer in chosen:
            reason = ENTRIES[peer].lacks.get(workload, "")
            if (reason and round_number > 0) or not _takes_part(mode, peer, workload, round_number, rounds):
                continue
            tasks = _tasks(mode, peer, workload)
            duration_s = spec.work_s * mode.scale
            yield Step(peer, workload, round_number, spec.slots, tasks, duration_s, reason)


def _takes_part(mode: Mode, peer: str, workload: str, round_number: int, rounds: int | None) -> bool:
    if not ENTRIES[peer].starts_slowly or rounds is not None:
        return True
    if mode.name == "quick" and workload not in QUICK_FOR_SLOW_STARTERS:
        return False
    return round_number < SLOW_STARTERS_ROUNDS_MAX


def _tasks(mode: Mode, peer: str, workload: str) -> int:
    spec = WORKLOADS[workload]
    pace: int = getattr(ENTRIES[peer].pace, spec.pace)
    wanted = round(pace * spec.work_s * mode.scale)
    return min(max(wanted, TASKS_MIN), spec.tasks_max, mode.tasks_max)
