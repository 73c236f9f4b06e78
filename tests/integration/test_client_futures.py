"""A future: its states, its errors, its callbacks, and what it holds."""

import asyncio
import gc
import os
import pickle
import threading
import weakref
from pathlib import Path

import pytest

from ganger import Cluster, Future
from ganger.client.failures import RemoteTraceback
from ganger.errors import InvalidOption, RemoteError, ResultNotSerializable, TaskCancelled
from tests.integration import jobs
from tests.processes import eventually


def test_a_result_is_the_value_and_the_same_object_each_time(cluster: Cluster) -> None:
    future = cluster.submit(jobs.same, [1, 2])
    assert future.result() == [1, 2]
    assert future.result() is future.result()
    assert future.exception() is None
    assert future.done()


def test_a_future_goes_from_pending_over_running_to_finished(single: Cluster, tmp_path: Path) -> None:
    first = single.submit(jobs.come_to, tmp_path / "here", tmp_path / "gate")
    second = single.submit(jobs.double, 4)
    eventually("the first one runs", first.running)
    assert not first.done()
    assert not second.running()
    assert not second.done()
    (tmp_path / "gate").touch()
    assert second.result() == 8
    assert (first.done(), first.running(), first.cancelled()) == (True, False, False)


def test_a_timeout_ends_the_wait_and_not_the_task(cluster: Cluster, tmp_path: Path) -> None:
    future = cluster.submit(jobs.wait_at, tmp_path / "gate", "value")
    for wait in (future.result, future.exception):
        with pytest.raises(TimeoutError, match="wait_at has not ended within"):
            wait(timeout=0.01)
    (tmp_path / "gate").touch()
    assert future.result(timeout=30) == "value"


def test_an_exception_comes_back_as_itself_with_the_remote_traceback(cluster: Cluster) -> None:
    future = cluster.submit(jobs.fail, "broken")
    with pytest.raises(ValueError, match="broken") as caught:
        future.result()
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "jobs.py" in str(caught.value.__cause__)
    assert "raise ValueError(message)" in str(caught.value.__cause__)
    assert isinstance(future.exception(), ValueError)


def test_the_cause_of_an_exception_is_in_its_remote_traceback(cluster: Cluster) -> None:
    error = cluster.submit(jobs.raise_from).exception()
    assert isinstance(error, RuntimeError)
    assert "ValueError: inner" in str(error.__cause__)


def test_an_exception_that_cannot_be_rebuilt_is_told_in_words(cluster: Cluster) -> None:
    error = cluster.submit(jobs.raise_local_only).exception()
    assert isinstance(error, RemoteError)
    assert "LocalOnly: this and that" in error.message
    assert "raise_local_only" in str(error.__cause__)


def test_a_result_that_cannot_be_pickled_is_told_in_words(cluster: Cluster) -> None:
    error = cluster.submit(jobs.make_unpicklable).exception()
    assert isinstance(error, ResultNotSerializable)
    assert "make_unpicklable returned a Unpicklable" in error.message
    assert "an open socket cannot travel" in error.message


@pytest.mark.parametrize("state", ["waiting", "running"])
def test_cancel_ends_a_task_whatever_it_does(single: Cluster, tmp_path: Path, state: str) -> None:
    first = single.submit(jobs.come_to, tmp_path / "here", tmp_path / "gate")
    second = single.submit(jobs.wait_at, tmp_path / "gate")
    eventually("the first one runs", (tmp_path / "here").exists)
    future = first if state == "running" else second
    assert future.cancel()
    assert future.cancel(), "cancelling twice is no error"
    assert (future.cancelled(), future.done(), future.running()) == (True, True, False)
    for wait in (future.result, future.exception):
        with pytest.raises(TaskCancelled):
            wait()
    (tmp_path / "gate").touch()
    assert single.submit(jobs.double, 1).result() == 2


def test_a_finished_task_cannot_be_cancelled(cluster: Cluster) -> None:
    future = cluster.submit(jobs.double, 1)
    future.result()
    assert not future.cancel()
    assert future.result() == 2


def test_callbacks_get_the_future_once_whether_it_has_ended_or_not(cluster: Cluster, tmp_path: Path) -> None:
    called: list[Future[object]] = []
    threads: set[str] = set()
    both = threading.Semaphore(0)

    def callback(future: Future[object]) -> None:
        called.append(future)
        threads.add(threading.current_thread().name)
        both.release()

    future = cluster.submit(jobs.wait_at, tmp_path / "gate")
    future.add_done_callback(callback)
    assert not called
    (tmp_path / "gate").touch()
    both.acquire()
    future.add_done_callback(callback)
    both.acquire()
    assert called == [future, future]
    assert threads == {"ganger-callbacks"}


def test_a_callback_may_use_the_client_and_one_that_fails_harms_nobody(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    found: list[int] = []
    called = threading.Event()

    def go_on(future: Future[int]) -> None:
        found.append(cluster.submit(jobs.double, future.result()).result())
        called.set()

    future = cluster.submit(jobs.double, 2)
    future.add_done_callback(lambda _: 1 / 0)
    future.add_done_callback(go_on)
    called.wait()
    assert found == [8]
    assert "ZeroDivisionError" in caplog.text


def test_a_future_can_be_awaited(cluster: Cluster) -> None:
    async def main() -> tuple[int, str]:
        future = cluster.submit(jobs.double, 2)
        failing = cluster.submit(jobs.fail, "broken")
        try:
            await failing
        except ValueError as error:
            return await future + await future, str(error)
        raise AssertionError

    assert asyncio.run(main()) == (8, "broken")


def test_a_wait_that_is_cancelled_in_a_loop_leaves_the_task_alone(cluster: Cluster, tmp_path: Path) -> None:
    future = cluster.submit(jobs.wait_at, tmp_path / "gate", 5)

    async def main() -> None:
        async def wait() -> object:
            return await future

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait(), 0.01)

    asyncio.run(main())
    assert not future._callbacks
    (tmp_path / "gate").touch()
    assert future.result() == 5


def test_a_future_can_be_pickled_only_as_an_argument(cluster: Cluster) -> None:
    future = cluster.submit(jobs.double, 1)
    with pytest.raises(InvalidOption, match="only as part of a task's arguments"):
        pickle.dumps(future)


def test_its_repr_says_what_a_notebook_should_show(cluster: Cluster, tmp_path: Path) -> None:
    future = cluster.submit(jobs.wait_at, tmp_path / "gate", "<value>")
    assert repr(future) in ("<ganger.Future wait_at pending>", "<ganger.Future wait_at running>")
    (tmp_path / "gate").touch()
    future.result()
    assert repr(future) == "<ganger.Future wait_at finished, '<value>'>"
    assert future._repr_html_() == (
        "<code>&lt;ganger.Future wait_at finished, &#x27;&lt;value&gt;&#x27;&gt;</code>"
    )
    failed = cluster.submit(jobs.fail, "broken")
    failed.exception()
    assert repr(failed) == "<ganger.Future fail failed, ValueError: broken>"
    long = cluster.submit(jobs.same, "x" * 1000)
    long.result()
    assert len(repr(long)) < 110


def test_dropping_a_future_cancels_nothing(cluster: Cluster, tmp_path: Path) -> None:
    cluster.submit(jobs.write_line, tmp_path / "written", "line")
    eventually("it was written", lambda: (tmp_path / "written").exists())


def test_results_that_nobody_holds_are_released(cluster: Cluster) -> None:
    futures = [cluster.submit(jobs.same, "x" * 1000) for _ in range(50)]
    dependents = [cluster.submit(len, future) for future in futures]
    assert cluster.gather(dependents) == [1000] * 50
    del futures, dependents
    gc.collect()
    eventually("the master holds nothing", lambda: cluster.status().result_bytes == 0)


def test_arguments_and_results_are_not_kept_alive(cluster: Cluster) -> None:
    box = jobs.Box([1])
    future = cluster.submit(jobs.same, box)
    result = future.result()
    watched = [weakref.ref(box), weakref.ref(result)]
    del box, result, future
    gc.collect()
    assert [watch() for watch in watched] == [None, None]


def test_large_values_travel_both_ways(cluster: Cluster) -> None:
    payload = os.urandom(3_000_000)
    assert cluster.submit(jobs.same, payload).result() == payload
