"""A client's session: submissions counted once, results told within a window, and nothing kept after its end."""

from collections.abc import Callable

import pytest

from ganger.protocol import messages as m
from ganger.protocol.ids import SEQUENCE_MAX
from tests.environment.cluster import Environment

Make = Callable[..., Environment]


# --- submissions ---------------------------------------------------------------------------------


def test_a_submission_is_acknowledged_with_more_credit(make_environment: Make) -> None:
    environment = make_environment(session_credit_tasks=100, session_credit_bytes=1_000)
    client = environment.client()
    assert (client.credit_tasks, client.credit_bytes) == (99, 1_000)
    client.submit(client.define(), 10, payload=b"x" * 7)
    assert client.through == 9
    assert (client.credit_tasks, client.credit_bytes) == (109, 1_070)


def test_a_resent_submission_is_acknowledged_and_not_run_twice(environment: Environment) -> None:
    worker, client = environment.worker(slots=9), environment.client()
    group = client.group(client.define(), 3)
    for _ in range(2):
        client.say(m.Submit([group]))
        environment.run()
    assert list(worker.holds) == client.ids_of(group)
    assert environment.ledger.totals.submitted == 3
    assert client.through == 2


def test_only_the_new_part_of_a_resent_submission_counts(environment: Environment) -> None:
    worker, client = environment.worker(slots=9), environment.client()
    spec = client.define()
    client.say(m.Submit([m.TaskGroup(spec, 2, [b"2", b"3"])]))
    environment.run()
    inputs = [[], [], [], [], [client.task(0)], []]
    client.say(m.Submit([m.TaskGroup(spec, 0, [b"0", b"1", b"2", b"3", b"4", b"5"], inputs)]))
    environment.run()
    assert environment.ledger.totals.submitted == 6
    assert {task: environment.task(task).payload for task in environment.ledger.tasks} == {
        client.task(number): b"%d" % number for number in range(6)
    }
    assert environment.state(client.task(4)) == "waiting"
    assert len(worker.holds) == 5


def test_a_resend_after_a_release_does_not_bring_the_task_back(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    group = client.group(client.define())
    client.say(m.Submit([group]))
    environment.run()
    worker.succeed_all()
    client.release(*client.ids_of(group))
    client.say(m.Submit([group]))
    environment.run()
    environment.assert_empty()
    assert len(environment.starts) == 1


def test_a_spec_that_is_defined_again_changes_nothing(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    spec = client.define("first")
    client.next_spec -= 1
    client.define("second", priority=9)
    client.submit(spec)
    assert worker.specs[worker.groups[0].spec].name == "first"
    records = len(environment.journal.batches)
    client.next_spec -= 1
    client.define("second", priority=9)
    environment.run()
    assert len(environment.journal.batches) == records


def test_a_full_disk_refuses_submissions_and_goes_on_with_the_rest(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    spec = client.define()
    accepted = client.submit(spec, 2)
    environment.journal.accepting = False
    refused = client.submit(spec, 3)
    rejected = client.take(m.Rejected)
    assert (client.task(rejected.first), client.task(rejected.last)) == (refused[0], refused[-1])
    assert "full" in rejected.reason
    assert rejected.hint
    worker.succeed_all()
    worker.succeed_all()
    assert set(client.results) == set(accepted)
    environment.journal.accepting = True
    assert environment.state(client.submit(spec)[0]) == "assigned"


def test_refused_submissions_do_not_use_up_the_credit(make_environment: Make) -> None:
    environment = make_environment(session_credit_tasks=3, session_credit_bytes=100)
    client = environment.client()
    spec = client.define()
    environment.journal.accepting = False
    for _ in range(6):
        client.submit(spec, payload=b"x" * 50)
        client.take(m.Rejected)
    assert client.next_sequence <= client.credit_tasks
    assert client.credit_bytes >= 6 * 50 + 1


def test_a_task_that_takes_an_unknown_one_is_refused(environment: Environment) -> None:
    client, other = environment.client("carl"), environment.client("dora")
    spec = client.define()
    (theirs,) = other.submit(other.define())
    for needed in (client.task(77), theirs, client.task(3)):
        client.submit(spec, inputs=[[needed]])
        assert "depends" in client.take(m.Rejected).reason
    assert environment.ledger.totals.submitted == 1


def test_a_task_that_takes_a_released_one_is_refused(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    spec = client.define()
    (first,) = client.submit(spec)
    worker.succeed(first)
    client.release(first)
    client.submit(spec, inputs=[[first]])
    assert "released" in client.take(m.Rejected).reason


def test_a_call_of_a_function_that_was_never_defined_is_refused(environment: Environment) -> None:
    client = environment.client()
    client.submit(99)
    assert "99" in client.take(m.Rejected).reason


def test_an_argument_list_over_the_limit_is_refused(make_environment: Make) -> None:
    environment = make_environment(payload_bytes_max=100)
    client = environment.client()
    spec = client.define()
    client.submit(spec, payload=b"x" * 101)
    assert "payload_bytes_max" in client.take(m.Rejected).reason
    assert environment.state(client.submit(spec, payload=b"x" * 100)[0]) == "ready"


# --- credit --------------------------------------------------------------------------------------


def test_a_full_cluster_gives_no_more_credit_until_tasks_have_ended(make_environment: Make) -> None:
    environment = make_environment(queued_tasks_max=10, session_credit_tasks=10)
    worker, client = environment.worker(slots=4), environment.client()
    client.submit(client.define(), 10)
    assert client.credit_tasks == 9
    worker.succeed_all(elapsed_ns=20_000_000)
    assert client.credit_tasks == 19
    assert client.through == 9


def test_a_cluster_full_of_bytes_gives_no_more_credit_until_results_are_released(
    make_environment: Make,
) -> None:
    environment = make_environment(queued_bytes_max=1_000, session_credit_bytes=900)
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define(), payload=b"x" * 10)
    worker.succeed(task, result=b"x" * 1_000)
    late = environment.client("dora")
    assert late.credit_bytes == 0
    client.release(task)
    assert late.credit_bytes == 900


def test_a_client_that_leaves_while_it_waits_for_credit_is_forgotten(make_environment: Make) -> None:
    environment = make_environment(queued_tasks_max=2)
    worker, client = environment.worker(slots=2), environment.client()
    client.submit(client.define(), 2)
    late = environment.client("dora")
    assert late.credit_bytes == 0
    late.goodbye()
    worker.succeed_all()
    assert client.credit_tasks > 2


# --- results -------------------------------------------------------------------------------------


def test_results_beyond_the_window_wait_until_the_client_has_taken_some(make_environment: Make) -> None:
    environment = make_environment(result_window_bytes=100)
    worker, client = environment.worker(slots=6), environment.client()
    tasks = client.submit(client.define(), 6)
    for task in tasks:
        worker.succeed(task, result=b"x" * 60)
    assert list(client.results) == tasks[:2]
    client.release(tasks[0])
    assert list(client.results) == tasks[:4]
    client.release(*tasks[1:3])
    assert list(client.results) == tasks
    client.release(*tasks[3:])
    assert set(client.results) == set(tasks)
    environment.assert_empty()


def test_a_backlog_is_told_within_the_window(make_environment: Make) -> None:
    environment = make_environment(result_window_bytes=100)
    worker, client = environment.worker(slots=30), environment.client()
    tasks = client.submit(client.define(), 30)
    worker.succeed(tasks[0], result=b"x" * 100)
    worker.report(dict.fromkeys(tasks[1:], b"x" * 50))
    client.release(tasks[0])
    assert len(client.results) <= 4
    while len(client.results) < 30:
        before = len(client.results)
        client.release(*client.results)
        assert before < len(client.results) <= before + 3
    client.release(*tasks)
    environment.assert_empty()


def test_ends_of_every_kind_wait_in_the_backlog_in_order(make_environment: Make) -> None:
    environment = make_environment(result_window_bytes=10)
    worker, client = environment.worker(slots=4), environment.client()
    spec = client.define()
    large, failing, cancelled, good = client.submit(spec, 4)
    worker.succeed(large, result=b"x" * 20)
    worker.succeed(good, result=b"good")
    worker.fail(failing, retryable=False, error=b"bad")
    client.cancel(cancelled)
    worker.take_stop()
    assert client.ended == {large}
    client.release(large)
    assert client.results[good] == b"good"
    assert client.errors == {failing: b"bad"}
    assert client.cancelled == {cancelled}


def test_a_window_does_not_shrink_by_values_that_become_inputs(make_environment: Make) -> None:
    environment = make_environment(result_window_bytes=100)
    worker, client = environment.worker(), environment.client()
    spec = client.define()
    for _ in range(10):
        (value,) = client.submit(spec)
        worker.succeed(value, result=b"x" * 60)
        assert value in client.results
        (taker,) = client.submit(spec, inputs=[[value]])
        client.release(value)
        worker.succeed(taker, result=b"y")
        assert taker in client.results
        client.release(taker)
    environment.assert_empty()


def test_a_result_that_another_task_takes_is_only_announced_and_fetched_when_asked_for(
    environment: Environment,
) -> None:
    worker, client = environment.worker(), environment.client()
    spec = client.define()
    (first,) = client.submit(spec)
    (second,) = client.submit(spec, inputs=[[first]])
    worker.succeed(first, result=b"value")
    assert client.kept == {first}
    assert client.results == {}
    client.fetch(first, second, 77)
    assert client.results == {first: b"value"}


def test_a_fetch_of_a_result_that_is_gone_is_answered(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define())
    worker.succeed(task)
    client.release(task)
    client.results.clear()
    client.fetch(task)
    assert client.errors or client.mail
    client.mail.clear()


def test_results_of_several_sessions_in_one_report_reach_each_its_own(environment: Environment) -> None:
    worker = environment.worker(slots=6)
    carl, dora = environment.client("carl"), environment.client("dora")
    mine = carl.submit(carl.define("shared"), 2)
    theirs = dora.submit(dora.define("shared"), 2)
    later = carl.submit(1, 2)
    worker.report({task: b"%d" % task for task in [*mine, *theirs, *later]})
    assert carl.results == {task: b"%d" % task for task in [*mine, *later]}
    assert dora.results == {task: b"%d" % task for task in theirs}


def test_an_end_is_not_told_to_a_client_that_is_gone(environment: Environment) -> None:
    worker, client = environment.worker(slots=3), environment.client()
    good, bad, cancelled = client.submit(client.define(), 3)
    client.disconnect()
    worker.succeed(good)
    worker.fail(bad, retryable=False)
    other = environment.client("dora")
    other.say(m.CancelTasks(1, [cancelled, good, 999]))
    assert other.take(m.Answer).error == ""
    worker.take_stop()
    client.join()
    assert client.ended == {good, bad, cancelled}


# --- presence ------------------------------------------------------------------------------------


def test_a_client_that_comes_back_is_told_what_ended_and_what_is_recorded(environment: Environment) -> None:
    worker, client = environment.worker(slots=3), environment.client()
    spec = client.define()
    first, second, third = client.submit(spec, 3)
    worker.succeed(first)
    client.release(first)
    client.disconnect()
    worker.succeed(second, result=b"while away")
    session = client.session
    client.join()
    assert client.session == session
    assert client.accepted == [(0, 2)]
    assert client.results[second] == b"while away"
    worker.succeed(third)
    assert third in client.results


def test_a_client_that_connects_twice_is_heard_on_its_newest_connection(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define())
    client.join()
    worker.succeed(task)
    assert task in client.results
    client.ping()
    assert client.pongs == 1


def test_a_session_closes_with_its_client_and_leaves_nothing(environment: Environment) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    spec = client.define()
    running, done = client.submit(spec, 2)
    waiting = client.submit(spec, 3, inputs=[[running], [done], [running, done]])
    worker.succeed(done)
    client.goodbye()
    assert set(worker.take_stop()) == {running, waiting[1]}
    environment.assert_empty()
    assert worker.specs == {}
    assert environment.ledger.sessions == {}
    assert environment.ledger.functions == {}
    assert environment.ledger.totals.cancelled == 1 + len(waiting)


def test_a_closed_session_leaves_no_queue_behind(environment: Environment) -> None:
    for number in range(5):
        client = environment.client(f"client-{number}")
        client.submit(client.define(priority=number), 2)
        client.goodbye()
    assert len(list(environment.ledger.ready)) <= 2
    assert environment.ledger.costs == {}


def test_a_session_keeps_the_functions_that_another_one_uses(environment: Environment) -> None:
    worker = environment.worker(slots=4)
    carl, dora = environment.client("carl"), environment.client("dora")
    carl.submit(carl.define("shared"))
    dora.define("shared")
    carl.goodbye()
    worker.take_stop()
    (task,) = dora.submit(1)
    assert list(worker.holds) == [task]


def test_a_large_session_dissolves_in_slices(make_environment: Make) -> None:
    environment = make_environment(cascade_tasks_max=10)
    worker, client = environment.worker(), environment.client()
    spec = client.define()
    first = client.submit(spec, 33)
    client.release(*first[5:8])
    client.submit(spec, 40, inputs=[[task] for task in first[:1] * 40])
    client.goodbye()
    assert worker.take_stop() == first[:1]
    environment.assert_empty()
    assert environment.ledger.sessions == {}


def test_a_restart_in_the_middle_of_a_closing_session_goes_on_with_it(make_environment: Make) -> None:
    environment = make_environment(cascade_tasks_max=10)
    client = environment.client()
    client.submit(client.define(), 35)
    client.say(m.Goodbye())
    environment.pump.turn()
    assert environment.master.has_more
    environment.restart()
    environment.assert_empty()
    assert environment.ledger.sessions == {}


def test_a_silent_client_loses_its_session_in_time(make_environment: Make) -> None:
    environment = make_environment(session_timeout_s=60.0)
    carl, dora = environment.client("carl"), environment.client("dora")
    (task,) = carl.submit(carl.define())
    for _ in range(5):
        environment.advance(13)
        dora.ping()
    assert environment.state(task) == "gone"
    assert not carl.connected
    assert list(environment.ledger.sessions) == [dora.session]


def test_a_client_that_is_away_too_long_gets_a_new_session(make_environment: Make) -> None:
    environment = make_environment(session_timeout_s=10.0)
    client = environment.client()
    client.submit(client.define())
    client.disconnect()
    environment.advance(9)
    client.join()
    assert client.session == 1
    client.disconnect()
    environment.advance(11)
    client.join()
    assert client.session == 2
    assert client.accepted == []


def test_cancelling_by_id_reaches_tasks_of_any_session_and_names_those(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    running, ready = client.submit(client.define(), 2)
    tool = environment.client("tool")
    tool.say(m.CancelTasks(3, [running, ready, 42]))
    answer = tool.take(m.Answer)
    assert answer.request == 3
    assert b"1.0" in answer.body
    assert b"1.1" in answer.body
    assert worker.take_stop() == [running]
    assert client.cancelled == {running, ready}
    client.cancel(running, 42)


def test_the_highest_sequence_number_is_a_number_like_any_other(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    client.define()
    client.next_sequence = SEQUENCE_MAX
    (task,) = client.submit(1)
    assert task == client.task(SEQUENCE_MAX)
    worker.succeed(task)
    assert client.results == {task: b"result"}


@pytest.mark.parametrize("first", [-1, SEQUENCE_MAX, 1 << 62])
def test_sequence_numbers_outside_of_a_session_end_the_connection(
    environment: Environment, first: int
) -> None:
    client = environment.client()
    spec = client.define()
    client.say(m.Submit([m.TaskGroup(spec, first, [b"", b""])]))
    environment.run()
    environment.take_warning("")
    assert not client.connected
    assert environment.ledger.tasks == {}
