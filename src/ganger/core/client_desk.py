"""The master's side of its clients: sessions, submissions, releases, credit.

A client's numbers are kept as intervals, so a resend is recognised and not run twice. Credit is
absolute ("you may go up to number n"), so that a lost or repeated message changes nothing.
"""

from __future__ import annotations

from ganger.core.checks import check_define, check_release, check_sequences, check_submit
from ganger.core.context import INFO, Context
from ganger.core.delivery import Delivery
from ganger.core.endings import Endings, unreleased
from ganger.core.intervals import IntervalSet
from ganger.core.lifecycle import SUCCEEDED
from ganger.core.roster import NO_CONNECTION, Client
from ganger.core.tasks import Session, Spec, Task
from ganger.protocol.ids import ConnectionId, TaskId, session_of, task_id
from ganger.protocol.messages import (
    Accepted,
    Cancel,
    Define,
    Fetch,
    Hello,
    Notice,
    Rejected,
    Release,
    Submit,
    TaskGroup,
)
from ganger.protocol.records import (
    ResultsReleased,
    SessionClosed,
    SessionOpened,
    SpecsDefined,
    TasksSubmitted,
)


class ClientDesk:
    """Handles what clients say, and their silence."""

    def __init__(self, context: Context, delivery: Delivery, endings: Endings) -> None:
        self.context = context
        self.delivery = delivery
        self.endings = endings
        self._starved: dict[int, None] = {}
        self._check_at_ns: int | None = None

    # --- sessions --------------------------------------------------------------------------------

    def on_hello(self, connection: ConnectionId, hello: Hello, owner: str) -> tuple[Client, Session]:
        """Opens the client's session, or resumes it. The shell answers with `Welcome` and then `resume`s."""
        ledger = self.context.ledger
        session = ledger.session_keys.get(hello.session)
        if session is None:
            number = ledger.sessions_opened + 1
            self.context.record(SessionOpened(number, hello.session, owner, self.context.now.wall_ns))
            session = ledger.sessions[number]
        clients = self.context.roster.clients
        before = clients.get(session.number)
        if before is not None and before.connection != NO_CONNECTION:
            self.context.close(before.connection)
            self.context.roster.by_connection.pop(before.connection, None)
        client = Client(session.number, connection, hello.runtime)
        client.seen_last = session.accepted.last
        self.expect(client)
        self.context.roster.by_connection[connection] = client
        self._grant(client)
        return client, session

    def expect(self, client: Client) -> None:
        """The client's silence counts from now."""
        client.silent_since_ns = self.context.now.monotonic_ns
        self.context.roster.clients[client.session] = client
        if self._check_at_ns is None:
            self._check_at_ns = client.silent_since_ns + self._timeout_ns

    def resume(self, client: Client, session: Session) -> None:
        """After the welcome: tells again what ended and was not released."""
        pending = unreleased(session)
        if pending:
            self.delivery.resume(client, pending)

    def on_disconnected(self, client: Client) -> None:
        """The client may come back until its session times out."""
        client.connection = NO_CONNECTION
        client.silent_since_ns = self.context.now.monotonic_ns

    def on_goodbye(self, client: Client) -> None:
        """The client has left on purpose."""
        self.context.roster.by_connection.pop(client.connection, None)
        self.context.close(client.connection)
        self._close_session(client, "closed")

    def expire(self) -> None:
        """Closes the sessions that have been silent too long. Looks at all only when one may have been."""
        now_ns = self.context.now.monotonic_ns
        if self._check_at_ns is None or now_ns < self._check_at_ns:
            return
        clients = self.context.roster.clients
        for client in list(clients.values()):
            if client.silent_since_ns + self._timeout_ns <= now_ns:
                if client.connection != NO_CONNECTION:
                    self.context.roster.by_connection.pop(client.connection, None)
                    self.context.close(client.connection)
                self._close_session(client, "fell silent")
        silences = [client.silent_since_ns for client in clients.values()]
        self._check_at_ns = min(silences) + self._timeout_ns if silences else None

    @property
    def _timeout_ns(self) -> int:
        return int(self.context.settings.session_timeout_s * 1e9)

    def next_deadline_ns(self) -> int | None:
        """When a session may time out."""
        return self._check_at_ns

    def _close_session(self, client: Client, why: str) -> None:
        self.context.roster.clients.pop(client.session, None)
        self._starved.pop(client.session, None)
        session = self.context.ledger.sessions.get(client.session)
        if session is not None and not session.closed:
            self.context.log(INFO, f"session {client.session} {why}")
            self.context.record(SessionClosed(client.session))

    # --- submissions -----------------------------------------------------------------------------

    def on_define(self, client: Client, define: Define) -> None:
        """Functions and specs. Repeated ones change nothing."""
        session = self.context.ledger.session(client.session)
        check_define(define, session, self.context.ledger.functions)
        fresh = [spec for spec in define.specs if spec.id not in session.specs]
        named = {spec.function for spec in fresh}
        functions = [each for each in define.functions if each.digest in named]
        if fresh:
            self.context.record(SpecsDefined(client.session, functions, fresh))
        for spec in fresh:
            self._warn_unplaceable(client, session.specs[spec.id])

    def _warn_unplaceable(self, client: Client, spec: Spec) -> None:
        """Says at once that no worker that is here can ever run the spec's tasks."""
        roster = self.context.roster
        if not any(worker.announced for worker in roster.workers.values()) or roster.can_hold(spec.shape):
            return
        wants = ", ".join(f"{name} {amount:g}" for name, amount in spec.options.resources.items())
        pins = f" on {', '.join(spec.options.workers)}" if spec.options.workers else ""
        text = f"no present worker can ever hold {spec.name} (it asks for {wants or 'one slot'}{pins})"
        self.context.send(client.connection, Notice(text, "start a worker that offers this, or ask for less"))

    def warn_of_stranded(self) -> None:
        """The first worker is here: whoever waits for something that it cannot hold is told."""
        for queue in self.context.ledger.ready:
            head = None if queue.shape.plain else queue.head()
            client = self.context.roster.clients.get(session_of(head.id)) if head is not None else None
            if head is not None and client is not None:
                self._warn_unplaceable(client, head.spec)

    def on_submit(self, client: Client, submit: Submit) -> None:
        """Tasks. Those that were recorded before are acknowledged and not run again."""
        session = self.context.ledger.session(client.session)
        check_submit(submit)
        for group in submit.groups:
            client.seen_last = max(client.seen_last, group.first + len(group.payloads) - 1)
            client.seen_bytes += sum(map(len, group.payloads))
        groups = [part for group in submit.groups for part in self._fresh(session, group)]
        if groups and not self.context.accepting:
            self._reject(client, groups, "the journal's disk is full")
            groups = []
        sound: list[TaskGroup] = []
        fresh = IntervalSet()
        for group in groups:
            if self._is_sound(client, session, group, fresh):
                sound.append(group)
                first = task_id(session.number, group.first)
                fresh.add(first, first + len(group.payloads) - 1)
        if sound:
            self.context.record(TasksSubmitted(client.session, sound))
        self._grant(client)
        self.context.send(
            client.connection, Accepted(client.seen_last, client.credit_tasks, client.credit_bytes)
        )

    def _fresh(self, session: Session, group: TaskGroup) -> list[TaskGroup]:
        first = group.first
        last = first + len(group.payloads) - 1
        if first > session.accepted.last or not session.accepted.overlap(first, last):
            return [group]
        parts = []
        for low, high in session.accepted.missing(first, last):
            cut = slice(low - first, high - first + 1)
            inputs = group.inputs[cut] if group.inputs is not None else None
            parts.append(TaskGroup(group.spec, low, group.payloads[cut], inputs))
        return parts

    def _is_sound(self, client: Client, session: Session, group: TaskGroup, fresh: IntervalSet) -> bool:
        """Refuses groups that the ledger could not hold: unknown spec or inputs, payloads over the limit.

        `fresh` are the ids that earlier groups of the same message bring.
        """
        limit = self.context.settings.payload_bytes_max
        if group.spec not in session.specs:
            self._reject(client, [group], f"spec {group.spec} was never defined")
        elif max(map(len, group.payloads), default=0) > limit:
            self._reject(
                client, [group], f"an argument list is longer than payload_bytes_max ({limit:,} bytes)"
            )
        elif group.inputs is not None and not self._inputs_known(session, group, fresh):
            self._reject(client, [group], "it depends on a task that is unknown or was released")
        else:
            return True
        return False

    def _inputs_known(self, session: Session, group: TaskGroup, fresh: IntervalSet) -> bool:
        inputs = group.inputs or []
        base = task_id(session.number, group.first)
        tasks = self.context.ledger.tasks
        for offset, needed in enumerate(inputs):
            for identifier in needed:
                if session_of(TaskId(identifier)) != session.number:
                    return False
                if identifier in tasks or base <= identifier < base + offset:
                    continue
                if identifier not in fresh:
                    return False
        return True

    def _reject(self, client: Client, groups: list[TaskGroup], reason: str) -> None:
        for group in groups:
            last = group.first + len(group.payloads) - 1
            hint = "submit again when there is room" if "full" in reason else ""
            self.context.send(client.connection, Rejected(group.first, last, "refused", reason, hint))

    def on_release(self, client: Client, release: Release) -> None:
        """Results that the client has, or wants no longer."""
        fresh = check_release(release, self.context.ledger.session(client.session))
        if fresh:
            self.context.record(ResultsReleased(client.session, fresh), lazy=True)
        client.received_bytes = release.received_bytes
        if client.backlog:
            self.delivery.drain(client)

    def on_cancel(self, client: Client, cancel: Cancel) -> None:
        """Ends tasks of this client."""
        check_sequences(cancel.sequences)
        tasks = self.context.ledger.tasks
        found = [tasks.get(task_id(client.session, sequence)) for sequence in cancel.sequences]
        self.endings.cancel([task for task in found if task is not None])

    def on_fetch(self, client: Client, fetch: Fetch) -> None:
        """Results that were announced as kept."""
        check_sequences(fetch.sequences)
        self.delivery.fetch(client, fetch.sequences)

    def cancel_by_id(self, ids: list[int]) -> list[int]:
        """Cancels tasks of any session; returns those that had not ended."""
        tasks = self.context.ledger.tasks
        found: list[Task] = [tasks[identifier] for identifier in ids if identifier in tasks]
        unfinished = [task for task in found if task.state < SUCCEEDED]
        self.endings.cancel(unfinished)
        return [task.id for task in unfinished]

    # --- credit ----------------------------------------------------------------------------------

    def _grant(self, client: Client) -> None:
        """Extends the client's credit as far as the cluster has room."""
        settings = self.context.settings
        ledger = self.context.ledger
        held_bytes = ledger.payload_bytes + ledger.result_bytes
        if ledger.totals.unfinished < settings.queued_tasks_max and held_bytes < settings.queued_bytes_max:
            client.credit_tasks = client.seen_last + settings.session_credit_tasks
            client.credit_bytes = client.seen_bytes + settings.session_credit_bytes
            self._starved.pop(client.session, None)
        else:
            self._starved[client.session] = None

    def feed_starved(self) -> None:
        """Gives credit to clients that wait for it, once there is room."""
        for number in list(self._starved):
            client = self.context.roster.clients.get(number)
            if client is None:
                self._starved.pop(number, None)
                continue
            self._grant(client)
            if number not in self._starved:
                accepted = Accepted(client.seen_last, client.credit_tasks, client.credit_bytes)
                self.context.send(client.connection, accepted)
