"""An attempt fails: by an exception, a timeout, a crash; it is tried again while its own budget lasts."""

from collections.abc import Callable

import pytest

from ganger.core.retry import retry_delay_ns
from ganger.protocol import messages as m
from ganger.protocol.outcome import ErrorInfo, encode_error
from tests.environment.cluster import Environment
from tests.environment.peers import MS_NS

Make = Callable[..., Environment]


def test_a_task_without_retries_fails_with_its_own_error(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define())
    worker.fail(task, error=b"ZeroDivisionError")
    assert client.errors == {task: b"ZeroDivisionError"}
    assert client.origins == {task: task}
    assert environment.state(task) == "failed"


def test_a_failed_attempt_is_tried_again_after_a_pause_that_doubles(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define(retries=3, retry_delay_s=1.0))
    pauses = []
    for number in (1, 2, 3):
        assert worker.holds == {task: number}
        worker.fail(task)
        assert environment.state(task) == "waiting"
        before_ns = environment.clock.monotonic_ns
        while task not in worker.holds:
            environment.advance(0.05)
            worker.beat()
        pauses.append((environment.clock.monotonic_ns - before_ns) / 1e9)
    assert 0.7 < pauses[0] < 1.4 < pauses[1] < 2.6 < pauses[2] < 5.1
    worker.fail(task, error=b"the last straw")
    assert client.errors == {task: b"the last straw"}


def test_the_pump_wakes_for_a_retry_by_itself(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define(retries=1, retry_delay_s=1.0))
    worker.fail(task)
    environment.advance(1.5)
    assert worker.holds == {task: 2}


def test_pauses_end_at_the_longest_one(environment: Environment) -> None:
    client = environment.client()
    (task,) = client.submit(client.define(retries=99, retry_delay_s=1.0, retry_delay_max_s=8.0))
    found = environment.task(task)
    found.failures = 1_000
    assert 6e9 <= retry_delay_ns(found) <= 10e9
    found.failures = 0


def test_the_pauses_of_different_tasks_differ_and_are_always_the_same(environment: Environment) -> None:
    client = environment.client()
    tasks = client.submit(client.define(retries=1, retry_delay_s=1.0), 50)
    pauses = [retry_delay_ns(environment.task(task)) for task in tasks]
    assert len(set(pauses)) == 50
    assert pauses == [retry_delay_ns(environment.task(task)) for task in tasks]
    assert 0.75e9 <= min(pauses) < 0.85e9
    assert 1.15e9 < max(pauses) < 1.25e9


def test_an_exception_that_the_retry_rule_does_not_cover_is_final(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define(retries=5))
    worker.fail(task, retryable=False, error=b"not covered")
    assert client.errors == {task: b"not covered"}


def test_a_task_that_must_not_run_twice_is_not_retried(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define(retries=5, repeatable=False))
    worker.fail(task)
    assert task in client.errors


def test_a_timeout_counts_against_the_retries(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define(retries=1, timeout_s=1.0))
    worker.fail(task, kind="timeout")
    environment.advance(1)
    assert worker.holds == {task: 2}
    worker.fail(task, kind="timeout", error=b"too long")
    assert client.errors == {task: b"too long"}
    assert environment.task(task).losses == 0


@pytest.mark.parametrize("kind", ["crash", "memory"])
def test_the_death_of_an_executor_counts_against_the_losses(environment: Environment, kind: str) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define(losses_max=2))
    for number in (1, 2):
        assert worker.holds == {task: number}
        worker.fail(task, kind=kind, retryable=False)
        assert worker.groups[-1].alone
    worker.fail(task, kind=kind, retryable=False, error=b"its last words")
    assert client.errors == {task: b"its last words"}
    assert environment.task(task).failures == 0


def test_a_task_that_must_not_run_twice_fails_with_its_executor(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define(repeatable=False))
    worker.crash(task)
    assert client.errors == {task: b"crashed"}
    assert environment.starts[task] == [1]


def test_what_was_only_queued_behind_a_crash_goes_back_uncharged(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    spec = client.define()
    worker.succeed(*client.submit(spec), elapsed_ns=MS_NS // 10)
    poison, *innocent = client.submit(spec, 4)
    worker.report(
        failed=[m.Failure(poison, 1, "crash", False, b"crashed")],
        returned=innocent,
    )
    assert environment.task(poison).losses == 1
    assert {environment.task(task).losses for task in innocent} == {0}
    assert not any(environment.task(task).suspect for task in innocent)
    while worker.holds:
        worker.succeed_all(elapsed_ns=20 * MS_NS)
    assert len(client.results) == 5


def test_a_failure_of_an_earlier_attempt_is_ignored(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define())
    worker.give_back(task)
    assert worker.holds == {task: 2}
    worker.report(failed=[m.Failure(task, 1, "exception", False, b"stale")])
    assert environment.state(task) == "assigned"
    worker.holds[task] = 2
    worker.succeed(task)
    assert task in client.results


def test_a_failure_of_a_task_that_has_ended_is_ignored(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define())
    client.cancel(task)
    assert worker.take_stop() == [task]
    worker.report(
        failed=[m.Failure(task, 1, "exception", False, b"stale"), m.Failure(5, 1, "crash", False, b"")]
    )
    assert client.cancelled == {task}
    assert client.errors == {}


def test_a_success_during_the_pause_before_a_retry_counts(environment: Environment) -> None:
    anna, client = environment.worker("anna"), environment.client()
    (task,) = client.submit(client.define(retries=1, retry_delay_s=10.0))
    anna.disconnect()
    environment.advance(1.1)
    environment.take_warning("lost")
    bert = environment.worker("bert")
    bert.fail(task)
    assert environment.state(task) == "waiting"
    anna.join(started=[task])
    anna.succeed(task, result=b"late")
    assert client.results == {task: b"late"}
    bert.beat()
    environment.advance(4)
    bert.beat()
    anna.beat()
    environment.advance(4)
    bert.beat()
    anna.beat()
    environment.advance(4)
    assert not bert.holds
    assert environment.starts[task] == [1, 2]


def test_a_success_of_a_task_that_is_ready_again_counts(environment: Environment) -> None:
    anna, client = environment.worker("anna"), environment.client()
    (task,) = client.submit(client.define())
    anna.disconnect()
    environment.advance(1.1)
    environment.take_warning("lost")
    anna.holds = {}
    anna.report({task: b"late"})
    anna.offer = m.WorkerOffer("anna", 1, {}, ["python"])
    anna.join()
    assert client.results == {task: b"late"}
    assert environment.starts[task] == [1]


def test_a_success_of_a_cancelled_task_is_ignored(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define())
    client.cancel(task)
    worker.take_stop()
    worker.report({task: b"too late"})
    assert client.results == {}
    assert client.cancelled == {task}
    client.release(task)
    environment.assert_empty()


def test_one_report_may_mix_late_and_timely_successes(make_environment: Make) -> None:
    environment = make_environment(assigned_bytes_max=1 << 30)
    worker, client = environment.worker(slots=5), environment.client()
    tasks = client.submit(client.define(), 5)
    client.cancel(tasks[2])
    worker.take_stop()
    worker.report({task: b"%d" % position for position, task in enumerate(tasks)})
    assert sorted(client.results.values()) == [b"0", b"1", b"3", b"4"]
    assert client.cancelled == {tasks[2]}
    client.release(*tasks)
    environment.assert_empty()


def test_an_error_is_kept_as_the_worker_wrote_it(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define())
    error = encode_error(
        ErrorInfo("exception", "builtins.ValueError", "no", "Traceback …", b"pickle", {"n": 1})
    )
    worker.fail(task, error=error)
    assert client.errors[task] == error


def test_running_tasks_are_announced_to_their_clients(environment: Environment) -> None:
    worker = environment.worker(slots=3)
    carl, dora = environment.client("carl"), environment.client("dora")
    (mine,) = carl.submit(carl.define())
    (theirs,) = dora.submit(dora.define())
    worker.start(mine, theirs, 12345)
    assert carl.running == {mine}
    assert dora.running == {theirs}
    assert environment.state(mine) == "running"
    dora.disconnect()
    worker.start(theirs)
