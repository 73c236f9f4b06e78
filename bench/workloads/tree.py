"""A binary tree of dependent tasks: the leaves count up, the inner nodes add, the root is the sum.

Futures are the arguments, so no result passes through the client; a peer that cannot do that is not
measured, for it would be a different program.
"""

from __future__ import annotations

import time

from bench.functions import add, increment
from bench.peers.peer import Handle, Peer
from bench.workloads.run import WARM_UP_TASKS_MAX, Metrics, Run, check


def measure(run: Run) -> Metrics:
    """Submit a tree of ``tasks`` leaves and wait for its root."""
    peer = run.start()
    _grow(peer, min(run.tasks, WARM_UP_TASKS_MAX // 2))
    begun_s = time.perf_counter()
    tasks_count = _grow(peer, run.tasks)
    elapsed_s = time.perf_counter() - begun_s
    return {"tasks_per_s": tasks_count / elapsed_s, "leaves": run.tasks, "elapsed_s": elapsed_s}


def _grow(peer: Peer, leaves: int) -> int:
    level: list[Handle] = [peer.submit(increment, leaf) for leaf in range(leaves)]
    tasks_count = leaves
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        upper = [peer.submit(add, left, right) for left, right in pairs]
        tasks_count += len(upper)
        level = upper + level[len(upper) * 2 :]
    check(peer.get(level[0]) == leaves * (leaves + 1) // 2, "the root is not the sum of the leaves")
    return tasks_count
