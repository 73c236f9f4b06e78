"""What a client does: submit, map, gather, wait, cancel, and ask about the cluster."""

import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import ganger
from ganger import Cluster
from ganger.errors import ClusterClosed, InvalidOption, NotSerializable, TaskCancelled
from tests.integration import jobs
from tests.processes import eventually

# --- submit --------------------------------------------------------------------------------------


def test_a_call_runs_on_a_worker_with_its_arguments(cluster: Cluster) -> None:
    assert cluster.submit(jobs.add, 1, 2, more=3).result() == 6
    assert cluster.submit(jobs.pid).result() != os.getpid()


def test_every_argument_of_submit_belongs_to_the_function(cluster: Cluster) -> None:
    safe = cluster.options(retries=1, timeout_s=30, name="fetch")
    given = {"timeout": 5, "fn": "f", "retries": 7, "self": 1, "name": "x", "priority": 2}
    assert safe.submit(jobs.keywords, **given).result() == given


def test_submit_many_makes_one_future_for_each_set_of_arguments(cluster: Cluster) -> None:
    futures = cluster.submit_many(pow, range(5), [2, 2, 2])
    assert [future.result() for future in futures] == [0, 1, 4]


def test_anything_callable_can_be_submitted(cluster: Cluster) -> None:
    box = jobs.Box(3)
    assert cluster.submit(box.scaled, 4).result() == 12
    assert cluster.submit(jobs.Box.name).result() == "Box"
    assert cluster.submit(jobs.Box.fixed, 5).result() == 5
    assert cluster.submit(jobs.Box, 6).result().inside == 6
    assert cluster.submit(str.upper, "a").result() == "A"
    assert cluster.submit(lambda x: x + box.inside, 1).result() == 4


def test_an_object_is_sent_in_the_state_of_each_submit(cluster: Cluster) -> None:
    box = jobs.Box(3)
    method = box.scaled
    assert cluster.submit(method, 1).result() == 3
    box.inside = 5
    assert cluster.submit(method, 1).result() == 5


def test_what_cannot_be_called_is_refused_at_once(cluster: Cluster) -> None:
    with pytest.raises(InvalidOption, match="5 cannot be called"):
        cluster.submit(5)


def test_an_argument_that_cannot_be_pickled_is_named_with_its_path(cluster: Cluster) -> None:
    plan = jobs.Box({"steps": [1, threading.Lock()]})
    with pytest.raises(NotSerializable, match=r"argument 1.*inside\['steps'\]\[1\].*lock") as caught:
        cluster.submit(jobs.add, 0, plan)
    assert "jobs" not in caught.value.hint
    assert "add" in caught.value.message
    with pytest.raises(NotSerializable, match=r"'plan'.*inside\['steps'\]\[1\].*lock"):
        cluster.submit(jobs.keywords, plan=plan)


def test_a_function_that_cannot_be_pickled_names_what_it_drags_along(cluster: Cluster) -> None:
    lock = threading.Lock()
    with pytest.raises(NotSerializable, match="'lock' is a lock"):
        cluster.submit(lambda: lock)


def test_a_refused_call_leaves_the_futures_in_it_usable(cluster: Cluster, tmp_path: Path) -> None:
    first = cluster.submit(jobs.wait_at, tmp_path / "gate", 20)
    with pytest.raises(NotSerializable):
        cluster.submit(jobs.add, first, threading.Lock())
    second = cluster.submit(jobs.add, first, 1)
    (tmp_path / "gate").touch()
    assert second.result() == 21
    assert first.result() == 20


# --- map -----------------------------------------------------------------------------------------


def test_map_gives_results_in_order_whatever_takes_long(cluster: Cluster) -> None:
    delays = [0.05, 0, 0.02, 0, 0]
    assert list(cluster.map(jobs.sleep_then, delays, "abcde")) == list("abcde")


def test_map_ends_with_its_shortest_iterable(cluster: Cluster) -> None:
    assert list(cluster.map(jobs.add, range(10), range(3))) == [0, 2, 4]
    assert list(cluster.map(jobs.add, [])) == []


def test_map_needs_an_iterable(cluster: Cluster) -> None:
    with pytest.raises(InvalidOption, match="at least one iterable"):
        cluster.map(jobs.add)
    with pytest.raises(TypeError):
        cluster.map(jobs.add, 5)


@pytest.mark.parametrize("method", ["map", "map_unordered"])
def test_map_over_ten_million_items_takes_only_what_its_window_needs(cluster: Cluster, method: str) -> None:
    window = 10_000
    taken = itertools.count()

    def items() -> Iterator[int]:
        for number in range(10_000_000):
            next(taken)
            yield number

    results = getattr(cluster, method)(jobs.double, items())
    few = list(itertools.islice(results, 5))
    assert len(few) == 5
    assert method == "map_unordered" or few == [0, 2, 4, 6, 8]
    results.close()
    assert next(taken) <= window + 5


def test_map_unordered_gives_results_as_they_come(cluster: Cluster, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    results = cluster.map_unordered(jobs.wait_at, [gate, os.curdir, os.curdir], "abc")
    assert {next(results), next(results)} == {"b", "c"}
    gate.touch()
    assert list(results) == ["a"]


def test_map_raises_the_error_of_a_call_in_its_place(cluster: Cluster) -> None:
    results = cluster.map(jobs.wait_at, [os.curdir, os.curdir, None, os.curdir], "abcd")
    assert [next(results), next(results)] == ["a", "b"]
    with pytest.raises(TypeError):
        next(results)


@pytest.mark.parametrize("method", ["map", "map_unordered"])
def test_an_error_of_the_iterable_comes_after_the_results_before_it(cluster: Cluster, method: str) -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise LookupError("the file ends here")

    results = getattr(cluster, method)(jobs.double, items())
    assert {next(results), next(results)} == {2, 4}
    with pytest.raises(LookupError, match="the file ends here"):
        next(results)


def test_map_with_a_timeout_gives_up_and_cancels_what_is_left(cluster: Cluster, tmp_path: Path) -> None:
    results = cluster.map(jobs.wait_at, [tmp_path / "gate"] * 3, timeout=0.01)
    with pytest.raises(TimeoutError):
        next(results)
    eventually("nothing is left", lambda: not unfinished(cluster))


def test_a_map_that_is_dropped_cancels_what_is_in_flight(cluster: Cluster, tmp_path: Path) -> None:
    results = cluster.map(jobs.wait_at, [tmp_path / "gate"] * 5)
    del results
    eventually("nothing is left", lambda: not unfinished(cluster))


def unfinished(cluster: Cluster) -> int:
    return sum(cluster.status().tasks.values())


# --- waiting for many ----------------------------------------------------------------------------


def test_gather_gives_values_in_order_and_the_first_error(cluster: Cluster) -> None:
    futures = [cluster.submit(jobs.sleep_then, delay, delay) for delay in (0.02, 0, 0.01)]
    assert cluster.gather(futures) == [0.02, 0, 0.01]
    with pytest.raises(ValueError, match="no"):
        cluster.gather([*futures, cluster.submit(jobs.fail)])


def test_gather_gives_up_after_its_timeout(cluster: Cluster, tmp_path: Path) -> None:
    held = cluster.submit(jobs.wait_at, tmp_path / "gate")
    with pytest.raises(TimeoutError):
        cluster.gather([held], timeout=0.01)
    held.cancel()


def test_as_completed_gives_each_future_once_as_it_ends(cluster: Cluster, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    last = cluster.submit(jobs.wait_at, gate)
    first = cluster.submit(jobs.double, 1)
    ended = ganger.as_completed([last, first, first])
    assert next(ended) is first
    gate.touch()
    assert list(ended) == [last]


def test_as_completed_gives_up_after_its_timeout_and_the_futures_go_on(
    cluster: Cluster, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    held = cluster.submit(jobs.wait_at, gate, "value")
    with pytest.raises(TimeoutError, match="1"):
        list(ganger.as_completed([held], timeout=0.01))
    gate.touch()
    assert held.result() == "value"


@pytest.mark.parametrize("return_when", ["FIRST_COMPLETED", "FIRST_EXCEPTION"])
def test_wait_returns_at_the_first_that_it_waits_for(
    cluster: Cluster, tmp_path: Path, return_when: str
) -> None:
    held = cluster.submit(jobs.wait_at, tmp_path / "gate")
    ending = cluster.submit(jobs.fail)
    done, left = ganger.wait([held, ending], return_when=return_when)
    assert (done, left) == ({ending}, {held})
    held.cancel()


def test_wait_for_all_returns_what_is_done_when_time_is_up(cluster: Cluster, tmp_path: Path) -> None:
    held = cluster.submit(jobs.wait_at, tmp_path / "gate")
    ending = cluster.submit(jobs.double, 1)
    ending.result()
    done, left = ganger.wait([held, ending], timeout=0.01)
    assert (done, left) == ({ending}, {held})
    held.cancel()
    assert ganger.wait([held, ending]).not_done == set()


def test_wait_refuses_a_rule_that_does_not_exist(cluster: Cluster) -> None:
    with pytest.raises(InvalidOption, match="SOME"):
        ganger.wait([], return_when="SOME")


def test_polling_leaves_nothing_behind_on_a_pending_future(cluster: Cluster, tmp_path: Path) -> None:
    held = cluster.submit(jobs.wait_at, tmp_path / "gate")
    for _ in range(20):
        ganger.wait([held], timeout=0)
        with pytest.raises(TimeoutError):
            held.result(timeout=0)
    assert not held._callbacks
    held.cancel()


# --- cancel and interrupt ------------------------------------------------------------------------


def test_cancel_ends_running_and_waiting_tasks(cluster: Cluster, tmp_path: Path) -> None:
    futures = [cluster.submit(jobs.come_to, tmp_path / f"{n}", tmp_path / "gate") for n in range(6)]
    eventually("it runs", (tmp_path / "0").exists)
    cluster.cancel(futures)
    assert all(future.cancelled() for future in futures)
    with pytest.raises(TaskCancelled, match="come_to"):
        futures[0].result()
    assert cluster.submit(jobs.double, 2).result() == 4


def test_cancel_by_id_reaches_a_task_of_any_session(cluster: Cluster, tmp_path: Path) -> None:
    future = cluster.submit(jobs.come_to, tmp_path / "here", tmp_path / "gate")
    eventually("it runs", (tmp_path / "here").exists)
    (task,) = [task for task in cluster.tasks() if task.name == "come_to"]
    assert cluster.cancel_tasks([task.id]) == [task.id]
    with pytest.raises(TaskCancelled):
        future.result()


@pytest.mark.parametrize("wait", ["result", "gather", "as_completed", "map", "map_unordered", "wait"])
def test_a_keyboard_interrupt_during_a_wait_leaves_the_cluster_usable(
    cluster: Cluster, tmp_path: Path, wait: str
) -> None:
    gate, arrival = tmp_path / "gate", tmp_path / "here"
    held = cluster.submit(jobs.come_to, arrival, gate, "value")
    waits = {
        "result": held.result,
        "gather": lambda: cluster.gather([held]),
        "as_completed": lambda: list(ganger.as_completed([held])),
        "map": lambda: list(cluster.map(jobs.wait_at, [gate])),
        "map_unordered": lambda: list(cluster.map_unordered(jobs.wait_at, [gate])),
        "wait": lambda: ganger.wait([held]),
    }

    def interrupt() -> None:
        eventually("it runs", arrival.exists)
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        waits[wait]()
    interrupter.join()
    assert cluster.submit(jobs.double, 2).result() == 4
    gate.touch()
    assert held.result() == "value"


# --- the cluster ---------------------------------------------------------------------------------


def test_the_cluster_tells_about_itself(cluster: Cluster, tmp_path: Path) -> None:
    (worker,) = cluster.workers()
    assert (worker.name, worker.slots, worker.state) == ("worker-1", 2, "active")
    assert cluster.status().slots == 2
    future = cluster.submit(jobs.come_to, tmp_path / "here", tmp_path / "gate")
    eventually("it runs", (tmp_path / "here").exists)
    assert [task.name for task in cluster.tasks("assigned")] == ["come_to"]
    explanation = cluster.explain(future)
    assert explanation.task.worker == "worker-1"
    assert explanation.reasons
    future.cancel()


def test_a_closed_client_says_so_instead_of_hanging() -> None:
    client = ganger.Cluster(slots=1)
    held = client.submit(jobs.never)
    client.close()
    client.close()
    for attempt in (lambda: client.submit(jobs.double, 1), client.status, held.result):
        with pytest.raises(ClusterClosed):
            attempt()
    assert "Cluster at unix:" in repr(client)
