"""Runs the steps of a plan, one at a time on the whole machine, each in a process of its own.

Whatever a measurement has started is gone before the next one begins, also after a failure, a timeout or
an interrupt.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.paths import LOCK, LOGS, REPOSITORY, SCRATCH
from bench.plan import Mode, Step
from bench.reaper import become_subreaper, kill_descendants
from bench.results import FAILED, NOT_APPLICABLE, Row

RESULT_NAME = "result.json"
# The client stops its peer after the result is written; this is its time for that.
STOP_ALLOWANCE_S = 15.0


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What all rows of one run have in common."""

    run: str
    command: str
    mode: Mode
    complete: bool
    sources: str
    machine: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Outcome:
    outcome: str
    detail: str
    metrics: dict[str, float]
    versions: dict[str, str]


def run_step(facts: RunFacts, step: Step, python: Path) -> Row:
    """Make one measurement and return its row.

    Args:
        facts: What is common to the run.
        step: What to measure.
        python: The interpreter of the peer's environment.
    """
    sizes = {"slots": step.slots, "tasks": step.tasks, "duration_s": step.duration_s}
    begun_s = time.monotonic()
    load_1m = os.getloadavg()[0]
    if step.not_applicable:
        outcome = _Outcome(NOT_APPLICABLE, step.not_applicable, {}, {})
    else:
        with _machine_to_ourselves():
            begun_s, load_1m = time.monotonic(), os.getloadavg()[0]
            outcome = _measure(step, sizes, python, facts.mode.timeout_s)
    return Row(
        run=facts.run,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=facts.command,
        mode=facts.mode.name,
        complete=facts.complete,
        peer=step.peer,
        workload=step.workload,
        round=step.round,
        sizes=sizes,
        outcome=outcome.outcome,
        detail=outcome.detail,
        metrics=outcome.metrics,
        versions=outcome.versions,
        sources=facts.sources,
        machine=facts.machine,
        load_1m=round(load_1m, 2),
        took_s=round(time.monotonic() - begun_s, 2),
    )


@contextmanager
def _machine_to_ourselves() -> Iterator[None]:
    """Hold the lock of this machine, so that no other benchmark runs meanwhile."""
    with LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _measure(step: Step, sizes: dict[str, Any], python: Path, timeout_s: float) -> _Outcome:
    SCRATCH.mkdir(parents=True, exist_ok=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{step.peer}-", dir=SCRATCH))
    # Sockets go into a folder with a short name: the path of a unix socket has 107 bytes at most.
    sockets = Path(tempfile.mkdtemp(prefix="gb-"))
    log_path = LOGS / f"{step.peer}-{step.workload}.log"
    try:
        with log_path.open("wb") as log:
            detail = _spawn_and_wait(step, sizes, python, timeout_s, folder, sockets, log.fileno())
        return _read_outcome(folder / RESULT_NAME, detail)
    finally:
        kill_descendants()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(sockets, ignore_errors=True)


def _spawn_and_wait(
    step: Step,
    sizes: dict[str, Any],
    python: Path,
    timeout_s: float,
    folder: Path,
    sockets: Path,
    log: int,
) -> str:
    """Return what went wrong with the process, as far as it can be seen from outside."""
    environment = {
        **os.environ,
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONWARNINGS": "ignore",
        "TMPDIR": str(sockets),
        "VIRTUAL_ENV": str(python.parent.parent),
    }
    given = json.dumps({**sizes, "spawned_ns": time.monotonic_ns()})
    process = subprocess.Popen(
        [str(python), "-m", "bench.measure", step.peer, step.workload, given, str(folder / RESULT_NAME)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        preexec_fn=become_subreaper,
    )
    try:
        code = process.wait(timeout_s + STOP_ALLOWANCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return f"no result within {timeout_s:g} s"
    return f"the process ended with {code}"


def _read_outcome(path: Path, detail: str) -> _Outcome:
    if not path.exists():
        return _Outcome(FAILED, detail, {}, {})
    found = json.loads(path.read_text(encoding="utf-8"))
    return _Outcome(
        found["outcome"], found.get("detail", ""), found.get("metrics", {}), found.get("versions", {})
    )
