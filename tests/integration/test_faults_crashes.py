"""A task that ends its process gets a typed error after its budget; what waits behind it is not charged."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ganger import Cluster
from ganger.errors import ExecutorCrashed, OutOfMemory
from tests.misbehaviour import (
    MIB,
    abort,
    exhaust_memory,
    exit_at_once,
    exit_politely,
    kill_itself,
    noted,
    noted_but_one,
    noted_then,
    notes,
    segfault,
    where,
)
from tests.processes import PATIENCE_S, quick_cluster

CRASHES: list[tuple[Callable[..., object], tuple[object, ...], str]] = [
    (exit_at_once, (3,), "exit code 3"),
    (exit_at_once, (0,), "exit code 0"),
    (exit_politely, (4,), "sys.exit(4)"),
    (segfault, (), "SIGSEGV"),
    (abort, (), "SIGABRT"),
    (kill_itself, (signal.SIGKILL,), "SIGKILL"),
    (kill_itself, (signal.SIGTERM,), "SIGTERM"),
    (kill_itself, (signal.SIGALRM,), "signal"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One worker of one slot, so that whatever comes later stands behind what came first."""
    with quick_cluster(slots=1, resources={"memory": "4G"}) as made:
        yield made


@pytest.mark.parametrize(("behaviour", "arguments", "words"), CRASHES)
def test_a_task_that_ends_its_process_is_told_how(
    cluster: Cluster,
    tmp_path: Path,
    behaviour: Callable[..., object],
    arguments: tuple[object, ...],
    words: str,
) -> None:
    path = str(tmp_path / "notes")
    crashing = cluster.options(losses_max=1).submit(noted_then, behaviour, path, 0, *arguments)
    behind = cluster.submit(pow, 2, 5)
    error = crashing.exception(PATIENCE_S)
    assert isinstance(error, ExecutorCrashed)
    assert words in str(error)
    assert "noted_then" in str(error)
    assert behind.result(PATIENCE_S) == 32
    assert notes(path) == ["0", "0"], "it runs once more than its losses_max, and no more"


def test_a_crash_is_no_exception_that_retries_count(cluster: Cluster, tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    future = cluster.options(losses_max=0, retries=5, retry_delay_s=0).submit(noted_then, segfault, path, 0)
    assert isinstance(future.exception(PATIENCE_S), ExecutorCrashed)
    assert notes(path) == ["0"]


def test_a_crash_that_may_not_be_repeated_is_final(cluster: Cluster, tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    future = cluster.options(repeatable=False).submit(noted_then, segfault, path, 0)
    assert isinstance(future.exception(PATIENCE_S), ExecutorCrashed)
    assert notes(path) == ["0"]


@pytest.mark.parametrize("bad", [0, 1, 150, 299])
def test_what_stands_behind_a_crash_in_its_executor_runs_once(
    cluster: Cluster, tmp_path: Path, bad: int
) -> None:
    path = str(tmp_path / "notes")
    list(cluster.map(noted_but_one, [path] * 300, range(300), [-1] * 300))
    Path(path).unlink()
    once = cluster.options(losses_max=0)
    futures = [once.submit(noted_but_one, path, number, bad) for number in range(300)]
    outcomes = [future.exception(PATIENCE_S) for future in futures]
    assert [number for number, error in enumerate(outcomes) if error is not None] == [bad]
    assert isinstance(outcomes[bad], ExecutorCrashed)
    assert Counter(notes(path)) == Counter(map(str, range(300)))


def test_what_may_not_be_repeated_and_waits_behind_crashes_runs_once(
    cluster: Cluster, tmp_path: Path
) -> None:
    path = str(tmp_path / "notes")
    once = cluster.options(repeatable=False)
    crashes, others = [], []
    for number in range(12):
        if number % 3 == 0:
            crashes.append(cluster.options(losses_max=1).submit(exit_at_once))
        others.append(once.submit(noted, path, number))
    assert [future.result(PATIENCE_S) for future in others] == list(range(12))
    assert all(isinstance(future.exception(PATIENCE_S), ExecutorCrashed) for future in crashes)
    assert Counter(notes(path)) == Counter(map(str, range(12)))


def test_a_task_that_exhausts_its_memory_is_told_peak_and_limit(cluster: Cluster, tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    limited = cluster.options(losses_max=0, resources={"memory": "200M"})
    future = limited.submit(noted_then, exhaust_memory, path, 0, 1024 * MIB)
    behind = [limited.submit(noted, path, number) for number in range(1, 4)]
    error = future.exception(PATIENCE_S)
    assert isinstance(error, OutOfMemory)
    assert isinstance(error, MemoryError)
    assert error.limit_bytes == 200 * MIB < error.peak_bytes < 1024 * MIB
    assert "noted_then" in str(error)
    assert [future.result(PATIENCE_S) for future in behind] == [1, 2, 3]
    assert notes(path) == ["0", "1", "2", "3"]


def test_memory_may_be_asked_for_where_nobody_said_what_there_is() -> None:
    with quick_cluster(slots=1) as plain:
        modest = plain.options(resources={"memory": "100M", "cpu": 1})
        assert modest.submit(pow, 2, 5).result(PATIENCE_S) == 32


def test_the_one_that_crashes_does_not_take_its_dependents_unheard(cluster: Cluster) -> None:
    crashing = cluster.options(losses_max=0).submit(exit_at_once)
    dependent = cluster.submit(pow, 2, crashing)
    error = dependent.exception(PATIENCE_S)
    assert isinstance(error, ExecutorCrashed)
    assert any("on which it depends" in each for each in error.__notes__)


def test_a_polite_exit_leaves_the_executor_usable(cluster: Cluster) -> None:
    before = cluster.submit(where).result(PATIENCE_S)
    assert isinstance(
        cluster.options(losses_max=0).submit(exit_politely).exception(PATIENCE_S), ExecutorCrashed
    )
    assert cluster.submit(where).result(PATIENCE_S) == before
