"""The embedded cluster: a host process with a master and workers, which lives and dies with this program."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import msgpack

from ganger import config, errors
from ganger.client.calls import Calls
from ganger.client.client import Client
from ganger.client.engine import Engine
from ganger.client.options import parse_bytes
from ganger.errors import ClusterClosed, InvalidOption
from ganger.net.address import Endpoint
from ganger.protocol.framing import FrameParser, frame
from ganger.runtime.environment import runtime_of_this_process

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
STATUS_BYTES_MAX = 1 << 20


_hosts: weakref.WeakSet[_Host] = weakref.WeakSet()


class Cluster(Client):
    """A cluster of this program's own: a client whose master and workers are its child processes.

    Args:
        slots: Tasks that run at a time on each worker; by default this machine's cores, shared out.
        workers: How many workers.
        preload: ``module:function`` that each executor calls once before its first task.
        resources: What each worker offers besides slots, by name; ``memory`` and ``gpu`` have a meaning.
        journal: A folder for a durable journal; None keeps nothing.
        settings: Limits by section, such as ``{"worker": {"executor_tasks_max": 100}}``.

    Raises:
        InvalidOption: An argument that cannot be meant.
        PreloadFailed: The preload function raised.
    """

    def __init__(
        self,
        slots: int | None = None,
        workers: int = 1,
        *,
        preload: str = "",
        resources: Mapping[str, float | str] | None = None,
        journal: str | os.PathLike[str] | None = None,
        settings: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        _check_counts(slots, workers, preload)
        sections = config.check_sections(settings)
        self._host = _Host(
            slots or max(1, _cores() // workers), workers, preload, dict(resources or {}), journal, sections
        )
        client_settings = config.load(config.ClientSettings, sections.get("client"))
        engine = Engine(
            (Endpoint(path=self._host.socket_path),),
            client_settings,
            runtime_of_this_process(),
            None,
            config.MasterSettings().frame_bytes_max,
            self._host.ended,
        )
        engine.start()
        super().__init__(engine, Calls(engine, shares_path=True))
        try:
            self._host.wait_ready(workers_too=bool(preload))
            engine.wait_connected(client_settings.connect_timeout_s)
        except BaseException:
            self.close()
            raise
        atexit.register(self.close)

    def close(self) -> None:
        """Ends the session and every process of the cluster. Closing twice does nothing."""
        super().close()
        self._host.close()
        atexit.unregister(self.close)


class _Host:
    """The host process, as the client sees it."""

    def __init__(
        self,
        slots: int,
        workers: int,
        preload: str,
        resources: dict[str, Any],
        journal: str | os.PathLike[str] | None,
        sections: dict[str, Mapping[str, object]],
    ) -> None:
        self._status = -1
        self.workers = workers
        settings = _Settings(resources, sections)
        self.folder = tempfile.mkdtemp(prefix="ganger-", dir=os.environ.get("XDG_RUNTIME_DIR") or None)
        self.socket_path = str(Path(self.folder) / "master")
        self._parser = FrameParser(STATUS_BYTES_MAX)
        self._ready: set[str] = set()
        plan = _plan(self, slots, preload, journal, settings)
        self._status, status_end = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ganger.host", str(status_end)],
            stdin=subprocess.PIPE,
            pass_fds=[status_end],
            start_new_session=True,
            env=_environment(),
        )
        os.close(status_end)
        _hosts.add(self)
        body = frame(msgpack.encode(plan))
        if self.process.stdin is not None:
            self.process.stdin.write(body)
            self.process.stdin.flush()

    def forked(self) -> None:
        """In a forked child: the cluster is the parent's; only our copies of its lifeline and status go."""
        if self._status < 0:
            return
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        os.close(self._status)
        self._status = -1
        self.process.returncode = 0  # it is no child of this process: nobody waits for it here

    def ended(self) -> str:
        """Why the cluster has ended, or nothing."""
        code = self.process.poll()
        return "" if code is None else f"the embedded cluster has ended (its host exited with code {code})"

    def wait_ready(self, *, workers_too: bool) -> None:
        """Waits until the master serves, and the workers where that was asked for."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        poll = select.poll()
        poll.register(self._status, select.POLLIN)
        needed = 1 + (self.workers if workers_too else 0)
        while len(self._ready) < needed:
            readable = poll.poll(max(0.0, deadline_s - time.monotonic()) * 1e3)
            data = os.read(self._status, STATUS_BYTES_MAX) if readable else b""
            if not data:
                raise ClusterClosed(
                    "the embedded cluster did not start", hint="what it wrote to stderr says why"
                )
            for part in self._parser.feed(data):
                self._on_status(msgpack.decode(part))

    def _on_status(self, status: dict[str, Any]) -> None:
        if status["ready"]:
            self._ready.add(status["name"])
            return
        kind = getattr(errors, status["error"], ClusterClosed)
        if not (isinstance(kind, type) and issubclass(kind, errors.GangerError)):
            kind = ClusterClosed
        raise kind(status["message"], hint=status["hint"])

    def close(self) -> None:
        """Ends the host: its lifeline closes, it ends the others, and the folder goes."""
        if self._status < 0:
            return
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._status)
        self._status = -1
        shutil.rmtree(self.folder, ignore_errors=True)


class _Settings:
    """Everything that can be wrong about a plan, read before anything is started."""

    def __init__(self, resources: dict[str, Any], sections: Mapping[str, Mapping[str, object]]) -> None:
        self.resources = {name: parse_bytes(amount, f"resource {name}") for name, amount in resources.items()}
        self.worker = config.load(config.WorkerSettings, sections.get("worker"))
        self.master = config.load(config.MasterSettings, sections.get("master"))
        self.journal = config.load(config.JournalSettings, sections.get("journal"))
        config.load(config.ClientSettings, sections.get("client"))


def _plan(
    host: _Host, slots: int, preload: str, journal: str | os.PathLike[str] | None, settings: _Settings
) -> dict[str, object]:
    """The host's plan, as plain data: the client does not import the host."""
    worker = {
        "join": f"unix:{host.socket_path}",
        "slots": slots,
        "shared_by": host.workers,
        "resources": settings.resources,
        "preload": preload,
        "paths": [path or os.getcwd() for path in sys.path],
        "frame_bytes_max": settings.master.frame_bytes_max,
        "payload_bytes_max": settings.master.payload_bytes_max,
        "settings": settings.worker,
    }
    return {
        "master": {
            "listen": [f"unix:{host.socket_path}"],
            "journal": os.fspath(journal) if journal is not None else "",
            "settings": settings.master,
            "journal_settings": settings.journal,
        },
        "workers": [{**worker, "name": f"worker-{number}"} for number in range(1, host.workers + 1)],
        "folder": host.folder,
    }


def _environment() -> dict[str, str]:
    """The child finds ganger where this process found it."""
    environment = dict(os.environ)
    root = str(Path(__file__).parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    return environment


def _cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    count = os.cpu_count()
    return 1 if count is None else count


def _check_counts(slots: int | None, workers: int, preload: str) -> None:
    for label, value in (("slots", slots), ("workers", workers)):
        if value is not None:
            _check_count(label, value)
    if preload and ":" not in preload:
        raise InvalidOption(f"preload {preload!r} is not of the form module:function")


def _check_count(label: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidOption(f"{label} must be a whole number of at least 1, it is {value!r}")


def _after_fork() -> None:
    for host in list(_hosts):
        host.forked()


os.register_at_fork(after_in_child=_after_fork)
