"""Ends have consequences: dependents follow, sessions dissolve; in slices, so that no step is long.

What is left to do stands in the ledger's own queues, which a replay rebuilds, so a restart in the
middle of a cascade goes on with it.
"""

from __future__ import annotations

from ganger.config import MasterSettings
from ganger.core.context import Context
from ganger.core.delivery import Delivery
from ganger.core.intervals import IntervalSet
from ganger.core.lifecycle import CANCELLED, SUCCEEDED
from ganger.core.tasks import Session, Task
from ganger.protocol.ids import TaskId, task_id
from ganger.protocol.messages import Forget, Stop
from ganger.protocol.outcome import ErrorInfo, encode_error
from ganger.protocol.records import ResultsReleased, TaskFailed, TasksCancelled, TasksFailedWith


class Endings:
    """Fails, cancels and releases."""

    def __init__(self, context: Context, delivery: Delivery) -> None:
        self.context = context
        self.delivery = delivery

    def fail(self, task: Task, error: bytes) -> None:
        """A task has failed for good."""
        self.leave_worker([task])
        self.context.record(TaskFailed(task.id, error))
        self.delivery.ended([task])

    def cancel(self, tasks: list[Task]) -> None:
        """Cancels those of the tasks that have not ended."""
        unfinished = list({task.id: task for task in tasks if task.state < SUCCEEDED}.values())
        if not unfinished:
            return
        self.leave_worker(unfinished, stop=True)
        for task in unfinished:
            if task.spec.ready.keeper is not None:  # a worker that was kept free for it may not be any more
                self.context.gained[task.spec.ready.keeper] = None
        self.context.record(TasksCancelled([task.id for task in unfinished]))
        self.delivery.ended(unfinished)

    def leave_worker(self, tasks: list[Task], *, stop: bool = False) -> None:
        """Takes attempts off the workers that hold them, and with `stop` has them ended there."""
        stopped: dict[str, list[int]] = {}
        for task in tasks:
            worker = self.context.roster.workers.get(task.worker)
            if worker is None or task.id not in worker.assigned:
                continue
            worker.assigned.discard(task.id)
            worker.give_back(task.spec, 1)
            self.context.gained[worker] = None
            stopped.setdefault(worker.name, []).append(task.id)
        if stop:
            for name, ids in stopped.items():
                self.context.send(self.context.roster.workers[name].connection, Stop(ids))

    @property
    def pending(self) -> bool:
        """Whether a cascade or a closing session still has work to do."""
        return bool(self.context.ledger.cascade or self.context.ledger.closing)

    def advance(self) -> None:
        """Does one slice of what is pending."""
        ledger = self.context.ledger
        budget = self.context.settings.cascade_tasks_max
        while ledger.cascade and budget > 0:
            task = ledger.cascade[0]
            found = ledger.dependents_to_end(task, budget)
            if task.dependents is None:
                ledger.cascade.popleft()
            budget -= max(len(found), 1)
            self._follow(task, found)
        if ledger.closing and budget > 0:
            session = ledger.closing[0]
            if self._dissolve(session, budget):
                ledger.closing.popleft()
                self._forget(session)

    def _follow(self, ended: Task, ids: list[TaskId]) -> None:
        if not ids:
            return
        tasks = [self.context.ledger.tasks[identifier] for identifier in ids]
        self.leave_worker(tasks, stop=True)
        if ended.state == CANCELLED:
            self.context.record(TasksCancelled(list(ids)))
        else:
            self.context.record(TasksFailedWith(list(ids), ended.id))
        self.delivery.ended(tasks)

    def _dissolve(self, session: Session, budget: int) -> bool:
        """One slice of a closed session's end: first every task is cancelled, then all results are released.

        Returns:
            Whether nothing is left of it.
        """
        if not session.cancelled:
            session.cancelled = self._cancel_some(session, budget)
            return False
        batch: list[tuple[int, int]] = []
        for first, last in session.accepted:
            for low, high in session.released.missing(first, last):
                end = min(high, low + budget - 1)
                budget -= end - low + 1
                batch.append((low, end))
                if budget <= 0:
                    break
            if budget <= 0:
                break
        if batch:
            self.context.record(ResultsReleased(session.number, batch), lazy=True)
        return budget > 0

    def _cancel_some(self, session: Session, budget: int) -> bool:
        """Cancels up to `budget` tasks behind the session's cursor; True when it has reached the end."""
        unfinished: list[Task] = []
        for first, last in session.accepted:
            for sequence in range(max(first, session.cursor), last + 1):
                task = self.context.ledger.tasks.get(task_id(session.number, sequence))
                if task is not None and task.state < SUCCEEDED:
                    unfinished.append(task)
                session.cursor = sequence + 1
                budget -= 1
                if budget <= 0:
                    break
            if budget <= 0:
                break
        self.cancel(unfinished)
        return budget > 0

    def _forget(self, session: Session) -> None:
        ledger = self.context.ledger
        specs = [spec.id for spec in session.specs.values()]
        named = {spec.body.function for spec in session.specs.values()}
        ledger.forget_session(session)
        functions = named - ledger.functions.keys()
        for worker in self.context.roster.workers.values():
            known = [spec for spec in specs if spec in worker.specs]
            worker.specs.difference_update(known)
            worker.functions -= functions
            if known:
                self.context.send(worker.connection, Forget(known, sorted(functions)))


def unreleased(session: Session) -> list[int]:
    """Ids of the session's tasks whose results it has not let go of."""
    missing = IntervalSet()
    for first, last in session.accepted:
        for low, high in session.released.missing(first, last):
            missing.add(low, high)
    return [task_id(session.number, number) for low, high in missing for number in range(low, high + 1)]


def oversized_error(task: Task, settings: MasterSettings) -> bytes:
    """The error of a task whose inputs are too much for one message."""
    limit = settings.frame_bytes_max - settings.assigned_bytes_max
    text = (
        f"the results that {task.spec.name} takes are together longer than a message may be ({limit:,} bytes)"
    )
    return encode_error(ErrorInfo("result", "ganger.errors.ResultNotSerializable", text))
