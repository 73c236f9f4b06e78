"""When a failed attempt is tried again: exponential backoff with jitter that depends on the task alone."""

from __future__ import annotations

from ganger.core.tasks import Task

_MIX = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def retry_delay_ns(task: Task) -> int:
    """The pause before the next attempt, in nanoseconds: ``delay × 2^failures``, capped, ± 25 %.

    The jitter is a hash of the task and its failures, so a replay or a simulation sees the same.

    Source: AWS Architecture Blog, "Exponential Backoff and Jitter" (2015), equal jitter.
    """
    options = task.spec.options
    delay_s = min(options.retry_delay_s * 2.0 ** min(task.failures, 60), options.retry_delay_max_s)
    return int(delay_s * (0.75 + 0.5 * _unit(task.id, task.failures)) * 1e9)


def _unit(task: int, failures: int) -> float:
    """A number in [0, 1) that looks random (splitmix64's finaliser)."""
    z = (task * _MIX + failures + 1) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) / (1 << 53)
