"""Tells sessions how their tasks ended, within each client's window of unreleased result bytes.

A result that another task takes is only announced as kept: chains and trees never pass their values
through the client. Whatever the window does not admit waits in the client's backlog.
"""

from __future__ import annotations

from collections.abc import Sequence

from ganger.core.context import Context
from ganger.core.lifecycle import CANCELLED, FAILED, SUCCEEDED
from ganger.core.roster import Client
from ganger.core.tasks import Task
from ganger.protocol.ids import SEQUENCE_BITS, SEQUENCE_MAX, sequence_of, session_of, task_id
from ganger.protocol.messages import Cancelled, Failures, Kept, Results
from ganger.protocol.outcome import ErrorInfo, encode_error

MESSAGE_BYTES = 1 << 20
RESULT_OVERHEAD_BYTES = 16
"""What a result weighs beside its payload."""


class Delivery:
    """Sends ends to clients."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def succeeded(self, tasks: Sequence[int], payloads: Sequence[bytes], kept: set[int]) -> None:
        """These succeeded just now, and are recorded. `kept` are those that other tasks take."""
        clients = self.context.roster.clients
        start, count = 0, len(tasks)
        while start < count:
            session = tasks[start] >> SEQUENCE_BITS
            base = session << SEQUENCE_BITS
            limit = base | SEQUENCE_MAX
            end = start + 1
            while end < count and base <= tasks[end] <= limit:
                end += 1
            client = clients.get(session)
            if client is not None:
                self._send_results(client, base, tasks[start:end], payloads[start:end], kept)
            start = end

    def _send_results(
        self, client: Client, base: int, tasks: Sequence[int], payloads: Sequence[bytes], kept: set[int]
    ) -> None:
        if client.backlog or client.window_bytes >= self.context.settings.result_window_bytes:
            client.backlog.extend(tasks)
            return
        if kept:
            announced = [task - base for task in tasks if task in kept]
            pairs = [pair for pair in zip(tasks, payloads, strict=True) if pair[0] not in kept]
            tasks, payloads = [task for task, _ in pairs], [payload for _, payload in pairs]
            if announced:
                self.context.send(client.connection, Kept(announced))
        if tasks:
            client.sent_bytes += sum(map(len, payloads))
            self.context.send(client.connection, Results([task - base for task in tasks], list(payloads)))

    def ended(self, tasks: Sequence[Task]) -> None:
        """These ended just now, in any way, and are recorded; they may belong to several sessions."""
        by_session: dict[int, list[Task]] = {}
        for task in tasks:
            by_session.setdefault(session_of(task.id), []).append(task)
        for session, mine in by_session.items():
            client = self.context.roster.clients.get(session)
            if client is None:
                continue
            if client.backlog:
                client.backlog.extend(task.id for task in mine)
            else:
                self._tell(client, mine)

    def _tell(self, client: Client, tasks: Sequence[Task]) -> None:
        failed = [task for task in tasks if task.state == FAILED]
        if failed:
            ids = [sequence_of(task.id) for task in failed]
            origins = [task.origin for task in failed]
            self.context.send(client.connection, Failures(ids, [task.error for task in failed], origins))
        cancelled = [sequence_of(task.id) for task in tasks if task.state == CANCELLED]
        if cancelled:
            self.context.send(client.connection, Cancelled(cancelled))
        done = [task for task in tasks if task.state == SUCCEEDED]
        if done:
            results = [task.result for task in done]
            client.sent_bytes += sum(map(len, results))
            self.context.send(client.connection, Results([sequence_of(task.id) for task in done], results))

    def fetch(self, client: Client, sequences: Sequence[int]) -> None:
        """The client asks for results that were only announced; one that is not there is said to be lost."""
        tasks = self.context.ledger.tasks
        found: list[int] = []
        for sequence in sequences:
            identifier = task_id(client.session, sequence)
            task = tasks.get(identifier)
            if task is not None:  # one that has not ended is told of when it does
                found += [identifier] if task.state >= SUCCEEDED else []
            else:
                error = encode_error(
                    ErrorInfo("lost", "ganger.errors.AttemptLost", "the result was released")
                )
                self.context.send(client.connection, Failures([sequence], [error], [identifier]))
        self.resume(client, found)

    def resume(self, client: Client, ended: Sequence[int]) -> None:
        """Tells of tasks that ended, now or when the window has room."""
        client.backlog.extend(ended)
        self.drain(client)

    def drain(self, client: Client) -> None:
        """Tells what waits in the backlog, a message at a time, as far as the window has room."""
        tasks = self.context.ledger.tasks
        window = self.context.settings.result_window_bytes
        backlog = client.backlog
        while backlog and client.window_bytes < window:
            part: list[Task] = []
            room = min(MESSAGE_BYTES, window - client.window_bytes)
            while backlog and room > 0:
                task = tasks.get(backlog.popleft())
                if task is not None and task.state >= SUCCEEDED:
                    part.append(task)
                    room -= len(task.result) + RESULT_OVERHEAD_BYTES
            self._tell(client, part)
