"""How long one task takes from submit to result when nothing else is going on."""

from __future__ import annotations

import time

from bench.functions import increment
from bench.workloads.run import WARM_UP_TASKS_MAX, Metrics, Run, check


def measure(run: Run) -> Metrics:
    """Do ``tasks`` round trips, one after the other."""
    peer = run.start()
    for value in range(min(run.tasks, WARM_UP_TASKS_MAX)):
        peer.get(peer.submit(increment, value))
    times_ns = []
    for value in range(run.tasks):
        begun_ns = time.perf_counter_ns()
        result = peer.get(peer.submit(increment, value))
        times_ns.append(time.perf_counter_ns() - begun_ns)
        check(result == value + 1, "a round trip brought the wrong result")
    times_ns.sort()
    return {"p50_us": _quantile_us(times_ns, 0.50), "p99_us": _quantile_us(times_ns, 0.99)}


def _quantile_us(times_ns: list[int], share: float) -> float:
    return times_ns[min(len(times_ns) - 1, int(len(times_ns) * share))] / 1e3
