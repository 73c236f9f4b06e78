"""How figures and tables look in the report: three significant digits, thousands apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.results import Spread

SIGNIFICANT_DIGITS = 3
NOTHING = "–"


def figure(value: float) -> str:
    """Return ``value`` with three significant digits, large ones with commas: ``153,000``, ``0.412``."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    magnitude = math.floor(math.log10(abs(value)))
    digits = SIGNIFICANT_DIGITS - 1 - magnitude
    rounded = round(value, digits)
    return f"{rounded:,.{max(0, digits)}f}" if digits > 0 and rounded % 1 else f"{rounded:,.0f}"


def median(spread: Spread | None) -> str:
    """Return the median, or a dash."""
    return NOTHING if spread is None else figure(spread.median)


def median_and_range(spread: Spread | None) -> str:
    """Return the median with least and greatest value, or a dash."""
    if spread is None or spread.count == 1:
        return median(spread)
    return f"{figure(spread.median)} ({figure(spread.low)}–{figure(spread.high)})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose first column is text and whose others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
