"""Answers to reads: rows built from ledger and roster, bounded in number."""

from __future__ import annotations

from itertools import islice

from msgspec import msgpack

from ganger.core.context import Context
from ganger.core.explain import explain
from ganger.core.lifecycle import READY, SUCCEEDED, State
from ganger.core.roster import NO_CONNECTION, Worker
from ganger.core.tasks import Task
from ganger.errors import GangerError, InvalidOption
from ganger.protocol.ids import read_task, session_of, show_task
from ganger.protocol.messages import Answer, Query
from ganger.protocol.views import Explanation, StatusView, TaskView, WorkerView

LIMIT_MAX = 100_000
"""The most rows of one answer."""


class Queries:
    """Reads that clients and tools ask for."""

    def __init__(self, context: Context, journal_name: str) -> None:
        self.context = context
        self.journal_name = journal_name

    def answer(self, query: Query) -> Answer:
        """The rows, or an error text that a person can read."""
        topics = {
            "status": self._status,
            "workers": self._workers,
            "tasks": self._tasks,
            "explain": self._explain,
        }
        topic = topics.get(query.topic)
        if topic is None:
            return Answer(
                query.request, b"", f"there is no topic {query.topic!r}; known: {', '.join(topics)}"
            )
        try:
            return Answer(query.request, msgpack.encode(topic(query)))
        except GangerError as error:
            return Answer(query.request, b"", str(error))

    def _status(self, _: Query) -> StatusView:
        ledger, roster = self.context.ledger, self.context.roster
        totals = ledger.totals
        assigned = sum(len(worker.assigned) for worker in roster.workers.values())
        return StatusView(
            epoch=ledger.epoch,
            uptime_s=(self.context.now.monotonic_ns - self.context.started_ns) / 1e9,
            workers=sum(worker.connection != NO_CONNECTION for worker in roster.workers.values()),
            slots=roster.slots,
            sessions=len(roster.clients),
            tasks={
                "waiting": ledger.waiting,
                "ready": totals.unfinished - ledger.waiting - assigned,
                "assigned": assigned,
            },
            submitted=totals.submitted,
            succeeded=totals.succeeded,
            failed=totals.failed,
            cancelled=totals.cancelled,
            result_bytes=ledger.result_bytes,
            payload_bytes=ledger.payload_bytes,
            journal=self.journal_name,
            accepting=self.context.accepting,
        )

    def _workers(self, query: Query) -> list[WorkerView]:
        workers = islice(self.context.roster.workers.values(), max(0, min(query.limit, LIMIT_MAX)))
        return [worker_view(worker) for worker in workers]

    def _tasks(self, query: Query) -> list[TaskView]:
        states = {state.name.lower(): state for state in State}
        if query.argument and query.argument not in states:
            known = ", ".join(sorted(states))
            raise InvalidOption(f"there is no state {query.argument!r}", hint=f"known: {known}")
        wanted = states.get(query.argument)
        tasks = self.context.ledger.tasks.values()
        chosen = (task for task in tasks if wanted is None or task.state is wanted)
        limit = max(0, min(query.limit, LIMIT_MAX))
        return [task_view(task, self._note(task)) for task in islice(chosen, limit)]

    def _note(self, task: Task) -> str:
        if (
            task.state is READY
            and not task.spec.shape.plain
            and not self.context.roster.can_hold(task.spec.shape)
        ):
            return "no present worker can hold it"
        return "runs alone" if task.suspect and task.state < SUCCEEDED else ""

    def _explain(self, query: Query) -> Explanation:
        try:
            identifier = read_task(query.argument)
        except ValueError:
            raise InvalidOption(
                f"{query.argument!r} is not a task id", hint="ids look like 3.17; see: ganger task list"
            ) from None
        task = self.context.ledger.tasks.get(identifier)
        if task is None:
            raise InvalidOption(
                f"there is no task {query.argument}",
                hint="it may have ended and its result been released; see: ganger task list",
            )
        return Explanation(task_view(task, self._note(task)), explain(self.context, task))


def worker_view(worker: Worker) -> WorkerView:
    """A worker as a row."""
    return WorkerView(
        name=worker.name,
        host=worker.runtime.host,
        pid=worker.runtime.pid,
        state=worker.state,
        slots=worker.slots,
        assigned=len(worker.assigned),
        stalled=worker.stalled,
        tasks_done=worker.tasks_done,
        busy_s=worker.busy_ns / 1e9,
        load=worker.load,
        memory_free_bytes=worker.memory_free_bytes,
        pressed=worker.pressed,
        resources=worker.offer.resources,
        executors=worker.executors,
        python=worker.runtime.python,
    )


def task_view(task: Task, note: str = "") -> TaskView:
    """A task as a row."""
    return TaskView(
        id=show_task(task.id),
        name=task.spec.name,
        state=State(task.state).name.lower(),
        attempt=task.attempt,
        priority=task.spec.options.priority,
        worker=task.worker,
        waiting_for=task.unmet,
        failures=task.failures,
        losses=task.losses,
        session=session_of(task.id),
        note=note,
    )
