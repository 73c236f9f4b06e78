"""The master's core: `step` turns an event into effects, `settle` does what the batch made possible.

The runtime's pump calls `step` for each event of a batch and `settle` once after it, so placement
sees the whole batch. Handlers change the ledger only by recording.
"""

from __future__ import annotations

from msgspec import msgpack

from ganger.config import MasterSettings
from ganger.core.client_desk import ClientDesk
from ganger.core.context import WARNING, Context
from ganger.core.delivery import Delivery
from ganger.core.effects import Effect
from ganger.core.endings import Endings, oversized_error
from ganger.core.events import Connected, Disconnected, Received
from ganger.core.ledger import Handlers
from ganger.core.placement import Placement
from ganger.core.queries import Queries
from ganger.core.roster import Client, Worker
from ganger.core.worker_desk import WorkerDesk
from ganger.errors import InvariantViolated, ProtocolError
from ganger.ports import Now
from ganger.protocol.ids import ConnectionId, TaskId, show_task
from ganger.protocol.messages import (
    Answer,
    Assign,
    AttemptGroup,
    Beat,
    Cancel,
    CancelTasks,
    Define,
    Draining,
    DrainWorkers,
    Fetch,
    Goodbye,
    Held,
    Ping,
    Pong,
    Query,
    Release,
    Report,
    Runtime,
    Started,
    Submit,
    Welcome,
)
from ganger.protocol.options import FunctionBody, SpecBody
from ganger.protocol.records import RECORD_VERSION, EpochBegun


class Master:
    """All decisions of one mastership.

    Args:
        settings: Limits and defaults.
        runtime: What this process runs on, told to every peer.
        journal_name: How status names the journal.
    """

    def __init__(self, settings: MasterSettings, runtime: Runtime, journal_name: str = "memory") -> None:
        self.settings = settings
        self.runtime = runtime
        self.context = Context(settings)
        self.delivery = Delivery(self.context)
        self.endings = Endings(self.context, self.delivery)
        self.clients = ClientDesk(self.context, self.delivery, self.endings)
        self.workers = WorkerDesk(self.context, self.delivery, self.endings)
        self.placement = Placement(self.context.ledger, self.context.roster, settings)
        self.queries = Queries(self.context, journal_name)
        self._from_client: Handlers = {
            Submit: self.clients.on_submit,
            Release: self.clients.on_release,
            Define: self.clients.on_define,
            Cancel: self.clients.on_cancel,
            Fetch: self.clients.on_fetch,
            Query: self._on_query,
            CancelTasks: self._on_cancel_tasks,
            DrainWorkers: self._on_drain_workers,
            Ping: self._on_ping,
            Goodbye: lambda client, _: self.clients.on_goodbye(client),
        }
        self._from_worker: Handlers = {
            Report: self.workers.on_report,
            Started: self.workers.on_started,
            Beat: self._on_beat,
            Held: self._on_held,
            Draining: lambda worker, _: self.workers.on_draining(worker),
            Goodbye: self._on_worker_goodbye,
        }

    # --- the pump's three calls ------------------------------------------------------------------

    def begin(self, now: Now) -> EpochBegun:
        """After replay: opens a new epoch. The record must be durable before anything is served."""
        self.context.now = now
        self.context.started_ns = now.monotonic_ns
        record = EpochBegun(self.context.ledger.epoch + 1, now.wall_ns, RECORD_VERSION)
        self.context.ledger.apply(record)
        return record

    @property
    def accepting(self) -> bool:
        """Whether the journal has room for new work."""
        return self.context.accepting

    @accepting.setter
    def accepting(self, accepting: bool) -> None:
        self.context.accepting = accepting

    def step(self, event: object, now: Now) -> list[Effect]:
        """Takes in one event.

        Raises:
            InvariantViolated: A defect; the mastership must end.
        """
        self.context.now = now
        if type(event) is Received:
            self._on_received(event)
        elif type(event) is Connected:
            try:
                self._on_connected(event)
            except ProtocolError as error:
                self._expel(event.connection, error)
        elif type(event) is Disconnected:
            self._on_disconnected(event)
        else:
            raise InvariantViolated(f"{type(event).__name__} is no event of a master")
        return self.context.drain_effects()

    def settle(self, now: Now, *, caught_up: bool) -> list[Effect]:
        """After a batch: time, cascades, credit, placement.

        Args:
            now: The time.
            caught_up: No event is left: silence may be judged. After a stall, what came in counts first.
        """
        context = self.context
        context.now = now
        if caught_up:
            self.workers.expire()
            self.clients.expire()
        self.workers.wake_due()
        if self.endings.pending:
            self.endings.advance()
        self.clients.feed_starved()
        self._place()
        return context.drain_effects()

    @property
    def has_more(self) -> bool:
        """Whether `settle` stopped at a slice and wants to be called again at once."""
        return self.endings.pending

    def next_deadline_ns(self, now: Now) -> int | None:
        """The next moment (monotonic) at which `settle` has something to do by itself."""
        due = self.context.ledger.due
        retry_ns = now.monotonic_ns + max(0, due[0][0] - now.wall_ns) if due else None
        candidates = [self.workers.next_deadline_ns(), self.clients.next_deadline_ns(), retry_ns]
        return min((each for each in candidates if each is not None), default=None)

    # --- events ----------------------------------------------------------------------------------

    def _on_received(self, event: Received) -> None:
        peer = self.context.roster.by_connection.get(event.connection)
        if peer is None:
            return
        message = event.message
        if type(peer) is Client:
            peer.silent_since_ns = self.context.now.monotonic_ns
            handler = self._from_client.get(type(message))
        else:
            handler = self._from_worker.get(type(message))
        if handler is None:
            raise InvariantViolated(f"{type(message).__name__} passed the decoder of its direction")
        try:
            handler(peer, message)
        except ProtocolError as error:
            self._expel(event.connection, error)

    def _expel(self, connection: ConnectionId, error: ProtocolError) -> None:
        """A peer that breaks the protocol loses its connection; nothing else changes."""
        self.context.log(WARNING, f"closed a connection that broke the protocol: {error.message}")
        self.context.close(connection)

    def _on_connected(self, event: Connected) -> None:
        hello, connection = event.hello, event.connection
        if hello.offer is not None:
            self.workers.on_hello(connection, hello, hello.offer, event.local)
            lease_s = self.settings.worker_lease_s
            self.context.send(connection, self._welcome(event, lease_s=lease_s))
            return
        client, session = self.clients.on_hello(connection, hello, hello.runtime.host)
        welcome = self._welcome(
            event,
            session=session.number,
            accepted=list(session.accepted),
            credit_tasks=client.credit_tasks,
            credit_bytes=client.credit_bytes,
        )
        self.context.send(connection, welcome)
        self.clients.resume(client, session)

    def _welcome(
        self,
        event: Connected,
        *,
        session: int = 0,
        accepted: list[tuple[int, int]] | None = None,
        credit_tasks: int = 0,
        credit_bytes: int = 0,
        lease_s: float = 0.0,
    ) -> Welcome:
        return Welcome(
            epoch=self.context.ledger.epoch,
            proof=event.proof,
            runtime=self.runtime,
            session=session,
            accepted=accepted or [],
            credit_tasks=credit_tasks,
            credit_bytes=credit_bytes,
            lease_s=lease_s,
            payload_bytes_max=self.settings.payload_bytes_max,
        )

    def _on_disconnected(self, event: Disconnected) -> None:
        peer = self.context.roster.by_connection.pop(event.connection, None)
        if type(peer) is Worker:
            self.workers.on_disconnected(peer)
        elif type(peer) is Client:
            self.clients.on_disconnected(peer)

    def _on_beat(self, worker: Worker, beat: Beat) -> None:
        self.workers.on_beat(worker, beat)
        self.context.send(worker.connection, Pong())

    def _on_held(self, worker: Worker, held: Held) -> None:
        self.workers.on_held(worker, held)
        if len(self.context.roster.workers) == 1:
            self.clients.warn_of_stranded()

    def _on_worker_goodbye(self, worker: Worker, _: Goodbye) -> None:
        self.workers.on_goodbye(worker)

    def _on_ping(self, client: Client, _: Ping) -> None:
        self.context.send(client.connection, Pong())

    def _on_query(self, client: Client, query: Query) -> None:
        self.context.send(client.connection, self.queries.answer(query))

    def _on_cancel_tasks(self, client: Client, cancel: CancelTasks) -> None:
        reached = [show_task(TaskId(task)) for task in self.clients.cancel_by_id(cancel.tasks)]
        self.context.send(client.connection, Answer(cancel.request, msgpack.encode(reached)))

    def _on_drain_workers(self, client: Client, drain: DrainWorkers) -> None:
        workers = self.context.roster.workers
        unknown = [name for name in drain.names if name not in workers]
        if unknown:
            known = ", ".join(sorted(workers)) or "none"
            error = f"there is no worker {unknown[0]}\nhint: present: {known}"
            self.context.send(client.connection, Answer(drain.request, b"", error))
            return
        for name in drain.names:
            self.workers.drain(workers[name])
        self.context.send(client.connection, Answer(drain.request, msgpack.encode(drain.names)))

    # --- placement -------------------------------------------------------------------------------

    def _place(self) -> None:
        gained, self.context.gained = self.context.gained, {}
        placed = self.placement.place(gained)
        for record in placed.records:
            self.context.journal_only(record)
        for task in placed.oversized:
            self.endings.fail(task, oversized_error(task, self.settings))
        for name, groups in placed.groups.items():
            worker = self.context.roster.workers[name]
            self.context.send(worker.connection, self._assignment(worker, groups))

    def _assignment(self, worker: Worker, groups: list[AttemptGroup]) -> Assign:
        """The message, with the specs and functions that this worker has not seen."""
        ledger = self.context.ledger
        functions: list[FunctionBody] = []
        specs: list[SpecBody] = []
        for group in groups:
            if group.spec in worker.specs:
                continue
            worker.specs.add(group.spec)
            body = ledger.specs[group.spec].body
            specs.append(body)
            if body.function not in worker.functions:
                worker.functions.add(body.function)
                functions.append(FunctionBody(body.function, ledger.functions[body.function]))
        return Assign(groups, functions, specs)
