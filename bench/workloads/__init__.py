"""The workloads by name: where each lies, on how many slots it runs, and how often.

The module of a workload is imported only by the measurement itself, so that a cold start is not charged
for the others.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from bench.workloads.run import Measure


@dataclass(frozen=True, slots=True)
class Workload:
    """One thing to measure.

    Attributes:
        title: How the report names it.
        function: ``module:function`` below ``bench``.
        headline: The metric that stands for it in ratios and in the progress of a run.
        bigger_is_better: Which way the headline is good.
        slots: How many tasks may run at once.
        rounds: How often it is measured in a full run, in turn with the other peers.
        pace: The field of a peer's `Pace` that sets the number of tasks.
        work_s: For how long a peer of that pace should be busy in a full run.
        tasks_max: The number of tasks is never more than this.
        peers: The only peers that it makes sense for; all, if empty.
    """

    title: str
    function: str
    headline: str
    bigger_is_better: bool = False
    slots: int = 2
    rounds: int = 3
    pace: str = "tasks_per_s"
    work_s: float = 1.5
    tasks_max: int = 1_000_000
    peers: tuple[str, ...] = ()


CHUNKING_PEERS = ("mp_pool", "process_pool", "loky")

WORKLOADS: dict[str, Workload] = {
    "submit": Workload("no-ops, one by one", "workloads.throughput:submit", "tasks_per_s", True, rounds=5),
    "map": Workload("no-ops by map, one a task", "workloads.throughput:map_", "tasks_per_s", True),
    "map_chunked": Workload(
        "no-ops by map, in the client's chunks",
        "workloads.throughput:map_chunked",
        "tasks_per_s",
        True,
        rounds=1,
        peers=CHUNKING_PEERS,
    ),
    "round_trip": Workload(
        "round trip",
        "workloads.round_trip:measure",
        "p50_us",
        rounds=5,
        pace="round_trips_per_s",
        tasks_max=5_000,
    ),
    "payload_1k": Workload(
        "1 KiB there and back", "workloads.payload:one_kib", "tasks_per_s", True, work_s=0.7, rounds=2
    ),
    "payload_100k": Workload(
        "100 KiB there and back",
        "workloads.payload:hundred_kib",
        "mb_per_s",
        True,
        rounds=2,
        pace="payloads_per_s",
        work_s=1.0,
    ),
    "tree": Workload(
        "tree of dependent tasks",
        "workloads.tree:measure",
        "tasks_per_s",
        True,
        rounds=2,
        pace="leaves",
        work_s=1.0,
    ),
    "makespan": Workload(
        "150 skewed sleeps", "workloads.makespan:measure", "ratio", slots=4, rounds=1, work_s=20
    ),
    "straggler": Workload("no-ops around two slow tasks", "workloads.straggler:measure", "no_ops_ms"),
    "cold_start": Workload(
        "cold start to first result", "workloads.cold_start:measure", "first_result_s", work_s=3.0
    ),
    "memory": Workload(
        "memory of queued tasks",
        "workloads.memory:measure",
        "master_bytes_per_task",
        rounds=1,
        pace="queued",
        work_s=1.0,
    ),
    "master_cpu": Workload(
        "master's CPU per task", "master_cpu:measure", "workers_1000_us", rounds=1, peers=("ganger",)
    ),
}


def load_workload(name: str) -> Measure:
    """Import the workload ``name`` and return the function that measures it."""
    module_name, _, function_name = WORKLOADS[name].function.partition(":")
    measure: Measure = getattr(importlib.import_module(f"bench.{module_name}"), function_name)
    return measure
