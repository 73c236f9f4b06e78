"""Clients, master and agents together: every future ends once and with the right value, whatever breaks between.

A value is told by the calls that made it, so a value that went to the wrong place, an attempt that took other
inputs, or a result that was lost and made up shows in the end.
"""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from ganger.core.client import ClientSpec
from ganger.protocol.calls import FAILURE, RETRYABLE, SUCCESS
from ganger.protocol.options import FunctionBody, SpecBody, TaskOptions
from tests.environment.client import FakeFuture
from tests.environment.simulation import Agent, Client, Simulation, Wire

CATALOGUE = [
    ("plain", TaskOptions()),
    ("stubborn", TaskOptions(retries=3, retry_delay_s=0.1)),
    ("once", TaskOptions(repeatable=False)),
    ("fetch", TaskOptions(concurrency=3)),
    ("urgent", TaskOptions(priority=5)),
    ("limited", TaskOptions(timeout_s=1.0, retries=1, retry_delay_s=0.1)),
]
KINDS = st.sampled_from([SUCCESS, SUCCESS, SUCCESS, RETRYABLE, FAILURE])
RARELY = st.integers(0, 3).map(lambda number: number == 3)


class ThreeCores(RuleBasedStateMachine):
    """Two clients, two agents and a master; each rule moves one thing."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Simulation(cascade_tasks_max=3, session_credit_tasks=12, result_window_bytes=2_000)
        self.world.clients = [Client(self.world, name) for name in ("carl", "dora")]
        self.world.agents = [Agent(self.world, name, slots) for name, slots in (("anna", 2), ("bert", 1))]
        self.specs = {client: self.specs_of(client) for client in self.world.clients}
        self.futures: dict[Client, list[FakeFuture]] = {client: [] for client in self.world.clients}
        self.expected: dict[int, bytes] = {}
        self.made = 0
        for peer in [*self.world.agents, *self.world.clients]:
            peer.connect()

    def specs_of(self, client: Client) -> list[ClientSpec]:
        specs = []
        for number, (name, options) in enumerate(CATALOGUE, 1):
            function = FunctionBody(name.encode(), b"code")
            specs.append(ClientSpec(number, function, SpecBody(number, function.digest, name, options)))
        return specs

    def client(self, data: st.DataObject) -> Client:
        return data.draw(st.sampled_from(self.world.clients))

    def agent(self, data: st.DataObject) -> Agent:
        return data.draw(st.sampled_from(self.world.agents))

    def some_future(self, data: st.DataObject, client: Client, *states: str) -> FakeFuture | None:
        found = [future for future in self.futures[client] if future.state in states]
        return data.draw(st.sampled_from(found)) if found else None

    # --- clients ---------------------------------------------------------------------------------

    @rule(data=st.data(), number=st.integers(0, len(CATALOGUE) - 1), count=st.integers(1, 4))
    def submit(self, data: st.DataObject, number: int, count: int) -> None:
        client = self.client(data)
        for _ in range(count):
            self.made += 1
            takes = (
                st.lists(st.sampled_from(self.futures[client][-5:]), max_size=2)
                if self.futures[client]
                else st.just([])
            )
            inputs = [future for future in data.draw(takes) if future.state not in ("cancelled", "dropped")]
            payload = b"%s-%d" % (CATALOGUE[number][0].encode(), self.made)
            pinned = [future for future in inputs if not (future.released and future.state == "succeeded")]
            values = b",".join(self.expected[id(future)] for future in pinned)
            future = client.shell.call(self.specs[client][number], *pinned, payload=payload)
            self.expected[id(future)] = b"%s(%s)" % (payload, values)
            self.futures[client].append(future)
        client.flush()

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        client = self.client(data)
        future = self.some_future(data, client, "pending", "running")
        if future is not None and client.welcomed:
            client.cancel(future)

    @rule(data=st.data())
    def fetch(self, data: st.DataObject) -> None:
        client = self.client(data)
        future = self.some_future(data, client, "kept")
        if future is not None:
            client.fetch(future)

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        client = self.client(data)
        future = self.some_future(data, client, "kept", "failed", "cancelled")
        if future is not None and not future.pins:
            client.drop(future)
            future.state = "dropped"

    # --- wires -----------------------------------------------------------------------------------

    def wire(self, data: st.DataObject) -> Wire | None:
        wires = sorted(self.world.wires)
        return self.world.wires[data.draw(st.sampled_from(wires))] if wires else None

    @rule(data=st.data(), count=st.integers(1, 5))
    def messages_arrive_at_the_master(self, data: st.DataObject, count: int) -> None:
        wire = self.wire(data)
        for _ in range(count if wire is not None else 0):
            self.world.deliver_up(wire)  # type: ignore[arg-type]

    @rule(data=st.data(), count=st.integers(1, 5))
    def messages_arrive_at_a_peer(self, data: st.DataObject, count: int) -> None:
        wire = self.wire(data)
        for _ in range(count if wire is not None else 0):
            if wire.number in self.world.wires:  # type: ignore[union-attr]
                self.world.deliver_down(wire)  # type: ignore[arg-type]

    @rule(data=st.data(), really=RARELY)
    def a_wire_is_cut(self, data: st.DataObject, really: bool) -> None:
        wire = self.wire(data)
        if really and wire is not None:
            self.world.cut(wire)

    @rule()
    def those_without_a_wire_connect(self) -> None:
        for peer in [*self.world.agents, *self.world.clients]:
            if peer.wire is None:
                peer.connect()

    # --- executors and processes -----------------------------------------------------------------

    @rule(data=st.data(), slot=st.integers(0, 1), count=st.integers(1, 4))
    def an_executor_works(self, data: st.DataObject, slot: int, count: int) -> None:
        agent = self.agent(data)
        slot %= agent.slots
        for _ in range(count):
            agent.begin_call(slot)
            agent.end_call(slot, SUCCESS)
        agent.look(slot)

    @rule(data=st.data(), slot=st.integers(0, 1))
    def an_executor_begins_a_call(self, data: st.DataObject, slot: int) -> None:
        agent = self.agent(data)
        agent.begin_call(slot % agent.slots)

    @rule(data=st.data(), slot=st.integers(0, 1), kind=KINDS)
    def an_executor_ends_a_call(self, data: st.DataObject, slot: int, kind: int) -> None:
        agent = self.agent(data)
        agent.end_call(slot % agent.slots, kind)

    @rule(data=st.data())
    def an_agent_looks(self, data: st.DataObject) -> None:
        self.agent(data).tick()

    @rule(data=st.data(), slot=st.integers(0, 1), really=RARELY)
    def an_executor_dies(self, data: st.DataObject, slot: int, really: bool) -> None:
        agent = self.agent(data)
        if really:
            agent.kill_executor(slot % agent.slots)

    @rule(data=st.data(), really=RARELY)
    def an_agent_dies_and_another_takes_its_place(self, data: st.DataObject, really: bool) -> None:
        agent = self.agent(data)
        if not really:
            return
        if agent.wire is not None:
            self.world.cut(agent.wire)
        agent.begin()

    @rule(duration_s=st.sampled_from([0.000_2, 0.003, 0.02, 0.3, 1.2]))
    def time_passes(self, duration_s: float) -> None:
        self.world.pass_time(duration_s)

    @rule(really=RARELY)
    def the_master_is_killed(self, really: bool) -> None:
        if really:
            self.world.restart()

    # --- peace -----------------------------------------------------------------------------------

    @rule(rounds=st.integers(1, 3))
    def all_messages_arrive(self, rounds: int) -> None:
        self.those_without_a_wire_connect()
        for _ in range(rounds):
            self.world.deliver_all()

    @rule(data=st.data(), kinds=st.lists(KINDS, min_size=1, max_size=3))
    def all_executors_work_a_little(self, data: st.DataObject, kinds: list[int]) -> None:
        for agent in self.world.agents:
            for slot in range(agent.slots):
                agent.begin_call(slot)
                for kind in kinds:
                    agent.end_call(slot, kind)
                    agent.begin_call(slot)
            agent.tick()
        self.world.deliver_all()

    # --- the end ---------------------------------------------------------------------------------

    def teardown(self) -> None:
        self.world.settle()
        for client in self.world.clients:
            for future in self.futures[client]:
                if future.state == "kept":
                    client.fetch(future)
        self.world.settle()
        self.check_futures()
        for client in self.world.clients:
            for future in self.futures[client]:
                if future.state in ("failed", "cancelled", "dropped") and future.task >= 0:
                    client.drop(future)
        self.world.settle()
        ledger = self.world.master.context.ledger
        assert ledger.tasks == {}
        assert (ledger.payload_bytes, ledger.result_bytes, ledger.waiting) == (0, 0, 0)

    def check_futures(self) -> None:
        for future in [each for futures in self.futures.values() for each in futures]:
            assert future.state in ("succeeded", "failed", "cancelled", "dropped"), f"{future} did not end"
            if future.state == "succeeded":
                assert future.content == self.expected[id(future)]
        for payload, count in self.world.starts.items():
            assert count == 1 or not payload.startswith(b"once"), f"{payload!r} was started {count} times"


def test_every_future_ends_once_and_with_the_right_value() -> None:
    run_state_machine_as_test(ThreeCores, settings=settings(max_examples=50, stateful_step_count=80))


@pytest.mark.long
def test_every_future_ends_once_and_with_the_right_value_in_many_stories() -> None:
    run_state_machine_as_test(ThreeCores, settings=settings(stateful_step_count=100))
