"""The results: one JSON line a measurement, appended as it ends, and what is read out of them.

Medians are taken over the rounds of the runs that were chosen; a ratio of two peers is taken within one
round of one run, and only then its median, so that a machine that is slower today cancels out.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.workloads import WORKLOADS

MEASURED, FAILED, NOT_APPLICABLE = "measured", "failed", "not applicable"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement with all that is needed to judge it later."""

    run: str
    at: str
    command: str
    mode: str
    complete: bool
    peer: str
    workload: str
    round: int
    sizes: dict[str, Any]
    outcome: str
    detail: str
    metrics: dict[str, float]
    versions: dict[str, str]
    sources: str
    machine: dict[str, Any]
    load_1m: float
    took_s: float


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the least and the greatest of the values that it stands for."""

    median: float
    low: float
    high: float
    count: int


def append_row(path: Path, row: Row) -> None:
    """Append one line to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(asdict(row)) + "\n")


def read_rows(path: Path) -> list[Row]:
    """Read all lines of ``path``, oldest first."""
    with path.open(encoding="utf-8") as lines:
        return [Row(**json.loads(line)) for line in lines if line.strip()]


class Results:
    """The rows of one or several runs, by peer and workload."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)

    def measured(self, peer: str, workload: str) -> bool:
        """Return whether there is a figure of this peer and workload."""
        key = (peer, workload, MEASURED)
        return any((row.peer, row.workload, row.outcome) == key for row in self.rows)

    def spread(self, peer: str, workload: str, metric: str) -> Spread | None:
        """Return the spread of ``metric`` over the rounds; none if it was not measured."""
        return _spread(self._values(peer, workload, metric).values())

    def quotient(self, peer: str, workload: str, metric: str, over: str) -> Spread | None:
        """Return the spread of one metric over another of the same measurement."""
        above, below = self._values(peer, workload, metric), self._values(peer, workload, over)
        return _spread(above[key] / below[key] for key in above.keys() & below.keys())

    def advantage(self, peer: str, workload: str, over: str) -> Spread | None:
        """Return how many times better ``peer`` was than ``over`` in the workload's headline, by round."""
        spec = WORKLOADS[workload]
        ours = self._values(peer, workload, spec.headline)
        theirs = self._values(over, workload, spec.headline)
        pairs = [(ours[key], theirs[key]) for key in ours.keys() & theirs.keys()]
        if spec.bigger_is_better:
            return _spread(mine / other for mine, other in pairs)
        return _spread(other / mine for mine, other in pairs)

    def _values(self, peer: str, workload: str, metric: str) -> dict[tuple[str, int], float]:
        return {
            (row.run, row.round): row.metrics[metric]
            for row in self.rows
            if (row.peer, row.workload, row.outcome) == (peer, workload, MEASURED) and metric in row.metrics
        }


def choose_rows(rows: list[Row], runs: tuple[str, ...] = ()) -> list[Row]:
    """Return the rows of ``runs``; by default of the newest complete run, or else of the newest.

    Raises:
        LookupError: If there is no such run, or no run at all.
    """
    if not runs:
        candidates = [row.run for row in rows if row.complete] or [row.run for row in rows]
        if not candidates:
            raise LookupError("there are no results to report")
        runs = (candidates[-1],)
    missing = set(runs) - {row.run for row in rows}
    if missing:
        raise LookupError(f"there is no run {', '.join(sorted(missing))}")
    return [row for row in rows if row.run in runs]


def _spread(values: Iterable[float]) -> Spread | None:
    ordered = sorted(values)
    if not ordered:
        return None
    return Spread(statistics.median(ordered), ordered[0], ordered[-1], len(ordered))
