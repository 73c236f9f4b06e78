"""A worker is gone, and what it held must go on: charged if it had started, alone if nobody knows."""

from collections.abc import Callable

from ganger.core.events import Disconnected
from ganger.protocol import messages as m
from ganger.protocol.ids import ConnectionId
from ganger.protocol.outcome import decode_error
from tests.environment.cluster import Environment
from tests.environment.peers import MS_NS

Make = Callable[..., Environment]


def test_a_silent_worker_loses_its_attempts_when_its_lease_ends(make_environment: Make) -> None:
    environment = make_environment(worker_lease_s=5.0)
    anna, client = environment.worker("anna"), environment.client()
    (task,) = client.submit(client.define())
    environment.advance(4.9)
    assert environment.state(task) == "assigned"
    environment.advance(0.2)
    environment.take_warning("worker anna is lost: it fell silent; it held 1 attempts")
    assert environment.state(task) == "ready"
    assert not anna.connected
    bert = environment.worker("bert")
    assert bert.holds == {task: 2}


def test_a_beat_renews_the_lease(make_environment: Make) -> None:
    environment = make_environment(worker_lease_s=5.0)
    worker, client = environment.worker(), environment.client()
    client.submit(client.define())
    for _ in range(5):
        environment.advance(4.0)
        worker.beat()
    assert worker.pongs == 5
    assert environment.roster("anna").state == "active"


def test_a_worker_on_this_machine_is_lost_with_its_connection(environment: Environment) -> None:
    worker, client = environment.worker(local=True), environment.client()
    (task,) = client.submit(client.define())
    worker.disconnect()
    environment.take_warning("its connection ended")
    assert environment.state(task) == "ready"


def test_a_worker_elsewhere_has_a_moment_to_come_back(make_environment: Make) -> None:
    environment = make_environment(worker_reconnect_s=1.0)
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define())
    worker.disconnect()
    environment.advance(0.9)
    assert environment.roster("anna").state == "away"
    worker.join(started=[task])
    assert environment.state(task) == "running"
    worker.succeed(task)
    assert client.results == {task: b"result"}
    assert environment.starts[task] == [1]


def test_a_worker_elsewhere_that_does_not_come_back_is_lost(make_environment: Make) -> None:
    environment = make_environment(worker_reconnect_s=1.0)
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define())
    worker.disconnect()
    environment.advance(1.1)
    environment.take_warning("lost")
    assert environment.state(task) == "ready"


def test_what_is_not_known_to_have_started_runs_alone_and_uncharged(environment: Environment) -> None:
    anna, client = environment.worker("anna", 3, local=True), environment.client()
    tasks = client.submit(client.define(), 3)
    anna.disconnect()
    environment.take_warning("lost")
    bert = environment.worker("bert", 3)
    assert sorted(bert.holds) == tasks
    assert all(group.alone for group in bert.groups)
    assert {environment.task(task).losses for task in tasks} == {0}


def test_what_had_started_is_charged_and_what_had_not_is_only_a_suspect(environment: Environment) -> None:
    anna, client = environment.worker("anna", 2, local=True), environment.client()
    started, unknown = client.submit(client.define(), 2)
    anna.start(started)
    anna.disconnect()
    environment.take_warning("lost")
    assert (environment.task(started).losses, environment.task(unknown).losses) == (1, 0)
    assert environment.task(started).suspect
    assert environment.task(unknown).suspect


def test_a_task_fails_when_its_budget_of_losses_is_spent(environment: Environment) -> None:
    client = environment.client()
    (task,) = client.submit(client.define("poison", losses_max=2))
    for number in range(3):
        worker = environment.worker(f"worker-{number}", local=True)
        worker.start(task)
        worker.disconnect()
        environment.take_warning("lost")
    error = decode_error(client.errors[task])
    assert error.type_name == "ganger.errors.AttemptLost"
    assert "losses_max of 2 is spent" in error.text
    assert "poison" in error.text
    assert client.origins[task] == task


def test_a_task_that_must_not_run_twice_fails_if_it_may_have_started(environment: Environment) -> None:
    worker, client = environment.worker(slots=2, local=True), environment.client()
    known, unknown = client.submit(client.define("pay", repeatable=False), 2)
    worker.start(known)
    worker.disconnect()
    environment.take_warning("lost")
    for task in (known, unknown):
        error = decode_error(client.errors[task])
        assert error.kind == "lost"
        assert "it is not repeatable" in error.text
        assert environment.starts[task] == [1]


def test_a_task_that_must_not_run_twice_may_be_given_again_if_it_never_started(
    environment: Environment,
) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define("pay", repeatable=False))
    worker.give_back(task)
    assert worker.holds == {task: 2}
    worker.succeed(task)
    assert task in client.results


def test_a_late_success_of_a_lost_worker_counts_and_the_other_attempt_is_stopped(
    make_environment: Make,
) -> None:
    environment = make_environment(worker_reconnect_s=1.0)
    anna, client = environment.worker("anna"), environment.client()
    (task,) = client.submit(client.define())
    anna.disconnect()
    environment.advance(1.1)
    environment.take_warning("lost")
    bert = environment.worker("bert")
    assert bert.holds == {task: 2}
    anna.join(started=[task])
    anna.succeed(task, result=b"first")
    assert client.results == {task: b"first"}
    assert bert.take_stop() == [task]
    assert environment.roster("bert").used_slots == 0


def test_the_second_success_of_a_task_changes_nothing(make_environment: Make) -> None:
    environment = make_environment(worker_reconnect_s=1.0)
    anna, client = environment.worker("anna"), environment.client()
    (task,) = client.submit(client.define())
    anna.disconnect()
    environment.advance(1.1)
    environment.take_warning("lost")
    bert = environment.worker("bert")
    bert.succeed(task, result=b"first")
    anna.holds = {}
    anna.join()
    anna.report({task: b"second"})
    assert client.results == {task: b"first"}
    assert environment.task(task).result == b"first"


def test_a_worker_that_comes_back_stops_what_has_ended_meanwhile(make_environment: Make) -> None:
    environment = make_environment(worker_reconnect_s=1.0)
    worker, client = environment.worker(slots=3), environment.client()
    spec = client.define()
    cancelled, running, released = client.submit(spec, 3)
    worker.disconnect()
    client.cancel(cancelled, released)
    client.release(released)
    worker.join(started=[running, cancelled])
    assert sorted(worker.take_stop()) == [cancelled, released]
    assert environment.state(running) == "running"


def test_an_assignment_that_never_arrived_goes_back_uncharged(environment: Environment) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    spec = client.define("pay", repeatable=False)
    arrived, lost = client.submit(spec, 2)
    worker.disconnect()
    del worker.holds[lost]
    worker.join(started=[arrived])
    assert worker.holds == {arrived: 1, lost: 2}
    assert not environment.task(lost).suspect
    assert environment.task(lost).losses == 0


def test_a_report_that_was_lost_with_the_connection_is_told_again_and_counts_once(
    environment: Environment,
) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    first, second = client.submit(client.define(), 2)
    worker.disconnect()
    worker.succeed(first)
    worker.report({second: b"also"})
    worker.join()
    assert client.results == {first: b"result", second: b"also"}
    assert worker.unrecorded == []
    assert environment.roster("anna").tasks_done == 2


def test_a_report_whose_acknowledgement_was_lost_changes_nothing_when_told_again(
    environment: Environment,
) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    spec = client.define()
    first, back = client.submit(spec, 2)
    worker.report({first: b"result"}, returned=[back])
    told = m.Report(1, [m.DoneGroup(worker.groups[0].spec, [first], [b"result"], MS_NS)], [], [back], 0)
    assert worker.holds == {back: 2}
    worker.say(told)
    environment.run()
    assert worker.holds == {back: 2}
    assert environment.roster("anna").tasks_done == 1


def test_a_worker_process_that_takes_the_name_of_one_that_died_is_a_new_worker(
    make_environment: Make,
) -> None:
    environment = make_environment(worker_reconnect_s=1.0)
    worker, client = environment.worker(slots=2), environment.client()
    spec = client.define()
    (before,) = client.submit(spec)
    worker.succeed(before, elapsed_ns=20 * MS_NS)
    started, unknown = client.submit(spec, 2)
    worker.start(started)
    worker.restart()
    worker.join()
    environment.take_warning("worker anna is lost")
    assert environment.task(started).losses == 1
    assert environment.task(unknown).suspect
    worker.succeed_all()
    assert set(client.results) == {before, started, unknown}


def test_a_new_worker_process_is_not_draining_because_the_old_one_was(make_environment: Make) -> None:
    environment = make_environment(worker_reconnect_s=1.0)
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define())
    worker.say(m.Draining())
    environment.run()
    worker.restart()
    worker.join()
    environment.take_warning("worker anna is lost")
    assert list(worker.holds) == [task]


def test_a_worker_that_connects_twice_is_heard_on_its_newest_connection(environment: Environment) -> None:
    worker, client = environment.worker(local=True), environment.client()
    (task,) = client.submit(client.define())
    old = worker.connection
    worker.join(local=True, started=[task])
    environment.disconnect(old)
    assert environment.roster("anna").state == "active"
    worker.succeed(task)
    assert task in client.results


def test_a_worker_that_brings_back_other_resources_is_counted_anew(environment: Environment) -> None:
    worker, client = environment.worker(slots=2, memory=8.0), environment.client()
    (task,) = client.submit(client.define(resources={"memory": 6.0}))
    worker.disconnect()
    worker.offer = m.WorkerOffer("anna", 3, {"memory": 10.0, "gpu": 1.0}, ["python"])
    worker.join(started=[task])
    assert environment.roster("anna").free == {"memory": 4.0, "gpu": 1.0}
    worker.succeed(task)
    assert environment.roster("anna").free == {"memory": 10.0, "gpu": 1.0}


def test_what_an_unknown_connection_says_is_not_heard(environment: Environment) -> None:
    worker = environment.worker()
    client = environment.client()
    (task,) = client.submit(client.define())
    connection = worker.connection
    environment.pump.offer(Disconnected(connection))
    environment.receive(connection, m.Report(1, [m.DoneGroup(0, [task], [b"result"], 1)], [], [], 0))
    environment.run()
    assert client.results == {}
    environment.advance(2)
    environment.take_warning("lost")


def test_several_connections_may_end_without_anybody_behind_them(environment: Environment) -> None:
    environment.pump.offer(Disconnected(ConnectionId(99)))
    environment.worker()
    assert environment.roster("anna").state == "active"
