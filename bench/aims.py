"""The aims that ganger set itself, each with what was measured: reached, or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.formatting import figure
from bench.peers import ENTRIES
from bench.results import Results, Spread

MASTER_CPU_US_MAX = 4.0
MASTER_CPU_GROWTH_MAX = 1.3
P99_OVER_P50_MAX = 3.0
DISK_OVER_MEMORY_MIN = 0.6
ADVANTAGES_MIN = {"mp_pool": 3.5, "frisky": 11.0, "ray": 90.0, "dask": 250.0}

AT_LEAST, AT_MOST = "≥", "≤"


@dataclass(frozen=True, slots=True)
class Aim:
    """One aim, a bound on a measured value.

    Attributes:
        what: What is bounded.
        relation: `AT_LEAST` or `AT_MOST`.
        bound: The bound.
        unit: The unit of bound and value.
        measured: The value with its spread; none if it was not measured.
    """

    what: str
    relation: str
    bound: float
    unit: str
    measured: Spread | None

    @property
    def verdict(self) -> str:
        """Return whether the median keeps the bound, in words."""
        if self.measured is None:
            return "not measured"
        value = self.measured.median
        kept = value >= self.bound if self.relation == AT_LEAST else value <= self.bound
        return "reached" if kept else "**not reached**"

    def cells(self) -> list[str]:
        """Return the cells of its row in the table of aims."""
        bound = f"{self.relation} {self.bound:,g} {self.unit}".rstrip()
        return [self.what, bound, _with_spread(self.measured, self.unit), self.verdict]


def list_aims(results: Results) -> list[Aim]:
    """Return all aims, filled with what ``results`` hold."""
    return [*_throughput(results), *_latency(results), *_costs(results)]


def _throughput(results: Results) -> Iterator[Aim]:
    def rate(peer: str, workload: str) -> Spread | None:
        return results.spread(peer, workload, "tasks_per_s")

    yield Aim("no-ops one by one, memory", AT_LEAST, 150_000, "tasks/s", rate("ganger", "submit"))
    for peer, bound in ADVANTAGES_MIN.items():
        advantage = results.advantage("ganger", "submit", peer)
        yield Aim(f"the same over {ENTRIES[peer].title}", AT_LEAST, bound, "×", advantage)
    yield Aim("no-ops one by one, disk", AT_LEAST, 100_000, "tasks/s", rate("ganger_disk", "submit"))
    over_memory = results.advantage("ganger_disk", "submit", "ganger")
    yield Aim("the same over memory's", AT_LEAST, DISK_OVER_MEMORY_MIN, "×", over_memory)
    yield Aim("tree of dependent tasks", AT_LEAST, 40_000, "tasks/s", rate("ganger", "tree"))


def _latency(results: Results) -> Iterator[Aim]:
    for peer, name, bound in (("ganger", "memory", 300.0), ("ganger_disk", "disk", 650.0)):
        p50 = results.spread(peer, "round_trip", "p50_us")
        yield Aim(f"round trip p50, {name}", AT_MOST, bound, "µs", p50)
        tail = results.quotient(peer, "round_trip", "p99_us", "p50_us")
        yield Aim(f"round trip p99 over p50, {name}", AT_MOST, P99_OVER_P50_MAX, "×", tail)
    first = results.spread("ganger", "straggler", "first_no_ops_ms")
    yield Aim("20 no-ops before two of 300 ms", AT_MOST, 10.0, "ms", first)
    last = results.spread("ganger", "straggler", "all_ms")
    yield Aim("they, the two, and 20 more behind", AT_MOST, 345.0, "ms", last)
    ratio = results.spread("ganger", "makespan", "ratio")
    yield Aim("150 skewed sleeps over the greedy schedule", AT_MOST, 1.03, "×", ratio)
    cold = results.spread("ganger", "cold_start", "first_result_s")
    yield Aim("cold start to first result", AT_MOST, 0.4, "s", cold)


def _costs(results: Results) -> Iterator[Aim]:
    cpu = results.spread("ganger", "master_cpu", "workers_1_us")
    yield Aim("master's CPU per task, one worker", AT_MOST, MASTER_CPU_US_MAX, "µs", cpu)
    growth = results.quotient("ganger", "master_cpu", "workers_1000_us", "workers_1_us")
    what = "the same with 1,000 workers and 1,000,000 queued, over one worker"
    yield Aim(what, AT_MOST, MASTER_CPU_GROWTH_MAX, "×", growth)
    memory = results.spread("ganger", "memory", "master_bytes_per_task")
    yield Aim("master's memory per queued task", AT_MOST, 1024.0, "bytes", memory)


def _with_spread(spread: Spread | None, unit: str) -> str:
    if spread is None:
        return "–"
    value = f"{figure(spread.median)} {unit}".rstrip()
    return value if spread.count == 1 else f"{value} ({figure(spread.low)}–{figure(spread.high)})"
