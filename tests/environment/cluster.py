"""A whole mastership in memory: the real core, pump, codec and recovery between fake ports and fake peers.

After every turn the invariants of the core are checked. At its end the journal is replayed into a fresh master,
which must come to the very same ledger; and whatever a peer or the operator was told must have been expected.
"""

from __future__ import annotations

from typing import TypeVar

from ganger.config import MasterSettings
from ganger.core.effects import Append
from ganger.core.events import Connected, Disconnected, Received
from ganger.core.images import image
from ganger.core.invariants import idle_room, violations
from ganger.core.ledger import Ledger
from ganger.core.lifecycle import State
from ganger.core.master import Master
from ganger.core.recovery import recover
from ganger.core.roster import Worker
from ganger.core.tasks import Task
from ganger.protocol.codec import decode_records, encode_records
from ganger.protocol.ids import ConnectionId
from ganger.protocol.messages import Hello, Runtime
from ganger.protocol.options import TaskOptions
from ganger.runtime.pump import Pump
from tests.environment.dump import differences, dump
from tests.environment.peers import FakeClient, FakeWorker, Peer
from tests.environment.world import SECOND_NS, FakeClock, FakeJournal, FakeTimers, FakeTransport

PeerT = TypeVar("PeerT", bound=Peer)
RUNTIME = Runtime("3.11.7", "0.1.0", "host-of-the-master", 1)
TURNS_MAX = 10_000
WARNING = 30


class Environment:
    """A master and its peers.

    Args:
        batches: A journal to begin with.
        limits: `MasterSettings` that differ from the defaults.

    Attributes:
        starts: For each task the attempt numbers that workers were given, in order.
        warnings: What the operator was told; a test takes what it expects.
    """

    def __init__(self, batches: list[bytes] | None = None, **limits: object) -> None:
        self.settings = MasterSettings(**limits)  # type: ignore[arg-type]
        self.clock = FakeClock()
        self.peers: list[Peer] = []
        self.starts: dict[int, list[int]] = {}
        self.warnings: list[str] = []
        self._by_connection: dict[int, Peer] = {}
        self._connections = 0
        self._offered = False
        self._open_master(batches or [])

    def _open_master(self, batches: list[bytes]) -> None:
        self.journal = FakeJournal(batches)
        self.transport = FakeTransport()
        self.timers = FakeTimers()
        self.master = Master(self.settings, RUNTIME, "in memory")
        epoch = recover(self.master, map(decode_records, self.journal.replay()), self.clock.now())
        self.journal.start(epoch.epoch, encode_records([epoch]))
        self.pump = Pump(
            self.master,
            self.journal,
            self.transport,
            self.clock,
            self.timers,
            self._log,
            self.settings.batch_events_max,
        )
        self._offered = True
        self.run()

    def _log(self, level: int, text: str) -> None:
        if level >= WARNING:
            self.warnings.append(text)

    # --- peers -----------------------------------------------------------------------------------

    def worker(
        self,
        name: str = "anna",
        slots: int = 1,
        *,
        local: bool = False,
        join: bool = True,
        **resources: float,
    ) -> FakeWorker:
        """A worker, present unless it is told to wait."""
        worker = FakeWorker(self, name, slots, resources, pid=100 + len(self.peers))
        self.peers.append(worker)
        if join:
            worker.join(local=local)
        return worker

    def client(self, name: str = "carl") -> FakeClient:
        """A client, present."""
        client = FakeClient(self, name)
        self.peers.append(client)
        client.join()
        return client

    def connect(self, peer: Peer, hello: Hello, *, local: bool) -> ConnectionId:
        """A peer has passed the gate."""
        self._connections += 1
        connection = ConnectionId(self._connections)
        self._by_connection[connection] = peer
        self.transport.attach(connection, worker=isinstance(peer, FakeWorker))
        self._offer(Connected(connection, hello, b"", local))
        return connection

    def disconnect(self, connection: ConnectionId) -> None:
        """A connection breaks, and the master notices."""
        self.transport.detach(connection)
        self._offer(Disconnected(connection))
        self.run()

    def receive(self, connection: ConnectionId, message: object) -> None:
        """A message has come in on a connection that stands."""
        assert connection in self.transport.open, "a peer speaks without a connection"
        self._offer(Received(connection, message))  # type: ignore[arg-type]

    def note_start(self, worker: FakeWorker, task: int, number: int, options: TaskOptions) -> None:
        """A worker was given an attempt: numbers only grow, and pins hold."""
        numbers = self.starts.setdefault(task, [])
        assert not numbers or number > numbers[-1], f"attempt {number} of {task} follows {numbers[-1]}"
        assert not options.workers or worker.name in options.workers, f"{task} is not for {worker.name}"
        numbers.append(number)

    def _offer(self, event: object) -> None:
        self.pump.offer(event)
        self._offered = True

    # --- time ------------------------------------------------------------------------------------

    def run(self) -> None:
        """Turns the pump as the shell would, until it asks for no more at this time."""
        for _ in range(TURNS_MAX):
            due = self.timers.take_due(self.clock.monotonic_ns)
            if not (due or self._offered):
                break
            self._offered = False
            self.pump.turn()
            self._check()
            self._deliver()
        else:
            raise AssertionError("the pump does not come to rest")
        if self.journal.held is None:
            found = idle_room(self.master.context)
            assert not found, "\n".join(found)

    def _deliver(self) -> None:
        for connection in list(self.transport.inboxes):
            self._by_connection[connection].absorb(self.transport.read(ConnectionId(connection)))
        closed, self.transport.closed_by_master = self.transport.closed_by_master, []
        for connection in closed:
            self._offer(Disconnected(ConnectionId(connection)))

    def _check(self) -> None:
        found = violations(self.master.context)
        assert not found, "\n".join(found)

    def advance(self, duration_s: float) -> None:
        """Lets time pass; the pump turns whenever it asked to be woken."""
        until_ns = self.clock.monotonic_ns + int(duration_s * SECOND_NS)
        for _ in range(TURNS_MAX):
            wake_ns = self.timers.wake_ns
            if wake_ns is None or wake_ns > until_ns:
                break
            self.clock.advance_ns(max(0, wake_ns - self.clock.monotonic_ns))
            self.run()
        self.clock.advance_ns(until_ns - self.clock.monotonic_ns)

    # --- the master's life -----------------------------------------------------------------------

    def restart(self) -> None:
        """The master is killed and another opens the journal; connections and what is not durable are gone."""
        batches = self.journal.batches
        for peer in self.peers:
            peer.connection = ConnectionId(0)
        self._open_master(batches)

    @property
    def ledger(self) -> Ledger:
        """The live ledger."""
        return self.master.context.ledger

    def roster(self, name: str) -> Worker:
        """A worker as the master sees it."""
        return self.master.context.roster.workers[name]

    def task(self, task: int) -> Task:
        """A task in the live ledger."""
        return self.ledger.tasks[task]

    def state(self, task: int) -> str:
        """Where a task is, or "gone"."""
        found = self.ledger.tasks.get(task)
        return State(found.state).name.lower() if found is not None else "gone"

    def take_warning(self, words: str) -> None:
        """The operator was told this, next of all."""
        assert self.warnings, f"the operator was not told: {words}"
        warning = self.warnings.pop(0)
        assert words in warning, f"the operator was told {warning!r}"

    # --- the end ---------------------------------------------------------------------------------

    def finish(self) -> None:
        """Nothing unexpected was said, and a replay makes the same ledger."""
        if self.journal.held:
            self.journal.sync()
        self.journal.held = None
        self.run()
        self.pump.flush()
        for peer in self.peers:
            assert not peer.mail, f"{peer.name} was not expected to be told {peer.mail}"
        assert not self.warnings, f"the operator was not expected to be told {self.warnings}"
        self.check_replay()
        self.check_image()

    def check_replay(self) -> None:
        """Feeds the journal to a fresh master and compares."""
        fresh = Master(self.settings, RUNTIME, "in memory")
        recover(fresh, map(decode_records, self.journal.batches), self.clock.now())
        for _ in range(TURNS_MAX):
            for effect in fresh.settle(self.clock.now(), caught_up=True):
                assert not isinstance(effect, Append), f"the replay goes on to record {effect.record}"
            if not fresh.has_more:
                break
        found = differences(dump(self.ledger), dump(fresh.context.ledger))
        assert not found, "the replay differs:\n" + "\n".join(found)
        assert not violations(fresh.context)

    def check_image(self) -> None:
        """Makes a snapshot's records of the ledger, by way of the codec, and the ledger of those."""
        copy = Ledger()
        for record in decode_records(encode_records(list(image(self.ledger)))):
            copy.apply(record)
        found = differences(dump(self.ledger, ordered=False), dump(copy, ordered=False))
        assert not found, "the snapshot differs:\n" + "\n".join(found)

    def assert_empty(self) -> None:
        """Everything was released: no task, no byte, no slot is left."""
        ledger = self.ledger
        assert ledger.tasks == {}
        assert (ledger.payload_bytes, ledger.result_bytes, ledger.waiting) == (0, 0, 0)
        assert not ledger.cascade
        for worker in self.master.context.roster.workers.values():
            assert (worker.assigned, worker.used_slots, worker.assigned_bytes) == (set(), 0, 0)
