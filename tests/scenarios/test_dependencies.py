"""A task that takes the results of others runs when they have succeeded, and follows them when they have not."""

from collections.abc import Callable

from ganger.core.events import Received
from ganger.protocol import messages as m
from tests.environment.cluster import Environment
from tests.environment.peers import FakeClient

Make = Callable[..., Environment]


def chain(client: FakeClient, length: int) -> list[int]:
    """Submits tasks of which each takes the one before."""
    spec = client.define("link")
    tasks = client.submit(spec)
    for _ in range(length - 1):
        tasks += client.submit(spec, inputs=[[tasks[-1]]])
    return tasks


def test_a_chain_runs_in_order_and_its_values_pass_from_link_to_link(environment: Environment) -> None:
    worker, client = environment.worker(slots=4), environment.client()
    tasks = chain(client, 4)
    assert environment.ledger.waiting == 3
    for number, task in enumerate(tasks):
        assert worker.holds == {task: 1}
        assert worker.inputs[task] == ([b"value %d" % (number - 1)] if number else [])
        worker.succeed(task, result=b"value %d" % number)
    assert client.kept == set(tasks[:-1])
    assert client.results == {tasks[-1]: b"value 3"}
    client.release(*tasks)
    environment.assert_empty()


def test_a_diamond_joins_when_both_sides_are_done(environment: Environment) -> None:
    worker, client = environment.worker(slots=4), environment.client()
    spec = client.define()
    (top,) = client.submit(spec)
    left, right = client.submit(spec, 2, inputs=[[top], [top]])
    (bottom,) = client.submit(spec, inputs=[[left, right, left, top]])
    worker.succeed(top, result=b"T")
    assert sorted(worker.holds) == [left, right]
    worker.succeed(left, result=b"L")
    assert environment.state(bottom) == "waiting"
    worker.succeed(right, result=b"R")
    assert worker.inputs[bottom] == [b"L", b"R", b"L", b"T"]
    worker.succeed(bottom)
    client.release(top, left, right, bottom)
    environment.assert_empty()


def test_a_dependent_of_a_task_that_succeeded_before_is_ready_at_once(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    spec = client.define()
    (first,) = client.submit(spec)
    worker.succeed(first, result=b"value")
    (second,) = client.submit(spec, inputs=[[first]])
    assert worker.inputs[second] == [b"value"]
    assert client.results[first] == b"value"


def test_calls_with_and_without_inputs_may_share_a_group(environment: Environment) -> None:
    worker, client = environment.worker(slots=3), environment.client()
    spec = client.define()
    (first,) = client.submit(spec)
    free, bound = client.submit(spec, 2, inputs=[[], [first]])
    assert sorted(worker.holds) == [first, free]
    worker.succeed(first, result=b"value")
    assert worker.inputs[bound] == [b"value"]


def test_a_message_may_hold_a_whole_tree_of_different_functions(environment: Environment) -> None:
    worker, client = environment.worker(slots=4), environment.client()
    leaf = client.group(client.define("leaf"), 2)
    left, right = client.ids_of(leaf)
    root = client.group(client.define("root"), 2, inputs=[[left, right], [client.task(2), left]])
    client.say(m.Submit([leaf, root]))
    environment.run()
    sum_, double = client.ids_of(root)
    worker.succeed_all()
    worker.succeed(sum_, result=b"3")
    assert worker.inputs[double] == [b"3", b"r0"]
    assert not client.mail


def test_a_plain_call_and_one_with_its_result_may_stand_in_one_group_with_retries(
    environment: Environment,
) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    spec = client.define(retries=1, retry_delay_s=0.1)
    first, second = client.submit(spec, 2, inputs=[[], [client.task(0)]])
    worker.fail(first)
    environment.advance(1)
    worker.succeed(first, result=b"value")
    worker.fail(second)
    environment.advance(1)
    assert worker.holds == {second: 2}
    assert worker.inputs[second] == [b"value"]


def test_the_dependents_of_a_failed_task_fail_with_its_error_and_name_it(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    tasks = chain(client, 5)
    worker.succeed(tasks[0])
    worker.fail(tasks[1], retryable=False, error=b"the cause")
    assert client.errors == dict.fromkeys(tasks[1:], b"the cause")
    assert set(client.origins.values()) == {tasks[1]}
    assert environment.ledger.waiting == 0
    client.release(*tasks)
    environment.assert_empty()


def test_the_dependents_of_a_cancelled_task_are_cancelled(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    tasks = chain(client, 4)
    client.cancel(tasks[0])
    assert worker.take_stop() == tasks[:1]
    assert client.cancelled == set(tasks)
    client.release(*tasks)
    environment.assert_empty()


def test_a_task_that_takes_one_that_failed_long_ago_fails_at_once(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    spec = client.define()
    (first,) = client.submit(spec)
    worker.fail(first, retryable=False, error=b"the cause")
    second, third = client.submit(spec, 2, inputs=[[first], [first]])
    assert client.errors[second] == client.errors[third] == b"the cause"
    (fourth,) = client.submit(spec, inputs=[[third]])
    assert client.origins[fourth] == first


def test_a_task_with_a_failed_and_an_unfinished_input_does_not_wait_for_the_other(
    environment: Environment,
) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    spec = client.define()
    failing, running = client.submit(spec, 2)
    (joined,) = client.submit(spec, inputs=[[failing, running]])
    worker.fail(failing, retryable=False)
    assert joined in client.errors
    worker.succeed(running)
    assert running in client.results | dict.fromkeys(client.kept)
    client.release(failing, running, joined)
    environment.assert_empty()


def test_a_large_cascade_runs_in_slices_and_others_are_served_between(make_environment: Make) -> None:
    environment = make_environment(cascade_tasks_max=10)
    _, client = environment.worker(slots=2), environment.client()
    spec = client.define()
    (root,) = client.submit(spec)
    children = client.submit(spec, 95, inputs=[[root]] * 95)
    grandchildren = client.submit(spec, 95, inputs=[[child] for child in children])
    environment.pump.offer(_failure(environment, root))
    environment.pump.turn()
    assert environment.master.has_more
    ended = environment.ledger.totals.failed
    assert ended <= 11
    environment.run()
    assert set(client.errors) == {root, *children, *grandchildren}
    assert not environment.master.has_more


def _failure(environment: Environment, task: int) -> object:
    connection = environment.roster("anna").connection
    failure = m.Failure(task, 1, "exception", False, b"the cause")
    return Received(connection, m.Report(1, [], [failure], [], 0))


def test_a_cascade_that_a_restart_interrupted_goes_on(make_environment: Make) -> None:
    environment = make_environment(cascade_tasks_max=10)
    environment.worker()
    client = environment.client()
    spec = client.define()
    (root,) = client.submit(spec)
    children = client.submit(spec, 50, inputs=[[root]] * 50)
    environment.pump.offer(_failure(environment, root))
    environment.pump.turn()
    environment.restart()
    client.join()
    assert set(client.errors) == {root, *children}
    assert set(client.origins.values()) == {root}


def test_a_chain_as_long_as_a_day_fails_without_a_deep_stack(make_environment: Make) -> None:
    environment = make_environment(cascade_tasks_max=100)
    worker, client = environment.worker(), environment.client()
    spec = client.define()
    (first,) = client.submit(spec)
    rest = client.submit(spec, 3_000, inputs=[[client.task(number)] for number in range(3_000)])
    worker.fail(first, retryable=False)
    assert set(client.errors) == {first, *rest}


def test_the_result_of_a_released_task_stays_while_a_dependent_needs_it(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    spec = client.define()
    (first,) = client.submit(spec)
    (second,) = client.submit(spec, inputs=[[first]])
    client.release(first)
    worker.succeed(first, result=b"value")
    assert environment.state(first) == "succeeded"
    assert worker.inputs[second] == [b"value"]
    worker.succeed(second)
    assert environment.state(first) == "gone"
    client.release(second)
    environment.assert_empty()


def test_a_released_task_whose_dependents_ended_before_it_leaves_nothing(environment: Environment) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    spec = client.define()
    failing, running = client.submit(spec, 2)
    dependents = client.submit(spec, 2, inputs=[[failing], [running]])
    client.cancel(*dependents)
    client.release(failing, running, *dependents)
    worker.fail(failing, retryable=False)
    worker.succeed(running)
    environment.assert_empty()


def test_a_released_task_that_is_cancelled_leaves_nothing(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define())
    client.release(task)
    assert environment.state(task) == "assigned"
    client.cancel(task)
    worker.take_stop()
    environment.assert_empty()


def test_dependents_may_be_cancelled_while_they_run(environment: Environment) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    spec = client.define()
    (first,) = client.submit(spec)
    worker.succeed(first)
    (second,) = client.submit(spec, inputs=[[first]])
    (third,) = client.submit(spec, inputs=[[second]])
    client.cancel(second, second, first)
    assert worker.take_stop() == [second]
    assert client.cancelled == {second, third}
    assert first in client.results


def test_a_widely_shared_input_is_remembered_only_as_long_as_it_is_unfinished(
    environment: Environment,
) -> None:
    worker, client = environment.worker(), environment.client()
    spec = client.define()
    (shared,) = client.submit(spec)
    worker.succeed(shared)
    for _ in range(3):
        (task,) = client.submit(spec, inputs=[[shared]])
        worker.succeed(task)
    assert environment.task(shared).dependents is None
    assert environment.task(shared).holds == 0


def test_inputs_too_large_for_a_message_fail_their_task(make_environment: Make) -> None:
    environment = make_environment(frame_bytes_max=2_000, assigned_bytes_max=1_000, payload_bytes_max=900)
    worker, client = environment.worker(slots=3), environment.client()
    spec = client.define("join")
    first, second = client.submit(spec, 2)
    worker.succeed(first, result=b"x" * 600)
    worker.succeed(second, result=b"x" * 600)
    (joined,) = client.submit(spec, inputs=[[first, second]])
    assert b"join" in client.errors[joined]
    (single,) = client.submit(spec, inputs=[[first]])
    assert worker.inputs[single] == [b"x" * 600]
