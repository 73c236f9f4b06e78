"""How many tasks that do nothing get through a second, and what they cost in CPU.

Timed is the whole: from the first submit to the last result in the client's hands. Before it some tasks
run as warm-up, so that workers and connections are there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from bench.functions import increment
from bench.processes import cpu_s, tree_pids
from bench.workloads.run import WARM_UP_TASKS_MAX, Metrics, Run, check


def submit(run: Run) -> Metrics:
    """Submit every task by a call of its own, then wait for all results."""

    def by_submit(items: Sequence[int]) -> list[object]:
        submit_one = run.peer.submit
        return run.peer.gather([submit_one(increment, item) for item in items])

    return _timed(run, by_submit)


def map_(run: Run) -> Metrics:
    """Use the peer's own map, one item a task."""
    return _timed(run, lambda items: run.peer.map(increment, items))


def map_chunked(run: Run) -> Metrics:
    """Use the peer's own map in chunks: fewer, larger tasks, which one slow item holds up together."""
    return _timed(run, lambda items: run.peer.map_chunked(increment, items))


def _timed(run: Run, apply: Callable[[Sequence[int]], list[object]]) -> Metrics:
    run.start()
    apply(range(min(run.tasks, WARM_UP_TASKS_MAX)))
    before = tree_pids(os.getpid())
    cpu_before_s, client_before_s = cpu_s(before), time.process_time()
    begun_s = time.perf_counter()
    results = apply(range(run.tasks))
    elapsed_s = time.perf_counter() - begun_s
    client_s = time.process_time() - client_before_s
    all_s = cpu_s(before | tree_pids(os.getpid())) - cpu_before_s
    check(results == list(range(1, run.tasks + 1)), "the results are not those of the tasks, in order")
    return {
        "tasks_per_s": run.tasks / elapsed_s,
        "client_cpu_us": client_s / run.tasks * 1e6,
        "all_cpu_us": all_s / run.tasks * 1e6,
        "elapsed_s": elapsed_s,
    }
