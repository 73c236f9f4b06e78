"""What the machine is doing: the load of others, memory in use, and the round trip to the master."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

import psutil

from ganger.config import WorkerSettings

ROUND_TRIPS = 8
"""Of so many latest round trips the shortest counts."""


class Gauges:
    """Samples the machine for placement.

    Args:
        settings: Limits.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.load = 0.0
        self._sampled_s = time.monotonic()
        self._busy_s = _busy_seconds()
        self._own_s = 0.0
        self._beat_ns = 0
        self._trips_ns: deque[int] = deque(maxlen=ROUND_TRIPS)

    def sample_load(self, pids: list[int]) -> float:
        """CPU used on this machine since the last call by anyone but these processes, in cores."""
        now_s, busy_s, own_s = time.monotonic(), _busy_seconds(), _own_seconds(pids)
        elapsed_s = max(now_s - self._sampled_s, 1e-3)
        others_s = (busy_s - self._busy_s) - max(own_s - self._own_s, 0.0)
        self._sampled_s, self._busy_s, self._own_s = now_s, busy_s, own_s
        self.load = max(0.0, others_s / elapsed_s)
        return self.load

    def memory(self) -> tuple[int, float]:
        """Available bytes, and the fraction of the machine's memory that is in use."""
        memory = psutil.virtual_memory()
        return int(memory.available), 1.0 - memory.available / memory.total

    def beat_sent(self) -> None:
        """A heartbeat leaves now."""
        self._beat_ns = time.monotonic_ns()

    def beat_answered(self) -> None:
        """Its answer is here."""
        if self._beat_ns:
            self._trips_ns.append(time.monotonic_ns() - self._beat_ns)
            self._beat_ns = 0

    @property
    def round_trip_ns(self) -> int:
        """The shortest of the latest round trips; 0 before the first."""
        return min(self._trips_ns, default=0)


def machine_memory_bytes() -> int:
    """The memory of this machine, or of the container that this process may use."""
    total = int(psutil.virtual_memory().total)
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdecimal() else total


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


def _own_seconds(pids: list[int]) -> float:
    total = 0.0
    for pid in pids:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total
