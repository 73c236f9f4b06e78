"""What status, lists and explanations say, row by row."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from msgspec import msgpack

from ganger.core.explain import NAMED_MAX
from ganger.protocol import messages as m
from ganger.protocol.ids import TaskId, show_task
from ganger.protocol.views import Explanation, StatusView, TaskView, WorkerView
from tests.environment.cluster import Environment
from tests.environment.peers import MS_NS, FakeClient

T = TypeVar("T")
Make = Callable[..., Environment]


def ask(client: FakeClient, schema: type[T], topic: str, argument: str = "", limit: int = 1000) -> T:
    client.say(m.Query(1, topic, argument, limit))
    answer = client.take(m.Answer)
    assert answer.error == ""
    return msgpack.decode(answer.body, type=schema)


def ask_in_vain(client: FakeClient, topic: str, argument: str = "") -> str:
    client.say(m.Query(9, topic, argument))
    answer = client.take(m.Answer)
    assert (answer.request, answer.body) == (9, b"")
    return answer.error


def reasons(client: FakeClient, task: int) -> str:
    explanation = ask(client, Explanation, "explain", show_task(TaskId(task)))
    assert explanation.task.id == show_task(TaskId(task))
    return "\n".join(explanation.reasons)


def test_status_adds_up(environment: Environment) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    spec = client.define(retries=1)
    tasks = client.submit(spec, 6)
    client.submit(spec, inputs=[[tasks[5]]])
    worker.succeed(tasks[0], result=b"12345", elapsed_ns=20 * MS_NS)
    worker.fail(tasks[1], retryable=False)
    worker.fail(tasks[2])
    client.cancel(tasks[3])
    worker.take_stop()
    environment.advance(0.05)
    status = ask(client, StatusView, "status")
    assert status.tasks == {"waiting": 2, "ready": 0, "assigned": 2}
    assert (status.submitted, status.succeeded, status.failed, status.cancelled) == (7, 1, 1, 1)
    assert (status.workers, status.slots, status.sessions) == (1, 2, 1)
    assert status.result_bytes == 5
    assert status.payload_bytes == 4 * len(b"arguments")
    assert (status.epoch, status.journal, status.accepting) == (1, "in memory", True)
    assert status.uptime_s == pytest.approx(0.05)


def test_workers_are_listed_with_what_they_have_and_do(environment: Environment) -> None:
    worker, client = environment.worker(slots=3, gpu=2.0), environment.client()
    first, _ = client.submit(client.define(), 2)
    worker.beat(load=1.5, stalled=1)
    worker.succeed(first, elapsed_ns=50 * MS_NS)
    worker.beat(load=1.5, stalled=1, pressed=True)
    (row,) = ask(client, list[WorkerView], "workers")
    assert (row.name, row.host, row.state, row.slots) == ("anna", "host-of-anna", "pressed", 3)
    assert (row.assigned, row.tasks_done, row.stalled) == (1, 1, 1)
    assert row.busy_s == pytest.approx(0.05)
    assert row.resources == {"gpu": 2.0}
    assert (row.load, row.executors, row.python) == (1.5, [worker.pid], "3.11.7")


def test_tasks_are_listed_by_state_up_to_a_limit(environment: Environment) -> None:
    environment.worker(slots=2)
    client = environment.client()
    tasks = client.submit(client.define("census", priority=3), 5)
    rows = ask(client, list[TaskView], "tasks", "ready")
    assert [row.id for row in rows] == [show_task(TaskId(task)) for task in tasks[2:]]
    assert {(row.name, row.state, row.priority, row.session) for row in rows} == {("census", "ready", 3, 1)}
    assert len(ask(client, list[TaskView], "tasks", limit=4)) == 4
    (row,) = ask(client, list[TaskView], "tasks", "assigned", limit=1)
    assert (row.worker, row.attempt) == ("anna", 1)


def test_the_number_of_workers_in_an_answer_is_bounded(environment: Environment) -> None:
    for number in range(5):
        environment.worker(f"worker-{number}")
    assert len(ask(environment.client(), list[WorkerView], "workers", limit=2)) == 2


def test_a_question_that_cannot_be_meant_is_answered_with_what_can(environment: Environment) -> None:
    client = environment.client()
    assert "known: status, workers, tasks, explain" in ask_in_vain(client, "weather")
    assert "hint: known:" in ask_in_vain(client, "tasks", "asleep")
    assert "not a task id" in ask_in_vain(client, "explain", "17")
    assert "not a task id" in ask_in_vain(client, "explain", "a.b")
    assert "there is no task 1.99" in ask_in_vain(client, "explain", "1.99")


# --- why a task is where it is -------------------------------------------------------------------


def test_a_waiting_task_names_what_it_waits_for(environment: Environment) -> None:
    client = environment.client()
    spec = client.define()
    inputs = client.submit(spec, NAMED_MAX + 2)
    (task,) = client.submit(spec, inputs=[[*inputs, inputs[0]]])
    text = reasons(client, task)
    assert (
        f"waits for {NAMED_MAX + 2} of its inputs: 1.0 (ready), 1.1 (ready), 1.2 (ready) and 2 more" in text
    )


def test_a_postponed_task_says_when_it_is_tried_again(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    (task,) = client.submit(client.define(retries=1, retry_delay_s=30.0))
    worker.fail(task)
    text = reasons(client, task)
    assert "failed 1 times and is tried again in" in text


def test_a_ready_task_without_workers_says_how_to_start_one(environment: Environment) -> None:
    client = environment.client()
    (task,) = client.submit(client.define())
    assert reasons(client, task) == "there is no worker\nstart one: ganger worker --join ADDRESS"


def test_a_task_that_no_worker_can_hold_says_what_it_asks_for_and_what_there_is(
    environment: Environment,
) -> None:
    environment.worker("anna", 2, gpu=1.0)
    environment.worker("bert", 2)
    client = environment.client()
    spec = client.define(resources={"gpu": 2.0}, workers=["anna"])
    client.take(m.Notice)
    text = reasons(client, client.submit(spec)[0])
    assert "no present worker can ever hold it: it asks for gpu 2, only on anna" in text
    assert "worker anna offers 2 slots, gpu 1" in text
    assert text.endswith("worker bert offers 2 slots")


def test_a_ready_task_says_of_each_able_worker_why_not(environment: Environment) -> None:
    busy = environment.worker("busy", memory=8.0)
    pressed, draining = environment.worker("pressed", memory=9.0), environment.worker("draining", memory=8.0)
    away = environment.worker("away", memory=8.0)
    client = environment.client()
    client.submit(client.define("filler"), 4)
    pressed.beat(pressed=True)
    draining.say(m.Draining())
    (task,) = client.submit(client.define("needy", resources={"memory": 8.0}))
    away.disconnect()
    text = reasons(client, task)
    assert "worker busy is busy: 1 attempts on 1 slots" in text
    assert "worker pressed is under memory pressure (1,024 MiB free)" in text
    assert "worker draining is draining" in text
    assert "so it is with 1 more workers" in text
    assert busy.holds


def test_a_worker_that_is_away_or_short_of_a_resource_says_so(environment: Environment) -> None:
    away = environment.worker("away", memory=8.0)
    short = environment.worker("short", 2, memory=8.0)
    client = environment.client()
    spec = client.define(resources={"memory": 5.0})
    client.submit(spec, 2)
    (task,) = client.submit(spec)
    away.disconnect()
    text = reasons(client, task)
    assert "worker away is away; its lease has not ended" in text
    assert "worker short has 3 memory left of 8" in text
    assert len(short.holds) == 1


def test_a_worker_kept_free_for_a_wider_task_says_so(environment: Environment) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    narrow = client.define("narrow")
    tasks = client.submit(narrow, 10)
    (wide,) = client.submit(client.define("wide", resources={"cpu": 2}))
    for _ in range(2):
        worker.succeed(next(iter(worker.holds)), elapsed_ns=20 * MS_NS)
    assert "worker anna is kept free for a wider task" in reasons(client, tasks[-1])
    assert "worker anna is busy" in reasons(client, wide)


def test_a_suspect_says_that_it_will_run_alone(environment: Environment) -> None:
    worker, client = environment.worker(local=True), environment.client()
    (task,) = client.submit(client.define())
    worker.disconnect()
    environment.take_warning("lost")
    bert = environment.worker("bert")
    bert.give_back(task)
    bert.holds.clear()
    bert.beat(pressed=True)
    bert.give_back(task)
    assert "it will run alone" in reasons(client, task)


def test_assigned_and_ended_tasks_say_where_they_are(environment: Environment) -> None:
    worker, client = environment.worker(slots=4), environment.client()
    spec = client.define()
    running, given, done, failed = client.submit(spec, 4)
    (follower,) = client.submit(spec, inputs=[[failed]])
    (cancelled,) = client.submit(spec)
    worker.start(running)
    client.cancel(cancelled)
    worker.fail(failed, retryable=False)
    worker.succeed(done, result=b"x" * 1_234, elapsed_ns=20 * MS_NS)
    assert reasons(client, running) == "attempt 1 runs on worker anna"
    assert reasons(client, given) == "attempt 1 was given to worker anna"
    assert reasons(client, done) == "it succeeded with attempt 1; its result of 1,234 bytes is held"
    assert reasons(client, failed) == "it ended as failed after 1 attempts"
    assert f"because task {show_task(TaskId(failed))}" in reasons(client, follower)
    assert reasons(client, cancelled) == "it ended as cancelled after 0 attempts"


def test_a_task_that_is_next_in_line_says_so(make_environment: Make) -> None:
    environment = make_environment(assigned_bytes_max=10)
    worker, client = environment.worker(slots=2), environment.client()
    first, second = client.submit(client.define(), 2, payload=b"x" * 20)
    assert list(worker.holds) == [first]
    assert reasons(client, second) == "worker anna has room; the task is next in line"
