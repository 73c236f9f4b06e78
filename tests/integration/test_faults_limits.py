"""A limit ends what exceeds it and nothing else: timeouts, cancellation, recycling, preparation."""

import os
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from ganger import Cluster
from ganger.errors import PreloadFailed, TaskCancelled, TaskTimeout
from tests.misbehaviour import (
    doze,
    exit_at_once,
    heed_nothing,
    noted,
    noted_then,
    notes,
    sleep_for_ever,
    spin,
    start_a_process_and_stay,
    where,
)
from tests.processes import PATIENCE_S, eventually, process, quick_cluster, wait_gone

LONG_S = 1000.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One worker of one slot, whose coroutines get little time to end when they are cancelled."""
    with quick_cluster(slots=1, settings={"worker": {"cancel_grace_s": 0.1}}) as made:
        yield made


# ------------------------------------------------------------------------------------------------ timeouts


def test_a_task_that_never_returns_is_ended_after_each_of_its_retries(
    cluster: Cluster, tmp_path: Path
) -> None:
    path = str(tmp_path / "notes")
    limited = cluster.options(timeout_s=0.1, retries=1, retry_delay_s=0, losses_max=0)
    endless = limited.submit(noted_then, spin, path, 0)
    behind = [limited.submit(noted, path, number) for number in range(1, 4)]
    error = endless.exception(PATIENCE_S)
    assert isinstance(error, TaskTimeout)
    assert "timeout_s of 0.1" in str(error)
    assert [future.result(PATIENCE_S) for future in behind] == [1, 2, 3]
    assert Counter(notes(path)) == {"0": 2, "1": 1, "2": 1, "3": 1}


def test_a_timeout_without_retries_is_final_and_charges_no_loss(cluster: Cluster, tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    future = cluster.options(timeout_s=0.1).submit(noted_then, spin, path, 0)
    assert isinstance(future.exception(PATIENCE_S), TaskTimeout)
    assert notes(path) == ["0"]


def test_a_timeout_ends_what_the_task_had_started(cluster: Cluster, tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    future = cluster.options(timeout_s=0.2).submit(start_a_process_and_stay, path)
    assert isinstance(future.exception(PATIENCE_S), TaskTimeout)
    wait_gone([process(pid) for pid in notes(path)])


def test_a_coroutine_that_times_out_leaves_its_neighbours_alone(cluster: Cluster, tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    shared = cluster.options(timeout_s=0.3, concurrency=8)
    slow = shared.submit(doze, LONG_S, path, 0)
    quick = [shared.submit(doze, 0.01, path, number) for number in range(1, 8)]
    homes = {future.result(PATIENCE_S) for future in quick}
    assert isinstance(slow.exception(PATIENCE_S), TaskTimeout)
    assert homes == {shared.submit(doze, 0, path, 8).result(PATIENCE_S)}, "one executor, and it lives"
    assert "cancelled 0" in notes(path)


def test_a_coroutine_that_heeds_no_cancellation_is_ended_with_its_executor(
    cluster: Cluster, tmp_path: Path
) -> None:
    path = str(tmp_path / "notes")
    shared = cluster.options(timeout_s=0.2, concurrency=4, losses_max=0)
    stubborn = shared.submit(heed_nothing, path, 0, 0.0)
    home = shared.submit(heed_nothing, path, 1, 0.0).result(PATIENCE_S)
    error = stubborn.exception(PATIENCE_S)
    assert isinstance(error, TaskTimeout)
    assert "heeds nothing" in notes(path), "it was asked first"
    assert shared.submit(heed_nothing, path, 2, 0.0).result(PATIENCE_S) != home


def test_neighbours_of_a_coroutine_that_ends_its_executor_are_not_charged(
    cluster: Cluster, tmp_path: Path
) -> None:
    path = str(tmp_path / "notes")
    shared = cluster.options(concurrency=4, losses_max=0)
    stubborn, *neighbours = [shared.submit(heed_nothing, path, number, 0.5) for number in range(4)]
    eventually("all of them running", lambda: len(notes(path)) == 4)
    stubborn.cancel()
    assert len({future.result(PATIENCE_S) for future in neighbours}) == 1
    starts = Counter(line for line in notes(path) if line.startswith("start"))
    assert starts == {"start 0": 1, "start 1": 2, "start 2": 2, "start 3": 2}, "only its target is charged"


# ------------------------------------------------------------------------------------------------- cancelling


def test_cancelling_a_running_task_frees_its_slot(cluster: Cluster, tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    running = cluster.submit(sleep_for_ever, path)
    behind = cluster.submit(where)
    (pid,) = eventually("it runs", lambda: notes(path))
    held = process(pid)
    assert running.cancel()
    assert behind.result(PATIENCE_S) != int(pid)
    wait_gone([held])
    assert running.cancelled()
    with pytest.raises(TaskCancelled):
        running.result()
    assert len(notes(path)) == 1


def test_cancelling_what_waits_runs_it_never(cluster: Cluster, tmp_path: Path) -> None:
    path, done = str(tmp_path / "running"), str(tmp_path / "done")
    running = cluster.submit(sleep_for_ever, path)
    waiting = [cluster.submit(noted, done, number) for number in range(100)]
    eventually("the first runs", lambda: notes(path))
    cluster.cancel(waiting[:50])
    running.cancel()
    assert [future.result(PATIENCE_S) for future in waiting[50:]] == list(range(50, 100))
    assert Counter(notes(done)) == Counter(map(str, range(50, 100)))


def test_cancelling_a_coroutine_lets_it_end_itself(cluster: Cluster, tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    shared = cluster.options(concurrency=4)
    home = shared.submit(doze, 0, path, 0).result(PATIENCE_S)
    running = shared.submit(doze, LONG_S, path, 1)
    eventually("it runs", lambda: "start 1" in notes(path))
    running.cancel()
    eventually("it knows", lambda: "cancelled 1" in notes(path))
    assert shared.submit(doze, 0, path, 2).result(PATIENCE_S) == home


# ------------------------------------------------------------------------------- recycling and preparation


def test_executors_are_replaced_after_their_number_of_tasks(tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    with quick_cluster(slots=1, settings={"worker": {"executor_tasks_max": 5}}) as recycling:
        alone = recycling.options(repeatable=False)
        homes = [alone.submit(where).result(PATIENCE_S) for _ in range(20)]
        assert Counter(Counter(homes).values()) == {5: 4}
        assert sum(before != after for before, after in pairwise(homes)) == 3, "one after the other"
        assert list(recycling.map(noted, [path] * 500, range(500))) == list(range(500))
    assert Counter(notes(path)) == Counter(map(str, range(500)))


def prepare_executor() -> None:
    """Says that it was called."""
    noted(os.environ["GANGER_TEST_NOTES"], os.getpid())


def fail_to_prepare() -> None:
    """Says why it cannot."""
    raise RuntimeError("the model is not there")


def test_each_executor_is_prepared_once_before_its_first_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "notes")
    monkeypatch.setenv("GANGER_TEST_NOTES", path)
    with quick_cluster(slots=1, preload=f"{__name__}:prepare_executor") as prepared:
        first = prepared.submit(where).result(PATIENCE_S)
        assert notes(path) == [str(first)]
        prepared.options(losses_max=0).submit(exit_at_once).exception(PATIENCE_S)
        second = prepared.submit(where).result(PATIENCE_S)
        assert notes(path) == [str(first), str(second)]


@pytest.mark.parametrize("name", ["fail_to_prepare", "there_is_no_such_function"])
def test_a_preparation_that_fails_is_told_with_its_traceback(name: str) -> None:
    with pytest.raises(PreloadFailed) as caught, Cluster(slots=2, preload=f"{__name__}:{name}"):
        pass
    text = str(caught.value)
    assert name in text
    assert "Traceback" in text
    if name == "fail_to_prepare":
        assert "RuntimeError: the model is not there" in text
        assert Path(__file__).name in text


def fail_while_told_to() -> None:
    """Fails as long as a file is there."""
    if Path(os.environ["GANGER_TEST_NOTES"]).exists():
        raise RuntimeError("the model is gone")


def test_a_preparation_that_fails_later_is_told_and_costs_no_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "mark"
    monkeypatch.setenv("GANGER_TEST_NOTES", str(mark))
    told = ""

    def is_told() -> bool:
        nonlocal told
        told += capfd.readouterr().err
        return "the model is gone" in told

    with quick_cluster(slots=1, preload=f"{__name__}:fail_while_told_to") as prepared:
        frail = prepared.options(losses_max=0)
        mark.touch()
        frail.submit(exit_at_once).exception(PATIENCE_S)
        waiting = frail.submit(where)
        eventually("it is told", is_told)
        mark.unlink()
        assert waiting.result(PATIENCE_S)
