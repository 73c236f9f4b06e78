"""Work of every kind at once, good and bad, ends as it must, whatever is killed meanwhile."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

import ganger
from ganger import Future
from ganger.errors import AttemptLost, ExecutorCrashed, ResultNotSerializable, TaskTimeout
from tests.chaos.havoc import (
    Act,
    Havoc,
    kill_agent,
    kill_executor,
    restart_master,
    stop_executor,
)
from tests.hosts import two_hosts
from tests.misbehaviour import noted, notes, sleep_for_ever
from tests.processes import quick_cluster, wait_workers

DEADLINE_S = 200.0
LOSSES_MAX = 10_000
ACTS_MIN = 10
Outcome = tuple[Future[object], Callable[[Future[object]], bool]]


def after(seconds: float, value: int) -> int:
    time.sleep(seconds)
    return value


async def after_while(seconds: float, value: int) -> int:
    await asyncio.sleep(seconds)
    return value


def raises(value: int) -> None:
    raise KeyError(value)


def leaves() -> None:
    os._exit(1)


def returns_a_socket() -> object:
    import socket

    return socket.socket()


class Mixture:
    """Submits tasks of random kinds, and knows how each may end.

    Args:
        client: Where to.
        random: Chooses.
        path: Where tasks that may not be repeated say that they ran.
    """

    def __init__(self, client: ganger.Client, random: Random, path: str) -> None:
        self.random = random
        self.path = path
        self.count = 0
        self.plain = client.options(losses_max=LOSSES_MAX)
        self.urgent = self.plain.options(priority=3)
        self.many = self.plain.options(concurrency=8)
        self.limited = self.plain.options(timeout_s=0.05)
        self.roomy = self.plain.options(timeout_s=DEADLINE_S, retries=2, retry_delay_s=0.001)
        self.narrow = self.plain.options(resources={"memory": "64M"})
        self.frail = client.options(losses_max=0)
        self.once = client.options(repeatable=False)
        kinds: list[tuple[int, Callable[[int], Outcome]]] = [
            (200, lambda n: (self.plain.submit(after, 0.0, n), value_is(n))),
            (20, lambda n: (self.plain.submit(after, self.random.uniform(0, 0.02), n), value_is(n))),
            (20, lambda n: (self.urgent.submit(after, 0.0, n), value_is(n))),
            (60, lambda n: (self.many.submit(after_while, self.random.uniform(0, 0.05), n), value_is(n))),
            (20, lambda n: (self.roomy.submit(after, 0.0, n), value_is(n))),
            (10, lambda n: (self.narrow.submit(after, 0.0, n), value_is(n))),
            (10, lambda n: (self.plain.submit(raises, n), error_is(KeyError))),
            (5, lambda n: (self.roomy.submit(raises, n), error_is(KeyError))),
            (2, lambda n: (self.limited.submit(sleep_for_ever, os.devnull), error_is(TaskTimeout))),
            (4, lambda n: (self.frail.submit(leaves), error_is(ExecutorCrashed, AttemptLost))),
            (5, lambda n: (self.plain.submit(returns_a_socket), error_is(ResultNotSerializable))),
            (30, lambda n: (self.once.submit(noted, self.path, n), value_or_loss(n))),
            (5, self._cancelled),
        ]
        self.kinds = [kind for _, kind in kinds]
        self.weights = [weight for weight, _ in kinds]

    def _cancelled(self, number: int) -> Outcome:
        future: Future[object] = self.plain.submit(sleep_for_ever, os.devnull)
        if self.random.random() < 0.5:
            time.sleep(0.002)
        future.cancel()
        return future, Future.cancelled

    def submit(self, count: int) -> list[Outcome]:
        """That many tasks."""
        chosen = self.random.choices(self.kinds, self.weights, k=count)
        start, self.count = self.count, self.count + count
        return [kind(number) for number, kind in enumerate(chosen, start)]


def value_is(value: object) -> Callable[[Future[object]], bool]:
    return lambda future: future.exception(DEADLINE_S) is None and future.result() == value


def error_is(*kinds: type[BaseException]) -> Callable[[Future[object]], bool]:
    return lambda future: isinstance(future.exception(DEADLINE_S), kinds)


def value_or_loss(value: object) -> Callable[[Future[object]], bool]:
    good, lost = value_is(value), error_is(AttemptLost, ExecutorCrashed)
    return lambda future: good(future) or lost(future)


def run_mixture(
    client: ganger.Client, seed: int, count: int, acts: Sequence[Act], pause_s: tuple[float, float], path: str
) -> None:
    """Submits mixtures until enough havoc was wreaked upon them, and checks how each task ended."""
    mixture = Mixture(client, Random(seed), path)
    done: list[str] = []
    with Havoc(client, Random(seed), acts, pause_s) as havoc:
        while not mixture.count or havoc.count < ACTS_MIN:
            outcomes = mixture.submit(count)
            wrong = [repr(future) for future, is_right in outcomes if not is_right(future)]
            assert not wrong
            done += [str(future.result()) for future, _ in outcomes if _is_noted(future)]
    runs = Counter(notes(path))
    assert max(runs.values()) == 1, "what may not be repeated ran once"
    assert all(runs[number] for number in done)


def _is_noted(future: Future[object]) -> bool:
    return "noted" in repr(future) and not future.cancelled() and future.exception() is None


def check_at_rest(client: ganger.Client, workers: int) -> None:
    """Afterwards every worker is there, nothing is left to do, and the next task runs."""
    wait_workers(client, workers)
    assert client.status().tasks == {"waiting": 0, "ready": 0, "assigned": 0}
    assert client.gather(client.submit_many(pow, [2] * 100, range(100)), 30.0) == [2**n for n in range(100)]


def test_mixed_work_survives_the_loss_of_executors_and_workers(tmp_path: Path) -> None:
    with quick_cluster(slots=2, workers=2, settings={"worker": {"cancel_grace_s": 0.1}}) as cluster:
        acts = [*[kill_executor] * 4, stop_executor, kill_agent]
        run_mixture(cluster, 1, 1_000, acts, (0.02, 0.15), str(tmp_path / "notes"))
        check_at_rest(cluster, 2)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(30, 32))
def test_much_mixed_work_survives_executors_and_workers(seed: int, tmp_path: Path) -> None:
    with quick_cluster(slots=3, workers=2, settings={"worker": {"cancel_grace_s": 0.1}}) as cluster:
        acts = [*[kill_executor] * 6, stop_executor, stop_executor, kill_agent]
        run_mixture(cluster, seed, 8_000, acts, (0.02, 0.15), str(tmp_path / "notes"))
        check_at_rest(cluster, 2)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(40, 43))
def test_much_mixed_work_survives_the_master_too(seed: int, tmp_path: Path) -> None:
    with two_hosts() as hosts, hosts.connect() as client:
        acts = [*[kill_executor] * 5, kill_agent, restart_master(hosts)]
        run_mixture(client, seed, 6_000, acts, (0.05, 0.4), str(tmp_path / "notes"))
        check_at_rest(client, 2)
