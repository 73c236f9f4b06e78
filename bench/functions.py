"""The functions that the tasks run: importable by every peer's workers, standard library only."""

from __future__ import annotations

import time
from pathlib import Path

GATE_POLL_S = 0.02


def increment(value: int) -> int:
    """Return ``value + 1``: a task that does nothing, yet whose result can be checked."""
    return value + 1


def add(left: int, right: int) -> int:
    """Return the sum of two numbers: an inner node of the tree."""
    return left + right


def echo(payload: bytes) -> bytes:
    """Return ``payload`` as it came."""
    return payload


def pause(duration_s: float) -> float:
    """Sleep for ``duration_s`` seconds, not at all for 0, and return it."""
    if duration_s > 0:
        time.sleep(duration_s)
    return duration_s


def hold(gate: str, index: int) -> int:
    """Occupy a slot until the file ``gate`` appears; say by a file beside it that it is occupied."""
    Path(f"{gate}.{index}").touch()
    while not Path(gate).exists():
        time.sleep(GATE_POLL_S)
    return index


TASK_FUNCTIONS = (increment, add, echo, pause, hold)
