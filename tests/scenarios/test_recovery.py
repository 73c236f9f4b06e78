"""A master is killed, another reads its journal: nothing acknowledged is lost, nothing runs twice without need."""

from collections.abc import Callable

import pytest

from ganger.errors import InvariantViolated, JournalVersion
from ganger.protocol import messages as m
from ganger.protocol.codec import decode_records, encode_records
from ganger.protocol.outcome import decode_error
from ganger.protocol.records import RECORD_VERSION, EpochBegun, TasksSubmitted
from tests.environment.cluster import Environment
from tests.environment.peers import MS_NS

Make = Callable[..., Environment]


def test_each_master_opens_a_new_epoch_before_it_serves(environment: Environment) -> None:
    assert environment.ledger.epoch == 1
    environment.restart()
    worker = environment.worker()
    assert worker.epoch == 2
    records = [record for batch in environment.journal.batches for record in decode_records(batch)]
    assert [record.epoch for record in records if isinstance(record, EpochBegun)] == [1, 2]


def test_a_ready_task_goes_at_once_after_a_restart(environment: Environment) -> None:
    client = environment.client()
    tasks = client.submit(client.define(), 2)
    environment.restart()
    worker = environment.worker(slots=2)
    assert list(worker.holds) == tasks
    client.join()
    worker.succeed_all()
    assert set(client.results) == set(tasks)


def test_a_worker_that_comes_back_goes_on_with_what_it_holds(environment: Environment) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    running, waiting = client.submit(client.define(repeatable=False), 2)
    environment.restart()
    assert environment.state(running) == "assigned"
    worker.join(started=[running])
    client.join()
    assert worker.holds == {running: 1, waiting: 1}
    assert environment.state(running) == "running"
    worker.succeed(running, waiting)
    assert set(client.results) == {running, waiting}
    assert environment.starts == {running: [1], waiting: [1]}


def test_nobody_else_gets_an_assigned_task_before_its_worker_had_time_to_come_back(
    make_environment: Make,
) -> None:
    environment = make_environment(worker_lease_s=5.0)
    anna, client = environment.worker("anna"), environment.client()
    (task,) = client.submit(client.define())
    environment.restart()
    bert = environment.worker("bert")
    environment.advance(4.5)
    assert not bert.holds
    bert.beat()
    environment.advance(1.0)
    environment.take_warning("worker anna is lost")
    assert bert.holds == {task: 2}
    assert bert.groups[0].alone
    assert not anna.connected


def test_what_ended_while_the_master_was_away_is_reported_to_the_next_one(environment: Environment) -> None:
    worker, client = environment.worker(slots=3), environment.client()
    good, bad, crashed = client.submit(client.define(losses_max=0), 3)
    worker.disconnect()
    client.disconnect()
    worker.succeed(good)
    worker.fail(bad, error=b"bad")
    worker.crash(crashed)
    environment.restart()
    worker.join()
    client.join()
    assert client.results == {good: b"result"}
    assert client.errors == {bad: b"bad", crashed: b"crashed"}
    assert {tuple(numbers) for numbers in environment.starts.values()} == {(1,)}


def test_a_report_that_was_recorded_and_not_acknowledged_counts_once(environment: Environment) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    spec = client.define(retries=1, retry_delay_s=1.0)
    good, bad = client.submit(spec, 2)
    environment.journal.held = []
    worker.report({good: b"result"}, failed=[m.Failure(bad, 1, "exception", True, b"error")])
    batch, _ = environment.journal.held.pop()
    environment.journal.batches.append(batch)
    environment.restart()
    assert len(worker.unrecorded) == 1
    worker.join()
    client.join()
    assert client.results == {good: b"result"}
    assert environment.task(bad).failures == 1
    assert worker.unrecorded == []


def test_a_report_that_was_not_durable_is_as_if_never_said(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define())
    environment.journal.held = []
    worker.succeed(task)
    assert client.results == {}
    environment.restart()
    assert environment.state(task) == "assigned"
    client.join()
    worker.join()
    assert client.results == {task: b"result"}


def test_a_submission_that_was_not_durable_is_sent_again_and_runs_once(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    spec = client.define()
    environment.run()
    environment.journal.held = []
    group = client.group(spec)
    client.say(m.Submit([group]))
    environment.run()
    assert client.through == -1
    assert not worker.holds
    environment.restart()
    worker.join()
    client.join()
    assert client.accepted == []
    client.say(m.Submit([group]))
    environment.run()
    assert list(worker.holds) == client.ids_of(group)


def test_an_assignment_whose_record_is_durable_and_whose_message_was_lost_goes_back(
    environment: Environment,
) -> None:
    worker, client = environment.worker(), environment.client()
    spec = client.define(repeatable=False)
    environment.run()
    environment.journal.held = []
    (task,) = client.submit(spec)
    batch, _ = environment.journal.held.pop()
    environment.journal.batches.append(batch)
    environment.restart()
    assert environment.state(task) == "assigned"
    worker.join()
    assert worker.holds == {task: 2}
    assert environment.starts[task] == [2]


def test_a_worker_process_that_is_new_after_a_restart_is_not_taken_for_the_old_one(
    environment: Environment,
) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define("pay", repeatable=False))
    environment.restart()
    worker.restart()
    worker.join()
    environment.take_warning("worker anna is lost")
    client.join()
    assert decode_error(client.errors[task]).kind == "lost"
    assert not worker.holds


def test_a_retry_that_was_due_during_the_outage_goes_at_once(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    soon, late = client.submit(client.define(retries=1, retry_delay_s=1.0), 2)
    worker.fail(soon)
    worker.fail(late)
    environment.clock.advance_ns(1_100_000_000)
    environment.restart()
    worker.join()
    environment.advance(0.3)
    worker.succeed_all()
    assert environment.starts[soon] == environment.starts[late] == [1, 2]


def test_a_retry_that_was_given_out_before_the_restart_can_be_read_again(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define(retries=2, retry_delay_s=0.1))
    for _ in range(2):
        worker.fail(task)
        environment.advance(1.0)
    environment.restart()
    worker.join(started=[task])
    assert worker.holds == {task: 3}
    assert environment.task(task).failures == 2


def test_a_suspect_still_runs_alone_after_a_restart(environment: Environment) -> None:
    worker, client = environment.worker(local=True), environment.client()
    client.submit(client.define())
    worker.disconnect()
    environment.take_warning("lost")
    environment.restart()
    bert = environment.worker("bert")
    assert bert.groups[0].alone


def test_resources_of_a_worker_that_comes_back_are_counted_with_what_it_holds(
    environment: Environment,
) -> None:
    worker, client = environment.worker(slots=4, memory=10.0), environment.client()
    spec = client.define(resources={"memory": 4.0})
    client.submit(spec, 3)
    environment.restart()
    worker.join()
    assert environment.roster("anna").free == {"memory": 2.0}
    assert len(worker.holds) == 2
    worker.succeed(next(iter(worker.holds)), elapsed_ns=20 * MS_NS)
    assert len(worker.holds) == 2


def test_every_session_has_its_whole_timeout_again(make_environment: Make) -> None:
    environment = make_environment(session_timeout_s=60.0)
    client = environment.client()
    (task,) = client.submit(client.define())
    environment.advance(50)
    environment.restart()
    environment.advance(50)
    assert environment.state(task) == "ready"
    client.join()
    assert client.session == 1
    client.disconnect()
    environment.advance(61)
    assert environment.state(task) == "gone"


def test_a_closed_session_is_not_waited_for_after_a_restart(environment: Environment) -> None:
    client = environment.client()
    client.submit(client.define())
    client.goodbye()
    environment.restart()
    assert environment.master.context.roster.clients == {}
    environment.assert_empty()
    client.join()
    assert client.session == 2


def test_releases_that_were_not_yet_durable_are_told_again_and_harm_nobody(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define())
    worker.succeed(task)
    client.release(task)
    environment.restart()
    client.join()
    assert environment.state(task) == "succeeded"
    client.release(task)
    environment.assert_empty()


def test_a_dependency_survives_a_restart_on_either_side_of_its_success(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    spec = client.define()
    (first,) = client.submit(spec)
    (second,) = client.submit(spec, inputs=[[first]])
    environment.restart()
    worker.join()
    worker.succeed(first, result=b"value")
    environment.restart()
    worker.join()
    assert worker.inputs[second] == [b"value"]
    client.join()
    assert client.results[first] == b"value"


def test_a_restart_after_every_single_step_changes_nothing(make_environment: Make) -> None:
    environment = make_environment()
    worker, client = environment.worker(slots=2), environment.client()

    def restart() -> None:
        environment.restart()
        worker.join(started=list(worker.holds))
        client.join()

    spec = client.define(retries=1, retry_delay_s=0.1)
    first, second = client.submit(spec, 2)
    restart()
    (third,) = client.submit(spec, inputs=[[first, second]])
    restart()
    worker.succeed(first)
    restart()
    worker.fail(second)
    restart()
    environment.advance(0.5)
    worker.beat()
    restart()
    worker.succeed(second)
    restart()
    worker.succeed(third)
    restart()
    client.release(first, second, third)
    environment.assert_empty()
    assert environment.starts == {first: [1], second: [1, 2], third: [1]}


def test_a_journal_that_tells_an_epoch_twice_is_refused() -> None:
    batch = encode_records([EpochBegun(1, 0, RECORD_VERSION)])
    with pytest.raises(InvariantViolated, match="epoch 1 follows epoch 1"):
        Environment([batch, batch])


def test_records_of_an_unknown_session_are_refused() -> None:
    with pytest.raises(InvariantViolated, match="session 9 was never opened"):
        Environment([encode_records([TasksSubmitted(9, [])])])


def test_a_journal_of_a_later_version_is_refused() -> None:
    with pytest.raises(JournalVersion, match="reads up to"):
        Environment([encode_records([EpochBegun(1, 0, RECORD_VERSION + 1)])])
