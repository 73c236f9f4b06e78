"""From the start of the client's process to its first result, and what everything costs when idle.

The clock starts when the interpreter is spawned: its start, the peer's import, the cluster's start and
one task all count. Afterwards nothing is asked of the peer, and its processes are weighed, the client's
among them.
"""

from __future__ import annotations

import os
import time

from bench.functions import increment
from bench.workloads.run import Metrics, Run, check

SETTLE_S = 1.0


def measure(run: Run) -> Metrics:
    """Get one result, then watch the idle processes for ``duration_s`` seconds."""
    peer = run.start()
    result = peer.get(peer.submit(increment, 1))
    first_result_s = (time.monotonic_ns() - run.spawned_ns) / 1e9
    check(result == 2, "the first result is wrong")
    return {"first_result_s": first_result_s, **_idle_cost(run.duration_s)}


def _idle_cost(duration_s: float) -> Metrics:
    from bench.processes import cpu_s, pss_bytes, rss_bytes, tree_pids  # not part of the cold start

    time.sleep(SETTLE_S)
    pids = tree_pids(os.getpid())
    before_s = cpu_s(pids)
    time.sleep(duration_s)
    return {
        "idle_cpu_percent": (cpu_s(pids) - before_s) / duration_s * 100,
        "idle_rss_mib": rss_bytes(pids) / 2**20,
        "idle_pss_mib": pss_bytes(pids) / 2**20,
        "processes": len(pids),
    }
