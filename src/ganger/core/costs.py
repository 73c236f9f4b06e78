"""How long a function takes, learnt from what its calls took: the measure behind every prefetch."""

from __future__ import annotations

WEIGHT_MIN = 0.05
"""The least weight of a new observation, so that old ones fade."""


class Cost:
    """A running mean of one function's run time. `mean_ns` is 0 as long as nothing is known."""

    __slots__ = ("calls", "mean_ns")

    def __init__(self) -> None:
        self.calls = 0
        self.mean_ns = 0.0

    def observe(self, calls: int, elapsed_ns: int) -> None:
        """Takes in that `calls` calls took `elapsed_ns` together."""
        if calls <= 0:
            return
        self.calls += calls
        weight = max(calls / self.calls, 1.0 - (1.0 - WEIGHT_MIN) ** min(calls, 64))
        self.mean_ns += (max(elapsed_ns / calls, 1.0) - self.mean_ns) * weight

    def exceeded(self, elapsed_ns: int) -> None:
        """Takes in that one call, not yet over, has taken this long already."""
        self.mean_ns = max(self.mean_ns, self.mean_ns + (elapsed_ns - self.mean_ns) * WEIGHT_MIN)
