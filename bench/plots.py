"""Horizontal bars as SVG, written by hand: small, the same every time, readable as a diff."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from bench.formatting import figure

WIDTH_PX = 760
LABEL_PX = 190
VALUE_PX = 130
BAR_PX = 18
ROW_PX = 28
TOP_PX = 54
BOTTOM_PX = 14
OURS, THEIRS, INK, FAINT = "#b4530a", "#8b97a5", "#1f2933", "#d5dbe1"
FONT = "font-family='system-ui, sans-serif'"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar with its whisker; ``text`` stands behind it."""

    label: str
    value: float
    low: float
    high: float
    text: str
    ours: bool


def bar_chart(title: str, caption: str, bars: Sequence[Bar]) -> str:
    """Return an SVG document with one bar a row, on a logarithmic scale with a line at each power of ten.

    Args:
        title: What is shown.
        caption: The unit, and which way is good.
        bars: In the order from top to bottom; their values are positive.
    """
    least = min(bar.low for bar in bars)
    greatest = max(bar.high for bar in bars)
    # The scale begins a power of ten below the least value, so that its bar can be seen too.
    scale = _LogScale(math.floor(math.log10(least) - 0.3), math.log10(greatest))
    height_px = TOP_PX + ROW_PX * len(bars) + BOTTOM_PX
    body = [*_grid(scale, height_px)]
    for index, bar in enumerate(bars):
        body += _row(bar, TOP_PX + ROW_PX * index, scale)
    opening = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH_PX} {height_px}' role='img' "
        f"width='{WIDTH_PX}' height='{height_px}' aria-label='{escape(title, quote=True)}'>"
    )
    return "\n".join(
        [
            opening,
            f"<rect width='{WIDTH_PX}' height='{height_px}' fill='white'/>",
            _text(14, 22, title, size=15, weight="600"),
            _text(14, 40, f"{caption}; logarithmic scale", size=12),
            *body,
            "</svg>\n",
        ]
    )


@dataclass(frozen=True, slots=True)
class _LogScale:
    """Maps values to pixels; its ends are powers of ten, the upper one need not be whole."""

    low_exponent: int
    high_exponent: float

    def x_px(self, value: float) -> float:
        share = (math.log10(value) - self.low_exponent) / (self.high_exponent - self.low_exponent)
        return LABEL_PX + share * (WIDTH_PX - LABEL_PX - VALUE_PX)


def _grid(scale: _LogScale, height_px: int) -> list[str]:
    lines = []
    for exponent in range(scale.low_exponent + 1, math.floor(scale.high_exponent) + 1):
        x_px = scale.x_px(10.0**exponent)
        bottom_px = height_px - BOTTOM_PX
        lines.append(f"<path d='M{x_px:.1f} {TOP_PX - 6}V{bottom_px}' stroke='{FAINT}' stroke-width='1'/>")
    return lines


def _row(bar: Bar, top_px: int, scale: _LogScale) -> list[str]:
    colour = OURS if bar.ours else THEIRS
    end_px, low_px, high_px = scale.x_px(bar.value), scale.x_px(bar.low), scale.x_px(bar.high)
    middle_px = top_px + BAR_PX / 2
    place = f"x='{LABEL_PX}' y='{top_px}' width='{end_px - LABEL_PX:.1f}' height='{BAR_PX}'"
    parts = [
        _text(LABEL_PX - 8, middle_px + 4, bar.label, anchor="end", weight="600" if bar.ours else "400"),
        f"<rect {place} fill='{colour}'/>",
        _text(high_px + 8, middle_px + 4, bar.text),
    ]
    if high_px - low_px >= 1:
        whisker = f"M{low_px:.1f} {middle_px}H{high_px:.1f}M{high_px:.1f} {middle_px - 4}v8"
        parts.append(f"<path d='{whisker}' stroke='{INK}' stroke-width='1.5' fill='none'/>")
    return parts


def _text(
    x_px: float, y_px: float, words: str, *, size: int = 12, anchor: str = "start", weight: str = "400"
) -> str:
    style = f"{FONT} font-size='{size}' font-weight='{weight}' fill='{INK}' text-anchor='{anchor}'"
    return f"<text x='{x_px:.1f}' y='{y_px:.1f}' {style}>{escape(words)}</text>"


def range_text(value: float, low: float, high: float) -> str:
    """Return a value with its range as it stands behind a bar."""
    return figure(value) if low == high else f"{figure(value)} ({figure(low)}–{figure(high)})"
