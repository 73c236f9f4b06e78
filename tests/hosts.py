"""Hosts as `ganger master` and `ganger worker` start them: each can be killed, and come back, by itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
import psutil
import pytest

import ganger
from ganger.config import MasterSettings, WorkerSettings
from ganger.host.plan import HostPlan, Status
from ganger.master.server import MasterPlan
from ganger.protocol.framing import FrameParser, frame
from ganger.security.secret import read_secret
from ganger.worker.agent import WorkerPlan
from tests.processes import PATIENCE_S, ROOT, eventually, short_folder, wait_gone, wait_workers

LEASE_S = 1.5
SHORT_LEASE = MasterSettings(worker_lease_s=LEASE_S)


class Host:
    """A host process with a plan, as `ganger master` and `ganger worker` start one.

    Args:
        plan: What it runs.
        state: The user's state folder for it, where the secret lies.
        log: Where its standard error goes; to this process's own by default.
    """

    def __init__(self, plan: HostPlan, state: Path, log: IO[str] | None = None) -> None:
        self._status, status_end = os.pipe()
        self._parser = FrameParser(1 << 20)
        self.heard: list[Status] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ganger.host", str(status_end)],
            stdin=subprocess.PIPE,
            stderr=log,
            pass_fds=[status_end],
            env={**os.environ, "XDG_STATE_HOME": str(state), "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        )
        os.close(status_end)
        os.set_blocking(self._status, False)
        assert self.process.stdin is not None
        self.process.stdin.write(frame(msgspec.msgpack.encode(plan)))
        self.process.stdin.flush()

    def wait_ready(self, *names: str) -> None:
        """Waits until each of its processes has said that it is ready."""
        eventually(f"{names} ready; heard {self.heard}", lambda: self._listen() >= set(names))

    def _listen(self) -> set[str]:
        try:
            data = os.read(self._status, 1 << 16)
        except BlockingIOError:
            data = b""
        self.heard += [msgspec.msgpack.decode(body, type=Status) for body in self._parser.feed(data)]
        return {status.name for status in self.heard if status.ready}

    def children(self) -> list[psutil.Process]:
        """The processes that it has started: a master, agents."""
        return psutil.Process(self.process.pid).children()

    def failure(self) -> Status:
        """Waits until one of its processes has said why it cannot serve."""

        def look() -> list[Status]:
            self._listen()
            return [status for status in self.heard if status.error]

        return eventually("a failure", look)[0]

    def close(self) -> None:
        """Closes its lifeline and waits for it. Closing twice does nothing."""
        assert self.process.stdin is not None
        if self.process.stdin.closed:
            return
        self.process.stdin.close()
        self.process.wait(PATIENCE_S)
        os.close(self._status)


def free_port() -> int:
    """A port of the loopback address that nobody listens on at present."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


class TwoHosts:
    """A master on a fixed port with a file journal, and a host of workers; either can be killed.

    Args:
        folder: Where journal and secret lie.
        workers: How many.
        slots: Of each worker.
        master: The master's settings.
    """

    def __init__(
        self, folder: Path, workers: int = 2, slots: int = 2, master: MasterSettings = SHORT_LEASE
    ) -> None:
        self.folder = folder
        self.address = f"127.0.0.1:{free_port()}"
        self.plan = HostPlan(MasterPlan([self.address], str(folder / "journal"), settings=master), [])
        self.start_master()
        secret = read_secret()
        assert secret is not None
        settings = WorkerSettings(beat_s=0.2, reconnect_delay_max_s=0.1)
        plans = [
            WorkerPlan(self.address, f"worker-{number}", slots, secret=secret.hex(), settings=settings)
            for number in range(workers)
        ]
        self.workers = Host(HostPlan(None, plans), folder)
        self.worker_count = workers

    def start_master(self) -> None:
        """Starts it, or starts it again on the same port and journal."""
        self.master = Host(self.plan, self.folder)
        self.master.wait_ready("master")

    def kill_master(self) -> None:
        """Kills the master; its host ends with it."""
        (process,) = self.master.children()
        process.send_signal(signal.SIGKILL)
        wait_gone([process])
        self.master.close()

    def kill_workers(self) -> None:
        """Kills every agent at once; their host starts others."""
        for agent in self.workers.children():
            agent.send_signal(signal.SIGKILL)

    @contextmanager
    def connect(self) -> Iterator[ganger.Client]:
        """A client that comes back soon after it has lost its master; every worker is there."""
        with ganger.connect(self.address, settings={"client": {"reconnect_delay_max_s": 0.1}}) as client:
            wait_workers(client, self.worker_count)
            yield client

    def close(self) -> None:
        """Ends both hosts."""
        self.workers.close()
        self.master.close()


@contextmanager
def two_hosts(**given: Any) -> Iterator[TwoHosts]:
    """Two hosts with a state folder of their own, which this process uses as well."""
    with short_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        made = TwoHosts(folder, **given)
        try:
            yield made
        finally:
            made.close()
