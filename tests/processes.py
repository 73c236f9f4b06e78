"""Real processes for tests: those of a cluster, how parts of them are ended, and what must not remain.

Only processes that a test itself has started are ever touched, each through a handle that knows a
recycled id from the process that had it before.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil

from ganger import Client, Cluster
from ganger.errors import MasterUnreachable
from ganger.protocol.views import WorkerView

ROOT = Path(__file__).parents[1]
PATIENCE_S = 30.0
"""How long anything may take before a test calls it a hang; nothing that works comes near."""
POLL_S = 0.01
QUICK: dict[str, dict[str, object]] = {"master": {"worker_lease_s": 1.0}, "worker": {"beat_s": 0.2}}
"""Settings under which a silent worker is missed soon."""

T = TypeVar("T")


def eventually(what: str, look: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
    """Looks until there is something to see, and returns it; fails with `what` if there never is."""
    deadline_s = time.monotonic() + patience_s
    while not (seen := look()):
        if time.monotonic() > deadline_s:
            raise AssertionError(f"never came true: {what}")
        time.sleep(POLL_S)
    return seen


# ---------------------------------------------------------------------------------------------- processes


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; one that has ended and was not reaped does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def process(pid: int | str) -> psutil.Process | None:
    """A handle of a process, if it is there."""
    try:
        return psutil.Process(int(pid))
    except psutil.NoSuchProcess:
        return None


def family(pid: int) -> list[psutil.Process]:
    """A process and everything below it."""
    head = psutil.Process(pid)
    return [head, *head.children(recursive=True)]


def wait_gone(processes: Sequence[psutil.Process | None]) -> None:
    """Waits until none of them runs."""
    known = [each for each in processes if each is not None]
    eventually(f"the end of {known}", lambda: not any(map(is_alive, known)))


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Sends a signal to one process, which must be there."""
    psutil.Process(pid).send_signal(number)


def zygote_of(agent: int) -> psutil.Process:
    """The one child of a worker's agent."""
    (zygote,) = psutil.Process(agent).children()
    return zygote


# ----------------------------------------------------------------------------------------------- clusters


def wait_workers(cluster: Client, count: int) -> list[WorkerView]:
    """Waits until exactly so many workers are here, each with all of its executors; sorted by name."""

    def look() -> list[WorkerView]:
        try:
            present = [worker for worker in cluster.workers() if worker.state != "away"]
        except MasterUnreachable:
            return []
        complete = [worker for worker in present if len(worker.executors) == worker.slots]
        return sorted(complete, key=lambda each: each.name) if len(complete) == count == len(present) else []

    return eventually(f"{count} complete workers", look)


@contextmanager
def quick_cluster(slots: int = 2, workers: int = 1, **given: Any) -> Iterator[Cluster]:
    """An embedded cluster under `QUICK` settings, all of whose workers are there."""
    sections = {name: dict(values) for name, values in QUICK.items()}
    for name, values in given.pop("settings", {}).items():
        sections.setdefault(name, {}).update(values)
    with Cluster(slots=slots, workers=workers, settings=sections, **given) as cluster:
        wait_workers(cluster, workers)
        yield cluster


class Program:
    """A Python program of its own that uses ganger, as a user would start it.

    Its temporary folder is its own, so that what it leaves there can be seen.

    Args:
        source: The program.
        folder: Where it lies; short, as sockets lie below it.
        arguments: What it finds in ``sys.argv[1:]``.
    """

    def __init__(self, source: str, folder: Path, *arguments: str) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        file = folder / "program.py"
        file.write_text(source, encoding="utf-8")
        environment = {**os.environ, "TMPDIR": str(self.temporary), "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        environment.pop("XDG_RUNTIME_DIR", None)
        self.process = subprocess.Popen(
            [sys.executable, str(file), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.family: list[psutil.Process] = []

    def wait_line(self, text: str) -> None:
        """Waits until it prints this line; then takes down every process that it consists of."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line == text, f"it said {line!r} and not {text!r}: {self._errors()}"
        self.family = family(self.process.pid)

    def go_on(self) -> None:
        """Lets it read a line, which it waits for."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def _errors(self) -> str:
        if self.process.poll() is None:
            return "(it still runs)"
        return self.process.stderr.read() if self.process.stderr is not None else ""

    def end(self) -> tuple[int, str, str]:
        """Waits for its end. Returns its exit code, and what it wrote."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, err

    @property
    def host(self) -> psutil.Process:
        """The host of its embedded cluster."""
        return next(each for each in self.family if "ganger.host" in each.cmdline())

    @property
    def master(self) -> psutil.Process:
        """The master: the host's child that has no children."""
        return next(each for each in self.host.children() if not each.children())

    def check_nothing_left(self) -> None:
        """None of its processes runs, and its temporary folder is empty."""
        wait_gone(self.family[1:])
        eventually(
            f"an empty folder; it holds {list(self.temporary.iterdir())}",
            lambda: not any(self.temporary.iterdir()),
        )

    def close(self) -> None:
        """Ends what a failed test has left."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        for each in self.family:
            if is_alive(each):
                each.kill()


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose name leaves room for a socket's, which may have about a hundred characters."""
    with tempfile.TemporaryDirectory(prefix="gt-", dir="/tmp") as name:
        yield Path(name)
