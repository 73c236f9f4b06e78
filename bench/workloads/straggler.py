"""Twenty no-ops, two tasks of 300 ms, twenty no-ops, on two slots: who waits for whom?

All 42 are calls of one function, warmed up with durations of 0, so that nothing but the argument tells
which will be slow. The first twenty should be back at once; the others can be had when a slot is free
again, after 300 ms.
"""

from __future__ import annotations

import time

from bench.functions import pause
from bench.peers.peer import Handle, Peer
from bench.workloads.gate import Gate
from bench.workloads.run import Metrics, Run

NO_OPS = 20
SLOW_TASKS = 2
SLOW_S = 0.3
WARM_UP_TASKS = 200


def measure(run: Run) -> Metrics:
    """Submit them one by one, and note when which results have come."""
    peer = run.start()
    Gate(run).open()
    peer.gather([peer.submit(pause, 0.0) for _ in range(WARM_UP_TASKS)])
    begun_s = time.perf_counter()
    first = _submit(peer, NO_OPS, 0.0)
    slow = _submit(peer, SLOW_TASKS, SLOW_S)
    last = _submit(peer, NO_OPS, 0.0)
    return {
        "first_no_ops_ms": _gathered_ms(peer, first, begun_s),
        "no_ops_ms": _gathered_ms(peer, last, begun_s),
        "all_ms": _gathered_ms(peer, slow, begun_s),
    }


def _submit(peer: Peer, count: int, duration_s: float) -> list[Handle]:
    return [peer.submit(pause, duration_s) for _ in range(count)]


def _gathered_ms(peer: Peer, handles: list[Handle], begun_s: float) -> float:
    for handle in handles:
        peer.get(handle)
    return (time.perf_counter() - begun_s) * 1e3
