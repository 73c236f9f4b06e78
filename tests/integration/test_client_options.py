"""Options: what a task gets besides its arguments, and who wins where two say something."""

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ganger
from ganger import Cluster
from ganger.errors import ConfigurationError, InvalidOption, TaskTimeout
from tests.integration import jobs
from tests.processes import eventually, wait_workers


@pytest.fixture(scope="module")
def pair() -> Iterator[Cluster]:
    """Two workers of one slot each, with a device and tapes."""
    with Cluster(slots=1, workers=2, resources={"gpu": 1, "tape": 2}) as made:
        wait_workers(made, 2)
        yield made


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


# --- retries -------------------------------------------------------------------------------------


def test_a_failing_task_is_tried_again_as_often_as_it_may(cluster: Cluster, tmp_path: Path) -> None:
    patient = cluster.options(retries=2, retry_delay_s=0.001)
    assert patient.submit(jobs.fail_until, tmp_path / "two", 2).result() == 3
    with pytest.raises(KeyError, match="try 3"):
        patient.submit(jobs.fail_until, tmp_path / "three", 3).result()
    assert len(lines(tmp_path / "three")) == 3


def test_without_retries_a_task_is_tried_once(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="try 1"):
        cluster.submit(jobs.fail_until, tmp_path / "tries", 1).result()
    assert len(lines(tmp_path / "tries")) == 1


def test_only_the_named_exceptions_are_tried_again(cluster: Cluster, tmp_path: Path) -> None:
    for retry_on, tries in (((ValueError, OSError), 1), (LookupError, 3), ([KeyError], 3)):
        patient = cluster.options(retries=2, retry_delay_s=0.001, retry_on=retry_on)
        path = tmp_path / f"{retry_on}".replace("/", "")
        with pytest.raises(KeyError):
            patient.submit(jobs.fail_until, path, 9).result()
        assert len(lines(path)) == tries


def test_an_exception_class_of_main_or_of_a_function_may_be_named(cluster: Cluster, tmp_path: Path) -> None:
    class Odd(Exception):
        pass

    def odd_once(path: Path) -> str:
        if path.exists():
            return "second"
        path.touch()
        raise Odd

    patient = cluster.options(retries=1, retry_delay_s=0.001, retry_on=Odd)
    assert patient.submit(odd_once, tmp_path / "tried").result() == "second"


# --- the decorator's options and the client's ----------------------------------------------------


def test_a_decorated_function_brings_its_options(cluster: Cluster, tmp_path: Path) -> None:
    quick = cluster.options(retry_delay_s=0.001)
    assert quick.submit(jobs.patient, tmp_path / "tries", 3).result() == 4


def test_what_the_client_says_explicitly_wins_over_the_decorator(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="try 1"):
        cluster.options(retries=0).submit(jobs.patient, tmp_path / "tries", 3).result()


def test_a_decorated_function_works_wherever_it_stands(cluster: Cluster, tmp_path: Path) -> None:
    quick = cluster.options(retry_delay_s=0.001)
    assert quick.submit(jobs.factorial, 5).result() == 120
    assert quick.submit(jobs.Box(7).stubborn, tmp_path / "method", 2).result() == (7, 3)

    @ganger.task(retries=1)
    def nested(path: Path) -> int:
        return jobs.fail_until(path, 1)

    assert quick.submit(nested, tmp_path / "nested").result() == 2
    assert jobs.factorial(4) == 24


# --- limits --------------------------------------------------------------------------------------


def test_a_task_that_takes_too_long_is_ended_and_its_slot_is_free(single: Cluster) -> None:
    with pytest.raises(TaskTimeout, match="never ran longer than its timeout_s of 0.05"):
        single.options(timeout_s=0.05).submit(jobs.never).result()
    assert single.submit(jobs.double, 1).result() == 2


def test_higher_priority_goes_first(single: Cluster, tmp_path: Path) -> None:
    order = tmp_path / "order"
    gate = single.submit(jobs.come_to, tmp_path / "here", tmp_path / "gate")
    eventually("the slot is taken", (tmp_path / "here").exists)
    futures = [
        single.options(priority=priority).submit(jobs.write_line, order, priority)
        for priority in (0, -1, 5, 1, 5)
    ]
    (tmp_path / "gate").touch()
    single.gather([gate, *futures])
    assert lines(order) == ["5", "5", "1", "0", "-1"]


def test_a_name_is_shown_instead_of_the_functions(cluster: Cluster, tmp_path: Path) -> None:
    future = cluster.options(name="nightly").submit(jobs.wait_at, tmp_path / "gate")
    assert "nightly" in repr(future)
    eventually("it is listed", lambda: "nightly" in [task.name for task in cluster.tasks()])
    future.cancel()


def test_a_task_runs_on_the_worker_that_it_is_pinned_to(pair: Cluster) -> None:
    executors = {worker.name: set(worker.executors) for worker in pair.workers()}
    for name, pids in executors.items():
        pinned = pair.options(workers=name)
        assert set(pair.gather(pinned.submit_many(jobs.pid, range(20)))) <= pids
    anywhere = pair.options(workers=list(executors))
    assert anywhere.submit(jobs.double, 2).result() == 4


def test_resources_are_held_while_a_task_runs(pair: Cluster, tmp_path: Path) -> None:
    two_tapes = pair.options(resources={"tape": 2}, workers="worker-1")
    first = two_tapes.submit(jobs.come_to, tmp_path / "first", tmp_path / "gate")
    eventually("the first one has both", (tmp_path / "first").exists)
    second = two_tapes.submit(jobs.come_to, tmp_path / "second", tmp_path / "gate")
    elsewhere = pair.options(resources={"tape": 2}).submit(jobs.double, 1)
    assert elsewhere.result() == 2
    assert not (tmp_path / "second").exists()
    (tmp_path / "gate").touch()
    pair.gather([first, second])


def test_a_task_with_a_gpu_sees_only_its_own(pair: Cluster) -> None:
    assert pair.options(resources={"gpu": 1}).submit(jobs.visible_devices).result() == "0"


def test_what_no_worker_can_ever_hold_says_so_at_once_and_in_its_status(
    pair: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "ganger"):
        future = pair.options(resources={"tape": 3}).submit(jobs.double, 1)
        eventually("the warning", lambda: "no present worker can ever hold double" in caplog.text)
    assert "tape 3" in caplog.text
    reasons = " ".join(pair.explain(future).reasons)
    assert "tape" in reasons
    future.cancel()


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [{"retries": -1}, {"timeout_s": -5}, {"resources": {"memory": "big"}}, {"retrys": 1}]
)
def test_wrong_options_are_refused_before_anything_is_sent(cluster: Cluster, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        cluster.options(**wrong)


def test_concurrency_is_refused_for_a_function_that_is_not_async(cluster: Cluster) -> None:
    with pytest.raises(InvalidOption, match="needs an async function"):
        cluster.options(concurrency=5).submit(jobs.double, 1)


def test_options_add_up_and_leave_the_client_that_they_came_from(cluster: Cluster, tmp_path: Path) -> None:
    first = cluster.options(retries=2, retry_delay_s=0.001)
    second = first.options(priority=3)
    assert second.submit(jobs.fail_until, tmp_path / "second", 2).result() == 3
    with pytest.raises(KeyError):
        cluster.submit(jobs.fail_until, tmp_path / "first", 1).result()


def test_a_client_made_by_options_shares_the_session(cluster: Cluster) -> None:
    other = cluster.options(priority=1)
    future = cluster.submit(jobs.double, 1)
    assert other.submit(jobs.double, future).result() == 4
    assert cluster.status().sessions == 1


# --- async functions -----------------------------------------------------------------------------


def test_fifty_calls_of_an_async_function_share_one_slot(single: Cluster) -> None:
    futures = [single.submit(jobs.arrive, 50) for _ in range(50)]
    assert len(set(single.gather(futures))) == 1


def test_async_functions_run_on_the_loop_of_their_executor(single: Cluster) -> None:
    assert single.submit(jobs.add_later, single.submit(jobs.double, 1), 3).result() == 5
    loops = {single.submit(jobs.loop_id).result() for _ in range(5)}
    assert len(loops) == 1


def test_one_of_many_coroutines_is_cancelled_and_the_others_go_on(single: Cluster, tmp_path: Path) -> None:
    shared = single.options(concurrency=3)
    gates = [tmp_path / str(number) for number in range(3)]
    futures = [shared.submit(jobs.wait_at_later, gate, number) for number, gate in enumerate(gates)]
    eventually("they all run", lambda: all(future.running() for future in futures))
    futures[1].cancel()
    for gate in gates:
        gate.touch()
    assert (futures[0].result(), futures[2].result()) == (0, 2)
    assert futures[1].cancelled()


# --- preparing executors -------------------------------------------------------------------------


def test_a_preload_runs_once_in_each_executor_before_its_first_task() -> None:
    with Cluster(slots=2, preload="tests.integration.jobs:prepare") as made:
        found = made.gather([made.submit(jobs.preparations) for _ in range(20)])
    assert found == [["once"]] * 20


def test_a_preload_that_fails_is_told_clearly_and_at_once() -> None:
    with pytest.raises(ganger.errors.PreloadFailed, match="the model file is missing") as caught:
        Cluster(slots=1, preload="tests.integration.jobs:prepare_badly")
    assert "tests.integration.jobs:prepare_badly" in str(caught.value)


@pytest.mark.parametrize("preload", ["tests.integration.jobs:absent", "no_such_module:f"])
def test_a_preload_that_does_not_exist_is_told_by_name(preload: str) -> None:
    with pytest.raises(
        ganger.errors.PreloadFailed, match=preload.partition(":")[2 if "absent" in preload else 0]
    ):
        Cluster(slots=1, preload=preload)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"slots": 0}, "slots"),
        ({"slots": 2.5}, "slots"),
        ({"workers": -1}, "workers"),
        ({"preload": "module"}, "module:function"),
        ({"resources": {"memory": "huge"}}, "memory"),
        ({"resources": {"tape": -1}}, "tape"),
        ({"settings": {"worker": {"beats": 1}}}, "beats"),
        ({"settings": {"master": {"worker_lease_s": -1}}}, "worker_lease_s"),
        ({"settings": {"client": {"map_window": "many"}}}, "map_window"),
        ({"settings": {"clients": {}}}, "clients"),
    ],
)
def test_a_cluster_that_cannot_be_meant_is_refused_and_leaves_nothing(
    given: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises((InvalidOption, ConfigurationError), match=words):
        Cluster(**given)
    assert list(itertools.islice(tmp_path.iterdir(), 1)) == []
