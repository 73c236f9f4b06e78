"""A thread that ends or stops random parts of a cluster, as often as it can, while a test works with it."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from types import TracebackType
from typing import Self

import psutil

from ganger import Client
from ganger.errors import MasterUnreachable
from ganger.protocol.views import WorkerView
from tests.hosts import TwoHosts

Act = Callable[[Random, list[WorkerView]], object]
STOPPED_S = 1.5
"""How long a stopped agent stays so: longer than its lease."""


class Havoc(threading.Thread):
    """Wreaks it for as long as its `with` block lasts.

    Args:
        client: Asked where the processes are.
        random: Chooses.
        acts: What it does, each time one of them.
        pause_s: From and to how long it rests between two acts.
    """

    def __init__(
        self, client: Client, random: Random, acts: Sequence[Act], pause_s: tuple[float, float]
    ) -> None:
        super().__init__(name="havoc")
        self.client = client
        self.random = random
        self.acts = acts
        self.pause_s = pause_s
        self.done: Counter[str] = Counter()
        self._failure: BaseException | None = None
        self._enough = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enough.set()
        self.join()
        if error is None and self._failure is not None:
            raise self._failure

    def run(self) -> None:
        """Acts, until it is enough."""
        try:
            while not self._enough.wait(self.random.uniform(*self.pause_s)):
                self._act()
        except BaseException as error:
            self._failure = error

    def _act(self) -> None:
        act = self.random.choice(self.acts)
        try:
            act(self.random, self.client.workers())
        except (psutil.NoSuchProcess, MasterUnreachable, IndexError):
            self.done["nobody there"] += 1
        else:
            self.done[act.__name__] += 1

    @property
    def count(self) -> int:
        """How often it has done something."""
        return self.done.total() - self.done["nobody there"]


def kill_executor(random: Random, workers: list[WorkerView]) -> None:
    """SIGKILL for an executor."""
    pid = random.choice([pid for worker in workers for pid in worker.executors])
    psutil.Process(pid).kill()


def kill_agent(random: Random, workers: list[WorkerView]) -> None:
    """SIGKILL for a worker's agent."""
    psutil.Process(random.choice(workers).pid).kill()


def kill_zygote(random: Random, workers: list[WorkerView]) -> None:
    """SIGKILL for the parent of a worker's executors."""
    psutil.Process(random.choice(workers).pid).children()[0].kill()


def stop_agent(random: Random, workers: list[WorkerView]) -> None:
    """SIGSTOP for an agent, beyond its lease, and then SIGCONT."""
    agent = psutil.Process(random.choice(workers).pid)
    agent.send_signal(signal.SIGSTOP)
    time.sleep(STOPPED_S)
    agent.send_signal(signal.SIGCONT)


def stop_executor(random: Random, workers: list[WorkerView]) -> None:
    """SIGSTOP for an executor, for a moment, and then SIGCONT: it seems slow."""
    executor = psutil.Process(random.choice([pid for worker in workers for pid in worker.executors]))
    executor.send_signal(signal.SIGSTOP)
    time.sleep(random.uniform(0.001, 0.02))
    executor.send_signal(signal.SIGCONT)


def restart_master(hosts: TwoHosts) -> Act:
    """SIGKILL for the master, and a new one on its journal."""

    def kill_master(_: Random, workers: list[WorkerView]) -> None:
        hosts.kill_master()
        hosts.start_master()

    return kill_master
