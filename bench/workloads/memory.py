"""How much memory a queued task takes, in the process that keeps the queue and in the client.

Every slot is held by a task that waits for a file, so nothing that is queued behind can run; then
``tasks`` no-ops are submitted one by one, and the processes are weighed once they have come to rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from bench.functions import increment
from bench.processes import rss_bytes, tree_pids
from bench.workloads.gate import Gate
from bench.workloads.run import Metrics, Run, check

STILL_S = 1.0
STILL_BYTES = 1 << 20
STILL_TIMEOUT_S = 60.0


def measure(run: Run) -> Metrics:
    """Queue ``tasks`` no-ops behind held slots and weigh them."""
    peer = run.start()
    gate = Gate(run)
    master, client = peer.master_pids(), [os.getpid()]
    check(bool(master), "no process was found that keeps the queue")
    before = _weigh(master, client)
    begun_s = time.perf_counter()
    queued = [peer.submit(increment, item) for item in range(run.tasks)]
    submit_s = time.perf_counter() - begun_s
    _wait_until_still(tree_pids(os.getpid()))
    after = _weigh(master, client)
    gate.open()
    return {
        "master_bytes_per_task": (after[0] - before[0]) / run.tasks,
        "client_bytes_per_task": (after[1] - before[1]) / run.tasks,
        "all_bytes_per_task": (after[2] - before[2]) / run.tasks,
        "submits_per_s": run.tasks / submit_s,
        "tasks": len(queued),
    }


def _weigh(master: Sequence[int], client: Sequence[int]) -> tuple[int, int, int]:
    return rss_bytes(master), rss_bytes(client), rss_bytes(set(master) | set(client))


def _wait_until_still(pids: set[int]) -> None:
    deadline_s = time.monotonic() + STILL_TIMEOUT_S
    last = rss_bytes(pids)
    while time.monotonic() < deadline_s:
        time.sleep(STILL_S)
        now = rss_bytes(pids)
        if abs(now - last) < STILL_BYTES:
            return
        last = now
