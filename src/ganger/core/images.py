"""The ledger as records: a snapshot is a list of records that make the same ledger, and nothing else.

So a snapshot is loaded by the same `Ledger.apply` as a journal, and "state equals snapshot plus
tail" is one comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heappush
from itertools import islice
from typing import TYPE_CHECKING

from ganger.core.intervals import IntervalSet
from ganger.core.lifecycle import ASSIGNED, READY, RUNNING, WAITING, State
from ganger.core.tasks import Session, Task
from ganger.protocol.ids import SessionNo, TaskId
from ganger.protocol.options import FunctionBody, SpecBody
from ganger.protocol.records import (
    LedgerKept,
    Record,
    SessionKept,
    SpecsDefined,
    TaskImage,
    TasksKept,
    TasksLinked,
)

if TYPE_CHECKING:
    from ganger.core.ledger import Ledger

TASKS_PER_RECORD = 1_000


def image(ledger: Ledger) -> Iterator[Record]:
    """Records that make this ledger from an empty one, in order; few are in memory at a time."""
    totals = ledger.totals
    yield LedgerKept(
        ledger.epoch,
        ledger.sessions_opened,
        [totals.submitted, totals.succeeded, totals.failed, totals.cancelled],
    )
    for session in ledger.sessions.values():
        yield SessionKept(
            session.number,
            session.key,
            session.owner,
            session.closed,
            list(session.accepted),
            list(session.released),
        )
        if session.specs:
            yield _specs(ledger, session)
    tasks = iter(ledger.tasks.values())
    while part := list(islice(tasks, TASKS_PER_RECORD)):
        yield TasksKept([_task(task) for task in part])
    yield TasksLinked()


def _specs(ledger: Ledger, session: Session) -> SpecsDefined:
    digests = dict.fromkeys(spec.body.function for spec in session.specs.values())
    functions = [FunctionBody(digest, ledger.functions[digest]) for digest in digests]
    specs = [
        SpecBody(number, spec.body.function, spec.name, spec.options)
        for number, spec in session.specs.items()
    ]
    return SpecsDefined(session.number, functions, specs)


def _task(task: Task) -> TaskImage:
    state = ASSIGNED if task.state is RUNNING else task.state
    return TaskImage(
        id=task.id,
        spec=task.spec.id,
        payload=task.payload,
        state=int(state),
        attempt=task.attempt,
        worker=task.worker,
        inputs=task.inputs or [],
        failures=task.failures,
        losses=task.losses,
        released=task.released,
        suspect=task.suspect,
        result=task.result,
        error=task.error,
        origin=task.origin,
        ready_at_ns=task.ready_at_ns,
    )


# --- the way back --------------------------------------------------------------------------------


def _restore_ledger_kept(ledger: Ledger, record: LedgerKept) -> None:
    ledger.epoch = record.epoch
    ledger.sessions_opened = record.sessions_opened
    totals = ledger.totals
    totals.submitted, totals.succeeded, totals.failed, totals.cancelled = record.totals


def _restore_session_kept(ledger: Ledger, record: SessionKept) -> None:
    session = Session(SessionNo(record.session), record.key, record.owner)
    session.accepted = IntervalSet(record.accepted)
    session.released = IntervalSet(record.released)
    session.closed = record.closed
    ledger.sessions[record.session] = session
    if session.closed:
        ledger.closing.append(session)
    else:
        ledger.session_keys[record.key] = session


def _restore_tasks_kept(ledger: Ledger, record: TasksKept) -> None:
    for kept in record.tasks:
        task = Task(TaskId(kept.id), ledger.specs[kept.spec], kept.payload, State(kept.state), kept.attempt)
        task.worker, task.suspect, task.released = kept.worker, kept.suspect, kept.released
        task.failures, task.losses, task.ready_at_ns = kept.failures, kept.losses, kept.ready_at_ns
        task.result, task.error, task.origin = kept.result, kept.error, kept.origin
        task.inputs = kept.inputs or None
        ledger.tasks[task.id] = task
        ledger.payload_bytes += len(task.payload)
        ledger.result_bytes += len(task.result)
        if task.state is READY:
            (task.spec.suspects if task.suspect else task.spec.ready).tasks.append(task)
        elif task.state is WAITING:
            ledger.waiting += 1
            if task.ready_at_ns:
                heappush(ledger.due, (task.ready_at_ns, task.id))


def _restore_tasks_linked(ledger: Ledger, _: TasksLinked) -> None:
    for task in ledger.tasks.values():
        for needed_id in set(task.inputs or ()):
            ledger.link(task, ledger.tasks[needed_id])


RESTORERS: dict[type, Callable[..., None]] = {  # type: ignore[explicit-any]  # each takes its own record
    LedgerKept: _restore_ledger_kept,
    SessionKept: _restore_session_kept,
    TasksKept: _restore_tasks_kept,
    TasksLinked: _restore_tasks_linked,
}
