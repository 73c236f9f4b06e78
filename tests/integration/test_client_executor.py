"""`client.executor()` keeps CPython's contract of `concurrent.futures`."""

import asyncio
import concurrent.futures
import gc
import itertools
import os
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, CancelledError, Executor, Future
from pathlib import Path
from typing import Any

import pytest

from ganger import Cluster
from ganger.errors import ClusterClosed, NotSerializable
from tests.integration import jobs
from tests.processes import eventually


@pytest.fixture
def executor(cluster: Cluster) -> Iterator[Executor]:
    with cluster.executor() as made:
        yield made


# --- submit --------------------------------------------------------------------------------------


def test_submit_gives_a_real_future_of_the_standard_library(executor: Executor) -> None:
    future = executor.submit(jobs.add, 1, 2, more=3)
    assert isinstance(future, Future)
    assert future.result() == 6
    assert (future.done(), future.running(), future.cancelled()) == (True, False, False)
    assert future.exception() is None


def test_the_arguments_named_like_its_own_belong_to_the_function(executor: Executor) -> None:
    assert executor.submit(jobs.keywords, fn=1, self=2).result() == {"fn": 1, "self": 2}


def test_it_submits_with_the_options_of_its_client(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.options(retries=2, retry_delay_s=0.001).executor() as patient:
        assert patient.submit(jobs.fail_until, tmp_path / "tries", 2).result() == 3


def test_an_exception_has_its_cause_and_the_remote_traceback(executor: Executor) -> None:
    future = executor.submit(jobs.fail, "broken")
    with pytest.raises(ValueError, match="broken") as caught:
        future.result()
    assert "raise ValueError(message)" in str(caught.value.__cause__)
    assert future.exception() is caught.value


def test_what_cannot_be_pickled_is_told_by_the_future_and_the_rest_goes_on(executor: Executor) -> None:
    futures = [executor.submit(jobs.same, thing) for thing in (1, threading.Lock(), 2)]
    assert isinstance(futures[1].exception(), NotSerializable)
    assert isinstance(executor.submit(lambda: executor).exception(), NotSerializable)
    assert (futures[0].result(), futures[2].result()) == (1, 2)


def test_a_result_that_cannot_be_rebuilt_here_is_an_exception_of_the_future(executor: Executor) -> None:
    error = executor.submit(jobs.only_there, os.getpid()).exception()
    assert isinstance(error, ValueError)
    assert "not here" in str(error)


# --- timeouts, waiting ---------------------------------------------------------------------------


def test_a_timeout_ends_the_wait_and_not_the_call(executor: Executor, tmp_path: Path) -> None:
    future = executor.submit(jobs.wait_at, tmp_path / "gate", 5)
    with pytest.raises(concurrent.futures.TimeoutError):
        future.result(timeout=0.01)
    (tmp_path / "gate").touch()
    assert future.result() == 5


def test_concurrent_futures_wait_and_as_completed_know_its_futures(
    executor: Executor, tmp_path: Path
) -> None:
    held = executor.submit(jobs.wait_at, tmp_path / "gate")
    quick = executor.submit(jobs.double, 1)
    done, left = concurrent.futures.wait([held, quick], return_when=FIRST_COMPLETED)
    assert (done, left) == ({quick}, {held})
    failing = executor.submit(jobs.fail)
    done, left = concurrent.futures.wait([held, failing], return_when=FIRST_EXCEPTION)
    assert (done, left) == ({failing}, {held})
    ended = concurrent.futures.as_completed([held, quick])
    assert next(ended) is quick
    (tmp_path / "gate").touch()
    assert list(ended) == [held]


def test_a_future_that_is_cancelled_ends_a_wait_for_it(single: Cluster, tmp_path: Path) -> None:
    with single.executor() as executor:
        held = executor.submit(jobs.come_to, tmp_path / "here", tmp_path / "gate")
        waiting = executor.submit(jobs.double, 1)
        canceller = threading.Timer(0.05, waiting.cancel)
        canceller.start()
        assert concurrent.futures.wait([waiting]).done == {waiting}
        canceller.join()
        (tmp_path / "gate").touch()
        held.result()


# --- cancel --------------------------------------------------------------------------------------


def test_a_pending_call_can_be_cancelled_and_a_running_one_cannot(single: Cluster, tmp_path: Path) -> None:
    with single.executor() as executor:
        running = executor.submit(jobs.come_to, tmp_path / "here", tmp_path / "gate", 5)
        pending = executor.submit(jobs.write_line, tmp_path / "never", "line")
        eventually("it runs", running.running)
        assert not running.cancel()
        assert pending.cancel()
        assert pending.cancel()
        assert (pending.cancelled(), pending.done(), pending.running()) == (True, True, False)
        with pytest.raises(CancelledError):
            pending.result()
        (tmp_path / "gate").touch()
        assert running.result() == 5
        assert not running.cancel()
    assert not (tmp_path / "never").exists()


def test_what_is_cancelled_by_others_is_cancelled_here(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.executor() as executor:
        future = executor.submit(jobs.come_to, tmp_path / "here", tmp_path / "gate")
        eventually("it runs", (tmp_path / "here").exists)
        cluster.cancel_tasks([task.id for task in cluster.tasks() if task.name == "come_to"])
        with pytest.raises(CancelledError):
            future.result()


# --- callbacks -----------------------------------------------------------------------------------


def test_callbacks_run_for_values_errors_and_cancellations(single: Cluster, tmp_path: Path) -> None:
    called: list[Future[Any]] = []
    executor = single.executor()
    held = executor.submit(jobs.come_to, tmp_path / "here", tmp_path / "gate")
    failing, cancelled = executor.submit(jobs.fail), executor.submit(jobs.double, 1)
    for future in (held, failing, cancelled):
        future.add_done_callback(called.append)
    cancelled.cancel()
    assert called == [cancelled]
    (tmp_path / "gate").touch()
    executor.shutdown()
    assert called == [cancelled, held, failing]
    held.add_done_callback(called.append)
    assert called[-1] is held


def test_a_callback_may_submit_more(executor: Executor) -> None:
    second: Future[Future[int]] = Future()
    first = executor.submit(jobs.double, 1)
    first.add_done_callback(lambda future: second.set_result(executor.submit(jobs.double, future.result())))
    assert second.result().result() == 4


def test_a_callback_that_fails_is_logged_and_harms_nobody(
    executor: Executor, caplog: pytest.LogCaptureFixture
) -> None:
    executor.submit(jobs.double, 1).add_done_callback(lambda _: 1 / 0)
    assert executor.submit(jobs.double, 2).result() == 4
    executor.shutdown()
    assert "ZeroDivisionError" in caplog.text


# --- map -----------------------------------------------------------------------------------------


def test_map_gives_results_in_order_and_submits_at_once(executor: Executor, tmp_path: Path) -> None:
    results = executor.map(jobs.wait_at, [tmp_path / "gate", os.curdir], "ab")
    (tmp_path / "gate").touch()
    assert list(results) == ["a", "b"]
    assert list(executor.map(pow, range(10), range(10))) == [number**number for number in range(10)]
    assert list(executor.map(jobs.add, [])) == []


@pytest.mark.parametrize("chunksize", [1, 3, 4, 100])
def test_map_may_make_one_task_of_many_calls(executor: Executor, chunksize: int) -> None:
    assert list(executor.map(jobs.add, range(10), range(10), chunksize=chunksize)) == list(range(0, 20, 2))
    pids = set(executor.map(jobs.pid, range(4), chunksize=4))
    assert len(pids) == 1


def test_a_chunk_has_the_options_of_its_function(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.options(retry_delay_s=0.001).executor() as executor:
        paths = [tmp_path / "a", tmp_path / "b"]
        assert list(executor.map(jobs.patient, paths, [1, 1], chunksize=2)) == [3, 2]


def test_async_functions_can_be_mapped_in_chunks_of_any_size(executor: Executor) -> None:
    assert list(executor.map(jobs.add_later, [1, 2], [3, 4], chunksize=2)) == [4, 6]


@pytest.mark.parametrize("buffersize", [1, 3])
def test_map_with_a_buffersize_takes_arguments_only_as_results_are_taken(
    executor: Executor, buffersize: int
) -> None:
    taken = itertools.count()

    def items() -> Iterator[int]:
        for number in itertools.count():
            next(taken)
            yield number

    results = executor.map(jobs.double, items(), buffersize=buffersize)
    assert next(taken) == buffersize
    assert [next(results) for _ in range(4)] == [0, 2, 4, 6]
    assert next(taken) == buffersize + 4 + 1
    del results


def test_map_raises_an_error_in_its_place_and_cancels_the_rest(single: Cluster, tmp_path: Path) -> None:
    with single.executor() as executor:
        results = executor.map(jobs.wait_at, [os.curdir, None, tmp_path / "gate", tmp_path / "gate"])
        next(results)
        with pytest.raises(TypeError):
            next(results)


def test_map_with_a_timeout_gives_up_and_cancels_the_rest(single: Cluster, tmp_path: Path) -> None:
    with single.executor() as executor:
        results = executor.map(jobs.wait_at, [tmp_path / "gate"] * 3, timeout=0.01)
        with pytest.raises(concurrent.futures.TimeoutError):
            next(results)
        (tmp_path / "gate").touch()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"chunksize": 0}, ValueError),
        ({"buffersize": 0}, ValueError),
        ({"buffersize": -1}, ValueError),
        ({"buffersize": "2"}, TypeError),
        ({"buffersize": 2.0}, TypeError),
    ],
)
def test_sizes_that_cannot_be_meant_are_refused(
    executor: Executor, given: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match="size"):
        executor.map(jobs.double, [1], **given)


# --- shutdown ------------------------------------------------------------------------------------


def test_after_shutdown_nothing_is_taken_and_the_client_stays_open(cluster: Cluster) -> None:
    executor = cluster.executor()
    future = executor.submit(jobs.double, 1)
    executor.shutdown()
    assert future.done()
    for attempt in (lambda: executor.submit(jobs.double, 1), lambda: executor.map(jobs.double, [1])):
        with pytest.raises(RuntimeError, match="after shutdown"):
            attempt()
    executor.shutdown()
    assert cluster.submit(jobs.double, 1).result() == 2


def test_shutdown_waits_for_what_was_submitted_unless_it_is_told_not_to(
    cluster: Cluster, tmp_path: Path
) -> None:
    executor = cluster.executor()
    future = executor.submit(jobs.come_to, tmp_path / "here", tmp_path / "gate", 5)
    executor.shutdown(wait=False)
    assert not future.done()
    opener = threading.Timer(0.05, (tmp_path / "gate").touch)
    opener.start()
    executor.shutdown(wait=True)
    assert future.done()
    assert future.result() == 5
    opener.join()


def test_shutdown_may_cancel_what_does_not_run_yet(single: Cluster, tmp_path: Path) -> None:
    executor = single.executor()
    running = executor.submit(jobs.come_to, tmp_path / "here", tmp_path / "gate", 5)
    pending = [executor.submit(jobs.double, number) for number in range(200)]
    eventually("it runs", running.running)
    executor.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in pending)
    assert not running.cancelled()
    (tmp_path / "gate").touch()
    executor.shutdown()
    assert running.result() == 5


def test_it_is_a_context_manager_that_waits(cluster: Cluster) -> None:
    with cluster.executor() as executor:
        futures = [executor.submit(jobs.sleep_then, 0.01, number) for number in range(5)]
    assert [future.done() for future in futures] == [True] * 5


def test_an_executor_that_is_dropped_finishes_what_it_was_given(cluster: Cluster, tmp_path: Path) -> None:
    executor = cluster.executor()
    futures = [executor.submit(jobs.wait_at, tmp_path / "gate", number) for number in range(3)]
    watch = weakref.ref(executor)
    del executor
    (tmp_path / "gate").touch()
    assert [future.result() for future in futures] == [0, 1, 2]
    eventually("it is gone", lambda: gc.collect() is not None and watch() is None)


def test_its_thread_ends_when_there_is_nothing_to_do_and_comes_again(cluster: Cluster) -> None:
    executor = cluster.executor()

    def threads() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name == "ganger-executor"]

    for _ in range(2):
        assert executor.submit(jobs.double, 1).result() == 2
        assert threads() == ["ganger-executor"]
        eventually("the thread ends", lambda: not threads())
    executor.shutdown()


def test_a_client_that_is_closed_ends_what_is_pending_with_an_error() -> None:
    client = Cluster(slots=1)
    executor = client.executor()
    future = executor.submit(jobs.never)
    client.close()
    assert isinstance(future.exception(), ClusterClosed)
    with pytest.raises(RuntimeError, match="closed"):
        executor.submit(jobs.double, 1)
    executor.shutdown()


# --- references ----------------------------------------------------------------------------------


def test_neither_arguments_nor_results_nor_futures_are_kept(executor: Executor) -> None:
    box = jobs.Box([1])
    future = executor.submit(jobs.same, box)
    result = future.result()
    failing = executor.submit(jobs.raise_local_only)
    error = failing.exception()
    watched = [weakref.ref(thing) for thing in (box, future, result, failing, error)]
    del box, future, result, failing, error
    gc.collect()
    assert [watch() for watch in watched] == [None] * 5


@pytest.mark.parametrize("chunksize", [1, 3])
def test_map_does_not_keep_the_results_that_it_gave(executor: Executor, chunksize: int) -> None:
    results = executor.map(jobs.Box, range(6), chunksize=chunksize)
    for box in results:
        watch = weakref.ref(box)
        del box
        assert watch() is None


# --- event loops ---------------------------------------------------------------------------------


def test_it_works_in_run_in_executor(executor: Executor) -> None:
    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(
            *(loop.run_in_executor(executor, jobs.double, number) for number in range(5)),
            loop.run_in_executor(executor, jobs.fail, "broken"),
            return_exceptions=True,
        )

    *values, error = asyncio.run(main())
    assert values == [0, 2, 4, 6, 8]
    assert isinstance(error, ValueError)


def test_cancelling_the_await_cancels_a_call_that_does_not_run_yet(single: Cluster, tmp_path: Path) -> None:
    async def main(executor: Executor) -> None:
        loop = asyncio.get_running_loop()
        held = loop.run_in_executor(executor, jobs.come_to, tmp_path / "here", tmp_path / "gate")
        waiting = loop.run_in_executor(executor, jobs.write_line, tmp_path / "never", "line")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiting, 0.05)
        (tmp_path / "gate").touch()
        await held

    with single.executor() as executor:
        asyncio.run(main(executor))
    assert single.submit(jobs.double, 1).result() == 2
    assert not (tmp_path / "never").exists()


def test_many_threads_share_one_executor(executor: Executor) -> None:
    found: list[int] = []

    def work(start: int) -> None:
        found.extend(executor.map(jobs.double, range(start, start + 100)))

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 800, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [2 * number for number in range(800)]
