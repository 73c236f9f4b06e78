"""Whatever an admitted peer says, as long as it can be decoded, the master goes on and serves the others."""

from __future__ import annotations

from collections.abc import Iterable

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from ganger.protocol import messages as m
from ganger.protocol.ids import SEQUENCE_BITS, SEQUENCE_MAX
from ganger.protocol.options import FunctionBody, SpecBody, TaskOptions
from tests.environment.cluster import Environment
from tests.environment.frames import Schema, kinds
from tests.environment.obedient import ObedientClient, ObedientWorker
from tests.environment.peers import FakeClient, FakeWorker

SESSIONS = st.integers(0, 3)
TASKS = st.builds(lambda session, number: session << SEQUENCE_BITS | number, SESSIONS, st.integers(0, 6))
NUMBERS = st.one_of(
    st.integers(-1, 8),
    TASKS,
    st.sampled_from(
        [SEQUENCE_MAX, SEQUENCE_MAX + 1, (1 << 24) - 1, 1 << 24, (1 << 63) - 1, -(1 << 63), (1 << 64) - 1]
    ),
)
AMOUNTS = st.floats() | st.sampled_from([0.0, 1.0, 2.0, 0.5])
NAMES = st.sampled_from(
    ["", "cpu", "memory", "gpu", "honest", "hostile", "status", "workers", "tasks", "explain", "1.0"]
)
BYTES = st.sampled_from([b"", b"code", b"x" * 30])
TELLING = Schema({int: NUMBERS, float: AMOUNTS, str: NAMES | st.text(max_size=3), bytes: BYTES})

OPTIONS = st.builds(
    TaskOptions,
    retries=NUMBERS,
    losses_max=NUMBERS,
    retry_delay_s=AMOUNTS,
    retry_delay_max_s=AMOUNTS,
    timeout_s=AMOUNTS,
    repeatable=st.booleans(),
    priority=NUMBERS,
    concurrency=NUMBERS,
    resources=st.dictionaries(NAMES, AMOUNTS, max_size=2),
    workers=st.lists(st.sampled_from(["hostile", "nobody"]), max_size=2),
)
MODEST_OPTIONS = st.builds(TaskOptions, concurrency=st.integers(1, 3), priority=st.integers(-1, 1))
DEFINES = st.builds(
    m.Define,
    st.lists(st.builds(FunctionBody, BYTES, BYTES), max_size=2),
    st.lists(
        st.builds(SpecBody, st.integers(0, 3) | NUMBERS, BYTES, NAMES, OPTIONS | MODEST_OPTIONS), max_size=2
    ),
)
GROUPS = st.builds(
    m.TaskGroup,
    st.integers(0, 3),
    st.integers(0, 6) | NUMBERS,
    st.lists(BYTES, max_size=3),
    st.none() | st.lists(st.lists(TASKS, max_size=2), max_size=3),
)
FROM_CLIENT = st.one_of(
    DEFINES, st.builds(m.Submit, st.lists(GROUPS, max_size=3)), *map(TELLING.values_of, kinds(m.FromClient))
)
REPORTS = st.builds(
    m.Report,
    st.integers(0, 9) | NUMBERS,
    st.lists(
        st.builds(m.DoneGroup, NUMBERS, st.lists(TASKS, max_size=3), st.lists(BYTES, max_size=3), NUMBERS),
        max_size=2,
    ),
    st.lists(
        st.builds(
            m.Failure,
            TASKS,
            st.integers(0, 2),
            st.sampled_from(["crash", "exception", "?"]),
            st.booleans(),
            BYTES,
        ),
        max_size=2,
    ),
    st.lists(TASKS, max_size=3),
    NUMBERS,
)
FROM_WORKER = st.one_of(REPORTS, *map(TELLING.values_of, kinds(m.FromWorker)))
OFFERS = st.builds(
    m.WorkerOffer,
    st.sampled_from(["hostile", "", "x" * 300]),
    st.sampled_from([1, 2, 0, -1, 1 << 40]),
    st.dictionaries(NAMES, AMOUNTS, max_size=2),
    st.lists(NAMES, max_size=1),
)


class HostileClient(FakeClient):
    """Listens to nothing but its welcome."""

    def absorb(self, messages: Iterable[object]) -> None:
        super().absorb(message for message in messages if isinstance(message, m.Welcome))


class HostileWorker(FakeWorker):
    """Listens to nothing at all."""

    def absorb(self, messages: Iterable[object]) -> None:
        del messages


class Stage:
    """An honest worker and client, a hostile worker and client, and their master."""

    def __init__(self) -> None:
        self.environment = Environment(batch_events_max=3, cascade_tasks_max=3, result_window_bytes=50)
        self.worker = ObedientWorker(self.environment, "honest", 2, {}, 1)
        self.client = ObedientClient(self.environment, "honest", [{"workers": ["honest"], "priority": 9}])
        self.hostile_worker = HostileWorker(self.environment, "hostile", 2, {"gpu": 1.0}, 2)
        self.hostile_client = HostileClient(self.environment, "hostile")
        self.environment.peers += [self.worker, self.client, self.hostile_worker, self.hostile_client]
        for peer in (self.worker, self.client, self.hostile_client, self.hostile_worker):
            peer.join()
        for name in ("work", "more"):
            self.hostile_client.define(name)
        self.hostile_client.submit(1, 3)

    def client_says(self, message: object) -> None:
        if not self.hostile_client.connected:
            self.hostile_client.join()
        self.hostile_client.say(message)
        self.environment.run()

    def worker_says(self, message: object, offer: m.WorkerOffer) -> None:
        if not self.hostile_worker.connected:
            self.hostile_worker.offer = offer
            self.hostile_worker.connect()
        self.hostile_worker.say(message)
        self.environment.run()

    def check_that_the_honest_are_served(self) -> None:
        assert self.client.connected
        assert self.worker.connected
        self.client.call(1, 3, None)
        self.environment.run()
        for _ in range(3):
            if self.worker.holds:
                self.worker.report(dict.fromkeys(self.worker.holds, b"served"))
        assert list(self.client.results.values()) == [b"served"] * 3


@settings(max_examples=100)
@given(st.lists(st.tuples(FROM_CLIENT | FROM_WORKER, OFFERS), min_size=1, max_size=6))
def test_no_message_of_an_admitted_peer_harms_the_master_or_the_others(
    said: list[tuple[object, m.WorkerOffer]],
) -> None:
    stage = Stage()
    for message, offer in said:
        if isinstance(message, m.DrainWorkers | m.CancelTasks):
            continue  # tools of every client: that they reach others is what they are for
        if isinstance(message, m.Goodbye) or not isinstance(message, kinds(m.FromWorker)):
            stage.client_says(message)
        else:
            stage.worker_says(message, offer)
    stage.check_that_the_honest_are_served()
    stage.environment.pump.flush()
    stage.environment.check_replay()
    stage.environment.check_image()


@pytest.mark.parametrize("sequence", [2 << SEQUENCE_BITS, -1, SEQUENCE_MAX + 1])
def test_a_client_does_not_reach_the_tasks_of_another(sequence: int) -> None:
    stage = Stage()
    stage.client.call(1, 1, None)
    stage.environment.run()
    reach = sequence | stage.client.session << SEQUENCE_BITS
    for message in (m.Cancel([sequence]), m.Fetch([sequence]), m.Cancel([reach]), m.Fetch([reach])):
        stage.client_says(message)
        assert not stage.hostile_client.connected
    assert stage.client.cancelled == set()


def test_tools_reach_the_tasks_of_all(environment: Environment) -> None:
    client, tool = environment.client("carl"), environment.client("tool")
    (task,) = client.submit(client.define())
    tool.say(m.CancelTasks(1, [task, task, -1, (1 << 64) - 1]))
    assert tool.take(m.Answer).error == ""
    assert client.cancelled == {task}
