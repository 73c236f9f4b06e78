"""What machine this is and which sources: a figure without them says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from bench.paths import REPOSITORY


def describe_machine() -> dict[str, str | int]:
    """Return the processor, cores, memory in GiB, kernel, system and Python of this machine."""
    return {
        "cpu": _first_field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release(),
        "system": _system_name(),
        "python": platform.python_version(),
    }


def describe_sources() -> str:
    """Return the commit that is checked out, marked if files differ from it; empty without git."""
    commit = _git("rev-parse", "--short", "HEAD")
    changed = bool(commit) and bool(_git("status", "--porcelain", "--untracked-files=no"))
    return f"{commit} with changes" if changed else commit


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _system_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def _first_field(path: str, key: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
