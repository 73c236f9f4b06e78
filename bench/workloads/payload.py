"""How fast arguments and results of some size go to a worker and come back.

Every task gets one of a few different byte strings and returns it; all are submitted one by one, then
gathered. The megabytes per second count both ways.
"""

from __future__ import annotations

import os
import time

from bench.functions import echo
from bench.workloads.run import Metrics, Run, check

KIB = 1024
DISTINCT_PAYLOADS = 16
WARM_UP_TASKS = 32


def one_kib(run: Run) -> Metrics:
    """Send and get back 1 KiB a task."""
    return _measure(run, KIB)


def hundred_kib(run: Run) -> Metrics:
    """Send and get back 100 KiB a task."""
    return _measure(run, 100 * KIB)


def _measure(run: Run, payload_bytes: int) -> Metrics:
    peer = run.start()
    payloads = [os.urandom(payload_bytes) for _ in range(DISTINCT_PAYLOADS)]
    peer.gather([peer.submit(echo, payloads[i % DISTINCT_PAYLOADS]) for i in range(WARM_UP_TASKS)])
    begun_s = time.perf_counter()
    results = peer.gather([peer.submit(echo, payloads[i % DISTINCT_PAYLOADS]) for i in range(run.tasks)])
    elapsed_s = time.perf_counter() - begun_s
    same = all(result == payloads[i % DISTINCT_PAYLOADS] for i, result in enumerate(results))
    check(same and len(results) == run.tasks, "a payload came back changed")
    return {
        "tasks_per_s": run.tasks / elapsed_s,
        "mb_per_s": 2 * payload_bytes * run.tasks / 1e6 / elapsed_s,
        "elapsed_s": elapsed_s,
    }
