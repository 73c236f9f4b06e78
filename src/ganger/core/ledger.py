"""The ledger is what the records make: `apply` is its only way to change, live and after a restart.

Indexes that follow from the tasks (ready queues, due retries, pending cascades) are kept here too,
so that replaying a journal leaves them as they were. Nothing here knows of connections or workers'
presence; that is the roster's. The file is longer than others because whatever changes the ledger has
to stand in it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from functools import partial
from heapq import heappop, heappush
from typing import TypeAlias

from ganger.core.costs import Cost
from ganger.core.images import RESTORERS
from ganger.core.lifecycle import (
    ASSIGN,
    CANCEL,
    FAIL,
    GIVE_BACK,
    POSTPONE,
    RESOLVE,
    SUCCEED,
    SUCCEEDED,
    WAITING,
    Cause,
)
from ganger.core.shapes import ReadyIndex, shape_of
from ganger.core.tasks import Session, Spec, Task
from ganger.errors import InvariantViolated
from ganger.protocol.ids import SEQUENCE_BITS, SessionNo, TaskId, sequence_of, session_of, spec_id
from ganger.protocol.messages import TaskGroup
from ganger.protocol.options import SpecBody
from ganger.protocol.records import (
    AttemptFailed,
    AttemptsLost,
    AttemptsReturned,
    EpochBegun,
    Record,
    ResultsReleased,
    SessionClosed,
    SessionOpened,
    SpecsDefined,
    TaskFailed,
    TasksAssigned,
    TasksCancelled,
    TasksFailedWith,
    TasksSubmitted,
    TasksSucceeded,
)

Handlers: TypeAlias = dict[type, Callable[..., None]]  # type: ignore[explicit-any]
"""Each takes what stands at its key; no type can say so."""


class Totals:
    """Counters since the ledger began."""

    __slots__ = ("cancelled", "failed", "submitted", "succeeded")

    def __init__(self) -> None:
        self.submitted = 0
        self.succeeded = 0
        self.failed = 0
        self.cancelled = 0

    @property
    def unfinished(self) -> int:
        """Tasks that have not ended."""
        return self.submitted - self.succeeded - self.failed - self.cancelled


class Ledger:
    """Tasks, sessions and specs, as recorded.

    Attributes:
        epoch: The latest mastership.
        tasks: Every task that is unfinished or whose result is still held, by id.
        ready: Queues of ready tasks.
        due: Heap of (wall-clock ns, task id) of postponed tasks; stale entries are skipped.
        cascade: Ended tasks whose dependents must follow them.
        closing: Sessions whose tasks must be cancelled and results freed.
        payload_bytes: Arguments held.
        result_bytes: Results held.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self.tasks: dict[int, Task] = {}
        self.sessions: dict[int, Session] = {}
        self.session_keys: dict[bytes, Session] = {}
        self.specs: dict[int, Spec] = {}
        self.functions: dict[bytes, bytes] = {}
        self.costs: dict[bytes, Cost] = {}
        self._function_uses: Counter[bytes] = Counter()
        self.ready = ReadyIndex()
        self.due: list[tuple[int, int]] = []
        self.cascade: deque[Task] = deque()
        self.closing: deque[Session] = deque()
        self.totals = Totals()
        self.waiting = 0
        self.payload_bytes = 0
        self.result_bytes = 0
        self.sessions_opened = 0
        self._handlers: Handlers = {
            EpochBegun: self._epoch_begun,
            SessionOpened: self._session_opened,
            SessionClosed: self._session_closed,
            SpecsDefined: self._specs_defined,
            TasksSubmitted: self._tasks_submitted,
            TasksAssigned: self._tasks_assigned,
            AttemptsReturned: self._attempts_returned,
            AttemptsLost: self._attempts_lost,
            AttemptFailed: self._attempt_failed,
            TasksSucceeded: self._tasks_succeeded,
            TaskFailed: self._task_failed,
            TasksFailedWith: self._tasks_failed_with,
            TasksCancelled: self._tasks_cancelled,
            ResultsReleased: self._results_released,
        }
        for kind, restore in RESTORERS.items():
            self._handlers[kind] = partial(restore, self)

    def apply(self, record: Record) -> None:
        """Takes in one record.

        Raises:
            InvariantViolated: The record contradicts those before it.
        """
        self._handlers[type(record)](record)

    def session(self, number: int) -> Session:
        """A session that must exist."""
        session = self.sessions.get(number)
        if session is None:
            raise InvariantViolated(f"session {number} was never opened")
        return session

    # --- sessions and specs ----------------------------------------------------------------------

    def _epoch_begun(self, record: EpochBegun) -> None:
        if record.epoch <= self.epoch:
            raise InvariantViolated(f"epoch {record.epoch} follows epoch {self.epoch}")
        self.epoch = record.epoch

    def _session_opened(self, record: SessionOpened) -> None:
        session = Session(SessionNo(record.session), record.key, record.owner)
        self.sessions[record.session] = session
        self.session_keys[record.key] = session
        self.sessions_opened = max(self.sessions_opened, record.session)

    def _session_closed(self, record: SessionClosed) -> None:
        session = self.session(record.session)
        session.closed = True
        for spec in session.specs.values():
            spec.closed = True
        self.session_keys.pop(session.key, None)
        self.closing.append(session)

    def _specs_defined(self, record: SpecsDefined) -> None:
        session = self.session(record.session)
        named = {spec.function for spec in record.specs}
        for function in record.functions:
            if function.digest in named:
                self.functions.setdefault(function.digest, function.body)
        for number_body in record.specs:
            number = number_body.id
            if number in session.specs:
                continue
            spec = self._make_spec(session, number_body)
            session.specs[number] = spec
            self.specs[spec.id] = spec

    def _make_spec(self, session: Session, given: SpecBody) -> Spec:
        identifier = spec_id(session.number, given.id)
        body = SpecBody(identifier, given.function, given.name, given.options)
        shape = shape_of(given.options)
        priority = given.options.priority
        cost = self.costs.get(given.function)
        if cost is None:
            cost = self.costs[given.function] = Cost()
        self._function_uses[given.function] += 1
        queue = self.ready.queue
        spec = Spec(body, queue(shape, priority), queue(shape, priority, alone=True), cost)
        spec.closed = session.closed
        return spec

    # --- submission ------------------------------------------------------------------------------

    def _tasks_submitted(self, record: TasksSubmitted) -> None:
        session = self.session(record.session)
        base = record.session << SEQUENCE_BITS
        for group in record.groups:
            payloads = group.payloads
            count = len(payloads)
            session.accepted.add(group.first, group.first + count - 1)
            self.totals.submitted += count
            size = sum(map(len, payloads))
            self.payload_bytes += size
            spec = session.specs[group.spec]
            if group.inputs is not None:
                self._submit_dependent(base | group.first, spec, group)
                continue
            tasks = self.tasks
            push = spec.ready.tasks.append
            task = base | group.first
            for payload in payloads:
                tasks[task] = ready = Task(TaskId(task), spec, payload)
                push(ready)
                task += 1

    def _submit_dependent(self, first: int, spec: Spec, group: TaskGroup) -> None:
        for offset, inputs in enumerate(group.inputs or ()):
            task = Task(TaskId(first + offset), spec, group.payloads[offset])
            self.tasks[task.id] = task
            if not inputs:
                spec.ready.tasks.append(task)
                continue
            task.inputs = inputs
            for needed_id in set(inputs):
                self.link(task, self.tasks[needed_id])
            if task.unmet:
                task.state = WAITING
                self.waiting += 1
            else:
                spec.ready.tasks.append(task)

    # --- attempts --------------------------------------------------------------------------------

    def _tasks_assigned(self, record: TasksAssigned) -> None:
        tasks = self.tasks
        worker = record.worker
        for identifier in record.tasks:
            task = tasks[identifier]
            if task.state is WAITING:  # in a replay: its retry was due, which is not recorded
                self.waiting -= 1
                task.ready_at_ns = 0
                task.state = RESOLVE[task.state]
            task.state = ASSIGN[task.state]
            task.attempt += 1
            task.worker = worker
        if record.tasks:  # in a replay they still stand at the head of the one queue that they came from
            (task.spec.suspects if task.suspect else task.spec.ready).head()

    def _attempts_returned(self, record: AttemptsReturned) -> None:
        for identifier in record.tasks:
            task = self.tasks[identifier]
            task.suspect = task.suspect or record.suspects
            self._requeue(task)

    def _attempts_lost(self, record: AttemptsLost) -> None:
        for identifier in record.tasks:
            task = self.tasks[identifier]
            task.losses += 1
            task.suspect = True
            self._requeue(task)

    def _requeue(self, task: Task) -> None:
        task.state = GIVE_BACK[task.state]
        task.worker = ""
        (task.spec.suspects if task.suspect else task.spec.ready).tasks.appendleft(task)

    def _attempt_failed(self, record: AttemptFailed) -> None:
        task = self.tasks[record.task]
        task.state = POSTPONE[task.state]
        task.failures += 1
        task.worker = ""
        task.ready_at_ns = record.ready_at_ns
        self.waiting += 1
        heappush(self.due, (record.ready_at_ns, task.id))

    def pop_due(self) -> tuple[int, int]:
        """Takes the earliest entry of `due`."""
        return heappop(self.due)

    def make_ready(self, task: Task) -> None:
        """A waiting task has nothing left to wait for. Follows from records and the clock; not recorded."""
        task.state = RESOLVE[task.state]
        task.ready_at_ns = 0
        self.waiting -= 1
        (task.spec.suspects if task.suspect else task.spec.ready).tasks.append(task)

    # --- ends ------------------------------------------------------------------------------------

    def _tasks_succeeded(self, record: TasksSucceeded) -> None:
        tasks = self.tasks
        freed = 0
        for identifier, payload in zip(record.tasks, record.payloads, strict=True):
            task = tasks[identifier]
            if task.state == WAITING:
                self.waiting -= 1
            task.state = SUCCEED[task.state]
            freed += len(task.payload)
            task.payload = b""
            task.result = payload
            if task.inputs is not None:
                self._let_go(task)
            if task.dependents is not None:
                self._resolve_dependents(task)
            elif task.released:
                self._drop(task)
        self.payload_bytes -= freed
        self.totals.succeeded += len(record.tasks)
        self.result_bytes += sum(map(len, record.payloads))

    def _resolve_dependents(self, task: Task) -> None:
        for identifier in task.dependents or ():
            dependent = self.tasks.get(identifier)
            if dependent is not None and dependent.state == WAITING:
                dependent.unmet -= 1
                if not dependent.unmet and not dependent.ready_at_ns:
                    self.make_ready(dependent)
        task.dependents = None
        if task.released:
            self._drop(task)

    def _task_failed(self, record: TaskFailed) -> None:
        self._end(self.tasks[record.task], FAIL, record.error, record.task)
        self.totals.failed += 1

    def _tasks_failed_with(self, record: TasksFailedWith) -> None:
        cause = self.tasks[record.cause]
        for identifier in record.tasks:
            self._end(self.tasks[identifier], FAIL, cause.error, cause.origin)
        self.totals.failed += len(record.tasks)

    def _tasks_cancelled(self, record: TasksCancelled) -> None:
        for identifier in record.tasks:
            self._end(self.tasks[identifier], CANCEL, b"", 0)
        self.totals.cancelled += len(record.tasks)

    def _end(self, task: Task, cause: Cause, error: bytes, origin: int) -> None:
        if task.state == WAITING:
            self.waiting -= 1
        task.state = cause[task.state]
        self.payload_bytes -= len(task.payload)
        task.payload = b""
        task.error = error
        task.origin = origin
        if task.inputs is not None:
            self._let_go(task)
        if task.dependents is not None:
            self.cascade.append(task)
        elif task.released:
            self._drop(task)

    def _let_go(self, task: Task) -> None:
        """An ended task needs its inputs no longer."""
        for identifier in set(task.inputs or ()):
            needed = self.tasks.get(identifier)
            if needed is not None:
                needed.holds -= 1
                if not needed.holds and needed.released and needed.state >= SUCCEEDED:
                    self._drop(needed)
        task.inputs = None

    # --- release ---------------------------------------------------------------------------------

    def _results_released(self, record: ResultsReleased) -> None:
        session = self.session(record.session)
        base = record.session << SEQUENCE_BITS
        tasks = self.tasks
        pop = tasks.pop
        freed = 0
        for first, last in record.intervals:
            start = first
            for identifier in range(base | first, (base | last) + 1):
                task = pop(identifier, None)
                if task is None:
                    continue
                if task.state < SUCCEEDED or task.holds:  # it goes when it has ended and nobody needs it
                    task.released = True
                    tasks[identifier] = task
                    if start < identifier - base:
                        session.released.add(start, identifier - base - 1)
                    start = identifier - base + 1
                    continue
                freed += len(task.result)
            if start <= last:
                session.released.add(start, last)
        self.result_bytes -= freed

    def _drop(self, task: Task) -> None:
        if not task.holds and self.tasks.pop(task.id, None) is not None:
            self.result_bytes -= len(task.result)
            task.result = b""
            session = self.sessions.get(session_of(task.id))
            if session is not None:
                session.released.add(sequence_of(task.id), sequence_of(task.id))

    def dependents_to_end(self, task: Task, limit: int) -> list[TaskId]:
        """Up to `limit` unfinished dependents of an ended task; shortens its list as it goes."""
        found: list[TaskId] = []
        dependents = task.dependents
        while dependents and len(found) < limit:
            dependent = self.tasks.get(dependents.pop())
            if dependent is not None and dependent.state < SUCCEEDED:
                found.append(dependent.id)
        if not dependents:
            task.dependents = None
            if task.released:
                self._drop(task)
        return found

    def forget_session(self, session: Session) -> None:
        """A closed session whose tasks have all ended. Follows from records; not recorded."""
        for spec in session.specs.values():
            self.specs.pop(spec.id, None)
            self.ready.release(spec.ready)
            self.ready.release(spec.suspects)
            self._release_function(spec.body.function)
        self.sessions.pop(session.number, None)

    def link(self, task: Task, needed: Task) -> None:
        """The task takes the result of the other one."""
        needed.holds += 1
        if needed.state is SUCCEEDED:
            return
        task.unmet += 1
        if needed.dependents is None:
            needed.dependents = []
            if needed.state > SUCCEEDED:
                self.cascade.append(needed)
        needed.dependents.append(task.id)

    def _release_function(self, digest: bytes) -> None:
        """One spec fewer names the function; the last takes its body and what is known of it along."""
        self._function_uses[digest] -= 1
        if not self._function_uses[digest]:
            del self._function_uses[digest], self.functions[digest], self.costs[digest]

    def results_of(self, identifiers: Iterable[int]) -> list[bytes]:
        """The results that a ready task takes."""
        tasks = self.tasks
        return [tasks[identifier].result for identifier in identifiers]
