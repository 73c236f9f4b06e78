"""Sizes and times as people read them."""

from __future__ import annotations

from collections.abc import Mapping

_SIZES = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def show_bytes(count: float) -> str:
    """``1.5 GiB``."""
    for size, name in _SIZES:
        if count >= size:
            return f"{count / size:.1f} {name}"
    return f"{count:.0f} B"


def show_seconds(seconds: float) -> str:
    """The two largest units: ``2 d 3 h``, ``4 min 5 s``, ``1.2 s``, ``250 µs``."""
    if not seconds:
        return "0 s"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def show_count(number: int, noun: str) -> str:
    """``1 slot``, ``2 slots``."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def show_resources(resources: Mapping[str, float]) -> str:
    """``gpu 1, memory 8.0 GiB``."""
    parts = (
        f"{name} {show_bytes(amount) if name == 'memory' else f'{amount:g}'}"
        for name, amount in sorted(resources.items())
    )
    return ", ".join(parts)
