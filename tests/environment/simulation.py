"""The three cores joined by wires that a test controls: clients, a master with its pump and journal, agents.

Nothing moves by itself. A wire delivers when it is told, in order, or breaks and loses what is on it; an executor
starts or ends a call when it is told; time passes when it is told. Everything that is said goes through the codec.
"""

from __future__ import annotations

from collections import deque

from ganger.config import ClientSettings, MasterSettings, WorkerSettings
from ganger.core.client import Succeeded, Turned
from ganger.core.events import Connected, Disconnected, Received
from ganger.core.invariants import agent_violations, violations
from ganger.core.master import Master
from ganger.core.recovery import recover
from ganger.core.worker import (
    AgentEvent,
    Assigned,
    Collected,
    ExecutorExited,
    ExecutorReady,
    ExecutorStarted,
    Revoked,
    Ticked,
    WorkerCore,
)
from ganger.core.worker_effects import (
    AgentEffect,
    EndExecutor,
    LeaveCluster,
    Revoke,
    StartExecutor,
    ToExecutor,
    ToMaster,
)
from ganger.protocol import messages as m
from ganger.protocol.calls import FAILURE, RETRYABLE, SKIPPED, STOPPED, SUCCESS, Finished
from ganger.protocol.codec import (
    decode_from_client,
    decode_from_worker,
    decode_records,
    decode_to_client,
    decode_to_executor,
    decode_to_worker,
    encode,
    encode_records,
)
from ganger.protocol.ids import SEQUENCE_MAX, ConnectionId
from ganger.runtime.pump import Pump
from tests.environment.agent import FakeExecutor
from tests.environment.client import ClientEnvironment, FakeFuture
from tests.environment.world import SECOND_NS, FakeClock, FakeJournal, FakeTimers

RUNTIME = m.Runtime("3.11.7", "0.1.0", "a-host", 1)
ROUNDS_MAX = 3_000


class Wire:
    """One connection: what is on its way in either direction."""

    def __init__(self, number: int, peer: Agent | Client) -> None:
        self.number = ConnectionId(number)
        self.peer = peer
        self.up: deque[object] = deque()
        self.down: deque[object] = deque()
        self.closing = False


class Client:
    """A client's core with its wire and its futures."""

    def __init__(self, world: Simulation, name: str) -> None:
        self.world = world
        self.key = name.encode().ljust(16, b"-")
        self.wire: Wire | None = None
        self.welcomed = False
        self.shell = ClientEnvironment(connected=False, message_tasks_max=3)
        self.shell.core.settings = ClientSettings(message_tasks_max=3)

    def connect(self) -> None:
        self.welcomed = False
        hello = m.Hello(m.PROTOCOL_VERSION, "client", RUNTIME, b"n" * 16, b"", 0, session=self.key)
        self.wire = self.world.connect(self, hello)

    def lose_wire(self) -> None:
        self.wire, self.welcomed = None, False

    def say(self, message: object) -> None:
        if self.wire is not None and self.welcomed:
            self.wire.up.append(decode_from_client(encode(message)))

    def flush(self) -> None:
        if self.welcomed:
            for message in self.shell.flush():
                self.say(message)

    def hear(self, body: object) -> None:
        message = decode_to_client(encode(body))
        match message:
            case m.Welcome():
                self.welcomed = True
                sent, lost = self.shell.core.welcome(message)
                assert not lost, "a durable master knows its sessions"
                for each in sent:
                    self.say(each)
            case m.Accepted():
                self.shell.core.on_accepted(message)
            case m.Results():
                self._succeed(self.shell.core.on_results(message))
            case m.Failures():
                self.shell.failures(dict(zip(message.sequences, message.errors, strict=True)))
            case m.Rejected():
                self.shell.reject(message.first, message.last)
            case m.Kept() | m.Cancelled() | m.Running():
                self._turn(message)
        self.flush()

    def _succeed(self, outcome: Succeeded) -> None:
        for handle, payload in zip(outcome.handles, outcome.payloads, strict=True):
            assert isinstance(handle, FakeFuture)
            handle.state, handle.content = "succeeded", payload

    def _turn(self, message: m.Kept | m.Cancelled | m.Running) -> None:
        core = self.shell.core
        outcome = core.on_running(message) if isinstance(message, m.Running) else core.on_turned(message)
        assert isinstance(outcome, Turned)
        for handle in outcome.handles:
            assert isinstance(handle, FakeFuture)
            handle.state = outcome.state

    def cancel(self, future: FakeFuture) -> None:
        """As the engine does it: the future is cancelled at once, whatever the master will say."""
        self.flush()
        if future.task < 0:
            return
        self.say(m.Cancel([future.task & SEQUENCE_MAX]))
        self.shell.core.pending.pop(future.task & SEQUENCE_MAX, None)
        future.state = "cancelled"

    def fetch(self, future: FakeFuture) -> None:
        future.state = "fetching"
        assert self.shell.core.refetch(future)  # type: ignore[arg-type]
        self.say(m.Fetch([future.task & SEQUENCE_MAX]))

    def drop(self, future: FakeFuture) -> None:
        """A future whose result is held at the master goes out of scope."""
        self.shell.core.drop([future.task])
        self.flush()


class Agent:
    """An agent's core with its wire and its executors."""

    def __init__(self, world: Simulation, name: str, slots: int) -> None:
        self.world = world
        self.name = name
        self.slots = slots
        self.wire: Wire | None = None
        self.epoch = 0
        self.begin()

    def begin(self) -> None:
        """A new process."""
        self.core = WorkerCore(self.slots, 0, WorkerSettings(cancel_grace_s=0.5))
        self.executors: dict[int, FakeExecutor] = {}
        self.epoch = 0
        self.left = False
        self._apply(self.core.begin())
        for number in range(self.slots):
            self._ready(number)

    def _ready(self, number: int) -> None:
        self.step(ExecutorStarted(number, number + 1))
        self.step(ExecutorReady(number))

    def connect(self) -> None:
        offer = m.WorkerOffer(self.name, self.slots, {}, ["python"])
        hello = m.Hello(m.PROTOCOL_VERSION, "worker", RUNTIME, b"n" * 16, b"", self.epoch, offer=offer)
        self.wire = self.world.connect(self, hello)

    def lose_wire(self) -> None:
        self.wire = None
        self.core.disconnected()

    def hear(self, body: object) -> None:
        message = decode_to_worker(encode(body))
        if isinstance(message, m.Welcome):
            self.epoch = message.epoch
        if not isinstance(message, m.Pong):
            self.step(Assigned(message))  # type: ignore[arg-type]

    def beat(self) -> None:
        if self.wire is not None and self.core.connected:
            self.wire.up.append(m.Beat(0.0, 1 << 30, False, self.core.stalled, [], 0))

    def step(self, event: AgentEvent) -> None:
        self._apply(self.core.step(event, self.world.clock.monotonic_ns))
        self._apply(self.core.flush())
        found = agent_violations(self.core)
        assert not found, "\n".join(found)

    def _apply(self, effects: list[AgentEffect]) -> None:
        for effect in effects:
            match effect:
                case ToMaster():
                    if self.wire is not None:
                        self.wire.up.append(decode_from_worker(encode(effect.message)))
                case ToExecutor():
                    self.executors[effect.slot].take(decode_to_executor(encode(effect.message)))
                case Revoke():
                    executor = self.executors[effect.slot]
                    executor.revoked = (effect.first, effect.last)
                    looked = self._take_finished(effect.slot)
                    event = Revoked(effect.slot, effect.last, looked, executor.started, executor.started_ns)
                    self._apply(self.core.step(event, self.world.clock.monotonic_ns))
                case StartExecutor():
                    self.executors[effect.slot] = FakeExecutor()
                case EndExecutor():
                    self.executors[effect.slot].asked_to_end = True
                case LeaveCluster():
                    self.left = True

    def _take_finished(self, slot: int) -> list[Finished]:
        finished, self.executors[slot].finished = self.executors[slot].finished, []
        return finished

    # --- executors -------------------------------------------------------------------------------

    def look(self, slot: int) -> None:
        executor = self.executors[slot]
        self.step(Collected(slot, self._take_finished(slot), executor.started, executor.started_ns))

    def tick(self) -> None:
        for slot in [slot.number for slot in self.core.busy_slots]:
            self.look(slot)
        self.step(Ticked())

    def begin_call(self, slot: int) -> None:
        """The executor starts its next call, or says that it skips it."""
        executor = self.executors[slot]
        if not executor.waiting or (executor.running and not self._shares(slot)):
            return
        index = next(iter(executor.waiting))
        payload = executor.waiting.pop(index)
        executor.started, executor.started_ns = index, self.world.clock.monotonic_ns
        first, last = executor.revoked
        if first <= index <= last:
            executor.finished.append(Finished(index, SKIPPED, 0, b""))
        else:
            executor.running[index] = payload
            self.world.note_start(payload)

    def _shares(self, slot: int) -> bool:
        """Whether its calls are coroutines, as the agent's own book says."""
        return any(attempt.spec.concurrency > 1 for attempt in self.core.slots[slot].out.values())

    def end_call(self, slot: int, kind: int) -> None:
        """A call ends; its value is told by its arguments alone."""
        executor = self.executors[slot]
        if not executor.running:
            return
        index = next(iter(executor.running))
        payload = executor.running.pop(index)
        stopped = index in executor.cancelled
        kind = STOPPED if stopped else kind
        value = b"%s(%s)" % (payload, b",".join(executor.inputs[index]))
        body = value if kind == SUCCESS else b"error of " + payload
        assert kind in (SUCCESS, FAILURE, RETRYABLE, STOPPED)
        executor.finished.append(Finished(index, kind, 10_000, body))

    def kill_executor(self, slot: int) -> None:
        """The process dies; what it had published is read first."""
        self.look(slot)
        del self.executors[slot]
        self.step(ExecutorExited(slot, -9, 0))
        self._ready(slot)


class Simulation:
    """A cluster without a clock, a network or a disk of its own.

    Attributes:
        starts: How often each call was really started, by its payload.
    """

    def __init__(self, **limits: object) -> None:
        self.settings = MasterSettings(**limits)  # type: ignore[arg-type]
        self.clock = FakeClock()
        self.wires: dict[int, Wire] = {}
        self.count = 0
        self.starts: dict[bytes, int] = {}
        self.clients: list[Client] = []
        self.agents: list[Agent] = []
        self._open_master([])

    def _open_master(self, batches: list[bytes]) -> None:
        self.wires.clear()
        self.journal = FakeJournal(batches)
        self.timers = FakeTimers()
        self.master = Master(self.settings, RUNTIME, "in memory")
        epoch = recover(self.master, map(decode_records, self.journal.replay()), self.clock.now())
        self.journal.start(epoch.epoch, encode_records([epoch]))
        self.pump = Pump(
            self.master,
            self.journal,
            self,
            self.clock,
            self.timers,
            lambda *_: None,
            self.settings.batch_events_max,
        )
        self.pump.turn()

    def note_start(self, payload: bytes) -> None:
        self.starts[payload] = self.starts.get(payload, 0) + 1

    # --- the pump's transport --------------------------------------------------------------------

    def send(self, connection: ConnectionId, message: object) -> None:
        wire = self.wires.get(connection)
        if wire is not None and not wire.closing:
            wire.down.append(message)

    def close(self, connection: ConnectionId) -> None:
        wire = self.wires.get(connection)
        if wire is not None:
            wire.closing = True

    # --- wires -----------------------------------------------------------------------------------

    def connect(self, peer: Agent | Client, hello: m.Hello) -> Wire:
        self.count += 1
        wire = self.wires[self.count] = Wire(self.count, peer)
        wire.up.append(hello)
        return wire

    def cut(self, wire: Wire) -> None:
        """The connection breaks: what is on it is lost, and both sides notice."""
        del self.wires[wire.number]
        self.pump.offer(Disconnected(wire.number))
        if wire.peer.wire is wire:
            wire.peer.lose_wire()
        self.turn()

    def deliver_up(self, wire: Wire) -> None:
        if not wire.up:
            return
        message = wire.up.popleft()
        if isinstance(message, m.Hello):
            self.pump.offer(Connected(wire.number, message, b"", False))
        else:
            self.pump.offer(Received(wire.number, message))  # type: ignore[arg-type]
        self.turn()

    def deliver_down(self, wire: Wire) -> None:
        if wire.down:
            wire.peer.hear(wire.down.popleft())
        elif wire.closing:
            self.cut(wire)

    def deliver_all(self) -> None:
        """Everything that is on its way arrives, and what is said to it."""
        for wire in list(self.wires.values()):
            while wire.up:
                self.deliver_up(wire)
        for wire in list(self.wires.values()):
            while wire.number in self.wires and (wire.down or wire.closing):
                self.deliver_down(wire)

    # --- the master ------------------------------------------------------------------------------

    def turn(self) -> None:
        self.pump.turn()
        while self.timers.take_due(self.clock.monotonic_ns):
            self.pump.turn()
        found = violations(self.master.context)
        assert not found, "\n".join(found)

    def restart(self) -> None:
        """The master is killed and another opens its journal."""
        for wire in self.wires.values():
            if wire.peer.wire is wire:
                wire.peer.lose_wire()
        self._open_master(self.journal.batches)

    def pass_time(self, duration_s: float) -> None:
        """Time passes; agents look and beat, clients ping, the pump wakes."""
        self.clock.advance_ns(int(duration_s * SECOND_NS))
        for agent in self.agents:
            agent.beat()
            if agent.core.next_look_ns() is not None:
                agent.tick()
            for slot, executor in list(agent.executors.items()):
                if executor.asked_to_end:
                    agent.kill_executor(slot)
        for client in self.clients:
            client.say(m.Ping())
        self.turn()

    # --- peace -----------------------------------------------------------------------------------

    def settle(self) -> None:
        """Everything connects, every message arrives, every call succeeds, until nothing moves any more."""
        for round_ in range(ROUNDS_MAX):
            for peer in [*self.agents, *self.clients]:
                if peer.wire is None:
                    peer.connect()
            self.deliver_all()
            for agent in self.agents:
                for slot in range(agent.slots):
                    while agent.executors[slot].waiting or agent.executors[slot].running:
                        agent.begin_call(slot)
                        agent.end_call(slot, SUCCESS)
                    agent.look(slot)
            for client in self.clients:
                client.flush()
            if round_ % 10 == 9:
                self.pass_time(0.5)
            if self.at_rest:
                return
        raise AssertionError("the cluster does not come to rest")

    @property
    def at_rest(self) -> bool:
        """Whether nothing is on its way, running, waiting or unrecorded."""
        wires = any(wire.up or wire.down or wire.closing for wire in self.wires.values())
        agents = any(
            agent.core.queue
            or agent.core.busy_slots
            or not agent.core.reports.all_recorded
            or agent.wire is None
            for agent in self.agents
        )
        clients = any(client.shell.core.pending or client.shell.outbox for client in self.clients)
        return not wires and not agents and not clients and not self.master.context.ledger.totals.unfinished
