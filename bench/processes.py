"""What the kernel says about processes: the tree below one, its CPU seconds and its memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def tree_pids(root: int) -> set[int]:
    """Return ``root`` and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            fields = _stat_fields(int(entry.name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, pending = {root}, [root]
    while pending:
        for child in children.get(pending.pop(), ()):
            if child not in found:
                found.add(child)
                pending.append(child)
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU seconds that ``pids`` and the children they have reaped took so far."""
    ticks = 0
    for pid in pids:
        fields = _stat_fields(pid)
        if fields:
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / CLOCK_TICKS_PER_S


def rss_bytes(pids: Iterable[int]) -> int:
    """Return the resident set of ``pids``, shared pages counted in each."""
    return sum(_memory_bytes(pid, "Rss") for pid in pids)


def pss_bytes(pids: Iterable[int]) -> int:
    """Return the proportional set of ``pids``: a page shared by n counts 1/n in each."""
    return sum(_memory_bytes(pid, "Pss") for pid in pids)


def command_line(pid: int) -> str:
    """Return the command line of ``pid``, empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _stat_fields(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text[text.rindex(")") + 2 :].split()


def _memory_bytes(pid: int, key: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), 0)
