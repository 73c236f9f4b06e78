"""Futures among the arguments: wherever they stand, the task gets their values, and not through the client."""

from collections import namedtuple
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from ganger import Cluster, Future
from ganger.client.failures import RemoteTraceback
from ganger.client.future import KEPT
from ganger.errors import InvalidOption, TaskCancelled
from tests.integration import jobs
from tests.processes import eventually

Pair = namedtuple("Pair", "left right")


@dataclass
class Order:
    item: Any
    parts: Any = ()


@pytest.mark.parametrize("when", ["before", "after"])
def test_futures_stand_for_their_values_wherever_they_are(
    cluster: Cluster, tmp_path: Path, when: str
) -> None:
    gate = tmp_path / "gate"
    future = cluster.submit(jobs.wait_at, gate, 5)
    if when == "after":
        gate.touch()
        future.result()
    nested = [future, (future, {"key": [future]}), {future: 1}, Pair(future, 2), Order(future, [future])]
    taken = cluster.submit(jobs.same, nested)
    gate.touch()
    assert taken.result() == [5, (5, {"key": [5]}), {5: 1}, Pair(5, 2), Order(5, [5])]


def test_futures_may_be_positional_and_named_arguments(cluster: Cluster) -> None:
    two, three = cluster.submit(jobs.double, 1), cluster.submit(jobs.add, 1, 2)
    assert cluster.submit(jobs.add, two, 10, more=three).result() == 15


def test_the_attributes_of_an_object_may_be_futures(cluster: Cluster) -> None:
    box = jobs.Box(cluster.submit(jobs.double, 4))
    assert cluster.submit(jobs.inside, box).result() == 8
    assert isinstance(box.inside, Future), "the caller's object stays as it was"


def test_one_future_taken_twice_is_one_object_in_the_task(cluster: Cluster) -> None:
    shared = cluster.submit(jobs.same, [1])
    first, second = cluster.submit(jobs.same, [shared, shared]).result()
    assert first is second


def test_a_chain_runs_in_order_and_its_values_never_pass_through_the_client(
    cluster: Cluster, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    links: list[Future[Any]] = [cluster.submit(jobs.wait_at, gate, "x" * 10_000)]
    for _ in range(20):
        links.append(cluster.submit(jobs.same, links[-1]))
    gate.touch()
    assert links[-1].result() == "x" * 10_000
    eventually("all are told as done", lambda: all(link.done() for link in links))
    assert {link._state for link in links[:-1]} == {KEPT}
    assert {link._content for link in links[:-1]} == {None}


def test_a_kept_value_is_fetched_when_somebody_asks_for_it(cluster: Cluster, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = cluster.submit(jobs.wait_at, gate, "value")
    second = cluster.submit(jobs.same, first)
    gate.touch()
    assert second.result() == "value"
    assert first.result() == "value"
    assert first.exception() is None


def test_a_tree_is_summed_by_tasks_that_depend_on_tasks(cluster: Cluster) -> None:
    layer = cluster.submit_many(jobs.double, range(256))
    while len(layer) > 1:
        layer = [cluster.submit(jobs.add, *layer[at : at + 4]) for at in range(0, len(layer), 4)]
    assert layer[0].result() == sum(range(256)) * 2


def test_a_deep_chain_is_no_deep_recursion(cluster: Cluster) -> None:
    last = reduce(lambda future, _: cluster.submit(jobs.add, future, 1), range(3_000), cluster.submit(int))
    assert last.result() == 3_000


def test_a_failed_dependency_fails_its_dependents_with_the_original_cause(
    cluster: Cluster, tmp_path: Path
) -> None:
    failing = cluster.submit(jobs.wait_at, None)
    middle = cluster.submit(jobs.double, failing)
    last = cluster.submit(jobs.write_line, tmp_path / "never", [middle])
    error = last.exception()
    assert type(error) is TypeError
    assert isinstance(error.__cause__, RemoteTraceback)
    assert "in wait_at" in str(error.__cause__)
    (note,) = error.__notes__
    assert note.startswith("write_line was not run: task ")
    assert not hasattr(failing.exception(), "__notes__")
    assert not (tmp_path / "never").exists()


def test_a_dependent_of_what_has_failed_before_fails_too(cluster: Cluster) -> None:
    failing = cluster.submit(jobs.fail, "broken")
    failing.exception()
    with pytest.raises(ValueError, match="broken"):
        cluster.submit(jobs.same, failing).result()


def test_a_cancelled_dependency_cancels_its_dependents(cluster: Cluster, tmp_path: Path) -> None:
    held = cluster.submit(jobs.wait_at, tmp_path / "gate")
    dependent = cluster.submit(jobs.same, [held])
    held.cancel()
    with pytest.raises(TaskCancelled):
        dependent.result()


def test_a_dependent_of_what_was_cancelled_before_is_cancelled_too(cluster: Cluster, tmp_path: Path) -> None:
    held = cluster.submit(jobs.wait_at, tmp_path / "gate")
    held.cancel()
    with pytest.raises(TaskCancelled):
        cluster.submit(jobs.same, [held]).result()


def test_cancelling_a_dependent_leaves_what_it_depends_on(cluster: Cluster, tmp_path: Path) -> None:
    held = cluster.submit(jobs.wait_at, tmp_path / "gate", 5)
    dependent = cluster.submit(jobs.same, held)
    assert dependent.cancel()
    (tmp_path / "gate").touch()
    assert held.result() == 5


def test_a_future_may_be_dropped_once_it_was_passed_on(cluster: Cluster, tmp_path: Path) -> None:
    first = cluster.submit(jobs.wait_at, tmp_path / "gate", 5)
    second = cluster.submit(jobs.same, first)
    del first
    (tmp_path / "gate").touch()
    assert second.result() == 5


def test_one_value_may_feed_thousands(cluster: Cluster) -> None:
    source = cluster.submit(jobs.same, 5)
    futures = [cluster.submit(jobs.add, source, number) for number in range(2_000)]
    assert cluster.gather(futures) == [5 + number for number in range(2_000)]


def test_a_pending_future_of_another_client_is_refused_with_the_reason(
    cluster: Cluster, single: Cluster, tmp_path: Path
) -> None:
    future = single.submit(jobs.wait_at, tmp_path / "gate", 5)
    with pytest.raises(InvalidOption, match="another client") as caught:
        cluster.submit(jobs.same, [future])
    assert caught.value.hint
    (tmp_path / "gate").touch()
    assert future.result() == 5
    assert cluster.submit(jobs.same, [future]).result() == [5], "its value is here: it travels by value"


def test_a_map_over_futures_takes_their_values(cluster: Cluster) -> None:
    assert list(cluster.map(jobs.double, cluster.submit_many(jobs.double, range(5)))) == [0, 4, 8, 12, 16]
