"""Each check of the invariants sees the state that it is there for; a check that cannot fail proves nothing."""

from collections.abc import Callable

import pytest

from ganger.core.context import Context
from ganger.core.invariants import agent_violations, idle_room, violations
from ganger.core.lifecycle import State
from ganger.core.roster import Worker
from ganger.core.slots import Attempt, Slot
from ganger.core.tasks import Task
from ganger.core.worker import WorkerCore
from ganger.protocol.ids import ConnectionId
from tests.environment.agent import US_NS, AgentEnvironment
from tests.environment.cluster import Environment


class Scene:
    """A master with a task in each state, and names for them."""

    def __init__(self) -> None:
        self.environment = Environment()
        self.fake = self.environment.worker(slots=3, memory=4.0)
        client = self.environment.client()
        spec = client.define(retries=1, retry_delay_s=60.0, resources={"memory": 1.0})
        failed, postponed, done, self.assigned_id = client.submit(spec, 4)
        self.fake.fail(failed, retryable=False)
        self.fake.fail(postponed)
        self.fake.succeed(done)
        waiting, needs_done = client.submit(spec, 2, inputs=[[self.assigned_id], [done]])
        filler = client.submit(spec, 1)
        (ready,) = client.submit(spec)
        task = self.environment.task
        self.failed, self.postponed, self.done = task(failed), task(postponed), task(done)
        self.assigned, self.waiting, self.ready = task(self.assigned_id), task(waiting), task(ready)
        self.needs_done, self.filler = task(needs_done), task(filler[0])
        self.context: Context = self.environment.master.context
        self.ledger, self.roster = self.context.ledger, self.context.roster
        self.worker: Worker = self.roster.workers["anna"]
        self.session = self.ledger.sessions[1]


Corruption = Callable[[Scene], object]


def put(target: object, **values: object) -> None:
    for name, value in values.items():
        setattr(target, name, value)


def forget(task: Task, scene: Scene) -> None:
    del scene.ledger.tasks[task.id]


# What is done to the scene, and what the checks must say then.
CORRUPTIONS: list[tuple[Corruption, str]] = [
    (lambda scene: put(scene.ledger, waiting=9), "waiting says 9, there are 2"),
    (lambda scene: put(scene.ledger, payload_bytes=1), "payload_bytes says 1"),
    (lambda scene: put(scene.ledger, result_bytes=1), "result_bytes says 1"),
    (lambda scene: put(scene.ledger.totals, submitted=99), "unfinished says"),
    (lambda scene: scene.ready.spec.ready.tasks.clear(), "(ready) is in no queue"),
    (lambda scene: put(scene.ready, suspect=True), "(ready) is in no queue"),
    (lambda scene: put(scene.postponed, ready_at_ns=0), "waits for nothing"),
    (lambda scene: scene.ledger.due.clear(), "is postponed and in no heap"),
    (lambda scene: forget(scene.assigned, scene), "needs 1.3, which is gone"),
    (lambda scene: put(scene.waiting, unmet=2), "counts 2 unmet inputs, there are 1"),
    (lambda scene: put(scene.assigned, dependents=None), "does not know its dependent 1.4"),
    (lambda scene: put(scene.assigned, state=State.FAILED, payload=b"", origin=1), "does not follow"),
    (lambda scene: put(scene.done, holds=5), "counts 5 holds, there are 1"),
    (lambda scene: put(scene.ready, result=b"early"), "has not ended and has a result"),
    (lambda scene: put(scene.done, payload=b"late"), "has ended and keeps its arguments"),
    (lambda scene: put(scene.failed, released=True), "is released, needed by nobody and still there"),
    (lambda scene: put(scene.failed, origin=0), "does not say whose failure it was"),
    (lambda scene: put(scene.session, closed=True), "is closed and has a key, or neither"),
    (lambda scene: put(scene.session, closed=True), "is closed and nobody dissolves it"),
    (lambda scene: scene.ledger.session_keys.clear(), "is closed and has a key, or neither"),
    (lambda scene: scene.ledger.functions.clear(), "of session 1 is not in the ledger"),
    (lambda scene: scene.ledger.sessions.clear(), "belongs to no session"),
    (lambda scene: put(scene.session, accepted=set()), "was never accepted"),
    (lambda scene: scene.worker.assigned.add(12345), "a worker holds 0.12345, which is gone"),
    (lambda scene: scene.roster.workers.update(bert=scene.worker), "is with 2 workers"),
    (lambda scene: put(scene.assigned, worker="bert"), "is not with worker 'bert'"),
    (lambda scene: scene.worker.assigned.clear(), "is not with worker 'anna'"),
    (lambda scene: scene.worker.assigned.add(scene.ready.id), "(ready) is with a worker"),
    (lambda scene: scene.worker.counts.clear(), "counts nothing, it holds work: 3"),
    (lambda scene: put(scene.worker, used_slots=1), "used_slots says 1, there are 3"),
    (lambda scene: put(scene.worker, assigned_bytes=-1), "counts -1 bytes for 3 attempts"),
    (lambda scene: scene.worker.free.update(memory=4.0), "has 1 memory left, it counts 4"),
    (lambda scene: put(scene.worker, connection=ConnectionId(77)), "leads to a peer on connection 77"),
    (lambda scene: scene.roster.by_connection.clear(), "leads elsewhere"),
]


def test_the_scene_is_sound() -> None:
    scene = Scene()
    assert violations(scene.context) == []
    assert idle_room(scene.context) == []
    assert {task.state for task in scene.ledger.tasks.values()} == set(State) - {
        State.RUNNING,
        State.CANCELLED,
    }


@pytest.mark.parametrize(("corrupt", "words"), CORRUPTIONS, ids=[words for _, words in CORRUPTIONS])
def test_a_corrupted_master_is_noticed(corrupt: Corruption, words: str) -> None:
    scene = Scene()
    corrupt(scene)
    assert words in "\n".join(violations(scene.context))


def test_a_worker_that_is_away_may_be_counted_without_its_resources() -> None:
    scene = Scene()
    scene.fake.disconnect()
    scene.worker.free.clear()
    assert violations(scene.context) == []


# --- room ----------------------------------------------------------------------------------------


def idle(change: Corruption) -> list[str]:
    scene = Scene()
    scene.worker.slots = 4
    change(scene)
    return idle_room(scene.context)


def test_a_ready_task_beside_a_free_slot_is_noticed() -> None:
    assert idle(lambda scene: None) == ["task 1.7 waits while worker anna has room for it"]


@pytest.mark.parametrize(
    "excuse",
    [
        lambda scene: put(scene.worker, draining=True),
        lambda scene: put(scene.worker, slots=3),
        lambda scene: put(scene.worker, stalled=4),
        lambda scene: put(scene.worker, assigned_bytes=1 << 40),
        lambda scene: scene.worker.free.update(memory=0.5),
        lambda scene: put(scene.worker, reserved=scene.context.ledger.ready.queue(scene.ready.spec.shape, 9)),
    ],
    ids=["draining", "full", "stalled", "full of bytes", "short of memory", "kept free"],
)
def test_a_worker_may_have_a_reason(excuse: Corruption) -> None:
    def corrupt(scene: Scene) -> None:
        excuse(scene)
        if scene.worker.reserved is not None:
            scene.worker.reserved.tasks.append(scene.ready)

    found = idle(corrupt)
    assert [line for line in found if "1.7" not in line] == []
    assert len(found) <= 1


def test_a_worker_kept_free_for_nothing_is_noticed() -> None:
    def corrupt(scene: Scene) -> None:
        scene.worker.reserved = scene.ledger.ready.queue(scene.ready.spec.shape, 9)

    assert len(idle(corrupt)) == 1


# --- the agent -----------------------------------------------------------------------------------


def busy_agent() -> AgentEnvironment:
    agent = AgentEnvironment(2, 1)
    agent.teach_cost(elapsed_ns=100 * US_NS)
    agent.teach_cost("other", elapsed_ns=100 * US_NS)
    agent.assign(1, 2, 3)
    agent.assign(4, name="train", resources={"gpu": 1.0})
    return agent


def first(slot: Slot) -> Attempt:
    return next(iter(slot.out.values()))


def put_together(core: WorkerCore, **changes: object) -> None:
    """Both calls of an executor change their spec."""
    for attempt in core.slots[0].out.values():
        put(attempt.spec, **changes)


AGENT_CORRUPTIONS: list[tuple[Callable[[WorkerCore], object], str]] = [
    (lambda core: core.slots[0].counts.clear(), "executor 0 counts 0 calls, it has 2"),
    (lambda core: put(core.slots[0], ready=False), "was sent calls before it was ready"),
    (lambda core: put(core.slots[0], sent=0), "has calls that it was never sent"),
    (lambda core: put(first(core.slots[0]), alone=True), "has an attempt that must be alone and 1 more"),
    (lambda core: put_together(core, together=False, concurrency=1), "which allows 1"),
    (lambda core: core.queue.appendleft(first(core.slots[0])), "is held more than once"),
    (lambda core: put(core.slots[0], devices=(0,)), "device 0 is held 2 times"),
    (lambda core: core.slots[1].out.clear(), "executor 1 has nothing to do while task 4 waits"),
]


def test_a_busy_agent_is_sound() -> None:
    assert agent_violations(busy_agent().core) == []


@pytest.mark.parametrize(
    ("corrupt", "words"), AGENT_CORRUPTIONS, ids=[words for _, words in AGENT_CORRUPTIONS]
)
def test_a_corrupted_agent_is_noticed(corrupt: Callable[[WorkerCore], object], words: str) -> None:
    core = busy_agent().core
    corrupt(core)
    if "nothing to do" in words:
        core.queue[0].spec.gpus = 0
    assert words in "\n".join(agent_violations(core))


def test_calls_of_different_functions_that_may_not_mix_are_noticed() -> None:
    agent = AgentEnvironment(1)
    agent.teach_cost(elapsed_ns=100 * US_NS)
    agent.teach_cost("other", elapsed_ns=100 * US_NS)
    agent.assign(1)
    agent.assign(2, name="other")
    agent.core.specs[1].together = False
    assert "mixes calls" in "\n".join(agent_violations(agent.core))


def test_a_call_without_its_devices_is_noticed() -> None:
    agent = AgentEnvironment(1, 1)
    agent.assign(1, name="train", resources={"gpu": 1.0})
    agent.core.slots[0].devices = ()
    assert "runs train with 0 devices" in "\n".join(agent_violations(agent.core))
