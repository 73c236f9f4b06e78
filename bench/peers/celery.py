"""celery with a Redis server of its own, on a free port, without persistence (its fastest setting)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from celery import group

from bench.peers.peer import RESULT_TIMEOUT_S, BasePeer, Handle

URL_VARIABLE = "GANGER_BENCH_REDIS_URL"
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 8.0


class Celery(BasePeer):
    """A prefork worker with one child a slot; the queue lies in Redis."""

    def start(self, slots: int) -> None:
        """Start Redis and a worker, then make the client's application."""
        port = _free_port()
        os.environ[URL_VARIABLE] = f"redis://127.0.0.1:{port}/0"
        self._redis = _spawn("redis", ["redis-server", *_redis_options(port)])
        _wait_for_port(port)
        self._worker = _spawn("celery", [sys.executable, "-m", "celery", *_worker_options(slots)])
        from bench.peers.celery_app import app  # reads the address that was only now decided

        self._app: Any = app

    def submit(self, function: Callable[..., object], *arguments: object) -> Handle:
        """Send one message."""
        return self._app.tasks[function.__name__].apply_async(arguments)

    def get(self, handle: Handle) -> object:
        """Wait for one result."""
        result: object = handle.get(timeout=RESULT_TIMEOUT_S)
        return result

    def map(self, function: Callable[..., object], items: Sequence[object]) -> list[object]:
        """Use a group of one message an item; `join` proved to be quicker than `join_native`."""
        task = self._app.tasks[function.__name__]
        return list(group(task.s(item) for item in items).apply_async().join())

    def master_pids(self) -> list[int]:
        """Return the Redis server."""
        return [self._redis.pid]

    def stop(self) -> None:
        """Stop worker and server."""
        for process in (self._worker, self._redis):
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _redis_options(port: int) -> list[str]:
    return ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]


def _worker_options(slots: int) -> list[str]:
    application = ["-A", "bench.peers.celery_app:app", "worker"]
    return [*application, "--pool", "prefork", "--concurrency", str(slots), "--loglevel", "ERROR"]


def _spawn(name: str, command: list[str]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "C_FORCE_ROOT": "1"}
    with Path(f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
