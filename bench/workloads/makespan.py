"""Skewed sleeps on four slots, over the greedy list schedule of the same order.

The greedy schedule gives each task, in the order of submission, to the slot that is free first; nothing
that does not know the durations can do better in that order. The ratio tells what balance and overhead
of a peer add to it. Sleeps take no CPU, so four slots fit on fewer cores.
"""

from __future__ import annotations

import heapq
import random
import time

from bench.functions import pause
from bench.workloads.gate import Gate
from bench.workloads.run import Metrics, Run, check

SLEEPS = 150
SIGMA = 1.2
SEED = 7
WARM_UP_S = 0.02
WARM_UP_PER_SLOT = 4


def measure(run: Run) -> Metrics:
    """Submit 150 sleeps that add up to ``duration_s`` seconds; wait for all."""
    peer = run.start()
    Gate(run).open()
    peer.gather([peer.submit(pause, WARM_UP_S) for _ in range(run.slots * WARM_UP_PER_SLOT)])
    sleeps_s = skewed_sleeps_s(run.duration_s)
    begun_s = time.perf_counter()
    results = peer.gather([peer.submit(pause, sleep_s) for sleep_s in sleeps_s])
    elapsed_s = time.perf_counter() - begun_s
    check(results == sleeps_s, "the sleeps did not return their durations")
    ideal_s = greedy_makespan_s(sleeps_s, run.slots)
    return {
        "ratio": elapsed_s / ideal_s,
        "ideal_s": ideal_s,
        "longest_s": max(sleeps_s),
        "elapsed_s": elapsed_s,
    }


def skewed_sleeps_s(total_s: float) -> list[float]:
    """Return 150 lognormal durations that sum to ``total_s``; the same at every call."""
    source = random.Random(SEED)
    raw = [source.lognormvariate(0.0, SIGMA) for _ in range(SLEEPS)]
    return [value * total_s / sum(raw) for value in raw]


def greedy_makespan_s(durations_s: list[float], slots: int) -> float:
    """Return when the last of ``durations_s`` ends if each goes, in order, to the slot free first."""
    free_at_s = [0.0] * slots
    for duration_s in durations_s:
        heapq.heapreplace(free_at_s, free_at_s[0] + duration_s)
    return max(free_at_s)
